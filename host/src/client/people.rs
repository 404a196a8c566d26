//! `person`, `login`, `token` and `audit`: who may do what, and who did.

use super::accounts::read_password;
use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_person::{Audit, Login, Person, Place, Token};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};

fn shown(remote: &Remote, value: &Value, words: String) -> String {
    if remote.json { json(value) } else { words }
}

fn listed(remote: &Remote, list: Vec<Value>, columns: &[(&str, &str)], none: &str) -> String {
    if remote.json {
        return json(&Value::Array(list));
    }
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let fields: Vec<&str> = columns.iter().map(|(_, field)| *field).collect();
    table(&heads, &rows(&list, &fields), none)
}

/// `accounts=write,ddis=read`.
fn rights(text: &str) -> Result<Value, Failure> {
    let one = |part: &str| {
        let (noun, access) = part.split_once('=')?;
        Some((noun.trim().to_owned(), Value::String(access.trim().to_owned())))
    };
    let wrong = || Failure::start(format!("{text:?}: expected rights as accounts=write,ddis=read"));
    text.split(',')
        .map(|part| one(part).ok_or_else(wrong))
        .collect::<Result<serde_json::Map<_, _>, _>>()
        .map(Value::Object)
}

async fn placed(remote: &Remote, place: &Place, body: &mut Value) -> Result<(), Failure> {
    if let Some(company) = &place.company {
        body["company"] = json!(remote.one("companies", Some(company)).await?);
    } else if let Some(brand) = &place.brand {
        body["brand"] = json!(remote.one("brands", Some(brand)).await?);
    }
    Ok(())
}

const PERSON: &[(&str, &str)] = &[
    ("ID", "id"),
    ("NAME", "name"),
    ("ROLE", "role"),
    ("BRAND", "brand"),
    ("COMPANY", "company"),
    ("ACCOUNT", "account"),
    ("ENABLED", "enabled"),
    ("RIGHTS", "rights"),
];

pub(super) async fn person(remote: &Remote, command: &Person) -> Result<String, Failure> {
    match command {
        Person::List(asked) => Ok(listed(remote, remote.listed("/people", asked, &[]).await?, PERSON, "No people.")),
        Person::Show { person } => {
            let found = remote.get(&format!("/people/{person}"), &[]).await?;
            Ok(listed(remote, vec![found], PERSON, ""))
        }
        Person::Add { name, role, place, account, rights: named } => {
            let password = read_password(Some("-"))?;
            let mut body = json!({ "name": name, "role": role, "password": password });
            placed(remote, place, &mut body).await?;
            if let Some(account) = account {
                body["account"] = json!(account);
            }
            if let Some(named) = named {
                body["rights"] = rights(named)?;
            }
            let made = remote.write(Method::POST, "/people", &body).await?;
            let words = format!("{} may log in as person {}.\n", text(&made, "name"), text(&made, "id"));
            Ok(shown(remote, &made, words))
        }
        Person::Set { person, role, rights: named, enabled, password } => {
            let mut body = json!({});
            if let Some(role) = role {
                body["role"] = json!(role);
            }
            match named.as_deref() {
                Some("all") => body["rights"] = Value::Null,
                Some(named) => body["rights"] = rights(named)?,
                None => {}
            }
            if let Some(enabled) = enabled {
                body["enabled"] = json!(enabled);
            }
            if *password {
                body["password"] = json!(read_password(Some("-"))?);
            }
            let set = remote.write(Method::PATCH, &format!("/people/{person}"), &body).await?;
            Ok(listed(remote, vec![set], PERSON, ""))
        }
        Person::Remove { person } => {
            remote.write(Method::DELETE, &format!("/people/{person}"), &Value::Null).await?;
            Ok(shown(remote, &Value::Null, format!("Person {person} is gone, and so is every login of theirs.\n")))
        }
        Person::ActAs { person } => {
            let made = remote.write(Method::POST, &format!("/people/{person}/impersonate"), &Value::Null).await?;
            Ok(shown(remote, &made, format!("{}\n", text(&made, "access_token"))))
        }
    }
}

pub(super) async fn login(remote: &Remote, command: &Login) -> Result<String, Failure> {
    match command {
        Login::List => {
            let columns = [
                ("ID", "id"),
                ("PERSON", "person"),
                ("NAME", "name"),
                ("ACTED AS BY", "impersonator"),
                ("SINCE", "created_at"),
                ("UNTIL", "expires_at"),
            ];
            Ok(listed(remote, remote.list("/logins", &[], usize::MAX).await?, &columns, "Nobody is logged in."))
        }
        Login::Remove { login } => {
            remote.write(Method::DELETE, &format!("/logins/{login}"), &Value::Null).await?;
            Ok(shown(remote, &Value::Null, format!("Login {login} has ended.\n")))
        }
    }
}

const TOKEN: &[(&str, &str)] = &[
    ("ID", "id"),
    ("NAME", "name"),
    ("ROLE", "role"),
    ("BRAND", "brand"),
    ("COMPANY", "company"),
    ("UNTIL", "expires_at"),
    ("RIGHTS", "rights"),
];

pub(super) async fn token(remote: &Remote, command: &Token) -> Result<String, Failure> {
    match command {
        Token::List(asked) => Ok(listed(remote, remote.listed("/tokens", asked, &[]).await?, TOKEN, "No tokens.")),
        Token::Show { number } => {
            let found = remote.get(&format!("/tokens/{number}"), &[]).await?;
            Ok(listed(remote, vec![found], TOKEN, ""))
        }
        Token::Add { name, role, place, rights: named, expires } => {
            let mut body = json!({ "name": name, "role": role });
            placed(remote, place, &mut body).await?;
            if let Some(named) = named {
                body["rights"] = rights(named)?;
            }
            if let Some(expires) = expires {
                body["expires_at"] = json!(expires);
            }
            let made = remote.write(Method::POST, "/tokens", &body).await?;
            let words = format!("Token {} (shown this once): {}\n", text(&made, "id"), text(&made, "secret"));
            Ok(shown(remote, &made, words))
        }
        Token::Remove { number: token } => {
            remote.write(Method::DELETE, &format!("/tokens/{token}"), &Value::Null).await?;
            Ok(shown(remote, &Value::Null, format!("Token {token} is worth nothing from now on.\n")))
        }
    }
}

pub(super) async fn audit(remote: &Remote, command: &Audit) -> Result<String, Failure> {
    let Audit::List { path, actor, from, until, which, limit } = command;
    let mut query = vec![("limit", limit.clamp(&1, &1000).to_string())];
    for (name, value) in [("path", path), ("actor", actor), ("from", from), ("until", until)] {
        query.extend(value.clone().map(|value| (name, value)));
    }
    super::remote::which(which, &mut query)?;
    let lines = remote.list("/audit", &query, usize::try_from(*limit).unwrap_or(usize::MAX)).await?;
    let columns = [
        ("AT", "at"),
        ("WHO", "actor"),
        ("BY", "impersonator"),
        ("FROM", "source"),
        ("METHOD", "method"),
        ("PATH", "path"),
        ("STATUS", "status"),
        ("ASKED", "asked"),
    ];
    Ok(listed(remote, lines, &columns, "No changes."))
}
