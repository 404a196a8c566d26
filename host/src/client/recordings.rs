//! `recording list`, `recording fetch`, `recording remove`.

use super::remote::{Remote, json};
use super::table::{rows, table};
use crate::cli_recording::Recording;
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};

pub(super) async fn run(remote: &Remote, command: &Recording) -> Result<String, Failure> {
    match command {
        Recording::List { company, call } => {
            let mut query = Vec::new();
            if let Some(company) = company {
                query.push(("company", remote.one("companies", Some(company)).await?.to_string()));
            }
            query.extend(call.iter().map(|call| ("call", call.clone())));
            let recordings = remote.list("/recordings", &query, usize::MAX).await?;
            if remote.json {
                return Ok(json(&Value::Array(recordings)));
            }
            let heads = ["ID", "STARTED", "MS", "CALL", "LEG", "BY", "COMPANY", "BYTES"];
            let fields = ["id", "started_at", "length_ms", "call", "leg", "by", "company", "bytes"];
            Ok(table(&heads, &rows(&recordings, &fields), "No recordings."))
        }
        Recording::Fetch { recording, file } => {
            let bytes = remote.download(&format!("/recordings/{recording}/audio"), file).await?;
            Ok(if remote.json {
                json(&json!({ "file": file, "bytes": bytes }))
            } else {
                format!("Recording {recording} is in {} ({bytes} bytes).\n", file.display())
            })
        }
        Recording::Remove { recording } => {
            remote.write(Method::DELETE, &format!("/recordings/{recording}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Recording {recording} is gone.\n") })
        }
    }
}
