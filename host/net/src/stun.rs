//! The STUN server on SIP's own UDP ports (RFC 5626 section 4.4.2): a binding request is answered with the address it
//! came from (RFC 5389 section 10 and 15.2), so that a phone behind NAT keeps its binding open and sees it change.

use core::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
const ERROR_CODE: [u8; 2] = [0x00, 0x09];
const UNKNOWN_ATTRIBUTES: [u8; 2] = [0x00, 0x0a];
/// Attributes below this must be understood (section 15).
const OPTIONAL: u16 = 0x8000;
/// Most unknown attributes that are listed.
const UNKNOWN_MAX: usize = 8;

/// Whether a datagram on a SIP port is STUN (section 6): SIP never begins with two zero bits.
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] & 0xc0 == 0 && datagram[4..8] == COOKIE
}

/// The answer to a binding request from `source`; `None` for anything else, which is dropped.
pub(crate) fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
    if datagram[..2] != BINDING_REQUEST || !length.is_multiple_of(4) || datagram.len() != HEADER + length {
        return None;
    }
    let unknown = unknown_attributes(&datagram[HEADER..])?;
    let (kind, attributes) = if unknown.is_empty() {
        (BINDING_SUCCESS, xor_mapped(source, &datagram[4..HEADER]))
    } else {
        (BINDING_ERROR, refusal(&unknown))
    };
    let length = u16::try_from(attributes.len()).ok()?;
    let mut out = Vec::with_capacity(HEADER + attributes.len());
    out.extend_from_slice(&kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&datagram[4..HEADER]);
    out.extend_from_slice(&attributes);
    Some(out)
}

/// The attributes that we would have to understand and do not; `None` where they do not fit into the message.
fn unknown_attributes(mut rest: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while let [a, b, c, d, tail @ ..] = rest {
        let (kind, length) = (u16::from_be_bytes([*a, *b]), usize::from(u16::from_be_bytes([*c, *d])));
        rest = tail.get(length.next_multiple_of(4)..)?;
        if kind < OPTIONAL && unknown.len() < UNKNOWN_MAX {
            unknown.push(kind);
        }
    }
    Some(unknown)
}

/// Section 15.2; `key` is cookie and transaction id.
fn xor_mapped(source: SocketAddr, key: &[u8]) -> Vec<u8> {
    let (family, address) = match source.ip() {
        IpAddr::V4(ip) => (1_u8, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let port = source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let mut out = XOR_MAPPED_ADDRESS.to_vec();
    out.extend_from_slice(&[0, u8::try_from(address.len() + 4).unwrap_or(0), 0, family]);
    out.extend_from_slice(&port.to_be_bytes());
    out.extend(address.iter().zip(key).map(|(byte, key)| byte ^ key));
    out
}

/// 420 with the list (sections 7.3.1 and 15.6).
fn refusal(unknown: &[u16]) -> Vec<u8> {
    let reason = b"Unknown Attribute";
    let mut out = ERROR_CODE.to_vec();
    out.extend_from_slice(&[0, u8::try_from(reason.len() + 4).unwrap_or(0), 0, 0, 4, 20]);
    out.extend_from_slice(reason);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(&UNKNOWN_ATTRIBUTES);
    out.extend_from_slice(&[0, u8::try_from(unknown.len() * 2).unwrap_or(0)]);
    out.extend(unknown.iter().flat_map(|kind| kind.to_be_bytes()));
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut out = BINDING_REQUEST.to_vec();
        out.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(&[0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        out.extend_from_slice(attributes);
        out
    }

    #[test]
    fn the_mapped_addresses_of_the_test_vectors() {
        // RFC 5769 sections 2.2 and 2.3: the XOR-MAPPED-ADDRESS for these very addresses and transaction.
        let asked = request(&[]);
        let v4 = answer(&asked, "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(v4[..2], BINDING_SUCCESS);
        assert_eq!(v4[4..20], asked[4..20]);
        assert_eq!(v4[20..], [0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let v6 = answer(&asked, "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap()).unwrap();
        assert_eq!(
            v6[20..],
            [
                0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc,
                0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9
            ]
        );
    }

    #[test]
    fn software_is_no_hindrance_and_what_must_be_understood_is() {
        let source = "192.0.2.1:1000".parse().unwrap();
        let software = request(&[0x80, 0x22, 0, 3, b'b', b's', b'p', 0]);
        assert_eq!(answer(&software, source).unwrap()[..2], BINDING_SUCCESS);
        let refused = answer(&request(&[0x00, 0x06, 0, 4, b'u', b's', b'e', b'r']), source).unwrap();
        assert_eq!(refused[..2], BINDING_ERROR);
        assert_eq!(refused[20..28], [0, 9, 0, 21, 0, 0, 4, 20]);
        assert_eq!(refused[refused.len() - 8..], [0, 10, 0, 2, 0, 6, 0, 0]);
        assert_eq!(usize::from(refused[3]) + HEADER, refused.len());
    }

    #[test]
    fn what_is_not_whole_is_dropped_and_sip_is_not_stun() {
        let source = "192.0.2.1:1000".parse().unwrap();
        let good = request(&[]);
        assert!(is_stun(&good) && !is_stun(&good[..19]) && !is_stun(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"));
        let mut long = good.clone();
        long[3] = 4;
        let mut overrun = request(&[0x80, 0x22, 0, 9, b'b', b's', b'p', 0]);
        let mut indication = good.clone();
        indication[1] = 0x11;
        for bytes in [&long, &overrun, &indication] {
            assert_eq!(answer(bytes, source), None);
        }
        overrun.truncate(20);
        assert_eq!(answer(&overrun, source), None);
    }
}
