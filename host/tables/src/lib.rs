//! What plugins keep and look up in memory: small records that outlive a call ([`Kv`]) and prefix tables of millions of
//! rows ([`PrefixTable`]).
//!
//! Floor 0: no clock, no disk. Time is an argument; whoever owns a database takes the changes and writes them
//! ([`Kv::take_changes`]), and puts what it kept back at the start ([`Kv::restore`]).
#![forbid(unsafe_code)]

mod changes;
mod csv;
mod kv;
mod prefix;
mod space;

pub use kv::{Kv, KvChange, KvEntry, KvError, KvLimits, KvSpace, SpaceName};
pub use prefix::{PrefixError, PrefixMatch, PrefixTable, PrefixTableBuilder};
