//! What a guest may answer and ask for. The host never trusts an answer: one broken rule and the whole answer is
//! refused, with the rule's name, so that half of a plan is never carried out.

use crate::bindings::app::strowger::call::control as ctl;
use crate::bindings::feature::exports::strowger::hooks::feature;
use crate::bindings::router::exports::strowger::routing::router as wit;
use crate::bindings::router::strowger::types::types::HeaderOp as WitHeaderOp;
use core::time::Duration;
use model::{
    Attr, BridgeSpec, Clip, CollectSpec, Decision, DialSpec, Endpoint, Handling, Header, HeaderOp, Limits, MediaPath,
    Prompt, Refusal, RingPlan, RingStep, SoundSource, Speech, Target, is_switchs_own,
};

const HEADER_OPS_MAX: usize = 32;
const HEADER_VALUE_MAX: usize = 1_024;
const ATTRS_MAX: usize = 32;
const ATTR_NAME_MAX: usize = 64;
const ATTR_VALUE_MAX: usize = 1_024;
const NAME_MAX: usize = 128;
const URI_MAX: usize = 512;
const REDIRECTS_MAX: usize = 10;
const PACK_MAX: usize = 64;
const SPOKEN_MAX: usize = 64;
const SPEECH_MAX: usize = 2_000;
const URL_MAX: usize = 2_048;

/// The rule an answer broke, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Broken(pub(crate) String);

pub(crate) type Checked<T> = Result<T, Broken>;

fn broken<T>(rule: impl Into<String>) -> Checked<T> {
    Err(Broken(rule.into()))
}

fn ensure(holds: bool, rule: &str) -> Checked<()> {
    if holds { Ok(()) } else { broken(rule) }
}

/// What one hook of a chain said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Next(Vec<Attr>),
    Decided(Decision),
}

/// Checks a router's answer. Attributes come out under the binding's name.
pub(crate) fn verdict(said: wit::Decision, limits: &Limits, binding: &str) -> Checked<Verdict> {
    Ok(Verdict::Decided(match said {
        wit::Decision::Next(a) => return Ok(Verdict::Next(attrs(a, Some(binding))?)),
        wit::Decision::Connect(p) => Decision::Connect(plan(p, limits, binding)?),
        wit::Decision::Redirect(uris) => {
            ensure((1..=REDIRECTS_MAX).contains(&uris.len()), "redirect: one to ten contacts")?;
            uris.iter().try_for_each(|u| uri(u, "redirect"))?;
            Decision::Redirect(uris)
        }
        wit::Decision::Refuse(r) => {
            ensure((400..=699).contains(&r.sip), "refuse: status 400 to 699")?;
            line(&r.reason, NAME_MAX, "refuse: reason")?;
            Decision::Refuse(Refusal { sip: r.sip, reason: r.reason, header_ops: header_ops(r.header_ops)? })
        }
        wit::Decision::App((name, args)) => {
            word(&name, "app: name")?;
            Decision::App { name, args: attrs(args, None)? }
        }
        wit::Decision::Reroute((callee, a)) => {
            user(&callee, "reroute: callee")?;
            Decision::Reroute { callee, attrs: attrs(a, Some(binding))? }
        }
        wit::Decision::Other((name, _)) => return broken(format!("decision `{}` is not known", clip(&name))),
    }))
}

/// Checks a feature's answer; `None` means that the routing chain goes on.
pub(crate) fn action(said: feature::Action) -> Checked<Option<Decision>> {
    Ok(Some(match said {
        feature::Action::Ignore => return Ok(None),
        feature::Action::RunApp((name, args)) => {
            word(&name, "run-app: name")?;
            Decision::App { name, args: attrs(args, None)? }
        }
        feature::Action::Reroute(callee) => {
            user(&callee, "reroute: callee")?;
            Decision::Reroute { callee, attrs: Vec::new() }
        }
        feature::Action::Refuse((sip, reason)) => {
            final_failure(sip, &reason)?;
            Decision::Refuse(Refusal { sip, reason, header_ops: Vec::new() })
        }
        feature::Action::Other((name, _)) => return Err(unknown("action", &name)),
    }))
}

/// Checks the status and words of a refusal.
pub(crate) fn final_failure(sip: u16, reason: &str) -> Checked<()> {
    ensure((400..=699).contains(&sip), "refuse: status 400 to 699")?;
    line(reason, NAME_MAX, "refuse: reason")
}

/// A case that this version does not know.
pub(crate) fn unknown(what: &str, name: &str) -> Broken {
    Broken(format!("{what} `{}` is not known", clip(name)))
}

fn plan(p: wit::Plan, limits: &Limits, binding: &str) -> Checked<RingPlan> {
    ensure(!p.steps.is_empty(), "plan: at least one step")?;
    ensure(p.steps.len() <= limits.plan_steps_max, "plan: plan-steps-max")?;
    let targets: usize = p.steps.iter().map(|s| s.targets.len()).sum();
    ensure(targets <= limits.plan_targets_max, "plan: plan-targets-max")?;
    let longest = limits.call_duration_max_s;
    ensure(p.max_duration_s.is_none_or(|s| (1..=longest).contains(&s)), "plan: max-duration-s")?;
    Ok(RingPlan {
        steps: p.steps.into_iter().map(|s| step(s, limits)).collect::<Checked<_>>()?,
        handling: match p.handling {
            wit::Handling::TenantDefault => Handling::TenantDefault,
            wit::Handling::Proxy => Handling::Proxy,
            wit::Handling::Relay => Handling::Relay,
            wit::Handling::B2bua => Handling::B2bua,
        },
        media: match p.media {
            wit::MediaPath::TenantDefault => MediaPath::TenantDefault,
            wit::MediaPath::Anchor => MediaPath::Anchor,
            wit::MediaPath::Direct => MediaPath::Direct,
        },
        header_ops: header_ops(p.header_ops)?,
        max_duration: p.max_duration_s.map(|s| Duration::from_secs(u64::from(s))),
        attrs: attrs(p.attrs, Some(binding))?,
    })
}

fn step(s: wit::Step, limits: &Limits) -> Checked<RingStep> {
    ensure(!s.targets.is_empty(), "step: at least one target")?;
    ensure(s.advance_on.iter().all(|c| (300..=699).contains(c)), "step: advance-on 300 to 699")?;
    ensure(s.advance_on.len() <= 64, "step: advance-on has at most 64")?;
    Ok(RingStep {
        targets: s.targets.into_iter().map(target).collect::<Checked<_>>()?,
        ring_timeout: ring_timeout(s.ring_timeout_ms, limits)?,
        advance_on: s.advance_on,
    })
}

fn target(t: wit::Target) -> Checked<Target> {
    let to = match t.to {
        wit::Endpoint::Account(name) => {
            user(&name, "target: account")?;
            Endpoint::Account(name)
        }
        wit::Endpoint::Uri(text) => {
            uri(&text, "target: uri")?;
            Endpoint::Uri(text)
        }
        wit::Endpoint::Trunk((name, number)) => {
            ensure(!name.is_empty() && name.len() <= 64, "target: trunk name of 1 to 64 bytes")?;
            user(&number, "target: trunk number")?;
            Endpoint::Trunk { name, number, prefix: String::new() }
        }
    };
    attrs(t.attrs, None)?;
    Ok(Target { to, caller_id: caller_id(t.caller_id)?, header_ops: header_ops(t.header_ops)? })
}

fn ring_timeout(ms: u32, limits: &Limits) -> Checked<Duration> {
    let longest = u64::from(limits.ring_timeout_max_s) * 1_000;
    ensure(ms > 0 && u64::from(ms) <= longest, "ring-timeout-ms: ring-timeout-max-s")?;
    Ok(Duration::from_millis(u64::from(ms)))
}

fn caller_id(id: Option<String>) -> Checked<Option<String>> {
    if let Some(id) = &id {
        user(id, "caller-id")?;
    }
    Ok(id)
}

/// Checks changes to header fields.
pub(crate) fn header_ops(ops: Vec<WitHeaderOp>) -> Checked<Vec<HeaderOp>> {
    ensure(ops.len() <= HEADER_OPS_MAX, "header-ops: at most 32")?;
    let field = |name: String, value: String| -> Checked<Header> {
        header_name(&name)?;
        line(&value, HEADER_VALUE_MAX, "header value")?;
        Ok(Header { name, value })
    };
    let op = |op| {
        Ok(match op {
            WitHeaderOp::Set(h) => HeaderOp::Set(field(h.name, h.value)?),
            WitHeaderOp::Add(h) => HeaderOp::Add(field(h.name, h.value)?),
            WitHeaderOp::Remove(name) => {
                header_name(&name)?;
                HeaderOp::Remove(name)
            }
            WitHeaderOp::Other((name, _)) => return broken(format!("header-op `{}` is not known", clip(&name))),
        })
    };
    ops.into_iter().map(op).collect()
}

fn header_name(name: &str) -> Checked<()> {
    // RFC 3261 section 25.1: token.
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    ensure(!name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(token), "header name: a token")?;
    if is_switchs_own(name) {
        return broken(format!("header `{}` is the switch's own", clip(name)));
    }
    Ok(())
}

/// Checks attributes; puts them under `prefix`.
pub(crate) fn attrs(list: Vec<Attr>, prefix: Option<&str>) -> Checked<Vec<Attr>> {
    ensure(list.len() <= ATTRS_MAX, "attrs: at most 32")?;
    let one = |(name, value): Attr| {
        let fits = !name.is_empty() && name.len() <= ATTR_NAME_MAX && value.len() <= ATTR_VALUE_MAX;
        ensure(fits && !name.chars().any(char::is_control), "attrs: name 1 to 64 bytes, value at most 1024")?;
        Ok((prefix.map_or(name.clone(), |p| format!("{p}.{name}")), value))
    };
    list.into_iter().map(one).collect()
}

/// One line of text without control characters.
fn line(text: &str, max: usize, what: &str) -> Checked<()> {
    if text.len() > max || text.chars().any(char::is_control) {
        return broken(format!("{what}: one line of at most {max} bytes"));
    }
    Ok(())
}

/// A user part or number: what may stand before the `@` without escapes.
fn user(text: &str, what: &str) -> Checked<()> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%#".contains(&b);
    if text.is_empty() || text.len() > NAME_MAX || !text.bytes().all(legal) {
        return broken(format!("{what}: 1 to {NAME_MAX} characters of a SIP user part"));
    }
    Ok(())
}

/// The name of a binding.
fn word(text: &str, what: &str) -> Checked<()> {
    if is_binding_name(text) { Ok(()) } else { broken(format!("{what}: 1 to 64 letters, digits, `-` and `_`")) }
}

/// Whether `text` may name a binding.
pub(crate) fn is_binding_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(legal)
}

/// A SIP URI whose host is an address; the switch resolves no names yet.
fn uri(text: &str, what: &str) -> Checked<()> {
    let rule = || Broken(format!("{what}: a SIP URI with a literal address"));
    let graphic = text.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&b));
    let rest = text.get(..4).filter(|s| s.eq_ignore_ascii_case("sip:")).map(|_| &text[4..]).ok_or_else(rule)?;
    let (who, place) = rest.rsplit_once('@').map_or((None, rest), |(u, h)| (Some(u), h));
    let end = place.find([';', '?']).unwrap_or(place.len());
    let (host_port, params) = place.split_at(end);
    // `?headers` in a Request-URI would let a guest write header fields past the rules above.
    let ok = text.len() <= URI_MAX && graphic && !params.contains('?') && host_is_address(host_port);
    if !ok || who.is_some_and(|u| user(u.split(':').next().unwrap_or(u), what).is_err()) {
        return Err(rule());
    }
    Ok(())
}

fn host_is_address(host_port: &str) -> bool {
    let bare = host_port.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host_port);
    host_port.parse::<core::net::SocketAddr>().is_ok_and(|a| a.port() > 0)
        || bare.parse::<core::net::IpAddr>().is_ok_and(|ip| ip.is_ipv6() == host_port.starts_with('['))
}

fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// Checks what a script wants to play.
pub(crate) fn prompts(list: Vec<ctl::Prompt>, limits: &Limits) -> Checked<Vec<Prompt>> {
    ensure(list.len() <= limits.prompts_max, "prompts: prompts-max")?;
    let one = |p| {
        Ok(match p {
            ctl::Prompt::File(name) => {
                line(&name, NAME_MAX, "prompt file")?;
                Prompt::File(name)
            }
            ctl::Prompt::Tone(name) => {
                line(&name, NAME_MAX, "prompt tone")?;
                Prompt::Tone(name)
            }
            ctl::Prompt::SilenceMs(ms) => Prompt::SilenceMs(ms.min(600_000)),
            ctl::Prompt::Other((name, value)) if name == "clip" => {
                line(&value, NAME_MAX, "prompt clip")?;
                Prompt::Clip { name: value, sound: Clip::default() }
            }
            ctl::Prompt::Other((name, url)) if name == "url" => {
                line(&url, URL_MAX, "prompt url")?;
                Prompt::Brought { from: SoundSource::Url(url), sound: Clip::default() }
            }
            ctl::Prompt::Other((name, value)) if name == "speech" => {
                Prompt::Brought { from: SoundSource::Speech(speech(&value)?), sound: Clip::default() }
            }
            ctl::Prompt::Other((name, value)) => spoken(&name, &value)?,
        })
    };
    list.into_iter().map(one).collect()
}

/// A text to be read aloud: `LANGUAGE:TEXT` or `LANGUAGE/VOICE:TEXT`.
fn speech(value: &str) -> Checked<Speech> {
    let form = || Broken("prompt speech: of the form LANGUAGE:TEXT or LANGUAGE/VOICE:TEXT".to_owned());
    let (head, text) = value.split_once(':').ok_or_else(form)?;
    let (language, voice) = head.split_once('/').map_or((head, None), |(language, voice)| (language, Some(voice)));
    // Words of these go to a program's arguments: none begins as an option does.
    let word = |w: &str| w.len() <= PACK_MAX && is_word(w) && !w.starts_with('-');
    ensure(word(language) && voice.is_none_or(word), "prompt speech: the name of a language or voice")?;
    let legal = text.len() <= SPEECH_MAX && !text.chars().any(|c| c.is_control() && c != '\n');
    ensure(!text.trim().is_empty() && legal, "prompt speech: at most 2,000 bytes of text")?;
    Ok(Speech { language: language.to_owned(), voice: voice.map(str::to_owned), text: text.to_owned() })
}

/// Digits or a number of a prompt pack: `PACK:TEXT`.
fn spoken(name: &str, value: &str) -> Checked<Prompt> {
    let Some((pack, what)) = value.split_once(':') else {
        return broken(format!("prompt `{}`: of the form PACK:TEXT", clip(name)));
    };
    ensure(pack.len() <= PACK_MAX && is_word(pack), "prompt: the name of a pack")?;
    match name {
        "digits" => {
            let legal =
                what.len() <= SPOKEN_MAX && what.bytes().all(|b| b.is_ascii_alphanumeric() || b"*#+".contains(&b));
            ensure(!what.is_empty() && legal, "prompt digits: of 0-9 * # + and letters, at most 64")?;
            Ok(Prompt::Digits { pack: pack.to_owned(), text: what.to_owned() })
        }
        "number" => match what.parse() {
            Ok(value) => Ok(Prompt::Number { pack: pack.to_owned(), value }),
            Err(_) => broken("prompt number: a whole number"),
        },
        _ => Err(unknown("prompt", name)),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// One DTMF digit or none.
pub(crate) fn key(text: String) -> Checked<Option<char>> {
    ensure(text.len() <= 1, "key: one or none")?;
    Ok(digits(text)?.chars().next())
}

/// A set of DTMF digits, such as `stop-on`.
pub(crate) fn digits(text: String) -> Checked<String> {
    let legal = text.len() <= 16 && text.bytes().all(|b| b"0123456789*#ABCD".contains(&b));
    ensure(legal, "digits: of 0-9 * # A-D")?;
    Ok(text)
}

/// Checks what a script wants to collect.
pub(crate) fn collect(spec: ctl::CollectSpec, limits: &Limits) -> Checked<CollectSpec> {
    let max = usize::try_from(spec.max_digits).unwrap_or(usize::MAX);
    ensure((1..=limits.collect_digits_max).contains(&max), "max-digits: 1 to collect-digits-max")?;
    ensure(spec.min_digits <= spec.max_digits, "min-digits: at most max-digits")?;
    let time = |ms: u32| Duration::from_millis(u64::from(ms.min(600_000)));
    Ok(CollectSpec {
        prompts: prompts(spec.prompts, limits)?,
        min_digits: spec.min_digits,
        max_digits: spec.max_digits,
        terminators: digits(spec.terminators)?,
        first_digit: time(spec.first_digit_ms),
        inter_digit: time(spec.inter_digit_ms),
    })
}

/// Checks whom a script wants to ring.
pub(crate) fn dial(spec: ctl::DialSpec, limits: &Limits) -> Checked<DialSpec> {
    ensure((1..=limits.plan_targets_max).contains(&spec.targets.len()), "targets: 1 to plan-targets-max")?;
    for t in &spec.targets {
        if t.contains(':') { uri(t, "target")? } else { user(t, "target")? }
    }
    Ok(DialSpec {
        ring_timeout: ring_timeout(spec.ring_timeout_ms, limits)?,
        caller_id: caller_id(spec.caller_id)?,
        header_ops: header_ops(spec.header_ops)?,
        ringback: prompts(spec.ringback, limits)?,
        targets: spec.targets,
        parallel: spec.parallel,
    })
}

/// Checks how a script wants to bridge.
pub(crate) fn bridge(spec: &ctl::BridgeSpec) -> BridgeSpec {
    BridgeSpec { max: spec.max_s.map(|s| Duration::from_secs(u64::from(s))) }
}

/// Checks a refusal by a script.
pub(crate) fn refusal(sip: u16, reason: &str) -> Checked<()> {
    ensure((300..=699).contains(&sip), "refuse: status 300 to 699")?;
    line(reason, NAME_MAX, "refuse: reason")
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
