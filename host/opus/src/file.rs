//! Ogg Opus (RFC 7845): files of recordings are written, and files of any source read, at the rate that everything of the
//! switch is recorded and played in.
//!
//! Files come from tenants and from web servers, so a foreign parser meets foreign bytes here too: what it refuses is an
//! error, and what it falls over is one as well.

use crate::{COMPLEXITY_MAX, PAYLOAD_MAX};
use ::ogg::{PacketReader, PacketWriteEndInfo, PacketWriter};
use ropus::{Application, Bitrate, Channels, DecodeMode};
use std::io::{self, Cursor, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Samples per second of what is read.
pub const OGG_RATE: u32 = 8_000;
/// Longest sound that is read.
pub const OGG_SECONDS_MAX: usize = 600;
/// Largest file that is read: ten minutes at the highest rate that the coder has (510 kbit/s), and its pages.
pub const OGG_BYTES_MAX: usize = 40 << 20;
/// Granule positions count samples of this rate, whatever is inside (RFC 7845 section 4).
const GRANULES: u32 = 48_000;
/// Frames are of 20 ms.
const FRAMES_PER_SECOND: u32 = 50;
/// Packets of a page: one second, which is what a player has to read before it can begin anywhere.
const PAGE_PACKETS: u32 = FRAMES_PER_SECOND;
/// What each channel of speech is written at, in bits per second: at 8 kHz more is not heard.
const BITS_PER_CHANNEL: u32 = 20_000;
/// Decoded samples of the longest packet and channel: 120 ms (RFC 6716 section 2.1.4).
const PACKET_MAX: usize = OGG_RATE as usize * 120 / 1_000;
const HEAD: &[u8; 8] = b"OpusHead";
const TAGS: &[u8; 8] = b"OpusTags";

/// Why a file of Ogg Opus cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OggError {
    /// Its first stream is not Opus, or it has none.
    #[error("not an Ogg Opus file")]
    NotOpus,
    /// Its header asks for what is not served: a version or a mapping of more than two channels.
    #[error("unsupported Opus header: version {version}, {channels} channels, mapping {mapping}")]
    Unserved {
        /// The version of the header.
        version: u8,
        /// Its channels.
        channels: u8,
        /// Its mapping family.
        mapping: u8,
    },
    /// Longer than [`OGG_SECONDS_MAX`], or larger than [`OGG_BYTES_MAX`].
    #[error("longer than ten minutes, or larger than 40 MiB")]
    TooLong,
    /// A page or a packet is broken.
    #[error("a broken Ogg Opus file: {0}")]
    Broken(String),
}

fn broken(why: impl ToString) -> OggError {
    OggError::Broken(why.to_string())
}

fn coder_channels(channels: u16) -> Channels {
    if channels == 2 { Channels::Stereo } else { Channels::Mono }
}

/// Writes a file of speech as it comes.
///
/// # Invariants
/// `pcm` is shorter than a frame between calls. `last` is the latest packet, which is written when the next one is there:
/// only the last page knows where the sound ends.
pub struct OggWriter<W: Write> {
    out: PacketWriter<'static, W>,
    coder: ropus::Encoder,
    serial: u32,
    channels: usize,
    /// Samples of a frame, of all channels.
    frame: usize,
    /// Granules of a sample.
    step: u64,
    skip: u64,
    pcm: Vec<i16>,
    /// Samples of one channel that were given.
    given: u64,
    packets: u64,
    last: Option<Vec<u8>>,
}

impl<W: Write> core::fmt::Debug for OggWriter<W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OggWriter").field("channels", &self.channels).field("packets", &self.packets).finish()
    }
}

impl<W: Write> OggWriter<W> {
    /// Begins a file of one or two channels of 8, 12, 16, 24 or 48 kHz; `serial` is its stream's number.
    ///
    /// # Errors
    /// `out` fails, or there is no coder for this rate.
    pub fn new(out: W, (rate, channels): (u32, u16), serial: u32) -> io::Result<OggWriter<W>> {
        let refused = |e: &dyn core::fmt::Display| io::Error::new(io::ErrorKind::InvalidInput, e.to_string());
        let count = coder_channels(channels).count();
        let bits = BITS_PER_CHANNEL.saturating_mul(u32::try_from(count).unwrap_or(1));
        // Not speech mode: that has a high-pass, and gives up stereo first.
        let coder = ropus::Encoder::builder(rate, coder_channels(channels), Application::Audio)
            .bitrate(Bitrate::Bits(bits))
            .complexity(COMPLEXITY_MAX)
            .build()
            .map_err(|e| refused(&e))?;
        let step = u64::from(GRANULES / rate.max(1));
        let skip = u64::from(coder.lookahead()) * step;
        let mut file = OggWriter {
            out: PacketWriter::new(out),
            frame: (rate / FRAMES_PER_SECOND) as usize * count,
            coder,
            serial,
            channels: count,
            step,
            skip,
            pcm: Vec::new(),
            given: 0,
            packets: 0,
            last: None,
        };
        file.heads(rate)?;
        Ok(file)
    }

    /// RFC 7845 section 5: each of the two headers ends its page.
    fn heads(&mut self, rate: u32) -> io::Result<()> {
        let mut head = HEAD.to_vec();
        head.extend([1, self.channels as u8]);
        head.extend(u16::try_from(self.skip).unwrap_or(u16::MAX).to_le_bytes());
        head.extend(rate.to_le_bytes());
        head.extend([0, 0, 0]);
        let vendor = b"strowger";
        let mut tags = TAGS.to_vec();
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor);
        tags.extend(0_u32.to_le_bytes());
        self.out.write_packet(head, self.serial, PacketWriteEndInfo::EndPage, 0)?;
        self.out.write_packet(tags, self.serial, PacketWriteEndInfo::EndPage, 0)
    }

    /// Adds samples; of two channels in turns.
    ///
    /// # Errors
    /// The file cannot be written, or the coder failed.
    pub fn add(&mut self, samples: &[i16]) -> io::Result<()> {
        self.given += (samples.len() / self.channels) as u64;
        self.pcm.extend_from_slice(samples);
        let whole = self.pcm.len() / self.frame * self.frame;
        let pcm = core::mem::take(&mut self.pcm);
        let (frames, rest) = pcm.split_at(whole);
        for frame in frames.chunks_exact(self.frame) {
            self.encode(frame)?;
        }
        self.pcm = rest.to_vec();
        Ok(())
    }

    fn encode(&mut self, frame: &[i16]) -> io::Result<()> {
        let mut packet = vec![0; PAYLOAD_MAX * self.channels];
        let failed = |e: &dyn core::fmt::Display| io::Error::other(e.to_string());
        let len = self.coder.encode(frame, &mut packet).map_err(|e| failed(&e))?;
        packet.truncate(len);
        if let Some(before) = self.last.replace(packet) {
            let end = self.packets.is_multiple_of(u64::from(PAGE_PACKETS));
            let end = if end { PacketWriteEndInfo::EndPage } else { PacketWriteEndInfo::NormalPacket };
            self.out.write_packet(before, self.serial, end, self.granule())?;
        }
        self.packets += 1;
        Ok(())
    }

    /// Where the packets so far end.
    fn granule(&self) -> u64 {
        self.packets * u64::from(GRANULES / FRAMES_PER_SECOND)
    }

    /// Ends the file, and gives back what it was written to.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        let end = self.skip + self.given * self.step;
        // What the coder holds back is pushed out by silence.
        while self.granule() < end || self.last.is_none() {
            let mut frame = core::mem::take(&mut self.pcm);
            frame.resize(self.frame, 0);
            self.encode(&frame)?;
        }
        let last = self.last.take().unwrap_or_default();
        self.out.write_packet(last, self.serial, PacketWriteEndInfo::EndStream, end)?;
        Ok(self.out.into_inner())
    }
}

/// Whether these bytes begin as Ogg does.
#[must_use]
pub fn is_ogg(bytes: &[u8]) -> bool {
    bytes.starts_with(b"OggS")
}

/// Reads the first stream of a file as samples at [`OGG_RATE`], all its channels as one.
///
/// # Errors
/// It is no such file, or too long.
pub fn read_ogg(bytes: &[u8]) -> Result<Vec<i16>, OggError> {
    read(bytes, Channels::Mono)
}

/// The same of two channels, in turns; what has one has it on both.
///
/// # Errors
/// As [`read_ogg`].
pub fn read_ogg_stereo(bytes: &[u8]) -> Result<Vec<i16>, OggError> {
    read(bytes, Channels::Stereo)
}

fn read(bytes: &[u8], channels: Channels) -> Result<Vec<i16>, OggError> {
    if bytes.len() > OGG_BYTES_MAX {
        return Err(OggError::TooLong);
    }
    let read = catch_unwind(AssertUnwindSafe(|| read_stream(bytes, channels)));
    read.unwrap_or_else(|_| Err(broken("the coder fell over")))
}

/// What of a header matters.
struct Head {
    skip: u64,
    gain: i32,
}

impl Head {
    fn read(packet: &[u8]) -> Result<Head, OggError> {
        let rest = packet.strip_prefix(HEAD).ok_or(OggError::NotOpus)?;
        let [version, channels, s0, s1, _, _, _, _, g0, g1, mapping] =
            *rest.first_chunk::<11>().ok_or(OggError::NotOpus)?;
        // The upper half of the version's byte is what breaks readers (RFC 7845 section 5.1).
        if version >> 4 != 0 || !(1..=2).contains(&channels) || mapping != 0 {
            return Err(OggError::Unserved { version, channels, mapping });
        }
        Ok(Head { skip: u64::from(u16::from_le_bytes([s0, s1])), gain: i32::from(i16::from_le_bytes([g0, g1])) })
    }
}

fn read_stream(bytes: &[u8], channels: Channels) -> Result<Vec<i16>, OggError> {
    let mut packets = PacketReader::new(Cursor::new(bytes));
    let first = packets.read_packet().map_err(|_| OggError::NotOpus)?.ok_or(OggError::NotOpus)?;
    let (head, serial) = (Head::read(&first.data)?, first.stream_serial());
    let mut coder = ropus::Decoder::new(OGG_RATE, channels).map_err(broken)?;
    coder.set_gain(head.gain).map_err(broken)?;
    let (count, step) = (channels.count(), u64::from(GRANULES / OGG_RATE));
    let longest = (OGG_SECONDS_MAX * OGG_RATE as usize + PACKET_MAX) * count;
    let (mut sound, mut buffer, mut tags) = (Vec::new(), vec![0; PACKET_MAX * count], false);
    let mut end = None;
    while let Some(packet) = packets.read_packet().map_err(broken)? {
        if packet.stream_serial() != serial {
            continue;
        }
        if !tags {
            tags = true;
            if !packet.data.starts_with(TAGS) {
                return Err(broken("no comment header"));
            }
            continue;
        }
        if !packet.data.is_empty() {
            let heard = coder.decode(&packet.data, &mut buffer, DecodeMode::Normal).map_err(broken)?;
            sound.extend_from_slice(buffer.get(..heard * count).unwrap_or_default());
        }
        if sound.len() > longest {
            return Err(OggError::TooLong);
        }
        if packet.last_in_stream() {
            end = Some(packet.absgp_page());
            break;
        }
    }
    // RFC 7845 section 4.4: the last page's position may cut off what only fills its last packets.
    let samples = |granules: u64| usize::try_from(granules / step).unwrap_or(usize::MAX).saturating_mul(count);
    if let Some(end) = end.filter(|end| *end >= head.skip) {
        sound.truncate(samples(end));
    }
    let skipped = samples(head.skip).min(sound.len());
    sound.drain(..skipped);
    Ok(sound)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    fn tone(frequency: f64, len: usize) -> Vec<i16> {
        let turn = core::f64::consts::TAU * frequency / f64::from(OGG_RATE);
        (0..len).map(|n| ((n as f64 * turn).sin() * 8_000.0) as i16).collect()
    }

    fn written(samples: &[i16], channels: u16) -> Vec<u8> {
        let mut file = OggWriter::new(Vec::new(), (OGG_RATE, channels), 7).unwrap();
        // In pieces that are no frames.
        samples.chunks(1_234).for_each(|piece| file.add(piece).unwrap());
        file.finish().unwrap()
    }

    /// At no delay.
    fn correlation(a: &[i16], b: &[i16]) -> f64 {
        let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1.0)
    }

    #[test]
    fn what_is_written_is_read_at_its_place_and_in_its_length() {
        for len in [0, 1, 159, 160, 8_000, 20_001] {
            let sound: Vec<i16> = tone(440.0, len).iter().zip(tone(1_310.0, len)).map(|(a, b)| a / 2 + b / 2).collect();
            let file = written(&sound, 1);
            let heard = read_ogg(&file).unwrap();
            assert_eq!(heard.len(), len, "samples");
            if len >= 8_000 {
                let same = correlation(&heard, &sound);
                assert!(same > 0.98, "{len}: {same}");
                assert!(file.len() * 4 < sound.len() * 2, "{} bytes for {} samples", file.len(), sound.len());
            }
        }
    }

    #[test]
    fn stereo_stays_stereo() {
        let (left, right) = (tone(440.0, 24_000), tone(1_310.0, 24_000));
        // First one speaks, then the other, then both.
        let part = |n: usize, from: usize, v: i16| if n >= from { v } else { 0 };
        let pairs = left.iter().zip(&right).enumerate();
        let sound: Vec<i16> = pairs
            .flat_map(|(n, (l, r))| [if (8_000..16_000).contains(&n) { 0 } else { *l }, part(n, 8_000, *r)])
            .collect();
        let heard = read_ogg_stereo(&written(&sound, 2)).unwrap();
        assert_eq!(heard.len(), sound.len());
        let side = |of: &[i16], which: usize| of.iter().skip(which).step_by(2).copied().collect::<Vec<_>>();
        for which in [0, 1] {
            let same = correlation(&side(&heard, which), &side(&sound, which));
            assert!(same > 0.97, "channel {which}: {same}");
        }
        let power = |s: &[i16]| s.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / s.len() as f64;
        let (quiet, loud) = (side(&heard, 1), side(&heard, 0));
        let apart = 10.0 * (power(&loud[1_000..7_000]) / power(&quiet[1_000..7_000]).max(1.0)).log10();
        assert!(apart > 25.0, "the silent party is {apart} dB below the other");
    }

    #[test]
    fn what_is_no_file_says_why() {
        let good = written(&tone(440.0, 8_000), 1);
        let at = |from: &[u8]| good.windows(from.len()).position(|w| w == from).unwrap();
        assert!(is_ogg(&good) && !is_ogg(b"RIFF"));
        assert_eq!(read_ogg(b""), Err(OggError::NotOpus));
        assert_eq!(read_ogg(b"RIFF\0\0\0\0WAVE"), Err(OggError::NotOpus));
        assert!(matches!(read_ogg(&good[..at(TAGS)]), Err(OggError::Broken(_)) | Ok(_)));
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x55;
        assert!(matches!(read_ogg(&flipped), Err(OggError::Broken(_))), "the sum of its page is wrong");
        let surround = |bytes: [u8; 11]| Head::read(&[&HEAD[..], &bytes].concat()).err();
        let unserved = |version, channels, mapping| Some(OggError::Unserved { version, channels, mapping });
        assert_eq!(surround([1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 1]), unserved(1, 6, 1));
        assert_eq!(surround([0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), unserved(0x10, 1, 0));
        assert_eq!(surround([1, 2, 0x38, 1, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(OggWriter::new(Vec::new(), (44_100, 1), 1).err().unwrap().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn more_than_ten_minutes_are_not_read() {
        // One packet of silence, ever again: the coder's own, without encoding ten minutes.
        let mut coder = ropus::Encoder::builder(OGG_RATE, Channels::Mono, Application::Audio).build().unwrap();
        let mut packet = vec![0; PAYLOAD_MAX];
        let len = coder.encode(&[0; 160], &mut packet).unwrap();
        packet.truncate(len);
        let mut out = PacketWriter::new(Vec::new());
        let head = [&HEAD[..], &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        out.write_packet(head, 1, PacketWriteEndInfo::EndPage, 0).unwrap();
        out.write_packet(TAGS.to_vec(), 1, PacketWriteEndInfo::EndPage, 0).unwrap();
        for n in 1..=30_100_u64 {
            out.write_packet(packet.clone(), 1, PacketWriteEndInfo::NormalPacket, n * 960).unwrap();
        }
        out.write_packet(packet, 1, PacketWriteEndInfo::EndStream, 30_101 * 960).unwrap();
        assert_eq!(read_ogg(&out.into_inner()), Err(OggError::TooLong));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn mutated_files_never_panic(at in 0_usize..600, byte in proptest::num::u8::ANY, cut in 0_usize..900) {
            let mut bytes = written(&tone(440.0, 1_600), 1);
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            bytes.truncate(cut.max(28));
            let _ = read_ogg(&bytes);
        }
    }
}
