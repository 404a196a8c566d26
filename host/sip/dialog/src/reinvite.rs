//! Re-INVITE, both ways: one at a time, glare, target refresh, and what a refusal means (RFC 3261 section 14).

use crate::ack::acknowledge;
use crate::dialog::body;
use crate::usage::{Asked, Cx, Phase, Purpose, Role, Unacked, Usage};
use crate::write::{Reply, answer, invite_reply, reinvite_request};
use crate::{DialogError, Ended, Event};
use bytes::Bytes;
use core::time::Duration;
use model::{Flow, IdSource, Instant};
use sip_message::Message;
use sip_transaction::{ClientKey, Failure, ServerKey};
use std::sync::Arc;

/// Most 2xx of ours that may wait for their ACK at once; past it a re-INVITE is told to come again later.
const UNACKED_MAX: usize = 4;

/// Where our own re-INVITE stands.
#[derive(Default, Debug)]
pub(crate) enum Offering {
    #[default]
    Idle,
    /// An INVITE transaction of the remote is in progress (section 14.1). Owned by that one's ACK timer.
    Waiting(Wish),
    /// Sent, no final response.
    Sent(Sent),
    /// Answered 491: sent again at the given time.
    Backoff(Wish, Instant),
}

/// An offer, and how often it met another one.
#[derive(Debug)]
pub(crate) struct Wish {
    offer: Bytes,
    glares: u8,
}

/// A re-INVITE of ours.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) client: ClientKey,
    wish: Wish,
    /// When it is cancelled; `None` once it was.
    pub(crate) give_up_at: Option<Instant>,
}

impl Offering {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Offering::Idle | Offering::Waiting(_) => None,
            Offering::Sent(sent) => sent.give_up_at,
            Offering::Backoff(_, at) => Some(*at),
        }
    }
}

/// Our side.
impl Usage {
    /// Offers anew. Where the remote's INVITE still waits for its ACK, the offer waits too.
    pub(crate) fn reinvite(&mut self, cx: &mut Cx<'_>, offer: Bytes) -> Result<(), DialogError> {
        let confirmed = self.confirmed().ok_or(DialogError::WrongState)?;
        if confirmed.leaving.is_some() {
            return Err(DialogError::Gone);
        }
        let idle = matches!(confirmed.offering, Offering::Idle);
        if !idle || confirmed.asked.is_some() || confirmed.late.is_some() {
            return Err(DialogError::Pending);
        }
        confirmed.offering = Offering::Waiting(Wish { offer, glares: 0 });
        self.offer_if_free(cx);
        Ok(())
    }

    /// Sends the waiting offer if no INVITE transaction of the remote is in progress.
    pub(crate) fn offer_if_free(&mut self, cx: &mut Cx<'_>) {
        let Some(confirmed) = self.confirmed() else { return };
        let free = confirmed.unacked.is_empty() && confirmed.asked.is_none() && confirmed.leaving.is_none();
        if !free || !matches!(confirmed.offering, Offering::Waiting(_)) {
            return;
        }
        let Offering::Waiting(wish) = core::mem::take(&mut confirmed.offering) else { return };
        let (flow, request) = reinvite_request(cx.config, &mut self.dialog, wish.offer.clone());
        let client = cx.tx.request(flow, request, cx.now);
        cx.index.clients.insert(client, Purpose::Reinvite(self.key));
        let give_up_at = Some(cx.now + cx.config.reinvite_timeout);
        if let Some(confirmed) = self.confirmed() {
            confirmed.offering = Offering::Sent(Sent { client, wish, give_up_at });
        }
    }

    /// A response to our re-INVITE, up to the first 2xx.
    pub(crate) fn reinvite_response(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: &Message) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return;
        }
        cx.index.clients.remove(&client);
        if status < 300 {
            self.acknowledge_reinvite(cx, client, response);
        }
        let Some(sent) = self.take_sent(client) else { return self.stray_reinvite_done() };
        let key = self.key;
        match status {
            200..=299 => {
                self.dialog.path.refresh(response);
                let sdp = body(response).unwrap_or_default();
                cx.events.push_back(Event::ReinviteAnswered { key, sdp });
            }
            491 if sent.wish.glares < cx.config.glare_retries_max && sent.give_up_at.is_some() => {
                let at = cx.now + glare_wait(self.role, cx.ids);
                let wish = Wish { glares: sent.wish.glares + 1, ..sent.wish };
                if let Some(confirmed) = self.confirmed() {
                    confirmed.offering = Offering::Backoff(wish, at);
                }
            }
            _ if ends_usage(status) => self.end(cx, Ended::Gone(status)),
            _ => cx.events.push_back(Event::ReinviteFailed { key, status }),
        }
    }

    /// Our re-INVITE had no final response: the dialog ends (section 12.2.1.2).
    pub(crate) fn reinvite_failed(&mut self, cx: &mut Cx<'_>, client: ClientKey, why: Failure) {
        cx.index.clients.remove(&client);
        if self.take_sent(client).is_none() {
            return self.stray_reinvite_done();
        }
        match why {
            Failure::Timeout => self.end(cx, Ended::Gone(408)),
            Failure::Transport => self.end(cx, Ended::Transport),
        }
    }

    /// The wait after a glare is over, or the re-INVITE took too long.
    pub(crate) fn expire_offering(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        let Some(confirmed) = self.confirmed() else { return };
        if let Offering::Sent(sent) = &mut confirmed.offering
            && sent.give_up_at.is_some_and(|at| at <= now)
        {
            sent.give_up_at = None;
            cx.tx.cancel(sent.client, &[], now);
            return;
        }
        match core::mem::take(&mut confirmed.offering) {
            Offering::Backoff(wish, at) if at <= now => {
                confirmed.offering = Offering::Waiting(wish);
                self.offer_if_free(cx);
            }
            other @ (Offering::Idle | Offering::Waiting(_) | Offering::Sent(_) | Offering::Backoff(_, _)) => {
                confirmed.offering = other;
            }
        }
    }

    fn acknowledge_reinvite(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: &Message) {
        // The ACK goes to the refreshed target (section 13.2.2.4).
        self.dialog.path.refresh(response);
        let cseq = crate::dialog::cseq(response).unwrap_or(self.dialog.local_cseq);
        cx.acks.begin(client, None, cseq, cx.now + cx.config.patience());
        acknowledge(cx, &self.dialog, client, cseq, None);
    }

    fn take_sent(&mut self, client: ClientKey) -> Option<Sent> {
        let confirmed = self.confirmed()?;
        match core::mem::take(&mut confirmed.offering) {
            Offering::Sent(sent) if sent.client == client => Some(sent),
            other @ (Offering::Idle | Offering::Waiting(_) | Offering::Sent(_) | Offering::Backoff(_, _)) => {
                confirmed.offering = other;
                None
            }
        }
    }
}

/// The remote's side.
impl Usage {
    /// An INVITE in the dialog (section 14.2). Its CSeq is in order.
    pub(crate) fn invite_received(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Arc<Message>) {
        let status = self.reinvite_obstacle();
        let retry_after = (cx.ids.u32() % 11).to_string();
        if let Some(status) = status {
            let later = [("Retry-After".to_owned(), retry_after)];
            let headers = if status == 500 { &later[..] } else { &[] };
            return answer(cx, server, &request, flow, &Reply { headers, ..Reply::bare(status) });
        }
        self.own(server, cx.index);
        self.dialog.path.seen(flow);
        let (key, offer) = (self.key, body(&request));
        let cseq = crate::dialog::cseq(&request).unwrap_or_default();
        if let Some(confirmed) = self.confirmed() {
            confirmed.asked = Some(Asked { server, request, flow, cseq });
        }
        cx.events.push_back(Event::Reinvited { key, offer });
    }

    /// Accepts the remote's re-INVITE.
    pub(crate) fn answer_reinvite(&mut self, cx: &mut Cx<'_>, reply: &Reply<'_>) -> Result<(), DialogError> {
        let asked = self.confirmed().and_then(|confirmed| confirmed.asked.take()).ok_or(DialogError::WrongState)?;
        self.dialog.path.refresh(&asked.request);
        let bytes = invite_reply(cx.config, &self.dialog, &asked.request, asked.flow, reply);
        let offered = body(&asked.request).is_none();
        let unacked = Unacked::new(cx.config, cx.now, asked.server, asked.cseq, bytes);
        self.send_2xx(cx, Unacked { offered, ..unacked });
        Ok(())
    }

    /// Refuses the remote's re-INVITE; the dialog goes on as it was.
    pub(crate) fn reject_reinvite(&mut self, cx: &mut Cx<'_>, status: u16) -> Result<(), DialogError> {
        if !(300..=699).contains(&status) {
            return Err(DialogError::Status(status));
        }
        let asked = self.confirmed().and_then(|confirmed| confirmed.asked.take()).ok_or(DialogError::WrongState)?;
        answer(cx, asked.server, &asked.request, asked.flow, &Reply::bare(status));
        self.disown(asked.server, cx.index);
        self.offer_if_free(cx);
        Ok(())
    }

    /// The status that refuses a re-INVITE now, if it cannot be taken up.
    fn reinvite_obstacle(&self) -> Option<u16> {
        let confirmed = match &self.phase {
            Phase::Confirmed(confirmed) => confirmed,
            // Their first INVITE is unanswered: a second one overlaps it.
            Phase::Ringing(_) => return Some(500),
            // Ours is in progress.
            Phase::Calling(_) => return Some(491),
            Phase::Leaving(_) | Phase::Over => return Some(481),
        };
        if confirmed.leaving.is_some() {
            Some(481)
        } else if confirmed.asked.is_some() || confirmed.unacked.len() >= UNACKED_MAX {
            Some(500)
        } else if matches!(confirmed.offering, Offering::Sent(_))
            || confirmed.late.is_some()
            || confirmed.unacked.iter().any(|unacked| unacked.offered)
        {
            // Also an offer of ours whose answer is under way (RFC 5407 section 3.1.5).
            Some(491)
        } else {
            // A 2xx without ACK is no obstacle: this request shows that it arrived (RFC 5407 section 3.1.4).
            None
        }
    }
}

/// The wait before a re-INVITE that met another is sent again (section 14.1): the owner of the Call-ID waits 2.1 to 4
/// seconds, the other side 0 to 2, in steps of 10 ms.
fn glare_wait(role: Role, ids: &mut IdSource) -> Duration {
    let draw = u64::from(ids.u32());
    let ms = match role {
        Role::Uac => 2_100 + 10 * (draw % 191),
        Role::Uas => 10 * (draw % 201),
    };
    Duration::from_millis(ms)
}

/// Whether a response to a request in the dialog ends the usage (RFC 3261 section 12.2.1.2, RFC 5057 section 5.1).
fn ends_usage(status: u16) -> bool {
    matches!(status, 404 | 405 | 408 | 410 | 416 | 480 | 481 | 482 | 483 | 484 | 485 | 489 | 501 | 502 | 604)
}
