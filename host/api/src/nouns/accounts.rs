//! Accounts: SIP credentials of a company. A password comes in and only its digest secrets stay.

use super::security::Security;
use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, credentials};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use core::net::SocketAddr;
use model::{AccountId, AccountRules, CompanyId};
use serde::{Deserialize, Serialize};
use store::NewAccount;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Shortest and longest password.
const PASSWORD_CHARS: core::ops::RangeInclusive<usize> = 8..=128;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    id: i64,
    company: i64,
    /// The SIP user name, unique within the company.
    username: String,
    /// Shown to the people it calls.
    display_name: String,
    /// Direct connectivity: calls go to this address without a registration, and requests from it need no password.
    #[schema(value_type = Option<String>)]
    direct: Option<SocketAddr>,
    /// A disabled account neither registers nor calls nor rings.
    enabled: bool,
    /// Null = as the company's.
    #[schema(value_type = Option<Security>)]
    media_security: Option<Security>,
    /// What it says about its calls: `forwards` (`when`, `from`, `to`, `after_s`, and of its calls only those to one `ddi`,
    /// only while a `schedule` covers now, only where `enabled`), `do_not_disturb`, `call_acl`, `calls_max`,
    /// `outgoing_ddi`, `outgoing_ddi_rules`, `assistant` (`account`, `white_lists`), `pickup_groups`. What is absent is as
    /// the company has it.
    #[schema(value_type = Object)]
    rules: AccountRules,
}

impl From<model::Account> for Account {
    fn from(a: model::Account) -> Self {
        Account {
            id: a.id.0,
            company: a.company.0,
            username: a.username,
            display_name: a.display_name,
            direct: a.direct,
            enabled: a.enabled,
            media_security: a.media_security.map(Into::into),
            rules: a.rules,
        }
    }
}

/// A new account, with what its phone needs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AddedAccount {
    #[serde(flatten)]
    account: Account,
    /// The SIP domain to register with.
    domain: String,
    /// The password, if the switch made it: shown this once, for only a digest of it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// An account to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddAccount {
    /// The company's id; a company's token may leave it out.
    company: Option<i64>,
    /// The SIP user name.
    username: String,
    /// Else the user name.
    display_name: Option<String>,
    /// 8 to 128 characters; else a new one is made and returned once.
    password: Option<String>,
    /// For a brand's operator.
    #[schema(value_type = Option<String>)]
    direct: Option<SocketAddr>,
    /// Else true.
    enabled: Option<bool>,
}

/// What changes. The user name stays: the digest secrets are bound to it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchAccount {
    display_name: Option<String>,
    /// 8 to 128 characters.
    password: Option<String>,
    /// Null = none. For a brand's operator.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<String>)]
    direct: Option<Option<SocketAddr>>,
    enabled: Option<bool>,
    /// Null = as the company's.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<Security>)]
    media_security: Option<Option<Security>>,
    /// All of it: what is left out is then as the company has it.
    #[schema(value_type = Option<Object>)]
    rules: Option<AccountRules>,
}

fn check_password(password: &str) -> Result<(), Problem> {
    let (min, max) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        return Err(Problem::field("password", format!("expected {min} to {max} characters")));
    }
    if password.chars().any(char::is_control) {
        return Err(Problem::field("password", "must not contain control characters"));
    }
    Ok(())
}

impl Noun for Account {
    fn listing() -> &'static store::Listing {
        store::lists::ACCOUNTS
    }
}

/// Lists accounts.
#[utoipa::path(get, path = "/accounts", tag = "accounts", params(Asked<Account>),
    responses((status = 200, body = Many<Account>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Account>) -> Listed<Account> {
    Ok(Many::found(api.db.accounts().found(&caller.ctx, &asked.0).await?))
}

/// Shows an account.
#[utoipa::path(get, path = "/accounts/{id}", tag = "accounts", params(("id" = i64, Path)),
    responses((status = 200, body = Account), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Account>, Problem> {
    Ok(Json(api.db.accounts().get(&caller.ctx, AccountId(id)).await?.into()))
}

/// Adds an account. Without a password it makes one and shows it this once.
#[utoipa::path(post, path = "/accounts", tag = "accounts", request_body = AddAccount,
    responses((status = 201, body = AddedAccount), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddAccount>,
) -> Result<(StatusCode, Json<AddedAccount>), Problem> {
    let company = api.db.companies().get(&caller.ctx, caller.company(body.company)?).await?;
    if body.direct.is_some() {
        caller.needs_brand("A direct address is for a brand's operator to set.")?;
    }
    let (password, made) = match body.password {
        Some(given) => {
            check_password(&given)?;
            (given, None)
        }
        None => {
            let made = credentials::new_password()?;
            (made.clone(), Some(made))
        }
    };
    let new = NewAccount {
        company: company.id,
        ha1: credentials::ha1(&body.username, &company.domain, &password),
        display_name: body.display_name.unwrap_or_else(|| body.username.clone()),
        username: body.username,
        direct: body.direct,
        enabled: body.enabled.unwrap_or(true),
    };
    let account = api.db.accounts().create(&caller.ctx, new).await?;
    api.live().await?;
    let added = AddedAccount { account: account.into(), domain: company.domain, password: made };
    Ok((StatusCode::CREATED, Json(added)))
}

/// Changes an account.
#[utoipa::path(patch, path = "/accounts/{id}", tag = "accounts", params(("id" = i64, Path)), request_body = PatchAccount,
    responses((status = 200, body = Account), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchAccount>,
) -> Result<Json<Account>, Problem> {
    let mut account = api.db.accounts().get(&caller.ctx, AccountId(id)).await?;
    if body.direct.is_some() {
        caller.needs_brand("A direct address is for a brand's operator to set.")?;
    }
    if let Some(password) = &body.password {
        check_password(password)?;
        let domain = realm(&api, &caller, account.company).await?;
        account.ha1 = credentials::ha1(&account.username, &domain, password);
    }
    account.display_name = body.display_name.unwrap_or(account.display_name);
    account.direct = body.direct.unwrap_or(account.direct);
    account.enabled = body.enabled.unwrap_or(account.enabled);
    if let Some(security) = body.media_security {
        account.media_security = security.map(Into::into);
    }
    account.rules = body.rules.unwrap_or(account.rules);
    let account = api.db.accounts().update(&caller.ctx, &account).await?;
    api.live().await?;
    Ok(Json(account.into()))
}

async fn realm(api: &Api, caller: &Caller, company: CompanyId) -> Result<String, Problem> {
    Ok(api.db.companies().get(&caller.ctx, company).await?.domain)
}

/// Deletes an account that no number leads to.
#[utoipa::path(delete, path = "/accounts/{id}", tag = "accounts", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.accounts().delete(&caller.ctx, AccountId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
