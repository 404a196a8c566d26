//! `trace CALL`: a call as a ladder, with every plugin that was asked about it.

use super::remote::{Remote, json};
use super::table::text;
use crate::exit::Failure;
use serde_json::Value;
use std::fmt::Write as _;

pub(super) async fn run(remote: &Remote, call: &str) -> Result<String, Failure> {
    super::calls::check_id(call)?;
    let trace = remote.get(&format!("/calls/{call}/trace"), &[]).await?;
    Ok(if remote.json { json(&trace) } else { ladder(&trace) })
}

/// What happened, in order of time. Instants are RFC 3339 with a fixed number of digits, so their texts sort like they.
pub(crate) fn ladder(trace: &Value) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    let list = |name: &str| trace.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for leg in list("legs") {
        let (no, caller, callee) = (text(&leg, "leg"), text(&leg, "caller"), text(&leg, "callee"));
        let (from, to) = if no == "0" { (caller, "switch".to_owned()) } else { ("switch".to_owned(), callee.clone()) };
        let mut at = |field: &str, arrow: String| {
            let when = text(&leg, field);
            if when != "-" {
                lines.push((when, arrow));
            }
        };
        at("started_at", format!("{from} --> {to}   INVITE {callee} (leg {no})"));
        at("ringing_at", format!("{from} <-- {to}   180 (leg {no})"));
        at("answered_at", format!("{from} <-- {to}   200 (leg {no})"));
        let (cause, sip, by) = (text(&leg, "cause"), text(&leg, "sip_status"), text(&leg, "ended_by"));
        let cost = match text(&leg, "charge.cost") {
            cost if cost == "-" => String::new(),
            cost => format!(", {cost} {}", text(&leg, "charge.currency")),
        };
        at(
            "ended_at",
            format!("{from} --x {to}   {cause}, {sip}, by {by}, {} ms{cost} (leg {no})", text(&leg, "billed_ms")),
        );
    }
    for question in list("questions") {
        let (asked, callee) = (text(&question, "asked"), text(&question, "callee"));
        let mut said = format!("plugins asked: {asked} {callee}");
        for hook in question.get("hooks").and_then(Value::as_array).into_iter().flatten() {
            let (binding, plugin) = (text(hook, "binding"), text(hook, "plugin"));
            let _ = write!(said, "\n{:28}|  {binding} ({plugin}): {}", "", text(hook, "outcome"));
            let warm = if hook.get("warm") == Some(&Value::Bool(true)) { ", warm" } else { "" };
            let _ = write!(said, "  [{} us{warm}]", text(hook, "took_us"));
        }
        let _ = write!(said, "\n{:28}=> {}", "", text(&question, "decision"));
        lines.push((text(&question, "at"), said));
    }
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = format!("Call {}\n", text(trace, "call"));
    for (at, line) in lines {
        let _ = writeln!(out, "{at:28}{line}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_is_told_in_order_of_time() {
        let trace = json!({
            "call": "07",
            "questions": [{ "at": "2026-01-01T00:00:00.002Z", "asked": "route", "callee": "7", "decision": "connect account 1002",
                "hooks": [{ "binding": "forwards", "plugin": "forwards@0.1.0", "outcome": "next", "took_us": 12, "warm": false },
                    { "binding": "asks", "plugin": "asks@0.1.0", "outcome": "connect", "took_us": 9, "warm": true }] }],
            "legs": [
                { "leg": 1, "caller": "1001", "callee": "1002", "started_at": "2026-01-01T00:00:00.003Z", "ringing_at": null,
                  "answered_at": "2026-01-01T00:00:02.000Z", "ended_at": "2026-01-01T00:00:05.000Z", "cause": "normal-clearing",
                  "sip_status": 200, "ended_by": "caller", "billed_ms": 3000 },
                { "leg": 0, "caller": "1001", "callee": "7", "started_at": "2026-01-01T00:00:00.001Z", "ringing_at": null,
                  "answered_at": null, "ended_at": "2026-01-01T00:00:05.001Z", "cause": "normal-clearing", "sip_status": 200,
                  "ended_by": "caller", "billed_ms": 0 }
            ]
        });
        let expected = "\
Call 07
2026-01-01T00:00:00.001Z    1001 --> switch   INVITE 7 (leg 0)
2026-01-01T00:00:00.002Z    plugins asked: route 7
                            |  forwards (forwards@0.1.0): next  [12 us]
                            |  asks (asks@0.1.0): connect  [9 us, warm]
                            => connect account 1002
2026-01-01T00:00:00.003Z    switch --> 1002   INVITE 1002 (leg 1)
2026-01-01T00:00:02.000Z    switch <-- 1002   200 (leg 1)
2026-01-01T00:00:05.000Z    switch --x 1002   normal-clearing, 200, by caller, 3000 ms (leg 1)
2026-01-01T00:00:05.001Z    1001 --x switch   normal-clearing, 200, by caller, 0 ms (leg 0)
";
        assert_eq!(ladder(&trace), expected);
    }
}
