//! `account add`, `account list`; `account set` is told with the rules.

use super::imports;
use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli::Account;
use crate::exit::Failure;
use serde_json::{Value, json};

pub(super) async fn run(remote: &Remote, command: &Account) -> Result<String, Failure> {
    match command {
        Account::List { company } => list(remote, company.as_deref()).await,
        Account::Import(import) => imports::of_company(remote, "accounts", import).await,
        Account::Export(export) => imports::out(remote, "accounts", export).await,
        Account::Set { username, company, rules } => {
            super::rules::account(remote, username, company.as_deref(), rules).await
        }
        Account::Add { username, company, display_name, password } => {
            let company = remote.one("companies", company.as_deref()).await?;
            let mut body = json!({ "company": company, "username": username });
            if let Some(name) = display_name {
                body["display_name"] = json!(name);
            }
            if let Some(password) = read_password(password.as_deref())? {
                body["password"] = json!(password);
            }
            let made = remote.write(reqwest::Method::POST, "/accounts", &body).await?;
            Ok(if remote.json { json(&made) } else { added(&made) })
        }
    }
}

async fn list(remote: &Remote, company: Option<&str>) -> Result<String, Failure> {
    let mut query = Vec::new();
    if company.is_some() {
        query.push(("company", remote.one("companies", company).await?.to_string()));
    }
    let accounts = remote.list("/accounts", &query, usize::MAX).await?;
    if remote.json {
        return Ok(json(&Value::Array(accounts)));
    }
    let heads = ["ID", "USER", "NAME", "COMPANY", "ENABLED", "DIRECT"];
    let fields = ["id", "username", "display_name", "company", "enabled", "direct"];
    Ok(table(&heads, &rows(&accounts, &fields), "No accounts."))
}

fn added(made: &Value) -> String {
    let known = format!("Account {} is live, SIP domain {}.", text(made, "username"), text(made, "domain"));
    match made.get("password").and_then(Value::as_str) {
        Some(password) => format!("{known}\nPassword (shown this once): {password}\n"),
        None => format!("{known}\n"),
    }
}

/// The password given; `-` reads a line, so that it shows in no process list.
pub(super) fn read_password(given: Option<&str>) -> Result<Option<String>, Failure> {
    let Some("-") = given else { return Ok(given.map(str::to_owned)) };
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|e| Failure::start(format!("cannot read the password: {e}")))?;
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}
