//! G.711 by table: one load per sample each way.
//!
//! Samples are 16-bit linear; the codec keeps the upper 14 (mu-law) or 13 (A-law) bits, as the Recommendation does.

/// Silence in mu-law.
pub const ULAW_SILENCE: u8 = 0xff;
/// Silence in A-law.
pub const ALAW_SILENCE: u8 = 0xd5;

static ULAW_DECODE: [i16; 256] = ulaw_decode_table();
static ALAW_DECODE: [i16; 256] = alaw_decode_table();
static ULAW_ENCODE: [u8; 1 << 14] = ulaw_encode_table();
static ALAW_ENCODE: [u8; 1 << 13] = alaw_encode_table();
static ULAW_TO_ALAW: [u8; 256] = ulaw_to_alaw_table();
static ALAW_TO_ULAW: [u8; 256] = alaw_to_ulaw_table();

/// One sample from mu-law.
#[inline]
#[must_use]
pub fn ulaw_decode(byte: u8) -> i16 {
    ULAW_DECODE[usize::from(byte)]
}

/// One sample from A-law.
#[inline]
#[must_use]
pub fn alaw_decode(byte: u8) -> i16 {
    ALAW_DECODE[usize::from(byte)]
}

/// One sample to mu-law.
#[inline]
#[must_use]
pub fn ulaw_encode(sample: i16) -> u8 {
    ULAW_ENCODE[usize::from(sample.cast_unsigned() >> 2)]
}

/// One sample to A-law.
#[inline]
#[must_use]
pub fn alaw_encode(sample: i16) -> u8 {
    ALAW_ENCODE[usize::from(sample.cast_unsigned() >> 3)]
}

/// Mu-law to A-law, in place.
#[inline]
pub fn ulaw_to_alaw(payload: &mut [u8]) {
    for byte in payload {
        *byte = ULAW_TO_ALAW[usize::from(*byte)];
    }
}

/// A-law to mu-law, in place.
#[inline]
pub fn alaw_to_ulaw(payload: &mut [u8]) {
    for byte in payload {
        *byte = ALAW_TO_ULAW[usize::from(*byte)];
    }
}

/// G.711 mu-law expansion: sign, 3-bit chord, 4-bit step, all bits inverted.
const fn ulaw_decode_one(byte: u8) -> i16 {
    let byte = !byte;
    let chord = (byte >> 4) & 7;
    let magnitude = (((((byte & 15) as i16) << 3) + 0x84) << chord) - 0x84;
    if byte & 0x80 != 0 { -magnitude } else { magnitude }
}

/// G.711 A-law expansion: even bits inverted.
const fn alaw_decode_one(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let chord = (byte >> 4) & 7;
    let step = ((byte & 15) as i16) << 4;
    let magnitude = if chord == 0 { step + 8 } else { (step + 0x108) << (chord - 1) };
    if byte & 0x80 != 0 { magnitude } else { -magnitude }
}

const fn ulaw_encode_one(sample: i16) -> u8 {
    const CLIP: i32 = 32_635;
    let negative = sample < 0;
    let mut magnitude = if negative { -(sample as i32) } else { sample as i32 };
    if magnitude > CLIP {
        magnitude = CLIP;
    }
    magnitude += 0x84;
    let chord = 24 - (magnitude as u32).leading_zeros();
    let step = (magnitude >> (chord + 3)) & 15;
    !((if negative { 0x80 } else { 0 }) | (chord as u8) << 4 | step as u8)
}

const fn alaw_encode_one(sample: i16) -> u8 {
    let positive = sample >= 0;
    // One's complement makes the negative half the mirror image of the positive one.
    let magnitude = if positive { sample } else { !sample } as u32;
    let code = if magnitude < 256 {
        (magnitude >> 4) as u8
    } else {
        let chord = 24 - magnitude.leading_zeros();
        ((chord << 4) | ((magnitude >> (chord + 3)) & 15)) as u8
    };
    (code | if positive { 0x80 } else { 0 }) ^ 0x55
}

const fn ulaw_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = ulaw_decode_one(i as u8);
        i += 1;
    }
    table
}

const fn alaw_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = alaw_decode_one(i as u8);
        i += 1;
    }
    table
}

const fn ulaw_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut i = 0;
    while i < 1 << 14 {
        table[i] = ulaw_encode_one(((i as u16) << 2) as i16);
        i += 1;
    }
    table
}

const fn alaw_encode_table() -> [u8; 1 << 13] {
    let mut table = [0; 1 << 13];
    let mut i = 0;
    while i < 1 << 13 {
        table[i] = alaw_encode_one(((i as u16) << 3) as i16);
        i += 1;
    }
    table
}

const fn ulaw_to_alaw_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = alaw_encode_one(ulaw_decode_one(i as u8));
        i += 1;
    }
    table
}

const fn alaw_to_ulaw_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = ulaw_encode_one(alaw_decode_one(i as u8));
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points_of_the_recommendation() {
        for (byte, sample) in [(0xff, 0), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xf0, 120), (0x70, -120)] {
            assert_eq!(ulaw_decode(byte), sample, "{byte:#x}");
        }
        for (byte, sample) in [(0xd5, 8), (0x55, -8), (0xaa, 32_256), (0x2a, -32_256), (0xda, 248)] {
            assert_eq!(alaw_decode(byte), sample, "{byte:#x}");
        }
        assert_eq!((ulaw_encode(0), alaw_encode(0)), (ULAW_SILENCE, ALAW_SILENCE));
        assert_eq!((ulaw_encode(i16::MAX), ulaw_encode(i16::MIN)), (0x80, 0x00));
        assert_eq!((alaw_encode(i16::MAX), alaw_encode(i16::MIN)), (0xaa, 0x2a));
    }

    #[test]
    fn decoding_then_encoding_gives_the_same_byte() {
        for byte in 0..=255_u8 {
            assert_eq!(alaw_encode(alaw_decode(byte)), byte);
            // Mu-law has two zeros; the encoder gives the positive one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(ulaw_encode(ulaw_decode(byte)), expected);
        }
    }

    #[test]
    fn encoding_then_decoding_stays_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            let level = i32::from(sample).abs();
            for decoded in [ulaw_decode(ulaw_encode(sample)), alaw_decode(alaw_encode(sample))] {
                let error = (i32::from(decoded) - i32::from(sample)).abs();
                assert!(error <= (level / 16).max(16) + 8 || level > 32_000, "{sample} -> {decoded}");
            }
        }
    }

    #[test]
    fn both_ways_between_the_laws_keep_the_sign_and_the_level() {
        for byte in 0..=255_u8 {
            let mut one = [byte];
            ulaw_to_alaw(&mut one);
            let error = i32::from(alaw_decode(one[0])) - i32::from(ulaw_decode(byte));
            assert!(error.abs() <= i32::from(ulaw_decode(byte)).abs() / 16 + 16, "{byte:#x}");
            let mut one = [byte];
            alaw_to_ulaw(&mut one);
            let error = i32::from(ulaw_decode(one[0])) - i32::from(alaw_decode(byte));
            assert!(error.abs() <= i32::from(alaw_decode(byte)).abs() / 16 + 16, "{byte:#x}");
        }
    }
}
