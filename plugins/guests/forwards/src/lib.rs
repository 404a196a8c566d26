//! Call forwarding and do not disturb, set by the called party with star codes.
//!
//! | code | |
//! |---|---|
//! | `*72 NUMBER`, `*73` | every call goes to NUMBER; no more |
//! | `*90 NUMBER`, `*91` | when busy |
//! | `*92 NUMBER`, `*93` | when nobody answers |
//! | `*94 NUMBER`, `*95` | when no phone can be reached: none is registered, or none is there |
//! | `*78`, `*79` | do not disturb: as if busy |
//!
//! Do not disturb is here what it is where the account itself says it (`do_not_disturb`): whoever calls goes where the busy
//! go, or hears busy. What the switch found out about several phones counts as with the account's own forwards: one that
//! rang in vain before one that was busy, and both before one that could not be had.
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
    Unreachable,
    Disturb,
}

impl Kind {
    fn key(self, account: &str) -> String {
        let kind = match self {
            Kind::Always => "always",
            Kind::Busy => "busy",
            Kind::NoAnswer => "no-answer",
            Kind::Unreachable => "unreachable",
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

/// What became of ringing; `None` for what no forward is for.
fn happened(tried: &[(String, Cause)]) -> Option<Kind> {
    let any = |of: fn(&Cause) -> bool| tried.iter().any(|(_, cause)| of(cause));
    let unreachable = |cause: &Cause| {
        let by_phone = cause.by_remote && matches!(cause.sip, 404 | 408 | 410 | 480 | 500..=599);
        let lost = ["not-registered", "signalling-timeout", "transport-failed", "next-hop-unknown", "lookup-failed"];
        by_phone || lost.contains(&cause.code.as_str())
    };
    if any(|cause| cause.code == "no-answer") {
        Some(Kind::NoAnswer)
    } else if any(|cause| matches!(cause.sip, 486 | 600 | 603)) {
        Some(Kind::Busy)
    } else if any(unreachable) {
        Some(Kind::Unreachable)
    } else {
        None
    }
}

impl Router for Forwards {
    fn route(call: CallInfo) -> Result<Decision> {
        let Some(owner) = owner(&call.callee.user)? else { return Ok(next()) };
        let by_account = account(&owner)?.is_some_and(|account| account.do_not_disturb);
        if by_account || STORE.get(&Kind::Disturb.key(&owner))?.is_some() {
            return match forward(&call, &owner, Kind::Busy)? {
                Decision::Next(_) => Ok(refuse(486, "Do not disturb")),
                elsewhere => Ok(elsewhere),
            };
        }
        forward(&call, &owner, Kind::Always)
    }

    fn exhausted(call: CallInfo, tried: Vec<(String, Cause)>) -> Result<Decision> {
        let Some(owner) = owner(&call.callee.user)? else { return Ok(next()) };
        match happened(&tried) {
            Some(kind) => forward(&call, &owner, kind),
            None => Ok(next()),
        }
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
            "*94" => set(Kind::Unreachable, account, number),
            "*78" => STORE.put(&Kind::Disturb.key(account), "1").map(|()| "Do not disturb"),
            "*73" => clear(Kind::Always, account),
            "*91" => clear(Kind::Busy, account),
            "*93" => clear(Kind::NoAnswer, account),
            "*95" => clear(Kind::Unreachable, account),
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
