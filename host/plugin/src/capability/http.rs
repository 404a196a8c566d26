//! `host/http`: one request to a granted host, and never to an address that is not.
//!
//! The name is resolved by a resolver of our own that drops addresses which are not granted, so what is checked is what
//! is connected to. No redirect is followed, no proxy of the environment is used, no cookie is kept.

use crate::HostConfig;
use crate::bindings::router::strowger::host::http::{Host, Request, Response};
use crate::bindings::router::strowger::types::types::{Error, Header};
use crate::guest::Guest;
use crate::reach::{Guarded, NOT_PUBLIC, is_public};
use crate::tape::taped;
use bundle::{Grants, HttpGrant};
use core::future::Future;
use core::net::IpAddr;
use core::time::Duration;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

const REQUEST_BYTES_MAX: usize = 256 << 10;
const RESPONSE_BYTES_MAX: usize = 1 << 20;
const HEADERS_MAX: usize = 32;
const TIMEOUT_MAX_MS: u32 = 30_000;
/// Fields that the client sets, or that would smuggle another request.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "authorization",
    "te",
    "upgrade",
    "proxy-authorization",
];

/// The thread that carries requests: guests' own threads have no sockets.
#[derive(Debug)]
struct Carrier(Option<Runtime>);

impl Drop for Carrier {
    fn drop(&mut self) {
        // A runtime must not block a thread that may itself belong to a runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The clients of a host, made when they are first needed: one that reaches public addresses only, one for all.
#[derive(Clone, Debug)]
pub struct HttpClients {
    script: Option<Arc<dyn HttpScript>>,
    clients: Arc<[OnceLock<Result<Client, String>>; 2]>,
    carrier: Arc<OnceLock<Carrier>>,
    in_flight: Arc<Semaphore>,
}

/// A request as a script sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpAsked {
    /// In capitals.
    pub method: String,
    /// Whole.
    pub url: String,
    /// What is sent.
    pub body: Vec<u8>,
}

/// A script's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpAnswer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// Answers in place of the network.
pub trait HttpScript: Send + Sync + core::fmt::Debug {
    /// Answers a request that is granted.
    ///
    /// # Errors
    /// What the guest shall be told instead.
    fn answer(&self, asked: &HttpAsked) -> Result<HttpAnswer, model::AppError>;
}

/// A task that does not outlive who waits for it.
pub(crate) struct Under<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for Under<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HttpClients {
    /// At most so many requests under way at once, over all plugins.
    #[must_use]
    pub fn new(in_flight_max: usize) -> HttpClients {
        let in_flight = Arc::new(Semaphore::new(in_flight_max));
        HttpClients { script: None, clients: Arc::default(), carrier: Arc::default(), in_flight }
    }

    /// Ones that reach nobody: a script answers what is granted. For tests of plugins.
    #[must_use]
    pub fn scripted(script: Arc<dyn HttpScript>) -> HttpClients {
        HttpClients { script: Some(script), ..HttpClients::new(256) }
    }

    /// Answers in place of the network, where somebody does.
    pub(crate) fn script(&self) -> Option<&dyn HttpScript> {
        self.script.as_deref()
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        exchange: impl Future<Output = T> + Send + 'static,
    ) -> Result<Under<T>, Error> {
        Ok(Under(self.runtime()?.spawn(exchange)))
    }

    /// Lets a task run that ends by itself.
    pub(crate) fn detach(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        self.runtime().map(|runtime| drop(runtime.spawn(task)))
    }

    fn runtime(&self) -> Result<&Runtime, Error> {
        let carrier = self.carrier.get_or_init(|| {
            let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("plugin-http").enable_all().build();
            Carrier(runtime.map_err(|error| tracing::error!(%error, "no thread for plugins' requests")).ok())
        });
        carrier.0.as_ref().ok_or_else(|| Error::Unavailable("no thread for requests".to_owned()))
    }

    pub(crate) fn client(&self, private: bool) -> Result<&Client, Error> {
        let make = || {
            Client::builder()
                .dns_resolver(Arc::new(Guarded::granted(private)))
                .redirect(redirect::Policy::none())
                // What becomes a WebSocket begins as HTTP/1.1.
                .http1_only()
                .no_proxy()
                .connect_timeout(Duration::from_secs(5))
                .pool_idle_timeout(Duration::from_secs(30))
                .user_agent(concat!("strowger/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|e| words(&e))
        };
        let client = self.clients[usize::from(private)].get_or_init(make);
        client.as_ref().map_err(|why| Error::Unavailable(why.clone()))
    }
}

/// What one binding may send.
#[derive(Debug)]
pub(crate) struct HttpPower {
    grants: BTreeSet<HttpGrant>,
    pub(crate) private: bool,
    pub(crate) clients: HttpClients,
    own: Arc<Semaphore>,
}

impl HttpPower {
    pub(crate) fn of(grants: &Grants, config: &HostConfig) -> HttpPower {
        HttpPower {
            grants: grants.http.clone(),
            private: grants.private_addresses,
            clients: config.http.clone(),
            own: Arc::new(Semaphore::new(config.http_per_binding_max)),
        }
    }

    /// The URL, if it may be asked.
    pub(crate) fn admit(&self, method: &str, url: &str) -> Result<Url, Error> {
        let url = Url::parse(url).map_err(|e| Error::InvalidArgument(format!("url: {e}")))?;
        let host = url.host_str().unwrap_or_default();
        let (Some(port), "http" | "https", false) = (url.port_or_known_default(), url.scheme(), host.is_empty()) else {
            return Err(Error::InvalidArgument("url: http or https with a host".to_owned()));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::InvalidArgument("url: no user and password in it; use a secret".to_owned()));
        }
        if !self.grants.iter().any(|g| g.allows(method, host.trim_matches(['[', ']']), port)) {
            return Err(Error::Denied(format!("{method} to {host}:{port} is not granted")));
        }
        // A literal address never meets the resolver.
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && !self.private
            && !is_public(ip)
        {
            return Err(Error::Denied(format!("{ip} is no public address, and private addresses are not granted")));
        }
        Ok(url)
    }

    pub(crate) fn permits(&self) -> Result<[OwnedSemaphorePermit; 2], Error> {
        let take = |s: &Arc<Semaphore>| {
            Arc::clone(s).try_acquire_owned().map_err(|_| Error::LimitExceeded("http-in-flight".to_owned()))
        };
        Ok([take(&self.own)?, take(&self.clients.in_flight)?])
    }
}

fn headers(list: Vec<Header>) -> Result<HeaderMap, Error> {
    if list.len() > HEADERS_MAX {
        return Err(Error::LimitExceeded("http-headers".to_owned()));
    }
    let mut map = HeaderMap::new();
    for Header { name, value } in list {
        let bad = |what: &str| Error::InvalidArgument(format!("header {:?}: {what}", super::cut(&name, 64)));
        if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
            return Err(bad("is the switch's own"));
        }
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("no header name"))?;
        map.append(field, HeaderValue::from_str(&value).map_err(|_| bad("no header value"))?);
    }
    Ok(map)
}

/// A request as a recording shows it: of header fields only the names, whose values are often keys.
fn shown(request: &Request) -> (&str, &str, Vec<&str>, Cow<'_, str>, Option<&str>, u32) {
    let names = request.headers.iter().map(|h| h.name.as_str()).collect();
    let body = String::from_utf8_lossy(&request.body);
    (&request.method, &request.url, names, body, request.auth_secret.as_deref(), request.timeout_ms)
}

impl Host for Guest {
    async fn send(&mut self, request: Request) -> Result<Response, Error> {
        taped!(self, "http.send", shown(&request), self.send_out(request).await)
    }
}

impl Guest {
    async fn send_out(&mut self, request: Request) -> Result<Response, Error> {
        if self.strayed() {
            return Err(Error::Unavailable("a replay reaches nobody".to_owned()));
        }
        let bearer = match &request.auth_secret {
            Some(name) => Some(self.secret(name)?.clone()),
            None => None,
        };
        let power = &self.bound.powers.http;
        let url = power.admit(&request.method, &request.url)?;
        let method = Method::from_bytes(request.method.as_bytes());
        let method = method.map_err(|_| Error::InvalidArgument("method".to_owned()))?;
        if request.body.len() > REQUEST_BYTES_MAX {
            return Err(Error::LimitExceeded("http-body-bytes".to_owned()));
        }
        if !(1..=TIMEOUT_MAX_MS).contains(&request.timeout_ms) {
            return Err(Error::InvalidArgument("timeout-ms: 1 to 30,000".to_owned()));
        }
        let mut headers = headers(request.headers)?;
        if let Some(secret) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {}", secret.reveal()));
            let mut value = value.map_err(|_| Error::InvalidArgument("the secret fits no header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(script) = &power.clients.script {
            let asked = HttpAsked { method: request.method, url: request.url, body: request.body };
            let answer = script.answer(&asked).map_err(crate::convert::error)?;
            return Ok(Response { status: answer.status, headers: Vec::new(), body: answer.body });
        }
        let permits = power.permits()?;
        let client = power.clients.client(power.private)?;
        let timeout = Duration::from_millis(u64::from(request.timeout_ms));
        let sending = client.request(method, url).headers(headers).body(request.body).timeout(timeout).send();
        let mut under = power.clients.spawn(async move {
            let _permits = permits;
            receive(sending.await.map_err(failure)?).await
        })?;
        let ended = self.park(&mut under.0).await;
        ended.unwrap_or_else(|_| Err(Error::Unavailable("the request was given up".to_owned())))
    }
}

async fn receive(mut response: reqwest::Response) -> Result<Response, Error> {
    let text = |v: &HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let headers = response.headers().iter();
    let headers = headers.map(|(n, v)| Header { name: n.as_str().to_owned(), value: text(v) }).collect();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
            return Err(Error::LimitExceeded("http-body-bytes".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body })
}

pub(crate) fn failure(error: reqwest::Error) -> Error {
    let text = words(&error);
    if error.is_timeout() {
        Error::Timeout
    } else if text.contains(NOT_PUBLIC) {
        Error::Denied(text)
    } else {
        Error::Unavailable(text)
    }
}

/// An error with its causes in one line, without the URL: it may bear what its author holds for secret.
fn words(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn core::error::Error> = core::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { super::cut(&text, 512).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(hosts: &[&str], private: bool) -> HttpPower {
        let grant = |h: &&str| HttpGrant { host: (*h).to_owned(), methods: BTreeSet::new() };
        let http = hosts.iter().map(grant).collect();
        let grants = Grants { http, private_addresses: private, ..Grants::default() };
        HttpPower::of(&grants, &HostConfig::default())
    }

    #[test]
    fn only_granted_hosts_methods_and_addresses_are_asked() {
        let p = power(&["api.example.com", "192.168.1.1", "10.0.0.1", "[::1]", "8.8.8.8"], false);
        assert!(p.admit("GET", "https://api.example.com/x?y=1").is_ok());
        assert!(p.admit("GET", "http://8.8.8.8/").is_ok());
        for (method, url) in [
            ("POST", "https://api.example.com/"),
            ("GET", "https://evil.test/"),
            ("GET", "https://api.example.com.evil.test/"),
            ("GET", "http://192.168.1.1/"),
            ("GET", "http://[::1]/"),
            ("GET", "http://0x0a.0.0.1/"),
            ("GET", "http://167772161/"),
        ] {
            assert!(matches!(p.admit(method, url), Err(Error::Denied(_))), "{method} {url}");
        }
        for url in ["file:///etc/passwd", "https://u:p@api.example.com/", "/x", "gopher://api.example.com"] {
            assert!(matches!(p.admit("GET", url), Err(Error::InvalidArgument(_))), "{url}");
        }
        assert!(power(&["192.168.1.1"], true).admit("GET", "http://192.168.1.1/").is_ok());
    }

    #[test]
    fn a_guest_cannot_set_the_switchs_own_fields() {
        let one = |name: &str, value: &str| headers(vec![Header { name: name.to_owned(), value: value.to_owned() }]);
        assert!(one("X-Id", "7").is_ok());
        assert!(one("HOST", "evil.test").is_err() && one("Authorization", "x").is_err());
        assert!(one("X-Id", "a\r\nHost: b").is_err() && one("X Id", "7").is_err());
    }
}
