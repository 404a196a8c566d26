//! Bodies of several parts (RFC 2046 section 5.1, RFC 5621): which of them is the session description. Emergency calls
//! have the caller's place beside it (RFC 6442), carriers the ISUP message of the other side (RFC 3204).

use crate::Message;
use crate::name::Name;
use crate::params::Params;
use bytes::Bytes;
use core::ops::Range;

/// Most parts looked at, over all levels.
const PARTS_MAX: usize = 32;
/// Parts may have parts (RFC 5621 section 4.2), so deep.
const DEPTH_MAX: usize = 3;
const SDP: &str = "application/sdp";

/// What a body of parts holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Inside {
    /// Where the session description is, within the message's body.
    session: Option<Range<usize>>,
    /// Parts so far.
    parts: usize,
    /// Something must be understood that is not (RFC 5621 section 8.4).
    beyond: bool,
}

impl Message {
    /// The session description that it carries: its body, or the part of it that is one. A body of another kind is given
    /// as it is.
    #[must_use]
    pub fn session_body(&self) -> Option<Bytes> {
        let body = self.body_bytes();
        match self.inside() {
            Some(inside) => inside.session.map(|at| body.slice(at)),
            None => (!body.is_empty()).then_some(body),
        }
    }

    /// Whether its body is a session description, or has one among its parts, and holds nothing else that must be
    /// understood.
    #[must_use]
    pub fn carries_session(&self) -> bool {
        if self.header(Name::ContentEncoding).is_some_and(|v| !v.eq_ignore_case("identity")) {
            return false;
        }
        match self.inside() {
            Some(inside) => inside.session.is_some() && !inside.beyond,
            None => self.is_content_type(SDP),
        }
    }

    /// Whether a session description is in its body that can be read.
    #[must_use]
    pub fn has_session(&self) -> bool {
        let plain = self.header(Name::ContentEncoding).is_none_or(|v| v.eq_ignore_case("identity"));
        plain && self.inside().map_or_else(|| self.is_content_type(SDP), |inside| inside.session.is_some())
    }

    /// The body with another session description in the place of its own.
    #[must_use]
    pub fn with_session(&self, session: &Bytes) -> Bytes {
        let body = self.body();
        let Some(at) = self.inside().and_then(|inside| inside.session) else { return session.clone() };
        let (Some(before), Some(behind)) = (body.get(..at.start), body.get(at.end..)) else { return session.clone() };
        [before, session, behind].concat().into()
    }

    /// The parts of a body that has some.
    fn inside(&self) -> Option<Inside> {
        let boundary = boundary(self.content_type()?)?;
        let mut inside = Inside::default();
        look(self.body(), 0..self.body().len(), (&boundary, DEPTH_MAX), &mut inside);
        Some(inside)
    }
}

/// The boundary of a type that has parts; `None` for any other.
fn boundary(kind: &str) -> Option<String> {
    let kind = kind.trim_start();
    if !kind.get(.."multipart/".len())?.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let params = kind.find(';').and_then(|at| kind.get(at..)).unwrap_or_default();
    let boundary = Params::new(params).find("boundary")?.unescaped().into_owned();
    // RFC 2046 section 5.1.1 has one to seventy characters.
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// Looks through the parts of `whole`, best first: of several session descriptions the first counts.
fn look(body: &[u8], whole: Range<usize>, (boundary, depth): (&str, usize), inside: &mut Inside) {
    for part in parts(body, whole, boundary) {
        inside.parts += 1;
        if inside.parts > PARTS_MAX {
            return;
        }
        let (head, content) = split(body, part);
        let bare = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let kind = head.kind.as_deref().map_or("text/plain".to_owned(), bare);
        let disposition = head.disposition.as_deref().map_or("session".to_owned(), bare);
        let plain = matches!(head.transfer.as_deref().map(bare).as_deref(), None | Some("7bit" | "8bit" | "binary"))
            && matches!(head.encoding.as_deref().map(bare).as_deref(), None | Some("identity"));
        if kind == SDP && disposition == "session" && plain {
            inside.session.get_or_insert(content);
        } else if let Some(inner) = head.kind.as_deref().and_then(self::boundary).filter(|_| depth > 1) {
            look(body, content, (&inner, depth - 1), inside);
        } else {
            inside.beyond |= !tells_of_a_caller(&kind) && head.disposition.as_deref().is_some_and(is_required);
        }
    }
}

/// Whether a part says where a caller is or what befell him (RFC 4119, 7852). It is for whoever takes an emergency call, and a
/// call for help is not refused for what it tells.
fn tells_of_a_caller(kind: &str) -> bool {
    kind == "application/pidf+xml" || kind.starts_with("application/emergencycalldata.")
}

/// Whether a disposition says in so many words that the part must be understood. One that says nothing is let pass,
/// although RFC 5621 section 8.4 reads that as `required`: places of emergency calls come so.
fn is_required(disposition: &str) -> bool {
    let params = disposition.find(';').and_then(|at| disposition.get(at..)).unwrap_or_default();
    Params::new(params).get("handling").is_some_and(|how| how.eq_ignore_ascii_case("required"))
}

/// Where the parts lie. What is before the first boundary is nobody's; one without a last boundary ends with the body.
fn parts(body: &[u8], whole: Range<usize>, boundary: &str) -> Vec<Range<usize>> {
    let (mut found, mut begun, mut at) = (Vec::new(), None, whole.start);
    while at < whole.end && found.len() < PARTS_MAX {
        let rest = body.get(at..whole.end).unwrap_or_default();
        let line = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
        let text = rest.get(..line).unwrap_or_default().trim_ascii_end();
        let mark = text.strip_prefix(b"--").and_then(|text| text.strip_prefix(boundary.as_bytes()));
        if let Some(mark) = mark.filter(|mark| matches!(*mark, b"" | b"--")) {
            // The line end before a boundary belongs to it.
            let end = at - ending(body.get(..at).unwrap_or_default());
            found.extend(begun.filter(|start| *start <= end).map(|start| start..end));
            if mark == b"--" {
                return found;
            }
            begun = Some(at + line);
        }
        at += line;
    }
    found.extend(begun.filter(|start| *start < whole.end).map(|start| start..whole.end));
    found
}

fn ending(before: &[u8]) -> usize {
    match before {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

/// The fields of a part that we read.
#[derive(Debug, Default)]
struct Head {
    kind: Option<String>,
    disposition: Option<String>,
    transfer: Option<String>,
    encoding: Option<String>,
}

impl Head {
    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let place = match name.trim().to_ascii_lowercase().as_str() {
            "content-type" | "c" => &mut self.kind,
            "content-disposition" => &mut self.disposition,
            "content-transfer-encoding" => &mut self.transfer,
            "content-encoding" | "e" => &mut self.encoding,
            _ => return,
        };
        place.get_or_insert_with(|| value.trim().to_owned());
    }
}

/// A part's head, and where its content lies.
fn split(body: &[u8], part: Range<usize>) -> (Head, Range<usize>) {
    let (mut head, mut at, mut field) = (Head::default(), part.start, String::new());
    while at < part.end {
        let rest = body.get(at..part.end).unwrap_or_default();
        let line = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
        let text = rest.get(..line).unwrap_or_default();
        at += line;
        let folded = text.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
        let text = String::from_utf8_lossy(text.trim_ascii()).into_owned();
        if folded && !text.is_empty() {
            field = field + " " + &text;
            continue;
        }
        head.take(&field);
        if text.is_empty() {
            return (head, at..part.end);
        }
        field = text;
    }
    head.take(&field);
    (head, part.end..part.end)
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
