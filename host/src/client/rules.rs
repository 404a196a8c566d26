//! `rule`: what tenants say about their calls.

use super::plugins::read_json;
use super::remote::{Remote, json};
use super::table::{rows, table, text};
use crate::cli_rule::Rule;
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Value, json};

pub(super) async fn run(remote: &Remote, command: &Rule) -> Result<String, Failure> {
    match command {
        Rule::List { asked, kind } => {
            let kind: Vec<_> = kind.iter().map(|kind| ("kind", kind.clone())).collect();
            let rules = remote.listed("/rules", asked, &kind).await?;
            if remote.json {
                return Ok(json(&Value::Array(rules)));
            }
            let cells = rows(&rules, &["id", "kind", "name", "company", "body"]);
            Ok(table(&["ID", "KIND", "NAME", "COMPANY", "BODY"], &cells, "No rules."))
        }
        Rule::Show { rule } => {
            let rule = find(remote, rule).await?;
            Ok(json(if remote.json { &rule } else { rule.get("body").unwrap_or(&rule) }))
        }
        Rule::Add { kind, name, body, company } => {
            let company = remote.one("companies", company.as_deref()).await?;
            let new = json!({ "company": company, "kind": kind, "name": name, "body": read_json("rule", body)? });
            let made = remote.write(Method::POST, "/rules", &new).await?;
            Ok(if remote.json { json(&made) } else { live(&made) })
        }
        Rule::Set { rule, body } => {
            let path = format!("/rules/{}", text(&find(remote, rule).await?, "id"));
            let body = json!({ "body": read_json("rule", body)? });
            let changed = remote.write(Method::PATCH, &path, &body).await?;
            Ok(if remote.json { json(&changed) } else { live(&changed) })
        }
        Rule::Remove { rule } => {
            let path = format!("/rules/{}", text(&find(remote, rule).await?, "id"));
            remote.write(Method::DELETE, &path, &Value::Null).await?;
            Ok(if remote.json { String::new() } else { format!("Rule {rule} is gone.\n") })
        }
    }
}

fn live(rule: &Value) -> String {
    format!("The {} {} is live.\n", text(rule, "kind"), text(rule, "name"))
}

/// A rule by number, name, or kind and name.
async fn find(remote: &Remote, wanted: &str) -> Result<Value, Failure> {
    let mut rules = remote.list("/rules", &[], usize::MAX).await?;
    rules.retain(|rule| {
        let (id, kind, name) = (text(rule, "id"), text(rule, "kind"), text(rule, "name"));
        id == wanted || name == wanted || wanted.split_once('/') == Some((&kind, &name))
    });
    match (rules.len(), rules.pop()) {
        (1, Some(rule)) => Ok(rule),
        (_, None) => Err(Failure::refused(format!("{wanted} is not among the rules"))),
        (several, _) => Err(Failure::start(format!("{several} rules are named {wanted}: name one by its number"))),
    }
}

pub(super) async fn of_company(remote: &Remote, company: Option<&str>) -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(match company {
        Some(_) => vec![("company", remote.one("companies", company).await?.to_string())],
        None => Vec::new(),
    })
}
