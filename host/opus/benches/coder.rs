//! What 20 ms of Opus cost, at each of three complexities, and what they cost to hear.

use criterion::{Criterion, criterion_group, criterion_main};
use opus::WithOpus;
use rtp::codec::{Codecs, Decoder, Encoder, Format};
use std::hint::black_box;

/// Something like a voice: a climbing pitch with overtones, swelling and fading, and breath.
fn voice(rate: u32) -> Vec<i16> {
    let mut noise = 1_u32;
    let mut phase = 0.0_f64;
    (0..rate * 2)
        .map(|n| {
            let t = f64::from(n) / f64::from(rate);
            phase += (110.0 + 60.0 * (t * 3.0).sin()) / f64::from(rate) * core::f64::consts::TAU;
            let tone: f64 = (1..20).map(|h| (phase * f64::from(h)).sin() / f64::from(h)).sum();
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let breath = f64::from(noise >> 16) / 65_536.0 - 0.5;
            ((tone * 3_000.0 + breath * 600.0) * (0.6 + 0.4 * (t * 9.0).sin())) as i16
        })
        .collect()
}

fn coder(c: &mut Criterion) {
    let format = Format::new("opus", 48_000, 2).with_parameters("useinbandfec=1");
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for complexity in [0, 5, 10] {
        let Some(mut encoder) = WithOpus::new(complexity).encoder(&format) else { continue };
        let sound = voice(encoder.rate());
        let frames: Vec<&[i16]> = sound.chunks_exact(encoder.rate() as usize / 50).collect();
        packets = frames.iter().map(|frame| encoded(encoder.as_mut(), frame)).collect();
        let mut next = frames.iter().cycle();
        let mut payload = Vec::new();
        c.bench_function(&format!("opus/encode/{complexity}"), |b| {
            b.iter(|| {
                payload.clear();
                encoder.encode(next.next().copied().unwrap_or_default(), &mut payload);
                black_box(payload.len())
            });
        });
    }
    let Some(mut decoder) = WithOpus::new(5).decoder(&format) else { return };
    let mut next = packets.iter().cycle();
    let mut heard = Vec::new();
    c.bench_function("opus/decode", |b| {
        b.iter(|| {
            heard.clear();
            Decoder::decode(decoder.as_mut(), next.next().map_or(&[][..], Vec::as_slice), &mut heard);
            black_box(heard.len())
        });
    });
}

fn encoded(encoder: &mut dyn Encoder, frame: &[i16]) -> Vec<u8> {
    let mut payload = Vec::new();
    encoder.encode(frame, &mut payload);
    payload
}

criterion_group!(benches, coder);
criterion_main!(benches);
