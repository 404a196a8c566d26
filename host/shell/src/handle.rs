//! What the faces hold of a running switch: every question goes to the shards' threads and comes back.

use crate::archive::Archive;
use crate::boxes::Boxes;
use crate::clock::Clock;
use crate::command::Command;
use crate::feed::Applied;
use crate::inboxes::Inboxes;
use crate::metrics;
use crate::post::MailTrialError;
use crate::published::{Alive, Figures, Published};
use bundle::Fault;
use core::net::IpAddr;
use core::time::Duration;
use model::{
    AccountId, AppError, Ban, BindingId, BoxOwner, BoxReply, BoxVerb, BrandId, CallId, CallSnapshot, Cause, Charge,
    CompanyId, Directory, Holder, Instant, Mailbox, Summons, TapeAct, TapeRefusal, TrunkStatus,
};
use net::{BoundListener, NetError, TlsConfig, TlsMaterial};
use plugin::{Artifact, ArtifactError, LifecycleError, TrialFigures};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use store::outbox::Outbox;
use store::{Db, Held, StoreError, UsedMailHost};
use tokio::sync::{oneshot, watch};

/// How long new facts may need to become live before a caller is told that they are not.
const LIVE_MAX: Duration = Duration::from_secs(10);
/// How long the last BYE and its answer may take once every call is over.
const PARTING: Duration = Duration::from_secs(2);

/// Why the store's news cannot be had where nothing else is known.
const AWAY: &str = "the database does not answer";

/// The shard has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the switch is stopping")]
pub struct Gone;

/// Why certificates were not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The shard has ended.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] NetError),
}

/// Why what the store holds is not live.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotLive {
    /// The shard has ended.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(String),
    /// A row of the tenant has no meaning, so its facts stay as they were.
    #[error("{0}")]
    Held(String),
    /// It takes too long.
    #[error("the switch has not taken the change over yet; it goes on trying")]
    Late,
}

impl From<StoreError> for NotLive {
    fn from(error: StoreError) -> Self {
        NotLive::Store(error.to_string())
    }
}

/// Which calls are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallScope {
    /// Everybody's.
    Platform,
    /// One brand's.
    Brand(BrandId),
    /// One company's.
    Company(BrandId, CompanyId),
}

impl CallScope {
    fn holds(self, call: &CallSnapshot) -> bool {
        match self {
            CallScope::Platform => true,
            CallScope::Brand(brand) => call.brand == brand,
            CallScope::Company(brand, company) => call.brand == brand && call.company == company,
        }
    }
}

/// One contact of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// The account.
    pub account: AccountId,
    /// Its user name.
    pub username: String,
    /// Its brand.
    pub brand: BrandId,
    /// Its company.
    pub company: CompanyId,
    /// The contact URI.
    pub contact: String,
    /// Where the REGISTER came from, as `udp/192.0.2.1:5060`.
    pub source: String,
    /// What the phone calls itself.
    pub user_agent: Option<String>,
    /// When it ends.
    pub expires_at: Instant,
}

/// How the switch is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// No new calls are taken: the switch is being shut down.
    pub draining: bool,
    /// The shard has ended.
    pub stopped: bool,
    /// Why the store's news cannot be had; calls go on with what is known.
    pub stale_directory: Option<String>,
    /// Tenants whose facts are older than the store's, with the row that has no meaning.
    pub tenants_held: Vec<String>,
    /// How many of them are not there at all since the start.
    pub tenants_lost: usize,
    /// Call records that the disk does not take.
    pub records_unwritten: usize,
    /// Plugin bindings that are not live, with the reason.
    pub bindings_broken: Vec<(String, String)>,
}

impl Health {
    /// Whether new calls should be sent here.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        !self.draining && !self.stopped && self.tenants_lost == 0
    }

    /// Why new calls should not be sent here; empty when they should. It names no tenant, as anybody may ask.
    #[must_use]
    pub fn unready(&self) -> Vec<String> {
        let draining = (self.draining && !self.stopped).then(|| "the switch is being shut down".to_owned());
        let stopped = self.stopped.then(|| "the shard has ended".to_owned());
        let lost = (self.tenants_lost > 0)
            .then(|| format!("{} companies could not be read, and none of their phones works", self.tenants_lost));
        draining.into_iter().chain(stopped).chain(lost).collect()
    }

    /// What is wrong although calls are taken.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let stale = self.stale_directory.iter().map(|why| format!("the directory is stale: {why}"));
        let waiting = (self.records_unwritten > 0)
            .then(|| format!("the call journal cannot be written: {} records wait", self.records_unwritten));
        let broken = self.bindings_broken.iter().map(|(name, why)| format!("binding {name} is not live: {why}"));
        stale.chain(self.tenants_held.iter().cloned()).chain(waiting).chain(broken).collect()
    }
}

fn held_words(holder: Holder, held: &Held) -> String {
    let is = if held.lost { "is not there" } else { "is stale" };
    format!("{holder} {is}, because {} cannot be used: {}", held.row, held.why)
}

/// How a drain went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drained {
    /// Calls that outlived the deadline and were ended.
    pub calls_ended: usize,
}

/// What all clones of a handle share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) inboxes: Inboxes,
    /// One for each shard, in their order; never empty.
    pub(crate) published: Vec<Arc<Published>>,
    /// Moves with each question whether what is stored is live.
    pub(crate) asked: watch::Sender<u64>,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) live: watch::Receiver<Arc<Directory>>,
    pub(crate) plugins: plugin::Host,
    pub(crate) outbox: Outbox,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) listeners: Vec<BoundListener>,
    pub(crate) archive: Archive,
    pub(crate) boxes: Boxes,
    pub(crate) faxes: crate::fax::FaxDesk,
    pub(crate) draining: AtomicBool,
    pub(crate) ending: Mutex<Ending>,
}

impl Inner {
    /// The figures of each shard.
    pub(crate) fn each(&self) -> Vec<Figures> {
        self.published.iter().map(|shard| shard.figures()).collect()
    }

    /// The figures of all of them together.
    pub(crate) fn figures(&self) -> Figures {
        Figures::of_all(&self.each())
    }

    /// Returns when this was so of every shard.
    async fn all_are(&self, reached: impl Fn(Alive) -> bool) {
        for shard in &self.published {
            let mut alive = shard.alive.subscribe();
            let _gone = alive.wait_for(|alive| reached(*alive)).await;
        }
    }
}

/// What the end of the switch waits for.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) drain_stop: Option<watch::Sender<bool>>,
    pub(crate) drain_task: Option<tokio::task::JoinHandle<()>>,
}

/// A running switch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) inner: Arc<Inner>,
}

impl Handle {
    /// Asks every shard; the answers in their order.
    async fn ask<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Result<Vec<T>, Gone> {
        self.inner.inboxes.ask(command).await
    }

    /// What happens now, for those who watch.
    #[must_use]
    pub fn events(&self) -> &plugin::LiveEvents {
        self.inner.plugins.live()
    }

    /// The calls that are up.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn calls(&self, scope: CallScope) -> Result<Vec<CallSnapshot>, Gone> {
        let calls = self.ask(Command::Calls).await?;
        Ok(calls.into_iter().flatten().filter(|call| scope.holds(call)).collect())
    }

    /// Where the recordings are.
    #[must_use]
    pub fn recordings(&self) -> &Archive {
        &self.inner.archive
    }

    /// Where faxes are kept, and how many may wait.
    #[must_use]
    pub fn fax_room(&self) -> &crate::fax::FaxRoom {
        self.inner.faxes.room()
    }

    /// A fax was queued: it is looked for at once.
    pub fn fax_queued(&self) {
        self.inner.faxes.wake();
    }

    /// Does something about a call's recordings.
    ///
    /// # Errors
    /// [`Gone`]; within it, why it was not done.
    pub async fn tape(&self, call: CallId, leg: u16, act: TapeAct) -> Result<Result<(), TapeRefusal>, Gone> {
        let shards = self.ask(|answer| Command::Tape(call, leg, act, answer)).await?;
        // The others have no such call.
        let there = shards.into_iter().find(|said| *said != Err(TapeRefusal::Nothing));
        Ok(there.unwrap_or(Err(TapeRefusal::Nothing)))
    }

    /// Makes a call for an account: its phones ring first.
    ///
    /// # Errors
    /// [`Gone`]; within it, why nothing rings.
    pub async fn summon(&self, wanted: Summons) -> Result<Result<CallId, Cause>, Gone> {
        let shards = self.ask(|answer| Command::Summon(wanted.clone(), answer)).await?;
        // The others do not have the account's brand.
        Ok(shards.into_iter().flatten().next().unwrap_or(Err(Cause::NotFound)))
    }

    /// Ends a call; whether there was one.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn hangup(&self, call: CallId) -> Result<bool, Gone> {
        Ok(self.ask(|answer| Command::Hangup(call, answer)).await?.contains(&true))
    }

    /// Reads certificates, keys and authorities anew: connections from now on use them, open ones go on with theirs.
    ///
    /// # Errors
    /// One sentence that names the file that cannot be used; then everything stays as it was.
    pub async fn reload_tls(&self, config: TlsConfig) -> Result<(), ReloadError> {
        let loaded = tokio::task::spawn_blocking(move || TlsMaterial::load(&config)).await;
        let tls = loaded.map_err(|_| Gone)??;
        self.ask(|done| Command::Secure(tls.clone(), done)).await?;
        Ok(())
    }

    /// Says what waits in a mailbox, whole; its phones are told.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn mailbox(&self, mailbox: Mailbox) -> Result<(), Gone> {
        self.ask(|done| Command::Mailbox(mailbox.clone(), done)).await?;
        Ok(())
    }

    /// Asks something of a voice mailbox; its phones are told what changes.
    ///
    /// # Errors
    /// As `call/mailbox` says.
    pub async fn voice_box(&self, whose: &BoxOwner, verb: BoxVerb) -> Result<BoxReply, AppError> {
        self.inner.boxes.carry(whose, verb).await
    }

    /// Sends a mail to `to` at once by this mail host.
    ///
    /// # Errors
    /// [`MailTrialError`]: what the host said.
    pub async fn try_mail(&self, host: &UsedMailHost, to: &str) -> Result<(), MailTrialError> {
        self.inner.boxes.post().trial(host, to).await
    }

    /// Every contact registered now.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn registrations(&self) -> Result<Vec<Registration>, Gone> {
        let shards = self.ask(Command::Registrations).await?;
        let each = shards.iter().map(|(snapshot, directory)| crate::registrations::list(snapshot, directory));
        Ok(each.flatten().collect())
    }

    /// How every trunk is, by row.
    ///
    /// # Errors
    /// The shard has ended.
    pub async fn trunks(&self) -> Result<Vec<TrunkStatus>, Gone> {
        let mut trunks: Vec<TrunkStatus> = self.ask(Command::Trunks).await?.into_iter().flatten().collect();
        trunks.sort_by_key(|trunk| trunk.trunk);
        Ok(trunks)
    }

    /// The sources that are not listened to.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn bans(&self) -> Result<Vec<Ban>, Gone> {
        Ok(once_each(self.ask(Command::Bans).await?))
    }

    /// Listens to a source again; whether it was banned.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn unban(&self, source: IpAddr) -> Result<bool, Gone> {
        Ok(self.ask(|answer| Command::Unban(source, answer)).await?.contains(&true))
    }

    /// Checks and compiles a component, away from the threads that serve calls.
    ///
    /// # Errors
    /// In words for the plugin's author.
    pub async fn compile(&self, bytes: Vec<u8>) -> Result<Arc<Artifact>, ArtifactError> {
        let plugins = self.inner.plugins.clone();
        let compiled = tokio::task::spawn_blocking(move || plugins.compile(&bytes)).await;
        compiled.unwrap_or_else(|_| Err(ArtifactError::Rejected("the compiler failed on it".to_owned())))
    }

    /// Asks a component whether a configuration can be worked with; what is wrong, or nothing.
    ///
    /// # Errors
    /// [`LifecycleError`]: it has not said.
    pub async fn validate_config(&self, bytes: Vec<u8>, json: String) -> Result<Vec<Fault>, LifecycleError> {
        let plugins = self.inner.plugins.clone();
        away("validate-config", move || {
            let artifact = plugins.compile(&bytes).map_err(|e| unasked("validate-config", e.to_string()))?;
            plugins.validate_config(&artifact, &json)
        })
        .await
    }

    /// Asks a component for the configuration of its other `version` as it wants it; within, what is wrong. `None` of one
    /// that says nothing about configurations.
    ///
    /// # Errors
    /// [`LifecycleError`]: it has not said.
    pub async fn migrate_config(
        &self,
        bytes: Vec<u8>,
        version: String,
        json: String,
    ) -> Result<Option<Result<String, Vec<Fault>>>, LifecycleError> {
        let plugins = self.inner.plugins.clone();
        away("migrate-config", move || {
            let artifact = plugins.compile(&bytes).map_err(|e| unasked("migrate-config", e.to_string()))?;
            plugins.migrate_config(&artifact, &version, &json)
        })
        .await
    }

    /// Returns when everything the store holds now is live in the shards and in the plugin host, as far as it is about the
    /// tenant for whom the caller acts ([`Db::acting`]); a caller who acts for nobody waits for all.
    ///
    /// # Errors
    /// [`NotLive`] after ten seconds, or sooner if the store or the tenant's rows cannot be read.
    pub async fn live(&self) -> Result<(), NotLive> {
        let inner = &self.inner;
        let mut question = 0;
        inner.asked.send_modify(|asked| {
            *asked += 1;
            question = *asked;
        });
        let tenant = Db::acting_for().unwrap_or_default();
        let waits = |brand: &BrandId| tenant.brand.is_none_or(|own| own == *brand);
        let mut applied = inner.applied.clone();
        let is_ready = |a: &Applied| !a.loading.keys().chain(&a.compiling).any(waits);
        let reached = applied.wait_for(|a| a.stale.is_some() || (a.looked >= question && is_ready(a)));
        let applied = match tokio::time::timeout(LIVE_MAX, reached).await {
            Ok(Ok(applied)) => applied.clone(),
            Ok(Err(_)) => return Err(Gone.into()),
            Err(_) => return Err(NotLive::Late),
        };
        if let (true, Some(why)) = (applied.looked < question, applied.stale) {
            return Err(NotLive::Store(why));
        }
        let own = tenant.company.map(Holder::Company).or(tenant.brand.map(Holder::Brand));
        match own.and_then(|holder| Some((holder, applied.held.get(&holder)?))) {
            Some((holder, held)) => Err(NotLive::Held(held_words(holder, held))),
            None => Ok(()),
        }
    }

    /// The figures, not older than a fraction of a second.
    #[must_use]
    pub fn counters(&self) -> Figures {
        self.inner.figures()
    }

    /// The figures for Prometheus.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        metrics::text(&self.inner)
    }

    /// How the switch is.
    #[must_use]
    pub fn health(&self) -> Health {
        let applied = self.inner.applied.borrow().clone();
        Health {
            draining: self.inner.draining.load(Ordering::Acquire),
            stopped: self.inner.published.iter().any(|shard| *shard.alive.borrow() == Alive::Gone),
            tenants_held: applied.held.iter().map(|(holder, held)| held_words(*holder, held)).collect(),
            tenants_lost: applied.lost.len(),
            stale_directory: applied.stale.or_else(|| self.inner.db.is_away().then(|| AWAY.to_owned())),
            records_unwritten: self.inner.figures().records_unwritten,
            bindings_broken: applied.broken,
        }
    }

    /// How a binding's version on trial does; `None` where there is none.
    #[must_use]
    pub fn trial(&self, binding: BindingId) -> Option<TrialFigures> {
        let bindings = self.inner.plugins.metrics().bindings;
        bindings.into_iter().find(|b| b.id == binding)?.trial
    }

    /// The plugin host: recordings of what plugins are asked and told are kept there.
    #[must_use]
    pub fn plugins(&self) -> &plugin::Host {
        &self.inner.plugins
    }

    /// What a leg would cost, by the rater that would be asked about it.
    ///
    /// # Errors
    /// In words for a person.
    pub async fn quote(&self, quote: plugin::Quote) -> Result<Charge, String> {
        let directory = Arc::clone(&self.inner.live.borrow());
        self.inner.plugins.quote(quote, directory).await
    }

    /// The switch's clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.clock.now()
    }

    /// Where SIP is listened for, in the order of the configuration.
    #[must_use]
    pub fn listeners(&self) -> &[BoundListener] {
        &self.inner.listeners
    }

    /// Returns when a shard has ended: after a drain, or because it failed.
    pub async fn stopped(&self) {
        if let Some(shard) = self.inner.published.first() {
            shard.any_gone().await;
        }
    }

    /// Takes no new calls, waits for those that are up until `deadline` has passed, ends what is left, and returns when
    /// every record is on the disk and, where the database is there, in the database.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        self.inner.draining.store(true, Ordering::Release);
        let until = tokio::time::Instant::now() + deadline;
        let mut calls_ended = 0;
        // A shard that failed must not keep the others from being drained, nor the process from its end.
        let living = self.inner.inboxes.ask_living(Command::Drain).await.len();
        if living > 0 {
            let over = self.inner.all_are(|alive| !matches!(alive, Alive::Calls(_)));
            let late = tokio::time::timeout_at(until, over).await.is_err();
            if late {
                calls_ended = self.inner.inboxes.ask_living(Command::EndAll).await.into_iter().sum();
            }
            let parted = self.inner.all_are(|alive| matches!(alive, Alive::Idle | Alive::Gone));
            let parted = tokio::time::timeout(PARTING, parted).await.is_ok();
            tracing::debug!(parted, living, calls_ended, "the shards are stopped");
            self.inner.inboxes.ask_living(Command::Stop).await;
        }
        self.finish().await;
        Drained { calls_ended }
    }

    async fn finish(&self) {
        let ending = std::mem::take(&mut *self.inner.ending.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in ending.threads {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("a shard's thread had failed");
            }
        }
        // Only now: the shards' last records are in the journal.
        if let Some(stop) = ending.drain_stop {
            stop.send_replace(true);
        }
        if let Some(task) = ending.drain_task {
            let _failed = task.await;
        }
    }
}

/// Asks a component about a configuration, away from the threads that serve calls.
async fn away<T: Send + 'static>(
    question: &'static str,
    ask: impl FnOnce() -> Result<T, LifecycleError> + Send + 'static,
) -> Result<T, LifecycleError> {
    let asked = tokio::task::spawn_blocking(ask).await;
    asked.unwrap_or_else(|_| Err(unasked(question, "the switch failed on it".to_owned())))
}

fn unasked(question: &'static str, why: String) -> LifecycleError {
    LifecycleError::Failed { question, why }
}

/// A ban that every shard holds is one, with the hits of all of them.
fn once_each(shards: Vec<Vec<Ban>>) -> Vec<Ban> {
    let mut places = BTreeMap::new();
    let mut once: Vec<Ban> = Vec::new();
    for ban in shards.into_iter().flatten() {
        match places.entry((ban.source, ban.account.clone())) {
            Entry::Occupied(place) => {
                let known: &mut Ban = &mut once[*place.get()];
                known.hits += ban.hits;
                known.until = known.until.max(ban.until);
                known.since = known.since.min(ban.since);
            }
            Entry::Vacant(place) => {
                place.insert(once.len());
                once.push(ban);
            }
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_that_all_shards_hold_are_merged_without_comparing_each_with_each() {
        let ban = |n: u32, account: Option<&str>, hits: u64, at: u64| Ban {
            source: model::Cidr::single(IpAddr::from(n.to_be_bytes())),
            account: account.map(str::to_owned),
            why: model::Offence::Flood,
            since: Instant::from_unix_nanos(at),
            until: Instant::from_unix_nanos(at + 10),
            hits,
        };
        let few = once_each(vec![
            vec![ban(1, None, 2, 5), ban(2, None, 1, 5)],
            vec![ban(1, None, 3, 4), ban(1, Some("a"), 7, 4)],
        ]);
        assert_eq!(few.iter().map(|b| b.hits).collect::<Vec<_>>(), [5, 1, 7]);
        assert_eq!((few[0].since, few[0].until), (Instant::from_unix_nanos(4), Instant::from_unix_nanos(15)));
        // Each with each would be 3 * 10^9 comparisons of two fields here: minutes in a test's build.
        let many = |at| (0..60_000).map(|n| ban(n, None, 1, at)).collect::<Vec<_>>();
        let began = std::time::Instant::now();
        let all = once_each(vec![many(1), many(2)]);
        assert!(all.len() == 60_000 && all.iter().all(|b| b.hits == 2), "{}", all.len());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
