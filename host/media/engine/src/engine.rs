//! The engine: opening, describing, bridging and closing streams. Packets are in `relay`, sound of our own in
//! `playout`, the media timeout in `silence`.

use crate::conference::{Conference, ConferenceId};
use crate::ear::Ear;
use crate::playout::Playout;
use crate::ports::Ports;
use crate::record::Recorded;
use crate::route::{Means, Route};
use crate::secure::{Keys, Secured};
use crate::silence::Looks;
use crate::voice::format_of;
use crate::{Event, MediaConfig, MediaPort, MediaTransmit, NoPort, StreamId, StreamStats};
use core::net::IpAddr;
use model::{IdSource, Instant};
use sdp::RemoteMedia;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// All streams of one shard.
///
/// # Invariants
/// Bridges are mutual and join two open streams. Nothing of a closed stream is left: no look, no player, no bridge.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: MediaConfig,
    pub(crate) ports: Ports,
    pub(crate) ids: IdSource,
    /// Our name in RTCP: random, one per engine (RFC 7022).
    pub(crate) cname: String,
    pub(crate) playout: Playout,
    pub(crate) looks: Looks,
    pub(crate) conferences: BTreeMap<ConferenceId, Conference>,
    pub(crate) next_conference: u32,
    /// Whose each open line is.
    pub(crate) forks: BTreeMap<model::ForkId, StreamId>,
    pub(crate) forked: VecDeque<(model::ForkId, model::ForkOut)>,
    pub(crate) recordings: u64,
    pub(crate) recorded: VecDeque<Recorded>,
    pub(crate) transmits: VecDeque<MediaTransmit>,
    pub(crate) events: VecDeque<Event>,
    /// For whoever shakes hands.
    pub(crate) dtls: VecDeque<crate::ToDtls>,
    /// Handshakes begun so far.
    pub(crate) handshakes: u64,
    /// Packets for ports that nobody holds.
    pub(crate) late: u64,
}

impl Engine {
    /// An engine over these ports. A port whose id is not its place in the list is never used.
    #[must_use]
    pub fn new(config: MediaConfig, ports: Vec<MediaPort>, mut ids: IdSource) -> Engine {
        Engine {
            config,
            ports: Ports::new(ports),
            cname: ids.token(16),
            ids,
            playout: Playout::default(),
            looks: Looks::new(),
            conferences: BTreeMap::new(),
            next_conference: 0,
            forks: BTreeMap::new(),
            forked: VecDeque::new(),
            recordings: 0,
            recorded: VecDeque::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            dtls: VecDeque::new(),
            handshakes: 0,
            late: 0,
        }
    }

    /// Opens a stream on the port that has rested longest, of the family of this address.
    ///
    /// # Errors
    /// None is free and rested.
    pub fn open(&mut self, family_of: IpAddr, now: Instant) -> Result<(StreamId, MediaPort), NoPort> {
        self.ports.open(family_of, now)
    }

    /// Names the address that the party's signalling comes from: a party behind NAT is likelier to send its media
    /// from there than from anywhere else. Optional; before [`Engine::set_remote`].
    pub fn expect_from(&mut self, id: StreamId, signalling: IpAddr) {
        if let Some(stream) = self.ports.get_mut(id) {
            stream.latch.expect_from(signalling);
        }
    }

    /// Takes what the party's latest offer or answer says: where it listens, what it takes, whether it holds us.
    /// The media timeout starts with the first one; put a leg that is not answered yet on [`Engine::hold`]. An
    /// address that moved reopens the learning window once.
    pub fn set_remote(&mut self, id: StreamId, remote: RemoteMedia, now: Instant) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        stream.latch.describe(remote.rtp, remote.rtcp);
        let went_over = stream.carry_fax(remote.udptl);
        let udptl = remote.udptl;
        let was_exempt = stream.may_be_silent();
        if stream.remote.as_ref().is_none_or(|r| r.payloads != remote.payloads) {
            stream.voice = None;
            stream.ear = None;
        }
        stream.remote = Some(remote);
        if was_exempt {
            stream.silence.heard_at = now;
        }
        if let Some(peer) = stream.peer {
            self.plan_route(id, peer);
            self.plan_route(peer, id);
        }
        self.plan_ear(id);
        if went_over {
            self.fork_medium(id, udptl);
        }
        self.watch(id, now);
    }

    /// Relays what passes as it is, whatever the descriptions say: the parties agree on formats and keys with each other.
    pub fn leave_untouched(&mut self, id: StreamId) {
        if let Some(stream) = self.ports.get_mut(id) {
            stream.untouched = true;
        }
        self.plan_ear(id);
    }

    /// Sets the keys of SRTP, or takes them away: before [`Engine::set_remote`] of the description that agreed on them.
    /// From here on nothing in clear is taken from the party or sent to it. Keys that stay the same go on; after a
    /// change what is on its way under the party's former key is still heard for two seconds.
    pub fn secure(&mut self, id: StreamId, keys: Option<&Keys>, now: Instant) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        match (keys, &mut stream.secured) {
            (None, secured) => *secured = None,
            (Some(keys), Some(secured)) => secured.rekey(keys, now),
            (Some(keys), none) => *none = Some(Box::new(Secured::new(keys))),
        }
    }

    /// Whether the switch can decode and encode a format.
    #[must_use]
    pub fn can(&self, payload: &sdp::Payload) -> bool {
        let format = format_of(payload);
        self.config.codecs.decoder(&format).is_some() && self.config.codecs.encoder(&format).is_some()
    }

    /// Bridges two streams; each leaves the bridge or conference it was in. RTP and RTCP pass as they are, but: payload types are
    /// translated where the parties number them differently, A-law and mu-law into each other where one lacks the
    /// other's, and a party that was played to before hears the other in the same, continuous source.
    pub fn connect(&mut self, a: StreamId, b: StreamId) {
        if a == b || self.ports.get(a).is_none() || self.ports.get(b).is_none() {
            return;
        }
        for one in [a, b] {
            self.disconnect(one);
            self.leave(one);
        }
        for (one, other) in [(a, b), (b, a)] {
            if let Some(stream) = self.ports.get_mut(one) {
                stream.peer = Some(other);
            }
            self.plan_route(one, other);
        }
    }

    /// Ends the bridge of a stream.
    pub fn disconnect(&mut self, id: StreamId) {
        let Some(peer) = self.ports.get_mut(id).and_then(|s| s.peer.take()) else { return };
        if let Some(peer) = self.ports.get_mut(peer) {
            peer.peer = None;
        }
        for alone in [id, peer] {
            if let Some(stream) = self.ports.get_mut(alone) {
                stream.route = Route::transparent();
            }
            self.plan_ear(alone);
        }
    }

    /// The stream at the other end of the bridge.
    #[must_use]
    pub fn connected(&self, id: StreamId) -> Option<StreamId> {
        self.ports.get(id)?.peer
    }

    fn plan_route(&mut self, from: StreamId, to: StreamId) {
        // What the switch cannot read passes as it is.
        let codecs = self.config.codecs.as_ref();
        let speaks = self.ports.get_mut(to).is_some_and(|s| !s.is_opaque() && s.has_voice(codecs));
        let readable = |id| self.ports.get(id).filter(|s| !s.is_opaque()).and_then(|s| s.remote.as_ref());
        let decodes = |p: &sdp::Payload| codecs.decoder(&format_of(p)).is_some();
        let route = Route::between(readable(from), readable(to), Means { decodes: &decodes, speaks });
        if let Some(stream) = self.ports.get_mut(from) {
            stream.route = route;
        }
        self.plan_ear(from);
    }

    /// Gives a stream an ear where somebody needs its sound, and takes it away where nobody does.
    pub(crate) fn plan_ear(&mut self, id: StreamId) {
        let codecs = self.config.codecs.as_ref();
        let peer = self.ports.get(id).and_then(|s| s.peer).and_then(|p| self.ports.get(p));
        let peer_has_events = peer.map(|p| p.has_events());
        let taped = peer.and_then(|p| p.recording.as_ref()).is_some_and(|r| r.wants_both())
            || peer.and_then(|p| p.fork.as_ref()).is_some_and(|f| f.wants_both());
        let Some(stream) = self.ports.get_mut(id) else { return };
        let readable = !stream.is_opaque();
        let wants_keys = stream.digits || peer_has_events == Some(true);
        let by_ear = readable && stream.remote.is_some() && !stream.has_events() && wants_keys;
        let forked = stream.fork.as_ref().is_some_and(|f| f.is_open());
        let listened =
            forked || stream.conference.is_some() || stream.recording.is_some() || stream.listening.is_some();
        let needed = readable && (by_ear || taped || listened || (stream.peer.is_some() && stream.route.decodes()));
        if !needed {
            stream.ear = None;
        } else if stream.ear.is_none() {
            stream.ear = stream.remote.as_ref().and_then(|r| Ear::new(r, codecs)).map(Box::new);
        }
        if stream.fork.as_ref().is_some_and(|line| line.is_open() && line.is_fax()) {
            stream.ear.iter_mut().for_each(|ear| ear.keep_steady());
        }
        if !by_ear {
            stream.key_ear = None;
        } else if stream.key_ear.is_none() {
            stream.key_ear = Some(Box::default());
        }
    }

    /// Sends the party its own sound back, instead of passing it to a bridge.
    pub fn echo(&mut self, id: StreamId, on: bool) {
        if let Some(stream) = self.ports.get_mut(id) {
            stream.echo = on;
        }
    }

    /// Tells keys as [`Event::Digit`]. A key that is down already when this is turned on is not told.
    pub fn detect_digits(&mut self, id: StreamId, on: bool) {
        if let Some(stream) = self.ports.get_mut(id) {
            stream.digits = on;
        }
        self.plan_ear(id);
    }

    /// Exempts a stream from the media timeout: on hold, or not answered yet. A stream whose own description says
    /// that it sends nothing, or holds us, is exempt by itself. After either ends a whole timeout begins.
    pub fn hold(&mut self, id: StreamId, on: bool, now: Instant) {
        if let Some(stream) = self.ports.get_mut(id) {
            if stream.silence.exempt && !on {
                stream.silence.heard_at = now;
            }
            stream.silence.exempt = on;
        }
    }

    /// A packet of our own to send.
    pub fn poll_transmit(&mut self) -> Option<MediaTransmit> {
        self.transmits.pop_front()
    }

    /// Something for the call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether [`Engine::poll_event`] has something: after most packets it has not.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// When to call [`Engine::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let look = self.looks.first().map(|(at, _)| *at);
        self.playout.next.into_iter().chain(look).min()
    }

    /// Runs what is due: the tick of all that plays, and looks for silence.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.run_ticks(now);
        self.run_looks(now);
    }

    /// Closes a stream; its port rests for the quarantine, and packets for it are dropped. Of a stream that is
    /// closed already the counters are zero.
    pub fn close(&mut self, id: StreamId, now: Instant) -> StreamStats {
        self.disconnect(id);
        self.leave(id);
        self.stop_music(id);
        self.stop_recording(id);
        self.stop_fork(id);
        self.set_ice(id, None);
        let Some(stream) = self.ports.close(id, now, self.config.quarantine) else { return StreamStats::default() };
        self.settle_ticks(id);
        if let Some(at) = stream.silence.look_at {
            self.looks.remove(&(at, id));
        }
        stream.stats()
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self, id: StreamId) -> Option<StreamStats> {
        self.ports.get(id).map(|s| s.stats())
    }

    /// Adds or replaces a stored prompt. What plays now keeps its sound.
    pub fn add_prompt(&mut self, name: &str, pcm: Arc<[i16]>) {
        self.config.prompts.insert(name, pcm);
    }

    /// How many streams are open.
    #[must_use]
    pub const fn streams(&self) -> usize {
        self.ports.streams()
    }

    /// How many ports no stream holds, rested or not.
    #[must_use]
    pub fn ports_free(&self) -> usize {
        self.ports.free()
    }

    /// How many of the free ports still rest.
    #[must_use]
    pub fn ports_resting(&self, now: Instant) -> usize {
        self.ports.resting(now)
    }

    /// How many ports there are.
    #[must_use]
    pub const fn ports_total(&self) -> usize {
        self.ports.total()
    }

    /// Packets that came for a port that nobody holds.
    #[must_use]
    pub const fn late_packets(&self) -> u64 {
        self.late
    }
}
