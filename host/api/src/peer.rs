//! Where a request comes from: the other end of the connection, or whom a proxy that is trusted names.
//!
//! Whoever connects may write what it likes into `X-Forwarded-For`, and each proxy adds the address it was asked from at
//! the end. So the list is read from its end, and only as far as the addresses in it are trusted proxies themselves.

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use core::net::IpAddr;
use model::Cidr;
use std::net::SocketAddr;
use std::sync::Once;

const FORWARDED: &str = "x-forwarded-for";

static TOLD: Once = Once::new();

/// The address a request came from, if the listener knows it.
pub(crate) fn source_of(request: &Request, proxies: &[Cidr]) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(behind(peer.ip().to_canonical(), request.headers(), proxies))
}

fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &[Cidr]) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    if !trusted(peer) {
        if peer.is_loopback() && headers.contains_key(FORWARDED) {
            let why = "a proxy on this machine passes requests on and http.trusted_proxies does not name it: all who \
                       come through it count as one";
            TOLD.call_once(|| tracing::warn!("{why}"));
        }
        return peer;
    }
    let mut known = peer;
    let lines = headers.get_all(FORWARDED).iter().rev();
    // A line that is no text ends what can be believed, as does a word that is no address.
    for word in lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')) {
        let Some(address) = address(word.trim()) else { return known };
        known = address;
        if !trusted(known) {
            return known;
        }
    }
    known
}

/// An address as proxies write them: alone, in brackets, or with a port.
fn address(word: &str) -> Option<IpAddr> {
    let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    let with_port = || word.parse::<SocketAddr>().ok().map(|at| at.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_says_who_is_behind_it() {
        let proxies: Vec<Cidr> = ["127.0.0.1", "10.0.0.0/8"].iter().map(|p| p.parse().unwrap()).collect();
        for (peer, lines, source) in [
            ("192.0.2.9", &["198.51.100.1"][..], "192.0.2.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["203.0.113.66, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["203.0.113.66, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            ("127.0.0.1", &["203.0.113.66", "198.51.100.1", "10.1.2.3"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("127.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("127.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["203.0.113.66, unknown, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &["", ","], "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| _ = headers.append(FORWARDED, line.parse().unwrap()));
            let found = behind(peer.parse().unwrap(), &headers, &proxies);
            assert_eq!(found, source.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
