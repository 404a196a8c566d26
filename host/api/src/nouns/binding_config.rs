//! A binding's configuration on its way in and out: checked against the schema of its plugin, its secrets sealed, shown
//! as marks and kept where the marks come back.

use super::plugins::Candidate;
use crate::Api;
use crate::auth::Caller;
use crate::problem::{FieldError, Problem};
use bundle::{Fault, Former, MARK, Schema};
use model::PluginId;
use serde_json::{Map, Value};
use shell::LifecycleError;
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

/// A configuration that is to become a binding's, or that of a version on trial beside it.
pub(super) struct Change<'a> {
    /// The version that shall work with it.
    pub(super) candidate: &'a Candidate,
    pub(super) owner: ConfigOwner<'a>,
    /// The binding as it is.
    pub(super) before: Option<&'a store::Binding>,
}

impl Change<'_> {
    /// The configuration as it is to be stored: what was said, or else what it was, as the candidate wants it. It fits the
    /// candidate's schema, and the candidate has no objection.
    pub(super) async fn settled(&self, api: &Api, caller: &Caller, said: Option<Value>) -> Result<String, Problem> {
        let bindings = api.db.plugin_bindings();
        let stored = self.before.map(|before| before.config.as_str());
        let former = bindings.clear_config(self.owner, stored.unwrap_or("{}"));
        let document = serde_json::from_str(former.as_str()).unwrap_or(Value::Null);
        let was = Former { document: &document, secrets: former.secrets(), lost: former.lost() };
        let schema = schema(&self.candidate.plugin)?;
        let clear = match said {
            Some(said) => of_words(said, schema.as_ref(), was)?,
            None => match self.migrated(api, caller, as_it_was(schema.as_ref(), was)?).await? {
                Migration::None(clear) => clear,
                Migration::To(document) => still_secret(schema.as_ref(), document, was),
            },
        };
        let faults = schema.as_ref().map(|schema| schema.faults(&clear.document)).unwrap_or_default();
        if !faults.is_empty() {
            return Err(refused(faults));
        }
        self.validated(api, &clear).await?;
        Ok(bindings.sealed_config(self.owner, &clear.document, &clear.secrets, stored)?)
    }

    /// Asks another version of the plugin that is bound what it makes of its configuration.
    async fn migrated(&self, api: &Api, caller: &Caller, was: Clear) -> Result<Migration, Problem> {
        let new = &self.candidate.plugin;
        let before = self.before.filter(|before| before.plugin != new.id);
        let (Some(before), Some(component)) = (before, &self.candidate.lifecycle) else {
            return Ok(Migration::None(was));
        };
        let old = api.db.plugins().get(&caller.ctx, before.plugin).await?;
        // Another plugin's configuration has another meaning.
        if old.name != new.name {
            return Ok(Migration::None(was));
        }
        let asked = api.switch.migrate_config(component.clone(), old.version, was.document.to_string()).await;
        let json = match asked.map_err(|error| was.unasked(&error))? {
            None => return Ok(Migration::None(was)),
            Some(Err(faults)) => return Err(was.refused(faults)),
            Some(Ok(json)) => json,
        };
        let nonsense = || Problem::field("config", "what the plugin's `migrate-config` gives is no configuration");
        let document: Value = serde_json::from_str(&json).map_err(|_| nonsense())?;
        if store::has_sealed(&document) { Err(nonsense()) } else { Ok(Migration::To(document)) }
    }

    async fn validated(&self, api: &Api, clear: &Clear) -> Result<(), Problem> {
        let Some(component) = &self.candidate.lifecycle else { return Ok(()) };
        let asked = api.switch.validate_config(component.clone(), clear.document.to_string()).await;
        let faults = asked.map_err(|error| clear.unasked(&error))?;
        if faults.is_empty() { Ok(()) } else { Err(clear.refused(faults)) }
    }
}

/// What has become of a configuration that goes over to another version.
enum Migration {
    /// Nothing.
    None(Clear),
    /// It is another now, in clear.
    To(Value),
}

impl Clear {
    /// A refusal in the plugin's words, which may not repeat a secret.
    fn refused(&self, faults: Vec<Fault>) -> Problem {
        refused(faults.into_iter().map(|fault| Fault { why: self.hushed(fault.why), ..fault }).collect())
    }

    fn unasked(&self, error: &LifecycleError) -> Problem {
        if *error == LifecycleError::Busy {
            return Problem::unavailable(error.to_string());
        }
        Problem::field("config", self.hushed(error.to_string()))
    }

    /// A text without the texts and numbers that are secrets, however short: it is a refusal, and may be torn up.
    fn hushed(&self, text: String) -> String {
        fn hush(value: &Value, text: String) -> String {
            let known = match value {
                Value::String(known) => known.clone(),
                Value::Number(known) => known.to_string(),
                Value::Array(items) => return items.iter().fold(text, |text, item| hush(item, text)),
                Value::Object(members) => return members.values().fold(text, |text, member| hush(member, text)),
                Value::Null | Value::Bool(_) => return text,
            };
            if known.is_empty() { text } else { text.replace(&known, MARK) }
        }
        self.secrets.iter().filter_map(|at| self.document.pointer(at)).fold(text, |text, value| hush(value, text))
    }
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
