//! Plans: which rate counts for a number at a time.

use crate::price::{Rate, Rounding, amount_of};
use serde::Deserialize;
use std::collections::BTreeMap;
use strowger_sdk::{Attr, Error, Local, Result, failure, local_time, longest_prefix};

/// The binding's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// For the switch: what holds where this plugin fails.
    #[serde(default)]
    #[allow(dead_code, reason = "the switch reads it")]
    pub open_s: Option<u32>,
    /// Money is kept for so many seconds of a call at once.
    #[serde(default = "minute")]
    pub grant_s: u32,
    /// What is kept outlives its seconds by this: ringing, and the settlement.
    #[serde(default = "quarter")]
    pub slack_s: u32,
    /// The longest call of a company that is not prepaid.
    #[serde(default = "hours")]
    pub longest_s: u32,
    /// By the name that wallets bear.
    pub plans: BTreeMap<String, Plan>,
    /// What carriers take, by trunk.
    #[serde(default)]
    pub carriers: BTreeMap<String, String>,
}

fn minute() -> u32 {
    60
}

fn quarter() -> u32 {
    900
}

fn hours() -> u32 {
    10_800
}

/// A plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    #[serde(default = "four")]
    decimals: u32,
    #[serde(default)]
    deductible: bool,
    rates: Vec<Rates>,
}

fn four() -> u32 {
    4
}

/// A table of rates, and when it counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    table: String,
    #[serde(default)]
    weight: i64,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    days: Option<String>,
    #[serde(default)]
    hours: Option<String>,
}

/// The rate that counts.
#[derive(Debug)]
pub struct Found {
    /// What it costs.
    pub rate: Rate,
    /// How that is summed.
    pub rounding: Rounding,
    /// What a person wants to know of it.
    pub lines: Vec<Attr>,
}

impl Plan {
    /// Whether its rates are not the same at all times.
    pub fn changes(&self) -> bool {
        let timed = |r: &Rates| r.from.is_some() || r.until.is_some() || r.days.is_some() || r.hours.is_some();
        self.rates.iter().any(timed)
    }

    fn rounding(&self) -> Rounding {
        Rounding { deductible: self.deductible, decimals: self.decimals }
    }

    /// The rate of a number at a time: of the tables that count then the longest prefix, of equal ones the heaviest.
    ///
    /// # Errors
    /// No table has a rate for it; a table is not there; a row makes no sense.
    pub fn rate(&self, name: &str, number: &str, zone: Option<&str>, at_ms: u64) -> Result<Option<Found>> {
        let zone = zone.unwrap_or("UTC");
        let now = local_time(zone, at_ms).or_else(|| local_time("UTC", at_ms));
        let now = now.ok_or_else(|| Error::InvalidArgument("a time beyond all days".to_owned()))?;
        let mut best: Option<(usize, i64, &Rates, String, Vec<Attr>)> = None;
        for rates in self.rates.iter().filter(|rates| rates.counts(&now)) {
            let Some((prefix, row)) = longest_prefix(&rates.table, number)? else { continue };
            let place = (prefix.len(), rates.weight);
            if best.as_ref().is_none_or(|b| place > (b.0, b.1)) {
                best = Some((place.0, place.1, rates, prefix, row));
            }
        }
        let Some((_, _, rates, prefix, row)) = best else { return Ok(None) };
        let rate = rate(&row).ok_or_else(|| failure("bad-rate", &format!("table {} at {prefix}", rates.table)))?;
        let shown = |name: &str| row.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let mut lines = vec![
            ("plan".to_owned(), name.to_owned()),
            ("table".to_owned(), rates.table.clone()),
            ("prefix".to_owned(), prefix),
        ];
        for column in ["name", "per_minute", "connect", "initial", "increment", "start"] {
            lines.extend(shown(column).filter(|text| !text.is_empty()).map(|text| (column.to_owned(), text)));
        }
        Ok(Some(Found { rate, rounding: self.rounding(), lines }))
    }
}

/// What a carrier takes for a number, where its table has a rate.
///
/// # Errors
/// As [`Plan::rate`].
pub fn carrier_cost(table: &str, number: &str, billed_ms: u64) -> Result<Option<i64>> {
    let Some((prefix, row)) = longest_prefix(table, number)? else { return Ok(None) };
    let rate = rate(&row).ok_or_else(|| failure("bad-rate", &format!("table {table} at {prefix}")))?;
    Ok(Some(rate.cost(billed_ms, Rounding { deductible: false, decimals: 6 })))
}

fn rate(row: &[Attr]) -> Option<Rate> {
    let column =
        |name: &str| row.iter().find(|(n, _)| n == name).map(|(_, value)| value.trim()).filter(|v| !v.is_empty());
    let money = |name: &str| column(name).map_or(Some(0), amount_of);
    let seconds = |name: &str, unsaid: u32| column(name).map_or(Some(unsaid), |text| text.parse::<u32>().ok());
    let increment = seconds("increment", 1)?;
    let rate = Rate {
        connect: money("connect")?,
        per_minute: column("per_minute").and_then(amount_of)?,
        initial: seconds("initial", increment)?,
        increment,
        start: seconds("start", 0)?,
    };
    // Longer ones than a day are mistakes.
    let whole = (1..=86_400).contains(&rate.increment) && (1..=86_400).contains(&rate.initial) && rate.start <= 86_400;
    whole.then_some(rate)
}

impl Rates {
    fn counts(&self, now: &Local) -> bool {
        let day = format!("{:04}-{:02}-{:02}", now.year, now.month, now.day);
        let begun = self.from.as_deref().is_none_or(|from| day.as_str() >= from);
        let over = self.until.as_deref().is_some_and(|until| day.as_str() >= until);
        let on = self.days.as_deref().is_none_or(|days| days.contains(char::from(b'0' + now.weekday)));
        let time = format!("{:02}:{:02}", now.hour, now.minute);
        let within = self.hours.as_deref().and_then(|hours| hours.split_once('-')).is_none_or(|(from, until)| {
            let (from, until, time) = (from, until, time.as_str());
            if from <= until { from <= time && time < until } else { time >= from || time < until }
        });
        begun && !over && on && within
    }
}
