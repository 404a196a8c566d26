//! Verbs and decisions as a scenario names them: a word, and its fields.

use core::time::Duration;
use model::{
    AppError, AppOutcome, AppVerb, Channels, Decision, Endpoint, HeaderOp, MemberChange, Prompt, SoundSource, Target,
};
use serde_json::{Map, Value, json};

/// A word and its fields.
pub(super) type View = (&'static str, Map<String, Value>);

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn view(name: &'static str, fields: Value) -> View {
    match fields {
        Value::Object(fields) => (name, fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => (name, Map::new()),
    }
}

/// A prompt in a word: `menu`, `tone:beep`, `silence:300`, `digits:en:12`, `number:en:3`, `clip`.
fn prompts(list: &[Prompt]) -> Value {
    let one = |prompt: &Prompt| match prompt {
        Prompt::File(name) => name.clone(),
        Prompt::Tone(name) => format!("tone:{name}"),
        Prompt::SilenceMs(ms) => format!("silence:{ms}"),
        Prompt::Digits { pack, text } => format!("digits:{pack}:{text}"),
        Prompt::Number { pack, value } => format!("number:{pack}:{value}"),
        Prompt::Clip { .. } => "clip".to_owned(),
        Prompt::Brought { from: SoundSource::Url(url), .. } => format!("url:{url}"),
        Prompt::Brought { from: SoundSource::Speech(said), .. } => format!("speech:{}:{}", said.language, said.text),
    };
    list.iter().map(one).collect()
}

fn header_ops(ops: &[HeaderOp]) -> Value {
    let one = |op: &HeaderOp| match op {
        HeaderOp::Set(h) => format!("set {}: {}", h.name, h.value),
        HeaderOp::Add(h) => format!("add {}: {}", h.name, h.value),
        HeaderOp::Remove(name) => format!("remove {name}"),
    };
    ops.iter().map(one).collect()
}

const fn channels(channels: Channels) -> &'static str {
    match channels {
        Channels::Party => "party",
        Channels::Mixed => "mixed",
        Channels::Stereo => "stereo",
    }
}

/// What a call app asks for.
pub(super) fn verb(verb: &AppVerb) -> View {
    match verb {
        AppVerb::Ring(leg) => view("ring", json!({ "leg": leg.0 })),
        AppVerb::Answer(leg, ops) => view("answer", json!({ "leg": leg.0, "headers": header_ops(ops) })),
        AppVerb::Refuse(leg, sip, reason) => view("refuse", json!({ "leg": leg.0, "sip": sip, "reason": reason })),
        AppVerb::Hangup(leg) => view("hangup", json!({ "leg": leg.0 })),
        AppVerb::Play(leg, list, stop_on) => {
            view("play", json!({ "leg": leg.0, "prompts": prompts(list), "stop-on": stop_on }))
        }
        AppVerb::Collect(leg, s) => view(
            "collect",
            json!({ "leg": leg.0, "prompts": prompts(&s.prompts), "min-digits": s.min_digits,
                "max-digits": s.max_digits, "terminators": s.terminators, "first-digit-ms": ms(s.first_digit),
                "inter-digit-ms": ms(s.inter_digit) }),
        ),
        AppVerb::Echo(leg, longest) => view("echo", json!({ "leg": leg.0, "max-ms": ms(*longest) })),
        AppVerb::Dial(leg, s) => view(
            "dial",
            json!({ "leg": leg.0, "targets": s.targets, "parallel": s.parallel, "ring-timeout-ms": ms(s.ring_timeout),
                "caller-id": s.caller_id, "headers": header_ops(&s.header_ops), "ringback": prompts(&s.ringback) }),
        ),
        AppVerb::Bridge(a, b, s) => {
            view("bridge", json!({ "a": a.0, "b": b.0, "max-s": s.max.map(|max| max.as_secs()) }))
        }
        AppVerb::Sleep(time) => view("sleep", json!({ "ms": ms(*time) })),
        AppVerb::Playback(..)
        | AppVerb::Music(..)
        | AppVerb::Press(..)
        | AppVerb::Record(..)
        | AppVerb::RecordStart(..)
        | AppVerb::RecordPause(..)
        | AppVerb::RecordStop(_)
        | AppVerb::Fork(..)
        | AppVerb::ForkAttend(..)
        | AppVerb::ForkStop(_)
        | AppVerb::FaxOffer(_)
        | AppVerb::Listen(..) => sound(verb),
        AppVerb::Confer(..) | AppVerb::Leave(_) | AppVerb::Members(_) | AppVerb::Member(..) => room(verb),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a part of `verb`, which names every case")]
fn sound(verb: &AppVerb) -> View {
    let record = |leg: u16, s: &model::RecordSpec| {
        json!({ "leg": leg, "channels": channels(s.channels), "silence-end-ms": s.silence_end.map(ms),
            "max-ms": s.max.map(ms), "stop-on": s.stop_on })
    };
    match verb {
        AppVerb::Playback(leg, s) => view(
            "play-list",
            json!({ "leg": leg.0, "prompts": prompts(&s.prompts), "from-ms": ms(s.from), "stop-on": s.stop_on }),
        ),
        AppVerb::Music(leg, list) => view("music", json!({ "leg": leg.0, "prompts": prompts(list) })),
        AppVerb::Press(leg, keys) => view("press", json!({ "leg": leg.0, "keys": keys })),
        AppVerb::Record(leg, s) => view("record", record(leg.0, s)),
        AppVerb::RecordStart(leg, s) => view("record-start", record(leg.0, s)),
        AppVerb::RecordPause(leg, on) => view("record-pause", json!({ "leg": leg.0, "on": on })),
        AppVerb::Fork(leg, s) => {
            view("open-line", json!({ "leg": leg.0, "channels": channels(s.channels), "rate": s.rate }))
        }
        AppVerb::ForkAttend(leg, stop_on, max) => {
            view("attend-line", json!({ "leg": leg.0, "stop-on": stop_on, "max-ms": ms(*max) }))
        }
        AppVerb::ForkStop(leg) => view("close-line", json!({ "leg": leg.0 })),
        AppVerb::FaxOffer(leg) => view("fax-offer", json!({ "leg": leg.0 })),
        AppVerb::RecordStop(leg) => view("record-stop", json!({ "leg": leg.0 })),
        AppVerb::Listen(leg, s) => view(
            "listen",
            json!({ "leg": leg.0, "beep": s.beep, "silence-ms": s.silence.map(ms), "max-ms": ms(s.max) }),
        ),
        _ => view("other", Value::Null),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a part of `verb`, which names every case")]
fn room(verb: &AppVerb) -> View {
    match verb {
        AppVerb::Confer(leg, s) => {
            view("sit", json!({ "leg": leg.0, "room": s.room, "muted": s.muted, "deaf": s.deaf, "stop-on": s.stop_on }))
        }
        AppVerb::Leave(leg) => view("leave", json!({ "leg": leg.0 })),
        AppVerb::Members(room) => view("members", json!({ "room": room })),
        AppVerb::Member(room, _, leg, MemberChange::Remove) => {
            view("remove-member", json!({ "room": room, "leg": leg.0 }))
        }
        AppVerb::Member(room, _, leg, MemberChange::Set { muted, deaf, gain }) => {
            view("set-member", json!({ "room": room, "leg": leg.0, "muted": muted, "deaf": deaf, "gain": gain }))
        }
        _ => view("other", Value::Null),
    }
}

fn target(target: &Target) -> String {
    match &target.to {
        Endpoint::Account(name) => name.clone(),
        Endpoint::Uri(uri) => uri.clone(),
        Endpoint::Trunk { name, number, .. } => format!("trunk:{name}/{number}"),
    }
}

/// What a hook decided; `next` where it left it to others.
pub(super) fn decision(decision: Option<&Decision>) -> View {
    let attrs = |list: &[(String, String)]| -> Map<String, Value> {
        list.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
    };
    match decision {
        None => view("next", Value::Null),
        Some(Decision::Connect(plan)) => {
            let step = |s: &model::RingStep| s.targets.iter().map(target).collect::<Vec<_>>();
            let steps: Vec<_> = plan.steps.iter().map(step).collect();
            let rings: Vec<_> = plan.steps.iter().map(|s| ms(s.ring_timeout)).collect();
            view("connect", json!({ "steps": steps, "ring-timeout-ms": rings, "attrs": attrs(&plan.attrs) }))
        }
        Some(Decision::Redirect(uris)) => view("redirect", json!({ "uris": uris })),
        Some(Decision::Refuse(r)) => view("refuse", json!({ "sip": r.sip, "reason": r.reason })),
        Some(Decision::App { name, args }) => view("app", json!({ "name": name, "args": attrs(args) })),
        Some(Decision::Reroute { callee, attrs: left }) => {
            view("reroute", json!({ "to": callee, "attrs": attrs(left) }))
        }
    }
}

/// The case of an error, as a scenario names it.
pub(super) const fn error(error: &AppError) -> &'static str {
    match error {
        AppError::Denied(_) => "denied",
        AppError::InvalidState(_) => "invalid-state",
        AppError::InvalidArgument(_) => "invalid-argument",
        AppError::NotFound => "not-found",
        AppError::Timeout => "timeout",
        AppError::LimitExceeded(_) => "limit-exceeded",
        AppError::HungUp(_) => "hung-up",
        AppError::Cancelled => "cancelled",
        AppError::Unavailable(_) => "unavailable",
    }
}

/// How a call app ended, in words.
pub(super) fn outcome(outcome: &AppOutcome) -> String {
    match outcome {
        AppOutcome::Returned(None) => "it returned".to_owned(),
        AppOutcome::Returned(Some(status)) => format!("it returned status {status}"),
        AppOutcome::Err(e) => format!("it returned the error {} ({e:?})", error(e)),
    }
}

/// A view in one line.
pub(super) fn words((name, fields): &View) -> String {
    let field = |(name, value): (&String, &Value)| format!("{name}: {value}");
    format!("{name} {{ {} }}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
}

/// Whether everything that is wanted stands there; else what does not.
pub(super) fn holds(fields: &Map<String, Value>, wanted: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in wanted {
        match (fields.get(name), value) {
            (None, _) => {
                let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                return Err(format!("there is no {name}; it has {}", known.join(", ")));
            }
            (Some(Value::Object(found)), Value::Object(inner)) => {
                holds(found, inner).map_err(|why| format!("{name}: {why}"))?;
            }
            (Some(found), value) if found != value => return Err(format!("{name} is {found}, expected {value}")),
            (Some(_), _) => {}
        }
    }
    Ok(())
}
