//! A row of another tenant is not there: read, changed or removed.

use crate::fixture::{CTX, Place, account, at, brand, company, ha1, new_account, new_company};
use crate::on_both;
use model::{Account, Brand, Company, RouteTarget};
use store::{
    CdrFilter, NewBinding, NewDdi, NewExtension, NewPlugin, NewToken, OpContext, Page, Role, Scope, StoreError,
};

struct Tenant {
    brand: Brand,
    company: Company,
    account: Account,
}

async fn tenant(place: &Place, brand: Brand, name: &str) -> Tenant {
    let company = company(&place.db, brand.id, name).await;
    let account = account(&place.db, company.id, "anna").await;
    Tenant { brand, company, account }
}

fn not_found<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::NotFound { .. })), "{result:?}");
}

/// Tries everything on `victim` as somebody it does not belong to.
async fn tries_everything(place: &Place, ctx: &OpContext, victim: &Tenant) {
    let db = &place.db;
    let (company, account) = (&victim.company, &victim.account);
    not_found(db.companies().get(ctx, company.id).await);
    not_found(db.accounts().get(ctx, account.id).await);
    not_found(db.accounts().find(ctx, company.id, "anna").await);
    not_found(db.accounts().update(ctx, &Account { ha1: ha1(66), ..account.clone() }).await);
    not_found(db.accounts().delete(ctx, account.id).await);
    not_found(db.accounts().create(ctx, new_account(company.id, "mallory")).await);
    assert_eq!(db.accounts().list(ctx, Some(company.id), Page::first()).await.unwrap(), []);

    let app = RouteTarget::App("mine".to_owned());
    let ten = NewExtension { company: company.id, number: "10".to_owned(), target: app.clone() };
    not_found(db.extensions().create(ctx, ten.clone()).await);
    let ten = match db.extensions().create(&CTX, ten).await {
        Ok(ten) => ten,
        Err(_) => db.extensions().list(&CTX, Some(company.id), Page::first()).await.unwrap().remove(0),
    };
    not_found(db.extensions().get(ctx, ten.id).await);
    not_found(db.extensions().update(ctx, &ten).await);
    not_found(db.extensions().delete(ctx, ten.id).await);
    assert_eq!(db.extensions().list(ctx, Some(company.id), Page::first()).await.unwrap(), []);

    let ddi = NewDdi { company: company.id, e164: format!("+4420{:06}", company.id.0), target: app };
    not_found(db.ddis().create(ctx, ddi.clone()).await);
    let ddi = match db.ddis().create(&CTX, ddi).await {
        Ok(ddi) => ddi,
        Err(_) => db.ddis().list(&CTX, Some(company.id), Page::first()).await.unwrap().remove(0),
    };
    not_found(db.ddis().get(ctx, ddi.id).await);
    not_found(db.ddis().update(ctx, &ddi).await);
    not_found(db.ddis().delete(ctx, ddi.id).await);
    assert_eq!(db.ddis().list(ctx, Some(company.id), Page::first()).await.unwrap(), []);

    let filter = CdrFilter { company: Some(company.id), ..CdrFilter::default() };
    assert_eq!(db.cdrs().list(ctx, &filter, None, 100).await.unwrap(), []);
}

on_both! {
    async fn nobody_reaches_another_tenants_rows(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let north = tenant(&place, acme.clone(), "north").await;
        let south = tenant(&place, acme, "south").await;
        let rival = tenant(&place, brand(db, "rival").await, "rival").await;

        let as_rival_brand = OpContext::brand(rival.brand.id);
        let as_south = OpContext::company(south.brand.id, south.company.id);
        let as_rival = OpContext::company(rival.brand.id, rival.company.id);
        // A forged pair of a brand and another's company opens nothing.
        let forged = OpContext::company(rival.brand.id, north.company.id);
        for ctx in [&as_rival_brand, &as_south, &as_rival, &forged] {
            tries_everything(&place, ctx, &north).await;
        }
        not_found(db.brands().get(&as_rival_brand, north.brand.id).await);
        not_found(db.brands().update(&as_rival_brand, &north.brand).await);
        not_found(db.companies().update(&as_south, &north.company).await);
        not_found(db.companies().delete(&as_rival_brand, north.company.id).await);
        not_found(db.companies().create(&as_rival_brand, new_company(north.brand.id, "mine")).await);

        // What is one's own is there.
        let as_acme = OpContext::brand(north.brand.id);
        assert_eq!(db.accounts().list(&as_acme, None, Page::first()).await.unwrap().len(), 2);
        assert_eq!(db.accounts().list(&as_south, None, Page::first()).await.unwrap(), [south.account]);
        assert_eq!(db.companies().list(&as_rival, None, Page::first()).await.unwrap(), [rival.company]);
        assert_eq!(db.brands().list(&as_south, Page::first()).await.unwrap(), [north.brand]);
    }

    async fn acts_above_ones_station_are_refused(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let north = company(db, acme.id, "north").await;
        let (as_brand, as_company) = (OpContext::brand(acme.id), OpContext::company(acme.id, north.id));
        let e = db.brands().delete(&as_brand, acme.id).await.unwrap_err();
        assert_eq!(e.to_string(), "only the platform's operator may remove a brand");
        let e = db.companies().create(&as_company, new_company(acme.id, "x")).await.unwrap_err();
        assert_eq!(e.to_string(), "only a brand's operator may make a company");
    }

    async fn a_token_is_no_wider_than_its_maker(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let north = company(db, acme.id, "north").await;
        let as_acme = OpContext::brand(acme.id);
        let new = |scope| NewToken { scope, name: "ci".to_owned(), role: Role::Reader, created_at: at(0), rights: None, expires_at: None };
        for wider in [Scope::Platform, Scope::Brand(rival.id), Scope::Company(rival.id, north.id)] {
            not_found(db.tokens().create(&as_acme, new(wider)).await);
        }
        // A company that is not the brand's.
        let mixed = db.tokens().create(&CTX, new(Scope::Company(rival.id, north.id))).await;
        assert!(matches!(mixed, Err(StoreError::Invalid { .. })), "{mixed:?}");

        let (token, secret) = db.tokens().create(&as_acme, new(Scope::Company(acme.id, north.id))).await.unwrap();
        assert_eq!(secret.len(), 4 + 64);
        assert_eq!(db.tokens().authenticate(&secret).await.unwrap(), Some(token.clone()));
        assert_eq!(db.tokens().authenticate("swg_nonsense").await.unwrap(), None);
        assert_eq!(token.context(), OpContext::company(acme.id, north.id));
        not_found(db.tokens().delete(&OpContext::brand(rival.id), token.id).await);
        assert_eq!(db.tokens().list(&OpContext::brand(rival.id), Page::first()).await.unwrap(), []);

        // A given secret: made once, then replaced under the same name.
        let admin = NewToken { role: Role::Admin, ..new(Scope::Platform) };
        let one = db.tokens().put(&CTX, admin.clone(), "a-secret-of-the-demo").await.unwrap();
        let two = db.tokens().put(&CTX, admin, "another-secret-of-it").await.unwrap();
        assert_eq!(one.id, two.id);
        assert_eq!(db.tokens().authenticate("a-secret-of-the-demo").await.unwrap(), None);
        assert_eq!(db.tokens().authenticate("another-secret-of-it").await.unwrap(), Some(two));
        db.tokens().delete(&as_acme, token.id).await.unwrap();
        assert_eq!(db.tokens().authenticate(&secret).await.unwrap(), None);
    }

    async fn a_brands_plugin_is_its_own(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let (as_acme, as_rival) = (OpContext::brand(acme.id), OpContext::brand(rival.id));
        let new = |brand, bytes: &[u8]| NewPlugin {
            brand, name: "router".to_owned(), version: "1.0.0".to_owned(), bytes: bytes.to_vec(), installed_at: at(0),
            about: store::PluginAbout::default(),
        };
        not_found(db.plugins().install(&as_rival, new(Some(acme.id), b"x")).await);
        not_found(db.plugins().install(&as_rival, new(None, b"x")).await);
        let own = db.plugins().install(&as_acme, new(Some(acme.id), b"acme's")).await.unwrap();
        let shared = db.plugins().install(&CTX, new(None, b"everybody's")).await.unwrap();
        not_found(db.plugins().bytes(&as_rival, own.id).await);
        not_found(db.plugins().delete(&as_rival, own.id).await);
        not_found(db.plugins().delete(&as_rival, shared.id).await);
        assert_eq!(db.plugins().list(&as_rival, Page::first()).await.unwrap(), std::slice::from_ref(&shared));
        assert_eq!(db.plugins().latest(&as_acme, "router", None).await.unwrap(), own);
        assert_eq!(db.plugins().latest(&as_rival, "router", Some("1.0.0")).await.unwrap(), shared);
        let bind = |brand, plugin| NewBinding {
            brand, company: None, name: "main".to_owned(), point: "routing/router".to_owned(), priority: 10, plugin,
            account: None,
            config: "{}".to_owned(),
        };
        not_found(db.plugin_bindings().bind(&CTX, bind(rival.id, own.id)).await);
        not_found(db.plugin_bindings().bind(&as_rival, bind(acme.id, shared.id)).await);
        let bound = db.plugin_bindings().bind(&as_acme, bind(acme.id, own.id)).await.unwrap();
        not_found(db.plugin_bindings().get(&as_rival, bound.id).await);
        not_found(db.plugin_bindings().rollback(&as_rival, bound.id).await);
        not_found(db.plugin_bindings().unbind(&as_rival, bound.id).await);
        assert_eq!(db.plugin_bindings().list(&as_rival, Page::first()).await.unwrap(), []);
    }
}
