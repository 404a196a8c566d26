//! What every guest may use without asking: one file per `wit/host` interface. None of these waits.

mod clock;
mod config;
mod directory;
mod log;
mod metrics;

pub(crate) use log::LineBudget;
pub(crate) use metrics::SeriesTable;

use crate::bindings::router::strowger::types::types;
use crate::guest::Guest;

impl types::Host for Guest {}

/// `text` cut to at most `max` bytes, at a character's boundary.
fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(super::cut("aé", 2), "a");
        assert_eq!(super::cut("aé", 3), "aé");
    }
}
