//! Keys and certificates that vouch for callers' numbers (RFC 8224, 8226): a brand's key signs, and what others signed is
//! held against certificates that the brand trusts.
//!
//! Floor 5, but it opens nothing: certificates are fetched by the shell. Tokens are `sip-stir`'s; here is only what needs
//! keys: ES256 by aws-lc-rs, chains by webpki, and the TNAuthList extension, which webpki does not look for.
#![forbid(unsafe_code)]

mod certificate;
mod der;
mod key;
mod numbers;
#[cfg(test)]
mod tests;

pub use certificate::{Anchors, Certificate, Trusted};
pub use key::BrandKey;
pub use numbers::TnAuthList;

/// Why a key or a certificate cannot be used, in a sentence's middle.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    /// Not an https URL.
    #[error("{0:?} is no https URL that others could fetch a certificate from")]
    Url(String),
    /// No certificate in PEM, or in DER.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// No private key in PEM.
    #[error("there is no private key in it, or one that is no P-256 key")]
    NoKey,
    /// The key is another certificate's.
    #[error("the private key is not the certificate's")]
    OtherKey,
    /// RFC 8226 section 9.
    #[error("the certificate has no TNAuthList: nobody will believe it about a number")]
    NoNumbers,
    /// A certificate that cannot be read.
    #[error("a certificate is broken: {0}")]
    Broken(String),
}
