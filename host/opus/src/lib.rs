//! Opus (RFC 6716, RTP by RFC 7587) behind the traits of `rtp::codec`, beside the formats that are written there.
//!
//! The coder is `ropus`, a port of the reference implementation to Rust: it builds with nothing but Rust, which libopus,
//! built by cmake, does not (decisions 0210). Sound is mono at 16 kHz, the widest that anything of the switch is mixed,
//! played or recorded in; the coder itself goes between that and the 48 kHz of RTP's clock, and what comes in stereo is
//! mixed by the decoder.
//!
//! Bytes of a peer meet a foreign parser here. A packet that it refuses is nothing; if it fell over one, only that
//! party's sound would be gone, and the switch would not notice ([`Coder`]).
//!
//! Floor 5: the pure floors know no Opus, they are given it.
#![forbid(unsafe_code)]

mod file;

use core::fmt;
use ropus::{Application, Bitrate, Channels, DecodeMode, InbandFec};
use rtp::codec::{Codecs, Decoder, Encoder, Format, Own};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use file::{OGG_BYTES_MAX, OGG_RATE, OGG_SECONDS_MAX, OggError, OggWriter, is_ogg, read_ogg, read_ogg_stereo};

/// RTP's clock (RFC 7587 section 4.1), whatever is inside.
const CLOCK: u32 = 48_000;
/// Samples per second of the sound.
const RATE: u32 = 16_000;
/// Longest packet in samples: 120 ms (RFC 6716 section 2.1.4).
const PACKET_MAX: usize = RATE as usize * 120 / 1_000;
/// Samples of 20 ms.
const FRAME: usize = RATE as usize / 50;
/// The coder conceals in steps of 2.5 ms.
const STEP: usize = FRAME / 8;
/// What speech is sent at, in bits per second: RFC 7587 section 3.1.1 names 16 to 20 for wideband, and redundancy for lost
/// packets wants a third more.
const BITS_PER_SECOND: u32 = 28_000;
/// The least that a party's `maxaveragebitrate` may ask for (RFC 7587 section 6.1).
const BITS_PER_SECOND_MIN: u32 = 6_000;
/// What the redundancy is made for, where a party takes it: so many lost of a hundred.
const LOSS: u8 = 5;
/// Longest payload that is written: one frame of the coder (RFC 6716 section 3.4).
const PAYLOAD_MAX: usize = 1_275;
/// The hardest that an encoder can try.
pub const COMPLEXITY_MAX: u8 = 10;

/// Opus, and all that needs nothing but Rust.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WithOpus {
    complexity: u8,
}

impl WithOpus {
    /// How hard encoders try, from 0 to [`COMPLEXITY_MAX`]: what a leg costs while the switch speaks Opus to it.
    #[must_use]
    pub fn new(complexity: u8) -> WithOpus {
        WithOpus { complexity: complexity.min(COMPLEXITY_MAX) }
    }
}

impl Codecs for WithOpus {
    fn decoder(&self, format: &Format) -> Option<Box<dyn Decoder>> {
        if !is_opus(format) {
            return Own.decoder(format);
        }
        Some(Box::new(Hearing { coder: Coder::Unmade, buffer: Vec::new() }))
    }

    fn encoder(&self, format: &Format) -> Option<Box<dyn Encoder>> {
        if !is_opus(format) {
            return Own.encoder(format);
        }
        Some(Box::new(Speaking { coder: Coder::Unmade, wish: Wish::of(format, self.complexity) }))
    }
}

/// RFC 7587 section 7: always named with this clock and two channels.
fn is_opus(format: &Format) -> bool {
    format.encoding.eq_ignore_ascii_case("opus") && format.clock == CLOCK && format.channels == 2
}

/// How a party wants to be spoken to (RFC 7587 section 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wish {
    complexity: u8,
    bits: u32,
    redundancy: bool,
}

impl Wish {
    fn of(format: &Format, complexity: u8) -> Wish {
        let told = |name: &str| {
            let mut pairs = format.parameters.split(';').filter_map(|p| p.split_once('='));
            let found = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| value.trim().parse::<u32>().ok())
        };
        let bits = told("maxaveragebitrate").unwrap_or(BITS_PER_SECOND).clamp(BITS_PER_SECOND_MIN, BITS_PER_SECOND);
        Wish { complexity, bits, redundancy: told("useinbandfec") == Some(1) }
    }

    fn encoder(self) -> Option<ropus::Encoder> {
        let (fec, loss) = if self.redundancy { (InbandFec::Enabled, LOSS) } else { (InbandFec::Disabled, 0) };
        ropus::Encoder::builder(RATE, Channels::Mono, Application::Voip)
            .bitrate(Bitrate::Bits(self.bits))
            .complexity(self.complexity)
            .inband_fec(fec)
            .packet_loss_perc(loss)
            .build()
            .ok()
    }
}

/// A coder of somebody else's, made at the first need: a description names formats that nobody comes to use.
///
/// # Invariants
/// One that fell over is `Fallen` and never asked again.
enum Coder<T> {
    Unmade,
    Made(Box<T>),
    Fallen,
}

impl<T> Coder<T> {
    /// What `run` says; `None` where there is no coder, or none any more.
    fn with<R>(&mut self, make: impl FnOnce() -> Option<T>, run: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut inner = match core::mem::replace(self, Coder::Fallen) {
            Coder::Unmade => Box::new(make()?),
            Coder::Made(inner) => inner,
            Coder::Fallen => return None,
        };
        let done = catch_unwind(AssertUnwindSafe(|| run(&mut inner))).ok()?;
        *self = Coder::Made(inner);
        Some(done)
    }
}

struct Hearing {
    coder: Coder<ropus::Decoder>,
    buffer: Vec<i16>,
}

impl Hearing {
    /// Adds what a payload says, of at most `room` samples; without a payload so many are made up.
    fn run(&mut self, payload: &[u8], room: usize, mode: DecodeMode, out: &mut Vec<i16>) -> bool {
        self.buffer.resize(room.min(PACKET_MAX), 0);
        let buffer = &mut self.buffer;
        let make = || ropus::Decoder::new(RATE, Channels::Mono).ok();
        let done = self.coder.with(make, |inner| inner.decode(payload, buffer, mode).ok()).flatten();
        let heard = done.and_then(|samples| self.buffer.get(..samples)).unwrap_or_default();
        out.extend_from_slice(heard);
        !heard.is_empty()
    }
}

impl fmt::Debug for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("opus::Hearing")
    }
}

impl Decoder for Hearing {
    fn rate(&self) -> u32 {
        RATE
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        // Nothing at all is what a packet that never came looks like: not what a party says.
        if !payload.is_empty() {
            self.run(payload, PACKET_MAX, DecodeMode::Normal, out);
        }
    }

    fn recover(&mut self, following: &[u8], samples: usize, out: &mut Vec<i16>) -> bool {
        // Where the following packet has no redundancy the coder conceals.
        let whole = samples / STEP * STEP;
        whole > 0 && !following.is_empty() && self.run(following, whole, DecodeMode::Fec, out)
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) -> bool {
        let whole = samples / STEP * STEP;
        whole > 0 && self.run(&[], whole, DecodeMode::Normal, out)
    }
}

struct Speaking {
    coder: Coder<ropus::Encoder>,
    wish: Wish,
}

impl fmt::Debug for Speaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("opus::Speaking")
    }
}

impl Encoder for Speaking {
    fn rate(&self) -> u32 {
        RATE
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        let Some(frame) = samples.get(..FRAME) else { return };
        let mut payload = [0; PAYLOAD_MAX];
        let wish = self.wish;
        let done = self.coder.with(|| wish.encoder(), |inner| inner.encode(frame, &mut payload).ok()).flatten();
        out.extend_from_slice(done.and_then(|len| payload.get(..len)).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
