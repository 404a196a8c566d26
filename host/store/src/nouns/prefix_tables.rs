//! Prefix tables: a brand's prices, carriers and the like by number, for plugins to look up. Kept as the text they came
//! in; the switch builds its own form in memory.

use super::outgoing_routes;
use super::translation_sets::brands_own;
use crate::listing::{Column, Filter, Found, Listing, Owner, Wanted};
use crate::sql::{args, instant, micros, statements};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{BrandId, Instant};

/// Most tables of a brand.
const TABLES_MAX: i64 = 32;

macro_rules! columns {
    () => {
        "id, brand_id, name, row_count, digest, loaded_at"
    };
}

statements! { "prefix table";
    PUT = concat!("INSERT INTO prefix_tables (brand_id, name, row_count, digest, loaded_at, body)
        SELECT id, $4, CAST($5 AS BIGINT), $6, CAST($7 AS BIGINT), $8 FROM brands WHERE id = $3 AND ",
        brands_own!("id"), " ON CONFLICT (brand_id, name) DO UPDATE SET row_count = excluded.row_count,
        digest = excluded.digest, loaded_at = excluded.loaded_at, body = excluded.body RETURNING ", columns!());
    COUNT = "SELECT COUNT(*) FROM prefix_tables WHERE brand_id = $1 AND name <> $2";
    DELETE = concat!("DELETE FROM prefix_tables WHERE id = $3 AND ", brands_own!("brand_id"));
    EVERY = concat!("SELECT ", columns!(), " FROM prefix_tables ORDER BY id");
    BODY = "SELECT body FROM prefix_tables WHERE id = $1";
}

pub(crate) static LISTING: Listing = Listing {
    what: "prefix table",
    columns: columns!(),
    from: "prefix_tables",
    owner: Owner::Brand("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::number("brand", "brand_id"),
        Column::number("rows", "row_count"),
        Column::number("loaded_at", "loaded_at"),
    ],
    filters: &[Filter::brand("brand_id"), Filter::name_begins("name")],
};

#[derive(sqlx::FromRow)]
struct TableRow {
    id: i64,
    brand_id: i64,
    name: String,
    row_count: i64,
    digest: String,
    loaded_at: i64,
}

/// A prefix table, without its rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrefixTableRow {
    /// The row.
    pub id: i64,
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of its text, 64 hex digits.
    pub digest: String,
    /// When it was loaded.
    pub loaded_at: Instant,
}

impl From<TableRow> for PrefixTableRow {
    fn from(row: TableRow) -> Self {
        PrefixTableRow {
            id: row.id,
            brand: BrandId(row.brand_id),
            name: row.name,
            rows: u64::try_from(row.row_count).unwrap_or_default(),
            digest: row.digest,
            loaded_at: instant(row.loaded_at),
        }
    }
}

/// A table to be loaded. The caller has read its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPrefixTable {
    /// Its brand.
    pub brand: BrandId,
    /// The name.
    pub name: String,
    /// How many rows the text has.
    pub rows: usize,
    /// The text, as [`tables::PrefixTable::from_csv`] reads it.
    pub csv: String,
    /// Now.
    pub loaded_at: Instant,
}

/// The operations on prefix tables.
#[derive(Clone, Copy, Debug)]
pub struct PrefixTables<'a>(pub(crate) &'a Db);

impl PrefixTables<'_> {
    /// Loads a table, in place of the brand's one of that name.
    ///
    /// # Errors
    /// A company's operator; the brand is not in scope; the name breaks a rule; the brand has too many tables.
    pub async fn load(&self, ctx: &OpContext, new: NewPrefixTable) -> Result<PrefixTableRow, StoreError> {
        ctx.needs_brand("load a prefix table")?;
        check::name("prefix table name", &new.name)?;
        self.0.brands().get(ctx, new.brand).await?;
        let digest = super::plugins::digest(new.csv.as_bytes());
        let rows = i64::try_from(new.rows).unwrap_or(i64::MAX);
        let (at, body) = (micros(new.loaded_at), new.csv.as_bytes());
        let mut tx = self.0.begin().await?;
        let others = tx.one::<(i64,)>(COUNT, &[new.brand.0.into(), (&new.name).into()]).await?.map_or(0, |(n,)| n);
        if others >= TABLES_MAX {
            let why = format!("the brand has {TABLES_MAX} already, which is the most");
            return Err(StoreError::Invalid { what: "prefix table", why });
        }
        let put = args![ctx, new.brand.0, &new.name, rows, &digest, at, body];
        let row = tx.one::<TableRow>(PUT, put).await?.ok_or(StoreError::NotFound { what: "brand" })?;
        self.0.commit(tx).await?;
        Ok(row.into())
    }

    /// A page of the tables in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<PrefixTableRow>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: TableRow| Ok(row.into())).await
    }

    /// The tables in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<PrefixTableRow>, StoreError> {
        let wanted = Wanted::page(&LISTING, page);
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Removes a table that no outgoing route takes prices from.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::UsedBy`]; a company's operator.
    pub async fn delete(&self, ctx: &OpContext, id: i64) -> Result<(), StoreError> {
        ctx.needs_brand("remove a prefix table")?;
        match self.0.write(DELETE, args![ctx, id]).await {
            Err(error) => outgoing_routes::named(self.0, ctx, (error, outgoing_routes::OF_TABLE), id).await,
            Ok(()) => Ok(()),
        }
    }

    /// Every table of the platform, for the switch.
    ///
    /// # Errors
    /// The database failed.
    pub async fn every(&self) -> Result<Vec<PrefixTableRow>, StoreError> {
        Ok(self.0.all::<TableRow>(EVERY, &[]).await?.into_iter().map(PrefixTableRow::from).collect())
    }

    /// A table's text, for the switch; `None` where it is gone or no text.
    ///
    /// # Errors
    /// The database failed.
    pub async fn text(&self, id: i64) -> Result<Option<String>, StoreError> {
        let row = self.0.one::<(Vec<u8>,)>(BODY, &[id.into()]).await?;
        Ok(row.and_then(|(bytes,)| String::from_utf8(bytes).ok()))
    }
}
