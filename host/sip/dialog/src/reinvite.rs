//! New offers within a dialog, both ways: re-INVITE, UPDATE and the offer in a PRACK. One at a time, glare, target
//! refresh, and what a refusal means (RFC 3261 section 14, RFC 3311 section 5, RFC 3262 section 5).

use crate::ack::acknowledge;
use crate::dialog::{Dialog, body};
use crate::usage::{Asked, By, Cx, Early, Index, Phase, Purpose, Role, Unacked, Usage};
use crate::write::{Reply, answer, invite_reply, offer_request};
use crate::{DialogError, Ended, Event};
use bytes::Bytes;
use core::time::Duration;
use model::{Flow, IdSource, Instant};
use sip_message::Message;
use sip_transaction::{ClientKey, Failure, ServerKey};

/// Most 2xx of ours that may wait for their ACK at once; past it a re-INVITE is told to come again later.
const UNACKED_MAX: usize = 4;

/// Where our own offer stands.
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
    by: By,
    /// `None` for an UPDATE that only refreshes.
    offer: Option<Bytes>,
    /// The layer's own, for the session timer: nobody waits for its outcome.
    refresh: bool,
    glares: u8,
}

/// An offer of ours on its way.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) client: ClientKey,
    wish: Wish,
    /// Which branch it went to, while the INVITE has no final response.
    branch: String,
    /// When it is cancelled; `None` once it was, and for an UPDATE, which Timer F ends.
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

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Offering::Idle)
    }
}

impl Sent {
    /// Whether its transaction is one of INVITE, which a CANCEL can end.
    pub(crate) fn is_invite(&self) -> bool {
        self.wish.by == By::Invite
    }
}

/// Our side.
impl Usage {
    /// Offers anew by re-INVITE. Where the remote's INVITE still waits for its ACK, the offer waits too.
    pub(crate) fn reinvite(&mut self, cx: &mut Cx<'_>, offer: Bytes) -> Result<(), DialogError> {
        let confirmed = self.confirmed().ok_or(DialogError::WrongState)?;
        let late = confirmed.late.is_some();
        self.wish(cx, Wish { by: By::Invite, offer: Some(offer), refresh: false, glares: 0 }, late)
    }

    /// Offers anew by UPDATE, which also an early dialog allows once our offer or theirs was answered reliably.
    pub(crate) fn update(&mut self, cx: &mut Cx<'_>, offer: Bytes) -> Result<(), DialogError> {
        if !self.can_update() {
            return Err(DialogError::WrongState);
        }
        let late = self.confirmed().is_some_and(|confirmed| confirmed.late.is_some());
        self.wish(cx, Wish { by: By::Update, offer: Some(offer), refresh: false, glares: 0 }, late)
    }

    /// Whether an UPDATE with an offer may be sent now, were no other offer under way (RFC 3311 section 5.1).
    pub(crate) fn can_update(&self) -> bool {
        match &self.phase {
            Phase::Confirmed(_) => self.peer.update,
            Phase::Ringing(_) => self.peer.update && self.reliable.as_ref().is_some_and(|r| r.answered),
            Phase::Calling(calling) => calling.settled().is_some_and(|early| early.peer.update),
            Phase::Leaving(_) | Phase::Over => false,
        }
    }

    /// Whether an offer would be taken now.
    pub(crate) fn can_offer(&self) -> bool {
        let (confirmed, late) = match &self.phase {
            Phase::Confirmed(confirmed) => (true, confirmed.late.is_some()),
            Phase::Calling(_) | Phase::Ringing(_) | Phase::Leaving(_) | Phase::Over => (false, false),
        };
        let awaited = late || self.awaits_answer();
        let free = self.offering.is_idle() && self.asked.is_none() && !awaited && !self.is_leaving();
        free && (confirmed || self.can_update())
    }

    /// Refreshes the session: by UPDATE where the remote takes one, else by repeating our description (RFC 4028
    /// section 7.4). `false` where another offer is under way or nothing can be sent.
    pub(crate) fn refresh_session(&mut self, cx: &mut Cx<'_>) -> bool {
        let late = self.confirmed().is_some_and(|confirmed| confirmed.late.is_some());
        let wish = if self.peer.update {
            Wish { by: By::Update, offer: None, refresh: true, glares: 0 }
        } else if let Some(described) = self.described.clone() {
            Wish { by: By::Invite, offer: Some(described), refresh: true, glares: 0 }
        } else {
            return false;
        };
        self.wish(cx, wish, late).is_ok()
    }

    fn wish(&mut self, cx: &mut Cx<'_>, wish: Wish, late: bool) -> Result<(), DialogError> {
        if self.is_leaving() {
            return Err(DialogError::Gone);
        }
        if !self.offering.is_idle() || self.asked.is_some() || late {
            return Err(DialogError::Pending);
        }
        self.offering = Offering::Waiting(wish);
        self.offer_if_free(cx);
        Ok(())
    }

    /// Sends the waiting offer if no INVITE transaction of the remote is in progress.
    pub(crate) fn offer_if_free(&mut self, cx: &mut Cx<'_>) {
        let Offering::Waiting(wish) = &self.offering else { return };
        // An UPDATE may cross the ACK of a 2xx that carried the answer, not one whose ACK is to bring it.
        let acks = match wish.by {
            By::Invite => !self.unacked.is_empty(),
            By::Update | By::Prack => self.unacked.iter().any(|unacked| unacked.offered),
        };
        if acks || self.asked.is_some() || self.is_leaving() {
            return;
        }
        let Offering::Waiting(wish) = core::mem::take(&mut self.offering) else { return };
        let session = self.session.request_headers(cx.config);
        let offer = wish.offer.clone();
        let by = wish.by;
        let (flow, request) = offer_request(cx.config, self.early_or_own(), (by, offer), &session);
        let dialog = self.early_or_own();
        let branch = dialog.remote_tag.clone();
        let client = cx.send(dialog, flow, request);
        cx.index.clients.insert(client, Purpose::Reinvite(self.key));
        let give_up_at = (by == By::Invite).then(|| cx.now + cx.config.reinvite_timeout);
        self.offering = Offering::Sent(Sent { client, wish, branch, give_up_at });
    }

    /// Forgets an offer of ours that is on its way to another branch than this; `true` where there was one. Its
    /// transaction ends by itself.
    pub(crate) fn forget_offer_to_other_than(&mut self, tag: &str, index: &mut Index) -> bool {
        match core::mem::take(&mut self.offering) {
            Offering::Sent(sent) if sent.branch != tag => {
                index.clients.remove(&sent.client);
                true
            }
            other @ (Offering::Idle | Offering::Waiting(_) | Offering::Sent(_) | Offering::Backoff(_, _)) => {
                self.offering = other;
                false
            }
        }
    }

    /// The dialog a request of ours goes out in: while we call, the branch whose answer we have.
    pub(crate) fn early_or_own(&mut self) -> &mut Dialog {
        match &mut self.phase {
            Phase::Calling(calling) => match calling.early.iter_mut().find(|early| early.answered) {
                Some(Early { dialog: Some(dialog), .. }) => dialog,
                Some(_) | None => &mut self.dialog,
            },
            Phase::Ringing(_) | Phase::Confirmed(_) | Phase::Leaving(_) | Phase::Over => &mut self.dialog,
        }
    }

    /// A response to our offer, up to the first 2xx.
    pub(crate) fn reinvite_response(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: &Message) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return;
        }
        cx.index.clients.remove(&client);
        let invite = response.cseq().is_ok_and(|cseq| cseq.method == sip_message::Method::Invite);
        if status < 300 && invite {
            self.acknowledge_reinvite(cx, client, response);
        }
        let Some(sent) = self.take_sent(client) else { return self.stray_reinvite_done(client) };
        match status {
            200..=299 => self.offer_accepted(cx, response, &sent.wish),
            422 if sent.wish.glares < cx.config.glare_retries_max && self.session.raise(response) => {
                self.offering = Offering::Waiting(Wish { glares: sent.wish.glares + 1, ..sent.wish });
                self.offer_if_free(cx);
            }
            491 if sent.wish.glares < cx.config.glare_retries_max && (sent.give_up_at.is_some() || !invite) => {
                let at = cx.now + glare_wait(self.role, cx.ids);
                self.offering = Offering::Backoff(Wish { glares: sent.wish.glares + 1, ..sent.wish }, at);
            }
            401 | 407 if sent.wish.glares < cx.config.glare_retries_max && self.may_offer_again(cx, response) => {
                self.offering = Offering::Waiting(Wish { glares: sent.wish.glares + 1, ..sent.wish });
                self.offer_if_free(cx);
            }
            // It lists UPDATE and does not know it after all: the next offer goes by re-INVITE.
            405 | 420 | 501 if !invite => {
                self.peer.update = false;
                self.offering = Offering::Waiting(Wish { by: By::Invite, ..sent.wish });
                self.offer_again(cx);
            }
            _ if ends_usage(status) && self.confirmed().is_some() => self.end(cx, Ended::Gone(status)),
            _ if sent.wish.refresh => self.session.try_again(cx.now),
            _ => cx.events.push_back(Event::ReinviteFailed { key: self.key, status }),
        }
    }

    /// An offer that an UPDATE could not carry goes by re-INVITE, where the dialog is confirmed.
    fn offer_again(&mut self, cx: &mut Cx<'_>) {
        let Offering::Waiting(wish) = core::mem::take(&mut self.offering) else { return };
        let confirmed = self.confirmed().is_some();
        match wish.offer.clone().or_else(|| self.described.clone()).filter(|_| confirmed) {
            Some(offer) => {
                self.offering = Offering::Waiting(Wish { offer: Some(offer), ..wish });
                self.offer_if_free(cx);
            }
            None if wish.refresh => self.session.try_again(cx.now),
            None => cx.events.push_back(Event::ReinviteFailed { key: self.key, status: 488 }),
        }
    }

    fn offer_accepted(&mut self, cx: &mut Cx<'_>, response: &Message, wish: &Wish) {
        // Only now: one that is refused is not what stands, and no refresh may repeat it.
        if wish.offer.is_some() {
            self.described.clone_from(&wish.offer);
        }
        self.early_or_own().path.refresh(response);
        self.peer.learn(response);
        if self.confirmed().is_some() {
            self.session.granted(response, cx.config, cx.now);
        }
        let sdp = body(response);
        // What a refresh brings back may still be news: the remote may have moved its media.
        if !wish.refresh || sdp.is_some() {
            cx.events.push_back(Event::ReinviteAnswered { key: self.key, sdp: sdp.unwrap_or_default() });
        }
    }

    /// Our offer had no final response: the dialog ends (section 12.2.1.2).
    pub(crate) fn reinvite_failed(&mut self, cx: &mut Cx<'_>, client: ClientKey, why: Failure) {
        cx.index.clients.remove(&client);
        let Some(sent) = self.take_sent(client) else { return self.stray_reinvite_done(client) };
        if self.confirmed().is_none() {
            return cx.events.push_back(Event::ReinviteFailed { key: self.key, status: 408 });
        }
        match why {
            Failure::Timeout => self.end(cx, Ended::Gone(408)),
            Failure::Transport => self.end(cx, Ended::Transport),
            // The dialog goes on as it was.
            Failure::Withheld if sent.wish.refresh => self.session.try_again(cx.now),
            Failure::Withheld => cx.events.push_back(Event::ReinviteFailed { key: self.key, status: 488 }),
        }
    }

    /// The wait after a glare is over, or the re-INVITE took too long.
    pub(crate) fn expire_offering(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        if let Offering::Sent(sent) = &mut self.offering
            && sent.give_up_at.is_some_and(|at| at <= now)
        {
            sent.give_up_at = None;
            cx.tx.cancel(sent.client, &[], now);
            return;
        }
        match core::mem::take(&mut self.offering) {
            Offering::Backoff(wish, at) if at <= now => {
                self.offering = Offering::Waiting(wish);
                self.offer_if_free(cx);
            }
            other @ (Offering::Idle | Offering::Waiting(_) | Offering::Sent(_) | Offering::Backoff(_, _)) => {
                self.offering = other;
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
        match core::mem::take(&mut self.offering) {
            Offering::Sent(sent) if sent.client == client => Some(sent),
            other @ (Offering::Idle | Offering::Waiting(_) | Offering::Sent(_) | Offering::Backoff(_, _)) => {
                self.offering = other;
                None
            }
        }
    }
}

/// The remote's side.
impl Usage {
    /// An INVITE in the dialog (section 14.2). Its CSeq is in order.
    pub(crate) fn invite_received(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Message) {
        if let Some(status) = self.reinvite_obstacle() {
            return refuse_offer(cx, server, flow, &request, status);
        }
        self.dialog.path.seen(flow);
        self.ask(cx, By::Invite, server, flow, request);
    }

    /// An UPDATE (RFC 3311 section 5.2). One without an offer only refreshes: it is answered here.
    pub(crate) fn update_received(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Message) {
        let offers = body(&request).is_some();
        if let Some(status) = self.update_obstacle(&request, offers) {
            return refuse_offer(cx, server, flow, &request, status);
        }
        self.dialog.path.seen(flow);
        if offers {
            return self.ask(cx, By::Update, server, flow, request);
        }
        self.peer.learn(&request);
        self.early_of(&request).path.refresh(&request);
        let headers = self.session_answer(cx, &request);
        self.answer_offer(cx, (server, flow), &request, &Reply { headers: &headers, ..Reply::bare(200) });
    }

    /// Hands the remote's offer up.
    pub(crate) fn ask(&mut self, cx: &mut Cx<'_>, by: By, server: ServerKey, flow: Flow, request: Message) {
        self.own(server, cx.index);
        self.peer.learn(&request);
        let (key, offer) = (self.key, body(&request));
        let cseq = crate::dialog::cseq(&request).unwrap_or_default();
        self.asked = Some(Asked { by, server, request, flow, cseq });
        cx.events.push_back(Event::Reinvited { key, offer, update: by != By::Invite });
    }

    /// Accepts the remote's offer.
    pub(crate) fn answer_reinvite(&mut self, cx: &mut Cx<'_>, sdp: Bytes) -> Result<(), DialogError> {
        let asked = self.asked.take().ok_or(DialogError::WrongState)?;
        self.described = Some(sdp.clone());
        self.early_of(&asked.request).path.refresh(&asked.request);
        let headers = self.session_answer(cx, &asked.request);
        let reply = Reply { sdp: Some(sdp), headers: &headers, ..Reply::bare(200) };
        if asked.by == By::Invite {
            let bytes = invite_reply(cx.config, &self.dialog, &asked.request, asked.flow, &reply);
            let offered = body(&asked.request).is_none();
            let unacked = Unacked::new(cx.config, cx.now, asked.server, asked.cseq, bytes);
            self.send_2xx(cx, Unacked { offered, ..unacked });
        } else {
            self.answer_offer(cx, (asked.server, asked.flow), &asked.request, &reply);
            self.disown(asked.server, cx.index);
            self.after_exchange(cx);
        }
        Ok(())
    }

    /// Refuses the remote's offer; the dialog goes on as it was.
    pub(crate) fn reject_reinvite(&mut self, cx: &mut Cx<'_>, status: u16) -> Result<(), DialogError> {
        if !(300..=699).contains(&status) {
            return Err(DialogError::Status(status));
        }
        let asked = self.asked.take().ok_or(DialogError::WrongState)?;
        answer(cx, asked.server, &asked.request, asked.flow, &Reply::bare(status));
        self.disown(asked.server, cx.index);
        self.after_exchange(cx);
        Ok(())
    }

    /// An exchange of the remote's is over: what waited for that may go on.
    pub(crate) fn after_exchange(&mut self, cx: &mut Cx<'_>) {
        self.accept_if_free(cx);
        self.offer_if_free(cx);
    }

    /// A 2xx to an UPDATE or PRACK: it carries our Contact, as an UPDATE refreshes the target (RFC 3311 section 5.2).
    fn answer_offer(&mut self, cx: &mut Cx<'_>, to: (ServerKey, Flow), request: &Message, reply: &Reply<'_>) {
        let bytes = invite_reply(cx.config, &self.dialog, request, to.1, reply);
        // Should the transaction be gone, nobody waits for the answer.
        let _ = cx.tx.respond(to.0, bytes, cx.now);
    }

    /// The dialog a request of the remote is in.
    fn early_of(&mut self, request: &Message) -> &mut Dialog {
        let tag = crate::dialog::from_tag(request);
        match &mut self.phase {
            Phase::Calling(calling) => match calling.early.iter_mut().find(|early| early.remote_tag == tag) {
                Some(Early { dialog: Some(dialog), .. }) => dialog,
                Some(_) | None => &mut self.dialog,
            },
            Phase::Ringing(_) | Phase::Confirmed(_) | Phase::Leaving(_) | Phase::Over => &mut self.dialog,
        }
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
        } else if self.asked.is_some() || self.unacked.len() >= UNACKED_MAX {
            Some(500)
        } else if matches!(self.offering, Offering::Sent(_)) || confirmed.late.is_some() || self.awaits_answer() {
            Some(491)
        } else {
            // A 2xx without ACK is no obstacle: this request shows that it arrived (RFC 5407 section 3.1.4).
            None
        }
    }

    /// Whether the answer to an offer of ours in a 2xx is under way (RFC 5407 section 3.1.5).
    fn awaits_answer(&self) -> bool {
        self.unacked.iter().any(|unacked| unacked.offered)
    }

    /// The status that refuses an UPDATE now (RFC 3311 section 5.2): 500 while their own offer is unanswered, 491 while
    /// ours is.
    fn update_obstacle(&self, request: &Message, offers: bool) -> Option<u16> {
        if self.is_leaving() {
            return Some(481);
        }
        if !offers {
            return None;
        }
        let tag = crate::dialog::from_tag(request);
        match &self.phase {
            Phase::Ringing(_) if !self.reliable.as_ref().is_some_and(|r| r.answered) => Some(500),
            Phase::Calling(calling) if !calling.early.iter().any(|e| e.answered && e.remote_tag == tag) => Some(491),
            Phase::Confirmed(confirmed) if confirmed.late.is_some() || self.awaits_answer() => Some(491),
            _ if self.asked.is_some() => Some(500),
            _ if matches!(self.offering, Offering::Sent(_)) => Some(491),
            Phase::Ringing(_) | Phase::Calling(_) | Phase::Confirmed(_) | Phase::Leaving(_) | Phase::Over => None,
        }
    }
}

/// Refuses an offer; 500 says when to come again (section 14.2).
pub(crate) fn refuse_offer(cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: &Message, status: u16) {
    let retry_after = (cx.ids.u32() % 11).to_string();
    let later = [("Retry-After".to_owned(), retry_after)];
    let headers = if status == 500 { &later[..] } else { &[] };
    answer(cx, server, request, flow, &Reply { headers, ..Reply::bare(status) });
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
