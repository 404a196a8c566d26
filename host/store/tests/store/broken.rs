//! Whatever is wrong with the database is said in one sentence that a person can act on.

use crate::fixture::{Place, TempDir};
use crate::postgres;
use sqlx::{AssertSqlSafe, Executor};
use store::{Db, StoreError};

async fn sentence(url: &str) -> String {
    let sentence = Db::open(url).await.unwrap_err().to_string();
    assert!(!sentence.contains('\n'), "{sentence}");
    sentence
}

#[tokio::test]
async fn a_wrong_url() {
    let s = sentence("mysql://localhost/x").await;
    assert_eq!(
        s,
        "database URL: \"mysql\" is no known kind of database; give sqlite:PATH or postgres://USER@HOST/DATABASE"
    );
    let s = sentence("sqlite:").await;
    assert!(s.starts_with("database URL: a SQLite database needs the path of a file"), "{s}");
}

#[tokio::test]
async fn a_folder_that_does_not_exist() {
    let dir = TempDir::new();
    let path = dir.path().join("nowhere/strowger.db");
    let s = sentence(&format!("sqlite:{}", path.display())).await;
    let expected = "cannot be opened: its folder does not exist or may not be written";
    assert_eq!(s, format!("the SQLite database {} {expected}", path.display()));
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let dir = TempDir::new();
    let path = dir.path().join("strowger.db");
    std::fs::write(&path, "this is a letter, and a long one at that\n".repeat(100)).unwrap();
    let s = sentence(&format!("sqlite:{}", path.display())).await;
    assert_eq!(s, format!("the SQLite database {} is broken: file is not a database", path.display()));
}

#[tokio::test]
async fn a_database_cut_in_half() {
    let place = Place::sqlite().await;
    place.db.close().await;
    let path = place.dir.path().join("strowger.db");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 3]).unwrap();
    let s = sentence(&place.url).await;
    assert_eq!(s, format!("the SQLite database {} is broken: database disk image is malformed", path.display()));
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    // Port 1 of the loopback: nobody listens.
    let s = sentence("postgres://me:secret@127.0.0.1:1/strowger").await;
    assert!(s.starts_with("the PostgreSQL database strowger at 127.0.0.1:1 cannot be opened: "), "{s}");
    assert!(!s.contains("secret"), "{s}");
}

#[tokio::test]
async fn a_database_that_the_server_does_not_have() {
    let Some(url) = postgres::new_database().await else { return };
    let (server, socket) = url.split_once('?').unwrap();
    let url = format!("{}/nonesuch?{socket}", server.rsplit_once('/').unwrap().0);
    let s = sentence(&url).await;
    assert!(s.ends_with("cannot be opened: database \"nonesuch\" does not exist"), "{s}");
}

async fn change(url: &str, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        sqlx::SqlitePool::connect(url).await.unwrap().execute(sql).await.unwrap();
    } else {
        sqlx::PgPool::connect(url).await.unwrap().execute(sql).await.unwrap();
    }
}

crate::on_both! {
    async fn a_schema_of_tomorrow(place: Place) {
        let step = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            SELECT 9999, 'tomorrow', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        change(&place.url, step).await;
        let error = Db::open(&place.url).await.unwrap_err();
        let newest = store::MIGRATIONS_SQLITE.iter().map(|step| step.version).max().unwrap();
        assert!(
            matches!(error, StoreError::NewerSchema { found: 9999, known, .. } if known == newest),
            "{error:?}"
        );
        let s = sentence(&place.url).await;
        let end = format!("has schema version 9999, this program knows up to {newest}: start the newer program");
        assert!(s.ends_with(&end), "{s}");
    }

    async fn a_schema_that_somebody_changed(place: Place) {
        let checksum = if place.db.backend() == "sqlite" { "x'00'" } else { "'\\x00'::bytea" };
        change(&place.url, &format!("UPDATE _sqlx_migrations SET checksum = {checksum} WHERE version = 1")).await;
        let s = sentence(&place.url).await;
        assert!(s.ends_with("is broken: schema step 1 was applied in another form than this program's"), "{s}");
    }

    async fn a_second_start_on_the_same_data(place: Place) {
        let version = place.db.version().await.unwrap();
        place.db.close().await;
        let again = Db::open(&place.url).await.unwrap();
        assert_eq!(again.version().await.unwrap(), version);
    }
}
