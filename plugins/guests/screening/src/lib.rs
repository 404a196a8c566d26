//! Who may call, and what may be called. Bind it before the other routers: what it lets pass is `next`.
//!
//! ```json
//! { "callers": { "block": ["+44900*"] }, "numbers": { "allow": ["+447*", "1*"], "block": ["*"] },
//!   "anonymous": "refuse", "instead": "100" }
//! ```
//! A pattern is a number, or a beginning of one with `*`. The longest pattern that fits decides; of equals `allow` does.
//! Nothing that fits passes. A blocked caller gets 603, a blocked number 403, an anonymous caller 433 (RFC 5079); with
//! `instead` the call goes there.

use serde::Deserialize;
use strowger_sdk::prelude::*;
use strowger_sdk::reroute;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Config {
    callers: Lists,
    numbers: Lists,
    anonymous: Anonymous,
    instead: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Lists {
    allow: Vec<String>,
    block: Vec<String>,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Anonymous {
    #[default]
    Pass,
    Refuse,
}

impl Lists {
    fn blocks(&self, number: &str) -> bool {
        let longest = |list: &[String]| list.iter().filter_map(|pattern| fits(pattern, number)).max();
        match (longest(&self.allow), longest(&self.block)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(allowed), Some(blocked)) => blocked > allowed,
        }
    }
}

/// How well a pattern fits: how much of the number it names, whole numbers above beginnings.
fn fits(pattern: &str, number: &str) -> Option<(usize, bool)> {
    match pattern.strip_suffix('*') {
        Some(begin) => number.starts_with(begin).then_some((begin.len(), false)),
        None => (pattern == number).then_some((pattern.len(), true)),
    }
}

struct Screening;

impl Router for Screening {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        let caller = call.caller.user.as_str();
        let refusal = if config.anonymous == Anonymous::Refuse && is_anonymous(&call) {
            refuse(433, "Anonymity Disallowed")
        } else if config.callers.blocks(caller) {
            refuse(603, "Decline")
        } else if config.numbers.blocks(&call.callee.user) {
            refuse(403, "Not allowed")
        } else {
            return Ok(next());
        };
        // Who is sent there comes by here again.
        Ok(match config.instead {
            Some(instead) if instead != call.callee.user => reroute(&instead),
            Some(_) => next(),
            None => refusal,
        })
    }
}

/// An account that calls is known by its name; only who comes from outside can be nobody.
fn is_anonymous(call: &CallInfo) -> bool {
    call.account.is_none() && (call.caller.user.is_empty() || call.caller.user.eq_ignore_ascii_case("anonymous"))
}

export_router!(Screening);
