//! The media engine: streams on bound ports, relayed to each other, played to, listened to. Sans-IO.
//!
//! # Driving it
//! `recv` into a buffer, [`Engine::handle_packet`] with that buffer, and if it gives a [`Forward`], `send_to` of the
//! same buffer, so long as it says: the engine edits header and payload in place, nothing is copied or allocated. Then, or after [`Engine::handle_timeout`], drain [`Engine::poll_transmit`] (packets of our own) and
//! [`Engine::poll_event`] (and [`Engine::poll_dtls`], where browsers are to be spoken to), and sleep until [`Engine::poll_timeout`].
//!
//! # Time
//! While anything plays there is one tick of 20 ms for all that plays; otherwise none. A watched stream costs one
//! look per media timeout; a stream that is parked in silence costs nothing else.
//!
//! Floor 1.
#![forbid(unsafe_code)]

mod conference;
mod config;
mod countries;
mod digits;
mod ear;
mod engine;
mod fork;
mod ice;
mod keys;
mod latch;
mod listening;
mod meeting;
mod output;
mod player;
mod playout;
mod ports;
mod quality;
mod record;
mod relay;
mod rooms;
mod route;
mod say;
mod secure;
mod silence;
mod source;
mod stream;
mod tone;
mod types;
mod voice;
pub mod wav;

pub use conference::{ConferenceId, GAIN_MAX, GAIN_ONE, JoinError};
pub use config::{MediaConfig, MediaPort, Prompts};
pub use engine::Engine;
pub use fork::AHEAD_MAX;
pub use ice::{DtlsPeer, FromDtls, Handshake, ToDtls};
pub use keys::KEYS_MAX;
pub use model::{Channels, MediaPortId};
pub use record::{RECORD_RATE, RecordEnd, Recordable, Recorded, RecordingId};
pub use secure::Keys;
pub use types::{
    Event, Forward, JobId, MediaTransmit, NoPort, OWN_PACKET_INLINE, OwnPacket, PacketKind, PlayError, StreamId,
    StreamStats, Told,
};

#[cfg(test)]
mod tests;
