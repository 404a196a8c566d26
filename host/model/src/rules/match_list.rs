//! Match lists: numbers, beginnings of numbers and patterns. Any of them counts.

use super::RULE_ENTRIES_MAX;
use super::way::is_e164;
use core::fmt;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;

/// Why a list cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MatchListError {
    /// Longer than a list may be.
    #[error("has {0} entries, at most {max} are allowed", max = RULE_ENTRIES_MAX)]
    TooMany(usize),
    /// Not E.164.
    #[error("expected a number as +34944048182, found {0:?}")]
    Number(String),
    /// Not the beginning of an E.164 number.
    #[error("expected the beginning of a number as +34, found {0:?}")]
    Prefix(String),
    /// No regular expression, or one that is too large.
    #[error("the pattern {0:?} cannot be used: {1}")]
    Pattern(String, String),
}

/// The list as it is written.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    numbers: Vec<String>,
    prefixes: Vec<String>,
    patterns: Vec<String>,
}

/// A list of numbers, ready to be used. On E.164: `+` and digits.
///
/// # Invariants
/// `numbers` holds what `written.numbers` says, `patterns` what `written.patterns` says.
#[derive(Clone, Default)]
pub struct MatchList {
    written: Written,
    numbers: BTreeSet<String>,
    patterns: Vec<Regex>,
}

impl PartialEq for MatchList {
    fn eq(&self, other: &MatchList) -> bool {
        self.written == other.written
    }
}

impl Eq for MatchList {}

impl fmt::Debug for MatchList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl MatchList {
    /// Longest pattern, in bytes.
    pub const PATTERN_MAX: usize = 256;
    /// Most memory of one compiled pattern, in bytes.
    const SIZE_MAX: usize = 256 * 1024;

    /// A list of exact numbers, beginnings of numbers, and regular expressions in linear time, which match anywhere
    /// unless `^` and `$` say otherwise.
    ///
    /// # Errors
    /// [`MatchListError`], which names the entry.
    pub fn new(
        numbers: Vec<String>,
        prefixes: Vec<String>,
        patterns: Vec<String>,
    ) -> Result<MatchList, MatchListError> {
        let length = numbers.len() + prefixes.len() + patterns.len();
        if length > RULE_ENTRIES_MAX {
            return Err(MatchListError::TooMany(length));
        }
        if let Some(wrong) = numbers.iter().find(|number| !is_e164(number)) {
            return Err(MatchListError::Number(wrong.clone()));
        }
        let beginning = |text: &str| {
            let digits = text.strip_prefix('+').unwrap_or("x");
            digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if let Some(wrong) = prefixes.iter().find(|prefix| !beginning(prefix)) {
            return Err(MatchListError::Prefix(wrong.clone()));
        }
        Ok(MatchList {
            numbers: numbers.iter().cloned().collect(),
            patterns: patterns.iter().map(|pattern| compiled(pattern)).collect::<Result<_, _>>()?,
            written: Written { numbers, prefixes, patterns },
        })
    }

    /// Whether the number is in it.
    #[must_use]
    pub fn has(&self, number: &str) -> bool {
        self.numbers.contains(number)
            || self.written.prefixes.iter().any(|prefix| number.starts_with(prefix.as_str()))
            || self.patterns.iter().any(|pattern| pattern.is_match(number.as_bytes()))
    }
}

fn compiled(pattern: &str) -> Result<Regex, MatchListError> {
    let wrong = |why: String| MatchListError::Pattern(pattern.to_owned(), why);
    if pattern.is_empty() || pattern.len() > MatchList::PATTERN_MAX {
        return Err(wrong(format!("it needs 1 to {} characters", MatchList::PATTERN_MAX)));
    }
    let built = RegexBuilder::new(pattern).unicode(false).size_limit(MatchList::SIZE_MAX).build();
    // The parser draws the pattern over several lines; its last line says what is wrong.
    built.map_err(|e| wrong(e.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()))
}

impl Serialize for MatchList {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(out)
    }
}

impl<'de> Deserialize<'de> for MatchList {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let Written { numbers, prefixes, patterns } = Written::deserialize(input)?;
        MatchList::new(numbers, prefixes, patterns).map_err(serde::de::Error::custom)
    }
}
