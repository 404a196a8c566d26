//! Where a party listens and what it takes.

use crate::crypto::{crypto_lines, is_secure_profile};
use crate::description::{connection_ip, is_live_audio, is_live_fax};
use crate::webrtc::line_webrtc;
use crate::{Codec, Description, NoMedia, Payload, RemoteMedia};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use sdp_types::{Attribute, Media};

/// Reads the first live audio line of a party's offer or answer; where there is none, the first live fax line.
///
/// # Errors
/// There is no such line in use, or its address is not a unicast literal.
pub fn remote_media(description: &Description) -> Result<RemoteMedia, NoMedia> {
    let lines = &description.0.medias;
    let media = lines.iter().find(|m| is_live_audio(m)).or_else(|| lines.iter().find(|m| is_live_fax(m)));
    line_media(description, media.ok_or(NoMedia::NoAudio)?)
}

/// Reads one line.
pub(crate) fn line_media(description: &Description, media: &Media) -> Result<RemoteMedia, NoMedia> {
    let webrtc = line_webrtc(&description.0, media).map(Box::new);
    let ip = match line_ip(description, media) {
        // Where a browser is, its checks tell: it may describe nothing, or a name that only its own network knows.
        Err(_) if webrtc.is_some() => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ip => ip?,
    };
    let rtp = SocketAddr::new(ip, media.port);
    let direction = description.line_direction(media);
    let payloads = payloads(media);
    Ok(RemoteMedia {
        rtp,
        rtcp: rtcp_addr(media, rtp),
        direction,
        dtmf_pt: events_of(&payloads).map(|p| p.pt),
        ptime: value(&media.attributes, "ptime").and_then(|v| v.trim().parse().ok()),
        held: !direction.receives() || (ip.is_unspecified() && webrtc.is_none()),
        secure: is_secure_profile(&media.proto),
        crypto: crypto_lines(media),
        rtcp_mux: media.attributes.iter().any(|a| a.attribute == "rtcp-mux"),
        webrtc,
        udptl: is_live_fax(media),
        payloads,
    })
}

/// The events that are used of these formats: a party of one clock for its sound may have them at that alone.
fn events_of(payloads: &[Payload]) -> Option<&Payload> {
    let usual = payloads.iter().find(|p| p.codec() == Some(Codec::TelephoneEvent));
    usual.or_else(|| payloads.iter().find(|p| p.is_events()))
}

fn line_ip(description: &Description, media: &Media) -> Result<IpAddr, NoMedia> {
    let connection = description.line_connection(media).ok_or_else(|| NoMedia::Address(String::new()))?;
    let ip = connection_ip(connection).filter(|ip| !ip.is_multicast());
    ip.ok_or_else(|| NoMedia::Address(connection.connection_address.clone()))
}

/// The first value of an attribute.
fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|a| a.attribute == name).and_then(|a| a.value.as_deref())
}

/// RFC 3605: `a=rtcp:PORT [IN IP4 ADDRESS]`, else the next port.
fn rtcp_addr(media: &Media, rtp: SocketAddr) -> SocketAddr {
    let default = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let Some(text) = value(&media.attributes, "rtcp") else { return default };
    let mut words = text.split_ascii_whitespace();
    let Some(port) = words.next().and_then(|w| w.parse().ok()) else { return default };
    let ip = words.nth(2).and_then(|w| w.parse::<IpAddr>().ok()).filter(|ip| !ip.is_multicast());
    SocketAddr::new(ip.unwrap_or(rtp.ip()), port)
}

/// The formats of a line, in its order. A payload type that is neither described nor static is left out.
pub(crate) fn payloads(media: &Media) -> Vec<Payload> {
    let mut list: Vec<Payload> = Vec::new();
    for pt in media.fmt.split_ascii_whitespace().filter_map(|f| f.parse::<u8>().ok()).filter(|pt| *pt < 128) {
        if list.iter().any(|p| p.pt == pt) {
            continue;
        }
        if let Some((encoding, clock, channels)) = rtpmap(media, pt).or_else(|| static_payload(pt)) {
            let fmtp = described(media, "fmtp", pt).map(str::to_owned);
            list.push(Payload { pt, encoding, clock, channels, fmtp });
        }
    }
    list
}

/// The rest of `a=NAME:PT rest`.
fn described<'a>(media: &'a Media, name: &str, pt: u8) -> Option<&'a str> {
    media.attributes.iter().filter(|a| a.attribute == name).find_map(|a| {
        let (number, rest) = a.value.as_deref()?.trim_start().split_once(' ')?;
        (number.parse() == Ok(pt)).then(|| rest.trim())
    })
}

/// `a=rtpmap:PT NAME/CLOCK[/CHANNELS]`.
fn rtpmap(media: &Media, pt: u8) -> Option<(String, u32, u8)> {
    let mut parts = described(media, "rtpmap", pt)?.split('/');
    let encoding = parts.next().filter(|e| !e.is_empty())?.to_owned();
    let clock = parts.next()?.trim().parse().ok()?;
    let channels = parts.next().and_then(|c| c.trim().parse().ok()).unwrap_or(1);
    Some((encoding, clock, channels))
}

/// RFC 3551 section 6: audio types that need no `a=rtpmap`.
fn static_payload(pt: u8) -> Option<(String, u32, u8)> {
    let (encoding, clock, channels) = match pt {
        0 => ("PCMU", 8_000, 1),
        3 => ("GSM", 8_000, 1),
        4 => ("G723", 8_000, 1),
        5 => ("DVI4", 8_000, 1),
        6 => ("DVI4", 16_000, 1),
        7 => ("LPC", 8_000, 1),
        8 => ("PCMA", 8_000, 1),
        9 => ("G722", 8_000, 1),
        10 => ("L16", 44_100, 2),
        11 => ("L16", 44_100, 1),
        12 => ("QCELP", 8_000, 1),
        13 => ("CN", 8_000, 1),
        15 => ("G728", 8_000, 1),
        18 => ("G729", 8_000, 1),
        _ => return None,
    };
    Some((encoding.to_owned(), clock, channels))
}
