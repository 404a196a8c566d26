//! What a company asks of its registrar and of the door: settings that need no plugin to decide.

use crate::{Cidr, Limits};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// How a phone behind a NAT is kept reachable over UDP. Streams are never pinged: their phones do it (RFC 5626).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NatPing {
    /// Not at all: the phones do it.
    Off,
    /// Four bytes of line ends: no answer, so it renews only NATs that count packets from outside.
    Crlf,
    /// An OPTIONS: the answer renews every NAT, because it comes from inside (RFC 4787 REQ-6).
    #[default]
    Options,
}

/// How a company's phones register.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrationPolicy {
    /// Shortest registration granted, in seconds; `None` = [`Limits::registration_min_s`].
    pub min_s: Option<u32>,
    /// Longest registration granted, in seconds; `None` = [`Limits::registration_max_s`].
    pub max_s: Option<u32>,
    /// How much earlier than granted a registration may be asked back, in percent, at random; `None` =
    /// [`Limits::registration_spread_percent`].
    pub spread_percent: Option<u8>,
    /// Most bindings of one account; `None` = [`Limits::bindings_per_aor_max`], which is never exceeded.
    pub contacts_max: Option<u32>,
    /// One binding per account: the newest takes the place of all others.
    pub single_contact: bool,
    /// The Service-Route of every 200 (RFC 3608): name-addrs in the order of travel.
    pub service_route: Vec<String>,
    /// How phones behind a NAT are kept reachable.
    pub nat_ping: NatPing,
}

impl RegistrationPolicy {
    /// The shortest registration, in seconds.
    #[must_use]
    pub fn min_s(&self, limits: &Limits) -> u32 {
        self.min_s.unwrap_or(limits.registration_min_s)
    }

    /// The longest registration, in seconds; never below the shortest.
    #[must_use]
    pub fn max_s(&self, limits: &Limits) -> u32 {
        self.max_s.unwrap_or(limits.registration_max_s).max(self.min_s(limits))
    }

    /// The band of the spread, in percent of what is granted; at most 90.
    #[must_use]
    pub fn spread_percent(&self, limits: &Limits) -> u32 {
        u32::from(self.spread_percent.unwrap_or(limits.registration_spread_percent)).min(90)
    }

    /// Most bindings of one account.
    #[must_use]
    pub fn contacts_max(&self, limits: &Limits) -> usize {
        let asked = self.contacts_max.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        asked.min(limits.bindings_per_aor_max).max(1)
    }
}

/// From where a company may be used.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourcePolicy {
    /// Blocks that may; empty = every block that is not denied.
    pub allow: Vec<Cidr>,
    /// Blocks that may not, whatever else is said.
    pub deny: Vec<Cidr>,
    /// ISO 3166 codes of countries that may, in capitals; empty = every country. Needs the platform's country table;
    /// an address that the table does not know is in no country.
    pub countries: Vec<String>,
}

impl SourcePolicy {
    /// Whether the address may use the company. `country` tells the country of an address.
    ///
    /// A denied block is out; then an allowed block or an allowed country is in; with neither list everything is in.
    #[must_use]
    pub fn permits<'c>(&self, address: IpAddr, country: impl FnOnce(IpAddr) -> Option<&'c str>) -> bool {
        if self.deny.iter().any(|block| block.contains(address)) {
            return false;
        }
        if self.allow.is_empty() && self.countries.is_empty() {
            return true;
        }
        self.allow.iter().any(|block| block.contains(address))
            || (!self.countries.is_empty()
                && country(address).is_some_and(|found| self.countries.iter().any(|c| c == found)))
    }
}

/// The settings of one company.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompanyPolicy {
    /// How its phones register.
    pub registration: RegistrationPolicy,
    /// From where it may be used.
    pub sources: SourcePolicy,
}

impl CompanyPolicy {
    /// The settings of a company that has none.
    pub const DEFAULT: CompanyPolicy = CompanyPolicy {
        registration: RegistrationPolicy {
            min_s: None,
            max_s: None,
            spread_percent: None,
            contacts_max: None,
            single_contact: false,
            service_route: Vec::new(),
            nat_ping: NatPing::Options,
        },
        sources: SourcePolicy { allow: Vec::new(), deny: Vec::new(), countries: Vec::new() },
    };
}

/// Which country an address belongs to: a table that the operator supplies; none is shipped.
///
/// # Invariants
/// Ranges are sorted by family and first address and do not overlap.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Countries {
    ranges: Vec<(bool, u128, u128, [u8; 2])>,
}

/// Why a table cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CountriesError {
    /// A line that is not `block,code`.
    #[error("line {0}: expected an address block, a comma and a two-letter country code")]
    Line(usize),
    /// A block of two countries.
    #[error("block {0} overlaps another")]
    Overlap(Cidr),
}

impl Countries {
    /// Reads `192.0.2.0/24,DE`, one block a line; empty lines and those that begin with `#` are skipped.
    ///
    /// # Errors
    /// [`CountriesError`] naming the line or the block.
    pub fn parse(text: &str) -> Result<Countries, CountriesError> {
        let mut blocks = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parsed = line.split_once(',').and_then(|(block, code)| {
                let code: [u8; 2] = code.trim().to_ascii_uppercase().into_bytes().try_into().ok()?;
                let block: Cidr = block.trim().parse().ok()?;
                code.iter().all(u8::is_ascii_uppercase).then_some((block, code))
            });
            blocks.push(parsed.ok_or(CountriesError::Line(at + 1))?);
        }
        blocks.sort_by_key(|(block, _)| (block.is_ipv4(), block.range()));
        let mut ranges: Vec<(bool, u128, u128, [u8; 2])> = Vec::with_capacity(blocks.len());
        for (block, code) in blocks {
            let (first, last) = block.range();
            if ranges.last().is_some_and(|r| r.0 == block.is_ipv4() && r.2 >= first) {
                return Err(CountriesError::Overlap(block));
            }
            ranges.push((block.is_ipv4(), first, last, code));
        }
        Ok(Countries { ranges })
    }

    /// The two-letter code of the country of an address, in capitals.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<&str> {
        let block = Cidr::single(address);
        let (at, _) = block.range();
        let index = self.ranges.partition_point(|r| (r.0, r.1) <= (block.is_ipv4(), at)).checked_sub(1)?;
        let (v4, _, last, code) = self.ranges.get(index)?;
        if *v4 != block.is_ipv4() || *last < at {
            return None;
        }
        core::str::from_utf8(code).ok()
    }

    /// How many blocks the table has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_country_is_found_by_its_blocks() {
        let table = Countries::parse(
            "# test\n198.51.100.0/24,de\n\n203.0.113.0/25, FR\n203.0.113.128/25,ES\n2001:db8::/32,IT\n",
        )
        .unwrap();
        assert_eq!(table.len(), 4);
        for (address, country) in [
            ("198.51.100.1", Some("DE")),
            ("203.0.113.127", Some("FR")),
            ("203.0.113.128", Some("ES")),
            ("::ffff:198.51.100.9", Some("DE")),
            ("2001:db8:1::1", Some("IT")),
            ("198.51.101.0", None),
            ("0.0.0.1", None),
            ("2001:db9::", None),
        ] {
            assert_eq!(table.of(ip(address)), country, "{address}");
        }
        assert_eq!(Countries::default().of(ip("192.0.2.1")), None);
    }

    #[test]
    fn a_table_that_makes_no_sense_is_refused() {
        assert_eq!(Countries::parse("192.0.2.0/24,DE\nnonsense"), Err(CountriesError::Line(2)));
        assert_eq!(Countries::parse("192.0.2.0/24,DEU"), Err(CountriesError::Line(1)));
        let overlap = Countries::parse("192.0.2.0/24,DE\n192.0.2.128/25,FR");
        assert_eq!(overlap, Err(CountriesError::Overlap("192.0.2.128/25".parse().unwrap())));
    }

    #[test]
    fn denied_blocks_come_first_then_blocks_and_countries_that_may() {
        let policy = |allow: &[&str], deny: &[&str], countries: &[&str]| SourcePolicy {
            allow: allow.iter().map(|c| c.parse().unwrap()).collect(),
            deny: deny.iter().map(|c| c.parse().unwrap()).collect(),
            countries: countries.iter().map(|c| (*c).to_owned()).collect(),
        };
        for (policy, in_de, permits) in [
            (policy(&[], &[], &[]), false, true),
            (policy(&["192.0.2.0/24"], &[], &[]), false, true),
            (policy(&["192.0.3.0/24"], &[], &[]), true, false),
            (policy(&["192.0.2.0/24"], &["192.0.2.1"], &["DE"]), true, false),
            (policy(&[], &[], &["DE"]), true, true),
            (policy(&[], &[], &["DE"]), false, false),
            (policy(&["192.0.2.1"], &[], &["FR"]), true, true),
            (policy(&[], &["192.0.2.2"], &[]), true, true),
        ] {
            let country = |_| in_de.then_some("DE");
            assert_eq!(policy.permits(ip("192.0.2.1"), country), permits, "{policy:?} {in_de}");
        }
    }
}
