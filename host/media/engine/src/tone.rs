//! Tones: a cadence of parts, each a sound and a silence, by name or by grammar.
//!
//! A name is `dial`, `ring`, `busy`, `congestion`, `call-waiting`, `info` or `beep`; with `@` and a country behind it, as
//! that country has it: `busy@gb`. The grammar is `FREQ[+FREQ][/ON_MS[/OFF_MS]]`, parts joined by commas: `+` adds a second
//! frequency, `*` in its place modulates the first by it, frequency 0 is silence. Without times it is a steady tone.

use crate::countries;

/// Longest sound or silence of one part.
const CADENCE_MAX_MS: u32 = 60_000;
/// Most parts of one tone.
const PARTS_MAX: usize = 12;
/// Samples over which a tone swells and fades, so that it does not click (5 ms).
const RAMP: u32 = 40;
/// Peak of a single tone: about -13 dBm0, what ITU-T E.182 gives networks room for.
const PEAK: i32 = 7_000;
/// Samples of a steady tone before it is heard anew: frequencies are whole Hertz, so that each second begins alike.
const STEADY: u32 = 8_000;
/// How deep a modulated tone is modulated, in percent.
const DEPTH: i32 = 90;
const TABLE_BITS: u32 = 10;

static SINE: [i16; 1 << TABLE_BITS] = sine_table();

/// What a part does with its two frequencies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sound {
    Silence,
    Single(u32),
    Sum(u32, u32),
    Modulated(u32, u32),
}

/// A sound and the silence after it, in samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Part {
    sound: Sound,
    on: u32,
    off: u32,
    /// It has neither beginning nor end: nothing swells.
    steady: bool,
}

/// One cadence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tone {
    parts: Vec<Part>,
}

impl Tone {
    /// Reads a tone's name.
    pub(crate) fn parse(name: &str) -> Option<Tone> {
        let text = countries::cadence(name).unwrap_or(name);
        let parts: Vec<Part> = text.split(',').map(Part::parse).collect::<Option<_>>()?;
        (parts.len() <= PARTS_MAX).then_some(Tone { parts })
    }

    /// Samples of the whole cadence.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|p| p.len() as usize).sum()
    }

    /// Fills in what there is from this place on.
    pub(crate) fn read(&self, at: usize, out: &mut [i16]) {
        let mut at = at;
        let mut rest = out;
        for part in &self.parts {
            let len = part.len() as usize;
            if at >= len {
                at -= len;
                continue;
            }
            let (now, later) = rest.split_at_mut(rest.len().min(len - at));
            for (sample, place) in now.iter_mut().zip(at..) {
                *sample = part.sample(place as u32);
            }
            rest = later;
            at = 0;
        }
    }
}

impl Part {
    fn parse(text: &str) -> Option<Part> {
        let mut fields = text.split('/');
        let (sound, audible) = sound(fields.next()?)?;
        let on = fields.next().map(number);
        let off = fields.next().map_or(Some(0), number)?;
        if fields.next().is_some() || off > CADENCE_MAX_MS {
            return None;
        }
        match on {
            None if audible => Some(Part { sound, on: STEADY, off: 0, steady: true }),
            None => None,
            Some(on) => {
                let on = on.filter(|on| (1..=CADENCE_MAX_MS).contains(on))?;
                Some(Part { sound, on: on * 8, off: off * 8, steady: false })
            }
        }
    }

    const fn len(&self) -> u32 {
        self.on + self.off
    }

    fn sample(&self, at: u32) -> i16 {
        if at >= self.on {
            return 0;
        }
        let wave = |step: u32| {
            let phase = step.wrapping_mul(at) >> (32 - TABLE_BITS);
            SINE.get(phase as usize).map_or(0, |s| i32::from(*s))
        };
        let mixed = match self.sound {
            Sound::Silence => 0,
            Sound::Single(step) => wave(step),
            Sound::Sum(one, other) => (wave(one) + wave(other)) * 7 / 10,
            Sound::Modulated(carrier, by) => {
                let swing = 100 + DEPTH * wave(by) / PEAK;
                wave(carrier) * swing / (100 + DEPTH)
            }
        };
        if self.steady {
            return clamp(mixed);
        }
        let ramp = at.min(self.on - 1 - at).min(RAMP) as i32;
        clamp(mixed * ramp / RAMP as i32)
    }
}

fn clamp(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// Reads the frequencies; tells whether it sounds.
fn sound(text: &str) -> Option<(Sound, bool)> {
    const AUDIBLE: core::ops::Range<u32> = 20..4_000;
    let step = |f: u32| ((u64::from(f) << 32) / 8_000) as u32;
    let heard = |text: &str| number(text).filter(|f| AUDIBLE.contains(f)).map(step);
    if text == "0" {
        return Some((Sound::Silence, false));
    }
    let sound = if let Some((one, other)) = text.split_once('+') {
        Sound::Sum(heard(one)?, heard(other)?)
    } else if let Some((carrier, by)) = text.split_once('*') {
        let by = number(by).filter(|f| (1..200).contains(f)).map(step)?;
        Sound::Modulated(heard(carrier)?, by)
    } else {
        Sound::Single(heard(text)?)
    };
    Some((sound, true))
}

/// Digits only: no sign, no blank.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// One turn of a sine, by its power series: the same on every machine.
const fn sine_table() -> [i16; 1 << TABLE_BITS] {
    let mut table = [0; 1 << TABLE_BITS];
    let mut i = 0;
    while i < table.len() {
        let turn = i as f64 / table.len() as f64;
        // Into -pi/2..pi/2, where few terms are enough.
        let folded = if turn < 0.25 {
            turn
        } else if turn < 0.75 {
            0.5 - turn
        } else {
            turn - 1.0
        };
        let x = folded * core::f64::consts::TAU;
        let (mut term, mut sum, mut n) = (x, x, 1.0);
        while n < 10.0 {
            term *= -x * x / ((2.0 * n) * (2.0 * n + 1.0));
            sum += term;
            n += 1.0;
        }
        table[i] = (sum * PEAK as f64) as i16;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound_of(name: &str) -> Vec<i16> {
        let tone = Tone::parse(name).unwrap();
        let mut samples = vec![1; tone.len()];
        // In uneven pieces, as frames that end within a part.
        let mut at = 0;
        for piece in samples.chunks_mut(333) {
            tone.read(at, piece);
            at += piece.len();
        }
        samples
    }

    #[test]
    fn names_and_grammar() {
        assert_eq!(Tone::parse("ring"), Tone::parse("425/1000/4000"));
        assert_eq!(Tone::parse("425/500/500"), Tone::parse("busy"));
        assert_eq!(Tone::parse("1000/250"), Tone::parse("beep"));
        for (name, len) in [
            ("350+440/1000", 8_000),
            ("400*25/400/200,0/100", 5_600),
            ("425", 8_000),
            ("ring@gb", 24_000),
            ("call-waiting@it", 120_000),
        ] {
            assert_eq!(Tone::parse(name).map(|t| t.len()), Some(len), "{name}");
        }
        for bad in [
            "",
            "/",
            "425/",
            "425/0",
            "4000/10",
            "19/10",
            "1+2+3/10",
            "425*0/10",
            "425/10/10/10",
            "425/-1",
            "a/1",
            "0",
            "425/60001",
            "425/99999999999",
            "425/1,",
            "busy@xx",
            "425/1@de",
            "1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1",
        ] {
            assert_eq!(Tone::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_sound_has_its_frequency_and_ends() {
        let samples = sound_of("1000/1000/100");
        let crossings = samples.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!((998..=1_000).contains(&crossings), "{crossings}");
        let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((6_900..=7_000).contains(&peak), "{peak}");
        assert!(samples[8_000..].iter().all(|s| *s == 0));
        assert!(samples[0] == 0 && samples[7_999] == 0);
    }

    #[test]
    fn parts_follow_each_other_and_steady_tones_have_no_seam() {
        let double = sound_of("400/400/200,400/400/2000");
        let loud = |range: core::ops::Range<usize>| double[range].iter().any(|s| *s > 5_000);
        assert!(loud(0..3_200) && !loud(3_200..4_800) && loud(4_800..8_000) && !loud(8_000..24_000));
        let twice = [sound_of("dial@us"), sound_of("dial@us")].concat();
        let step = |w: &[i16]| w[0].abs_diff(w[1]);
        let largest = twice[..7_999].windows(2).map(step).max().unwrap();
        assert!(step(&twice[7_999..8_001]) <= largest, "no click");
        let modulated = sound_of("400*25/1000");
        let peak = |range: core::ops::Range<usize>| modulated[range].iter().map(|s| s.unsigned_abs()).max().unwrap();
        // A quarter and three quarters of a turn of 25 Hz.
        assert!(peak(400..440) > 6_000 && peak(540..580) < 1_000, "{} {}", peak(400..440), peak(540..580));
    }
}
