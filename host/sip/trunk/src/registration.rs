//! When to send the next REGISTER: the machine of one registration, without its messages (RFC 3261 section 10.2,
//! RFC 5626 section 4.5 for the waits after a failure).

use crate::Config;
use core::time::Duration;
use model::{Flow, IdSource, Instant};
use sip_transaction::ClientKey;

/// Most REGISTERs in one go: the first, the answer to a challenge, one more for a stale nonce, one for 423.
const TRIES_MAX: u8 = 4;

/// Where a registration stands.
///
/// # Invariants
/// Exactly one of `sent` and `next` is set; `until` lies behind us only until the next timeout.
#[derive(Debug)]
pub(crate) struct Registration {
    sent: Option<Sent>,
    next: Option<Instant>,
    until: Option<Instant>,
    /// Rounds over all servers that failed, in a row.
    failures: u32,
    /// Which server is asked, of those there are.
    pub(crate) place: usize,
    /// What is asked for.
    pub(crate) expires_s: u32,
    /// How the newest REGISTER ended.
    pub(crate) last_status: Option<u16>,
    /// Where the registration stands, for the OPTIONS and INVITEs that it stands for.
    pub(crate) flow: Option<Flow>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    client: ClientKey,
    tries: u8,
}

/// What to do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Send a REGISTER.
    Send,
    /// Nothing but wait.
    Wait,
}

impl Registration {
    /// Begins at `first`.
    pub(crate) fn new(expires_s: u32, first: Instant) -> Registration {
        Registration {
            sent: None,
            next: Some(first),
            until: None,
            failures: 0,
            place: 0,
            expires_s,
            last_status: None,
            flow: None,
        }
    }

    /// The next moment at which something is to be done.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.next, self.until].into_iter().flatten().min()
    }

    /// Until when the carrier sends calls.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether this REGISTER is the one that is waited for.
    pub(crate) fn awaits(&self, client: ClientKey) -> bool {
        self.sent.is_some_and(|s| s.client == client)
    }

    /// The word for the operator.
    pub(crate) fn shown(&self) -> &'static str {
        match (self.until, self.sent, self.failures) {
            (Some(_), _, _) => "registered",
            (None, Some(_), _) => "registering",
            (None, None, 0) => "waiting",
            (None, None, _) => "failed",
        }
    }

    /// Whether the registration has run out just now.
    pub(crate) fn lapse(&mut self, now: Instant) -> bool {
        let over = self.until.is_some_and(|until| until <= now);
        if over {
            self.until = None;
        }
        over
    }

    /// Whether a REGISTER is due.
    pub(crate) fn due(&self, now: Instant) -> Next {
        if self.next.is_some_and(|at| at <= now) { Next::Send } else { Next::Wait }
    }

    /// Lets the next REGISTER leave at once, if none is under way.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if self.sent.is_none() {
            self.next = Some(now);
        }
    }

    /// There is no server to send to: looks again later.
    pub(crate) fn nowhere(&mut self, config: &Config, now: Instant) {
        self.last_status = Some(503);
        self.next = Some(now + config.retry_min);
    }

    /// A REGISTER has left.
    pub(crate) fn sent(&mut self, client: ClientKey) {
        let tries = self.sent.map_or(1, |s| s.tries.saturating_add(1));
        self.sent = Some(Sent { client, tries });
        self.next = None;
    }

    /// Whether it may be sent once more in this go: with credentials, or for another time.
    pub(crate) fn may_try_again(&self) -> bool {
        self.sent.is_some_and(|s| s.tries < TRIES_MAX)
    }

    /// The carrier granted it for `expires_s`; gives its end. It is renewed after 70 to 90 % of the time.
    pub(crate) fn granted(&mut self, expires_s: u32, flow: Flow, ids: &mut IdSource, now: Instant) -> Instant {
        self.sent = None;
        self.failures = 0;
        self.last_status = Some(200);
        self.flow = Some(flow);
        let granted_ms = u64::from(expires_s.max(1)) * 1_000;
        let permille = 700 + u64::from(ids.u32() % 201);
        self.next = Some(now + Duration::from_millis(granted_ms * permille / 1_000));
        let until = now + Duration::from_millis(granted_ms);
        self.until = Some(until);
        until
    }

    /// It failed. Where another server may do better it is asked at once; else the waits double, each drawn between
    /// half of it and all of it, and a Retry-After is heeded.
    pub(crate) fn failed(
        &mut self,
        status: u16,
        retry_after: Option<u32>,
        servers: usize,
        cx: (&Config, &mut IdSource),
        now: Instant,
    ) {
        let (config, ids) = cx;
        self.sent = None;
        self.last_status = Some(status);
        let servers_fault = matches!(status, 408 | 500..=599);
        self.place += 1;
        if servers_fault && self.place < servers && retry_after.is_none() {
            self.next = Some(now);
            return;
        }
        self.place = 0;
        let upper = config.retry_min.saturating_mul(1 << self.failures.min(16)).min(config.retry_max);
        self.failures = self.failures.saturating_add(1);
        let ms = u64::try_from(upper.as_millis()).unwrap_or(u64::MAX).max(2);
        let drawn = Duration::from_millis(ms / 2 + u64::from(ids.u32()) % (ms / 2));
        let asked = Duration::from_secs(u64::from(retry_after.unwrap_or(0))).min(config.retry_max);
        self.next = Some(now + drawn.max(asked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::from_unix_nanos(s * 1_000_000_000)
    }

    fn fails(r: &mut Registration, status: u16, after: Option<u32>, servers: usize, now: u64) -> u64 {
        let mut ids = IdSource::new([9; 32]);
        r.failed(status, after, servers, (&Config::default(), &mut ids), at(now));
        r.deadline().unwrap().unix_secs() - now
    }

    #[test]
    fn another_server_is_asked_at_once_and_then_the_waits_double() {
        let mut r = Registration::new(3_600, at(0));
        assert_eq!(r.due(at(0)), Next::Send);
        assert_eq!(fails(&mut r, 408, None, 3, 0), 0);
        assert_eq!(fails(&mut r, 503, None, 3, 0), 0);
        let first = fails(&mut r, 500, None, 3, 0);
        assert!((15..=30).contains(&first), "{first}");
        assert_eq!(r.place, 0);
        let second = fails(&mut r, 403, None, 3, 0);
        assert!((30..=60).contains(&second), "a refusal is the carrier's, not the server's: {second}");
        assert_eq!(r.shown(), "failed");
        for _ in 0..40 {
            assert!(fails(&mut r, 403, None, 1, 0) <= 1_800);
        }
        assert_eq!(fails(&mut Registration::new(60, at(0)), 503, Some(100), 3, 7), 100);
        assert_eq!(fails(&mut Registration::new(60, at(0)), 503, Some(u32::MAX), 3, 7), 1_800);
    }

    #[test]
    fn it_is_renewed_well_before_its_end_and_lapses_where_that_fails() {
        let mut ids = IdSource::new([9; 32]);
        let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "198.51.100.1:5060".parse().unwrap());
        let flow = Flow::new(model::Transport::Udp, local, remote);
        let mut spread = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let mut r = Registration::new(3_600, at(0));
            assert_eq!(r.granted(600, flow, &mut ids, at(10)), at(610));
            let next = r.deadline().unwrap();
            assert!(next >= at(10 + 420) && next <= at(10 + 540), "{next:?}");
            spread.insert(next);
            assert!(!r.lapse(at(609)));
            assert!(r.lapse(at(610)) && !r.lapse(at(610)));
        }
        assert!(spread.len() > 20, "many registrations of one moment are not renewed in one moment");
    }
}
