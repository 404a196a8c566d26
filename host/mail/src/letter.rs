//! One mail as it is written: MIME with everything in it fixed, so that every try is the same mail.

use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Body, Mailbox, Message, MultiPart, SinglePart};
use model::Instant;

/// Why a mail cannot be written: no try will help.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it cannot be written: {0}")]
pub struct Unwritable(String);

/// A file that goes with a mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// Its name for whoever gets it.
    pub name: String,
    /// Its media type.
    pub kind: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A mail to one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// Its Message-ID without brackets: the same at every try.
    pub id: String,
    /// When it was asked for.
    pub at: Instant,
    /// Name and address that it is from.
    pub from: (Option<String>, String),
    /// The address that it is for.
    pub to: String,
    /// One line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// What goes with it.
    pub attachments: Vec<Attachment>,
}

fn unwritable(why: impl ToString) -> Unwritable {
    Unwritable(why.to_string())
}

/// An address, as strictly as [`model::is_mail_address`] has it.
fn address(text: &str) -> Result<Address, Unwritable> {
    if !model::is_mail_address(text) {
        return Err(unwritable("an address is none"));
    }
    text.parse().map_err(unwritable)
}

impl Letter {
    /// Writes it.
    ///
    /// # Errors
    /// [`Unwritable`]: an address is none.
    pub fn write(self) -> Result<Message, Unwritable> {
        let name = self.from.0.as_deref().map(|name| crate::line(name, 128));
        let own = HeaderName::new_from_ascii("Auto-Submitted".to_owned()).map_err(unwritable)?;
        let id = crate::line(&self.id, 250);
        let message = Message::builder()
            .message_id(Some(format!("<{id}>")))
            .date(std::time::UNIX_EPOCH + core::time::Duration::from_secs(self.at.unix_secs()))
            .from(Mailbox::new(name, address(&self.from.1)?))
            .to(Mailbox::new(None, address(&self.to)?))
            .subject(crate::line(&self.subject, model::MailHost::SUBJECT_MAX))
            // No answer of a machine is wanted (RFC 3834).
            .raw_header(HeaderValue::new(own, "auto-generated".to_owned()));
        let text = SinglePart::plain(self.text);
        if self.attachments.is_empty() {
            return message.singlepart(text).map_err(unwritable);
        }
        let boundary: String = id.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        let mut parts = MultiPart::mixed().boundary(format!("part-{boundary}")).singlepart(text);
        for attachment in self.attachments {
            let kind = ContentType::parse(&attachment.kind).map_err(unwritable)?;
            let name = crate::line(&attachment.name, 128);
            // Whatever is in it, it arrives as it is.
            let body = Body::new_with_encoding(attachment.bytes, ContentTransferEncoding::Base64);
            let body = body.map_err(|_| unwritable("a file cannot be encoded"))?;
            parts = parts.singlepart(Part::new(name).body(body, kind));
        }
        message.multipart(parts).map_err(unwritable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            id: "abc123@example.com".to_owned(),
            at: Instant::from_unix_nanos(1_772_403_300_000_000_000),
            from: (Some("PBX \u{e9}".to_owned()), "pbx@example.com".to_owned()),
            to: "anna@example.net".to_owned(),
            subject: "Hello\r\nBcc: evil@example.org".to_owned(),
            text: "Line\n.\nEnd \u{e9}".to_owned(),
            attachments: vec![Attachment {
                name: "a\"\r\nX: y.wav".to_owned(),
                kind: "audio/wav".to_owned(),
                bytes: vec![1, 2, 3],
            }],
        }
    }

    #[test]
    fn every_try_is_the_same_mail_and_no_field_makes_a_header() {
        let (one, two) = (letter().write().expect("written"), letter().write().expect("written"));
        assert_eq!(one.formatted(), two.formatted());
        let text = String::from_utf8(one.formatted()).expect("ASCII");
        assert!(text.contains("Message-ID: <abc123@example.com>\r\n"), "{text}");
        assert!(text.contains("Date: Sun, 01 Mar 2026 22:15:00 +0000\r\n"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
        assert!(text.contains("AQID"), "the sound: {text}");
        let headers: Vec<&str> =
            text.lines().filter(|l| l.starts_with("Bcc") || l.starts_with("X:") || l.starts_with("evil")).collect();
        assert!(headers.is_empty(), "{headers:?}");
        let to = one.envelope().to().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(to, ["anna@example.net"]);
    }

    #[test]
    fn an_address_with_more_in_it_is_refused() {
        for to in ["a@b\r\nBcc: c@d", "a@b, c@d", "<a@b>", ""] {
            assert!(Letter { to: to.to_owned(), ..letter() }.write().is_err(), "{to:?}");
            assert!(Letter { from: (None, to.to_owned()), ..letter() }.write().is_err(), "{to:?}");
        }
    }
}
