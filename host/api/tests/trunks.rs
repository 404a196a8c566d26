//! Trunks and translation sets by their owner, from the first request to the last, and the words of each refusal.

mod common;

use axum::http::StatusCode;
use common::World;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_trunk_lives_and_dies_and_tells_no_secret() {
    let world = World::new().await;
    let own = Some(world.brand_admins[0].as_str());
    let rule = json!({"pattern": r"^00(\d+)$", "replacement": r"+\1"});
    let set = world.ask(own, "POST", "/api/v1/translation-sets", &json!({"name": "gb", "callee_in": [rule]})).await;
    assert_eq!(set.status, StatusCode::CREATED, "{set:?}");
    assert_eq!(set.body["callee_in"], json!([rule]));
    let body = json!({
        "name": "carrier",
        "servers": [{"host": "sip.carrier.example", "priority": 1}, {"host": "198.51.100.1", "port": 5070, "transport": "tcp"}],
        "credentials": {"username": "acme", "password": "tell nobody"},
        "registration": {"user": "acme"},
        "translation_set": set.body["id"], "calls_max": 30, "cps_max": 5, "ping_s": 30,
        "sources": [{"network": "198.51.100.9/24"}, {"network": "2001:db8::1", "listener": "192.0.2.1:5060"}],
        "headers": {"send_rpid": true, "send_history_info": true},
    });
    let live = world.switch.live.load(Ordering::SeqCst);
    let added = world.ask(own, "POST", "/api/v1/trunks", &body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    assert_eq!(world.switch.live.load(Ordering::SeqCst), live + 1, "the answer waits until it is live");
    assert_eq!(added.body["credentials"], json!({"username": "acme"}));
    assert_eq!(added.body["registration"], json!({"user": "acme", "domain": null, "expires_s": 3600}));
    assert_eq!(added.body["sources"][0]["network"], "198.51.100.0/24");
    assert_eq!(added.body["sources"][1], json!({"network": "2001:db8::1/128", "listener": "192.0.2.1:5060"}));
    assert_eq!(
        (&added.body["headers"]["send_pai"], &added.body["headers"]["send_history_info"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(added.body["answer_ms"], 5000);

    let path = format!("/api/v1/trunks/{}", added.body["id"]);
    let shown = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!(shown.body, added.body);
    let realm = json!({"credentials": {"username": "acme", "password": "tell nobody", "realm": "carrier.example"}});
    let patched = world.ask(own, "PATCH", &path, &realm).await;
    assert_eq!(patched.body["credentials"], json!({"username": "acme", "realm": "carrier.example"}));
    let less = json!({"credentials": null, "registration": null, "calls_max": null, "translation_set": null});
    let patched = world.ask(own, "PATCH", &path, &less).await;
    for field in ["credentials", "registration", "calls_max", "translation_set"] {
        assert_eq!(patched.body[field], Value::Null, "{field}");
    }
    assert_eq!((&patched.body["cps_max"], &patched.body["servers"]), (&json!(5), &added.body["servers"]));
    for text in [&set.text, &added.text, &shown.text, &patched.text] {
        assert!(!text.contains("tell nobody") && !text.contains("ha1"), "a secret came back: {text}");
    }
    let numbering = json!({"country_code": "49", "international_prefix": "00", "national_prefix": "0"});
    let made = world.ask(own, "POST", "/api/v1/translation-sets", &json!({"name": "de", "numbering": numbering})).await;
    assert_eq!(made.body["callee_in"][1], json!({"pattern": r"^0(\d+)$", "replacement": r"+49\1"}), "{made:?}");
    // The same of two letters, and of an area of it.
    let numbering = json!({"country": "de", "area_code": "30"});
    let berlin = json!({"name": "berlin", "numbering": numbering});
    let made = world.ask(own, "POST", "/api/v1/translation-sets", &berlin).await;
    assert_eq!(made.body["callee_in"][1], json!({"pattern": r"^0(\d+)$", "replacement": r"+49\1"}), "{made:?}");
    assert_eq!(made.body["callee_in"][2], json!({"pattern": r"^(\d+)$", "replacement": r"+4930\1"}), "{made:?}");
    let set = format!("/api/v1/translation-sets/{}", set.body["id"]);
    let changed = world.ask(own, "PATCH", &set, &json!({"callee_in": [], "name": "uk"})).await;
    assert_eq!((&changed.body["callee_in"], &changed.body["name"]), (&json!([]), &json!("uk")));
    assert_eq!(world.ask(own, "DELETE", &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(own, "DELETE", &set, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_countries_are_there() {
    let world = World::new().await;
    let all = world.must("GET", "/api/v1/countries?fields=code,prefixes", Value::Null).await;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(252));
    let spain = world.ask(Some(&world.company_admins[0]), "GET", "/api/v1/countries/es", &Value::Null).await;
    assert_eq!((&spain.body["prefixes"], &spain.body["time_zones"][0]), (&json!(["+34"]), &json!("Europe/Madrid")));
    let nowhere = world.ask(Some(&world.platform), "GET", "/api/v1/countries/XX", &Value::Null).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    // Each zone is one that a company may name.
    for country in model::Country::all() {
        for zone in &country.zones {
            assert!(policy::is_zone(zone), "{} has no zone {zone}", country.code);
        }
    }
}

#[tokio::test]
async fn a_brand_says_who_vouches_for_its_callers() {
    let world = World::new().await;
    let own = Some(world.brand_admins[0].as_str());
    let brand = world.ask(own, "GET", "/api/v1/brands", &Value::Null).await.body["items"][0]["id"].clone();
    let path = format!("/api/v1/brands/{brand}/identity");
    let empty = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!(empty.body, json!({"key": null, "anchors": ""}), "{empty:?}");
    // The form of each is looked at before anything is kept.
    for (body, field) in [
        (json!({"anchors": "words"}), "anchors"),
        (json!({"key": {"url": "http://a/b", "certificate": "", "key": ""}}), "key"),
        (json!({"key": {"url": "https://a/b", "certificate": "words", "key": "words"}}), "key"),
    ] {
        let refused = world.ask(own, "PATCH", &path, &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        assert!(refused.text.contains(field), "{refused:?}");
    }
    let none = world.ask(own, "PATCH", &path, &json!({"key": null, "anchors": ""})).await;
    assert_eq!((none.status, &none.body), (StatusCode::OK, &empty.body));
    let theirs = Some(world.brand_admins[1].as_str());
    assert_eq!(world.ask(theirs, "GET", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);

    let made = world.ask(own, "POST", "/api/v1/trunks", &json!({"name": "t", "stir": {"sign": true}})).await;
    assert_eq!(made.body["stir"], json!({"sign": true, "verify": "off"}), "{made:?}");
    let trunk = format!("/api/v1/trunks/{}", made.body["id"]);
    let changed = world.ask(own, "PATCH", &trunk, &json!({"stir": {"verify": "refuse"}})).await;
    assert_eq!(changed.body["stir"], json!({"sign": false, "verify": "refuse"}), "{changed:?}");
}

#[tokio::test]
async fn a_trunk_shows_how_it_is() {
    let world = World::new().await;
    let own = Some(world.brand_admins[0].as_str());
    let made = world.ask(own, "POST", "/api/v1/trunks", &json!({"name": "carrier"})).await;
    let path = format!("/api/v1/trunks/{}/status", made.body["id"]);
    let off = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!((&off.body["usable"], &off.body["servers"]), (&json!(false), &json!([])), "{off:?}");
    world.switch.trunks.lock().unwrap().push(model::TrunkStatus {
        trunk: model::TrunkId(made.body["id"].as_i64().unwrap()),
        calls: 3,
        registration: Some(model::TrunkRegistrationStatus {
            state: "registered".to_owned(),
            until: Some(model::Instant::from_unix_nanos(1_795_326_480_000_000_000)),
            last_status: Some(200),
        }),
        servers: vec![model::TrunkServerStatus {
            host: "sip.carrier.example".to_owned(),
            place: Some((model::Transport::Udp, "198.51.100.1:5060".parse().unwrap())),
            breaker: "closed".to_owned(),
            failures: 1,
            until: None,
        }],
    });
    let shown = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!((&shown.body["usable"], &shown.body["calls"]), (&json!(true), &json!(3)));
    let registration = json!({"state": "registered", "until": "2026-11-22T05:48:00.000Z", "last_status": 200});
    assert_eq!(shown.body["registration"], registration);
    assert_eq!(shown.body["servers"][0]["address"], "198.51.100.1:5060");
}

#[tokio::test]
async fn a_refusal_names_the_field() {
    let world = World::new().await;
    let own = Some(world.brand_admins[0].as_str());
    let source = json!({"name": "theirs", "sources": [{"network": "203.0.113.0/24"}]});
    world
        .must("POST", "/api/v1/trunks", {
            let mut theirs = source.clone();
            theirs["brand"] = json!(world.brands[1]);
            theirs
        })
        .await;
    for (noun, body, field) in [
        ("trunks", json!({}), "name"),
        ("trunks", json!({"name": "x", "colour": "red"}), "colour"),
        ("trunks", json!({"name": "x", "servers": [{"host": "a b"}]}), "servers"),
        ("trunks", json!({"name": "x", "servers": [{"host": "a", "transport": "pigeon"}]}), "servers[0].transport"),
        ("trunks", json!({"name": "x", "sources": [{"network": "everywhere"}]}), "sources[0].network"),
        ("trunks", json!({"name": "x", "sources": [{"network": "0.0.0.0/0"}]}), "sources"),
        ("trunks", source, "sources"),
        ("trunks", json!({"name": "x", "credentials": {"username": "u", "password": ""}}), "credentials.password"),
        ("trunks", json!({"name": "x", "registration": {"user": "u", "expires_s": 600}}), "registration"),
        ("trunks", json!({"name": "x", "translation_set": 999}), "trunk"),
        ("trunks", json!({"name": "x", "answer_ms": 3}), "answer_ms"),
        (
            "translation-sets",
            json!({"name": "x", "numbering": {"country_code": "x", "international_prefix": "00"}}),
            "numbering",
        ),
        ("translation-sets", json!({"name": "x", "numbering": {"country": "XX"}}), "numbering.country"),
        (
            "translation-sets",
            json!({"name": "x", "numbering": {"country_code": "49"}}),
            "numbering.international_prefix",
        ),
        ("translation-sets", json!({"name": "x", "callee_out": [{"pattern": "(", "replacement": ""}]}), "callee_out"),
        ("translation-sets", json!({"name": "x", "caller_in": [{"pattern": "1", "replacement": r"\1"}]}), "caller_in"),
    ] {
        let answer = world.ask(own, "POST", &format!("/api/v1/{noun}"), &body).await;
        assert_eq!(answer.status.as_u16(), 422, "{body}: {answer:?}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
    let company = Some(world.company_admins[0].as_str());
    let refused = world.ask(company, "POST", "/api/v1/trunks", &json!({"name": "x"})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
}

#[tokio::test]
async fn an_outgoing_route_says_one_thing_of_each_and_names_who_uses_what() {
    let world = World::new().await;
    let f = world.furnish().await;
    let own = Some(world.brand_admins[0].as_str());
    let live = world.switch.live.load(Ordering::SeqCst);
    let body = json!({"name": "plain", "mode": "static", "trunk": f.trunk, "kind": "retail", "pattern": f.pattern});
    let added = world.ask(own, "POST", "/api/v1/outgoing-routes", &body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    assert_eq!(world.switch.live.load(Ordering::SeqCst), live + 1, "the answer waits until it is live");
    let path = format!("/api/v1/outgoing-routes/{}", added.body["id"]);
    let usual = (&added.body["weight"], &added.body["stopper"], &added.body["prefix"], &added.body["trunks"]);
    assert_eq!(usual, (&json!(1), &json!(false), &json!(""), &json!([])));

    let rated = json!([{"trunk": f.trunk, "table": "rates"}]);
    let company = world.companies[0];
    for (field, wrong) in [
        ("trunk", json!({"trunk": null})),
        ("trunks", json!({"trunks": rated})),
        ("trunks", json!({"mode": "lcr"})),
        ("trunk", json!({"mode": "lcr", "trunk": f.trunk, "trunks": rated})),
        ("trunk", json!({"mode": "block", "trunk": f.trunk})),
        ("kind", json!({"company": company})),
        ("group", json!({"group": f.group})),
        ("weight", json!({"weight": 0})),
        ("prefix", json!({"prefix": "+34"})),
        ("caller", json!({"caller": "34"})),
    ] {
        let refused = world.ask(own, "PATCH", &path, &wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong} {refused:?}");
        assert!(refused.text.contains(&format!("\"{field}\"")), "{wrong} {refused:?}");
    }
    let unknown = json!({"mode": "lcr", "trunks": [{"trunk": f.trunk, "table": "gone"}]});
    assert_eq!(world.ask(own, "PATCH", &path, &unknown).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let patched = world.ask(own, "PATCH", &path, &json!({"mode": "lcr", "trunks": rated})).await;
    assert_eq!((&patched.body["trunk"], &patched.body["trunks"]), (&Value::Null, &rated), "{patched:?}");
    assert_eq!(patched.body["pattern"], added.body["pattern"]);

    let at = |noun: &str, id: i64| format!("/api/v1/{noun}/{id}");
    for (used, by) in [
        (at("route-patterns", f.pattern), "europe"),
        (at("route-groups", f.group), "outgoing route out"),
        (at("route-tags", f.tag), "outgoing route out"),
        (at("trunks", f.trunk), "outgoing route"),
        (at("prefix-tables", f.table), "outgoing route"),
    ] {
        let refused = world.ask(own, "DELETE", &used, &Value::Null).await;
        assert!(refused.status == StatusCode::CONFLICT && refused.text.contains(by), "{used} {refused:?}");
    }
    let list = world.ask(own, "GET", "/api/v1/outgoing-routes?mode=lcr&order=-priority,name", &Value::Null).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 2, "{list:?}");
}
