//! `trunk list`, `show`, `status`, `add`, `set`, `remove`.

use super::accounts::read_password;
use super::remote::{Remote, json};
use super::table::{details, rows, table, text};
use crate::cli_list::Listing;
use crate::cli_trunk::{Settings, Trunk};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Map, Value, json};

pub(super) async fn run(remote: &Remote, command: &Trunk) -> Result<String, Failure> {
    match command {
        Trunk::List(asked) => list(remote, asked).await,
        Trunk::Show { trunk } => {
            let id = remote.one("trunks", Some(trunk)).await?;
            let shown = remote.get(&format!("/trunks/{id}"), &[]).await?;
            Ok(if remote.json { json(&shown) } else { details(&shown) })
        }
        Trunk::Status { trunk } => {
            let id = remote.one("trunks", Some(trunk)).await?;
            let status = remote.get(&format!("/trunks/{id}/status"), &[]).await?;
            Ok(if remote.json { json(&status) } else { shown(&status) })
        }
        Trunk::Add { name, brand, settings } => {
            let mut body = body(remote, settings).await?;
            body.insert("brand".to_owned(), json!(remote.one("brands", brand.as_deref()).await?));
            body.insert("name".to_owned(), json!(name));
            let made = remote.write(Method::POST, "/trunks", &Value::Object(body)).await?;
            Ok(if remote.json { json(&made) } else { format!("Trunk {} is live.\n", text(&made, "name")) })
        }
        Trunk::Set { trunk, name, settings } => {
            let id = remote.one("trunks", Some(trunk)).await?;
            let mut body = body(remote, settings).await?;
            if let Some(name) = name {
                body.insert("name".to_owned(), json!(name));
            }
            let changed = remote.write(Method::PATCH, &format!("/trunks/{id}"), &Value::Object(body)).await?;
            Ok(if remote.json { json(&changed) } else { details(&changed) })
        }
        Trunk::Remove { trunk } => {
            let id = remote.one("trunks", Some(trunk)).await?;
            remote.write(Method::DELETE, &format!("/trunks/{id}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Trunk {trunk} is gone.\n") })
        }
    }
}

async fn list(remote: &Remote, asked: &Listing) -> Result<String, Failure> {
    let trunks = remote.listed("/trunks", asked, &[]).await?;
    if remote.json {
        return Ok(json(&Value::Array(trunks)));
    }
    let heads = ["ID", "NAME", "BRAND", "ENABLED", "SERVERS", "REGISTERS", "CALLS MAX", "CPS MAX"];
    let fields = ["id", "name", "brand", "enabled", "servers", "registration.user", "calls_max", "cps_max"];
    let mut cells = rows(&trunks, &fields);
    for (row, trunk) in cells.iter_mut().zip(&trunks) {
        row[4] = servers(trunk);
    }
    Ok(table(&heads, &cells, "No trunks."))
}

fn servers(trunk: &Value) -> String {
    let all = trunk.get("servers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<String> = all.iter().map(|s| text(s, "host")).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}

fn shown(status: &Value) -> String {
    let usable = if status.get("usable") == Some(&Value::Bool(true)) { "takes calls" } else { "takes no calls" };
    let registration = match status.get("registration") {
        Some(Value::Object(_)) => format!(
            "Registration: {}, until {}, last answer {}.\n",
            text(status, "registration.state"),
            text(status, "registration.until"),
            text(status, "registration.last_status")
        ),
        _ => String::new(),
    };
    let servers = status.get("servers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let heads = ["SERVER", "ADDRESS", "TRANSPORT", "BREAKER", "FAILURES", "UNTIL"];
    let fields = ["host", "address", "transport", "breaker", "failures", "until"];
    let servers = table(&heads, &rows(servers, &fields), "No servers.");
    format!("The trunk {usable}; calls up: {}.\n{registration}{servers}", text(status, "calls"))
}

/// What is named on the command line, as the API wants it.
async fn body(remote: &Remote, s: &Settings) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    if !s.servers.is_empty() {
        put("servers", s.servers.iter().map(|text| server(text)).collect::<Result<Value, _>>()?);
    }
    if !s.sources.is_empty() {
        put("sources", s.sources.iter().map(|text| source(text)).collect());
    }
    if let Some(value) = credentials(s)? {
        put("credentials", value);
    }
    if let Some(register) = &s.register {
        put("registration", registration(register, s.expires));
    }
    for (name, value) in [("from_user", &s.from_user), ("from_domain", &s.from_domain)] {
        if let Some(value) = value {
            put(name, if value == "none" { Value::Null } else { json!(value) });
        }
    }
    for (name, value) in [("calls_max", &s.calls_max), ("cps_max", &s.cps_max), ("ping_s", &s.ping)] {
        if let Some(value) = value {
            put(name, number_or_none(name, value)?);
        }
    }
    if let Some(ms) = s.answer_ms {
        put("answer_ms", json!(ms));
    }
    if let Some(anchor) = s.anchor {
        put("anchor", json!(anchor));
    }
    let stir = [("sign", s.sign.map(|v| json!(v))), ("verify", s.verify.as_ref().map(|v| json!(v)))];
    if stir.iter().any(|(_, value)| value.is_some()) {
        put("stir", stir.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect());
    }
    if let Some(enabled) = s.enabled {
        put("enabled", json!(enabled));
    }
    if let Some(set) = &s.translation_set {
        let id = if set == "none" { Value::Null } else { json!(remote.one("translation-sets", Some(set)).await?) };
        put("translation_set", id);
    }
    Ok(body)
}

fn number_or_none(name: &str, text: &str) -> Result<Value, Failure> {
    match text.parse::<u32>() {
        Ok(number) => Ok(json!(number)),
        Err(_) if text == "none" => Ok(Value::Null),
        Err(_) => Err(Failure::start(format!("{text} is no value for {name}: expected a number or none"))),
    }
}

fn credentials(s: &Settings) -> Result<Option<Value>, Failure> {
    match (s.username.as_deref(), read_password(s.password.as_deref())?) {
        (None, _) => Ok(None),
        (Some("none"), None) => Ok(Some(Value::Null)),
        (Some(_), None) => Err(Failure::start("a user name needs its password: give --password, or --password -")),
        (Some(username), Some(password)) => {
            Ok(Some(json!({ "username": username, "password": password, "realm": s.realm })))
        }
    }
}

fn registration(text: &str, expires: Option<u32>) -> Value {
    if text == "none" {
        return Value::Null;
    }
    let (user, domain) = text.split_once('@').map_or((text, None), |(user, domain)| (user, Some(domain)));
    let mut value = json!({ "user": user, "domain": domain });
    if let Some(expires) = expires {
        value["expires_s"] = json!(expires);
    }
    value
}

/// `HOST[:PORT][;transport=..][;priority=..][;weight=..]`; an IPv6 address stands in brackets.
fn server(text: &str) -> Result<Value, Failure> {
    let wrong = |why: &str| Failure::start(format!("{text} is no server: {why}"));
    let mut parts = text.split(';');
    let place = parts.next().unwrap_or_default();
    let (host, port) = match place.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, ""))) => (host, None),
        Some(Some((host, port))) => {
            (host, Some(port.strip_prefix(':').ok_or_else(|| wrong("expected [ADDRESS]:PORT"))?))
        }
        Some(None) => return Err(wrong("a bracket is not closed")),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let mut value = json!({ "host": host });
    if let Some(port) = port {
        value["port"] = json!(port.parse::<u16>().map_err(|_| wrong("the port is no number"))?);
    }
    for part in parts {
        match part.split_once('=') {
            Some(("transport", transport)) => value["transport"] = json!(transport),
            Some((name @ ("priority" | "weight"), number)) => {
                value[name] = json!(number.parse::<u16>().map_err(|_| wrong("priority and weight are numbers"))?);
            }
            Some(_) | None => return Err(wrong("after ; may stand transport=, priority= and weight=")),
        }
    }
    Ok(value)
}

/// `NETWORK[@LISTENER]`.
fn source(text: &str) -> Value {
    let (network, listener) = text.split_once('@').map_or((text, None), |(n, l)| (n, Some(l)));
    json!({ "network": network, "listener": listener })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_in_its_forms() {
        for (text, value) in [
            ("sip.carrier.example", json!({"host": "sip.carrier.example"})),
            ("198.51.100.1:5070", json!({"host": "198.51.100.1", "port": 5070})),
            ("[2001:db8::1]", json!({"host": "2001:db8::1"})),
            (
                "[2001:db8::1]:5061;transport=tcp;priority=2;weight=3",
                json!({"host": "2001:db8::1", "port": 5061, "transport": "tcp", "priority": 2, "weight": 3}),
            ),
        ] {
            assert_eq!(server(text).unwrap(), value, "{text}");
        }
        for text in ["a:b", "[2001:db8::1", "[2001:db8::1]x", "a;colour=red", "a;priority=x"] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
