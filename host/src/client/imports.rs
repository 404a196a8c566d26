//! `import` and `export` of the nouns that have them: files up and down, and the job between.

use super::jobs;
use super::remote::{Remote, json};
use super::table::text;
use crate::cli_import::{Export, How, Import, User};
use crate::exit::Failure;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// How often is asked how a job goes.
const ASK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn user(remote: &Remote, command: &User) -> Result<String, Failure> {
    match command {
        User::Import(import) => of_company(remote, "users", import).await,
        User::Export(export) => out(remote, "users", export).await,
    }
}

/// Takes a file of a company's things in.
pub(super) async fn of_company(remote: &Remote, of: &str, import: &Import) -> Result<String, Failure> {
    let company = remote.one("companies", import.company.as_deref()).await?;
    let query = vec![("of", of.to_owned()), ("company", company.to_string())];
    file_in(remote, query, &import.file, &import.how).await
}

/// Takes a file in.
pub(super) async fn file_in(
    remote: &Remote,
    mut query: Vec<(&str, String)>,
    file: &Path,
    how: &How,
) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|e| Failure::start(format!("cannot read {}: {e}", file.display())))?;
    query.extend([("dry_run", how.dry_run.to_string()), ("atomic", how.atomic.to_string())]);
    query.extend(how.columns.iter().map(|names| ("columns", names.clone())));
    let mut job = remote.upload("/imports", &query, bytes).await?;
    let path = format!("/jobs/{}", text(&job, "id"));
    if how.no_wait {
        return Ok(if remote.json { json(&job) } else { format!("Job {} takes it in.\n", text(&job, "id")) });
    }
    while !["done", "failed", "cancelled"].iter().any(|state| job["state"] == *state) {
        tokio::time::sleep(ASK_EVERY).await;
        job = remote.get(&path, &[]).await?;
    }
    ended(remote, &job).await
}

/// What became of a job; one that was not all right is a refusal, after its report.
async fn ended(remote: &Remote, job: &Value) -> Result<String, Failure> {
    let (state, faults) = (text(job, "state"), job["faults"].as_u64().unwrap_or_default());
    if state == "done" && faults == 0 && !remote.json {
        let result = &job["result"];
        let would = if result["dry_run"] == true { "would be " } else { "" };
        let (lines, added, changed) = (text(result, "lines"), text(result, "added"), text(result, "changed"));
        return Ok(format!("{lines} lines: {added} {would}added, {changed} {would}changed.\n"));
    }
    let shown = jobs::show(remote, job).await?;
    if state == "done" && faults == 0 {
        return Ok(shown);
    }
    let _ = std::io::stdout().lock().write_all(shown.as_bytes());
    Err(Failure::refused(match job["error"].as_str() {
        Some(error) => error.to_owned(),
        None if state == "done" => format!("{faults} lines are wrong; the others are in"),
        None => format!("the job is {state}"),
    }))
}

/// Writes a file of a company's things.
pub(super) async fn out(remote: &Remote, of: &str, export: &Export) -> Result<String, Failure> {
    let company = remote.one("companies", export.company.as_deref()).await?;
    file_out(remote, &format!("/exports/{of}?company={company}"), &export.file).await
}

/// Writes a file.
pub(super) async fn file_out(remote: &Remote, path: &str, file: &Path) -> Result<String, Failure> {
    let bytes = remote.download(path, file).await?;
    Ok(if remote.json {
        json(&json!({ "file": file, "bytes": bytes }))
    } else {
        format!("{} is written ({bytes} bytes).\n", file.display())
    })
}

/// A word as it stands in a query (RFC 3986 section 2.1).
pub(super) fn escaped(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    word.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
