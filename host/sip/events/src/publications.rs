//! What phones publish about themselves (RFC 3903): event state with an entity tag and an end.

use crate::package::Package;
use crate::presence::Presence;
use core::time::Duration;
use model::{AccountId, IdSource, Instant, Limits};
use sip_message::{Message, Name};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The characters of an entity tag.
const TAG_LEN: usize = 16;

/// How a PUBLISH is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// 200, 400, 412, 413, 415, 423 or 503.
    pub status: u16,
    /// More header fields.
    pub headers: Vec<(&'static str, String)>,
}

impl Published {
    fn refused(status: u16) -> Published {
        Published { status, headers: Vec::new() }
    }
}

/// One publication.
#[derive(Debug)]
struct Entry {
    presence: Presence,
    expires_at: Instant,
}

/// Every publication of a shard.
///
/// # Invariants
/// `due` holds the end and tag of every publication and nothing else; `count` is their number.
#[derive(Debug)]
pub struct Publications {
    accounts: BTreeMap<AccountId, BTreeMap<(u64, String), Entry>>,
    due: BTreeSet<(Instant, AccountId, u64, String)>,
    changed: VecDeque<AccountId>,
    ids: IdSource,
    count: usize,
    next: u64,
    max: usize,
    per_account_max: usize,
    body_bytes_max: usize,
    min_s: u32,
    max_s: u32,
}

impl Publications {
    /// Without publications.
    #[must_use]
    pub fn new(limits: &Limits, ids: IdSource) -> Publications {
        Publications {
            accounts: BTreeMap::new(),
            due: BTreeSet::new(),
            changed: VecDeque::new(),
            ids,
            count: 0,
            next: 1,
            max: limits.publications_max,
            per_account_max: limits.publications_per_account_max,
            body_bytes_max: limits.publication_bytes_max,
            min_s: limits.subscription_min_s,
            max_s: limits.subscription_max_s,
        }
    }

    /// Carries out a PUBLISH of `account` for the event package presence (RFC 3903 section 6).
    pub fn publish(&mut self, account: AccountId, request: &Message, now: Instant) -> Published {
        self.handle_timeout(now);
        let expires_s = match request.expires() {
            None => self.max_s.min(3_600),
            Some(wish) if wish != 0 && wish < self.min_s => {
                return Published { status: 423, headers: vec![("Min-Expires", self.min_s.to_string())] };
            }
            Some(wish) => wish.min(self.max_s),
        };
        let body = request.body();
        if body.len() > self.body_bytes_max {
            return Published::refused(413);
        }
        let media_type = Package::Presence.media_type();
        if !body.is_empty() && !request.is_content_type(media_type) {
            return Published { status: 415, headers: vec![("Accept", media_type.to_owned())] };
        }
        let mut fresh = None;
        if !body.is_empty() {
            fresh = Presence::read(body);
            if fresh.is_none() {
                return Published::refused(400);
            }
        }
        match request.header(Name::SipIfMatch).map(|tag| tag.text().into_owned()) {
            Some(tag) => self.amend(account, &tag, fresh, expires_s, now),
            None => match fresh {
                Some(presence) => self.create(account, presence, expires_s, now),
                None => Published::refused(400),
            },
        }
    }

    fn create(&mut self, account: AccountId, presence: Presence, expires_s: u32, now: Instant) -> Published {
        let held = self.accounts.get(&account).map_or(0, BTreeMap::len);
        if expires_s != 0 && (self.count >= self.max || held >= self.per_account_max) {
            return Published { status: 503, headers: vec![("Retry-After", "60".to_owned())] };
        }
        self.changed.push_back(account);
        self.keep(account, presence, expires_s, now)
    }

    /// A refresh, a change or a removal of what `tag` names; 412 where that is nothing (section 6, step 4).
    fn amend(
        &mut self,
        account: AccountId,
        tag: &str,
        fresh: Option<Presence>,
        expires_s: u32,
        now: Instant,
    ) -> Published {
        let number =
            self.accounts.get(&account).and_then(|held| held.keys().find(|(_, t)| t == tag)).map(|(number, _)| *number);
        let Some(old) = number.and_then(|number| self.take(account, number, tag)) else {
            return Published::refused(412);
        };
        if fresh.is_some() || expires_s == 0 {
            self.changed.push_back(account);
        }
        self.keep(account, fresh.unwrap_or(old.presence), expires_s, now)
    }

    /// Enters a publication under a new tag and says so; one without time is only removed.
    fn keep(&mut self, account: AccountId, presence: Presence, expires_s: u32, now: Instant) -> Published {
        let tag = self.ids.token(TAG_LEN);
        if expires_s != 0 {
            let expires_at = now + Duration::from_secs(u64::from(expires_s));
            let number = self.next;
            self.next += 1;
            self.count += 1;
            self.due.insert((expires_at, account, number, tag.clone()));
            self.accounts.entry(account).or_default().insert((number, tag.clone()), Entry { presence, expires_at });
        }
        Published { status: 200, headers: vec![("SIP-ETag", tag), ("Expires", expires_s.to_string())] }
    }

    fn take(&mut self, account: AccountId, number: u64, tag: &str) -> Option<Entry> {
        let held = self.accounts.get_mut(&account)?;
        let gone = held.remove(&(number, tag.to_owned()))?;
        if held.is_empty() {
            self.accounts.remove(&account);
        }
        self.count -= 1;
        self.due.remove(&(gone.expires_at, account, number, tag.to_owned()));
        Some(gone)
    }

    /// What an account has published, oldest first.
    pub fn of(&self, account: AccountId) -> impl Iterator<Item = &Presence> {
        self.accounts.get(&account).into_iter().flat_map(|held| held.values().map(|e| &e.presence))
    }

    /// The next account whose publications changed.
    pub fn poll_changed(&mut self) -> Option<AccountId> {
        self.changed.pop_front()
    }

    /// When [`Publications::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// Removes what has run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, account, number, tag)) = self.due.first().filter(|(at, ..)| *at <= now).cloned() {
            self.take(account, number, &tag);
            self.changed.push_back(account);
        }
    }

    /// Publications alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
