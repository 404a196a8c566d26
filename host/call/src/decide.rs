//! The decision: ask the chain, and carry out what it says.

use crate::arrival::callee_party;
use crate::engine::Output;
use crate::fallback;
use crate::hunt::Hunt;
use crate::leg::Ending;
use crate::outward::ByRoutes;
use crate::stage::{AppRun, Bridge, Deciding, Stage};
use crate::step::Step;
use crate::transfer::Job;
use core::time::Duration;
use model::{
    Answer, AppArgs, AppId, AppStart, Attr, Cause, CauseInfo, Decision, EndedBy, HeaderOp, HookReport, MediaPath,
    Question, QuestionKind, Refusal, RingPlan, Ticket,
};

impl Step<'_, '_> {
    /// Asks where the call shall go.
    pub(crate) fn ask_route(&mut self) {
        self.ask(QuestionKind::Route);
    }

    /// Asks the chain; the stage waits for the answer, or for the deadline.
    pub(crate) fn ask(&mut self, kind: QuestionKind) {
        let ticket = Ticket(self.desk.next_ticket);
        self.desk.next_ticket += 1;
        let (limits, info) = (&self.floors.setup.limits, &self.call.info);
        let waits = self.floors.directory.hooks().routing_waits(info.brand, info.company);
        let until = self.now() + if waits { limits.route_io_deadline() } else { limits.route_deadline() };
        self.desk.by_ticket.insert(ticket, self.call.id);
        self.call.stage = Stage::Deciding(Deciding { ticket, until, proving: None });
        let question = Question { ticket, deadline: until, call: self.call.info.clone(), kind };
        self.desk.out.push_back(Output::Ask(question));
    }

    /// The chain answered.
    pub(crate) fn answered(&mut self, ticket: Ticket, answer: Answer) {
        let waited_for = matches!(&self.call.stage, Stage::Deciding(d) if d.ticket == ticket && d.proving.is_none());
        if !waited_for {
            self.desk.counters.answers_stale += 1;
            return;
        }
        self.merge_attrs(answer.attrs);
        let decided_by = answer.hooks.last().map(|h: &HookReport| h.binding.clone());
        self.explain(answer.hooks, answer.decision.as_ref(), answer.failed);
        if self.gathers() {
            return self.gathered(answer.decision, answer.failed);
        }
        match answer.decision {
            Some(decision) => {
                self.call.decided_by = decided_by;
                self.obey(decision);
            }
            None => self.verdict_missing(answer.failed),
        }
    }

    pub(crate) fn merge_attrs(&mut self, attrs: Vec<Attr>) {
        for (name, value) in attrs {
            let known = &mut self.call.info.attrs;
            match known.iter_mut().find(|(n, _)| *n == name) {
                Some(attr) => attr.1 = value,
                None => known.push((name, value)),
            }
        }
    }

    /// Nobody decided: the brand's default verdict stands.
    pub(crate) fn verdict_missing(&mut self, failed: bool) {
        if self.gathers() {
            return self.gathered(None, failed);
        }
        if let Some(best) = self.call.exhausted.take() {
            return self.fail_with(&best);
        }
        if let Some(way) = self.own_route() {
            return self.send_by_company(way);
        }
        match fallback::decision(self.floors.directory, &self.call.info) {
            Some(decision) => self.obey(decision),
            // A plugin that failed may have kept the call from going out.
            None if failed => self.end_call(Ending::switch(Cause::PluginFailed)),
            None if self.leaves_by_routes() => {}
            None => self.end_call(Ending::switch(Cause::NoDecision)),
        }
    }

    pub(crate) fn obey(&mut self, decision: Decision) {
        match decision {
            Decision::Connect(plan) => self.connect(plan, None),
            Decision::Refuse(refusal) => self.refuse(&refusal),
            Decision::Redirect(contacts) => self.redirect(&contacts),
            // An app speaks with a party that is there: a transferred one moves over first.
            Decision::App { name, args } if self.call.serves.is_some() => {
                self.call.stage = Stage::Bridged(Bridge { a: 0, b: 0, since: self.now(), until: None });
                self.desk.jobs.push_back(Job::ToApp { served: self.call.id, name, args });
            }
            // Nobody is there to whom an app could speak.
            Decision::App { .. } if self.call.faxing.is_some() => self.end_call(Ending::switch(Cause::NotAcceptable)),
            Decision::App { name, args } => self.start_app(name, args),
            Decision::Reroute { callee, attrs } => self.reroute(&callee, attrs),
        }
    }

    /// Rings a plan, if it is one; `by_routes` where outgoing routes have made it.
    pub(crate) fn connect(&mut self, mut plan: RingPlan, by_routes: Option<ByRoutes>) {
        self.call.course.by_routes = by_routes;
        let limits = &self.floors.setup.limits;
        let targets: usize = plan.steps.iter().map(|s| s.targets.len()).sum();
        if plan.steps.is_empty() || plan.steps.len() > limits.plan_steps_max || targets > limits.plan_targets_max {
            return self.end_call(Ending::switch(Cause::PlanInvalid));
        }
        let longest = Duration::from_secs(u64::from(limits.call_duration_max_s));
        let longest = plan.max_duration.map_or(longest, |d| d.min(longest));
        self.merge_attrs(core::mem::take(&mut plan.attrs));
        self.call.course.leaves_group();
        if self.forwards_first(&mut plan) {
            return;
        }
        self.carry_out(plan, longest);
    }

    /// Rings a plan.
    pub(crate) fn carry_out(&mut self, plan: RingPlan, longest: Duration) {
        if self.is_proxied(&plan) {
            if let Err(cause) = self.proxy(plan, longest) {
                self.end_call(Ending::switch(cause));
            }
            return;
        }
        self.leave_proxy();
        let media = match plan.media {
            // A target's early media is nothing to the party that it rings for, which still talks to somebody else.
            _ if self.call.serves.is_some() => MediaPath::Anchor,
            // A late offer has no description to hand on, so its media is ours.
            _ if self.call.caller_offer.is_none() => MediaPath::Anchor,
            // A caller who had early media of an earlier plan from our relay keeps it: its stream is open and watched,
            // and the answer within its dialog may not move to another place (RFC 6337 section 3.1.1).
            _ if self.call.leg(0).is_some_and(|caller| caller.stream.is_some()) => MediaPath::Anchor,
            MediaPath::TenantDefault => self.call.tenant_media,
            path @ (MediaPath::Anchor | MediaPath::Direct) => path,
        };
        let mut hunt = Hunt::new(plan.steps, media);
        hunt.header_ops = plan.header_ops;
        hunt.max_duration = Some(longest);
        self.call.stage = Stage::Hunting(hunt);
        self.next_step();
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let sip = if (400..700).contains(&refusal.sip) { refusal.sip } else { Cause::PluginRefused.sip_status() };
        let headers = added_headers(&refusal.header_ops);
        self.answer_caller(sip, &refusal.reason, &headers);
        self.end_call(Ending { cause: Cause::PluginRefused, sip, by: EndedBy::Switch });
    }

    fn redirect(&mut self, contacts: &[String]) {
        let headers: Vec<(String, String)> =
            contacts.iter().map(|c| ("Contact".to_owned(), format!("<{c}>"))).collect();
        self.answer_caller(302, sip_message::reason_phrase(302), &headers);
        self.end_call(Ending::switch(Cause::Redirected));
    }

    /// Sends the caller a final failure with its own words; the leg's end is noted by the caller of this.
    pub(crate) fn answer_caller(&mut self, sip: u16, reason: &str, headers: &[(String, String)]) {
        let now = self.now();
        if let Some(context) = self.call.context {
            return self.floors.proxies.refuse(self.floors.transactions, context, (sip, reason), headers, now);
        }
        let Some(key) = self.call.leg(0).filter(|l| l.is_alive() && !l.is_answered()).and_then(|l| l.dialog) else {
            return;
        };
        // A dialog that is just ending cannot be told; the event that says so follows.
        let _ = self.floors.dialogs.reject(self.floors.transactions, key, sip, reason, headers, now);
        self.dialog_gone(0);
    }

    /// Asks the chain again, with another callee.
    pub(crate) fn reroute(&mut self, callee: &str, attrs: Vec<Attr>) {
        self.call.reroutes += 1;
        if self.call.reroutes > self.floors.setup.limits.reroutes_max {
            return self.end_call(Ending::switch(Cause::LoopDetected));
        }
        let domain = self.floors.directory.company(self.call.info.company).map_or("", |c| c.domain.as_str());
        self.call.info.callee = callee_party(callee, domain);
        self.merge_attrs(attrs);
        self.ask_route();
    }

    pub(crate) fn start_app(&mut self, name: String, args: AppArgs) {
        self.leave_proxy();
        self.summoned_speaks();
        let app = AppId(self.desk.next_app);
        self.desk.next_app += 1;
        self.desk.by_app.insert(app, self.call.id);
        let (own, given) = (name.clone(), args.clone());
        self.call.stage = Stage::App(AppRun {
            app,
            name: own,
            pending: None,
            stop_at: None,
            since: self.now(),
            args: given,
            restarted: false,
            apology: None,
        });
        let start = AppStart { name, args, call: self.call.info.clone() };
        self.desk.out.push_back(Output::AppStart { app, start });
    }

    /// A plan is out of steps: the chain is asked once more, knowing what failed.
    pub(crate) fn plan_exhausted(&mut self, hunt: Hunt) {
        self.forget_answers();
        let best = self.ends_with(&hunt);
        if self.call.serves.as_ref().is_some_and(|serves| serves.recall) {
            return self.fail_with(&best.unwrap_or_else(|| CauseInfo::local(Cause::NoAnswer)));
        }
        if self.forwards_after(&hunt) || self.group_unanswered() {
            return;
        }
        self.call.reroutes += 1;
        if self.call.reroutes > self.floors.setup.limits.reroutes_max {
            return self.fail_with(&best.unwrap_or_else(|| CauseInfo::local(Cause::LoopDetected)));
        }
        self.call.exhausted = best;
        self.ask(QuestionKind::Exhausted(hunt.tried));
    }

    /// The caller gets the best failure of the plan that ran out.
    pub(crate) fn fail_with(&mut self, best: &CauseInfo) {
        // A 3xx of a B2BUA call that was not followed has no contacts that the caller could be told; a proxied one has.
        let least = if self.call.context.is_some() { 300 } else { 400 };
        let sip = if (least..700).contains(&best.sip) { best.sip } else { 480 };
        let sip = self.conclude_proxy(sip);
        self.end_call(Ending {
            cause: best.cause,
            sip,
            by: if best.by_remote { EndedBy::Callee } else { EndedBy::Switch },
        });
    }
}

/// The header fields that a refusal adds.
fn added_headers(ops: &[HeaderOp]) -> Vec<(String, String)> {
    ops.iter()
        .filter_map(|op| match op {
            HeaderOp::Set(h) | HeaderOp::Add(h) => Some((h.name.clone(), h.value.clone())),
            HeaderOp::Remove(_) => None,
        })
        .collect()
}
