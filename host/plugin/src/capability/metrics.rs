//! `host/metrics`: a guest's own figures, per binding, bounded.

use super::cut;
use crate::GuestSeries;
use crate::bindings::router::strowger::host::metrics::Host;
use crate::bindings::router::strowger::types::types::Attr;
use crate::guest::Guest;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

const TEXT_MAX: usize = 64;
const LABELS_MAX: usize = 8;

type Key = (String, Vec<(String, String)>);

/// The series of one binding; every instance of it writes here.
#[derive(Debug, Default)]
pub(crate) struct SeriesTable(Mutex<BTreeMap<Key, (u64, f64)>>);

impl SeriesTable {
    fn add(&self, name: &str, value: f64, labels: &[Attr], max: usize) {
        let short = |t: &str| cut(t, TEXT_MAX).to_owned();
        let labels = labels.iter().take(LABELS_MAX).map(|(n, v)| (short(n), short(v))).collect();
        let key = (short(name), labels);
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= max && !table.contains_key(&key) {
            return;
        }
        let series = table.entry(key).or_default();
        series.0 += 1;
        series.1 += value;
    }

    pub(crate) fn snapshot(&self) -> Vec<GuestSeries> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let series = |((name, labels), (count, sum)): (&Key, &(u64, f64))| GuestSeries {
            name: name.clone(),
            labels: labels.clone(),
            count: *count,
            sum: *sum,
        };
        table.iter().map(series).collect()
    }
}

impl Host for Guest {
    #[allow(clippy::cast_precision_loss)]
    fn count(&mut self, name: String, delta: u64, labels: Vec<Attr>) {
        self.bound.series.add(&name, delta as f64, &labels, self.series_max);
    }

    fn observe(&mut self, name: String, value: f64, labels: Vec<Attr>) {
        if value.is_finite() {
            self.bound.series.add(&name, value, &labels, self.series_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded_and_known_ones_go_on() {
        let table = SeriesTable::default();
        for i in 0..10 {
            table.add(&format!("s{i}"), 1.0, &[], 3);
        }
        table.add("s0", 2.5, &[], 3);
        let all = table.snapshot();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].count, all[0].sum), (2, 3.5));
    }
}
