//! Chromium's offer read, answered and carried; our own offer to it.

use super::*;
use crate::{Codec, Crypto, MediaAddr, anchor, anchor_answer, answer_local, offer_local, remote_media};

/// As JsSIP sends it from a Chromium whose host candidates are hidden behind mDNS names.
const CHROMIUM: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=extmap-allow-mixed\r\na=msid-semantic: WMS 7c9e\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n\
c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
a=candidate:1 1 udp 2113937151 7d3a5c1e-2b1a.local 53012 typ host generation 0 network-cost 999\r\n\
a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\na=ice-options:trickle\r\n\
a=fingerprint:sha-256 DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09:00:11:22:33:44:55:66:77:88:99:AA:BB\r\n\
a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:7c9e 4d1f\r\n\
a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\n\
a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\na=ssrc:1001 cname:x\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n";

fn chromium() -> Description {
    Description::parse(CHROMIUM.as_bytes()).unwrap()
}

fn local() -> MediaAddr {
    let at = |port| core::net::SocketAddr::from(([203, 0, 113, 9], port));
    MediaAddr { rtp: at(20_000), rtcp: at(20_001) }
}

fn own(setup: Setup) -> OwnWebrtc {
    let fingerprint = Fingerprint { hash: "sha-256".to_owned(), digest: vec![0xab; 32] };
    let ice = Ice { ufrag: "abcd".to_owned(), pwd: "p".repeat(24) };
    OwnWebrtc { ice, fingerprint, setup, tls_id: Some("ours".repeat(6)), mid: "0".to_owned() }
}

fn text(description: &Description) -> String {
    String::from_utf8(description.to_bytes().to_vec()).unwrap()
}

#[test]
fn a_browsers_offer_is_read_and_its_nowhere_is_no_hold() {
    let remote = remote_media(&chromium()).unwrap();
    let webrtc = remote.webrtc.as_deref().unwrap();
    assert_eq!((webrtc.ice.ufrag.as_str(), webrtc.setup, webrtc.lite), ("EsAw", Setup::ActPass, false));
    assert_eq!((webrtc.fingerprints.len(), webrtc.fingerprints[0].digest.len()), (1, 32));
    assert_eq!(
        (webrtc.mid.as_deref(), remote.held, remote.secure, remote.dtmf_pt),
        (Some("0"), false, true, Some(126))
    );
    assert!(!format!("{webrtc:?}").contains("bP+X"), "a password is never printed");
    let held = CHROMIUM.replace("a=sendrecv", "a=inactive");
    assert!(remote_media(&Description::parse(held.as_bytes()).unwrap()).unwrap().held);
    for missing in ["a=rtcp-mux\r\n", "a=ice-ufrag:EsAw\r\n", "a=fingerprint:sha-256 ", "a=ice-pwd:bP+X"] {
        let less = CHROMIUM.replace(missing, "a=x:");
        let remote = remote_media(&Description::parse(less.as_bytes()).unwrap()).unwrap();
        assert!(remote.webrtc.is_none() && remote.secure, "without {missing}");
    }
    let named = CHROMIUM.replace("c=IN IP4 0.0.0.0", "c=IN IP4 7d3a5c1e.local");
    assert!(remote_media(&Description::parse(named.as_bytes()).unwrap()).is_ok());
}

#[test]
fn what_is_said_for_the_whole_session_counts_for_its_line() {
    let line = "a=fingerprint:sha-256 DA:39";
    let text = "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 1.2.3.4\nt=0 0\n".to_owned()
        + line
        + "\na=ice-lite\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=setup:passive\n\
m=audio 4000 UDP/TLS/RTP/SAVPF 0\na=rtcp-mux\n";
    let remote = remote_media(&Description::parse(text.as_bytes()).unwrap()).unwrap();
    let webrtc = remote.webrtc.unwrap();
    assert!(webrtc.lite && webrtc.setup == Setup::Passive && webrtc.fingerprints[0].digest == [0xda, 0x39]);
}

#[test]
fn certificates_are_a_set_and_a_name_that_is_too_short_is_none() {
    let read = |lines: &str| {
        let text = CHROMIUM.replace("a=setup:actpass\r\n", &format!("a=setup:actpass\r\n{lines}"));
        *remote_media(&Description::parse(text.as_bytes()).unwrap()).unwrap().webrtc.unwrap()
    };
    let (one, other) = ("a=fingerprint:sha-256 01:02\r\n", "a=fingerprint:sha-512 03:04\r\n");
    assert_eq!(read(&format!("{one}{other}{one}")).fingerprints, read(&format!("{other}{one}")).fingerprints);
    assert_ne!(read(one).fingerprints, read(other).fingerprints);
    assert_eq!(read("a=tls-id:91bbf309c0990a6bec11e38ba2933cee\r\n").tls_id.unwrap().len(), 32);
    assert_eq!(read("a=tls-id:short\r\n").tls_id, None);
}

#[test]
fn our_answer_to_a_browser() {
    let (mut answer, negotiated) = answer_local(&chromium(), local(), Codec::ALL).unwrap();
    answer.set_webrtc(&own(Setup::Passive));
    let text = text(&answer);
    assert_eq!(negotiated.codec, Codec::Pcmu);
    for line in [
        "a=ice-lite\r\n",
        "a=group:BUNDLE 0\r\n",
        "c=IN IP4 203.0.113.9\r\n",
        "m=audio 20000 UDP/TLS/RTP/SAVPF 0 8 126\r\n",
        "a=mid:0\r\n",
        "a=setup:passive\r\n",
        "a=fingerprint:sha-256 AB:AB:",
        "a=tls-id:oursoursoursoursoursours\r\n",
        "a=candidate:1 1 udp 2130706431 203.0.113.9 20000 typ host\r\n",
        "a=end-of-candidates\r\n",
        "a=rtcp-mux\r\n",
        "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(text.matches("a=rtcp-mux").count(), 1, "{text}");
    let again = remote_media(&Description::parse(text.as_bytes()).unwrap()).unwrap().webrtc.unwrap();
    assert_eq!((again.ice, again.lite, again.setup), (own(Setup::Passive).ice, true, Setup::Passive));
    assert_eq!(again.tls_id, own(Setup::Passive).tls_id);
}

#[test]
fn a_browsers_offer_to_a_plain_phone_and_back() {
    let offer = chromium();
    let mut carried = anchor(&offer, &[local()]);
    carried.set_security(false, &[]);
    let there = text(&carried);
    assert!(there.contains("m=audio 20000 RTP/AVP 111 63 9 0 8 13 110 126\r\n"), "{there}");
    assert!(there.contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n") && there.contains("a=sendrecv"), "{there}");
    for gone in ["ice-", "fingerprint", "setup", "candidate", "BUNDLE", "extmap", "msid", "ssrc", "rtcp-fb", "mid:0"] {
        assert!(!there.contains(gone), "{gone}: {there}");
    }
    let answer = Description::parse(
        b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 126\r\na=rtpmap:126 telephone-event/8000\r\n",
    )
    .unwrap();
    let mut back = anchor_answer(&offer, &answer, &[local()]);
    back.set_webrtc(&own(Setup::Passive));
    let back = text(&back);
    assert!(back.contains("m=audio 20000 UDP/TLS/RTP/SAVPF 0 126\r\n") && back.contains("a=mid:0\r\n"), "{back}");
    assert!(back.contains("m=video 0 "), "{back}");
}

#[test]
fn our_offers_to_a_browser() {
    let mut offer = offer_local(local(), Codec::OFFERED);
    offer.set_webrtc(&own(Setup::ActPass));
    let first = text(&offer);
    assert!(first.contains("a=setup:actpass\r\n") && first.contains("a=group:BUNDLE 0\r\n"), "{first}");
    // A phone's offer with keys and a video line, carried to a browser.
    let phone = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=video 5000 RTP/AVP 99\r\n\
m=audio 4000 RTP/AVP 0\r\na=rtcp:4009\r\n";
    let mut carried = anchor(&Description::parse(phone.as_bytes()).unwrap(), &[local()]);
    carried.set_security(true, &[Crypto { tag: 1, suite: "X".to_owned(), key: vec![1] }]);
    carried.keep_audio_only();
    carried.set_webrtc(&own(Setup::ActPass));
    let there = text(&carried);
    assert_eq!(carried.media_lines(), 1);
    assert!(!there.contains("crypto") && !there.contains("a=rtcp:") && carried.is_webrtc(), "{there}");
    // A later offer has the lines that were there before.
    let mut later = offer_local(local(), Codec::OFFERED);
    later.keep_lines_of(&chromium());
    assert!(text(&later).contains("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"));
}
