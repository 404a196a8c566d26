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
use crate::capability::Purse;
use crate::chain::{Failure, failure};
use crate::convert;
use crate::guest::{self, Guest, Seat};
use crate::host::Shared;
use crate::rater as rating;
use crate::tiers::Heavy;
use core::time::Duration;
use model::{BrandId, CallId, CallInfo, CauseInfo, CompanyId, Directory, Rated, RegisterAttempt, Usage};
use std::sync::Arc;
use std::time::Instant;
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
    Authorize { call: &'a CallInfo, rated: &'a Rated },
    Extend { call: &'a CallInfo, rated: &'a Rated, used_ms: u64, granted_s: u32 },
    Release(&'a Rated),
    Settle(&'a Usage, &'a str),
    Quote(&'a crate::Quote),
}

/// What was answered; nothing of it is checked yet.
pub(crate) enum Said {
    Decision(router::Decision),
    Action(feature::Action),
    Verdict(registration::Verdict),
    Taken(u32),
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
        };
        let mut store = guest::store(engine, seat, &shared.config, &shared.ticker);
        let entered = timeout_at(self.deadline.into(), enter(&self.bound.linked, &mut store, asked)).await;
        guest::count_fuel(&store, &shared.config);
        match entered {
            Ok(Ok(Ok(said))) => Ok(Ok(said)),
            Ok(Ok(Err(error))) => Ok(Err(self.bound.powers.hushed(&convert::error_word(&error)).into_owned())),
            Ok(Err(error)) => Err(failure(&error, store.data())),
            Err(_) => Err(Failure::Timeout { own: store.data().cpu_half_spent() }),
        }
    }
}

impl Asked<'_> {
    /// What is asked says what may be done with money.
    fn purse(&self) -> Purse {
        match self {
            Asked::Route(_)
            | Asked::Exhausted(..)
            | Asked::Feature { .. }
            | Asked::Register { .. }
            | Asked::Deliver(_) => Purse::None,
            Asked::Authorize { .. } | Asked::Extend { .. } | Asked::Release(_) | Asked::Settle(..) => Purse::Write,
            Asked::Quote(_) => Purse::Read,
        }
    }
}

/// Instantiates a rater and calls it.
async fn rate(
    pre: &RaterPluginPre<Guest>,
    store: &mut Store<Guest>,
    asked: Asked<'_>,
) -> wasmtime::Result<Result<Said, wit::Error>> {
    let plugin = pre.instantiate_async(&mut *store).await?;
    let rater = plugin.strowger_billing_rater();
    match asked {
        Asked::Authorize { call, rated } => {
            let said = rater.call_authorize(store, &convert::call(call), &rating::target(rated)).await?;
            Ok(said.map(Said::Rate))
        }
        Asked::Extend { call, rated, used_ms, granted_s } => {
            let (call, target) = (convert::call(call), rating::target(rated));
            let said = rater.call_extend(store, &call, &target, used_ms, granted_s).await?;
            Ok(said.map(Said::Rate))
        }
        Asked::Release(rated) => {
            let said = rater.call_release(store, &rating::target(rated)).await?;
            Ok(said.map(|()| Said::Released))
        }
        Asked::Settle(used, company) => {
            let said = rater.call_settle(store, &rating::usage(used, company)).await?;
            Ok(said.map(Said::Charge))
        }
        Asked::Quote(quote) => {
            let trunk = quote.trunk.as_deref();
            let said = rater.call_quote(store, &quote.number, trunk, quote.at_ms, quote.billed_ms).await?;
            Ok(said.map(Said::Charge))
        }
        Asked::Route(_) | Asked::Exhausted(..) | Asked::Feature { .. } | Asked::Register { .. } | Asked::Deliver(_) => {
            Err(elsewhere())
        }
    }
}

fn elsewhere() -> wasmtime::Error {
    wasmtime::Error::msg("asked at a point it is not bound to")
}

/// Instantiates and calls.
async fn enter(
    linked: &Linked,
    store: &mut Store<Guest>,
    asked: Asked<'_>,
) -> wasmtime::Result<Result<Said, wit::Error>> {
    match (linked, asked) {
        (Linked::Router(pre), Asked::Route(call)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            let said = plugin.strowger_routing_router().call_route(store, &convert::call(call)).await?;
            Ok(said.map(Said::Decision))
        }
        (Linked::Router(pre), Asked::Exhausted(call, tried)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            let tried: Vec<_> = tried.iter().map(|(who, why)| (who.clone(), convert::cause(why))).collect();
            let said = plugin.strowger_routing_router().call_exhausted(store, &convert::call(call), &tried).await?;
            Ok(said.map(Said::Decision))
        }
        (Linked::Feature(pre), Asked::Feature { call, code, digits }) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            let said = plugin.strowger_hooks_feature().call_invoke(store, &convert::call(call), code, digits).await?;
            Ok(said.map(Said::Action))
        }
        (Linked::Registration(pre), Asked::Register { attempt, attrs }) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            let attempt = convert::attempt(attempt, attrs);
            let said = plugin.strowger_hooks_registration().call_register(store, &attempt).await?;
            Ok(said.map(Said::Verdict))
        }
        (Linked::EventSink(pre), Asked::Deliver(batch)) => {
            let plugin = pre.instantiate_async(&mut *store).await?;
            let said = plugin.strowger_hooks_event_sink().call_deliver(store, batch).await?;
            Ok(said.map(Said::Taken))
        }
        (Linked::Rater(pre), asked) => rate(pre, store, asked).await,
        (
            Linked::Router(_) | Linked::Feature(_) | Linked::Registration(_) | Linked::EventSink(_) | Linked::App(_),
            Asked::Route(_)
            | Asked::Exhausted(..)
            | Asked::Feature { .. }
            | Asked::Register { .. }
            | Asked::Deliver(_)
            | Asked::Authorize { .. }
            | Asked::Extend { .. }
            | Asked::Release(_)
            | Asked::Settle(..)
            | Asked::Quote(_),
        ) => Err(elsewhere()),
    }
}
