//! What has to be paid for: the rater is asked before a step of a plan rings numbers by trunks (or anybody at all, where
//! the plan says `rate-as`), its grant is a deadline of the leg that answers, and more is asked for ahead of its end.
//!
//! A step whose numbers are not all known waits here, whoever drives the call: a plan of two dialogs, one that is
//! proxied, an app's dial, a transfer. What a number was granted serves every leg that tries it, and belongs to the one
//! that answers; what nobody used is let go with the call. A leg that moves to another call takes its grant along, so
//! that it is settled once, from its first answer on. Where no rater is bound nothing of this is made.

use crate::call::Call;
use crate::engine::{Desk, Output};
use crate::leg::{Ending, Leg, LegNo};
use crate::stage::Stage;
use crate::step::Step;
use core::time::Duration;
use model::{
    CallEvent, CallRecord, Cause, CauseInfo, Endpoint, Explained, Grant, HookReport, Instant, RateAnswer, RateKind,
    RateQuestion, RateVerdict, Rated, RaterPolicy, RingStep, Target, Ticket,
};
use std::collections::BTreeMap;

/// The attribute of a plan by which all of it is paid for at the price of a number.
const RATE_AS: &str = "rate-as";
/// The least pause before more is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a call has to do with its rater.
///
/// # Invariants
/// `held` waits exactly for those of `asked` that authorise; every ticket of `asked` is in the desk's index.
#[derive(Debug, Default)]
pub(crate) struct Rating {
    asked: Vec<Asked>,
    /// By number: what no answered leg has taken yet, or why not.
    ready: BTreeMap<String, Result<Granted, CauseInfo>>,
    held: Option<RingStep>,
    authorised: u32,
}

#[derive(Debug)]
struct Asked {
    ticket: Ticket,
    until: Instant,
    rated: Rated,
    /// The leg that wants more; `None` = nobody rings yet.
    leg: Option<LegNo>,
}

/// What a leg may use.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) rated: Rated,
    grant: Grant,
    /// Then the leg ends; `None` until it is answered.
    ends_at: Option<Instant>,
    /// Then more is asked for.
    ask_at: Option<Instant>,
}

impl Granted {
    fn new(rated: Rated, grant: Grant) -> Granted {
        Granted { rated, grant, ends_at: None, ask_at: None }
    }

    fn since(&self, now: Instant) -> Instant {
        self.rated.since.unwrap_or(now)
    }

    /// It was answered.
    fn begin(&mut self, now: Instant) {
        self.rated.since = Some(now);
        self.rated.granted_s = Some(self.grant.seconds);
        self.ends_at = Some(now + Duration::from_secs(u64::from(self.grant.seconds)));
        self.ask_at = Some(now + self.grant.ask_after());
    }

    /// The rater was asked for more.
    fn extended(&mut self, verdict: &RateVerdict, now: Instant) {
        let Some(ends_at) = self.ends_at else { return };
        match verdict {
            RateVerdict::Grant(grant) if grant.seconds > self.grant.seconds => {
                let since = self.since(now);
                let ends_at = since + Duration::from_secs(u64::from(grant.seconds));
                let half = now + ends_at.since(now) / 2;
                self.grant = *grant;
                self.rated.granted_s = Some(grant.seconds);
                self.ends_at = Some(ends_at);
                self.ask_at = Some((since + grant.ask_after()).max(half));
            }
            // No more than there was is no more.
            RateVerdict::Grant(_) | RateVerdict::Deny(..) => self.ask_at = None,
            RateVerdict::Failed => {
                let again = now + (ends_at.since(now) / 2).max(AGAIN);
                self.ask_at = Some(again).filter(|again| *again < ends_at);
            }
        }
    }
}

impl Rating {
    /// When a question is late.
    pub(crate) fn deadline(&self, legs: &[Leg]) -> Option<Instant> {
        let late = self.asked.iter().map(|asked| asked.until);
        let of_legs = legs.iter().filter(|leg| leg.is_alive()).filter_map(|leg| leg.granted.as_ref());
        late.chain(of_legs.flat_map(|granted| [granted.ends_at, granted.ask_at]).flatten()).min()
    }

    fn waits(&self) -> bool {
        self.asked.iter().any(|asked| asked.leg.is_none())
    }
}

impl Desk {
    /// The call is over: its answers are of no use, and what was granted and not used is let go.
    pub(crate) fn forget_rating(&mut self, call: &mut Call) {
        let Some(rating) = call.rating.take() else { return };
        let late = rating.asked.into_iter().filter_map(|asked| {
            self.by_ticket.remove(&asked.ticket);
            asked.leg.is_none().then_some(asked.rated)
        });
        let late: Vec<Rated> = late.collect();
        let unused = rating.ready.into_values().filter_map(|ready| Some(ready.ok()?.rated));
        for rated in late.into_iter().chain(unused) {
            self.let_go(call, rated);
        }
    }

    /// What was kept for this is used by nobody.
    fn let_go(&mut self, call: &Call, rated: Rated) {
        let (ticket, info) = (Ticket(0), call.info.clone());
        let release = RateQuestion { ticket, deadline: call.started_at, call: info, rated, kind: RateKind::Release };
        self.out.push_back(Output::Rate(Box::new(release)));
    }
}

impl Step<'_, '_> {
    fn rater(&self) -> Option<RaterPolicy> {
        self.floors.directory.hooks().rater(self.call.info.brand, self.call.info.company)
    }

    /// The number that the whole plan is paid for as.
    pub(crate) fn rate_as(&self) -> Option<String> {
        self.rater()?;
        let is = |name: &str| name == RATE_AS || name.strip_suffix(RATE_AS).is_some_and(|rest| rest.ends_with('.'));
        let attrs = &self.call.info.attrs;
        attrs.iter().rev().find(|(name, _)| is(name)).map(|(_, number)| number.clone()).filter(|n| !n.is_empty())
    }

    /// The number that a target is paid for by, if it has to be.
    pub(crate) fn rated_number(&self, target: &Target) -> Option<String> {
        if self.rater().is_none() || self.is_emergency() {
            return None;
        }
        let number = match &target.to {
            Endpoint::Trunk { number, .. } => Some(number.clone()),
            Endpoint::Account(_) | Endpoint::Uri(_) => self.rate_as(),
        };
        number.filter(|number| !self.is_special(number))
    }

    /// A step is about to ring: it comes back when everything in it is known; until then it waits here.
    pub(crate) fn paid_for(&mut self, step: RingStep) -> Option<RingStep> {
        if let Some(rating) = &mut self.call.rating {
            rating.held = None;
        }
        if self.rater().is_none() {
            return Some(step);
        }
        let mut missing: BTreeMap<String, Option<String>> = BTreeMap::new();
        for target in &step.targets {
            let trunk = match &target.to {
                Endpoint::Trunk { name, .. } => Some(name.clone()),
                Endpoint::Account(_) | Endpoint::Uri(_) => None,
            };
            if let Some(number) = self.rated_number(target) {
                let known = |rating: &Rating| {
                    let out = rating.asked.iter().any(|asked| asked.leg.is_none() && asked.rated.number == number);
                    rating.ready.contains_key(&number) || out
                };
                if !self.call.rating.as_deref().is_some_and(known) {
                    missing.entry(number).or_insert(trunk);
                }
            }
        }
        for (number, trunk) in missing {
            self.authorise(number, trunk);
        }
        let Some(rating) = self.call.rating.as_mut().filter(|rating| rating.waits()) else { return Some(step) };
        rating.held = Some(step);
        if let Some(hunt) = self.hunt_mut() {
            hunt.ring_until = None;
        }
        None
    }

    fn authorise(&mut self, number: String, trunk: Option<String>) {
        let (id, payer) = (self.call.id, self.payer_name());
        let rating = self.call.rating.get_or_insert_default();
        rating.authorised += 1;
        let id = format!("{id}.{}", rating.authorised);
        let rated = Rated { id, number, trunk, payer, unasked: false, granted_s: None, since: None };
        self.ask_rater(rated, RateKind::Authorize, None);
    }

    fn ask_rater(&mut self, rated: Rated, kind: RateKind, leg: Option<LegNo>) {
        let ticket = Ticket(self.desk.next_ticket);
        self.desk.next_ticket += 1;
        let until = self.now() + self.floors.setup.limits.rate_deadline();
        self.desk.by_ticket.insert(ticket, self.call.id);
        let call = self.call.info.clone();
        self.call.rating.get_or_insert_default().asked.push(Asked { ticket, until, rated: rated.clone(), leg });
        let question = RateQuestion { ticket, deadline: until, call, rated, kind };
        self.desk.out.push_back(Output::Rate(Box::new(question)));
    }

    /// Whether a target may ring.
    ///
    /// # Errors
    /// The rater's word: see [`Step::in_its_words`].
    pub(crate) fn is_paid_for(&self, target: &Target) -> Result<(), Cause> {
        let Some(number) = self.rated_number(target) else { return Ok(()) };
        match self.call.rating.as_ref().and_then(|rating| rating.ready.get(&number)) {
            Some(Ok(_)) => Ok(()),
            Some(Err(info)) => Err(info.cause),
            // The leg that answered took it along: what follows by itself is not free.
            None => Err(Cause::NotPaidFor),
        }
    }

    /// A plan is over, or another begins: what its numbers were granted and nobody has used is let go, and refusals and
    /// failures are no answer to whoever asks anew. What is answered late comes too late.
    pub(crate) fn forget_answers(&mut self) {
        let Some(rating) = &mut self.call.rating else { return };
        rating.held = None;
        let (late, asked) = core::mem::take(&mut rating.asked).into_iter().partition(|asked| asked.leg.is_none());
        rating.asked = asked;
        let late: Vec<Asked> = late;
        let ready = core::mem::take(&mut rating.ready);
        for asked in &late {
            self.desk.by_ticket.remove(&asked.ticket);
        }
        let unused = ready.into_values().filter_map(|ready| Some(ready.ok()?.rated));
        for rated in late.into_iter().map(|asked| asked.rated).chain(unused) {
            self.desk.let_go(self.call, rated);
        }
    }

    /// A target's failure, with the rater's status and words where they are its.
    pub(crate) fn in_its_words(&self, target: &Target, cause: Cause) -> CauseInfo {
        let refused = self.rated_number(target).and_then(|number| {
            let ready = self.call.rating.as_ref()?.ready.get(&number)?;
            ready.as_ref().err().filter(|info| info.cause == cause).cloned()
        });
        refused.unwrap_or_else(|| CauseInfo::local(cause))
    }

    /// A leg rings for a number that is paid for.
    pub(crate) fn goes_for(&mut self, no: LegNo, number: String) {
        if let Some(leg) = self.call.leg_mut(no) {
            leg.pays_for = Some(number.into_boxed_str());
        }
    }

    /// A leg is answered: what its number was granted is its own, and its time begins.
    pub(crate) fn take_grant(&mut self, no: LegNo) {
        let now = self.now();
        let Some(rating) = &mut self.call.rating else { return };
        let Some(leg) = self.call.legs.get_mut(usize::from(no)) else { return };
        let Some(number) = leg.pays_for.take() else { return };
        match rating.ready.remove(&*number) {
            Some(Ok(mut granted)) => {
                granted.begin(now);
                leg.granted = Some(Box::new(granted));
            }
            Some(refused @ Err(_)) => {
                rating.ready.insert(number.into_string(), refused);
            }
            None => {}
        }
    }

    /// A leg comes with what it may use: it goes on being paid for here.
    pub(crate) fn bring_grant(&mut self, no: LegNo, granted: Option<Box<Granted>>) {
        let Some(mut granted) = granted else { return };
        self.call.rating.get_or_insert_default();
        let now = self.now();
        // A question that was out stays behind, and so does its answer.
        let again = Some(now + AGAIN).filter(|again| granted.ends_at.is_some_and(|ends| *again < ends));
        granted.ask_at = granted.ask_at.or(again);
        if let Some(leg) = self.call.leg_mut(no) {
            leg.granted = Some(granted);
        }
        let Some(leg) = self.call.leg(no).filter(|leg| leg.answered_at.is_some()) else { return };
        // Should the process die now, it is settled by this.
        let cdr = leg.cdr(self.call, &Ending::switch(Cause::SwitchRestarted), now);
        self.desk.out.push_back(Output::Record(CallRecord::Answered(cdr)));
    }

    /// The rater answered.
    pub(crate) fn rate_answered(&mut self, ticket: Ticket, answer: RateAnswer) {
        let Some(rating) = &mut self.call.rating else { return };
        let Some(at) = rating.asked.iter().position(|asked| asked.ticket == ticket) else { return };
        let Asked { rated, leg, .. } = rating.asked.swap_remove(at);
        self.explain_rate(&rated, leg.is_some(), &answer.verdict, answer.hook);
        let now = self.now();
        match leg {
            Some(no) => {
                if let Some(granted) = self.call.leg_mut(no).and_then(|leg| leg.granted.as_mut()) {
                    granted.extended(&answer.verdict, now);
                }
            }
            None => self.authorised(rated, answer.verdict),
        }
    }

    fn authorised(&mut self, rated: Rated, verdict: RateVerdict) {
        let open_s = self.rater().and_then(|policy| policy.open_s);
        let number = rated.number.clone();
        let ready = match (verdict, open_s) {
            (RateVerdict::Grant(grant), _) => Ok(Granted::new(rated, grant)),
            (RateVerdict::Deny(sip, reason), _) => {
                Err(CauseInfo { cause: Cause::NotPaidFor, sip, reason, by_remote: false })
            }
            (RateVerdict::Failed, Some(seconds)) => {
                let grant = Grant { seconds, recheck_before_s: seconds / 2 };
                Ok(Granted::new(Rated { unasked: true, ..rated }, grant))
            }
            (RateVerdict::Failed, None) => {
                // It may have kept something, or may yet: nobody will use it.
                self.desk.let_go(self.call, rated);
                Err(CauseInfo::local(Cause::RaterFailed))
            }
        };
        let Some(rating) = &mut self.call.rating else { return };
        rating.ready.insert(number, ready);
        if rating.waits() {
            return;
        }
        let Some(step) = rating.held.take() else { return };
        let context = self.call.context;
        match (&mut self.call.stage, context) {
            (Stage::Proxied(proxying), Some(context)) => {
                proxying.hunt.steps.push_front(step);
                self.proxy_step(context);
            }
            _ => {
                // Whoever dialled may have gone meanwhile.
                let Some(hunt) = self.hunt_mut() else { return };
                hunt.steps.push_front(step);
                self.next_step();
            }
        }
    }

    /// Runs what is due of questions and grants.
    pub(crate) fn rating_due(&mut self) {
        let now = self.now();
        let Some(rating) = &self.call.rating else { return };
        let late: Vec<Ticket> = rating.asked.iter().filter(|a| a.until <= now).map(|a| a.ticket).collect();
        for ticket in late {
            self.desk.by_ticket.remove(&ticket);
            self.desk.counters.verdicts_late += 1;
            self.rate_answered(ticket, RateAnswer { verdict: RateVerdict::Failed, hook: None });
        }
        for no in self.call.live_legs() {
            self.grant_due(no, now);
        }
    }

    fn grant_due(&mut self, no: LegNo, now: Instant) {
        let Some(leg) = self.call.leg_mut(no).filter(|leg| leg.is_alive()) else { return };
        let Some(granted) = &mut leg.granted else { return };
        if granted.ends_at.is_some_and(|at| at <= now) {
            let ending = Ending::switch(Cause::GrantEnded);
            self.end_leg(no, ending);
            return self.party_ended(no, ending);
        }
        if granted.ask_at.take_if(|at| *at <= now).is_some() {
            let (rated, granted_s) = (granted.rated.clone(), granted.grant.seconds);
            let used = now.since(granted.since(now));
            self.ask_rater(rated, RateKind::Extend { used, granted_s }, Some(no));
        }
    }

    fn explain_rate(&mut self, rated: &Rated, more: bool, verdict: &RateVerdict, hook: Option<HookReport>) {
        let decision = match verdict {
            RateVerdict::Grant(grant) => format!("grant {} s", grant.seconds),
            RateVerdict::Deny(sip, reason) => format!("deny {sip} {reason}"),
            RateVerdict::Failed => "no answer: the policy of failure".to_owned(),
        };
        let explained = Explained {
            call: self.call.id,
            company: self.call.info.company,
            at: self.now(),
            asked: if more { "extend" } else { "authorize" }.to_owned(),
            callee: rated.number.clone(),
            decision,
            hooks: hook.into_iter().collect(),
        };
        self.desk.out.push_back(Output::Event(CallEvent::Explained(Box::new(explained))));
    }
}
