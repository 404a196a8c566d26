//! Public numbers go to the cheapest carrier that has a price for them, and on to the next where it fails.
//!
//! Each carrier has a price list: a prefix table of the brand with a column `price`. The longest prefix of a number is
//! its price there; a carrier without one is not asked. Order: priority, then price, then chance by weight.
//!
//! `quote` says for how many seconds a call is priced. Then the list's columns are read as a rate (`per_minute`, else `price`;
//! `connect`, `initial`, `increment`, all of them as in the lists of `rating`), and what such a call costs with this carrier is its price: a carrier with a low
//! rate and dear beginnings is the last for short calls.
//!
//! ```json
//! { "country": "44", "attempts": 3, "max_price": 0.5,
//!   "carriers": [ { "trunk": "carrier-a", "table": "rates-a" },
//!                 { "trunk": "carrier-b", "table": "rates-b", "priority": 2, "weight": 10 } ] }
//! ```
//! A number is public when it begins with `+`, with `international` (`00`), or, where `country` is set, with `national`
//! (`0`). Anything else is `next`. Where no carrier has a price the answer is `next` too, with the attribute
//! `no-route`; a chain that ends there gives the brand's default verdict.

use serde::Deserialize;
use strowger_sdk::prelude::*;
use strowger_sdk::{longest_prefix, public_number, warn};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    country: String,
    national: String,
    international: String,
    attempts: usize,
    ring_timeout_s: u32,
    max_price: f64,
    /// A call of so many seconds is priced; 0: the column `price` is the price.
    quote: u32,
    carriers: Vec<Carrier>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            country: String::new(),
            national: "0".to_owned(),
            international: "00".to_owned(),
            attempts: 3,
            ring_timeout_s: 60,
            max_price: f64::INFINITY,
            quote: 0,
            carriers: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Carrier {
    trunk: String,
    table: String,
    #[serde(default)]
    priority: i64,
    #[serde(default = "one")]
    weight: u32,
}

fn one() -> u32 {
    1
}

/// A carrier's offer for a number.
struct Offer<'c> {
    carrier: &'c Carrier,
    price: f64,
    shown: String,
}

struct Lcr;

impl Router for Lcr {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        let Some(number) = config.public(&call.callee.user) else { return Ok(next()) };
        let mut offers = config.offers(&number)?;
        offers.sort_by(|a, b| a.carrier.priority.cmp(&b.carrier.priority).then(a.price.total_cmp(&b.price)));
        shuffle(&mut offers, seed(&call.call_id));
        let mut steps = offers
            .iter()
            .take(config.attempts)
            .map(|offer| Step::new().trunk(&offer.carrier.trunk, &number).ring(seconds(config.ring_timeout_s)));
        let (Some(first), Some(best)) = (steps.next(), offers.first()) else {
            return Ok(Decision::Next(vec![("no-route".to_owned(), number)]));
        };
        let plan = steps.fold(Plan::new(first), Plan::then);
        Ok(plan.attr("price", &best.shown).attr("number", &number).connect())
    }
}

impl Config {
    /// The number with its `+`, if it is a public one.
    fn public(&self, dialled: &str) -> Option<String> {
        public_number(dialled, &self.country, &self.international, &self.national)
    }

    /// What each carrier takes for it. A carrier whose table is missing or makes no sense is left out and told.
    fn offers(&self, number: &str) -> Result<Vec<Offer<'_>>> {
        let mut offers = Vec::new();
        for carrier in &self.carriers {
            let row = match longest_prefix(&carrier.table, number) {
                Ok(row) => row,
                Err(Error::NotFound) => {
                    warn!("trunk {}: there is no table {}", carrier.trunk, carrier.table);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some((_, columns)) = row else { continue };
            let shown = match self.quote {
                0 => columns.into_iter().find(|(name, _)| name == "price").map(|(_, price)| price),
                seconds => cost(&columns, seconds).map(|cost| format!("{cost:.6}")),
            };
            match shown.as_deref().map(str::parse::<f64>) {
                Some(Ok(price)) if price > self.max_price => {}
                Some(Ok(price)) if price.is_finite() && price >= 0.0 => {
                    offers.push(Offer { carrier, price, shown: shown.unwrap_or_default() });
                }
                _ => warn!("table {} has no price for {number}", carrier.table),
            }
        }
        Ok(offers)
    }
}

/// What a call of so many seconds costs by a row: the connection, the first interval, and each one begun after it. `None`
/// for a row that is no rate.
fn cost(columns: &[(String, String)], billed_s: u32) -> Option<f64> {
    let column =
        |name: &str| columns.iter().find(|(n, _)| n == name).map(|(_, value)| value.trim()).filter(|v| !v.is_empty());
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let or = |name: &str, other: f64| column(name).map_or(Some(other), number);
    let per_minute = column("per_minute").or_else(|| column("price")).and_then(number)?;
    let connect = or("connect", 0.0)?;
    let increment = or("increment", 1.0)?.max(1.0);
    let initial = or("initial", increment)?;
    let billed = f64::from(billed_s);
    let rest = ((billed - initial).max(0.0) / increment).ceil() * increment;
    Some(connect + per_minute * (initial + rest) / 60.0)
}

/// A number that is the same whenever the same call is asked about, and fair over many.
fn seed(call_id: &str) -> u64 {
    call_id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Among equals in priority and price chance decides, by weight.
fn shuffle(offers: &mut [Offer<'_>], mut seed: u64) {
    let mut begin = 0;
    while begin < offers.len() {
        let equal = |o: &Offer<'_>| {
            o.carrier.priority == offers[begin].carrier.priority && o.price.total_cmp(&offers[begin].price).is_eq()
        };
        let rest = offers[begin..].iter().take_while(|o| equal(o)).count();
        let all: u64 = offers[begin..begin + rest].iter().map(|o| u64::from(o.carrier.weight)).sum();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut drawn = (seed >> 33) % all.max(1);
        let chosen = offers[begin..begin + rest].iter().position(|o| {
            let weight = u64::from(o.carrier.weight);
            let here = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            here
        });
        offers.swap(begin, begin + chosen.unwrap_or(0));
        begin += 1;
    }
}

export_router!(Lcr);
