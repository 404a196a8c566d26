//! The verbs of an app, in words.

use crate::bed::duration;
use core::time::Duration;
use model::{
    AppVerb, BridgeSpec, CallId, CallSnapshot, Channels, CollectSpec, ConferSpec, DialSpec, ForkSpec, LegHandle,
    ListenSpec, MemberChange, PlaybackSpec, Prompt, RecordSpec,
};

/// `play busy`, `record mixed silence=3s`, `confer sales muted`: the leg is the caller's where none is named.
pub(crate) fn verb(words: &[&str], calls: &[CallSnapshot]) -> AppVerb {
    let leg = |text: &str| LegHandle(text.parse().unwrap_or(0));
    let caller = LegHandle(0);
    let tone = |name: &str| vec![Prompt::Tone(name.to_owned())];
    match words {
        ["ring"] => AppVerb::Ring(caller),
        ["answer"] => AppVerb::Answer(caller, Vec::new()),
        ["refuse", sip] => AppVerb::Refuse(caller, sip.parse().unwrap_or(486), "Busy".to_owned()),
        ["hangup", leg] => AppVerb::Hangup(LegHandle(leg.parse().unwrap_or(0))),
        ["play", name] => AppVerb::Play(caller, tone(name), "#".to_owned()),
        ["collect", most] => AppVerb::Collect(
            caller,
            CollectSpec {
                prompts: Vec::new(),
                min_digits: 1,
                max_digits: most.parse().unwrap_or(1),
                terminators: "#".to_owned(),
                first_digit: Duration::from_secs(5),
                inter_digit: Duration::from_secs(3),
            },
        ),
        ["sleep", time] => AppVerb::Sleep(duration(time)),
        ["dial", targets @ ..] => AppVerb::Dial(
            caller,
            DialSpec {
                targets: targets.iter().map(|t| (*t).to_owned()).collect(),
                parallel: false,
                ring_timeout: Duration::from_secs(20),
                caller_id: None,
                header_ops: Vec::new(),
                ringback: Vec::new(),
            },
        ),
        ["music", name] => AppVerb::Music(caller, tone(name)),
        ["music"] => AppVerb::Music(caller, Vec::new()),
        ["press", keys] => AppVerb::Press(caller, (*keys).to_owned()),
        ["list", tones @ ..] => AppVerb::Playback(caller, list(tones)),
        ["record", channels, rest @ ..] => AppVerb::Record(caller, record(channels, rest)),
        ["tape", of, channels, rest @ ..] => AppVerb::RecordStart(leg(of), record(channels, rest)),
        ["pause", of] => AppVerb::RecordPause(leg(of), true),
        ["resume", of] => AppVerb::RecordPause(leg(of), false),
        ["stop", of] => AppVerb::RecordStop(leg(of)),
        ["listen", silence, max] => {
            AppVerb::Listen(caller, ListenSpec { beep: true, silence: Some(duration(silence)), max: duration(max) })
        }
        ["confer", room, rest @ ..] => AppVerb::Confer(caller, confer(room, rest)),
        ["fax", leg @ ..] => {
            let leg = leg.first().and_then(|leg| leg.parse().ok()).map_or(caller, LegHandle);
            let (channels, rate) = (Channels::Party, 8_000);
            AppVerb::Fork(leg, ForkSpec { fork: crate::faxing::LINE, channels, rate, fax: true })
        }
        ["offer", "fax"] => AppVerb::FaxOffer(caller),
        ["leave"] => AppVerb::Leave(caller),
        ["members", room] => AppVerb::Members((*room).to_owned()),
        ["remove", room, number] => member(room, calls, number, MemberChange::Remove),
        ["mute", room, number] => {
            member(room, calls, number, MemberChange::Set { muted: true, deaf: false, gain: 256 })
        }
        ["bridge", leg] => AppVerb::Bridge(caller, LegHandle(leg.parse().unwrap_or(1)), BridgeSpec { max: None }),
        _ => panic!("no verb: {words:?}"),
    }
}

/// A list whose party goes back with 4, halts with 5, goes on with 6, begins again with 0, and ends it with `#`.
fn list(tones: &[&str]) -> PlaybackSpec {
    PlaybackSpec {
        prompts: tones.iter().map(|name| Prompt::Tone((*name).to_owned())).collect(),
        from: Duration::ZERO,
        stop_on: "#".to_owned(),
        pause: Some('5'),
        back: Some('4'),
        forward: Some('6'),
        again: Some('0'),
        step: Duration::from_secs(1),
    }
}

fn value(words: &[&str], key: &str) -> Option<Duration> {
    words.iter().find_map(|w| w.strip_prefix(key)).map(duration)
}

fn record(channels: &str, rest: &[&str]) -> RecordSpec {
    RecordSpec {
        channels: Channels::from_word(channels).unwrap_or_else(|| panic!("no channels: {channels}")),
        silence_end: value(rest, "silence="),
        max: value(rest, "max="),
        stop_on: "#".to_owned(),
    }
}

fn confer(room: &str, rest: &[&str]) -> ConferSpec {
    ConferSpec {
        room: room.to_owned(),
        muted: rest.contains(&"muted"),
        deaf: rest.contains(&"deaf"),
        gain: 256,
        stop_on: "*".to_owned(),
        max: value(rest, "max="),
    }
}

/// The caller's leg of the call that this number has made.
fn member(room: &str, calls: &[CallSnapshot], number: &str, change: MemberChange) -> AppVerb {
    let call = calls.iter().find(|c| c.caller == number).map_or(CallId(0), |c| c.call);
    AppVerb::Member(room.to_owned(), call, LegHandle(0), change)
}

/// What the binding of an app that failed has for its caller: `apology=NAME`, `fallback=NUMBER`, `restart`.
pub(crate) fn recourse_of(words: &[&str]) -> Option<model::Recourse> {
    if words.is_empty() {
        return None;
    }
    let mut recourse = model::Recourse { plugin: "menu@1.0.0".to_owned(), ..model::Recourse::default() };
    for word in words {
        match word.split_once('=') {
            Some(("apology", name)) => recourse.apology = Some(name.to_owned()),
            Some(("fallback", number)) => recourse.fallback = Some(number.to_owned()),
            None if *word == "restart" => recourse.restart = true,
            Some(_) | None => panic!("no recourse: {word}"),
        }
    }
    Some(recourse)
}
