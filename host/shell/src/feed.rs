//! The feed: whatever the store holds is live in the shard and in the plugin host within a second.

use crate::command::Command;
use crate::countries::CountryFile;
use crate::inboxes::Inboxes;
use crate::loader::{Loader, Loading};
use crate::press::{Component, Press};
use crate::proofs::Trust;
use crate::rates::Tables;
use bundle::Manifest;
use core::time::Duration;
use model::{BrandId, Directory, Holder, Recourse, Signer};
use plugin::{Artifact, BindingSpec, Grants, Point, Reuse, Secret, TrialSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{BoundPlugin, BoundTrial, ClearConfig, Db, Held, Image, News, OnFailure, Stand, StoreError};
use tokio::sync::watch;

/// The first pause after the database failed; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How often images that were replaced are looked at, as long as somebody still has one.
const LET_GO_EVERY: Duration = Duration::from_secs(1);

/// How far the feed is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Applied {
    /// The store's change number that is live.
    pub(crate) version: u64,
    /// The last question ([`Feed::asked`]) that came before what is live was read.
    pub(crate) looked: u64,
    /// Why newer facts cannot be had; `None` while all is well.
    pub(crate) stale: Option<String>,
    /// Tenants whose facts are older than the store's, because a row of theirs has no meaning.
    pub(crate) held: Arc<BTreeMap<Holder, Held>>,
    /// Companies of which nothing could be made at the start and nothing could since.
    pub(crate) lost: BTreeSet<Holder>,
    /// Bindings that are not live, with the reason.
    pub(crate) broken: Vec<(String, String)>,
    /// Brands of which components are being compiled.
    pub(crate) compiling: BTreeSet<BrandId>,
    /// Brands of which prefix tables are being read.
    pub(crate) loading: Loading,
    /// Tries in vain of components to be compiled, since the start: the database or the compiler failed.
    pub(crate) component_waits: u64,
    /// How many times everything was read, and how many rows were read one by one.
    pub(crate) read: ReadFigures,
}

/// What the feed has read since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ReadFigures {
    /// Times that everything was read.
    pub(crate) whole: u64,
    /// Times that only changed rows were.
    pub(crate) steps: u64,
    /// Changed rows that were read.
    pub(crate) rows: u64,
}

/// # Invariants
/// `applied` moves only after the plugin host and the shards hold that version.
pub(crate) struct Feed {
    pub(crate) db: Db,
    pub(crate) plugins: plugin::Host,
    pub(crate) inboxes: Inboxes,
    pub(crate) applied: watch::Sender<Applied>,
    /// Moves with each question whether what is stored is live.
    pub(crate) asked: watch::Receiver<u64>,
    /// What compiles components.
    pub(crate) press: Press,
    /// What is bound.
    pub(crate) bound: Vec<BindingSpec>,
    /// The bindings are to be looked at again: a component is compiled.
    pub(crate) rebind: bool,
    /// What reads prefix tables.
    pub(crate) tables: Loader,
    /// The facts that are live, as the store gave them.
    pub(crate) image: Image,
    /// What signs for brands.
    pub(crate) signers: BTreeMap<BrandId, Arc<dyn Signer>>,
    /// The facts that are live.
    pub(crate) live: watch::Sender<Arc<Directory>>,
    /// Images that are not live any more and that somebody may still have.
    pub(crate) replaced: Vec<Arc<Directory>>,
    /// Which country an address belongs to; looked at with each change of the store.
    pub(crate) countries: CountryFile,
    /// Who is believed about callers, and what signs for ours.
    pub(crate) trust: Arc<Trust>,
}

impl Feed {
    /// Follows the store until the shard is gone.
    pub(crate) async fn follow(mut self) {
        let mut stands = self.db.watch();
        let mut asked = self.asked.clone();
        let mut retry = RETRY_FIRST;
        loop {
            let (seen, question) = (*stands.borrow_and_update(), *asked.borrow_and_update());
            let behind = seen != self.image.stand && seen != Stand::default();
            let (looked, stale) = (self.applied.borrow().looked, self.applied.borrow().stale.is_some());
            if behind || question > looked || stale || self.rebind {
                match self.apply(question).await {
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
                changed = stands.changed() => if changed.is_err() { return },
                () = self.press.pressed() => self.rebind = true,
                changed = asked.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LET_GO_EVERY), if !self.replaced.is_empty() => self.let_go(),
                () = self.inboxes.closed() => return,
            }
        }
    }

    fn failed(&self, error: &StoreError) {
        if self.applied.borrow().stale.is_none() {
            tracing::warn!(%error, "the store's news cannot be read; the switch goes on with what it knows");
        }
        self.applied.send_modify(|applied| applied.stale = Some(error.to_string()));
    }

    /// What the store's facts are with what the node adds: the operator's table of countries, keys, hooks of plugins,
    /// prices.
    async fn complete(&mut self, directory: Directory) -> Arc<Directory> {
        let directory = directory.with_countries(self.countries.current().await).with_signers(self.signers.clone());
        let rates = Tables(self.plugins.prefix_tables().clone());
        Arc::new(directory.with_hooks(self.plugins.hooks()).with_rates(Arc::new(rates)))
    }

    /// Reads everything for the first time, before there is a shard.
    pub(crate) async fn begin(&mut self) -> Result<Arc<Directory>, StoreError> {
        self.image = self.db.image().await?;
        self.signers = self.trust.take(&self.db.identities().every().await?);
        self.tables.begin().await?;
        let mut bindings = self.bind().await?;
        while !bindings.coming.is_empty() {
            self.press.pressed().await;
            bindings = self.bind().await?;
        }
        let directory = self.complete(self.image.directory.clone()).await;
        tell_held(&BTreeMap::new(), &self.image.held, AT_START);
        self.live.send_replace(Arc::clone(&directory));
        let held = Arc::clone(&self.image.held);
        let lost = held.iter().filter(|(_, held)| held.lost).map(|(holder, _)| *holder).collect();
        let version = directory.version();
        let component_waits = self.applied.borrow().component_waits;
        let broken = bindings.broken;
        self.applied.send_replace(Applied { version, held, lost, broken, component_waits, ..Applied::default() });
        Ok(directory)
    }

    /// Reads what has changed and makes it live; whether the shards are still there.
    async fn apply(&mut self, question: u64) -> Result<bool, StoreError> {
        let news = self.db.news(&self.image).await?;
        let moved = news.image.stand != self.image.stand;
        if self.rebind || moved {
            if news.identities {
                self.signers = self.trust.take(&self.db.identities().every().await?);
            }
            let mut bindings = None;
            if self.rebind || news.bindings {
                bindings = Some(self.bind().await?);
                self.rebind = false;
            }
            let directory = self.complete(news.image.directory.clone()).await;
            if !self.swap(&directory).await {
                return Ok(false);
            }
            let version = directory.version();
            tracing::debug!(version, rows = news.rows, whole = news.whole, "the directory is live");
            tell_held(&self.image.held, &news.image.held, SINCE);
            self.tables.ask(&news.prefix_tables);
            self.applied.send_modify(|applied| {
                applied.version = version;
                applied.held = Arc::clone(&news.image.held);
                applied.lost.retain(|holder| news.image.held.get(holder).is_some_and(|held| held.lost));
                if moved {
                    applied.read.count(&news);
                }
                if let Some(bindings) = bindings {
                    applied.broken = bindings.broken;
                    applied.compiling = bindings.coming;
                }
            });
            // The rows that it alone has are freed where nobody waits for it.
            let before = core::mem::replace(&mut self.image, news.image);
            drop(tokio::task::spawn_blocking(move || drop(before)));
        }
        self.applied.send_modify(|applied| {
            applied.looked = question;
            applied.stale = None;
        });
        Ok(true)
    }

    /// Gives every shard the new image, and takes the old one back to be dropped here; whether the shards are there.
    async fn swap(&mut self, directory: &Arc<Directory>) -> bool {
        self.replaced.push(self.live.send_replace(Arc::clone(directory)));
        let there = self.inboxes.ask(|done| Command::Directory(Arc::clone(directory), done)).await.is_ok();
        self.let_go();
        there
    }

    /// Drops the images that nobody else has any more, on a thread that serves no calls.
    fn let_go(&mut self) {
        let free: Vec<_> = self.replaced.extract_if(.., |image| Arc::strong_count(image) == 1).collect();
        if !free.is_empty() {
            drop(tokio::task::spawn_blocking(move || drop(free)));
        }
    }

    /// Makes the store's bindings those of the plugin host. One whose component is still being compiled stays as it was, and
    /// is not there if it is new.
    async fn bind(&mut self) -> Result<Bindings, StoreError> {
        let rows = self.db.bindings().await?;
        let (mut specs, mut names) = (Vec::new(), BTreeSet::new());
        let mut bindings = Bindings::default();
        for row in &rows {
            let outcome = match self.press.component(&row.digest, row.plugin) {
                Component::Ready(artifact) => spec(row, artifact, &mut names),
                Component::Refused(why) => Err(why),
                Component::Coming => {
                    bindings.coming.insert(row.brand);
                    let before = self.bound.iter().find(|spec| spec.id == row.binding);
                    let is_free = |spec: &&BindingSpec| names.insert((spec.scope, spec.point, spec.name.clone()));
                    specs.extend(before.filter(is_free).cloned());
                    continue;
                }
            };
            match outcome {
                Ok(mut spec) => {
                    spec.trial = row.trial.as_ref().and_then(|trial| self.on_trial(row, trial, &mut bindings));
                    specs.push(spec);
                }
                Err(why) => bindings.broken.push((row.name.clone(), why)),
            }
        }
        for (binding, why) in &bindings.broken {
            if !self.applied.borrow().broken.iter().any(|known| known == &(binding.clone(), why.clone())) {
                tracing::warn!(binding, why, "a plugin binding is not live; the others are");
            }
        }
        match self.plugins.set_bindings(specs.clone()) {
            Ok(_) => self.bound = specs,
            Err(error) => {
                tracing::warn!(%error, "the plugin host refused the bindings; those before stay live");
                bindings.broken.push(("all".to_owned(), error.to_string()));
            }
        }
        let used =
            |hex: &String| rows.iter().any(|r| r.digest == *hex || r.trial.as_ref().is_some_and(|t| t.digest == *hex));
        self.press.bound(used);
        Ok(bindings)
    }

    /// A binding's trial; one that cannot be leaves the binding as it is.
    fn on_trial(&mut self, row: &BoundPlugin, trial: &BoundTrial, bindings: &mut Bindings) -> Option<TrialSpec> {
        let beside = match self.press.component(&trial.digest, trial.plugin) {
            Component::Ready(artifact) => trial_spec(row, trial, artifact),
            Component::Refused(why) => Err(why),
            Component::Coming => {
                bindings.coming.insert(row.brand);
                return None;
            }
        };
        beside
            .inspect_err(|why| tracing::warn!(binding = row.name, trial = trial.name, why, "a trial is not live"))
            .ok()
    }
}

/// How the store's bindings are.
#[derive(Default)]
struct Bindings {
    /// Those that are not live, with the reason.
    broken: Vec<(String, String)>,
    /// Brands of which a component is being compiled.
    coming: BTreeSet<BrandId>,
}

/// What comes of a row without meaning, by when it was read.
const AT_START: &str = "its tenant may call emergency numbers and nobody else outside";
const SINCE: &str = "its tenant's facts stay as they were, but for what was taken from it";

/// Says of whom a row has no meaning, and who is well again: once each.
fn tell_held(before: &BTreeMap<Holder, Held>, now: &BTreeMap<Holder, Held>, comes: &str) {
    for (tenant, held) in now.iter().filter(|(tenant, held)| before.get(tenant) != Some(held)) {
        let comes = if held.lost { "none of its tenant's phones works" } else { comes };
        tracing::error!(%tenant, row = %held.row, why = held.why, "a stored row has no meaning: {comes}");
    }
    for tenant in before.keys().filter(|tenant| !now.contains_key(tenant)) {
        tracing::info!(%tenant, "the tenant's rows can be read again");
    }
}

impl ReadFigures {
    fn count(&mut self, news: &News) {
        if news.whole {
            self.whole += 1;
        } else {
            self.steps += 1;
            self.rows += news.rows as u64;
        }
    }
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
    checked("the", &row.config)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if row.name.is_empty() || row.name.len() > 64 || !row.name.chars().all(legal) {
        return Err("its name needs 1 to 64 letters, digits, `-` and `_`".to_owned());
    }
    let scope = plugin::Scope { brand: row.brand, company: row.company, account: row.account };
    if !names.insert((scope, point, row.name.clone())) {
        return Err(format!("another {point} binding of the same scope bears its name"));
    }
    if row.account.is_some() && matches!(point, Point::EventSink | Point::Rater) {
        return Err("an event sink or a rater serves a brand or a company, not one account".to_owned());
    }
    let manifest = manifest(row.manifest.as_deref())?;
    if point == Point::Feature && manifest.as_ref().is_none_or(|m| m.feature.codes.is_empty()) {
        return Err(
            "a feature needs codes in its manifest (`[feature] codes` in plugin.toml): install a bundle".to_owned()
        );
    }
    Ok(BindingSpec {
        id: row.binding,
        name: row.name.clone(),
        scope,
        point,
        priority: i32::try_from(row.priority).unwrap_or(if row.priority < 0 { i32::MIN } else { i32::MAX }),
        plugin: format!("{}@{}", row.plugin_name, row.version),
        artifact,
        config_json: row.config.as_str().to_owned(),
        config_secrets: row.config.secrets().clone(),
        grants: grants(manifest.as_ref(), &row.operator_grants, &row.scope_grants)?,
        secrets: row.secrets.iter().map(|(n, s)| (n.clone(), Secret::new(s.reveal().to_owned()))).collect(),
        reuse: reuse(manifest.as_ref(), point),
        codes: manifest.map(|m| m.feature.codes).unwrap_or_default(),
        mandatory: row.mandatory,
        recourse: recourse(row.on_failure.as_deref())?,
        trial: None,
    })
}

/// Whether a configuration can be given to a plugin.
fn checked(whose: &str, config: &ClearConfig) -> Result<(), String> {
    if let Some(place) = config.lost().first() {
        return Err(format!("what {whose} configuration has at {place} was sealed with another key"));
    }
    let read = serde_json::from_str::<serde::de::IgnoredAny>(config.as_str());
    read.map(drop).map_err(|error| format!("{whose} configuration is not JSON: {error}"))
}

/// The version on trial, as the host wants it. It must serve the binding's point.
fn trial_spec(row: &BoundPlugin, trial: &BoundTrial, artifact: Arc<Artifact>) -> Result<TrialSpec, String> {
    if !artifact.points().iter().any(|p| p.name() == row.point) {
        return Err(format!("{} does not export {}", trial.name, row.point));
    }
    checked("its", &trial.config)?;
    let manifest = manifest(trial.manifest.as_deref())?;
    Ok(TrialSpec {
        plugin: trial.name.clone(),
        artifact,
        config_json: trial.config.as_str().to_owned(),
        config_secrets: trial.config.secrets().clone(),
        percent: trial.percent,
        begun: trial.begun,
        over: trial.over,
        reuse: manifest.as_ref().map(|m| m.reuse(&row.point)).unwrap_or_default(),
        grants: grants(manifest.as_ref(), &trial.operator_grants, &row.scope_grants)?,
    })
}

/// A component without a manifest says nothing about it.
fn reuse(manifest: Option<&Manifest>, point: Point) -> Reuse {
    manifest.map(|m| m.reuse(point.name())).unwrap_or_default()
}

/// What a caller gets whose app fails; a binding that says nothing has the switch's own apology.
fn recourse(text: Option<&str>) -> Result<Recourse, String> {
    let read =
        |text| serde_json::from_str(text).map_err(|e| format!("what is to be done when it fails makes no sense: {e}"));
    let said: OnFailure = text.map(read).transpose()?.unwrap_or_default();
    Ok(Recourse { plugin: String::new(), apology: said.apology, fallback: said.fallback, restart: said.restart })
}

fn manifest(text: Option<&str>) -> Result<Option<Manifest>, String> {
    let read = |text| serde_json::from_str(text).map_err(|e| format!("the stored manifest makes no sense: {e}"));
    text.map(read).transpose()
}

/// What a binding may use: what its manifest asks for, as far as the platform's operator and the binding's scope allow.
/// An operator who has said nothing allows what stays within the switch; a scope that has said nothing agrees.
fn grants(manifest: Option<&Manifest>, operator: &Option<String>, scope: &Option<String>) -> Result<Grants, String> {
    let Some(manifest) = manifest else { return Ok(Grants::default()) };
    let read = |who, text: &Option<String>, unsaid: Grants| match text {
        Some(text) => serde_json::from_str(text).map_err(|e| format!("the {who}'s grants make no sense: {e}")),
        None => Ok(unsaid),
    };
    let operator = read("operator", operator, Grants::within())?;
    let scope = read("scope", scope, operator.clone())?;
    Ok(manifest.needs.meet(&operator).meet(&scope))
}

#[cfg(test)]
mod tests {
    use super::{grants, manifest as manifest_of};

    #[test]
    fn a_binding_may_what_manifest_operator_and_scope_allow() {
        let asks = r#"{"id":"p","version":"1.0.0","wit":"0.1.0","provides":[{"point":"routing/router"}],
            "needs":{"kv":["a","b"],"http":[{"host":"h.test"}]}}"#;
        let granted = |manifest: Option<&str>, operator, scope| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let read = manifest_of(manifest).unwrap();
            serde_json::to_string(&grants(read.as_ref(), &own(operator), &own(scope)).unwrap()).unwrap()
        };
        let http = r#""http":[{"host":"h.test","methods":["GET"]}]"#;
        assert_eq!(granted(None, Some(r#"{"kv":["*"]}"#), None), "{}", "who asks for nothing gets nothing");
        assert_eq!(granted(Some(asks), None, None), r#"{"kv":["a","b"]}"#, "nothing outward unless it was said");
        let operator = r#"{"kv":["*"],"http":[{"host":"*.test"},{"host":"h.test"}]}"#;
        assert_eq!(granted(Some(asks), Some(operator), None), format!(r#"{{"kv":["a","b"],{http}}}"#));
        assert_eq!(granted(Some(asks), Some(operator), Some(r#"{"kv":["b"]}"#)), r#"{"kv":["b"]}"#);
        let asking = manifest_of(Some(asks)).unwrap();
        assert!(grants(asking.as_ref(), &Some(r#"{"kvs":[]}"#.to_owned()), &None).is_err());
    }
}
