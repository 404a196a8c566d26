//! The feed: what the switch and the plugin host keep in memory, and the wake-up when it changed.
//!
//! Triggers move `changes.version` in the same transaction as any change of the directory or the bindings, and note which
//! row it was ([`Db::news`]), so a snapshot read together with its version is never newer than the version says. SQLite is
//! asked every 250 ms, because
//! another process (a client command) may have written; PostgreSQL sends a notification, with a slow poll as a net.
//! Own commits wake the watch at once on both.

use crate::sql::{Pools, statements};
use crate::{Bindings, ClearConfig, ConfigOwner, Db, PlainSecret, Stand, StoreError, db::Inner};
use model::{AccountId, BindingId, BrandId, CompanyId, PluginId};
use sqlx::postgres::PgListener;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How often SQLite is asked for the version.
const POLL_SQLITE: Duration = Duration::from_millis(250);
/// How often PostgreSQL is asked for the version although it should have told.
const POLL_POSTGRES: Duration = Duration::from_secs(5);
/// How often it is asked for while the database is away.
const POLL_AWAY: Duration = Duration::from_millis(500);
/// The channel that the trigger function notifies.
const CHANNEL: &str = "strowger_changes";

// The whole platform on purpose: a node routes for every tenant.
statements! { "binding";
    BOUND = "SELECT b.id, b.brand_id, b.company_id, b.account_id, b.name, b.point, b.priority, b.config, b.plugin_id,
        p.name AS plugin_name, p.version, p.digest, p.manifest, p.granted AS operator_grants,
        b.granted AS scope_grants, b.mandatory, b.on_failure, b.trial_plugin_id, b.trial_config, b.trial_percent,
        COALESCE(b.trial_begun_at, 0) AS trial_begun, b.trial_over_at IS NOT NULL AS trial_over,
        t.name AS trial_name, t.version AS trial_version, t.digest AS trial_digest, t.manifest AS trial_manifest,
        t.granted AS trial_grants
        FROM bindings b JOIN plugins p ON p.id = b.plugin_id LEFT JOIN plugins t ON t.id = b.trial_plugin_id
        ORDER BY b.brand_id, b.priority, b.id";
}

/// A binding with the plugin version it binds, as the plugin host needs it. The component's bytes are fetched once per
/// digest with [`crate::Plugins::bytes`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundPlugin {
    /// The binding.
    pub binding: BindingId,
    /// The binding's name.
    pub name: String,
    /// The brand whose calls it sees.
    pub brand: BrandId,
    /// Only this company's calls; `None` = every company of the brand.
    pub company: Option<CompanyId>,
    /// Only what this account of the company does; `None` = every account.
    pub account: Option<AccountId>,
    /// The plugin point, as `routing/router`.
    pub point: String,
    /// Lower is asked first.
    pub priority: i64,
    /// Configuration, in clear.
    pub config: ClearConfig,
    /// The bound version.
    pub plugin: PluginId,
    /// The plugin's name.
    pub plugin_name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, 64 hex digits.
    pub digest: String,
    /// The manifest of its bundle, JSON.
    pub manifest: Option<String>,
    /// What the platform's operator allows the plugin, JSON.
    pub operator_grants: Option<String>,
    /// What the binding's scope allows it, JSON.
    pub scope_grants: Option<String>,
    /// Whether a failure refuses.
    pub mandatory: bool,
    /// What becomes of a caller whose app fails, JSON of [`crate::OnFailure`].
    pub on_failure: Option<String>,
    /// What only this binding knows, by name.
    pub secrets: BTreeMap<String, PlainSecret>,
    /// A version on trial.
    pub trial: Option<BoundTrial>,
}

/// A version on trial, as the plugin host needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundTrial {
    /// The version's row.
    pub plugin: PluginId,
    /// Its plugin's name and its version, as `extensions@0.1.0`.
    pub name: String,
    /// SHA-256 of the component, 64 hex digits.
    pub digest: String,
    /// The manifest of its bundle, JSON.
    pub manifest: Option<String>,
    /// What the platform's operator allows it, JSON.
    pub operator_grants: Option<String>,
    /// Configuration, in clear.
    pub config: ClearConfig,
    /// How many of a hundred calls it answers.
    pub percent: u8,
    /// When it began, in microseconds.
    pub begun: i64,
    /// It was found to do worse: it is asked no more.
    pub over: bool,
}

#[derive(sqlx::FromRow)]
struct BoundRow {
    id: i64,
    brand_id: i64,
    company_id: Option<i64>,
    account_id: Option<i64>,
    name: String,
    point: String,
    priority: i64,
    config: String,
    plugin_id: i64,
    plugin_name: String,
    version: String,
    digest: String,
    manifest: Option<String>,
    operator_grants: Option<String>,
    scope_grants: Option<String>,
    mandatory: bool,
    on_failure: Option<String>,
    trial_plugin_id: Option<i64>,
    trial_config: Option<String>,
    trial_percent: Option<i64>,
    trial_begun: i64,
    trial_over: bool,
    trial_name: Option<String>,
    trial_version: Option<String>,
    trial_digest: Option<String>,
    trial_manifest: Option<String>,
    trial_grants: Option<String>,
}

impl BoundRow {
    /// A stored configuration of the binding, in clear.
    fn clear(&self, bindings: Bindings<'_>, stored: &str) -> ClearConfig {
        let (company, account) = (self.company_id.map(CompanyId), self.account_id.map(AccountId));
        let owner = ConfigOwner { brand: BrandId(self.brand_id), company, account, name: &self.name };
        bindings.clear_config(owner, stored)
    }

    fn trial(&self, bindings: Bindings<'_>) -> Option<BoundTrial> {
        let (name, version) = (self.trial_name.as_deref()?, self.trial_version.as_deref()?);
        Some(BoundTrial {
            plugin: PluginId(self.trial_plugin_id?),
            name: format!("{name}@{version}"),
            digest: self.trial_digest.clone()?,
            manifest: self.trial_manifest.clone(),
            operator_grants: self.trial_grants.clone(),
            config: self.clear(bindings, self.trial_config.as_deref().unwrap_or("{}")),
            percent: self.trial_percent.and_then(|p| u8::try_from(p).ok()).unwrap_or(0),
            begun: self.trial_begun,
            over: self.trial_over,
        })
    }
}

impl BoundRow {
    fn bound(self, bindings: Bindings<'_>, secrets: BTreeMap<String, PlainSecret>) -> BoundPlugin {
        let row = self;
        BoundPlugin {
            trial: row.trial(bindings),
            config: row.clear(bindings, &row.config),
            binding: BindingId(row.id),
            name: row.name,
            brand: BrandId(row.brand_id),
            company: row.company_id.map(CompanyId),
            account: row.account_id.map(AccountId),
            point: row.point,
            priority: row.priority,
            plugin: PluginId(row.plugin_id),
            plugin_name: row.plugin_name,
            version: row.version,
            digest: row.digest,
            manifest: row.manifest,
            operator_grants: row.operator_grants,
            scope_grants: row.scope_grants,
            mandatory: row.mandatory,
            on_failure: row.on_failure,
            secrets,
        }
    }
}

/// The watch of one database.
///
/// # Invariants
/// At most one task runs, begun by the first [`Db::watch`]; it holds the database weakly and so ends with it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    changed: Arc<Notify>,
    sender: Mutex<Option<watch::Sender<Stand>>>,
    /// Whether the last look at the version failed.
    away: AtomicBool,
}

impl Watch {
    pub(crate) fn nudge(&self) {
        self.changed.notify_one();
    }
}

impl Db {
    /// Every binding of the platform with its plugin version, in the order in which they are asked within a brand.
    ///
    /// # Errors
    /// The database failed.
    pub async fn bindings(&self) -> Result<Vec<BoundPlugin>, StoreError> {
        let bindings = self.plugin_bindings();
        let mut secrets = bindings.every_secret().await?;
        let bound = |row: BoundRow| {
            let secrets = secrets.remove(&BindingId(row.id)).unwrap_or_default();
            row.bound(bindings, secrets)
        };
        Ok(self.all::<BoundRow>(BOUND, &[]).await?.into_iter().map(bound).collect())
    }

    /// Wakes whenever [`Db::stand`] is another, and once at first; holds the newest seen, the version 0 before the first
    /// look. Needs a tokio runtime.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Stand> {
        let mut sender = self.inner.watch.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.get_or_insert_with(|| {
            let (sender, _) = watch::channel(Stand::default());
            tokio::spawn(follow(Arc::downgrade(&self.inner), Arc::clone(&self.inner.watch.changed), sender.clone()));
            sender
        });
        let mut receiver = sender.subscribe();
        // The task may have looked before this receiver was there: its first wake must not depend on who was faster.
        if *receiver.borrow() != Stand::default() {
            receiver.mark_changed();
        }
        receiver
    }

    /// Whether [`Db::watch`] cannot be followed just now, because the database does not answer.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.inner.watch.away.load(Ordering::Acquire)
    }
}

/// Tells every receiver of a new stand until the database handle is gone.
async fn follow(inner: Weak<Inner>, changed: Arc<Notify>, sender: watch::Sender<Stand>) {
    let (poll, mut listener) = match inner.upgrade().map(|inner| inner.pools.clone()) {
        None => return,
        Some(Pools::Sqlite { .. }) => (POLL_SQLITE, None),
        Some(Pools::Postgres(pool)) => (POLL_POSTGRES, Some(Listener { pool, stream: None })),
    };
    let mut away = false;
    loop {
        let Some(held) = inner.upgrade() else { return };
        let db = Db { inner: held };
        let stand = db.stand().await;
        db.inner.watch.away.store(stand.is_err(), Ordering::Release);
        drop(db);
        match stand {
            Ok(stand) => {
                away = false;
                sender.send_if_modified(|known| std::mem::replace(known, stand) != stand);
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "the directory cannot be followed; the switch goes on with what it knows");
                }
            }
        }
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(if away { POLL_AWAY } else { poll }) => {}
            () = told(listener.as_mut()) => {}
        }
    }
}

/// A subscription that is made again when it broke.
struct Listener {
    pool: sqlx::PgPool,
    stream: Option<PgListener>,
}

/// Returns when PostgreSQL told of a change, or the connection broke or was made again; never for SQLite or while it is away.
async fn told(listener: Option<&mut Listener>) {
    let Some(listener) = listener else { return std::future::pending().await };
    if listener.stream.is_none() {
        match subscribe(&listener.pool).await {
            // Changes before the subscription were not told: look once.
            Ok(stream) => listener.stream = Some(stream),
            Err(_) => std::future::pending().await,
        }
        return;
    }
    if let Some(stream) = &mut listener.stream
        && stream.recv().await.is_err()
    {
        // Away, or back already: look once.
        listener.stream = None;
    }
}

async fn subscribe(pool: &sqlx::PgPool) -> Result<PgListener, sqlx::Error> {
    let mut stream = PgListener::connect_with(pool).await?;
    stream.listen(CHANNEL).await?;
    Ok(stream)
}
