//! Between 8, 16 and 48 kHz: one windowed sinc, cut into phases.
//!
//! Cut-off is 90 % of the lower rate's half; what would alias is 60 dB down a little above it. The delay is sixteen samples
//! of the lower rate.

/// Zero crossings of the filter to each side, at the lower rate.
const CROSSINGS: usize = 16;
/// Coefficients are fractions of this.
const ONE: f64 = 32_768.0;

/// From one rate to another, frame after frame.
///
/// # Invariants
/// `history` has the last input samples that the filter still reaches; `phase` is below `up`.
#[derive(Clone, Debug)]
pub struct Resampler {
    up: usize,
    down: usize,
    taps: Vec<i32>,
    history: Vec<i16>,
    phase: usize,
}

impl Resampler {
    /// `None` where nothing has to be done, or where the rates are not multiples of 8 kHz up to 48.
    #[must_use]
    pub fn new(from: u32, to: u32) -> Option<Resampler> {
        let known = |rate: u32| rate.is_multiple_of(8_000) && (8_000..=48_000).contains(&rate);
        if from == to || !known(from) || !known(to) {
            return None;
        }
        let (from, to) = ((from / 8_000) as usize, (to / 8_000) as usize);
        let common = (1..=from.min(to)).rev().find(|n| from.is_multiple_of(*n) && to.is_multiple_of(*n)).unwrap_or(1);
        let (up, down) = (to / common, from / common);
        let wide = up.max(down);
        let half = CROSSINGS * wide;
        let cutoff = 0.45 / wide as f64;
        let raw: Vec<f64> = (0..2 * half).map(|n| tap(n as f64 + 0.5 - half as f64, half as f64, cutoff)).collect();
        // Each phase passes a constant as it is.
        let gain: Vec<f64> = (0..up).map(|p| raw.iter().skip(p).step_by(up).sum()).collect();
        let scaled = |(n, t): (usize, &f64)| (t / gain.get(n % up).copied().unwrap_or(1.0) * ONE).round() as i32;
        let taps: Vec<i32> = raw.iter().enumerate().map(scaled).collect();
        let history = vec![0; taps.len().div_ceil(up)];
        Some(Resampler { up, down, taps, history, phase: 0 })
    }

    /// Takes samples and adds what they become.
    pub fn run(&mut self, input: &[i16], out: &mut Vec<i16>) {
        let reach = self.history.len();
        self.history.extend_from_slice(input);
        let mut newest = reach;
        while newest < self.history.len() {
            while self.phase < self.up {
                out.push(self.at(newest, self.phase));
                self.phase += self.down;
            }
            let skip = self.phase / self.up;
            self.phase %= self.up;
            newest += skip;
        }
        // Whole input samples that the next output lies ahead of wait in the phase.
        self.phase += (newest - self.history.len()) * self.up;
        self.history.drain(..self.history.len() - reach);
    }

    fn at(&self, newest: usize, phase: usize) -> i16 {
        let window = self.history.get(..=newest).unwrap_or_default().iter().rev();
        let taps = self.taps.iter().skip(phase).step_by(self.up);
        let sum: i64 = window.zip(taps).map(|(s, t)| i64::from(*s) * i64::from(*t)).sum();
        (sum >> 15).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
    }
}

/// One tap: `x` from the middle, a Blackman window half as wide as `width`, cut-off in cycles per sample.
fn tap(x: f64, width: f64, cutoff: f64) -> f64 {
    use core::f64::consts::PI;
    let sinc = (2.0 * PI * cutoff * x).sin() / (PI * x);
    let w = PI * x / width;
    sinc * (0.42 + 0.5 * w.cos() + 0.08 * (2.0 * w).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(frequency: f64, rate: u32, len: usize) -> Vec<i16> {
        let turn = core::f64::consts::TAU * frequency / f64::from(rate);
        (0..len).map(|n| ((n as f64 * turn).sin() * 10_000.0) as i16).collect()
    }

    fn power(samples: &[i16]) -> f64 {
        samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
    }

    fn run(from: u32, to: u32, input: &[i16], piece: usize) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to).unwrap();
        let mut out = Vec::new();
        input.chunks(piece).for_each(|part| resampler.run(part, &mut out));
        out
    }

    const RATES: [u32; 3] = [8_000, 16_000, 48_000];

    #[test]
    fn speech_passes_and_what_would_alias_does_not() {
        for from in RATES {
            for to in RATES.into_iter().filter(|to| *to != from) {
                let heard = run(from, to, &sine(1_000.0, from, from as usize), 160);
                assert_eq!(heard.len(), to as usize, "{from} to {to}");
                let level = 10.0 * (power(&heard[2_000..]) / 5e7).log10();
                assert!(level.abs() < 0.2, "{from} to {to}: {level} dB");
                if to < from {
                    let hiss = f64::from(to) * 0.6;
                    let heard = run(from, to, &sine(hiss, from, from as usize), 160);
                    assert!(power(&heard[2_000..]) < 100.0, "{from} to {to}: {}", power(&heard[2_000..]));
                }
            }
        }
    }

    #[test]
    fn pieces_of_any_length_join_without_a_seam() {
        for (from, to) in [(8_000, 48_000), (48_000, 8_000), (16_000, 48_000), (48_000, 16_000), (16_000, 8_000)] {
            let input = sine(700.0, from, 4_800);
            let whole = run(from, to, &input, 4_800);
            for piece in [1, 7, 160, 961] {
                assert_eq!(run(from, to, &input, piece), whole, "{from} to {to} by {piece}");
            }
        }
    }

    #[test]
    fn equal_and_odd_rates_have_no_resampler() {
        for (from, to) in [(8_000, 8_000), (44_100, 8_000), (8_000, 0), (8_000, 96_000)] {
            assert!(Resampler::new(from, to).is_none(), "{from} {to}");
        }
    }
}
