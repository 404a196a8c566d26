//! Other requests within a leg's dialog: digits by INFO, and INFO and MESSAGE carried to the other party and its answer
//! back (RFC 6086, RFC 3428 section 7).

use crate::call::Carried;
use crate::leg::LegNo;
use crate::stage::Stage;
use crate::step::Step;
use bytes::Bytes;
use sip_dialog::{InDialog, InDialogAnswer};
use sip_message::{Message, Method, Name};
use sip_transaction::ServerKey;

/// Sent where nobody is there who could read the body.
const UNSUPPORTED_MEDIA: u16 = 415;
/// Sent where the party that an offer was carried to is gone, and the call goes on.
const REQUEST_PENDING: u16 = 491;
/// Most requests of one call that are being carried; past it one is told to come again later.
const CARRIED_MAX: usize = 16;
/// Header fields that a carried request or response keeps.
const KEPT: &[Name<'static>] = &[Name::InfoPackage, Name::ContentDisposition, Name::ContentEncoding, Name::Subject];

impl Step<'_, '_> {
    /// A party sent INFO or MESSAGE.
    pub(crate) fn asked_within(&mut self, no: LegNo, server: ServerKey, request: &Message) {
        if let Some(status) = self.tape_asked(no, request) {
            return self.answer_within(no, server, &InDialogAnswer::bare(status));
        }
        let digits = digits_of(request);
        if let Some(other) = self.peer_of(no) {
            digits.unwrap_or_default().chars().for_each(|digit| self.tape_key(no, digit));
            return self.carry(no, server, other, request);
        }
        let status = match (&digits, request.method(), request.body().is_empty()) {
            (Some(_), _, _) => 200,
            (None, Some(Method::Info), true) => 200,
            (None, _, _) => UNSUPPORTED_MEDIA,
        };
        let mut answer = InDialogAnswer::bare(status);
        if status == UNSUPPORTED_MEDIA {
            answer.headers.push(("Accept".to_owned(), "application/dtmf-relay, application/dtmf".to_owned()));
        }
        self.answer_within(no, server, &answer);
        if matches!(self.call.stage, Stage::App(_)) {
            for digit in digits.unwrap_or_default().chars() {
                self.app_digit(no, digit);
            }
        }
    }

    fn carry(&mut self, from: LegNo, server: ServerKey, to: LegNo, request: &Message) {
        let now = self.now();
        let asked = InDialog {
            method: request.method().map_or("INFO", Method::as_str).to_owned(),
            headers: kept(request),
            body: body_of(request),
        };
        let room = self.call.carried.len() < CARRIED_MAX;
        let key = self.call.leg(to).and_then(|l| l.dialog).filter(|_| room);
        let sent = key.and_then(|key| self.floors.dialogs.send(self.floors.transactions, key, &asked, now).ok());
        match sent {
            Some(id) => self.call.carried.push(Carried { from, server, to, id }),
            None => {
                let headers = vec![("Retry-After".to_owned(), "5".to_owned())];
                self.answer_within(from, server, &InDialogAnswer { status: 500, headers, body: None });
            }
        }
    }

    /// The other party answered what was carried to it.
    pub(crate) fn answered_within(&mut self, no: LegNo, id: u64, status: u16, response: Option<&Message>) {
        let Some(at) = self.call.carried.iter().position(|c| c.to == no && c.id == id) else { return };
        let carried = self.call.carried.remove(at);
        let answer = InDialogAnswer {
            status,
            headers: response.map(kept).unwrap_or_default(),
            body: response.and_then(body_of),
        };
        self.answer_within(carried.from, carried.server, &answer);
    }

    /// A leg has ended: who waits for its party's answer is told, and what it asked needs none.
    pub(crate) fn drop_carried(&mut self, ended: LegNo) {
        let gone = InDialogAnswer::bare(480);
        let carried = core::mem::take(&mut self.call.carried);
        for one in carried.into_iter().filter(|c| c.from != ended) {
            if one.to == ended {
                self.answer_within(one.from, one.server, &gone);
            } else {
                self.call.carried.push(one);
            }
        }
        self.settle_without(ended);
        let Some(reoffer) = self.call.reoffer.take_if(|r| r.from == ended || r.to == ended) else { return };
        if reoffer.to == ended {
            if let Some(leg) = self.call.leg_mut(reoffer.from) {
                leg.offered = None;
            }
            self.refuse_reinvite(reoffer.from, REQUEST_PENDING);
        }
    }

    pub(crate) fn answer_within(&mut self, no: LegNo, server: ServerKey, answer: &InDialogAnswer) {
        let now = self.now();
        if let Some(key) = self.call.leg(no).and_then(|l| l.dialog) {
            // A dialog that ended meanwhile has answered it.
            let _ = self.floors.dialogs.respond(self.floors.transactions, key, server, answer, now);
        }
    }
}

fn kept(message: &Message) -> Vec<(String, String)> {
    let of = |name: &Name<'static>| message.header(*name).map(|v| (name.as_str().to_owned(), v.text().into_owned()));
    KEPT.iter().filter_map(of).collect()
}

fn body_of(message: &Message) -> Option<(String, Bytes)> {
    let body = message.body_bytes();
    let kind = message.content_type().unwrap_or("application/octet-stream").to_owned();
    (!body.is_empty()).then_some((kind, body))
}

/// The digits that an INFO carries: `Signal=5` of application/dtmf-relay, or the bare digits of application/dtmf.
fn digits_of(request: &Message) -> Option<String> {
    let body = String::from_utf8_lossy(request.body()).into_owned();
    let signal = if request.is_content_type("application/dtmf-relay") {
        body.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim().to_owned())
        })?
    } else if request.is_content_type("application/dtmf") {
        return Some(keys(body.trim()));
    } else {
        return None;
    };
    // Some phones write the event's number (RFC 4733 section 3.2) for the two that are no digits.
    Some(match signal.as_str() {
        "10" => "*".to_owned(),
        "11" => "#".to_owned(),
        _ => keys(&signal),
    })
}

fn keys(text: &str) -> String {
    text.to_ascii_uppercase().chars().filter(|c| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_message::ParseLimits;

    fn info(kind: &str, body: &str) -> Message {
        let text =
            format!("INFO sip:x@h SIP/2.0\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Message::parse(Bytes::from(text.into_bytes()), &ParseLimits::default()).expect("a test's message parses")
    }

    #[test]
    fn digits_are_read_from_both_forms() {
        for (kind, body, digits) in [
            ("application/dtmf-relay", "Signal=5\r\nDuration=160", Some("5")),
            ("application/dtmf-relay", "Duration=160\nsignal = #\n", Some("#")),
            ("application/dtmf-relay", "Signal=10\r\n", Some("*")),
            ("application/dtmf-relay", "Duration=160", None),
            ("application/dtmf", "7", Some("7")),
            ("application/dtmf", "a\r\n", Some("A")),
            ("application/dtmf", "\u{1f600}", Some("")),
            ("text/plain", "5", None),
        ] {
            assert_eq!(digits_of(&info(kind, body)).as_deref(), digits, "{kind} {body:?}");
        }
    }
}
