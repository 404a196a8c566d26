//! Where a response goes (RFC 3261 section 18.2.2, RFC 3581 section 4).

use crate::Message;
use core::net::SocketAddr;
use model::Flow;

/// The flow to answer `request` on, which came on `flow`.
///
/// A stream answers on its own connection. UDP answers to the source address, at the source port if the request
/// asked for `rport`, else at the port of sent-by. `maddr` is not followed: it would let anyone aim our responses.
#[must_use]
pub fn respond_target(request: &Message, flow: &Flow) -> Flow {
    if flow.transport.is_reliable() {
        return *flow;
    }
    let port = match request.top_via() {
        Ok(via) if via.rport().is_none() => via.port().unwrap_or(5060),
        _ => flow.remote.port(),
    };
    // Port 0 cannot be sent to.
    let port = if port == 0 { flow.remote.port() } else { port };
    Flow { remote: SocketAddr::new(flow.remote.ip(), port), ..*flow }
}
