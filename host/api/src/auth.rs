//! Who is asking: a bearer token or a login, the part of the platform it reaches, and what it may do there.
//!
//! The gate around the whole of `/api/v1` does this, so that an endpoint cannot forget it; what a handler gets is the
//! [`Caller`], whose [`OpContext`] is the first argument of every query.

use crate::Api;
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use model::{AccountId, BrandId, CompanyId, Instant};
use store::{
    Access, ApiToken, Behind, Job, OpContext, Person, PersonId, Principal, Rights, Role, Scope, Standing, StoreError,
    TokenId,
};

/// Longest token looked up.
const TOKEN_BYTES_MAX: usize = 1024;

/// The noun that everybody has: one's own person.
pub(crate) const ME: &str = "me";

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The part of the platform it reaches.
    pub(crate) ctx: OpContext,
    /// What audit lines, rates and keys of requests know it by: `token 5 ci`, `person 7 anna`.
    pub(crate) actor: String,
    /// Who stands behind the person that is acted as.
    pub(crate) impersonator: Option<String>,
    /// The token.
    pub(crate) token: Option<TokenId>,
    /// The person, and the login it came with.
    pub(crate) person: Option<(PersonId, i64)>,
    /// A user's account: nothing else is there for it.
    pub(crate) account: Option<AccountId>,
    /// Its row.
    pub(crate) principal: Principal,
    /// When its token is good no more.
    pub(crate) ends: Option<Instant>,
    access: Access,
    rights: Option<Rights>,
}

impl Caller {
    /// Whose rights a job has that it asks for.
    pub(crate) fn principal(&self) -> Principal {
        match (self.person, self.token) {
            (Some((person, _)), _) => Principal::Person(person),
            (None, Some(token)) => Principal::Token(token),
            (None, None) => Principal::Switch,
        }
    }

    /// Whether rows of this company exist for it.
    pub(crate) fn sees(&self, brand: BrandId, company: CompanyId) -> bool {
        match self.ctx.scope {
            Scope::Platform => true,
            Scope::Brand(own) => own == brand,
            Scope::Company(_, own) => own == company,
        }
    }

    /// Whether it may do this much with a noun.
    pub(crate) fn may(&self, noun: &str, wanted: Access) -> bool {
        let restricted = self.rights.as_ref().is_some_and(|rights| !rights.allow(noun, wanted));
        noun == ME || (self.account.is_none() && self.access >= wanted && !restricted)
    }

    /// Refuses what it may not do with a noun.
    pub(crate) fn check(&self, noun: &str, wanted: Access) -> Result<(), Problem> {
        if self.may(noun, wanted) {
            return Ok(());
        }
        if self.account.is_none() && self.rights.is_none() {
            return Err(Problem::forbidden("This token may only read."));
        }
        let what = if wanted == Access::Read { "see" } else { "change" };
        Err(Problem::forbidden(&format!("Your rights do not let you {what} {noun}.")))
    }

    /// Refuses to make, change or act as somebody who may do what this caller may not.
    pub(crate) fn covers(&self, access: Access, rights: Option<&Rights>) -> Result<(), Problem> {
        let within = match (&self.rights, rights) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(wanted)) => own.cover(wanted),
        };
        if self.account.is_none() && within && access <= self.access {
            return Ok(());
        }
        Err(Problem::forbidden("That is more than your own rights."))
    }

    /// Whether it may change anything at all.
    pub(crate) fn writes(&self) -> bool {
        self.access == Access::Write
    }

    /// Its rights by noun, if it is restricted.
    pub(crate) const fn rights(&self) -> Option<&Rights> {
        self.rights.as_ref()
    }

    /// Refuses what a company's operator may not do.
    pub(crate) fn needs_brand(&self, why: &str) -> Result<(), Problem> {
        match self.ctx.scope {
            Scope::Platform | Scope::Brand(_) => Ok(()),
            Scope::Company(..) => Err(Problem::forbidden(why)),
        }
    }

    /// The company a new row belongs to: the one named, or the token's own.
    pub(crate) fn company(&self, named: Option<i64>) -> Result<CompanyId, Problem> {
        match (named, self.ctx.scope) {
            (Some(company), _) => Ok(CompanyId(company)),
            (None, Scope::Company(_, own)) => Ok(own),
            (None, Scope::Platform | Scope::Brand(_)) => Err(Problem::field("company", "expected a company's id")),
        }
    }

    /// The brand a new row belongs to: the one named, or the token's own.
    pub(crate) fn brand(&self, named: Option<i64>) -> Result<BrandId, Problem> {
        match (named, self.ctx.scope) {
            (Some(brand), _) => Ok(BrandId(brand)),
            (None, Scope::Brand(own) | Scope::Company(own, _)) => Ok(own),
            (None, Scope::Platform) => Err(Problem::field("brand", "expected a brand's id")),
        }
    }

    /// The scope of somebody to be made: of a company, a brand, or with neither named the caller's own.
    pub(crate) async fn place(&self, api: &Api, brand: Option<i64>, company: Option<i64>) -> Result<Scope, Problem> {
        match (brand, company) {
            (None, None) => Ok(self.ctx.scope),
            (Some(brand), None) => Ok(Scope::Brand(api.db.brands().get(&self.ctx, BrandId(brand)).await?.id)),
            (brand, Some(company)) => {
                let company = api.db.companies().get(&self.ctx, CompanyId(company)).await?;
                if brand.is_some_and(|named| named != company.brand.0) {
                    return Err(Problem::not_found("company"));
                }
                Ok(Scope::Company(company.brand, company.id))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// The caller behind the request's token.
pub(crate) async fn identify(api: &Api, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = bearer(headers).ok_or_else(Problem::unauthenticated)?;
    let found = if token.contains('.') { of_login(api, token).await? } else { of_token(api, token).await? };
    found.ok_or_else(Problem::unauthenticated)
}

async fn of_token(api: &Api, token: &str) -> Result<Option<Caller>, Problem> {
    let now = api.switch.now();
    Ok(api.db.tokens().authenticate(token).await?.and_then(|token| token_caller(token, now)))
}

/// Who holds a token, if it is still good.
fn token_caller(token: ApiToken, now: Instant) -> Option<Caller> {
    if token.expires_at.is_some_and(|end| end <= now) {
        return None;
    }
    Some(Caller {
        ctx: token.context(),
        actor: format!("token {} {}", token.id.0, token.name),
        impersonator: None,
        token: Some(token.id),
        person: None,
        account: None,
        principal: Principal::Token(token.id),
        ends: token.expires_at,
        access: access_of_role(token.role),
        rights: token.rights,
    })
}

async fn of_login(api: &Api, token: &str) -> Result<Option<Caller>, Problem> {
    let now = api.switch.now();
    let Some(login) = api.doors.login_of(token, now) else { return Ok(None) };
    let Some((person, behind)) = api.db.people().of_login(login, now).await? else { return Ok(None) };
    if let Some(behind) = &behind
        && !may_act_as(api, behind, &person, now).await?
    {
        return Ok(None);
    }
    let caller = person_caller(person, login);
    Ok(caller.map(|caller| Caller { impersonator: behind.map(|behind| behind.name), ..caller }))
}

/// A person who is logged in, if it may be.
fn person_caller(person: Person, login: i64) -> Option<Caller> {
    person.enabled.then(|| Caller {
        ctx: OpContext { scope: person.scope },
        actor: format!("person {} {}", person.id.0, person.name),
        impersonator: None,
        token: None,
        person: Some((person.id, login)),
        account: match person.standing {
            Standing::User(account) => Some(account),
            Standing::Admin | Standing::Reader => None,
        },
        principal: Principal::Person(person.id),
        ends: None,
        access: access_of(person.standing),
        rights: person.rights,
    })
}

/// Whether whoever acts as a person could begin to do so now: it is there, is good, and may do all that the person may.
async fn may_act_as(api: &Api, behind: &Behind, person: &Person, now: Instant) -> Result<bool, Problem> {
    let everywhere = OpContext::platform();
    let found = match behind.who {
        Principal::Token(id) => api.db.tokens().get(&everywhere, id).await.map(|token| token_caller(token, now)),
        Principal::Person(id) => api.db.people().get(&everywhere, id).await.map(|other| person_caller(other, 0)),
        Principal::Switch => Ok(None),
    };
    match found {
        Ok(Some(caller)) => {
            let covers = caller.covers(access_of(person.standing), person.rights.as_ref()).is_ok();
            Ok(covers && caller.may("people", Access::Write))
        }
        Ok(None) | Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How much a token's role may do.
pub(crate) const fn access_of_role(role: Role) -> Access {
    match role {
        Role::Admin => Access::Write,
        Role::Reader => Access::Read,
    }
}

/// Who asked for a job, with the rights of now; none who may ask for nothing any more.
pub(crate) async fn who_asked(api: &Api, job: &Job) -> Result<Option<Caller>, StoreError> {
    let (everywhere, now) = (OpContext::platform(), api.switch.now());
    match job.principal {
        Principal::Switch => Ok(None),
        Principal::Token(id) => match api.db.tokens().get(&everywhere, id).await {
            Ok(token) => Ok(token_caller(token, now)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        },
        Principal::Person(id) => match api.db.people().get(&everywhere, id).await {
            Ok(person) => {
                let caller = person_caller(person, 0);
                Ok(caller.map(|caller| Caller { impersonator: job.impersonator.clone(), ..caller }))
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        },
    }
}

/// How much a standing may do at most.
pub(crate) const fn access_of(standing: Standing) -> Access {
    match standing {
        Standing::Admin | Standing::User(_) => Access::Write,
        Standing::Reader => Access::Read,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        // What pages in browsers have for a WebSocket is no header.
        return crate::nouns::socket::token(headers).filter(|token| token.len() <= TOKEN_BYTES_MAX);
    };
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= TOKEN_BYTES_MAX).then_some(token)
}
