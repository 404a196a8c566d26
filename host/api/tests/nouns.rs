//! What an owner can do: each noun from its first to its last request, and the words of each refusal.

mod common;

use axum::http::StatusCode;
use common::{APP, ROUTER, World, call_id};
use model::{BoxSettings, BoxVerb, Folder};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

#[track_caller]
fn refused(answer: &common::Answer, status: u16, field: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.kind, "application/problem+json");
    let kind = answer.body["type"].as_str().unwrap_or_default();
    assert!(kind.starts_with("urn:strowger:problem:"), "{answer:?}");
    if !field.is_empty() {
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
}

#[tokio::test]
async fn an_account_lives_and_dies() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    let added = world.ask(own, "POST", "/api/v1/accounts", &json!({"username": "2001"})).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let password = added.body["password"].as_str().unwrap();
    assert_eq!((password.len(), &added.body["domain"]), (16, &json!("one.example")));
    assert_eq!(world.switch.live.load(Ordering::SeqCst), 1, "the answer waits until it is live");
    let id = added.body["id"].as_i64().unwrap();
    let kept = world.db.accounts().get(&store::OpContext::platform(), model::AccountId(id)).await.unwrap();
    assert_eq!(kept.ha1, api::ha1("2001", "one.example", password));

    let path = format!("/api/v1/accounts/{id}");
    let shown = world.ask(own, "GET", &path, &Value::Null).await;
    assert_eq!(shown.body["username"], "2001");
    assert!(!shown.text.contains("ha1") && !shown.text.contains(password), "no secret comes back: {}", shown.text);
    let patched = world.ask(own, "PATCH", &path, &json!({"password": "a new password", "enabled": false})).await;
    assert_eq!(patched.body["enabled"], false);
    let kept = world.db.accounts().get(&store::OpContext::platform(), model::AccountId(id)).await.unwrap();
    assert_eq!(kept.ha1, api::ha1("2001", "one.example", "a new password"));
    let direct = json!({"direct": "192.0.2.9:5060"});
    refused(&world.ask(own, "PATCH", &path, &direct).await, 403, "");
    let brand = Some(world.brand_admins[0].as_str());
    assert_eq!(world.ask(brand, "PATCH", &path, &direct).await.body["direct"], "192.0.2.9:5060");
    assert_eq!(world.ask(brand, "PATCH", &path, &json!({"enabled": true})).await.body["direct"], "192.0.2.9:5060");
    assert_eq!(world.ask(brand, "PATCH", &path, &json!({"direct": null})).await.body["direct"], Value::Null);

    assert_eq!(world.ask(own, "DELETE", &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    refused(&world.ask(own, "GET", &path, &Value::Null).await, 404, "");
}

#[tokio::test]
async fn a_refusal_names_the_field() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    for (body, status, field) in [
        (json!({}), 422, "username"),
        (json!({"username": 5}), 422, "username"),
        (json!({"username": "has blank"}), 422, "username"),
        (json!({"username": "2001", "password": "short"}), 422, "password"),
        (json!({"username": "2001", "colour": "red"}), 422, "colour"),
        (json!({"username": "2001", "direct": "nowhere"}), 422, "direct"),
    ] {
        refused(&world.ask(own, "POST", "/api/v1/accounts", &body).await, status, field);
    }
    let platform = Some(world.platform.as_str());
    refused(&world.ask(platform, "POST", "/api/v1/accounts", &json!({"username": "1"})).await, 422, "company");
    let body = json!({"number": "1", "target": {"kind": "fax", "name": "x"}});
    refused(&world.ask(own, "POST", "/api/v1/extensions", &body).await, 422, "target.kind");
    refused(&world.ask_bytes(own, "POST", "/api/v1/accounts", b"{".to_vec()).await, 400, "");
    refused(&world.ask_bytes(own, "POST", "/api/v1/accounts", vec![b' '; 300 * 1024]).await, 413, "");
    refused(&world.ask(own, "GET", "/api/v1/accounts?limit=0", &Value::Null).await, 422, "limit");
    refused(&world.ask(own, "GET", "/api/v1/accounts?limit=many", &Value::Null).await, 422, "limit");
    refused(&world.ask(own, "GET", "/api/v1/accounts?colour=red", &Value::Null).await, 422, "colour");
    refused(&world.ask(own, "GET", "/api/v1/cdrs?from=yesterday", &Value::Null).await, 422, "from");
    refused(&world.ask(own, "GET", "/api/v1/accounts/one", &Value::Null).await, 404, "");
    refused(&world.ask(own, "GET", "/api/v1/nothing", &Value::Null).await, 404, "");
    refused(&world.ask(own, "PUT", "/api/v1/accounts", &json!({})).await, 405, "");
    world.must("POST", "/api/v1/accounts", json!({"company": world.companies[0], "username": "2001"})).await;
    refused(&world.ask(own, "POST", "/api/v1/accounts", &json!({"username": "2001"})).await, 409, "");
}

#[tokio::test]
async fn lists_are_paged_to_the_end() {
    let world = World::new().await;
    for number in 0..5 {
        let body = json!({"company": world.companies[0], "username": format!("20{number}")});
        world.must("POST", "/api/v1/accounts", body).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/accounts?limit=2".to_owned());
    loop {
        let page = world.must("GET", &path, Value::Null).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|a| a["username"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/accounts?limit=2&after={next}");
    }
    assert_eq!(seen, ["200", "201", "202", "203", "204"]);
}

#[tokio::test]
async fn a_plugin_is_installed_bound_replaced_and_rolled_back() {
    let world = World::new().await;
    let brand = Some(world.brand_admins[0].as_str());
    let bad = world.ask_bytes(brand, "POST", "/api/v1/plugins?name=r&version=1", b"no wasm".to_vec()).await;
    refused(&bad, 422, "component");
    assert!(bad.body["detail"].as_str().unwrap().contains("not a WebAssembly component"), "{bad:?}");
    refused(&world.ask_bytes(brand, "POST", "/api/v1/plugins?name=r", ROUTER.to_vec()).await, 422, "version");
    refused(&world.ask_bytes(brand, "POST", "/api/v1/plugins?name=a/b&version=1", ROUTER.to_vec()).await, 422, "name");

    let one = world.ask_bytes(brand, "POST", "/api/v1/plugins?name=r&version=1", ROUTER.to_vec()).await;
    assert_eq!((one.status, &one.body["points"]), (StatusCode::CREATED, &json!(["routing/router"])), "{one:?}");
    let again = world.ask_bytes(brand, "POST", "/api/v1/plugins?name=r&version=1", ROUTER.to_vec()).await;
    assert_eq!((again.status, &again.body["id"]), (StatusCode::CREATED, &one.body["id"]));
    let other = [ROUTER, b" "].concat();
    refused(&world.ask_bytes(brand, "POST", "/api/v1/plugins?name=r&version=1", other.clone()).await, 409, "");
    let two = world.ask_bytes(brand, "POST", "/api/v1/plugins?name=r&version=2", other).await;
    let app = world.ask_bytes(brand, "POST", "/api/v1/plugins?name=a&version=1", APP.to_vec()).await;
    let shown = world.ask(brand, "GET", &format!("/api/v1/plugins/{}", app.body["id"]), &Value::Null).await;
    assert_eq!(shown.body["points"], json!(["call/app"]));

    let bind = |plugin: &Value| json!({"name": "main", "plugin": plugin["id"]});
    let wrong = json!({"name": "main", "plugin": app.body["id"], "point": "routing/router"});
    refused(&world.ask(brand, "PUT", "/api/v1/bindings", &wrong).await, 422, "point");
    let first = json!({"name": "main", "plugin": one.body["id"], "priority": 7, "config": {"a": 1}});
    let bound = world.ask(brand, "PUT", "/api/v1/bindings", &first).await;
    assert_eq!(bound.body["plugin"], "r@1", "{bound:?}");
    let bound = world.ask(brand, "PUT", "/api/v1/bindings", &bind(&two.body)).await;
    let wanted = json!(["r@2", 7, {"a": 1}, "r@1"]);
    let b = &bound.body;
    assert_eq!(json!([b["plugin"], b["priority"], b["config"], b["previous"]]), wanted, "what is not said stays");
    assert_eq!((&b["kept"], &b["on_failure"]["fallback"]), (&json!(["r@1"]), &Value::Null));
    let ivr = |on_failure: Value| json!({"name": "ivr", "plugin": app.body["id"], "on_failure": on_failure});
    let said = json!({"apology": "", "fallback": "200", "restart": true});
    let bound = world.ask(brand, "PUT", "/api/v1/bindings", &ivr(said.clone())).await;
    assert_eq!(bound.body["on_failure"], said);
    let again = json!({"name": "ivr", "plugin": app.body["id"], "config": {"a": 2}});
    assert_eq!(world.ask(brand, "PUT", "/api/v1/bindings", &again).await.body["on_failure"], said, "it stays");
    for (wrong, field) in [
        (json!({"fallback": ""}), "on_failure.fallback"),
        (json!({"fallback": "1 2"}), "on_failure.fallback"),
        (json!({"apology": "sorry me"}), "on_failure.apology"),
    ] {
        refused(&world.ask(brand, "PUT", "/api/v1/bindings", &ivr(wrong)).await, 422, field);
    }
    let router = json!({"name": "main", "plugin": two.body["id"], "on_failure": {"restart": true}});
    refused(&world.ask(brand, "PUT", "/api/v1/bindings", &router).await, 422, "on_failure");
    let rollback = format!("/api/v1/bindings/{}/rollback", b["id"]);
    assert_eq!(world.ask(brand, "POST", &rollback, &Value::Null).await.body["plugin"], "r@1");
    let delete = format!("/api/v1/plugins/{}", one.body["id"]);
    refused(&world.ask(brand, "DELETE", &delete, &Value::Null).await, 409, "");
    let company = Some(world.company_admins[0].as_str());
    refused(
        &world
            .ask(
                company,
                "PUT",
                "/api/v1/bindings",
                &json!({"brand": world.brands[0], "name": "x", "plugin": one.body["id"]}),
            )
            .await,
        403,
        "",
    );
    let own = world.ask(company, "PUT", "/api/v1/bindings", &json!({"name": "x", "plugin": one.body["id"]})).await;
    assert_eq!(own.body["company"], world.companies[0], "{own:?}");
}

#[tokio::test]
async fn a_mailbox_is_told_to_the_switch_whole() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    let added = world.ask(own, "POST", "/api/v1/accounts", &json!({"username": "1077"})).await;
    let path = format!("/api/v1/accounts/{}/mailbox", added.body["id"]);
    let told = world.ask(own, "PUT", &path, &json!({"voice": {"new": 2, "old": 8}})).await;
    assert_eq!(told.status, StatusCode::NO_CONTENT, "{told:?}");
    let mailboxes = world.switch.mailboxes.lock().unwrap().clone();
    assert_eq!((mailboxes[0].account.as_str(), mailboxes[0].voice.new, mailboxes[0].fax.new), ("1077", 2, 0));
    refused(&world.ask(own, "PUT", &path, &json!({"voice": {"news": 2}})).await, 422, "voice.news");
}

#[tokio::test]
async fn a_voice_mailbox_is_shown_changed_and_emptied() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    let added = world.ask(own, "POST", "/api/v1/accounts", &json!({"username": "1077"})).await;
    let path = format!("/api/v1/accounts/{}/voicemail", added.body["id"]);
    let shown = world.ask(own, "GET", &path, &Value::Null).await.body;
    assert_eq!(
        (&shown["account"], &shown["keep_days"], &shown["greetings"]),
        (&json!("1077"), &json!(90), &json!(["busy"]))
    );
    let changed = world.ask(own, "PATCH", &path, &json!({"keep_days": 5, "pin": null})).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let list = world.ask(own, "GET", &format!("{path}/messages?folder=new"), &Value::Null).await.body;
    assert_eq!(list["items"][0]["received_at"], "2026-11-22T05:48:00.000Z", "{list}");
    refused(&world.ask(own, "GET", &format!("{path}/messages?folder=old"), &Value::Null).await, 422, "folder");
    let audio = world.ask(own, "GET", &format!("{path}/messages/7/audio"), &Value::Null).await;
    assert_eq!(audio.status, StatusCode::OK);
    refused(&world.ask(own, "GET", &format!("{path}/messages/8/audio"), &Value::Null).await, 404, "");
    let saved = world.ask(own, "PATCH", &format!("{path}/messages/7"), &json!({"folder": "saved"})).await;
    assert_eq!(saved.status, StatusCode::NO_CONTENT);
    assert_eq!(
        world.ask(own, "DELETE", &format!("{path}/messages/7"), &Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    refused(&world.ask(own, "DELETE", &format!("{path}/messages/x"), &Value::Null).await, 404, "");
    let asked = world.switch.asked_boxes.lock().unwrap().clone();
    assert!(asked.iter().all(|(whose, _)| whose.company.0 == world.companies[0] && whose.account == "1077"));
    let settings = BoxSettings { keep_days: 5, ..BoxSettings::default() };
    for verb in
        [BoxVerb::Configure(settings), BoxVerb::SetPin(None), BoxVerb::Move(7, Folder::Saved), BoxVerb::Erase(7)]
    {
        assert!(asked.iter().any(|(_, did)| *did == verb), "{verb:?}");
    }
}

#[tokio::test]
async fn calls_are_seen_and_ended() {
    let world = World::new().await;
    let own = Some(world.company_admins[0].as_str());
    let calls = world.ask(own, "GET", "/api/v1/calls", &Value::Null).await;
    let items = calls.body["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["state"]), (1, &json!("held")));
    let id = call_id(world.companies[0]);
    let hangup = world.ask(own, "DELETE", &format!("/api/v1/calls/{id}"), &Value::Null).await;
    assert_eq!(hangup.status, StatusCode::ACCEPTED);
    assert_eq!(*world.switch.hung_up.lock().unwrap(), [id]);
    refused(&world.ask(own, "DELETE", "/api/v1/calls/xyz", &Value::Null).await, 404, "");
    assert_eq!(
        world.ask(own, "GET", "/api/v1/registrations", &Value::Null).await.body["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_call_is_made_for_an_account_of_ones_own() {
    let world = World::new().await;
    let furniture = world.furnish().await;
    let own = Some(world.company_admins[0].as_str());
    let ask = async |body: Value| world.ask(own, "POST", "/api/v1/calls", &body).await;
    let body = json!({"caller": "1001", "to": "+4420", "name": "Desk", "auto_answer": true, "ring_s": 20});
    let made = ask(body).await;
    assert_eq!(made.status, StatusCode::ACCEPTED, "{made:?}");
    let expected =
        json!({"id": model::CallId(0xca11).to_string(), "company": world.companies[0], "account": furniture.account});
    assert_eq!(made.body, expected);
    let wanted = model::Summons {
        account: model::AccountId(furniture.account),
        number: "+4420".to_owned(),
        display: Some("Desk".to_owned()),
        auto_answer: true,
        ring: Some(core::time::Duration::from_secs(20)),
    };
    assert_eq!(*world.switch.summoned.lock().unwrap(), [wanted]);
    let extension =
        json!({"company": world.companies[0], "number": "88", "target": {"kind": "account", "name": "1001"}});
    world.must("POST", "/api/v1/extensions", extension).await;
    assert_eq!(ask(json!({"caller": "88", "to": "1002"})).await.body["account"], json!(furniture.account));
    for (field, body) in [
        ("to", json!({"caller": "1001", "to": ""})),
        ("to", json!({"caller": "1001", "to": "1002@evil.example"})),
        ("name", json!({"caller": "1001", "to": "1002", "name": "a\r\nb"})),
        ("ring_s", json!({"caller": "1001", "to": "1002", "ring_s": 0})),
    ] {
        refused(&ask(body).await, 422, field);
    }
    refused(&ask(json!({"caller": "9999", "to": "1002"})).await, 404, "");
    for (cause, status) in [
        (model::Cause::NotRegistered, 409),
        (model::Cause::CallsMaxOut, 409),
        (model::Cause::LimitReached, 429),
        (model::Cause::Draining, 503),
    ] {
        *world.switch.refuses.lock().unwrap() = Some(cause);
        assert_eq!(ask(json!({"caller": "1001", "to": "1002"})).await.status.as_u16(), status, "{cause:?}");
    }
}

#[tokio::test]
async fn a_public_number_is_assigned_by_the_brand_and_steered_by_the_company() {
    let world = World::new().await;
    let furniture = world.furnish().await;
    let own = Some(world.company_admins[0].as_str());
    let body = json!({"e164": "+442079460001", "target": {"kind": "account", "name": "1001"}});
    refused(&world.ask(own, "POST", "/api/v1/ddis", &body).await, 403, "");
    let path = format!("/api/v1/ddis/{}", furniture.ddi);
    let steered = world.ask(own, "PATCH", &path, &json!({"target": {"kind": "extension", "name": "1001"}})).await;
    assert_eq!(steered.body["target"]["kind"], "extension", "{steered:?}");
    refused(&world.ask(own, "DELETE", &path, &Value::Null).await, 403, "");
    let limits = json!({"calls_max": 100_000});
    refused(&world.ask(own, "PATCH", &format!("/api/v1/companies/{}", world.companies[0]), &limits).await, 403, "");
}

#[tokio::test]
async fn a_brand_has_numbers_in_stock_gives_them_and_takes_them_back() {
    let world = World::new().await;
    let furniture = world.furnish().await;
    let (company, brand) = (world.companies[0], Some(world.brand_admins[0].as_str()));
    let own = Some(world.company_admins[0].as_str());
    let new = json!({"e164": "+442079460001", "record": "in", "description": "reserve", "display_name": "Sales"});
    refused(&world.ask(own, "POST", "/api/v1/ddis", &new).await, 403, "");
    let made = world.ask(brand, "POST", "/api/v1/ddis", &new).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    assert_eq!(
        (&made.body["company"], &made.body["target"], &made.body["record"]),
        (&Value::Null, &Value::Null, &json!("in"))
    );
    let path = format!("/api/v1/ddis/{}", made.body["id"]);
    refused(&world.ask(own, "GET", &path, &Value::Null).await, 404, "");
    let stock = world.ask(brand, "GET", "/api/v1/ddis?assigned=false", &Value::Null).await;
    assert_eq!(stock.body["items"][0]["e164"], "+442079460001", "{stock:?}");
    assert_eq!(stock.body["items"].as_array().map(Vec::len), Some(1));
    let target = json!({"kind": "account", "name": "1001"});
    refused(&world.ask(brand, "PATCH", &path, &json!({"company": company})).await, 422, "target");
    refused(&world.ask(brand, "PATCH", &path, &json!({"target": target})).await, 422, "company");
    refused(&world.ask(brand, "PATCH", &path, &json!({"trunk": 4711})).await, 422, "trunk");
    let given = world.ask(brand, "PATCH", &path, &json!({"company": company, "target": target})).await;
    assert_eq!((&given.body["company"], &given.body["target"]), (&json!(company), &target), "{given:?}");
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.body["display_name"], "Sales");
    for (body, status) in [(json!({"company": null}), 403), (json!({"trunk": null}), 403), (json!({"tag": null}), 403)]
    {
        refused(&world.ask(own, "PATCH", &path, &body).await, status, "");
    }
    let other = json!({"company": world.companies[1], "target": {"kind": "app", "name": "x"}});
    refused(&world.ask(None, "PATCH", &path, &other).await, 401, "");
    let back = world.ask(brand, "PATCH", &path, &json!({"company": null})).await;
    assert_eq!((&back.body["company"], &back.body["target"]), (&Value::Null, &Value::Null), "{back:?}");
    refused(&world.ask(own, "GET", &path, &Value::Null).await, 404, "");
    // All at once, for a number of a company.
    let whole =
        json!({"company": company, "e164": "+442079460002", "target": target, "record": "all", "display_name": "x"});
    let whole = world.ask(brand, "POST", "/api/v1/ddis", &whole).await;
    assert_eq!((&whole.body["record"], &whole.body["company"]), (&json!("all"), &json!(company)), "{whole:?}");
    assert_ne!(whole.body["id"], json!(furniture.ddi));
}

#[tokio::test]
async fn a_token_is_shown_once_and_revoked() {
    let world = World::new().await;
    let body = json!({"name": "ci", "role": "reader"});
    let made = world.ask(Some(&world.brand_admins[0]), "POST", "/api/v1/tokens", &body).await;
    let secret = made.body["secret"].as_str().unwrap().to_owned();
    assert_eq!(
        world.ask(Some(&secret), "GET", "/api/v1/brands", &Value::Null).await.body["items"].as_array().unwrap().len(),
        1
    );
    let listed = world.ask(Some(&world.brand_admins[0]), "GET", "/api/v1/tokens", &Value::Null).await;
    assert!(!listed.text.contains(&secret) && listed.text.contains("\"ci\""), "{}", listed.text);
    world.must("DELETE", &format!("/api/v1/tokens/{}", made.body["id"]), Value::Null).await;
    refused(&world.ask(Some(&secret), "GET", "/api/v1/brands", &Value::Null).await, 401, "");
}

#[tokio::test]
async fn health_says_why_and_a_write_that_is_not_live_says_so() {
    let world = World::new().await;
    let health = world.ask(None, "GET", "/healthz", &Value::Null).await;
    assert_eq!((health.status, &health.body["warnings"]), (StatusCode::OK, &json!([])));
    let health = world.ask(Some(&world.platform), "GET", "/healthz", &Value::Null).await;
    assert_eq!(health.body["warnings"], json!(["binding x is not live"]));
    world.switch.draining.store(true, Ordering::SeqCst);
    let health = world.ask(None, "GET", "/healthz", &Value::Null).await;
    assert_eq!((health.status, &health.body["reasons"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(["draining"])));
    let metrics = world.ask(Some(&world.platform), "GET", "/metrics", &Value::Null).await;
    assert!(metrics.kind.starts_with("text/plain; version=0.0.4") && metrics.text.contains("strowger_calls"));
    world.switch.stuck.store(true, Ordering::SeqCst);
    let own = Some(world.company_admins[0].as_str());
    let late = world.ask(own, "POST", "/api/v1/accounts", &json!({"username": "2001"})).await;
    refused(&late, 503, "");
    assert!(late.body["detail"].as_str().unwrap().contains("not live yet"), "{late:?}");
}

/// Page by page in the order of a name, up and down, however rows come and go between the pages.
#[tokio::test]
async fn lists_come_in_the_order_of_a_name() {
    let world = World::new().await;
    let company = world.companies[0];
    for name in ["b", "d", "a", "e", "c"] {
        world.must("POST", "/api/v1/accounts", json!({"company": company, "username": name})).await;
        let number = format!("10{name}");
        let to = json!({"kind": "account", "name": name});
        world.must("POST", "/api/v1/extensions", json!({"company": company, "number": number, "target": to})).await;
    }
    for (path, column, expected) in [
        ("accounts?order=username", "username", vec!["a", "b", "c", "d", "e"]),
        ("accounts?order=-username", "username", vec!["e", "d", "c", "b", "a"]),
        ("accounts?order=id", "username", vec!["b", "d", "a", "e", "c"]),
        ("extensions?order=-number", "number", vec!["10e", "10d", "10c", "10b", "10a"]),
        ("brands?order=-name", "name", vec!["zeta", "acme"]),
        ("companies?order=name", "name", vec!["one", "three", "two"]),
        ("companies?order=-name", "name", vec!["two", "three", "one"]),
    ] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = world.must("GET", &format!("/api/v1/{path}&limit=2{after}"), Value::Null).await;
            seen.extend(page["items"].as_array().unwrap().iter().map(|i| i[column].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(seen, expected, "{path}");
    }
    // What the page before ended with is gone: the next one goes on all the same.
    let page = world.must("GET", "/api/v1/accounts?order=username&limit=2", Value::Null).await;
    let last = page["items"][1]["id"].as_i64().unwrap();
    let number = world.must("GET", "/api/v1/extensions?order=number", Value::Null).await["items"][1]["id"].clone();
    world.must("DELETE", &format!("/api/v1/extensions/{number}"), Value::Null).await;
    world.must("DELETE", &format!("/api/v1/accounts/{last}"), Value::Null).await;
    let after = format!("/api/v1/accounts?order=username&limit=2&after={}", page["next"].as_str().unwrap());
    let names: Vec<Value> = world.must("GET", &after, Value::Null).await["items"].as_array().unwrap().to_vec();
    assert_eq!(names.iter().map(|a| a["username"].as_str().unwrap()).collect::<Vec<_>>(), ["c", "d"]);
    // A stranger's order shows no more than its own.
    let stranger = Some(world.company_admins[2].as_str());
    assert_eq!(
        world.ask(stranger, "GET", "/api/v1/accounts?order=username", &Value::Null).await.body["items"],
        json!([])
    );
    for (query, field) in [
        ("order=password", "order"),
        ("order=username,colour", "order"),
        ("order=username&after=7", "after"),
        ("after=x", "after"),
        ("order=username&after=5.!", "after"),
    ] {
        let refused = world.ask(Some(&world.platform), "GET", &format!("/api/v1/accounts?{query}"), &Value::Null).await;
        assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["field"]), (422, &json!(field)), "{query}");
    }
}

/// Each column that the document names orders its list, each filter narrows it, and a list that there may be much of has pages.
#[tokio::test]
async fn every_list_does_what_the_document_says_of_it() {
    // Not of tenants' things: a few lines each, or the answer to one question.
    const WHOLE: [&str; 2] = ["/api/v1/countries", "/api/v1/wallets/audit"];
    let world = World::new().await;
    let (mut ordered, mut paged) = (0, 0);
    for (path, item) in api::document()["paths"].as_object().unwrap() {
        let get = &item["get"];
        let schema = get.pointer("/responses/200/content/application~1json/schema/$ref").and_then(Value::as_str);
        if !schema.is_some_and(|name| name.contains("/Many_")) || WHOLE.contains(&path.as_str()) {
            continue;
        }
        let parameters = get["parameters"].as_array().unwrap();
        let of = |name: &str| parameters.iter().find(|p| p["name"] == name).map(|p| &p["schema"]);
        assert!(of("after").is_some() && of("limit").is_some(), "{path} has no pages");
        paged += 1;
        let Some(order) = of("order").filter(|_| !path.contains("/me/")) else { continue };
        let columns = order["pattern"].as_str().unwrap().split(['(', ')']).nth(1).unwrap();
        for column in columns.split('|') {
            let query = format!("{path}?limit=1&order=-{column},{column}");
            world.must("GET", &query, Value::Null).await;
        }
        for filter in parameters.iter().filter(|p| p["in"] == "query" && p["name"] != "fields") {
            let (name, schema) = (filter["name"].as_str().unwrap(), &filter["schema"]);
            let value = match (schema["type"].as_str().unwrap(), schema["enum"][0].as_str()) {
                (_, Some(word)) => word,
                ("boolean", _) => "true",
                _ if ["order", "after"].contains(&name) => continue,
                _ if ["from", "until"].contains(&name) => "2026-11-23",
                _ => "1",
            };
            world.must("GET", &format!("{path}?{name}={value}"), Value::Null).await;
        }
        ordered += 1;
    }
    assert!(ordered >= 19 && paged >= 24, "{ordered} lists in any order, {paged} with pages");
}

#[tokio::test]
async fn a_list_is_in_the_order_of_several_columns_and_narrowed_by_filters() {
    let world = World::new().await;
    let company = world.companies[0];
    for (name, shown, enabled) in
        [("a", "x", true), ("b", "y", false), ("c", "x", false), ("d", "y", true), ("e", "x", true)]
    {
        let body = json!({"company": company, "username": name, "display_name": shown, "enabled": enabled});
        world.must("POST", "/api/v1/accounts", body).await;
    }
    for (query, expected) in [
        ("order=display_name,-username", vec!["e", "c", "a", "d", "b"]),
        ("order=-enabled,username", vec!["a", "d", "e", "b", "c"]),
        ("order=-id", vec!["e", "d", "c", "b", "a"]),
        ("enabled=false&order=-username", vec!["c", "b"]),
        ("username=d", vec!["d"]),
    ] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = world.must("GET", &format!("/api/v1/accounts?{query}&limit=2{after}"), Value::Null).await;
            seen.extend(page["items"].as_array().unwrap().iter().map(|i| i["username"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(seen, expected, "{query}");
    }
    let own = Some(world.company_admins[0].as_str());
    let wrong = world.ask(own, "GET", "/api/v1/accounts?order=ha1_md5", &Value::Null).await;
    refused(&wrong, 422, "order");
    assert!(wrong.body["detail"].as_str().unwrap().contains("username, display_name"), "{wrong:?}");
    let wrong = world.ask(own, "GET", "/api/v1/rules?kind=fax", &Value::Null).await;
    refused(&wrong, 422, "kind");
    assert!(wrong.body["detail"].as_str().unwrap().contains("call-acl"), "{wrong:?}");
}
