//! Differential test: where rsip and we both accept a message, both read the same.
#![allow(clippy::unwrap_used, reason = "a test")]
#![cfg(not(target_family = "wasm"))]

mod common;

use bytes::Bytes;
use proptest::prelude::*;
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};
use sip_message::rsip_boundary::{BoundaryError, to_rsip};
use sip_message::{Message, ParseLimits};

/// Compares the fields that route and match a message; gives whether rsip accepted it.
fn agree(ours: &Message, theirs: &rsip::SipMessage) -> Result<(), String> {
    let same = |what: &str, a: String, b: String| if a == b { Ok(()) } else { Err(format!("{what}: {a:?} {b:?}")) };
    let headers = theirs;
    if let rsip::SipMessage::Request(request) = theirs {
        same("method", ours.method().unwrap().to_string(), request.method.to_string())?;
        let uri = ours.request_uri().unwrap();
        same("host", uri.host().to_owned(), request.uri.host_with_port.host.to_string())?;
        same(
            "port",
            format!("{:?}", uri.port()),
            format!("{:?}", request.uri.host_with_port.port.as_ref().map(|p| *p.value())),
        )?;
        let user = request.uri.auth.as_ref().map(|auth| auth.user.clone());
        same("user", format!("{:?}", uri.user()), format!("{user:?}"))?;
    }
    if let (Ok(a), Ok(b)) = (ours.call_id(), headers.call_id_header()) {
        same("Call-ID", a.to_owned(), b.value().to_owned())?;
    }
    if let (Ok(a), Ok(Ok(b))) = (ours.cseq(), headers.cseq_header().map(|h| h.typed())) {
        same("CSeq", format!("{} {}", a.number, a.method), format!("{} {}", b.seq, b.method))?;
    }
    if let (Ok(a), Ok(Ok(b))) = (ours.from(), headers.from_header().map(|h| h.typed())) {
        same(
            "From tag",
            format!("{:?}", a.tag()),
            format!("{:?}", b.tag().map(|t| t.value()).filter(|t| !t.is_empty())),
        )?;
    }
    if let (Ok(a), Ok(Ok(b))) = (ours.to(), headers.to_header().map(|h| h.typed())) {
        same(
            "To tag",
            format!("{:?}", a.tag()),
            format!("{:?}", b.tag().map(|t| t.value()).filter(|t| !t.is_empty())),
        )?;
    }
    Ok(())
}

fn parse(bytes: Vec<u8>) -> Option<Message> {
    let message = Message::parse(Bytes::from(bytes), &ParseLimits::default()).ok()?;
    message.validate().ok().map(|()| message)
}

#[test]
fn the_invite_is_the_same_to_both() {
    let ours = parse(common::invite().to_vec()).unwrap();
    agree(&ours, &to_rsip(&ours).unwrap()).unwrap();
    let raw = rsip::SipMessage::try_from(&common::invite()[..]).unwrap();
    agree(&ours, &raw).unwrap();
}

#[test]
fn what_rsip_cannot_hold_is_said_so() {
    let of = |method: &str, uri: &str| to_rsip(&common::parse(&common::request(method, uri, ""))).err();
    assert_eq!(of("NEWMETHOD", "sip:a@b"), Some(BoundaryError::Method));
    assert_eq!(of("INVITE", "tel:+1"), Some(BoundaryError::Uri));
    assert_eq!(of("INVITE", "sip:[::1]"), Some(BoundaryError::Uri));
    assert_eq!(of("INVITE", "sip:a@b"), None);
}

#[test]
fn compact_and_folded_fields_reach_rsip_normalised() {
    let text = "BYE sip:b@h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1,\r\n SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
                f: <sip:a@h>;tag=1\r\nt: <sip:b@h>;tag=2\r\ni: c\r\nCSeq: 7\r\n BYE\r\nl: 0\r\n\r\n";
    let ours = common::parse(text);
    let theirs = to_rsip(&ours).unwrap();
    agree(&ours, &theirs).unwrap();
    assert_eq!(theirs.via_header().unwrap().value(), "SIP/2.0/UDP a;branch=z9hG4bK1");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_read_mutated_messages_the_same(
        edits in proptest::collection::vec((0_usize..520, any::<u8>(), 0_u8..3), 1..4),
    ) {
        let mut bytes = common::invite().to_vec();
        for (at, byte, kind) in edits {
            let byte = b" \"\\<>;,:=@?%[]&+$-._azAZ059"[usize::from(byte) % 27];
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Some(ours) = parse(bytes) && let Ok(theirs) = to_rsip(&ours) {
            prop_assert_eq!(agree(&ours, &theirs), Ok(()));
        }
    }
}
