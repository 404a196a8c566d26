//! A new version on trial beside the one that serves: as a shadow it is asked about live calls and its answers are only
//! compared; as a canary it answers for a share of them, and goes by itself when it does worse.

use crate::binding::Bound;
use crate::{Artifact, Grants, NoticeKind, Reuse, TrialFigures};
use core::fmt;
use core::time::Duration;
use model::CallId;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Differences kept to be looked at.
const SHOWN: usize = 20;
/// A canary is not judged by its speed before both have answered so many calls.
const JUDGED_FROM: u64 = 100;
/// So many times slower is too slow.
const SLOWER: u32 = 3;

/// A version on trial, as the store knows it. Shows nothing of its configuration.
#[derive(Clone)]
pub struct TrialSpec {
    /// The plugin's id and version.
    pub plugin: String,
    /// The compiled component.
    pub artifact: Arc<Artifact>,
    /// Its configuration.
    pub config_json: String,
    /// Where secrets stand in it, as JSON Pointers (RFC 6901).
    pub config_secrets: BTreeSet<String>,
    /// How many of a hundred calls it answers; 0 is a shadow.
    pub percent: u8,
    /// What it may use.
    pub grants: Grants,
    /// Whether its instances are kept between questions.
    pub reuse: Reuse,
    /// When it began, in microseconds: the same version tried again is another trial.
    pub begun: i64,
    /// It did worse already, as the store knows: it is not asked.
    pub over: bool,
}

impl fmt::Debug for TrialSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrialSpec { plugin, percent, .. } = self;
        f.debug_struct("TrialSpec").field("plugin", plugin).field("percent", percent).finish_non_exhaustive()
    }
}

/// What the host itself has found of it (`over`) makes no other trial of it.
impl PartialEq for TrialSpec {
    fn eq(&self, other: &Self) -> bool {
        self.plugin == other.plugin
            && self.artifact.digest() == other.artifact.digest()
            && self.config_json == other.config_json
            && self.config_secrets == other.config_secrets
            && self.percent == other.percent
            && self.grants == other.grants
            && self.reuse == other.reuse
            && self.begun == other.begun
    }
}

/// # Invariants
/// Once `gone` it is never asked again; only a new trial begins anew.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) bound: Arc<Bound>,
    percent: u8,
    begun: i64,
    gone: AtomicBool,
    same: AtomicU64,
    different: AtomicU64,
    shown: Mutex<VecDeque<String>>,
}

impl Trial {
    pub(crate) fn new(bound: Arc<Bound>, spec: &TrialSpec) -> Trial {
        Trial {
            bound,
            percent: spec.percent.min(100),
            begun: spec.begun,
            gone: AtomicBool::new(spec.over),
            same: AtomicU64::new(0),
            different: AtomicU64::new(0),
            shown: Mutex::default(),
        }
    }

    pub(crate) fn is_shadow(&self) -> bool {
        self.percent == 0
    }

    /// Whether this call is the canary's. The same call gets the same answerer each time it is asked about.
    pub(crate) fn takes(&self, call: CallId) -> bool {
        !self.gone.load(Ordering::Relaxed) && is_of_share(call, self.percent)
    }

    /// Looks at the canary after it answered; ends the trial when it does worse. True when it has ended now.
    pub(crate) fn judge(&self, serving: &Bound) -> bool {
        let why = if self.bound.breaker.is_open() {
            "it keeps failing".to_owned()
        } else {
            let (calls, mean) = self.bound.counters.mean();
            let (serving_calls, serving_mean) = serving.counters.mean();
            if calls < JUDGED_FROM || serving_calls < JUDGED_FROM || !is_slower(mean, serving_mean) {
                return false;
            }
            format!("it takes {mean:?} where the other takes {serving_mean:?}")
        };
        let ends = !self.gone.swap(true, Ordering::Relaxed);
        if ends {
            let plugin = &self.bound.spec.plugin;
            tracing::warn!(binding = %serving.spec.name, trial = %plugin, "a canary is rolled back: {why}");
            serving.notify(plugin, NoticeKind::TrialOver { begun: self.begun, why });
        }
        ends
    }

    /// Notes what a shadow would have said.
    pub(crate) fn compare(&self, call: CallId, served: &str, shadow: &str) {
        if served == shadow {
            self.same.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.different.fetch_add(1, Ordering::Relaxed);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.len() >= SHOWN {
            shown.pop_front();
        }
        shown.push_back(format!("{call}: {served} | {shadow}"));
    }

    pub(crate) fn figures(&self) -> TrialFigures {
        TrialFigures {
            plugin: self.bound.spec.plugin.clone(),
            percent: self.percent,
            rolled_back: self.gone.load(Ordering::Relaxed),
            calls: self.bound.counters.mean().0,
            failures: self.bound.counters.failures(),
            same: self.same.load(Ordering::Relaxed),
            different: self.different.load(Ordering::Relaxed),
            differences: self.shown.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect(),
        }
    }
}

/// Call ids are random: any part of them is fair.
fn is_of_share(call: CallId, percent: u8) -> bool {
    call.0 % 100 < u128::from(percent)
}

fn is_slower(mean: Duration, than: Duration) -> bool {
    // Below this both are noise.
    mean > Duration::from_micros(500) && mean > than * SLOWER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_share() {
        for percent in [0, 1, 30, 100] {
            let taken = (0..1_000).filter(|n| is_of_share(CallId(*n), percent)).count();
            assert_eq!(taken, usize::from(percent) * 10);
        }
    }

    #[test]
    fn a_canary_is_slow_by_comparison_only() {
        let us = Duration::from_micros;
        assert!(is_slower(us(901), us(300)) && !is_slower(us(899), us(300)));
        assert!(!is_slower(us(400), us(10)), "nobody notices");
    }
}
