//! Prefix tables: a brand's prices, carriers and the like by number, for its plugins to look up.

use super::{Listed, Many};
use crate::extract::{Id, Params, Raw};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, extract, stamp::rfc3339};
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{NewPrefixTable, PrefixTableRow};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

const BRANDS: &str = "Prefix tables are for a brand's operator.";

/// A prefix table.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Table {
    id: i64,
    brand: i64,
    /// Unique within the brand; what plugins name.
    name: String,
    rows: u64,
    /// SHA-256 of its text, in hex.
    digest: String,
    loaded_at: String,
}

impl From<PrefixTableRow> for Table {
    fn from(t: PrefixTableRow) -> Self {
        Table {
            id: t.id,
            brand: t.brand.0,
            name: t.name,
            rows: t.rows,
            digest: t.digest,
            loaded_at: rfc3339(t.loaded_at),
        }
    }
}

/// What to load.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// The name; a table of that name is replaced whole.
    name: String,
    /// The brand's id; a brand's token may leave it out.
    brand: Option<i64>,
}

impl Noun for Table {
    fn listing() -> &'static store::Listing {
        store::lists::PREFIX_TABLES
    }
}

/// Lists prefix tables.
#[utoipa::path(get, path = "/prefix-tables", tag = "plugins", params(Asked<Table>),
    responses((status = 200, body = Many<Table>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Table>) -> Listed<Table> {
    Ok(Many::found(api.db.prefix_tables().found(&caller.ctx, &asked.0).await?))
}

/// Loads a prefix table, in place of the one of that name. The body is comma-separated text whose first line names the
/// columns, `prefix` first. Lookups under way end with the table they have.
#[utoipa::path(post, path = "/prefix-tables", tag = "plugins", params(Load),
    request_body(content = Vec<u8>, content_type = "text/csv", description = "The table"),
    responses((status = 200, body = Table), (status = 413, body = Problem, content_type = "application/problem+json"), Refusals))]
async fn load(
    State(api): State<Api>,
    caller: Caller,
    Params(wanted): Params<Load>,
    Raw(bytes): Raw,
) -> Result<Json<Table>, Problem> {
    caller.needs_brand(BRANDS)?;
    let brand = caller.brand(wanted.brand)?;
    api.db.brands().get(&caller.ctx, brand).await?;
    let read = move || {
        let text = String::from_utf8(bytes.into()).map_err(|_| "it is not UTF-8 text".to_owned())?;
        let table = tables::PrefixTable::from_csv(&text).map_err(|e| e.to_string())?;
        Ok::<_, String>((text, table.len()))
    };
    let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|e| Err(e.to_string()));
    let (csv, rows) = read.map_err(|why| Problem::field("body", why))?;
    let new = NewPrefixTable { brand, name: wanted.name, rows, csv, loaded_at: api.switch.now() };
    let table = api.db.prefix_tables().load(&caller.ctx, new).await?;
    api.live().await?;
    Ok(Json(table.into()))
}

/// Removes a prefix table; lookups in it are told that there is none.
#[utoipa::path(delete, path = "/prefix-tables/{id}", tag = "plugins", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    caller.needs_brand(BRANDS)?;
    api.db.prefix_tables().delete(&caller.ctx, id).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    let uploads =
        OpenApiRouter::new().routes(routes!(list, load)).layer(DefaultBodyLimit::max(extract::COMPONENT_BYTES_MAX));
    uploads.routes(routes!(delete))
}
