//! `translation list`, `show`, `add`, `remove`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_translation::{Numbering, Translation};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};

/// The lists of a set, by their names on the command line and in the API.
const LISTS: [(&str, &str); 4] = [
    ("caller-in", "caller_in"),
    ("caller-out", "caller_out"),
    ("callee-in", "callee_in"),
    ("callee-out", "callee_out"),
];

pub(super) async fn run(remote: &Remote, command: &Translation) -> Result<String, Failure> {
    match command {
        Translation::List => {
            let all = remote.list("/translation-sets", &[], usize::MAX).await?;
            if remote.json {
                return Ok(json(&Value::Array(all)));
            }
            Ok(table(&["ID", "NAME", "BRAND"], &rows(&all, &["id", "name", "brand"]), "No translation sets."))
        }
        Translation::Show { set } => {
            let id = remote.one("translation-sets", Some(set)).await?;
            let set = remote.get(&format!("/translation-sets/{id}"), &[]).await?;
            Ok(if remote.json { json(&set) } else { rules_of(&set) })
        }
        Translation::Add { name, brand, numbering, rules } => {
            let mut body = json!({ "brand": remote.one("brands", brand.as_deref()).await?, "name": name });
            match numbered(numbering) {
                Some(numbering) => body["numbering"] = numbering,
                None => {
                    for (_, field) in LISTS {
                        body[field] = json!([]);
                    }
                    for given in rules {
                        let (field, rule) = rule(given)?;
                        if let Some(list) = body[field].as_array_mut() {
                            list.push(rule);
                        }
                    }
                }
            }
            let made = remote.write(Method::POST, "/translation-sets", &body).await?;
            Ok(if remote.json { json(&made) } else { format!("Translation set {} is live.\n", text(&made, "name")) })
        }
        Translation::Remove { set } => {
            let id = remote.one("translation-sets", Some(set)).await?;
            remote.write(Method::DELETE, &format!("/translation-sets/{id}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Translation set {set} is gone.\n") })
        }
    }
}

fn numbered(numbering: &Numbering) -> Option<Value> {
    let Numbering { country, international, national, area, length } = numbering;
    Some(json!({
        "country_code": country.as_ref()?,
        "international_prefix": international.as_ref()?,
        "national_prefix": national.as_deref().unwrap_or_default(),
        "area_code": area.as_deref().unwrap_or_default(),
        "national_length": length,
    }))
}

/// `LIST:PATTERN=REPLACEMENT`; the last `=` divides, for a replacement has none.
fn rule(given: &str) -> Result<(&'static str, Value), Failure> {
    let parts = given.split_once(':').and_then(|(list, rule)| Some((list, rule.rsplit_once('=')?)));
    let field = parts.and_then(|(list, _)| LISTS.into_iter().find(|(name, _)| *name == list));
    match (field, parts) {
        (Some((_, field)), Some((_, (pattern, replacement)))) => {
            Ok((field, json!({ "pattern": pattern, "replacement": replacement })))
        }
        _ => Err(Failure::start(format!(
            "{given} is no rule: expected LIST:PATTERN=REPLACEMENT with LIST caller-in, caller-out, callee-in or callee-out"
        ))),
    }
}

fn rules_of(set: &Value) -> String {
    let mut cells = Vec::new();
    for (name, field) in LISTS {
        for rule in set[field].as_array().into_iter().flatten() {
            cells.push(vec![name.to_owned(), text(rule, "pattern"), text(rule, "replacement")]);
        }
    }
    table(&["LIST", "PATTERN", "REPLACEMENT"], &cells, "No rules.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_or_refused() {
        let (field, value) = rule(r"callee-out:^\+49(.*)$=0\1").unwrap();
        assert_eq!((field, value), ("callee_out", json!({ "pattern": r"^\+49(.*)$", "replacement": r"0\1" })));
        assert_eq!(rule("caller-in:a(?=b)=c").unwrap().1["pattern"], "a(?=b)");
        for bad in ["", "callee-out", "callee-out:x", "callee:x=y"] {
            assert!(rule(bad).is_err(), "{bad}");
        }
    }
}
