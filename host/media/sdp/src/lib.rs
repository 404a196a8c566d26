//! Session descriptions (RFC 8866) and the offer/answer model (RFC 3264): pure functions from text to text.
//!
//! [`Description`] is a lossless container over `sdp-types`: lines that the switch does not know pass unchanged.
//! A call through the relay uses [`anchor`] and [`anchor_answer`], a leg that the switch answers or opens by itself
//! [`answer_local`] and [`offer_local`]. [`remote_media`] says where a party listens. [`Origin`] keeps the `o=` line
//! of one dialog straight: one id for ever, and a version that grows by one when and only when the text changes.
//!
//! Floor 0. Nothing here resolves a name: a connection address that is not a literal is refused.
#![forbid(unsafe_code)]

mod anchor;
mod common;
mod crypto;
mod description;
mod formats;
mod local;
mod origin;
mod remote;
mod types;
mod webrtc;

pub use anchor::{anchor, anchor_answer};
pub use common::answer_known;
pub use crypto::Crypto;
pub use description::{Description, MEDIA_LINES_MAX};
pub use formats::{answer_formats, offer_formats};
pub use local::{answer_fax, answer_local, offer_fax, offer_local};
pub use origin::Origin;
pub use remote::remote_media;
pub use types::{Codec, Direction, MediaAddr, Negotiated, NoCommonCodec, NoMedia, ParseError, Payload, RemoteMedia};
pub use webrtc::{Fingerprint, Ice, OwnWebrtc, Setup, Webrtc};

#[cfg(test)]
mod tests;
