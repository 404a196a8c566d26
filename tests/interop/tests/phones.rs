//! Real phones through the real binary: two baresips call each other, and each hears what the other plays.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use interop::{Phone, Run, Sip, Switch, audio, until};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Two phones, 1001 and 1002, with sounds of their own, at a demo of their own.
struct Pair {
    switch: Switch,
    one: Phone,
    two: Phone,
    ones: Vec<i16>,
    twos: Vec<i16>,
    _data: tempfile::TempDir,
}

fn pair(ip: IpAddr, tcp: bool) -> Pair {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::start(&Run::Demo(ip), data.path());
    let sip = Sip { server: switch.sip(), tcp };
    let (ones, twos) = (audio::noise(1, 5), audio::sweep(5));
    let one = Phone::registered(&switch, sip, "1001", &ones);
    let two = Phone::registered(&switch, sip, "1002", &twos);
    Pair { switch, one, two, ones, twos, _data: data }
}

impl Pair {
    fn v4() -> Pair {
        pair(Ipv4Addr::LOCALHOST.into(), false)
    }

    /// 1001 calls, 1002 answers.
    fn talk(&mut self, number: &str) {
        self.one.dial(number);
        self.answer();
    }

    fn answer(&mut self) {
        self.two.event("CALL_INCOMING");
        self.two.command("accept", "");
        self.two.event("CALL_ESTABLISHED");
        self.one.event("CALL_ESTABLISHED");
    }

    fn both_listen(&self, seconds: u64) {
        self.one.listen(seconds);
        self.two.listen(seconds);
    }

    /// The CDRs as the command lists them, once there are so many; by call and leg.
    fn cdrs(&self, legs: usize) -> Vec<Value> {
        until("the CDRs", || {
            let listed = self.switch.cli(&["cdr", "list"]);
            let mut all = listed.as_array().cloned().unwrap_or_default();
            all.sort_by_key(|c| (c["started_at"].to_string(), c["leg"].as_u64()));
            (all.len() >= legs).then_some(all)
        })
    }

    /// Each recording holds what the other side played, and nothing of its own.
    fn check_sound(&self) {
        let (heard_by_one, heard_by_two) = (self.one.heard(), self.two.heard());
        let (at_one, at_two) = (audio::find(&heard_by_one, &self.twos), audio::find(&heard_by_two, &self.ones));
        assert!(at_one.is_there(), "1001 hears 1002: {at_one:?}");
        assert!(at_two.is_there(), "1002 hears 1001: {at_two:?}");
        assert!(audio::find(&heard_by_one, &self.ones).is_absent(), "1001 hears itself");
        assert!(audio::find(&heard_by_two, &self.twos).is_absent(), "1002 hears itself");
    }
}

fn causes(cdrs: &[Value]) -> Vec<String> {
    let text = |c: &Value, name: &str| c[name].as_str().unwrap_or_default().to_owned();
    cdrs.iter().map(|c| format!("{} {} {}", text(c, "role"), text(c, "cause"), c["sip_status"])).collect()
}

fn call_and_hear(ip: IpAddr, tcp: bool) {
    let mut pair = pair(ip, tcp);
    pair.talk("1002");
    pair.both_listen(3);
    pair.two.command("hangup", "");
    pair.one.event("CALL_CLOSED");
    let cdrs = pair.cdrs(2);
    assert_eq!(causes(&cdrs), ["caller normal-clearing 200", "callee normal-clearing 200"], "{cdrs:#?}");
    for cdr in &cdrs {
        assert_eq!(
            (&cdr["ended_by"], &cdr["callee"], &cdr["decided_by"]),
            (&"callee".into(), &"1002".into(), &"extensions".into())
        );
        let billed = cdr["billed_ms"].as_u64().unwrap();
        assert!((2_000..60_000).contains(&billed), "{cdr:#}");
    }
    pair.check_sound();
}

/// Click to call: the caller's own phone is called by the switch, and hears the other one ring before the two talk.
#[test]
fn a_phone_is_called_and_calls_the_other() {
    let mut pair = Pair::v4();
    let make = |pair: &Pair| {
        let made = pair.switch.cli(&["call", "make", "1001", "1002", "--name", "Desk"]);
        made["id"].as_str().expect("an id").to_owned()
    };
    let id = make(&pair);
    let shown = pair.one.event("CALL_INCOMING");
    assert!(shown["peeruri"].as_str().is_some_and(|uri| uri.starts_with("sip:1002@")), "{shown}");
    pair.one.command("accept", "");
    pair.one.event("CALL_ESTABLISHED");
    pair.two.event("CALL_INCOMING");
    pair.one.listen(2);
    let ringing = pair.one.recorded();
    pair.two.command("accept", "");
    pair.two.event("CALL_ESTABLISHED");
    pair.both_listen(4);
    pair.two.command("hangup", "");
    pair.one.event("CALL_CLOSED");
    let cdrs = pair.cdrs(2);
    assert_eq!(causes(&cdrs), ["caller normal-clearing 200", "callee normal-clearing 200"], "{cdrs:#?}");
    for cdr in &cdrs {
        let of = [&cdr["call"], &cdr["caller"], &cdr["callee"], &cdr["decided_by"]];
        assert_eq!(of.map(|v| v.as_str().unwrap_or_default()), [&id, "1001", "1002", "extensions"], "{cdr:#}");
    }
    let (before, after) = (pair.one.heard(), pair.one.heard_after(ringing));
    let tone = audio::find_tone(&before[..before.len() - after.len()], 425.0);
    assert!(tone.1 >= 2, "1001 hears 1002 ring: {tone:?}");
    let (at_one, at_two) = (audio::find(&after, &pair.twos), audio::find(&pair.two.heard(), &pair.ones));
    assert!(at_one.same >= 8, "1001 hears 1002: {at_one:?}");
    assert!(at_two.is_there(), "1002 hears 1001: {at_two:?}");

    // Called off while the caller's own phone rings.
    let id = make(&pair);
    pair.one.event("CALL_INCOMING");
    let _ = pair.switch.cli(&["call", "hangup", &id]);
    pair.one.event("CALL_CLOSED");
    let cdrs = pair.cdrs(4);
    assert_eq!(causes(&cdrs[2..]), ["caller operator-hangup 480", "callee operator-hangup 480"], "{cdrs:#?}");
}

#[test]
fn two_phones_hear_each_other_over_udp() {
    call_and_hear(Ipv4Addr::LOCALHOST.into(), false);
}

#[test]
fn two_phones_hear_each_other_over_tcp() {
    call_and_hear(Ipv4Addr::LOCALHOST.into(), true);
}

#[test]
fn two_phones_hear_each_other_over_ipv6() {
    call_and_hear(Ipv6Addr::LOCALHOST.into(), false);
}

#[test]
fn two_phones_hear_each_other_over_ipv6_and_tcp() {
    call_and_hear(Ipv6Addr::LOCALHOST.into(), true);
}

/// The dialog goes from phone to phone, the audio by the switch.
#[test]
fn two_phones_hear_each_other_through_a_relayed_call() {
    let mut pair = Pair::v4();
    let company = format!("/companies/{}", pair.switch.company());
    pair.switch.rest().write("PATCH", &company, &serde_json::json!({ "handling": "relay" }));
    pair.talk("1002");
    pair.both_listen(3);
    assert!(packet_rate(&pair.switch) > 75.0, "the audio passes by the switch");
    pair.two.command("hangup", "");
    pair.one.event("CALL_CLOSED");
    let cdrs = pair.cdrs(2);
    assert_eq!(causes(&cdrs), ["caller normal-clearing 200", "callee normal-clearing 200"], "{cdrs:#?}");
    assert_eq!(cdrs[0]["sip_call_id"], cdrs[1]["sip_call_id"], "one dialog: {cdrs:#?}");
    assert!(cdrs[0]["sip_call_id"].is_string(), "{cdrs:#?}");
    pair.check_sound();
    until("every port", || (pair.switch.rest().metric("strowger_media_streams") == 0.0).then_some(()));
}

#[test]
fn a_digit_walks_through_the_attendant() {
    let mut pair = Pair::v4();
    pair.one.dial("100");
    pair.one.event("CALL_ESTABLISHED");
    pair.one.listen(2);
    let menu = audio::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/prompts/attendant-menu.wav").as_ref());
    pair.one.command("sndcode", "2");
    pair.two.event("CALL_INCOMING");
    pair.two.command("accept", "");
    pair.two.event("CALL_ESTABLISHED");
    let before = pair.one.recorded();
    pair.both_listen(3);
    pair.one.command("hangup", "");
    pair.two.event("CALL_CLOSED");
    let found = audio::find(&pair.one.heard(), &menu);
    assert!(found.same >= 4, "the menu is heard: {found:?}");
    let at_one = audio::find(&pair.one.heard_after(before), &pair.twos);
    assert!(at_one.same >= 4, "1001 hears 1002: {at_one:?}");
    let at_two = audio::find(&pair.two.heard(), &pair.ones);
    assert!(at_two.is_there(), "1002 hears 1001: {at_two:?}");
    let cdrs = pair.cdrs(2);
    assert_eq!(causes(&cdrs), ["caller normal-clearing 200", "callee app-hangup 200"], "{cdrs:#?}");
}

#[test]
fn the_echo_test_gives_back_what_is_played() {
    let mut pair = Pair::v4();
    pair.one.dial("101");
    pair.one.event("CALL_ESTABLISHED");
    pair.one.listen(5);
    pair.one.command("hangup", "");
    pair.one.event("CALL_CLOSED");
    let found = audio::find(&pair.one.heard(), &pair.ones);
    assert!(found.same >= 4, "1001 hears itself: {found:?}");
    let cdrs = pair.cdrs(1);
    assert_eq!(cdrs[0]["ended_by"], "caller", "{cdrs:#?}");
}

#[test]
fn three_phones_meet_in_a_conference_room() {
    let mut pair = Pair::v4();
    let threes = audio::noise(3, 5);
    let sip = Sip { server: pair.switch.sip(), tcp: false };
    let mut three = Phone::registered(&pair.switch, sip, "1003", &threes);
    for phone in [&mut pair.one, &mut pair.two, &mut three] {
        phone.dial("102");
        phone.event("CALL_ESTABLISHED");
    }
    pair.both_listen(5);
    three.listen(5);
    pair.two.command("hangup", "");
    pair.two.event("CALL_CLOSED");
    until("two in the room", || {
        let calls = pair.switch.cli(&["call", "list"]);
        (calls.as_array().map(Vec::len) == Some(2)).then_some(())
    });
    for phone in [&mut pair.one, &mut three] {
        phone.command("hangup", "");
        phone.event("CALL_CLOSED");
    }
    let sounds = [("1001", &pair.one, &pair.ones), ("1002", &pair.two, &pair.twos), ("1003", &three, &threes)];
    for (listener, phone, own) in &sounds {
        let heard = phone.heard();
        // Of two that are mixed each is seven tenths of what is heard.
        for (speaker, _, sound) in sounds.iter().filter(|(speaker, ..)| speaker != listener) {
            let found = audio::find(&heard, sound);
            assert!(found.best > 0.5, "{listener} hears {speaker}: {found:?}");
        }
        let found = audio::find(&heard, own);
        assert!(found.best < 0.35, "{listener} does not hear itself: {found:?}");
    }
}

/// RTP packets a second that reach the switch, over one second.
fn packet_rate(switch: &Switch) -> f64 {
    let packets = || switch.rest().metric("strowger_media_packets_total{what=\"received\"");
    let (before, begun) = (packets(), Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    (packets() - before) / begun.elapsed().as_secs_f64()
}

/// baresip 1.0 leaves its recorder out after a re-INVITE, so this one counts packets: 50 a second and direction.
#[test]
fn a_call_is_held_and_resumed() {
    let mut pair = Pair::v4();
    pair.talk("1002");
    pair.both_listen(2);
    assert!(packet_rate(&pair.switch) > 75.0, "both play");
    pair.one.command("hold", "");
    until("the held call", || (pair.switch.cli(&["call", "list"])[0]["state"] == "held").then_some(()));
    until("silence", || (packet_rate(&pair.switch) < 5.0).then_some(()));
    pair.one.command("resume", "");
    until("the resumed call", || (pair.switch.cli(&["call", "list"])[0]["state"] == "answered").then_some(()));
    until("sound of both", || (packet_rate(&pair.switch) > 75.0).then_some(()));
    pair.one.command("hangup", "");
    pair.two.event("CALL_CLOSED");
    let cdrs = pair.cdrs(2);
    assert_eq!(causes(&cdrs), ["caller normal-clearing 200", "callee normal-clearing 200"], "{cdrs:#?}");
    assert_eq!(cdrs[0]["ended_by"], "caller");
    pair.check_sound();
}

#[test]
fn a_caller_gives_up_and_a_callee_is_busy() {
    let mut pair = Pair::v4();
    pair.one.dial("1002");
    pair.two.event("CALL_INCOMING");
    pair.one.event("CALL_RINGING");
    pair.one.command("hangup", "");
    pair.two.event("CALL_CLOSED");
    // Nobody takes messages: what failed is what the caller hears.
    pair.switch.unbind("voicemail-unanswered");
    let cdrs = pair.cdrs(2);
    assert_eq!(causes(&cdrs), ["caller cancelled 487", "callee cancelled 487"], "{cdrs:#?}");
    assert!(cdrs.iter().all(|c| c["billed_ms"] == 0 && c["answered_at"].is_null()), "{cdrs:#?}");

    pair.one.dial("1002");
    pair.two.event("CALL_INCOMING");
    pair.two.command("hangup", "");
    pair.one.event("CALL_CLOSED");
    let cdrs = pair.cdrs(4);
    assert_eq!(causes(&cdrs[2..]), ["caller busy 486", "callee busy 486"], "{cdrs:#?}");

    pair.one.dial("1003");
    pair.one.event("CALL_CLOSED");
    let cdrs = pair.cdrs(5);
    assert_eq!(causes(&cdrs[4..5]), ["caller not-registered 480"], "{cdrs:#?}");
}

/// 1001 has G.711 only, 1002 Opus only. What passes is a voice coded anew, so a window is alike and not the same.
fn unlike_pair() -> Pair {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::start(&Run::Demo(Ipv4Addr::LOCALHOST.into()), data.path());
    let sip = Sip { server: switch.sip(), tcp: false };
    let ones = audio::sweep(5);
    let twos: Vec<i16> = ones.iter().rev().copied().collect();
    let one = Phone::registered(&switch, sip, "1001", &ones);
    let two = Phone::with_opus_only(&switch, sip, "1002", &twos);
    Pair { switch, one, two, ones, twos, _data: data }
}

impl Pair {
    fn check_coded_sound(&self) {
        for (listener, heard, sound, own) in
            [("1001", self.one.heard(), &self.twos, &self.ones), ("1002", self.two.heard(), &self.ones, &self.twos)]
        {
            let (other, itself) = (audio::find(&heard, sound), audio::find(&heard, own));
            assert!(other.same >= 4 && other.same * 2 >= other.windows, "{listener} hears the other: {other:?}");
            assert!(itself.best < 0.8, "{listener} hears itself: {itself:?}");
        }
    }
}

#[test]
fn a_phone_with_g711_and_one_with_opus_hear_each_other() {
    let mut pair = unlike_pair();
    pair.talk("1002");
    pair.both_listen(4);
    pair.one.command("hangup", "");
    pair.two.event("CALL_CLOSED");
    let cdrs = pair.cdrs(2);
    assert_eq!(causes(&cdrs), ["caller normal-clearing 200", "callee normal-clearing 200"], "{cdrs:#?}");
    pair.check_coded_sound();
}

#[test]
fn a_phone_with_opus_calls_one_with_g711_and_hears_the_attendant() {
    let mut pair = unlike_pair();
    pair.two.dial("1001");
    pair.one.event("CALL_INCOMING");
    pair.one.command("accept", "");
    pair.one.event("CALL_ESTABLISHED");
    pair.two.event("CALL_ESTABLISHED");
    pair.both_listen(4);
    pair.two.command("hangup", "");
    pair.one.event("CALL_CLOSED");
    pair.check_coded_sound();
    let before = pair.two.recorded();
    pair.two.dial("100");
    pair.two.event("CALL_ESTABLISHED");
    pair.two.listen(4);
    pair.two.command("hangup", "");
    pair.two.event("CALL_CLOSED");
    let menu = audio::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/prompts/attendant-menu.wav").as_ref());
    let found = audio::find(&pair.two.heard_after(before), &menu);
    assert!(found.same >= 4, "the menu is heard: {found:?}");
}

#[test]
fn phones_with_g711_and_with_opus_meet_in_a_room() {
    let mut pair = unlike_pair();
    for phone in [&mut pair.one, &mut pair.two] {
        phone.dial("102");
        phone.event("CALL_ESTABLISHED");
    }
    pair.both_listen(5);
    for phone in [&mut pair.one, &mut pair.two] {
        phone.command("hangup", "");
        phone.event("CALL_CLOSED");
    }
    pair.check_coded_sound();
}
