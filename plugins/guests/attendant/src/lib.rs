//! Answers, plays a menu, collects one digit, dials what the digit stands for, or repeats.
//!
//! ```json
//! { "digits": { "1": "1001", "2": "sip:7@192.0.2.7" }, "ring_timeout_s": 20, "attempts": 3 }
//! ```
//! A digit leads to an extension or account of the company, or to a SIP URI. Prompts may be named: `menu`, `invalid`,
//! `busy`, `goodbye`; each is a stored prompt, a URL that is granted, or a text as `say:en:Press one for sales`.

use serde::Deserialize;
use std::collections::BTreeMap;
use strowger_sdk::prelude::*;
use strowger_sdk::{Target, extension, info, is_hung_up};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    digits: BTreeMap<String, String>,
    ring_timeout_s: u32,
    attempts: u32,
    menu: String,
    invalid: String,
    busy: String,
    goodbye: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            digits: BTreeMap::new(),
            ring_timeout_s: 20,
            attempts: 3,
            menu: "attendant-menu".to_owned(),
            invalid: "attendant-invalid".to_owned(),
            busy: "attendant-busy".to_owned(),
            goodbye: "goodbye".to_owned(),
        }
    }
}

struct Attendant;

impl App for Attendant {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        let caller = &call.leg;
        caller.answer()?;
        for _ in 0..config.attempts {
            let pressed = caller.collect(Collect::digits(1).prompts(&[prompt(&config.menu)]))?;
            let Some(whom) = config.digits.get(&pressed.digits) else {
                caller.play(&[prompt(&config.invalid)])?;
                continue;
            };
            match connect(caller, &target(whom)?, &config) {
                Ok(()) => return Ok(Ended::default()),
                Err(error) if caller.state() == "ended" => return Err(error),
                Err(error) => info!("digit {}: {error}", pressed.digits),
            }
            // Busy, no answer, not registered. A caller who hung up meanwhile ends the script here.
            caller.play(&[prompt(&config.busy)])?;
        }
        caller.play(&[prompt(&config.goodbye)])?;
        caller.hangup();
        Ok(Ended::default())
    }
}

/// Follows an extension to its account.
fn target(whom: &str) -> Result<String> {
    if whom.contains(':') {
        return Ok(whom.to_owned());
    }
    Ok(match extension(whom)?.map(|number| number.target) {
        Some(Target::Account(name)) => name,
        _ => whom.to_owned(),
    })
}

/// Rings and bridges. An error means that nobody was reached.
fn connect(caller: &Leg, whom: &str, config: &Config) -> Result<()> {
    let callee = dial(caller, Dial::to([whom]).ring(seconds(config.ring_timeout_s)))?;
    match bridge(caller, &callee) {
        // Either side hanging up is how a call ends well.
        Err(error) if !is_hung_up(&error) => Err(error),
        _ => {
            callee.hangup();
            caller.hangup();
            Ok(())
        }
    }
}

export_app!(Attendant);
