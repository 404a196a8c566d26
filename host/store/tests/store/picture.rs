//! The schema drawn: `host/docs/schema.md` is written from the migrations, and this test fails when it is not as they are.
//! `UPDATE_EXPECT=1 cargo test --workspace --exclude purity --test store -- picture` writes it.

use crate::fixture::Place;
use sqlx::{AssertSqlSafe, SqlitePool};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// A foreign key: its number within its table, the table it names, from which column to which.
type Foreign = (i64, String, String, String);

async fn tables(pool: &SqlitePool) -> Vec<String> {
    let sql =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '_sqlx%'
        ORDER BY name";
    sqlx::query_as::<_, (String,)>(sql).fetch_all(pool).await.unwrap().into_iter().map(|(name,)| name).collect()
}

/// The entity of a table: its columns with their keys.
async fn entity(pool: &SqlitePool, table: &str, foreign: &[Foreign]) -> String {
    let sql = format!("SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}') ORDER BY cid");
    let columns: Vec<(String, String, bool, i64)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
    let mut out = format!("    {table} {{\n");
    for (name, kind, not_null, key) in columns {
        let kind = match kind.as_str() {
            "INTEGER" | "BIGINT" => "int",
            "TEXT" => "text",
            "BLOB" => "bytes",
            "BOOLEAN" => "bool",
            other => panic!("{table}.{name}: unexpected type {other}"),
        };
        let names = foreign.iter().any(|(_, _, from, _)| *from == name);
        let keys: Vec<&str> = [(key > 0, "PK"), (names, "FK")].iter().filter(|(is, _)| *is).map(|(_, k)| *k).collect();
        let keys = if keys.is_empty() { String::new() } else { format!(" {}", keys.join(",")) };
        let null = if not_null || key > 0 { "" } else { " \"or null\"" };
        writeln!(out, "        {kind} {name}{keys}{null}").unwrap();
    }
    out.push_str("    }\n");
    out
}

async fn picture(pool: &SqlitePool) -> String {
    let mut out = "# The database, drawn\n\nWritten from the migrations by the test `picture` of the store, which fails when this page is not as they are. Both\n\
        databases have the same tables, keys and checks. A line says which columns name what; those that keep brand and\n\
        company together name both.\n\n```mermaid\nerDiagram\n".to_owned();
    let mut lines = BTreeSet::new();
    for table in tables(pool).await {
        let sql =
            format!("SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list('{table}') ORDER BY id, seq");
        let foreign: Vec<Foreign> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
        out.push_str(&entity(pool, &table, &foreign).await);
        let keys: BTreeSet<i64> = foreign.iter().map(|(id, ..)| *id).collect();
        for key in keys {
            let of: Vec<&Foreign> = foreign.iter().filter(|(id, ..)| *id == key).collect();
            let columns: Vec<&str> = of.iter().map(|(_, _, from, _)| from.as_str()).collect();
            lines.insert(format!("    {} ||--o{{ {table} : \"{}\"\n", of[0].1, columns.join(", ")));
        }
    }
    out.extend(lines);
    out.push_str("```\n");
    out
}

#[tokio::test]
async fn the_picture_of_the_schema_is_as_the_migrations_are() {
    let place = Place::sqlite().await;
    let pool = SqlitePool::connect(&place.url).await.unwrap();
    let drawn = picture(&pool).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("UPDATE_EXPECT").is_some() && kept != drawn {
        std::fs::write(&path, &drawn).unwrap();
        return;
    }
    assert!(kept == drawn, "host/docs/schema.md is not as the migrations are: UPDATE_EXPECT=1 writes it");
}
