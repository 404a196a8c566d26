//! Load, bind, replace and roll back while calls run.

#![allow(clippy::expect_used, reason = "test code")]

use model::{AccountId, AppReply, AppVerb, Decision};
use plugin::{BindError, Point};
use plugin_tests::{ACME, Engine, HOSTILE, OTHER, ask, ask_for, bind, deed, host, until};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn reason(decision: Option<Decision>) -> String {
    match decision {
        Some(Decision::Refuse(r)) => r.reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn with_nothing_bound_nobody_is_asked() {
    let host = host();
    let answer = ask(&host, "7").await;
    assert_eq!((answer.decision, answer.failed, answer.hooks.len()), (None, false, 0));
    let metrics = host.metrics();
    assert_eq!((metrics.asks, metrics.asks_unbound), (0, 1));
}

#[tokio::test]
async fn brand_comes_before_company_priority_before_id_and_next_leaves_attributes() {
    let host = host();
    let artifact = host.compile(HOSTILE).expect("compiles");
    let next = |id, name: &str| bind(id, name, Point::Router, &artifact, r#"{"do":"next"}"#);
    let mut own = deed(&host, 1, "own", "refuse");
    own.scope.company = Some(ACME);
    let mut first = next(9, "first");
    first.priority = 2;
    let mut tie = next(8, "tie");
    tie.priority = 3;
    let mut tie_too = next(7, "tie-too");
    tie_too.priority = 3;
    host.set_bindings(vec![own, tie, first, tie_too]).expect("bound");
    let answer = ask(&host, "7").await;
    let asked: Vec<_> = answer.hooks.iter().map(|h| h.binding.as_str()).collect();
    assert_eq!(asked, ["first", "tie-too", "tie", "own"]);
    let seen = |b: &str| (format!("{b}.seen"), "7".to_owned());
    assert_eq!(answer.attrs, [seen("first"), seen("tie-too"), seen("tie")]);
    assert_eq!(reason(answer.decision), "own");
    let other = ask_for(&host, OTHER, "7").await;
    assert_eq!((other.hooks.len(), other.decision), (3, None));
    assert!(!other.failed);
}

#[tokio::test]
async fn a_version_is_replaced_and_rolled_back_under_load_and_no_ask_fails() {
    let host = host();
    let shipped = host.compile(shipped::EXTENSIONS).expect("compiles");
    let old = deed(&host, 1, "router", "refuse");
    host.set_bindings(vec![old.clone()]).expect("bound");
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (host, stop) = (host.clone(), Arc::clone(&stop));
        async move {
            let mut seen = [0_u32; 2];
            while !stop.load(Ordering::Relaxed) {
                let answer = ask(&host, "7").await;
                assert!(!answer.failed, "{answer:?}");
                seen[usize::from(matches!(answer.decision, Some(Decision::Connect(_))))] += 1;
            }
            seen
        }
    });
    for _ in 0..20 {
        let new = bind(1, "router", Point::Router, &shipped, "{}");
        host.set_bindings(vec![new]).expect("bound");
        assert!(matches!(ask(&host, "7").await.decision, Some(Decision::Connect(_))), "at once");
        host.set_bindings(vec![old.clone()]).expect("rolled back");
        assert_eq!(reason(ask(&host, "7").await.decision), "router");
    }
    stop.store(true, Ordering::Relaxed);
    let seen = load.await.expect("no ask failed");
    assert!(seen[0] + seen[1] > 0);
    until(|| host.live_instances().is_empty()).await;
    assert_eq!(host.metrics().generation, 41);
}

#[tokio::test]
async fn a_running_app_keeps_its_component_until_it_ends_and_three_versions_stay_compiled() {
    let host = host();
    let variants: Vec<_> = (0_u8..5).map(|n| [HOSTILE, &custom_section(n)].concat()).collect();
    let bind_version = |n: usize| {
        let artifact = host.compile(&variants[n]).expect("compiles");
        host.set_bindings(vec![bind(1, "app", Point::App, &artifact, r#"{"do":"stay"}"#)]).expect("bound");
        artifact.digest()
    };
    let first = bind_version(0);
    let mut engine = Engine::start(&host, "app");
    let (request, verb) = engine.verb().await;
    assert!(matches!(verb, AppVerb::Sleep(_)));
    let later: Vec<_> = (1..5).map(bind_version).collect();
    assert_eq!(host.live_instances(), [(first, 1)], "the old one runs on");
    assert!(host.artifact(first).is_some() && host.artifact(later[0]).is_none());
    assert!(later[1..].iter().all(|d| host.artifact(*d).is_some()), "the last three are kept");
    host.app_reply(engine.app, request, Ok(AppReply::Done));
    let _ = engine.verb().await;
    host.app_stop(engine.app);
    until(|| host.live_instances().is_empty() && host.artifact(first).is_none()).await;
    assert_eq!(host.metrics().artifacts, 3);
    host.set_bindings(vec![]).expect("unbound");
    until(|| host.metrics().artifacts == 0).await;
}

/// A component's custom section: the same plugin with another digest.
fn custom_section(n: u8) -> Vec<u8> {
    vec![0, 3, 1, b'v', n]
}

#[tokio::test]
async fn a_refused_set_of_bindings_changes_nothing() {
    let host = host();
    let good = deed(&host, 1, "good", "refuse");
    host.set_bindings(vec![good.clone()]).expect("bound");
    let mut config = deed(&host, 2, "bad", "next");
    config.config_json = "{".to_owned();
    assert!(matches!(host.set_bindings(vec![config]), Err(BindError::Config { .. })));
    let twice = host.set_bindings(vec![good.clone(), deed(&host, 2, "good", "next")]);
    assert_eq!(twice, Err(BindError::Duplicate { binding: "good".to_owned(), point: Point::Router }));
    assert!(matches!(host.set_bindings(vec![deed(&host, 2, "a.b", "next")]), Err(BindError::Name(_))));
    let artifact = host.compile(shipped::EXTENSIONS).expect("compiles");
    let wrong = host.set_bindings(vec![bind(1, "x", Point::App, &artifact, "{}")]);
    assert!(matches!(wrong, Err(BindError::WrongPoint { point: Point::App, .. })));
    assert_eq!(reason(ask(&host, "7").await.decision), "good");
    assert_eq!(host.metrics().generation, 1);
}

#[tokio::test]
async fn unchanged_bindings_keep_their_counters() {
    let host = host();
    let good = deed(&host, 1, "good", "refuse");
    host.set_bindings(vec![good.clone()]).expect("bound");
    ask(&host, "7").await;
    host.set_bindings(vec![good, deed(&host, 2, "more", "next")]).expect("bound");
    assert_eq!(host.metrics().bindings[0].calls, 1);
}

fn trial(host: &plugin::Host, deed: &str, text: &str, percent: u8) -> plugin::TrialSpec {
    plugin::TrialSpec {
        plugin: "r@0.2.0".to_owned(),
        artifact: host.compile(HOSTILE).expect("compiles"),
        config_json: format!(r#"{{"do":"{deed}","text":"{text}"}}"#),
        config_secrets: BTreeSet::new(),
        percent,
        grants: plugin::Grants::default(),
        reuse: plugin::Reuse::Fresh,
        begun: 1,
        over: false,
    }
}

#[tokio::test]
async fn a_shadow_is_asked_after_the_answer_and_changes_none() {
    let host = host();
    let mut serving = deed(&host, 1, "old", "refuse");
    serving.trial = Some(trial(&host, "refuse", "old", 0));
    host.set_bindings(vec![serving.clone()]).expect("bound");
    assert_eq!(reason(ask(&host, "7").await.decision), "old");
    let figures = || host.metrics().bindings[0].trial.clone().expect("on trial");
    until(|| figures().same == 1).await;
    assert_eq!((figures().different, figures().rolled_back), (0, false));
    for (deed, words) in [("refuse", "new"), ("trap", "trap: ")] {
        serving.trial = Some(trial(&host, deed, "new", 0));
        host.set_bindings(vec![serving.clone()]).expect("bound");
        let answer = ask(&host, "7").await;
        assert_eq!((answer.failed, answer.hooks.len()), (false, 1), "{deed}");
        assert_eq!(reason(answer.decision), "old", "{deed}");
        until(|| figures().different == 1).await;
        let shown = &figures().differences[0];
        assert!(shown.contains("old") && shown.contains(words), "{shown}");
    }
}

#[tokio::test]
async fn a_canary_answers_for_its_share_and_one_that_fails_harms_no_call_and_goes() {
    let host = host();
    let mut serving = deed(&host, 1, "old", "refuse");
    serving.trial = Some(trial(&host, "refuse", "new", 30));
    host.set_bindings(vec![serving.clone()]).expect("bound");
    let mut new = 0;
    for _ in 0..100 {
        new += u32::from(reason(ask(&host, "7").await.decision) == "new");
    }
    assert!((1..100).contains(&new), "{new} of 100");
    serving.trial = Some(trial(&host, "trap", "new", 100));
    host.set_bindings(vec![serving.clone()]).expect("bound");
    let mut notices = host.notices().take().expect("nobody else hears them");
    assert!(host.notices().take().is_none());
    for _ in 0..10 {
        let answer = ask(&host, "7").await;
        assert!(!answer.failed, "{answer:?}");
        assert_eq!(reason(answer.decision), "old");
    }
    let figures = host.metrics().bindings[0].trial.clone().expect("on trial");
    assert_eq!((figures.rolled_back, figures.failures, figures.calls), (true, 5, 5));
    let notice = notices.try_recv().expect("whoever keeps it is told");
    let plugin::NoticeKind::TrialOver { begun: 1, why } = &notice.kind else { panic!("{notice:?}") };
    assert_eq!((notice.binding.0, notice.plugin.as_str(), why.as_str()), (1, "r@0.2.0", "it keeps failing"));
    assert!(notices.try_recv().is_err(), "once");

    // As the store gives it back: the same trial, which is over.
    let again = |begun, over| {
        let trial = plugin::TrialSpec { begun, over, ..trial(&host, "trap", "new", 100) };
        host.set_bindings(vec![plugin::BindingSpec { trial: Some(trial), ..serving.clone() }]).expect("bound");
        host.metrics().bindings[0].trial.clone().expect("on trial")
    };
    assert_eq!((again(1, true).calls, again(1, true).rolled_back), (5, true), "nothing of it is forgotten");
    assert!(!again(2, false).rolled_back, "tried once more, it is another trial");
    assert!(again(3, true).rolled_back, "after a restart it is over from the beginning");
    assert!(!ask(&host, "7").await.hooks.iter().any(|hook| hook.plugin == "r@0.2.0"));
}

#[tokio::test]
async fn whoever_is_responsible_hears_of_a_plugin_that_rests() {
    let host = host();
    host.set_bindings(vec![deed(&host, 7, "bad", "trap")]).expect("bound");
    let mut notices = host.notices().take().expect("nobody else hears them");
    for _ in 0..8 {
        ask(&host, "7").await;
    }
    let notice = notices.try_recv().expect("told");
    assert_eq!((notice.binding.0, notice.name.as_str(), notice.kind), (7, "bad", plugin::NoticeKind::Tripped));
    assert_eq!(notice.scope, plugin::Scope { brand: plugin_tests::BRAND, company: None, account: None });
    assert!(notices.try_recv().is_err(), "once, not at each question");
}

#[tokio::test]
async fn an_accounts_binding_is_asked_last_and_about_nobody_else() {
    let host = host();
    let mut own = deed(&host, 1, "own", "refuse");
    own.scope.company = Some(ACME);
    own.scope.account = Some(AccountId(1));
    let mut other = deed(&host, 2, "other", "refuse");
    other.scope.company = Some(ACME);
    other.scope.account = Some(AccountId(2));
    let mut company = deed(&host, 9, "company", "next");
    company.scope.company = Some(ACME);
    host.set_bindings(vec![own.clone(), other, company, deed(&host, 8, "brand", "next")]).expect("bound");
    let answer = ask(&host, "7").await;
    let asked: Vec<_> = answer.hooks.iter().map(|h| h.binding.as_str()).collect();
    assert_eq!(asked, ["brand", "company", "own"], "the widest scope first, whatever the priorities");
    assert_eq!(reason(answer.decision), "own");
    assert_eq!(ask_for(&host, OTHER, "7").await.hooks.len(), 1, "1001 of another company is another account");
    own.point = Point::App;
    own.config_json = r#"{"do":"decline"}"#.to_owned();
    host.set_bindings(vec![own.clone()]).expect("bound");
    let mut engine = Engine::start(&host, "own");
    assert_eq!(engine.ended().await, Ok(model::AppOutcome::Returned(Some(486))), "apps are found by the same scopes");
}
