//! Call forwarding and do not disturb, set by the called party with star codes.
//!
//! | code | |
//! |---|---|
//! | `*72 NUMBER`, `*73` | every call goes to NUMBER; no more |
//! | `*90 NUMBER`, `*91` | when busy |
//! | `*92 NUMBER`, `*93` | when not answered or not reachable |
//! | `*78`, `*79` | do not disturb: callers hear busy |
//!
//! Bind it in one scope to `routing/router` (before `extensions`), to `hooks/feature`, and to `call/app` under the name
//! that `{ "confirm": "forwards-confirm" }` gives: a beep tells that a code was taken. Without that binding the phone
//! shows a refusal with the same words.

use serde::Deserialize;
use strowger_sdk::prelude::*;
use strowger_sdk::{Action, Bucket, Cause, Feature, account, beep, export_feature, extension};

const STORE: Bucket = Bucket("forwards");

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Config {
    confirm: Option<String>,
}

struct Forwards;

/// What is set for an account.
#[derive(Clone, Copy)]
enum Kind {
    Always,
    Busy,
    NoAnswer,
    Disturb,
}

impl Kind {
    fn key(self, account: &str) -> String {
        let kind = match self {
            Kind::Always => "always",
            Kind::Busy => "busy",
            Kind::NoAnswer => "no-answer",
            Kind::Disturb => "disturb",
        };
        format!("{account}/{kind}")
    }
}

/// The account that a dialled string rings.
fn owner(dialled: &str) -> Result<Option<String>> {
    if let Some(number) = extension(dialled)? {
        return Ok(number.target.account().map(str::to_owned));
    }
    Ok(account(dialled)?.map(|a| a.username))
}

/// A call is forwarded once by each party, so that two who forward to each other do not play ping-pong.
fn forward(call: &CallInfo, owner: &str, kind: Kind) -> Result<Decision> {
    let mark = format!("by-{owner}");
    let seen = call.attrs.iter().any(|(name, _)| name.ends_with(&format!(".{mark}")));
    match STORE.text(&kind.key(owner))? {
        Some(number) if !seen => Ok(Decision::Reroute((number, vec![(mark, "1".to_owned())]))),
        _ => Ok(next()),
    }
}

impl Router for Forwards {
    fn route(call: CallInfo) -> Result<Decision> {
        let Some(owner) = owner(&call.callee.user)? else { return Ok(next()) };
        if STORE.get(&Kind::Disturb.key(&owner))?.is_some() {
            return Ok(refuse(486, "Do not disturb"));
        }
        forward(&call, &owner, Kind::Always)
    }

    fn exhausted(call: CallInfo, tried: Vec<(String, Cause)>) -> Result<Decision> {
        let Some(owner) = owner(&call.callee.user)? else { return Ok(next()) };
        let busy = tried.last().is_some_and(|(_, cause)| cause.sip == 486 || cause.sip == 600);
        forward(&call, &owner, if busy { Kind::Busy } else { Kind::NoAnswer })
    }
}

impl Feature for Forwards {
    fn invoke(call: CallInfo, code: String, digits: String) -> Result<Action> {
        let Some(account) = call.account.as_deref() else { return Ok(Action::Ignore) };
        let number = digits.trim_end_matches('#');
        let done = match code.as_str() {
            "*72" => set(Kind::Always, account, number),
            "*90" => set(Kind::Busy, account, number),
            "*92" => set(Kind::NoAnswer, account, number),
            "*78" => STORE.put(&Kind::Disturb.key(account), "1").map(|()| "Do not disturb"),
            "*73" => clear(Kind::Always, account),
            "*91" => clear(Kind::Busy, account),
            "*93" => clear(Kind::NoAnswer, account),
            "*79" => clear(Kind::Disturb, account),
            _ => return Ok(Action::Ignore),
        };
        let words = match done {
            Ok(words) => words,
            Err(Error::InvalidArgument(_)) => return Ok(Action::Refuse((484, "A number must follow".to_owned()))),
            Err(error) => return Err(error),
        };
        let config: Config = config()?;
        Ok(match config.confirm {
            Some(name) => Action::RunApp((name, Vec::new())),
            None => Action::Refuse((480, words.to_owned())),
        })
    }
}

fn set(kind: Kind, account: &str, number: &str) -> Result<&'static str> {
    let legal = |c: char| c.is_ascii_digit() || c == '+';
    if number.is_empty() || number.len() > 32 || !number.chars().all(legal) {
        return Err(Error::InvalidArgument("number".to_owned()));
    }
    STORE.put(&kind.key(account), number).map(|()| "Forwarding is on")
}

fn clear(kind: Kind, account: &str) -> Result<&'static str> {
    STORE.delete(&kind.key(account)).map(|()| "Off")
}

impl App for Forwards {
    fn run(call: Call) -> Result<Ended> {
        call.leg.answer()?;
        call.leg.play(&[beep(), beep()])?;
        call.leg.hangup();
        Ok(Ended::default())
    }
}

export_router!(Forwards);
export_feature!(Forwards);
export_app!(Forwards);
