//! Ringing: the INVITEs of a step, what comes back, and the first answer.

use crate::hunt::Hunt;
use crate::leg::{Ending, Leg, LegNo, Progress};
use crate::stage::{Bridge, Stage, Waiting};
use crate::step::{Step, cause_info};
use crate::target::{self, Branch};
use core::time::Duration;
use model::{Cause, CauseInfo, EndedBy, HeaderOp, LegRole, MediaPath, RingStep, Target};
use sip_dialog::InviteSpec;

impl Step<'_, '_> {
    /// The hunt that is at work: a router's plan or an app's dial.
    pub(crate) fn hunt_mut(&mut self) -> Option<&mut Hunt> {
        match &mut self.call.stage {
            Stage::Hunting(hunt) => Some(hunt),
            Stage::App(run) => match &mut run.pending {
                Some((_, Waiting::Dial(dial))) => Some(&mut dial.hunt),
                Some(_) | None => None,
            },
            Stage::Deciding(_) | Stage::Bridged(_) | Stage::Over => None,
        }
    }

    /// Begins the next step that has somebody to ring, or reports that the plan has run out.
    pub(crate) fn next_step(&mut self) {
        loop {
            let longest = Duration::from_secs(u64::from(self.floors.setup.limits.ring_timeout_max_s));
            let now = self.now();
            let Some(hunt) = self.hunt_mut() else { return };
            let step = if hunt.stopped { None } else { hunt.steps.pop_front() };
            let Some(step) = step else { return self.hunt_over() };
            hunt.advance_on.clone_from(&step.advance_on);
            hunt.ring_until = Some(now + step.ring_timeout.min(longest));
            self.ring(&step);
            if self.hunt_mut().is_some_and(|h| !h.ringing.is_empty()) {
                return;
            }
        }
    }

    fn ring(&mut self, step: &RingStep) {
        for target in &step.targets {
            match target::branches(self.floors, self.call.info.company, &target.to) {
                Ok(branches) => {
                    for branch in branches {
                        self.ring_branch(target, &branch);
                    }
                }
                Err(cause) => self.target_failed(target, cause),
            }
        }
    }

    fn target_failed(&mut self, target: &Target, cause: Cause) {
        let name = target::name(&target.to).to_owned();
        if let Some(hunt) = self.hunt_mut() {
            hunt.failed(None, name, CauseInfo::local(cause));
        }
    }

    /// Sends one INVITE; the new leg joins the hunt.
    fn ring_branch(&mut self, target: &Target, branch: &Branch) {
        let Some(hunt) = self.hunt_mut() else { return };
        let (media, plan_ops) = (hunt.media, hunt.header_ops.clone());
        if self.call.legs.len() >= self.floors.setup.limits.legs_per_call_max {
            return self.target_failed(target, Cause::LimitReached);
        }
        let no = self.add_leg(target, branch);
        let offer = match self.offer_to(no, media) {
            Ok(offer) => offer,
            Err(cause) => {
                self.end_leg(no, Ending::switch(cause));
                return self.target_failed(target, cause);
            }
        };
        let spec = InviteSpec {
            flow: branch.flow,
            request_uri: branch.request_uri.clone(),
            route_set: Vec::new(),
            from: self.shown_from(no),
            to: format!("<{}>", branch.to_uri),
            call_id: self.call.leg(no).map(|l| l.sip_call_id.clone()),
            headers: self.invite_headers(&plan_ops, &target.header_ops),
            offer: Some(offer),
        };
        let now = self.now();
        let key = self.floors.dialogs.invite(self.floors.transactions, spec, now);
        self.desk.by_dialog.insert(key, (self.call.id, no));
        if let Some(leg) = self.call.leg_mut(no) {
            leg.dialog = Some(key);
        }
        if let Some(hunt) = self.hunt_mut() {
            hunt.ringing.push(no);
        }
    }

    fn add_leg(&mut self, target: &Target, branch: &Branch) -> LegNo {
        let no = LegNo::try_from(self.call.legs.len()).unwrap_or(LegNo::MAX);
        let shown = target.caller_id.clone().unwrap_or_else(|| self.call.info.caller.user.clone());
        let domain = self.floors.directory.company(self.call.info.company).map_or("strowger", |c| c.domain.as_str());
        let leg = Leg {
            no,
            role: LegRole::Callee,
            account: branch.account,
            party: branch.party.clone(),
            caller_shown: shown,
            sip_call_id: format!("{}@{domain}", self.desk.ids.token(26)),
            dialog: None,
            signalling: branch.flow.remote.ip(),
            stream: None,
            address: None,
            progress: Progress::Trying,
            started_at: self.now(),
            ringing_at: None,
            answered_at: None,
            theirs: None,
            ours: None,
            offered: None,
            spoken: None,
            origin: sdp::Origin::new(self.desk.ids.u64()),
            typed: String::new(),
            held: false,
        };
        self.call.legs.push(leg);
        no
    }

    fn shown_from(&self, no: LegNo) -> String {
        let user = self.call.leg(no).map_or("", |l| l.caller_shown.as_str());
        let domain = self.floors.directory.company(self.call.info.company).map_or("invalid", |c| c.domain.as_str());
        match &self.call.info.caller.display {
            Some(display) => format!("\"{}\" <sip:{user}@{domain}>", display.replace(['"', '\\'], "")),
            None => format!("<sip:{user}@{domain}>"),
        }
    }

    fn invite_headers(&self, plan: &[HeaderOp], target: &[HeaderOp]) -> Vec<(String, String)> {
        let mut headers = vec![("Max-Forwards".to_owned(), self.call.max_forwards.to_string())];
        for op in plan.iter().chain(target) {
            match op {
                HeaderOp::Add(h) => headers.push((h.name.clone(), h.value.clone())),
                HeaderOp::Set(h) => {
                    headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&h.name));
                    headers.push((h.name.clone(), h.value.clone()));
                }
                HeaderOp::Remove(gone) => headers.retain(|(name, _)| !name.eq_ignore_ascii_case(gone)),
            }
        }
        headers
    }

    /// A callee sent 18x.
    pub(crate) fn callee_progress(&mut self, no: LegNo, status: u16, sdp: Option<&[u8]>) {
        let now = self.now();
        if let Some(leg) = self.call.leg_mut(no).filter(|l| l.progress == Progress::Trying && status != 181) {
            leg.progress = Progress::Ringing;
            leg.ringing_at = Some(now);
        }
        if !matches!(self.call.stage, Stage::Hunting(_)) {
            return;
        }
        let early = sdp.and_then(|body| self.early_media(no, body));
        let Some(hunt) = self.hunt_mut() else { return };
        let status = if early.is_some() { 183 } else { status };
        if hunt.passed.contains(&status) && early.is_none() {
            return;
        }
        hunt.passed.push(status);
        if let Some(caller) = self.call.leg_mut(0).filter(|l| l.progress == Progress::Trying) {
            caller.progress = Progress::Ringing;
            caller.ringing_at = Some(now);
        }
        let Some(key) = self.call.leg(0).and_then(|l| l.dialog) else { return };
        // A caller whose dialog is just ending cannot be told; the event that says so follows.
        let _ = self.floors.dialogs.progress(self.floors.transactions, key, status, early, &[], now);
    }

    /// The session description for the caller, where this callee is the one whose early media is heard.
    fn early_media(&mut self, no: LegNo, body: &[u8]) -> Option<bytes::Bytes> {
        let hunt = self.hunt_mut()?;
        if hunt.early.is_some_and(|leg| leg != no) || hunt.early == Some(no) {
            return None;
        }
        let media = hunt.media;
        let answer = self.answer_from(no, media, body).ok()?;
        if let Some(hunt) = self.hunt_mut() {
            hunt.early = Some(no);
        }
        Some(answer)
    }

    /// A callee sent 2xx: it has won.
    pub(crate) fn callee_answered(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        let now = self.now();
        let in_hunt = self.hunt_mut().is_some_and(|h| h.ringing.contains(&no));
        if !in_hunt {
            return self.end_leg(no, Ending::switch(Cause::AnsweredElsewhere));
        }
        self.note_answered(no, Progress::Answered);
        if let Some(hunt) = self.hunt_mut() {
            hunt.ring_until = None;
            let others: Vec<LegNo> = hunt.ringing.iter().copied().filter(|l| *l != no).collect();
            for other in others {
                self.end_leg(other, Ending { cause: Cause::AnsweredElsewhere, sip: 487, by: EndedBy::Switch });
            }
        }
        if matches!(self.call.stage, Stage::App(_)) {
            return self.dial_answered(no, sdp);
        }
        let Stage::Hunting(hunt) = &self.call.stage else { return };
        let (media, longest) = (hunt.media, hunt.max_duration);
        let answer = match self.answer_from(no, media, sdp.unwrap_or_default()) {
            Ok(answer) => answer,
            Err(cause) => return self.end_call(Ending::switch(cause)),
        };
        self.note_answered(0, Progress::Accepted);
        let Some(key) = self.call.leg(0).and_then(|l| l.dialog) else { return };
        if self.floors.dialogs.accept(self.floors.transactions, key, Some(answer), &[], now).is_err() {
            return self.end_call(Ending::switch(Cause::TransportFailed));
        }
        let until = longest.map(|d| now + d);
        self.call.stage = Stage::Bridged(Bridge { a: 0, b: no, since: now, until, reoffer: None });
    }

    /// A callee's INVITE came to nothing.
    pub(crate) fn callee_failed(&mut self, no: LegNo, status: u16, by_remote: bool) {
        self.dialog_gone(no);
        let cause = Cause::from_sip(status);
        let ending = Ending {
            cause: if by_remote || status != 503 { cause } else { Cause::TransportFailed },
            sip: status,
            by: if by_remote { EndedBy::Callee } else { EndedBy::Switch },
        };
        self.branch_over(no, ending, by_remote);
    }

    /// A ringing leg is over: the hunt goes on without it.
    pub(crate) fn branch_over(&mut self, no: LegNo, ending: Ending, by_remote: bool) {
        let party = self.call.leg(no).map(|l| l.party.clone()).unwrap_or_default();
        self.end_leg(no, ending);
        let Some(hunt) = self.hunt_mut() else { return };
        hunt.failed(Some(no), party, cause_info(&ending, by_remote));
        if hunt.ringing.is_empty() {
            self.next_step();
        }
    }

    /// The running step's time is over.
    pub(crate) fn ring_timeout(&mut self) {
        let Some(hunt) = self.hunt_mut() else { return };
        hunt.ring_until = None;
        let ringing = core::mem::take(&mut hunt.ringing);
        let ending = Ending { cause: Cause::NoAnswer, sip: Cause::NoAnswer.sip_status(), by: EndedBy::Switch };
        for no in ringing {
            let party = self.call.leg(no).map(|l| l.party.clone()).unwrap_or_default();
            self.end_leg(no, ending);
            if let Some(hunt) = self.hunt_mut() {
                // Time is not a verdict of the callee: the next step follows whatever `advance_on` says.
                hunt.early = None;
                hunt.tried.push((party, cause_info(&ending, false)));
            }
        }
        self.next_step();
    }

    /// No step is left.
    fn hunt_over(&mut self) {
        match core::mem::replace(&mut self.call.stage, Stage::Over) {
            Stage::Hunting(hunt) => self.plan_exhausted(hunt),
            Stage::App(run) => {
                self.call.stage = Stage::App(run);
                self.dial_failed();
            }
            stage @ (Stage::Deciding(_) | Stage::Bridged(_) | Stage::Over) => self.call.stage = stage,
        }
    }

    /// Whether the media of this hunt passes through the relay.
    pub(crate) fn anchored(media: MediaPath) -> bool {
        media != MediaPath::Direct
    }
}
