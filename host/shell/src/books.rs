//! Money between raters and the database: the ledger that guests reach, and the settlement of legs that were answered.
//!
//! A leg waits for its price in the database from the transaction of its CDR on, and is asked about until its rater has
//! said what it costs: over restarts, failures and new versions. A company's legs are settled one after the other and
//! beside those of others, so that a rater that is slow or fails holds up nobody else.

use crate::Clock;
use core::time::Duration;
use model::{Charge, CompanyId, Directory, LedgerAct, LedgerRefusal, LedgerSaid, Told, Usage};
use plugin::{Ledger, LedgerTold};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use store::{Charging, Db, Settlement, StoreError};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// How often is looked for what is due, and for reservations whose time is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Legs read at once, over all companies.
const DUE_MAX: u32 = 256;
/// Looks after which what was closed or settled long ago is forgotten.
const FORGET_EVERY: u32 = 60;
/// The first pause after a failure; it doubles.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// The ledger that raters reach.
#[derive(Clone, Debug)]
pub struct Books {
    db: Db,
    runtime: Runtime,
    clock: Clock,
}

impl Books {
    /// Over this database, by the runtime of the caller.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Books {
        Books { db, runtime: Runtime::current(), clock }
    }

    async fn done(self, company: CompanyId, act: LedgerAct) -> Result<LedgerSaid, LedgerRefusal> {
        let (ledger, now) = (self.db.ledger(), self.clock.now());
        let amount = match act {
            LedgerAct::Account(since, zone) => {
                let seen = ledger.account(company, since, zone).await?;
                return Ok(LedgerSaid::Account(Box::new(seen)));
            }
            LedgerAct::Reserve(key, amount, ttl_s, since) => {
                ledger.reserve(company, &key, &amount, ttl_s, (now, since)).await?
            }
            LedgerAct::Adjust(key, amount, ttl_s, since) => {
                ledger.adjust(company, &key, &amount, ttl_s, (now, since)).await?
            }
            LedgerAct::Commit(key, reservation, amount, memo, since) => {
                let on = Charging { memo: &memo, now, since };
                ledger.commit(company, &key, reservation.as_deref(), &amount, on).await?
            }
            LedgerAct::Release(key) => {
                ledger.release(company, &key, now).await?;
                0
            }
        };
        Ok(LedgerSaid::Amount(amount))
    }
}

impl Ledger for Books {
    fn act(&self, company: CompanyId, act: LedgerAct) -> LedgerTold {
        let (send, receive) = oneshot::channel();
        let books = self.clone();
        // A guest that is dropped while it waits does not take its transaction with it.
        self.runtime.spawn(async move {
            let _gone = send.send(books.done(company, act).await);
        });
        Box::pin(async move {
            receive.await.unwrap_or_else(|_| Err(LedgerRefusal::Away("the switch is stopping".to_owned())))
        })
    }
}

/// What the settlement works with.
#[derive(Clone)]
pub(crate) struct Settling {
    db: Db,
    plugins: plugin::Host,
    clock: Clock,
    directory: watch::Receiver<Arc<Directory>>,
}

/// The companies whose legs are being settled.
type Busy = Arc<Mutex<BTreeSet<i64>>>;

impl Settling {
    /// What is due in this database is asked of these plugins, who see the facts that are live.
    pub(crate) fn new(
        db: &Db,
        plugins: &plugin::Host,
        clock: Clock,
        directory: watch::Receiver<Arc<Directory>>,
    ) -> Settling {
        Settling { db: db.clone(), plugins: plugins.clone(), clock, directory }
    }

    /// Settles what is due until `stop` holds true. What is under way is done once more after the next start.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let busy = Busy::default();
        let mut tasks = JoinSet::new();
        let mut told = false;
        let mut looks: u32 = 0;
        while !*stop.borrow_and_update() {
            let forget = looks.is_multiple_of(FORGET_EVERY);
            looks = looks.wrapping_add(1);
            match self.look(&busy, &mut tasks, forget).await {
                Ok(()) => told = false,
                Err(error) if !told => {
                    tracing::warn!(%error, "answered legs wait for their price");
                    told = true;
                }
                Err(_) => {}
            }
            while tasks.try_join_next().is_some() {}
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                stopped = stop.wait_for(|stop| *stop) => if stopped.is_err() { return },
            }
        }
    }

    async fn look(&self, busy: &Busy, tasks: &mut JoinSet<()>, forget: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db.ledger().expire(now).await?;
        if forget {
            self.db.ledger().forget(now).await?;
            self.db.settlements().forget(now).await?;
        }
        let working: Vec<i64> = lock(busy).iter().copied().collect();
        let mut by_company: BTreeMap<i64, Vec<(Settlement, Usage)>> = BTreeMap::new();
        for (settlement, cdr) in self.db.settlements().due(now, DUE_MAX, &working).await? {
            if let Some(used) = cdr.usage() {
                by_company.entry(settlement.company).or_default().push((settlement, used));
            }
        }
        for (company, legs) in by_company {
            if !lock(busy).insert(company) {
                continue;
            }
            let (own, busy) = (self.clone(), Arc::clone(busy));
            tasks.spawn(async move {
                for (settlement, used) in legs {
                    own.settle(&settlement, used).await;
                }
                lock(&busy).remove(&company);
            });
        }
        Ok(())
    }

    async fn settle(&self, settlement: &Settlement, used: Usage) {
        let leg = (settlement.call, settlement.leg);
        let directory = Arc::clone(&self.directory.borrow());
        let said = self.plugins.settle(used.clone(), Arc::clone(&directory)).await;
        let written = match said {
            Ok(charge) => self.write(&used, charge, &directory).await,
            Err(why) => {
                let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(settlement.tries.min(20))).min(PAUSE_MAX);
                tracing::warn!(call = %leg.0, leg = leg.1, why, again_in = ?pause, "a leg waits for its price");
                self.db.settlements().later(leg, self.clock.now() + pause, &why).await
            }
        };
        if let Err(error) = written {
            tracing::warn!(call = %leg.0, leg = leg.1, %error, "a leg's price waits for the database");
        }
    }

    /// The charge goes to the CDR. Where money has moved for this leg, that is what it cost, whatever was said.
    async fn write(&self, used: &Usage, mut charge: Charge, directory: &Arc<Directory>) -> Result<(), StoreError> {
        let key = format!("rater/{}/{}", used.call, used.leg);
        if let Some(moved) = self.db.ledger().charged(used.company, &key).await? {
            charge.micros = moved;
        }
        self.db.settlements().done((used.call, used.leg), &charge).await?;
        self.tell_low(used, charge.micros, directory).await
    }

    /// Event sinks hear of a charge that has taken a balance below its mark.
    async fn tell_low(&self, used: &Usage, charged: i64, directory: &Arc<Directory>) -> Result<(), StoreError> {
        let wallet = match self.db.wallets().get(&store::OpContext::platform(), used.company).await {
            Ok(wallet) => wallet,
            Err(StoreError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(mark) = wallet.low_mark.filter(|mark| wallet.balance < *mark) else { return Ok(()) };
        if wallet.balance.saturating_add(charged) >= mark && self.plugins.listens(used.brand, used.company) {
            let attrs = vec![("balance", wallet.balance.to_string()), ("currency", wallet.currency)];
            let (kind, at) = ("balance-low", self.clock.now());
            let told = Told { kind, at, call: Some(used.call), brand: used.brand, company: used.company, attrs };
            self.plugins.tell(&told, directory);
        }
        Ok(())
    }
}

fn lock(busy: &Busy) -> std::sync::MutexGuard<'_, BTreeSet<i64>> {
    busy.lock().unwrap_or_else(PoisonError::into_inner)
}
