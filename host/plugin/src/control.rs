//! `call/control` of a parked script: every verb goes to the shell as an [`AppMessage`], parks the fiber, and comes
//! back by [`crate::Host::app_reply`].

use crate::bindings::app::strowger::call::control as wit;
use crate::bindings::router::strowger::types::types::{CallInfo, Error, HeaderOp};
use crate::fork::{Forks, Held};
use crate::guest::Guest;
use crate::mailbox::{Clips, Mailboxes};
use crate::rules::{self, Broken};
use crate::tape::taped;
use crate::{AppMessage, Sounds, convert};
use core::time::Duration;
use model::{AppError, AppId, AppReply, AppVerb, ForkId, ForkIn, LegHandle, Limits, RequestId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable};

type Reply = core::result::Result<AppReply, AppError>;
/// What a verb gives the guest.
pub(crate) type Verb<T> = core::result::Result<T, Error>;

/// What the guest's `leg` handle stands for. Public only because generated code names it so.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub struct Leg {
    handle: LegHandle,
    info: model::CallInfo,
    seen: &'static str,
}

/// The line between one app and the shell.
///
/// # Invariants
/// At most one verb waits: a script is one fiber. After [`Line::cut`] nothing more is said on it.
#[derive(Debug)]
pub(crate) struct Line {
    app: AppId,
    requests: Mutex<Option<UnboundedSender<AppMessage>>>,
    waiting: Mutex<Option<(RequestId, oneshot::Sender<Reply>)>>,
}

impl Line {
    pub(crate) fn new(app: AppId, requests: UnboundedSender<AppMessage>) -> Line {
        Line { app, requests: Mutex::new(Some(requests)), waiting: Mutex::new(None) }
    }

    /// Sends a verb; the receiver gets its reply. `None` when nobody listens.
    fn ask(&self, request: RequestId, verb: AppVerb) -> Option<oneshot::Receiver<Reply>> {
        let (reply, answer) = oneshot::channel();
        *lock(&self.waiting) = Some((request, reply));
        let message = AppMessage::Request { app: self.app, request, verb };
        lock(&self.requests).as_ref()?.send(message).ok()?;
        Some(answer)
    }

    /// Hands over a reply. False when it is stale.
    pub(crate) fn reply(&self, request: RequestId, result: Reply) -> bool {
        let waiter = lock(&self.waiting).take_if(|(waits_for, _)| *waits_for == request);
        waiter.is_some_and(|(_, reply)| reply.send(result).is_ok())
    }

    /// Says the last word, unless the line was cut.
    pub(crate) fn end(
        &self,
        outcome: core::result::Result<model::AppOutcome, model::AppFailure>,
        recourse: Option<model::Recourse>,
    ) {
        if let Some(requests) = lock(&self.requests).take() {
            let _ = requests.send(AppMessage::Ended { app: self.app, outcome, recourse });
        }
    }

    /// The other end of a line speaks. Where nobody listens any more the line ends soon.
    pub(crate) fn fork_said(&self, fork: ForkId, said: ForkIn) {
        if let Some(to) = lock(&self.requests).as_ref() {
            let _gone = to.send(AppMessage::Fork { fork, said });
        }
    }

    /// Silences the app for good.
    pub(crate) fn cut(&self) {
        lock(&self.requests).take();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A script's side of its call.
#[derive(Debug)]
pub(crate) struct Script {
    line: Arc<Line>,
    limits: Arc<Limits>,
    legs: ResourceTable,
    verbs: u64,
    verbs_max: u64,
    /// Whoever keeps the mailboxes of this switch.
    pub(crate) mailboxes: Option<Arc<dyn Mailboxes>>,
    /// Whoever brings prompts from elsewhere.
    pub(crate) sounds: Option<Arc<dyn Sounds>>,
    /// What it has opened of them.
    pub(crate) clips: Clips,
    /// The lines that it has opened; they end with it.
    pub(crate) held: Held,
}

/// Who keeps mailboxes and brings prompts, where somebody does.
type Keepers = (Option<Arc<dyn Mailboxes>>, Option<Arc<dyn Sounds>>);

impl Script {
    pub(crate) fn new(
        line: Arc<Line>,
        limits: Arc<Limits>,
        verbs_max: u32,
        (mailboxes, sounds): Keepers,
        forks: Forks,
    ) -> Script {
        let mut legs = ResourceTable::new();
        legs.set_max_capacity(limits.legs_per_call_max.max(1));
        let (verbs_max, clips, held) = (u64::from(verbs_max), Clips::default(), Held::new(forks));
        Script { line, limits, legs, verbs: 0, verbs_max, mailboxes, sounds, clips, held }
    }

    /// The handle of a leg that the guest shall own.
    pub(crate) fn adopt(
        &mut self,
        handle: LegHandle,
        info: model::CallInfo,
        seen: &'static str,
    ) -> Result<Resource<Leg>> {
        Ok(self.legs.push(Leg { handle, info, seen })?)
    }
}

fn denied() -> Error {
    Error::Denied("call control is for call apps".to_owned())
}

pub(crate) fn argument(rule: Broken) -> Error {
    Error::InvalidArgument(rule.0)
}

/// Takes the one reply a verb may have; another is the call engine's defect and must not hurt the guest.
macro_rules! expect_reply {
    ($reply:expr, $pattern:pat => $value:expr) => {
        match $reply {
            Ok($pattern) => Ok($value),
            Ok(other) => {
                tracing::error!(?other, "the call engine gave a verb another verb's reply");
                Err(Error::Unavailable("the switch gave no fitting reply".to_owned()))
            }
            Err(error) => Err(error),
        }
    };
}
pub(crate) use expect_reply;

impl Script {
    pub(crate) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
    }
}

impl Leg {
    pub(crate) const fn call(&self) -> model::CallId {
        self.info.call
    }

    pub(crate) const fn handle(&self) -> LegHandle {
        self.handle
    }
}

impl Guest {
    pub(crate) fn leg(&mut self, leg: &Resource<Leg>) -> Result<&mut Leg> {
        let script = self.script.as_mut().ok_or_else(|| wasmtime::Error::msg("a leg outside a call app"))?;
        Ok(script.legs.get_mut(leg)?)
    }

    pub(crate) fn limits(&self) -> Verb<Arc<Limits>> {
        self.script.as_ref().map(|s| Arc::clone(&s.limits)).ok_or_else(denied)
    }

    /// Sends a verb and parks until its reply.
    pub(crate) async fn verb(&mut self, verb: AppVerb) -> Verb<AppReply> {
        taped!(self, "call.verb", verb, self.sent(verb).await)
    }

    async fn sent(&mut self, mut verb: AppVerb) -> Verb<AppReply> {
        self.bring(&mut verb).await?;
        let script = self.script.as_mut().ok_or_else(denied)?;
        script.clips.fill(&mut verb)?;
        if script.verbs >= script.verbs_max {
            return Err(Error::LimitExceeded("app-verbs-max".to_owned()));
        }
        script.verbs += 1;
        let gone = || Error::Unavailable("the switch has ended this app".to_owned());
        let answer = script.line.ask(RequestId(script.verbs), verb).ok_or_else(gone)?;
        let reply = self.park(answer).await.map_err(|_| gone())?;
        reply.map_err(convert::error)
    }

    /// A verb of one leg that gives nothing; `seen` is the leg's state after it worked.
    async fn leg_verb(&mut self, leg: &Resource<Leg>, verb: AppVerb, seen: Option<&'static str>) -> Result<Verb<()>> {
        let reply = self.verb(verb).await;
        self.note(leg, &reply, seen)?;
        Ok(expect_reply!(reply, AppReply::Done => ()))
    }

    /// Keeps what this app has seen of a leg.
    pub(crate) fn note(
        &mut self,
        leg: &Resource<Leg>,
        reply: &Verb<AppReply>,
        seen: Option<&'static str>,
    ) -> Result<()> {
        if self.script.is_some() {
            let leg = self.leg(leg)?;
            match (reply, seen) {
                (Ok(_), Some(seen)) => leg.seen = seen,
                (Err(Error::HungUp(_)), _) => leg.seen = "ended",
                _ => {}
            }
        }
        Ok(())
    }
}

impl wit::HostLeg for Guest {
    fn info(&mut self, leg: Resource<Leg>) -> Result<CallInfo> {
        Ok(convert::call(&self.leg(&leg)?.info))
    }

    fn state(&mut self, leg: Resource<Leg>) -> Result<String> {
        Ok(self.leg(&leg)?.seen.to_owned())
    }

    async fn ring(&mut self, leg: Resource<Leg>) -> Result<Verb<()>> {
        let handle = self.leg(&leg)?.handle;
        self.leg_verb(&leg, AppVerb::Ring(handle), Some("ringing")).await
    }

    async fn answer(&mut self, leg: Resource<Leg>, ops: Vec<HeaderOp>) -> Result<Verb<()>> {
        let handle = self.leg(&leg)?.handle;
        let ops = match rules::header_ops(ops) {
            Ok(ops) => ops,
            Err(rule) => return Ok(Err(argument(rule))),
        };
        self.leg_verb(&leg, AppVerb::Answer(handle, ops), Some("answered")).await
    }

    async fn refuse(&mut self, leg: Resource<Leg>, sip: u16, reason: String) -> Result<Verb<()>> {
        let handle = self.leg(&leg)?.handle;
        if let Err(rule) = rules::refusal(sip, &reason) {
            return Ok(Err(argument(rule)));
        }
        self.leg_verb(&leg, AppVerb::Refuse(handle, sip, reason), Some("ended")).await
    }

    async fn hangup(&mut self, leg: Resource<Leg>) -> Result<()> {
        let handle = self.leg(&leg)?.handle;
        let _ = self.leg_verb(&leg, AppVerb::Hangup(handle), Some("ended")).await?;
        Ok(())
    }

    async fn play(
        &mut self,
        leg: Resource<Leg>,
        prompts: Vec<wit::Prompt>,
        stop_on: String,
    ) -> Result<Verb<Option<String>>> {
        let handle = self.leg(&leg)?.handle;
        let checked = self.limits().and_then(|limits| {
            let prompts = rules::prompts(prompts, &limits).map_err(argument)?;
            Ok(AppVerb::Play(handle, prompts, rules::digits(stop_on).map_err(argument)?))
        });
        let verb = match checked {
            Ok(verb) => verb,
            Err(error) => return Ok(Err(error)),
        };
        let reply = self.verb(verb).await;
        self.note(&leg, &reply, None)?;
        Ok(expect_reply!(reply, AppReply::Played(digit) => digit))
    }

    async fn collect(&mut self, leg: Resource<Leg>, spec: wit::CollectSpec) -> Result<Verb<wit::Collected>> {
        let handle = self.leg(&leg)?.handle;
        let spec = match self.limits().and_then(|limits| rules::collect(spec, &limits).map_err(argument)) {
            Ok(spec) => spec,
            Err(error) => return Ok(Err(error)),
        };
        let reply = self.verb(AppVerb::Collect(handle, spec)).await;
        self.note(&leg, &reply, None)?;
        Ok(expect_reply!(reply, AppReply::Collected(got) => wit::Collected {
            digits: got.digits,
            terminator: got.terminator,
            timed_out: got.timed_out,
            attrs: Vec::new(),
        }))
    }

    async fn echo(&mut self, leg: Resource<Leg>, max_ms: u32) -> Result<Verb<()>> {
        let handle = self.leg(&leg)?.handle;
        self.leg_verb(&leg, AppVerb::Echo(handle, Duration::from_millis(u64::from(max_ms))), None).await
    }

    fn drop(&mut self, leg: Resource<Leg>) -> Result<()> {
        if let Some(script) = self.script.as_mut() {
            script.legs.delete(leg)?;
        }
        Ok(())
    }
}

impl wit::Host for Guest {
    async fn dial(&mut self, parent: Resource<Leg>, spec: wit::DialSpec) -> Result<Verb<Resource<Leg>>> {
        let handle = self.leg(&parent)?.handle;
        let spec = match self.limits().and_then(|limits| rules::dial(spec, &limits).map_err(argument)) {
            Ok(spec) => spec,
            Err(error) => return Ok(Err(error)),
        };
        let reply = self.verb(AppVerb::Dial(handle, spec)).await;
        let (handle, info) = match expect_reply!(reply, AppReply::Leg(handle, info) => (handle, info)) {
            Ok(leg) => leg,
            Err(error) => return Ok(Err(error)),
        };
        let Some(script) = self.script.as_mut() else { return Ok(Err(denied())) };
        Ok(Ok(script.adopt(handle, *info, "answered")?))
    }

    async fn bridge(
        &mut self,
        a: Resource<Leg>,
        b: Resource<Leg>,
        spec: wit::BridgeSpec,
    ) -> Result<Verb<wit::Bridged>> {
        let (leg_a, leg_b) = (self.leg(&a)?.handle, self.leg(&b)?.handle);
        if leg_a == leg_b {
            return Ok(Err(Error::InvalidArgument("bridge: two legs".to_owned())));
        }
        let reply = self.verb(AppVerb::Bridge(leg_a, leg_b, rules::bridge(&spec))).await;
        let bridged = match expect_reply!(reply, AppReply::Bridged(bridged) => bridged) {
            Ok(bridged) => bridged,
            Err(error) => return Ok(Err(error)),
        };
        match bridged.ended_by.as_str() {
            "a" => self.leg(&a)?.seen = "ended",
            "b" => self.leg(&b)?.seen = "ended",
            _ => {}
        }
        Ok(Ok(wit::Bridged {
            ended_by: bridged.ended_by,
            duration_ms: u64::try_from(bridged.duration.as_millis()).unwrap_or(u64::MAX),
            cause: bridged.cause.as_ref().map(convert::cause),
            attrs: Vec::new(),
        }))
    }

    async fn sleep_ms(&mut self, ms: u32) -> Result<Verb<()>> {
        let reply = self.verb(AppVerb::Sleep(Duration::from_millis(u64::from(ms)))).await;
        Ok(expect_reply!(reply, AppReply::Done => ()))
    }
}
