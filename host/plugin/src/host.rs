//! The one type the shell talks to.

use crate::artifact::Press;
use crate::binding::{Bound, Generation};
use crate::chain::{self, Ask, Failure, chain_deadline};
use crate::compiler::{CodeShape, EngineKind};
use crate::control::Line;
use crate::engine::{self, Lane, LaneShape};
use crate::fork::Forks;
use crate::mailbox::Mailboxes;
use crate::recorder::Recorder;
use crate::script::{self, Start};
use crate::shares::{Bounds, Places, Pool, Slot};
use crate::ticker::Ticker;
use crate::warm::Warm;
use crate::{
    Artifact, ArtifactError, BindError, BindingSpec, Digest, HostConfig, HostError, HostMetrics, Point, Scope,
};
use arc_swap::ArcSwap;
use model::{
    Answer, AppError, AppFailure, AppId, AppOutcome, AppReply, AppStart, AppVerb, BrandId, Directory, ForkId, ForkIn,
    ForkOut, HookReport, Limits, Question, Recourse, RequestId,
};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;
use wasmtime::Engine;

/// So many digests of a binding stay compiled, so that a roll-back is a swap.
const KEPT: usize = 3;

/// What a running call app tells the shell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AppMessage {
    /// It asks for a verb and waits for [`Host::app_reply`].
    Request {
        /// The app.
        app: AppId,
        /// Names the verb; the reply carries it back.
        request: RequestId,
        /// The verb.
        verb: AppVerb,
    },
    /// The other end of a line that it opened speaks. These come as fast as `wire` lets them.
    Fork {
        /// Which line.
        fork: ForkId,
        /// What it says.
        said: ForkIn,
    },
    /// It ended by itself or failed; the last message of an app. Never sent after [`Host::app_stop`].
    Ended {
        /// The app.
        app: AppId,
        /// How.
        outcome: Result<AppOutcome, AppFailure>,
        /// What its binding has for the caller, where it failed.
        recourse: Option<Recourse>,
    },
}

/// What a running guest's task needs. It holds no runtime: the last task must not drop the threads it runs on.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: HostConfig,
    pub(crate) limits: Arc<Limits>,
    pub(crate) hooks: Engine,
    pub(crate) apps: Engine,
    /// By [`Pool`].
    places: [Places; Pool::ALL.len()],
    /// Instances that wait for their binding's next question.
    pub(crate) warm: Arc<Warm>,
    /// What they know of the platform meanwhile: nothing.
    pub(crate) nothing_known: Arc<Directory>,
    pub(crate) ticker: Arc<Ticker>,
    running: Mutex<HashMap<AppId, RunningApp>>,
    /// Whoever keeps the mailboxes; known once the switch runs.
    pub(crate) mailboxes: OnceLock<Arc<dyn Mailboxes>>,
    /// Whoever brings prompts from elsewhere; known once the switch runs.
    pub(crate) sounds: OnceLock<Arc<dyn crate::Sounds>>,
    pub(crate) recorder: Recorder,
    /// The lines of legs to WebSockets.
    pub(crate) forks: Forks,
    /// Plugins that are asked about a configuration now.
    pub(crate) lifecycles: AtomicU32,
}

impl Shared {
    /// A place for an instance of a binding.
    ///
    /// # Errors
    /// [`Failure::Saturated`]: there is none, or the binding or its brand has its share.
    pub(crate) fn place(&self, bound: &Bound) -> Result<Slot, Failure> {
        let spec = &bound.spec;
        self.places(spec.point).take(spec.scope.brand, spec.id).map_err(|_full| Failure::Saturated)
    }

    /// Says who shares each kind of place from now on, and tells the operator where that changes what one may have.
    fn share_places(&self, next: &Generation) {
        for (pool, places) in Pool::ALL.into_iter().zip(&self.places) {
            let bound = || next.all.iter().map(|b| &b.spec).filter(|spec| Pool::of(spec.point) == pool);
            let brands: HashSet<BrandId> = bound().map(|spec| spec.scope.brand).collect();
            let Some(Bounds { all, brand, binding }) = places.shared_by(brands.len(), bound().count()) else {
                continue;
            };
            let pool = pool.name();
            tracing::info!(pool, all, brand, binding, "places for plugins: all, of one brand, of one binding");
        }
    }

    /// The places of guests at a point.
    pub(crate) fn places(&self, point: Point) -> &Places {
        &self.places[Pool::of(point) as usize]
    }
}

#[derive(Debug)]
struct RunningApp {
    line: Arc<Line>,
    task: AbortHandle,
}

/// What stays the same of a binding when its version changes.
type BindingKey = (Scope, Point, String);

/// # Invariants
/// `generation` is the only truth for new asks and apps; `kept` changes together with it, under its own lock.
#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    hooks: Lane,
    apps: Lane,
    press: Press,
    generation: ArcSwap<Generation>,
    kept: Mutex<BTreeMap<BindingKey, VecDeque<Arc<Artifact>>>>,
    known: Mutex<BTreeMap<Digest, Weak<Artifact>>>,
    /// Components that are being compiled, each with what those wait for that want the same.
    pressing: Mutex<BTreeMap<Digest, Arc<Mutex<()>>>>,
    asks: AtomicU64,
    asks_unbound: AtomicU64,
    stale_replies: AtomicU64,
    live: crate::LiveEvents,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.ticker.stop();
    }
}

/// The plugin host of a process. Cheap to clone; every method may be called from any thread, inside a runtime or not.
#[derive(Clone, Debug)]
pub struct Host(Arc<Inner>);

impl Host {
    /// Starts the engines, their threads and the clock that interrupts guests.
    ///
    /// # Errors
    /// [`HostError`] when the machine cannot carry them.
    pub fn new(config: HostConfig) -> Result<Host, HostError> {
        let (memory_bytes_max, fuel) = (config.memory_bytes_max as u64, config.fuel.is_some());
        let code = |kind| CodeShape { kind, memory_bytes_max, fuel };
        let hooks = LaneShape {
            name: "hooks",
            threads: engine::hook_threads(&config),
            instances: config.hooks_max.max(1),
            code: code(EngineKind::Hooks),
            keep_resident: 256 << 10,
        };
        let (waits_max, raters_max) = (config.waits_max.max(1), config.raters_max.max(1));
        let others = waits_max.saturating_add(raters_max);
        let beside = others.saturating_add(u32::try_from(config.limits.warm_max).unwrap_or(u32::MAX));
        let apps_max = engine::apps_the_kernel_carries(config.apps_max, beside).max(1);
        let places = [hooks.instances, apps_max, waits_max, raters_max];
        let places = places.map(|all| Places::new(Bounds::of(all, &config)));
        let apps = LaneShape {
            name: "apps",
            threads: engine::app_threads(&config),
            instances: apps_max.saturating_add(others),
            code: code(EngineKind::Apps),
            keep_resident: 0,
        };
        let hooks = Lane::start(hooks, &config)?;
        let apps = Lane::start(apps, &config)?;
        let press = Press::new(&hooks.engine, &apps.engine, &config);
        let ticker = Ticker::start(vec![hooks.engine.clone(), apps.engine.clone()]).map_err(HostError::Thread)?;
        let limits = Arc::new(config.limits.clone());
        let shared = Shared {
            warm: Arc::new(Warm::new(&limits)),
            nothing_known: Arc::default(),
            limits,
            config,
            hooks: hooks.engine.clone(),
            apps: apps.engine.clone(),
            places,
            ticker,
            running: Mutex::default(),
            mailboxes: OnceLock::new(),
            sounds: OnceLock::new(),
            recorder: Recorder::default(),
            forks: Forks::default(),
            lifecycles: AtomicU32::new(0),
        };
        Ok(Host(Arc::new(Inner {
            shared: Arc::new(shared),
            hooks,
            apps,
            press,
            generation: ArcSwap::default(),
            kept: Mutex::default(),
            known: Mutex::default(),
            pressing: Mutex::default(),
            asks: AtomicU64::new(0),
            asks_unbound: AtomicU64::new(0),
            stale_replies: AtomicU64::new(0),
            live: crate::LiveEvents::default(),
        })))
    }

    /// Says who keeps the mailboxes. Only the first one counts: a switch has one.
    pub fn keep_mailboxes(&self, keeper: Arc<dyn Mailboxes>) {
        let _already = self.0.shared.mailboxes.set(keeper);
    }

    /// Says who brings prompts from elsewhere. Only the first one counts.
    pub fn keep_sounds(&self, keeper: Arc<dyn crate::Sounds>) {
        let _already = self.0.shared.sounds.set(keeper);
    }

    /// Says who takes mail. Only the first one counts.
    pub fn keep_mail(&self, mailer: Arc<dyn crate::Mailer>) {
        self.0.shared.config.mail.open(mailer);
    }

    /// What the host does to bindings by itself.
    #[must_use]
    pub fn notices(&self) -> &crate::Notices {
        &self.0.shared.config.notices
    }

    /// Checks a component and compiles it, or takes the code that this node made of it before. It may wait for seconds
    /// (Python, JavaScript): call it from a thread that may block. The same bytes give the same artifact for as long as it
    /// is kept.
    ///
    /// # Errors
    /// [`ArtifactError`] in words for the plugin's author.
    pub fn compile(&self, bytes: &[u8]) -> Result<Arc<Artifact>, ArtifactError> {
        let digest = Digest::of(bytes);
        if let Some(artifact) = self.artifact(digest) {
            return Ok(artifact);
        }
        // Whoever comes meanwhile with the same bytes waits for what becomes of them.
        let turn = Arc::clone(lock(&self.0.pressing).entry(digest).or_default());
        let pressed = self.press(bytes, digest, &turn);
        let mut pressing = lock(&self.0.pressing);
        if Arc::strong_count(&turn) <= 2 {
            pressing.remove(&digest);
        }
        pressed
    }

    fn press(&self, bytes: &[u8], digest: Digest, turn: &Mutex<()>) -> Result<Arc<Artifact>, ArtifactError> {
        let _turn = lock(turn);
        if let Some(artifact) = self.artifact(digest) {
            return Ok(artifact);
        }
        let artifact = Arc::new(self.0.press.compile(bytes, digest)?);
        let mut known = lock(&self.0.known);
        known.retain(|_, a| a.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&artifact));
        Ok(artifact)
    }

    /// The compiled artifact of this digest, if it is still kept: bound, in use, or among the last three of a binding.
    #[must_use]
    pub fn artifact(&self, digest: Digest) -> Option<Arc<Artifact>> {
        lock(&self.0.known).get(&digest)?.upgrade()
    }

    /// Replaces the whole set of bindings in one step. Running asks and apps end with what they began with; unchanged
    /// bindings keep their counters and their breaker. Gives the generation's number.
    ///
    /// # Errors
    /// [`BindError`]: nothing was changed.
    pub fn set_bindings(&self, bindings: Vec<BindingSpec>) -> Result<u64, BindError> {
        let mut kept = lock(&self.0.kept);
        let next = self.0.generation.load().after(bindings, &self.0.shared.config)?;
        for bound in &next.all {
            bound.events.belongs_to(bound);
            let spec = &bound.spec;
            let history = kept.entry((spec.scope, spec.point, spec.name.clone())).or_default();
            history.retain(|a| a.digest() != spec.artifact.digest());
            history.push_front(Arc::clone(&spec.artifact));
            history.truncate(KEPT);
        }
        // A binding that is gone takes its history with it.
        kept.retain(|(scope, point, name), _| {
            next.all.iter().any(|b| b.spec.scope == *scope && b.spec.point == *point && b.spec.name == *name)
        });
        let number = next.number;
        self.0.shared.share_places(&next);
        let (next, warm) = (Arc::new(next), &self.0.shared.warm);
        let before = self.0.generation.swap(Arc::clone(&next));
        let stay: HashSet<*const Bound> = next.all.iter().map(Arc::as_ptr).collect();
        for old in before.all.iter().filter(|bound| !stay.contains(&Arc::as_ptr(bound))) {
            warm.retire(old);
            old.trial.iter().for_each(|trial| warm.retire(&trial.bound));
        }
        Ok(number)
    }

    /// Asks the feature whose code was dialled, then the routing chain. Always answers, within nine tenths of
    /// `Limits::route_deadline_ms`, or of `route_io_deadline_ms` where a router of the chain may wait; at once where
    /// nothing is bound. Dropping the future leaves the chain to end by its own deadline.
    pub async fn ask(&self, question: Question, directory: Arc<Directory>) -> Answer {
        let inner = &self.0;
        let began = Instant::now();
        let generation = inner.generation.load_full();
        let whom = generation.whom_of(&question.call, &directory);
        let feature = generation.feature(whom, &question.call.callee.user).map(|(bound, _)| bound);
        let Some(first) = feature.or_else(|| generation.chain(whom).next()) else {
            inner.asks_unbound.fetch_add(1, Ordering::Relaxed);
            return Answer { decision: None, failed: false, attrs: Vec::new(), hooks: Vec::new() };
        };
        inner.asks.fetch_add(1, Ordering::Relaxed);
        let limits = &inner.shared.limits;
        let waits = generation.chain(whom).any(|b| b.spec.point == Point::RouterIo);
        let within = if waits { limits.route_io_deadline() } else { limits.route_deadline() };
        let deadline = began + chain_deadline(within);
        let heavy = inner.hooks.tiers().heavy(question.call.brand);
        let ask = Ask { shared: Arc::clone(&inner.shared), generation: Arc::clone(&generation), directory, deadline };
        let task = inner.hooks.tiers().spawn(heavy.clone(), ask.run(question, heavy));
        let Ok((answer, shadows)) = task.await else { return lost_answer(first) };
        for shadow in shadows {
            let heavy = inner.hooks.tiers().heavy(shadow.brand());
            inner.hooks.tiers().spawn(heavy.clone(), shadow.run(heavy));
        }
        answer
    }

    /// Starts a call app; everything it says comes by `requests`, last [`AppMessage::Ended`]. An app that cannot start
    /// says only that.
    pub fn start_app(
        &self,
        app: AppId,
        start: AppStart,
        directory: Arc<Directory>,
        requests: UnboundedSender<AppMessage>,
    ) {
        let line = Arc::new(Line::new(app, requests));
        let bound = match self.seat_app(&start, &directory) {
            Ok(bound) => bound,
            Err((failure, recourse)) => return line.end(Err(failure), recourse),
        };
        let (bound, slot) = bound;
        let heavy = self.0.apps.tiers().heavy(start.call.brand);
        let shared = Arc::clone(&self.0.shared);
        let own = Arc::clone(&line);
        let recourse = bound.spec.recourse();
        let start = Start {
            shared: Arc::clone(&shared),
            bound,
            line: Arc::clone(&line),
            start,
            directory,
            slot,
            heavy: heavy.clone(),
        };
        // Held over the spawn, so that an app that ends at once finds itself in the table.
        let mut running = lock(&self.0.shared.running);
        let task = self.0.apps.tiers().spawn(heavy, async move {
            let outcome = start.run().await;
            lock(&shared.running).remove(&app);
            let recourse = outcome.is_err().then_some(recourse);
            own.end(outcome, recourse);
        });
        if let Some(old) = running.insert(app, RunningApp { line, task: task.abort_handle() }) {
            tracing::error!(%app, "two call apps with one id; the older is dropped");
            old.stop();
        }
    }

    /// The binding and a place in the pool, or why there is none.
    fn seat_app(
        &self,
        start: &AppStart,
        directory: &Directory,
    ) -> Result<(Arc<Bound>, Slot), (AppFailure, Option<Recourse>)> {
        let generation = self.0.generation.load();
        let whom = generation.whom_of(&start.call, directory);
        let bound = generation.app(whom, &start.name).ok_or((AppFailure::NotBound, None))?;
        let failed = |failure: Failure| {
            chain::settle(bound, Some(&failure));
            (script::app_failure(failure), Some(bound.spec.recourse()))
        };
        let slot = self.0.shared.place(bound).map_err(failed)?;
        if !bound.breaker.admits(Instant::now()) {
            return Err(failed(Failure::Tripped));
        }
        Ok((Arc::clone(bound), slot))
    }

    /// Gives a waiting app the result of its verb; a stale one is dropped and counted.
    pub fn app_reply(&self, app: AppId, request: RequestId, result: Result<AppReply, AppError>) {
        let line = lock(&self.0.shared.running).get(&app).map(|r| Arc::clone(&r.line));
        if !line.is_some_and(|line| line.reply(request, result)) {
            self.0.stale_replies.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something for the other end of a line; it never waits, and what nobody takes is dropped.
    pub fn fork_told(&self, fork: ForkId, told: ForkOut) {
        self.0.shared.forks.tell(fork, told);
    }

    /// Drops the instance now, wherever it is (one that computes: within a millisecond). It says nothing more.
    pub fn app_stop(&self, app: AppId) {
        let stopped = lock(&self.0.shared.running).remove(&app);
        if let Some(stopped) = stopped {
            stopped.stop();
        }
    }

    /// Instances alive now, by component; components without one are left out.
    #[must_use]
    pub fn live_instances(&self) -> Vec<(Digest, u64)> {
        let known = lock(&self.0.known);
        let alive = known.values().filter_map(Weak::upgrade).map(|a| (a.digest(), a.live_instances()));
        alive.filter(|(_, live)| *live > 0).collect()
    }

    /// Every counter.
    #[must_use]
    pub fn metrics(&self) -> HostMetrics {
        let inner = &self.0;
        let generation = inner.generation.load();
        let artifacts = lock(&inner.known).values().filter(|a| a.strong_count() > 0).count();
        let live = |pool: Pool| u64::from(inner.shared.places[pool as usize].live());
        HostMetrics {
            asks: inner.asks.load(Ordering::Relaxed),
            asks_unbound: inner.asks_unbound.load(Ordering::Relaxed),
            stale_replies: inner.stale_replies.load(Ordering::Relaxed),
            hooks_live: live(Pool::Hooks),
            apps_live: live(Pool::Apps),
            pools: Pool::ALL.into_iter().zip(&inner.shared.places).map(|(pool, places)| places.used(pool)).collect(),
            warm_idle: inner.shared.warm.idle(),
            warm_max: inner.shared.limits.warm_max as u64,
            artifacts: artifacts as u64,
            code: inner.press.figures(),
            generation: generation.number,
            bindings: generation
                .all
                .iter()
                .map(|b| b.metrics(inner.shared.places(b.spec.point), &inner.shared.warm))
                .collect(),
        }
    }
}

impl RunningApp {
    fn stop(self) {
        self.line.cut();
        self.task.abort();
    }
}

/// The answer when the chain's own task is gone: the host is being dropped, or it has a defect.
fn lost_answer(first: &Bound) -> Answer {
    let report = HookReport {
        binding: first.spec.name.clone(),
        plugin: first.spec.plugin.clone(),
        outcome: "lost".to_owned(),
        took: core::time::Duration::ZERO,
        warm: false,
    };
    Answer { decision: None, failed: true, attrs: Vec::new(), hooks: vec![report] }
}

#[path = "host_hooks.rs"]
mod hooks;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
