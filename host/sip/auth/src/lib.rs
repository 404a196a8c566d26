//! Digest authentication of SIP requests (RFC 3261 section 22, RFC 7616, RFC 8760).
//!
//! [`Authenticator`] is the server side: it mints nonces that need no memory until they are used, and verifies
//! credentials with SHA-256 or MD5, with `qop=auth` or in the form of RFC 2069 that old phones still send. [`answer`]
//! is the client side of one request, [`Answers`] of a client that is challenged again and again. `auth-int`, `-sess` and `userhash` are not offered and not accepted.
//!
//! Floor 1: no clock, no randomness. The nonce secret comes from the shell's seed or from an earlier run, whose nonces are
//! then stale.
#![forbid(unsafe_code)]

mod answers;
mod authenticator;
mod client;
mod digest;
mod nonce;
mod params;

#[cfg(test)]
mod tests;

pub use answers::Answers;
pub use authenticator::{AuthFailure, Authenticator, Verified, claimed_user};
pub use client::{ChallengeError, Credentials, answer};
pub use digest::{Algorithm, ha1};
pub use nonce::Realm;
