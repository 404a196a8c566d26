//! UDPTL (ITU-T T.38 section 9.1): one T.38 packet to a datagram, with those sent before it again behind it.

use std::collections::VecDeque;

/// How many packets before it a datagram repeats at most.
const REPEATED_MAX: usize = 3;
/// Longest datagram that we send: what the peer has no room for it loses.
pub const DATAGRAM_MAX: usize = 300;
/// A number so far behind is that of a sender that began anew.
const RESTART: i16 = -1_000;

/// What we send.
#[derive(Debug, Default)]
pub struct Sender {
    next: u16,
    before: VecDeque<Vec<u8>>,
}

impl Sender {
    /// The next datagram.
    pub fn datagram(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut out = self.next.to_be_bytes().to_vec();
        put(&mut out, packet);
        // Error recovery by packets sent before (section 9.1.4.1).
        out.push(0);
        let count_at = out.len();
        out.push(0);
        let mut count = 0;
        for earlier in &self.before {
            if out.len() + earlier.len() + 2 > DATAGRAM_MAX {
                break;
            }
            put(&mut out, earlier);
            count += 1;
        }
        if let Some(place) = out.get_mut(count_at) {
            *place = count;
        }
        self.before.push_front(packet.to_vec());
        self.before.truncate(REPEATED_MAX);
        self.next = self.next.wrapping_add(1);
        out
    }
}

/// What the peer sends.
#[derive(Debug, Default)]
pub struct Receiver {
    expected: Option<u16>,
}

impl Receiver {
    /// The packets of a datagram that are new, the oldest first, with their numbers. One that is none has nothing.
    pub fn packets(&mut self, datagram: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let Some(Datagram { sequence, primary, earlier }) = parse(datagram) else { return Vec::new() };
        let behind = |from: u16| sequence.wrapping_sub(from).cast_signed();
        // What was lost before the first that came cannot be known.
        let mut from = self.expected.unwrap_or(sequence);
        if behind(from) < RESTART {
            from = sequence;
        }
        let missing = behind(from);
        if missing < 0 {
            return Vec::new();
        }
        self.expected = Some(sequence.wrapping_add(1));
        let lost = usize::try_from(missing).unwrap_or(0).min(earlier.len());
        let mut out: Vec<(u16, Vec<u8>)> = (1..)
            .zip(earlier)
            .take(lost)
            .map(|(back, packet): (u16, _)| (sequence.wrapping_sub(back), packet.to_vec()))
            .collect();
        out.reverse();
        out.push((sequence, primary.to_vec()));
        out
    }
}

/// A length and so many bytes. Ours are shorter than 16,384, the longest that needs no fragments (X.691 section 10.9).
fn put(out: &mut Vec<u8>, packet: &[u8]) {
    match u8::try_from(packet.len()) {
        Ok(short @ 0..=127) => out.push(short),
        Ok(_) | Err(_) => {
            let len = u16::try_from(packet.len()).unwrap_or(0x3fff) & 0x3fff;
            out.extend((0x8000 | len).to_be_bytes());
        }
    }
    out.extend(packet);
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    match first {
        0..=127 => Some(usize::from(*first)),
        128..=191 => {
            let (second, rest) = bytes.split_first()?;
            *bytes = rest;
            Some(usize::from(first & 0x3f) << 8 | usize::from(*second))
        }
        // Fragments: no T.38 packet is so long.
        192..=255 => None,
    }
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_length(bytes)?;
    let (packet, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(packet)
}

/// The number, the packet, and those before it, the newest first.
struct Datagram<'a> {
    sequence: u16,
    primary: &'a [u8],
    earlier: Vec<&'a [u8]>,
}

/// Recovery by parity (FEC) is not read: we say that we take repeated packets.
fn parse(datagram: &[u8]) -> Option<Datagram<'_>> {
    let (head, mut rest) = datagram.split_first_chunk::<2>()?;
    let primary = take(&mut rest)?;
    let mut earlier = Vec::new();
    if rest.split_off_first() == Some(&0) {
        let count = take_length(&mut rest)?;
        for _ in 0..count.min(DATAGRAM_MAX) {
            earlier.push(take(&mut rest)?);
        }
    }
    Some(Datagram { sequence: u16::from_be_bytes(*head), primary, earlier })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lost_of_three_come_again_and_none_comes_twice() {
        let (mut sender, mut receiver) = (Sender { next: 65_534, ..Sender::default() }, Receiver::default());
        let sent: Vec<Vec<u8>> = (0..8_u8).map(|n| sender.datagram(&[n, 1, 2])).collect();
        let mut heard = Vec::new();
        for at in [0, 1, 4, 4, 3, 5, 7] {
            heard.extend(receiver.packets(&sent[at]));
        }
        let order: Vec<u8> = heard.iter().map(|(_, packet)| packet[0]).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(heard.iter().map(|(n, _)| *n).take(3).collect::<Vec<_>>(), [65_534, 65_535, 0]);
    }

    #[test]
    fn four_lost_leave_a_gap_that_is_seen() {
        let (mut sender, mut receiver) = (Sender::default(), Receiver::default());
        let sent: Vec<Vec<u8>> = (0..8_u8).map(|n| sender.datagram(&[n; 200])).collect();
        assert!(sent.iter().all(|datagram| datagram.len() <= DATAGRAM_MAX), "the room is for the packet first");
        receiver.packets(&sent[0]);
        assert_eq!(receiver.packets(&sent[5]).iter().map(|(n, _)| *n).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn what_is_no_datagram_is_nothing() {
        let mut receiver = Receiver::default();
        for bytes in [&[][..], &[0], &[0, 1], &[0, 1, 5, 1], &[0, 1, 200, 1, 1], &[0, 1, 1, 6, 0, 3, 1]] {
            assert!(receiver.packets(bytes).is_empty(), "{bytes:?}");
        }
        assert_eq!(receiver.packets(&[0, 1, 1, 6]), [(1, vec![6])], "without recovery");
        assert_eq!(receiver.packets(&[0, 2, 1, 7, 0x80, 1, 1, 9]), [(2, vec![7])], "parity is not read");
    }
}
