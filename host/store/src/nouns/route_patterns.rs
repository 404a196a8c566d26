//! Routing patterns: numbers of a brand's calls to the outside that begin alike.

use super::outgoing_routes::named;
use super::translation_sets::brands_own;
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Statement, Tx, args, statements};
use crate::{Db, OpContext, StoreError, check};
use model::{BrandId, RoutePattern, RoutePatternId, Routing};

macro_rules! columns {
    () => {
        "id, brand_id, name, prefix, special"
    };
}

statements! { "routing pattern";
    CREATE = concat!("INSERT INTO route_patterns (brand_id, name, prefix, special)
        SELECT id, $4, $5, CAST($6 AS BOOLEAN) FROM brands WHERE id = $3 AND ", brands_own!("id"), " RETURNING ", columns!());
    COUNT = "SELECT COUNT(*) FROM route_patterns WHERE brand_id = $1";
    GET = concat!("SELECT ", columns!(), " FROM route_patterns WHERE id = $3 AND ", brands_own!("brand_id"));
    UPDATE = concat!("UPDATE route_patterns SET name = $4, prefix = $5, special = $6 WHERE id = $3 AND ",
        brands_own!("brand_id"), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM route_patterns WHERE id = $3 AND ", brands_own!("brand_id"));
    USER = concat!("SELECT 'routing group ' || g.name AS name FROM route_group_patterns p JOIN route_groups g ON g.id = p.group_id
        WHERE p.pattern_id = $3 AND ", brands_own!("p.brand_id"), " UNION ALL
        SELECT 'outgoing route ' || name FROM outgoing_routes WHERE pattern_id = $3 AND ", brands_own!("brand_id"), " LIMIT 1");
}

pub(crate) static LISTING: Listing = Listing {
    what: "routing pattern",
    columns: columns!(),
    from: "route_patterns",
    owner: Owner::Brand("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::text("prefix", "prefix"),
        Column::number("brand", "brand_id"),
    ],
    filters: &[
        Filter::brand("brand_id"),
        Filter::name_begins("name"),
        Filter::new("prefix", "prefix", Test::BeginsNumber, "Whose prefix begins with this, with its `+` or without."),
        Filter::new("special", "special", Test::Truth, "Only those that are neither rated nor recorded, or are."),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct PatternRow {
    id: i64,
    brand_id: i64,
    name: String,
    prefix: String,
    special: bool,
}

impl From<PatternRow> for RoutePattern {
    fn from(row: PatternRow) -> Self {
        RoutePattern {
            id: RoutePatternId(row.id),
            brand: BrandId(row.brand_id),
            name: row.name,
            prefix: row.prefix,
            special: row.special,
        }
    }
}

/// Refuses a row that was just written where its brand has too many now.
pub(crate) async fn within(
    tx: &mut Tx,
    count: Statement,
    brand: i64,
    (what, most): (&'static str, usize),
) -> Result<(), StoreError> {
    let there = tx.one::<(i64,)>(count, &[brand.into()]).await?.map_or(0, |(n,)| n);
    if usize::try_from(there).is_ok_and(|there| there <= most) {
        return Ok(());
    }
    Err(StoreError::Invalid { what, why: format!("the brand has {most} already, which is the most") })
}

/// Removes a row of a brand's; where another names it, the refusal says which.
pub(crate) async fn remove(
    db: &Db,
    ctx: &OpContext,
    (delete, user): (Statement, Statement),
    id: i64,
) -> Result<(), StoreError> {
    match db.write(delete, args![ctx, id]).await {
        Err(refusal) => named(db, ctx, (refusal, user), id).await,
        Ok(()) => Ok(()),
    }
}

/// The operations on routing patterns.
#[derive(Clone, Copy, Debug)]
pub struct RoutePatterns<'a>(pub(crate) &'a Db);

impl RoutePatterns<'_> {
    /// Makes a pattern; its id is not looked at.
    ///
    /// # Errors
    /// A company's operator; the brand is not in scope; the name or the prefix is taken or breaks a rule; the brand has
    /// [`Routing::PATTERNS_MAX`].
    pub async fn create(&self, ctx: &OpContext, new: &RoutePattern) -> Result<RoutePattern, StoreError> {
        ctx.needs_brand("make a routing pattern")?;
        check::route_pattern(new)?;
        let mut tx = self.0.begin().await?;
        let made = args![ctx, new.brand.0, &new.name, &new.prefix, new.special];
        let row = tx.one::<PatternRow>(CREATE, made).await?.ok_or(StoreError::NotFound { what: "brand" })?;
        within(&mut tx, COUNT, row.brand_id, ("routing pattern", Routing::PATTERNS_MAX)).await?;
        self.0.commit(tx).await?;
        Ok(row.into())
    }

    /// One pattern.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: RoutePatternId) -> Result<RoutePattern, StoreError> {
        let row = self.0.one::<PatternRow>(GET, args![ctx, id.0]).await?;
        Ok(row.ok_or(StoreError::NotFound { what: "routing pattern" })?.into())
    }

    /// A page of the patterns in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<RoutePattern>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: PatternRow| Ok(row.into())).await
    }

    /// Changes everything but the brand.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a company's operator; the name or the prefix is taken or breaks a rule.
    pub async fn update(&self, ctx: &OpContext, pattern: &RoutePattern) -> Result<RoutePattern, StoreError> {
        ctx.needs_brand("change a routing pattern")?;
        check::route_pattern(pattern)?;
        let args = args![ctx, pattern.id.0, &pattern.name, &pattern.prefix, pattern.special];
        Ok(self.0.write_one::<PatternRow>(UPDATE, args).await?.into())
    }

    /// Removes a pattern that no group and no route names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::UsedBy`]; a company's operator.
    pub async fn delete(&self, ctx: &OpContext, id: RoutePatternId) -> Result<(), StoreError> {
        ctx.needs_brand("remove a routing pattern")?;
        remove(self.0, ctx, (DELETE, USER), id.0).await
    }
}
