//! What is the same for every endpoint: tags and preconditions, fields, idempotency keys, rates, sizes.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use api::Switch;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use common::World;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use store::{Db, Known, RequestKey, SecretKey};
use tower::ServiceExt;

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answered {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answered {
    let mut request = Request::builder().method(method).uri(path);
    request = request.header("authorization", format!("Bearer {}", world.platform));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let response = world.router.clone().oneshot(request.body(Body::from(bytes)).unwrap()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
    Answered { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
}

#[tokio::test]
async fn a_change_is_of_what_the_client_knows() {
    let world = World::new().await;
    let path = format!("/api/v1/companies/{}", world.companies[0]);
    let read = ask(&world, "GET", &path, &[], &Value::Null).await;
    let tag = read.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    let same = ask(&world, "GET", &path, &[("if-none-match", &tag)], &Value::Null).await;
    assert_eq!((same.status.as_u16(), same.header("etag"), &same.body), (304, tag.as_str(), &Value::Null));

    let patch = json!({"calls_max": 5});
    let done = ask(&world, "PATCH", &path, &[("if-match", &tag)], &patch).await;
    assert_eq!((done.status.as_u16(), &done.body["calls_max"]), (200, &json!(5)));
    let newer = done.header("etag").to_owned();
    assert_ne!(newer, tag);
    assert_eq!(ask(&world, "GET", &path, &[], &Value::Null).await.header("etag"), newer);
    for method in ["PATCH", "DELETE"] {
        let late = ask(&world, method, &path, &[("if-match", &tag)], &json!({"calls_max": 6})).await;
        assert_eq!(
            (late.status.as_u16(), &late.body["type"]),
            (412, &json!("urn:strowger:problem:changed")),
            "{method}"
        );
    }
    assert_eq!(ask(&world, "GET", &path, &[], &Value::Null).await.body["calls_max"], 5);
    assert_eq!(ask(&world, "PATCH", &path, &[("if-match", "*")], &patch).await.status, 200);
    let nothing = ask(&world, "PATCH", "/api/v1/companies/999999", &[("if-match", "*")], &patch).await;
    assert_eq!(nothing.status, 404, "what is not there is not there, whatever the tag");
    // A part has a tag of its own.
    let policy = format!("{path}/policy");
    let tag = ask(&world, "GET", &policy, &[], &Value::Null).await.header("etag").to_owned();
    let put = json!({"registration": {"single_contact": true}});
    assert_eq!(ask(&world, "PUT", &policy, &[("if-match", &tag)], &put).await.status, 200);
    assert_eq!(ask(&world, "PUT", &policy, &[("if-match", &tag)], &put).await.status, 412);
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_late() {
    let world = World::new().await;
    let path = format!("/api/v1/companies/{}", world.companies[0]);
    let tag = ask(&world, "GET", &path, &[], &Value::Null).await.header("etag").to_owned();
    let headers = [("if-match", tag.as_str())];
    let bodies = [1, 2, 3, 4].map(|n| json!({"calls_max": n}));
    let patch = |at: usize| ask(&world, "PATCH", &path, &headers, &bodies[at]);
    let answers: [Answered; 4] = tokio::join!(patch(0), patch(1), patch(2), patch(3)).into();
    let mut statuses: Vec<u16> = answers.iter().map(|a| a.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412]);
}

#[tokio::test]
async fn only_the_fields_asked_for() {
    let world = World::new().await;
    let list = ask(&world, "GET", "/api/v1/companies?fields=id,name&limit=1", &[], &Value::Null).await;
    assert_eq!(list.body["items"], json!([{"id": world.companies[0], "name": "one"}]));
    assert!(list.body["next"].is_string());
    let one =
        ask(&world, "GET", &format!("/api/v1/companies/{}?fields=domain", world.companies[0]), &[], &Value::Null).await;
    assert_eq!(one.body, json!({"domain": "one.example"}));
    let bad = ask(&world, "GET", "/api/v1/companies?fields=", &[], &Value::Null).await;
    assert_eq!((bad.status.as_u16(), &bad.body["errors"][0]["field"]), (422, &json!("fields")));
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let world = World::new().await;
    let body = json!({"company": world.companies[0], "username": "2001"});
    let key = [("idempotency-key", "one-of-a-kind")];
    let first = ask(&world, "POST", "/api/v1/accounts", &key, &body).await;
    assert_eq!(first.status, 201);
    assert!(first.body["password"].is_string());
    let again = ask(&world, "POST", "/api/v1/accounts", &key, &body).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body), "the password that is shown once is shown");
    assert_eq!((again.header("idempotency-replayed"), again.header("content-type")), ("true", "application/json"));
    let other = json!({"company": world.companies[0], "username": "2002"});
    let misused = ask(&world, "POST", "/api/v1/accounts", &key, &other).await;
    assert_eq!((misused.status.as_u16(), &misused.body["errors"][0]["field"]), (422, &json!("Idempotency-Key")));
    // A refusal is an answer too; another sender's key is another key.
    let taken = [("idempotency-key", "taken")];
    for replayed in ["", "true"] {
        let refused = ask(&world, "POST", "/api/v1/accounts", &taken, &body).await;
        assert_eq!((refused.status.as_u16(), refused.header("idempotency-replayed")), (409, replayed));
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
    let accounts = world.must("GET", "/api/v1/accounts", Value::Null).await;
    assert_eq!(accounts["items"].as_array().unwrap().len(), 1);
    let lines = world.must("GET", "/api/v1/audit?path=/api/v1/accounts", Value::Null).await;
    assert_eq!(lines["items"].as_array().unwrap().len(), 1, "one change, one line");

    // What was written and could not be told is not done again.
    world.switch.stuck.store(true, Ordering::SeqCst);
    let key = [("idempotency-key", "stuck")];
    assert_eq!(ask(&world, "POST", "/api/v1/accounts", &key, &other).await.status, 503);
    world.switch.stuck.store(false, Ordering::SeqCst);
    let again = ask(&world, "POST", "/api/v1/accounts", &key, &other).await;
    assert_eq!(
        (again.status.as_u16(), &again.body["detail"]),
        (409, &json!("It was done; the answer is not known any more."))
    );
    for bad in ["", "has blank", &"x".repeat(129)] {
        assert_eq!(
            ask(&world, "POST", "/api/v1/accounts", &[("idempotency-key", bad)], &other).await.status,
            422,
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn a_key_that_was_used_before_the_key_for_secrets_changed_is_not_done_again() {
    let world = World::new().await;
    let body = json!({"company": world.companies[0], "username": "2001"});
    assert_eq!(ask(&world, "POST", "/api/v1/accounts", &[], &body).await.status, 201);
    let lines = world.must("GET", "/api/v1/audit?path=/api/v1/accounts", Value::Null).await;
    let actor = lines["items"][0]["actor"].as_str().unwrap();
    let url = format!("sqlite:{}", world.dir.path().join("t.db").display());
    let before = Db::open_keyed(&url, Some(SecretKey::from_hex(&"e5".repeat(32)).unwrap())).await.unwrap();
    let of = RequestKey { actor, key: "long-ago" };
    assert_eq!(before.idempotency().begin(of, &[7; 32], world.switch.now()).await.unwrap(), Known::New);
    let other = json!({"company": world.companies[0], "username": "2002"});
    let refused = ask(&world, "POST", "/api/v1/accounts", &[("idempotency-key", "long-ago")], &other).await;
    assert_eq!(refused.status, 409);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("key for secrets was changed") && detail.contains("use another key"), "{detail}");
    let accounts = world.must("GET", "/api/v1/accounts", Value::Null).await;
    assert_eq!(accounts["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_may_ask_so_often() {
    let world = World::limited(api::RateLimit { per_minute: 60, burst: 3 }).await;
    for _ in 0..3 {
        assert_eq!(ask(&world, "GET", "/api/v1/brands", &[], &Value::Null).await.status, 200);
    }
    let limited = ask(&world, "GET", "/api/v1/brands", &[], &Value::Null).await;
    assert_eq!((limited.status.as_u16(), limited.header("retry-after")), (429, "1"));
    let other = world.ask(Some(&world.brand_admins[0]), "GET", "/api/v1/brands", &Value::Null).await;
    assert_eq!(other.status, 200, "another's rate is another's");
}

#[tokio::test]
async fn a_body_is_no_larger_than_it_may_be() {
    let world = World::new().await;
    let body = json!({"company": world.companies[0], "username": "x".repeat(300_000)});
    let refused = ask(&world, "POST", "/api/v1/accounts", &[], &body).await;
    assert_eq!((refused.status.as_u16(), &refused.body["type"]), (413, &json!("urn:strowger:problem:too-large")));
}

/// Each noun keeps what a PATCH does not name: the same thing, but for what was named and what moves by itself.
#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let world = World::new().await;
    let f = world.furnish().await;
    let own = |noun: &str, id: i64| format!("/api/v1/{noun}/{id}");
    let person = json!({"company": world.companies[0], "name": "p", "password": "long enough!", "role": "admin", "rights": {"ddis": "read"}});
    let person = world.must("POST", "/api/v1/people", person).await["id"].as_i64().unwrap();
    let cases = [
        (own("brands", world.brands[0]), "name", json!("renamed")),
        (own("companies", world.companies[0]), "codecs", json!(["PCMA"])),
        (own("companies", world.companies[0]), "calls_max", json!(7)),
        (own("accounts", f.account), "display_name", json!("Renamed")),
        (own("accounts", f.account), "enabled", json!(false)),
        (own("extensions", f.extension), "number", json!("1999")),
        (own("ddis", f.ddi), "e164", json!("+442079460009")),
        (own("rules", f.rule), "body", json!({"numbers": ["+4478"], "patterns": [], "prefixes": []})),
        (own("trunks", f.trunk), "name", json!("renamed")),
        (own("translation-sets", f.set), "name", json!("renamed")),
        (own("route-patterns", f.pattern), "special", json!(true)),
        (own("route-patterns", f.pattern), "prefix", json!("+351")),
        (own("route-groups", f.group), "patterns", json!([])),
        (own("route-tags", f.tag), "everybody", json!(true)),
        (own("route-tags", f.tag), "companies", json!([])),
        (own("outgoing-routes", f.route), "priority", json!(7)),
        (own("outgoing-routes", f.route), "group", Value::Null),
        (own("outgoing-routes", f.route), "caller", json!("+442079460000")),
        (own("people", person), "enabled", json!(false)),
        (own("timetables", f.timetable), "keep", json!(9)),
    ];
    let mut patched = std::collections::BTreeSet::new();
    for (path, field, value) in cases {
        patched.insert(path.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned() + "{id}");
        let before = world.must("GET", &path, Value::Null).await;
        assert_ne!(before[field], value, "{path} {field}");
        assert_eq!(world.must("PATCH", &path, json!({})).await, before, "an empty PATCH of {path} changes nothing");
        let after = world.must("PATCH", &path, json!({field: value})).await;
        let mut expected = before;
        expected[field] = value;
        assert_eq!(after, expected, "{path} {field}");
    }
    let document = serde_json::to_value(api::document()).unwrap();
    let all: Vec<&String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, i)| i.get("patch").is_some())
        .map(|(p, _)| p)
        .collect();
    // Of these the tests of their own nouns tell: they have no whole to compare with, or are one's own account.
    let apart = [
        "/api/v1/brands/{id}/identity",
        "/api/v1/me/account",
        "/api/v1/accounts/{id}/voicemail",
        "/api/v1/accounts/{id}/voicemail/messages/{message}",
    ];
    let missing: Vec<_> = all.into_iter().filter(|p| !patched.contains(*p) && !apart.contains(&p.as_str())).collect();
    assert!(missing.is_empty(), "add these to the cases: {missing:?}");
}
