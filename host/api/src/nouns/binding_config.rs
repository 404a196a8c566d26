//! A binding's configuration on its way in and out: checked against the schema of its plugin, its secrets sealed, shown
//! as marks and kept where the marks come back.

use crate::Api;
use crate::auth::Caller;
use crate::problem::{FieldError, Problem};
use bundle::{Fault, Former, MARK, Schema};
use model::PluginId;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use store::{ConfigOwner, StoreError};

/// A configuration in clear, and where its secrets stand.
struct Clear {
    document: Value,
    secrets: BTreeSet<String>,
}

/// The schema of a plugin's configuration.
fn schema(plugin: &store::Plugin) -> Result<Option<Schema>, Problem> {
    let broken = |e| Problem::field("plugin", format!("its schema is broken: {e}"));
    plugin.about.config_schema.as_deref().map(Schema::parse).transpose().map_err(broken)
}

/// A refusal that names each place.
fn refused(faults: Vec<Fault>) -> Problem {
    let field = |fault: Fault| FieldError { field: format!("config{}", fault.at), detail: fault.why };
    Problem::fields(faults.into_iter().map(field).collect())
}

/// A configuration as it is to be stored for a binding of this plugin: what was said, or else what it was.
pub(super) fn settled(
    api: &Api,
    plugin: &store::Plugin,
    owner: ConfigOwner<'_>,
    (said, before): (Option<Value>, Option<&str>),
) -> Result<String, Problem> {
    let bindings = api.db.plugin_bindings();
    let former = bindings.clear_config(owner, before.unwrap_or("{}"));
    let document = serde_json::from_str(former.as_str()).unwrap_or(Value::Null);
    let was = Former { document: &document, secrets: former.secrets(), lost: former.lost() };
    let schema = schema(plugin)?;
    let clear = match said {
        Some(said) => of_words(said, schema.as_ref(), was)?,
        None => as_it_was(schema.as_ref(), was)?,
    };
    let faults = schema.as_ref().map(|schema| schema.faults(&clear.document)).unwrap_or_default();
    if !faults.is_empty() {
        return Err(refused(faults));
    }
    Ok(bindings.sealed_config(owner, &clear.document, &clear.secrets, before)?)
}

fn secrets_of(schema: Option<&Schema>, document: &Value) -> BTreeSet<String> {
    schema.map(|schema| schema.secrets(document)).unwrap_or_default()
}

/// A configuration that somebody wrote, its marks replaced by what they stand for.
fn of_words(mut said: Value, schema: Option<&Schema>, was: Former<'_>) -> Result<Clear, Problem> {
    if store::has_sealed(&said) {
        return Err(Problem::field("config", "no member may be named `$sealed`"));
    }
    let marked = secrets_of(schema, &said);
    bundle::unveil(&mut said, &marked, was).map_err(refused)?;
    Ok(still_secret(schema, said, was))
}

/// The configuration that there was.
fn as_it_was(schema: Option<&Schema>, was: Former<'_>) -> Result<Clear, Problem> {
    if !was.lost.is_empty() {
        let why = || "its secret was sealed with another key: say it anew".to_owned();
        return Err(refused(was.lost.iter().map(|at| Fault { at: at.clone(), why: why() }).collect()));
    }
    Ok(still_secret(schema, was.document.clone(), was))
}

/// What is a secret by the schema, and what was one and is the same: another plugin does not bring it to light.
fn still_secret(schema: Option<&Schema>, document: Value, was: Former<'_>) -> Clear {
    let same = |at: &&String| document.pointer(at).is_some_and(|value| was.document.pointer(at) == Some(value));
    let kept: Vec<String> = was.secrets.iter().filter(same).cloned().collect();
    let mut secrets = secrets_of(schema, &document);
    secrets.extend(kept);
    Clear { document, secrets }
}

/// A stored configuration for people: a mark for each secret, also for one that was stored before its schema said so.
pub(super) fn shown(plugin: &store::Plugin, stored: &str) -> Value {
    let document = store::shown_config(stored, MARK);
    match schema(plugin) {
        Ok(schema) => bundle::veiled(&document, &secrets_of(schema.as_ref(), &document)),
        // Nobody can say what of it is secret.
        Err(_) => Value::from(MARK),
    }
}

/// What an audit line may hold of a body that was sent to bindings.
pub(crate) async fn without_secrets(api: &Api, caller: &Caller, body: &[u8]) -> Option<Vec<u8>> {
    let mut body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let plugin = body.get("plugin").and_then(Value::as_i64).map(PluginId);
    if let Some(config) = body.get_mut("config") {
        let known = match plugin {
            Some(plugin) => api.db.plugins().get(&caller.ctx, plugin).await,
            None => Err(StoreError::NotFound { what: "plugin" }),
        };
        *config = match known.map(|plugin| schema(&plugin)) {
            Ok(Ok(schema)) => bundle::veiled(config, &secrets_of(schema.as_ref(), config)),
            Ok(Err(_)) | Err(_) => Value::from(MARK),
        };
    }
    serde_json::to_vec(&body).ok()
}
