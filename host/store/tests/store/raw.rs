//! What the API would not write: SQL as it is, past every rule of the store's.

use crate::fixture::Place;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Executor, FromRow, PgConnection, SqliteConnection};

/// A connection of somebody who knows no rules but the database's.
pub enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    pub async fn open(place: &Place) -> Raw {
        if place.db.backend() == "sqlite" {
            Raw::Sqlite(SqliteConnection::connect(&place.url).await.unwrap())
        } else {
            Raw::Postgres(PgConnection::connect(&place.url).await.unwrap())
        }
    }

    /// Whether the database took it.
    pub async fn took(&mut self, sql: &str) -> bool {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Raw::Sqlite(connection) => connection.execute(sql).await.is_ok(),
            Raw::Postgres(connection) => connection.execute(sql).await.is_ok(),
        }
    }

    pub async fn run(&mut self, sql: &str) {
        assert!(self.took(sql).await, "{sql}");
    }

    pub async fn count(&mut self, sql: &str) -> i64 {
        self.one(sql).await
    }

    /// The one value that there is.
    pub async fn one<T>(&mut self, sql: &str) -> T
    where
        T: Send + Unpin,
        (T,): for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>,
    {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Raw::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
            Raw::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
        }
    }
}
