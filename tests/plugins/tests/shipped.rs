//! The shipped plugins do what they say.
#![allow(clippy::expect_used)]

use core::time::Duration;
use model::{
    AppError, AppOutcome, AppReply, AppVerb, Bridged, Cause, CauseInfo, Collected, Decision, Endpoint, LegHandle,
    MediaPath, Prompt, RingPlan,
};
use plugin::Point;
use plugin_tests::{Engine, OTHER, ask, ask_for, bind, host};

const CALLER: LegHandle = LegHandle(0);

fn account(name: &str) -> Endpoint {
    Endpoint::Account(name.to_owned())
}

fn plan(decision: Option<Decision>) -> Option<RingPlan> {
    match decision {
        Some(Decision::Connect(plan)) => Some(plan),
        _ => None,
    }
}

fn target(decision: Option<Decision>) -> Option<Endpoint> {
    plan(decision).map(|p| p.steps[0].targets[0].to.clone())
}

#[tokio::test]
async fn extensions_routes_by_extension_account_and_ddi_of_the_calling_company() {
    let host = host();
    let artifact = host.compile(shipped::EXTENSIONS).expect("compiles");
    host.set_bindings(vec![bind(1, "extensions", Point::Router, &artifact, "{}")]).expect("bound");
    for (dialled, endpoint) in [
        ("1002", Some(account("1002"))),
        ("7", Some(account("1002"))),
        ("+442079460000", Some(account("1002"))),
        ("442079460000", Some(account("1002"))),
        ("1003", None),
        ("+15550001111", None),
        ("2000", None),
        ("bob", None),
        ("", None),
    ] {
        let answer = ask(&host, dialled).await;
        assert!(!answer.failed, "{dialled}: {answer:?}");
        assert_eq!(target(answer.decision), endpoint, "{dialled}");
    }
    assert_eq!(target(ask_for(&host, OTHER, "2000").await.decision), Some(account("bob")));
    let answer = ask(&host, "100").await;
    assert_eq!(answer.decision, Some(Decision::App { name: "attendant".to_owned(), args: vec![] }));
    assert_eq!(answer.hooks[0].outcome, "app");
    assert_eq!(answer.hooks[0].plugin, "extensions@0.1.0");
}

#[tokio::test]
async fn extensions_obeys_its_configuration() {
    let host = host();
    let artifact = host.compile(shipped::EXTENSIONS).expect("compiles");
    let config = r#"{ "ring_timeout_s": 12, "media": "direct",
        "static": { "9*": "sip:{number}@192.0.2.7:5060", "99*": "sip:x@192.0.2.8", "911": "sip:sos@192.0.2.9",
                    "0*": ["trunk:carrier/+49{rest}", "trunk:backup"] } }"#;
    host.set_bindings(vec![bind(1, "extensions", Point::Router, &artifact, config)]).expect("bound");
    for (dialled, uri) in
        [("9123", "sip:9123@192.0.2.7:5060"), ("9912", "sip:x@192.0.2.8"), ("911", "sip:sos@192.0.2.9")]
    {
        let plan = plan(ask(&host, dialled).await.decision).expect("a plan");
        assert_eq!(plan.steps[0].targets[0].to, Endpoint::Uri(uri.to_owned()));
        assert_eq!((plan.media, plan.steps[0].ring_timeout), (MediaPath::Direct, Duration::from_secs(12)));
    }
    let in_turn = plan(ask(&host, "030123").await.decision).expect("a plan");
    let to: Vec<&Endpoint> = in_turn.steps.iter().map(|step| &step.targets[0].to).collect();
    let trunk = |name: &str, number: &str| Endpoint::Trunk { name: name.to_owned(), number: number.to_owned() };
    assert_eq!(to, [&trunk("carrier", "+4930123"), &trunk("backup", "030123")]);
    host.set_bindings(vec![bind(1, "extensions", Point::Router, &artifact, r#"{"oops":1}"#)]).expect("bound");
    let answer = ask(&host, "7").await;
    assert!(answer.hooks[0].outcome.starts_with("err: invalid-argument: config"), "{answer:?}");
}

fn digit(digits: &str) -> Result<AppReply, AppError> {
    let timed_out = digits.is_empty();
    Ok(AppReply::Collected(Collected { digits: digits.to_owned(), terminator: None, timed_out }))
}

fn is_collect(verb: &AppVerb) -> bool {
    matches!(verb, AppVerb::Collect(CALLER, spec)
        if spec.prompts == [Prompt::File("attendant-menu".to_owned())] && spec.max_digits == 1)
}

fn plays<'a>(name: &'a str) -> impl FnOnce(&AppVerb) -> bool + 'a {
    move |verb| matches!(verb, AppVerb::Play(CALLER, p, _) if *p == [Prompt::File(name.to_owned())])
}

fn hung_up(cause: Cause) -> AppError {
    AppError::HungUp(CauseInfo::local(cause))
}

async fn attendant() -> (plugin::Host, Engine) {
    let host = host();
    let artifact = host.compile(shipped::ATTENDANT).expect("compiles");
    let config = r#"{ "digits": { "1": "1001", "2": "7" } }"#;
    host.set_bindings(vec![bind(1, "attendant", Point::App, &artifact, config)]).expect("bound");
    let mut engine = Engine::start(&host, "attendant");
    engine.expect(|v| *v == AppVerb::Answer(CALLER, vec![]), Ok(AppReply::Done)).await;
    (host, engine)
}

#[tokio::test]
async fn the_attendant_dials_what_a_digit_stands_for_and_bridges() {
    let (host, mut engine) = attendant().await;
    engine.expect(is_collect, digit("2")).await;
    let (request, verb) = engine.verb().await;
    let AppVerb::Dial(CALLER, spec) = verb else { panic!("{verb:?}") };
    assert_eq!((spec.targets, spec.ring_timeout), (vec!["1002".to_owned()], Duration::from_secs(20)));
    assert_eq!(spec.ringback, [Prompt::Tone("ring".to_owned())]);
    host.app_reply(engine.app, request, Ok(Engine::leg(1)));
    let bridged = Bridged { ended_by: "a".to_owned(), duration: Duration::from_secs(9), cause: None };
    let bridges = |v: &AppVerb| matches!(v, AppVerb::Bridge(CALLER, LegHandle(1), _));
    engine.expect(bridges, Ok(AppReply::Bridged(bridged))).await;
    engine.expect(|v| *v == AppVerb::Hangup(LegHandle(1)), Ok(AppReply::Done)).await;
    engine.expect(|v| *v == AppVerb::Hangup(CALLER), Err(hung_up(Cause::NormalClearing))).await;
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));
}

#[tokio::test]
async fn the_attendant_repeats_after_busy_and_wrong_keys_and_says_goodbye() {
    let (_host, mut engine) = attendant().await;
    engine.expect(is_collect, digit("1")).await;
    engine.expect(|v| matches!(v, AppVerb::Dial(..)), Err(hung_up(Cause::Busy))).await;
    engine.expect(plays("attendant-busy"), Ok(AppReply::Played(None))).await;
    engine.expect(is_collect, digit("9")).await;
    engine.expect(plays("attendant-invalid"), Ok(AppReply::Played(None))).await;
    engine.expect(is_collect, digit("")).await;
    engine.expect(plays("attendant-invalid"), Ok(AppReply::Played(None))).await;
    engine.expect(plays("goodbye"), Ok(AppReply::Played(None))).await;
    engine.expect(|v| *v == AppVerb::Hangup(CALLER), Ok(AppReply::Done)).await;
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_the_attendant_wherever_it_is() {
    let (host, mut engine) = attendant().await;
    engine.expect(is_collect, Err(hung_up(Cause::NormalClearing))).await;
    let Ok(AppOutcome::Err(AppError::HungUp(cause))) = engine.ended().await else { panic!("not hung up") };
    assert_eq!(cause.cause, Cause::NormalClearing);

    let mut engine = Engine::start(&host, "attendant");
    engine.expect(|v| matches!(v, AppVerb::Answer(..)), Ok(AppReply::Done)).await;
    engine.expect(is_collect, digit("1")).await;
    engine.expect(|v| matches!(v, AppVerb::Dial(..)), Err(hung_up(Cause::Cancelled))).await;
    engine.expect(plays("attendant-busy"), Err(hung_up(Cause::NormalClearing))).await;
    assert!(matches!(engine.ended().await, Ok(AppOutcome::Err(AppError::HungUp(_)))));
    assert_eq!(host.metrics().bindings[0].traps, 0);
}

#[tokio::test]
async fn the_echo_answers_beeps_and_echoes() {
    let host = host();
    let artifact = host.compile(shipped::ECHO).expect("compiles");
    host.set_bindings(vec![bind(1, "echo", Point::App, &artifact, r#"{"max_s":5}"#)]).expect("bound");
    let mut engine = Engine::start(&host, "echo");
    engine.expect(|v| matches!(v, AppVerb::Answer(..)), Ok(AppReply::Done)).await;
    let beep = |v: &AppVerb| matches!(v, AppVerb::Play(CALLER, p, _) if *p == [Prompt::Tone("beep".to_owned())]);
    engine.expect(beep, Ok(AppReply::Played(None))).await;
    engine.expect(|v| *v == AppVerb::Echo(CALLER, Duration::from_secs(5)), Err(hung_up(Cause::NormalClearing))).await;
    assert!(matches!(engine.ended().await, Ok(AppOutcome::Err(AppError::HungUp(_)))));
    assert_eq!(host.metrics().apps_live, 0);
}
