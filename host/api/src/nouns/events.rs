//! What happens now: calls, registrations and jobs as they come, for as long as somebody listens.
//!
//! Server-sent events, or a WebSocket ([`super::socket`]) where the client asks for one. Each event has a number;
//! `Last-Event-ID` goes on after it, as browsers do by themselves. The ring that they come from is bounded: a reader that is
//! too slow, or comes back too late, hears `lost` and begins anew.

use super::plugin_logs;
use crate::auth::{self, Caller};
use crate::extract::Params;
use crate::problem::{Problem, Refusals};
use crate::{Api, stamp::rfc3339};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use core::convert::Infallible;
use futures_util::stream;
use model::{BindingId, BrandId, Told};
use serde::{Deserialize, Serialize};
use shell::{GuestLog, Since};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use store::{Access, Scope};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Streams open at once, of all.
const STREAMS_MAX: usize = 500;
/// Of those, of one token or person.
const ACTOR_STREAMS_MAX: usize = 8;
/// Of those, of one brand and its companies; the platform's own count as one brand's.
const BRAND_STREAMS_MAX: usize = 100;
/// Events looked at in one go.
const BATCH_MAX: usize = 256;

/// Who listens: of whom, and of which brand.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Vec<(String, Option<BrandId>)>>);

impl Places {
    fn take(places: &Arc<Places>, caller: &Caller) -> Result<Place, Problem> {
        let brand = match caller.ctx.scope {
            Scope::Platform => None,
            Scope::Brand(brand) | Scope::Company(brand, _) => Some(brand),
        };
        let mut taken = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_actor = taken.iter().filter(|(actor, _)| *actor == caller.actor).count();
        let of_brand = taken.iter().filter(|(_, of)| *of == brand).count();
        if of_actor >= ACTOR_STREAMS_MAX {
            return Err(Problem::unavailable(format!("You listen {ACTOR_STREAMS_MAX} times already.")));
        }
        if of_brand >= BRAND_STREAMS_MAX || taken.len() >= STREAMS_MAX {
            return Err(Problem::unavailable("Too many listen already."));
        }
        let who = (caller.actor.clone(), brand);
        taken.push(who.clone());
        Ok(Place { places: Arc::clone(places), who })
    }
}

/// A place among them, given back when it is dropped.
struct Place {
    places: Arc<Places>,
    who: (String, Option<BrandId>),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = taken.iter().position(|who| *who == self.who) {
            taken.swap_remove(at);
        }
    }
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
pub(crate) struct Happening {
    /// `call-started`, `call-answered`, `call-ended`, `registered`, `unregistered`, `job-started`, `job-ended`,
    /// `binding-tripped` (its plugin kept failing and rests), `binding-trial-over` (its canary did worse and is rolled back);
    /// of a log `plugin-log`.
    kind: &'static str,
    at: String,
    /// 0 = the platform's own.
    brand: i64,
    /// 0 = the brand's own.
    company: i64,
    /// The call's id, of what happened to a call.
    call: Option<String>,
    /// More about it: `caller`, `callee`, `cause`, `account`, `contact`, `job`, `job-kind`, `state`,
    /// `binding`, `name`, `plugin`, `why`; of a log line `level` and `line`.
    about: BTreeMap<&'static str, String>,
}

impl From<&Told> for Happening {
    fn from(told: &Told) -> Self {
        Happening {
            kind: told.kind,
            at: rfc3339(told.at),
            brand: told.brand.0,
            company: told.company.0,
            call: told.call.map(|call| call.to_string()),
            about: told.attrs.iter().cloned().collect(),
        }
    }
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Of this company.
    company: Option<i64>,
    /// False ends the stream with what is there already: for those who come and ask.
    wait: Option<bool>,
    /// As the header `Last-Event-ID`, for those who cannot set one.
    after: Option<String>,
    /// Instead of what happens, the log lines of the plugin of this binding, `plugin-log`; for those who may read calls too.
    log: Option<i64>,
}

/// The noun whose rights an event is seen by.
fn noun_of(kind: &str) -> &'static str {
    match kind {
        _ if kind.starts_with("call") => "calls",
        _ if kind.starts_with("job") => "jobs",
        "plugin-log" => "bindings",
        _ if kind.starts_with("binding") => "bindings",
        _ => "registrations",
    }
}

/// What a reader hears.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Nothing happened for a while, and the reader may still listen.
    Alive,
    /// Where it begins: a number to go on from, although nothing happened yet.
    Begin(String),
    /// Something happened.
    Event(String, Arc<Told>),
    /// Events were lost: it begins anew from this number, and this stream is over.
    Lost(String),
}

/// What is said of events that were lost.
pub(crate) const LOST: &str = "events were lost: read what is there now, and go on from here";

/// One reader.
pub(crate) struct Reader {
    api: Api,
    caller: Caller,
    headers: HeaderMap,
    company: Option<i64>,
    /// Whose log is read, if one is.
    log: Option<(BindingId, Arc<GuestLog>)>,
    waits: bool,
    after: u64,
    ready: VecDeque<Heard>,
    over: bool,
    /// When the caller's rights were looked at.
    checked: Instant,
    _place: Place,
}

impl Reader {
    fn sees(&self, told: &Told) -> bool {
        self.company.is_none_or(|company| company == told.company.0)
            && self.caller.sees(told.brand, told.company)
            && self.caller.may(noun_of(told.kind), Access::Read)
    }

    /// Looks into the ring; says whether there was anything new.
    fn look(&mut self) -> bool {
        let since = match &self.log {
            Some((_, log)) => log.since(self.after, BATCH_MAX),
            None => self.api.switch.events().since(self.after, BATCH_MAX),
        };
        match since {
            Since::Lost(newest) => {
                self.over = true;
                self.ready.push_back(Heard::Lost(self.number(newest)));
                true
            }
            Since::Events(events) => {
                let Some((last, _)) = events.last() else { return false };
                self.after = *last;
                for (number, told) in events {
                    if self.sees(&told) {
                        self.ready.push_back(Heard::Event(self.number(number), told));
                    }
                }
                true
            }
        }
    }

    /// An event's number on the wire: numbers of another process mean nothing here.
    fn number(&self, number: u64) -> String {
        format!("{}-{number}", self.api.epoch)
    }

    /// What comes next; none when the stream is over.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            // A token that was revoked or a right that was taken ends it, however much happens.
            if self.checked.elapsed() >= self.api.heartbeat {
                // Noted when it is done: whoever interrupts it hears nothing before it is.
                self.caller = auth::identify(&self.api, &self.headers).await.ok()?;
                self.checked = Instant::now();
                if !self.caller.may("events", Access::Read) {
                    return None;
                }
                if let Some((binding, _)) = &self.log {
                    plugin_logs::may_read(&self.api, &self.caller, *binding).await.ok()?;
                }
                return Some(Heard::Alive);
            }
            if let Some(heard) = self.ready.pop_front() {
                return Some(heard);
            }
            if self.over {
                return None;
            }
            if self.look() {
                continue;
            }
            if !self.waits {
                return None;
            }
            let rest = self.api.heartbeat.saturating_sub(self.checked.elapsed());
            match &self.log {
                Some((_, log)) => log.comes(self.after, rest).await,
                None => self.api.switch.events().comes(self.after, rest).await,
            }
        }
    }

    /// Whether it heard all there is, and is not kept from hearing more.
    pub(crate) const fn is_over(&self) -> bool {
        self.over || !self.waits
    }

    /// How often a reader that hears nothing hears that it lives.
    pub(crate) fn heartbeat(&self) -> core::time::Duration {
        self.api.heartbeat
    }
}

/// As a server-sent event.
fn shown(heard: Heard) -> Event {
    match heard {
        Heard::Alive => Event::default().comment("alive"),
        Heard::Begin(id) => Event::default().event("begin").id(id).data(""),
        Heard::Lost(id) => Event::default().event("lost").id(id).data(LOST),
        Heard::Event(id, told) => {
            let event = Event::default().event(told.kind).id(id);
            event.json_data(Happening::from(&*told)).unwrap_or_default()
        }
    }
}

/// The number that a reader names; else the newest.
pub(super) fn after(api: &Api, newest: u64, named: Option<&str>) -> u64 {
    match named.map(|named| named.split_once('-')) {
        None => newest,
        Some(Some((epoch, number))) if epoch == api.epoch.to_string() => number.parse().unwrap_or(u64::MAX - 1),
        // Of another process, or nonsense: it is lost.
        Some(_) => u64::MAX - 1,
    }
}

/// Tells what happens, as it happens: server-sent events, named by their kind, each a `Happening`. Calls need rights on
/// `calls`, registrations on `registrations`, jobs on `jobs`, a plugin's log (`log`) on `bindings` and `calls`.
///
/// A client that asks for a WebSocket (RFC 6455) with the subprotocol `strowger-events` gets one, whose text messages are
/// `{"id", "kind", "data"}`. Where it can set no header, it offers `bearer.TOKEN` as another subprotocol. It closes with
/// 4401 when the token is good no more, 4408 when the client answered no ping, 4429 when it read too slowly and lost events.
#[utoipa::path(get, path = "/events", tag = "events", params(Filter,
    ("Last-Event-ID" = Option<String>, Header, description = "Goes on after this event.")),
    responses((status = 101, description = "A WebSocket"),
        (status = 200, content_type = "text/event-stream", body = String, description = "Events"), Refusals))]
async fn listen(
    State(api): State<Api>,
    caller: Caller,
    Params(filter): Params<Filter>,
    mut request: Request,
) -> Result<Response, Problem> {
    let place = Places::take(&api.streams, &caller)?;
    let headers = request.headers().clone();
    let named = headers.get("last-event-id").and_then(|v| v.to_str().ok()).map(str::to_owned).or(filter.after);
    let log = match filter.log {
        Some(binding) => Some(plugin_logs::open(&api, &caller, BindingId(binding)).await?),
        None => None,
    };
    let newest = log.as_ref().map_or_else(|| api.switch.events().newest(), |(_, log)| log.newest());
    let after = after(&api, newest, named.as_deref());
    let mut reader = Reader {
        after,
        log,
        company: filter.company,
        waits: filter.wait.unwrap_or(true),
        ready: VecDeque::new(),
        over: false,
        checked: Instant::now(),
        _place: place,
        api,
        caller,
        headers,
    };
    if after < u64::MAX - 1 {
        reader.ready.push_back(Heard::Begin(reader.number(after)));
    }
    if super::socket::is_asked_for(request.headers()) {
        return super::socket::opened(reader, &mut request);
    }
    let stream = stream::unfold(reader, |mut reader| async move {
        let heard = reader.next().await?;
        Some((Ok::<_, Infallible>(shown(heard)), reader))
    });
    Ok(Sse::new(stream).into_response())
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(listen))
}
