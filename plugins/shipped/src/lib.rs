//! The plugins that come with the switch, built from `plugins/guests` to components by this crate's build script.
#![forbid(unsafe_code)]

/// `plugins/guests/extensions`: routes to accounts by extension, account or DDI.
pub const EXTENSIONS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/extensions.wasm"));

/// `plugins/guests/attendant`: answers, plays a menu, collects a digit, dials or repeats.
pub const ATTENDANT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/attendant.wasm"));

/// `plugins/guests/echo`: plays the caller back.
pub const ECHO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/echo.wasm"));
