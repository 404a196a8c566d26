//! What every change goes through: its key, its precondition, its line.

use super::{ANSWER_BYTES_MAX, Gate, ROOT, is_json, mask, noun, shape, taken};
use crate::auth::Caller;
use crate::extract::{BODY_WAIT, COMPONENT_BYTES_MAX, JSON_BYTES_MAX};
use crate::nouns::binding_config;
use crate::peer::source_of;
use crate::problem::Problem;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use model::{BrandId, Cidr, CompanyId, Instant};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{Act, Deed, Known, OpContext, Outcome, RequestKey, Scope, Tenant};
use tokio::sync::OwnedSemaphorePermit;
use tower::ServiceExt as _;

/// The client's name for one request.
const KEY: &str = "idempotency-key";
/// Longest key.
const KEY_BYTES_MAX: usize = 128;
/// How long a change waits for another of the same thing.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Nouns whose bodies are files.
const FILES: &[&str] = &["plugins", "prefix-tables", "imports", "faxes"];
/// Those of them that are taken as they come, unless a key wants them compared.
const STREAMED: &[&str] = &["imports"];
/// Those of them that no company's operator may bring, who is told so before the file is read.
const OF_BRANDS: &[&str] = &["plugins", "prefix-tables"];
/// Nouns that nobody changes in somebody else's name: what is made so would last longer than acting does.
const OWN_NAME: &[&str] = &["people", "tokens", "timetables"];
/// Files that come in at once.
pub(crate) const UPLOADS_MAX: usize = 4;
/// How long a file waits for its place.
const UPLOAD_WAIT: Duration = Duration::from_secs(5);
/// How long a file may take to come in.
pub(crate) const FILE_WAIT: Duration = Duration::from_secs(300);
/// What is kept of a body in an audit line.
const AUDIT_BYTES_MAX: usize = 64 * 1024;

/// What a look at a thing gave.
enum Looked {
    /// It is so.
    So(Bytes),
    /// It is not there, or not this caller's.
    Nothing,
    /// Nothing is ever shown at this path.
    Blind,
}

impl Looked {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Looked::So(bytes) => Some(bytes),
            Looked::Nothing | Looked::Blind => None,
        }
    }
}

/// A change that was asked for, whole: it goes on when whoever asked hangs up.
struct Asked {
    gate: Gate,
    caller: Caller,
    key: Option<String>,
    template: String,
    request: Request,
    body: Bytes,
    next: Next,
    /// The place of a file among those that come in.
    place: Option<OwnedSemaphorePermit>,
}

impl Asked {
    async fn run(self) -> Result<Response, Problem> {
        let Asked { gate, caller, key, template, request, body, next, place } = self;
        // A file is no JSON, and nobody takes it for some.
        let asked = place.is_none().then(|| body.clone());
        let Some(key) = key else { return gate.change(&caller, None, (request, asked), (&template, next)).await };
        let of = RequestKey { actor: &caller.actor, key: &key };
        let print = fingerprint(&request, &body);
        let keys = gate.api.db.idempotency();
        if let Some(answer) = known(keys.begin(of, &print, gate.api.switch.now()).await?)? {
            return Ok(answer);
        }
        let done = gate.change(&caller, Some(&key), (request, asked), (&template, next)).await;
        let response = done.unwrap_or_else(IntoResponse::into_response);
        let (parts, bytes) = taken(response).await?;
        let again = parts.status.is_server_error() || parts.status == StatusCode::TOO_MANY_REQUESTS;
        let kept = if again { keys.drop(of).await } else { keys.finish(of, parts.status.as_u16(), &bytes).await };
        if let Err(error) = kept {
            tracing::warn!(%error, "the answer to a request with a key is not kept");
        }
        Ok((parts, bytes).into_response())
    }
}

impl Gate {
    /// Takes a change in, and does it in a task of its own: an answer that nobody waits for any more ends neither the
    /// change nor its line in the audit log.
    pub(super) async fn write(
        &self,
        caller: Caller,
        template: &str,
        request: Request,
        next: Next,
    ) -> Result<Response, Problem> {
        let noun = noun(template);
        if caller.impersonator.is_some() && OWN_NAME.contains(&noun) {
            return Err(Problem::forbidden(
                "Who acts as somebody else changes nothing of people, tokens and timetables.",
            ));
        }
        let key = key_of(request.headers())?;
        let file = *request.method() == Method::POST && FILES.contains(&noun);
        if file && OF_BRANDS.contains(&noun) {
            caller.needs_brand("Plugins and prefix tables are for a brand's operator.")?;
        }
        let place = if file { Some(self.upload().await?) } else { None };
        let (max, deadline) = if file { (COMPONENT_BYTES_MAX, FILE_WAIT) } else { (JSON_BYTES_MAX, BODY_WAIT) };
        let streams = file && key.is_none() && STREAMED.contains(&noun);
        let (request, body) = if streams { (request, Bytes::new()) } else { buffered(request, max, deadline).await? };
        let template = template.to_owned();
        let asked = Asked { gate: self.clone(), caller, key, template, request, body, next, place };
        tokio::spawn(asked.run()).await.map_err(|_| Problem::internal())?
    }

    /// A place for a file.
    async fn upload(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let busy = || Problem::unavailable("Too many files come in at once; try again.");
        let place = tokio::time::timeout(UPLOAD_WAIT, Arc::clone(&self.api.uploads).acquire_owned()).await;
        place.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// One change, alone at its path.
    async fn change(
        &self,
        caller: &Caller,
        key: Option<&str>,
        (request, body): (Request, Option<Bytes>),
        (template, next): (&str, Next),
    ) -> Result<Response, Problem> {
        let path = request.uri().path().to_owned();
        let thing = template.contains('{');
        let row = row_of(caller, template, &path);
        let busy = || Problem::unavailable("Another change of the same thing takes too long.");
        let _alone = match &row {
            Some(row) => Some(tokio::time::timeout(LOCK_WAIT, self.lock(row).lock()).await.map_err(|_| busy())?),
            None => None,
        };
        let before = if thing { self.look(caller, &path).await } else { Looked::Blind };
        precondition(request.headers(), &before)?;
        let whose = self.whose(caller, &path, before.bytes().or(body.as_deref())).await;
        let deed = Deed { at: self.api.switch.now(), tenant: whose, ..deed(caller, key, &request, &self.api.proxies) };
        let (was, asked) = (before.bytes(), body.as_deref());
        let shown_at = |bytes: Option<&[u8]>| bytes.and_then(|bytes| shown(&path, bytes));
        let asked = match (noun(template), asked) {
            ("bindings", Some(asked)) => {
                let veiled = binding_config::without_secrets(&self.api, caller, asked).await;
                veiled.as_deref().and_then(|veiled| shown(&path, veiled))
            }
            (_, asked) => shown_at(asked),
        };
        let act = Act::new(Deed { before: shown_at(was), asked, ..deed });
        let replaces = thing && matches!(*request.method(), Method::PATCH | Method::PUT);
        let response = self.api.db.acting(Arc::clone(&act), next.run(request)).await;
        let status = response.status();
        if !status.is_success() && !act.is_committed() {
            return Ok(response);
        }
        let after = if replaces { self.look(caller, &path).await } else { Looked::Blind };
        let (mut parts, bytes) = taken(response).await?;
        let shown = after.bytes().or((!bytes.is_empty() && status.is_success()).then_some(&bytes[..]));
        self.line(caller, &act, (&path, shown), status).await;
        if let Some(tag) = after.bytes().and_then(shape::tag_header).filter(|_| status.is_success()) {
            parts.headers.insert(header::ETAG, tag);
        }
        Ok((parts, bytes).into_response())
    }

    /// The thing at a path, as the caller sees it.
    async fn look(&self, caller: &Caller, path: &str) -> Looked {
        let Ok(mut request) = Request::get(path).body(Body::empty()) else { return Looked::Blind };
        request.extensions_mut().insert(caller.clone());
        let Ok(response) = self.inside.clone().oneshot(request).await;
        match response.status() {
            StatusCode::OK if is_json(&response) => match to_bytes(response.into_body(), ANSWER_BYTES_MAX).await {
                Ok(bytes) => Looked::So(bytes),
                Err(_) => Looked::Blind,
            },
            StatusCode::NOT_FOUND => Looked::Nothing,
            _ => Looked::Blind,
        }
    }

    /// Says in the audit log how it ended. A line that cannot be finished is there all the same, without its end.
    async fn line(&self, caller: &Caller, act: &Act, (path, after): (&str, Option<&[u8]>), status: StatusCode) {
        let tenant = match self.whose(caller, path, after).await {
            Tenant { brand: None, .. } => act.tenant(),
            known => known,
        };
        let after = after.and_then(|bytes| shown(path, bytes));
        let outcome = Outcome { tenant, after, status: status.as_u16() };
        if let Err(error) = self.api.db.audit().finish(act, &outcome).await {
            tracing::error!(%error, path, "the audit log does not know how a change ended");
        }
    }

    /// Whose a thing is: what it says itself, or the thing that it is part of; else the caller's own.
    async fn whose(&self, caller: &Caller, path: &str, thing: Option<&[u8]>) -> Tenant {
        let mut rest = path.strip_prefix(ROOT).unwrap_or_default().split('/');
        let (noun, id) = (rest.next().unwrap_or_default(), rest.next().and_then(|id| id.parse::<i64>().ok()));
        let mut said = said_of(noun, id, thing);
        if said == (None, None)
            && let (Some(id), Some(_)) = (id, rest.next())
        {
            let whole = self.look(caller, &format!("{ROOT}{noun}/{id}")).await;
            said = said_of(noun, Some(id), whole.bytes());
        }
        match (said, caller.ctx.scope) {
            ((brand, Some(company)), _) => {
                let found = self.api.db.companies().get(&OpContext::platform(), company).await.ok();
                // A company that was just removed is known by what it said of itself.
                Tenant { brand: found.map(|c| c.brand).or(brand), company: Some(company) }
            }
            ((Some(brand), None), _) | ((None, None), Scope::Brand(brand)) => {
                Tenant { brand: Some(brand), company: None }
            }
            ((None, None), Scope::Platform) => Tenant::default(),
            ((None, None), Scope::Company(brand, company)) => Tenant { brand: Some(brand), company: Some(company) },
        }
    }
}

/// The brand and company that a thing says it belongs to.
fn said_of(noun: &str, id: Option<i64>, thing: Option<&[u8]>) -> (Option<BrandId>, Option<CompanyId>) {
    let value = thing.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok()).unwrap_or(Value::Null);
    let number = |name: &str| value.get(name).and_then(Value::as_i64);
    let id = id.or_else(|| number("id"));
    let brand = if noun == "brands" { id } else { number("brand") };
    let company = if noun == "companies" { id } else { number("company") };
    (brand.map(BrandId), company.map(CompanyId))
}

/// The path of what a change is made to: of one's own things the one that administrators know them by.
fn row_of(caller: &Caller, template: &str, path: &str) -> Option<String> {
    match template.strip_prefix(ROOT) {
        Some("me/password") => caller.person.map(|(person, _)| format!("{ROOT}people/{}", person.0)),
        Some("me/account") => caller.account.map(|account| format!("{ROOT}accounts/{}", account.0)),
        Some(_) | None => template.contains('{').then(|| path.to_owned()),
    }
}

/// What is known of a deed from the request alone.
fn deed(caller: &Caller, key: Option<&str>, request: &Request, proxies: &[Cidr]) -> Deed {
    Deed {
        at: Instant::from_unix_nanos(0),
        actor: caller.actor.clone(),
        impersonator: caller.impersonator.clone(),
        source: source_of(request, proxies).map(|source| source.to_string()),
        method: request.method().to_string(),
        path: request.uri().path_and_query().map_or_else(String::new, |p| p.as_str().to_owned()),
        tenant: Tenant::default(),
        before: None,
        asked: None,
        key: key.map(str::to_owned),
    }
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.contains(' '));
    let wrong = || Problem::field("Idempotency-Key", format!("expected 1 to {KEY_BYTES_MAX} visible ASCII characters"));
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

/// The request with its body read.
async fn buffered(request: Request, max: usize, deadline: Duration) -> Result<(Request, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > max) {
        return Err(Problem::too_large(max));
    }
    let read = tokio::time::timeout(deadline, to_bytes(body, max)).await.map_err(|_| Problem::too_slow(deadline))?;
    let bytes = read.map_err(|error| {
        let full = core::error::Error::source(&error).is_some_and(|e| e.to_string().contains("length limit"));
        if full { Problem::too_large(max) } else { Problem::malformed("The body broke off.") }
    })?;
    Ok((Request::from_parts(parts, Body::from(bytes.clone())), bytes))
}

fn fingerprint(request: &Request, body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(request.method().as_str());
    digest.update(b" ");
    digest.update(request.uri().path_and_query().map_or("", |p| p.as_str()));
    digest.update(b"\n");
    digest.update(body);
    digest.finalize().into()
}

/// The answer to a request that was made before, if it was.
fn known(known: Known) -> Result<Option<Response>, Problem> {
    match known {
        Known::New => Ok(None),
        Known::Unreadable => Err(Problem::conflict(
            "This key was used before the switch's key for secrets was changed: whether for the same request, nobody can say. \
             See what was done, and use another key.",
        )),
        Known::Other => Err(Problem::field("Idempotency-Key", "this key was used for another request")),
        Known::UnderWay => Err(Problem::conflict("The first request with this key is under way.")),
        Known::Done => Err(Problem::conflict("It was done; the answer is not known any more.")),
        Known::Answered(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let mut response = (status, body.clone()).into_response();
            let headers = response.headers_mut();
            headers.remove(header::CONTENT_TYPE);
            if !body.is_empty() {
                let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
            Ok(Some(response))
        }
    }
}

/// If-Match (RFC 9110 section 13.1.1). What is not there is left to the endpoint, which says so.
fn precondition(headers: &HeaderMap, before: &Looked) -> Result<(), Problem> {
    let wanted = shape::names(headers, header::IF_MATCH, before.bytes());
    match (wanted, before) {
        (None | Some(true), _) | (_, Looked::Nothing) => Ok(()),
        (Some(false), Looked::So(_)) => Err(Problem::changed("It has changed since you read it.")),
        (Some(false), Looked::Blind) => Err(Problem::changed("Nothing at this path has a tag to compare.")),
    }
}

/// JSON for an audit line: masked, and not too long.
pub(crate) fn shown(path: &str, bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    let value = serde_json::from_slice(bytes).ok()?;
    let text = mask::masked(path, value).to_string();
    let whole = text.len() <= AUDIT_BYTES_MAX;
    Some(if whole { text } else { format!("{{\"omitted_bytes\":{}}}", text.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let given_up = buffered(Request::new(never), 1, Duration::from_millis(5)).await.unwrap_err();
        assert_eq!(given_up.status, 408);
    }
}
