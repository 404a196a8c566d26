//! The voicemail plugin against a keeper of boxes that is a table: what it asks, and that nobody else's box can be named.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use core::time::Duration;
use model::{
    AppError, AppOutcome, AppReply, AppVerb, BoxOwner, BoxReply, BoxSettings, BoxVerb, Cause, CauseInfo, Clip,
    Collected, Decision, Folder, LegHandle, PlayedTo, Prompt, QuestionKind, RecordingDone, VoiceBox, VoiceMessage,
};
use plugin::{BoxAnswer, Grants, Host, Mailboxes, Point};
use plugin_tests::{ACME, BRAND, Engine, bind, call, host};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

const CALLER: LegHandle = LegHandle(0);

/// Keeps what it was asked, and answers as a box with one message would.
#[derive(Debug, Default)]
struct Table(Mutex<Vec<(BoxOwner, BoxVerb)>>);

impl Table {
    fn asked(&self) -> Vec<BoxVerb> {
        self.0.lock().unwrap().iter().map(|(_, verb)| verb.clone()).collect()
    }
}

fn message() -> VoiceMessage {
    VoiceMessage {
        id: 7,
        folder: Folder::New,
        caller: "1002".to_owned(),
        caller_name: None,
        received_ms: 0,
        length_ms: 2_000,
        urgent: false,
    }
}

impl Mailboxes for Table {
    fn ask(&self, whose: BoxOwner, verb: BoxVerb) -> oneshot::Receiver<BoxAnswer> {
        let found = VoiceBox {
            account: whose.account.clone(),
            display_name: String::new(),
            settings: BoxSettings { enabled: whose.account != "1003", ..BoxSettings::default() },
            has_pin: true,
            locked_s: 0,
            greetings: Vec::new(),
            new: 1,
            new_urgent: 0,
            saved: 0,
            saved_urgent: 0,
            deleted: 0,
        };
        let answer = match &verb {
            BoxVerb::Open => Ok(BoxReply::Opened(found)),
            BoxVerb::CheckPin(pin) if pin == "4711" => Ok(BoxReply::Pin(model::PinCheck::Right)),
            BoxVerb::CheckPin(_) => Ok(BoxReply::Pin(model::PinCheck::Wrong)),
            BoxVerb::Deposit(_) => Ok(BoxReply::Kept(7)),
            BoxVerb::Messages(_) => Ok(BoxReply::Messages(vec![message()])),
            BoxVerb::Hear(7) => Ok(BoxReply::Sound(Some(Clip(Arc::from([1, 2, 3]))))),
            BoxVerb::HearGreeting(_) => Ok(BoxReply::Sound(None)),
            BoxVerb::Move(7, _) => Ok(BoxReply::Done),
            BoxVerb::Configure(_)
            | BoxVerb::SetPin(_)
            | BoxVerb::Hear(_)
            | BoxVerb::Fetch(_)
            | BoxVerb::Move(..)
            | BoxVerb::Erase(_)
            | BoxVerb::Forward(..)
            | BoxVerb::Greet(..)
            | BoxVerb::HearRecording(_) => Err(AppError::NotFound),
        };
        self.0.lock().unwrap().push((whose, verb));
        let (send, receive) = oneshot::channel();
        send.send(answer).unwrap();
        receive
    }
}

fn bound(grants: Grants) -> (Host, Arc<Table>) {
    let host = host();
    let table = Arc::new(Table::default());
    host.keep_mailboxes(Arc::clone(&table) as Arc<dyn Mailboxes>);
    let artifact = host.compile(shipped::VOICEMAIL).expect("compiles");
    let app = plugin::BindingSpec { grants: grants.clone(), ..bind(1, "voicemail", Point::App, &artifact, "{}") };
    let router = bind(2, "voicemail-unanswered", Point::Router, &artifact, "{}");
    let codes = BTreeSet::from(["*97".to_owned(), "*98".to_owned()]);
    let feature = plugin::BindingSpec { codes, ..bind(3, "voicemail-codes", Point::Feature, &artifact, "{}") };
    host.set_bindings(vec![app, router, feature]).expect("bound");
    (host, table)
}

fn granted() -> Grants {
    Grants { mailboxes: true, ..Grants::default() }
}

fn plays(name: &'static str) -> impl FnOnce(&AppVerb) -> bool {
    move |verb| matches!(verb, AppVerb::Play(CALLER, p, _) if p.contains(&Prompt::File(name.to_owned())))
}

fn collects(name: &'static str) -> impl FnOnce(&AppVerb) -> bool {
    move |verb| matches!(verb, AppVerb::Collect(CALLER, spec) if spec.prompts.contains(&Prompt::File(name.to_owned())))
}

fn digits(digits: &str) -> Result<AppReply, AppError> {
    Ok(AppReply::Collected(Collected { digits: digits.to_owned(), terminator: None, timed_out: digits.is_empty() }))
}

fn taped(call: model::CallId, ended_by: &str, seconds: u64) -> Result<AppReply, AppError> {
    Ok(AppReply::Recorded(RecordingDone {
        name: format!("{call}-0-1"),
        length: Duration::from_secs(seconds),
        ended_by: ended_by.to_owned(),
        digit: None,
    }))
}

fn begin(host: &Host, args: &[(&str, &str)]) -> (Engine, model::CallId) {
    let call = call(ACME, "1002");
    let id = call.call;
    let args = args.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    (Engine::start_call(host, "voicemail", args, call), id)
}

async fn speak(engine: &mut Engine) {
    engine.expect(|v| matches!(v, AppVerb::Answer(CALLER, _)), Ok(AppReply::Done)).await;
    engine.expect(plays("vm-busy"), Ok(AppReply::Played(None))).await;
    engine.expect(|v| matches!(v, AppVerb::Play(..)), Ok(AppReply::Played(None))).await;
}

const FOR_1002: [(&str, &str); 3] = [("mailbox", "1002"), ("cause", "busy"), ("sip", "486")];

#[tokio::test]
async fn a_caller_who_hangs_up_has_left_a_message() {
    let (host, table) = bound(granted());
    let (mut engine, call) = begin(&host, &FOR_1002);
    speak(&mut engine).await;
    engine.expect(|v| matches!(v, AppVerb::Record(CALLER, _)), taped(call, "hung-up", 4)).await;
    engine.expect(|v| matches!(v, AppVerb::Hangup(CALLER)), Ok(AppReply::Done)).await;
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(None)));
    let kept = table.0.lock().unwrap().last().cloned().unwrap();
    assert_eq!((kept.0.brand, kept.0.company, kept.0.account.as_str()), (BRAND, ACME, "1002"));
    let BoxVerb::Deposit(deposit) = kept.1 else { panic!("{kept:?}") };
    assert_eq!((deposit.recording, deposit.caller), (format!("{call}-0-1"), "1001".to_owned()));
}

#[tokio::test]
async fn a_breath_is_no_message_and_a_foreign_recording_is_refused() {
    let (host, table) = bound(granted());
    let (mut engine, call) = begin(&host, &FOR_1002);
    speak(&mut engine).await;
    engine.expect(|v| matches!(v, AppVerb::Record(CALLER, _)), taped(call, "hung-up", 1)).await;
    engine.expect(|v| matches!(v, AppVerb::Hangup(CALLER)), Ok(AppReply::Done)).await;
    assert!(!table.asked().iter().any(|v| matches!(v, BoxVerb::Deposit(_))));

    let (mut engine, call) = begin(&host, &FOR_1002);
    speak(&mut engine).await;
    let foreign = model::CallId(call.0 + 1_000);
    engine.expect(|v| matches!(v, AppVerb::Record(CALLER, _)), taped(foreign, "hung-up", 9)).await;
    assert!(matches!(engine.ended().await, Ok(AppOutcome::Err(AppError::InvalidArgument(_)))));
    assert!(!table.asked().iter().any(|v| matches!(v, BoxVerb::Deposit(_))));
}

#[tokio::test]
async fn a_box_that_takes_nothing_and_a_grant_that_is_missing_give_the_failure_back() {
    let (host, _) = bound(granted());
    let (mut engine, _) = begin(&host, &[("mailbox", "1003"), ("cause", "busy"), ("sip", "486")]);
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(Some(486))));
    let (host, table) = bound(Grants::default());
    let (mut engine, _) = begin(&host, &FOR_1002);
    assert_eq!(engine.ended().await, Ok(AppOutcome::Returned(Some(486))));
    assert_eq!(table.asked(), [], "the stub answers, nobody else");
}

#[tokio::test]
async fn a_box_opens_by_its_pin_and_its_message_is_played_and_deleted() {
    let (host, table) = bound(granted());
    let (mut engine, _) = begin(&host, &[("listen", "1002")]);
    engine.expect(|v| matches!(v, AppVerb::Answer(CALLER, _)), Ok(AppReply::Done)).await;
    engine.expect(|v| matches!(v, AppVerb::Play(..)), Ok(AppReply::Played(None))).await;
    engine.expect(collects("vm-pin"), digits("0000")).await;
    engine.expect(plays("vm-pin-wrong"), Ok(AppReply::Played(None))).await;
    engine.expect(collects("vm-pin"), digits("4711")).await;
    engine.expect(collects("vm-menu"), digits("1")).await;
    let (request, verb) = engine.verb().await;
    let AppVerb::Playback(CALLER, spec) = verb else { panic!("{verb:?}") };
    let sounds = |p: &Prompt| matches!(p, Prompt::Clip { sound, .. } if sound.0[..] == [1, 2, 3]);
    assert!(spec.prompts.iter().any(sounds), "{spec:?}");
    let pressed = PlayedTo { digit: Some("3".to_owned()), position: Duration::ZERO };
    host.app_reply(engine.app, request, Ok(AppReply::PlayedTo(pressed)));
    engine.expect(plays("vm-was-deleted"), Ok(AppReply::Played(None))).await;
    let hung_up = || Err(AppError::HungUp(CauseInfo::local(Cause::NormalClearing)));
    engine.expect(plays("vm-none"), hung_up()).await;
    assert!(matches!(engine.ended().await, Ok(AppOutcome::Err(AppError::HungUp(_)))));
    assert!(table.asked().contains(&BoxVerb::Move(7, Folder::Deleted)));
}

#[tokio::test]
async fn an_exhausted_plan_leads_to_the_callees_box_and_star_codes_to_ones_own() {
    let (host, _) = bound(granted());
    let tried = |cause| QuestionKind::Exhausted(vec![("sip:1002@x".to_owned(), CauseInfo::local(cause))]);
    let answer = plugin_tests::ask_kind(&host, ACME, "7", tried(Cause::Busy)).await;
    let Some(Decision::App { name, args }) = answer.decision else { panic!("{answer:?}") };
    assert_eq!((name.as_str(), args[0].clone()), ("voicemail", ("mailbox".to_owned(), "1002".to_owned())));
    for (callee, cause) in [("100", Cause::Busy), ("nobody", Cause::Busy), ("1002", Cause::NotAcceptable)] {
        let answer = plugin_tests::ask_kind(&host, ACME, callee, tried(cause)).await;
        assert_eq!(answer.decision, None, "{callee} {cause:?}");
    }
    let own = plugin_tests::ask(&host, "*97").await.decision;
    let args = vec![("listen".to_owned(), "1001".to_owned())];
    assert_eq!(own, Some(Decision::App { name: "voicemail".to_owned(), args }));
    let other = plugin_tests::ask(&host, "*987").await.decision;
    let args = vec![("listen".to_owned(), "1002".to_owned())];
    assert_eq!(other, Some(Decision::App { name: "voicemail".to_owned(), args }));
}
