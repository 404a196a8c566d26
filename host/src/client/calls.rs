//! `call list`, `call make`, `call hangup`, `cdr list`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli::{Call, Cdr};
use crate::exit::Failure;
use serde_json::Value;

pub(super) async fn call(remote: &Remote, command: &Call) -> Result<String, Failure> {
    match command {
        Call::List { company, account } => {
            let mut query = super::rules::of_company(remote, company.as_deref()).await?;
            query.extend(account.map(|account| ("account", account.to_string())));
            let calls = remote.list("/calls", &query, usize::MAX).await?;
            if remote.json {
                return Ok(json(&Value::Array(calls)));
            }
            let heads = ["CALL", "FROM", "TO", "STATE", "APP", "STARTED", "ANSWERED"];
            let fields = ["id", "caller", "callee", "state", "app", "started_at", "answered_at"];
            Ok(table(&heads, &rows(&calls, &fields), "No calls."))
        }
        Call::Make { caller, to, company, name, auto_answer, ring } => {
            let company = remote.one("companies", company.as_deref()).await?;
            let body = serde_json::json!({
                "company": company, "caller": caller, "to": to, "name": name, "auto_answer": auto_answer, "ring_s": ring,
            });
            let made = remote.write(reqwest::Method::POST, "/calls", &body).await?;
            let id = text(&made, "id");
            Ok(if remote.json { json(&made) } else { format!("Call {id}: the phones of {caller} ring.\n") })
        }
        Call::Record { call, act, leg } => {
            check_id(call)?;
            let body = serde_json::json!({ "act": act.word(), "leg": leg });
            remote.write(reqwest::Method::POST, &format!("/calls/{call}/recording"), &body).await?;
            Ok(if remote.json { json(&Value::Null) } else { format!("Call {call}: {}.\n", act.word()) })
        }
        Call::Hangup { call } => {
            check_id(call)?;
            remote.write(reqwest::Method::DELETE, &format!("/calls/{call}"), &Value::Null).await?;
            Ok(if remote.json { json(&Value::Null) } else { format!("Call {call} is being ended.\n") })
        }
    }
}

/// Refuses what can be no call's id, before it stands in a path.
pub(super) fn check_id(call: &str) -> Result<(), Failure> {
    if call.is_empty() || !call.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::start(format!(
            "{call:?} is no call id: expected hex digits, as `strowger call list` and `strowger cdr list` print"
        )));
    }
    Ok(())
}

pub(super) async fn cdr(remote: &Remote, command: &Cdr) -> Result<String, Failure> {
    let Cdr::List(filter) = command;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let mut query: Vec<(&str, String)> = super::rules::of_company(remote, filter.company.as_deref()).await?;
    query.push(("limit", filter.limit.clamp(1, 500).to_string()));
    super::remote::which(&filter.which, &mut query)?;
    for (name, value) in [("call", &filter.call), ("from", &filter.from), ("until", &filter.until)] {
        if let Some(value) = value {
            query.push((name, value.clone()));
        }
    }
    let cdrs = remote.list("/cdrs", &query, limit).await?;
    if remote.json {
        return Ok(json(&Value::Array(cdrs)));
    }
    let heads = ["STARTED", "CALL", "LEG", "ROLE", "FROM", "TO", "BILLED_MS", "COST", "CAUSE", "SIP", "ENDED_BY"];
    let fields = [
        "started_at",
        "call",
        "leg",
        "role",
        "caller",
        "callee",
        "billed_ms",
        "charge.cost",
        "cause",
        "sip_status",
        "ended_by",
    ];
    Ok(table(&heads, &rows(&cdrs, &fields), "No CDRs."))
}
