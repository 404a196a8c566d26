//! `account list`, `show`, `add`, `set`, `remove`, `import`, `export`.

use super::imports;
use super::plugins::read_json;
use super::remote::{Remote, json};
use super::rules::of_company;
use super::table::{rows, table, text};
use super::tenants;
use crate::cli::Account;
use crate::cli_list::Listing;
use crate::exit::Failure;
use serde_json::{Value, json};

pub(super) async fn run(remote: &Remote, command: &Account) -> Result<String, Failure> {
    match command {
        Account::List(asked) => list(remote, asked).await,
        Account::Show { username, company } => {
            let path = path(remote, username, company.as_deref()).await?;
            tenants::one(remote, &remote.get(&path, &[]).await?)
        }
        Account::Remove { username, company } => {
            let path = path(remote, username, company.as_deref()).await?;
            tenants::removed(remote, &path, &format!("Account {username}")).await
        }
        Account::Import(import) => imports::of_company(remote, "accounts", import).await,
        Account::Export(export) => imports::out(remote, "accounts", export).await,
        Account::Set { username, company, display_name, enabled, password, rules } => {
            let path = path(remote, username, company.as_deref()).await?;
            let mut body = json!({});
            if let Some(name) = display_name {
                body["display_name"] = json!(name);
            }
            if let Some(enabled) = enabled {
                body["enabled"] = json!(enabled);
            }
            if let Some(password) = read_password(password.as_deref())? {
                body["password"] = json!(password);
            }
            if let Some(rules) = rules {
                body["rules"] = read_json("rules", rules)?;
            }
            let changed = remote.write(reqwest::Method::PATCH, &path, &body).await?;
            Ok(if remote.json { json(&changed) } else { format!("Account {username} is live.\n") })
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

/// The path of the account of that user name.
async fn path(remote: &Remote, username: &str, company: Option<&str>) -> Result<String, Failure> {
    let mut query = of_company(remote, company).await?;
    query.push(("username", username.to_owned()));
    let mut found = remote.list("/accounts", &query, usize::MAX).await?;
    found.retain(|account| text(account, "username") == username);
    match found.as_slice() {
        [one] => Ok(format!("/accounts/{}", text(one, "id"))),
        [] => Err(Failure::refused(format!("{username} is not among the accounts"))),
        _ => Err(Failure::start(format!("several companies have an account {username}: name the company"))),
    }
}

async fn list(remote: &Remote, asked: &Listing) -> Result<String, Failure> {
    let accounts = remote.listed("/accounts", asked, &[]).await?;
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
