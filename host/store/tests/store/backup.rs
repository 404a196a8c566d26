//! What was backed up and restored is what was there, whichever database it came from and went to; every schema that was
//! ever released comes forward.

use crate::fixture::{CTX, Place, account, at, brand, company};
use model::{BrandId, CallId, CompanyId, Explained};
use sqlx::{AssertSqlSafe, Connection, Executor};
use store::{Db, MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE, NewPerson, Scope, Standing};

/// Two explanations of one call, which are written at once.
fn both(call: u128) -> Vec<(BrandId, Explained)> {
    let of = |asked: &str| Explained {
        call: CallId(call),
        company: CompanyId(1),
        at: at(1),
        asked: asked.to_owned(),
        callee: "1002".to_owned(),
        decision: "connect".to_owned(),
        hooks: Vec::new(),
    };
    vec![(BrandId(1), of("route")), (BrandId(1), of("reroute"))]
}

/// Rows of every kind of value: numbers, texts, bytes, truths and nothing; and numbers that were given and taken back.
async fn furnish(db: &Db) {
    let acme = brand(db, "acme").await;
    let north = company(db, acme.id, "north").await;
    account(db, north.id, "1001").await;
    let gone = account(db, north.id, "1002").await;
    db.accounts().delete(&CTX, gone.id).await.unwrap();
    let person = NewPerson {
        scope: Scope::Company(acme.id, north.id),
        name: "anna".to_owned(),
        standing: Standing::Admin,
        rights: None,
        password: "$argon2id$x".to_owned(),
        enabled: true,
        created_at: at(0),
    };
    let person = db.people().create(&CTX, person).await.unwrap();
    db.logins().open(person.id, None, at(1), std::time::Duration::from_secs(60)).await.unwrap();
    db.explanations().add(&both(1)).await.unwrap();
}

/// Everything, as text, by way of a backup: the same for the same content wherever it lies.
async fn content(place: &Place, name: &str) -> Vec<String> {
    let file = place.dir.path().join(name);
    store::backup(&place.url, &file).await.unwrap();
    let mut out = Vec::new();
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '_sqlx%' AND name <> 'change_log'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    for (table,) in tables {
        let columns: Vec<(String,)> =
            sqlx::query_as(AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")))
                .fetch_all(&mut connection)
                .await
                .unwrap();
        let parts: Vec<String> = columns.iter().map(|(c,)| format!("quote({c})")).collect();
        let ask = format!("SELECT {} FROM {table}", parts.join(" || ',' || "));
        let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(ask)).fetch_all(&mut connection).await.unwrap();
        out.extend(
            rows.into_iter()
                .filter(|(r,)| table != "sqlite_sequence" || !(r.ends_with(",0") || r.starts_with("'change_log'")))
                .map(|(row,)| format!("{table}: {row}")),
        );
    }
    out.sort();
    out
}

async fn comes_back(from: Place, to: Place) {
    furnish(&from.db).await;
    let before = content(&from, "before.db").await;
    assert!(
        before.iter().any(|l| l.starts_with("call_explanations: "))
            && before.iter().any(|l| l.contains("sqlite_sequence: 'accounts',2")),
        "{before:?}"
    );
    // Into a new database: of SQLite that is a new file.
    to.db.close().await;
    if to.url.starts_with("sqlite:") {
        std::fs::remove_file(to.dir.path().join("strowger.db")).unwrap();
    }
    let file = from.dir.path().join("before.db");
    let restored = store::restore(&file, &to.url).await.unwrap();
    assert_eq!(restored.faults, Vec::<String>::new());
    assert_eq!(store::look(&to.url).await.unwrap(), restored);
    assert_eq!(content(&to, "after.db").await, before);
    // It is a database to go on with: no number is given a second time.
    let db = Db::open(&to.url).await.unwrap();
    let north = db.companies().list(&CTX, None, store::Page::first()).await.unwrap()[0].id;
    assert_eq!(account(&db, north, "1003").await.id.0, 3);
    db.close().await;
    let again = store::restore(&file, &to.url).await.unwrap_err().to_string();
    assert!(again.contains("it is not empty"), "{again}");
    let twice = store::backup(&from.url, &file).await.unwrap_err().to_string();
    assert!(twice.contains("exists already"), "{twice}");
}

#[tokio::test]
async fn a_backup_of_sqlite_comes_back_in_sqlite() {
    comes_back(Place::sqlite().await, Place::sqlite().await).await;
}

#[tokio::test]
async fn a_backup_of_sqlite_comes_back_in_postgres() {
    let Some(to) = Place::postgres().await else { return };
    comes_back(Place::sqlite().await, to).await;
}

#[tokio::test]
async fn a_backup_of_postgres_comes_back_in_postgres() {
    let (Some(from), Some(to)) = (Place::postgres().await, Place::postgres().await) else { return };
    comes_back(from, to).await;
}

#[tokio::test]
async fn a_backup_of_postgres_comes_back_in_sqlite() {
    let Some(from) = Place::postgres().await else { return };
    comes_back(from, Place::sqlite().await).await;
}

/// While calls are written: the backup is of one moment, and nobody waits for it.
#[tokio::test]
async fn a_backup_of_a_busy_database_is_of_one_moment() {
    for place in [Some(Place::sqlite().await), Place::postgres().await].into_iter().flatten() {
        furnish(&place.db).await;
        let db = place.db.clone();
        let writer = tokio::spawn(async move {
            for call in 10..110 {
                db.explanations().add(&both(call)).await.unwrap();
            }
        });
        let file = place.dir.path().join("busy.db");
        let content = store::backup(&place.url, &file).await.unwrap();
        writer.await.unwrap();
        assert_eq!(content.faults, Vec::<String>::new());
        let rows = content.tables.iter().find(|(t, _)| t == "call_explanations").unwrap().1;
        assert!(rows.is_multiple_of(2), "both questions of a call or none: {rows}");
    }
}

#[tokio::test]
async fn a_broken_backup_is_not_restored() {
    let place = Place::sqlite().await;
    let file = place.dir.path().join("letter.db");
    std::fs::write(&file, "this is a letter, and a long one at that\n".repeat(100)).unwrap();
    let url = format!("sqlite:{}", place.dir.path().join("new.db").display());
    let sentence = store::restore(&file, &url).await.unwrap_err().to_string();
    assert!(sentence.ends_with("is broken: file is not a database"), "{sentence}");
    assert!(!place.dir.path().join("new.db").exists());
}

#[tokio::test]
async fn what_is_left_of_an_earlier_database_is_not_played_into_a_restored_one() {
    let place = Place::sqlite().await;
    let file = place.dir.path().join("backup.db");
    store::backup(&place.url, &file).await.unwrap();
    let to = place.dir.path().join("new.db");
    let url = format!("sqlite:{}", to.display());
    for left in ["-wal", "-shm", "-journal"] {
        let left = place.dir.path().join(format!("new.db{left}"));
        std::fs::write(&left, "an old log").unwrap();
        let sentence = store::restore(&file, &url).await.unwrap_err().to_string();
        assert!(sentence.contains("is left of an earlier database"), "{sentence}");
        assert!(!to.exists());
        std::fs::remove_file(&left).unwrap();
    }
    let restored = store::restore(&file, &url).await.unwrap();
    assert_eq!(store::look(&url).await.unwrap(), restored);
    let names = std::fs::read_dir(place.dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let parts: Vec<String> = names.filter(|name| name.contains(".part")).collect();
    assert_eq!(parts, Vec::<String>::new());
}

const OLD_ROWS: &str = "INSERT INTO brands (name, default_verdict) VALUES ('old', 'refuse');
    INSERT INTO companies (brand_id, name, domain, media) VALUES (1, 'old', 'old.example', 'anchor');";

async fn old_tenant_is_there(url: &str, step: i64) {
    let db = Db::open(url).await.unwrap_or_else(|e| panic!("from step {step}: {e}"));
    let companies = db.companies().list(&CTX, None, store::Page::first()).await.unwrap();
    assert_eq!(companies[0].domain, "old.example", "from step {step}");
    db.directory().await.unwrap_or_else(|e| panic!("from step {step}: {e}"));
    db.close().await;
}

#[tokio::test]
async fn every_schema_comes_forward() {
    for count in MIGRATIONS_SQLITE.iter().map(|step| step.version) {
        let dir = crate::fixture::TempDir::new();
        let url = format!("sqlite:{}", dir.path().join("old.db").display());
        let mut old = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        MIGRATIONS_SQLITE.run_to(count, &mut old).await.unwrap();
        old.execute(OLD_ROWS).await.unwrap();
        old.close().await.unwrap();
        old_tenant_is_there(&url, count).await;
        let Some(url) = crate::postgres::new_database().await else { continue };
        let mut old = sqlx::PgConnection::connect(&url).await.unwrap();
        MIGRATIONS_POSTGRES.run_to(count, &mut old).await.unwrap();
        old.execute(OLD_ROWS).await.unwrap();
        old.close().await.unwrap();
        old_tenant_is_there(&url, count).await;
    }
}
