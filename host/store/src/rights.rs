//! What somebody may do with each noun of the API.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What may be done with a noun.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Look at it.
    Read,
    /// Look at it and change it.
    Write,
}

/// The nouns that a restricted administrator or token may touch; what is not named may not be touched at all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(pub BTreeMap<String, Access>);

impl Rights {
    /// Whether this much may be done with a noun.
    #[must_use]
    pub fn allow(&self, noun: &str, wanted: Access) -> bool {
        self.0.get(noun).is_some_and(|has| *has >= wanted)
    }

    /// Whether whoever has these may do all that `other` may.
    #[must_use]
    pub fn cover(&self, other: &Rights) -> bool {
        other.0.iter().all(|(noun, wanted)| self.allow(noun, *wanted))
    }
}

/// Rights as they are stored: JSON, or null for all that the role has.
pub(crate) fn text(rights: Option<&Rights>) -> Option<String> {
    rights.and_then(|rights| serde_json::to_string(rights).ok())
}

/// Stored rights.
pub(crate) fn read(text: Option<&str>) -> Result<Option<Rights>, crate::StoreError> {
    text.map(|text| crate::sql::stored("right", serde_json::from_str(text).ok())).transpose()
}
