//! `wallet` and `settlement`.

use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_money::{Pays, Settlement, Wallet};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;

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
            let (text, broken) = audited(remote.json, books);
            if broken == 0 {
                return Ok(text);
            }
            // The report is the answer all the same: it stays as it is, a line each.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            Err(Failure::refused(format!("{broken} wallets do not hold")))
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

/// The books and below them what does not agree, a line each; and how many wallets do not hold.
fn audited(as_json: bool, books: Vec<Value>) -> (String, usize) {
    let broken = books.iter().filter(|book| book.get("holds") != Some(&Value::Bool(true))).count();
    if as_json {
        return (json(&Value::Array(books)), broken);
    }
    let heads = ["COMPANY", "BALANCE", "MOVED", "RESERVED", "KEPT", "SPENT", "CHARGED", "OVERDUE", "UNMOVED", "HOLDS"];
    let fields = ["company", "balance", "moved", "reserved", "kept", "spent", "charged", "overdue", "unmoved", "holds"];
    let mut out = table(&heads, &rows(&books, &fields), "No wallets.");
    for book in &books {
        let differences = book.get("differences").and_then(Value::as_array).into_iter().flatten();
        for difference in differences.filter_map(Value::as_str) {
            let _ = writeln!(out, "company {}: {difference}", text(book, "company"));
        }
    }
    (out, broken)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_names_what_does_not_agree_below_the_books() {
        let good = json!({ "company": 1, "balance": "2", "overdue": 1, "holds": true, "differences": [] });
        let bad = json!({ "company": 2, "balance": "3", "overdue": 0, "holds": false,
            "differences": ["balance is 3, its movements come to 2", "spent is 1, its charges since then come to 0"] });
        let (text, broken) = audited(false, vec![good.clone(), bad.clone()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((broken, lines.len()), (1, 5), "{text}");
        assert!(lines[0].starts_with("COMPANY") && lines[0].ends_with("HOLDS"), "{text}");
        assert_eq!(lines[3], "company 2: balance is 3, its movements come to 2");
        assert_eq!(lines[4], "company 2: spent is 1, its charges since then come to 0");
        let (text, broken) = audited(true, vec![good.clone(), bad.clone()]);
        assert_eq!((broken, serde_json::from_str::<Value>(&text).unwrap()), (1, json!([good, bad])));
        // A switch that says nothing of it is not believed.
        assert_eq!(audited(false, vec![json!({ "company": 1 })]).1, 1);
    }
}
