//! Where a company's own rows lead: the ways of filters, forwards and numbers, hunt groups, conditional routes.
//!
//! The chain is asked first. Where nobody has an opinion about a number whose row leads to a group, a condition, a
//! mailbox, a queue, a room or a public number, that is what happens, whatever the brand's default verdict is: the
//! tenant has said so (decision 0180).

use crate::engine::Output;
use crate::leg::Ending;
use crate::stage::{Deciding, Stage};
use crate::step::Step;
use core::time::Duration;
use model::{
    Attr, Cause, Decision, Endpoint, Handling, HuntGroup, HuntParty, HuntStrategy, MediaPath, Question, QuestionKind,
    RingPlan, RingStep, RouteTarget, Target, Ticket, Way,
};
use policy::Ring;
use std::collections::{BTreeMap, VecDeque};

/// The app that is bound for mailboxes; it gets `mailbox`, an account's user name.
const VOICEMAIL: &str = "voicemail";
/// The app that is bound for queues; it gets `queue`, a name.
const QUEUE: &str = "queue";
/// The app that is bound for rooms; it gets `room`, a name.
const CONFERENCE: &str = "conference";

/// A hunt group whose plan runs.
#[derive(Debug)]
pub(crate) struct Grouped {
    no_answer: Option<Way>,
    pub(crate) hides_missed_calls: bool,
}

/// A group that shall ring when it is known how its members outside are reached.
#[derive(Debug)]
pub(crate) struct Gathering {
    group: HuntGroup,
    name: String,
    asked: String,
    left: VecDeque<String>,
    found: BTreeMap<String, Vec<Target>>,
}

impl Step<'_, '_> {
    /// Where the row of the number called leads, if it is more than an account or an app.
    pub(crate) fn own_route(&self) -> Option<Way> {
        let (directory, company) = (self.floors.directory, self.call.info.company);
        let dialled = self.call.info.callee.user.as_str();
        let public = directory.ddi(dialled).filter(|ddi| ddi.company == company);
        let target = match public.map(|ddi| &ddi.target) {
            Some(RouteTarget::Extension(number)) => &directory.extension(company, number)?.target,
            Some(target) => target,
            None => &directory.extension(company, dialled)?.target,
        };
        match target {
            RouteTarget::Account(_) | RouteTarget::App(_) | RouteTarget::Extension(_) => None,
            RouteTarget::HuntGroup(_)
            | RouteTarget::ConditionalRoute(_)
            | RouteTarget::Voicemail(_)
            | RouteTarget::Queue(_)
            | RouteTarget::Conference(_)
            | RouteTarget::Number(_) => Some(target.way()),
        }
    }

    /// Sends the call where a rule of the company says, which from here on pays for what goes outside.
    pub(crate) fn send_by_company(&mut self, way: Way) {
        self.call.course.company_pays();
        self.send(way);
    }

    /// Sends the call where a rule says: the chain decides about a number, as if it had been called.
    pub(crate) fn send(&mut self, way: Way) {
        match way {
            Way::Refuse => self.end_call(Ending::switch(Cause::CallerRefused)),
            Way::App(name) => self.obey(Decision::App { name, args: Vec::new() }),
            Way::Voicemail(account) => self.hand_to(VOICEMAIL, ("mailbox", account)),
            Way::Queue(name) => self.hand_to(QUEUE, ("queue", name)),
            Way::Conference(name) => self.hand_to(CONFERENCE, ("room", name)),
            Way::Account(callee) | Way::Extension(callee) | Way::Number(callee) => self.reroute(&callee, Vec::new()),
            Way::HuntGroup(name) => self.ring_group(name),
            Way::ConditionalRoute(name) => self.follow_conditions(&name),
        }
    }

    fn hand_to(&mut self, app: &str, (name, value): (&str, String)) {
        let args: Vec<Attr> = vec![(name.to_owned(), value)];
        self.obey(Decision::App { name: app.to_owned(), args });
    }

    /// One more turn on the way; `false` where the call has ended because it goes round in a circle.
    fn turns(&mut self) -> bool {
        self.call.reroutes += 1;
        if self.call.reroutes <= self.floors.setup.limits.reroutes_max {
            return true;
        }
        self.end_call(Ending::switch(Cause::LoopDetected));
        false
    }

    fn follow_conditions(&mut self, name: &str) {
        if !self.turns() {
            return;
        }
        let (directory, company) = (self.floors.directory, self.call.info.company);
        let Some(route) = directory.conditional_route(company, name) else {
            return self.end_call(Ending::switch(Cause::NotFound));
        };
        let zone = self.own_company().and_then(|company| company.rules.time_zone.as_deref());
        let now = policy::local(zone, self.now());
        let way = policy::conditional(directory, company, route, (&self.call.info.caller.user, &now)).clone();
        self.send(way);
    }

    fn ring_group(&mut self, name: String) {
        if !self.turns() {
            return;
        }
        let Some(group) = self.floors.directory.hunt_group(self.call.info.company, &name).cloned() else {
            return self.end_call(Ending::switch(Cause::NotFound));
        };
        let left = group.numbers().map(str::to_owned).collect();
        self.gather(Gathering { group, name, asked: String::new(), left, found: BTreeMap::new() });
    }

    /// Asks the chain about the next member outside, or rings the group.
    fn gather(&mut self, mut gathering: Gathering) {
        let Some(number) = gathering.left.pop_front() else { return self.hunt(gathering) };
        let ticket = Ticket(self.desk.next_ticket);
        self.desk.next_ticket += 1;
        let (limits, info) = (&self.floors.setup.limits, &self.call.info);
        let waits = self.floors.directory.hooks().routing_waits(info.brand, info.company);
        let until = self.now() + if waits { limits.route_io_deadline() } else { limits.route_deadline() };
        let domain = self.own_company().map_or("", |company| company.domain.as_str());
        let mut call = info.clone();
        call.callee = crate::arrival::callee_party(&number, domain);
        call.attrs.push(("hunt-group".to_owned(), gathering.name.clone()));
        gathering.asked = number;
        self.call.course.gathering = Some(gathering);
        self.desk.by_ticket.insert(ticket, self.call.id);
        self.call.stage = Stage::Deciding(Deciding { ticket, until, proving: None });
        let question = Question { ticket, deadline: until, call, kind: QuestionKind::Route };
        self.desk.out.push_back(Output::Ask(question));
    }

    /// Whether the question that was asked is about a member of a group.
    pub(crate) fn gathers(&self) -> bool {
        self.call.course.gathering.is_some()
    }

    /// The chain has said how a member outside is reached. Of a plan its first step counts; where it has no opinion, the
    /// brand's outgoing routes say; anything else reaches nobody.
    pub(crate) fn gathered(&mut self, decision: Option<Decision>, failed: bool) {
        let Some(mut gathering) = self.call.course.gathering.take() else { return };
        if let Some(Decision::Connect(plan)) = decision {
            let outside = |target: &Target| matches!(target.to, Endpoint::Trunk { .. } | Endpoint::Uri(_));
            let targets = plan.steps.into_iter().next().map(|step| step.targets).unwrap_or_default();
            let targets: Vec<Target> = targets.into_iter().filter(outside).collect();
            gathering.found.insert(gathering.asked.clone(), targets);
        } else if decision.is_none() && !failed {
            let target = self.target_by_routes(&gathering.asked);
            gathering.found.insert(gathering.asked.clone(), target.into_iter().collect());
        }
        self.gather(gathering);
    }

    fn hunt(&mut self, gathering: Gathering) {
        let Gathering { group, name, found, .. } = gathering;
        let turn = self.turn_of(&group, name);
        let rings = policy::order(&group, turn, &mut self.desk.ids);
        let steps: Vec<RingStep> =
            rings.iter().map(|ring| step(ring, &found)).filter(|step| !step.targets.is_empty()).collect();
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.call_duration_max_s));
        let (no_answer, hides_missed_calls) = (group.no_answer, group.prevent_missed_calls);
        if steps.is_empty() {
            return match no_answer {
                Some(way) => self.send_by_company(way),
                None => self.end_call(Ending::switch(Cause::NotRegistered)),
            };
        }
        self.call.course.company_pays();
        self.call.course.enters_group(Grouped { no_answer, hides_missed_calls });
        let plan = RingPlan {
            steps,
            handling: Handling::B2bua,
            media: MediaPath::TenantDefault,
            header_ops: Vec::new(),
            max_duration: None,
            attrs: Vec::new(),
        };
        self.carry_out(plan, longest);
    }

    /// How many calls the group has had before this one, where it goes round.
    fn turn_of(&mut self, group: &HuntGroup, name: String) -> u64 {
        if group.strategy != HuntStrategy::RoundRobin {
            return 0;
        }
        let turn = self.desk.turns.entry((self.call.info.company, name)).or_default();
        let now = *turn;
        *turn = turn.wrapping_add(1);
        now
    }

    /// The plan of a group has run out: `true` where the call goes on to where the group says.
    pub(crate) fn group_unanswered(&mut self) -> bool {
        match self.call.course.group_over().and_then(|group| group.no_answer) {
            Some(way) => {
                self.send_by_company(way);
                true
            }
            None => false,
        }
    }
}

/// One ring of a group. What a member's phone says ends the ring of that member only, even a 6xx.
fn step(ring: &Ring<'_>, found: &BTreeMap<String, Vec<Target>>) -> RingStep {
    let targets = ring.members.iter().flat_map(|party| match party {
        HuntParty::Account(name) => {
            vec![Target { to: Endpoint::Account(name.clone()), caller_id: None, header_ops: Vec::new() }]
        }
        HuntParty::Number(number) => found.get(number).cloned().unwrap_or_default(),
    });
    RingStep { targets: targets.collect(), ring_timeout: ring.time, advance_on: (300..700).collect() }
}
