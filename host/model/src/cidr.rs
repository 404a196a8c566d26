//! A block of addresses, written as in RFC 4632: `192.0.2.0/24`, `2001:db8::/32`; an address alone is a block of one.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// A block of IPv4 or IPv6 addresses.
///
/// # Invariants
/// `prefix` is at most 32 or 128, and the bits after it are zero. An IPv4-mapped IPv6 address is its IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no block of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CidrError {
    /// Not `address` or `address/bits`.
    #[error("expected an address block such as 192.0.2.0/24 or 2001:db8::/32")]
    Form,
    /// More bits than the address has.
    #[error("the prefix is longer than the address")]
    Prefix,
    /// Bits after the prefix: what was meant is not clear.
    #[error("the address has bits beyond the prefix")]
    HostBits,
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The bits after the first `prefix` of `width`.
fn host_mask(width: u8, prefix: u8) -> u128 {
    match u32::from(width - prefix.min(width)) {
        128 => u128::MAX,
        free => (1_u128 << free) - 1,
    }
}

impl Cidr {
    /// The block of `address` and its first `prefix` bits.
    ///
    /// # Errors
    /// [`CidrError`] when the prefix is too long or the address has bits after it.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Cidr, CidrError> {
        let width = width(address);
        if prefix > width {
            return Err(CidrError::Prefix);
        }
        if bits(address) & host_mask(width, prefix) != 0 {
            return Err(CidrError::HostBits);
        }
        Ok(Cidr { address, prefix })
    }

    /// The block that holds this address alone.
    #[must_use]
    pub fn single(address: IpAddr) -> Cidr {
        let address = address.to_canonical();
        Cidr { address, prefix: width(address) }
    }

    /// Whether the address lies in the block.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let width = width(self.address);
        address.is_ipv4() == self.address.is_ipv4()
            && (bits(address) ^ bits(self.address)) & !host_mask(width, self.prefix) == 0
    }

    /// The first and the last address as numbers, for sorted tables; both of one family.
    #[must_use]
    pub fn range(&self) -> (u128, u128) {
        let first = bits(self.address);
        (first, first | host_mask(width(self.address), self.prefix))
    }

    /// Whether it is a block of IPv4 addresses.
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// The first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits all its addresses share.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Cidr {
    type Err = CidrError;
    fn from_str(text: &str) -> Result<Cidr, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| CidrError::Form)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Form)?;
        match prefix {
            Some(prefix) => Cidr::new(address, prefix),
            None => Ok(Cidr::single(address)),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.address) {
            return self.address.fmt(f);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Cidr {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_addresses_and_no_others() {
        for (block, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.1.2.3", "2001:db8::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
        ] {
            let cidr: Cidr = block.parse().unwrap();
            assert!(cidr.contains(inside.parse().unwrap()), "{block} {inside}");
            assert!(!cidr.contains(outside.parse().unwrap()), "{block} {outside}");
            assert_eq!(cidr.to_string(), block);
        }
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for (text, error) in [
            ("", CidrError::Form),
            ("192.0.2.0/", CidrError::Form),
            ("192.0.2.0/-1", CidrError::Form),
            ("host/8", CidrError::Form),
            ("192.0.2.0/33", CidrError::Prefix),
            ("2001:db8::/129", CidrError::Prefix),
            ("192.0.2.1/24", CidrError::HostBits),
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(error), "{text}");
        }
    }
}
