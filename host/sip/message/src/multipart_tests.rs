//! The session description among the parts of a body, and what is refused.

use super::*;
use crate::ParseLimits;

const PLACE: &str = "--b1\r\nContent-Type: application/pidf+xml\r\nContent-ID: <p@x>\r\n\r\n<presence/>\r\n";
const SESSION: &str = "--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n\r\n";

fn message(kind: &str, body: &str) -> Message {
    let text = format!(
        "INVITE sip:112@x SIP/2.0\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:112@x>\r\n\
         Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::parse(text.into(), &ParseLimits::default()).expect("a message")
}

fn session(kind: &str, body: &str) -> (Option<String>, bool) {
    let message = message(kind, body);
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    (message.session_body().map(text), message.carries_session())
}

#[test]
fn the_session_description_is_found_among_the_parts() {
    let mixed = "multipart/mixed;boundary=b1";
    let sdp = Some("v=0\r\ns=-\r\n".to_owned());
    let ends = "--b1--\r\n";
    for (kind, body) in [
        (mixed, format!("{PLACE}{SESSION}{ends}")),
        (mixed, format!("{SESSION}{PLACE}{ends}")),
        ("Multipart/Mixed ; x=y; Boundary=\"b1\"", format!("{SESSION}{PLACE}{ends}")),
        (mixed, format!("nobody reads this\r\n{SESSION}{PLACE}--b1--")),
        (mixed, format!("{PLACE}{SESSION}--b1  \r\n\r\nplain\r\n{ends}behind it")),
        (
            mixed,
            format!(
                "--b1\r\nContent-Disposition: session;handling=required\r\nc:\r\n Application/SDP; x=y\r\n\r\nv=0\r\ns=-\r\n\r\n{ends}"
            ),
        ),
        (
            "multipart/mixed;boundary=out",
            format!("--out\r\nContent-Type: multipart/related; boundary=b1\r\n\r\n{SESSION}{ends}\r\n--out--\r\n"),
        ),
        (mixed, format!("{}{ends}", SESSION.repeat(3))),
    ] {
        assert_eq!(session(kind, &body), (sdp.clone(), true), "{kind}: {body}");
    }
    assert_eq!(session("application/sdp", "v=0\r\n"), (Some("v=0\r\n".to_owned()), true));
}

#[test]
fn what_has_none_or_must_be_understood_is_told() {
    let mixed = "multipart/mixed;boundary=b1";
    let isup = "--b1\r\nContent-Type: application/isup\r\nContent-Disposition: signal; handling=required\r\n\r\nx\r\n";
    let early = SESSION.replace("sdp\r\n", "sdp\r\nContent-Disposition: early-session\r\n");
    let packed = SESSION.replace("sdp\r\n", "sdp\r\nContent-Transfer-Encoding: base64\r\n");
    for (kind, body, found) in [
        (mixed, format!("{isup}{SESSION}--b1--"), true),
        (mixed, format!("{PLACE}--b1--"), false),
        (mixed, format!("{early}--b1--"), false),
        (mixed, format!("{packed}--b1--"), false),
        (mixed, String::new(), false),
        (mixed, "--b1".to_owned(), false),
        (mixed, "--b1\r\n".to_owned(), false),
        (mixed, "--b1\r\nContent-Type: application/sdp".to_owned(), false),
        (mixed, format!("{}{SESSION}--b1--", PLACE.repeat(PARTS_MAX)), false),
    ] {
        let (sdp, carries) = session(kind, &body);
        assert_eq!((sdp.is_some_and(|sdp| !sdp.is_empty()), carries && found), (found, false), "{body}");
    }
    for kind in ["multipart/mixed", "multipart/mixed;boundary=", "text/plain", "é"] {
        assert!(!session(kind, SESSION).1, "{kind}");
    }
    let mut deep = SESSION.to_owned() + "--b1--\r\n";
    for level in 0..DEPTH_MAX {
        let inner = if level == 0 { "b1".to_owned() } else { format!("d{level}") };
        let outer = format!("d{}", level + 1);
        deep = format!("--{outer}\r\nContent-Type: multipart/mixed;boundary={inner}\r\n\r\n{deep}\r\n--{outer}--\r\n");
    }
    assert!(!session(&format!("multipart/mixed;boundary=d{DEPTH_MAX}"), &deep).1, "no bottom");
}

#[test]
fn a_call_for_help_is_not_refused_for_what_it_tells_and_what_is_described_is_known() {
    let mixed = "multipart/mixed;boundary=b1";
    let must = "Content-Disposition: by-reference; handling=required\r\n\r\n";
    for (kind, carries) in [
        ("application/pidf+xml", true),
        ("application/EmergencyCallData.DeviceInfo+xml", true),
        ("application/isup", false),
    ] {
        let body = format!("--b1\r\nContent-Type: {kind}\r\n{must}x\r\n{SESSION}--b1--");
        let message = message(mixed, &body);
        assert_eq!((message.carries_session(), message.has_session()), (carries, true), "{kind}");
    }
    assert!(!message(mixed, &format!("{PLACE}--b1--")).has_session());
}

#[test]
fn another_description_takes_its_place_and_the_rest_stays() {
    let body = format!("{PLACE}{SESSION}--b1--\r\n");
    let new = message("multipart/mixed;boundary=b1", &body).with_session(&Bytes::from_static(b"v=1\r\n"));
    assert_eq!(new, body.replace("v=0\r\ns=-\r\n", "v=1\r\n").as_bytes());
    assert_eq!(message("application/sdp", "v=0\r\n").with_session(&Bytes::from_static(b"n")), "n");
}
