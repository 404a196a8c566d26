//! Scenarios over the public face, in virtual time.

mod bridge;
mod conference;
mod fax;
mod fork;
mod hygiene;
mod keys;
mod kit;
mod meeting;
mod music;
mod opus;
mod ports;
mod record;
mod secure;
mod silence;
mod sound;
mod transcode;
