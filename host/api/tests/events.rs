//! What happens now, told to those who may know it, from where they left off.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::World;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The events of an answer: id, kind, data.
fn events(text: &str) -> Vec<(String, String, Value)> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    let blocks = text.split("\n\n").filter(|b| b.contains("event:"));
    let read = |b| (field(b, "id"), field(b, "event"), serde_json::from_str(&field(b, "data")).unwrap_or(Value::Null));
    blocks.map(read).collect()
}

async fn ask(world: &World, token: &str, query: &str) -> Vec<(String, String, Value)> {
    let answer = world.ask(Some(token), "GET", &format!("/api/v1/events?wait=false{query}"), &Value::Null).await;
    assert_eq!((answer.status.as_u16(), answer.kind.as_str()), (200, "text/event-stream"), "{answer:?}");
    events(&answer.text)
}

#[tokio::test]
async fn each_hears_what_is_its_own_and_goes_on_where_it_was() {
    let world = World::new().await;
    let begin = ask(&world, &world.platform, "").await[0].clone();
    assert_eq!(begin.1, "begin");
    for company in 0..3 {
        world.happen("call-started", company);
        world.happen("registered", company);
    }
    let after = format!("&after={}", begin.0);
    let heard = |all: Vec<(String, String, Value)>| -> Vec<(String, i64)> {
        all.into_iter()
            .filter(|(_, kind, _)| kind != "begin")
            .map(|(_, kind, data)| (kind, data["company"].as_i64().unwrap()))
            .collect()
    };
    let [one, two, three] = world.companies;
    let of = |companies: &[i64]| -> Vec<(String, i64)> {
        companies.iter().flat_map(|c| [("call-started".to_owned(), *c), ("registered".to_owned(), *c)]).collect()
    };
    assert_eq!(heard(ask(&world, &world.platform, &after).await), of(&[one, two, three]));
    assert_eq!(heard(ask(&world, &world.brand_admins[0], &after).await), of(&[one, two]));
    assert_eq!(heard(ask(&world, &world.company_admins[2], &after).await), of(&[three]));
    assert_eq!(heard(ask(&world, &world.company_admins[2], &format!("{after}&company={one}")).await), []);
    let only = json!({"name": "only calls", "role": "reader", "rights": {"events": "read", "calls": "read"}});
    let only = world.must("POST", "/api/v1/tokens", only).await["secret"].as_str().unwrap().to_owned();
    let calls: Vec<(String, i64)> = [one, two, three].iter().map(|c| ("call-started".to_owned(), *c)).collect();
    assert_eq!(heard(ask(&world, &only, &after).await), calls);
    // From the last one it saw.
    let all = ask(&world, &world.platform, &after).await;
    let last = format!("&after={}", all[all.len() - 2].0);
    assert_eq!(heard(ask(&world, &world.platform, &last).await).len(), 1);
    for lost in ["&after=1-1", "&after=nonsense"] {
        assert_eq!(ask(&world, &world.platform, lost).await.last().unwrap().1, "lost", "{lost}");
    }
}

#[tokio::test]
async fn an_open_stream_hears_at_once() {
    let world = World::new().await;
    let request = Request::get("/api/v1/events").header("authorization", format!("Bearer {}", world.company_admins[0]));
    let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    let begin = stream.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&begin).contains("event: begin"));
    world.happen("call-ended", 2);
    world.happen("call-answered", 0);
    let heard = loop {
        let heard = String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()).into_owned();
        // Between events a comment says that the stream lives.
        if heard.contains("event:") {
            break heard;
        }
    };
    assert_eq!(events(&heard)[0].1, "call-answered", "and nothing of the other company");
}

/// Nobody's rights outlive the stream that they opened.
#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let world = World::new().await;
    let made = world.must("POST", "/api/v1/tokens", json!({"name": "brief", "role": "reader"})).await;
    let request =
        Request::get("/api/v1/events").header("authorization", format!("Bearer {}", made["secret"].as_str().unwrap()));
    let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    stream.next().await.unwrap().unwrap();
    world.must("DELETE", &format!("/api/v1/tokens/{}", made["id"]), Value::Null).await;
    while let Some(heard) = stream.next().await {
        assert!(String::from_utf8_lossy(&heard.unwrap()).starts_with(':'), "a comment, for as long as it lasts");
    }
}

/// What plugins wrote is shown to those who may read it, each what is about its own, and goes on where it was.
#[tokio::test]
async fn a_plugins_log_is_its_tenants() {
    let world = World::new().await;
    let f = world.furnish().await;
    let binding = model::BindingId(f.binding);
    let path = format!("/api/v1/bindings/{}/logs", f.binding);
    let nothing = world.ask(Some(&world.platform), "GET", &path, &Value::Null).await;
    assert_eq!(nothing.status.as_u16(), 404, "it is not live: {nothing:?}");
    let log = std::sync::Arc::new(shell::GuestLog::default());
    world.switch.logs.lock().unwrap().insert(binding, log.clone());
    let write = |line: &str, company: usize| {
        let (brand, company) = (model::BrandId(world.brands[0]), model::CompanyId(world.companies[company]));
        let at = model::Instant::from_unix_nanos(5_000_000_000);
        let attrs = [("binding", "mine"), ("plugin", "front@0.1.0"), ("level", "info"), ("line", line)];
        let attrs = attrs.map(|(name, value)| (name, value.to_owned())).into();
        log.push(model::Told { kind: "plugin-log", at, call: None, brand, company, attrs }, (3, 1_000));
    };
    for (line, company) in [("one", 0), ("two", 0), ("neighbour", 1)] {
        write(line, company);
    }
    let lines = |body: &Value| -> Vec<String> {
        body["lines"].as_array().unwrap().iter().map(|l| l["line"].as_str().unwrap().to_owned()).collect()
    };
    let all = world.must("GET", &path, Value::Null).await;
    assert_eq!((lines(&all), &all["lost"]), (vec!["one".into(), "two".into(), "neighbour".into()], &json!(false)));
    assert_eq!((&all["lines"][0]["plugin"], &all["lines"][0]["level"]), (&json!("front@0.1.0"), &json!("info")));
    let own = world.ask(Some(&world.company_admins[0]), "GET", &path, &Value::Null).await;
    assert_eq!(lines(&own.body), ["one", "two"], "and nothing of the other company");
    let last = world.must("GET", &format!("{path}?limit=1"), Value::Null).await;
    assert_eq!(lines(&last), ["neighbour"], "the newest");
    let from = |place: &Value, more: &str| format!("{path}?after={}{more}", place.as_str().unwrap());
    write("four", 0);
    let next = world.must("GET", &from(&all["place"], ""), Value::Null).await;
    assert_eq!((lines(&next), &next["lost"]), (vec!["four".to_owned()], &json!(false)));
    for line in ["five", "six", "seven"] {
        write(line, 0);
    }
    let lost = world.must("GET", &from(&all["place"], ""), Value::Null).await;
    assert_eq!((lines(&lost), &lost["lost"]), (vec!["five".into(), "six".into(), "seven".into()], &json!(true)));
    let some = world.must("GET", &from(&next["place"], "&limit=2"), Value::Null).await;
    assert_eq!(lines(&some), ["five", "six"], "the first of those that come after");
    assert_eq!(lines(&world.must("GET", &from(&some["place"], ""), Value::Null).await), ["seven"]);
    for bad in ["?limit=0", "?limit=1001"] {
        let refused = world.ask(Some(&world.platform), "GET", &format!("{path}{bad}"), &Value::Null).await;
        assert_eq!(refused.status.as_u16(), 422, "{bad}: {refused:?}");
    }
    // The same as it comes; nothing of it among what happens.
    let stream = format!("&log={}&after={}", f.binding, some["place"].as_str().unwrap());
    let heard = ask(&world, &world.company_admins[0], &stream).await;
    assert_eq!(heard.iter().map(|e| e.1.as_str()).collect::<Vec<_>>(), ["begin", "plugin-log"]);
    assert_eq!((&heard[1].2["about"]["line"], &heard[1].2["company"]), (&json!("seven"), &json!(world.companies[0])));
    for stranger in [&world.company_admins[1], &world.company_admins[2], &world.brand_admins[1]] {
        let path = format!("/api/v1/events?wait=false{stream}");
        let refused = world.ask(Some(stranger), "GET", &path, &Value::Null).await;
        assert_eq!(refused.status.as_u16(), 404, "{refused:?}");
    }
    // Plugins write of calls: who may not read these may not read that.
    let rights = json!({"name": "no calls", "role": "reader", "rights": {"events": "read", "bindings": "read"}});
    let token = world.must("POST", "/api/v1/tokens", rights).await["secret"].as_str().unwrap().to_owned();
    for path in [path.clone(), format!("/api/v1/events?wait=false{stream}")] {
        let refused = world.ask(Some(&token), "GET", &path, &Value::Null).await;
        assert_eq!(refused.status.as_u16(), 403, "{path}: {refused:?}");
    }
}
