//! Mail that is to be sent: one row for each address, from when it is asked for until it was taken or is dead.
//!
//! A mail is claimed under a lease, as jobs are; every write of a try names it. A try that was cut off is another's once its
//! lease is over, and says the same mail: its Message-ID stands in the row.

use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Tx, args, in_scope, instant, micros, statements, stored};
use crate::{Db, OpContext, StoreError};
use core::time::Duration;
use model::{BoxOwner, BrandId, CompanyId, Folder, Instant, Limits};
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3_600);

macro_rules! columns {
    () => {
        "id, brand_id, company_id, binding, message_id, recipient, subject, body, files, voice_message, delete_after,
        state, made_at, since_at, due_at, ended_at, tries, error"
    };
}

statements! { "mail";
    ADD = "INSERT INTO mails (brand_id, company_id, binding, name, message_id, recipient, subject, body, files,
            voice_message, delete_after, state, made_at, since_at, due_at, tries)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CAST($10 AS BIGINT), CAST($11 AS BOOLEAN), 'waiting', $12, $12, $12, 0)
        ON CONFLICT (company_id, binding, name, recipient) DO NOTHING";
    // Of two that ask at once the second counts the first's: in PostgreSQL too.
    HOLD = "INSERT INTO mail_turns (company_id, turn) SELECT id, 1 FROM companies WHERE id = $1 AND brand_id = $2
        ON CONFLICT (company_id) DO UPDATE SET turn = mail_turns.turn + 1";
    KNOWN = "SELECT id FROM mails WHERE company_id = $1 AND binding = $2 AND name = $3 AND recipient = $4";
    USED = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN binding = $2 THEN 1 ELSE 0 END), 0) AS BIGINT)
        FROM mails WHERE company_id = $1 AND made_at > $3";
    WAITING = "SELECT CAST(COUNT(*) AS BIGINT) FROM mails WHERE company_id = $1 AND state IN ('waiting', 'sending')";
    CLAIM = concat!("UPDATE mails SET state = 'sending', lease = $1, lease_until = $3, tries = tries + 1
        WHERE id = (SELECT m.id FROM mails m WHERE ((m.state = 'waiting' AND m.due_at <= $2)
            OR (m.state = 'sending' AND m.lease_until < $2))
            AND (SELECT COUNT(*) FROM mails o WHERE o.state = 'sending' AND o.lease_until >= $2
                AND o.brand_id = m.brand_id) < $4
            ORDER BY m.due_at, m.id LIMIT 1)
        AND ((state = 'waiting' AND due_at <= $2) OR (state = 'sending' AND lease_until < $2)) RETURNING ", columns!());
    SENT = "UPDATE mails SET state = 'sent', ended_at = $3, error = NULL, lease = NULL, lease_until = NULL
        WHERE id = $1 AND lease = $2 AND state = 'sending' RETURNING voice_message";
    BOX_OF = "SELECT a.brand_id, a.company_id, a.username FROM voice_messages m JOIN accounts a ON a.id = m.account_id
        WHERE m.id = $1";
    PUT_AWAY = "UPDATE voice_messages SET folder = $2, moved_at = $3 WHERE id = $1 AND folder = 'new'";
    LATER = "UPDATE mails SET state = 'waiting', due_at = $3, error = $4, lease = NULL, lease_until = NULL
        WHERE id = $1 AND lease = $2 AND state = 'sending' RETURNING id";
    DEAD = "UPDATE mails SET state = 'dead', ended_at = $3, error = $4, lease = NULL, lease_until = NULL
        WHERE id = $1 AND lease = $2 AND state = 'sending' RETURNING id";
    GET = concat!("SELECT ", columns!(), " FROM mails WHERE id = $3 AND ", in_scope!());
    RETRY = concat!("UPDATE mails SET state = 'waiting', due_at = $4, since_at = $4, tries = 0, ended_at = NULL
        WHERE id = $3 AND state IN ('waiting', 'dead') AND ", in_scope!(), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM mails WHERE id = $3 AND state <> 'sending' AND ", in_scope!());
    SWEEP = "DELETE FROM mails WHERE id IN (SELECT id FROM mails WHERE state IN ('sent', 'dead') AND ended_at < $1
        ORDER BY id LIMIT 1000)";
    COUNT = "SELECT state, CAST(COUNT(*) AS BIGINT) FROM mails WHERE state IN ('waiting', 'sending', 'dead') GROUP BY state";
    OWN = "SELECT b.settings FROM voice_boxes b JOIN accounts a ON a.id = b.account_id
        WHERE a.brand_id = $1 AND a.company_id = $2 AND b.settings LIKE '%' || CAST($3 AS TEXT) || '%'";
}

/// The words of the states.
fn states() -> Vec<&'static str> {
    MailState::ALL.into_iter().map(MailState::word).collect()
}

pub(crate) static LISTING: Listing = Listing {
    what: "mail",
    columns: columns!(),
    from: "mails",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "-id",
    by: &[
        Column::number("id", "id"),
        Column::text("to", "recipient"),
        Column::text("state", "state"),
        Column::number("made_at", "made_at"),
        Column::number("due_at", "due_at"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("state", "state", Test::Word(states), "In this state."),
        Filter::new("to", "recipient", Test::Text, "To this address."),
        Filter::new("binding", "binding", Test::Text, "Of this binding."),
    ],
};

/// How it is with a mail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MailState {
    /// For its time, or its turn.
    Waiting,
    /// Somebody is at it.
    Sending,
    /// A host has taken it.
    Sent,
    /// It was tried in vain, or refused for good.
    Dead,
}

impl MailState {
    /// Every state.
    pub const ALL: [MailState; 4] = [MailState::Waiting, MailState::Sending, MailState::Sent, MailState::Dead];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            MailState::Waiting => "waiting",
            MailState::Sending => "sending",
            MailState::Sent => "sent",
            MailState::Dead => "dead",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<MailState> {
        MailState::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A sound that goes with a mail: a message's file of the company.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MailFile {
    /// The file's name, without folder and ending.
    pub file: String,
    /// What it is called in the mail.
    pub name: String,
}

/// A mail to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMail {
    /// The brand.
    pub brand: BrandId,
    /// The company.
    pub company: CompanyId,
    /// The plugin's binding; empty for mailboxes.
    pub binding: String,
    /// Of one name a binding sends one mail to an address.
    pub name: String,
    /// Its Message-ID, unique for ever, without brackets.
    pub message_id: String,
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// What goes with it.
    pub files: Vec<MailFile>,
    /// Whether the voice message that it tells of is put among the deleted ones once it was sent.
    pub delete_after: bool,
}

/// A mail as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    /// Its number.
    pub id: i64,
    /// What was asked for. Its `name` is not read.
    pub what: NewMail,
    /// The voice message that it tells of.
    pub voice_message: Option<i64>,
    /// How it is with it.
    pub state: MailState,
    /// When it was asked for.
    pub made_at: Instant,
    /// Since when it is tried.
    pub since_at: Instant,
    /// When it is tried, or was to be.
    pub due_at: Instant,
    /// When it was sent, or given up.
    pub ended_at: Option<Instant>,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was not sent at the last try.
    pub error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct MailRow {
    id: i64,
    brand_id: i64,
    company_id: i64,
    binding: String,
    message_id: String,
    recipient: String,
    subject: String,
    body: String,
    files: String,
    voice_message: Option<i64>,
    delete_after: bool,
    state: String,
    made_at: i64,
    since_at: i64,
    due_at: i64,
    ended_at: Option<i64>,
    tries: i64,
    error: Option<String>,
}

impl TryFrom<MailRow> for Mail {
    type Error = StoreError;
    fn try_from(row: MailRow) -> Result<Mail, StoreError> {
        Ok(Mail {
            id: row.id,
            what: NewMail {
                brand: BrandId(row.brand_id),
                company: CompanyId(row.company_id),
                binding: row.binding,
                name: String::new(),
                message_id: row.message_id,
                to: row.recipient,
                subject: row.subject,
                text: row.body,
                files: stored("mail's files", serde_json::from_str(&row.files).ok())?,
                delete_after: row.delete_after,
            },
            voice_message: row.voice_message,
            state: stored("mail's state", MailState::from_word(&row.state))?,
            made_at: instant(row.made_at),
            since_at: instant(row.since_at),
            due_at: instant(row.due_at),
            ended_at: row.ended_at.map(instant),
            tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
            error: row.error,
        })
    }
}

/// How many mails a company may send; the names are those of [`Limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MailCaps {
    /// Of the company in an hour.
    pub hour: u32,
    /// Of one binding in an hour.
    pub binding_hour: u32,
    /// That wait.
    pub waiting: u32,
}

impl From<&Limits> for MailCaps {
    fn from(limits: &Limits) -> MailCaps {
        MailCaps {
            hour: limits.mails_per_hour_max,
            binding_hour: limits.mails_per_binding_hour_max,
            waiting: limits.mails_waiting_max,
        }
    }
}

/// A limit that a mail would pass, by its name.
pub type MailCapped = &'static str;

/// Which run of a mail it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MailTry<'a> {
    /// The mail.
    pub mail: i64,
    /// Names the try; nobody else has it.
    pub holder: &'a str,
}

/// The operations on mails.
#[derive(Clone, Copy, Debug)]
pub struct Mails<'a>(pub(crate) &'a Db);

impl Mails<'_> {
    /// Keeps mails to be sent, all or none; those of a name and address that are known are there already.
    ///
    /// # Errors
    /// No such company; the database failed.
    pub async fn add(
        &self,
        all: &[NewMail],
        caps: MailCaps,
        now: Instant,
    ) -> Result<Result<(), MailCapped>, StoreError> {
        let mut tx = self.0.begin().await?;
        if let Err(capped) = enter(&mut tx, all, (caps, now), None).await? {
            return Ok(Err(capped));
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Takes the mail whose turn it is; of one brand at most so many are under way.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim(
        &self,
        holder: &str,
        (now, lease): (Instant, Duration),
        of_brand: u32,
    ) -> Result<Option<Mail>, StoreError> {
        let mut tx = self.0.begin().await?;
        let args = [holder.into(), micros(now).into(), micros(now + lease).into(), i64::from(of_brand).into()];
        let row = tx.one::<MailRow>(CLAIM, &args).await?;
        tx.commit().await?;
        row.map(Mail::try_from).transpose()
    }

    /// A host has taken it. With `put_away` the voice message that it tells of, if nobody has touched it, is put among the
    /// deleted ones in the same transaction; gives the box that changed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the mail is another try's.
    pub async fn sent(&self, of: MailTry<'_>, now: Instant, put_away: bool) -> Result<Option<BoxOwner>, StoreError> {
        let mut tx = self.0.begin().await?;
        let row = tx.one::<(Option<i64>,)>(SENT, &[of.mail.into(), of.holder.into(), micros(now).into()]).await?;
        let (message,) = row.ok_or(StoreError::NotFound { what: "mail" })?;
        let mut changed = None;
        if let Some(message) = message.filter(|_| put_away) {
            let args = [message.into(), Folder::Deleted.name().into(), micros(now).into()];
            if tx.run(PUT_AWAY, &args).await? > 0 {
                changed = tx.one::<(i64, i64, String)>(BOX_OF, &[message.into()]).await?;
            }
        }
        tx.commit().await?;
        let owner =
            |(brand, company, account)| BoxOwner { brand: BrandId(brand), company: CompanyId(company), account };
        Ok(changed.map(owner))
    }

    /// It was not taken: again at `due`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the mail is another try's.
    pub async fn later(&self, of: MailTry<'_>, due: Instant, error: &str) -> Result<(), StoreError> {
        self.ended(LATER, of, due, error).await
    }

    /// It will never be taken.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the mail is another try's.
    pub async fn dead(&self, of: MailTry<'_>, now: Instant, error: &str) -> Result<(), StoreError> {
        self.ended(DEAD, of, now, error).await
    }

    async fn ended(&self, s: crate::Statement, of: MailTry<'_>, at: Instant, error: &str) -> Result<(), StoreError> {
        let error = error.replace('\0', "\u{fffd}");
        let mut tx = self.0.begin().await?;
        let args = [of.mail.into(), of.holder.into(), micros(at).into(), (&error).into()];
        tx.one::<(i64,)>(s, &args).await?.ok_or(StoreError::NotFound { what: "mail" })?;
        tx.commit().await
    }

    /// A page of the mails in scope, the newest first if no order is asked for, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Mail>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: MailRow| row.try_into()).await
    }

    /// One mail.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: i64) -> Result<Mail, StoreError> {
        let row = self.0.one::<MailRow>(GET, args![ctx, id]).await?;
        row.ok_or(StoreError::NotFound { what: "mail" })?.try_into()
    }

    /// Tries one that waits or is dead again at once, and from the beginning.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; it was sent, or somebody is at it.
    pub async fn retry(&self, ctx: &OpContext, id: i64, now: Instant) -> Result<Mail, StoreError> {
        let there = self.get(ctx, id).await?;
        match self.0.write_one::<MailRow>(RETRY, args![ctx, id, micros(now)]).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => Err(busy(&there)),
            Err(error) => Err(error),
        }
    }

    /// Forgets one; one that waits is not sent.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; somebody is at it.
    pub async fn remove(&self, ctx: &OpContext, id: i64) -> Result<(), StoreError> {
        let there = self.get(ctx, id).await?;
        match self.0.write(DELETE, args![ctx, id]).await {
            Err(StoreError::NotFound { .. }) => Err(busy(&there)),
            other => other,
        }
    }

    /// Forgets those that ended before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sweep(&self, ended: Instant) -> Result<u64, StoreError> {
        let mut tx = self.0.begin().await?;
        let gone = tx.run(SWEEP, &[micros(ended).into()]).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// How many wait, are under way and are dead.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count(&self) -> Result<Vec<(MailState, u64)>, StoreError> {
        let rows = self.0.all::<(String, i64)>(COUNT, &[]).await?;
        let known =
            |(word, n): (String, i64)| Some((MailState::from_word(&word)?, u64::try_from(n).unwrap_or_default()));
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// Whether an address is that of one of the company's mailboxes.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_own(&self, (brand, company): (BrandId, CompanyId), address: &str) -> Result<bool, StoreError> {
        let rows = self.0.all::<(String,)>(OWN, &[brand.0.into(), company.0.into(), address.into()]).await?;
        let of = |text: &str| serde_json::from_str::<model::BoxSettings>(text).ok()?.mail;
        Ok(rows.iter().any(|(text,)| of(text).is_some_and(|mail| mail.address == address)))
    }
}

fn busy(mail: &Mail) -> StoreError {
    StoreError::Invalid { what: "state", why: format!("the mail is {}", mail.state.word()) }
}

/// Puts mails into the queue, within a transaction, all or none; `about` is the voice message that they tell of.
pub(crate) async fn enter(
    tx: &mut Tx,
    all: &[NewMail],
    (caps, now): (MailCaps, Instant),
    about: Option<i64>,
) -> Result<Result<(), MailCapped>, StoreError> {
    let Some(first) = all.first() else { return Ok(Ok(())) };
    if tx.run(HOLD, &[first.company.0.into(), first.brand.0.into()]).await? == 0 {
        return Err(StoreError::NotFound { what: "company" });
    }
    let mut fresh = Vec::new();
    for mail in all {
        let args = [mail.company.0.into(), (&mail.binding).into(), (&mail.name).into(), (&mail.to).into()];
        if tx.one::<(i64,)>(KNOWN, &args).await?.is_none() {
            fresh.push(mail);
        }
    }
    if let Some(capped) = capped(tx, first, (caps, now), fresh.len()).await? {
        return Ok(Err(capped));
    }
    for mail in fresh {
        write(tx, mail, now, about).await?;
    }
    Ok(Ok(()))
}

/// The limit that so many more would pass.
async fn capped(
    tx: &mut Tx,
    of: &NewMail,
    (caps, now): (MailCaps, Instant),
    more: usize,
) -> Result<Option<MailCapped>, StoreError> {
    if more == 0 {
        return Ok(None);
    }
    let args = [of.company.0.into(), (&of.binding).into(), micros(now - HOUR).into()];
    let (of_company, of_binding) = tx.one::<(i64, i64)>(USED, &args).await?.unwrap_or_default();
    let (waiting,) = tx.one::<(i64,)>(WAITING, &[of.company.0.into()]).await?.unwrap_or_default();
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    let passes = |there: i64, cap: u32| there.saturating_add(more) > i64::from(cap);
    let limits = [
        ("mails-per-hour-max", passes(of_company, caps.hour)),
        ("mails-per-binding-hour-max", !of.binding.is_empty() && passes(of_binding, caps.binding_hour)),
        ("mails-waiting-max", passes(waiting, caps.waiting)),
    ];
    Ok(limits.into_iter().find(|(_, passed)| *passed).map(|(name, _)| name))
}

async fn write(tx: &mut Tx, mail: &NewMail, now: Instant, about: Option<i64>) -> Result<(), StoreError> {
    let files = serde_json::to_string(&mail.files).unwrap_or_default();
    let args = [
        mail.brand.0.into(),
        mail.company.0.into(),
        (&mail.binding).into(),
        (&mail.name).into(),
        (&mail.message_id).into(),
        (&mail.to).into(),
        (&mail.subject).into(),
        (&mail.text).into(),
        (&files).into(),
        about.into(),
        mail.delete_after.into(),
        micros(now).into(),
    ];
    tx.run(ADD, &args).await.map(drop)
}
