//! SUBSCRIBE, PUBLISH and MESSAGE of a phone made of strings, and NOTIFYs in a few words.
//!
//! ```text
//! alice > SUBSCRIBE 1002 dialog expires=600 list
//! alice > SUBSCRIBE again dialog expires=0
//! alice > PUBLISH open expires=600
//! alice > PUBLISH again busy
//! alice > MESSAGE 1002 hello
//! ```

use crate::party::{Party, field};

/// A request of `party` outside a dialog, or one that goes on with what was granted last (`again`).
pub(crate) fn request(party: &mut Party, method: &str, words: &[&str]) -> String {
    party.cseq += 1;
    let (target, rest) = words.split_first().unwrap_or((&"", &[]));
    let again = *target == "again" || (method == "PUBLISH" && rest.contains(&"again"));
    let granted = party.granted.clone().filter(|_| again).unwrap_or_default();
    let aor = format!("sip:{}@demo.test", party.number);
    let uri = match method {
        "PUBLISH" => aor.clone(),
        "SUBSCRIBE" if again => field(&granted, "contact").unwrap_or_default().replace(['<', '>'], ""),
        _ => format!("sip:{target}@demo.test"),
    };
    let to = match field(&granted, "to").filter(|_| method == "SUBSCRIBE") {
        Some(to) => to.to_owned(),
        None => format!("<{uri}>"),
    };
    let call_id = field(&granted, "call-id").filter(|_| method == "SUBSCRIBE");
    let call_id = call_id.map_or_else(|| format!("event-{}-{}", party.name, party.cseq), ToOwned::to_owned);
    let mut fields = String::new();
    if let Some(event) = event_of(method, rest) {
        fields.push_str(&format!("Event: {event}\r\n"));
    }
    if let Some(expires) = words.iter().find_map(|w| w.strip_prefix("expires=")) {
        fields.push_str(&format!("Expires: {expires}\r\n"));
    }
    if words.contains(&"list") {
        fields.push_str("Supported: eventlist\r\n");
    }
    if method == "PUBLISH" && again {
        fields.push_str(&format!("SIP-If-Match: {}\r\n", field(&granted, "sip-etag").unwrap_or_default()));
    }
    let (media_type, body) = body_of(method, words);
    if !body.is_empty() {
        fields.push_str(&format!("Content-Type: {media_type}\r\n"));
    }
    format!(
        "{method} {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: <{aor}>;tag={}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
         CSeq: {} {method}\r\nContact: <sip:{}@{}>\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        party.via(),
        party.local_tag,
        party.cseq,
        party.number,
        party.address,
        body.len()
    )
}

/// The Replaces that a phone makes of the first dialog in a document, as RFC 4235 section 3.7.2 has it.
pub(crate) fn lamp(notify: &str) -> Option<String> {
    let of = |name: &str| notify.split_once(&format!(" {name}=\""))?.1.split('"').next();
    Some(format!("{};to-tag={};from-tag={}", of("call-id")?, of("remote-tag")?, of("local-tag")?))
}

fn event_of(method: &str, rest: &[&str]) -> Option<String> {
    match method {
        "SUBSCRIBE" => rest.first().map(|e| (*e).to_owned()),
        "PUBLISH" => Some("presence".to_owned()),
        _ => None,
    }
}

fn body_of(method: &str, words: &[&str]) -> (&'static str, String) {
    let pidf = |basic: &str, person: &str| {
        format!(
            "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"><tuple id=\"x\"><status><basic>{basic}</basic></status>\
             </tuple>{person}</presence>"
        )
    };
    let busy = "<person><activities><meeting/></activities></person>";
    match (method, words) {
        ("MESSAGE", [_, text @ ..]) => ("text/plain", text.join(" ")),
        ("PUBLISH", words) if words.contains(&"open") => ("application/pidf+xml", pidf("open", "")),
        ("PUBLISH", words) if words.contains(&"busy") => ("application/pidf+xml", pidf("open", busy)),
        _ => ("", String::new()),
    }
}

/// Whether a message is one of these: a NOTIFY about a transfer and a MESSAGE within a call are not.
pub(crate) fn is_about(message: &str) -> bool {
    let transfer = field(message, "event").is_some_and(|event| event.starts_with("refer"));
    let page = message.starts_with("MESSAGE ") && field(message, "to").is_some_and(|to| !to.contains(";tag="));
    (field(message, "event").is_some() && !transfer) || page || field(message, "sip-etag").is_some()
}

/// What it says.
pub(crate) fn show(message: &str) -> String {
    if message.starts_with("SIP/2.0 ") {
        return String::new();
    }
    let (_, body) = message.split_once("\r\n\r\n").unwrap_or_default();
    if message.starts_with("MESSAGE ") {
        return format!(
            " from {} [{body}]",
            field(message, "from").unwrap_or_default().split(';').next().unwrap_or("")
        );
    }
    let of = |name| field(message, name).unwrap_or_default();
    format!(" {} {}{}", of("event"), of("subscription-state"), what(of("content-type"), body))
}

fn what(media_type: &str, body: &str) -> String {
    let bare = media_type.split(';').next().unwrap_or_default();
    match bare {
        "application/dialog-info+xml" => format!(" [{}]", dialogs(body)),
        "application/pidf+xml" => format!(" [{}]", presence(body)),
        "application/reginfo+xml" => format!(" [{}]", attributes(body, "<contact ", &["state", "event"])),
        "application/simple-message-summary" => {
            let value = |name| field(body, name).unwrap_or_default();
            format!(" [waiting={} voice={}]", value("Messages-Waiting"), value("Voice-Message"))
        }
        "multipart/related" => {
            let list = attributes(body, "<list ", &["version", "fullState"]);
            let names = attributes(body, "<resource ", &["uri"]);
            let parts = body.split("<dialog-info ").skip(1).map(dialogs).collect::<Vec<_>>().join("; ");
            format!(" [list {list}: {names}: {parts}]")
        }
        _ => String::new(),
    }
}

fn dialogs(body: &str) -> String {
    let document =
        format!("{} {}", attribute(body, "state"), attribute(body.rsplit("?>").next().unwrap_or(body), "version"));
    let each = body.split("<dialog ").skip(1).map(|dialog| {
        let state = dialog.split("<state>").nth(1).and_then(|s| s.split('<').next()).unwrap_or_default();
        let remote = dialog.split("<remote>").nth(1).and_then(|r| r.split("sip:").nth(1)).unwrap_or_default();
        let remote = remote.split(['<', '@']).next().unwrap_or_default();
        let held = if dialog.contains("sip.rendering") { " held" } else { "" };
        format!(", {} {state}{held} {remote}", attribute(dialog, "direction"))
    });
    format!("{document}{}", each.collect::<String>())
}

fn presence(body: &str) -> String {
    let basic = body.split("<basic>").skip(1).filter_map(|b| b.split('<').next()).collect::<Vec<_>>().join("+");
    let does = body.split("<rpid:").skip(2).filter_map(|a| a.split('/').next()).collect::<Vec<_>>().join("+");
    if does.is_empty() { basic } else { format!("{basic} {does}") }
}

fn attributes(body: &str, element: &str, names: &[&str]) -> String {
    let each = body.split(element).skip(1).map(|e| names.iter().map(|n| attribute(e, n)).collect::<Vec<_>>().join(" "));
    each.collect::<Vec<_>>().join(", ")
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let begin = format!("{name}=\"");
    element.split(begin.as_str()).nth(1).and_then(|v| v.split('"').next()).unwrap_or_default()
}
