//! The few elements of DER that are looked at here (X.690): of certificates that webpki has read before, so that what
//! follows is only finding one extension in them.

/// One element: its tag, what is in it, and what follows.
pub(crate) type Element<'a> = (u8, &'a [u8], &'a [u8]);

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const SEQUENCE: u8 = 0x30;

/// The first element; `None` where there is none that is whole.
pub(crate) fn element(der: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    // No tag of more than one byte stands in what is read here.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// What is in an element of this tag that is all there is.
pub(crate) fn whole(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, content, rest) = element(der)?;
    (found == tag && rest.is_empty()).then_some(content)
}

/// The elements one after the other, at most `most`; `None` where they are more, or not whole.
pub(crate) fn all(mut der: &[u8], most: usize) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (tag, content, rest) = element(der).filter(|_| found.len() < most)?;
        found.push((tag, content));
        der = rest;
    }
    Some(found)
}
