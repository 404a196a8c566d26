//! Plugins: installed component versions. Installing checks and compiles; binding is another step.

use super::{Listed, Many};
use crate::extract::{Body, Id, Params, Raw};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, extract, stamp::rfc3339};
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use bundle::{Bundle, Grants};
use model::{BrandId, PluginId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{NewPlugin, PluginAbout, Scope, StoreError};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// An installed component version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plugin {
    id: i64,
    /// The brand that owns it; null = the platform, for every brand to bind.
    brand: Option<i64>,
    name: String,
    version: String,
    /// SHA-256 of the component, in hex.
    digest: String,
    /// The component's size.
    bytes: u64,
    installed_at: String,
    /// Its publisher's key, if its bundle was signed.
    signed_by: Option<String>,
    /// What its manifest asks for beside what every plugin may; null for a bare component, which is granted nothing.
    asks: Option<Value>,
    /// What the platform's operator allows; null = what stays within the switch (keys, secrets, prefix tables).
    granted: Option<Value>,
    /// The JSON Schema of its configuration.
    config_schema: Option<Value>,
}

impl From<store::Plugin> for Plugin {
    fn from(p: store::Plugin) -> Self {
        let json = |text: Option<String>| text.and_then(|t| serde_json::from_str::<Value>(&t).ok());
        let asks = |mut manifest: Value| manifest.get_mut("needs").map(Value::take);
        Plugin {
            signed_by: p.about.signed_by,
            asks: json(p.about.manifest).and_then(asks),
            granted: json(p.granted),
            config_schema: json(p.about.config_schema),
            id: p.id.0,
            brand: p.brand.map(|b| b.0),
            name: p.name,
            version: p.version,
            digest: p.digest,
            bytes: p.size,
            installed_at: rfc3339(p.installed_at),
        }
    }
}

/// An installed component version, and what it can do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedPlugin {
    #[serde(flatten)]
    plugin: Plugin,
    /// The points it serves: `routing/router`, `call/app`.
    points: Vec<String>,
}

/// What to install.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Install {
    /// Of a bare component: the plugin's name, of letters, digits, `-`, `_` and `.`. A bundle tells its own.
    name: Option<String>,
    /// Of a bare component: its version; other bytes under a version that exists are refused. A bundle tells its own.
    version: Option<String>,
    /// Lets in what no trusted publisher has signed, where publishers are listed (`plugins.trusted_keys`). For the
    /// platform's operator.
    #[serde(default)]
    unsigned: bool,
    /// The brand that owns it. A brand's token installs for its brand; the platform's, if absent, for every brand.
    brand: Option<i64>,
}

/// Names and versions stand in `name@version` and in metrics.
fn check_word(field: &str, text: &str) -> Result<(), Problem> {
    let fits =
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
    if fits { Ok(()) } else { Err(Problem::field(field, "expected 1 to 64 letters, digits, `-`, `_`, `.` or `+`")) }
}

impl Noun for Plugin {
    fn listing() -> &'static store::Listing {
        store::lists::PLUGINS
    }
}

/// Lists the plugins that may be bound.
#[utoipa::path(get, path = "/plugins", tag = "plugins", params(Asked<Plugin>),
    responses((status = 200, body = Many<Plugin>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Plugin>) -> Listed<Plugin> {
    Ok(Many::found(api.db.plugins().found(&caller.ctx, &asked.0).await?))
}

/// Shows a plugin and the points it serves.
#[utoipa::path(get, path = "/plugins/{id}", tag = "plugins", params(("id" = i64, Path)),
    responses((status = 200, body = CheckedPlugin), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<CheckedPlugin>, Problem> {
    let found = candidate(&api, &caller, PluginId(id)).await?;
    Ok(Json(CheckedPlugin { plugin: found.plugin.into(), points: found.points }))
}

/// A version that is about to be bound.
pub(super) struct Candidate {
    pub(super) plugin: store::Plugin,
    pub(super) points: Vec<String>,
    /// Its component, where it says something about its own configuration.
    pub(super) lifecycle: Option<Vec<u8>>,
}

/// An installed plugin and what it can do.
pub(super) async fn candidate(api: &Api, caller: &Caller, plugin: PluginId) -> Result<Candidate, Problem> {
    let plugin = api.db.plugins().get(&caller.ctx, plugin).await?;
    let bytes = api.db.plugins().bytes(&caller.ctx, plugin.id).await?;
    let checked = api.switch.check(bytes.clone()).await;
    let checked = checked.map_err(|why| Problem::field("plugin", format!("it is refused by this switch: {why}")))?;
    Ok(Candidate { plugin, points: checked.points, lifecycle: checked.lifecycle.then_some(bytes) })
}

/// What is installed, wherever it came from.
struct Unpacked {
    name: String,
    version: String,
    component: Vec<u8>,
    about: PluginAbout,
    /// The points its manifest promises.
    provides: Option<Vec<String>>,
}

fn unpack(wanted: &Install, bytes: &[u8]) -> Result<Unpacked, Problem> {
    if !Bundle::is(bytes) {
        let needed = |field: &'static str, text: &Option<String>| {
            text.clone().ok_or_else(|| Problem::field(field, "a bare component needs it; a bundle tells its own"))
        };
        let (name, version) = (needed("name", &wanted.name)?, needed("version", &wanted.version)?);
        let about = PluginAbout::default();
        return Ok(Unpacked { name, version, component: bytes.to_vec(), about, provides: None });
    }
    let bundle = Bundle::open(bytes, extract::COMPONENT_BYTES_MAX * 2);
    let bundle = bundle.map_err(|why| Problem::field("bundle", why.to_string()))?;
    let manifest = bundle.manifest();
    for (field, given, own) in [("name", &wanted.name, &manifest.id), ("version", &wanted.version, &manifest.version)] {
        if given.as_ref().is_some_and(|given| given != own) {
            return Err(Problem::field(field, format!("the bundle's manifest says {own}")));
        }
    }
    let json = serde_json::to_string(manifest).map_err(|e| Problem::field("bundle", e.to_string()))?;
    Ok(Unpacked {
        name: manifest.id.clone(),
        version: manifest.version.clone(),
        component: bundle.component().to_vec(),
        about: PluginAbout {
            manifest: Some(json),
            config_schema: bundle.schema_text().map(str::to_owned),
            signed_by: bundle.signed_by().map(ToString::to_string),
        },
        provides: Some(manifest.provides.iter().map(|p| p.point.clone()).collect()),
    })
}

/// Whether the publisher is trusted, or need not be.
fn check_trust(api: &Api, caller: &Caller, wanted: &Install, about: &PluginAbout) -> Result<(), Problem> {
    let trusted = |key: &String| api.trusted.iter().any(|known| known.to_string() == *key);
    let anybody = api.trusted.is_empty() && !api.signed_only;
    if anybody || about.signed_by.as_ref().is_some_and(trusted) {
        return Ok(());
    }
    match caller.ctx.scope {
        Scope::Platform if wanted.unsigned => Ok(()),
        Scope::Platform | Scope::Brand(_) | Scope::Company(..) => {
            let who = about.signed_by.as_ref().map_or("it is not signed".to_owned(), |k| format!("{k} is not trusted"));
            let way = "the platform's operator may let it in with `unsigned=true`";
            Err(Problem::field(
                "bundle",
                format!("this switch takes plugins of listed publishers only, and {who}; {way}"),
            ))
        }
    }
}

/// Installs a bundle or a bare component: checks it, compiles it, keeps it. The same bytes again are no error.
#[utoipa::path(post, path = "/plugins", tag = "plugins", params(Install),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The bundle or component"),
    responses((status = 201, body = CheckedPlugin), (status = 413, body = Problem, content_type = "application/problem+json"), Refusals))]
async fn install(
    State(api): State<Api>,
    caller: Caller,
    Params(wanted): Params<Install>,
    Raw(bytes): Raw,
) -> Result<(StatusCode, Json<CheckedPlugin>), Problem> {
    caller.needs_brand("Plugins are installed by a brand's operator.")?;
    let unpacked = unpack(&wanted, &bytes)?;
    check_word("name", &unpacked.name)?;
    check_word("version", &unpacked.version)?;
    check_trust(&api, &caller, &wanted, &unpacked.about)?;
    let brand = match caller.ctx.scope {
        Scope::Platform => wanted.brand.map(BrandId),
        Scope::Brand(_) | Scope::Company(..) => Some(caller.brand(wanted.brand)?),
    };
    if let Some(brand) = brand {
        api.db.brands().get(&caller.ctx, brand).await?;
    }
    let Unpacked { name, version, component: bytes, about, provides } = unpacked;
    let component = api.switch.check(bytes.clone()).await.map_err(|why| Problem::field("component", why))?;
    if provides.as_ref().is_some_and(|promised| !same(promised, &component.points)) {
        let (promised, exports) = (provides.unwrap_or_default().join(", "), component.points.join(", "));
        let why = format!("plugin.toml provides {promised}, and the component serves {exports}: they must be the same");
        return Err(Problem::field("bundle", why));
    }
    match api.db.plugins().latest(&caller.ctx, &name, Some(&version)).await {
        Ok(there) if there.brand == brand && there.digest != component.digest => {
            let at = format!("{name}@{version}");
            return Err(Problem::conflict(format!(
                "{at} is installed with other bytes: give this one another version."
            )));
        }
        Ok(_) | Err(StoreError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let installed_at = api.switch.now();
    let new = NewPlugin { brand, name, version, bytes, installed_at, about };
    let plugin = api.db.plugins().install(&caller.ctx, new).await?;
    Ok((StatusCode::CREATED, Json(CheckedPlugin { plugin: plugin.into(), points: component.points })))
}

fn same(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|x| b.contains(x))
}

/// Says what a plugin may use of what its manifest asks for; `null` takes the operator's word back. Its bindings have it
/// at once, and later versions of it begin with it. For the platform's operator.
#[utoipa::path(put, path = "/plugins/{id}/grants", tag = "plugins", params(("id" = i64, Path)),
    request_body = Option<Value>, responses((status = 200, body = Plugin), Refusals))]
async fn grant(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(grants): Body<Option<Grants>>,
) -> Result<Json<Plugin>, Problem> {
    let text = grants.map(|g| serde_json::to_string(&g)).transpose();
    let text = text.map_err(|e| Problem::field("body", e.to_string()))?;
    let plugin = api.db.plugins().grant(&caller.ctx, PluginId(id), text.as_deref()).await?;
    tracing::info!(plugin = %plugin.name, version = %plugin.version, grants = text.as_deref().unwrap_or("-"), "granted");
    api.live().await?;
    Ok(Json(plugin.into()))
}

/// Deletes a plugin that no binding uses or may roll back to.
#[utoipa::path(delete, path = "/plugins/{id}", tag = "plugins", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.plugins().delete(&caller.ctx, PluginId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    let uploads =
        OpenApiRouter::new().routes(routes!(list, install)).layer(DefaultBodyLimit::max(extract::COMPONENT_BYTES_MAX));
    uploads.routes(routes!(show, delete)).routes(routes!(grant))
}
