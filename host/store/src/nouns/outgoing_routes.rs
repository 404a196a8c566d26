//! Outgoing routes: by which trunks whose calls to which numbers leave a brand.

use super::route_patterns::within;
use super::translation_sets::brands_own;
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Arg, Statement, Tx, args, statements, stored};
use crate::{Db, OpContext, StoreError, check};
use model::{
    BrandId, CompanyId, CompanyKind, OutgoingRoute, OutgoingRouteId, RatedTrunk, RouteGroupId, RouteNumbers,
    RoutePatternId, RouteScope, RouteTagId, RouteWay, Routing, TrunkId,
};

macro_rules! columns {
    () => {
        "id, brand_id, name, company_id, company_kind, tag_id, pattern_id, group_id, mode, trunk_id, priority, weight, \
         stopper, prefix, caller"
    };
}

statements! { "outgoing route";
    CREATE = concat!("INSERT INTO outgoing_routes (brand_id, name, company_id, company_kind, tag_id, pattern_id, group_id,
        mode, trunk_id, priority, weight, stopper, prefix, caller)
        SELECT id, $4, CAST($5 AS BIGINT), CAST($6 AS TEXT), CAST($7 AS BIGINT), CAST($8 AS BIGINT), CAST($9 AS BIGINT),
        $10, CAST($11 AS BIGINT), CAST($12 AS BIGINT), CAST($13 AS BIGINT), CAST($14 AS BOOLEAN), $15, CAST($16 AS TEXT)
        FROM brands WHERE id = $3 AND ", brands_own!("id"), " RETURNING ", columns!());
    COUNT = "SELECT COUNT(*) FROM outgoing_routes WHERE brand_id = $1";
    GET = concat!("SELECT ", columns!(), " FROM outgoing_routes WHERE id = $3 AND ", brands_own!("brand_id"));
    UPDATE = concat!("UPDATE outgoing_routes SET name = $4, company_id = $5, company_kind = $6, tag_id = $7,
        pattern_id = $8, group_id = $9, mode = $10, trunk_id = $11, priority = $12, weight = $13, stopper = $14,
        prefix = $15, caller = $16 WHERE id = $3 AND ", brands_own!("brand_id"), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM outgoing_routes WHERE id = $3 AND ", brands_own!("brand_id"));
    TRUNKS = concat!("SELECT route_id, trunk_id, price_table FROM outgoing_route_trunks
        WHERE route_id >= $3 AND route_id <= $4 AND ", brands_own!("brand_id"), " ORDER BY route_id, position");
    CLEAR = concat!("DELETE FROM outgoing_route_trunks WHERE route_id = $3 AND ", brands_own!("brand_id"));
    ADD = concat!("INSERT INTO outgoing_route_trunks (route_id, position, brand_id, trunk_id, price_table)
        SELECT r.id, CAST($4 AS BIGINT), r.brand_id, t.id, p.name FROM outgoing_routes r
        JOIN trunks t ON t.brand_id = r.brand_id AND t.id = $5 JOIN prefix_tables p ON p.brand_id = r.brand_id AND p.name = $6
        WHERE r.id = $3 AND ", brands_own!("r.brand_id"));
    OF_TRUNK = concat!("SELECT 'outgoing route ' || r.name AS name FROM outgoing_routes r LEFT JOIN outgoing_route_trunks t
        ON t.route_id = r.id WHERE (r.trunk_id = $3 OR t.trunk_id = $3) AND ", brands_own!("r.brand_id"), "
        UNION ALL SELECT 'public number ' || d.e164 AS name FROM ddis d WHERE d.trunk_id = $3 AND ",
        brands_own!("d.brand_id"), " LIMIT 1");
    OF_TABLE = concat!("SELECT 'outgoing route ' || r.name AS name FROM outgoing_routes r JOIN outgoing_route_trunks t
        ON t.route_id = r.id JOIN prefix_tables p ON p.brand_id = t.brand_id AND p.name = t.price_table
        WHERE p.id = $3 AND ", brands_own!("r.brand_id"), " LIMIT 1");
}

fn modes() -> Vec<&'static str> {
    RouteWay::MODES.to_vec()
}

pub(crate) static LISTING: Listing = Listing {
    what: "outgoing route",
    columns: columns!(),
    from: "outgoing_routes",
    owner: Owner::Brand("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::number("priority", "priority"),
        Column::text("mode", "mode"),
        Column::number("brand", "brand_id"),
    ],
    filters: &[
        Filter::brand("brand_id"),
        Filter::company("company_id"),
        Filter::name_begins("name"),
        Filter::new("mode", "mode", Test::Word(modes), "Of this mode."),
        Filter::new("tag", "tag_id", Test::Number, "For calls with this routing tag."),
        Filter::new("pattern", "pattern_id", Test::Number, "To numbers of this routing pattern."),
        Filter::new("group", "group_id", Test::Number, "To numbers of this routing group."),
        Filter::new("trunk", "trunk_id", Test::Number, "By this trunk alone."),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct RouteRow {
    id: i64,
    brand_id: i64,
    name: String,
    company_id: Option<i64>,
    company_kind: Option<String>,
    tag_id: Option<i64>,
    pattern_id: Option<i64>,
    group_id: Option<i64>,
    mode: String,
    trunk_id: Option<i64>,
    priority: i64,
    weight: i64,
    stopper: bool,
    prefix: String,
    caller: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct RouteTrunkRow {
    route_id: i64,
    trunk_id: i64,
    price_table: String,
}

impl RouteRow {
    /// The route, with its trunks out of `trunks`.
    pub(crate) fn route(self, trunks: &[RouteTrunkRow]) -> Result<OutgoingRoute, StoreError> {
        let kind = self.company_kind.as_deref().map(CompanyKind::from_word);
        let scope = match (self.company_id, kind) {
            (Some(company), _) => RouteScope::Company(CompanyId(company)),
            (None, Some(kind)) => RouteScope::Kind(stored("kind of an outgoing route", kind)?),
            (None, None) => RouteScope::All,
        };
        let numbers = match (self.pattern_id, self.group_id) {
            (Some(pattern), _) => RouteNumbers::Pattern(RoutePatternId(pattern)),
            (None, Some(group)) => RouteNumbers::Group(RouteGroupId(group)),
            (None, None) => RouteNumbers::Any,
        };
        let own = trunks.iter().filter(|row| row.route_id == self.id);
        let rated = |row: &RouteTrunkRow| RatedTrunk { trunk: TrunkId(row.trunk_id), table: row.price_table.clone() };
        let way = match (self.mode.as_str(), self.trunk_id) {
            ("static", Some(trunk)) => Some(RouteWay::Static(TrunkId(trunk))),
            ("lcr", _) => Some(RouteWay::Lcr(own.map(rated).collect())),
            ("block", _) => Some(RouteWay::Block),
            _ => None,
        };
        Ok(OutgoingRoute {
            id: OutgoingRouteId(self.id),
            brand: BrandId(self.brand_id),
            name: self.name,
            scope,
            tag: self.tag_id.map(RouteTagId),
            numbers,
            way: stored("mode of an outgoing route", way)?,
            priority: stored("priority of an outgoing route", u8::try_from(self.priority).ok())?,
            weight: stored("weight of an outgoing route", u8::try_from(self.weight).ok())?,
            stopper: self.stopper,
            prefix: self.prefix,
            caller: self.caller,
        })
    }
}

/// Says which route or number uses what could not be removed; `user` finds it by the row's id.
pub(crate) async fn named(
    db: &Db,
    ctx: &OpContext,
    (refusal, user): (StoreError, Statement),
    id: i64,
) -> Result<(), StoreError> {
    let StoreError::InUse { what } = refusal else { return Err(refusal) };
    let user = db.one::<(String,)>(user, args![ctx, id]).await?;
    Err(user.map_or(StoreError::InUse { what }, |(by,)| StoreError::UsedBy { what, by }))
}

/// The operations on outgoing routes.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingRoutes<'a>(pub(crate) &'a Db);

impl OutgoingRoutes<'_> {
    /// Makes a route; its id is not looked at.
    ///
    /// # Errors
    /// A company's operator; the brand is not in scope; the name is taken; a value breaks a rule; what it names is not the
    /// brand's; the brand has [`Routing::ROUTES_MAX`].
    pub async fn create(&self, ctx: &OpContext, new: &OutgoingRoute) -> Result<OutgoingRoute, StoreError> {
        ctx.needs_brand("make an outgoing route")?;
        match self.save(ctx, CREATE, new.brand.0, new).await {
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "brand" }),
            other => other,
        }
    }

    /// Changes everything but the brand.
    ///
    /// # Errors
    /// As [`OutgoingRoutes::create`]; [`StoreError::NotFound`].
    pub async fn update(&self, ctx: &OpContext, route: &OutgoingRoute) -> Result<OutgoingRoute, StoreError> {
        ctx.needs_brand("change an outgoing route")?;
        self.save(ctx, UPDATE, route.id.0, route).await
    }

    async fn save(
        &self,
        ctx: &OpContext,
        statement: Statement,
        row: i64,
        route: &OutgoingRoute,
    ) -> Result<OutgoingRoute, StoreError> {
        check::outgoing_route(route)?;
        let (company, kind) = match route.scope {
            RouteScope::All => (None, None),
            RouteScope::Company(company) => (Some(company.0), None),
            RouteScope::Kind(kind) => (None, Some(kind.word())),
        };
        let (pattern, group) = match route.numbers {
            RouteNumbers::Any => (None, None),
            RouteNumbers::Pattern(pattern) => (Some(pattern.0), None),
            RouteNumbers::Group(group) => (None, Some(group.0)),
        };
        let (trunk, rated): (_, &[RatedTrunk]) = match &route.way {
            RouteWay::Static(trunk) => (Some(trunk.0), &[]),
            RouteWay::Lcr(rated) => (None, rated),
            RouteWay::Block => (None, &[]),
        };
        let args: &[Arg<'_>] = args![
            ctx,
            row,
            &route.name,
            company,
            kind,
            route.tag.map(|tag| tag.0),
            pattern,
            group,
            route.way.mode(),
            trunk,
            i64::from(route.priority),
            i64::from(route.weight),
            route.stopper,
            &route.prefix,
            route.caller.as_deref(),
        ];
        let mut tx = self.0.begin().await?;
        let saved =
            tx.one::<RouteRow>(statement, args).await?.ok_or(StoreError::NotFound { what: "outgoing route" })?;
        within(&mut tx, COUNT, saved.brand_id, ("outgoing route", Routing::ROUTES_MAX)).await?;
        let trunks = replace_trunks(&mut tx, ctx, saved.id, rated).await?;
        self.0.commit(tx).await?;
        saved.route(&trunks)
    }

    /// One route.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: OutgoingRouteId) -> Result<OutgoingRoute, StoreError> {
        let row = self.0.one::<RouteRow>(GET, args![ctx, id.0]).await?;
        let row = row.ok_or(StoreError::NotFound { what: "outgoing route" })?;
        let trunks = self.0.all::<RouteTrunkRow>(TRUNKS, args![ctx, id.0, id.0]).await?;
        row.route(&trunks)
    }

    /// A page of the routes in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<OutgoingRoute>, StoreError> {
        let found = self.0.found(&LISTING, (ctx, wanted), |row: RouteRow| Ok(row)).await?;
        let ids = || found.rows.iter().map(|row| row.id);
        let (first, last) = (ids().min().unwrap_or(0), ids().max().unwrap_or(0));
        let trunks = self.0.all::<RouteTrunkRow>(TRUNKS, args![ctx, first, last]).await?;
        let rows = found.rows.into_iter().map(|row| row.route(&trunks)).collect::<Result<_, _>>()?;
        Ok(Found { rows, next: found.next })
    }

    /// Removes a route; calls under way go on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a company's operator.
    pub async fn delete(&self, ctx: &OpContext, id: OutgoingRouteId) -> Result<(), StoreError> {
        ctx.needs_brand("remove an outgoing route")?;
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}

async fn replace_trunks(
    tx: &mut Tx,
    ctx: &OpContext,
    route: i64,
    rated: &[RatedTrunk],
) -> Result<Vec<RouteTrunkRow>, StoreError> {
    tx.run(CLEAR, args![ctx, route]).await?;
    for (position, RatedTrunk { trunk, table }) in (0_i64..).zip(rated) {
        if tx.run(ADD, args![ctx, route, position, trunk.0, table]).await? == 0 {
            let why = format!("the brand has no trunk {trunk}, or no prefix table {table:?}");
            return Err(StoreError::Invalid { what: "trunks", why });
        }
    }
    tx.all::<RouteTrunkRow>(TRUNKS, args![ctx, route, route]).await
}
