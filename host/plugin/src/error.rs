//! What can go wrong outside a call, in words for the person who has to fix it.

use crate::Point;

/// The host could not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The WebAssembly engine refused its configuration, or the kernel refused the address space for its pools.
    #[error("the plugin engine `{engine}` could not start: {reason}")]
    Engine {
        /// `hooks` or `apps`.
        engine: &'static str,
        /// The engine's own words.
        reason: String,
    },
    /// The operating system refused a thread.
    #[error("a plugin thread could not start: {0}")]
    Thread(std::io::Error),
}

/// A component cannot be a plugin of this switch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file is larger than [`crate::HostConfig::artifact_bytes_max`].
    #[error("the component has {bytes} bytes; at most {max} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Not a WebAssembly component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// It imports something this switch does not offer.
    #[error("the plugin imports `{name}`, which this switch does not offer: {hint}")]
    UnknownImport {
        /// The import's full name.
        name: String,
        /// What to do about it.
        hint: String,
    },
    /// It exports an extension point this switch does not know.
    #[error("the plugin exports `{name}`, which is no extension point of this switch: {hint}")]
    UnknownExport {
        /// The export's full name.
        name: String,
        /// What to do about it.
        hint: String,
    },
    /// It exports no extension point at all.
    #[error("the plugin exports no extension point; this switch knows {known}")]
    NoPoint {
        /// The points there are.
        known: String,
    },
    /// Its `host/lifecycle` is another than this switch's.
    #[error("the plugin does not fit the host/lifecycle contract: {reason}; rebuild it with this version's SDK")]
    Lifecycle {
        /// The engine's words.
        reason: String,
    },
    /// A known interface has another shape than this switch's.
    #[error("the plugin does not fit the {point} contract: {reason}; rebuild it with this version's SDK")]
    Mismatch {
        /// The point that was tried.
        point: Point,
        /// The engine's own words.
        reason: String,
    },
    /// It starts larger than a guest may be.
    #[error("the plugin does not fit its limits: {0}")]
    OverLimit(String),
    /// The compiler crashed on it, or it takes more than compiling may.
    #[error("the plugin is rejected: {0}")]
    Rejected(String),
    /// No compiler could be had now.
    #[error("the plugin cannot be compiled now: {0}")]
    Unavailable(String),
}

impl ArtifactError {
    /// Whether the same component may be compiled another time.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, ArtifactError::Unavailable(_))
    }
}

/// A set of bindings was refused; the old one stands.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BindError {
    /// The artifact does not serve the point.
    #[error("binding `{binding}`: {plugin} does not export {point}")]
    WrongPoint {
        /// The binding's name.
        binding: String,
        /// The plugin.
        plugin: String,
        /// The point it was to serve.
        point: Point,
    },
    /// The configuration is not JSON.
    #[error("binding `{binding}`: the configuration is not JSON: {reason}")]
    Config {
        /// The binding's name.
        binding: String,
        /// The parser's words.
        reason: String,
    },
    /// The component cannot be linked.
    #[error("binding `{binding}`: {reason}")]
    Link {
        /// The binding's name.
        binding: String,
        /// Why.
        reason: String,
    },
    /// A feature without codes would never be asked.
    #[error(
        "binding `{0}`: a feature needs codes in its manifest (`[feature] codes` in plugin.toml); install a bundle"
    )]
    NoCodes(String),
    /// Events are a company's or a brand's.
    #[error("binding `{0}`: an event sink or a rater serves a brand or a company, not one account")]
    NotForAccounts(String),
    /// Two bindings of one scope and point bear one name.
    #[error("two {point} bindings of one scope are named `{binding}`")]
    Duplicate {
        /// The name.
        binding: String,
        /// The point.
        point: Point,
    },
    /// The binding's name cannot stand in an attribute's name.
    #[error("binding name `{0}`: 1 to 64 letters, digits, `-` and `_`")]
    Name(String),
}
