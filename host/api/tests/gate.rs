//! What the gate keeps to whoever asks, and however they hang up.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use common::{World, call_id};
use core::time::Duration;
use futures_util::{FutureExt as _, stream};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tower::ServiceExt as _;

const PASSWORD: &str = "a long password";

async fn logged_in(world: &World, name: &str) -> String {
    let body = json!({"name": name, "password": PASSWORD, "company": "one.example"});
    let answer = world.ask(None, "POST", "/api/v1/login", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["access_token"].as_str().unwrap().to_owned()
}

async fn person(world: &World, name: &str, more: Value) -> String {
    let mut body = json!({"company": world.companies[0], "name": name, "password": PASSWORD, "role": "admin"});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    format!("/api/v1/people/{}", world.must("POST", "/api/v1/people", body).await["id"])
}

async fn status(world: &World, token: &str, method: &str, path: &str, body: Value) -> u16 {
    world.ask(Some(token), method, path, &body).await.status.as_u16()
}

/// A token of the first company; its secret.
async fn token(world: &World, body: Value) -> (String, String) {
    let mut whole = json!({"company": world.companies[0], "role": "admin"});
    whole.as_object_mut().unwrap().extend(body.as_object().cloned().unwrap_or_default());
    let made = world.must("POST", "/api/v1/tokens", whole).await;
    (format!("/api/v1/tokens/{}", made["id"]), made["secret"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_somebody_does_about_himself_undoes_nothing_that_was_done_to_him() {
    let world = World::new().await;
    let anna = person(&world, "anna", json!({})).await;
    let own = logged_in(&world, "anna").await;
    let change = json!({"old_password": PASSWORD, "new_password": "a newer password"});
    let off = json!({"enabled": false, "role": "reader"});
    tokio::join!(status(&world, &own, "PUT", "/api/v1/me/password", change), world.must("PATCH", &anna, off));
    let now = world.must("GET", &anna, Value::Null).await;
    assert_eq!((&now["enabled"], &now["role"]), (&json!(false), &json!("reader")), "{now}");

    let account = world.must("POST", "/api/v1/accounts", json!({"company": world.companies[0], "username": "1"})).await;
    person(&world, "ulf", json!({"role": "user", "account": account["id"]})).await;
    let own = logged_in(&world, "ulf").await;
    let path = format!("/api/v1/accounts/{}", account["id"]);
    for n in 0..20 {
        let named = json!({"display_name": format!("Ulf {n}")});
        let (mine, _) = tokio::join!(
            status(&world, &own, "PATCH", "/api/v1/me/account", named),
            world.must("PATCH", &path, json!({"enabled": false})),
        );
        let now = world.must("GET", &path, Value::Null).await;
        assert_eq!((mine, &now["enabled"]), (200, &json!(false)), "{n}: {now}");
        assert_eq!(now["display_name"], format!("Ulf {n}"), "{now}");
        world.must("PATCH", &path, json!({"enabled": true})).await;
    }
}

#[tokio::test]
async fn acting_as_somebody_ends_with_who_does_it_and_leaves_nothing_behind() {
    let world = World::new().await;
    let anna = person(&world, "anna", json!({})).await;
    let acting_as = async |who: &str| -> String {
        let acting = world.ask(Some(who), "POST", &format!("{anna}/impersonate"), &Value::Null).await;
        assert_eq!(acting.status, StatusCode::CREATED, "{acting:?}");
        acting.body["access_token"].as_str().unwrap().to_owned()
    };
    let me = async |token: &str| status(&world, token, "GET", "/api/v1/me", Value::Null).await;

    let (row, secret) = token(&world, json!({"name": "helpdesk"})).await;
    let acting = acting_as(&secret).await;
    assert_eq!(me(&acting).await, 200);
    for (method, path, body) in [
        ("POST", "/api/v1/tokens", json!({"name": "x", "role": "reader"})),
        ("POST", "/api/v1/people", json!({"name": "x", "password": PASSWORD, "role": "reader"})),
        ("PATCH", anna.as_str(), json!({"password": "taken over!"})),
        ("DELETE", row.as_str(), Value::Null),
    ] {
        assert_eq!(status(&world, &acting, method, path, body).await, 403, "{method} {path}");
    }
    world.must("DELETE", &row, Value::Null).await;
    assert_eq!(me(&acting).await, 401, "the token is revoked");

    let boss = person(&world, "boss", json!({})).await;
    let acting = acting_as(&logged_in(&world, "boss").await).await;
    for (change, expected) in [
        (json!({"enabled": false}), 401),
        (json!({"enabled": true}), 200),
        (json!({"rights": {"people": "write", "accounts": "write"}}), 401),
        (json!({"rights": null}), 200),
        (json!({"role": "reader"}), 401),
        (json!({"role": "admin"}), 200),
    ] {
        world.must("PATCH", &boss, change.clone()).await;
        assert_eq!(me(&acting).await, expected, "{change}");
    }
    world.must("DELETE", &boss, Value::Null).await;
    assert_eq!(me(&acting).await, 401, "the person is gone");
}

#[tokio::test]
async fn a_token_makes_none_that_outlives_it() {
    let world = World::new().await;
    let ends = "2027-01-01T00:00:00Z";
    let (_, secret) = token(&world, json!({"name": "short", "expires_at": ends})).await;
    let make = async |name: &str, more: Value| {
        let mut body = json!({"name": name, "role": "reader"});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        world.ask(Some(&secret), "POST", "/api/v1/tokens", &body).await
    };
    let same = make("same", json!({})).await;
    assert_eq!((same.status.as_u16(), same.body["expires_at"].as_str().unwrap().get(..10)), (201, Some("2027-01-01")));
    assert_eq!(make("less", json!({"expires_at": "2026-12-01"})).await.status, 201);
    let more = make("more", json!({"expires_at": "2027-01-02"})).await;
    assert_eq!((more.status.as_u16(), &more.body["errors"][0]["field"]), (422, &json!("expires_at")), "{more:?}");
}

#[tokio::test]
async fn a_restricted_administrator_revokes_nobody_stronger_and_the_line_is_the_tenants() {
    let world = World::new().await;
    let rights = json!({"accounts": "write", "tokens": "write", "logins": "write"});
    let (_, rita) = token(&world, json!({"name": "rita", "rights": rights})).await;
    let (strong, _) = token(&world, json!({"name": "strong"})).await;
    let (weak, _) = token(&world, json!({"name": "weak", "rights": {"accounts": "read"}})).await;
    person(&world, "boss", json!({})).await;
    person(&world, "clerk", json!({"rights": {"accounts": "read"}})).await;
    let (boss, clerk) = (logged_in(&world, "boss").await, logged_in(&world, "clerk").await);
    let logins = world.must("GET", "/api/v1/logins", Value::Null).await;
    let login = |name: &str| {
        let found = logins["items"].as_array().unwrap().iter().find(|l| l["name"] == name).unwrap();
        format!("/api/v1/logins/{}", found["id"])
    };
    for (path, expected) in [(strong, 403), (login("boss"), 403), (weak.clone(), 204), (login("clerk"), 204)] {
        assert_eq!(status(&world, &rita, "DELETE", &path, Value::Null).await, expected, "{path}");
    }
    for (token, expected) in [(boss, 200), (clerk, 401)] {
        assert_eq!(status(&world, &token, "GET", "/api/v1/me", Value::Null).await, expected);
    }
    // Whoever does it, the line is for the eyes of the company whose it was.
    let (gone, _) = token(&world, json!({"name": "gone"})).await;
    world.must("DELETE", &gone, Value::Null).await;
    let lines = world.ask(Some(&world.company_admins[0]), "GET", "/api/v1/audit?limit=1", &Value::Null).await;
    let line = &lines.body["items"][0];
    assert_eq!((&line["path"], &line["before"]["name"]), (&json!(gone), &json!("gone")), "{lines:?}");
}

#[tokio::test]
async fn nobody_makes_the_switch_remember_long_names() {
    let world = World::new().await;
    for (body, field) in [
        (json!({"name": "n".repeat(65), "password": "x"}), "name"),
        (json!({"name": "n", "password": "x", "company": "c".repeat(254)}), "company"),
        (json!({"name": "n", "password": "x", "brand": "b".repeat(254)}), "brand"),
    ] {
        let answer = world.ask(None, "POST", "/api/v1/login", &body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["errors"][0]["field"]), (422, &json!(field)), "{answer:?}");
    }
}

/// A request as it comes from this machine.
fn from_here(method: &str, path: &str) -> axum::http::request::Builder {
    let peer: SocketAddr = "127.0.0.1:4711".parse().unwrap();
    Request::builder().method(method).uri(path).extension(ConnectInfo(peer))
}

async fn answered(router: &Router, request: axum::http::request::Builder, body: Body) -> Response {
    router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_proxy_is_believed_where_it_is_trusted_and_metrics_need_a_token() {
    let world = World::new().await;
    let near = world.api.clone().behind(vec!["127.0.0.1".parse().unwrap()]).router();
    let authorization = format!("Bearer {}", world.platform);
    for (router, name, source) in [(&world.router, "a", "127.0.0.1"), (&near, "b", "198.51.100.7")] {
        let request = from_here("POST", "/api/v1/brands")
            .header("authorization", &authorization)
            .header("x-forwarded-for", "203.0.113.66, 198.51.100.7");
        let made = answered(router, request, Body::from(json!({"name": name}).to_string())).await;
        assert_eq!(made.status(), StatusCode::CREATED);
        let lines = world.must("GET", "/api/v1/audit?limit=1", Value::Null).await;
        assert_eq!(lines["items"][0]["source"], source, "{lines}");
    }
    let open = world.api.clone().showing_metrics_locally(true).router();
    let plain = || from_here("GET", "/metrics");
    for (router, request, expected) in [
        (&world.router, plain(), 401),
        (&world.router, plain().header("authorization", &authorization), 200),
        (&open, plain(), 200),
        (&open, plain().header("x-forwarded-for", "203.0.113.66"), 401),
    ] {
        assert_eq!(answered(router, request, Body::empty()).await.status(), expected);
    }
}

#[tokio::test]
async fn a_file_is_read_for_whom_may_bring_one_and_few_at_once() {
    let world = World::new().await;
    let path = "/api/v1/prefix-tables?name=rates";
    let upload =
        |token: &str| Request::builder().method("POST").uri(path).header("authorization", format!("Bearer {token}"));
    let polled = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&polled);
    let watched = stream::poll_fn(move |_| {
        seen.store(true, Ordering::SeqCst);
        std::task::Poll::Ready(None::<Result<Bytes, std::io::Error>>)
    });
    let refused = answered(&world.router, upload(&world.company_admins[0]), Body::from_stream(watched)).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(!polled.load(Ordering::SeqCst), "the file was read before it was refused");

    // Four that never end, then one that is whole.
    let (coming, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Notify::new()));
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let (coming, all, mut first) = (Arc::clone(&coming), Arc::clone(&all), true);
            let body = stream::poll_fn(move |_| {
                if core::mem::take(&mut first) && coming.fetch_add(1, Ordering::SeqCst) == 3 {
                    all.notify_one();
                }
                std::task::Poll::Pending::<Option<Result<Bytes, std::io::Error>>>
            });
            let (router, request) = (world.router.clone(), upload(&world.brand_admins[0]));
            tokio::spawn(async move { answered(&router, request, Body::from_stream(body)).await })
        })
        .collect();
    all.notified().await;
    let fifth = || answered(&world.router, upload(&world.brand_admins[0]), Body::from("prefix,price\n44,1\n"));
    assert_eq!(fifth().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    for one in slow {
        one.abort();
        assert!(one.await.unwrap_err().is_cancelled());
    }
    assert_eq!(fifth().await.status(), StatusCode::OK, "places come back when uploads break off");
}

#[tokio::test]
async fn a_change_goes_on_when_whoever_asked_hangs_up_and_has_its_whole_line() {
    let world = World::new().await;
    let account = world.must("POST", "/api/v1/accounts", json!({"company": world.companies[0], "username": "1"})).await;
    let call = format!("/api/v1/calls/{}", call_id(world.companies[0]));
    let account = format!("/api/v1/accounts/{}", account["id"]);
    for (method, path, body) in
        [("PATCH", &account, json!({"display_name": "New"}).to_string()), ("DELETE", &call, String::new())]
    {
        let held = world.switch.held.lock().await;
        // What came before has told already.
        let _earlier = world.switch.waits.notified().now_or_never();
        let request = Request::builder().method(method).uri(path.as_str());
        let request = request.header("authorization", format!("Bearer {}", world.platform));
        let (router, request) = (world.router.clone(), request.body(Body::from(body)).unwrap());
        let asking = tokio::spawn(router.oneshot(request));
        world.switch.waits.notified().await;
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled(), "{method} {path} ended before it was hung up on");
        drop(held);
        let line = async {
            loop {
                let lines = world.must("GET", &format!("/api/v1/audit?limit=1&path={path}"), Value::Null).await;
                let line = lines["items"][0].clone();
                if line["method"] == method && !line["status"].is_null() {
                    return line;
                }
                tokio::task::yield_now().await;
            }
        };
        let line = tokio::time::timeout(Duration::from_secs(20), line).await;
        let line = line.unwrap_or_else(|_| panic!("{method} {path} has no whole line"));
        assert!(line["status"].as_u64().unwrap() < 300, "{line}");
    }
}

#[tokio::test]
async fn one_listener_leaves_room_for_others() {
    let world = World::new().await;
    let listen = async |token: &str| {
        let request = Request::builder().uri("/api/v1/events").header("authorization", format!("Bearer {token}"));
        answered(&world.router, request, Body::empty()).await
    };
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(listen(&world.brand_admins[0]).await);
    }
    assert!(open.iter().all(|stream| stream.status() == StatusCode::OK));
    assert_eq!(listen(&world.brand_admins[0]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(listen(&world.company_admins[0]).await.status(), StatusCode::OK, "another of the brand");
    open.pop();
    assert_eq!(listen(&world.brand_admins[0]).await.status(), StatusCode::OK, "a place that was given back");
}
