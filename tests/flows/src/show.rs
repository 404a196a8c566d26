//! One line for each thing the switch does.

use crate::events;
use crate::party::field;
use model::{
    AppReply, CallEvent, CallRecord, CompanyId, LegHandle, QuestionKind, RecordingEvent, RoomMember, TrunkChange,
    TrunkStatus,
};
use switch::Output;

/// A SIP message in a few words: what it is, to whom, and what its body says.
pub(crate) fn sip(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let words: Vec<&str> = first.split(' ').collect();
    let body = if events::is_about(message) { events::show(message) } else { body(message) };
    if first.starts_with("SIP/2.0 ") {
        let method = field(message, "cseq").and_then(|c| c.split(' ').nth(1)).unwrap_or_default();
        let of = if method == "INVITE" { String::new() } else { format!(" ({method})") };
        let reliable = if field(message, "rseq").is_some() { " reliably" } else { "" };
        let more = if method == "REGISTER" { crate::registering::registered(message) } else { String::new() };
        return format!("{}{reliable}{of}{body}{more}", words.get(1..).unwrap_or_default().join(" "));
    }
    let user = words.get(1).and_then(|uri| uri.split([':', '@']).nth(1)).unwrap_or_default();
    let signed = ["authorization", "proxy-authorization"].into_iter().find_map(|name| field(message, name));
    let signed = signed.and_then(|v| v.split("nc=").nth(1)?.split(',').next());
    let signed = signed.map(|nc| format!(" signed nc={nc}")).unwrap_or_default();
    let transfer = field(message, "event").is_some_and(|event| event.starts_with("refer"));
    let state = field(message, "subscription-state")
        .filter(|_| transfer)
        .map(|s| format!(" {}", s.split(';').next().unwrap_or_default()));
    let told = ["Diversion", "History-Info", "Privacy", "P-Asserted-Identity", "Referred-By"];
    let told: String = told.iter().filter_map(|name| Some(format!(" {name}={}", field(message, name)?))).collect();
    let identity = field(message, "identity").map(crate::vouching::show).unwrap_or_default();
    let cause = field(message, "reason").and_then(|r| r.split("text=").nth(1)).map(|t| format!(" reason={t}"));
    let method = words.first().copied().unwrap_or_default();
    // `#` may stand in no SIP URI (RFC 3261 section 25.1): whoever wrote it there forgot to escape a dialled key.
    let unsound = field(message, "from").filter(|from| from.contains('#')).map(|from| format!(" from={from}"));
    let (state, cause, unsound) = (state.unwrap_or_default(), cause.unwrap_or_default(), unsound.unwrap_or_default());
    format!("{method} {user}{body}{signed}{told}{identity}{state}{cause}{unsound}")
}

fn body(message: &str) -> String {
    let Some((_, sdp)) = message.split_once("\r\n\r\n").filter(|(_, b)| !b.is_empty()) else { return String::new() };
    if field(message, "content-type") != Some("application/sdp") {
        return format!(" {:?}", sdp.trim_end().replace("\r\n", " "));
    }
    let value = |key: &str| sdp.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
    let direction = ["sendonly", "recvonly", "inactive"].into_iter().find(|d| sdp.contains(&format!("a={d}")));
    let (media, address) = (value("m=audio "), value("c=IN IP4 "));
    let keys = match sdp.matches("a=crypto:").count() {
        0 => String::new(),
        count => format!(" keys={count}"),
    };
    let video = value("m=video ").split(' ').next().filter(|port| !port.is_empty());
    let keys = video.map_or(keys.clone(), |port| format!("{keys} video={port}"));
    let faxes = sdp.matches("a=T38").count();
    let keys = match value("m=image ") {
        "" => keys,
        line => format!("{keys} image={line} with {faxes}"),
    };
    let media = if media.is_empty() { "no sound" } else { media };
    format!(" [{address} {media}{}{keys}]", direction.map(|d| format!(" {d}")).unwrap_or_default())
}

/// What the switch wants of the world, but SIP.
pub(crate) fn output(output: &Output) -> Option<String> {
    Some(match output {
        Output::Transmit(_) | Output::HandOver { .. } | Output::Tell(_) => return None,
        Output::Ask(question) => match &question.kind {
            QuestionKind::Route => {
                let told = question.call.attrs.iter().filter(|(name, _)| name == "verstat" || name == "attestation");
                let told: String = told.map(|(_, value)| format!(" {value}")).collect();
                let of = if question.call.company == CompanyId(1) { "" } else { " of the other brand" };
                format!("chain < route {}{told}{of}", question.call.callee.user)
            }
            QuestionKind::Exhausted(tried) => {
                let tried: Vec<String> = tried.iter().map(|(who, why)| format!("{who}={}", why.sip)).collect();
                format!("chain < exhausted {}", tried.join(" "))
            }
        },
        Output::AppStart { start, .. } => {
            let args: String = start.args.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("app < start {}{args}", start.name)
        }
        Output::AppReply { result: Ok(reply), .. } => format!("app < {}", app_reply(reply)),
        Output::AppReply { result: Err(error), .. } => format!("app < error {error:?}"),
        Output::AppStop { .. } => "app < stop".to_owned(),
        Output::AskRegister(question) => format!("hook < register {}", question.attempt.account),
        Output::Filter(question) => crate::filtering::show(question),
        Output::Prove(question) => format!("proof < {} {}", question.number, question.x5u),
        Output::Rate(question) => crate::rating::show(question),
        Output::Resolve(question) => format!("dns < {}", question.target.host),
        Output::Record(CallRecord::Answered(cdr)) => {
            let paid = cdr.rated.as_ref().map(|rated| format!(" paid as {}", rated.number)).unwrap_or_default();
            format!("record answered leg {}{paid}", cdr.leg)
        }
        Output::Record(CallRecord::Ended(cdr)) => {
            format!(
                "record ended leg {} {} {} by {:?} after {} ms{}{}",
                cdr.leg,
                cdr.cause.code(),
                cdr.sip_status,
                cdr.ended_by,
                cdr.billed_ms(),
                cdr.identity.map(|identity| format!(" identity={}", identity.code())).unwrap_or_default(),
                cdr.usage().map(|used| crate::rating::used(&used)).unwrap_or_default()
            )
        }
        Output::Recording(RecordingEvent::Started(start)) => {
            format!("recording of leg {} starts, {}", start.leg, start.channels.word())
        }
        Output::Recording(RecordingEvent::Sound(..)) | Output::Fork { .. } => return None,
        Output::Recording(RecordingEvent::Ended(_, length)) => format!("recording ends, {} ms", length.as_millis()),
        Output::Throw(throw) => format!("lock {} {}", throw.lock, if throw.open { "opens" } else { "closes" }),
        Output::Event(CallEvent::CallEnded { cause, .. }) => format!("event ended {}", cause.code()),
        Output::Event(CallEvent::Registered { expires_s, .. }) => format!("event registered {expires_s}"),
        Output::Event(CallEvent::Trunk { change, .. }) => format!("event trunk {}", trunk_change(change)),
        Output::Event(CallEvent::Explained(why)) => format!("event explained {}: {}", why.asked, why.decision),
        Output::Event(CallEvent::Unregistered { why, .. }) => format!("event {}", why.token()),
        Output::Event(CallEvent::CallStarted { .. } | CallEvent::CallAnswered { .. }) => return None,
    })
}

/// `gw: 1 call, registered, 10.0.0.21 closed`.
pub(crate) fn trunk(status: &TrunkStatus) -> String {
    let registration = status.registration.as_ref().map(|r| format!(", {}", r.state)).unwrap_or_default();
    let servers: Vec<String> = status.servers.iter().map(|s| format!(", {} {}", s.host, s.breaker)).collect();
    format!("trunk {}: {} calls{registration}{}", status.trunk, status.calls, servers.concat())
}

fn trunk_change(change: &TrunkChange) -> String {
    match change {
        TrunkChange::Registered { .. } => "registered".to_owned(),
        TrunkChange::RegistrationFailed { status } => format!("registration failed {status}"),
        TrunkChange::Unregistered => "unregistered".to_owned(),
        TrunkChange::ServerDown { address } => format!("down {}", address.ip()),
        TrunkChange::ServerUp { address } => format!("up {}", address.ip()),
    }
}

fn app_reply(reply: &AppReply) -> String {
    match reply {
        AppReply::Done => "done".to_owned(),
        AppReply::Played(digit) => format!("played {}", digit.as_deref().unwrap_or("-")),
        AppReply::Collected(c) => format!("collected {:?}{}", c.digits, if c.timed_out { " timed out" } else { "" }),
        AppReply::Leg(LegHandle(no), _) => format!("leg {no}"),
        AppReply::PlayedTo(to) => {
            format!("played to {} ms, {}", to.position.as_millis(), to.digit.as_deref().unwrap_or("-"))
        }
        AppReply::Recording(_) => "recording".to_owned(),
        AppReply::Recorded(done) => {
            let key = done.digit.as_deref().map(|key| format!(" {key}")).unwrap_or_default();
            format!("recorded {} ms, ended by {}{key}", done.length.as_millis(), done.ended_by)
        }
        AppReply::Sounded(what) => format!("heard {what:?}"),
        AppReply::Conferred(c) => format!("conferred, ended by {} {}", c.ended_by, c.digit.as_deref().unwrap_or("-")),
        AppReply::Members(members) => {
            let one = |m: &RoomMember| format!(" {}{}", m.party, if m.muted { " (muted)" } else { "" });
            format!("members:{}", members.iter().map(one).collect::<String>())
        }
        AppReply::Forked(line) => format!("line, ended by {} {}", line.ended_by, line.digit.as_deref().unwrap_or("-")),
        AppReply::Bridged(b) => format!("bridged, ended by {} after {} ms", b.ended_by, b.duration.as_millis()),
    }
}
