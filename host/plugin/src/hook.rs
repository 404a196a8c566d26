//! One invocation of an instance, fresh or warm, at any point but the call app: what is asked, and what comes back.

use crate::artifact::Linked;
use crate::binding::Bound;
use crate::bindings::event_sink::EventSinkPlugin;
use crate::bindings::event_sink::exports::strowger::hooks::event_sink;
use crate::bindings::feature::FeaturePlugin;
use crate::bindings::feature::exports::strowger::hooks::feature;
use crate::bindings::rater::RaterPlugin;
use crate::bindings::rater::exports::strowger::billing::rater;
use crate::bindings::registration::RegistrationPlugin;
use crate::bindings::registration::exports::strowger::hooks::registration;
use crate::bindings::router::RouterIoPlugin;
use crate::bindings::router::exports::strowger::routing::router;
use crate::bindings::router::strowger::types::types as wit;
use crate::bindings::sip_filter::SipFilterPlugin;
use crate::bindings::sip_filter::exports::strowger::hooks::sip_filter;
use crate::capability::Purse;
use crate::chain::{Failure, failure};
use crate::convert;
use crate::guest::{self, Guest, Seat};
use crate::host::Shared;
use crate::rater as rating;
use crate::recorder::Outcome;
use crate::shares::Slot;
use crate::tape::Tape;
use crate::tiers::Heavy;
use crate::warm::{Gone, Kept};
use crate::{Point, Reuse};
use core::time::Duration;
use model::{BrandId, CallId, CallInfo, CauseInfo, CompanyId, Directory, FilterMessage, Rated, RegisterAttempt, Usage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use tokio::time::error::Elapsed;
use tokio::time::timeout_at;
use wasmtime::{Engine, Store};

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a> {
    Route(&'a CallInfo),
    Exhausted(&'a CallInfo, &'a [(String, CauseInfo)]),
    Feature { call: &'a CallInfo, code: &'a str, digits: &'a str },
    Register { attempt: &'a RegisterAttempt, attrs: &'a [model::Attr] },
    Deliver(&'a [event_sink::Item]),
    Filter(&'a FilterMessage),
    Authorize { call: &'a CallInfo, rated: &'a Rated },
    Extend { call: &'a CallInfo, rated: &'a Rated, used_ms: u64, granted_s: u32 },
    Release(&'a Rated),
    Settle(&'a Usage, &'a str),
    Quote(&'a crate::Quote),
}

/// The same in the guest's own words; a recording keeps it so.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Put {
    Route(wit::CallInfo),
    Exhausted(wit::CallInfo, Vec<(String, wit::Cause)>),
    Feature(wit::CallInfo, String, String),
    Register(registration::Attempt),
    Deliver(Vec<event_sink::Item>),
    Filter(sip_filter::Message),
    Authorize(wit::CallInfo, rater::Target),
    Extend(wit::CallInfo, rater::Target, u64, u32),
    Release(rater::Target),
    Settle(rater::Usage),
    Quote {
        number: String,
        trunk: Option<String>,
        at_ms: u64,
        billed_ms: u64,
    },
    /// The call of an app.
    App {
        call: CallInfo,
        args: model::AppArgs,
    },
}

impl Put {
    /// One word for a report.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Put::Route(_) => "route",
            Put::Exhausted(..) => "exhausted",
            Put::Feature(..) => "feature",
            Put::Register(_) => "register",
            Put::Deliver(_) => "deliver",
            Put::Filter(_) => "filter",
            Put::Authorize(..) => "authorize",
            Put::Extend(..) => "extend",
            Put::Release(_) => "release",
            Put::Settle(_) => "settle",
            Put::Quote { .. } => "quote",
            Put::App { .. } => "app",
        }
    }
}

/// What was answered; nothing of it is checked yet.
#[derive(Serialize)]
pub(crate) enum Said {
    Decision(router::Decision),
    Action(feature::Action),
    Verdict(registration::Verdict),
    Taken(u32),
    Filtered(sip_filter::Verdict),
    Rate(rater::Verdict),
    Released,
    Charge(rater::Charge),
}

/// Who is asked, for whom, and with how much time.
pub(crate) struct Invocation<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) bound: &'a Arc<Bound>,
    pub(crate) directory: &'a Arc<Directory>,
    pub(crate) brand: BrandId,
    pub(crate) company: CompanyId,
    pub(crate) call: Option<CallId>,
    pub(crate) deadline: Instant,
    pub(crate) cpu: Duration,
    pub(crate) heavy: &'a Heavy,
}

/// What came of a question, checked; the failure is not the plugin's word.
pub(crate) struct Heard<T> {
    pub(crate) said: Result<T, Failure>,
    /// Whether an instance that had answered before was asked.
    pub(crate) warm: bool,
}

/// Counts an instance whose question was given up: its future was dropped, and it with it.
struct GivenUp<'a>(Option<&'a Bound>);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some(bound) = self.0 {
            bound.warm.gone(Gone::Cancelled);
        }
    }
}

impl Invocation<'_> {
    /// Asks, and has the answer checked; an inner error of what is checked is a business outcome, in words.
    pub(crate) async fn ask<T>(
        &self,
        asked: Asked<'_>,
        check: impl FnOnce(Result<Said, String>) -> Result<T, Failure>,
    ) -> Heard<T> {
        match self.place() {
            Ok((engine, _slot)) => self.ask_at(engine, asked, check).await,
            Err(failure) => Heard { said: Err(failure), warm: false },
        }
    }

    /// A place in the pool, or why nobody is asked.
    fn place(&self) -> Result<(&Engine, Slot), Failure> {
        let (shared, now) = (self.shared, Instant::now());
        if now >= self.deadline {
            return Err(Failure::Timeout { own: false });
        }
        // What may wait does not take the places of what may not.
        let waits = matches!(self.bound.spec.point, Point::RouterIo | Point::EventSink | Point::Rater);
        let engine = if waits { &shared.apps } else { &shared.hooks };
        // Before the breaker: a probe that it admits is asked, not lost for want of a place.
        let slot = shared.place(self.bound)?;
        if !self.bound.breaker.admits(now) {
            return Err(Failure::Tripped);
        }
        Ok((engine, slot))
    }

    async fn ask_at<T>(
        &self,
        engine: &Engine,
        asked: Asked<'_>,
        check: impl FnOnce(Result<Said, String>) -> Result<T, Failure>,
    ) -> Heard<T> {
        let shared = self.shared;
        let put = asked.put();
        let mut kept = self.seated(engine, asked.purse());
        let warm = kept.questions > 0;
        let is_kept = self.bound.spec.reuse == Reuse::Warm;
        let mut given_up = GivenUp(is_kept.then_some(self.bound.as_ref()));
        let entered = timeout_at(self.deadline.into(), kept.enter(&self.bound.linked, &put)).await;
        given_up.0 = None;
        guest::count_fuel(&kept.store, &shared.config);
        self.keep(&mut kept.store, put, &entered);
        let said = match entered {
            Ok(Ok(Ok(said))) => Ok(Ok(said)),
            Ok(Ok(Err(error))) => Ok(Err(self.bound.powers.hushed(&convert::error_word(&error)).into_owned())),
            Ok(Err(error)) => Err(failure(&error, kept.store.data())),
            Err(_) => Err(Failure::Timeout { own: kept.store.data().cpu_half_spent() }),
        };
        let said = said.and_then(check);
        if is_kept {
            self.rest(kept, said.as_ref().err());
        }
        Heard { said, warm }
    }

    /// An instance that waits for this binding's questions, or the store of a fresh one.
    fn seated(&self, engine: &Engine, purse: Purse) -> Box<Kept> {
        let shared = self.shared;
        let seat = Seat {
            bound: self.bound,
            directory: self.directory,
            brand: self.brand,
            company: self.company,
            call: self.call,
            script: None,
            purse,
            cpu: self.cpu,
            heavy: self.heavy,
            tape: shared.recorder.begin(self.bound, self.call),
        };
        if self.bound.spec.reuse == Reuse::Warm {
            // What is recorded must come out again without whatever an instance remembers.
            let recorded = matches!(seat.tape, Tape::Recording(_));
            if let Some(mut kept) = (!recorded).then(|| shared.warm.take(self.bound)).flatten() {
                guest::seat_again(&mut kept.store, seat, &shared.config);
                self.bound.warm.hit();
                return kept;
            }
            self.bound.warm.made();
        }
        let store = guest::store(engine, seat, &shared.config, &shared.ticker);
        Box::new(Kept { instance: None, store, questions: 0 })
    }

    /// Lets an instance wait for the next question, unless something went wrong in it.
    fn rest(&self, mut kept: Box<Kept>, failure: Option<&Failure>) {
        let counters = &self.bound.warm;
        kept.questions = kept.questions.saturating_add(1);
        let gone = match failure {
            Some(Failure::Timeout { .. }) => Some(Gone::Timeout),
            Some(Failure::Invalid(_)) => Some(Gone::Invalid),
            Some(Failure::Trapped(_)) => Some(Gone::Trap),
            // There was no room to make it.
            Some(Failure::Saturated | Failure::Tripped) => Some(Gone::Full),
            None if kept.store.data().over_quota() => Some(Gone::Quota),
            None if kept.questions >= self.shared.limits.warm_questions_max => Some(Gone::Questions),
            // A guest that leaks goes before a question meets the limit, where it would trap.
            None if kept.store.data().bytes() > self.shared.config.memory_bytes_max / 4 * 3 => Some(Gone::Memory),
            None => None,
        };
        if let Some(why) = gone {
            return counters.gone(why);
        }
        kept.store.data_mut().rest(&self.shared.nothing_known);
        self.shared.warm.keep(self.bound, kept);
    }

    /// Keeps what was recorded.
    fn keep(&self, store: &mut Store<Guest>, put: Put, entered: &Result<wasmtime::Result<Entered>, Elapsed>) {
        let Tape::Recording(take) = core::mem::take(&mut store.data_mut().tape) else { return };
        let outcome = match entered {
            Ok(Ok(said)) => Some(outcome(said)),
            Ok(Err(error)) => trapped(failure(error, store.data())),
            Err(_) => None,
        };
        self.shared.recorder.finish(self.bound, take, (self.call, put), outcome);
    }
}

/// As a recording keeps a trap; what ran out of time it does not keep, for time is not in it.
pub(crate) fn trapped(failure: Failure) -> Option<Outcome> {
    match failure {
        Failure::Trapped(why) => Some(Outcome::Trapped(why)),
        Failure::Timeout { .. } | Failure::Invalid(_) | Failure::Saturated | Failure::Tripped => None,
    }
}

/// What a guest says when it is let speak.
pub(crate) type Entered = Result<Said, wit::Error>;

/// As a recording keeps it.
pub(crate) fn outcome(entered: &Entered) -> Outcome {
    match entered {
        Ok(said) => Outcome::Said(serde_json::to_value(said).unwrap_or_default()),
        Err(error) => Outcome::Err(serde_json::to_value(error).unwrap_or_default()),
    }
}

impl Asked<'_> {
    fn put(&self) -> Put {
        match *self {
            Asked::Route(call) => Put::Route(convert::call(call)),
            Asked::Exhausted(call, tried) => {
                let tried = tried.iter().map(|(who, why)| (who.clone(), convert::cause(why))).collect();
                Put::Exhausted(convert::call(call), tried)
            }
            Asked::Feature { call, code, digits } => {
                Put::Feature(convert::call(call), code.to_owned(), digits.to_owned())
            }
            Asked::Register { attempt, attrs } => Put::Register(convert::attempt(attempt, attrs)),
            Asked::Deliver(batch) => Put::Deliver(batch.to_vec()),
            Asked::Filter(message) => Put::Filter(convert::message(message)),
            Asked::Authorize { call, rated } => Put::Authorize(convert::call(call), rating::target(rated)),
            Asked::Extend { call, rated, used_ms, granted_s } => {
                Put::Extend(convert::call(call), rating::target(rated), used_ms, granted_s)
            }
            Asked::Release(rated) => Put::Release(rating::target(rated)),
            Asked::Settle(used, company) => Put::Settle(rating::usage(used, company)),
            Asked::Quote(quote) => Put::Quote {
                number: quote.number.clone(),
                trunk: quote.trunk.clone(),
                at_ms: quote.at_ms,
                billed_ms: quote.billed_ms,
            },
        }
    }

    /// What is asked says what may be done with money.
    fn purse(&self) -> Purse {
        match self {
            Asked::Route(_)
            | Asked::Exhausted(..)
            | Asked::Feature { .. }
            | Asked::Register { .. }
            | Asked::Deliver(_)
            | Asked::Filter(_) => Purse::None,
            Asked::Authorize { .. } | Asked::Extend { .. } | Asked::Release(_) | Asked::Settle(..) => Purse::Write,
            Asked::Quote(_) => Purse::Read,
        }
    }
}

/// A component's instance at one of its points.
pub(crate) enum Instance {
    Router(RouterIoPlugin),
    Feature(FeaturePlugin),
    Registration(RegistrationPlugin),
    EventSink(EventSinkPlugin),
    SipFilter(SipFilterPlugin),
    Rater(RaterPlugin),
}

/// Asks a rater.
async fn rate(plugin: &RaterPlugin, store: &mut Store<Guest>, put: &Put) -> wasmtime::Result<Entered> {
    let rater = plugin.strowger_billing_rater();
    match put {
        Put::Authorize(call, target) => Ok(rater.call_authorize(store, call, target).await?.map(Said::Rate)),
        Put::Extend(call, target, used_ms, granted_s) => {
            Ok(rater.call_extend(store, call, target, *used_ms, *granted_s).await?.map(Said::Rate))
        }
        Put::Release(target) => Ok(rater.call_release(store, target).await?.map(|()| Said::Released)),
        Put::Settle(used) => Ok(rater.call_settle(store, used).await?.map(Said::Charge)),
        Put::Quote { number, trunk, at_ms, billed_ms } => {
            let said = rater.call_quote(store, number, trunk.as_deref(), *at_ms, *billed_ms).await?;
            Ok(said.map(Said::Charge))
        }
        Put::Route(_)
        | Put::Exhausted(..)
        | Put::Feature(..)
        | Put::Register(_)
        | Put::Deliver(_)
        | Put::Filter(_)
        | Put::App { .. } => Err(elsewhere()),
    }
}

fn elsewhere() -> wasmtime::Error {
    wasmtime::Error::msg("asked at a point it is not bound to")
}

/// Makes an instance in a store of its own.
async fn make(linked: &Linked, store: &mut Store<Guest>) -> wasmtime::Result<Instance> {
    Ok(match linked {
        Linked::Router(pre) => Instance::Router(pre.instantiate_async(store).await?),
        Linked::Feature(pre) => Instance::Feature(pre.instantiate_async(store).await?),
        Linked::Registration(pre) => Instance::Registration(pre.instantiate_async(store).await?),
        Linked::EventSink(pre) => Instance::EventSink(pre.instantiate_async(store).await?),
        Linked::SipFilter(pre) => Instance::SipFilter(pre.instantiate_async(store).await?),
        Linked::Rater(pre) => Instance::Rater(pre.instantiate_async(store).await?),
        Linked::App(_) => return Err(elsewhere()),
    })
}

impl Instance {
    /// Asks.
    async fn ask(&self, store: &mut Store<Guest>, put: &Put) -> wasmtime::Result<Entered> {
        match (self, put) {
            (Instance::Router(plugin), Put::Route(call)) => {
                Ok(plugin.strowger_routing_router().call_route(store, call).await?.map(Said::Decision))
            }
            (Instance::Router(plugin), Put::Exhausted(call, tried)) => {
                Ok(plugin.strowger_routing_router().call_exhausted(store, call, tried).await?.map(Said::Decision))
            }
            (Instance::Feature(plugin), Put::Feature(call, code, digits)) => {
                Ok(plugin.strowger_hooks_feature().call_invoke(store, call, code, digits).await?.map(Said::Action))
            }
            (Instance::Registration(plugin), Put::Register(attempt)) => {
                Ok(plugin.strowger_hooks_registration().call_register(store, attempt).await?.map(Said::Verdict))
            }
            (Instance::EventSink(plugin), Put::Deliver(batch)) => {
                Ok(plugin.strowger_hooks_event_sink().call_deliver(store, batch).await?.map(Said::Taken))
            }
            (Instance::SipFilter(plugin), Put::Filter(message)) => {
                Ok(plugin.strowger_hooks_sip_filter().call_filter(store, message).await?.map(Said::Filtered))
            }
            (Instance::Rater(plugin), put) => rate(plugin, store, put).await,
            (
                Instance::Router(_)
                | Instance::Feature(_)
                | Instance::Registration(_)
                | Instance::EventSink(_)
                | Instance::SipFilter(_),
                _,
            ) => Err(elsewhere()),
        }
    }
}

impl Kept {
    /// Asks the instance, which is made if it is not there yet.
    async fn enter(&mut self, linked: &Linked, put: &Put) -> wasmtime::Result<Entered> {
        let instance = match &mut self.instance {
            Some(instance) => instance,
            none => none.insert(make(linked, &mut self.store).await?),
        };
        instance.ask(&mut self.store, put).await
    }
}

/// Makes an instance and asks it.
pub(crate) async fn enter(linked: &Linked, store: &mut Store<Guest>, put: &Put) -> wasmtime::Result<Entered> {
    make(linked, store).await?.ask(store, put).await
}
