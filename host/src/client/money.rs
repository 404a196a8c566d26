//! `wallet` and `settlement`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_money::{Pays, Settlement, Wallet};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};

const FIELDS: [&str; 8] = ["company", "method", "plan", "currency", "balance", "reserved", "credit", "daily_cap"];
const HEADS: [&str; 8] = ["COMPANY", "METHOD", "PLAN", "CURRENCY", "BALANCE", "RESERVED", "CREDIT", "DAILY-CAP"];

pub(super) async fn wallet(remote: &Remote, command: &Wallet) -> Result<String, Failure> {
    match command {
        Wallet::List(asked) => {
            let wallets = remote.listed("/wallets", asked, &[]).await?;
            Ok(shown(remote, wallets, &HEADS, &FIELDS, "No wallets."))
        }
        Wallet::Show { company } => {
            let path = of(remote, company.as_deref(), "wallet").await?;
            one(remote, remote.get(&path, &[]).await?)
        }
        Wallet::Set(pays) => set(remote, pays).await,
        Wallet::TopUp { amount, company, key, memo } => {
            let path = of(remote, company.as_deref(), "wallet/deposits").await?;
            let body = json!({ "key": key, "amount": amount, "memo": memo });
            one(remote, remote.write(Method::POST, &path, &body).await?)
        }
        Wallet::Movements { company, limit } => {
            let path = of(remote, company.as_deref(), "wallet/movements").await?;
            let moved = remote.list(&path, &[], *limit).await?;
            let heads = ["AT", "KIND", "AMOUNT", "BALANCE", "KEY", "MEMO"];
            Ok(shown(remote, moved, &heads, &["at", "kind", "amount", "balance", "key", "memo"], "Nothing was moved."))
        }
        Wallet::Price { number, seconds, company, trunk, at } => {
            let path = of(remote, company.as_deref(), "price").await?;
            let mut body = json!({ "number": number, "seconds": seconds });
            for (name, value) in [("trunk", trunk), ("at", at)] {
                if let Some(value) = value {
                    body[name] = json!(value);
                }
            }
            let charge = remote.write(Method::POST, &path, &body).await?;
            Ok(if remote.json { json(&charge) } else { priced(&charge) })
        }
        Wallet::Audit => {
            let books = remote.list("/wallets/audit", &[], usize::MAX).await?;
            let broken = books.iter().filter(|book| book.get("holds") != Some(&Value::Bool(true))).count();
            let fields = ["company", "balance", "moved", "reserved", "kept", "holds"];
            let heads = ["COMPANY", "BALANCE", "MOVED", "RESERVED", "KEPT", "HOLDS"];
            let text = shown(remote, books, &heads, &fields, "No wallets.");
            if broken == 0 { Ok(text) } else { Err(Failure::refused(format!("{text}{broken} wallets do not hold"))) }
        }
    }
}

pub(super) async fn settlement(remote: &Remote, command: &Settlement) -> Result<String, Failure> {
    match command {
        Settlement::List { tries } => {
            let waiting = remote.list("/settlements", &[("tries", tries.to_string())], usize::MAX).await?;
            let heads = ["CALL", "LEG", "COMPANY", "TRIES", "DUE", "ERROR"];
            Ok(shown(
                remote,
                waiting,
                &heads,
                &["call", "leg", "company", "tries", "due_at", "error"],
                "Nothing waits.",
            ))
        }
        Settlement::Retry { call, leg } => {
            remote.write(Method::POST, &format!("/settlements/{call}/{leg}/retry"), &Value::Null).await?;
            Ok(if remote.json { String::new() } else { "It is tried again.\n".to_owned() })
        }
    }
}

async fn of(remote: &Remote, company: Option<&str>, what: &str) -> Result<String, Failure> {
    Ok(format!("/companies/{}/{what}", remote.one("companies", company).await?))
}

async fn set(remote: &Remote, pays: &Pays) -> Result<String, Failure> {
    let path = of(remote, pays.company.as_deref(), "wallet").await?;
    let mut body = json!({ "method": pays.method, "plan": pays.plan, "currency": pays.currency });
    for (name, value) in [("credit", &pays.credit), ("daily_cap", &pays.daily_cap), ("low_mark", &pays.low_mark)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    one(remote, remote.write(Method::PUT, &path, &body).await?)
}

fn one(remote: &Remote, wallet: Value) -> Result<String, Failure> {
    Ok(if remote.json { json(&wallet) } else { table(&HEADS, &rows(&[wallet], &FIELDS), "") })
}

fn shown(remote: &Remote, list: Vec<Value>, heads: &[&str], fields: &[&str], none: &str) -> String {
    if remote.json { json(&Value::Array(list)) } else { table(heads, &rows(&list, fields), none) }
}

/// A price, and how it came to that.
fn priced(charge: &Value) -> String {
    let mut out = format!("{} {}\n", text(charge, "cost"), text(charge, "currency"));
    let lines = charge.get("lines").and_then(Value::as_object);
    let mut table: Vec<(String, String)> = lines
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    if let Some((_, cost)) = charge.get("carrier_cost").and_then(Value::as_str).map(|cost| ((), cost)) {
        table.push(("carrier cost".to_owned(), cost.to_owned()));
    }
    for (name, value) in table {
        out.push_str(&format!("  {name:12} {value}\n"));
    }
    out
}
