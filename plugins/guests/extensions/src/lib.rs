//! Routes by extension: the dialled user part is an extension, an account or a DDI of the calling company, or stands in
//! the configured static table. Anything else is `next`.
//!
//! ```json
//! { "ring_timeout_s": 30, "media": "tenant-default", "static": { "9*": "sip:{number}@192.0.2.7:5060" } }
//! ```
//! `media` is `tenant-default`, `anchor` or `direct`. A key of `static` that ends in `*` is a prefix, the longest wins;
//! `{number}` in its URI is the dialled user part.

use serde::Deserialize;
use std::collections::BTreeMap;
use strowger_sdk::prelude::*;
use strowger_sdk::{Target, account, ddi, extension};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    ring_timeout_s: u32,
    media: Media,
    r#static: BTreeMap<String, String>,
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
            // `find` follows extensions; one that leads nowhere is nobody's.
            Some(Target::Extension(_)) => next(),
            None => match config.fixed(&dialled) {
                Some(uri) => config.ring(Step::new().uri(&uri)),
                None => next(),
            },
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
        let media = match self.media {
            Media::TenantDefault => MediaPath::TenantDefault,
            Media::Anchor => MediaPath::Anchor,
            Media::Direct => MediaPath::Direct,
        };
        Plan::new(step.ring(seconds(self.ring_timeout_s))).media(media).connect()
    }

    fn fixed(&self, dialled: &str) -> Option<String> {
        let prefix = |key: &str| key.strip_suffix('*').is_some_and(|p| dialled.starts_with(p));
        let exact = self.r#static.get(dialled);
        let longest =
            || self.r#static.iter().filter(|(k, _)| prefix(k)).max_by_key(|(k, _)| k.len()).map(|(_, uri)| uri);
        exact.or_else(longest).map(|uri| uri.replace("{number}", dialled))
    }
}

export_router!(Extensions);
