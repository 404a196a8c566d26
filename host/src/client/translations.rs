//! `translation list`, `show`, `add`, `remove`; `country list`, `show`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_translation::{Country, Numbering, Translation};
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
        Translation::List(asked) => {
            let all = remote.listed("/translation-sets", asked, &[]).await?;
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
        Translation::Set { set, name, rules } => {
            let id = remote.one("translation-sets", Some(set)).await?;
            let body = changes(name.as_deref(), rules)?;
            let changed = remote.write(Method::PATCH, &format!("/translation-sets/{id}"), &body).await?;
            let words = format!("Translation set {} is live.\n", text(&changed, "name"));
            Ok(if remote.json { json(&changed) } else { words })
        }
        Translation::Remove { set } => {
            let id = remote.one("translation-sets", Some(set)).await?;
            remote.write(Method::DELETE, &format!("/translation-sets/{id}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Translation set {set} is gone.\n") })
        }
    }
}

/// What changes of a set: a list that a rule names has these rules and no others.
fn changes(name: Option<&str>, rules: &[String]) -> Result<Value, Failure> {
    let mut body = json!({});
    if let Some(name) = name {
        body["name"] = json!(name);
    }
    for given in rules {
        let emptied = given.strip_suffix(":none").and_then(|list| LISTS.into_iter().find(|(name, _)| *name == list));
        let (field, new) = match emptied {
            Some((_, field)) => (field, None),
            None => rule(given).map(|(field, rule)| (field, Some(rule)))?,
        };
        let list = body.as_object_mut().map(|body| body.entry(field).or_insert_with(|| json!([])));
        if let (Some(Value::Array(list)), Some(new)) = (list, new) {
            list.push(new);
        }
    }
    Ok(body)
}

/// What is said of the country; the server knows the rest of one of two letters.
fn numbered(numbering: &Numbering) -> Option<Value> {
    let Numbering { country, international, national, area, length } = numbering;
    let country = country.as_deref()?;
    let mut facts = serde_json::Map::new();
    let by = if country.bytes().all(|b| b.is_ascii_digit()) { "country_code" } else { "country" };
    facts.insert(by.to_owned(), json!(country));
    for (field, said) in [
        ("international_prefix", json!(international)),
        ("national_prefix", json!(national)),
        ("area_code", json!(area)),
        ("national_length", json!(length)),
    ] {
        if !said.is_null() {
            facts.insert(field.to_owned(), said);
        }
    }
    Some(Value::Object(facts))
}

pub(super) async fn country(remote: &Remote, command: &Country) -> Result<String, Failure> {
    let list = |value: &Value, between: &str| {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(between)
    };
    match command {
        Country::List => {
            let all = remote.list("/countries", &[], usize::MAX).await?;
            if remote.json {
                return Ok(json(&Value::Array(all)));
            }
            let cells: Vec<Vec<String>> = all
                .iter()
                .map(|country| {
                    let zone = country["time_zones"][0].as_str().unwrap_or_default().to_owned();
                    vec![
                        text(country, "code"),
                        text(country, "name"),
                        shortened(&list(&country["prefixes"], " ")),
                        zone,
                    ]
                })
                .collect();
            Ok(table(&["CODE", "NAME", "NUMBERS", "TIME ZONE"], &cells, "No countries."))
        }
        Country::Show { code } => {
            let found = remote.get(&format!("/countries/{code}"), &[]).await?;
            if remote.json {
                return Ok(json(&found));
            }
            let facts = ["code", "name", "calling_code", "international_prefix", "national_prefix", "national_length"];
            let mut cells: Vec<Vec<String>> =
                facts.iter().map(|fact| vec![(*fact).to_owned(), text(&found, fact)]).collect();
            cells.push(vec!["prefixes".to_owned(), list(&found["prefixes"], " ")]);
            cells.push(vec!["time_zones".to_owned(), list(&found["time_zones"], " ")]);
            Ok(table(&["FACT", "VALUE"], &cells, "Nothing is known."))
        }
    }
}

/// So much of a list as a table has room for.
fn shortened(list: &str) -> String {
    const ROOM: usize = 24;
    match list.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{}..", &list[..end]),
        None => list.to_owned(),
    }
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
    fn a_country_is_named_by_letters_or_by_its_code() {
        let said = |country: &str, area: Option<&str>| Numbering {
            country: Some(country.to_owned()),
            international: None,
            national: None,
            area: area.map(str::to_owned),
            length: None,
        };
        assert_eq!(numbered(&said("DE", Some("30"))), Some(json!({ "country": "DE", "area_code": "30" })));
        assert_eq!(numbered(&said("49", None)), Some(json!({ "country_code": "49" })));
        assert_eq!(numbered(&Numbering { country: None, ..said("", None) }), None);
        assert_eq!(shortened("+44"), "+44");
        assert_eq!(shortened(&"+1204 ".repeat(9)).len(), 26);
    }

    #[test]
    fn only_the_lists_that_are_named_change() {
        let rules = ["callee-out:^0=+49", "callee-out:^00=+", "caller-in:none"].map(str::to_owned);
        let body = changes(Some("x"), &rules).unwrap();
        let out = json!([{ "pattern": "^0", "replacement": "+49" }, { "pattern": "^00", "replacement": "+" }]);
        assert_eq!(body, json!({ "name": "x", "callee_out": out, "caller_in": [] }));
        assert!(changes(None, &["caller:none".to_owned()]).is_err());
    }

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
