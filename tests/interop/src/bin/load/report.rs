//! What a scenario measured, and whether what must hold does.

use serde_json::{Map, Value, json};

/// Figures in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<(String, Value, &'static str)>,
    broken: Vec<String>,
}

impl Report {
    /// A figure and its unit.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<Value>, unit: &'static str) {
        self.figures.push((name.to_owned(), value.into(), unit));
    }

    /// The same, rounded to what can be read.
    pub(crate) fn measure(&mut self, name: &str, value: f64, unit: &'static str) {
        let digits = if value.abs() < 10.0 { 1_000.0 } else { 10.0 };
        self.figure(name, (value * digits).round() / digits, unit);
    }

    /// A count that must be zero.
    pub(crate) fn zero(&mut self, name: &str, count: u64) {
        self.figure(name, count, "");
        self.must(name, count == 0);
    }

    /// What must hold.
    pub(crate) fn must(&mut self, what: &str, holds: bool) {
        if !holds {
            self.broken.push(what.to_owned());
        }
    }

    /// Whether everything holds.
    pub(crate) fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let width = self.figures.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        let mut out = String::new();
        for (name, value, unit) in &self.figures {
            out.push_str(&format!("  {name:width$}  {value} {unit}\n"));
        }
        for what in &self.broken {
            out.push_str(&format!("  DOES NOT HOLD: {what}\n"));
        }
        out
    }

    /// For programs.
    pub(crate) fn json(&self, scenario: &str) -> String {
        let figures: Map<String, Value> =
            self.figures.iter().map(|(name, value, _)| (name.replace([' ', ','], "_"), value.clone())).collect();
        json!({ "scenario": scenario, "holds": self.holds(), "broken": self.broken, "figures": figures }).to_string()
    }
}

/// The value below which this share of the sorted list lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}
