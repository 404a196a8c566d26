//! What an act works with, and the OPTIONS that asks a server whether it lives (RFC 3261 section 11.1).

use crate::register::host_text;
use crate::{Config, Event, Lookup, LookupId};
use core::net::SocketAddr;
use model::{Flow, IdSource, Instant, Transport, TrunkId, TrunkServer};
use sip_message::{Message, Method, Name, RequestWriter};
use sip_transaction::ClientKey;
use std::collections::{BTreeMap, VecDeque};

/// The layer below, lent for every act.
pub(crate) type Transactions = sip_transaction::Layer;

/// A way to a server, whoever listens at our end.
pub(crate) type Place = (Transport, SocketAddr);

/// What a client transaction of ours is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// A line's registration.
    Register(TrunkId),
    /// A server's health.
    Ping(TrunkId, Place),
    /// A registration that is being taken back.
    Farewell,
}

/// What an act works with beside its own line.
pub(crate) struct Cx<'a> {
    pub(crate) config: &'a Config,
    pub(crate) ids: &'a mut IdSource,
    pub(crate) clients: &'a mut BTreeMap<ClientKey, Purpose>,
    pub(crate) lookups: &'a mut Lookups,
    pub(crate) events: &'a mut VecDeque<Event>,
    pub(crate) tx: &'a mut Transactions,
    pub(crate) now: Instant,
}

/// The lookups under way.
///
/// # Invariants
/// `waiting` holds each lookup that was asked and not answered.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    last: u64,
    pub(crate) questions: VecDeque<Lookup>,
    pub(crate) waiting: BTreeMap<LookupId, TrunkId>,
}

impl Lookups {
    /// Asks where a server's traffic goes.
    pub(crate) fn ask(&mut self, trunk: TrunkId, server: &TrunkServer) -> LookupId {
        self.last += 1;
        let id = LookupId(self.last);
        self.waiting.insert(id, trunk);
        self.questions.push_back(Lookup { id, server: server.clone() });
        id
    }

    /// The asker is gone.
    pub(crate) fn forget(&mut self, id: LookupId) {
        self.waiting.remove(&id);
        self.questions.retain(|q| q.id != id);
    }
}

/// The place of a flow.
pub(crate) fn place(flow: &Flow) -> Place {
    (flow.transport, flow.remote)
}

/// An OPTIONS to a server, outside any dialog.
pub(crate) fn options(server: &TrunkServer, flow: &Flow, ids: &mut IdSource, user_agent: &str) -> RequestWriter {
    let host = host_text(&server.host);
    let request = RequestWriter::new(Method::Options.as_str(), &format!("sip:{host}"))
        .header("Max-Forwards", "70")
        .header("From", format!("<sip:ping@{}>;tag={}", flow.local, ids.token(12)))
        .header("To", format!("<sip:{host}>"))
        .header("Call-ID", ids.token(26))
        .header("CSeq", "1 OPTIONS")
        .header("Contact", format!("<sip:{}>", flow.local))
        .header("Accept", "application/sdp");
    if user_agent.is_empty() { request } else { request.header("User-Agent", user_agent) }
}

/// Whether this answer to an OPTIONS says that calls may go: any but those that say the server cannot serve. One that
/// does not know OPTIONS, or wants credentials for it, lives all the same.
pub(crate) fn says_alive(status: u16) -> bool {
    !matches!(status, 408 | 500 | 502 | 503 | 504)
}

/// The values of a header, as text.
pub(crate) fn values(message: &Message, name: Name<'_>) -> Vec<String> {
    message.headers(name).map(|value| value.text().into_owned()).collect()
}
