//! One invocation of a fresh instance at any point but the call app: what is asked, and what comes back.

use crate::Point;
use crate::artifact::Linked;
use crate::binding::Bound;
use crate::bindings::event_sink::exports::strowger::hooks::event_sink;
use crate::bindings::feature::exports::strowger::hooks::feature;
use crate::bindings::rater::RaterPluginPre;
use crate::bindings::rater::exports::strowger::billing::rater;
use crate::bindings::registration::exports::strowger::hooks::registration;
use crate::bindings::router::exports::strowger::routing::router;
use crate::bindings::router::strowger::types::types as wit;
use crate::bindings::sip_filter::exports::strowger::hooks::sip_filter;
use crate::capability::Purse;
use crate::chain::{Failure, failure};
use crate::convert;
use crate::guest::{self, Guest, Seat};
use crate::host::Shared;
use crate::rater as rating;
use crate::recorder::Outcome;
use crate::tape::Tape;
use crate::tiers::Heavy;
use core::time::Duration;
use model::{BrandId, CallId, CallInfo, CauseInfo, CompanyId, Directory, FilterMessage, Rated, RegisterAttempt, Usage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use tokio::time::error::Elapsed;
use tokio::time::timeout_at;
use wasmtime::Store;

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

impl Invocation<'_> {
    /// Asks. The inner error is a business outcome, in words.
    pub(crate) async fn ask(&self, asked: Asked<'_>) -> Result<Result<Said, String>, Failure> {
        let (shared, now) = (self.shared, Instant::now());
        if now >= self.deadline {
            return Err(Failure::Timeout { own: false });
        }
        if !self.bound.breaker.admits(now) {
            return Err(Failure::Tripped);
        }
        // What may wait does not take the places of what may not.
        let waits = matches!(self.bound.spec.point, Point::RouterIo | Point::EventSink | Point::Rater);
        let (engine, slots) =
            if waits { (&shared.apps, &shared.app_slots) } else { (&shared.hooks, &shared.hook_slots) };
        let _slot = slots.take().ok_or(Failure::Saturated)?;
        let put = asked.put();
        let seat = Seat {
            bound: self.bound,
            directory: self.directory,
            brand: self.brand,
            company: self.company,
            call: self.call,
            script: None,
            purse: asked.purse(),
            cpu: self.cpu,
            heavy: self.heavy,
            tape: shared.recorder.begin(self.bound, self.call),
        };
        let mut store = guest::store(engine, seat, &shared.config, &shared.ticker);
        let entered = timeout_at(self.deadline.into(), enter(&self.bound.linked, &mut store, &put)).await;
        guest::count_fuel(&store, &shared.config);
        self.keep(&mut store, put, &entered);
        match entered {
            Ok(Ok(Ok(said))) => Ok(Ok(said)),
            Ok(Ok(Err(error))) => Ok(Err(self.bound.powers.hushed(&convert::error_word(&error)).into_owned())),
            Ok(Err(error)) => Err(failure(&error, store.data())),
            Err(_) => Err(Failure::Timeout { own: store.data().cpu_half_spent() }),
        }
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

/// Instantiates a rater and calls it.
async fn rate(pre: &RaterPluginPre<Guest>, store: &mut Store<Guest>, put: &Put) -> wasmtime::Result<Entered> {
    let plugin = pre.instantiate_async(&mut *store).await?;
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

/// Instantiates and calls.
pub(crate) async fn enter(linked: &Linked, store: &mut Store<Guest>, put: &Put) -> wasmtime::Result<Entered> {
    match (linked, put) {
        (Linked::Router(pre), Put::Route(call)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            Ok(plugin.strowger_routing_router().call_route(store, call).await?.map(Said::Decision))
        }
        (Linked::Router(pre), Put::Exhausted(call, tried)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            Ok(plugin.strowger_routing_router().call_exhausted(store, call, tried).await?.map(Said::Decision))
        }
        (Linked::Feature(pre), Put::Feature(call, code, digits)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            Ok(plugin.strowger_hooks_feature().call_invoke(store, call, code, digits).await?.map(Said::Action))
        }
        (Linked::Registration(pre), Put::Register(attempt)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            Ok(plugin.strowger_hooks_registration().call_register(store, attempt).await?.map(Said::Verdict))
        }
        (Linked::EventSink(pre), Put::Deliver(batch)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            Ok(plugin.strowger_hooks_event_sink().call_deliver(store, batch).await?.map(Said::Taken))
        }
        (Linked::SipFilter(pre), Put::Filter(message)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            Ok(plugin.strowger_hooks_sip_filter().call_filter(store, message).await?.map(Said::Filtered))
        }
        (Linked::Rater(pre), put) => rate(pre, store, put).await,
        (
            Linked::Router(_)
            | Linked::Feature(_)
            | Linked::Registration(_)
            | Linked::EventSink(_)
            | Linked::SipFilter(_)
            | Linked::App(_),
            Put::Route(_)
            | Put::Exhausted(..)
            | Put::Feature(..)
            | Put::Register(_)
            | Put::Deliver(_)
            | Put::Filter(_)
            | Put::Authorize(..)
            | Put::Extend(..)
            | Put::Release(_)
            | Put::Settle(_)
            | Put::Quote { .. }
            | Put::App { .. },
        ) => Err(elsewhere()),
    }
}
