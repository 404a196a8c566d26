//! `archive`.

use super::remote::{Remote, json, which as picked};
use super::table::{rows, table, text};
use crate::cli_archive::Archive;
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(super) async fn run(remote: &Remote, command: &Archive) -> Result<String, Failure> {
    match command {
        Archive::List { brand, kind, from, until, which, limit } => {
            let mut query = Vec::new();
            if let Some(brand) = brand {
                query.push(("brand", remote.one("brands", Some(brand)).await?.to_string()));
            }
            query.extend(kind.map(|kind| ("kind", kind.word().to_owned())));
            query.extend(from.iter().map(|from| ("from", from.clone())));
            query.extend(until.iter().map(|until| ("until", until.clone())));
            picked(which, &mut query)?;
            let archives = remote.list("/archives", &query, *limit).await?;
            if remote.json {
                return Ok(json(&Value::Array(archives)));
            }
            let heads = ["ID", "KIND", "BRAND", "RECORDS", "FIRST", "LAST", "BYTES", "NAME"];
            let fields = ["id", "kind", "brand", "rows", "first_at", "last_at", "bytes", "name"];
            Ok(table(&heads, &rows(&archives, &fields), "No archives."))
        }
        Archive::Show { archive } => {
            let shown = remote.get(&format!("/archives/{archive}"), &[]).await?;
            if remote.json {
                return Ok(json(&shown));
            }
            let fields = ["id", "name", "kind", "brand", "rows", "first_at", "last_at", "made_at", "bytes", "sha256"];
            let mut out = String::new();
            for field in fields {
                let _ = writeln!(out, "{field:10}{}", text(&shown, field));
            }
            Ok(out)
        }
        Archive::Fetch { archive, file } => {
            let bytes = remote.download(&format!("/archives/{archive}/file"), file).await?;
            Ok(if remote.json {
                json(&json!({ "file": file, "bytes": bytes }))
            } else {
                format!("Archive {archive} is in {} ({bytes} bytes).\n", file.display())
            })
        }
        Archive::Remove { archive } => {
            remote.write(Method::DELETE, &format!("/archives/{archive}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Archive {archive} is gone.\n") })
        }
    }
}
