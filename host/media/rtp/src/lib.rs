//! RTP on the wire: the 12-byte header as a view and as in-place rewrites (RFC 3550 section 5), the few RTCP packets
//! the switch reads and writes (section 6), telephone events (RFC 4733), G.711, SRTP (RFC 3711), and STUN as ICE asks it (RFC 8489).
//!
//! Floor 0. Nothing here allocates; a peer's bytes give a value or an error, never a panic.
#![forbid(unsafe_code)]

pub mod codec;
pub mod event;
pub mod g711;
pub mod g722;
mod header;
pub mod jitter;
pub mod listen;
pub mod quality;
pub mod resample;
pub mod rtcp;
pub mod srtp;
pub mod stun;
pub mod tones;

pub use header::{
    Header, PacketError, looks_like_rtcp, parse, payload_start, set_marker, set_payload_type, set_source, write_header,
};
