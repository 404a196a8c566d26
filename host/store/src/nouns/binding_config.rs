//! The secrets within a binding's configuration: sealed one by one where they stand, so that every version that is kept
//! for a rollback has its own.
//!
//! A sealed value is the object `{"$sealed": HEX}` in place of the value. It is sealed for its binding and its place in
//! the document (decision 0335), so that one moved elsewhere is not opened.

use crate::{Bindings, StoreError};
use core::fmt;
use model::{AccountId, BrandId, CompanyId};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The only member of the object that a sealed value is.
const SEALED: &str = "$sealed";

/// Whose configuration it is: what a binding is known by from before it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigOwner<'a> {
    /// The binding's brand.
    pub brand: BrandId,
    /// Its company.
    pub company: Option<CompanyId>,
    /// Its account.
    pub account: Option<AccountId>,
    /// Its name.
    pub name: &'a str,
}

impl ConfigOwner<'_> {
    /// What the value at a place of the document is sealed for.
    fn place(&self, at: &str) -> String {
        let ConfigOwner { brand, company, account, name } = self;
        let (company, account) = (company.map_or(0, |c| c.0), account.map_or(0, |a| a.0));
        format!("config {brand} {company} {account} {name} {at}")
    }
}

/// A configuration in clear.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ClearConfig {
    json: String,
    secrets: BTreeSet<String>,
    lost: BTreeSet<String>,
}

impl fmt::Debug for ClearConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClearConfig").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl ClearConfig {
    /// The document, JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.json
    }

    /// Where values stand in it that are sealed in the database, as JSON Pointers (RFC 6901).
    #[must_use]
    pub const fn secrets(&self) -> &BTreeSet<String> {
        &self.secrets
    }

    /// Those of them that this node's key does not open; they stand there sealed.
    #[must_use]
    pub const fn lost(&self) -> &BTreeSet<String> {
        &self.lost
    }
}

/// A stored configuration with `mark` for each sealed value.
#[must_use]
pub fn shown_config(stored: &str, mark: &str) -> Value {
    let mut document = serde_json::from_str(stored).unwrap_or(Value::Null);
    each(&mut document, "", &mut |_, value| *value = Value::from(mark));
    document
}

/// Whether a document says of a value that it is sealed, which only the store says.
#[must_use]
pub fn has_sealed(document: &Value) -> bool {
    match document {
        Value::Object(members) => members.contains_key(SEALED) || members.values().any(has_sealed),
        Value::Array(items) => items.iter().any(has_sealed),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn sealed_hex(value: &Value) -> Option<&str> {
    value.as_object().filter(|members| members.len() == 1)?.get(SEALED)?.as_str()
}

/// Does something to each sealed value.
fn each(value: &mut Value, at: &str, act: &mut impl FnMut(&str, &mut Value)) {
    if sealed_hex(value).is_some() {
        return act(at, value);
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                each(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), act);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter_mut().enumerate() {
                each(value, &format!("{at}/{i}"), act);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    digits.then(|| (0..text.len()).step_by(2).map(byte).collect()).flatten()
}

impl Bindings<'_> {
    /// A stored configuration in clear, for the switch and for whoever changes it; never for anybody to read.
    #[must_use]
    pub fn clear_config(&self, owner: ConfigOwner<'_>, stored: &str) -> ClearConfig {
        let unsealed = || ClearConfig { json: stored.to_owned(), ..ClearConfig::default() };
        if !stored.contains(SEALED) {
            return unsealed();
        }
        let Ok(mut document) = serde_json::from_str::<Value>(stored) else { return unsealed() };
        let (mut secrets, mut lost) = (BTreeSet::new(), BTreeSet::new());
        each(&mut document, "", &mut |at, value| {
            secrets.insert(at.to_owned());
            match self.opened(owner, at, value) {
                Some(clear) => *value = clear,
                None => {
                    lost.insert(at.to_owned());
                }
            }
        });
        ClearConfig { json: document.to_string(), secrets, lost }
    }

    fn opened(&self, owner: ConfigOwner<'_>, at: &str, sealed: &Value) -> Option<Value> {
        let sealed = from_hex(sealed_hex(sealed)?)?;
        let plain = self.0.inner.key.as_ref()?.open(&owner.place(at), &sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// A configuration as it is stored: the values at `secrets` (JSON Pointers) sealed. One that is the same in
    /// `before`, as it was stored, stays sealed as it is: the same again is no change.
    ///
    /// # Errors
    /// This node has no key to seal them with; the document says itself that something is sealed.
    pub fn sealed_config(
        &self,
        owner: ConfigOwner<'_>,
        clear: &Value,
        secrets: &BTreeSet<String>,
        before: Option<&str>,
    ) -> Result<String, StoreError> {
        let refused = |why: &str| StoreError::Invalid { what: "config", why: why.to_owned() };
        if has_sealed(clear) {
            return Err(refused("no member may be named `$sealed`"));
        }
        let before: Value = before.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let mut document = clear.clone();
        for at in secrets {
            let Some(value) = document.pointer_mut(at) else { continue };
            let was = before.pointer(at);
            if let Some(was) = was.filter(|was| self.opened(owner, at, was).as_ref() == Some(&*value)) {
                *value = was.clone();
                continue;
            }
            let no_key = "this node has no key to seal its secrets with (see store.key_file in host/docs/config.md)";
            let key = self.0.inner.key.as_ref();
            let sealed = key.and_then(|key| key.seal(&owner.place(at), value.to_string().as_bytes()));
            let sealed = to_hex(&sealed.ok_or_else(|| refused(no_key))?);
            *value = Value::Object(Map::from_iter([(SEALED.to_owned(), Value::from(sealed))]));
        }
        Ok(document.to_string())
    }
}
