//! `fax list`, `show`, `send`, `fetch`, `remove`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_fax::Fax;
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

pub(super) async fn run(remote: &Remote, command: &Fax) -> Result<String, Failure> {
    match command {
        Fax::List { asked, state, call } => {
            let state = state.iter().map(|state| ("state", state.clone()));
            let query: Vec<_> = state.chain(call.iter().map(|call| ("call", call.clone()))).collect();
            let faxes = remote.listed("/faxes", asked, &query).await?;
            if remote.json {
                return Ok(json(&Value::Array(faxes)));
            }
            let heads = ["ID", "MADE", "STATE", "FROM", "TO", "PAGES", "DONE", "TRIES", "COMPANY", "REASON"];
            let fields = ["id", "made_at", "state", "from", "to", "pages", "pages_done", "tries", "company", "reason"];
            Ok(table(&heads, &rows(&faxes, &fields), "No faxes."))
        }
        Fax::Show { fax } => {
            let shown = remote.get(&format!("/faxes/{fax}"), &[]).await?;
            if remote.json {
                return Ok(json(&shown));
            }
            let mut out = String::new();
            for field in [
                "id",
                "direction",
                "state",
                "from",
                "to",
                "call",
                "station",
                "pages",
                "pages_done",
                "t38",
                "reason",
                "bytes",
                "tries",
                "made_at",
                "due_at",
                "ended_at",
                "company",
                "brand",
            ] {
                let _ = writeln!(out, "{field:12}{}", text(&shown, field));
            }
            Ok(out)
        }
        Fax::Send { file, to, from, company } => send(remote, file, (to, from), company.as_deref()).await,
        Fax::Fetch { fax, file } => {
            let kind = if file.extension().is_some_and(|e| e.eq_ignore_ascii_case("pdf")) { "pdf" } else { "tiff" };
            let bytes = remote.download(&format!("/faxes/{fax}/{kind}"), file).await?;
            Ok(if remote.json {
                json(&json!({ "file": file, "bytes": bytes }))
            } else {
                format!("Fax {fax} is in {} ({bytes} bytes).\n", file.display())
            })
        }
        Fax::Remove { fax } => {
            remote.write(Method::DELETE, &format!("/faxes/{fax}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Fax {fax} is gone.\n") })
        }
    }
}

async fn send(
    remote: &Remote,
    file: &Path,
    (to, from): (&str, &str),
    company: Option<&str>,
) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|e| Failure::start(format!("cannot read {}: {e}", file.display())))?;
    let company = remote.one("companies", company).await?.to_string();
    let query = [("company", company), ("from", from.to_owned()), ("to", to.to_owned())];
    let queued = remote.upload("/faxes", &query, bytes).await?;
    if remote.json {
        return Ok(json(&queued));
    }
    let (id, pages) = (text(&queued, "id"), text(&queued, "pages"));
    Ok(format!("Fax {id} of {pages} pages to {to} is queued.\n"))
}
