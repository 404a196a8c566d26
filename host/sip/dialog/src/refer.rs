//! REFER (RFC 3515): what one asks for, and the NOTIFYs that tell how it goes. The implicit subscription lives as long as
//! the reference is pending and its end is said in the last NOTIFY; with `Refer-Sub: false` there is none (RFC 4488).

use crate::{InDialog, Replaces};
use sip_message::{HeaderValue, Message, Name, UriRef, reason_phrase, unescape};

/// How long the subscription is said to last, in seconds; it ends earlier, with the last NOTIFY.
const SUBSCRIBED_S: u32 = 180;

/// What a REFER asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refer {
    /// The Refer-To URI, without header fields.
    pub target: String,
    /// Its user part, or the number of a `tel` URI, unescaped.
    pub user: String,
    /// Its host; empty for a `tel` URI.
    pub host: String,
    /// The dialog to be replaced: the transfer is attended.
    pub replaces: Option<Replaces>,
    /// The value of Referred-By (RFC 3892).
    pub referred_by: Option<String>,
    /// Whether NOTIFYs are wanted.
    pub subscribes: bool,
    /// The REFER's CSeq, which names its subscription (RFC 3515 section 2.4.6).
    pub cseq: u32,
}

impl Refer {
    /// Reads a REFER.
    ///
    /// # Errors
    /// The status that refuses it: 400 for none or more than one Refer-To or one that cannot be read, 403 where it asks
    /// for something else than a call, 603 for a scheme that no call can be made to: 416 would end the dialog (RFC 5057).
    pub fn of(request: &Message) -> Result<Refer, u16> {
        let mut values = request.values(Name::ReferTo);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
        let to = value.name_addr().map_err(|_| 400_u16)?;
        let uri = to.uri();
        if uri.param("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
            return Err(403);
        }
        let (user, host) = if uri.is_sip() {
            (uri.user_unescaped().unwrap_or_default().into_owned(), uri.host().to_owned())
        } else if uri.is_tel() {
            let number = uri.as_str().split(':').nth(1).unwrap_or_default().split(';').next().unwrap_or_default();
            (unescape(number).into_owned(), String::new())
        } else {
            return Err(603);
        };
        let replaces = match uri.header("Replaces") {
            Some(value) => Some(Replaces::parse(&value).map_err(|_| 400_u16)?),
            None => None,
        };
        Ok(Refer {
            target: bare(&uri),
            user,
            host,
            replaces,
            referred_by: request.header(Name::ReferredBy).map(|v| v.text().into_owned()),
            subscribes: !request.header(Name::ReferSub).is_some_and(|v| first_word(v).eq_ignore_ascii_case("false")),
            cseq: crate::dialog::cseq(request).unwrap_or_default(),
        })
    }

    /// The NOTIFY that says how far the reference has come; a final status ends the subscription. `named` puts the id
    /// into Event, which only the first REFER of a dialog may leave out (section 2.4.6).
    #[must_use]
    pub fn notify(&self, status: u16, named: bool) -> InDialog {
        let event = if named { format!("refer;id={}", self.cseq) } else { "refer".to_owned() };
        let state = if status >= 200 {
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={SUBSCRIBED_S}")
        };
        let fragment = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status));
        InDialog {
            method: "NOTIFY".to_owned(),
            headers: vec![("Event".to_owned(), event), ("Subscription-State".to_owned(), state)],
            body: Some(("message/sipfrag;version=2.0".to_owned(), fragment.into_bytes().into())),
        }
    }
}

fn first_word(value: HeaderValue<'_>) -> String {
    value.text().split(';').next().unwrap_or_default().trim().to_owned()
}

fn bare(uri: &UriRef<'_>) -> String {
    uri.as_str().split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sip_message::ParseLimits;

    fn refer(fields: &str) -> Message {
        let text = format!("REFER sip:x@h SIP/2.0\r\nCSeq: 7 REFER\r\n{fields}Content-Length: 0\r\n\r\n");
        Message::parse(Bytes::from(text.into_bytes()), &ParseLimits::default()).expect("a test's message parses")
    }

    #[test]
    fn blind_and_attended_are_read() {
        let blind = Refer::of(&refer("Refer-To: <sip:1003@demo.test;user=phone>\r\n")).expect("blind");
        assert_eq!((blind.user.as_str(), blind.host.as_str(), blind.subscribes), ("1003", "demo.test", true));
        assert_eq!(blind.replaces, None);
        let attended = "Refer-To: \"C\" <sip:1003@10.0.0.9?Replaces=abc%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n\
                        Refer-Sub: false\r\nReferred-By: <sip:1002@demo.test>\r\n";
        let attended = Refer::of(&refer(attended)).expect("attended");
        let replaces = attended.replaces.expect("Replaces");
        assert_eq!((replaces.call_id.as_str(), replaces.to_tag.as_str()), ("abc@h", "1"));
        assert!(!attended.subscribes);
        assert_eq!(attended.target, "sip:1003@10.0.0.9");
        assert_eq!(Refer::of(&refer("Refer-To: tel:+4930123;x=y\r\n")).map(|r| r.user), Ok("+4930123".to_owned()));
    }

    #[test]
    fn what_makes_no_call_is_refused() {
        for (fields, status) in [
            ("", 400),
            ("Refer-To: <sip:a@h>\r\nRefer-To: <sip:b@h>\r\n", 400),
            ("Refer-To: <sip:a@h;method=BYE>\r\n", 403),
            ("Refer-To: <http://example.com>\r\n", 603),
            ("Refer-To: <sip:a@h?Replaces=abc>\r\n", 400),
        ] {
            assert_eq!(Refer::of(&refer(fields)), Err(status), "{fields}");
        }
    }

    #[test]
    fn the_last_notify_ends_the_subscription() {
        let refer = Refer::of(&refer("Refer-To: <sip:1003@demo.test>\r\n")).expect("a REFER");
        let trying = refer.notify(100, false);
        assert_eq!(trying.headers[0].1, "refer");
        assert_eq!(trying.headers[1].1, "active;expires=180");
        let done = refer.notify(486, true);
        assert_eq!(done.headers[0].1, "refer;id=7");
        assert!(done.headers[1].1.starts_with("terminated"));
        assert_eq!(done.body.map(|(_, b)| b), Some(Bytes::from_static(b"SIP/2.0 486 Busy Here\r\n")));
    }
}
