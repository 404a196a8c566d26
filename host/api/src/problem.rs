//! Refusals as `application/problem+json` (RFC 9457): a stable code, a sentence, and the field that is wrong.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:strowger:problem:` and the stable code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means, the same each time.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// How long to wait before trying again, in seconds; also in `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// One field that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Its name, or its path in the body.
    pub field: String,
    /// What is wrong with it, and what is expected.
    pub detail: String,
}

impl Problem {
    fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:strowger:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: None,
        }
    }

    /// 401: no token, or one that is not known.
    pub(crate) fn unauthenticated() -> Problem {
        let detail = "Send `Authorization: Bearer TOKEN`.";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A valid token is needed", detail)
    }

    /// 403: the token may not do this kind of thing at all.
    pub(crate) fn forbidden(detail: &str) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "The token may not do this", detail)
    }

    /// 404: not there, or not this token's to see.
    pub(crate) fn not_found(noun: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "No such thing", format!("No such {noun}."))
    }

    /// 409.
    pub(crate) fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "conflict", "It does not fit what is there", detail)
    }

    /// 422: a field is wrong.
    pub(crate) fn field(field: impl Into<String>, detail: impl Into<String>) -> Problem {
        let (field, detail) = (field.into(), detail.into());
        let sentence = format!("{field}: {detail}");
        let mut problem =
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-field", "A field is not acceptable", sentence);
        problem.errors.push(FieldError { field, detail });
        problem
    }

    /// 422: several fields are wrong.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Problem {
        let sentences: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect();
        let title = if errors.len() == 1 { "A field is not acceptable" } else { "Some fields are not acceptable" };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem { errors, ..Problem::new(status, "invalid-field", title, sentences.join("; ")) }
    }

    /// 400: not JSON, or not a request we understand.
    pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    /// 413.
    pub(crate) fn too_large(bytes_max: usize) -> Problem {
        let detail = format!("The body may have at most {bytes_max} bytes.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    /// 408: the body took longer than this to come.
    pub(crate) fn too_slow(wait: Duration) -> Problem {
        let detail = format!("The body must be here within {} s.", wait.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The body came too slowly", detail)
    }

    /// 405.
    pub(crate) fn not_allowed() -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This path has no such method", "")
    }

    /// 412: the tag is another one by now.
    pub(crate) fn changed(detail: &str) -> Problem {
        Problem::new(StatusCode::PRECONDITION_FAILED, "changed", "It is not what you know", detail)
    }

    /// 429: too many requests; try again after so long.
    pub(crate) fn too_many(wait: Duration) -> Problem {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let detail = format!("Try again in {seconds} s.");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "You ask too often", detail);
        Problem { retry_after_s: Some(seconds), ..problem }
    }

    /// 500: the world failed; the log says how, the answer does not.
    pub(crate) fn internal() -> Problem {
        let detail = "The switch's log says why.";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The switch failed", detail)
    }

    /// 503: it was written, or could not be, but the switch does not follow now.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The switch cannot do this now", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let wait = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"strowger\""));
        }
        response
    }
}

/// The refusals that every endpoint shares, for the OpenAPI document.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) enum Refusals {
    /// The request cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// No token, or an unknown one.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(#[to_schema] Problem),
    /// The token may not do this.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// Not there, or not this token's to see.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Problem),
    /// It does not fit what is there.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] Problem),
    /// A field is not acceptable.
    #[response(status = 422, content_type = "application/problem+json")]
    Field(#[to_schema] Problem),
}

/// The refusals of who is not known yet.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) enum LoginRefusals {
    /// The request cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// Not the right words.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(#[to_schema] Problem),
    /// A field is not acceptable.
    #[response(status = 422, content_type = "application/problem+json")]
    Field(#[to_schema] Problem),
}

impl From<crate::Gone> for Problem {
    fn from(gone: crate::Gone) -> Self {
        Problem::unavailable(gone.to_string())
    }
}

impl From<getrandom::Error> for Problem {
    fn from(error: getrandom::Error) -> Self {
        tracing::error!(%error, "the kernel gives no randomness");
        Problem::internal()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what } => Problem::not_found(what),
            StoreError::Conflict { .. } | StoreError::InUse { .. } | StoreError::UsedBy { .. } => {
                Problem::conflict(format!("{error}."))
            }
            StoreError::Invalid { what, why } => Problem::field(field_name(what), why),
            StoreError::Forbidden { .. } => Problem::forbidden(&format!("{error}.")),
            StoreError::Away { .. } | StoreError::Unreachable { .. } => {
                tracing::warn!(%error, "the store is away");
                Problem::unavailable("The database is away; try again.")
            }
            StoreError::BadUrl { .. }
            | StoreError::Broken { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::Refused { .. } => {
                tracing::error!(%error, "the store failed");
                Problem::internal()
            }
        }
    }
}

/// The store's words for a value, as the name of the field it came in.
fn field_name(what: &str) -> String {
    match what {
        "user name" => "username".to_owned(),
        "extension number" => "number".to_owned(),
        "number" => "e164".to_owned(),
        "digest secret" => "password".to_owned(),
        other => other.replace(' ', "_"),
    }
}
