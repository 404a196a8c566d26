//! What both sides of the layer write to: queues upward and downward, timers, flows and figures.

use crate::config::Config;
use crate::counters::Counters;
use crate::large::Large;
use crate::timers::{Due, Key, Timers};
use crate::{ClientKey, Event, Failure, ServerKey};
use bytes::Bytes;
use core::net::SocketAddr;
use model::{Flow, IdSource, Transmit};
use sip_message::MAGIC_COOKIE;
use std::collections::{BTreeSet, VecDeque};

/// Characters of a branch after the magic cookie: 100 bits, so that nobody can guess a response into being.
const BRANCH_LEN: usize = 20;

/// The common part.
///
/// # Invariants
/// `flows` and `timers` hold entries of live transactions only; `alive` counts those.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) ids: IdSource,
    /// The To-tag of every stateless refusal, by which its ACK is known.
    pub(crate) stray_tag: String,
    pub(crate) counters: Counters,
    pub(crate) large: Large,
    pub(crate) timers: Timers,
    pub(crate) alive: usize,
    pub(crate) events: VecDeque<Event>,
    pub(crate) transmits: VecDeque<Transmit>,
    /// By [`far_end`].
    flows: BTreeSet<(u64, Key)>,
    last_key: u64,
}

impl Shared {
    pub(crate) fn new(config: Config, mut ids: IdSource) -> Self {
        Shared {
            config,
            stray_tag: ids.token(BRANCH_LEN),
            ids,
            counters: Counters::default(),
            large: Large::default(),
            timers: Timers::default(),
            alive: 0,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            flows: BTreeSet::new(),
            last_key: 0,
        }
    }

    pub(crate) fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }

    pub(crate) fn branch(&mut self) -> String {
        // Room for what a proxy adds to it.
        let mut branch = String::with_capacity(MAGIC_COOKIE.len() + BRANCH_LEN + 17);
        branch.push_str(MAGIC_COOKIE);
        self.ids.append_token(BRANCH_LEN, &mut branch);
        branch
    }

    /// A client transaction on `flow` begins.
    pub(crate) fn open_client(&mut self, flow: &Flow) -> ClientKey {
        let key = ClientKey(self.next_key());
        self.counters.clients += 1;
        self.open(Key::Client(key), flow);
        key
    }

    /// A server transaction that answers on `flow` begins.
    pub(crate) fn open_server(&mut self, flow: &Flow) -> ServerKey {
        let key = ServerKey(self.next_key());
        self.counters.servers += 1;
        self.open(Key::Server(key), flow);
        key
    }

    /// A transaction is over.
    pub(crate) fn close(&mut self, key: Key, flow: &Flow, due: &mut Due) {
        self.timers.set(key, due, None);
        self.flows.remove(&(far_end(flow), key));
        self.alive = self.alive.saturating_sub(1);
    }

    /// A transaction goes on by another flow.
    pub(crate) fn move_flow(&mut self, key: Key, from: &Flow, to: &Flow) {
        self.flows.remove(&(far_end(from), key));
        self.flows.insert((far_end(to), key));
    }

    /// The transactions that send to `flow`'s remote address, in order of their keys, and maybe some that do not:
    /// [`same_path`] tells.
    pub(crate) fn on_flow(&self, flow: &Flow) -> Vec<Key> {
        let end = far_end(flow);
        self.flows.range((end, Key::MIN)..=(end, Key::MAX)).map(|(_, key)| *key).collect()
    }

    pub(crate) fn count_failure(&mut self, why: Failure) {
        match why {
            Failure::Timeout => self.counters.timeouts += 1,
            Failure::Transport => self.counters.transport_failures += 1,
            Failure::Withheld => {}
        }
    }

    fn open(&mut self, key: Key, flow: &Flow) {
        self.alive += 1;
        self.flows.insert((far_end(flow), key));
    }

    fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        self.flows.is_empty() && self.timers.len() == 0 && self.alive == 0
    }
}

/// One number for the transport and remote address of a flow, as it is compared with each step through a tree. An IPv4
/// address has its own; IPv6 addresses may share one.
fn far_end(flow: &Flow) -> u64 {
    let transport = u64::from(flow.transport as u8);
    let port = u64::from(flow.remote.port());
    match flow.remote {
        SocketAddr::V4(v4) => (transport << 48) | (u64::from(v4.ip().to_bits()) << 16) | port,
        SocketAddr::V6(v6) => {
            let ip = v6.ip().to_bits();
            let folded = (ip as u64).rotate_left(32) ^ (ip >> 64) as u64 ^ (port << 16) ^ transport;
            folded | (1 << 63)
        }
    }
}

/// Whether a failure of `failed` means `used`. A stream fails by connection; `None` on either side means any
/// connection between the two addresses.
pub(crate) fn same_path(used: &Flow, failed: &Flow) -> bool {
    if (used.transport, used.remote) != (failed.transport, failed.remote) {
        return false;
    }
    match (used.connection, failed.connection) {
        (Some(one), Some(two)) => one == two,
        (None, _) | (_, None) => used.transport.is_reliable() || used.local == failed.local,
    }
}
