//! Voicemail by mail: a phone leaves a message, the switch is killed before the mail is taken, and it arrives all the same,
//! with the sound as it was spoken.
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "../../../host/mail/tests/hosts/peer.rs"]
mod peer;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use interop::{Phone, Sip, Switch, audio, until};
use peer::{Answer, Peer, Secrecy};
use serde_json::{Value, json};
use std::path::Path;

/// 1001 calls 1003, who is not there, and speaks after the beep.
fn leave((switch, data): (&Switch, &Path), speaks: &[i16]) {
    let sip = Sip { server: switch.sip(), tcp: false };
    let mut caller = Phone::registered(switch, sip, "1001", speaks);
    caller.dial("1003");
    caller.event("CALL_ESTABLISHED");
    // `#` leaps over the greeting, and the beep is a second at most.
    caller.listen(2);
    caller.keys("#");
    // Until five seconds of it are on the disk.
    let folder = data.join("recordings").join(switch.company().to_string());
    until("what is said", || {
        let sizes = std::fs::read_dir(&folder).ok()?.flatten().filter_map(|e| e.metadata().ok()).map(|m| m.len());
        (sizes.max()? > 5 * 16_000).then_some(())
    });
    caller.command("hangup", "");
    caller.event("CALL_CLOSED");
}

/// The sound that goes with a mail.
fn attached(text: &str) -> Vec<u8> {
    let (_, part) = text.split_once("filename=\"message.wav\"").expect("a part with the sound");
    let (_, body) = part.split_once("\r\n\r\n").expect("its body");
    let encoded: String = body.lines().take_while(|line| !line.starts_with("--")).collect();
    BASE64_STANDARD.decode(encoded).expect("base64")
}

fn mail(switch: &Switch, state: &str) -> Value {
    until(&format!("a mail that is {state}"), || {
        switch.rest().all("/mails").into_iter().next().filter(|mail| mail["state"] == state && mail["tries"] != 0)
    })
}

#[test]
fn a_message_arrives_by_mail_although_the_switch_was_killed_before() {
    let data = tempfile::tempdir().unwrap();
    let mut switch = Switch::demo(data.path());
    let peer = Peer::start(Secrecy::Starttls);
    let host = json!({
        "host": "localhost", "port": peer.address.port(), "tls": "starttls", "ca": peer.pem,
        "user": "pbx", "password": "hush hush", "from": "pbx@strowger.test", "from_name": "The switch",
    });
    switch.rest().write("PUT", "/mail-host", &host);
    let shown = switch.cli(&["mail", "host", "show"]);
    assert!(shown["has_password"] == true && !shown.to_string().contains("hush"), "{shown}");
    assert_eq!(switch.cli(&["mail", "host", "try", "anna@example.net"])["taken"], true);
    let trial = peer.taken(0);
    assert_eq!((trial.secret, trial.user.as_deref()), (true, Some("AHBieABodXNoIGh1c2g=")));
    let kept = switch.cli(&["mailbox", "keep", "1003", "--mail", "anna@example.net", "--attach", "--delete"]);
    assert_eq!(kept["mail"], json!({ "address": "anna@example.net", "attach": true, "delete": true }));

    peer.then(&[Answer::Mail(451)]);
    let spoken = audio::noise(1, 5);
    leave((&switch, data.path()), &spoken);
    let waits = mail(&switch, "waiting");
    assert!(waits["error"].as_str().is_some_and(|why| why.contains("451")), "{waits}");
    switch.child().kill();
    let _killed = switch.child().wait();

    let switch = Switch::demo(data.path());
    let again = switch.cli(&["mail", "retry", &waits["id"].to_string()]);
    assert_eq!(again["id"], waits["id"]);
    let taken = peer.taken(1);
    assert_eq!((taken.to.as_slice(), taken.secret), (&["anna@example.net".to_owned()][..], true));
    assert!(taken.header("Subject").is_some_and(|s| s.starts_with("Voice message from 1001 (0:")), "{}", taken.text);
    // The host was told the same mail twice, and can see that.
    let before = peer.said().into_iter().find(|(answer, _)| *answer == Answer::Mail(451)).expect("the first try").1;
    assert_eq!(taken.text, before.text);
    let file = data.path().join("arrived.wav");
    std::fs::write(&file, attached(&taken.text)).unwrap();
    let heard = audio::find(&audio::read(&file), &spoken);
    assert!(heard.is_there() && heard.same >= 8, "what was said arrives: {heard:?}");

    assert_eq!(mail(&switch, "sent")["to"], "anna@example.net");
    let own = switch.rest().all("/accounts").into_iter().find(|a| a["username"] == "1003").expect("1003");
    let messages = switch.rest().all(&format!("/accounts/{}/voicemail/messages", own["id"]));
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["folder"], "deleted", "it was sent with its sound, and was to be deleted then");
    assert!(switch.rest().metrics().contains("strowger_mails_total{what=\"sent\"} 1"));
}
