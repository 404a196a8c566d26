//! Bundles: installed by what they say of themselves, granted by the operator, configured by their schema; and the
//! explanation of a call.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use api::{Api, rfc3339};
use axum::http::StatusCode;
use bundle::{Bundle, COMPONENT, MANIFEST, SCHEMA, SecretKey};
use common::{Answer, ROUTER, World, call_id};
use model::{BindingId, Instant};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TOML: &str = "id = \"lcr\"\nversion = \"1.0.0\"\nwit = \"0.1.0\"\n\n[[provides]]\npoint = \"routing/router\"\n\n\
    [needs]\nkv = [\"calls\"]\nhttp = [{ host = \"api.example.com\" }]\n";
const CONFIG: &str = r#"{"type":"object","additionalProperties":false,"properties":{"prefix":{"type":"string"}}}"#;

fn bundle(manifest: &str, key: Option<&SecretKey>) -> Vec<u8> {
    let files = [(MANIFEST, manifest.as_bytes()), (COMPONENT, ROUTER), (SCHEMA, CONFIG.as_bytes())];
    let files: BTreeMap<_, _> = files.map(|(name, content)| (name.to_owned(), content.to_vec())).into();
    let mut bundle = Bundle::of(files).unwrap();
    if let Some(key) = key {
        bundle.sign(key);
    }
    bundle.pack().unwrap()
}

async fn install(world: &World, query: &str, bytes: Vec<u8>) -> Answer {
    world.ask_bytes(Some(&world.platform), "POST", &format!("/api/v1/plugins{query}"), bytes).await
}

#[tokio::test]
async fn a_bundle_tells_its_own_name_and_what_it_asks_for() {
    let world = World::new().await;
    let made = install(&world, "", bundle(TOML, None)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!((&made.body["name"], &made.body["version"]), (&json!("lcr"), &json!("1.0.0")));
    assert_eq!(made.body["asks"]["kv"], json!(["calls"]));
    assert_eq!((&made.body["granted"], &made.body["signed_by"]), (&Value::Null, &Value::Null));
    assert_eq!(made.body["config_schema"]["type"], json!("object"));
    let other = install(&world, "?name=other", bundle(TOML, None)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{other:?}");
    let bare = install(&world, "", ROUTER.to_vec()).await;
    assert_eq!(bare.status, StatusCode::UNPROCESSABLE_ENTITY, "a bare component needs a name: {bare:?}");
    let wrong = install(&world, "", bundle(&TOML.replace("routing/router", "call/app"), None)).await;
    assert!(wrong.text.contains("they must be the same"), "{wrong:?}");
    let mut damaged = bundle(TOML, None);
    damaged.truncate(damaged.len() / 2);
    assert_eq!(install(&world, "", damaged).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn only_listed_publishers_are_let_in_or_what_the_platforms_operator_names() {
    let mut world = World::new().await;
    let (known, stranger) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
    world.router = Api::new(world.db.clone(), world.switch.clone()).trusting(vec![known.public()]).router();
    for key in [None, Some(&stranger)] {
        let refused = install(&world, "", bundle(TOML, key)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        assert!(refused.text.contains("listed publishers"), "{refused:?}");
    }
    let brands = world.brand_admins[0].clone();
    let refused = world.ask_bytes(Some(&brands), "POST", "/api/v1/plugins?unsigned=true", bundle(TOML, None)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "not for a brand to say: {refused:?}");
    let made = install(&world, "", bundle(TOML, Some(&known))).await;
    assert_eq!(made.body["signed_by"], json!(known.public().to_string()), "{made:?}");
    let newer = bundle(&TOML.replace("1.0.0", "1.0.1"), None);
    assert_eq!(install(&world, "?unsigned=true", newer).await.status, StatusCode::CREATED);
    // Nobody is listed: whoever may install is trusted, unless signatures are demanded.
    world.router = Api::new(world.db.clone(), world.switch.clone()).demanding_signatures().router();
    let newest = || bundle(&TOML.replace("1.0.0", "1.0.2"), Some(&stranger));
    let refused = install(&world, "", newest()).await;
    assert!(refused.text.contains("is not trusted"), "{refused:?}");
    assert_eq!(install(&world, "?unsigned=true", newest()).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn grants_are_the_operators_and_stay_over_versions() {
    let world = World::new().await;
    let made = install(&world, "", bundle(TOML, None)).await;
    let id = made.body["id"].as_i64().unwrap();
    let path = format!("/api/v1/plugins/{id}/grants");
    let grants = json!({"http": [{"host": "*.example.com"}]});
    let granted = world.must("PUT", &path, grants.clone()).await;
    assert_eq!(granted["granted"], grants);
    let refused = world.ask(Some(&world.brand_admins[0]), "PUT", &path, &grants).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    let nonsense = world.ask(Some(&world.platform), "PUT", &path, &json!({"files": ["/"]})).await;
    assert_eq!(nonsense.status, StatusCode::UNPROCESSABLE_ENTITY, "{nonsense:?}");
    // Other bytes: the name's next version.
    let next = {
        let toml = TOML.replace("1.0.0", "1.1.0");
        let files = [(MANIFEST, toml.as_bytes()), (COMPONENT, &b"\0asm routing/router 2"[..])];
        let files: BTreeMap<_, _> = files.map(|(name, content)| (name.to_owned(), content.to_vec())).into();
        Bundle::of(files).unwrap().pack().unwrap()
    };
    let next = install(&world, "", next).await;
    assert_eq!(next.body["granted"], grants, "{next:?}");
    let taken = world.ask_bytes(Some(&world.platform), "PUT", &path, b"null".to_vec()).await;
    assert_eq!((taken.status, &taken.body["granted"]), (StatusCode::OK, &Value::Null), "{taken:?}");
    assert!(world.switch.live.load(std::sync::atomic::Ordering::SeqCst) >= 2, "its bindings changed at once");
}

#[tokio::test]
async fn a_configuration_must_fit_its_schema_and_grants_stay_with_the_binding() {
    let world = World::new().await;
    let made = install(&world, "", bundle(TOML, None)).await;
    let plugin = made.body["id"].as_i64().unwrap();
    let bind = |more: Value| {
        let mut body = json!({"brand": world.brands[0], "name": "lcr", "plugin": plugin});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let wrong = bind(json!({"config": {"prefix": 7, "colour": "red"}}));
    let refused = world.ask(Some(&world.platform), "PUT", "/api/v1/bindings", &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("/prefix: must be string") && refused.text.contains("/colour: is not known"));
    let grants = json!({"kv": ["calls"]});
    let body = bind(json!({"config": {"prefix": "44"}, "grants": grants, "mandatory": true}));
    let bound = world.must("PUT", "/api/v1/bindings", body).await;
    assert_eq!((&bound["grants"], &bound["mandatory"]), (&grants, &json!(true)));
    let again = world.must("PUT", "/api/v1/bindings", bind(json!({"config": {}}))).await;
    assert_eq!((&again["grants"], &again["mandatory"]), (&grants, &json!(true)), "as it was");
    let refused = bind(json!({"grants": {"kvs": []}}));
    let refused = world.ask(Some(&world.platform), "PUT", "/api/v1/bindings", &refused).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

const SECRETIVE: &str = r#"{"type":"object","additionalProperties":false,"properties":{"prefix":{"type":"string"},
    "code":{"type":"string","minLength":4,"x-secret":true},
    "rooms":{"type":"array","items":{"properties":{"name":{"type":"string"},"code":{"x-secret":true}}}}}}"#;

fn secretive(version: &str, schema: &str) -> Vec<u8> {
    let manifest = TOML.replace("1.0.0", version);
    let component = [ROUTER, b" ", version.as_bytes()].concat();
    let files = [(MANIFEST, manifest.as_bytes()), (COMPONENT, &component[..]), (SCHEMA, schema.as_bytes())];
    let files: BTreeMap<_, _> = files.map(|(name, content)| (name.to_owned(), content.to_vec())).into();
    Bundle::of(files).unwrap().pack().unwrap()
}

/// What the plugin of the only binding of that name is given.
async fn given(world: &World, name: &str) -> Value {
    let bound = world.db.bindings().await.unwrap();
    let bound = bound.iter().find(|bound| bound.name == name).unwrap();
    assert!(!format!("{bound:?}").contains("4711"), "nor a debug text");
    serde_json::from_str(bound.config.as_str()).unwrap()
}

#[tokio::test]
async fn a_secret_of_a_configuration_reaches_its_plugin_and_nobody_else() {
    let world = World::new().await;
    let one = install(&world, "", secretive("1.0.0", SECRETIVE)).await.body["id"].as_i64().unwrap();
    let bind = |plugin: i64, config: Value| json!({"brand": world.brands[0], "name": "lcr", "plugin": plugin, "config": config});
    let put = async |body: Value| world.ask(Some(&world.platform), "PUT", "/api/v1/bindings", &body).await;
    let clear = json!({"prefix": "44", "code": "471147", "rooms": [{"name": "a", "code": 471148}]});
    let marks = json!({"prefix": "44", "code": "********", "rooms": [{"name": "a", "code": "********"}]});
    let bound = put(bind(one, clear.clone())).await;
    assert_eq!((bound.status, &bound.body["config"]), (StatusCode::OK, &marks), "{bound:?}");
    assert_eq!(given(&world, "lcr").await, clear);
    // The marks come back with another prefix: the secrets stay, and a version of it is kept.
    let changed = json!({"prefix": "49", "code": "********", "rooms": [{"name": "a", "code": "********"}]});
    let again = put(bind(one, changed.clone())).await;
    assert_eq!((&again.body["config"], &again.body["kept"]), (&changed, &json!(["lcr@1.0.0"])), "{again:?}");
    assert_eq!(given(&world, "lcr").await["code"], json!("471147"));
    let same = put(bind(one, changed)).await;
    assert_eq!(same.body["kept"], json!(["lcr@1.0.0"]), "the same again is no change");
    for wrong in [
        json!({"code": "1"}),
        json!({"code": {"$sealed": "00"}}),
        json!({"rooms": [{"name": "b", "code": "********"}]}),
    ] {
        let refused = put(bind(one, wrong)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        let field = refused.body["errors"][0]["field"].as_str().unwrap();
        assert!(["config", "config/code", "config/rooms/0"].contains(&field), "{refused:?}");
    }
    // A plugin that calls nothing a secret shows nothing of what was one.
    let open = SECRETIVE.replace(",\"x-secret\":true", "").replace("\"x-secret\":true", "");
    let two = install(&world, "", secretive("2.0.0", &open)).await.body["id"].as_i64().unwrap();
    let carried = put(json!({"brand": world.brands[0], "name": "lcr", "plugin": two})).await;
    assert_eq!((carried.status, &carried.body["config"]["code"]), (StatusCode::OK, &json!("********")), "{carried:?}");
    let id = bound.body["id"].as_i64().unwrap();
    let tried = json!({"plugin": one, "percent": 1, "config": {"code": "********", "prefix": "47"}});
    world.must("PUT", &format!("/api/v1/bindings/{id}/trial"), tried).await;
    let trial = world.db.bindings().await.unwrap()[0].trial.clone().unwrap();
    assert_eq!(trial.config.as_str(), r#"{"code":"471147","prefix":"47"}"#);
    world.must("POST", &format!("/api/v1/bindings/{id}/rollback"), json!({})).await;
    assert_eq!(given(&world, "lcr").await["rooms"], clear["rooms"], "a version's secrets are its own");
    for path in ["bindings", &format!("bindings/{id}"), &format!("bindings/{id}/trial"), "audit", "plugins"] {
        let shown = world.ask(Some(&world.platform), "GET", &format!("/api/v1/{path}"), &Value::Null).await;
        assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
        assert!(!shown.text.contains("47114") && !shown.text.contains("$sealed"), "{path}: {shown:?}");
    }
    let audit = world.must("GET", "/api/v1/audit", Value::Null).await.to_string();
    assert!(audit.contains("prefix") && audit.contains("********"), "the rest of it is there: {audit}");
    let files = std::fs::read_dir(world.dir.path()).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"47114"), "it is not on the disk");
    }
}

#[tokio::test]
async fn a_plugin_checks_its_configuration_and_takes_over_that_of_another_version() {
    let world = World::new().await;
    // A later version calls it another name, and every one says what it thinks of its configuration.
    let release = async |name: &str, version: &str, field: &str| {
        let schema = SECRETIVE.replace("prefix", field);
        let manifest = TOML.replace("1.0.0", version).replace("\"lcr\"", &format!("\"{name}\""));
        let component = [ROUTER, b" lifecycle ", name.as_bytes(), version.as_bytes()].concat();
        let files = [(MANIFEST, manifest.as_bytes()), (COMPONENT, &component[..]), (SCHEMA, schema.as_bytes())];
        let files: BTreeMap<_, _> = files.map(|(name, content)| (name.to_owned(), content.to_vec())).into();
        let made = install(&world, "", Bundle::of(files).unwrap().pack().unwrap()).await;
        made.body["id"].as_i64().unwrap()
    };
    let (one, two) = (release("lcr", "1.0.0", "prefix").await, release("lcr", "2.0.0", "lead").await);
    let other = release("other", "1.0.0", "prefix").await;
    let put = async |plugin: i64, config: Value| {
        let mut body = json!({"brand": world.brands[0], "name": "lcr", "plugin": plugin});
        if !config.is_null() {
            body["config"] = config;
        }
        world.ask(Some(&world.platform), "PUT", "/api/v1/bindings", &body).await
    };
    let refused = put(one, json!({"prefix": "bad", "code": "471147"})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    assert_eq!(refused.body["errors"][0]["field"], json!("config/prefix"), "{refused:?}");
    assert!(
        refused.text.contains("not with") && !refused.text.contains("471147"),
        "its words are not its secrets: {refused:?}"
    );
    assert_eq!(put(one, json!({"prefix": "busy"})).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let wrong = put(one, json!({"prefix": 7, "code": "1"})).await;
    assert_eq!(wrong.body["errors"].as_array().unwrap().len(), 2, "the schema first: {wrong:?}");

    let bound = put(one, json!({"prefix": "44", "code": "471147"})).await;
    assert_eq!(bound.status, StatusCode::OK, "{bound:?}");
    let id = bound.body["id"].as_i64().unwrap();
    let path = |what: &str| format!("/api/v1/bindings/{id}/{what}");
    let tried = world.must("PUT", &path("trial"), json!({"plugin": two, "percent": 1})).await;
    assert_eq!(tried["config"]["prefix"], json!("44"), "what is bound stays");
    let trial = world.db.bindings().await.unwrap()[0].trial.clone().unwrap();
    assert_eq!(trial.config.as_str(), r#"{"code":"471147","lead":"44"}"#);
    let moved = put(two, Value::Null).await;
    assert_eq!(moved.body["config"], json!({"lead": "44", "code": "********"}), "{moved:?}");
    assert_eq!(given(&world, "lcr").await, json!({"lead": "44", "code": "471147"}));
    // What comes along with the version is nobody's to change, and a rollback asks nobody.
    let back = world.must("POST", &path("rollback"), json!({})).await;
    assert_eq!((&back["plugin_id"], &back["config"]["prefix"]), (&json!(one), &json!("44")));
    let again = world.must("POST", &path("rollback"), json!({})).await;
    assert_eq!((&again["plugin_id"], &again["config"]["lead"]), (&json!(two), &json!("44")));
    let refused = put(one, Value::Null).await;
    assert_eq!(refused.body["errors"][0], json!({"field": "config", "detail": "not from 2.0.0"}), "{refused:?}");
    assert_eq!(
        put(one, json!({"prefix": "49"})).await.status,
        StatusCode::OK,
        "with a configuration of its own it goes"
    );
    // Another plugin is not asked about a stranger's.
    assert_eq!(put(other, Value::Null).await.body["config"], json!({"prefix": "49"}));
}

#[tokio::test]
async fn a_call_is_explained_to_its_tenant_and_to_nobody_else() {
    let world = World::new().await;
    world.furnish().await;
    let path = format!("/api/v1/calls/{}/trace", call_id(world.companies[0]));
    for token in [&world.platform, &world.brand_admins[0], &world.company_admins[0]] {
        let trace = world.ask(Some(token), "GET", &path, &Value::Null).await;
        assert_eq!(trace.status, StatusCode::OK, "{trace:?}");
        let question = &trace.body["questions"][0];
        assert_eq!(question["decision"], json!("connect account 1002"));
        assert_eq!(
            question["hooks"],
            json!([{"binding": "mine", "plugin": "mine@1", "outcome": "connect", "took_us": 12, "warm": true}])
        );
    }
    for path in ["/api/v1/calls/zz/trace", "/api/v1/calls/00000000000000000000000000000001/trace"] {
        let nothing = world.ask(Some(&world.platform), "GET", path, &Value::Null).await;
        assert_eq!(nothing.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_version_is_tried_out_beside_the_bound_one() {
    let world = World::new().await;
    let old = install(&world, "?name=r&version=1", ROUTER.to_vec()).await.body["id"].as_i64().unwrap();
    let new =
        install(&world, "?name=r&version=2", b"\0asm routing/router 2".to_vec()).await.body["id"].as_i64().unwrap();
    let bind = |plugin: i64| json!({"brand": world.brands[0], "name": "r", "plugin": plugin});
    let bound = world.must("PUT", "/api/v1/bindings", bind(old)).await;
    let path = format!("/api/v1/bindings/{}/trial", bound["id"]);
    let none = world.ask(Some(&world.platform), "GET", &path, &Value::Null).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let tried = world.must("PUT", &path, json!({"plugin": new, "percent": 5})).await;
    assert_eq!((&tried["plugin_id"], &tried["trial_plugin_id"]), (&json!(old), &json!(new)));
    let shown = world.must("GET", &path, Value::Null).await;
    assert_eq!((&shown["percent"], &shown["different"]), (&json!(5), &json!(1)));
    let wrong = world.ask(Some(&world.platform), "PUT", &path, &json!({"plugin": new, "percent": 101})).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let bound = world.must("PUT", "/api/v1/bindings", bind(new)).await;
    assert_eq!((&bound["plugin_id"], &bound["trial_plugin_id"]), (&json!(new), &Value::Null), "binding ends the trial");
    world.must("PUT", &path, json!({"plugin": old})).await;
    let ended = world.must("DELETE", &path, Value::Null).await;
    assert_eq!(ended["trial_plugin_id"], Value::Null);
}

#[tokio::test]
async fn a_binding_says_whether_its_plugin_rests_and_its_tag_stays() {
    let world = World::new().await;
    let furniture = world.furnish().await;
    let own = format!("/api/v1/bindings/{}", furniture.binding);
    let path = format!("{own}/state");
    let absent = json!({"state": "absent", "tripped_since": null, "next_probe_at": null, "instances": null,
        "instances_max": null, "trial_rolled_back_at": null, "trial_rolled_back_why": null});
    assert_eq!(world.must("GET", &path, Value::Null).await, absent);
    let before = world.ask(Some(&world.platform), "GET", &own, &Value::Null).await;
    let binding = BindingId(furniture.binding);
    let does = |tripped| shell::BindingState { instances: 2, instances_max: 51, tripped };
    world.switch.bindings.lock().unwrap().insert(binding, does(None));
    let live = world.must("GET", &path, Value::Null).await;
    assert_eq!((&live["state"], &live["instances"], &live["instances_max"]), (&json!("live"), &json!(2), &json!(51)));
    let seconds = core::time::Duration::from_secs;
    let tripped = shell::Tripped { since: seconds(15), probe_in: seconds(5) };
    world.switch.bindings.lock().unwrap().insert(binding, does(Some(tripped)));
    let rests = world.must("GET", &path, Value::Null).await;
    let times = (&rests["tripped_since"], &rests["next_probe_at"]);
    let at =
        [-15, 5].map(|s: i64| rfc3339(Instant::from_unix_nanos((1_795_326_480 + s).unsigned_abs() * 1_000_000_000)));
    assert_eq!((&rests["state"], times), (&json!("tripped"), (&json!(at[0]), &json!(at[1]))));
    // What it does is no part of what it is: whoever changes it by its tag is not refused for a call that came.
    let after = world.ask(Some(&world.platform), "GET", &own, &Value::Null).await;
    assert_eq!(before.text, after.text);
}

#[tokio::test]
async fn a_secret_is_written_and_never_shown() {
    let world = World::new().await;
    let furniture = world.furnish().await;
    let path = format!("/api/v1/bindings/{}/secrets", furniture.binding);
    let set = world.must("PUT", &path, json!({"key": "hush-hush", "pin": "4711"})).await;
    assert_eq!(set, json!({"names": ["key", "pin"]}));
    assert_eq!(world.must("PUT", &path, json!({"pin": null})).await, json!({"names": ["key"]}));
    assert_eq!(world.must("GET", &path, Value::Null).await, json!({"names": ["key"]}));
    for path in ["/api/v1/bindings".to_owned(), format!("/api/v1/bindings/{}", furniture.binding), path] {
        let shown = world.ask(Some(&world.platform), "GET", &path, &Value::Null).await;
        assert!(!shown.text.contains("hush-hush"), "{shown:?}");
    }
}

#[tokio::test]
async fn a_prefix_table_is_loaded_from_text_or_refused_with_its_row() {
    let world = World::new().await;
    let path = format!("/api/v1/prefix-tables?name=rates&brand={}", world.brands[0]);
    let load = async |text: &str| world.ask_bytes(Some(&world.platform), "POST", &path, text.into()).await;
    let made = load("prefix,price\n44,1\n+4420,2\n").await;
    assert_eq!((made.status, &made.body["rows"]), (StatusCode::OK, &json!(2)), "{made:?}");
    let refused = load("prefix,price\n44,1\n44x,2\n").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("row 2"), "{refused:?}");
    let list = world.must("GET", "/api/v1/prefix-tables", Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let gone = format!("/api/v1/prefix-tables/{}", made.body["id"]);
    assert_eq!(world.ask(Some(&world.platform), "DELETE", &gone, &Value::Null).await.status, StatusCode::NO_CONTENT);
}
