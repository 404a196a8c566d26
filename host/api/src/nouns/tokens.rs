//! API tokens: a scope and a role behind a secret that is shown once.

use super::people::{Rights, rights, shown};
use super::{Listed, Many};
use crate::auth::{Caller, access_of_role};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun, moment};
use crate::problem::{Problem, Refusals};
use crate::{Api, stamp::rfc3339};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{ApiToken, NewToken, Scope, TokenId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What a token may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Read and change.
    Admin,
    /// Read.
    Reader,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    id: i64,
    /// Null = the platform.
    brand: Option<i64>,
    /// Null = the whole brand.
    company: Option<i64>,
    /// Unique within its scope.
    name: String,
    role: Role,
    created_at: String,
    /// What may be done with which noun; null = all that the role has.
    rights: Option<Rights>,
    /// When it is good no more; null = never.
    expires_at: Option<String>,
}

impl From<ApiToken> for Token {
    fn from(t: ApiToken) -> Self {
        let (brand, company) = match t.scope {
            Scope::Platform => (None, None),
            Scope::Brand(brand) => (Some(brand.0), None),
            Scope::Company(brand, company) => (Some(brand.0), Some(company.0)),
        };
        let role = match t.role {
            store::Role::Admin => Role::Admin,
            store::Role::Reader => Role::Reader,
        };
        Token {
            id: t.id.0,
            brand,
            company,
            name: t.name,
            role,
            created_at: rfc3339(t.created_at),
            rights: t.rights.map(shown),
            expires_at: t.expires_at.map(rfc3339),
        }
    }
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedToken {
    #[serde(flatten)]
    token: Token,
    /// The secret: shown this once, for only a hash of it is kept.
    secret: String,
}

/// A token to be. Without brand and company it has its maker's scope.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddToken {
    /// The brand's id, for a token of a whole brand.
    brand: Option<i64>,
    /// The company's id, for a token of one company.
    company: Option<i64>,
    /// Unique within its scope.
    name: String,
    role: Role,
    /// What may be done with which noun, as `{"accounts": "read"}`; else all that the role has.
    rights: Option<Rights>,
    /// When it is good no more, RFC 3339 or a date; else as long as its maker's, or until it is revoked.
    expires_at: Option<String>,
}

impl Noun for Token {
    fn listing() -> &'static store::Listing {
        store::lists::TOKENS
    }
}

/// Lists the tokens in scope.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(Asked<Token>),
    responses((status = 200, body = Many<Token>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Token>) -> Listed<Token> {
    Ok(Many::found(api.db.tokens().found(&caller.ctx, &asked.0).await?))
}

/// Adds a token, which may do no more and no longer than its maker, and shows its secret this once.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = AddToken,
    responses((status = 201, body = AddedToken), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddToken>,
) -> Result<(StatusCode, Json<AddedToken>), Problem> {
    let scope = caller.place(&api, body.brand, body.company).await?;
    let role = match body.role {
        Role::Admin => store::Role::Admin,
        Role::Reader => store::Role::Reader,
    };
    let rights = rights(&api, body.rights)?;
    caller.covers(access_of_role(role), rights.as_ref())?;
    let expires_at = body.expires_at.as_deref().map(|at| moment("expires_at", at)).transpose()?.or(caller.ends);
    if expires_at > caller.ends && caller.ends.is_some() {
        return Err(Problem::field("expires_at", "your own token is not good for so long"));
    }
    let new = NewToken { scope, name: body.name, role, created_at: api.switch.now(), rights, expires_at };
    let (token, secret) = api.db.tokens().create(&caller.ctx, new).await?;
    Ok((StatusCode::CREATED, Json(AddedToken { token: token.into(), secret })))
}

/// Shows a token, without its secret.
#[utoipa::path(get, path = "/tokens/{id}", tag = "tokens", params(("id" = i64, Path)),
    responses((status = 200, body = Token), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Token>, Problem> {
    Ok(Json(api.db.tokens().get(&caller.ctx, TokenId(id)).await?.into()))
}

/// Revokes a token, which may do no more than whoever revokes it: its next request is refused.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = i64, Path)),
    responses((status = 204, description = "Revoked"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let token = api.db.tokens().get(&caller.ctx, TokenId(id)).await?;
    caller.covers(access_of_role(token.role), token.rights.as_ref())?;
    api.db.tokens().delete(&caller.ctx, token.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, delete))
}
