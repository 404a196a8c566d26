//! The engine's public face.

use crate::{
    Event, Forward, JobId, MediaConfig, MediaPort, MediaTransmit, NoPort, PacketKind, PlayError, StreamId, StreamStats,
};
use core::net::{IpAddr, SocketAddr};
use model::{IdSource, Instant, MediaPortId, Prompt};
use sdp::RemoteMedia;
use std::sync::Arc;

/// All streams of one shard.
pub struct Engine {
    ports: Vec<MediaPort>,
}

impl Engine {
    /// An engine over these ports. A port whose id is not its place in the list is never used.
    #[must_use]
    pub fn new(_config: MediaConfig, ports: Vec<MediaPort>, _ids: IdSource) -> Engine {
        Engine { ports }
    }

    /// Opens a stream on the port that has rested longest, of the family of this address.
    ///
    /// # Errors
    /// None is free and rested.
    pub fn open(&mut self, _family_of: IpAddr, _now: Instant) -> Result<(StreamId, MediaPort), NoPort> {
        Err(NoPort)
    }

    /// Takes what the party's latest offer or answer says.
    pub fn set_remote(&mut self, _id: StreamId, _remote: RemoteMedia, _now: Instant) {}

    /// Names the address that the party's signalling comes from: a party behind NAT is likelier to send its media
    /// from there than from anywhere else. Optional; before [`Engine::set_remote`].
    pub fn expect_from(&mut self, _id: StreamId, _signalling: IpAddr) {}

    /// Bridges two streams; each leaves the bridge it was in.
    pub fn connect(&mut self, _a: StreamId, _b: StreamId) {}

    /// Ends the bridge of a stream.
    pub fn disconnect(&mut self, _id: StreamId) {}

    /// The stream at the other end of the bridge.
    #[must_use]
    pub fn connected(&self, _id: StreamId) -> Option<StreamId> {
        None
    }

    /// Plays these in order, over and over if `repeat`; replaces what plays.
    ///
    /// # Errors
    /// A prompt is unknown, or the stream cannot be played to.
    pub fn play(
        &mut self,
        _id: StreamId,
        _prompts: &[Prompt],
        _repeat: bool,
        _now: Instant,
    ) -> Result<JobId, PlayError> {
        Err(PlayError::NoStream)
    }

    /// Ends a play without an event; a play that is over already is no fault.
    pub fn stop(&mut self, _job: JobId) {}

    /// Sends the party its own sound back.
    pub fn echo(&mut self, _id: StreamId, _on: bool) {}

    /// Tells keys as [`Event::Digit`].
    pub fn detect_digits(&mut self, _id: StreamId, _on: bool) {}

    /// Exempts a stream from the media timeout: on hold, or not answered yet.
    pub fn hold(&mut self, _id: StreamId, _on: bool) {}

    /// Takes one datagram. See the crate's documentation for what to do with the [`Forward`].
    pub fn handle_packet(
        &mut self,
        _port: MediaPortId,
        _kind: PacketKind,
        _from: SocketAddr,
        _packet: &mut [u8],
        _now: Instant,
    ) -> Option<Forward> {
        None
    }

    /// A packet of our own to send.
    pub fn poll_transmit(&mut self) -> Option<MediaTransmit> {
        None
    }

    /// Something for the call.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When to call [`Engine::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Closes a stream; its port rests.
    pub fn close(&mut self, _id: StreamId, _now: Instant) -> StreamStats {
        StreamStats::default()
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self, _id: StreamId) -> Option<StreamStats> {
        None
    }

    /// Adds or replaces a stored prompt.
    pub fn add_prompt(&mut self, _name: &str, _pcm: Arc<[i16]>) {}

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        0
    }

    /// How many ports no stream holds, rested or not.
    #[must_use]
    pub fn ports_free(&self) -> usize {
        self.ports.len()
    }

    /// How many ports there are.
    #[must_use]
    pub fn ports_total(&self) -> usize {
        self.ports.len()
    }
}
