//! Telephone events (RFC 4733 section 2.3).

/// Bytes of one event.
pub const LEN: usize = 4;

/// One event report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelephoneEvent {
    /// The event code: 0 to 15 are the sixteen keys.
    pub code: u8,
    /// The key is up again.
    pub end: bool,
    /// Power level, in -dBm0.
    pub volume: u8,
    /// How long so far, in timestamp units.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads the payload; longer payloads (several events) give the first.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<TelephoneEvent> {
        let [code, flags, d0, d1] = *payload.first_chunk::<LEN>()?;
        Some(TelephoneEvent {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The payload's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; LEN] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.code, (self.volume & 0x3f) | if self.end { 0x80 } else { 0 }, d0, d1]
    }

    /// The key, for the sixteen key events.
    #[must_use]
    pub fn digit(self) -> Option<char> {
        KEYS.get(usize::from(self.code)).map(|key| char::from(*key))
    }
}

const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// The event code of a key.
#[must_use]
pub fn code_of(digit: char) -> Option<u8> {
    let wanted = u8::try_from(digit.to_ascii_uppercase()).ok()?;
    KEYS.iter().position(|key| *key == wanted).and_then(|at| u8::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_back_and_short_ones_are_refused() {
        let event = TelephoneEvent { code: 11, end: true, volume: 10, duration: 1_600 };
        assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Some(event));
        assert_eq!(event.to_bytes(), [11, 0x8a, 6, 64]);
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
        assert_eq!(event.digit(), Some('#'));
        assert_eq!(TelephoneEvent { code: 16, ..event }.digit(), None);
    }

    #[test]
    fn every_key_has_its_code() {
        for (code, key) in "0123456789*#ABCD".chars().enumerate() {
            assert_eq!(code_of(key).map(usize::from), Some(code));
        }
        assert_eq!(code_of('d'), Some(15));
        assert_eq!(code_of('x'), None);
        assert_eq!(code_of('ä'), None);
    }
}
