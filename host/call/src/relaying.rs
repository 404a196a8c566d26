//! A proxied call whose media is anchored (`relay`): the parties' dialog passes, and so does their media, by our ports.
//!
//! Each party has a stream of its own, as in a call of two dialogs; what each describes is shown to the other with our
//! address in it, and in nothing else: formats, keys and the `o=` line are the parties' own (decision 0054). Media flows
//! between the caller and one dialog of the fork: the newest that has described itself, and once one has answered, the
//! first that did. The rewriting is asked for by [`sip_proxy`] while a message passes, so nothing waits.

use crate::call::Call;
use crate::engine::Engine;
use crate::leg::LegNo;
use crate::proxying::Proxying;
use crate::stage::Stage;
use crate::step::Step;
use crate::target::{self, Branch};
use bytes::Bytes;
use core::net::IpAddr;
use model::{Cause, Endpoint, Handling, Instant, MediaSecurity, Transport};
use sdp::{Description, Direction, MediaAddr, RemoteMedia};
use sip_proxy::{Bodies, Carried, Passage, Says, Side};

/// Early dialogs whose media is remembered; beyond it the oldest that has not answered is forgotten.
const VOICES_MAX: usize = 16;

/// The media of a proxied call.
///
/// # Invariants
/// `voices` has one entry for each dialog that has described itself and is not over, oldest first.
#[derive(Debug)]
pub(crate) struct Relay {
    /// The caller's offer; `None` for a late one.
    offer: Option<Description>,
    /// Formats that the tenant allows; none means all.
    allowed: Vec<String>,
    voices: Vec<Voice>,
}

/// What the parties of one dialog have described.
#[derive(Debug)]
struct Voice {
    token: u16,
    tag: Box<str>,
    callers: Option<RemoteMedia>,
    callees: Option<RemoteMedia>,
    answered: bool,
}

/// A stream of a target that has no leg yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) stream: media::StreamId,
    pub(crate) address: MediaAddr,
}

impl Relay {
    /// The dialog whose media flows: the first that answered, else the newest.
    fn chosen(&self) -> Option<&Voice> {
        self.voices.iter().find(|voice| voice.answered).or(self.voices.last())
    }

    /// The dialog's entry, made where there is none.
    fn voice(&mut self, token: u16, tag: &str) -> Option<&mut Voice> {
        let at = match self.voices.iter().position(|voice| voice.token == token && &*voice.tag == tag) {
            Some(at) => at,
            None => {
                if self.voices.len() >= VOICES_MAX {
                    let oldest = self.voices.iter().position(|voice| !voice.answered)?;
                    self.voices.remove(oldest);
                }
                let (callers, callees) = (None, None);
                self.voices.push(Voice { token, tag: Box::from(tag), callers, callees, answered: false });
                self.voices.len() - 1
            }
        };
        self.voices.get_mut(at)
    }

    /// Leaves the formats that the tenant allows; `false` where none is left.
    fn restrict(&self, description: &mut Description) -> bool {
        if self.allowed.is_empty() {
            return true;
        }
        let formats = sdp::offer_formats(&description.formats(), &self.allowed, &[], &|_| false);
        description.set_formats(&formats);
        !formats.is_empty()
    }

    /// An offer as the other party gets it.
    fn offered(&self, offer: &Description, address: MediaAddr) -> Option<Bytes> {
        let mut shown = sdp::anchor(offer, &[address]);
        let allowed = offer.is_fax() || sdp::remote_media(offer).is_err() || self.restrict(&mut shown);
        allowed.then(|| shown.to_bytes())
    }
}

/// The owner of the media of anchored calls, while a message passes.
pub struct Anchors<'a> {
    /// The calls.
    pub calls: &'a mut Engine,
    /// Their streams.
    pub media: &'a mut media::Engine,
    /// The time of this step.
    pub now: Instant,
}

impl core::fmt::Debug for Anchors<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Anchors").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Bodies for Anchors<'_> {
    fn carry(&mut self, passage: &Passage<'_>) -> Carried {
        let Engine { calls, desk, .. } = &mut *self.calls;
        let call = desk.by_context.get(&passage.context).and_then(|id| calls.get_mut(id));
        let Some(call) = call else { return Carried::AsItIs };
        let carried = carry(call, passage).unwrap_or(Carried::AsItIs);
        flow(call, self.media, self.now);
        carried
    }
}

/// Rewrites what one party says to the other, and notes what the two have agreed on.
fn carry(call: &mut Call, passage: &Passage<'_>) -> Option<Carried> {
    let callee = proxying(call)?.leg_at(passage.token)?;
    let towards = match passage.from {
        Side::Caller => callee,
        Side::Callee => 0,
    };
    let address = call.leg(towards)?.address?;
    let relay = proxying(call)?.relay.as_mut()?;
    let refused = Some(Carried::Refused(Cause::NotAcceptable.sip_status()));
    let said = match passage.says {
        Says::Nothing => Carried::AsItIs,
        Says::Offer => {
            let Some(offer) = described(passage.message) else { return refused };
            let Some(shown) = relay.offered(&offer, address) else { return refused };
            Carried::Instead(shown)
        }
        Says::Answer(offer) => {
            let (mut offer, mut answer) = (described(offer)?, described(passage.message)?);
            offer.choose(answer.names_fax());
            answer.choose(answer.names_fax());
            let shown = sdp::anchor_answer(&offer, &answer, &[address]).to_bytes();
            let (of_offer, of_answer) = (sdp::remote_media(&offer).ok(), sdp::remote_media(&answer).ok());
            let voice = relay.voice(passage.token, passage.tag)?;
            (voice.callers, voice.callees) = match passage.from {
                Side::Caller => (of_answer, of_offer),
                Side::Callee => (of_offer, of_answer),
            };
            // A late offer is answered by the ACK of the 2xx that made it.
            voice.answered |= passage.message.is_method(sip_message::Method::Ack);
            Carried::Instead(shown)
        }
    };
    if passage.accepts
        && let Some(voice) = relay.voice(passage.token, passage.tag)
    {
        voice.answered = true;
    }
    Some(said)
}

fn described(message: &sip_message::Message) -> Option<Description> {
    Description::parse(&message.session_body()?).ok()
}

fn proxying(call: &mut Call) -> Option<&mut Proxying> {
    match &mut call.stage {
        Stage::Proxied(proxying) => Some(proxying),
        Stage::Deciding(_)
        | Stage::Hunting(_)
        | Stage::Bridged(_)
        | Stage::App(_)
        | Stage::Parked(_)
        | Stage::Announcing(_)
        | Stage::Summoning(_)
        | Stage::Over => None,
    }
}

/// Lets media flow between the caller and the dialog that is chosen, as the two have described themselves.
fn flow(call: &mut Call, media: &mut media::Engine, now: Instant) {
    let Stage::Proxied(proxying) = &call.stage else { return };
    let Some(voice) = proxying.relay.as_ref().and_then(|relay| relay.chosen()) else { return };
    let Some(callee) = proxying.leg_at(voice.token) else { return };
    let streams = [0, callee].map(|no| call.leg(no).and_then(|leg| leg.stream));
    let [Some(near), Some(far)] = streams else { return };
    let described = [&voice.callers, &voice.callees];
    let talks = |remote: &Option<RemoteMedia>| {
        remote.as_ref().is_some_and(|remote| !remote.held && remote.direction == Direction::SendRecv)
    };
    // Who rings, is held or has no audio may be silent as long as that lasts.
    let quiet = !voice.answered || !described.iter().all(|remote| talks(remote));
    for (stream, remote) in [near, far].into_iter().zip(described) {
        if let Some(remote) = remote {
            media.set_remote(stream, remote.clone(), now);
        }
        media.hold(stream, quiet, now);
    }
    if media.connected(near) != Some(far) {
        media.connect(near, far);
    }
    let held = described.map(|remote| remote.as_ref().is_some_and(|remote| remote.held));
    let sealed = voice.callees.as_ref().is_some_and(|remote| remote.secure || !remote.crypto.is_empty())
        && voice.callers.as_ref().is_some_and(|remote| remote.secure || !remote.crypto.is_empty());
    for (no, held) in [0, callee].into_iter().zip(held) {
        if let Some(leg) = call.leg_mut(no) {
            (leg.held, leg.sealed) = (held, sealed);
        }
    }
}

impl Step<'_, '_> {
    /// How a plan wants to be carried out: its own word, else the tenant's.
    pub(crate) fn handling_of(&self, plan: &model::RingPlan) -> Handling {
        match plan.handling {
            Handling::TenantDefault => self.company().map_or(Handling::B2bua, |company| company.handling),
            own @ (Handling::Proxy | Handling::Relay | Handling::B2bua) => own,
        }
    }

    /// Whether the tenant leaves it to the parties of a plan what keys they use: keys pass as they are.
    pub(crate) fn leaves_keys_alone(&self, plan: &model::RingPlan) -> bool {
        let company = self.company();
        let general = company.map(|company| company.media_security).unwrap_or_default();
        let of = |name: &str| {
            let account = self.floors.directory.account(self.call.info.company, name);
            account.and_then(|account| account.media_security).unwrap_or(general)
        };
        let free = |target: &model::Target| match &target.to {
            Endpoint::Account(name) => of(name) == MediaSecurity::Allow,
            Endpoint::Uri(_) | Endpoint::Trunk { .. } => general == MediaSecurity::Allow,
        };
        let caller = self.call.leg(0).is_none_or(|leg| leg.security.is_free());
        caller && plan.steps.iter().flat_map(|step| &step.targets).all(free)
    }

    /// Whether the caller's offer is one that can be passed on by our ports: audio at an address, in clear or with keys
    /// in the description (RFC 4568). What has its keys in the media itself (DTLS) needs more than a relay of RTP, and a
    /// browser takes nothing else.
    pub(crate) fn can_relay(&self, plan: &model::RingPlan) -> bool {
        if self.rings_browser(plan) {
            return false;
        }
        let Some(body) = &self.call.caller_offer else { return true };
        let offer = Description::parse(body).ok().and_then(|offer| sdp::remote_media(&offer).ok());
        offer.is_some_and(|remote| !remote.secure || !remote.crypto.is_empty())
    }

    /// Whether some phone of the plan is one in a browser, as far as its way here shows.
    fn rings_browser(&self, plan: &model::RingPlan) -> bool {
        let company = self.call.info.company;
        let by_websocket = |branch: &Branch| matches!(branch.flow.transport, Transport::Ws | Transport::Wss);
        let browser = |target: &model::Target| {
            matches!(target.to, Endpoint::Account(_))
                && target::branches(self.floors, company, &target.to).is_ok_and(|all| all.iter().any(by_websocket))
        };
        plan.steps.iter().flat_map(|step| &step.targets).any(browser)
    }

    /// The relay of a plan, with the caller's port.
    ///
    /// # Errors
    /// There is no port for the caller.
    pub(crate) fn open_relay(&mut self) -> Result<Relay, Cause> {
        let offer = self.call.caller_offer.as_ref().and_then(|body| Description::parse(body).ok());
        let described = offer.as_ref().and_then(|offer| sdp::remote_media(offer).ok());
        let family = described.map_or_else(|| self.caller_address(), |remote| remote.rtp.ip());
        self.open_stream(0, family)?;
        if let Some(stream) = self.call.leg(0).and_then(|leg| leg.stream) {
            self.floors.media.leave_untouched(stream);
        }
        let allowed = self.company().map(|company| company.codecs.clone()).unwrap_or_default();
        Ok(Relay { offer, allowed, voices: Vec::new() })
    }

    /// A port for a target, and the offer that names it; nothing where the call has no relay.
    ///
    /// # Errors
    /// There is no port, or the tenant allows none of the offer's formats.
    pub(crate) fn relay_to(&mut self, signalling: IpAddr) -> Result<Option<(Place, Option<Bytes>)>, Cause> {
        if self.proxying().is_none_or(|proxying| proxying.relay.is_none()) {
            return Ok(None);
        }
        let (stream, address) = self.open_port(signalling, signalling)?;
        self.floors.media.leave_untouched(stream);
        let relay = self.proxying().and_then(|proxying| proxying.relay.as_ref());
        let body = relay.and_then(|relay| relay.offer.as_ref().map(|offer| relay.offered(offer, address)));
        if body == Some(None) {
            let now = self.now();
            self.floors.media.close(stream, now);
            return Err(Cause::NotAcceptable);
        }
        Ok(Some((Place { stream, address }, body.flatten())))
    }

    /// A target has become a leg: its port is the leg's.
    pub(crate) fn place_leg(&mut self, no: LegNo, place: Option<Place>) {
        let (Some(place), Some(leg)) = (place, self.call.leg_mut(no)) else { return };
        leg.stream = Some(place.stream);
        leg.address = Some(place.address);
        self.desk.by_stream.insert(place.stream, (self.call.id, no));
    }

    /// Dialogs of a target are over: all of them, or the one with this tag. Another one may be heard now.
    pub(crate) fn hush_voice(&mut self, token: u16, tag: Option<&str>) {
        let Some(relay) = self.proxying().and_then(|proxying| proxying.relay.as_mut()) else { return };
        relay.voices.retain(|voice| voice.token != token || tag.is_some_and(|tag| &*voice.tag != tag));
        let now = self.now();
        flow(self.call, self.floors.media, now);
    }
}

/// Closes the ports of targets that were never tried.
pub(crate) fn close_unused(proxying: &mut Proxying, media: &mut media::Engine, now: Instant) {
    for place in proxying.unused_places() {
        media.close(place.stream, now);
    }
}
