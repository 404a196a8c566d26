//! Voicemail, walked by real phones: a message is left, a lamp lights, the message is heard, deleted, and the lamp goes out.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use interop::{Phone, Sip, Switch, audio, until};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Two of them at once would share the machine's two cores with four phones.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prompt(name: &str) -> Vec<i16> {
    audio::read(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/prompts")).join(format!("{name}.wav")))
}

fn account(switch: &Switch, user: &str) -> i64 {
    let all = switch.rest().all("/accounts");
    all.iter().find(|a| a["username"] == user).and_then(|a| a["id"].as_i64()).expect("an account")
}

/// Waits until the phone was told of so many new and saved messages.
fn lamp(phone: &mut Phone, new: u32, saved: u32) {
    let counts = format!("Voice-Message: {new}/{saved}");
    let lit = if new > 0 { "Messages-Waiting: yes" } else { "Messages-Waiting: no" };
    loop {
        let told = phone.event("MWI_NOTIFY");
        let body = told["param"].as_str().unwrap_or_default();
        if body.contains(lit) && (body.contains(&counts) || (new, saved) == (0, 0)) {
            return;
        }
    }
}

/// 1001 calls 1003, who is not there, and speaks after the beep.
fn leave((switch, data): (&Switch, &Path), sip: Sip, speaks: &[i16]) -> Phone {
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
    caller
}

fn messages(switch: &Switch, id: i64, n: usize) -> Vec<Value> {
    let path = format!("/accounts/{id}/voicemail/messages");
    until(&format!("{n} messages"), || Some(switch.rest().all(&path)).filter(|m| m.len() == n))
}

#[test]
fn a_message_is_left_lights_a_lamp_is_heard_and_deleted() {
    let _turn = turn();
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let sip = Sip { server: switch.sip(), tcp: false };
    let ones = audio::noise(1, 5);
    let mut caller = leave((&switch, data.path()), sip, &ones);
    caller.command("hangup", "");
    caller.event("CALL_CLOSED");
    let greeting = audio::find(&caller.heard(), &prompt("vm-unavailable"));
    assert!(greeting.same >= 4, "the greeting is heard: {greeting:?}");

    let id = account(&switch, "1003");
    let message = messages(&switch, id, 1).remove(0);
    assert_eq!((&message["folder"], &message["caller"]), (&json!("new"), &json!("1001")), "{message}");
    assert!(message["length_ms"].as_u64().is_some_and(|ms| (2_000..20_000).contains(&ms)), "{message}");
    let number = message["id"].as_i64().unwrap();
    let file = data.path().join("fetched.wav");
    let fetched =
        switch.cli(&["mailbox", "fetch", "1003", &number.to_string(), file.to_str().unwrap()])["bytes"].as_u64();
    assert_eq!(fetched, file.metadata().ok().map(|m| m.len()));
    let kept = audio::find(&audio::read(&file), &ones);
    assert!(kept.is_there() && kept.same >= 8, "what was said is kept: {kept:?}");

    let twos = audio::noise(2, 5);
    let mut owner = Phone::with_lamp(&switch, sip, "1003", &twos);
    lamp(&mut owner, 1, 0);
    owner.dial("*97");
    owner.event("CALL_ESTABLISHED");
    // The first PIN, twice; then new messages.
    owner.listen(1);
    owner.keys("4711#");
    owner.keys("4711#");
    until("the PIN", || {
        let shown = switch.cli(&["mailbox", "show", "1003"]);
        (shown["has_pin"] == true).then_some(())
    });
    let before = owner.recorded();
    owner.keys("1");
    owner.listen(9);
    owner.keys("3");
    lamp(&mut owner, 0, 0);
    owner.command("hangup", "");
    owner.event("CALL_CLOSED");
    let played = audio::find(&owner.heard_after(before), &ones);
    assert!(played.same >= 8, "the message is heard: {played:?}");
    assert_eq!(messages(&switch, id, 1)[0]["folder"], "deleted");

    // Moved back by the operator the lamp lights again, and forgotten for good it leaves no file.
    let path = format!("/accounts/{id}/voicemail/messages/{number}");
    switch.rest().write("PATCH", &path, &json!({ "folder": "saved" }));
    lamp(&mut owner, 0, 1);
    switch.rest().write("DELETE", &path, &Value::Null);
    messages(&switch, id, 0);
    let company = data.path().join("mailboxes").join(switch.company().to_string());
    assert_eq!(std::fs::read_dir(company).unwrap().count(), 0);
}

#[test]
fn wrong_pins_lock_a_box_and_a_lamp_lights_after_a_restart() {
    let _turn = turn();
    let data = tempfile::tempdir().unwrap();
    let mut switch = Switch::demo(data.path());
    let sip = Sip { server: switch.sip(), tcp: false };
    let mut caller = leave((&switch, data.path()), sip, &audio::noise(1, 5));
    caller.command("hangup", "");
    caller.event("CALL_CLOSED");
    let id = account(&switch, "1003");
    messages(&switch, id, 1);
    let _kept = switch.cli(&["mailbox", "keep", "1003", "--pin", "4711"]);
    for (tries, locked) in [(3, false), (2, true)] {
        caller.dial("*981003");
        caller.event("CALL_ESTABLISHED");
        for _ in 0..tries {
            caller.keys("0000#");
        }
        caller.event("CALL_CLOSED");
        let shown = switch.cli(&["mailbox", "show", "1003"]);
        assert_eq!(shown["locked_s"].as_u64().is_some_and(|s| s > 600), locked, "{tries} wrong: {shown}");
    }
    assert_eq!(switch.cli(&["mailbox", "keep", "1003", "--pin", "4712"])["locked_s"], 0);
    drop(caller);
    switch.child().terminate();
    let _ended = switch.child().wait();
    let switch = Switch::demo(data.path());
    let sip = Sip { server: switch.sip(), tcp: false };
    let mut owner = Phone::with_lamp(&switch, sip, "1003", &audio::noise(2, 5));
    lamp(&mut owner, 1, 0);
}
