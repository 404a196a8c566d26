//! Wallets, money by hand, prices and legs that wait, over the wire.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::http::StatusCode;
use common::World;
use serde_json::{Value, json};

#[tokio::test]
async fn money_is_text_and_moves_once_by_its_key() {
    let world = World::new().await;
    let path = |rest: &str| format!("/api/v1/companies/{}/{rest}", world.companies[0]);
    let ask = |token: &str, method: &'static str, rest: &str, body: Value| {
        let (token, path) = (token.to_owned(), path(rest));
        let world = &world;
        async move { world.ask(Some(&token), method, &path, &body).await }
    };
    let (platform, brand, own) = (&world.platform, &world.brand_admins[0], &world.company_admins[0]);
    assert_eq!(ask(platform, "GET", "wallet", Value::Null).await.status, StatusCode::NOT_FOUND);
    let pays = json!({"method": "prepaid", "plan": "retail", "currency": "EUR", "credit": "2.5", "daily_cap": "20"});
    assert_eq!(ask(own, "PUT", "wallet", pays.clone()).await.status, StatusCode::FORBIDDEN);
    let made = ask(brand, "PUT", "wallet", pays).await.body;
    assert_eq!((&made["balance"], &made["credit"], &made["daily_cap"]), (&json!("0"), &json!("2.5"), &json!("20")));
    for (field, body) in [
        ("method", json!({"method": "gratis", "plan": "x", "currency": "EUR"})),
        ("currency", json!({"method": "prepaid", "plan": "x", "currency": "USD"})),
        ("credit", json!({"method": "prepaid", "plan": "x", "currency": "EUR", "credit": "1e3"})),
    ] {
        let answer = ask(brand, "PUT", "wallet", body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["errors"][0]["field"]), (422, &json!(field)), "{answer:?}");
    }
    let cash = json!({"key": "k-1", "amount": "50.000001", "memo": "cash"});
    for _ in 0..2 {
        let wallet = ask(brand, "POST", "wallet/deposits", cash.clone()).await;
        assert_eq!(wallet.body["balance"], "50.000001", "{wallet:?}");
    }
    let other = ask(brand, "POST", "wallet/deposits", json!({"key": "k-1", "amount": "51"})).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(ask(own, "POST", "wallet/deposits", cash).await.status, StatusCode::FORBIDDEN);
    let moved = ask(own, "GET", "wallet/movements", Value::Null).await.body;
    assert_eq!(moved["items"].as_array().unwrap().len(), 1);
    assert_eq!((&moved["items"][0]["kind"], &moved["items"][0]["memo"]), (&json!("top-up"), &json!("cash")));
    let audit = world.must("GET", "/api/v1/wallets/audit", Value::Null).await;
    assert_eq!((&audit["items"][0]["holds"], &audit["items"][0]["moved"]), (&json!(true), &json!("50.000001")));
    let rest = ["spent", "charged", "overdue", "unmoved", "differences"].map(|field| audit["items"][0][field].clone());
    assert_eq!(rest, [json!("0"), json!("0"), json!(0), json!(0), json!([])]);
    // The fake switch takes 0.0015 a second of what begins with a plus.
    let price = ask(own, "POST", "price", json!({"number": "+4930", "seconds": 100})).await.body;
    assert_eq!((&price["cost"], &price["lines"]["prefix"]), (&json!("0.15"), &json!("49")));
    let unknown = ask(own, "POST", "price", json!({"number": "49", "seconds": 100})).await;
    assert_eq!(unknown.status, StatusCode::CONFLICT);
    assert!(unknown.body["detail"].as_str().unwrap().contains("no price"), "{unknown:?}");
    let waiting = world.must("GET", "/api/v1/settlements?tries=1", Value::Null).await;
    assert_eq!(waiting["items"], json!([]));
}
