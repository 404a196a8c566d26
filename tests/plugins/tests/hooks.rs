//! Registrations, star codes and events: asked and told as `wit/hooks` says, with its failure policies.

#![allow(clippy::expect_used, reason = "test code")]

use model::{AccountId, Decision, Instant, RegisterAnswer, RegisterVerdict, Told};
use plugin::{BindError, BindingSpec, Grants, Host, HostConfig, Point};
use plugin_tests::{ACME, BRAND, OTHER, PATIENCE, PROBE, ask, attempt, bind, directory, host, host_with, until};
use std::collections::BTreeSet;
use tables::{Kv, SpaceName};

fn probe(host: &Host, id: i64, point: Point, config: &str) -> BindingSpec {
    let artifact = host.compile(PROBE).expect("compiles");
    let mut spec = bind(id, &format!("probe{id}"), point, &artifact, config);
    spec.plugin = "probe@0.1.0".to_owned();
    spec
}

async fn register(host: &Host) -> RegisterAnswer {
    tokio::time::timeout(PATIENCE, host.ask_register(attempt(), directory())).await.expect("it always answers")
}

#[tokio::test]
async fn a_registration_is_asked_about_and_the_shortest_time_holds() {
    let host = host();
    let say = |id, config: &str| probe(&host, id, Point::Registration, config);
    assert_eq!(register(&host).await.verdict, RegisterVerdict::Pass, "nobody is bound");
    host.set_bindings(vec![say(1, r#"{"do":"at-most","number":600}"#), say(2, r#"{"do":"at-most","number":300}"#)])
        .expect("bound");
    let answer = register(&host).await;
    assert_eq!(answer.verdict, RegisterVerdict::AtMost(300));
    let outcomes: Vec<_> = answer.hooks.iter().map(|h| h.outcome.as_str()).collect();
    assert_eq!(outcomes, ["at-most 600", "at-most 300"]);
    host.set_bindings(vec![
        say(1, r#"{"do":"mark"}"#),
        say(2, r#"{"do":"told"}"#),
        say(3, r#"{"do":"refuse","number":403}"#),
    ])
    .expect("bound");
    let answer = register(&host).await;
    assert_eq!(answer.verdict, RegisterVerdict::Refuse(403, "[(probe1.seen, 1001)]".to_owned()));
    assert_eq!(answer.hooks.len(), 2, "the first refusal ends it");
}

#[tokio::test]
async fn a_failing_registration_hook_lets_phones_in_unless_it_is_mandatory() {
    let host = host();
    for deed in ["trap", "spin", "err", r#"at-most","number":0,"text":""#, r#"refuse","number":200,"text":""#] {
        let mut spec = probe(&host, 1, Point::Registration, &format!(r#"{{"do":"{deed}"}}"#));
        host.set_bindings(vec![spec.clone()]).expect("bound");
        assert_eq!(register(&host).await.verdict, RegisterVerdict::Pass, "{deed}");
        spec.mandatory = true;
        host.set_bindings(vec![spec]).expect("bound");
        let verdict = register(&host).await.verdict;
        assert!(matches!(verdict, RegisterVerdict::Refuse(503, _)), "{deed}: {verdict:?}");
    }
}

#[tokio::test]
async fn an_account_has_registration_hooks_of_its_own() {
    let host = host();
    let mut own = probe(&host, 1, Point::Registration, r#"{"do":"at-most","number":60}"#);
    (own.scope.company, own.scope.account) = (Some(ACME), Some(AccountId(1)));
    let mut other = probe(&host, 2, Point::Registration, r#"{"do":"refuse","number":403}"#);
    (other.scope.company, other.scope.account) = (Some(ACME), Some(AccountId(2)));
    host.set_bindings(vec![own, other]).expect("bound");
    assert!(host.hooks().asks_registration(BRAND, ACME));
    let answer = register(&host).await;
    assert_eq!((answer.verdict, answer.hooks.len()), (RegisterVerdict::AtMost(60), 1));
    let mut sink = probe(&host, 3, Point::EventSink, "{}");
    (sink.scope.company, sink.scope.account) = (Some(ACME), Some(AccountId(1)));
    assert_eq!(host.set_bindings(vec![sink]), Err(BindError::NotForAccounts("probe3".to_owned())));
}

fn feature(host: &Host, id: i64, config: &str, codes: &[&str]) -> BindingSpec {
    let mut spec = probe(host, id, Point::Feature, config);
    spec.codes = codes.iter().map(|c| (*c).to_owned()).collect();
    spec
}

fn words(decision: Option<Decision>) -> String {
    match decision {
        Some(Decision::Refuse(refusal)) => refusal.reason,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn the_longest_code_wins_then_the_companys_own_binding() {
    let host = host();
    let mut own = feature(&host, 3, r#"{"text":"own"}"#, &["*7"]);
    own.scope.company = Some(ACME);
    let mut others = feature(&host, 4, r#"{"text":"others"}"#, &["*721002"]);
    others.scope.company = Some(OTHER);
    host.set_bindings(vec![
        feature(&host, 1, r#"{"text":"short"}"#, &["*7", "*72"]),
        feature(&host, 2, r#"{"text":"long"}"#, &["*721"]),
        own,
        others,
    ])
    .expect("bound");
    assert_eq!(words(ask(&host, "*7210").await.decision), "*721 0 long");
    assert_eq!(words(ask(&host, "*72").await.decision), "*72  short");
    assert_eq!(words(ask(&host, "*71").await.decision), "*7 1 own");
    let answer = ask(&host, "1002").await;
    assert_eq!((answer.decision, answer.hooks.len()), (None, 0), "no code, no question");
}

#[tokio::test]
async fn a_features_answer_is_carried_out_and_a_failure_goes_on_to_the_routers() {
    let host = host();
    let router = host.compile(shipped::EXTENSIONS).expect("compiles");
    let extensions = || bind(9, "extensions", Point::Router, &router, r#"{"static":{"*1":"sip:1@192.0.2.7"}}"#);
    let with = |config: &str| vec![feature(&host, 1, config, &["*1"]), extensions()];
    host.set_bindings(with(r#"{"do":"run","text":"app"}"#)).expect("bound");
    let args = vec![("digits".to_owned(), "5".to_owned())];
    assert_eq!(ask(&host, "*15").await.decision, Some(Decision::App { name: "app".to_owned(), args }));
    host.set_bindings(with(r#"{"do":"reroute"}"#)).expect("bound");
    let rerouted = Decision::Reroute { callee: "5".to_owned(), attrs: Vec::new() };
    assert_eq!(ask(&host, "*15").await.decision, Some(rerouted));
    for (deed, failed) in [("ignore", false), ("trap", true), ("nonsense", true)] {
        host.set_bindings(vec![
            feature(&host, 1, &format!(r#"{{"do":"{deed}"}}"#), &["*1"]),
            bind(9, "extensions", Point::Router, &router, r#"{"static":{"*1*":"sip:1@192.0.2.7"}}"#),
        ])
        .expect("bound");
        let answer = ask(&host, "*15").await;
        assert_eq!((answer.hooks.len(), answer.failed), (2, failed), "{deed}: {answer:?}");
        assert_eq!(answer.hooks[1].binding, "extensions");
    }
    let none = feature(&host, 1, "{}", &[]);
    assert_eq!(host.set_bindings(vec![none]), Err(BindError::NoCodes("probe1".to_owned())));
}

/// What the sink has written to its bucket, in order.
fn heard(kv: &Kv) -> Vec<String> {
    let name = SpaceName {
        brand: BRAND,
        company: None,
        account: None,
        plugin: "probe".to_owned(),
        bucket: "probe".to_owned(),
    };
    let space = kv.space(&name);
    let value = |key: &String| String::from_utf8(space.get(key, 0).expect("kept")).expect("text");
    space.keys("", None, 10_000, 0).iter().map(value).collect()
}

fn told(kind: &'static str, company: model::CompanyId, n: u32) -> Told {
    let attrs = vec![("cause", n.to_string())];
    Told { kind, at: Instant::from_unix_nanos(1), call: None, brand: BRAND, company, attrs }
}

fn sink(host: &Host, config: &str) -> BindingSpec {
    let mut spec = probe(host, 1, Point::EventSink, config);
    spec.grants = Grants { kv: BTreeSet::from(["probe".to_owned()]), ..Grants::default() };
    spec
}

#[tokio::test]
async fn events_are_told_in_order_in_batches_of_one_company_and_again_what_was_not_taken() {
    let kv = Kv::default();
    let host = host_with(|c: &mut HostConfig| c.kv = kv.clone());
    host.tell(&told("call-ended", ACME, 0), &directory());
    host.set_bindings(vec![sink(&host, r#"{"number":3}"#)]).expect("bound");
    for n in 1..=150 {
        let company = if n <= 100 { ACME } else { OTHER };
        host.tell(&told("call-ended", company, n), &directory());
    }
    until(|| heard(&kv).len() == 150).await;
    let expected = |n: u32| format!("call-ended {} cause={n}", if n <= 100 { "acme" } else { "other" });
    assert_eq!(heard(&kv), (1..=150).map(expected).collect::<Vec<_>>());
    // The last of them are told when their sink has returned, which is after it kept them.
    until(|| host.metrics().bindings[0].events.waiting == 0).await;
    let events = host.metrics().bindings[0].events;
    assert_eq!((events.told, events.dead), (150, 0));
}

#[tokio::test]
async fn a_failing_sink_is_told_again_and_its_next_version_goes_on_where_it_stood() {
    let kv = Kv::default();
    let host = host_with(|c: &mut HostConfig| c.kv = kv.clone());
    host.set_bindings(vec![sink(&host, r#"{"do":"trap"}"#)]).expect("bound");
    for n in 1..=5 {
        host.tell(&told("registered", ACME, n), &directory());
    }
    until(|| host.metrics().bindings[0].traps > 0).await;
    assert!(heard(&kv).is_empty());
    host.set_bindings(vec![sink(&host, "{}")]).expect("bound");
    until(|| heard(&kv).len() == 5).await;
    assert_eq!(heard(&kv)[0], "registered acme cause=1");
    // Counted once the hook has returned, a moment after it wrote.
    until(|| host.metrics().bindings[0].events.told == 5).await;
}

#[tokio::test]
async fn the_pure_switch_knows_who_is_asked() {
    let host = host();
    let mut own = probe(&host, 1, Point::Registration, "{}");
    own.scope.company = Some(ACME);
    host.set_bindings(vec![own, probe(&host, 2, Point::RouterIo, "{}")]).expect("bound");
    let hooks = host.hooks();
    assert!(hooks.asks_registration(BRAND, ACME) && !hooks.asks_registration(BRAND, OTHER));
    assert!(hooks.routing_waits(BRAND, OTHER));
}
