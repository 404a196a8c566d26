//! `host/mail`: a mail into the switch's queue. Whoever keeps the queue stands behind [`Mailer`]; what may be asked is
//! looked at here, to whom the binding may write there, for only there is known whose an address is.

use crate::bindings::router::strowger::host::mail::{Host, MailSpec};
use crate::bindings::router::strowger::types::types::Error;
use crate::guest::Guest;
use crate::tape::taped;
use crate::{HostConfig, Point, convert};
use bundle::Grants;
use core::fmt;
use core::time::Duration;
use model::{AppError, MailAsked, MailSender, is_template_name};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// So long a guest waits for the queue.
const PATIENCE: Duration = Duration::from_secs(10);
const FIELDS_MAX: usize = 32;
const FIELDS_BYTES_MAX: usize = 16_384;
const MEDIA_MAX: usize = 4;
const TEXT_MAX: usize = 254;
const KEY_MAX: usize = 128;

/// Whoever takes mail.
pub trait Mailer: Send + Sync + fmt::Debug {
    /// Takes mail into the queue. The receiver that gets no answer was asked of somebody who is gone. Never waits itself.
    fn send(&self, from: MailSender, mail: MailAsked) -> oneshot::Receiver<Result<(), AppError>>;
}

/// Where whoever takes mail is found, once there is one.
#[derive(Clone, Debug, Default)]
pub struct MailDoor(Arc<OnceLock<Arc<dyn Mailer>>>);

impl MailDoor {
    /// Says who takes mail; only the first one counts.
    pub(crate) fn open(&self, mailer: Arc<dyn Mailer>) {
        let _already = self.0.set(mailer);
    }
}

/// What one binding may send.
#[derive(Debug)]
pub(crate) struct MailPower {
    may: BTreeSet<String>,
    recipients_max: usize,
    door: MailDoor,
}

impl MailPower {
    pub(crate) fn of(grants: &Grants, config: &HostConfig) -> MailPower {
        MailPower {
            may: grants.mail.clone(),
            recipients_max: config.limits.mail_recipients_max,
            door: config.mail.clone(),
        }
    }
}

/// What is asked, if it may be asked at all.
fn checked(what: MailSpec, recipients_max: usize, mailboxes: bool) -> Result<MailAsked, Error> {
    let invalid = |why: &str| Err(Error::InvalidArgument(why.to_owned()));
    let MailSpec { to, template, fields, media, key, attrs: _ } = what;
    if to.is_empty() {
        return invalid("to: at least one");
    }
    if to.len() > recipients_max {
        return Err(Error::LimitExceeded("mail-recipients-max".to_owned()));
    }
    let line = |text: &String, max: usize| (1..=max).contains(&text.len()) && !text.contains(char::is_control);
    if !to.iter().all(|one| line(one, TEXT_MAX)) {
        return invalid("to: addresses, or user names");
    }
    if !is_template_name(&template) {
        return invalid("template: 1 to 64 of a-z, 0-9 and `-`");
    }
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if fields.len() > FIELDS_MAX || bytes > FIELDS_BYTES_MAX {
        return invalid("fields: at most 32 and 16 KiB");
    }
    if media.len() > MEDIA_MAX || !media.iter().all(|one| line(one, TEXT_MAX)) {
        return invalid("media: at most four, as ACCOUNT/ID");
    }
    if !media.is_empty() && !mailboxes {
        return Err(Error::Denied("media: mailboxes are not granted to this binding".to_owned()));
    }
    if key.as_ref().is_some_and(|key| !line(key, KEY_MAX)) {
        return invalid("key: one line of at most 128 bytes");
    }
    Ok(MailAsked { to, template, fields, media, key })
}

impl Guest {
    async fn mail_out(&mut self, what: MailSpec) -> Result<(), Error> {
        if self.strayed() {
            return Err(Error::Unavailable("a replay reaches nobody".to_owned()));
        }
        let waits = self.script.is_some() || matches!(self.bound.spec.point, Point::RouterIo | Point::EventSink);
        if !waits {
            return Err(Error::Denied("host/mail is for points that may wait".to_owned()));
        }
        let power = &self.bound.powers.mail;
        let asked = checked(what, power.recipients_max, self.bound.spec.grants.mailboxes)?;
        let gone = || Error::Unavailable("nobody takes mail".to_owned());
        let mailer = power.door.0.get().cloned().ok_or_else(gone)?;
        let from = MailSender {
            brand: self.brand,
            company: self.company,
            binding: self.bound.spec.name.clone(),
            may: power.may.clone(),
        };
        let answer = mailer.send(from, asked);
        match self.park(tokio::time::timeout(PATIENCE, answer)).await {
            Ok(Ok(said)) => said.map_err(convert::error),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(Error::Unavailable("the queue of mails does not answer".to_owned())),
        }
    }
}

impl Host for Guest {
    async fn send(&mut self, what: MailSpec) -> Result<(), Error> {
        taped!(self, "mail.send", (&what,), self.mail_out(what).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> MailSpec {
        MailSpec {
            to: vec!["1001".to_owned()],
            template: "voicemail".to_owned(),
            fields: vec![("caller".to_owned(), "anna\r\nBcc: x@y".to_owned())],
            media: Vec::new(),
            key: None,
            attrs: Vec::new(),
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        assert!(checked(spec(), 10, false).is_ok());
        let refused = |change: &dyn Fn(&mut MailSpec)| {
            let mut what = spec();
            change(&mut what);
            match checked(what, 2, false) {
                Err(Error::InvalidArgument(why) | Error::LimitExceeded(why) | Error::Denied(why)) => why,
                other => panic!("{other:?}"),
            }
        };
        assert!(refused(&|s| s.to.clear()).starts_with("to"));
        assert!(refused(&|s| s.to = vec!["a@b\r\nBcc: c@d".to_owned()]).starts_with("to"));
        assert_eq!(refused(&|s| s.to = vec!["1001".to_owned(); 3]), "mail-recipients-max");
        assert!(refused(&|s| s.template = "../x".to_owned()).starts_with("template"));
        assert!(refused(&|s| s.fields = vec![(String::new(), "x".repeat(20_000))]).starts_with("fields"));
        assert!(refused(&|s| s.media = vec!["1001/1".to_owned()]).starts_with("media: mailboxes"));
        assert!(refused(&|s| s.key = Some("a\nb".to_owned())).starts_with("key"));
    }
}
