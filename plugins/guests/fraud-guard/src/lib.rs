//! Caps on what accounts and companies call outside: how often, how long, for how much, how many at once, and where.
//!
//! Bind it in one scope to `routing/router`, before whatever chooses carriers, and to `hooks/event-sink`, which tells it how
//! long calls were. It counts public numbers only; emergency calls never come by a plugin.
//!
//! ```json
//! { "country": "44", "classes": { "premium": ["+4490", "+882"] }, "prices": "rates", "zone": "Europe/London",
//!   "account": { "calls_per_hour": 60, "minutes_per_day": 600, "spend_per_day": 20.0, "international_at_once": 3,
//!                "class_calls_per_day": { "premium": 0 } },
//!   "company": { "spend_per_day": 200.0 } }
//! ```
//! Hours and days are those of the wall clock in `zone`. An attempt that is blocked counts as a call. Minutes and money are
//! counted when a call ends: what is up when a cap is reached goes on. At `alarm_percent` (80) of a cap, and with the first
//! call that is blocked, there is an alarm: a warning in the log and the counter `fraud_alarms`.

mod caps;

use caps::{Caps, Window};
use serde::Deserialize;
use std::collections::BTreeMap;
use strowger_sdk::prelude::*;
use strowger_sdk::{Bucket, EventSink, Item, count, export_event_sink, longest_prefix, public_number, warn};

const STORE: Bucket = Bucket("guard");
/// What is known of a call is forgotten then, whatever its end; no call lives longer.
const CALL_S: u32 = 5 * 3600;
/// Millionths of a unit of money.
const MICRO: f64 = 1_000_000.0;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    country: String,
    national: String,
    international: String,
    zone: String,
    classes: BTreeMap<String, Vec<String>>,
    prices: Option<String>,
    exempt: Vec<String>,
    alarm_percent: i64,
    sip: u16,
    account: Caps,
    company: Caps,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            country: String::new(),
            national: "0".to_owned(),
            international: "00".to_owned(),
            zone: "UTC".to_owned(),
            classes: BTreeMap::new(),
            prices: None,
            exempt: Vec::new(),
            alarm_percent: 80,
            sip: 403,
            account: Caps::default(),
            company: Caps::default(),
        }
    }
}

impl Config {
    /// The number with its `+`, if it is a public one.
    fn public(&self, dialled: &str) -> Option<String> {
        public_number(dialled, &self.country, &self.international, &self.national)
    }

    /// The class whose longest beginning fits.
    fn class(&self, number: &str) -> Option<&str> {
        let bare = number.trim_start_matches('+');
        let fits = |prefixes: &Vec<String>| {
            let begins = |p: &&String| bare.starts_with(p.trim_start_matches('+'));
            prefixes.iter().filter(begins).map(String::len).max()
        };
        let all = self.classes.iter().filter_map(|(name, prefixes)| Some((fits(prefixes)?, name)));
        all.max_by_key(|(length, _)| *length).map(|(_, name)| name.as_str())
    }

    fn is_international(&self, number: &str) -> bool {
        self.country.is_empty() || !number.trim_start_matches('+').starts_with(&self.country)
    }

    /// The price of a minute, in millionths; nothing where there is none.
    fn price(&self, number: &str) -> Result<i64> {
        let Some(table) = &self.prices else { return Ok(0) };
        let row = match longest_prefix(table, number) {
            Ok(row) => row,
            Err(Error::NotFound) => {
                warn!("there is no price list {table}: money is not counted");
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        let price = row.and_then(|(_, columns)| columns.into_iter().find(|(name, _)| name == "price"));
        let price = price.and_then(|(_, price)| price.parse::<f64>().ok()).filter(|p| p.is_finite() && *p >= 0.0);
        // A float becomes the nearest whole number, at most the greatest.
        Ok(price.map_or(0, |price| (price * MICRO) as i64))
    }
}

/// Whose caps: an account's or its company's. Names may hold anything; a slash parts them.
struct Who<'a> {
    key: String,
    caps: &'a Caps,
    what: &'static str,
}

fn both<'a>(config: &'a Config, company: &str, account: &str) -> [Who<'a>; 2] {
    let safe = |name: &str| name.replace('/', "%2f");
    [
        Who { key: format!("a/{}/{}", safe(company), safe(account)), caps: &config.account, what: "account" },
        Who { key: format!("c/{}", safe(company)), caps: &config.company, what: "company" },
    ]
}

/// What is known of a call while it is up.
struct Known {
    company: String,
    account: String,
    /// Millionths a minute.
    price: i64,
    answered_ms: Option<u64>,
}

impl Known {
    fn text(&self) -> String {
        let answered = self.answered_ms.map(|at| at.to_string()).unwrap_or_default();
        [self.price.to_string(), answered, self.account.clone(), self.company.clone()].join("\n")
    }

    fn parse(text: &str) -> Option<Known> {
        let mut parts = text.splitn(4, '\n');
        let price = parts.next()?.parse().ok()?;
        let answered = parts.next()?;
        let answered_ms = if answered.is_empty() { None } else { Some(answered.parse().ok()?) };
        let account = parts.next()?.to_owned();
        Some(Known { price, answered_ms, account, company: parts.next()?.to_owned() })
    }
}

fn call_key(call: &str) -> String {
    format!("call/{call}")
}

struct Guard;

impl Router for Guard {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        let (Some(account), Some(number)) = (call.account.as_deref(), config.public(&call.callee.user)) else {
            return Ok(next());
        };
        if config.exempt.iter().any(|e| e == account) {
            return Ok(next());
        }
        let (price, company) = (config.price(&number)?, call.company.clone());
        let known = Known { company, account: account.to_owned(), price, answered_ms: None };
        // A call that comes by again (rerouted, forwarded) is counted once.
        if !STORE.swap_for(&call_key(&call.call_id), None, known.text(), CALL_S)? {
            return Ok(next());
        }
        let now = Window::of(&config.zone, call.received_at_ms);
        for who in both(&config, &call.company, account) {
            let over = match check(&config, &who, (call.call_id.as_str(), number.as_str()), &now)? {
                Some(over) => over,
                None => continue,
            };
            forget(&config, &call.call_id, &known)?;
            count("fraud_blocked", &[("scope", who.what), ("cap", over)]);
            alarm(&who, over, "blocked", &now)?;
            return Ok(refuse(config.sip, &format!("Fraud guard: {} {over}", who.what)));
        }
        Ok(next())
    }
}

/// Counts the call, and gives the cap that it is over.
fn check(config: &Config, who: &Who<'_>, (call, number): (&str, &str), now: &Window) -> Result<Option<&'static str>> {
    let class = config.class(number);
    let mut over = None;
    let mut see = |cap: &'static str, value: i64, most: Option<i64>| -> Result<()> {
        let Some(most) = most else { return Ok(()) };
        if value > most {
            over.get_or_insert(cap);
        } else if value.saturating_mul(100) >= most.saturating_mul(config.alarm_percent) && most > 0 {
            alarm(who, cap, "near", now)?;
        }
        Ok(())
    };
    let caps = who.caps;
    see("calls-per-hour", now.hour(&who.key, "calls").add(STORE, 1)?, caps.calls_per_hour)?;
    see("calls-per-day", now.day(&who.key, "calls").add(STORE, 1)?, caps.calls_per_day)?;
    if let Some(class) = class {
        let most = caps.class_calls_per_day.get(class).copied();
        see("class-calls-per-day", now.day(&who.key, &format!("class/{class}")).add(STORE, 1)?, most)?;
    }
    // What was used up: one more begins only below the cap.
    let used = |counter: i64, cap: Option<i64>| cap.map(|most| if counter >= most { most + 1 } else { counter });
    let minutes = |cap: Option<i64>| cap.map(|m| m.saturating_mul(60));
    let spent = |cap: Option<f64>| cap.map(caps::micro);
    for (cap, counter, most) in [
        ("minutes-per-hour", now.hour(&who.key, "seconds"), minutes(caps.minutes_per_hour)),
        ("minutes-per-day", now.day(&who.key, "seconds"), minutes(caps.minutes_per_day)),
        ("spend-per-hour", now.hour(&who.key, "spent"), spent(caps.spend_per_hour)),
        ("spend-per-day", now.day(&who.key, "spent"), spent(caps.spend_per_day)),
    ] {
        if most.is_some() {
            let value = used(counter.read(STORE)?, most).unwrap_or_default();
            see(cap, value, most)?;
        }
    }
    if config.is_international(number) && caps.international_at_once.is_some() {
        // Written before it is counted: of two at once both may be blocked, and never one too many let through.
        STORE.put_for(&up_key(who, call), "1", CALL_S)?;
        let most = caps.international_at_once.unwrap_or_default();
        let limit = u32::try_from(most.clamp(0, 998)).unwrap_or_default() + 2;
        let up = STORE.keys(&format!("up/{}/", who.key), None, limit)?.len();
        see("international-at-once", i64::try_from(up).unwrap_or(i64::MAX), Some(most))?;
    }
    Ok(over)
}

fn up_key(who: &Who<'_>, call: &str) -> String {
    format!("up/{}/{call}", who.key)
}

/// One alarm for each cap, kind and hour.
fn alarm(who: &Who<'_>, cap: &'static str, kind: &'static str, now: &Window) -> Result<()> {
    if now.hour(&who.key, &format!("alarm/{cap}/{kind}")).add(STORE, 1)? == 1 {
        warn!("fraud guard: {} {} is {kind}: {cap}", who.what, who.key);
        count("fraud_alarms", &[("scope", who.what), ("cap", cap), ("kind", kind)]);
    }
    Ok(())
}

/// The call is up no more.
fn forget(config: &Config, call: &str, known: &Known) -> Result<()> {
    for who in both(config, &known.company, &known.account) {
        STORE.delete(&up_key(&who, call))?;
    }
    Ok(())
}

impl EventSink for Guard {
    fn deliver(batch: Vec<Item>) -> Result<u32> {
        let config: Config = config()?;
        let mut taken = 0;
        for item in batch {
            if let Some(call) = item.call_id.as_deref() {
                match item.kind.as_str() {
                    "call-answered" => answered(call, item.at_ms)?,
                    "call-ended" => ended(&config, call, item.at_ms)?,
                    _ => {}
                }
            }
            taken += 1;
        }
        Ok(taken)
    }
}

fn answered(call: &str, at_ms: u64) -> Result<()> {
    let key = call_key(call);
    let Some(text) = STORE.text(&key)? else { return Ok(()) };
    let Some(known) = Known::parse(&text).filter(|k| k.answered_ms.is_none()) else { return Ok(()) };
    let known = Known { answered_ms: Some(at_ms), ..known };
    STORE.swap_for(&key, Some(text.as_bytes()), known.text(), CALL_S).map(drop)
}

fn ended(config: &Config, call: &str, at_ms: u64) -> Result<()> {
    let key = call_key(call);
    let Some(text) = STORE.text(&key)? else { return Ok(()) };
    let Some(known) = Known::parse(&text) else { return STORE.delete(&key) };
    // An event may come twice: whoever takes the call's text away counts it.
    if !STORE.swap_for(&key, Some(text.as_bytes()), "over", 60)? {
        return Ok(());
    }
    forget(config, call, &known)?;
    let Some(since) = known.answered_ms else { return Ok(()) };
    let seconds = i64::try_from(at_ms.saturating_sub(since).div_ceil(1_000)).unwrap_or(i64::MAX);
    let spent = known.price.saturating_mul(seconds) / 60;
    let now = Window::of(&config.zone, at_ms);
    for who in both(config, &known.company, &known.account) {
        for counter in [now.hour(&who.key, "seconds"), now.day(&who.key, "seconds")] {
            counter.add(STORE, seconds)?;
        }
        for counter in [now.hour(&who.key, "spent"), now.day(&who.key, "spent")] {
            counter.add(STORE, spent)?;
        }
    }
    Ok(())
}

export_router!(Guard);
export_event_sink!(Guard);
