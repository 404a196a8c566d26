//! The vectors of RFC 5769, and what is refused.

use super::*;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

/// Section 2.1.
const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
\x00\x06\x00\x09evtj:h6vY\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\
\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/// Section 2.2, without its SOFTWARE, which changes tag and fingerprint: the address stands as it does there.
const MAPPED_V4: &[u8] = b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43";
/// Section 2.3.
const MAPPED_V6: &[u8] =
    b"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9";

#[test]
fn the_request_of_the_vectors_is_read_and_only_its_password_fits() {
    let request = Request::read(REQUEST).unwrap();
    assert!(request.is_of("evtj", PASSWORD) && request.controlled && !request.use_candidate);
    assert!(!request.is_of("h6vY", PASSWORD) && !request.is_of("evt", PASSWORD));
    assert!(!request.is_of("evtj", "VOkJxbRl1RmTxUk/WvJxBT") && !request.is_of("evtj", ""));
}

/// Reads one of our answers: type, attributes, and whether its tag and fingerprint fit.
fn read(answer: &[u8], password: Option<&str>) -> (u16, Vec<(u16, Vec<u8>)>) {
    assert_eq!(usize::from(number(answer, 2).unwrap()) + HEADER, answer.len());
    assert_eq!((&answer[4..8], &answer[8..20]), (&COOKIE[..], &TRANSACTION[..]));
    let (mut at, mut all) = (HEADER, Vec::new());
    let mut tagged = false;
    while at < answer.len() {
        let (kind, length) = (number(answer, at).unwrap(), usize::from(number(answer, at + 2).unwrap()));
        let value = &answer[at + 4..at + 4 + length];
        match kind {
            INTEGRITY => {
                tagged = true;
                assert!(integrity(answer, at, password.unwrap()).unwrap().verify_slice(value).is_ok());
            }
            FINGERPRINT => assert_eq!(value, fingerprint(&answer[..at])),
            _ => all.push((kind, value.to_vec())),
        }
        at += 4 + length.next_multiple_of(4);
    }
    assert_eq!(tagged, password.is_some());
    (number(answer, 0).unwrap(), all)
}

#[test]
fn the_answers_of_the_vectors_are_written() {
    let asked = write_request("evtj:h6vY", PASSWORD, &TRANSACTION, &[]);
    let request = Request::read(&asked).unwrap();
    let mut out = [0; ANSWER_MAX];
    for (from, mapped) in [("192.0.2.1:32853", MAPPED_V4), ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", MAPPED_V6)]
    {
        let len = request.accept(from.parse().unwrap(), PASSWORD, &mut out).unwrap();
        let (kind, attributes) = read(&out[..len], Some(PASSWORD));
        assert_eq!((kind, attributes[0].0), (BINDING_SUCCESS, XOR_MAPPED_ADDRESS));
        assert_eq!(&out[20..20 + mapped.len()], mapped);
    }
    assert_eq!(request.refusal(PASSWORD, &mut out), None);
}

#[test]
fn who_cannot_be_served_is_told_why() {
    let mut out = [0; ANSWER_MAX];
    let mut told = |asked: &[u8], known: bool| {
        let request = Request::read(asked).unwrap();
        assert_eq!(request.is_of("evtj", PASSWORD), known);
        let len = if known { request.refusal(PASSWORD, &mut out) } else { request.reject(&mut out) };
        let (kind, attributes) = read(&out[..len.unwrap()], known.then_some(PASSWORD));
        assert_eq!((kind, attributes[0].0), (BINDING_ERROR, ERROR_CODE));
        let code = u16::from(attributes[0].1[2]) * 100 + u16::from(attributes[0].1[3]);
        (code, attributes.get(1).map(|(_, list)| list.clone()))
    };
    assert_eq!(told(REQUEST, true), (487, None));
    let wrong = write_request("evtj:h6vY", "another password", &TRANSACTION, &[]);
    assert_eq!(told(&wrong, false), (401, None));
    let odd = write_request("evtj:h6vY", PASSWORD, &TRANSACTION, &[(0x7001, b"x"), (0x8abc, b"y")]);
    assert_eq!(told(&odd, true), (420, Some(vec![0x70, 0x01])));
    let mut bare = [&BINDING_REQUEST.to_be_bytes()[..], &[0, 8], &COOKIE, &TRANSACTION].concat();
    bare.extend([&FINGERPRINT.to_be_bytes()[..], &[0, 4], &fingerprint(&bare)].concat());
    assert_eq!(told(&bare, false), (400, None));
}

#[test]
fn what_is_not_whole_is_dropped() {
    for cut in 0..REQUEST.len() {
        assert!(Request::read(&REQUEST[..cut]).is_none(), "{cut}");
    }
    for at in 0..REQUEST.len() {
        let mut bent = REQUEST.to_vec();
        bent[at] ^= 1;
        assert!(Request::read(&bent).is_none_or(|r| !r.is_of("evtj", PASSWORD)), "{at}");
    }
    let nominated = write_request("evtj:h6vY", PASSWORD, &TRANSACTION, &[(USE_CANDIDATE, b"")]);
    assert!(Request::read(&nominated).unwrap().use_candidate);
    // What stands behind the tag is nobody's.
    let plain = write_request("evtj:h6vY", PASSWORD, &TRANSACTION, &[]);
    let mut late = plain[..plain.len() - 8].to_vec();
    late.extend_from_slice(&[0, 0x25, 0, 0]);
    let length = (late.len() + 8 - HEADER) as u16;
    late[2..4].copy_from_slice(&length.to_be_bytes());
    let check = fingerprint(&late);
    late.extend([&FINGERPRINT.to_be_bytes()[..], &[0, 4], &check].concat());
    let request = Request::read(&late).unwrap();
    assert!(request.is_of("evtj", PASSWORD) && !request.use_candidate);
}

#[test]
fn a_port_of_a_browser_tells_them_apart() {
    for (first, is) in [
        (0, Kind::Stun),
        (3, Kind::Stun),
        (4, Kind::Other),
        (19, Kind::Other),
        (20, Kind::Dtls),
        (63, Kind::Dtls),
        (64, Kind::Other),
        (127, Kind::Other),
        (128, Kind::Rtp),
        (191, Kind::Rtp),
        (192, Kind::Other),
    ] {
        assert_eq!(kind(&[first, 0]), is, "{first}");
    }
    assert_eq!(kind(&[]), Kind::Other);
}

proptest::proptest! {
    #[test]
    fn any_datagram_is_read_without_panic(tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let mut datagram = REQUEST[..20].to_vec();
        datagram.extend(&tail);
        let length = (tail.len() as u16).to_be_bytes();
        datagram[2..4].copy_from_slice(&length);
        let _ = Request::read(&datagram);
        let _ = Request::read(&tail);
    }
}
