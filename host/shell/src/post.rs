//! The queue of mails: what is asked for becomes rows, and rows are given to mail hosts until one has taken them.
//!
//! A mail is one row for one address. Whoever asks is told when the row is there; from then on only the database says what
//! became of it. A try has its mail under a lease, so that a mail whose try was cut off (a crash, `kill -9`) is tried again,
//! with the same Message-ID: SMTP has no way to ask whether a mail was taken whose answer was lost.

mod giving;

use crate::Clock;
use model::{AppError, BoxMail, BoxOwner, BrandId, Instant, Limits, MailAsked, MailSender, VoiceBox, is_mail_address};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use store::{Db, MailCaps, MailFile, MailState, NewMail, NewVoiceMessage, OpContext, ReceivedFax, StoreError};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Notify, oneshot};

/// What a plugin hears where its brand's mail has no way out.
const NO_HOST: &str = "no-mail-host: neither the brand nor the platform has a mail host";
/// The template of new voice messages.
const VOICEMAIL: &str = "voicemail";
/// The template of faxes that came.
const FAX: &str = "fax";
/// What a fax is called in its mail: no sound of a message is called so.
const FAX_FILE: &str = "fax.pdf";

/// How a node sends mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MailSettings {
    /// Whether brands' own mail hosts may be at private and loopback addresses.
    pub brand_private_addresses: bool,
}

/// What became of mails since this process began, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct MailFigures {
    /// Hosts have taken them.
    pub(crate) sent: AtomicU64,
    /// Tries in vain that are followed by another.
    pub(crate) put_off: AtomicU64,
    /// Those that nobody will take.
    pub(crate) dead: AtomicU64,
    /// Not taken into the queue: a limit, no host, nothing granted.
    pub(crate) refused: AtomicU64,
    /// In the database, at the last look.
    waiting: AtomicU64,
    under_way: AtomicU64,
    dead_letters: AtomicU64,
}

impl MailFigures {
    /// How many of a state there were at the last look.
    pub(crate) fn at(&self, state: MailState) -> u64 {
        self.level(state).map_or(0, |level| level.load(Ordering::Relaxed))
    }

    fn level(&self, state: MailState) -> Option<&AtomicU64> {
        match state {
            MailState::Waiting => Some(&self.waiting),
            MailState::Sending => Some(&self.under_way),
            MailState::Dead => Some(&self.dead_letters),
            // They are many, and nobody waits for them.
            MailState::Sent => None,
        }
    }

    fn show(&self, counts: &[(MailState, u64)]) {
        for state in MailState::ALL {
            let count = counts.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
            if let Some(level) = self.level(state) {
                level.store(count, Ordering::Relaxed);
            }
        }
    }
}

/// Why a mail host was not tried, or what it said.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MailTrialError {
    /// This host was tried too often.
    #[error("this mail host was tried too often")]
    TooOften,
    /// The host did not take the mail, in its words.
    #[error("{0}")]
    Refused(String),
}

/// What a row needs beside what it says.
struct Words {
    template: String,
    fields: Vec<(String, String)>,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Postbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    /// The folder of messages' sounds.
    messages: PathBuf,
    limits: Limits,
    settings: MailSettings,
    clock: Clock,
    runtime: Runtime,
    asked: Notify,
    /// Names this process's tries.
    holder: String,
    figures: MailFigures,
    /// Trials of each host by its name: since when they are counted, and how many.
    trials: Mutex<BTreeMap<String, (Instant, u32)>>,
}

fn failed(error: StoreError) -> AppError {
    crate::boxes::told(error, "the queue of mails does not answer")
}

/// 32 hex digits that nobody has had.
fn fresh_id() -> Result<String, AppError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| AppError::Unavailable("no randomness".to_owned()))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// A Message-ID of the domain that the mail is from.
fn message_id(sender: &str) -> Result<String, AppError> {
    let domain = sender.rsplit_once('@').map_or("strowger.invalid", |(_, domain)| domain);
    Ok(format!("{}@{domain}", fresh_id()?))
}

impl plugin::Mailer for Postbox {
    fn send(&self, from: MailSender, mail: MailAsked) -> oneshot::Receiver<Result<(), AppError>> {
        let (answer, receiver) = oneshot::channel();
        let own = self.clone();
        self.inner.runtime.spawn(async move {
            let taken = own.take(&from, mail).await;
            if taken.is_err() {
                own.inner.figures.refused.fetch_add(1, Ordering::Relaxed);
            }
            let _nobody_waits = answer.send(taken);
        });
        receiver
    }
}

impl Postbox {
    /// Over this database; sounds are those of messages in this folder. Needs a runtime.
    pub(crate) fn new(
        (db, messages): (Db, PathBuf),
        (limits, settings): (Limits, MailSettings),
        clock: Clock,
    ) -> Result<Postbox, AppError> {
        let inner = Inner {
            db,
            messages,
            limits,
            settings,
            clock,
            runtime: Runtime::current(),
            asked: Notify::new(),
            holder: fresh_id()?,
            figures: MailFigures::default(),
            trials: Mutex::default(),
        };
        Ok(Postbox { inner: Arc::new(inner) })
    }

    /// What became of mails.
    pub(crate) fn figures(&self) -> &MailFigures {
        &self.inner.figures
    }

    /// What keeps a company's mails within bounds, and the time.
    pub(crate) fn caps(&self) -> (MailCaps, Instant) {
        (MailCaps::from(&self.inner.limits), self.inner.clock.now())
    }

    /// There may be a mail whose time has come.
    pub(crate) fn wake(&self) {
        self.inner.asked.notify_one();
    }

    /// Takes a plugin's mail: all its addresses, or none.
    async fn take(&self, from: &MailSender, asked: MailAsked) -> Result<(), AppError> {
        let of = (from.brand, from.company);
        self.room()?;
        let sender = self.sender(from.brand).await?.ok_or_else(|| AppError::Denied(NO_HOST.to_owned()))?;
        let mut files = Vec::new();
        for media in &asked.media {
            files.push(self.sound_of(from, media).await?);
        }
        let words = Words { template: asked.template, fields: asked.fields };
        let (subject, text) = self.words(from.brand, &words).await?;
        let key = match asked.key {
            Some(key) => format!("key {key}"),
            None => fresh_id()?,
        };
        let mut all: Vec<NewMail> = Vec::new();
        for to in &asked.to {
            let to = self.address(from, to).await?;
            if all.iter().any(|there| there.to == to) {
                continue;
            }
            all.push(NewMail {
                brand: of.0,
                company: of.1,
                binding: from.binding.clone(),
                name: key.clone(),
                message_id: message_id(&sender)?,
                to,
                subject: subject.clone(),
                text: text.clone(),
                files: files.clone(),
                delete_after: false,
            });
        }
        let (caps, now) = self.caps();
        let added = self.inner.db.mails().add(&all, caps, now).await.map_err(failed)?;
        added.map_err(|limit| AppError::LimitExceeded(limit.to_owned()))?;
        self.wake();
        Ok(())
    }

    /// The address that is meant, if the sender may write to it.
    async fn address(&self, from: &MailSender, to: &str) -> Result<String, AppError> {
        let own = from.may.iter().any(|may| bundle::mail_covers(may, "own"));
        let denied = || AppError::Denied("this address is not granted to this binding".to_owned());
        if !to.contains('@') {
            if !own {
                return Err(denied());
            }
            let whose = BoxOwner { brand: from.brand, company: from.company, account: to.to_owned() };
            let now = self.inner.clock.now();
            let found = self.inner.db.voice_boxes().open(&whose, now).await.map_err(failed)?;
            return found.settings.mail.map(|mail| mail.address).ok_or(AppError::NotFound);
        }
        if !is_mail_address(to) {
            return Err(AppError::InvalidArgument("to: an address, as anna@example.com".to_owned()));
        }
        if from.may.iter().any(|may| may != "own" && bundle::mail_covers(may, to)) {
            return Ok(to.to_owned());
        }
        let is_own = own && self.inner.db.mails().is_own((from.brand, from.company), to).await.map_err(failed)?;
        if is_own { Ok(to.to_owned()) } else { Err(denied()) }
    }

    /// The file of a voice message `ACCOUNT/ID` of the company.
    async fn sound_of(&self, from: &MailSender, media: &str) -> Result<MailFile, AppError> {
        let expected = || AppError::InvalidArgument("media: expected ACCOUNT/ID".to_owned());
        let (account, id) = media.rsplit_once('/').ok_or_else(expected)?;
        let id: i64 = id.parse().map_err(|_| expected())?;
        let whose = BoxOwner { brand: from.brand, company: from.company, account: account.to_owned() };
        let kept = self.inner.db.voice_boxes().message(&whose, id).await.map_err(failed)?;
        Ok(MailFile { file: kept.file, name: format!("message-{id}.wav") })
    }

    /// Subject and text, by the brand's template, the platform's, or our own.
    async fn words(&self, brand: BrandId, words: &Words) -> Result<(String, String), AppError> {
        let theirs = self.inner.db.mail_hosts().template(brand, &words.template).await.map_err(failed)?;
        let template = theirs.or_else(|| mail::own_template(&words.template)).ok_or(AppError::NotFound)?;
        Ok(mail::render(&template, &words.fields))
    }

    /// The address that the brand's mail is from; none where there is no host.
    async fn sender(&self, brand: BrandId) -> Result<Option<String>, AppError> {
        self.inner.db.mail_hosts().sender(brand).await.map_err(failed)
    }

    /// Whether the queue of all companies has room.
    fn room(&self) -> Result<(), AppError> {
        let max = u64::from(self.inner.limits.mails_waiting_of_all_max);
        if self.inner.figures.at(MailState::Waiting) >= max {
            return Err(AppError::LimitExceeded("mails-waiting-of-all-max".to_owned()));
        }
        Ok(())
    }

    /// The mail that tells of a new voice message, if the box's owner wants one.
    pub(crate) async fn told(&self, whose: &BoxOwner, new: &NewVoiceMessage) -> Result<Option<NewMail>, StoreError> {
        let now = self.inner.clock.now();
        let found = self.inner.db.voice_boxes().open(whose, now).await?;
        let Some(wanted) = found.settings.mail.clone() else { return Ok(None) };
        let company = self.inner.db.companies().get(&OpContext::platform(), whose.company).await?;
        let words = Words {
            template: VOICEMAIL.to_owned(),
            fields: message_fields((whose, &found), new, company.rules.time_zone.as_deref()),
        };
        match self.told_by(whose, (&wanted, words), new).await {
            Ok(mail) => Ok(Some(mail)),
            Err(AppError::Unavailable(why)) => Err(StoreError::Away { why }),
            Err(error) => {
                self.inner.figures.refused.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(?error, account = whose.account, "a message is not told of by mail");
                Ok(None)
            }
        }
    }

    async fn told_by(
        &self,
        whose: &BoxOwner,
        (wanted, words): (&BoxMail, Words),
        new: &NewVoiceMessage,
    ) -> Result<NewMail, AppError> {
        self.room()?;
        // Without a host it waits for one: nobody else tells the owner.
        let sender = self.sender(whose.brand).await?.unwrap_or_else(|| "nobody@strowger.invalid".to_owned());
        let (subject, text) = self.words(whose.brand, &words).await?;
        let sound = || MailFile { file: new.file.clone(), name: "message.wav".to_owned() };
        Ok(NewMail {
            brand: whose.brand,
            company: whose.company,
            binding: String::new(),
            name: fresh_id()?,
            message_id: message_id(&sender)?,
            to: wanted.address.clone(),
            subject,
            text,
            files: wanted.attach.then(sound).into_iter().collect(),
            delete_after: wanted.delete,
        })
    }
}

impl Postbox {
    /// Queues the mail that tells of a fax; told again, it is queued once.
    pub(crate) async fn fax_came(&self, fax: &ReceivedFax, to: &str, zone: Option<&str>) -> Result<(), StoreError> {
        let mail = match self.of_fax(fax, to, zone).await {
            Ok(mail) => mail,
            Err(AppError::Unavailable(why)) => return Err(StoreError::Away { why }),
            Err(error) => return self.not_told(fax, &format!("{error:?}")),
        };
        let (caps, now) = self.caps();
        match self.inner.db.mails().add(&[mail], caps, now).await? {
            Ok(()) => self.wake(),
            Err(limit) => return self.not_told(fax, limit),
        }
        Ok(())
    }

    fn not_told(&self, fax: &ReceivedFax, why: &str) -> Result<(), StoreError> {
        self.inner.figures.refused.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(why, call = %fax.call, company = fax.company.0, "a fax is not told of by mail");
        Ok(())
    }

    async fn of_fax(&self, fax: &ReceivedFax, to: &str, zone: Option<&str>) -> Result<NewMail, AppError> {
        let sender = self.sender(fax.brand).await?.unwrap_or_else(|| "nobody@strowger.invalid".to_owned());
        let whole = if fax.end.whole { String::new() } else { format!("It did not come whole: {}", fax.end.reason) };
        let fields = [
            ("caller", if fax.caller.is_empty() { "an unknown caller".to_owned() } else { fax.caller.clone() }),
            ("callee", fax.callee.clone()),
            ("station", fax.end.station.clone()),
            ("pages", fax.end.pages.to_string()),
            ("time", mail::clock_text(fax.made_at, zone)),
            ("whole", whole),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let (subject, text) = self.words(fax.brand, &Words { template: FAX.to_owned(), fields }).await?;
        Ok(NewMail {
            brand: fax.brand,
            company: fax.company,
            binding: String::new(),
            name: format!("fax {}", fax.name),
            message_id: message_id(&sender)?,
            to: to.to_owned(),
            subject,
            text,
            files: vec![MailFile { file: fax.name.clone(), name: FAX_FILE.to_owned() }],
            delete_after: false,
        })
    }
}

/// What a mail may say of a message.
fn message_fields(
    (whose, found): (&BoxOwner, &VoiceBox),
    new: &NewVoiceMessage,
    zone: Option<&str>,
) -> Vec<(String, String)> {
    let display = if found.display_name.is_empty() { &whose.account } else { &found.display_name };
    let caller = if new.caller.is_empty() { "an unknown caller" } else { &new.caller };
    let fields = [
        ("account", whose.account.clone()),
        ("display", display.clone()),
        ("caller", caller.to_owned()),
        ("name", new.caller_name.clone().unwrap_or_default()),
        ("time", mail::clock_text(new.received_at, zone)),
        ("length", mail::length_text(new.length_ms)),
        ("new", found.new.saturating_add(1).to_string()),
        ("urgent", if new.urgent { "It is urgent.".to_owned() } else { String::new() }),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]
#[path = "post_tests.rs"]
mod tests;
