//! Instances that stay between questions: what they remember, for whom, and when they go.
#![allow(clippy::expect_used, reason = "test code")]

use model::{BrandId, CompanyId, Decision, Instant as At, Question, QuestionKind, RegisterVerdict, Ticket, Told};
use plugin::{Artifact, BindingSpec, Host, HostConfig, Point, Recording, Reuse, Sample, WarmFigures};
use plugin_tests::{
    ACME, BRAND, HOSTILE, OTHER, PATIENCE, PROBE, ask, ask_for, attempt, bind, call, directory, host_with, until,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn host(change: impl FnOnce(&mut HostConfig)) -> Host {
    host_with(|config| {
        // Nothing goes for its age by accident.
        config.limits.warm_idle_ms = 3_600_000;
        change(config);
    })
}

fn remembering(host: &Host, id: i64, name: &str, reuse: Reuse) -> BindingSpec {
    let artifact = host.compile(HOSTILE).expect("compiles");
    let config = r#"{"do":"remember","ms":1000}"#;
    BindingSpec { reuse, ..bind(id, name, Point::Router, &artifact, config) }
}

fn warm(host: &Host) -> BindingSpec {
    remembering(host, 1, "warm", Reuse::Warm)
}

fn figures(host: &Host, binding: usize) -> WarmFigures {
    host.metrics().bindings[binding].warm.clone()
}

fn gone(host: &Host, binding: usize) -> Vec<(&'static str, u64)> {
    figures(host, binding).gone.into_iter().filter(|(_, n)| *n > 0).collect()
}

/// What it says, and whether a warm instance said it.
async fn says(host: &Host, callee: &str) -> (String, bool) {
    said(ask(host, callee).await)
}

fn said(answer: model::Answer) -> (String, bool) {
    let hook = answer.hooks.last().expect("asked");
    match answer.decision {
        Some(Decision::Refuse(refusal)) => (refusal.reason, hook.warm),
        _ => (hook.outcome.clone(), hook.warm),
    }
}

async fn counts(host: &Host, callee: &str, expected: &[&str]) {
    for count in expected {
        assert_eq!(says(host, callee).await.0, *count, "{callee}: {:?}", gone(host, 0));
    }
}

#[tokio::test]
async fn a_warm_instance_remembers_and_a_fresh_one_never() {
    let host = host(|_| {});
    host.set_bindings(vec![remembering(&host, 1, "fresh", Reuse::Fresh)]).expect("bound");
    counts(&host, "x", &["1", "1", "1"]).await;
    assert_eq!(figures(&host, 0).made, 0, "nothing is counted where nothing is kept");
    assert!(gone(&host, 0).is_empty() && host.live_instances().is_empty());
    host.set_bindings(vec![warm(&host)]).expect("bound");
    assert_eq!(says(&host, "x").await, ("1".to_owned(), false));
    assert_eq!(says(&host, "x").await, ("2".to_owned(), true), "the explanation says which it was");
    counts(&host, "x", &["3", "4"]).await;
    let figures = figures(&host, 0);
    assert_eq!((figures.made, figures.hits, figures.idle), (1, 3, 1));
    assert!(figures.idle_bytes >= 1 << 16, "{figures:?}");
    let metrics = host.metrics();
    assert_eq!((metrics.hooks_live, metrics.warm_idle), (0, 1), "one that waits takes no other's place");
}

#[tokio::test]
async fn no_instance_crosses_a_brand_a_binding_or_a_configuration() {
    let host = host(|_| {});
    let mut other = remembering(&host, 2, "warm", Reuse::Warm);
    other.scope.brand = BrandId(2);
    other.plugin = "warm@0.1.0".to_owned();
    let beside = remembering(&host, 3, "beside", Reuse::Warm);
    host.set_bindings(vec![warm(&host), other.clone()]).expect("bound");
    counts(&host, "x", &["1", "2", "3"]).await;
    let mut theirs = call(CompanyId(9), "x");
    theirs.brand = BrandId(2);
    for count in ["1", "2"] {
        let (ticket, deadline) = (Ticket(1), At::from_unix_nanos(0));
        let question = Question { ticket, deadline, call: theirs.clone(), kind: QuestionKind::Route };
        assert_eq!(said(host.ask(question, directory()).await).0, count, "the same plugin of another brand");
    }
    // The same plugin twice in one brand: the first has no opinion for once.
    host.set_bindings(vec![warm(&host), beside.clone(), other]).expect("bound");
    let both = ask(&host, "err").await;
    let how: Vec<_> = both.hooks.iter().map(|h| (h.outcome.as_str(), h.warm)).collect();
    assert_eq!(how, [("err: not-found", true), ("err: not-found", false)], "an unchanged binding keeps its instance");
    counts(&host, "x", &["5"]).await;
    let mut changed = warm(&host);
    changed.config_json = r#"{"do":"remember","ms":7}"#.to_owned();
    host.set_bindings(vec![changed.clone(), beside]).expect("bound");
    assert_eq!(says(&host, "x").await, ("1".to_owned(), false), "none survives a new configuration");
    changed.grants.kv.insert("k".to_owned());
    host.set_bindings(vec![changed]).expect("bound");
    assert_eq!(says(&host, "x").await, ("1".to_owned(), false), "or new grants");
}

#[tokio::test]
async fn what_goes_wrong_in_an_instance_ends_it() {
    for (what, how, why) in [
        ("trap", "trap: ", "trap"),
        ("spin", "timeout", "timeout"),
        ("nonsense", "invalid: ", "invalid"),
        ("grab", "true 3", "quota"),
    ] {
        let host = host(|c| c.hook_cpu = core::time::Duration::from_millis(50));
        host.set_bindings(vec![warm(&host)]).expect("bound");
        counts(&host, "x", &["1", "2"]).await;
        let (words, was_warm) = says(&host, what).await;
        assert!(words.starts_with(how) && was_warm, "{what}: {words}");
        assert_eq!(gone(&host, 0), [(why, 1)], "{what}");
        until(|| host.live_instances().is_empty()).await;
        assert_eq!(says(&host, "x").await, ("1".to_owned(), false), "{what}");
    }
    let host = host(|_| {});
    host.set_bindings(vec![warm(&host)]).expect("bound");
    counts(&host, "x", &["1"]).await;
    counts(&host, "err", &["err: not-found"]).await;
    counts(&host, "x", &["3"]).await;
    assert!(gone(&host, 0).is_empty(), "an error of the plugin's own is no failure");
}

#[tokio::test]
async fn each_question_has_its_own_budgets_and_its_own_company() {
    let host = host(|_| {});
    host.set_bindings(vec![warm(&host)]).expect("bound");
    for question in 1..=3 {
        ask(&host, "logs").await;
        assert_eq!(host.metrics().bindings[0].log_dropped, question * 10, "fifty lines each time");
    }
    // What a question opens goes with it; of a hook's imports none opens anything. The first few hundred use up the
    // SDK's arena, and the heap begins.
    let mut before = 0;
    for question in 4..1_200 {
        if question == 600 {
            before = figures(&host, 0).idle_bytes;
        }
        let (words, was_warm) = says(&host, "dial").await;
        assert!(words.starts_with("Err(Error::Denied(") && words.ends_with(&format!(" {question}")), "{words}");
        assert!(was_warm, "{words}");
    }
    assert_eq!(figures(&host, 0).idle_bytes, before, "nothing is left of them");
    assert_eq!(said(ask_for(&host, ACME, "2000").await).0, "nobody 1200");
    assert!(said(ask_for(&host, OTHER, "2000").await).0.contains("bob"));
    assert!(said(ask_for(&host, ACME, "7").await).0.contains("1002"), "of the company that asks now");
}

#[tokio::test]
async fn cpu_is_counted_for_each_question_anew() {
    let host = host(|c| c.hook_cpu = core::time::Duration::from_millis(2_500));
    host.set_bindings(vec![warm(&host)]).expect("bound");
    // Four times a second of computing is more than one question may have.
    for count in ["1", "2", "3", "4"] {
        assert_eq!(says(&host, "late").await.0, count);
    }
}

#[tokio::test]
async fn memory_that_leaks_from_question_to_question_ends_with_the_instance() {
    let host = host(|_| {});
    host.set_bindings(vec![warm(&host)]).expect("bound");
    let mut highest = 0;
    for _ in 0..40 {
        let answer = ask(&host, "leak").await;
        assert!(answer.decision.is_some(), "no question pays for those before it: {answer:?}");
        highest = highest.max(figures(&host, 0).idle_bytes);
    }
    assert!((8 << 20..=24 << 20).contains(&highest), "{highest}");
    let figures = figures(&host, 0);
    assert!(figures.made >= 4 && figures.idle <= 1, "{figures:?}");
    assert!(gone(&host, 0).iter().all(|(why, _)| *why == "memory"), "{:?}", gone(&host, 0));
    until(|| host.live_instances().iter().all(|(_, n)| *n <= 1)).await;
}

#[tokio::test]
async fn an_instance_goes_after_its_last_question_or_when_nobody_asks() {
    let host = host(|c| {
        c.limits.warm_questions_max = 3;
        c.limits.warm_idle_ms = 200;
    });
    host.set_bindings(vec![warm(&host)]).expect("bound");
    // One that waits too long between two of these asks begins again, which may happen and is no failure.
    let mut seen = Vec::new();
    while gone(&host, 0).iter().all(|(why, _)| *why != "questions") {
        seen.push(says(&host, "x").await.0);
    }
    assert!(seen.iter().all(|count| ["1", "2", "3"].contains(&count.as_str())), "{seen:?}");
    counts(&host, "x", &["1"]).await;
    until(|| figures(&host, 0).idle == 0 && host.live_instances().is_empty()).await;
    assert!(gone(&host, 0).iter().any(|(why, _)| *why == "idle"), "{:?}", gone(&host, 0));
    counts(&host, "x", &["1"]).await;
}

#[tokio::test]
async fn many_at_once_are_made_and_only_so_many_stay() {
    let host = host(|c| {
        c.limits.warm_per_binding_max = 2;
        c.hook_cpu = PATIENCE;
    });
    host.set_bindings(vec![warm(&host)]).expect("bound");
    let asked: Vec<_> = (0..5)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { ask(&host, "late").await })
        })
        .collect();
    for answer in asked {
        assert_eq!(said(answer.await.expect("joined")), ("1".to_owned(), false), "each in an instance of its own");
    }
    // One that ends while another keeps the list may go for that.
    let figures = figures(&host, 0);
    let went = gone(&host, 0);
    assert!(went.iter().all(|(why, _)| ["full", "contended"].contains(why)), "{went:?}");
    assert_eq!(figures.made, 5, "{figures:?}");
    assert_eq!(figures.idle + went.iter().map(|(_, n)| n).sum::<u64>(), 5, "{figures:?}");
    assert!((1..=2).contains(&figures.idle), "{figures:?}");
    until(|| host.live_instances().iter().all(|(_, n)| *n == figures.idle)).await;
}

#[tokio::test]
async fn those_that_wait_never_take_the_places_of_those_that_answer() {
    let host = host(|c| {
        c.hooks_max = 1;
        c.hook_cpu = PATIENCE;
    });
    let specs = (1..=3).map(|id| remembering(&host, id, &format!("b{id}"), Reuse::Warm));
    let mut specs: Vec<_> = specs.collect();
    specs.push(remembering(&host, 4, "fresh", Reuse::Fresh));
    host.set_bindings(specs).expect("bound");
    for _ in 0..3 {
        let answer = ask(&host, "err").await;
        assert_eq!((answer.failed, answer.hooks.len()), (false, 4), "{answer:?}");
    }
    assert_eq!((host.metrics().warm_idle, host.metrics().hooks_live), (3, 0));
    let busy = tokio::spawn({
        let host = host.clone();
        async move { ask(&host, "late").await }
    });
    until(|| host.metrics().hooks_live == 1).await;
    assert_eq!(ask(&host, "err").await.hooks[0].outcome, "saturated", "one may answer at a time, warm or not");
    busy.await.expect("joined");
}

#[tokio::test]
async fn the_one_that_has_waited_longest_makes_room_within_its_brand_first() {
    let brands = |host: &Host, of: [i64; 3]| {
        let spec = |(n, brand): (usize, i64)| {
            let mut spec = remembering(host, n as i64 + 1, &format!("b{n}"), Reuse::Warm);
            spec.scope.brand = BrandId(brand);
            spec
        };
        of.into_iter().enumerate().map(spec).collect::<Vec<_>>()
    };
    async fn ask_brand(host: &Host, brand: i64) {
        let mut call = call(CompanyId(brand), "err");
        call.brand = BrandId(brand);
        let (ticket, deadline) = (Ticket(1), At::from_unix_nanos(0));
        host.ask(Question { ticket, deadline, call, kind: QuestionKind::Route }, directory()).await;
    }
    let idle = |host: &Host| (0..3).map(|n| figures(host, n).idle).collect::<Vec<_>>();
    let host = host(|c| c.limits.warm_max = 2);
    host.set_bindings(brands(&host, [1, 2, 3])).expect("bound");
    for brand in [1, 2, 3] {
        ask_brand(&host, brand).await;
    }
    assert_eq!(idle(&host), [0, 1, 1], "of all the one that has waited longest");
    assert_eq!(gone(&host, 0), [("evicted", 1)]);
    let host = self::host(|c| c.limits.warm_per_brand_max = 1);
    host.set_bindings(brands(&host, [2, 1, 1])).expect("bound");
    ask_brand(&host, 2).await;
    ask_brand(&host, 1).await;
    assert_eq!(idle(&host), [1, 0, 1], "of its brand, although another brand's waits longer");
    let host = self::host(|_| {});
    host.set_bindings(brands(&host, [1, 2, 3])).expect("bound");
    ask_brand(&host, 1).await;
    let one = usize::try_from(figures(&host, 0).idle_bytes).expect("small");
    let host = self::host(|c| c.limits.warm_bytes_max = 2 * one);
    host.set_bindings(brands(&host, [1, 2, 3])).expect("bound");
    for brand in [1, 2, 3] {
        ask_brand(&host, brand).await;
    }
    assert_eq!(idle(&host), [0, 1, 1], "of all, where they hold too much together");
}

#[tokio::test]
async fn memory_is_counted_for_the_binding_and_none_is_kept_beyond_it() {
    let host = host(|c| c.limits.warm_bytes_per_binding_max = 4 << 20);
    host.set_bindings(vec![warm(&host)]).expect("bound");
    counts(&host, "x", &["1", "2"]).await;
    assert_eq!(says(&host, "leak").await.0, "3");
    assert_eq!(gone(&host, 0), [("memory", 1)]);
    counts(&host, "x", &["1"]).await;
}

#[tokio::test]
async fn a_version_is_swapped_while_warm_ones_serve_and_draining_frees_them() {
    let host = host(|_| {});
    let old = warm(&host);
    let mut new = warm(&host);
    new.plugin = "warm@0.2.0".to_owned();
    host.set_bindings(vec![old.clone()]).expect("bound");
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..3)
        .map(|_| {
            let (host, stop) = (host.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(&host, "x").await;
                    assert!(!answer.failed && answer.decision.is_some(), "{answer:?}");
                }
            })
        })
        .collect();
    for round in 0..20 {
        let spec = if round % 2 == 0 { new.clone() } else { old.clone() };
        host.set_bindings(vec![spec]).expect("bound");
        // Nobody's count goes on over a swap: the first answer of a version is from an instance made for it.
        until(|| figures(&host, 0).hits > 0).await;
        assert!(figures(&host, 0).made > 0);
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("no ask failed");
    }
    assert!(host.metrics().warm_idle > 0);
    host.set_bindings(vec![]).expect("unbound");
    until(|| host.live_instances().is_empty() && host.metrics().warm_idle == 0).await;
}

#[tokio::test]
async fn one_that_answers_while_its_binding_goes_is_not_kept() {
    let host = host(|c| c.hook_cpu = PATIENCE);
    host.set_bindings(vec![warm(&host)]).expect("bound");
    let asked = tokio::spawn({
        let host = host.clone();
        async move { ask(&host, "late").await }
    });
    until(|| !host.live_instances().is_empty()).await;
    host.set_bindings(vec![]).expect("unbound");
    assert_eq!(said(asked.await.expect("joined")).0, "1", "it ends with what it began with");
    until(|| host.live_instances().is_empty()).await;
    assert_eq!(host.metrics().warm_idle, 0);
}

#[tokio::test]
async fn what_is_recorded_is_asked_of_a_fresh_instance_and_comes_out_again() {
    let host = host(|_| {});
    let spec = warm(&host);
    let artifact: Arc<Artifact> = Arc::clone(&spec.artifact);
    host.set_bindings(vec![spec.clone()]).expect("bound");
    counts(&host, "x", &["1", "2"]).await;
    host.record(spec.id, Sample { wanted: 2, percent: 100 }).expect("recorded");
    assert_eq!([says(&host, "x").await, says(&host, "x").await], [("1".to_owned(), false), ("1".to_owned(), false)]);
    assert!(says(&host, "x").await.1, "and then it is as before");
    let file = host.recording_file(spec.id).expect("a file");
    let recording = Recording::read(&file).expect("whole");
    let replayed = host.replay(&recording, &artifact, BTreeMap::new()).await.expect("replayed");
    assert_eq!(replayed.len(), 2);
    assert!(replayed.iter().all(|r| r.difference.is_none()), "{replayed:?}");
}

#[tokio::test]
async fn a_version_on_trial_has_instances_of_its_own() {
    let host = host(|_| {});
    let mut serving = warm(&host);
    serving.trial = Some(plugin::TrialSpec {
        plugin: "warm@0.2.0".to_owned(),
        artifact: Arc::clone(&serving.artifact),
        config_json: serving.config_json.clone(),
        config_secrets: BTreeSet::new(),
        percent: 0,
        grants: plugin::Grants::default(),
        reuse: Reuse::Warm,
        begun: 1,
        over: false,
    });
    host.set_bindings(vec![serving]).expect("bound");
    let trial = || host.metrics().bindings[0].trial.clone().expect("on trial");
    for (n, count) in [(1, "1"), (2, "2"), (3, "3")] {
        counts(&host, "x", &[count]).await;
        // Asked as often by itself, it says the same each time.
        until(|| trial().same + trial().different == n).await;
        assert_eq!(trial().same, n, "{:?}", trial().differences);
    }
    assert_eq!(host.metrics().warm_idle, 2);
    host.set_bindings(vec![]).expect("unbound");
    until(|| host.live_instances().is_empty()).await;
}

#[tokio::test]
async fn every_point_but_the_call_app_may_be_kept_warm() {
    let host = host(|_| {});
    let artifact = host.compile(PROBE).expect("compiles");
    let at = |id, name: &str, point| BindingSpec { reuse: Reuse::Warm, ..bind(id, name, point, &artifact, "{}") };
    let mut feature = at(3, "feature", Point::Feature);
    feature.codes.insert("*1".to_owned());
    let mut sink = at(4, "sink", Point::EventSink);
    sink.grants.kv.insert("probe".to_owned());
    let specs = vec![at(1, "io", Point::RouterIo), at(2, "registers", Point::Registration), feature, sink];
    host.set_bindings(specs).expect("bound");
    for _ in 0..2 {
        let answer = host.ask_register(attempt(), directory()).await;
        assert_eq!(answer.verdict, RegisterVerdict::Pass);
        ask(&host, "*17").await;
        assert!(!ask(&host, "7").await.failed);
        let before = host.metrics().bindings[3].events.told;
        let at = At::from_unix_nanos(5_000_000);
        host.tell(
            &Told { kind: "call-ended", at, call: None, brand: BRAND, company: ACME, attrs: vec![] },
            &directory(),
        );
        until(|| host.metrics().bindings[3].events.told == before + 1).await;
    }
    until(|| (0..4).all(|n| figures(&host, n).idle == 1)).await;
    for n in 0..4 {
        assert!(figures(&host, n).hits >= 1, "{}: {:?}", host.metrics().bindings[n].name, figures(&host, n));
    }
}
