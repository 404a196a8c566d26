//! PJSIP phones: registration over every transport, calls to and from baresip and each other with sound both ways, hold,
//! both transfers, lamps, waiting messages, session timers, PRACK, SRTP, forks.

use crate::turn;
use interop::{Office, Phone, Pjsua, Sip, audio, present, until, within};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn here(test: &str) -> bool {
    present(test, &["pjsua", "baresip"])
}

/// A password that baresip can read too.
const PASSWORD: &str = "correcthorse";

/// What each plays; a sweep backwards is another sound.
fn sounds() -> [Vec<i16>; 3] {
    let up = audio::sweep(5);
    let down = up.iter().rev().copied().collect();
    [up, down, audio::sweep(3)]
}

fn pjsua(office: &Office, transport: &str, user: &str, plays: &[i16], more: &Value) -> Pjsua {
    office.account_with(user, PASSWORD);
    again(office, transport, user, plays, more)
}

/// One more phone of an account.
fn again(office: &Office, transport: &str, user: &str, plays: &[i16], more: &Value) -> Pjsua {
    let mut settings = json!({ "password": PASSWORD });
    for (name, value) in more.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    Pjsua::registered(office, transport, user, plays, &settings)
}

fn baresip(office: &Office, user: &str, plays: &[i16], more: &str) -> Phone {
    office.account_with(user, PASSWORD);
    let sip = Sip { server: office.at("udp"), tcp: false };
    let phone = Phone::start_with(sip, (user, PASSWORD), plays, more);
    office.registered(user, "udp", 1);
    phone
}

/// `from` calls `to`, which answers; gives the numbers that the two have for it.
fn talk(from: &mut Pjsua, to: &mut Pjsua, user: &str) -> (u64, u64) {
    let call = from.dial(user);
    let rings = to.answers();
    from.state(call, "confirmed");
    (call, rings)
}

/// What was heard is that sound, and not the other, which is one's own.
fn hears(who: &str, heard: &[i16], sound: &[i16], own: &[i16]) {
    let (other, itself) = (audio::find(heard, sound), audio::find(heard, own));
    assert!(other.same >= 6 && other.same * 3 >= other.windows * 2, "{who} hears the other: {other:?}");
    assert!(itself.best < 0.85, "{who} hears itself: {itself:?}");
}

/// Two PJSIPs talk, each hears the other, and one hangs up.
fn talk_and_hear(office: &Office, ann: &mut Pjsua, ben: &mut Pjsua, codec: &str) {
    let [anns, bens, _] = sounds();
    let (call, rings) = talk(ann, ben, "ben");
    let media = ann.media(call, "active");
    assert_eq!(media["codec"], codec, "{media}");
    ann.listen(call, 3);
    ben.listen(rings, 3);
    ben.act("hangup", rings);
    ann.state(call, "disconnected");
    ben.state(rings, "disconnected");
    office.calls(&[]);
    hears("ann", &ann.heard(call), &bens, &anns);
    hears("ben", &ben.heard(rings), &anns, &bens);
}

fn pair(office: &Office, transport: &str, more: &Value) -> (Pjsua, Pjsua) {
    let [anns, bens, _] = sounds();
    (pjsua(office, transport, "ann", &anns, more), pjsua(office, transport, "ben", &bens, more))
}

#[test]
fn pjsuas_call_with_g711_over_udp_tcp_and_tls() {
    let _turn = turn();
    if !here("pjsuas_call_with_g711_over_udp_tcp_and_tls") {
        return;
    }
    for transport in ["udp", "tcp", "tls"] {
        let office = Office::open(&json!({}));
        let (mut ann, mut ben) = pair(&office, transport, &json!({}));
        talk_and_hear(&office, &mut ann, &mut ben, "PCMU");
        assert_eq!(office.cdrs(2), ["callee ben normal-clearing", "caller ben normal-clearing"]);
    }
}

/// A wrong password is no registration, and is asked for once only.
#[test]
fn a_pjsua_with_a_wrong_password_is_refused() {
    let _turn = turn();
    if !here("a_pjsua_with_a_wrong_password_is_refused") {
        return;
    }
    let office = Office::open(&json!({}));
    office.account_with("ann", PASSWORD);
    let mut ann = Pjsua::start(&office, "udp", "ann", &audio::tone(440.0, 1), &json!({ "password": "wrong" }));
    let answer = ann.event("registration");
    assert!([401, 403].contains(&answer["status"].as_u64().unwrap()), "{answer}");
    assert!(office.switch().rest().all("/registrations").is_empty());
}

#[test]
fn pjsuas_call_with_g722_through_a_relay_and_through_the_proxy() {
    let _turn = turn();
    if !here("pjsuas_call_with_g722_through_a_relay_and_through_the_proxy") {
        return;
    }
    for company in [json!({}), json!({ "handling": "relay" }), json!({ "handling": "proxy" })] {
        let office = Office::open(&company);
        let (mut ann, mut ben) = pair(&office, "udp", &json!({ "codecs": ["G722/16000"], "rate": 16_000 }));
        talk_and_hear(&office, &mut ann, &mut ben, "G722");
    }
}

/// A PJSIP and a baresip call each other: the same format, and G.722 against G.711.
#[test]
fn a_pjsua_and_a_baresip_hear_each_other() {
    let _turn = turn();
    if !here("a_pjsua_and_a_baresip_hear_each_other") {
        return;
    }
    let g722 = json!({ "codecs": ["G722/16000"], "rate": 16_000 });
    let both = json!({ "codecs": ["PCMU", "G722"] });
    for (company, settings, codec) in [(json!({}), json!({}), "PCMU"), (both, g722, "G722")] {
        let office = Office::for_phones(&json!({}));
        office.change(&company);
        let [anns, bens, _] = sounds();
        let mut ann = pjsua(&office, "udp", "ann", &anns, &settings);
        let mut ben = baresip(&office, "ben", &bens, "");
        let call = ann.dial("ben");
        ben.event("CALL_INCOMING");
        ben.command("accept", "");
        ann.state(call, "confirmed");
        let media = ann.media(call, "active");
        assert_eq!(media["codec"], codec, "{media}");
        ann.listen(call, 3);
        ben.listen(3);
        ben.command("hangup", "");
        ann.state(call, "disconnected");
        hears("ann", &ann.heard(call), &bens, &anns);
        hears("ben", &ben.heard(), &anns, &bens);
        // And the other way.
        ben.dial("ann");
        let rings = ann.answers();
        ben.event("CALL_ESTABLISHED");
        let before = ben.recorded();
        ann.listen(rings, 3);
        ben.listen(3);
        ann.act("hangup", rings);
        ben.event("CALL_CLOSED");
        office.calls(&[]);
        hears("ann", &ann.heard(rings), &bens, &anns);
        hears("ben", &ben.heard_after(before), &anns, &bens);
        until("every port", || (office.switch().rest().metric("strowger_media_streams") == 0.0).then_some(()));
    }
}

/// The first holds and takes back, and the other sees it.
fn hold(office: &Office, (holder, own): (&mut Pjsua, u64), (held, theirs): (&mut Pjsua, u64)) {
    holder.act("hold", own);
    holder.media(own, "held");
    held.media(theirs, "held-by-remote");
    office.calls(&["held"]);
    holder.act("resume", own);
    holder.media(own, "active");
    held.media(theirs, "active");
    office.calls(&["answered"]);
}

#[test]
fn pjsuas_hold_and_resume() {
    let _turn = turn();
    if !here("pjsuas_hold_and_resume") {
        return;
    }
    for company in [json!({}), json!({ "handling": "relay" })] {
        let office = Office::open(&company);
        let [anns, bens, _] = sounds();
        let (mut ann, mut ben) = pair(&office, "udp", &json!({}));
        let (call, rings) = talk(&mut ann, &mut ben, "ben");
        ann.media(call, "active");
        ben.media(rings, "active");
        ann.listen(call, 1);
        hold(&office, (&mut ann, call), (&mut ben, rings));
        hold(&office, (&mut ben, rings), (&mut ann, call));
        let (by_ann, by_ben) = (ann.recorded(call), ben.recorded(rings));
        ann.listen(call, 3);
        ben.listen(rings, 3);
        ann.act("hangup", call);
        ben.state(rings, "disconnected");
        ann.state(call, "disconnected");
        hears("ann", &ann.heard_after(call, by_ann), &bens, &anns);
        hears("ben", &ben.heard_after(rings, by_ben), &anns, &bens);
        assert_eq!(office.cdrs(2), ["callee ben normal-clearing", "caller ben normal-clearing"]);
    }
}

#[test]
fn a_pjsua_transfers_calls_blind_and_after_talking() {
    let _turn = turn();
    if !here("a_pjsua_transfers_calls_blind_and_after_talking") {
        return;
    }
    let office = Office::open(&json!({}));
    let [anns, bens, eves] = sounds();
    let (mut ann, mut ben) = pair(&office, "udp", &json!({}));
    let mut eve = pjsua(&office, "tcp", "eve", &eves, &json!({}));
    // Blind.
    let (call, first) = talk(&mut ann, &mut ben, "ben");
    let _ = ben.command("transfer", &json!({ "call": first, "to": "eve" }));
    let third = eve.answers();
    let told = ben.event_that("transfer", |e| e["final"] == true);
    assert_eq!(told["status"], 200, "{told}");
    ben.state(first, "disconnected");
    assert_eq!(office.calls(&["answered"])[0]["callee"], "eve");
    let before = ann.recorded(call);
    ann.listen(call, 3);
    eve.listen(third, 3);
    ann.act("hangup", call);
    eve.state(third, "disconnected");
    ann.state(call, "disconnected");
    hears("ann", &ann.heard_after(call, before), &eves, &anns);
    hears("eve", &eve.heard(third), &anns, &eves);
    let expected = [
        "callee ben transferred",
        "callee eve normal-clearing",
        "caller ben transferred",
        "caller eve normal-clearing",
    ];
    assert_eq!(office.cdrs(4), expected);
    // After talking to the target.
    let (call, first) = talk(&mut ann, &mut ben, "ben");
    ben.media(first, "active");
    ben.act("hold", first);
    ben.media(first, "held");
    let (second, third) = talk(&mut ben, &mut eve, "eve");
    ben.media(second, "active");
    let _ = ben.command("join", &json!({ "call": first, "other": second }));
    ben.state(first, "disconnected");
    ben.state(second, "disconnected");
    office.calls(&["answered"]);
    let (by_ann, by_eve) = (ann.recorded(call), eve.recorded(third));
    ann.listen(call, 3);
    eve.listen(third, 3);
    ann.act("hangup", call);
    eve.state(third, "disconnected");
    ann.state(call, "disconnected");
    hears("ann", &ann.heard_after(call, by_ann), &eves, &anns);
    hears("eve", &eve.heard_after(third, by_eve), &anns, &bens);
    assert_eq!(office.cdrs(9).iter().filter(|c| c.ends_with("transferred")).count(), 5);
}

/// The lamp is what RFC 3856 and RFC 4480 say: there or not, and on the phone. The mailbox is RFC 3842.
#[test]
fn a_pjsua_sees_lamps_and_waiting_messages() {
    let _turn = turn();
    if !here("a_pjsua_sees_lamps_and_waiting_messages") {
        return;
    }
    let office = Office::open(&json!({}));
    let (mut ann, mut ben) = pair(&office, "udp", &json!({}));
    let id = office.account_with("eve", PASSWORD);
    let mut eve = again(&office, "udp", "eve", &sounds()[2], &json!({ "mwi": true }));
    let says = |line: &'static str| move |e: &Value| e["message"].as_str().is_some_and(|m| m.contains(line));
    let _ = eve.event_that("mwi", says("Messages-Waiting: no"));
    let waiting = json!({ "voice": { "new": 2, "old": 1 } });
    office.switch().rest().write("PUT", &format!("/accounts/{id}/mailbox"), &waiting);
    let _ = eve.event_that("mwi", says("Voice-Message: 2/1"));

    let _ = eve.command("watch", &json!({ "user": "ben" }));
    let _ = eve.event_that("lamp", |e| e["online"] == true);
    let (call, _) = talk(&mut ann, &mut ben, "ben");
    let _ = eve.event_that("told", says("on-the-phone"));
    ann.act("hangup", call);
    let _ = eve.event_that("told", |e| e["message"].as_str().is_some_and(|m| !m.contains("on-the-phone")));
    let _ = ben.command("register", &json!({ "active": false }));
    let _ = eve.event_that("lamp", |e| e["online"] == false);

    let _ = eve.command("message", &json!({ "user": "ann", "text": "Good morning" }));
    assert_eq!(ann.event("message")["text"], "Good morning");
    assert_eq!(eve.event("sent")["status"], 200);
}

#[test]
fn pjsuas_answer_reliably() {
    let _turn = turn();
    if !here("pjsuas_answer_reliably") {
        return;
    }
    for rel100 in ["optional", "mandatory"] {
        let office = Office::open(&json!({}));
        let (mut ann, mut ben) = pair(&office, "udp", &json!({ "rel100": rel100 }));
        let call = ann.dial("ben");
        let rings = ben.rings();
        for status in [180, 183] {
            let _ = ben.command("answer", &json!({ "call": rings, "status": status }));
            // Each is acknowledged before the next.
            ben.passed("in", "PRACK ");
        }
        ann.passed("out", "PRACK ");
        ann.media(call, "active");
        // Early media, before anybody has answered.
        ann.listen(call, 1);
        ben.act("answer", rings);
        ann.state(call, "confirmed");
        ben.state(rings, "confirmed");
        ann.listen(call, 2);
        ann.act("hangup", call);
        ben.state(rings, "disconnected");
        ann.state(call, "disconnected");
        let [anns, bens, _] = sounds();
        hears("ann", &ann.heard(call), &bens, &anns);
        assert_eq!(office.cdrs(2), ["callee ben normal-clearing", "caller ben normal-clearing"]);
    }
}

/// SDES (RFC 4568): where it may be, where it must be, and between a phone that must and one that cannot.
#[test]
fn pjsuas_talk_with_srtp() {
    let _turn = turn();
    if !here("pjsuas_talk_with_srtp") {
        return;
    }
    for (anns, bens, policy) in
        [("optional", "optional", "allow"), ("mandatory", "mandatory", "require"), ("mandatory", "disabled", "allow")]
    {
        let office = Office::open(&json!({}));
        office.change(&json!({ "media_security": policy }));
        let [up, down, _] = sounds();
        let mut ann = pjsua(&office, "tls", "ann", &up, &json!({ "srtp": anns }));
        let mut ben = pjsua(&office, "tls", "ben", &down, &json!({ "srtp": bens }));
        talk_and_hear(&office, &mut ann, &mut ben, "PCMU");
        let cdrs = until("the CDRs", || Some(office.switch().rest().all("/cdrs")).filter(|c| c.len() == 2));
        let secure = |role: &str| cdrs.iter().any(|c| c["role"] == role && c["media"]["srtp"] == true);
        assert_eq!((secure("caller"), secure("callee")), (true, bens != "disabled"), "{cdrs:#?}");
    }
}

/// Three phones of one account: one says 603, one rings on, one answers and has the call.
#[test]
fn a_pjsua_that_declines_does_not_end_the_call_of_the_others() {
    let _turn = turn();
    if !here("a_pjsua_that_declines_does_not_end_the_call_of_the_others") {
        return;
    }
    for company in [json!({}), json!({ "handling": "proxy" })] {
        let office = Office::open(&company);
        let [anns, bens, _] = sounds();
        let mut ann = pjsua(&office, "udp", "ann", &anns, &json!({}));
        office.account_with("ben", PASSWORD);
        let mut all = ["udp", "tcp", "tls"].map(|t| again(&office, t, "ben", &bens, &json!({})));
        let call = ann.dial("ben");
        let ringing = all.each_mut().map(Pjsua::rings);
        let [declines, answers, rings] = &mut all;
        let _ = declines.command("hangup", &json!({ "call": ringing[0], "status": 603 }));
        declines.state(ringing[0], "disconnected");
        answers.act("answer", ringing[1]);
        answers.state(ringing[1], "confirmed");
        ann.state(call, "confirmed");
        rings.state(ringing[2], "disconnected");
        ann.listen(call, 2);
        ann.act("hangup", call);
        answers.state(ringing[1], "disconnected");
        ann.state(call, "disconnected");
        hears("ann", &ann.heard(call), &bens, &anns);
        office.calls(&[]);
    }
}

/// A session of 90 seconds, the shortest that RFC 4028 knows, is refreshed at its half by the phone on one side and by the
/// switch on the other. It waits without its turn: two phones in a call are no load.
#[test]
fn pjsuas_refresh_their_sessions() {
    if !here("pjsuas_refresh_their_sessions") {
        return;
    }
    let office = Office::with_sessions(&json!({}), 90);
    let (mut ann, mut ben) = pair(&office, "udp", &json!({ "timer": 90 }));
    let (call, rings) = talk(&mut ann, &mut ben, "ben");
    let begun = Instant::now();
    let refreshed = |phone: &mut Pjsua, way: &str| {
        let is = |e: &&Value| {
            let message = e["message"].as_str().unwrap_or_default();
            e["way"] == way && message.starts_with("UPDATE ") && message.contains("Session-Expires: 90")
        };
        phone.all("passed").iter().any(|e| is(&e))
    };
    let both = || (refreshed(&mut ann, "out") && refreshed(&mut ben, "in")).then_some(());
    within(Duration::from_secs(90), "both refreshes", both, String::new);
    assert!(begun.elapsed().as_secs() >= 30, "not before its time: {:?}", begun.elapsed());
    ann.passed("in", "SIP/2.0 200");
    office.calls(&["answered"]);
    ann.act("hangup", call);
    ben.state(rings, "disconnected");
}

/// All keys.
const KEYS: &str = "1234567890*#ABCD";

/// Row and column of a key, in Hz (ITU-T Q.23).
fn tones(key: char) -> (f64, f64) {
    let at = "123A456B789C*0#D".find(key).unwrap();
    ([697.0, 770.0, 852.0, 941.0][at / 4], [1_209.0, 1_336.0, 1_477.0, 1_633.0][at % 4])
}

/// The keys that are in a sound, in order: where both tones of one are nearly all of the power for two pieces of 20 ms.
fn keys_in(sound: &[i16]) -> String {
    let part = |piece: &[i16], hz: f64| {
        let at = |i: usize| core::f64::consts::TAU * hz * i as f64 / 8_000.0;
        let sum = |f: fn(f64) -> f64| piece.iter().enumerate().map(|(i, s)| f64::from(*s) * f(at(i))).sum::<f64>();
        (sum(f64::sin).powi(2) + sum(f64::cos).powi(2)) * 2.0 / piece.len() as f64
    };
    let key = |piece: &[i16]| {
        let all: f64 = piece.iter().map(|s| f64::from(*s).powi(2)).sum();
        let of = |key: &char| part(piece, tones(*key).0) + part(piece, tones(*key).1) > 0.8 * all;
        (all > 1e7).then(|| KEYS.chars().find(of)).flatten()
    };
    let pieces: Vec<Option<char>> = sound.chunks_exact(160).map(key).collect();
    let mut keys = Vec::new();
    let mut current = None;
    for pair in pieces.windows(2) {
        if let [Some(a), Some(b)] = pair
            && a == b
        {
            keys.extend((current != Some(*a)).then_some(*a));
            current = Some(*a);
        } else if pair == [None, None] {
            current = None;
        }
    }
    keys.into_iter().collect()
}

#[test]
fn pjsuas_press_all_keys_in_three_ways() {
    let _turn = turn();
    if !here("pjsuas_press_all_keys_in_three_ways") {
        return;
    }
    let office = Office::open(&json!({}));
    let (mut ann, mut ben) = pair(&office, "udp", &json!({}));
    let (call, rings) = talk(&mut ann, &mut ben, "ben");
    ann.media(call, "active");
    ben.media(rings, "active");
    for method in ["rfc4733", "info"] {
        for key in KEYS.chars() {
            let _ = ann.command("press", &json!({ "call": call, "keys": key.to_string(), "method": method }));
            let digit = ben.event("digit");
            assert_eq!((&digit["digit"], &digit["method"]), (&json!(key.to_string()), &json!(method)), "{digit}");
        }
    }
    // Tones are sound: one packet that a busy machine loses is a key.
    let tries = [(); 3].map(|()| {
        let before = ben.recorded(rings);
        let _ = ann.command("press", &json!({ "call": call, "keys": KEYS, "method": "inband" }));
        ben.listen(rings, 5);
        before
    });
    ann.act("hangup", call);
    ben.state(rings, "disconnected");
    let heard = tries.map(|before| keys_in(ben.heard_after(rings, before).get(..5 * audio::RATE).unwrap_or_default()));
    assert!(heard.iter().any(|keys| keys == KEYS), "in none of three tries: {heard:?}");
}

/// The attendant hears a key as an event (RFC 4733) and by INFO, and connects.
#[test]
fn the_attendant_hears_a_pjsuas_key_in_two_ways() {
    let _turn = turn();
    if !here("the_attendant_hears_a_pjsuas_key_in_two_ways") {
        return;
    }
    let office = Office::furnished(&json!({}));
    let [anns, bens, _] = sounds();
    let mut ann = pjsua(&office, "udp", "ann", &anns, &json!({}));
    let mut ben = pjsua(&office, "udp", "1002", &bens, &json!({}));
    for method in ["rfc4733", "info"] {
        let call = ann.dial("100");
        ann.state(call, "confirmed");
        // The menu plays.
        ann.listen(call, 1);
        let _ = ann.command("press", &json!({ "call": call, "keys": "2", "method": method }));
        let rings = ben.answers();
        ann.act("hangup", call);
        ben.state(rings, "disconnected");
        office.calls(&[]);
    }
}
