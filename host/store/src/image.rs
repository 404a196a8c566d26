//! Images of the directory: the first is read whole, each one after it differs by the rows that changed since.
//!
//! An image stands at a change number and knows the mark of that number. The next look asks the log of changes what came
//! after; if the mark is not there any more, this is not the history that the image came from (a failover lost something, a
//! backup was restored, the log was cut), and everything is read anew. See decision 0316.

use crate::news::{self, Found, Noun, Reader};
use crate::{Db, StoreError};
use model::{BrandId, Directory, Holder, LookupError, RowId, RuleId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// More changed rows than this, and more than a quarter of all rows, are not looked for one by one: everything is read.
const NEWS_MIN: usize = 1_000;

/// Where the store stands: its change number, and the mark of that number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stand {
    /// The change number: it moves with every change of the directory or the bindings.
    pub version: u64,
    /// Drawn with the number, so that the same number of another history has another; `None` where the log has nothing of
    /// it, as in a database that was just restored.
    pub mark: Option<i64>,
}

/// Why a tenant's facts are not those of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The tenant's brand.
    pub brand: BrandId,
    /// The row that cannot be used.
    pub row: RowId,
    /// Why, in words.
    pub why: String,
}

/// The directory at one moment, and what of it is older.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The facts.
    pub directory: Directory,
    /// Where the store stood.
    pub stand: Stand,
    /// The tenants that have a row without meaning: their facts are the last that were whole. One that never was whole is not
    /// there; of a brand that was read for the first time only the row itself is missing.
    pub held: Arc<BTreeMap<Holder, Held>>,
}

/// What has changed since an image.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// The image of now.
    pub image: Image,
    /// Everything was read anew.
    pub whole: bool,
    /// How many rows of the directory were looked at.
    pub rows: usize,
    /// Something about bindings has changed.
    pub bindings: bool,
    /// Brands of which a prefix table has changed.
    pub prefix_tables: BTreeSet<BrandId>,
    /// Who vouches for callers has changed.
    pub identities: bool,
}

#[derive(sqlx::FromRow)]
struct StandRow {
    version: i64,
    mark: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct MarkRow {
    mark: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct Entry {
    noun: String,
    row_id: i64,
    brand_id: i64,
    company_id: i64,
}

fn stand_of(row: Option<StandRow>) -> Result<Stand, StoreError> {
    let stand = row.and_then(|row| Some(Stand { version: u64::try_from(row.version).ok()?, mark: row.mark }));
    crate::sql::stored("change number", stand)
}

impl Db {
    /// Where the store stands now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn stand(&self) -> Result<Stand, StoreError> {
        stand_of(self.one(news::STAND, &[]).await?)
    }

    /// The change number: it moves with every change of the directory or the bindings.
    ///
    /// # Errors
    /// The database failed.
    pub async fn version(&self) -> Result<u64, StoreError> {
        Ok(self.stand().await?.version)
    }

    /// The directory of the whole platform as one consistent snapshot, with its version.
    ///
    /// # Errors
    /// The database failed or a row has no meaning.
    pub async fn directory(&self) -> Result<Directory, StoreError> {
        let image = self.image().await?;
        match image.held.values().next() {
            None => Ok(image.directory),
            Some(held) => Err(StoreError::Refused { why: format!("{}: {}", held.row, held.why) }),
        }
    }

    /// The same, where a row without meaning holds up its own tenant only.
    ///
    /// # Errors
    /// The database failed.
    pub async fn image(&self) -> Result<Image, StoreError> {
        let mut tx = self.inner.pools.begin_snapshot().await?;
        let stand = stand_of(tx.one(news::STAND, &[]).await?)?;
        let mut reader = Reader { tx: &mut tx, key: self.inner.key.as_ref() };
        let (directory, held) = whole(&mut reader).await?;
        tx.commit().await?;
        Ok(Image { directory: directory.at_version(stand.version), stand, held: Arc::new(held) })
    }

    /// What has changed since this image: read row by row where the log of changes goes back so far, else everything.
    ///
    /// # Errors
    /// The database failed.
    pub async fn news(&self, since: &Image) -> Result<News, StoreError> {
        let mut tx = self.inner.pools.begin_snapshot().await?;
        let stand = stand_of(tx.one(news::STAND, &[]).await?)?;
        if stand == since.stand {
            return Ok(News { image: since.clone(), ..News::default() });
        }
        let mut reader = Reader { tx: &mut tx, key: self.inner.key.as_ref() };
        let Some(entries) = entries(&mut reader, since, stand).await? else {
            let (mut directory, held) = whole(&mut reader).await?;
            let rows = directory.rows_len();
            tx.commit().await?;
            directory.keep(&since.directory, &held.keys().copied().collect());
            let brands = directory.brands().map(|brand| brand.id).collect();
            let image = Image { directory: directory.at_version(stand.version), stand, held: Arc::new(held) };
            return Ok(News { image, whole: true, rows, bindings: true, prefix_tables: brands, identities: true });
        };
        let of = |noun: &'static str| entries.iter().filter(move |e| e.noun == noun);
        let mut news = News {
            bindings: of("binding").next().is_some(),
            prefix_tables: of("prefix-table").map(|e| BrandId(e.brand_id)).collect(),
            identities: of("identity").next().is_some(),
            ..News::default()
        };
        let mut step = Step::new(since, &entries);
        step.read(&mut reader).await?;
        tx.commit().await?;
        news.rows = step.changed.values().flatten().collect::<BTreeSet<_>>().len();
        let (directory, held) = step.apply();
        let held = if held == *since.held { Arc::clone(&since.held) } else { Arc::new(held) };
        news.image = Image { directory: directory.at_version(stand.version), stand, held };
        Ok(news)
    }
}

/// What the log has of changes since the image; `None` where everything is to be read.
async fn entries(reader: &mut Reader<'_>, since: &Image, now: Stand) -> Result<Option<Vec<Entry>>, StoreError> {
    let (Ok(version), Some(mark)) = (i64::try_from(since.stand.version), since.stand.mark) else { return Ok(None) };
    if now.version <= since.stand.version {
        return Ok(None);
    }
    // What the log has of a version is forgotten before what it has of later ones: with the mark all that came after is there.
    let known: Option<MarkRow> = reader.tx.one(news::MARK, &[version.into()]).await?;
    if known.and_then(|row| row.mark) != Some(mark) {
        return Ok(None);
    }
    let most = NEWS_MIN + since.directory.rows_len() / 4;
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let entries: Vec<Entry> = reader.tx.all(news::SINCE, &[version.into(), limit.into()]).await?;
    let known = |entry: &Entry| {
        Noun::from_word(&entry.noun).is_some() || ["binding", "prefix-table", "identity"].contains(&&*entry.noun)
    };
    Ok((entries.len() <= most && entries.iter().all(known)).then_some(entries))
}

/// Reads everything. A row without meaning takes its company out, and of a brand's own nothing but itself.
async fn whole(reader: &mut Reader<'_>) -> Result<(Directory, BTreeMap<Holder, Held>), StoreError> {
    let (mut directory, mut held) = (Directory::default(), BTreeMap::new());
    let mut rules = Vec::new();
    for noun in Noun::ALL {
        let mut after = 0;
        loop {
            let page = reader.page(noun, after).await?;
            let last = page.last().map(|found| found.number);
            for found in page {
                if let RowId::Rule(id) = found.id {
                    rules.push((id, found.holder, found.brand));
                }
                let Found { id, holder, brand, row, .. } = found;
                let put = row.map_err(|e| e.to_string()).and_then(|row| directory.put(row).map_err(|e| e.to_string()));
                if let Err(why) = put {
                    held.entry(holder).or_insert(Held { brand, row: id, why });
                }
            }
            match last {
                Some(last) => after = last,
                None => break,
            }
            // The runtime's other tasks have their turn.
            tokio::task::yield_now().await;
        }
    }
    for (id, holder, brand) in rules {
        if let Err(loose) = directory.check_rules(&[id]) {
            held.entry(holder).or_insert(Held { brand, row: RowId::Rule(id), why: loose.to_string() });
        }
    }
    let out: BTreeSet<Holder> = held.keys().copied().filter(|holder| matches!(holder, Holder::Company(_))).collect();
    if !out.is_empty() {
        for (id, holder) in directory.rows_of(&out) {
            directory.take(id, holder);
        }
    }
    Ok((directory, held))
}

/// The way from one image to the next.
struct Step<'a> {
    since: &'a Image,
    /// The rows that changed, by whose they were or are.
    changed: BTreeMap<Holder, BTreeSet<RowId>>,
    /// Tenants that are read whole, because they were held.
    healing: BTreeSet<Holder>,
    brands: BTreeMap<Holder, BrandId>,
    wanted: BTreeMap<Noun, BTreeSet<i64>>,
    found: BTreeMap<RowId, Found>,
}

impl<'a> Step<'a> {
    fn new(since: &'a Image, entries: &[Entry]) -> Step<'a> {
        let mut step = Step {
            since,
            changed: BTreeMap::new(),
            healing: BTreeSet::new(),
            brands: BTreeMap::new(),
            wanted: BTreeMap::new(),
            found: BTreeMap::new(),
        };
        for entry in entries {
            let Some(noun) = Noun::from_word(&entry.noun) else { continue };
            let brand = BrandId(entry.brand_id);
            let holder = news::holder(brand, entry.company_id);
            step.brands.insert(holder, brand);
            step.changed.entry(holder).or_default().insert(noun.row(entry.row_id));
            step.wanted.entry(noun).or_default().insert(entry.row_id);
        }
        let touched = |(holder, held): &(&Holder, &Held)| {
            step.changed.contains_key(*holder) || step.changed.contains_key(&Holder::Brand(held.brand))
        };
        step.healing = since.held.iter().filter(touched).map(|(holder, _)| *holder).collect();
        for holder in &step.healing {
            if let Some(held) = since.held.get(holder) {
                step.brands.insert(*holder, held.brand);
            }
        }
        step
    }

    async fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), StoreError> {
        for (noun, ids) in &self.wanted {
            let found = reader.some(*noun, ids).await?;
            self.found.extend(found.into_iter().map(|found| (found.id, found)));
        }
        for holder in &self.healing {
            let all = self.changed.entry(*holder).or_default();
            for found in reader.of(*holder).await? {
                all.insert(found.id);
                self.found.insert(found.id, found);
            }
        }
        Ok(())
    }

    fn apply(mut self) -> (Directory, BTreeMap<Holder, Held>) {
        let mut directory = self.since.directory.clone();
        let mut held = (*self.since.held).clone();
        if !self.healing.is_empty() {
            for (id, holder) in directory.rows_of(&self.healing) {
                self.changed.entry(holder).or_default().insert(id);
            }
        }
        // Brands come before companies.
        for (holder, ids) in core::mem::take(&mut self.changed) {
            match self.applied(&directory, holder, &ids) {
                Ok(next) => {
                    directory = next;
                    held.remove(&holder);
                }
                Err((row, why)) => {
                    let brand = self.brands.get(&holder).copied().unwrap_or(BrandId(0));
                    held.insert(holder, Held { brand, row, why });
                }
            }
        }
        (directory, held)
    }

    /// The directory with the changes of one tenant, all or none.
    fn applied(
        &self,
        directory: &Directory,
        holder: Holder,
        ids: &BTreeSet<RowId>,
    ) -> Result<Directory, (RowId, String)> {
        let mut next = directory.clone();
        let mut rules = false;
        for id in ids {
            rules |= matches!(id, RowId::Rule(_));
            match self.found.get(id).filter(|found| found.holder == holder) {
                None => next.take(*id, holder),
                Some(found) => {
                    let row = found.row.clone().map_err(|e| (*id, e.to_string()))?;
                    next.put(row).map_err(|e| (*id, e.to_string()))?;
                }
            }
        }
        if let (true, Holder::Company(company)) = (rules, holder) {
            next.check_rules_of(company).map_err(|loose| {
                let LookupError::Dangling { id, .. } = loose;
                (RowId::Rule(RuleId(id)), loose.to_string())
            })?;
        }
        Ok(next)
    }
}
