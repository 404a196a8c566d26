//! Answers, plays a menu, and does what the keys stand for: rings a phone, goes to another menu, and back.
//!
//! ```json
//! { "zone": "Europe/Berlin", "extensions": true,
//!   "schedules": [ { "days": "12345", "hours": "09:00-17:00", "menu": "main" }, { "menu": "night" } ],
//!   "digits": { "1": "1001", "2": "menu:sales", "9": "sip:7@192.0.2.7" },
//!   "menus": { "sales": { "menu": "sales-menu", "digits": { "1": "1002", "*": "back", "#": "repeat" } },
//!              "night": { "menu": "night-menu", "failed": "1009" } } }
//! ```
//! A key leads to an extension or account of the company, to a SIP URI, to a menu (`menu:NAME`), `back` to the menu before,
//! to the same again (`repeat`), or to the end (`hangup`). Where `extensions` is true a caller may dial an extension or an
//! account that has a phone; the last digit is known by a pause, or by `#`. What stands at the top is the menu `main`, and
//! holds for every menu that does not say otherwise. The first schedule that fits says where a call begins; one without
//! times always fits. After so many `attempts` without a key that leads somewhere `failed` is rung, or the caller hears
//! goodbye. Each prompt is a stored one, a URL that is granted, or a text as `say:en:Press one for sales`. A configuration
//! that names a menu which is not there is refused when it is bound.

mod menu;

use menu::{Config, Menu};
use strowger_sdk::lifecycle::{Checked, Lifecycle, document};
use strowger_sdk::prelude::*;
use strowger_sdk::{Target, account, export_lifecycle, extension, info, is_hung_up};

/// Menus that a call may walk through: one that leads round and round ends.
const MENUS_MAX: usize = 50;
/// The pause that ends an extension, in milliseconds.
const PAUSE_MS: u32 = 2_000;
/// How long the first key may take, in milliseconds.
const FIRST_MS: u32 = 5_000;

struct Attendant;

/// What a menu came to.
enum Next {
    /// Another menu.
    Menu(String),
    Back,
    /// Somebody was reached, or the end was chosen.
    Over,
    /// Nothing led anywhere.
    Failed,
}

impl Lifecycle for Attendant {
    fn validate_config(json: &str) -> Checked<()> {
        let faults = document::<Config>(json)?.faults();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

impl App for Attendant {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        let caller = &call.leg;
        caller.answer()?;
        let mut path = vec![config.begin()];
        for _ in 0..MENUS_MAX {
            let Some(menu) = path.last().and_then(|name| config.menu(name)) else {
                info!("there is no menu {}", path.last().map_or("", String::as_str));
                break;
            };
            match offer(caller, &config, &menu)? {
                Next::Menu(name) => path.push(name),
                Next::Back => {
                    if path.len() > 1 {
                        path.pop();
                    }
                }
                Next::Over => return Ok(Ended::default()),
                Next::Failed => {
                    if let Some(whom) = &menu.failed
                        && reach(caller, &config, whom)?
                    {
                        return Ok(Ended::default());
                    }
                    break;
                }
            }
        }
        caller.play(&[prompt(&config.goodbye)])?;
        caller.hangup();
        Ok(Ended::default())
    }
}

/// Plays a menu until a key leads somewhere, so many times.
fn offer(caller: &Leg, config: &Config, menu: &Menu) -> Result<Next> {
    for _ in 0..menu.attempts {
        let what = if menu.extensions {
            Collect::up_to(config.extension_digits).wait(FIRST_MS, PAUSE_MS)
        } else {
            Collect::digits(1)
        };
        let pressed = caller.collect(what.prompts(&[prompt(&menu.menu)]))?.digits;
        let whom = match menu.digits.get(&pressed) {
            Some(whom) => whom.clone(),
            None if menu.extensions && has_phone(&pressed)? => pressed,
            None => {
                caller.play(&[prompt(&config.invalid)])?;
                continue;
            }
        };
        match whom.as_str() {
            "back" => return Ok(Next::Back),
            "repeat" => {}
            "hangup" => {
                caller.hangup();
                return Ok(Next::Over);
            }
            whom => match whom.strip_prefix("menu:") {
                Some(name) => return Ok(Next::Menu(name.to_owned())),
                None if reach(caller, config, whom)? => return Ok(Next::Over),
                None => {}
            },
        }
    }
    Ok(Next::Failed)
}

/// Whether what was dialled is an account of the company, or an extension that leads to one.
fn has_phone(dialled: &str) -> Result<bool> {
    if dialled.is_empty() {
        return Ok(false);
    }
    Ok(match extension(dialled)? {
        Some(number) => matches!(number.target, Target::Account(_)),
        None => account(dialled)?.is_some(),
    })
}

/// Rings and bridges; false where nobody was reached, which the caller has heard.
fn reach(caller: &Leg, config: &Config, whom: &str) -> Result<bool> {
    match connect(caller, &target(whom)?, config) {
        Ok(()) => Ok(true),
        Err(error) if caller.state() == "ended" => Err(error),
        Err(error) => {
            info!("{whom}: {error}");
            // Busy, no answer, not registered. A caller who hung up meanwhile ends the script here.
            caller.play(&[prompt(&config.busy)])?;
            Ok(false)
        }
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
export_lifecycle!(Attendant);
