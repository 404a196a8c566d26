//! Where requests may lead: to public addresses, and to others only where somebody has granted them.
//!
//! An address is looked at after its name was resolved, by the resolver of the client that connects: what is checked is
//! what is connected to. A literal address never meets a resolver, so whoever takes a URL looks at that one itself.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::sync::Arc;

/// What a [`Guarded::granted`] says of a name with no address that may be connected to; part of the client's error.
pub const NOT_PUBLIC: &str = "the name leads to no public address, and private addresses are not granted";

/// Whether an address belongs to the public Internet.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    // An IPv4 address in disguise: mapped, compatible, NAT64, 6to4.
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => return is_public_v4(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return is_public_v4(v4(high, low)),
        [0x2002, high, low, ..] => return is_public_v4(v4(high, low)),
        _ => {}
    }
    // Global unicast is 2000::/3; of that, documentation and Teredo are not for us.
    s[0] & 0xe000 == 0x2000 && !(s[0] == 0x2001 && (s[1] == 0xdb8 || s[1] == 0))
}

/// A resolver for HTTP clients: it gives only addresses that may be connected to.
#[derive(Clone)]
pub struct Guarded {
    may: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    refusal: &'static str,
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded(..)")
    }
}

impl Guarded {
    /// Gives the addresses for which `may` holds true; a name that has none fails with `refusal`.
    pub fn new(may: impl Fn(IpAddr) -> bool + Send + Sync + 'static, refusal: &'static str) -> Guarded {
        Guarded { may: Arc::new(may), refusal }
    }

    /// Gives public addresses, and with the grant for `private` ones all; the refusal is [`NOT_PUBLIC`].
    #[must_use]
    pub fn granted(private: bool) -> Guarded {
        Guarded::new(move |ip| private || is_public(ip), NOT_PUBLIC)
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let Guarded { may, refusal } = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let good: Vec<SocketAddr> = found.filter(|address| may(address.ip())).collect();
            if good.is_empty() {
                return Err(refusal.into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a resolver gives for a name that leads to this host.
    async fn resolved(by: Guarded) -> Result<usize, String> {
        let name = "localhost".parse::<Name>().expect("a name");
        by.resolve(name).await.map(Iterator::count).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_unless_that_is_granted() {
        assert_eq!(resolved(Guarded::granted(false)).await, Err(NOT_PUBLIC.to_owned()));
        assert!(resolved(Guarded::granted(true)).await.is_ok_and(|found| found > 0));
        assert_eq!(resolved(Guarded::new(|_| false, "nowhere")).await, Err("nowhere".to_owned()));
        assert!(resolved(Guarded::new(|ip| ip.is_loopback(), "nowhere")).await.is_ok_and(|found| found > 0));
    }

    #[test]
    fn addresses_that_lead_inside_are_not_public_in_any_disguise() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001:0:1::",
        ] {
            assert!(!is_public(ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"] {
            assert!(is_public(ip.parse().expect("an address")), "{ip}");
        }
    }
}
