//! What a party hears as one source: our own sound and, once there was some, everything relayed after it.
//!
//! A stream that was never played to has no `Output`: packets pass with the sender's own SSRC, and RTCP with them.
//! The first prompt, tone or echo makes one, and from then on the party hears one SSRC with sequence numbers and
//! timestamps that go on, whoever speaks (RFC 3550 section 5.1). So does, under SRTP, a source that the key has no place
//! for, or that has left its row of numbers.

use core::time::Duration;
use model::{IdSource, Instant};
use rtp::Header;
use rtp::rtcp::SenderReport;

/// Samples of one frame: 20 ms at 8 kHz.
pub(crate) const FRAME: usize = 160;
/// How often a sender report goes out (RFC 3550 section 6.2: at least 5 s apart).
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Frames of our own at most this far apart are one talk spurt.
const SPURT_GAP: Duration = Duration::from_millis(60);
/// Relayed packets at most this far behind the newest may still pass; what is further behind is no late packet.
const REORDER: u16 = 1_000;

/// How one relayed source is mapped onto ours.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    ssrc: u32,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Mapped numbers up to here were used before the source began.
    floor: u16,
}

/// The sending state towards one party.
///
/// # Invariants
/// `sequence` and `timestamp` are the newest sent. A mapping never gives a sequence number that was sent before it.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    sent_at: Option<Instant>,
    own: bool,
    packets: u32,
    octets: u32,
    report_at: Option<Instant>,
    mapping: Option<Mapping>,
    /// The number that would come next from a relayed source which has left its row.
    strayed: Option<u16>,
    /// The clock of our own frames.
    clock: u32,
}

/// Where a relayed packet lands in our source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mapped {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// The first packet of a source: the receiver may adjust its playout.
    pub(crate) first: bool,
}

impl Output {
    pub(crate) fn new(ids: &mut IdSource) -> Self {
        Output {
            ssrc: ids.u32(),
            // Small, so that the first numbers do not wrap under an SRTP index one day (RFC 3711 section 3.3.1).
            sequence: (ids.u32() & 0x7fff) as u16,
            timestamp: ids.u32(),
            sent_at: None,
            own: false,
            packets: 0,
            octets: 0,
            report_at: None,
            mapping: None,
            strayed: None,
            clock: 8_000,
        }
    }

    /// The header of the next frame of our own: 20 ms on this clock, in so many bytes.
    pub(crate) fn own_frame(&mut self, payload_type: u8, clock: u32, octets: usize, now: Instant) -> Header {
        let goes_on = self.own && self.clock == clock && self.sent_at.is_some_and(|at| now.since(at) <= SPURT_GAP);
        self.clock = clock;
        let step = if goes_on { clock / 50 } else { self.elapsed(now).max(clock / 50) };
        self.timestamp = self.timestamp.wrapping_add(step);
        self.own = true;
        self.own_header(payload_type, !goes_on, octets, now)
    }

    /// The header of a packet of a key: all of one press have the timestamp of its beginning (RFC 4733 section 2.5.1.1).
    pub(crate) fn own_event(&mut self, payload_type: u8, first: bool, now: Instant) -> Header {
        if first {
            self.timestamp = self.timestamp.wrapping_add(self.elapsed(now).max(self.clock / 50));
        }
        self.own = false;
        self.own_header(payload_type, first, rtp::event::LEN, now)
    }

    fn own_header(&mut self, payload_type: u8, marker: bool, octets: usize, now: Instant) -> Header {
        self.sequence = self.sequence.wrapping_add(1);
        self.mapping = None;
        self.count(octets, now);
        let payload = 12..12 + octets;
        Header { payload_type, marker, sequence: self.sequence, timestamp: self.timestamp, ssrc: self.ssrc, payload }
    }

    /// A press is over: what follows it comes so much later.
    pub(crate) const fn event_over(&mut self, duration: u32) {
        self.timestamp = self.timestamp.wrapping_add(duration.saturating_sub(self.clock / 50));
    }

    /// Fits a relayed packet in; `None` for one that is older than what was sent before its source began. A source whose
    /// numbers have gone elsewhere (it began anew, or went on unheard through a long hold) is taken up again with its second
    /// packet there, as a new one (RFC 3550 section A.1).
    pub(crate) fn relay(&mut self, header: &Header, now: Instant) -> Option<Mapped> {
        let known = self.mapping.filter(|m| m.ssrc == header.ssrc);
        let strayed = self.strayed.take();
        let known = known.filter(|m| !self.is_astray(m, header) || strayed != Some(header.sequence));
        let mut mapping = known.unwrap_or_else(|| self.map(header, now));
        let sequence = header.sequence.wrapping_add(mapping.sequence_offset);
        let timestamp = header.timestamp.wrapping_add(mapping.timestamp_offset);
        if !is_after(sequence, mapping.floor) {
            if self.is_astray(&mapping, header) {
                self.strayed = Some(header.sequence.wrapping_add(1));
            }
            return None;
        }
        if is_after(sequence, self.sequence) {
            self.sequence = sequence;
            if timestamp.wrapping_sub(self.timestamp) < 1 << 31 {
                self.timestamp = timestamp;
            }
            if sequence.wrapping_sub(mapping.floor) > 2 * REORDER {
                mapping.floor = sequence.wrapping_sub(REORDER);
            }
        }
        self.mapping = Some(mapping);
        self.own = false;
        self.count(header.payload.len(), now);
        Some(Mapped { sequence, timestamp, ssrc: self.ssrc, first: known.is_none() })
    }

    /// Whether a packet is too far behind to be a late one.
    const fn is_astray(&self, mapping: &Mapping, header: &Header) -> bool {
        let sequence = header.sequence.wrapping_add(mapping.sequence_offset);
        !is_after(sequence, mapping.floor) && self.sequence.wrapping_sub(sequence) > REORDER
    }

    fn map(&self, header: &Header, now: Instant) -> Mapping {
        let timestamp = self.timestamp.wrapping_add(self.elapsed(now).max(1));
        Mapping {
            ssrc: header.ssrc,
            sequence_offset: self.sequence.wrapping_add(1).wrapping_sub(header.sequence),
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            floor: self.sequence,
        }
    }

    /// Ticks of our own clock since the last packet, wrapping as the timestamp does. A source of another clock is
    /// mapped by ours too: only the step between two sources depends on it.
    fn elapsed(&self, now: Instant) -> u32 {
        let micros = self.sent_at.map_or(0, |at| now.since(at).as_micros());
        (micros * u128::from(self.clock) / 1_000_000) as u32
    }

    fn count(&mut self, octets: usize, now: Instant) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
        self.sent_at = Some(now);
        self.report_at.get_or_insert(now + REPORT_EVERY);
    }

    /// The sender report, if one is due. Only asked when something is sent, so it needs no timer.
    pub(crate) fn report(&mut self, now: Instant) -> Option<SenderReport> {
        if self.report_at.is_none_or(|at| now < at) {
            return None;
        }
        self.report_at = Some(now + REPORT_EVERY);
        Some(SenderReport {
            ssrc: self.ssrc,
            unix_nanos: now.unix_nanos(),
            timestamp: self.timestamp.wrapping_add(self.elapsed(now)),
            packets: self.packets,
            octets: self.octets,
        })
    }
}

const fn is_after(sequence: u16, than: u16) -> bool {
    let ahead = sequence.wrapping_sub(than);
    ahead != 0 && ahead < 1 << 15
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_unix_nanos(1_700_000_000_000_000_000 + ms * 1_000_000)
    }

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header { payload_type: 0, marker: false, sequence, timestamp, ssrc, payload: 12..172 }
    }

    #[test]
    fn a_press_has_one_timestamp_and_sound_goes_on_behind_it() {
        let mut out = output();
        let before = out.own_frame(0, 8_000, 160, at(0));
        let press: Vec<Header> = (1..=5).map(|n| out.own_event(101, n == 1, at(n * 20))).collect();
        assert!(press.iter().all(|h| h.timestamp == before.timestamp.wrapping_add(160)));
        assert_eq!(press.iter().map(|h| h.marker).collect::<Vec<_>>(), [true, false, false, false, false]);
        assert_eq!(press[4].sequence, before.sequence + 5);
        out.event_over(800);
        let after = out.own_frame(0, 8_000, 160, at(120));
        assert_eq!((after.timestamp, after.sequence), (press[0].timestamp.wrapping_add(800), press[4].sequence + 1));
        let wide = out.own_frame(96, 48_000, 80, at(140));
        assert_eq!(wide.timestamp, after.timestamp.wrapping_add(960));
    }

    fn output() -> Output {
        Output::new(&mut IdSource::new([1; 32]))
    }

    #[test]
    fn prompt_then_two_callers_are_one_source() {
        let mut out = output();
        let first = out.own_frame(0, 8_000, 160, at(0));
        let second = out.own_frame(0, 8_000, 160, at(20));
        assert!(first.marker && !second.marker);
        assert_eq!(second.sequence, first.sequence + 1);
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(160));
        // A second of silence, then a caller with numbers of its own.
        let relayed = out.relay(&packet(7, 65_535, 5), at(1_020)).unwrap();
        assert_eq!((relayed.sequence, relayed.ssrc, relayed.first), (second.sequence + 1, first.ssrc, true));
        assert_eq!(relayed.timestamp, second.timestamp.wrapping_add(8_000));
        let next = out.relay(&packet(7, 0, 165), at(1_040)).unwrap();
        assert_eq!((next.sequence, next.first), (second.sequence + 2, false));
        assert_eq!(next.timestamp, relayed.timestamp.wrapping_add(160));
        // Another source, then our own again.
        let other = out.relay(&packet(8, 40_000, 90_000), at(1_060)).unwrap();
        assert_eq!((other.sequence, other.first), (next.sequence + 1, true));
        assert_eq!(other.timestamp, next.timestamp.wrapping_add(160));
        let own = out.own_frame(0, 8_000, 160, at(1_080));
        assert_eq!((own.sequence, own.ssrc, own.marker), (other.sequence + 1, first.ssrc, true));
        assert_eq!(own.timestamp, other.timestamp.wrapping_add(160));
    }

    #[test]
    fn reordering_passes_but_not_behind_the_switch_over() {
        let mut out = output();
        let own = out.own_frame(0, 8_000, 160, at(0));
        assert_eq!(out.relay(&packet(7, 100, 0), at(20)).unwrap().sequence, own.sequence + 1);
        assert_eq!(out.relay(&packet(7, 102, 320), at(40)).unwrap().sequence, own.sequence + 3);
        assert_eq!(out.relay(&packet(7, 101, 160), at(41)).unwrap().sequence, own.sequence + 2);
        assert_eq!(out.relay(&packet(7, 99, 0), at(42)), None);
        // The numbers go round twice; nothing is refused meanwhile.
        for n in 103..140_000_u32 {
            assert!(out.relay(&packet(7, n as u16, n * 160), at(60)).is_some(), "{n}");
        }
    }

    #[test]
    fn a_source_whose_numbers_went_elsewhere_is_heard_again() {
        let mut out = output();
        out.own_frame(0, 8_000, 160, at(0));
        let mut last = None;
        for n in 100..5_000_u16 {
            last = out.relay(&packet(7, n, u32::from(n) * 160), at(20));
        }
        let last = last.unwrap();
        // Twelve minutes of hold: the numbers went on, more than half of the way round.
        for (round, jump) in [40_000_u16, 20_000].into_iter().enumerate() {
            assert_eq!(out.relay(&packet(7, jump, 9), at(720_000)), None, "one may be a stray");
            let again = out.relay(&packet(7, jump + 1, 169), at(720_020)).unwrap();
            assert_eq!((again.sequence, again.first), (last.sequence + 1 + round as u16 * 2, true));
            let next = out.relay(&packet(7, jump + 2, 329), at(720_040)).unwrap();
            assert_eq!((next.sequence, next.first), (again.sequence + 1, false));
            assert_eq!(next.timestamp, again.timestamp.wrapping_add(160));
        }
        // Late packets of the row before do not bring it back, nor do strays that do not follow each other.
        for stray in [4_999, 3_000, 18_000, 10_000] {
            assert_eq!(out.relay(&packet(7, stray, 1), at(720_050)), None);
        }
        assert_eq!(out.relay(&packet(7, 20_003, 489), at(720_060)).map(|m| m.first), Some(false));
    }

    #[test]
    fn reports_are_due_every_five_seconds_of_sound() {
        let mut out = output();
        assert_eq!(out.report(at(0)), None);
        let mut due = Vec::new();
        for n in 0..=600 {
            let frame = out.own_frame(0, 8_000, 160, at(n * 20));
            if let Some(report) = out.report(at(n * 20)) {
                assert_eq!((report.packets, report.octets), (n as u32 + 1, (n as u32 + 1) * 160));
                assert_eq!((report.timestamp, report.ssrc), (frame.timestamp, frame.ssrc));
                due.push(n * 20);
            }
        }
        assert_eq!(due, [5_000, 10_000]);
    }
}
