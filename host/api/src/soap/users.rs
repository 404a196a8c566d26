//! Users: an account, its extensions, the PIN of its voice mailbox.

use super::xml::Element;
use super::{Caller, Fault, id, is_true, text, unknown, xml};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const KNOWN: &str = "AddUser, FindUser and ManageUser";
/// Of a user, what this switch does not keep.
const NOT_KEPT: [&str; 5] = ["pintoken", "emailAddress", "groups", "permissions", "branchName"];

pub(super) async fn act(caller: &Caller<'_>, operation: Option<&Element>) -> Result<String, Fault> {
    let operation = operation.ok_or_else(|| Fault::Client(format!("the Body is empty; this service has {KNOWN}")))?;
    match operation.name.as_str() {
        "AddUser" => add(caller, operation).await,
        "FindUser" => find(caller, operation).await,
        "ManageUser" => manage(caller, operation).await,
        _ => Err(unknown(operation, KNOWN)),
    }
}

fn refuse_what_is_not_kept(of: &Element) -> Result<(), Fault> {
    match NOT_KEPT.iter().find(|name| of.all(name).any(|child| !child.nil && !child.text.is_empty())) {
        Some(name) => Err(Fault::not_kept(name)),
        None => Ok(()),
    }
}

/// Adds a user, whole or not at all.
async fn add(caller: &Caller<'_>, operation: &Element) -> Result<String, Fault> {
    let missing = |what: &str| Fault::Client(format!("{what} is missing"));
    let user = operation.child("user").ok_or_else(|| missing("user"))?;
    let username = user.said("userName").ok_or_else(|| missing("userName"))?;
    refuse_what_is_not_kept(user)?;
    let company = caller.company().await?;
    let mut body = json!({ "company": company, "username": username });
    let names = [user.said("firstName"), user.said("lastName")];
    if names.iter().any(Option::is_some) {
        body["display_name"] = json!(names.into_iter().flatten().collect::<Vec<_>>().join(" "));
    }
    if let Some(password) = user.said("sipPassword") {
        body["password"] = json!(password);
    }
    let account = id(&caller.ask(Method::POST, "/accounts", Some(body)).await?);
    let mut made = Vec::new();
    let rest = numbers(caller, (company, username), user, &mut made);
    let rest = async {
        rest.await?;
        match operation.said("pin") {
            Some(pin) => pin_of(caller, account, pin).await,
            None => Ok(()),
        }
    };
    if let Err(fault) = rest.await {
        let mut undone = true;
        for number in made {
            undone &= caller.ask(Method::DELETE, &format!("/extensions/{number}"), None).await.is_ok();
        }
        undone &= caller.ask(Method::DELETE, &format!("/accounts/{account}"), None).await.is_ok();
        let said = if undone { "nothing of the user was added" } else { "and what was added could not be removed" };
        return Err(fault.after(said));
    }
    Ok(String::new())
}

/// Its user name, where that is something to dial, and its aliases.
async fn numbers(
    caller: &Caller<'_>,
    (company, username): (i64, &str),
    user: &Element,
    made: &mut Vec<i64>,
) -> Result<(), Fault> {
    let digits = |name: &str| name.len() > 1 && name.bytes().all(|b| b.is_ascii_digit());
    let aliases = user.all("aliases").filter(|alias| !alias.nil).flat_map(|alias| alias.text.split_ascii_whitespace());
    let mut all: Vec<&str> = aliases.collect();
    if digits(username) && !all.contains(&username) {
        all.insert(0, username);
    }
    for number in all {
        let target = json!({ "kind": "account", "name": username });
        let body = json!({ "company": company, "number": number, "target": target });
        made.push(id(&caller.ask(Method::POST, "/extensions", Some(body)).await?));
    }
    Ok(())
}

async fn pin_of(caller: &Caller<'_>, account: i64, pin: &str) -> Result<(), Fault> {
    let path = format!("/accounts/{account}/voicemail");
    caller.ask(Method::PATCH, &path, Some(json!({ "pin": pin }))).await.map(|_| ())
}

/// A user as it is found: its account, and the numbers that lead to it.
struct Found {
    account: Value,
    extensions: Vec<(i64, String)>,
}

impl Found {
    fn username(&self) -> &str {
        text(&self.account, "username")
    }
}

/// Whom a search means.
#[derive(Clone, Copy, Default)]
struct Whom<'a> {
    exact: Option<&'a str>,
    part: Option<&'a str>,
}

impl<'a> Whom<'a> {
    /// What is asked for must be known and said: an empty name, or one that is misspelt, would mean everybody.
    fn of(search: Option<&'a Element>) -> Result<Whom<'a>, Fault> {
        let mut whom = Whom::default();
        for child in search.into_iter().flat_map(|search| &search.children) {
            let said = Some(child.text.as_str()).filter(|text| !child.nil && !text.trim().is_empty());
            let known: String = child.name.chars().take(64).collect();
            match child.name.as_str() {
                "byUserName" => whom.exact = said,
                "byFuzzyUserNameOrAlias" => whom.part = said,
                // Clients write all three, and nil where they mean none.
                "byGroup" if said.is_none() => continue,
                "byGroup" => return Err(Fault::not_kept("byGroup")),
                _ => return Err(Fault::Client(format!("a search has no {known}"))),
            }
            if said.is_none() && !child.nil {
                return Err(Fault::Client(format!("{known} is empty: say whom, or leave it out")));
            }
        }
        Ok(whom)
    }

    fn is_everybody(self) -> bool {
        self.exact.is_none() && self.part.is_none()
    }
}

/// Whom a search finds; without one, everybody.
async fn found(caller: &Caller<'_>, whom: Whom<'_>) -> Result<Vec<Found>, Fault> {
    let Whom { exact, part } = whom;
    let mut numbers: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for row in caller.list("extensions", "").await? {
        let target = row.get("target").unwrap_or(&Value::Null);
        if text(target, "kind") == "account" {
            let own = numbers.entry(text(target, "name").to_owned()).or_default();
            own.push((id(&row), text(&row, "number").to_owned()));
        }
    }
    let mut all = Vec::new();
    for account in caller.list("accounts", "").await? {
        let name = text(&account, "username").to_owned();
        let own = numbers.remove(&name).unwrap_or_default();
        let fits = exact.is_none_or(|exact| exact == name)
            && part.is_none_or(|part| name.contains(part) || own.iter().any(|(_, number)| number.contains(part)));
        if fits {
            all.push(Found { account, extensions: own });
        }
    }
    Ok(all)
}

/// What is before the last blank, and after it.
fn names(display: &str) -> (Option<&str>, Option<&str>) {
    match display.rsplit_once(' ') {
        Some((first, last)) => (Some(first), Some(last)),
        None if display.is_empty() => (None, None),
        None => (None, Some(display)),
    }
}

async fn find(caller: &Caller<'_>, operation: &Element) -> Result<String, Fault> {
    let mut out = format!("<impl:FindUserResponse xmlns:impl=\"{}\"><users>", super::SPACE);
    for user in found(caller, Whom::of(operation.child("search"))?).await? {
        let (first, last) = names(text(&user.account, "display_name"));
        out.push_str("<item>");
        xml::add(&mut out, "userName", Some(user.username()));
        xml::add(&mut out, "pintoken", None);
        xml::add(&mut out, "lastName", last);
        xml::add(&mut out, "firstName", first);
        xml::add(&mut out, "sipPassword", None);
        for (_, number) in user.extensions.iter().filter(|(_, number)| number != user.username()) {
            xml::add(&mut out, "aliases", Some(number));
        }
        xml::add(&mut out, "emailAddress", None);
        xml::add(&mut out, "branchName", None);
        out.push_str("</item>");
    }
    out.push_str("</users></impl:FindUserResponse>");
    Ok(out)
}

/// What is to be edited, by its name.
fn edits(operation: &Element) -> Result<Vec<(&str, &str)>, Fault> {
    let mut all = Vec::new();
    for edit in operation.all("edit") {
        let name = edit.said("property").ok_or_else(|| Fault::Client("an edit has no property".to_owned()))?;
        if !["firstName", "lastName", "sipPassword"].contains(&name) {
            let name: String = name.chars().take(64).collect();
            return Err(Fault::Client(format!("{name} cannot be edited; firstName, lastName and sipPassword can")));
        }
        all.push((name, edit.said("value").unwrap_or_default()));
    }
    Ok(all)
}

/// Changes or removes everybody whom a search finds, one after the other.
async fn manage(caller: &Caller<'_>, operation: &Element) -> Result<String, Fault> {
    for group in ["addGroup", "removeGroup", "updateGroup", "updateBranch"] {
        if operation.said(group).is_some() {
            return Err(Fault::not_kept(group));
        }
    }
    let (edits, removes) = (edits(operation)?, is_true(operation, "deleteUser")? == Some(true));
    let whom = Whom::of(operation.child("search"))?;
    if whom.is_everybody() {
        let why = "without byUserName or byFuzzyUserNameOrAlias this would be done to everybody: say whom";
        return Err(Fault::Client(why.to_owned()));
    }
    if removes && !edits.is_empty() {
        return Err(Fault::Client("who is deleted is not edited: say one of the two".to_owned()));
    }
    for (done, user) in found(caller, whom).await?.into_iter().enumerate() {
        let changed = if removes { remove(caller, &user).await } else { change(caller, &user, &edits).await };
        let so_far = format!("user {} failed after {done} were done", user.username());
        changed.map_err(|fault| fault.after(&so_far))?;
    }
    Ok(String::new())
}

async fn change(caller: &Caller<'_>, user: &Found, edits: &[(&str, &str)]) -> Result<(), Fault> {
    if edits.is_empty() {
        return Ok(());
    }
    let said = |name: &str| edits.iter().rev().find(|(property, _)| *property == name).map(|(_, value)| *value);
    let (first, last) = names(text(&user.account, "display_name"));
    let mut body = json!({});
    if said("firstName").is_some() || said("lastName").is_some() {
        let both = [said("firstName").or(first), said("lastName").or(last)];
        let both = both.into_iter().flatten().filter(|name| !name.is_empty());
        body["display_name"] = json!(both.collect::<Vec<_>>().join(" "));
    }
    if let Some(password) = said("sipPassword") {
        body["password"] = json!(password);
    }
    caller.ask(Method::PATCH, &format!("/accounts/{}", id(&user.account)), Some(body)).await.map(|_| ())
}

/// Removes a user with its numbers, or leaves both: a user who is still needed elsewhere keeps his numbers.
async fn remove(caller: &Caller<'_>, user: &Found) -> Result<(), Fault> {
    let target = json!({ "kind": "account", "name": user.username() });
    let account = format!("/accounts/{}", id(&user.account));
    caller.remove_with_numbers(&user.extensions, &target, &account).await
}
