//! Routes by extension: the dialled user part is an extension, an account or a DDI of the calling company, or stands in
//! the configured static table. Anything else is `next`, also what leads to a hunt group or another rule of the company.
//!
//! ```json
//! { "ring_timeout_s": 30, "media": "tenant-default",
//!   "static": { "9*": "sip:{number}@192.0.2.7:5060", "0*": ["trunk:carrier/+49{rest}", "trunk:backup/+49{rest}"] } }
//! ```
//! `media` is `tenant-default`, `anchor` or `direct`. A key of `static` that ends in `*` is a prefix, the longest wins;
//! its value is one way or several that are tried in turn: a SIP URI with a literal address, or `trunk:NAME/NUMBER`.
//! `{number}` is the dialled user part, `{rest}` what follows the prefix.

use serde::Deserialize;
use std::collections::BTreeMap;
use strowger_sdk::prelude::*;
use strowger_sdk::{Target, account, ddi, extension};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    ring_timeout_s: u32,
    media: Media,
    r#static: BTreeMap<String, Ways>,
}

/// Where a number leads.
#[derive(Deserialize)]
#[serde(untagged)]
enum Ways {
    One(String),
    InTurn(Vec<String>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Media {
    TenantDefault,
    Anchor,
    Direct,
}

impl Default for Config {
    fn default() -> Self {
        Config { ring_timeout_s: 30, media: Media::TenantDefault, r#static: BTreeMap::new() }
    }
}

struct Extensions;

impl Router for Extensions {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        let dialled = call.callee.user;
        Ok(match find(&dialled)? {
            Some(Target::App(name)) => app(&name),
            Some(Target::Account(name)) => config.ring(Step::new().account(&name)),
            // `find` follows extensions; one that leads nowhere is nobody's. What leads on by rule the switch follows itself.
            Some(_) => next(),
            None => config.fixed(&dialled).unwrap_or_else(next),
        })
    }
}

/// Extension, account, DDI, in this order.
fn find(dialled: &str) -> Result<Option<Target>> {
    if let Some(number) = extension(dialled)? {
        return Ok(Some(number.target));
    }
    if account(dialled)?.is_some() {
        return Ok(Some(Target::Account(dialled.to_owned())));
    }
    match public(dialled)? {
        Some(Target::Extension(number)) => Ok(extension(&number)?.map(|n| n.target)),
        other => Ok(other),
    }
}

/// The DDI, dialled with or without its `+`.
fn public(dialled: &str) -> Result<Option<Target>> {
    let e164 = match dialled.strip_prefix('+') {
        Some(_) => dialled.to_owned(),
        None if dialled.len() >= 7 && dialled.bytes().all(|b| b.is_ascii_digit()) => format!("+{dialled}"),
        None => return Ok(None),
    };
    Ok(ddi(&e164)?.map(|n| n.target))
}

impl Config {
    fn ring(&self, step: Step) -> Decision {
        self.carried(Plan::new(step.ring(seconds(self.ring_timeout_s))))
    }

    fn carried(&self, plan: Plan) -> Decision {
        let media = match self.media {
            Media::TenantDefault => MediaPath::TenantDefault,
            Media::Anchor => MediaPath::Anchor,
            Media::Direct => MediaPath::Direct,
        };
        plan.media(media).connect()
    }

    /// The plan of the static table, if the number stands there.
    fn fixed(&self, dialled: &str) -> Option<Decision> {
        let prefix = |key: &str| key.strip_suffix('*').is_some_and(|p| dialled.starts_with(p));
        let longest = || self.r#static.iter().filter(|(key, _)| prefix(key)).max_by_key(|(key, _)| key.len());
        let (key, ways) = self.r#static.get_key_value(dialled).or_else(longest)?;
        let rest = key.strip_suffix('*').and_then(|p| dialled.strip_prefix(p)).unwrap_or_default();
        let ways = match ways {
            Ways::One(way) => core::slice::from_ref(way),
            Ways::InTurn(ways) => ways.as_slice(),
        };
        let step = |way: &String| {
            let way = way.replace("{number}", dialled).replace("{rest}", rest);
            let step = match way.strip_prefix("trunk:").map(|trunk| trunk.split_once('/').unwrap_or((trunk, dialled))) {
                Some((name, number)) => Step::new().trunk(name, number),
                None => Step::new().uri(&way),
            };
            step.ring(seconds(self.ring_timeout_s))
        };
        let mut steps = ways.iter().map(step);
        let first = Plan::new(steps.next()?);
        Some(self.carried(steps.fold(first, Plan::then)))
    }
}

export_router!(Extensions);
