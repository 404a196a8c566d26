//! `route`, `route-pattern`, `route-group`, `route-tag`: `list`, `show`, `add`, `set`, `remove`.

use super::remote::{Remote, json};
use super::table::{details, rows, table, text};
use crate::cli_list::Listing;
use crate::cli_route::{Group, Kind, Pattern, Route, Settings, Tag};
use crate::exit::Failure;
use clap::ValueEnum;
use reqwest::Method;
use serde_json::{Value, json};

/// What takes a value away.
const NONE: &str = "none";

/// A noun as the API and people call it.
struct Noun {
    path: &'static str,
    name: &'static str,
    many: &'static str,
    heads: &'static [&'static str],
    fields: &'static [&'static str],
}

const PATTERNS: Noun = Noun {
    path: "route-patterns",
    name: "Routing pattern",
    many: "No routing patterns.",
    heads: &["ID", "NAME", "PREFIX", "SPECIAL", "BRAND"],
    fields: &["id", "name", "prefix", "special", "brand"],
};
const GROUPS: Noun = Noun {
    path: "route-groups",
    name: "Routing group",
    many: "No routing groups.",
    heads: &["ID", "NAME", "PATTERNS", "BRAND"],
    fields: &["id", "name", "patterns", "brand"],
};
const TAGS: Noun = Noun {
    path: "route-tags",
    name: "Routing tag",
    many: "No routing tags.",
    heads: &["ID", "NAME", "TAG", "EVERYBODY", "COMPANIES", "BRAND"],
    fields: &["id", "name", "tag", "everybody", "companies", "brand"],
};
const ROUTES: Noun = Noun {
    path: "outgoing-routes",
    name: "Outgoing route",
    many: "No outgoing routes.",
    heads: &["ID", "NAME", "PRIORITY", "WEIGHT", "MODE", "TRUNK", "COMPANY", "TAG", "PATTERN", "GROUP", "BRAND"],
    fields: &["id", "name", "priority", "weight", "mode", "trunk", "company", "tag", "pattern", "group", "brand"],
};

impl Noun {
    async fn list(&self, remote: &Remote, asked: &Listing) -> Result<String, Failure> {
        let all = remote.listed(&format!("/{}", self.path), asked, &[]).await?;
        if remote.json {
            return Ok(json(&Value::Array(all)));
        }
        Ok(table(self.heads, &rows(&all, self.fields), self.many))
    }

    async fn show(&self, remote: &Remote, named: &str) -> Result<String, Failure> {
        let id = remote.one(self.path, Some(named)).await?;
        let found = remote.get(&format!("/{}/{id}", self.path), &[]).await?;
        Ok(if remote.json { json(&found) } else { details(&found) })
    }

    async fn add(&self, remote: &Remote, brand: Option<&str>, mut body: Value) -> Result<String, Failure> {
        body["brand"] = json!(remote.one("brands", brand).await?);
        let made = remote.write(Method::POST, &format!("/{}", self.path), &body).await?;
        Ok(self.live(remote, &made))
    }

    async fn set(&self, remote: &Remote, named: &str, body: Value) -> Result<String, Failure> {
        let id = remote.one(self.path, Some(named)).await?;
        let changed = remote.write(Method::PATCH, &format!("/{}/{id}", self.path), &body).await?;
        Ok(self.live(remote, &changed))
    }

    async fn remove(&self, remote: &Remote, named: &str) -> Result<String, Failure> {
        let id = remote.one(self.path, Some(named)).await?;
        remote.write(Method::DELETE, &format!("/{}/{id}", self.path), &Value::Null).await?;
        Ok(if remote.json { String::new() } else { format!("{} {named} is gone.\n", self.name) })
    }

    fn live(&self, remote: &Remote, row: &Value) -> String {
        if remote.json { json(row) } else { format!("{} {} is live.\n", self.name, text(row, "name")) }
    }
}

/// An object of what was said.
fn said(fields: &[(&str, Value)]) -> Value {
    Value::Object(fields.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
}

/// The rows that are named; `none` alone is no row, and none named is nothing said.
async fn ids(remote: &Remote, noun: &str, named: &[String]) -> Result<Value, Failure> {
    if named.is_empty() {
        return Ok(Value::Null);
    }
    let mut found = Vec::new();
    for name in named.iter().filter(|name| *name != NONE) {
        found.push(json!(remote.one(noun, Some(name)).await?));
    }
    Ok(Value::Array(found))
}

pub(super) async fn pattern(remote: &Remote, command: &Pattern) -> Result<String, Failure> {
    match command {
        Pattern::List(asked) => PATTERNS.list(remote, asked).await,
        Pattern::Show { pattern } => PATTERNS.show(remote, pattern).await,
        Pattern::Add { name, prefix, brand, special } => {
            let body = json!({ "name": name, "prefix": prefix, "special": special });
            PATTERNS.add(remote, brand.as_deref(), body).await
        }
        Pattern::Set { pattern, name, prefix, special } => {
            let body = said(&[("name", json!(name)), ("prefix", json!(prefix)), ("special", json!(special))]);
            PATTERNS.set(remote, pattern, body).await
        }
        Pattern::Remove { pattern } => PATTERNS.remove(remote, pattern).await,
    }
}

pub(super) async fn group(remote: &Remote, command: &Group) -> Result<String, Failure> {
    match command {
        Group::List(asked) => GROUPS.list(remote, asked).await,
        Group::Show { group } => GROUPS.show(remote, group).await,
        Group::Add { name, brand, patterns } => {
            let body = said(&[("name", json!(name)), ("patterns", ids(remote, PATTERNS.path, patterns).await?)]);
            GROUPS.add(remote, brand.as_deref(), body).await
        }
        Group::Set { group, name, patterns } => {
            let body = said(&[("name", json!(name)), ("patterns", ids(remote, PATTERNS.path, patterns).await?)]);
            GROUPS.set(remote, group, body).await
        }
        Group::Remove { group } => GROUPS.remove(remote, group).await,
    }
}

pub(super) async fn tag(remote: &Remote, command: &Tag) -> Result<String, Failure> {
    match command {
        Tag::List(asked) => TAGS.list(remote, asked).await,
        Tag::Show { tag } => TAGS.show(remote, tag).await,
        Tag::Add { name, digits, brand, everybody, companies } => {
            let companies = ids(remote, "companies", companies).await?;
            let named = [("name", json!(name)), ("tag", json!(digits)), ("everybody", json!(everybody))];
            let body = said(&[&named[..], &[("companies", companies)]].concat());
            TAGS.add(remote, brand.as_deref(), body).await
        }
        Tag::Set { tag, name, digits, everybody, companies } => {
            let companies = ids(remote, "companies", companies).await?;
            let named = [("name", json!(name)), ("tag", json!(digits)), ("everybody", json!(everybody))];
            let body = said(&[&named[..], &[("companies", companies)]].concat());
            TAGS.set(remote, tag, body).await
        }
        Tag::Remove { tag } => TAGS.remove(remote, tag).await,
    }
}

pub(super) async fn route(remote: &Remote, command: &Route) -> Result<String, Failure> {
    match command {
        Route::List(asked) => ROUTES.list(remote, asked).await,
        Route::Show { route } => ROUTES.show(remote, route).await,
        Route::Add { name, brand, settings } => {
            let mut body = settings_of(remote, settings).await?;
            body["name"] = json!(name);
            if body.get("mode").is_none() {
                return Err(Failure::start("a route needs --trunk, --rated or --block"));
            }
            ROUTES.add(remote, brand.as_deref(), body).await
        }
        Route::Set { route, name, settings } => {
            let mut body = settings_of(remote, settings).await?;
            if let Some(name) = name {
                body["name"] = json!(name);
            }
            ROUTES.set(remote, route, body).await
        }
        Route::Remove { route } => ROUTES.remove(remote, route).await,
    }
}

/// What is said of a route; what is not said is not there, and what is taken away is null.
async fn settings_of(remote: &Remote, said: &Settings) -> Result<Value, Failure> {
    let mut body = json!({});
    for (field, noun, named) in [
        ("company", "companies", &said.company),
        ("tag", TAGS.path, &said.tag),
        ("pattern", PATTERNS.path, &said.pattern),
        ("group", GROUPS.path, &said.group),
    ] {
        match named.as_deref() {
            Some(NONE) => body[field] = Value::Null,
            Some(name) => body[field] = json!(remote.one(noun, Some(name)).await?),
            None => {}
        }
    }
    if let Some(trunk) = &said.trunk {
        body["mode"] = json!("static");
        body["trunk"] = json!(remote.one("trunks", Some(trunk)).await?);
    }
    if !said.rated.is_empty() {
        body["mode"] = json!("lcr");
        let mut rated = Vec::new();
        for given in &said.rated {
            let (trunk, table) = rated_trunk(given)?;
            rated.push(json!({ "trunk": remote.one("trunks", Some(trunk)).await?, "table": table }));
        }
        body["trunks"] = Value::Array(rated);
    }
    if said.block {
        body["mode"] = json!("block");
    }
    if let Some(kind) = said.kind {
        body["kind"] = match kind {
            Kind::None => Value::Null,
            kind @ (Kind::Vpbx | Kind::Residential | Kind::Retail | Kind::Wholesale) => {
                json!(kind.to_possible_value().map(|word| word.get_name().to_owned()))
            }
        };
    }
    for (field, value) in
        [("priority", json!(said.priority)), ("weight", json!(said.weight)), ("stopper", json!(said.stopper))]
    {
        if !value.is_null() {
            body[field] = value;
        }
    }
    match said.prefix.as_deref() {
        Some(NONE) => body["prefix"] = json!(""),
        Some(prefix) => body["prefix"] = json!(prefix),
        None => {}
    }
    match said.caller.as_deref() {
        Some(NONE) => body["caller"] = Value::Null,
        Some(caller) => body["caller"] = json!(caller),
        None => {}
    }
    Ok(body)
}

/// `TRUNK=TABLE`; the last `=` divides.
fn rated_trunk(given: &str) -> Result<(&str, &str), Failure> {
    let parts = given.rsplit_once('=').filter(|(trunk, table)| !trunk.is_empty() && !table.is_empty());
    parts.ok_or_else(|| Failure::start(format!("{given} is no trunk with its prices: expected TRUNK=TABLE")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_and_its_prices_are_read_or_refused() {
        assert_eq!(rated_trunk("carrier=rates").unwrap(), ("carrier", "rates"));
        assert_eq!(rated_trunk("a=b=rates").unwrap(), ("a=b", "rates"));
        for bad in ["", "carrier", "=rates", "carrier="] {
            assert!(rated_trunk(bad).is_err(), "{bad}");
        }
    }
}
