//! Voice mailboxes: how they are kept, their PINs, and the rows of their messages. The sound lies in files that the shell
//! keeps; a row names its file, and several rows may name the same.

use super::mails::{self, MailCaps, NewMail};
use crate::sql::{Arg, Tx, instant, micros, statements, stored};
use crate::{Db, StoreError};
use core::time::Duration;
use model::{
    BoxOwner, BoxSettings, CompanyId, Folder, Greeting, Instant, Mailbox, MessageCounts, PinCheck, VoiceBox,
    VoiceMessage,
};

/// So many wrong PINs lock a box.
const WRONG_MAX: i64 = 5;
/// For so long.
const LOCKED: Duration = Duration::from_secs(15 * 60);
/// What a PIN may be long.
const PIN_DIGITS: core::ops::RangeInclusive<usize> = 4..=12;

macro_rules! owner {
    () => {
        " FROM accounts a WHERE a.brand_id = $1 AND a.company_id = $2 AND a.username = $3"
    };
}
macro_rules! message {
    () => {
        "m.id, m.folder, m.caller, m.caller_name, m.received_at, m.length_ms, m.urgent, m.file"
    };
}

statements! { "mailbox";
    OWNER = concat!("SELECT a.id, a.display_name", owner!());
    MAKE = "INSERT INTO voice_boxes (account_id) VALUES ($1) ON CONFLICT (account_id) DO NOTHING";
    HOLD = "UPDATE voice_boxes SET pin_wrong = pin_wrong WHERE account_id = $1";
    BOX = "SELECT settings, pin, pin_wrong, locked_until, greeting_unavailable, greeting_busy, greeting_name
        FROM voice_boxes WHERE account_id = $1";
    COUNTS = "SELECT folder, urgent, COUNT(*) AS count FROM voice_messages WHERE account_id = $1 GROUP BY folder, urgent";
    SET = "UPDATE voice_boxes SET settings = $2 WHERE account_id = $1";
    SET_PIN = "UPDATE voice_boxes SET pin = $2, pin_wrong = 0, locked_until = 0 WHERE account_id = $1";
    TRIED = "UPDATE voice_boxes SET pin_wrong = $2, locked_until = $3 WHERE account_id = $1";
    GREET_UNAVAILABLE = "UPDATE voice_boxes SET greeting_unavailable = $2 WHERE account_id = $1";
    GREET_BUSY = "UPDATE voice_boxes SET greeting_busy = $2 WHERE account_id = $1";
    GREET_NAME = "UPDATE voice_boxes SET greeting_name = $2 WHERE account_id = $1";
    ADD = "INSERT INTO voice_messages (account_id, folder, caller, caller_name, received_at, moved_at, length_ms, urgent, file)
        VALUES ($1, 'new', $2, $3, $4, $4, $5, CAST($6 AS BOOLEAN), $7) RETURNING id";
    LIST = concat!("SELECT ", message!(), " FROM voice_messages m WHERE m.account_id = $1
        AND (CAST($2 AS TEXT) IS NULL OR m.folder = $2) ORDER BY m.id LIMIT 10000");
    ONE = concat!("SELECT ", message!(), " FROM voice_messages m WHERE m.account_id = $1 AND m.id = $2");
    MOVE = "UPDATE voice_messages SET folder = $3, moved_at = $4 WHERE account_id = $1 AND id = $2";
    ERASE = "DELETE FROM voice_messages WHERE account_id = $1 AND id = $2";
    NAMED = "SELECT COUNT(*) AS count FROM voice_messages WHERE file = $1";
    WAITING = "SELECT a.company_id, a.username, m.folder, m.urgent, COUNT(*) AS count FROM voice_messages m
        JOIN accounts a ON a.id = m.account_id WHERE m.folder <> 'deleted'
        GROUP BY a.company_id, a.username, m.folder, m.urgent ORDER BY a.company_id, a.username";
    AGED = "SELECT m.id, m.account_id, a.company_id, a.brand_id, a.username, m.file, m.folder, m.received_at, m.moved_at,
            b.settings FROM voice_messages m JOIN accounts a ON a.id = m.account_id
        LEFT JOIN voice_boxes b ON b.account_id = m.account_id WHERE m.received_at < $1 AND m.id > $2 ORDER BY m.id LIMIT 1000";
    BY_FILE = "SELECT m.id FROM voice_messages m JOIN accounts a ON a.id = m.account_id WHERE a.company_id = $1
        AND m.file = $2 ORDER BY m.id LIMIT 1";
    FILES = "SELECT m.file FROM voice_messages m JOIN accounts a ON a.id = m.account_id WHERE a.company_id = $1
        UNION SELECT b.greeting_unavailable FROM voice_boxes b JOIN accounts a ON a.id = b.account_id
            WHERE a.company_id = $1 AND b.greeting_unavailable IS NOT NULL
        UNION SELECT b.greeting_busy FROM voice_boxes b JOIN accounts a ON a.id = b.account_id
            WHERE a.company_id = $1 AND b.greeting_busy IS NOT NULL
        UNION SELECT b.greeting_name FROM voice_boxes b JOIN accounts a ON a.id = b.account_id
            WHERE a.company_id = $1 AND b.greeting_name IS NOT NULL";
}

#[derive(sqlx::FromRow)]
struct BoxRow {
    settings: String,
    pin: Option<Vec<u8>>,
    pin_wrong: i64,
    locked_until: i64,
    greeting_unavailable: Option<String>,
    greeting_busy: Option<String>,
    greeting_name: Option<String>,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    folder: String,
    urgent: bool,
    count: i64,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    company_id: i64,
    username: String,
    folder: String,
    urgent: bool,
    count: i64,
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    id: i64,
    folder: String,
    caller: String,
    caller_name: Option<String>,
    received_at: i64,
    length_ms: i64,
    urgent: bool,
    file: String,
}

#[derive(sqlx::FromRow)]
struct AgedRow {
    id: i64,
    account_id: i64,
    company_id: i64,
    brand_id: i64,
    username: String,
    file: String,
    folder: String,
    received_at: i64,
    moved_at: i64,
    settings: Option<String>,
}

/// A message with the name of its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptMessage {
    /// The message.
    pub message: VoiceMessage,
    /// Its file's name, without folder and ending.
    pub file: String,
}

impl TryFrom<MessageRow> for KeptMessage {
    type Error = StoreError;
    fn try_from(row: MessageRow) -> Result<KeptMessage, StoreError> {
        Ok(KeptMessage {
            message: VoiceMessage {
                id: row.id,
                folder: stored("folder", Folder::from_name(&row.folder))?,
                caller: row.caller,
                caller_name: row.caller_name,
                received_ms: instant(row.received_at).unix_millis(),
                length_ms: u64::try_from(row.length_ms).unwrap_or_default(),
                urgent: row.urgent,
            },
            file: row.file,
        })
    }
}

/// A message to be kept: its sound is already where it stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewVoiceMessage {
    /// A number, or nothing.
    pub caller: String,
    /// The caller's name.
    pub caller_name: Option<String>,
    /// When it was left.
    pub received_at: Instant,
    /// How long it is.
    pub length_ms: u64,
    /// Whether it is urgent.
    pub urgent: bool,
    /// The file's name.
    pub file: String,
}

fn count(n: i64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn settings(text: &str) -> Result<BoxSettings, StoreError> {
    stored("mailbox's settings", serde_json::from_str(text).ok())
}

fn check_settings(s: &BoxSettings) -> Result<(), StoreError> {
    let checks = [
        ("message_max_s", BoxSettings::MESSAGE_S.contains(&s.message_max_s), "3 to 1200 seconds"),
        ("messages_max", BoxSettings::MESSAGES.contains(&s.messages_max), "1 to 5000"),
        ("keep_days", BoxSettings::DAYS.contains(&s.keep_days), "1 to 3650"),
    ];
    let mail = s.mail.iter().flat_map(|mail| {
        let rule = "an address, as anna@example.com; `delete` only with `attach`";
        [("mail", model::is_mail_address(&mail.address) && (mail.attach || !mail.delete), rule)]
    });
    match checks.into_iter().chain(mail).find(|(_, holds, _)| !holds) {
        Some((field, _, rule)) => Err(StoreError::Invalid { what: field, why: format!("expected {rule}") }),
        None => Ok(()),
    }
}

/// The operations on mailboxes. Each is about the box of one account of one company; an account of another company is not
/// there at all.
#[derive(Clone, Copy, Debug)]
pub struct VoiceBoxes<'a>(pub(crate) &'a Db);

impl VoiceBoxes<'_> {
    /// Begins a change of the owner's box, which is made if it is not there.
    async fn change(&self, owner: &BoxOwner) -> Result<(Tx, i64), StoreError> {
        let mut tx = self.0.begin().await?;
        let (account, _) = whose(&mut tx, owner).await?;
        tx.run(MAKE, &[account.into()]).await?;
        // Changes of one box come one after the other, in PostgreSQL too.
        tx.run(HOLD, &[account.into()]).await?;
        Ok((tx, account))
    }

    /// The box as it stands.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the company has no such account.
    pub async fn open(&self, owner: &BoxOwner, now: Instant) -> Result<VoiceBox, StoreError> {
        let mut tx = self.0.inner.pools.begin_snapshot().await?;
        let (account, display_name) = whose(&mut tx, owner).await?;
        let row = tx.one::<BoxRow>(BOX, &[account.into()]).await?;
        let mut found = VoiceBox {
            account: owner.account.clone(),
            display_name,
            settings: row.as_ref().map(|r| settings(&r.settings)).transpose()?.unwrap_or_default(),
            has_pin: row.as_ref().is_some_and(|r| r.pin.is_some()),
            locked_s: row.as_ref().map_or(0, |r| locked_s(r.locked_until, now)),
            greetings: row.iter().flat_map(BoxRow::greetings).collect(),
            new: 0,
            new_urgent: 0,
            saved: 0,
            saved_urgent: 0,
            deleted: 0,
        };
        for row in tx.all::<CountRow>(COUNTS, &[account.into()]).await? {
            let n = count(row.count);
            let urgent = if row.urgent { n } else { 0 };
            match stored("folder", Folder::from_name(&row.folder))? {
                Folder::New => (found.new, found.new_urgent) = (found.new + n, found.new_urgent + urgent),
                Folder::Saved => (found.saved, found.saved_urgent) = (found.saved + n, found.saved_urgent + urgent),
                Folder::Deleted => found.deleted += n,
            }
        }
        Ok(found)
    }

    /// Changes how a box is kept.
    ///
    /// # Errors
    /// A value breaks a rule; no such account.
    pub async fn configure(&self, owner: &BoxOwner, wanted: &BoxSettings) -> Result<(), StoreError> {
        check_settings(wanted)?;
        let (mut tx, account) = self.change(owner).await?;
        let text = serde_json::to_string(wanted).unwrap_or_default();
        tx.run(SET, &[account.into(), (&text).into()]).await?;
        tx.commit().await
    }

    /// Sets the PIN or takes it away, and opens a locked box. It is kept sealed.
    ///
    /// # Errors
    /// The PIN breaks a rule; no key to seal it with; no such account.
    pub async fn set_pin(&self, owner: &BoxOwner, pin: Option<&str>) -> Result<(), StoreError> {
        if pin.is_some_and(|p| !PIN_DIGITS.contains(&p.len()) || !p.bytes().all(|b| b.is_ascii_digit())) {
            return Err(StoreError::Invalid { what: "pin", why: "expected 4 to 12 digits".to_owned() });
        }
        let (mut tx, account) = self.change(owner).await?;
        let sealed = match pin {
            Some(pin) => {
                let key = self.0.inner.key.as_ref();
                let sealed = key.and_then(|key| key.seal(&place(account), pin.as_bytes()));
                Some(
                    sealed
                        .ok_or_else(|| StoreError::Refused { why: "there is no key to seal a PIN with".to_owned() })?,
                )
            }
            None => None,
        };
        tx.run(SET_PIN, &[account.into(), sealed.as_deref().into()]).await?;
        tx.commit().await
    }

    /// Compares a PIN. Five wrong ones, over all calls, lock the box for fifteen minutes.
    ///
    /// # Errors
    /// No such account; the database failed.
    pub async fn check_pin(&self, owner: &BoxOwner, pin: &str, now: Instant) -> Result<PinCheck, StoreError> {
        let (mut tx, account) = self.change(owner).await?;
        let row = tx.one::<BoxRow>(BOX, &[account.into()]).await?;
        let Some(row) = row else { return Err(StoreError::NotFound { what: "mailbox" }) };
        if locked_s(row.locked_until, now) > 0 {
            return Ok(PinCheck::Locked);
        }
        let Some(sealed) = row.pin else { return Ok(PinCheck::Unset) };
        let known = self.0.inner.key.as_ref().and_then(|key| key.open(&place(account), &sealed));
        let known = stored("PIN", known)?;
        let right = same(&known, pin.as_bytes());
        let wrong = if right { 0 } else { row.pin_wrong + 1 };
        let locks = wrong >= WRONG_MAX;
        let until = if locks { micros(now + LOCKED) } else { 0 };
        tx.run(TRIED, &[account.into(), if locks { 0 } else { wrong }.into(), until.into()]).await?;
        tx.commit().await?;
        Ok(match (right, locks) {
            (true, _) => PinCheck::Right,
            (false, true) => PinCheck::Locked,
            (false, false) => PinCheck::Wrong,
        })
    }

    /// The file of a greeting, if there is one.
    ///
    /// # Errors
    /// No such account.
    pub async fn greeting(&self, owner: &BoxOwner, kind: Greeting) -> Result<Option<String>, StoreError> {
        let mut tx = self.0.inner.pools.begin_snapshot().await?;
        let (account, _) = whose(&mut tx, owner).await?;
        let row = tx.one::<BoxRow>(BOX, &[account.into()]).await?;
        Ok(row.and_then(|row| row.greeting(kind)))
    }

    /// Sets a greeting's file; gives the one before.
    ///
    /// # Errors
    /// No such account.
    pub async fn greet(
        &self,
        owner: &BoxOwner,
        kind: Greeting,
        file: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        let (mut tx, account) = self.change(owner).await?;
        let before = tx.one::<BoxRow>(BOX, &[account.into()]).await?.and_then(|row| row.greeting(kind));
        let statement = match kind {
            Greeting::Unavailable => GREET_UNAVAILABLE,
            Greeting::Busy => GREET_BUSY,
            Greeting::Name => GREET_NAME,
        };
        tx.run(statement, &[account.into(), file.into()]).await?;
        tx.commit().await?;
        Ok(before)
    }

    /// Keeps a message, and in the same transaction the mail that tells of it; gives its number, or why there is none. A
    /// company that has sent too many mails gets its message without.
    ///
    /// # Errors
    /// No such account.
    pub async fn add(
        &self,
        owner: &BoxOwner,
        new: &NewVoiceMessage,
        told: Option<(&NewMail, MailCaps, Instant)>,
    ) -> Result<Result<i64, BoxShut>, StoreError> {
        let (mut tx, account) = self.change(owner).await?;
        let row = tx.one::<BoxRow>(BOX, &[account.into()]).await?;
        let kept = row.map(|row| settings(&row.settings)).transpose()?.unwrap_or_default();
        if !kept.enabled {
            return Ok(Err(BoxShut::Off));
        }
        let counts = tx.all::<CountRow>(COUNTS, &[account.into()]).await?;
        let there: i64 = counts.iter().filter(|c| c.folder != Folder::Deleted.name()).map(|c| c.count).sum();
        if count(there) >= kept.messages_max {
            return Ok(Err(BoxShut::Full));
        }
        let id = add(&mut tx, account, new).await?;
        if let Some((mail, caps, now)) = told
            && let Err(limit) = mails::enter(&mut tx, core::slice::from_ref(mail), (caps, now), Some(id)).await?
        {
            tracing::warn!(company = owner.company.0, id, limit, "a message is not told of by mail");
        }
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// What lies in a folder, or in all, the oldest first.
    ///
    /// # Errors
    /// No such account.
    pub async fn messages(&self, owner: &BoxOwner, folder: Option<Folder>) -> Result<Vec<VoiceMessage>, StoreError> {
        let mut tx = self.0.inner.pools.begin_snapshot().await?;
        let (account, _) = whose(&mut tx, owner).await?;
        let rows = tx.all::<MessageRow>(LIST, &[account.into(), folder.map(Folder::name).into()]).await?;
        rows.into_iter().map(|row| KeptMessage::try_from(row).map(|kept| kept.message)).collect()
    }

    /// One message of a box.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn message(&self, owner: &BoxOwner, id: i64) -> Result<KeptMessage, StoreError> {
        let mut tx = self.0.inner.pools.begin_snapshot().await?;
        let (account, _) = whose(&mut tx, owner).await?;
        let row = tx.one::<MessageRow>(ONE, &[account.into(), id.into()]).await?;
        row.ok_or(StoreError::NotFound { what: "message" })?.try_into()
    }

    /// Puts a message into another folder.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn put(&self, owner: &BoxOwner, id: i64, folder: Folder, now: Instant) -> Result<(), StoreError> {
        let (mut tx, account) = self.change(owner).await?;
        let args = [account.into(), id.into(), folder.name().into(), micros(now).into()];
        if tx.run(MOVE, &args).await? == 0 {
            return Err(StoreError::NotFound { what: "message" });
        }
        tx.commit().await
    }

    /// Forgets a message; gives its file where no other message has the same.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn erase(&self, owner: &BoxOwner, id: i64) -> Result<Option<String>, StoreError> {
        let (mut tx, account) = self.change(owner).await?;
        let row = tx.one::<MessageRow>(ONE, &[account.into(), id.into()]).await?;
        let file = row.ok_or(StoreError::NotFound { what: "message" })?.file;
        tx.run(ERASE, &[account.into(), id.into()]).await?;
        let gone = is_unnamed(&mut tx, &file).await?;
        tx.commit().await?;
        Ok(gone.then_some(file))
    }

    /// What waits for every account that has messages.
    ///
    /// # Errors
    /// The database failed.
    pub async fn waiting(&self) -> Result<Vec<Mailbox>, StoreError> {
        let mut out: Vec<Mailbox> = Vec::new();
        for row in self.0.all::<WaitingRow>(WAITING, &[]).await? {
            let company = CompanyId(row.company_id);
            if out.last().is_none_or(|last| last.company != company || last.account != row.username) {
                let (voice, fax) = (MessageCounts::default(), MessageCounts::default());
                out.push(Mailbox { company, account: row.username, voice, fax });
            }
            let Some(last) = out.last_mut() else { continue };
            let n = count(row.count);
            let urgent = if row.urgent { n } else { 0 };
            let (all, of_them) = match stored("folder", Folder::from_name(&row.folder))? {
                Folder::New => (&mut last.voice.new, &mut last.voice.new_urgent),
                Folder::Saved | Folder::Deleted => (&mut last.voice.old, &mut last.voice.old_urgent),
            };
            (*all, *of_them) = (*all + n, *of_them + urgent);
        }
        Ok(out)
    }

    /// Forgets what has become too old, at most a thousand messages at once; gives the boxes that changed, the files that
    /// nobody names any more, and whether there may be more after `after`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn age(&self, now: Instant, after: i64) -> Result<Aged, StoreError> {
        const DAY: Duration = Duration::from_secs(86_400);
        let mut tx = self.0.begin().await?;
        let rows = tx.all::<AgedRow>(AGED, &[micros(now - DAY).into(), after.into()]).await?;
        let mut aged = Aged { next: rows.last().filter(|_| rows.len() >= 1_000).map(|r| r.id), ..Aged::default() };
        for row in rows {
            let kept = row.settings.as_deref().map(settings).transpose()?.unwrap_or_default();
            let (since, days) = if row.folder == Folder::Deleted.name() {
                (row.moved_at, BoxSettings::DELETED_KEEP_DAYS.min(kept.keep_days))
            } else {
                (row.received_at, kept.keep_days)
            };
            if instant(since) + DAY * days > now {
                continue;
            }
            tx.run(ERASE, &[row.account_id.into(), row.id.into()]).await?;
            let (brand, company) = (model::BrandId(row.brand_id), CompanyId(row.company_id));
            if is_unnamed(&mut tx, &row.file).await? {
                aged.files.push((company, row.file));
            }
            let owner = BoxOwner { brand, company, account: row.username };
            if !aged.boxes.contains(&owner) {
                aged.boxes.push(owner);
            }
        }
        tx.commit().await?;
        Ok(aged)
    }

    /// Every file that a row of the company names.
    ///
    /// # Errors
    /// The database failed.
    pub async fn files(&self, company: CompanyId) -> Result<Vec<String>, StoreError> {
        let rows = self.0.all::<(String,)>(FILES, &[company.0.into()]).await?;
        Ok(rows.into_iter().map(|(file,)| file).collect())
    }

    /// The first message of a company whose sound is in this file.
    ///
    /// # Errors
    /// The database failed.
    pub async fn by_file(&self, company: CompanyId, file: &str) -> Result<Option<i64>, StoreError> {
        let rows = self.0.all::<(i64,)>(BY_FILE, &[company.0.into(), file.into()]).await?;
        Ok(rows.first().map(|(id,)| *id))
    }
}

/// Why a box took no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BoxShut {
    /// It takes none.
    Off,
    /// It holds as many as it may.
    Full,
}

/// What [`VoiceBoxes::age`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Aged {
    /// Boxes with fewer messages than before.
    pub boxes: Vec<BoxOwner>,
    /// Files that no row names any more.
    pub files: Vec<(CompanyId, String)>,
    /// Where to go on.
    pub next: Option<i64>,
}

impl BoxRow {
    fn greeting(&self, kind: Greeting) -> Option<String> {
        match kind {
            Greeting::Unavailable => self.greeting_unavailable.clone(),
            Greeting::Busy => self.greeting_busy.clone(),
            Greeting::Name => self.greeting_name.clone(),
        }
    }

    fn greetings(&self) -> impl Iterator<Item = Greeting> + '_ {
        Greeting::ALL.into_iter().filter(|kind| self.greeting(*kind).is_some())
    }
}

async fn whose(tx: &mut Tx, owner: &BoxOwner) -> Result<(i64, String), StoreError> {
    let args: [Arg<'_>; 3] = [owner.brand.0.into(), owner.company.0.into(), (&owner.account).into()];
    tx.one::<(i64, String)>(OWNER, &args).await?.ok_or(StoreError::NotFound { what: "account" })
}

async fn add(tx: &mut Tx, account: i64, new: &NewVoiceMessage) -> Result<i64, StoreError> {
    let length = i64::try_from(new.length_ms).unwrap_or(i64::MAX);
    let args = [
        account.into(),
        (&new.caller).into(),
        new.caller_name.as_deref().into(),
        micros(new.received_at).into(),
        length.into(),
        new.urgent.into(),
        (&new.file).into(),
    ];
    let row = tx.one::<(i64,)>(ADD, &args).await?;
    row.map(|(id,)| id).ok_or(StoreError::NotFound { what: "message" })
}

async fn is_unnamed(tx: &mut Tx, file: &str) -> Result<bool, StoreError> {
    Ok(tx.one::<(i64,)>(NAMED, &[file.into()]).await?.is_none_or(|(n,)| n == 0))
}

/// Where a PIN is sealed for.
fn place(account: i64) -> String {
    format!("voice_boxes/{account}/pin")
}

fn locked_s(until: i64, now: Instant) -> u32 {
    let left = until.saturating_sub(micros(now)).max(0);
    u32::try_from((left + 999_999) / 1_000_000).unwrap_or(u32::MAX)
}

/// Takes as long whichever digit differs.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}
