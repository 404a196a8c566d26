//! The table of bindings: REGISTER in, events and bindings out.

use crate::binding::{Binding, Snapshot};
use crate::change::{Change, Refused, work_out};
use model::{Account, AccountId, CallEvent, ConnectionId, Flow, Instant, Limits};
use sip_message::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Seconds after which a phone may try again when the table is full.
const RETRY_AFTER_S: u32 = 60;

/// The answer to a REGISTER.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// The status.
    pub status: u16,
    /// With 200: every binding of the account and its seconds left, in the order in which they would be tried.
    pub contacts: Vec<(String, u32)>,
    /// Further header fields: Min-Expires, Retry-After.
    pub headers: Vec<(&'static str, String)>,
}

impl Registration {
    fn refused(status: u16, headers: Vec<(&'static str, String)>) -> Registration {
        Registration { status, contacts: Vec::new(), headers }
    }
}

/// Every binding of a shard.
///
/// # Invariants
/// - `len` is the number of bindings, at most `bindings_max` except after a restore with a smaller limit.
/// - An account in `aors` has at least one binding, and its entry in `due` is at its earliest expiry.
/// - `streams` holds each pair of connection and account that a binding has.
#[derive(Debug)]
pub struct Registrar {
    limits: Limits,
    aors: BTreeMap<AccountId, Aor>,
    due: BTreeSet<(Instant, AccountId)>,
    streams: BTreeSet<(ConnectionId, AccountId)>,
    events: VecDeque<CallEvent>,
    len: usize,
}

#[derive(Debug)]
struct Aor {
    /// In the order in which they are tried.
    bindings: Vec<Binding>,
    due: Instant,
}

impl Registrar {
    /// Starts empty.
    #[must_use]
    pub fn new(limits: &Limits) -> Registrar {
        Registrar {
            limits: limits.clone(),
            aors: BTreeMap::new(),
            due: BTreeSet::new(),
            streams: BTreeSet::new(),
            events: VecDeque::new(),
            len: 0,
        }
    }

    /// Carries out an admitted REGISTER of `account` that came on `flow` (section 10.3, steps 4 to 8).
    ///
    /// 200 with every binding; 400 for what contradicts itself; 403 if To names somebody else (step 4: an account
    /// registers for itself) or the account would have too many contacts; 423 with Min-Expires; 500 for a CSeq that
    /// does not rise within a Call-ID; 503 when the table is full. Anything but 200 changes nothing.
    pub fn register(&mut self, account: &Account, request: &Message, flow: &Flow, now: Instant) -> Registration {
        self.handle_timeout(now);
        let Ok(to) = request.to() else { return Registration::refused(400, Vec::new()) };
        if to.uri().user_unescaped().as_deref() != Some(account.username.as_str()) {
            return Registration::refused(403, Vec::new());
        }
        let current = self.aors.get(&account.id).map_or(&[][..], |aor| &aor.bindings);
        let count = current.len();
        let change = match work_out(current, request, flow, &self.limits, now) {
            Ok(Some(change)) => change,
            Ok(None) => return self.granted(account.id, now),
            Err(why) => return self.refuse(why),
        };
        let after = self.len - count + change.bindings.len();
        if change.bindings.len() > count && after > self.limits.bindings_max {
            return Registration::refused(503, vec![("Retry-After", RETRY_AFTER_S.to_string())]);
        }
        self.commit(account.id, change);
        self.granted(account.id, now)
    }

    /// The bindings of an account that hold at `now`: the highest q first, then the youngest.
    #[must_use]
    pub fn bindings(&self, account: AccountId, now: Instant) -> Vec<&Binding> {
        self.aors
            .get(&account)
            .map_or_else(Vec::new, |aor| aor.bindings.iter().filter(|binding| binding.expires_at > now).collect())
    }

    /// A stream ended: what was registered on it cannot be reached. Datagram flows stay, as an ICMP error passes.
    pub fn remove_flow(&mut self, flow: &Flow) {
        let Some(connection) = flow.connection else { return };
        let range = (connection, AccountId(i64::MIN))..=(connection, AccountId(i64::MAX));
        let accounts: Vec<AccountId> = self.streams.range(range).map(|(_, account)| *account).collect();
        for account in accounts {
            self.remove_where(account, |binding| binding.flow.connection == Some(connection));
        }
    }

    /// Removes every binding of an account, as an operator may want.
    pub fn remove_account(&mut self, account: AccountId) {
        self.remove_where(account, |_| true);
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When the next binding runs out.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Removes what has run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, account)) = self.due.first().copied()
            && at <= now
        {
            self.remove_where(account, |binding| binding.expires_at <= now);
        }
    }

    /// [`CallEvent::Registered`] or [`CallEvent::Unregistered`].
    pub fn poll_event(&mut self) -> Option<CallEvent> {
        self.events.pop_front()
    }

    /// Every binding.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let bindings = self
            .aors
            .iter()
            .flat_map(|(account, aor)| aor.bindings.iter().map(|binding| (*account, binding.clone())))
            .collect();
        Snapshot { bindings }
    }

    /// Puts the bindings of an earlier run back, in place of any that the same accounts have now. Left out is what has
    /// run out, what was reachable by a lost connection only, and what is over the limits. No events: nothing changed.
    pub fn restore(&mut self, snapshot: Snapshot, now: Instant) {
        let mut by_account: BTreeMap<AccountId, Vec<Binding>> = BTreeMap::new();
        for (account, binding) in snapshot.bindings {
            if binding.expires_at > now
                && let Some(binding) = binding.revived()
            {
                by_account.entry(account).or_default().push(binding);
            }
        }
        for (account, mut bindings) in by_account {
            let room = self.limits.bindings_max.saturating_sub(self.len);
            bindings.truncate(self.limits.bindings_per_aor_max.min(room));
            self.put(account, bindings);
        }
    }

    fn refuse(&self, why: Refused) -> Registration {
        match why {
            Refused::Malformed => Registration::refused(400, Vec::new()),
            Refused::TooBrief => {
                let min_expires = self.limits.registration_min_s.to_string();
                Registration::refused(423, vec![("Min-Expires", min_expires)])
            }
            Refused::OutOfOrder => Registration::refused(500, Vec::new()),
            Refused::TooMany => Registration::refused(403, Vec::new()),
        }
    }

    /// Step 8: the 200 lists what is bound now.
    fn granted(&self, account: AccountId, now: Instant) -> Registration {
        let contacts = self.bindings(account, now);
        let contacts = contacts.into_iter().map(|b| (b.contact.clone(), b.expires_s(now))).collect();
        Registration { status: 200, contacts, headers: Vec::new() }
    }

    fn commit(&mut self, account: AccountId, change: Change) {
        self.put(account, change.bindings);
        for contact in change.unregistered {
            self.events.push_back(CallEvent::Unregistered { account, contact });
        }
        for (contact, expires_s) in change.registered {
            self.events.push_back(CallEvent::Registered { account, contact, expires_s });
        }
    }

    fn remove_where(&mut self, account: AccountId, gone: impl Fn(&Binding) -> bool) {
        let (out, stay): (Vec<Binding>, Vec<Binding>) = self.take(account).into_iter().partition(gone);
        self.put(account, stay);
        for binding in out {
            self.events.push_back(CallEvent::Unregistered { account, contact: binding.contact });
        }
    }

    /// Takes the bindings of an account out of the table and its indexes.
    fn take(&mut self, account: AccountId) -> Vec<Binding> {
        let Some(aor) = self.aors.remove(&account) else { return Vec::new() };
        self.len -= aor.bindings.len();
        self.due.remove(&(aor.due, account));
        for connection in aor.bindings.iter().filter_map(|binding| binding.flow.connection) {
            self.streams.remove(&(connection, account));
        }
        aor.bindings
    }

    /// Puts bindings in place of those an account had.
    fn put(&mut self, account: AccountId, mut bindings: Vec<Binding>) {
        self.take(account);
        bindings.sort_by_key(Binding::rank);
        let Some(due) = bindings.iter().map(|binding| binding.expires_at).min() else { return };
        self.len += bindings.len();
        self.due.insert((due, account));
        for connection in bindings.iter().filter_map(|binding| binding.flow.connection) {
            self.streams.insert((connection, account));
        }
        self.aors.insert(account, Aor { bindings, due });
    }

    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        self.aors.is_empty() && self.due.is_empty() && self.streams.is_empty() && self.len == 0
    }
}
