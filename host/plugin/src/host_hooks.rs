//! The points beside routing and call apps, as the shell asks and tells them.

use super::{Host, Shared};
use crate::binding::Whom;
use crate::chain::chain_deadline;
use crate::events;
use crate::filter::{self, AskFilter};
use crate::rater::{AskRater, Quote};
use crate::register::AskRegister;
use crate::{BindingState, GuestLog, LiveEvents, Point, RecordRefusal, RecordingState, Sample};
use model::{
    BindingId, BrandId, Charge, CompanyId, Directory, FilterAnswer, FilterMessage, FilterVerdict, Filters, GRANT_MAX_S,
    Hooks, RateAnswer, RateQuestion, RateVerdict, RaterPolicy, RegisterAnswer, RegisterAttempt, RegisterVerdict, Told,
    Usage,
};
use std::collections::BTreeMap;
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
        let heavy = inner.hooks.tiers().heavy(attempt.brand);
        let ask = AskRegister { shared: Arc::clone(&inner.shared), generation, directory, whom, deadline };
        let task = inner.hooks.tiers().spawn(heavy.clone(), ask.run(attempt, heavy));
        task.await.unwrap_or(pass)
    }

    /// Asks the filters that a message passes. Always answers, within nine tenths of `Limits::filter_deadline_ms`; at once
    /// where none is bound.
    pub async fn ask_filter(&self, message: FilterMessage, directory: Arc<Directory>) -> FilterAnswer {
        let inner = &self.0;
        let deadline = Instant::now() + chain_deadline(inner.shared.limits.filter_deadline());
        let generation = inner.generation.load_full();
        let pass = |verdict| FilterAnswer { verdict, hooks: Vec::new() };
        let mandatory = match filter::chain(&generation, &message).next() {
            None => return pass(FilterVerdict::Pass(Vec::new())),
            Some(_) => filter::chain(&generation, &message).any(|bound| bound.spec.mandatory),
        };
        let heavy = inner.hooks.tiers().heavy(message.edge.brand);
        let ask = AskFilter { shared: Arc::clone(&inner.shared), generation, directory, deadline };
        let task = inner.hooks.tiers().spawn(heavy.clone(), ask.run(message, heavy));
        let lost = if mandatory { FilterVerdict::Closed } else { FilterVerdict::Pass(Vec::new()) };
        task.await.unwrap_or_else(|_| pass(lost))
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
                let heavy = inner.apps.tiers().heavy(told.brand);
                let deliver = events::deliver(Arc::clone(&bound.events), Arc::clone(&inner.shared), heavy.clone());
                inner.apps.tiers().spawn(heavy, deliver);
            }
        }
    }

    /// Asks the company's rater for a grant, or for more of one. Always answers, within nine tenths of
    /// `Limits::rate_deadline_ms`.
    pub async fn ask_rate(&self, question: RateQuestion, directory: Arc<Directory>) -> RateAnswer {
        let within = chain_deadline(self.0.shared.limits.rate_deadline());
        let nobody = RateAnswer { verdict: RateVerdict::Failed, hook: None };
        let Some(ask) = self.rater((question.call.brand, question.call.company), directory) else { return nobody };
        let heavy = self.0.apps.tiers().heavy(question.call.brand);
        let task = self.0.apps.tiers().spawn(heavy.clone(), ask.rate(question, within, heavy));
        task.await.unwrap_or(nobody)
    }

    /// Has a leg charged by its company's rater; the error is in words for a person.
    ///
    /// # Errors
    /// No rater is bound, it failed, or it said no: ask again later.
    pub async fn settle(&self, used: Usage, directory: Arc<Directory>) -> Result<Charge, String> {
        let ask = self.rater((used.brand, used.company), directory).ok_or("no rater is bound")?;
        let heavy = self.0.apps.tiers().heavy(used.brand);
        let task = self.0.apps.tiers().spawn(heavy.clone(), ask.settle(used, heavy));
        task.await.unwrap_or_else(|_| Err("the question was lost".to_owned()))
    }

    /// What a leg would cost. Nothing is charged or kept.
    ///
    /// # Errors
    /// As [`Host::settle`].
    pub async fn quote(&self, quote: Quote, directory: Arc<Directory>) -> Result<Charge, String> {
        let ask = self.rater((quote.brand, quote.company), directory).ok_or("no rater is bound")?;
        let heavy = self.0.apps.tiers().heavy(quote.brand);
        let task = self.0.apps.tiers().spawn(heavy.clone(), ask.quote(quote, heavy));
        task.await.unwrap_or_else(|_| Err("the question was lost".to_owned()))
    }

    fn rater(&self, (brand, company): (BrandId, CompanyId), directory: Arc<Directory>) -> Option<AskRater> {
        let bound = Arc::clone(self.0.generation.load().rater(brand, company)?);
        Some(AskRater { shared: Arc::clone(&self.0.shared), bound, directory })
    }

    /// Which tenants have bindings that the pure switch must know of.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        let generation = self.0.generation.load();
        let scopes = |point: Point| {
            let bound = generation.all.iter().filter(move |b| b.spec.point == point);
            bound.map(|b| (b.spec.scope.brand, b.spec.scope.company)).collect()
        };
        let raters = generation.all.iter().filter(|b| b.spec.point == Point::Rater);
        let mut rater = BTreeMap::new();
        for bound in raters {
            let scope = (bound.spec.scope.brand, bound.spec.scope.company);
            // Of several in one scope the first is asked, and its word counts.
            let first = generation.first_rater(bound.spec.scope).unwrap_or(bound);
            let open_s = first.config.get("open_s").and_then(serde_json::Value::as_u64);
            let open_s = open_s.and_then(|s| u32::try_from(s).ok()).filter(|s| (1..=GRANT_MAX_S).contains(s));
            rater.insert(scope, RaterPolicy { open_s });
        }
        let mut filters = Filters::default();
        for bound in &generation.all {
            if let Some(reach) = &bound.filter {
                let scope = (bound.spec.scope.brand, bound.spec.scope.company);
                filters.0.entry(scope).or_default().push(reach.clone());
            }
        }
        Hooks {
            router_io: scopes(Point::RouterIo),
            registration: scopes(Point::Registration),
            rater,
            sip_filter: filters,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Begins to record what a binding is asked and told; a recording of it that is there is forgotten.
    ///
    /// # Errors
    /// [`RecordRefusal`]: why nothing is recorded.
    pub fn record(&self, binding: BindingId, sample: Sample) -> Result<(), RecordRefusal> {
        let generation = self.0.generation.load();
        let bound = generation.all.iter().find(|bound| bound.spec.id == binding).ok_or(RecordRefusal::NotLive)?;
        self.0.shared.recorder.start(bound, sample)
    }

    /// How far a binding's recording has come.
    #[must_use]
    pub fn recording(&self, binding: BindingId) -> Option<RecordingState> {
        let generation = self.0.generation.load();
        let live = generation.all.iter().find(|bound| bound.spec.id == binding);
        self.0.shared.recorder.state(binding, live)
    }

    /// A binding's recording, as a file.
    #[must_use]
    pub fn recording_file(&self, binding: BindingId) -> Option<String> {
        self.0.shared.recorder.file(binding)
    }

    /// Ends a binding's recording, and forgets it. False where there is none.
    pub fn forget_recording(&self, binding: BindingId) -> bool {
        self.0.shared.recorder.forget(binding)
    }

    /// How a binding does now; `None` where it is not bound.
    #[must_use]
    pub fn state_of(&self, binding: BindingId) -> Option<BindingState> {
        let generation = self.0.generation.load();
        let bound = generation.all.iter().find(|bound| bound.spec.id == binding)?;
        let places = self.0.shared.places(bound.spec.point);
        let (instances, instances_max) = (places.of_binding(binding), places.bounds().binding);
        Some(BindingState { instances, instances_max, tripped: bound.breaker.rests(Instant::now()) })
    }

    /// The last log lines of a binding; `None` where it is not bound.
    #[must_use]
    pub fn log_of(&self, binding: BindingId) -> Option<Arc<GuestLog>> {
        let generation = self.0.generation.load();
        generation.all.iter().find(|bound| bound.spec.id == binding).map(|bound| Arc::clone(&bound.log))
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
