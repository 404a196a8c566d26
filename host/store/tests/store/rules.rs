//! Rules: kept as they were said, never dangling, nobody else's.

use crate::fixture::{CTX, account, brand, company};
use crate::on_both;
use model::{AccountRules, CompanyRules, Permission, RouteTarget, Rule, RuleBody, RuleKind};
use store::{NewDdi, NewRule, Number, OpContext, Page, StoreError};

fn body(kind: RuleKind, json: &str) -> RuleBody {
    RuleBody::read(kind, &mut serde_json::Deserializer::from_str(json)).unwrap()
}

fn new(company: model::CompanyId, name: &str, body: RuleBody) -> NewRule {
    NewRule { company, name: name.to_owned(), body }
}

fn invalid<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Invalid { .. })), "{result:?}");
}

fn in_use<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::InUse { .. })), "{result:?}");
}

fn not_found<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::NotFound { .. })), "{result:?}");
}

on_both! {
    async fn a_rule_that_is_named_stays_and_one_that_is_not_there_is_not_named(place: Place) {
        let db = &place.db;
        let north = company(db, brand(db, "acme").await.id, "north").await;
        let list = body(RuleKind::MatchList, r#"{"prefixes":["+34"]}"#);
        let acl = body(RuleKind::CallAcl, r#"{"rules":[{"list":"spain","permission":"allow"}],"default":"deny"}"#);
        invalid(db.rules().create(&CTX, new(north.id, "national", acl.clone())).await);
        assert_eq!(db.rules().list(&CTX, (None, None), Page::first()).await.unwrap(), [], "all or nothing");
        let spain = db.rules().create(&CTX, new(north.id, "spain", list.clone())).await.unwrap();
        let national = db.rules().create(&CTX, new(north.id, "national", acl.clone())).await.unwrap();
        assert_eq!(db.rules().get(&CTX, national.id).await.unwrap().body, acl);
        let taken = db.rules().create(&CTX, new(north.id, "spain", list.clone())).await;
        assert!(matches!(taken, Err(StoreError::Conflict { .. })), "{taken:?}");
        let twin = body(RuleKind::Schedule, r#"{"hours":[{"days":["mon"],"from":"09:00","to":"17:00"}]}"#);
        let twin = db.rules().create(&CTX, new(north.id, "spain", twin)).await.unwrap();
        assert_eq!(
            db.rules().list(&CTX, (Some(north.id), Some(RuleKind::Schedule)), Page::first()).await.unwrap(),
            std::slice::from_ref(&twin)
        );
        not_found(db.rules().update(&CTX, twin.id, &list).await);
        assert_eq!(db.rules().get(&CTX, twin.id).await.unwrap(), twin, "a body of another kind changes nothing");

        let anna = account(db, north.id, "anna").await;
        let says = |acl: &str| AccountRules { call_acl: Some(acl.to_owned()), ..AccountRules::default() };
        let with = |rules| model::Account { rules, ..anna.clone() };
        invalid(db.accounts().update(&CTX, &with(says("spain"))).await);
        let saved = db.accounts().update(&CTX, &with(says("national"))).await.unwrap();
        assert_eq!(saved.rules, says("national"));
        let company_says = CompanyRules { call_acl: Some("national".to_owned()), ..CompanyRules::default() };
        let north = db.companies().update(&CTX, &model::Company { rules: company_says, ..north }).await.unwrap();
        for rule in [&spain, &national] {
            in_use(db.rules().delete(&CTX, rule.id).await);
        }
        let bare = body(RuleKind::CallAcl, r#"{"default":"allow"}"#);
        db.rules().update(&CTX, national.id, &bare).await.unwrap();
        db.rules().delete(&CTX, spain.id).await.unwrap();
        db.accounts().delete(&CTX, anna.id).await.unwrap();
        in_use(db.rules().delete(&CTX, national.id).await);
        db.companies().update(&CTX, &model::Company { rules: CompanyRules::default(), ..north }).await.unwrap();
        db.rules().delete(&CTX, national.id).await.unwrap();
    }

    async fn a_rule_reaches_the_switch(place: Place) {
        let db = &place.db;
        let north = company(db, brand(db, "acme").await.id, "north").await;
        let filter = body(RuleKind::CallFilter, r#"{"closed":{"kind":"refuse"}}"#);
        let made = db.rules().create(&CTX, new(north.id, "main", filter.clone())).await.unwrap();
        let target = RouteTarget::App("menu".to_owned());
        let ddi = db.ddis().create(&CTX, NewDdi { company: north.id, e164: "+4420".to_owned(), target }).await.unwrap();
        invalid(db.ddis().update(&CTX, &Number { call_filter: Some("gone".to_owned()), ..ddi.clone() }).await);
        let before = db.version().await.unwrap();
        db.ddis().update(&CTX, &Number { call_filter: Some("main".to_owned()), ..ddi.clone() }).await.unwrap();
        in_use(db.rules().delete(&CTX, made.id).await);
        let directory = db.directory().await.unwrap();
        assert!(directory.version() > before);
        let named = directory.ddi("+4420").and_then(|ddi| ddi.call_filter.clone()).unwrap();
        assert_eq!(directory.call_filter(north.id, &named).cloned().map(RuleBody::CallFilter), Some(filter));
        db.rules().update(&CTX, made.id, &body(RuleKind::CallFilter, "{}")).await.unwrap();
        assert!(db.version().await.unwrap() > directory.version(), "a change of a rule moves the version");
        db.ddis().delete(&CTX, ddi.id).await.unwrap();
        db.rules().delete(&CTX, made.id).await.unwrap();
    }

    async fn what_an_account_shows_outside_is_its_companys_number(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let (north, south) = (company(db, acme.id, "north").await, company(db, acme.id, "south").await);
        let target = RouteTarget::App("menu".to_owned());
        for (company, e164) in [(north.id, "+4420"), (south.id, "+4430")] {
            db.ddis().create(&CTX, NewDdi { company, e164: e164.to_owned(), target: target.clone() }).await.unwrap();
        }
        let anna = account(db, north.id, "anna").await;
        let shows = |e164: &str| AccountRules { outgoing_ddi: Some(e164.to_owned()), ..AccountRules::default() };
        invalid(db.accounts().update(&CTX, &model::Account { rules: shows("+4430"), ..anna.clone() }).await);
        db.accounts().update(&CTX, &model::Account { rules: shows("+4420"), ..anna }).await.unwrap();
    }

    async fn nobody_reaches_another_tenants_rules(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let (north, south) = (company(db, acme.id, "north").await, company(db, acme.id, "south").await);
        let other = company(db, rival.id, "other").await;
        let acl = model::CallAcl { rules: Vec::new(), default: Permission::Allow };
        let acl = RuleBody::CallAcl(acl);
        let mine: Rule = db.rules().create(&CTX, new(north.id, "mine", acl.clone())).await.unwrap();
        for ctx in [
            OpContext::brand(rival.id),
            OpContext::company(acme.id, south.id),
            OpContext::company(rival.id, other.id),
            OpContext::company(rival.id, north.id),
        ] {
            not_found(db.rules().get(&ctx, mine.id).await);
            not_found(db.rules().update(&ctx, mine.id, &acl).await);
            not_found(db.rules().delete(&ctx, mine.id).await);
            not_found(db.rules().create(&ctx, new(north.id, "theirs", acl.clone())).await);
            assert_eq!(db.rules().list(&ctx, (Some(north.id), None), Page::first()).await.unwrap(), []);
        }
        let says = AccountRules { call_acl: Some("mine".to_owned()), ..AccountRules::default() };
        let spy = account(db, south.id, "spy").await;
        invalid(db.accounts().update(&CTX, &model::Account { rules: says, ..spy }).await);
    }
}
