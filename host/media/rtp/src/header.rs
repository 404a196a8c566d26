//! The fixed header (RFC 3550 section 5.1).

use core::ops::Range;

/// Bytes of the header without CSRC list and extension.
const FIXED: usize = 12;

/// The header's fields, and where the payload lies in the packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// The marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The payload, without extension and padding.
    pub payload: Range<usize>,
}

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PacketError {
    /// Shorter than its headers say.
    #[error("truncated")]
    Truncated,
    /// Not version 2: STUN, DTLS or noise.
    #[error("not version 2")]
    Version,
    /// Padding longer than the payload, or of length zero.
    #[error("bad padding")]
    Padding,
}

/// Reads the header of one packet.
///
/// # Errors
/// The bytes are not an RTP packet.
#[inline]
pub fn parse(packet: &[u8]) -> Result<Header, PacketError> {
    let Some((fixed, _)) = packet.split_first_chunk::<FIXED>() else { return Err(PacketError::Truncated) };
    let [flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
    if flags >> 6 != 2 {
        return Err(PacketError::Version);
    }
    let start = payload_start(packet)?;
    let mut end = packet.len();
    if flags & 0x20 != 0 {
        let padding = usize::from(*packet.last().ok_or(PacketError::Truncated)?);
        end = end.checked_sub(padding).filter(|_| padding > 0).ok_or(PacketError::Padding)?;
    }
    if start > end {
        return Err(PacketError::Padding);
    }
    Ok(Header {
        payload_type: kind & 0x7f,
        marker: kind & 0x80 != 0,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        payload: start..end,
    })
}

/// Where the payload begins: behind CSRC list and extension. Needs nothing of what SRTP hides.
///
/// # Errors
/// The bytes are not an RTP packet, or shorter than their headers say.
#[inline]
pub fn payload_start(packet: &[u8]) -> Result<usize, PacketError> {
    let flags = *packet.first().ok_or(PacketError::Truncated)?;
    if flags >> 6 != 2 {
        return Err(PacketError::Version);
    }
    let mut start = FIXED + 4 * usize::from(flags & 0x0f);
    if flags & 0x10 != 0 {
        start = extension_end(packet, start)?;
    }
    if start > packet.len() { Err(PacketError::Truncated) } else { Ok(start) }
}

/// Where the extension that starts at `start` ends (section 5.3.1).
fn extension_end(packet: &[u8], start: usize) -> Result<usize, PacketError> {
    let head = packet.get(start..).and_then(<[u8]>::first_chunk::<4>).ok_or(PacketError::Truncated)?;
    Ok(start + 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]])))
}

/// Whether a packet on an RTP port is RTCP by its second byte (RFC 5761 section 4).
#[inline]
#[must_use]
pub fn looks_like_rtcp(packet: &[u8]) -> bool {
    matches!(packet, [flags, 192..=223, ..] if flags >> 6 == 2)
}

/// Writes another payload type and keeps the marker. A packet that [`parse`] refuses is left alone.
#[inline]
pub fn set_payload_type(packet: &mut [u8], payload_type: u8) {
    if let Some(byte) = packet.get_mut(1) {
        *byte = (*byte & 0x80) | (payload_type & 0x7f);
    }
}

/// Sets the marker.
#[inline]
pub fn set_marker(packet: &mut [u8]) {
    if let Some(byte) = packet.get_mut(1) {
        *byte |= 0x80;
    }
}

/// Writes another sequence number, timestamp and source.
#[inline]
pub fn set_source(packet: &mut [u8], sequence: u16, timestamp: u32, ssrc: u32) {
    if let Some(head) = packet.first_chunk_mut::<FIXED>() {
        head[2..4].copy_from_slice(&sequence.to_be_bytes());
        head[4..8].copy_from_slice(&timestamp.to_be_bytes());
        head[8..12].copy_from_slice(&ssrc.to_be_bytes());
    }
}

/// A plain header for a packet of our own: `payload` of [`Header`] is not used.
#[must_use]
pub fn write_header(header: &Header) -> [u8; FIXED] {
    let mut out = [0; FIXED];
    out[0] = 0x80;
    out[1] = (header.payload_type & 0x7f) | if header.marker { 0x80 } else { 0 };
    set_source(&mut out, header.sequence, header.timestamp, header.ssrc);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let header =
            Header { payload_type: 8, marker: true, sequence: 7, timestamp: 900, ssrc: 0xDEAD_BEEF, payload: 0..0 };
        let mut packet = write_header(&header).to_vec();
        packet.extend([1, 2, 3, 4]);
        packet
    }

    #[test]
    fn a_written_header_reads_back() {
        let header = parse(&sample()).unwrap();
        assert_eq!((header.payload_type, header.marker, header.sequence), (8, true, 7));
        assert_eq!((header.timestamp, header.ssrc, header.payload), (900, 0xDEAD_BEEF, 12..16));
    }

    #[test]
    fn csrc_extension_and_padding_are_left_out_of_the_payload() {
        let mut packet = sample();
        packet[0] = 0x80 | 0x20 | 0x10 | 1;
        packet.truncate(12);
        packet.extend([9; 4]); // CSRC
        packet.extend([0xBE, 0xDE, 0, 1, 5, 5, 5, 5]); // extension of one word
        packet.extend([42, 43, 0, 2]); // two bytes, then two of padding
        assert_eq!(parse(&packet).unwrap().payload, 24..26);
        packet.truncate(18);
        assert_eq!(parse(&packet), Err(PacketError::Truncated));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut padded = sample();
        padded[0] |= 0x20;
        for (bytes, error) in [
            (vec![], PacketError::Truncated),
            (vec![0x80; 11], PacketError::Truncated),
            (vec![0; 20], PacketError::Version),
            ([&padded[..12], &[0, 0]].concat(), PacketError::Padding),
            ([&padded[..12], &[0, 3]].concat(), PacketError::Padding),
        ] {
            assert_eq!(parse(&bytes), Err(error), "{bytes:?}");
        }
        let mut many_csrc = sample();
        many_csrc[0] |= 15;
        assert_eq!(parse(&many_csrc), Err(PacketError::Truncated));
    }

    #[test]
    fn rewrites_touch_only_their_fields() {
        let mut packet = sample();
        set_payload_type(&mut packet, 0);
        set_source(&mut packet, 65_535, 1, 2);
        let header = parse(&packet).unwrap();
        assert_eq!((header.payload_type, header.marker), (0, true));
        assert_eq!((header.sequence, header.timestamp, header.ssrc), (65_535, 1, 2));
        assert_eq!(&packet[12..], [1, 2, 3, 4]);
        set_payload_type(&mut [], 1);
        set_source(&mut [0; 4], 1, 1, 1);
    }

    #[test]
    fn rtcp_on_the_rtp_port_is_told_by_its_type() {
        assert!(looks_like_rtcp(&[0x80, 200, 0, 6]));
        assert!(!looks_like_rtcp(&[0x80, 0, 0, 6]));
        assert!(!looks_like_rtcp(&[0x80]));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_value_or_an_error(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            if let Ok(header) = parse(&bytes) {
                assert!(header.payload.end <= bytes.len() && header.payload.start <= header.payload.end);
            }
        }
    }
}
