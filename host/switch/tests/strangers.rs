//! What strangers can take of a shard with requests that belong to nothing: an answer each, up to their rate, and no state.
#![allow(clippy::unwrap_used, reason = "test code")]

use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{Directory, Flow, Instant, Transport};
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Listener, Output, Prompts};

const START: Instant = Instant::from_unix_nanos(1_800_000_000_000_000_000);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn core() -> Core {
    let directory = Directory::build(1, Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()).unwrap();
    let listeners = vec![Listener { transport: Transport::Udp, local: address("10.0.0.9:5060") }];
    let config = CoreConfig { listeners, ..CoreConfig::default() };
    Core::new(config, Arc::new(directory), Vec::new(), Prompts::default(), [4; 32])
}

/// The answers to a request of a stranger.
fn asked(core: &mut Core, n: u32, method: &str, to: &str, more: &str) -> Vec<String> {
    let flow = Flow::new(Transport::Udp, address("10.0.0.9:5060"), address("198.51.100.2:5060"));
    let text = format!(
        "{method} sip:x@10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@198.51.100.2>;tag=1\r\nTo: {to}\r\nCall-ID: {n}\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    );
    core.handle(Input::Sip { flow, bytes: Bytes::from(text) }, START);
    sent(core)
}

fn sent(core: &mut Core) -> Vec<String> {
    let mut answers = Vec::new();
    while let Some(output) = core.poll_output() {
        if let Output::Transmit(transmit) = output {
            answers.push(String::from_utf8(transmit.bytes.to_vec()).unwrap());
        }
    }
    answers
}

#[test]
fn what_belongs_to_no_dialog_is_answered_once_and_forgotten() {
    for method in ["INVITE", "BYE", "SUBSCRIBE", "INFO", "NOTIFY"] {
        let mut core = core();
        let answers =
            asked(&mut core, 1, method, "<sip:x@10.0.0.9>;tag=mine", "Event: dialog\r\nContact: <sip:a@b>\r\n");
        assert_eq!(answers.len(), 1, "{method}: {answers:?}");
        assert!(answers[0].starts_with("SIP/2.0 481 ") && answers[0].contains(";tag=mine\r\n"), "{}", answers[0]);
        assert_eq!(core.counters().transactions_alive, 0, "{method}");
        core.handle_timeout(START + Duration::from_secs(40));
        assert_eq!(sent(&mut core), [""; 0], "{method} is not answered again");
        assert!(core.is_idle(), "{method}");
    }
}

#[test]
fn who_sends_too_many_of_them_is_not_answered_and_then_not_listened_to() {
    let strays: [(&str, &str, &str); 3] = [
        ("INVITE", "<sip:x@10.0.0.9>;tag=mine", "Contact: <sip:a@b>\r\n"),
        ("CANCEL", "<sip:x@10.0.0.9>", ""),
        // Malformed: answered 400.
        ("OPTIONS", "<sip:x@10.0.0.9>", "Max-Forwards: many\r\n"),
    ];
    for (method, to, more) in strays {
        let mut core = core();
        let answered: usize = (0..3_000).map(|n| asked(&mut core, n, method, to, more).len()).sum();
        assert!((100..1_000).contains(&answered), "{method}: {answered} of 3000");
        assert_eq!(core.bans(START).len(), 1, "{method}");
        assert!(core.is_idle(), "{method}: {:?}", core.counters());
    }
}
