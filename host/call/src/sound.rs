//! A leg's media: its stream, what we describe to its party, and what its party described to us.
//!
//! Three shapes. *Carried*: the caller's description is handed to the callee and back, anchored at our ports or, for
//! direct media, as it is. *Alone*: the switch itself speaks to the leg (a call app), and `spoken` says in what.
//! *Late*: the INVITE had no offer, so ours goes with the 2xx and the answer comes with the ACK.

use crate::leg::LegNo;
use crate::security::Wish;
use crate::step::Step;
use bytes::Bytes;
use core::net::IpAddr;
use model::{Cause, MediaPath};
use sdp::{Codec, Description, Direction, MediaAddr};
use std::sync::Arc;

/// What a phone is offered beside what its caller has, where nothing says what is allowed: some have nothing else.
const BESIDE: &[&str] = &["opus"];

impl Step<'_, '_> {
    /// Opens the leg's stream where it has none; the family is the one its party uses.
    pub(crate) fn open_stream(&mut self, no: LegNo, party: IpAddr) -> Result<MediaAddr, Cause> {
        let id = self.id();
        let Some(leg) = self.call.leg(no) else { return Err(Cause::InternalError) };
        if let Some(address) = leg.address {
            return Ok(address);
        }
        let signalling = leg.signalling;
        let (stream, address) = self.open_port(party, signalling)?;
        if let Some(leg) = self.call.leg_mut(no) {
            leg.stream = Some(stream);
            leg.address = Some(address);
        }
        self.desk.by_stream.insert(stream, (id, no));
        Ok(address)
    }

    /// A stream of this family for a party whose signalling comes from there, and the address at which it reaches it.
    pub(crate) fn open_port(
        &mut self,
        family: IpAddr,
        signalling: IpAddr,
    ) -> Result<(media::StreamId, MediaAddr), Cause> {
        let now = self.now();
        let (stream, port) = self.floors.media.open(family, now).map_err(|_| Cause::NoMediaPort)?;
        let seen = |address| self.floors.setup.media_towards(address, signalling);
        let address = MediaAddr { rtp: seen(port.rtp), rtcp: seen(port.rtcp) };
        self.floors.media.expect_from(stream, signalling);
        Ok((stream, address))
    }

    /// The offer for a new callee.
    pub(crate) fn offer_to(&mut self, no: LegNo, media: MediaPath) -> Result<Bytes, Cause> {
        let party = self.call.leg(no).map_or_else(|| self.caller_address(), |l| l.signalling);
        let carried = self.call.caller_offer.clone().filter(|_| self.hunts_for_caller());
        let Some(body) = carried else {
            let parent = self.call.leg(self.call.now_at(0)).and_then(|l| l.spoken.as_ref()).map(|spoken| spoken.codec);
            let codecs = self.own_codecs(parent);
            let address = self.open_stream(no, party)?;
            return Ok(self.say_offer(no, sdp::offer_local(address, &codecs)));
        };
        let offer = self.caller_description(&body)?;
        if offer.is_fax() && self.call.leg(no).is_some_and(|l| !l.security.takes_clear()) {
            return Err(Cause::NotAcceptable);
        }
        let free = |l: &crate::leg::Leg| l.security.is_free();
        // A browser and a phone do not understand each other by themselves.
        let alike = self.call.leg(no).is_some_and(|l| l.security.is_browser() == offer.is_webrtc());
        let may_be_direct = alike && self.call.leg(0).is_some_and(free) && self.call.leg(no).is_some_and(free);
        if !Self::anchored(media) && may_be_direct {
            return Ok(self.say_theirs(no, Description::clone(&offer)));
        }
        self.check_offer(0, &offer)?;
        let address = self.open_stream(no, party)?;
        // A carrier has G.711, and so has a browser (RFC 7874 section 3).
        let phone = self.call.leg(no).is_some_and(|l| l.trunk.is_none() && !l.security.is_browser());
        let beside = if phone { BESIDE } else { &[] };
        // A call that begins with both begins with sound; whoever hears a fax says so by an offer of its own.
        let mut carried = sdp::anchor(&offer, &[address]);
        carried.choose(false);
        let carried = self.offered_formats(&offer, carried, beside)?;
        Ok(self.say_offer(no, carried))
    }

    /// A router's plan serves the caller's own offer; an app's dial serves a leg that the switch speaks to.
    fn hunts_for_caller(&self) -> bool {
        self.call.leg(0).is_some_and(|l| l.spoken.is_none())
            && matches!(self.call.stage, crate::stage::Stage::Hunting(_))
    }

    /// What we offer by ourselves, as the company likes it: what the other side of the call has first, so that nothing has
    /// to be transcoded, then what every phone has, then what some have instead.
    fn own_codecs(&self, first: Option<Codec>) -> Vec<Codec> {
        let wanted = first.iter().chain(Codec::OFFERED);
        let mut codecs: Vec<Codec> = Vec::new();
        for codec in wanted.filter(|codec| self.may_speak(**codec)) {
            if !codecs.contains(codec) {
                codecs.push(*codec);
            }
        }
        // A list of nothing but formats that pass unread names none for the switch itself.
        if !codecs.iter().any(|codec| codec.is_audio()) {
            codecs = Codec::OFFERED.to_vec();
        }
        self.for_fax(&mut codecs);
        codecs
    }

    /// Whether the switch speaks a codec, and the company wants it to.
    fn may_speak(&self, codec: Codec) -> bool {
        let allowed = self.floors.directory.company(self.call.info.company).map_or(&[][..], |c| c.codecs.as_slice());
        let wanted = allowed.is_empty() || allowed.iter().any(|name| name.eq_ignore_ascii_case(codec.encoding()));
        !codec.is_audio() || (wanted && self.floors.media.can(&codec.payload()))
    }

    fn caller_description(&mut self, body: &[u8]) -> Result<Arc<Description>, Cause> {
        if let Some(known) = self.call.leg(0).and_then(|l| l.theirs.clone()) {
            return Ok(known);
        }
        let offer = Arc::new(Description::parse(body).map_err(|_| Cause::NotAcceptable)?);
        if let Some(caller) = self.call.leg_mut(0) {
            caller.theirs = Some(Arc::clone(&offer));
        }
        Ok(offer)
    }

    /// The callee's answer, as the caller shall get it; from here on the two hear each other.
    pub(crate) fn answer_from(&mut self, no: LegNo, body: &[u8]) -> Result<Bytes, Cause> {
        let answer = Arc::new(Description::parse(body).map_err(|_| Cause::NotAcceptable)?);
        if self.call.leg(no).is_none_or(|l| l.address.is_none()) {
            self.hear_answer(no, Arc::clone(&answer))?;
            self.pass_by(0);
            return Ok(self.say_theirs(0, Description::clone(&answer)));
        }
        let heard = sdp::remote_media(&answer).map_err(|_| Cause::NotAcceptable)?;
        self.hear_answer(no, answer.clone())?;
        let family = self.caller_family();
        let address = self.open_stream(0, family)?;
        let offer = self.call.leg(0).and_then(|l| l.theirs.clone());
        let said = match offer {
            Some(offer) => {
                let remote = sdp::remote_media(&offer).map_err(|_| Cause::NotAcceptable)?;
                let carried =
                    self.answered_formats(&offer, &answer, sdp::anchor_answer(&offer, &answer, &[address]))?;
                let said = self.say_answer(0, &remote, carried)?;
                self.listen_to(0, &offer);
                self.holds_now(0);
                said
            }
            None => {
                let (codec, _) = heard.audio().ok_or(Cause::NotAcceptable)?;
                self.say_offer(0, sdp::offer_local(address, &[codec, Codec::TelephoneEvent]))
            }
        };
        self.join(0, no);
        Ok(said)
    }

    /// The address family of the caller's media, else of its signalling.
    pub(crate) fn caller_family(&self) -> IpAddr {
        let described = self.call.leg(0).and_then(|l| l.theirs.as_ref()).and_then(|d| sdp::remote_media(d).ok());
        // A browser comes to where we say; its signalling shows which family it has for certain.
        described.filter(|m| m.webrtc.is_none()).map(|m| m.rtp.ip()).unwrap_or_else(|| self.caller_address())
    }

    /// The address the caller's INVITE came from.
    pub(crate) fn caller_address(&self) -> IpAddr {
        self.call.leg(0).map_or(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), |l| l.signalling)
    }

    /// The party of this leg answered us.
    ///
    /// # Errors
    /// Its keys are none that we offered, or it answered in clear where it must not.
    pub(crate) fn hear_answer(&mut self, no: LegNo, answer: Arc<Description>) -> Result<(), Cause> {
        // Keys of media that does not pass through us are the parties' own.
        let anchored = self.call.leg(no).is_some_and(|l| l.stream.is_some() && !l.passes_by);
        // The keys of sound rest while there is a fax.
        if let Some(remote) = sdp::remote_media(&answer).ok().filter(|remote| anchored && !remote.udptl) {
            self.call.leg_mut(no).map_or(Ok(()), |leg| leg.security.hear_answer(&remote))?;
            self.use_keys(no);
        }
        self.listen_to(no, &answer);
        if let Some(leg) = self.call.leg_mut(no) {
            // Who was not free to speak and hear does not say by its answer what it wants.
            if leg.ours.as_ref().is_none_or(|ours| ours.direction() == Direction::SendRecv) {
                leg.holds = leg.held;
            }
            leg.former = None;
            leg.theirs = Some(answer);
        }
        Ok(())
    }

    /// The party of this leg answered us with this body.
    ///
    /// # Errors
    /// Nothing in it can be used: no description, or no sound that fits what we offered ([`Step::hear_answer`]).
    pub(crate) fn hear_body(&mut self, no: LegNo, sdp: Option<&[u8]>) -> Result<(), Cause> {
        let answer = sdp.and_then(|body| Description::parse(body).ok()).filter(|d| sdp::remote_media(d).is_ok());
        self.hear_answer(no, Arc::new(answer.ok_or(Cause::NotAcceptable)?))
    }

    /// Gives a carried offer the formats that its callee shall have: the caller's, as the company likes them, and what
    /// the switch can turn them into.
    fn offered_formats(
        &self,
        theirs: &Description,
        mut carried: Description,
        beside: &[&'static str],
    ) -> Result<Description, Cause> {
        if carried.is_fax() {
            return Ok(carried);
        }
        let company = self.floors.directory.company(self.call.info.company);
        let allowed = company.map_or(&[][..], |c| c.codecs.as_slice());
        let can = |p: &sdp::Payload| self.floors.media.can(p);
        let formats = sdp::offer_formats(&theirs.formats(), allowed, beside, &can);
        if formats.is_empty() {
            return Err(Cause::NotAcceptable);
        }
        carried.set_formats(&formats);
        Ok(carried)
    }

    /// Gives a carried answer formats that its caller offered.
    fn answered_formats(
        &self,
        offer: &Description,
        answer: &Description,
        mut carried: Description,
    ) -> Result<Description, Cause> {
        if carried.is_fax() {
            return Ok(carried);
        }
        let can = |p: &sdp::Payload| self.floors.media.can(p);
        let formats = sdp::answer_formats(&offer.formats(), &answer.formats(), &can).ok_or(Cause::NotAcceptable)?;
        carried.set_formats(&formats);
        Ok(carried)
    }

    /// Whether a party's offer can be answered as its tenant wants.
    pub(crate) fn check_offer(&self, no: LegNo, offer: &Description) -> Result<(), Cause> {
        match (sdp::remote_media(offer), self.call.leg(no)) {
            (Ok(remote), Some(leg)) => leg.security.check(&remote),
            (Ok(_) | Err(_), _) => Ok(()),
        }
    }

    /// Hands the keys agreed with a leg's party to its stream.
    fn use_keys(&mut self, no: LegNo) {
        let now = self.now();
        let Some(leg) = self.call.leg(no) else { return };
        let Some(stream) = leg.stream else { return };
        let media = &mut *self.floors.media;
        let own = leg.security.webrtc();
        media.set_ice(stream, own.map(crate::webrtc::Own::ice));
        match own {
            Some(own) => {
                if let Some(peer) = own.peer() {
                    media.set_dtls(stream, peer, now);
                }
            }
            None => media.secure(stream, leg.security.keys(), now),
        }
    }

    /// The other party's own description as an offer, for media that passes by the switch.
    pub(crate) fn offer_theirs(&mut self, no: LegNo, description: Description) -> Bytes {
        if let Some(leg) = self.call.leg_mut(no) {
            leg.keep_former();
        }
        self.say_theirs(no, description)
    }

    /// Our offer on this leg, with the keys it shall have.
    pub(crate) fn say_offer(&mut self, no: LegNo, mut description: Description) -> Bytes {
        let wanted = self.call.legs.iter().filter(|l| l.no != no && l.is_alive()).any(|l| {
            let offers = |theirs: &Arc<Description>| {
                sdp::remote_media(theirs).is_ok_and(|remote| l.security.would_take(&remote))
            };
            l.security.is_agreed() || (l.no == 0 && l.theirs.as_ref().is_some_and(offers))
        });
        // Who has shown keys of its own, to us or past us, is not offered less.
        let shown = self.call.leg(no).and_then(|l| {
            let remote = sdp::remote_media(l.theirs.as_deref()?).ok()?;
            l.security.would_take(&remote).then_some(remote.secure)
        });
        if description.is_fax() {
            if let Some(leg) = self.call.leg_mut(no) {
                leg.keep_former();
                leg.ours.iter().for_each(|last| description.keep_lines_of(last));
            }
            return self.say(no, description, false);
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.keep_former();
            let wish = Wish { keys: wanted || shown.is_some(), only: shown == Some(true) };
            let said = leg.security.offer(wish, &mut self.desk.ids);
            match &leg.ours {
                // An offer has no fewer lines than the party knows of (RFC 3264 section 8).
                Some(last) => description.keep_lines_of(last),
                None if said.webrtc.is_some() => description.keep_audio_only(),
                None => {}
            }
            said.write(&mut description);
            if said.webrtc.is_some() {
                // Its checks may come before its answer.
                self.use_keys(no);
            }
        }
        self.say(no, description, false)
    }

    /// Our answer to a party's offer, with the keys agreed.
    pub(crate) fn say_answer(
        &mut self,
        no: LegNo,
        offer: &sdp::RemoteMedia,
        mut answer: Description,
    ) -> Result<Bytes, Cause> {
        if let Some(leg) = self.call.leg_mut(no) {
            // An offer of ours that waits for its second try is not what stands.
            leg.former = None;
            if !offer.udptl {
                let said = leg.security.answer(offer, &mut self.desk.ids)?;
                said.write(&mut answer);
                self.use_keys(no);
            }
        }
        Ok(self.say(no, answer, false))
    }

    /// What the party has offered is what it wants of its own accord.
    pub(crate) fn holds_now(&mut self, no: LegNo) {
        if let Some(leg) = self.call.leg_mut(no) {
            leg.holds = leg.held;
        }
    }

    /// Points the leg's stream at what its party described.
    pub(crate) fn listen_to(&mut self, no: LegNo, theirs: &Description) {
        let now = self.now();
        // Who waits in a slot may be silent as long as that lasts.
        let waits = matches!(self.call.stage, crate::stage::Stage::Parked(_));
        let Some(leg) = self.call.leg_mut(no) else { return };
        let Ok(remote) = sdp::remote_media(theirs) else { return };
        leg.held = remote.held;
        let quiet = waits || remote.direction != Direction::SendRecv || remote.held;
        if let Some(stream) = leg.stream.filter(|_| !leg.passes_by) {
            self.floors.media.set_remote(stream, remote, now);
            self.floors.media.hold(stream, quiet, now);
        }
    }

    /// Two legs hear each other over the relay, whatever path their media took before. Where a port is missing for one of
    /// them, they are left to each other's own addresses if the tenant allows that; else the call ends.
    pub(crate) fn relay_pair(&mut self, one: LegNo, other: LegNo) {
        let opened = [one, other].map(|no| {
            let party = self.call.leg(no).map_or_else(|| self.caller_address(), |l| l.signalling);
            self.open_stream(no, party).is_ok()
        });
        if opened == [true, true] {
            return self.join(one, other);
        }
        let free = |no| self.call.leg(no).is_some_and(|l: &crate::leg::Leg| l.security.is_free());
        if self.call.tenant_media == MediaPath::Direct && free(one) && free(other) {
            self.pass_by(one);
            self.pass_by(other);
        } else {
            self.end_call(crate::leg::Ending::switch(Cause::NoMediaPort));
        }
    }

    /// The leg's media leaves the relay; keys that were agreed with the switch are nothing any more.
    pub(crate) fn pass_by(&mut self, no: LegNo) {
        let now = self.now();
        let Some(leg) = self.call.leg_mut(no) else { return };
        leg.address = None;
        leg.spoken = None;
        let Some(stream) = leg.stream.take() else { return };
        leg.security = leg.security.renewed();
        self.desk.by_stream.remove(&stream);
        self.floors.media.close(stream, now);
    }

    /// Two legs hear each other.
    pub(crate) fn join(&mut self, a: LegNo, b: LegNo) {
        for no in [a, b] {
            self.leave_room(no);
            self.hold_other(no, false);
        }
        let streams = (self.call.leg(a).and_then(|l| l.stream), self.call.leg(b).and_then(|l| l.stream));
        if let (Some(a), Some(b)) = streams {
            self.floors.media.connect(a, b);
        }
    }

    /// Two legs no longer hear each other.
    pub(crate) fn part(&mut self, a: LegNo) {
        if let Some(stream) = self.call.leg(a).and_then(|l| l.stream) {
            self.floors.media.disconnect(stream);
        }
    }

    /// What the other party described, as it is: its address and its keys, for media that passes by the switch.
    pub(crate) fn say_theirs(&mut self, no: LegNo, description: Description) -> Bytes {
        self.say(no, description, true)
    }

    /// Stamps a description as ours on this leg, remembers it, and gives its text.
    fn say(&mut self, no: LegNo, mut description: Description, passes_by: bool) -> Bytes {
        let Some(leg) = self.call.leg_mut(no) else { return description.to_bytes() };
        leg.passes_by = passes_by;
        leg.origin.stamp(&mut description, leg.ours.as_deref());
        let text = description.to_bytes();
        leg.ours = Some(Arc::new(description));
        text
    }

    /// The offer of a re-INVITE for the other leg; `None` where it cannot be used.
    pub(crate) fn carry_offer(&mut self, from: LegNo, to: LegNo, offer: &Description) -> Option<Bytes> {
        if self.call.leg(from)?.stream.is_none() {
            return Some(self.offer_theirs(to, offer.clone()));
        }
        sdp::remote_media(offer).ok()?;
        self.check_offer(from, offer).ok()?;
        let address = self.call.leg(to)?.address?;
        if offer.is_fax() && !self.call.leg(to)?.security.takes_clear() {
            return None;
        }
        // Who has no G.711 was offered more than the caller has, and is again.
        let has_g711 =
            |d: &Arc<Description>| d.formats().iter().any(|p| matches!(p.codec(), Some(Codec::Pcmu | Codec::Pcma)));
        let beside = if self.call.leg(to)?.theirs.as_ref().is_none_or(has_g711) { &[] } else { BESIDE };
        let mut carried = self.offered_formats(offer, sdp::anchor(offer, &[address]), beside).ok()?;
        // Whoever is held goes on hearing: the music of its company.
        if carried.direction() == Direction::Inactive && self.plays_on_hold(to) {
            carried.set_direction(Direction::SendOnly);
        }
        Some(self.say_offer(to, carried))
    }

    /// The other leg's answer for the one that offered; both streams follow.
    pub(crate) fn carry_answer(
        &mut self,
        from: LegNo,
        to: LegNo,
        offer: &Arc<Description>,
        answer: Arc<Description>,
    ) -> Option<Bytes> {
        let (offer, answer) = (chosen(offer, &answer), chosen(&answer, &answer));
        let offer = &offer;
        let Some(address) = self.call.leg(from)?.address else {
            self.hear_answer(from, Arc::clone(offer)).ok()?;
            self.hear_answer(to, Arc::clone(&answer)).ok()?;
            self.holds_now(from);
            return Some(self.say_theirs(from, Description::clone(&answer)));
        };
        let said = sdp::anchor_answer(offer, &answer, &[address]);
        if offer.names_fax() && sdp::remote_media(&answer).is_err() {
            // Every line refused, in a 2xx: the party that offered is told so, and offers what it wants instead.
            return Some(self.say(from, said, false));
        }
        let mut said = self.answered_formats(offer, &answer, said).ok()?;
        let remote = sdp::remote_media(offer).ok()?;
        if offer.direction() == Direction::Inactive {
            said.set_direction(Direction::Inactive);
        }
        let held = offer.direction() != Direction::SendRecv;
        self.hear_answer(to, answer).ok()?;
        let said = self.say_answer(from, &remote, said).ok()?;
        self.listen_to(from, offer);
        self.holds_now(from);
        self.hold_other(to, remote.held);
        self.call.leg_mut(from)?.theirs = Some(Arc::clone(offer));
        let now = self.now();
        for no in [from, to] {
            // Whoever holds, neither party is expected to be heard meanwhile.
            if let Some(stream) = self.call.leg(no).and_then(|l| l.stream).filter(|_| held) {
                self.floors.media.hold(stream, true, now);
            }
        }
        Some(said)
    }

    /// Our own answer to a party's offer, for a leg the switch speaks to.
    pub(crate) fn answer_by_ourselves(&mut self, no: LegNo, offer: &Arc<Description>) -> Result<Bytes, Cause> {
        let described = sdp::remote_media(offer).ok().filter(|m| m.webrtc.is_none()).map(|m| m.rtp.ip());
        let family = described.unwrap_or_else(|| self.caller_address());
        let address = self.open_stream(no, family)?;
        let machine = self.call.leg(no).and_then(|l| l.stream).is_some_and(|s| self.floors.media.takes_fax(s));
        if machine && offer.names_fax() {
            return self.answer_with_fax(no, offer, address);
        }
        let mut known: Vec<Codec> = Codec::ALL.iter().copied().filter(|codec| self.may_speak(*codec)).collect();
        if !known.iter().any(|codec| codec.is_audio()) {
            known = Codec::ALL.to_vec();
        }
        self.for_fax(&mut known);
        let (answer, negotiated) = sdp::answer_local(offer, address, &known).map_err(|_| Cause::NotAcceptable)?;
        let said = self.say_answer(no, &negotiated.remote, answer)?;
        let now = self.now();
        let leg = self.call.leg_mut(no).ok_or(Cause::InternalError)?;
        leg.theirs = Some(Arc::clone(offer));
        let held = negotiated.remote.held;
        (leg.held, leg.holds) = (held, held);
        if let Some(stream) = leg.stream {
            self.floors.media.set_remote(stream, negotiated.remote.clone(), now);
            self.floors.media.hold(stream, negotiated.direction != Direction::SendRecv, now);
            self.floors.media.detect_digits(stream, true);
        }
        leg.spoken = Some(negotiated);
        if let Some(other) = self.bridge_mut().filter(|b| b.joins(no)).map(|b| b.other(no)) {
            self.hold_other(other, held);
        }
        Ok(said)
    }

    /// A party goes over to T.38, and a fax machine of ours is at the other end of its line.
    fn answer_with_fax(&mut self, no: LegNo, offer: &Arc<Description>, address: MediaAddr) -> Result<Bytes, Cause> {
        let clear = self.call.leg(no).is_some_and(|l| l.security.takes_clear());
        let (answer, remote) = sdp::answer_fax(offer, address).map_err(|_| Cause::NotAcceptable)?;
        if !clear {
            return Err(Cause::NotAcceptable);
        }
        let said = self.say_answer(no, &remote, answer)?;
        let offer = chosen(offer, offer);
        self.listen_to(no, &offer);
        self.holds_now(no);
        if let Some(leg) = self.call.leg_mut(no) {
            leg.theirs = Some(offer);
        }
        Ok(said)
    }

    /// Offers a party our own voice: it was joined to somebody, and now the switch speaks to it.
    pub(crate) fn speak_alone(&mut self, no: LegNo) {
        let party = self.call.leg(no).map_or_else(|| self.caller_address(), |l| l.signalling);
        let Ok(address) = self.open_stream(no, party) else { return };
        if let Some(stream) = self.call.leg(no).and_then(|l| l.stream) {
            self.floors.media.detect_digits(stream, true);
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.spoken = spoken_of(leg);
        }
        // A party with an offer of its own under way is answered in the same voice; one with an offer of another's before
        // it hears of this afterwards.
        if self.may_offer(no).is_err() {
            self.call.unsaid = Some(no);
            return;
        }
        let offer = self.say_offer(no, sdp::offer_local(address, &self.own_codecs(None)));
        // Asked in the line above.
        let _ = self.send_offer(no, offer, false);
    }

    /// Offers our voice to a party that could not be offered it before.
    pub(crate) fn speak_next(&mut self) {
        let Some(no) = self.call.unsaid.take() else { return };
        if self.call.leg(no).is_some_and(|l| l.dialog.is_some()) && self.peer_of(no).is_none() {
            self.speak_alone(no);
        }
    }

    /// A party answered an offer that was nobody else's.
    pub(crate) fn hear_alone(&mut self, no: LegNo, answer: Arc<Description>) {
        if let Err(cause) = self.hear_answer(no, answer) {
            return self.end_call(crate::leg::Ending::switch(cause));
        }
        // A leg that carries a fax meanwhile goes on being spoken to by the switch.
        if let Some(leg) = self.call.leg_mut(no).filter(|l| l.spoken.is_some()) {
            let fax = leg.theirs.as_ref().is_some_and(|theirs| theirs.is_fax());
            leg.spoken = if fax { leg.spoken.take() } else { spoken_of(leg) };
        }
    }

    /// Our own offer: in a 2xx, for a caller that sent none, and to a phone that rings for a call of its own.
    pub(crate) fn offer_by_ourselves(&mut self, no: LegNo) -> Result<Bytes, Cause> {
        let party = self.call.leg(no).map_or_else(|| self.caller_address(), |l| l.signalling);
        let address = self.open_stream(no, party)?;
        if let Some(stream) = self.call.leg(no).and_then(|l| l.stream) {
            self.floors.media.detect_digits(stream, true);
        }
        Ok(self.say_offer(no, sdp::offer_local(address, &self.own_codecs(None))))
    }
}

/// A description with what its answer has taken: fax, where both sound and fax were offered and the answer has a fax.
fn chosen(description: &Arc<Description>, answer: &Description) -> Arc<Description> {
    let mut narrow = Description::clone(description);
    narrow.choose(answer.names_fax());
    if narrow == **description { Arc::clone(description) } else { Arc::new(narrow) }
}

/// What a party and we speak, from its newest description.
pub(crate) fn spoken_of(leg: &crate::leg::Leg) -> Option<sdp::Negotiated> {
    let remote = sdp::remote_media(leg.theirs.as_ref()?).ok()?;
    let (codec, pt) = remote.audio()?;
    let direction = remote.direction.mirrored();
    Some(sdp::Negotiated { remote, codec, pt, direction })
}
