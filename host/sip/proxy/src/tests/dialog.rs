//! Requests within a proxied dialog, and its end: sections 16.4, 16.6 step 6, 16.11 and 16.12.

use super::kit::*;
use core::time::Duration;

const BOB: &str = "sip:bob@10.9.9.9";

#[test]
fn the_ack_passes_without_state_by_the_way_the_2xx_came() {
    let mut kit = Kit::new();
    let (_, invite) = kit.talk();
    let ack = kit.within("ACK", ("alice", "bob"), &recorded(&invite), BOB);
    assert!(kit.hear(flow(1), &ack));
    let sent = kit.sent().remove(0);
    assert_eq!(sent.flow.remote, flow(2).remote, "not where the Contact says: it may be behind a NAT");
    assert!(sent.text.starts_with("ACK sip:bob@10.9.9.9 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9"));
    assert_eq!(field(&sent.text, "Route"), None, "16.4");
    assert_eq!(field(&sent.text, "Max-Forwards"), Some("69"));
}

#[test]
fn requests_of_both_sides_pass_and_their_answers_come_back() {
    let mut kit = Kit::new();
    let (_, invite) = kit.talk();
    for (from, to, host, other) in [("alice", "bob", 1, 2), ("bob", "alice", 2, 1)] {
        let info = kit.within("INFO", (from, to), &recorded(&invite), "sip:x@10.9.9.9");
        assert!(kit.hear(flow(host), &info));
        let sent = kit.sent().remove(0);
        assert_eq!(sent.flow.remote, flow(other).remote);
        assert_eq!(fields(&sent.text, "Record-Route").count(), 0);
        kit.hear(flow(other), &answer(&sent.text, 200, "x").replace(";tag=x\r\n", "\r\n"));
        let back = kit.sent().remove(0);
        assert_eq!((back.flow.remote, fields(&back.text, "Via").count()), (flow(host).remote, 1));
    }
    kit.wait(Duration::from_secs(60));
    assert_eq!(kit.proxy.len(), 1);
}

#[test]
fn a_mark_that_was_made_up_and_one_of_another_dialog_open_nothing() {
    let mut kit = Kit::new();
    let (_, invite) = kit.talk();
    let forged = ["<sip:aaaaaaaaaaaaaaaaaaaa@10.0.0.9:5060;lr>".to_owned()];
    let info = kit.within("INFO", ("alice", "bob"), &forged, BOB);
    assert!(!kit.hear(flow(1), &info), "it is nobody's");
    assert!(kit.sent().is_empty());
    let stolen = kit.within("INFO", ("mallory", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(3), &stolen);
    assert_eq!(lines(&kit.sent()), ["481 > 10.0.0.3"]);
    let other_call =
        kit.within("INFO", ("alice", "bob"), &recorded(&invite), BOB).replace("Call-ID: c1", "Call-ID: c2");
    kit.hear(flow(3), &other_call);
    assert_eq!(lines(&kit.sent()), ["481 > 10.0.0.3"]);
    let ack = kit.within("ACK", ("mallory", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(3), &ack);
    assert!(kit.sent().is_empty());
}

#[test]
fn a_dialog_is_known_by_its_names_while_it_lives() {
    let mut kit = Kit::new();
    let (key, _) = kit.talk();
    assert!(kit.proxy.has_dialog("c1", ("alice", "bob")) && kit.proxy.has_dialog("c1", ("bob", "alice")));
    for (call_id, tags) in [("c2", ("alice", "bob")), ("c1", ("alice", "mallory")), ("c1", ("alice", "alice"))] {
        assert!(!kit.proxy.has_dialog(call_id, tags), "{call_id} {tags:?}");
    }
    kit.proxy.end(&mut kit.tx, key, 200, None, kit.now);
    kit.wait(Duration::from_secs(40));
    assert!(kit.proxy.is_empty() && !kit.proxy.has_dialog("c1", ("alice", "bob")));
}

#[test]
fn hops_and_unknown_extensions_are_refused_within_dialogs_too() {
    let mut kit = Kit::new();
    let (_, invite) = kit.talk();
    let spent = kit.within("INFO", ("alice", "bob"), &recorded(&invite), BOB).replace("Forwards: 70", "Forwards: 0");
    kit.hear(flow(1), &spent);
    assert_eq!(lines(&kit.sent()), ["483 > 10.0.0.1"]);
    let strange =
        kit.within("INFO", ("alice", "bob"), &recorded(&invite), BOB).replace("Max-F", "Proxy-Require: foo\r\nMax-F");
    kit.hear(flow(1), &strange);
    let refusal = kit.sent().remove(0);
    assert!(refusal.text.starts_with("SIP/2.0 420"), "16.3 step 5");
    assert_eq!(field(&refusal.text, "Unsupported"), Some("foo"));
}

#[test]
fn a_strict_router_before_us_and_one_behind_us_get_what_they_understand() {
    let mut kit = Kit::new();
    let (_, invite) = kit.talk();
    let ours = recorded(&invite).remove(0).replace(";lr", "");
    let ours = ours.trim_matches(['<', '>']);
    let before = kit.within("INFO", ("alice", "bob"), &[format!("<{BOB}>")], ours);
    assert!(kit.hear(flow(1), &before), "16.4");
    let sent = kit.sent().remove(0);
    assert!(sent.text.starts_with("INFO sip:bob@10.9.9.9 SIP/2.0"), "{}", sent.text);
    assert_eq!(field(&sent.text, "Route"), None);
    let mut routes = recorded(&invite);
    routes.extend(["<sip:10.0.0.7>".to_owned(), "<sip:10.0.0.8;lr>".to_owned()]);
    let (mut kit, invite) = past(&["<sip:10.0.0.8;lr>", "<sip:10.0.0.7>"]);
    routes.splice(..1, recorded(&invite));
    let behind = kit.within("INFO", ("alice", "bob"), &routes, BOB);
    kit.hear(flow(1), &behind);
    let sent = kit.sent().remove(0);
    assert_eq!(sent.flow.remote, flow(7).remote);
    assert!(sent.text.starts_with("INFO sip:10.0.0.7 SIP/2.0"), "16.6 step 6: {}", sent.text);
    assert_eq!(fields(&sent.text, "Route").collect::<Vec<_>>(), ["<sip:10.0.0.8;lr>", "<sip:bob@10.9.9.9>"]);
}

#[test]
fn a_recorded_route_that_names_an_address_is_followed() {
    let (mut kit, invite) = past(&["<sip:10.0.0.7:5080;lr>"]);
    let mut routes = recorded(&invite);
    routes.push("<sip:10.0.0.7:5080;lr>".to_owned());
    let info = kit.within("INFO", ("alice", "bob"), &routes, BOB);
    kit.hear(flow(1), &info);
    let sent = kit.sent().remove(0);
    assert_eq!(sent.flow.remote.to_string(), "10.0.0.7:5080");
    assert_eq!(fields(&sent.text, "Route").collect::<Vec<_>>(), ["<sip:10.0.0.7:5080;lr>"]);
}

/// A call to bob by proxies beyond us that stay in the way; the one next to bob first.
fn past(far: &[&str]) -> (Kit, Sent) {
    let mut kit = Kit::new();
    let key = kit.open();
    let invite = kit.fork(key, vec![target(2, 1000)]).remove(0);
    let fields: String = far.iter().map(|route| format!("Record-Route: {route}\r\n")).collect();
    let ok = answer(&invite.text, 200, "bob").replacen("Record-Route", &format!("{fields}Record-Route"), 1);
    kit.hear(flow(2), &ok);
    let ack = kit.within("ACK", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &ack);
    kit.sent();
    (kit, invite)
}

#[test]
fn a_route_that_nobody_recorded_leads_nowhere() {
    for (method, foreign) in [
        ("INFO", "<sip:10.0.0.5:5060;transport=tcp;lr>"),
        ("ACK", "<sip:10.0.0.5;lr>"),
        ("INVITE", "<sip:10.0.0.5>"),
        ("MESSAGE", "<sip:carrier.test;lr>"),
    ] {
        for early in [false, true] {
            let mut kit = Kit::new();
            let invite = if early {
                let key = kit.open();
                let invite = kit.fork(key, vec![target(2, 1000)]).remove(0);
                kit.hear(flow(2), &answer(&invite.text, 183, "bob"));
                kit.sent();
                invite
            } else {
                kit.talk().1
            };
            let mut routes = recorded(&invite);
            routes.push(foreign.to_owned());
            let request = kit.within(method, ("alice", "bob"), &routes, "sip:anything@10.0.0.5");
            kit.hear(flow(1), &request);
            let sent = kit.sent().remove(0);
            assert_eq!(sent.flow.remote, flow(2).remote, "{method} {foreign} early {early}: {}", sent.text);
            assert!(early || field(&sent.text, "Route").is_none(), "{}", sent.text);
        }
    }
}

#[test]
fn phones_refer_each_other() {
    for (from, to, (host, other)) in [("alice", "bob", (1, 2)), ("bob", "alice", (2, 1))] {
        let mut kit = Kit::new();
        let (_, invite) = kit.talk();
        let refer = kit.within("REFER", (from, to), &recorded(&invite), BOB);
        let refer = refer.replace("Max-F", "Refer-To: <sip:carol@demo.test>\r\nMax-F");
        kit.hear(flow(host), &refer);
        let sent = kit.sent();
        assert!(sent.iter().any(|s| s.text.starts_with("REFER ") && s.flow == flow(other)), "{:?}", lines(&sent));
    }
}

#[test]
fn a_callee_with_ever_new_tags_is_remembered_so_often_and_no_more() {
    let mut kit = Kit::new();
    let key = kit.open();
    let invite = kit.fork(key, vec![target(2, 1000)]).remove(0);
    for n in 0..100 {
        kit.hear(flow(2), &answer(&invite.text, 180, &format!("t{n}")));
    }
    assert_eq!(kit.sent().len(), 100, "each is passed on");
    let known = |kit: &Kit, n: u32| kit.proxy.has_dialog("c1", ("alice", &format!("t{n}")));
    assert_eq!((0..100).filter(|n| known(&kit, *n)).count(), 16);
    kit.hear(flow(2), &answer(&invite.text, 200, "bob"));
    assert!(kit.proxy.has_dialog("c1", ("alice", "bob")) && !known(&kit, 0), "who answers has a place");
    let ack = kit.within("ACK", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &ack);
    assert_eq!(lines(&kit.sent()), ["200 > 10.0.0.1", "ACK > 10.0.0.2"]);
}

#[test]
fn a_bye_ends_the_call_as_it_comes_and_still_passes() {
    for (from, to, host, other, by) in [("alice", "bob", 1, 2, "Caller"), ("bob", "alice", 2, 1, "Callee")] {
        let mut kit = Kit::new();
        let (key, invite) = kit.talk();
        let bye = kit.within("BYE", (from, to), &recorded(&invite), BOB);
        kit.hear(flow(host), &bye);
        assert_eq!(kit.events(), [format!("hung 2 by {by}")]);
        let sent = kit.sent().remove(0);
        assert_eq!(lines(std::slice::from_ref(&sent)), [format!("BYE > 10.0.0.{other}")]);
        kit.proxy.end(&mut kit.tx, key, 480, None, kit.now);
        assert!(kit.sent().is_empty(), "nothing is left to end");
        kit.hear(flow(other), &answer(&sent.text, 200, "x").replace(";tag=x\r\n", "\r\n"));
        assert_eq!(lines(&kit.sent()), [format!("200 > 10.0.0.{host}")]);
        kit.wait(Duration::from_secs(60));
        assert!(kit.proxy.is_empty() && kit.tx.is_empty(), "{:?}", kit.proxy);
    }
}

#[test]
fn a_bye_nobody_answers_gets_no_408() {
    let mut kit = Kit::new();
    let (key, invite) = kit.talk();
    let bye = kit.within("BYE", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &bye);
    kit.proxy.end(&mut kit.tx, key, 480, None, kit.now);
    let out = lines(&kit.wait(Duration::from_secs(60)));
    assert_eq!(kit.events(), ["hung 2 by Caller"]);
    assert!(out.iter().all(|line| line == "BYE > 10.0.0.2"), "RFC 4320 section 4.1: {out:?}");
    assert!(kit.proxy.is_empty() && kit.tx.is_empty(), "{:?}", kit.proxy);
}

#[test]
fn our_bye_goes_to_both_by_their_own_routes_and_numbers() {
    let mut kit = Kit::new();
    let key = kit.open_on(&INVITE.replace("Max-F", "Record-Route: <sip:near.test;lr>\r\nMax-F"), flow(1), false);
    let invite = kit.fork(key, vec![target(2, 1000)]).remove(0);
    let ok =
        answer(&invite.text, 200, "bob").replacen("Record-Route", "Record-Route: <sip:far.test;lr>\r\nRecord-Route", 1);
    kit.hear(flow(2), &ok);
    let ack = kit.within("ACK", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &ack);
    let info = kit.within("INFO", ("bob", "alice"), &recorded(&invite), "sip:x@y");
    kit.hear(flow(2), &info);
    kit.sent();
    kit.proxy.end(&mut kit.tx, key, 480, Some("Q.850;cause=31;text=\"operator-hangup\""), kit.now);
    let out = kit.sent();
    assert_eq!(lines(&out), ["BYE > 10.0.0.2", "BYE > 10.0.0.1"]);
    let (to_bob, to_alice) = (&out[0].text, &out[1].text);
    assert!(to_bob.starts_with("BYE sip:bob@10.9.9.9 "), "{to_bob}");
    assert_eq!(field(to_bob, "Route"), Some("<sip:far.test;lr>"));
    assert_eq!(field(to_bob, "From"), Some("<sip:1001@demo.test>;tag=alice"));
    assert_eq!(field(to_bob, "To"), Some("<sip:1002@demo.test>;tag=bob"));
    assert_eq!(field(to_bob, "CSeq"), Some("8 BYE"), "the caller's next number");
    assert!(to_alice.starts_with("BYE sip:1001@10.0.0.1:5060 "));
    assert_eq!(field(to_alice, "Route"), Some("<sip:near.test;lr>"));
    assert_eq!(field(to_alice, "From"), Some("<sip:1002@demo.test>;tag=bob"));
    assert_eq!(field(to_alice, "CSeq"), Some("10 BYE"), "past the callee's INFO");
    assert!(to_alice.contains("operator-hangup"));
}

#[test]
fn a_re_invite_moves_the_target_and_can_be_cancelled() {
    let mut kit = Kit::new();
    let (key, invite) = kit.talk();
    let reinvite = kit.within("INVITE", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &reinvite);
    let sent = kit.sent().remove(0);
    kit.hear(flow(2), &answer(&sent.text, 180, "x").replace(";tag=x\r\n", "\r\n"));
    kit.hear(flow(1), &reinvite.replace("INVITE", "CANCEL"));
    assert_eq!(lines(&kit.sent()), ["180 > 10.0.0.1", "200 > 10.0.0.1", "CANCEL > 10.0.0.2"]);
    let ok =
        answer(&sent.text, 200, "x").replace(";tag=x\r\n", "\r\n").replace("<sip:x@10.9.9.9>", "<sip:new@10.8.8.8>");
    kit.hear(flow(2), &ok);
    kit.hear(flow(2), &ok);
    assert_eq!(lines(&kit.sent()), ["200 > 10.0.0.1", "200 > 10.0.0.1"], "a repeated 2xx passes again");
    kit.proxy.end(&mut kit.tx, key, 480, None, kit.now);
    let out = kit.sent();
    assert!(out[0].text.starts_with("BYE sip:new@10.8.8.8 "));
    assert!(out[1].text.starts_with("BYE sip:moved@10.0.0.1 "));
    for sent in out {
        kit.hear(sent.flow, &answer(&sent.text, 200, "x").replace(";tag=x\r\n", "\r\n"));
    }
    kit.wait(Duration::from_secs(70));
    assert!(kit.proxy.is_empty() && kit.tx.is_empty(), "{:?}", kit.proxy);
}

#[test]
fn an_update_passes_in_an_early_dialog() {
    let mut kit = Kit::new();
    let key = kit.open();
    let invite = kit.fork(key, vec![target(2, 1000)]).remove(0);
    kit.hear(flow(2), &answer(&invite.text, 183, "bob"));
    kit.sent();
    let update = kit.within("UPDATE", ("alice", "bob"), &recorded(&invite), BOB);
    assert!(kit.hear(flow(1), &update));
    assert_eq!(lines(&kit.sent()), ["UPDATE > 10.0.0.2"]);
}

#[test]
fn our_bye_waits_for_the_ack_and_not_for_ever() {
    for acked in [true, false] {
        let mut kit = Kit::new();
        let key = kit.open();
        let invite = kit.fork(key, vec![target(2, 1000)]).remove(0);
        let ok = answer(&invite.text, 200, "bob");
        kit.hear(flow(2), &ok);
        kit.proxy.end(&mut kit.tx, key, 480, None, kit.now);
        assert_eq!(lines(&kit.sent()), ["200 > 10.0.0.1"], "section 15: no BYE before the ACK");
        kit.hear(flow(2), &ok);
        assert_eq!(lines(&kit.sent()), ["200 > 10.0.0.1"], "its repetitions pass");
        if acked {
            let ack = kit.within("ACK", ("alice", "bob"), &recorded(&invite), BOB);
            kit.hear(flow(1), &ack);
            assert_eq!(lines(&kit.sent()), ["ACK > 10.0.0.2", "BYE > 10.0.0.2", "BYE > 10.0.0.1"]);
        }
        let out = lines(&kit.wait(Duration::from_secs(100)));
        assert!(out.contains(&"BYE > 10.0.0.1".to_owned()));
        kit.events();
        assert!(kit.proxy.is_empty() && kit.tx.is_empty(), "{:?}", kit.proxy);
    }
}
