//! Call groups: a hunt group, and the extension that leads to it.

use super::xml::Element;
use super::{Caller, Fault, id, is_true, leads_to, text, unknown, xml};
use axum::http::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;

const KNOWN: &str = "AddCallGroup, GetCallGroups and RemoveCallGroup";
const KIND: &str = "hunt-group";

pub(super) async fn act(caller: &Caller<'_>, operation: Option<&Element>) -> Result<String, Fault> {
    match operation.map(|operation| (operation.name.as_str(), operation)) {
        // sipXecs asks for them with an empty Body.
        None | Some(("GetCallGroups" | "getCallGroups", _)) => all(caller).await,
        Some(("AddCallGroup", operation)) => add(caller, operation).await,
        Some(("RemoveCallGroup", operation)) => remove(caller, operation).await,
        Some((_, operation)) => Err(unknown(operation, KNOWN)),
    }
}

/// A ring: when, whom, how long.
struct Ring<'a> {
    position: u16,
    user: &'a str,
    seconds: u16,
    together: bool,
}

fn rings(group: &Element) -> Result<Vec<Ring<'_>>, Fault> {
    let wrong = |what: &str| Fault::Client(format!("a ring has no {what}"));
    let mut all = Vec::new();
    for ring in group.all("rings").filter(|ring| !ring.nil) {
        all.push(Ring {
            position: ring.said("position").and_then(|n| n.parse().ok()).ok_or_else(|| wrong("position"))?,
            user: ring.said("userName").ok_or_else(|| wrong("userName"))?,
            seconds: ring.said("expiration").and_then(|n| n.parse().ok()).ok_or_else(|| wrong("expiration"))?,
            together: match ring.said("type") {
                Some("immediate") => true,
                Some("delayed") => false,
                _ => return Err(Fault::Client("the type of a ring is delayed or immediate".to_owned())),
            },
        });
    }
    all.sort_by_key(|ring| ring.position);
    Ok(all)
}

/// The group as a rule has it. How the first rings is the same either way.
fn rule(rings: &[Ring<'_>]) -> Result<Value, Fault> {
    let rest = rings.get(1..).unwrap_or_default();
    let together = rest.iter().all(|ring| ring.together) && (!rest.is_empty() || rings.iter().all(|r| r.together));
    if !together && rest.iter().any(|ring| ring.together) {
        let why = "behind the first, rings are all delayed or all immediate: a group that mixes them is not kept";
        return Err(Fault::Client(why.to_owned()));
    }
    let member = |ring: &Ring<'_>| {
        let to = json!({ "kind": "account", "name": ring.user });
        json!({ "to": to, "priority": ring.position, "ring_s": ring.seconds })
    };
    let longest = rings.iter().map(|ring| ring.seconds).max().unwrap_or(20);
    let strategy = if together { "ring-all" } else { "linear" };
    let members: Vec<Value> = rings.iter().map(member).collect();
    Ok(json!({ "strategy": strategy, "members": members, "ring_s": longest }))
}

async fn add(caller: &Caller<'_>, operation: &Element) -> Result<String, Fault> {
    let missing = |what: &str| Fault::Client(format!("{what} is missing"));
    let group = operation.child("callGroup").ok_or_else(|| missing("callGroup"))?;
    let name = group.said("name").ok_or_else(|| missing("name"))?;
    if group.said("description").is_some() {
        return Err(Fault::not_kept("description"));
    }
    if is_true(group, "enabled")? == Some(false) {
        return Err(Fault::Client("a group that is not enabled is not kept: leave it out".to_owned()));
    }
    let body = rule(&rings(group)?)?;
    let company = caller.company().await?;
    let new = json!({ "company": company, "kind": KIND, "name": name, "body": body });
    let rule = id(&caller.ask(Method::POST, "/rules", Some(new)).await?);
    if let Some(number) = group.said("extension") {
        let target = json!({ "kind": KIND, "name": name });
        let new = json!({ "company": company, "number": number, "target": target });
        if let Err(fault) = caller.ask(Method::POST, "/extensions", Some(new)).await {
            let undone = caller.ask(Method::DELETE, &format!("/rules/{rule}"), None).await.is_ok();
            let said = if undone { "the group was not added" } else { "and the group could not be removed" };
            return Err(fault.after(said));
        }
    }
    Ok(String::new())
}

async fn all(caller: &Caller<'_>) -> Result<String, Fault> {
    let extensions = caller.list("extensions", "").await?;
    let mut out = format!("<impl:GetCallGroupsResponse xmlns:impl=\"{}\"><callGroups>", super::SPACE);
    for group in caller.list("rules", &format!("&kind={KIND}")).await? {
        let name = text(&group, "name");
        let number = extensions.iter().find(|row| leads_to(row, KIND, name)).map(|row| text(row, "number"));
        out.push_str("<item>");
        xml::add(&mut out, "name", Some(name));
        xml::add(&mut out, "extension", number);
        xml::add(&mut out, "description", None);
        out.push_str("<enabled>true</enabled>");
        let body = group.get("body").cloned().unwrap_or(Value::Null);
        let kind = if text(&body, "strategy") == "ring-all" { "immediate" } else { "delayed" };
        let members = body.get("members").and_then(Value::as_array);
        for (position, member) in members.into_iter().flatten().enumerate() {
            let seconds = member.get("ring_s").and_then(Value::as_i64).unwrap_or_default();
            let to = member.get("to").map_or("", |to| text(to, "name"));
            let _ = write!(out, "<rings><expiration>{seconds}</expiration><type>{kind}</type>");
            let _ = write!(out, "<position>{position}</position>");
            xml::add(&mut out, "userName", Some(to));
            out.push_str("</rings>");
        }
        out.push_str("</item>");
    }
    out.push_str("</callGroups></impl:GetCallGroupsResponse>");
    Ok(out)
}

async fn remove(caller: &Caller<'_>, operation: &Element) -> Result<String, Fault> {
    let name = operation.said("name").or_else(|| operation.child("callGroup").and_then(|group| group.said("name")));
    let name = name.ok_or_else(|| Fault::Client("name is missing".to_owned()))?;
    let groups = caller.list("rules", &format!("&kind={KIND}")).await?;
    let group = groups.iter().find(|group| text(group, "name") == name);
    let group = group.ok_or_else(|| Fault::Client("there is no such group".to_owned()))?;
    let extensions = caller.list("extensions", "").await?;
    let own = extensions.iter().filter(|row| leads_to(row, KIND, name));
    let own: Vec<(i64, String)> = own.map(|row| (id(row), text(row, "number").to_owned())).collect();
    let target = json!({ "kind": KIND, "name": name });
    caller.remove_with_numbers(&own, &target, &format!("/rules/{}", id(group))).await?;
    Ok(String::new())
}
