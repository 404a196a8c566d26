//! Opening: the URL, the pools, the migrations, and one sentence for whatever is wrong.

use crate::StoreError;
use crate::sql::Pools;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// The schema of SQLite, step by step.
pub static MIGRATIONS_SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
/// The schema of PostgreSQL, step by step; the same file names.
pub static MIGRATIONS_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Readers of SQLite at once.
const SQLITE_READERS_MAX: u32 = 4;
/// Connections to PostgreSQL at once.
const POSTGRES_CONNECTIONS_MAX: u32 = 8;
/// Pages in SQLite's log before they are copied to their places: 16 MiB, read once at a start after a crash.
const WAL_PAGES: &str = "4000";
/// How long a query waits for a connection, and SQLite for another process's write lock.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn open(url: &str) -> Result<Pools, StoreError> {
    if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
        if path.is_empty() || path == ":memory:" {
            return Err(StoreError::BadUrl { why: "a SQLite database needs the path of a file".to_owned() });
        }
        return open_sqlite(Path::new(path)).await;
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return open_postgres(url).await;
    }
    let scheme = url.split(':').next().unwrap_or_default();
    Err(StoreError::BadUrl { why: format!("{scheme:?} is no known kind of database") })
}

async fn open_sqlite(path: &Path) -> Result<Pools, StoreError> {
    let database = format!("the SQLite database {}", path.display());
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL, not NORMAL: the CDR outbox deletes its copy once a commit returned, so the commit must be on the disk.
        .synchronous(SqliteSynchronous::Full)
        // Most pages that a checkpoint copies were written by several transactions: it waits for more of them.
        .pragma("wal_autocheckpoint", WAL_PAGES)
        // What a statement of many rows keeps for its own undoing is no file.
        .pragma("temp_store", "MEMORY")
        .busy_timeout(ACQUIRE_TIMEOUT);
    let failed = |e: sqlx::Error| sentence(&database, e);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    migrate(&MIGRATIONS_SQLITE, &writer, &database).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
        .await
        .map_err(failed)?;
    Ok(Pools::Sqlite { writer, readers })
}

async fn open_postgres(url: &str) -> Result<Pools, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|e| StoreError::BadUrl { why: e.to_string() })?
        .application_name("strowger");
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let name = options.get_database().unwrap_or_else(|| options.get_username());
    let database = format!("the PostgreSQL database {name} at {place}");
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|e| sentence(&database, e))?;
    migrate(&MIGRATIONS_POSTGRES, &pool, &database).await?;
    Ok(Pools::Postgres(pool))
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the driver's enum grows")]
async fn migrate<'a, A>(migrations: &Migrator, pool: A, database: &str) -> Result<(), StoreError>
where
    A: sqlx::Acquire<'a>,
    <A::Connection as std::ops::Deref>::Target: Migrate,
{
    let Err(error) = migrations.run(pool).await else { return Ok(()) };
    let broken = |why: String| StoreError::Broken { database: database.to_owned(), why };
    Err(match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) => StoreError::NewerSchema {
            database: database.to_owned(),
            found,
            known: migrations.iter().map(|m| m.version).max().unwrap_or_default(),
        },
        MigrateError::VersionMismatch(step) => {
            broken(format!("schema step {step} was applied in another form than this program's"))
        }
        MigrateError::Dirty(step) => broken(format!("schema step {step} was left half done")),
        MigrateError::Execute(e) => sentence(database, e),
        MigrateError::ExecuteMigration(e, step) => broken(format!("schema step {step} failed: {e}")),
        other => broken(other.to_string()),
    })
}

/// Tells a database that is away from one that is there and broken.
#[allow(clippy::wildcard_enum_match_arm, reason = "the driver's enum grows")]
pub(crate) fn sentence(database: &str, error: sqlx::Error) -> StoreError {
    let unreachable = |why: String| StoreError::Unreachable { database: database.to_owned(), why };
    match &error {
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().unwrap_or_default().into_owned();
            let why = refusal.message().to_owned();
            // SQLite's CANTOPEN says nothing of the reason, which is nearly always the folder.
            if code.parse::<i32>().is_ok_and(|n| n & 0xff == 14) {
                return unreachable("its folder does not exist or may not be written".to_owned());
            }
            // Class 28: the user or password; class 3D: no such database.
            let refused = code.len() == 5 && (code.starts_with("28") || code.starts_with("3D"));
            if refused || crate::error::is_passing(Some(&code)) {
                unreachable(why)
            } else {
                StoreError::Broken { database: database.to_owned(), why }
            }
        }
        sqlx::Error::PoolTimedOut => unreachable("no answer within 5 seconds".to_owned()),
        sqlx::Error::Io(e) => unreachable(e.to_string()),
        _ => unreachable(error.to_string()),
    }
}
