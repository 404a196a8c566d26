//! How a trunk is just now.

use crate::stamp::rfc3339;
use core::net::SocketAddr;
use serde::Serialize;
use utoipa::ToSchema;

/// How a trunk is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// Whether it takes calls: it is enabled, and one of its servers lives.
    usable: bool,
    /// Calls up, both ways.
    calls: u32,
    /// Its registration with the carrier.
    registration: Option<RegistrationStatus>,
    /// Its servers, each with every address its name has.
    servers: Vec<ServerStatus>,
}

/// A registration with a carrier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegistrationStatus {
    /// `registered`, `registering`, `waiting`, `failed`.
    state: String,
    /// When it ends unless it is renewed.
    until: Option<String>,
    /// How the newest REGISTER ended; 408 is silence, 503 a transport that failed or a name without address.
    last_status: Option<u16>,
}

/// One address of a server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerStatus {
    host: String,
    /// Absent while the name has none.
    #[schema(value_type = Option<String>)]
    address: Option<SocketAddr>,
    transport: Option<String>,
    /// `closed`: calls go. `open`: none. `half-open`: one tries it. `unknown`: no address.
    breaker: String,
    /// Failures in a row.
    failures: u32,
    /// When an open breaker lets one try.
    until: Option<String>,
}

impl Status {
    /// Of a trunk that is disabled, and so is nowhere.
    pub(crate) fn off() -> Status {
        Status { usable: false, calls: 0, registration: None, servers: Vec::new() }
    }
}

impl From<model::TrunkStatus> for Status {
    fn from(t: model::TrunkStatus) -> Self {
        Status {
            usable: t.servers.iter().any(|s| s.breaker != "open" && s.breaker != "unknown"),
            calls: t.calls,
            registration: t.registration.map(|r| RegistrationStatus {
                state: r.state,
                until: r.until.map(rfc3339),
                last_status: r.last_status,
            }),
            servers: t.servers.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<model::TrunkServerStatus> for ServerStatus {
    fn from(s: model::TrunkServerStatus) -> Self {
        ServerStatus {
            host: s.host,
            address: s.place.map(|(_, address)| address),
            transport: s.place.map(|(transport, _)| transport.name().to_owned()),
            breaker: s.breaker,
            failures: s.failures,
            until: s.until.map(rfc3339),
        }
    }
}
