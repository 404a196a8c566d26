//! Speaking to a party: frames of sound in a format that it takes, as packets of our own source.

use rtp::codec::{Codecs, Encoder, Format};
use rtp::g711;
use rtp::resample::Resampler;
use sdp::{Codec, Payload, RemoteMedia};

/// A format of a description, as those who make coders know it.
pub(crate) fn format_of(payload: &Payload) -> Format {
    Format::new(&payload.encoding, payload.clock, payload.channels)
        .with_parameters(payload.fmtp.as_deref().unwrap_or_default())
}

/// What a party is spoken to in.
///
/// # Invariants
/// The encoder lives as long as the format: its state is the receiver's.
#[derive(Debug)]
pub(crate) struct Voice {
    payload_type: u8,
    clock: u32,
    encoder: Box<dyn Encoder>,
    /// From the rate of the last frame to the encoder's.
    resampler: Option<(u32, Resampler)>,
    samples: Vec<i16>,
    payload: Vec<u8>,
    law: Option<Law>,
}

/// A format without a memory: the same sound is the same payload, whoever is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Law {
    Ulaw,
    Alaw,
}

impl Law {
    /// The code of a sample.
    pub(crate) fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Ulaw => g711::ulaw_encode(sample),
            Law::Alaw => g711::alaw_encode(sample),
        }
    }
}

/// One frame's payload in each law, made at the first need: many parties hear the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    ulaw: Vec<u8>,
    alaw: Vec<u8>,
}

impl Shared {
    /// Another frame begins.
    pub(crate) fn clear(&mut self) {
        self.ulaw.clear();
        self.alaw.clear();
    }

    /// The frame in this law.
    pub(crate) fn of(&mut self, law: Law, frame: &[i16]) -> &[u8] {
        let payload = match law {
            Law::Ulaw => &mut self.ulaw,
            Law::Alaw => &mut self.alaw,
        };
        if payload.is_empty() {
            payload.extend(frame.iter().map(|sample| law.encode(*sample)));
        }
        payload
    }
}

impl Voice {
    /// In the first of the party's formats that can be encoded; `None` where none can.
    pub(crate) fn new(remote: &RemoteMedia, codecs: &dyn Codecs) -> Option<Voice> {
        remote.payloads.iter().find_map(|p| {
            let encoder = codecs.encoder(&format_of(p))?;
            Some(Voice {
                payload_type: p.pt,
                clock: p.clock,
                encoder,
                resampler: None,
                samples: Vec::new(),
                payload: Vec::new(),
                law: match p.codec() {
                    Some(Codec::Pcmu) => Some(Law::Ulaw),
                    Some(Codec::Pcma) => Some(Law::Alaw),
                    Some(Codec::G722 | Codec::Opus | Codec::TelephoneEvent) | None => None,
                },
            })
        })
    }

    /// Its law, if it is G.711.
    pub(crate) const fn law(&self) -> Option<Law> {
        self.law
    }

    /// The number of the format.
    pub(crate) const fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// The format's RTP clock.
    pub(crate) const fn clock(&self) -> u32 {
        self.clock
    }

    /// The payload of a frame of 20 ms at this rate.
    pub(crate) fn encode(&mut self, frame: &[i16], rate: u32) -> &[u8] {
        self.payload.clear();
        let wanted = self.encoder.rate();
        if rate == wanted {
            self.encoder.encode(frame, &mut self.payload);
            return &self.payload;
        }
        if self.resampler.as_ref().is_none_or(|(from, _)| *from != rate) {
            self.resampler = Resampler::new(rate, wanted).map(|r| (rate, r));
        }
        self.samples.clear();
        if let Some((_, resampler)) = &mut self.resampler {
            resampler.run(frame, &mut self.samples);
        }
        self.encoder.encode(&self.samples, &mut self.payload);
        &self.payload
    }
}
