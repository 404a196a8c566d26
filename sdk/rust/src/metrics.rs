//! The plugin's own figures.

use crate::generated::router::strowger::host::metrics as host;

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

/// Adds one to a counter.
pub fn count(name: &str, labels: &[(&str, &str)]) {
    host::count(name, 1, &owned(labels));
}

/// Adds an observation to a summary.
pub fn observe(name: &str, value: f64, labels: &[(&str, &str)]) {
    host::observe(name, value, &owned(labels));
}
