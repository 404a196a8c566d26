//! Plugins: installed component versions. Installing checks and compiles; binding is another step.

use super::{Listed, Many, Paging};
use crate::extract::{Id, Params, Raw};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, extract, stamp::rfc3339};
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use model::{BrandId, PluginId};
use serde::{Deserialize, Serialize};
use store::{NewPlugin, Scope, StoreError};
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
}

impl From<store::Plugin> for Plugin {
    fn from(p: store::Plugin) -> Self {
        Plugin {
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
    /// The plugin's name: letters, digits, `-`, `_` and `.`.
    name: String,
    /// Its version; other bytes under a version that exists are refused.
    version: String,
    /// The brand that owns it. A brand's token installs for its brand; the platform's, if absent, for every brand.
    brand: Option<i64>,
}

/// Names and versions stand in `name@version` and in metrics.
fn check_word(field: &str, text: &str) -> Result<(), Problem> {
    let fits =
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
    if fits { Ok(()) } else { Err(Problem::field(field, "expected 1 to 64 letters, digits, `-`, `_`, `.` or `+`")) }
}

/// Lists the plugins that may be bound.
#[utoipa::path(get, path = "/plugins", tag = "plugins", params(Paging),
    responses((status = 200, body = Many<Plugin>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, Params(paging): Params<Paging>) -> Listed<Plugin> {
    let page = paging.page()?;
    Ok(Many::page(api.db.plugins().list(&caller.ctx, page).await?, page, |p| p.id.0))
}

/// Shows a plugin and the points it serves.
#[utoipa::path(get, path = "/plugins/{id}", tag = "plugins", params(("id" = i64, Path)),
    responses((status = 200, body = CheckedPlugin), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<CheckedPlugin>, Problem> {
    let plugin = api.db.plugins().get(&caller.ctx, PluginId(id)).await?;
    let points = points(&api, &caller, plugin.id).await?;
    Ok(Json(CheckedPlugin { plugin: plugin.into(), points }))
}

/// The points that an installed plugin serves.
pub(super) async fn points(api: &Api, caller: &Caller, plugin: PluginId) -> Result<Vec<String>, Problem> {
    let bytes = api.db.plugins().bytes(&caller.ctx, plugin).await?;
    let checked = api.switch.check(bytes).await;
    Ok(checked.map_err(|why| Problem::field("plugin", format!("it is refused by this switch: {why}")))?.points)
}

/// Installs a component: checks it, compiles it, keeps it. The same bytes again are no error.
#[utoipa::path(post, path = "/plugins", tag = "plugins", params(Install),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component"),
    responses((status = 201, body = CheckedPlugin), (status = 413, body = Problem, content_type = "application/problem+json"), Refusals))]
async fn install(
    State(api): State<Api>,
    caller: Caller,
    Params(wanted): Params<Install>,
    Raw(bytes): Raw,
) -> Result<(StatusCode, Json<CheckedPlugin>), Problem> {
    caller.needs_brand("Plugins are installed by a brand's operator.")?;
    check_word("name", &wanted.name)?;
    check_word("version", &wanted.version)?;
    let brand = match caller.ctx.scope {
        Scope::Platform => wanted.brand.map(BrandId),
        Scope::Brand(_) | Scope::Company(..) => Some(caller.brand(wanted.brand)?),
    };
    if let Some(brand) = brand {
        api.db.brands().get(&caller.ctx, brand).await?;
    }
    let component = api.switch.check(bytes.to_vec()).await.map_err(|why| Problem::field("component", why))?;
    match api.db.plugins().latest(&caller.ctx, &wanted.name, Some(&wanted.version)).await {
        Ok(there) if there.brand == brand && there.digest != component.digest => {
            let at = format!("{}@{}", wanted.name, wanted.version);
            return Err(Problem::conflict(format!(
                "{at} is installed with other bytes: give this one another version."
            )));
        }
        Ok(_) | Err(StoreError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let installed_at = api.switch.now();
    let new = NewPlugin { brand, name: wanted.name, version: wanted.version, bytes: bytes.to_vec(), installed_at };
    let plugin = api.db.plugins().install(&caller.ctx, new).await?;
    Ok((StatusCode::CREATED, Json(CheckedPlugin { plugin: plugin.into(), points: component.points })))
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
    uploads.routes(routes!(show, delete))
}
