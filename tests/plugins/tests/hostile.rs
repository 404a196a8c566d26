//! A hostile plugin hurts its own call only: the default verdict comes within the deadline, and others never wait for
//! it. No test here is decided by a time tighter than the deadline itself.
#![allow(clippy::expect_used)]

use core::time::Duration;
use model::{AppError, AppFailure, AppOutcome, AppReply, AppVerb, Cause, CauseInfo, Decision};
use plugin::{BindingSpec, Host, Point};
use plugin_tests::{ACME, Engine, HOSTILE, OTHER, ask, ask_for, bind, deed, host, host_with, until};
use std::sync::Mutex;
use std::time::Instant;

fn refused(decision: &Option<Decision>) -> Option<&str> {
    match decision {
        Some(Decision::Refuse(r)) => Some(&r.reason),
        _ => None,
    }
}

#[tokio::test]
async fn every_failure_has_its_name_and_leaves_the_default_verdict() {
    for (what, says) in [
        ("spin", "timeout"),
        ("hog", "trap: wasm `unreachable` instruction executed"),
        ("recurse", "trap: "),
        ("trap", "trap: wasm `unreachable` instruction executed"),
        ("nonsense", "invalid: target: account"),
        ("smuggle", "invalid: header value"),
    ] {
        let host = host();
        host.set_bindings(vec![deed(&host, 1, "bad", what)]).expect("bound");
        let began = Instant::now();
        let answer = ask(&host, "7").await;
        assert!(began.elapsed() < Duration::from_secs(60), "{what} took {:?}", began.elapsed());
        assert_eq!((answer.decision, answer.failed), (None, true), "{what}");
        let outcome = &answer.hooks[0].outcome;
        assert!(outcome.starts_with(says), "{what}: {outcome}");
        until(|| host.live_instances().is_empty()).await;
    }
}

#[tokio::test]
async fn a_late_answer_is_the_default_verdict_within_the_deadline() {
    let host = host_with(|c| {
        c.limits.route_deadline_ms = 100;
        c.hook_cpu = Duration::from_secs(30);
    });
    let artifact = host.compile(HOSTILE).expect("compiles");
    let config = r#"{"do":"late","ms":60000}"#;
    host.set_bindings(vec![bind(1, "late", Point::Router, &artifact, config)]).expect("bound");
    let began = Instant::now();
    let answer = ask(&host, "7").await;
    assert_eq!((answer.decision, answer.failed), (None, true));
    assert_eq!(answer.hooks[0].outcome, "timeout");
    assert!(began.elapsed() >= Duration::from_millis(90), "nine tenths of the deadline");
}

#[tokio::test]
async fn the_next_of_the_chain_decides_after_a_failure() {
    let host = host();
    let bindings =
        vec![deed(&host, 1, "spins", "spin"), deed(&host, 2, "traps", "trap"), deed(&host, 3, "ok", "refuse")];
    host.set_bindings(bindings).expect("bound");
    let answer = ask(&host, "7").await;
    assert_eq!(refused(&answer.decision), Some("ok"));
    assert!(answer.failed);
    let outcomes: Vec<_> = answer.hooks.iter().map(|h| (h.binding.as_str(), &h.outcome[..4])).collect();
    assert_eq!(outcomes, [("spins", "time"), ("traps", "trap"), ("ok", "refu")]);
}

#[tokio::test]
async fn others_are_answered_while_a_loop_spins_on_the_only_thread() {
    let host = host_with(|c| {
        c.hook_cpu = Duration::from_secs(40);
    });
    let mut spin = deed(&host, 1, "spins", "spin");
    spin.scope.company = Some(OTHER);
    let mut good = deed(&host, 2, "good", "refuse");
    good.scope.company = Some(ACME);
    host.set_bindings(vec![spin, good]).expect("bound");
    let spinner = tokio::spawn({
        let host = host.clone();
        async move { ask_for(&host, OTHER, "7").await }
    });
    until(|| !host.live_instances().is_empty()).await;
    for _ in 0..50 {
        assert_eq!(refused(&ask(&host, "7").await.decision), Some("good"));
    }
    assert!(!spinner.is_finished(), "it spun no more: {:?}", spinner.await);
    spinner.abort();
}

#[tokio::test]
async fn a_full_pool_is_an_answer_at_once_and_ends_with_its_cause() {
    let host = host_with(|c| {
        c.hooks_max = 2;
        c.hook_cpu = Duration::from_secs(2);
    });
    host.set_bindings(vec![deed(&host, 1, "spins", "spin")]).expect("bound");
    let spawn = |host: &Host| {
        let host = host.clone();
        tokio::spawn(async move { ask(&host, "7").await })
    };
    let spinners = [spawn(&host), spawn(&host)];
    until(|| host.metrics().hooks_live == 2).await;
    assert_eq!(ask(&host, "7").await.hooks[0].outcome, "saturated");
    for spinner in spinners {
        assert_eq!(spinner.await.expect("joined").hooks[0].outcome, "timeout");
    }
    host.set_bindings(vec![deed(&host, 1, "good", "refuse")]).expect("bound");
    assert_eq!(refused(&ask(&host, "7").await.decision), Some("good"));
}

#[tokio::test]
async fn a_plugin_that_keeps_failing_rests_and_a_new_version_of_it_does_not() {
    let host = host();
    host.set_bindings(vec![deed(&host, 1, "r", "trap")]).expect("bound");
    for _ in 0..5 {
        assert!(ask(&host, "7").await.hooks[0].outcome.starts_with("trap"));
    }
    let answer = ask(&host, "7").await;
    assert_eq!((answer.hooks[0].outcome.as_str(), answer.failed), ("tripped", true));
    let metrics = &host.metrics().bindings[0];
    assert_eq!((metrics.calls, metrics.traps, metrics.tripped, metrics.open), (5, 5, 1, true));
    let tripped = |host: &Host| host.state_of(model::BindingId(1)).expect("bound").tripped;
    let rests = tripped(&host).expect("it rests");
    let first_rest = Duration::from_secs(5);
    assert!(rests.probe_in <= first_rest && rests.since + rests.probe_in >= first_rest, "{rests:?}");
    assert_eq!(host.state_of(model::BindingId(2)), None, "nobody is bound by that number");
    host.set_bindings(vec![deed(&host, 1, "r", "refuse")]).expect("bound");
    assert_eq!(refused(&ask(&host, "7").await.decision), Some("r"));
    assert_eq!(tripped(&host), None);
}

#[tokio::test]
async fn floods_of_logs_and_series_are_cut_and_business_errors_are_no_failures() {
    let host = host_with(|c| c.hook_cpu = Duration::from_secs(10));
    host.set_bindings(vec![deed(&host, 1, "floods", "flood"), deed(&host, 2, "errs", "err")]).expect("bound");
    let answer = ask(&host, "7").await;
    assert!(!answer.failed, "{answer:?}");
    assert_eq!(answer.hooks[1].outcome, "err: not-found");
    let metrics = &host.metrics().bindings[0];
    assert_eq!((metrics.series.len(), metrics.log_dropped >= 9_000), (64, true));
}

#[tokio::test]
async fn nothing_is_remembered_from_one_question_to_the_next() {
    let host = host_with(|c| c.hooks_max = 1);
    host.set_bindings(vec![deed(&host, 1, "counts", "count")]).expect("bound");
    for _ in 0..20 {
        assert_eq!(refused(&ask(&host, "7").await.decision), Some("1"));
    }
}

#[tokio::test]
async fn another_companys_numbers_and_call_control_are_out_of_reach_of_a_router() {
    let host = host();
    host.set_bindings(vec![deed(&host, 1, "peeks", "peek")]).expect("bound");
    assert_eq!(refused(&ask(&host, "2000").await.decision), Some("None"));
    assert!(refused(&ask(&host, "7").await.decision).is_some_and(|r| r.contains("1002")));
    host.set_bindings(vec![deed(&host, 1, "dials", "dial")]).expect("bound");
    assert!(refused(&ask(&host, "7").await.decision).is_some_and(|r| r.contains("Denied")));
}

fn app(host: &Host, name: &str, what: &str) -> plugin::BindingSpec {
    let artifact = host.compile(HOSTILE).expect("compiles");
    bind(1, name, Point::App, &artifact, &format!(r#"{{"do":"{what}"}}"#))
}

fn answers(verb: &AppVerb) -> bool {
    matches!(verb, AppVerb::Answer(..))
}

#[tokio::test]
async fn an_app_that_never_returns_after_the_hang_up_is_dropped_and_says_nothing_more() {
    let host = host();
    host.set_bindings(vec![app(&host, "stays", "stay")]).expect("bound");
    let mut engine = Engine::start(&host, "stays");
    let gone = || Err(AppError::HungUp(CauseInfo::local(Cause::NormalClearing)));
    for _ in 0..20 {
        engine.expect(|v| matches!(v, AppVerb::Sleep(_)), gone()).await;
    }
    let _ = engine.verb().await;
    host.app_stop(engine.app);
    until(|| host.live_instances().is_empty() && host.metrics().apps_live == 0).await;
    assert!(engine.is_silent());
    host.app_reply(engine.app, model::RequestId(99), Ok(AppReply::Done));
    assert_eq!(host.metrics().stale_replies, 1);
}

#[tokio::test]
async fn an_app_that_spins_ends_with_timeout_and_one_that_is_stopped_while_it_spins_ends_at_once() {
    let host = host_with(|c| c.app_cpu = Duration::from_secs(2));
    host.set_bindings(vec![app(&host, "spins", "spin")]).expect("bound");
    let mut first = Engine::start(&host, "spins");
    let mut second = Engine::start(&host, "spins");
    first.expect(answers, Ok(AppReply::Done)).await;
    second.expect(answers, Ok(AppReply::Done)).await;
    host.app_stop(second.app);
    assert_eq!(first.ended().await, Err(AppFailure::Timeout));
    assert!(second.is_silent());
    until(|| host.live_instances().is_empty()).await;
}

#[tokio::test]
async fn parked_apps_go_on_while_another_spins_on_the_only_thread() {
    let host = host_with(|c| c.app_cpu = Duration::from_secs(60));
    let mut beeps = app(&host, "beeps", "beep");
    beeps.id = model::BindingId(2);
    host.set_bindings(vec![app(&host, "spins", "spin"), beeps]).expect("bound");
    let mut spins = Engine::start(&host, "spins");
    spins.expect(answers, Ok(AppReply::Done)).await;
    let mut good = Engine::start(&host, "beeps");
    good.expect(answers, Ok(AppReply::Done)).await;
    for _ in 0..50 {
        good.expect(|v| matches!(v, AppVerb::Play(..)), Ok(AppReply::Played(None))).await;
    }
    assert!(spins.is_silent(), "it still spins");
    host.app_stop(spins.app);
    host.app_stop(good.app);
}

#[tokio::test]
async fn apps_that_trap_decline_or_are_not_there_say_so() {
    let host = host();
    for (what, outcome) in [
        ("trap", Err(AppFailure::Trapped("wasm `unreachable` instruction executed".to_owned()))),
        ("hog", Err(AppFailure::Trapped("wasm `unreachable` instruction executed".to_owned()))),
    ] {
        host.set_bindings(vec![app(&host, "a", what)]).expect("bound");
        let mut engine = Engine::start(&host, "a");
        engine.expect(answers, Ok(AppReply::Done)).await;
        assert_eq!(engine.ended().await, outcome, "{what}");
    }
    for (what, outcome) in
        [("decline", Ok(AppOutcome::Returned(Some(486)))), ("err", Ok(AppOutcome::Err(AppError::NotFound)))]
    {
        host.set_bindings(vec![app(&host, "a", what)]).expect("bound");
        assert_eq!(Engine::start(&host, "a").ended().await, outcome, "{what}");
    }
    assert_eq!(Engine::start(&host, "nobody").ended().await, Err(AppFailure::NotBound));
    assert_eq!(host.metrics().apps_live, 0);
}

/// What this process logs from now on, at `warn` and above.
fn logged() -> &'static Mutex<Vec<u8>> {
    static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    struct Tee;
    impl std::io::Write for Tee {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            LINES.lock().expect("sound").extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_ansi(false).with_writer(|| Tee);
    lines.init();
    &LINES
}

#[tokio::test]
async fn an_app_that_ends_with_an_error_is_told_in_one_line_and_a_hang_up_is_not() {
    let (host, lines) = (host(), logged());
    let hung_up = CauseInfo::local(Cause::NormalClearing);
    let said = AppError::Unavailable("no room,\nsays hunter2-hunter2".to_owned());
    for (name, reply) in [
        ("leaves", AppError::HungUp(hung_up)),
        ("gives-way", AppError::Cancelled),
        ("fails", said),
        ("gone", AppError::NotFound),
    ] {
        let mut binding = app(&host, name, "beep");
        binding.secrets.insert("door".to_owned(), plugin::Secret::new("hunter2-hunter2".to_owned()));
        binding.grants.secrets.insert("door".to_owned());
        host.set_bindings(vec![binding]).expect("bound");
        let mut engine = Engine::start(&host, name);
        engine.expect(answers, Ok(AppReply::Done)).await;
        engine.expect(|v| matches!(v, AppVerb::Play(..)), Err(reply.clone())).await;
        assert_eq!(engine.ended().await, Ok(AppOutcome::Err(reply)), "{name}");
    }
    // An app's line is written before its end is told.
    let text = String::from_utf8(lines.lock().expect("sound").clone()).expect("text");
    let of = |name: &str| text.lines().filter(|l| l.contains(&format!("binding={name} "))).collect::<Vec<_>>();
    assert_eq!((of("leaves").len(), of("gives-way").len()), (0, 0), "{text}");
    let [fails] = of("fails")[..] else { panic!("{text}") };
    assert!(fails.contains("WARN") && fails.contains("plugin=fails@0.1.0"), "{fails}");
    assert!(
        fails.contains("ended with an error: unavailable: no room, says ") && !fails.contains("hunter2"),
        "{fails}"
    );
    let [gone] = of("gone")[..] else { panic!("{text}") };
    assert!(gone.contains("ended with an error: not-found"), "{gone}");
}

#[tokio::test]
async fn apps_beyond_the_pool_are_refused_and_the_pool_comes_back() {
    let host = host_with(|c| c.apps_max = 2);
    host.set_bindings(vec![app(&host, "stays", "stay")]).expect("bound");
    let mut running = [Engine::start(&host, "stays"), Engine::start(&host, "stays")];
    for engine in &mut running {
        let _ = engine.verb().await;
    }
    assert_eq!(Engine::start(&host, "stays").ended().await, Err(AppFailure::Saturated));
    host.app_stop(running[0].app);
    until(|| host.metrics().apps_live == 1).await;
    let mut third = Engine::start(&host, "stays");
    let _ = third.verb().await;
    assert_eq!(host.metrics().bindings[0].saturated, 1);
}

/// How an app ends that answers its caller first.
async fn answered(host: &Host, name: &str) -> (Result<AppOutcome, AppFailure>, Option<model::Recourse>) {
    let mut engine = Engine::start(host, name);
    engine.expect(answers, Ok(AppReply::Done)).await;
    engine.ended_with().await
}

#[tokio::test]
async fn however_an_app_fails_its_caller_gets_what_the_binding_says() {
    let host = host_with(|config| config.apps_max = 1);
    let artifact = host.compile(HOSTILE).expect("compiles");
    let recourse = model::Recourse { fallback: Some("200".to_owned()), restart: true, ..model::Recourse::default() };
    let app = |id, name: &str, deed: &str| BindingSpec {
        recourse: recourse.clone(),
        ..bind(id, name, Point::App, &artifact, &format!(r#"{{"do":"{deed}"}}"#))
    };
    let stays = app(4, "stays", "stay");
    host.set_bindings(vec![app(1, "falls", "trap"), app(2, "spins", "spin"), app(3, "declines", "decline"), stays])
        .expect("bound");
    let with = |name: &str| Some(model::Recourse { plugin: format!("{name}@0.1.0"), ..recourse.clone() });
    let (outcome, got) = answered(&host, "falls").await;
    assert!(matches!(outcome, Err(AppFailure::Trapped(_))), "{outcome:?}");
    assert_eq!(got, with("falls"));
    assert_eq!(Engine::start(&host, "nobody").ended_with().await, (Err(AppFailure::NotBound), None));
    let (outcome, got) = Engine::start(&host, "declines").ended_with().await;
    assert!(outcome.is_ok() && got.is_none(), "who ends well needs none: {outcome:?}");
    let timeout = (Err(AppFailure::Timeout), with("spins"));
    assert_eq!(answered(&host, "spins").await, timeout);
    let mut first = Engine::start(&host, "stays");
    let _ = first.verb().await;
    let saturated = (Err(AppFailure::Saturated), with("falls"));
    assert_eq!(Engine::start(&host, "falls").ended_with().await, saturated, "over quota");
    host.app_stop(first.app);
    until(|| host.metrics().apps_live == 0).await;
    for _ in 0..4 {
        answered(&host, "falls").await.0.expect_err("it traps");
    }
    let rests = (Err(AppFailure::Trapped("tripped".to_owned())), with("falls"));
    assert_eq!(Engine::start(&host, "falls").ended_with().await, rests, "five in a row");
}
