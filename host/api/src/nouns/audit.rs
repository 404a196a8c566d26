//! The audit log: who changed what, when, from what to what. Nobody can change it.

use super::{Listed, Many};
use crate::listing::{Asked, Noun};
use crate::problem::Refusals;
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use store::AuditLine;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLine)]
pub(crate) struct Line {
    id: i64,
    at: String,
    /// Whose thing it was; null = the platform's own.
    brand: Option<i64>,
    /// Null = the whole brand's.
    company: Option<i64>,
    /// Who, as `token 5 ci` or `person 7 anna`.
    actor: String,
    /// Who acted as that person.
    impersonator: Option<String>,
    /// The address it came from.
    source: Option<String>,
    method: String,
    path: String,
    /// The thing before, secrets masked.
    before: Option<Value>,
    /// What was asked, secrets masked.
    asked: Option<Value>,
    /// The thing after, secrets masked.
    after: Option<Value>,
    /// The status of the answer; null = the change was made, and the switch ended before it answered.
    status: Option<u16>,
}

impl From<AuditLine> for Line {
    fn from(line: AuditLine) -> Self {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Line {
            id: line.id,
            at: rfc3339(line.deed.at),
            brand: line.deed.tenant.brand.map(|b| b.0),
            company: line.deed.tenant.company.map(|c| c.0),
            actor: line.deed.actor,
            impersonator: line.deed.impersonator,
            source: line.deed.source,
            method: line.deed.method,
            path: line.deed.path,
            before: json(line.deed.before),
            asked: json(line.deed.asked),
            after: json(line.after),
            status: line.status,
        }
    }
}

impl Noun for Line {
    fn listing() -> &'static store::Listing {
        store::lists::AUDIT
    }
}

/// Lists changes, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Asked<Line>),
    responses((status = 200, body = Many<Line>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Line>) -> Listed<Line> {
    Ok(Many::found(api.db.audit().found(&caller.ctx, &asked.0).await?))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}
