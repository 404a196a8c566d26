//! Money, grants, and what a rater is asked. Twins of `wit/billing`; closed on purpose.
//!
//! Money is millionths of a currency unit in 64 bits, never a fraction of two: 9.2 * 10^12 units either way.

use crate::{Attr, BrandId, CallId, CallInfo, CompanyId, HookReport, Instant, Ticket};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Longest grant, in seconds, whatever a rater says: a day.
pub const GRANT_MAX_S: u32 = 86_400;

/// An amount of a currency.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Money {
    /// Millionths of a unit.
    pub micros: i64,
    /// ISO 4217, three capitals.
    pub currency: String,
}

/// Whether this is a currency's code: three capital letters (ISO 4217).
#[must_use]
pub fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase())
}

/// Millionths as a decimal text without needless zeros: `12.5`, `-0.000001`.
#[must_use]
pub fn amount_text(micros: i64) -> String {
    let (whole, rest) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let sign = if micros < 0 { "-" } else { "" };
    let text = format!("{sign}{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A decimal text of at most six places, as millionths; `None` for any other text, or one that is too much to count.
#[must_use]
pub fn amount_of(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(rest) || rest.len() > 6 {
        return None;
    }
    let micros: i64 = format!("{rest:0<6}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?.checked_mul(sign)
}

/// A number that is to be paid for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rated {
    /// Names the authorisation, the same after every retry: the call, `.`, and a number that counts them.
    pub id: String,
    /// The number as it is inside, public ones with their `+`.
    pub number: String,
    /// The trunk that the plan names; none where a call is paid for that takes none.
    #[serde(default)]
    pub trunk: Option<String>,
    /// The account at whose cost it is, by user name: who forwarded, else who calls. None: the company alone.
    #[serde(default)]
    pub payer: Option<String>,
    /// Nobody could be asked, and the policy let it pass.
    #[serde(default)]
    pub unasked: bool,
    /// Of an answered leg: how long it may last, as it was granted last, in seconds.
    #[serde(default)]
    pub granted_s: Option<u32>,
    /// The first answer: a leg that moves to another call is paid for as one.
    #[serde(default)]
    pub since: Option<Instant>,
}

/// A question to the rater.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RateQuestion {
    /// Names the question; the answer carries it back.
    pub ticket: Ticket,
    /// When the policy of failure stands instead.
    pub deadline: Instant,
    /// The call.
    pub call: CallInfo,
    /// What is to be paid for.
    pub rated: Rated,
    /// What is asked.
    pub kind: RateKind,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RateKind {
    /// May it be called, and for how long?
    Authorize,
    /// May it go on?
    Extend {
        /// Since the answer.
        used: Duration,
        /// Until when it may, counted from the answer, in seconds.
        granted_s: u32,
    },
    /// The call is over and nobody of this number has answered: let go what was kept for it. Nothing is answered.
    Release,
}

/// Time to talk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// Counted from the answer, in all: not from now.
    pub seconds: u32,
    /// So long before its end more is asked for.
    pub recheck_before_s: u32,
}

impl Grant {
    /// When more is asked for, counted from the answer: where the rater says, but not before half of it is used up and
    /// not later than a second before its end.
    #[must_use]
    pub fn ask_after(&self) -> Duration {
        let ahead = self.recheck_before_s.clamp(1, (self.seconds / 2).max(1));
        Duration::from_secs(u64::from(self.seconds.saturating_sub(ahead)))
    }
}

/// What a rater says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RateVerdict {
    /// Yes, for so long.
    Grant(Grant),
    /// No; the status, 400 to 699, and words.
    Deny(u16, String),
    /// It failed: trap, late, broken rule, business error.
    Failed,
}

/// The rater's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RateAnswer {
    /// What it says.
    pub verdict: RateVerdict,
    /// Who was asked; none where nobody is bound any more.
    pub hook: Option<HookReport>,
}

/// What an answered leg has used, for its settlement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// The call.
    pub call: CallId,
    /// The leg.
    pub leg: u16,
    /// The tenant's brand.
    pub brand: BrandId,
    /// The tenant.
    pub company: CompanyId,
    /// What was authorised.
    pub rated: Rated,
    /// The caller as it was shown.
    pub caller: String,
    /// 2xx.
    pub answered_at: Instant,
    /// From answer to end, in milliseconds.
    pub billed_ms: u64,
    /// The code of the cause.
    pub cause: String,
}

/// What a leg costs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Charge {
    /// What the tenant pays, in millionths; never below zero.
    pub micros: i64,
    /// What the carrier takes, in the same currency, where the rater knows.
    pub carrier_micros: Option<i64>,
    /// ISO 4217.
    pub currency: String,
    /// How it came to that: `plan`, `prefix`, `rate`, ...
    pub lines: Vec<Attr>,
}

/// How a company pays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WalletView {
    /// `prepaid`, `postpaid` or `pseudo-prepaid`.
    pub method: String,
    /// The plan's name, as the rater knows it.
    pub plan: String,
    /// ISO 4217.
    pub currency: String,
    /// The sum of all movements, in millionths.
    pub balance: i64,
    /// Of that, kept for calls that are up.
    pub reserved: i64,
    /// How far below zero the balance may go.
    pub credit: i64,
    /// Most that may be charged in a day of the company's zone.
    pub daily_cap: Option<i64>,
    /// Charged since the company's midnight.
    pub spent_today: i64,
    /// The company's zone, IANA; none is UTC.
    pub time_zone: Option<String>,
}

/// What a rater asks of the ledger. The company is the host's word, never the guest's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LedgerAct {
    /// How the company pays, and what was charged since this midnight of its zone.
    Account(Instant, Option<String>),
    /// Keep an amount for so long; the same key gives what was kept. Of the day since this midnight of the company's
    /// zone there is no more than its cap.
    Reserve(String, Money, u32, Instant),
    /// Keep so much in all from now on, and for so long, on the same terms.
    Adjust(String, Money, u32, Instant),
    /// Charge once for ever by this key, in the day since this midnight, and let go what was kept under the other; gives
    /// what was charged.
    Commit(String, Option<String>, Money, Vec<Attr>, Instant),
    /// Let go what is kept.
    Release(String),
}

/// What the ledger says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LedgerSaid {
    /// To [`LedgerAct::Account`].
    Account(Box<WalletView>),
    /// What is kept, or was charged.
    Amount(i64),
}

/// Why the ledger did not do it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LedgerRefusal {
    /// The company has no wallet.
    NoWallet,
    /// A rule, in words: another currency, a negative amount.
    Invalid(String),
    /// The balance, or what is left of the day's cap, does not reach; what is there to be kept.
    Insufficient(i64),
    /// The reservation was charged or let go already.
    Closed,
    /// The database did not answer.
    Away(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_and_amounts() {
        let ask = |seconds, recheck_before_s| Grant { seconds, recheck_before_s }.ask_after().as_secs();
        assert_eq!([ask(60, 20), ask(60, 0), ask(60, 59), ask(60, u32::MAX)], [40, 59, 30, 30]);
        assert_eq!([ask(1, 1), ask(2, 1), ask(0, 9)], [0, 1, 0]);
        for (text, micros) in [("12.5", 12_500_000), ("-0.000001", -1), ("0", 0), ("7", 7_000_000), ("0.15", 150_000)] {
            assert_eq!((amount_of(text), amount_text(micros).as_str()), (Some(micros), text));
        }
        for text in ["", ".5", "5.", "1e3", "+1", "1.0000001", "--1", "9223372036855", "1,5", "\u{663}"] {
            assert_eq!(amount_of(text), None, "{text}");
        }
        assert!(is_currency("EUR") && !is_currency("eur") && !is_currency("EURO"));
    }
}
