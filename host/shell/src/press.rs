//! Components on their way to be compiled. One takes seconds, so it is done beside the feed, one after the other: other
//! tenants' changes do not wait for it, and what is bound meanwhile stays bound.

use core::time::Duration;
use model::PluginId;
use plugin::{Artifact, Digest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Db, OpContext};
use tokio::sync::{Semaphore, mpsc};

/// The pause after the database failed.
const RETRY: Duration = Duration::from_secs(1);

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
    outcomes: (mpsc::UnboundedSender<Outcome>, mpsc::UnboundedReceiver<Outcome>),
}

impl Press {
    /// From this database for this plugin host.
    pub(crate) fn new(db: &Db, plugins: &plugin::Host) -> Press {
        Press {
            db: db.clone(),
            plugins: plugins.clone(),
            coming: BTreeSet::new(),
            ready: BTreeMap::new(),
            refused: BTreeMap::new(),
            turn: Arc::new(Semaphore::new(1)),
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
            let (hex, outcomes) = (hex.to_owned(), self.outcomes.0.clone());
            tokio::spawn(async move {
                let _turn = turn.acquire_owned().await;
                let outcome = compiled(&db, plugins, plugin).await;
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

/// Reads a component and compiles it, away from the threads that serve calls.
async fn compiled(db: &Db, plugins: plugin::Host, plugin: PluginId) -> Result<Arc<Artifact>, String> {
    let bytes = loop {
        match db.plugins().bytes(&OpContext::platform(), plugin).await {
            Ok(bytes) => break bytes,
            Err(error) if error.is_passing() => tokio::time::sleep(RETRY).await,
            Err(error) => return Err(error.to_string()),
        }
    };
    let bytes = Arc::new(bytes);
    loop {
        let (plugins, bytes) = (plugins.clone(), Arc::clone(&bytes));
        let compiled = tokio::task::spawn_blocking(move || plugins.compile(&bytes)).await;
        let failed = |_| Err(plugin::ArtifactError::Rejected("the compiler failed on it".to_owned()));
        match compiled.unwrap_or_else(failed) {
            Err(error) if error.is_passing() => {
                tracing::warn!(%plugin, %error, "a component waits to be compiled");
                tokio::time::sleep(RETRY).await;
            }
            compiled => return compiled.map_err(|error| error.to_string()),
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
    use super::digest;

    #[test]
    fn a_digest_is_read_back_from_its_hex() {
        let text = "00ff".to_owned() + &"ab".repeat(30);
        assert_eq!(digest(&text).unwrap().to_string(), text);
        assert_eq!(digest("00"), None);
        assert_eq!(digest(&"zz".repeat(32)), None);
    }
}
