//! What neighbours see of a shard that is late (RFC 7339), and where restored phones are reached after a move.
#![allow(clippy::unwrap_used, reason = "test code")]

use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{AccountId, Directory, Flow, Instant, NatPing, Transport};
use std::sync::Arc;
use switch::{Binding, Core, CoreConfig, Input, Listener, Load, Output, Prompts, RegistrarSnapshot};

const START: Instant = Instant::from_unix_nanos(1_800_000_000_000_000_000);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn core(local: &str) -> Core {
    let directory = Directory::build(1, Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()).unwrap();
    let listeners = vec![Listener { transport: Transport::Udp, local: address(local) }];
    let config = CoreConfig { listeners, ..CoreConfig::default() };
    Core::new(config, Arc::new(directory), Vec::new(), Prompts::default(), [4; 32])
}

/// The answer to an OPTIONS whose Via has these parameters.
fn asked(core: &mut Core, n: u32, via: &str, now: Instant) -> String {
    let flow = Flow::new(Transport::Udp, address("10.0.0.9:5060"), address("10.0.0.2:5060"));
    let text = format!(
        "OPTIONS sip:10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{n}{via}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@10.0.0.2>;tag=1\r\nTo: <sip:10.0.0.9>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    core.handle(Input::Sip { flow, bytes: Bytes::from(text) }, now);
    let mut answer = String::new();
    while let Some(output) = core.poll_output() {
        if let Output::Transmit(transmit) = output {
            answer = String::from_utf8(transmit.bytes.to_vec()).unwrap();
        }
    }
    answer
}

fn percent(answer: &str) -> Option<u32> {
    let (_, rest) = answer.lines().nth(1)?.split_once(";oc=")?;
    rest.split(';').next()?.parse().ok()
}

#[test]
fn a_neighbour_that_can_send_less_is_told_how_much_less() {
    const OFFER: &str = ";oc;oc-algo=\"loss\"";
    let mut core = core("10.0.0.9:5060");
    let calm = asked(&mut core, 1, OFFER, START);
    assert!(calm.starts_with("SIP/2.0 200") && percent(&calm) == Some(0), "{calm}");
    assert!(calm.contains(";oc-validity=0;"), "nothing is to be held to: {calm}");
    let mut now = START;
    for _ in 0..10 {
        now = now + Duration::from_millis(100);
        core.handle(Input::Load(Load { lag: Duration::from_millis(600), queued: 0 }), now);
    }
    let late: Vec<String> = (2..12).map(|n| asked(&mut core, n, OFFER, now)).collect();
    let asks = percent(&late[0]).unwrap();
    assert!((50..=98).contains(&asks), "{asks}");
    assert!(late.iter().all(|answer| percent(answer) == Some(asks) && answer.contains(";oc-validity=1000;oc-seq=")));
    let shed = late.iter().find(|answer| answer.starts_with("SIP/2.0 503")).unwrap();
    assert!(!shed.contains("Retry-After"), "it knows how much to send: {shed}");
    let others: Vec<String> = (12..22).map(|n| asked(&mut core, n, "", now)).collect();
    assert!(others.iter().all(|answer| !answer.contains(";oc")), "who did not offer is not told");
    assert!(others.iter().any(|answer| answer.starts_with("SIP/2.0 503") && answer.contains("Retry-After")));
}

#[test]
fn a_phone_that_registered_at_an_address_we_left_is_reached_from_the_one_we_have() {
    let phone = address("10.0.0.2:5060");
    let of = |account: i64, transport: Transport, local: &str| {
        let binding = Binding {
            contact: format!("sip:a@10.0.0.2;n={account}"),
            flow: Flow::new(transport, address(local), phone),
            path: Vec::new(),
            instance: None,
            call_id: "c".to_owned(),
            cseq: 1,
            expires_at: START + Duration::from_secs(600),
            q: 1000,
            user_agent: Arc::from(""),
            received: phone,
            behind_nat: false,
            ping: NatPing::Off,
        };
        (AccountId(account), binding)
    };
    let bindings = vec![
        of(1, Transport::Udp, "10.0.0.9:5060"),
        of(2, Transport::Udp, "10.0.0.8:5060"),
        of(3, Transport::Tcp, "10.0.0.9:5060"),
    ];
    let mut core = core("10.0.0.9:5060");
    core.restore_registrations(RegistrarSnapshot { bindings, ..RegistrarSnapshot::default() }, START);
    let found = core.registrations().bindings.into_iter().map(|(account, b)| (account.0, b.flow.local));
    let here = address("10.0.0.9:5060");
    assert_eq!(found.collect::<Vec<_>>(), [(1, here), (2, here)], "and nobody by a transport we do not have");
}

#[test]
fn who_finds_no_room_between_shards_is_told_to_come_later() {
    let mut core = core("10.0.0.9:5060");
    let flow = Flow::new(Transport::Tcp, address("10.0.0.9:5060"), address("10.0.0.2:5060"));
    let mut answer = |method: &str| {
        let text = format!(
            "{method} sip:1@10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.2:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:a@10.0.0.2>;tag=1\r\nTo: <sip:1@10.0.0.9>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let message = sip_message::Message::parse(text.into(), &sip_message::ParseLimits::default()).unwrap();
        core.handle(Input::NotHanded { flow, message }, START);
        let out = core.poll_output()?;
        let Output::Transmit(transmit) = out else { panic!("{out:?}") };
        Some(String::from_utf8(transmit.bytes.to_vec()).unwrap())
    };
    let said = answer("INVITE").unwrap();
    assert!(said.starts_with("SIP/2.0 503 ") && said.contains("Retry-After: 2\r\n"), "{said}");
    assert!(said.contains("To: <sip:1@10.0.0.9>;tag="), "{said}");
    assert_eq!(answer("ACK"), None);
}
