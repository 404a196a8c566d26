//! What plugins keep, what they are granted, and why calls went where they went.

use crate::fixture::{CTX, at, brand, company};
use crate::on_both;
use model::{BrandId, CallId, CompanyId, Explained, HookReport};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Db, NewBinding, NewPlugin, NewPrefixTable, OpContext, Page, PluginAbout, SecretKey, StoreError};
use tables::{Kv, KvChange, KvEntry, SpaceName};

fn space(company: Option<i64>) -> SpaceName {
    let company = company.map(CompanyId);
    SpaceName { brand: BrandId(1), company, account: None, plugin: "p".to_owned(), bucket: "b".to_owned() }
}

fn change(company: Option<i64>, key: &str, value: Option<&[u8]>) -> KvChange {
    let entry = value.map(|v| KvEntry { value: v.to_vec(), expires_ms: Some(1 << 40) });
    KvChange { space: space(company), key: key.to_owned(), entry }
}

fn why(call: u128, company: i64, decision: &str) -> Explained {
    Explained {
        call: CallId(call),
        company: CompanyId(company),
        at: at(7),
        asked: "route".to_owned(),
        callee: "a\0b".to_owned(),
        decision: decision.to_owned(),
        hooks: vec![HookReport {
            binding: "main".to_owned(),
            plugin: "p@1".to_owned(),
            outcome: "next".to_owned(),
            took: Duration::from_micros(9),
            warm: true,
        }],
    }
}

on_both! {
    async fn keys_of_plugins_come_back_as_they_were(place: Place) {
        let db = &place.db;
        let keys = db.plugin_keys();
        keys.save(&[
            change(None, "a", Some(b"1")),
            change(Some(7), "a", Some(&[0, 255])),
            change(None, "gone", Some(b"x")),
        ])
        .await
        .unwrap();
        keys.save(&[change(None, "a", Some(b"2")), change(None, "gone", None), change(None, "never", None)])
            .await
            .unwrap();
        let kv = Kv::default();
        assert_eq!(kv.restore(keys.load().await.unwrap()), 2);
        assert_eq!(kv.space(&space(None)).get("a", 0).as_deref(), Some(&b"2"[..]));
        assert_eq!(kv.space(&space(Some(7))).get("a", 0).as_deref(), Some(&[0, 255][..]));
        assert_eq!(kv.space(&space(None)).get("a", 1 << 40), None, "its end came back too");
    }

    async fn explanations_keep_their_order_and_their_scope(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let north = company(db, acme.id, "north").await;
        let (one, two) = (why(5, north.id.0, "app x"), why(5, north.id.0, "refuse 486 busy"));
        let explanations = db.explanations();
        explanations.add(&[(acme.id, one.clone()), (acme.id, why(6, north.id.0, "other"))]).await.unwrap();
        explanations.add(&[(acme.id, two.clone())]).await.unwrap();
        let own = OpContext::company(acme.id, north.id);
        let read = explanations.of_call(&own, CallId(5)).await.unwrap();
        let decisions: Vec<_> = read.iter().map(|w| w.decision.as_str()).collect();
        assert_eq!(decisions, ["app x", "refuse 486 busy"]);
        assert_eq!((&read[0].hooks, read[0].at), (&one.hooks, one.at));
        let strangers = OpContext::brand(BrandId(acme.id.0 + 1));
        assert_eq!(explanations.of_call(&strangers, CallId(5)).await.unwrap(), []);
    }

    async fn grants_go_over_to_later_versions_and_move_the_version(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let new = |version: &str| NewPlugin {
            brand: None,
            name: "p".to_owned(),
            version: version.to_owned(),
            bytes: version.as_bytes().to_vec(),
            installed_at: at(1),
            about: PluginAbout { manifest: Some("{}".to_owned()), ..PluginAbout::default() },
        };
        let plugins = db.plugins();
        let one = plugins.install(&CTX, new("1")).await.unwrap();
        assert_eq!((one.granted.as_deref(), one.about.manifest.as_deref()), (None, Some("{}")));
        let before = db.version().await.unwrap();
        plugins.grant(&CTX, one.id, Some("{\"kv\":[]}")).await.unwrap();
        assert!(db.version().await.unwrap() > before, "its bindings must hear of it");
        assert_eq!(plugins.install(&CTX, new("2")).await.unwrap().granted.as_deref(), Some("{\"kv\":[]}"));
        let refused = plugins.grant(&OpContext::brand(acme.id), one.id, None).await;
        assert!(matches!(refused, Err(StoreError::Forbidden { .. })), "{refused:?}");
        assert!(plugins.grant(&CTX, one.id, Some("{")).await.is_err());

        let (name, point) = ("main".to_owned(), "routing/router".to_owned());
        let config = "{}".to_owned();
        let bind = NewBinding { brand: acme.id, company: None, account: None, name, point, priority: 1, plugin: one.id, config };
        let bound = db.plugin_bindings().bind(&CTX, bind).await.unwrap();
        assert_eq!((bound.granted, bound.mandatory), (None, false));
        let on_failure = store::OnFailure { fallback: Some("100".to_owned()), ..store::OnFailure::default() };
        let granted = Some("{\"http\":[]}".to_owned());
        let allowed = store::Allowance { granted, mandatory: true, on_failure: on_failure.clone() };
        assert_eq!(db.plugin_bindings().allow(&CTX, bound.id, &allowed).await.unwrap().on_failure, on_failure);
        let fed = db.bindings().await.unwrap();
        assert_eq!(fed[0].operator_grants.as_deref(), Some("{\"kv\":[]}"));
        assert_eq!((fed[0].scope_grants.as_deref(), fed[0].mandatory), (Some("{\"http\":[]}"), true));
        assert_eq!(fed[0].manifest.as_deref(), Some("{}"));
        assert_eq!(fed[0].on_failure.as_deref(), Some("{\"apology\":null,\"fallback\":\"100\",\"restart\":false}"));
    }

    async fn a_trial_that_is_over_stays_over_until_it_is_begun_anew(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let new = |version: &str| NewPlugin {
            brand: None, name: "p".to_owned(), version: version.to_owned(), bytes: version.as_bytes().to_vec(),
            installed_at: at(1), about: PluginAbout::default(),
        };
        let one = db.plugins().install(&CTX, new("1")).await.unwrap();
        let two = db.plugins().install(&CTX, new("2")).await.unwrap();
        let (name, point) = ("main".to_owned(), "routing/router".to_owned());
        let config = "{}".to_owned();
        let bind = NewBinding { brand: acme.id, company: None, account: None, name, point, priority: 1, plugin: one.id, config };
        let bindings = db.plugin_bindings();
        let id = bindings.bind(&CTX, bind).await.unwrap().id;
        let trial = |begun| store::BindingTrial {
            plugin: two.id, config: "{}".to_owned(), percent: 5, begun_at: at(begun), over: None,
        };
        bindings.try_out(&CTX, id, Some(&trial(10))).await.unwrap();
        let fed = async || db.bindings().await.unwrap().remove(0).trial.unwrap();
        let begun = fed().await.begun;
        let deed = store::Deed {
            at: at(20), actor: "switch".to_owned(), impersonator: None, source: None, method: "ROLLBACK".to_owned(),
            path: "/api/v1/bindings/1/trial".to_owned(), before: None, asked: Some("{\"why\":\"slow\"}".to_owned()), key: None,
            tenant: store::Tenant { brand: Some(acme.id), company: None },
        };
        assert!(!bindings.trial_over(id, begun + 1, "slow", &deed).await.unwrap(), "that is another trial");
        assert!(bindings.trial_over(id, begun, "slow", &deed).await.unwrap());
        assert!(!bindings.trial_over(id, begun, "slower", &deed).await.unwrap(), "it is over already");
        let shown = bindings.get(&CTX, id).await.unwrap().trial.unwrap();
        assert_eq!((shown.over, shown.begun_at), (Some((at(20), "slow".to_owned())), at(10)));
        assert_eq!((fed().await.over, fed().await.begun), (true, begun));
        let lines = db.audit().found(&CTX, &store::Wanted::of(store::lists::AUDIT, 10)).await.unwrap().rows;
        assert_eq!(lines.len(), 1, "written with it, and once: {lines:?}");
        assert_eq!((lines[0].deed.actor.as_str(), lines[0].status), ("switch", Some(200)));

        bindings.try_out(&CTX, id, Some(&trial(30))).await.unwrap();
        assert_eq!((fed().await.over, fed().await.begun > begun), (false, true), "begun anew");
        bindings.try_out(&CTX, id, None).await.unwrap();
        assert!(!bindings.trial_over(id, begun, "slow", &deed).await.unwrap(), "there is none");
    }

    async fn secrets_of_a_binding_are_its_own_and_sealed(place: Place) {
        let key = SecretKey::from_hex(&"5e".repeat(32)).unwrap();
        let db = &Db::open_keyed(&place.url, Some(key)).await.unwrap();
        let (acme, zeta) = (brand(db, "acme").await.id, brand(db, "zeta").await.id);
        let shop = company(db, acme, "shop").await.id;
        let new = NewPlugin {
            brand: None,
            name: "p".to_owned(),
            version: "1".to_owned(),
            bytes: b"\0asm".to_vec(),
            installed_at: at(1),
            about: PluginAbout::default(),
        };
        let plugin = db.plugins().install(&CTX, new).await.unwrap().id;
        let bind = |name: &str, company| NewBinding {
            brand: acme,
            company,
            account: None,
            name: name.to_owned(),
            point: "routing/router".to_owned(),
            priority: 1,
            plugin,
            config: "{}".to_owned(),
        };
        let bindings = db.plugin_bindings();
        let one = bindings.bind(&CTX, bind("one", None)).await.unwrap().id;
        let two = bindings.bind(&CTX, bind("two", Some(shop))).await.unwrap().id;
        let set = |list: &[(&str, Option<&str>)]| -> BTreeMap<String, Option<String>> {
            list.iter().map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned))).collect()
        };
        let before = db.version().await.unwrap();
        let names = bindings.set_secrets(&CTX, one, &set(&[("key", Some("hush")), ("pin", Some("1234"))])).await.unwrap();
        assert_eq!(names, ["key", "pin"]);
        assert!(db.version().await.unwrap() > before, "the switch hears of it");
        let names = bindings.set_secrets(&CTX, one, &set(&[("key", Some("hush2")), ("pin", None)])).await.unwrap();
        assert_eq!(names, ["key"], "one is written over, one is gone");
        let own = OpContext::company(acme, shop);
        bindings.set_secrets(&own, two, &set(&[("key", Some("other"))])).await.unwrap();
        let live = db.bindings().await.unwrap();
        let shown = |id| live.iter().find(|b| b.binding == id).unwrap().secrets["key"].reveal().to_owned();
        assert_eq!((shown(one), shown(two)), ("hush2".to_owned(), "other".to_owned()));
        assert!(!format!("{live:?}").contains("hush2"));
        for stranger in [OpContext::brand(zeta), own] {
            let refused = bindings.set_secrets(&stranger, one, &set(&[("key", Some("stolen"))])).await;
            assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
            assert!(matches!(bindings.secret_names(&stranger, one).await, Err(StoreError::NotFound { .. })));
        }
        let refused = bindings.set_secrets(&CTX, one, &set(&[("long", Some(&"x".repeat(5_000)))])).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })));
        let other = SecretKey::from_hex(&"e5".repeat(32)).unwrap();
        let moved = Db::open_keyed(&place.url, Some(other)).await.unwrap().bindings().await.unwrap();
        assert!(moved.len() == 2 && moved.iter().all(|b| b.secrets.is_empty()), "another key opens none");
        let keyless = place.db.plugin_bindings().set_secrets(&CTX, two, &set(&[("key", Some("x"))])).await;
        assert!(matches!(keyless, Err(StoreError::Invalid { .. })), "{keyless:?}");
        bindings.unbind(&CTX, one).await.unwrap();
        assert_eq!(db.bindings().await.unwrap().len(), 1, "its secrets went with it");
    }

    async fn a_prefix_table_is_a_brands_and_is_replaced_whole(place: Place) {
        let db = &place.db;
        let (acme, zeta) = (brand(db, "acme").await.id, brand(db, "zeta").await.id);
        let load = |brand, csv: &str| NewPrefixTable {
            brand,
            name: "rates".to_owned(),
            rows: csv.lines().count() - 1,
            csv: csv.to_owned(),
            loaded_at: at(3),
        };
        let tables = db.prefix_tables();
        let before = db.version().await.unwrap();
        let first = tables.load(&CTX, load(acme, "prefix\n44\n")).await.unwrap();
        assert!(db.version().await.unwrap() > before, "the switch hears of it");
        let again = tables.load(&OpContext::brand(acme), load(acme, "prefix\n44\n1\n")).await.unwrap();
        assert_eq!((again.id, again.rows, again.digest == first.digest), (first.id, 2, false));
        tables.load(&CTX, load(zeta, "prefix\n")).await.unwrap();
        assert_eq!(tables.every().await.unwrap().len(), 2);
        assert_eq!(tables.text(again.id).await.unwrap().as_deref(), Some("prefix\n44\n1\n"));
        let stranger = OpContext::brand(zeta);
        assert!(matches!(tables.load(&stranger, load(acme, "prefix\n")).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(tables.delete(&stranger, first.id).await, Err(StoreError::NotFound { .. })));
        assert_eq!(tables.list(&stranger, Page::first()).await.unwrap().len(), 1);
        tables.delete(&CTX, first.id).await.unwrap();
        assert_eq!(tables.text(first.id).await.unwrap(), None);
    }
}
