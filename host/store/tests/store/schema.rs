//! The two schemas are one, and every statement is good on both.

use crate::fixture::Place;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use std::collections::{BTreeMap, BTreeSet};
use store::{MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE};

#[test]
fn both_databases_have_the_same_migration_steps_and_all_are_built_in() {
    let built_in = |m: &sqlx::migrate::Migrator| -> Vec<String> {
        m.iter().map(|m| format!("{:04}_{}.sql", m.version, m.description.replace(' ', "_"))).collect()
    };
    let on_disk = |kind: &str| -> BTreeSet<String> {
        let dir = format!("{}/migrations/{kind}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let sqlite = built_in(&MIGRATIONS_SQLITE);
    assert_eq!(sqlite, built_in(&MIGRATIONS_POSTGRES));
    assert_eq!(sqlite, on_disk("sqlite").into_iter().collect::<Vec<_>>());
    assert_eq!(sqlite, on_disk("postgres").into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_sqlite() {
    let place = Place::sqlite().await;
    let pool = sqlx::SqlitePool::connect(&place.url).await.unwrap();
    for (module, statement) in store::statements() {
        let prepared = (&pool).prepare(statement.sql().into_sql_str()).await;
        prepared.unwrap_or_else(|e| panic!("{module}::{}: {e}\n{}", statement.name(), statement.sql()));
    }
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_postgres() {
    let Some(place) = Place::postgres().await else { return };
    let pool = sqlx::PgPool::connect(&place.url).await.unwrap();
    for (module, statement) in store::statements() {
        let prepared = (&pool).prepare(statement.sql().into_sql_str()).await;
        prepared.unwrap_or_else(|e| panic!("{module}::{}: {e}\n{}", statement.name(), statement.sql()));
    }
}

/// Every module with statements is in the registry, and no SQL runs past it.
#[test]
fn no_statement_hides() {
    let registered: BTreeSet<&str> = store::statements().map(|(module, _)| module).collect();
    let src = format!("{}/src", env!("CARGO_MANIFEST_DIR"));
    let mut declaring = BTreeSet::new();
    for dir in [src.clone(), format!("{src}/nouns"), format!("{src}/outbox")] {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".rs")) else {
                continue;
            };
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains("\nstatements! {") {
                declaring.insert(name.to_owned());
            }
            // Copying a whole database knows tables by its schema only.
            assert!(
                ["sql", "copy"].contains(&name) || !text.contains("sqlx::query"),
                "{} runs SQL of its own",
                path.display()
            );
        }
    }
    assert_eq!(declaring.iter().map(String::as_str).collect::<BTreeSet<_>>(), registered);
}

/// Tenant first: a statement on tenant rows that does not look at the scope is a leak. The exceptions say why.
#[test]
fn every_statement_on_tenant_rows_looks_at_the_scope() {
    const UNSCOPED: &[(&str, &str, &str)] = &[
        ("archives", "OLDEST_CDR", "the switch archives for every tenant"),
        ("archives", "OLDEST_EXPLANATION", "the switch archives for every tenant"),
        ("archives", "ADD", "the switch archives for every tenant"),
        ("bindings", "TRIAL_OVER", "the switch ends the trial of whichever binding does worse"),
        ("audit", "INSERT", "it writes down what was done, whoever did it"),
        ("audit", "FINISH", "it is the line that this act wrote itself"),
        ("binding_secrets", "EVERY", "the switch binds what every tenant has"),
        ("brands", "CREATE", "only the platform's operator gets that far"),
        ("brands", "DELETE", "only the platform's operator gets that far"),
        ("cdrs", "INSERT", "the outbox writes for every tenant"),
        ("cdrs", "INSERT_MANY", "the outbox writes for every tenant"),
        ("cdrs", "INSERT_SOME", "the outbox writes for every tenant"),
        ("explanations", "INSERT", "the switch writes for every tenant"),
        ("identities", "EVERY", "the switch signs for every brand"),
        ("idempotency", "FORGET", "old keys are forgotten whosever they were"),
        ("idempotency", "BEGIN", "a key is found by its own sender only"),
        ("idempotency", "FIND", "a key is found by its own sender only"),
        ("idempotency", "COMMIT", "a key is found by its own sender only"),
        ("idempotency", "FINISH", "a key is found by its own sender only"),
        ("idempotency", "DROP", "a key is found by its own sender only"),
        ("jobs", "CREATE", "the scope of the job is checked against the asker's before"),
        ("logins", "FORGET", "logins that ended are forgotten whosever they were"),
        ("logins", "CREATE", "the person was found in scope, or by the password, before"),
        ("logins", "SPARE", "the person was found in scope, or by the password, before"),
        ("logins", "ADD_REFRESH", "of a login that was just opened or refreshed"),
        ("logins", "USE_REFRESH", "the token itself is the right"),
        ("logins", "REFRESH_LOGIN", "the token itself is the right"),
        ("logins", "EXTEND", "of the refresh token that was just used"),
        ("logins", "END", "of a refresh token that was used twice"),
        ("logins", "END_ALL", "the person was found in scope before"),
        ("mail_hosts", "OF_SCOPE", "the switch sends for every tenant"),
        ("mail_hosts", "PUT", "the brand was found in scope, or the platform's operator asked, before"),
        ("people", "CREATE", "the scope of the person is checked against the maker's before"),
        ("people", "OF_LOGIN", "it finds out who asks"),
        ("people", "BRAND_NAMED", "it finds out who asks"),
        ("people", "COMPANY_AT", "it finds out who asks"),
        ("plugin_keys", "LOAD", "the switch reads every bucket when it starts"),
        ("plugin_keys", "PUT", "the switch writes every bucket, each with its scope in its key"),
        ("plugins", "GRANT", "only the platform's operator gets that far"),
        ("plugins", "INSTALL", "the owner is checked against the scope before"),
        ("prefix_tables", "BODY", "the feed loads what every tenant has"),
        ("prefix_tables", "EVERY", "the feed loads what every tenant has"),
        ("settlements", "ADD", "the outbox writes for every tenant"),
        ("recordings", "ADD", "the node that made the recording notes it"),
        ("recordings", "BY_NAME", "the node looks whose a file of its own is"),
        ("recordings", "ENCODED", "the node encodes for every tenant"),
        ("recordings", "LEFT_AS_IT_IS", "the node encodes for every tenant"),
        ("recordings", "OLDER", "the node sweeps for every tenant"),
        ("recordings", "ORPHANS", "the node sweeps for every tenant"),
        ("recordings", "SURPLUS", "the node sweeps for every tenant"),
        ("recordings", "TO_ENCODE", "the node encodes for every tenant"),
        ("recordings", "TO_UPLOAD", "the node uploads for every tenant"),
        ("recordings", "UPLOADED", "the node uploads for every tenant"),
        ("settlements", "CHARGE", "the switch settles for every tenant"),
        ("settlements", "COUNT", "the switch counts for its metrics"),
        ("settlements", "DONE", "the switch settles for every tenant"),
        ("settlements", "FORGET", "the switch forgets for every tenant"),
        ("settlements", "DUE", "the switch settles for every tenant"),
        ("settlements", "LATER", "the switch settles for every tenant"),
        ("settlements", "NEXT", "the switch settles for every tenant"),
        ("timetables", "CREATE", "the scope of the timetable is checked against the asker's before"),
        ("timetables", "DUE", "whoever does jobs does every tenant's"),
        ("timetables", "NEXT", "whoever does jobs does every tenant's"),
        ("timetables", "TAKE", "whoever does jobs does every tenant's"),
        ("timetables", "THIN", "whoever does jobs does every tenant's"),
        ("timetables", "START", "whoever does jobs does every tenant's"),
        ("timetables", "SKIP", "whoever does jobs does every tenant's"),
        ("tokens", "CREATE", "the scope of the token is checked against the maker's before"),
        ("tokens", "PUT", "the scope of the token is checked against the maker's before"),
        (
            "trunks",
            "FOREIGN_SOURCES",
            "an address can be one brand's only: those of the others are compared, never shown",
        ),
        (
            "trunks",
            "FOREIGN_DIRECTS",
            "an address can be one brand's only: those of the others are compared, never shown",
        ),
        ("tokens", "BY_HASH", "it finds out who asks"),
    ];
    let mut leaks = Vec::new();
    for (module, statement) in store::statements() {
        // The feed serves every tenant of the node, and the ledger each of its calls' company; the seed makes one fixed
        // tenant; whoever does jobs, or sends mail or faxes, does every tenant's. Of a mailbox the account is found in its brand and company first, and the rest goes by its row; the
        // node sweeps for every tenant.
        if module == "feed"
            || module == "news"
            || module == "ledger"
            || module == "seed"
            || module == "job_runs"
            || (module == "faxes" && !["GET", "DELETE", "QUEUE", "WAITING"].contains(&statement.name()))
            || (module == "mails" && !["LIST", "GET", "RETRY", "DELETE"].contains(&statement.name()))
            || (module == "voice_boxes" && statement.name() != "OWNER")
            || UNSCOPED.iter().any(|(m, s, _)| (*m, *s) == (module, statement.name()))
        {
            continue;
        }
        let sql = statement.sql();
        let scoped = sql.contains("CAST($1 AS BIGINT)") || sql.contains("brand_id = $1");
        if !scoped {
            leaks.push(format!("{module}::{} does not look at the scope: {sql}", statement.name()));
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

type Columns = BTreeMap<String, BTreeSet<String>>;

/// Tables with their columns as `name type null?`, primary keys, unique indexes and foreign keys, in common words.
async fn sqlite_schema(url: &str) -> Columns {
    let pool = sqlx::SqlitePool::connect(url).await.unwrap();
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '_sqlx%'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut schema = Columns::new();
    for (table,) in tables {
        let of = schema.entry(table.clone()).or_default();
        let ask = |what: &str| AssertSqlSafe(what.replace("TABLE", &table));
        let columns: Vec<(String, String, bool, i64)> =
            sqlx::query_as(ask("SELECT name, type, \"notnull\", pk FROM pragma_table_info('TABLE')"))
                .fetch_all(&pool)
                .await
                .unwrap();
        for (name, kind, not_null, key) in columns {
            let kind = match kind.as_str() {
                "INTEGER" | "BIGINT" => "int",
                "TEXT" => "text",
                "BLOB" => "bytes",
                "BOOLEAN" => "bool",
                other => panic!("{table}.{name}: unexpected type {other}"),
            };
            of.insert(format!("{name} {kind}{}", if not_null { "" } else { " null" }));
            if key > 0 {
                of.insert(format!("key {key} {name}"));
            }
        }
        let foreign: Vec<(i64, String, String, String)> =
            sqlx::query_as(ask("SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list('TABLE')"))
                .fetch_all(&pool)
                .await
                .unwrap();
        for (_, target, from, to) in foreign {
            of.insert(format!("{from} -> {target}.{to}"));
        }
    }
    let indexes: Vec<(String, String)> =
        sqlx::query_as("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            .fetch_all(&pool)
            .await
            .unwrap();
    for (table, sql) in indexes {
        schema.get_mut(&table).unwrap().insert(plain_index(&sql));
    }
    schema
}

/// Table, kind, place, column, and for a foreign key the table and column it names.
type Key = (String, String, i32, String, Option<String>, Option<String>);

async fn postgres_schema(url: &str) -> Columns {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let mut schema = Columns::new();
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES'
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    for (table, name, kind, null) in columns {
        let kind = match kind.as_str() {
            "bigint" => "int",
            "text" => "text",
            "bytea" => "bytes",
            "boolean" => "bool",
            other => panic!("{table}.{name}: unexpected type {other}"),
        };
        schema.entry(table).or_default().insert(format!("{name} {kind}{}", if null { " null" } else { "" }));
    }
    // Keys and references, column by column in order.
    let keys: Vec<Key> = sqlx::query_as(
        "SELECT t.relname::text, c.contype::text, k.n::int, a.attname::text, f.relname::text, fa.attname::text
         FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
         CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k(col, n)
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.col
         LEFT JOIN pg_class f ON f.oid = c.confrelid
         LEFT JOIN pg_attribute fa ON fa.attrelid = c.confrelid AND fa.attnum = c.confkey[k.n]
         WHERE c.contype IN ('p', 'f') AND c.connamespace = 'public'::regnamespace AND t.relname NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    for (table, kind, n, column, target, to) in keys {
        let of = schema.get_mut(&table).unwrap();
        match (kind.as_str(), target, to) {
            ("f", Some(target), Some(to)) => of.insert(format!("{column} -> {target}.{to}")),
            _ => of.insert(format!("key {n} {column}")),
        };
    }
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT tablename::text, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '\\_sqlx%'
         AND indexname NOT LIKE '%\\_pkey'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    for (table, sql) in indexes {
        schema.get_mut(&table).unwrap().insert(plain_index(&sql));
    }
    schema
}

/// `unique name(columns)` of a `CREATE INDEX`.
fn plain_index(sql: &str) -> String {
    let sql = sql.replace("public.", "").replace(" USING btree", "").replace("::bigint", "").replace("(0)", "0");
    let unique = if sql.contains("UNIQUE") { "unique " } else { "" };
    let name = sql.split("INDEX ").nth(1).unwrap().split(' ').next().unwrap();
    let columns: String = sql[sql.find('(').unwrap()..].chars().filter(|c| !c.is_whitespace()).collect();
    // PostgreSQL writes conditions in brackets, and with types.
    let (columns, when) = columns.split_once("WHERE").unwrap_or((&columns, ""));
    let when = when.to_lowercase().replace("::text", "").replace(['(', ')'], "");
    format!("{unique}index {name}{columns}{when}")
}

#[tokio::test]
async fn both_databases_have_the_same_tables_keys_and_indexes() {
    let Some(postgres) = Place::postgres().await else { return };
    let sqlite = Place::sqlite().await;
    let (sqlite, postgres) = (sqlite_schema(&sqlite.url).await, postgres_schema(&postgres.url).await);
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), postgres.keys().collect::<Vec<_>>());
    for (table, columns) in &sqlite {
        assert_eq!(columns, &postgres[table], "table {table}");
    }
}

#[test]
fn both_databases_have_the_same_checks() {
    let checks = |kind: &str| -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for entry in std::fs::read_dir(format!("{}/migrations/{kind}", env!("CARGO_MANIFEST_DIR"))).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            all.extend(
                text.lines()
                    .filter(|l| !l.contains("DROP CONSTRAINT ") && !l.contains("CONSTRAINT TRIGGER "))
                    .filter_map(|l| l.split_once("CONSTRAINT "))
                    .map(|(_, c)| c.trim_end_matches([',', ';']).to_owned()),
            );
        }
        all
    };
    let sqlite = checks("sqlite");
    assert!(sqlite.len() > 20);
    assert_eq!(sqlite, checks("postgres"));
}
