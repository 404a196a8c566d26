//! Those who do the jobs: a few at once, each job under a lease that is renewed while it runs.
//!
//! A job is tried again after a growing pause while what stops it may pass (the database is away, the switch is killed),
//! and never after a refusal that will not go away. One that ended its process again and again is left alone too. Its work
//! is dropped where it stands when the job is called off: what it had not committed is not so.

pub(crate) mod archive;
pub(crate) mod export;
pub(crate) mod import;
mod sweep;
pub(crate) mod timetable;

use crate::Api;
use axum::Router;
use core::time::Duration;
use model::{BrandId, CompanyId, Instant, Told};
use serde_json::Value;
use std::sync::Arc;
use store::{Job, JobState, Lease, Outlook, Scope, StoreError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Jobs done at once on one node.
const WORKERS: usize = 2;
/// How long a job is held before the lease must have been renewed.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How often is looked for jobs that another node was asked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a job is begun at most.
const TRIES_MAX: u32 = 6;
/// The pause before the second try; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Why a run of a job did not end well.
#[derive(Debug)]
pub(crate) enum Broke {
    /// It may work later.
    Passing(String),
    /// It will not work.
    Final(String, Option<Value>),
}

impl From<StoreError> for Broke {
    fn from(error: StoreError) -> Self {
        if error.is_passing() { Broke::Passing(error.to_string()) } else { Broke::Final(error.to_string(), None) }
    }
}

/// What a run of a job has to work with.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) api: Api,
    pub(crate) job: Arc<Job>,
    /// The endpoints without the gate.
    pub(crate) inside: Router,
    holder: Arc<str>,
}

impl Run {
    /// The lease that its writes name.
    pub(crate) fn lease(&self) -> Lease<'_> {
        Lease { job: self.job.id, holder: &self.holder }
    }

    /// Does the job; what came of it.
    async fn work(self) -> Result<Value, Broke> {
        match self.job.kind.as_str() {
            sweep::KIND => sweep::run(&self).await,
            archive::KIND => archive::run(&self).await,
            import::KIND => import::run(&self).await,
            export::KIND => export::run(&self).await,
            other => Err(Broke::Final(format!("this switch knows no jobs of the kind {other}"), None)),
        }
    }
}

/// Those who do the jobs of this node.
#[derive(Debug)]
pub struct Workers {
    api: Api,
    inside: Router,
    /// Names this process in leases.
    process: String,
}

impl Workers {
    pub(crate) fn new(api: Api) -> Result<Workers, getrandom::Error> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        let inside = crate::openapi::routes().0.with_state(api.clone());
        Ok(Workers { api, inside, process: format!("{:016x}", u64::from_le_bytes(bytes)) })
    }

    /// Does jobs until `stop` holds true; those under way then are given back and done by the next process.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let shared = Arc::new(self);
        let mut all = JoinSet::new();
        for hand in 0..WORKERS {
            all.spawn(Arc::clone(&shared).hand(hand, stop.clone()));
        }
        all.spawn(Arc::clone(&shared).clock(stop));
        while all.join_next().await.is_some() {}
    }

    async fn hand(self: Arc<Self>, hand: usize, mut stop: watch::Receiver<bool>) {
        for n in 0_u64.. {
            if *stop.borrow() {
                return;
            }
            let holder: Arc<str> = format!("{}-{hand}-{n}", self.process).into();
            match self.claim(&holder).await {
                Ok(Some(job)) => self.take(Arc::new(job), holder, &mut stop).await,
                Ok(None) => self.wait(LOOK_EVERY, &mut stop).await,
                Err(error) => {
                    tracing::warn!(%error, "jobs wait for the database");
                    self.wait(LOOK_EVERY, &mut stop).await;
                }
            }
        }
    }

    /// Asks for what comes again, when its time has come. Nobody's job keeps it from that.
    async fn clock(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.look_at_the_clock().await {
                tracing::warn!(%error, "what comes again waits for the database");
            }
            let next = self.api.db.timetables().next().await.ok().flatten();
            let pause = self.until(next, LOOK_EVERY);
            tokio::select! {
                () = self.api.times.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = ended(&mut stop) => {}
            }
        }
    }

    async fn look_at_the_clock(&self) -> Result<(), StoreError> {
        let (runs, now) = (self.api.db.job_runs(), self.api.switch.now());
        runs.schedule(sweep::KIND, sweep::EVERY, now).await?;
        if self.api.archiving.is_some() {
            runs.schedule(archive::KIND, archive::EVERY, now).await?;
        }
        let swept = runs.come(now).await? > 0;
        if timetable::come(&self.api).await? > 0 || swept {
            self.api.jobs.notify_one();
        }
        Ok(())
    }

    /// How long nothing is due, and no longer than `most`. What is due already waits for another.
    fn until(&self, next: Option<Instant>, most: Duration) -> Duration {
        let now = self.api.switch.now();
        next.filter(|due| *due > now).map_or(most, |due| due.since(now).min(most))
    }

    async fn claim(&self, holder: &str) -> Result<Option<Job>, StoreError> {
        self.api.db.job_runs().claim(holder, self.api.switch.now(), LEASE).await
    }

    /// Waits for a job that this node is asked for, until the next one's time, and no longer than `most`.
    async fn wait(&self, most: Duration, stop: &mut watch::Receiver<bool>) {
        let next = self.api.db.job_runs().next().await.ok().flatten();
        let pause = self.until(next, most);
        tokio::select! {
            () = self.api.jobs.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = ended(stop) => {}
        }
    }

    /// Does a job, or gives it back.
    async fn take(&self, job: Arc<Job>, holder: Arc<str>, stop: &mut watch::Receiver<bool>) {
        let run = Run { api: self.api.clone(), job: Arc::clone(&job), inside: self.inside.clone(), holder };
        tell(&self.api, &job, "job-started", JobState::Running);
        if job.tries > TRIES_MAX {
            let why = format!("it was begun {TRIES_MAX} times and ended none of them");
            return self.end(&run, Err(Broke::Final(why, None))).await;
        }
        // A task of its own: what goes wrong in it ends it alone.
        let mut work = tokio::spawn(run.clone().work());
        loop {
            tokio::select! {
                done = &mut work => {
                    let why = |_| Broke::Passing("the run of this job broke; the log says why".to_owned());
                    let done = done.map_err(why).flatten();
                    // The steps of a job that was called off are refused; that is no failure of its own.
                    if done.is_err() && self.renew(&run).await == Outlook::CalledOff {
                        return self.cancelled(&run).await;
                    }
                    return self.end(&run, done).await;
                }
                () = tokio::time::sleep(RENEW_EVERY) => match self.renew(&run).await {
                    Outlook::Going => {}
                    Outlook::CalledOff => {
                        stopped(work).await;
                        return self.cancelled(&run).await;
                    }
                    Outlook::Lost => {
                        tracing::warn!(job = job.id, "a job is another's by now");
                        return stopped(work).await;
                    }
                },
                () = run.api.calls_off.notified() => if self.renew(&run).await == Outlook::CalledOff {
                    stopped(work).await;
                    return self.cancelled(&run).await;
                },
                () = ended(stop) => {
                    stopped(work).await;
                    let given = self.api.db.job_runs().later(run.lease(), self.api.switch.now(), None).await;
                    return noted(&job, given);
                }
            }
        }
    }

    /// A lease that cannot be renewed for want of a database is held until it ends: the steps would fail as well.
    async fn renew(&self, run: &Run) -> Outlook {
        let until = self.api.switch.now() + LEASE;
        self.api.db.job_runs().renew(run.lease(), until).await.unwrap_or(Outlook::Going)
    }

    async fn cancelled(&self, run: &Run) {
        let end = (JobState::Cancelled, self.api.switch.now());
        noted(&run.job, self.api.db.job_runs().end(run.lease(), end, None, None).await);
        tell(&self.api, &run.job, "job-ended", JobState::Cancelled);
    }

    async fn end(&self, run: &Run, done: Result<Value, Broke>) {
        let (runs, now, job) = (self.api.db.job_runs(), self.api.switch.now(), &run.job);
        let (state, result, error) = match done {
            Ok(result) => (JobState::Done, Some(result), None),
            Err(Broke::Final(why, result)) => (JobState::Failed, result, Some(why)),
            Err(Broke::Passing(why)) if job.tries < TRIES_MAX => {
                let pause = PAUSE_FIRST.saturating_mul(1 << job.tries.saturating_sub(1).min(16)).min(PAUSE_MAX);
                tracing::info!(job = job.id, why, pause_s = pause.as_secs(), "a job is tried again later");
                return noted(job, runs.later(run.lease(), now + pause, Some(&why)).await);
            }
            Err(Broke::Passing(why)) => (JobState::Failed, None, Some(why)),
        };
        if let Some(why) = &error {
            tracing::warn!(job = job.id, kind = job.kind, why, "a job failed");
        }
        let result = result.map(|value| value.to_string());
        let ended = runs.end(run.lease(), (state, now), result.as_deref(), error.as_deref()).await;
        // One that ended itself together with its last effect is as it should be.
        if !matches!(ended, Err(StoreError::NotFound { .. })) {
            noted(job, ended);
        }
        tell(&self.api, job, "job-ended", state);
        self.api.jobs.notify_one();
    }
}

/// Returns when `stop` holds true, or nobody is left to say so.
async fn ended(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Ends a run where it stands, and waits until it has let go of the database.
async fn stopped(work: tokio::task::JoinHandle<Result<Value, Broke>>) {
    work.abort();
    let _ = work.await;
}

fn noted(job: &Job, done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, job = job.id, "how a job ended is not noted; its lease ends by itself");
    }
}

/// Tells those who listen. What belongs to a brand or the platform has no company, and 0 is nobody's.
fn tell(api: &Api, job: &Job, kind: &'static str, state: JobState) {
    let (brand, company) = match job.scope {
        Scope::Platform => (BrandId(0), CompanyId(0)),
        Scope::Brand(brand) => (brand, CompanyId(0)),
        Scope::Company(brand, company) => (brand, company),
    };
    let attrs = vec![("job", job.id.to_string()), ("job-kind", job.kind.clone()), ("state", state.word().to_owned())];
    api.switch.events().tell(&Told { kind, at: api.switch.now(), call: None, brand, company, attrs });
}

/// A moment so long before another; the beginning of time if it is not that old.
pub(crate) fn before(now: Instant, by: Duration) -> Instant {
    let since = now.since(Instant::from_unix_nanos(0)).saturating_sub(by);
    Instant::from_unix_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Wakes whoever does jobs.
pub(crate) type Bell = Arc<Notify>;
