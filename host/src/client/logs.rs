//! `plugin logs`: what plugins wrote, and what they write.

use super::plugins::binding_id;
use super::remote::{Remote, json};
use super::table::text;
use crate::exit::Failure;
use serde_json::{Value, json};
use std::io::Write as _;

/// What a line of an event stream may be, in bytes.
const LINE_MAX: usize = 64 << 10;

pub(super) async fn run(remote: &Remote, binding: Option<&str>, lines: u16, follow: bool) -> Result<String, Failure> {
    let Some(binding) = binding else { return all(remote, lines).await };
    let id = binding_id(remote, binding).await?;
    let log = remote.get(&format!("/bindings/{id}/logs"), &[("limit", lines.to_string())]).await?;
    if !follow {
        return Ok(if remote.json { json(&log) } else { shown(&log, None) });
    }
    follow_on(remote, &id, log).await
}

/// The last lines of every binding, in order of time.
async fn all(remote: &Remote, lines: u16) -> Result<String, Failure> {
    let mut logs = Vec::new();
    for binding in remote.list("/bindings", &[], usize::MAX).await? {
        let path = format!("/bindings/{}/logs", text(&binding, "id"));
        // One that is not live has none.
        if let Ok(log) = remote.get(&path, &[("limit", lines.to_string())]).await {
            logs.push((text(&binding, "name"), log));
        }
    }
    if remote.json {
        let logs: Vec<Value> = logs.into_iter().map(|(name, log)| json!({ "binding": name, "log": log })).collect();
        return Ok(json(&Value::Array(logs)));
    }
    let mut out: Vec<(String, String)> = Vec::new();
    for (name, log) in &logs {
        for line in log["lines"].as_array().into_iter().flatten() {
            out.push((text(line, "at"), shown_line(line, Some(name))));
        }
    }
    out.sort();
    Ok(if out.is_empty() { "No lines.\n".to_owned() } else { out.into_iter().map(|(_, line)| line).collect() })
}

/// A binding's log for people.
fn shown(log: &Value, name: Option<&str>) -> String {
    let mut out: String = log["lines"].as_array().into_iter().flatten().map(|line| shown_line(line, name)).collect();
    if out.is_empty() {
        out = "No lines.\n".to_owned();
    }
    match log["dropped"].as_u64() {
        Some(dropped) if dropped > 0 => {
            out + &format!("{dropped} more were not kept: a plugin writes 50 lines at once and ten more each second.\n")
        }
        _ => out,
    }
}

/// One line. What a guest wrote has no control characters; what else stands there is ours.
fn shown_line(line: &Value, name: Option<&str>) -> String {
    let said = |field| text(line, field);
    let call = match said("call") {
        call if call == "-" || call.is_empty() => String::new(),
        call => format!("  call {call}"),
    };
    let name = name.map_or_else(String::new, |name| format!("{name} "));
    format!("{}  {:5}  {name}{}{call}  {}\n", said("at"), said("level"), said("plugin"), said("line"))
}

fn put(remote: &Remote, line: &Value) -> Result<(), Failure> {
    let text = if remote.json { format!("{line}\n") } else { shown_line(line, None) };
    let mut out = std::io::stdout().lock();
    // A reader that went away is the end of it.
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|_| Failure::refused("nobody reads it"))
}

/// Prints what there is and what comes, for as long as the switch tells.
async fn follow_on(remote: &Remote, id: &str, mut log: Value) -> Result<String, Failure> {
    loop {
        for line in log["lines"].as_array().into_iter().flatten() {
            put(remote, line)?;
        }
        let mut place = text(&log, "place");
        let query = [("log", id.to_owned()), ("after", place.clone())];
        let mut stream = remote.stream("/events", &query).await?;
        let mut waiting = Vec::new();
        while let Some(piece) = stream.next().await? {
            waiting.extend_from_slice(&piece);
            while let Some(end) = waiting.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = waiting.drain(..end + 2).collect();
                if let Some((number, line)) = heard(&String::from_utf8_lossy(&event)) {
                    place = number;
                    if let Some(line) = line {
                        put(remote, &line)?;
                    }
                }
            }
            if waiting.len() > LINE_MAX {
                return Err(Failure::refused("the switch's answer is not understood"));
            }
        }
        // It ended: lines were lost, or the switch ends it. What is there now is asked for; a switch that is gone says so.
        log = remote.get(&format!("/bindings/{id}/logs"), &[("after", place)]).await?;
    }
}

/// An event: its number, and the line that it tells.
fn heard(event: &str) -> Option<(String, Option<Value>)> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let number = field("id:")?.to_owned();
    if field("event:") != Some("plugin-log") {
        return Some((number, None));
    }
    let told: Value = serde_json::from_str(field("data:")?).ok()?;
    let about = &told["about"];
    let line = json!({ "at": told["at"], "level": about["level"], "plugin": about["plugin"],
        "company": told["company"], "call": told["call"], "line": about["line"] });
    Some((number, Some(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_as_it_is_listed_and_as_it_comes() {
        let listed = json!({ "at": "2026-11-23T08:00:00.000Z", "level": "info", "plugin": "lucky@0.1.0", "company": 1,
            "call": null, "line": "hello n=\"1\"" });
        let shown = "2026-11-23T08:00:00.000Z  info   lucky@0.1.0  hello n=\"1\"\n";
        assert_eq!(shown_line(&listed, None), shown);
        let event = format!(
            "event: plugin-log\nid: 7-3\ndata: {}\n\n",
            json!({ "kind": "plugin-log", "at": listed["at"], "brand": 1, "company": 1, "call": null,
                "about": { "binding": "lucky", "plugin": "lucky@0.1.0", "level": "info", "line": listed["line"] } })
        );
        let (number, line) = heard(&event).unwrap();
        assert_eq!((number.as_str(), shown_line(&line.unwrap(), None).as_str()), ("7-3", shown));
        assert_eq!(heard(": alive\n\n"), None);
        assert_eq!(heard("event: begin\nid: 7-0\ndata:\n\n"), Some(("7-0".to_owned(), None)));
    }
}
