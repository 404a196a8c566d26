//! The mark: the user part of our Record-Route URI.
//!
//! A hundred random bits that name a live call of this shard. Who shows one has seen the call's messages; who makes one
//! up is refused, since nothing lives under it.

use core::fmt;
use model::IdSource;

const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const LEN: usize = 20;

/// One mark.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Mark(u128);

impl Mark {
    pub(crate) fn draw(ids: &mut IdSource) -> Mark {
        Mark(ids.letters(LEN as u32))
    }

    /// The mark that a URI's user part is, if it can be one.
    pub(crate) fn read(user: &str) -> Option<Mark> {
        if user.len() != LEN {
            return None;
        }
        let mut value = 0;
        for byte in user.bytes() {
            value = (value << 5) | u128::from(VALUES[usize::from(byte)].checked_sub(1)?);
        }
        Some(Mark(value))
    }

    pub(crate) fn text(self) -> [u8; LEN] {
        let mut out = [0; LEN];
        for (at, byte) in out.iter_mut().enumerate() {
            *byte = ALPHABET[((self.0 >> (5 * (LEN - 1 - at))) & 31) as usize];
        }
        out
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// One more than the value of each letter; 0 for what is none.
const VALUES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        table[ALPHABET[at] as usize] = at as u8 + 1;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mark = Mark::draw(&mut IdSource::new([1; 32]));
        let text = mark.to_string();
        assert_eq!(text.len(), LEN);
        assert_eq!(Mark::read(&text), Some(mark));
        assert_eq!(Mark::read(&text[1..]), None);
        assert_eq!(Mark::read(&text.to_ascii_uppercase()), None);
        assert_eq!(Mark::read("alice"), None);
    }
}
