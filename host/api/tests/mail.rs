//! Mail hosts and mails over the wire: what is shown, what is not, and what a trial says.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use api::Switch as _;
use axum::http::StatusCode;
use common::World;
use serde_json::{Value, json};

fn host() -> Value {
    json!({"host": "mail.example.com", "port": 587, "user": "pbx", "password": "hush hush", "from": "pbx@example.com",
        "templates": {"voicemail": {"subject": "New", "text": "From {caller}"}}})
}

#[tokio::test]
async fn a_mail_host_is_set_and_its_password_shown_to_nobody() {
    let world = World::new().await;
    let path = format!("/api/v1/brands/{}/mail-host", world.brands[0]);
    let own = Some(world.brand_admins[0].as_str());
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    let set = world.ask(own, "PUT", &path, &host()).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");
    let shown = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!((&shown.body["has_password"], &shown.body["tls"]), (&json!(true), &json!("starttls")));
    assert_eq!(shown.body["templates"]["voicemail"]["subject"], "New");
    assert!(!set.text.contains("hush") && !shown.text.contains("hush"));
    for (field, change) in [
        ("tls", json!({"tls": "none"})),
        ("from", json!({"from": "nobody"})),
        ("ca", json!({"ca": "trust me"})),
        ("host", json!({"host": "a b"})),
    ] {
        let mut body = host();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = world.ask(own, "PUT", &path, &body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["errors"][0]["field"]), (422, &json!(field)), "{answer:?}");
    }
    // Neither another brand's operator nor a company's of this one.
    for (token, status) in [(&world.brand_admins[1], 404), (&world.company_admins[0], 404)] {
        assert_eq!(world.ask(Some(token), "GET", &path, &Value::Null).await.status.as_u16(), status);
    }
    let member = world.ask(Some(&world.company_admins[0]), "PUT", &path, &host()).await;
    assert_eq!(member.status, StatusCode::FORBIDDEN);
    assert_eq!(world.ask(own, "GET", "/api/v1/mail-host", &Value::Null).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.ask(own, "DELETE", &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_trial_says_what_the_host_says() {
    let world = World::new().await;
    let path = format!("/api/v1/brands/{}/mail-host", world.brands[0]);
    let own = Some(world.brand_admins[0].as_str());
    let (trial, to) = (format!("{path}/trial"), json!({"to": "anna@example.com"}));
    assert_eq!(world.ask(own, "POST", &trial, &to).await.status, StatusCode::NOT_FOUND, "there is no host");
    world.ask(own, "PUT", &path, &host()).await;
    let nobody = world.ask(own, "POST", &trial, &json!({"to": "a@b, c@d"})).await;
    assert_eq!(nobody.body["errors"][0]["field"], "to");
    assert_eq!(world.ask(own, "POST", &trial, &to).await.body, json!({"taken": true, "error": null}));
    let refused = world.ask(own, "POST", &trial, &to).await;
    assert_eq!(refused.body, json!({"taken": false, "error": "550 not here"}));
    assert_eq!(world.ask(own, "POST", &trial, &to).await.status, StatusCode::TOO_MANY_REQUESTS);
    let (used, address) = world.switch.mailed.lock().unwrap()[0].clone();
    assert_eq!(
        (used.host.host.as_str(), used.is_brands, address.as_str()),
        ("mail.example.com", true, "anna@example.com")
    );
}

#[tokio::test]
async fn a_mail_is_listed_tried_again_and_forgotten_by_its_tenant_alone() {
    let world = World::new().await;
    let id = world.mailed(0).await;
    let own = Some(world.company_admins[0].as_str());
    let listed = world.ask(own, "GET", "/api/v1/mails?state=waiting", &Value::Null).await;
    assert_eq!((&listed.body["items"][0]["id"], &listed.body["items"][0]["binding"]), (&json!(id), &json!("mine")));
    assert!(!listed.text.contains("secret"), "what it says is not shown");
    let wrong = world.ask(own, "GET", "/api/v1/mails?state=lost", &Value::Null).await;
    assert_eq!(wrong.body["errors"][0]["field"], "state");
    let path = format!("/api/v1/mails/{id}");
    for stranger in [&world.company_admins[1], &world.brand_admins[1]] {
        assert_eq!(world.ask(Some(stranger), "GET", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
        let retry = world.ask(Some(stranger), "POST", &format!("{path}/retry"), &Value::Null).await;
        assert_eq!(retry.status, StatusCode::NOT_FOUND);
    }
    let lease = core::time::Duration::from_secs(30);
    let mail = world.db.mails().claim("me", (world.switch.now(), lease), 9).await.unwrap().unwrap();
    let busy = world.ask(own, "DELETE", &path, &Value::Null).await;
    assert_eq!(busy.body["errors"][0], json!({"field": "state", "detail": "the mail is sending"}), "{busy:?}");
    let of = store::MailTry { mail: mail.id, holder: "me" };
    world.db.mails().dead(of, world.switch.now(), "550 no").await.unwrap();
    let dead = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!((&dead.body["state"], &dead.body["error"]), (&json!("dead"), &json!("550 no")));
    let again = world.ask(own, "POST", &format!("{path}/retry"), &Value::Null).await;
    assert_eq!((&again.body["state"], &again.body["tries"]), (&json!("waiting"), &json!(0)), "{again:?}");
    assert_eq!(world.ask(own, "DELETE", &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
}
