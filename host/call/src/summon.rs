//! Click to call: the account's own phones ring first, and whichever answers calls the number as if it had dialled it.
//!
//! Third-party call control (RFC 3725), in the order of its flow IV with one difference: the first phone is offered the
//! switch's own media instead of none, so that it hears ringing, early media, announcements and why nothing came of it.
//! What the callee describes is offered to it afterwards, by re-INVITE. Decision 0270.
//!
//! The caller's leg is there from the beginning, without a dialog; each phone that rings has a leg of its own, and the one
//! that answers moves its dialog and media over to the caller's. From there on the call goes the way of every other:
//! `rules`, the chain, the hunt, an app.

use crate::arrival::{callee_party, sip_uri};
use crate::call::Call;
use crate::engine::Engine;
use crate::floors::Floors;
use crate::leg::{Ending, Leg, LegNo, Progress};
use crate::sound::spoken_of;
use crate::stage::{Bridge, Stage};
use crate::step::Step;
use crate::target::{self, Branch};
use core::time::Duration;
use media::JobId;
use model::{
    Account, CallId, CallInfo, Cause, Company, CompanyId, EndedBy, Endpoint, Instant, LegRole, Party, Summons,
};
use sip_dialog::InviteSpec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The attribute by which plugins know such a call.
const ATTRIBUTE: (&str, &str) = ("summoned", "true");

/// What drives a call that the switch makes for an account, before it goes the way of others and when it has failed.
#[derive(Debug)]
pub(crate) enum Summoning {
    /// The account's phones ring.
    Ringing {
        /// Those that have not failed.
        legs: Vec<LegNo>,
        /// Then nobody was there.
        until: Instant,
    },
    /// The caller, who is there, hears that nothing came of it.
    Telling {
        /// What its call ends with.
        ending: Ending,
        /// When.
        until: Instant,
    },
}

impl Summoning {
    pub(crate) const fn until(&self) -> Instant {
        match self {
            Summoning::Ringing { until, .. } | Summoning::Telling { until, .. } => *until,
        }
    }
}

/// What is special about such a call all its life.
#[derive(Debug, Default)]
pub(crate) struct Summoned {
    /// What the caller hears while the callee rings.
    ringback: Option<JobId>,
}

/// How many calls each company has asked for in this second.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    second: u64,
    asked: BTreeMap<CompanyId, u32>,
}

impl Pace {
    /// Whether one more may begin.
    fn takes(&mut self, company: CompanyId, most: u32, now: Instant) -> bool {
        if self.second != now.unix_secs() {
            self.second = now.unix_secs();
            self.asked.clear();
        }
        let asked = self.asked.entry(company).or_default();
        *asked = asked.saturating_add(1);
        *asked <= most
    }
}

impl Engine {
    /// Rings the phones of an account for a call of its own.
    ///
    /// # Errors
    /// Why nothing rings: no such account, none of its phones is there, its tenant has no room for a call.
    pub fn summon(&mut self, floors: &mut Floors<'_>, wanted: &Summons) -> Result<CallId, Cause> {
        let account = floors.directory.account_by_id(wanted.account).filter(|a| a.enabled).ok_or(Cause::NotFound)?;
        let account = Arc::clone(account);
        let company = Arc::clone(floors.directory.company(account.company).ok_or(Cause::NotFound)?);
        let most = floors.setup.limits.summons_per_second_max;
        let urgent = policy::emergency(&company.rules, &wanted.number).is_some();
        let full = self
            .cannot_open(floors, &company)
            .or_else(|| self.tenant_full(floors, &company, Some((&account, &wanted.number))))
            .or_else(|| {
                (!self.desk.pace.takes(company.id, most, floors.now) && !urgent).then_some(Cause::LimitReached)
            });
        if let Some(cause) = full {
            self.desk.counters.refused_by_limit += 1;
            return Err(cause);
        }
        let branches = target::branches(floors, company.id, &Endpoint::Account(account.username.clone()))?;
        let first = branches.first().map(|branch| branch.flow.remote.ip()).ok_or(Cause::NotRegistered)?;
        let id = CallId::begun(floors.now, self.desk.ids.u128());
        let info = info(floors, (id, first.to_string()), (&account, &company), &wanted.number);
        let caller = Leg {
            account: Some(account.id),
            party: wanted.number.clone(),
            caller_shown: account.username.clone(),
            // Its own until it takes over the dialog of the phone that answers.
            sip_call_id: format!("{}@{}", self.desk.ids.token(26), company.domain),
            ..Leg::new(LegRole::Caller, first, floors.now, sdp::Origin::new(self.desk.ids.u64()))
        };
        let mut call = Call::new(info, caller, company.media, self.desk.ids.u128(), floors.now);
        let longest = Duration::from_secs(u64::from(floors.setup.limits.summons_ring_s));
        let until = floors.now + wanted.ring.map_or(longest, |ring| ring.min(longest));
        call.summoned = Some(Summoned::default());
        call.bypasses_filters = urgent;
        call.stage = Stage::Summoning(Summoning::Ringing { legs: Vec::new(), until });
        self.enter(call);
        self.step(id, floors, |step| step.ring_own(branches, wanted));
        Ok(id)
    }
}

/// The call as a plugin sees it: as if the account had dialled the number.
fn info(
    floors: &Floors<'_>,
    (call, source_ip): (CallId, String),
    (account, company): (&Account, &Company),
    number: &str,
) -> CallInfo {
    let brand = floors.directory.brand(company.brand);
    CallInfo {
        call,
        brand: company.brand,
        brand_name: brand.map(|brand| brand.name.clone()).unwrap_or_default(),
        company: company.id,
        company_name: company.name.clone(),
        account: Some(account.username.clone()),
        source_ip,
        caller: Party {
            uri: sip_uri(&account.username, &company.domain),
            user: account.username.clone(),
            display: Some(account.display_name.clone()).filter(|d| !d.is_empty()),
            verified: None,
        },
        callee: callee_party(number, &company.domain),
        headers: Vec::new(),
        received_at: floors.now,
        attrs: vec![(ATTRIBUTE.0.to_owned(), ATTRIBUTE.1.to_owned())],
    }
}

impl Step<'_, '_> {
    fn own_ringing(&mut self) -> Option<&mut Vec<LegNo>> {
        match &mut self.call.stage {
            Stage::Summoning(Summoning::Ringing { legs, .. }) => Some(legs),
            Stage::Summoning(Summoning::Telling { .. })
            | Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::App(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Over => None,
        }
    }

    /// Rings every phone of the account.
    fn ring_own(&mut self, branches: Vec<Branch>, wanted: &Summons) {
        let most = self.floors.setup.limits.legs_per_call_max;
        let mut failed = Cause::NotRegistered;
        for branch in branches {
            if self.call.legs.len() >= most {
                failed = Cause::LimitReached;
                break;
            }
            match self.ring_own_phone(branch, wanted) {
                Ok(no) => self.own_ringing().into_iter().for_each(|legs| legs.push(no)),
                Err(cause) => failed = cause,
            }
        }
        if self.own_ringing().is_some_and(|legs| legs.is_empty()) {
            self.end_call(Ending::switch(failed));
        }
    }

    fn ring_own_phone(&mut self, branch: Branch, wanted: &Summons) -> Result<LegNo, Cause> {
        let no = self.add_leg(None, &branch);
        if let Some(leg) = self.call.leg_mut(no) {
            leg.caller_shown.clone_from(&wanted.number);
        }
        let offer = match self.offer_by_ourselves(no) {
            Ok(offer) => offer,
            Err(cause) => {
                self.end_leg(no, Ending::switch(cause));
                return Err(cause);
            }
        };
        let domain = self.own_company().map_or("invalid", |company| company.domain.as_str());
        let from = sip_message::name_addr(wanted.display.as_deref(), sip_uri(&wanted.number, domain));
        let mut headers = vec![("Max-Forwards".to_owned(), "70".to_owned())];
        if wanted.auto_answer {
            // RFC 5373, and what phones knew before it.
            headers.push(("Answer-Mode".to_owned(), "Auto".to_owned()));
            headers.push(("Alert-Info".to_owned(), format!("<http://{domain}>;info=alert-autoanswer;delay=0")));
            headers.push(("Call-Info".to_owned(), format!("<sip:{domain}>;answer-after=0")));
        }
        let spec = InviteSpec {
            flow: branch.flow,
            request_uri: branch.request_uri,
            route_set: branch.route_set,
            from,
            to: format!("<{}>", branch.to_uri),
            call_id: self.call.leg(no).map(|l| l.sip_call_id.clone()),
            headers,
            offer: Some(offer),
            carrier: None,
            edge: self.edge_of(no),
        };
        let now = self.now();
        let key = self.floors.dialogs.invite(self.floors.transactions, spec, now);
        self.desk.by_dialog.insert(key, (self.call.id, no));
        if let Some(leg) = self.call.leg_mut(no) {
            leg.dialog = Some(key);
        }
        Ok(no)
    }

    /// A phone of the account has answered: it is the caller from here on, and calls.
    pub(crate) fn own_phone_answered(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        if !self.own_ringing().is_some_and(|legs| legs.contains(&no)) {
            return self.end_leg(no, Ending::switch(Cause::AnsweredElsewhere));
        }
        if let Err(cause) = self.hear_body(no, sdp) {
            return self.branch_over(no, Ending::switch(cause), false);
        }
        let others = self.own_ringing().map(core::mem::take).unwrap_or_default();
        for other in others.into_iter().filter(|other| *other != no) {
            self.end_leg(other, Ending { cause: Cause::AnsweredElsewhere, sip: 487, by: EndedBy::Switch });
        }
        let Some(line) = self.release_line(no) else { return };
        if let Some(leg) = self.call.leg_mut(no) {
            // Its story goes on as the caller's leg, and so does its CDR.
            leg.progress = Progress::Ended;
        }
        self.take_line(0, line);
        self.note_answered(0, Progress::Answered);
        self.call.caller_offer = self.call.leg(0).and_then(|l| l.theirs.as_ref()).map(|theirs| theirs.to_bytes());
        self.begin_routing();
    }

    /// A phone of the account rings no more: the others go on, or nobody is there.
    pub(crate) fn own_phone_over(&mut self, no: LegNo, ending: Ending) {
        let Some(legs) = self.own_ringing() else { return };
        legs.retain(|leg| *leg != no);
        if legs.is_empty() {
            self.end_call(ending);
        }
    }

    /// Nobody answers at the account's phones, or the caller has been told long enough.
    pub(crate) fn summoning_over(&mut self) {
        let Stage::Summoning(summoning) = &self.call.stage else { return };
        let ending = match summoning {
            Summoning::Ringing { .. } => Ending::switch(Cause::NoAnswer),
            Summoning::Telling { ending, .. } => *ending,
        };
        self.end_call(ending);
    }

    /// The caller is there already, and the callee rings: the caller hears the callee's own early media, else a tone.
    pub(crate) fn summoned_hears(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        let Stage::Hunting(hunt) = &self.call.stage else { return };
        if hunt.early.is_some() {
            return;
        }
        if self.hear_body(no, sdp).is_ok() {
            self.hush_ringback();
            self.join(0, no);
            if let Some(hunt) = self.hunt_mut() {
                hunt.early = Some(no);
            }
        } else if self.call.summoned.as_ref().is_some_and(|summoned| summoned.ringback.is_none()) {
            let job = self.play_over(0, &["ring"]);
            if let Some(summoned) = &mut self.call.summoned {
                summoned.ringback = job;
            }
        }
    }

    fn hush_ringback(&mut self) {
        if let Some(job) = self.call.summoned.as_mut().and_then(|summoned| summoned.ringback.take()) {
            self.floors.media.stop(job);
        }
    }

    /// The caller and whoever answered talk: what that one has described is offered to the caller.
    pub(crate) fn summoned_meets(&mut self, no: LegNo) {
        let now = self.now();
        let Stage::Hunting(hunt) = &self.call.stage else { return };
        let until = hunt.max_duration.map(|d| now + d);
        self.hush_ringback();
        if let Some(caller) = self.call.leg_mut(0) {
            caller.spoken = None;
        }
        self.call.stage = Stage::Bridged(Bridge { a: 0, b: no, since: now, until });
        self.join(0, no);
        self.settle_one(no, 0);
    }

    /// An app takes over a caller who is there already: it speaks with the switch.
    pub(crate) fn summoned_speaks(&mut self) {
        if self.call.summoned.is_none() {
            return;
        }
        self.hush_ringback();
        self.part(0);
        let Some(leg) = self.call.leg_mut(0) else { return };
        leg.spoken = spoken_of(leg);
        if let Some(stream) = leg.stream {
            self.floors.media.detect_digits(stream, true);
        }
    }

    /// A call has failed whose caller is there and has talked to nobody: it hears so before its call ends. `true` where
    /// that is so.
    pub(crate) fn summoned_is_told(&mut self, ending: Ending) -> bool {
        let calls = match &self.call.stage {
            Stage::Summoning(Summoning::Ringing { .. }) | Stage::Deciding(_) | Stage::Hunting(_) => true,
            Stage::Summoning(Summoning::Telling { .. })
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::App(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Over => false,
        };
        let there = self.call.summoned.is_some() && self.call.leg(0).is_some_and(Leg::is_answered);
        let at_once = ending.by == EndedBy::Operator || ending.cause == Cause::Draining;
        if !calls || !there || at_once {
            return false;
        }
        self.forget_answers();
        self.hush_ringback();
        self.part(0);
        for leg in self.call.live_legs().into_iter().filter(|no| *no != 0) {
            self.end_leg(leg, ending);
        }
        let tone = if matches!(ending.sip, 486 | 600) { "busy" } else { "congestion" };
        if self.play_over(0, &[tone]).is_none() {
            return false;
        }
        let until = self.now() + Duration::from_millis(u64::from(self.floors.setup.limits.failure_tone_ms));
        let told = Stage::Summoning(Summoning::Telling { ending, until });
        if let Stage::Deciding(deciding) = core::mem::replace(&mut self.call.stage, told) {
            self.desk.by_ticket.remove(&deciding.ticket);
        }
        true
    }
}
