//! Hearing a party: its packets through a jitter buffer and a decoder, one frame of sound per tick.
//!
//! A stream has an ear only while somebody needs its sound: a bridge to a party with no codec in common, a conference, a
//! recording. An ear that has been silent for [`REST`] ticks rests, and rests cost nothing.

use crate::voice::format_of;
use core::time::Duration;
use model::Instant;
use rtp::Header;
use rtp::codec::{Codecs, Decoder};
use rtp::jitter::{Buffer, Next};
use sdp::RemoteMedia;

/// Ticks of silence after which an ear rests.
const REST: u32 = 15;
/// Frames in a row that are concealed by repeating the last; then it is silent.
const CONCEALED_MAX: u32 = 4;
/// Sound held back at most, in ticks: a party that packs more into a packet than it says.
const HELD_MAX: usize = 10;

/// One payload type that can be heard.
#[derive(Debug)]
struct Known {
    payload_type: u8,
    clock: u32,
    decoder: Box<dyn Decoder>,
}

/// A party's sound.
///
/// # Invariants
/// `frame` is what [`Ear::tick`] found last: 20 ms at [`Ear::rate`], or empty for silence.
#[derive(Debug)]
pub(crate) struct Ear {
    buffer: Buffer,
    known: Vec<Known>,
    ptime: Duration,
    rate: u32,
    held: Vec<i16>,
    frame: Vec<i16>,
    last: Vec<i16>,
    /// The payload type of `last`.
    speaks: u8,
    concealed: u32,
    silent: u32,
}

impl Ear {
    /// An ear for whatever of the party's formats can be decoded; `None` where none can.
    pub(crate) fn new(remote: &RemoteMedia, codecs: &dyn Codecs) -> Option<Ear> {
        let known: Vec<Known> = remote
            .payloads
            .iter()
            .filter_map(|p| {
                let decoder = codecs.decoder(&format_of(p))?;
                Some(Known { payload_type: p.pt, clock: p.clock, decoder })
            })
            .collect();
        let rate = known.first()?.decoder.rate();
        let ptime = Duration::from_millis(u64::from(remote.ptime.unwrap_or(20).clamp(10, 120)));
        Some(Ear {
            buffer: Buffer::new(),
            known,
            ptime,
            rate,
            held: Vec::new(),
            frame: Vec::new(),
            last: Vec::new(),
            speaks: 0,
            concealed: 0,
            silent: REST,
        })
    }

    /// Hears with a delay that does not change, for whom a packet given up is worse than one that is late.
    pub(crate) const fn keep_steady(&mut self) {
        self.buffer.keep_steady();
    }

    /// Samples per second of the present frame.
    pub(crate) const fn rate(&self) -> u32 {
        self.rate
    }

    /// Whether it has nothing to do until a packet comes.
    pub(crate) fn rests(&self) -> bool {
        self.silent >= REST && self.buffer.is_silent() && self.held.is_empty()
    }

    /// The present frame; empty for silence.
    pub(crate) fn frame(&self) -> &[i16] {
        &self.frame
    }

    /// Takes a packet, if its format can be decoded.
    pub(crate) fn push(&mut self, header: &Header, payload: &[u8], now: Instant) -> bool {
        let Some(known) = self.known.iter().find(|k| k.payload_type == header.payload_type) else { return false };
        self.buffer.push(header, payload, now.unix_micros(), known.clock, self.ptime);
        self.silent = 0;
        true
    }

    /// Moves on by 20 ms.
    pub(crate) fn tick(&mut self) {
        self.frame.clear();
        let mut wanted = self.samples();
        let mut asked = Duration::ZERO;
        while self.held.len() < wanted && asked < Duration::from_millis(20).max(self.ptime) {
            asked += self.ptime;
            self.pull();
            wanted = self.samples();
        }
        if self.held.is_empty() {
            self.silent = self.silent.saturating_add(1);
            return;
        }
        self.silent = 0;
        if self.held.len() > HELD_MAX * wanted {
            self.held.drain(..self.held.len() - wanted);
        }
        let count = wanted.min(self.held.len());
        self.frame.extend(self.held.drain(..count));
        self.frame.resize(wanted, 0);
    }

    /// Samples of 20 ms.
    const fn samples(&self) -> usize {
        self.rate as usize / 50
    }

    /// Adds what one packet time brings to what is held.
    fn pull(&mut self) {
        match self.buffer.pop() {
            Next::Payload(payload_type, payload) => {
                let Some(known) = self.known.iter_mut().find(|k| k.payload_type == payload_type) else { return };
                if known.decoder.rate() != self.rate {
                    self.rate = known.decoder.rate();
                    self.held.clear();
                }
                let before = self.held.len();
                known.decoder.decode(payload, &mut self.held);
                self.concealed = 0;
                self.speaks = payload_type;
                self.last.clear();
                self.last.extend(self.held.iter().skip(before));
            }
            Next::Lost => self.conceal(),
            Next::Silent => {}
        }
    }

    /// Fills a gap: from the packet behind it, else by the decoder's own way, else by the last frame again, softer each
    /// time.
    fn conceal(&mut self) {
        self.concealed += 1;
        if self.concealed > CONCEALED_MAX || self.last.is_empty() {
            return;
        }
        let rate = self.rate;
        let (samples, held) = (self.last.len(), &mut self.held);
        let speaks = self.speaks;
        if let Some(known) = self.known.iter_mut().find(|k| k.payload_type == speaks && k.decoder.rate() == rate) {
            let behind = self.buffer.following().filter(|(payload_type, _)| *payload_type == speaks);
            if behind.is_some_and(|(_, payload)| known.decoder.recover(payload, samples, held))
                || known.decoder.conceal(samples, held)
            {
                return;
            }
        }
        let softer = 4 - self.concealed.min(3).cast_signed();
        self.held.extend(self.last.iter().map(|s| (i32::from(*s) * softer / 4) as i16));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::codec::Own;
    use sdp::{Description, remote_media};

    fn ear(formats: &str) -> Ear {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n"
        );
        Ear::new(&remote_media(&Description::parse(text.as_bytes()).unwrap()).unwrap(), &Own).unwrap()
    }

    fn at(ms: u64) -> Instant {
        Instant::from_unix_nanos(1_700_000_000_000_000_000 + ms * 1_000_000)
    }

    fn header(payload_type: u8, sequence: u16) -> Header {
        let timestamp = u32::from(sequence) * 160;
        Header { payload_type, marker: false, sequence, timestamp, ssrc: 1, payload: 0..160 }
    }

    #[test]
    fn packets_become_frames_a_gap_is_softened_and_silence_rests() {
        let mut ear = ear("8 9");
        assert!(ear.rests());
        let loud = [rtp::g711::alaw_encode(8_000); 160];
        for n in 0..3 {
            assert!(ear.push(&header(8, n), &loud, at(u64::from(n) * 20)));
            ear.tick();
            assert!(ear.frame().len() == 160 && ear.frame().iter().all(|s| s.abs_diff(8_000) < 300));
        }
        assert!(!ear.push(&header(18, 3), &loud, at(60)), "a format that nobody decodes");
        let mut levels = Vec::new();
        for _ in 0..4 {
            ear.tick();
            levels.push(ear.frame().first().copied().unwrap_or(0) / 1_000);
        }
        assert_eq!(levels, [6, 4, 2, 2], "softer and softer");
        let mut ticks = 0;
        while !ear.rests() {
            ear.tick();
            assert!(ear.frame().is_empty());
            ticks += 1;
        }
        assert!((10..40).contains(&ticks), "{ticks}");
    }

    #[test]
    fn another_format_of_the_same_party_changes_the_rate() {
        let mut ear = ear("8 9");
        ear.push(&header(8, 0), &[0xd5; 160], at(0));
        ear.tick();
        assert_eq!((ear.rate(), ear.frame().len()), (8_000, 160));
        ear.push(&header(9, 1), &[0; 160], at(20));
        ear.tick();
        assert_eq!((ear.rate(), ear.frame().len()), (16_000, 320));
    }

    #[test]
    fn long_and_short_packets_make_frames_of_20_ms() {
        for (ptime, bytes) in [(10, 80), (30, 240), (60, 480)] {
            let mut ear = ear(&format!("8\r\na=ptime:{ptime}"));
            let (mut sent, mut heard) = (0_u64, 0);
            for tick in 0..60_u64 {
                while sent * ptime <= tick * 20 {
                    let mut header = header(8, sent as u16);
                    header.timestamp = sent as u32 * bytes as u32;
                    ear.push(&header, &vec![0x55; bytes], at(sent * ptime));
                    sent += 1;
                }
                ear.tick();
                heard += ear.frame().iter().filter(|s| **s != 0).count();
            }
            assert!(heard >= 50 * 160, "{ptime}: {heard}");
        }
    }
}
