//! Recordings by the API: whose they are, their sound, their end, and what is done about those of a call.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::http::StatusCode;
use common::{World, call_id};
use model::{CallId, TapeAct};
use serde_json::{Value, json};

#[tokio::test]
async fn a_recording_is_listed_heard_and_removed_by_its_company_alone() {
    let world = World::new().await;
    let id = world.recorded(1, 0).await;
    world.recorded(2, 2).await;
    let own = Some(world.company_admins[0].as_str());
    let listed = world.ask(own, "GET", "/api/v1/recordings", &Value::Null).await;
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{listed:?}");
    assert_eq!(items[0]["call"], json!(call_id(world.companies[0]).to_string()));
    assert_eq!((&items[0]["by"], &items[0]["channels"]), (&json!("number"), &json!("stereo")));
    let of_call = format!("/api/v1/recordings?call={}", CallId(1));
    assert_eq!(world.ask(own, "GET", &of_call, &Value::Null).await.body["items"], json!([]));
    let wrong = world.ask(own, "GET", "/api/v1/recordings?call=xyz", &Value::Null).await;
    assert_eq!(wrong.body["errors"][0]["field"], "call");

    let path = format!("/api/v1/recordings/{id}");
    let sound = world.ask(own, "GET", &format!("{path}/audio"), &Value::Null).await;
    assert_eq!((sound.status, sound.kind.as_str(), sound.text.len()), (StatusCode::OK, "audio/wav", 150_000));
    // Once it is encoded.
    let opus = world.switch.recordings.join(world.companies[0].to_string()).join("call-0-1.opus");
    std::fs::write(&opus, b"OggS").unwrap();
    assert!(world.db.recordings().encoded(id, (4, &"1".repeat(64))).await.unwrap());
    let shown = world.ask(own, "GET", &path, &Value::Null).await.body;
    assert_eq!((&shown["format"], &shown["bytes"], &shown["place"]), (&json!("opus"), &json!(4), &json!("node")));
    let sound = world.ask(own, "GET", &format!("{path}/audio"), &Value::Null).await;
    assert_eq!((sound.kind.as_str(), sound.text.as_str()), ("audio/ogg; codecs=opus", "OggS"));
    for stranger in [&world.company_admins[1], &world.company_admins[2], &world.brand_admins[1]] {
        for (method, path) in [("GET", path.clone()), ("GET", format!("{path}/audio")), ("DELETE", path.clone())] {
            let answer = world.ask(Some(stranger), method, &path, &Value::Null).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}: {answer:?}");
        }
    }
    let reader = world.ask(Some(&world.reader), "DELETE", &path, &Value::Null).await;
    assert_eq!(reader.status, StatusCode::FORBIDDEN);

    assert_eq!(world.ask(own, "DELETE", &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert!(!world.switch.recordings.join(world.companies[0].to_string()).join("call-0-1.wav").exists());
    assert!(!opus.exists());
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    // A file that somebody has taken away is told as what it is, and its row can still be removed.
    let lost = world.recorded(3, 0).await;
    std::fs::remove_dir_all(&world.switch.recordings).unwrap();
    let audio = world.ask(own, "GET", &format!("/api/v1/recordings/{lost}/audio"), &Value::Null).await;
    assert_eq!(audio.status, StatusCode::NOT_FOUND);
    let gone = world.ask(own, "DELETE", &format!("/api/v1/recordings/{lost}"), &Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_recording_of_a_call_is_steered_by_its_tenant_alone() {
    let world = World::new().await;
    let call = call_id(world.companies[0]);
    let path = format!("/api/v1/calls/{call}/recording");
    let own = Some(world.company_admins[0].as_str());
    for (word, act) in [("pause", TapeAct::Pause), ("resume", TapeAct::Resume), ("stop", TapeAct::Stop)] {
        let answer = world.ask(own, "POST", &path, &json!({ "act": word })).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        assert_eq!(world.switch.taped.lock().unwrap().pop(), Some((call, 0, act)));
    }
    let recorded = world.ask(own, "POST", &path, &json!({ "act": "start", "leg": 1 })).await;
    assert_eq!(recorded.status, StatusCode::CONFLICT, "the fake switch says that it is recorded already");
    world.switch.taped.lock().unwrap().clear();
    let stranger = Some(world.company_admins[1].as_str());
    assert_eq!(world.ask(stranger, "POST", &path, &json!({"act": "pause"})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.ask(own, "POST", &path, &json!({"act": "erase"})).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.switch.taped.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_number_says_which_of_its_calls_are_recorded() {
    let world = World::new().await;
    let ddi = world.furnish().await.ddi;
    let path = format!("/api/v1/ddis/{ddi}");
    let own = Some(world.company_admins[0].as_str());
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.body["record"], "none");
    let changed = world.ask(own, "PATCH", &path, &json!({ "record": "all" })).await;
    assert_eq!((changed.status, &changed.body["record"]), (StatusCode::OK, &json!("all")), "{changed:?}");
    let wrong = world.ask(own, "PATCH", &path, &json!({ "record": "some" })).await;
    assert_eq!(wrong.body["errors"][0]["field"], "record");
    let kept = world.ask(own, "PATCH", &path, &json!({ "call_filter": null })).await;
    assert_eq!(kept.body["record"], "all", "what is not named stays");
}
