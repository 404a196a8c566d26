//! The templates of the other points: registrations, star codes, events, money, and routers that may wait.

use super::template::Template;

/// What a new plugin of one of these points has; `None` for the points of `template`.
pub(super) fn template(point: &str) -> Option<Template> {
    let (rust, schema, scenario, needs) = match point {
        "routing/router-io" => (ROUTER_IO, ROUTER_IO_SCHEMA, ROUTER_IO_SCENARIO, ROUTER_IO_NEEDS),
        "hooks/registration" => (REGISTRATION, REGISTRATION_SCHEMA, REGISTRATION_SCENARIO, ""),
        "hooks/feature" => (FEATURE, FEATURE_SCHEMA, FEATURE_SCENARIO, FEATURE_NEEDS),
        "hooks/event-sink" => (EVENT_SINK, EVENT_SINK_SCHEMA, EVENT_SINK_SCENARIO, EVENT_SINK_NEEDS),
        "billing/rater" => (RATER, RATER_SCHEMA, RATER_SCENARIO, ""),
        _ => return None,
    };
    Some(Template { rust, schema, scenario, needs })
}

const ROUTER_IO_NEEDS: &str = "\n[needs]\n# Whom it may ask; the operator grants it with `strowger plugin grant`.\nhttp = [{ host = \"api.example.com\", methods = [\"GET\"] }]\n";
const FEATURE_NEEDS: &str = "\n[feature]\n# What is dialled; the digits that follow come along.\ncodes = [\"*55\"]\n";
const EVENT_SINK_NEEDS: &str = "\n[needs]\nkv = [\"calls\"]\n";

const ROUTER_IO: &str = r#"//! A router that may wait: asks a web service where calls go.

use strowger_sdk::prelude::*;
use strowger_sdk::{Http, warn};

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Whom it asks, with `?to=` and the number; the answer is an account's name.
    url: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { url: "https://api.example.com/route".to_owned() }
    }
}

struct Plugin;

fn account(config: &Config, number: &str) -> Result<String> {
    let answer = Http::get(&format!("{}?to={number}", config.url)).timeout(250).send()?;
    Ok(if answer.status == 200 { String::from_utf8_lossy(&answer.body).trim().to_owned() } else { String::new() })
}

impl Router for Plugin {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        let number = &call.callee.user;
        if !number.chars().all(|c| c.is_ascii_digit()) {
            return Ok(next());
        }
        Ok(match account(&config, number) {
            Ok(account) if !account.is_empty() => {
                Plan::new(Step::new().account(&account).ring(seconds(20))).connect()
            }
            Ok(_) => next(),
            Err(error) => {
                // The chain goes on without us.
                warn!("the web service was not reached: {error}");
                next()
            }
        })
    }
}

export_router!(Plugin);
"#;

const ROUTER_IO_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "url": { "type": "string", "minLength": 1, "maxLength": 512 }
  }
}
"#;

const ROUTER_IO_SCENARIO: &str = r#"# What the router makes of the web service's answers. Play it: strowger plugin test
call: { from: "1002" }
http:
  - { url: "https://api.example.com/route?to=8123", body: "1003" }
  - { url: "https://api.example.com/route?to=8124", status: 404 }
  - { url: "https://api.example.com/route?to=8125", error: timeout }
steps:
  - { ask: route, to: "8123", expect: connect, with: { steps: [["1003"]], ring-timeout-ms: [20000] } }
  - { ask: route, to: "8124", expect: next }
  - { ask: route, to: "8125", expect: next }
  - { ask: route, to: "*97", expect: next }
"#;

const REGISTRATION: &str = r#"//! Registrations: says which phones may register, and for how long.

use strowger_sdk::prelude::*;
use strowger_sdk::{Attempt, Registration, Verdict, export_registration, no_objection};

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Phones that call themselves so, or begin so, may not.
    unwanted: String,
    /// The longest registration.
    longest_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { unwanted: "scanner".to_owned(), longest_s: 600 }
    }
}

struct Plugin;

impl Registration for Plugin {
    fn register(attempt: Attempt) -> Result<Verdict> {
        let config: Config = config()?;
        if attempt.user_agent.starts_with(&config.unwanted) {
            return Ok(Verdict::Refuse((403, "Not this phone".to_owned())));
        }
        // 0 removes a registration.
        Ok(match attempt.expires_s {
            Some(seconds) if seconds <= config.longest_s => no_objection(),
            _ => Verdict::AtMost(config.longest_s),
        })
    }
}

export_registration!(Plugin);
"#;

const REGISTRATION_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "unwanted": { "type": "string", "minLength": 1, "maxLength": 64 },
    "longest_s": { "type": "integer", "minimum": 60, "maximum": 86400 }
  }
}
"#;

const REGISTRATION_SCENARIO: &str = r#"# Which phones may register. Play it: strowger plugin test
call: { from: "1001", config: { unwanted: scanner, longest_s: 600 } }
steps:
  - { ask: register, seconds: 300, headers: { User-Agent: "desk 1.0" }, expect: next }
  - { ask: register, seconds: 3600, headers: { User-Agent: "desk 1.0" }, expect: at-most, with: { seconds: 600 } }
  - { ask: register, headers: { User-Agent: "scanner 7" }, expect: refuse, with: { sip: 403 } }
"#;

const FEATURE: &str = r#"//! A star code: `*55 NUMBER` rings NUMBER with a prefix.

use strowger_sdk::prelude::*;
use strowger_sdk::{Action, Feature, export_feature};

#[derive(serde::Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What stands before the number.
    prefix: String,
}

struct Plugin;

impl Feature for Plugin {
    fn invoke(call: CallInfo, code: String, digits: String) -> Result<Action> {
        let config: Config = config()?;
        if call.account.is_none() {
            // Only our own phones have star codes.
            return Ok(Action::Ignore);
        }
        let number = digits.trim_end_matches('#');
        if number.is_empty() {
            return Ok(Action::Refuse((484, format!("A number must follow {code}"))));
        }
        Ok(Action::Reroute(format!("{}{number}", config.prefix)))
    }
}

export_feature!(Plugin);
"#;

const FEATURE_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "prefix": { "type": "string", "maxLength": 15 }
  }
}
"#;

const FEATURE_SCENARIO: &str = r#"# What becomes of *55. Play it: strowger plugin test
call: { from: "1001", config: { prefix: "9" } }
steps:
  - { ask: feature, to: "*551002", expect: reroute, with: { to: "91002" } }
  - { ask: feature, to: "*55", expect: refuse, with: { sip: 484 } }
"#;

const EVENT_SINK: &str = r#"//! Hears what happened: keeps why the last call of each company ended.

use strowger_sdk::prelude::*;
use strowger_sdk::{Bucket, EventSink, Item, export_event_sink, info};

const CALLS: Bucket = Bucket("calls");

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The kind of event that counts.
    kind: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { kind: "call-ended".to_owned() }
    }
}

struct Plugin;

impl EventSink for Plugin {
    fn deliver(batch: Vec<Item>) -> Result<u32> {
        let config: Config = config()?;
        for item in batch.iter().filter(|item| item.kind == config.kind) {
            let cause = item.attrs.iter().find(|(name, _)| name == "cause").map_or("", |(_, value)| value);
            // At least once: the same event may come again, and this may be done again.
            CALLS.put(&format!("{}/last", item.company), cause)?;
            info!("a call of {} ended: {cause}", item.company);
        }
        Ok(u32::try_from(batch.len()).unwrap_or(u32::MAX))
    }
}

export_event_sink!(Plugin);
"#;

const EVENT_SINK_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "kind": { "type": "string", "minLength": 1, "maxLength": 32 }
  }
}
"#;

const EVENT_SINK_SCENARIO: &str = r#"# What it keeps of events. Play it: strowger plugin test
call: { from: "1001", to: "1002", company: acme }
steps:
  - { tell: call-started }
  - { tell: call-ended }
kv-after: { calls: { acme/last: normal-clearing } }
"#;

const RATER: &str = r#"//! A rater: every begun minute of a public number costs the same.

use strowger_sdk::billing::{Charge, Grant, Money, Rater, Target, Usage, Verdict, Wallet, deny, release, wallet};
use strowger_sdk::{CallInfo, Result, config, export_rater};

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What a begun minute costs, in millionths of the wallet's currency.
    per_minute: i64,
    /// The longest call, in seconds.
    longest_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { per_minute: 20_000, longest_s: 3_600 }
    }
}

struct Plugin;

fn price(config: &Config, wallet: &Wallet, billed_ms: u64) -> Charge {
    let minutes = i64::try_from(billed_ms.div_ceil(60_000)).unwrap_or(i64::MAX);
    let micros = minutes.saturating_mul(config.per_minute);
    let lines = vec![("minutes".to_owned(), minutes.to_string())];
    Charge { total: Money { micros, currency: wallet.currency.clone() }, carrier: None, lines }
}

impl Rater for Plugin {
    fn authorize(_: CallInfo, target: Target) -> Result<Verdict> {
        let config: Config = config()?;
        if wallet()?.method == "prepaid" {
            // Money must be kept for such a call: see `wallet.reserve`, and plugins/guests/rating.
            return Ok(deny(402, "Not ahead"));
        }
        if !target.number.starts_with('+') {
            return Ok(deny(403, "No price"));
        }
        Ok(Verdict::Grant(Grant { seconds: config.longest_s, recheck_before_s: 60 }))
    }

    fn extend(_: CallInfo, _: Target, _: u64, granted_s: u32) -> Result<Verdict> {
        // No longer than it was granted at first.
        Ok(Verdict::Grant(Grant { seconds: granted_s, recheck_before_s: 60 }))
    }

    fn settle(used: Usage) -> Result<Charge> {
        let wallet = wallet()?;
        let mut charge = price(&config()?, &wallet, used.billed_ms);
        // Charged once for ever by this key, however often it is asked.
        let key = format!("{}/{}", used.call_id, used.leg);
        charge.total.micros = wallet.commit(&key, Some(&used.target.id), charge.total.micros, &charge.lines)?;
        Ok(charge)
    }

    fn release(target: Target) -> Result<()> {
        release(&target.id)
    }

    fn quote(_: String, _: Option<String>, _: u64, billed_ms: u64) -> Result<Charge> {
        Ok(price(&config()?, &wallet()?, billed_ms))
    }
}

export_rater!(Plugin);
"#;

const RATER_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "per_minute": { "type": "integer", "minimum": 0, "maximum": 1000000000 },
    "longest_s": { "type": "integer", "minimum": 60, "maximum": 86400 }
  }
}
"#;

const RATER_SCENARIO: &str = r#"# What calls cost. Play it: strowger plugin test
call: { from: "1001", config: { per_minute: 20000, longest_s: 3600 } }
wallet: { method: postpaid, balance: "0", credit: "10" }
steps:
  - { ask: authorize, to: "+4930123456", call: 1, expect: grant, with: { seconds: 3600 } }
  - { ask: authorize, to: "1002", call: 2, expect: deny, with: { sip: 403 } }
  - { ask: extend, to: "+4930123456", call: 1, seconds: 3000, granted: 3600, expect: grant, with: { seconds: 3600 } }
  - { ask: settle, to: "+4930123456", call: 1, seconds: 61, expect: charge, with: { total: "0.04", currency: EUR } }
  - { ask: settle, to: "+4930123456", call: 1, seconds: 61, expect: charge, with: { total: "0.04" } }
  - { ask: quote, to: "+4930123456", seconds: 60, expect: charge, with: { total: "0.02" } }
  - { ask: release, to: "+4930123457", call: 3, expect: released }
wallet-after: { balance: "-0.04", reserved: "0" }
"#;
