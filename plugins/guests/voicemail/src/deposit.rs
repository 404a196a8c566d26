//! Leaving a message.

use crate::Config;
use strowger_sdk::mailbox::{Greeting, Mailbox};
use strowger_sdk::prelude::*;
use strowger_sdk::{Tape, beep, count, info, is_hung_up};

/// How often a caller may begin again.
const TRIES: usize = 5;

/// Takes a message for the box of `name`; a caller whom the box does not take hears the status of the failed call.
pub(crate) fn run(call: &Call, config: &Config, (name, cause, failed): (&str, Option<&str>, u16)) -> Result<Ended> {
    let caller = &call.leg;
    let mailbox = Mailbox::of(name);
    let found = match mailbox.open() {
        Ok(found) if found.enabled => found,
        Ok(_) | Err(Error::NotFound) => return Ok(Ended::with(failed)),
        Err(error) => {
            info!("voicemail of {name}: {error}");
            return Ok(Ended::with(failed));
        }
    };
    caller.answer()?;
    if found.full {
        count("voicemail_refused", &[("why", "full")]);
        caller.play(&[file("vm-full"), file("goodbye")])?;
        caller.hangup();
        return Ok(Ended::default());
    }
    let busy = matches!(cause, Some("busy"));
    let (kind, standard) = if busy { (Greeting::Busy, "vm-busy") } else { (Greeting::Unavailable, "vm-unavailable") };
    let spoken = match mailbox.greeting(kind)? {
        // A caller who is busy hears the one greeting that its owner has spoken, too.
        None if busy => mailbox.greeting(Greeting::Unavailable)?,
        other => other,
    };
    // `#` leaps to the tone.
    caller.play_until(&[spoken.unwrap_or_else(|| file(standard))], "#")?;
    for _ in 0..TRIES {
        if record(call, config, &mailbox, found.message_max_s)? {
            break;
        }
    }
    caller.hangup();
    Ok(Ended::default())
}

/// One recording, and what becomes of it; whether it is over.
fn record(call: &Call, config: &Config, mailbox: &Mailbox, max_s: u32) -> Result<bool> {
    let caller = &call.leg;
    caller.play(&[beep()])?;
    let taped = caller.tape(&Tape::message(seconds(config.silence_s), seconds(max_s)))?;
    let said_ms = match taped.ended_by.as_str() {
        // The silence that ended it is not what was said.
        "silence" => taped.length_ms.saturating_sub(u64::from(seconds(config.silence_s))),
        _ => taped.length_ms,
    };
    let long_enough = said_ms >= u64::from(seconds(config.min_s));
    if taped.ended_by == "hung-up" {
        if long_enough {
            keep(call, mailbox, &taped.name, false)?;
        }
        return Ok(true);
    }
    if !long_enough {
        caller.play(&[file("vm-too-short")])?;
        return Ok(false);
    }
    // Only a caller who pressed a key is still there to be asked.
    if !config.review || taped.ended_by != "digit" {
        return sent(call, mailbox, &taped.name, false);
    }
    match review(caller, mailbox, &taped.name) {
        Ok(Choice::Again) => Ok(false),
        Ok(Choice::Send { urgent }) => sent(call, mailbox, &taped.name, urgent),
        // Who hangs up here has said all.
        Err(error) if is_hung_up(&error) => keep(call, mailbox, &taped.name, false).map(|()| true),
        Err(error) => Err(error),
    }
}

enum Choice {
    Send { urgent: bool },
    Again,
}

fn review(caller: &Leg, mailbox: &Mailbox, recording: &str) -> Result<Choice> {
    for _ in 0..TRIES {
        let pressed = caller.collect(Collect::digits(1).prompts(&[file("vm-review")]))?;
        match pressed.digits.as_str() {
            "2" => drop(caller.play_until(&[mailbox.recording(recording)?], "123#")?),
            "3" => return Ok(Choice::Again),
            "4" => return Ok(Choice::Send { urgent: true }),
            _ => return Ok(Choice::Send { urgent: false }),
        }
    }
    Ok(Choice::Send { urgent: false })
}

fn sent(call: &Call, mailbox: &Mailbox, recording: &str, urgent: bool) -> Result<bool> {
    keep(call, mailbox, recording, urgent)?;
    call.leg.play(&[file("vm-sent"), file("goodbye")])?;
    Ok(true)
}

fn keep(call: &Call, mailbox: &Mailbox, recording: &str, urgent: bool) -> Result<()> {
    let from = &call.info.caller;
    mailbox.deposit(recording, &from.user, from.display.as_deref(), urgent)?;
    count("voicemail_messages", &[]);
    Ok(())
}
