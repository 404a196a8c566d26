//! Sound formats behind two traits, so that the engine needs to know none of them.
//!
//! The formats that are written in Rust are here: G.711, G.722 and L16. A provider of others (Opus) lives above floor 4
//! and implements [`Codecs`].

use crate::{g711, g722};
use core::fmt::Debug;

/// A format as a session description names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// Encoding name; compares without case.
    pub encoding: String,
    /// RTP clock rate.
    pub clock: u32,
    /// Channels.
    pub channels: u8,
    /// What `a=fmtp` says of it; empty for nothing. Decoders need none of it.
    pub parameters: String,
}

impl Format {
    /// A format.
    #[must_use]
    pub fn new(encoding: &str, clock: u32, channels: u8) -> Format {
        Format { encoding: encoding.to_owned(), clock, channels, parameters: String::new() }
    }

    /// The same with these parameters.
    #[must_use]
    pub fn with_parameters(mut self, parameters: &str) -> Format {
        parameters.clone_into(&mut self.parameters);
        self
    }

    fn is(&self, encoding: &str) -> bool {
        self.encoding.eq_ignore_ascii_case(encoding)
    }
}

/// Payloads to samples.
pub trait Decoder: Debug + Send {
    /// Samples per second.
    fn rate(&self) -> u32;
    /// Adds what a payload says; one that breaks the format adds nothing.
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>);
    /// Adds so many samples for a packet that was lost, from what the one after it says of it once more; `false` where the
    /// format knows no such thing. That packet is decoded after this.
    fn recover(&mut self, _following: &[u8], _samples: usize, _out: &mut Vec<i16>) -> bool {
        false
    }
    /// Adds so many samples for a packet that was lost, if the format has a way of its own; `false` where it has not.
    fn conceal(&mut self, _samples: usize, _out: &mut Vec<i16>) -> bool {
        false
    }
}

/// Samples to payloads.
pub trait Encoder: Debug + Send {
    /// Samples per second.
    fn rate(&self) -> u32;
    /// Adds the payload for 20 ms of samples.
    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>);
}

/// Who makes coders.
pub trait Codecs: Debug + Send + Sync {
    /// A decoder for the format, if there is one.
    fn decoder(&self, format: &Format) -> Option<Box<dyn Decoder>>;
    /// An encoder for the format, if there is one.
    fn encoder(&self, format: &Format) -> Option<Box<dyn Encoder>>;
}

/// The formats that need nothing but Rust.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own;

impl Codecs for Own {
    fn decoder(&self, format: &Format) -> Option<Box<dyn Decoder>> {
        Some(match Kind::of(format)? {
            Kind::Ulaw => Box::new(Law(g711::ulaw_decode)),
            Kind::Alaw => Box::new(Law(g711::alaw_decode)),
            Kind::Wide => Box::new(g722::Decoder::default()),
            Kind::Linear(rate) => Box::new(Linear(rate)),
        })
    }

    fn encoder(&self, format: &Format) -> Option<Box<dyn Encoder>> {
        Some(match Kind::of(format)? {
            Kind::Ulaw => Box::new(LawEncoder(g711::ulaw_encode)),
            Kind::Alaw => Box::new(LawEncoder(g711::alaw_encode)),
            Kind::Wide => Box::new(g722::Encoder::default()),
            Kind::Linear(rate) => Box::new(Linear(rate)),
        })
    }
}

enum Kind {
    Ulaw,
    Alaw,
    Wide,
    Linear(u32),
}

impl Kind {
    fn of(format: &Format) -> Option<Kind> {
        match (format.clock, format.channels) {
            (8_000, 1) if format.is("PCMU") => Some(Kind::Ulaw),
            (8_000, 1) if format.is("PCMA") => Some(Kind::Alaw),
            (8_000, 1) if format.is("G722") => Some(Kind::Wide),
            (rate @ (8_000 | 16_000 | 48_000), 1) if format.is("L16") => Some(Kind::Linear(rate)),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Law(fn(u8) -> i16);

impl Decoder for Law {
    fn rate(&self) -> u32 {
        8_000
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.extend(payload.iter().map(|byte| (self.0)(*byte)));
    }
}

#[derive(Debug)]
struct LawEncoder(fn(i16) -> u8);

impl Encoder for LawEncoder {
    fn rate(&self) -> u32 {
        8_000
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.iter().map(|sample| (self.0)(*sample)));
    }
}

impl Decoder for g722::Decoder {
    fn rate(&self) -> u32 {
        16_000
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.extend(payload.iter().flat_map(|byte| g722::Decoder::decode(self, *byte)));
    }
}

impl Encoder for g722::Encoder {
    fn rate(&self) -> u32 {
        16_000
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        for pair in samples.chunks_exact(2) {
            if let [first, second] = pair {
                out.push(g722::Encoder::encode(self, *first, *second));
            }
        }
    }
}

/// L16 (RFC 3551 section 4.5.11): big-endian samples.
#[derive(Debug)]
struct Linear(u32);

impl Decoder for Linear {
    fn rate(&self) -> u32 {
        self.0
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.extend(payload.chunks_exact(2).filter_map(|b| b.first_chunk()).map(|b| i16::from_be_bytes(*b)));
    }
}

impl Encoder for Linear {
    fn rate(&self) -> u32 {
        self.0
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.iter().flat_map(|s| s.to_be_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_own_format_there_and_back() {
        for (encoding, clock, rate, bytes, off) in [
            ("pcmu", 8_000, 8_000, 160, 400),
            ("PCMA", 8_000, 8_000, 160, 400),
            ("G722", 8_000, 16_000, 160, 20_000),
            ("L16", 8_000, 8_000, 320, 0),
            ("l16", 16_000, 16_000, 640, 0),
            ("L16", 48_000, 48_000, 1_920, 0),
        ] {
            let format = Format::new(encoding, clock, 1);
            let (mut encoder, mut decoder) = (Own.encoder(&format).unwrap(), Own.decoder(&format).unwrap());
            assert_eq!((encoder.rate(), decoder.rate()), (rate, rate), "{encoding}");
            let samples: Vec<i16> = (0..rate as usize / 50).map(|n| (n * 40) as i16).collect();
            let (mut payload, mut heard) = (Vec::new(), Vec::new());
            encoder.encode(&samples, &mut payload);
            decoder.decode(&payload, &mut heard);
            assert_eq!((payload.len(), heard.len()), (bytes, samples.len()), "{encoding}");
            assert!(samples.iter().zip(&heard).all(|(a, b)| a.abs_diff(*b) <= off), "{encoding}");
        }
    }

    #[test]
    fn what_is_not_ours_has_no_coder() {
        for (encoding, clock, channels) in
            [("opus", 48_000, 2), ("PCMU", 16_000, 1), ("L16", 44_100, 2), ("G729", 8_000, 1)]
        {
            let format = Format::new(encoding, clock, channels);
            assert!(Own.decoder(&format).is_none() && Own.encoder(&format).is_none(), "{encoding}");
        }
    }
}
