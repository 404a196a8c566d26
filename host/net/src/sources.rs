//! How many connections each source has open: one host cannot take them all.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;

/// Whoever has an IPv6 address has this many bits of them.
const V6_HOST_BITS: u32 = 64;

/// # Invariants
/// No count is 0.
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<IpAddr, usize>);

impl Sources {
    pub(crate) fn count(&self, ip: IpAddr) -> usize {
        self.0.get(&source(ip)).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, ip: IpAddr) {
        *self.0.entry(source(ip)).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, ip: IpAddr) {
        let key = source(ip);
        if let Some(count) = self.0.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&key);
            }
        }
    }
}

fn source(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> V6_HOST_BITS << V6_HOST_BITS).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::Sources;

    #[test]
    fn an_ipv6_network_is_one_source_and_nothing_is_left_behind() {
        let mut sources = Sources::default();
        let [a, b, c] = ["2001:db8::1", "2001:db8::2:3", "192.0.2.1"].map(|ip| ip.parse().unwrap());
        sources.add(a);
        sources.add(b);
        assert_eq!((sources.count(a), sources.count(c)), (2, 0));
        sources.remove(b);
        sources.remove(a);
        sources.remove(c);
        assert!(sources.0.is_empty());
    }
}
