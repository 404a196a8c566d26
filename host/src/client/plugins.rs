//! `plugin list`, `install`, `bind`, `rollback`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli::{Bind, Plugin};
use crate::exit::Failure;
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) async fn run(remote: &Remote, command: &Plugin) -> Result<String, Failure> {
    match command {
        Plugin::List => list(remote).await,
        Plugin::Install { file, name, version } => install(remote, file, name.as_deref(), version).await,
        Plugin::Bind(wanted) => bind(remote, wanted).await,
        Plugin::Rollback { binding } => rollback(remote, binding).await,
    }
}

async fn list(remote: &Remote) -> Result<String, Failure> {
    let plugins = remote.list("/plugins", &[], usize::MAX).await?;
    let bindings = remote.list("/bindings", &[], usize::MAX).await?;
    if remote.json {
        return Ok(json(&json!({ "plugins": plugins, "bindings": bindings })));
    }
    let mut out = table(
        &["ID", "PLUGIN", "VERSION", "BYTES", "INSTALLED", "DIGEST"],
        &rows(&plugins, &["id", "name", "version", "bytes", "installed_at", "digest"]),
        "No plugins.",
    );
    out.push('\n');
    out.push_str(&table(
        &["ID", "BINDING", "POINT", "RUNS", "BRAND", "COMPANY", "PRIORITY", "CONFIG"],
        &rows(&bindings, &["id", "name", "point", "plugin", "brand", "company", "priority", "config"]),
        "No bindings.",
    ));
    Ok(out)
}

async fn install(remote: &Remote, file: &Path, name: Option<&str>, version: &str) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|e| Failure::start(format!("cannot read {}: {e}", file.display())))?;
    let stem = file.file_stem().map(|s| s.to_string_lossy().replace('_', "-"));
    let Some(name) = name.map(str::to_owned).or(stem) else {
        return Err(Failure::start("the file has no name to go by: give --name"));
    };
    let made = remote.upload("/plugins", &[("name", name), ("version", version.to_owned())], bytes).await?;
    if remote.json {
        return Ok(json(&made));
    }
    let said = |field| text(&made, field);
    Ok(format!(
        "Installed {}@{} for {}, digest {}.\nNot bound yet: strowger plugin bind {}@{}\n",
        said("name"),
        said("version"),
        said("points"),
        said("digest"),
        said("name"),
        said("version")
    ))
}

async fn bind(remote: &Remote, wanted: &Bind) -> Result<String, Failure> {
    let plugin = find(remote, &wanted.plugin).await?;
    let mut body = Map::new();
    match (&wanted.company, &wanted.brand) {
        (Some(_), Some(_)) => {
            return Err(Failure::start("--company and --brand exclude each other: a company has one brand"));
        }
        (Some(company), None) => body.insert("company".into(), remote.one("companies", Some(company)).await?.into()),
        (None, brand) => body.insert("brand".into(), remote.one("brands", brand.as_deref()).await?.into()),
    };
    if let Some(point) = &wanted.point {
        body.insert("point".into(), json!(point));
    }
    body.insert("name".into(), wanted.name.as_ref().map_or_else(|| plugin["name"].clone(), |n| json!(n)));
    body.insert("plugin".into(), plugin["id"].clone());
    if let Some(priority) = wanted.priority {
        body.insert("priority".into(), json!(priority));
    }
    if let Some(config) = &wanted.config {
        body.insert("config".into(), read_json("configuration", config)?);
    }
    let made = remote.write(reqwest::Method::PUT, "/bindings", &Value::Object(body)).await?;
    Ok(if remote.json { json(&made) } else { live(&made) })
}

async fn rollback(remote: &Remote, wanted: &str) -> Result<String, Failure> {
    let bindings = remote.list("/bindings", &[], usize::MAX).await?;
    let fits = |b: &&Value| text(b, "name") == wanted || text(b, "id") == wanted;
    let found: Vec<&Value> = bindings.iter().filter(fits).collect();
    let id = match found.as_slice() {
        [one] => text(one, "id"),
        [] => return Err(Failure::refused(format!("{wanted} is not among the bindings"))),
        several => {
            return Err(Failure::start(format!(
                "{} bindings are named {wanted}: name one by its number",
                several.len()
            )));
        }
    };
    let made = remote.write(reqwest::Method::POST, &format!("/bindings/{id}/rollback"), &json!({})).await?;
    Ok(if remote.json { json(&made) } else { live(&made) })
}

fn live(made: &Value) -> String {
    format!("Binding {} ({}) runs {} now.\n", text(made, "name"), text(made, "point"), text(made, "plugin"))
}

/// The installed plugin `NAME` (its newest) or `NAME@VERSION`.
async fn find(remote: &Remote, wanted: &str) -> Result<Value, Failure> {
    let (name, version) = wanted.split_once('@').map_or((wanted, None), |(n, v)| (n, Some(v)));
    let plugins = remote.list("/plugins", &[], usize::MAX).await?;
    let fits = |p: &Value| text(p, "name") == name && version.is_none_or(|v| text(p, "version") == v);
    let newest = plugins.into_iter().filter(fits).max_by_key(|p| p.get("id").and_then(Value::as_i64));
    newest.ok_or_else(|| Failure::refused(format!("{wanted} is not installed: see strowger plugin list")))
}

/// JSON text, or `@FILE` with it.
pub(super) fn read_json(what: &str, given: &str) -> Result<Value, Failure> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|e| Failure::start(format!("cannot read {file}: {e}")))?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|e| Failure::start(format!("the {what} is not JSON: {e}")))
}
