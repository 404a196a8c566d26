//! Numeric translation: ordered rules, first match wins, no match leaves the number alone.
//!
//! A carrier speaks its own form of numbers; inside, a public number is E.164 with its `+`. A set has one list for each
//! way a number crosses the edge. Patterns are regular expressions in linear time without look-around or
//! back-references (the `regex` crate), replacements name groups as `\1` to `\9` and the whole match as `\0`.

use crate::{BrandId, TranslationSetId};
use core::fmt;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// One rule as the operator writes it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslationRule {
    /// A regular expression on the number's characters; it matches anywhere unless `^` and `$` say otherwise.
    pub pattern: String,
    /// What the whole number becomes: text, `\1` to `\9` for groups, `\0` for the match, `\\` for a backslash.
    pub replacement: String,
}

/// Why a list of rules cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RuleError {
    /// Longer than a list may be.
    #[error("has {0} rules, at most {max} are allowed", max = RuleList::RULES_MAX)]
    TooMany(usize),
    /// A rule's text is empty where it may not be, or too long.
    #[error("rule {rule}: the pattern needs 1 to {max} characters, the replacement at most {max}", max = RuleList::TEXT_MAX)]
    Length {
        /// Counted from 1.
        rule: usize,
    },
    /// The pattern is no regular expression, or one that is too large.
    #[error("rule {rule}: {why}")]
    Pattern {
        /// Counted from 1.
        rule: usize,
        /// The parser's words.
        why: String,
    },
    /// The replacement names a group that the pattern does not have.
    #[error("rule {rule}: the replacement names group {group}, the pattern has {groups}")]
    Group {
        /// Counted from 1.
        rule: usize,
        /// The group named.
        group: usize,
        /// How many the pattern has.
        groups: usize,
    },
    /// A backslash before something that has no meaning.
    #[error("rule {rule}: after a backslash the replacement may have 0 to 9 or a backslash")]
    Escape {
        /// Counted from 1.
        rule: usize,
    },
    /// The replacement holds a character that no number and no user part has.
    #[error("rule {rule}: the replacement has a character that cannot stand in a number")]
    Character {
        /// Counted from 1.
        rule: usize,
    },
}

/// A piece of a replacement.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

#[derive(Clone, Debug)]
struct Compiled {
    regex: Regex,
    pieces: Vec<Piece>,
}

/// An ordered list of rules, ready to be used.
///
/// # Invariants
/// Every pattern compiles within the size limit, and every group a replacement names is in its pattern.
#[derive(Clone, Default)]
pub struct RuleList {
    rules: Vec<TranslationRule>,
    compiled: Vec<Compiled>,
}

impl PartialEq for RuleList {
    fn eq(&self, other: &RuleList) -> bool {
        self.rules == other.rules
    }
}

impl Eq for RuleList {}

impl fmt::Debug for RuleList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.fmt(f)
    }
}

impl RuleList {
    /// Most rules in one list.
    pub const RULES_MAX: usize = 100;
    /// Longest pattern and longest replacement, in bytes.
    pub const TEXT_MAX: usize = 256;
    /// Most memory of one compiled pattern, in bytes.
    const SIZE_MAX: usize = 256 * 1024;
    /// Longest number that is translated; a longer one is no number.
    const NUMBER_MAX: usize = 128;

    /// Compiles rules in their order.
    ///
    /// # Errors
    /// [`RuleError`], which names the rule.
    pub fn new(rules: Vec<TranslationRule>) -> Result<RuleList, RuleError> {
        if rules.len() > Self::RULES_MAX {
            return Err(RuleError::TooMany(rules.len()));
        }
        let compiled = rules.iter().enumerate().map(|(i, r)| compile(i + 1, r)).collect::<Result<_, _>>()?;
        Ok(RuleList { rules, compiled })
    }

    /// The rules as they were written.
    #[must_use]
    pub fn rules(&self) -> &[TranslationRule] {
        &self.rules
    }

    /// The number after the first rule that matches; the same number where none does.
    #[must_use]
    pub fn apply(&self, number: &str) -> String {
        if number.len() > Self::NUMBER_MAX {
            return number.to_owned();
        }
        let translated = self.compiled.iter().find_map(|rule| {
            let found = rule.regex.captures(number.as_bytes())?;
            let mut out = String::with_capacity(number.len() + 4);
            for piece in &rule.pieces {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Group(n) => {
                        let bytes = found.get(*n).map_or(&b""[..], |m| m.as_bytes());
                        out.push_str(&String::from_utf8_lossy(bytes));
                    }
                }
            }
            Some(out)
        });
        translated.unwrap_or_else(|| number.to_owned())
    }
}

impl Serialize for RuleList {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.rules.serialize(out)
    }
}

impl<'de> Deserialize<'de> for RuleList {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        RuleList::new(Vec::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}

fn compile(number: usize, rule: &TranslationRule) -> Result<Compiled, RuleError> {
    let (pattern, replacement) = (rule.pattern.as_str(), rule.replacement.as_str());
    if pattern.is_empty() || pattern.len() > RuleList::TEXT_MAX || replacement.len() > RuleList::TEXT_MAX {
        return Err(RuleError::Length { rule: number });
    }
    let regex = RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(RuleList::SIZE_MAX)
        .build()
        .map_err(|e| RuleError::Pattern { rule: number, why: one_line(&e) })?;
    let groups = regex.captures_len().saturating_sub(1);
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut chars = replacement.chars();
    while let Some(c) = chars.next() {
        let group = match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('\\')) => {
                text.push('\\');
                continue;
            }
            ('\\', next) => {
                let digit = next.and_then(|d| d.to_digit(10)).ok_or(RuleError::Escape { rule: number })?;
                usize::try_from(digit).unwrap_or(usize::MAX)
            }
            (c, _) if is_user_char(c) => {
                text.push(c);
                continue;
            }
            _ => return Err(RuleError::Character { rule: number }),
        };
        if group > groups {
            return Err(RuleError::Group { rule: number, group, groups });
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(core::mem::take(&mut text)));
        }
        pieces.push(Piece::Group(group));
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(Compiled { regex, pieces })
}

/// What a dialled number or the user part of a SIP URI may hold without an escape (RFC 3261 section 25.1), and `#`.
fn is_user_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/#".contains(c)
}

/// The parser draws the pattern over several lines; its last line says what is wrong.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// The four lists of a carrier or a client: one for each way a number crosses the edge.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TranslationLists {
    /// The caller's number of a call that comes in, from the carrier's form to E.164.
    pub caller_in: RuleList,
    /// The caller's number of a call that goes out, from E.164 to the carrier's form.
    pub caller_out: RuleList,
    /// The dialled number of a call that comes in, from the carrier's form to E.164.
    pub callee_in: RuleList,
    /// The dialled number of a call that goes out, from E.164 to the carrier's form.
    pub callee_out: RuleList,
}

/// A named set of a brand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TranslationSet {
    /// The row.
    pub id: TranslationSetId,
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// The lists.
    pub lists: TranslationLists,
}

#[cfg(test)]
#[path = "translation_tests.rs"]
mod tests;
