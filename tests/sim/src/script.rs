//! The plugins: a routing chain and call apps that do what the dice say, at the time the dice say.

use crate::carriers::{self, CarrierPlan};
use crate::chance::Chance;
use crate::plan::{NOWHERE, Taste};
use core::time::Duration;
use model::{
    Answer, AppFailure, AppId, AppOutcome, AppReply, AppVerb, BridgeSpec, CallId, CallInfo, Channels, CollectSpec,
    ConferSpec, Decision, DialSpec, Endpoint, Handling, Header, HeaderOp, Instant, LegHandle, ListenSpec, MediaPath,
    PlaybackSpec, Prompt, Question, QuestionKind, RecordSpec, Refusal, RequestId, ResolveFailure, Resolved, RingPlan,
    RingStep, Target,
};
use std::collections::BTreeMap;
use switch::{Input, Output};

/// How an app ends when it has nothing left to do.
#[derive(Clone, Copy, Debug)]
enum End {
    Return(Option<u16>),
    Error,
    Trap,
    /// It parks for ever.
    Never,
}

/// A running app.
#[derive(Debug)]
struct App {
    call: CallId,
    company: usize,
    verbs_left: u64,
    answered: bool,
    legs: Vec<LegHandle>,
    waiting: Option<RequestId>,
    end: End,
}

/// Everything scripted.
#[derive(Debug)]
pub(crate) struct Script {
    chance: Chance,
    taste: Taste,
    /// The user names of each company.
    users: [Vec<String>; 2],
    due: BTreeMap<(Instant, u64), Input>,
    apps: BTreeMap<AppId, App>,
    /// The shortest ring timeout that each call had.
    pub(crate) rings: BTreeMap<CallId, Duration>,
    number: u64,
    carrier: Option<CarrierPlan>,
}

impl Script {
    pub(crate) fn new(chance: Chance, taste: Taste, users: [Vec<String>; 2], carrier: Option<CarrierPlan>) -> Script {
        let (due, apps, rings) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Script { chance, taste, users, due, apps, rings, number: 0, carrier }
    }

    /// The switch died, and its plugin host with it.
    pub(crate) fn restart(&mut self) {
        self.due.clear();
        self.apps.clear();
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn take(&mut self, now: Instant) -> Option<Input> {
        let (&key, _) = self.due.first_key_value().filter(|((at, _), _)| *at <= now)?;
        self.due.remove(&key)
    }

    pub(crate) fn apps_alive(&self) -> usize {
        self.apps.len()
    }

    fn later(&mut self, at: Instant, input: Input) {
        self.number += 1;
        self.due.insert((at, self.number), input);
    }

    /// The switch wants something of the plugins.
    pub(crate) fn output(&mut self, output: &Output, now: Instant) {
        match output {
            Output::Ask(question) => self.asked(question, now),
            Output::AppStart { app, start } => {
                let end = self.draw_end();
                let company = company_of(&start.call);
                let verbs_left = self.chance.below(9);
                let call = start.call.call;
                let state = App { call, company, verbs_left, answered: false, legs: Vec::new(), waiting: None, end };
                self.apps.insert(*app, state);
                self.go_on(*app, now);
            }
            Output::AppReply { app, request, result } => {
                let Some(state) = self.apps.get_mut(app).filter(|a| a.waiting == Some(*request)) else { return };
                state.waiting = None;
                match result {
                    Ok(AppReply::Leg(leg, _)) => state.legs.push(*leg),
                    Ok(_) => {}
                    Err(model::AppError::HungUp(_)) => state.verbs_left = state.verbs_left.min(1),
                    Err(_) => {}
                }
                self.go_on(*app, now);
            }
            Output::AppStop { app } => {
                self.apps.remove(app);
            }
            // Nobody has bound a registration hook or a filter there.
            Output::AskRegister(_) | Output::Filter(_) => {}
            // No trunk of the simulated world looks at tokens.
            Output::Prove(question) => {
                let at = now + self.chance.millis(0, 40);
                self.later(at, Input::Proved { ticket: question.ticket, proof: Ok(()) });
            }
            // The simulated world has no names.
            Output::Resolve(question) => {
                let resolved = Resolved { ticket: question.ticket, hops: Err(ResolveFailure::NoAddress) };
                let at = now + self.chance.millis(0, 40);
                self.later(at, Input::Resolved(resolved));
            }
            // Nobody has bound a rater there.
            Output::Rate(_) => {}
            // The directory of the simulated world has no locks.
            Output::Throw(_) => {}
            Output::Transmit(_)
            | Output::HandOver { .. }
            | Output::Tell(_)
            | Output::Record(_)
            | Output::Recording(_)
            | Output::Fork { .. }
            | Output::Event(_) => {}
        }
    }

    fn draw_end(&mut self) -> End {
        if !self.chance.percent(self.taste.bad_apps) {
            let status = [None, None, Some(486), Some(200)][self.chance.below(4) as usize];
            return End::Return(status);
        }
        [End::Error, End::Trap, End::Never][self.chance.below(3) as usize]
    }

    /// The next verb of an app, or its end.
    fn go_on(&mut self, app: AppId, now: Instant) {
        let at = now + self.chance.millis(0, 40);
        let Some(mut state) = self.apps.remove(&app) else { return };
        if state.verbs_left == 0 {
            let outcome = match state.end {
                End::Return(status) => Some(Ok(AppOutcome::Returned(status))),
                End::Error => Some(Ok(AppOutcome::Err(model::AppError::NotFound))),
                End::Trap => Some(Err(AppFailure::Trapped("unreachable".to_owned()))),
                End::Never => None,
            };
            match outcome {
                Some(outcome) => self.later(at, Input::AppEnded { app, outcome, recourse: None }),
                None => drop(self.apps.insert(app, state)),
            }
            return;
        }
        state.verbs_left -= 1;
        let verb = self.verb(&mut state);
        self.number += 1;
        let request = RequestId(self.number);
        state.waiting = Some(request);
        self.apps.insert(app, state);
        self.later(at, Input::AppRequest { app, request, verb });
    }

    fn verb(&mut self, app: &mut App) -> AppVerb {
        let caller = LegHandle(0);
        let c = &mut self.chance;
        if !app.answered {
            return match c.below(20) {
                0..=13 => {
                    app.answered = true;
                    AppVerb::Answer(caller, Vec::new())
                }
                14 | 15 => AppVerb::Ring(caller),
                16 => AppVerb::Refuse(caller, 486, "Busy".to_owned()),
                17 => AppVerb::Hangup(caller),
                18 => self.dial(app),
                _ => AppVerb::Sleep(c.millis(10, 4_000)),
            };
        }
        match (c.below(12), app.legs.pop()) {
            (8, Some(leg)) => {
                app.legs.push(leg);
                AppVerb::RecordStart(caller, record(c))
            }
            (0..=7, Some(leg)) => {
                let max = c.percent(30).then(|| c.millis(500, 20_000));
                if c.percent(20) {
                    app.legs.push(leg);
                }
                AppVerb::Bridge(caller, leg, BridgeSpec { max })
            }
            (_, Some(leg)) => AppVerb::Hangup(leg),
            (0 | 1, None) => AppVerb::Play(caller, prompts(c), "#1".to_owned()),
            (2..=4, None) => AppVerb::Collect(caller, collect(c)),
            (5, None) => AppVerb::Echo(caller, c.millis(100, 6_000)),
            (6, None) => AppVerb::Sleep(c.millis(10, 6_000)),
            (7, None) if c.percent(30) => AppVerb::Hangup(caller),
            (8 | 9, None) => sound(c, caller, app.call),
            (_, None) => self.dial(app),
        }
    }

    fn dial(&mut self, app: &App) -> AppVerb {
        let count = 1 + self.chance.below(3);
        let targets = (0..count).map(|_| pick(&mut self.chance, &self.users[app.company])).collect();
        let ring_timeout = self.ring_timeout();
        self.note_ring(app.call, ring_timeout);
        let ringback = if self.chance.percent(15) { vec![Prompt::Tone("ring".to_owned())] } else { Vec::new() };
        AppVerb::Dial(
            LegHandle(0),
            DialSpec {
                targets,
                parallel: self.chance.percent(50),
                ring_timeout,
                caller_id: None,
                header_ops: Vec::new(),
                ringback,
            },
        )
    }

    fn ring_timeout(&mut self) -> Duration {
        let (least, most) = self.taste.ring_s;
        self.chance.millis(least * 1_000, most * 1_000)
    }

    fn note_ring(&mut self, call: CallId, ring_timeout: Duration) {
        let shortest = self.rings.entry(call).or_insert(ring_timeout);
        *shortest = (*shortest).min(ring_timeout);
    }

    /// The chain is asked.
    fn asked(&mut self, question: &Question, now: Instant) {
        let ticket = question.ticket;
        let quick = now + self.chance.millis(0, 15);
        let late = question.deadline + self.chance.millis(0, 300);
        let action = match &question.kind {
            QuestionKind::Exhausted(_) if self.chance.percent(70) => 6,
            QuestionKind::Route | QuestionKind::Exhausted(_) => self.action(),
        };
        let decision = match action {
            3 => Some(Decision::Refuse(Refusal {
                sip: [403, 486, 503, 603][self.chance.below(4) as usize],
                reason: "Not Today".to_owned(),
                header_ops: Vec::new(),
            })),
            4 => Some(Decision::Redirect(vec!["sip:elsewhere@example.com".to_owned()])),
            5 => Some(Decision::Reroute { callee: self.somebody(&question.call), attrs: Vec::new() }),
            6 => None,
            9 => Some(Decision::App { name: "menu".to_owned(), args: Vec::new() }),
            shape => Some(Decision::Connect(self.ring_plan(&question.call, shape))),
        };
        let failed = decision.is_none() && self.chance.percent(50);
        let answer = Answer { decision, failed, attrs: Vec::new(), hooks: Vec::new() };
        match action {
            7 => self.later(late, Input::Answered { ticket, answer }),
            8 => {}
            _ => self.later(quick, Input::Answered { ticket, answer }),
        }
    }

    fn action(&mut self) -> usize {
        let total: u64 = self.taste.weights.iter().sum();
        let mut drawn = self.chance.below(total);
        for (action, weight) in self.taste.weights.iter().enumerate() {
            if drawn < *weight {
                return action;
            }
            drawn -= weight;
        }
        0
    }

    fn somebody(&mut self, call: &CallInfo) -> String {
        let company = company_of(call);
        if self.chance.percent(60) && self.users[company].contains(&call.callee.user) {
            return call.callee.user.clone();
        }
        let company = if self.chance.percent(4) { 1 - company } else { company };
        pick(&mut self.chance, &self.users[company])
    }

    fn ring_plan(&mut self, call: &CallInfo, shape: usize) -> RingPlan {
        let several = 2 + self.chance.below(2);
        let (steps, wide) = match shape {
            1 => (1, several),
            2 => (several, 1),
            _ => (1, 1),
        };
        let mut plan = RingPlan {
            steps: Vec::new(),
            handling: Handling::TenantDefault,
            media: if self.chance.percent(self.taste.direct_media) {
                MediaPath::Direct
            } else {
                MediaPath::TenantDefault
            },
            header_ops: vec![HeaderOp::Add(Header { name: "X-Sim".to_owned(), value: "yes".to_owned() })],
            max_duration: self.chance.percent(self.taste.max_duration).then(|| self.chance.millis(3_000, 40_000)),
            attrs: Vec::new(),
        };
        for _ in 0..steps {
            let ring_timeout = self.ring_timeout();
            self.note_ring(call.call, ring_timeout);
            let targets: Vec<Target> = (0..wide).map(|_| self.target(call)).collect();
            if targets.iter().any(|t| matches!(t.to, Endpoint::Trunk { .. })) {
                // The servers before the one that rang took their time out of the step's.
                let silence = self.carrier.as_ref().map(CarrierPlan::longest_silence).unwrap_or_default();
                self.note_ring(call.call, ring_timeout.saturating_sub(silence));
            }
            plan.steps.push(RingStep { targets, ring_timeout, advance_on: Vec::new() });
        }
        plan
    }

    fn target(&mut self, call: &CallInfo) -> Target {
        let liked = self.carrier.as_ref().map_or(0, |carrier| carrier.liked);
        if liked > 0 && self.chance.percent(liked) {
            let to =
                Endpoint::Trunk { name: carriers::NAME.to_owned(), number: self.somebody(call), prefix: String::new() };
            return Target { to, caller_id: None, header_ops: Vec::new() };
        }
        let to = match self.chance.percent(2) {
            true => Endpoint::Uri(format!("sip:nobody@{NOWHERE}")),
            false => Endpoint::Account(self.somebody(call)),
        };
        Target { to, caller_id: None, header_ops: Vec::new() }
    }
}

fn company_of(call: &CallInfo) -> usize {
    usize::from(call.company.0 == 2)
}

fn pick(chance: &mut Chance, from: &[String]) -> String {
    from.get(chance.below(from.len() as u64) as usize).cloned().unwrap_or_default()
}

fn prompts(c: &mut Chance) -> Vec<Prompt> {
    match c.below(3) {
        0 => vec![Prompt::Tone("beep".to_owned())],
        1 => vec![Prompt::SilenceMs(c.below(900) as u32), Prompt::Tone("beep".to_owned())],
        _ => vec![Prompt::File("missing".to_owned())],
    }
}

fn record(c: &mut Chance) -> RecordSpec {
    let silence_end = c.percent(30).then(|| c.millis(500, 3_000));
    let channels = Channels::ALL[c.below(3) as usize];
    RecordSpec { channels, silence_end, max: Some(c.millis(100, 15_000)), stop_on: "#".to_owned() }
}

/// A verb about the sound of the caller's leg; its room is the call's own.
fn sound(c: &mut Chance, caller: LegHandle, call: CallId) -> AppVerb {
    let tone = |name: &str| Prompt::Tone(name.to_owned());
    let room = call.to_string();
    match c.below(9) {
        0 => AppVerb::Record(caller, record(c)),
        1 => AppVerb::RecordStart(caller, record(c)),
        2 => AppVerb::RecordPause(caller, c.percent(50)),
        3 => AppVerb::RecordStop(caller),
        4 => AppVerb::Listen(
            caller,
            ListenSpec { beep: c.percent(50), silence: Some(c.millis(200, 2_000)), max: c.millis(100, 6_000) },
        ),
        5 => AppVerb::Press(caller, "12#".to_owned()),
        6 => AppVerb::Music(caller, if c.percent(50) { vec![tone("ring@gb")] } else { Vec::new() }),
        7 => AppVerb::Playback(
            caller,
            PlaybackSpec {
                prompts: vec![tone("info"), tone("beep")],
                from: c.millis(0, 3_000),
                stop_on: "#".to_owned(),
                pause: None,
                back: Some('1'),
                forward: Some('2'),
                again: Some('3'),
                step: c.millis(0, 2_000),
            },
        ),
        _ if c.percent(30) => AppVerb::Leave(caller),
        _ => {
            let (muted, deaf, stop_on) = (c.percent(20), c.percent(20), "*1".to_owned());
            let max = Some(c.millis(100, 8_000));
            AppVerb::Confer(caller, ConferSpec { room, muted, deaf, gain: 256, stop_on, max })
        }
    }
}

fn collect(c: &mut Chance) -> CollectSpec {
    CollectSpec {
        prompts: if c.percent(50) { vec![Prompt::Tone("beep".to_owned())] } else { Vec::new() },
        min_digits: 1,
        max_digits: 1 + c.below(3) as u32,
        terminators: "#".to_owned(),
        first_digit: c.millis(500, 6_000),
        inter_digit: c.millis(500, 3_000),
    }
}
