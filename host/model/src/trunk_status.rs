//! How a trunk is just now: what the API, the command line and the metrics show of it.

use crate::{Instant, Transport, TrunkId};
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// One trunk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrunkStatus {
    /// The trunk.
    pub trunk: TrunkId,
    /// Calls up, both ways.
    pub calls: u32,
    /// Its registration, if it has one.
    pub registration: Option<TrunkRegistrationStatus>,
    /// Its servers in the order they were written, each with every address it has.
    pub servers: Vec<TrunkServerStatus>,
}

/// A registration with a carrier.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrunkRegistrationStatus {
    /// `registered`, `registering`, `waiting` for the first time, `failed`.
    pub state: String,
    /// When it ends unless it is renewed.
    pub until: Option<Instant>,
    /// How the newest REGISTER ended; 408 stands for silence, 503 for a transport that failed or a name without address.
    pub last_status: Option<u16>,
}

/// One address of a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrunkServerStatus {
    /// The server as it is written.
    pub host: String,
    /// Its transport and address; `None` while the name has none.
    pub place: Option<(Transport, SocketAddr)>,
    /// `closed`: calls go. `open`: none. `half-open`: one tries it. `unknown`: no address.
    pub breaker: String,
    /// Failures in a row.
    pub failures: u32,
    /// When an open breaker lets one try.
    pub until: Option<Instant>,
}
