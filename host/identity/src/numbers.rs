//! Which numbers a certificate may vouch for: the TNAuthList extension (RFC 8226 section 9).

use crate::Unusable;
use crate::der::{self, IA5_STRING, INTEGER, SEQUENCE};

/// Most entries that are read: a carrier's certificate has one.
const ENTRIES_MAX: usize = 1_024;
/// Longest telephone number.
const DIGITS_MAX: usize = 15;

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Entry {
    /// A service provider's code: the carrier as a whole, whichever numbers are its (RFC 8226 section 9, ATIS-1000080).
    Provider,
    /// So many numbers from this one on, all as long as it.
    Range { digits: usize, first: u64, count: u64 },
    /// One number.
    One(String),
}

/// The numbers that a certificate may vouch for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TnAuthList(Vec<Entry>);

impl TnAuthList {
    /// Reads the extension's value.
    ///
    /// # Errors
    /// [`Unusable::Broken`].
    pub fn from_der(der: &[u8]) -> Result<TnAuthList, Unusable> {
        let broken = || Unusable::Broken("its TNAuthList is none".to_owned());
        let entries = der::whole(der, SEQUENCE).and_then(|all| der::all(all, ENTRIES_MAX)).ok_or_else(broken)?;
        let entries: Option<Vec<Entry>> = entries.into_iter().map(entry).collect();
        entries.filter(|entries| !entries.is_empty()).map(TnAuthList).ok_or_else(broken)
    }

    /// Whether a number is among them; digits, no plus.
    #[must_use]
    pub fn covers(&self, number: &str) -> bool {
        self.0.iter().any(|entry| match entry {
            Entry::Provider => true,
            Entry::One(one) => one == number,
            Entry::Range { digits, first, count } => {
                let value = digits_of(number).filter(|_| number.len() == *digits);
                value.is_some_and(|value| value.checked_sub(*first).is_some_and(|above| above < *count))
            }
        })
    }
}

/// Tags are explicit (RFC 8226 appendix A).
fn entry((tag, content): (u8, &[u8])) -> Option<Entry> {
    match tag {
        0xa0 => {
            let code = der::whole(content, IA5_STRING)?;
            (!code.is_empty() && code.is_ascii()).then_some(Entry::Provider)
        }
        0xa1 => {
            let parts = der::all(der::whole(content, SEQUENCE)?, ENTRIES_MAX)?;
            let [(IA5_STRING, start), (INTEGER, count), ..] = parts.as_slice() else { return None };
            let start = number(start)?;
            let small = count.len() <= 8 && count.first().is_some_and(|sign| *sign < 0x80);
            let count = count.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
            small.then_some(Entry::Range { digits: start.len(), first: digits_of(start)?, count })
        }
        0xa2 => number(der::whole(content, IA5_STRING)?).map(|number| Entry::One(number.to_owned())),
        _ => None,
    }
}

fn number(text: &[u8]) -> Option<&str> {
    let dialled = text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'#' | b'*'));
    core::str::from_utf8(text).ok().filter(|text| dialled && (1..=DIGITS_MAX).contains(&text.len()))
}

fn digits_of(number: &str) -> Option<u64> {
    (number.len() <= DIGITS_MAX && number.bytes().all(|b| b.is_ascii_digit())).then(|| number.parse().ok()).flatten()
}
