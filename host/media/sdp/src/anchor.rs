//! Putting our own address into a description that passes from one party to the other.

use crate::description::{attribute, is_live_audio, is_live_fax, set_line_direction};
use crate::{Description, MediaAddr};
use core::net::SocketAddr;
use sdp_types::{AddrType, Attribute, Connection, Media, Session};

/// Attributes that name the writer's own transport, and so would be lies in an anchored description.
const TRANSPORT_ATTRIBUTES: &[&str] = &[
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-lite",
    "ice-options",
    "ice-pacing",
    "ice-mismatch",
    "rtcp",
    "rtcp-mux-only",
    "group",
    "bundle-only",
];

/// The description as the other party shall see it: each live audio line takes the next address of `local`, the first
/// fax line the first one, every line beyond them and every other medium has port 0. Codecs and unknown attributes stay.
/// An offer of audio and fax at once names one port twice: the answer takes one of them ([`Description::choose`]).
///
/// Hold by the unspecified address (RFC 2543) becomes `sendonly` or `inactive`, since our own address is real.
/// Stamp the result with the receiving dialog's [`crate::Origin`] before it is sent.
#[must_use]
pub fn anchor(description: &Description, local: &[MediaAddr]) -> Description {
    let mut out = description.clone();
    let mut free = local.iter();
    let mut fax = local.first();
    for (index, media) in out.0.medias.iter_mut().enumerate() {
        let held = description.0.medias.get(index).is_some_and(|m| description.is_unspecified(m));
        let address = if is_live_fax(media) { fax.take() } else { None };
        match address.or_else(|| is_live_audio(media).then(|| free.next()).flatten()) {
            Some(addr) => {
                let direction = description.line_direction(media);
                anchor_line(media, addr);
                if held {
                    set_line_direction(media, direction.without_receiving());
                }
            }
            None => refuse(media),
        }
    }
    out.0.attributes.retain(is_kept);
    if let Some(addr) = local.first() {
        set_session_address(&mut out.0, addr.rtp);
    }
    out
}

/// The same for an answer, in the shape of the offer it answers: as many lines, of the same media and profile (RFC 3264
/// section 6). A line that the answer lacks is refused. RTCP goes with RTP where the offer says so (RFC 5761): that is
/// between the offerer and us, whatever the other party can do.
#[must_use]
pub fn anchor_answer(offer: &Description, answer: &Description, local: &[MediaAddr]) -> Description {
    let mut out = anchor(answer, local);
    out.0.medias.truncate(offer.0.medias.len());
    for (index, offered) in offer.0.medias.iter().enumerate() {
        match out.0.medias.get_mut(index) {
            Some(media) if media.media.eq_ignore_ascii_case(&offered.media) && offered.port != 0 => {
                if media.port != 0 {
                    answer_transport(media, offered);
                }
            }
            Some(media) => *media = refused(offered),
            None => out.0.medias.push(refused(offered)),
        }
    }
    out
}

/// What the answer to a line repeats of it.
pub(crate) fn answer_transport(media: &mut Media, offered: &Media) {
    const MUX: &str = "rtcp-mux";
    media.proto.clone_from(&offered.proto);
    media.attributes.retain(|a| a.attribute != MUX);
    if offered.attributes.iter().any(|a| a.attribute == MUX) {
        media.attributes.push(attribute(MUX, None));
    }
}

/// The offered line with port 0.
pub(crate) fn refused(offered: &Media) -> Media {
    let mut media = offered.clone();
    refuse(&mut media);
    media
}

/// Writes the session's `o=` and `c=` address.
pub(crate) fn set_session_address(session: &mut Session, addr: SocketAddr) {
    session.origin.nettype = sdp_types::NetType::In;
    session.origin.set_unicast_ip_address(addr.ip());
    session.connection = Some(Connection::from_ip_addr(addr.ip()));
}

/// Writes a line's own port, and its `c=` only where it differs from the session's.
fn anchor_line(media: &mut Media, addr: &MediaAddr) {
    media.port = addr.rtp.port();
    media.num_ports = None;
    media.connections.clear();
    media.attributes.retain(is_kept);
    if !is_live_fax(media) {
        media.attributes.extend(rtcp_attribute(addr));
    }
}

/// RFC 3605, where RTCP is not on the next port.
pub(crate) fn rtcp_attribute(addr: &MediaAddr) -> Option<Attribute> {
    if addr.rtcp.ip() == addr.rtp.ip() {
        let next = addr.rtp.port().checked_add(1) == Some(addr.rtcp.port());
        return (!next).then(|| attribute("rtcp", Some(addr.rtcp.port().to_string())));
    }
    let family: AddrType = addr.rtcp.ip().into();
    Some(attribute("rtcp", Some(format!("{} IN {} {}", addr.rtcp.port(), family.as_str(), addr.rtcp.ip()))))
}

/// Port 0, and nothing said of it.
pub(crate) fn refuse(media: &mut Media) {
    media.port = 0;
    media.num_ports = None;
    media.connections.clear();
    // A line keeps its name also where it is refused (RFC 8843 section 7.3).
    media.attributes.retain(|a| a.attribute == "mid");
}

fn is_kept(attribute: &Attribute) -> bool {
    !TRANSPORT_ATTRIBUTES.contains(&attribute.attribute.as_str())
}
