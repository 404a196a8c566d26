//! Prefix tables as text: comma-separated values with a heading (RFC 4180).

use crate::{PrefixError, PrefixTable, PrefixTableBuilder};

/// Most columns beside the prefix.
const COLUMNS_MAX: usize = 16;

impl PrefixTable {
    /// Reads a table: the first line names the columns, `prefix` the first of them; each other line is a row. A value
    /// with a comma or a quote stands in quotes, a quote in it is doubled. Empty lines are passed over.
    ///
    /// # Errors
    /// [`PrefixError`], with the row.
    pub fn from_csv(text: &str) -> Result<PrefixTable, PrefixError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let heading = fields(lines.next().unwrap_or_default()).ok_or(PrefixError::Heading)?;
        let (first, columns) = heading.split_first().ok_or(PrefixError::Heading)?;
        let named = |name: &String| !name.is_empty() && name.len() <= 64;
        if first != "prefix" || columns.len() > COLUMNS_MAX || !columns.iter().all(named) {
            return Err(PrefixError::Heading);
        }
        let mut builder = PrefixTableBuilder::new(columns.to_vec());
        for (line, row) in lines.zip(1..) {
            let values = fields(line).ok_or(PrefixError::Quote { row })?;
            let (prefix, values) = values.split_first().ok_or(PrefixError::Quote { row })?;
            builder.row(prefix, values.iter().map(String::as_str))?;
        }
        builder.build()
    }
}

/// The fields of a line; `None` where a quote is not closed or stands in the middle.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => closed(quoted)?,
            None => {
                let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                (field.trim().to_owned(), after)
            }
        };
        out.push(field);
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(out),
            None => return None,
        }
    }
}

/// What stands before the closing quote, and what comes after it.
fn closed(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_come_in_with_their_columns() {
        let text = "\u{feff}prefix, price ,carrier\r\n44,0.01,one\r\n\r\n+4420 , \"0,02\",\"the \"\"two\"\"\"\n1,,\n";
        let table = PrefixTable::from_csv(text).unwrap();
        assert_eq!(table.len(), 3);
        assert_eq!(table.longest("442079").unwrap().columns, [("price", "0,02"), ("carrier", "the \"two\"")]);
        assert_eq!(table.longest("15").unwrap().columns, [("price", ""), ("carrier", "")]);
        assert!(PrefixTable::from_csv("prefix\n").unwrap().is_empty());
    }

    #[test]
    fn a_mistake_is_named_with_its_row() {
        for (text, error) in [
            ("", PrefixError::Heading),
            ("number,price\n", PrefixError::Heading),
            ("prefix,\n1,2\n", PrefixError::Heading),
            ("prefix,a\n1,\"2\n", PrefixError::Quote { row: 1 }),
            ("prefix,a\n1,2\n2,\"3\"4\n", PrefixError::Quote { row: 2 }),
            ("prefix,a\n1\n", PrefixError::Columns { row: 1, found: 0, columns: 1 }),
            ("prefix,a\n1,2\nx,3\n", PrefixError::Digits { row: 2, prefix: "x".to_owned() }),
            ("prefix\n1\n+1\n", PrefixError::Twice("1".to_owned())),
        ] {
            assert_eq!(PrefixTable::from_csv(text).unwrap_err(), error, "{text:?}");
        }
    }
}
