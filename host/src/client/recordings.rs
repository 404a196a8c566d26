//! `recording list`, `recording fetch`, `recording remove`.

use super::remote::{Remote, json};
use super::table::{rows, table};
use crate::cli_recording::Recording;
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};

pub(super) async fn run(remote: &Remote, command: &Recording) -> Result<String, Failure> {
    match command {
        Recording::List { asked, call } => {
            let call: Vec<_> = call.iter().map(|call| ("call", call.clone())).collect();
            let recordings = remote.listed("/recordings", asked, &call).await?;
            if remote.json {
                return Ok(json(&Value::Array(recordings)));
            }
            let heads = ["ID", "STARTED", "MS", "CALL", "LEG", "BY", "COMPANY", "BYTES", "FORMAT"];
            let fields = ["id", "started_at", "length_ms", "call", "leg", "by", "company", "bytes", "format"];
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
