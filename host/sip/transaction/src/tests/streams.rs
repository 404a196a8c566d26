//! Reliable transports and transports that fail (sections 17.1.4, 17.2.4, 18.2.2).

use super::tools::*;
use crate::{Event, Layer};
use model::{Flow, Transport};

fn over_tcp(text: &str) -> String {
    text.replace("SIP/2.0/UDP", "SIP/2.0/TCP").replace(";rport", "")
}

#[test]
fn over_a_stream_nothing_is_repeated_and_completed_takes_no_time() {
    let mut layer = layer();
    layer.request(tcp(Some(1)), outgoing("OPTIONS"), ms(0));
    let request = sent(&mut layer)[0].clone();
    assert_eq!(parse(request.bytes.clone()).top_via().expect("via").transport(), "TCP");
    assert_eq!(layer.poll_timeout(), Some(ms(32_000)));
    layer.handle_message(tcp(Some(1)), answer(&request.bytes, 200, "b"), ms(10));
    assert_eq!(events(&mut layer), ["200"]);
    assert!(layer.is_clean());
    layer.handle_message(tcp(Some(1)), parse(over_tcp(&incoming("OPTIONS", "z9hG4bK1"))), ms(20));
    let Some(Event::Request { key, request, .. }) = layer.poll_event() else { panic!("no request") };
    assert_eq!(layer.respond(key, reply(&request, 200), ms(30)), Ok(()));
    assert_eq!(sent(&mut layer)[0].flow, tcp(Some(1)));
    assert!(layer.is_clean());
}

#[test]
fn the_ack_takes_the_connection_that_the_response_came_by() {
    let mut layer = layer();
    layer.request(tcp(None), outgoing("INVITE"), ms(0));
    let invite = sent(&mut layer)[0].bytes.clone();
    layer.handle_message(tcp(Some(5)), answer(&invite, 486, "b"), ms(10));
    assert_eq!(sent(&mut layer)[0].flow, tcp(Some(5)));
    assert!(layer.is_clean(), "Timer D is zero");
}

#[test]
fn a_refused_datagram_or_lost_stream_fails_its_clients_only() {
    let mut layer = layer();
    let elsewhere = Flow { remote: "192.0.2.3:5060".parse().expect("address"), ..udp() };
    layer.request(udp(), outgoing("OPTIONS"), ms(0));
    layer.request(elsewhere, outgoing("OPTIONS"), ms(0));
    layer.request(tcp(Some(1)), outgoing("INVITE"), ms(0));
    layer.request(tcp(Some(2)), outgoing("INVITE"), ms(0));
    layer.request(tcp(None), outgoing("INVITE"), ms(0));
    layer.handle_flow_failed(&Flow { local: "192.0.2.77:5060".parse().expect("address"), ..udp() }, ms(10));
    assert!(events(&mut layer).is_empty(), "another socket of ours");
    layer.handle_flow_failed(&udp(), ms(10));
    assert_eq!((events(&mut layer), layer.len()), (vec!["client Transport".to_owned()], 4));
    layer.handle_flow_failed(&tcp(Some(2)), ms(10));
    assert_eq!((events(&mut layer).len(), layer.len()), (2, 2), "the one of it, and the one that may have taken it");
    layer.handle_flow_failed(&tcp(None), ms(10));
    assert_eq!((events(&mut layer).len(), layer.len()), (1, 1));
    assert_eq!(layer.counters().transport_failures, 4);
}

fn ringing_on(layer: &mut Layer, flow: Flow) -> (crate::ServerKey, sip_message::Message) {
    let text = incoming("INVITE", "z9hG4bK1");
    let text = if flow.transport == Transport::Tcp { over_tcp(&text) } else { text };
    let text = text.replace("192.0.2.2:5060", "192.0.2.2:5090");
    layer.handle_message(flow, parse(text), ms(0));
    let Some(Event::Request { key, request, .. }) = layer.poll_event() else { panic!("no request") };
    assert_eq!(layer.respond(key, reply(&request, 180), ms(10)), Ok(()));
    assert_eq!(sent(layer).len(), 1);
    (key, request)
}

#[test]
fn a_lost_stream_is_opened_anew_once_and_then_its_user_is_told() {
    let mut layer = layer();
    let (key, request) = ringing_on(&mut layer, tcp(Some(1)));
    layer.handle_flow_failed(&tcp(Some(1)), ms(100));
    let anew = sent(&mut layer)[0].clone();
    assert_eq!((start_line(&anew.bytes).as_str(), anew.flow.connection, anew.flow.remote.port()), ("180", None, 5090));
    assert!(events(&mut layer).is_empty());
    layer.handle_flow_failed(&anew.flow, ms(200));
    layer.handle_flow_failed(&anew.flow, ms(300));
    assert_eq!(events(&mut layer), ["server Transport"]);
    // The user may still answer, so that copies stay absorbed; or the layer lets go after 64*T1.
    assert_eq!(layer.poll_timeout(), Some(ms(32_200)));
    assert_eq!(layer.respond(key, reply(&request, 487), ms(400)), Ok(()));
    run(&mut layer, ms(100_000));
    assert!(layer.is_clean());
}

#[test]
fn a_refused_response_is_told_and_forgotten_in_time() {
    let mut layer = layer();
    ringing_on(&mut layer, udp());
    layer.handle_flow_failed(&udp(), ms(100));
    assert_eq!(events(&mut layer), ["server Transport"]);
    run(&mut layer, ms(100_000));
    assert!(layer.is_clean() && events(&mut layer).is_empty());
}
