//! Tables of messages, and whose they are.

use super::*;
use bytes::Bytes;
use core::net::SocketAddr;
use model::{
    Account, AccountId, Brand, Company, CompanyId, DefaultVerdict, Handling, MediaPath, MediaSecurity, Transport,
    Trunk, TrunkCredentials, TrunkHeaders, TrunkId, TrunkRegistration, TrunkSecret, TrunkSource, TrunkStir,
};
use sip_message::ParseLimits;

const LISTENER: &str = "192.0.2.1:5060";
const STRANGER: &str = "198.51.100.99:5060";
const DESK: &str = "198.51.100.5:5060";
const CARRIER: &str = "203.0.113.7:5060";

/// Two brands that live on different shards of two, and of three.
const BRANDS: [BrandId; 2] = [BrandId(1), BrandId(2)];

fn company(brand: BrandId, domain: &str) -> Company {
    Company {
        id: CompanyId(brand.0 * 10),
        brand,
        name: domain.to_owned(),
        domain: domain.to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: model::CompanyKind::default(),
        rules: model::CompanyRules::default(),
    }
}

fn trunk(brand: BrandId, sources: &[&str]) -> Trunk {
    Trunk {
        id: TrunkId(brand.0),
        brand,
        name: "carrier".to_owned(),
        enabled: true,
        servers: Vec::new(),
        credentials: Some(TrunkCredentials {
            username: "acme".to_owned(),
            secret: TrunkSecret::Password("secret".to_owned()),
        }),
        registration: Some(TrunkRegistration { user: "acme".to_owned(), domain: None, expires_s: 600 }),
        from_user: None,
        from_domain: None,
        headers: TrunkHeaders::default(),
        calls_max: None,
        cps_max: None,
        answer_ms: Trunk::ANSWER_MS,
        ping_s: None,
        translation: None,
        anchor: false,
        sources: sources.iter().map(|s| TrunkSource { network: s.parse().unwrap(), listener: None }).collect(),
        stir: TrunkStir::default(),
    }
}

/// `one.test` and, on the other shard, `two.test`, with a phone known by its address and a carrier of each kind.
fn directory() -> Directory {
    let brands = BRANDS.map(|id| Brand { id, name: id.to_string(), default_verdict: DefaultVerdict::Extensions });
    let desk = Account {
        id: AccountId(1),
        company: CompanyId(20),
        username: "desk".to_owned(),
        display_name: String::new(),
        ha1: sip_auth::ha1("desk", "two.test", "x"),
        direct: Some(DESK.parse().unwrap()),
        media_security: None,
        enabled: true,
        rules: model::AccountRules::default(),
    };
    let companies = vec![company(BRANDS[0], "one.test"), company(BRANDS[1], "two.test")];
    Directory::build(1, brands.to_vec(), companies, vec![desk], Vec::new(), Vec::new())
        .unwrap()
        .with_trunks(Vec::new(), vec![trunk(BRANDS[0], &[]), trunk(BRANDS[1], &["203.0.113.0/24", "198.51.100.5/32"])])
        .unwrap()
}

fn message(start: &str, headers: &[&str]) -> Message {
    let mut text = format!("{start}\r\n");
    let has = |name: &str| headers.iter().any(|h| h.starts_with(name));
    for (name, value) in [
        ("Via:", "SIP/2.0/UDP 198.51.100.99;branch=z9hG4bKx"),
        ("From:", "<sip:me@one.test>;tag=1"),
        ("To:", "<sip:you@one.test>"),
        ("Call-ID:", "c"),
    ] {
        if !has(name) {
            text.push_str(&format!("{name} {value}\r\n"));
        }
    }
    let method = start.split(' ').next().unwrap_or_default();
    let method = if method.starts_with("SIP") { "INVITE" } else { method };
    headers.iter().for_each(|h| text.push_str(&format!("{h}\r\n")));
    text.push_str(&format!("CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"));
    let message = Message::parse(Bytes::from(text), &ParseLimits::default()).map_err(|r| r.error).unwrap();
    message.validate().unwrap();
    message
}

struct Bed {
    directory: Directory,
    domains: Domains,
    lines: Lines,
    shards: Shards,
}

impl Bed {
    fn new(own: u8, count: u8) -> Bed {
        let directory = directory();
        let own_ip = LISTENER.parse::<SocketAddr>().unwrap().ip();
        Bed {
            lines: Lines::of(&directory),
            domains: Domains::new(vec![own_ip], Some("two.test".to_owned())),
            directory,
            shards: Shards::new(own, count).unwrap(),
        }
    }

    fn owner(&self, from: &str, message: &Message) -> u8 {
        let around =
            Around { directory: &self.directory, domains: &self.domains, lines: &self.lines, shards: self.shards };
        let flow = Flow::new(Transport::Udp, LISTENER.parse().unwrap(), from.parse().unwrap());
        owner(message, &flow, &around)
    }

    fn home(&self, brand: usize) -> u8 {
        self.shards.of_brand(BRANDS[brand])
    }
}

/// A token as shard `shard` of `count` draws it.
fn token(shard: u8, count: u8, len: usize) -> String {
    IdSource::of_shard([9; 32], Shards::new(shard, count).unwrap()).token(len)
}

#[test]
fn the_brands_of_these_tests_are_apart() {
    for count in [2, 3] {
        let bed = Bed::new(0, count);
        assert_ne!(bed.home(0), bed.home(1), "of {count}");
    }
}

#[test]
fn what_begins_something_goes_to_the_brand_that_would_admit_it() {
    let one = "From: <sip:me@one.test>;tag=1";
    let two = "From: <sip:me@two.test>;tag=1";
    let own = "From: <sip:me@192.0.2.1>;tag=1";
    let to_two = "To: <sip:me@two.test>";
    let invite = "INVITE sip:you@one.test SIP/2.0";
    let table: &[(&str, &str, &[&str], usize, &str)] = &[
        (STRANGER, invite, &[one], 0, "the caller's domain"),
        (STRANGER, invite, &[two], 1, "the caller's domain, whatever the Request-URI names: admission will refuse it"),
        (STRANGER, "INVITE sip:you@192.0.2.1 SIP/2.0", &[own], 1, "our own address stands for the default domain"),
        (STRANGER, "REGISTER sip:two.test SIP/2.0", &[one, to_two], 1, "a REGISTER by To"),
        (STRANGER, "SUBSCRIBE sip:blf-all@two.test SIP/2.0", &[two], 1, "a lamp"),
        (STRANGER, "PUBLISH sip:me@two.test SIP/2.0", &[two], 1, "presence"),
        (STRANGER, "MESSAGE sip:you@two.test SIP/2.0", &[two], 1, "a page"),
        (STRANGER, "INVITE sip:you@two.test;gr=urn:uuid:1 SIP/2.0", &[two], 1, "a public GRUU"),
        (STRANGER, "INVITE sip:c2VjcmV0@two.test;gr SIP/2.0", &[two], 1, "a temporary GRUU"),
        (STRANGER, "CANCEL sip:you@two.test SIP/2.0", &[two], 1, "a CANCEL as its INVITE"),
        (DESK, invite, &[one], 1, "a phone known by its address, although a carrier's network holds it"),
        (DESK, "MESSAGE sip:you@one.test SIP/2.0", &[one], 1, "the same outside a call"),
        (CARRIER, "INVITE sip:+4930123@192.0.2.1 SIP/2.0", &["From: <sip:+49@c.test>;tag=1"], 1, "a carrier's source"),
        (CARRIER, "CANCEL sip:+4930123@192.0.2.1 SIP/2.0", &["From: <sip:+49@c.test>;tag=1"], 1, "and its CANCEL"),
        (CARRIER, "MESSAGE sip:you@one.test SIP/2.0", &[one], 0, "only calls come by trunks"),
    ];
    for (own, count) in [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)] {
        let bed = Bed::new(own, count);
        for (from, start, headers, brand, why) in table {
            assert_eq!(bed.owner(from, &message(start, headers)), bed.home(*brand), "{why}: {start}, {own} of {count}");
        }
    }
}

#[test]
fn a_carriers_line_is_its_trunks_brand_wherever_it_calls_from() {
    for (own, count) in [(0, 2), (1, 2), (2, 3)] {
        let bed = Bed::new(own, count);
        let line = sip_trunk::line_token(&trunk(BRANDS[0], &[]));
        for from in [STRANGER, CARRIER] {
            let invite = message(&format!("INVITE sip:{line}@192.0.2.1 SIP/2.0"), &["From: <sip:+49@c.test>;tag=1"]);
            assert_eq!(bed.owner(from, &invite), bed.home(0), "from {from}");
        }
    }
}

#[test]
fn what_is_nobodys_stays_where_it_was_read() {
    let nobody = "From: <sip:me@nobody.test>;tag=1";
    let table: &[(&str, &[&str])] = &[
        ("INVITE sip:100@nobody.test SIP/2.0", &[nobody]),
        ("REGISTER sip:nobody.test SIP/2.0", &["To: <sip:me@nobody.test>"]),
        ("OPTIONS sip:one.test SIP/2.0", &[]),
        ("BYE sip:you@one.test SIP/2.0", &[]),
        ("REFER sip:you@one.test SIP/2.0", &[]),
        ("FROB sip:you@one.test SIP/2.0", &[]),
        // A tag that none of ours can be, and one of a shard that is not there.
        ("BYE sip:192.0.2.1 SIP/2.0", &["To: <sip:you@one.test>;tag=Zx"]),
        ("BYE sip:192.0.2.1 SIP/2.0", &["To: <sip:you@one.test>;tag=9x"]),
        ("SIP/2.0 200 OK", &["Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"]),
        ("SIP/2.0 200 OK", &["Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-0"]),
        ("SIP/2.0 200 OK", &["Via: SIP/2.0/UDP 192.0.2.1"]),
    ];
    for (own, count) in [(0, 2), (1, 2), (2, 3)] {
        let bed = Bed::new(own, count);
        for (start, headers) in table {
            assert_eq!(bed.owner(STRANGER, &message(start, headers)), own, "{start} {headers:?}");
        }
    }
}

#[test]
fn a_response_goes_to_the_shard_that_drew_the_branch() {
    for shard in 0..3 {
        let via = format!("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{}", token(shard, 3, 20));
        for start in ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"] {
            assert_eq!(Bed::new(0, 3).owner(STRANGER, &message(start, &[&via])), shard);
        }
    }
}

#[test]
fn what_belongs_to_a_dialog_goes_where_the_dialog_is() {
    for shard in 0..3 {
        let bed = Bed::new(0, 3);
        let to = format!("To: <sip:you@one.test>;tag={}", token(shard, 3, 16));
        for method in ["BYE", "INVITE", "ACK", "UPDATE", "PRACK", "INFO", "REFER", "SUBSCRIBE", "NOTIFY", "CANCEL"] {
            let request = message(&format!("{method} sip:192.0.2.1 SIP/2.0"), &[&to]);
            assert_eq!(bed.owner(STRANGER, &request), shard, "{method} to our Contact");
        }
        // One that passes: the tags are the phones', and may look like another shard's.
        let route = format!("Route: <sip:{}@192.0.2.1;lr>", token(shard, 3, 20));
        let theirs = format!("To: <sip:you@one.test>;tag={}", token((shard + 1) % 3, 3, 16));
        for method in ["BYE", "INVITE", "ACK", "CANCEL"] {
            let request = message(&format!("{method} sip:you@10.0.0.5 SIP/2.0"), &[&theirs, &route]);
            assert_eq!(bed.owner(STRANGER, &request), shard, "{method} by our Route");
            let strict = format!("{method} sip:{}@192.0.2.1;lr SIP/2.0", token(shard, 3, 20));
            assert_eq!(bed.owner(STRANGER, &message(&strict, &[&theirs])), shard, "{method} of a strict router");
        }
    }
}

#[test]
fn the_ack_to_a_refusal_goes_as_its_invite_whoever_made_the_tag() {
    for tag in [token(0, 3, 12), token(1, 3, 12), token(2, 3, 12), "callee".to_owned()] {
        let bed = Bed::new(0, 3);
        let to = format!("To: <sip:you@two.test>;tag={tag}");
        let from = "From: <sip:me@two.test>;tag=1";
        let ack = message("ACK sip:you@two.test SIP/2.0", &[&to, from]);
        assert_eq!(bed.owner(STRANGER, &ack), bed.home(1), "{tag}");
        let ack = message("ACK sip:+49@192.0.2.1 SIP/2.0", &[&to, "From: <sip:+1@c.test>;tag=1"]);
        assert_eq!(bed.owner(CARRIER, &ack), bed.home(1), "{tag}");
    }
    // Nobody's INVITE was refused by the shard that read it.
    let to = format!("To: <sip:you@nobody.test>;tag={}", token(2, 3, 12));
    let ack = message("ACK sip:you@nobody.test SIP/2.0", &[&to, "From: <sip:me@nobody.test>;tag=1"]);
    assert_eq!(Bed::new(0, 3).owner(STRANGER, &ack), 2);
}

#[test]
fn an_only_shard_has_everything() {
    let bed = Bed::new(0, 1);
    for tag in ["b", "c", "9", "Z"] {
        let bye = message("BYE sip:192.0.2.1 SIP/2.0", &[&format!("To: <sip:you@one.test>;tag={tag}")]);
        assert_eq!(bed.owner(STRANGER, &bye), 0);
    }
}
