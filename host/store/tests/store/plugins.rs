//! Plugins and bindings: installed, kept, bound, replaced, rolled back.

use crate::fixture::{CTX, account, at, brand, company};
use crate::on_both;
use model::{BrandId, CompanyId, PluginId};
use std::collections::BTreeSet;
use store::{ConfigOwner, Db, NewBinding, NewPlugin, Page, Plugin, SecretKey, StoreError};

async fn install(db: &Db, version: &str) -> Plugin {
    let bytes = format!("component {version}").into_bytes();
    let (name, version) = ("router".to_owned(), version.to_owned());
    let about = store::PluginAbout::default();
    let new = NewPlugin { brand: None, name, version, bytes, installed_at: at(1), about };
    db.plugins().install(&CTX, new).await.unwrap()
}

fn binding(brand: BrandId, company: Option<CompanyId>, plugin: PluginId, config: &str) -> NewBinding {
    let (name, point, config) = ("main".to_owned(), "routing/router".to_owned(), config.to_owned());
    NewBinding { brand, company, account: None, name, point, priority: 100, plugin, config }
}

on_both! {
    async fn a_component_is_kept_by_its_digest(place: Place) {
        let db = &place.db;
        let one = install(db, "1.0.0").await;
        // `printf 'component 1.0.0' | sha256sum`
        assert_eq!(one.digest, "96e120a6fab91a4a2661afb0a141cad6c093168fe1e75ab849584804f98dfdb0");
        assert_eq!((one.size, one.installed_at), (15, at(1)));
        assert_eq!(db.plugins().bytes(&CTX, one.id).await.unwrap(), b"component 1.0.0");
        assert_eq!(install(db, "1.0.0").await, one);
        assert_eq!(db.plugins().list(&CTX, Page::first()).await.unwrap(), [one]);
    }

    async fn a_release_that_leaves_the_component_as_it_was_is_a_version_of_its_own(place: Place) {
        let db = &place.db;
        let release = |version: &str, manifest: &str| NewPlugin {
            brand: None,
            name: "router".to_owned(),
            version: version.to_owned(),
            bytes: b"the component".to_vec(),
            installed_at: at(1),
            about: store::PluginAbout { manifest: Some(manifest.to_owned()), ..store::PluginAbout::default() },
        };
        let plugins = db.plugins();
        let one = plugins.install(&CTX, release("1.0.0", r#"{"needs":["http"]}"#)).await.unwrap();
        let two = plugins.install(&CTX, release("1.0.1", "{}")).await.unwrap();
        assert_eq!((one.digest == two.digest, one.id == two.id), (true, false));
        assert_eq!(two.about.manifest.as_deref(), Some("{}"), "the need was taken away");
        let other = plugins.install(&CTX, release("1.0.1", r#"{"needs":["http"]}"#)).await;
        assert!(matches!(other, Err(StoreError::Conflict { .. })), "{other:?}");
    }

    async fn the_last_three_versions_and_the_bound_ones_are_kept(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let one = install(db, "1").await;
        db.plugin_bindings().bind(&CTX, binding(acme.id, None, one.id, "{}")).await.unwrap();
        for version in ["2", "3", "4", "5"] {
            install(db, version).await;
        }
        let versions = async || -> Vec<String> {
            db.plugins().list(&CTX, Page::first()).await.unwrap().into_iter().map(|p| p.version).collect()
        };
        assert_eq!(versions().await, ["1", "3", "4", "5"]);
        // Bound before counts too: it is what a rollback goes to.
        let five = db.plugins().latest(&CTX, "router", None).await.unwrap();
        db.plugin_bindings().bind(&CTX, binding(acme.id, None, five.id, "{}")).await.unwrap();
        install(db, "6").await;
        assert_eq!(versions().await, ["1", "4", "5", "6"]);
        assert_eq!(db.plugins().delete(&CTX, one.id).await, Err(StoreError::InUse { what: "plugin" }));
    }

    async fn a_binding_is_replaced_and_rolled_back(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let (one, two) = (install(db, "1").await, install(db, "2").await);
        let bindings = db.plugin_bindings();
        let first = bindings.bind(&CTX, binding(acme.id, None, one.id, "{\"a\":1}")).await.unwrap();
        assert_eq!(first.previous, []);
        let e = bindings.rollback(&CTX, first.id).await.unwrap_err();
        assert_eq!(e.to_string(), "binding: \"main\" has no earlier version to roll back to");

        let second = bindings.bind(&CTX, binding(acme.id, None, two.id, "{\"b\":2}")).await.unwrap();
        assert_eq!((second.id, second.plugin), (first.id, two.id));
        assert_eq!(second.previous, [(one.id, "{\"a\":1}".to_owned())]);
        // The same again is no change, so that the way back is not lost; neither is another priority.
        assert_eq!(bindings.bind(&CTX, binding(acme.id, None, two.id, "{\"b\":2}")).await.unwrap(), second);
        let urgent = NewBinding { priority: 1, ..binding(acme.id, None, two.id, "{\"b\":2}") };
        let urgent = bindings.bind(&CTX, urgent).await.unwrap();
        assert_eq!((urgent.priority, &urgent.previous), (1, &second.previous));

        let back = bindings.rollback(&CTX, first.id).await.unwrap();
        assert_eq!((back.plugin, back.config.as_str()), (one.id, "{\"a\":1}"));
        assert_eq!(back.previous, [(two.id, "{\"b\":2}".to_owned())]);
        assert_eq!(bindings.rollback(&CTX, first.id).await.unwrap(), urgent);
        // Three are kept, whatever they differ in; a fourth rollback is where it began.
        for config in ["c", "d", "e"] {
            let new = binding(acme.id, None, two.id, &format!("{{\"{config}\":3}}"));
            bindings.bind(&CTX, new).await.unwrap();
        }
        let shown = |bound: &store::Binding| {
            let all = std::iter::once(&bound.config).chain(bound.previous.iter().map(|(_, config)| config));
            all.map(|config| config[2..3].to_owned()).collect::<String>()
        };
        for walked in ["dcbe", "cbed", "bedc", "edcb"] {
            assert_eq!(shown(&bindings.rollback(&CTX, first.id).await.unwrap()), walked);
        }
        let now = db.bindings().await.unwrap();
        assert_eq!((now[0].plugin, now[0].config.as_str()), (two.id, "{\"e\":3}"));
        bindings.bind(&CTX, binding(acme.id, None, one.id, "{}")).await.unwrap();
        bindings.bind(&CTX, binding(acme.id, None, one.id, "{\"f\":1}")).await.unwrap();
        let kept = bindings.bind(&CTX, binding(acme.id, None, one.id, "{\"g\":1}")).await.unwrap();
        assert_eq!(kept.previous.last(), Some(&(two.id, "{\"e\":3}".to_owned())));
        assert_eq!(db.plugins().delete(&CTX, two.id).await, Err(StoreError::InUse { what: "plugin" }), "the third too");
        bindings.unbind(&CTX, first.id).await.unwrap();
        assert_eq!(db.bindings().await.unwrap(), []);
    }

    async fn a_secret_of_a_configuration_is_sealed_for_its_binding_and_its_place(place: Place) {
        let key = |byte: u8| SecretKey::from_hex(&format!("{byte:02x}").repeat(32)).unwrap();
        let db = Db::open_keyed(&place.url, Some(key(1))).await.unwrap();
        let acme = brand(&db, "acme").await;
        let one = install(&db, "1").await;
        let bindings = db.plugin_bindings();
        let owner = ConfigOwner { brand: acme.id, company: None, account: None, name: "main" };
        let clear: serde_json::Value = serde_json::from_str(r#"{"a":{"code":"tell-nobody"},"n":[7],"url":"x"}"#).unwrap();
        let places: BTreeSet<String> = ["/a/code", "/n/0", "/gone"].map(str::to_owned).into();
        let no_key = place.db.plugin_bindings().sealed_config(owner, &clear, &places, None).unwrap_err();
        assert!(no_key.to_string().contains("no key"), "{no_key}");
        let stored = bindings.sealed_config(owner, &clear, &places, None).unwrap();
        let bound = bindings.bind(&CTX, binding(acme.id, None, one.id, &stored)).await.unwrap();
        assert!(!bound.config.contains("tell-nobody") && bound.config.contains(r#""url":"x""#), "{}", bound.config);
        let shown = store::shown_config(&bound.config, "*");
        assert_eq!(shown.to_string(), r#"{"a":{"code":"*"},"n":["*"],"url":"x"}"#);
        let given = db.bindings().await.unwrap().remove(0).config;
        assert_eq!((given.as_str(), given.secrets().len(), given.lost().len()), (clear.to_string().as_str(), 2, 0));
        // What has not changed stays sealed as it is; what has not been sealed here cannot be said to be.
        assert_eq!(bindings.sealed_config(owner, &clear, &places, Some(&stored)).unwrap(), stored);
        assert_ne!(bindings.sealed_config(owner, &clear, &places, None).unwrap(), stored, "a nonce is used once");
        let forged = serde_json::from_str(&stored).unwrap();
        assert!(bindings.sealed_config(owner, &forged, &BTreeSet::new(), None).is_err());
        // Moved to another binding or another place, or asked for with another key, it stays shut.
        let moved = stored.replace(r#""code""#, r#""url2""#);
        assert_eq!(bindings.clear_config(owner, &moved).lost().iter().collect::<Vec<_>>(), ["/a/url2"]);
        let others = ConfigOwner { name: "other", ..owner };
        assert_eq!(bindings.clear_config(others, &stored).lost().len(), 2);
        let other = Db::open_keyed(&place.url, Some(key(2))).await.unwrap();
        let given = other.bindings().await.unwrap().remove(0).config;
        assert!(given.lost().len() == 2 && !given.as_str().contains("tell-nobody"), "{given:?}");
    }

    async fn the_plugin_host_gets_every_binding_in_order(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let north = company(db, acme.id, "north").await;
        let one = install(db, "1").await;
        let bindings = db.plugin_bindings();
        bindings.bind(&CTX, binding(acme.id, None, one.id, "{}")).await.unwrap();
        // The same name in the company's own scope is another binding.
        let own = NewBinding { priority: 5, ..binding(acme.id, Some(north.id), one.id, "{}") };
        bindings.bind(&CTX, own.clone()).await.unwrap();
        let bound = db.bindings().await.unwrap();
        assert_eq!(bound.iter().map(|b| (b.priority, b.company)).collect::<Vec<_>>(), [(5, Some(north.id)), (100, None)]);
        let own_account = NewBinding { account: Some(account(db, north.id, "1001").await.id), ..own.clone() };
        let made = bindings.bind(&CTX, own_account.clone()).await.unwrap();
        assert_eq!(bindings.bind(&CTX, own_account.clone()).await.unwrap().id, made.id, "the same again is the same");
        assert_eq!(bindings.find(&CTX, (acme.id, Some(north.id), own_account.account), "main").await.unwrap(), made);
        assert_eq!(db.bindings().await.unwrap().iter().filter(|b| b.account == own_account.account).count(), 1);
        let south = company(db, acme.id, "south").await;
        let e = bindings.bind(&CTX, NewBinding { company: Some(south.id), ..own_account }).await.unwrap_err();
        assert_eq!(e.to_string(), "no such account", "an account is its company's");
        let b = &bound[0];
        assert_eq!((b.plugin_name.as_str(), b.version.as_str(), &b.digest), ("router", "1", &one.digest));
        assert_eq!((b.name.as_str(), b.point.as_str(), b.brand, b.plugin), ("main", "routing/router", acme.id, one.id));
    }

    async fn a_wrong_binding_is_refused_in_words(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let one = install(db, "1").await;
        let bindings = db.plugin_bindings();
        let e = bindings.bind(&CTX, binding(acme.id, None, one.id, "{a")).await.unwrap_err();
        assert!(e.to_string().starts_with("plugin configuration: is not JSON: "), "{e}");
        let e = bindings.bind(&CTX, binding(acme.id, None, PluginId(77), "{}")).await.unwrap_err();
        assert_eq!(e.to_string(), "no such plugin");
        let e = bindings.bind(&CTX, binding(BrandId(77), None, one.id, "{}")).await.unwrap_err();
        assert_eq!(e.to_string(), "no such brand");
        bindings.bind(&CTX, binding(acme.id, None, one.id, "{}")).await.unwrap();
        let app = NewBinding { point: "call/app".to_owned(), ..binding(acme.id, None, one.id, "{}") };
        let e = bindings.bind(&CTX, app).await.unwrap_err();
        assert!(e.to_string().contains("\"main\" is bound to routing/router"), "{e}");
    }
}
