//! Outgoing routes (4.4 to 4.13), and the acceptance scenarios 7, 8 and 17 of the reference as far as a function shows them.

use super::*;
use crate::{Leaving, NoSuchTag, dialled_tag, outgoing_route};
use model::{
    BrandId, CompanyId, CompanyKind, IdSource, OutgoingRoute, OutgoingRouteId, RatedTrunk, Rates, RouteGroup,
    RouteGroupId, RouteNumbers, RoutePattern, RoutePatternId, RouteScope, RouteTag, RouteTagId, RouteWay, Routing,
    TrunkId,
};

const MADRID: &str = "+34911234567";

fn pattern(id: i64, prefix: &str, special: bool) -> RoutePattern {
    let name = prefix.to_owned();
    RoutePattern { id: RoutePatternId(id), brand: BrandId(1), name, prefix: prefix.to_owned(), special }
}

/// A route for everybody to every number.
fn route(id: i64, priority: u8, way: RouteWay) -> OutgoingRoute {
    OutgoingRoute {
        id: OutgoingRouteId(id),
        brand: BrandId(1),
        name: format!("r{id}"),
        scope: RouteScope::All,
        tag: None,
        numbers: RouteNumbers::Any,
        way,
        priority,
        weight: 1,
        stopper: false,
        prefix: String::new(),
        caller: None,
    }
}

fn by(trunk: i64) -> RouteWay {
    RouteWay::Static(TrunkId(trunk))
}

fn to(pattern: i64, route: OutgoingRoute) -> OutgoingRoute {
    OutgoingRoute { numbers: RouteNumbers::Pattern(RoutePatternId(pattern)), ..route }
}

fn routing(routes: Vec<OutgoingRoute>) -> Routing {
    let patterns = vec![pattern(1, "+34", false), pattern(2, "+3491", false), pattern(3, "+34900", true)];
    let europe = RouteGroup {
        id: RouteGroupId(1),
        brand: BrandId(1),
        name: "europe".to_owned(),
        patterns: [1, 2].map(RoutePatternId).into(),
    };
    let tag = |id: i64, tag: &str, everybody, companies: &[i64]| RouteTag {
        id: RouteTagId(id),
        brand: BrandId(1),
        name: format!("tag {tag}"),
        tag: tag.to_owned(),
        everybody,
        companies: companies.iter().copied().map(CompanyId).collect(),
    };
    Routing::new(patterns, vec![europe], vec![tag(1, "12", true, &[]), tag(2, "7", false, &[2])], routes)
}

#[derive(Debug)]
struct Prices(&'static [(&'static str, f64)]);

impl Rates for Prices {
    fn price(&self, brand: BrandId, table: &str, number: &str) -> Option<f64> {
        assert_eq!(brand, BrandId(1));
        let here = |(known, _): &&(&str, f64)| *known == table && number.starts_with("+34");
        self.0.iter().find(here).map(|(_, price)| *price)
    }
}

const NO_PRICES: Prices = Prices(&[]);

/// The trunks of a call of company 1, and whether a block follows; `None` = no route.
fn found(routing: &Routing, number: &str, rates: &Prices, seed: u8) -> Option<(Vec<i64>, bool)> {
    asked(routing, (&company(CompanyRules::default()), number, None), rates, seed)
}

fn asked(
    routing: &Routing,
    (company, number, tag): (&Company, &str, Option<i64>),
    rates: &Prices,
    seed: u8,
) -> Option<(Vec<i64>, bool)> {
    let call = Leaving { company, number, tag: tag.map(RouteTagId) };
    let out = outgoing_route(routing, call, rates, &mut IdSource::new([seed; 32]))?;
    Some((out.ways.iter().map(|way| way.trunk.0).collect(), out.blocked))
}

/// Scenario 7: two static routes of priority 1 with weights 1 and 2 share as 33 to 66; then the cheapest first.
#[test]
fn equal_routes_share_by_weight_and_the_next_goes_by_price() {
    let rated = |trunk: i64, table: &str| RatedTrunk { trunk: TrunkId(trunk), table: table.to_owned() };
    let lcr = RouteWay::Lcr(vec![rated(5, "dear"), rated(6, "none"), rated(7, "cheap"), rated(1, "middle")]);
    let double = OutgoingRoute { weight: 2, ..route(2, 1, by(2)) };
    let routing = routing(vec![route(1, 1, by(1)), double, route(3, 2, lcr)]);
    let rates = Prices(&[("dear", 0.09), ("cheap", 0.01), ("middle", 0.05)]);
    let company = company(CompanyRules::default());
    let (mut chance, mut firsts) = (IdSource::new([7; 32]), [0_u32; 3]);
    for _ in 0..6_000 {
        let call = Leaving { company: &company, number: MADRID, tag: None };
        let out = outgoing_route(&routing, call, &rates, &mut chance).unwrap();
        let trunks: Vec<i64> = out.ways.iter().map(|way| way.trunk.0).collect();
        // What has no price is left out, and what was there already is not tried again.
        assert!(trunks == [1, 2, 7, 5] || trunks == [2, 1, 7, 5], "{trunks:?}");
        firsts[usize::try_from(trunks[0]).unwrap()] += 1;
    }
    // 2,000 and 4,000, within five standard deviations of 36.5.
    assert!((1_817..=2_183).contains(&firsts[1]), "{firsts:?}");
    assert_eq!(found(&routing, "+33123", &NO_PRICES, 1).unwrap().0.len(), 2, "no price, no trunk");
}

/// Scenario 7: nothing of a higher number is tried after a stopper, what is as good is.
#[test]
fn a_stopper_ends_the_list_behind_its_priority() {
    let stopper = OutgoingRoute { stopper: true, ..route(2, 2, by(2)) };
    let routing = routing(vec![route(1, 1, by(1)), stopper, route(3, 2, by(3)), route(4, 3, by(4))]);
    let (mut trunks, blocked) = found(&routing, MADRID, &NO_PRICES, 3).unwrap();
    trunks.sort_unstable();
    assert_eq!((trunks, blocked), (vec![1, 2, 3], false));
}

/// Scenario 8: "all clients, +34, 1" comes before "client X, +3491, 2": no longest match.
#[test]
fn the_priority_counts_and_not_the_longer_prefix() {
    let own = OutgoingRoute { scope: RouteScope::Company(CompanyId(1)), ..to(2, route(2, 2, by(2))) };
    let routing = routing(vec![own, to(1, route(1, 1, by(1)))]);
    assert_eq!(found(&routing, MADRID, &NO_PRICES, 1), Some((vec![1, 2], false)));
    assert_eq!(found(&routing, "+34811234567", &NO_PRICES, 1), Some((vec![1], false)));
    let other = Company { id: CompanyId(2), ..company(CompanyRules::default()) };
    assert_eq!(asked(&routing, (&other, MADRID, None), &NO_PRICES, 1), Some((vec![1], false)));
    assert_eq!(found(&routing, "+33123456", &NO_PRICES, 1), None);
}

/// Scenario 17: a number of a special pattern is neither rated nor recorded; it leaves by the routes all the same.
#[test]
fn a_special_number_is_known_and_goes_out_as_others() {
    let routing = routing(vec![to(3, route(1, 1, by(1)))]);
    assert!(routing.is_special("+34900123456") && !routing.is_special(MADRID));
    assert_eq!(found(&routing, "+34900123456", &NO_PRICES, 1), Some((vec![1], false)));
}

/// A block counts where it stands: what is better is tried before, what is as good is not.
#[test]
fn a_block_refuses_when_it_is_reached() {
    let routes = |block: u8| {
        routing(vec![
            route(1, 1, by(1)),
            to(2, route(2, block, RouteWay::Block)),
            route(3, 2, by(3)),
            route(4, 9, by(4)),
        ])
    };
    let (paris, other) = ("+33123456789", Some((vec![1, 3, 4], false)));
    assert_eq!(found(&routes(0), MADRID, &NO_PRICES, 1), Some((vec![], true)));
    assert_eq!(found(&routes(1), MADRID, &NO_PRICES, 1), Some((vec![], true)));
    assert_eq!(found(&routes(2), MADRID, &NO_PRICES, 1), Some((vec![1], true)));
    assert_eq!(found(&routes(3), MADRID, &NO_PRICES, 1), Some((vec![1, 3], true)));
    assert_eq!(found(&routes(1), paris, &NO_PRICES, 1), other);
    // A stopper before it keeps it from being reached.
    let stopper = OutgoingRoute { stopper: true, ..route(1, 1, by(1)) };
    let stopped = routing(vec![stopper, route(2, 2, RouteWay::Block)]);
    assert_eq!(found(&stopped, MADRID, &NO_PRICES, 1), Some((vec![1], false)));
}

/// Scopes, groups, prefix and caller's number.
#[test]
fn a_route_is_for_its_kind_and_says_how_it_goes() {
    let europe = RouteNumbers::Group(RouteGroupId(1));
    let retail = OutgoingRoute {
        scope: RouteScope::Kind(CompanyKind::Retail),
        numbers: europe,
        prefix: "0099".to_owned(),
        caller: Some("+34900".to_owned()),
        ..route(1, 1, by(1))
    };
    let routing = routing(vec![retail, route(2, 1, by(1))]);
    assert_eq!(found(&routing, MADRID, &NO_PRICES, 1), Some((vec![1], false)), "a telephone system has the other");
    let shop = Company { kind: CompanyKind::Retail, ..company(CompanyRules::default()) };
    // The same trunk twice, but not in the same words.
    assert_eq!(asked(&routing, (&shop, MADRID, None), &NO_PRICES, 1), Some((vec![1, 1], false)));
    assert_eq!(asked(&routing, (&shop, "+33123456", None), &NO_PRICES, 1), Some((vec![1], false)));
}

/// A tag chooses the routes that bear it and no others; who may not use it, or dials two, has dialled nothing.
#[test]
fn a_tag_chooses_other_routes() {
    let tagged = OutgoingRoute { tag: Some(RouteTagId(1)), ..route(1, 1, by(1)) };
    let routes = routing(vec![tagged, route(2, 1, by(2))]);
    let own = company(CompanyRules::default());
    assert_eq!(asked(&routes, (&own, MADRID, Some(1)), &NO_PRICES, 1), Some((vec![1], false)));
    assert_eq!(asked(&routes, (&own, MADRID, None), &NO_PRICES, 1), Some((vec![2], false)));
    assert_eq!(asked(&routes, (&own, MADRID, Some(2)), &NO_PRICES, 1), None);

    let dialled = |company: i64, dialled: &str| {
        dialled_tag(&routes, CompanyId(company), dialled)
            .map(|found| found.map(|(tag, number)| (tag.id.0, number.to_owned())))
    };
    assert_eq!(dialled(1, "12#0034911234567"), Ok(Some((1, "0034911234567".to_owned()))));
    assert_eq!(dialled(2, "7#911234567"), Ok(Some((2, "911234567".to_owned()))));
    for (company, text) in [(1, "7#911234567"), (1, "99#911"), (1, "12#7#911"), (1, "12#12#911"), (1, "12#")] {
        assert_eq!(dialled(company, text), Err(NoSuchTag), "{text}");
    }
    for text in ["911234567", "*21#911", "1234#911", "#911", "+34#911", ""] {
        assert_eq!(dialled(1, text), Ok(None), "{text}");
    }
    let untagged = Routing::new(vec![], vec![], vec![], vec![]);
    assert_eq!(dialled_tag(&untagged, CompanyId(1), "12#911"), Ok(None), "without tags it is no affair of routes");
}
