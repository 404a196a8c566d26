//! An INVITE that asks for no new call: it takes a place in one that is there. By Replaces (RFC 3891), by picking up a
//! call that rings, or by taking back one that is parked. Always within the caller's own company.

use crate::arrival::Arrival;
use crate::cross::can_be_joined;
use crate::engine::Engine;
use crate::floors::Floors;
use crate::lamps::Alias;
use crate::leg::{Ending, Leg, LegNo, Progress};
use crate::security::Security;
use crate::stage::{Bridge, Stage, Waiting};
use crate::step::Step;
use bytes::Bytes;
use core::time::Duration;
use model::{AccountId, CallId, Cause, EndedBy, LegRole, StarService};
use sdp::Description;
use sip_dialog::{DialogKey, Named, Replaces};
use std::sync::Arc;

impl Engine {
    /// Whether an INVITE takes a place in a call that is there, or was refused because it cannot.
    pub(crate) fn joins(&mut self, floors: &mut Floors<'_>, arrival: &Arrival) -> bool {
        // A carrier begins calls; it takes no place in one.
        if arrival.account.is_none() {
            return false;
        }
        let done = match Replaces::of(&arrival.request) {
            Err(_) => Err(400),
            // A dialog of the parties' own: theirs to judge, when the INVITE comes to them.
            Ok(Some(r)) if floors.proxies.has_dialog(&r.call_id, (&r.from_tag, &r.to_tag)) => return false,
            Ok(Some(replaces)) => self.replace(floors, arrival, &replaces),
            Ok(None) => match self.dialled_code(floors, arrival) {
                Some(done) => done,
                None => return false,
            },
        };
        if let Err(status) = done {
            self.turn_away(floors, arrival, status);
        }
        true
    }

    fn dialled_code(&mut self, floors: &mut Floors<'_>, arrival: &Arrival) -> Option<Result<(), u16>> {
        let directory = floors.directory;
        let company = arrival.company.id;
        Some(match directory.dialled_service(&arrival.company, &arrival.callee_user)? {
            (StarService::Retrieve, "") => self.retrieve(floors, arrival, arrival.username()),
            (StarService::Retrieve, slot) => self.retrieve(floors, arrival, slot),
            (StarService::Pickup, "") => self.pick_up(floors, arrival, &|_| true),
            (StarService::Pickup, of) => {
                let extension = directory.extension(company, of).and_then(|e| e.target.account());
                match directory.account(company, extension.unwrap_or(of)) {
                    Some(account) => self.pick_up(floors, arrival, &|id| id == account.id),
                    None => Err(404),
                }
            }
            (StarService::GroupPickup, "") => {
                let own = arrival.account.as_ref()?.rules.pickup_groups.as_slice();
                let shares = |id: AccountId| {
                    let account = directory.account_by_id(id);
                    account.is_some_and(|a| a.rules.pickup_groups.iter().any(|group| own.contains(group)))
                };
                self.pick_up(floors, arrival, &shares)
            }
            // Parks only as the target of a transfer; locks are thrown by a call.
            (
                StarService::GroupPickup
                | StarService::Park
                | StarService::LockOpen
                | StarService::LockClose
                | StarService::LockToggle,
                _,
            ) => return None,
        })
    }

    /// Picks up, for the account that sent this INVITE, the oldest call of its company that rings at an account of
    /// `whose`.
    ///
    /// # Errors
    /// The status that refuses the INVITE; nothing was sent yet.
    pub fn pick_up(
        &mut self,
        floors: &mut Floors<'_>,
        arrival: &Arrival,
        whose: &dyn Fn(AccountId) -> bool,
    ) -> Result<(), u16> {
        let company = arrival.company.id;
        let rings = |leg: &&Leg| {
            leg.role == LegRole::Callee
                && matches!(leg.progress, Progress::Trying | Progress::Ringing)
                && leg.account.is_some_and(whose)
        };
        let found = self
            .calls
            .values()
            .filter(|call| call.info.company == company && !matches!(call.stage, Stage::Summoning(_)))
            .filter_map(|call| call.legs.iter().find(rings).map(|leg| (call.started_at, call.id, leg.no)))
            .min();
        let (_, call, leg) = found.ok_or(404_u16)?;
        self.take_ringing(floors, arrival, call, leg)
    }

    /// Takes back a party that is parked in this slot of the caller's company.
    ///
    /// # Errors
    /// The status that refuses the INVITE; nothing was sent yet.
    pub fn retrieve(&mut self, floors: &mut Floors<'_>, arrival: &Arrival, slot: &str) -> Result<(), u16> {
        let call = self.desk.slots.get(&(arrival.company.id, slot.to_owned())).copied().ok_or(404_u16)?;
        let mut done = Err(480);
        self.step(call, floors, |step| done = step.retrieved_by(arrival));
        done
    }

    /// An INVITE with Replaces (RFC 3891 section 3).
    fn replace(&mut self, floors: &mut Floors<'_>, arrival: &Arrival, replaces: &Replaces) -> Result<(), u16> {
        if let Some((call, leg)) = Alias::place(&replaces.call_id)
            && self.calls.get(&call).is_some_and(|call| Alias::is_named(call, leg, replaces))
        {
            return self.take_watched(floors, arrival, replaces, (call, leg));
        }
        let key = match floors.dialogs.named(replaces) {
            Named::Confirmed(_) if replaces.early_only => return Err(486),
            Named::Confirmed(key) | Named::EarlyOurs(key) => key,
            Named::Ending => return Err(603),
            Named::EarlyTheirs(_) | Named::Unknown => return Err(481),
        };
        let (call, leg) = self.desk.by_dialog.get(&key).copied().ok_or(481_u16)?;
        let Some(known) = self.calls.get_mut(&call).filter(|c| c.info.company == arrival.company.id) else {
            return Err(481);
        };
        if known.leg(leg).is_some_and(|l| !l.is_answered()) {
            return self.take_ringing(floors, arrival, call, leg);
        }
        if !can_be_joined(known, leg) {
            return Err(481);
        }
        let mut done = Err(480);
        self.step(call, floors, |step| done = step.replaced_by(arrival, leg));
        done
    }

    /// The same by the name that a lamp has told. Who watches may take what rings; what talks, only its own account may.
    fn take_watched(
        &mut self,
        floors: &mut Floors<'_>,
        arrival: &Arrival,
        replaces: &Replaces,
        (id, no): (CallId, LegNo),
    ) -> Result<(), u16> {
        let company = arrival.company.id;
        let call = self.calls.get_mut(&id).filter(|c| c.info.company == company).ok_or(481_u16)?;
        let leg = call.leg(no).filter(|leg| leg.is_alive()).ok_or(603_u16)?;
        if !leg.is_answered() {
            return self.take_ringing(floors, arrival, id, no);
        }
        if replaces.early_only {
            return Err(486);
        }
        if leg.account != arrival.account_id() {
            return Err(403);
        }
        if !can_be_joined(call, no) {
            return Err(481);
        }
        let mut done = Err(480);
        self.step(id, floors, |step| done = step.replaced_by(arrival, no));
        done
    }

    fn take_ringing(
        &mut self,
        floors: &mut Floors<'_>,
        arrival: &Arrival,
        call: CallId,
        leg: LegNo,
    ) -> Result<(), u16> {
        let mut done = Err(480);
        self.step(call, floors, |step| done = step.picked_up_by(arrival, leg));
        done
    }

    /// Refuses an INVITE that no call was opened for.
    pub(crate) fn turn_away(&mut self, floors: &mut Floors<'_>, arrival: &Arrival, status: u16) {
        let (request, now) = (arrival.request.clone(), floors.now);
        let dialog = floors.dialogs.incoming(arrival.key, arrival.flow, request, now);
        let reason = sip_message::reason_phrase(status);
        // The usage was made in the line above: it cannot be over.
        let _ = floors.dialogs.reject(floors.transactions, dialog, status, reason, &[], now);
    }
}

/// A party that has just come, before it has a leg.
struct Comer {
    key: DialogKey,
    offer: Option<Arc<Description>>,
}

impl Step<'_, '_> {
    fn comer(&mut self, arrival: &Arrival) -> Result<Comer, u16> {
        let offer = arrival.request.session_body().map(|body| Description::parse(&body).map_err(|_| 488_u16));
        let offer = offer.transpose()?.map(Arc::new);
        let now = self.now();
        let request = arrival.request.clone();
        let key = self.floors.dialogs.incoming(arrival.key, arrival.flow, request, now);
        self.floors.dialogs.set_edge(key, arrival.edge);
        self.brings_edge(key);
        Ok(Comer { key, offer })
    }

    /// A new leg for a party that has come, trying.
    fn seat(&mut self, arrival: &Arrival, comer: &Comer, role: LegRole, payer: AccountId) -> LegNo {
        let no = LegNo::try_from(self.call.legs.len()).unwrap_or(LegNo::MAX);
        let origin = sdp::Origin::new(self.desk.ids.u64());
        let fresh = Leg::new(role, arrival.flow.remote.ip(), self.now(), origin);
        let user = arrival.username().to_owned();
        let (party, caller_shown) = match role {
            LegRole::Callee => (user, self.call.info.caller.user.clone()),
            LegRole::Caller => (self.call.info.callee.user.clone(), user),
        };
        let leg = Leg {
            no,
            account: Some(payer),
            party,
            caller_shown,
            sip_call_id: arrival.request.call_id().unwrap_or_default().to_owned(),
            dialog: Some(comer.key),
            security: Security::new(arrival.media_security())
                .towards(arrival.flow.transport, self.floors.setup.certificate.as_ref()),
            theirs: comer.offer.clone(),
            ..fresh
        };
        self.call.legs.push(leg);
        self.desk.by_dialog.insert(comer.key, (self.call.id, no));
        no
    }

    /// What the party at `no`, who has come with an offer or without one, is told, given what `other` has described.
    fn words_for(&mut self, no: LegNo, other: LegNo) -> Result<Bytes, Cause> {
        let known = self.call.leg(other).and_then(|l| l.theirs.clone());
        let offer = self.call.leg(no).and_then(|l| l.theirs.clone());
        let words = match (offer, known) {
            (Some(offer), Some(known)) => {
                let family = sdp::remote_media(&offer).map_or_else(|_| self.signalling_of(no), |m| m.rtp.ip());
                let address = self.open_stream(no, family)?;
                let said = sdp::answer_known(&offer, &known, address).map_err(|_| Cause::NotAcceptable)?;
                let remote = sdp::remote_media(&offer).map_err(|_| Cause::NotAcceptable)?;
                let said = self.say_answer(no, &remote, said)?;
                self.listen_to(no, &offer);
                self.holds_now(no);
                if let Some(leg) = self.call.leg_mut(no) {
                    leg.theirs = Some(offer);
                }
                said
            }
            (Some(offer), None) => self.answer_by_ourselves(no, &offer)?,
            (None, Some(known)) => {
                let address = self.open_stream(no, self.signalling_of(no))?;
                let mut known = Description::clone(&known);
                known.set_direction(sdp::Direction::SendRecv);
                self.say_offer(no, sdp::anchor(&known, &[address]))
            }
            (None, None) => self.offer_by_ourselves(no)?,
        };
        // The two speak with each other, whoever wrote the words.
        if let Some(leg) = self.call.leg_mut(no) {
            leg.spoken = None;
        }
        Ok(words)
    }

    fn signalling_of(&self, no: LegNo) -> core::net::IpAddr {
        self.call.leg(no).map_or_else(|| self.caller_address(), |l| l.signalling)
    }

    /// Answers the party at `no` with these words.
    fn admit(&mut self, no: LegNo, words: Bytes) -> Result<(), u16> {
        let now = self.now();
        let key = self.call.leg(no).and_then(|l| l.dialog).ok_or(480_u16)?;
        self.note_answered(no, Progress::Accepted);
        self.floors.dialogs.accept(self.floors.transactions, key, Some(words), &[], now).map_err(|_| 480)
    }

    /// Sits the party down and answers it; where that cannot be, its leg ends with the refusal.
    fn welcome(
        &mut self,
        arrival: &Arrival,
        (role, payer): (LegRole, AccountId),
        other: LegNo,
        pays_for: Option<Box<str>>,
    ) -> Result<Option<LegNo>, u16> {
        if self.call.legs.len() >= self.floors.setup.limits.legs_per_call_max {
            return Err(503);
        }
        let comer = self.comer(arrival)?;
        let no = self.seat(arrival, &comer, role, payer);
        if let Some(leg) = self.call.leg_mut(no) {
            leg.pays_for = pays_for;
        }
        match self.words_for(no, other) {
            Ok(words) => {
                // A dialog that ends in this moment reports so itself.
                let _ = self.admit(no, words);
                Ok(Some(no))
            }
            Err(cause) => {
                self.end_leg(no, Ending::switch(cause));
                Ok(None)
            }
        }
    }

    /// Another phone takes a call that rings at `leg`.
    fn picked_up_by(&mut self, arrival: &Arrival, leg: LegNo) -> Result<(), u16> {
        let parent = match &self.call.stage {
            Stage::Hunting(_) | Stage::Proxied(_) => 0,
            Stage::App(run) => match &run.pending {
                Some((_, Waiting::Dial(dial))) => dial.parent,
                Some(_) | None => return Err(481),
            },
            Stage::Deciding(_)
            | Stage::Bridged(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => {
                return Err(481);
            }
        };
        if !self.rings(leg) {
            return Err(481);
        }
        self.read_caller_offer();
        let seat = (LegRole::Callee, arrival.account_id().ok_or(403_u16)?);
        // Whoever takes the call: it is paid for by the number for which it rang.
        let pays_for = self.call.leg(leg).and_then(|l| l.pays_for.clone());
        let Some(no) = self.welcome(arrival, seat, parent, pays_for)? else { return Ok(()) };
        let picked = Ending { cause: Cause::PickedUp, sip: 487, by: EndedBy::Switch };
        if matches!(self.call.stage, Stage::Proxied(_)) {
            self.take_over(&picked);
        }
        let ringing = self.hunt_mut().map(|hunt| core::mem::take(&mut hunt.ringing)).unwrap_or_default();
        ringing.into_iter().for_each(|other| self.end_leg(other, picked));
        self.forget_answers();
        match self.call.stage {
            Stage::App(_) => self.dial_joined(no),
            Stage::Hunting(_) if self.call.serves.is_some() => self.stand_in_joined(no),
            Stage::Hunting(_) if self.call.summoned.is_some() => self.summoned_meets(no),
            Stage::Hunting(_) if self.call.faxing.is_some() => self.fax_begins(no),
            Stage::Hunting(_) => self.caller_joined(no),
            Stage::Deciding(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => {}
        }
        Ok(())
    }

    /// Whether this leg rings, and nobody has answered, refused or given up its call.
    fn rings(&mut self, leg: LegNo) -> bool {
        if let Stage::Proxied(proxying) = &self.call.stage {
            let open = self.call.context.is_some_and(|context| self.floors.proxies.is_open(context));
            return open && proxying.hunt.ringing.contains(&leg);
        }
        self.hunt_mut().is_some_and(|hunt| hunt.ringing.contains(&leg))
    }

    /// The caller is answered with what the phone that took its call can do.
    fn caller_joined(&mut self, no: LegNo) {
        let now = self.now();
        let Stage::Hunting(hunt) = &self.call.stage else { return };
        let until = hunt.max_duration.map(|d| now + d);
        let Some(key) = self.call.leg(0).and_then(|l| l.dialog) else { return };
        // What was described reliably stands until an offer of ours changes it.
        let settled = self.floors.dialogs.has_described(key);
        let words = match settled {
            true => self.open_stream(0, self.caller_family()).map(|_| None),
            false => self.words_for(0, no).map(Some),
        };
        let body = match words {
            Ok(body) => body,
            Err(cause) => return self.end_call(Ending::switch(cause)),
        };
        self.note_accepted(0, key);
        if self.floors.dialogs.accept(self.floors.transactions, key, body, &[], now).is_err() {
            return self.end_call(Ending::switch(Cause::TransportFailed));
        }
        self.call.stage = Stage::Bridged(Bridge { a: 0, b: no, since: now, until });
        self.join(0, no);
        if settled {
            self.settle_one(no, 0);
        }
    }

    /// The party that a transfer's call rings for moves over to who took it.
    fn stand_in_joined(&mut self, no: LegNo) {
        let now = self.now();
        let Stage::Hunting(hunt) = &self.call.stage else { return };
        let until = hunt.max_duration.map(|d| now + d);
        self.call.stage = Stage::Bridged(Bridge { a: 0, b: no, since: now, until });
        let served = self.call.id;
        self.desk.jobs.push_back(crate::transfer::Job::Answered { served, leg: no });
    }

    /// A party takes the place of an answered leg.
    fn replaced_by(&mut self, arrival: &Arrival, leg: LegNo) -> Result<(), u16> {
        let other = self.bridge_mut().filter(|b| b.joins(leg)).map(|b| b.other(leg));
        let own = self.call.leg(leg).and_then(|l| Some((l.role, l.account.or_else(|| arrival.account_id())?)));
        let (Some(other), Some((role, payer))) = (other, own) else { return Err(481) };
        // Who answers for the leg goes on paying for it: the newcomer sits down beside it and then on its place.
        let Some(no) = self.welcome(arrival, (role, payer), other, None)? else { return Ok(()) };
        // What the leg may use it may use on its new phone, and is settled with that, as one.
        let granted = self.call.leg_mut(leg).and_then(|l| l.granted.take());
        self.bring_grant(no, granted);
        self.end_leg(leg, Ending { cause: Cause::Transferred, sip: 200, by: EndedBy::Switch });
        self.call.moved.push((leg, no));
        if let Some(bridge) = self.bridge_mut() {
            bridge.replace(leg, no);
        }
        self.relay_both(other, no);
        Ok(())
    }

    /// A parked party is taken back.
    fn retrieved_by(&mut self, arrival: &Arrival) -> Result<(), u16> {
        let Stage::Parked(parked) = &self.call.stage else { return Err(404) };
        let (leg, role, slot) = (parked.leg, parked.role, parked.slot.clone());
        // The parker pays on for a call it has made; a call it had got is the taker's from now on.
        let payer = if role == LegRole::Caller { parked.parker } else { arrival.account_id().ok_or(403_u16)? };
        let Some(no) = self.welcome(arrival, (role, payer), leg, None)? else { return Ok(()) };
        self.hold_other(leg, false);
        self.abandon_recall();
        self.desk.slots.remove(&(self.call.info.company, slot));
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.call_duration_max_s));
        let since = self.now();
        self.call.stage = Stage::Bridged(Bridge { a: leg, b: no, since, until: Some(since + longest) });
        self.relay_both(leg, no);
        Ok(())
    }

    /// Two parties are joined over the relay, whatever path their media took before.
    fn relay_both(&mut self, one: LegNo, other: LegNo) {
        for no in [one, other] {
            if let Some(leg) = self.call.leg_mut(no) {
                leg.spoken = None;
            }
        }
        self.relay_pair(one, other);
        self.settle_both(one, other);
    }

    /// The caller's offer is read, if it was not yet: nobody has answered it.
    fn read_caller_offer(&mut self) {
        let unread = self.call.leg(0).is_some_and(|l| l.theirs.is_none());
        let body = self.call.caller_offer.clone().filter(|_| unread);
        if let Some(offer) = body.and_then(|body| Description::parse(&body).ok())
            && let Some(leg) = self.call.leg_mut(0)
        {
            leg.theirs = Some(Arc::new(offer));
        }
    }
}
