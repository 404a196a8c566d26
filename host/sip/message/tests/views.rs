//! URIs, name-addr values, Via, parameters, credentials.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use sip_message::{AuthParams, HeaderValue, Method, Name, NameAddrRef, ParseError, Uri, UriRef, ViaRef};

fn uri(text: &str) -> UriRef<'_> {
    UriRef::parse(text).unwrap()
}

#[test]
fn uri_parts() {
    let u = uri("sips:al%69ce;x=1:se?cret@[2001:db8::1]:5071;transport=TCP;lr?Replaces=a%40b&Priority=urgent");
    assert_eq!(u.scheme(), "sips");
    assert_eq!((u.user(), u.password()), (Some("al%69ce;x=1"), Some("se?cret")));
    assert_eq!(u.user_unescaped().unwrap(), "alice;x=1");
    assert_eq!((u.host(), u.port()), ("[2001:db8::1]", Some(5071)));
    assert_eq!(u.host_ip(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!(u.transport(), Some(model::Transport::Tcp));
    assert_eq!(u.param("LR"), Some(""));
    assert_eq!(u.param("maddr"), None);
    assert_eq!(u.header("replaces").unwrap(), "a@b");
    assert_eq!(u.headers(), Some("Replaces=a%40b&Priority=urgent"));
    assert_eq!(uri("sip:h").user(), None);
    assert_eq!(uri("sip:h?x=1").headers(), Some("x=1"));
    assert_eq!((uri("tel:+1-201;phone-context=x").user(), uri("tel:+1;a=b").param("a")), (Some("+1-201"), Some("b")));
    assert_eq!((uri("urn:service:sos").host(), uri("urn:service:sos").user()), ("", None));
    assert_eq!(uri("sip:user@[2001:db8:::192.0.2.1]").host_ip(), uri("sip:[2001:db8::192.0.2.1]").host_ip());
}

#[test]
fn what_a_uri_says_about_the_next_hop() {
    use model::Transport::{Tcp, Tls, Ws, Wss};
    let table = [
        ("sip:u@h", "h", None, None, false),
        ("sips:u@h:5071", "h", Some(5071), None, true),
        ("sip:u@[2001:db8::1];transport=TCP", "[2001:db8::1]", None, Some(Tcp), false),
        ("sip:h;transport=tls", "h", None, Some(Tls), false),
        ("sip:u@x.invalid;transport=ws", "x.invalid", None, Some(Ws), false),
        ("sips:u@x.invalid;transport=ws", "x.invalid", None, Some(Wss), true),
        ("sip:u@h;maddr=192.0.2.7", "192.0.2.7", None, None, false),
    ];
    for (text, host, port, transport, secure) in table {
        let expected = model::HopTarget { host: host.to_owned(), port, transport, secure };
        assert_eq!(uri(text).hop_target(), Some(expected), "{text}");
    }
    assert_eq!(uri("sip:u@h;transport=sctp").hop_target(), None);
    assert_eq!(uri("tel:+1201").hop_target(), None);
}

#[test]
fn uris_refused() {
    for text in [
        "",
        "sip",
        "sip:",
        "sip:@h",
        "sip:u@",
        "sip:u@h:",
        "sip:u@h:x",
        "sip:u@h:99999",
        "sip:2001:db8::10",
        "sip:u@[::1",
        "sip:u@[zz]",
        "sip:u@h h",
        "<sip:u@h>",
        "1sip:u@h",
        ":x",
        "tel:",
        "urn:",
        "sip:u@h\r\n",
        "sip:u@ho\"st",
        "sip:[]",
        "sip:u@[2001:db8:::1]",
    ] {
        assert_eq!(UriRef::parse(text).err(), Some(ParseError::Uri), "{text:?}");
    }
}

#[test]
fn uri_equivalence_is_section_19_1_4() {
    let same = [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:0db8:0::1]"),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ];
    for (a, b) in same {
        assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
    }
    let other = [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@h", "sips:a@h"),
        ("sip:a@h", "sip:a:@h"),
    ];
    for (a, b) in other {
        assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
    }
}

#[test]
fn uris_of_our_own_are_always_uris() {
    assert_eq!(Uri::sip(Some("1001"), "192.0.2.1", Some(5070)).unwrap().as_str(), "sip:1001@192.0.2.1:5070");
    assert_eq!(Uri::sip(None, "2001:db8::1", None).unwrap().as_str(), "sip:[2001:db8::1]");
    let odd = Uri::sip(Some("a b@c\r\nX: 1<>"), "h", None).unwrap();
    assert_eq!(odd.as_str(), "sip:a%20b%40c%0D%0AX%3A%201%3C%3E@h");
    assert_eq!(odd.view().user_unescaped().unwrap(), "a b@c\r\nX: 1<>");
    assert!(Uri::sip(None, "h h", None).is_err());
    let tcp = Uri::sip(Some("a"), "h", None).unwrap().with_param("transport", Some("tcp")).unwrap();
    assert_eq!(tcp.with_param("lr", None).unwrap().as_str(), "sip:a@h;transport=tcp;lr");
    assert!(Uri::sip(None, "h", None).unwrap().with_param("x", Some("1;maddr=2")).is_err());
    assert!(Uri::sip(None, "h", None).unwrap().with_param("x", Some("1 2")).is_err());
}

#[test]
fn name_addr_forms() {
    let read = |text: &'static str| NameAddrRef::parse(text.as_bytes());
    let quoted = read("\"Bell, A. \\\"G\\\"\" <sip:a@h;lr>;tag=\"x;y\";z").unwrap();
    assert_eq!(quoted.display().unwrap(), "Bell, A. \"G\"");
    assert_eq!((quoted.tag(), quoted.param("z"), quoted.uri().param("lr")), (Some("x;y"), Some(""), Some("")));
    assert_eq!(read("Anna Lee <sip:a@h>").unwrap().display().unwrap(), "Anna Lee");
    assert_eq!(read("<sip:a@h> ; tag = 1").unwrap().tag(), Some("1"));
    assert_eq!(read("sip:a@h;tag=1;user=phone").unwrap().uri().as_str(), "sip:a@h");
    assert_eq!(read("\"\" <sip:a@h>").unwrap().display(), None);
    assert_eq!(read("<sip:a@h>;tag=").unwrap().tag(), None);
    assert_eq!(read("<sip:a@h;lr?Replaces=x%3Bto-tag%3D1>").unwrap().uri().header("Replaces").unwrap(), "x;to-tag=1");
    for bad in [
        "",
        "<>",
        "<sip:a@h",
        "\"a <sip:a@h>",
        "<sip:a@h> x",
        "sip:a@h?Route=x",
        "\"a\" sip:a@h",
        "\"a\"b <sip:a@h>",
        "< sip:a@h>",
    ] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn via_forms() {
    let via = ViaRef::parse(b"SIP/2.0/TCP [2001:db8::9]:5066;received=2001:db8::9:255;rport=99;branch=z9hG4bK;maddr=h")
        .unwrap();
    assert_eq!((via.host(), via.port(), via.transport()), ("[2001:db8::9]", Some(5066), "TCP"));
    assert_eq!(via.received_ip(), Some("2001:db8::9:255".parse().unwrap()));
    assert_eq!((via.rport(), via.maddr(), via.has_magic_cookie()), (Some(Some(99)), Some("h"), false));
    let via = ViaRef::parse(b"SIP/2.0/UDP h;received=[2001:db8::9]").unwrap();
    assert_eq!((via.received_ip(), via.rport()), (Some("2001:db8::9".parse().unwrap()), None));
    assert!(ViaRef::parse(b"SIP/2.0/UDP h;branch=Z9HG4BKx").unwrap().has_magic_cookie());
    for bad in [
        "",
        "SIP/2.0/UDP",
        "SIP/3.0/UDP h",
        "SIP/2.0/U:P h",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP h:x",
        "SIP/2.0 UDP h",
    ] {
        assert!(ViaRef::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn lists_know_quotes_and_brackets() {
    let split = |text: &'static str| {
        HeaderValue::new(text.as_bytes()).list().map(|v| v.text().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(split("a, b,c"), ["a", "b", "c"]);
    assert_eq!(split("\"a,\\\"b\" <sip:x,y>;q=1 , <sip:z>"), ["\"a,\\\"b\" <sip:x,y>;q=1", "<sip:z>"]);
    assert_eq!(split(", a,, b,"), ["a", "b"]);
    assert_eq!(split("\"a, b"), ["\"a, b"]);
}

#[test]
fn credentials_are_read() {
    let auth = AuthParams::parse("Digest username=\"a\\\"b\", realm=\"x, y\",qop=auth , nc=00000001,\r\n uri=\"sip:h;x=1\", junk, algorithm=SHA-256").unwrap();
    assert!(auth.is_digest());
    assert_eq!(auth.get("USERNAME").unwrap(), "a\"b");
    assert_eq!(auth.get("realm").unwrap(), "x, y");
    assert_eq!(auth.get("qop").unwrap(), "auth");
    assert!(!auth.find("qop").unwrap().quoted && auth.find("uri").unwrap().quoted);
    assert_eq!(auth.get("algorithm").unwrap(), "SHA-256");
    assert_eq!(auth.get("response"), None);
    assert_eq!(auth.iter().count(), 6);
    assert!(AuthParams::parse("Digest realm=\"x").is_none());
    assert!(AuthParams::parse("").is_none());
    assert_eq!(AuthParams::parse_bare("nextnonce=\"n\", nc=1").unwrap().get("nextnonce").unwrap(), "n");
}

#[test]
fn methods_and_names_keep_what_they_do_not_know() {
    assert_eq!(Method::new("INVITE"), Method::Invite);
    assert_eq!(Method::new("invite"), Method::Other("invite"));
    assert_eq!(Name::new("sESSION-expires"), Name::SessionExpires);
    assert_eq!(Name::Other("x").to_string(), "x");
}
