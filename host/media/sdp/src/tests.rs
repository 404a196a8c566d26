//! Tables of offers and answers.

use super::*;
use core::net::SocketAddr;
use proptest::prelude::*;

fn parse(text: &str) -> Description {
    Description::parse(text.replace('\n', "\r\n").as_bytes()).unwrap()
}

fn text(description: &Description) -> String {
    String::from_utf8(description.to_bytes().to_vec()).unwrap().replace("\r\n", "\n")
}

fn at(rtp: &str, rtcp: &str) -> MediaAddr {
    MediaAddr { rtp: rtp.parse().unwrap(), rtcp: rtcp.parse().unwrap() }
}

fn local() -> MediaAddr {
    at("203.0.113.1:20000", "203.0.113.1:20001")
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A phone's offer with what real phones put in: several codecs, video, ICE, unknown attributes and lines.
const PHONE: &str = "v=0
o=alice 2890844526 7 IN IP4 10.0.0.5
s=Grüße
c=IN IP4 10.0.0.5
b=AS:84
t=0 0
a=group:BUNDLE 0 1
a=ice-lite
a=x-session:kept
m=audio 4000 RTP/AVP 9 8 0 111 101
b=TIAS:64000
a=rtpmap:9 G722/8000
a=rtpmap:111 opus/48000/2
a=fmtp:111 useinbandfec=1
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtcp:4009 IN IP4 10.0.0.6
a=rtcp-mux
a=candidate:1 1 UDP 2130706431 10.0.0.5 4000 typ host
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc
a=x-unknown
a=x-value: with blanks ; and:colons
a=ptime:30
a=sendrecv
m=video 4002 RTP/AVP 99
c=IN IP4 10.0.0.7
a=rtpmap:99 H264/90000
";

#[test]
fn what_was_read_is_written_back() {
    for case in [
        PHONE,
        "v=0\no=- 1 1 IN IP6 2001:db8::1\ns= \nc=IN IP6 2001:db8::1\nt=0 0\nm=audio 9 RTP/SAVP 0\nm=image 5000 udptl t38\na=T38FaxVersion:0\n",
        "v=0\no=- 99999999999999999999 1 IN IP4 h.example\ns=x\ni=about\nu=http://x\ne=a@b\np=+44\nc=IN IP4 h.example\nt=1 2\nr=7d 1h 0 25h\nz=1 -1h\na=tool:x\nm=audio 1 RTP/AVP 0\ni=title\nk=clear:x\n",
    ] {
        assert_eq!(text(&parse(case)), case);
    }
}

#[test]
fn bare_newlines_and_latin_1_are_read() {
    let bytes = b"v=0\no=- 1 1 IN IP4 1.2.3.4\ns=Caf\xe9\nc=IN IP4 1.2.3.4\nt=0 0\nm=audio 4000 RTP/AVP 0\n";
    let remote = remote_media(&Description::parse(bytes).unwrap()).unwrap();
    assert_eq!(remote.rtp, addr("1.2.3.4:4000"));
}

#[test]
fn what_a_party_says() {
    let remote = remote_media(&parse(PHONE)).unwrap();
    assert_eq!((remote.rtp, remote.rtcp), (addr("10.0.0.5:4000"), addr("10.0.0.6:4009")));
    let formats: Vec<_> = remote.payloads.iter().map(|p| (p.pt, p.encoding.as_str(), p.clock, p.channels)).collect();
    assert_eq!(
        formats,
        [
            (9, "G722", 8_000, 1),
            (8, "PCMA", 8_000, 1),
            (0, "PCMU", 8_000, 1),
            (111, "opus", 48_000, 2),
            (101, "telephone-event", 8_000, 1)
        ]
    );
    assert_eq!(remote.payload(111).unwrap().fmtp.as_deref(), Some("useinbandfec=1"));
    assert_eq!((remote.dtmf_pt, remote.ptime), (Some(101), Some(30)));
    assert_eq!(remote.audio(), Some((Codec::G722, 9)));
    assert!(!remote.held && !remote.secure);
}

fn audio(lines: &str) -> Description {
    parse(&format!("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nt=0 0\n{lines}"))
}

#[test]
fn hold_in_all_its_forms() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (lines, direction, held, answered) in [
        ("c=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 0\n", SendRecv, false, SendRecv),
        ("c=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 0\na=sendonly\n", SendOnly, true, RecvOnly),
        ("c=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 0\na=recvonly\n", RecvOnly, false, SendOnly),
        ("c=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 0\na=inactive\n", Inactive, true, Inactive),
        ("c=IN IP4 1.2.3.4\na=inactive\nm=audio 4000 RTP/AVP 0\n", Inactive, true, Inactive),
        ("c=IN IP4 1.2.3.4\na=inactive\nm=audio 4000 RTP/AVP 0\na=sendrecv\n", SendRecv, false, SendRecv),
        ("c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n", SendRecv, true, RecvOnly),
        ("c=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0\na=recvonly\n", RecvOnly, true, Inactive),
        ("c=IN IP6 ::\nm=audio 4000 RTP/AVP 0\n", SendRecv, true, RecvOnly),
    ] {
        let offer = audio(lines);
        let remote = remote_media(&offer).unwrap();
        assert_eq!((remote.direction, remote.held), (direction, held), "{lines}");
        let (answer, negotiated) = answer_local(&offer, local(), Codec::ALL).unwrap();
        assert_eq!((answer.direction(), negotiated.direction), (answered, answered), "{lines}");
    }
}

#[test]
fn no_usable_audio_says_why() {
    for (lines, why) in [
        ("c=IN IP4 1.2.3.4\n", NoMedia::NoAudio),
        ("c=IN IP4 1.2.3.4\nm=audio 0 RTP/AVP 0\n", NoMedia::NoAudio),
        ("c=IN IP4 1.2.3.4\nm=video 4000 RTP/AVP 99\n", NoMedia::NoAudio),
        ("m=audio 4000 RTP/AVP 0\n", NoMedia::Address(String::new())),
        ("c=IN IP4 h.example\nm=audio 4000 RTP/AVP 0\n", NoMedia::Address("h.example".to_owned())),
        ("c=IN IP4 224.2.1.1/127\nm=audio 4000 RTP/AVP 0\n", NoMedia::Address("224.2.1.1/127".to_owned())),
    ] {
        assert_eq!(remote_media(&audio(lines)), Err(why), "{lines}");
    }
}

#[test]
fn an_anchored_offer_shows_our_address_and_keeps_the_rest() {
    let out = text(&anchor(&parse(PHONE), &[local()]));
    assert_eq!(
        out,
        "v=0
o=alice 2890844526 7 IN IP4 203.0.113.1
s=Grüße
c=IN IP4 203.0.113.1
b=AS:84
t=0 0
a=x-session:kept
m=audio 20000 RTP/AVP 9 8 0 111 101
b=TIAS:64000
a=rtpmap:9 G722/8000
a=rtpmap:111 opus/48000/2
a=fmtp:111 useinbandfec=1
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtcp-mux
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc
a=x-unknown
a=x-value: with blanks ; and:colons
a=ptime:30
a=sendrecv
m=video 0 RTP/AVP 99
"
    );
    assert!(!out.contains("10.0.0."), "nothing of the party's own network");
}

#[test]
fn anchoring_in_the_other_family_and_with_rtcp_elsewhere() {
    let six = anchor(&parse(PHONE), &[at("[2001:db8::1]:20000", "[2001:db8::2]:30001")]);
    let remote = remote_media(&six).unwrap();
    assert_eq!((remote.rtp, remote.rtcp), (addr("[2001:db8::1]:20000"), addr("[2001:db8::2]:30001")));
    assert!(text(&six).contains("c=IN IP6 2001:db8::1\n"));
    let odd = anchor(&parse(PHONE), &[at("1.1.1.1:65535", "1.1.1.1:7")]);
    assert_eq!(remote_media(&odd).unwrap().rtcp, addr("1.1.1.1:7"));
    assert!(text(&odd).contains("a=rtcp:7\n"));
    let none = anchor(&parse(PHONE), &[]);
    assert_eq!(remote_media(&none), Err(NoMedia::NoAudio));
}

#[test]
fn each_live_audio_line_takes_one_address() {
    let offer = audio(
        "c=IN IP4 1.2.3.4\nm=audio 0 RTP/AVP 0\nm=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/AVP 8\nm=audio 4004 RTP/AVP 8\n",
    );
    let out = anchor(&offer, &[local(), at("203.0.113.1:20002", "203.0.113.1:20003")]);
    let out = text(&out);
    let ports: Vec<&str> = out.lines().filter_map(|l| l.strip_prefix("m=audio ")?.split(' ').next()).collect();
    assert_eq!(ports, ["0", "20000", "20002", "0"]);
}

#[test]
fn hold_by_the_unspecified_address_becomes_a_direction() {
    let offer = audio("c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n");
    let out = anchor(&offer, &[local()]);
    assert_eq!(out.direction(), Direction::SendOnly);
    assert_eq!(remote_media(&out).unwrap().rtp, addr("203.0.113.1:20000"));
}

#[test]
fn an_anchored_answer_has_the_shape_of_its_offer() {
    let offer = parse(PHONE);
    for (answer, lines) in [
        ("m=audio 5000 RTP/AVP 8\n", vec!["m=audio 20000 RTP/AVP 8", "m=video 0 RTP/AVP 99"]),
        (
            "m=audio 5000 RTP/AVP 8\nm=video 5002 RTP/AVP 99\nm=audio 5004 RTP/AVP 0\n",
            vec!["m=audio 20000 RTP/AVP 8", "m=video 0 RTP/AVP 99"],
        ),
        ("m=video 5000 RTP/AVP 99\n", vec!["m=audio 0 RTP/AVP 9 8 0 111 101", "m=video 0 RTP/AVP 99"]),
        ("", vec!["m=audio 0 RTP/AVP 9 8 0 111 101", "m=video 0 RTP/AVP 99"]),
    ] {
        let answer = audio(&format!("c=IN IP4 9.9.9.9\n{answer}"));
        let out = text(&anchor_answer(&offer, &answer, &[local()]));
        let found: Vec<&str> = out.lines().filter(|l| l.starts_with("m=")).collect();
        assert_eq!(found, lines);
    }
}

#[test]
fn our_own_answer() {
    let (answer, negotiated) = answer_local(&parse(PHONE), local(), Codec::ALL).unwrap();
    assert_eq!(
        text(&answer),
        "v=0
o=- 20000 1 IN IP4 203.0.113.1
s=-
c=IN IP4 203.0.113.1
t=0 0
m=audio 20000 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
a=rtcp-mux
m=video 0 RTP/AVP 99
"
    );
    assert_eq!((negotiated.codec, negotiated.pt), (Codec::Pcma, 8));
    assert_eq!(negotiated.remote.payloads.iter().map(|p| p.pt).collect::<Vec<_>>(), [8, 0, 101]);
    let (_, only) = answer_local(&parse(PHONE), local(), &[Codec::Pcmu]).unwrap();
    assert_eq!((only.codec, only.remote.dtmf_pt), (Codec::Pcmu, None));
}

#[test]
fn which_lines_we_take_and_which_not() {
    for (lines, taken) in [
        ("m=audio 4000 RTP/AVP 96 97\na=rtpmap:96 pcma/8000\na=rtpmap:97 TELEPHONE-EVENT/8000\n", Some((96, Some(97)))),
        ("m=audio 4000 RTP/AVP 0 8 0\n", Some((0, None))),
        ("m=audio 4000 RTP/AVP 0\na=rtpmap:0 PCMU/16000\n", None),
        ("m=audio 4000 RTP/AVP 18\n", None),
        ("m=audio 4000 RTP/AVP 18 9\n", Some((9, None))),
        ("m=audio 4000 RTP/AVP 9 8\n", Some((8, None))),
        ("m=audio 4000 RTP/SAVP 0\na=crypto:1 X inline:AAAA\n", Some((0, None))),
        ("m=audio 4000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n", None),
        ("m=audio 4000 RTP/SAVP 0\n", None),
        ("m=audio 4000 RTP/SAVP 0\nm=audio 4002 RTP/AVPF 0\n", Some((0, None))),
        ("m=audio 4000 RTP/AVP\n", None),
        ("m=audio 4000 RTP/AVP 300 -1 x 0\n", Some((0, None))),
    ] {
        let text = format!("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\n{lines}");
        let found = Description::parse(text.as_bytes())
            .ok()
            .and_then(|offer| answer_local(&offer, local(), Codec::ALL).ok())
            .map(|(_, n)| (n.pt, n.remote.dtmf_pt));
        assert_eq!(found, taken, "{lines}");
    }
}

#[test]
fn our_own_offer_is_answered_by_ourselves() {
    let six = at("[2001:db8::1]:20000", "[2001:db8::1]:20001");
    let mut offer = offer_local(six, Codec::OFFERED);
    let text = String::from_utf8(offer.to_bytes().to_vec()).unwrap();
    for line in ["a=rtpmap:111 opus/48000/2\r\n", "a=fmtp:111 useinbandfec=1\r\n", "a=fmtp:101 0-15\r\n"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    offer.set_direction(Direction::SendOnly);
    let offer = Description::parse(&offer.to_bytes()).unwrap();
    let remote = remote_media(&offer).unwrap();
    assert_eq!((remote.rtp, remote.rtcp, remote.held), (six.rtp, six.rtcp, true));
    assert_eq!(remote.payloads.iter().map(|p| p.pt).collect::<Vec<_>>(), [0, 8, 111, 101]);
    let (answer, _) = answer_local(&offer, local(), Codec::ALL).unwrap();
    assert_eq!(answer.direction(), Direction::RecvOnly);
}

#[test]
fn the_origin_keeps_its_id_and_counts_changes_only() {
    let mut origin = Origin::new(u64::MAX);
    let line = |d: &Description| text(d).lines().nth(1).unwrap().to_owned();
    let mut first = anchor(&parse(PHONE), &[local()]);
    origin.stamp(&mut first, None);
    assert_eq!(line(&first), format!("o=- {} 1 IN IP4 203.0.113.1", u64::MAX >> 1));
    let mut same = anchor(&parse(PHONE), &[local()]);
    origin.stamp(&mut same, Some(&first));
    assert_eq!(same, first);
    let mut held = same.clone();
    held.set_direction(Direction::SendOnly);
    origin.stamp(&mut held, Some(&same));
    assert!(line(&held).contains(" 2 IN IP4"));
    let mut resumed = offer_local(local(), Codec::ALL);
    origin.stamp(&mut resumed, Some(&held));
    assert!(line(&resumed).contains(" 3 IN IP4"), "another text of the same dialog goes on counting");
}

#[test]
fn too_many_lines_are_refused() {
    let many = format!("v=0\r\n{}", "m=audio 1 RTP/AVP 0\r\n".repeat(MEDIA_LINES_MAX + 1));
    assert_eq!(Description::parse(many.as_bytes()), Err(ParseError::TooManyMedia));
    assert!(matches!(Description::parse(b"hello"), Err(ParseError::Syntax(_))));
}

/// Everything that takes a description, on whatever could be parsed; what comes out reads back.
fn exercise(bytes: &[u8]) {
    let Ok(description) = Description::parse(bytes) else { return };
    let again = Description::parse(&description.to_bytes()).expect("what was written is read");
    assert_eq!(again.to_bytes(), description.to_bytes());
    let _ = remote_media(&description);
    let mut origin = Origin::new(5);
    for mut out in [
        anchor(&description, &[local()]),
        anchor_answer(&description, &parse(PHONE), &[local()]),
        anchor_answer(&parse(PHONE), &description, &[local()]),
    ] {
        out.set_direction(Direction::Inactive);
        origin.stamp(&mut out, None);
        assert!(Description::parse(&out.to_bytes()).is_ok());
    }
    if let Ok((answer, _)) = answer_local(&description, local(), Codec::ALL) {
        assert!(remote_media(&Description::parse(&answer.to_bytes()).unwrap()).is_ok());
        assert_eq!(answer.media_lines(), description.media_lines());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn random_lines_never_panic(lines in proptest::collection::vec(("[vosiuepcbtrzkam]", "[ -~]{0,40}"), 0..30)) {
        let mut text = "v=0\r\n".to_owned();
        lines.iter().for_each(|(key, value)| text.push_str(&format!("{key}={value}\r\n")));
        exercise(text.as_bytes());
    }

    #[test]
    fn mutated_offers_never_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 1..12)) {
        let mut bytes = PHONE.replace('\n', "\r\n").into_bytes();
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at.max(1)),
                _ => { bytes.remove(at); if bytes.is_empty() { bytes.push(b'v'); } }
            }
        }
        exercise(&bytes);
    }

    #[test]
    fn shuffled_offers_never_panic(order in proptest::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let lines: Vec<&str> = PHONE.lines().collect();
        let mut text = "v=0\r\n".to_owned();
        order.iter().for_each(|at| { text.push_str(lines[at.index(lines.len())]); text.push_str("\r\n"); });
        exercise(text.as_bytes());
    }
}

/// What a gateway offers when it has heard a fax: a line of its own, with an attribute that has no value.
const FAX: &str = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\
    m=image 4002 UDPTL t38\r\nc=IN IP4 10.0.0.2\r\na=T38FaxVersion:0\r\na=T38FaxFillBitRemoval\r\n\
    a=T38FaxUdpEC:t38UDPRedundancy\r\na=sendrecv\r\n";

#[test]
fn a_fax_line_is_carried_whole_at_our_port() {
    let local = MediaAddr { rtp: "192.0.2.9:20000".parse().unwrap(), rtcp: "192.0.2.9:30000".parse().unwrap() };
    let mut offer = Description::parse(FAX.as_bytes()).unwrap();
    assert!(offer.names_fax() && !offer.is_fax());
    let sound = remote_media(&offer).unwrap();
    assert_eq!((sound.udptl, sound.rtp), (false, "10.0.0.1:4000".parse().unwrap()));
    let both = String::from_utf8(anchor(&offer, &[local]).to_bytes().to_vec()).unwrap();
    assert!(both.contains("m=audio 20000 ") && both.contains("m=image 20000 UDPTL t38\r\n"), "{both}");
    assert_eq!(both.matches("a=rtcp:30000").count(), 1, "a fax has no RTCP: {both}");

    let mut other = offer.clone();
    other.choose(false);
    assert!(!other.names_fax() && remote_media(&other).is_ok_and(|m| !m.udptl));
    offer.choose(true);
    let remote = remote_media(&offer).unwrap();
    assert_eq!((remote.udptl, remote.rtp), (true, "10.0.0.2:4002".parse().unwrap()));
    assert!(remote.payloads.is_empty() && !remote.secure && !remote.held);
    let shown = String::from_utf8(anchor(&offer, &[local]).to_bytes().to_vec()).unwrap();
    let kept = "m=image 20000 UDPTL t38\r\na=T38FaxVersion:0\r\na=T38FaxFillBitRemoval\r\n\
        a=T38FaxUdpEC:t38UDPRedundancy\r\na=sendrecv\r\n";
    assert!(shown.contains("m=audio 0 ") && shown.contains(kept) && !shown.contains("10.0.0"), "{shown}");
}

#[test]
fn our_own_fax_answers_in_the_shape_of_the_offer() {
    let local = MediaAddr { rtp: "192.0.2.9:20000".parse().unwrap(), rtcp: "192.0.2.9:20001".parse().unwrap() };
    let offer = Description::parse(FAX.as_bytes()).unwrap();
    let (answer, remote) = crate::answer_fax(&offer, local).unwrap();
    let text = String::from_utf8(answer.to_bytes().to_vec()).unwrap();
    assert!(text.contains("m=audio 0 RTP/AVP 0\r\nm=image 20000 UDPTL t38\r\n"), "{text}");
    assert!(text.contains("a=T38FaxUdpEC:t38UDPRedundancy\r\n") && !text.contains("FillBit"), "{text}");
    assert_eq!(remote.rtp, "10.0.0.2:4002".parse().unwrap());
    assert!(crate::offer_fax(local).is_fax());
    for no_fax in ["image 4002 tcp t38", "image 0 udptl t38", "image 4002 udptl t37", "audio 4002 RTP/AVP 0"] {
        let text = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm={no_fax}\r\n");
        let offer = Description::parse(text.as_bytes()).unwrap();
        assert!(!offer.names_fax() && crate::answer_fax(&offer, local).is_err(), "{no_fax}");
    }
}
