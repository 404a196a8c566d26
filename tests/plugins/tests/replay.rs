//! What a binding is asked and told is recorded, and replayed: the same component says the same, another's first
//! difference is told, and a file that is not what the switch wrote is refused in words.
#![allow(clippy::expect_used, reason = "test code")]

use model::{AppReply, AppVerb, BindingId, Bridged, CauseInfo, Collected, LegHandle, QuestionKind};
use plugin::{
    BindingSpec, Digest, Grants, Host, Point, RECORDINGS_MAX, RecordRefusal, Recording, RecordingError, Replayed,
    Sample, Secret,
};
use plugin_tests::{ACME, DESK, Engine, PATIENCE, PROBE, ask, ask_kind, bind, host, until};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const BINDING: BindingId = BindingId(1);

/// So many questions of every call.
fn every(wanted: usize) -> Sample {
    Sample { wanted, percent: 100 }
}

fn desk(host: &Host, point: Point) -> BindingSpec {
    let artifact = host.compile(DESK).expect("it compiles");
    let mut spec = bind(1, "desk", point, &artifact, r#"{"account":"1003","operator":"1002"}"#);
    spec.grants = Grants { kv: BTreeSet::from(["front-desk".to_owned()]), ..Grants::default() };
    spec
}

/// Three questions to the front desk, as a file.
async fn three_questions() -> String {
    let host = host();
    host.set_bindings(vec![desk(&host, Point::Router)]).expect("bound");
    assert_eq!(host.record(BINDING, every(3)), Ok(()));
    ask(&host, "8123").await;
    ask(&host, "7").await;
    let tried = vec![("account 1003".to_owned(), CauseInfo::local(model::Cause::NoAnswer))];
    ask_kind(&host, ACME, "8123", QuestionKind::Exhausted(tried)).await;
    let state = host.recording(BINDING).expect("recorded");
    assert_eq!((state.takes, state.wanted, state.full, state.left_out), (3, 3, true, 0), "{state:?}");
    host.recording_file(BINDING).expect("a file")
}

/// In a host that knows nothing of where it was recorded.
async fn replay(file: &str, component: &[u8]) -> Vec<Replayed> {
    replay_with(file, component, BTreeMap::new()).await
}

async fn replay_with(file: &str, component: &[u8], secrets: BTreeMap<String, Secret>) -> Vec<Replayed> {
    let recording = Recording::read(file).expect("a recording");
    let host = host();
    let artifact = host.compile(component).expect("it compiles");
    let replayed = tokio::time::timeout(PATIENCE, host.replay(&recording, &artifact, secrets));
    replayed.await.expect("it ends").expect("it fits")
}

fn differences(replayed: Vec<Replayed>) -> Vec<Option<String>> {
    replayed.into_iter().map(|one| one.difference).collect()
}

/// The file with other lines, and a foot that fits them.
fn forged(file: &str, change: impl FnOnce(String) -> String) -> String {
    let (body, foot) = file.trim_end().rsplit_once('\n').expect("a foot");
    let takes = serde_json::from_str::<serde_json::Value>(foot).expect("JSON")["takes"].clone();
    let body = change(format!("{body}\n"));
    format!("{body}{{\"takes\":{takes},\"sha256\":\"{}\"}}\n", Digest::of(body.as_bytes()))
}

#[tokio::test]
async fn the_same_component_says_the_same_and_another_is_told_apart() {
    let file = three_questions().await;
    let replayed = replay(&file, DESK).await;
    assert_eq!(replayed.iter().map(|one| one.asked).collect::<Vec<_>>(), ["route", "route", "exhausted"]);
    assert!(replayed.iter().all(|one| one.call.as_ref().is_some_and(|call| call.len() == 32)), "{replayed:?}");
    assert_eq!(differences(replayed), [None, None, None]);
    // It counts with a key of its own: a run against real keys would say 1 again.
    assert!(file.contains(r#""said":{"Ok":1}"#), "{file}");

    // It reads another configuration, and has nothing to say where a plan has failed.
    let other = differences(replay(&file, shipped::EXTENSIONS).await);
    let words = ["unknown field `account`", "unknown field `account`", r#"is {"Next":[]}"#];
    assert_eq!(other.len(), words.len());
    for (told, words) in other.into_iter().zip(words) {
        let told = told.expect("another plugin");
        assert!(told.starts_with("answer /") && told.contains(words), "{told}");
    }

    // The same host calls, and another answer.
    let changed = forged(&file, |body| body.replacen(r#"{"Account":"1003"}"#, r#"{"Account":"1004"}"#, 1));
    let answers = differences(replay(&changed, DESK).await);
    let told = answers[0].as_deref().expect("an answer that differs");
    assert!(told.contains("/steps/0/targets/0/to/Account: was \"1004\", is \"1003\""), "{told}");
    assert_eq!(answers[1..], [None, None]);

    // What the recording has and the component does not ask for.
    let more = forged(&file, |body| {
        let entry = r#""exchanges":[{"import":"kv.get","with":["front-desk","x"],"said":{"Ok":null}}]"#;
        body.replacen(r#""exchanges":[]"#, entry, 1)
    });
    let told = differences(replay(&more, DESK).await)[1].clone().expect("a call that is missing");
    assert!(told.contains("was kv.get [\"front-desk\",\"x\"], is none"), "{told}");
}

#[tokio::test]
async fn a_call_app_is_replayed_verb_by_verb() {
    let host = host();
    host.set_bindings(vec![desk(&host, Point::App)]).expect("bound");
    assert_eq!(host.record(BINDING, every(5)), Ok(()));
    let mut engine = Engine::start(&host, "desk");
    engine.expect(|v| matches!(v, AppVerb::Answer(..)), Ok(AppReply::Done)).await;
    let digits = Collected { digits: "1".to_owned(), terminator: None, timed_out: false };
    engine.expect(|v| matches!(v, AppVerb::Collect(..)), Ok(AppReply::Collected(digits))).await;
    engine.expect(|v| matches!(v, AppVerb::Dial(..)), Ok(Engine::leg(1))).await;
    let bridged = Bridged { ended_by: "b".to_owned(), duration: Duration::from_secs(9), cause: None };
    engine.expect(|v| matches!(v, AppVerb::Bridge(..)), Ok(AppReply::Bridged(bridged))).await;
    engine.expect(|v| *v == AppVerb::Hangup(LegHandle(1)), Ok(AppReply::Done)).await;
    engine.expect(|v| matches!(v, AppVerb::Hangup(..)), Ok(AppReply::Done)).await;
    engine.ended().await.expect("it returns");
    until(|| host.recording(BINDING).is_some_and(|state| state.takes == 1)).await;
    let file = host.recording_file(BINDING).expect("a file");
    assert_eq!(differences(replay(&file, DESK).await), [None]);

    // Had the caller pressed 2, it would not have rung the operator.
    let pressed = forged(&file, |body| body.replacen(r#""digits":"1""#, r#""digits":"2""#, 1));
    let told = differences(replay(&pressed, DESK).await)[0].clone().expect("another way");
    assert!(
        told.starts_with("host call 3: was call.verb {\"Dial\"") && told.contains("is call.verb {\"Play\""),
        "{told}"
    );
    assert!(host.forget_recording(BINDING) && !host.forget_recording(BINDING) && host.recording(BINDING).is_none());
}

fn probe(host: &Host, config: &str) -> BindingSpec {
    let artifact = host.compile(PROBE).expect("it compiles");
    let mut spec = bind(1, "probe", Point::RouterIo, &artifact, config);
    spec.grants = serde_json::from_str(
        r#"{"http":[{"host":"127.0.0.1"}],"private-addresses":true,"secrets":["key"],"kv":["probe"]}"#,
    )
    .expect("grants");
    spec.secrets.insert("key".to_owned(), Secret::new("s3cret-of-ours".to_owned()));
    spec
}

/// A web server that answers once; then there is none.
async fn once(body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let mut bytes = [0; 4_096];
        let _ = stream.read(&mut bytes).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    });
    port
}

#[tokio::test]
async fn web_answers_and_secrets_are_replayed_without_network_and_without_the_secret() {
    let recorded = async |config: &str| {
        let host = host();
        host.set_bindings(vec![probe(&host, config)]).expect("bound");
        assert_eq!(host.record(BINDING, every(1)), Ok(()));
        let answer = ask(&host, "1").await;
        assert!(!answer.failed, "{answer:?}");
        host.recording_file(BINDING).expect("a file")
    };
    let port = once("the key is s3cret-of-ours").await;
    for config in [
        format!(r#"{{"do":"http","url":"http://127.0.0.1:{port}/","text":"key"}}"#),
        r#"{"do":"secret","text":"key"}"#.to_owned(),
        r#"{"do":"leak","text":"key"}"#.to_owned(),
        r#"{"do":"put","text":"s3cret-of-ours"}"#.to_owned(),
        r#"{"do":"clock","text":"Europe/London"}"#.to_owned(),
    ] {
        let file = recorded(&config).await;
        assert!(!file.contains("s3cret"), "{config}: {file}");
        let bytes = serde_json::to_string(b"s3cret").expect("JSON");
        assert!(!file.contains(bytes.trim_matches(['[', ']'])), "{config}: {file}");
        assert_eq!(differences(replay(&file, PROBE).await), [None], "{config}: {file}");
        // Who has a secret of his own sees the plugin use it, and it shows no more than the recorded one.
        let own = BTreeMap::from([("key".to_owned(), Secret::new("an0ther-of-ours".to_owned()))]);
        let told = differences(replay_with(&file, PROBE, own).await);
        assert!(!format!("{told:?}").contains("an0ther"), "{config}: {told:?}");
        if config.contains("leak") || config.contains("http") {
            assert_eq!(told, [None], "{config}: {file}");
        }
    }
}

#[tokio::test]
async fn a_secret_of_a_configuration_is_not_in_its_recording() {
    let host = host();
    let mut spec = probe(&host, r#"{"do":"put","text":"s3cret-of-ours"}"#);
    spec.config_secrets.insert("/text".to_owned());
    spec.secrets.clear();
    host.set_bindings(vec![spec]).expect("bound");
    assert_eq!(host.record(BINDING, every(1)), Ok(()));
    assert!(!ask(&host, "1").await.failed);
    let file = host.recording_file(BINDING).expect("a file");
    let bytes = serde_json::to_string(b"s3cret").expect("JSON");
    assert!(!file.contains("s3cret") && !file.contains(bytes.trim_matches(['[', ']'])), "{file}");
    assert!(file.contains(r#""text":"[secret]""#), "{file}");
    assert_eq!(differences(replay(&file, PROBE).await), [None], "{file}");
    // Who has one of his own gives it by its place.
    let own = BTreeMap::from([("/text".to_owned(), Secret::new("an0ther-of-ours".to_owned()))]);
    assert_eq!(differences(replay_with(&file, PROBE, own).await), [None], "{file}");
    for short in [r#"{"do":"put","text":"4711"}"#, r#"{"do":"put","number":471147,"text":"long-enough"}"#] {
        let mut spec = probe(&host, short);
        spec.config_secrets.extend(["/text".to_owned(), "/number".to_owned()]);
        host.set_bindings(vec![spec]).expect("bound");
        assert_eq!(host.record(BINDING, every(1)), Err(RecordRefusal::ShortSecret), "{short}");
    }
}

#[tokio::test]
async fn a_secret_that_could_not_be_kept_out_is_not_recorded() {
    let host = host();
    let mut spec = probe(&host, "{}");
    spec.secrets.insert("key".to_owned(), Secret::new("12345".to_owned()));
    host.set_bindings(vec![spec]).expect("bound");
    assert_eq!(host.record(BINDING, every(1)), Err(RecordRefusal::ShortSecret));
    assert_eq!(host.recording(BINDING), None);
}

#[tokio::test]
async fn a_trap_is_replayed_as_one() {
    let host = host();
    host.set_bindings(vec![probe(&host, r#"{"do":"trap"}"#)]).expect("bound");
    assert_eq!(host.record(BINDING, every(1)), Ok(()));
    assert!(ask(&host, "1").await.failed);
    let file = host.recording_file(BINDING).expect("a file");
    assert!(file.contains(r#""outcome":{"trapped":"#), "{file}");
    assert_eq!(differences(replay(&file, PROBE).await), [None]);
}

#[tokio::test]
async fn a_file_that_the_switch_did_not_write_is_refused_in_words() {
    let file = three_questions().await;
    let read = |text: &str| Recording::read(text).map(|_| ()).expect_err("refused");
    for cut in [0, 1, 40, file.len() / 2, file.len() - 2, file.len() - 1] {
        assert_eq!(read(&file[..cut]), RecordingError::Truncated, "cut after {cut} bytes");
    }
    assert_eq!(read(&file.replacen("8123", "8124", 1)), RecordingError::Changed);
    let without_one: String =
        file.lines().enumerate().filter(|(i, _)| *i != 2).map(|(_, l)| format!("{l}\n")).collect();
    assert_eq!(read(&without_one), RecordingError::Changed);
    let fewer = forged(&file, |body| body.lines().take(3).map(|l| format!("{l}\n")).collect());
    assert_eq!(read(&fewer), RecordingError::Changed, "fewer takes than the foot says");
    let other_form = forged(&file, |body| body.replacen("\"strowger-recording\":1", "\"strowger-recording\":2", 1));
    assert_eq!(read(&other_form), RecordingError::Form(2));
    let other_wit = forged(&file, |body| body.replacen("\"wit\":\"0.1.0\"", "\"wit\":\"9.0.0\"", 1));
    assert_eq!(read(&other_wit), RecordingError::Wit("9.0.0".to_owned()));
    let nonsense = forged(&file, |body| body.replacen("\"asked\":{\"route\"", "\"asked\":{\"rout\"", 1));
    assert!(matches!(read(&nonsense), RecordingError::Line { line: 2, .. }), "{:?}", read(&nonsense));
    // An answer that is none of the import's: the replay says so, and goes no further.
    let lie = forged(&file, |body| body.replacen(r#""said":{"Ok":1}"#, r#""said":{"Ok":"many"}"#, 1));
    let told = differences(replay(&lie, DESK).await)[0].clone().expect("a lie");
    assert!(told.starts_with("the recorded answer of kv.add is none of this version"), "{told}");

    let recording = Recording::read(&file).expect("a recording");
    let host = host();
    let echo = host.compile(shipped::ECHO).expect("it compiles");
    let refused = host.replay(&recording, &echo, BTreeMap::new()).await.expect_err("it is no router");
    assert!(refused.to_string().contains("routing/router, which this component does not serve"), "{refused}");
}

#[tokio::test]
async fn recordings_are_bounded_and_of_one_version() {
    let host = host();
    let artifact = host.compile(DESK).expect("it compiles");
    let many = i64::try_from(RECORDINGS_MAX).expect("few") + 1;
    let specs = |config: &str| {
        let one = |id| bind(id, &format!("desk-{id}"), Point::Router, &artifact, config);
        (1..=many).map(one).collect::<Vec<_>>()
    };
    host.set_bindings(specs("{}")).expect("bound");
    assert_eq!(host.record(BindingId(many + 1), every(1)), Err(RecordRefusal::NotLive));
    for id in 1..many {
        assert_eq!(host.record(BindingId(id), every(2)), Ok(()), "{id}");
    }
    assert_eq!(host.record(BindingId(many), every(1)), Err(RecordRefusal::TooMany));
    for _ in 0..3 {
        ask(&host, "7").await;
    }
    let state = host.recording(BINDING).expect("recorded");
    assert_eq!((state.takes, state.full), (2, true), "no more than was wanted: {state:?}");
    assert_eq!(host.record(BINDING, every(1)), Ok(()), "begun anew in its own place");
    // Another version takes the binding: what it says does not stand under the first one's name.
    let other = host.compile(shipped::EXTENSIONS).expect("it compiles");
    host.set_bindings(vec![bind(1, "desk-1", Point::Router, &other, "{}")]).expect("bound");
    ask(&host, "7").await;
    let state = host.recording(BINDING).expect("recorded");
    assert_eq!((state.takes, state.full), (0, true), "{state:?}");
}
