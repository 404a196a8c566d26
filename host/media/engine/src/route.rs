//! What becomes of each payload type on its way from one party to the other.

use sdp::{Codec, Payload, RemoteMedia};

/// What to do with one payload type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pass {
    /// As it is.
    Same,
    /// The same format under the other party's number.
    Retype(u8),
    /// Mu-law to A-law, under this number.
    ToAlaw(u8),
    /// A-law to mu-law, under this number.
    ToUlaw(u8),
    /// Nothing the other party takes: what it says is heard, and spoken anew in a format of the other's.
    Decode,
    /// A key: the other party knows no events at this clock. It is pressed anew, as an event of its own clock or as tones.
    Key,
    /// The number means something else to the other party.
    Drop,
}

/// What the switch could do where the parties have no format in common.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    /// Whether a format can be decoded.
    pub(crate) decodes: &'a dyn Fn(&Payload) -> bool,
    /// Whether some format of the other party can be encoded.
    pub(crate) speaks: bool,
}

/// One direction of a bridge: a table by payload type.
#[derive(Clone, Debug)]
pub(crate) struct Route([Pass; 128]);

impl Route {
    /// Everything as it is: also right for a party that has not described itself yet.
    pub(crate) const fn transparent() -> Self {
        Route([Pass::Same; 128])
    }

    /// From what `from` sends to what `to` takes.
    ///
    /// A party sends by the *other* description it was given. Where our bridge passed the descriptions on, numbers
    /// that `from` never listed are `to`'s own and pass unchanged; where the switch negotiated each side by itself,
    /// both used `from`'s numbers, and they are translated.
    pub(crate) fn between(from: Option<&RemoteMedia>, to: Option<&RemoteMedia>, means: Means<'_>) -> Self {
        let mut route = Route::transparent();
        let (Some(from), Some(to)) = (from, to) else { return route };
        for payload in &from.payloads {
            if let Some(slot) = route.0.get_mut(usize::from(payload.pt)) {
                *slot = pass(payload, to, means);
            }
        }
        route
    }

    /// Whether something of it has to be decoded.
    pub(crate) fn decodes(&self) -> bool {
        self.0.contains(&Pass::Decode)
    }

    /// What to do with this type.
    #[inline]
    pub(crate) fn of(&self, pt: u8) -> Pass {
        self.0.get(usize::from(pt)).copied().unwrap_or(Pass::Drop)
    }
}

fn pass(payload: &Payload, to: &RemoteMedia, means: Means<'_>) -> Pass {
    let there = to.payload(payload.pt);
    if there.is_some_and(|p| p.same_format(payload)) {
        return Pass::Same;
    }
    if let Some(renamed) = to.payloads.iter().find(|p| p.same_format(payload)) {
        return Pass::Retype(renamed.pt);
    }
    let target = |codec| to.payloads.iter().find(|p| p.codec() == Some(codec)).map(|p| p.pt);
    let transcoded = match payload.codec() {
        Some(Codec::Pcmu) => target(Codec::Pcma).map(Pass::ToAlaw),
        Some(Codec::Pcma) => target(Codec::Pcmu).map(Pass::ToUlaw),
        _ if payload.is_events() && means.speaks => Some(Pass::Key),
        Some(Codec::TelephoneEvent | Codec::G722 | Codec::Opus) | None => None,
    };
    let transcoded = transcoded.or_else(|| (means.speaks && (means.decodes)(payload)).then_some(Pass::Decode));
    transcoded.unwrap_or(if there.is_none() { Pass::Same } else { Pass::Drop })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdp::{Description, remote_media};

    fn party(formats: &str, maps: &[&str]) -> RemoteMedia {
        let mut text = format!(
            "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n"
        );
        for map in maps {
            text.push_str(&format!("a=rtpmap:{map}\r\n"));
        }
        remote_media(&Description::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn what_becomes_of_each_type() {
        let ulaw = party("0 101", &["101 telephone-event/8000"]);
        let alaw = party("8 96", &["96 telephone-event/8000"]);
        let both = party("8 0 101", &["101 telephone-event/8000"]);
        let opus = party("101 0", &["101 opus/48000/2"]);
        let dynamic = party("111", &["111 pcma/8000"]);
        for (from, to, pt, expected) in [
            (&ulaw, &both, 0, Pass::Same),
            (&ulaw, &both, 101, Pass::Same),
            (&ulaw, &alaw, 0, Pass::ToAlaw(8)),
            (&alaw, &ulaw, 8, Pass::ToUlaw(0)),
            (&ulaw, &alaw, 101, Pass::Retype(96)),
            (&alaw, &ulaw, 96, Pass::Retype(101)),
            (&ulaw, &dynamic, 0, Pass::ToAlaw(111)),
            (&ulaw, &opus, 101, Pass::Drop),
            (&ulaw, &opus, 0, Pass::Same),
            (&opus, &ulaw, 101, Pass::Drop),
            (&opus, &alaw, 101, Pass::Same),
            (&ulaw, &alaw, 18, Pass::Same),
        ] {
            let none = Means { decodes: &|_| false, speaks: false };
            assert_eq!(Route::between(Some(from), Some(to), none).of(pt), expected, "{from:?} -> {to:?}: {pt}");
        }
        let all = Means { decodes: &|p| p.encoding.eq_ignore_ascii_case("opus"), speaks: true };
        assert_eq!(Route::between(None, Some(&ulaw), all).of(8), Pass::Same);
        let deaf = party("0", &[]);
        let wide = party("0 110", &["110 telephone-event/48000"]);
        for (from, to, pt, expected) in [
            (&opus, &ulaw, 101, Pass::Decode),
            (&opus, &ulaw, 0, Pass::Same),
            (&ulaw, &deaf, 101, Pass::Key),
            (&wide, &ulaw, 110, Pass::Key),
            (&ulaw, &wide, 101, Pass::Key),
            (&ulaw, &deaf, 0, Pass::Same),
        ] {
            let route = Route::between(Some(from), Some(to), all);
            assert_eq!(route.of(pt), expected, "{from:?} -> {to:?}: {pt}");
            assert_eq!(route.decodes(), pt == 101 && expected == Pass::Decode || from == &opus);
        }
    }
}
