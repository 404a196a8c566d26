//! `extension` and `ddi`: the numbers of companies, and where they lead.

use super::imports;
use super::remote::{Remote, json};
use super::rules::of_company;
use super::table::{rows, table, text};
use super::tenants;
use crate::cli_rule::{Ddi, DdiSaid, Extension};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Map, Value, json};

pub(super) async fn extension(remote: &Remote, command: &Extension) -> Result<String, Failure> {
    match command {
        Extension::Show { number, company } => {
            let query = of_company(remote, company.as_deref()).await?;
            let path = row(remote, ("/extensions", "number"), &query, number).await?;
            tenants::one(remote, &remote.get(&path, &[]).await?)
        }
        Extension::List(asked) => {
            let found = remote.listed("/extensions", asked, &[]).await?;
            if remote.json {
                return Ok(json(&Value::Array(found)));
            }
            let cells = rows(&found, &["id", "number", "company", "target.kind", "target.name"]);
            Ok(table(&["ID", "NUMBER", "COMPANY", "LEADS TO", "NAME"], &cells, "No extensions."))
        }
        Extension::Import(import) => imports::of_company(remote, "extensions", import).await,
        Extension::Export(export) => imports::out(remote, "extensions", export).await,
        Extension::Add { number, to, company } => {
            let company = remote.one("companies", company.as_deref()).await?;
            let new = json!({ "company": company, "number": number, "target": target(to)? });
            let made = remote.write(Method::POST, "/extensions", &new).await?;
            Ok(said(remote, &made, &format!("Extension {number} is live.\n")))
        }
        Extension::Set { number, to, company } => {
            let query = of_company(remote, company.as_deref()).await?;
            let path = row(remote, ("/extensions", "number"), &query, number).await?;
            let changed = remote.write(Method::PATCH, &path, &json!({ "target": target(to)? })).await?;
            Ok(said(remote, &changed, &format!("Extension {number} is live.\n")))
        }
        Extension::Remove { number, company } => {
            let query = of_company(remote, company.as_deref()).await?;
            let path = row(remote, ("/extensions", "number"), &query, number).await?;
            remote.write(Method::DELETE, &path, &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Extension {number} is gone.\n") })
        }
    }
}

pub(super) async fn ddi(remote: &Remote, command: &Ddi) -> Result<String, Failure> {
    match command {
        Ddi::Show { number } => {
            let path = row(remote, ("/ddis", "e164"), &[], number).await?;
            tenants::one(remote, &remote.get(&path, &[]).await?)
        }
        Ddi::List(asked) => {
            let ddis = remote.listed("/ddis", asked, &[]).await?;
            if remote.json {
                return Ok(json(&Value::Array(ddis)));
            }
            let heads = ["ID", "NUMBER", "COMPANY", "LEADS TO", "NAME", "CALL FILTER", "RECORD", "DESCRIPTION"];
            let own = ["target.kind", "target.name", "call_filter", "record", "description"];
            let fields = [&["id", "e164", "company"][..], &own].concat();
            Ok(table(&heads, &rows(&ddis, &fields), "No public numbers."))
        }
        Ddi::Import(import) => imports::of_company(remote, "ddis", import).await,
        Ddi::Export(export) => imports::out(remote, "ddis", export).await,
        Ddi::Add { number, to, company, brand, said: words } => {
            let mut new = words_of(remote, words).await?;
            new.insert("e164".to_owned(), json!(number));
            match to {
                Some(to) => {
                    new.insert("company".to_owned(), json!(remote.one("companies", company.as_deref()).await?));
                    new.insert("target".to_owned(), target(to)?);
                }
                None => {
                    new.insert("brand".to_owned(), json!(remote.one("brands", brand.as_deref()).await?));
                }
            }
            let made = remote.write(Method::POST, "/ddis", &Value::Object(new)).await?;
            let becomes = if to.is_some() { "is live" } else { "is in stock" };
            Ok(said(remote, &made, &format!("Number {number} {becomes}.\n")))
        }
        Ddi::Set { number, to, company, to_stock, said: words } => {
            let path = row(remote, ("/ddis", "e164"), &[], number).await?;
            let mut changes = words_of(remote, words).await?;
            if let Some(to) = to {
                changes.insert("target".to_owned(), target(to)?);
            }
            if let Some(company) = company {
                changes.insert("company".to_owned(), json!(remote.one("companies", Some(company)).await?));
            }
            if *to_stock {
                changes.insert("company".to_owned(), Value::Null);
            }
            let changed = remote.write(Method::PATCH, &path, &Value::Object(changes)).await?;
            let becomes = if *to_stock { "is in stock" } else { "is live" };
            Ok(said(remote, &changed, &format!("Number {number} {becomes}.\n")))
        }
        Ddi::Remove { number } => {
            let path = row(remote, ("/ddis", "e164"), &[], number).await?;
            remote.write(Method::DELETE, &path, &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Number {number} is gone.\n") })
        }
    }
}

/// What is said of a public number, as the API has it; `none` gives back what may be absent.
async fn words_of(remote: &Remote, words: &DdiSaid) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    if let Some(filter) = &words.call_filter {
        body.insert("call_filter".to_owned(), json!(Some(filter).filter(|name| *name != "none")));
    }
    for (field, noun, name) in [("trunk", "trunks", &words.trunk), ("tag", "route-tags", &words.tag)] {
        let value = match name.as_deref() {
            None => continue,
            Some("none") => Value::Null,
            Some(name) => json!(remote.one(noun, Some(name)).await?),
        };
        body.insert(field.to_owned(), value);
    }
    let texts = [("record", &words.record), ("display_name", &words.display_name), ("description", &words.description)];
    body.extend(texts.iter().filter_map(|(field, text)| Some(((*field).to_owned(), json!((*text).as_ref()?)))));
    Ok(body)
}

fn said(remote: &Remote, row: &Value, words: &str) -> String {
    if remote.json { json(row) } else { words.to_owned() }
}

/// `account:1001` as the API has it.
fn target(text: &str) -> Result<Value, Failure> {
    match text.split_once(':') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(json!({ "kind": kind, "name": name })),
        _ => Err(Failure::start(format!("expected KIND:NAME, as account:1001, found {text}"))),
    }
}

/// The path of the one row whose field has this value.
async fn row(
    remote: &Remote,
    (path, field): (&str, &str),
    query: &[(&str, String)],
    wanted: &str,
) -> Result<String, Failure> {
    // What begins with it is few; all numbers may be a million.
    let query = [query, &[(field, wanted.to_owned())]].concat();
    let mut found = remote.list(path, &query, usize::MAX).await?;
    found.retain(|row| text(row, field) == wanted);
    match found.as_slice() {
        [one] => Ok(format!("{path}/{}", text(one, "id"))),
        [] => Err(Failure::refused(format!("{wanted} is not among them"))),
        _ => Err(Failure::start(format!("several companies have {wanted}: name the company"))),
    }
}
