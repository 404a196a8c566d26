//! The wallet of a scenario's company: one account, what is kept of it, what was charged.

use super::form::WalletForm;
use model::{CompanyId, Instant, LedgerAct, LedgerRefusal, LedgerSaid, WalletView, amount_of, amount_text};
use plugin::{Ledger, LedgerTold};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who keeps the books; without a wallet nobody has one.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<Option<Purse>>);

#[derive(Debug)]
struct Purse {
    view: WalletView,
    kept: BTreeMap<String, i64>,
    closed: BTreeSet<String>,
    /// By key: what was charged, and when.
    charged: BTreeMap<String, (i64, Instant)>,
}

/// An amount of a scenario: units with their decimals.
fn micros(what: &str, text: &str) -> Result<i64, String> {
    amount_of(text).ok_or_else(|| format!("wallet.{what}: {text:?} is no amount, as \"12.50\""))
}

impl Books {
    fn purse(&self) -> MutexGuard<'_, Option<Purse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The company's wallet is this one from now on.
    pub(super) fn open(&self, form: Option<&WalletForm>) -> Result<(), String> {
        let purse = match form {
            None => None,
            Some(form) => Some(Purse {
                view: WalletView {
                    method: form.method.clone(),
                    plan: form.plan.clone(),
                    currency: form.currency.clone(),
                    balance: micros("balance", &form.balance)?,
                    reserved: 0,
                    credit: micros("credit", &form.credit)?,
                    daily_cap: form.daily_cap.as_deref().map(|cap| micros("daily-cap", cap)).transpose()?,
                    spent_today: 0,
                    time_zone: None,
                },
                kept: BTreeMap::new(),
                closed: BTreeSet::new(),
                charged: BTreeMap::new(),
            }),
        };
        *self.purse() = purse;
        Ok(())
    }

    /// The balance and what is kept, as amounts.
    pub(super) fn figures(&self) -> Option<(String, String)> {
        let purse = self.purse();
        let purse = purse.as_ref()?;
        Some((amount_text(purse.view.balance), amount_text(purse.kept.values().sum())))
    }
}

impl Purse {
    fn spent(&self, since: Instant) -> i64 {
        self.charged.values().filter(|(_, at)| *at >= since).map(|(micros, _)| micros).sum()
    }

    fn keep(&mut self, key: String, micros: i64, since: Instant) -> Result<i64, LedgerRefusal> {
        if micros < 0 {
            return Err(LedgerRefusal::Invalid("amount".to_owned()));
        }
        if self.closed.contains(&key) {
            return Err(LedgerRefusal::Closed);
        }
        let others: i64 = self.kept.iter().filter(|(k, _)| **k != key).map(|(_, kept)| kept).sum();
        let day = self.view.daily_cap.map_or(i64::MAX, |cap| cap - self.spent(since));
        let there = (self.view.balance + self.view.credit).min(day) - others;
        if micros > there && micros > self.kept.get(&key).copied().unwrap_or(0) {
            return Err(LedgerRefusal::Insufficient(there));
        }
        self.kept.insert(key, micros);
        Ok(micros)
    }

    fn act(&mut self, act: LedgerAct, now: Instant) -> Result<LedgerSaid, LedgerRefusal> {
        let amount = match act {
            LedgerAct::Account(since, time_zone) => {
                let (reserved, spent_today) = (self.kept.values().sum(), self.spent(since));
                let view = WalletView { reserved, spent_today, time_zone, ..self.view.clone() };
                return Ok(LedgerSaid::Account(Box::new(view)));
            }
            LedgerAct::Reserve(key, ..) if self.kept.contains_key(&key) => self.kept.get(&key).copied().unwrap_or(0),
            LedgerAct::Reserve(key, money, _, since) | LedgerAct::Adjust(key, money, _, since) => {
                self.check(&money)?;
                self.keep(key, money.micros, since)?
            }
            LedgerAct::Commit(key, reservation, money, ..) => {
                self.check(&money)?;
                if let Some(reservation) = reservation {
                    self.kept.remove(&reservation);
                    self.closed.insert(reservation);
                }
                let known = self.charged.get(&key).map(|(micros, _)| *micros);
                known.unwrap_or_else(|| {
                    self.view.balance -= money.micros;
                    self.charged.insert(key, (money.micros, now));
                    money.micros
                })
            }
            LedgerAct::Release(key) => {
                self.closed.insert(key.clone());
                self.kept.remove(&key).unwrap_or(0)
            }
        };
        Ok(LedgerSaid::Amount(amount))
    }

    fn check(&self, money: &model::Money) -> Result<(), LedgerRefusal> {
        let own = money.currency == self.view.currency;
        if own { Ok(()) } else { Err(LedgerRefusal::Invalid("currency".to_owned())) }
    }
}

/// The books and the clock that they are kept by.
#[derive(Debug)]
pub(super) struct Clerk(pub(super) std::sync::Arc<Books>, pub(super) plugin::GuestClock);

impl Ledger for Clerk {
    fn act(&self, _: CompanyId, act: LedgerAct) -> LedgerTold {
        let now = Instant::from_unix_nanos(self.1.now_ms().saturating_mul(1_000_000));
        let said = self.0.purse().as_mut().map_or(Err(LedgerRefusal::NoWallet), |purse| purse.act(act, now));
        Box::pin(core::future::ready(said))
    }
}
