//! What watchers are told, and from what: the facts of accounts, taken from the machines they live in.

use crate::core::Core;
use crate::events::{lock_watched, named, uri_of};
use call::{LegPhase, LegView};
use core::time::Duration;
use model::{AccountId, CallEvent, Instant, LegRole, Mailbox};
use sip_events::dialog_info::{Dialog, Direction, Party, Phase};
use sip_events::presence::Presence;
use sip_events::reg_info::Contact;
use sip_events::summary::Summary;
use sip_events::{Event, Facts, Package, Reason, ResourceKey};

/// Accounts or resources looked at in one go after the directory changed.
const SWEEP_STEP: usize = 256;
/// Between two such goes, so that calls come between.
const SWEEP_GAP: Duration = Duration::from_millis(5);

/// The look at everything that follows a new directory. Directories may come faster than it ends: one that comes meanwhile
/// has it go round once more, so that whatever has changed is looked at within two rounds.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    /// Where it goes on, and when.
    next: Option<(Instant, Sweep)>,
    again: bool,
}

impl Sweeps {
    /// When it goes on.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next.as_ref().map(|(at, _)| *at)
    }

    fn ask(&mut self, now: Instant) {
        if self.next.is_some() {
            self.again = true;
        } else {
            self.next = Some((now, Sweep::Accounts(None)));
        }
    }

    fn take_due(&mut self, now: Instant) -> Option<Sweep> {
        self.next.take_if(|(at, _)| *at <= now).map(|(_, sweep)| sweep)
    }

    /// After a part: the next one, or the end of the round.
    fn done(&mut self, next: Option<Sweep>, now: Instant) {
        let round = || core::mem::take(&mut self.again).then_some(Sweep::Accounts(None));
        self.next = next.or_else(round).map(|next| (now + SWEEP_GAP, next));
    }
}

/// How far a round has come.
#[derive(Clone, Debug)]
pub(crate) enum Sweep {
    /// Whose subscribers are there still?
    Accounts(Option<AccountId>),
    /// Who is in each list now?
    Lists(Option<ResourceKey>),
    /// What does each watched name stand for now?
    Resources(Option<ResourceKey>),
}

impl Core {
    /// One thing that watchers may have to hear of; `false` where there is none.
    pub(crate) fn rise_events(&mut self, now: Instant) -> bool {
        if let Some(account) = self.calls.poll_legs_changed() {
            self.tell(account, &[Package::Dialog, Package::Presence], now);
        } else if let Some(account) = self.events.publications.poll_changed() {
            self.tell(account, &[Package::Presence], now);
        } else if let Some(event) = self.events.notifier.poll_event() {
            match event {
                Event::Asked(key) => self.tell_of(&key, now),
                Event::Unwatched(key) => self.events.note(&key, None),
            }
        } else {
            return false;
        }
        true
    }

    /// The registrar reported.
    pub(crate) fn bindings_changed(&mut self, event: &CallEvent, now: Instant) {
        let (CallEvent::Registered { account, .. } | CallEvent::Unregistered { account, .. }) = event else { return };
        if let CallEvent::Unregistered { contact, why, .. } = event {
            self.events.ended = Some((contact.clone(), *why));
        }
        self.tell(*account, &[Package::Reg, Package::Presence], now);
        self.events.ended = None;
        if let CallEvent::Registered { account, contact, .. } = event
            && self.events.mailboxes.get(account).is_some_and(Summary::is_waiting)
        {
            self.light(*account, Some(contact), now);
        }
    }

    /// The messages of a mailbox have changed.
    pub(crate) fn mailbox(&mut self, mailbox: &Mailbox, now: Instant) {
        let Some(account) = self.directory.account(mailbox.company, &mailbox.account).map(|a| a.id) else { return };
        if !self.is_at_home(mailbox.company) {
            return;
        }
        let summary = Summary { voice: mailbox.voice, fax: mailbox.fax };
        let desk = &mut self.events;
        if summary == Summary::default() {
            desk.mailboxes.remove(&account);
        } else if desk.mailboxes.len() < self.setup.limits.mailboxes_max || desk.mailboxes.contains_key(&account) {
            desk.mailboxes.insert(account, summary);
        }
        self.tell(account, &[Package::MessageSummary], now);
        self.light(account, None, now);
    }

    /// Tells phones of an account of its mailbox, or the one at `contact`, where that is wanted without a subscription
    /// and there is none.
    fn light(&mut self, account: AccountId, contact: Option<&str>, now: Instant) {
        let desk = &self.events;
        let watched = desk.by_account.get(&account);
        if !desk.unsolicited || watched.is_some_and(|keys| keys.iter().any(|k| k.package == Package::MessageSummary)) {
            return;
        }
        let summary = desk.mailboxes.get(&account).copied().unwrap_or_default();
        let Some(account) = self.directory.account_by_id(account) else { return };
        let Some(company) = self.directory.company(account.company) else { return };
        let aor = uri_of(&account.username, &company.domain);
        for place in self.places(account.id, now) {
            if contact.is_none_or(|only| only == place.uri) {
                let ids = (self.ids.token(26), self.ids.token(20));
                let notify = sip_events::summary_notify(&aor, &place, &summary, (&ids.0, &ids.1), &self.server_name);
                self.transactions.request(place.flow, notify, now);
            }
        }
    }

    /// Computes anew what is watched of an account in these packages.
    fn tell(&mut self, account: AccountId, packages: &[Package], now: Instant) {
        let keys = self.events.by_account.get(&account).into_iter().flatten();
        let keys: Vec<ResourceKey> = keys.filter(|k| packages.contains(&k.package)).cloned().collect();
        for key in keys {
            self.tell_of(&key, now);
        }
    }

    /// Computes one watched resource anew.
    fn tell_of(&mut self, key: &ResourceKey, now: Instant) {
        let account = named(&self.directory, key.company, &key.user);
        self.events.note(key, account);
        let lock = lock_watched(&self.directory, key.company, &key.user).filter(|_| key.package == Package::Dialog);
        let facts = match lock {
            Some(lock) => Some(Facts::Dialogs((!lock.open).then(|| closed(&key.user)).into_iter().collect())),
            None => account.and_then(|account| self.facts(key, account, now)),
        };
        let (notifier, below) = (&mut self.events.notifier, &mut self.transactions);
        match facts {
            Some(facts) => notifier.set(below, key, facts, now),
            None => notifier.lost(below, key, now),
        }
    }

    fn facts(&self, key: &ResourceKey, account: AccountId, now: Instant) -> Option<Facts> {
        let legs = || self.calls.legs_of(account);
        Some(match key.package {
            Package::Dialog => {
                let domain = &self.directory.company(key.company)?.domain;
                Facts::Dialogs(legs().map(|leg| dialog(leg, domain)).collect())
            }
            Package::MessageSummary => Facts::Summary(self.events.mailboxes.get(&account).copied().unwrap_or_default()),
            Package::Reg => {
                let who = self.directory.account_by_id(account)?;
                let domain = &self.directory.company(key.company)?.domain;
                let contact = |b: &registrar::Binding| Contact {
                    uri: b.contact.clone(),
                    q: b.q,
                    instance: b.instance.as_ref().map(|i| i.urn.clone()),
                    gruu: b.public_gruu(&who.username, domain),
                };
                let standing = self.registrar.bindings(account, now).into_iter().map(contact).collect();
                // Several that end at once are gone together, and told of one after the other.
                let ended = self.events.ended.iter().cloned().chain(self.registrar.ending(account));
                Facts::Contacts(standing, ended.collect())
            }
            Package::Presence => {
                let bound = !self.places(account, now).is_empty();
                let talks = legs().any(|leg| leg.phase == LegPhase::Confirmed);
                Facts::Presence(Presence::composed(self.events.publications.of(account), bound, talks))
            }
        })
    }

    /// A new directory: what it means for subscribers, lists and names is looked at bit by bit.
    pub(crate) fn directory_changed(&mut self, now: Instant) {
        if self.events.notifier.is_empty() {
            self.events.sweeps = Sweeps::default();
        } else {
            self.events.sweeps.ask(now);
        }
    }

    /// Some more of what a new directory may have changed.
    pub(crate) fn sweep_events(&mut self, now: Instant) {
        let Some(sweep) = self.events.sweeps.take_due(now) else { return };
        let next = match sweep {
            Sweep::Accounts(after) => self.sweep_accounts(after, now),
            Sweep::Lists(after) => self.sweep_lists(after, now),
            Sweep::Resources(after) => self.sweep_resources(after, now),
        };
        self.events.sweeps.done(next, now);
    }

    fn sweep_accounts(&mut self, mut after: Option<AccountId>, now: Instant) -> Option<Sweep> {
        for _ in 0..SWEEP_STEP {
            let Some(account) = self.events.notifier.next_account(after) else { return Some(Sweep::Lists(None)) };
            if self.directory.account_by_id(account).is_none_or(|a| !a.enabled) {
                self.events.notifier.end_account(&mut self.transactions, account, Reason::Rejected, now);
            }
            after = Some(account);
        }
        Some(Sweep::Accounts(after))
    }

    /// Who subscribed to a list that changed is asked to subscribe anew.
    fn sweep_lists(&mut self, mut after: Option<ResourceKey>, now: Instant) -> Option<Sweep> {
        for _ in 0..SWEEP_STEP {
            let Some((list, was)) = self.events.notifier.next_list(after.as_ref()) else {
                return Some(Sweep::Resources(None));
            };
            let members = self.listed(list.company, &list.user).unwrap_or_default();
            if members.iter().map(String::as_str).ne(was.iter().map(|name| &**name)) {
                self.events.notifier.end_list(&mut self.transactions, &list, Reason::Deactivated, now);
            }
            after = Some(list);
        }
        Some(Sweep::Lists(after))
    }

    fn sweep_resources(&mut self, mut after: Option<ResourceKey>, now: Instant) -> Option<Sweep> {
        for _ in 0..SWEEP_STEP {
            let key = self.events.notifier.next_resource(after.as_ref())?;
            self.tell_of(&key, now);
            after = Some(key);
        }
        Some(Sweep::Resources(after))
    }
}

/// What a lamp shows of a lock that is closed: a call that lasts as long as it is.
fn closed(user: &str) -> Dialog {
    Dialog {
        id: format!("lock-{user}"),
        call_id: format!("lock-{user}"),
        local_tag: None,
        remote_tag: None,
        direction: Direction::Recipient,
        phase: Phase::Confirmed,
        held: false,
        remote: None,
    }
}

/// A leg as a dialog of its party.
fn dialog(leg: LegView, domain: &str) -> Dialog {
    Dialog {
        id: format!("{}-{}", leg.call, leg.leg),
        call_id: leg.alias.call_id,
        local_tag: Some(leg.alias.party_tag),
        remote_tag: Some(leg.alias.our_tag),
        direction: match leg.role {
            LegRole::Caller => Direction::Initiator,
            LegRole::Callee => Direction::Recipient,
        },
        phase: match leg.phase {
            LegPhase::Trying => Phase::Trying,
            LegPhase::Early => Phase::Early,
            LegPhase::Confirmed => Phase::Confirmed,
        },
        held: leg.held,
        remote: (!leg.private).then(|| Party { uri: uri_of(&leg.peer, domain), display: leg.peer_name }),
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountId, Duration, Instant, Sweep, Sweeps};

    #[test]
    fn a_round_ends_although_directories_come_all_the_time_and_another_follows() {
        let (mut sweeps, mut now) = (Sweeps::default(), Instant::from_unix_nanos(1));
        let mut seen = Vec::new();
        // A new directory each millisecond; a round has seven parts.
        for turn in 0..100_i64 {
            now = now + Duration::from_millis(1);
            sweeps.ask(now);
            let Some(sweep) = sweeps.take_due(now) else { continue };
            let next = match sweep {
                Sweep::Accounts(None) => Some(Sweep::Accounts(Some(AccountId(1)))),
                Sweep::Accounts(Some(AccountId(5))) => Some(Sweep::Lists(None)),
                Sweep::Accounts(Some(AccountId(at))) => Some(Sweep::Accounts(Some(AccountId(at + 1)))),
                Sweep::Lists(_) | Sweep::Resources(_) => None,
            };
            if next.is_none() {
                seen.push(turn);
            }
            sweeps.done(next, now);
        }
        assert!(seen.len() >= 2, "rounds that ended: {seen:?}");
        // The last directory has its round, and then nothing is due.
        for _ in 0..50 {
            now = now + Duration::from_millis(5);
            if sweeps.take_due(now).is_some() {
                sweeps.done(None, now);
            }
        }
        assert_eq!(sweeps.poll_timeout(), None);
    }
}
