//! The lossless container.

use crate::webrtc::is_dtls;
use crate::{Direction, ParseError};
use bytes::Bytes;
use core::net::IpAddr;
use sdp_types::{Attribute, Connection, Media, Session};

/// Most m-lines in one description.
pub const MEDIA_LINES_MAX: usize = 64;

/// A session description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description(pub(crate) Session);

impl Description {
    /// Reads a description. Bytes that are not UTF-8 (Latin-1 session names) are replaced, not refused.
    ///
    /// # Errors
    /// A line breaks RFC 8866, or there are too many.
    pub fn parse(bytes: &[u8]) -> Result<Description, ParseError> {
        let text = String::from_utf8_lossy(bytes);
        let session = Session::parse(text.as_bytes()).map_err(|e| ParseError::Syntax(e.to_string()))?;
        if session.medias.len() > MEDIA_LINES_MAX {
            return Err(ParseError::TooManyMedia);
        }
        Ok(Description(session))
    }

    /// The text, with CRLF.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(512);
        // Writing into a Vec cannot fail.
        let _ = self.0.write(&mut out);
        Bytes::from(out)
    }

    /// How many m-lines there are.
    #[must_use]
    pub fn media_lines(&self) -> usize {
        self.0.medias.len()
    }

    /// The direction of the audio line in use; `SendRecv` where there is none.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.audio_index().and_then(|i| self.0.medias.get(i)).map_or(Direction::SendRecv, |m| self.line_direction(m))
    }

    /// Writes this direction into every live audio line, as a hold or resume offer does (RFC 3264 section 8.4).
    pub fn set_direction(&mut self, direction: Direction) {
        self.0.attributes.retain(|a| Direction::from_token(&a.attribute).is_none());
        for media in self.0.medias.iter_mut().filter(|m| is_live_audio(m)) {
            set_line_direction(media, direction);
        }
    }

    /// Whether a fax line (T.38) is in use, beside audio or not.
    #[must_use]
    pub fn names_fax(&self) -> bool {
        self.0.medias.iter().any(is_live_fax)
    }

    /// Whether a fax line is all that is in use.
    #[must_use]
    pub fn is_fax(&self) -> bool {
        self.audio_index().is_none() && self.names_fax()
    }

    /// Where both audio and fax are in use, refuses the one that is not wanted.
    pub fn choose(&mut self, fax: bool) {
        if self.audio_index().is_none() || !self.names_fax() {
            return;
        }
        for media in &mut self.0.medias {
            let unwanted = if fax { is_live_audio(media) } else { is_live_fax(media) };
            if unwanted {
                crate::anchor::refuse(media);
            }
        }
    }

    /// The first audio line with a port.
    pub(crate) fn audio_index(&self) -> Option<usize> {
        self.0.medias.iter().position(is_live_audio)
    }

    /// A line's direction: its own, else the session's, else both ways (RFC 8866 section 6.7).
    pub(crate) fn line_direction(&self, media: &Media) -> Direction {
        let of = |list: &[Attribute]| list.iter().find_map(|a| Direction::from_token(&a.attribute));
        of(&media.attributes).or_else(|| of(&self.0.attributes)).unwrap_or_default()
    }

    /// A line's connection: its own, else the session's.
    pub(crate) fn line_connection<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connections.first().or(self.0.connection.as_ref())
    }

    /// Whether a line's connection is the unspecified address: hold as in RFC 2543, but not where ICE finds the address.
    pub(crate) fn is_unspecified(&self, media: &Media) -> bool {
        !is_dtls(&media.proto)
            && self.line_connection(media).and_then(connection_ip).is_some_and(|ip| ip.is_unspecified())
    }
}

/// Whether a line is audio with a port.
pub(crate) fn is_live_audio(media: &Media) -> bool {
    media.media.eq_ignore_ascii_case("audio") && media.port != 0
}

/// Whether a line is a fax by UDPTL (ITU-T T.38 annex D) with a port.
pub(crate) fn is_live_fax(media: &Media) -> bool {
    media.media.eq_ignore_ascii_case("image")
        && media.proto.eq_ignore_ascii_case("udptl")
        && media.fmt.split_ascii_whitespace().any(|format| format.eq_ignore_ascii_case("t38"))
        && media.port != 0
}

/// Replaces a line's direction attribute.
pub(crate) fn set_line_direction(media: &mut Media, direction: Direction) {
    media.attributes.retain(|a| Direction::from_token(&a.attribute).is_none());
    media.attributes.push(attribute(direction.token(), None));
}

/// The literal address of a `c=` line, without a multicast suffix.
pub(crate) fn connection_ip(connection: &Connection) -> Option<IpAddr> {
    connection.connection_address.split('/').next()?.trim().parse().ok()
}

/// An attribute line.
pub(crate) fn attribute(name: &str, value: Option<String>) -> Attribute {
    Attribute { attribute: name.to_owned(), value }
}
