//! Oneself: what everybody who is logged in may do, and all that a user may.

use super::accounts::Account;
use super::cdrs::Cdr;
use super::people::{Rights, check_password, shown};
use super::registrations::Registration;
use super::summons::{self, AddOwnCall, AddedCall};
use super::{Listed, Many};
use crate::Api;
use crate::auth::Caller;
use crate::extract::Body;
use crate::listing::{Asked, Plain};
use crate::problem::{Problem, Refusals};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::{CallId, Forward};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{OwnChange, Scope};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// As audit lines have it: `token 5 ci`, `person 7 anna`.
    actor: String,
    /// Null = the platform.
    brand: Option<i64>,
    /// Null = the whole brand.
    company: Option<i64>,
    /// A user's account.
    account: Option<i64>,
    /// Whether one may change things at all.
    writes: bool,
    /// What may be done with which noun; null = all of them.
    rights: Option<Rights>,
    /// Who acts as one.
    impersonator: Option<String>,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutPassword {
    /// The one that is good now.
    old_password: String,
    /// 10 to 128 characters.
    new_password: String,
}

/// What a user may change of the own account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchOwnAccount {
    display_name: Option<String>,
    /// All of them.
    #[schema(value_type = Option<Vec<Object>>)]
    forwards: Option<Value>,
    /// Whether the account is busy to whoever calls it.
    do_not_disturb: Option<bool>,
}

/// Shows who one is and what one may do.
#[utoipa::path(get, path = "/me", tag = "me", responses((status = 200, body = Me), Refusals))]
async fn show(caller: Caller) -> Json<Me> {
    let (brand, company) = match caller.ctx.scope {
        Scope::Platform => (None, None),
        Scope::Brand(brand) => (Some(brand.0), None),
        Scope::Company(brand, company) => (Some(brand.0), Some(company.0)),
    };
    Json(Me {
        brand,
        company,
        account: caller.account.map(|a| a.0),
        writes: caller.writes(),
        rights: caller.rights().cloned().map(shown),
        actor: caller.actor,
        impersonator: caller.impersonator,
    })
}

/// Changes the own password; every login ends, this one too.
#[utoipa::path(put, path = "/me/password", tag = "me", request_body = PutPassword,
    responses((status = 204, description = "Changed"), Refusals))]
async fn put_password(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<PutPassword>,
) -> Result<StatusCode, Problem> {
    let (person, _) = caller.person.ok_or_else(|| Problem::not_found("person"))?;
    if caller.impersonator.is_some() {
        return Err(Problem::forbidden("Only the person itself may do this."));
    }
    check_password("new_password", &body.new_password)?;
    api.doors.knock(&caller.actor, None, api.switch.now())?;
    let person = api.db.people().get(&caller.ctx, person).await?;
    if !api.doors.fits(body.old_password, Some(&person.password)).await? {
        return Err(Problem::field("old_password", "it is another one"));
    }
    let password = api.doors.hash(body.new_password).await?;
    api.db.people().put_password(&caller.ctx, &person, &password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Logs out: this login's tokens are worth nothing from now on.
#[utoipa::path(delete, path = "/me/login", tag = "me", responses((status = 204, description = "Ended"), Refusals))]
async fn log_out(State(api): State<Api>, caller: Caller) -> Result<StatusCode, Problem> {
    let (_, login) = caller.person.ok_or_else(|| Problem::not_found("login"))?;
    api.db.logins().delete(&caller.ctx, login).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn own(api: &Api, caller: &Caller) -> Result<model::Account, Problem> {
    let account = caller.account.ok_or_else(|| Problem::not_found("account"))?;
    Ok(api.db.accounts().get(&caller.ctx, account).await?)
}

/// Shows a user's account.
#[utoipa::path(get, path = "/me/account", tag = "me", responses((status = 200, body = Account), Refusals))]
async fn account(State(api): State<Api>, caller: Caller) -> Result<Json<Account>, Problem> {
    Ok(Json(own(&api, &caller).await?.into()))
}

fn not_forwards(error: serde_json::Error) -> Problem {
    Problem::field("forwards", error.to_string())
}

/// Changes what a user may change of the account: the name shown, where its calls go, whether it may be disturbed.
#[utoipa::path(patch, path = "/me/account", tag = "me", request_body = PatchOwnAccount,
    responses((status = 200, body = Account), Refusals))]
async fn patch_account(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<PatchOwnAccount>,
) -> Result<Json<Account>, Problem> {
    let id = caller.account.ok_or_else(|| Problem::not_found("account"))?;
    let forwards: Option<Vec<Forward>> = body.forwards.map(serde_json::from_value).transpose().map_err(not_forwards)?;
    let (display_name, do_not_disturb) = (body.display_name.as_deref(), body.do_not_disturb);
    let change = OwnChange { display_name, forwards, do_not_disturb };
    let account = api.db.accounts().change_own(&caller.ctx, id, change).await?;
    api.live().await?;
    Ok(Json(account.into()))
}

/// Lists the contacts of a user's account that are registered now.
#[utoipa::path(get, path = "/me/registrations", tag = "me", params(Plain),
    responses((status = 200, body = Many<Registration>), Refusals))]
async fn registrations(State(api): State<Api>, caller: Caller, asked: Plain) -> Listed<Registration> {
    let account = own(&api, &caller).await?;
    let mut all = api.switch.registrations().await?;
    all.retain(|r| r.account == account.id);
    Ok(asked.page(all, super::registrations::key))
}

/// Lists the legs of a user's account, newest first.
#[utoipa::path(get, path = "/me/cdrs", tag = "me", params(Asked<Cdr>),
    responses((status = 200, body = Many<Cdr>), Refusals))]
async fn cdrs(State(api): State<Api>, caller: Caller, asked: Asked<Cdr>) -> Listed<Cdr> {
    let account = own(&api, &caller).await?;
    super::cdrs::page(&api, &caller, &asked.0.only("account", account.id.0)).await
}

/// Makes a call for a user's account: its own phones ring first, then the number is called.
#[utoipa::path(post, path = "/me/calls", tag = "me", request_body = AddOwnCall,
    responses((status = 202, description = "One's phones ring", body = AddedCall), Refusals))]
async fn add_call(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddOwnCall>,
) -> Result<(StatusCode, Json<AddedCall>), Problem> {
    summons::begin(&api, own(&api, &caller).await?, body).await
}

/// Calls off a call of a user's account: one that was made for it, or any other that it has.
#[utoipa::path(delete, path = "/me/calls/{id}", tag = "me", params(("id" = String, Path, description = "The call's id")),
    responses((status = 202, description = "Being ended"), Refusals))]
async fn hang_up(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let nothing = || Problem::not_found("call");
    let account = own(&api, &caller).await?;
    let id: CallId = id.parse().map_err(|_| nothing())?;
    let calls = api.switch.calls().await?;
    if !calls.iter().any(|c| c.call == id && c.account == Some(account.id)) {
        return Err(nothing());
    }
    if api.switch.hangup(id).await? { Ok(StatusCode::ACCEPTED) } else { Err(nothing()) }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(put_password))
        .routes(routes!(log_out))
        .routes(routes!(account, patch_account))
        .routes(routes!(registrations))
        .routes(routes!(cdrs))
        .routes(routes!(add_call))
        .routes(routes!(hang_up))
}
