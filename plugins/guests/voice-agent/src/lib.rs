//! A voice agent: the caller speaks with whoever answers on a WebSocket.
//!
//! ```json
//! { "url": "wss://agent.example.com/calls", "rate": 16000, "secret": true, "operator": "1001", "operator_key": "0" }
//! ```
//! The words on the WebSocket are in `wit/call/voice.wit`. The agent ends with `end`: a note that is the name of an account
//! hands the caller over to it, anything else is good-bye. Where the agent is not there or fails, and on `operator_key`, the
//! account `operator` is rung; without one the caller hears the busy tone.

use serde::Deserialize;
use strowger_sdk::prelude::*;
use strowger_sdk::{Channels, LineSpec};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    url: String,
    rate: u32,
    stereo: bool,
    secret: bool,
    note: String,
    operator_key: String,
    operator: Option<String>,
    max_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            url: String::new(),
            rate: 16_000,
            stereo: false,
            secret: false,
            note: String::new(),
            operator_key: String::new(),
            operator: None,
            max_s: 3_600,
        }
    }
}

struct Agent;

impl App for Agent {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        let caller = &call.leg;
        caller.answer()?;
        let channels = if config.stereo { Channels::Stereo } else { Channels::Party };
        let mut line = LineSpec::to(&config.url).rate(config.rate).channels(channels).note(&config.note);
        if config.secret {
            line = line.secret("token");
        }
        let next = match caller.open_line(&line) {
            Ok(()) => {
                let end = caller.attend_line(&config.operator_key, seconds(config.max_s))?;
                match end.ended_by.as_str() {
                    "end" if is_account(&end.note) => Some(end.note),
                    "failed" | "digit" => config.operator,
                    _ => return over(caller, false),
                }
            }
            Err(error) if strowger_sdk::is_hung_up(&error) => return Err(error),
            Err(_) => config.operator,
        };
        match next {
            Some(account) => hand_over(caller, &account),
            None => over(caller, true),
        }
    }
}

/// Whether a note may be the name of an account. Nothing else is dialled for the other end: no address, and no plan of its
/// own.
fn is_account(note: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=64).contains(&note.len()) && note.bytes().all(plain)
}

/// The end of the call, with the busy tone where something went wrong.
fn over(caller: &Leg, busy: bool) -> Result<Ended> {
    if busy {
        caller.play(&[tone("busy"), tone("busy")])?;
    }
    caller.hangup();
    Ok(Ended::default())
}

fn hand_over(caller: &Leg, account: &str) -> Result<Ended> {
    // A line that still stands hears no more of it.
    let _none = caller.close_line();
    match dial(caller, Dial::to([account]).ring(seconds(30)).hear(&[tone("ring")])) {
        Ok(person) => bridge(caller, &person).map(|_| Ended::default()),
        Err(error) if strowger_sdk::is_hung_up(&error) && caller.state() == "ended" => Err(error),
        Err(_) => over(caller, true),
    }
}

export_app!(Agent);
