//! The RTCP packets the switch reads and writes (RFC 3550 section 6): it relays compounds whole, checks that they
//! are ones, and reports on sound of its own.

use crate::quality::ReportBlock;

/// Packet types.
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// Longest CNAME written.
pub const CNAME_MAX: usize = 32;
/// Bytes of one report block.
const BLOCK: usize = 24;
/// Most bytes of a [`sender_report`].
pub const SENDER_REPORT_MAX: usize = 28 + BLOCK + 4 + 4 + 2 + CNAME_MAX + 4;

/// What kind of packet a part of a compound is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// SR.
    SenderReport,
    /// RR.
    ReceiverReport,
    /// SDES.
    SourceDescription,
    /// BYE.
    Bye,
    /// APP, feedback, extended reports and what is to come.
    Other(u8),
}

/// One part of a compound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// Its kind.
    pub kind: Kind,
    /// The count field: report blocks, chunks or sources.
    pub count: u8,
    /// The bytes after the 4-byte header.
    pub body: &'a [u8],
}

impl Part<'_> {
    /// The report blocks of a sender or receiver report.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + '_ {
        let from = match self.kind {
            Kind::SenderReport => 24,
            Kind::ReceiverReport => 4,
            Kind::SourceDescription | Kind::Bye | Kind::Other(_) => self.body.len(),
        };
        let blocks = self.body.get(from..).unwrap_or_default().chunks_exact(BLOCK);
        blocks.take(usize::from(self.count)).filter_map(read_block)
    }

    /// The middle half of a sender report's NTP time, which receivers name it by.
    #[must_use]
    pub fn report_name(&self) -> Option<u32> {
        let name = self.body.get(6..10).filter(|_| self.kind == Kind::SenderReport)?;
        name.first_chunk().map(|b| u32::from_be_bytes(*b))
    }

    /// The first SSRC: the sender of a report, the first leaver of a BYE.
    #[must_use]
    pub fn ssrc(&self) -> Option<u32> {
        self.body.first_chunk().map(|b| u32::from_be_bytes(*b))
    }
}

/// The parts of a compound; stops at the first that does not fit.
#[derive(Clone, Debug)]
pub struct Parts<'a>(&'a [u8]);

/// Walks a compound.
#[must_use]
pub fn parts(compound: &[u8]) -> Parts<'_> {
    Parts(compound)
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let ([flags, kind, l0, l1], rest) = self.0.split_first_chunk::<4>()?;
        if flags >> 6 != 2 {
            return None;
        }
        let (body, rest) = rest.split_at_checked(4 * usize::from(u16::from_be_bytes([*l0, *l1])))?;
        self.0 = rest;
        let kind = match *kind {
            SENDER_REPORT => Kind::SenderReport,
            RECEIVER_REPORT => Kind::ReceiverReport,
            SOURCE_DESCRIPTION => Kind::SourceDescription,
            BYE => Kind::Bye,
            other => Kind::Other(other),
        };
        Some(Part { kind, count: flags & 0x1f, body })
    }
}

/// Whether the bytes are a compound: they begin with a report (section 6.1) or, as RFC 5506 lets them, with any
/// other RTCP packet, and every length fits.
#[must_use]
pub fn is_valid(compound: &[u8]) -> bool {
    let Some(second) = compound.get(1) else { return false };
    let mut walk = parts(compound);
    let any = walk.by_ref().count() > 0;
    any && walk.0.is_empty() && (192..=223).contains(second)
}

/// What a sender says about its own stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport {
    /// Its source.
    pub ssrc: u32,
    /// Wall clock, nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
    /// The RTP timestamp of that moment.
    pub timestamp: u32,
    /// Packets sent since the start.
    pub packets: u32,
    /// Payload bytes sent since the start.
    pub octets: u32,
}

fn read_block(bytes: &[u8]) -> Option<ReportBlock> {
    let word = |at: usize| bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b));
    let lost = word(4)?;
    // 24 bits with a sign: more came than were sent where packets were doubled.
    let cumulative = if lost & 0x80_0000 == 0 { lost & 0x7f_ffff } else { 0 };
    Some(ReportBlock {
        ssrc: word(0)?,
        fraction_lost: (lost >> 24) as u8,
        lost: cumulative,
        newest: word(8)?,
        jitter: word(12)?,
        last_report: word(16)?,
        delay: word(20)?,
    })
}

fn write_block(block: &ReportBlock) -> [u8; BLOCK] {
    let lost = u32::from(block.fraction_lost) << 24 | block.lost.min(0x7f_ffff);
    let mut out = [0; BLOCK];
    let words = [block.ssrc, lost, block.newest, block.jitter, block.last_report, block.delay];
    out.chunks_exact_mut(4).zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_be_bytes()));
    out
}

/// Writes SR, with a block about what is received if there is one, and SDES CNAME: the smallest lawful compound. Gives
/// its length. A longer CNAME is cut.
pub fn sender_report(
    report: &SenderReport,
    block: Option<&ReportBlock>,
    cname: &[u8],
    out: &mut [u8; SENDER_REPORT_MAX],
) -> usize {
    let cname = cname.get(..CNAME_MAX).unwrap_or(cname);
    out.fill(0);
    let words = if block.is_some() { 6 + BLOCK / 4 } else { 6 };
    out[..4].copy_from_slice(&[0x80 | u8::from(block.is_some()), SENDER_REPORT, 0, words as u8]);
    out[4..8].copy_from_slice(&report.ssrc.to_be_bytes());
    out[8..16].copy_from_slice(&ntp(report.unix_nanos).to_be_bytes());
    out[16..20].copy_from_slice(&report.timestamp.to_be_bytes());
    out[20..24].copy_from_slice(&report.packets.to_be_bytes());
    out[24..28].copy_from_slice(&report.octets.to_be_bytes());
    if let Some(block) = block {
        out[28..28 + BLOCK].copy_from_slice(&write_block(block));
    }
    // One chunk: SSRC, item CNAME, then at least one zero up to the next word.
    let at = 4 + 4 * words;
    let words = 1 + (2 + cname.len()) / 4 + 1;
    let chunk = &mut out[at..];
    chunk[..4].copy_from_slice(&[0x81, SOURCE_DESCRIPTION, 0, words as u8]);
    chunk[4..8].copy_from_slice(&report.ssrc.to_be_bytes());
    chunk[8] = 1;
    chunk[9] = cname.len() as u8;
    chunk[10..10 + cname.len()].copy_from_slice(cname);
    at + 4 + 4 * words
}

/// NTP time: seconds since 1900 in the upper half, a binary fraction in the lower (section 4).
#[must_use]
pub fn ntp(unix_nanos: u64) -> u64 {
    const UNIX_IN_NTP: u64 = 2_208_988_800;
    let seconds = (unix_nanos / 1_000_000_000 + UNIX_IN_NTP) & 0xffff_ffff;
    let fraction = ((unix_nanos % 1_000_000_000) << 32) / 1_000_000_000;
    seconds << 32 | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_report_reads_back_whatever_the_length_of_the_name() {
        for len in 0..=CNAME_MAX + 5 {
            let report =
                SenderReport { ssrc: 9, unix_nanos: 1_500_000_000, timestamp: 8_000, packets: 50, octets: 8_000 };
            let mut out = [0xff; SENDER_REPORT_MAX];
            let block = ReportBlock {
                ssrc: 3,
                fraction_lost: 12,
                lost: 77,
                newest: 70_000,
                jitter: 5,
                last_report: 1,
                delay: 2,
            };
            let block = Some(block).filter(|_| len % 2 == 1);
            let written = sender_report(&report, block.as_ref(), &vec![b'x'; len], &mut out);
            let bytes = &out[..written];
            assert!(is_valid(bytes), "length {len}");
            let list: Vec<_> = parts(bytes).collect();
            assert_eq!(list.len(), 2);
            assert_eq!((list[0].kind, list[0].ssrc()), (Kind::SenderReport, Some(9)));
            assert_eq!(list[0].blocks().collect::<Vec<_>>(), block.into_iter().collect::<Vec<_>>());
            assert_eq!(list[0].report_name(), Some((ntp(report.unix_nanos) >> 16) as u32));
            assert_eq!((list[1].kind, list[1].count, list[1].ssrc()), (Kind::SourceDescription, 1, Some(9)));
            assert_eq!(usize::from(list[1].body[5]), len.min(CNAME_MAX));
            assert_eq!(bytes.last(), Some(&0), "the item list ends with a zero");
        }
    }

    #[test]
    fn ntp_time_of_known_points() {
        assert_eq!(ntp(0) >> 32, 2_208_988_800);
        assert_eq!(ntp(1_500_000_000) & 0xffff_ffff, 1 << 31);
    }

    #[test]
    fn broken_compounds_are_told() {
        for bytes in [&[][..], &[0x80], &[0x80, 200, 0], &[0x80, 200, 0, 1, 0], &[0x00, 200, 0, 0], &[0x80, 0, 0, 0]] {
            assert!(!is_valid(bytes), "{bytes:?}");
        }
        assert!(is_valid(&[0x80, 201, 0, 1, 0, 0, 0, 1]));
        assert!(!is_valid(&[0x80, 201, 0, 1, 0, 0, 0, 1, 7]));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_walked_without_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = is_valid(&bytes);
            for part in parts(&bytes) {
                let _ = (part.ssrc(), part.report_name(), part.blocks().count());
            }
        }
    }
}
