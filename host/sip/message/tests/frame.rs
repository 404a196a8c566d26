//! The stream framer.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use bytes::Bytes;
use common::request;
use sip_message::{Framed, FramingFault, ParseLimits, StreamFramer};

fn all(chunks: &[&[u8]]) -> (Vec<Framed>, Option<FramingFault>) {
    let mut framer = StreamFramer::new(ParseLimits { message_bytes_max: 2000, headers_max: 64 });
    let mut out = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.next() {
                Ok(Some(framed)) => out.push(framed),
                Ok(None) => break,
                Err(error) => return (out, Some(error.fault)),
            }
        }
    }
    (out, None)
}

#[test]
fn messages_and_keep_alives_come_out() {
    let one = request("OPTIONS", "sip:h", "l: 5\r\n") + "ab\r\nc";
    let two = request("BYE", "sip:h", "Content-Length:\r\n  0\r\n");
    let stream = format!("\r\n\r\n{one}\r\n{two}\r\n\r\n\r\n\r\n{two}");
    let (framed, fault) = all(&[stream.as_bytes()]);
    let message = |text: &String| Framed::Message(Bytes::from(text.clone()));
    let expected = [Framed::Ping, message(&one), message(&two), Framed::Ping, Framed::Ping, message(&two)];
    assert_eq!((framed.as_slice(), fault), (expected.as_slice(), None));
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    assert_eq!(all(&bytes).0, expected);
}

#[test]
fn a_stream_that_cannot_be_framed_is_ended() {
    let fault = |extra: &str| all(&[request("BYE", "sip:h", extra).as_bytes()]).1;
    assert_eq!(fault(""), Some(FramingFault::NoContentLength));
    assert_eq!(fault("Content-Length: x\r\n"), Some(FramingFault::BadContentLength));
    assert_eq!(fault("Content-Length: 1\r\nl: 2\r\n"), Some(FramingFault::BadContentLength));
    assert_eq!(fault("Content-Length: 5000\r\n"), Some(FramingFault::TooLarge));
    assert_eq!(fault("Content-Length: 18446744073709551615\r\n"), Some(FramingFault::TooLarge));
    assert_eq!(all(&[&[b'x'; 2001]]).1, Some(FramingFault::TooLarge));
    let mut framer = StreamFramer::new(ParseLimits::default());
    framer.push(request("BYE", "sip:h", "").as_bytes());
    assert!(framer.next().unwrap_err().head.is_some());
    framer.push(request("BYE", "sip:h", "l: 0\r\n").as_bytes());
    assert!(framer.next().is_err(), "nothing comes after an error");
}
