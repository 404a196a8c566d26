//! The audit log: who changed what, when, from what to what. Nobody can change it.

use super::cdrs::moment;
use super::{Listed, Many, limit};
use crate::extract::Params;
use crate::problem::Refusals;
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AuditFilter, AuditLine, Page};
use utoipa::{IntoParams, ToSchema};
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

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Of paths that begin with this, as `/api/v1/accounts/5`.
    path: Option<String>,
    /// Of actors that begin with this, as `person 7 `.
    actor: Option<String>,
    /// At or after, RFC 3339 or a date.
    from: Option<String>,
    /// Before.
    until: Option<String>,
    /// `next` of the page before.
    after: Option<i64>,
    /// At most so many, 1 to 1000; else 100.
    limit: Option<u32>,
}

/// Lists changes, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Filter),
    responses((status = 200, body = Many<Line>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, Params(filter): Params<Filter>) -> Listed<Line> {
    let page = Page { after: filter.after.unwrap_or(0), limit: limit(filter.limit)? };
    let (from, until) = (moment("from", filter.from.as_deref())?, moment("until", filter.until.as_deref())?);
    let which = AuditFilter { path: filter.path, actor: filter.actor, from, until };
    Ok(Many::page(api.db.audit().list(&caller.ctx, &which, page).await?, page, |line| line.id))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}
