//! `call/mailbox`: the boxes of the call's company. Whoever keeps them stands behind [`Mailboxes`]; a script parks until
//! it answers, and what it opened is put into the verbs that play it.

use crate::bindings::app::strowger::call::mailbox as wit;
use crate::bindings::router::strowger::types::types::Error;
use crate::capability::Denied;
use crate::control::Verb;
use crate::convert;
use crate::guest::Guest;
use crate::tape::taped;
use core::fmt;
use core::time::Duration;
use model::{
    AppError, AppVerb, BoxOwner, BoxReply, BoxVerb, Clip, Deposit, Folder, Greeting, PinCheck, Prompt, VoiceBox,
    VoiceMessage,
};
use std::collections::VecDeque;
use tokio::sync::oneshot;
use wasmtime::Result;

/// So long a script waits for whoever keeps the boxes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clips that a script has open at once: twenty minutes of sound are 19 MB.
const CLIPS_MAX: usize = 4;
const NAME_MAX: usize = 128;

/// What comes of a question to a box.
pub type BoxAnswer = core::result::Result<BoxReply, AppError>;

/// Whoever keeps the mailboxes.
pub trait Mailboxes: Send + Sync + fmt::Debug {
    /// Asks something of a box. The receiver that gets no answer was asked of somebody who is gone. Never waits itself.
    fn ask(&self, whose: BoxOwner, verb: BoxVerb) -> oneshot::Receiver<BoxAnswer>;
}

/// What a script has opened, by the name it plays it under.
#[derive(Debug, Default)]
pub(crate) struct Clips {
    opened: u64,
    open: VecDeque<(String, Clip)>,
}

impl Clips {
    fn add(&mut self, clip: Clip) -> String {
        self.opened += 1;
        let name = format!("clip-{}", self.opened);
        if self.open.len() >= CLIPS_MAX {
            self.open.pop_front();
        }
        self.open.push_back((name.clone(), clip));
        name
    }

    /// Puts the sound of each clip into a verb that plays it.
    pub(crate) fn fill(&self, verb: &mut AppVerb) -> Verb<()> {
        for prompt in verb.prompts_mut() {
            if let Prompt::Clip { name, sound } = prompt {
                let found = self.open.iter().find(|(known, _)| known == name);
                let missing = || Error::InvalidArgument("prompt clip: this script has it not open".to_owned());
                *sound = found.map(|(_, clip)| clip.clone()).ok_or_else(missing)?;
            }
        }
        Ok(())
    }
}

fn unfit<T>(reply: &BoxReply) -> Verb<T> {
    tracing::error!(?reply, "the mailboxes gave a question another one's answer");
    Err(Error::Unavailable("the switch gave no fitting reply".to_owned()))
}

fn folder(folder: wit::Folder) -> Folder {
    match folder {
        wit::Folder::New => Folder::New,
        wit::Folder::Saved => Folder::Saved,
        wit::Folder::Deleted => Folder::Deleted,
    }
}

fn greeting(kind: wit::Greeting) -> Greeting {
    match kind {
        wit::Greeting::Unavailable => Greeting::Unavailable,
        wit::Greeting::Busy => Greeting::Busy,
        wit::Greeting::Name => Greeting::Name,
    }
}

fn voice_box(b: VoiceBox) -> wit::VoiceBox {
    let kind = |g: &Greeting| match g {
        Greeting::Unavailable => wit::Greeting::Unavailable,
        Greeting::Busy => wit::Greeting::Busy,
        Greeting::Name => wit::Greeting::Name,
    };
    wit::VoiceBox {
        full: b.is_full(),
        enabled: b.settings.enabled,
        has_pin: b.has_pin,
        locked_s: b.locked_s,
        greetings: b.greetings.iter().map(kind).collect(),
        message_max_s: b.settings.message_max_s,
        new_messages: b.new,
        saved_messages: b.saved,
        deleted_messages: b.deleted,
        account: b.account,
        display_name: b.display_name,
        attrs: Vec::new(),
    }
}

fn message(m: VoiceMessage) -> wit::Message {
    wit::Message {
        id: m.id,
        folder: match m.folder {
            Folder::New => wit::Folder::New,
            Folder::Saved => wit::Folder::Saved,
            Folder::Deleted => wit::Folder::Deleted,
        },
        caller: m.caller,
        caller_name: m.caller_name,
        received_ms: m.received_ms,
        length_ms: m.length_ms,
        urgent: m.urgent,
        attrs: Vec::new(),
    }
}

impl Guest {
    async fn of_box(&mut self, account: String, verb: BoxVerb) -> Verb<BoxReply> {
        let denied = || Error::Denied("call/mailbox is for call apps".to_owned());
        let script = self.script.as_ref().ok_or_else(denied)?;
        let gone = || Error::Unavailable("nobody keeps mailboxes".to_owned());
        let keeper = script.mailboxes.clone().ok_or_else(gone)?;
        if account.len() > NAME_MAX {
            return Err(Error::NotFound);
        }
        let answer = keeper.ask(BoxOwner { brand: self.brand, company: self.company, account }, verb);
        match self.park(tokio::time::timeout(PATIENCE, answer)).await {
            Ok(Ok(reply)) => reply.map_err(convert::error),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(Error::Unavailable("the mailbox does not answer".to_owned())),
        }
    }

    /// A recording of another call is none that a script could have been told of.
    fn own_recording(&self, name: String) -> Verb<String> {
        let own = self.call.is_some_and(|call| name.starts_with(&format!("{call}-")));
        let legal = name.len() <= NAME_MAX && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if own && legal { Ok(name) } else { Err(Error::InvalidArgument("recording: one of this call".to_owned())) }
    }

    async fn opened(&mut self, account: String, verb: BoxVerb) -> Verb<Option<String>> {
        match self.of_box(account, verb).await {
            Ok(BoxReply::Sound(Some(clip))) => Ok(self.script.as_mut().map(|script| script.clips.add(clip))),
            Ok(BoxReply::Sound(None)) => Ok(None),
            Ok(reply) => unfit(&reply),
            Err(error) => Err(error),
        }
    }

    async fn done_with_box(&mut self, account: String, verb: BoxVerb) -> Verb<()> {
        match self.of_box(account, verb).await {
            Ok(BoxReply::Done) => Ok(()),
            Ok(reply) => unfit(&reply),
            Err(error) => Err(error),
        }
    }

    async fn kept_in_box(&mut self, account: String, verb: BoxVerb) -> Verb<i64> {
        match self.of_box(account, verb).await {
            Ok(BoxReply::Kept(id)) => Ok(id),
            Ok(reply) => unfit(&reply),
            Err(error) => Err(error),
        }
    }
}

impl Guest {
    async fn open_now(&mut self, account: String) -> Result<Verb<wit::VoiceBox>> {
        Ok(match self.of_box(account, BoxVerb::Open).await {
            Ok(BoxReply::Opened(found)) => Ok(voice_box(found)),
            Ok(reply) => unfit(&reply),
            Err(error) => Err(error),
        })
    }

    async fn check_pin_now(&mut self, account: String, pin: String) -> Result<Verb<wit::PinCheck>> {
        Ok(match self.of_box(account, BoxVerb::CheckPin(pin)).await {
            Ok(BoxReply::Pin(check)) => Ok(match check {
                PinCheck::Right => wit::PinCheck::Right,
                PinCheck::Wrong => wit::PinCheck::Wrong,
                PinCheck::Locked => wit::PinCheck::Locked,
                PinCheck::Unset => wit::PinCheck::Unset,
            }),
            Ok(reply) => unfit(&reply),
            Err(error) => Err(error),
        })
    }

    async fn set_pin_now(&mut self, account: String, pin: String) -> Result<Verb<()>> {
        Ok(self.done_with_box(account, BoxVerb::SetPin(Some(pin))).await)
    }

    async fn deposit_now(&mut self, account: String, what: wit::DepositSpec) -> Result<Verb<i64>> {
        let recording = match self.own_recording(what.recording) {
            Ok(recording) => recording,
            Err(error) => return Ok(Err(error)),
        };
        let wit::DepositSpec { caller, caller_name, urgent, .. } = what;
        Ok(self.kept_in_box(account, BoxVerb::Deposit(Deposit { recording, caller, caller_name, urgent })).await)
    }

    async fn messages_now(&mut self, account: String, from: wit::Folder) -> Result<Verb<Vec<wit::Message>>> {
        Ok(match self.of_box(account, BoxVerb::Messages(Some(folder(from)))).await {
            Ok(BoxReply::Messages(list)) => Ok(list.into_iter().map(message).collect()),
            Ok(reply) => unfit(&reply),
            Err(error) => Err(error),
        })
    }

    async fn move_message_now(&mut self, account: String, id: i64, to: wit::Folder) -> Result<Verb<()>> {
        Ok(self.done_with_box(account, BoxVerb::Move(id, folder(to))).await)
    }

    async fn forward_message_now(&mut self, account: String, id: i64, to: String) -> Result<Verb<i64>> {
        Ok(self.kept_in_box(account, BoxVerb::Forward(id, to)).await)
    }

    async fn hear_message_now(&mut self, account: String, id: i64) -> Result<Verb<String>> {
        Ok(self.opened(account, BoxVerb::Hear(id)).await.and_then(|name| name.ok_or(Error::NotFound)))
    }

    async fn hear_greeting_now(&mut self, account: String, kind: wit::Greeting) -> Result<Verb<Option<String>>> {
        Ok(self.opened(account, BoxVerb::HearGreeting(greeting(kind))).await)
    }

    async fn hear_recording_now(&mut self, account: String, recording: String) -> Result<Verb<String>> {
        let name = match self.own_recording(recording) {
            Ok(name) => name,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.opened(account, BoxVerb::HearRecording(name)).await.and_then(|name| name.ok_or(Error::NotFound)))
    }

    async fn set_greeting_now(
        &mut self,
        account: String,
        kind: wit::Greeting,
        recording: Option<String>,
    ) -> Result<Verb<()>> {
        let recording = match recording.map(|name| self.own_recording(name)).transpose() {
            Ok(recording) => recording,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.done_with_box(account, BoxVerb::Greet(greeting(kind), recording)).await)
    }
}

impl wit::Host for Guest {
    async fn open(&mut self, account: String) -> Result<Verb<wit::VoiceBox>> {
        Ok(taped!(self, "mailbox.open", (&account,), self.open_now(account).await?))
    }

    // A PIN is no part of a recording.
    async fn check_pin(&mut self, account: String, pin: String) -> Result<Verb<wit::PinCheck>> {
        self.conceal(&pin);
        Ok(taped!(self, "mailbox.check-pin", (&account,), self.check_pin_now(account, pin).await?))
    }

    async fn set_pin(&mut self, account: String, pin: String) -> Result<Verb<()>> {
        self.conceal(&pin);
        Ok(taped!(self, "mailbox.set-pin", (&account,), self.set_pin_now(account, pin).await?))
    }

    async fn deposit(&mut self, account: String, what: wit::DepositSpec) -> Result<Verb<i64>> {
        Ok(taped!(self, "mailbox.deposit", (&account, &what), self.deposit_now(account, what).await?))
    }

    async fn messages(&mut self, account: String, from: wit::Folder) -> Result<Verb<Vec<wit::Message>>> {
        Ok(taped!(self, "mailbox.messages", (&account, from), self.messages_now(account, from).await?))
    }

    async fn move_message(&mut self, account: String, id: i64, to: wit::Folder) -> Result<Verb<()>> {
        Ok(taped!(self, "mailbox.move-message", (&account, id, to), self.move_message_now(account, id, to).await?))
    }

    async fn forward_message(&mut self, account: String, id: i64, to: String) -> Result<Verb<i64>> {
        let with = (account.clone(), id, to.clone());
        Ok(taped!(self, "mailbox.forward-message", with, self.forward_message_now(account, id, to).await?))
    }

    async fn hear_message(&mut self, account: String, id: i64) -> Result<Verb<String>> {
        Ok(taped!(self, "mailbox.hear-message", (&account, id), self.hear_message_now(account, id).await?))
    }

    async fn hear_greeting(&mut self, account: String, kind: wit::Greeting) -> Result<Verb<Option<String>>> {
        Ok(taped!(self, "mailbox.hear-greeting", (&account, kind), self.hear_greeting_now(account, kind).await?))
    }

    async fn hear_recording(&mut self, account: String, recording: String) -> Result<Verb<String>> {
        let with = (account.clone(), recording.clone());
        Ok(taped!(self, "mailbox.hear-recording", with, self.hear_recording_now(account, recording).await?))
    }

    async fn set_greeting(
        &mut self,
        account: String,
        kind: wit::Greeting,
        recording: Option<String>,
    ) -> Result<Verb<()>> {
        let with = (account.clone(), kind, recording.clone());
        Ok(taped!(self, "mailbox.set-greeting", with, self.set_greeting_now(account, kind, recording).await?))
    }
}

fn denied<T>() -> Result<Verb<T>> {
    Ok(Err(Error::Denied("call/mailbox is not granted to this binding".to_owned())))
}

impl wit::Host for Denied {
    async fn open(&mut self, _: String) -> Result<Verb<wit::VoiceBox>> {
        denied()
    }

    async fn check_pin(&mut self, _: String, _: String) -> Result<Verb<wit::PinCheck>> {
        denied()
    }

    async fn set_pin(&mut self, _: String, _: String) -> Result<Verb<()>> {
        denied()
    }

    async fn deposit(&mut self, _: String, _: wit::DepositSpec) -> Result<Verb<i64>> {
        denied()
    }

    async fn messages(&mut self, _: String, _: wit::Folder) -> Result<Verb<Vec<wit::Message>>> {
        denied()
    }

    async fn move_message(&mut self, _: String, _: i64, _: wit::Folder) -> Result<Verb<()>> {
        denied()
    }

    async fn forward_message(&mut self, _: String, _: i64, _: String) -> Result<Verb<i64>> {
        denied()
    }

    async fn hear_message(&mut self, _: String, _: i64) -> Result<Verb<String>> {
        denied()
    }

    async fn hear_greeting(&mut self, _: String, _: wit::Greeting) -> Result<Verb<Option<String>>> {
        denied()
    }

    async fn hear_recording(&mut self, _: String, _: String) -> Result<Verb<String>> {
        denied()
    }

    async fn set_greeting(&mut self, _: String, _: wit::Greeting, _: Option<String>) -> Result<Verb<()>> {
        denied()
    }
}
