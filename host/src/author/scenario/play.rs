//! One scenario, step by step, or one that goes astray.

use super::form::{Reply, Scenario, Step};
use super::world::{Failed, World};
use super::{asked, filter, reply, view};
use core::time::Duration;
use model::{
    Answer, AppError, AppFailure, AppId, AppOutcome, AppReply, AppStart, AppVerb, CallInfo, Cause, CauseInfo, Question,
    QuestionKind, RequestId, Ticket, Told,
};
use plugin::AppMessage;
use serde_saphyr::Spanned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// So long a guest may take for what takes microseconds; a scenario never waits for time to pass.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const APP: AppId = AppId(1);

/// A call app under way, with the call engine's side of it.
pub(super) struct Script {
    requests: UnboundedReceiver<AppMessage>,
    _keep: UnboundedSender<AppMessage>,
    call: CallInfo,
    legs: u16,
}

/// What it says next.
pub(super) enum Said {
    Verb(RequestId, AppVerb),
    Ended(Result<AppOutcome, AppFailure>),
}

impl Script {
    pub(super) fn start(world: &World, scenario: &Scenario, name: &str) -> Script {
        let (keep, requests) = unbounded_channel();
        let call = world.call(1, None, None);
        let args = scenario.args.clone().into_iter().collect();
        let start = AppStart { name: name.to_owned(), args, call: call.clone() };
        world.host.start_app(APP, start, world.directory.clone(), keep.clone());
        Script { requests, _keep: keep, call, legs: 0 }
    }

    pub(super) async fn next(&mut self) -> Result<Said, String> {
        let said = tokio::time::timeout(PATIENCE, self.requests.recv()).await;
        match said {
            Ok(Some(AppMessage::Request { request, verb, .. })) => Ok(Said::Verb(request, verb)),
            // Nobody is at the other end of a line here.
            Ok(Some(AppMessage::Fork { .. })) => Err("a line spoke".to_owned()),
            Ok(Some(AppMessage::Ended { outcome, .. })) => Ok(Said::Ended(outcome)),
            Ok(None) => Err("the plugin host is gone".to_owned()),
            Err(_) => Err(format!("the plugin says nothing for {} s", PATIENCE.as_secs())),
        }
    }

    /// Answers a verb; the clock goes on.
    pub(super) fn reply(
        &mut self,
        world: &World,
        (request, verb): (RequestId, &AppVerb),
        says: &Reply,
    ) -> Result<(), String> {
        let result = reply::to(verb, says, &self.call, &mut self.legs)?;
        world.clock.pass(reply::takes(verb, says));
        self.answer(world, request, result);
        Ok(())
    }

    pub(super) fn answer(&self, world: &World, request: RequestId, result: Result<AppReply, AppError>) {
        world.host.app_reply(APP, request, result);
    }
}

/// What went wrong inside, in words.
pub(super) fn failure(failure: &AppFailure) -> String {
    match failure {
        AppFailure::NotBound => "the plugin is no call app".to_owned(),
        AppFailure::Saturated => "no instance could be had".to_owned(),
        AppFailure::Trapped(why) => format!("it trapped: {why}"),
        AppFailure::Timeout => "it used more time than it may".to_owned(),
    }
}

/// Runs a scenario to its end.
pub(super) async fn play(world: &World, scenario: &Scenario, name: &str) -> Result<(), Failed> {
    let mut script: Option<Script> = None;
    let mut over: Option<Result<AppOutcome, AppFailure>> = None;
    for (at, step) in scenario.steps.iter().enumerate() {
        let line = step.referenced.line();
        let failed = |text: String| Failed { line, text: format!("step {}: {text}", at + 1) };
        world.clock.pass(step.value.wait_ms);
        if step.value.ask.is_some() {
            ask(world, &step.value, at).await.map_err(failed)?;
        } else if let Some(kind) = &step.value.tell {
            tell(world, &step.value, kind).await.map_err(failed)?;
        } else if let Some(wanted) = &step.value.expect {
            if let Some(outcome) = &over {
                return Err(failed(format!("expected {wanted}, but {}", ended(outcome))));
            }
            let script = script.get_or_insert_with(|| Script::start(world, scenario, name));
            over = verb(world, script, (&step.value, wanted.as_str())).await.map_err(failed)?;
        } else if step.value.wait_ms == 0 {
            return Err(failed("a step expects, asks, tells or waits".to_owned()));
        }
        if let Some(why) = world.strange_request() {
            return Err(failed(why));
        }
    }
    if let Some(mut script) = script {
        finish(&mut script, over, scenario).await?;
    }
    // What a script does after its last verb, too.
    if let Some(why) = world.strange_request().or_else(|| world.missing_mail()) {
        return Err(why.into());
    }
    kept(world, scenario)
}

fn ended(outcome: &Result<AppOutcome, AppFailure>) -> String {
    match outcome {
        Ok(outcome) => view::outcome(outcome),
        Err(why) => failure(why),
    }
}

/// One verb; gives how the app ended if it did so instead.
async fn verb(
    world: &World,
    script: &mut Script,
    (step, wanted): (&Step, &str),
) -> Result<Option<Result<AppOutcome, AppFailure>>, String> {
    let (request, verb) = match script.next().await? {
        Said::Verb(request, verb) => (request, verb),
        Said::Ended(outcome) if wanted == "end" => return Ok(Some(outcome)),
        Said::Ended(outcome) => return Err(format!("expected {wanted}, but {}", ended(&outcome))),
    };
    let shown = view::verb(&verb);
    if shown.0 != wanted {
        return Err(format!("expected {wanted}, the plugin asks for {}", view::words(&shown)));
    }
    view::holds(&shown.1, &step.with).map_err(|why| format!("{wanted}: {why}"))?;
    script.reply(world, (request, &verb), &step.reply)?;
    Ok(None)
}

/// After the last step the app must end.
async fn finish(
    script: &mut Script,
    over: Option<Result<AppOutcome, AppFailure>>,
    scenario: &Scenario,
) -> Result<(), Failed> {
    let line = scenario.ends.as_ref().map_or(0, |ends| ends.referenced.line());
    let failed = |text: String| Failed { line, text: format!("after the last step: {text}") };
    let outcome = match over {
        Some(outcome) => outcome,
        None => match script.next().await.map_err(failed)? {
            Said::Ended(outcome) => outcome,
            Said::Verb(_, verb) => {
                return Err(failed(format!("the plugin asks for {}", view::words(&view::verb(&verb)))));
            }
        },
    };
    let outcome = outcome.map_err(|why| failed(failure(&why)))?;
    let Some(wanted) = scenario.ends.as_ref().map(|ends| &ends.value) else { return Ok(()) };
    let fits = match (&outcome, &wanted.error) {
        (AppOutcome::Returned(status), None) => *status == wanted.status,
        (AppOutcome::Err(error), Some(name)) => view::error(error) == name,
        (AppOutcome::Returned(_), Some(_)) | (AppOutcome::Err(_), None) => false,
    };
    if fits { Ok(()) } else { Err(failed(format!("expected another end, but {}", view::outcome(&outcome)))) }
}

fn kept(world: &World, scenario: &Scenario) -> Result<(), Failed> {
    if let Some(after) = &scenario.wallet_after {
        let (balance, reserved) = world.wallet().unwrap_or_default();
        for (what, wanted, found) in
            [("balance", &after.value.balance, balance), ("reserved", &after.value.reserved, reserved)]
        {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| **wanted != found) {
                let text = format!("wallet-after: {what} is {found}, expected {wanted}");
                return Err(Failed { line: after.referenced.line(), text });
            }
        }
    }
    for (bucket, keys) in &scenario.kv_after {
        for (key, wanted) in keys {
            check_kept(world, (bucket.as_str(), key.as_str()), wanted)?;
        }
    }
    Ok(())
}

fn check_kept(world: &World, (bucket, key): (&str, &str), wanted: &Spanned<Option<String>>) -> Result<(), Failed> {
    let found = world.kept(bucket, key);
    if found == wanted.value {
        return Ok(());
    }
    let shown = |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".to_owned(), |v| format!("{v:?}"));
    let text = format!("kv {bucket}/{key} is {}, expected {}", shown(&found), shown(&wanted.value));
    Err(Failed { line: wanted.referenced.line(), text })
}

/// Asks a hook.
async fn ask(world: &World, step: &Step, at: usize) -> Result<(), String> {
    let number = step.call.unwrap_or_else(|| u32::try_from(at).unwrap_or_default() + 1_000);
    if step.ask.as_deref() == Some("filter") {
        return filter::ask(world, step, number).await;
    }
    if step.ask.as_deref().is_some_and(|kind| asked::ASKED.contains(&kind)) {
        return asked::ask(world, step, number).await;
    }
    let call = world.call(number, step.from.as_deref(), step.to.as_deref());
    let answer = question(world, call, step).await?;
    if answer.failed {
        let why: Vec<&str> = answer.hooks.iter().map(|h| h.outcome.as_str()).collect();
        return Err(format!("the plugin failed: {}", why.join(", ")));
    }
    let shown = view::decision(answer.decision.as_ref());
    if let Some(wanted) = &step.expect {
        if shown.0 != wanted {
            let why = answer.hooks.iter().map(|h| h.outcome.as_str()).collect::<Vec<_>>().join(", ");
            return Err(format!("expected {wanted}, it decided {} ({why})", view::words(&shown)));
        }
        view::holds(&shown.1, &step.with).map_err(|why| format!("{wanted}: {why}"))?;
    }
    Ok(())
}

/// Asks the chain of this one plugin.
pub(super) async fn question(world: &World, call: CallInfo, step: &Step) -> Result<Answer, String> {
    let kind = match step.ask.as_deref() {
        // A star code goes to the feature by itself.
        Some("route" | "feature") => QuestionKind::Route,
        Some("exhausted") => {
            let cause = |code: &String| {
                let cause = Cause::from_code(code).ok_or_else(|| format!("{code} is no cause"))?;
                Ok::<_, String>((call.callee.user.clone(), CauseInfo::local(cause)))
            };
            QuestionKind::Exhausted(step.tried.iter().map(cause).collect::<Result<_, _>>()?)
        }
        Some(other) => {
            return Err(format!("ask: {other}: route, exhausted, feature, filter, {}", asked::ASKED.join(", ")));
        }
        None => return Err("ask".to_owned()),
    };
    let deadline = model::Instant::from_unix_nanos(0);
    let question = Question { ticket: Ticket(1), deadline, call, kind };
    let asked = tokio::time::timeout(PATIENCE, world.host.ask(question, world.directory.clone())).await;
    asked.map_err(|_| "the plugin says nothing".to_owned())
}

/// Tells an event, and waits until it is taken.
async fn tell(world: &World, step: &Step, kind: &str) -> Result<(), String> {
    let call = world.call(step.call.unwrap_or(1), step.from.as_deref(), step.to.as_deref());
    let (kind, attrs) = match kind {
        "call-started" => {
            ("call-started", vec![("caller", call.caller.user.clone()), ("callee", call.callee.user.clone())])
        }
        "call-answered" => ("call-answered", Vec::new()),
        "call-ended" => ("call-ended", vec![("cause", "normal-clearing".to_owned())]),
        other => return Err(format!("tell: {other}: call-started, call-answered or call-ended")),
    };
    let (brand, company) = (call.brand, call.company);
    let told = Told { kind, at: call.received_at, call: Some(call.call), brand, company, attrs };
    if !world.host.listens(brand, company) {
        return Err("the plugin is no event sink".to_owned());
    }
    world.host.tell(&told, &world.directory);
    let taken = async {
        loop {
            let figures: Vec<_> = world.host.metrics().bindings.iter().map(|b| b.events.waiting).collect();
            if figures.iter().all(|waiting| *waiting == 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.map_err(|_| "the event is not taken".to_owned())
}
