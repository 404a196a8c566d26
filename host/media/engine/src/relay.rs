//! The hot path: one datagram in, at most one out, in the same buffer.

use crate::engine::Engine;
use crate::meeting::Seen;
use crate::output::Output;
use crate::route::Pass;
use crate::stream::Arrival;
use crate::stream::Stream;
use crate::{Event, Forward, MediaTransmit, OwnPacket, PacketKind};
use core::net::SocketAddr;
use model::{Instant, MediaPortId};
use rtp::{Header, g711, rtcp};

impl Engine {
    /// Takes one datagram of `len` bytes from a port's socket. If the answer is a [`Forward`], send the same buffer on by
    /// it, as long as it says: the engine has edited it in place. SRTP needs room behind the packet
    /// ([`rtp::srtp::GROWTH_MAX`] bytes); a packet that finds none is dropped. Relaying allocates nothing.
    pub fn handle_packet(
        &mut self,
        port: MediaPortId,
        kind: PacketKind,
        from: SocketAddr,
        packet: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Option<Forward> {
        if kind == PacketKind::Rtp && self.ports.at(port).is_some_and(|s| s.ice.is_some()) {
            match self.meet(port, from, packet.get(..len)?, now) {
                Seen::Rtp => {}
                Seen::Done => return None,
            }
        }
        let Some(stream) = self.ports.at(port) else {
            self.late += 1;
            self.ports.note_late(port, from);
            return None;
        };
        let of = Arrival { from, len, now };
        if stream.udptl.is_some() {
            return self.handle_udptl(port, kind, packet.get(..len)?, &of);
        }
        match kind {
            PacketKind::Rtp if !rtp::looks_like_rtcp(packet.get(..len)?) => {
                let (header, len) = stream.receive(packet, &of, self.config.learn_window)?;
                self.handle_rtp(port, &header, packet, len, now)
            }
            // RTCP on RTP's port (RFC 5761) where the party said so.
            PacketKind::Rtp if !stream.is_mux() && stream.ice.is_none() => {
                stream.stats.malformed += 1;
                None
            }
            PacketKind::Rtp | PacketKind::Rtcp => {
                let len = stream.receive_rtcp(packet, &of)?;
                self.handle_rtcp(port, packet, len, now)
            }
        }
    }

    /// A datagram of a party whose fax passes: to the other one as it is. RTCP has no place there.
    fn handle_udptl(&mut self, port: MediaPortId, kind: PacketKind, datagram: &[u8], of: &Arrival) -> Option<Forward> {
        let stream = self.ports.at(port)?;
        if kind == PacketKind::Rtcp || !stream.receive_udptl(datagram, of, self.config.learn_window) {
            return None;
        }
        let (id, peer) = (stream.id, stream.peer);
        match peer {
            Some(peer) => self.ports.get_mut(peer)?.forward_udptl(of.len, of.now),
            None => {
                self.fork_datagram(id, datagram);
                None
            }
        }
    }

    /// A datagram of our own to a party whose fax ends here.
    pub(crate) fn send_udptl(&mut self, id: crate::StreamId, datagram: &[u8], now: Instant) -> Option<MediaTransmit> {
        let sent = self.ports.get_mut(id)?.forward_udptl(datagram.len(), now)?;
        Some(MediaTransmit { port: sent.port, kind: sent.kind, to: sent.to, bytes: OwnPacket::new(datagram, &[]) })
    }

    /// An RTP packet of the party, in clear by now.
    fn handle_rtp(
        &mut self,
        port: MediaPortId,
        header: &Header,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Option<Forward> {
        let stream = self.ports.at(port)?;
        let mut key = None;
        if stream.is_event(header.payload_type) {
            key = digit(stream, header, buffer);
            self.events.extend(key.filter(|_| stream.digits));
        } else if let Some(ear) = &mut stream.ear
            && ear.push(header, buffer.get(header.payload.clone())?, now)
            && !stream.ticks
        {
            let id = stream.id;
            self.wake(id, now);
        }
        let stream = self.ports.at(port)?;
        if stream.echo {
            return self.echo_back(port, header, buffer, len, now);
        }
        let peer = stream.peer?;
        let pass = stream.route.of(header.payload_type);
        if !stream.is_event(header.payload_type) {
            stream.carried = pass == Pass::Decode;
        }
        let id = peer;
        let peer = self.ports.get_mut(peer)?;
        match pass {
            _ if peer.udptl.is_some() => {
                peer.stats.unmapped += 1;
                return None;
            }
            Pass::Drop => {
                peer.stats.unmapped += 1;
                return None;
            }
            Pass::Decode => return None,
            Pass::Key => {
                if let Some(Event::Digit { digit, .. }) = key {
                    self.queue_key(id, digit, now);
                }
                return None;
            }
            Pass::Same | Pass::Retype(_) | Pass::ToAlaw(_) | Pass::ToUlaw(_) => {}
        }
        // What the switch plays has the floor; the bridge is heard again after it.
        let to = peer.destination(now).filter(|_| !peer.is_spoken_to())?;
        // One key has places for so many sources, and each source one row of numbers: a party that uses them up, or leaves
        // its row, is heard as ours from then on, so that whoever speaks after it is heard too.
        if peer.output.is_none() && peer.secured.as_ref().is_some_and(|secured| !secured.has_room_for(header)) {
            peer.output_mut(&mut self.ids);
        }
        if let Some(output) = peer.output.as_mut() {
            rewrite(output, header, buffer, now)?;
            self.transmits.extend(report(peer, &self.cname, now));
        }
        apply(pass, header, buffer);
        peer.forward(to, buffer, len)
    }

    fn echo_back(
        &mut self,
        port: MediaPortId,
        header: &Header,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Option<Forward> {
        let stream = self.ports.at(port)?;
        let to = stream.destination(now).filter(|_| !stream.is_spoken_to() && !stream.is_opaque())?;
        // Sending a party's own SSRC back would look like a loop to it (RFC 3550 section 8.2).
        rewrite(stream.output_mut(&mut self.ids), header, buffer, now)?;
        self.transmits.extend(report(stream, &self.cname, now));
        stream.forward(to, buffer, len)
    }

    /// RTCP passes whole between parties that hear each other's own SSRC. Where our source stands between them its
    /// numbers would be wrong: it ends here, and our own reports go out instead. Either way it is read.
    fn handle_rtcp(&mut self, port: MediaPortId, buffer: &mut [u8], len: usize, now: Instant) -> Option<Forward> {
        let stream = self.ports.at(port)?;
        stream.silence.heard_at = now;
        let compound = buffer.get(..len)?;
        // Reports under keys that the switch has not got say nothing to it.
        let shown = !stream.is_hidden();
        if shown {
            stream.quality.read(compound, now);
        }
        let name = rtcp::parts(compound).find_map(|part| part.report_name()).filter(|_| shown);
        let peer = stream.peer.filter(|_| !stream.echo)?;
        let peer = self.ports.get_mut(peer)?;
        let (to, kind) = peer.rtcp_destination(now).filter(|_| peer.output.is_none())?;
        peer.quality.told(name, now);
        let len = match &mut peer.secured {
            Some(secured) if !secured.has_room_for_rtcp(buffer.get(..len)?) => return None,
            Some(secured) => secured.seal_rtcp(buffer, len)?,
            None => len,
        };
        Some(Forward { port: peer.port, kind, to, len })
    }
}

fn digit(stream: &mut Stream, header: &Header, packet: &[u8]) -> Option<Event> {
    let clock = stream.remote.as_ref().and_then(|r| r.payload(header.payload_type)).map_or(8_000, |p| p.clock);
    let (digit, duration) = stream.detector.handle(header, packet.get(header.payload.clone())?, clock)?;
    stream.stats.digits += u64::from(stream.digits);
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
        Pass::Same | Pass::Drop | Pass::Decode | Pass::Key => {}
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

/// Our sender report, if one is due and there is a place to send it.
pub(crate) fn report(stream: &mut Stream, cname: &str, now: Instant) -> Option<MediaTransmit> {
    if stream.udptl.is_some() {
        return None;
    }
    let report = stream.output.as_mut()?.report(now)?;
    let (to, kind) = stream.rtcp_destination(now)?;
    let mut bytes = [0; rtcp::SENDER_REPORT_MAX];
    let block = stream.quality.block(now);
    let len = rtcp::sender_report(&report, block.as_ref(), cname.as_bytes(), &mut bytes);
    stream.quality.told(Some((rtcp::ntp(report.unix_nanos) >> 16) as u32), now);
    let mut bytes = OwnPacket::new(bytes.get(..len)?, &[]);
    if let Some(secured) = &mut stream.secured {
        bytes.grow(|buffer, len| secured.seal_rtcp(buffer, len))?;
    }
    Some(MediaTransmit { port: stream.port, kind, to, bytes })
}
