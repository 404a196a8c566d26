//! What the layer is told, and what it says.

use core::time::Duration;
use model::{Flow, Instant, Shards, TrunkId, TrunkServer};

/// How the layer waits and speaks. No duration may be zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// User-Agent of our requests; empty for none.
    pub user_agent: String,
    /// So many failures in a row open a server's breaker.
    pub failures_max: u32,
    /// How long a breaker stays open the first time; it doubles each time.
    pub open_min: Duration,
    /// How long it stays open at most, and the longest Retry-After that is heeded for it.
    pub open_max: Duration,
    /// The first wait after a failed registration (RFC 5626 section 4.5); it doubles each time.
    pub retry_min: Duration,
    /// The longest wait after a failed registration.
    pub retry_max: Duration,
    /// How long a name's addresses are used before they are looked up again.
    pub lookup_every: Duration,
    /// The first REGISTER and OPTIONS of a line leave within this time, spread evenly.
    pub start_spread: Duration,
    /// Only the trunks of brands that live here get a line.
    pub shards: Shards,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            user_agent: "Strowger".to_owned(),
            failures_max: 3,
            open_min: Duration::from_secs(30),
            open_max: Duration::from_secs(300),
            retry_min: Duration::from_secs(30),
            retry_max: Duration::from_secs(1_800),
            lookup_every: Duration::from_secs(60),
            start_spread: Duration::from_secs(2),
            shards: Shards::ALONE,
        }
    }
}

/// One lookup of a server; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LookupId(pub u64);

/// Where does this server's traffic go? [`crate::Layer::handle_flows`] must follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lookup {
    /// Given back with the answer.
    pub id: LookupId,
    /// The server.
    pub server: TrunkServer,
}

/// One way to a carrier for one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where the INVITE goes.
    pub flow: Flow,
    /// The host part of its Request-URI, with the port where the server has one.
    pub host: String,
}

/// How an INVITE by a route went, as far as the server is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server answered: whatever it said about the call, it lives.
    Alive,
    /// It did not answer at all, or the transport failed.
    Dead,
    /// It answered 503, perhaps with the seconds of a Retry-After (RFC 3261 section 21.5.4).
    Unavailable(Option<u32>),
}

/// Figures of now, over all lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Calls up, both ways.
    pub calls: u64,
    /// Registrations that stand.
    pub registered: u64,
    /// Registrations that are wanted and do not stand.
    pub unregistered: u64,
    /// Addresses of servers that take calls.
    pub servers_up: u64,
    /// Addresses of servers that take none, and servers without an address.
    pub servers_down: u64,
    /// Calls that were kept from servers which asked for less, since the start.
    pub shed: u64,
}

/// Something the operator wants to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The carrier granted the registration, until then.
    Registered {
        /// The trunk.
        trunk: TrunkId,
        /// When it ends unless it is renewed.
        until: Instant,
    },
    /// A registration was refused or not answered: the status, or 408 and 503 for silence and a broken transport.
    RegistrationFailed {
        /// The trunk.
        trunk: TrunkId,
        /// The status.
        status: u16,
    },
    /// The registration has run out, or was given up.
    Unregistered {
        /// The trunk.
        trunk: TrunkId,
    },
    /// A server's breaker has opened.
    ServerDown {
        /// The trunk.
        trunk: TrunkId,
        /// Where it is.
        flow: Flow,
    },
    /// A server that was down has answered.
    ServerUp {
        /// The trunk.
        trunk: TrunkId,
        /// Where it is.
        flow: Flow,
    },
}
