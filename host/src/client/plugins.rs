//! `plugin list`, `install`, `bind`, `rollback`.

use super::accounts::read_password;
use super::fetch;
use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::author::Place;
use crate::cli::{Bind, Plugin, TryOut};
use crate::cli_list::Listing;
use crate::exit::Failure;
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) async fn run(remote: &Remote, command: &Plugin) -> Result<String, Failure> {
    match command {
        Plugin::List(asked) => list(remote, asked).await,
        Plugin::Remove { plugin } => {
            let path = format!("/plugins/{}", text(&find(remote, plugin).await?, "id"));
            super::tenants::removed(remote, &path, &format!("Plugin {plugin}")).await
        }
        Plugin::Unbind { binding } => {
            let path = format!("/bindings/{}", binding_id(remote, binding).await?);
            super::tenants::removed(remote, &path, &format!("Binding {binding}")).await
        }
        Plugin::Install { file, name, version, unsigned, plain_http } => {
            let source = Source { file, plain_http: *plain_http };
            install(remote, &source, (name.as_deref(), version.as_deref()), *unsigned).await
        }
        Plugin::Shadow(wanted) => trial(remote, wanted, 0).await,
        Plugin::Canary { wanted, percent } => trial(remote, wanted, *percent).await,
        Plugin::Logs { binding, lines, follow } => super::logs::run(remote, binding.as_deref(), *lines, *follow).await,
        Plugin::Bind(wanted) => bind(remote, wanted).await,
        Plugin::Rollback { binding } => rollback(remote, binding).await,
        Plugin::State { binding } => {
            let path = format!("/bindings/{}/state", binding_id(remote, binding).await?);
            let state = remote.get(&path, &[]).await?;
            Ok(if remote.json { json(&state) } else { how_it_does(binding, &state) })
        }
        Plugin::Grant { plugin, grants } => grant(remote, plugin, grants).await,
        Plugin::Try { wanted, percent } => trial(remote, wanted, *percent).await,
        Plugin::Record { binding, calls, share, save, end } => {
            let begin = calls.map(|calls| json!({ "calls": calls, "percent": share }));
            record(remote, binding, (begin, save.as_deref(), *end)).await
        }
        Plugin::Secret { binding, name, remove } => secret(remote, binding, name.as_deref(), *remove).await,
        Plugin::Author(_) => Err(Failure::start("this command needs no switch")),
    }
}

/// A version beside the bound one: begun, ended or looked at.
async fn trial(remote: &Remote, wanted: &TryOut, percent: u8) -> Result<String, Failure> {
    let binding = &wanted.binding;
    match &wanted.plugin {
        Some(plugin) => try_out(remote, binding, plugin, percent, wanted.config.as_deref()).await,
        None if wanted.end => {
            let path = format!("/bindings/{}/trial", binding_id(remote, binding).await?);
            let made = remote.write(reqwest::Method::DELETE, &path, &Value::Null).await?;
            Ok(if remote.json { json(&made) } else { format!("The trial beside {binding} is over.\n") })
        }
        None => show_trial(remote, binding).await,
    }
}

/// Where a bundle or component comes from.
struct Source<'a> {
    file: &'a Path,
    plain_http: bool,
}

impl Source<'_> {
    /// Its bytes; of a bare component with the name that it would have.
    async fn read(&self) -> Result<Vec<u8>, Failure> {
        let file = self.file;
        if let Some(address) = fetch::Address::of(file) {
            return address?.fetch(self.plain_http).await;
        }
        match Place::of(file) {
            Some(place) => place.bundle(),
            None => std::fs::read(file).map_err(|e| Failure::start(format!("cannot read {}: {e}", file.display()))),
        }
    }

    /// The name of a bare component where none is given: its file's.
    fn stem(&self) -> Option<String> {
        let text = self.file.to_string_lossy();
        let path = Path::new(text.split(['#', '?']).next().unwrap_or_default());
        path.file_stem().map(|stem| stem.to_string_lossy().replace('_', "-"))
    }
}

async fn list(remote: &Remote, asked: &Listing) -> Result<String, Failure> {
    // A plugin is a brand's or everybody's, never a company's.
    let plugins = match asked.company {
        Some(_) => Vec::new(),
        None => remote.listed("/plugins", asked, &[]).await?,
    };
    let bindings = remote.listed("/bindings", asked, &[]).await?;
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
        &["ID", "BINDING", "POINT", "RUNS", "BRAND", "COMPANY", "ACCOUNT", "PRIORITY", "CONFIG"],
        &rows(&bindings, &["id", "name", "point", "plugin", "brand", "company", "account", "priority", "config"]),
        "No bindings.",
    ));
    Ok(out)
}

async fn install(
    remote: &Remote,
    source: &Source<'_>,
    (name, version): (Option<&str>, Option<&str>),
    unsigned: bool,
) -> Result<String, Failure> {
    let bytes = source.read().await?;
    let (mut name, mut version) = (name.map(str::to_owned), version.map(str::to_owned));
    if !bundle::Bundle::is(&bytes) {
        name = name.or_else(|| source.stem());
        version = version.or_else(|| Some("0.1.0".to_owned()));
    }
    let given = [("name", name), ("version", version), ("unsigned", unsigned.then(|| "true".to_owned()))];
    let query: Vec<_> = given.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
    let made = remote.upload("/plugins", &query, bytes).await?;
    if remote.json {
        return Ok(json(&made));
    }
    let said = |field| text(&made, field);
    let outward = made.get("asks").and_then(|a| a.get("http")).is_some() && made["granted"].is_null();
    let hint = if outward { "It asks for requests to the outside: see strowger plugin grant.\n" } else { "" };
    Ok(format!(
        "Installed {}@{} for {}, digest {}.\n{hint}Not bound yet: strowger plugin bind {}@{}\n",
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
        (None, None) if wanted.account.is_some() => None,
        (Some(_), Some(_)) => {
            return Err(Failure::start("--company and --brand exclude each other: a company has one brand"));
        }
        (Some(company), None) => body.insert("company".into(), remote.one("companies", Some(company)).await?.into()),
        (None, brand) => body.insert("brand".into(), remote.one("brands", brand.as_deref()).await?.into()),
    };
    if let Some(account) = wanted.account {
        body.insert("account".into(), json!(account));
    }
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
    if let Some(grants) = &wanted.grants {
        body.insert("grants".into(), read_json("grants", grants)?);
    }
    if wanted.mandatory {
        body.insert("mandatory".into(), json!(true));
    }
    if let Some(on_failure) = on_failure(wanted) {
        body.insert("on_failure".into(), on_failure);
    }
    let made = remote.write(reqwest::Method::PUT, "/bindings", &Value::Object(body)).await?;
    Ok(if remote.json { json(&made) } else { live(&made) })
}

/// What becomes of a caller whose app fails; `None` where nothing is said of it.
fn on_failure(wanted: &Bind) -> Option<Value> {
    let Bind { apology, fallback, restart, .. } = wanted;
    let said = apology.is_some() || fallback.is_some() || *restart;
    said.then(|| json!({ "apology": apology, "fallback": fallback, "restart": restart }))
}

async fn grant(remote: &Remote, wanted: &str, grants: &str) -> Result<String, Failure> {
    let plugin = find(remote, wanted).await?;
    let body = match grants {
        "all" => plugin.get("asks").cloned().unwrap_or(Value::Null),
        "none" => Value::Null,
        text => read_json("grants", text)?,
    };
    let path = format!("/plugins/{}/grants", text(&plugin, "id"));
    let made = remote.write(reqwest::Method::PUT, &path, &body).await?;
    if remote.json {
        return Ok(json(&made));
    }
    let granted = made.get("granted").filter(|g| !g.is_null());
    let granted = granted.map_or_else(|| "what stays within the switch".to_owned(), Value::to_string);
    Ok(format!("{}@{} may use {granted} of what it asks for.\n", text(&made, "name"), text(&made, "version")))
}

async fn try_out(
    remote: &Remote,
    binding: &str,
    plugin: &str,
    percent: u8,
    config: Option<&str>,
) -> Result<String, Failure> {
    let path = format!("/bindings/{}/trial", binding_id(remote, binding).await?);
    let mut body = Map::from_iter([
        ("plugin".to_owned(), find(remote, plugin).await?["id"].clone()),
        ("percent".to_owned(), json!(percent)),
    ]);
    if let Some(config) = config {
        body.insert("config".into(), read_json("configuration", config)?);
    }
    let made = remote.write(reqwest::Method::PUT, &path, &Value::Object(body)).await?;
    if remote.json {
        return Ok(json(&made));
    }
    let word = if percent == 0 { "shadow" } else { "canary" };
    let how = if percent == 0 { "as a shadow".to_owned() } else { format!("for {percent} of 100 calls") };
    Ok(format!("{plugin} is tried out beside {binding}, {how}.\nSee how it does: strowger plugin {word} {binding}\n"))
}

async fn show_trial(remote: &Remote, binding: &str) -> Result<String, Failure> {
    let path = format!("/bindings/{}/trial", binding_id(remote, binding).await?);
    let trial = remote.get(&path, &[]).await?;
    if remote.json {
        return Ok(json(&trial));
    }
    let said = |field| text(&trial, field);
    let mut out = format!(
        "{} calls, {} failures, {} answers the same, {} different{}\n",
        said("calls"),
        said("failures"),
        said("same"),
        said("different"),
        if trial["rolled_back"] == true { "; rolled back" } else { "" }
    );
    for line in trial["differences"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        out.extend(line.chars().map(|c| if c.is_control() { '?' } else { c }));
        out.push('\n');
    }
    Ok(out)
}

async fn record(
    remote: &Remote,
    binding: &str,
    (begin, save, end): (Option<Value>, Option<&Path>, bool),
) -> Result<String, Failure> {
    let path = format!("/bindings/{}/recording", binding_id(remote, binding).await?);
    if let Some(file) = save {
        let bytes = remote.download(&format!("{path}/file"), file).await?;
        let file = file.display();
        if remote.json {
            return Ok(json(&json!({ "file": file.to_string(), "bytes": bytes })));
        }
        return Ok(format!("{file}: {bytes} bytes.\nReplay it: strowger plugin replay {file} --component FILE\n"));
    }
    if end {
        remote.write(reqwest::Method::DELETE, &path, &Value::Null).await?;
        return Ok(format!("The recording of {binding} is gone.\n"));
    }
    let state = match begin {
        Some(begin) => remote.write(reqwest::Method::PUT, &path, &begin).await?,
        None => remote.get(&path, &[]).await?,
    };
    if remote.json {
        return Ok(json(&state));
    }
    let said = |field| text(&state, field);
    let over = if state["full"] == true { ", nothing more is recorded" } else { "" };
    let left_out =
        if state["left_out"] == 0 { String::new() } else { format!(", {} too large or too late", said("left_out")) };
    let (calls, wanted, plugin) = (said("calls"), said("wanted"), said("plugin"));
    let how = format!("strowger plugin record {binding} --save FILE");
    Ok(format!("{calls} of {wanted} calls of {plugin} recorded{left_out}{over}.\nSave them: {how}\n"))
}

async fn secret(remote: &Remote, binding: &str, name: Option<&str>, remove: bool) -> Result<String, Failure> {
    let path = format!("/bindings/{}/secrets", binding_id(remote, binding).await?);
    let made = match name {
        None => remote.get(&path, &[]).await?,
        Some(name) => {
            // Never an argument: other users can see a command line.
            let value = if remove { None } else { read_password(Some("-"))? };
            remote.write(reqwest::Method::PUT, &path, &json!({ name: value })).await?
        }
    };
    if remote.json {
        return Ok(json(&made));
    }
    let names: Vec<&str> = made["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Ok(if names.is_empty() {
        format!("{binding} has no secrets.\n")
    } else {
        format!("{binding} has {}.\n", names.join(", "))
    })
}

/// A binding's state in words.
fn how_it_does(binding: &str, state: &Value) -> String {
    let said = |field| text(state, field);
    let first = match state["state"].as_str() {
        Some("absent") => return format!("{binding} is not live: the switch's log says why.\n"),
        Some("tripped") => format!(
            "{binding} is tripped since {}: its plugin kept failing. It is asked again from {} on.",
            said("tripped_since"),
            said("next_probe_at")
        ),
        _ => format!("{binding} is {}.", said("state")),
    };
    let canary = match state["trial_rolled_back_at"].as_str() {
        Some(at) => format!("Its canary was rolled back at {at}: {}.\n", said("trial_rolled_back_why")),
        None => String::new(),
    };
    format!("{first}\n{} of {} instances.\n{canary}", said("instances"), said("instances_max"))
}

/// The number of the binding of that name or number.
pub(super) async fn binding_id(remote: &Remote, wanted: &str) -> Result<String, Failure> {
    let bindings = remote.list("/bindings", &[], usize::MAX).await?;
    let fits = |b: &&Value| text(b, "name") == wanted || text(b, "id") == wanted;
    let found: Vec<&Value> = bindings.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(text(one, "id")),
        [] => Err(Failure::refused(format!("{wanted} is not among the bindings"))),
        several => {
            Err(Failure::start(format!("{} bindings are named {wanted}: name one by its number", several.len())))
        }
    }
}

async fn rollback(remote: &Remote, wanted: &str) -> Result<String, Failure> {
    let id = binding_id(remote, wanted).await?;
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
pub(crate) fn read_json(what: &str, given: &str) -> Result<Value, Failure> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|e| Failure::start(format!("cannot read {file}: {e}")))?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|e| Failure::start(format!("the {what} is not JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bindings_state_is_said_in_words() {
        let live = json!({ "state": "live", "tripped_since": null, "next_probe_at": null, "instances": 2, "instances_max": 51 });
        assert_eq!(how_it_does("voicemail", &live), "voicemail is live.\n2 of 51 instances.\n");
        let rests = json!({ "state": "tripped", "tripped_since": "2026-11-23T08:00:00.000Z",
            "next_probe_at": "2026-11-23T08:05:00.000Z", "instances": 0, "instances_max": 51 });
        let said = how_it_does("lcr", &rests);
        assert!(said.starts_with("lcr is tripped since 2026-11-23T08:00:00.000Z"), "{said}");
        assert!(said.contains("from 2026-11-23T08:05:00.000Z on.\n0 of 51 instances.\n"), "{said}");
        let over = json!({ "state": "live", "instances": 0, "instances_max": 51,
            "trial_rolled_back_at": "2026-11-23T08:00:00.000Z", "trial_rolled_back_why": "it keeps failing" });
        let canary = "Its canary was rolled back at 2026-11-23T08:00:00.000Z: it keeps failing.\n";
        assert_eq!(how_it_does("lcr", &over), format!("lcr is live.\n0 of 51 instances.\n{canary}"));
        let absent = json!({ "state": "absent", "instances": null, "instances_max": null });
        assert_eq!(how_it_does("lcr", &absent), "lcr is not live: the switch's log says why.\n");
    }
}
