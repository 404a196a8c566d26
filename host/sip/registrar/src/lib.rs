//! The registrar: bindings of addresses of record (RFC 3261 section 10), several per account.
//!
//! Floor 2. Authentication is admission's; what comes here is true. A REGISTER is carried out whole or not at all
//! (section 10.3 step 7). Every limit is of [`model::Limits`]: bindings per AOR (403), bindings in all (503), shortest
//! expiry (423 with Min-Expires); a longer expiry than the longest is shortened.
#![forbid(unsafe_code)]

mod binding;
mod request;

pub use binding::{Binding, Snapshot};
use binding::{Held, same_contact};
use model::{Account, AccountId, CallEvent, ConnectionId, Flow, Instant, Limits};
use request::Wish;
use sip_message::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a REGISTER is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// 200, 400, 403, 423, 500 or 503.
    pub status: u16,
    /// Every binding of the AOR and the seconds it has left, for the Contact fields of a 200.
    pub contacts: Vec<(String, u32)>,
    /// More header fields.
    pub headers: Vec<(&'static str, String)>,
}

impl Registration {
    fn refused(status: u16) -> Registration {
        Registration { status, contacts: Vec::new(), headers: Vec::new() }
    }
}

/// All bindings of a shard.
///
/// # Invariants
/// `due` holds `(expires_at, account, number)` of every binding and nothing else; `count` is their number. `streams`
/// holds `(connection, account, number)` of every binding that has a connection, so that the end of one costs no walk.
#[derive(Debug)]
pub struct Registrar {
    accounts: BTreeMap<AccountId, Vec<Held>>,
    due: BTreeSet<(Instant, AccountId, u64)>,
    streams: BTreeSet<(ConnectionId, AccountId, u64)>,
    events: VecDeque<CallEvent>,
    count: usize,
    next: u64,
    per_aor_max: usize,
    max: usize,
    min_s: u32,
    max_s: u32,
}

impl Registrar {
    /// A registrar without bindings.
    #[must_use]
    pub fn new(limits: &Limits) -> Registrar {
        Registrar {
            accounts: BTreeMap::new(),
            due: BTreeSet::new(),
            streams: BTreeSet::new(),
            events: VecDeque::new(),
            count: 0,
            next: 1,
            per_aor_max: limits.bindings_per_aor_max,
            max: limits.bindings_max,
            min_s: limits.registration_min_s,
            max_s: limits.registration_max_s,
        }
    }

    /// Carries out a REGISTER of `account` (section 10.3). 403 if To names somebody else (step 4): an account that was
    /// admitted by its address gave no user name before.
    pub fn register(&mut self, account: &Account, request: &Message, flow: &Flow, now: Instant) -> Registration {
        // What has run out neither takes room nor keeps an order.
        self.handle_timeout(now);
        let Ok(to) = request.to() else { return Registration::refused(400) };
        if to.uri().user_unescaped().as_deref() != Some(account.username.as_str()) {
            return Registration::refused(403);
        }
        let wish = match Wish::read(request, flow) {
            Ok(wish) => wish,
            Err(status) => return Registration::refused(status),
        };
        match wish {
            Wish::Query => self.standing(account.id, now),
            Wish::RemoveAll { call_id, cseq } => self.remove_all(account.id, &call_id, cseq, now),
            Wish::Update(asked) => self.update(account.id, asked, now),
        }
    }

    /// Section 10.3 step 6: `*` with Expires 0.
    fn remove_all(&mut self, account: AccountId, call_id: &str, cseq: u32, now: Instant) -> Registration {
        let held = self.accounts.get(&account).map(Vec::as_slice).unwrap_or_default();
        if held.iter().any(|h| h.binding.call_id == call_id && h.binding.cseq >= cseq) {
            return Registration::refused(500);
        }
        let numbers: Vec<u64> = held.iter().map(|h| h.number).collect();
        for number in numbers {
            self.remove(account, number);
        }
        self.standing(account, now)
    }

    /// Section 10.3 step 7: every contact is checked before the first is changed.
    fn update(&mut self, account: AccountId, asked: Vec<request::Asked>, now: Instant) -> Registration {
        let held = self.accounts.get(&account).map(Vec::as_slice).unwrap_or_default();
        // Bounds the comparing below; no phone has so many.
        if asked.len() > self.per_aor_max.saturating_mul(2) {
            return Registration::refused(403);
        }
        let mut after: Vec<&str> = held.iter().map(|h| h.binding.contact.as_str()).collect();
        for wish in &asked {
            match held.iter().find(|h| h.is_for(&wish.binding.contact)) {
                Some(old) if old.binding.call_id == wish.binding.call_id && old.binding.cseq >= wish.binding.cseq => {
                    // A repeated REGISTER is absorbed below; this one is out of order.
                    return Registration::refused(500);
                }
                Some(_) | None => {}
            }
            let contact = wish.binding.contact.as_str();
            after.retain(|known| !same_contact(known, contact));
            if wish.expires_s != 0 {
                after.push(contact);
            }
            if wish.expires_s != 0 && wish.expires_s < self.min_s {
                return Registration {
                    headers: vec![("Min-Expires", self.min_s.to_string())],
                    ..Registration::refused(423)
                };
            }
        }
        let grows = after.len() > held.len();
        if grows && after.len() > self.per_aor_max {
            return Registration::refused(403);
        }
        if grows && self.count - held.len() + after.len() > self.max {
            return Registration { headers: vec![("Retry-After", "60".to_owned())], ..Registration::refused(503) };
        }
        for wish in asked {
            self.apply(account, wish, now);
        }
        self.standing(account, now)
    }

    fn apply(&mut self, account: AccountId, wish: request::Asked, now: Instant) {
        let held = self.accounts.get(&account).map(Vec::as_slice).unwrap_or_default();
        let old = held.iter().find(|h| h.is_for(&wish.binding.contact)).map(|h| h.number);
        if wish.expires_s == 0 {
            if let Some(number) = old {
                self.remove(account, number);
            }
            return;
        }
        if let Some(number) = old {
            self.take(account, number);
        }
        let expires_s = wish.expires_s.min(self.max_s);
        let expires_at = now + core::time::Duration::from_secs(u64::from(expires_s));
        let contact = wish.binding.contact.clone();
        self.insert(account, Binding { expires_at, ..wish.binding });
        self.events.push_back(CallEvent::Registered { account, contact, expires_s });
    }

    fn insert(&mut self, account: AccountId, binding: Binding) {
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.due.insert((binding.expires_at, account, number));
        if let Some(connection) = binding.flow.connection {
            self.streams.insert((connection, account, number));
        }
        self.accounts.entry(account).or_default().push(Held { number, binding });
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
        Some(gone.binding)
    }

    fn remove(&mut self, account: AccountId, number: u64) {
        if let Some(gone) = self.take(account, number) {
            self.events.push_back(CallEvent::Unregistered { account, contact: gone.contact });
        }
    }

    /// The 200 that lists what stands (section 10.3 step 8).
    fn standing(&self, account: AccountId, now: Instant) -> Registration {
        let left = |b: &Binding| u32::try_from(b.expires_at.since(now).as_secs()).unwrap_or(u32::MAX);
        let contacts = self.bindings(account, now).into_iter().map(|b| (b.contact.clone(), left(b))).collect();
        Registration { status: 200, contacts, headers: Vec::new() }
    }

    /// The bindings of an account that have time left: by q, then the newest first.
    #[must_use]
    pub fn bindings(&self, account: AccountId, now: Instant) -> Vec<&Binding> {
        let held = self.accounts.get(&account).map(Vec::as_slice).unwrap_or_default();
        let mut alive: Vec<&Held> = held.iter().filter(|h| h.binding.expires_at > now).collect();
        alive.sort_by_key(|h| (core::cmp::Reverse(h.binding.q), core::cmp::Reverse(h.number)));
        alive.into_iter().map(|h| &h.binding).collect()
    }

    /// A stream died: what was registered over it cannot be reached any more (RFC 5626 section 4.2).
    pub fn remove_flow(&mut self, flow: &Flow) {
        let Some(connection) = flow.connection else { return };
        let range = (connection, AccountId(i64::MIN), 0)..=(connection, AccountId(i64::MAX), u64::MAX);
        let gone: Vec<(AccountId, u64)> =
            self.streams.range(range).map(|(_, account, number)| (*account, *number)).collect();
        for (account, number) in gone {
            self.remove(account, number);
        }
    }

    /// What happened since it was asked last.
    pub fn poll_event(&mut self) -> Option<CallEvent> {
        self.events.pop_front()
    }

    /// When the next binding runs out.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// Removes the bindings that have run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, account, number)) = self.due.first() {
            if at > now {
                return;
            }
            self.remove(account, number);
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
        Snapshot { bindings: all.collect() }
    }

    /// Puts kept bindings back, but for those that ran out meanwhile, whose contact is registered again, or whose
    /// stream did not survive and cannot be opened from here.
    pub fn restore(&mut self, snapshot: Snapshot, now: Instant) {
        for (account, binding) in snapshot.bindings {
            let held = self.accounts.get(&account).map(Vec::as_slice).unwrap_or_default();
            let known = held.iter().any(|h| h.is_for(&binding.contact));
            let room = held.len() < self.per_aor_max && self.count < self.max;
            if !known
                && room
                && binding.expires_at > now
                && let Some(binding) = binding.revived()
            {
                self.insert(account, binding);
            }
        }
    }

    #[cfg(test)]
    fn is_clean(&self) -> bool {
        self.accounts.is_empty() && self.due.is_empty() && self.streams.is_empty() && self.count == 0
    }
}

#[cfg(test)]
mod rules;
#[cfg(test)]
mod tests;
