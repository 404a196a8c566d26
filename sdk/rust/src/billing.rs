//! Raters: what a call costs, and who may make it. Export `billing/rater` with [`crate::export_rater!`].

use crate::generated::rater::exports::strowger::billing::rater;
use crate::generated::rater::strowger::billing::ledger;
use crate::{Attr, CallInfo, Result};

pub use ledger::Money;
pub use rater::{Charge, Denial, Grant, Target, Usage, Verdict};

#[doc(hidden)]
pub use rater::Guest as RaterGuest;

/// Asked about each number that is to be paid for.
pub trait Rater {
    /// May it be called, and for how long?
    ///
    /// # Errors
    /// A failure: the binding's policy holds.
    fn authorize(call: CallInfo, target: Target) -> Result<Verdict>;

    /// May it go on? Grants count from the answer, in all.
    ///
    /// # Errors
    /// A failure: asked again until the grant's end.
    fn extend(call: CallInfo, target: Target, used_ms: u64, granted_s: u32) -> Result<Verdict>;

    /// What does the leg cost? Charge it by [`Wallet::commit`] with `call-id/leg` as key.
    ///
    /// # Errors
    /// Asked again later, for as long as it takes.
    fn settle(used: Usage) -> Result<Charge>;

    /// Nobody has answered: let go what is kept.
    ///
    /// # Errors
    /// What is kept ends by its time.
    fn release(target: Target) -> Result<()>;

    /// What would it cost?
    ///
    /// # Errors
    /// In words for whoever asks.
    fn quote(number: String, trunk: Option<String>, at_ms: u64, billed_ms: u64) -> Result<Charge>;
}

/// The company's wallet as it was a moment ago.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wallet {
    /// `prepaid`, `postpaid` or `pseudo-prepaid`.
    pub method: String,
    /// The plan's name.
    pub plan: String,
    /// ISO 4217.
    pub currency: String,
    /// The sum of all movements, in millionths.
    pub balance: i64,
    /// Of that, kept for calls that are up.
    pub reserved: i64,
    /// How far below zero the balance may go.
    pub credit: i64,
    /// Most that may be charged in a day.
    pub daily_cap: Option<i64>,
    /// Charged since the company's midnight.
    pub spent_today: i64,
    /// The company's zone; none is UTC.
    pub time_zone: Option<String>,
}

/// The wallet of the company whose call it is.
///
/// # Errors
/// `not-found` where it has none; `unavailable` while the database is away.
pub fn wallet() -> Result<Wallet> {
    let seen = ledger::balance()?;
    Ok(Wallet {
        method: seen.method,
        plan: seen.plan,
        currency: seen.currency,
        balance: seen.balance,
        reserved: seen.reserved,
        credit: seen.credit,
        daily_cap: seen.daily_cap,
        spent_today: seen.spent_today,
        time_zone: seen.time_zone,
    })
}

/// Lets go what is kept under a key; one that keeps nothing is fine.
///
/// # Errors
/// As `billing/ledger` says.
pub fn release(key: &str) -> Result<()> {
    ledger::release(key)
}

/// A refusal.
#[must_use]
pub fn deny(sip: u16, reason: &str) -> Verdict {
    Verdict::Deny(Denial { sip, reason: reason.to_owned() })
}

impl Wallet {
    /// What can be kept for another call.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.balance.saturating_add(self.credit).saturating_sub(self.reserved)
    }

    fn money(&self, micros: i64) -> Money {
        Money { micros, currency: self.currency.clone() }
    }

    /// Keeps an amount in the wallet's currency; gives what the key keeps.
    ///
    /// # Errors
    /// As `billing/ledger` says.
    pub fn reserve(&self, key: &str, micros: i64, ttl_s: u32) -> Result<i64> {
        ledger::reserve(key, &self.money(micros), ttl_s)
    }

    /// Keeps so much in all from now on.
    ///
    /// # Errors
    /// As `billing/ledger` says.
    pub fn adjust(&self, key: &str, micros: i64, ttl_s: u32) -> Result<i64> {
        ledger::adjust(key, &self.money(micros), ttl_s)
    }

    /// Charges once for ever by this key, and lets go what is kept under `reservation`; gives what was charged.
    ///
    /// # Errors
    /// As `billing/ledger` says.
    pub fn commit(&self, key: &str, reservation: Option<&str>, micros: i64, memo: &[Attr]) -> Result<i64> {
        ledger::commit(key, reservation, &self.money(micros), memo)
    }
}

/// Exports a [`Rater`].
#[macro_export]
macro_rules! export_rater {
    ($rater:ty) => {
        #[doc(hidden)]
        struct StrowgerRaterExport;
        impl $crate::RaterGuest for StrowgerRaterExport {
            fn authorize(call: $crate::CallInfo, target: $crate::billing::Target) -> $crate::Result<$crate::billing::Verdict> {
                $crate::log_panics();
                <$rater as $crate::billing::Rater>::authorize(call, target)
            }
            fn extend(
                call: $crate::CallInfo,
                target: $crate::billing::Target,
                used_ms: u64,
                granted_s: u32,
            ) -> $crate::Result<$crate::billing::Verdict> {
                $crate::log_panics();
                <$rater as $crate::billing::Rater>::extend(call, target, used_ms, granted_s)
            }
            fn settle(used: $crate::billing::Usage) -> $crate::Result<$crate::billing::Charge> {
                $crate::log_panics();
                <$rater as $crate::billing::Rater>::settle(used)
            }
            fn release(target: $crate::billing::Target) -> $crate::Result<()> {
                $crate::log_panics();
                <$rater as $crate::billing::Rater>::release(target)
            }
            fn quote(
                number: String,
                trunk: Option<String>,
                at_ms: u64,
                billed_ms: u64,
            ) -> $crate::Result<$crate::billing::Charge> {
                $crate::log_panics();
                <$rater as $crate::billing::Rater>::quote(number, trunk, at_ms, billed_ms)
            }
        }
        $crate::generated::rater::export_rater_bindings!(
            StrowgerRaterExport with_types_in $crate::generated::rater
        );
    };
}
