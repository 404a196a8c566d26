//! Header fields by rule: what enters and what leaves by the trunks and terminals of the binding loses, gains and keeps the
//! fields that its configuration names, and an INVITE with an unwanted field is refused.

use serde::Deserialize;
use std::collections::BTreeMap;
use strowger_sdk::filter::{Message, SipFilter, Verdict, add, is_refusable, pass_with, refuse, remove, set};
use strowger_sdk::prelude::*;
use strowger_sdk::{Header, HeaderOp, export_sip_filter};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    enter: Rules,
    leave: Rules,
    refuse: Vec<Unwanted>,
}

/// Fields by name; a response gets them as a request does.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Rules {
    remove: Vec<String>,
    set: BTreeMap<String, String>,
    add: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Unwanted {
    field: String,
    holds: String,
    #[serde(default = "forbidden")]
    sip: u16,
}

fn forbidden() -> u16 {
    403
}

impl Rules {
    fn changes(&self) -> Vec<HeaderOp> {
        let removed = self.remove.iter().map(|name| remove(name));
        let replaced = self.set.iter().map(|(name, value)| set(name, value));
        let added = self.add.iter().map(|(name, value)| add(name, value));
        removed.chain(replaced).chain(added).collect()
    }
}

struct Plugin;

impl SipFilter for Plugin {
    fn filter(message: Message) -> Result<Verdict> {
        let config: Config = config()?;
        // Any of that name: a harmless one in front hides nothing.
        let holds = |rule: &&Unwanted| {
            let of_name = |field: &&Header| field.name.eq_ignore_ascii_case(&rule.field);
            message.headers.iter().filter(of_name).any(|field| field.value.contains(&rule.holds))
        };
        if let Some(rule) = config.refuse.iter().find(holds).filter(|_| is_refusable(&message)) {
            return Ok(refuse(rule.sip, "Not Wanted Here"));
        }
        let rules = if message.inbound { &config.enter } else { &config.leave };
        Ok(pass_with(rules.changes()))
    }
}

export_sip_filter!(Plugin);
