//! Bindings of `wit/`, written by `sdk/rust/generate`; not edited by hand.
#![allow(missing_docs, clippy::all, clippy::pedantic, unused)]

#[rustfmt::skip]
pub mod app;
#[rustfmt::skip]
pub mod event_sink;
#[rustfmt::skip]
pub mod feature;
#[rustfmt::skip]
pub mod registration;
#[rustfmt::skip]
pub mod router;
