//! Topology hiding: what one side of a call says about itself never reaches the other.

use flows::Bed;

/// What gives a party away: address, Call-ID, tags, contact, software, the proxies before it.
const OF_ALICE: &[&str] =
    &["10.0.0.1:", "IN IP4 10.0.0.1", "call-alice", "tag-alice", "alice-soft", "alice-proxy", "alice-org"];
const OF_BOB: &[&str] = &["10.0.0.2:", "IN IP4 10.0.0.2", "tag-bob", "bob-soft", "bob-proxy", "bob-warns", "Words"];

fn play(lines: &[&str]) -> Bed {
    let mut bed = Bed::new();
    for line in lines {
        bed.act(line);
    }
    bed
}

fn assert_hidden(bed: &Bed, from: &str, traces: &[&str]) {
    assert!(bed.heard(from).count() > 0, "{from} heard nothing");
    for message in bed.heard(from) {
        for trace in traces {
            assert!(!message.contains(trace), "{from} is told {trace:?}:\n{message}");
        }
    }
}

#[test]
fn an_answered_call_tells_neither_side_of_the_other() {
    let bed = play(&[
        "alice > INVITE 1002 sdp +User-Agent:alice-soft +Record-Route:<sip:alice-proxy;lr> +Organization:alice-org \
         +P-Preferred-Identity:<sip:4711@alice-org> +Supported:100rel",
        "chain > connect 1002",
        "bob > 183 sdp +Server:bob-soft +Record-Route:<sip:bob-proxy;lr>",
        "alice > PRACK +User-Agent:alice-soft",
        "bob > 200 sdp +Server:bob-soft +Record-Route:<sip:bob-proxy;lr> +Warning:399_bob-warns_x",
        "alice > ACK +User-Agent:alice-soft",
        "alice > INVITE hold +User-Agent:alice-soft",
        "bob > 200 held +Server:bob-soft",
        "alice > ACK",
        "bob > INFO key=5 +User-Agent:bob-soft",
        "alice > 200 other +Server:alice-soft",
        "alice > INFO text=hi +User-Agent:alice-soft",
        "bob > 415 other +Server:bob-soft +Warning:399_bob-warns_x",
        "bob > BYE +User-Agent:bob-soft +Reason:SIP;cause=200;text=bob-warns",
        "alice > 200 other +Server:alice-soft",
    ]);
    assert_hidden(&bed, "bob", OF_ALICE);
    assert_hidden(&bed, "alice", OF_BOB);
}

#[test]
fn a_refusal_gives_its_status_and_nothing_else() {
    let bed = play(&[
        "alice > INVITE 1002 sdp +User-Agent:alice-soft",
        "chain > connect 1002",
        "bob > 486 +Server:bob-soft +Warning:399_bob-warns_x +Retry-After:7",
        "chain > nothing",
    ]);
    assert_hidden(&bed, "bob", OF_ALICE);
    assert_hidden(&bed, "alice", OF_BOB);
    assert!(bed.heard("alice").last().is_some_and(|m| m.starts_with("SIP/2.0 486 ") && !m.contains("Retry-After")));
}

#[test]
fn a_transfer_tells_the_target_who_it_is_and_not_where() {
    let bed = play(&[
        "alice > INVITE 1002 sdp",
        "chain > connect 1002",
        "bob > 200 sdp",
        "alice > ACK",
        "bob > REFER refer=1003 +Referred-By:<sip:bob-soft@10.0.0.2:5060> +User-Agent:bob-soft",
        "bob > 200 other",
        "chain > connect 1003",
        "carol > 200 sdp",
        "alice > 200 sdp",
    ]);
    assert_hidden(&bed, "carol", OF_ALICE);
    assert_hidden(&bed, "carol", OF_BOB);
}

/// All that a request within a dialog needs is its Call-ID and tags: whoever watches a phone hangs up none of its calls.
#[test]
fn a_lamp_is_told_no_name_of_a_dialog() {
    let bed = play(&[
        "carol > SUBSCRIBE 1002 dialog expires=600",
        "carol > 200 other",
        "alice > INVITE 1002 sdp",
        "chain > connect 1002",
        "bob > 180",
        "carol > 200 other",
        "bob > 200 sdp",
        "alice > ACK",
        "wait 5s",
        "carol > 200 other",
        "bob > INVITE hold",
        "alice > 200 held",
        "bob > ACK",
        "wait 5s",
    ]);
    let names: Vec<&str> = bed.heard("bob").chain(bed.heard("alice")).flat_map(named).collect();
    assert!(names.len() >= 6, "{names:?}");
    let notified: Vec<&str> = bed.heard("carol").filter(|m| m.contains("<dialog ")).collect();
    assert!(notified.len() >= 3, "{notified:?}");
    assert!(
        notified.iter().all(|m| m.contains("call-id=") && m.contains("local-tag=")),
        "a pickup has nothing to name"
    );
    for message in notified {
        let body = message.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        for name in &names {
            assert!(!body.contains(name), "carol is told {name:?}:\n{message}");
        }
    }
}

/// The Call-ID and the tags of a message.
fn named(message: &str) -> Vec<&str> {
    let lines = message.lines().take_while(|l| !l.is_empty());
    lines
        .filter_map(|line| match line.split_once(": ")? {
            ("Call-ID", id) => Some(id),
            ("From" | "To", party) => party.split(";tag=").nth(1),
            _ => None,
        })
        .collect()
}
