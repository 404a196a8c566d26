//! Forks, failures, time and the caller's CANCEL: sections 16.7 to 16.10.

use super::kit::*;
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn equal_q_rings_together_and_the_next_q_after_all_have_failed() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(4, 500), target(2, 1000), target(3, 1000)]);
    assert_eq!(lines(&sent), ["INVITE > 10.0.0.2", "INVITE > 10.0.0.3"]);
    kit.hear(flow(2), &answer(&sent[0].text, 486, "b"));
    assert_eq!(lines(&kit.sent()), ["ACK > 10.0.0.2"]);
    kit.hear(flow(3), &answer(&sent[1].text, 480, "c"));
    let sent = kit.sent();
    assert_eq!(lines(&sent), ["ACK > 10.0.0.3", "INVITE > 10.0.0.4"]);
    kit.hear(flow(4), &answer(&sent[1].text, 404, "d"));
    kit.sent();
    assert_eq!(
        kit.events(),
        ["started 2", "started 3", "failed 2 486", "failed 3 480", "started 4", "failed 4 404", "spent"]
    );
    assert_eq!(kit.proxy.conclude(&mut kit.tx, key, 480, kit.now), 486, "16.7 step 6");
    let refusal = kit.sent().remove(0);
    assert_eq!(field(&refusal.text, "To"), Some("<sip:1002@demo.test>;tag=b"), "the phone's own response");
}

#[test]
fn the_first_2xx_passes_the_others_are_cancelled_and_a_second_2xx_passes_too() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000), target(3, 1000), target(4, 900)]);
    for (host, invite) in [(2, &sent[0]), (3, &sent[1])] {
        kit.hear(flow(host), &answer(&invite.text, 180, &format!("t{host}")));
    }
    assert_eq!(lines(&kit.sent()), ["180 > 10.0.0.1", "180 > 10.0.0.1"], "16.7 step 5");
    kit.hear(flow(3), &answer(&sent[1].text, 200, "t3"));
    let out = kit.sent();
    assert_eq!(lines(&out), ["200 > 10.0.0.1", "CANCEL > 10.0.0.2"], "16.7 step 10");
    assert!(out[1].text.contains("Reason: SIP;cause=200"));
    kit.hear(flow(2), &answer(&sent[0].text, 200, "t2"));
    assert_eq!(lines(&kit.sent()), ["200 > 10.0.0.1"], "every 2xx passes");
    assert_eq!(kit.events(), ["started 2", "started 3", "ringing 2 180", "ringing 3 180", "answered 3", "answered 2"]);
    kit.proxy.end(&mut kit.tx, key, 480, None, kit.now);
    let out = kit.wait(Duration::from_secs(33));
    let byes = out.iter().filter(|sent| field(&sent.text, "CSeq").is_some_and(|cseq| cseq.ends_with("8 BYE"))).count();
    assert!(byes >= 2, "a BYE to both callees: {:?}", lines(&out));
}

#[test]
fn a_6xx_ends_the_search_only_where_the_tenant_wants_that() {
    for (ends, wanted) in [(true, 603), (false, 486)] {
        let mut kit = Kit::new();
        let key = kit.open_on(INVITE, flow(1), ends);
        let sent = kit.fork(key, vec![target(2, 1000), target(3, 1000), target(4, 500)]);
        kit.hear(flow(3), &answer(&sent[1].text, 180, "c"));
        kit.sent();
        kit.hear(flow(2), &answer(&sent[0].text, 603, "b"));
        let out = lines(&kit.sent());
        assert_eq!(out.contains(&"CANCEL > 10.0.0.3".to_owned()), ends, "{out:?}");
        if ends {
            kit.hear(flow(3), &answer(&sent[1].text, 487, "c"));
        } else {
            kit.hear(flow(3), &answer(&sent[1].text, 404, "c"));
            let next = kit.sent().into_iter().find(|sent| sent.flow.remote == flow(4).remote).expect("the next q");
            kit.hear(flow(4), &answer(&next.text, 486, "d"));
        }
        kit.sent();
        assert_eq!(kit.events().last().map(String::as_str), Some("spent"));
        let got = kit.proxy.conclude(&mut kit.tx, key, 480, kit.now);
        assert!(got == wanted || (!ends && got == 603), "{got}");
    }
}

#[test]
fn a_dead_hop_a_503_and_a_refused_connection_each_lead_to_the_next() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![with_hops(2, &[5, 6, 7, 8])]);
    assert_eq!(lines(&sent), ["INVITE > 10.0.0.5"]);
    let out = kit.wait(33 * SECOND);
    let last = out.last().expect("the next hop").clone();
    assert_eq!(lines(std::slice::from_ref(&last)), ["INVITE > 10.0.0.6"], "Timer B");
    let busy = answer(&last.text, 503, "x").replace("Contact", "Retry-After: 18 (later)\r\nContact");
    kit.hear(flow(6), &busy);
    let out = kit.sent();
    assert_eq!(lines(&out), ["ACK > 10.0.0.6", "INVITE > 10.0.0.7"]);
    kit.tx.handle_flow_failed(&flow(7), kit.now);
    kit.wait(Duration::ZERO);
    while let Some(event) = kit.tx.poll_event() {
        let sip_transaction::Event::ClientFailed { key, why } = event else { panic!("{event:?}") };
        kit.proxy.handle_client_failed(&mut kit.tx, key, why, kit.now);
    }
    let out = kit.sent();
    assert_eq!(lines(&out), ["INVITE > 10.0.0.8"]);
    kit.hear(flow(8), &answer(&out[0].text, 200, "b"));
    assert_eq!(
        kit.events(),
        ["started 2", "hop 10.0.0.5 None", "hop 10.0.0.6 Some(18s)", "hop 10.0.0.7 None", "answered 2"]
    );
}

#[test]
fn a_503_of_the_last_hop_is_a_500_to_the_caller() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]);
    kit.hear(flow(2), &answer(&sent[0].text, 503, "b"));
    kit.sent();
    assert_eq!(kit.proxy.conclude(&mut kit.tx, key, 480, kit.now), 500, "16.7 step 6");
    assert!(kit.sent()[0].text.starts_with("SIP/2.0 500 Server Internal Error\r\nVia: SIP/2.0/UDP 10.0.0.1"));
}

#[test]
fn timer_c_cancels_what_rings_too_long_and_a_provisional_response_moves_it() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]);
    kit.hear(flow(2), &answer(&sent[0].text, 180, "b"));
    assert_eq!(kit.wait(180 * SECOND).len(), 1, "the 180");
    kit.hear(flow(2), &answer(&sent[0].text, 180, "b"));
    assert_eq!(lines(&kit.wait(180 * SECOND)), ["180 > 10.0.0.1"]);
    let out = kit.wait(6 * SECOND);
    assert_eq!(lines(&out)[..1], ["CANCEL > 10.0.0.2"], "16.8");
    kit.hear(flow(2), &answer(&sent[0].text, 487, "b"));
    assert!(kit.events().contains(&"failed 2 487 TimerC".to_owned()));
    kit.proxy.conclude(&mut kit.tx, key, 408, kit.now);
    kit.proxy.end(&mut kit.tx, key, 480, None, kit.now);
    kit.wait(60 * SECOND);
    assert!(kit.proxy.is_empty(), "{:?}", kit.proxy);
}

fn cancel() -> String {
    INVITE.replace("INVITE", "CANCEL").replace("Contact", "Reason: SIP;cause=487\r\nContact")
}

#[test]
fn the_callers_cancel_goes_to_every_branch_and_its_487_comes_back() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000), target(3, 1000), target(4, 1)]);
    for (at, host) in [(0, 2), (1, 3)] {
        kit.hear(flow(host), &answer(&sent[at].text, 180, &format!("t{host}")));
    }
    kit.sent();
    assert!(kit.hear(flow(1), &cancel()), "16.10");
    let out = kit.sent();
    assert_eq!(lines(&out), ["200 > 10.0.0.1", "CANCEL > 10.0.0.2", "CANCEL > 10.0.0.3"]);
    assert_eq!(field(&out[1].text, "Reason"), Some("SIP;cause=487"));
    for (at, host) in [(0, 2), (1, 3)] {
        kit.hear(flow(host), &answer(&sent[at].text, 487, &format!("t{host}")));
    }
    assert_eq!(lines(&kit.sent()), ["ACK > 10.0.0.2", "ACK > 10.0.0.3"], "q 0.001 is not tried");
    assert_eq!(kit.events().last().map(String::as_str), Some("spent cancelled"));
    assert_eq!(kit.proxy.conclude(&mut kit.tx, key, 480, kit.now), 487);
}

#[test]
fn a_2xx_that_crosses_the_cancel_wins() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]);
    kit.hear(flow(2), &answer(&sent[0].text, 180, "b"));
    kit.hear(flow(1), &cancel());
    kit.hear(flow(2), &answer(&sent[0].text, 200, "b"));
    assert!(lines(&kit.sent()).contains(&"200 > 10.0.0.1".to_owned()));
    assert!(kit.events().contains(&"answered 2".to_owned()));
    assert!(!kit.proxy.is_spent(key) || kit.proxy.len() == 1);
}

#[test]
fn a_2xx_after_the_end_gets_its_ack_and_a_bye_from_here() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]);
    kit.hear(flow(2), &answer(&sent[0].text, 180, "b"));
    kit.sent();
    kit.proxy.end(&mut kit.tx, key, 480, Some("Q.850;cause=31"), kit.now);
    assert_eq!(lines(&kit.sent()), ["480 > 10.0.0.1", "CANCEL > 10.0.0.2"]);
    kit.hear(flow(2), &answer(&sent[0].text, 200, "b"));
    let out = kit.sent();
    assert_eq!(lines(&out), ["ACK > 10.0.0.2", "BYE > 10.0.0.2"]);
    assert!(out[0].text.starts_with("ACK sip:b@10.9.9.9 SIP/2.0"));
    assert_eq!(field(&out[0].text, "CSeq"), Some("7 ACK"));
    assert_eq!(field(&out[1].text, "CSeq"), Some("8 BYE"));
    kit.hear(flow(2), &answer(&out[1].text, 200, "x").replace(";tag=x\r\n", "\r\n"));
    kit.wait(60 * SECOND);
    assert_eq!(kit.events(), ["started 2", "ringing 2 180"], "what was ended is not told of");
    assert!(kit.proxy.is_empty() && kit.tx.is_empty(), "{:?}", kit.proxy);
}

#[test]
fn a_call_that_rings_is_given_back_and_no_more_is_told_of_it() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000), target(3, 1000), target(4, 1)]);
    for (at, host) in [(0, 2), (1, 3)] {
        kit.hear(flow(host), &answer(&sent[at].text, 180, &format!("t{host}")));
    }
    kit.sent();
    kit.events();
    assert!(kit.proxy.is_open(key));
    let why = "SIP;cause=200;text=\"picked-up\"";
    let (_, from, request) = kit.proxy.take_back(&mut kit.tx, key, Some(why), kit.now).expect("the INVITE");
    assert_eq!((from, request.is_method(sip_message::Method::Invite)), (flow(1), true));
    let out = kit.sent();
    assert_eq!(lines(&out), ["CANCEL > 10.0.0.2", "CANCEL > 10.0.0.3"], "and q 0.001 is not tried");
    assert!(out.iter().all(|cancel| field(&cancel.text, "Reason") == Some(why)));
    assert!(!kit.proxy.is_open(key) && kit.proxy.take_back(&mut kit.tx, key, None, kit.now).is_none());
    assert!(!kit.hear(flow(1), &cancel()), "whoever has the INVITE hears of its CANCEL");
    kit.sent();
    kit.hear(flow(2), &answer(&sent[0].text, 200, "t2"));
    kit.hear(flow(3), &answer(&sent[1].text, 487, "t3"));
    let out = kit.sent();
    assert_eq!(lines(&out), ["ACK > 10.0.0.2", "BYE > 10.0.0.2", "ACK > 10.0.0.3"]);
    kit.hear(flow(2), &answer(&out[1].text, 200, "x").replace(";tag=x\r\n", "\r\n"));
    kit.wait(60 * SECOND);
    assert!(kit.events().is_empty() && kit.proxy.is_empty(), "{:?}", kit.proxy);
}

#[test]
fn what_rings_its_time_gives_way_to_the_next_group() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000), target(3, 500)]);
    kit.hear(flow(2), &answer(&sent[0].text, 180, "b"));
    kit.sent();
    assert!(kit.proxy.give_up_group(&mut kit.tx, key, kit.now));
    assert_eq!(lines(&kit.sent()), ["CANCEL > 10.0.0.2", "INVITE > 10.0.0.3"]);
    assert!(!kit.proxy.give_up_group(&mut kit.tx, key, kit.now), "none waits");
}
