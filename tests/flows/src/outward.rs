//! Outgoing routes of a ladder: `outgoing NAME +44 by=1 priority=2 weight=2 stopper prefix=0099 caller=+4930123456`, with
//! `any` for every number, `rated=1:0.05,2:0.01` for trunks with prices or `block` instead of a trunk, `own` for company 1,
//! `tag=12`; `outgoing special +44900`; `outgoing tag 12` for everybody, `outgoing tag 7 nobody`. Trunks go by their number.

use model::{
    BrandId, CompanyId, Directory, OutgoingRoute, OutgoingRouteId, RatedTrunk, Rates, RouteNumbers, RoutePattern,
    RoutePatternId, RouteScope, RouteTag, RouteTagId, RouteWay, Routing, Row, TrunkId,
};
use std::sync::Arc;

/// The routes so far.
#[derive(Debug, Default)]
pub(crate) struct Outward {
    patterns: Vec<RoutePattern>,
    tags: Vec<RouteTag>,
    routes: Vec<OutgoingRoute>,
}

/// The name of a table is its only price.
#[derive(Debug)]
struct ByName;

impl Rates for ByName {
    fn price(&self, _: BrandId, table: &str, _: &str) -> Option<f64> {
        table.parse().ok()
    }
}

fn id(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or_default() + 1
}

impl Outward {
    /// One line.
    pub(crate) fn set(&mut self, words: &[&str]) {
        match words {
            ["special", prefix] => {
                let RouteNumbers::Pattern(pattern) = self.numbers(prefix) else { panic!("no prefix: {prefix}") };
                self.patterns.iter_mut().filter(|p| p.id == pattern).for_each(|p| p.special = true);
            }
            ["tag", digits, rest @ ..] => self.tags.push(RouteTag {
                id: RouteTagId(id(self.tags.len())),
                brand: BrandId(1),
                name: format!("tag {digits}"),
                tag: (*digits).to_owned(),
                everybody: rest.is_empty(),
                companies: std::collections::BTreeSet::new(),
            }),
            [name, "gone"] => self.routes.retain(|route| route.name != *name),
            [name, numbers, settings @ ..] => self.route(name, numbers, settings),
            _ => panic!("no route: {words:?}"),
        }
    }

    fn numbers(&mut self, prefix: &str) -> RouteNumbers {
        if prefix == "any" {
            return RouteNumbers::Any;
        }
        if let Some(known) = self.patterns.iter().find(|pattern| pattern.prefix == prefix) {
            return RouteNumbers::Pattern(known.id);
        }
        let id = RoutePatternId(id(self.patterns.len()));
        let (name, prefix) = (prefix.to_owned(), prefix.to_owned());
        self.patterns.push(RoutePattern { id, brand: BrandId(1), name, prefix, special: false });
        RouteNumbers::Pattern(id)
    }

    fn route(&mut self, name: &str, numbers: &str, settings: &[&str]) {
        let numbers = self.numbers(numbers);
        let value = |key: &str| settings.iter().find_map(|s| s.strip_prefix(key)?.strip_prefix('='));
        let number = |text: &str| text.parse::<i64>().unwrap_or_else(|_| panic!("no number: {text}"));
        let small = |key: &str, usual: u8| value(key).map_or(usual, |n| n.parse().unwrap_or(usual));
        let rated = |text: &str| {
            let (trunk, price) = text.split_once(':').unwrap_or_else(|| panic!("no price: {text}"));
            RatedTrunk { trunk: TrunkId(number(trunk)), table: price.to_owned() }
        };
        let way = match (value("by"), value("rated")) {
            (Some(trunk), _) => RouteWay::Static(TrunkId(number(trunk))),
            (None, Some(all)) => RouteWay::Lcr(all.split(',').map(rated).collect()),
            (None, None) => RouteWay::Block,
        };
        let tag = value("tag").map(|digits| {
            let found = self.tags.iter().find(|tag| tag.tag == digits);
            found.unwrap_or_else(|| panic!("no tag: {digits}")).id
        });
        self.routes.retain(|route| route.name != name);
        let own = settings.contains(&"own");
        self.routes.push(OutgoingRoute {
            id: OutgoingRouteId(id(self.routes.len())),
            brand: BrandId(1),
            name: name.to_owned(),
            scope: if own { RouteScope::Company(CompanyId(1)) } else { RouteScope::All },
            tag,
            numbers,
            way,
            priority: small("priority", 0),
            weight: small("weight", 1),
            stopper: settings.contains(&"stopper"),
            prefix: value("prefix").unwrap_or_default().to_owned(),
            caller: value("caller").map(str::to_owned),
        });
    }

    /// The directory with the routes.
    pub(crate) fn join(&self, mut directory: Directory) -> Directory {
        let routing = Routing::new(self.patterns.clone(), Vec::new(), self.tags.clone(), self.routes.clone());
        directory.put(Row::Routing(BrandId(1), routing)).unwrap_or_else(|error| panic!("{error}"));
        directory.with_rates(Arc::new(ByName))
    }
}
