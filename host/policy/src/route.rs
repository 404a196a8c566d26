//! Outgoing routes: a number, who calls it and a tag give trunks in order, or a block, or nothing.
//!
//! The priority alone says what is tried first, not the length of a prefix. A block counts at its priority: what is better is
//! tried before it, what is as good or worse is not tried at all. See decision 0334.

use model::{
    BrandId, Company, CompanyId, IdSource, OutgoingRoute, RatedTrunk, Rates, RouteScope, RouteTag, RouteTagId,
    RouteWay, Routing, TrunkId,
};

/// A call that shall leave.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'c> {
    /// Whose it is.
    pub company: &'c Company,
    /// The number, in E.164.
    pub number: &'c str,
    /// What was dialled before it.
    pub tag: Option<RouteTagId>,
}

/// One trunk to try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WayOut<'r> {
    /// The trunk.
    pub trunk: TrunkId,
    /// The route that says so: its prefix and its caller's number are the trunk's.
    pub route: &'r OutgoingRoute,
}

/// What routes make of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaysOut<'r> {
    /// The trunks, in order; empty only before a block.
    pub ways: Vec<WayOut<'r>>,
    /// A block comes after them.
    pub blocked: bool,
}

/// The trunks that a call leaves by; `None` where no route is for it, or none that is has a trunk with a price. `chance`
/// decides among routes of the same priority, in proportion to their weights.
#[must_use]
pub fn outgoing_route<'r>(
    routing: &'r Routing,
    call: Leaving<'_>,
    rates: &dyn Rates,
    chance: &mut IdSource,
) -> Option<WaysOut<'r>> {
    let routes: Vec<&OutgoingRoute> = routing.routes_to(call.number).filter(|route| is_for(route, call)).collect();
    let last = routes.iter().find(|route| route.stopper).map_or(u8::MAX, |stopper| stopper.priority);
    let mut out = WaysOut { ways: Vec::new(), blocked: false };
    let reached = routes.iter().take_while(|route| route.priority <= last).copied().collect::<Vec<_>>();
    for equals in reached.chunk_by(|a, b| a.priority == b.priority) {
        if equals.iter().any(|route| route.way == RouteWay::Block) {
            out.blocked = true;
            break;
        }
        for route in shuffled(equals.to_vec(), chance) {
            for trunk in trunks(route, call, rates) {
                let same = |way: &WayOut<'_>| {
                    (way.trunk, &way.route.prefix, &way.route.caller) == (trunk, &route.prefix, &route.caller)
                };
                if !out.ways.iter().any(same) {
                    out.ways.push(WayOut { trunk, route });
                }
            }
        }
    }
    (out.blocked || !out.ways.is_empty()).then_some(out)
}

fn is_for(route: &OutgoingRoute, call: Leaving<'_>) -> bool {
    let company = match route.scope {
        RouteScope::All => true,
        RouteScope::Company(id) => id == call.company.id,
        RouteScope::Kind(kind) => kind == call.company.kind,
    };
    company && route.tag == call.tag
}

/// Drawn one after the other, each as likely as its share of the weights that are left.
fn shuffled<'r>(mut routes: Vec<&'r OutgoingRoute>, chance: &mut IdSource) -> Vec<&'r OutgoingRoute> {
    let mut order = Vec::with_capacity(routes.len());
    while routes.len() > 1 {
        let all: u64 = routes.iter().map(|route| u64::from(route.weight)).sum();
        let mut drawn = chance.u64() % all.max(1);
        let is_drawn = |route: &&OutgoingRoute| {
            let weight = u64::from(route.weight);
            let here = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            here
        };
        let at = routes.iter().position(is_drawn).unwrap_or(0);
        order.push(routes.remove(at));
    }
    order.extend(routes);
    order
}

fn trunks(route: &OutgoingRoute, call: Leaving<'_>, rates: &dyn Rates) -> Vec<TrunkId> {
    match &route.way {
        RouteWay::Static(trunk) => vec![*trunk],
        RouteWay::Lcr(rated) => cheapest_first(route.brand, rated, call.number, rates),
        RouteWay::Block => Vec::new(),
    }
}

/// Equal prices stay in the order of the route.
fn cheapest_first(brand: BrandId, rated: &[RatedTrunk], number: &str, rates: &dyn Rates) -> Vec<TrunkId> {
    let price = |rated: &RatedTrunk| {
        let price = rates.price(brand, &rated.table, number)?;
        (price.is_finite() && price >= 0.0).then_some((price, rated.trunk))
    };
    let mut priced: Vec<(f64, TrunkId)> = rated.iter().filter_map(price).collect();
    priced.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    priced.into_iter().map(|(_, trunk)| trunk).collect()
}

/// Something with a tag's form was dialled that is none of this company's, or two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchTag;

/// The tag that was dialled before a number, and the number: `12#0123456`. `None` where nothing of that form was, or the
/// brand has no tags at all.
///
/// # Errors
/// [`NoSuchTag`]: it is unknown, or not this company's to use, or another follows, or no number does.
pub fn dialled_tag<'d>(
    routing: &'d Routing,
    company: CompanyId,
    dialled: &'d str,
) -> Result<Option<(&'d RouteTag, &'d str)>, NoSuchTag> {
    let Some((digits, number)) = dialled.split_once('#').filter(|_| !routing.tags().is_empty()) else {
        return Ok(None);
    };
    if !(1..=3).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    let may = |tag: &&RouteTag| tag.tag == digits && (tag.everybody || tag.companies.contains(&company));
    match routing.tags().iter().find(may) {
        Some(tag) if !number.is_empty() && !number.contains('#') => Ok(Some((tag, number))),
        Some(_) | None => Err(NoSuchTag),
    }
}
