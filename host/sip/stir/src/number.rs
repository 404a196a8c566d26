//! Telephone numbers as they are signed (RFC 8224 section 8.3).

use core::fmt;

/// Longest number, in digits (ITU-T E.164 has 15; short codes and prefixes of networks are given room).
const DIGITS_MAX: usize = 32;

/// A telephone number in canonical form: digits, and `#` and `*`; no `+`, no separators.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Number(String);

impl Number {
    /// The canonical form of a number as people and user parts write it; `None` where it is none.
    #[must_use]
    pub fn canonical(text: &str) -> Option<Number> {
        let text = text.strip_prefix("tel:").unwrap_or(text);
        let text = text.split(';').next().unwrap_or_default();
        let kept: String = text.chars().filter(|c| !"-.() ".contains(*c)).collect();
        Number::exact(kept.strip_prefix('+').unwrap_or(&kept))
    }

    /// A number that stands in canonical form already, as in a claim.
    #[must_use]
    pub fn exact(text: &str) -> Option<Number> {
        let dialled = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'#' | b'*'));
        (dialled && !text.is_empty() && text.len() <= DIGITS_MAX).then(|| Number(text.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn numbers_are_signed_without_what_is_for_people() {
        for (text, number) in [
            ("+12155551212", Some("12155551212")),
            ("tel:+1-215-555-1212;ext=2", Some("12155551212")),
            ("+44 (20) 7946.0000", Some("442079460000")),
            ("*67", Some("*67")),
            ("alice", None),
            ("", None),
            ("+", None),
            ("1+2", None),
        ] {
            assert_eq!(Number::canonical(text).as_ref().map(Number::as_str), number, "{text}");
        }
        assert_eq!(Number::exact("+1"), None, "a claim has no plus");
        assert_eq!(Number::canonical(&"1".repeat(33)), None);
    }
}
