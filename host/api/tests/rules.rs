//! Rules by their owner, from the first request to the last, and the words of each refusal.

mod common;

use axum::http::StatusCode;
use common::{Answer, World};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

#[track_caller]
fn refused(answer: &Answer, status: u16, field: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    if !field.is_empty() {
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
}

#[tokio::test]
async fn a_rule_lives_is_named_and_dies() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    let add = |kind: &str, name: &str, body: Value| json!({"kind": kind, "name": name, "body": body});
    let hours = json!({"hours": [{"days": ["mon", "fri"], "from": "09:00", "to": "17:00"}]});
    let schedule = world.ask(own, "POST", "/api/v1/rules", &add("schedule", "office", hours.clone())).await;
    assert_eq!((schedule.status, &schedule.body["body"]), (StatusCode::CREATED, &hours), "{schedule:?}");
    assert_eq!(world.switch.live.load(Ordering::SeqCst), 1, "the answer waits until it is live");
    let filter = json!({"schedules": ["office"], "closed": {"kind": "extension", "name": "100"}});
    let filter = add("call-filter", "main", filter);
    refused(&world.ask(own, "POST", "/api/v1/rules", &filter).await, 422, "body");
    let hundred = json!({"number": "100", "target": {"kind": "app", "name": "menu"}});
    assert_eq!(world.ask(own, "POST", "/api/v1/extensions", &hundred).await.status, StatusCode::CREATED);
    let filter = world.ask(own, "POST", "/api/v1/rules", &filter).await;
    assert_eq!(filter.body["body"]["white_lists"], json!([]), "{filter:?}");
    let target = json!({"kind": "app", "name": "menu"});
    let ddi = json!({"company": world.companies[0], "e164": "+4420", "target": target});
    let ddi = world.must("POST", "/api/v1/ddis", ddi).await;
    assert_eq!(ddi["call_filter"], Value::Null);
    let ddi = format!("/api/v1/ddis/{}", ddi["id"]);
    let bound = world.ask(own, "PATCH", &ddi, &json!({"call_filter": "main"})).await;
    assert_eq!(bound.body["call_filter"], "main", "{bound:?}");

    let paths = [&schedule, &filter].map(|made| format!("/api/v1/rules/{}", made.body["id"]));
    for path in &paths {
        refused(&world.ask(own, "DELETE", path, &Value::Null).await, 409, "");
    }
    let listed = world.ask(own, "GET", "/api/v1/rules?kind=schedule", &Value::Null).await;
    assert_eq!(listed.body["items"], json!([schedule.body]), "{listed:?}");
    let night = json!({"body": {"hours": [{"days": ["sun"], "from": "00:00", "to": "24:00"}]}});
    let changed = world.ask(own, "PATCH", &paths[0], &night).await;
    assert_eq!(changed.body["body"], night["body"], "{changed:?}");
    assert_eq!(world.ask(own, "PATCH", &ddi, &json!({"call_filter": null})).await.body["call_filter"], Value::Null);
    for path in paths.iter().rev() {
        assert_eq!(world.ask(own, "DELETE", path, &Value::Null).await.status, StatusCode::NO_CONTENT);
        refused(&world.ask(own, "GET", path, &Value::Null).await, 404, "");
    }
}

#[tokio::test]
async fn what_an_account_and_a_company_say_is_kept_whole() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    let f = world.furnish().await;
    let acl = json!({"kind": "call-acl", "name": "nobody", "body": {"default": "deny"}});
    let acl = world.ask(own, "POST", "/api/v1/rules", &acl).await;
    let account = format!("/api/v1/accounts/{}", f.account);
    let rules = json!({
        "forwards": [{"when": "no-answer", "from": "external", "to": {"kind": "app", "name": "box"}, "after_s": 20}],
        "call_acl": "nobody", "calls_max": 2, "outgoing_ddi": "+442079460000",
    });
    let said = world.ask(own, "PATCH", &account, &json!({"rules": rules})).await;
    assert_eq!(said.body["rules"], rules, "{said:?}");
    let renamed = world.ask(own, "PATCH", &account, &json!({"display_name": "Anna"})).await;
    assert_eq!(renamed.body["rules"], rules, "a change of something else leaves it");
    let acl = format!("/api/v1/rules/{}", acl.body["id"]);
    refused(&world.ask(own, "DELETE", &acl, &Value::Null).await, 409, "");
    assert_eq!(world.ask(own, "PATCH", &account, &json!({"rules": {}})).await.body["rules"], json!({}));

    let company = format!("/api/v1/companies/{}", world.companies[0]);
    let emergency = json!([{"number": "112", "trunks": ["carrier"]}]);
    let rules = json!({"time_zone": "Europe/London", "call_acl": "nobody", "emergency": emergency});
    refused(&world.ask(own, "PATCH", &company, &json!({"rules": rules})).await, 403, "");
    let brand = Some(world.brand_admins[0].as_str());
    let said = world.ask(brand, "PATCH", &company, &json!({"rules": rules})).await;
    assert_eq!(said.body["rules"], rules, "{said:?}");
    let less = json!({"time_zone": "Europe/Paris", "emergency": emergency});
    assert_eq!(world.ask(own, "PATCH", &company, &json!({"rules": less})).await.body["rules"], less);
    assert_eq!(world.ask(own, "DELETE", &acl, &Value::Null).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_refused_rule_names_what_is_wrong() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    let f = world.furnish().await;
    for (kind, name, body, status, field) in [
        ("fax", "x", json!({}), 422, "kind"),
        ("match-list", "", json!({}), 422, "name"),
        ("match-list", "x", json!({"numbers": ["4420"]}), 422, "body"),
        ("match-list", "x", json!({"colours": []}), 422, "body"),
        ("schedule", "x", json!({"hours": [{"days": ["mon"], "from": "17:00", "to": "09:00"}]}), 422, "body"),
        ("calendar", "x", json!({"holidays": [{"name": "x", "date": "2027-02-29"}]}), 422, "body"),
        ("call-filter", "x", json!({"schedules": ["gone"]}), 422, "body"),
        ("call-acl", "x", json!({"rules": [{"list": "gone", "permission": "allow"}], "default": "deny"}), 422, "body"),
        ("match-list", "friends", json!({}), 409, ""),
    ] {
        let body = json!({"kind": kind, "name": name, "body": body});
        refused(&world.ask(own, "POST", "/api/v1/rules", &body).await, status, field);
    }
    let account = format!("/api/v1/accounts/{}", f.account);
    let forward = json!({"when": "busy", "to": {"kind": "refuse"}});
    for rules in [
        json!({"call_acl": "gone"}),
        json!({"outgoing_ddi": "+442079469999"}),
        json!({"forwards": [forward, forward]}),
        json!({"forwards": [{"when": "no-answer", "to": {"kind": "refuse"}}]}),
    ] {
        refused(&world.ask(own, "PATCH", &account, &json!({"rules": rules})).await, 422, "rules");
    }
    let brand = Some(world.brand_admins[0].as_str());
    let company = format!("/api/v1/companies/{}", world.companies[0]);
    for (rules, field) in [
        (json!({"time_zone": "Mars/Olympus"}), "rules.time_zone"),
        (json!({"call_acl": "gone"}), "rules"),
        (json!({"emergency": [{"number": "112", "trunks": ["gone"]}]}), "rules"),
        (json!({"emergency": [{"number": "112", "trunks": []}]}), "rules"),
    ] {
        refused(&world.ask(brand, "PATCH", &company, &json!({"rules": rules})).await, 422, field);
    }
    let ddi = format!("/api/v1/ddis/{}", f.ddi);
    refused(&world.ask(own, "PATCH", &ddi, &json!({"call_filter": "friends"})).await, 422, "call_filter");
    let rule = format!("/api/v1/rules/{}", f.rule);
    refused(&world.ask(own, "PATCH", &rule, &json!({"body": {"hours": []}})).await, 422, "body");
}

#[tokio::test]
async fn a_number_leads_to_a_group_that_has_its_members() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    let group = json!({"strategy": "ring-all", "ring_s": 20, "rounds": 1, "prevent_missed_calls": true,
        "members": [{"to": {"kind": "account", "name": "1001"}, "priority": 0, "ring_s": 20}],
        "no_answer": {"kind": "queue", "name": "late"}});
    let sales = json!({"kind": "hunt-group", "name": "sales", "body": group});
    refused(&world.ask(own, "POST", "/api/v1/rules", &sales).await, 422, "body");
    let member = json!({"username": "1001"});
    assert_eq!(world.ask(own, "POST", "/api/v1/accounts", &member).await.status, StatusCode::CREATED);
    let extension = json!({"number": "300", "target": {"kind": "hunt-group", "name": "sales"}});
    refused(&world.ask(own, "POST", "/api/v1/extensions", &extension).await, 422, "");
    let made = world.ask(own, "POST", "/api/v1/rules", &sales).await;
    assert_eq!((made.status, &made.body["body"]), (StatusCode::CREATED, &group), "{made:?}");
    let led = world.ask(own, "POST", "/api/v1/extensions", &extension).await;
    assert_eq!((led.status, &led.body["target"]), (StatusCode::CREATED, &extension["target"]), "{led:?}");
    let path = format!("/api/v1/rules/{}", made.body["id"]);
    refused(&world.ask(own, "DELETE", &path, &Value::Null).await, 409, "");
    let lock = json!({"kind": "route-lock", "name": "night", "body": {"open": true, "code": "x"}});
    refused(&world.ask(own, "POST", "/api/v1/rules", &lock).await, 422, "body");
}
