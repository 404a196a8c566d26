//! `job list`, `show`, `file`, `cancel`, `retry`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_job::Job;
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Lines of a report that are shown.
const REPORT_MAX: usize = 1_000;

pub(super) async fn run(remote: &Remote, command: &Job) -> Result<String, Failure> {
    match command {
        Job::List { state, company, which, limit } => {
            let mut query: Vec<(&str, String)> = super::rules::of_company(remote, company.as_deref()).await?;
            query.extend(state.iter().map(|state| ("state", state.clone())));
            super::remote::which(which, &mut query)?;
            let jobs = remote.list("/jobs", &query, *limit).await?;
            if remote.json {
                return Ok(json(&Value::Array(jobs)));
            }
            let heads = ["ID", "KIND", "STATE", "DONE", "OF", "FAULTS", "TRIES", "ASKED", "BY", "ERROR"];
            let fields = ["id", "kind", "state", "done", "total", "faults", "tries", "made_at", "actor", "error"];
            Ok(table(&heads, &rows(&jobs, &fields), "No jobs."))
        }
        Job::Show { job } => {
            let shown = remote.get(&format!("/jobs/{job}"), &[]).await?;
            show(remote, &shown).await
        }
        Job::File { job, file } => super::imports::file_out(remote, &format!("/jobs/{job}/file"), file).await,
        Job::Cancel { job } => act(remote, *job, "cancel").await,
        Job::Retry { job } => act(remote, *job, "retry").await,
    }
}

async fn act(remote: &Remote, job: i64, act: &str) -> Result<String, Failure> {
    let job = remote.write(Method::POST, &format!("/jobs/{job}/{act}"), &Value::Null).await?;
    Ok(if remote.json { json(&job) } else { format!("Job {} is {}.\n", text(&job, "id"), text(&job, "state")) })
}

/// A job and its report.
pub(super) async fn show(remote: &Remote, job: &Value) -> Result<String, Failure> {
    let report = remote.list(&format!("/jobs/{}/report", text(job, "id")), &[], REPORT_MAX).await?;
    if remote.json {
        return Ok(json(&json!({ "job": job, "report": report })));
    }
    let mut out = String::new();
    let fields = [
        "id",
        "kind",
        "state",
        "asked",
        "actor",
        "made_at",
        "started_at",
        "ended_at",
        "tries",
        "done",
        "total",
        "faults",
        "result",
        "error",
    ];
    for field in fields {
        let _ = writeln!(out, "{field:<12}{}", text(job, field));
    }
    if !report.is_empty() {
        out.push('\n');
        out += &table(&["LINE", "FIELD", "DETAIL"], &rows(&report, &["line", "field", "detail"]), "");
    }
    Ok(out)
}
