//! What `plugin run` says: where it is, what the plugin logs, what became of calls.

use super::{APP_NUMBER, About};
use crate::client::{Remote, ladder};
use model::BindingId;
use serde_json::Value;
use shell::{Handle, Since};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// Lines or events that are taken in one go.
const BATCH_MAX: usize = 256;
/// How long nothing may come before it is asked again.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// A call's records are written a moment after its end.
const TRIES: u32 = 25;
/// How long that moment is.
const MOMENT: Duration = Duration::from_millis(200);

/// Prints a line, or several. Nobody can be told that standard output is gone.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}

/// How to register a phone, and what comes next.
pub(super) fn ready(about: &About, dir: &Path, phones: &[(String, String)]) {
    let mut text = format!("\n{} runs on a switch of its own.\n\n", dir.display());
    for address in &about.sip {
        text += &format!("  SIP       {address}\n");
    }
    text += &format!("  HTTP      {}\n", about.url);
    text += &format!("  Commands  strowger --client {} ...\n", about.client.display());
    let server = about.sip.first().and_then(|sip| sip.split_once(':')).map_or("", |(_, address)| address);
    text += &format!("\n  Register a phone at {server} (user, password)\n");
    for (user, password) in phones {
        text += &format!("    {user}  {password}\n");
    }
    text += &format!("\n  They call each other; {APP_NUMBER} is the plugin, where it is a call app.\n");
    text += "  Ctrl-C ends it, and nothing is left.\n";
    say(&text);
}

/// Tells what a binding's plugin logs from now on, until the binding goes.
pub(super) fn log(switch: &Handle, binding: BindingId) {
    let Some(log) = switch.plugins().log_of(binding) else { return };
    let weak = std::sync::Arc::downgrade(&log);
    let mut after = 0;
    drop(log);
    tokio::spawn(async move {
        while let Some(log) = weak.upgrade() {
            match log.since(after, BATCH_MAX) {
                Since::Lost(newest) => {
                    say("log   lines were lost: too many at once");
                    after = newest;
                }
                Since::Events(lines) => {
                    for (number, told) in lines {
                        let said = |name: &str| {
                            told.attrs.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value.as_str())
                        };
                        say(&format!("log   {:5} {}: {}", said("level"), said("binding"), said("line")));
                        after = number;
                    }
                }
            }
            log.comes(after, PATIENCE).await;
        }
    });
}

/// Tells of each call that it began, and at its end why it went where it went.
pub(super) fn calls(switch: Handle, remote: Remote) {
    tokio::spawn(async move {
        let mut after = switch.events().newest();
        loop {
            match switch.events().since(after, BATCH_MAX) {
                Since::Lost(newest) => after = newest,
                Since::Events(events) => {
                    for (number, told) in events {
                        after = number;
                        let Some(call) = told.call else { continue };
                        let said = |name: &str| {
                            told.attrs.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value.as_str())
                        };
                        match told.kind {
                            "call-started" => {
                                say(&format!("call  {call}: {} calls {}", said("caller"), said("callee")))
                            }
                            "call-ended" => explain(remote.clone(), call.to_string()),
                            _ => {}
                        }
                    }
                }
            }
            // Asked anew in time, so that events go on being kept.
            switch.events().comes(after, Duration::from_secs(60)).await;
        }
    });
}

/// Tells a call's whole story once it is written.
fn explain(remote: Remote, call: String) {
    tokio::spawn(async move {
        for _ in 0..TRIES {
            if let Ok(trace) = remote.get(&format!("/calls/{call}/trace"), &[]).await
                && trace["legs"]
                    .as_array()
                    .is_some_and(|legs| legs.iter().any(|leg| leg["leg"] == 0 && !ended(leg).is_null()))
            {
                return say(&ladder(&trace));
            }
            tokio::time::sleep(MOMENT).await;
        }
        say(&format!("call  {call}: it was not written what became of it"));
    });
}

fn ended(leg: &Value) -> &Value {
    &leg["ended_at"]
}
