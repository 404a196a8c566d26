//! Keys out of RFC 4733 events: one key press, one digit.
//!
//! All packets of one press carry the timestamp of its beginning; that, not the marker and not the end bit, tells
//! presses apart, so lost, doubled and late packets do no harm. The digit is told at the first packet heard, which is
//! what barge-in wants and needs no timer for an end that was lost.

use core::time::Duration;
use rtp::Header;
use rtp::event::TelephoneEvent;

/// An event whose timestamp is at most so many seconds before the last one's is late, not new.
const LATE_S: u32 = 5;
/// A press longer than the duration field goes on under a timestamp that is this much later (section 2.5.1.3).
const SEGMENT: u32 = 0xffff;

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    code: u8,
    ended: bool,
}

/// What is known of the last press.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Detector(Option<Press>);

impl Detector {
    pub(crate) const fn new() -> Self {
        Detector(None)
    }

    /// Takes one event packet of this clock, in Hz; gives the digit and how long the key is down, if the press is new.
    pub(crate) fn handle(&mut self, header: &Header, payload: &[u8], clock: u32) -> Option<(char, Duration)> {
        let event = TelephoneEvent::parse(payload)?;
        let digit = event.digit()?;
        let press = Press { ssrc: header.ssrc, timestamp: header.timestamp, code: event.code, ended: event.end };
        if let Some(last) = self.0.as_mut().filter(|last| last.ssrc == press.ssrc) {
            let ahead = press.timestamp.wrapping_sub(last.timestamp);
            if ahead == 0 {
                last.ended |= press.ended;
                return None;
            }
            if ahead.wrapping_neg() <= clock.saturating_mul(LATE_S) {
                return None;
            }
            if ahead == SEGMENT && last.code == press.code && !last.ended && !header.marker {
                *last = press;
                return None;
            }
        }
        self.0 = Some(press);
        Some((digit, Duration::from_micros(u64::from(event.duration) * 1_000_000 / u64::from(clock.max(1)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::event::code_of;

    /// Feeds `(digit, timestamp, end, marker)` and gives what was told.
    fn told(packets: &[(char, u32, bool, bool)]) -> String {
        let mut detector = Detector::new();
        let mut out = String::new();
        for (sequence, (digit, timestamp, end, marker)) in packets.iter().enumerate() {
            let header = Header {
                payload_type: 101,
                marker: *marker,
                sequence: sequence as u16,
                timestamp: *timestamp,
                ssrc: 5,
                payload: 0..4,
            };
            let event = TelephoneEvent { code: code_of(*digit).unwrap(), end: *end, volume: 10, duration: 160 };
            out.extend(detector.handle(&header, &event.to_bytes(), 8_000).map(|(d, _)| d));
        }
        out
    }

    #[test]
    fn one_press_one_digit() {
        type Packets<'a> = &'a [(char, u32, bool, bool)];
        let cases: &[(&str, Packets<'_>, &str)] = &[
            (
                "start, middle, three ends",
                &[
                    ('1', 100, false, true),
                    ('1', 100, false, false),
                    ('1', 100, true, false),
                    ('1', 100, true, false),
                    ('1', 100, true, false),
                ],
                "1",
            ),
            ("all ends lost, then another press", &[('1', 100, false, true), ('2', 2_000, false, true)], "12"),
            (
                "the same key twice",
                &[('5', 100, false, true), ('5', 100, true, false), ('5', 2_000, false, true)],
                "55",
            ),
            ("only the end arrived", &[('#', 100, true, false)], "#"),
            ("no marker at all", &[('9', 100, false, false), ('9', 2_000, false, false)], "99"),
            ("a marker on every packet", &[('9', 100, false, true), ('9', 100, false, true)], "9"),
            (
                "a late packet of the press before",
                &[
                    ('1', 100, false, true),
                    ('2', 2_000, false, true),
                    ('1', 100, true, false),
                    ('2', 2_000, true, false),
                ],
                "12",
            ),
            (
                "a press longer than the duration field",
                &[('*', 100, false, true), ('*', 100 + 0xffff, false, false), ('*', 100 + 0xffff, true, false)],
                "*",
            ),
            ("the timestamp wraps", &[('1', 0xffff_ff00, true, true), ('2', 500, true, true)], "12"),
        ];
        for (name, packets, expected) in cases {
            assert_eq!(told(packets), *expected, "{name}");
        }
    }

    #[test]
    fn tones_and_torn_packets_are_no_digits() {
        let mut detector = Detector::new();
        let header = Header { payload_type: 101, marker: true, sequence: 1, timestamp: 1, ssrc: 1, payload: 0..4 };
        assert_eq!(detector.handle(&header, &[66, 0, 0, 160], 8_000), None);
        assert_eq!(detector.handle(&header, &[1, 0, 0], 8_000), None);
        assert_eq!(detector.handle(&header, &[1, 0, 3, 32], 8_000), Some(('1', Duration::from_millis(100))));
        let wide = Header { timestamp: 50_000, ..header };
        assert_eq!(detector.handle(&wide, &[1, 0, 0x12, 0xc0], 48_000), Some(('1', Duration::from_millis(100))));
    }
}
