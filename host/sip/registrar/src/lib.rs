//! The registrar: bindings of addresses of record (RFC 3261 section 10), several per account.
//!
//! Floor 2. Authentication is admission's; what comes here is true. A REGISTER is carried out whole or not at all
//! (section 10.3 step 7). Every limit is of [`model::Limits`]: bindings per AOR (403), bindings in all (503), shortest
//! expiry (423 with Min-Expires); a longer expiry than the longest is shortened.
#![forbid(unsafe_code)]

mod binding;
mod request;

use binding::Held;
pub use binding::{Binding, Snapshot};
use model::{Account, AccountId, CallEvent, Flow, Instant, Limits};
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
/// `due` holds `(expires_at, account, number)` of every binding and nothing else; `count` is their number.
#[derive(Debug)]
pub struct Registrar {
    accounts: BTreeMap<AccountId, Vec<Held>>,
    due: BTreeSet<(Instant, AccountId, u64)>,
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
            events: VecDeque::new(),
            count: 0,
            next: 1,
            per_aor_max: limits.bindings_per_aor_max,
            max: limits.bindings_max,
            min_s: limits.registration_min_s,
            max_s: limits.registration_max_s,
        }
    }

    /// Carries out a REGISTER of `account` (section 10.3).
    pub fn register(&mut self, account: &Account, request: &Message, flow: &Flow, now: Instant) -> Registration {
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
        let mut fresh = 0;
        for wish in &asked {
            match held.iter().find(|h| h.is_for(&wish.binding.contact)) {
                Some(old) if old.binding.call_id == wish.binding.call_id && old.binding.cseq >= wish.binding.cseq => {
                    // A repeated REGISTER is absorbed below; this one is out of order.
                    return Registration::refused(500);
                }
                Some(_) => {}
                None if wish.expires_s == 0 => {}
                None => fresh += 1,
            }
            if wish.expires_s != 0 && wish.expires_s < self.min_s {
                return Registration {
                    headers: vec![("Min-Expires", self.min_s.to_string())],
                    ..Registration::refused(423)
                };
            }
        }
        if held.len() + fresh > self.per_aor_max {
            return Registration::refused(403);
        }
        if self.count + fresh > self.max {
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
        if flow.connection.is_none() {
            return;
        }
        let gone: Vec<(AccountId, u64)> = self
            .accounts
            .iter()
            .flat_map(|(account, held)| held.iter().map(|h| (*account, h)))
            .filter(|(_, h)| h.binding.flow.connection == flow.connection)
            .map(|(account, h)| (account, h.number))
            .collect();
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

    /// Every binding, to be kept over a restart. Those over streams are left out: the streams do not survive.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let all = self.accounts.iter().flat_map(|(account, held)| held.iter().map(|h| (*account, h.binding.clone())));
        Snapshot { bindings: all.filter(|(_, b)| b.flow.connection.is_none()).collect() }
    }

    /// Puts kept bindings back, but for those that ran out meanwhile or whose contact is registered again.
    pub fn restore(&mut self, snapshot: Snapshot, now: Instant) {
        for (account, binding) in snapshot.bindings {
            let known = self.accounts.get(&account).is_some_and(|held| held.iter().any(|h| h.is_for(&binding.contact)));
            if !known && binding.expires_at > now && self.count < self.max {
                self.insert(account, binding);
            }
        }
    }
}

#[cfg(test)]
mod tests;
