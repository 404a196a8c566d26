//! The registrar: bindings of addresses of record (RFC 3261 section 10), several per account.
//!
//! Floor 2. Authentication is admission's; what comes here is true. A REGISTER is carried out whole or not at all
//! (section 10.3 step 7). Path (RFC 3327) and Service-Route (RFC 3608); flows of one device (RFC 5626) and its GRUUs
//! (RFC 5627); phones behind a NAT are pinged. Every limit is of [`model::Limits`] or of the company's
//! [`model::RegistrationPolicy`]: bindings per AOR (403), bindings in all (503), shortest expiry (423 with
//! Min-Expires); a longer expiry than the longest is shortened, and all by a random part, so that phones spread.
#![forbid(unsafe_code)]

mod answer;
mod binding;
mod gruu;
mod lookup;
mod nat;
mod pings;
mod request;
mod update;

pub use answer::{Listed, Registration};
pub use binding::{Binding, Instance, Snapshot};
pub use lookup::GruuTarget;
pub use pings::Ping;

use binding::Held;
use core::time::Duration;
use gruu::Gruus;
use model::{Account, AccountId, BindingGone, CallEvent, ConnectionId, Flow, IdSource, Instant, Limits};
use model::{NatPing, RegistrationPolicy};
use pings::Pings;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// User-Agents kept that may be nobody's any more.
const AGENTS_SPARE: usize = 64;

/// Whose REGISTER it is, and by which rules.
#[derive(Clone, Copy, Debug)]
pub struct Registrant<'a> {
    /// The account that was admitted.
    pub account: &'a Account,
    /// Its company's SIP domain.
    pub domain: &'a str,
    /// Its company's settings.
    pub policy: &'a RegistrationPolicy,
    /// The longest time that plugins allow, in seconds; never below the shortest of the settings.
    pub at_most_s: Option<u32>,
}

/// All bindings of a shard.
///
/// # Invariants
/// `due` holds `(expires_at, account, number)` of every binding and nothing else; `count` is their number. `streams`
/// holds `(connection, account, number)` of every binding that has a connection, so that the end of one costs no walk.
/// `pings` holds those bindings whose `ping_at` is set, at that time. `agents` holds the User-Agent of every binding, and
/// at most [`AGENTS_SPARE`] more than there are bindings.
#[derive(Debug)]
pub struct Registrar {
    accounts: BTreeMap<AccountId, Vec<Held>>,
    due: BTreeSet<(Instant, AccountId, u64)>,
    streams: BTreeSet<(ConnectionId, AccountId, u64)>,
    agents: BTreeSet<Arc<str>>,
    pings: Pings,
    events: VecDeque<CallEvent>,
    gruus: Gruus,
    ids: IdSource,
    count: usize,
    next: u64,
    limits: Limits,
}

impl Registrar {
    /// A registrar without bindings.
    #[must_use]
    pub fn new(limits: &Limits, mut ids: IdSource) -> Registrar {
        let mut secret = [0; 32];
        ids.fill(&mut secret);
        Registrar {
            accounts: BTreeMap::new(),
            due: BTreeSet::new(),
            streams: BTreeSet::new(),
            agents: BTreeSet::new(),
            pings: Pings::new(limits.nat_ping_s, limits.nat_pings_per_second_max),
            events: VecDeque::new(),
            gruus: Gruus::new(secret),
            ids,
            count: 0,
            next: 1,
            limits: limits.clone(),
        }
    }

    fn held(&self, account: AccountId) -> &[Held] {
        self.accounts.get(&account).map(Vec::as_slice).unwrap_or_default()
    }

    fn insert(&mut self, account: AccountId, mut binding: Binding, now: Instant) {
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.due.insert((binding.expires_at, account, number));
        if let Some(connection) = binding.flow.connection {
            self.streams.insert((connection, account, number));
        }
        let ping_at = (binding.ping != NatPing::Off).then(|| self.pings.first(&mut self.ids, now));
        if let Some(at) = ping_at {
            self.pings.insert(at, account, number);
        }
        match self.agents.get(&binding.user_agent) {
            Some(known) => binding.user_agent = Arc::clone(known),
            None => {
                if self.agents.len() > self.count + AGENTS_SPARE {
                    self.agents.retain(|agent| Arc::strong_count(agent) > 1);
                }
                self.agents.insert(Arc::clone(&binding.user_agent));
            }
        }
        let held = self.accounts.entry(account).or_default();
        // Most accounts have one phone: the room for four that a vector takes by itself would be most of the memory.
        held.reserve_exact(1);
        held.push(Held { number, ping_at, binding });
    }

    fn take(&mut self, account: AccountId, number: u64) -> Option<Binding> {
        let held = self.accounts.get_mut(&account)?;
        let at = held.iter().position(|h| h.number == number)?;
        let gone = held.remove(at);
        if held.is_empty() {
            self.accounts.remove(&account);
        }
        self.count -= 1;
        self.due.remove(&(gone.binding.expires_at, account, number));
        if let Some(connection) = gone.binding.flow.connection {
            self.streams.remove(&(connection, account, number));
        }
        if let Some(at) = gone.ping_at {
            self.pings.remove(at, account, number);
        }
        // The table's own and this one. Where a snapshot shares it, it stays until the table is swept.
        if Arc::strong_count(&gone.binding.user_agent) == 2 {
            self.agents.remove(&gone.binding.user_agent);
        }
        Some(gone.binding)
    }

    fn remove(&mut self, account: AccountId, number: u64, why: BindingGone) {
        if let Some(gone) = self.take(account, number) {
            self.events.push_back(CallEvent::Unregistered { account, contact: gone.contact, why });
        }
    }

    /// A stream died: what was registered over it cannot be reached any more (RFC 5626 section 4.2).
    pub fn remove_flow(&mut self, flow: &Flow) {
        let Some(connection) = flow.connection else { return };
        let range = (connection, AccountId(i64::MIN), 0)..=(connection, AccountId(i64::MAX), u64::MAX);
        let gone: Vec<(AccountId, u64)> =
            self.streams.range(range).map(|(_, account, number)| (*account, *number)).collect();
        for (account, number) in gone {
            self.remove(account, number, BindingGone::Deactivated);
        }
    }

    /// A proxy on the path says that the flow is dead: 430 (RFC 5626 section 5.3).
    pub fn flow_failed(&mut self, account: AccountId, contact: &str) {
        let number = self.held(account).iter().find(|h| h.binding.contact == contact).map(|h| h.number);
        if let Some(number) = number {
            self.remove(account, number, BindingGone::Deactivated);
        }
    }

    /// The bindings of an account that are gone and not told of yet, with the reason.
    pub fn ending(&self, account: AccountId) -> impl Iterator<Item = (String, BindingGone)> + '_ {
        self.events.iter().filter_map(move |event| {
            let CallEvent::Unregistered { account: of, contact, why } = event else { return None };
            (*of == account).then(|| (contact.clone(), *why))
        })
    }

    /// What happened since it was asked last.
    pub fn poll_event(&mut self) -> Option<CallEvent> {
        self.events.pop_front()
    }

    /// The next packet that keeps a phone reachable, if one is due.
    pub fn poll_ping(&mut self, now: Instant) -> Option<Ping> {
        loop {
            let (account, number) = self.pings.pop(now)?;
            let again = self.pings.next(now);
            let held = self.accounts.get_mut(&account).and_then(|all| all.iter_mut().find(|h| h.number == number));
            let Some(held) = held else { continue };
            held.ping_at = Some(again);
            let binding = &held.binding;
            let ping = Ping { flow: binding.flow, kind: binding.ping, contact: binding.contact.clone() };
            self.pings.insert(again, account, number);
            return Some(ping);
        }
    }

    /// When the next binding runs out or the next phone is pinged.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.due.first().map(|(at, ..)| *at);
        due.into_iter().chain(self.pings.poll_timeout()).min()
    }

    /// Removes the bindings that have run out. The pings that are due are [`Registrar::poll_ping`]'s.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, account, number)) = self.due.first() {
            if at > now {
                return;
            }
            self.remove(account, number, BindingGone::Expired);
        }
    }

    /// Bindings alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no binding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Every binding, to be shown and to be kept over a restart.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let all = self.accounts.iter().flat_map(|(account, held)| held.iter().map(|h| (*account, h.binding.clone())));
        Snapshot { bindings: all.collect(), gruu_secret: Some(self.gruus.secret()), nonce_secret: None }
    }

    /// The bindings of one account, as [`Registrar::snapshot`] has them.
    #[must_use]
    pub fn kept(&self, account: AccountId) -> Vec<Binding> {
        self.held(account).iter().map(|h| h.binding.clone()).collect()
    }

    /// Puts kept bindings back, but for those that ran out meanwhile, that were registered again, or whose stream did
    /// not survive and cannot be opened from here. Where nothing was registered yet, temporary GRUUs stay good.
    pub fn restore(&mut self, snapshot: Snapshot, now: Instant) {
        if let Some(secret) = snapshot.gruu_secret.filter(|_| self.is_empty()) {
            self.gruus = Gruus::new(secret);
        }
        for (account, binding) in snapshot.bindings {
            let held = self.held(account);
            let known = held.iter().any(|h| binding.gives_way_to(&h.binding));
            let room = held.len() < self.limits.bindings_per_aor_max && self.count < self.limits.bindings_max;
            if !known
                && room
                && binding.expires_at > now
                && let Some(binding) = binding.revived()
            {
                self.insert(account, binding, now);
            }
        }
    }

    /// What a phone is granted that asks for `asked_s`: within the bounds, and shortened by a random part of the band.
    fn grant(&mut self, policy: &RegistrationPolicy, asked_s: u32) -> Duration {
        let (min, max) = (policy.min_s(&self.limits), policy.max_s(&self.limits));
        let most = asked_s.min(max);
        let band = (u64::from(most) * u64::from(policy.spread_percent(&self.limits)) / 100)
            .min(u64::from(most.saturating_sub(min)));
        let less = u64::from(self.ids.u32()) % (band + 1);
        Duration::from_secs(u64::from(most) - less)
    }

    #[cfg(test)]
    fn is_clean(&self) -> bool {
        let tables = self.accounts.is_empty() && self.due.is_empty() && self.streams.is_empty();
        tables && self.agents.is_empty() && self.pings.is_empty() && self.count == 0
    }
}

#[cfg(test)]
mod rules;
#[cfg(test)]
mod tests;
