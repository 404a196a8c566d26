//! Requests to the outside. Name hosts and methods under `[needs] http` in `plugin.toml`. A router that uses it is bound
//! to `routing/router-io`.

use crate::generated::router::strowger::host::http as host;
use crate::{Error, Header, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A response.
pub use host::Response;

/// A request under construction.
#[derive(Clone, Debug)]
pub struct Http(host::Request);

impl Http {
    /// A request with two seconds of time.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Http {
        Http(host::Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 2_000,
            auth_secret: None,
        })
    }

    /// Reads.
    #[must_use]
    pub fn get(url: &str) -> Http {
        Http::new("GET", url)
    }

    /// Posts `body` as JSON.
    ///
    /// # Errors
    /// `invalid-argument` where it cannot be written as JSON.
    pub fn post_json(url: &str, body: &impl Serialize) -> Result<Http> {
        let body = serde_json::to_vec(body).map_err(|e| Error::InvalidArgument(format!("body: {e}")))?;
        let mut request = Http::new("POST", url).header("Content-Type", "application/json");
        request.0.body = body;
        Ok(request)
    }

    /// One more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Http {
        self.0.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
        self
    }

    /// How long it may take, in milliseconds.
    #[must_use]
    pub fn timeout(mut self, ms: u32) -> Http {
        self.0.timeout_ms = ms;
        self
    }

    /// Sends this granted secret as a bearer token.
    #[must_use]
    pub fn bearer(mut self, secret: &str) -> Http {
        self.0.auth_secret = Some(secret.to_owned());
        self
    }

    /// Sends and waits.
    ///
    /// # Errors
    /// As `host/http` says. Any status is a response.
    pub fn send(self) -> Result<Response> {
        host::send(&self.0)
    }

    /// Sends, waits, and reads the JSON of a 2xx.
    ///
    /// # Errors
    /// As [`Http::send`]; `unavailable` for another status or a body that does not fit.
    pub fn json<T: DeserializeOwned>(self) -> Result<T> {
        let response = self.send()?;
        if !(200..300).contains(&response.status) {
            return Err(Error::Unavailable(format!("status {}", response.status)));
        }
        serde_json::from_slice(&response.body).map_err(|e| Error::Unavailable(format!("body: {e}")))
    }
}
