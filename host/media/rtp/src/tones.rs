//! Tones in sound: the sixteen keys in band (ITU-T Q.23, Q.24), both ways, and beeps, by Goertzel's algorithm.

use core::f64::consts::TAU;

const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Samples looked at at once, at 8 kHz: bins 78 Hz apart, which tells the rows from each other in 12.75 ms.
const BLOCK: usize = 102;
/// A key must stand for two blocks (25 ms of 40) and be gone for two.
const BLOCKS: u8 = 2;
/// The quietest tone told, as mean power of 16-bit samples: about -36 dBm0.
const POWER_MIN: f64 = 30_000.0;
/// How much of a block's power the two tones must have.
const PURITY: f64 = 0.65;
/// Most that the row may be louder than the column, and the other way round (Q.24: 8 dB and 4 dB, with room).
const TWIST: f64 = 10.0;

/// One bin.
#[derive(Clone, Copy, Debug)]
struct Bin {
    coefficient: f64,
    one: f64,
    two: f64,
}

impl Bin {
    fn new(frequency: f64, rate: f64) -> Bin {
        Bin { coefficient: 2.0 * (TAU * frequency / rate).cos(), one: 0.0, two: 0.0 }
    }

    #[inline]
    fn take(&mut self, sample: f64) {
        let next = sample + self.coefficient * self.one - self.two;
        self.two = self.one;
        self.one = next;
    }

    /// The tone's mean power over `count` samples; starts over.
    fn power(&mut self, count: usize) -> f64 {
        let magnitude = self.one * self.one + self.two * self.two - self.coefficient * self.one * self.two;
        self.one = 0.0;
        self.two = 0.0;
        // A sine of amplitude A has magnitude (A * n / 2) squared and mean power A squared / 2.
        2.0 * magnitude / (count * count) as f64
    }
}

/// Finds keys in samples at 8 kHz.
#[derive(Clone, Debug)]
pub struct KeyDetector {
    rows: [Bin; 4],
    columns: [Bin; 4],
    power: f64,
    count: usize,
    candidate: Option<char>,
    stood: u8,
    told: Option<char>,
}

impl Default for KeyDetector {
    fn default() -> Self {
        KeyDetector {
            rows: ROWS.map(|f| Bin::new(f, 8_000.0)),
            columns: COLUMNS.map(|f| Bin::new(f, 8_000.0)),
            power: 0.0,
            count: 0,
            candidate: None,
            stood: 0,
            told: None,
        }
    }
}

impl KeyDetector {
    /// Takes samples; gives a key when it has stood long enough, once.
    pub fn take(&mut self, samples: &[i16]) -> Option<char> {
        let mut found = None;
        for sample in samples {
            let sample = f64::from(*sample);
            self.power += sample * sample;
            self.rows.iter_mut().chain(&mut self.columns).for_each(|bin| bin.take(sample));
            self.count += 1;
            if self.count == BLOCK {
                found = self.block().or(found);
            }
        }
        found
    }

    /// The same for a frame of any rate that is a multiple of 8 kHz; silence ends a press.
    pub fn take_frame(&mut self, frame: &[i16], rate: u32) -> Option<char> {
        if frame.is_empty() {
            return self.take(&[0; 160]);
        }
        // No filter before: what would fold down lies far above the keys of a voice band, and is seldom pure.
        let every = (rate / 8_000).max(1) as usize;
        let mut found = None;
        for sample in frame.iter().step_by(every) {
            found = self.take(core::slice::from_ref(sample)).or(found);
        }
        found
    }

    /// Whether a key is down, told or not.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.candidate.is_some()
    }

    fn block(&mut self) -> Option<char> {
        let key = self.key();
        self.count = 0;
        self.power = 0.0;
        if key == self.candidate {
            self.stood = self.stood.saturating_add(1);
        } else {
            self.candidate = key;
            self.stood = 1;
        }
        if self.stood < BLOCKS || self.told == self.candidate {
            return None;
        }
        self.told = self.candidate;
        self.told
    }

    fn key(&mut self) -> Option<char> {
        let loudest = |bins: &mut [Bin; 4]| {
            let powers = bins.each_mut().map(|bin| bin.power(BLOCK));
            let (at, most) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(n, p)| (n, *p))?;
            // The next one must be far below.
            let next = powers.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, p)| *p).fold(0.0, f64::max);
            Some((at, most, next))
        };
        let (row, row_power, row_next) = loudest(&mut self.rows)?;
        let (column, column_power, column_next) = loudest(&mut self.columns)?;
        let total = self.power / BLOCK as f64;
        let clear = row_power > 6.0 * row_next && column_power > 6.0 * column_next;
        let even = row_power < TWIST * column_power && column_power < TWIST * row_power;
        let pure = row_power + column_power > PURITY * total;
        let loud = row_power > POWER_MIN / 2.0 && column_power > POWER_MIN / 2.0;
        (clear && even && pure && loud).then(|| KEYS.get(row).and_then(|r| r.get(column)).copied()).flatten()
    }
}

/// The two frequencies of a key, in Hz.
#[must_use]
pub fn frequencies(key: char) -> Option<(f64, f64)> {
    let key = key.to_ascii_uppercase();
    KEYS.iter()
        .zip(ROWS)
        .find_map(|(row, low)| row.iter().zip(COLUMNS).find(|(k, _)| **k == key).map(|(_, high)| (low, high)))
}

/// The sound of a key, at -10 dBm0 each tone, from a sample of its press on.
pub fn key_sound(key: char, rate: u32, from: usize, out: &mut [i16]) {
    let Some((low, high)) = frequencies(key) else { return };
    let turn = |frequency: f64, n: usize| (TAU * frequency * n as f64 / f64::from(rate)).sin();
    for (n, sample) in (from..).zip(out) {
        *sample = (7_000.0 * (turn(low, n) + turn(high, n))) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(key: char, ms: usize, gain: f64) -> Vec<i16> {
        let mut out = vec![0; ms * 8];
        key_sound(key, 8_000, 0, &mut out);
        out.iter().map(|s| (f64::from(*s) * gain) as i16).collect()
    }

    fn told(sound: &[i16]) -> String {
        let mut detector = KeyDetector::default();
        sound.chunks(160).filter_map(|frame| detector.take(frame)).collect()
    }

    #[test]
    fn every_key_is_told_once_per_press_at_any_level() {
        for gain in [1.0, 0.3, 0.08] {
            for key in KEYS.into_iter().flatten() {
                let twice = [press(key, 60, gain), vec![0; 480], press(key, 200, gain), vec![0; 480]].concat();
                assert_eq!(told(&twice), format!("{key}{key}"), "{gain}");
            }
        }
        assert_eq!(told(&press('5', 15, 1.0)), "", "too short");
        assert_eq!(told(&press('5', 200, 0.005)), "", "too quiet");
    }

    #[test]
    fn speech_like_sound_noise_and_single_tones_are_no_keys() {
        let mut seed = 1_u32;
        let noise: Vec<i16> = (0..80_000)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 18) as i16 - 8_192
            })
            .collect();
        assert_eq!(told(&noise), "");
        let tone = |f: f64| {
            (0..8_000).map(|n| ((TAU * f * f64::from(n) / 8_000.0).sin() * 9_000.0) as i16).collect::<Vec<_>>()
        };
        for frequency in [425.0, 697.0, 941.0, 1_000.0, 1_209.0, 1_477.0] {
            assert_eq!(told(&tone(frequency)), "", "{frequency}");
        }
        // A voice: harmonics of a pitch that glides.
        let voice: Vec<i16> = (0..40_000)
            .map(|n| {
                let t = f64::from(n) / 8_000.0;
                let pitch = 120.0 + 60.0 * (t * 2.0).sin();
                (1..20).map(|h| (TAU * pitch * f64::from(h) * t).sin() / f64::from(h)).sum::<f64>() * 4_000.0
            })
            .map(|s| s as i16)
            .collect();
        assert_eq!(told(&voice), "");
    }
}
