//! OPTIONS, breakers, the order of servers, and a line without a secret.

use super::*;
use crate::Outcome;

const DEAD: Outcome = Outcome::Dead;

fn ips(places: &[SocketAddr]) -> Vec<String> {
    places.iter().map(|p| p.ip().to_string()).collect()
}

#[test]
fn calls_go_round_a_dead_server_and_come_back() {
    let mut bed = Bed::new();
    bed.apply(vec![trunk(1, vec![server("198.51.100.1", 0), server("198.51.100.2", 1)])]);
    for _ in 0..3 {
        assert_eq!(ips(&bed.call(1, &[DEAD, Outcome::Alive])), ["198.51.100.1", "198.51.100.2"]);
    }
    assert!(matches!(bed.events[..], [Event::ServerDown { trunk: TrunkId(1), .. }]), "{:?}", bed.events);
    assert_eq!(ips(&bed.call(1, &[Outcome::Alive; 2])), ["198.51.100.2"]);
    let status = bed.layer.status(TrunkId(1)).unwrap();
    assert_eq!((status.servers[0].breaker.as_str(), status.servers[1].breaker.as_str()), ("open", "closed"));
    let figures = bed.layer.figures();
    assert_eq!((figures.servers_up, figures.servers_down, figures.unregistered), (1, 1, 0));
    bed.secs(30);
    // Two calls at once: one tries it.
    let routes = bed.layer.routes(TrunkId(1), bed.now);
    assert_eq!(routes.len(), 2);
    assert!(bed.layer.tries(TrunkId(1), &routes[0].flow, bed.now));
    assert!(!bed.layer.tries(TrunkId(1), &routes[0].flow, bed.now));
    bed.layer.report(&mut bed.tx, TrunkId(1), (&routes[0].flow, Outcome::Alive), bed.now);
    bed.settle();
    assert!(matches!(bed.events.last(), Some(Event::ServerUp { .. })));
    assert_eq!(ips(&bed.call(1, &[Outcome::Alive])), ["198.51.100.1"]);
    bed.call(1, &[Outcome::Unavailable(Some(10))]);
    assert_eq!(ips(&bed.call(1, &[Outcome::Alive])), ["198.51.100.2"], "Retry-After");
    bed.secs(10);
    assert_eq!(ips(&bed.call(1, &[Outcome::Alive])), ["198.51.100.1"]);
}

#[test]
fn a_server_that_does_not_answer_options_is_down_until_it_does() {
    let mut bed = Bed::new();
    let pinged = Trunk { ping_s: Some(20), ..trunk(1, vec![server("198.51.100.1", 0)]) };
    bed.apply(vec![pinged.clone()]);
    bed.secs(2);
    let ping = bed.one();
    assert_eq!(ping.1.request_uri_str(), Some("sip:198.51.100.1"));
    assert!(ping.1.is_method(sip_message::Method::Options));
    bed.answer(&ping, 404, &[]);
    assert!(bed.events.is_empty(), "whatever it says, it lives");
    let ping = bed.next();
    bed.secs(5);
    assert!(matches!(bed.events[..], [Event::ServerDown { .. }]), "{:?}", bed.events);
    assert!(bed.call(1, &[Outcome::Alive]).is_empty());
    bed.answer(&ping, 200, &[]);
    assert_eq!(bed.events.len(), 1, "too late is too late");
    let ping = bed.next();
    bed.answer(&ping, 503, &[]);
    let ping = bed.next();
    bed.answer(&ping, 200, &[]);
    assert!(matches!(bed.events[..], [Event::ServerDown { .. }, Event::ServerUp { .. }]), "{:?}", bed.events);
    assert_eq!(bed.call(1, &[Outcome::Alive]).len(), 1);
    bed.apply(vec![Trunk { ping_s: None, ..pinged }]);
    bed.all();
    bed.secs(600);
    assert!(bed.all().is_empty());
}

#[test]
fn caps_count_both_ways_and_an_unknown_trunk_takes_nothing() {
    let mut bed = Bed::new();
    let id = TrunkId(1);
    bed.apply(vec![Trunk { calls_max: Some(2), cps_max: Some(1), ..trunk(1, vec![server("198.51.100.1", 0)]) }]);
    bed.layer.call_begins(id, bed.now).unwrap();
    assert_eq!(bed.layer.call_begins(id, bed.now), Err(crate::Full::Rate));
    bed.layer.call_arrives(id).unwrap();
    bed.secs(1);
    assert_eq!(bed.layer.call_begins(id, bed.now), Err(crate::Full::Calls));
    bed.layer.call_ended(id);
    bed.layer.call_begins(id, bed.now).unwrap();
    assert_eq!(bed.layer.status(id).unwrap().calls, 2);
    assert!(bed.layer.call_begins(TrunkId(9), bed.now).is_err());
    assert!(bed.layer.routes(TrunkId(9), bed.now).is_empty());
}

#[test]
fn a_line_without_a_secret_is_called_from_its_carrier_only() {
    let mut bed = Bed::new();
    let line = Trunk { credentials: None, ..registering(1, vec![server("198.51.100.1", 0)], "a") };
    bed.apply(vec![line]);
    bed.secs(2);
    let contact = header(&bed.one().1, Name::Contact);
    let token = contact.trim_start_matches("<sip:").split('@').next().unwrap();
    assert_eq!(bed.layer.line_called(token, "203.0.113.1".parse().unwrap()), None);
    assert_eq!(bed.layer.line_called(token, "::ffff:198.51.100.1".parse().unwrap()), Some(TrunkId(1)));
}

#[test]
fn a_line_whose_carrier_calls_from_known_networks_is_called_from_there_only() {
    let mut bed = Bed::new();
    let network = "192.0.2.0/24".parse().unwrap();
    let sources = vec![model::TrunkSource { network, listener: None }];
    bed.apply(vec![Trunk { sources, ..registering(1, vec![server("198.51.100.1", 0)], "a") }]);
    bed.secs(2);
    let contact = header(&bed.one().1, Name::Contact);
    let token = contact.trim_start_matches("<sip:").split('@').next().unwrap();
    for (from, known) in [("203.0.113.1", false), ("198.51.100.1", true), ("::ffff:192.0.2.77", true)] {
        assert_eq!(bed.layer.line_called(token, from.parse().unwrap()).is_some(), known, "{from}");
    }
}
