//! The notifier (RFC 6665 section 4.2): subscriptions come, are refreshed and end here.

use crate::package::Package;
use crate::resource::{Facts, Resource, ResourceKey};
use crate::subscription::{Dialog, Reason, SubKey, Subscription, Want, Watch, event_value};
use core::ops::Bound;
use core::time::Duration;
use model::{AccountId, Flow, IdSource, Instant, Limits};
use sip_message::{Message, Name, ResponseWriter};
use sip_transaction::{ClientKey, Layer, ServerKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// How long a subscriber waits who was refused for a limit, in seconds.
const RETRY_AFTER_S: u32 = 60;

/// How the notifier speaks, and its limits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Server and User-Agent; empty for none.
    pub user_agent: String,
    /// Shortest subscription, in seconds; a shorter wish is answered 423.
    pub min_s: u32,
    /// Longest subscription, in seconds; a longer wish is shortened.
    pub max_s: u32,
    /// Granted where none was asked for, in seconds.
    pub default_s: u32,
    /// Least time between two NOTIFYs of one subscription that no SUBSCRIBE asked for.
    pub gap: Duration,
    /// Most subscriptions.
    pub subscriptions_max: usize,
    /// Most subscriptions of one account.
    pub per_account_max: usize,
    /// Most subscriptions to one resource.
    pub per_resource_max: usize,
    /// Most bytes of one list's NOTIFY; what does not fit follows in the next.
    pub list_bytes_max: usize,
}

impl Config {
    /// From the switch's limits.
    #[must_use]
    pub fn new(limits: &Limits, user_agent: &str) -> Config {
        Config {
            user_agent: user_agent.to_owned(),
            min_s: limits.subscription_min_s,
            max_s: limits.subscription_max_s,
            default_s: limits.subscription_max_s.min(3_600),
            gap: Duration::from_millis(u64::from(limits.notify_gap_ms)),
            subscriptions_max: limits.subscriptions_max,
            per_account_max: limits.subscriptions_per_account_max,
            per_resource_max: limits.subscriptions_per_resource_max,
            list_bytes_max: limits.notify_list_bytes_max,
        }
    }
}

/// Totals since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Subscriptions opened, fetches included.
    pub opened: u64,
    /// SUBSCRIBEs refused for a limit.
    pub refused_by_limit: u64,
    /// NOTIFYs sent.
    pub notified: u64,
    /// Changes that joined one not yet told.
    pub coalesced: u64,
    /// Subscriptions that ended because a NOTIFY came to nothing.
    pub failed: u64,
}

/// One resource that somebody wants to watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Which.
    pub key: ResourceKey,
    /// Its URI.
    pub uri: String,
    /// What people call it; empty for nothing.
    pub name: String,
}

/// What a SUBSCRIBE is about, as the switch found it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// One resource.
    One(Member),
    /// A list, and what is in it.
    List(Member, Vec<Member>),
}

/// An admitted SUBSCRIBE outside any dialog.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The transaction to answer.
    pub server: ServerKey,
    /// Where it came from.
    pub flow: Flow,
    /// The request.
    pub request: &'a Message,
    /// Whose it is.
    pub owner: AccountId,
    /// The package.
    pub package: Package,
    /// What is to be watched.
    pub target: Target,
}

/// What the notifier wants of the switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Somebody watches a resource that nobody watched: [`Notifier::set`] or [`Notifier::lost`] must follow.
    Asked(ResourceKey),
    /// Nobody watches it any more.
    Unwatched(ResourceKey),
}

/// A request to answer.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    server: ServerKey,
    flow: Flow,
    request: &'a Message,
}

/// Every subscription of a shard.
///
/// # Invariants
/// `tags`, `per_account`, `lists` and the watchers of `resources` name exactly the subscriptions in `subs`; `clients` names
/// those with a NOTIFY in flight; one is in `due` exactly when its `armed` says so. A resource without watchers is
/// forgotten.
#[derive(Debug)]
pub struct Notifier {
    pub(crate) config: Config,
    pub(crate) ids: IdSource,
    pub(crate) subs: BTreeMap<SubKey, Subscription>,
    pub(crate) resources: BTreeMap<ResourceKey, Resource>,
    tags: BTreeMap<String, SubKey>,
    per_account: BTreeMap<AccountId, BTreeSet<SubKey>>,
    pub(crate) clients: BTreeMap<ClientKey, SubKey>,
    due: BTreeSet<(Instant, SubKey)>,
    /// Who subscribes to each list, and what was in it.
    lists: BTreeMap<ResourceKey, (BTreeSet<SubKey>, Vec<Arc<str>>)>,
    events: VecDeque<Event>,
    pub(crate) counters: Counters,
    next: u64,
}

impl Notifier {
    /// A notifier without subscriptions.
    #[must_use]
    pub fn new(config: Config, ids: IdSource) -> Notifier {
        Notifier {
            config,
            ids,
            subs: BTreeMap::new(),
            resources: BTreeMap::new(),
            tags: BTreeMap::new(),
            per_account: BTreeMap::new(),
            clients: BTreeMap::new(),
            due: BTreeSet::new(),
            lists: BTreeMap::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            next: 1,
        }
    }

    /// Answers an admitted SUBSCRIBE outside any dialog, and tells its sender the state at once. Expires 0 asks for
    /// the state only (RFC 6665 section 4.4.3).
    pub fn subscribe(&mut self, tx: &mut Layer, wish: Wish<'_>, now: Instant) {
        let Wish { server, flow, request, owner, package, target } = wish;
        let asker = Asker { server, flow, request };
        let expires_s = match self.granted(request) {
            Ok(seconds) => seconds,
            Err(()) => return self.refuse_brief(tx, asker, now),
        };
        let Some(dialog) = Dialog::of_request(request, flow, &mut self.ids) else {
            return self.respond(tx, asker, 400, &[], now);
        };
        let (list, members) = match target {
            Target::One(member) => (None, vec![member]),
            Target::List(list, members) => (Some(list), members),
        };
        if list.is_some() && !request.has_token(Name::Supported, "eventlist") {
            return self.respond(tx, asker, 421, &[("Require", "eventlist".to_owned())], now);
        }
        if !accepts(request, package, list.is_some()) {
            return self.respond(tx, asker, 406, &[("Accept", package.media_type().to_owned())], now);
        }
        self.make_room(owner, list.as_ref(), &members);
        if self.is_full(owner, &members) {
            self.counters.refused_by_limit += 1;
            return self.respond(tx, asker, 503, &[("Retry-After", RETRY_AFTER_S.to_string())], now);
        }
        let event = request.header(Name::Event).map(|v| v.text().into_owned()).unwrap_or_default();
        let mut sub = Subscription {
            owner,
            package,
            event: event_value(package, &event),
            list,
            watched: Vec::with_capacity(members.len()),
            dialog,
            version: 0,
            expires_at: now,
            not_before: now,
            patience: now + self.config.gap,
            in_flight: None,
            want: Want::Full,
            ending: (expires_s == 0).then_some(Reason::Timeout),
            told_end: false,
            armed: None,
        };
        sub.renew(expires_s, now);
        self.grant(tx, asker, &sub, expires_s, now);
        let key = SubKey(self.next);
        self.next += 1;
        self.open(key, sub, members);
        self.pump(tx, key, now);
    }

    /// Enters a subscription into every table.
    fn open(&mut self, key: SubKey, mut sub: Subscription, members: Vec<Member>) {
        self.counters.opened += 1;
        if let Some(list) = &sub.list {
            let list = self.lists.entry(list.key.clone()).or_default();
            list.0.insert(key);
            list.1 = members.iter().map(|m| Arc::clone(&m.key.user)).collect();
        }
        for member in members {
            let resource = self.resources.entry(member.key.clone()).or_insert_with(|| {
                self.events.push_back(Event::Asked(member.key.clone()));
                Resource::new(member.uri.clone())
            });
            // A list that names somebody twice shows them once.
            if resource.watchers.insert(key) {
                sub.watched.push(Watch::new(member));
            }
        }
        self.tags.insert(sub.dialog.local_tag.clone(), key);
        self.per_account.entry(sub.owner).or_default().insert(key);
        self.subs.insert(key, sub);
    }

    /// Whether a SUBSCRIBE with a To-tag is for a subscription of ours.
    #[must_use]
    pub fn knows(&self, request: &Message) -> bool {
        self.find(request).is_some()
    }

    fn find(&self, request: &Message) -> Option<SubKey> {
        let to = request.to().ok()?;
        let key = *self.tags.get(to.tag()?)?;
        self.subs.get(&key)?.matches(request).then_some(key)
    }

    /// A SUBSCRIBE within a subscription: a refresh, or its end (RFC 6665 section 4.2.1). 481 where there is none.
    pub fn refresh(&mut self, tx: &mut Layer, server: ServerKey, flow: Flow, request: &Message, now: Instant) {
        let asker = Asker { server, flow, request };
        let known = self.find(request).and_then(|key| Some((key, self.subs.get_mut(&key)?)));
        let Some((key, sub)) = known.filter(|(_, sub)| sub.ending.is_none() && sub.is_about(request)) else {
            return self.respond(tx, asker, 481, &[], now);
        };
        let cseq = request.cseq().map_or(0, |c| c.number);
        if cseq <= sub.dialog.remote_cseq {
            return self.respond(tx, asker, 500, &[], now);
        }
        sub.dialog.remote_cseq = cseq;
        let Ok(expires_s) = self.granted(request) else { return self.refuse_brief(tx, asker, now) };
        let Some(sub) = self.subs.get_mut(&key) else { return };
        sub.dialog.path.refresh(request);
        sub.dialog.path.seen(flow);
        sub.renew(expires_s, now);
        if expires_s == 0 {
            sub.ending = Some(Reason::Timeout);
        }
        if let Some(sub) = self.subs.get(&key) {
            self.grant(tx, asker, sub, expires_s, now);
        }
        self.pump(tx, key, now);
    }

    /// The facts about a resource, as they are now. Watchers are told where it is news.
    pub fn set(&mut self, tx: &mut Layer, key: &ResourceKey, facts: Facts, now: Instant) {
        let Some(resource) = self.resources.get_mut(key) else { return };
        if resource.set(facts) {
            self.changed(tx, key, now);
        }
    }

    /// A resource names nothing, or nothing any more: its subscriptions end, in lists it is shown as gone.
    pub fn lost(&mut self, tx: &mut Layer, key: &ResourceKey, now: Instant) {
        let Some(resource) = self.resources.get_mut(key) else { return };
        if !resource.lose() {
            return;
        }
        for watcher in resource.watchers.clone() {
            if let Some(sub) = self.subs.get_mut(&watcher).filter(|s| s.list.is_none()) {
                sub.ending.get_or_insert(Reason::NoResource);
            }
        }
        self.changed(tx, key, now);
    }

    fn changed(&mut self, tx: &mut Layer, key: &ResourceKey, now: Instant) {
        let watchers: Vec<SubKey> =
            self.resources.get(key).map(|r| r.watchers.iter().copied().collect()).unwrap_or_default();
        for watcher in watchers {
            if let Some(sub) = self.subs.get_mut(&watcher) {
                if sub.want == Want::Change {
                    self.counters.coalesced += 1;
                }
                sub.want = sub.want.max(Want::Change);
            }
            self.pump(tx, watcher, now);
        }
    }

    /// Ends every subscription of an account.
    pub fn end_account(&mut self, tx: &mut Layer, account: AccountId, reason: Reason, now: Instant) {
        let keys: Vec<SubKey> = self.per_account.get(&account).map(|s| s.iter().copied().collect()).unwrap_or_default();
        for key in keys {
            if let Some(sub) = self.subs.get_mut(&key) {
                sub.ending.get_or_insert(reason);
            }
            self.pump(tx, key, now);
        }
    }

    /// Whether a NOTIFY of ours is what this transaction carries.
    #[must_use]
    pub fn owns(&self, client: ClientKey) -> bool {
        self.clients.contains_key(&client)
    }

    /// The next thing wanted of the switch.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Notifier::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Ends what has run out and tells what had to wait.
    pub fn handle_timeout(&mut self, tx: &mut Layer, now: Instant) {
        while let Some(&(at, key)) = self.due.first() {
            if at > now {
                return;
            }
            self.due.pop_first();
            if let Some(sub) = self.subs.get_mut(&key) {
                sub.armed = None;
            }
            self.pump(tx, key, now);
        }
    }

    /// Ends every subscription to a list.
    pub fn end_list(&mut self, tx: &mut Layer, list: &ResourceKey, reason: Reason, now: Instant) {
        let keys: Vec<SubKey> = self.lists.get(list).map(|l| l.0.iter().copied().collect()).unwrap_or_default();
        for key in keys {
            if let Some(sub) = self.subs.get_mut(&key) {
                sub.ending.get_or_insert(reason);
            }
            self.pump(tx, key, now);
        }
    }

    /// The list after this one that is subscribed to, and what was in it.
    #[must_use]
    pub fn next_list(&self, after: Option<&ResourceKey>) -> Option<(ResourceKey, Vec<Arc<str>>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.lists.range((from, Bound::Unbounded)).next().map(|(key, list)| (key.clone(), list.1.clone()))
    }

    /// The account after this one that has subscriptions.
    #[must_use]
    pub fn next_account(&self, after: Option<AccountId>) -> Option<AccountId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.per_account.range((from, Bound::Unbounded)).next().map(|(account, _)| *account)
    }

    /// The resource after this one that is watched.
    #[must_use]
    pub fn next_resource(&self, after: Option<&ResourceKey>) -> Option<ResourceKey> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.resources.range((from, Bound::Unbounded)).next().map(|(key, _)| key.clone())
    }

    /// Subscriptions alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subs.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subs.is_empty()
            && self.resources.is_empty()
            && self.tags.is_empty()
            && self.per_account.is_empty()
            && self.clients.is_empty()
            && self.due.is_empty()
            && self.lists.is_empty()
    }

    /// The totals.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The seconds to grant; an error where the wish is too brief (RFC 6665 section 4.2.1.1).
    fn granted(&self, request: &Message) -> Result<u32, ()> {
        match request.expires() {
            None => Ok(self.config.default_s),
            Some(0) => Ok(0),
            Some(wish) if wish < self.config.min_s => Err(()),
            Some(wish) => Ok(wish.min(self.config.max_s)),
        }
    }

    fn is_full(&self, owner: AccountId, members: &[Member]) -> bool {
        let of_account = self.per_account.get(&owner).map_or(0, BTreeSet::len);
        let crowded = |member: &Member| {
            self.resources.get(&member.key).is_some_and(|r| r.watchers.len() >= self.config.per_resource_max)
        };
        self.subs.len() >= self.config.subscriptions_max
            || of_account >= self.config.per_account_max
            || members.iter().any(crowded)
    }

    /// A phone that lost its memory subscribes anew to what it watches already: where its account is at the limit, the
    /// oldest such subscription makes room.
    fn make_room(&mut self, owner: AccountId, list: Option<&Member>, members: &[Member]) {
        let Some(of_account) = self.per_account.get(&owner) else { return };
        if of_account.len() < self.config.per_account_max {
            return;
        }
        let wanted = members.first().map(|m| &m.key);
        let same = |sub: &Subscription| {
            let same_list = sub.list.as_ref().map(|l| &l.key) == list.map(|l| &l.key);
            same_list && (list.is_some() || sub.watched.first().map(|w| &w.key) == wanted)
        };
        let oldest = of_account.iter().copied().find(|key| self.subs.get(key).is_some_and(same));
        if let Some(key) = oldest {
            self.remove(key);
        }
    }

    /// The 200 to a SUBSCRIBE.
    fn grant(&self, tx: &mut Layer, asker: Asker<'_>, sub: &Subscription, expires_s: u32, now: Instant) {
        let mut writer = self
            .response(asker, 200)
            .to_tag(&sub.dialog.local_tag)
            .copy(asker.request, Name::RecordRoute)
            .header("Contact", &sub.dialog.contact)
            .header("Expires", expires_s.to_string());
        if sub.list.is_some() {
            writer = writer.header("Require", "eventlist");
        }
        // A transaction that is over needs no answer.
        let _ = tx.respond(asker.server, writer.finish(), now);
    }

    fn refuse_brief(&mut self, tx: &mut Layer, asker: Asker<'_>, now: Instant) {
        let min = self.config.min_s.to_string();
        self.respond(tx, asker, 423, &[("Min-Expires", min)], now);
    }

    fn respond(&mut self, tx: &mut Layer, asker: Asker<'_>, status: u16, headers: &[(&str, String)], now: Instant) {
        let tag = self.ids.token(12);
        let mut writer = self.response(asker, status).to_tag(&tag);
        for (name, value) in headers {
            writer = writer.header(*name, value);
        }
        // A transaction that is over needs no answer.
        let _ = tx.respond(asker.server, writer.finish(), now);
    }

    fn response(&self, asker: Asker<'_>, status: u16) -> ResponseWriter {
        let writer = ResponseWriter::to(asker.request, status, "", asker.flow.remote);
        if self.config.user_agent.is_empty() { writer } else { writer.header("Server", &self.config.user_agent) }
    }

    /// Puts a subscription's deadline into the queue.
    pub(crate) fn arm(&mut self, key: SubKey, not_before: Option<Instant>) {
        let Some(sub) = self.subs.get_mut(&key) else { return };
        let wanted = sub.deadline().map(|at| not_before.map_or(at, |floor| at.max(floor)));
        if sub.armed == wanted {
            return;
        }
        if let Some(at) = core::mem::replace(&mut sub.armed, wanted) {
            self.due.remove(&(at, key));
        }
        if let Some(at) = wanted {
            self.due.insert((at, key));
        }
    }

    /// Forgets a subscription.
    pub(crate) fn remove(&mut self, key: SubKey) {
        let Some(sub) = self.subs.remove(&key) else { return };
        self.tags.remove(&sub.dialog.local_tag);
        if let Some(at) = sub.armed {
            self.due.remove(&(at, key));
        }
        if let Some(client) = sub.in_flight {
            self.clients.remove(&client);
        }
        if let Some(of_account) = self.per_account.get_mut(&sub.owner) {
            of_account.remove(&key);
            if of_account.is_empty() {
                self.per_account.remove(&sub.owner);
            }
        }
        if let Some(list) = sub.list
            && let Some(entry) = self.lists.get_mut(&list.key)
        {
            entry.0.remove(&key);
            if entry.0.is_empty() {
                self.lists.remove(&list.key);
            }
        }
        for watch in sub.watched {
            let Some(resource) = self.resources.get_mut(&watch.key) else { continue };
            resource.watchers.remove(&key);
            if resource.watchers.is_empty() {
                self.resources.remove(&watch.key);
                self.events.push_back(Event::Unwatched(watch.key));
            }
        }
    }
}

/// Whether the subscriber takes what we would send: no Accept takes the package's own type (RFC 6665 section 3.1.3).
fn accepts(request: &Message, package: Package, list: bool) -> bool {
    let mut values = request.values(Name::Accept).map(|v| v.text().split(';').next().unwrap_or("").trim().to_owned());
    let mut any = values.by_ref().peekable();
    if any.peek().is_none() {
        return true;
    }
    let wanted = package.media_type();
    let kind = wanted.split('/').next().unwrap_or_default();
    any.any(|range| {
        range == "*/*"
            || range.eq_ignore_ascii_case(wanted)
            || range.eq_ignore_ascii_case(&format!("{kind}/*"))
            // A subscriber to a list may name the list's types only.
            || (list && range.eq_ignore_ascii_case("multipart/related"))
    })
}
