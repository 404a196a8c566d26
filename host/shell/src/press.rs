//! Components on their way to be compiled. One takes seconds, so it is done beside the feed, one after the other: other
//! tenants' changes do not wait for it, and what is bound meanwhile stays bound.

use crate::feed::Applied;
use core::time::Duration;
use model::PluginId;
use plugin::{Artifact, Digest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use store::{Db, OpContext};
use tokio::sync::{Semaphore, mpsc, watch};

/// The pause after the database failed, or the compiler had no room.
const RETRY: Duration = Duration::from_secs(1);
/// How often is told that components wait, all of them together.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What has become of a component.
pub(crate) enum Component {
    /// It is compiled.
    Ready(Arc<Artifact>),
    /// It is none, and why.
    Refused(String),
    /// It is being compiled: [`Press::pressed`] tells.
    Coming,
}

type Outcome = (String, Result<Arc<Artifact>, String>);

/// # Invariants
/// A digest is in at most one of `coming`, `ready` and `refused`; for each in `coming` there is a task that sends one outcome.
#[derive(Debug)]
pub(crate) struct Press {
    db: Db,
    plugins: plugin::Host,
    /// Digests that are being compiled.
    coming: BTreeSet<String>,
    /// What was compiled and is not bound yet.
    ready: BTreeMap<String, Arc<Artifact>>,
    /// Digests that do not compile, with the reason, so that each is tried and told once.
    refused: BTreeMap<String, String>,
    turn: Arc<Semaphore>,
    waits: Arc<Waits>,
    outcomes: (mpsc::UnboundedSender<Outcome>, mpsc::UnboundedReceiver<Outcome>),
}

impl Press {
    /// From this database for this plugin host; what had to wait is counted in `applied`.
    pub(crate) fn new(db: &Db, plugins: &plugin::Host, applied: watch::Sender<Applied>) -> Press {
        Press {
            db: db.clone(),
            plugins: plugins.clone(),
            coming: BTreeSet::new(),
            ready: BTreeMap::new(),
            refused: BTreeMap::new(),
            turn: Arc::new(Semaphore::new(1)),
            waits: Arc::new(Waits { applied, told: Mutex::default() }),
            outcomes: mpsc::unbounded_channel(),
        }
    }

    /// A component by the digest of its bytes; one that is not known yet is compiled from now on.
    pub(crate) fn component(&mut self, hex: &str, plugin: PluginId) -> Component {
        if let Some(why) = self.refused.get(hex) {
            return Component::Refused(why.clone());
        }
        if let Some(artifact) = digest(hex).and_then(|d| self.plugins.artifact(d)) {
            return Component::Ready(artifact);
        }
        if self.coming.insert(hex.to_owned()) {
            let (db, plugins, turn) = (self.db.clone(), self.plugins.clone(), Arc::clone(&self.turn));
            let (hex, outcomes, waits) = (hex.to_owned(), self.outcomes.0.clone(), Arc::clone(&self.waits));
            tokio::spawn(async move {
                let _turn = turn.acquire_owned().await;
                let outcome = compiled((&db, &waits), plugins, plugin).await;
                // Nobody hears it when the switch has ended.
                let _ended = outcomes.send((hex, outcome));
            });
        }
        Component::Coming
    }

    /// Waits until one more is compiled, or is found to be none. May be dropped without losing one.
    pub(crate) async fn pressed(&mut self) {
        // A sender is here: there is always one more to come.
        let Some((hex, outcome)) = self.outcomes.1.recv().await else { return core::future::pending().await };
        self.coming.remove(&hex);
        match outcome {
            Ok(artifact) => drop(self.ready.insert(hex, artifact)),
            Err(why) => drop(self.refused.insert(hex, why)),
        }
    }

    /// Everything is bound that can be: what is compiled is kept by the plugin host, and of what is no component only that is
    /// remembered which is still wanted.
    pub(crate) fn bound(&mut self, wanted: impl Fn(&String) -> bool) {
        // With more to come nothing is let go: what was refused together with one that is still missing may be wanted again.
        if self.coming.is_empty() {
            self.ready.clear();
        }
        self.refused.retain(|digest, _| wanted(digest));
    }
}

/// The tries in vain of all components: each is counted, and told at most once in [`TELL_EVERY`].
#[derive(Debug)]
struct Waits {
    applied: watch::Sender<Applied>,
    told: Mutex<Option<Instant>>,
}

impl Waits {
    /// Counts a try; whether it is to be told.
    fn add(&self, now: Instant) -> bool {
        self.applied.send_modify(|applied| applied.component_waits = applied.component_waits.saturating_add(1));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY);
        if due {
            *told = Some(now);
        }
        due
    }

    /// A component could not be read or compiled, and something may help: counts and tells it, and pauses.
    async fn pause(&self, plugin: PluginId, error: &(dyn core::error::Error + Sync)) {
        if self.add(Instant::now()) {
            let tries = self.applied.borrow().component_waits;
            tracing::warn!(%plugin, %error, tries, "a component waits to be compiled; what was bound before stays");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Reads a component and compiles it, away from the threads that serve calls.
async fn compiled(
    (db, waits): (&Db, &Waits),
    plugins: plugin::Host,
    plugin: PluginId,
) -> Result<Arc<Artifact>, String> {
    let bytes = Arc::new(read(db, waits, plugin).await?);
    loop {
        let (plugins, bytes) = (plugins.clone(), Arc::clone(&bytes));
        let compiled = tokio::task::spawn_blocking(move || plugins.compile(&bytes)).await;
        let failed = |_| Err(plugin::ArtifactError::Rejected("the compiler failed on it".to_owned()));
        match compiled.unwrap_or_else(failed) {
            Err(error) if error.is_passing() => waits.pause(plugin, &error).await,
            compiled => return compiled.map_err(|error| error.to_string()),
        }
    }
}

/// Reads a component, for as long as the database may come back.
async fn read(db: &Db, waits: &Waits, plugin: PluginId) -> Result<Vec<u8>, String> {
    loop {
        match db.plugins().bytes(&OpContext::platform(), plugin).await {
            Err(error) if error.is_passing() => waits.pause(plugin, &error).await,
            read => return read.map_err(|error| error.to_string()),
        }
    }
}

fn digest(hex: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(Digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits() -> (Waits, watch::Receiver<Applied>) {
        let (applied, told) = watch::channel(Applied::default());
        (Waits { applied, told: Mutex::default() }, told)
    }

    #[test]
    fn every_try_in_vain_is_counted_and_one_a_minute_is_told() {
        let ((waits, applied), begin) = (waits(), Instant::now());
        let told = (0..180).filter(|second| waits.add(begin + Duration::from_secs(*second)));
        assert_eq!(told.collect::<Vec<_>>(), [0, 60, 120]);
        assert_eq!(applied.borrow().component_waits, 180);
    }

    #[tokio::test]
    async fn a_component_waits_for_the_database_and_that_shows() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("a.db").display())).await.unwrap();
        let (waits, mut applied) = waits();
        let waits = Arc::new(waits);
        let nobody = read(&db, &waits, PluginId(7)).await;
        assert!(nobody.is_err_and(|why| !why.is_empty()), "that there is no such plugin is no reason to wait");
        assert_eq!(applied.borrow().component_waits, 0);
        db.close().await;
        let own = Arc::clone(&waits);
        let reading = tokio::spawn(async move { read(&db, &own, PluginId(7)).await });
        applied.wait_for(|applied| applied.component_waits > 0).await.unwrap();
        assert!(waits.told.lock().unwrap().is_some(), "the first is told at once");
        assert!(!reading.is_finished(), "it goes on waiting");
        reading.abort();
    }

    #[test]
    fn a_digest_is_read_back_from_its_hex() {
        let text = "00ff".to_owned() + &"ab".repeat(30);
        assert_eq!(digest(&text).unwrap().to_string(), text);
        assert_eq!(digest("00"), None);
        assert_eq!(digest(&"zz".repeat(32)), None);
    }
}
