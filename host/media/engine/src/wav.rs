//! Sound files for prompts: RIFF/WAVE with 16-bit PCM, A-law or mu-law, mono or stereo, to 8 kHz mono.

use rtp::g711;

/// Largest file read: ten minutes of 48 kHz stereo PCM.
pub const WAV_BYTES_MAX: usize = 600 * 48_000 * 4 + 4_096;

/// Why a file is not a prompt.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WavError {
    /// Not RIFF/WAVE, or cut before its format and data chunks.
    #[error("not a WAV file")]
    NotWav,
    /// Longer than [`WAV_BYTES_MAX`].
    #[error("longer than ten minutes")]
    TooLong,
    /// A coding other than 16-bit PCM, A-law and mu-law.
    #[error("unsupported coding: format {format}, {bits} bits")]
    Coding {
        /// The format tag.
        format: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// More than two channels, or none.
    #[error("unsupported number of channels: {0}")]
    Channels(u16),
    /// A rate other than 8, 11.025, 16, 22.05, 24, 32, 44.1 and 48 kHz.
    #[error("unsupported sample rate: {0} Hz; use 8, 11.025, 16, 22.05, 24, 32, 44.1 or 48 kHz")]
    Rate(u32),
}

#[derive(Clone, Copy)]
struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

/// Reads a file into samples at 8 kHz.
///
/// # Errors
/// It is no such file.
pub fn read(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    if bytes.len() > WAV_BYTES_MAX {
        return Err(WavError::TooLong);
    }
    let (format, data) = chunks(bytes).ok_or(WavError::NotWav)?;
    let samples: Vec<i16> = match (format.tag, format.bits) {
        (1, 16) => data.chunks_exact(2).map(|b| b.first_chunk().map_or(0, |b| i16::from_le_bytes(*b))).collect(),
        (6, 8) => data.iter().map(|b| g711::alaw_decode(*b)).collect(),
        (7, 8) => data.iter().map(|b| g711::ulaw_decode(*b)).collect(),
        (format, bits) => return Err(WavError::Coding { format, bits }),
    };
    let mono = match format.channels {
        1 => samples,
        2 => samples.chunks_exact(2).map(average).collect(),
        other => return Err(WavError::Channels(other)),
    };
    match format.rate {
        8_000 => Ok(mono),
        16_000 | 24_000 | 32_000 | 48_000 => Ok(decimate(&mono, (format.rate / 8_000) as usize)),
        11_025 => Ok(resample(&mono, (441, 320))),
        22_050 => Ok(resample(&mono, (441, 160))),
        44_100 => Ok(resample(&mono, (441, 80))),
        other => Err(WavError::Rate(other)),
    }
}

fn average(pair: &[i16]) -> i16 {
    let sum: i32 = pair.iter().map(|s| i32::from(*s)).sum();
    (sum / 2) as i16
}

/// Finds the format and the data. A data chunk longer than the file (streamed files say so) ends with it.
fn chunks(bytes: &[u8]) -> Option<(Format, &[u8])> {
    let body = bytes.strip_prefix(b"RIFF")?;
    let mut rest = body.get(4..)?.strip_prefix(b"WAVE")?;
    let mut format = None;
    loop {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (len, after) = after.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        let chunk = after.get(..len).unwrap_or(after);
        match name {
            b"fmt " => format = Some(read_format(chunk)?),
            b"data" => return Some((format?, chunk)),
            _ => {}
        }
        // Chunks start at even places.
        rest = after.get(len.checked_add(len % 2)?..)?;
    }
}

fn read_format(chunk: &[u8]) -> Option<Format> {
    const EXTENSIBLE: u16 = 0xfffe;
    let u16_at = |at: usize| chunk.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b));
    let rate = chunk.get(4..)?.first_chunk().map(|b| u32::from_le_bytes(*b))?;
    let tag = u16_at(0)?;
    // WAVE_FORMAT_EXTENSIBLE carries the real tag in the first bytes of its sub-format.
    let tag = if tag == EXTENSIBLE { u16_at(24)? } else { tag };
    Some(Format { tag, channels: u16_at(2)?, rate, bits: u16_at(14)? })
}

/// A low-pass for one place of a sample between two of the file's: a sinc under a Blackman window.
struct Filter {
    taps: Vec<f64>,
    /// Taps before the one at the file's sample.
    half: usize,
    gain: f64,
}

impl Filter {
    /// Of `2 * half + 1 + more` taps, for a sample that lies `ahead` of the file's.
    fn new((half, more): (usize, usize), ahead: f64, cutoff: f64) -> Filter {
        let width = (half + more) as f64 + 1.0;
        let taps: Vec<f64> =
            (0..=2 * half + more).map(|n| tap(n as f64 - half as f64 - ahead, width, cutoff)).collect();
        let gain = taps.iter().sum();
        Filter { taps, half, gain }
    }

    /// The sample at, or `ahead` of, the file's at `centre`. Beside the file there is silence.
    fn at(&self, samples: &[i16], centre: usize) -> i16 {
        let first = centre.saturating_sub(self.half);
        let skipped = self.half - (centre - first);
        let window = samples.get(first..).unwrap_or_default();
        let sum: f64 = window.iter().zip(self.taps.iter().skip(skipped)).map(|(s, t)| f64::from(*s) * t).sum();
        // A float to integer cast saturates.
        (sum / self.gain).round() as i16
    }
}

/// Takes every `factor`th sample behind a low-pass that ends at 4 kHz: 16 zero crossings to each side, 6 dB down at
/// 3.6 kHz.
fn decimate(samples: &[i16], factor: usize) -> Vec<i16> {
    let filter = Filter::new((16 * factor, 0), 0.0, 0.45 / factor as f64);
    (0..samples.len().div_ceil(factor)).map(|out| filter.at(samples, out * factor)).collect()
}

/// Takes `down` samples to `up`, where neither divides the other: behind the same low-pass, whose taps are worked out for
/// each of the `up` places that a sample can have between two of the file's.
fn resample(samples: &[i16], (down, up): (usize, usize)) -> Vec<i16> {
    let factor = down as f64 / up as f64;
    let half = (16.0 * factor).ceil() as usize;
    let filters: Vec<Filter> =
        (0..up).map(|place| Filter::new((half, 1), place as f64 / up as f64, 0.45 / factor)).collect();
    (0..samples.len() * up / down)
        .map(|out| filters.get(out * down % up).map_or(0, |filter| filter.at(samples, out * down / up)))
        .collect()
}

/// One tap: `x` samples from the middle, window half as wide as `width`, cut-off in cycles per sample.
fn tap(x: f64, width: f64, cutoff: f64) -> f64 {
    use core::f64::consts::PI;
    let sinc = if x == 0.0 { 2.0 * cutoff } else { (2.0 * PI * cutoff * x).sin() / (PI * x) };
    let w = PI * x / width;
    sinc * (0.42 + 0.5 * w.cos() + 0.08 * (2.0 * w).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn hound_file(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut out, spec).unwrap();
        samples.iter().for_each(|s| writer.write_sample(*s).unwrap());
        writer.finalize().unwrap();
        out.into_inner()
    }

    fn g711_file(tag: u16, data: &[u8]) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        out.extend(tag.to_le_bytes());
        out.extend([1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0]);
        out.extend(b"data\xff\xff\xff\xff");
        out.extend(data);
        out
    }

    fn sine(frequency: f64, rate: u32, len: usize) -> Vec<i16> {
        let turn = core::f64::consts::TAU * frequency / f64::from(rate);
        (0..len).map(|n| ((n as f64 * turn).sin() * 10_000.0) as i16).collect()
    }

    fn peak(samples: &[i16]) -> u16 {
        samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0)
    }

    #[test]
    fn eight_kilohertz_files_are_read_as_they_are() {
        let samples: Vec<i16> = vec![0, 1, -1, i16::MAX, i16::MIN];
        assert_eq!(read(&hound_file(8_000, 1, &samples)).unwrap(), samples);
        assert_eq!(read(&hound_file(8_000, 2, &[10, 20, -3, -5])).unwrap(), [15, -4]);
        assert_eq!(read(&g711_file(7, &[0xff, 0x80])).unwrap(), [0, 32_124]);
        assert_eq!(read(&g711_file(6, &[0xd5, 0xaa])).unwrap(), [8, 32_256]);
    }

    #[test]
    fn higher_rates_keep_speech_and_lose_what_would_alias() {
        for rate in [11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] {
            let len = rate as usize;
            let speech = read(&hound_file(rate, 1, &sine(1_000.0, rate, len))).unwrap();
            assert_eq!(speech.len(), 8_000);
            assert!((9_900..=10_100).contains(&peak(&speech[200..7_800])), "{rate}: {}", peak(&speech));
            let expected = sine(1_000.0, 8_000, 8_000);
            let off = speech[200..7_800].iter().zip(&expected[200..]).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(off.unwrap() < 100, "{rate}: in phase, {off:?}");
            let hiss = read(&hound_file(rate, 1, &sine(5_400.0, rate, len))).unwrap();
            assert!(peak(&hiss[200..7_800]) < 40, "{rate}: {}", peak(&hiss));
        }
    }

    #[test]
    fn what_is_no_prompt_says_why() {
        let stereo6 = hound_file(8_000, 1, &[1])
            .iter()
            .enumerate()
            .map(|(n, b)| if n == 22 { 6 } else { *b })
            .collect::<Vec<_>>();
        for (bytes, error) in [
            (vec![], WavError::NotWav),
            (b"RIFF\0\0\0\0WAVE".to_vec(), WavError::NotWav),
            (b"RIFF\0\0\0\0WAVEdata\0\0\0\0".to_vec(), WavError::NotWav),
            (hound_file(37_800, 1, &[1]), WavError::Rate(37_800)),
            (g711_file(2, &[1]), WavError::Coding { format: 2, bits: 8 }),
            (stereo6, WavError::Channels(6)),
        ] {
            assert_eq!(read(&bytes), Err(error));
        }
    }

    proptest::proptest! {
        #[test]
        fn mutated_files_never_panic(at in 0_usize..60, byte in proptest::num::u8::ANY, cut in 0_usize..80) {
            let mut bytes = hound_file(16_000, 1, &[5; 12]);
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            bytes.truncate(cut);
            let _ = read(&bytes);
        }
    }
}
