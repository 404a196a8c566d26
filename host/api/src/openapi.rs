//! The OpenAPI document, made from the same registrations as the routes, so that neither can be without the other.

mod gated;

use crate::{Api, nouns, ops};
use axum::{Json, Router};
use serde_json::Value;
use std::sync::Arc;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, SecurityRequirement};
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Strowger",
    description = "Tenants, numbers, trunks, plugins, live calls and CDRs of a Strowger softswitch. Every list is paged by `after` and `next`. A write answers when it is live."
))]
struct Frame;

/// The guarded routes and the whole document.
pub(crate) fn routes() -> (Router<Api>, Value) {
    let v1 = OpenApiRouter::new()
        .merge(nouns::brands::routes())
        .merge(nouns::identities::routes())
        .merge(nouns::companies::routes())
        .merge(nouns::policies::routes())
        .merge(nouns::brand_rules::routes())
        .merge(nouns::accounts::routes())
        .merge(nouns::mail::routes())
        .merge(nouns::mailboxes::routes())
        .merge(nouns::voicemail::routes())
        .merge(nouns::extensions::routes())
        .merge(nouns::ddis::routes())
        .merge(nouns::plugins::routes())
        .merge(nouns::bindings::routes())
        .merge(nouns::replays::routes())
        .merge(nouns::plugin_logs::routes())
        .merge(nouns::prefix_tables::routes())
        .merge(nouns::calls::routes())
        .merge(nouns::cdrs::routes())
        .merge(nouns::registrations::routes())
        .merge(nouns::rules::routes())
        .merge(nouns::tokens::routes())
        .merge(nouns::people::routes())
        .merge(nouns::logins::routes())
        .merge(nouns::me::routes())
        .merge(nouns::audit::routes())
        .merge(nouns::events::routes())
        .merge(nouns::recordings::routes())
        .merge(nouns::faxes::routes())
        .merge(nouns::archives::routes())
        .merge(nouns::jobs::routes())
        .merge(nouns::timetables::routes())
        .merge(nouns::imports::routes())
        .merge(nouns::translation_sets::routes())
        .merge(nouns::trunks::routes())
        .merge(nouns::route_patterns::routes())
        .merge(nouns::route_groups::routes())
        .merge(nouns::route_tags::routes())
        .merge(nouns::outgoing_routes::routes())
        .merge(nouns::wallets::routes())
        .merge(nouns::countries::routes())
        .merge(nouns::bans::routes());
    let (router, mut document) =
        OpenApiRouter::with_openapi(<Frame as utoipa::OpenApi>::openapi()).nest("/api/v1", v1).split_for_parts();
    document.merge(open().into_openapi());
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    // As JSON, for what it is told for every operation is the same three lines of a map each.
    let told = serde_json::to_value(&document).map(gated::told).unwrap_or_else(|error| {
        tracing::error!(%error, "the API's document cannot be written");
        Value::Null
    });
    (router, told)
}

/// The routes that do their own checks, or need none.
fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::metrics))
        .routes(routes!(openapi_json))
        .routes(routes!(nouns::logins::log_in))
        .routes(routes!(nouns::logins::refresh))
}

/// The open routes, with the document in place.
pub(crate) fn open_routes(document: Arc<Value>) -> Router<Api> {
    open().split_for_parts().0.layer(axum::Extension(document))
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "operation", security(()),
    responses((status = 200, description = "OpenAPI 3.1")))]
async fn openapi_json(axum::Extension(document): axum::Extension<Arc<Value>>) -> Json<Arc<Value>> {
    Json(document)
}

/// The document, for generators and for comparing versions.
#[must_use]
pub fn document() -> Value {
    routes().1
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_guarded_operation_says_what_the_gate_does() {
        let document = super::document();
        let silent: Vec<_> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(path, _)| path.starts_with("/api/v1/"))
            .flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(method, it)| (path, method, it)))
            .filter(|(_, _, it)| it.get("security").is_none() && it["responses"].get("429").is_none())
            .map(|(path, method, _)| format!("{method} {path}"))
            .collect();
        assert!(silent.is_empty(), "{silent:?}");
    }

    /// Two types of one name would be one schema in the document, and the other's clients would read the wrong thing.
    #[test]
    fn no_two_types_share_a_name() {
        fn sources(dir: &std::path::Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => sources(&path, found),
                    false => found.push(std::fs::read_to_string(path).unwrap()),
                }
            }
        }
        let mut files = Vec::new();
        sources(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
        let mut names = Vec::new();
        for file in &files {
            for derived in file.split("#[derive(").skip(1).filter(|text| {
                text.split(")]").next().is_some_and(|list| list.split(", ").any(|name| name == "ToSchema"))
            }) {
                let said = derived.split("#[schema(as = ").nth(1).and_then(|rest| rest.split([')', ',']).next());
                let head = derived.split(['{', ';']).next().unwrap_or_default();
                let own = head.split_whitespace().skip_while(|word| !["struct", "enum"].contains(word)).nth(1);
                let own = own.map(|name| name.split(['<', '(']).next().unwrap_or_default());
                names.extend(said.filter(|_| head.contains("#[schema(as = ")).or(own).map(str::to_owned));
            }
        }
        assert!(names.len() > 50, "{names:?}");
        names.sort();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
        assert!(twice.is_empty(), "name one of them by #[schema(as = ..)]: {twice:?}");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(it: &'a serde_json::Value, found: &mut Vec<&'a str>) {
            for (name, value) in it.as_object().into_iter().flatten() {
                match value.as_str() {
                    Some(target) if name == "$ref" => found.push(target),
                    _ => references(value, found),
                }
            }
            it.as_array().into_iter().flatten().for_each(|item| references(item, found));
        }
        let document = super::document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        found.retain(|target| target.strip_prefix('#').and_then(|pointer| document.pointer(pointer)).is_none());
        assert!(found.is_empty(), "{found:?}");
    }
}
