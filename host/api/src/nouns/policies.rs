//! Company settings: how its phones register, and from where it may be used.

use crate::extract::{Body, Id};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use model::{Cidr, CompanyId, CompanyPolicy, NatPing, RegistrationPolicy, SourcePolicy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A company's settings. What is left out has its default.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Policy {
    registration: Registration,
    sources: Sources,
}

/// How its phones register.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RegistrationPolicy)]
pub(crate) struct Registration {
    /// Shortest registration granted, in seconds, 1 to 3600; null = the switch's limit.
    min_s: Option<u32>,
    /// Longest registration granted, in seconds; null = the switch's limit.
    max_s: Option<u32>,
    /// How much a granted registration may be shortened at random, in percent, 0 to 90; null = the switch's limit.
    spread_percent: Option<u8>,
    /// Most contacts of one account; null = the switch's limit.
    contacts_max: Option<u32>,
    /// One contact per account: the newest takes the place of all others.
    single_contact: bool,
    /// The Service-Route of every 200 (RFC 3608), as `<sip:edge.example;lr>`.
    service_route: Vec<String>,
    nat_ping: Ping,
}

/// How a phone behind a NAT is kept reachable over UDP.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ping {
    /// Not at all.
    Off,
    /// Four bytes of line ends.
    Crlf,
    /// An OPTIONS, which the phone answers.
    #[default]
    Options,
}

/// From where the company may be used.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sources {
    /// Address blocks that may, as `192.0.2.0/24`; empty = every block that is not denied.
    allow: Vec<String>,
    /// Address blocks that may not, whatever else is said.
    deny: Vec<String>,
    /// Two-letter codes of countries that may; empty = every country. Needs the platform's table of countries.
    countries: Vec<String>,
}

fn blocks(field: &str, texts: &[String]) -> Result<Vec<Cidr>, Problem> {
    let parse = |text: &String| text.parse().map_err(|e| Problem::field(field, format!("{text}: {e}")));
    texts.iter().map(parse).collect()
}

impl TryFrom<Policy> for CompanyPolicy {
    type Error = Problem;
    fn try_from(Policy { registration: r, sources: s }: Policy) -> Result<Self, Problem> {
        Ok(CompanyPolicy {
            registration: RegistrationPolicy {
                min_s: r.min_s,
                max_s: r.max_s,
                spread_percent: r.spread_percent,
                contacts_max: r.contacts_max,
                single_contact: r.single_contact,
                service_route: r.service_route,
                nat_ping: match r.nat_ping {
                    Ping::Off => NatPing::Off,
                    Ping::Crlf => NatPing::Crlf,
                    Ping::Options => NatPing::Options,
                },
            },
            sources: SourcePolicy {
                allow: blocks("sources.allow", &s.allow)?,
                deny: blocks("sources.deny", &s.deny)?,
                countries: s.countries,
            },
        })
    }
}

impl From<CompanyPolicy> for Policy {
    fn from(CompanyPolicy { registration: r, sources: s }: CompanyPolicy) -> Self {
        let texts = |blocks: Vec<Cidr>| blocks.iter().map(ToString::to_string).collect();
        Policy {
            registration: Registration {
                min_s: r.min_s,
                max_s: r.max_s,
                spread_percent: r.spread_percent,
                contacts_max: r.contacts_max,
                single_contact: r.single_contact,
                service_route: r.service_route,
                nat_ping: match r.nat_ping {
                    NatPing::Off => Ping::Off,
                    NatPing::Crlf => Ping::Crlf,
                    NatPing::Options => Ping::Options,
                },
            },
            sources: Sources { allow: texts(s.allow), deny: texts(s.deny), countries: s.countries },
        }
    }
}

/// Shows a company's settings.
#[utoipa::path(get, path = "/companies/{id}/policy", tag = "companies", params(("id" = i64, Path)),
    responses((status = 200, body = Policy), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Policy>, Problem> {
    Ok(Json(api.db.policies().get(&caller.ctx, CompanyId(id)).await?.into()))
}

/// Replaces a company's settings.
#[utoipa::path(put, path = "/companies/{id}/policy", tag = "companies", params(("id" = i64, Path)), request_body = Policy,
    responses((status = 200, body = Policy), Refusals))]
async fn put(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Policy>,
) -> Result<Json<Policy>, Problem> {
    let policy = body.try_into()?;
    let policy = api.db.policies().put(&caller.ctx, CompanyId(id), &policy).await?;
    api.live().await?;
    Ok(Json(policy.into()))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, put))
}
