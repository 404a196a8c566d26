//! `strowger db`: the database by itself, beside a running switch or without one.

use crate::cli_person::{Database, Which};
use crate::config::{self, Config};
use crate::exit::Failure;
use serde_json::json;
use store::{Content, Db, StoreError};

/// Does it; gives what to print.
pub(crate) async fn run(command: &Database, as_json: bool) -> Result<String, Failure> {
    let refused = |error: StoreError| Failure::refused(error.to_string());
    let (done, content) = match command {
        Database::Check { which } => ("The database is whole", store::look(&url(which)?).await.map_err(refused)?),
        Database::Migrate { which } => {
            let url = url(which)?;
            Db::open(&url).await.map_err(refused)?.close().await;
            ("The schema is up to date", store::look(&url).await.map_err(refused)?)
        }
        Database::Backup { file, which } => {
            ("The backup is written", store::backup(&url(which)?, file).await.map_err(refused)?)
        }
        Database::Restore { file, which } => {
            ("The backup is restored", store::restore(file, &url(which)?).await.map_err(refused)?)
        }
    };
    if let Some(fault) = content.faults.first() {
        let more = content.faults.len() - 1;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        return Err(Failure::refused(format!("the database is broken: {fault}{more}")));
    }
    Ok(if as_json { machine(&content) } else { people(done, &content) })
}

fn url(which: &Which) -> Result<String, Failure> {
    let Some(path) = &which.config else { return Ok(which.store.clone().unwrap_or_default()) };
    config::read(path).map_err(Failure::start).map(|config: Config| config.store_url())
}

fn machine(content: &Content) -> String {
    let tables: serde_json::Map<_, _> = content.tables.iter().map(|(name, rows)| (name.clone(), json!(rows))).collect();
    format!("{:#}\n", json!({ "schema": content.schema, "tables": tables }))
}

fn people(done: &str, content: &Content) -> String {
    let rows = content.tables.iter().filter(|(_, rows)| *rows > 0);
    let lines: String = rows.map(|(name, rows)| format!("{name:20}  {rows}\n")).collect();
    format!("{lines}{done}: schema {}.\n", content.schema)
}
