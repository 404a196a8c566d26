//! Tones: `ring`, `busy`, `beep`, or `FREQ[+FREQ]/ON_MS[/OFF_MS]`. One tone is one cadence: sound, then silence.

/// Longest sound or silence of one cadence.
const CADENCE_MAX_MS: u32 = 60_000;
/// Samples over which a tone swells and fades, so that it does not click (5 ms).
const RAMP: u32 = 40;
/// Peak of a single tone: about -13 dBm0, what ITU-T E.182 gives networks room for.
const PEAK: i32 = 7_000;
const TABLE_BITS: u32 = 10;

static SINE: [i16; 1 << TABLE_BITS] = sine_table();

/// One cadence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tone {
    /// Phase steps per sample; the second is zero for a single tone.
    steps: [u32; 2],
    on: u32,
    off: u32,
}

impl Tone {
    /// Reads a tone's name. `ring` and `busy` are the cadences of ITU-T E.180 most of Europe uses.
    pub(crate) fn parse(name: &str) -> Option<Tone> {
        match name {
            "ring" => Tone::new(&[425], 1_000, 4_000),
            "busy" => Tone::new(&[425], 500, 500),
            "beep" => Tone::new(&[1_000], 250, 0),
            grammar => {
                let mut parts = grammar.split('/');
                let frequencies: Vec<u32> = parts.next()?.split('+').map(number).collect::<Option<_>>()?;
                let on = number(parts.next()?)?;
                let off = parts.next().map_or(Some(0), number)?;
                if parts.next().is_some() { None } else { Tone::new(&frequencies, on, off) }
            }
        }
    }

    fn new(frequencies: &[u32], on_ms: u32, off_ms: u32) -> Option<Tone> {
        let audible = |f: &u32| (20..4_000).contains(f);
        let cadence_fits = (1..=CADENCE_MAX_MS).contains(&on_ms) && off_ms <= CADENCE_MAX_MS;
        if frequencies.len() > 2 || !frequencies.iter().all(audible) || !cadence_fits {
            return None;
        }
        let step = |f: &u32| ((u64::from(*f) << 32) / 8_000) as u32;
        let first = frequencies.first().map(step)?;
        let second = frequencies.get(1).map_or(0, step);
        Some(Tone { steps: [first, second], on: on_ms * 8, off: off_ms * 8 })
    }

    /// Samples of the whole cadence.
    pub(crate) const fn len(&self) -> usize {
        (self.on + self.off) as usize
    }

    /// The sample at this place.
    pub(crate) fn sample(&self, at: usize) -> i16 {
        let at = at as u32;
        if at >= self.on {
            return 0;
        }
        let wave = |step: u32| {
            let phase = step.wrapping_mul(at) >> (32 - TABLE_BITS);
            SINE.get(phase as usize).map_or(0, |s| i32::from(*s))
        };
        let [first, second] = self.steps;
        let mixed = if second == 0 { wave(first) } else { (wave(first) + wave(second)) * 7 / 10 };
        let ramp = at.min(self.on - 1 - at).min(RAMP) as i32;
        (mixed * ramp / RAMP as i32).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    }
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

    #[test]
    fn names_and_grammar() {
        let ring = Tone::parse("ring").unwrap();
        assert_eq!((ring.on, ring.off), (8_000, 32_000));
        assert_eq!(Tone::parse("425/500/500"), Tone::parse("busy"));
        assert_eq!(Tone::parse("1000/250"), Tone::parse("beep"));
        assert_eq!(Tone::parse("350+440/1000").map(|t| t.len()), Some(8_000));
        for bad in [
            "",
            "/",
            "425",
            "425/",
            "425/0",
            "4000/10",
            "19/10",
            "1+2+3/10",
            "425/10/10/10",
            "425/-1",
            "a/1",
            "425/60001",
            "425/99999999999",
        ] {
            assert_eq!(Tone::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_sound_has_its_frequency_and_ends() {
        let tone = Tone::parse("1000/1000/100").unwrap();
        let samples: Vec<i16> = (0..tone.len()).map(|at| tone.sample(at)).collect();
        let crossings = samples.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!((998..=1_000).contains(&crossings), "{crossings}");
        let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((6_900..=7_000).contains(&peak), "{peak}");
        assert!(samples[8_000..].iter().all(|s| *s == 0));
        assert!(samples[0] == 0 && samples[7_999] == 0);
    }
}
