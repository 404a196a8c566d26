//! Prefix tables on their way from the store to the plugin host. A table may have a million rows, so it is read beside the
//! feed: other tenants' changes do not wait for it.

use crate::feed::Applied;
use core::time::Duration;
use model::BrandId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Db, PrefixTableRow, StoreError};
use tables::PrefixTable;
use tokio::sync::watch;

/// The pause after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// Brands of which tables are being read, each with the number of the question that it waits for.
pub(crate) type Loading = BTreeMap<BrandId, u64>;

/// # Invariants
/// One task reads at a time, so of two versions of a table the later one stays.
#[derive(Debug)]
pub(crate) struct Loader {
    tables: Option<Tables>,
    asked: watch::Sender<u64>,
    applied: watch::Sender<Applied>,
}

#[derive(Debug)]
struct Tables {
    db: Db,
    plugins: plugin::Host,
    /// The digest of each table that is live, or that was no table.
    live: BTreeMap<(BrandId, String), String>,
}

impl Loader {
    /// From this database to this plugin host; what was read is told to `applied`.
    pub(crate) fn new(db: &Db, plugins: &plugin::Host, applied: watch::Sender<Applied>) -> Loader {
        let tables = Tables { db: db.clone(), plugins: plugins.clone(), live: BTreeMap::new() };
        Loader { tables: Some(tables), asked: watch::Sender::new(0), applied }
    }

    /// Reads every table, and waits for it.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        match &mut self.tables {
            Some(tables) => tables.load().await,
            None => Ok(()),
        }
    }

    /// Has the tables read again because those of these brands have changed.
    pub(crate) fn ask(&mut self, brands: &BTreeSet<BrandId>) -> Loading {
        if brands.is_empty() {
            return Loading::new();
        }
        if let Some(tables) = self.tables.take() {
            tokio::spawn(tables.follow(self.asked.subscribe(), self.applied.clone()));
        }
        self.asked.send_modify(|asked| *asked += 1);
        let asked = *self.asked.borrow();
        brands.iter().map(|brand| (*brand, asked)).collect()
    }
}

impl Tables {
    /// Reads whenever it is asked, until nobody can ask any more.
    async fn follow(mut self, mut asked: watch::Receiver<u64>, applied: watch::Sender<Applied>) {
        let mut done = 0;
        loop {
            let question = *asked.borrow_and_update();
            if question > done {
                match self.load().await {
                    Ok(()) => {
                        done = question;
                        applied.send_modify(|applied| applied.loading.retain(|_, waits_for| *waits_for > question));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the prefix tables cannot be read; those before stay live");
                        tokio::time::sleep(RETRY).await;
                    }
                }
                continue;
            }
            if asked.changed().await.is_err() {
                return;
            }
        }
    }

    /// Makes the store's prefix tables those of the plugin host.
    async fn load(&mut self) -> Result<(), StoreError> {
        let rows = self.db.prefix_tables().every().await?;
        let gone: Vec<_> = self.live.keys().filter(|k| !rows.iter().any(|r| is_of(r, k))).cloned().collect();
        for (brand, name) in gone {
            self.plugins.prefix_tables().set(brand, &name, None);
            self.live.remove(&(brand, name));
        }
        for row in rows {
            let place = (row.brand, row.name);
            if self.live.get(&place) == Some(&row.digest) {
                continue;
            }
            // Gone since: the next change tells.
            let Some(text) = self.db.prefix_tables().text(row.id).await? else { continue };
            match tokio::task::spawn_blocking(move || PrefixTable::from_csv(&text)).await {
                Ok(Ok(table)) => {
                    tracing::info!(brand = %place.0, table = place.1, rows = table.len(), "a prefix table is live");
                    self.plugins.prefix_tables().set(place.0, &place.1, Some(Arc::new(table)));
                }
                Ok(Err(error)) => {
                    tracing::warn!(brand = %place.0, table = place.1, %error, "a stored prefix table is none");
                }
                Err(error) => tracing::warn!(table = place.1, %error, "a prefix table could not be read"),
            }
            self.live.insert(place, row.digest);
        }
        Ok(())
    }
}

fn is_of(row: &PrefixTableRow, (brand, name): &(BrandId, String)) -> bool {
    row.brand == *brand && row.name == *name
}
