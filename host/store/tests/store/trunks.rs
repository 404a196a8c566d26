//! Trunks and translation sets: made, changed, removed; whose source an address is; what the database gives away.

use crate::fixture::{CTX, Place, brand, company, new_account};
use crate::on_both;
use model::{
    BrandId, RuleList, TranslationLists, TranslationRule, Trunk, TrunkCredentials, TrunkHeaders, TrunkId,
    TrunkRegistration, TrunkSecret, TrunkServer, TrunkSource,
};
use store::{Db, NewAccount, NewTranslationSet, OpContext, Page, SecretKey, StoreError};

pub fn trunk(brand: BrandId, name: &str) -> Trunk {
    Trunk {
        id: TrunkId(0),
        brand,
        name: name.to_owned(),
        enabled: true,
        servers: vec![TrunkServer {
            host: "sip.carrier.example".to_owned(),
            port: Some(5070),
            transport: None,
            priority: 1,
            weight: 2,
        }],
        credentials: None,
        registration: None,
        from_user: None,
        from_domain: None,
        headers: TrunkHeaders::default(),
        calls_max: None,
        cps_max: None,
        answer_ms: Trunk::ANSWER_MS,
        ping_s: None,
        translation: None,
        anchor: false,
        sources: Vec::new(),
        stir: model::TrunkStir::default(),
    }
}

fn source(network: &str, listener: Option<&str>) -> TrunkSource {
    TrunkSource { network: network.parse().unwrap(), listener: listener.map(|l| l.parse().unwrap()) }
}

fn new_set(brand: BrandId, name: &str) -> NewTranslationSet {
    let rule = TranslationRule { pattern: r"^00(\d+)$".to_owned(), replacement: r"+\1".to_owned() };
    let lists = TranslationLists { callee_in: RuleList::new(vec![rule]).unwrap(), ..TranslationLists::default() };
    NewTranslationSet { brand, name: name.to_owned(), lists }
}

async fn keyed(place: &Place, key: u8) -> Db {
    let key = SecretKey::from_hex(&format!("{key:02x}").repeat(32)).unwrap();
    Db::open_keyed(&place.url, Some(key)).await.unwrap()
}

fn field(error: StoreError) -> &'static str {
    let StoreError::Invalid { what, .. } = error else { panic!("{error:?}") };
    what
}

on_both! {
    async fn a_trunk_is_made_changed_fed_and_removed(place: Place) {
        let db = keyed(&place, 1).await;
        let acme = brand(&db, "acme").await;
        let set = db.translation_sets().create(&CTX, new_set(acme.id, "gb")).await.unwrap();
        assert_eq!(set.lists.callee_in.apply("0044"), "+44");
        let full = Trunk {
            servers: vec![TrunkServer {
                host: "2001:db8::7".to_owned(), port: None, transport: Some(model::Transport::Tcp), priority: 0, weight: 1,
            }],
            credentials: Some(TrunkCredentials {
                username: "acme".to_owned(), secret: TrunkSecret::Password("tell nobody".to_owned()),
            }),
            registration: Some(TrunkRegistration { user: "4420".to_owned(), domain: None, expires_s: 600 }),
            from_user: Some("4420".to_owned()),
            from_domain: Some("carrier.example".to_owned()),
            headers: TrunkHeaders { send_rpid: true, ..TrunkHeaders::default() },
            calls_max: Some(30),
            cps_max: Some(0),
            ping_s: Some(30),
            translation: Some(set.id),
            anchor: true,
            sources: vec![source("198.51.100.0/24", None), source("2001:db8::/32", Some("192.0.2.1:5060"))],
            ..trunk(acme.id, "carrier")
        };
        let made = db.trunks().create(&CTX, &full).await.unwrap();
        assert_eq!(made, Trunk { id: made.id, ..full.clone() });
        assert_eq!(db.trunks().get(&CTX, made.id).await.unwrap(), made);
        assert_eq!(db.trunks().list(&CTX, Page::first()).await.unwrap(), std::slice::from_ref(&made));
        let directory = db.directory().await.unwrap();
        assert_eq!(**directory.trunk(acme.id, "carrier").unwrap(), made);
        assert_eq!(**directory.translation_of(&made).unwrap(), set);
        assert_eq!(db.translation_sets().delete(&CTX, set.id).await, Err(StoreError::InUse { what: "translation set" }));

        let version = db.version().await.unwrap();
        let plain = Trunk { id: made.id, ..trunk(acme.id, "renamed") };
        assert_eq!(db.trunks().update(&CTX, &plain).await.unwrap(), plain);
        assert!(db.version().await.unwrap() > version);
        assert_eq!(db.directory().await.unwrap().trunk(acme.id, "renamed").map(|t| t.id), Some(made.id));
        let taken = db.trunks().create(&CTX, &trunk(acme.id, "renamed")).await;
        assert_eq!(taken, Err(StoreError::Conflict { what: "trunk" }));
        db.trunks().delete(&CTX, made.id).await.unwrap();
        db.translation_sets().delete(&CTX, set.id).await.unwrap();
        db.brands().delete(&CTX, acme.id).await.unwrap();
        db.close().await;
    }

    async fn an_address_is_one_brands_source(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let with = |brand, name: &str, sources| Trunk { sources, ..trunk(brand, name) };
        let here = Some("192.0.2.1:5060");
        let own = with(acme.id, "one", vec![source("198.51.100.0/24", None)]);
        db.trunks().create(&CTX, &own).await.unwrap();
        db.trunks().create(&CTX, &with(acme.id, "two", vec![source("198.51.100.0/24", None)])).await.unwrap();
        // Host bits do not hide that it is the same network.
        let same = with(rival.id, "x", vec![source("198.51.100.9/24", None)]);
        assert_eq!(field(db.trunks().create(&OpContext::brand(rival.id), &same).await.unwrap_err()), "sources");
        assert_eq!(db.trunks().list(&OpContext::brand(rival.id), Page::first()).await.unwrap(), []);
        // Nor a part of it, nor one that holds it, nor by another listener, nor an account in it; the platform may.
        let theirs = OpContext::brand(rival.id);
        for network in ["198.51.100.9/32", "198.51.0.0/16"] {
            for listener in [None, here] {
                let near = with(rival.id, "x", vec![source(network, listener)]);
                assert_eq!(field(db.trunks().create(&theirs, &near).await.unwrap_err()), "sources", "{network}");
            }
        }
        let south = company(db, rival.id, "south").await;
        let phone = |at: &str| NewAccount { direct: Some(at.parse().unwrap()), ..new_account(south.id, "pbx") };
        assert_eq!(field(db.accounts().create(&theirs, phone("198.51.100.9:5060")).await.unwrap_err()), "direct");
        let elsewhere = db.accounts().create(&theirs, phone("203.0.113.9:5060")).await.unwrap();
        let moved = model::Account { direct: Some("198.51.100.9:5060".parse().unwrap()), ..elsewhere };
        assert_eq!(field(db.accounts().update(&theirs, &moved).await.unwrap_err()), "direct");
        let around = with(acme.id, "around", vec![source("203.0.113.0/24", None)]);
        let around = db.trunks().create(&OpContext::brand(acme.id), &around).await;
        assert_eq!(field(around.unwrap_err()), "sources", "a direct account of another brand is in it");
        assert_eq!(db.trunks().list(&theirs, Page::first()).await.unwrap(), []);
        let nearer = with(rival.id, "y", vec![source("198.51.100.9/32", None), source("198.51.100.0/24", here)]);
        let nearer = db.trunks().create(&CTX, &nearer).await.unwrap();
        let directory = db.directory().await.unwrap();
        let at = |remote: &str, local: &str| -> Vec<String> {
            let found = directory.trunks_at(remote.parse().unwrap(), local.parse().unwrap());
            found.iter().map(|t| t.name.clone()).collect()
        };
        assert_eq!(at("198.51.100.8", "192.0.2.2:5060"), ["one", "two"]);
        assert_eq!(at("198.51.100.8", "192.0.2.1:5060"), ["y", "one", "two"]);
        assert_eq!(at("198.51.100.9", "192.0.2.2:5060"), ["y", "one", "two"]);
        let stolen = Trunk { sources: own.sources, ..nearer };
        assert_eq!(field(db.trunks().update(&theirs, &stolen).await.unwrap_err()), "sources");
        // The platform's operator shares a carrier's very network among brands.
        db.trunks().update(&CTX, &stolen).await.unwrap();
        let directory = db.directory().await.unwrap();
        let both = directory.trunks_at("198.51.100.8".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        assert_eq!(both.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["one", "two", "y"]);
    }

    async fn what_was_shared_stays_and_can_be_changed_by_both(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let theirs = OpContext::brand(rival.id);
        let with = |brand, network: &str| Trunk { sources: vec![source(network, None)], ..trunk(brand, "one") };
        db.trunks().create(&CTX, &with(acme.id, "198.51.100.0/24")).await.unwrap();
        // The platform's operator shares a part of it, by trunk and by account.
        let shared = db.trunks().create(&CTX, &with(rival.id, "198.51.100.8/29")).await.unwrap();
        let south = company(db, rival.id, "south").await;
        let phone = NewAccount { direct: Some("198.51.100.20:5060".parse().unwrap()), ..new_account(south.id, "pbx") };
        let phone = db.accounts().create(&CTX, phone).await.unwrap();
        // Its own operator may turn it off and change all else, but not widen it.
        let off = Trunk { enabled: false, calls_max: Some(3), ..shared };
        assert_eq!(db.trunks().update(&theirs, &off).await.unwrap(), off);
        let quiet = model::Account { enabled: false, ..phone };
        assert_eq!(db.accounts().update(&theirs, &quiet).await.unwrap(), quiet);
        let wider = Trunk { sources: vec![source("198.51.100.8/29", None), source("198.51.100.0/28", None)], ..off.clone() };
        let StoreError::Invalid { why, .. } = db.trunks().update(&theirs, &wider).await.unwrap_err() else { panic!() };
        assert_eq!(why, "198.51.100.0/28 is taken: ask the platform's operator");
        let moved = model::Account { direct: Some("198.51.100.21:5060".parse().unwrap()), ..quiet.clone() };
        assert_eq!(field(db.accounts().update(&theirs, &moved).await.unwrap_err()), "direct");
        // Who goes on asking is told nothing more, but what he has he may still change.
        for n in 2..20 {
            let asked = Trunk { name: format!("t{n}"), ..with(rival.id, &format!("198.51.100.{n}/32")) };
            assert_eq!(field(db.trunks().create(&theirs, &asked).await.unwrap_err()), "sources");
        }
        let free = Trunk { name: "two".to_owned(), ..with(rival.id, "192.0.2.0/24") };
        let refused = db.trunks().create(&theirs, &free).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused { .. }), "{refused:?}");
        assert_eq!(db.trunks().update(&theirs, &Trunk { enabled: true, ..off.clone() }).await.unwrap().calls_max, Some(3));
        assert!(db.trunks().create(&CTX, &free).await.is_ok());
    }

    async fn what_was_shared_at_one_listener_is_not_shared_at_all(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let with = |brand, source| Trunk { sources: vec![source], ..trunk(brand, "one") };
        db.trunks().create(&CTX, &with(acme.id, source("198.51.100.0/24", None))).await.unwrap();
        let narrow = source("198.51.100.8/29", Some("192.0.2.1:5060"));
        let shared = db.trunks().create(&CTX, &with(rival.id, narrow.clone())).await.unwrap();
        let theirs = OpContext::brand(rival.id);
        assert_eq!(db.trunks().update(&theirs, &shared).await.unwrap(), shared);
        let wide = Trunk { sources: vec![source("198.51.100.8/29", None)], ..shared };
        assert_eq!(field(db.trunks().update(&theirs, &wide).await.unwrap_err()), "sources");
    }

    async fn a_secret_is_sealed_and_another_key_does_not_open_it(place: Place) {
        let db = keyed(&place, 1).await;
        let acme = brand(&db, "acme").await;
        let secret = TrunkSecret::Password("tell-nobody-this".to_owned());
        let credentials = Some(TrunkCredentials { username: "u".to_owned(), secret });
        let secretive = Trunk { credentials: credentials.clone(), ..trunk(acme.id, "secretive") };
        let refused = place.db.trunks().create(&CTX, &secretive).await.unwrap_err();
        assert_eq!(field(refused), "password", "no key, no secret");
        let made = db.trunks().create(&CTX, &secretive).await.unwrap();
        db.trunks().create(&CTX, &trunk(acme.id, "open")).await.unwrap();
        let sealed = sealed(&place.url).await;
        assert!(sealed.len() > 40 && !sealed.windows(11).any(|w| w == b"tell-nobody"));
        let other = keyed(&place, 2).await;
        assert!(matches!(other.trunks().get(&CTX, made.id).await, Err(StoreError::Refused { .. })));
        let directory = other.directory().await.unwrap();
        assert_eq!(directory.trunk(acme.id, "secretive").unwrap().credentials, None);
        assert!(directory.trunk(acme.id, "open").is_some());
        assert_eq!(keyed(&place, 1).await.trunks().get(&CTX, made.id).await.unwrap().credentials, credentials);
        other.close().await;
        db.close().await;
    }

    async fn nobody_reaches_another_brands_trunk(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let north = company(db, acme.id, "north").await;
        let theirs = db.trunks().create(&CTX, &trunk(acme.id, "carrier")).await.unwrap();
        let set = db.translation_sets().create(&CTX, new_set(acme.id, "gb")).await.unwrap();
        let strangers = [OpContext::brand(rival.id), OpContext::company(acme.id, north.id)];
        let gone = |result: Result<(), StoreError>| {
            assert!(matches!(result, Err(StoreError::NotFound { .. } | StoreError::Forbidden { .. })), "{result:?}");
        };
        for ctx in &strangers {
            let missing = db.trunks().get(ctx, theirs.id).await.map(|_| ());
            assert!(matches!(missing, Err(StoreError::NotFound { .. })), "existence is secret");
            let missing = db.translation_sets().get(ctx, set.id).await.map(|_| ());
            assert!(matches!(missing, Err(StoreError::NotFound { .. })), "existence is secret");
            assert_eq!(db.trunks().list(ctx, Page::first()).await.unwrap(), []);
            assert_eq!(db.translation_sets().list(ctx, Page::first()).await.unwrap(), []);
            gone(db.trunks().create(ctx, &trunk(acme.id, "x")).await.map(|_| ()));
            gone(db.trunks().update(ctx, &theirs).await.map(|_| ()));
            gone(db.trunks().delete(ctx, theirs.id).await);
            gone(db.translation_sets().create(ctx, new_set(acme.id, "x")).await.map(|_| ()));
            gone(db.translation_sets().update(ctx, &set).await.map(|_| ()));
            gone(db.translation_sets().delete(ctx, set.id).await);
        }
        // Not even a set by its number.
        let borrowed = Trunk { translation: Some(set.id), ..trunk(rival.id, "x") };
        assert!(matches!(db.trunks().create(&CTX, &borrowed).await, Err(StoreError::Invalid { .. })));
    }

    async fn what_a_trunk_cannot_be_is_refused(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let server = |host: &str| TrunkServer { host: host.to_owned(), ..trunk(acme.id, "x").servers[0].clone() };
        let registration = TrunkRegistration { user: "u".to_owned(), domain: None, expires_s: 600 };
        let whole = trunk(acme.id, "x");
        for (bad, what) in [
            (Trunk { name: String::new(), ..whole.clone() }, "trunk name"),
            (Trunk { servers: vec![server("a b")], ..whole.clone() }, "servers"),
            (Trunk { servers: vec![server("[::1]")], ..whole.clone() }, "servers"),
            (Trunk { servers: vec![TrunkServer { weight: 0, ..server("a") }], ..whole.clone() }, "servers"),
            (Trunk { servers: vec![server("a"); 17], ..whole.clone() }, "servers"),
            (Trunk { servers: vec![], registration: Some(registration.clone()), ..whole.clone() }, "registration"),
            (
                Trunk { registration: Some(TrunkRegistration { expires_s: 5, ..registration }), ..whole.clone() },
                "registration",
            ),
            (Trunk { from_user: Some("a b".to_owned()), ..whole.clone() }, "from_user"),
            (Trunk { from_domain: Some("a>b".to_owned()), ..whole.clone() }, "from_domain"),
            (Trunk { answer_ms: 10, ..whole.clone() }, "answer_ms"),
            (Trunk { ping_s: Some(1), ..whole.clone() }, "ping_s"),
            (Trunk { sources: vec![source("0.0.0.0/0", None)], ..whole.clone() }, "sources"),
            (Trunk { sources: vec![source("198.51.100.0/24", Some("0.0.0.0:5060"))], ..whole }, "sources"),
        ] {
            assert_eq!(field(db.trunks().create(&CTX, &bad).await.unwrap_err()), what, "{bad:?}");
        }
    }
}

/// The bytes that stand in the database.
async fn sealed(url: &str) -> Vec<u8> {
    const SQL: &str = "SELECT secret FROM trunks WHERE secret IS NOT NULL";
    let (bytes,): (Vec<u8>,) = if url.starts_with("sqlite") {
        sqlx::query_as(SQL).fetch_one(&sqlx::SqlitePool::connect(url).await.unwrap()).await.unwrap()
    } else {
        sqlx::query_as(SQL).fetch_one(&sqlx::PgPool::connect(url).await.unwrap()).await.unwrap()
    };
    bytes
}
