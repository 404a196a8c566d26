//! What the fuzz targets do with their bytes: never panic, and keep the promises of sip-message.
#![forbid(unsafe_code)]

use bytes::Bytes;
use core::net::SocketAddr;
use sip_message::{Framed, Message, Name, ParseLimits, ResponseWriter, StreamFramer};

/// Parses `data` as a datagram and touches every view; a request's response must parse again.
///
/// # Panics
/// Where a promise is broken: that is a finding.
pub fn message(data: &[u8]) {
    let message = match Message::parse(Bytes::copy_from_slice(data), &ParseLimits::default()) {
        Ok(message) => message,
        Err(rejected) => match rejected.answerable {
            Some(message) => *message,
            None => return,
        },
    };
    let valid = message.validate().is_ok();
    let _ = (message.contacts(), message.expires(), message.max_forwards(), message.unsupported_options(&[]));
    let _ = (message.vias().count(), message.reason(), message.body_bytes());
    for (name, value) in message.raw_headers() {
        let _ = (Name::new(name), value.text(), value.list().count());
        if let Ok(addr) = value.name_addr() {
            let _ =
                (addr.display(), addr.q(), addr.expires(), addr.uri().equivalent(&addr.uri()), addr.uri().header("a"));
        }
        if let Some(auth) = value.auth_params() {
            let _ = auth.iter().map(|param| param.value().len()).sum::<usize>();
        }
    }
    if message.is_request() {
        let source = SocketAddr::from(([192, 0, 2, 1], 5060));
        let bytes =
            ResponseWriter::to(&message, 200, "", source).to_tag("t").copy(&message, Name::RecordRoute).finish();
        let response = Message::parse(bytes, &ParseLimits::default());
        let response = response.expect("our own response parses");
        if valid {
            assert_eq!(response.validate(), Ok(()), "{response:?} to {:?}", String::from_utf8_lossy(data));
            assert_eq!(response.call_id(), message.call_id());
            assert_eq!(response.cseq(), message.cseq());
            assert_eq!(response.from().map(|f| f.tag()), message.from().map(|f| f.tag()));
            assert_eq!(response.vias().count(), message.vias().count());
        }
    }
}

/// Frames `data` whole and in pieces (the first byte says how long they are): the messages must be the same.
///
/// # Panics
/// Where they are not.
pub fn framer(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let whole = frame(data, data.len().max(1));
    assert_eq!(whole, frame(data, usize::from(*piece).max(1)));
    for framed in whole.0 {
        if let Framed::Message(bytes) = framed {
            message(&bytes);
        }
    }
}

fn frame(data: &[u8], piece: usize) -> (Vec<Framed>, bool) {
    let mut framer = StreamFramer::new(ParseLimits { message_bytes_max: 4096, ..ParseLimits::default() });
    let mut out = Vec::new();
    for chunk in data.chunks(piece) {
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
