//! What guests may use: one file per `wit/host` interface. `log`, `config`, `clock` and `metrics` without asking, the
//! others by grant ([`Powers`]). Only `http` waits.

mod clock;
mod config;
mod denied;
mod directory;
mod http;
mod kv;
mod ledger;
mod log;
mod mail;
mod metrics;
mod powers;
mod secrets;

pub use clock::GuestClock;
pub(crate) use denied::Denied;
pub(crate) use http::failure;
pub use http::{HttpAnswer, HttpAsked, HttpClients, HttpScript};
pub(crate) use ledger::Purse;
pub use ledger::{Ledger, Told as LedgerTold};
pub(crate) use log::{LineBudget, for_log};
pub(crate) use mail::MailPower;
pub use mail::{MailDoor, Mailer};
pub(crate) use metrics::SeriesTable;
pub use powers::PrefixTables;
pub(crate) use powers::{Allowed, InConfig, Powers};
pub use secrets::Secret;

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
