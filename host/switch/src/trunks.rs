//! Trunks in the shard: the directory's changes, the next hops, the carriers' calls, and how each trunk is.

use crate::core::Core;
use crate::io::Output;
use admission::AdmittedTrunk;
use call::{Arrival, FromTrunk};
use model::{
    CallEvent, CompanyKind, Flow, HopTarget, Instant, ResolveTicket, Resolved, Trunk, TrunkChange, TrunkId, TrunkStatus,
};
use sip_dialog::IdentityKey;
use sip_message::Message;
use sip_transaction::ServerKey;
use sip_trunk::{Event, LookupId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The trunks of a shard, and what the shard keeps beside them.
///
/// # Invariants
/// `tickets` holds each lookup of the layer that is under way.
#[derive(Debug)]
pub(crate) struct Trunks {
    pub(crate) layer: sip_trunk::Layer,
    tickets: BTreeMap<ResolveTicket, LookupId>,
    identities: BTreeSet<TrunkId>,
    /// The first directory was not looked at yet: the shard begins without the time.
    unseen: bool,
}

impl Trunks {
    pub(crate) fn new(layer: sip_trunk::Layer, directory: &model::Directory) -> Trunks {
        let unseen = directory.trunks().next().is_some();
        Trunks { layer, tickets: BTreeMap::new(), identities: BTreeSet::new(), unseen }
    }

    /// When the trunks have something to do: at once, where the first directory has some.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.unseen { Some(Instant::from_unix_nanos(0)) } else { self.layer.poll_timeout() }
    }
}

impl Core {
    /// The directory is new, but most changes are not about trunks: then nothing is looked at.
    pub(crate) fn follow_trunks(&mut self, before: &model::Directory, now: Instant) {
        if self.trunks.unseen || !self.directory.shares_trunks(before) {
            self.apply_trunks(now);
        }
    }

    /// The directory is new: trunks begin, change and end, and so do the identities their INVITEs answer with.
    pub(crate) fn apply_trunks(&mut self, now: Instant) {
        self.trunks.unseen = false;
        self.others.learn_lines(&self.directory);
        self.trunks.layer.apply(&mut self.transactions, &self.directory, now);
        let mut known = core::mem::take(&mut self.trunks.identities);
        let shards = self.others.shards();
        for trunk in self.directory.trunks().filter(|trunk| shards.owns(trunk.brand)) {
            let who = trunk.credentials.as_ref().map(|c| (c.username.as_str(), &c.secret));
            if who.is_some() || known.contains(&trunk.id) {
                self.dialogs.set_identity(IdentityKey(trunk.id.0), who);
            }
            known.remove(&trunk.id);
            if who.is_some() {
                self.trunks.identities.insert(trunk.id);
            }
        }
        for gone in known {
            self.dialogs.set_identity(IdentityKey(gone.0), None);
        }
        self.peers_changed();
    }

    /// The trunks' deadlines.
    pub(crate) fn time_trunks(&mut self, now: Instant) {
        if self.trunks.unseen {
            self.apply_trunks(now);
        }
        self.trunks.layer.handle_timeout(&mut self.transactions, now);
    }

    /// One thing that the trunks want; `false` where there is none.
    pub(crate) fn rise_trunks(&mut self, now: Instant) -> bool {
        if let Some(lookup) = self.trunks.layer.poll_lookup() {
            let server = lookup.server;
            let target = HopTarget { host: server.host, port: server.port, transport: server.transport, secure: false };
            let ticket = self.lookups.ask(target, now);
            self.trunks.tickets.insert(ticket, lookup.id);
            return true;
        }
        let Some(event) = self.trunks.layer.poll_event() else { return false };
        let (trunk, change) = match event {
            Event::Registered { trunk, until } => (trunk, TrunkChange::Registered { until }),
            Event::RegistrationFailed { trunk, status } => (trunk, TrunkChange::RegistrationFailed { status }),
            Event::Unregistered { trunk } => (trunk, TrunkChange::Unregistered),
            Event::ServerDown { trunk, flow } => (trunk, TrunkChange::ServerDown { address: flow.remote }),
            Event::ServerUp { trunk, flow } => (trunk, TrunkChange::ServerUp { address: flow.remote }),
        };
        self.emit(Output::Event(CallEvent::Trunk { trunk, change }));
        true
    }

    /// Whether this answer is a trunk's.
    pub(crate) fn resolved_for_trunk(&mut self, resolved: &Resolved, now: Instant) -> bool {
        let Some(id) = self.trunks.tickets.remove(&resolved.ticket) else { return false };
        let hops = resolved.hops.as_deref().unwrap_or_default();
        let flows: Vec<Flow> = hops.iter().filter_map(|hop| self.setup.flow_for(hop)).collect();
        self.trunks.layer.handle_flows(&mut self.transactions, id, &flows, now);
        self.peers_changed();
        true
    }

    /// Takes an INVITE that came by a trunk; `false` where it came from elsewhere.
    pub(crate) fn invite_from_trunk(&mut self, key: ServerKey, flow: &Flow, request: &Message, now: Instant) -> bool {
        let Some((trunks, by_line)) = self.trunks_of(flow, request) else { return false };
        match self.doorkeeper.admit_trunk(&self.directory, &trunks, request, by_line) {
            // Carriers that are clients call out and are called by nobody.
            Ok(admitted) if admitted.company().kind == CompanyKind::Wholesale => {
                self.answer(key, flow, request, 501, &[], now);
            }
            Ok(admitted) => self.open_from_trunk(key, *flow, request, &admitted, now),
            Err(status) => self.answer(key, flow, request, status, &[], now),
        }
        true
    }

    fn open_from_trunk(
        &mut self,
        key: ServerKey,
        flow: Flow,
        request: &Message,
        admitted: &AdmittedTrunk,
        now: Instant,
    ) {
        self.counters.astray += u64::from(!self.others.shards().owns(admitted.company().brand));
        let arrival = Arrival {
            key,
            flow,
            request: request.clone(),
            company: Arc::clone(admitted.company()),
            brand_name: admitted.brand_name().to_owned(),
            account: None,
            trunk: Some(FromTrunk {
                trunk: Arc::clone(admitted.trunk()),
                caller: admitted.caller().clone(),
                number: admitted.caller_number().map(str::to_owned),
            }),
            caller_user: admitted.caller().user.clone(),
            presents_own: false,
            verified: "trunk",
            callee_user: admitted.number().to_owned(),
            gruu: None,
            id: None,
            edge: None,
            refused: None,
        };
        self.arrive(arrival, now);
    }

    /// The trunks a request may have come by: the one whose line token is called, else those of its source address. An
    /// account's own address goes before a carrier's network.
    fn trunks_of(&self, flow: &Flow, request: &Message) -> Option<(Vec<Arc<Trunk>>, bool)> {
        let called = request.request_uri().and_then(|uri| uri.user());
        if let Some(id) = called.and_then(|user| self.trunks.layer.line_called(user, flow.remote.ip())) {
            return Some((vec![Arc::clone(self.directory.trunk_by_id(id)?)], true));
        }
        let trunks = self.directory.trunks_at(flow.remote.ip(), flow.local);
        if trunks.is_empty() || self.directory.account_by_address(flow.remote).is_some() {
            return None;
        }
        Some((trunks, false))
    }

    /// How every trunk is, by row.
    pub fn trunks(&self) -> impl Iterator<Item = TrunkStatus> {
        self.trunks.layer.statuses()
    }
}
