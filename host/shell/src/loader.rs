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
            Some(tables) => tables.load(|_| ()).await,
            None => Ok(()),
        }
    }

    /// Has the tables read again because those of these brands have changed; until then `applied` says that they are being
    /// read.
    pub(crate) fn ask(&mut self, brands: &BTreeSet<BrandId>) {
        if brands.is_empty() {
            return;
        }
        if let Some(tables) = self.tables.take() {
            tokio::spawn(tables.follow(self.asked.subscribe(), self.applied.clone()));
        }
        // Noted before it is asked: who reads must find what it is to take off.
        let question = *self.asked.borrow() + 1;
        self.applied.send_modify(|applied| applied.loading.extend(brands.iter().map(|brand| (*brand, question))));
        self.asked.send_replace(question);
    }
}

impl Tables {
    /// Reads whenever it is asked, until nobody can ask any more.
    async fn follow(mut self, mut asked: watch::Receiver<u64>, applied: watch::Sender<Applied>) {
        let mut done = 0;
        loop {
            let question = *asked.borrow_and_update();
            if question > done {
                let ready = |waits: &dyn Fn(BrandId) -> bool| {
                    applied.send_modify(|applied| {
                        applied.loading.retain(|brand, waits_for| *waits_for > question || waits(*brand));
                    });
                };
                match self.load(ready).await {
                    Ok(()) => done = question,
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

    /// Makes the store's prefix tables those of the plugin host, brand by brand, those with the fewest rows to read first.
    /// `ready` is told which brands still wait, whenever there are fewer.
    ///
    /// # Errors
    /// The database failed; trying again may help.
    async fn load(&mut self, ready: impl Fn(&dyn Fn(BrandId) -> bool)) -> Result<(), StoreError> {
        let rows = self.db.prefix_tables().every().await?;
        let gone: Vec<_> = self.live.keys().filter(|k| !rows.iter().any(|r| is_of(r, k))).cloned().collect();
        for (brand, name) in gone {
            self.plugins.prefix_tables().set(brand, &name, None);
            self.live.remove(&(brand, name));
        }
        let mut wanted: BTreeMap<BrandId, Vec<PrefixTableRow>> = BTreeMap::new();
        for row in rows {
            if self.live.get(&(row.brand, row.name.clone())) != Some(&row.digest) {
                wanted.entry(row.brand).or_default().push(row);
            }
        }
        ready(&|brand| wanted.contains_key(&brand));
        let size = |rows: &Vec<PrefixTableRow>| rows.iter().map(|row| row.rows).sum::<u64>();
        while let Some((brand, _)) = wanted.iter().min_by_key(|(_, rows)| size(rows)) {
            let brand = *brand;
            for row in wanted.remove(&brand).unwrap_or_default() {
                self.load_one(row).await?;
            }
            ready(&|brand| wanted.contains_key(&brand));
        }
        Ok(())
    }

    /// One table. One that is none leaves the one before, and is told once.
    ///
    /// # Errors
    /// The database failed; trying again may help.
    async fn load_one(&mut self, row: PrefixTableRow) -> Result<(), StoreError> {
        let place = (row.brand, row.name);
        let text = match self.db.prefix_tables().text(row.id).await {
            Ok(Some(text)) => Ok(text),
            // Gone since: the next change tells.
            Ok(None) => return Ok(()),
            Err(error) if error.is_passing() => return Err(error),
            Err(error) => Err(error.to_string()),
        };
        let parsed = match text {
            Ok(text) => match tokio::task::spawn_blocking(move || PrefixTable::from_csv(&text)).await {
                Ok(table) => table.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Err(why) => Err(why),
        };
        match parsed {
            Ok(table) => {
                tracing::info!(brand = %place.0, table = place.1, rows = table.len(), "a prefix table is live");
                self.plugins.prefix_tables().set(place.0, &place.1, Some(Arc::new(table)));
            }
            Err(why) => tracing::warn!(brand = %place.0, table = place.1, why, "a stored prefix table is none"),
        }
        self.live.insert(place, row.digest);
        Ok(())
    }
}

fn is_of(row: &PrefixTableRow, (brand, name): &(BrandId, String)) -> bool {
    row.brand == *brand && row.name == *name
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::DefaultVerdict;
    use sqlx::Connection;
    use store::{NewBrand, NewPrefixTable, OpContext};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_table_that_cannot_be_read_holds_up_no_other_and_each_brand_is_ready_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("store.db").display());
        let db = Db::open(&url).await.unwrap();
        let platform = OpContext::platform();
        let mut brands = Vec::new();
        for (name, rows) in [("large", 3), ("bad", 1), ("small", 2)] {
            let new = NewBrand { name: name.to_owned(), default_verdict: DefaultVerdict::Refuse };
            let brand = db.brands().create(&platform, new).await.unwrap().id;
            let csv: String = (0..rows).map(|n| format!("4{n},1\n")).collect();
            let csv = format!("prefix,value\n{csv}");
            let loaded_at = model::Instant::from_unix_nanos(0);
            let new = NewPrefixTable { brand, name: "rates".to_owned(), rows, csv, loaded_at };
            db.prefix_tables().load(&platform, new).await.unwrap();
            brands.push(brand);
        }
        let (large, bad, small) = (brands[0], brands[1], brands[2]);
        let mut raw = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("UPDATE prefix_tables SET body = 7 WHERE brand_id = $1")
            .bind(bad.0)
            .execute(&mut raw)
            .await
            .unwrap();
        let plugins = plugin::Host::new(plugin::HostConfig::default()).unwrap();
        let mut tables = Tables { db: db.clone(), plugins: plugins.clone(), live: BTreeMap::new() };
        let waiting = std::sync::Mutex::new(Vec::new());
        let ready = |waits: &dyn Fn(BrandId) -> bool| {
            waiting.lock().unwrap().push([large, bad, small].map(waits));
        };
        tables.load(ready).await.unwrap();
        let live = |brand| plugins.prefix_tables().get(brand, "rates").is_some();
        assert_eq!([live(large), live(bad), live(small)], [true, false, true]);
        let expected = [[true, true, true], [true, false, true], [true, false, false], [false, false, false]];
        assert_eq!(*waiting.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn a_brand_that_is_being_read_is_noted_before_the_reader_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("store.db").display())).await.unwrap();
        let plugins = plugin::Host::new(plugin::HostConfig::default()).unwrap();
        let applied = watch::Sender::new(Applied::default());
        let mut loader = Loader::new(&db, &plugins, applied.clone());
        let mut asked = loader.asked.subscribe();
        for turn in 1..20 {
            loader.ask(&BTreeSet::from([BrandId(1)]));
            assert_eq!(*asked.borrow_and_update(), turn);
            applied.subscribe().wait_for(|applied| applied.loading.is_empty()).await.unwrap();
        }
    }
}
