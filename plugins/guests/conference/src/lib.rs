//! A conference room: asks for the PIN, if there is one, and lets the caller in.
//!
//! ```json
//! { "room": "sales", "pin": "4711", "listen_only": false }
//! ```
//! Without `room` it is the room that a number's row names (the argument `room`), else the number that was dialled, so that
//! one binding serves a range of numbers. `*` mutes the caller
//! and unmutes it. A PIN that is not of digits is refused when it is bound. Who has been removed hears the busy tone and is released.

use serde::Deserialize;
use strowger_sdk::lifecycle::{Checked, Lifecycle, document, fault};
use strowger_sdk::prelude::*;
use strowger_sdk::{Seat, beep, export_lifecycle, tone};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    room: Option<String>,
    pin: Option<String>,
    listen_only: bool,
}

/// How often the PIN is asked for.
const ATTEMPTS: usize = 3;
/// Most digits of a PIN.
const PIN_MAX: u32 = 16;

struct Conference;

impl Lifecycle for Conference {
    fn validate_config(json: &str) -> Checked<()> {
        match document::<Config>(json)?.pin {
            Some(pin) if !pin.bytes().all(|b| b.is_ascii_digit()) => {
                Err(vec![fault("/pin", "digits only: nobody could press it")])
            }
            _ => Ok(()),
        }
    }
}

impl App for Conference {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        let caller = &call.leg;
        caller.answer()?;
        if !may_enter(caller, config.pin.as_deref())? {
            caller.play(&[tone("busy"), tone("busy"), tone("busy")])?;
            caller.hangup();
            return Ok(Ended::default());
        }
        caller.play(&[beep()])?;
        let named = call.args.into_iter().find(|(name, _)| name == "room").map(|(_, room)| room);
        let room = config.room.or(named).unwrap_or(call.info.callee.user);
        let mut muted = config.listen_only;
        loop {
            let seat = Seat::in_room(&room).muted(muted);
            let seat = if config.listen_only { seat } else { seat.keys("*") };
            if caller.sit(&seat)?.ended_by != "digit" {
                break;
            }
            muted = !muted;
            caller.play(&[beep()])?;
        }
        caller.play(&[tone("busy")])?;
        caller.hangup();
        Ok(Ended::default())
    }
}

fn may_enter(caller: &Leg, pin: Option<&str>) -> Result<bool> {
    let Some(pin) = pin.filter(|pin| !pin.is_empty()) else { return Ok(true) };
    for _ in 0..ATTEMPTS {
        if caller.collect(Collect::up_to(PIN_MAX).prompts(&[tone("dial")]))?.digits == pin {
            return Ok(true);
        }
    }
    Ok(false)
}

export_app!(Conference);
export_lifecycle!(Conference);
