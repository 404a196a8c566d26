//! Logging in, and the logins that are open.

use super::{Listed, Many, Paging};
use crate::auth::{Caller, access_of};
use crate::doors::{ACCESS_LIFE, LOGIN_LIFE};
use crate::extract::{Body, Id, Params};
use crate::peer::source_of;
use crate::problem::{LoginRefusals, Problem, Refusals};
use crate::{Api, stamp::rfc3339};
use axum::Json;
use axum::extract::FromRequest as _;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Refreshed, Scope};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Longest login name, in characters.
const NAME_CHARS_MAX: usize = 64;
/// Longest name of a place, in characters: a domain's.
const PLACE_CHARS_MAX: usize = 253;

/// Who logs in. Somebody of a company names its SIP domain, somebody of a brand its name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// The login name.
    name: String,
    password: String,
    /// The brand's name, for somebody of a whole brand.
    brand: Option<String>,
    /// The company's SIP domain, for somebody of a company.
    company: Option<String>,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// The last one: each is good once.
    refresh_token: String,
}

/// What a login gives.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoggedIn {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// How long it is good, in seconds.
    expires_in: u64,
    /// Gives a new pair; good once. One that comes twice ends the login.
    refresh_token: String,
    /// How long the login goes on without that, in seconds.
    refresh_expires_in: u64,
}

fn given(api: &Api, login: i64, refresh_token: String) -> Result<Json<LoggedIn>, Problem> {
    let access_token = api.doors.token(login, api.switch.now(), ACCESS_LIFE)?;
    let (expires_in, refresh_expires_in) = (ACCESS_LIFE.as_secs(), LOGIN_LIFE.as_secs());
    Ok(Json(LoggedIn { access_token, expires_in, refresh_token, refresh_expires_in }))
}

/// Logs in. Wrong names and wrong passwords are answered alike, and seldom.
#[utoipa::path(post, path = "/api/v1/login", tag = "logins", security(()), request_body = LogIn,
    responses((status = 200, body = LoggedIn), LoginRefusals))]
pub(crate) async fn log_in(State(api): State<Api>, request: Request) -> Result<Json<LoggedIn>, Problem> {
    let source = source_of(&request, &api.proxies);
    let Body(body) = Body::<LogIn>::from_request(request, &api).await?;
    let now = api.switch.now();
    let (of, place) = match (&body.company, &body.brand) {
        (Some(domain), _) => ("company", domain.as_str()),
        (None, Some(name)) => ("brand", name.as_str()),
        (None, None) => ("company", ""),
    };
    // Nobody has such a name, and nobody shall have the switch remember it.
    for (field, text, most) in [("name", body.name.as_str(), NAME_CHARS_MAX), (of, place, PLACE_CHARS_MAX)] {
        if text.chars().count() > most {
            return Err(Problem::field(field, format!("expected at most {most} characters")));
        }
    }
    api.doors.knock(&format!("{}@{place}", body.name).to_lowercase(), source, now)?;
    let found = api.db.people().named(body.brand.as_deref(), body.company.as_deref(), &body.name).await?;
    let fits = api.doors.fits(body.password, found.as_ref().map(|p| p.password.as_str())).await?;
    let Some(person) = found.filter(|person| fits && person.enabled) else {
        tracing::info!(?source, "a login was refused");
        return Err(Problem::unauthenticated());
    };
    let (login, refresh) = api.db.logins().open(person.id, None, now, LOGIN_LIFE).await?;
    given(&api, login, refresh.unwrap_or_default())
}

/// Gives a new access token and a new refresh token for a refresh token.
#[utoipa::path(post, path = "/api/v1/login/refresh", tag = "logins", security(()), request_body = Refresh,
    responses((status = 200, body = LoggedIn), LoginRefusals))]
pub(crate) async fn refresh(State(api): State<Api>, request: Request) -> Result<Json<LoggedIn>, Problem> {
    let source = source_of(&request, &api.proxies);
    let Body(body) = Body::<Refresh>::from_request(request, &api).await?;
    let now = api.switch.now();
    api.doors.knock_refresh(source, now)?;
    match api.db.logins().refresh(&body.refresh_token, now, LOGIN_LIFE).await? {
        Refreshed::Goes(login, secret) => given(&api, login, secret),
        Refreshed::Unknown => Err(Problem::unauthenticated()),
        Refreshed::Stolen(login) => {
            tracing::warn!(login, "a refresh token came a second time: its login was ended");
            Err(Problem::unauthenticated())
        }
    }
}

/// An open login.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Login {
    id: i64,
    /// The person's id.
    person: i64,
    name: String,
    brand: Option<i64>,
    company: Option<i64>,
    /// Who acts as this person, if it is not the person itself.
    impersonator: Option<String>,
    created_at: String,
    /// When it ends, unless it is refreshed.
    expires_at: String,
}

impl From<store::Login> for Login {
    fn from(l: store::Login) -> Self {
        let (brand, company) = match l.scope {
            Scope::Platform => (None, None),
            Scope::Brand(brand) => (Some(brand.0), None),
            Scope::Company(brand, company) => (Some(brand.0), Some(company.0)),
        };
        Login {
            id: l.id,
            person: l.person.0,
            name: l.name,
            brand,
            company,
            impersonator: l.impersonator,
            created_at: rfc3339(l.created_at),
            expires_at: rfc3339(l.expires_at),
        }
    }
}

/// Lists the logins that are open.
#[utoipa::path(get, path = "/logins", tag = "logins", params(Paging),
    responses((status = 200, body = Many<Login>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, Params(paging): Params<Paging>) -> Listed<Login> {
    let page = paging.page()?;
    Ok(Many::page(api.db.logins().list(&caller.ctx, api.switch.now(), page).await?, page, |l| l.id))
}

/// Shows an open login.
#[utoipa::path(get, path = "/logins/{id}", tag = "logins", params(("id" = i64, Path)),
    responses((status = 200, body = Login), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Login>, Problem> {
    Ok(Json(api.db.logins().get(&caller.ctx, id, api.switch.now()).await?.into()))
}

/// Ends a login of somebody who may do no more than whoever ends it: its tokens are worth nothing from now on.
#[utoipa::path(delete, path = "/logins/{id}", tag = "logins", params(("id" = i64, Path)),
    responses((status = 204, description = "Ended"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let login = api.db.logins().get(&caller.ctx, id, api.switch.now()).await?;
    let person = api.db.people().get(&caller.ctx, login.person).await?;
    caller.covers(access_of(person.standing), person.rights.as_ref())?;
    api.db.logins().delete(&caller.ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, delete))
}
