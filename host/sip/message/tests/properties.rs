//! Properties: what is written is read back; nothing panics; chunks do not matter.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use bytes::Bytes;
use core::net::SocketAddr;
use proptest::prelude::*;
use sip_message::{
    AuthParams, Framed, Message, Name, ParseLimits, RequestWriter, ResponseWriter, StreamFramer, Uri, UriRef,
};

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

/// Touches every accessor of a message; none may panic, whatever the bytes.
fn touch(message: &Message) {
    let _ = (message.validate(), message.top_via(), message.from(), message.to(), message.call_id(), message.cseq());
    let _ =
        (message.contacts(), message.max_forwards(), message.expires(), message.content_type(), message.body_bytes());
    let _ = (message.vias().count(), message.reason(), message.request_uri(), message.unsupported_options(&[]));
    for (name, value) in message.raw_headers() {
        let _ = (Name::new(name), value.text(), value.list().count());
        if let Ok(addr) = value.name_addr() {
            let _ = (addr.display(), addr.tag(), addr.q(), addr.expires(), addr.uri().equivalent(&addr.uri()));
            let _ =
                (addr.params().into_iter().count(), addr.uri().params().into_iter().count(), addr.uri().header("x"));
        }
        if let Some(auth) = value.auth_params() {
            let _ = auth.iter().map(|param| param.value().len()).sum::<usize>();
        }
    }
    if message.is_request() {
        let source = SocketAddr::from(([192, 0, 2, 1], 5060));
        let bytes = ResponseWriter::to(message, 400, "", source).to_tag("t").copy(message, Name::RecordRoute).finish();
        let response = Message::parse(bytes, &ParseLimits::default()).unwrap();
        assert_eq!(response.status(), Some(400));
    }
}

fn parse_and_touch(bytes: Vec<u8>) {
    match Message::parse(Bytes::from(bytes), &ParseLimits::default()) {
        Ok(message) => touch(&message),
        Err(rejected) => {
            let _ = (rejected.error.status(), rejected.error.reason());
            if let Some(message) = rejected.answerable {
                touch(&message);
            }
        }
    }
}

fn frame(chunks: &[&[u8]]) -> (Vec<Framed>, bool) {
    let mut framer = StreamFramer::new(ParseLimits { message_bytes_max: 1500, headers_max: 64 });
    let mut out = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.next() {
                Ok(Some(framed)) => out.push(framed),
                Ok(None) => break,
                Err(_) => return (out, true),
            }
        }
    }
    (out, false)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_request_is_read_back(
        method in token(), user in "\\PC{1,20}", port in proptest::option::of(any::<u16>()), call_id in "[!-~]{1,30}",
        number in 0_u32..1 << 31, subject in "\\PC{0,40}", body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let uri = Uri::sip(Some(&user), "example.net", port).unwrap();
        let bytes = RequestWriter::new(&method, uri.as_str())
            .header(Name::CallId, &call_id)
            .header(Name::CSeq, format!("{number} {method}"))
            .header(Name::Subject, &subject)
            .body("application/octet-stream", body.clone())
            .finish();
        let message = Message::parse(bytes.clone(), &ParseLimits::default()).unwrap();
        prop_assert_eq!(message.bytes(), &bytes);
        prop_assert_eq!(message.method().unwrap().as_str(), &method);
        prop_assert_eq!(message.request_uri().unwrap().user_unescaped().unwrap(), user);
        prop_assert_eq!(message.request_uri().unwrap().port(), port);
        prop_assert_eq!(message.call_id().unwrap(), &call_id);
        prop_assert_eq!(message.cseq().unwrap().number, number);
        prop_assert_eq!(message.header("s").unwrap().text(), subject.trim_matches([' ', '\t']));
        prop_assert_eq!(message.body(), &body[..]);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        parse_and_touch(bytes);
    }

    #[test]
    fn mutations_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..24),
    ) {
        let mut bytes = common::invite().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b" \r\n\t\"\\<>;,:=@?%[]"[usize::from(byte) % 17]),
                2 => { bytes.remove(at); }
                _ => bytes.truncate(bytes.len().min(at + 200)),
            }
        }
        parse_and_touch(bytes);
    }

    #[test]
    fn text_views_never_panic(text in "[ -~\\r\\n\\téß]{0,60}") {
        let _ = UriRef::parse(&text).map(|uri| (uri.params().into_iter().count(), uri.headers(), uri.equivalent(&uri)));
        let _ = AuthParams::parse(&text).map(|auth| auth.iter().count());
    }

    #[test]
    fn any_chunking_frames_the_same(
        bodies in proptest::collection::vec("[ -~\\r\\n]{0,80}", 0..5), tail in "[ -~\\r\\n]{0,60}",
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20), gaps in "(\\r\\n){0,3}",
    ) {
        let mut stream = String::new();
        for body in bodies {
            stream += &gaps;
            stream += &common::request("MESSAGE", "sip:h", &format!("Content-Length: {}\r\n", body.len()));
            stream += &body;
        }
        stream += &tail;
        let bytes = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(frame(&chunks), frame(&[bytes]));
    }
}
