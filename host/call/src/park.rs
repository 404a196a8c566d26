//! Parking: a party waits in a slot of its company with music, until somebody takes it back or its parker is called.
//!
//! A phone parks the other party by a transfer to the park code. Where the two have a dialog with each other (a proxied
//! call) the other phone is what is asked to call the code, and says by whom (RFC 3892): it is the one that waits then.

use crate::engine::Engine;
use crate::floors::Floors;
use crate::leg::{Ending, Leg, LegNo};
use crate::stage::{Parked, Stage};
use crate::step::Step;
use crate::transfer::{DECLINE, Job};
use bytes::Bytes;
use core::time::Duration;
use model::{AccountId, CallId, Cause, CompanyId, EndedBy, Instant, LegRole, Prompt, StarService};
use sdp::Description;
use sip_dialog::Refer;
use sip_message::NameAddrRef;
use sip_transaction::ServerKey;
use std::sync::Arc;

/// What a parked party hears whose company has no music: two soft notes now and then.
const MUSIC: &str = "440+554/400/4600";
/// The slot is taken.
const SLOT_BUSY: u16 = 486;

/// A party that waits in a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParkedParty {
    /// The slot, unique within its company.
    pub slot: String,
    /// The call.
    pub call: CallId,
    /// Who waits: a number or user part.
    pub party: String,
    /// Who parked it.
    pub parker: AccountId,
    /// Since when.
    pub since: Instant,
}

impl Engine {
    /// Who is parked in this company, by slot.
    pub fn parked(&self, company: CompanyId) -> impl Iterator<Item = ParkedParty> {
        let of_company = self.desk.slots.iter().filter(move |((owner, _), _)| *owner == company);
        of_company.filter_map(|((_, slot), id)| {
            let call = self.calls.get(id)?;
            let Stage::Parked(parked) = &call.stage else { return None };
            let leg = call.leg(parked.leg)?;
            let party = match leg.role {
                LegRole::Caller => leg.caller_shown.clone(),
                LegRole::Callee => leg.party.clone(),
            };
            Some(ParkedParty { slot: slot.clone(), call: *id, party, parker: parked.parker, since: parked.since })
        })
    }

    /// Parks the party that the account's leg of a bridged call talks to; the account's own leg ends.
    ///
    /// # Errors
    /// The slot is taken ([`Cause::Busy`]), or no leg of that account talks in that call ([`Cause::NotFound`]).
    pub fn park(&mut self, floors: &mut Floors<'_>, call: CallId, parker: AccountId, slot: &str) -> Result<(), Cause> {
        let found = self.calls.get(&call).ok_or(Cause::NotFound)?;
        let Stage::Bridged(bridge) = &found.stage else { return Err(Cause::NotFound) };
        let own = |no: &LegNo| found.leg(*no).is_some_and(|l| l.account == Some(parker));
        let leg = [bridge.a, bridge.b].into_iter().find(own).ok_or(Cause::NotFound)?;
        let other = bridge.other(leg);
        if self.desk.slots.contains_key(&(found.info.company, slot.to_owned())) {
            return Err(Cause::Busy);
        }
        self.step(call, floors, |step| step.park((leg, other), parker, slot));
        Ok(())
    }

    /// The slot that a REFER names, if it parks.
    pub(crate) fn park_slot(&self, floors: &Floors<'_>, x: CallId, transferor: LegNo, refer: &Refer) -> Option<String> {
        let company = floors.directory.company(self.calls.get(&x)?.info.company)?;
        let (StarService::Park, slot) = floors.directory.dialled_service(company, &refer.user)? else { return None };
        if !slot.is_empty() {
            return Some(slot.to_owned());
        }
        let account = self.calls.get(&x)?.leg(transferor)?.account?;
        floors.directory.account_by_id(account).map(|account| account.username.clone())
    }

    /// A blind transfer to the park code.
    pub(crate) fn park_referred(
        &mut self,
        floors: &mut Floors<'_>,
        x: CallId,
        who: (LegNo, LegNo, ServerKey),
        (refer, slot): (&Refer, String),
    ) -> Result<(), u16> {
        let (transferor, transferee, _) = who;
        let call = self.calls.get(&x).ok_or(DECLINE)?;
        let account = call.leg(transferor).and_then(|l| l.account).ok_or(DECLINE)?;
        if !matches!(call.stage, Stage::Bridged(_)) {
            return Err(DECLINE);
        }
        if self.desk.slots.contains_key(&(call.info.company, slot.clone())) {
            return Err(SLOT_BUSY);
        }
        self.accept_refer(floors, x, who, refer);
        self.one_step(x, floors, |step| {
            step.tell_transferor(200);
            step.call.handing = None;
            step.park((transferor, transferee), account, &slot);
        });
        Ok(())
    }
}

impl Step<'_, '_> {
    /// Ends the parker's leg; the other one waits in the slot.
    fn park(&mut self, (parker_leg, leg): (LegNo, LegNo), parker: AccountId, slot: &str) {
        self.part(leg);
        let by = self.call.leg(parker_leg).map_or(EndedBy::Switch, Leg::ended_by_party);
        let role = self.call.leg(parker_leg).map_or(LegRole::Callee, |l| l.role);
        self.end_leg(parker_leg, Ending { cause: Cause::Transferred, sip: 200, by });
        self.call.settling = None;
        self.speak_alone(leg);
        self.waits(leg, slot, (parker, role));
    }

    /// The caller was sent to the park code by whom it talked to: it waits in the slot. `true`, and the call is on its way.
    pub(crate) fn parks_itself(&mut self) -> bool {
        let Some((parker, slot)) = self.sent_to_slot() else { return false };
        let key = self.call.leg(0).and_then(|l| l.dialog);
        let taken = self.desk.slots.contains_key(&(self.call.info.company, slot.clone()));
        let (Some(key), false) = (key, taken) else {
            self.end_call(Ending { sip: SLOT_BUSY, ..Ending::switch(Cause::Busy) });
            return true;
        };
        let now = self.now();
        match self.own_words() {
            Err(cause) => self.end_call(Ending::switch(cause)),
            Ok(words) => {
                self.note_accepted(0, key);
                if self.floors.dialogs.accept(self.floors.transactions, key, Some(words), &[], now).is_err() {
                    self.end_call(Ending::switch(Cause::TransportFailed));
                } else {
                    self.waits(0, &slot, (parker, LegRole::Callee));
                }
            }
        }
        true
    }

    /// Who sent the caller to a slot, and to which, where it has called the park code.
    fn sent_to_slot(&self) -> Option<(AccountId, String)> {
        let (directory, info) = (self.floors.directory, &self.call.info);
        let company = self.own_company()?;
        let own = info.account.as_deref()?;
        let (StarService::Park, slot) = directory.dialled_service(company, &info.callee.user)? else { return None };
        let referred = info.headers.iter().find(|header| header.name.eq_ignore_ascii_case("Referred-By"))?;
        let by = NameAddrRef::parse(referred.value.as_bytes()).ok()?;
        let uri = by.uri();
        let parker = directory.account(company.id, &uri.user_unescaped()?).filter(|parker| parker.username != own)?;
        let slot = if slot.is_empty() { parker.username.clone() } else { slot.to_owned() };
        uri.host().eq_ignore_ascii_case(&company.domain).then_some((parker.id, slot))
    }

    /// The switch's own description for the caller: the answer to its offer, or an offer.
    fn own_words(&mut self) -> Result<Bytes, Cause> {
        match self.call.caller_offer.clone() {
            Some(offer) => {
                let offer = Description::parse(&offer).map_err(|_| Cause::NotAcceptable)?;
                self.answer_by_ourselves(0, &Arc::new(offer))
            }
            None => self.offer_by_ourselves(0),
        }
    }

    /// A party waits in a slot from now on.
    fn waits(&mut self, leg: LegNo, slot: &str, (parker, role): (AccountId, LegRole)) {
        let since = self.now();
        let wait = Duration::from_secs(u64::from(self.floors.setup.limits.park_timeout_s));
        self.music_while_parked(leg);
        if let Some(stream) = self.call.leg(leg).and_then(|l| l.stream) {
            self.floors.media.hold(stream, true, since);
        }
        let slot = slot.to_owned();
        self.desk.slots.insert((self.call.info.company, slot.clone()), self.call.id);
        self.call.stage = Stage::Parked(Parked { leg, slot, until: since + wait, parker, role, since });
    }

    fn music_while_parked(&mut self, leg: LegNo) {
        self.hold_other(leg, true);
        let now = self.now();
        let stream = self.call.leg(leg).and_then(|l| l.stream).filter(|s| !self.floors.media.has_music(*s));
        if let Some(stream) = stream {
            // A party that cannot be spoken to waits in silence.
            let _ = self.floors.media.start_music(stream, &[Prompt::Tone(MUSIC.to_owned())], now);
        }
    }

    /// The party has waited long enough: its parker is called back, and until that comes to an end it can still be taken
    /// back by anybody.
    pub(crate) fn parked_too_long(&mut self) {
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.call_duration_max_s));
        let now = self.now();
        let call = self.id();
        let Stage::Parked(parked) = &mut self.call.stage else { return };
        let (leg, account) = (parked.leg, parked.parker);
        parked.until = now + longest;
        if self.call.handing.is_some() {
            return self.end_call(Ending::switch(Cause::MaxDuration));
        }
        self.desk.jobs.push_back(Job::Recall { call, leg, account });
    }

    /// Whoever was being called back is not needed any more.
    pub(crate) fn abandon_recall(&mut self) {
        self.drop_handing(Ending { cause: Cause::PickedUp, sip: 487, by: EndedBy::Switch });
    }
}
