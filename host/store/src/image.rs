//! Images of the directory: the first is read whole, each one after it differs by the rows that changed since.
//!
//! An image stands at a change number and knows the mark of that number. The next look asks the log of changes what came
//! after; if the mark is not there any more, this is not the history that the image came from (a failover lost something, a
//! backup was restored, the log was cut), and everything is read anew. See decision 0316.

use crate::news::{self, Found, Noun, Reader};
use crate::partly::{self, Now};
use crate::{Db, StoreError};
use model::{BrandId, Directory, Holder, LookupError, Row, RowId, RuleId};
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
    /// It is not there at all: none of its phones works.
    pub lost: bool,
}

/// The directory at one moment, and what of it is older.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The facts.
    pub directory: Directory,
    /// Where the store stood.
    pub stand: Stand,
    /// The tenants that have a row without meaning: their facts are the last that were whole, but for what has been taken from
    /// them since. Of one that never was whole there is what has a meaning, and its calls to the outside may be barred
    /// ([`Directory::is_barred`]).
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
        let Whole { directory, held, .. } = whole(&mut reader).await?;
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
            let whole = whole(&mut reader).await?;
            let rows = whole.directory.rows_len();
            tx.commit().await?;
            let (directory, held) = whole.after(&since.directory);
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

/// Everything as it was read.
#[derive(Default)]
struct Whole {
    directory: Directory,
    held: BTreeMap<Holder, Held>,
    /// The rows that are not in the directory: what they say, as far as it has a meaning.
    left_out: BTreeMap<RowId, Option<Box<Row>>>,
}

impl Whole {
    /// With the facts of held tenants as they were before, as far as they are known and nothing of it was taken since.
    fn after(mut self, before: &Directory) -> (Directory, BTreeMap<Holder, Held>) {
        let holders: BTreeSet<Holder> = self.held.keys().copied().collect();
        let fresh = self.directory.clone();
        self.directory.keep(before, &holders);
        let there = holders.iter().copied().filter(|holder| partly::is_there(before, *holder)).collect();
        let mut known: BTreeMap<Holder, BTreeSet<RowId>> = BTreeMap::new();
        for (id, holder) in self.directory.rows_of(&there) {
            known.entry(holder).or_default().insert(id);
        }
        for (holder, ids) in known {
            partly::narrow(&mut self.directory, holder, &ids, |id| match self.left_out.get(&id) {
                Some(row) => row.clone().map_or(Now::Unread, Now::Row),
                None if fresh.holder(id) == Some(holder) => {
                    fresh.row(id).map_or(Now::Gone, |row| Now::Row(Box::new(row)))
                }
                None => Now::Gone,
            });
        }
        partly::note_lost(&self.directory, &mut self.held);
        (self.directory, self.held)
    }
}

/// Reads everything. A row without meaning is left out, or put in as far as it has one; its tenant is held.
async fn whole(reader: &mut Reader<'_>) -> Result<Whole, StoreError> {
    let mut whole = Whole::default();
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
                let (id, holder, brand) = (found.id, found.holder, found.brand);
                let Err(short) = partly::put(&mut whole.directory, found) else { continue };
                whole.held.entry(holder).or_insert(Held { brand, row: id, why: short.why, lost: false });
                if whole.directory.holder(id) != Some(holder) {
                    whole.left_out.insert(id, short.left);
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
        if let Err(loose) = whole.directory.check_rules(&[id]) {
            let row = RowId::Rule(id);
            whole.held.entry(holder).or_insert(Held { brand, row, why: loose.to_string(), lost: false });
            partly::bar(&mut whole.directory, row, holder);
        }
    }
    partly::note_lost(&whole.directory, &mut whole.held);
    Ok(whole)
}

/// Why the changes of a tenant cannot be made.
struct Fault {
    /// The row without meaning.
    row: RowId,
    why: String,
    /// Some were made before it was found.
    begun: bool,
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
            match self.applied(&mut directory, holder, &ids) {
                Ok(()) => {
                    directory.unbar(holder);
                    held.remove(&holder);
                }
                Err(Fault { row, why, begun }) => {
                    if begun {
                        directory.keep(&self.since.directory, &BTreeSet::from([holder]));
                    }
                    self.fell_short(&mut directory, holder, &ids);
                    let brand = self.brands.get(&holder).copied().unwrap_or(BrandId(0));
                    held.insert(holder, Held { brand, row, why, lost: false });
                }
            }
        }
        partly::note_lost(&directory, &mut held);
        (directory, held)
    }

    /// A row as it was found, if it is this holder's.
    fn row(&self, id: RowId, holder: Holder) -> Option<&Found> {
        self.found.get(&id).filter(|found| found.holder == holder)
    }

    /// Makes the changes of one tenant.
    ///
    /// # Errors
    /// [`Fault`], of the first that has no meaning.
    fn applied(&self, directory: &mut Directory, holder: Holder, ids: &BTreeSet<RowId>) -> Result<(), Fault> {
        let unread = |id: &RowId| {
            let why = self.row(*id, holder)?.row.as_ref().err()?.to_string();
            Some(Fault { row: *id, why, begun: false })
        };
        if let Some(unread) = ids.iter().find_map(unread) {
            return Err(unread);
        }
        let mut rules = false;
        for id in ids {
            rules |= matches!(id, RowId::Rule(_));
            match self.row(*id, holder).and_then(Found::known) {
                None => directory.take(*id, holder),
                Some(row) => {
                    let fault = |loose: LookupError| Fault { row: *id, why: loose.to_string(), begun: true };
                    directory.put(row.clone()).map_err(fault)?;
                }
            }
        }
        if let (true, Holder::Company(company)) = (rules, holder) {
            directory.check_rules_of(company).map_err(|loose| {
                let LookupError::Dangling { id, .. } = loose;
                Fault { row: RowId::Rule(RuleId(id)), why: loose.to_string(), begun: true }
            })?;
        }
        Ok(())
    }

    /// Not all changes of a tenant have a meaning. One that was there stays as it was, but for what was taken from it; of one
    /// that is seen for the first time there is what has a meaning.
    fn fell_short(&self, directory: &mut Directory, holder: Holder, ids: &BTreeSet<RowId>) {
        if partly::is_there(&self.since.directory, holder) {
            return partly::narrow(directory, holder, ids, |id| match self.row(id, holder) {
                None => Now::Gone,
                Some(found) => found.known().cloned().map_or(Now::Unread, |row| Now::Row(Box::new(row))),
            });
        }
        for found in ids.iter().filter_map(|id| self.row(*id, holder)) {
            // Why it falls short is known.
            let _told = partly::put(directory, found.clone());
        }
        if let Holder::Company(company) = holder
            && directory.check_rules_of(company).is_err()
        {
            directory.bar(RowId::Company(company));
        }
    }
}
