//! What a REGISTER costs the pure shard: `registrations md5 1000` lets so many phones register with a challenge each
//! (REGISTER, 401, REGISTER, 200), `registrations sha-256 1000` with the stronger digest. Under
//! `valgrind --tool=callgrind --toggle-collect='*switch::core::Core::handle*'` it counts the switch's own instructions
//! and nothing else; the difference of two counts leaves out the start.

use bytes::Bytes;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use model::{
    Account, AccountId, Brand, BrandId, Company, CompanyId, DefaultVerdict, DigestAlgorithm, Directory, Flow, Instant,
    MediaPath, Transport,
};
use sip_auth::Credentials;
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Listener, Output, Prompts};

const SWITCH: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 5060);
const DOMAIN: &str = "demo.test";

fn main() {
    let mut args = std::env::args().skip(1);
    let (digest, count) = (args.next().unwrap_or_default(), args.next().and_then(|n| n.parse().ok()).unwrap_or(100));
    let digest = match digest.as_str() {
        "md5" => DigestAlgorithm::Md5,
        "sha-256" => DigestAlgorithm::Sha256,
        _ => return eprintln!("usage: registrations md5|sha-256 [COUNT]"),
    };
    let mut core = core(digest, count);
    let mut now = Instant::from_unix_nanos(1_800_000_000_000_000_000);
    for n in 0..count {
        let remote = SocketAddr::from((Ipv4Addr::from(0x0a01_0000 + n), 5060));
        let flow = Flow::new(Transport::Udp, SWITCH, remote);
        let challenged = give(&mut core, flow, register(n, remote, 1, None), now);
        assert!(challenged.starts_with("SIP/2.0 401"), "{challenged}");
        let username = format!("phone{n}");
        let who = Credentials { username: &username, password: "secret" };
        let challenge = challenged.lines().find_map(|l| l.strip_prefix("WWW-Authenticate: ")).unwrap_or_default();
        let credentials = sip_auth::answer(&[challenge], &who, ("REGISTER", "sip:demo.test"), "c0ffee", 1);
        let accepted = give(&mut core, flow, register(n, remote, 2, credentials.ok()), now);
        assert!(accepted.starts_with("SIP/2.0 200"), "{accepted}");
        let until = now + Duration::from_millis(10);
        while let Some(at) = core.poll_timeout().filter(|at| *at <= until) {
            core.handle_timeout(at.max(now));
            while core.poll_output().is_some() {}
        }
        now = until;
    }
    assert_eq!(core.counters().registered, u64::from(count));
    eprintln!("{count} registrations, {} bindings", core.counters().bindings_alive);
}

fn give(core: &mut Core, flow: Flow, text: String, now: Instant) -> String {
    core.handle(Input::Sip { flow, bytes: Bytes::from(text) }, now);
    let mut sent = String::new();
    while let Some(output) = core.poll_output() {
        if let Output::Transmit(transmit) = output {
            sent = String::from_utf8_lossy(&transmit.bytes).into_owned();
        }
    }
    sent
}

fn register(n: u32, remote: SocketAddr, cseq: u32, credentials: Option<String>) -> String {
    let authorization = credentials.map(|c| format!("Authorization: {c}\r\n")).unwrap_or_default();
    format!(
        "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {remote};branch=z9hG4bK-{n}-{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:phone{n}@{DOMAIN}>;tag=t{n}\r\nTo: <sip:phone{n}@{DOMAIN}>\r\nCall-ID: reg-{n}@{remote}\r\n\
         CSeq: {cseq} REGISTER\r\nContact: <sip:phone{n}@{remote}>;expires=600\r\n{authorization}\
         User-Agent: bench\r\nContent-Length: 0\r\n\r\n"
    )
}

fn core(digest: DigestAlgorithm, accounts: u32) -> Core {
    let config = CoreConfig {
        listeners: vec![Listener { transport: Transport::Udp, local: SWITCH }],
        digest: vec![digest],
        ..CoreConfig::default()
    };
    let brand = Brand { id: BrandId(1), name: "demo".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let company = Company {
        id: CompanyId(1),
        brand: BrandId(1),
        name: "demo".to_owned(),
        domain: DOMAIN.to_owned(),
        media: MediaPath::Anchor,
        handling: model::Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: model::MediaSecurity::default(),
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules: Default::default(),
    };
    let account = |n: u32| Account {
        id: AccountId(i64::from(n) + 1),
        company: CompanyId(1),
        username: format!("phone{n}"),
        display_name: String::new(),
        ha1: sip_auth::ha1(&format!("phone{n}"), DOMAIN, "secret"),
        direct: None,
        media_security: None,
        enabled: true,
        rules: Default::default(),
    };
    let accounts = (0..accounts).map(account).collect();
    let directory = Directory::build(1, vec![brand], vec![company], accounts, Vec::new(), Vec::new());
    let directory = directory.unwrap_or_else(|error| panic!("{error}"));
    Core::new(config, Arc::new(directory), Vec::new(), Prompts::default(), [9; 32])
}
