//! What a call app listens for in a party's sound: the beep of an answering machine, and silence.

/// Samples of a frame at 8 kHz.
const FRAME: usize = 160;
/// Mean size of a sample up to which it is silent: about -45 dBm0.
const QUIET: u32 = 120;
/// Mean size of a sample from which a tone can be a beep: about -36 dBm0.
const LOUD: u32 = 330;
/// Frames that a beep lasts at least and at most: 120 ms to 3 s.
const BEEP_MIN: u32 = 6;
const BEEP_MAX: u32 = 150;
/// Where beeps are, in Hz.
const BEEP_LOW: f64 = 350.0;
const BEEP_HIGH: f64 = 2_200.0;
/// How much of a frame's power may be anything but the one tone.
const IMPURE: f64 = 0.02;
/// How far the tone may move from frame to frame, in Hz.
const DRIFT: f64 = 15.0;

/// Whether a frame is silent.
#[must_use]
pub fn is_quiet(frame: &[i16]) -> bool {
    let sum: u32 = frame.iter().map(|s| u32::from(s.unsigned_abs())).sum();
    sum <= QUIET * u32::try_from(frame.len()).unwrap_or(u32::MAX)
}

/// Finds the end of a single steady tone of 120 ms to 3 s.
///
/// A sine obeys `x[n-1] + x[n+1] = c x[n]`: the `c` that fits best is its frequency, and what does not fit is not the tone.
#[derive(Clone, Debug, Default)]
pub struct BeepDetector {
    frequency: f64,
    frames: u32,
}

impl BeepDetector {
    /// Takes a frame of 20 ms at 8 kHz, empty for silence; gives the frequency in Hz of a beep that has just ended.
    pub fn take(&mut self, frame: &[i16]) -> Option<u16> {
        let tone = tone(frame);
        if let Some(frequency) = tone.filter(|f| self.frames > 0 && (f - self.frequency).abs() <= DRIFT) {
            self.frequency = frequency;
            self.frames = self.frames.saturating_add(1);
            return None;
        }
        let ended = (BEEP_MIN..=BEEP_MAX).contains(&self.frames).then_some(self.frequency as u16);
        self.frequency = tone.unwrap_or(0.0);
        self.frames = u32::from(tone.is_some());
        ended
    }
}

/// The frequency of a frame that is one loud tone and nothing else.
fn tone(frame: &[i16]) -> Option<f64> {
    if frame.len() != FRAME || frame.iter().map(|s| u32::from(s.unsigned_abs())).sum::<u32>() < LOUD * FRAME as u32 {
        return None;
    }
    let (mut cross, mut middle, mut sides) = (0.0, 0.0, 0.0);
    for window in frame.windows(3) {
        let [before, now, after] = window else { continue };
        let (side, now) = (f64::from(*before) + f64::from(*after), f64::from(*now));
        cross += side * now;
        middle += now * now;
        sides += side * side;
    }
    let fit = cross / middle;
    // Both sides less what fits, against the power of both sides of a tone of this size.
    let rest = (sides - fit * cross) / (4.0 * middle);
    let frequency = (fit / 2.0).clamp(-1.0, 1.0).acos() * 8_000.0 / core::f64::consts::TAU;
    (rest < IMPURE && (BEEP_LOW..=BEEP_HIGH).contains(&frequency)).then_some(frequency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::f64::consts::TAU;

    fn sine(frequency: f64, level: f64, ms: usize) -> Vec<i16> {
        (0..ms * 8).map(|n| ((TAU * frequency * n as f64 / 8_000.0).sin() * level) as i16).collect()
    }

    fn told(sound: &[i16]) -> Vec<u16> {
        let mut detector = BeepDetector::default();
        sound.chunks(FRAME).filter_map(|frame| detector.take(frame)).collect()
    }

    #[test]
    fn a_beep_is_told_when_it_ends_with_its_frequency() {
        for frequency in [400.0, 440.0, 800.0, 1_000.0, 1_400.0, 2_000.0] {
            for (level, ms) in [(9_000.0, 200), (1_500.0, 500), (30_000.0, 1_000)] {
                let sound = [vec![0; 1_000], sine(frequency, level, ms), vec![0; 1_600]].concat();
                let found = told(&sound);
                assert_eq!(found.len(), 1, "{frequency} Hz at {level} for {ms} ms: {found:?}");
                assert!(f64::from(found[0]).max(frequency) - f64::from(found[0]).min(frequency) < 12.0, "{found:?}");
            }
        }
        // Through a codec, with a little noise.
        let coded: Vec<i16> = [sine(1_000.0, 6_000.0, 300), vec![0; 800]]
            .concat()
            .iter()
            .map(|s| crate::g711::ulaw_decode(crate::g711::ulaw_encode(*s)))
            .collect();
        assert_eq!(told(&coded).len(), 1);
    }

    #[test]
    fn short_long_low_quiet_and_mixed_sounds_are_no_beeps() {
        let silence = vec![0; 1_600];
        let mut keys = vec![0; 1_600];
        crate::tones::key_sound('5', 8_000, 0, &mut keys);
        let voice: Vec<i16> = (0..40_000)
            .map(|n| {
                let t = f64::from(n) / 8_000.0;
                let pitch = 120.0 + 60.0 * (t * 2.0).sin();
                (1..20).map(|h| (TAU * pitch * f64::from(h) * t).sin() / f64::from(h)).sum::<f64>() * 4_000.0
            })
            .map(|s| s as i16)
            .collect();
        let glide: Vec<i16> = (0..16_000)
            .map(|n| f64::from(n) / 8_000.0)
            .map(|t| ((TAU * (500.0 + 800.0 * t) * t).sin() * 8_000.0) as i16)
            .collect();
        for (name, sound) in [
            ("short", sine(1_000.0, 9_000.0, 60)),
            ("a dial tone", sine(425.0, 9_000.0, 4_000)),
            ("hum", sine(100.0, 9_000.0, 400)),
            ("quiet", sine(1_000.0, 200.0, 400)),
            ("a key", keys),
            ("a voice", voice),
            ("a glide", glide),
        ] {
            assert_eq!(told(&[sound, silence.clone()].concat()), Vec::<u16>::new(), "{name}");
        }
    }

    #[test]
    fn what_is_quiet() {
        assert!(is_quiet(&[]) && is_quiet(&[100; 160]) && !is_quiet(&[200; 160]));
        assert!(is_quiet(&[i16::MIN; 0]) && !is_quiet(&[i16::MIN; 160]));
    }
}
