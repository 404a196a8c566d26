//! `/healthz` for load balancers, `/metrics` for Prometheus.

use crate::problem::Problem;
use crate::{Api, auth};
use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::net::SocketAddr;
use store::Scope;
use utoipa::ToSchema;

/// How the switch is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Whether it takes calls.
    ready: bool,
    /// Why it does not.
    reasons: Vec<String>,
    /// What is wrong although it takes calls; only for whom `/metrics` is for.
    warnings: Vec<String>,
}

/// Says whether this node takes calls. Needs no token: what it tells everybody says nothing about anybody.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses(
    (status = 200, body = Health, description = "It takes calls"),
    (status = 503, body = Health, description = "It takes no new calls, and why")))]
pub(crate) async fn healthz(State(api): State<Api>, request: Request) -> (StatusCode, Json<Health>) {
    let reasons = api.switch.unready();
    let ready = reasons.is_empty();
    let warnings = if operates(&api, request).await.is_ok() { api.switch.warnings() } else { Vec::new() };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ready, reasons, warnings }))
}

/// The counters, in the Prometheus text format.
///
/// For a platform token; without one, where the configuration allows it, for a scraper on this machine itself. A request
/// that a proxy passed on (it says so in `Forwarded` or `X-Forwarded-For`) is not from this machine.
#[utoipa::path(get, path = "/metrics", tag = "operation", security(("token" = []), ()), responses(
    (status = 200, body = String, content_type = "text/plain; version=0.0.4"), crate::problem::Refusals))]
pub(crate) async fn metrics(State(api): State<Api>, request: Request) -> Result<impl IntoResponse, Problem> {
    operates(&api, request).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.switch.metrics()))
}

/// Refuses whoever is not the platform's operator, nor on this machine where that is enough.
async fn operates(api: &Api, request: Request) -> Result<(), Problem> {
    let (mut parts, _) = request.into_parts();
    let peer = ConnectInfo::<SocketAddr>::from_request_parts(&mut parts, api).await.ok();
    if api.local_metrics && peer.is_some_and(|ConnectInfo(peer)| is_local(peer, &parts.headers)) {
        return Ok(());
    }
    let caller = auth::identify(api, &parts.headers).await?;
    match caller.ctx.scope {
        Scope::Platform if caller.rights().is_none() => Ok(()),
        Scope::Platform | Scope::Brand(_) | Scope::Company(..) => {
            Err(Problem::forbidden("Metrics are for the platform's operator."))
        }
    }
}

fn is_local(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let passed_on = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|h| headers.contains_key(*h));
    let signed_in = headers.contains_key(header::AUTHORIZATION);
    peer.ip().to_canonical().is_loopback() && !passed_on && !signed_in
}
