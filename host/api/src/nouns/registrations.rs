//! Registrations: which phones are there now.

use super::{Listed, Many};
use crate::listing::OfTenants;
use crate::problem::Refusals;
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// One contact of an account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Registration {
    /// The account's id.
    account: i64,
    username: String,
    brand: i64,
    company: i64,
    /// The contact URI.
    contact: String,
    /// Where the REGISTER came from.
    source: String,
    /// What the phone calls itself.
    user_agent: Option<String>,
    expires_at: String,
}

impl From<shell::Registration> for Registration {
    fn from(r: shell::Registration) -> Self {
        Registration {
            account: r.account.0,
            username: r.username,
            brand: r.brand.0,
            company: r.company.0,
            contact: r.contact,
            source: r.source,
            user_agent: r.user_agent,
            expires_at: rfc3339(r.expires_at),
        }
    }
}

/// What orders registrations: the company, the user name, the contact.
pub(crate) fn key(r: &shell::Registration) -> String {
    format!("{:020} {} {}", r.company.0, r.username, r.contact)
}

/// Lists the contacts registered now, by company, user name and contact.
#[utoipa::path(get, path = "/registrations", tag = "registrations", params(OfTenants),
    responses((status = 200, body = Many<Registration>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: OfTenants) -> Listed<Registration> {
    let mut all = api.switch.registrations().await?;
    all.retain(|r| caller.sees(r.brand, r.company) && asked.wants(r.company.0, Some(r.account.0)));
    Ok(asked.page(all, key))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}
