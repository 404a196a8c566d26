//! Descriptions the switch writes by itself: answers for apps, offers for legs it opens.

use crate::anchor::{answer_transport, refused, rtcp_attribute, set_session_address};
use crate::description::{attribute, is_live_audio, is_live_fax, set_line_direction};
use crate::formats::rtpmap;
use crate::remote::line_media;
use crate::{Codec, Description, Direction, MediaAddr, Negotiated, NoCommonCodec, Payload, RemoteMedia};
use sdp_types::{Media, Session, Time};

/// Answers an offer by ourselves: the first RTP audio line with a common sound codec, in clear or with keys, is taken,
/// every other line refused. Keys of our own are the caller's to add ([`Description::set_security`]). The answer keeps the offer's payload types and order, and mirrors its direction.
///
/// # Errors
/// No such line: answer 488.
pub fn answer_local(
    offer: &Description,
    local: MediaAddr,
    supported: &[Codec],
) -> Result<(Description, Negotiated), NoCommonCodec> {
    let (index, negotiated) = offer
        .0
        .medias
        .iter()
        .enumerate()
        .find_map(|(index, media)| negotiate(offer, media, supported).map(|n| (index, n)))
        .ok_or(NoCommonCodec)?;
    let mut session = empty_session(local);
    session.times.clone_from(&offer.0.times);
    for (at, offered) in offer.0.medias.iter().enumerate() {
        session.medias.push(if at == index {
            let mut line = audio_line(&negotiated.remote.payloads, &offered.proto, local, negotiated.direction);
            answer_transport(&mut line, offered);
            line
        } else {
            refused(offered)
        });
    }
    Ok((Description(session), negotiated))
}

/// Offers these codecs at our address, both ways.
#[must_use]
pub fn offer_local(local: MediaAddr, codecs: &[Codec]) -> Description {
    let payloads: Vec<Payload> = codecs.iter().map(|codec| codec.payload()).collect();
    let mut session = empty_session(local);
    session.medias.push(audio_line(&payloads, "RTP/AVP", local, Direction::SendRecv));
    Description(session)
}

/// What we say of T.38: version 0, V.17, packets again for those that are lost.
const FAX: [(&str, &str); 6] = [
    ("T38FaxVersion", "0"),
    ("T38MaxBitRate", "14400"),
    ("T38FaxRateManagement", "transferredTCF"),
    ("T38FaxMaxBuffer", "2000"),
    ("T38FaxMaxDatagram", "400"),
    ("T38FaxUdpEC", "t38UDPRedundancy"),
];

/// Offers T.38 at our address, in the place of sound.
#[must_use]
pub fn offer_fax(local: MediaAddr) -> Description {
    let mut session = empty_session(local);
    session.medias.push(fax_line(local));
    Description(session)
}

/// Answers an offer with T.38 by ourselves: its first fax line is taken, every other line refused.
///
/// # Errors
/// It has none, or no address for it.
pub fn answer_fax(offer: &Description, local: MediaAddr) -> Result<(Description, RemoteMedia), NoCommonCodec> {
    let index = offer.0.medias.iter().position(is_live_fax).ok_or(NoCommonCodec)?;
    let media = offer.0.medias.get(index).ok_or(NoCommonCodec)?;
    let remote = line_media(offer, media).map_err(|_| NoCommonCodec)?;
    let mut session = empty_session(local);
    session.times.clone_from(&offer.0.times);
    for (at, offered) in offer.0.medias.iter().enumerate() {
        session.medias.push(if at == index {
            Media { proto: offered.proto.clone(), fmt: offered.fmt.clone(), ..fax_line(local) }
        } else {
            refused(offered)
        });
    }
    Ok((Description(session), remote))
}

fn fax_line(local: MediaAddr) -> Media {
    Media {
        media: "image".to_owned(),
        port: local.rtp.port(),
        num_ports: None,
        proto: "udptl".to_owned(),
        fmt: "t38".to_owned(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: FAX.iter().map(|(name, value)| attribute(name, Some((*value).to_owned()))).collect(),
    }
}

/// What both sides speak on this line, if it is one we can take.
fn negotiate(offer: &Description, media: &Media, supported: &[Codec]) -> Option<Negotiated> {
    if !is_live_audio(media) {
        return None;
    }
    let offered = line_media(offer, media).ok()?;
    let known = match media.proto.to_ascii_uppercase().as_str() {
        "RTP/AVP" | "RTP/AVPF" => true,
        "RTP/SAVP" | "RTP/SAVPF" => !offered.crypto.is_empty(),
        "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF" => offered.webrtc.is_some(),
        _ => false,
    };
    if !known {
        return None;
    }
    let mut payloads: Vec<Payload> = Vec::new();
    for payload in &offered.payloads {
        if payload.is_events() {
            let wanted = offered.dtmf_pt == Some(payload.pt) && supported.contains(&Codec::TelephoneEvent);
            payloads.extend(Some(payload.clone()).filter(|_| wanted));
            continue;
        }
        let Some(codec) = payload.codec().filter(|c| supported.contains(c)) else { continue };
        // The same codec twice under two types would make the answer ambiguous.
        if !payloads.iter().any(|p| p.codec() == Some(codec)) {
            payloads.push(payload.clone());
        }
    }
    // Prompts and tones have no more than G.711 carries: wideband only where there is nothing else, the cheaper first.
    for (cheap, dear) in
        [(&[Codec::Pcmu, Codec::Pcma][..], Codec::G722), (&[Codec::Pcmu, Codec::Pcma, Codec::G722], Codec::Opus)]
    {
        if payloads.iter().any(|p| p.codec().is_some_and(|codec| cheap.contains(&codec))) {
            payloads.retain(|p| p.codec() != Some(dear));
        }
    }
    let dtmf_pt = offered.dtmf_pt.filter(|_| supported.contains(&Codec::TelephoneEvent));
    let direction = if offered.rtp.ip().is_unspecified() && offered.webrtc.is_none() {
        offered.direction.without_receiving().mirrored()
    } else {
        offered.direction.mirrored()
    };
    let remote = RemoteMedia { payloads, dtmf_pt, ..offered };
    let (codec, pt) = remote.audio()?;
    Some(Negotiated { remote, codec, pt, direction })
}

/// A session without lines. Its `o=` id is the port until [`crate::Origin::stamp`] writes the dialog's own.
fn empty_session(local: MediaAddr) -> Session {
    let origin = sdp_types::Origin::with_ip_addr(u64::from(local.rtp.port()), 1, local.rtp.ip());
    let mut session = Session::new(origin, "-");
    session.times = vec![Time { start_time: 0, stop_time: 0, repeats: Vec::new() }];
    set_session_address(&mut session, local.rtp);
    session
}

fn audio_line(payloads: &[Payload], proto: &str, local: MediaAddr, direction: Direction) -> Media {
    let formats: Vec<String> = payloads.iter().map(|p| p.pt.to_string()).collect();
    let mut attributes = Vec::new();
    for p in payloads {
        attributes.push(rtpmap(p));
        // What we say of a format is ours, whatever the party says of it.
        let ours = p.codec().and_then(|codec| codec.payload().fmtp);
        attributes.extend(ours.map(|said| attribute("fmtp", Some(format!("{} {said}", p.pt)))));
    }
    attributes.push(attribute("ptime", Some("20".to_owned())));
    attributes.extend(rtcp_attribute(&local));
    let mut media = Media {
        media: "audio".to_owned(),
        port: local.rtp.port(),
        num_ports: None,
        proto: proto.to_owned(),
        fmt: formats.join(" "),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes,
    };
    set_line_direction(&mut media, direction);
    media
}
