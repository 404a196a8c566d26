//! `brand`, `company` and `registration`.

use super::plugins::read_json;
use super::remote::{Remote, json};
use super::table::{details, rows, table, text};
use crate::cli_tenant::{Brand, Company, CompanySettings, PolicyChanges, Registration};
use crate::exit::Failure;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) async fn brand(remote: &Remote, command: &Brand) -> Result<String, Failure> {
    match command {
        Brand::List(asked) => {
            let all = remote.listed("/brands", asked, &[]).await?;
            Ok(shown(remote, all, &["ID", "NAME", "DEFAULT VERDICT"], &["id", "name", "default_verdict"], "No brands."))
        }
        Brand::Add { name, default_verdict } => {
            let body = json!({ "name": name, "default_verdict": default_verdict });
            added(remote, "Brand", &remote.write(Method::POST, "/brands", &body).await?)
        }
        Brand::Show { brand } => {
            let id = remote.one("brands", Some(brand)).await?;
            one(remote, &remote.get(&format!("/brands/{id}"), &[]).await?)
        }
        Brand::Set { brand, name, default_verdict } => {
            let id = remote.one("brands", Some(brand)).await?;
            let mut body = Map::new();
            for (field, value) in [("name", name), ("default_verdict", default_verdict)] {
                body.extend(value.as_ref().map(|value| (field.to_owned(), json!(value))));
            }
            let set = remote.write(Method::PATCH, &format!("/brands/{id}"), &Value::Object(body)).await?;
            Ok(if remote.json { json(&set) } else { format!("Brand {} is changed.\n", text(&set, "name")) })
        }
        Brand::Remove { brand } => {
            let id = remote.one("brands", Some(brand)).await?;
            removed(remote, &format!("/brands/{id}"), &format!("Brand {brand}")).await
        }
        Brand::Rules { brand, rules } => {
            let path = format!("/brands/{}/rules", remote.one("brands", Some(brand)).await?);
            let rules = match rules {
                Some(rules) => remote.write(Method::PUT, &path, &read_json("rules", rules)?).await?,
                None => remote.get(&path, &[]).await?,
            };
            Ok(json(&rules))
        }
        Brand::Identity { brand, x5u, certificate, key, no_key, anchors } => {
            let path = format!("/brands/{}/identity", remote.one("brands", Some(brand)).await?);
            let mut body = Map::new();
            if let (Some(x5u), Some(certificate), Some(key)) = (x5u, certificate, key) {
                let key = json!({ "url": x5u, "certificate": read(certificate)?, "key": read(key)? });
                body.insert("key".to_owned(), key);
            } else if *no_key {
                body.insert("key".to_owned(), Value::Null);
            }
            if let Some(anchors) = anchors {
                body.insert("anchors".to_owned(), json!(read(anchors)?));
            }
            let identity = if body.is_empty() {
                remote.get(&path, &[]).await?
            } else {
                remote.write(Method::PATCH, &path, &Value::Object(body)).await?
            };
            Ok(if remote.json { json(&identity) } else { identity_text(&identity) })
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::start(format!("{} cannot be read: {e}", path.display())))
}

fn identity_text(identity: &Value) -> String {
    let key = &identity["key"];
    let signs = if key.is_null() {
        "Calls are not signed.".to_owned()
    } else {
        format!("Calls are signed; the certificate is at {}.", text(key, "url"))
    };
    let anchors = identity["anchors"].as_str().unwrap_or_default().matches("-----BEGIN CERTIFICATE-----").count();
    format!("{signs}\nAuthorities that are believed beside the platform's: {anchors}.\n")
}

pub(super) async fn company(remote: &Remote, command: &Company) -> Result<String, Failure> {
    match command {
        Company::List(asked) => {
            let all = remote.listed("/companies", asked, &[]).await?;
            let heads =
                ["ID", "NAME", "BRAND", "DOMAIN", "HANDLING", "MEDIA", "SRTP", "CODECS", "CALLS MAX", "TIME ZONE"];
            let own = ["handling", "media", "media_security", "codecs", "calls_max", "rules.time_zone"];
            let fields = [&["id", "name", "brand", "domain"][..], &own].concat();
            Ok(shown(remote, all, &heads, &fields, "No companies."))
        }
        Company::Add { name, domain, kind, brand, settings } => {
            let mut body = body(settings);
            if let Some(kind) = kind {
                body.insert("kind".to_owned(), json!(kind));
            }
            body.insert("brand".to_owned(), json!(remote.one("brands", brand.as_deref()).await?));
            body.insert("name".to_owned(), json!(name));
            body.insert("domain".to_owned(), json!(domain));
            added(remote, "Company", &remote.write(Method::POST, "/companies", &Value::Object(body)).await?)
        }
        Company::Show { company } => {
            let id = remote.one("companies", Some(company)).await?;
            one(remote, &remote.get(&format!("/companies/{id}"), &[]).await?)
        }
        Company::Remove { company } => {
            let id = remote.one("companies", Some(company)).await?;
            removed(remote, &format!("/companies/{id}"), &format!("Company {company}")).await
        }
        Company::Set { company, name, domain, settings, codecs, rules } => {
            let id = remote.one("companies", Some(company)).await?;
            let mut body = body(settings);
            for (field, value) in [("name", name), ("domain", domain)] {
                body.extend(value.as_ref().map(|value| (field.to_owned(), json!(value))));
            }
            if let Some(rules) = rules {
                body.insert("rules".to_owned(), read_json("rules", rules)?);
            }
            match codecs.as_slice() {
                [] => None,
                [none] if none == "none" => body.insert("codecs".to_owned(), json!([])),
                codecs => body.insert("codecs".to_owned(), json!(codecs)),
            };
            let changed = remote.write(Method::PATCH, &format!("/companies/{id}"), &Value::Object(body)).await?;
            Ok(if remote.json { json(&changed) } else { format!("Company {} is changed.\n", text(&changed, "name")) })
        }
        Company::Policy { company, changes } => {
            let id = remote.one("companies", Some(company)).await?;
            let path = format!("/companies/{id}/policy");
            let mut policy = remote.get(&path, &[]).await?;
            if change(&mut policy, changes)? {
                policy = remote.write(Method::PUT, &path, &policy).await?;
            }
            Ok(if remote.json { json(&policy) } else { policy_text(&policy) })
        }
    }
}

/// Puts what is named into a policy; whether anything was.
fn change(policy: &mut Value, changes: &PolicyChanges) -> Result<bool, Failure> {
    let c = changes;
    let mut given = Vec::new();
    let numbers = [
        ("min_s", &c.min_expiry),
        ("max_s", &c.max_expiry),
        ("spread_percent", &c.spread),
        ("contacts_max", &c.contacts_max),
    ];
    for (name, number) in numbers {
        match number.as_deref() {
            None => {}
            Some("default") => given.push(("registration", name, Value::Null)),
            Some(text) => match text.parse::<u32>() {
                Ok(number) => given.push(("registration", name, json!(number))),
                Err(_) => return Err(Failure::start(format!("{text:?} is no number: expected one, or `default`"))),
            },
        }
    }
    given.extend(c.single_contact.map(|yes| ("registration", "single_contact", json!(yes))));
    given.extend(c.nat_ping.as_ref().map(|how| ("registration", "nat_ping", json!(how))));
    let lists = [
        ("registration", "service_route", &c.service_routes),
        ("sources", "allow", &c.allow),
        ("sources", "deny", &c.deny),
        ("sources", "countries", &c.countries),
    ];
    for (part, name, list) in lists {
        match list.as_slice() {
            [] => {}
            [none] if none == "none" => given.push((part, name, json!([]))),
            some => given.push((part, name, json!(some))),
        }
    }
    let changed = !given.is_empty();
    for (part, name, value) in given {
        policy[part][name] = value;
    }
    Ok(changed)
}

/// A policy for people: one setting per line.
fn policy_text(policy: &Value) -> String {
    let lines = [
        ("shortest registration", "/registration/min_s", "the switch's"),
        ("longest registration", "/registration/max_s", "the switch's"),
        ("spread in percent", "/registration/spread_percent", "the switch's"),
        ("contacts of an account", "/registration/contacts_max", "the switch's"),
        ("single contact", "/registration/single_contact", ""),
        ("service routes", "/registration/service_route", "none"),
        ("NAT ping", "/registration/nat_ping", ""),
        ("allowed sources", "/sources/allow", "all that are not denied"),
        ("denied sources", "/sources/deny", "none"),
        ("countries", "/sources/countries", "all"),
    ];
    let shown = |value: Option<&Value>, unset: &str| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) if !all.is_empty() => {
            all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(Value::Array(_) | Value::Null | Value::Object(_)) | None => unset.to_owned(),
    };
    let line = |(name, path, unset): &(&str, &str, &str)| format!("{name:24}{}\n", shown(policy.pointer(path), unset));
    lines.iter().map(line).collect()
}

pub(super) async fn registration(remote: &Remote, command: &Registration) -> Result<String, Failure> {
    let Registration::List { company, account } = command;
    let mut query = super::rules::of_company(remote, company.as_deref()).await?;
    query.extend(account.map(|account| ("account", account.to_string())));
    let all = remote.list("/registrations", &query, usize::MAX).await?;
    let heads = ["USER", "COMPANY", "CONTACT", "FROM", "PHONE", "UNTIL"];
    let fields = ["username", "company", "contact", "source", "user_agent", "expires_at"];
    Ok(shown(remote, all, &heads, &fields, "No phone is registered."))
}

fn body(settings: &CompanySettings) -> Map<String, Value> {
    let CompanySettings { media, handling, decline_ends_all, calls_max, media_security } = settings;
    let given = [
        ("media", media.as_ref().map(|v| json!(v))),
        ("handling", handling.as_ref().map(|v| json!(v))),
        ("decline_ends_all", decline_ends_all.map(|v| json!(v))),
        ("calls_max", calls_max.map(|v| json!(v))),
        ("media_security", media_security.as_ref().map(|v| json!(v))),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn added(remote: &Remote, what: &str, made: &Value) -> Result<String, Failure> {
    Ok(if remote.json { json(made) } else { format!("{what} {} is live.\n", text(made, "name")) })
}

/// One thing with everything that is set.
pub(super) fn one(remote: &Remote, thing: &Value) -> Result<String, Failure> {
    Ok(if remote.json { json(thing) } else { details(thing) })
}

/// Removes a thing; what holds others is refused by the switch, in its words.
pub(super) async fn removed(remote: &Remote, path: &str, what: &str) -> Result<String, Failure> {
    remote.write(Method::DELETE, path, &Value::Null).await?;
    Ok(if remote.json { String::new() } else { format!("{what} is gone.\n") })
}

fn shown(remote: &Remote, all: Vec<Value>, heads: &[&str], fields: &[&str], none: &str) -> String {
    if remote.json { json(&Value::Array(all)) } else { table(heads, &rows(&all, fields), none) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_changes_where_it_is_named() {
        let before = json!({
            "registration": { "min_s": 60, "max_s": 600, "single_contact": false, "service_route": ["<sip:a;lr>"] },
            "sources": { "allow": [], "deny": ["192.0.2.0/24"], "countries": [] },
        });
        let none = PolicyChanges {
            min_expiry: None,
            max_expiry: None,
            spread: None,
            contacts_max: None,
            single_contact: None,
            service_routes: Vec::new(),
            nat_ping: None,
            allow: Vec::new(),
            deny: Vec::new(),
            countries: Vec::new(),
        };
        let mut policy = before.clone();
        assert!(!change(&mut policy, &none).unwrap());
        assert_eq!(policy, before);
        let some = PolicyChanges {
            min_expiry: Some("90".to_owned()),
            max_expiry: Some("default".to_owned()),
            service_routes: vec!["none".to_owned()],
            allow: vec!["10.0.0.0/8".to_owned()],
            ..none
        };
        assert!(change(&mut policy, &some).unwrap());
        assert_eq!(policy["registration"]["min_s"], 90);
        assert_eq!(policy["registration"]["max_s"], Value::Null);
        assert_eq!(policy["registration"]["service_route"], json!([]));
        assert_eq!(policy["sources"], json!({ "allow": ["10.0.0.0/8"], "deny": ["192.0.2.0/24"], "countries": [] }));
        let text = policy_text(&policy);
        assert!(text.contains("allowed sources         10.0.0.0/8\n"), "{text}");
        assert!(text.contains("longest registration    the switch's\n"), "{text}");
        assert!(change(&mut policy, &PolicyChanges { min_expiry: Some("soon".to_owned()), ..some }).is_err());
    }
}
