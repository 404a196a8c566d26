//! Secrets within a configuration: shown as a mark, and kept where the mark comes back.

use crate::Fault;
use crate::schema::member;
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands for a secret wherever a configuration is shown. Whoever writes it back keeps the secret.
pub const MARK: &str = "********";

/// A configuration as it was, in clear.
#[derive(Clone, Copy, Debug)]
pub struct Former<'a> {
    /// The document.
    pub document: &'a Value,
    /// Where its secrets stand, as JSON Pointers.
    pub secrets: &'a BTreeSet<String>,
    /// Those of them that cannot be known any more.
    pub lost: &'a BTreeSet<String>,
}

/// The document with the mark for each of its secrets.
#[must_use]
pub fn veiled(document: &Value, secrets: &BTreeSet<String>) -> Value {
    let mut shown = document.clone();
    for place in secrets {
        if let Some(value) = shown.pointer_mut(place) {
            *value = Value::from(MARK);
        }
    }
    shown
}

/// Puts the secrets of the former document where the new one has marks: at `secrets` and wherever the former had one. An
/// item of a list is known again by the rest of it, since the place of an item says little.
///
/// # Errors
/// Marks for which there is no secret.
pub fn unveil(document: &mut Value, secrets: &BTreeSet<String>, former: Former<'_>) -> Result<(), Vec<Fault>> {
    let shown = veiled(former.document, former.secrets);
    let places = secrets.union(former.secrets).cloned().collect();
    let mut work = Unveiling { places, former, faults: Vec::new() };
    work.value(document, "", Some((former.document, &shown, String::new())));
    if work.faults.is_empty() { Ok(()) } else { Err(work.faults) }
}

struct Unveiling<'a> {
    places: BTreeSet<String>,
    former: Former<'a>,
    faults: Vec<Fault>,
}

/// A part of the former document: in clear, as it was shown, and its place.
type Part<'a> = Option<(&'a Value, &'a Value, String)>;

impl Unveiling<'_> {
    fn fault(&mut self, at: &str, why: &str) {
        self.faults.push(Fault { at: at.to_owned(), why: why.to_owned() });
    }

    fn value(&mut self, value: &mut Value, at: &str, was: Part<'_>) {
        if self.places.contains(at) {
            if value.as_str() != Some(MARK) {
                return;
            }
            match was {
                Some((_, _, place)) if self.former.lost.contains(&place) => {
                    self.fault(at, "its secret was sealed with another key: say it anew");
                }
                Some((clear, _, _)) => *value = clear.clone(),
                None => self.fault(at, "the mark stands for a secret, and none is kept here"),
            }
            return;
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let part = was.as_ref().and_then(|(clear, shown, place)| {
                        Some((clear.get(name)?, shown.get(name)?, member(place, name)))
                    });
                    self.value(value, &member(at, name), part);
                }
            }
            Value::Array(items) => self.items(items, at, was),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn items(&mut self, items: &mut [Value], at: &str, was: Part<'_>) {
        let (clear, shown, place) = match &was {
            Some((Value::Array(clear), Value::Array(shown), place)) => (&clear[..], &shown[..], place.as_str()),
            Some(_) | None => (&[][..], &[][..], ""),
        };
        let same = *items == *shown;
        for (i, item) in items.iter_mut().enumerate() {
            let here = format!("{at}/{i}");
            if !self.has_mark(item, &here) {
                continue;
            }
            let mut fits = (0..shown.len()).filter(|n| if same { *n == i } else { shown[*n] == *item });
            match (fits.next(), fits.next()) {
                (Some(n), None) => {
                    self.value(item, &here, Some((&clear[n], &shown[n], format!("{place}/{n}"))));
                }
                _ => self.fault(&here, "it cannot be told which item of the list this was: say its secrets anew"),
            }
        }
    }

    fn has_mark(&self, value: &Value, at: &str) -> bool {
        if self.places.contains(at) {
            return value.as_str() == Some(MARK);
        }
        match value {
            Value::Object(members) => members.iter().any(|(name, value)| self.has_mark(value, &member(at, name))),
            Value::Array(items) => items.iter().enumerate().any(|(i, item)| self.has_mark(item, &format!("{at}/{i}"))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;
    use crate::Schema;
    use serde_json::json;

    const SCHEMA: &str = r##"{ "properties": { "url": { "type": "string" }, "code": { "x-secret": true },
        "rooms": { "type": "object", "additionalProperties": { "$ref": "#/$defs/room" } },
        "list": { "type": "array", "items": { "$ref": "#/$defs/room" } },
        "keys": { "items": { "x-secret": true } },
        "either": { "oneOf": [{ "type": "string", "x-secret": true }, { "type": "integer" }] } },
        "$defs": { "room": { "properties": { "pin": { "type": "string", "x-secret": true }, "name": {} } } } }"##;

    fn places(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|place| (*place).to_owned()).collect()
    }

    /// The document with its marks replaced by what the former one had there, or what was said.
    fn kept(document: &Value, former: &Value) -> Result<Value, Vec<String>> {
        let schema = Schema::parse(SCHEMA).unwrap();
        let (mut document, secrets) = (document.clone(), schema.secrets(former));
        let former = Former { document: former, secrets: &secrets, lost: &places(&["/either"]) };
        let now = schema.secrets(&document);
        let done = unveil(&mut document, &now, former);
        done.map(|()| document).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_secret_is_found_and_shown_as_a_mark() {
        let schema = Schema::parse(SCHEMA).unwrap();
        let document = json!({"url": "x", "code": {"a": 1}, "rooms": {"a/b~": {"pin": "1", "name": "n"}, "c": 7},
            "list": [{"name": "n"}, {"pin": "2"}], "keys": ["k"], "either": "e", "more": {"pin": "3"}});
        let found = schema.secrets(&document);
        assert_eq!(found, places(&["/code", "/either", "/keys/0", "/list/1/pin", "/rooms/a~1b~0/pin"]));
        let shown = veiled(&document, &found).to_string();
        let marks = json!({"url": "x", "code": MARK, "rooms": {"a/b~": {"pin": MARK, "name": "n"}, "c": 7},
            "list": [{"name": "n"}, {"pin": MARK}], "keys": [MARK], "either": MARK, "more": {"pin": "3"}});
        assert_eq!(shown, marks.to_string());
        assert_eq!(schema.secrets(&json!("text")), places(&[]));
        assert!(Schema::parse(r#"{"properties":{"a":{"x-secret":"yes"}}}"#).is_err());
        let doubling = r##"{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}}}"##;
        assert_eq!(
            Schema::parse(doubling).unwrap().secrets(&json!({})),
            places(&[""]),
            "all of it, where it cannot be told"
        );
    }

    #[test]
    fn a_mark_that_comes_back_keeps_the_secret() {
        let former = json!({"url": "x", "code": "c", "rooms": {"a": {"pin": "1"}}, "either": "e"});
        let said = json!({"url": MARK, "code": MARK, "rooms": {"a": {"pin": MARK, "name": "n"}, "b": {"pin": "2"}}});
        let now = json!({"url": MARK, "code": "c", "rooms": {"a": {"pin": "1", "name": "n"}, "b": {"pin": "2"}}});
        assert_eq!(kept(&said, &former), Ok(now), "what is no secret is what it is");
        let none = kept(&json!({"code": MARK, "rooms": {"b": {"pin": MARK}}}), &json!({})).unwrap_err();
        let why = "the mark stands for a secret, and none is kept here";
        assert_eq!(none, [format!("/code: {why}"), format!("/rooms/b/pin: {why}")]);
        let lost = kept(&json!({"either": MARK}), &former).unwrap_err();
        assert_eq!(lost, ["/either: its secret was sealed with another key: say it anew"]);
    }

    #[test]
    fn an_item_of_a_list_is_known_by_the_rest_of_it() {
        let room = |name: &str, pin: &str| json!({"name": name, "pin": pin});
        let former = json!({"list": [room("a", "1"), room("b", "2"), room("b", "3")], "keys": ["k", "l"]});
        let same = json!({"list": [room("a", MARK), room("b", MARK), room("b", MARK)], "keys": [MARK, MARK]});
        assert_eq!(kept(&same, &former).unwrap(), former);
        let moved = json!({"list": [room("c", "4"), room("a", MARK)], "keys": ["k", "m"]});
        assert_eq!(
            kept(&moved, &former).unwrap(),
            json!({"list": [room("c", "4"), room("a", "1")], "keys": ["k", "m"]})
        );
        let unclear = kept(&json!({"list": [room("b", MARK), room("c", MARK)], "keys": [MARK]}), &former).unwrap_err();
        assert_eq!(
            unclear.iter().map(|f| f.split(':').next().unwrap()).collect::<Vec<_>>(),
            ["/keys/0", "/list/0", "/list/1"]
        );
    }
}
