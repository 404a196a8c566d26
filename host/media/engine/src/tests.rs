//! Scenarios over the public face, in virtual time.

mod bridge;
mod conference;
mod keys;
mod kit;
mod ports;
mod secure;
mod silence;
mod sound;
mod transcode;
