//! Bans and company settings, from their first to their last request.

mod common;

use axum::http::StatusCode;
use common::World;
use model::{Ban, Instant, Offence};
use serde_json::{Value, json};

#[tokio::test]
async fn a_ban_is_seen_and_lifted_by_the_platform_alone() {
    let world = World::new().await;
    let ban = |source: &str, account: Option<&str>| Ban {
        source: source.parse().unwrap(),
        account: account.map(str::to_owned),
        why: Offence::Authentication,
        since: Instant::from_unix_nanos(1_795_326_480_000_000_000),
        until: Instant::from_unix_nanos(1_795_326_540_000_000_000),
        hits: 7,
    };
    let bans = vec![ban("203.0.113.5", Some("alice@one.example")), ban("2001:db8:1:2::/64", None)];
    *world.switch.bans.lock().unwrap() = bans;
    let listed = world.must("GET", "/api/v1/bans", Value::Null).await;
    // In the order of their sources' texts.
    let [first, second] = [0, 1].map(|n| &listed["items"][n]);
    assert_eq!((&first["source"], &first["account"]), (&json!("2001:db8:1:2::/64"), &Value::Null));
    assert_eq!((&first["why"], &first["hits"]), (&json!("authentication"), &json!(7)));
    assert_eq!((&second["source"], &second["account"]), (&json!("203.0.113.5"), &json!("alice@one.example")));
    for token in [&world.brand_admins[0], &world.company_admins[0]] {
        assert_eq!(world.ask(Some(token), "GET", "/api/v1/bans", &Value::Null).await.status, StatusCode::FORBIDDEN);
        let lift = world.ask(Some(token), "DELETE", "/api/v1/bans/203.0.113.5", &Value::Null).await;
        assert_eq!(lift.status, StatusCode::FORBIDDEN);
    }
    world.must("DELETE", "/api/v1/bans/2001:db8:1:2::9", Value::Null).await;
    for gone in ["/api/v1/bans/2001:db8:1:2::9", "/api/v1/bans/198.51.100.1", "/api/v1/bans/alice"] {
        let answer = world.ask(Some(&world.platform), "DELETE", gone, &Value::Null).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{gone}");
    }
    assert_eq!(world.switch.bans.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_company_sets_how_its_phones_register_and_from_where() {
    let world = World::new().await;
    let path = format!("/api/v1/companies/{}/policy", world.companies[0]);
    let own = Some(world.company_admins[0].as_str());
    let shown = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!(shown.body["registration"]["nat_ping"], "options");
    let wish = json!({
        "registration": {"min_s": 120, "max_s": 600, "single_contact": true, "service_route": ["<sip:edge.example;lr>"]},
        "sources": {"allow": ["192.0.2.0/24"], "deny": ["192.0.2.66"], "countries": ["DE"]},
    });
    let set = world.ask(own, "PUT", &path, &wish).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.body, set.body);
    let directory = world.db.directory().await.unwrap();
    let policy = directory.policy(model::CompanyId(world.companies[0]));
    assert_eq!((policy.registration.min_s, policy.registration.single_contact), (Some(120), true));
    assert!(!policy.sources.permits("192.0.2.66".parse().unwrap(), |_| Some("DE")));
    assert!(policy.sources.permits("198.51.100.1".parse().unwrap(), |_| Some("DE")));
    for wrong in [
        json!({"sources": {"allow": ["192.0.2.1/24"]}}),
        json!({"registration": {"min_s": 0}}),
        json!({"registration": {"service_route": ["edge"]}}),
        json!({"unknown": 1}),
    ] {
        let answer = world.ask(own, "PUT", &path, &wrong).await;
        assert!(answer.status.is_client_error(), "{wrong}: {answer:?}");
    }
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.body, set.body, "a refusal changes nothing");
}
