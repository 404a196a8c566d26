//! The rules of names and numbers, in words. The database has the same rules as constraints, in codes.

use crate::StoreError;

fn refuse<T>(what: &'static str, why: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::Invalid { what, why: why.into() })
}

fn length(what: &'static str, text: &str, max: usize) -> Result<(), StoreError> {
    match text.chars().count() {
        0 => refuse(what, "must not be empty"),
        n if n > max => refuse(what, format!("has {n} characters, at most {max} are allowed")),
        _ => Ok(()),
    }
}

/// A name: printable, at most 64 characters.
pub(crate) fn name(what: &'static str, text: &str) -> Result<(), StoreError> {
    length(what, text, 64)?;
    if text.chars().any(char::is_control) {
        return refuse(what, "must not contain control characters");
    }
    Ok(())
}

/// A display name: may be empty.
pub(crate) fn display_name(text: &str) -> Result<(), StoreError> {
    if text.is_empty() {
        return Ok(());
    }
    length("display name", text, 128)?;
    if text.chars().any(char::is_control) {
        return refuse("display name", "must not contain control characters");
    }
    Ok(())
}

/// The user part of a SIP URI without escapes (RFC 3261 section 25.1, `unreserved` and `user-unreserved`).
pub(crate) fn username(text: &str) -> Result<(), StoreError> {
    length("user name", text, 64)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.!~*'()&=+$".contains(*c))) {
        Some(c) => refuse("user name", format!("the character {c:?} is not allowed")),
        None => Ok(()),
    }
}

/// A host name or address literal, given back in lower case.
pub(crate) fn domain(text: &str) -> Result<String, StoreError> {
    length("domain", text, 253)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-.:[]".contains(*c))) {
        Some(c) => refuse("domain", format!("the character {c:?} is not allowed")),
        None => Ok(text.to_ascii_lowercase()),
    }
}

/// Digits, star and hash, as dialled on a phone; also names.
pub(crate) fn extension_number(text: &str) -> Result<(), StoreError> {
    length("extension number", text, 32)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "*#+-_.".contains(*c))) {
        Some(c) => refuse("extension number", format!("the character {c:?} is not allowed")),
        None => Ok(()),
    }
}

/// `+` and 2 to 15 digits (ITU-T E.164).
pub(crate) fn e164(text: &str) -> Result<(), StoreError> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    if (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    refuse("number", format!("{text:?} is not + and 2 to 15 digits"))
}

/// Digest secrets: hex digits of the right length.
pub(crate) fn ha1(ha1: &model::Ha1) -> Result<(), StoreError> {
    let hex = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
    if hex(&ha1.md5, 32) && hex(&ha1.sha256, 64) {
        return Ok(());
    }
    refuse("digest secret", "needs 32 hex digits for MD5 and 64 for SHA-256")
}

/// Configuration of a binding: a JSON text.
pub(crate) fn json(what: &'static str, text: &str) -> Result<(), StoreError> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(e) => refuse(what, format!("is not JSON: {e}")),
    }
}

/// A company's formats as they are kept: encoding names with commas between.
pub(crate) fn codecs(names: &[String]) -> Result<String, StoreError> {
    let is_name = |name: &String| {
        (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    if names.len() > 8 || !names.iter().all(is_name) {
        let why = "at most 8 encoding names, as PCMA or G722".to_owned();
        return Err(StoreError::Invalid { what: "codecs", why });
    }
    Ok(names.join(","))
}
