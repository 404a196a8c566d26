//! The queue, walked by real phones: a caller waits with music, an agent logs in, and the two talk.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use interop::{Phone, Sip, Switch, audio, until};
use std::path::Path;

#[test]
fn a_caller_waits_until_an_agent_logs_in_and_the_two_hear_each_other() {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let sip = Sip { server: switch.sip(), tcp: false };
    let (ones, threes) = (audio::noise(1, 5), audio::noise(3, 5));
    let mut agent = Phone::registered(&switch, sip, "1001", &ones);
    let mut caller = Phone::registered(&switch, sip, "1003", &threes);
    caller.dial("104");
    caller.event("CALL_ESTABLISHED");
    // The welcome, and the music after it.
    caller.listen(5);
    agent.dial("*41");
    agent.event("CALL_ESTABLISHED");
    agent.event("CALL_CLOSED");
    agent.event("CALL_INCOMING");
    agent.command("accept", "");
    agent.event("CALL_ESTABLISHED");
    let (at_caller, at_agent) = (caller.recorded(), agent.recorded());
    caller.listen(3);
    agent.listen(3);
    let calls = switch.cli(&["call", "list"]);
    assert_eq!(calls.as_array().map(Vec::len), Some(1), "{calls}");
    agent.command("hangup", "");
    caller.event("CALL_CLOSED");
    let prompts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/prompts"));
    let welcome = audio::find(&caller.heard(), &audio::read(&prompts.join("queue-welcome.wav")));
    assert!(welcome.same >= 4, "the welcome is heard: {welcome:?}");
    let found = audio::find(&caller.heard_after(at_caller), &ones);
    assert!(found.same >= 8, "the caller hears the agent: {found:?}");
    let found = audio::find(&agent.heard_after(at_agent), &threes);
    assert!(found.same >= 8, "the agent hears the caller: {found:?}");

    // An agent who pauses is not rung; one who goes on is.
    agent.dial("*43");
    agent.event("CALL_CLOSED");
    caller.dial("104");
    caller.event("CALL_ESTABLISHED");
    caller.listen(5);
    let waits = |n: usize| {
        let calls = switch.cli(&["call", "list"]);
        (calls.as_array().map(Vec::len) == Some(n)).then_some(())
    };
    until("the caller alone", || waits(1));
    agent.dial("*44");
    agent.event("CALL_CLOSED");
    agent.event("CALL_INCOMING");
    caller.command("hangup", "");
    agent.event("CALL_CLOSED");
    until("nobody", || waits(0));
}
