//! An engine on a desk: parties, a clock, and what they sent each other.

use crate::{Engine, Event, Forward, MediaConfig, MediaPort, MediaTransmit, PacketKind, StreamId};
use core::net::SocketAddr;
use core::time::Duration;
use model::{IdSource, Instant, MediaPortId};
use sdp::{Description, RemoteMedia, remote_media};
use std::sync::Arc;

pub(super) const SECOND: u64 = 1_000;

pub(super) struct Desk {
    pub(super) engine: Engine,
    pub(super) now: Instant,
}

/// One party: its stream, its address, its RTP numbers.
pub(super) struct Party {
    pub(super) id: StreamId,
    pub(super) port: MediaPort,
    pub(super) rtp: SocketAddr,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn port(n: u16) -> MediaPort {
    let ip = if n % 4 == 3 { "2001:db8::1" } else { "203.0.113.1" }.parse().unwrap();
    let rtp = SocketAddr::new(ip, 20_000 + 2 * n);
    MediaPort { id: MediaPortId(u64::from(n)), rtp, rtcp: SocketAddr::new(ip, rtp.port() + 1) }
}

/// A description at this address: formats of the m-line, `rtpmap`s, and a direction.
pub(super) fn remote(rtp: SocketAddr, formats: &str, direction: &str) -> RemoteMedia {
    let mut text = format!(
        "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN {} {}\nt=0 0\nm=audio {} RTP/AVP {formats}\na={direction}\n",
        if rtp.is_ipv4() { "IP4" } else { "IP6" },
        rtp.ip(),
        rtp.port()
    );
    for pt in formats.split(' ').filter(|pt| ["96", "101"].contains(pt)) {
        text.push_str(&format!("a=rtpmap:{pt} telephone-event/8000\n"));
    }
    if formats.split(' ').any(|pt| pt == "110") {
        text.push_str("a=rtpmap:110 telephone-event/48000\n");
    }
    if formats.split(' ').any(|pt| pt == "111") {
        text.push_str("a=rtpmap:111 opus/48000/2\na=fmtp:111 useinbandfec=1\n");
    }
    remote_media(&Description::parse(text.as_bytes()).unwrap()).unwrap()
}

impl Desk {
    pub(super) fn new() -> Self {
        Desk::with(Arc::new(rtp::codec::Own))
    }

    pub(super) fn with(codecs: Arc<dyn rtp::codec::Codecs>) -> Self {
        let mut config = MediaConfig { codecs, ..MediaConfig::default() };
        config.prompts.insert("hello", vec![1_000_i16; 320]);
        let ids = IdSource::new([3; 32]);
        let now = Instant::from_unix_nanos(1_700_000_000_000_000_000);
        Desk { engine: Engine::new(config, (0..8).map(port).collect(), ids), now }
    }

    /// Time passes; everything due is run when it is due, and what was sent meanwhile is given back.
    pub(super) fn pass(&mut self, ms: u64) -> Vec<MediaTransmit> {
        let end = self.now + Duration::from_millis(ms);
        let mut sent = self.drain();
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.engine.handle_timeout(self.now);
            sent.extend(self.drain());
        }
        self.now = end;
        sent
    }

    pub(super) fn drain(&mut self) -> Vec<MediaTransmit> {
        core::iter::from_fn(|| self.engine.poll_transmit()).collect()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.engine.poll_event()).collect()
    }

    pub(super) fn party(&mut self, rtp: &str, formats: &str) -> Party {
        let rtp = addr(rtp);
        let (id, port) = self.engine.open(rtp.ip(), self.now).unwrap();
        self.engine.set_remote(id, remote(rtp, formats, "sendrecv"), self.now);
        let n = u32::from(rtp.port());
        Party { id, port, rtp, ssrc: n, sequence: rtp.port(), timestamp: n * 77 }
    }

    /// The party sends 20 ms of sound or an event; gives the forward and the packet as it was edited.
    pub(super) fn send(&mut self, party: &mut Party, pt: u8, payload: &[u8]) -> Option<(Forward, Vec<u8>)> {
        party.sequence = party.sequence.wrapping_add(1);
        party.timestamp = party.timestamp.wrapping_add(160);
        let mut packet = packet(party, pt, payload);
        let forward = self.rtp(party, party.rtp, &mut packet)?;
        Some((forward, packet))
    }

    pub(super) fn rtp(&mut self, party: &Party, from: SocketAddr, packet: &mut [u8]) -> Option<Forward> {
        self.engine.handle_packet(party.port.id, PacketKind::Rtp, from, packet, packet.len(), self.now)
    }

    pub(super) fn rtcp(&mut self, party: &Party, from: &str) -> Option<Forward> {
        let mut packet = [0x80, 201, 0, 1, 0, 0, 0, 1];
        self.engine.handle_packet(party.port.id, PacketKind::Rtcp, addr(from), &mut packet, 8, self.now)
    }
}

pub(super) fn packet(party: &Party, pt: u8, payload: &[u8]) -> Vec<u8> {
    let header = rtp::Header {
        payload_type: pt,
        marker: false,
        sequence: party.sequence,
        timestamp: party.timestamp,
        ssrc: party.ssrc,
        payload: 0..0,
    };
    [&rtp::write_header(&header)[..], payload].concat()
}
