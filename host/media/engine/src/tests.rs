//! Scenarios over the public face, in virtual time.

mod bridge;
mod keys;
mod kit;
mod ports;
mod silence;
mod sound;
