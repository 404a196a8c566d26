//! Prefix tables: the longest prefix of a number among millions of rows.
//!
//! A trie over digits with twelve bytes a node: a mask of the digits that go on, where the first of these children is
//! (they lie together), and the row. One lookup walks at most as many nodes as the number has digits.

use core::ops::Range;
use std::collections::VecDeque;

const NONE: u32 = u32::MAX;
/// Longest prefix, in digits; E.164 has 15, carriers add their own in front.
const DIGITS_MAX: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Node {
    mask: u16,
    first: u32,
    row: u32,
}

/// A row that matched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrefixMatch<'a> {
    /// The prefix.
    pub prefix: &'a str,
    /// The row's values, by column.
    pub columns: Vec<(&'a str, &'a str)>,
}

/// Why a table cannot be built.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PrefixError {
    /// A prefix is no digits.
    #[error("row {row}: prefix {prefix:?} is not 1 to 32 digits")]
    Digits {
        /// The row, from one.
        row: usize,
        /// The prefix.
        prefix: String,
    },
    /// The first line is no heading.
    #[error("the first line names the columns: `prefix`, then at most 16 of 1 to 64 characters")]
    Heading,
    /// A value's quotes make no sense.
    #[error("row {row}: a quote is not closed, or stands inside a value")]
    Quote {
        /// The row, from one.
        row: usize,
    },
    /// A prefix stands twice.
    #[error("prefix {0} stands twice")]
    Twice(String),
    /// A row has more or fewer values than there are columns.
    #[error("row {row}: {found} values for {columns} columns")]
    Columns {
        /// The row, from one.
        row: usize,
        /// How many it has.
        found: usize,
        /// How many it should have.
        columns: usize,
    },
    /// More rows or more text than 32-bit offsets reach.
    #[error("the table is too large: at most 100,000,000 rows and 4 GiB of text")]
    TooLarge,
}

/// Collects rows.
#[derive(Clone, Debug, Default)]
pub struct PrefixTableBuilder {
    columns: Vec<String>,
    text: String,
    /// Each row's beginning and the end of its prefix in `text`.
    rows: Vec<(u32, u32)>,
}

/// An immutable table.
///
/// # Invariants
/// `rows` is sorted by prefix; a node's children lie together from `first` in the order of their digits; the root is
/// node 0. A row's text is its prefix, then its values, each ended by `'\n'`.
#[derive(Clone, Debug)]
pub struct PrefixTable {
    columns: Vec<String>,
    text: String,
    rows: Vec<(u32, u32)>,
    nodes: Vec<Node>,
}

impl PrefixTableBuilder {
    /// A table with these columns beside the prefix.
    #[must_use]
    pub fn new(columns: Vec<String>) -> PrefixTableBuilder {
        PrefixTableBuilder { columns, ..PrefixTableBuilder::default() }
    }

    /// Adds a row; a `+` in front of the prefix is dropped, line ends in values become spaces.
    ///
    /// # Errors
    /// [`PrefixError`]: the row is not in.
    pub fn row<'v>(&mut self, prefix: &str, values: impl IntoIterator<Item = &'v str>) -> Result<(), PrefixError> {
        let row = self.rows.len() + 1;
        let digits = prefix.strip_prefix('+').unwrap_or(prefix);
        if !(1..=DIGITS_MAX).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PrefixError::Digits { row, prefix: prefix.chars().take(40).collect() });
        }
        let start = self.text.len();
        self.text.push_str(digits);
        let mut found = 0;
        for value in values {
            found += 1;
            self.text.extend(value.chars().map(|c| if c == '\n' { ' ' } else { c }));
            self.text.push('\n');
        }
        let columns = self.columns.len();
        let fits = u32::try_from(self.text.len()).is_ok() && row <= 100_000_000;
        if found != columns || !fits {
            self.text.truncate(start);
            return Err(if fits { PrefixError::Columns { row, found, columns } } else { PrefixError::TooLarge });
        }
        let at = |n: usize| u32::try_from(n).map_err(|_| PrefixError::TooLarge);
        self.rows.push((at(start)?, at(start + digits.len())?));
        Ok(())
    }

    /// The table. Costs a sort, and about a microsecond a row.
    ///
    /// # Errors
    /// [`PrefixError::Twice`].
    pub fn build(self) -> Result<PrefixTable, PrefixError> {
        let PrefixTableBuilder { columns, text, mut rows } = self;
        let digits = |row: &(u32, u32)| &text.as_bytes()[row.0 as usize..row.1 as usize];
        rows.sort_unstable_by(|a, b| digits(a).cmp(digits(b)));
        if let Some(twice) = rows.windows(2).find(|w| digits(&w[0]) == digits(&w[1])) {
            return Err(PrefixError::Twice(String::from_utf8_lossy(digits(&twice[0])).into_owned()));
        }
        let mut nodes = vec![Node { mask: 0, first: NONE, row: NONE }];
        let mut todo: VecDeque<(usize, Range<usize>, usize)> = VecDeque::from([(0, 0..rows.len(), 0)]);
        while let Some((node, mut range, depth)) = todo.pop_front() {
            if rows.get(range.start).is_some_and(|row| !range.is_empty() && digits(row).len() == depth) {
                nodes[node].row = u32::try_from(range.start).map_err(|_| PrefixError::TooLarge)?;
                range.start += 1;
            }
            if range.is_empty() {
                continue;
            }
            nodes[node].first = u32::try_from(nodes.len()).map_err(|_| PrefixError::TooLarge)?;
            while !range.is_empty() {
                let digit = digits(&rows[range.start])[depth] - b'0';
                let end = range.start + rows[range.clone()].partition_point(|r| digits(r)[depth] - b'0' == digit);
                nodes[node].mask |= 1 << digit;
                todo.push_back((nodes.len(), range.start..end, depth + 1));
                nodes.push(Node { mask: 0, first: NONE, row: NONE });
                range.start = end;
            }
        }
        nodes.shrink_to_fit();
        rows.shrink_to_fit();
        Ok(PrefixTable { columns, text, rows, nodes })
    }
}

impl PrefixTable {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.rows.len() * size_of::<(u32, u32)>() + self.nodes.len() * size_of::<Node>()
    }

    /// The rows on the way down, the shortest prefix first.
    fn walk(&self, number: &str, mut seen: impl FnMut(u32)) {
        let mut node = self.nodes[0];
        for byte in number.strip_prefix('+').unwrap_or(number).bytes() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 || node.mask & (1 << digit) == 0 {
                return;
            }
            let before = (node.mask & ((1 << digit) - 1)).count_ones();
            node = self.nodes[(node.first + before) as usize];
            if node.row != NONE {
                seen(node.row);
            }
        }
    }

    fn show(&self, row: u32) -> PrefixMatch<'_> {
        let (start, end) = self.rows[row as usize];
        let values = self.text[end as usize..].split('\n');
        let columns = self.columns.iter().map(String::as_str).zip(values).collect();
        PrefixMatch { prefix: &self.text[start as usize..end as usize], columns }
    }

    /// The longest prefix of `number` with its row. What follows the first character that is no digit does not count.
    #[must_use]
    pub fn longest(&self, number: &str) -> Option<PrefixMatch<'_>> {
        let mut best = NONE;
        self.walk(number, |row| best = row);
        (best != NONE).then(|| self.show(best))
    }

    /// Every prefix of `number` with its row, the longest first.
    #[must_use]
    pub fn all(&self, number: &str) -> Vec<PrefixMatch<'_>> {
        let mut rows = Vec::new();
        self.walk(number, |row| rows.push(row));
        rows.into_iter().rev().map(|row| self.show(row)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(rows: &[(&str, &str)]) -> PrefixTable {
        let mut builder = PrefixTableBuilder::new(vec!["price".to_owned()]);
        for (prefix, price) in rows {
            builder.row(prefix, [*price]).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn the_longest_prefix_wins_and_all_are_given_longest_first() {
        let t = table(&[("44", "2"), ("4420", "1"), ("1", "3"), ("+447", "9")]);
        for (number, prefix) in [
            ("+442079460000", Some("4420")),
            ("4420", Some("4420")),
            ("442", Some("44")),
            ("447", Some("447")),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(t.longest(number).map(|m| m.prefix), prefix, "{number}");
        }
        assert_eq!(t.longest("4420").unwrap().columns, [("price", "1")]);
        assert_eq!(t.all("44207").iter().map(|m| m.prefix).collect::<Vec<_>>(), ["4420", "44"]);
        assert_eq!(t.longest("44;20").map(|m| m.prefix), Some("44"));
        assert!(table(&[]).longest("1").is_none());
    }

    #[test]
    fn what_is_no_table_is_refused_in_words() {
        let mut b = PrefixTableBuilder::new(vec!["a".to_owned(), "b".to_owned()]);
        assert!(matches!(b.row("4x", ["", ""]), Err(PrefixError::Digits { row: 1, .. })));
        assert!(matches!(b.row("", ["", ""]), Err(PrefixError::Digits { .. })));
        assert!(matches!(b.row("4", [""]), Err(PrefixError::Columns { found: 1, columns: 2, .. })));
        b.row("4", ["x\ny", ""]).unwrap();
        b.row("+4", ["", ""]).unwrap();
        assert_eq!(b.build().unwrap_err(), PrefixError::Twice("4".to_owned()));
    }

    /// Against the plainest way to say it, on numbers made by a small generator.
    #[test]
    fn it_agrees_with_a_list_of_prefixes() {
        let mut seed = 1_u64;
        let mut next = |max: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % max
        };
        let one = |_| {
            let digits = 1 + next(6) as u32;
            next(10_u64.pow(digits)).to_string()
        };
        let mut list: Vec<String> = (0..3_000).map(one).collect();
        list.sort();
        list.dedup();
        let rows: Vec<(&str, &str)> = list.iter().map(|p| (p.as_str(), "x")).collect();
        let t = table(&rows);
        assert_eq!(t.len(), list.len());
        for _ in 0..3_000 {
            let number = next(10_000_000).to_string();
            let plain = list.iter().filter(|p| number.starts_with(p.as_str())).max_by_key(|p| p.len());
            assert_eq!(t.longest(&number).map(|m| m.prefix), plain.map(String::as_str), "{number}");
        }
    }
}
