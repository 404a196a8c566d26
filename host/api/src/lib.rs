//! The REST API: `/api/v1` with its OpenAPI document, `/healthz`, `/metrics`.
//!
//! Floor 7: knows `model`, the `store` and what it asks of the running switch ([`Switch`]). Every request but the two
//! public ones needs a token; the token's scope goes into every query as [`store::OpContext`], so that what belongs to
//! somebody else is not there at all (404). Refusals are RFC 9457 problems that name the field. A write answers when
//! it is live: the next call already sees it.
#![forbid(unsafe_code)]

mod auth;
mod credentials;
mod doors;
mod extract;
mod files;
mod gate;
mod jobs;
mod listing;
mod node;
mod nouns;
mod openapi;
mod ops;
mod peer;
mod problem;
mod soap;
mod stamp;
mod switch;

pub use credentials::{ha1, new_password};
pub use gate::rate::RateLimit;
pub use jobs::Workers;
pub use openapi::document;
pub use problem::{FieldError, Problem};
pub use shell::Registration;
pub use stamp::rfc3339;
pub use switch::{Asked, Component, Gone, MailTrialError, Migrated, Priced, Switch, Trial};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use bundle::PublicKey;
use core::fmt;
use core::time::Duration;
use model::Cidr;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Db;

/// How often each token and person may ask, unless it is said otherwise.
const RATE: RateLimit = RateLimit { per_minute: 6_000, burst: 2_000 };

/// How often an event stream that has nothing to say says so.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What every endpoint works with.
#[derive(Clone)]
pub struct Api {
    db: Db,
    switch: Arc<dyn Switch>,
    trusted: Arc<[PublicKey]>,
    /// Whether what is signed by nobody needs the operator's word although nobody is listed.
    signed_only: bool,
    doors: Arc<doors::Doors>,
    nouns: Arc<BTreeSet<String>>,
    rate: RateLimit,
    streams: Arc<nouns::events::Places>,
    /// Files that are on their way in.
    uploads: Arc<tokio::sync::Semaphore>,
    /// Whose word on where a request comes from is believed.
    proxies: Arc<[Cidr]>,
    /// Whether a scraper on this machine needs no token.
    local_metrics: bool,
    heartbeat: Duration,
    /// Names this process in the numbers of events.
    epoch: u64,
    /// Rings when there is a job to do.
    jobs: jobs::Bell,
    /// Rings when a timetable was made or changed.
    times: jobs::Bell,
    /// Rings when a job is called off.
    calls_off: jobs::Bell,
    /// Where archives are, and what leaves for them; none = nothing leaves the database.
    archives: Option<Arc<Path>>,
    archiving: Option<Arc<jobs::archive::Archiving>>,
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
        let doors = doors::Doors::new(db.derived_key("access tokens"));
        let (uploads, epoch) = (tokio::sync::Semaphore::new(gate::UPLOADS_MAX), switch.now().unix_millis());
        let (trusted, nouns, proxies, streams) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        let (rate, heartbeat, uploads) = (RATE, HEARTBEAT, Arc::new(uploads));
        let (jobs, times, calls_off) = (jobs::Bell::default(), jobs::Bell::default(), jobs::Bell::default());
        Api {
            db,
            switch,
            trusted,
            doors,
            nouns,
            rate,
            streams,
            uploads,
            proxies,
            local_metrics: false,
            signed_only: false,
            heartbeat,
            epoch,
            jobs,
            calls_off,
            times,
            archives: None,
            archiving: None,
        }
    }

    /// Takes plugins of these publishers only, but for what the platform's operator lets in unsigned by name.
    #[must_use]
    pub fn trusting(self, keys: Vec<PublicKey>) -> Api {
        Api { trusted: keys.into(), ..self }
    }

    /// Takes plugins of nobody who is not listed, even where nobody is.
    #[must_use]
    pub fn demanding_signatures(self) -> Api {
        Api { signed_only: true, ..self }
    }

    /// Lets each token and person ask this often.
    #[must_use]
    pub fn limited(self, rate: RateLimit) -> Api {
        Api { rate, ..self }
    }

    /// Keeps archives in this folder: CDRs and explanations that are older than so many days leave the database for it; `None`
    /// = none leaves it any more, and those that have left stay there.
    #[must_use]
    pub fn archiving(self, folder: PathBuf, days: Option<u32>) -> Api {
        let archiving = days.map(|days| Arc::new(jobs::archive::Archiving { folder: folder.clone(), days }));
        Api { archives: Some(folder.into()), archiving, ..self }
    }

    /// Believes what these proxies say about where a request comes from.
    #[must_use]
    pub fn behind(self, proxies: Vec<Cidr>) -> Api {
        Api { proxies: proxies.into(), ..self }
    }

    /// Shows `/metrics`, and the warnings of `/healthz`, to whoever asks from this machine without a token.
    #[must_use]
    pub fn showing_metrics_locally(self, shows: bool) -> Api {
        Api { local_metrics: shows, ..self }
    }

    /// Lets an event stream say this often that it lives, and looks at its caller's rights again.
    #[must_use]
    pub fn beating(self, heartbeat: Duration) -> Api {
        Api { heartbeat, ..self }
    }

    /// Those who do the jobs that this API, or another of the same database, is asked for.
    ///
    /// # Errors
    /// The kernel gives no randomness.
    pub fn workers(&self) -> Result<Workers, getrandom::Error> {
        Workers::new(self.clone())
    }

    /// Every route. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or nobody knows where requests come from.
    pub fn router(mut self) -> Router {
        let (routes, document) = openapi::routes();
        let paths = document.get("paths").and_then(serde_json::Value::as_object);
        let nouns = paths.into_iter().flat_map(|paths| paths.keys()).map(|path| gate::noun(path).to_owned());
        self.nouns = Arc::new(nouns.collect());
        let document = Arc::new(document);
        let open = openapi::open_routes(document).layer(DefaultBodyLimit::max(extract::JSON_BYTES_MAX));
        let inside = routes.clone().with_state(self.clone());
        let gate = gate::Gate::new(self.clone(), inside, self.rate);
        let guarded =
            routes.layer(from_fn_with_state(gate, gate::pass)).layer(DefaultBodyLimit::max(extract::JSON_BYTES_MAX));
        let rest: Router = Router::new()
            .merge(guarded)
            .merge(open)
            .fallback(|| async { Problem::not_found("path") })
            .method_not_allowed_fallback(|| async { Problem::not_allowed() })
            .layer(from_fn(log))
            .with_state(self);
        // Before it, not in it: each of its envelopes is requests to the rest.
        soap::routes(rest.clone()).layer(from_fn(log)).merge(rest)
    }

    /// Waits until what was written is live, so that the answer is true for the next call.
    pub(crate) async fn live(&self) -> Result<(), Problem> {
        // What a job writes is live once its batch is committed; the job waits for that.
        if Db::in_batch() {
            return Ok(());
        }
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
