//! Which routes a number finds by its beginnings, and what is special.

use super::*;

fn pattern(id: i64, prefix: &str) -> RoutePattern {
    RoutePattern {
        id: RoutePatternId(id),
        brand: BrandId(1),
        name: format!("p{id}"),
        prefix: prefix.to_owned(),
        special: prefix == "+34900",
    }
}

fn route(id: i64, priority: u8, numbers: RouteNumbers) -> OutgoingRoute {
    OutgoingRoute {
        id: OutgoingRouteId(id),
        brand: BrandId(1),
        name: format!("r{id}"),
        scope: RouteScope::All,
        tag: None,
        numbers,
        way: RouteWay::Block,
        priority,
        weight: 1,
        stopper: false,
        prefix: String::new(),
        caller: None,
    }
}

/// A number is found by each of its beginnings, by groups and by nothing at all, each route once, the best priority first.
#[test]
fn the_routes_to_a_number_are_found_by_its_prefixes() {
    let patterns = vec![pattern(1, "+34"), pattern(2, "+3491"), pattern(3, "+44"), pattern(4, "+34900")];
    let europe = RouteGroup {
        id: RouteGroupId(1),
        brand: BrandId(1),
        name: "europe".to_owned(),
        patterns: [1, 2, 3].map(RoutePatternId).into(),
    };
    let routes = vec![
        route(1, 9, RouteNumbers::Any),
        route(2, 1, RouteNumbers::Pattern(RoutePatternId(2))),
        route(3, 5, RouteNumbers::Group(RouteGroupId(1))),
        route(4, 1, RouteNumbers::Pattern(RoutePatternId(1))),
        route(5, 0, RouteNumbers::Pattern(RoutePatternId(77))),
        route(6, 0, RouteNumbers::Group(RouteGroupId(77))),
    ];
    let routing = Routing::new(patterns, vec![europe], vec![], routes);
    let found = |number: &str| routing.routes_to(number).map(|route| route.id.0).collect::<Vec<_>>();
    assert_eq!(found("+34911234567"), [2, 4, 3, 1], "the group matches by two patterns and is there once");
    assert_eq!(found("+34"), [4, 3, 1], "a prefix is a prefix of itself");
    assert_eq!(found("+4420"), [3, 1]);
    assert_eq!(found("+33"), [1]);
    assert_eq!(found("34"), [1], "no prefix is without its +");
    assert_eq!(found(""), [1]);
    assert_eq!(found("+3\u{20ac}"), [1]);
    assert!(routing.is_special("+34900123456") && !routing.is_special("+34911234567"));
}
