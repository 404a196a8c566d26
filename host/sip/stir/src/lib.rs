//! Who vouches for a caller's number: PASSporT and Identity (RFC 8224, 8225), with SHAKEN's claims (RFC 8588).
//!
//! Floor 1. [`Passport`] is built and read here, [`Identity`] is the header field that carries it, [`judge`] holds one
//! against the call that it came with and [`conclude`] makes of everything known what becomes of the call. No key and no
//! certificate is touched: a [`model::Signer`] is given by the shell, and so is what became of [`Evidence`] (the
//! certificate fetched, its chain, its right to the number, the signature).
#![forbid(unsafe_code)]

mod identity;
mod number;
mod passport;
mod verdict;

pub use identity::{Identity, IdentityError};
pub use number::Number;
pub use passport::{Passport, PassportError, Signed};
pub use verdict::{CallFacts, Concluded, Evidence, conclude, judge};
