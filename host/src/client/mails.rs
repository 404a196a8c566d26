//! `mail`.

use super::accounts::read_password;
use super::plugins::read_json;
use super::remote::{Remote, json};
use super::rules::of_company;
use super::table::{rows, table, text};
use crate::cli_mail::{HostSettings, Mail, MailHost};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(super) async fn run(remote: &Remote, command: &Mail) -> Result<String, Failure> {
    match command {
        Mail::List { state, company, which, limit } => {
            let mut query = of_company(remote, company.as_deref()).await?;
            query.extend(state.iter().map(|state| ("state", state.clone())));
            super::remote::which(which, &mut query)?;
            let mails = remote.list("/mails", &query, *limit).await?;
            if remote.json {
                return Ok(json(&Value::Array(mails)));
            }
            let heads = ["ID", "STATE", "TO", "SUBJECT", "BINDING", "ASKED", "TRIES", "DUE", "ERROR"];
            let fields = ["id", "state", "to", "subject", "binding", "made_at", "tries", "due_at", "error"];
            Ok(table(&heads, &rows(&mails, &fields), "No mails."))
        }
        Mail::Retry { mail } => {
            let mail = remote.write(Method::POST, &format!("/mails/{mail}/retry"), &Value::Null).await?;
            Ok(if remote.json {
                json(&mail)
            } else {
                format!("Mail {} is {}.\n", text(&mail, "id"), text(&mail, "state"))
            })
        }
        Mail::Delete { mail } => {
            remote.write(Method::DELETE, &format!("/mails/{mail}"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Mail {mail} is gone.\n") })
        }
        Mail::Host(MailHost::Show { brand }) => {
            shown(remote, &remote.get(&path(remote, brand.as_deref()).await?, &[]).await?)
        }
        Mail::Host(MailHost::Set(settings)) => set(remote, settings).await,
        Mail::Host(MailHost::Try { to, brand }) => {
            let path = path(remote, brand.as_deref()).await? + "/trial";
            let said = remote.write(Method::POST, &path, &json!({ "to": to })).await?;
            match said["taken"] == true {
                true if remote.json => Ok(json(&said)),
                true => Ok(format!("The host has taken a mail to {to}.\n")),
                false => Err(Failure::refused(format!("the host has not taken the mail: {}", text(&said, "error")))),
            }
        }
        Mail::Host(MailHost::Delete { brand }) => {
            remote.write(Method::DELETE, &path(remote, brand.as_deref()).await?, &Value::Null).await?;
            Ok(if remote.json { String::new() } else { "The mail host is gone.\n".to_owned() })
        }
    }
}

async fn path(remote: &Remote, brand: Option<&str>) -> Result<String, Failure> {
    Ok(match brand {
        Some(_) => format!("/brands/{}/mail-host", remote.one("brands", brand).await?),
        None => "/mail-host".to_owned(),
    })
}

async fn set(remote: &Remote, s: &HostSettings) -> Result<String, Failure> {
    let path = path(remote, s.brand.as_deref()).await?;
    let usual = match s.tls.as_str() {
        "tls" => 465,
        "none" => 25,
        _ => 587,
    };
    let read = |file: &std::path::PathBuf| {
        std::fs::read_to_string(file).map_err(|e| Failure::start(format!("{} cannot be read: {e}", file.display())))
    };
    let templates = s.templates.as_ref().map(|text| read_json("templates", text)).transpose()?;
    let body = json!({
        "host": s.host,
        "port": s.port.unwrap_or(usual),
        "tls": s.tls,
        "ca": s.ca.as_ref().map(read).transpose()?,
        "user": s.user,
        "password": read_password(s.password.as_deref())?,
        "from": s.from,
        "from_name": s.from_name,
        "templates": templates.unwrap_or_else(|| json!({})),
    });
    shown(remote, &remote.write(Method::PUT, &path, &body).await?)
}

fn shown(remote: &Remote, host: &Value) -> Result<String, Failure> {
    if remote.json {
        return Ok(json(host));
    }
    let mut out = String::new();
    for field in ["host", "port", "tls", "user", "has_password", "from", "from_name"] {
        let _ = writeln!(out, "{field:<14}{}", text(host, field));
    }
    let words: Vec<&str> =
        host.get("templates").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let _ = writeln!(out, "{:<14}{}", "templates", words.join(", "));
    Ok(out)
}
