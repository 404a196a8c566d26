//! A jitter buffer: packets in any order, one payload per call in the right one.
//!
//! The delay follows the network: after each gap in the speech, or when nothing was left to play, playing begins again
//! when so many packets wait as the arrivals strayed lately. A buffer that stays fuller than that gives one packet up.

use crate::Header;
use core::time::Duration;

/// Packets kept at most: a second of 20 ms, more than anybody wants to wait.
pub const SLOTS: usize = 50;
/// Packets kept at least before playing begins.
const DEPTH_MIN: usize = 1;
/// Packets waited for at most: 200 ms of 20 ms.
const DEPTH_MAX: usize = 10;
/// Packets that a steady buffer waits for: 100 ms of 20 ms.
pub const STEADY: usize = 5;
/// A sequence number so far away is another source's, or one that began anew.
const JUMP: u16 = 500;
/// So many packets in a row may be missing before the sender is taken to be silent.
const GAP_MAX: u32 = 5;
/// A packet that comes later than this is not late: its sender's clock jumped.
const LATE_MAX_US: i64 = 2_000_000;
/// A buffer that was too full for so many packets gives one up.
const PATIENCE: u32 = 100;

/// What is to be played now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next<'a> {
    /// This payload, of this type.
    Payload(u8, &'a [u8]),
    /// A packet that was lost, with later ones waiting: conceal it.
    Lost,
    /// Nothing: not begun, or the sender is silent.
    Silent,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    full: bool,
    sequence: u16,
    payload_type: u8,
    payload: Vec<u8>,
}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Came after their turn.
    pub late: u64,
    /// Never came in time.
    pub lost: u64,
    /// Given up to be less late.
    pub given_up: u64,
}

/// Packets of one source.
///
/// # Invariants
/// A full slot holds a sequence number that is `next` or later, and its place is that number modulo [`SLOTS`].
/// Payload buffers are used again: after the first second nothing is allocated.
#[derive(Clone, Debug)]
pub struct Buffer {
    slots: Vec<Slot>,
    next: Option<u16>,
    ssrc: u32,
    waiting: usize,
    playing: bool,
    missing: u32,
    depth: usize,
    too_full: u32,
    stray: Stray,
    counts: Counts,
    played: Vec<u8>,
    steady: bool,
}

/// How far arrivals stray from the sender's clock: a slowly sinking maximum, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Stray {
    base: Option<(u64, u32)>,
    peak_us: u64,
}

impl Stray {
    /// Notes an arrival, and gives the present maximum.
    fn note(&mut self, arrival_us: u64, timestamp: u32, clock: u32) -> u64 {
        let Some((first_us, first)) = self.base else {
            self.base = Some((arrival_us, timestamp));
            return self.peak_us;
        };
        let due = i64::from(timestamp.wrapping_sub(first).cast_signed()) * 1_000_000 / i64::from(clock.max(1));
        let late = arrival_us.saturating_sub(first_us).cast_signed() - due;
        if !(0..LATE_MAX_US).contains(&late) {
            // Earlier than any before, or another clock: lateness is counted from here.
            self.base = Some((arrival_us, timestamp));
        }
        let late = if late < LATE_MAX_US { late.max(0).cast_unsigned() } else { 0 };
        self.peak_us = late.max(self.peak_us - self.peak_us / 256);
        self.peak_us
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer::new()
    }
}

impl Buffer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Buffer {
            slots: vec![Slot::default(); SLOTS],
            next: None,
            ssrc: 0,
            waiting: 0,
            playing: false,
            missing: 0,
            depth: DEPTH_MIN,
            too_full: 0,
            stray: Stray::default(),
            counts: Counts::default(),
            played: Vec::new(),
            steady: false,
        }
    }

    /// From now on playing begins with [`STEADY`] packets and none is given up: for modems, to which a sound that is missing
    /// is worse than one that is late.
    pub const fn keep_steady(&mut self) {
        self.steady = true;
        self.depth = STEADY;
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many packets are waited for before playing begins.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Whether nothing waits and nothing plays.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.waiting == 0 && !self.playing
    }

    /// Forgets everything but what was learnt of the network.
    fn restart(&mut self, ssrc: u32, sequence: u16) {
        self.slots.iter_mut().for_each(|s| s.full = false);
        self.waiting = 0;
        self.playing = false;
        self.missing = 0;
        self.ssrc = ssrc;
        self.next = Some(sequence);
        self.stray.base = None;
    }

    /// Takes a packet. `ptime` is how much sound it holds, `clock` its timestamps' rate.
    pub fn push(&mut self, header: &Header, payload: &[u8], arrival_us: u64, clock: u32, ptime: Duration) {
        let jumped = |next: u16| {
            let ahead = header.sequence.wrapping_sub(next);
            ahead > JUMP && ahead < 0_u16.wrapping_sub(JUMP)
        };
        let next = match self.next {
            Some(next) if self.ssrc == header.ssrc && !jumped(next) => next,
            Some(_) | None => {
                self.restart(header.ssrc, header.sequence);
                header.sequence
            }
        };
        if !self.playing && self.waiting == 0 {
            // Speech begins anew, and some senders' clocks stand still meanwhile.
            self.stray.base = None;
        }
        let stray = self.stray.note(arrival_us, header.timestamp, clock);
        let ptime = (ptime.as_micros() as u64).max(1_000);
        if !self.steady {
            self.depth = (DEPTH_MIN + stray.div_ceil(ptime) as usize).min(DEPTH_MAX);
        }
        let ahead = header.sequence.wrapping_sub(next);
        if ahead >= 1 << 15 {
            if self.playing {
                self.counts.late += 1;
                return;
            }
            // Not begun yet: the first packet was not the first.
            self.next = Some(header.sequence);
        }
        while header.sequence.wrapping_sub(self.next.unwrap_or(header.sequence)) >= SLOTS as u16 {
            self.give_up();
        }
        self.put(header, payload);
    }

    fn put(&mut self, header: &Header, payload: &[u8]) {
        let Some(slot) = self.slots.get_mut(usize::from(header.sequence) % SLOTS) else { return };
        if slot.full && slot.sequence == header.sequence {
            return;
        }
        self.waiting += usize::from(!slot.full);
        slot.full = true;
        slot.sequence = header.sequence;
        slot.payload_type = header.payload_type;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
    }

    /// The next packet is not waited for.
    fn give_up(&mut self) {
        let Some(next) = self.next else { return };
        if let Some(slot) = self.slots.get_mut(usize::from(next) % SLOTS).filter(|s| s.full && s.sequence == next) {
            slot.full = false;
            self.waiting -= 1;
        }
        self.counts.given_up += 1;
        self.next = Some(next.wrapping_add(1));
    }

    /// What is to be played now; called once per packet time.
    pub fn pop(&mut self) -> Next<'_> {
        if !self.playing {
            if self.waiting < self.depth {
                return Next::Silent;
            }
            self.playing = true;
            self.missing = 0;
            self.too_full = 0;
            while self.waiting > 0 && !self.has_next() {
                self.next = self.next.map(|n| n.wrapping_add(1));
            }
        }
        self.too_full = if !self.steady && self.waiting > self.depth + 1 { self.too_full + 1 } else { 0 };
        if self.too_full >= PATIENCE {
            self.too_full = 0;
            self.give_up();
        }
        let Some(next) = self.next else { return Next::Silent };
        let found = self.has_next();
        if !found {
            self.missing += 1;
            if self.waiting == 0 {
                // Late, or silent: nothing is skipped, so that what comes late is played late.
                if self.missing > GAP_MAX {
                    self.playing = false;
                    return Next::Silent;
                }
                return Next::Lost;
            }
            // While fewer wait than the network's mood asks for, it is taken to be late: from here on all is later.
            if self.waiting >= self.depth || self.missing as usize > self.depth {
                self.counts.lost += 1;
                self.next = Some(next.wrapping_add(1));
                self.missing = 0;
            }
            return Next::Lost;
        }
        self.missing = 0;
        self.next = Some(next.wrapping_add(1));
        let Some(slot) = self.slots.get_mut(usize::from(next) % SLOTS) else { return Next::Silent };
        slot.full = false;
        self.waiting -= 1;
        core::mem::swap(&mut self.played, &mut slot.payload);
        Next::Payload(slot.payload_type, &self.played)
    }

    /// The packet that is to be played next, where it is there: after [`Next::Lost`] the one behind the gap.
    #[must_use]
    pub fn following(&self) -> Option<(u8, &[u8])> {
        let next = self.next?;
        let slot = self.slots.get(usize::from(next) % SLOTS).filter(|s| s.full && s.sequence == next)?;
        Some((slot.payload_type, &slot.payload))
    }

    fn has_next(&self) -> bool {
        let Some(next) = self.next else { return false };
        self.slots.get(usize::from(next) % SLOTS).is_some_and(|s| s.full && s.sequence == next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTIME: Duration = Duration::from_millis(20);

    fn header(sequence: u16, ssrc: u32) -> Header {
        let timestamp = u32::from(sequence) * 160;
        Header { payload_type: 8, marker: false, sequence, timestamp, ssrc, payload: 12..172 }
    }

    /// Runs packets `(sequence, arrival in ms)` against a player that wants one every 20 ms; gives what it got.
    fn heard(packets: &[(u16, u64)], ticks: u64) -> (String, Buffer) {
        let mut buffer = Buffer::new();
        let mut out = Vec::new();
        let mut packets: Vec<_> = packets.to_vec();
        packets.sort_by_key(|(_, at)| *at);
        let mut packets = packets.into_iter().peekable();
        for tick in 0..ticks {
            while let Some((sequence, at)) = packets.next_if(|(_, at)| *at <= tick * 20) {
                buffer.push(&header(sequence, 1), &sequence.to_be_bytes(), at * 1_000, 8_000, PTIME);
            }
            out.push(match buffer.pop() {
                Next::Payload(8, bytes) => u16::from_be_bytes([bytes[0], bytes[1]]).to_string(),
                Next::Payload(..) => "?".to_owned(),
                Next::Lost => "x".to_owned(),
                Next::Silent => ".".to_owned(),
            });
        }
        (out.join(" "), buffer)
    }

    #[test]
    fn what_is_played_of_what_came() {
        let steady: Vec<(u16, u64)> = (0..6).map(|n| (n, u64::from(n) * 20)).collect();
        assert_eq!(heard(&steady, 6).0, "0 1 2 3 4 5");
        let round: Vec<(u16, u64)> = (0..4_u16).map(|n| (65_534_u16.wrapping_add(n), u64::from(n) * 20)).collect();
        assert_eq!(heard(&round, 4).0, "65534 65535 0 1");
        assert_eq!(heard(&[(0, 0), (1, 20), (3, 60), (4, 60)], 5).0, "0 1 x x 3", "one was lost");
        assert_eq!(heard(&[(0, 0), (2, 19), (1, 20), (3, 60)], 4).0, "0 1 2 3", "two changed places");
        assert_eq!(heard(&[(0, 0), (0, 1), (1, 20), (1, 22)], 3).0, "0 1 x", "doubled");
        let (spurts, buffer) = heard(&[(0, 0), (1, 20), (2, 1_000), (3, 1_020)], 60);
        assert!(spurts.starts_with("0 1 x x x x x . ."), "{spurts}");
        assert!(spurts.contains(". 2 3"), "{spurts}");
        assert_eq!(buffer.counts().lost, 0, "silence is no loss");
    }

    #[test]
    fn the_delay_grows_with_the_jitter_and_shrinks_again() {
        let uneven: Vec<(u16, u64)> =
            (0..200_u16).map(|n| (n, u64::from(n) * 20 + if n % 3 == 0 { 70 } else { 0 })).collect();
        let (played, buffer) = heard(&uneven, 210);
        assert!((4..=6).contains(&buffer.depth()), "{}", buffer.depth());
        let settled: Vec<&str> = played.split(' ').skip(40).take(150).collect();
        let missed = settled.iter().filter(|p| **p == "x" || **p == ".").count();
        assert!(missed <= 3, "{missed}: {played}");
        let mut calm = buffer;
        for n in 200..2_000_u16 {
            calm.push(&header(n, 1), &n.to_be_bytes(), u64::from(n) * 20_000, 8_000, PTIME);
            let _ = calm.pop();
        }
        assert_eq!(calm.depth(), 2, "one for what strays a little");
        assert!(calm.counts().given_up > 0);
    }

    #[test]
    fn another_source_or_a_jump_begins_anew() {
        let mut buffer = Buffer::new();
        for (sequence, ssrc) in [(10, 1), (40_000, 1), (5, 2)] {
            buffer.push(&header(sequence, ssrc), &[1], 0, 8_000, PTIME);
            assert_eq!(buffer.pop(), Next::Payload(8, &[1]), "{sequence} {ssrc}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_order_is_played_in_order(steps in proptest::collection::vec((0_u16..300, proptest::bool::ANY), 1..400)) {
            let mut buffer = Buffer::new();
            let mut last: Option<u16> = None;
            for (n, (sequence, pop)) in steps.into_iter().enumerate() {
                buffer.push(&header(sequence, 1), &sequence.to_be_bytes(), n as u64 * 10_000, 8_000, PTIME);
                assert!(buffer.waiting <= SLOTS);
                if pop && let Next::Payload(_, bytes) = buffer.pop() {
                    let now = u16::from_be_bytes([bytes[0], bytes[1]]);
                    if let Some(last) = last.filter(|_| buffer.playing) {
                        assert!(now > last || now.wrapping_sub(last) > 1 << 15 || !buffer.playing, "{last} then {now}");
                    }
                    last = Some(now);
                }
            }
        }
    }
}
