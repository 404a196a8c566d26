//! The hot path: one datagram in, at most one out, in the same buffer.

use crate::engine::Engine;
use crate::output::Output;
use crate::route::Pass;
use crate::stream::Stream;
use crate::{Event, Forward, MediaTransmit, OwnPacket, PacketKind};
use core::net::SocketAddr;
use model::{Instant, MediaPortId};
use rtp::{Header, g711, rtcp};

impl Engine {
    /// Takes one datagram from a port's socket. If the answer is a [`Forward`], send the same buffer on by it: the
    /// engine has edited it in place and its length is the same. Relaying allocates nothing.
    pub fn handle_packet(
        &mut self,
        port: MediaPortId,
        kind: PacketKind,
        from: SocketAddr,
        packet: &mut [u8],
        now: Instant,
    ) -> Option<Forward> {
        match kind {
            PacketKind::Rtp => self.handle_rtp(port, from, packet, now),
            PacketKind::Rtcp => self.handle_rtcp(port, from, packet, now),
        }
    }

    fn handle_rtp(&mut self, port: MediaPortId, from: SocketAddr, packet: &mut [u8], now: Instant) -> Option<Forward> {
        let Some(stream) = self.ports.at(port) else {
            self.late += 1;
            return None;
        };
        let header = match rtp::parse(packet) {
            Ok(header) if !rtp::looks_like_rtcp(packet) => header,
            Ok(_) | Err(_) => {
                stream.stats.malformed += 1;
                return None;
            }
        };
        if !stream.latch.admit(from, header.ssrc, now, self.config.learn_window) {
            stream.stats.strangers += 1;
            return None;
        }
        stream.count_in(&header, packet.len(), now);
        if stream.is_event(header.payload_type) {
            self.events.extend(digit(stream, &header, packet));
        }
        if stream.echo {
            return self.echo_back(port, &header, packet, now);
        }
        let peer = stream.peer?;
        let pass = stream.route.of(header.payload_type);
        let peer = self.ports.get_mut(peer)?;
        if pass == Pass::Drop {
            peer.stats.unmapped += 1;
            return None;
        }
        // What the switch plays has the floor; the bridge is heard again after it.
        let to = peer.destination().filter(|_| peer.player.is_none())?;
        if let Some(output) = peer.output.as_mut() {
            rewrite(output, &header, packet, now)?;
            self.transmits.extend(report(peer, &self.cname, now));
        }
        apply(pass, &header, packet);
        Some(forward(peer, PacketKind::Rtp, to, packet.len()))
    }

    fn echo_back(&mut self, port: MediaPortId, header: &Header, packet: &mut [u8], now: Instant) -> Option<Forward> {
        let stream = self.ports.at(port)?;
        let to = stream.destination().filter(|_| stream.player.is_none() && !stream.is_secure())?;
        // Sending a party's own SSRC back would look like a loop to it (RFC 3550 section 8.2).
        rewrite(stream.output_mut(&mut self.ids), header, packet, now)?;
        self.transmits.extend(report(stream, &self.cname, now));
        Some(forward(stream, PacketKind::Rtp, to, packet.len()))
    }

    /// RTCP passes whole between parties that hear each other's own SSRC. Where our source stands between them its
    /// numbers would be wrong: it ends here, and our own reports go out instead.
    fn handle_rtcp(&mut self, port: MediaPortId, from: SocketAddr, packet: &mut [u8], now: Instant) -> Option<Forward> {
        let Some(stream) = self.ports.at(port) else {
            self.late += 1;
            return None;
        };
        if !stream.latch.admit_rtcp(from) {
            stream.stats.strangers += 1;
            return None;
        }
        // SRTCP keeps the first header in clear but hides the rest.
        if !stream.is_secure() && !rtcp::is_valid(packet) {
            stream.stats.malformed += 1;
            return None;
        }
        stream.silence.heard_at = now;
        let peer = stream.peer.filter(|_| !stream.echo)?;
        let peer = self.ports.get_mut(peer)?;
        let to = peer.latch.rtcp_destination().filter(|_| peer.output.is_none())?;
        Some(Forward { port: peer.port, kind: PacketKind::Rtcp, to })
    }
}

fn digit(stream: &mut Stream, header: &Header, packet: &[u8]) -> Option<Event> {
    let (digit, duration) = stream.detector.handle(header, packet.get(header.payload.clone())?)?;
    if !stream.digits {
        return None;
    }
    stream.stats.digits += 1;
    Some(Event::Digit { stream: stream.id, digit, duration })
}

/// Puts a relayed packet into our source.
fn rewrite(output: &mut Output, header: &Header, packet: &mut [u8], now: Instant) -> Option<()> {
    let mapped = output.relay(header, now)?;
    rtp::set_source(packet, mapped.sequence, mapped.timestamp, mapped.ssrc);
    if mapped.first {
        rtp::set_marker(packet);
    }
    Some(())
}

/// Carries out what the route says. The length never changes: the two laws have one byte per sample each.
fn apply(pass: Pass, header: &Header, packet: &mut [u8]) {
    let payload = header.payload.clone();
    match pass {
        Pass::Same | Pass::Drop => {}
        Pass::Retype(pt) => rtp::set_payload_type(packet, pt),
        Pass::ToAlaw(pt) => {
            rtp::set_payload_type(packet, pt);
            packet.get_mut(payload).into_iter().for_each(g711::ulaw_to_alaw);
        }
        Pass::ToUlaw(pt) => {
            rtp::set_payload_type(packet, pt);
            packet.get_mut(payload).into_iter().for_each(g711::alaw_to_ulaw);
        }
    }
}

fn forward(to_stream: &mut Stream, kind: PacketKind, to: SocketAddr, len: usize) -> Forward {
    to_stream.stats.packets_out += 1;
    to_stream.stats.bytes_out += len as u64;
    Forward { port: to_stream.port, kind, to }
}

/// Our sender report, if one is due and there is a place to send it.
pub(crate) fn report(stream: &mut Stream, cname: &str, now: Instant) -> Option<MediaTransmit> {
    let report = stream.output.as_mut()?.report(now)?;
    let to = stream.latch.rtcp_destination()?;
    let mut bytes = [0; rtcp::SENDER_REPORT_MAX];
    let len = rtcp::sender_report(&report, cname.as_bytes(), &mut bytes);
    let bytes = OwnPacket::new(bytes.get(..len)?, &[]);
    Some(MediaTransmit { port: stream.port, kind: PacketKind::Rtcp, to, bytes })
}
