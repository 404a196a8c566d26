//! The four kinds of clients, what a brand says about its companies, and locks that are thrown by phone.

use crate::fixture::{CTX, account, brand, company, new_company};
use crate::on_both;
use model::{BrandRules, CompanyId, CompanyKind, CompanyRules, RouteTarget, RuleBody, RuleKind};
use store::{Db, NewCompany, NewDdi, NewExtension, NewRule, NewTranslationSet, Number, OpContext, StoreError};

fn invalid<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Invalid { .. })), "{result:?}");
}

async fn number(db: &Db, company: CompanyId, e164: &str, target: RouteTarget) -> Result<Number, StoreError> {
    db.ddis().create(&CTX, NewDdi { company, e164: e164.to_owned(), target }).await
}

on_both! {
    async fn a_kind_of_client_has_only_what_it_can_have(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        for (n, kind) in CompanyKind::ALL.into_iter().enumerate() {
            let made = NewCompany { kind, ..new_company(acme.id, kind.word()) };
            let made = db.companies().create(&CTX, made).await.unwrap();
            assert_eq!(made.kind, kind);
            account(db, made.id, "anna").await;
            let anna = || "anna".to_owned();
            let extension = NewExtension { company: made.id, number: "10".to_owned(), target: RouteTarget::Account(anna()) };
            assert_eq!(db.extensions().create(&CTX, extension).await.is_ok(), kind == CompanyKind::Vpbx, "{kind:?}");
            let group = r#"{"strategy":"ring-all","members":[{"to":{"kind":"account","name":"anna"}}]}"#;
            let body = RuleBody::read(RuleKind::HuntGroup, &mut serde_json::Deserializer::from_str(group)).unwrap();
            let group = NewRule { company: made.id, name: "g".to_owned(), body };
            assert_eq!(db.rules().create(&CTX, group).await.is_ok(), kind == CompanyKind::Vpbx, "{kind:?}");
            let homes = matches!(kind, CompanyKind::Vpbx | CompanyKind::Residential);
            let lines = homes || kind == CompanyKind::Retail;
            for (at, target, fits) in [
                (1, RouteTarget::Account(anna()), lines),
                (2, RouteTarget::Voicemail(anna()), homes),
                (3, RouteTarget::Queue("q".to_owned()), kind == CompanyKind::Vpbx),
            ] {
                let made = number(db, made.id, &format!("+44{n}{at}"), target).await;
                assert_eq!(made.is_ok(), fits, "{kind:?} {at}: {made:?}");
            }
            let directory = db.directory().await.unwrap();
            assert_eq!(directory.company(made.id).unwrap().kind, kind);
            // The kind stays, whatever a change says.
            let other = model::Company { kind: CompanyKind::Vpbx, ..made.clone() };
            assert_eq!(db.companies().update(&CTX, &other).await.unwrap().kind, kind);
        }
    }

    async fn a_brand_says_which_kinds_it_may_have_and_the_platform_says_it_to_the_brand(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let north = company(db, acme.id, "north").await;
        let says = |json: &str| serde_json::from_str::<BrandRules>(json).unwrap();
        let ctx = OpContext::brand(acme.id);
        let services = says(r#"{"services":{"pickup":"*94"}}"#);
        db.brands().set_rules(&ctx, acme.id, &services).await.unwrap();
        assert_eq!(db.directory().await.unwrap().brand_rules(acme.id), &services, "live");
        for limits in [r#"{"calls_max":10,"services":{"pickup":"*94"}}"#, r#"{"kinds":["vpbx"]}"#] {
            let refused = db.brands().set_rules(&ctx, acme.id, &says(limits)).await;
            assert!(matches!(refused, Err(StoreError::Forbidden { .. })), "{refused:?}");
        }
        let of_company = OpContext::company(acme.id, north.id);
        assert!(db.brands().set_rules(&of_company, acme.id, &services).await.is_err());
        let used = db.brands().set_rules(&CTX, acme.id, &says(r#"{"kinds":["retail"]}"#)).await;
        assert_eq!(used, Err(StoreError::InUse { what: "kind" }));
        invalid(db.brands().set_rules(&CTX, acme.id, &says(r#"{"services":{"pickup":"94"}}"#)).await);
        db.brands().set_rules(&CTX, acme.id, &says(r#"{"kinds":["vpbx"],"calls_max":10}"#)).await.unwrap();
        let retail = NewCompany { kind: CompanyKind::Retail, ..new_company(acme.id, "south") };
        invalid(db.companies().create(&ctx, retail.clone()).await);
        db.brands().set_rules(&CTX, acme.id, &BrandRules::default()).await.unwrap();
        db.companies().create(&ctx, retail).await.unwrap();
    }

    async fn a_company_dials_by_a_translation_set_of_its_brand(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let rival = brand(db, "rival").await;
        let north = company(db, acme.id, "north").await;
        let rules = CompanyRules { translation: Some("spain".to_owned()), ..CompanyRules::default() };
        let with = model::Company { rules, ..north };
        for brand in [rival.id, acme.id] {
            invalid(db.companies().update(&CTX, &with).await);
            let lists = model::TranslationLists::default();
            db.translation_sets().create(&CTX, NewTranslationSet { brand, name: "spain".to_owned(), lists }).await.unwrap();
        }
        db.companies().update(&CTX, &with).await.unwrap();
    }

    async fn a_lock_that_is_thrown_keeps_its_code(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let (north, south) = (company(db, acme.id, "north").await.id, company(db, acme.id, "south").await.id);
        let body = r#"{"open":false,"code":"5"}"#;
        let body = RuleBody::read(RuleKind::RouteLock, &mut serde_json::Deserializer::from_str(body)).unwrap();
        db.rules().create(&CTX, NewRule { company: north, name: "night".to_owned(), body }).await.unwrap();
        let version = db.version().await.unwrap();
        db.rules().throw(&CTX, north, "night", false).await.unwrap();
        assert_eq!(db.version().await.unwrap(), version, "it was closed already");
        db.rules().throw(&CTX, north, "night", true).await.unwrap();
        let directory = db.directory().await.unwrap();
        assert!(directory.version() > version);
        let (name, lock) = directory.lock_by_code(north, "5").unwrap();
        assert_eq!((name, lock.open), ("night", true));
        let nobody = db.rules().throw(&CTX, south, "night", true).await;
        assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
    }
}
