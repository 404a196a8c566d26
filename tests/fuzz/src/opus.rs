//! Packets of a peer that says Opus.

use opus::WithOpus;
use rtp::codec::{Codecs, Format};

/// Longest packet: 120 ms at the decoder's rate.
const PACKET_MAX: usize = 1_920;

/// Payloads at a decoder, each behind a byte that says what is done with it and one that says how long it is: never more
/// sound than a packet may hold, and the decoder lives: a sound packet behind them all is heard whole.
///
/// # Panics
/// Where a promise is broken: that is a finding.
pub fn opus(data: &[u8]) {
    let format = Format::new("opus", 48_000, 2);
    let coders = WithOpus::new(0);
    let (Some(mut decoder), Some(mut encoder)) = (coders.decoder(&format), coders.encoder(&format)) else { return };
    let mut out = Vec::new();
    let mut rest = data;
    while let [what, len, tail @ ..] = rest {
        let (payload, next) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = next;
        out.clear();
        let samples = usize::from(*what) * 8;
        match what % 4 {
            0 => drop(decoder.recover(payload, samples, &mut out)),
            1 => drop(decoder.conceal(samples, &mut out)),
            _ => decoder.decode(payload, &mut out),
        }
        assert!(out.len() <= PACKET_MAX, "{} samples", out.len());
    }
    let mut payload = Vec::new();
    encoder.encode(&[1_000; 320], &mut payload);
    out.clear();
    decoder.decode(&payload, &mut out);
    assert_eq!(out.len(), 320, "the decoder fell over");
}
