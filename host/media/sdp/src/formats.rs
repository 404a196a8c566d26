//! Which formats an audio line names: what a callee is offered of a caller's, and what the caller is answered.
//!
//! The parties' own formats come first, so that nothing is transcoded where they have one in common. Formats that the
//! switch can turn into each other are added behind them; formats that it does not know (G.729, AMR) pass as they are.

use crate::description::{attribute, is_live_audio};
use crate::remote::payloads;
use crate::{Codec, Description, Payload};
use sdp_types::Attribute;

/// Formats that the switch can offer by itself: name, RFC 3551's type if it has one, clock, channels.
const KNOWN: &[(&str, Option<u8>, u32, u8)] = &[
    ("PCMA", Some(8), 8_000, 1),
    ("PCMU", Some(0), 8_000, 1),
    ("G722", Some(9), 8_000, 1),
    ("L16", None, 16_000, 1),
    ("opus", None, 48_000, 2),
];
/// Formats that carry no speech.
const BESIDE: &[&str] = &["telephone-event", "CN", "red"];
/// Payload types that may be given to any format (RFC 3551 section 3).
const DYNAMIC: core::ops::RangeInclusive<u8> = 96..=127;

/// What we say of Opus: redundancy for lost packets is understood (RFC 7587 section 6.1).
pub(crate) const OPUS_PARAMETERS: &str = "useinbandfec=1";

/// The line that names a format.
pub(crate) fn rtpmap(p: &Payload) -> Attribute {
    let channels = if p.channels > 1 { format!("/{}", p.channels) } else { String::new() };
    attribute("rtpmap", Some(format!("{} {}/{}{channels}", p.pt, p.encoding, p.clock)))
}

impl Payload {
    /// Whether it carries speech.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !BESIDE.iter().any(|name| self.encoding.eq_ignore_ascii_case(name))
    }
}

impl Description {
    /// The formats of the audio line in use.
    #[must_use]
    pub fn formats(&self) -> Vec<Payload> {
        self.0.medias.iter().find(|m| is_live_audio(m)).map(payloads).unwrap_or_default()
    }

    /// Makes the audio line in use name exactly these, in this order. What is said of those that were there stays as it
    /// was written; what is said of others goes.
    pub fn set_formats(&mut self, formats: &[Payload]) {
        let before = self.formats();
        let Some(media) = self.0.medias.iter_mut().find(|m| is_live_audio(m)) else { return };
        let names: Vec<String> = formats.iter().map(|p| p.pt.to_string()).collect();
        media.fmt = names.join(" ");
        let stays = |p: &Payload| before.contains(p);
        media.attributes.retain(|a| {
            let about = matches!(a.attribute.as_str(), "rtpmap" | "fmtp" | "rtcp-fb");
            let pt = a.value.as_deref().and_then(|v| v.split_ascii_whitespace().next()).and_then(|n| n.parse().ok());
            !about || pt.is_none_or(|pt: u8| formats.iter().any(|p| p.pt == pt && stays(p)))
        });
        for p in formats.iter().filter(|p| !stays(p)) {
            media.attributes.push(rtpmap(p));
            let fmtp = p.fmtp.as_ref().map(|fmtp| attribute("fmtp", Some(format!("{} {fmtp}", p.pt))));
            media.attributes.extend(fmtp);
        }
    }
}

/// What a callee is offered of what the caller offers. `allowed` names formats, best first; none means all. `can` says
/// what the switch can decode and encode. `beside` names what is added last where nothing says what is allowed, for a
/// callee that may take nothing else. Without a speech format in the result the offer cannot be made.
#[must_use]
pub fn offer_formats(
    theirs: &[Payload],
    allowed: &[String],
    beside: &[&'static str],
    can: &dyn Fn(&Payload) -> bool,
) -> Vec<Payload> {
    let place = |p: &Payload| allowed.iter().position(|name| p.encoding.eq_ignore_ascii_case(name));
    let mut out: Vec<Payload> =
        theirs.iter().filter(|p| p.is_sound() && (allowed.is_empty() || place(p).is_some())).cloned().collect();
    out.sort_by_key(|p| place(p).unwrap_or(0));
    if theirs.iter().any(|p| p.is_sound() && can(p)) {
        let is_g711 = |p: &Payload| p.encoding.eq_ignore_ascii_case("PCMA") || p.encoding.eq_ignore_ascii_case("PCMU");
        let wanted: Vec<&str> = match allowed {
            [] if out.iter().any(is_g711) => beside.to_vec(),
            [] => ["PCMA", "PCMU"].iter().chain(beside).copied().collect(),
            names => names.iter().map(String::as_str).collect(),
        };
        for name in wanted {
            let known = KNOWN.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
            let Some((encoding, number, clock, channels)) = known else { continue };
            let taken = |pt: u8| theirs.iter().chain(&out).any(|p| p.pt == pt);
            if out.iter().any(|p| p.encoding.eq_ignore_ascii_case(encoding)) {
                continue;
            }
            let number = number.filter(|pt| !taken(*pt)).or_else(|| DYNAMIC.rev().find(|pt| !taken(*pt)));
            let Some(pt) = number else { continue };
            let fmtp = (*encoding == "opus").then(|| OPUS_PARAMETERS.to_owned());
            let added = Payload { pt, encoding: (*encoding).to_owned(), clock: *clock, channels: *channels, fmtp };
            out.extend(Some(added).filter(|p| can(p)));
        }
    }
    // Who has keys at the clock of its own sound only has them at G.711's through us.
    let at_8k = |p: &Payload| p.clock == 8_000;
    let lacks = theirs.iter().any(Payload::is_events) && !theirs.iter().any(|p| p.is_events() && at_8k(p));
    let taken = |pt: u8| theirs.iter().chain(&out).any(|p| p.pt == pt);
    let events = Codec::TelephoneEvent.payload();
    let number = core::iter::once(events.pt).chain(DYNAMIC.rev()).find(|pt| !taken(*pt));
    let events = number.filter(|_| lacks && out.iter().any(at_8k)).map(|pt| Payload { pt, ..events });
    if !out.is_empty() {
        out.extend(events);
        out.extend(theirs.iter().filter(|p| !p.is_sound()).cloned());
    }
    out
}

/// What the caller is answered: the callee's formats under the caller's numbers, where they have speech in common; else
/// the caller's first that the switch can turn into the callee's. `None` where neither is.
#[must_use]
pub fn answer_formats(
    offered: &[Payload],
    answered: &[Payload],
    can: &dyn Fn(&Payload) -> bool,
) -> Option<Vec<Payload>> {
    let as_offered = |p: &Payload| {
        let own = offered.iter().find(|o| o.pt == p.pt && o.same_format(p));
        let own = own.or_else(|| offered.iter().find(|o| o.same_format(p)))?;
        Some(Payload { pt: own.pt, ..p.clone() })
    };
    let mut common: Vec<Payload> = answered.iter().filter_map(as_offered).collect();
    // Keys pass whatever clock either has them at.
    if answered.iter().any(Payload::is_events) && !common.iter().any(Payload::is_events) {
        common.extend(offered.iter().find(|p| p.is_events()).cloned());
    }
    if common.iter().any(Payload::is_sound) {
        return Some(common);
    }
    answered.iter().find(|p| p.is_sound() && can(p))?;
    let first = offered.iter().find(|p| p.is_sound() && can(p))?;
    let events = offered.iter().filter(|p| p.encoding.eq_ignore_ascii_case("telephone-event"));
    Some(core::iter::once(first).chain(events).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(formats: &str, maps: &[&str]) -> Description {
        let mut text = format!(
            "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n"
        );
        maps.iter().for_each(|map| text.push_str(&format!("a={map}\r\n")));
        Description::parse(text.as_bytes()).unwrap()
    }

    fn names(formats: &[Payload]) -> String {
        formats.iter().map(|p| format!("{}={}", p.pt, p.encoding)).collect::<Vec<_>>().join(" ")
    }

    fn can(p: &Payload) -> bool {
        ["PCMU", "PCMA", "G722"].contains(&p.encoding.as_str())
    }

    const EVENT: &str = "rtpmap:101 telephone-event/8000";
    const WIDE: &str = "rtpmap:110 telephone-event/48000";
    const OPUS: &str = "rtpmap:111 opus/48000/2";

    #[test]
    fn what_a_callee_is_offered() {
        for (formats, maps, allowed, offered) in [
            ("0 8 101", &[EVENT][..], &[][..], "0=PCMU 8=PCMA 101=telephone-event"),
            ("9 101", &[EVENT], &[], "9=G722 8=PCMA 0=PCMU 101=telephone-event"),
            ("18 101", &[EVENT], &[], "18=G729 101=telephone-event"),
            ("111", &[OPUS], &[], "111=opus"),
            ("0 8 9 18 101", &[EVENT], &["G722", "PCMA"], "9=G722 8=PCMA 101=telephone-event"),
            ("0 101", &[EVENT], &["G722", "PCMA"], "9=G722 8=PCMA 101=telephone-event"),
            ("18 101", &[EVENT], &["PCMA"], ""),
            ("18 0", &[], &["G729"], "18=G729"),
            ("9 8", &["rtpmap:8 G729/8000"], &[], "9=G722 8=G729 127=PCMA 0=PCMU"),
        ] {
            let allowed: Vec<String> = allowed.iter().map(|name: &&str| (*name).to_owned()).collect();
            assert_eq!(
                names(&offer_formats(&line(formats, maps).formats(), &allowed, &[], &can)),
                offered,
                "{formats}"
            );
        }
        let all = |_: &Payload| true;
        for (formats, allowed, offered) in [
            ("0 101", "", "0=PCMU 127=opus 101=telephone-event"),
            ("111 101", "", "111=opus 8=PCMA 0=PCMU 101=telephone-event"),
            ("9 101", "", "9=G722 8=PCMA 0=PCMU 127=opus 101=telephone-event"),
            ("0 101", "PCMA", "8=PCMA 101=telephone-event"),
            ("0 101", "opus", "127=opus 101=telephone-event"),
            ("111 110", "", "111=opus 8=PCMA 0=PCMU 101=telephone-event 110=telephone-event"),
            ("111 110", "opus", "111=opus 110=telephone-event"),
            ("111 101 110", "", "111=opus 8=PCMA 0=PCMU 101=telephone-event 110=telephone-event"),
        ] {
            let allowed: Vec<String> = allowed.split_ascii_whitespace().map(str::to_owned).collect();
            let theirs = line(formats, &[OPUS, EVENT, WIDE]).formats();
            let made = offer_formats(&theirs, &allowed, &["opus"], &all);
            assert_eq!(names(&made), offered, "{formats} {allowed:?}");
            let added = made.iter().find(|p| p.pt == 127);
            assert!(added.is_none_or(|p| p.fmtp.as_deref() == Some(OPUS_PARAMETERS)));
        }
    }

    #[test]
    fn what_the_caller_is_answered() {
        for (offer, answer, maps, expected) in [
            ("0 8 101", "8 101", &[EVENT][..], Some("8=PCMA 101=telephone-event")),
            ("9 101", "8 101", &[EVENT], Some("9=G722 101=telephone-event")),
            ("18 9", "8", &[], Some("9=G722")),
            ("18", "8", &[], None),
            ("9", "18", &[], None),
            ("111 9", "0 111", &[OPUS], Some("111=opus")),
            ("111 110 0", "0 101", &[OPUS, EVENT, WIDE], Some("0=PCMU 110=telephone-event")),
            ("9 110", "8 101", &[EVENT, WIDE], Some("9=G722 110=telephone-event")),
        ] {
            let answered = answer_formats(&line(offer, maps).formats(), &line(answer, maps).formats(), &can);
            assert_eq!(answered.as_deref().map(names).as_deref(), expected, "{offer} {answer}");
        }
    }

    #[test]
    fn a_line_is_rewritten_and_keeps_what_was_said_of_the_rest() {
        let mut description = line("111 0 101", &[OPUS, "fmtp:111 useinbandfec=1", EVENT, "fmtp:101 0-15", "ptime:20"]);
        let mut formats = description.formats();
        formats.remove(0);
        formats.push(Payload {
            pt: 96,
            encoding: "L16".to_owned(),
            clock: 16_000,
            channels: 2,
            fmtp: Some("x=1".to_owned()),
        });
        description.set_formats(&formats);
        let text = String::from_utf8(description.to_bytes().to_vec()).unwrap();
        assert!(text.contains("RTP/AVP 0 101 96\r\n") && !text.contains("111"), "{text}");
        for kept in ["a=fmtp:101 0-15\r\n", "a=ptime:20\r\n", "a=rtpmap:96 L16/16000/2\r\n", "a=fmtp:96 x=1\r\n"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        assert_eq!(description.formats(), formats);
    }
}
