//! What a plugin says about its own configuration, before it is bound.

use crate::generated::lifecycle::exports::strowger::host::lifecycle as wit;
use serde::de::DeserializeOwned;

pub use wit::Fault;

#[doc(hidden)]
pub use wit::Guest as LifecycleGuest;

/// What lifecycle code gives back: everything that is wrong, each with its place.
pub type Checked<T> = core::result::Result<T, Vec<Fault>>;

/// A plugin that checks its configuration further than its schema can, or takes over that of another version. Neither
/// knows a binding: no import but the log may be used.
pub trait Lifecycle {
    /// Whether a configuration can be worked with; by default whatever fits the schema. [`document`] reads it.
    ///
    /// # Errors
    /// What is wrong: it is not bound, and whoever wrote it is told.
    fn validate_config(json: &str) -> Checked<()> {
        let _ = json;
        Ok(())
    }

    /// The configuration of another version as this one wants it; by default as it is.
    ///
    /// # Errors
    /// Why it cannot be taken over: this version is not bound without a configuration of its own.
    fn migrate_config(version: &str, json: String) -> Checked<String> {
        let _ = version;
        Ok(json)
    }
}

/// One thing that is wrong, at a place of the document: a JSON Pointer such as `/hours/0`, or `""` for all of it.
#[must_use]
pub fn fault(at: &str, why: &str) -> Fault {
    Fault { at: at.to_owned(), why: why.to_owned() }
}

/// The place of a member within the place of its object or list.
#[must_use]
pub fn place(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A configuration as the plugin's own type.
///
/// # Errors
/// The parser's words, as a fault of the whole.
pub fn document<T: DeserializeOwned>(json: &str) -> Checked<T> {
    serde_json::from_str(json).map_err(|e| vec![fault("", &e.to_string())])
}

/// Exports a [`Lifecycle`].
#[macro_export]
macro_rules! export_lifecycle {
    ($plugin:ty) => {
        #[doc(hidden)]
        struct StrowgerLifecycleExport;
        impl $crate::lifecycle::LifecycleGuest for StrowgerLifecycleExport {
            fn validate_config(json: String) -> $crate::lifecycle::Checked<()> {
                $crate::log_panics();
                <$plugin as $crate::lifecycle::Lifecycle>::validate_config(&json)
            }
            fn migrate_config(version: String, json: String) -> $crate::lifecycle::Checked<String> {
                $crate::log_panics();
                <$plugin as $crate::lifecycle::Lifecycle>::migrate_config(&version, json)
            }
        }
        $crate::generated::lifecycle::export_lifecycle_bindings!(
            StrowgerLifecycleExport with_types_in $crate::generated::lifecycle
        );
    };
}
