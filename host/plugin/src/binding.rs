//! Scope x plugin x point: which plugin is asked for whom, in what order, with what configuration; swapped as a whole.

use crate::artifact::Linked;
use crate::breaker::Breaker;
use crate::capability::{Allowed, InConfig, Powers, Secret, SeriesTable};
use crate::events::EventQueue;
use crate::rules::is_binding_name;
use crate::shares::Places;
use crate::trial::{Trial, TrialSpec};
use crate::warm::{Warm, WarmCounters};
use crate::{Artifact, BindError, BindingMetrics, GuestLog, HostConfig, Notice, NoticeKind, Notices, Point, Reuse};
use bundle::Grants;
use core::fmt;
use core::time::Duration;
use model::{AccountId, BindingId, BrandId, CallInfo, CompanyId, Directory, FilterReach, Recourse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Whom a binding serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Scope {
    /// The brand; a binding never reaches across brands.
    pub brand: BrandId,
    /// One company of it, or all.
    pub company: Option<CompanyId>,
    /// One account of that company, or all: the calls it makes, its registrations.
    pub account: Option<AccountId>,
}

impl Scope {
    /// How many it reaches, by order: an account, a company, a brand.
    const fn wideness(self) -> u8 {
        match (self.company, self.account) {
            (_, Some(_)) => 0,
            (Some(_), None) => 1,
            (None, None) => 2,
        }
    }
}

/// Who calls or registers, and so whose bindings are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whom {
    pub(crate) brand: BrandId,
    pub(crate) company: CompanyId,
    pub(crate) account: Option<AccountId>,
}

impl Whom {
    /// Every layer that reaches it, the widest first.
    fn layers(self) -> impl Iterator<Item = Scope> {
        let Whom { brand, company, account } = self;
        let all = Scope { brand, company: None, account: None };
        let own = Scope { company: Some(company), ..all };
        [all, own].into_iter().chain(account.map(|account| Scope { account: Some(account), ..own }))
    }
}

/// One active binding, as the store knows it. Shows nothing of its configuration.
#[derive(Clone)]
pub struct BindingSpec {
    /// The row.
    pub id: BindingId,
    /// The name: routers hand calls to apps by it, attributes bear it as prefix.
    pub name: String,
    /// Whom it serves.
    pub scope: Scope,
    /// Which of the artifact's points it uses.
    pub point: Point,
    /// Lower is asked earlier, within its layer (brand before company before account).
    pub priority: i32,
    /// The plugin's id and version, `extensions@0.1.0`, for reports.
    pub plugin: String,
    /// The compiled component.
    pub artifact: Arc<Artifact>,
    /// The configuration document.
    pub config_json: String,
    /// Where secrets stand in it, as JSON Pointers (RFC 6901).
    pub config_secrets: BTreeSet<String>,
    /// What it may use: already the product of manifest, operator, reseller and brand.
    pub grants: Grants,
    /// Its secrets, by name; those that are not granted stay out of reach.
    pub secrets: BTreeMap<String, Secret>,
    /// Of a feature: the star codes of its manifest.
    pub codes: BTreeSet<String>,
    /// Whether a failure refuses instead of passing, where the point has a choice: `hooks/registration`,
    /// `hooks/sip-filter`.
    pub mandatory: bool,
    /// Of a call app: what its caller gets when it fails. The plugin's name in it is put there by the host.
    pub recourse: Recourse,
    /// Whether its instances are kept between questions.
    pub reuse: Reuse,
    /// A version on trial beside this one: for routers and features.
    pub trial: Option<TrialSpec>,
}

impl fmt::Debug for BindingSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindingSpec { id, name, scope, point, plugin, .. } = self;
        let mut shown = f.debug_struct("BindingSpec");
        shown.field("id", id).field("name", name).field("scope", scope).field("point", point).field("plugin", plugin);
        shown.finish_non_exhaustive()
    }
}

impl BindingSpec {
    /// What a caller gets whose app fails.
    pub(crate) fn recourse(&self) -> Recourse {
        Recourse { plugin: self.plugin.clone(), ..self.recourse.clone() }
    }

    /// The version on trial, bound like this one. A shadow keeps its keys apart and reaches nobody outside: what it does
    /// must not count.
    fn on_trial(&self, trial: &TrialSpec, host: &HostConfig, log: &Arc<GuestLog>) -> Result<Trial, BindError> {
        let mut spec = BindingSpec {
            plugin: trial.plugin.clone(),
            artifact: Arc::clone(&trial.artifact),
            config_json: trial.config_json.clone(),
            config_secrets: trial.config_secrets.clone(),
            grants: trial.grants.clone(),
            reuse: trial.reuse,
            trial: None,
            ..self.clone()
        };
        if trial.percent == 0 {
            spec.grants.http.clear();
            spec.grants.mail.clear();
        }
        check(&spec)?;
        let lasting = Lasting { log: Arc::clone(log), ..Lasting::default() };
        let mut bound = Bound::new(spec, host, lasting)?;
        // What becomes of it is told as the end of the trial.
        bound.notices = Notices::default();
        if trial.percent == 0 {
            bound.powers.set_apart(&bound.spec, host);
        }
        Ok(Trial::new(Arc::new(bound), trial))
    }

    /// Whether the other is another version of this binding.
    fn is_successor(&self, other: &BindingSpec) -> bool {
        self.scope == other.scope && self.point == other.point && self.name == other.name
    }

    fn is_same(&self, other: &BindingSpec) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.scope == other.scope
            && self.point == other.point
            && self.priority == other.priority
            && self.plugin == other.plugin
            && self.artifact.digest() == other.artifact.digest()
            && self.config_json == other.config_json
            && self.config_secrets == other.config_secrets
            && self.grants == other.grants
            && self.secrets == other.secrets
            && self.codes == other.codes
            && self.mandatory == other.mandatory
            && self.recourse == other.recourse
            && self.reuse == other.reuse
            && self.trial == other.trial
    }
}

/// A binding in use: its parsed configuration, what it may use, its counters, its breaker.
pub(crate) struct Bound {
    pub(crate) spec: BindingSpec,
    pub(crate) linked: Linked,
    pub(crate) powers: Powers,
    pub(crate) config: serde_json::Value,
    pub(crate) counters: Counters,
    pub(crate) series: SeriesTable,
    pub(crate) breaker: Breaker,
    pub(crate) events: Arc<EventQueue>,
    pub(crate) log: Arc<GuestLog>,
    pub(crate) trial: Option<Trial>,
    pub(crate) warm: WarmCounters,
    /// It was replaced or taken away: its instances are kept no longer.
    pub(crate) retired: AtomicBool,
    /// Of a filter: which trunks and terminals it is for.
    pub(crate) filter: Option<FilterReach>,
    notices: Notices,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// What a binding keeps over its versions.
#[derive(Debug, Default)]
pub(crate) struct Lasting {
    pub(crate) events: Arc<EventQueue>,
    pub(crate) log: Arc<GuestLog>,
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
    /// How many invocations, and how long one takes on average.
    pub(crate) fn mean(&self) -> (u64, Duration) {
        let calls = self.calls.load(Ordering::Relaxed);
        (calls, Duration::from_nanos(self.took_ns.load(Ordering::Relaxed) / calls.max(1)))
    }

    /// How many of them failed.
    pub(crate) fn failures(&self) -> u64 {
        [&self.traps, &self.timeouts, &self.invalid].iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn took(&self, time: Duration) {
        self.took_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = (u64::BITS - us.leading_zeros()) as usize;
        self.took_log2_us[class.min(self.took_log2_us.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }
}

impl Bound {
    /// What its next version has of it.
    fn lasting(&self) -> Lasting {
        Lasting { events: Arc::clone(&self.events), log: Arc::clone(&self.log) }
    }

    pub(crate) fn new(spec: BindingSpec, host: &HostConfig, lasting: Lasting) -> Result<Bound, BindError> {
        let Lasting { events, log } = lasting;
        let config = serde_json::from_str(&spec.config_json)
            .map_err(|e| BindError::Config { binding: spec.name.clone(), reason: e.to_string() })?;
        let trial = spec.trial.as_ref().map(|trial| spec.on_trial(trial, host, &log)).transpose()?;
        let filter = (spec.point == Point::SipFilter)
            .then(|| crate::filter::reach(&config, spec.scope, spec.mandatory))
            .transpose()
            .map_err(|reason| BindError::Config { binding: spec.name.clone(), reason })?;
        let refused = |e: crate::ArtifactError| BindError::Link { binding: spec.name.clone(), reason: e.to_string() };
        let linked = spec.artifact.link(spec.point, Allowed::by(&spec.grants)).map_err(refused)?;
        Ok(Bound {
            linked,
            powers: Powers { in_config: InConfig::of(&config, &spec.config_secrets), ..Powers::of(&spec, host) },
            spec,
            config,
            counters: Counters::default(),
            series: SeriesTable::default(),
            breaker: Breaker::new(Instant::now()),
            events,
            log,
            trial,
            warm: WarmCounters::default(),
            retired: AtomicBool::new(false),
            filter,
            notices: host.notices.clone(),
        })
    }

    /// Says what the host did to it by itself, and whose fault it was.
    pub(crate) fn notify(&self, plugin: &str, kind: NoticeKind) {
        let BindingSpec { id, name, scope, .. } = &self.spec;
        let (name, plugin) = (name.clone(), plugin.to_owned());
        self.notices.tell(Notice { binding: *id, name, scope: *scope, plugin, kind });
    }

    pub(crate) fn metrics(&self, places: &Places, warm: &Warm) -> BindingMetrics {
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
            live: places.of_binding(self.spec.id),
            live_max: places.bounds().binding,
            open: self.breaker.is_open(),
            events: self.events.figures(),
            warm: warm.figures(self),
            trial: self.trial.as_ref().map(Trial::figures),
            series: self.series.snapshot(),
        }
    }
}

/// Every binding of one moment. A running ask or app holds what it began with.
///
/// # Invariants
/// Immutable. Each chain is in asking order; a company's does not repeat its brand's. Both kinds of router stand in one
/// chain, under [`Point::Router`].
#[derive(Debug, Default)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) all: Vec<Arc<Bound>>,
    chains: BTreeMap<(Point, Scope), Vec<Arc<Bound>>>,
    apps: BTreeMap<(Scope, String), Arc<Bound>>,
    /// Whether any binding is for one account: the others need not look it up.
    by_account: bool,
}

/// Where a binding stands among others.
fn chain_of(point: Point) -> Point {
    if point == Point::RouterIo { Point::Router } else { point }
}

impl Generation {
    /// Builds the next generation; unchanged bindings keep their counters and breaker.
    pub(crate) fn after(&self, specs: Vec<BindingSpec>, host: &HostConfig) -> Result<Generation, BindError> {
        let mut next = Generation { number: self.number + 1, ..Generation::default() };
        for spec in specs {
            check(&spec)?;
            let bound = match self.all.iter().find(|b| b.spec.is_same(&spec)) {
                Some(bound) => Arc::clone(bound),
                None => {
                    let before = self.all.iter().find(|b| b.spec.is_successor(&spec));
                    let lasting = before.map(|b| b.lasting()).unwrap_or_default();
                    Arc::new(Bound::new(spec, host, lasting)?)
                }
            };
            next.add(&bound)?;
            next.by_account |= bound.spec.scope.account.is_some();
            next.all.push(bound);
        }
        for list in next.chains.values_mut() {
            list.sort_by_key(|b| (b.spec.priority, b.spec.id));
        }
        Ok(next)
    }

    fn add(&mut self, bound: &Arc<Bound>) -> Result<(), BindError> {
        let spec = &bound.spec;
        let twice = || BindError::Duplicate { binding: spec.name.clone(), point: spec.point };
        if spec.point == Point::App {
            let old = self.apps.insert((spec.scope, spec.name.clone()), Arc::clone(bound));
            return if old.is_some() { Err(twice()) } else { Ok(()) };
        }
        let list = self.chains.entry((chain_of(spec.point), spec.scope)).or_default();
        if list.iter().any(|b| b.spec.name == spec.name) {
            return Err(twice());
        }
        list.push(Arc::clone(bound));
        Ok(())
    }

    /// Whose bindings are asked about what this account of the company does.
    pub(crate) fn whom(
        &self,
        (brand, company): (BrandId, CompanyId),
        account: Option<&str>,
        directory: &Directory,
    ) -> Whom {
        let account = account.filter(|_| self.by_account).and_then(|name| directory.account(company, name));
        Whom { brand, company, account: account.map(|a| a.id) }
    }

    /// Whose bindings are asked about a call: its caller's.
    pub(crate) fn whom_of(&self, call: &CallInfo, directory: &Directory) -> Whom {
        self.whom((call.brand, call.company), call.account.as_deref(), directory)
    }

    /// A chain at a point: brand bindings, then the company's, then the account's.
    pub(crate) fn chain_at(&self, point: Point, whom: Whom) -> impl Iterator<Item = &Arc<Bound>> {
        whom.layers().filter_map(move |scope| self.chains.get(&(point, scope))).flatten()
    }

    /// The routing chain.
    pub(crate) fn chain(&self, whom: Whom) -> impl Iterator<Item = &Arc<Bound>> {
        self.chain_at(Point::Router, whom)
    }

    /// The feature that a dialled string belongs to, and its code: the longest code, then the narrowest scope.
    pub(crate) fn feature(&self, whom: Whom, dialled: &str) -> Option<(&Arc<Bound>, &str)> {
        if !dialled.starts_with(['*', '#']) {
            return None;
        }
        let matches = self.chain_at(Point::Feature, whom).flat_map(|bound| {
            let codes = bound.spec.codes.iter().filter(|code| dialled.starts_with(code.as_str()));
            codes.map(move |code| (bound, code.as_str()))
        });
        // Of equals the first wins: `min` by what is to be greatest.
        matches.min_by_key(|(bound, code)| (core::cmp::Reverse(code.len()), bound.spec.scope.wideness()))
    }

    /// The app of that name: the account's own, or the company's, or its brand's.
    pub(crate) fn app(&self, whom: Whom, name: &str) -> Option<&Arc<Bound>> {
        whom.layers().filter_map(|scope| self.apps.get(&(scope, name.to_owned()))).last()
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
    if spec.point == Point::Feature && spec.codes.is_empty() {
        return Err(BindError::NoCodes(spec.name.clone()));
    }
    if spec.scope.account.is_some() && matches!(spec.point, Point::EventSink | Point::Rater) {
        return Err(BindError::NotForAccounts(spec.name.clone()));
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
