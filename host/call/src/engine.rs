//! The engine: finds the call an event belongs to, lets it take one step, and keeps the deadlines.

use crate::arrival::Arrival;
use crate::call::Call;
use crate::floors::Floors;
use crate::lamps::{self, Lamps, LegView};
use crate::leg::{Ending, LegNo};
use crate::rooms::Rooms;
use crate::stage::Stage;
use crate::step::Step;
use crate::summon::Pace;
use crate::transfer::Job;
use model::{
    AccountId, Answer, AppError, AppFailure, AppId, AppOutcome, AppReply, AppStart, AppVerb, BrandId, CallEvent,
    CallId, CallRecord, CallSnapshot, Cause, Company, CompanyId, EndedBy, IdSource, IdentityFailure, Instant,
    LockThrow, ProofQuestion, Question, RateAnswer, RateQuestion, RecordingEvent, Recourse, RequestId, Ticket,
};
use sip_dialog::DialogKey;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the engine wants of the world.
#[derive(Debug)]
pub enum Output {
    /// Ask the plugin chain.
    Ask(Question),
    /// Ask the rater; [`Engine::handle_rate`] by the question's deadline, or its policy of failure stands.
    Rate(Box<RateQuestion>),
    /// Start a call app.
    AppStart {
        /// Its id.
        app: AppId,
        /// What to run.
        start: AppStart,
    },
    /// A verb is done.
    AppReply {
        /// The app.
        app: AppId,
        /// The verb's request.
        request: RequestId,
        /// How it went.
        result: Result<AppReply, AppError>,
    },
    /// Drop the app's instance.
    AppStop {
        /// The app.
        app: AppId,
    },
    /// Find out whether a token holds; [`Engine::handle_proof`] by the question's deadline, or it does not.
    Prove(Box<ProofQuestion>),
    /// To the durable outbox.
    Record(CallRecord),
    /// To whoever keeps recordings: one begins, or is over.
    Recording(RecordingEvent),
    /// Keep that a route lock was thrown by phone; the next [`model::Directory`] shows it.
    Throw(LockThrow),
    /// To whoever listens.
    Event(CallEvent),
}

/// Totals since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Calls opened.
    pub opened: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls ended.
    pub ended: u64,
    /// Default verdicts because the chain was late.
    pub verdicts_late: u64,
    /// Answers whose question was gone.
    pub answers_stale: u64,
    /// App messages whose app was gone.
    pub app_messages_stale: u64,
    /// INVITEs refused for a limit.
    pub refused_by_limit: u64,
}

/// What all calls of a shard share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) ids: IdSource,
    pub(crate) out: VecDeque<Output>,
    pub(crate) by_dialog: BTreeMap<DialogKey, (CallId, LegNo)>,
    pub(crate) by_context: BTreeMap<sip_proxy::ContextKey, CallId>,
    pub(crate) by_lookup: BTreeMap<model::ResolveTicket, CallId>,
    pub(crate) by_stream: BTreeMap<media::StreamId, (CallId, LegNo)>,
    pub(crate) by_ticket: BTreeMap<Ticket, CallId>,
    pub(crate) by_app: BTreeMap<AppId, CallId>,
    pub(crate) lamps: Lamps,
    pub(crate) next_ticket: u64,
    pub(crate) next_app: u64,
    /// Who is parked where.
    pub(crate) slots: BTreeMap<(CompanyId, String), CallId>,
    /// The conference rooms.
    pub(crate) rooms: Rooms,
    /// How many calls each hunt group that goes round has had; as many entries as there are such groups.
    pub(crate) turns: BTreeMap<(CompanyId, String), u64>,
    /// Calls that were asked for from outside, of late.
    pub(crate) pace: Pace,
    /// Recordings going on.
    pub(crate) recordings: usize,
    /// Work on two calls that a step has left.
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) counters: Counters,
    pub(crate) draining: bool,
}

/// All calls of a shard.
///
/// # Invariants
/// Every entry of the desk's indexes names a call in `calls`; a call is in `due` exactly when its `armed` says so; a
/// call whose stage is over is not in `calls` after the step.
#[derive(Debug)]
pub struct Engine {
    pub(crate) calls: BTreeMap<CallId, Box<Call>>,
    pub(crate) per_company: BTreeMap<CompanyId, usize>,
    pub(crate) per_brand: BTreeMap<BrandId, usize>,
    due: BTreeSet<(Instant, CallId)>,
    pub(crate) desk: Desk,
}

impl Engine {
    /// An engine without calls; `ids` names its calls.
    #[must_use]
    pub fn new(ids: IdSource) -> Engine {
        // The plugin host is one for all shards of the node, and knows apps by their number.
        let next_app = (u64::from(ids.shard()) << 56) + 1;
        Engine {
            calls: BTreeMap::new(),
            per_company: BTreeMap::new(),
            per_brand: BTreeMap::new(),
            due: BTreeSet::new(),
            desk: Desk {
                ids,
                out: VecDeque::new(),
                by_dialog: BTreeMap::new(),
                by_context: BTreeMap::new(),
                by_lookup: BTreeMap::new(),
                by_stream: BTreeMap::new(),
                by_ticket: BTreeMap::new(),
                by_app: BTreeMap::new(),
                lamps: Lamps::default(),
                next_ticket: 1,
                next_app,
                slots: BTreeMap::new(),
                rooms: Rooms::new(),
                turns: BTreeMap::new(),
                pace: Pace::default(),
                recordings: 0,
                jobs: VecDeque::new(),
                counters: Counters::default(),
                draining: false,
            },
        }
    }

    /// Opens a call for an admitted INVITE and asks where it shall go, or refuses it for a limit.
    pub fn open(&mut self, floors: &mut Floors<'_>, arrival: &Arrival) {
        if arrival.refused.is_none() && self.joins(floors, arrival) {
            return;
        }
        let full = self
            .cannot_open(floors, &arrival.company)
            .or_else(|| self.tenant_full(floors, &arrival.company, arrival.outward()))
            .or_else(|| {
                let from = arrival.trunk.as_ref()?;
                floors.trunks.call_arrives(from.trunk.id).err().map(|_| Cause::TrunkFull)
            });
        if let Some(cause) = full {
            self.desk.counters.refused_by_limit += 1;
            let dialog = floors.dialogs.incoming(arrival.key, arrival.flow, arrival.request.clone(), floors.now);
            let later = (cause.sip_status() == 503).then(|| ("Retry-After".to_owned(), "5".to_owned()));
            let headers: Vec<(String, String)> = later.into_iter().collect();
            let reason = sip_message::reason_phrase(cause.sip_status());
            // The usage was made in the line above: it cannot be over.
            let _ =
                floors.dialogs.reject(floors.transactions, dialog, cause.sip_status(), reason, &headers, floors.now);
            return;
        }
        let id = arrival.id.unwrap_or_else(|| self.name_call(floors.now));
        let call = Call::arrived(id, arrival, floors, &mut self.desk.ids);
        if let Some(dialog) = call.leg(0).and_then(|l| l.dialog) {
            self.desk.by_dialog.insert(dialog, (id, 0));
        }
        self.enter(call);
        self.step(id, floors, |step| match &arrival.refused {
            Some(refused) => step.turn_away(refused),
            None => step.begin_call(arrival),
        });
    }

    /// A name for a call that is not there yet.
    pub fn name_call(&mut self, now: Instant) -> CallId {
        CallId::begun(now, self.desk.ids.u128())
    }

    /// A call is one of the engine's from here on.
    pub(crate) fn enter(&mut self, call: Call) {
        *self.per_company.entry(call.info.company).or_default() += 1;
        *self.per_brand.entry(call.info.brand).or_default() += 1;
        self.desk.counters.opened += 1;
        let (caller, callee) = (call.info.caller.user.clone(), call.info.callee.user.clone());
        let started = CallEvent::CallStarted { call: call.id, company: call.info.company, caller, callee };
        self.desk.out.push_back(Output::Event(started));
        self.calls.insert(call.id, Box::new(call));
    }

    /// Why the switch can open no call of this company now.
    pub(crate) fn cannot_open(&self, floors: &Floors<'_>, company: &Company) -> Option<Cause> {
        let limits = &floors.setup.limits;
        let of_company = self.per_company.get(&company.id).copied().unwrap_or(0);
        if self.desk.draining {
            return Some(Cause::Draining);
        }
        (self.calls.len() >= limits.calls_max || of_company >= limits.calls_per_company_max)
            .then_some(Cause::LimitReached)
    }

    /// A dialog reported.
    pub fn handle_dialog_event(&mut self, floors: &mut Floors<'_>, event: sip_dialog::Event) {
        let Some(&(call, leg)) = self.desk.by_dialog.get(&event.key()) else { return };
        self.step(call, floors, |step| step.dialog_event(leg, event));
    }

    /// The proxy reported.
    pub fn handle_proxy_event(&mut self, floors: &mut Floors<'_>, event: sip_proxy::Event) {
        let context = event.context();
        let Some(&call) = context.and_then(|context| self.desk.by_context.get(&context)) else { return };
        self.step(call, floors, |step| step.proxy_event(event));
    }

    /// A next hop was looked up; `false` if no call waits for it.
    pub fn handle_resolved(&mut self, floors: &mut Floors<'_>, resolved: &model::Resolved) -> bool {
        let Some(call) = self.desk.by_lookup.remove(&resolved.ticket) else { return false };
        self.step(call, floors, |step| step.target_resolved(resolved));
        true
    }

    /// A stream reported.
    pub fn handle_media_event(&mut self, floors: &mut Floors<'_>, event: &media::Event) {
        let stream = match event {
            media::Event::Digit { stream, .. }
            | media::Event::PlayEnded { stream, .. }
            | media::Event::KeysSent { stream }
            | media::Event::Speaker { stream, .. }
            | media::Event::RecordEnded { stream, .. }
            | media::Event::ForkOver { stream }
            | media::Event::Beep { stream, .. }
            | media::Event::Quiet { stream }
            | media::Event::Unsecured { stream }
            | media::Event::HandshakeLost { stream }
            | media::Event::Silent { stream } => *stream,
        };
        let Some(&(call, leg)) = self.desk.by_stream.get(&stream) else { return };
        self.step(call, floors, |step| step.media_event(leg, event));
    }

    /// The plugin chain answered.
    pub fn handle_answer(&mut self, floors: &mut Floors<'_>, ticket: Ticket, answer: Answer) {
        match self.desk.by_ticket.remove(&ticket) {
            Some(call) => self.step(call, floors, |step| step.answered(ticket, answer)),
            None => self.desk.counters.answers_stale += 1,
        }
    }

    /// The rater answered.
    pub fn handle_rate(&mut self, floors: &mut Floors<'_>, ticket: Ticket, answer: RateAnswer) {
        match self.desk.by_ticket.remove(&ticket) {
            Some(call) => self.step(call, floors, |step| step.rate_answered(ticket, answer)),
            None => self.desk.counters.answers_stale += 1,
        }
    }

    /// Whether somebody vouches for a caller is known.
    pub fn handle_proof(&mut self, floors: &mut Floors<'_>, ticket: Ticket, proof: Result<(), IdentityFailure>) {
        match self.desk.by_ticket.remove(&ticket) {
            Some(call) => self.step(call, floors, |step| step.proved(ticket, proof)),
            None => self.desk.counters.answers_stale += 1,
        }
    }

    /// A call app asks for a verb.
    pub fn handle_app_request(&mut self, floors: &mut Floors<'_>, app: AppId, request: RequestId, verb: AppVerb) {
        match self.desk.by_app.get(&app).copied() {
            Some(call) => self.step(call, floors, |step| step.app_request(request, verb)),
            None => {
                self.desk.counters.app_messages_stale += 1;
                let gone = AppError::InvalidState("the call has ended".to_owned());
                self.desk.out.push_back(Output::AppReply { app, request, result: Err(gone) });
            }
        }
    }

    /// A call app ended; `recourse` is its binding's, where it failed.
    pub fn handle_app_ended(
        &mut self,
        floors: &mut Floors<'_>,
        app: AppId,
        outcome: Result<AppOutcome, AppFailure>,
        recourse: Option<Recourse>,
    ) {
        match self.desk.by_app.remove(&app) {
            Some(call) => self.step(call, floors, |step| step.app_ended(app, outcome, recourse)),
            None => self.desk.counters.app_messages_stale += 1,
        }
    }

    /// Whether such a call is alive.
    #[must_use]
    pub fn has(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// Ends a call for an operator; nothing happens when there is no such call.
    pub fn hangup(&mut self, floors: &mut Floors<'_>, call: CallId) {
        let ending =
            Ending { cause: Cause::OperatorHangup, sip: Cause::OperatorHangup.sip_status(), by: EndedBy::Operator };
        self.step(call, floors, |step| step.end_call(ending));
    }

    /// Refuses new calls from now on.
    pub fn drain(&mut self) {
        self.desk.draining = true;
    }

    /// Ends every call, as the last act of a drain.
    pub fn end_all(&mut self, floors: &mut Floors<'_>) {
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        for id in ids {
            self.step(id, floors, |step| step.end_call(Ending::switch(Cause::Draining)));
        }
    }

    /// Runs the deadlines that have come.
    pub fn handle_timeout(&mut self, floors: &mut Floors<'_>) {
        while let Some(&(at, id)) = self.due.first() {
            if at > floors.now {
                break;
            }
            self.due.pop_first();
            if let Some(call) = self.calls.get_mut(&id) {
                call.armed = None;
            }
            self.step(id, floors, |step| step.deadline());
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next thing the engine wants of the world.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.desk.out.pop_front()
    }

    /// The next account whose legs look different from outside.
    pub fn poll_legs_changed(&mut self) -> Option<AccountId> {
        self.desk.lamps.poll_changed()
    }

    /// The legs of an account as its own phones see them.
    pub fn legs_of(&self, account: AccountId) -> impl Iterator<Item = LegView> {
        let legs = self.desk.lamps.of(account);
        legs.filter_map(|(call, leg)| lamps::view(self.calls.get(&call)?, leg))
    }

    /// Every live call.
    pub fn snapshots(&self) -> impl Iterator<Item = CallSnapshot> {
        self.calls.values().map(|call| call.snapshot())
    }

    /// Calls alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call is alive and every table is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.due.is_empty()
            && self.per_company.is_empty()
            && self.per_brand.is_empty()
            && self.desk.by_dialog.is_empty()
            && self.desk.by_context.is_empty()
            && self.desk.by_lookup.is_empty()
            && self.desk.by_stream.is_empty()
            && self.desk.by_ticket.is_empty()
            && self.desk.by_app.is_empty()
            && self.desk.slots.is_empty()
            && self.desk.rooms.is_empty()
            && self.desk.recordings == 0
            && self.desk.jobs.is_empty()
            && self.desk.lamps.is_empty()
    }

    /// The totals.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.desk.counters
    }

    /// Lets one call take one step, and does what that leaves to be done across calls.
    pub(crate) fn step(&mut self, id: CallId, floors: &mut Floors<'_>, act: impl FnOnce(&mut Step<'_, '_>)) {
        self.one_step(id, floors, act);
        self.run_jobs(floors);
    }

    /// Lets one call take one step, then re-arms its deadline or forgets it.
    pub(crate) fn one_step(&mut self, id: CallId, floors: &mut Floors<'_>, act: impl FnOnce(&mut Step<'_, '_>)) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        act(&mut Step { call, desk: &mut self.desk, floors });
        self.desk.lamps.look(call);
        let wanted = call.deadline();
        if call.armed != wanted {
            if let Some(old) = call.armed {
                self.due.remove(&(old, id));
            }
            if let Some(new) = wanted {
                self.due.insert((new, id));
            }
            call.armed = wanted;
        }
        if matches!(call.stage, Stage::Over) {
            self.forget(id);
        }
    }

    pub(crate) fn forget(&mut self, id: CallId) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        self.desk.forget_rating(&mut call);
        self.desk.counters.ended += 1;
        if let Some(count) = self.per_company.get_mut(&call.info.company) {
            *count -= 1;
            if *count == 0 {
                self.per_company.remove(&call.info.company);
            }
        }
        if let Some(count) = self.per_brand.get_mut(&call.info.brand) {
            *count -= 1;
            if *count == 0 {
                self.per_brand.remove(&call.info.brand);
            }
        }
    }
}
