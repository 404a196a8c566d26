//! Who is asking: a bearer token, the part of the platform it reaches, and whether it may write.
//!
//! A layer around the whole of `/api/v1` does this, so that an endpoint cannot forget it; what a handler gets is the
//! [`Caller`], whose [`OpContext`] is the first argument of every query.

use crate::Api;
use crate::problem::Problem;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use model::{BrandId, CompanyId};
use store::{OpContext, Role, Scope};

/// Longest token looked up.
const TOKEN_BYTES_MAX: usize = 256;

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The part of the platform it reaches.
    pub(crate) ctx: OpContext,
    role: Role,
}

impl Caller {
    /// Whether rows of this company exist for it.
    pub(crate) fn sees(&self, brand: BrandId, company: CompanyId) -> bool {
        match self.ctx.scope {
            Scope::Platform => true,
            Scope::Brand(own) => own == brand,
            Scope::Company(_, own) => own == company,
        }
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
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// The layer around `/api/v1`.
pub(crate) async fn authenticate(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller = identify(&api, request.headers()).await?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if caller.role == Role::Reader && !reads {
        return Err(Problem::forbidden("This token may only read."));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// The caller behind the request's token.
pub(crate) async fn identify(api: &Api, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = bearer(headers).ok_or_else(Problem::unauthenticated)?;
    match api.db.tokens().authenticate(token).await {
        Ok(Some(found)) => Ok(Caller { ctx: found.context(), role: found.role }),
        Ok(None) => Err(Problem::unauthenticated()),
        Err(error) => Err(error.into()),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= TOKEN_BYTES_MAX).then_some(token)
}
