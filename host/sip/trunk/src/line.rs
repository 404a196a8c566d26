//! One line: a trunk of the directory at work.

use crate::breaker::{Breaker, Change};
use crate::caps::Caps;
use crate::register::{Identity, granted, host_text, seconds};
use crate::registration::{Next, Registration};
use crate::transact::{Cx, Place, Purpose, options, place, says_alive, values};
use crate::{Event, Figures, LookupId, Outcome, Route, choose};
use core::time::Duration;
use model::{
    Flow, IdSource, Instant, Trunk, TrunkId, TrunkRegistrationStatus, TrunkSecret, TrunkServer, TrunkServerStatus,
    TrunkStatus,
};
use sip_auth::Answers;
use sip_message::{Message, Name};
use sip_transaction::ClientKey;
use std::sync::Arc;

/// A trunk at work.
///
/// # Invariants
/// `servers` stands beside `trunk.servers`, index by index. `armed` is the deadline under which the layer holds it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) trunk: Arc<Trunk>,
    pub(crate) token: String,
    pub(crate) caps: Caps,
    servers: Vec<Server>,
    pub(crate) registering: Option<Registering>,
    pub(crate) armed: Option<Instant>,
}

/// A registration: who we are, how we answer challenges, where it stands.
#[derive(Debug)]
pub(crate) struct Registering {
    pub(crate) identity: Identity,
    pub(crate) answers: Option<Answers>,
    machine: Registration,
}

/// One server with the addresses it has now.
#[derive(Debug)]
struct Server {
    lookup: Option<LookupId>,
    /// When its name is to be looked up again; a literal is looked up once.
    look_at: Option<Instant>,
    spots: Vec<Spot>,
}

/// One address of a server.
#[derive(Debug)]
struct Spot {
    flow: Flow,
    breaker: Breaker,
    /// When the next OPTIONS leaves.
    ping_at: Option<Instant>,
    /// The OPTIONS that is out, and when its silence counts.
    ping: Option<(ClientKey, Instant)>,
}

/// Which line a call comes in by: the same for a trunk as long as its secret is, over restarts too, so that a carrier
/// never has an older contact beside a newer one; and not to be guessed without the secret.
#[must_use]
pub fn token(trunk: &Trunk) -> String {
    let secret = match trunk.credentials.as_ref().map(|c| (&c.username, &c.secret)) {
        Some((user, TrunkSecret::Password(password))) => format!("{user}:{password}"),
        Some((user, TrunkSecret::Ha1 { ha1, .. })) => format!("{user}:{}", ha1.sha256),
        None => String::new(),
    };
    let mut token = sip_auth::ha1("line", &format!("{}/{}", trunk.brand, trunk.id), &secret).sha256;
    token.truncate(24);
    token
}

impl Line {
    /// A line that begins now.
    pub(crate) fn new(trunk: Arc<Trunk>, cx: &mut Cx<'_>) -> Line {
        let servers = trunk.servers.iter().map(|_| Server { lookup: None, look_at: Some(cx.now), spots: Vec::new() });
        let mut line = Line {
            token: token(&trunk),
            caps: Caps::new(),
            servers: servers.collect(),
            registering: None,
            armed: None,
            trunk,
        };
        line.begin_registration(cx);
        line
    }

    /// Takes over changed settings. What did not change goes on: counts, breakers, a registration.
    pub(crate) fn change(&mut self, trunk: Arc<Trunk>, cx: &mut Cx<'_>) {
        let old = core::mem::replace(&mut self.trunk, trunk);
        let new = Arc::clone(&self.trunk);
        if old.servers != new.servers {
            for lookup in self.servers.iter_mut().filter_map(|s| s.lookup.take()) {
                cx.lookups.forget(lookup);
            }
            let fresh = |_: &TrunkServer| Server { lookup: None, look_at: Some(cx.now), spots: Vec::new() };
            self.servers = new.servers.iter().map(fresh).collect();
        }
        if old.ping_s != new.ping_s {
            let first = |ids: &mut IdSource| new.ping_s.map(|_| cx.now + within(cx.config.start_spread, ids));
            for spot in self.servers.iter_mut().flat_map(|s| &mut s.spots) {
                spot.ping_at = first(cx.ids);
            }
        }
        self.token = token(&new);
        let same = (&old.servers, &old.credentials, &old.registration, &old.from_domain)
            == (&new.servers, &new.credentials, &new.registration, &new.from_domain);
        if !same {
            self.begin_registration(cx);
        }
    }

    fn begin_registration(&mut self, cx: &mut Cx<'_>) {
        let identity = Identity::of(&self.trunk, cx.ids.token(26), cx.ids.token(12));
        let expires = self.trunk.registration.as_ref().map_or(0, |r| r.expires_s);
        let first = cx.now + within(cx.config.start_spread, cx.ids);
        self.registering = identity.map(|identity| Registering {
            identity,
            answers: self.trunk.credentials.as_ref().map(|c| Answers::new(c.username.clone(), c.secret.clone())),
            machine: Registration::new(expires, first),
        });
    }

    /// Its servers are looked up and asked anew.
    pub(crate) fn forget_servers(&mut self, now: Instant) {
        let fresh = |_: &TrunkServer| Server { lookup: None, look_at: Some(now), spots: Vec::new() };
        self.servers = self.trunk.servers.iter().map(fresh).collect();
    }

    /// The next moment at which the line has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let registration = self.registering.as_ref().and_then(|r| r.machine.deadline());
        let servers = self.servers.iter().flat_map(|s| {
            let looks = s.look_at.filter(|_| s.lookup.is_none());
            let pings = s.spots.iter().filter_map(|p| p.ping.map(|(_, until)| until).or(p.ping_at));
            looks.into_iter().chain(pings)
        });
        registration.into_iter().chain(servers).min()
    }

    /// Does what is due.
    pub(crate) fn act(&mut self, cx: &mut Cx<'_>) {
        self.look_up(cx);
        self.ping(cx);
        let trunk = self.trunk.id;
        let Some(registering) = &mut self.registering else { return };
        if registering.machine.lapse(cx.now) {
            cx.events.push_back(Event::Unregistered { trunk });
        }
        if registering.machine.due(cx.now) == Next::Send {
            self.send_register(cx);
        }
    }

    fn look_up(&mut self, cx: &mut Cx<'_>) {
        let trunk = self.trunk.id;
        for (server, settings) in self.servers.iter_mut().zip(&self.trunk.servers) {
            if server.lookup.is_none() && server.look_at.is_some_and(|at| at <= cx.now) {
                server.lookup = Some(cx.lookups.ask(trunk, settings));
                server.look_at = None;
            }
        }
    }

    /// A server's addresses. None, where some were known: those stay, for a name server that fails is no carrier's
    /// failure.
    pub(crate) fn looked_up(&mut self, id: LookupId, flows: &[Flow], cx: &mut Cx<'_>) {
        let pinged = self.trunk.ping_s.is_some();
        let Some((server, settings)) =
            self.servers.iter_mut().zip(&self.trunk.servers).find(|(s, _)| s.lookup == Some(id))
        else {
            return;
        };
        server.lookup = None;
        let literal = settings.host.parse::<core::net::IpAddr>().is_ok();
        server.look_at = (!literal || flows.is_empty()).then(|| cx.now + cx.config.lookup_every);
        if flows.is_empty() {
            return;
        }
        let had_none = server.spots.is_empty();
        let mut known = core::mem::take(&mut server.spots);
        for flow in flows {
            let old = known.iter().position(|s| place(&s.flow) == place(flow)).map(|at| known.remove(at));
            server.spots.push(old.unwrap_or_else(|| Spot {
                flow: *flow,
                breaker: Breaker::new(),
                ping_at: pinged.then(|| cx.now + within(cx.config.start_spread, cx.ids)),
                ping: None,
            }));
        }
        if let Some(registering) = self.registering.as_mut().filter(|r| had_none && r.machine.last_status == Some(503))
        {
            registering.machine.hurry(cx.now);
        }
    }

    fn ping(&mut self, cx: &mut Cx<'_>) {
        let Some(ping_s) = self.trunk.ping_s else { return };
        let (trunk, patience) = (self.trunk.id, self.patience());
        for (server, settings) in self.servers.iter_mut().zip(&self.trunk.servers) {
            for spot in &mut server.spots {
                if let Some((client, until)) = spot.ping
                    && until <= cx.now
                {
                    spot.ping = None;
                    cx.clients.remove(&client);
                    spot.told(trunk, false, cx);
                }
                if spot.ping.is_none() && spot.ping_at.is_some_and(|at| at <= cx.now) {
                    let request = options(settings, &spot.flow, cx.ids, &cx.config.user_agent);
                    let client = cx.tx.request(spot.flow, request, cx.now);
                    cx.clients.insert(client, Purpose::Ping(trunk, place(&spot.flow)));
                    spot.ping = Some((client, cx.now + patience));
                    spot.ping_at = Some(cx.now + about(Duration::from_secs(u64::from(ping_s)), cx.ids));
                }
            }
        }
    }

    /// An OPTIONS was answered, or failed.
    pub(crate) fn pinged(&mut self, at: Place, client: ClientKey, status: Option<u16>, cx: &mut Cx<'_>) {
        let trunk = self.trunk.id;
        let spots = self.servers.iter_mut().flat_map(|s| &mut s.spots);
        for spot in spots.filter(|s| place(&s.flow) == at && s.ping.is_some_and(|(c, _)| c == client)) {
            spot.ping = None;
            spot.told(trunk, status.is_some_and(says_alive), cx);
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(u64::from(self.trunk.answer_ms))
    }

    /// The places of a registration, in order of priority.
    fn registrars(&self) -> Vec<Flow> {
        let mut servers: Vec<_> = self.trunk.servers.iter().zip(&self.servers).collect();
        servers.sort_by_key(|(settings, _)| settings.priority);
        servers.iter().flat_map(|(_, server)| server.spots.iter().map(|spot| spot.flow)).collect()
    }

    fn send_register(&mut self, cx: &mut Cx<'_>) {
        let flows = self.registrars();
        let trunk = self.trunk.id;
        let Some(registering) = &mut self.registering else { return };
        let machine = &mut registering.machine;
        let Some(flow) = flows.get(machine.place).or(flows.first()) else { return machine.nowhere(cx.config, cx.now) };
        let expires = machine.expires_s;
        let client = registering.send(&self.token, flow, expires, cx);
        cx.clients.insert(client, Purpose::Register(trunk));
        if let Some(registering) = &mut self.registering {
            registering.machine.sent(client);
        }
    }

    /// A final answer to a REGISTER.
    pub(crate) fn register_answered(&mut self, client: ClientKey, response: &Message, flow: Flow, cx: &mut Cx<'_>) {
        let servers = self.registrars().len();
        let trunk = self.trunk.id;
        let Some(registering) = self.registering.as_mut().filter(|r| r.machine.awaits(client)) else { return };
        let status = response.status().unwrap_or_default();
        if (200..300).contains(&status) {
            let asked = registering.machine.expires_s;
            match granted(response, &self.token, asked).filter(|s| *s > 0) {
                Some(expires) => {
                    let until = registering.machine.granted(expires, flow, cx.ids, cx.now);
                    cx.events.push_back(Event::Registered { trunk, until });
                }
                None => registering.failed(trunk, 404, None, servers, cx),
            }
            return;
        }
        let again = registering.machine.may_try_again()
            && match status {
                401 | 407 => registering.learns(response),
                // Section 10.2.8: too brief.
                423 => seconds(response, Name::MinExpires)
                    .filter(|s| *s > registering.machine.expires_s)
                    .inspect(|s| registering.machine.expires_s = *s)
                    .is_some(),
                _ => false,
            };
        if again {
            return self.send_register(cx);
        }
        registering.failed(trunk, status, seconds(response, Name::RetryAfter), servers, cx);
    }

    /// A REGISTER had no answer: `status` stands for why.
    pub(crate) fn register_failed(&mut self, client: ClientKey, status: u16, cx: &mut Cx<'_>) {
        let servers = self.registrars().len();
        let trunk = self.trunk.id;
        if let Some(registering) = self.registering.as_mut().filter(|r| r.machine.awaits(client)) {
            registering.failed(trunk, status, None, servers, cx);
        }
    }

    /// Where calls go, in order, without those that are down.
    pub(crate) fn routes(&self, ids: &mut IdSource, now: Instant) -> Vec<Route> {
        let order = choose::order(&self.trunk.servers, ids);
        let pinged = self.trunk.ping_s.is_some();
        let patience = self.patience();
        let admits = |spot: &&Spot| spot.breaker.clone().admits(pinged, patience, now);
        order
            .into_iter()
            .filter_map(|at| Some((self.trunk.servers.get(at)?, self.servers.get(at)?)))
            .flat_map(|(settings, server)| {
                let port = settings.port.map(|p| format!(":{p}")).unwrap_or_default();
                let host = format!("{}{port}", host_text(&settings.host));
                let spots = server.spots.iter().filter(admits);
                spots.map(|spot| Route { flow: spot.flow, host: host.clone() }).collect::<Vec<_>>()
            })
            .collect()
    }

    /// A call is about to go by this flow; `false` where another one tries the server just now.
    pub(crate) fn tries(&mut self, flow: &Flow, now: Instant) -> bool {
        let (pinged, patience) = (self.trunk.ping_s.is_some(), self.patience());
        let spot = self.servers.iter_mut().flat_map(|s| &mut s.spots).find(|s| place(&s.flow) == place(flow));
        spot.is_some_and(|spot| spot.breaker.admits(pinged, patience, now))
    }

    /// How a call by this flow went.
    pub(crate) fn report(&mut self, flow: &Flow, outcome: Outcome, cx: &mut Cx<'_>) {
        let trunk = self.trunk.id;
        let spots = self.servers.iter_mut().flat_map(|s| &mut s.spots);
        for spot in spots.filter(|s| place(&s.flow) == place(flow)) {
            let change = spot.breaker.report(cx.config, outcome, cx.now);
            spot.say(trunk, change, cx);
        }
    }

    /// Whether requests from this address can be the carrier's own.
    pub(crate) fn speaks_from(&self, remote: core::net::IpAddr) -> bool {
        let remote = remote.to_canonical();
        self.servers.iter().flat_map(|s| &s.spots).any(|s| s.flow.remote.ip().to_canonical() == remote)
    }

    /// Whether this is the address of one of its servers.
    pub(crate) fn sends_to(&self, remote: core::net::SocketAddr) -> bool {
        self.servers.iter().flat_map(|s| &s.spots).any(|s| s.flow.remote == remote)
    }

    /// The addresses of its servers, as far as they are known.
    pub(crate) fn peers(&self) -> impl Iterator<Item = core::net::IpAddr> {
        self.servers.iter().flat_map(|s| &s.spots).map(|s| s.flow.remote.ip().to_canonical())
    }

    /// Adds this line to the figures.
    pub(crate) fn count(&self, figures: &mut Figures) {
        figures.calls += u64::from(self.caps.calls());
        match self.registering.as_ref().map(|r| r.machine.until().is_some()) {
            Some(true) => figures.registered += 1,
            Some(false) => figures.unregistered += 1,
            None => {}
        }
        for server in &self.servers {
            let up = server.spots.iter().filter(|s| s.breaker.is_closed()).count();
            figures.servers_up += up as u64;
            figures.servers_down += server.spots.len().max(1).saturating_sub(up) as u64;
        }
    }

    pub(crate) fn status(&self) -> TrunkStatus {
        let server = |(settings, server): (&TrunkServer, &Server)| -> Vec<TrunkServerStatus> {
            let unknown = TrunkServerStatus {
                host: settings.host.clone(),
                place: None,
                breaker: "unknown".to_owned(),
                failures: 0,
                until: None,
            };
            if server.spots.is_empty() {
                return vec![unknown];
            }
            let shown = |spot: &Spot| {
                let (breaker, failures, until) = spot.breaker.shown();
                let (breaker, place) = (breaker.to_owned(), Some(place(&spot.flow)));
                TrunkServerStatus { breaker, failures, until, place, ..unknown.clone() }
            };
            server.spots.iter().map(shown).collect()
        };
        TrunkStatus {
            trunk: self.trunk.id,
            calls: self.caps.calls(),
            registration: self.registering.as_ref().map(|r| TrunkRegistrationStatus {
                state: r.machine.shown().to_owned(),
                until: r.machine.until(),
                last_status: r.machine.last_status,
            }),
            servers: self.trunk.servers.iter().zip(&self.servers).flat_map(server).collect(),
        }
    }

    /// Stops: nothing of the line is waited for any more. Gives what the carrier still thinks is registered.
    pub(crate) fn stop(&mut self, cx: &mut Cx<'_>) -> Option<(Registering, Flow)> {
        for server in &mut self.servers {
            if let Some(lookup) = server.lookup.take() {
                cx.lookups.forget(lookup);
            }
            server.look_at = None;
            for spot in &mut server.spots {
                spot.ping_at = None;
                if let Some((client, _)) = spot.ping.take() {
                    cx.clients.remove(&client);
                }
            }
        }
        let registering = self.registering.take()?;
        let flow = registering.machine.until().and(registering.machine.flow)?;
        Some((registering, flow))
    }
}

impl Registering {
    /// Sends a REGISTER with the credentials that the carrier last asked for.
    pub(crate) fn send(&mut self, token: &str, flow: &Flow, expires_s: u32, cx: &mut Cx<'_>) -> ClientKey {
        let mut request = self.identity.request(token, flow, expires_s, &cx.config.user_agent);
        if let Some(answers) = &mut self.answers {
            for (name, value) in answers.sign("REGISTER", &self.identity.registrar, &cx.ids.token(16)) {
                request = request.header(name, value);
            }
        }
        cx.tx.request(*flow, request, cx.now)
    }

    /// Whether the challenge can be answered.
    pub(crate) fn learns(&mut self, response: &Message) -> bool {
        let (www, proxy) = (values(response, Name::WwwAuthenticate), values(response, Name::ProxyAuthenticate));
        let www: Vec<&str> = www.iter().map(String::as_str).collect();
        let proxy: Vec<&str> = proxy.iter().map(String::as_str).collect();
        self.answers.as_mut().is_some_and(|answers| answers.learn(&www, &proxy).is_ok())
    }

    fn failed(&mut self, trunk: TrunkId, status: u16, retry_after: Option<u32>, servers: usize, cx: &mut Cx<'_>) {
        self.machine.failed(status, retry_after, servers, (cx.config, cx.ids), cx.now);
        cx.events.push_back(Event::RegistrationFailed { trunk, status });
    }
}

impl Spot {
    fn told(&mut self, trunk: TrunkId, alive: bool, cx: &mut Cx<'_>) {
        let change = self.breaker.pinged(cx.config, alive, cx.now);
        self.say(trunk, change, cx);
    }

    fn say(&self, trunk: TrunkId, change: Option<Change>, cx: &mut Cx<'_>) {
        let flow = self.flow;
        match change {
            Some(Change::Opened) => cx.events.push_back(Event::ServerDown { trunk, flow }),
            Some(Change::Closed) => cx.events.push_back(Event::ServerUp { trunk, flow }),
            None => {}
        }
    }
}

/// A time within `spread`, drawn evenly.
fn within(spread: Duration, ids: &mut IdSource) -> Duration {
    let ms = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(u64::from(ids.u32()) % ms)
}

/// `span`, a tenth more or less.
fn about(span: Duration, ids: &mut IdSource) -> Duration {
    span * 9 / 10 + within(span / 5, ids)
}
