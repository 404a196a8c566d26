//! A call app at the wheel: each verb is checked, begun, and answered when what it waits for has come.

use crate::engine::Output;
use crate::hunt::Hunt;
use crate::leg::{Ending, LegNo, Progress, TYPED_MAX};
use crate::sound::spoken_of;
use crate::stage::{AppRun, Bridge, Collecting, Dialling, Stage, Waiting};
use crate::step::{Step, cause_info};
use core::time::Duration;
use media::JobId;
use model::{
    AppError, AppFailure, AppId, AppOutcome, AppReply, AppVerb, BridgeSpec, Bridged, Cause, CauseInfo, CollectSpec,
    Collected, DialSpec, EndedBy, Endpoint, HeaderOp, LegHandle, MediaPath, Prompt, Recourse, RequestId, RingStep,
    Sounded, Target,
};
use sdp::Description;
use std::sync::Arc;

/// How a verb begins.
pub(crate) enum Begin {
    /// It waits.
    Waits(Waiting),
    /// It is done at once.
    Done(AppReply),
}

/// A verb's beginning, or why it fails at once.
pub(crate) type Begun = Result<Begin, AppError>;

pub(crate) fn wrong(state: &str) -> AppError {
    AppError::InvalidState(state.to_owned())
}

impl Step<'_, '_> {
    pub(crate) fn run(&mut self) -> Option<&mut AppRun> {
        match &mut self.call.stage {
            Stage::App(run) => Some(run),
            Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => None,
        }
    }

    pub(crate) fn waiting(&mut self) -> Option<&mut Waiting> {
        self.run()?.pending.as_mut().map(|(_, waiting)| waiting)
    }

    fn reply(&mut self, request: RequestId, result: Result<AppReply, AppError>) {
        let Some(app) = self.run().map(|r| r.app) else { return };
        self.desk.out.push_back(Output::AppReply { app, request, result });
    }

    /// Ends the verb that waits.
    pub(crate) fn finish(&mut self, result: Result<AppReply, AppError>) {
        let Some((request, waiting)) = self.run().and_then(|r| r.pending.take()) else { return };
        if matches!(waiting, Waiting::Dial(_)) {
            self.forget_answers();
        }
        self.reply(request, result);
    }

    /// The script asks for a verb.
    pub(crate) fn app_request(&mut self, request: RequestId, verb: AppVerb) {
        let busy = self.run().is_none_or(|r| r.pending.is_some());
        if busy {
            return self.reply(request, Err(wrong("another verb is waiting")));
        }
        match self.begin(request, verb) {
            Ok(Begin::Done(reply)) => self.reply(request, Ok(reply)),
            Ok(Begin::Waits(waiting)) => {
                if let Some(run) = self.run() {
                    run.pending = Some((request, waiting));
                }
            }
            Err(error) => self.reply(request, Err(error)),
        }
    }

    fn begin(&mut self, request: RequestId, verb: AppVerb) -> Begun {
        match verb {
            AppVerb::Ring(leg) => self.verb_ring(leg).map(Begin::Done),
            AppVerb::Answer(leg, ops) => self.verb_answer(leg, &ops),
            AppVerb::Refuse(leg, sip, reason) => self.verb_refuse(leg, sip, &reason).map(Begin::Done),
            AppVerb::Hangup(leg) => self.verb_hangup(leg).map(Begin::Done),
            AppVerb::Play(leg, prompts, stop_on) => self.verb_play(leg, &prompts, stop_on),
            AppVerb::Collect(leg, spec) => self.verb_collect(leg, spec),
            AppVerb::FaxOffer(leg) => self.verb_fax_offer(leg).map(Begin::Done),
            AppVerb::Echo(leg, longest) => self.verb_echo(leg, longest),
            AppVerb::Dial(leg, spec) => self.verb_dial(request, leg, spec),
            AppVerb::Bridge(a, b, spec) => self.verb_bridge(a, b, &spec),
            AppVerb::Sleep(how_long) => Ok(Begin::Waits(Waiting::Sleep { until: self.now() + how_long })),
            AppVerb::Playback(leg, spec) => self.verb_playback(leg, spec),
            AppVerb::Music(leg, prompts) => self.verb_music(leg, &prompts).map(Begin::Done),
            AppVerb::Press(leg, keys) => self.verb_press(leg, &keys),
            AppVerb::Record(leg, spec) => self.verb_record(leg, spec, true),
            AppVerb::RecordStart(leg, spec) => self.verb_record(leg, spec, false),
            AppVerb::RecordPause(leg, on) => self.verb_record_pause(leg, on).map(Begin::Done),
            AppVerb::RecordStop(leg) => self.verb_record_stop(leg).map(Begin::Done),
            AppVerb::Listen(leg, spec) => self.verb_listen(leg, &spec),
            AppVerb::Confer(leg, spec) => self.verb_confer(leg, spec),
            AppVerb::Leave(leg) => self.verb_leave(leg).map(Begin::Done),
            AppVerb::Fork(leg, spec) => self.verb_fork(leg, spec).map(Begin::Done),
            AppVerb::ForkAttend(leg, stop_on, max) => self.verb_fork_attend(leg, stop_on, max),
            AppVerb::ForkStop(leg) => self.verb_fork_stop(leg).map(Begin::Done),
            AppVerb::Members(room) => self.verb_members(room).map(Begin::Done),
            AppVerb::Member(room, call, leg, change) => self.verb_member(room, (call, leg), change).map(Begin::Done),
        }
    }

    /// The leg, if it is alive.
    pub(crate) fn live(&self, leg: LegHandle) -> Result<LegNo, AppError> {
        match self.call.leg(self.call.now_at(leg.0)) {
            None => Err(AppError::NotFound),
            Some(l) if !l.is_alive() => Err(AppError::HungUp(CauseInfo::local(Cause::NormalClearing))),
            Some(l) => Ok(l.no),
        }
    }

    /// The leg and its stream, if the switch speaks to it.
    pub(crate) fn speaking(&self, leg: LegHandle) -> Result<(LegNo, media::StreamId), AppError> {
        let no = self.live(leg)?;
        let answered = self.call.leg(no).filter(|l| l.progress == Progress::Answered);
        answered.and_then(|l| l.stream).map(|s| (no, s)).ok_or_else(|| wrong("answer the leg first"))
    }

    fn verb_ring(&mut self, leg: LegHandle) -> Result<AppReply, AppError> {
        let no = self.live(leg)?;
        if self.came_answered(no) {
            return Ok(AppReply::Done);
        }
        let now = self.now();
        let Some(key) = self.call.leg(no).filter(|l| no == 0 && !l.is_answered()).and_then(|l| l.dialog) else {
            return Err(wrong("only a caller who waits can hear ringing"));
        };
        if self.floors.dialogs.progress(self.floors.transactions, key, 180, None, &[], now).is_err() {
            return Err(wrong("the leg has ended"));
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.progress = Progress::Ringing;
            leg.ringing_at.get_or_insert(now);
        }
        Ok(AppReply::Done)
    }

    /// A caller that was transferred to the app, or was rung for its call, is answered already: the app need not know.
    fn came_answered(&self, no: LegNo) -> bool {
        let transferred = self.call.info.attrs.iter().any(|(name, _)| name == "transfer");
        no == 0
            && (transferred || self.call.summoned.is_some())
            && self.call.leg(no).is_some_and(|l| l.progress == Progress::Answered)
    }

    fn verb_answer(&mut self, leg: LegHandle, ops: &[HeaderOp]) -> Begun {
        let no = self.live(leg)?;
        if self.came_answered(no) {
            return Ok(Begin::Done(AppReply::Done));
        }
        let key = self.call.leg(no).filter(|l| no == 0 && !l.is_answered()).and_then(|l| l.dialog);
        let key = key.ok_or_else(|| wrong("the leg is answered already"))?;
        let body = match self.call.caller_offer.clone() {
            Some(offer) => Description::parse(&offer)
                .map_err(|_| Cause::NotAcceptable)
                .and_then(|d| self.answer_by_ourselves(no, &Arc::new(d))),
            None => self.offer_by_ourselves(no),
        };
        let body = match body {
            Ok(body) => body,
            Err(cause) => {
                let ending = Ending::switch(cause);
                self.end_leg(no, ending);
                self.stop_if_alone();
                return Err(AppError::HungUp(cause_info(&ending, false)));
            }
        };
        let headers: Vec<(String, String)> = ops
            .iter()
            .filter_map(|op| match op {
                HeaderOp::Set(h) | HeaderOp::Add(h) => Some((h.name.clone(), h.value.clone())),
                HeaderOp::Remove(_) => None,
            })
            .collect();
        let now = self.now();
        self.note_accepted(no, key);
        let sent = self.floors.dialogs.accept(self.floors.transactions, key, Some(body), &headers, now);
        sent.map(|()| Begin::Waits(Waiting::Answer { leg: no })).map_err(|_| wrong("the leg has ended"))
    }

    /// The caller acknowledged: a waiting answer verb is done.
    pub(crate) fn app_confirmed(&mut self, no: LegNo) {
        if matches!(self.waiting(), Some(Waiting::Answer { leg }) if *leg == no) {
            self.finish(Ok(AppReply::Done));
        }
    }

    fn verb_refuse(&mut self, leg: LegHandle, sip: u16, reason: &str) -> Result<AppReply, AppError> {
        let no = self.live(leg)?;
        if !(400..700).contains(&sip) {
            return Err(AppError::InvalidArgument("a refusal's status is 400 to 699".to_owned()));
        }
        if no != 0 || self.call.leg(no).is_some_and(crate::leg::Leg::is_answered) {
            return Err(wrong("only a caller who waits can be refused"));
        }
        self.answer_caller(sip, reason, &[]);
        self.end_leg(no, Ending { cause: Cause::PluginRefused, sip, by: EndedBy::Switch });
        self.stop_if_alone();
        Ok(AppReply::Done)
    }

    fn verb_hangup(&mut self, leg: LegHandle) -> Result<AppReply, AppError> {
        let no = self.live(leg)?;
        self.end_leg(no, Ending::switch(Cause::AppHangup));
        self.stop_if_alone();
        Ok(AppReply::Done)
    }

    pub(crate) fn start_prompts(
        &mut self,
        stream: media::StreamId,
        prompts: &[Prompt],
        repeat: bool,
    ) -> Result<JobId, AppError> {
        if prompts.len() > self.floors.setup.limits.prompts_max {
            return Err(AppError::LimitExceeded("prompts_max".to_owned()));
        }
        let now = self.now();
        self.floors
            .media
            .play(stream, prompts, repeat, now)
            .map_err(|unknown| AppError::InvalidArgument(unknown.to_string()))
    }

    fn verb_play(&mut self, leg: LegHandle, prompts: &[Prompt], stop_on: String) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        if let Some(digit) = self.typed_ahead(no, &stop_on) {
            return Ok(Begin::Done(AppReply::Played(Some(digit.to_string()))));
        }
        if prompts.is_empty() {
            return Ok(Begin::Done(AppReply::Played(None)));
        }
        let job = self.start_prompts(stream, prompts, false)?;
        Ok(Begin::Waits(Waiting::Play { leg: no, job, stop_on }))
    }

    /// The first digit typed ahead that `wanted` names; digits before it are dropped.
    pub(crate) fn typed_ahead(&mut self, no: LegNo, wanted: &str) -> Option<char> {
        let leg = self.call.leg_mut(no)?;
        let at = leg.typed.find(|c| wanted.contains(c))?;
        let digit = leg.typed[at..].chars().next()?;
        leg.typed.drain(..at + digit.len_utf8());
        Some(digit)
    }

    fn verb_collect(&mut self, leg: LegHandle, spec: CollectSpec) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        let most = self.floors.setup.limits.collect_digits_max;
        if spec.max_digits == 0 || spec.max_digits as usize > most || spec.min_digits > spec.max_digits {
            return Err(AppError::InvalidArgument(format!("digits must be 1 to {most}, and min at most max")));
        }
        let typed = self.call.leg_mut(no).map(|l| core::mem::take(&mut l.typed)).unwrap_or_default();
        let mut collecting = Collecting { leg: no, spec, digits: String::new(), job: None, until: None };
        for (at, digit) in typed.char_indices() {
            if let Some(done) = collecting.take(digit) {
                if let Some(leg) = self.call.leg_mut(no) {
                    typed[at + digit.len_utf8()..].clone_into(&mut leg.typed);
                }
                return Ok(Begin::Done(AppReply::Collected(done)));
            }
        }
        let now = self.now();
        if collecting.digits.is_empty() && !collecting.spec.prompts.is_empty() {
            let prompts = collecting.spec.prompts.clone();
            collecting.job = Some(self.start_prompts(stream, &prompts, false)?);
        } else {
            let pause =
                if collecting.digits.is_empty() { collecting.spec.first_digit } else { collecting.spec.inter_digit };
            collecting.wait(pause, now);
        }
        Ok(Begin::Waits(Waiting::Collect(collecting)))
    }

    fn verb_echo(&mut self, leg: LegHandle, longest: Duration) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        self.floors.media.echo(stream, true);
        Ok(Begin::Waits(Waiting::Echo { leg: no, until: self.now() + longest }))
    }

    fn verb_bridge(&mut self, a: LegHandle, b: LegHandle, spec: &BridgeSpec) -> Begun {
        let ((a, _), (b, _)) = (self.speaking(a)?, self.speaking(b)?);
        if a == b {
            return Err(AppError::InvalidArgument("a leg cannot be bridged with itself".to_owned()));
        }
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.call_duration_max_s));
        let since = self.now();
        self.join(a, b);
        let until = Some(since + spec.max.map_or(longest, |m| m.min(longest)));
        Ok(Begin::Waits(Waiting::Bridge(Bridge { a, b, since, until })))
    }

    fn verb_dial(&mut self, request: RequestId, parent: LegHandle, spec: DialSpec) -> Begun {
        let no = self.live(parent)?;
        let limits = &self.floors.setup.limits;
        if spec.targets.is_empty() || spec.targets.len() > limits.plan_targets_max {
            return Err(AppError::InvalidArgument(format!("name 1 to {} targets", limits.plan_targets_max)));
        }
        let ringback = match self.speaking(parent) {
            Ok((_, stream)) if !spec.ringback.is_empty() => Some(self.start_prompts(stream, &spec.ringback, true)?),
            Ok(_) | Err(_) => None,
        };
        let hunt = Hunt::new(steps_of(spec), MediaPath::Anchor);
        if let Some(run) = self.run() {
            run.pending = Some((request, Waiting::Dial(Dialling { parent: no, hunt, ringback })));
        }
        self.next_step();
        // The dial waits, or has failed at once and was answered: either way the verb is where it belongs.
        match self.run().and_then(|r| r.pending.take()) {
            Some((_, waiting)) => Ok(Begin::Waits(waiting)),
            None => self.take_late_reply(request).map(Begin::Done),
        }
    }

    /// A dial that failed while it began has queued its reply; it is handed back instead.
    fn take_late_reply(&mut self, request: RequestId) -> Result<AppReply, AppError> {
        let at = self.desk.out.iter().rposition(|o| matches!(o, Output::AppReply { request: r, .. } if *r == request));
        match at.and_then(|at| self.desk.out.remove(at)) {
            Some(Output::AppReply { result, .. }) => result,
            Some(_) | None => Err(AppError::Timeout),
        }
    }

    /// A dialled leg answered.
    pub(crate) fn dial_answered(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        if let Err(cause) = self.hear_body(no, sdp) {
            return self.branch_over(no, Ending::switch(cause), false);
        }
        self.dial_joined(no);
    }

    /// The phone that has taken the call that the app dialled, which may be another than one that rang, is the app's answered
    /// leg.
    pub(crate) fn dial_joined(&mut self, no: LegNo) {
        self.stop_ringback();
        if let Some(stream) = self.call.leg(no).and_then(|l| l.stream) {
            self.floors.media.detect_digits(stream, true);
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.spoken = spoken_of(leg);
        }
        let info = self.call.info.clone();
        self.finish(Ok(AppReply::Leg(LegHandle(no), Box::new(info))));
    }

    /// Nobody answered the dial.
    pub(crate) fn dial_failed(&mut self) {
        self.stop_ringback();
        let best = match self.waiting() {
            Some(Waiting::Dial(dial)) => dial.hunt.best().cloned(),
            Some(_) | None => None,
        };
        let error = match best {
            Some(cause) if cause.cause == Cause::NoAnswer => AppError::Timeout,
            Some(cause) => AppError::HungUp(cause),
            None => AppError::Timeout,
        };
        self.finish(Err(error));
    }

    pub(crate) fn stop_ringback(&mut self) {
        let job = match self.waiting() {
            Some(Waiting::Dial(dial)) => dial.ringback.take(),
            Some(_) | None => None,
        };
        if let Some(job) = job {
            self.floors.media.stop(job);
        }
    }

    /// The party of a leg changes: a verb that plays to it or listens to it cannot go on.
    pub(crate) fn cancel_verb_of(&mut self, no: LegNo) {
        if self
            .waiting()
            .is_some_and(|waiting| waiting.about() == Some(no) && !matches!(waiting, Waiting::Answer { .. }))
        {
            self.finish(Err(AppError::Cancelled));
        }
    }

    /// Another leg takes one's place: a dial goes on for its party.
    pub(crate) fn move_verb(&mut self, old: LegNo, new: LegNo) {
        if let Some(Waiting::Dial(dial)) = self.waiting()
            && dial.parent == old
        {
            dial.parent = new;
        }
    }

    /// A digit came.
    pub(crate) fn app_digit(&mut self, no: LegNo, digit: char) {
        let now = self.now();
        match self.waiting() {
            Some(Waiting::Play { leg, job, stop_on }) if *leg == no && stop_on.contains(digit) => {
                let job = *job;
                self.floors.media.stop(job);
                self.finish(Ok(AppReply::Played(Some(digit.to_string()))));
            }
            Some(Waiting::Collect(collecting)) if collecting.leg == no => {
                let playing = collecting.job.take();
                let done = collecting.take(digit);
                let pause = collecting.spec.inter_digit;
                collecting.wait(pause, now);
                if let Some(job) = playing {
                    self.floors.media.stop(job);
                }
                if let Some(done) = done {
                    self.finish(Ok(AppReply::Collected(done)));
                }
            }
            Some(Waiting::Playback(playing)) if playing.leg == no => self.playback_key(digit),
            Some(Waiting::Record { leg, stop_on }) if *leg == no && stop_on.contains(digit) => {
                self.record_key(no, digit);
            }
            Some(Waiting::Confer { leg, stop_on, .. }) if *leg == no && stop_on.contains(digit) => {
                self.confer_key(digit);
            }
            Some(Waiting::Fork { leg, stop_on, .. }) if *leg == no => {
                let wanted = stop_on.contains(digit);
                self.fork_key(no, digit, wanted);
            }
            Some(Waiting::Bridge(_)) => {}
            Some(_) | None => {
                if let Some(leg) = self.call.leg_mut(no).filter(|l| l.typed.len() < TYPED_MAX) {
                    leg.typed.push(digit);
                }
            }
        }
    }

    /// Prompts have ended.
    pub(crate) fn app_play_ended(&mut self, no: LegNo, ended: JobId) {
        let now = self.now();
        if self.announcement_ended(ended) {
            return;
        }
        if self.run().is_some_and(|run| run.apology.as_ref().is_some_and(|apology| apology.job == ended)) {
            return self.apologised();
        }
        match self.waiting() {
            Some(Waiting::Play { leg, job, .. }) if *leg == no && *job == ended => {
                self.finish(Ok(AppReply::Played(None)))
            }
            Some(Waiting::Playback(playing)) if playing.leg == no && playing.job == ended => self.playback_over(None),
            Some(Waiting::Collect(collecting)) if collecting.job == Some(ended) => {
                collecting.job = None;
                let pause = collecting.spec.first_digit;
                collecting.wait(pause, now);
            }
            Some(_) | None => {}
        }
    }

    /// A deadline of the waiting verb, or of an app that outlived its legs.
    pub(crate) fn app_deadline(&mut self) {
        let now = self.now();
        let Some(run) = self.run() else { return };
        if run.stop_at.is_some_and(|at| at <= now) {
            return self.app_over();
        }
        if run.apology.is_some() {
            return self.apologised();
        }
        match run.pending.as_mut().map(|(_, waiting)| waiting) {
            Some(Waiting::Collect(collecting)) => {
                let done = collecting.done(None, true);
                self.finish(Ok(AppReply::Collected(done)));
            }
            Some(Waiting::Echo { leg, .. }) => {
                let no = *leg;
                if let Some(stream) = self.call.leg(no).and_then(|l| l.stream) {
                    self.floors.media.echo(stream, false);
                }
                self.finish(Ok(AppReply::Done));
            }
            Some(Waiting::Sleep { .. }) => self.finish(Ok(AppReply::Done)),
            Some(Waiting::Dial(_)) => self.ring_timeout(),
            Some(Waiting::Bridge(bridge)) => {
                let (a, since) = (bridge.a, bridge.since);
                self.part(a);
                self.bridge_over("max", since, None);
            }
            Some(Waiting::Playback(_)) => self.playback_over(None),
            Some(Waiting::Listen { leg, .. }) => {
                let no = *leg;
                self.sounded(no, Sounded::Nothing);
            }
            Some(Waiting::Confer { leg, .. }) => {
                let no = *leg;
                self.leave_room(no);
                self.confer_over(no, "max");
            }
            Some(Waiting::Fork { leg, .. }) => {
                let no = *leg;
                self.fork_attended(no, "max", None);
            }
            Some(Waiting::Answer { .. } | Waiting::Play { .. } | Waiting::Press { .. } | Waiting::Record { .. })
            | None => {}
        }
    }

    fn bridge_over(&mut self, ended_by: &str, since: model::Instant, cause: Option<CauseInfo>) {
        let duration = self.now().since(since);
        self.finish(Ok(AppReply::Bridged(Bridged { ended_by: ended_by.to_owned(), duration, cause })));
    }

    /// A leg of the app's call ended: the verb that needed it is told.
    pub(crate) fn app_leg_ended(&mut self, no: LegNo, ending: Ending) {
        let by_remote = matches!(ending.by, EndedBy::Caller | EndedBy::Callee);
        let info = cause_info(&ending, by_remote);
        let caller = self.call.now_at(0);
        match self.waiting() {
            Some(Waiting::Bridge(bridge)) if bridge.joins(no) => {
                let (a, since) = (bridge.a, bridge.since);
                let by = if no == a { "a" } else { "b" };
                self.part(no);
                self.bridge_over(by, since, Some(info));
            }
            Some(Waiting::Dial(dial)) if dial.parent == no => self.dial_abandoned(no, info),
            // What was said until then is there.
            Some(Waiting::Record { leg, .. }) if *leg == no => self.record_hung_up(no, info),
            Some(waiting) if waiting.about() == Some(no) => self.finish(Err(AppError::HungUp(info))),
            Some(Waiting::Sleep { .. }) if no == caller => self.finish(Err(AppError::HungUp(info))),
            Some(_) | None => {}
        }
        self.end_leg(no, ending);
        if self.call.faxing.is_some() {
            self.end_leg(caller, ending);
        }
        self.stop_if_alone();
    }

    /// The parent hung up while the app was ringing others for it.
    fn dial_abandoned(&mut self, parent: LegNo, info: CauseInfo) {
        let ringing = self.hunt_mut().map(|h| core::mem::take(&mut h.ringing)).unwrap_or_default();
        for leg in ringing {
            self.end_leg(leg, Ending { cause: Cause::Cancelled, sip: 487, by: EndedBy::Caller });
        }
        debug_assert!(self.call.leg(parent).is_some());
        self.finish(Err(AppError::HungUp(info)));
    }

    /// Without a leg the script gets a little time to return by itself.
    fn stop_if_alone(&mut self) {
        if !self.call.live_legs().is_empty() {
            return;
        }
        let until = self.now() + Duration::from_millis(u64::from(self.floors.setup.limits.app_drain_ms));
        if let Some(apology) = self.run().and_then(|run| run.apology.take()) {
            return self.end_call(apology.ending);
        }
        if let Some(run) = self.run() {
            run.stop_at.get_or_insert(until);
        }
    }

    /// The script ended, well or not.
    pub(crate) fn app_ended(
        &mut self,
        app: AppId,
        outcome: Result<AppOutcome, AppFailure>,
        recourse: Option<Recourse>,
    ) {
        if self.run().is_none_or(|r| r.app != app) {
            return;
        }
        if let (Err(failure), Some(recourse)) = (&outcome, recourse) {
            return self.app_failed(failure, recourse);
        }
        let ending = match outcome {
            Ok(AppOutcome::Returned(status)) => {
                let sip = status.unwrap_or(Cause::AppHangup.sip_status());
                Ending { cause: Cause::AppHangup, sip, by: EndedBy::Switch }
            }
            Ok(AppOutcome::Err(_)) => Ending::switch(Cause::AppHangup),
            Err(failure) => ending_of(&failure),
        };
        self.end_call(ending);
    }

    /// The script did not return in time: its instance is dropped.
    fn app_over(&mut self) {
        self.end_call(Ending::switch(Cause::AppFailed));
    }
}

/// How a call ends whose app has failed.
pub(crate) fn ending_of(failure: &AppFailure) -> Ending {
    match failure {
        AppFailure::Saturated => Ending::switch(Cause::LimitReached),
        AppFailure::NotBound | AppFailure::Trapped(_) | AppFailure::Timeout => Ending::switch(Cause::AppFailed),
    }
}

impl Collecting {
    /// Takes a digit; gives the result when it completes the collection.
    fn take(&mut self, digit: char) -> Option<Collected> {
        if self.spec.terminators.contains(digit) {
            return Some(self.done(Some(digit), false));
        }
        self.digits.push(digit);
        (self.digits.len() >= self.spec.max_digits as usize).then(|| self.done(None, false))
    }

    fn done(&mut self, terminator: Option<char>, timed_out: bool) -> Collected {
        let digits = core::mem::take(&mut self.digits);
        let timed_out = timed_out && digits.len() < self.spec.min_digits.max(1) as usize;
        Collected { digits, terminator: terminator.map(String::from), timed_out }
    }
}

fn steps_of(spec: DialSpec) -> Vec<RingStep> {
    let timeout = spec.ring_timeout;
    let target = |name: &String| Target {
        to: if name.contains(':') { Endpoint::Uri(name.clone()) } else { Endpoint::Account(name.clone()) },
        caller_id: spec.caller_id.clone(),
        header_ops: spec.header_ops.clone(),
    };
    let step = |targets: Vec<Target>| RingStep { targets, ring_timeout: timeout, advance_on: Vec::new() };
    if spec.parallel {
        vec![step(spec.targets.iter().map(target).collect())]
    } else {
        spec.targets.iter().map(|t| step(vec![target(t)])).collect()
    }
}
