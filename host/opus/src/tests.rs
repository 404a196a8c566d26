//! Sound there and back, loss with and without redundancy, what parties ask for, and nonsense.

use super::*;

const OPUS: WithOpus = WithOpus { complexity: 5 };

fn format(parameters: &str) -> Format {
    Format::new("opus", CLOCK, 2).with_parameters(parameters)
}

/// A voice of sorts: a pitch that moves, by those overtones that a telephone passes, in syllables.
fn voice(frames: usize) -> Vec<i16> {
    let mut phase = 0.0_f64;
    let sample = |n: usize| {
        let t = n as f64 / f64::from(RATE);
        let pitch = 130.0 + 40.0 * (t * 2.5).sin();
        phase += core::f64::consts::TAU * pitch / f64::from(RATE);
        let tone: f64 = (3..18).map(|h| (phase * f64::from(h)).sin() / f64::from(h)).sum();
        (tone * 4_000.0 * (0.55 + 0.45 * (t * 20.0).sin())) as i16
    };
    (0..frames * FRAME).map(sample).collect()
}

fn encoded(sound: &[i16], parameters: &str) -> Vec<Vec<u8>> {
    let mut encoder = OPUS.encoder(&format(parameters)).unwrap();
    let frame = |frame: &[i16]| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    };
    sound.chunks_exact(FRAME).map(frame).collect()
}

/// The best correlation of a piece of `heard` with `sound`, for any delay up to 25 ms.
fn correlation(heard: &[i16], sound: &[i16]) -> f64 {
    let at = |delay: usize| {
        let pairs = || heard.iter().skip(delay).zip(sound).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let (a, b): (f64, f64) = (pairs().map(|(a, _)| a * a).sum(), pairs().map(|(_, b)| b * b).sum());
        pairs().map(|(a, b)| a * b).sum::<f64>() / (a * b).sqrt().max(1.0)
    };
    (0..FRAME + STEP * 2).map(at).fold(0.0, f64::max)
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

#[test]
fn a_voice_there_and_back() {
    let sound = voice(100);
    let packets = encoded(&sound, "");
    let mut decoder = OPUS.decoder(&format("")).unwrap();
    assert_eq!((decoder.rate(), OPUS.encoder(&format("")).unwrap().rate()), (RATE, RATE));
    let mut heard = Vec::new();
    packets.iter().for_each(|packet| decoder.decode(packet, &mut heard));
    assert_eq!(heard.len(), sound.len());
    let bits: usize = packets.iter().map(|p| p.len() * 8).sum::<usize>() / 2;
    assert!((10_000..34_000).contains(&bits), "{bits} bits per second");
    let (same, level) = (correlation(&heard[16_000..], &sound[16_000..]), power(&heard) / power(&sound));
    assert!(same > 0.95 && (0.8..1.2).contains(&level), "{same} {level}");
}

/// Every fifth packet is lost. With the redundancy that the next one brings, more of the sound is there than without.
#[test]
fn what_was_lost_is_recovered_from_what_follows() {
    let sound = voice(150);
    let lost = |n: usize| n % 5 == 4;
    let heard = |parameters: &str, recover: bool| {
        let packets = encoded(&sound, parameters);
        let mut decoder = OPUS.decoder(&format("")).unwrap();
        let mut out = Vec::new();
        for (n, packet) in packets.iter().enumerate() {
            if !lost(n) {
                decoder.decode(packet, &mut out);
            } else if !recover || !packets.get(n + 1).is_some_and(|p| decoder.recover(p, FRAME, &mut out)) {
                assert!(decoder.conceal(FRAME, &mut out));
            }
        }
        assert_eq!(out.len(), sound.len());
        // How like the lost frames are, one by one.
        let frames = (10..149)
            .filter(|n| lost(*n))
            .map(|n| correlation(&out[n * FRAME..][..3 * FRAME / 2], &sound[n * FRAME..][..FRAME]));
        let all: Vec<f64> = frames.collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    let (concealed, recovered) = (heard("useinbandfec=1", false), heard("useinbandfec=1", true));
    assert!(recovered > concealed + 0.02 && recovered > 0.8, "{recovered} recovered, {concealed} concealed");
    let none = heard("", true);
    assert!(none > 0.3, "without redundancy it is concealed all the same: {none}");
}

#[test]
fn a_party_is_spoken_to_as_it_asks() {
    for (parameters, bits, redundancy) in [
        ("", 28_000, false),
        ("minptime=10;useinbandfec=1", 28_000, true),
        ("useinbandfec=0; maxaveragebitrate=20000", 20_000, false),
        ("MaxAverageBitrate = 16000 ;UseInbandFec=1", 16_000, true),
        ("maxaveragebitrate=510000", 28_000, false),
        ("maxaveragebitrate=1", 6_000, false),
        ("maxaveragebitrate=-5;useinbandfec=yes;=;;x", 28_000, false),
    ] {
        assert_eq!(Wish::of(&format(parameters), 5), Wish { complexity: 5, bits, redundancy }, "{parameters}");
    }
    let sizes = |parameters| encoded(&voice(100), parameters).iter().map(Vec::len).sum::<usize>();
    let (all, few) = (sizes(""), sizes("maxaveragebitrate=8000"));
    assert!(few * 2 < all, "{few} {all}");
    assert_eq!(WithOpus::new(200), WithOpus { complexity: COMPLEXITY_MAX });
}

#[test]
fn what_is_no_opus_is_nothing_and_the_decoder_goes_on() {
    let mut decoder = OPUS.decoder(&format("")).unwrap();
    let packets = encoded(&voice(20), "useinbandfec=1");
    let mut state = 7_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut out = Vec::new();
    for n in 0..3_000_usize {
        let mut payload: Vec<u8> =
            if n % 2 == 0 { (0..n % 90).map(|_| random()).collect() } else { packets[n % 20].clone() };
        for _ in 0..n % 4 {
            let at = usize::from(random()) % payload.len().max(1);
            payload.get_mut(at).into_iter().for_each(|byte| *byte = random());
        }
        out.clear();
        match n % 7 {
            0 => drop(decoder.recover(&payload, usize::from(random()) * 16, &mut out)),
            1 => drop(decoder.conceal(usize::from(random()) * 16, &mut out)),
            _ => decoder.decode(&payload, &mut out),
        }
        assert!(out.len() <= PACKET_MAX, "{}", out.len());
    }
    let mut heard = Vec::new();
    packets.iter().for_each(|packet| decoder.decode(packet, &mut heard));
    assert_eq!(heard.len(), packets.len() * FRAME, "it goes on");
}

#[test]
fn a_coder_that_fell_over_is_not_asked_again() {
    let mut coder = Coder::Unmade;
    assert_eq!(coder.with(|| Some(1), |n| core::mem::replace(n, 2)), Some(1));
    assert_eq!(coder.with(|| None, |n| *n), Some(2), "made once");
    assert_eq!(coder.with(|| None, |_| -> i32 { std::panic::resume_unwind(Box::new(())) }), None);
    assert_eq!(coder.with(|| Some(3), |n| *n), None);
}

#[test]
fn stereo_and_long_packets_are_heard_in_mono() {
    let mut encoder = ropus::Encoder::builder(48_000, Channels::Stereo, Application::Audio)
        .frame_duration(ropus::FrameDuration::Ms60)
        .build()
        .unwrap();
    let mono = voice(18);
    let wide: Vec<i16> = mono.iter().flat_map(|s| [*s; 6]).collect();
    let mut heard = Vec::new();
    let mut decoder = OPUS.decoder(&format("")).unwrap();
    for piece in wide.chunks_exact(48_000 * 2 * 60 / 1_000) {
        let mut payload = [0; 4_000];
        let len = encoder.encode(piece, &mut payload).unwrap();
        decoder.decode(&payload[..len], &mut heard);
    }
    assert_eq!(heard.len(), mono.len());
    assert!((0.5..2.0).contains(&(power(&heard) / power(&mono))), "{} {}", power(&heard), power(&mono));
}

#[test]
fn the_own_formats_are_there_too() {
    for (encoding, clock, channels, is) in [
        ("PCMU", 8_000, 1, true),
        ("G722", 8_000, 1, true),
        ("L16", 16_000, 1, true),
        ("OPUS", 48_000, 2, true),
        ("opus", 48_000, 1, false),
        ("opus", 16_000, 2, false),
    ] {
        let format = Format::new(encoding, clock, channels);
        assert_eq!((OPUS.decoder(&format).is_some(), OPUS.encoder(&format).is_some()), (is, is), "{encoding}");
    }
}
