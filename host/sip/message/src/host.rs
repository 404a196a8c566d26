//! Hosts: names, IPv4 and bracketed IPv6 addresses (RFC 3261 section 25.1, RFC 5118).

use crate::scan::{digits, host_name_len, is_host_name, trim_str};
use core::net::{IpAddr, Ipv6Addr};

/// An address literal: IPv4, or IPv6 with or without brackets.
pub(crate) fn host_ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    // A name is told from an address at a glance, which is most of what is asked here.
    if !bare.starts_with(|c: char| c.is_ascii_digit()) && !bare.contains(':') {
        return None;
    }
    bare.parse().ok().or_else(|| three_colons(bare).map(IpAddr::V6))
}

/// `2001:db8:::192.0.2.1`: the grammar of RFC 3261 led to a third colon before IPv4 digits; RFC 5118 section 4.10
/// asks to read it as two.
fn three_colons(text: &str) -> Option<Ipv6Addr> {
    let (head, tail) = text.split_once(":::")?;
    if !tail.contains('.') {
        return None;
    }
    format!("{head}::{tail}").parse().ok()
}

/// Whether `host` is a host name, an IPv4 address or a bracketed IPv6 address.
pub(crate) fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => {
            rest.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok() || three_colons(ip).is_some())
        }
        None => is_host_name(host.as_bytes()),
    }
}

/// Splits `host[:port]`; white space may stand around the colon, as Via lets it.
pub(crate) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    match plain_host_port(text.as_bytes()) {
        Some((name_len, port)) => Some((text.get(..name_len)?, port)),
        None => any_host_port(text),
    }
}

/// The length of the host in `host[:port]`, and the port; for what has no white space in it.
pub(crate) fn host_and_port(text: &[u8]) -> Option<(usize, Option<u16>)> {
    plain_host_port(text).or_else(|| {
        let (host, port) = any_host_port(core::str::from_utf8(text).ok()?)?;
        Some((host.len(), port))
    })
}

/// Nearly all there is: a name or an IPv4 address, then maybe a colon and digits.
fn plain_host_port(text: &[u8]) -> Option<(usize, Option<u16>)> {
    let name = host_name_len(text);
    match text.get(name) {
        None if name > 0 => Some((name, None)),
        Some(b':') if name > 0 => Some((name, Some(text.get(name + 1..).and_then(digits)?))),
        _ => None,
    }
}

#[cold]
fn any_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let after = if text.starts_with('[') { memchr::memchr(b']', text.as_bytes())? + 1 } else { 0 };
    let colon = text.bytes().skip(after).position(|b| b == b':').map(|at| at + after);
    let (host, port) = match colon {
        Some(at) => (text.get(..at)?, Some(text.get(at + 1..)?)),
        None => (text, None),
    };
    let (host, port) = (trim_str(host), port.map(trim_str));
    if !is_host(host) {
        return None;
    }
    match port {
        Some(port) => Some((host, Some(digits(port.as_bytes())?))),
        None => Some((host, None)),
    }
}
