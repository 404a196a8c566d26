//! Where numbers lead, and what rules name of their company: kept by keys, on both databases, and brought over from the
//! schema before.

use crate::fixture::{CTX, TempDir, account, brand, company};
use crate::{on_both, postgres};
use model::{Account, AccountRules, Assistant, CompanyId, Extension, RouteTarget, Rule, RuleBody, RuleKind};
use sqlx::AssertSqlSafe;
use sqlx::migrate::Migrator;
use std::borrow::Cow;
use store::{Db, MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE, NewDdi, NewExtension, NewRule, StoreError};

async fn rule(db: &Db, company: CompanyId, kind: RuleKind, name: &str, json: &str) -> Result<Rule, StoreError> {
    let body = RuleBody::read(kind, &mut serde_json::Deserializer::from_str(json)).unwrap();
    db.rules().create(&CTX, NewRule { company, name: name.to_owned(), body }).await
}

async fn leads(db: &Db, company: CompanyId, number: &str, target: RouteTarget) -> Result<Extension, StoreError> {
    db.extensions().create(&CTX, NewExtension { company, number: number.to_owned(), target }).await
}

fn invalid<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Invalid { .. })), "{result:?}");
}

fn in_use<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::InUse { .. })), "{result:?}");
}

const GROUP: &str = r#"{"strategy":"ring-all","members":[{"to":{"kind":"account","name":"anna"}}]}"#;

on_both! {
    async fn a_number_leads_to_whatever_is_there_and_keeps_it(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let (north, south) = (company(db, acme.id, "north").await.id, company(db, acme.id, "south").await.id);
        let anna = account(db, north, "anna").await;
        let group = |name: &str| RouteTarget::HuntGroup(name.to_owned());
        invalid(leads(db, north, "300", group("sales")).await);
        invalid(rule(db, south, RuleKind::HuntGroup, "sales", GROUP).await);
        let sales = rule(db, north, RuleKind::HuntGroup, "sales", GROUP).await.unwrap();
        invalid(leads(db, south, "300", group("sales")).await);
        let door = r#"{"conditions":[],"otherwise":{"kind":"hunt-group","name":"sales"}}"#;
        let door = rule(db, north, RuleKind::ConditionalRoute, "door", door).await.unwrap();
        invalid(leads(db, north, "301", RouteTarget::ConditionalRoute("sales".to_owned())).await);
        invalid(leads(db, north, "302", RouteTarget::Voicemail("nobody".to_owned())).await);
        invalid(leads(db, north, "303", RouteTarget::Number("4420".to_owned())).await);
        invalid(leads(db, north, "304", RouteTarget::Queue(String::new())).await);
        let text = |t: &str| t.to_owned();
        let targets = [
            group("sales"),
            RouteTarget::ConditionalRoute(text("door")),
            RouteTarget::Voicemail(text("anna")),
            RouteTarget::Queue(text("hot line")),
            RouteTarget::Conference(text("lobby")),
            RouteTarget::Number(text("+442079460000")),
            RouteTarget::Account(text("anna")),
            RouteTarget::App(text("menu")),
        ];
        let mut made = Vec::new();
        for (n, target) in (300..).zip(&targets) {
            let extension = leads(db, north, &n.to_string(), target.clone()).await.unwrap();
            assert_eq!(&extension.target, target);
            let new = NewDdi { company: north, e164: format!("+4420{n}"), target: target.clone() };
            let ddi = db.ddis().create(&CTX, new).await.unwrap();
            assert_eq!(&db.ddis().update(&CTX, &ddi).await.unwrap(), &ddi);
            made.push((extension, ddi));
        }
        let directory = db.directory().await.unwrap();
        for (extension, ddi) in &made {
            assert_eq!(directory.extension(north, &extension.number).map(|e| &**e), Some(extension));
            assert_eq!(directory.ddi(&ddi.e164).map(|d| (d.id, &d.target)), ddi.target.as_ref().map(|to| (ddi.id, to)));
            // It may lead anywhere else, and back.
            let other = Extension { target: RouteTarget::Queue(text("x")), ..extension.clone() };
            assert_eq!(db.extensions().update(&CTX, &other).await.unwrap(), other);
            assert_eq!(&db.extensions().update(&CTX, extension).await.unwrap(), extension);
        }
        assert_eq!(directory.hunt_group(north, "sales").unwrap().members.len(), 1);
        in_use(db.rules().delete(&CTX, sales.id).await);
        in_use(db.rules().delete(&CTX, door.id).await);
        in_use(db.accounts().delete(&CTX, anna.id).await);
        for (extension, ddi) in &made {
            db.extensions().delete(&CTX, extension.id).await.unwrap();
            db.ddis().delete(&CTX, ddi.id).await.unwrap();
        }
        in_use(db.rules().delete(&CTX, sales.id).await);
        in_use(db.accounts().delete(&CTX, anna.id).await);
        db.rules().delete(&CTX, door.id).await.unwrap();
        db.rules().delete(&CTX, sales.id).await.unwrap();
        db.accounts().delete(&CTX, anna.id).await.unwrap();
    }

    async fn a_rule_keeps_the_accounts_extensions_and_numbers_that_it_names(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let (north, south) = (company(db, acme.id, "north").await.id, company(db, acme.id, "south").await.id);
        let shown = r#"{"rules":[],"default":{"kind":"force","ddi":"+4420"}}"#;
        let new = |company, e164: &str| NewDdi { company, e164: e164.to_owned(), target: RouteTarget::App("m".to_owned()) };
        db.ddis().create(&CTX, new(south, "+4420")).await.unwrap();
        invalid(rule(db, north, RuleKind::OutgoingDdiRules, "shown", shown).await);
        let shown = r#"{"rules":[],"default":{"kind":"force","ddi":"+4430"}}"#;
        let ddi = db.ddis().create(&CTX, new(north, "+4430")).await.unwrap();
        let shown = rule(db, north, RuleKind::OutgoingDdiRules, "shown", shown).await.unwrap();
        in_use(db.ddis().delete(&CTX, ddi.id).await);
        let anna = account(db, north, "anna").await;
        let bob = account(db, north, "bob").await;
        let assistant = |name: &str| Some(Assistant { account: name.to_owned(), white_lists: vec![] });
        let says = |name: &str| AccountRules {
            assistant: assistant(name),
            outgoing_ddi_rules: Some("shown".to_owned()),
            ..AccountRules::default()
        };
        invalid(db.accounts().update(&CTX, &Account { rules: says("carl"), ..anna.clone() }).await);
        db.accounts().update(&CTX, &Account { rules: says("bob"), ..anna.clone() }).await.unwrap();
        in_use(db.accounts().delete(&CTX, bob.id).await);
        in_use(db.rules().delete(&CTX, shown.id).await);
        let forward = r#"{"forwards":[{"when":"busy","to":{"kind":"extension","name":"300"}}]}"#;
        let forward: AccountRules = serde_json::from_str(forward).unwrap();
        invalid(db.accounts().update(&CTX, &Account { rules: forward.clone(), ..anna.clone() }).await);
        let extension = leads(db, north, "300", RouteTarget::App("menu".to_owned())).await.unwrap();
        db.accounts().update(&CTX, &Account { rules: forward, ..anna.clone() }).await.unwrap();
        in_use(db.extensions().delete(&CTX, extension.id).await);
        db.accounts().delete(&CTX, bob.id).await.unwrap();
        db.accounts().delete(&CTX, anna.id).await.unwrap();
        db.extensions().delete(&CTX, extension.id).await.unwrap();
        db.rules().delete(&CTX, shown.id).await.unwrap();
        db.ddis().delete(&CTX, ddi.id).await.unwrap();
    }
}

/// The schema before, with a row of everything that the step makes anew.
const BEFORE: &[&str] = &[
    "INSERT INTO brands (id, name, default_verdict) VALUES (1, 'acme', 'refuse')",
    "INSERT INTO companies (id, brand_id, name, domain, media) VALUES (1, 1, 'north', 'north.example', 'anchor')",
    "INSERT INTO accounts (id, brand_id, company_id, username, display_name, ha1_md5, ha1_sha256, enabled)
        VALUES (1, 1, 1, 'anna', '', '07070707070707070707070707070707',
        '0707070707070707070707070707070707070707070707070707070707070707', CAST(1 AS BOOLEAN))",
    "INSERT INTO extensions (id, brand_id, company_id, number, account) VALUES (7, 1, 1, '10', 'anna')",
    "INSERT INTO rules (id, brand_id, company_id, kind, name, body) VALUES (5, 1, 1, 'call-filter', 'main', '{}')",
    "INSERT INTO ddis (id, brand_id, company_id, e164, extension, call_filter) VALUES (9, 1, 1, '+4420', '10', 'main')",
    "INSERT INTO rule_uses (brand_id, company_id, ddi_id, kind, name) VALUES (1, 1, 9, 'call-filter', 'main')",
];

fn before(all: &Migrator) -> Migrator {
    let steps = all.iter().filter(|step| step.version < 180).cloned().collect();
    Migrator { migrations: Cow::Owned(steps), ..Migrator::DEFAULT }
}

async fn brought_over(db: &Db) {
    let directory = db.directory().await.unwrap();
    let company = CompanyId(1);
    assert_eq!(directory.extension(company, "10").unwrap().target, RouteTarget::Account("anna".to_owned()));
    let ddi = directory.ddi("+4420").unwrap();
    assert_eq!((ddi.id.0, &ddi.target), (9, &RouteTarget::Extension("10".to_owned())));
    assert_eq!(ddi.call_filter.as_deref(), Some("main"));
    in_use(db.rules().delete(&CTX, model::RuleId(5)).await);
    in_use(db.extensions().delete(&CTX, model::ExtensionId(7)).await);
    let version = db.version().await.unwrap();
    db.ddis().delete(&CTX, ddi.id).await.unwrap();
    assert!(db.version().await.unwrap() > version, "the triggers are there again");
    db.rules().delete(&CTX, model::RuleId(5)).await.unwrap();
    let next = leads(db, company, "11", RouteTarget::Account("anna".to_owned())).await.unwrap();
    assert!(next.id.0 > 7, "ids go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_the_schema_before_are_brought_over_on_sqlite() {
    let dir = TempDir::new();
    let url = format!("sqlite:{}", dir.path().join("old.db").display());
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
    let pool = sqlx::SqlitePool::connect_with(options.create_if_missing(true)).await.unwrap();
    before(&MIGRATIONS_SQLITE).run(&pool).await.unwrap();
    for statement in BEFORE {
        sqlx::query(AssertSqlSafe(*statement)).execute(&pool).await.unwrap();
    }
    pool.close().await;
    brought_over(&Db::open(&url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_the_schema_before_are_brought_over_on_postgres() {
    let Some(url) = postgres::new_database().await else { return };
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    before(&MIGRATIONS_POSTGRES).run(&pool).await.unwrap();
    for statement in BEFORE {
        sqlx::query(AssertSqlSafe(*statement)).execute(&pool).await.unwrap();
    }
    for table in ["brands", "companies", "accounts", "extensions", "ddis", "rules"] {
        let next = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)");
        sqlx::query(AssertSqlSafe(next)).execute(&pool).await.unwrap();
    }
    pool.close().await;
    brought_over(&Db::open(&url).await.unwrap()).await;
}
