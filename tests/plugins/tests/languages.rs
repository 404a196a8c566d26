//! The same plugin in every language passes the same checks: the front desk, as a router and as a call app.
//!
//! `cargo xtask test languages` builds the components into `target/languages`; one that is not there is skipped aloud.
#![allow(clippy::expect_used, reason = "test code")]

use core::time::Duration;
use model::{
    AccountId, AppError, AppOutcome, AppReply, AppVerb, Bridged, CallId, Cause, CauseInfo, Collected, Decision, Edge,
    EdgeAt, Endpoint, FilterMessage, FilterVerdict, Header, HeaderOp, Instant as At, LegHandle, Prompt, QuestionKind,
    RingPlan, Told,
};
use plugin::{Artifact, BindingSpec, Grants, Host, Point, Reuse, Secret};
use plugin_tests::{ACME, BRAND, DESK, Engine, PATIENCE, ask, ask_kind, bind, directory, host_with, until};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const CALLER: LegHandle = LegHandle(0);

/// The component of a language, unless its toolchain could not be had.
fn component(language: &str) -> Option<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let file = target.join("languages").join(format!("{language}.wasm"));
    match std::fs::read(&file) {
        Ok(bytes) => Some(bytes),
        Err(_) => {
            eprintln!("SKIPPED: no {language} component; `cargo xtask test languages` builds it");
            None
        }
    }
}

fn router(artifact: &Arc<Artifact>, config: &str, granted: bool) -> BindingSpec {
    let mut spec = bind(1, "desk", Point::Router, artifact, config);
    if granted {
        spec.grants = Grants { kv: BTreeSet::from(["front-desk".to_owned()]), ..Grants::default() };
    }
    spec
}

async fn plan(host: &Host, callee: &str) -> RingPlan {
    let answer = ask(host, callee).await;
    match answer.decision {
        Some(Decision::Connect(plan)) => plan,
        other => panic!("no plan: {other:?}, {:?}", answer.hooks),
    }
}

fn counted(plan: &RingPlan) -> String {
    match plan.header_ops.as_slice() {
        [HeaderOp::Set(Header { name, value })] if name == "X-Front-Desk" => value.clone(),
        other => panic!("{other:?}"),
    }
}

async fn routes(host: &Host, artifact: &Arc<Artifact>, language: &str) {
    host.set_bindings(vec![router(artifact, r#"{"account":"1003"}"#, true)]).expect("bound");
    for n in ["1", "2", "3"] {
        let plan = plan(host, "8123").await;
        assert_eq!(plan.steps[0].targets[0].to, Endpoint::Account("1003".to_owned()));
        assert_eq!((plan.steps[0].ring_timeout, counted(&plan).as_str()), (Duration::from_secs(20), n));
    }
    let passed = ask(host, "7").await;
    assert_eq!(passed.attrs, [("desk.language".to_owned(), language.to_owned())], "{:?}", passed.hooks);
    let cause = CauseInfo::local(Cause::NoAnswer);
    let tried = QuestionKind::Exhausted(vec![("account 1003".to_owned(), cause)]);
    let args = vec![("tried".to_owned(), "1".to_owned())];
    let exhausted = ask_kind(host, ACME, "8123", tried).await.decision;
    assert_eq!(exhausted, Some(Decision::App { name: "front-desk".to_owned(), args }));
    // Not granted: an error that the plugin can catch.
    host.set_bindings(vec![router(artifact, r#"{"prefix":"9"}"#, false)]).expect("bound");
    assert_eq!(counted(&plan(host, "9").await), "0");
    // A configuration that it does not expect is its own failure, and nobody else's.
    host.set_bindings(vec![router(artifact, r#"{"prefix":{}}"#, true)]).expect("bound");
    let broken = ask(host, "8").await;
    assert!(broken.decision.is_none(), "{:?}", broken.hooks);
    host.set_bindings(vec![router(artifact, "{}", true)]).expect("bound");
    assert_eq!(counted(&plan(host, "8").await), "4", "its keys are still there");
}

/// A warm instance answers as a fresh one does, and does not grow with its questions.
async fn stays(host: &Host, artifact: &Arc<Artifact>) {
    host.set_bindings(vec![BindingSpec { reuse: Reuse::Warm, ..router(artifact, "{}", false) }]).expect("bound");
    let warm = || host.metrics().bindings[0].warm.clone();
    let mut bytes = Vec::new();
    for _ in 0..2 {
        for _ in 0..500 {
            assert_eq!(counted(&plan(host, "8").await), "0");
        }
        bytes.push(warm().idle_bytes);
    }
    assert_eq!((warm().made, warm().hits), (1, 999), "{:?}", warm());
    assert_eq!(bytes[0], bytes[1], "it has grown");
}

fn digit(digits: &str) -> Result<AppReply, AppError> {
    let timed_out = digits.is_empty();
    Ok(AppReply::Collected(Collected { digits: digits.to_owned(), terminator: None, timed_out }))
}

fn plays<'a>(name: &'a str) -> impl FnOnce(&AppVerb) -> bool + 'a {
    move |verb| matches!(verb, AppVerb::Play(CALLER, p, _) if *p == [Prompt::File(name.to_owned())])
}

async fn asked_for_a_digit(host: &Host) -> Engine {
    let mut engine = Engine::start(host, "desk");
    engine.expect(|v| *v == AppVerb::Answer(CALLER, vec![]), Ok(AppReply::Done)).await;
    engine
}

fn collects(verb: &AppVerb) -> bool {
    matches!(verb, AppVerb::Collect(CALLER, spec)
        if spec.prompts == [Prompt::File("attendant-menu".to_owned())] && spec.max_digits == 1)
}

async fn runs(host: &Host, artifact: &Arc<Artifact>) {
    host.set_bindings(vec![bind(1, "desk", Point::App, artifact, r#"{"operator":"1002"}"#)]).expect("bound");
    let hung_up = |cause| Err(AppError::HungUp(CauseInfo::local(cause)));
    let mut engine = asked_for_a_digit(host).await;
    engine.expect(collects, digit("1")).await;
    let rings = |v: &AppVerb| matches!(v, AppVerb::Dial(CALLER, spec) if spec.targets == ["1002"]);
    engine.expect(rings, Ok(Engine::leg(1))).await;
    let bridged = Bridged { ended_by: "b".to_owned(), duration: Duration::from_secs(9), cause: None };
    let bridges = |v: &AppVerb| matches!(v, AppVerb::Bridge(CALLER, LegHandle(1), _));
    engine.expect(bridges, Ok(AppReply::Bridged(bridged))).await;
    engine.expect(|v| *v == AppVerb::Hangup(LegHandle(1)), Ok(AppReply::Done)).await;
    engine.expect(|v| *v == AppVerb::Hangup(CALLER), Ok(AppReply::Done)).await;
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));

    let mut engine = asked_for_a_digit(host).await;
    engine.expect(collects, digit("1")).await;
    engine.expect(|v| matches!(v, AppVerb::Dial(..)), hung_up(Cause::Busy)).await;
    engine.expect(plays("attendant-busy"), Ok(AppReply::Played(None))).await;
    engine.expect(|v| *v == AppVerb::Hangup(CALLER), Ok(AppReply::Done)).await;
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));

    let mut engine = asked_for_a_digit(host).await;
    engine.expect(collects, hung_up(Cause::NormalClearing)).await;
    let ended = engine.ended().await;
    assert!(matches!(ended, Ok(AppOutcome::Err(AppError::HungUp(_)))), "an err leaves as an err: {ended:?}");
    assert_eq!((host.metrics().bindings[0].traps, host.metrics().apps_live), (0, 0));
}

/// Two apps of one component do not share anything, parked or not.
async fn park(host: &Host) {
    let mut engines = Vec::new();
    for _ in 0..4 {
        engines.push(asked_for_a_digit(host).await);
    }
    for engine in engines.iter_mut().rev() {
        engine.expect(collects, digit("5")).await;
        engine.expect(plays("goodbye"), Ok(AppReply::Played(None))).await;
        engine.expect(|v| *v == AppVerb::Hangup(CALLER), Ok(AppReply::Done)).await;
        assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));
    }
}

async fn passes(language: &str, bytes: &[u8]) {
    // The first question pays for a cold pool; interpreters need their time on a busy machine.
    let host = host_with(|c| {
        c.hook_cpu = Duration::from_secs(2);
        c.app_cpu = Duration::from_secs(2);
    });
    let began = Instant::now();
    let artifact = host.compile(bytes).expect("it compiles");
    eprintln!("{language}: {} bytes, compiled for both engines in {:?}", bytes.len(), began.elapsed());
    assert_eq!(*artifact.points(), BTreeSet::from([Point::Router, Point::App]));
    assert!(artifact.imports().iter().all(|i| i.starts_with("strowger:")), "{:?}", artifact.imports());
    routes(&host, &artifact, language).await;
    // What is made in C is never freed: it is not to be kept.
    if language != "c" {
        stays(&host, &artifact).await;
    }
    runs(&host, &artifact).await;
    park(&host).await;
}

/// A web server that keeps what it is sent and answers each request with the next of these.
async fn server(answers: Vec<(u16, String)>) -> (u16, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, requests) = unbounded_channel();
    tokio::spawn(async move {
        for (status, body) in answers {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut text = String::new();
            let mut bytes = vec![0; 65_536];
            while !is_whole(&text) {
                let n = stream.read(&mut bytes).await.unwrap_or(0);
                if n == 0 {
                    break;
                }
                text.push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
            let _ = sender.send(text);
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    (port, requests)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0_usize)
}

async fn request(requests: &mut UnboundedReceiver<String>) -> (String, serde_json::Value) {
    let text = tokio::time::timeout(PATIENCE, requests.recv()).await.expect("it asks").expect("a request");
    let (head, body) = text.split_once("\r\n\r\n").expect("a body");
    (head.to_ascii_lowercase(), serde_json::from_str(body).expect("JSON"))
}

/// What manifest, an operator who allows this machine, and the binding give together.
fn granted(spec: &mut BindingSpec, manifest: &str) {
    let manifest = bundle::Manifest::parse(manifest).expect("a manifest");
    let mut asks = manifest.needs.clone();
    asks.private_addresses = true;
    let operator: Grants = serde_json::from_str(
        r#"{"http":[{"host":"127.0.0.1","methods":["POST"]}],"secrets":["*"],"private-addresses":true}"#,
    )
    .expect("grants");
    spec.grants = asks.meet(&operator);
    spec.reuse = manifest.reuse(spec.point.name());
    let points: BTreeSet<_> = manifest.provides.iter().map(|p| p.point.as_str()).collect();
    assert_eq!(points, spec.artifact.points().iter().map(|p| p.name()).collect(), "the manifest tells the exports");
}

#[tokio::test]
async fn webhook_events_posts_what_happened_signed_and_again_until_it_is_taken() {
    let Some(bytes) = component("webhook-events") else { return };
    let host = host_with(|c| c.app_cpu = Duration::from_secs(2));
    let artifact = host.compile(&bytes).expect("it compiles");
    let (port, mut requests) = server(vec![(503, String::new()), (204, String::new()), (200, String::new())]).await;
    let config = format!(r#"{{"url":"http://127.0.0.1:{port}/hook","kinds":["call-started","call-ended"]}}"#);
    let mut spec = bind(1, "hooks", Point::EventSink, &artifact, &config);
    granted(&mut spec, include_str!("../../../plugins/javascript/webhook-events/plugin.toml"));
    spec.secrets.insert("signing-key".to_owned(), Secret::new("key".to_owned()));
    host.set_bindings(vec![spec]).expect("bound");
    let told = |kind, caller: &str| Told {
        kind,
        at: At::from_unix_nanos(1_500_000_000),
        call: None,
        brand: BRAND,
        company: ACME,
        attrs: vec![("caller", caller.to_owned())],
    };
    host.tell(&told("call-started", "Zoë"), &directory());
    let (head, body) = request(&mut requests).await;
    assert!(head.starts_with("post /hook http/1.1") && head.contains("content-type: application/json"), "{head}");
    let event = &body["events"][0];
    assert_eq!((&event["id"], &event["kind"], &event["caller"]), (&json!(1), &json!("call-started"), &json!("Zoë")));
    assert_eq!((&event["at"], &event["company"]), (&json!("1970-01-01T00:00:01.500Z"), &json!("acme")));
    let (again, same) = request(&mut requests).await;
    assert_eq!(same, body, "a 503 takes nothing");
    let signature = |head: &str| head.lines().find_map(|l| l.strip_prefix("x-strowger-signature: ").map(str::to_owned));
    // Of exactly these bytes, by `openssl dgst -sha256 -hmac key`.
    let expected = "sha256=a89ca9f9edde89ce5934e968435893139c1645a848f06fbea6461a8a15108fa2";
    assert_eq!(signature(&again).as_deref(), Some(expected), "{again}");
    assert_eq!(signature(&again), signature(&head));
    host.tell(&told("registered", "1001"), &directory());
    host.tell(&told("call-ended", "1001"), &directory());
    let (_, body) = request(&mut requests).await;
    assert_eq!(body["events"].as_array().map(Vec::len), Some(1), "only what was asked for: {body}");
    until(|| host.metrics().bindings[0].events.told == 3).await;
}

#[tokio::test]
async fn the_http_router_asks_and_obeys_and_goes_on_without_an_answer() {
    let Some(bytes) = component("http-router") else { return };
    let host = host_with(|c| c.hook_cpu = Duration::from_secs(5));
    let artifact = host.compile(&bytes).expect("it compiles");
    let answers = [
        (200, r#"{"action":"connect","to":["1001","sip:7@192.0.2.7"],"ring_s":9}"#),
        (200, r#"{"action":"refuse","status":486,"reason":"Busy"}"#),
        (200, r#"{"action":"next"}"#),
        (500, "{}"),
        (200, "nonsense"),
        (200, r#"{"action":"connect"}"#),
        (200, r#"{"action":"dance"}"#),
    ];
    let (port, mut requests) = server(answers.map(|(s, b)| (s, b.to_owned())).into()).await;
    let config = format!(r#"{{"url":"http://127.0.0.1:{port}/","timeout_ms":5000,"authorize":true,"numbers":"8"}}"#);
    let mut spec = bind(1, "http", Point::RouterIo, &artifact, &config);
    granted(&mut spec, include_str!("../../../plugins/python/http-router/plugin.toml"));
    spec.secrets.insert("api-key".to_owned(), Secret::new("s3cret".to_owned()));
    host.set_bindings(vec![spec]).expect("bound");
    let plan = plan(&host, "81").await;
    let targets: Vec<_> = plan.steps[0].targets.iter().map(|t| t.to.clone()).collect();
    assert_eq!(targets, [Endpoint::Account("1001".to_owned()), Endpoint::Uri("sip:7@192.0.2.7".to_owned())]);
    assert_eq!(plan.steps[0].ring_timeout, Duration::from_secs(9));
    let (head, body) = request(&mut requests).await;
    assert!(head.contains("authorization: bearer s3cret"), "{head}");
    assert_eq!((&body["asked"], &body["callee"], &body["account"]), (&json!("route"), &json!("81"), &json!("1001")));
    let refused = ask(&host, "82").await;
    assert!(matches!(&refused.decision, Some(Decision::Refuse(r)) if r.sip == 486), "{refused:?}");
    for why in ["next", "err: unavailable: the web service answered 500", "is not JSON", "makes no sense", "dance"] {
        let answer = ask(&host, "83").await;
        assert!(answer.decision.is_none() && !answer.failed, "{answer:?}");
        assert!(answer.hooks[0].outcome.contains(why), "{why}: {answer:?}");
    }
    let gone = ask(&host, "84").await;
    assert!(gone.decision.is_none() && gone.hooks[0].outcome.starts_with("err: unavailable"), "{gone:?}");
    let elsewhere = ask(&host, "7").await;
    assert_eq!(elsewhere.hooks[0].outcome, "next", "not its numbers: nobody was asked");
    let warm = host.metrics().bindings[0].warm.clone();
    assert_eq!((warm.made, warm.hits, elsewhere.hooks[0].warm), (1, 8, true), "its manifest keeps it: {warm:?}");
}

#[tokio::test]
async fn rust() {
    passes("rust", DESK).await;
}

#[tokio::test]
async fn javascript() {
    if let Some(bytes) = component("javascript") {
        passes("javascript", &bytes).await;
    }
}

#[tokio::test]
async fn python() {
    if let Some(bytes) = component("python") {
        passes("python", &bytes).await;
    }
}

#[tokio::test]
async fn c() {
    if let Some(bytes) = component("c") {
        passes("c", &bytes).await;
    }
}

fn shown(inbound: bool, agent: &str) -> FilterMessage {
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    FilterMessage {
        edge: Edge { call: CallId(7), brand: BRAND, company: ACME, at: EdgeAt::Account(AccountId(1)), withheld: false },
        brand_name: "brand".to_owned(),
        company_name: "acme".to_owned(),
        edge_name: "1001".to_owned(),
        method: "INVITE".to_owned(),
        status: None,
        inbound,
        within: false,
        request_uri: Some("sip:1002@acme.test".to_owned()),
        from_uri: "sip:1001@acme.test".to_owned(),
        to_uri: "sip:1002@acme.test".to_owned(),
        headers: vec![header("User-Agent", agent), header("X-Site", "forged")],
    }
}

async fn filters(language: &str) {
    let Some(bytes) = component(&format!("{language}-filter")) else { return };
    let host = host_with(|c| c.hook_cpu = Duration::from_secs(5));
    let artifact = host.compile(&bytes).expect("it compiles");
    assert_eq!(artifact.points().iter().copied().collect::<Vec<_>>(), [Point::SipFilter], "{:?}", artifact.imports());
    let config = r#"{"value":"north","unwanted":"scanner"}"#;
    host.set_bindings(vec![bind(1, "site", Point::SipFilter, &artifact, config)]).expect("bound");
    let ask = async |inbound, agent| {
        let answer = tokio::time::timeout(PATIENCE, host.ask_filter(shown(inbound, agent), directory())).await;
        answer.expect("it always answers")
    };
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    let set = HeaderOp::Set(header("X-Site", "north"));
    let left = FilterVerdict::Pass(vec![set, HeaderOp::Add(header("X-By", language))]);
    let answer = ask(false, "Phone").await;
    assert_eq!(answer.verdict, left, "{language}: {:?}", answer.hooks);
    assert_eq!(ask(true, "scanner").await.verdict, FilterVerdict::Refuse(403, "Not Wanted".to_owned()), "{language}");
    let removed = FilterVerdict::Pass(vec![HeaderOp::Remove("X-Site".to_owned())]);
    assert_eq!(ask(true, "Phone").await.verdict, removed, "{language}");
}

#[tokio::test]
async fn a_filter_in_javascript_changes_header_fields() {
    filters("javascript").await;
}

#[tokio::test]
async fn a_filter_in_python_changes_header_fields() {
    filters("python").await;
}

#[tokio::test]
async fn a_filter_in_c_changes_header_fields() {
    filters("c").await;
}
