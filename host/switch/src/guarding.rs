//! Who is listened to, and how much new work is taken: the guard before a transaction exists, the shedder after.

use crate::core::Core;
use core::net::IpAddr;
use model::{Ban, Flow, Instant};
use sip_message::{Message, Method, ResponseWriter, reason_phrase, respond_target};

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Judged {
    /// It is taken.
    Pass,
    /// 481, without a transaction.
    Stray,
    /// No answer.
    Drop,
}

impl Core {
    /// Whether nothing of this source is listened to. Asked before a byte is read.
    pub(crate) fn is_banned(&mut self, flow: &Flow, now: Instant) -> bool {
        self.doorkeeper.is_banned(&self.directory, flow.remote.ip(), now)
    }

    /// Whether a message that begins something gets no answer at all. Looked at where it is read, whosever it is.
    pub(crate) fn begins_too_much(&mut self, flow: &Flow, message: &Message, now: Instant) -> bool {
        let begins = message.is_request()
            && !matches!(message.method(), Some(Method::Ack | Method::Cancel))
            && message.to().is_ok_and(|to| to.tag().is_none());
        begins && self.drops(flow, message, now)
    }

    /// Takes a valid message that is this shard's.
    pub(crate) fn take(&mut self, flow: Flow, message: Message, now: Instant) {
        match self.judge(&flow, &message, now) {
            Judged::Pass => self.transactions.handle_message(flow, message, now),
            Judged::Stray => self.stray(&flow, &message),
            Judged::Drop => {}
        }
    }

    /// What becomes of it. What is within something that we know passes without a look at its source, and so does every
    /// ACK and response; what is within nothing costs its source as much as what begins something, which has paid.
    fn judge(&mut self, flow: &Flow, message: &Message, now: Instant) -> Judged {
        let judged = match message.method() {
            // The layer below answers a CANCEL without state where it fits no INVITE.
            Some(Method::Cancel) if !self.transactions.knows(flow, message) => Judged::Pass,
            None | Some(Method::Ack | Method::Cancel) => return Judged::Pass,
            Some(_) if message.to().is_ok_and(|to| to.tag().is_none()) => return Judged::Pass,
            Some(_) if self.is_within(flow, message) => return Judged::Pass,
            Some(_) => Judged::Stray,
        };
        if self.drops(flow, message, now) { Judged::Drop } else { judged }
    }

    /// Whether a request gets no answer at all, since its source has sent too many.
    pub(crate) fn drops(&mut self, flow: &Flow, request: &Message, now: Instant) -> bool {
        self.doorkeeper.drops(&self.directory, flow.remote.ip(), request, now)
    }

    /// Whether a request with a To-tag is within a dialog, a subscription or a proxied call of ours, or repeats one that
    /// was and has its answer.
    fn is_within(&self, flow: &Flow, request: &Message) -> bool {
        self.proxies.knows(request)
            || self.dialogs.find(request).is_some()
            || self.events.notifier.knows(request)
            || self.transactions.knows(flow, request)
    }

    /// Answers a request that is within nothing we know, and forgets it: a transaction for each would be a table that
    /// strangers fill (RFC 3261 section 12.2.2).
    fn stray(&mut self, flow: &Flow, request: &Message) {
        self.counters.sip_strays += 1;
        let response = ResponseWriter::to(request, 481, reason_phrase(481), flow.remote).finish();
        self.transactions.send(respond_target(request, flow), response);
    }

    /// The sources that are not listened to.
    #[must_use]
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        self.doorkeeper.bans(&self.directory, now)
    }

    /// Listens to a source again; whether it was banned.
    pub fn unban(&mut self, source: IpAddr, now: Instant) -> bool {
        self.doorkeeper.unban(source, now)
    }
}
