//! The feed: the version moves with every change, and whoever watches hears of it.

use crate::fixture::{CTX, Place, account, at, brand, company, ha1};
use crate::on_both;
use model::RouteTarget;
use std::time::Duration;
use store::{Db, NewBinding, NewDdi, NewExtension, NewPlugin, NewToken, Role, Scope};
use tokio::time::timeout;

/// Long enough for any loaded machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn moves<T>(db: &Db, what: &str, act: impl Future<Output = T>) -> T {
    let before = db.version().await.unwrap();
    let result = act.await;
    assert!(db.version().await.unwrap() > before, "{what} did not move the version");
    result
}

async fn another(place: &Place) -> Db {
    Db::open(&place.url).await.unwrap()
}

on_both! {
    async fn every_change_of_the_directory_or_the_bindings_moves_the_version(place: Place) {
        let db = &place.db;
        let mut acme = moves(db, "brand", brand(db, "acme")).await;
        acme.name = "Acme".to_owned();
        moves(db, "brand", db.brands().update(&CTX, &acme)).await.unwrap();
        let north = moves(db, "company", company(db, acme.id, "north")).await;
        moves(db, "company", db.companies().update(&CTX, &north)).await.unwrap();
        let mut anna = moves(db, "account", account(db, north.id, "anna")).await;
        anna.ha1 = ha1(9);
        moves(db, "account", db.accounts().update(&CTX, &anna)).await.unwrap();
        let to = RouteTarget::App("x".to_owned());
        let ten = NewExtension { company: north.id, number: "10".to_owned(), target: to.clone() };
        let ten = moves(db, "extension", db.extensions().create(&CTX, ten)).await.unwrap();
        moves(db, "extension", db.extensions().update(&CTX, &ten)).await.unwrap();
        let ddi = NewDdi { company: north.id, e164: "+4420".to_owned(), target: to };
        let ddi = moves(db, "ddi", db.ddis().create(&CTX, ddi)).await.unwrap();
        moves(db, "ddi", db.ddis().update(&CTX, &ddi)).await.unwrap();
        let new = |bytes: &[u8]| NewPlugin {
            brand: None, name: "p".to_owned(), version: "1".to_owned(), bytes: bytes.to_vec(), installed_at: at(0),
            about: store::PluginAbout::default(),
        };
        let one = db.plugins().install(&CTX, new(b"1")).await.unwrap();
        let two = db.plugins().install(&CTX, new(b"2")).await.unwrap();
        let bind = |plugin| NewBinding {
            brand: acme.id, company: None, name: "main".to_owned(), point: "routing/router".to_owned(), priority: 1,
            account: None,
            plugin, config: "{}".to_owned(),
        };
        moves(db, "bind", db.plugin_bindings().bind(&CTX, bind(one.id))).await.unwrap();
        let bound = moves(db, "bind", db.plugin_bindings().bind(&CTX, bind(two.id))).await.unwrap();
        moves(db, "rollback", db.plugin_bindings().rollback(&CTX, bound.id)).await.unwrap();
        moves(db, "unbind", db.plugin_bindings().unbind(&CTX, bound.id)).await.unwrap();
        moves(db, "ddi", db.ddis().delete(&CTX, ddi.id)).await.unwrap();
        moves(db, "extension", db.extensions().delete(&CTX, ten.id)).await.unwrap();
        moves(db, "account", db.accounts().delete(&CTX, anna.id)).await.unwrap();
        // What the switch does not keep in memory does not wake it.
        let before = db.version().await.unwrap();
        let token = NewToken { scope: Scope::Platform, name: "t".to_owned(), role: Role::Admin, created_at: at(0), rights: None, expires_at: None };
        db.tokens().create(&CTX, token).await.unwrap();
        db.plugins().install(&CTX, new(b"3")).await.unwrap();
        assert_eq!(db.version().await.unwrap(), before);
    }

    async fn the_directory_is_what_was_written(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let north = company(db, acme.id, "north").await;
        let mut anna = account(db, north.id, "anna").await;
        anna.direct = Some("192.0.2.7:5060".parse().unwrap());
        db.accounts().update(&CTX, &anna).await.unwrap();
        let to = RouteTarget::Account("anna".to_owned());
        let ddi = NewDdi { company: north.id, e164: "+442079460000".to_owned(), target: to.clone() };
        db.ddis().create(&CTX, ddi).await.unwrap();
        let directory = db.directory().await.unwrap();
        assert_eq!(directory.version(), db.version().await.unwrap());
        assert_eq!(**directory.brand(acme.id).unwrap(), acme);
        assert_eq!(**directory.company_by_domain("NORTH.example").unwrap(), north);
        assert_eq!(**directory.account(north.id, "anna").unwrap(), anna);
        assert_eq!(**directory.account_by_address("192.0.2.7:5060".parse().unwrap()).unwrap(), anna);
        assert_eq!(directory.ddi("+442079460000").unwrap().target, to);
    }

    async fn the_watch_wakes_for_own_and_others_changes(place: Place) {
        let mut watch = place.db.watch();
        timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
        let first = watch.borrow_and_update().version;
        assert_eq!(first, place.db.version().await.unwrap());

        brand(&place.db, "own").await;
        timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
        let second = watch.borrow_and_update().version;
        assert!(second > first);

        let other = another(&place).await;
        brand(&other, "others").await;
        timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
        assert!(watch.borrow_and_update().version > second);
        assert_eq!(place.db.directory().await.unwrap().version(), watch.borrow().version);
        other.close().await;
    }

    async fn the_watch_ends_with_the_database(place: Place) {
        let mut watch = place.db.watch();
        timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
        let Place { db, dir: _dir, .. } = place;
        db.close().await;
        drop(db);
        let end = async { while watch.changed().await.is_ok() {} };
        timeout(PATIENCE, end).await.unwrap();
    }

    async fn writers_do_not_trip_over_each_other(place: Place) {
        let other = another(&place).await;
        let acme = brand(&place.db, "acme").await;
        let north = company(&place.db, acme.id, "north").await;
        let mut tasks = Vec::new();
        for n in 0..40 {
            let db = if n % 2 == 0 { place.db.clone() } else { other.clone() };
            let company = north.id;
            tasks.push(tokio::spawn(async move { account(&db, company, &format!("{n}")).await }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(place.db.directory().await.unwrap().accounts_len(), 40);
        other.close().await;
    }
}
