//! A call that is proxied: the plan's targets go to [`sip_proxy`], what it reports becomes legs and CDRs.
//!
//! The parties have one dialog with each other; a leg here is what the switch knows of a party, without a dialog of ours,
//! and with a stream only where the media is anchored (see [`crate::relaying`]). Each step of the plan is a set of targets: within it those of equal q ring together, then the next
//! q. The call ends with its last dialog, at its longest time, or by hand: then both ends get a BYE from here.

use crate::call::Call;
use crate::device;
use crate::hunt::Hunt;
use crate::leg::{Ending, Leg, LegNo, Progress};
use crate::relaying::{self, Place, Relay};
use crate::stage::Stage;
use crate::step::{Step, cause_info};
use crate::target::{self, Branch};
use core::time::Duration;
use model::{
    AccountId, Cause, CauseInfo, EndedBy, Endpoint, Flow, Handling, HeaderOp, Instant, LegRole, ResolveTicket,
    Resolved, RingPlan, Target,
};
use sip_message::{Message, UriRef};
use sip_proxy::{ContextKey, Event, Opening, Side, Withdrawn};
use sip_transaction::ServerKey;
use std::sync::Arc;

/// A proxied call at work.
#[derive(Debug)]
pub(crate) struct Proxying {
    pub(crate) hunt: Hunt,
    /// Whom a token stands for.
    targets: Vec<Aim>,
    /// Targets of the running step whose name is being looked up.
    asked: Vec<Asked>,
    /// How long a group of the running step rings.
    ring: Duration,
    /// Then the call ends for its length.
    pub(crate) until: Option<Instant>,
    /// The media, where it passes by us.
    pub(crate) relay: Option<Box<Relay>>,
}

/// One target of the plan.
#[derive(Debug)]
struct Aim {
    party: String,
    account: Option<AccountId>,
    signalling: core::net::IpAddr,
    leg: Option<LegNo>,
    /// Its port, until it has a leg.
    place: Option<Place>,
}

/// A target whose next hops are asked for.
#[derive(Debug)]
struct Asked {
    ticket: ResolveTicket,
    target: sip_proxy::Target,
    name: String,
}

impl Proxying {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.hunt.ring_until, self.until].into_iter().flatten().min()
    }

    /// The leg of a target that was tried.
    pub(crate) fn leg_at(&self, token: u16) -> Option<LegNo> {
        self.targets.get(usize::from(token))?.leg
    }

    /// Takes the ports of targets that have no leg.
    pub(crate) fn unused_places(&mut self) -> impl Iterator<Item = Place> {
        self.targets.iter_mut().filter_map(|aim| aim.place.take())
    }
}

impl Step<'_, '_> {
    /// Whether a plan is carried out as a proxy: by its own word or the tenant's, and only where the switch need not
    /// speak for anybody.
    pub(crate) fn is_proxied(&self, plan: &RingPlan) -> bool {
        let wanted = match self.handling_of(plan) {
            Handling::Proxy => true,
            Handling::Relay => self.can_relay(plan),
            Handling::TenantDefault | Handling::B2bua => false,
        };
        // A carrier is answered with our credentials and told our numbers.
        let bare = |target: &model::Target| target.caller_id.is_none() && !matches!(target.to, Endpoint::Trunk { .. });
        let shown = plan.steps.iter().flat_map(|step| &step.targets).all(bare);
        let caller = self.call.leg(0);
        let carrier = caller.is_some_and(|leg| leg.trunk.is_some());
        // A caller that was heard by an earlier plan of two dialogs; a relay's port may go.
        let own_media = caller.is_none_or(|leg| leg.stream.is_some() && self.call.context.is_none());
        let forwarded = !self.call.course.forwarded.is_empty();
        wanted
            && shown
            && self.leaves_keys_alone(plan)
            && !forwarded
            && !carrier
            && !own_media
            && self.call.speaks_for_itself
            && !self.call.private
            && !self.is_filtered(plan)
    }

    pub(crate) fn company(&self) -> Option<&Arc<model::Company>> {
        self.floors.directory.company(self.call.info.company)
    }

    /// Begins a plan as a proxy.
    ///
    /// # Errors
    /// The INVITE cannot be had, and its end is on its way; or there is no port for the caller.
    pub(crate) fn proxy(&mut self, plan: RingPlan, longest: Duration) -> Result<(), Cause> {
        let anchored = self.handling_of(&plan) == Handling::Relay;
        let context = self.context().ok_or(Cause::TransportFailed)?;
        let relay = if anchored {
            Some(Box::new(self.open_relay()?))
        } else {
            self.pass_by(0);
            None
        };
        self.floors.proxies.anchor(context, anchored);
        let mut hunt = Hunt::new(plan.steps, model::MediaPath::Direct);
        hunt.header_ops = plan.header_ops;
        hunt.max_duration = Some(longest);
        let targets = Vec::new();
        self.call.stage =
            Stage::Proxied(Proxying { hunt, targets, asked: Vec::new(), ring: Duration::ZERO, until: None, relay });
        self.proxy_step(context);
        Ok(())
    }

    /// The call's response context: made of the caller's dialog, if it is none yet.
    fn context(&mut self) -> Option<ContextKey> {
        if let Some(context) = self.call.context {
            return Some(context);
        }
        let dialog = self.call.leg_mut(0)?.dialog.take()?;
        self.desk.by_dialog.remove(&dialog);
        let (server, flow, request) = self.floors.dialogs.release(dialog)?;
        let (decline_ends_all, realm) =
            self.company().map_or((false, String::new()), |company| (company.decline_ends_all, company.domain.clone()));
        let opening = Opening { server, flow, request, decline_ends_all, realm };
        let context = self.floors.proxies.open(self.floors.transactions, opening);
        self.desk.by_context.insert(context, self.call.id);
        self.call.context = Some(context);
        Some(context)
    }

    /// The caller's dialog with us again, for whoever drives the call next.
    pub(crate) fn leave_proxy(&mut self) {
        let Some(context) = self.call.context.take() else { return };
        self.desk.by_context.remove(&context);
        // Whoever is next speaks within another dialog: its media may have another place.
        self.pass_by(0);
        let now = self.now();
        if let Some(back) = self.floors.proxies.take_back(self.floors.transactions, context, None, now) {
            self.has_caller(back);
        }
    }

    /// Takes a proxied call over while it rings: what rings is cancelled for this reason, and the caller has a dialog with
    /// us. The legs of those that rang are still to be ended.
    pub(crate) fn take_over(&mut self, ending: &Ending) {
        self.forget_lookups();
        self.close_unused();
        let Some(context) = self.call.context.take() else { return };
        self.desk.by_context.remove(&context);
        let Some(proxying) = self.proxying() else { return };
        let hunt = core::mem::replace(&mut proxying.hunt, Hunt::new(Vec::new(), model::MediaPath::Anchor));
        self.call.stage = Stage::Hunting(hunt);
        self.pass_by(0);
        let (reason, now) = (ending.reason(), self.now());
        if let Some(back) = self.floors.proxies.take_back(self.floors.transactions, context, Some(&reason), now) {
            self.has_caller(back);
        }
    }

    /// The caller has a dialog with us.
    fn has_caller(&mut self, (server, flow, request): (ServerKey, Flow, Message)) {
        let dialog = self.floors.dialogs.incoming(server, flow, request, self.floors.now);
        self.desk.by_dialog.insert(dialog, (self.call.id, 0));
        if let Some(caller) = self.call.leg_mut(0) {
            caller.dialog = Some(dialog);
        }
        let edge = self.edge_of(0);
        self.floors.dialogs.set_edge(dialog, edge);
    }

    pub(crate) fn proxying(&mut self) -> Option<&mut Proxying> {
        match &mut self.call.stage {
            Stage::Proxied(proxying) => Some(proxying),
            Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::App(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => None,
        }
    }

    /// The next step of the plan that has somebody to try. Without one the plan has run out, unless something of it is
    /// still ending.
    pub(crate) fn proxy_step(&mut self, context: ContextKey) {
        let now = self.now();
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.ring_timeout_max_s));
        loop {
            // Whoever is looked up still belongs to the running step.
            let Some(proxying) = self.proxying().filter(|proxying| proxying.asked.is_empty()) else { return };
            let hunt = &mut proxying.hunt;
            hunt.ring_until = None;
            let step = if hunt.stopped { None } else { hunt.steps.pop_front() };
            let Some(step) = step else {
                if self.floors.proxies.is_spent(context) {
                    self.proxy_spent();
                }
                return;
            };
            let Some(step) = self.paid_for(step) else { return };
            let Some(proxying) = self.proxying() else { return };
            proxying.hunt.advance_on.clone_from(&step.advance_on);
            proxying.ring = step.ring_timeout.min(longest);
            let targets = self.aim(&step.targets);
            let asked = self.proxying().is_some_and(|proxying| !proxying.asked.is_empty());
            if !targets.is_empty() {
                self.floors.proxies.fork(self.floors.transactions, context, targets, now);
                return;
            }
            if asked {
                return;
            }
        }
    }

    /// The targets of a step, each with a token.
    fn aim(&mut self, wanted: &[Target]) -> Vec<sip_proxy::Target> {
        let mut targets = Vec::new();
        let room = self.floors.setup.limits.legs_per_call_max;
        for target in wanted {
            if let Err(cause) = self.is_paid_for(target) {
                let (name, cause) = (target::name(&target.to).to_owned(), self.in_its_words(target, cause));
                if let Some(proxying) = self.proxying() {
                    proxying.hunt.failed(None, name, cause);
                }
                continue;
            }
            if self.ask_hops(target) {
                continue;
            }
            let found = self.branches(&target.to).and_then(|branches| device::only(self.call.gruu.as_ref(), branches));
            let failed = match found {
                Ok(branches) => {
                    let ops = self.proxying().map(|p| p.hunt.header_ops.clone()).unwrap_or_default();
                    let ops: Arc<[HeaderOp]> = ops.into_iter().chain(target.header_ops.iter().cloned()).collect();
                    let full = branches.len() + self.call.legs.len() + targets.len() > room;
                    let taken: Vec<_> =
                        branches.into_iter().filter(|_| !full).map(|b| self.take_aim(b, &ops)).collect();
                    let failed = taken.iter().find_map(|aim| aim.as_ref().err().copied());
                    // One device that cannot be asked does not keep its account's others from ringing.
                    let none = taken.iter().all(Result::is_err);
                    targets.extend(taken.into_iter().flatten());
                    if full { Some(Cause::LimitReached) } else { failed.filter(|_| none) }
                }
                Err(cause) => Some(cause),
            };
            if let (Some(cause), Some(proxying)) = (failed, self.proxying()) {
                proxying.hunt.failed(None, target::name(&target.to).to_owned(), CauseInfo::local(cause));
            }
        }
        targets
    }

    fn take_aim(&mut self, branch: Branch, ops: &Arc<[HeaderOp]>) -> Result<sip_proxy::Target, Cause> {
        let signalling = branch.flow.remote.ip();
        let (place, body) = self.relay_to(signalling)?.unzip();
        let proxying = self.proxying().ok_or(Cause::InternalError)?;
        let token = u16::try_from(proxying.targets.len()).map_err(|_| Cause::LimitReached)?;
        proxying.targets.push(Aim { party: branch.party, account: branch.account, signalling, leg: None, place });
        Ok(sip_proxy::Target {
            token,
            request_uri: branch.request_uri,
            routes: branch.route_set,
            hops: core::iter::once(branch.flow).collect(),
            q: branch.q,
            header_ops: Arc::clone(ops),
            body: body.flatten(),
        })
    }

    /// Asks where a URI with a name leads; `false` for any other endpoint.
    fn ask_hops(&mut self, target: &Target) -> bool {
        let Endpoint::Uri(text) = &target.to else { return false };
        let Ok(uri) = UriRef::parse(text) else { return false };
        let Some(hop) = uri.hop_target().filter(|hop| hop.ip().is_none()) else { return false };
        let now = self.now();
        let Some(proxying) = self.proxying() else { return false };
        let Ok(token) = u16::try_from(proxying.targets.len()) else { return false };
        let ops = proxying.hunt.header_ops.iter().chain(&target.header_ops).cloned().collect();
        let party = uri.user().unwrap_or_default().to_owned();
        let signalling = core::net::Ipv4Addr::UNSPECIFIED.into();
        proxying.targets.push(Aim { party, account: None, signalling, leg: None, place: None });
        let ticket = self.floors.lookups.ask(hop, now);
        self.desk.by_lookup.insert(ticket, self.call.id);
        let target = sip_proxy::Target {
            token,
            request_uri: text.clone(),
            routes: Vec::new(),
            hops: Default::default(),
            q: 1000,
            header_ops: ops,
            body: None,
        };
        if let Some(proxying) = self.proxying() {
            proxying.asked.push(Asked { ticket, target, name: text.clone() });
        }
        true
    }

    /// The next hops of a target are known: those that failed lately are tried last.
    pub(crate) fn target_resolved(&mut self, resolved: &Resolved) {
        let now = self.now();
        let (Some(context), Some(proxying)) = (self.call.context, self.proxying()) else { return };
        let Some(at) = proxying.asked.iter().position(|asked| asked.ticket == resolved.ticket) else { return };
        let Asked { mut target, name, .. } = proxying.asked.swap_remove(at);
        let setup = self.floors.setup;
        let found = resolved.hops.as_ref().map_err(|why| why.cause());
        let (floors, company) = (&*self.floors, self.call.info.company);
        let flow = |hop| setup.flow_for(hop).filter(|flow| target::may_reach(floors, company, flow).is_ok());
        let flows = found.map(|hops| hops.iter().filter_map(flow).collect::<Vec<_>>());
        let found = flows.and_then(|mut flows| {
            self.floors.hops.sort(&mut flows, now);
            let first = flows.first().ok_or(Cause::NextHopUnknown)?.remote.ip();
            target.hops = flows.into_iter().collect();
            self.aim_at(first, &mut target)
        });
        let cause = match found {
            Ok(()) => return self.floors.proxies.fork(self.floors.transactions, context, vec![target], now),
            Err(cause) => cause,
        };
        if let Some(proxying) = self.proxying() {
            proxying.hunt.failed(None, name, CauseInfo::local(cause));
        }
        if self.floors.proxies.is_spent(context) {
            self.proxy_step(context);
        }
    }

    /// Where a target that was looked up is: its media is expected from there.
    fn aim_at(&mut self, signalling: core::net::IpAddr, target: &mut sip_proxy::Target) -> Result<(), Cause> {
        let (place, body) = self.relay_to(signalling)?.unzip();
        target.body = body.flatten();
        if let Some(aim) = self.aim_of(target.token) {
            (aim.signalling, aim.place) = (signalling, place);
        }
        Ok(())
    }

    /// The answers that are still to come are of no use.
    fn forget_lookups(&mut self) {
        let Some(proxying) = self.proxying() else { return };
        for asked in core::mem::take(&mut proxying.asked) {
            self.desk.by_lookup.remove(&asked.ticket);
            self.floors.lookups.forget(asked.ticket);
        }
    }

    /// The proxy reported.
    pub(crate) fn proxy_event(&mut self, event: Event) {
        match event {
            Event::Started { token, .. } => self.proxy_started(token),
            Event::Ringing { token, .. } => self.proxy_ringing(token),
            Event::Answered { token, .. } => self.proxy_answered(token),
            Event::Failed { context, token, withdrawn: None, redirect: Some(response), .. }
                if self.proxy_follows(context, token, &response) => {}
            Event::Failed { token, status, by_remote, withdrawn, .. } => {
                self.proxy_failed(token, status, by_remote, withdrawn);
            }
            Event::Spent { cancelled: true, .. } => self.proxy_cancelled(),
            // What a 3xx led to may ring by now.
            Event::Spent { context, cancelled: false } if !self.floors.proxies.is_spent(context) => {}
            Event::Spent { context, cancelled: false } => self.proxy_step(context),
            Event::CallerLost { .. } => self.end_call(Ending::switch(Cause::TransportFailed)),
            Event::Left { token, tag, .. } => self.hush_voice(token, Some(&*tag)),
            Event::Hung { token, by, .. } => self.proxy_hung(token, by),
            // Of the switch's list of addresses, not of a call.
            Event::HopFailed { .. } => {}
        }
    }

    fn aim_of(&mut self, token: u16) -> Option<&mut Aim> {
        self.proxying()?.targets.get_mut(usize::from(token))
    }

    fn leg_of(&mut self, token: u16) -> Option<LegNo> {
        self.aim_of(token)?.leg
    }

    fn proxy_started(&mut self, token: u16) {
        let now = self.now();
        let Some(no) = LegNo::try_from(self.call.legs.len()).ok() else { return };
        let Some(aim) = self.aim_of(token) else { return };
        aim.leg = Some(no);
        let (party, account, signalling) = (aim.party.clone(), aim.account, aim.signalling);
        let place = aim.place.take();
        let leg = Leg { account, signalling, ..Leg::of_proxy(no, party, self.call, now) };
        self.call.legs.push(leg);
        if let Some(number) = self.rate_as() {
            self.goes_for(no, number);
        }
        self.place_leg(no, place);
        if let Some(proxying) = self.proxying() {
            proxying.hunt.ringing.push(no);
            proxying.hunt.ring_until = Some(now + proxying.ring);
        }
    }

    fn proxy_ringing(&mut self, token: u16) {
        let now = self.now();
        let Some(no) = self.leg_of(token) else { return };
        for leg in [no, 0] {
            if let Some(leg) = self.call.leg_mut(leg).filter(|leg| leg.progress == Progress::Trying) {
                leg.progress = Progress::Ringing;
                leg.ringing_at.get_or_insert(now);
            }
        }
    }

    /// A 2xx passed. Another one of a fork makes a further answered leg, which its caller will mostly end at once.
    fn proxy_answered(&mut self, token: u16) {
        let now = self.now();
        let Some(no) = self.leg_of(token) else { return };
        self.forget_lookups();
        self.close_unused();
        self.note_answered(no, Progress::Answered);
        if self.call.leg(0).is_some_and(|caller| !caller.is_answered()) {
            self.note_answered(0, Progress::Answered);
        }
        if let Some(proxying) = self.proxying() {
            proxying.hunt.ring_until = None;
            proxying.hunt.steps.clear();
            proxying.hunt.ringing.retain(|leg| *leg != no);
            let longest = proxying.hunt.max_duration;
            proxying.until = proxying.until.or(longest.map(|longest| now + longest));
        }
    }

    /// Tries the contacts of a 3xx that the caller may be sent to, within the running step and beside what rings;
    /// `false` where there is none, or the plan wants the status for itself.
    fn proxy_follows(&mut self, context: ContextKey, token: u16, response: &Message) -> bool {
        let (status, now) = (response.status().unwrap_or_default(), self.now());
        let most = self.floors.setup.limits.redirects_max;
        let Some(no) = self.leg_of(token) else { return false };
        let open = |p: &&mut Proxying| p.hunt.followed < most && !p.hunt.advance_on.contains(&status);
        if self.proxying().filter(open).is_none() {
            return false;
        }
        let targets = self.contacts_of(no, response);
        if targets.is_empty() {
            return false;
        }
        self.hush_voice(token, None);
        self.end_leg(no, Ending { cause: Cause::Redirected, sip: status, by: EndedBy::Callee });
        if let Some(proxying) = self.proxying() {
            proxying.hunt.ringing.retain(|leg| *leg != no);
            proxying.hunt.followed += 1;
        }
        let targets = self.aim(&targets);
        self.floors.proxies.follow(self.floors.transactions, context, (token, targets), now);
        true
    }

    fn proxy_failed(&mut self, token: u16, status: u16, by_remote: bool, withdrawn: Option<Withdrawn>) {
        let Some(no) = self.leg_of(token) else { return };
        let own = |cause: Cause, by| Ending { cause, sip: status, by };
        let ending = match withdrawn {
            Some(Withdrawn::Elsewhere) => own(Cause::AnsweredElsewhere, EndedBy::Switch),
            Some(Withdrawn::Declined) => own(Cause::Declined, EndedBy::Switch),
            Some(Withdrawn::Unanswered | Withdrawn::TimerC) => Ending::switch(Cause::NoAnswer),
            Some(Withdrawn::Caller) => own(Cause::Cancelled, EndedBy::Caller),
            Some(Withdrawn::Ended) => own(Cause::Cancelled, EndedBy::Switch),
            None if by_remote => own(Cause::from_sip(status), EndedBy::Callee),
            None if status == 503 => own(Cause::TransportFailed, EndedBy::Switch),
            None => own(Cause::from_sip(status), EndedBy::Switch),
        };
        let party = self.call.leg(no).map(|leg| leg.party.clone()).unwrap_or_default();
        self.end_leg(no, ending);
        self.hush_voice(token, None);
        let Some(proxying) = self.proxying() else { return };
        match withdrawn {
            // Time is not a verdict of the callee: see `ring_timeout`.
            Some(Withdrawn::Unanswered) => proxying.hunt.tried.push((party, cause_info(&ending, false))),
            Some(Withdrawn::Elsewhere | Withdrawn::Declined | Withdrawn::Ended) => {}
            Some(Withdrawn::Caller | Withdrawn::TimerC) | None => {
                proxying.hunt.failed(Some(no), party, cause_info(&ending, by_remote));
            }
        }
        proxying.hunt.ringing.retain(|leg| *leg != no);
    }

    /// What rings has rung its time: the next group, the next step, or the end of what was cancelled.
    pub(crate) fn proxy_deadline(&mut self) {
        let now = self.now();
        let Some(context) = self.call.context else { return };
        let Some(proxying) = self.proxying() else { return };
        if proxying.until.is_some_and(|until| until <= now) {
            return self.end_call(Ending::switch(Cause::MaxDuration));
        }
        proxying.hunt.ring_until = None;
        self.forget_lookups();
        if !self.floors.proxies.give_up_group(self.floors.transactions, context, now) {
            self.proxy_step(context);
        }
    }

    /// The ports of targets that will not be tried.
    fn close_unused(&mut self) {
        let now = self.now();
        if let Stage::Proxied(proxying) = &mut self.call.stage {
            relaying::close_unused(proxying, self.floors.media, now);
        }
    }

    /// The plan is out of targets.
    fn proxy_spent(&mut self) {
        self.close_unused();
        match core::mem::replace(&mut self.call.stage, Stage::Over) {
            Stage::Proxied(proxying) => self.plan_exhausted(proxying.hunt),
            stage @ (Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::App(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over) => {
                self.call.stage = stage;
            }
        }
    }

    /// The caller gave up, and everything that rang is over.
    fn proxy_cancelled(&mut self) {
        let Some(context) = self.call.context else { return };
        let now = self.now();
        self.floors.proxies.conclude(self.floors.transactions, context, 487, now);
        self.end_call(Ending { cause: Cause::Cancelled, sip: 487, by: EndedBy::Caller });
    }

    fn proxy_hung(&mut self, token: u16, by: Side) {
        let Some(no) = self.leg_of(token) else { return };
        let by = match by {
            Side::Caller => EndedBy::Caller,
            Side::Callee => EndedBy::Callee,
        };
        let ending = Ending { cause: Cause::NormalClearing, sip: 200, by };
        self.end_leg(no, ending);
        self.hush_voice(token, None);
        let talks = self.call.legs.iter().any(|leg| leg.no != 0 && leg.is_alive() && leg.is_answered());
        if !talks {
            self.end_call(ending);
        }
    }

    /// Gives the caller the best response of the branches, where the call is proxied; else `sip` is its status.
    pub(crate) fn conclude_proxy(&mut self, sip: u16) -> u16 {
        let now = self.now();
        match self.call.context {
            Some(context) => self.floors.proxies.conclude(self.floors.transactions, context, sip, now),
            None => sip,
        }
    }

    /// Ends what the proxy still has of this call.
    pub(crate) fn end_proxy(&mut self, ending: &Ending) {
        let now = self.now();
        self.forget_lookups();
        self.close_unused();
        let Some(context) = self.call.context.take() else { return };
        self.desk.by_context.remove(&context);
        let reason = ending.reason();
        self.floors.proxies.end(self.floors.transactions, context, ending.refusal(), Some(&reason), now);
    }
}

impl Leg {
    /// The leg of a party that a proxied call tries.
    fn of_proxy(no: LegNo, party: String, call: &Call, now: Instant) -> Leg {
        let nowhere = core::net::Ipv4Addr::UNSPECIFIED.into();
        Leg {
            no,
            party,
            caller_shown: call.info.caller.user.clone(),
            sip_call_id: call.leg(0).map(|caller| caller.sip_call_id.clone()).unwrap_or_default(),
            ..Leg::new(LegRole::Callee, nowhere, now, sdp::Origin::new(0))
        }
    }
}
