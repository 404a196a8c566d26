//! Reliable provisional responses (RFC 3262), each side for itself.
//!
//! As UAS: a response is sent reliably where the caller requires it, and one with a session description also where the
//! caller merely supports it. One is on its way at a time; it is repeated from T1 on, doubling, until its PRACK or for
//! 64*T1, after which the INVITE is refused. A 2xx waits for the PRACK of a response that carried a description.
//! As UAC: a reliable response is acknowledged in its early dialog if it is the next in order, else dropped.

use crate::dialog::{body, cseq, to_tag};
use crate::reinvite::refuse_offer;
use crate::usage::{By, Cx, Phase, Purpose, Said, Usage};
use crate::write::{Reply, answer, invite_reply, prack_request};
use crate::{DialogError, Ended, Event};
use bytes::Bytes;
use core::time::Duration;
use model::{Flow, Instant};
use sip_message::{HeaderValue, Message, Name};
use sip_transaction::ServerKey;
use std::collections::VecDeque;

/// The option tag.
pub(crate) const TAG: &str = "100rel";
/// Most provisional responses that wait behind one without PRACK; past it the oldest that only says the same goes.
const QUEUE_MAX: usize = 8;

/// Our reliable provisional responses to one INVITE.
///
/// # Invariants
/// `rseq` grows by one with each response; the queue is empty unless `unacked` is there.
#[derive(Debug)]
pub(crate) struct Reliable {
    /// Whether the caller insists.
    required: bool,
    /// The number of the newest response.
    rseq: u32,
    /// The INVITE's.
    cseq: u32,
    unacked: Option<Unpracked>,
    queue: VecDeque<Said>,
    /// Whether a description of ours arrived for sure: the offer/answer of the INVITE is over.
    pub(crate) answered: bool,
}

#[derive(Debug)]
struct Unpracked {
    bytes: Bytes,
    described: bool,
    interval: Duration,
    resend_at: Instant,
    give_up_at: Instant,
}

impl Reliable {
    /// What the caller of this INVITE allows; `None` where it does not know the extension.
    pub(crate) fn of(request: &Message, first: u32) -> Option<Box<Reliable>> {
        let required = request.has_token(Name::Require, TAG);
        if !required && !request.has_token(Name::Supported, TAG) {
            return None;
        }
        // Section 3: the first number is drawn from 1 to 2^31-1.
        let rseq = first % 0x7fff_0000 + 1;
        let cseq = cseq(request).unwrap_or_default();
        Some(Box::new(Reliable { required, rseq, cseq, unacked: None, queue: VecDeque::new(), answered: false }))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.unacked.as_ref().map(|unacked| unacked.resend_at.min(unacked.give_up_at))
    }

    /// Whether a description is out that was not acknowledged, so that no 2xx may leave (section 3).
    pub(crate) fn holds_2xx(&self) -> bool {
        self.unacked.as_ref().is_some_and(|unacked| unacked.described)
    }

    /// Whether a description of ours was sent reliably.
    pub(crate) fn has_described(&self) -> bool {
        self.answered || self.holds_2xx() || self.queue.iter().any(|said| said.sdp.is_some())
    }

    /// The INVITE has its final response: what waits is not wanted any more.
    pub(crate) fn settle(&mut self) {
        self.queue.clear();
        self.unacked = None;
    }
}

/// UAS.
impl Usage {
    /// Sends a provisional response reliably where it has to be or should be. `false` where it is to go unreliably.
    pub(crate) fn progress_reliably(&mut self, cx: &mut Cx<'_>, said: &Said) -> Result<bool, DialogError> {
        let Phase::Ringing(ringing) = &self.phase else { return Err(DialogError::WrongState) };
        let offered = body(&ringing.request).is_some();
        let Some(reliable) = self.reliable.as_mut().filter(|r| r.required || (said.sdp.is_some() && offered)) else {
            return Ok(false);
        };
        // The first reliable response to an INVITE without an offer has to carry ours (RFC 3261 section 13.2.1), and
        // ours goes with the 2xx: such a caller hears 100 and then 200.
        if !offered {
            return Ok(true);
        }
        if reliable.unacked.is_some() {
            if reliable.queue.len() >= QUEUE_MAX {
                reliable.queue.pop_front();
            }
            reliable.queue.push_back(said.clone());
            return Ok(true);
        }
        self.send_reliable(cx, said);
        Ok(true)
    }

    fn send_reliable(&mut self, cx: &mut Cx<'_>, said: &Said) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let Some(reliable) = self.reliable.as_mut() else { return };
        reliable.rseq += 1;
        let mut headers = said.headers.clone();
        headers.push(("Require".to_owned(), TAG.to_owned()));
        headers.push(("RSeq".to_owned(), reliable.rseq.to_string()));
        let reply = Reply { sdp: said.sdp.clone(), headers: &headers, ..Reply::bare(said.status) };
        let bytes = invite_reply(cx.config, &self.dialog, &ringing.request, ringing.flow, &reply);
        let interval = cx.config.t1;
        reliable.unacked = Some(Unpracked {
            bytes: bytes.clone(),
            described: said.sdp.is_some(),
            interval,
            resend_at: cx.now + interval,
            give_up_at: cx.now + cx.config.patience(),
        });
        if said.sdp.is_some() {
            self.described.clone_from(&said.sdp);
        }
        // Proxies on the way want to hear from us each minute; what they hear then needs no description.
        let again = Said { sdp: None, ..said.clone() };
        ringing.provisional = Some((again, cx.now + cx.config.provisional_refresh));
        // A transaction that is gone reports so by itself.
        let _ = cx.tx.respond(ringing.server, bytes, cx.now);
    }

    /// Repeats the response that has no PRACK; refuses the INVITE where none came in time.
    pub(crate) fn repeat_reliable(&mut self, cx: &mut Cx<'_>) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let server = ringing.server;
        let Some(unacked) = self.reliable.as_mut().and_then(|r| r.unacked.as_mut()) else { return };
        if unacked.give_up_at <= cx.now {
            cx.events.push_back(Event::Ended { key: self.key, why: Ended::NoPrack });
            let _ = self.reject(cx, &Reply::bare(504));
            return;
        }
        if unacked.resend_at <= cx.now {
            unacked.interval = unacked.interval.saturating_mul(2);
            unacked.resend_at = cx.now + unacked.interval;
            let _ = cx.tx.respond(server, unacked.bytes.clone(), cx.now);
        }
    }

    /// A PRACK (section 3), also one that comes after our final response.
    pub(crate) fn prack_received(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Message) {
        let rack = rack(&request);
        let known = self.reliable.as_mut().filter(|r| rack == Some((r.rseq, r.cseq)));
        let Some(reliable) = known else { return answer(cx, server, &request, flow, &Reply::bare(481)) };
        let first = reliable.unacked.take();
        let ringing = matches!(self.phase, Phase::Ringing(_));
        // One that was taken already, under another transaction, or one for a response that a final one overtook.
        if first.is_none() && ringing {
            return answer(cx, server, &request, flow, &Reply::bare(481));
        }
        if let Some(reliable) = self.reliable.as_mut() {
            reliable.answered |= first.is_some_and(|unacked| unacked.described);
        }
        self.take_prack(cx, server, flow, request);
        let next = self.reliable.as_mut().and_then(|reliable| reliable.queue.pop_front());
        if let Some(next) = next {
            self.send_reliable(cx, &next);
        }
        self.accept_if_free(cx);
    }

    /// Answers the PRACK, or hands its offer up (section 5).
    fn take_prack(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Message) {
        if body(&request).is_none() {
            return answer(cx, server, &request, flow, &Reply::bare(200));
        }
        if self.asked.is_some() || self.is_leaving() {
            return refuse_offer(cx, server, flow, &request, 500);
        }
        if !self.offering.is_idle() {
            return refuse_offer(cx, server, flow, &request, 491);
        }
        self.ask(cx, By::Prack, server, flow, request);
    }
}

/// UAC.
impl Usage {
    /// Whether a provisional response is to be taken up: a reliable one only in its order (section 4). It is
    /// acknowledged here.
    pub(crate) fn take_provisional(&mut self, cx: &mut Cx<'_>, response: &Message) -> bool {
        if !response.has_token(Name::Require, TAG) {
            return true;
        }
        let Phase::Calling(calling) = &mut self.phase else { return false };
        let rseq = response.header(Name::RSeq).and_then(HeaderValue::number::<u32>);
        let (Some(rseq), Some(cseq)) = (rseq, cseq(response)) else { return false };
        let Some(early) = calling.branch(to_tag(response), cx.config.forks_max) else { return false };
        if early.rseq.is_some_and(|newest| newest.checked_add(1) != Some(rseq)) {
            return false;
        }
        early.rseq = Some(rseq);
        early.answered |= body(response).is_some();
        let Some(dialog) = early.dialog.as_mut() else { return false };
        let (flow, request) = prack_request(cx.config, dialog, (rseq, cseq));
        let client = cx.send(dialog, flow, request);
        cx.index.clients.insert(client, Purpose::Prack(self.key));
        true
    }
}

/// RSeq and CSeq number of a RAck (section 7.2).
fn rack(request: &Message) -> Option<(u32, u32)> {
    let value = request.header(Name::RAck)?.text().into_owned();
    let mut words = value.split_whitespace();
    let numbers = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (words.next() == Some("INVITE")).then_some(numbers)
}
