//! `billing/ledger`: the company's money, for raters. The company is the host's argument, never the guest's; the guest
//! waits while whoever keeps the books does the work, which is not this crate.

use crate::bindings::rater::strowger::billing::ledger::{Account, Host, Money};
use crate::bindings::router::strowger::types::types::{Attr, Error};
use crate::guest::Guest;
use crate::tape::taped;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use jiff::tz::TimeZone;
use model::{CompanyId, Instant, LedgerAct, LedgerRefusal, LedgerSaid, is_currency};
use std::sync::Arc;

/// What the ledger says, when it has said it.
pub type Told = Pin<Box<dyn Future<Output = Result<LedgerSaid, LedgerRefusal>> + Send>>;

/// Whoever keeps the books. Its futures may be polled on any thread, and need no runtime there.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Does one act on a company's wallet.
    fn act(&self, company: CompanyId, act: LedgerAct) -> Told;
}

/// What an instance may do with money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purse {
    /// It is no rater.
    None,
    /// It is asked what something would cost.
    Read,
    /// It charges.
    Write,
}

/// Most entries of a charge's memo, and most bytes of all of them.
const MEMO_MAX: usize = 32;
const MEMO_BYTES_MAX: usize = 4_096;

fn error(refusal: LedgerRefusal) -> Error {
    match refusal {
        LedgerRefusal::NoWallet => Error::NotFound,
        LedgerRefusal::Invalid(why) => Error::InvalidArgument(why),
        LedgerRefusal::Insufficient(there) => Error::LimitExceeded(format!("balance: {there}")),
        LedgerRefusal::Closed => Error::InvalidState("the reservation was charged or let go".to_owned()),
        LedgerRefusal::Away(why) => Error::Unavailable(why),
    }
}

/// When the day of this zone began; without a zone, or with one that is none, UTC's.
fn midnight(zone: Option<&str>, now_ms: u64) -> Instant {
    let zone = zone.and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
    let began = i64::try_from(now_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let began = began.and_then(|now| now.to_zoned(zone).start_of_day().ok()).map(|day| day.timestamp().as_second());
    let seconds = began.and_then(|s| u64::try_from(s).ok()).unwrap_or(now_ms / 1_000);
    Instant::from_unix_nanos(seconds.saturating_mul(1_000_000_000))
}

/// Keys of raters have a prefix of their own, so that none is one of a movement by hand.
fn key(key: &str) -> String {
    format!("rater/{key}")
}

fn money(money: Money) -> Result<model::Money, Error> {
    if !is_currency(&money.currency) {
        return Err(Error::InvalidArgument("currency: three capital letters".to_owned()));
    }
    Ok(model::Money { micros: money.micros, currency: money.currency })
}

impl Guest {
    async fn act(&mut self, writes: bool, act: LedgerAct) -> Result<LedgerSaid, Error> {
        let denied = |why: &str| Error::Denied(format!("billing/ledger {why}"));
        match self.purse {
            Purse::None => return Err(denied("is for raters")),
            Purse::Read if writes => return Err(denied("is not written where a price is asked for")),
            Purse::Read | Purse::Write => {}
        }
        let ledger = self.ledger.as_ref().map(Arc::clone).ok_or_else(|| denied("is kept by nobody here"))?;
        let told = ledger.act(self.company, act);
        self.park(told).await.map_err(error)
    }

    /// The midnight of the company's zone.
    fn midnight(&self) -> (Instant, Option<String>) {
        let zone = self.directory.company(self.company).and_then(|company| company.rules.time_zone.clone());
        (midnight(zone.as_deref(), self.clock.now_ms()), zone)
    }

    async fn amount(&mut self, act: LedgerAct) -> Result<i64, Error> {
        match self.act(true, act).await? {
            LedgerSaid::Amount(micros) => Ok(micros),
            LedgerSaid::Account(_) => Err(Error::Unavailable("the ledger has said something else".to_owned())),
        }
    }

    async fn balance_told(&mut self) -> Result<Account, Error> {
        let (since, zone) = self.midnight();
        match self.act(false, LedgerAct::Account(since, zone)).await? {
            LedgerSaid::Account(seen) => Ok(Account {
                method: seen.method,
                plan: seen.plan,
                currency: seen.currency,
                balance: seen.balance,
                reserved: seen.reserved,
                credit: seen.credit,
                daily_cap: seen.daily_cap,
                spent_today: seen.spent_today,
                time_zone: seen.time_zone,
            }),
            LedgerSaid::Amount(_) => Err(Error::Unavailable("the ledger has said something else".to_owned())),
        }
    }

    async fn reserve_now(&mut self, name: String, amount: Money, ttl_s: u32) -> Result<i64, Error> {
        let act = LedgerAct::Reserve(key(&name), money(amount)?, ttl_s, self.midnight().0);
        self.amount(act).await
    }

    async fn adjust_now(&mut self, name: String, amount: Money, ttl_s: u32) -> Result<i64, Error> {
        let act = LedgerAct::Adjust(key(&name), money(amount)?, ttl_s, self.midnight().0);
        self.amount(act).await
    }

    async fn commit_now(
        &mut self,
        name: String,
        reservation: Option<String>,
        amount: Money,
        memo: Vec<Attr>,
    ) -> Result<i64, Error> {
        let bytes: usize = memo.iter().map(|(name, value)| name.len() + value.len()).sum();
        if memo.len() > MEMO_MAX || bytes > MEMO_BYTES_MAX {
            return Err(Error::LimitExceeded(format!("memo: {MEMO_MAX} entries, {MEMO_BYTES_MAX} bytes")));
        }
        let (reservation, since) = (reservation.map(|name| key(&name)), self.midnight().0);
        let act = LedgerAct::Commit(key(&name), reservation, money(amount)?, memo, since);
        self.amount(act).await
    }

    async fn release_now(&mut self, name: String) -> Result<(), Error> {
        let act = LedgerAct::Release(key(&name));
        self.amount(act).await.map(|_| ())
    }
}

impl Host for Guest {
    async fn balance(&mut self) -> Result<Account, Error> {
        taped!(self, "ledger.balance", (), self.balance_told().await)
    }

    async fn reserve(&mut self, name: String, amount: Money, ttl_s: u32) -> Result<i64, Error> {
        taped!(self, "ledger.reserve", (&name, &amount, ttl_s), self.reserve_now(name, amount, ttl_s).await)
    }

    async fn adjust(&mut self, name: String, amount: Money, ttl_s: u32) -> Result<i64, Error> {
        taped!(self, "ledger.adjust", (&name, &amount, ttl_s), self.adjust_now(name, amount, ttl_s).await)
    }

    async fn commit(
        &mut self,
        name: String,
        reservation: Option<String>,
        amount: Money,
        memo: Vec<Attr>,
    ) -> Result<i64, Error> {
        taped!(self, "ledger.commit", (&name, &reservation, &amount, &memo), {
            self.commit_now(name, reservation, amount, memo).await
        })
    }

    async fn release(&mut self, name: String) -> Result<(), Error> {
        taped!(self, "ledger.release", (&name,), self.release_now(name).await)
    }
}

#[cfg(test)]
mod tests {
    use super::midnight;

    #[test]
    fn a_day_begins_where_the_company_is() {
        // 2026-11-22 19:00 UTC; in Auckland it is the 23rd, 08:00.
        let now = 1_795_374_000_000;
        let hours = |zone: Option<&str>| (now / 1_000 - midnight(zone, now).unix_secs()) / 3_600;
        assert_eq!((hours(None), hours(Some("Pacific/Auckland")), hours(Some("Mars/Olympus"))), (19, 8, 19));
    }
}
