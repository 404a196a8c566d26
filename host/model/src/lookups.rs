//! The lookups of next hops that a shard waits for, whoever asked (RFC 3263).
//!
//! A machine that has a request for a name calls [`Lookups::ask`], keeps the ticket, and is given the [`Resolved`] with
//! that ticket exactly once: from the shell, from this table where no lookup is needed, or as a failure when the
//! deadline passes.

use crate::{HopTarget, Instant, Limits, ResolveFailure, ResolveQuestion, ResolveTicket, Resolved};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// # Invariants
/// A ticket is in `waiting` exactly while its `(deadline, ticket)` is in `due`; every ticket given out by `ask` leaves
/// by `poll_answer` once, or is forgotten.
#[derive(Debug)]
pub struct Lookups {
    deadline: Duration,
    waiting_max: usize,
    last: u64,
    waiting: BTreeMap<ResolveTicket, Instant>,
    due: BTreeSet<(Instant, ResolveTicket)>,
    questions: VecDeque<ResolveQuestion>,
    answers: VecDeque<Resolved>,
}

impl Lookups {
    /// An empty table with the deadline and the size of `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> Lookups {
        Lookups {
            deadline: limits.resolve_deadline(),
            waiting_max: limits.lookups_max,
            last: 0,
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            questions: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    /// Asks where `target` leads. The answer comes by [`Lookups::poll_answer`] even where it is known at once.
    pub fn ask(&mut self, target: HopTarget, now: Instant) -> ResolveTicket {
        self.last += 1;
        let ticket = ResolveTicket(self.last);
        if let Some(hop) = target.literal() {
            self.answers.push_back(Resolved { ticket, hops: hop.map(|hop| vec![hop]) });
        } else if self.waiting.len() >= self.waiting_max {
            self.answers.push_back(Resolved { ticket, hops: Err(ResolveFailure::Busy) });
        } else {
            let until = now + self.deadline;
            self.waiting.insert(ticket, until);
            self.due.insert((until, ticket));
            self.questions.push_back(ResolveQuestion { ticket, target });
        }
        ticket
    }

    /// The asker has no use for the answer any more.
    pub fn forget(&mut self, ticket: ResolveTicket) {
        if let Some(until) = self.waiting.remove(&ticket) {
            self.due.remove(&(until, ticket));
        }
        self.questions.retain(|q| q.ticket != ticket);
        self.answers.retain(|a| a.ticket != ticket);
    }

    /// The shell has the answer; `false` if nobody waits for it any more.
    pub fn handle_resolved(&mut self, resolved: Resolved) -> bool {
        let Some(until) = self.waiting.remove(&resolved.ticket) else { return false };
        self.due.remove(&(until, resolved.ticket));
        let hops =
            resolved.hops.and_then(|hops| if hops.is_empty() { Err(ResolveFailure::NoAddress) } else { Ok(hops) });
        self.answers.push_back(Resolved { hops, ..resolved });
        true
    }

    /// Lookups whose time is over have failed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, ticket)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            self.waiting.remove(&ticket);
            self.answers.push_back(Resolved { ticket, hops: Err(ResolveFailure::Late) });
        }
    }

    /// When [`Lookups::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next question for the shell.
    pub fn poll_question(&mut self) -> Option<ResolveQuestion> {
        self.questions.pop_front()
    }

    /// The next answer for whoever holds its ticket.
    pub fn poll_answer(&mut self) -> Option<Resolved> {
        self.answers.pop_front()
    }

    /// Lookups that wait for the shell.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no lookup waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NextHop, Transport};

    fn named(host: &str) -> HopTarget {
        HopTarget { host: host.to_owned(), port: None, transport: None, secure: false }
    }

    fn hop() -> NextHop {
        let address = "192.0.2.1:5060".parse().unwrap();
        NextHop { transport: Transport::Udp, address, tls_name: None }
    }

    #[test]
    fn a_name_is_asked_for_and_answered_once_and_an_address_is_not_asked_for() {
        let (mut lookups, now) = (Lookups::new(&Limits::default()), Instant::from_unix_nanos(1));
        let literal = lookups.ask(named("192.0.2.1"), now);
        assert_eq!(lookups.poll_answer(), Some(Resolved { ticket: literal, hops: Ok(vec![hop()]) }));
        assert_eq!((lookups.poll_question(), lookups.is_empty()), (None, true));

        let ticket = lookups.ask(named("a.test"), now);
        assert_eq!(lookups.poll_question().map(|q| (q.ticket, q.target)), Some((ticket, named("a.test"))));
        assert_eq!(lookups.poll_answer(), None);
        let resolved = Resolved { ticket, hops: Ok(vec![hop()]) };
        assert!(lookups.handle_resolved(resolved.clone()));
        assert_eq!(lookups.poll_answer(), Some(resolved.clone()));
        assert!(!lookups.handle_resolved(resolved), "answered twice");
        assert_eq!((lookups.poll_answer(), lookups.poll_timeout()), (None, None));
    }

    #[test]
    fn a_late_an_empty_and_a_needless_answer() {
        let limits = Limits { lookups_max: 2, ..Limits::default() };
        let (mut lookups, now) = (Lookups::new(&limits), Instant::from_unix_nanos(1));
        let (late, empty) = (lookups.ask(named("a.test"), now), lookups.ask(named("b.test"), now));
        let busy = lookups.ask(named("c.test"), now);
        assert_eq!(lookups.poll_answer(), Some(Resolved { ticket: busy, hops: Err(ResolveFailure::Busy) }));
        assert!(lookups.handle_resolved(Resolved { ticket: empty, hops: Ok(Vec::new()) }));
        assert_eq!(lookups.poll_answer().unwrap().hops, Err(ResolveFailure::NoAddress));
        assert_eq!(lookups.poll_timeout(), Some(now + limits.resolve_deadline()));
        lookups.handle_timeout(now + limits.resolve_deadline());
        assert_eq!(lookups.poll_answer(), Some(Resolved { ticket: late, hops: Err(ResolveFailure::Late) }));

        let forgotten = lookups.ask(named("d.test"), now);
        lookups.forget(forgotten);
        assert!(!lookups.handle_resolved(Resolved { ticket: forgotten, hops: Ok(vec![hop()]) }));
        assert_eq!((lookups.len(), lookups.poll_timeout(), lookups.poll_answer()), (0, None, None));
    }
}
