//! Media of browsers: ICE (RFC 8839), DTLS-SRTP (RFC 5763, 8842), one bundled line (RFC 8843), as RFC 8829 writes them.
//!
//! What a party says of its transport is read into [`Webrtc`]; what we say is written by [`Description::set_webrtc`]. The
//! two never mix: a carried description loses all that its writer said of transports, sources and header extensions,
//! since each leg has its own.

use crate::Description;
use crate::description::{attribute, is_live_audio};
use core::fmt;
use sdp_types::{Attribute, Media, Session};

/// The profile of a browser's lines (RFC 5764 section 8, RFC 8827 section 6.5).
const PROFILE: &str = "UDP/TLS/RTP/SAVPF";
/// What a browser says of its transport, its sources, and of features that hang on either.
const OF_THE_LINE: &[&str] = &[
    "mid",
    "msid",
    "ssrc",
    "ssrc-group",
    "extmap",
    "rtcp-fb",
    "rtcp-rsize",
    "rtcp-xr",
    "crypto",
    "fingerprint",
    "setup",
    "connection",
    "tls-id",
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "bundle-only",
];
/// The same for a whole session.
const OF_THE_SESSION: &[&str] = &[
    "group",
    "msid-semantic",
    "extmap",
    "extmap-allow-mixed",
    "fingerprint",
    "setup",
    "tls-id",
    "ice-lite",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
];
/// Most fingerprints that are read of one line.
const FINGERPRINTS_MAX: usize = 8;
/// Longest ufrag and password (RFC 8839 section 5.4).
const ICE_WORD_MAX: usize = 256;
/// Shortest name of an association (RFC 8842 section 4).
const TLS_ID_MIN: usize = 20;
/// RFC 8445 section 5.1.2.1: a host candidate, the only one of its kind, of component 1.
const PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

/// What one agent's connectivity checks are known by (RFC 8839 section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Ice {
    /// Names the agent.
    pub ufrag: String,
    /// The key of what is sent to it.
    pub pwd: String,
}

/// A password is never printed.
impl fmt::Debug for Ice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ice({})", self.ufrag)
    }
}

/// What a certificate is known by (RFC 8122 section 5).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fingerprint {
    /// The hash function's name in lower case, as `sha-256`.
    pub hash: String,
    /// The hash of the certificate in DER.
    pub digest: Vec<u8>,
}

impl Fingerprint {
    fn parse(value: &str) -> Option<Fingerprint> {
        let (hash, digest) = value.trim().split_once(' ')?;
        let digest: Option<Vec<u8>> = digest.trim().split(':').map(|h| u8::from_str_radix(h, 16).ok()).collect();
        Some(Fingerprint { hash: hash.to_ascii_lowercase(), digest: digest.filter(|d| d.len() <= 64)? })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash)?;
        for (n, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if n > 0 { ":" } else { "" })?;
        }
        Ok(())
    }
}

/// Who begins the handshake (RFC 4145 section 4, RFC 5763 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// The writer.
    Active,
    /// The other.
    Passive,
    /// The other may choose: in offers.
    ActPass,
}

impl Setup {
    /// The attribute's value.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
        }
    }

    fn from_token(token: &str) -> Option<Setup> {
        [Setup::Active, Setup::Passive, Setup::ActPass].into_iter().find(|s| token.eq_ignore_ascii_case(s.token()))
    }
}

/// What a party's description says of ICE and DTLS on its audio line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webrtc {
    /// What its checks are known by.
    pub ice: Ice,
    /// It answers checks and makes none.
    pub lite: bool,
    /// Its certificates; never none, and in order, since theirs says nothing.
    pub fingerprints: Vec<Fingerprint>,
    /// Who begins the handshake.
    pub setup: Setup,
    /// The name of its association, where it gives names (RFC 8842 section 4).
    pub tls_id: Option<String>,
    /// The line's name.
    pub mid: Option<String>,
}

/// What we say of ourselves on a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnWebrtc {
    /// What checks towards us are known by.
    pub ice: Ice,
    /// Our certificate.
    pub fingerprint: Fingerprint,
    /// Who begins the handshake.
    pub setup: Setup,
    /// Our name of the association: in offers, and to a party that gives names.
    pub tls_id: Option<String>,
    /// The line's name: the party's own, where it has given one.
    pub mid: String,
}

/// Whether a profile is SRTP keyed by DTLS.
pub(crate) fn is_dtls(proto: &str) -> bool {
    proto.to_ascii_uppercase().starts_with("UDP/TLS/RTP/SAVP")
}

/// Reads a line's transport; `None` where one of its parts is missing. RTCP must go with RTP: a second port would be a
/// second transport, which browsers have not asked for since RFC 8829.
pub(crate) fn line_webrtc(session: &Session, media: &Media) -> Option<Webrtc> {
    let own = |name: &str| media.attributes.iter().find(|a| a.attribute == name);
    if !is_dtls(&media.proto) || own("rtcp-mux").is_none() {
        return None;
    }
    let whole = |name: &str| session.attributes.iter().find(|a| a.attribute == name);
    let value = |name: &str| own(name).or_else(|| whole(name)).and_then(|a| a.value.as_deref()).map(str::trim);
    let word = |name: &str, least: usize| {
        value(name).filter(|v| (least..=ICE_WORD_MAX).contains(&v.len()) && v.is_ascii()).map(str::to_owned)
    };
    let ice = Ice { ufrag: word("ice-ufrag", 4)?, pwd: word("ice-pwd", 22)? };
    let mut fingerprints = fingerprints(&media.attributes);
    if fingerprints.is_empty() {
        fingerprints = self::fingerprints(&session.attributes);
    }
    if fingerprints.is_empty() {
        return None;
    }
    // RFC 4145 section 4: an offer without the word is active.
    let setup = value("setup").map_or(Some(Setup::Active), Setup::from_token)?;
    let mid = own("mid").and_then(|a| a.value.clone());
    let tls_id = word("tls-id", TLS_ID_MIN);
    Some(Webrtc { ice, lite: whole("ice-lite").is_some(), fingerprints, setup, tls_id, mid })
}

fn fingerprints(attributes: &[Attribute]) -> Vec<Fingerprint> {
    let values = attributes.iter().filter(|a| a.attribute == "fingerprint").filter_map(|a| a.value.as_deref());
    let mut fingerprints: Vec<Fingerprint> = values.take(FINGERPRINTS_MAX).filter_map(Fingerprint::parse).collect();
    fingerprints.sort();
    fingerprints.dedup();
    fingerprints
}

/// Takes away what a browser said of its own transport and sources.
pub(crate) fn forget_transport(session: &mut Session, index: usize) {
    session.attributes.retain(|a| !OF_THE_SESSION.contains(&a.attribute.as_str()));
    if let Some(media) = session.medias.get_mut(index) {
        media.attributes.retain(|a| !OF_THE_LINE.contains(&a.attribute.as_str()));
    }
}

impl Description {
    /// Makes the audio line in use one of WebRTC: its profile, our ICE as an agent that only answers, our certificate,
    /// and one candidate, which is the line's own address. RTCP goes with RTP.
    pub fn set_webrtc(&mut self, own: &OwnWebrtc) {
        let Some(index) = self.audio_index() else { return };
        forget_transport(&mut self.0, index);
        let Some(media) = self.0.medias.get(index) else { return };
        let ip = self.line_connection(media).map(|c| c.connection_address.clone()).unwrap_or_default();
        self.0.attributes.push(attribute("ice-lite", None));
        self.0.attributes.push(attribute("group", Some(format!("BUNDLE {}", own.mid))));
        self.0.attributes.push(attribute("msid-semantic", Some(" WMS strowger".to_owned())));
        let Some(media) = self.0.medias.get_mut(index) else { return };
        PROFILE.clone_into(&mut media.proto);
        media.attributes.retain(|a| !matches!(a.attribute.as_str(), "rtcp" | "rtcp-mux" | "rtcp-mux-only"));
        let candidate = format!("1 1 udp {PRIORITY} {ip} {} typ host", media.port);
        let says = [
            ("mid", own.mid.clone()),
            ("ice-ufrag", own.ice.ufrag.clone()),
            ("ice-pwd", own.ice.pwd.clone()),
            ("fingerprint", own.fingerprint.to_string()),
            ("setup", own.setup.token().to_owned()),
            ("msid", "strowger audio".to_owned()),
            ("candidate", candidate),
        ];
        media.attributes.extend(says.into_iter().map(|(name, value)| attribute(name, Some(value))));
        media.attributes.extend(own.tls_id.clone().map(|id| attribute("tls-id", Some(id))));
        media.attributes.push(attribute("end-of-candidates", None));
        media.attributes.push(attribute("rtcp-mux", None));
    }

    /// Leaves nothing but the audio line in use: what a first offer to a browser has.
    pub fn keep_audio_only(&mut self) {
        let index = self.audio_index();
        let mut at = 0_usize..;
        self.0.medias.retain(|_| at.next() == index);
    }

    /// Gives the description as many lines as `last` had, the missing ones refused: lines never go (RFC 3264 section 8).
    pub fn keep_lines_of(&mut self, last: &Description) {
        for gone in last.0.medias.iter().skip(self.0.medias.len()) {
            self.0.medias.push(crate::anchor::refused(gone));
        }
    }

    /// Whether the audio line in use is WebRTC's.
    #[must_use]
    pub fn is_webrtc(&self) -> bool {
        self.0.medias.iter().find(|m| is_live_audio(m)).is_some_and(|m| is_dtls(&m.proto))
    }
}

#[cfg(test)]
mod tests;
