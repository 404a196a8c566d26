//! Ringing: the INVITEs of a step, what comes back, and the first answer.

use crate::device;
use crate::hunt::Hunt;
use crate::identity::{self, Forwarded, Shown};
use crate::leg::{Ending, Leg, LegNo, Progress};
use crate::security::Security;
use crate::stage::{Bridge, Stage, Waiting};
use crate::step::{Step, cause_info};
use crate::target::{self, Branch};
use crate::transfer::Job;
use core::time::Duration;
use model::{Cause, EndedBy, Endpoint, HeaderOp, LegRole, MediaPath, RingStep, Target, Vouched};
use sdp::Description;
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
            Stage::Deciding(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => None,
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
            let Some(step) = self.paid_for(step) else { return };
            let Some(hunt) = self.hunt_mut() else { return };
            hunt.advance_on.clone_from(&step.advance_on);
            hunt.ring_until = Some(now + step.ring_timeout.min(longest));
            self.ring(&step);
            if self.hunt_mut().is_some_and(|h| !h.ringing.is_empty()) {
                return;
            }
        }
    }

    fn ring(&mut self, step: &RingStep) {
        let forwarded = self.call.course.forwarded.clone();
        self.ring_targets(&step.targets, &forwarded);
    }

    /// Rings every place of these targets; `forwarded` says who has sent the call on to them.
    pub(crate) fn ring_targets(&mut self, targets: &[Target], forwarded: &[Forwarded]) {
        for target in targets {
            if let Err(cause) = self.is_paid_for(target) {
                self.target_failed(target, cause);
                continue;
            }
            if let Endpoint::Trunk { name, number, .. } = &target.to {
                if let Err(cause) = self.ring_trunk(target, name, number) {
                    self.target_failed(target, cause);
                }
                continue;
            }
            let branches =
                self.branches(&target.to).and_then(|branches| device::only(self.call.gruu.as_ref(), branches));
            match branches {
                Ok(branches) => {
                    for branch in branches {
                        // A branch that cannot ring has told the hunt.
                        let _ = self.ring_branch(target, branch, forwarded);
                    }
                }
                Err(cause) => self.target_failed(target, cause),
            }
        }
    }

    fn target_failed(&mut self, target: &Target, cause: Cause) {
        let name = target::name(&target.to).to_owned();
        let cause = self.in_its_words(target, cause);
        if let Some(hunt) = self.hunt_mut() {
            hunt.failed(None, name, cause);
        }
    }

    /// Sends one INVITE; the new leg joins the hunt.
    pub(crate) fn ring_branch(&mut self, target: &Target, branch: Branch, forwarded: &[Forwarded]) -> Option<LegNo> {
        let hunt = self.hunt_mut()?;
        let plan_ops = hunt.header_ops.clone();
        if self.call.legs.len() >= self.floors.setup.limits.legs_per_call_max {
            if let Some(to) = &branch.carrier {
                self.floors.trunks.call_ended(to.on.id);
            }
            self.target_failed(target, Cause::LimitReached);
            return None;
        }
        let no = self.add_leg(Some(target), &branch);
        if let Some(leg) = self.call.leg_mut(no) {
            leg.forwarded = forwarded.to_vec();
            if let Some(to) = &branch.carrier {
                leg.caller_shown.clone_from(&to.shown);
                leg.taped = to.taped;
                leg.vouched = to.word.as_ref().map(|word| Vouched::Signed(word.attestation));
            }
        }
        let (from, headers) = self.told(no, &branch);
        if let Some(rated) = self.rated_number(target) {
            self.goes_for(no, rated);
        }
        let flows = branch.flows(target);
        let carrier = branch.carrier.map(|to| {
            if let Some(leg) = self.call.leg_mut(no) {
                leg.trunk = Some(Box::new(to.on));
            }
            to.carrier
        });
        let media = self.media_of(no);
        let offer = match self.offer_to(no, media) {
            Ok(offer) => offer,
            Err(cause) => {
                self.end_leg(no, Ending::switch(cause));
                self.target_failed(target, cause);
                return None;
            }
        };
        let spec = InviteSpec {
            flow: branch.flow,
            request_uri: branch.request_uri,
            route_set: branch.route_set,
            from,
            to: format!("<{}>", branch.to_uri),
            call_id: self.call.leg(no).map(|l| l.sip_call_id.clone()),
            headers: with_ops(headers, &plan_ops, &target.header_ops),
            offer: Some(offer),
            carrier,
            edge: self.edge_of(no),
        };
        let now = self.now();
        let key = self.floors.dialogs.invite(self.floors.transactions, spec, now);
        self.desk.by_dialog.insert(key, (self.call.id, no));
        if let Some(leg) = self.call.leg_mut(no) {
            leg.dialog = Some(key);
            leg.flows = flows;
        }
        if let Some(hunt) = self.hunt_mut() {
            hunt.ringing.push(no);
        }
        Some(no)
    }

    /// A leg for a place that is about to ring.
    pub(crate) fn add_leg(&mut self, target: Option<&Target>, branch: &Branch) -> LegNo {
        let no = LegNo::try_from(self.call.legs.len()).unwrap_or(LegNo::MAX);
        let own = self.call.serves.as_ref().map_or(&self.call.info.caller.user, |serves| &serves.shown);
        let shown = target.and_then(|t| t.caller_id.clone()).unwrap_or_else(|| own.clone());
        let domain = self.floors.directory.company(self.call.info.company).map_or("strowger", |c| c.domain.as_str());
        let sip_call_id = format!("{}@{domain}", self.desk.ids.token(26));
        let origin = sdp::Origin::new(self.desk.ids.u64());
        let leg = Leg {
            no,
            account: branch.account,
            party: branch.party.clone(),
            caller_shown: shown,
            sip_call_id,
            security: self
                .security_of(branch.account)
                .towards(branch.flow.transport, self.floors.setup.certificate.as_ref()),
            ..Leg::new(LegRole::Callee, branch.flow.remote.ip(), self.now(), origin)
        };
        self.call.legs.push(leg);
        no
    }

    /// What the tenant wants of a callee's media: its account's word, else the company's.
    fn security_of(&self, account: Option<model::AccountId>) -> Security {
        let directory = self.floors.directory;
        let own = account.and_then(|id| directory.account_by_id(id)).and_then(|a| a.media_security);
        let company = directory.company(self.call.info.company).map(|c| c.media_security);
        Security::new(own.or(company).unwrap_or_default())
    }

    /// The From and the header fields of a leg's INVITE, before the plan changes them.
    fn told(&self, no: LegNo, branch: &Branch) -> (String, Vec<(String, String)>) {
        let Some(leg) = self.call.leg(no) else { return Default::default() };
        let company = || self.floors.directory.company(self.call.info.company).map_or("invalid", |c| c.domain.as_str());
        let domain = branch.carrier.as_ref().map_or_else(company, |to| to.host.as_str());
        let display = match &self.call.serves {
            Some(serves) => serves.display.as_deref(),
            None => self.call.info.caller.display.as_deref(),
        };
        let verstat = if branch.carrier.is_none() { self.verstat_of(&leg.caller_shown) } else { None };
        let shown = Shown { user: &leg.caller_shown, display, domain, private: self.call.private, verstat };
        let (mut from, identity) = identity::identity(branch.policy, &shown);
        if let Some(user) =
            branch.carrier.as_ref().and_then(|to| to.from_user.as_deref()).filter(|_| !self.call.private)
        {
            from = sip_message::name_addr(display, format_args!("sip:{user}@{domain}"));
        }
        let mut headers = vec![("Max-Forwards".to_owned(), self.call.max_forwards.to_string())];
        headers.extend(identity);
        if let Some(word) = branch.carrier.as_ref().and_then(|to| to.word.as_ref()) {
            // RFC 8224 section 4.1: what says Identity says the date.
            headers.push(("Date".to_owned(), sip_message::date(self.now().unix_secs())));
            headers.push(("Identity".to_owned(), word.value.clone()));
        }
        headers.extend(identity::forwarding(branch.policy, &leg.forwarded, &leg.party, domain));
        if let Some(serves) = self.call.serves.as_ref().filter(|serves| !serves.referred_by.is_empty()) {
            headers.push(("Referred-By".to_owned(), serves.referred_by.clone()));
        }
        (from, headers)
    }

    /// A callee sent 18x.
    pub(crate) fn callee_progress(&mut self, no: LegNo, status: u16, sdp: Option<&[u8]>) {
        let now = self.now();
        self.carrier_lives(no);
        if let Some(leg) = self.call.leg_mut(no).filter(|l| l.progress == Progress::Trying && status != 181) {
            leg.progress = Progress::Ringing;
            leg.ringing_at = Some(now);
        }
        if !matches!(self.call.stage, Stage::Hunting(_)) {
            return;
        }
        if let Some(serves) = &self.call.serves {
            let (call, status) = (serves.call, if status == 183 { 183 } else { 180 });
            self.desk.jobs.push_back(Job::Ringing { call, status });
            return;
        }
        if self.call.summoned.is_some() {
            return self.summoned_hears(no, sdp);
        }
        if self.call.faxing.is_some() {
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
        let answer = self.answer_from(no, body).ok()?;
        if let Some(hunt) = self.hunt_mut() {
            hunt.early = Some(no);
        }
        Some(answer)
    }

    /// A callee sent 2xx: it has won.
    pub(crate) fn callee_answered(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        self.carrier_lives(no);
        if matches!(self.call.stage, Stage::Summoning(_)) {
            return self.own_phone_answered(no, sdp);
        }
        let in_hunt = self.hunt_mut().is_some_and(|h| h.ringing.contains(&no));
        if !in_hunt {
            return self.end_leg(no, Ending::switch(Cause::AnsweredElsewhere));
        }
        self.note_answered(no, Progress::Answered);
        if let Some(hunt) = self.hunt_mut() {
            hunt.ring_until = None;
            // Should its answer be of no use, nobody else rings any more.
            let others = core::mem::replace(&mut hunt.ringing, vec![no]).into_iter().filter(|l| *l != no);
            for other in others {
                self.end_leg(other, Ending { cause: Cause::AnsweredElsewhere, sip: 487, by: EndedBy::Switch });
            }
        }
        if matches!(self.call.stage, Stage::App(_)) {
            return self.dial_answered(no, sdp);
        }
        self.forget_answers();
        if self.call.serves.is_some() {
            return self.answer_stand_in(no, sdp);
        }
        if self.call.summoned.is_some() || self.call.faxing.is_some() {
            return self.answered_for_switch(no, sdp);
        }
        self.answer_caller_with(no, sdp);
    }

    /// The callee of a call that the switch itself makes has answered: no caller waits for a 2xx. One who was summoned is
    /// there already; a fax is the app's.
    fn answered_for_switch(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        match self.hear_body(no, sdp) {
            Ok(()) if self.call.summoned.is_some() => self.summoned_meets(no),
            Ok(()) => self.fax_begins(no),
            Err(cause) => self.end_call(Ending::switch(cause)),
        }
    }

    /// The target of a transfer has answered: the party that its call rings for moves over.
    fn answer_stand_in(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        let now = self.now();
        let Stage::Hunting(hunt) = &self.call.stage else { return };
        let until = hunt.max_duration.map(|d| now + d);
        if let Err(cause) = self.hear_body(no, sdp) {
            return self.end_call(Ending::switch(cause));
        }
        self.call.stage = Stage::Bridged(Bridge { a: 0, b: no, since: now, until });
        self.desk.jobs.push_back(Job::Answered { served: self.call.id, leg: no });
    }

    /// The caller gets its 2xx, and the two talk. A caller that has a description for sure, from a reliable provisional
    /// response, gets none in the 2xx (RFC 3262 section 5); where the winner's is another, it is offered afterwards.
    fn answer_caller_with(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        let now = self.now();
        let Stage::Hunting(hunt) = &self.call.stage else { return };
        let (longest, early) = (hunt.max_duration, hunt.early);
        let Some(key) = self.call.leg(0).and_then(|l| l.dialog) else { return };
        let settled = self.floors.dialogs.has_described(key);
        let known = settled && early == Some(no) && self.has_said(no, sdp);
        let answer = if known { Ok(None) } else { self.answer_from(no, sdp.unwrap_or_default()).map(Some) };
        let answer = match answer {
            Ok(answer) => answer,
            Err(cause) => return self.end_call(Ending::switch(cause)),
        };
        self.note_accepted(0, key);
        let body = answer.clone().filter(|_| !settled);
        if self.floors.dialogs.accept(self.floors.transactions, key, body, &[], now).is_err() {
            return self.end_call(Ending::switch(Cause::TransportFailed));
        }
        let until = longest.map(|d| now + d);
        self.call.stage = Stage::Bridged(Bridge { a: 0, b: no, since: now, until });
        if let Some(other) = answer.filter(|_| settled) {
            // It leaves when the ACK has come. Where it cannot, the caller keeps what it has: the relay carries that too.
            let _ = self.floors.dialogs.reinvite(self.floors.transactions, key, other, now);
        }
    }

    /// Whether this description is the party's newest one; none at all repeats it.
    fn has_said(&self, no: LegNo, sdp: Option<&[u8]>) -> bool {
        let Some(sdp) = sdp else { return true };
        let theirs = self.call.leg(no).and_then(|l| l.theirs.as_ref()).map(|d| d.to_bytes());
        theirs.is_some() && theirs == Description::parse(sdp).ok().map(|d| d.to_bytes())
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
        if !self.next_flow(no, &ending, by_remote) {
            self.branch_over(no, ending, by_remote);
        }
    }

    /// A ringing leg is over: the hunt goes on without it.
    pub(crate) fn branch_over(&mut self, no: LegNo, ending: Ending, by_remote: bool) {
        let party = self.call.leg(no).map(|l| l.party.clone()).unwrap_or_default();
        self.end_leg(no, ending);
        let Some(hunt) = self.hunt_mut() else { return self.own_phone_over(no, ending) };
        hunt.failed(Some(no), party, cause_info(&ending, by_remote));
        if by_remote && ending.sip >= 600 && self.company().is_some_and(|company| company.decline_ends_all) {
            self.declined_for_all();
        }
        if self.hunt_mut().is_some_and(|hunt| hunt.ringing.is_empty()) {
            self.next_step();
        }
    }

    /// One phone's 6xx is the word of all that ring with it (RFC 3261 section 16.7 step 5).
    fn declined_for_all(&mut self) {
        let ringing = self.hunt_mut().map(|hunt| core::mem::take(&mut hunt.ringing)).unwrap_or_default();
        for other in ringing {
            self.end_leg(other, Ending { cause: Cause::Declined, sip: 487, by: EndedBy::Switch });
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
            stage @ (Stage::Deciding(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over) => self.call.stage = stage,
        }
    }

    /// Where the media of a leg that rings flows: as the plan says, unless a trunk of either side wants it here, or either
    /// is to be recorded.
    fn media_of(&mut self, no: LegNo) -> MediaPath {
        let wanted = |leg: Option<&Leg>| leg.is_some_and(Leg::wants_anchor);
        let served = self.call.serves.as_ref().is_some_and(|serves| serves.anchor);
        if served || wanted(self.call.leg(no)) || wanted(self.call.leg(0)) {
            return MediaPath::Anchor;
        }
        self.hunt_mut().map_or(MediaPath::Anchor, |hunt| hunt.media)
    }

    /// Whether the media of this hunt passes through the relay.
    pub(crate) fn anchored(media: MediaPath) -> bool {
        media != MediaPath::Direct
    }
}

/// The header fields after the changes of the plan and of its target.
fn with_ops(mut headers: Vec<(String, String)>, plan: &[HeaderOp], target: &[HeaderOp]) -> Vec<(String, String)> {
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
