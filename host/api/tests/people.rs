//! People: logging in, going on, being stopped; rights by noun; acting as somebody; and the audit log of it all.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::http::StatusCode;
use common::{Answer, World};
use serde_json::{Value, json};

const PASSWORD: &str = "a long password";

async fn add(world: &World, body: Value) -> i64 {
    world.must("POST", "/api/v1/people", body).await["id"].as_i64().unwrap()
}

async fn log_in(world: &World, body: Value) -> Answer {
    world.ask(None, "POST", "/api/v1/login", &body).await
}

/// Logs in somebody of the first company.
async fn token(world: &World, name: &str) -> String {
    let body = json!({"name": name, "password": PASSWORD, "company": "one.example"});
    let answer = log_in(world, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["access_token"].as_str().unwrap().to_owned()
}

async fn status(world: &World, token: &str, method: &str, path: &str, body: Value) -> u16 {
    world.ask(Some(token), method, path, &body).await.status.as_u16()
}

#[tokio::test]
async fn somebody_logs_in_goes_on_and_is_stopped() {
    let world = World::new().await;
    let (brand, company) = (world.brands[0], world.companies[0]);
    let admin = json!({"company": company, "name": "anna", "password": PASSWORD, "role": "admin"});
    let anna = add(&world, admin).await;
    add(&world, json!({"brand": brand, "name": "anna", "password": "another password", "role": "reader"})).await;
    add(&world, json!({"name": "root", "password": PASSWORD, "role": "admin"})).await;

    // One name at three places is three people; nobody is found by the wrong place or password, in the same words.
    let wrong = log_in(&world, json!({"name": "anna", "password": "wrong", "company": "one.example"})).await;
    for body in [
        json!({"name": "anna", "password": PASSWORD}),
        json!({"name": "anna", "password": PASSWORD, "brand": "acme"}),
        json!({"name": "anna", "password": PASSWORD, "company": "three.example"}),
        json!({"name": "anna", "password": PASSWORD, "company": "nowhere.example"}),
    ] {
        let answer = log_in(&world, body.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.text), (401, &wrong.text), "{body}");
    }
    let root = log_in(&world, json!({"name": "root", "password": PASSWORD})).await;
    assert_eq!(root.status, StatusCode::OK, "{root:?}");

    let login = log_in(&world, json!({"name": "anna", "password": PASSWORD, "company": "ONE.example"})).await;
    assert_eq!(login.body["expires_in"], 900);
    let (access, first) = (login.body["access_token"].as_str().unwrap(), login.body["refresh_token"].as_str().unwrap());
    let me = world.ask(Some(access), "GET", "/api/v1/me", &Value::Null).await;
    assert_eq!((&me.body["actor"], &me.body["company"]), (&json!(format!("person {anna} anna")), &json!(company)));
    assert_eq!(status(&world, access, "GET", &format!("/api/v1/companies/{company}"), Value::Null).await, 200);
    let other = format!("/api/v1/companies/{}", world.companies[1]);
    assert_eq!(status(&world, access, "GET", &other, Value::Null).await, 404);

    // A refresh token is good once; one that comes twice ends the login for both who hold it.
    let refresh = |token: &str| json!({"refresh_token": token});
    let second = world.ask(None, "POST", "/api/v1/login/refresh", &refresh(first)).await;
    assert_eq!(second.status, StatusCode::OK, "{second:?}");
    let (newer, next) = (second.body["access_token"].as_str().unwrap(), second.body["refresh_token"].as_str().unwrap());
    assert_eq!(status(&world, newer, "GET", "/api/v1/me", Value::Null).await, 200);
    assert_eq!(world.ask(None, "POST", "/api/v1/login/refresh", &refresh(first)).await.status, 401);
    assert_eq!(status(&world, newer, "GET", "/api/v1/me", Value::Null).await, 401);
    assert_eq!(world.ask(None, "POST", "/api/v1/login/refresh", &refresh(next)).await.status, 401);

    // Logging out, a login that is ended, a person who is switched off, a new password: each ends it at once.
    let own = token(&world, "anna").await;
    assert_eq!(status(&world, &own, "DELETE", "/api/v1/me/login", Value::Null).await, 204);
    assert_eq!(status(&world, &own, "GET", "/api/v1/me", Value::Null).await, 401);
    let own = token(&world, "anna").await;
    let open = world.must("GET", "/api/v1/logins", Value::Null).await;
    let ours = open["items"].as_array().unwrap().iter().find(|l| l["person"] == anna).unwrap();
    let theirs = Some(world.company_admins[2].as_str());
    let path = format!("/api/v1/logins/{}", ours["id"]);
    assert_eq!(world.ask(theirs, "DELETE", &path, &Value::Null).await.status, 404);
    world.must("DELETE", &path, Value::Null).await;
    assert_eq!(status(&world, &own, "GET", "/api/v1/me", Value::Null).await, 401);
    let own = token(&world, "anna").await;
    let change = json!({"old_password": PASSWORD, "new_password": "a newer password"});
    assert_eq!(status(&world, &own, "PUT", "/api/v1/me/password", change.clone()).await, 204);
    assert_eq!(status(&world, &own, "PUT", "/api/v1/me/password", change).await, 401);
    world.must("PATCH", &format!("/api/v1/people/{anna}"), json!({"enabled": false})).await;
    let off = json!({"name": "anna", "password": "a newer password", "company": "one.example"});
    assert_eq!(log_in(&world, off).await.status, 401);
}

#[tokio::test]
async fn guessing_is_slow() {
    let world = World::new().await;
    let guess = json!({"name": "root", "password": "guess", "company": "one.example"});
    for _ in 0..10 {
        assert_eq!(log_in(&world, guess.clone()).await.status, 401);
    }
    let limited = log_in(&world, guess).await;
    assert_eq!((limited.status.as_u16(), &limited.body["retry_after_s"]), (429, &json!(6)), "{limited:?}");
}

#[tokio::test]
async fn a_restricted_administrator_sees_and_changes_what_was_named_and_makes_nobody_stronger() {
    let world = World::new().await;
    let company = world.companies[0];
    let furniture = world.furnish().await;
    let rights = json!({"accounts": "write", "ddis": "read", "people": "write", "tokens": "write"});
    let body = json!({"company": company, "name": "rita", "password": PASSWORD, "role": "admin", "rights": rights});
    let rita = add(&world, body).await;
    let boss = json!({"company": company, "name": "boss", "password": PASSWORD, "role": "admin"});
    let boss = add(&world, boss).await;
    let own = token(&world, "rita").await;
    let account = format!("/api/v1/accounts/{}", furniture.account);
    let ddi = format!("/api/v1/ddis/{}", furniture.ddi);
    for (method, path, body, expected) in [
        ("GET", account.as_str(), Value::Null, 200),
        ("PATCH", &account, json!({"display_name": "Rita's"}), 200),
        ("GET", &ddi, Value::Null, 200),
        ("PATCH", &ddi, json!({"e164": "+442079460001"}), 403),
        ("DELETE", &ddi, Value::Null, 403),
        ("GET", "/api/v1/extensions", Value::Null, 403),
        ("GET", &format!("/api/v1/extensions/{}", furniture.extension), Value::Null, 403),
        ("GET", "/api/v1/extensions/999999", Value::Null, 403),
        ("GET", "/api/v1/audit", Value::Null, 403),
        ("GET", "/api/v1/me", Value::Null, 200),
        // Nobody who may do more than she, and nothing for herself.
        ("POST", "/api/v1/people", json!({"name": "x", "password": PASSWORD, "role": "admin"}), 403),
        (
            "POST",
            "/api/v1/people",
            json!({"name": "x", "password": PASSWORD, "role": "admin", "rights": {"ddis": "write"}}),
            403,
        ),
        (
            "POST",
            "/api/v1/people",
            json!({"name": "x", "password": PASSWORD, "role": "reader", "rights": {"ddis": "read"}}),
            201,
        ),
        ("PATCH", &format!("/api/v1/people/{rita}"), json!({"rights": null}), 403),
        ("PATCH", &format!("/api/v1/people/{boss}"), json!({"password": "taken over!"}), 403),
        ("DELETE", &format!("/api/v1/people/{boss}"), Value::Null, 403),
        ("POST", &format!("/api/v1/people/{boss}/impersonate"), Value::Null, 403),
        ("POST", "/api/v1/tokens", json!({"name": "x", "role": "admin"}), 403),
        ("POST", "/api/v1/tokens", json!({"name": "x", "role": "admin", "rights": {"accounts": "write"}}), 201),
        ("POST", "/api/v1/tokens", json!({"name": "y", "role": "admin", "rights": {"nonsense": "write"}}), 422),
    ] {
        let answer = world.ask(Some(&own), method, path, &body).await;
        assert_eq!(answer.status.as_u16(), expected, "{method} {path} {body}: {answer:?}");
    }
    // Rights that are taken are gone with the next request.
    world.must("PATCH", &format!("/api/v1/people/{rita}"), json!({"rights": {"ddis": "read"}})).await;
    assert_eq!(status(&world, &own, "GET", &account, Value::Null).await, 403);
}

#[tokio::test]
async fn a_token_ends_when_it_was_said_to() {
    let world = World::new().await;
    for (ends, expected) in [("2026-11-22T05:47:59Z", 401), ("2026-11-22T05:48:01Z", 200)] {
        let body = json!({"name": ends, "role": "reader", "expires_at": ends});
        let made = world.must("POST", "/api/v1/tokens", body).await;
        let secret = made["secret"].as_str().unwrap();
        assert_eq!(status(&world, secret, "GET", "/api/v1/brands", Value::Null).await, expected, "{ends}");
    }
}

#[tokio::test]
async fn a_user_has_the_own_account_and_nothing_else() {
    let world = World::new().await;
    let company = world.companies[0];
    let furniture = world.furnish().await;
    let other = world.must("POST", "/api/v1/accounts", json!({"company": company, "username": "1002"})).await;
    let body =
        json!({"company": company, "account": furniture.account, "name": "ulf", "password": PASSWORD, "role": "user"});
    add(&world, body.clone()).await;
    let wrong = json!({"company": world.companies[1], "account": furniture.account, "name": "u", "password": PASSWORD, "role": "user"});
    assert_eq!(status(&world, &world.platform, "POST", "/api/v1/people", wrong).await, 422);
    let own = token(&world, "ulf").await;
    let shown = world.ask(Some(&own), "GET", "/api/v1/me/account", &Value::Null).await;
    assert_eq!(shown.body["username"], "1001", "{shown:?}");
    let away = json!([{"when": "unreachable", "to": {"kind": "account", "name": "1002"}, "enabled": false}]);
    let patch = json!({"display_name": "Ulf", "do_not_disturb": true, "forwards": away});
    let patched = world.ask(Some(&own), "PATCH", "/api/v1/me/account", &patch).await;
    assert_eq!((patched.status.as_u16(), &patched.body["display_name"]), (200, &json!("Ulf")), "{patched:?}");
    assert_eq!(
        patched.body["rules"],
        json!({"do_not_disturb": true, "forwards": [{"when": "unreachable",
        "from": "anybody", "to": {"kind": "account", "name": "1002"}, "enabled": false}]})
    );
    let unknown = json!({"forwards": [{"when": "busy", "to": {"kind": "refuse"}, "ddi": "+34999999999"}]});
    assert_eq!(world.ask(Some(&own), "PATCH", "/api/v1/me/account", &unknown).await.status.as_u16(), 422);
    let nonsense =
        world.ask(Some(&own), "PATCH", "/api/v1/me/account", &json!({"forwards": [{"when": "never"}]})).await;
    assert_eq!((nonsense.status.as_u16(), &nonsense.body["errors"][0]["field"]), (422, &json!("forwards")));
    let made = world.ask(Some(&own), "POST", "/api/v1/me/calls", &json!({"to": "1002"})).await;
    assert_eq!((made.status.as_u16(), &made.body["account"]), (202, &json!(furniture.account)), "{made:?}");
    assert_eq!(world.switch.summoned.lock().unwrap()[0].account.0, furniture.account);
    // Of the calls that are up one is of the own account.
    let calls = world.switch.calls.lock().unwrap().clone();
    let (mine, theirs) = (calls[0].call, calls[1].call);
    for (at, account) in [(0, furniture.account), (1, other["id"].as_i64().unwrap())] {
        world.switch.calls.lock().unwrap()[at].account = Some(model::AccountId(account));
    }
    let call = |id: model::CallId| format!("/api/v1/me/calls/{id}");
    assert_eq!(status(&world, &own, "DELETE", &call(theirs), Value::Null).await, 404);
    assert_eq!(status(&world, &own, "DELETE", &call(mine), Value::Null).await, 202);
    assert_eq!(*world.switch.hung_up.lock().unwrap(), [mine]);
    let others = json!({"caller": "1002", "to": "1001"});
    assert_eq!(status(&world, &own, "POST", "/api/v1/calls", others).await, 403);
    for path in ["/api/v1/me/registrations", "/api/v1/me/cdrs"] {
        assert_eq!(status(&world, &own, "GET", path, Value::Null).await, 200, "{path}");
    }
    for path in [
        format!("/api/v1/accounts/{}", furniture.account),
        format!("/api/v1/accounts/{}", other["id"]),
        "/api/v1/accounts/999999".to_owned(),
        "/api/v1/companies".to_owned(),
        "/api/v1/audit".to_owned(),
    ] {
        assert_eq!(status(&world, &own, "GET", &path, Value::Null).await, 403, "{path}");
    }
    // An account that goes takes its user along.
    for path in [format!("/ddis/{}", furniture.ddi), format!("/extensions/{}", furniture.extension)] {
        world.must("DELETE", &format!("/api/v1{path}"), Value::Null).await;
    }
    world.must("DELETE", &format!("/api/v1/accounts/{}", furniture.account), Value::Null).await;
    assert_eq!(status(&world, &own, "GET", "/api/v1/me", Value::Null).await, 401);
}

#[tokio::test]
async fn the_audit_log_says_who_did_what_in_whose_name() {
    let world = World::new().await;
    let (brand, company) = (world.brands[0], world.companies[0]);
    let account = world
        .must("POST", "/api/v1/accounts", json!({"company": company, "username": "1001", "password": "very secret"}))
        .await;
    let path = format!("/api/v1/accounts/{}", account["id"]);
    let anna = json!({"company": company, "name": "anna", "password": PASSWORD, "role": "admin"});
    let anna = add(&world, anna).await;
    let acting = world
        .ask(Some(&world.brand_admins[0]), "POST", &format!("/api/v1/people/{anna}/impersonate"), &Value::Null)
        .await;
    assert_eq!(acting.status, StatusCode::CREATED, "{acting:?}");
    let acting = acting.body["access_token"].as_str().unwrap();
    let patched =
        world.ask(Some(acting), "PATCH", &path, &json!({"display_name": "New", "password": "much more secret"})).await;
    assert_eq!(patched.status, StatusCode::OK);
    assert_eq!(
        status(&world, acting, "PATCH", &path, json!({"display_name": 5})).await,
        422,
        "no line for what was refused"
    );
    assert_eq!(status(&world, acting, "POST", &format!("/api/v1/people/{anna}/impersonate"), Value::Null).await, 403);
    assert_eq!(status(&world, acting, "DELETE", &path, Value::Null).await, 204);

    let lines = |of: Value| of["items"].as_array().unwrap().clone();
    let all = lines(world.must("GET", "/api/v1/audit?path=/api/v1/accounts", Value::Null).await);
    let brief: Vec<(&str, &str)> =
        all.iter().map(|l| (l["method"].as_str().unwrap(), l["path"].as_str().unwrap())).collect();
    assert_eq!(brief, [("DELETE", path.as_str()), ("PATCH", &path), ("POST", "/api/v1/accounts")]);
    assert!(!json!(all).to_string().contains("secret\""), "no secret is kept: {all:?}");
    let [gone, changed, made] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&made["status"], &made["brand"], &made["company"]), (&json!(201), &json!(brand), &json!(company)));
    assert_eq!(
        (&made["before"], &made["asked"]["password"], &made["after"]["username"]),
        (&Value::Null, &json!("***"), &json!("1001"))
    );
    assert_eq!(changed["actor"], format!("person {anna} anna"));
    assert!(changed["impersonator"].as_str().unwrap().starts_with("token "), "{changed}");
    assert_eq!(
        (&changed["before"]["display_name"], &changed["after"]["display_name"]),
        (&json!("1001"), &json!("New"))
    );
    assert_eq!(
        (&gone["before"]["display_name"], &gone["after"], &gone["status"]),
        (&json!("New"), &Value::Null, &json!(204))
    );

    // Each sees what is its own: the brand its companies', another brand nothing.
    let own = world.ask(Some(&world.brand_admins[0]), "GET", "/api/v1/audit?path=/api/v1/accounts", &Value::Null).await;
    assert_eq!(own.body["items"].as_array().unwrap().len(), 3);
    for stranger in [&world.brand_admins[1], &world.company_admins[1], &world.company_admins[2]] {
        let theirs = world.ask(Some(stranger), "GET", "/api/v1/audit", &Value::Null).await;
        assert_eq!(theirs.body["items"], json!([]));
    }
    // Newest first, page after page.
    let page = world.must("GET", "/api/v1/audit?limit=2", Value::Null).await;
    let after = page["next"].as_str().unwrap();
    let older = world.must("GET", &format!("/api/v1/audit?limit=2&after={after}"), Value::Null).await;
    assert!(older["items"][0]["id"].as_i64().unwrap() < after.parse::<i64>().unwrap());
}

#[tokio::test]
async fn a_token_that_ends_makes_nobody_who_does_not() {
    let world = World::new().await;
    let company = world.companies[0];
    let body = json!({"company": company, "name": "soon", "role": "admin", "expires_at": "2099-01-01"});
    let soon = world.must("POST", "/api/v1/tokens", body).await["secret"].as_str().unwrap().to_owned();
    let body = json!({"company": company, "name": "eve", "password": PASSWORD, "role": "reader"});
    assert_eq!(status(&world, &soon, "POST", "/api/v1/people", body.clone()).await, 403);
    let eve = add(&world, body).await;
    let path = format!("/api/v1/people/{eve}");
    for change in [
        json!({"password": "another password"}),
        json!({"role": "admin"}),
        json!({"rights": null}),
        json!({"enabled": true}),
    ] {
        assert_eq!(status(&world, &soon, "PATCH", &path, change.clone()).await, 403, "{change}");
    }
    // What takes away, or names, gives nothing.
    assert_eq!(status(&world, &soon, "PATCH", &path, json!({"enabled": false, "name": "eva"})).await, 200);
}
