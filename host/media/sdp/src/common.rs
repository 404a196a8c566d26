//! An answer to one party's offer that another, known party can live with: both are already spoken to, and neither can be
//! asked first.

use crate::anchor::{anchor, refused};
use crate::description::{is_live_audio, set_line_direction};
use crate::remote::{payloads, remote_media};
use crate::{Description, Direction, MediaAddr, NoCommonCodec};
use sdp_types::Media;

/// Answers `offer` at our address with those of its formats that `known` takes too, in the offer's order and under its
/// payload types. The first such audio line is taken, every other line refused.
///
/// # Errors
/// No line has a sound format in common.
pub fn answer_known(offer: &Description, known: &Description, local: MediaAddr) -> Result<Description, NoCommonCodec> {
    let takes = remote_media(known).map_err(|_| NoCommonCodec)?.payloads;
    let common = |media: &Media| -> Vec<u8> {
        let of = payloads(media).into_iter().filter(|p| takes.iter().any(|t| t.same_format(p)));
        of.map(|p| p.pt).collect()
    };
    let sounds = |media: &Media| {
        let kept = common(media);
        payloads(media).iter().any(|p| kept.contains(&p.pt) && !p.encoding.eq_ignore_ascii_case("telephone-event"))
    };
    let index = offer.0.medias.iter().position(|media| is_live_audio(media) && sounds(media)).ok_or(NoCommonCodec)?;
    let mut out = offer.clone();
    for (at, media) in out.0.medias.iter_mut().enumerate() {
        if at != index {
            *media = refused(media);
            continue;
        }
        let direction = offer.line_direction(media).mirrored();
        restrict(media, &common(media));
        set_line_direction(media, if direction == Direction::RecvOnly { direction } else { Direction::SendRecv });
    }
    Ok(anchor(&out, &[local]))
}

/// Leaves only these payload types in a line.
fn restrict(media: &mut Media, kept: &[u8]) {
    let is_kept = |text: &str| text.parse().is_ok_and(|pt: u8| kept.contains(&pt));
    let formats: Vec<&str> = media.fmt.split_ascii_whitespace().filter(|f| is_kept(f)).collect();
    media.fmt = formats.join(" ");
    media.attributes.retain(|a| {
        let numbered = matches!(a.attribute.as_str(), "rtpmap" | "fmtp" | "rtcp-fb");
        let number = a.value.as_deref().and_then(|v| v.split_ascii_whitespace().next()).unwrap_or_default();
        !numbered || number == "*" || is_kept(number)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(line: &str, rest: &str) -> Description {
        let text = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm={line}\r\n{rest}");
        Description::parse(text.as_bytes()).expect("a test's description parses")
    }

    fn local() -> MediaAddr {
        let at = |port| core::net::SocketAddr::from(([10, 0, 0, 9], port));
        MediaAddr { rtp: at(20_000), rtcp: at(20_001) }
    }

    #[test]
    fn the_answer_has_what_both_take_in_the_offers_words() {
        let offer = described(
            "audio 4000 RTP/AVP 96 8 0 97",
            "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 x=1\r\na=rtpmap:97 telephone-event/8000\r\n",
        );
        let known = described("audio 5000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000\r\n");
        let answer = answer_known(&offer, &known, local()).expect("PCMU in common");
        let text = String::from_utf8_lossy(&answer.to_bytes()).into_owned();
        assert!(text.contains("m=audio 20000 RTP/AVP 0 97"), "{text}");
        assert!(!text.contains("opus") && !text.contains("fmtp:96"), "{text}");
        assert!(text.contains("a=rtpmap:97 telephone-event/8000"), "{text}");
        let none = described("audio 5000 RTP/AVP 18 97", "a=rtpmap:97 telephone-event/8000\r\n");
        assert_eq!(answer_known(&offer, &none, local()), Err(NoCommonCodec), "events alone are no conversation");
    }
}
