//! Scope x plugin x point: which plugin is asked for whom, in what order, with what configuration; swapped as a whole.

use crate::breaker::Breaker;
use crate::capability::SeriesTable;
use crate::rules::is_binding_name;
use crate::{Artifact, BindError, BindingMetrics, Point};
use core::time::Duration;
use model::{BindingId, BrandId, CompanyId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Whom a binding serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Scope {
    /// The brand; a binding never reaches across brands.
    pub brand: BrandId,
    /// One company of it, or all.
    pub company: Option<CompanyId>,
}

/// One active binding, as the store knows it.
#[derive(Clone, Debug)]
pub struct BindingSpec {
    /// The row.
    pub id: BindingId,
    /// The name: routers hand calls to apps by it, attributes bear it as prefix.
    pub name: String,
    /// Whom it serves.
    pub scope: Scope,
    /// Which of the artifact's points it uses.
    pub point: Point,
    /// Lower is asked earlier, within its layer (brand before company).
    pub priority: i32,
    /// The plugin's id and version, `extensions@0.1.0`, for reports.
    pub plugin: String,
    /// The compiled component.
    pub artifact: Arc<Artifact>,
    /// The configuration document.
    pub config_json: String,
}

impl BindingSpec {
    fn is_same(&self, other: &BindingSpec) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.scope == other.scope
            && self.point == other.point
            && self.priority == other.priority
            && self.plugin == other.plugin
            && self.artifact.digest() == other.artifact.digest()
            && self.config_json == other.config_json
    }
}

/// A binding in use: its parsed configuration, its counters, its breaker.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) spec: BindingSpec,
    pub(crate) config: serde_json::Value,
    pub(crate) counters: Counters,
    pub(crate) series: SeriesTable,
    pub(crate) breaker: Breaker,
}

/// What a binding has done since it was bound in this version.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: AtomicU64,
    pub(crate) traps: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) invalid: AtomicU64,
    pub(crate) saturated: AtomicU64,
    pub(crate) tripped: AtomicU64,
    pub(crate) log_dropped: AtomicU64,
    took_ns: AtomicU64,
    took_log2_us: [AtomicU64; 20],
}

impl Counters {
    pub(crate) fn took(&self, time: Duration) {
        self.took_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = (u64::BITS - us.leading_zeros()) as usize;
        self.took_log2_us[class.min(self.took_log2_us.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }
}

impl Bound {
    fn new(spec: BindingSpec) -> Result<Bound, BindError> {
        let config = serde_json::from_str(&spec.config_json)
            .map_err(|e| BindError::Config { binding: spec.name.clone(), reason: e.to_string() })?;
        Ok(Bound {
            spec,
            config,
            counters: Counters::default(),
            series: SeriesTable::default(),
            breaker: Breaker::new(Instant::now()),
        })
    }

    pub(crate) fn metrics(&self) -> BindingMetrics {
        let c = &self.counters;
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        BindingMetrics {
            id: self.spec.id,
            name: self.spec.name.clone(),
            point: self.spec.point,
            plugin: self.spec.plugin.clone(),
            digest: self.spec.artifact.digest(),
            calls: get(&c.calls),
            traps: get(&c.traps),
            timeouts: get(&c.timeouts),
            invalid: get(&c.invalid),
            saturated: get(&c.saturated),
            tripped: get(&c.tripped),
            log_dropped: get(&c.log_dropped),
            took_ns: get(&c.took_ns),
            took_log2_us: core::array::from_fn(|i| get(&c.took_log2_us[i])),
            open: self.breaker.is_open(),
            series: self.series.snapshot(),
        }
    }
}

/// Every binding of one moment. A running ask or app holds what it began with.
///
/// # Invariants
/// Immutable. Each router list is in asking order; a company's list does not repeat its brand's.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) all: Vec<Arc<Bound>>,
    routers: BTreeMap<Scope, Vec<Arc<Bound>>>,
    apps: BTreeMap<(Scope, String), Arc<Bound>>,
}

impl Generation {
    /// Builds the next generation; unchanged bindings keep their counters and breaker.
    pub(crate) fn after(&self, specs: Vec<BindingSpec>) -> Result<Generation, BindError> {
        let mut next = Generation { number: self.number + 1, ..Generation::default() };
        for spec in specs {
            check(&spec)?;
            let bound = match self.all.iter().find(|b| b.spec.is_same(&spec)) {
                Some(bound) => Arc::clone(bound),
                None => Arc::new(Bound::new(spec)?),
            };
            next.add(&bound)?;
            next.all.push(bound);
        }
        for list in next.routers.values_mut() {
            list.sort_by_key(|b| (b.spec.priority, b.spec.id));
        }
        Ok(next)
    }

    fn add(&mut self, bound: &Arc<Bound>) -> Result<(), BindError> {
        let spec = &bound.spec;
        let twice = || BindError::Duplicate { binding: spec.name.clone(), point: spec.point };
        match spec.point {
            Point::Router => {
                let list = self.routers.entry(spec.scope).or_default();
                if list.iter().any(|b| b.spec.name == spec.name) {
                    return Err(twice());
                }
                list.push(Arc::clone(bound));
            }
            Point::App => {
                if self.apps.insert((spec.scope, spec.name.clone()), Arc::clone(bound)).is_some() {
                    return Err(twice());
                }
            }
        }
        Ok(())
    }

    /// The routing chain of a company: brand bindings, then its own.
    pub(crate) fn chain(&self, brand: BrandId, company: CompanyId) -> impl Iterator<Item = &Arc<Bound>> {
        let layer = |company| self.routers.get(&Scope { brand, company }).into_iter().flatten();
        layer(None).chain(layer(Some(company)))
    }

    /// The app of that name: the company's own, or its brand's.
    pub(crate) fn app(&self, brand: BrandId, company: CompanyId, name: &str) -> Option<&Arc<Bound>> {
        let find = |company| self.apps.get(&(Scope { brand, company }, name.to_owned()));
        find(Some(company)).or_else(|| find(None))
    }
}

fn check(spec: &BindingSpec) -> Result<(), BindError> {
    if !is_binding_name(&spec.name) {
        return Err(BindError::Name(spec.name.clone()));
    }
    if !spec.artifact.points().contains(&spec.point) {
        let (binding, plugin) = (spec.name.clone(), spec.plugin.clone());
        return Err(BindError::WrongPoint { binding, plugin, point: spec.point });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_counted_by_powers_of_two_of_a_microsecond() {
        let c = Counters::default();
        for (us, class) in [(0, 0), (1, 1), (2, 2), (3, 2), (1_000, 10), (u64::MAX / 1_000, 19)] {
            let before = c.took_log2_us[class].load(Ordering::Relaxed);
            c.took(Duration::from_micros(us));
            assert_eq!(c.took_log2_us[class].load(Ordering::Relaxed), before + 1, "{us}");
        }
    }
}
