//! What comes in: JSON bodies, queries and row numbers, each refused in words that name the field.

use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use core::time::Duration;
use serde::de::DeserializeOwned;

/// Largest JSON body.
pub(crate) const JSON_BYTES_MAX: usize = 256 * 1024;

/// How long a JSON body may take to come in. The gate has read a file before it comes here.
pub(crate) const BODY_WAIT: Duration = Duration::from_secs(30);

/// Largest component.
pub(crate) const COMPONENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = read(request, state, JSON_BYTES_MAX).await?;
        parse(&bytes).map(Body)
    }
}

/// A body of bytes.
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read(request, state, COMPONENT_BYTES_MAX).await.map(Raw)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S, bytes_max: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_WAIT, Bytes::from_request(request, state)).await;
    read.map_err(|_| Problem::too_slow(BODY_WAIT))?.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(bytes_max),
        _ => Problem::malformed("The body broke off."),
    })
}

/// Parses JSON; the refusal names the field by its path.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let text = inner.to_string();
        match inner.classify() {
            serde_json::error::Category::Data => Problem::field(field_of(&path, &text), text),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => Problem::malformed(format!("The body is not JSON: {text}.")),
        }
    })?;
    json.end().map_err(|e| Problem::malformed(format!("The body is not JSON: {e}.")))?;
    Ok(value)
}

/// The field an error is about: its path, and for a missing or unknown field the name in the message.
fn field_of(path: &str, message: &str) -> String {
    let named = ["missing field `", "unknown field `"].iter().find_map(|m| message.split_once(m)?.1.split('`').next());
    match (path, named) {
        ("." | "", Some(name)) => name.to_owned(),
        ("." | "", None) => "body".to_owned(),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => format!("{path}.{name}"),
        (path, _) => path.to_owned(),
    }
}

/// The query.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::<T>::try_from_uri(&parts.uri).map(|Query(query)| Params(query)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.trim_start_matches("Failed to deserialize query string: ");
            let (path, message) = text.split_once(": ").unwrap_or((".", text));
            Problem::field(field_of(path, message), message)
        })
    }
}

/// The row number in the path; what is no number names nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing = || Problem::not_found("thing");
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| nothing())?;
        text.parse().map(Id).map_err(|_| nothing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code, reason = "only parsed")]
        name: String,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[allow(dead_code, reason = "only parsed")]
        inner: Inner,
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (text, field) in [
            ("{}", "inner"),
            (r#"{"inner":{}}"#, "inner.name"),
            (r#"{"inner":{"name":5}}"#, "inner.name"),
            (r#"{"inner":{"name":"x"},"other":1}"#, "other"),
            (r#"{"inner":{"name":"x","more":1}}"#, "inner.more"),
            ("[]", "body"),
        ] {
            let problem = parse::<Outer>(text.as_bytes()).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field), "{text}: {problem:?}");
        }
        assert_eq!(parse::<Outer>(b"{").unwrap_err().status, 400);
        assert_eq!(parse::<Outer>(br#"{"inner":{"name":"x"}} x"#).unwrap_err().status, 400);
    }
}
