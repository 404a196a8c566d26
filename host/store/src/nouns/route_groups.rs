//! Routing groups: patterns of a brand under one name.

use super::route_patterns::{remove, within};
use super::translation_sets::brands_own;
use crate::listing::{Column, Filter, Found, Listing, Owner, Wanted};
use crate::sql::{Arg, Statement, args, statements};
use crate::{Db, OpContext, StoreError, check};
use model::{BrandId, RouteGroup, RouteGroupId, RoutePatternId, Routing};

macro_rules! columns {
    () => {
        "id, brand_id, name"
    };
}

statements! { "routing group";
    CREATE = concat!("INSERT INTO route_groups (brand_id, name)
        SELECT id, $4 FROM brands WHERE id = $3 AND ", brands_own!("id"), " RETURNING ", columns!());
    COUNT = "SELECT COUNT(*) FROM route_groups WHERE brand_id = $1";
    GET = concat!("SELECT ", columns!(), " FROM route_groups WHERE id = $3 AND ", brands_own!("brand_id"));
    UPDATE = concat!("UPDATE route_groups SET name = $4 WHERE id = $3 AND ", brands_own!("brand_id"), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM route_groups WHERE id = $3 AND ", brands_own!("brand_id"));
    PATTERNS = concat!("SELECT group_id, pattern_id FROM route_group_patterns WHERE group_id >= $3 AND group_id <= $4 AND ",
        brands_own!("brand_id"), " ORDER BY group_id, pattern_id");
    CLEAR = concat!("DELETE FROM route_group_patterns WHERE group_id = $3 AND ", brands_own!("brand_id"));
    ADD = concat!("INSERT INTO route_group_patterns (group_id, pattern_id, brand_id)
        SELECT g.id, p.id, g.brand_id FROM route_groups g JOIN route_patterns p ON p.brand_id = g.brand_id AND p.id = $4
        WHERE g.id = $3 AND ", brands_own!("g.brand_id"));
    USER = concat!("SELECT 'outgoing route ' || name AS name FROM outgoing_routes WHERE group_id = $3 AND ",
        brands_own!("brand_id"), " LIMIT 1");
}

pub(crate) static LISTING: Listing = Listing {
    what: "routing group",
    columns: columns!(),
    from: "route_groups",
    owner: Owner::Brand("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[Column::number("id", "id"), Column::text("name", "name"), Column::number("brand", "brand_id")],
    filters: &[Filter::brand("brand_id"), Filter::name_begins("name")],
};

#[derive(sqlx::FromRow)]
pub(crate) struct GroupRow {
    pub(crate) id: i64,
    brand_id: i64,
    name: String,
}

#[derive(sqlx::FromRow)]
pub(crate) struct MemberRow {
    pub(crate) group_id: i64,
    pub(crate) pattern_id: i64,
}

impl GroupRow {
    /// The group, with its patterns out of `members`.
    pub(crate) fn group(self, members: &[MemberRow]) -> RouteGroup {
        let own = members.iter().filter(|member| member.group_id == self.id);
        RouteGroup {
            id: RouteGroupId(self.id),
            brand: BrandId(self.brand_id),
            name: self.name,
            patterns: own.map(|member| RoutePatternId(member.pattern_id)).collect(),
        }
    }
}

/// The operations on routing groups.
#[derive(Clone, Copy, Debug)]
pub struct RouteGroups<'a>(pub(crate) &'a Db);

impl RouteGroups<'_> {
    /// Makes a group; its id is not looked at.
    ///
    /// # Errors
    /// A company's operator; the brand is not in scope; the name is taken or breaks a rule; a pattern is not the brand's;
    /// the brand has [`Routing::GROUPS_MAX`], or the group more than [`Routing::GROUP_PATTERNS_MAX`].
    pub async fn create(&self, ctx: &OpContext, new: &RouteGroup) -> Result<RouteGroup, StoreError> {
        ctx.needs_brand("make a routing group")?;
        match self.save(ctx, CREATE, args![ctx, new.brand.0, &new.name], new).await {
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "brand" }),
            other => other,
        }
    }

    /// Changes everything but the brand; the patterns are those that are named and no others.
    ///
    /// # Errors
    /// As [`RouteGroups::create`]; [`StoreError::NotFound`].
    pub async fn update(&self, ctx: &OpContext, group: &RouteGroup) -> Result<RouteGroup, StoreError> {
        ctx.needs_brand("change a routing group")?;
        self.save(ctx, UPDATE, args![ctx, group.id.0, &group.name], group).await
    }

    async fn save(
        &self,
        ctx: &OpContext,
        statement: Statement,
        args: &[Arg<'_>],
        group: &RouteGroup,
    ) -> Result<RouteGroup, StoreError> {
        check::name("name", &group.name)?;
        check::at_most("patterns", group.patterns.len(), Routing::GROUP_PATTERNS_MAX)?;
        let mut tx = self.0.begin().await?;
        let row = tx.one::<GroupRow>(statement, args).await?.ok_or(StoreError::NotFound { what: "routing group" })?;
        within(&mut tx, COUNT, row.brand_id, ("routing group", Routing::GROUPS_MAX)).await?;
        let id = row.id;
        tx.run(CLEAR, args![ctx, id]).await?;
        for pattern in &group.patterns {
            if tx.run(ADD, args![ctx, id, pattern.0]).await? == 0 {
                let why = format!("the brand has no routing pattern {pattern}");
                return Err(StoreError::Invalid { what: "patterns", why });
            }
        }
        let members = tx.all::<MemberRow>(PATTERNS, args![ctx, id, id]).await?;
        self.0.commit(tx).await?;
        Ok(row.group(&members))
    }

    /// One group.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: RouteGroupId) -> Result<RouteGroup, StoreError> {
        let row = self.0.one::<GroupRow>(GET, args![ctx, id.0]).await?;
        let row = row.ok_or(StoreError::NotFound { what: "routing group" })?;
        let members = self.0.all::<MemberRow>(PATTERNS, args![ctx, id.0, id.0]).await?;
        Ok(row.group(&members))
    }

    /// A page of the groups in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<RouteGroup>, StoreError> {
        let found = self.0.found(&LISTING, (ctx, wanted), |row: GroupRow| Ok(row)).await?;
        let ids = || found.rows.iter().map(|row| row.id);
        let (first, last) = (ids().min().unwrap_or(0), ids().max().unwrap_or(0));
        let members = self.0.all::<MemberRow>(PATTERNS, args![ctx, first, last]).await?;
        let rows = found.rows.into_iter().map(|row| row.group(&members)).collect();
        Ok(Found { rows, next: found.next })
    }

    /// Removes a group that no route names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::UsedBy`]; a company's operator.
    pub async fn delete(&self, ctx: &OpContext, id: RouteGroupId) -> Result<(), StoreError> {
        ctx.needs_brand("remove a routing group")?;
        remove(self.0, ctx, (DELETE, USER), id.0).await
    }
}
