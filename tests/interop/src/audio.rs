//! Sounds that can be told apart, and finding them in recordings.
//!
//! All at 8 kHz, mono. A recording is cut into windows of 250 ms; each is searched in the sound at every lag by
//! normalised correlation: 1 = the same up to loudness, 0 = unrelated. What G.711 does to a sound of ours costs less than
//! 0.001. For unrelated noise the correlation of 2,000 samples scatters with 1/sqrt(2000) = 0.022, so the best of 100,000
//! lags stays below 0.12; for speech and sweeps, whose neighbouring samples are alike, below 0.6. [`SAME`] is far from both.

use std::path::Path;

/// Samples per second.
pub const RATE: usize = 8_000;
/// Samples of a window.
pub const WINDOW: usize = RATE / 4;
/// From this correlation on, a window is the sound.
pub const SAME: f32 = 0.9;
/// Windows quieter than this (root mean square) are pauses.
const QUIET: f32 = 60.0;

/// White noise; each seed makes another.
#[must_use]
pub fn noise(seed: u64, seconds: usize) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i16::try_from(state >> 40 & 0x3fff).unwrap_or_default() - 0x2000
    };
    (0..seconds * RATE).map(|_| next()).collect()
}

/// A tone that climbs from 300 to 3,300 Hz in these seconds.
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
pub fn sweep(seconds: usize) -> Vec<i16> {
    let length = seconds as f64;
    let sample = |i: usize| {
        let t = i as f64 / RATE as f64;
        let phase = core::f64::consts::TAU * (300.0 * t + 3_000.0 / (2.0 * length) * t * t);
        (phase.sin() * 8_000.0) as i16
    };
    (0..seconds * RATE).map(sample).collect()
}

/// A steady tone.
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
pub fn tone(hz: f64, seconds: usize) -> Vec<i16> {
    let sample = |i: usize| (core::f64::consts::TAU * hz * i as f64 / RATE as f64).sin() * 8_000.0;
    (0..seconds * RATE).map(|i| sample(i) as i16).collect()
}

/// How many windows are louder than a pause, and how many of them are this tone: more than half of their power.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn find_tone(recording: &[i16], hz: f64) -> (usize, usize) {
    let (mut loud, mut same) = (0, 0);
    for window in recording.chunks_exact(WINDOW) {
        let samples: Vec<f64> = window.iter().map(|s| f64::from(*s)).collect();
        let all: f64 = samples.iter().map(|s| s * s).sum();
        if all < f64::from(QUIET * QUIET) * WINDOW as f64 {
            continue;
        }
        let part = |f: fn(f64) -> f64| -> f64 {
            let at = |i: usize| f(core::f64::consts::TAU * hz * i as f64 / RATE as f64);
            samples.iter().enumerate().map(|(i, s)| s * at(i)).sum()
        };
        let (sine, cosine) = (part(f64::sin), part(f64::cos));
        loud += 1;
        same += usize::from((sine * sine + cosine * cosine) * 2.0 / WINDOW as f64 > all / 2.0);
    }
    (loud, same)
}

/// Writes a WAV file.
///
/// # Panics
/// When it cannot.
pub fn write(path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).expect("a WAV file");
    samples.iter().for_each(|s| file.write_sample(*s).expect("a sample"));
    file.finalize().expect("a whole WAV file");
}

/// Reads a WAV file of 8 kHz and one channel, or of 16 kHz or of 48 kHz and two, which is brought down to that.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read(path: &Path) -> Vec<i16> {
    let file = hound::WavReader::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let of = match (file.spec().sample_rate, file.spec().channels) {
        (8_000, 1) => 1,
        (16_000, 1) => 2,
        (48_000, 2) => 12,
        other => panic!("{}: {other:?}", path.display()),
    };
    let samples: Vec<i32> = file.into_samples::<i16>().map_while(Result::ok).map(i32::from).collect();
    let mean = |piece: &[i32]| i16::try_from(piece.iter().sum::<i32>() / of).unwrap_or_default();
    samples.chunks_exact(of.unsigned_abs() as usize).map(mean).collect()
}

/// How much of a sound is in a recording.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Found {
    /// Windows that are not a pause.
    pub windows: usize,
    /// Windows of them that are the sound.
    pub same: usize,
    /// The best correlation of any window.
    pub best: f32,
}

impl Found {
    /// The recording is the sound, but for breaks: at least a second of it, and most of what is there.
    #[must_use]
    pub fn is_there(self) -> bool {
        self.same >= 4 && self.same * 4 >= self.windows * 3
    }

    /// Not one window is the sound.
    #[must_use]
    pub fn is_absent(self) -> bool {
        self.same == 0 && self.best < 0.7
    }
}

/// Searches the windows of `recording` in `sound`, which may repeat.
#[must_use]
pub fn find(recording: &[i16], sound: &[i16]) -> Found {
    let around: Vec<f32> = sound.iter().chain(sound.iter().take(WINDOW)).map(|s| f32::from(*s)).collect();
    let energies = energies(&around);
    let mut found = Found { windows: 0, same: 0, best: 0.0 };
    let mut expected = None;
    for window in recording.chunks_exact(WINDOW) {
        let window: Vec<f32> = window.iter().map(|s| f32::from(*s)).collect();
        if power(&window) < QUIET * QUIET * WINDOW as f32 {
            expected = None;
            continue;
        }
        found.windows += 1;
        let window = Window { norm: power(&window).sqrt(), samples: window };
        // A sound goes on where it stood; only a break makes a search necessary.
        let at_expected = expected.map(|lag: usize| (at(&window, &around, &energies, lag % sound.len().max(1)), lag));
        let (correlation, lag) = match at_expected {
            Some((correlation, lag)) if correlation >= SAME => (correlation, lag),
            Some(_) | None => search(&window, &around, &energies),
        };
        found.best = found.best.max(correlation);
        found.same += usize::from(correlation >= SAME);
        expected = (correlation >= SAME).then_some(lag + WINDOW);
    }
    found
}

struct Window {
    samples: Vec<f32>,
    norm: f32,
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum()
}

/// Running sums of squares, so that the energy of any window is one subtraction.
fn energies(samples: &[f32]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut out = vec![0.0];
    out.extend(samples.iter().map(|s| {
        sum += f64::from(*s) * f64::from(*s);
        sum
    }));
    out
}

#[allow(clippy::cast_possible_truncation)]
fn at(window: &Window, sound: &[f32], energies: &[f64], lag: usize) -> f32 {
    let Some(piece) = sound.get(lag..lag + WINDOW) else { return 0.0 };
    let energy = energies.get(lag + WINDOW).zip(energies.get(lag)).map_or(0.0, |(b, a)| b - a);
    let mut lanes = [0.0_f32; 8];
    for (a, b) in window.samples.chunks_exact(8).zip(piece.chunks_exact(8)) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let norm = f64::from(window.norm) * energy.sqrt();
    if norm < 1.0 { 0.0 } else { (f64::from(lanes.iter().sum::<f32>()) / norm) as f32 }
}

fn search(window: &Window, sound: &[f32], energies: &[f64]) -> (f32, usize) {
    let lags = 0..sound.len().saturating_sub(WINDOW);
    lags.map(|lag| (at(window, sound, energies, lag), lag)).fold((0.0, 0), |a, b| if b.0 > a.0 { b } else { a })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_and_no_other() {
        let recording = [vec![0; 3_000], tone(1_000.0, 2)].concat();
        // A window is silence, one is half of each.
        assert_eq!(find_tone(&recording, 1_000.0), (8, 7));
        assert_eq!(find_tone(&recording, 440.0), (8, 0));
        assert_eq!(find_tone(&noise(1, 1), 1_000.0), (4, 0));
    }

    #[test]
    fn a_sound_is_found_and_others_are_not() {
        let (mine, other, sweep) = (noise(1, 2), noise(2, 2), sweep(2));
        let mut recording = vec![0; 3_333];
        recording.extend(mine.iter().skip(777).map(|s| s / 3));
        let found = find(&recording, &mine);
        assert!(found.is_there() && found.best > 0.999, "{found:?}");
        assert!(find(&recording, &other).is_absent());
        assert!(find(&recording, &sweep).is_absent());
        assert!(find(&sweep, &mine).is_absent());
        assert_eq!(find(&[0; 9_000], &mine).windows, 0);
    }
}
