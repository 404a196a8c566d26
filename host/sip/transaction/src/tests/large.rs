//! Large requests (RFC 3261 section 18.1.1).

use super::tools::*;
use crate::Layer;
use core::time::Duration;
use model::{ConnectionId, Flow, Transport};
use sip_message::RequestWriter;

fn large(method: &str) -> RequestWriter {
    outgoing(method).body("text/plain", vec![b'x'; 1_300])
}

fn with_tcp() -> Layer {
    let mut layer = layer();
    layer.set_streams(vec![(udp().local, udp().local)]);
    layer
}

/// How the next thing to be sent travels, as its flow and as its Via say.
fn way(layer: &mut Layer) -> (Transport, String) {
    let sent = sent(layer);
    assert_eq!(sent.len(), 1, "{sent:?}");
    let via = parse(sent[0].bytes.clone()).top_via().expect("via").transport().to_owned();
    (sent[0].flow.transport, via)
}

#[test]
fn a_large_request_leaves_by_tcp_and_a_small_one_by_udp() {
    let mut layer = with_tcp();
    layer.request(udp(), large("INVITE"), ms(0));
    let sent = sent(&mut layer);
    assert_eq!(sent[0].flow, Flow { transport: Transport::Tcp, ..udp() });
    let request = parse(sent[0].bytes.clone());
    assert_eq!(request.top_via().expect("via").transport(), "TCP");
    assert_eq!((request.body().len(), request.call_id()), (1_300, Ok("call-1")));
    assert_eq!(layer.poll_timeout(), Some(ms(32_000)), "a stream needs no repetition");
    // The answer comes by the connection, and so goes the ACK.
    let by = Flow { transport: Transport::Tcp, connection: Some(ConnectionId(4)), ..udp() };
    layer.handle_message(by, answer(&sent[0].bytes, 486, "b"), ms(10));
    assert_eq!(events(&mut layer), ["486"]);
    assert_eq!(way(&mut layer), (Transport::Tcp, "TCP".to_owned()));
    assert!(layer.is_clean());
    layer.request(udp(), outgoing("OPTIONS"), ms(20));
    assert_eq!(way(&mut layer), (Transport::Udp, "UDP".to_owned()));
}

#[test]
fn where_tcp_fails_the_request_goes_by_udp_and_the_next_one_at_once() {
    for method in ["INVITE", "MESSAGE"] {
        let mut layer = with_tcp();
        layer.request(udp(), large(method), ms(0));
        assert_eq!(way(&mut layer), (Transport::Tcp, "TCP".to_owned()));
        layer.handle_flow_failed(&Flow { transport: Transport::Tcp, ..udp() }, ms(50));
        let again = sent(&mut layer);
        assert_eq!((again.len(), again[0].flow), (1, udp()));
        assert_eq!(parse(again[0].bytes.clone()).top_via().expect("via").transport(), "UDP");
        assert!(events(&mut layer).is_empty(), "nothing has failed yet");
        assert_eq!(layer.poll_timeout(), Some(ms(550)), "a datagram is repeated");
        layer.handle_message(udp(), answer(&again[0].bytes, 404, "b"), ms(60));
        assert_eq!(events(&mut layer), ["404"]);
        let _ack = sent(&mut layer);
        layer.request(udp(), large(method), ms(100));
        assert_eq!(way(&mut layer), (Transport::Udp, "UDP".to_owned()));
        // After a while TCP has another chance.
        layer.request(udp(), large(method), ms(700_000));
        assert_eq!(way(&mut layer), (Transport::Tcp, "TCP".to_owned()));
    }
}

#[test]
fn a_connection_that_is_lost_after_an_answer_is_a_failure() {
    let mut layer = with_tcp();
    layer.request(udp(), large("MESSAGE"), ms(0));
    let sent = sent(&mut layer);
    let by = Flow { transport: Transport::Tcp, connection: Some(ConnectionId(4)), ..udp() };
    layer.handle_message(by, answer(&sent[0].bytes, 100, "b"), ms(10));
    layer.handle_flow_failed(&by, ms(50));
    assert_eq!(events(&mut layer), ["client Transport"]);
    assert!(layer.is_clean());
}

#[test]
fn a_registered_flow_is_kept_while_it_lasts() {
    let mut layer = with_tcp();
    layer.keep_to(udp().remote, ms(0) + Duration::from_secs(60), ms(0));
    layer.request(udp(), large("INVITE"), ms(10));
    assert_eq!(way(&mut layer), (Transport::Udp, "UDP".to_owned()));
    layer.request(udp(), large("INVITE"), ms(60_000));
    assert_eq!(way(&mut layer), (Transport::Tcp, "TCP".to_owned()));
}

#[test]
fn without_a_stream_of_ours_everything_goes_by_udp() {
    let mut layer = layer();
    layer.request(udp(), large("INVITE"), ms(0));
    assert_eq!(way(&mut layer), (Transport::Udp, "UDP".to_owned()));
}
