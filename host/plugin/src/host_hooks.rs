//! The points beside routing and call apps, as the shell asks and tells them.

use super::Host;
use crate::binding::Whom;
use crate::chain::chain_deadline;
use crate::events;
use crate::register::AskRegister;
use crate::tiers::Heavy;
use crate::{LiveEvents, Point};
use model::{BrandId, CompanyId, Directory, Hooks, RegisterAnswer, RegisterAttempt, RegisterVerdict, Told};
use std::sync::Arc;
use std::time::Instant;
use tables::Kv;

impl Host {
    /// Asks the registration chain. Always answers, within nine tenths of `Limits::register_deadline_ms`; at once where
    /// nothing is bound.
    pub async fn ask_register(&self, attempt: RegisterAttempt, directory: Arc<Directory>) -> RegisterAnswer {
        let inner = &self.0;
        let deadline = Instant::now() + chain_deadline(inner.shared.limits.register_deadline());
        let generation = inner.generation.load_full();
        let pass = RegisterAnswer { verdict: RegisterVerdict::Pass, hooks: Vec::new() };
        let whom = generation.whom((attempt.brand, attempt.company), Some(&attempt.account), &directory);
        if generation.chain_at(Point::Registration, whom).next().is_none() {
            return pass;
        }
        let heavy = Heavy::default();
        let ask = AskRegister { shared: Arc::clone(&inner.shared), generation, directory, whom, deadline };
        let task = inner.hooks.tiers().spawn(heavy.clone(), ask.run(attempt, heavy));
        task.await.unwrap_or(pass)
    }

    /// What happens now, for those who watch.
    #[must_use]
    pub fn live(&self) -> &LiveEvents {
        &self.0.live
    }

    /// Whether anybody hears of this company: an event sink that is bound, or somebody who watches.
    #[must_use]
    pub fn listens(&self, brand: BrandId, company: CompanyId) -> bool {
        let whom = Whom { brand, company, account: None };
        self.0.live.watched() || self.0.generation.load().chain_at(Point::EventSink, whom).next().is_some()
    }

    /// Tells every event sink of the company, and those who watch. Never waits.
    pub fn tell(&self, told: &Told, directory: &Arc<Directory>) {
        let inner = &self.0;
        inner.live.tell(told);
        let whom = Whom { brand: told.brand, company: told.company, account: None };
        for bound in inner.generation.load().chain_at(Point::EventSink, whom) {
            if bound.events.push(told, directory, inner.shared.config.events_waiting_max) {
                let heavy = Heavy::default();
                let deliver = events::deliver(Arc::clone(&bound.events), Arc::clone(&inner.shared), heavy.clone());
                inner.apps.tiers().spawn(heavy, deliver);
            }
        }
    }

    /// Which tenants have bindings that the pure switch must know of.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        let generation = self.0.generation.load();
        let scopes = |point: Point| {
            let bound = generation.all.iter().filter(move |b| b.spec.point == point);
            bound.map(|b| (b.spec.scope.brand, b.spec.scope.company)).collect()
        };
        Hooks { router_io: scopes(Point::RouterIo), registration: scopes(Point::Registration) }
    }

    /// What plugins keep.
    #[must_use]
    pub fn kv(&self) -> &Kv {
        &self.0.shared.config.kv
    }

    /// The prefix tables.
    #[must_use]
    pub fn prefix_tables(&self) -> &crate::PrefixTables {
        &self.0.shared.config.prefix_tables
    }
}
