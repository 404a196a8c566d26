//! What the fuzz targets do with their bytes: never panic, and keep the promises of sip-message.
#![forbid(unsafe_code)]

use bytes::Bytes;
use core::net::SocketAddr;
use sip_message::{
    AuthParams, Framed, Message, Name, NameAddrRef, ParseLimits, ResponseWriter, StreamFramer, Uri, UriRef, ViaRef,
};

mod browser;
mod opus;
mod whole;

pub use browser::browser;
pub use opus::opus;
pub use whole::whole;

/// Parses `data` as a datagram and touches every view; a request's response must parse again.
///
/// # Panics
/// Where a promise is broken: that is a finding.
pub fn message(data: &[u8]) {
    let message = match Message::parse(Bytes::copy_from_slice(data), &ParseLimits::default()) {
        Ok(message) => message,
        Err(rejected) => match rejected.answerable {
            Some(message) => message,
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

/// Reads `data` as a URI: the parts lie in the text, and an owned copy is the same URI.
///
/// # Panics
/// Where they do not, or it is not.
pub fn uri(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(uri) = UriRef::parse(text) else { return };
    let _ = uri.equivalent(&uri);
    for part in [uri.user(), uri.password(), Some(uri.host()), uri.headers()].into_iter().flatten() {
        assert!(text.contains(part), "{part:?} of {text:?}");
    }
    let _ = (uri.port_or_default(), uri.transport(), uri.host_ip(), uri.header("Replaces"));
    let _ = uri.params().into_iter().count();
    let owned = Uri::try_from(text).expect("a URI that was read is read again");
    assert_eq!(owned.as_str(), text);
    if let (true, Some(user)) = (uri.is_sip(), uri.user_unescaped())
        && let Ok(made) = Uri::sip(Some(&user), uri.host(), uri.port())
    {
        assert_eq!(made.view().user_unescaped().as_deref(), Some(&*user), "{text:?} made {made}");
    }
}

/// Reads `data` as the value of each kind of header field.
///
/// # Panics
/// Where a view breaks a promise.
pub fn header(data: &[u8]) {
    let value = sip_message::HeaderValue::new(data);
    let parts: usize = value.list().map(|one| one.as_bytes().len()).sum();
    assert!(parts <= data.len());
    let _ = (value.text(), value.unfolded(), value.number::<u32>());
    if let Ok(addr) = NameAddrRef::parse(data) {
        let _ = (addr.display(), addr.tag(), addr.q(), addr.expires());
        uri(addr.uri().as_str().as_bytes());
        // What we write of it, we read again.
        let display = addr.display();
        let written = sip_message::name_addr(display.as_deref(), addr.uri());
        assert!(NameAddrRef::parse(written.as_bytes()).is_ok(), "{written:?}");
    }
    if let Ok(via) = ViaRef::parse(data) {
        let _ = (via.branch(), via.rport(), via.received_ip(), via.host_ip(), via.has_magic_cookie(), via.maddr());
    }
    if let Some(auth) = core::str::from_utf8(data).ok().and_then(AuthParams::parse) {
        let _ = (auth.is_digest(), auth.get("nonce"), auth.iter().count());
    }
}

/// Reads `data` as a session description: what is written of it is read as the same.
///
/// # Panics
/// Where it is not.
pub fn sdp(data: &[u8]) {
    let Ok(description) = ::sdp::Description::parse(data) else { return };
    let _ = (description.media_lines(), description.direction());
    let written = description.to_bytes();
    let again = ::sdp::Description::parse(&written).expect("our own description is read");
    assert_eq!(again.to_bytes(), written);
    assert_eq!(again.media_lines(), description.media_lines());
}

/// Reads `data` as a published presence document: what is written of it is read as the same.
///
/// # Panics
/// Where it is not.
pub fn pidf(data: &[u8]) {
    use sip_events::presence::Presence;
    let Some(presence) = Presence::read(data) else { return };
    let whole = Presence::composed([&presence].into_iter(), true, false);
    let written = whole.document("sip:a@b").body(0);
    let again = Presence::read(&written).expect("our own document is read");
    assert_eq!(again.activities, whole.activities);
    assert_eq!(again.tuples.len(), whole.tuples.len());
}
