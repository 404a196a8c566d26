//! Voicemail: takes messages for accounts that do not answer, and lets their owners hear them.
//!
//! Bind it in one scope to `call/app` (as `voicemail`), to `routing/router` (after `extensions`: it decides when every step
//! of a plan has failed) and to `hooks/feature`.
//!
//! | code | |
//! |---|---|
//! | `*97` | the own box |
//! | `*98`, `*98 BOX` | any box of the company |
//!
//! ```json
//! { "app": "voicemail", "pin": "always", "silence_s": 5, "min_s": 2, "review": true, "pack": "en", "zone": "UTC" }
//! ```
//! `pin` may be `elsewhere`: an account's own phone opens its box without. A box without a PIN opens to its own phones only,
//! and asks for one. Handed the argument `mailbox`, as by a number that leads to
//! somebody's voicemail, the app takes a message for it, else it lets one be heard.

mod deposit;
mod listen;

use serde::Deserialize;
use strowger_sdk::prelude::*;
use strowger_sdk::{Action, Attr, Cause, Feature, Target, account, ddi, export_feature, extension};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    app: String,
    accounts: Option<Vec<String>>,
    pin: Pin,
    silence_s: u32,
    min_s: u32,
    review: bool,
    pack: String,
    zone: String,
}

#[derive(Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pin {
    Always,
    Elsewhere,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            app: "voicemail".to_owned(),
            accounts: None,
            pin: Pin::Always,
            silence_s: 5,
            min_s: 2,
            review: true,
            pack: "en".to_owned(),
            zone: "UTC".to_owned(),
        }
    }
}

struct Voicemail;

/// The account that a dialled string rings.
pub(crate) fn owner(dialled: &str) -> Result<Option<String>> {
    let mut number = extension(dialled)?;
    if number.is_none() {
        number = ddi(dialled)?;
    }
    if let Some(Target::Extension(inner)) = number.as_ref().map(|n| &n.target) {
        number = extension(inner)?;
    }
    match number {
        Some(number) => Ok(number.target.account().map(str::to_owned)),
        None => Ok(account(dialled)?.map(|a| a.username)),
    }
}

/// Causes of a callee who was there to be asked, or would have been: not those of the caller's own doing.
fn is_for_voicemail(cause: &Cause) -> bool {
    matches!(cause.sip, 408 | 480 | 486 | 487 | 503 | 504 | 600 | 603) || cause.sip == 404
}

impl Router for Voicemail {
    fn route(_: CallInfo) -> Result<Decision> {
        Ok(next())
    }

    fn exhausted(call: CallInfo, tried: Vec<(String, Cause)>) -> Result<Decision> {
        let config: Config = config()?;
        let Some(cause) = tried.last().map(|(_, cause)| cause).filter(|cause| is_for_voicemail(cause)) else {
            return Ok(next());
        };
        let Some(owner) = owner(&call.callee.user)? else { return Ok(next()) };
        if config.accounts.is_some_and(|only| !only.contains(&owner)) {
            return Ok(next());
        }
        let args = [("mailbox", owner), ("cause", cause.code.clone()), ("sip", cause.sip.to_string())];
        Ok(Decision::App((config.app, args.map(|(name, value)| (name.to_owned(), value)).to_vec())))
    }
}

impl Feature for Voicemail {
    fn invoke(call: CallInfo, code: String, digits: String) -> Result<Action> {
        let config: Config = config()?;
        let digits = digits.trim_end_matches('#');
        let mut args: Vec<Attr> = Vec::new();
        match (code.as_str(), call.account) {
            ("*97", Some(account)) if digits.is_empty() => args.push(("listen".to_owned(), account)),
            ("*98", _) if digits.is_empty() => {}
            ("*98", _) => match owner(digits)? {
                Some(account) => args.push(("listen".to_owned(), account)),
                None => return Ok(Action::Refuse((404, "No such mailbox".to_owned()))),
            },
            _ => return Ok(Action::Ignore),
        }
        if args.is_empty() {
            args.push(("ask".to_owned(), "box".to_owned()));
        }
        Ok(Action::RunApp((config.app, args)))
    }
}

impl App for Voicemail {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        let arg = |name: &str| call.args.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        if let Some(name) = arg("mailbox") {
            let failed = arg("sip").and_then(|sip| sip.parse().ok()).unwrap_or(480);
            return deposit::run(&call, &config, (&name, arg("cause").as_deref(), failed));
        }
        let own = if arg("ask").is_some() { None } else { call.info.account.clone() };
        listen::run(&call, &config, arg("listen").or(own))
    }
}

export_router!(Voicemail);
export_feature!(Voicemail);
export_app!(Voicemail);
