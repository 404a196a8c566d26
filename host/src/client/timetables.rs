//! `timetable list`, `show`, `add`, `set`, `remove`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_list::Listing;
use crate::cli_timetable::{Timetable, When};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(super) async fn run(remote: &Remote, command: &Timetable) -> Result<String, Failure> {
    match command {
        Timetable::List(asked) => list(remote, asked).await,
        Timetable::Show { timetable } => {
            let id = remote.one("timetables", Some(timetable)).await?;
            let found = remote.get(&format!("/timetables/{id}"), &[]).await?;
            Ok(if remote.json { json(&found) } else { show(&found) })
        }
        Timetable::Add { name, export, company, brand, table, when } => {
            let mut body = json!({ "name": name, "export": export });
            match export.as_str() {
                "rates" => body["brand"] = json!(remote.one("brands", brand.as_deref()).await?),
                _ => body["company"] = json!(remote.one("companies", company.as_deref()).await?),
            }
            if let Some(table) = table {
                body["table"] = json!(table);
            }
            timed(when, &mut body);
            let made = remote.write(Method::POST, "/timetables", &body).await?;
            said(remote, &made)
        }
        Timetable::Set { timetable, name, when, enabled } => {
            let id = remote.one("timetables", Some(timetable)).await?;
            let mut body = json!({});
            if let Some(name) = name {
                body["name"] = json!(name);
            }
            if let Some(enabled) = enabled {
                body["enabled"] = json!(enabled);
            }
            timed(when, &mut body);
            let set = remote.write(Method::PATCH, &format!("/timetables/{id}"), &body).await?;
            said(remote, &set)
        }
        Timetable::Remove { timetable } => {
            let id = remote.one("timetables", Some(timetable)).await?;
            remote.write(Method::DELETE, &format!("/timetables/{id}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Timetable {timetable} is gone.\n") })
        }
    }
}

fn timed(when: &When, body: &mut Value) {
    let named = [
        ("cron", when.cron.as_ref().map(|c| json!(c))),
        ("zone", when.zone.as_ref().map(|z| json!(z))),
        ("every_s", when.every.map(|s| json!(s))),
        ("keep", when.keep.map(|n| json!(n))),
    ];
    for (field, value) in named {
        if let Some(value) = value {
            body[field] = value;
        }
    }
}

fn said(remote: &Remote, timetable: &Value) -> Result<String, Failure> {
    if remote.json {
        return Ok(json(timetable));
    }
    let (name, next) = (text(timetable, "name"), text(timetable, "next_at"));
    let when = if next == "-" { "is switched off".to_owned() } else { format!("comes next at {next}") };
    Ok(format!("Timetable {name} {when}.\n"))
}

/// Its times in words.
fn cadence(timetable: &Value) -> String {
    match timetable["every_s"].as_u64() {
        Some(seconds) => format!("every {seconds} s"),
        None => format!("{} ({})", text(timetable, "cron"), text(timetable, "zone")),
    }
}

async fn list(remote: &Remote, asked: &Listing) -> Result<String, Failure> {
    let mut all = remote.listed("/timetables", asked, &[]).await?;
    if remote.json {
        return Ok(json(&Value::Array(all)));
    }
    for timetable in &mut all {
        timetable["when"] = json!(cadence(timetable));
    }
    let heads = ["ID", "NAME", "COMPANY", "WRITES", "WHEN", "NEXT", "JOB", "STATE", "ERROR"];
    let fields = ["id", "name", "company", "export", "when", "next_at", "last.job", "last.state", "last.error"];
    Ok(table(&heads, &rows(&all, &fields), "No timetables."))
}

fn show(timetable: &Value) -> String {
    let mut out = String::new();
    let fields = ["id", "name", "brand", "company", "kind", "export", "table", "keep", "enabled", "actor", "made_at"];
    for field in fields {
        let _ = writeln!(out, "{field:<12}{}", text(timetable, field));
    }
    let _ = writeln!(out, "{:<12}{}", "when", cadence(timetable));
    for field in ["next_at", "skipped"] {
        let _ = writeln!(out, "{field:<12}{}", text(timetable, field));
    }
    let last = &timetable["last"];
    for field in ["job", "state", "asked_at", "ended_at", "error"] {
        let _ = writeln!(out, "{:<12}{}", format!("last {field}"), text(last, field));
    }
    out
}
