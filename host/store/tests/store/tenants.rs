//! Brands, companies, accounts, extensions, DDIs, the demo tenant: made, changed, removed, and refused in words.

use crate::fixture::{CTX, account, brand, company, ha1, new_account, new_company};
use crate::on_both;
use model::{BrandId, DefaultVerdict, MediaPath, RouteTarget};
use store::{DemoAccount, DemoSeed, NewBrand, NewDdi, NewExtension, OpContext, Page, StoreError};

on_both! {
    async fn a_tenant_is_made_changed_and_removed(place: Place) {
        let db = &place.db;
        let mut acme = brand(db, "acme").await;
        acme.default_verdict = DefaultVerdict::Extensions;
        acme.name = "Acme".to_owned();
        assert_eq!(db.brands().update(&CTX, &acme).await.unwrap(), acme);
        assert_eq!(db.brands().get(&CTX, acme.id).await.unwrap(), acme);

        let mut north = db.companies().create(&CTX, store::NewCompany {
            domain: "North.Example".to_owned(), calls_max: Some(30), ..new_company(acme.id, "north")
        }).await.unwrap();
        assert_eq!((north.domain.as_str(), north.calls_max), ("north.example", Some(30)));
        north.media = MediaPath::Direct;
        north.calls_max = None;
        north.hold_music = Some("music/north".to_owned());
        north.domain = "n.example".to_owned();
        assert_eq!(db.companies().update(&CTX, &north).await.unwrap(), north);

        let mut anna = account(db, north.id, "anna").await;
        anna.direct = Some("[2001:db8::1]:5060".parse().unwrap());
        anna.enabled = false;
        anna.ha1 = ha1(9);
        assert_eq!(db.accounts().update(&CTX, &anna).await.unwrap(), anna);
        assert_eq!(db.accounts().find(&CTX, north.id, "anna").await.unwrap(), anna);

        let to_anna = RouteTarget::Account("anna".to_owned());
        let mut ten = db.extensions()
            .create(&CTX, NewExtension { company: north.id, number: "10".to_owned(), target: to_anna.clone() })
            .await.unwrap();
        assert_eq!(ten.target, to_anna);
        ten.target = RouteTarget::App("attendant".to_owned());
        assert_eq!(db.extensions().update(&CTX, &ten).await.unwrap(), ten);
        let mut ddi = db.ddis()
            .create(&CTX, NewDdi { company: north.id, e164: "+442079460000".to_owned(), target: to_anna })
            .await.unwrap();
        ddi.target = Some(RouteTarget::Extension("10".to_owned()));
        assert_eq!(db.ddis().update(&CTX, &ddi).await.unwrap(), ddi);
        assert_eq!(db.ddis().get(&CTX, ddi.id).await.unwrap(), ddi);

        // What is referred to stays until what refers to it is gone.
        assert_eq!(db.extensions().delete(&CTX, ten.id).await, Err(StoreError::InUse { what: "extension" }));
        assert_eq!(db.brands().delete(&CTX, acme.id).await, Err(StoreError::InUse { what: "brand" }));
        db.ddis().delete(&CTX, ddi.id).await.unwrap();
        db.extensions().delete(&CTX, ten.id).await.unwrap();
        assert_eq!(db.companies().delete(&CTX, north.id).await, Err(StoreError::InUse { what: "company" }));
        db.accounts().delete(&CTX, anna.id).await.unwrap();
        db.companies().delete(&CTX, north.id).await.unwrap();
        db.brands().delete(&CTX, acme.id).await.unwrap();
        assert_eq!(db.brands().get(&CTX, acme.id).await, Err(StoreError::NotFound { what: "brand" }));
        // A row id never comes again: CDRs remember it.
        assert!(brand(db, "other").await.id > acme.id);
    }

    async fn what_is_taken_is_refused(place: Place) {
        let db = &place.db;
        let (acme, other) = (brand(db, "acme").await, brand(db, "other").await);
        let same = NewBrand { name: "acme".to_owned(), default_verdict: DefaultVerdict::Refuse };
        assert_eq!(db.brands().create(&CTX, same).await, Err(StoreError::Conflict { what: "brand" }));
        let north = company(db, acme.id, "north").await;
        // The same company name is free in another brand, its domain is not.
        let twin = new_company(other.id, "north");
        assert_eq!(db.companies().create(&CTX, twin.clone()).await, Err(StoreError::Conflict { what: "company" }));
        let south = db.companies()
            .create(&CTX, store::NewCompany { domain: "south.example".to_owned(), ..twin }).await.unwrap();
        account(db, north.id, "anna").await;
        account(db, south.id, "anna").await;
        let again = db.accounts().create(&CTX, new_account(north.id, "anna")).await;
        assert_eq!(again, Err(StoreError::Conflict { what: "account" }));
        let direct = Some("192.0.2.1:5060".parse().unwrap());
        db.accounts().create(&CTX, store::NewAccount { direct, ..new_account(north.id, "gw") }).await.unwrap();
        let same = db.accounts().create(&CTX, store::NewAccount { direct, ..new_account(south.id, "gw") }).await;
        assert_eq!(same, Err(StoreError::Conflict { what: "account" }));
        // The realm is in the digest secrets.
        let moved = model::Company { domain: "elsewhere.example".to_owned(), ..north.clone() };
        assert_eq!(db.companies().update(&CTX, &moved).await, Err(StoreError::InUse { what: "domain" }));
        db.companies().update(&CTX, &model::Company { calls_max: Some(1), ..north }).await.unwrap();
    }

    async fn what_breaks_a_rule_is_refused_in_words(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let north = company(db, acme.id, "north").await;
        let words = |e: StoreError| e.to_string();
        let e = db.accounts().create(&CTX, new_account(north.id, "an na")).await.unwrap_err();
        assert_eq!(words(e), "user name: the character ' ' is not allowed");
        let bad = NewDdi { company: north.id, e164: "0207".to_owned(), target: RouteTarget::App("x".to_owned()) };
        let e = db.ddis().create(&CTX, bad).await.unwrap_err();
        assert_eq!(words(e), "number: \"0207\" is not + and 2 to 15 digits");
        let nobody = RouteTarget::Account("nobody".to_owned());
        let bad = NewExtension { company: north.id, number: "10".to_owned(), target: nobody };
        let e = db.extensions().create(&CTX, bad).await.unwrap_err();
        assert_eq!(words(e), "extension: it refers to something that does not exist");
        let bad = store::NewCompany { media: MediaPath::TenantDefault, ..new_company(acme.id, "x") };
        assert!(matches!(db.companies().create(&CTX, bad).await, Err(StoreError::Invalid { .. })));
        let e = db.companies().create(&CTX, new_company(BrandId(999), "x")).await.unwrap_err();
        assert_eq!(words(e), "no such brand");
    }

    async fn lists_come_in_pages(place: Place) {
        let db = &place.db;
        let north = company(db, brand(db, "acme").await.id, "north").await;
        for n in 0..7 {
            account(db, north.id, &format!("{n}")).await;
        }
        let mut page = Page { after: 0, limit: 3 };
        let mut names = Vec::new();
        loop {
            let rows = db.accounts().list(&CTX, Some(north.id), page).await.unwrap();
            let Some(last) = rows.last() else { break };
            assert!(rows.len() <= 3);
            page.after = last.id.0;
            names.extend(rows.into_iter().map(|a| a.username));
        }
        assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6"]);
    }

    async fn the_demo_tenant_is_seeded_once(place: Place) {
        let db = &place.db;
        let seed = |domain: &str, secret: u8| {
            let phone = |n: u32| DemoAccount {
                username: n.to_string(), display_name: format!("Phone {n}"), ha1: ha1(secret),
            };
            DemoSeed::new(domain.to_owned(), (1001..=1010).map(phone).collect())
        };
        let first = db.seed_demo(seed("demo.example", 1)).await.unwrap();
        assert_eq!((first.brand.name.as_str(), first.company.name.as_str()), ("demo", "demo"));
        assert_eq!(first.accounts.len(), 10);
        // What the user did since stays.
        let directory = db.directory().await.unwrap();
        let hundred = directory.extension(first.company.id, "100").unwrap();
        assert_eq!(hundred.target, RouteTarget::App("attendant".to_owned()));
        let mine = model::Extension { target: RouteTarget::App("mine".to_owned()), ..(**hundred).clone() };
        db.extensions().update(&CTX, &mine).await.unwrap();

        assert_eq!(db.seed_demo(seed("demo.example", 1)).await.unwrap(), first);
        let moved = db.seed_demo(seed("127.0.0.1", 2)).await.unwrap();
        assert_eq!(moved.company.domain, "127.0.0.1");
        assert!(moved.accounts.iter().all(|a| a.ha1 == ha1(2)));
        let directory = db.directory().await.unwrap();
        assert_eq!(directory.accounts_len(), 10);
        assert_eq!(directory.extension(first.company.id, "100").unwrap().target, mine.target);
        let echo = &directory.extension(first.company.id, "101").unwrap().target;
        assert_eq!(*echo, RouteTarget::App("echo".to_owned()));
        let ten = &directory.extension(first.company.id, "1010").unwrap().target;
        assert_eq!(*ten, RouteTarget::Account("1010".to_owned()));
        assert_eq!(db.extensions().list(&OpContext::platform(), None, Page::first()).await.unwrap().len(), 15);
    }
}
