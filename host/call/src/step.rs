//! One step of one call: the verbs every stage uses to end legs and pass on events.

use crate::arrival::{Arrival, TurnedAway};
use crate::call::Call;
use crate::engine::{Desk, Output};
use crate::floors::Floors;
use crate::leg::{Ending, Leg, LegNo, Progress};
use crate::security::Security;
use crate::stage::{Bridge, Stage, Waiting};
use crate::trunk::OnTrunk;
use model::{
    CallEvent, CallId, CallRecord, Cause, CauseInfo, EndedBy, IdSource, IdentityFailure, LegRole, MediaQuality,
    Sounded, TranslationLists,
};
use sip_dialog::Event;

/// A call, the desk and the floors, for the length of one step.
pub(crate) struct Step<'a, 'f> {
    pub(crate) call: &'a mut Call,
    pub(crate) desk: &'a mut Desk,
    pub(crate) floors: &'a mut Floors<'f>,
}

impl Call {
    /// The call of an INVITE that was let in: its caller's leg is there. Its 100 is the transaction's, which sends it if
    /// nothing else has left for 200 ms (RFC 3261 section 17.2.1); most calls ring before that.
    pub(crate) fn arrived(id: CallId, arrival: &Arrival, floors: &mut Floors<'_>, ids: &mut IdSource) -> Call {
        let now = floors.now;
        let request = &arrival.request;
        let dialog = floors.dialogs.incoming(arrival.key, arrival.flow, request.clone(), now);
        floors.dialogs.set_edge(dialog, arrival.edge);
        let info = arrival.call_info(id, now);
        let fresh = Leg::new(LegRole::Caller, arrival.flow.remote.ip(), now, sdp::Origin::new(ids.u64()));
        let caller = Leg {
            account: arrival.account_id(),
            party: info.callee.user.clone(),
            caller_shown: info.caller.user.clone(),
            sip_call_id: request.call_id().unwrap_or_default().to_owned(),
            dialog: Some(dialog),
            security: Security::new(arrival.media_security())
                .towards(arrival.flow.transport, floors.setup.certificate.as_ref()),
            trunk: arrival
                .trunk
                .as_ref()
                .map(|from| Box::new(OnTrunk { id: from.trunk.id, anchor: from.trunk.anchor, out: None })),
            taped: arrival.trunk.is_some()
                && floors.directory.ddi(&info.callee.user).is_some_and(|ddi| ddi.record.inward()),
            ..fresh
        };
        let mut call = Call::new(info, caller, arrival.company.media, ids.u128(), now);
        call.max_forwards = u32::from(request.max_forwards().unwrap_or(70).saturating_sub(1));
        call.caller_offer = request.session_body();
        call.gruu.clone_from(&arrival.gruu);
        call.private = crate::identity::wants_privacy(request);
        call.speaks_for_itself = arrival.speaks_for_itself();
        if let Some(from) = &arrival.trunk {
            let plain = TranslationLists::default();
            let lists = floors.directory.translation_of(&from.trunk).map_or(&plain, |set| &set.lists);
            let most = floors.setup.limits.redirects_max;
            call.course.forwarded = crate::identity::diverted(&from.trunk, lists, request, most);
        }
        call
    }
}

impl Step<'_, '_> {
    pub(crate) fn now(&self) -> model::Instant {
        self.floors.now
    }

    pub(crate) fn id(&self) -> CallId {
        self.call.id
    }

    /// An INVITE was let in and goes no further.
    pub(crate) fn turn_away(&mut self, refused: &TurnedAway) {
        self.answer_caller(refused.sip, &refused.reason, &[]);
        self.end_call(Ending { cause: refused.cause, sip: refused.sip, by: refused.by });
    }

    /// A dialog of this call reported.
    pub(crate) fn dialog_event(&mut self, leg: LegNo, event: Event) {
        self.take_event(leg, event);
        // Offers that had to wait for one of the party's may have their turn now.
        self.settle_next();
        self.speak_next();
    }

    fn take_event(&mut self, leg: LegNo, event: Event) {
        match event {
            Event::Progress { status, sdp, .. } => self.callee_progress(leg, status, sdp.as_deref()),
            Event::Answered { sdp, .. } => self.callee_answered(leg, sdp.as_deref()),
            Event::Failed { why: sip_dialog::Failed::Withheld, .. } => self.filtered_out(leg),
            Event::Failed { status, why, .. } if self.carrier_failed(leg, status, &why) => {}
            Event::Failed { status: 300..=399, why: sip_dialog::Failed::Response(response), .. }
                if !self.goes_by_trunk(leg) && self.follow(leg, &response) => {}
            Event::Failed { status, why, .. } => {
                self.callee_failed(leg, status, matches!(why, sip_dialog::Failed::Response(_)));
            }
            Event::Cancelled { .. } => {
                self.dialog_gone(leg);
                self.party_ended(leg, Ending { cause: Cause::Cancelled, sip: 487, by: EndedBy::Caller });
            }
            Event::Accepted { .. } => self.note_answered(leg, Progress::Accepted),
            Event::Confirmed { sdp, .. } => self.caller_confirmed(leg, sdp.as_deref()),
            Event::Reinvited { offer, update, .. } => self.reinvited(leg, offer.as_deref(), update),
            Event::ReinviteCancelled { .. } => self.reinvite_withdrawn(leg),
            Event::Request { server, request, .. } if request.is_method(sip_message::Method::Refer) => {
                self.referred(leg, server, &request);
            }
            Event::Request { server, request, .. } => self.asked_within(leg, server, &request),
            Event::Response { id, status, response, .. } => self.answered_within(leg, id, status, response.as_ref()),
            Event::ReinviteAnswered { sdp, .. } => self.reinvite_answered(leg, &sdp),
            Event::ReinviteFailed { status, .. } => self.reinvite_failed(leg, status),
            Event::Ended { why, .. } => {
                self.dialog_gone(leg);
                let by = self.call.leg(leg).map_or(EndedBy::Switch, Leg::ended_by_party);
                let ending = match why {
                    sip_dialog::Ended::Bye { .. } => Ending { cause: Cause::NormalClearing, sip: 200, by },
                    sip_dialog::Ended::AckTimeout => Ending::switch(Cause::AckTimeout),
                    sip_dialog::Ended::Gone(_) => Ending::switch(Cause::SignallingTimeout),
                    sip_dialog::Ended::Transport => Ending::switch(Cause::TransportFailed),
                    sip_dialog::Ended::NoPrack => Ending { sip: 504, ..Ending::switch(Cause::SignallingTimeout) },
                    sip_dialog::Ended::SessionExpired => Ending::switch(Cause::SessionExpired),
                };
                self.party_ended(leg, ending);
            }
        }
    }

    /// The dialog layer has forgotten this leg's dialog.
    pub(crate) fn dialog_gone(&mut self, leg: LegNo) {
        if let Some(key) = self.call.leg_mut(leg).and_then(|l| l.dialog.take()) {
            self.desk.by_dialog.remove(&key);
        }
    }

    /// A party ended its leg: what that means for the call depends on who drives it.
    pub(crate) fn party_ended(&mut self, leg: LegNo, ending: Ending) {
        if self.transferor_left(leg) {
            return;
        }
        let app_side = match &self.call.stage {
            Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => false,
            Stage::App(_) => true,
        };
        if self.call.handing.as_ref().is_some_and(|h| h.transferee == leg) {
            self.drop_handing(ending);
        }
        if app_side {
            self.app_leg_ended(leg, ending);
        } else {
            self.end_leg(leg, ending);
            self.end_call(ending);
        }
    }

    /// Ends one leg: its dialog, its media, its CDR. Does nothing to an ended one.
    pub(crate) fn end_leg(&mut self, no: LegNo, ending: Ending) {
        let now = self.now();
        if self.call.leg(no).is_some_and(Leg::is_alive) {
            self.hush(no);
        }
        let hides = self.call.course.hides_missed_calls();
        let Some(leg) = self.call.leg_mut(no).filter(|l| l.is_alive()) else { return };
        let hides = hides && leg.role == LegRole::Callee && !leg.is_answered();
        leg.progress = Progress::Ended;
        let dialog = leg.dialog.take();
        if let Some(on) = leg.trunk.take() {
            self.floors.trunks.call_ended(on.id);
        }
        if let Some(stream) = leg.stream.take() {
            self.desk.by_stream.remove(&stream);
            let srtp = leg.sealed || leg.security.is_agreed();
            leg.quality = quality_of(&self.floors.media.close(stream, now), srtp);
        }
        if let Some(key) = dialog {
            self.desk.by_dialog.remove(&key);
            let told = if hides { Ending { cause: Cause::AnsweredElsewhere, ..ending } } else { ending };
            let reason = told.reason();
            self.floors.dialogs.hangup(self.floors.transactions, key, ending.refusal(), Some(&reason), now);
        }
        self.drop_carried(no);
        self.call.last_cause = Some(ending.cause);
        let Some(leg) = self.call.leg(no) else { return };
        let cdr = leg.cdr(self.call, &ending, now);
        self.desk.out.push_back(Output::Record(CallRecord::Ended(cdr)));
    }

    /// Ends every leg and the call. A waiting app is told by its instance being dropped.
    pub(crate) fn end_call(&mut self, ending: Ending) {
        if self.summoned_is_told(ending) {
            return;
        }
        let mut cause = ending.cause;
        self.drop_handing(ending);
        if self.call.live_legs().is_empty() {
            if matches!(self.call.stage, Stage::Over) {
                return;
            }
            // Only an app was left: the call ended when its last leg did.
            cause = self.call.last_cause.unwrap_or(cause);
        }
        self.end_proxy(&ending);
        for leg in self.call.live_legs() {
            self.end_leg(leg, self.ending_for(leg, ending));
        }
        match core::mem::replace(&mut self.call.stage, Stage::Over) {
            Stage::Deciding(deciding) => {
                self.desk.by_ticket.remove(&deciding.ticket);
            }
            Stage::App(run) => {
                self.desk.by_app.remove(&run.app);
                self.desk.out.push_back(Output::AppStop { app: run.app });
            }
            Stage::Parked(parked) => {
                self.desk.slots.remove(&(self.call.info.company, parked.slot));
            }
            Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => {}
        }
        self.desk.out.push_back(Output::Event(CallEvent::CallEnded {
            call: self.call.id,
            company: self.call.info.company,
            cause,
        }));
    }

    /// A leg that only rang while the call ended normally was given up, not cleared.
    fn ending_for(&self, leg: LegNo, ending: Ending) -> Ending {
        let rang_only = self.call.leg(leg).is_some_and(|l| l.role == LegRole::Callee && !l.is_answered());
        if rang_only && matches!(self.call.stage, Stage::Proxied(_)) && self.call.answered_at().is_some() {
            return Ending { cause: Cause::AnsweredElsewhere, sip: 487, by: EndedBy::Switch };
        }
        if rang_only && ending.cause == Cause::NormalClearing {
            return Ending { cause: Cause::Cancelled, sip: 487, by: ending.by };
        }
        ending
    }

    /// Notes that a caller is about to be answered. Where its 2xx has to wait for a PRACK, it is when that leaves: a caller
    /// that gives up before was never answered.
    pub(crate) fn note_accepted(&mut self, no: LegNo, key: sip_dialog::DialogKey) {
        if !self.floors.dialogs.holds_2xx(key) {
            self.note_answered(no, Progress::Accepted);
        }
    }

    /// Notes an answered leg and makes it durable before the 2xx leaves.
    pub(crate) fn note_answered(&mut self, no: LegNo, progress: Progress) {
        let now = self.now();
        let first = self.call.answered_at().is_none();
        let Some(leg) = self.call.leg_mut(no) else { return };
        leg.progress = progress;
        leg.answered_at = Some(now);
        self.take_grant(no);
        let Some(leg) = self.call.leg(no) else { return };
        let cdr = leg.cdr(self.call, &Ending::switch(Cause::SwitchRestarted), now);
        self.desk.out.push_back(Output::Record(CallRecord::Answered(cdr)));
        if first {
            self.desk.counters.answered += 1;
            self.desk.out.push_back(Output::Event(CallEvent::CallAnswered {
                call: self.call.id,
                company: self.call.info.company,
            }));
        }
        self.tape_if_due(no);
        self.listen_for_code(no);
    }

    /// The bridge that stands, whoever made it.
    pub(crate) fn bridge_mut(&mut self) -> Option<&mut Bridge> {
        match &mut self.call.stage {
            Stage::Bridged(bridge) => Some(bridge),
            Stage::App(run) => match &mut run.pending {
                Some((_, Waiting::Bridge(bridge))) => Some(bridge),
                Some(_) | None => None,
            },
            Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Proxied(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => None,
        }
    }

    /// A deadline of the running stage has come.
    pub(crate) fn deadline(&mut self) {
        let now = self.now();
        self.rating_due();
        if self.call.stage.deadline().is_none_or(|at| at > now) {
            return;
        }
        match &self.call.stage {
            Stage::Deciding(deciding) => {
                let (ticket, proving) = (deciding.ticket, deciding.proving.is_some());
                self.desk.counters.verdicts_late += 1;
                self.desk.by_ticket.remove(&ticket);
                if proving {
                    self.proved(ticket, Err(IdentityFailure::BadInfo));
                } else {
                    self.verdict_missing(true);
                }
            }
            Stage::Hunting(_) => self.ring_timeout(),
            Stage::Bridged(_) => self.end_call(Ending::switch(Cause::MaxDuration)),
            Stage::Proxied(_) => self.proxy_deadline(),
            Stage::App(_) => self.app_deadline(),
            Stage::Parked(_) => self.parked_too_long(),
            Stage::Summoning(_) => self.summoning_over(),
            Stage::Announcing(_) => self.announced(),
            Stage::Over => {}
        }
    }

    /// There will be no more sound of a party: its leg ends.
    fn media_over(&mut self, leg: LegNo, cause: Cause) {
        let ending = Ending::switch(cause);
        self.end_leg(leg, ending);
        self.party_ended(leg, ending);
    }

    /// Media of a leg reported.
    pub(crate) fn media_event(&mut self, leg: LegNo, event: &media::Event) {
        match event {
            media::Event::Digit { digit, .. } => {
                self.tape_key(leg, *digit);
                self.app_digit(leg, *digit);
            }
            media::Event::PlayEnded { job, .. } => self.app_play_ended(leg, *job),
            media::Event::KeysSent { .. } => self.keys_sent(leg),
            media::Event::RecordEnded { end, by_silence, .. } => self.recording_ended(leg, end, *by_silence),
            media::Event::ForkOver { .. } => self.fork_over(leg),
            media::Event::Beep { hertz, .. } => self.sounded(leg, Sounded::Beep(*hertz)),
            media::Event::Quiet { .. } => self.sounded(leg, Sounded::Silence),
            // Who asks for a room's members is told who speaks.
            media::Event::Speaker { .. } => {}
            // Who only rings may be silent as long as the ringing lasts.
            media::Event::Silent { .. } if self.call.leg(leg).is_none_or(|l| !l.is_answered()) => {}
            media::Event::Silent { .. } => self.media_over(leg, Cause::MediaTimeout),
            media::Event::Unsecured { .. } => self.media_over(leg, Cause::MediaUnsecured),
            media::Event::HandshakeLost { .. } => self.media_over(leg, Cause::HandshakeLost),
        }
    }
}

/// How a leg's media went; `None` where nothing came and nothing went.
fn quality_of(stats: &media::StreamStats, srtp: bool) -> Option<MediaQuality> {
    (stats.packets_in + stats.packets_out > 0).then_some(MediaQuality {
        packets_in: stats.packets_in,
        packets_out: stats.packets_out,
        lost_in: stats.lost_in,
        lost_out: stats.told.map(|t| t.lost),
        jitter_in_us: stats.jitter_in_us,
        jitter_out_us: stats.told.map(|t| t.jitter_us),
        round_trip_us: stats.told.and_then(|t| t.round_trip_us),
        mos_in: stats.mos_in,
        mos_out: stats.mos_out,
        srtp,
    })
}

/// A cause as a plugin sees it.
pub(crate) fn cause_info(ending: &Ending, by_remote: bool) -> CauseInfo {
    CauseInfo { cause: ending.cause, sip: ending.sip, reason: ending.cause.code().to_owned(), by_remote }
}
