//! Mail that the switch sends: by whom, to whom, and over which host of the platform or of a brand.

use crate::{Attr, BrandId, CompanyId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How the connection to a mail host is kept secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// STARTTLS, without which nothing is sent (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Not at all; for hosts of one's own network.
    None,
}

/// The words of a kind of mail. `{name}` stands for a field, which is empty where nobody has said it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailTemplate {
    /// The subject, one line.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// A host that takes mail for everybody, without its password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailHost {
    /// A name or an address.
    pub host: String,
    /// Its port: 587 for STARTTLS, 465 for TLS.
    pub port: u16,
    /// How the connection is kept secret.
    #[serde(default)]
    pub tls: MailTls,
    /// Authorities that its certificate may be of beside the system's, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The name that it knows us by; absent = it asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The address that mail is from.
    pub from: String,
    /// The name beside that address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// Words of mails, by the template's name; what is not here are the platform's, then our own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, MailTemplate>,
}

/// What is wrong with a setting: which one, and what would be right.
pub type MailFault = (&'static str, String);

impl MailHost {
    /// Most templates of one host.
    pub const TEMPLATES_MAX: usize = 32;
    /// Longest text of a template, in bytes.
    pub const TEXT_MAX: usize = 8_192;
    /// Longest subject of a template, in bytes.
    pub const SUBJECT_MAX: usize = 200;
    /// Longest list of authorities, in bytes.
    pub const CA_MAX: usize = 65_536;

    /// Whether these settings can be meant.
    ///
    /// # Errors
    /// The field, and what would be right.
    pub fn check(&self) -> Result<(), MailFault> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.:_".contains(&b);
        let line = |text: &String, max: usize| (1..=max).contains(&text.len()) && !text.contains(char::is_control);
        let checks = [
            ("host", (1..=255).contains(&self.host.len()) && self.host.bytes().all(legal), "a name or an address"),
            ("port", self.port > 0, "1 to 65535"),
            ("from", is_mail_address(&self.from), "an address, as pbx@example.com"),
            ("from_name", self.from_name.as_ref().is_none_or(|n| line(n, 128)), "one line, at most 128 bytes"),
            ("user", self.user.as_ref().is_none_or(|u| line(u, 255)), "one line, at most 255 bytes"),
            // A password is told to nobody who only listens.
            ("tls", self.is_secret() || self.user.is_none(), "starttls or tls where there is a user, but on loopback"),
            ("ca", self.ca.as_ref().is_none_or(|ca| is_pem(ca)), "certificates in PEM, at most 64 KiB"),
            ("templates", self.templates.len() <= Self::TEMPLATES_MAX, "at most 32"),
        ];
        if let Some((field, _, why)) = checks.into_iter().find(|(_, holds, _)| !holds) {
            return Err((field, format!("expected {why}")));
        }
        for (name, template) in &self.templates {
            let fits = is_template_name(name)
                && line(&template.subject, Self::SUBJECT_MAX)
                && (1..=Self::TEXT_MAX).contains(&template.text.len());
            if !fits {
                let why = format!(
                    "expected of {name:?}: a name of a-z, 0-9 and `-`, a subject of one line of at most 200 bytes, a text of at most 8192"
                );
                return Err(("templates", why));
            }
        }
        Ok(())
    }

    /// Whether nobody can listen to what is said.
    fn is_secret(&self) -> bool {
        let ip = self.host.parse::<core::net::IpAddr>();
        self.tls != MailTls::None || ip.is_ok_and(|ip| ip.is_loopback())
    }
}

fn is_pem(text: &str) -> bool {
    text.len() <= MailHost::CA_MAX && text.contains("-----BEGIN CERTIFICATE-----")
}

/// Whether a template may be called so.
#[must_use]
pub fn is_template_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(legal)
}

/// Whether a text is an address as it stands in ordinary mail: `local@domain` of RFC 5321 without quoted local parts and
/// literal domains. Nothing in it can end a line or begin another address.
#[must_use]
pub fn is_mail_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let dots = |part: &str| !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    (1..=64).contains(&local.len())
        && local.bytes().all(atom)
        && dots(local)
        && text.len() <= 254
        && domain.split('.').all(label)
}

/// Who sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailSender {
    /// The brand.
    pub brand: BrandId,
    /// The company.
    pub company: CompanyId,
    /// The plugin's binding; none is the switch itself.
    pub binding: String,
    /// To whom it may, as its grants say: addresses, `*@DOMAIN`, `own` for those of the company's mailboxes, `*`.
    pub may: BTreeSet<String>,
}

/// What a plugin wants to send.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MailAsked {
    /// Addresses; a user name is the address of that account's mailbox.
    pub to: Vec<String>,
    /// The template's name.
    pub template: String,
    /// Its fields.
    pub fields: Vec<Attr>,
    /// Voice messages of the company that go with it, as `ACCOUNT/ID`.
    pub media: Vec<String>,
    /// The same key again sends nothing more.
    pub key: Option<String>,
}

/// Where the message of a mailbox is told of by mail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxMail {
    /// The address.
    pub address: String,
    /// Whether the sound goes with it.
    #[serde(default)]
    pub attach: bool,
    /// Whether the message is put among the deleted ones once the mail with its sound was taken.
    #[serde(default)]
    pub delete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> MailHost {
        MailHost {
            host: "smtp.example.com".to_owned(),
            port: 587,
            tls: MailTls::Starttls,
            ca: None,
            user: Some("pbx".to_owned()),
            from: "pbx@example.com".to_owned(),
            from_name: None,
            templates: BTreeMap::new(),
        }
    }

    #[test]
    fn an_address_is_one_address_and_one_line() {
        for good in ["a@b", "anna.b+vm@mail.example.com", "o'neill@example.co", "#1@x-y.example"] {
            assert!(is_mail_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b\r\nBcc: c@d",
            "a@b,c@d",
            "a b@c",
            "\"a\"@b",
            "<a@b>",
            "a@[127.0.0.1]",
            ".a@b",
            "a..b@c",
            "a@b..c",
            "a@-b",
            "a@b\u{e9}",
            "a@b@c",
            "a\0@b",
        ] {
            assert!(!is_mail_address(bad), "{bad:?}");
        }
        assert!(!is_mail_address(&format!("{}@b", "a".repeat(65))));
        assert!(!is_mail_address(&format!("a@{}", "b.".repeat(130) + "c")));
    }

    #[test]
    fn a_host_that_cannot_be_meant_is_named_by_its_field() {
        assert_eq!(host().check(), Ok(()));
        let broken = |change: &dyn Fn(&mut MailHost)| {
            let mut host = host();
            change(&mut host);
            host.check().expect_err("refused").0
        };
        assert_eq!(broken(&|h| h.host = "a\r\nb".to_owned()), "host");
        assert_eq!(broken(&|h| h.from = "nobody".to_owned()), "from");
        assert_eq!(broken(&|h| h.from_name = Some("a\nBcc: x@y".to_owned())), "from_name");
        assert_eq!(broken(&|h| h.tls = MailTls::None), "tls", "a password in clear");
        assert_eq!(broken(&|h| h.port = 0), "port");
        assert_eq!(broken(&|h| h.ca = Some("trust me".to_owned())), "ca");
        let own = MailHost { host: "127.0.0.1".to_owned(), tls: MailTls::None, ..host() };
        assert_eq!(own.check(), Ok(()));
        let two_lines = MailTemplate { subject: "a\nb".to_owned(), text: "x".to_owned() };
        assert_eq!(broken(&|h| drop(h.templates.insert("x".to_owned(), two_lines.clone()))), "templates");
    }
}
