//! What touches two calls: a transfer opens a second one, and a party moves with its dialog and media from one into the
//! other. Done by the engine between steps, for a step has one call only.

use crate::arrival::callee_party;
use crate::call::Call;
use crate::engine::Engine;
use crate::floors::Floors;
use crate::leg::{Ending, Leg, LegNo, Progress};
use crate::security::Security;
use crate::stage::{Bridge, Stage};
use crate::step::Step;
use crate::transfer::{DECLINE, Handing, Job, Serves};
use crate::trunk::OnTrunk;
use core::net::IpAddr;
use core::time::Duration;
use model::{
    AccountId, AppArgs, CallId, CallInfo, Cause, Decision, EndedBy, Endpoint, Header, LegRole, MediaPath, Party,
    RingPlan, RingStep, Target,
};
use sdp::{Description, Direction};
use sip_dialog::{DialogKey, InDialogAnswer, Named, Refer};
use sip_transaction::ServerKey;
use std::sync::Arc;

/// How long a party is called back.
const RECALL_RING: Duration = Duration::from_secs(60);

/// A party with its dialog and media, between two calls.
#[derive(Debug)]
pub(crate) struct Line {
    dialog: DialogKey,
    stream: Option<media::StreamId>,
    address: Option<sdp::MediaAddr>,
    signalling: IpAddr,
    theirs: Option<Arc<Description>>,
    ours: Option<Arc<Description>>,
    passes_by: bool,
    origin: sdp::Origin,
    sip_call_id: String,
    former: Option<(Arc<Description>, bool)>,
    held: bool,
    holds: bool,
    taped: bool,
    halted: bool,
    /// It was in a call for help.
    urgent: bool,
    security: Security,
    /// The carrier's place that it holds, wherever it goes.
    trunk: Option<Box<OnTrunk>>,
    /// What it may use, where it is paid for.
    pub(crate) granted: Option<Box<crate::rating::Granted>>,
}

/// Whom a transfer is to reach.
#[derive(Clone, Debug)]
pub(crate) enum Goal {
    /// Whatever the chain says about this number.
    Number(String),
    /// This account, without asking anybody.
    Back(String),
}

impl Engine {
    /// Does what steps have left to be done across calls.
    pub(crate) fn run_jobs(&mut self, floors: &mut Floors<'_>) {
        while let Some(job) = self.desk.jobs.pop_front() {
            match job {
                Job::Refer { call, transferor, transferee, server, refer } => {
                    self.refer(floors, call, (transferor, transferee, server), *refer);
                }
                Job::Ringing { call, status } => self.one_step(call, floors, |step| step.tell_transferor(status)),
                Job::Answered { served, leg } => self.complete(floors, served, leg),
                Job::ToApp { served, name, args } => self.complete_to_app(floors, served, (name, args)),
                Job::Failed { call, ending } => self.transfer_failed(floors, call, ending),
                Job::Abandon { served, ending } => self.one_step(served, floors, |step| {
                    step.call.serves = None;
                    step.end_call(Ending { cause: Cause::Cancelled, sip: 487, by: ending.by });
                }),
                Job::Recall { call, leg, account } => self.recall(floors, call, leg, account),
                Job::Unseat { call, leg } => self.one_step(call, floors, |step| step.unseat(leg)),
            }
        }
    }

    /// A REFER that its own call allows: park, attended, or blind.
    fn refer(&mut self, floors: &mut Floors<'_>, x: CallId, who: (LegNo, LegNo, ServerKey), refer: Refer) {
        let (transferor, transferee, server) = who;
        let refused = match &refer.replaces {
            Some(replaces) => {
                let named = floors.dialogs.named(replaces);
                self.attend(floors, x, who, (&refer, named)).err()
            }
            None => match self.park_slot(floors, x, transferor, &refer) {
                Some(slot) => self.park_referred(floors, x, who, (&refer, slot)).err(),
                None => self.blind(floors, x, (transferor, transferee, server), &refer).err(),
            },
        };
        if let Some(status) = refused {
            self.one_step(x, floors, |step| step.answer_within(transferor, server, &InDialogAnswer::bare(status)));
        }
    }

    /// Opens the call that a blind transfer asks for.
    fn blind(
        &mut self,
        floors: &mut Floors<'_>,
        x: CallId,
        (transferor, transferee, server): (LegNo, LegNo, ServerKey),
        refer: &Refer,
    ) -> Result<(), u16> {
        let call = self.calls.get(&x).ok_or(DECLINE)?;
        let account = call.leg(transferor).and_then(|l| l.account).ok_or(DECLINE)?;
        let domain = floors.directory.company(call.info.company).map_or("", |c| c.domain.as_str());
        let own = |host: &str| floors.setup.listeners.iter().any(|l| l.local.ip().to_string() == host);
        if refer.user.is_empty()
            || !(refer.host.is_empty() || refer.host.eq_ignore_ascii_case(domain) || own(&refer.host))
        {
            return Err(DECLINE);
        }
        let y = self.serve(floors, x, (transferee, account), Goal::Number(refer.user.clone())).ok_or(DECLINE)?;
        self.accept_refer(floors, x, (transferor, transferee, server), refer);
        if let Some(handing) = self.calls.get_mut(&x).and_then(|c| c.handing.as_mut()) {
            handing.to = y;
            handing.account = account;
        }
        self.one_step(x, floors, |step| step.tell_transferor(100));
        self.one_step(y, floors, |step| step.begin_routing());
        Ok(())
    }

    /// 202, and the account of the transfer that follows.
    pub(crate) fn accept_refer(
        &mut self,
        floors: &mut Floors<'_>,
        x: CallId,
        (transferor, transferee, server): (LegNo, LegNo, ServerKey),
        refer: &Refer,
    ) {
        self.one_step(x, floors, |step| {
            let mut answer = InDialogAnswer::bare(202);
            if !refer.subscribes {
                answer.headers.push(("Refer-Sub".to_owned(), "false".to_owned()));
            }
            step.answer_within(transferor, server, &answer);
            let named = step.call.leg(transferor).is_some_and(|l| l.referred);
            if let Some(leg) = step.call.leg_mut(transferor) {
                leg.referred |= refer.subscribes;
            }
            step.call.handing = Some(Box::new(Handing {
                to: x,
                transferor: Some(transferor),
                transferee,
                account: AccountId(0),
                refer: refer.subscribes.then(|| (refer.clone(), named)),
                told: 0,
                recall: false,
                ringback: None,
            }));
        });
    }

    /// A call of `account` to `goal`, on behalf of a party of `x` whom its first leg stands in for. Nobody is asked yet.
    fn serve(
        &mut self,
        floors: &mut Floors<'_>,
        x: CallId,
        (transferee, account): (LegNo, AccountId),
        goal: Goal,
    ) -> Option<CallId> {
        let account = floors.directory.account_by_id(account).filter(|a| a.enabled)?.clone();
        let company = floors.directory.company(account.company)?.clone();
        let number = match &goal {
            Goal::Number(number) => Some(number.as_str()),
            Goal::Back(_) => None,
        };
        if self.cannot_open(floors, &company).is_some() || self.transfer_full(floors, &company, number) {
            self.desk.counters.refused_by_limit += 1;
            return None;
        }
        let y = CallId::begun(floors.now, self.desk.ids.u128());
        let call = self.calls.get(&x).filter(|c| c.info.company == account.company)?;
        let party = call.leg(transferee)?;
        let (Goal::Number(number) | Goal::Back(number)) = &goal;
        let by = format!("sip:{}@{}", account.username, company.domain);
        let referred_by = format!("<{by}>");
        let info = CallInfo {
            call: y,
            account: Some(account.username.clone()),
            caller: Party {
                uri: by,
                user: account.username.clone(),
                display: Some(account.display_name.clone()).filter(|d| !d.is_empty()),
                verified: Some("address".to_owned()),
            },
            callee: callee_party(number, &company.domain),
            headers: vec![Header { name: "Referred-By".to_owned(), value: referred_by.clone() }],
            received_at: floors.now,
            attrs: vec![("transfer".to_owned(), "blind".to_owned())],
            ..call.info.clone()
        };
        let theirs = party.theirs.as_deref().map(|d| {
            let mut open = d.clone();
            open.set_direction(Direction::SendRecv);
            Arc::new(open)
        });
        let (shown, display) = match party.role {
            LegRole::Caller => (party.caller_shown.clone(), call.info.caller.display.clone()),
            LegRole::Callee => (party.party.clone(), None),
        };
        let recall = matches!(goal, Goal::Back(_));
        let serves = Serves { call: x, shown, display, referred_by, anchor: party.wants_anchor(), recall };
        let leg = Leg {
            // Its own until it takes the party's dialog over.
            sip_call_id: format!("{}@{}", self.desk.ids.token(26), company.domain),
            theirs: theirs.clone(),
            ..Leg::new(LegRole::Caller, party.signalling, floors.now, sdp::Origin::new(self.desk.ids.u64()))
        };
        let leg =
            Leg { account: Some(account.id), party: number.clone(), caller_shown: account.username.clone(), ..leg };
        let mut served = Call::new(info, leg, call.tenant_media, self.desk.ids.u128(), floors.now);
        served.caller_offer = theirs.map(|d| d.to_bytes());
        served.serves = Some(serves);
        served.bypasses_filters = call.bypasses_filters;
        served.private = call.private && party.role == LegRole::Caller;
        self.enter(served);
        Some(y)
    }

    /// The target answered: the transferee moves over to it, and its old call ends.
    fn complete(&mut self, floors: &mut Floors<'_>, y: CallId, leg: LegNo) {
        let Some(line) = self.release_transferee(floors, y) else { return };
        self.one_step(y, floors, |step| {
            step.take_line(0, line);
            step.note_answered(0, Progress::Answered);
            let relayed = |step: &Step<'_, '_>| step.call.leg(leg).is_some_and(|l| l.stream.is_some());
            let described = relayed(step);
            step.relay_if_either(leg, 0);
            // The target was told the relay with the INVITE, unless there is no port for the other one.
            if described && relayed(step) {
                step.settle_one(leg, 0);
            } else {
                step.settle_both(leg, 0);
            }
        });
    }

    /// The chain gives the transferee to an app: it moves over as a caller that is answered already.
    fn complete_to_app(&mut self, floors: &mut Floors<'_>, y: CallId, (name, args): (String, AppArgs)) {
        let Some(line) = self.release_transferee(floors, y) else { return };
        self.one_step(y, floors, |step| {
            step.take_line(0, line);
            step.note_answered(0, Progress::Answered);
            step.start_app(name, args);
            step.speak_alone(0);
        });
    }

    /// Takes the transferee out of the call that `y` serves, tells the transferor, and ends that call.
    fn release_transferee(&mut self, floors: &mut Floors<'_>, y: CallId) -> Option<Line> {
        let serves = self.calls.get_mut(&y)?.serves.take()?;
        let mut line = None;
        self.one_step(serves.call, floors, |step| {
            let transferee = step.call.handing.as_ref().map(|h| h.transferee);
            step.tell_transferor(200);
            if let Some(job) = step.call.handing.take().and_then(|h| h.ringback) {
                step.floors.media.stop(job);
            }
            line = transferee.and_then(|no| step.release_line(no));
            step.end_call(Ending { cause: Cause::Transferred, sip: 200, by: EndedBy::Switch });
        });
        if line.is_none() {
            // The transferee hung up in this very moment.
            self.one_step(y, floors, |step| step.end_call(Ending::switch(Cause::Cancelled)));
        }
        line
    }

    /// The target cannot be had: the transferor is told and has its call back; one that has left is called back.
    fn transfer_failed(&mut self, floors: &mut Floors<'_>, x: CallId, ending: Ending) {
        let Some(handing) = self.calls.get(&x).and_then(|c| c.handing.as_ref()) else { return };
        let (left, recall, transferee, account) =
            (handing.transferor.is_none(), handing.recall, handing.transferee, handing.account);
        self.one_step(x, floors, |step| {
            step.tell_transferor(ending.refusal());
            if let Some(job) = step.call.handing.take().and_then(|h| h.ringback) {
                step.floors.media.stop(job);
            }
            if left && recall {
                step.end_call(ending);
            }
        });
        if left && !recall {
            self.recall(floors, x, transferee, account);
        }
    }

    /// Calls an account back for a party that nobody is there for.
    fn recall(&mut self, floors: &mut Floors<'_>, x: CallId, transferee: LegNo, account: AccountId) {
        let name = floors.directory.account_by_id(account).map(|a| a.username.clone());
        let y = name.clone().and_then(|name| self.serve(floors, x, (transferee, account), Goal::Back(name)));
        let (Some(y), Some(name)) = (y, name) else {
            return self.one_step(x, floors, |step| step.end_call(Ending::switch(Cause::NoAnswer)));
        };
        self.one_step(x, floors, |step| {
            let ringback = step.play_over(transferee, &["ring"]);
            step.call.handing = Some(Box::new(Handing {
                to: y,
                transferor: None,
                transferee,
                account,
                refer: None,
                told: 0,
                recall: true,
                ringback,
            }));
        });
        self.one_step(y, floors, |step| {
            let to = Target { to: Endpoint::Account(name), caller_id: None, header_ops: Vec::new() };
            let ring = RingStep { targets: vec![to], ring_timeout: RECALL_RING, advance_on: Vec::new() };
            step.obey(Decision::Connect(RingPlan {
                steps: vec![ring],
                handling: model::Handling::B2bua,
                media: MediaPath::TenantDefault,
                header_ops: Vec::new(),
                max_duration: None,
                attrs: Vec::new(),
            }));
        });
    }

    /// An attended transfer: the transferee takes the place of the leg that Replaces names.
    fn attend(
        &mut self,
        floors: &mut Floors<'_>,
        x: CallId,
        who: (LegNo, LegNo, ServerKey),
        (refer, named): (&Refer, Named),
    ) -> Result<(), u16> {
        let (Named::Confirmed(key) | Named::EarlyTheirs(key)) = named else { return Err(DECLINE) };
        let (y, replaced) = self.desk.by_dialog.get(&key).copied().ok_or(DECLINE)?;
        let company = |id: &CallId| self.calls.get(id).map(|c| c.info.company);
        let busy = self.calls.get(&y).is_none_or(|c| c.handing.is_some() || c.serves.is_some());
        if y == x || busy || company(&x) != company(&y) {
            return Err(DECLINE);
        }
        if matches!(named, Named::EarlyTheirs(_)) {
            return self.attend_early(floors, x, who, (refer, y));
        }
        let most = floors.setup.limits.legs_per_call_max;
        let talking =
            self.calls.get_mut(&y).is_some_and(|call| call.legs.len() < most && can_be_joined(call, replaced));
        if !talking {
            return Err(DECLINE);
        }
        let (_, transferee, _) = who;
        self.accept_refer(floors, x, who, refer);
        let mut line = None;
        self.one_step(x, floors, |step| {
            step.tell_transferor(200);
            step.call.handing = None;
            line = step.release_line(transferee);
            step.end_call(Ending { cause: Cause::Transferred, sip: 200, by: EndedBy::Switch });
        });
        if let Some(line) = line {
            self.one_step(y, floors, |step| step.replace_line(replaced, line));
        }
        Ok(())
    }

    /// The second call still rings: the transferee waits for its target as in a blind transfer.
    fn attend_early(
        &mut self,
        floors: &mut Floors<'_>,
        x: CallId,
        who: (LegNo, LegNo, ServerKey),
        (refer, y): (&Refer, CallId),
    ) -> Result<(), u16> {
        let (transferor, transferee, _) = who;
        let call = self.calls.get(&x).ok_or(DECLINE)?;
        let party = call.leg(transferee).ok_or(DECLINE)?;
        let account = call.leg(transferor).and_then(|l| l.account).ok_or(DECLINE)?;
        let (theirs, anchor) = (party.theirs.clone(), party.wants_anchor());
        let rings = self.calls.get(&y).is_some_and(|c| matches!(c.stage, Stage::Hunting(_)));
        if !rings {
            return Err(DECLINE);
        }
        let serves = Serves {
            call: x,
            shown: party.party.clone(),
            display: None,
            referred_by: String::new(),
            anchor,
            recall: false,
        };
        self.accept_refer(floors, x, who, refer);
        if let Some(handing) = self.calls.get_mut(&x).and_then(|c| c.handing.as_mut()) {
            handing.to = y;
            handing.account = account;
        }
        self.one_step(y, floors, |step| {
            step.drop_line(0, Ending { cause: Cause::Transferred, sip: 487, by: EndedBy::Caller });
            step.call.serves = Some(serves);
            if let Some(leg) = step.call.leg_mut(0) {
                leg.theirs = theirs;
            }
        });
        self.one_step(x, floors, |step| step.tell_transferor(180));
        Ok(())
    }
}

/// Whether a leg's place may be taken by another party: it talks to somebody, or to an app.
pub(crate) fn can_be_joined(call: &mut Call, no: LegNo) -> bool {
    let answered = call.leg(no).is_some_and(Leg::is_answered);
    answered
        && match &call.stage {
            Stage::Bridged(bridge) => bridge.joins(no),
            Stage::App(_) => true,
            Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Proxied(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => false,
        }
}

impl Step<'_, '_> {
    /// Takes a party out of this call, with its dialog and media; the leg is left without either.
    pub(crate) fn release_line(&mut self, no: LegNo) -> Option<Line> {
        // What halts for this party goes on to be halted where it goes.
        let forked = self.is_forked();
        self.hush(no);
        self.part(no);
        let (halted, urgent) = (self.call.tapes_halted, self.call.bypasses_filters);
        let leg = self.call.leg_mut(no)?;
        let dialog = leg.dialog.take()?;
        let stream = leg.stream.take();
        let line = Line {
            dialog,
            stream,
            address: leg.address.take(),
            signalling: leg.signalling,
            theirs: leg.theirs.take(),
            ours: leg.ours.take(),
            passes_by: leg.passes_by,
            origin: leg.origin,
            sip_call_id: leg.sip_call_id.clone(),
            former: leg.former.take(),
            held: leg.held,
            holds: leg.holds,
            taped: leg.taped,
            halted: halted && (leg.taped || forked),
            urgent,
            security: leg.security.clone(),
            trunk: leg.trunk.take(),
            granted: leg.granted.take(),
        };
        self.desk.by_dialog.remove(&dialog);
        if let Some(stream) = stream {
            self.desk.by_stream.remove(&stream);
        }
        self.drop_carried(no);
        Some(line)
    }

    /// Gives a leg, which has none, a party with its dialog and media.
    pub(crate) fn take_line(&mut self, no: LegNo, line: Line) {
        let id = self.id();
        if line.halted {
            self.halt_tapes(true);
        }
        let Some(leg) = self.call.leg_mut(no) else { return };
        leg.dialog = Some(line.dialog);
        leg.stream = line.stream;
        leg.address = line.address;
        leg.signalling = line.signalling;
        leg.theirs = line.theirs;
        leg.ours = line.ours;
        leg.passes_by = line.passes_by;
        leg.origin = line.origin;
        leg.former = line.former;
        (leg.held, leg.holds) = (line.held, line.holds);
        leg.taped = line.taped;
        leg.security = line.security;
        // Whoever answers for the leg answers for a number outside: that is what its record names.
        if let Some(number) = line.trunk.as_ref().and_then(|on| on.number()) {
            number.clone_into(&mut leg.party);
        }
        let left = core::mem::replace(&mut leg.trunk, line.trunk);
        leg.spoken = None;
        leg.offered = None;
        leg.referred = false;
        if leg.answered_at.is_none() {
            leg.sip_call_id = line.sip_call_id;
        }
        if let Some(left) = left {
            self.floors.trunks.call_ended(left.id);
        }
        self.desk.by_dialog.insert(line.dialog, (id, no));
        if let Some(stream) = line.stream {
            self.desk.by_stream.insert(stream, (id, no));
        }
        if line.urgent {
            self.bypass_filters();
        }
        self.brings_edge(line.dialog);
        self.bring_grant(no, line.granted);
        self.tape_if_due(no);
    }

    /// Hangs up a leg's dialog and closes its media; the leg itself goes on, and so does its CDR.
    pub(crate) fn drop_line(&mut self, no: LegNo, ending: Ending) {
        let now = self.now();
        self.hush(no);
        self.drop_carried(no);
        let Some(leg) = self.call.leg_mut(no) else { return };
        let (dialog, stream) = (leg.dialog.take(), leg.stream.take());
        leg.address = None;
        if let Some(stream) = stream {
            self.desk.by_stream.remove(&stream);
            self.floors.media.close(stream, now);
        }
        if let Some(key) = dialog {
            self.desk.by_dialog.remove(&key);
            let reason = ending.reason();
            self.floors.dialogs.hangup(self.floors.transactions, key, ending.refusal(), Some(&reason), now);
        }
    }

    /// A party takes the place of a leg's: whoever heard that one hears this one now. It has a leg of its own, on the same
    /// side and at the same account's cost.
    pub(crate) fn replace_line(&mut self, no: LegNo, mut line: Line) {
        let fresh = LegNo::try_from(self.call.legs.len()).unwrap_or(LegNo::MAX);
        let (origin, now) = (line.origin, self.now());
        let Some(old) = self.call.leg_mut(no) else { return };
        // What this side pays for goes on; a party that is paid for itself brings that along, and the leg ends with its own.
        if line.granted.is_none() {
            line.granted = old.granted.take();
        }
        let leg = Leg {
            no: fresh,
            account: old.account,
            party: old.party.clone(),
            caller_shown: old.caller_shown.clone(),
            ..Leg::new(old.role, line.signalling, now, origin)
        };
        self.call.legs.push(leg);
        self.call.moved.push((no, fresh));
        self.cancel_verb_of(no);
        self.move_verb(no, fresh);
        self.take_line(fresh, line);
        self.note_answered(fresh, Progress::Answered);
        self.end_leg(no, Ending { cause: Cause::Transferred, sip: 200, by: EndedBy::Switch });
        if let Some(bridge) = self.bridge_mut().filter(|b| b.joins(no)) {
            bridge.replace(no, fresh);
        }
        self.greet(fresh);
    }

    /// Joins two legs over the relay where the media of either passes through it already; else it goes on passing by.
    fn relay_if_either(&mut self, one: LegNo, other: LegNo) {
        let relayed = |no| self.call.leg(no).is_some_and(|l: &Leg| l.stream.is_some());
        if relayed(one) || relayed(other) {
            self.relay_pair(one, other);
        }
    }

    /// A party is new at this leg: it is joined to who is there, or speaks to the app.
    pub(crate) fn greet(&mut self, no: LegNo) {
        match self.bridge_mut().filter(|b| b.joins(no)).map(|b: &mut Bridge| b.other(no)) {
            Some(other) => {
                if let Some(leg) = self.call.leg_mut(other) {
                    leg.spoken = None;
                }
                self.relay_if_either(no, other);
                self.settle_both(other, no);
            }
            None => self.speak_alone(no),
        }
    }
}
