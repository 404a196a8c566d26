//! What is remembered of a run: a hash of everything that left the switch, the ladder when it is wanted, and totals.

use core::fmt;
use model::Instant;
use std::collections::BTreeMap;

/// Totals of one run or of many.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Calls the switch opened.
    pub calls: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// SIP messages in both directions.
    pub sip: u64,
    /// RTP packets in both directions.
    pub rtp: u64,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
    /// Ended legs by cause.
    pub causes: BTreeMap<&'static str, u64>,
    /// Responses of the switch to its phones, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// In how many runs each feature occurred.
    pub features: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Tally) {
        self.calls += other.calls;
        self.answered += other.answered;
        self.sip += other.sip;
        self.rtp += other.rtp;
        self.virtual_ms += other.virtual_ms;
        for (cause, count) in &other.causes {
            *self.causes.entry(cause).or_default() += count;
        }
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (feature, count) in &other.features {
            *self.features.entry(feature).or_default() += count;
        }
    }
}

/// The hash, and the lines if they are kept.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) hash: u64,
    pub(crate) lines: Option<Vec<String>>,
    start: Instant,
}

impl Trace {
    pub(crate) fn new(keep: bool, start: Instant) -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, lines: keep.then(Vec::new), start }
    }

    /// Something left the switch.
    pub(crate) fn output(&mut self, now: Instant, bytes: &[u8]) {
        self.mix(now.unix_nanos());
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(bytes.len() as u64);
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }

    pub(crate) fn line(&mut self, now: Instant, words: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:10.3} {words}", now.since(self.start).as_secs_f64()));
        }
    }
}

/// A SIP message in a line.
pub(crate) fn sip(message: &str) -> String {
    use crate::text::{branch, cseq, field, method, status};
    let first = message.lines().next().unwrap_or_default();
    let media = crate::text::sdp(message).map(|(at, both)| format!(" [{at}{}]", if both { "" } else { " held" }));
    let of = if status(message).is_some() { format!(" ({})", method(message)) } else { String::new() };
    let call_id = field(message, "call-id").unwrap_or_default();
    format!("{first}{of} {call_id} {} {}{}", cseq(message), branch(message), media.unwrap_or_default())
}
