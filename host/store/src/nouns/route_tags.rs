//! Routing tags: what callers of a brand dial before a number for other routes, and which companies may.

use super::route_patterns::{remove, within};
use super::translation_sets::brands_own;
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Arg, Statement, args, statements};
use crate::{Db, OpContext, StoreError, check};
use model::{BrandId, CompanyId, RouteTag, RouteTagId, Routing};

macro_rules! columns {
    () => {
        "id, brand_id, name, tag, everybody"
    };
}

statements! { "routing tag";
    CREATE = concat!("INSERT INTO route_tags (brand_id, name, tag, everybody)
        SELECT id, $4, $5, CAST($6 AS BOOLEAN) FROM brands WHERE id = $3 AND ", brands_own!("id"), " RETURNING ", columns!());
    COUNT = "SELECT COUNT(*) FROM route_tags WHERE brand_id = $1";
    GET = concat!("SELECT ", columns!(), " FROM route_tags WHERE id = $3 AND ", brands_own!("brand_id"));
    UPDATE = concat!("UPDATE route_tags SET name = $4, tag = $5, everybody = $6 WHERE id = $3 AND ",
        brands_own!("brand_id"), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM route_tags WHERE id = $3 AND ", brands_own!("brand_id"));
    COMPANIES = concat!("SELECT tag_id, company_id FROM route_tag_companies WHERE tag_id >= $3 AND tag_id <= $4 AND ",
        brands_own!("brand_id"), " ORDER BY tag_id, company_id");
    CLEAR = concat!("DELETE FROM route_tag_companies WHERE tag_id = $3 AND ", brands_own!("brand_id"));
    ADD = concat!("INSERT INTO route_tag_companies (tag_id, company_id, brand_id)
        SELECT t.id, c.id, t.brand_id FROM route_tags t JOIN companies c ON c.brand_id = t.brand_id AND c.id = $4
        WHERE t.id = $3 AND ", brands_own!("t.brand_id"));
    USER = concat!("SELECT 'outgoing route ' || name AS name FROM outgoing_routes WHERE tag_id = $3 AND ",
        brands_own!("brand_id"), " LIMIT 1");
}

pub(crate) static LISTING: Listing = Listing {
    what: "routing tag",
    columns: columns!(),
    from: "route_tags",
    owner: Owner::Brand("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::text("tag", "tag"),
        Column::number("brand", "brand_id"),
    ],
    filters: &[
        Filter::brand("brand_id"),
        Filter::name_begins("name"),
        Filter::new("tag", "tag", Test::Begins, "Whose digits begin with this."),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct TagRow {
    pub(crate) id: i64,
    brand_id: i64,
    name: String,
    tag: String,
    everybody: bool,
}

#[derive(sqlx::FromRow)]
pub(crate) struct UserRow {
    pub(crate) tag_id: i64,
    pub(crate) company_id: i64,
}

impl TagRow {
    /// The tag, with its companies out of `users`.
    pub(crate) fn tag(self, users: &[UserRow]) -> RouteTag {
        let own = users.iter().filter(|user| user.tag_id == self.id);
        RouteTag {
            id: RouteTagId(self.id),
            brand: BrandId(self.brand_id),
            name: self.name,
            tag: self.tag,
            everybody: self.everybody,
            companies: own.map(|user| CompanyId(user.company_id)).collect(),
        }
    }
}

/// The operations on routing tags.
#[derive(Clone, Copy, Debug)]
pub struct RouteTags<'a>(pub(crate) &'a Db);

impl RouteTags<'_> {
    /// Makes a tag; its id is not looked at.
    ///
    /// # Errors
    /// A company's operator; the brand is not in scope; the name or the digits are taken or break a rule; a company is not
    /// the brand's; the brand has [`Routing::TAGS_MAX`], or the tag more than [`Routing::TAG_COMPANIES_MAX`].
    pub async fn create(&self, ctx: &OpContext, new: &RouteTag) -> Result<RouteTag, StoreError> {
        ctx.needs_brand("make a routing tag")?;
        match self.save(ctx, CREATE, args![ctx, new.brand.0, &new.name, &new.tag, new.everybody], new).await {
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "brand" }),
            other => other,
        }
    }

    /// Changes everything but the brand; the companies are those that are named and no others.
    ///
    /// # Errors
    /// As [`RouteTags::create`]; [`StoreError::NotFound`].
    pub async fn update(&self, ctx: &OpContext, tag: &RouteTag) -> Result<RouteTag, StoreError> {
        ctx.needs_brand("change a routing tag")?;
        self.save(ctx, UPDATE, args![ctx, tag.id.0, &tag.name, &tag.tag, tag.everybody], tag).await
    }

    async fn save(
        &self,
        ctx: &OpContext,
        statement: Statement,
        args: &[Arg<'_>],
        tag: &RouteTag,
    ) -> Result<RouteTag, StoreError> {
        check::name("name", &tag.name)?;
        check::digits("tag", &tag.tag, 3)?;
        check::at_most("companies", tag.companies.len(), Routing::TAG_COMPANIES_MAX)?;
        let mut tx = self.0.begin().await?;
        let row = tx.one::<TagRow>(statement, args).await?.ok_or(StoreError::NotFound { what: "routing tag" })?;
        within(&mut tx, COUNT, row.brand_id, ("routing tag", Routing::TAGS_MAX)).await?;
        let id = row.id;
        tx.run(CLEAR, args![ctx, id]).await?;
        for company in &tag.companies {
            if tx.run(ADD, args![ctx, id, company.0]).await? == 0 {
                let why = format!("the brand has no company {company}");
                return Err(StoreError::Invalid { what: "companies", why });
            }
        }
        let users = tx.all::<UserRow>(COMPANIES, args![ctx, id, id]).await?;
        self.0.commit(tx).await?;
        Ok(row.tag(&users))
    }

    /// One tag.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: RouteTagId) -> Result<RouteTag, StoreError> {
        let row = self.0.one::<TagRow>(GET, args![ctx, id.0]).await?;
        let row = row.ok_or(StoreError::NotFound { what: "routing tag" })?;
        let users = self.0.all::<UserRow>(COMPANIES, args![ctx, id.0, id.0]).await?;
        Ok(row.tag(&users))
    }

    /// A page of the tags in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<RouteTag>, StoreError> {
        let found = self.0.found(&LISTING, (ctx, wanted), |row: TagRow| Ok(row)).await?;
        let ids = || found.rows.iter().map(|row| row.id);
        let (first, last) = (ids().min().unwrap_or(0), ids().max().unwrap_or(0));
        let users = self.0.all::<UserRow>(COMPANIES, args![ctx, first, last]).await?;
        let rows = found.rows.into_iter().map(|row| row.tag(&users)).collect();
        Ok(Found { rows, next: found.next })
    }

    /// Removes a tag that no route names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::UsedBy`]; a company's operator.
    pub async fn delete(&self, ctx: &OpContext, id: RouteTagId) -> Result<(), StoreError> {
        ctx.needs_brand("remove a routing tag")?;
        remove(self.0, ctx, (DELETE, USER), id.0).await
    }
}
