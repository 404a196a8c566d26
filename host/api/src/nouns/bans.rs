//! Bans: sources that are not listened to. A source is not a tenant's, so only the platform's tokens see them.

use super::{Listed, Many};
use crate::listing::Plain;
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use core::net::IpAddr;
use serde::Serialize;
use store::Scope;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A source that is not listened to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ban {
    /// An address; for IPv6 a block of 64 bits.
    source: String,
    /// The one account that is closed to it, as `user@domain`; null = it may do nothing at all.
    account: Option<String>,
    /// `authentication`, `flood`, `scanner`, `unknown-domain`.
    why: &'static str,
    since: String,
    until: String,
    /// Messages that were not listened to.
    hits: u64,
}

impl From<model::Ban> for Ban {
    fn from(ban: model::Ban) -> Self {
        Ban {
            source: ban.source.to_string(),
            account: ban.account,
            why: ban.why.name(),
            since: rfc3339(ban.since),
            until: rfc3339(ban.until),
            hits: ban.hits,
        }
    }
}

fn platform(caller: &Caller) -> Result<(), Problem> {
    match caller.ctx.scope {
        Scope::Platform => Ok(()),
        Scope::Brand(_) | Scope::Company(..) => Err(Problem::forbidden("Bans are the platform's.")),
    }
}

/// Lists the bans that hold, by source and account.
#[utoipa::path(get, path = "/bans", tag = "operation", params(Plain), responses((status = 200, body = Many<Ban>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Plain) -> Listed<Ban> {
    platform(&caller)?;
    let key = |ban: &model::Ban| format!("{} {}", ban.source, ban.account.as_deref().unwrap_or_default());
    Ok(asked.page(api.switch.bans().await?, key))
}

/// Lifts the bans of a source, with those of its accounts, and forgets what it did.
#[utoipa::path(delete, path = "/bans/{source}", tag = "operation",
    params(("source" = String, Path, description = "The address; for IPv6 any of its block")),
    responses((status = 204, description = "Lifted"), Refusals))]
async fn lift(State(api): State<Api>, caller: Caller, Path(source): Path<String>) -> Result<StatusCode, Problem> {
    platform(&caller)?;
    let address = source.split('/').next().unwrap_or_default();
    let source: IpAddr = address.parse().map_err(|_| Problem::not_found("ban"))?;
    if api.switch.unban(source).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("ban")) }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(lift))
}
