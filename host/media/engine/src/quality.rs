//! How well a party and we hear each other: counted from what comes, and read from its reports.

use crate::{StreamStats, Told};
use core::time::Duration;
use model::Instant;
use rtp::Header;
use rtp::quality::{Impairment, Reception, ReportBlock, mos};
use rtp::rtcp;
use sdp::RemoteMedia;

/// Delay of a path beside the network and its jitter: one packet, and what phones need.
const OWN_DELAY_MS: f64 = 40.0;

/// Both directions of one stream.
///
/// # Invariants
/// `gone` counts the sources that were heard before `reception`'s; `told_before` those that were reported before.
#[derive(Clone, Default, Debug)]
pub(crate) struct Quality {
    reception: Option<Reception>,
    gone: Gone,
    clock: Clock,
    /// The party's last sender report: its name, and when it came.
    report: Option<(u32, Instant)>,
    /// The last sender report that went to the party.
    sent: Option<(u32, Instant)>,
    told: Option<Told>,
    block: Option<ReportBlock>,
    first_newest: u32,
    told_before: (u64, u64),
}

#[derive(Clone, Copy, Default, Debug)]
struct Gone {
    expected: u64,
    lost: u64,
}

/// The clock of the payload type heard last; zero where timestamps say nothing about jitter.
#[derive(Clone, Copy, Default, Debug)]
struct Clock {
    payload_type: u8,
    rate: u32,
    known: bool,
}

impl Quality {
    /// A packet of the party.
    #[inline]
    pub(crate) fn heard(&mut self, header: &Header, remote: Option<&RemoteMedia>, now: Instant) {
        if !self.clock.known || self.clock.payload_type != header.payload_type {
            self.clock = Clock::of(header.payload_type, remote);
        }
        match &mut self.reception {
            Some(reception) if reception.ssrc() == header.ssrc => reception.heard(header.sequence),
            reception => {
                if let Some(former) = reception.replace(Reception::new(header.ssrc, header.sequence)) {
                    self.gone.expected += former.expected();
                    self.gone.lost += former.lost();
                }
            }
        }
        if let Some(reception) = self.reception.as_mut().filter(|_| self.clock.rate > 0) {
            reception.timed(ticks(now, self.clock.rate), header.timestamp);
        }
    }

    /// A sender report goes to the party: its reports will name it.
    pub(crate) fn told(&mut self, name: Option<u32>, now: Instant) {
        self.sent = name.map(|name| (name, now)).or(self.sent);
    }

    /// Reads a compound of the party.
    pub(crate) fn read(&mut self, compound: &[u8], now: Instant) {
        for part in rtcp::parts(compound) {
            if let Some(name) = part.report_name() {
                self.report = Some((name, now));
            }
            for block in part.blocks() {
                self.read_block(&block, now);
            }
        }
    }

    fn read_block(&mut self, block: &ReportBlock, now: Instant) {
        let told = self.told.get_or_insert_default();
        match self.block {
            Some(before) if before.ssrc == block.ssrc => {}
            _ => {
                // Another source: what was told of the former one stays. Its count begins with this report.
                self.told_before = (told.lost, told.expected);
                self.first_newest = block.newest.wrapping_sub(block.lost);
            }
        }
        let since = u64::from(block.newest.wrapping_sub(self.first_newest));
        told.lost = self.told_before.0 + u64::from(block.lost);
        told.expected = self.told_before.1 + since.max(u64::from(block.lost));
        let rate = u64::from(if self.clock.rate > 0 { self.clock.rate } else { 8_000 });
        told.jitter_us = u32::try_from(u64::from(block.jitter) * 1_000_000 / rate).unwrap_or(u32::MAX);
        if let Some((_, at)) = self.sent.filter(|(name, _)| *name == block.last_report && *name != 0) {
            let held = Duration::from_nanos((u64::from(block.delay) * 1_000_000_000) >> 16);
            let back = now.since(at).saturating_sub(held);
            told.round_trip_us = Some(u32::try_from(back.as_micros()).unwrap_or(u32::MAX));
        }
        self.block = Some(*block);
    }

    /// What our own report says of what comes from the party.
    pub(crate) fn block(&mut self, now: Instant) -> Option<ReportBlock> {
        let block = self.reception.as_mut()?.report();
        let Some((last_report, at)) = self.report else { return Some(block) };
        let delay = (now.since(at).as_nanos() << 16) / 1_000_000_000;
        Some(ReportBlock { last_report, delay: u32::try_from(delay).unwrap_or(u32::MAX), ..block })
    }

    /// Puts what is known into the counters.
    pub(crate) fn stats(&self, so_far: StreamStats, remote: Option<&RemoteMedia>) -> StreamStats {
        let expected = self.gone.expected + self.reception.map_or(0, |r| r.expected());
        let lost = self.gone.lost + self.reception.map_or(0, |r| r.lost());
        let rate = u64::from(self.clock.rate);
        let jitter = self.reception.map_or(0, |r| u64::from(r.jitter()));
        let jitter_in_us = (jitter * 1_000_000).checked_div(rate).map_or(0, |us| u32::try_from(us).unwrap_or(u32::MAX));
        let codec = Impairment::of(self.encoding(remote));
        let trip = self.told.and_then(|t| t.round_trip_us).unwrap_or(0);
        let score = |lost, expected, jitter_us| score(codec, (lost, expected), jitter_us, trip);
        let told = self.told.filter(|t| t.expected > 0);
        StreamStats {
            lost_in: lost,
            jitter_in_us,
            told: self.told,
            mos_in: self.reception.map(|_| score(lost, expected, jitter_in_us)),
            mos_out: told.map(|t| score(t.lost, t.expected, t.jitter_us)),
            ..so_far
        }
    }

    fn encoding<'a>(&self, remote: Option<&'a RemoteMedia>) -> &'a str {
        let heard = remote.and_then(|r| r.payload(self.clock.payload_type).or_else(|| r.payloads.first()));
        heard.map_or("", |p| p.encoding.as_str())
    }
}

impl Clock {
    fn of(payload_type: u8, remote: Option<&RemoteMedia>) -> Clock {
        let payload = remote.and_then(|r| r.payload(payload_type));
        // The timestamps of an event stand still while it lasts.
        let rate = payload.filter(|p| !p.encoding.eq_ignore_ascii_case("telephone-event")).map_or(0, |p| p.clock);
        Clock { payload_type, rate, known: remote.is_some() }
    }
}

/// The time on a clock of this rate; wraps as timestamps do.
fn ticks(now: Instant, rate: u32) -> u32 {
    let (seconds, nanos) = (now.unix_secs(), now.unix_nanos() % 1_000_000_000);
    let rate = u64::from(rate);
    (seconds.wrapping_mul(rate)).wrapping_add(nanos * rate / 1_000_000_000) as u32
}

/// Half the way there and back, twice the jitter for the buffer against it, and what phones need.
fn score(codec: Impairment, (lost, expected): (u64, u64), jitter_us: u32, round_trip_us: u32) -> u16 {
    let loss = lost as f64 / expected.max(1) as f64;
    let delay = f64::from(round_trip_us) / 2_000.0 + f64::from(jitter_us) / 500.0 + OWN_DELAY_MS;
    (mos(codec, loss, delay) * 100.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_unix_nanos(1_700_000_000_000_000_000 + ms * 1_000_000)
    }

    fn block(ssrc: u32, newest: u32, lost: u32) -> ReportBlock {
        ReportBlock { ssrc, newest, lost, jitter: 80, ..ReportBlock::default() }
    }

    #[test]
    fn the_round_trip_is_what_the_partys_own_delay_leaves() {
        let mut quality = Quality::default();
        quality.told(Some(77), at(0));
        quality.read_block(&ReportBlock { last_report: 77, delay: 65_536, ..block(1, 10, 0) }, at(1_080));
        assert_eq!(quality.told.unwrap().round_trip_us, Some(80_000));
        quality.read_block(&ReportBlock { last_report: 76, delay: 0, ..block(1, 11, 0) }, at(2_000));
        assert_eq!(quality.told.unwrap().round_trip_us, Some(80_000), "of a report we do not know");
    }

    #[test]
    fn what_is_told_adds_up_over_sources() {
        let mut quality = Quality::default();
        quality.read_block(&block(1, 1_000, 0), at(0));
        quality.read_block(&block(1, 1_100, 10), at(5_000));
        quality.read_block(&block(2, 60_000, 0), at(10_000));
        quality.read_block(&block(2, 60_100, 5), at(15_000));
        let told = quality.told.unwrap();
        assert_eq!((told.lost, told.expected, told.jitter_us), (15, 200, 10_000));
    }
}
