//! G.722 at 64 kbit/s (ITU-T G.722): 16 kHz in two bands, each an adaptive differential code.
//!
//! The blocks carry the Recommendation's names. RTP counts its clock as 8 kHz although the sound has 16 (RFC 3551
//! section 4.5.2): one byte is two samples and one tick.

const LOG_STEP: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1_198, 3_042];
const LOG_INDEX: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const INVERSE_LOG: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774, 2_834,
    2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];
const HIGH_STEP: [i32; 3] = [0, -214, 798];
const HIGH_INDEX: [usize; 4] = [2, 1, 2, 1];
const HIGH_LEVEL: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];
const LOW_LEVEL_4: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];
const LOW_LEVEL_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];
/// Decision levels of the lower band.
const LOW_DECISION: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1_023, 1_121, 1_219,
    1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];
/// Half of the symmetric filter that splits and joins the bands.
const MIRROR: [i32; 12] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];

/// The predictor and scale of one band.
#[derive(Clone, Debug, Default)]
struct Band {
    signal: i32,
    zeros: i32,
    scale_log: i32,
    scale: i32,
    reconstructed: [i32; 2],
    partial: [i32; 2],
    poles: [i32; 2],
    differences: [i32; 6],
    taps: [i32; 6],
}

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

const fn same_sign(a: i32, b: i32) -> bool {
    (a < 0) == (b < 0)
}

impl Band {
    fn new(scale: i32) -> Self {
        Band { scale, ..Band::default() }
    }

    /// LOGSCL and SCALEL, or LOGSCH and SCALEH.
    fn rescale(&mut self, step: i32, most: i32, shift: i32) {
        self.scale_log = (((self.scale_log * 127) >> 7) + step).clamp(0, most);
        let mantissa = at(&INVERSE_LOG, (self.scale_log >> 6 & 31) as usize);
        let down = shift - (self.scale_log >> 11);
        self.scale = if down < 0 { mantissa << -down } else { mantissa >> down } << 2;
    }

    /// Block 4: RECONS, PARREC, UPPOL2, UPPOL1, UPZERO, FILTEP, FILTEZ and PREDIC.
    fn adapt(&mut self, difference: i32) {
        let reconstructed = saturate(self.signal + difference);
        let partial = saturate(self.zeros + difference);
        let [a1, a2] = self.poles;
        let turn = saturate(a1 << 2);
        let turn = if same_sign(partial, self.partial[0]) { -turn } else { turn }.min(32_767);
        let nudge = if same_sign(partial, self.partial[1]) { 128 } else { -128 };
        let a2 = ((turn >> 7) + nudge + ((a2 * 32_512) >> 15)).clamp(-12_288, 12_288);
        let nudge = if same_sign(partial, self.partial[0]) { 192 } else { -192 };
        let most = saturate(15_360 - a2);
        let a1 = saturate(nudge + ((a1 * 32_640) >> 15)).clamp(-most, most);
        self.poles = [a1, a2];
        let step = if difference == 0 { 0 } else { 128 };
        for (tap, before) in self.taps.iter_mut().zip(self.differences) {
            let nudge = if same_sign(before, difference) { step } else { -step };
            *tap = saturate(nudge + ((*tap * 32_640) >> 15));
        }
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        let pole = |a: i32, r: i32| (a * saturate(2 * r)) >> 15;
        let poles = saturate(pole(a1, self.reconstructed[0]) + pole(a2, self.reconstructed[1]));
        let zeros = self.taps.iter().zip(self.differences).map(|(b, d)| (b * saturate(2 * d)) >> 15).sum();
        self.zeros = saturate(zeros);
        self.signal = saturate(poles + self.zeros);
    }

    /// Takes a code of the lower band into account.
    fn adapt_low(&mut self, code: usize) {
        let short = code >> 2;
        let difference = (self.scale * at(&LOW_LEVEL_4, short)) >> 15;
        let step = LOG_INDEX.get(short).map_or(0, |index| at(&LOG_STEP, *index));
        self.rescale(step, 18_432, 8);
        self.adapt(difference);
    }

    /// Takes a code of the upper band into account.
    fn adapt_high(&mut self, code: usize) {
        let difference = (self.scale * at(&HIGH_LEVEL, code)) >> 15;
        let step = HIGH_INDEX.get(code).map_or(0, |index| at(&HIGH_STEP, *index));
        self.rescale(step, 22_528, 10);
        self.adapt(difference);
    }
}

fn at(table: &[i32], index: usize) -> i32 {
    table.get(index).copied().unwrap_or(0)
}

/// The last 24 values of the filter that splits and joins the bands.
#[derive(Clone, Debug, Default)]
struct Mirror([i32; 24]);

impl Mirror {
    /// Takes two more and gives both halves of the filter.
    fn filter(&mut self, first: i32, second: i32) -> (i32, i32) {
        self.0.copy_within(2.., 0);
        self.0[22] = first;
        self.0[23] = second;
        let pairs = self.0.chunks_exact(2).zip(MIRROR.iter().zip(MIRROR.iter().rev()));
        pairs.fold((0, 0), |(odd, even), (pair, (front, back))| match pair {
            [a, b] => (odd + a * front, even + b * back),
            _ => (odd, even),
        })
    }
}

/// 16 kHz to bytes.
#[derive(Clone, Debug)]
pub struct Encoder {
    low: Band,
    high: Band,
    mirror: Mirror,
}

/// Bytes to 16 kHz.
#[derive(Clone, Debug)]
pub struct Decoder {
    low: Band,
    high: Band,
    mirror: Mirror,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder { low: Band::new(32), high: Band::new(8), mirror: Mirror::default() }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder { low: Band::new(32), high: Band::new(8), mirror: Mirror::default() }
    }
}

impl Encoder {
    /// Two samples to one byte.
    pub fn encode(&mut self, first: i16, second: i16) -> u8 {
        let (odd, even) = self.mirror.filter(i32::from(first), i32::from(second));
        let (low, high) = ((even + odd) >> 14, (even - odd) >> 14);
        let low = self.quantise_low(saturate(low - self.low.signal));
        let high = self.quantise_high(saturate(high - self.high.signal));
        self.low.adapt_low(low);
        self.high.adapt_high(high);
        (high << 6 | low) as u8
    }

    /// QUANTL: six bits.
    fn quantise_low(&self, error: i32) -> usize {
        let size = if error >= 0 { error } else { -(error + 1) };
        let above = |level: &&i32| size >= (**level * self.low.scale) >> 12;
        let level = 1 + LOW_DECISION.iter().skip(1).take_while(above).count();
        match (error < 0, level) {
            (true, 1) => 63,
            (true, 2) => 62,
            (true, level) => 34 - level,
            (false, level) => 62 - level,
        }
    }

    /// QUANTH: two bits.
    fn quantise_high(&self, error: i32) -> usize {
        let size = if error >= 0 { error } else { -(error + 1) };
        match (error < 0, size >= (564 * self.high.scale) >> 12) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }
}

impl Decoder {
    /// One byte to two samples.
    pub fn decode(&mut self, byte: u8) -> [i16; 2] {
        let (low, high) = (usize::from(byte & 63), usize::from(byte >> 6));
        let limit = |value: i32| value.clamp(-16_384, 16_383);
        let low_out = limit(self.low.signal + ((self.low.scale * at(&LOW_LEVEL_6, low)) >> 15));
        let high_out = limit(self.high.signal + ((self.high.scale * at(&HIGH_LEVEL, high)) >> 15));
        self.low.adapt_low(low);
        self.high.adapt_high(high);
        let (odd, even) = self.mirror.filter(low_out + high_out, low_out - high_out);
        [saturate(even >> 11) as i16, saturate(odd >> 11) as i16]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(sound: &[i16]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        sound.chunks_exact(2).flat_map(|pair| decoder.decode(encoder.encode(pair[0], pair[1]))).collect()
    }

    fn sine(frequency: f64, peak: f64, len: usize) -> Vec<i16> {
        (0..len).map(|n| ((n as f64 * core::f64::consts::TAU * frequency / 16_000.0).sin() * peak) as i16).collect()
    }

    /// Signal over noise in dB, behind the delay of both filters (22 samples) and the time to settle.
    fn clearness(sound: &[i16]) -> f64 {
        const DELAY: usize = 22;
        let heard = through(sound);
        let (mut signal, mut noise) = (0.0, 0.0);
        for (a, b) in sound.iter().zip(heard.iter().skip(DELAY)).skip(800) {
            signal += f64::from(*a).powi(2);
            noise += (f64::from(*a) - f64::from(*b)).powi(2);
        }
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn tones_of_both_bands_come_through() {
        for (frequency, peak, least) in [
            (300.0, 10_000.0, 30.0),
            (1_000.0, 10_000.0, 30.0),
            (3_000.0, 10_000.0, 25.0),
            (6_000.0, 10_000.0, 10.0),
            (1_000.0, 300.0, 20.0),
        ] {
            let clear = clearness(&sine(frequency, peak, 16_000));
            assert!(clear > least, "{frequency} Hz at {peak}: {clear} dB");
        }
    }

    #[test]
    fn silence_stays_silent_and_the_loudest_does_not_wrap() {
        assert!(through(&[0; 3_200]).iter().skip(400).all(|s| s.abs() < 12));
        let loud: Vec<i16> = (0..3_200).map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let heard = through(&loud);
        let wrong = loud
            .iter()
            .zip(heard.iter().skip(22))
            .skip(400)
            .filter(|(a, b)| !same_sign(i32::from(**a), i32::from(**b)))
            .count();
        assert!(wrong < loud.len() / 10, "{wrong}");
    }

    #[test]
    fn every_code_is_decoded_and_quantised_back() {
        let mut decoder = Decoder::default();
        for byte in (0..=255_u8).cycle().take(10_000) {
            let _ = decoder.decode(byte.wrapping_mul(37));
        }
        let mut encoder = Encoder::default();
        encoder.low.scale = 4_096;
        let codes: std::collections::BTreeSet<usize> = (-16_000..16_000).map(|e| encoder.quantise_low(e)).collect();
        assert_eq!((codes.first(), codes.last(), codes.len()), (Some(&4), Some(&63), 60), "four codes are never sent");
    }
}
