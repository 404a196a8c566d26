//! The shipped plugins do what they say.
#![allow(clippy::expect_used)]

use core::time::Duration;
use model::{
    AppError, AppOutcome, AppReply, AppVerb, Bridged, Cause, CauseInfo, Collected, Decision, Endpoint, LegHandle,
    MediaPath, Prompt, RingPlan,
};
use plugin::Point;
use plugin_tests::{BRAND, Engine, OTHER, ask, ask_for, bind, host, host_with};
use std::collections::BTreeSet;
use std::sync::Arc;

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
    let trunk = |name: &str, number: &str| Endpoint::Trunk {
        name: name.to_owned(),
        number: number.to_owned(),
        prefix: String::new(),
    };
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

/// What a bundle says fits what its component is, and its schema takes these configurations and not those.
fn bundled(artifact: &plugin::Artifact, manifest: &str, schema: &str, good: &[&str], bad: &[&str]) -> bundle::Manifest {
    let manifest = bundle::Manifest::parse(manifest).expect("a manifest");
    let points: BTreeSet<_> = manifest.provides.iter().map(|p| p.point.as_str()).collect();
    assert_eq!(points, artifact.points().iter().map(|p| p.name()).collect(), "the manifest tells the exports");
    let schema = bundle::Schema::parse(schema).expect("a schema");
    let faults = |config: &str| schema.faults(&serde_json::from_str(config).expect("JSON"));
    good.iter().for_each(|config| assert_eq!(faults(config), Vec::<bundle::Fault>::new(), "{config}"));
    bad.iter().for_each(|config| assert!(!faults(config).is_empty(), "{config}"));
    manifest
}

const CARRIERS: &str = r#""carriers":[{"trunk":"a","table":"rates-a"},{"trunk":"b","table":"rates-b"},
    {"trunk":"last","table":"rates-c","priority":9},{"trunk":"gone","table":"rates-x"}]"#;

fn lcr() -> (plugin::Host, impl Fn(&str)) {
    let host = host_with(|c| {
        for (name, rows) in [
            ("rates-a", "prefix,price\n44,0.01\n4420,0.05\n1,0.02\n33,1\n"),
            ("rates-b", "prefix,price,zone\n44,0.02,uk\n1,0.02,us\n49,free,de\n"),
            ("rates-c", "prefix,price\n44,0.001\n1,0.001\n"),
        ] {
            c.prefix_tables.set(BRAND, name, Some(Arc::new(tables::PrefixTable::from_csv(rows).expect("a table"))));
        }
    });
    let artifact = host.compile(shipped::LCR).expect("compiles");
    let good = format!("{{{CARRIERS}}}");
    let bad = ["{}", r#"{"carriers":[]}"#, r#"{"carriers":[{"trunk":"a"}]}"#];
    let manifest = bundled(&artifact, shipped::LCR_MANIFEST, shipped::LCR_SCHEMA, &[&good], &bad);
    let own = host.clone();
    let configure = move |more: &str| {
        let mut spec = bind(1, "lcr", Point::Router, &artifact, &format!("{{{CARRIERS}{more}}}"));
        spec.grants = manifest.needs.meet(&plugin::Grants::within());
        own.set_bindings(vec![spec]).expect("bound");
    };
    (host, configure)
}

fn trunks(decision: Option<Decision>) -> Vec<(String, String)> {
    let trunk = |step: &model::RingStep| {
        let to = &step.targets[0].to;
        let Endpoint::Trunk { name, number, .. } = to else { panic!("{to:?}") };
        (name.clone(), number.clone())
    };
    plan(decision).map(|p| p.steps.iter().map(trunk).collect()).unwrap_or_default()
}

#[tokio::test]
async fn the_cheapest_carrier_comes_first_by_the_longest_prefix_of_its_own_list() {
    let (host, configure) = lcr();
    configure(r#","country":"44""#);
    let names = |decision| trunks(decision).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(ask(&host, "+447700900000").await.decision), ["a", "b", "last"], "the price, but priority first");
    assert_eq!(names(ask(&host, "+442079460000").await.decision), ["b", "a", "last"], "4420 is dearer with a");
    for dialled in ["00442079460000", "02079460000"] {
        let numbers = trunks(ask(&host, dialled).await.decision);
        assert_eq!(numbers[0].1, "+442079460000", "{dialled}");
    }
    let answer = ask(&host, "+33140000000").await;
    assert_eq!(names(answer.decision.clone()), ["a"]);
    assert_eq!(plan(answer.decision).expect("a plan").attrs[0], ("lcr.price".to_owned(), "1".to_owned()));
    for (dialled, attrs) in [("7", 0), ("bob", 0), ("+", 0), ("+4930123456", 1), ("+81312345678", 1)] {
        let answer = ask(&host, dialled).await;
        assert!(answer.decision.is_none() && !answer.failed, "{dialled}: {answer:?}");
        assert_eq!(answer.attrs.len(), attrs, "{dialled}: {answer:?}");
    }
    configure(r#","max_price":0.015,"attempts":1"#);
    assert_eq!(names(ask(&host, "+447700900000").await.decision), ["a"]);
    assert!(ask(&host, "+33140000000").await.decision.is_none(), "too dear");
    assert!(ask(&host, "02079460000").await.decision.is_none(), "national numbers need a country");
}

#[tokio::test]
async fn equals_share_the_calls_by_weight() {
    let host = host_with(|c| {
        let table = tables::PrefixTable::from_csv("prefix,price\n1,0.02\n").expect("a table");
        c.prefix_tables.set(BRAND, "rates", Some(Arc::new(table)));
    });
    let artifact = host.compile(shipped::LCR).expect("compiles");
    let config = r#"{"carriers":[{"trunk":"a","table":"rates","weight":3},{"trunk":"b","table":"rates","weight":1}]}"#;
    let mut spec = bind(1, "lcr", Point::Router, &artifact, config);
    spec.grants.tables.insert("rates".to_owned());
    host.set_bindings(vec![spec]).expect("bound");
    let mut firsts = [0, 0];
    for _ in 0..400 {
        let order = trunks(ask(&host, "+12125550000").await.decision);
        assert_eq!(order.len(), 2);
        firsts[usize::from(order[0].0 == "b")] += 1;
    }
    // 300 and 100 on average; the call ids are the test's own, so this is the same each time but for their beginning.
    assert!(firsts[0] > 240 && firsts[1] > 50, "{firsts:?}");
}

#[tokio::test]
async fn screening_lets_pass_what_its_longest_pattern_allows() {
    let host = host();
    let artifact = host.compile(shipped::SCREENING).expect("compiles");
    let good = [r#"{"callers":{"block":["+44900*"]},"anonymous":"refuse"}"#, "{}"];
    let bad = [r#"{"anonymous":"perhaps"}"#, r#"{"callers":{"deny":[]}}"#, r#"{"numbers":{"allow":[1]}}"#];
    bundled(&artifact, shipped::SCREENING_MANIFEST, shipped::SCREENING_SCHEMA, &good, &bad);
    let status = |decision: Option<Decision>| match decision {
        Some(Decision::Refuse(refusal)) => refusal.sip,
        Some(Decision::Reroute { callee, .. }) => callee.parse().unwrap_or(1),
        None => 0,
        other => panic!("{other:?}"),
    };
    let with = |config: &str| host.set_bindings(vec![bind(1, "screening", Point::Router, &artifact, config)]);
    with(r#"{"numbers":{"allow":["+447*","+44900123","1*"],"block":["*","+447911*"]}}"#).expect("bound");
    for (dialled, expected) in
        [("+447700", 0), ("+447911123", 403), ("+44900123", 0), ("+44900", 403), ("101", 0), ("200", 403)]
    {
        assert_eq!(status(ask(&host, dialled).await.decision), expected, "{dialled}");
    }
    with(r#"{"callers":{"block":["1001"]}}"#).expect("bound");
    assert_eq!(status(ask(&host, "7").await.decision), 603, "the caller is 1001");
    with(r#"{"callers":{"block":["1*"],"allow":["1*"]}}"#).expect("bound");
    assert_eq!(status(ask(&host, "7").await.decision), 0, "of equals allow wins");
    with(r#"{"callers":{"block":["1001"]},"instead":"100"}"#).expect("bound");
    assert_eq!(status(ask(&host, "7").await.decision), 100);
    assert_eq!(status(ask(&host, "100").await.decision), 0, "and is not sent round in circles");
    with(r#"{"anonymous":"refuse"}"#).expect("bound");
    assert_eq!(status(ask(&host, "7").await.decision), 0, "an account is never nobody");
}

async fn conference(config: &str) -> (plugin::Host, Engine) {
    let host = host();
    let artifact = host.compile(shipped::CONFERENCE).expect("compiles");
    host.set_bindings(vec![bind(1, "conference", Point::App, &artifact, config)]).expect("bound");
    let mut engine = Engine::start(&host, "conference");
    engine.expect(|v| *v == AppVerb::Answer(CALLER, vec![]), Ok(AppReply::Done)).await;
    (host, engine)
}

fn beeps(verb: &AppVerb) -> bool {
    matches!(verb, AppVerb::Play(CALLER, p, _) if *p == [Prompt::Tone("beep".to_owned())])
}

fn sits(muted: bool) -> impl FnOnce(&AppVerb) -> bool {
    move |verb| matches!(verb, AppVerb::Confer(CALLER, spec) if spec.room == "sales" && spec.muted == muted && spec.gain == 256)
}

fn floor(ended_by: &str) -> Result<AppReply, AppError> {
    let digit = (ended_by == "digit").then(|| "*".to_owned());
    Ok(AppReply::Conferred(model::Conferred { ended_by: ended_by.to_owned(), digit }))
}

#[tokio::test]
async fn the_conference_asks_for_its_pin_and_a_star_mutes() {
    let (_host, mut engine) = conference(r#"{ "room": "sales", "pin": "4711" }"#).await;
    let asks = |v: &AppVerb| matches!(v, AppVerb::Collect(CALLER, spec) if spec.max_digits == 16);
    engine.expect(asks, digit("1234")).await;
    engine.expect(asks, digit("4711")).await;
    engine.expect(beeps, Ok(AppReply::Played(None))).await;
    engine.expect(sits(false), floor("digit")).await;
    engine.expect(beeps, Ok(AppReply::Played(None))).await;
    engine.expect(sits(true), floor("removed")).await;
    engine.expect(|v| matches!(v, AppVerb::Play(CALLER, ..)), Ok(AppReply::Played(None))).await;
    engine.expect(|v| *v == AppVerb::Hangup(CALLER), Ok(AppReply::Done)).await;
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));
}

#[tokio::test]
async fn the_conference_lets_nobody_in_without_the_pin() {
    let (_host, mut engine) = conference(r#"{ "room": "sales", "pin": "4711" }"#).await;
    for _ in 0..3 {
        engine.expect(|v| matches!(v, AppVerb::Collect(..)), digit("0")).await;
    }
    engine.expect(|v| matches!(v, AppVerb::Play(CALLER, ..)), Ok(AppReply::Played(None))).await;
    engine.expect(|v| *v == AppVerb::Hangup(CALLER), Ok(AppReply::Done)).await;
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));
}

fn done(name: &str) -> model::RecordingDone {
    let ended_by = "stopped".to_owned();
    model::RecordingDone { name: name.to_owned(), length: Duration::from_secs(2), ended_by, digit: None }
}

#[tokio::test]
async fn every_verb_about_sound_reaches_the_switch_as_it_was_said() {
    let host = host();
    let artifact = host.compile(plugin_tests::STUDIO).expect("compiles");
    host.set_bindings(vec![bind(1, "studio", Point::App, &artifact, "{}")]).expect("bound");
    let mut engine = Engine::start(&host, "studio");
    engine.expect(|v| matches!(v, AppVerb::Answer(..)), Ok(AppReply::Done)).await;
    let stereo = |v: &AppVerb| matches!(v, AppVerb::RecordStart(CALLER, s) if s.channels == model::Channels::Stereo);
    engine.expect(stereo, Ok(AppReply::Recording("one".to_owned()))).await;
    let music = AppVerb::Music(CALLER, vec![Prompt::File("hold".to_owned())]);
    engine.expect(|v| *v == music, Ok(AppReply::Done)).await;
    engine.expect(|v| *v == AppVerb::Press(CALLER, "12#".to_owned()), Ok(AppReply::Done)).await;
    engine.expect(|v| *v == AppVerb::RecordPause(CALLER, true), Ok(AppReply::Done)).await;
    let spec = model::PlaybackSpec {
        prompts: vec![
            Prompt::Digits { pack: "en".to_owned(), text: "4711".to_owned() },
            Prompt::Number { pack: "en".to_owned(), value: 42 },
        ],
        from: Duration::from_millis(500),
        stop_on: "#".to_owned(),
        pause: Some('2'),
        back: Some('1'),
        forward: Some('3'),
        again: Some('0'),
        step: Duration::from_secs(2),
    };
    let left = model::PlayedTo { digit: None, position: Duration::from_millis(900) };
    engine.expect(|v| *v == AppVerb::Playback(CALLER, spec), Ok(AppReply::PlayedTo(left))).await;
    let (silence, max) = (Some(Duration::from_millis(1_500)), Duration::from_secs(30));
    let listen = AppVerb::Listen(CALLER, model::ListenSpec { beep: true, silence, max });
    engine.expect(|v| *v == listen, Ok(AppReply::Sounded(model::Sounded::Beep(1_000)))).await;
    engine.expect(|v| *v == AppVerb::RecordStop(CALLER), Ok(AppReply::Recorded(done("one")))).await;
    let message = |v: &AppVerb| {
        let AppVerb::Record(CALLER, spec) = v else { return false };
        let times = (spec.silence_end, spec.max);
        spec.stop_on == "#" && times == (Some(Duration::from_secs(3)), Some(Duration::from_secs(60)))
    };
    engine.expect(message, Ok(AppReply::Recorded(done("two")))).await;
    let member = model::RoomMember {
        call: model::CallId(7),
        leg: LegHandle(1),
        party: "1002".to_owned(),
        since: model::Instant::from_unix_nanos(0),
        muted: false,
        deaf: false,
        gain: 256,
        speaking: true,
    };
    let room = "studio".to_owned();
    engine.expect(|v| *v == AppVerb::Members(room.clone()), Ok(AppReply::Members(vec![member]))).await;
    let set = model::MemberChange::Set { muted: true, deaf: false, gain: 256 };
    let change = |what| AppVerb::Member(room.clone(), model::CallId(7), LegHandle(1), what);
    engine.expect(|v| *v == change(set), Ok(AppReply::Done)).await;
    engine.expect(|v| *v == change(model::MemberChange::Remove), Ok(AppReply::Done)).await;
    let sits = |v: &AppVerb| {
        let AppVerb::Confer(CALLER, spec) = v else { return false };
        let limits = (spec.deaf, spec.gain, spec.max);
        spec.room == "one two 900" && limits == (true, 128, Some(Duration::from_secs(60)))
    };
    engine.expect(sits, floor("max")).await;
    engine.expect(|v| *v == AppVerb::Leave(CALLER), Ok(AppReply::Done)).await;
    engine.expect(|v| *v == AppVerb::Hangup(CALLER), Ok(AppReply::Done)).await;
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));
}
