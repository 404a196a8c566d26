//! What calls cost, and who may make them: the shipped rater.
//!
//! Plans are lists of prefix tables, each with the time in which it counts; a company's wallet names its plan and how it
//! pays. No rate, no call.
//!
//! - **prepaid**: money is kept for `grant_s` seconds at a time, more ahead of their end; when nothing is left the call
//!   ends. What was kept and not used is let go with the charge. So all calls of a company together get no more than is
//!   there, and in a day no more than its cap.
//! - **postpaid**: the same, of what the credit allows, and no call lasts longer than `longest_s`.
//! - **pseudo-prepaid**: what is there at the beginning says how long the call may last; nothing is kept.
//!
//! ```json
//! { "plans": { "retail": { "rates": [ { "table": "retail" },
//!                                     { "table": "retail-night", "hours": "20:00-08:00", "weight": 10 } ] } },
//!   "carriers": { "carrier-a": "cost-a" } }
//! ```
//! The arithmetic and its rounding rule: `price.rs`.

mod plan;
mod price;

use plan::{Config, Found, Plan, carrier_cost};
use strowger_sdk::billing::{Charge, Grant, Money, Rater, Target, Usage, Verdict, Wallet, deny, wallet};
use strowger_sdk::{CallInfo, Error, Result, config, export_rater, failure, now_ms};

/// How often keeping money is tried anew where another call was faster.
const TRIES: usize = 4;
/// Longest ringing: a call that is asked about now may be answered at the rate of then.
const RINGING_MS: u64 = 180_000;
/// Longest call of all: the host's most for a grant.
const DAY_S: u32 = 86_400;

struct Rating;

impl Rater for Rating {
    fn authorize(_: CallInfo, target: Target) -> Result<Verdict> {
        match authorised(&target) {
            // Nobody can say now: the policy of failure holds.
            Err(error @ (Error::Unavailable(_) | Error::Timeout)) => Err(error),
            // No wallet, no plan, no table, a rate that is none: that is an answer. No rate, no call.
            Err(error) => Ok(deny(403, &said(&error))),
            verdict => verdict,
        }
    }

    fn extend(_: CallInfo, target: Target, used_ms: u64, granted_s: u32) -> Result<Verdict> {
        let config: Config = config()?;
        let wallet = wallet()?;
        // At the rate with which it began.
        let began = now_ms().saturating_sub(used_ms);
        let found = config.found(&wallet, &target.number, began)?;
        let Some(found) = found else { return Ok(no_rate()) };
        config.grant(&wallet, &found, &target, (granted_s, u32::try_from(used_ms / 1_000).unwrap_or(u32::MAX)))
    }

    fn settle(used: Usage) -> Result<Charge> {
        let config: Config = config()?;
        let wallet = wallet()?;
        let found = config.found(&wallet, &used.target.number, used.answered_at_ms)?;
        let found = found.ok_or_else(|| failure("no-rate", &used.target.number))?;
        let mut charge =
            config.charge(&wallet, &found, (&used.target.number, used.target.trunk.as_deref()), used.billed_ms)?;
        let key = format!("{}/{}", used.call_id, used.leg);
        charge.total.micros = wallet.commit(&key, Some(&used.target.id), charge.total.micros, &charge.lines)?;
        Ok(charge)
    }

    fn release(target: Target) -> Result<()> {
        strowger_sdk::billing::release(&target.id)
    }

    fn quote(number: String, trunk: Option<String>, at_ms: u64, billed_ms: u64) -> Result<Charge> {
        let config: Config = config()?;
        let wallet = wallet()?;
        let found = config.found(&wallet, &number, at_ms)?.ok_or_else(|| failure("no-rate", &number))?;
        config.charge(&wallet, &found, (&number, trunk.as_deref()), billed_ms)
    }
}

fn authorised(target: &Target) -> Result<Verdict> {
    let config: Config = config()?;
    let wallet = wallet()?;
    let now = now_ms();
    let Some(mut found) = config.found(&wallet, &target.number, now)? else { return Ok(no_rate()) };
    // It will be charged at the rate of its answer: granted is by the dearer of the two.
    if config.plans.get(&wallet.plan).is_some_and(Plan::changes)
        && let Some(then) = config.found(&wallet, &target.number, now + RINGING_MS)?
    {
        let costs = |found: &Found| found.rate.cost(u64::from(config.grant_s) * 1_000, found.rounding);
        if costs(&then) > costs(&found) {
            found = then;
        }
    }
    config.grant(&wallet, &found, target, (0, 0))
}

fn no_rate() -> Verdict {
    deny(403, "No rate for this number")
}

fn said(error: &Error) -> String {
    match error {
        Error::NotFound => "No wallet, or no table of rates".to_owned(),
        Error::Other(info) if info.code == "no-plan" => "No such plan".to_owned(),
        Error::Other(info) if info.code == "bad-rate" => "The rate of this number makes no sense".to_owned(),
        _ => "The rater cannot price this call".to_owned(),
    }
}

impl Config {
    fn found(&self, wallet: &Wallet, number: &str, at_ms: u64) -> Result<Option<Found>> {
        let plan = self.plans.get(&wallet.plan).ok_or_else(|| failure("no-plan", &wallet.plan))?;
        plan.rate(&wallet.plan, number, wallet.time_zone.as_deref(), at_ms)
    }

    fn charge(
        &self,
        wallet: &Wallet,
        found: &Found,
        (number, trunk): (&str, Option<&str>),
        billed_ms: u64,
    ) -> Result<Charge> {
        let money = |micros| Money { micros, currency: wallet.currency.clone() };
        let table = trunk.and_then(|trunk| self.carriers.get(trunk));
        let carrier = match table {
            Some(table) => carrier_cost(table, number, billed_ms)?,
            None => None,
        };
        let mut lines = found.lines.clone();
        lines.push(("seconds".to_owned(), found.rate.counted_s(billed_ms).to_string()));
        let total = money(found.rate.cost(billed_ms, found.rounding));
        Ok(Charge { total, carrier: carrier.map(money), lines })
    }

    /// How long the call may last, where it may `granted` seconds already and has used so many of them.
    fn grant(&self, wallet: &Wallet, found: &Found, target: &Target, lasts: (u32, u32)) -> Result<Verdict> {
        match wallet.method.as_str() {
            "prepaid" => self.keep(wallet, found, target, (DAY_S, lasts)),
            "postpaid" => self.keep(wallet, found, target, (self.longest_s, lasts)),
            _ => {
                let Some(seconds) = self.affordable(wallet, found, self.longest_s) else { return Ok(broke()) };
                // What is there at the beginning says it, once.
                if lasts.0 > 0 { Ok(broke()) } else { Ok(grant(seconds, 1)) }
            }
        }
    }

    /// Of this long a call, how much is there for: what is left of the cap counts like money.
    fn affordable(&self, wallet: &Wallet, found: &Found, most: u32) -> Option<u32> {
        let left = wallet.daily_cap.map_or(i64::MAX, |cap| cap.saturating_sub(wallet.spent_today));
        let money = wallet.available().min(left.saturating_sub(wallet.reserved));
        // What costs nothing needs no money.
        let free = found.rate.cost(u64::from(most) * 1_000, found.rounding) == 0;
        if free { Some(most) } else { found.rate.affords(money, most, found.rounding) }
    }

    /// Keeps the price of `grant_s` seconds more, or of as many as there is money for.
    fn keep(
        &self,
        wallet: &Wallet,
        found: &Found,
        target: &Target,
        (longest_s, (granted_s, used_s)): (u32, (u32, u32)),
    ) -> Result<Verdict> {
        let mut wallet = wallet.clone();
        let wanted = granted_s.saturating_add(self.grant_s).min(longest_s.max(granted_s));
        // What is asked for again, its answer having been lost, keeps its own money already.
        let kept = wallet.reserve(&target.id, 0, self.slack_s)?;
        for _ in 0..TRIES {
            // What is kept for this call already is its own.
            let own = Wallet { reserved: wallet.reserved.saturating_sub(kept), ..wallet.clone() };
            let Some(seconds) = self.affordable(&own, found, wanted).filter(|s| *s > granted_s) else { break };
            let price = found.rate.cost(u64::from(seconds) * 1_000, found.rounding);
            // It outlives the last second that is granted, from now on.
            let ttl_s = seconds.saturating_sub(used_s).saturating_add(self.slack_s);
            match wallet.adjust(&target.id, price, ttl_s) {
                Ok(_) => return Ok(grant(seconds, self.grant_s / 3)),
                // Another call was faster.
                Err(Error::LimitExceeded(_)) => wallet = strowger_sdk::billing::wallet()?,
                Err(error) => return Err(error),
            }
        }
        if granted_s == 0 {
            // It never rings: nothing is kept for it any more.
            strowger_sdk::billing::release(&target.id)?;
        }
        Ok(broke())
    }
}

fn grant(seconds: u32, recheck_before_s: u32) -> Verdict {
    Verdict::Grant(Grant { seconds: seconds.clamp(1, 86_400), recheck_before_s })
}

fn broke() -> Verdict {
    deny(402, "No credit")
}

export_rater!(Rating);
