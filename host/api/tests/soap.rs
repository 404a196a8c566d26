//! SOAP: what sipXecs' clients send, as who may and who may not, and what is hostile.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tower::ServiceExt;

const USERS: &str = "/sipxconfig/services/UserService";
const GROUPS: &str = "/sipxconfig/services/CallGroupService";

/// An envelope of sipXecs' documentation, with an operation in it.
fn envelope(operation: &str) -> String {
    format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:con=\"http://www.sipfoundry.org/2007/08/21/ConfigService\"><soapenv:Header/><soapenv:Body>{operation}\
         </soapenv:Body></soapenv:Envelope>"
    )
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

async fn send(world: &World, who: Option<&str>, path: &str, body: &str) -> (u16, String) {
    let mut request = Request::post(path).header("content-type", "text/xml").header("soapaction", "\"\"");
    if let Some(who) = who {
        request = request.header("authorization", who);
    }
    let response = world.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Asks as the first company's operator, and expects success.
async fn must(world: &World, path: &str, operation: &str) -> String {
    let who = basic("token", &world.company_admins[0]);
    let (status, text) = send(world, Some(&who), path, &envelope(operation)).await;
    assert_eq!(status, 200, "{operation}: {text}");
    text
}

/// Asks as the first company's operator; what the fault says.
async fn fault(world: &World, path: &str, operation: &str) -> String {
    let who = basic("token", &world.company_admins[0]);
    let (status, text) = send(world, Some(&who), path, &envelope(operation)).await;
    assert_eq!(status, 500, "{operation}: {text}");
    assert!(text.contains("<faultcode>soapenv:Client</faultcode>"), "{text}");
    text.split("<faultstring>").nth(1).unwrap().split("</faultstring>").next().unwrap().to_owned()
}

fn user(name: &str, more: &str) -> String {
    format!("<con:AddUser><user><userName>{name}</userName>{more}</user></con:AddUser>")
}

async fn rows(world: &World, noun: &str) -> Vec<Value> {
    let path = format!("/api/v1/{noun}?company={}", world.companies[0]);
    world.must("GET", &path, Value::Null).await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn users_are_added_found_changed_and_removed() {
    let world = World::new().await;
    let more = "<lastName>Einstein</lastName><firstName>Albert &amp; Co</firstName><sipPassword>relative-1</sipPassword>\
                <aliases>5223</aliases><aliases>5224</aliases><emailAddress/>";
    let added = user("223", more).replace("</con:AddUser>", "<pin>482957</pin></con:AddUser>");
    assert!(must(&world, USERS, &added).await.contains("<soapenv:Body></soapenv:Body>"));
    must(&world, USERS, &user("bob", "")).await;
    let accounts = rows(&world, "accounts").await;
    assert_eq!((accounts.len(), &accounts[0]["display_name"]), (2, &json!("Albert & Co Einstein")));
    let numbers: Vec<Value> = rows(&world, "extensions").await.iter().map(|row| row["number"].clone()).collect();
    assert_eq!(numbers, [json!("223"), json!("5223"), json!("5224")], "a name is no number to dial");
    let set = world
        .switch
        .asked_boxes
        .lock()
        .unwrap()
        .iter()
        .any(|(_, verb)| matches!(verb, model::BoxVerb::SetPin(Some(pin)) if pin == "482957"));
    assert!(set, "the PIN is that of the voice mailbox");

    let all = must(&world, USERS, "<con:FindUser></con:FindUser>").await;
    assert_eq!(all.matches("<item>").count(), 2, "{all}");
    for part in [
        "<userName>223</userName>",
        "<lastName>Einstein</lastName>",
        "<firstName>Albert &amp; Co</firstName>",
        "<aliases>5223</aliases>",
        "<sipPassword xsi:nil=\"true\"/>",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(!all.contains("relative-1"));
    let find = |by: &str| format!("<con:FindUser><search>{by}</search></con:FindUser>");
    for (by, found) in [
        ("<byUserName>223</byUserName>", 1),
        ("<byUserName>22</byUserName>", 0),
        ("<byFuzzyUserNameOrAlias>522</byFuzzyUserNameOrAlias>", 1),
    ] {
        assert_eq!(must(&world, USERS, &find(by)).await.matches("<item>").count(), found, "{by}");
    }

    let edit = "<con:ManageUser><search><byUserName>223</byUserName></search>\
                <edit><property>lastName</property><value>SuperDog</value></edit></con:ManageUser>";
    must(&world, USERS, edit).await;
    assert_eq!(rows(&world, "accounts").await[0]["display_name"], "Albert & Co SuperDog");
    let remove = "<con:ManageUser><search><byFuzzyUserNameOrAlias>22</byFuzzyUserNameOrAlias></search>\
                  <deleteUser>true</deleteUser></con:ManageUser>";
    must(&world, USERS, remove).await;
    assert_eq!((rows(&world, "accounts").await.len(), rows(&world, "extensions").await.len()), (1, 0));
    let lines = world.must("GET", "/api/v1/audit", Value::Null).await;
    let lines = lines["items"].as_array().unwrap().clone();
    let by = |line: &Value| line["actor"].as_str().unwrap().starts_with("token");
    assert!(lines.iter().filter(|line| by(line)).count() >= 8, "each step has its line: {lines:?}");
}

#[tokio::test]
async fn call_groups_are_added_listed_and_removed() {
    let world = World::new().await;
    for name in ["212", "215", "211"] {
        must(&world, USERS, &user(name, "")).await;
    }
    let ring = |position: u8, name: &str, kind: &str| {
        format!(
            "<rings><expiration>10</expiration><type>{kind}</type><position>{position}</position><userName>{name}</userName></rings>"
        )
    };
    let group = |name: &str, rest: &str| {
        format!("<con:AddCallGroup><callGroup><name>{name}</name>{rest}</callGroup></con:AddCallGroup>")
    };
    let rings = ring(1, "215", "delayed") + &ring(0, "212", "delayed") + &ring(2, "211", "delayed");
    must(&world, GROUPS, &group("One by one", &format!("<extension>556</extension><enabled>true</enabled>{rings}")))
        .await;
    must(&world, GROUPS, &group("Together", &(ring(0, "212", "delayed") + &ring(1, "211", "immediate")))).await;
    let rules = rows(&world, "rules").await;
    assert_eq!((&rules[0]["body"]["strategy"], &rules[1]["body"]["strategy"]), (&json!("linear"), &json!("ring-all")));
    assert_eq!(rules[0]["body"]["members"][0]["to"]["name"], "212", "positions are their order");

    for operation in ["", "<con:GetCallGroups/>"] {
        let all = must(&world, GROUPS, operation).await;
        assert_eq!((all.matches("<item>").count(), all.matches("<rings>").count()), (2, 5), "{all}");
        assert!(all.contains("<name>One by one</name><extension>556</extension>"), "{all}");
    }
    let mixed = ring(0, "212", "delayed") + &ring(1, "215", "immediate") + &ring(2, "211", "delayed");
    assert!(fault(&world, GROUPS, &group("Mixed", &mixed)).await.contains("mixes"));
    let taken = group("Other", &format!("<extension>556</extension>{}", ring(0, "212", "delayed")));
    assert!(fault(&world, GROUPS, &taken).await.contains("the group was not added"));
    assert_eq!(rows(&world, "rules").await.len(), 2);
    must(&world, GROUPS, "<con:RemoveCallGroup><name>One by one</name></con:RemoveCallGroup>").await;
    assert_eq!((rows(&world, "rules").await.len(), rows(&world, "extensions").await.len()), (1, 3));
    assert!(
        fault(&world, GROUPS, "<con:RemoveCallGroup><name>One by one</name></con:RemoveCallGroup>")
            .await
            .contains("no such group")
    );
}

#[tokio::test]
async fn what_is_not_kept_is_refused_and_nothing_is_half_done() {
    let world = World::new().await;
    for element in ["groups", "permissions", "branchName", "emailAddress", "pintoken"] {
        let said = fault(&world, USERS, &user("9", &format!("<{element}>x</{element}>"))).await;
        assert!(said.starts_with(element) && said.contains("not kept"), "{said}");
    }
    must(&world, USERS, &user("300", "")).await;
    let said = fault(&world, USERS, &user("301", "<aliases>3010</aliases><aliases>300</aliases>")).await;
    assert!(said.contains("nothing of the user was added"), "{said}");
    assert_eq!((rows(&world, "accounts").await.len(), rows(&world, "extensions").await.len()), (1, 1));
    assert!(fault(&world, USERS, &user("302", "<sipPassword>short</sipPassword>")).await.contains("password"));
    let everybody = "<con:ManageUser><deleteUser>true</deleteUser></con:ManageUser>";
    assert!(fault(&world, USERS, everybody).await.contains("everybody"));
    let empty = "<con:ManageUser><search/><deleteUser>1</deleteUser></con:ManageUser>";
    assert!(fault(&world, USERS, empty).await.contains("everybody"));
    let nil = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"";
    for (search, said) in [
        ("<byUserName></byUserName>".to_owned(), "byUserName is empty"),
        ("<byUserName> </byUserName>".to_owned(), "byUserName is empty"),
        ("<byFuzzyUserNameOrAlias/>".to_owned(), "byFuzzyUserNameOrAlias is empty"),
        ("<byUsername>x</byUsername>".to_owned(), "a search has no byUsername"),
        (format!("<byUserName {nil}/><byFuzzyUserNameOrAlias {nil}/><byGroup {nil}/>"), "everybody"),
    ] {
        for what in
            ["<deleteUser>true</deleteUser>", "<edit><property>sipPassword</property><value>a long one</value></edit>"]
        {
            let operation = format!("<con:ManageUser><search>{search}</search>{what}</con:ManageUser>");
            let heard = fault(&world, USERS, &operation).await;
            assert!(heard.contains(said), "{operation}: {heard}");
        }
    }
    assert_eq!(rows(&world, "accounts").await.len(), 1);
    for (operation, said) in [
        ("", "the Body is empty"),
        ("<con:ResetServices/>", "no operation ResetServices"),
        ("<AddUser/>", "is not of"),
        ("<con:AddUser/>", "user is missing"),
        ("<con:AddUser><user/></con:AddUser>", "userName is missing"),
        ("<con:FindUser/><con:FindUser/>", "more than one"),
        ("<con:FindUser><search><byGroup>x</byGroup></search></con:FindUser>", "byGroup"),
        ("<con:ManageUser><edit><property>pin</property></edit></con:ManageUser>", "pin cannot be edited"),
        ("<con:ManageUser><deleteUser>perhaps</deleteUser></con:ManageUser>", "neither true nor false"),
    ] {
        let heard = fault(&world, USERS, operation).await;
        assert!(heard.contains(said), "{operation}: {heard}");
    }
    for service in ["PhoneService", "ParkOrbitService", "PermissionService", "TestService"] {
        let path = format!("/sipxconfig/services/{service}");
        assert!(fault(&world, &path, "").await.contains("no such service"), "{service}");
        let described = world.ask(None, "GET", &path, &Value::Null).await;
        assert_eq!(described.status.as_u16(), 404);
    }
}

#[tokio::test]
async fn who_is_needed_elsewhere_stays_with_his_numbers() {
    let world = World::new().await;
    must(&world, USERS, &user("212", "<aliases>77</aliases>")).await;
    let ring =
        "<rings><expiration>10</expiration><type>delayed</type><position>0</position><userName>212</userName></rings>";
    let group = format!(
        "<con:AddCallGroup><callGroup><name>desk</name><extension>556</extension>{ring}</callGroup></con:AddCallGroup>"
    );
    must(&world, GROUPS, &group).await;
    let company = &world.companies[0];
    let ddi = json!({ "company": company, "e164": "+493012345", "target": { "kind": "hunt-group", "name": "desk" } });
    world.must("POST", "/api/v1/ddis", ddi).await;
    let numbers = |rows: Vec<Value>| -> BTreeSet<String> {
        rows.iter().map(|row| row["number"].as_str().unwrap().to_owned()).collect()
    };
    let before = numbers(rows(&world, "extensions").await);
    assert_eq!(before.iter().map(String::as_str).collect::<Vec<_>>(), ["212", "556", "77"]);

    let remove =
        "<con:ManageUser><search><byUserName>212</byUserName></search><deleteUser>true</deleteUser></con:ManageUser>";
    let heard = fault(&world, USERS, remove).await;
    assert!(heard.contains("user 212 failed after 0 were done"), "{heard}");
    fault(&world, GROUPS, "<con:RemoveCallGroup><name>desk</name></con:RemoveCallGroup>").await;
    assert_eq!(numbers(rows(&world, "extensions").await), before);
    assert_eq!((rows(&world, "accounts").await.len(), rows(&world, "rules").await.len()), (1, 1));
}

#[tokio::test]
async fn hostile_envelopes_are_refused_before_anything_is_done() {
    let world = World::new().await;
    let who = basic("token", &world.company_admins[0]);
    let laughs = format!("<!DOCTYPE l [<!ENTITY a \"haha\">]>{}", envelope("<con:FindUser>&a;</con:FindUser>"));
    let outside = format!("<!DOCTYPE l SYSTEM \"file:///etc/passwd\">{}", envelope("<con:FindUser/>"));
    let deep = envelope(&format!("{}{}", "<con:a>".repeat(5_000), "</con:a>".repeat(5_000)));
    let large = envelope(&format!(
        "<con:FindUser><search><byUserName>{}</byUserName></search></con:FindUser>",
        "x".repeat(300_000)
    ));
    let soap12 =
        envelope("").replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope");
    for (body, said) in [
        (laughs.as_str(), "document type"),
        (outside.as_str(), "document type"),
        (deep.as_str(), "nested deeper"),
        (large.as_str(), "more than 262144 bytes"),
        (soap12.as_str(), "expected an Envelope"),
        ("{\"user\": 1}", "envelope cannot be read"),
        ("", "envelope cannot be read"),
        ("<Envelope/>", "expected an Envelope"),
    ] {
        let (status, text) = send(&world, Some(&who), USERS, body).await;
        assert!(status == 500 && text.contains(said), "{body:.60}: {status} {text}");
        assert!(!text.contains("haha") && !text.contains("root:"), "{text}");
    }
}

/// Every operation that the services describe, as nobody, as a reader, as those of other tenants and as a user.
#[tokio::test]
async fn nobody_gets_what_he_would_not_get_by_rest() {
    let world = World::new().await;
    world.furnish().await;
    let own = rows(&world, "accounts").await.len();
    let operations = [
        (USERS, "addUser", user("666", "")),
        (USERS, "findUser", "<con:FindUser/>".to_owned()),
        (USERS, "manageUser", "<con:ManageUser><search><byUserName>1001</byUserName></search><deleteUser>true</deleteUser></con:ManageUser>".to_owned()),
        (GROUPS, "addCallGroup", "<con:AddCallGroup><callGroup><name>x</name><rings><expiration>9</expiration><type>delayed</type><position>0</position><userName>1001</userName></rings></callGroup></con:AddCallGroup>".to_owned()),
        (GROUPS, "getCallGroups", String::new()),
        (GROUPS, "removeCallGroup", "<con:RemoveCallGroup><name>x</name></con:RemoveCallGroup>".to_owned()),
    ];
    let mut described = BTreeSet::new();
    for path in [USERS, GROUPS] {
        let text = world.ask(None, "GET", &format!("{path}?wsdl"), &Value::Null).await.text;
        described.extend(
            text.split("<wsdl:operation name=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()),
        );
    }
    let listed: BTreeSet<String> = operations.iter().map(|(_, name, _)| (*name).to_owned()).collect();
    assert_eq!(described, listed, "add the new operation to the list");
    let user = json!({"company": world.companies[0], "account": rows(&world, "accounts").await[0]["id"], "name": "ulf", "password": "a long password", "role": "user"});
    world.must("POST", "/api/v1/people", user).await;

    let before = (
        world.must("GET", "/api/v1/accounts", Value::Null).await,
        world.must("GET", "/api/v1/rules", Value::Null).await,
    );
    for (path, name, operation) in &operations {
        let body = envelope(operation);
        for nobody in [
            None,
            Some(basic("token", "swg_0000")),
            Some(basic("anna@one.example", "wrong")),
            Some("Basic !".to_owned()),
        ] {
            let (status, text) = send(&world, nobody.as_deref(), path, &body).await;
            assert_eq!(status, 401, "{name} as {nobody:?}: {text}");
        }
        let reads = ["findUser", "getCallGroups"].contains(name);
        let ulf = basic("ulf@one.example", "a long password");
        let (status, text) = send(&world, Some(&ulf), path, &body).await;
        assert!(status == 500 && !text.contains("1001"), "{name} as a user: {text}");
        if !reads {
            let company = format!("{path}?company={}", world.companies[0]);
            let (status, text) = send(&world, Some(&basic("token", &world.reader)), &company, &body).await;
            assert!(status == 500, "{name} as a reader: {text}");
        }
        // Of another company, of another brand: neither by themselves nor by naming the company.
        for stranger in [&world.company_admins[1], &world.company_admins[2], &world.brand_admins[1]] {
            let named = format!("{path}?company={}", world.companies[0]);
            let (_, text) = send(&world, Some(&basic("token", stranger)), &named, &body).await;
            assert!(!text.contains("1001") && !text.contains("<item>"), "{name} as a stranger: {text}");
        }
    }
    let after = (
        world.must("GET", "/api/v1/accounts", Value::Null).await,
        world.must("GET", "/api/v1/rules", Value::Null).await,
    );
    assert_eq!(before, after, "somebody changed something");
    assert_eq!(rows(&world, "accounts").await.len(), own);
}

#[tokio::test]
async fn a_person_calls_with_name_and_password_and_the_login_ends_with_the_call() {
    let world = World::new().await;
    let person = json!({"company": world.companies[0], "name": "anna", "password": "a long password", "role": "admin"});
    world.must("POST", "/api/v1/people", person).await;
    let anna = basic("anna@one.example", "a long password");
    let (status, text) = send(&world, Some(&anna), USERS, &envelope(&user("77", ""))).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(world.must("GET", "/api/v1/logins", Value::Null).await["items"], json!([]));
    let lines = world.must("GET", "/api/v1/audit?path=/api/v1/accounts", Value::Null).await;
    assert!(lines["items"][0]["actor"].as_str().unwrap().contains("anna"), "{lines}");
    // A brand's operator says which company is meant.
    let brand = basic("token", &world.brand_admins[0]);
    let (status, text) = send(&world, Some(&brand), USERS, &envelope("<con:FindUser/>")).await;
    assert!(status == 500 && text.contains("which company"), "{text}");
    let named = format!("{USERS}?company={}", world.companies[0]);
    let (status, text) = send(&world, Some(&brand), &named, &envelope("<con:FindUser/>")).await;
    assert!(status == 200 && text.contains("<userName>77</userName>"), "{text}");
}
