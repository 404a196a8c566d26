//! The binding's configuration.

use crate::generated::router::strowger::host::config as host;
use crate::{Error, Result};
use serde::de::DeserializeOwned;

/// The whole document, as the plugin's own type. Give every field a default: an empty document is `{}`.
///
/// # Errors
/// `invalid-argument` with the parser's words when the document does not fit.
pub fn config<T: DeserializeOwned>() -> Result<T> {
    serde_json::from_str(&host::get_json()).map_err(|e| Error::InvalidArgument(format!("config: {e}")))
}

/// The whole document as text.
#[must_use]
pub fn config_json() -> String {
    host::get_json()
}
