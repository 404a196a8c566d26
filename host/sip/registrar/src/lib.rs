//! The registrar: which contacts an account can be reached at (RFC 3261 section 10.3).
//!
//! One address-of-record is one account; who may change it, admission has settled before. Several bindings per
//! account, each with the flow it was registered on, so that a phone behind a NAT or on a stream is reached by the
//! way it came (RFC 5626 section 5.3 in spirit). Bindings end by expiry, by the phone, or with their stream.
//!
//! Floor 2: no clock, no database. [`Registrar::snapshot`] and [`Registrar::restore`] carry bindings over a restart.
#![forbid(unsafe_code)]

mod binding;
mod change;
mod registrar;

#[cfg(test)]
mod tests;

pub use binding::{Binding, Snapshot};
pub use registrar::{Registrar, Registration};
