//! The database handle: cheap to clone, one door to every noun.

use crate::apart::Refusals;
use crate::sql::{Arg, Listed, Pools, Row, Statement, Tx};
use crate::{
    Accounts, Archives, Audit, Bindings, Brands, Cdrs, Companies, Ddis, Explanations, Extensions, Faxes, Idempotency,
    Identities, JobRuns, Jobs, Ledger, Logins, MailHosts, Mails, OutgoingRoutes, People, PluginKeys, Plugins, Policies,
    PrefixTables, Recordings, RouteGroups, RoutePatterns, RouteTags, Rules, SecretKey, Settlements, StoreError,
    Timetables, Tokens, TranslationSets, Trunks, VoiceBoxes, Wallets, feed::Watch, open,
};
use std::sync::Arc;

/// An open database with the newest schema.
///
/// # Invariants
/// All clones share the pools and the watch task; the task ends with the last clone.
#[derive(Clone, Debug)]
pub struct Db {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) pools: Pools,
    pub(crate) watch: Watch,
    pub(crate) key: Option<SecretKey>,
    pub(crate) apart: Refusals,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The watch task waits on it: it ends now, not with its next poll.
        self.watch.nudge();
    }
}

impl Db {
    /// Opens `sqlite:PATH` (made if it is not there) or `postgres://USER@HOST/DATABASE`, and brings the schema up to
    /// date.
    ///
    /// # Errors
    /// One sentence each: a URL that is none, a database that does not answer, one that is broken, one whose schema is
    /// newer than this program.
    pub async fn open(url: &str) -> Result<Db, StoreError> {
        Db::open_keyed(url, None).await
    }

    /// As [`Db::open`], with the key that secrets are sealed with. Without one no secret can be written or read.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open_keyed(url: &str, key: Option<SecretKey>) -> Result<Db, StoreError> {
        let pools = open::open(url).await?;
        Ok(Db { inner: Arc::new(Inner { pools, watch: Watch::default(), key, apart: Refusals::default() }) })
    }

    /// Closes the pools and waits until their connections are gone; without it SQLite leaves its `-wal` file behind.
    pub async fn close(&self) {
        match &self.inner.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// `sqlite` or `postgres`.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        match &self.inner.pools {
            Pools::Sqlite { .. } => "sqlite",
            Pools::Postgres(_) => "postgres",
        }
    }

    /// The brands.
    #[must_use]
    pub const fn brands(&self) -> Brands<'_> {
        Brands(self)
    }

    /// The companies.
    #[must_use]
    pub const fn companies(&self) -> Companies<'_> {
        Companies(self)
    }

    /// The accounts.
    #[must_use]
    pub const fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }

    /// The extensions.
    #[must_use]
    pub const fn extensions(&self) -> Extensions<'_> {
        Extensions(self)
    }

    /// The public numbers.
    #[must_use]
    pub const fn ddis(&self) -> Ddis<'_> {
        Ddis(self)
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> Rules<'_> {
        Rules(self)
    }

    /// Who vouches for callers' numbers, by brand.
    #[must_use]
    pub const fn identities(&self) -> Identities<'_> {
        Identities(self)
    }

    /// The trunks.
    #[must_use]
    pub const fn trunks(&self) -> Trunks<'_> {
        Trunks(self)
    }

    /// The faxes.
    #[must_use]
    pub const fn faxes(&self) -> Faxes<'_> {
        Faxes(self)
    }

    /// The recordings.
    #[must_use]
    pub const fn recordings(&self) -> Recordings<'_> {
        Recordings(self)
    }

    /// The translation sets.
    #[must_use]
    pub const fn translation_sets(&self) -> TranslationSets<'_> {
        TranslationSets(self)
    }

    /// The routing patterns.
    #[must_use]
    pub const fn route_patterns(&self) -> RoutePatterns<'_> {
        RoutePatterns(self)
    }

    /// The routing groups.
    #[must_use]
    pub const fn route_groups(&self) -> RouteGroups<'_> {
        RouteGroups(self)
    }

    /// The routing tags.
    #[must_use]
    pub const fn route_tags(&self) -> RouteTags<'_> {
        RouteTags(self)
    }

    /// The outgoing routes.
    #[must_use]
    pub const fn outgoing_routes(&self) -> OutgoingRoutes<'_> {
        OutgoingRoutes(self)
    }

    /// The companies' settings.
    #[must_use]
    pub const fn policies(&self) -> Policies<'_> {
        Policies(self)
    }

    /// The installed plugin versions.
    #[must_use]
    pub const fn plugins(&self) -> Plugins<'_> {
        Plugins(self)
    }

    /// The plugin bindings as the operator edits them; the plugin host reads [`Db::bindings`].
    #[must_use]
    pub const fn plugin_bindings(&self) -> Bindings<'_> {
        Bindings(self)
    }

    /// The prefix tables.
    #[must_use]
    pub const fn prefix_tables(&self) -> PrefixTables<'_> {
        PrefixTables(self)
    }

    /// The voice mailboxes.
    #[must_use]
    pub const fn voice_boxes(&self) -> VoiceBoxes<'_> {
        VoiceBoxes(self)
    }

    /// The hosts that take mail.
    #[must_use]
    pub const fn mail_hosts(&self) -> MailHosts<'_> {
        MailHosts(self)
    }

    /// The mail that is to be sent.
    #[must_use]
    pub const fn mails(&self) -> Mails<'_> {
        Mails(self)
    }

    /// Files of records that left the database.
    #[must_use]
    pub const fn archives(&self) -> Archives<'_> {
        Archives(self)
    }

    /// The call detail records.
    #[must_use]
    pub const fn cdrs(&self) -> Cdrs<'_> {
        Cdrs(self)
    }

    /// Why calls went where they went.
    #[must_use]
    pub const fn explanations(&self) -> Explanations<'_> {
        Explanations(self)
    }

    /// What the switch does with companies' money.
    #[must_use]
    pub const fn ledger(&self) -> Ledger<'_> {
        Ledger(self)
    }

    /// Wallets, as operators see them.
    #[must_use]
    pub const fn wallets(&self) -> Wallets<'_> {
        Wallets(self)
    }

    /// Answered legs that wait for their price.
    #[must_use]
    pub const fn settlements(&self) -> Settlements<'_> {
        Settlements(self)
    }

    /// What plugins keep.
    #[must_use]
    pub const fn plugin_keys(&self) -> PluginKeys<'_> {
        PluginKeys(self)
    }

    /// The people who log in.
    #[must_use]
    pub const fn people(&self) -> People<'_> {
        People(self)
    }

    /// The open logins.
    #[must_use]
    pub const fn logins(&self) -> Logins<'_> {
        Logins(self)
    }

    /// The audit log.
    #[must_use]
    pub const fn audit(&self) -> Audit<'_> {
        Audit(self)
    }

    /// The requests that carry a key of their client.
    #[must_use]
    pub const fn idempotency(&self) -> Idempotency<'_> {
        Idempotency(self)
    }

    /// Bytes that only holders of the secrets' key know, for one purpose; none without a key.
    #[must_use]
    pub fn derived_key(&self, purpose: &str) -> Option<[u8; 32]> {
        self.inner.key.as_ref().map(|key| key.derive(purpose))
    }

    /// The jobs, as their tenants see them.
    #[must_use]
    pub const fn jobs(&self) -> Jobs<'_> {
        Jobs(self)
    }

    /// The jobs, as those who do them see them.
    #[must_use]
    pub const fn job_runs(&self) -> JobRuns<'_> {
        JobRuns(self)
    }

    /// The jobs that come again and again.
    #[must_use]
    pub const fn timetables(&self) -> Timetables<'_> {
        Timetables(self)
    }

    /// The API tokens.
    #[must_use]
    pub const fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    pub(crate) async fn all<T: Row>(&self, s: Statement, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        match crate::batch::reading().await? {
            Some(mut batch) => batch.all(s, args).await,
            None => self.inner.pools.all(s, args).await,
        }
    }

    pub(crate) async fn all_of<T: Row>(&self, s: Listed, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        match crate::batch::reading().await? {
            Some(mut batch) => batch.all_of(s, args).await,
            None => self.inner.pools.all_of(s, args).await,
        }
    }

    pub(crate) async fn one<T: Row>(&self, s: Statement, args: &[Arg<'_>]) -> Result<Option<T>, StoreError> {
        match crate::batch::reading().await? {
            Some(mut batch) => batch.one(s, args).await,
            None => self.inner.pools.one(s, args).await,
        }
    }

    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        match crate::batch::part().await? {
            Some(part) => Ok(Tx::Part(Box::new(part))),
            None => self.inner.pools.begin_write().await,
        }
    }

    /// Wakes [`Db::watch`] without waiting for its poll.
    pub(crate) fn woken(&self) {
        self.inner.watch.nudge();
    }

    /// Commits a change that the switch may have to hear of, and wakes [`Db::watch`] without waiting for its poll.
    pub(crate) async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        let mut tx = tx;
        let noted = crate::acting::note(&mut tx).await?;
        tx.commit().await?;
        if let Some((act, line)) = noted {
            act.has_line(line);
        }
        self.inner.watch.nudge();
        Ok(())
    }

    /// One write of one statement that gives one row, or none where the scope or the row is missing.
    pub(crate) async fn write_one<T: Row>(&self, s: Statement, args: &[Arg<'_>]) -> Result<T, StoreError> {
        let mut tx = self.begin().await?;
        let row = tx.one(s, args).await?.ok_or(StoreError::NotFound { what: s.what })?;
        self.commit(tx).await?;
        Ok(row)
    }

    /// One write of one statement that must touch a row.
    pub(crate) async fn write(&self, s: Statement, args: &[Arg<'_>]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if tx.run(s, args).await? == 0 {
            return Err(StoreError::NotFound { what: s.what });
        }
        self.commit(tx).await
    }
}
