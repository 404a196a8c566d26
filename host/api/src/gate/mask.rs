//! What an audit line may hold: everything but secrets.

use serde_json::Value;

/// Fields whose text is a secret, wherever they stand.
const SECRET: &[&str] = &["key", "private_key", "ha1", "pin"];
/// Parts of names of such fields.
const SECRET_PARTS: &[&str] = &["password", "secret", "token"];
/// What is shown instead.
const MASK: &str = "***";

/// The value without its secrets. Of what lies at `path` all is one where the path ends with `/secrets`.
pub(super) fn masked(path: &str, mut value: Value) -> Value {
    mask(&mut value, path.ends_with("/secrets"));
    value
}

fn mask(value: &mut Value, all: bool) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let hidden = all || SECRET.contains(&name.as_str()) || SECRET_PARTS.iter().any(|p| name.contains(p));
                mask(field, hidden);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, all)),
        Value::String(text) if all => MASK.clone_into(text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let asked = json!({"username": "1001", "password": "hush", "more": [{"secret": {"a": "hush"}, "key": "hush"}]});
        let shown = masked("/api/v1/accounts", asked);
        assert_eq!(
            shown,
            json!({"username": "1001", "password": "***", "more": [{"secret": {"a": "***"}, "key": "***"}]})
        );
        assert_eq!(
            masked("/api/v1/bindings/5/secrets", json!({"api": "hush", "no": null})),
            json!({"api": "***", "no": null})
        );
    }
}
