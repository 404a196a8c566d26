//! Jobs by the API: who sees them, who may call them off, and that they are done.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::http::StatusCode;
use common::World;
use core::time::Duration;
use serde_json::{Value, json};

#[tokio::test]
async fn a_job_is_shown_called_off_and_tried_again_by_its_tenant_with_its_rights() {
    let world = World::new().await;
    let job = world.asked(0).await;
    let path = format!("/api/v1/jobs/{job}");
    let own = Some(world.company_admins[0].as_str());
    let shown = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!((&shown.body["state"], &shown.body["company"]), (&json!("waiting"), &json!(world.companies[0])));
    let report = world.ask(own, "GET", &format!("{path}/report"), &Value::Null).await;
    assert_eq!(report.body["items"][0]["field"], "username");
    assert_eq!(
        world.ask(own, "GET", "/api/v1/jobs?state=lost", &Value::Null).await.body["errors"][0]["field"],
        "state"
    );
    for (state, found) in [("waiting", 1), ("done", 0)] {
        let listed = world.ask(own, "GET", &format!("/api/v1/jobs?state={state}"), &Value::Null).await;
        assert_eq!(listed.body["items"].as_array().unwrap().len(), found, "{state}");
    }
    // Who may change jobs but not what this one changes may not steer it.
    let body = json!({"company": world.companies[0], "name": "clerk", "role": "admin", "rights": {"jobs": "write"}});
    let clerk = world.must("POST", "/api/v1/tokens", body).await["secret"].as_str().unwrap().to_owned();
    assert_eq!(world.ask(Some(&clerk), "GET", &path, &Value::Null).await.status, StatusCode::OK);
    for act in ["cancel", "retry"] {
        let refused = world.ask(Some(&clerk), "POST", &format!("{path}/{act}"), &Value::Null).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{act}: {refused:?}");
    }
    let early = world.ask(own, "POST", &format!("{path}/retry"), &Value::Null).await;
    assert_eq!((early.status, &early.body["detail"]), (StatusCode::CONFLICT, &json!("The job is waiting.")));
    let off = world.ask(own, "POST", &format!("{path}/cancel"), &Value::Null).await;
    assert_eq!((off.status, &off.body["state"]), (StatusCode::OK, &json!("cancelled")));
    let again = world.ask(own, "POST", &format!("{path}/retry"), &Value::Null).await;
    assert_eq!((again.status, &again.body["state"]), (StatusCode::OK, &json!("waiting")));
    let lines = world.must("GET", &format!("/api/v1/audit?path={path}"), Value::Null).await;
    assert_eq!(lines["items"].as_array().unwrap().len(), 2, "{lines}");
}

#[tokio::test]
async fn jobs_are_done_and_what_nobody_knows_fails_for_good() {
    let world = World::new().await;
    let unknown = world.asked(0).await;
    let working = world.work();
    let failed = world.ended(unknown).await;
    assert_eq!((&failed["state"], &failed["tries"]), (&json!("failed"), &json!(1)), "{failed}");
    assert!(failed["error"].as_str().unwrap().contains("nothing"), "{failed}");
    // The switch's own, by its schedule.
    let mut swept = Value::Null;
    for _ in 0..500 {
        swept = world.must("GET", "/api/v1/jobs?kind=sweep-jobs", Value::Null).await["items"][0].take();
        if swept["state"] == "done" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((&swept["state"], &swept["result"]), (&json!("done"), &json!({"forgotten": 0})), "{swept}");
    working.end().await;
}
