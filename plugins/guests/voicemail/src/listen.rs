//! Hearing messages, greetings, the PIN.

use crate::{Config, Pin, owner};
use strowger_sdk::mailbox::{Folder, Greeting, Mailbox, Message, PinCheck};
use strowger_sdk::prelude::*;
use strowger_sdk::{PlayList, Tape, beep, digits, local_time, number, silence};

/// How often a PIN or a box is asked for in one call.
const TRIES: usize = 3;
/// So often a menu is said to somebody who presses nothing.
const SILENT_MAX: usize = 3;
const PIN_MAX: u32 = 12;
/// The longest greeting, and how long a silence ends it, in seconds.
const GREETING_S: u32 = 60;

/// Lets a box be heard: that of `name`, or the one that the caller names.
pub(crate) fn run(call: &Call, config: &Config, name: Option<String>) -> Result<Ended> {
    let caller = &call.leg;
    caller.answer()?;
    caller.play(&[silence(300)])?;
    let mailbox = match name {
        Some(name) => Some(Mailbox::of(&name)),
        None => ask_box(caller)?,
    };
    if let Some(mailbox) = mailbox
        && let_in(call, config, &mailbox)?
    {
        main_menu(caller, config, &mailbox)?;
    }
    caller.play(&[file("goodbye")])?;
    caller.hangup();
    Ok(Ended::default())
}

fn ask_box(caller: &Leg) -> Result<Option<Mailbox>> {
    for _ in 0..TRIES {
        let dialled = caller.collect(Collect::up_to(20).prompts(&[file("vm-box")]))?.digits;
        match owner(&dialled)? {
            Some(name) => return Ok(Some(Mailbox::of(&name))),
            None => caller.play(&[file("vm-no-such")])?,
        }
    }
    Ok(None)
}

/// Whether the caller may hear the box.
fn let_in(call: &Call, config: &Config, mailbox: &Mailbox) -> Result<bool> {
    let caller = &call.leg;
    let is_own = call.info.account.as_deref() == Some(mailbox.account());
    let found = match mailbox.open() {
        Ok(found) => found,
        Err(Error::NotFound) => {
            caller.play(&[file("vm-no-such")])?;
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    if !found.has_pin {
        // Only its own phone may give a box its first PIN.
        return if is_own { new_pin(caller, mailbox) } else { caller.play(&[file("vm-locked")]).map(|()| false) };
    }
    if is_own && config.pin == Pin::Elsewhere {
        return Ok(true);
    }
    for _ in 0..TRIES {
        let pin = caller.collect(Collect::up_to(PIN_MAX).prompts(&[file("vm-pin")]).wait(10_000, 5_000))?.digits;
        match mailbox.check_pin(&pin)? {
            PinCheck::Right => return Ok(true),
            PinCheck::Wrong => caller.play(&[file("vm-pin-wrong")])?,
            PinCheck::Locked | PinCheck::Unset => {
                caller.play(&[file("vm-locked")])?;
                return Ok(false);
            }
        }
    }
    Ok(false)
}

/// Sets a PIN; whether there is one now.
fn new_pin(caller: &Leg, mailbox: &Mailbox) -> Result<bool> {
    let ask = |prompt: &str| {
        let collected = caller.collect(Collect::up_to(PIN_MAX).prompts(&[file(prompt)]).wait(10_000, 5_000));
        collected.map(|c| c.digits)
    };
    for _ in 0..TRIES {
        let pin = ask("vm-pin-new")?;
        if pin.len() < 4 || ask("vm-pin-again")? != pin {
            caller.play(&[file("vm-pin-wrong")])?;
            continue;
        }
        match mailbox.set_pin(&pin) {
            Ok(()) => return caller.play(&[file("vm-pin-set")]).map(|()| true),
            Err(Error::InvalidArgument(_)) => caller.play(&[file("vm-pin-wrong")])?,
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn main_menu(caller: &Leg, config: &Config, mailbox: &Mailbox) -> Result<()> {
    let mut silent = 0;
    let mut tell = true;
    while silent < SILENT_MAX {
        let mut prompts = Vec::new();
        if tell {
            let found = mailbox.open()?;
            prompts.push(file("vm-you-have"));
            prompts.extend([number(&config.pack, found.new_messages.into()), file("vm-new")]);
            prompts.extend([number(&config.pack, found.saved_messages.into()), file("vm-saved")]);
        }
        prompts.push(file("vm-menu"));
        let pressed = caller.collect(Collect::digits(1).prompts(&prompts))?.digits;
        tell = !pressed.is_empty();
        silent = if pressed.is_empty() { silent + 1 } else { 0 };
        match pressed.as_str() {
            "1" => folder(caller, config, mailbox, Folder::New)?,
            "2" => folder(caller, config, mailbox, Folder::Saved)?,
            "3" => folder(caller, config, mailbox, Folder::Deleted)?,
            "4" => greetings(caller, mailbox)?,
            "5" => drop(new_pin(caller, mailbox)?),
            "*" | "#" | "9" => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// Plays a folder, message by message.
fn folder(caller: &Leg, config: &Config, mailbox: &Mailbox, which: Folder) -> Result<()> {
    let messages = mailbox.messages(which)?;
    if messages.is_empty() {
        return caller.play(&[file("vm-none")]);
    }
    for message in messages {
        match hear(caller, config, mailbox, &message) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            // Somebody else erased it meanwhile.
            Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    caller.play(&[file("vm-none")])
}

/// Plays a message and does with it what its owner says; whether to go on with the next.
fn hear(caller: &Leg, config: &Config, mailbox: &Mailbox, message: &Message) -> Result<bool> {
    let sound = mailbox.hear(message.id)?;
    let mut prompts = said_before(config, message);
    let mut silent = 0;
    loop {
        prompts.push(sound.clone());
        // 7 and 8 step back and forward, 5 halts; what else is pressed is meant for the menu.
        let list = PlayList::of(&prompts).steps('7', '8', 5_000).pause('5').stop_on("12346*#");
        let during = caller.play_list(&list)?.digit;
        prompts.clear();
        loop {
            let pressed = match &during {
                Some(key) if silent == 0 => key.clone(),
                _ => caller.collect(Collect::digits(1).prompts(&[file("vm-message-menu")]))?.digits,
            };
            silent += 1;
            match pressed.as_str() {
                "1" => break,
                "2" => return keep(caller, mailbox, message, Folder::Saved, "vm-was-saved"),
                "3" => return keep(caller, mailbox, message, Folder::Deleted, "vm-was-deleted"),
                "4" => forward(caller, mailbox, message)?,
                "6" | "#" => return Ok(true),
                "*" => return Ok(false),
                _ if silent > SILENT_MAX => return Ok(false),
                _ => {}
            }
        }
        silent = 0;
    }
}

/// Who left it, and when.
fn said_before(config: &Config, message: &Message) -> Vec<Prompt> {
    let legal = !message.caller.is_empty() && message.caller.len() <= 32;
    let sayable = legal && message.caller.bytes().all(|b| b.is_ascii_digit() || b == b'+');
    let mut prompts = vec![file("vm-from")];
    prompts.push(if sayable { digits(&config.pack, &message.caller) } else { file("vm-unknown") });
    if let Some(at) = local_time(&config.zone, message.received_ms) {
        prompts.extend([file("vm-at"), number(&config.pack, at.hour.into()), number(&config.pack, at.minute.into())]);
    }
    prompts.push(silence(300));
    prompts
}

fn keep(caller: &Leg, mailbox: &Mailbox, message: &Message, to: Folder, said: &str) -> Result<bool> {
    mailbox.put(message.id, to)?;
    caller.play(&[file(said)])?;
    Ok(true)
}

fn forward(caller: &Leg, mailbox: &Mailbox, message: &Message) -> Result<()> {
    let dialled = caller.collect(Collect::up_to(20).prompts(&[file("vm-forward-to")]).wait(10_000, 5_000))?.digits;
    let Some(to) = owner(&dialled)? else { return caller.play(&[file("vm-no-such")]) };
    match mailbox.forward(message.id, &to) {
        Ok(_) => caller.play(&[file("vm-forwarded")]),
        Err(Error::LimitExceeded(_) | Error::InvalidState(_)) => caller.play(&[file("vm-full")]),
        Err(error) => Err(error),
    }
}

fn greetings(caller: &Leg, mailbox: &Mailbox) -> Result<()> {
    let pressed = caller.collect(Collect::digits(1).prompts(&[file("vm-greetings")]))?.digits;
    let kind = match pressed.as_str() {
        "1" => Greeting::Unavailable,
        "2" => Greeting::Busy,
        "3" => Greeting::Name,
        _ => return Ok(()),
    };
    caller.play(&[file("vm-record"), beep()])?;
    let mut taped = caller.tape(&Tape::message(seconds(5), seconds(GREETING_S)))?;
    for _ in 0..TRIES {
        let pressed = caller.collect(Collect::digits(1).prompts(&[file("vm-keep")]))?.digits;
        match pressed.as_str() {
            "1" => {
                mailbox.set_greeting(kind, Some(&taped.name))?;
                return caller.play(&[file("vm-kept")]);
            }
            "2" => drop(caller.play_until(&[mailbox.recording(&taped.name)?], "1234#")?),
            "3" => {
                caller.play(&[beep()])?;
                taped = caller.tape(&Tape::message(seconds(5), seconds(GREETING_S)))?;
            }
            "4" => {
                mailbox.set_greeting(kind, None)?;
                return caller.play(&[file("vm-kept")]);
            }
            _ => {}
        }
    }
    Ok(())
}
