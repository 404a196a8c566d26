//! What the whole switch answers to the torture messages, from a peer that it knows by its address.
//!
//! `verdicts.rs` says what parser and validity pass make of each; here the layers above have their say, which RFC 4475
//! asks of them in sections 3.3 and 3.4.
#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use core::net::SocketAddr;
use model::{
    Account, AccountId, Brand, BrandId, Company, CompanyId, DefaultVerdict, Directory, Flow, Ha1, Instant, MediaPath,
    MediaPortId, Transport,
};
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Listener, MediaPort, Output, Prompts};

const SWITCH: &str = "10.0.0.9:5060";
const PEER: &str = "10.0.0.1:5060";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A switch for `domain` that knows the peer as account `user`.
fn core(domain: &str, user: &str) -> Core {
    let brand = Brand { id: BrandId(1), name: "b".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let company = Company {
        id: CompanyId(1),
        brand: BrandId(1),
        name: "c".to_owned(),
        domain: domain.to_owned(),
        media: MediaPath::Anchor,
        calls_max: None,
        media_security: model::MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules: Default::default(),
        handling: model::Handling::B2bua,
        decline_ends_all: false,
    };
    let account = Account {
        id: AccountId(1),
        company: CompanyId(1),
        username: user.to_owned(),
        display_name: String::new(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: Some(at(PEER)),
        media_security: None,
        enabled: true,
        rules: Default::default(),
    };
    let directory = Directory::build(1, vec![brand], vec![company], vec![account], Vec::new(), Vec::new()).unwrap();
    let config = CoreConfig {
        listeners: vec![Listener { transport: Transport::Udp, local: at(SWITCH) }],
        ..CoreConfig::default()
    };
    let port = MediaPort { id: MediaPortId(0), rtp: at("10.0.0.9:20000"), rtcp: at("10.0.0.9:20001") };
    Core::new(config, Arc::new(directory), vec![port], Prompts::default(), [1; 32])
}

/// The statuses that leave for one message, and whether a call was opened.
fn answers(name: &str, domain: &str, user: &str) -> (Vec<u16>, u64) {
    let mut core = core(domain, user);
    let flow = Flow::new(Transport::Udp, at(SWITCH), at(PEER));
    let bytes = Bytes::from(torture::find(name).unwrap_or_else(|| panic!("no message {name}")).wire);
    core.handle(Input::Sip { flow, bytes }, Instant::from_unix_nanos(1_800_000_000_000_000_000));
    let mut statuses = Vec::new();
    while let Some(output) = core.poll_output() {
        if let Output::Transmit(transmit) = output {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            statuses.extend(text.strip_prefix("SIP/2.0 ").and_then(|t| t.get(..3)?.parse::<u16>().ok()));
        }
    }
    let opened = core.counters().calls.opened;
    // A call that waits for its decision says nothing before its 100 is due (section 17.2.1).
    if opened > 0 && statuses.is_empty() {
        statuses.push(100);
    }
    (statuses, opened)
}

#[test]
fn the_layers_above_say_what_the_rfc_asks_of_them() {
    for (name, domain, user, statuses) in TABLE {
        let (got, calls) = answers(name, domain, user);
        assert_eq!(&got, statuses, "{name}");
        assert_eq!(calls > 0, *statuses == [100], "{name}");
    }
}

#[test]
fn every_message_is_answered_once_or_not_at_all() {
    for case in torture::all() {
        let (got, _) = answers(case.name, "example.com", "user");
        assert!(got.len() <= 1, "{} {}: {got:?}", case.section, case.name);
    }
}

/// Name, the company's domain, the account's user, and what is answered.
const TABLE: &[(&str, &str, &str, &[u16])] = &[
    // 3.1.1: good messages; what opens a call shows by its 100.
    // Its To has a tag, of no dialog here.
    ("wsinv", "chair-dnrc.example.com", "jdrosen", &[481]),
    ("intmeth", "example.com", "mundane", &[405]),
    ("esc01", "example.net", "x", &[100]),
    ("esc02", "example.com", "x", &[405]),
    ("lwsdisp", "example.com", "user", &[200]),
    ("transports", "example.com", "user", &[200]),
    // It goes on to its addressee, whose answer is awaited.
    ("mpart01", "example.org", "kumiko", &[]),
    ("unreason", "example.com", "user", &[]),
    ("noreason", "example.com", "user", &[]),
    // 3.1.2: refused below, whoever asks.
    ("badinv01", "example.com", "user", &[400]),
    ("clerr", "example.com", "user", &[400]),
    ("ncl", "example.com", "user", &[400]),
    ("scalar02", "example.com", "user", &[400]),
    ("scalarlg", "example.com", "user", &[]),
    ("quotbal", "example.com", "user", &[400]),
    ("badvers", "example.com", "user", &[505]),
    ("mismatch01", "example.com", "user", &[400]),
    ("bigcode", "example.com", "user", &[]),
    // 3.3: the layers above.
    // No Call-ID, From or To: the 400 that the RFC calls ideal, with the Via and CSeq there are.
    ("insuf", "example.com", "user", &[400]),
    ("unkscm", "example.com", "user", &[416]),
    ("novelsc", "example.com", "user", &[416]),
    ("bext01", "example.com", "user", &[420]),
    ("invut", "example.com", "user", &[415]),
    ("sdp01", "example.com", "user", &[406]),
    ("unksm2", "example.com", "user", &[400]),
    ("badbranch", "example.com", "user", &[200]),
    ("multi01", "example.com", "user", &[400]),
    ("mcl01", "example.com", "user", &[400]),
    ("bcast", "example.com", "user", &[]),
    ("zeromf", "example.com", "user", &[200]),
    ("cparam01", "example.com", "watson", &[200]),
    ("cparam02", "example.com", "watson", &[200]),
    ("regescrt", "example.com", "user", &[200]),
    // 3.4: an INVITE of RFC 2543.
    ("inv2543", "example.com", "user", &[100]),
];
