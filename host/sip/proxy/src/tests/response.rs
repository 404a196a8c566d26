//! Responses on their way back: section 16.7 steps 3 to 8.

use super::kit::*;

#[test]
fn a_response_loses_our_via_and_nothing_else() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]).remove(0);
    let ringing = answer(&sent.text, 183, "b").replace("Contact", "X-Kept: a, b\r\nContact");
    kit.hear(flow(2), &ringing);
    let back = kit.sent().remove(0);
    let ours = ringing.lines().find(|line| line.starts_with("Via")).expect("our Via");
    assert_eq!(back.text, ringing.replacen(&format!("{ours}\r\n"), "", 1));
    assert_eq!(back.flow.remote, flow(1).remote);
}

#[test]
fn our_via_in_one_line_with_the_next_is_cut_out() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]).remove(0);
    let ringing = answer(&sent.text, 183, "b");
    let vias: Vec<&str> = fields(&ringing, "Via").collect();
    let joined =
        ringing.replacen(&format!("Via: {}\r\nVia: {}", vias[0], vias[1]), &format!("v: {}, {}", vias[0], vias[1]), 1);
    kit.hear(flow(2), &joined);
    let back = kit.sent().remove(0);
    assert_eq!(fields(&back.text, "v").collect::<Vec<_>>(), [vias[1]]);
}

#[test]
fn a_100_stays_here_and_199_passes() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]).remove(0);
    kit.hear(flow(2), &answer(&sent.text, 100, "b"));
    assert!(kit.sent().is_empty(), "16.7 step 5");
    kit.hear(flow(2), &answer(&sent.text, 199, "b"));
    assert_eq!(lines(&kit.sent()), ["199 > 10.0.0.1"]);
}

#[test]
fn the_challenges_of_all_branches_go_back_in_one() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000), target(3, 1000), target(4, 1000)]);
    let challenged = |at: usize, status, name: &str, realm: &str| {
        let challenge = format!("{name}: Digest realm=\"{realm}\"\r\nContact");
        answer(&sent[at].text, status, realm).replace("Contact", &challenge)
    };
    kit.hear(flow(2), &challenged(0, 407, "Proxy-Authenticate", "b"));
    kit.hear(flow(3), &challenged(1, 401, "WWW-Authenticate", "c"));
    kit.hear(flow(4), &answer(&sent[2].text, 486, "d"));
    kit.sent();
    assert_eq!(kit.proxy.conclude(&mut kit.tx, key, 480, kit.now), 407);
    let back = kit.sent().remove(0);
    assert_eq!(fields(&back.text, "Proxy-Authenticate").collect::<Vec<_>>(), ["Digest realm=\"b\""]);
    assert_eq!(fields(&back.text, "WWW-Authenticate").collect::<Vec<_>>(), ["Digest realm=\"c\""], "16.7 step 7");
}

#[test]
fn a_redirection_goes_to_the_caller() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]).remove(0);
    kit.hear(flow(2), &answer(&sent.text, 302, "b"));
    kit.sent();
    assert_eq!(kit.events(), ["started 2", "failed 2 302", "spent"]);
    assert_eq!(kit.proxy.conclude(&mut kit.tx, key, 480, kit.now), 302);
    assert_eq!(field(&kit.sent()[0].text, "Contact"), Some("<sip:b@10.9.9.9>"));
}

#[test]
fn a_redirection_that_was_followed_counts_no_more() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000), target(3, 1000)]);
    kit.hear(flow(2), &answer(&sent[0].text, 302, "b"));
    kit.hear(flow(3), &answer(&sent[1].text, 302, "c"));
    assert_eq!(kit.events().last().map(String::as_str), Some("spent"));
    kit.sent();
    kit.proxy.follow(&mut kit.tx, key, (2, vec![target(4, 1000)]), kit.now);
    assert!(!kit.proxy.is_spent(key), "it rings where the first led");
    let invite = kit.sent().remove(0);
    kit.hear(flow(4), &answer(&invite.text, 486, "d"));
    kit.sent();
    assert_eq!(kit.events(), ["started 4", "failed 4 486", "spent"]);
    assert_eq!(kit.proxy.conclude(&mut kit.tx, key, 480, kit.now), 302, "the other's, which nobody followed");
    assert_eq!(field(&kit.sent()[0].text, "To"), Some("<sip:1002@demo.test>;tag=c"));
}
