//! The whole content of a database, from one to another of whichever kind.
//!
//! A backup is a SQLite file, whatever it is made of: it can be looked into, checked, and restored into SQLite or
//! PostgreSQL. Of a live SQLite it is made by `VACUUM INTO`, of a live PostgreSQL row by row; both see one consistent
//! moment and hold nobody up. Both schemas are the same (a test compares them), so tables, columns and their types are read
//! from SQLite's, and no table can be forgotten. This is the one module that makes SQL: no noun is known here.

use crate::open::{self, MIGRATIONS_SQLITE};
use crate::{Db, StoreError};
use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _, SqliteConnection};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

/// What a database holds, or what was copied.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Content {
    /// The number of the newest schema step.
    pub schema: i64,
    /// Every table with its number of rows, by name.
    pub tables: Vec<(String, u64)>,
    /// What is wrong with it, a sentence each.
    pub faults: Vec<String>,
}

/// One column and what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Int,
    Text,
    Bytes,
    Bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Table {
    name: String,
    columns: Vec<Column>,
    /// The tables that its rows name.
    names: BTreeSet<String>,
}

enum Cell {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Bool(Option<bool>),
}

macro_rules! cells {
    ($row:expr, $columns:expr) => {{
        let mut cells = Vec::with_capacity($columns.len());
        for (at, column) in $columns.iter().enumerate() {
            cells.push(match column.kind {
                Kind::Int => Cell::Int($row.try_get(at)?),
                Kind::Text => Cell::Text($row.try_get(at)?),
                Kind::Bytes => Cell::Bytes($row.try_get(at)?),
                Kind::Bool => Cell::Bool($row.try_get(at)?),
            });
        }
        cells
    }};
}

macro_rules! insert {
    ($sql:expr, $cells:expr, $to:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql.clone()));
        for cell in $cells {
            query = match cell {
                Cell::Int(v) => query.bind(v),
                Cell::Text(v) => query.bind(v),
                Cell::Bytes(v) => query.bind(v),
                Cell::Bool(v) => query.bind(v),
            };
        }
        query.execute($to).await?;
    }};
}

/// Why a copy failed, on its way to a sentence.
fn failed(error: sqlx::Error) -> StoreError {
    StoreError::from_sqlx(error, "row", false)
}

fn file_failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unreachable { database: path.display().to_string(), why: error.to_string() }
}

/// The file of a `sqlite:` URL.
fn sqlite_file(url: &str) -> Option<&Path> {
    url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).map(Path::new)
}

async fn sqlite(path: &Path, writes: bool) -> Result<SqliteConnection, StoreError> {
    // Foreign keys are checked at the end: rows come table by table.
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false).read_only(!writes);
    options.connect().await.map_err(|e| open::sentence(&format!("the SQLite database {}", path.display()), e))
}

async fn postgres(url: &str) -> Result<PgConnection, StoreError> {
    let options = sqlx::postgres::PgConnectOptions::from_str(url);
    let options = options.map_err(|e| StoreError::BadUrl { why: e.to_string() })?;
    let database = format!("the PostgreSQL database {}", options.get_database().unwrap_or_default());
    options.connect().await.map_err(|e| open::sentence(&database, e))
}

/// Writes everything that the database at `url` holds to a new SQLite file. The database may be in use.
///
/// # Errors
/// One sentence: the file exists or cannot be written, the database is away or of another schema than this program's.
pub async fn backup(url: &str, to: &Path) -> Result<Content, StoreError> {
    let part = PathBuf::from(format!("{}.part", to.display()));
    private_file(&part, to)?;
    let done = match sqlite_file(url) {
        Some(from) => vacuum(from, &part).await,
        None => fill_from_postgres(url, &part).await,
    };
    let content = match done {
        Ok(()) => look_into(&part).await,
        Err(error) => Err(error),
    };
    match content {
        Ok(content) => {
            std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(|e| file_failed(&part, &e))?;
            std::fs::rename(&part, to).map_err(|e| file_failed(to, &e))?;
            Ok(content)
        }
        Err(error) => {
            let _ = std::fs::remove_file(&part);
            Err(error)
        }
    }
}

/// An empty file that only its owner may read: a backup holds digest secrets.
fn private_file(part: &Path, to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        return Err(StoreError::Invalid { what: "backup file", why: format!("{} exists already", to.display()) });
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(part).map(|_| ()).map_err(|e| file_failed(part, &e))
}

async fn vacuum(from: &Path, part: &Path) -> Result<(), StoreError> {
    let mut connection = sqlite(from, false).await?;
    let target = part.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// The schema of a new file, without what its steps put into it.
async fn empty(path: &Path) -> Result<(SqliteConnection, Vec<Table>), StoreError> {
    let mut file = sqlite(path, true).await?;
    MIGRATIONS_SQLITE.run(&mut file).await.map_err(|e| StoreError::Refused { why: e.to_string() })?;
    let tables = tables(&mut file).await?;
    Ok((file, tables))
}

async fn fill_from_postgres(url: &str, part: &Path) -> Result<(), StoreError> {
    let (mut file, tables) = empty(part).await?;
    let mut live = postgres(url).await?;
    let mut snapshot = live.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(failed)?;
    let found: (i64,) =
        sqlx::query_as("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut *snapshot).await.map_err(failed)?;
    same_schema(found.0)?;
    let mut tx = file.begin().await.map_err(failed)?;
    let copied = async {
        // The change number last: rows that come in move it.
        for table in ordered(&tables) {
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {}", table.name))).execute(&mut *tx).await?;
            let (select, insert) = (select_text(table), insert_text(table));
            let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(&mut *snapshot);
            while let Some(row) = rows.try_next().await? {
                insert!(insert, cells!(row, table.columns), &mut *tx);
            }
        }
        for table in tables.iter().filter(|t| numbered(t)) {
            let ask =
                format!("SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence('{}', 'id')), 0)", table.name);
            let (last,): (i64,) = sqlx::query_as(AssertSqlSafe(ask)).fetch_one(&mut *snapshot).await?;
            sqlx::query("DELETE FROM sqlite_sequence WHERE name = $1").bind(&table.name).execute(&mut *tx).await?;
            let put = "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)";
            sqlx::query(put).bind(&table.name).bind(last).execute(&mut *tx).await?;
        }
        sqlx::query(FORGET_CHANGES).execute(&mut *tx).await?;
        Ok::<(), sqlx::Error>(())
    };
    copied.await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    file.close().await.map_err(failed)
}

/// Fills an empty database from a backup, of this schema or an older one.
///
/// # Errors
/// One sentence: the backup is none or is broken, the database is not empty or away.
pub async fn restore(from: &Path, url: &str) -> Result<Content, StoreError> {
    let content = look_into(from).await?;
    if let Some(fault) = content.faults.first() {
        return Err(StoreError::Broken { database: from.display().to_string(), why: fault.clone() });
    }
    if let Some(to) = sqlite_file(url) {
        return put_in_place(from, to).await;
    }
    // An older backup is brought to this schema first, in a copy beside it.
    let work = PathBuf::from(format!("{}.restoring", from.display()));
    std::fs::copy(from, &work).map_err(|e| file_failed(&work, &e))?;
    let done = pour(&work, url).await;
    for left in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{left}", work.display()));
    }
    done
}

/// What SQLite keeps beside a database file. A log that is left of an earlier file of that name would be played into the
/// new one.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

fn beside(path: &Path, what: &str) -> PathBuf {
    PathBuf::from(format!("{}{what}", path.display()))
}

/// Makes a SQLite database of a backup: whole and looked into before it has its name.
async fn put_in_place(from: &Path, to: &Path) -> Result<Content, StoreError> {
    if to.exists() {
        return Err(not_empty(&to.display().to_string()));
    }
    if let Some(left) = BESIDE.iter().map(|what| beside(to, what)).find(|left| left.exists()) {
        let why = format!("{} is left of an earlier database: move it away first", left.display());
        return Err(StoreError::Invalid { what: "database file", why });
    }
    let part = beside(to, ".part");
    let clear = || {
        for what in BESIDE.iter().chain(&[""]) {
            let _ = std::fs::remove_file(beside(&part, what));
        }
    };
    clear();
    private_file(&part, to)?;
    let done = async {
        let write = std::fs::OpenOptions::new().write(true).open(&part);
        let copied = write.and_then(|mut file| std::io::copy(&mut std::fs::File::open(from)?, &mut file));
        copied.map_err(|e| file_failed(&part, &e))?;
        Db::open(&format!("sqlite:{}", part.display())).await?.close().await;
        let content = look_into(&part).await?;
        if let Some(fault) = content.faults.first() {
            return Err(StoreError::Broken { database: part.display().to_string(), why: fault.clone() });
        }
        std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(|e| file_failed(&part, &e))?;
        std::fs::rename(&part, to).map_err(|e| file_failed(to, &e))?;
        Ok(content)
    };
    let done = done.await;
    clear();
    done
}

async fn pour(work: &Path, url: &str) -> Result<Content, StoreError> {
    Db::open(&format!("sqlite:{}", work.display())).await?.close().await;
    Db::open(url).await?.close().await;
    let mut file = sqlite(work, false).await?;
    let tables = tables(&mut file).await?;
    let mut live = postgres(url).await?;
    let mut tx = live.begin().await.map_err(failed)?;
    for table in tables.iter().filter(|t| t.name != "changes") {
        let ask = format!("SELECT COUNT(*) FROM {}", table.name);
        let (rows,): (i64,) = sqlx::query_as(AssertSqlSafe(ask)).fetch_one(&mut *tx).await.map_err(failed)?;
        if rows > 0 {
            return Err(not_empty("the PostgreSQL database"));
        }
    }
    let copied = async {
        sqlx::query("DELETE FROM changes").execute(&mut *tx).await?;
        for table in ordered(&tables) {
            // What the triggers counted on the way is replaced by what was counted then.
            if table.name == "changes" {
                sqlx::query("DELETE FROM changes").execute(&mut *tx).await?;
            }
            let (select, insert) = (select_text(table), insert_text(table));
            let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(&mut file);
            while let Some(row) = rows.try_next().await? {
                insert!(insert, cells!(row, table.columns), &mut *tx);
            }
        }
        for table in tables.iter().filter(|t| numbered(t)) {
            let ask = "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = $1";
            let (last,): (i64,) = sqlx::query_as(ask).bind(&table.name).fetch_one(&mut file).await?;
            if last > 0 {
                let set = format!("SELECT setval(pg_get_serial_sequence('{}', 'id'), $1)", table.name);
                sqlx::query(AssertSqlSafe(set)).bind(last).execute(&mut *tx).await?;
            }
        }
        sqlx::query(FORGET_CHANGES).execute(&mut *tx).await?;
        Ok::<(), sqlx::Error>(())
    };
    copied.await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    look_into(work).await
}

/// Looks at the database at `url` without changing it: its schema, its tables, and what is wrong with it.
///
/// # Errors
/// One sentence: it is away, or is no database of this program.
pub async fn look(url: &str) -> Result<Content, StoreError> {
    if let Some(path) = sqlite_file(url) {
        return look_into(path).await;
    }
    let mut live = postgres(url).await?;
    let names: Vec<(String,)> = sqlx::query_as(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'
         AND table_name <> 'change_log' ORDER BY 1",
    )
    .fetch_all(&mut live)
    .await
    .map_err(failed)?;
    let mut content = Content::default();
    let (schema,): (Option<i64>,) =
        sqlx::query_as("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut live).await.map_err(failed)?;
    content.schema = schema.unwrap_or(0);
    for (name,) in names {
        let ask = format!("SELECT COUNT(*) FROM {name}");
        let (rows,): (i64,) = sqlx::query_as(AssertSqlSafe(ask)).fetch_one(&mut live).await.map_err(failed)?;
        content.tables.push((name, u64::try_from(rows).unwrap_or(0)));
    }
    // PostgreSQL keeps its references; one that was not checked when it was made says so.
    let unchecked: Vec<(String,)> = sqlx::query_as("SELECT conname::text FROM pg_constraint WHERE NOT convalidated")
        .fetch_all(&mut live)
        .await
        .map_err(failed)?;
    content.faults = unchecked.into_iter().map(|(name,)| format!("the constraint {name} was never checked")).collect();
    live.close().await.map_err(failed)?;
    Ok(content)
}

async fn look_into(path: &Path) -> Result<Content, StoreError> {
    let mut file = sqlite(path, false).await?;
    let looked = async {
        let (schema,): (Option<i64>,) =
            sqlx::query_as("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut file).await?;
        let mut content = Content { schema: schema.unwrap_or(0), ..Content::default() };
        let words: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check").fetch_all(&mut file).await?;
        content.faults.extend(words.into_iter().map(|(w,)| w).filter(|w| w != "ok"));
        let loose: Vec<SqliteRow> = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut file).await?;
        for row in loose {
            let (table, named): (String, String) = (row.try_get(0)?, row.try_get(2)?);
            content.faults.push(format!("a row of {table} names one of {named} that is not there"));
        }
        let names: Vec<(String,)> = sqlx::query_as(TABLES).fetch_all(&mut file).await?;
        for (name,) in names {
            let ask = format!("SELECT COUNT(*) FROM {name}");
            let (rows,): (i64,) = sqlx::query_as(AssertSqlSafe(ask)).fetch_one(&mut file).await?;
            content.tables.push((name, u64::try_from(rows).unwrap_or(0)));
        }
        Ok::<Content, sqlx::Error>(content)
    };
    let content = looked.await.map_err(|e| open::sentence(&format!("the SQLite database {}", path.display()), e))?;
    file.close().await.map_err(failed)?;
    Ok(content)
}

/// The log of changes is of one database and of its own past: no content, and never copied.
const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'
    AND name NOT LIKE '_sqlx%' AND name <> 'change_log' ORDER BY name";

/// Whoever follows a copy begins anew, as nothing in its log says where it stands.
const FORGET_CHANGES: &str = "DELETE FROM change_log";

async fn tables(file: &mut SqliteConnection) -> Result<Vec<Table>, StoreError> {
    let names: Vec<(String,)> = sqlx::query_as(TABLES).fetch_all(&mut *file).await.map_err(failed)?;
    let mut tables = Vec::with_capacity(names.len());
    for (name,) in names {
        let ask = "SELECT name, type FROM pragma_table_info($1)";
        let columns: Vec<(String, String)> =
            sqlx::query_as(ask).bind(&name).fetch_all(&mut *file).await.map_err(failed)?;
        let kind = |text: &str| match text {
            "INTEGER" | "BIGINT" => Ok(Kind::Int),
            "TEXT" => Ok(Kind::Text),
            "BLOB" => Ok(Kind::Bytes),
            "BOOLEAN" => Ok(Kind::Bool),
            other => Err(StoreError::Refused { why: format!("{name} has a column of the unknown type {other}") }),
        };
        let columns: Result<Vec<Column>, StoreError> =
            columns.into_iter().map(|(name, text)| Ok(Column { name, kind: kind(&text)? })).collect();
        let ask = "SELECT \"table\" FROM pragma_foreign_key_list($1)";
        let named: Vec<(String,)> = sqlx::query_as(ask).bind(&name).fetch_all(&mut *file).await.map_err(failed)?;
        let names = named.into_iter().map(|(n,)| n).filter(|n| *n != name).collect();
        tables.push(Table { columns: columns?, name, names });
    }
    Ok(tables)
}

/// The tables so that each comes after those that its rows name; the change number last.
fn ordered(tables: &[Table]) -> Vec<&Table> {
    let mut done: Vec<&Table> = Vec::with_capacity(tables.len());
    let (last, mut left): (Vec<&Table>, Vec<&Table>) = tables.iter().partition(|t| t.name == "changes");
    while !left.is_empty() {
        let known = |name: &String| done.iter().any(|t| t.name == *name);
        let (ready, rest): (Vec<&Table>, Vec<&Table>) = left.iter().partition(|t| t.names.iter().all(known));
        // Tables that name each other in a circle: as they come, and the database says so if it cannot be.
        let stuck = ready.is_empty();
        done.extend(if stuck { rest.clone() } else { ready });
        left = if stuck { Vec::new() } else { rest };
    }
    done.extend(last);
    done
}

/// Whether the database numbers its rows.
fn numbered(table: &Table) -> bool {
    table.name != "changes" && table.columns.first().is_some_and(|c| c.name == "id" && c.kind == Kind::Int)
}

fn select_text(table: &Table) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    format!("SELECT {} FROM {}", columns.join(", "), table.name)
}

fn insert_text(table: &Table) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    let places: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
    format!("INSERT INTO {} ({}) VALUES ({})", table.name, columns.join(", "), places.join(", "))
}

fn same_schema(found: i64) -> Result<(), StoreError> {
    let known = MIGRATIONS_SQLITE.iter().map(|m| m.version).max().unwrap_or_default();
    if found == known {
        return Ok(());
    }
    let why =
        format!("its schema is {found} and this program's is {known}: bring it up to date first, or use its program");
    Err(StoreError::Broken { database: "the PostgreSQL database".to_owned(), why })
}

fn not_empty(database: &str) -> StoreError {
    let why = "it is not empty: a backup is restored into a new database".to_owned();
    StoreError::Broken { database: database.to_owned(), why }
}
