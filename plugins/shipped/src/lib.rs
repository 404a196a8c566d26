//! The plugins that come with the switch, built from `plugins/guests` to components by this crate's build script.
#![forbid(unsafe_code)]

/// `plugins/guests/extensions`: routes to accounts by extension, account or DDI.
pub const EXTENSIONS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/extensions.wasm"));

/// `plugins/guests/attendant`: answers, plays a menu, collects a digit, dials or repeats.
pub const ATTENDANT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/attendant.wasm"));

/// Its manifest.
pub const ATTENDANT_MANIFEST: &str = include_str!("../../guests/attendant/plugin.toml");

/// The schema of its configuration.
pub const ATTENDANT_SCHEMA: &str = include_str!("../../guests/attendant/config.schema.json");

/// `plugins/guests/conference`: a room, with a PIN or without.
pub const CONFERENCE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/conference.wasm"));

/// Its manifest.
pub const CONFERENCE_MANIFEST: &str = include_str!("../../guests/conference/plugin.toml");

/// The schema of its configuration.
pub const CONFERENCE_SCHEMA: &str = include_str!("../../guests/conference/config.schema.json");

/// `plugins/guests/echo`: plays the caller back.
pub const ECHO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/echo.wasm"));

/// `plugins/guests/forwards`: call forwarding and do not disturb by star codes.
pub const FORWARDS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/forwards.wasm"));

/// Its manifest.
pub const FORWARDS_MANIFEST: &str = include_str!("../../guests/forwards/plugin.toml");

/// The schema of its configuration.
pub const FORWARDS_SCHEMA: &str = include_str!("../../guests/forwards/config.schema.json");

/// `plugins/guests/header-rules`: header fields at trunks and terminals.
pub const HEADER_RULES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/header-rules.wasm"));

/// Its manifest.
pub const HEADER_RULES_MANIFEST: &str = include_str!("../../guests/header-rules/plugin.toml");

/// The schema of its configuration.
pub const HEADER_RULES_SCHEMA: &str = include_str!("../../guests/header-rules/config.schema.json");

/// `plugins/guests/lcr`: public numbers to the cheapest carrier.
pub const LCR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lcr.wasm"));

/// Its manifest.
pub const LCR_MANIFEST: &str = include_str!("../../guests/lcr/plugin.toml");

/// The schema of its configuration.
pub const LCR_SCHEMA: &str = include_str!("../../guests/lcr/config.schema.json");

/// `plugins/guests/rating`: what calls cost, postpaid and prepaid.
pub const RATING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rating.wasm"));

/// Its manifest.
pub const RATING_MANIFEST: &str = include_str!("../../guests/rating/plugin.toml");

/// The schema of its configuration.
pub const RATING_SCHEMA: &str = include_str!("../../guests/rating/config.schema.json");

/// `plugins/guests/screening`: allow and block lists.
pub const SCREENING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/screening.wasm"));

/// Its manifest.
pub const SCREENING_MANIFEST: &str = include_str!("../../guests/screening/plugin.toml");

/// The schema of its configuration.
pub const SCREENING_SCHEMA: &str = include_str!("../../guests/screening/config.schema.json");

/// `plugins/guests/voicemail`: takes messages for accounts that do not answer, and lets them be heard.
pub const VOICEMAIL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/voicemail.wasm"));

/// Its manifest.
pub const VOICEMAIL_MANIFEST: &str = include_str!("../../guests/voicemail/plugin.toml");

/// The schema of its configuration.
pub const VOICEMAIL_SCHEMA: &str = include_str!("../../guests/voicemail/config.schema.json");

/// `plugins/guests/voice-agent`: lets a caller speak with whoever answers on a WebSocket.
pub const VOICE_AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/voice-agent.wasm"));

/// Its manifest.
pub const VOICE_AGENT_MANIFEST: &str = include_str!("../../guests/voice-agent/plugin.toml");

/// The schema of its configuration.
pub const VOICE_AGENT_SCHEMA: &str = include_str!("../../guests/voice-agent/config.schema.json");

/// `plugins/guests/fraud-guard`: caps on what accounts and companies call outside.
pub const FRAUD_GUARD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fraud-guard.wasm"));

/// Its manifest.
pub const FRAUD_GUARD_MANIFEST: &str = include_str!("../../guests/fraud-guard/plugin.toml");

/// The schema of its configuration.
pub const FRAUD_GUARD_SCHEMA: &str = include_str!("../../guests/fraud-guard/config.schema.json");

/// `plugins/guests/queue`: callers wait with music until an agent is free.
pub const QUEUE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/queue.wasm"));

/// Its manifest.
pub const QUEUE_MANIFEST: &str = include_str!("../../guests/queue/plugin.toml");

/// The schema of its configuration.
pub const QUEUE_SCHEMA: &str = include_str!("../../guests/queue/config.schema.json");
