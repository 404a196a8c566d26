//! Mail to people. Name whom under `[needs] mail` in `plugin.toml`: `own` is the addresses of the company's mailboxes. A
//! router that uses it is bound to `routing/router-io`.

use crate::Result;
use crate::generated::router::strowger::host::mail as host;

/// A mail under construction.
#[derive(Clone, Debug)]
pub struct Mail(host::MailSpec);

impl Mail {
    /// In the words of this template: one of the brand's, the platform's, or the switch's own.
    #[must_use]
    pub fn new(template: &str) -> Mail {
        Mail(host::MailSpec {
            to: Vec::new(),
            template: template.to_owned(),
            fields: Vec::new(),
            media: Vec::new(),
            key: None,
            attrs: Vec::new(),
        })
    }

    /// In words of its own.
    #[must_use]
    pub fn message(subject: &str, text: &str) -> Mail {
        Mail::new("message").field("subject", subject).field("text", text)
    }

    /// One more recipient: an address, or the user name of an account whose mailbox has one.
    #[must_use]
    pub fn to(mut self, recipient: &str) -> Mail {
        self.0.to.push(recipient.to_owned());
        self
    }

    /// What stands for `{name}` in the template.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Mail {
        self.0.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The sound of a voice message goes with it. Say `mailboxes = true` under `[needs]`.
    #[must_use]
    pub fn attach(mut self, account: &str, message: i64) -> Mail {
        self.0.media.push(format!("{account}/{message}"));
        self
    }

    /// Of one key each recipient gets one mail, ever so often it is sent.
    #[must_use]
    pub fn once(mut self, key: &str) -> Mail {
        self.0.key = Some(key.to_owned());
        self
    }

    /// Gives it to the switch, which tries to send it for two days.
    ///
    /// # Errors
    /// As `host/mail` says.
    pub fn send(self) -> Result<()> {
        host::send(&self.0)
    }
}
