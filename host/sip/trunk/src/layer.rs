//! The layer: a line for each enabled trunk, found by trunk, by token and by transaction.

use crate::caps::Full;
use crate::line::{Line, Registering};
use crate::throttle::Throttles;
use crate::transact::{Cx, Lookups, Purpose, Transactions};
use crate::{Config, Event, Figures, Lookup, LookupId, Outcome, Route};
use core::net::{IpAddr, SocketAddr};
use model::{BrandId, Directory, Flow, IdSource, Instant, Trunk, TrunkId, TrunkStatus};
use sip_message::{Message, OverloadReport};
use sip_transaction::{ClientKey, Failure};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Most REGISTERs of a farewell: the first, and one with credentials.
const FAREWELL_TRIES: u8 = 2;

/// Every trunk of a shard.
///
/// # Invariants
/// - `due` holds `(line.armed, trunk)` for each line with a deadline, and nothing else.
/// - `tokens` has exactly one entry for each line.
/// - An entry of `clients` lives as long as its transaction has no final response; each farewell has one.
#[derive(Debug)]
pub struct Layer {
    config: Config,
    ids: IdSource,
    lines: BTreeMap<TrunkId, Line>,
    tokens: BTreeMap<String, TrunkId>,
    clients: BTreeMap<ClientKey, Purpose>,
    farewells: BTreeMap<ClientKey, Farewell>,
    lookups: Lookups,
    due: BTreeSet<(Instant, TrunkId)>,
    events: VecDeque<Event>,
    throttles: Throttles,
    draining: bool,
}

/// A registration that is being taken back.
#[derive(Debug)]
struct Farewell {
    registering: Registering,
    token: String,
    flow: Flow,
    tries: u8,
}

impl Layer {
    /// A layer without lines.
    #[must_use]
    pub fn new(config: Config, ids: IdSource) -> Layer {
        Layer {
            config,
            ids,
            lines: BTreeMap::new(),
            tokens: BTreeMap::new(),
            clients: BTreeMap::new(),
            farewells: BTreeMap::new(),
            lookups: Lookups::default(),
            due: BTreeSet::new(),
            events: VecDeque::new(),
            throttles: Throttles::default(),
            draining: false,
        }
    }

    /// Follows the directory: new trunks begin, changed ones change, removed or disabled ones take their registration
    /// back and are forgotten.
    pub fn apply(&mut self, tx: &mut Transactions, directory: &Directory, now: Instant) {
        if self.draining {
            return;
        }
        let shards = self.config.shards;
        let wanted = |trunk: &Trunk| trunk.enabled && shards.owns(trunk.brand);
        let gone: Vec<TrunkId> = self
            .lines
            .keys()
            .copied()
            .filter(|id| directory.trunk_by_id(*id).is_none_or(|trunk| !wanted(trunk)))
            .collect();
        for id in gone {
            self.stop(tx, id, now);
            if let Some(line) = self.lines.remove(&id) {
                self.tokens.remove(&line.token);
            }
        }
        for trunk in directory.trunks().filter(|t| wanted(t)) {
            let id = trunk.id;
            if self.lines.get(&id).is_some_and(|line| line.trunk == *trunk) {
                continue;
            }
            if self.lines.get(&id).is_some_and(|line| registers_anew(line, trunk)) {
                self.withdraw(tx, id, now);
            }
            let (lines, mut cx) = self.split(tx, now);
            match lines.get_mut(&id) {
                Some(line) => {
                    let old = line.token.clone();
                    line.change(Arc::clone(trunk), &mut cx);
                    let token = line.token.clone();
                    self.tokens.remove(&old);
                    self.tokens.insert(token, id);
                }
                None => {
                    let line = Line::new(Arc::clone(trunk), &mut cx);
                    self.tokens.insert(line.token.clone(), id);
                    self.lines.insert(id, line);
                }
            }
            self.act(tx, id, now, |_, _| {});
        }
    }

    /// Takes every registration back; no REGISTER and no OPTIONS leaves any more. Calls go on.
    pub fn drain(&mut self, tx: &mut Transactions, now: Instant) {
        self.draining = true;
        let all: Vec<TrunkId> = self.lines.keys().copied().collect();
        for id in all {
            self.stop(tx, id, now);
        }
    }

    /// Whether this transaction is ours.
    #[must_use]
    pub fn owns(&self, key: ClientKey) -> bool {
        self.clients.contains_key(&key)
    }

    /// A response to a request of ours.
    pub fn handle_response(
        &mut self,
        tx: &mut Transactions,
        key: ClientKey,
        response: &Message,
        flow: Flow,
        now: Instant,
    ) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return;
        }
        match self.clients.remove(&key) {
            Some(Purpose::Register(id)) => {
                self.act(tx, id, now, |line, cx| line.register_answered(key, response, flow, cx));
            }
            Some(Purpose::Ping(id, place)) => {
                self.act(tx, id, now, |line, cx| line.pinged(place, key, Some(status), cx));
            }
            Some(Purpose::Farewell) => self.farewell_answered(tx, key, response, now),
            None => {}
        }
    }

    /// A request of ours had no answer.
    pub fn handle_client_failed(&mut self, tx: &mut Transactions, key: ClientKey, why: Failure, now: Instant) {
        let status = match why {
            Failure::Timeout => 408,
            Failure::Transport | Failure::Withheld => 503,
        };
        match self.clients.remove(&key) {
            Some(Purpose::Register(id)) => self.act(tx, id, now, |line, cx| line.register_failed(key, status, cx)),
            Some(Purpose::Ping(id, place)) => self.act(tx, id, now, |line, cx| line.pinged(place, key, None, cx)),
            Some(Purpose::Farewell) => {
                self.farewells.remove(&key);
            }
            None => {}
        }
    }

    /// Where a server's traffic goes; none where the lookup failed.
    pub fn handle_flows(&mut self, tx: &mut Transactions, id: LookupId, flows: &[Flow], now: Instant) {
        let Some(trunk) = self.lookups.waiting.remove(&id) else { return };
        self.act(tx, trunk, now, |line, cx| line.looked_up(id, flows, cx));
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, tx: &mut Transactions, now: Instant) {
        while let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            if let Some(line) = self.lines.get_mut(&id) {
                line.armed = None;
            }
            self.act(tx, id, now, |_, _| {});
        }
    }

    /// When [`Layer::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next lookup that is wanted.
    pub fn poll_lookup(&mut self) -> Option<Lookup> {
        self.lookups.questions.pop_front()
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes a place for an outbound call; [`Layer::call_ended`] gives it back.
    ///
    /// # Errors
    /// [`Full`]: the trunk takes no more now. An unknown trunk has no places.
    pub fn call_begins(&mut self, trunk: TrunkId, now: Instant) -> Result<(), Full> {
        let line = self.lines.get_mut(&trunk).ok_or(Full::Calls)?;
        line.caps.take(line.trunk.calls_max, line.trunk.cps_max, now)
    }

    /// Takes a place for an inbound call; [`Layer::call_ended`] gives it back.
    ///
    /// # Errors
    /// [`Full`]: the trunk has as many calls as it may. An unknown trunk has no places.
    pub fn call_arrives(&mut self, trunk: TrunkId) -> Result<(), Full> {
        let line = self.lines.get_mut(&trunk).ok_or(Full::Calls)?;
        line.caps.take_inbound(line.trunk.calls_max)
    }

    /// A call of either way is over.
    pub fn call_ended(&mut self, trunk: TrunkId) {
        if let Some(line) = self.lines.get_mut(&trunk) {
            line.caps.give_back();
        }
    }

    /// The ways for a new call, in the order to try them, without those that are down. Each is to be announced by
    /// [`Layer::tries`] before its INVITE leaves, and reported by [`Layer::report`].
    pub fn routes(&mut self, trunk: TrunkId, now: Instant) -> Vec<Route> {
        self.lines.get(&trunk).map(|line| line.routes(&mut self.ids, now)).unwrap_or_default()
    }

    /// An INVITE is about to go by this flow; `false` where the server is down, or another call tries it just now.
    pub fn tries(&mut self, trunk: TrunkId, flow: &Flow, now: Instant) -> bool {
        !self.throttles.sheds(flow.remote, now) && self.lines.get_mut(&trunk).is_some_and(|line| line.tries(flow, now))
    }

    /// What the top Via of a response asks of us (RFC 7339); heard where it is a server of ours.
    pub fn handle_overload(&mut self, remote: SocketAddr, report: OverloadReport, now: Instant) {
        if self.lines.values().any(|line| line.sends_to(remote)) {
            self.throttles.note(remote, report, now);
        }
    }

    /// How an INVITE by this flow went.
    pub fn report(&mut self, tx: &mut Transactions, trunk: TrunkId, way: (&Flow, Outcome), now: Instant) {
        let (flow, outcome) = way;
        self.act(tx, trunk, now, |line, cx| line.report(flow, outcome, cx));
    }

    /// The trunk whose registered contact has this user part. Whoever hears a REGISTER knows that part, so where the
    /// trunk says from which networks its carrier calls, or has no secret (so that the part could be guessed), the call must
    /// come from there, or from one of its servers.
    #[must_use]
    pub fn line_called(&self, user: &str, remote: IpAddr) -> Option<TrunkId> {
        let id = *self.tokens.get(user)?;
        let line = self.lines.get(&id).filter(|line| line.registering.is_some())?;
        let anywhere = line.trunk.credentials.is_some() && line.trunk.sources.is_empty();
        let remote = remote.to_canonical();
        let within = || line.trunk.sources.iter().any(|source| source.network.contains(&remote));
        (anywhere || line.speaks_from(remote) || within()).then_some(id)
    }

    /// The addresses of every trunk's servers, as far as they are known, with the brand whose trunk it is; the same may
    /// come twice.
    pub fn peers(&self) -> impl Iterator<Item = (IpAddr, BrandId)> {
        self.lines.values().flat_map(|line| line.peers().map(|address| (address, line.trunk.brand)))
    }

    /// How a trunk is.
    #[must_use]
    pub fn status(&self, trunk: TrunkId) -> Option<TrunkStatus> {
        self.lines.get(&trunk).map(Line::status)
    }

    /// How every trunk is, by row.
    pub fn statuses(&self) -> impl Iterator<Item = TrunkStatus> {
        self.lines.values().map(Line::status)
    }

    /// The figures of now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut figures = Figures { shed: self.throttles.shed, ..Figures::default() };
        self.lines.values().for_each(|line| line.count(&mut figures));
        figures
    }

    /// Whether nothing is under way: no REGISTER, no OPTIONS.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.clients.is_empty() && self.farewells.is_empty() && self.events.is_empty()
    }

    fn split<'a>(&'a mut self, tx: &'a mut Transactions, now: Instant) -> (&'a mut BTreeMap<TrunkId, Line>, Cx<'a>) {
        let Layer { config, ids, lines, clients, lookups, events, .. } = self;
        (lines, Cx { config, ids, clients, lookups, events, tx, now })
    }

    /// One act on one line, then whatever is due, then its timer.
    fn act(&mut self, tx: &mut Transactions, id: TrunkId, now: Instant, act: impl FnOnce(&mut Line, &mut Cx<'_>)) {
        let draining = self.draining;
        let (lines, mut cx) = self.split(tx, now);
        let Some(line) = lines.get_mut(&id) else { return };
        act(line, &mut cx);
        if !draining {
            line.act(&mut cx);
        }
        let wanted = line.deadline().filter(|_| !draining);
        if line.armed != wanted {
            let old = core::mem::replace(&mut line.armed, wanted);
            old.map(|at| self.due.remove(&(at, id)));
            wanted.map(|at| self.due.insert((at, id)));
        }
    }

    /// Ends what a line does by itself.
    fn stop(&mut self, tx: &mut Transactions, id: TrunkId, now: Instant) {
        let (lines, mut cx) = self.split(tx, now);
        let Some(line) = lines.get_mut(&id) else { return };
        let token = line.token.clone();
        let left = line.stop(&mut cx);
        if let Some(at) = line.armed.take() {
            self.due.remove(&(at, id));
        }
        self.clients.retain(|_, purpose| *purpose != Purpose::Register(id));
        if let Some((registering, flow)) = left {
            self.events.push_back(Event::Unregistered { trunk: id });
            self.farewell(tx, Farewell { registering, token, flow, tries: 0 }, now);
        }
    }

    /// Takes the registration of a line back that is about to register otherwise.
    fn withdraw(&mut self, tx: &mut Transactions, id: TrunkId, now: Instant) {
        self.stop(tx, id, now);
        // Its servers are looked up and asked anew by the change that follows.
        if let Some(line) = self.lines.get_mut(&id) {
            line.forget_servers(now);
        }
    }

    fn farewell(&mut self, tx: &mut Transactions, mut farewell: Farewell, now: Instant) {
        farewell.tries += 1;
        let (_, mut cx) = self.split(tx, now);
        let client = farewell.registering.send(&farewell.token, &farewell.flow, 0, &mut cx);
        cx.clients.insert(client, Purpose::Farewell);
        self.farewells.insert(client, farewell);
    }

    fn farewell_answered(&mut self, tx: &mut Transactions, key: ClientKey, response: &Message, now: Instant) {
        let Some(mut farewell) = self.farewells.remove(&key) else { return };
        let challenged = matches!(response.status(), Some(401 | 407));
        if challenged && farewell.tries < FAREWELL_TRIES && farewell.registering.learns(response) {
            self.farewell(tx, farewell, now);
        }
    }
}

/// Whether the change ends the registration that stands.
fn registers_anew(line: &Line, new: &model::Trunk) -> bool {
    let old = &line.trunk;
    (&old.servers, &old.credentials, &old.registration, &old.from_domain)
        != (&new.servers, &new.credentials, &new.registration, &new.from_domain)
}
