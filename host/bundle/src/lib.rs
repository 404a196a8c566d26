//! What a plugin is handed over as: a bundle (`.splug`, a zstd-compressed tar) with its manifest, its component, the
//! schema of its configuration, its tests and media, and a signature; and what it may use, as four parties consent.
//!
//! Floor 0: bytes in, values out. No file is opened here and nothing is executed.
//!
//! ```text
//!  name.splug = zstd(tar(plugin.toml, component.wasm, config.schema.json?, tests/*, media/*, SIGNATURE?))
//! ```
#![forbid(unsafe_code)]

mod archive;
mod grants;
mod manifest;
pub mod oci;
mod schema;
mod sign;
mod tar;
mod veil;

pub use archive::{Bundle, BundleError, COMPONENT, Entry, MANIFEST, SCHEMA, SIGNATURE};
pub use grants::{Grants, HttpGrant, host_matches, mail_covers};
pub use manifest::{Feature, Manifest, ManifestError, Provided, Reuse, WIT_VERSION};
pub use schema::{Fault, Schema, SchemaError};
pub use sign::{PublicKey, SecretKey, SignError, Signature};
pub use veil::{Former, MARK, unveil, veiled};
