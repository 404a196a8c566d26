//! The routing chain: binding after binding, an instance of its own each, until one decides or time is over.

use crate::NoticeKind;
use crate::binding::{Bound, Generation};
use crate::guest::Guest;
use crate::hook::{Asked, Heard, Invocation, Said};
use crate::host::Shared;
use crate::rules::{self, Broken, Verdict};
use crate::tiers::Heavy;
use crate::trial::Trial;
use core::time::Duration;
use model::{Answer, CallInfo, Directory, HookReport, Limits, Question, QuestionKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use wasmtime::{PoolConcurrencyLimitError, Trap};

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
    /// It answered a question that was not asked.
    pub(crate) fn another_point() -> Failure {
        Failure::Invalid("an answer of another point".to_owned())
    }

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
        bound.notify(&spec.plugin, NoticeKind::Tripped);
    }
}

/// What one run through the chain works with.
pub(crate) struct Ask {
    pub(crate) shared: Arc<Shared>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) deadline: Instant,
}

/// What one hook of the chain said, when it did not fail.
enum Opinion {
    Verdict(Verdict),
    /// A business error, in words.
    Error(String),
}

impl Ask {
    /// Asks the feature whose code was dialled, then every router of the chain in turn. Gives what shadows are to be
    /// asked afterwards, too.
    pub(crate) async fn run(self, question: Question, heavy: Heavy) -> (Answer, Vec<Shadow>) {
        let mut answer = Answer { decision: None, failed: false, attrs: Vec::new(), hooks: Vec::new() };
        let mut shadows = Vec::new();
        let Question { mut call, kind, .. } = question;
        let generation = Arc::clone(&self.generation);
        let whom = generation.whom_of(&call, &self.directory);
        if kind == QuestionKind::Route
            && let Some((bound, code)) = generation.feature(whom, &call.callee.user)
        {
            let digits = call.callee.user.get(code.len()..).unwrap_or_default();
            let asked = Asked::Feature { call: &call, code, digits };
            let verdict = self.hook(bound, &call, asked, &heavy, &mut answer).await;
            if let Verdict::Decided(decision) = verdict {
                answer.decision = Some(decision);
                return (answer, shadows);
            }
        }
        for bound in generation.chain(whom) {
            let asked = match &kind {
                QuestionKind::Route => Asked::Route(&call),
                QuestionKind::Exhausted(tried) => Asked::Exhausted(&call, tried),
            };
            let verdict = self.hook(bound, &call, asked, &heavy, &mut answer).await;
            if bound.trial.as_ref().is_some_and(Trial::is_shadow) {
                shadows.push(self.shadow(bound, &call, &kind, &verdict));
            }
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
        (answer, shadows)
    }

    fn shadow(&self, bound: &Arc<Bound>, call: &CallInfo, kind: &QuestionKind, served: &Verdict) -> Shadow {
        Shadow {
            shared: Arc::clone(&self.shared),
            directory: Arc::clone(&self.directory),
            bound: Arc::clone(bound),
            call: call.clone(),
            kind: kind.clone(),
            served: shown(served),
        }
    }

    /// Asks one binding, or the canary beside it. A canary that fails harms no call: the other is asked after it.
    async fn hook(
        &self,
        bound: &Arc<Bound>,
        call: &CallInfo,
        asked: Asked<'_>,
        heavy: &Heavy,
        answer: &mut Answer,
    ) -> Verdict {
        if let Some(trial) = bound.trial.as_ref().filter(|trial| trial.takes(call.call)) {
            let failed_before = answer.failed;
            let verdict = self.one(&trial.bound, call, asked, heavy, answer).await;
            if trial.judge(bound) {
                self.shared.warm.retire(&trial.bound);
            }
            if answer.failed == failed_before {
                return verdict;
            }
            answer.failed = failed_before;
        }
        self.one(bound, call, asked, heavy, answer).await
    }

    /// Asks, counts, and notes how it went. A failure counts as no opinion.
    async fn one(
        &self,
        bound: &Arc<Bound>,
        call: &CallInfo,
        asked: Asked<'_>,
        heavy: &Heavy,
        answer: &mut Answer,
    ) -> Verdict {
        let began = Instant::now();
        let invocation = Invocation {
            shared: &self.shared,
            bound,
            directory: &self.directory,
            brand: call.brand,
            company: call.company,
            call: Some(call.call),
            deadline: self.deadline,
            cpu: self.shared.config.hook_cpu,
            heavy,
        };
        let check = |said| checked(said, &self.shared.limits, &bound.spec.name);
        let Heard { said, warm } = invocation.ask(asked, check).await;
        let took = began.elapsed();
        settle(bound, said.as_ref().err());
        bound.counters.took(took);
        let (outcome, verdict) = match said {
            Ok(Opinion::Verdict(verdict)) => (word(&verdict).to_owned(), verdict),
            Ok(Opinion::Error(words)) => (format!("err: {words}"), Verdict::Next(Vec::new())),
            Err(failure) => {
                answer.failed = true;
                (failure.words(), Verdict::Next(Vec::new()))
            }
        };
        let (binding, plugin) = (bound.spec.name.clone(), bound.spec.plugin.clone());
        answer.hooks.push(HookReport { binding, plugin, outcome, took, warm });
        verdict
    }
}

/// A question for a version that is only looked at.
pub(crate) struct Shadow {
    shared: Arc<Shared>,
    directory: Arc<Directory>,
    bound: Arc<Bound>,
    call: CallInfo,
    kind: QuestionKind,
    served: String,
}

impl Shadow {
    /// Whose call it is.
    pub(crate) fn brand(&self) -> model::BrandId {
        self.call.brand
    }

    /// Asks it what another has answered already, and compares.
    pub(crate) async fn run(self, heavy: Heavy) {
        let Some(trial) = &self.bound.trial else { return };
        let (shared, bound) = (&self.shared, &trial.bound);
        let began = Instant::now();
        let invocation = Invocation {
            shared,
            bound,
            directory: &self.directory,
            brand: self.call.brand,
            company: self.call.company,
            call: Some(self.call.call),
            deadline: began + shared.limits.route_io_deadline(),
            cpu: shared.config.hook_cpu,
            heavy: &heavy,
        };
        let asked = match &self.kind {
            QuestionKind::Route => Asked::Route(&self.call),
            QuestionKind::Exhausted(tried) => Asked::Exhausted(&self.call, tried),
        };
        // Under the serving binding's name, so that attributes are compared by what they say.
        let name = &self.bound.spec.name;
        let said = invocation.ask(asked, |said| checked(said, &shared.limits, name)).await.said;
        settle(bound, said.as_ref().err());
        bound.counters.took(began.elapsed());
        let said = match said {
            Ok(Opinion::Verdict(verdict)) => shown(&verdict),
            Ok(Opinion::Error(words)) => format!("err: {words}"),
            // Nobody was asked.
            Err(Failure::Saturated | Failure::Tripped) => return,
            Err(failure) => failure.words(),
        };
        trial.compare(self.call.call, &self.served, &said);
    }
}

/// A verdict in words that are the same for the same verdict.
fn shown(verdict: &Verdict) -> String {
    let text = format!("{verdict:?}");
    text.chars().take(500).collect()
}

/// Checks an answer: the host never trusts one.
fn checked(said: Result<Said, String>, limits: &Limits, binding: &str) -> Result<Opinion, Failure> {
    let invalid = |Broken(rule)| Failure::Invalid(rule);
    let said = match said {
        Ok(said) => said,
        Err(words) => return Ok(Opinion::Error(words)),
    };
    if let Said::Action(action) = said {
        let decided = rules::action(action).map_err(invalid)?;
        return Ok(Opinion::Verdict(decided.map_or_else(|| Verdict::Next(Vec::new()), Verdict::Decided)));
    }
    let Said::Decision(decision) = said else { return Err(Failure::another_point()) };
    rules::verdict(decision, limits, binding).map(Opinion::Verdict).map_err(invalid)
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
