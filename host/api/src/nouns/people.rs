//! People: administrators of the platform, a brand or a company, and users, who see their own account.

use super::{Listed, Many};
use crate::auth::{Caller, access_of};
use crate::doors::IMPERSONATION_LIFE;
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, stamp::rfc3339};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::AccountId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Behind, NewPerson, PersonChange, PersonId, Scope, Standing, StoreError};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Shortest and longest password.
const PASSWORD_CHARS: core::ops::RangeInclusive<usize> = 10..=128;

/// What a person is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PersonRole)]
pub(crate) enum Role {
    /// Reads and changes what is in scope.
    Admin,
    /// Reads what is in scope.
    Reader,
    /// Sees an account of its own, and nothing else.
    User,
}

/// What may be done with a noun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    /// Look at it.
    Read,
    /// Look at it and change it.
    Write,
}

/// Rights by noun: the first part of a path, as `accounts`.
pub(crate) type Rights = BTreeMap<String, Access>;

/// Rights as they come in, each for a noun that there is.
pub(crate) fn rights(api: &Api, named: Option<Rights>) -> Result<Option<store::Rights>, Problem> {
    let Some(named) = named else { return Ok(None) };
    if let Some(unknown) = named.keys().find(|noun| !api.nouns.contains(noun.as_str())) {
        return Err(Problem::field(format!("rights.{unknown}"), "there is no such noun"));
    }
    let access = |access| match access {
        Access::Read => store::Access::Read,
        Access::Write => store::Access::Write,
    };
    Ok(Some(store::Rights(named.into_iter().map(|(noun, a)| (noun, access(a))).collect())))
}

/// Rights as they go out.
pub(crate) fn shown(rights: store::Rights) -> Rights {
    let access = |access| match access {
        store::Access::Read => Access::Read,
        store::Access::Write => Access::Write,
    };
    rights.0.into_iter().map(|(noun, a)| (noun, access(a))).collect()
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    id: i64,
    /// Null = the platform.
    brand: Option<i64>,
    /// Null = the whole brand.
    company: Option<i64>,
    /// A user's account.
    account: Option<i64>,
    /// The login name, unique within brand and company.
    name: String,
    role: Role,
    /// What may be done with which noun; null = all that the role has.
    rights: Option<Rights>,
    /// Whether the person may log in.
    enabled: bool,
    created_at: String,
}

impl From<store::Person> for Person {
    fn from(p: store::Person) -> Self {
        let (brand, company) = match p.scope {
            Scope::Platform => (None, None),
            Scope::Brand(brand) => (Some(brand.0), None),
            Scope::Company(brand, company) => (Some(brand.0), Some(company.0)),
        };
        let (role, account) = match p.standing {
            Standing::Admin => (Role::Admin, None),
            Standing::Reader => (Role::Reader, None),
            Standing::User(account) => (Role::User, Some(account.0)),
        };
        let (rights, created_at) = (p.rights.map(shown), rfc3339(p.created_at));
        Person { id: p.id.0, brand, company, account, name: p.name, role, rights, enabled: p.enabled, created_at }
    }
}

/// A person to be. Without brand and company it has its maker's scope.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddPerson {
    /// The brand's id, for somebody of a whole brand.
    brand: Option<i64>,
    /// The company's id, for somebody of one company.
    company: Option<i64>,
    /// The account's id; for the role `user`.
    account: Option<i64>,
    /// Unique within brand and company, 1 to 64 characters.
    name: String,
    /// 10 to 128 characters.
    password: String,
    role: Role,
    /// What may be done with which noun; else all that the role has.
    rights: Option<Rights>,
    /// Else true.
    enabled: Option<bool>,
}

/// What changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchPerson {
    name: Option<String>,
    /// 10 to 128 characters. Every login of the person ends.
    password: Option<String>,
    /// `admin` or `reader`; a user stays one.
    role: Option<Role>,
    /// All of them; null = all that the role has.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<Rights>)]
    rights: Option<Option<Rights>>,
    enabled: Option<bool>,
}

/// Refuses what is no password for a person.
pub(crate) fn check_password(field: &str, password: &str) -> Result<(), Problem> {
    let (min, max) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        return Err(Problem::field(field, format!("expected {min} to {max} characters")));
    }
    Ok(())
}

/// Refuses what would outlive the token it comes with: somebody who may log in for ever, made with a right that ends.
fn lasting(caller: &Caller) -> Result<(), Problem> {
    if caller.ends.is_none() {
        return Ok(());
    }
    Err(Problem::forbidden("Your token ends, and a person does not: log in, or take a token without an end."))
}

impl Noun for Person {
    fn listing() -> &'static store::Listing {
        store::lists::PEOPLE
    }
}

/// Lists people.
#[utoipa::path(get, path = "/people", tag = "people", params(Asked<Person>),
    responses((status = 200, body = Many<Person>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Person>) -> Listed<Person> {
    Ok(Many::found(api.db.people().found(&caller.ctx, &asked.0).await?))
}

/// Shows a person.
#[utoipa::path(get, path = "/people/{id}", tag = "people", params(("id" = i64, Path)),
    responses((status = 200, body = Person), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Person>, Problem> {
    Ok(Json(api.db.people().get(&caller.ctx, PersonId(id)).await?.into()))
}

/// Adds a person, who may do no more than whoever adds it. Not with a token that ends: a person does not.
#[utoipa::path(post, path = "/people", tag = "people", request_body = AddPerson,
    responses((status = 201, body = Person), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddPerson>,
) -> Result<(StatusCode, Json<Person>), Problem> {
    lasting(&caller)?;
    let scope = caller.place(&api, body.brand, body.company).await?;
    check_password("password", &body.password)?;
    let standing = match (body.role, body.account) {
        (Role::Admin, None) => Standing::Admin,
        (Role::Reader, None) => Standing::Reader,
        (Role::User, Some(account)) => {
            let account = api.db.accounts().get(&caller.ctx, AccountId(account)).await?;
            if !matches!(scope, Scope::Company(_, company) if company == account.company) {
                return Err(Problem::field("company", "expected the account's company"));
            }
            Standing::User(account.id)
        }
        (Role::User, None) => return Err(Problem::field("account", "expected a user's account")),
        (Role::Admin | Role::Reader, Some(_)) => return Err(Problem::field("account", "only a user has an account")),
    };
    let rights = rights(&api, body.rights)?;
    caller.covers(access_of(standing), if body.role == Role::User { None } else { rights.as_ref() })?;
    let new = NewPerson {
        scope,
        name: body.name,
        standing,
        rights,
        password: api.doors.hash(body.password).await?,
        enabled: body.enabled.unwrap_or(true),
        created_at: api.switch.now(),
    };
    Ok((StatusCode::CREATED, Json(api.db.people().create(&caller.ctx, new).await?.into())))
}

/// The person was there, with other rights than now: what was looked at is not so any more.
fn overtaken(error: StoreError) -> Problem {
    if matches!(error, StoreError::NotFound { .. }) {
        return Problem::conflict("Somebody else changes this person; look again.");
    }
    error.into()
}

/// Changes a person, who may do no more than whoever changes it, before and after.
#[utoipa::path(patch, path = "/people/{id}", tag = "people", params(("id" = i64, Path)), request_body = PatchPerson,
    responses((status = 200, body = Person), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchPerson>,
) -> Result<Json<Person>, Problem> {
    let person = api.db.people().get(&caller.ctx, PersonId(id)).await?;
    caller.covers(access_of(person.standing), person.rights.as_ref())?;
    if body.password.is_some() || body.role.is_some() || body.rights.is_some() || body.enabled == Some(true) {
        lasting(&caller)?;
    }
    let standing = match (person.standing, body.role) {
        (_, None) | (Standing::User(_), Some(Role::User)) => None,
        (Standing::Admin | Standing::Reader, Some(Role::Admin)) => Some(Standing::Admin),
        (Standing::Admin | Standing::Reader, Some(Role::Reader)) => Some(Standing::Reader),
        (_, Some(_)) => return Err(Problem::field("role", "a user stays a user, and nobody becomes one")),
    };
    let rights = body.rights.map(|named| rights(&api, named)).transpose()?;
    let wanted = rights.as_ref().unwrap_or(&person.rights).as_ref();
    caller.covers(access_of(standing.unwrap_or(person.standing)), wanted)?;
    let password = match body.password {
        Some(password) => {
            check_password("password", &password)?;
            Some(api.doors.hash(password).await?)
        }
        None => None,
    };
    let change = PersonChange { name: body.name, standing, rights, password, enabled: body.enabled };
    let changed = api.db.people().change(&caller.ctx, &person, &change).await;
    Ok(Json(changed.map_err(overtaken)?.into()))
}

/// Removes a person; every login of theirs ends.
#[utoipa::path(delete, path = "/people/{id}", tag = "people", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let person = api.db.people().get(&caller.ctx, PersonId(id)).await?;
    caller.covers(access_of(person.standing), person.rights.as_ref())?;
    api.db.people().delete(&caller.ctx, person.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An access token of somebody else.
#[derive(Serialize, ToSchema)]
pub(crate) struct Impersonation {
    /// For `Authorization: Bearer`; everything that is done with it is written down as done by you in their name.
    access_token: String,
    /// How long it is good, in seconds; it cannot be refreshed.
    expires_in: u64,
}

/// Acts as a person, who may do no more than the caller. It is written down, and so is all that is done so.
#[utoipa::path(post, path = "/people/{id}/impersonate", tag = "people", params(("id" = i64, Path)),
    responses((status = 201, body = Impersonation), Refusals))]
async fn impersonate(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<Impersonation>), Problem> {
    let person = api.db.people().get(&caller.ctx, PersonId(id)).await?;
    caller.covers(access_of(person.standing), person.rights.as_ref())?;
    if caller.impersonator.is_some() {
        return Err(Problem::forbidden("Who is acted as cannot act as somebody else."));
    }
    if !person.enabled {
        return Err(Problem::conflict("This person may not log in."));
    }
    let now = api.switch.now();
    let behind = Behind { name: caller.actor, who: caller.principal };
    let (login, _) = api.db.logins().open(person.id, Some(&behind), now, IMPERSONATION_LIFE).await?;
    let access_token = api.doors.token(login, now, IMPERSONATION_LIFE)?;
    Ok((StatusCode::CREATED, Json(Impersonation { access_token, expires_in: IMPERSONATION_LIFE.as_secs() })))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete)).routes(routes!(impersonate))
}
