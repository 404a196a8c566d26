//! RFC 5118: IPv6.

use crate::Verdict::{Accept, Refuse};
use crate::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = uris();
    cases.extend(vias());
    cases.extend(bodies());
    cases.extend(colons());
    cases
}

fn register(uri: &str) -> String {
    format!(
        "REGISTER {uri} SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Max-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::1]>\nCSeq: 98176 REGISTER\nContent-Length: 0\n"
    )
}

fn uris() -> Vec<Case> {
    vec![
        case("5118 4.1", "ipv6-good", Accept, &register("sip:[2001:db8::10]")),
        case("5118 4.2", "ipv6-bad", Refuse(400), &register("sip:2001:db8::10")),
        case("5118 4.3", "port-ambiguous", Accept, &register("sip:[2001:db8::10:5070]"))
            .note("the last four digits are part of the address"),
        case("5118 4.4", "port-unambiguous", Accept, &register("sip:[2001:db8::10]:5070")),
    ]
}

fn vias() -> Vec<Case> {
    let with_delim = "
BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 321 BYE
Content-Length: 0
";
    let no_delim = "
OPTIONS sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3
Call-ID: SSG95523997077@hlau_4100
Max-Forwards: 70
Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>
CSeq: 921 OPTIONS
Content-Length: 0
";
    let multiple = "
BYE sip:user@host.example.net SIP/2.0
Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200
Call-ID: 997077@lau_4100
Max-Forwards: 70
CSeq: 89187 BYE
To: sip:user@example.net;tag=9817--94
From: sip:user@example.com;tag=81x2
Content-Length: 0
";
    vec![
        case("5118 4.5", "via-received-param-with-delim", Accept, with_delim),
        case("5118 4.5", "via-received-param-no-delim", Accept, no_delim),
        case("5118 4.7", "mult-ip-in-header", Accept, multiple),
    ]
}

fn bodies() -> Vec<Case> {
    let in_sdp = "
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: \"Caller\" <sip:caller@[2001:db8::20]>
CSeq: 8612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: 251

v=0
o=assistant 971731711378798081 0 IN IP6 2001:db8::20
s=Live video feed for today's meeting
c=IN IP6 2001:db8::20
t=3338481189 3370017201
m=audio 6000 RTP/AVP 2
a=rtpmap:2 G726-32/8000
m=video 6024 RTP/AVP 107
a=rtpmap:107 H263-1998/90000
";
    let two_families = "
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>
Max-Forwards: 70
CSeq: 8912 INVITE
Content-Type: application/sdp
Content-Length: 189

v=0
o=bob 280744730 28977631 IN IP4 host.example.com
s=
t=0 0
m=audio 22334 RTP/AVP 0
c=IN IP4 192.0.2.1
m=video 6024 RTP/AVP 107
c=IN IP6 2001:db8::1
a=rtpmap:107 H263-1998/90000
";
    let mapped = "
INVITE sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:user@east.example.com;tag=81x2
Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19
Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>
CSeq: 612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: 245

v=0
o=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2
s=Call me soon, please!
c=IN IP6 ::ffff:192.0.2.2
t=3338481189 3370017201
m=audio 6000 RTP/AVP 2
a=rtpmap:2 G726-32/8000
m=video 6024 RTP/AVP 107
a=rtpmap:107 H263-1998/90000
";
    vec![
        case("5118 4.6", "ipv6-in-sdp", Accept, in_sdp).note("the Content-Length printed in the RFC is corrected"),
        case("5118 4.8", "mult-ip-in-sdp", Accept, two_families),
        case("5118 4.9", "ipv4-mapped-ipv6", Accept, mapped),
    ]
}

fn colons() -> Vec<Case> {
    let text = |host: &str| {
        format!(
            "OPTIONS sip:user@[{host}] SIP/2.0\nTo: sip:user@[{host}]\nFrom: sip:user@example.com;tag=810x2\n\
             Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111\nCall-ID: G9559905523997077@hlau_4100\n\
             CSeq: 689 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n"
        )
    };
    vec![
        case("5118 4.10", "ipv6-bug-abnf-3-colons", Accept, &text("2001:db8:::192.0.2.1"))
            .note("read as two colons: the third came from the grammar of RFC 3261"),
        case("5118 4.10", "ipv6-correct-abnf-2-colons", Accept, &text("2001:db8::192.0.2.1")),
    ]
}
