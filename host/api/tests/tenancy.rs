//! Every operation of the OpenAPI document, as nobody, as a reader, as another brand and as another company.
//!
//! The document drives it: an operation without a line in [`cases`] fails the test, so none can be forgotten.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::http::StatusCode;
use common::{APP, Furniture, World, call_id};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What needs no token, on purpose.
const PUBLIC: [&str; 4] =
    ["GET /api/v1/openapi.json", "GET /healthz", "POST /api/v1/login", "POST /api/v1/login/refresh"];

/// How to ask for what belongs to the first company.
enum Case {
    /// A path to a thing of the first company (or brand), and a body that its owner could send.
    Thing(String, Value),
    /// A list: nobody may find what is not his.
    List,
    /// About oneself: everybody has it, and it holds nothing of anybody else.
    Own,
    /// A stream of events: nobody hears what is not his.
    Stream,
    /// For nobody but the platform.
    Platform,
    /// A body of bytes.
    Upload(String),
    /// What the switch brings: the same for all who may see it.
    Known,
}

/// One line for each operation that needs a token.
fn cases(world: &World, f: Furniture) -> BTreeMap<&'static str, Case> {
    let (brand, company) = (world.brands[0], world.companies[0]);
    let v1 = |path: String| format!("/api/v1{path}");
    let at = |noun: &str, id: i64| v1(format!("/{noun}/{id}"));
    let target = json!({"kind": "account", "name": "1001"});
    let thing = |path: String, body: Value| Case::Thing(path, body);
    BTreeMap::from([
        ("GET /api/v1/brands", Case::List),
        ("POST /api/v1/brands", Case::Platform),
        ("GET /api/v1/brands/{id}", thing(at("brands", brand), Value::Null)),
        ("PATCH /api/v1/brands/{id}", thing(at("brands", brand), json!({"name": "stolen"}))),
        ("DELETE /api/v1/brands/{id}", thing(at("brands", brand), Value::Null)),
        ("GET /api/v1/brands/{id}/identity", thing(at("brands", brand) + "/identity", Value::Null)),
        ("PATCH /api/v1/brands/{id}/identity", thing(at("brands", brand) + "/identity", json!({"anchors": ""}))),
        ("GET /api/v1/brands/{id}/rules", thing(at("brands", brand) + "/rules", Value::Null)),
        ("PUT /api/v1/brands/{id}/rules", thing(at("brands", brand) + "/rules", json!({}))),
        ("GET /api/v1/companies", Case::List),
        (
            "POST /api/v1/companies",
            thing(v1("/companies".into()), json!({"brand": brand, "name": "x", "domain": "x.example"})),
        ),
        ("GET /api/v1/companies/{id}", thing(at("companies", company), Value::Null)),
        ("PATCH /api/v1/companies/{id}", thing(at("companies", company), json!({"name": "stolen"}))),
        ("DELETE /api/v1/companies/{id}", thing(at("companies", company), Value::Null)),
        ("GET /api/v1/companies/{id}/policy", thing(at("companies", company) + "/policy", Value::Null)),
        ("PUT /api/v1/companies/{id}/policy", thing(at("companies", company) + "/policy", json!({}))),
        ("GET /api/v1/companies/{id}/wallet", thing(at("companies", company) + "/wallet", Value::Null)),
        (
            "PUT /api/v1/companies/{id}/wallet",
            thing(at("companies", company) + "/wallet", json!({"method": "postpaid", "plan": "x", "currency": "EUR"})),
        ),
        (
            "POST /api/v1/companies/{id}/wallet/deposits",
            thing(at("companies", company) + "/wallet/deposits", json!({"key": "stolen", "amount": "-1"})),
        ),
        (
            "GET /api/v1/companies/{id}/wallet/movements",
            thing(at("companies", company) + "/wallet/movements", Value::Null),
        ),
        (
            "POST /api/v1/companies/{id}/price",
            thing(at("companies", company) + "/price", json!({"number": "+49", "seconds": 1})),
        ),
        ("GET /api/v1/wallets", Case::List),
        ("GET /api/v1/wallets/audit", Case::Platform),
        ("GET /api/v1/settlements", Case::List),
        (
            "POST /api/v1/settlements/{call}/{leg}/retry",
            thing(v1(format!("/settlements/{}/1/retry", call_id(company))), Value::Null),
        ),
        ("GET /api/v1/accounts", Case::List),
        ("POST /api/v1/accounts", thing(v1("/accounts".into()), json!({"company": company, "username": "666"}))),
        ("GET /api/v1/accounts/{id}", thing(at("accounts", f.account), Value::Null)),
        ("PATCH /api/v1/accounts/{id}", thing(at("accounts", f.account), json!({"password": "stolen-password"}))),
        ("DELETE /api/v1/accounts/{id}", thing(at("accounts", f.account), Value::Null)),
        (
            "PUT /api/v1/accounts/{id}/mailbox",
            thing(at("accounts", f.account) + "/mailbox", json!({"voice": {"new": 666}})),
        ),
        ("GET /api/v1/accounts/{id}/voicemail", thing(at("accounts", f.account) + "/voicemail", Value::Null)),
        (
            "PATCH /api/v1/accounts/{id}/voicemail",
            thing(at("accounts", f.account) + "/voicemail", json!({"pin": "6666"})),
        ),
        (
            "GET /api/v1/accounts/{id}/voicemail/messages",
            thing(at("accounts", f.account) + "/voicemail/messages", Value::Null),
        ),
        (
            "PATCH /api/v1/accounts/{id}/voicemail/messages/{message}",
            thing(at("accounts", f.account) + "/voicemail/messages/7", json!({"folder": "deleted"})),
        ),
        (
            "DELETE /api/v1/accounts/{id}/voicemail/messages/{message}",
            thing(at("accounts", f.account) + "/voicemail/messages/7", Value::Null),
        ),
        (
            "GET /api/v1/accounts/{id}/voicemail/messages/{message}/audio",
            thing(at("accounts", f.account) + "/voicemail/messages/7/audio", Value::Null),
        ),
        ("GET /api/v1/extensions", Case::List),
        (
            "POST /api/v1/extensions",
            thing(v1("/extensions".into()), json!({"company": company, "number": "666", "target": target})),
        ),
        ("GET /api/v1/extensions/{id}", thing(at("extensions", f.extension), Value::Null)),
        ("PATCH /api/v1/extensions/{id}", thing(at("extensions", f.extension), json!({"number": "667"}))),
        ("DELETE /api/v1/extensions/{id}", thing(at("extensions", f.extension), Value::Null)),
        ("GET /api/v1/ddis", Case::List),
        (
            "POST /api/v1/ddis",
            thing(v1("/ddis".into()), json!({"company": company, "e164": "+442079460666", "target": target})),
        ),
        ("GET /api/v1/ddis/{id}", thing(at("ddis", f.ddi), Value::Null)),
        ("PATCH /api/v1/ddis/{id}", thing(at("ddis", f.ddi), json!({"e164": "+442079460667"}))),
        ("DELETE /api/v1/ddis/{id}", thing(at("ddis", f.ddi), Value::Null)),
        ("GET /api/v1/plugins", Case::List),
        ("POST /api/v1/plugins", Case::Upload(v1(format!("/plugins?name=evil&version=1&brand={brand}")))),
        ("GET /api/v1/plugins/{id}", thing(at("plugins", f.plugin), Value::Null)),
        ("DELETE /api/v1/plugins/{id}", thing(at("plugins", f.plugin), Value::Null)),
        ("PUT /api/v1/plugins/{id}/grants", thing(at("plugins", f.plugin) + "/grants", json!({"kv": ["*"]}))),
        ("GET /api/v1/bindings", Case::List),
        (
            "PUT /api/v1/bindings",
            thing(v1("/bindings".into()), json!({"company": company, "name": "mine", "plugin": f.plugin})),
        ),
        ("GET /api/v1/bindings/{id}", thing(at("bindings", f.binding), Value::Null)),
        ("DELETE /api/v1/bindings/{id}", thing(at("bindings", f.binding), Value::Null)),
        ("GET /api/v1/bindings/{id}/state", thing(at("bindings", f.binding) + "/state", Value::Null)),
        ("GET /api/v1/bindings/{id}/logs", thing(at("bindings", f.binding) + "/logs", Value::Null)),
        ("POST /api/v1/bindings/{id}/rollback", thing(at("bindings", f.binding) + "/rollback", Value::Null)),
        ("GET /api/v1/bindings/{id}/trial", thing(at("bindings", f.binding) + "/trial", Value::Null)),
        ("PUT /api/v1/bindings/{id}/trial", thing(at("bindings", f.binding) + "/trial", json!({"plugin": f.plugin}))),
        ("DELETE /api/v1/bindings/{id}/trial", thing(at("bindings", f.binding) + "/trial", Value::Null)),
        ("GET /api/v1/bindings/{id}/recording", thing(at("bindings", f.binding) + "/recording", Value::Null)),
        ("PUT /api/v1/bindings/{id}/recording", thing(at("bindings", f.binding) + "/recording", json!({"calls": 5}))),
        ("DELETE /api/v1/bindings/{id}/recording", thing(at("bindings", f.binding) + "/recording", Value::Null)),
        ("GET /api/v1/bindings/{id}/recording/file", thing(at("bindings", f.binding) + "/recording/file", Value::Null)),
        ("GET /api/v1/bindings/{id}/secrets", thing(at("bindings", f.binding) + "/secrets", Value::Null)),
        ("PUT /api/v1/bindings/{id}/secrets", thing(at("bindings", f.binding) + "/secrets", json!({"key": "stolen"}))),
        ("GET /api/v1/prefix-tables", Case::List),
        ("POST /api/v1/prefix-tables", Case::Upload(v1(format!("/prefix-tables?name=evil&brand={brand}")))),
        ("DELETE /api/v1/prefix-tables/{id}", thing(at("prefix-tables", f.table), Value::Null)),
        ("GET /api/v1/calls", Case::List),
        ("POST /api/v1/calls", thing(v1("/calls".into()), json!({"company": company, "caller": "1001", "to": "666"}))),
        ("DELETE /api/v1/calls/{id}", thing(v1(format!("/calls/{}", call_id(company))), Value::Null)),
        ("GET /api/v1/calls/{id}/trace", thing(v1(format!("/calls/{}/trace", call_id(company))), Value::Null)),
        ("GET /api/v1/cdrs", Case::List),
        ("GET /api/v1/archives", Case::List),
        ("GET /api/v1/archives/{id}", thing(at("archives", f.archive), Value::Null)),
        ("GET /api/v1/archives/{id}/file", thing(at("archives", f.archive) + "/file", Value::Null)),
        ("DELETE /api/v1/archives/{id}", thing(at("archives", f.archive), Value::Null)),
        ("GET /api/v1/faxes", Case::List),
        ("POST /api/v1/faxes", Case::Upload(v1(format!("/faxes?company={company}&from=%2B442079460000&to=666")))),
        ("GET /api/v1/faxes/{id}", thing(at("faxes", f.fax), Value::Null)),
        ("GET /api/v1/faxes/{id}/tiff", thing(at("faxes", f.fax) + "/tiff", Value::Null)),
        ("GET /api/v1/faxes/{id}/pdf", thing(at("faxes", f.fax) + "/pdf", Value::Null)),
        ("DELETE /api/v1/faxes/{id}", thing(at("faxes", f.fax), Value::Null)),
        ("GET /api/v1/recordings", Case::List),
        ("GET /api/v1/recordings/{id}", thing(at("recordings", f.recording), Value::Null)),
        ("GET /api/v1/recordings/{id}/audio", thing(at("recordings", f.recording) + "/audio", Value::Null)),
        ("DELETE /api/v1/recordings/{id}", thing(at("recordings", f.recording), Value::Null)),
        (
            "POST /api/v1/calls/{id}/recording",
            thing(v1(format!("/calls/{}/recording", call_id(company))), json!({"act": "pause"})),
        ),
        ("POST /api/v1/imports", Case::Upload(v1(format!("/imports?of=accounts&company={company}")))),
        ("GET /api/v1/exports/{of}", thing(v1(format!("/exports/accounts?company={company}")), Value::Null)),
        ("GET /api/v1/mail-host", Case::Platform),
        ("PUT /api/v1/mail-host", Case::Platform),
        ("DELETE /api/v1/mail-host", Case::Platform),
        ("POST /api/v1/mail-host/trial", Case::Platform),
        (
            "POST /api/v1/brands/{id}/mail-host/trial",
            thing(at("brands", brand) + "/mail-host/trial", json!({"to": "anna@example.com"})),
        ),
        ("GET /api/v1/brands/{id}/mail-host", thing(at("brands", brand) + "/mail-host", Value::Null)),
        (
            "PUT /api/v1/brands/{id}/mail-host",
            thing(at("brands", brand) + "/mail-host", json!({"host": "evil", "port": 25, "from": "evil@example.org"})),
        ),
        ("DELETE /api/v1/brands/{id}/mail-host", thing(at("brands", brand) + "/mail-host", Value::Null)),
        ("GET /api/v1/mails", Case::List),
        ("GET /api/v1/mails/{id}", thing(at("mails", f.mail), Value::Null)),
        ("DELETE /api/v1/mails/{id}", thing(at("mails", f.mail), Value::Null)),
        ("POST /api/v1/mails/{id}/retry", thing(at("mails", f.mail) + "/retry", Value::Null)),
        ("GET /api/v1/jobs", Case::List),
        ("GET /api/v1/jobs/{id}", thing(at("jobs", f.job), Value::Null)),
        ("GET /api/v1/jobs/{id}/report", thing(at("jobs", f.job) + "/report", Value::Null)),
        ("GET /api/v1/jobs/{id}/file", thing(at("jobs", f.job) + "/file", Value::Null)),
        ("POST /api/v1/jobs/{id}/cancel", thing(at("jobs", f.job) + "/cancel", Value::Null)),
        ("POST /api/v1/jobs/{id}/retry", thing(at("jobs", f.job) + "/retry", Value::Null)),
        ("GET /api/v1/timetables", Case::List),
        ("POST /api/v1/timetables", thing(v1("/timetables".into()), common::nightly(company))),
        ("GET /api/v1/timetables/{id}", thing(at("timetables", f.timetable), Value::Null)),
        ("PATCH /api/v1/timetables/{id}", thing(at("timetables", f.timetable), json!({"enabled": false}))),
        ("DELETE /api/v1/timetables/{id}", thing(at("timetables", f.timetable), Value::Null)),
        ("GET /api/v1/registrations", Case::List),
        ("GET /api/v1/bans", Case::Platform),
        ("DELETE /api/v1/bans/{source}", Case::Platform),
        ("GET /api/v1/rules", Case::List),
        (
            "POST /api/v1/rules",
            thing(v1("/rules".into()), json!({"company": company, "kind": "match-list", "name": "x", "body": {}})),
        ),
        ("GET /api/v1/rules/{id}", thing(at("rules", f.rule), Value::Null)),
        ("PATCH /api/v1/rules/{id}", thing(at("rules", f.rule), json!({"body": {"numbers": ["+4420"]}}))),
        ("DELETE /api/v1/rules/{id}", thing(at("rules", f.rule), Value::Null)),
        ("GET /api/v1/people", Case::List),
        (
            "POST /api/v1/people",
            thing(
                v1("/people".into()),
                json!({"company": company, "name": "evil", "password": "long enough", "role": "admin"}),
            ),
        ),
        ("GET /api/v1/people/{id}", thing(at("people", f.person), Value::Null)),
        ("PATCH /api/v1/people/{id}", thing(at("people", f.person), json!({"password": "stolen-password"}))),
        ("DELETE /api/v1/people/{id}", thing(at("people", f.person), Value::Null)),
        ("POST /api/v1/people/{id}/impersonate", thing(at("people", f.person) + "/impersonate", Value::Null)),
        ("GET /api/v1/logins", Case::List),
        ("GET /api/v1/logins/{id}", thing(at("logins", f.login), Value::Null)),
        ("DELETE /api/v1/logins/{id}", thing(at("logins", f.login), Value::Null)),
        ("GET /api/v1/audit", Case::List),
        ("GET /api/v1/events", Case::Stream),
        ("GET /api/v1/me", Case::Own),
        ("PUT /api/v1/me/password", Case::Own),
        ("DELETE /api/v1/me/login", Case::Own),
        ("GET /api/v1/me/account", Case::Own),
        ("PATCH /api/v1/me/account", Case::Own),
        ("GET /api/v1/me/registrations", Case::Own),
        ("GET /api/v1/me/cdrs", Case::Own),
        ("POST /api/v1/me/calls", Case::Own),
        ("DELETE /api/v1/me/calls/{id}", Case::Own),
        ("GET /api/v1/tokens", Case::List),
        (
            "POST /api/v1/tokens",
            thing(v1("/tokens".into()), json!({"company": company, "name": "evil", "role": "admin"})),
        ),
        ("GET /api/v1/tokens/{id}", thing(at("tokens", f.token), Value::Null)),
        ("DELETE /api/v1/tokens/{id}", thing(at("tokens", f.token), Value::Null)),
        ("GET /api/v1/translation-sets", Case::List),
        ("POST /api/v1/translation-sets", thing(v1("/translation-sets".into()), json!({"brand": brand, "name": "x"}))),
        ("GET /api/v1/translation-sets/{id}", thing(at("translation-sets", f.set), Value::Null)),
        ("PATCH /api/v1/translation-sets/{id}", thing(at("translation-sets", f.set), json!({"name": "stolen"}))),
        ("DELETE /api/v1/translation-sets/{id}", thing(at("translation-sets", f.set), Value::Null)),
        ("GET /api/v1/route-patterns", Case::List),
        (
            "POST /api/v1/route-patterns",
            thing(v1("/route-patterns".into()), json!({"brand": brand, "name": "x", "prefix": "+1"})),
        ),
        ("GET /api/v1/route-patterns/{id}", thing(at("route-patterns", f.pattern), Value::Null)),
        ("PATCH /api/v1/route-patterns/{id}", thing(at("route-patterns", f.pattern), json!({"name": "stolen"}))),
        ("DELETE /api/v1/route-patterns/{id}", thing(at("route-patterns", f.pattern), Value::Null)),
        ("GET /api/v1/route-groups", Case::List),
        ("POST /api/v1/route-groups", thing(v1("/route-groups".into()), json!({"brand": brand, "name": "x"}))),
        ("GET /api/v1/route-groups/{id}", thing(at("route-groups", f.group), Value::Null)),
        ("PATCH /api/v1/route-groups/{id}", thing(at("route-groups", f.group), json!({"name": "stolen"}))),
        ("DELETE /api/v1/route-groups/{id}", thing(at("route-groups", f.group), Value::Null)),
        ("GET /api/v1/route-tags", Case::List),
        ("POST /api/v1/route-tags", thing(v1("/route-tags".into()), json!({"brand": brand, "name": "x", "tag": "9"}))),
        ("GET /api/v1/route-tags/{id}", thing(at("route-tags", f.tag), Value::Null)),
        ("PATCH /api/v1/route-tags/{id}", thing(at("route-tags", f.tag), json!({"name": "stolen"}))),
        ("DELETE /api/v1/route-tags/{id}", thing(at("route-tags", f.tag), Value::Null)),
        ("GET /api/v1/outgoing-routes", Case::List),
        (
            "POST /api/v1/outgoing-routes",
            thing(v1("/outgoing-routes".into()), json!({"brand": brand, "name": "x", "mode": "block"})),
        ),
        ("GET /api/v1/outgoing-routes/{id}", thing(at("outgoing-routes", f.route), Value::Null)),
        ("PATCH /api/v1/outgoing-routes/{id}", thing(at("outgoing-routes", f.route), json!({"name": "stolen"}))),
        ("DELETE /api/v1/outgoing-routes/{id}", thing(at("outgoing-routes", f.route), Value::Null)),
        ("GET /api/v1/countries", Case::Known),
        ("GET /api/v1/countries/{code}", Case::Known),
        ("GET /api/v1/trunks", Case::List),
        ("POST /api/v1/trunks", thing(v1("/trunks".into()), json!({"brand": brand, "name": "x"}))),
        ("GET /api/v1/trunks/{id}", thing(at("trunks", f.trunk), Value::Null)),
        ("GET /api/v1/trunks/{id}/status", thing(at("trunks", f.trunk) + "/status", Value::Null)),
        ("PATCH /api/v1/trunks/{id}", thing(at("trunks", f.trunk), json!({"name": "stolen"}))),
        ("DELETE /api/v1/trunks/{id}", thing(at("trunks", f.trunk), Value::Null)),
        ("GET /metrics", Case::Platform),
    ])
}

/// `METHOD path` of every operation, and whether it says that it needs no token.
fn operations() -> BTreeMap<String, bool> {
    let document = serde_json::to_value(api::document()).unwrap();
    let mut out = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if ["get", "put", "post", "delete", "patch", "head", "options"].contains(&method.as_str()) {
                let open = operation.get("security").is_some_and(|s| *s == json!([]) || *s == json!([{}]));
                out.insert(format!("{} {path}", method.to_uppercase()), open);
            }
        }
    }
    out
}

/// A path that could exist, for an operation.
fn some_path(operation: &str) -> (&str, String) {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = if path == "/api/v1/events" { "/api/v1/events?wait=false" } else { path };
    (method, path.replace("{id}", "1").replace("{source}", "192.0.2.1").replace("{code}", "DE"))
}

#[test]
fn the_document_and_the_cases_name_the_same_operations() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let nothing = Furniture {
        archive: 0,
        account: 0,
        extension: 0,
        ddi: 0,
        plugin: 0,
        binding: 0,
        token: 0,
        set: 0,
        trunk: 0,
        table: 0,
        pattern: 0,
        group: 0,
        tag: 0,
        route: 0,
        rule: 0,
        person: 0,
        login: 0,
        recording: 1,
        fax: 1,
        job: 1,
        timetable: 1,
        mail: 1,
    };
    let listed: BTreeSet<String> = cases(&world, nothing).keys().map(|k| (*k).to_owned()).collect();
    let (open, guarded): (Vec<_>, Vec<_>) = operations().into_iter().partition(|(_, open)| *open);
    assert_eq!(
        guarded.into_iter().map(|(o, _)| o).collect::<BTreeSet<_>>(),
        listed,
        "add the new operation to `cases`"
    );
    assert_eq!(open.into_iter().map(|(o, _)| o).collect::<Vec<_>>(), PUBLIC);
}

#[tokio::test]
async fn nobody_gets_nothing() {
    let world = World::new().await;
    for (operation, open) in operations() {
        let (method, path) = some_path(&operation);
        for token in [None, Some(""), Some("swg_0000"), Some("\u{fffd}")] {
            let answer = world.ask(token, method, &path, &json!({})).await;
            if open && method == "POST" {
                assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{operation}: no name, no password");
            } else if open {
                assert_eq!(answer.status, StatusCode::OK, "{operation}");
            } else {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{operation} with {token:?}");
                assert_eq!(answer.kind, "application/problem+json", "{operation}");
            }
        }
    }
}

#[tokio::test]
async fn a_reader_writes_nothing() {
    let world = World::new().await;
    for (operation, open) in operations() {
        let (method, path) = some_path(&operation);
        let answer = world.ask(Some(&world.reader), method, &path, &json!({})).await;
        if path.starts_with("/api/v1/me") {
            let expected = if path == "/api/v1/me" { [200, 200] } else { [404, 422] };
            assert!(expected.contains(&answer.status.as_u16()), "{operation}: {answer:?}");
        } else if open && method != "GET" {
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{operation}");
        } else if method != "GET" {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{operation}");
        } else if !open {
            assert!([200, 404].contains(&answer.status.as_u16()), "{operation}: {answer:?}");
        }
    }
}

/// Whoever was named nothing, and a user, get nothing of any operation but what is about oneself; and cannot tell what is
/// there from what is not.
#[tokio::test]
async fn a_restricted_administrator_and_a_user_get_nothing_that_was_not_named() {
    let world = World::new().await;
    let furniture = world.furnish().await;
    let nothing = json!({"name": "nothing", "role": "admin", "rights": {}});
    let nothing = world.must("POST", "/api/v1/tokens", nothing).await["secret"].as_str().unwrap().to_owned();
    let company = world.companies[0];
    let user = json!({
        "company": company, "account": furniture.account, "name": "ulf", "password": "a long password", "role": "user",
    });
    world.must("POST", "/api/v1/people", user).await;
    let log_in = json!({"name": "ulf", "password": "a long password", "company": "one.example"});
    let user = world.must("POST", "/api/v1/login", log_in).await["access_token"].as_str().unwrap().to_owned();
    let before = everything(&world).await;
    for who in [&nothing, &user] {
        for (operation, case) in cases(&world, furniture) {
            let (method, _) = operation.split_once(' ').unwrap();
            if matches!(case, Case::Own) {
                continue;
            }
            let there = match case {
                Case::Thing(path, _) | Case::Upload(path) => path,
                Case::List | Case::Stream | Case::Platform | Case::Own | Case::Known => some_path(operation).1,
            };
            let answer = world.ask(Some(who), method, &there, &json!({})).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{operation}: {answer:?}");
            let nowhere =
                world.ask(Some(who), method, &some_path(operation).1.replace("/1", "/999999"), &json!({})).await;
            assert_eq!(
                (nowhere.status, nowhere.text),
                (answer.status, answer.text),
                "existence is secret: {operation}"
            );
        }
    }
    assert_eq!(everything(&world).await, before, "something changed");
}

/// Everything the first company and its brand have, as the platform sees it.
async fn everything(world: &World) -> String {
    let mut out = String::new();
    for noun in [
        "brands",
        "companies",
        "accounts",
        "extensions",
        "ddis",
        "plugins",
        "bindings",
        "tokens",
        "calls",
        "trunks",
        "translation-sets",
        "route-patterns",
        "route-groups",
        "route-tags",
        "outgoing-routes",
        "wallets",
        "people",
        "logins",
        "jobs",
        "timetables",
        "mails",
        "faxes",
        "archives",
    ] {
        out += &world.must("GET", &format!("/api/v1/{noun}?limit=1000"), Value::Null).await.to_string();
    }
    out
}

#[tokio::test]
async fn another_tenant_finds_nothing_and_changes_nothing() {
    let world = World::new().await;
    let furniture = world.furnish().await;
    let before = everything(&world).await;
    let cases = cases(&world, furniture);
    let strangers = [&world.brand_admins[1], &world.company_admins[2], &world.company_admins[1]];
    for (who, token) in strangers.into_iter().enumerate() {
        for (operation, case) in &cases {
            let (method, path) = operation.split_once(' ').unwrap();
            // A company of the same brand sees its own brand and its brand's plugins; it may not change them.
            let neighbour_reads =
                who == 2 && ["GET /api/v1/brands/{id}", "GET /api/v1/plugins/{id}"].contains(operation);
            match case {
                Case::Thing(path, body) => {
                    let answer = world.ask(Some(token), method, path, body).await;
                    let refused = [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&answer.status);
                    assert!(refused != neighbour_reads, "{operation} as stranger {who}: {answer:?}");
                    if method == "GET" && !neighbour_reads {
                        assert_eq!(answer.status, StatusCode::NOT_FOUND, "existence is secret: {operation}");
                    }
                }
                Case::Upload(path) => {
                    let answer = world.ask_bytes(Some(token), method, path, APP.to_vec()).await;
                    let refused = [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&answer.status);
                    assert!(refused, "{operation} as stranger {who}: {answer:?}");
                }
                Case::Own => {
                    let body = json!({"old_password": "a long password", "new_password": "stolen-password"});
                    let answer = world.ask(Some(token), method, path, &body).await;
                    let own = if *operation == "GET /api/v1/me" { 200 } else { 404 };
                    assert!([own, 422].contains(&answer.status.as_u16()), "{operation} as stranger {who}: {answer:?}");
                    assert!(!answer.text.contains("anna"), "{operation} as stranger {who}: {answer:?}");
                }
                Case::Known => {
                    let path = some_path(operation).1;
                    let answer = world.ask(Some(token), method, &path, &Value::Null).await;
                    let platforms = world.ask(Some(&world.platform), method, &path, &Value::Null).await;
                    assert_eq!((answer.status, answer.text), (StatusCode::OK, platforms.text), "{operation} as {who}");
                }
                Case::Stream => {
                    let ask = |after: String| format!("{path}?wait=false{after}");
                    let begin = world.ask(Some(token), method, &ask(String::new()), &Value::Null).await;
                    let begin = begin.text.lines().find_map(|l| l.strip_prefix("id: ")).unwrap().to_owned();
                    for company in 0..3 {
                        world.happen("call-started", company);
                    }
                    let answer = world.ask(Some(token), method, &ask(format!("&after={begin}")), &Value::Null).await;
                    let heard = answer.text.matches("event: call-started").count();
                    assert!(heard >= 1, "{operation} as stranger {who}: {answer:?}");
                    let theirs = format!("\"company\":{},", world.companies[0]);
                    assert!(!answer.text.contains(&theirs), "{operation} as stranger {who}: {answer:?}");
                }
                Case::Platform => {
                    let answer = world.ask(Some(token), method, path, &json!({"name": "x"})).await;
                    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{operation} as stranger {who}: {answer:?}");
                }
                Case::List => {
                    let answer = world.ask(Some(token), method, path, &Value::Null).await;
                    assert_eq!(answer.status, StatusCode::OK, "{operation}: {answer:?}");
                    check_list(&world, who, operation, &answer.body);
                }
            }
        }
        // A filter does not widen a scope.
        for noun in ["accounts", "extensions", "ddis", "cdrs"] {
            let path = format!("/api/v1/{noun}?company={}", world.companies[0]);
            let answer = world.ask(Some(token), "GET", &path, &Value::Null).await;
            assert_eq!(answer.body["items"], json!([]), "{path} as stranger {who}");
        }
    }
    assert_eq!(everything(&world).await, before, "a stranger changed something");
    assert!(world.switch.hung_up.lock().unwrap().is_empty());
    assert!(world.switch.summoned.lock().unwrap().is_empty(), "a stranger made a call");
}

/// No item of a stranger's list belongs to the first company; for another brand, nor to the first brand.
fn check_list(world: &World, who: usize, operation: &str, body: &Value) {
    for item in body["items"].as_array().unwrap() {
        let noun = operation.rsplit('/').next().unwrap();
        let company = if noun == "companies" { &item["id"] } else { &item["company"] };
        let brand = if noun == "brands" { &item["id"] } else { &item["brand"] };
        assert_ne!(*company, json!(world.companies[0]), "{operation} as stranger {who}: {item}");
        if who < 2 {
            assert_ne!(*brand, json!(world.brands[0]), "{operation} as stranger {who}: {item}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_yours_look_the_same() {
    let world = World::new().await;
    let furniture = world.furnish().await;
    let stranger = Some(world.company_admins[2].as_str());
    for noun in [
        "accounts",
        "extensions",
        "ddis",
        "bindings",
        "trunks",
        "translation-sets",
        "route-patterns",
        "route-groups",
        "route-tags",
        "outgoing-routes",
        "people",
        "timetables",
    ] {
        let theirs = world.ask(stranger, "GET", &format!("/api/v1/{noun}/{}", furniture.account), &Value::Null).await;
        let nobodys = world.ask(stranger, "GET", &format!("/api/v1/{noun}/999999"), &Value::Null).await;
        assert_eq!((theirs.status, theirs.text), (nobodys.status, nobodys.text), "{noun}");
    }
}
