//! Voice mailboxes of the call's company. Say `mailboxes = true` under `[needs]` in `plugin.toml`.

use crate::generated::app::strowger::call::mailbox as host;
use crate::{Prompt, Result};
pub use host::{Folder, Greeting, Message, PinCheck, VoiceBox};

/// The box of an account of the company.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox(String);

impl Mailbox {
    /// Of this account, by user name. Whether there is one shows with the first question.
    #[must_use]
    pub fn of(account: &str) -> Mailbox {
        Mailbox(account.to_owned())
    }

    /// Its owner's user name.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.0
    }

    /// How it stands.
    ///
    /// # Errors
    /// `not-found` for an account that the company has not; `denied` where it is not granted; `unavailable`.
    pub fn open(&self) -> Result<VoiceBox> {
        host::open(&self.0)
    }

    /// Is this the PIN?
    ///
    /// # Errors
    /// As [`Mailbox::open`].
    pub fn check_pin(&self, pin: &str) -> Result<PinCheck> {
        host::check_pin(&self.0, pin)
    }

    /// Sets the PIN.
    ///
    /// # Errors
    /// `invalid-argument` for one that is not 4 to 12 digits; as [`Mailbox::open`].
    pub fn set_pin(&self, pin: &str) -> Result<()> {
        host::set_pin(&self.0, pin)
    }

    /// Keeps a recording of this call; gives the message's number.
    ///
    /// # Errors
    /// `limit-exceeded` when the box is full, `invalid-state` when it takes none; as [`Mailbox::open`].
    pub fn deposit(&self, recording: &str, caller: &str, caller_name: Option<&str>, urgent: bool) -> Result<i64> {
        let what = host::DepositSpec {
            recording: recording.to_owned(),
            caller: caller.to_owned(),
            caller_name: caller_name.map(str::to_owned),
            urgent,
            attrs: Vec::new(),
        };
        host::deposit(&self.0, &what)
    }

    /// What lies in a folder, the oldest first.
    ///
    /// # Errors
    /// As [`Mailbox::open`].
    pub fn messages(&self, folder: Folder) -> Result<Vec<Message>> {
        host::messages(&self.0, folder)
    }

    /// Puts a message into another folder.
    ///
    /// # Errors
    /// `not-found`; as [`Mailbox::open`].
    pub fn put(&self, id: i64, folder: Folder) -> Result<()> {
        host::move_message(&self.0, id, folder)
    }

    /// Gives a copy to a colleague.
    ///
    /// # Errors
    /// `not-found` for a message or an account that is not there; as [`Mailbox::deposit`].
    pub fn forward(&self, id: i64, to: &str) -> Result<i64> {
        host::forward_message(&self.0, id, to)
    }

    /// A message, to be played in this script.
    ///
    /// # Errors
    /// `not-found`; as [`Mailbox::open`].
    pub fn hear(&self, id: i64) -> Result<Prompt> {
        host::hear_message(&self.0, id).map(clip)
    }

    /// A greeting, to be played in this script.
    ///
    /// # Errors
    /// As [`Mailbox::open`].
    pub fn greeting(&self, kind: Greeting) -> Result<Option<Prompt>> {
        Ok(host::hear_greeting(&self.0, kind)?.map(clip))
    }

    /// A recording of this call, to be played in it.
    ///
    /// # Errors
    /// As [`Mailbox::open`].
    pub fn recording(&self, name: &str) -> Result<Prompt> {
        host::hear_recording(&self.0, name).map(clip)
    }

    /// Makes a recording of this call a greeting; without one the standard is heard.
    ///
    /// # Errors
    /// As [`Mailbox::open`].
    pub fn set_greeting(&self, kind: Greeting, recording: Option<&str>) -> Result<()> {
        host::set_greeting(&self.0, kind, recording)
    }
}

fn clip(name: String) -> Prompt {
    Prompt::Other(("clip".to_owned(), name))
}
