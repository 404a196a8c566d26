//! How a brand's calls leave: patterns of numbers, groups of them, tags that callers dial, and outgoing routes.
//!
//! A route says for whom it is, which numbers it is for and by which trunks they go. Which of them a call gets, and in
//! what order, is `policy::outgoing_route`. See decision 0334.

use crate::{BrandId, CompanyId, CompanyKind, OutgoingRouteId, RouteGroupId, RoutePatternId, RouteTagId, TrunkId};
use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that begin with the same digits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoutePattern {
    /// The row.
    pub id: RoutePatternId,
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// `+` and 1 to 15 digits, unique within the brand.
    pub prefix: String,
    /// Calls to these numbers are neither rated nor recorded, whoever decides about them: helplines.
    pub special: bool,
}

/// Patterns under one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteGroup {
    /// The row.
    pub id: RouteGroupId,
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// Its patterns, by row.
    pub patterns: BTreeSet<RoutePatternId>,
}

/// What a caller dials before a number, with `#` between, so that the call gets other routes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteTag {
    /// The row.
    pub id: RouteTagId,
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// 1 to 3 digits, unique within the brand.
    pub tag: String,
    /// Every company of the brand may use it.
    pub everybody: bool,
    /// The companies that may use it beside.
    pub companies: BTreeSet<CompanyId>,
}

/// For whom a route is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteScope {
    /// Every company of the brand.
    All,
    /// One company.
    Company(CompanyId),
    /// Companies of this kind.
    Kind(CompanyKind),
}

/// Which numbers a route is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteNumbers {
    /// Every public number.
    Any,
    /// Those of a pattern.
    Pattern(RoutePatternId),
    /// Those of a group's patterns.
    Group(RouteGroupId),
}

/// A trunk and what its carrier takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RatedTrunk {
    /// The trunk.
    pub trunk: TrunkId,
    /// The brand's prefix table with its prices, in a column `price`.
    pub table: String,
}

/// By what a route's calls go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteWay {
    /// By one trunk.
    Static(TrunkId),
    /// By several, the cheapest for the number first; one without a price for it is left out.
    Lcr(Vec<RatedTrunk>),
    /// By none: the call is refused when it comes to this route.
    Block,
}

impl RouteWay {
    /// The words of the three, as they are stored and shown.
    pub const MODES: [&'static str; 3] = ["static", "lcr", "block"];

    /// Which of [`RouteWay::MODES`] it is.
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        match self {
            RouteWay::Static(_) => "static",
            RouteWay::Lcr(_) => "lcr",
            RouteWay::Block => "block",
        }
    }
}

/// One way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutgoingRoute {
    /// The row.
    pub id: OutgoingRouteId,
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// For whom it is.
    pub scope: RouteScope,
    /// Only for calls with this tag; without one, only for calls without any.
    pub tag: Option<RouteTagId>,
    /// For which numbers.
    pub numbers: RouteNumbers,
    /// By what.
    pub way: RouteWay,
    /// Lower is tried first; how long a prefix is does not matter.
    pub priority: u8,
    /// Its share among routes of the same priority, in proportion; 1 to 255.
    pub weight: u8,
    /// No route of a higher number is tried after it.
    pub stopper: bool,
    /// What stands before the number on the carrier's side: digits, `*` and `#`, at most
    /// [`OutgoingRoute::PREFIX_MAX`]; may be empty.
    pub prefix: String,
    /// The number that is shown instead of the caller's, in E.164.
    pub caller: Option<String>,
}

impl OutgoingRoute {
    /// Most trunks of a route.
    pub const TRUNKS_MAX: usize = 16;
    /// Longest prefix to put before a number, in characters.
    pub const PREFIX_MAX: usize = 16;
}

/// What a brand's carriers take, as the switch reads it: the tables are loaded beside the directory and replaced one by one.
pub trait Rates: fmt::Debug + Send + Sync {
    /// The price of a number in a brand's table: what stands in the column `price` of its longest prefix. `None` where there
    /// is no such table, row or number.
    fn price(&self, brand: BrandId, table: &str, number: &str) -> Option<f64>;
}

/// Nobody has a price.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoRates;

impl Rates for NoRates {
    fn price(&self, _: BrandId, _: &str, _: &str) -> Option<f64> {
        None
    }
}

/// All that a brand says about its calls to the outside, ready to be used.
///
/// # Invariants
/// `by_prefix` holds for each prefix of a pattern which routes name it, by itself or by a group, as places in `routes`.
/// `routes` are in the order of their priority, and among equals of their rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Routing {
    patterns: Vec<RoutePattern>,
    groups: Vec<RouteGroup>,
    tags: Vec<RouteTag>,
    routes: Vec<OutgoingRoute>,
    by_prefix: BTreeMap<Box<str>, Prefix>,
    any: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Prefix {
    special: bool,
    routes: Vec<usize>,
}

impl Routing {
    /// Most patterns of a brand.
    pub const PATTERNS_MAX: usize = 2_000;
    /// Most groups of a brand.
    pub const GROUPS_MAX: usize = 500;
    /// Most patterns of one group.
    pub const GROUP_PATTERNS_MAX: usize = 500;
    /// Most tags of a brand.
    pub const TAGS_MAX: usize = 200;
    /// Most companies that one tag names; a tag may be everybody's instead.
    pub const TAG_COMPANIES_MAX: usize = 500;
    /// Most routes of a brand.
    pub const ROUTES_MAX: usize = 1_000;
    /// Longest prefix of a pattern, in digits: an E.164 number has no more.
    pub const PREFIX_DIGITS_MAX: usize = 15;

    /// Makes the lookups of these rows. What names a row that is not among them matches nothing.
    #[must_use]
    pub fn new(
        patterns: Vec<RoutePattern>,
        groups: Vec<RouteGroup>,
        tags: Vec<RouteTag>,
        mut routes: Vec<OutgoingRoute>,
    ) -> Routing {
        routes.sort_by_key(|route| (route.priority, route.id));
        let mut by_pattern: BTreeMap<RoutePatternId, Vec<usize>> = BTreeMap::new();
        let mut any = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            match route.numbers {
                RouteNumbers::Any => any.push(at),
                RouteNumbers::Pattern(id) => by_pattern.entry(id).or_default().push(at),
                RouteNumbers::Group(id) => {
                    for pattern in groups.iter().filter(|group| group.id == id).flat_map(|group| &group.patterns) {
                        by_pattern.entry(*pattern).or_default().push(at);
                    }
                }
            }
        }
        let prefix = |pattern: &RoutePattern| {
            let routes = by_pattern.remove(&pattern.id).unwrap_or_default();
            (pattern.prefix.as_str().into(), Prefix { special: pattern.special, routes })
        };
        let by_prefix = patterns.iter().map(prefix).collect();
        Routing { patterns, groups, tags, routes, by_prefix, any }
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.groups.is_empty() && self.tags.is_empty() && self.routes.is_empty()
    }

    /// Whether there is a route.
    #[must_use]
    pub const fn has_routes(&self) -> bool {
        !self.routes.is_empty()
    }

    /// The tags.
    #[must_use]
    pub fn tags(&self) -> &[RouteTag] {
        &self.tags
    }

    /// The routes for a number in E.164, whosever: by priority, and among equals by row.
    pub fn routes_to(&self, number: &str) -> impl Iterator<Item = &OutgoingRoute> {
        let found = self.prefixes_of(number).flat_map(|prefix| &prefix.routes).chain(&self.any);
        let found: BTreeSet<usize> = found.copied().collect();
        found.into_iter().filter_map(|at| self.routes.get(at))
    }

    /// Whether calls to a number in E.164 are neither rated nor recorded.
    #[must_use]
    pub fn is_special(&self, number: &str) -> bool {
        self.prefixes_of(number).any(|prefix| prefix.special)
    }

    /// What is known of the beginnings of a number, of which there are at most as many as a prefix may be long.
    fn prefixes_of<'a>(&'a self, number: &'a str) -> impl Iterator<Item = &'a Prefix> {
        let ends = number.char_indices().map(|(at, _)| at).skip(2).chain([number.len()]);
        ends.take(Self::PREFIX_DIGITS_MAX).filter_map(|end| self.by_prefix.get(number.get(..end)?))
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
