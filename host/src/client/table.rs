//! Tables for people: columns as wide as their widest cell, two blanks between, no colours.

use serde_json::Value;

/// A table of `rows` under `heads`; `none` is said instead of an empty table.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>], none: &str) -> String {
    if rows.is_empty() {
        return format!("{none}\n");
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count());
        cells.chain(heads.get(column).map(|h| h.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(c, w)| format!("{c:w$}", w = *w)).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut out = line(heads.to_vec());
    for row in rows {
        out.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    out
}

/// The rows of `list`, each the texts at `fields` (a path with dots reaches into objects).
pub(crate) fn rows(list: &[Value], fields: &[&str]) -> Vec<Vec<String>> {
    list.iter().map(|item| fields.iter().map(|field| text(item, field)).collect()).collect()
}

/// Every field on a line of its own.
pub(crate) fn details(trunk: &Value) -> String {
    let Some(fields) = trunk.as_object() else { return String::new() };
    let cells: Vec<Vec<String>> = fields.keys().map(|key| vec![key.clone(), text(trunk, key)]).collect();
    table(&["FIELD", "VALUE"], &cells, "Nothing.")
}

/// The text at a path; `-` where there is none. Control characters, which may come from a caller, are not printed.
pub(crate) fn text(item: &Value, path: &str) -> String {
    let value = path.split('.').try_fold(item, |at, key| at.get(key));
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(Value::Array(items)) => {
            items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_line_up_and_hostile_text_is_tamed() {
        let list = [json!({"a": "x", "b": {"c": 5}}), json!({"a": "longer\u{1b}[2J", "b": null})];
        let text = table(&["A", "NUMBER"], &rows(&list, &["a", "b.c"]), "none");
        assert_eq!(text, "A           NUMBER\nx           5\nlonger?[2J  -\n");
        assert_eq!(table(&["A"], &[], "Nothing."), "Nothing.\n");
    }
}
