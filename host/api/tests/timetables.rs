//! Timetables by the API: set up, their jobs done on a clock that is put on, their files fetched, and refusals.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::http::StatusCode;
use common::{World, nightly};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// A day.
const DAY: u64 = 86_400;

/// Puts the clock on, and lets those who do jobs look and do what there is.
async fn later(world: &World, seconds: u64, jobs: usize) -> Vec<Value> {
    world.switch.ahead.fetch_add(seconds, Ordering::SeqCst);
    let working = world.work();
    let begun = std::time::Instant::now();
    loop {
        let all = world.must("GET", "/api/v1/jobs?kind=export", Value::Null).await["items"].take();
        let all = all.as_array().unwrap().clone();
        if all.len() >= jobs && all.iter().all(|job| job["ended_at"].is_string()) {
            working.end().await;
            return all;
        }
        assert!(begun.elapsed().as_secs() < 60, "{jobs} jobs do not come: {all:?}");
        tokio::time::sleep(core::time::Duration::from_millis(20)).await;
    }
}

async fn refused(world: &World, body: Value) -> (u16, String) {
    let answer = world.ask(Some(&world.platform), "POST", "/api/v1/timetables", &body).await;
    (answer.status.as_u16(), answer.body["errors"][0]["field"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_timetable_writes_its_file_at_its_time_and_once_for_what_was_missed() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    world.must("POST", "/api/v1/accounts", json!({"company": world.companies[0], "username": "1001"})).await;
    // The company's own operator need not name it.
    let mut body = nightly(world.companies[0]);
    body.as_object_mut().unwrap().remove("company");
    let made = world.ask(own, "POST", "/api/v1/timetables", &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    // The clock shows 06:28 of 22 November 2026 in UTC; half past two in Berlin is half past one.
    assert_eq!(made.body["next_at"], "2026-11-23T01:30:00.000Z", "{made:?}");
    assert_eq!((&made.body["last"], &made.body["company"]), (&Value::Null, &json!(world.companies[0])));
    let path = format!("/api/v1/timetables/{}", made.body["id"]);

    let first = later(&world, DAY, 1).await;
    assert_eq!(
        (first.len(), &first[0]["state"], &first[0]["timetable"]),
        (1, &json!("done"), &made.body["id"]),
        "{first:?}"
    );
    assert_eq!(first[0]["result"]["lines"], 1, "{first:?}");
    let shown = world.ask(own, "GET", &path, &Value::Null).await.body;
    assert_eq!(
        (&shown["next_at"], &shown["last"]["state"]),
        (&json!("2026-11-24T01:30:00.000Z"), &json!("done")),
        "{shown}"
    );
    let file = world.ask(own, "GET", &format!("/api/v1/jobs/{}/file", first[0]["id"]), &Value::Null).await;
    assert_eq!((file.status, file.kind.as_str()), (StatusCode::OK, "text/csv; charset=utf-8"));
    assert!(file.text.starts_with("username,") && file.text.contains("\n1001,"), "{file:?}");

    // No switch ran for ten days: what was missed is one time, and then the beat goes on.
    let second = later(&world, 10 * DAY, 2).await;
    assert_eq!(second.len(), 2, "{second:?}");
    let shown = world.ask(own, "GET", &path, &Value::Null).await.body;
    assert_eq!((&shown["next_at"], &shown["skipped"]), (&json!("2026-12-04T01:30:00.000Z"), &json!(0)));
    let lines = world.must("GET", "/api/v1/audit?path=/api/v1/timetables", Value::Null).await;
    assert_eq!(lines["items"].as_array().unwrap().len(), 1, "making it is in the audit log: {lines}");
}

#[tokio::test]
async fn its_jobs_have_the_rights_of_who_set_it_up_as_they_are_when_it_comes() {
    let world = World::new().await;
    let company = world.companies[0];
    world.must("POST", "/api/v1/accounts", json!({"company": company, "username": "1001"})).await;
    let token =
        |name: &str, rights: Value| json!({"company": company, "name": name, "role": "admin", "rights": rights});
    let secret = |made: &Value| made["secret"].as_str().unwrap().to_owned();
    let clerk = token("clerk", json!({"timetables": "write", "accounts": "read", "jobs": "read"}));
    let clerk = world.must("POST", "/api/v1/tokens", clerk).await;
    let blind = token("blind", json!({"timetables": "write", "jobs": "read"}));
    let blind = secret(&world.must("POST", "/api/v1/tokens", blind).await);
    // Nobody sets up, moves or fetches what he may not read himself.
    let refused = world.ask(Some(&blind), "POST", "/api/v1/timetables", &nightly(company)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    let made = world.ask(Some(&secret(&clerk)), "POST", "/api/v1/timetables", &nightly(company)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let path = format!("/api/v1/timetables/{}", made.body["id"]);
    for (method, body) in [("PATCH", json!({"enabled": true})), ("DELETE", Value::Null)] {
        let refused = world.ask(Some(&blind), method, &path, &body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method}: {refused:?}");
    }
    let done = later(&world, DAY, 1).await;
    assert_eq!((&done[0]["state"], &done[0]["actor"]), (&json!("done"), &made.body["actor"]), "{done:?}");
    let file = format!("/api/v1/jobs/{}/file", done[0]["id"]);
    assert_eq!(world.ask(Some(&secret(&clerk)), "GET", &file, &Value::Null).await.status, StatusCode::OK);
    assert_eq!(world.ask(Some(&blind), "GET", &file, &Value::Null).await.status, StatusCode::FORBIDDEN);
    // Of a job that gave out nothing there is no file; one that brings passwords in keeps its own to itself.
    let other = world.asked(0).await;
    let none = world.ask(Some(&world.platform), "GET", &format!("/api/v1/jobs/{other}/file"), &Value::Null).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);

    world.must("DELETE", &format!("/api/v1/tokens/{}", clerk["id"]), Value::Null).await;
    let orphaned = later(&world, DAY, 2).await;
    assert_eq!(orphaned[0]["state"], "failed", "{orphaned:?}");
    let shown = world.must("GET", &path, Value::Null).await;
    assert_eq!(shown["last"]["error"], "who asked for it is not known any more", "{shown}");
    // Whoever changes it stands for it from then on.
    let taken = world.must("PATCH", &path, json!({"keep": 3})).await;
    assert!(taken["actor"].as_str().unwrap().contains("t-admin"), "{taken}");
    assert_eq!(later(&world, DAY, 3).await[0]["state"], "done");
}

#[tokio::test]
async fn what_is_no_timetable_is_refused_by_its_field() {
    let world = World::new().await;
    let with = |field: &str, value: Value| {
        let mut body = nightly(world.companies[0]);
        body[field] = value;
        body
    };
    for (field, value, named) in [
        ("cron", json!("60 * * * *"), "cron"),
        ("cron", json!("0 0 30 2 *"), "cron"),
        ("zone", json!("Mars/Olympus"), "zone"),
        ("every_s", json!(60), "every_s"),
        ("keep", json!(0), "keep"),
        ("name", json!(""), "name"),
        ("table", json!("x"), "table"),
        ("export", json!("secrets"), "export"),
    ] {
        assert_eq!(refused(&world, with(field, value.clone())).await, (422, named.to_owned()), "{field} {value}");
    }
    let mut often = nightly(world.companies[0]);
    for field in ["cron", "zone"] {
        often.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(refused(&world, often.clone()).await, (422, "cron".to_owned()));
    often["every_s"] = json!(59);
    assert_eq!(refused(&world, often.clone()).await, (422, "every_s".to_owned()));
    often["every_s"] = json!(3_600);
    let made = world.must("POST", "/api/v1/timetables", often.clone()).await;
    assert_eq!((&made["cron"], &made["every_s"], &made["keep"]), (&Value::Null, &json!(3_600), &json!(7)));
    assert_eq!(refused(&world, often).await.0, 409, "its name is taken");
    let path = format!("/api/v1/timetables/{}", made["id"]);
    let off = world.must("PATCH", &path, json!({"enabled": false})).await;
    assert_eq!((&off["next_at"], &off["enabled"]), (&Value::Null, &json!(false)));
    let on = world.must("PATCH", &path, json!({"enabled": true, "cron": "0 4 * * mon", "zone": "Asia/Tokyo"})).await;
    assert_eq!((&on["every_s"], &on["next_at"]), (&Value::Null, &json!("2026-11-22T19:00:00.000Z")), "{on}");
    let rates = world.ask(Some(&world.platform), "PATCH", &path, &json!({"export": "rates"})).await;
    assert_eq!(rates.body["errors"][0]["field"], "export", "{rates:?}");
    let company = json!({"name": "x", "export": "rates", "table": "t", "every_s": 60});
    let refused = world.ask(Some(&world.company_admins[0]), "POST", "/api/v1/timetables", &company).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "prices are no company's");
}
