//! One SQL text for both databases: statements as constants, arguments as values, rows by name.
//!
//! SQLite and PostgreSQL both read `$n`, `RETURNING`, `ON CONFLICT`, row comparisons and booleans. Where PostgreSQL
//! cannot infer an argument's type the text says `CAST`, which SQLite reads too. Only a [`Statement`] can be run, and
//! only `statements!` makes one, so every text is in a registry and is prepared on both databases by a test.

use crate::{OpContext, StoreError};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgPool, Postgres, Sqlite, SqlitePool, Transaction};

/// One static SQL text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statement {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) sql: &'static str,
    /// For a statement with very many arguments: the same with a bare `?` for each of them in order. SQLite looks up the
    /// name of each `$n` among all before it, and a `?` has none.
    pub(crate) bare: Option<&'static str>,
}

impl Statement {
    /// Its name within its module.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The text.
    #[must_use]
    pub const fn sql(&self) -> &'static str {
        self.sql
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        StoreError::from_sqlx(error, self.what, self.sql.starts_with("DELETE"))
    }
}

/// The text of a page of a list. Only [`crate::listing`] makes one.
pub(crate) struct Listed {
    pub(crate) what: &'static str,
    pub(crate) sql: String,
}

/// Declares the statements of a module, about one noun, and their registry `ALL`.
macro_rules! statements {
    ($what:literal; $($name:ident = $sql:expr;)*) => {
        $(pub(crate) const $name: $crate::sql::Statement =
            $crate::sql::Statement { name: stringify!($name), what: $what, sql: $sql, bare: None };)*
        pub(crate) const ALL: &[$crate::sql::Statement] = &[$($name),*];
    };
}
pub(crate) use statements;

/// The filter of every statement on rows of a company: `$1` and `$2` are the scope's brand and company.
macro_rules! in_scope {
    () => {
        $crate::sql::in_scope!("brand_id", "company_id")
    };
    ($brand:literal, $company:literal) => {
        concat!(
            "(CAST($1 AS BIGINT) IS NULL OR ",
            $brand,
            " = $1) AND (CAST($2 AS BIGINT) IS NULL OR ",
            $company,
            " = $2)"
        )
    };
}
pub(crate) use in_scope;

/// One argument. Every integer is 64 bits: PostgreSQL has no unsigned ones.
#[derive(Clone, Copy)]
pub(crate) enum Arg<'a> {
    Int(i64),
    IntOrNull(Option<i64>),
    Text(&'a str),
    TextOrNull(Option<&'a str>),
    Bytes(&'a [u8]),
    BytesOrNull(Option<&'a [u8]>),
    Bool(bool),
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Arg::Int(value)
    }
}
impl From<Option<i64>> for Arg<'_> {
    fn from(value: Option<i64>) -> Self {
        Arg::IntOrNull(value)
    }
}
impl<'a> From<&'a str> for Arg<'a> {
    fn from(value: &'a str) -> Self {
        Arg::Text(value)
    }
}
impl<'a> From<&'a String> for Arg<'a> {
    fn from(value: &'a String) -> Self {
        Arg::Text(value)
    }
}
impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Arg::TextOrNull(value)
    }
}
impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(value: &'a [u8]) -> Self {
        Arg::Bytes(value)
    }
}
impl<'a> From<Option<&'a [u8]>> for Arg<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        Arg::BytesOrNull(value)
    }
}
impl From<bool> for Arg<'_> {
    fn from(value: bool) -> Self {
        Arg::Bool(value)
    }
}

/// The arguments of a scoped statement: the scope's brand and company, then the others.
macro_rules! args {
    ($ctx:expr $(, $value:expr)* $(,)?) => {
        &[$crate::sql::scope_brand($ctx), $crate::sql::scope_company($ctx) $(, $crate::sql::Arg::from($value))*]
    };
}
pub(crate) use args;

pub(crate) const fn scope_brand(ctx: &OpContext) -> Arg<'static> {
    Arg::IntOrNull(ctx.brand_id())
}

pub(crate) const fn scope_company(ctx: &OpContext) -> Arg<'static> {
    Arg::IntOrNull(ctx.company_id())
}

/// A row that both databases can give.
pub(crate) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

macro_rules! bound {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match *arg {
                Arg::Int(v) => query.bind(v),
                Arg::IntOrNull(v) => query.bind(v),
                Arg::Text(v) => query.bind(v),
                Arg::TextOrNull(v) => query.bind(v),
                Arg::Bytes(v) => query.bind(v),
                Arg::BytesOrNull(v) => query.bind(v),
                Arg::Bool(v) => query.bind(v),
            };
        }
        query
    }};
}

/// The pools of one database.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    /// WAL lets readers go on beside the one writer; a second writer would only wait in `SQLITE_BUSY`.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    /// One pool for all.
    Postgres(PgPool),
}

impl Pools {
    pub(crate) async fn all<T: Row>(&self, s: Statement, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        match self {
            Pools::Sqlite { readers, .. } => bound!(sqlx::query_as::<_, T>(s.sql), args).fetch_all(readers).await,
            Pools::Postgres(pool) => bound!(sqlx::query_as::<_, T>(s.sql), args).fetch_all(pool).await,
        }
        .map_err(|e| s.failed(e))
    }

    /// A page of a list, whose text [`crate::listing`] makes. There are many of them: none is kept prepared.
    pub(crate) async fn all_of<T: Row>(&self, s: Listed, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        let sql = AssertSqlSafe(s.sql);
        match self {
            Pools::Sqlite { readers, .. } => {
                bound!(sqlx::query_as::<_, T>(sql).persistent(false), args).fetch_all(readers).await
            }
            Pools::Postgres(pool) => bound!(sqlx::query_as::<_, T>(sql).persistent(false), args).fetch_all(pool).await,
        }
        .map_err(|e| StoreError::from_sqlx(e, s.what, false))
    }

    pub(crate) async fn one<T: Row>(&self, s: Statement, args: &[Arg<'_>]) -> Result<Option<T>, StoreError> {
        match self {
            Pools::Sqlite { readers, .. } => bound!(sqlx::query_as::<_, T>(s.sql), args).fetch_optional(readers).await,
            Pools::Postgres(pool) => bound!(sqlx::query_as::<_, T>(s.sql), args).fetch_optional(pool).await,
        }
        .map_err(|e| s.failed(e))
    }

    /// Begins a write. SQLite takes the write lock at once, so a later statement cannot meet `SQLITE_BUSY`.
    pub(crate) async fn begin_write(&self) -> Result<Tx, StoreError> {
        match self {
            Pools::Sqlite { writer, .. } => writer.begin_with("BEGIN IMMEDIATE").await.map(Tx::Sqlite),
            Pools::Postgres(pool) => pool.begin().await.map(Tx::Postgres),
        }
        .map_err(|e| StoreError::from_sqlx(e, "transaction", false))
    }

    /// Begins a read of one consistent snapshot.
    pub(crate) async fn begin_snapshot(&self) -> Result<Tx, StoreError> {
        match self {
            Pools::Sqlite { readers, .. } => readers.begin().await.map(Tx::Sqlite),
            Pools::Postgres(pool) => {
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map(Tx::Postgres)
            }
        }
        .map_err(|e| StoreError::from_sqlx(e, "transaction", false))
    }
}

/// One transaction; dropped without [`Tx::commit`] it is rolled back.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
    /// Of a batch, whose transaction it is within.
    Part(Box<crate::batch::Part>),
}

/// What makes parts of a transaction; the same words in both databases.
pub(crate) mod savepoint {
    use super::Statement;

    const fn words(name: &'static str, sql: &'static str) -> Statement {
        Statement { name, what: "transaction", sql, bare: None }
    }

    pub(crate) const BEGIN_PART: Statement = words("BEGIN_PART", "SAVEPOINT part");
    pub(crate) const UNDO_PART: Statement = words("UNDO_PART", "ROLLBACK TO SAVEPOINT part");
    pub(crate) const END_PART: Statement = words("END_PART", "RELEASE SAVEPOINT part");
    pub(crate) const BEGIN_STEP: Statement = words("BEGIN_STEP", "SAVEPOINT step");
    pub(crate) const UNDO_STEP: Statement = words("UNDO_STEP", "ROLLBACK TO SAVEPOINT step");
    pub(crate) const END_STEP: Statement = words("END_STEP", "RELEASE SAVEPOINT step");
}

impl Tx {
    pub(crate) async fn all<T: Row>(&mut self, s: Statement, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        match self {
            Tx::Sqlite(tx) => bound!(sqlx::query_as::<_, T>(s.sql), args).fetch_all(&mut **tx).await,
            Tx::Postgres(tx) => bound!(sqlx::query_as::<_, T>(s.sql), args).fetch_all(&mut **tx).await,
            Tx::Part(part) => return Box::pin(part.tx().all(s, args)).await,
        }
        .map_err(|e| s.failed(e))
    }

    pub(crate) async fn all_of<T: Row>(&mut self, s: Listed, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        let what = s.what;
        match self {
            Tx::Sqlite(tx) => bound!(sqlx::query_as::<_, T>(AssertSqlSafe(s.sql)), args).fetch_all(&mut **tx).await,
            Tx::Postgres(tx) => bound!(sqlx::query_as::<_, T>(AssertSqlSafe(s.sql)), args).fetch_all(&mut **tx).await,
            Tx::Part(part) => return Box::pin(part.tx().all_of(s, args)).await,
        }
        .map_err(|e| StoreError::from_sqlx(e, what, false))
    }

    pub(crate) async fn one<T: Row>(&mut self, s: Statement, args: &[Arg<'_>]) -> Result<Option<T>, StoreError> {
        match self {
            Tx::Sqlite(tx) => bound!(sqlx::query_as::<_, T>(s.sql), args).fetch_optional(&mut **tx).await,
            Tx::Postgres(tx) => bound!(sqlx::query_as::<_, T>(s.sql), args).fetch_optional(&mut **tx).await,
            Tx::Part(part) => return Box::pin(part.tx().one(s, args)).await,
        }
        .map_err(|e| s.failed(e))
    }

    /// Each row as two: what every row of the kind says, and the whole of it or why it cannot be read.
    pub(crate) async fn each<A: Row, B: Row>(
        &mut self,
        s: Statement,
        args: &[Arg<'_>],
    ) -> Result<Vec<(A, Result<B, StoreError>)>, StoreError> {
        match self {
            Tx::Sqlite(tx) => {
                let rows = bound!(sqlx::query(s.sql), args).fetch_all(&mut **tx).await.map_err(|e| s.failed(e))?;
                rows.iter().map(|row| split(s, row)).collect()
            }
            Tx::Postgres(tx) => {
                let rows = bound!(sqlx::query(s.sql), args).fetch_all(&mut **tx).await.map_err(|e| s.failed(e))?;
                rows.iter().map(|row| split(s, row)).collect()
            }
            Tx::Part(part) => Box::pin(part.tx().each(s, args)).await,
        }
    }

    /// Runs a statement; gives the number of rows it touched.
    pub(crate) async fn run(&mut self, s: Statement, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        match self {
            Tx::Sqlite(tx) => {
                let sql = s.bare.unwrap_or(s.sql);
                bound!(sqlx::query(sql), args).execute(&mut **tx).await.map(|r| r.rows_affected())
            }
            Tx::Postgres(tx) => bound!(sqlx::query(s.sql), args).execute(&mut **tx).await.map(|r| r.rows_affected()),
            Tx::Part(part) => return Box::pin(part.tx().run(s, args)).await,
        }
        .map_err(|e| s.failed(e))
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await,
            Tx::Postgres(tx) => tx.commit().await,
            Tx::Part(part) => return Box::pin(part.commit()).await,
        }
        .map_err(|e| StoreError::from_sqlx(e, "transaction", false))
    }
}

fn split<'r, R, A, B>(s: Statement, row: &'r R) -> Result<(A, Result<B, StoreError>), StoreError>
where
    R: sqlx::Row,
    A: FromRow<'r, R>,
    B: FromRow<'r, R>,
{
    Ok((A::from_row(row).map_err(|e| s.failed(e))?, B::from_row(row).map_err(|e| s.failed(e))))
}

/// A stored value that must have a meaning; `None` is a row that this program did not write.
pub(crate) fn stored<T>(what: &'static str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::Refused { why: format!("a stored {what} has no meaning to this program") })
}

/// Every row, translated.
pub(crate) fn translated<R, T: TryFrom<R, Error = StoreError>>(rows: Vec<R>) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(T::try_from).collect()
}

/// An instant as stored: microseconds since the Unix epoch.
pub(crate) fn micros(at: model::Instant) -> i64 {
    i64::try_from(at.unix_micros()).unwrap_or(i64::MAX)
}

/// A stored instant.
pub(crate) fn instant(micros: i64) -> model::Instant {
    model::Instant::from_unix_nanos(u64::try_from(micros).unwrap_or_default().saturating_mul(1_000))
}
