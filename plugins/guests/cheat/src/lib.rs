//! A rater that misbehaves as its configuration says: `{ "do": "spin" }`. For tests only.

use serde::Deserialize;
use std::hint::black_box;
use strowger_sdk::billing::{Charge, Grant, Money, Rater, Target, Usage, Verdict, deny, wallet};
use strowger_sdk::{CallInfo, Error, Result, config, export_rater, now_ms};

#[derive(Deserialize)]
struct Config {
    r#do: Deed,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    /// Computes for ever.
    Spin,
    /// Traps.
    Trap,
    /// Grants for ever.
    Absurd,
    /// Grants nothing at all.
    Nothing,
    /// A status that is no refusal.
    Odd,
    /// Charges less than nothing, by its answer.
    Negative,
    /// The same, by the ledger, and says what that said.
    Gift,
    /// Charges a currency that is none.
    Coins,
    /// Keeps all there is for three seconds, and then computes until it is stopped.
    KeepAndSpin,
    /// A business error.
    Err,
    /// Writes the ledger whatever it is asked, and says what that said.
    Write,
    /// Grants ten seconds, and charges a cent.
    Good,
}

struct Cheat;

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn grant(seconds: u32) -> Verdict {
    Verdict::Grant(Grant { seconds, recheck_before_s: 3 })
}

fn answer(target: &Target) -> Result<Verdict> {
    let config: Config = config()?;
    Ok(match config.r#do {
        Deed::Spin => spin(),
        Deed::Trap => panic!("on purpose"),
        Deed::Absurd => grant(u32::MAX),
        Deed::Nothing => grant(0),
        Deed::Odd => deny(200, "OK"),
        Deed::Err => return Err(Error::NotFound),
        Deed::KeepAndSpin => {
            let wallet = wallet()?;
            wallet.reserve(&target.id, wallet.available(), 3)?;
            spin()
        }
        Deed::Gift => {
            let said = wallet()?.reserve(&target.id, -5, 3);
            deny(480, &format!("{said:?}"))
        }
        Deed::Write => {
            let wallet = wallet()?;
            let said = wallet.commit("x", None, 1, &[]);
            deny(480, &format!("{said:?}"))
        }
        Deed::Negative | Deed::Coins | Deed::Good => grant(10),
    })
}

fn charge(micros: i64, currency: &str) -> Charge {
    Charge { total: Money { micros, currency: currency.to_owned() }, carrier: None, lines: Vec::new() }
}

fn price() -> Result<Charge> {
    let config: Config = config()?;
    Ok(match config.r#do {
        Deed::Spin | Deed::KeepAndSpin => spin(),
        Deed::Trap => panic!("on purpose at {}", now_ms()),
        Deed::Negative => charge(-1, "EUR"),
        Deed::Coins => charge(1, "eur"),
        Deed::Write | Deed::Gift => {
            let said = wallet()?.commit("y", None, 1, &[]);
            return Err(Error::Unavailable(format!("{said:?}")));
        }
        _ => charge(10_000, "EUR"),
    })
}

impl Rater for Cheat {
    fn authorize(_: CallInfo, target: Target) -> Result<Verdict> {
        answer(&target)
    }

    fn extend(_: CallInfo, target: Target, _: u64, _: u32) -> Result<Verdict> {
        answer(&target)
    }

    fn settle(_: Usage) -> Result<Charge> {
        price()
    }

    fn release(_: Target) -> Result<()> {
        Ok(())
    }

    fn quote(_: String, _: Option<String>, _: u64, _: u64) -> Result<Charge> {
        price()
    }
}

export_rater!(Cheat);
