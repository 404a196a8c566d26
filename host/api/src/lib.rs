//! The REST API: `/api/v1` with its OpenAPI document, `/healthz`, `/metrics`.
//!
//! Floor 7: knows `model`, the `store` and what it asks of the running switch ([`Switch`]). Every request but the two
//! public ones needs a token; the token's scope goes into every query as [`store::OpContext`], so that what belongs to
//! somebody else is not there at all (404). Refusals are RFC 9457 problems that name the field. A write answers when
//! it is live: the next call already sees it.
#![forbid(unsafe_code)]

mod auth;
mod credentials;
mod extract;
mod node;
mod nouns;
mod openapi;
mod ops;
mod problem;
mod stamp;
mod switch;

pub use credentials::{ha1, new_password};
pub use openapi::document;
pub use problem::{FieldError, Problem};
pub use stamp::rfc3339;
pub use switch::{Asked, Component, Gone, Registration, Switch, Trial};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use bundle::PublicKey;
use core::fmt;
use std::sync::Arc;
use store::Db;

/// What every endpoint works with.
#[derive(Clone)]
pub struct Api {
    db: Db,
    switch: Arc<dyn Switch>,
    trusted: Arc<[PublicKey]>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    /// An API over this store and switch.
    #[must_use]
    pub fn new(db: Db, switch: Arc<dyn Switch>) -> Api {
        Api { db, switch, trusted: Arc::default() }
    }

    /// Takes plugins of these publishers only, but for what the platform's operator lets in unsigned by name.
    #[must_use]
    pub fn trusting(self, keys: Vec<PublicKey>) -> Api {
        Api { trusted: keys.into(), ..self }
    }

    /// Every route. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or local scrapers need a token.
    pub fn router(self) -> Router {
        let (routes, document) = openapi::routes();
        let document = Arc::new(document);
        let open = openapi::open_routes(document);
        let guarded = routes
            .layer(from_fn_with_state(self.clone(), auth::authenticate))
            .layer(DefaultBodyLimit::max(extract::JSON_BYTES_MAX));
        Router::new()
            .merge(guarded)
            .merge(open)
            .fallback(|| async { Problem::not_found("path") })
            .method_not_allowed_fallback(|| async { Problem::not_allowed() })
            .layer(from_fn(log))
            .with_state(self)
    }

    /// Waits until what was written is live, so that the answer is true for the next call.
    pub(crate) async fn live(&self) -> Result<(), Problem> {
        self.switch.live().await.map_err(|why| Problem::unavailable(format!("It is written, and not live yet: {why}.")))
    }
}

/// One line for each request: method, path template and status; never a query, a header or a body.
async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.extensions().get::<axum::extract::MatchedPath>().map(|p| p.as_str().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    let path = path.as_deref().unwrap_or("-");
    if status.is_server_error() {
        tracing::warn!(%method, path, status = status.as_u16(), "request");
    } else {
        tracing::debug!(%method, path, status = status.as_u16(), "request");
    }
    response
}
