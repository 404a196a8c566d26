//! What of stored JSON has a meaning to this program: a newer one may have written fields that this one does not know, and one
//! such field must not take a tenant's phones away.

use crate::StoreError;
use crate::sql::stored;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Leaves of a JSON object those fields that have a meaning to this program, after `inner` has looked into them; why
/// something had to go, `None` where all has a meaning. Each field of `T` may be absent.
pub(crate) fn cut<T: DeserializeOwned>(
    what: &'static str,
    text: &mut String,
    inner: impl FnOnce(&mut Map<String, Value>),
) -> Option<StoreError> {
    if serde_json::from_str::<T>(text).is_ok() {
        return None;
    }
    let mut said = serde_json::from_str::<Value>(text).unwrap_or_default();
    if let Value::Object(fields) = &mut said {
        inner(fields);
    } else {
        said = Value::Object(Map::new());
    }
    keep_known::<T>(Some(&mut said));
    *text = said.to_string();
    stored::<()>(what, None).err()
}

/// Leaves of an object the fields that have a meaning.
pub(crate) fn keep_known<T: DeserializeOwned>(said: Option<&mut Value>) {
    let Some(Value::Object(fields)) = said else { return };
    let is_known = |(name, value): &(String, Value)| {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        serde_json::from_value::<T>(Value::Object(alone)).is_ok()
    };
    *fields = core::mem::take(fields).into_iter().filter(is_known).collect();
}

#[cfg(test)]
mod tests {
    use super::{cut, keep_known};
    use model::{AccountRules, CompanyPolicy, SourcePolicy};

    #[test]
    fn fields_without_meaning_go_and_the_others_stay() {
        let mut text = r#"{"calls_max":3,"newer":1,"forwards":"none"}"#.to_owned();
        assert!(cut::<AccountRules>("rules", &mut text, |_| ()).is_some());
        assert_eq!(text, r#"{"calls_max":3}"#);
        assert!(cut::<AccountRules>("rules", &mut text, |_| ()).is_none());
        for nonsense in ["", "nonsense", "3"] {
            let mut text = nonsense.to_owned();
            assert!(cut::<AccountRules>("rules", &mut text, |_| ()).is_some());
            assert_eq!(text, "{}");
        }
        let mut text = r#"{"sources":{"deny":["192.0.2.0/24"],"newer":[]},"newer":{}}"#.to_owned();
        let inner = |said: &mut serde_json::Map<_, _>| keep_known::<SourcePolicy>(said.get_mut("sources"));
        assert!(cut::<CompanyPolicy>("settings", &mut text, inner).is_some());
        assert_eq!(text, r#"{"sources":{"deny":["192.0.2.0/24"]}}"#);
    }
}
