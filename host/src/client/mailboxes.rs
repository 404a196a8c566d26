//! `mailbox`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_mailbox::{Mailbox, Owner};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Map, Value, json};

pub(super) async fn run(remote: &Remote, command: &Mailbox) -> Result<String, Failure> {
    match command {
        Mailbox::Show { owner } => {
            let path = format!("/accounts/{}/voicemail", account(remote, owner).await?);
            shown(remote, &remote.get(&path, &[]).await?)
        }
        Mailbox::Keep {
            owner,
            enabled,
            message_max,
            messages_max,
            keep,
            mail,
            attach,
            delete,
            no_mail,
            pin,
            no_pin,
        } => {
            let mut body = Map::new();
            let mut put = |name: &str, value: Option<Value>| drop(value.map(|v| body.insert(name.to_owned(), v)));
            put("enabled", enabled.map(Value::from));
            put("message_max_s", message_max.map(Value::from));
            put("messages_max", messages_max.map(Value::from));
            put("keep_days", keep.map(Value::from));
            let told = mail.as_ref().map(|to| json!({ "address": to, "attach": attach, "delete": delete }));
            put("mail", told.or(no_mail.then_some(Value::Null)));
            put("pin", pin.clone().map(Value::from).or(no_pin.then_some(Value::Null)));
            if body.is_empty() {
                return Err(Failure::start("nothing to change: give an option, as --keep 30"));
            }
            let path = format!("/accounts/{}/voicemail", account(remote, owner).await?);
            shown(remote, &remote.write(Method::PATCH, &path, &Value::Object(body)).await?)
        }
        Mailbox::List { owner, folder } => {
            let path = format!("/accounts/{}/voicemail/messages", account(remote, owner).await?);
            let query: Vec<_> = folder.iter().map(|f| ("folder", f.name().to_owned())).collect();
            let all = remote.list(&path, &query, usize::MAX).await?;
            if remote.json {
                return Ok(json(&Value::Array(all)));
            }
            let fields = ["id", "folder", "caller", "caller_name", "received_at", "length_ms"];
            Ok(table(&["ID", "FOLDER", "CALLER", "NAME", "RECEIVED", "MS"], &rows(&all, &fields), "No messages."))
        }
        Mailbox::Fetch { owner, message, file } => {
            let path = format!("/accounts/{}/voicemail/messages/{message}/audio", account(remote, owner).await?);
            let bytes = remote.download(&path, file).await?;
            let done = json!({ "file": file.display().to_string(), "bytes": bytes });
            Ok(if remote.json { json(&done) } else { format!("{} ({bytes} bytes).\n", file.display()) })
        }
        Mailbox::Move { owner, message, folder } => {
            let path = format!("/accounts/{}/voicemail/messages/{message}", account(remote, owner).await?);
            remote.write(Method::PATCH, &path, &json!({ "folder": folder.name() })).await?;
            said(remote, format!("Message {message} lies in {}.\n", folder.name()))
        }
        Mailbox::Delete { owner, message } => {
            let path = format!("/accounts/{}/voicemail/messages/{message}", account(remote, owner).await?);
            remote.write(Method::DELETE, &path, &Value::Null).await?;
            said(remote, format!("Message {message} is gone.\n"))
        }
        Mailbox::Set { owner, voice, fax } => {
            let body = json!({ "voice": counts(voice.as_deref())?, "fax": counts(fax.as_deref())? });
            let path = format!("/accounts/{}/mailbox", account(remote, owner).await?);
            remote.write(Method::PUT, &path, &body).await?;
            said(remote, format!("The phones of {} are being told.\n", owner.account))
        }
    }
}

fn said(remote: &Remote, words: String) -> Result<String, Failure> {
    Ok(if remote.json { String::new() } else { words })
}

fn shown(remote: &Remote, voicemail: &Value) -> Result<String, Failure> {
    if remote.json {
        return Ok(json(voicemail));
    }
    let greetings: Vec<&str> =
        voicemail["greetings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields =
        ["enabled", "message_max_s", "messages_max", "keep_days", "has_pin", "locked_s", "new", "saved", "deleted"];
    let mut out: String = fields.iter().map(|f| format!("{f:14}{}\n", text(voicemail, f))).collect();
    if voicemail["mail"].is_object() {
        let told = &voicemail["mail"];
        let (attach, delete) = (told["attach"] == true, told["delete"] == true);
        let what = if delete {
            "with the sound, then deleted"
        } else if attach {
            "with the sound"
        } else {
            "a notice"
        };
        out += &format!("{:14}{}, {what}\n", "mail", text(told, "address"));
    }
    out += &format!(
        "{:14}{}\n",
        "greetings",
        if greetings.is_empty() { "standard".to_owned() } else { greetings.join(", ") }
    );
    Ok(out)
}

async fn account(remote: &Remote, owner: &Owner) -> Result<i64, Failure> {
    let Owner { account, company } = owner;
    let mut query = Vec::new();
    if company.is_some() {
        query.push(("company", remote.one("companies", company.as_deref()).await?.to_string()));
    }
    let all = remote.list("/accounts", &query, usize::MAX).await?;
    let number = account.parse::<i64>().ok();
    let named: Vec<&Value> = all.iter().filter(|a| a["username"] == account.as_str()).collect();
    let numbered = all.iter().filter(|a| number.is_some() && a["id"].as_i64() == number);
    // A user name that looks like a row's number is a user name.
    let found: Vec<&Value> = if named.is_empty() { numbered.collect() } else { named };
    match found.as_slice() {
        [one] => one["id"].as_i64().ok_or_else(|| Failure::refused("the switch's answer is not understood")),
        [] => Err(Failure::refused(format!("{account} is not among the accounts"))),
        several => Err(Failure::start(format!("{} accounts fit: name the --company", several.len()))),
    }
}

/// `NEW` or `NEW/OLD`; nothing given is nothing there.
fn counts(given: Option<&str>) -> Result<Value, Failure> {
    let Some(given) = given else { return Ok(json!({})) };
    let (new, old) = given.split_once('/').unwrap_or((given, "0"));
    match (new.parse::<u32>(), old.parse::<u32>()) {
        (Ok(new), Ok(old)) => Ok(json!({ "new": new, "old": old })),
        _ => Err(Failure::start(format!("{given} is no count of messages: expected NEW or NEW/OLD, as 2/1"))),
    }
}

#[cfg(test)]
mod tests {
    use super::counts;
    use serde_json::json;

    #[test]
    fn counts_are_read_or_refused() {
        assert_eq!(counts(None).unwrap(), json!({}));
        assert_eq!(counts(Some("3")).unwrap(), json!({ "new": 3, "old": 0 }));
        assert_eq!(counts(Some("2/1")).unwrap(), json!({ "new": 2, "old": 1 }));
        for bad in ["", "x", "1/", "/1", "1/2/3", "-1"] {
            assert!(counts(Some(bad)).is_err(), "{bad}");
        }
    }
}
