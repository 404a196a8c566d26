//! The gate around `/api/v1`: what is the same for every endpoint, so that none can forget it.
//!
//! Who asks, how often, and whether the noun is theirs to see or change. Of what is read: its tag, and the fields that
//! were asked for. Of what is changed: done once for one idempotency key, only if the tag is still the one that the client
//! knows, and never without a line in the audit log (`store::acting`). Changes of one path go one after the other.

mod mask;
pub(crate) mod rate;
mod shape;
mod write;

pub(crate) use write::{FILE_WAIT, UPLOADS_MAX, shown};

use crate::problem::Problem;
use crate::{Api, auth};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rate::{RateLimit, Rates};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use store::Access;
use tokio::sync::Mutex;

/// Where the guarded paths begin.
pub(crate) const ROOT: &str = "/api/v1/";
/// Largest answer that is looked at: a page of a thousand rows.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Paths that can be changed at once, about.
const LOCKS: usize = 256;

/// What the gate knows.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    api: Api,
    /// The endpoints without the gate, to look at a thing before and after it changes.
    inside: Router,
    locks: Arc<[Mutex<()>]>,
    rates: Arc<Rates>,
}

impl Gate {
    pub(crate) fn new(api: Api, inside: Router, limit: RateLimit) -> Gate {
        let locks = (0..LOCKS).map(|_| Mutex::new(())).collect();
        Gate { api, inside, locks, rates: Arc::new(Rates::new(limit)) }
    }

    /// The lock of a path.
    fn lock(&self, path: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or(0);
        &self.locks[at]
    }
}

/// The path as the document has it: `/api/v1/accounts/{id}`.
fn template(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or_else(String::new, |path| path.as_str().to_owned())
}

/// The noun of a path: what rights are given for.
pub(crate) fn noun(path: &str) -> &str {
    path.strip_prefix(ROOT).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

/// The layer.
pub(crate) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let caller = auth::identify(&gate.api, request.headers()).await?;
    gate.rates.take(&caller.actor, gate.api.switch.now()).map_err(Problem::too_many)?;
    let template = template(&request);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    caller.check(noun(&template), if reads { Access::Read } else { Access::Write })?;
    request.extensions_mut().insert(caller.clone());
    if reads { read(request, next).await } else { gate.write(caller, &template, request, next).await }
}

/// Reads: the tag, nothing where the client has it already, and the fields asked for.
async fn read(mut request: Request, next: Next) -> Result<Response, Problem> {
    let fields = shape::take_fields(request.uri_mut())?;
    let asked = request.headers().clone();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || !is_json(&response) {
        return Ok(response);
    }
    let (mut parts, bytes) = taken(response).await?;
    if let Some(tag) = shape::tag_header(&bytes) {
        parts.headers.insert(header::ETAG, tag);
    }
    // What it says depends on who asks: no cache between may keep it.
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if shape::names(&asked, header::IF_NONE_MATCH, Some(&bytes)) == Some(true) {
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.status = StatusCode::NOT_MODIFIED;
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    let body = match fields.as_deref().zip(serde_json::from_slice::<Value>(&bytes).ok()) {
        Some((fields, value)) => shape::only(value, fields).to_string().into(),
        None => bytes,
    };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Ok((parts, body).into_response())
}

fn is_json(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

/// The whole of an answer.
async fn taken(response: Response) -> Result<(axum::http::response::Parts, axum::body::Bytes), Problem> {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(|_| Problem::internal())?;
    Ok((parts, bytes))
}
