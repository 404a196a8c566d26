//! `table list`, `load`, `import`, `export`, `remove`.

use super::imports;
use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli::Table;
use crate::exit::Failure;
use serde_json::Value;
use std::path::Path;

pub(super) async fn run(remote: &Remote, command: &Table) -> Result<String, Failure> {
    match command {
        Table::List(asked) => {
            let tables = remote.listed("/prefix-tables", asked, &[]).await?;
            if remote.json {
                return Ok(json(&Value::Array(tables)));
            }
            let fields = ["id", "name", "brand", "rows", "loaded_at", "digest"];
            Ok(table(&["ID", "NAME", "BRAND", "ROWS", "LOADED", "DIGEST"], &rows(&tables, &fields), "No tables."))
        }
        Table::Load { name, file, brand } => load(remote, name, file, brand.as_deref()).await,
        Table::Import { name, file, brand, replace, how } => {
            let brand = remote.one("brands", brand.as_deref()).await?.to_string();
            let query = vec![("of", "rates".to_owned()), ("brand", brand), ("table", name.clone())];
            let query = [query, vec![("replace", replace.to_string())]].concat();
            imports::file_in(remote, query, file, how).await
        }
        Table::Export { name, file, brand } => {
            let brand = remote.one("brands", brand.as_deref()).await?;
            let path = format!("/exports/rates?brand={brand}&table={}", imports::escaped(name));
            imports::file_out(remote, &path, file).await
        }
        Table::Remove { table } => {
            let id = remote.one("prefix-tables", Some(table)).await?;
            remote.write(reqwest::Method::DELETE, &format!("/prefix-tables/{id}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Table {table} is gone.\n") })
        }
    }
}

async fn load(remote: &Remote, name: &str, file: &Path, brand: Option<&str>) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|e| Failure::start(format!("cannot read {}: {e}", file.display())))?;
    let brand = remote.one("brands", brand).await?.to_string();
    let made = remote.upload("/prefix-tables", &[("name", name.to_owned()), ("brand", brand)], bytes).await?;
    if remote.json {
        return Ok(json(&made));
    }
    Ok(format!("Table {} is live with {} rows.\n", text(&made, "name"), text(&made, "rows")))
}
