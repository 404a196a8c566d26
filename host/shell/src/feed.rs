//! The feed: whatever the store holds is live in the shard and in the plugin host within a second.

use crate::command::Command;
use core::time::Duration;
use model::{Countries, Directory};
use plugin::{Artifact, BindingSpec, Digest, Point};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{BoundPlugin, Db, OpContext, StoreError};
use tokio::sync::{mpsc, oneshot, watch};

/// The first pause after the database failed; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How far the feed is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Applied {
    /// The store's change number that is live.
    pub(crate) version: u64,
    /// Why newer facts cannot be had; `None` while all is well.
    pub(crate) stale: Option<String>,
    /// Bindings that are not live, with the reason.
    pub(crate) broken: Vec<(String, String)>,
}

/// # Invariants
/// `applied` moves only after the plugin host and the shard hold that version.
pub(crate) struct Feed {
    pub(crate) db: Db,
    pub(crate) plugins: plugin::Host,
    pub(crate) inbox: mpsc::Sender<Command>,
    pub(crate) applied: watch::Sender<Applied>,
    /// Digests that do not compile, with the reason, so that each is tried and told once.
    pub(crate) refused: BTreeMap<String, String>,
    /// Which country an address belongs to; read once, at the start.
    pub(crate) countries: Arc<Countries>,
}

impl Feed {
    /// Follows the store until the shard is gone.
    pub(crate) async fn follow(mut self) {
        let mut versions = self.db.watch();
        let mut retry = RETRY_FIRST;
        loop {
            let seen = *versions.borrow_and_update();
            if seen > self.applied.borrow().version || self.applied.borrow().stale.is_some() {
                match self.apply().await {
                    Ok(true) => retry = RETRY_FIRST,
                    Ok(false) => return,
                    Err(error) => {
                        self.failed(&error);
                        tokio::time::sleep(retry).await;
                        retry = (retry * 2).min(RETRY_MAX);
                        continue;
                    }
                }
            }
            tokio::select! {
                changed = versions.changed() => if changed.is_err() { return },
                () = self.inbox.closed() => return,
            }
        }
    }

    fn failed(&self, error: &StoreError) {
        if self.applied.borrow().stale.is_none() {
            tracing::warn!(%error, "the store's news cannot be read; the switch goes on with what it knows");
        }
        self.applied.send_modify(|applied| applied.stale = Some(error.to_string()));
    }

    /// What the store holds, with the operator's table of countries.
    pub(crate) async fn directory(&self) -> Result<Directory, StoreError> {
        Ok(self.db.directory().await?.with_countries(Arc::clone(&self.countries)))
    }

    /// Reads everything once and makes it live; whether the shard is still there.
    async fn apply(&mut self) -> Result<bool, StoreError> {
        let directory = self.directory().await?;
        let version = directory.version();
        let broken = self.bind().await?;
        let (done, live) = oneshot::channel();
        if self.inbox.send(Command::Directory(Arc::new(directory), done)).await.is_err() || live.await.is_err() {
            return Ok(false);
        }
        tracing::debug!(version, "the directory is live");
        self.applied.send_replace(Applied { version, stale: None, broken });
        Ok(true)
    }

    /// Makes the store's bindings those of the plugin host; gives those that cannot be.
    pub(crate) async fn bind(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.db.bindings().await?;
        let (mut specs, mut broken) = (Vec::new(), Vec::new());
        let mut names = BTreeSet::new();
        for row in &rows {
            let outcome = match self.artifact(row).await? {
                Ok(artifact) => spec(row, artifact, &mut names),
                Err(why) => Err(why),
            };
            match outcome {
                Ok(spec) => specs.push(spec),
                Err(why) => broken.push((row.name.clone(), why)),
            }
        }
        for (binding, why) in &broken {
            if !self.applied.borrow().broken.iter().any(|known| known == &(binding.clone(), why.clone())) {
                tracing::warn!(binding, why, "a plugin binding is not live; the others are");
            }
        }
        self.refused.retain(|digest, _| rows.iter().any(|row| row.digest == *digest));
        if let Err(error) = self.plugins.set_bindings(specs) {
            tracing::warn!(%error, "the plugin host refused the bindings; those before stay live");
            broken.push(("all".to_owned(), error.to_string()));
        }
        Ok(broken)
    }

    /// The compiled component of a binding, or why there is none.
    async fn artifact(&mut self, row: &BoundPlugin) -> Result<Result<Arc<Artifact>, String>, StoreError> {
        if let Some(why) = self.refused.get(&row.digest) {
            return Ok(Err(why.clone()));
        }
        if let Some(artifact) = digest(&row.digest).and_then(|d| self.plugins.artifact(d)) {
            return Ok(Ok(artifact));
        }
        let bytes = match self.db.plugins().bytes(&OpContext::platform(), row.plugin).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_passing() => return Err(error),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let plugins = self.plugins.clone();
        let compiled = tokio::task::spawn_blocking(move || plugins.compile(&bytes)).await;
        let why = match compiled {
            Ok(Ok(artifact)) => return Ok(Ok(artifact)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the compiler failed".to_owned(),
        };
        self.refused.insert(row.digest.clone(), why.clone());
        Ok(Err(why))
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

/// One row as the host wants it. The host refuses a set whole, so what it would refuse is sorted out here: one
/// tenant's broken row must not keep the others' from going live.
fn spec(
    row: &BoundPlugin,
    artifact: Arc<Artifact>,
    names: &mut BTreeSet<(plugin::Scope, Point, String)>,
) -> Result<BindingSpec, String> {
    let point = Point::from_name(&row.point).ok_or_else(|| format!("{} is no extension point", row.point))?;
    if !artifact.points().contains(&point) {
        return Err(format!("{}@{} does not export {point}", row.plugin_name, row.version));
    }
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&row.config) {
        return Err(format!("the configuration is not JSON: {error}"));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if row.name.is_empty() || row.name.len() > 64 || !row.name.chars().all(legal) {
        return Err("its name needs 1 to 64 letters, digits, `-` and `_`".to_owned());
    }
    let scope = plugin::Scope { brand: row.brand, company: row.company };
    if !names.insert((scope, point, row.name.clone())) {
        return Err(format!("another {point} binding of the same scope bears its name"));
    }
    Ok(BindingSpec {
        id: row.binding,
        name: row.name.clone(),
        scope,
        point,
        priority: i32::try_from(row.priority).unwrap_or(if row.priority < 0 { i32::MIN } else { i32::MAX }),
        plugin: format!("{}@{}", row.plugin_name, row.version),
        artifact,
        config_json: row.config.clone(),
    })
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
