//! Countries: how numbers are written in them and what time it is there. The switch brings them; nobody changes them.

use super::{Listed, Many};
use crate::Api;
use crate::problem::{Problem, Refusals};
use axum::Json;
use axum::extract::Path;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A country or territory.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Country {
    /// Two letters (ISO 3166): `DE`.
    code: &'static str,
    name: &'static str,
    /// The country code of E.164, without `+`: `49`. Some share one.
    calling_code: &'static str,
    /// What is dialled there before a number of another country: `00`.
    international_prefix: &'static str,
    /// What is dialled there before a number of another area: `0`; may be empty.
    national_prefix: &'static str,
    /// How many digits a national number has; null = it varies.
    national_length: Option<u8>,
    /// What E.164 numbers of it begin with: `["+49"]`; empty where they are not to be told from another country's.
    prefixes: Vec<String>,
    /// Its time zones, the one most people live in first.
    time_zones: &'static [&'static str],
}

impl From<&'static model::Country> for Country {
    fn from(country: &'static model::Country) -> Self {
        Country {
            code: country.code,
            name: country.name,
            calling_code: country.calling_code,
            international_prefix: country.international_prefix,
            national_prefix: country.national_prefix,
            national_length: country.national_length,
            prefixes: country.prefixes(),
            time_zones: &country.zones,
        }
    }
}

/// Lists the countries, by code. They are a few hundred: the list is not paged.
#[utoipa::path(get, path = "/countries", tag = "operation", responses((status = 200, body = Many<Country>), Refusals))]
async fn list() -> Listed<Country> {
    Ok(Many::all(model::Country::all()))
}

/// Shows the country of two letters.
#[utoipa::path(get, path = "/countries/{code}", tag = "operation",
    params(("code" = String, Path, description = "Two letters (ISO 3166)")),
    responses((status = 200, body = Country), Refusals))]
async fn show(Path(code): Path<String>) -> Result<Json<Country>, Problem> {
    model::Country::of_code(&code).map(|country| Json(country.into())).ok_or_else(|| Problem::not_found("country"))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}
