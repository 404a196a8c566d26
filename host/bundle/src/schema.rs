//! JSON Schema 2020-12, the part that configuration needs: a keyword that is not understood makes the schema invalid,
//! so that no rule is ever silently not checked.

use core::cell::Cell;
use core::fmt;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Deepest nesting of schemas while checking, `$ref`s included.
const DEPTH_MAX: usize = 64;
/// Steps of one check: a schema whose forms lead to themselves would take for ever.
const STEPS_MAX: u32 = 1_000_000;
/// Faults told at once.
const FAULTS_MAX: usize = 20;
/// Words that say something to people or forms and check nothing.
const NOTES: [&str; 11] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "format",
];
/// Says that what stands at its place is a secret.
const SECRET: &str = "x-secret";
const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/// Why a schema is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{at}: {why}")]
pub struct SchemaError {
    /// The place, as a JSON Pointer; `/` is the whole.
    pub at: String,
    /// What is wrong.
    pub why: String,
}

/// What is wrong with one place of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The place, as a JSON Pointer (RFC 6901); empty is the whole.
    pub at: String,
    /// What is wrong, without a value of the document.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.at.is_empty() { "/" } else { &self.at }, self.why)
    }
}

/// The place of a member within the place of its object.
pub(crate) fn member(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A schema that holds together.
///
/// # Invariants
/// Every keyword in it is one of `NOTES`, begins with `x-`, or is checked by [`Schema::faults`] with operands of the
/// right type; every `$ref` leads to a schema.
#[derive(Clone, PartialEq, Debug)]
pub struct Schema(Value);

fn fault<T>(at: &str, why: impl Into<String>) -> Result<T, SchemaError> {
    Err(SchemaError { at: if at.is_empty() { "/".to_owned() } else { at.to_owned() }, why: why.into() })
}

impl Schema {
    /// Reads and checks a schema.
    ///
    /// # Errors
    /// [`SchemaError`] with the place.
    pub fn parse(text: &str) -> Result<Schema, SchemaError> {
        let value: Value = serde_json::from_str(text).or_else(|e| fault("", e.to_string()))?;
        let schema = Schema(value);
        schema.verify(&schema.0, "", 0)?;
        Ok(schema)
    }

    fn verify(&self, schema: &Value, at: &str, depth: usize) -> Result<(), SchemaError> {
        let object = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(object) if depth < DEPTH_MAX => object,
            Value::Object(_) => return fault(at, "nested too deeply"),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return fault(at, "a schema is an object, true or false");
            }
        };
        if let Some(defs) = object.get("$defs") {
            self.verify_each(defs, &format!("{at}/$defs"), depth)?;
        }
        for (word, operand) in object {
            let here = format!("{at}/{word}");
            match word.as_str() {
                SECRET if !operand.is_boolean() => return fault(&here, "true or false"),
                word if NOTES.contains(&word) || word.starts_with("x-") => {}
                "properties" => self.verify_each(operand, &here, depth)?,
                "items" | "additionalProperties" | "not" => self.verify(operand, &here, depth + 1)?,
                "allOf" | "anyOf" | "oneOf" => {
                    let Some(list) = operand.as_array().filter(|l| !l.is_empty()) else {
                        return fault(&here, "a list of schemas");
                    };
                    for (i, one) in list.iter().enumerate() {
                        self.verify(one, &format!("{here}/{i}"), depth + 1)?;
                    }
                }
                "$ref" => {
                    let found = operand.as_str().and_then(|r| self.target(r));
                    if found.is_none() {
                        return fault(&here, "`#/$defs/name` of this schema");
                    }
                }
                word => operand_fits(word, operand).or_else(|why| fault(&here, why))?,
            }
        }
        Ok(())
    }

    fn verify_each(&self, operand: &Value, at: &str, depth: usize) -> Result<(), SchemaError> {
        let Some(object) = operand.as_object() else { return fault(at, "an object of schemas") };
        object.iter().try_for_each(|(name, one)| self.verify(one, &format!("{at}/{name}"), depth + 1))
    }

    fn target(&self, reference: &str) -> Option<&Value> {
        let name = reference.strip_prefix("#/$defs/")?;
        self.0.get("$defs")?.get(name)
    }

    /// Everything that is wrong with a document, each with its place; none when it fits.
    #[must_use]
    pub fn faults(&self, document: &Value) -> Vec<Fault> {
        let steps = Cell::new(0);
        let mut check = Check { schema: self, steps: &steps, faults: Vec::new() };
        check.value(&self.0, document, "", 0);
        check.faults
    }

    /// The places of a document, as JSON Pointers, that hold a secret: those that a schema marked `x-secret` speaks of,
    /// whatever form of several the document has. Nothing within such a place is named by itself.
    #[must_use]
    pub fn secrets(&self, document: &Value) -> BTreeSet<String> {
        let mut search = Search { schema: self, steps: 0, places: BTreeSet::new() };
        search.value(&self.0, document, "", 0);
        if search.steps > STEPS_MAX {
            // Whoever cannot tell keeps all of it.
            return BTreeSet::from([String::new()]);
        }
        search.places
    }
}

/// The search for secrets in a document.
struct Search<'a> {
    schema: &'a Schema,
    steps: u32,
    places: BTreeSet<String>,
}

impl Search<'_> {
    fn value(&mut self, schema: &Value, value: &Value, at: &str, depth: usize) {
        let Some(object) = schema.as_object() else { return };
        self.steps = self.steps.saturating_add(1);
        if object.get(SECRET) == Some(&Value::Bool(true)) || (depth >= DEPTH_MAX && self.steps <= STEPS_MAX) {
            self.places.insert(at.to_owned());
            return;
        }
        if self.steps > STEPS_MAX {
            return;
        }
        if let Some(target) = object.get("$ref").and_then(Value::as_str).and_then(|r| self.schema.target(r)) {
            self.value(target, value, at, depth + 1);
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            for one in object.get(word).and_then(Value::as_array).into_iter().flatten() {
                self.value(one, value, at, depth + 1);
            }
        }
        match value {
            Value::Object(members) => {
                let known = object.get("properties").and_then(Value::as_object);
                let others = object.get("additionalProperties");
                for (name, value) in members {
                    if let Some(schema) = known.and_then(|known| known.get(name)).or(others) {
                        self.value(schema, value, &member(at, name), depth + 1);
                    }
                }
            }
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    if let Some(schema) = object.get("items") {
                        self.value(schema, item, &format!("{at}/{i}"), depth + 1);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Whether a keyword is known and its operand is what it must be.
fn operand_fits(word: &str, operand: &Value) -> Result<(), String> {
    let names = |v: &Value| v.as_array().is_some_and(|l| l.iter().all(Value::is_string));
    let (fits, must) = match word {
        "type" => {
            let known = |v: &Value| v.as_str().is_some_and(|t| TYPES.contains(&t));
            (
                known(operand) || operand.as_array().is_some_and(|l| l.iter().all(known)),
                "a type's name or a list of them",
            )
        }
        "enum" => (operand.is_array(), "a list"),
        "const" => (true, ""),
        "required" => (names(operand), "a list of names"),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => (operand.is_number(), "a number"),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            (operand.is_u64(), "a number from 0")
        }
        "uniqueItems" => (operand.is_boolean(), "true or false"),
        _ => {
            return Err(format!(
                "this switch does not check {word:?}; it knows no pattern, no if, no patternProperties"
            ));
        }
    };
    if fits { Ok(()) } else { Err(must.to_owned()) }
}

struct Check<'a> {
    schema: &'a Schema,
    steps: &'a Cell<u32>,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn say(&mut self, at: &str, why: impl core::fmt::Display) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { at: at.to_owned(), why: why.to_string() });
        }
    }

    fn fits(&self, schema: &Value, value: &Value, depth: usize) -> bool {
        let mut check = Check { schema: self.schema, steps: self.steps, faults: Vec::new() };
        check.value(schema, value, "", depth);
        check.faults.is_empty()
    }

    fn value(&mut self, schema: &Value, value: &Value, at: &str, depth: usize) {
        let object = match schema {
            Value::Object(object) => object,
            Value::Bool(false) => return self.say(at, "must not be here"),
            Value::Bool(true) | Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => return,
        };
        self.steps.set(self.steps.get().saturating_add(1));
        if depth >= DEPTH_MAX || self.steps.get() > STEPS_MAX {
            return self.say(at, "nested too deeply");
        }
        if let Some(target) = object.get("$ref").and_then(Value::as_str).and_then(|r| self.schema.target(r)) {
            self.value(target, value, at, depth + 1);
        }
        if let Some(kind) = object.get("type")
            && !has_type(kind, value)
        {
            return self.say(at, format_args!("must be {}", type_words(kind)));
        }
        self.choices(object, value, at, depth);
        match value {
            Value::Object(members) => self.members(object, members, at, depth),
            Value::Array(items) => self.items(object, items, at, depth),
            Value::String(text) => {
                let length = text.chars().count() as u64;
                self.between(object, ("minLength", "maxLength"), length, "characters", at);
            }
            Value::Number(number) => self.number(object, number.as_f64().unwrap_or(f64::NAN), at),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn choices(&mut self, schema: &Map<String, Value>, value: &Value, at: &str, depth: usize) {
        if let Some(list) = schema.get("enum").and_then(Value::as_array)
            && !list.contains(value)
        {
            let words: Vec<String> = list.iter().map(ToString::to_string).collect();
            self.say(at, format_args!("must be one of {}", words.join(", ")));
        }
        if let Some(only) = schema.get("const")
            && only != value
        {
            self.say(at, format_args!("must be {only}"));
        }
        let list = |word| schema.get(word).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for one in list("allOf") {
            self.value(one, value, at, depth + 1);
        }
        let fit = |list: &[Value]| list.iter().filter(|one| self.fits(one, value, depth + 1)).count();
        let (any, one) = (fit(list("anyOf")), fit(list("oneOf")));
        if !list("anyOf").is_empty() && any == 0 {
            self.say(at, "fits none of the forms it may have");
        }
        if !list("oneOf").is_empty() && one != 1 {
            self.say(at, format_args!("must fit exactly one of the forms it may have, and fits {one}"));
        }
        if schema.get("not").is_some_and(|not| self.fits(not, value, depth + 1)) {
            self.say(at, "has a form that it must not have");
        }
    }

    fn members(&mut self, schema: &Map<String, Value>, members: &Map<String, Value>, at: &str, depth: usize) {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                self.say(at, format_args!("{name:?} is missing"));
            }
        }
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (name, value) in members {
            let here = member(at, name);
            match (known.and_then(|k| k.get(name)), others) {
                (Some(schema), _) => self.value(schema, value, &here, depth + 1),
                (None, Some(Value::Bool(false))) => self.say(&here, "is not known"),
                (None, Some(schema)) => self.value(schema, value, &here, depth + 1),
                (None, None) => {}
            }
        }
        self.between(schema, ("minProperties", "maxProperties"), members.len() as u64, "members", at);
    }

    fn items(&mut self, schema: &Map<String, Value>, items: &[Value], at: &str, depth: usize) {
        if let Some(each) = schema.get("items") {
            for (i, item) in items.iter().enumerate() {
                self.value(each, item, &format!("{at}/{i}"), depth + 1);
            }
        }
        self.between(schema, ("minItems", "maxItems"), items.len() as u64, "items", at);
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        if unique && items.iter().enumerate().any(|(i, item)| items[..i].contains(item)) {
            self.say(at, "has the same item twice");
        }
    }

    fn between(&mut self, schema: &Map<String, Value>, words: (&str, &str), found: u64, of: &str, at: &str) {
        if let Some(min) = schema.get(words.0).and_then(Value::as_u64).filter(|min| found < *min) {
            self.say(at, format_args!("at least {min} {of}"));
        }
        if let Some(max) = schema.get(words.1).and_then(Value::as_u64).filter(|max| found > *max) {
            self.say(at, format_args!("at most {max} {of}"));
        }
    }

    fn number(&mut self, schema: &Map<String, Value>, found: f64, at: &str) {
        let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
        if let Some(min) = bound("minimum").filter(|min| found < *min) {
            self.say(at, format_args!("at least {min}"));
        }
        if let Some(max) = bound("maximum").filter(|max| found > *max) {
            self.say(at, format_args!("at most {max}"));
        }
        if let Some(min) = bound("exclusiveMinimum").filter(|min| found <= *min) {
            self.say(at, format_args!("more than {min}"));
        }
        if let Some(max) = bound("exclusiveMaximum").filter(|max| found >= *max) {
            self.say(at, format_args!("less than {max}"));
        }
    }
}

fn has_type(kind: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    };
    match kind.as_array() {
        Some(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        None => kind.as_str().is_some_and(is),
    }
}

fn type_words(kind: &Value) -> String {
    match kind.as_array() {
        Some(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        None => kind.as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ATTENDANT: &str = r##"{
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
        "required": ["digits"],
        "properties": {
            "digits": { "type": "object", "additionalProperties": { "$ref": "#/$defs/target" } },
            "ring_timeout_s": { "type": "integer", "minimum": 1, "maximum": 180, "default": 20 },
            "media": { "enum": ["anchor", "direct"] },
            "pin": { "type": "string", "minLength": 4, "x-secret": true },
            "days": { "type": "array", "items": { "type": "integer" }, "uniqueItems": true, "maxItems": 3 },
            "open": { "oneOf": [{ "type": "boolean" }, { "type": "string", "maxLength": 5 }] }
        },
        "$defs": { "target": { "type": "string", "minLength": 1 } } }"##;

    #[test]
    fn a_document_fits_or_every_fault_is_told_with_its_place() {
        let schema = Schema::parse(ATTENDANT).unwrap();
        for (document, faults) in [
            (r#"{"digits":{"1":"1001"},"ring_timeout_s":20.0,"open":true}"#, &[][..]),
            (r#"{}"#, &["/: \"digits\" is missing"]),
            (r#"[]"#, &["/: must be object"]),
            (r#"{"digits":{"1":"","2":7}}"#, &["/digits/1: at least 1 characters", "/digits/2: must be string"]),
            (r#"{"digits":{},"ring_timeout_s":0}"#, &["/ring_timeout_s: at least 1"]),
            (r#"{"digits":{},"ring_timeout_s":1.5}"#, &["/ring_timeout_s: must be integer"]),
            (r#"{"digits":{},"media":"both"}"#, &[r#"/media: must be one of "anchor", "direct""#]),
            (r#"{"digits":{},"colour":1}"#, &["/colour: is not known"]),
            (r#"{"digits":{},"days":[1,1,2,3]}"#, &["/days: at most 3 items", "/days: has the same item twice"]),
            (
                r#"{"digits":{},"open":"09:00-17"}"#,
                &["/open: must fit exactly one of the forms it may have, and fits 0"],
            ),
            (r#"{"digits":{},"pin":"12é"}"#, &["/pin: at least 4 characters"]),
        ] {
            let found = schema.faults(&serde_json::from_str(document).unwrap());
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, faults, "{document}");
        }
    }

    #[test]
    fn a_schema_that_would_not_be_checked_whole_is_refused() {
        for (schema, at) in [
            (r#"{"type":"objekt"}"#, "/type"),
            (r#"{"properties":{"a":{"pattern":"x"}}}"#, "/properties/a/pattern"),
            (r##"{"$ref":"#/$defs/gone"}"##, "/$ref"),
            (r#"{"$ref":"https://example.com/s"}"#, "/$ref"),
            (r#"{"items":7}"#, "/items"),
            (r#"{"minimum":"1"}"#, "/minimum"),
            (r#"{"anyOf":[]}"#, "/anyOf"),
            ("7", "/"),
            ("{", "/"),
        ] {
            assert_eq!(Schema::parse(schema).unwrap_err().at, at, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_leads_to_itself_ends() {
        let schema = Schema::parse(r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}"##).unwrap();
        assert_eq!(schema.faults(&Value::Null)[0].to_string(), "/: nested too deeply");
        let doubling = r##"{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}}}"##;
        assert!(!Schema::parse(doubling).unwrap().faults(&Value::Null).is_empty());
        let deep = "{\"not\":".repeat(100) + "{}" + &"}".repeat(100);
        assert!(Schema::parse(&deep).is_err());
    }
}
