//! The routing chain: binding after binding, a fresh instance each, until one decides or time is over.

use crate::binding::{Bound, Generation};
use crate::bindings::router::strowger::types::types as wit;
use crate::convert;
use crate::guest::{self, Guest, Seat};
use crate::host::Shared;
use crate::rules::{self, Broken, Verdict};
use crate::tiers::Heavy;
use core::time::Duration;
use model::{Answer, CallInfo, Directory, HookReport, Question, QuestionKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::time::timeout_at;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

/// Why an invocation gave nothing that could be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// It trapped, or could not be instantiated.
    Trapped(String),
    /// It used up its CPU or the wall time. `own`: by its own doing, as far as can be told.
    Timeout { own: bool },
    /// It broke a rule.
    Invalid(String),
    /// The pool is full.
    Saturated,
    /// The breaker is open.
    Tripped,
}

impl Failure {
    /// As a report says it.
    pub(crate) fn words(&self) -> String {
        match self {
            Failure::Trapped(why) => format!("trap: {why}"),
            Failure::Timeout { .. } => "timeout".to_owned(),
            Failure::Invalid(rule) => format!("invalid: {rule}"),
            Failure::Saturated => "saturated".to_owned(),
            Failure::Tripped => "tripped".to_owned(),
        }
    }

    /// Whether it speaks against the plugin, or only of the machine's state.
    fn counts(&self) -> bool {
        matches!(self, Failure::Trapped(_) | Failure::Timeout { own: true } | Failure::Invalid(_))
    }
}

/// Counts an invocation and feeds the breaker.
pub(crate) fn settle(bound: &Bound, failure: Option<&Failure>) {
    let c = &bound.counters;
    let (began, kind) = match failure {
        None => (true, None),
        Some(Failure::Trapped(_)) => (true, Some(&c.traps)),
        Some(Failure::Timeout { .. }) => (true, Some(&c.timeouts)),
        Some(Failure::Invalid(_)) => (true, Some(&c.invalid)),
        Some(Failure::Saturated) => (false, Some(&c.saturated)),
        Some(Failure::Tripped) => (false, Some(&c.tripped)),
    };
    if let Some(kind) = kind {
        kind.fetch_add(1, Ordering::Relaxed);
    }
    if !began {
        return;
    }
    c.calls.fetch_add(1, Ordering::Relaxed);
    let spec = &bound.spec;
    if let Some(failure) = failure {
        let words = failure.words();
        tracing::info!(binding = %spec.name, plugin = %spec.plugin, brand = %spec.scope.brand, "plugin failed: {words}");
        if !failure.counts() {
            return;
        }
    }
    if bound.breaker.report(failure.is_some(), Instant::now()) {
        tracing::warn!(
            binding = %spec.name, plugin = %spec.plugin, brand = %spec.scope.brand,
            "a plugin keeps failing and rests; its calls get the default verdict: roll it back"
        );
    }
}

/// What one run through the chain works with.
pub(crate) struct Ask {
    pub(crate) shared: Arc<Shared>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) deadline: Instant,
}

impl Ask {
    /// Asks every binding of the chain in turn.
    pub(crate) async fn run(self, question: Question, heavy: Heavy) -> Answer {
        let Ask { shared, generation, directory, deadline } = self;
        let mut answer = Answer { decision: None, failed: false, attrs: Vec::new(), hooks: Vec::new() };
        let Question { mut call, kind, .. } = question;
        for bound in generation.chain(call.brand, call.company) {
            let began = Instant::now();
            let hook = Hook {
                shared: &shared,
                bound,
                call: &call,
                kind: &kind,
                directory: &directory,
                deadline,
                heavy: &heavy,
            };
            let said = if began < deadline { hook.invoke().await } else { Err(Failure::Timeout { own: false }) };
            let took = began.elapsed();
            settle(bound, said.as_ref().err());
            bound.counters.took(took);
            let (outcome, verdict) = match said {
                Ok(Said::Verdict(verdict)) => (word(&verdict).to_owned(), verdict),
                Ok(Said::Error(words)) => (format!("err: {words}"), Verdict::Next(Vec::new())),
                Err(failure) => {
                    answer.failed = true;
                    (failure.words(), Verdict::Next(Vec::new()))
                }
            };
            let (binding, plugin) = (bound.spec.name.clone(), bound.spec.plugin.clone());
            answer.hooks.push(HookReport { binding, plugin, outcome, took });
            match verdict {
                Verdict::Next(attrs) => {
                    call.attrs.extend(attrs.iter().cloned());
                    answer.attrs.extend(attrs);
                }
                Verdict::Decided(decision) => {
                    answer.decision = Some(decision);
                    break;
                }
            }
        }
        answer
    }
}

fn word(verdict: &Verdict) -> &'static str {
    use model::Decision;
    match verdict {
        Verdict::Next(_) => "next",
        Verdict::Decided(Decision::Connect(_)) => "connect",
        Verdict::Decided(Decision::Redirect(_)) => "redirect",
        Verdict::Decided(Decision::Refuse(_)) => "refuse",
        Verdict::Decided(Decision::App { .. }) => "app",
        Verdict::Decided(Decision::Reroute { .. }) => "reroute",
    }
}

/// What a hook said when it did not fail.
enum Said {
    Verdict(Verdict),
    /// A business error, in words.
    Error(String),
}

/// One invocation.
struct Hook<'a> {
    shared: &'a Shared,
    bound: &'a Arc<Bound>,
    call: &'a CallInfo,
    kind: &'a QuestionKind,
    directory: &'a Arc<Directory>,
    deadline: Instant,
    heavy: &'a Heavy,
}

impl Hook<'_> {
    async fn invoke(&self) -> Result<Said, Failure> {
        let shared = self.shared;
        if !self.bound.breaker.admits(Instant::now()) {
            return Err(Failure::Tripped);
        }
        let _slot = shared.hook_slots.take().ok_or(Failure::Saturated)?;
        let seat = Seat {
            bound: self.bound,
            directory: self.directory,
            call: self.call,
            script: None,
            cpu: shared.config.hook_cpu,
            heavy: self.heavy,
        };
        let mut store = guest::store(&shared.hooks, seat, &shared.config, &shared.ticker);
        let called = timeout_at(self.deadline.into(), self.run(&mut store)).await;
        let decision = match called {
            Ok(Ok(Ok(decision))) => decision,
            Ok(Ok(Err(error))) => return Ok(Said::Error(convert::error_word(&error))),
            Ok(Err(error)) => return Err(failure(&error, store.data())),
            Err(_) => return Err(Failure::Timeout { own: store.data().cpu_half_spent() }),
        };
        let verdict = rules::verdict(decision, &shared.config.limits, &self.bound.spec.name);
        verdict.map(Said::Verdict).map_err(|Broken(rule)| Failure::Invalid(rule))
    }

    async fn run(&self, store: &mut Store<Guest>) -> wasmtime::Result<Result<Decision, wit::Error>> {
        let pre = self.bound.spec.artifact.router.as_ref();
        let pre = pre.ok_or_else(|| wasmtime::Error::msg("the component has no router"))?;
        let plugin = pre.instantiate_async(&mut *store).await?;
        let router = plugin.strowger_routing_router();
        let call = convert::call(self.call);
        match self.kind {
            QuestionKind::Route => router.call_route(store, &call).await,
            QuestionKind::Exhausted(tried) => {
                let tried: Vec<_> = tried.iter().map(|(who, why)| (who.clone(), convert::cause(why))).collect();
                router.call_exhausted(store, &call, &tried).await
            }
        }
    }
}

type Decision = crate::bindings::router::exports::strowger::routing::router::Decision;

/// Names what the engine reports.
pub(crate) fn failure(error: &wasmtime::Error, guest: &Guest) -> Failure {
    if guest.cpu_spent() {
        return Failure::Timeout { own: true };
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Failure::Saturated;
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => Failure::Trapped(trap.to_string().trim_start_matches("wasm trap: ").to_owned()),
        None => Failure::Trapped(error.root_cause().to_string()),
    }
}

/// Nine tenths of the routing deadline: the answer must be back before the switch stops waiting.
pub(crate) fn chain_deadline(route_deadline: Duration) -> Duration {
    route_deadline * 9 / 10
}
