//! The phones' transactions: what they repeat until they are answered, and what they answer again when asked again.
//!
//! RFC 3261 section 17 as a phone maker would write it in an afternoon, on purpose in another shape than the switch's.

use crate::text;
use core::time::Duration;
use model::Instant;
use std::collections::BTreeMap;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64*T1.
const PATIENCE: Duration = Duration::from_secs(32);

/// Something that is sent again until it is settled.
#[derive(Clone, Debug)]
struct Repeat {
    bytes: String,
    next: Instant,
    interval: Duration,
    give_up: Instant,
    /// INVITE: after a provisional it is neither repeated nor given up.
    settled: bool,
}

/// What a phone keeps on the wire.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    requests: BTreeMap<String, Repeat>,
    finals: BTreeMap<String, Repeat>,
    /// Last response by branch and method, to be given again.
    answered: BTreeMap<(String, String), String>,
    /// ACKs of 2xx, by Call-ID, CSeq and To-tag, to be given again.
    acks: BTreeMap<(String, u32, String), String>,
    reliable: bool,
}

/// A request that nobody answered.
#[derive(Debug)]
pub(crate) struct GivenUp(pub(crate) String);

impl Wire {
    pub(crate) fn new(reliable: bool) -> Wire {
        Wire { reliable, ..Wire::default() }
    }

    fn repeat(&self, bytes: &str, now: Instant) -> Repeat {
        let next = if self.reliable { now + PATIENCE } else { now + T1 };
        Repeat { bytes: bytes.to_owned(), next, interval: T1, give_up: now + PATIENCE, settled: false }
    }

    /// A request of ours leaves.
    pub(crate) fn request(&mut self, bytes: &str, now: Instant) {
        let repeat = self.repeat(bytes, now);
        self.requests.insert(text::branch(bytes).to_owned() + text::method(bytes), repeat);
    }

    /// A response to one of ours came; `false` when nobody waits for it.
    pub(crate) fn response(&mut self, message: &str) -> bool {
        let key = text::branch(message).to_owned() + text::method(message);
        let provisional = text::status(message).is_some_and(|s| s < 200);
        match self.requests.get_mut(&key) {
            Some(repeat) if provisional => {
                repeat.settled |= text::method(message) == "INVITE";
                true
            }
            Some(_) => {
                self.requests.remove(&key);
                true
            }
            None => false,
        }
    }

    /// A response of ours leaves; a final one to an INVITE is repeated until its ACK.
    pub(crate) fn respond(&mut self, bytes: &str, now: Instant) {
        let (branch, method) = (text::branch(bytes).to_owned(), text::method(bytes).to_owned());
        if method == "INVITE" && text::status(bytes).is_some_and(|s| s >= 200) {
            let mut repeat = self.repeat(bytes, now);
            if text::status(bytes).is_some_and(|s| s < 300) {
                // A 2xx is repeated on every transport (section 13.3.1.4).
                repeat.next = now + T1;
            }
            let key = format!("{} {}", text::field(bytes, "call-id").unwrap_or_default(), text::cseq(bytes));
            self.finals.insert(key, repeat);
        }
        self.answered.insert((branch, method), bytes.to_owned());
    }

    /// The answer to a request that came before.
    pub(crate) fn answered_before(&self, message: &str) -> Option<&String> {
        self.answered.get(&(text::branch(message).to_owned(), text::method(message).to_owned()))
    }

    /// An ACK came.
    pub(crate) fn acknowledged(&mut self, message: &str) {
        let key = format!("{} {}", text::field(message, "call-id").unwrap_or_default(), text::cseq(message));
        self.finals.remove(&key);
    }

    pub(crate) fn keep_ack(&mut self, response: &str, ack: &str) {
        self.acks.insert(ack_key(response), ack.to_owned());
    }

    /// The ACK that was given to this 2xx.
    pub(crate) fn ack_of(&self, response: &str) -> Option<&String> {
        self.acks.get(&ack_key(response))
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let all = self.requests.values().chain(self.finals.values());
        all.filter(|r| !r.settled).map(|r| r.next.min(r.give_up)).min()
    }

    /// What is due to be sent again, and what is given up.
    pub(crate) fn due(&mut self, now: Instant) -> (Vec<String>, Vec<GivenUp>) {
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        for table in [&mut self.requests, &mut self.finals] {
            table.retain(|_, repeat| {
                if !repeat.settled && repeat.give_up <= now {
                    given_up.push(GivenUp(repeat.bytes.clone()));
                    return false;
                }
                if !repeat.settled && repeat.next <= now {
                    again.push(repeat.bytes.clone());
                    let doubled = repeat.interval * 2;
                    let invite = repeat.bytes.starts_with("INVITE");
                    repeat.interval = if invite { doubled } else { doubled.min(T2) };
                    repeat.next = now + repeat.interval;
                }
                true
            });
        }
        (again, given_up)
    }

    /// Whether a final response of ours to this INVITE waits for its ACK.
    pub(crate) fn waits_for_ack(&self, invite: &str) -> bool {
        let key = format!("{} {}", text::field(invite, "call-id").unwrap_or_default(), text::cseq(invite));
        self.finals.contains_key(&key)
    }

    /// Requests that wait, to be sent on a new connection.
    pub(crate) fn again(&self) -> Vec<String> {
        self.requests.values().filter(|r| !r.settled).map(|r| r.bytes.clone()).collect()
    }

    /// The call is over: its 2xx are not repeated any more.
    pub(crate) fn forget_finals(&mut self, call_id: &str) {
        self.finals.retain(|key, _| key.split(' ').next() != Some(call_id));
    }

    /// An INVITE of this call that will get no final response is dropped; gives its branch.
    pub(crate) fn forget_invite(&mut self, call_id: &str) -> Option<String> {
        let of_call = |bytes: &str| bytes.starts_with("INVITE") && text::field(bytes, "call-id") == Some(call_id);
        let found = self.requests.iter().find(|(_, r)| of_call(&r.bytes)).map(|(key, _)| key.clone())?;
        self.requests.remove(&found).map(|r| text::branch(&r.bytes).to_owned())
    }

    /// Whether nothing is waited for.
    pub(crate) fn is_quiet(&self) -> bool {
        self.requests.is_empty() && self.finals.is_empty()
    }
}

fn ack_key(response: &str) -> (String, u32, String) {
    let of = |name| text::field(response, name).unwrap_or_default();
    (of("call-id").to_owned(), text::cseq(response), text::tag(of("to")).unwrap_or_default().to_owned())
}
