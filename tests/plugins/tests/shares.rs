//! One brand takes all that it can get, in every kind of place, and computes or stays there for ever: another brand is
//! answered everywhere, and the greedy one's next is told at once.
#![allow(clippy::expect_used)]

use core::time::Duration;
use model::{
    AppFailure, AppReply, AppVerb, BrandId, Decision, Instant, Question, QuestionKind, RateAnswer, RateKind,
    RateQuestion, RateVerdict, Rated, Ticket, Told,
};
use plugin::{BindingSpec, Host, Point, Pool, PoolUse};
use plugin_tests::{ACME, BRAND, CHEAT, Engine, HOSTILE, PATIENCE, bind, call, directory, host_with, until};

/// Who takes all it can get.
const GREEDY: BrandId = BrandId(2);

/// Eight places of each kind; a brand may have four, a binding three.
fn crowded() -> Host {
    host_with(|c| {
        (c.hooks_max, c.apps_max, c.waits_max, c.raters_max) = (8, 8, 8, 8);
        (c.brand_share_percent, c.binding_share_percent) = (50, 40);
        // None of the greedy ones ends by itself before the test does.
        (c.hook_cpu, c.app_cpu) = (Duration::from_secs(600), Duration::from_secs(600));
    })
}

fn of(brand: BrandId, mut spec: BindingSpec) -> BindingSpec {
    spec.scope.brand = brand;
    spec
}

async fn route(host: &Host, brand: BrandId) -> (Option<Decision>, Vec<String>) {
    let mut call = call(ACME, "7");
    call.brand = brand;
    let question =
        Question { ticket: Ticket(1), deadline: Instant::from_unix_nanos(0), call, kind: QuestionKind::Route };
    let answer = tokio::time::timeout(PATIENCE, host.ask(question, directory())).await.expect("it always answers");
    (answer.decision, answer.hooks.into_iter().map(|hook| hook.outcome).collect())
}

async fn rate(host: &Host, brand: BrandId) -> RateAnswer {
    let rated = Rated {
        id: "c.1".to_owned(),
        number: "+4930".to_owned(),
        trunk: None,
        payer: None,
        unasked: false,
        granted_s: None,
        since: None,
    };
    let mut call = call(ACME, "7");
    call.brand = brand;
    let (ticket, deadline) = (Ticket(1), Instant::from_unix_nanos(0));
    let question = RateQuestion { ticket, deadline, call, rated, kind: RateKind::Authorize };
    tokio::time::timeout(PATIENCE, host.ask_rate(question, directory())).await.expect("it always answers")
}

fn app(host: &Host, brand: BrandId, name: &str) -> Engine {
    let mut call = call(ACME, "100");
    call.brand = brand;
    Engine::start_call(host, name, Vec::new(), call)
}

fn pool(host: &Host, pool: Pool) -> PoolUse {
    host.metrics().pools.into_iter().find(|used| used.pool == pool).expect("every pool")
}

/// How many instances of a binding are alive, and how many may be.
fn places_of(host: &Host, binding: i64) -> (u32, u32) {
    let state = host.state_of(model::BindingId(binding)).expect("bound");
    (state.instances, state.instances_max)
}

/// The greedy brand's bindings and the honest one's.
fn bindings(host: &Host) -> Vec<BindingSpec> {
    let hostile = host.compile(HOSTILE).expect("compiles");
    let cheat = host.compile(CHEAT).expect("compiles");
    let does = |id, name: &str, point, deed: &str| {
        bind(id, name, point, &hostile, &format!(r#"{{"do":"{deed}","text":"{name}"}}"#))
    };
    let rates = |id, deed: &str| bind(id, "rater", Point::Rater, &cheat, &format!(r#"{{"do":"{deed}"}}"#));
    vec![
        of(GREEDY, does(1, "spins", Point::Router, "spin")),
        of(GREEDY, does(2, "spins", Point::App, "spin")),
        of(GREEDY, does(3, "stays", Point::App, "stay")),
        of(GREEDY, rates(4, "spin")),
        of(BRAND, does(11, "routes", Point::Router, "refuse")),
        of(BRAND, does(12, "beeps", Point::App, "beep")),
        of(BRAND, rates(13, "good")),
    ]
}

#[tokio::test]
async fn a_brand_that_fills_its_shares_leaves_the_others_answered() {
    let host = crowded();
    host.set_bindings(bindings(&host)).expect("bound");
    // Three routers, three raters and three apps compute for ever; a fourth app is parked.
    let mut busy = Vec::new();
    for _ in 0..3 {
        let own = host.clone();
        busy.push(tokio::spawn(async move { drop(route(&own, GREEDY).await) }));
        let own = host.clone();
        busy.push(tokio::spawn(async move { drop(rate(&own, GREEDY).await) }));
    }
    let mut greedy: Vec<Engine> = (0..3).map(|_| app(&host, GREEDY, "spins")).collect();
    for spins in &mut greedy {
        spins.expect(|verb| matches!(verb, AppVerb::Answer(..)), Ok(AppReply::Done)).await;
    }
    greedy.push(app(&host, GREEDY, "stays"));
    until(|| pool(&host, Pool::Hooks).live == 3 && pool(&host, Pool::Raters).live == 3).await;

    // It gets no more, and is told at once: of the binding, and of the brand where another binding asks.
    assert_eq!(route(&host, GREEDY).await.1, ["saturated"]);
    assert_eq!(rate(&host, GREEDY).await.hook.expect("asked").outcome, "saturated");
    assert_eq!(app(&host, GREEDY, "spins").ended().await, Err(AppFailure::Saturated));
    assert_eq!(app(&host, GREEDY, "stays").ended().await, Err(AppFailure::Saturated));
    let apps = pool(&host, Pool::Apps);
    assert_eq!((apps.live, apps.max, apps.brand_max, apps.binding_max), (4, 8, 4, 3));
    assert_eq!((apps.refused_all, apps.refused_brand, apps.refused_binding), (0, 1, 1));
    assert_eq!(apps.brands, [(GREEDY, 4)]);

    // Everybody else is served as if it were not there.
    for _ in 0..50 {
        let (decision, outcomes) = route(&host, BRAND).await;
        assert!(matches!(decision, Some(Decision::Refuse(r)) if r.reason == "routes"), "{outcomes:?}");
        assert!(matches!(rate(&host, BRAND).await.verdict, RateVerdict::Grant(_)));
    }
    let mut beeps = app(&host, BRAND, "beeps");
    beeps.expect(|verb| matches!(verb, AppVerb::Answer(..)), Ok(AppReply::Done)).await;
    for _ in 0..50 {
        beeps.expect(|verb| matches!(verb, AppVerb::Play(..)), Ok(AppReply::Played(None))).await;
    }
    assert_eq!(places_of(&host, 12), (1, 3));
    assert_eq!(pool(&host, Pool::Hooks).live, 3, "and the greedy one computes on");

    for task in &busy {
        task.abort();
    }
    greedy.iter().for_each(|engine| host.app_stop(engine.app));
    until(|| pool(&host, Pool::Apps).brands == [(BRAND, 1)]).await;
}

#[tokio::test]
async fn a_brand_that_is_alone_has_every_place_until_another_comes() {
    let host = crowded();
    let mut alone = bindings(&host);
    alone.retain(|spec| spec.name == "stays");
    host.set_bindings(alone.clone()).expect("bound");
    let mut parked: Vec<Engine> = (0..8).map(|_| app(&host, GREEDY, "stays")).collect();
    for engine in &mut parked {
        let _ = engine.verb().await;
    }
    assert_eq!(app(&host, GREEDY, "stays").ended().await, Err(AppFailure::Saturated));
    let apps = pool(&host, Pool::Apps);
    assert_eq!((apps.live, apps.brand_max, apps.binding_max, apps.refused_all), (8, 8, 8, 1));
    assert_eq!(places_of(&host, 3), (8, 8));

    // Another brand's app is bound: the first keeps its calls, and whatever one of them gives back is not for its next.
    host.set_bindings(bindings(&host)).expect("bound");
    let apps = pool(&host, Pool::Apps);
    assert_eq!((apps.live, apps.brand_max, apps.binding_max), (8, 4, 3));
    assert_eq!(places_of(&host, 3), (8, 3));
    host.app_stop(parked.pop().expect("parked").app);
    until(|| pool(&host, Pool::Apps).live == 7).await;
    assert_eq!(app(&host, GREEDY, "stays").ended().await, Err(AppFailure::Saturated));
    let mut beeps = app(&host, BRAND, "beeps");
    beeps.expect(|verb| matches!(verb, AppVerb::Answer(..)), Ok(AppReply::Done)).await;

    // It goes again, and what it had is the first one's.
    host.app_stop(beeps.app);
    host.set_bindings(alone).expect("bound");
    until(|| pool(&host, Pool::Apps).live == 7).await;
    let mut next = app(&host, GREEDY, "stays");
    let _ = next.verb().await;
    for engine in parked.iter().chain([&next]) {
        host.app_stop(engine.app);
    }
    until(|| pool(&host, Pool::Apps).live == 0).await;
}

#[tokio::test]
async fn a_new_version_does_not_double_a_bindings_share() {
    let host = crowded();
    host.set_bindings(bindings(&host)).expect("bound");
    let mut old: Vec<Engine> = (0..3).map(|_| app(&host, GREEDY, "stays")).collect();
    for engine in &mut old {
        let _ = engine.verb().await;
    }
    let mut next = bindings(&host);
    next.iter_mut().for_each(|spec| spec.plugin = "next@0.2.0".to_owned());
    host.set_bindings(next).expect("bound");
    assert_eq!(app(&host, GREEDY, "stays").ended().await, Err(AppFailure::Saturated));
    old.drain(..).for_each(|engine| host.app_stop(engine.app));
    until(|| pool(&host, Pool::Apps).live == 0).await;
    let _ = app(&host, GREEDY, "stays").verb().await;
}

#[tokio::test]
async fn a_place_is_given_back_however_a_guest_ends() {
    // Out of CPU, and late with CPU left.
    for cpu in [Duration::from_millis(50), Duration::from_secs(600)] {
        let host = host_with(|c| {
            (c.hooks_max, c.apps_max) = (1, 1);
            (c.hook_cpu, c.app_cpu) = (cpu, Duration::from_millis(50));
            c.limits.route_deadline_ms = 300;
        });
        let hostile = host.compile(HOSTILE).expect("compiles");
        let run = |point, deed: &str| {
            host.set_bindings(vec![bind(1, "r", point, &hostile, &format!(r#"{{"do":"{deed}"}}"#))]).expect("bound");
        };
        for deed in ["trap", "spin", "recurse", "hog", "nonsense", "err", "refuse"] {
            run(Point::Router, deed);
            assert_ne!(route(&host, BRAND).await.1, ["saturated"], "{deed}");
            until(|| pool(&host, Pool::Hooks).live == 0).await;
        }
        for deed in ["trap", "spin", "decline", "err"] {
            run(Point::App, deed);
            let mut engine = app(&host, BRAND, "r");
            if ["trap", "spin"].contains(&deed) {
                engine.expect(|verb| matches!(verb, AppVerb::Answer(..)), Ok(AppReply::Done)).await;
            }
            assert_ne!(engine.ended().await, Err(AppFailure::Saturated), "{deed}");
            until(|| pool(&host, Pool::Apps).live == 0).await;
        }
        let all = host.metrics().pools;
        assert!(all.iter().all(|used| used.refused_all + used.refused_brand + used.refused_binding == 0), "{all:?}");
    }
    // The caller is gone, and the plugin was replaced.
    let host = host_with(|c| (c.hooks_max, c.hook_cpu) = (1, Duration::from_secs(2)));
    let hostile = host.compile(HOSTILE).expect("compiles");
    let does = |deed: &str| vec![bind(1, "r", Point::Router, &hostile, &format!(r#"{{"do":"{deed}"}}"#))];
    host.set_bindings(does("spin")).expect("bound");
    let own = host.clone();
    let caller = tokio::spawn(async move { drop(route(&own, BRAND).await) });
    until(|| pool(&host, Pool::Hooks).live == 1).await;
    caller.abort();
    host.set_bindings(does("refuse")).expect("bound");
    until(|| pool(&host, Pool::Hooks).live == 0).await;
    assert!(route(&host, BRAND).await.0.is_some(), "the only place is there again");
}

#[tokio::test]
async fn parked_apps_take_no_place_of_sinks_and_raters() {
    let host = host_with(|c| {
        (c.apps_max, c.waits_max, c.raters_max) = (1, 1, 1);
    });
    let probe = host.compile(plugin_tests::PROBE).expect("compiles");
    let mut all = bindings(&host);
    all.iter_mut().for_each(|spec| spec.scope.brand = BRAND);
    all.retain(|spec| spec.name != "rater" || spec.config_json.contains("good"));
    if probe.points().contains(&Point::EventSink) {
        all.push(bind(20, "sink", Point::EventSink, &probe, "{}"));
    }
    let sinks = all.iter().filter(|spec| spec.point == Point::EventSink).count();
    host.set_bindings(all).expect("bound");
    let mut parked = app(&host, BRAND, "stays");
    let _ = parked.verb().await;
    assert_eq!(app(&host, BRAND, "stays").ended().await, Err(AppFailure::Saturated));
    assert!(matches!(rate(&host, BRAND).await.verdict, RateVerdict::Grant(_)));
    assert_eq!(sinks, 1, "the probe is a sink");
    let at = Instant::from_unix_nanos(1);
    let told = Told { kind: "call-started", at, call: None, brand: BRAND, company: ACME, attrs: Vec::new() };
    host.tell(&told, &directory());
    let served = |host: &Host| {
        let bindings = host.metrics().bindings;
        bindings.into_iter().find(|b| b.point == Point::EventSink).is_some_and(|b| b.calls > 0 && b.saturated == 0)
    };
    until(|| served(&host)).await;
    host.app_stop(parked.app);
}
