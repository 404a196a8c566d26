//! Faxes: one row for each that came, and for each that is to be sent or was. The files are the node's; see `shell::faxes`.
//!
//! One that is to be sent is claimed under a lease, as mails are; every write of a try names it.

use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{args, in_scope, instant, micros, statements, stored, translated};
use crate::{Db, OpContext, StoreError, check};
use core::time::Duration;
use model::{BrandId, CallId, CompanyId, Instant};

macro_rules! columns {
    () => {
        "id, name, brand_id, company_id, state, inbound, caller, callee, call_id, station, pages, pages_done, t38, reason,
        bytes, made_at, due_at, ended_at, tries"
    };
}

statements! { "fax";
    RECEIVED = "INSERT INTO faxes (name, brand_id, company_id, state, inbound, caller, callee, call_id, station, pages,
            pages_done, t38, reason, bytes, made_at, due_at, ended_at, tries)
        VALUES ($1, $2, $3, $4, TRUE, $5, $6, $7, $8, $9, $9, CAST($10 AS BOOLEAN), $11, $12, $13, $14, $14, 1)
        ON CONFLICT (name) DO NOTHING";
    QUEUE = concat!("INSERT INTO faxes (name, brand_id, company_id, state, inbound, caller, callee, station, pages,
            pages_done, t38, reason, bytes, made_at, due_at, tries)
        SELECT CAST($3 AS TEXT), c.brand_id, c.id, 'queued', FALSE, d.e164, CAST($6 AS TEXT), '', CAST($7 AS BIGINT), 0, FALSE, '',
            CAST($8 AS BIGINT), CAST($9 AS BIGINT), CAST($9 AS BIGINT), 0
        FROM companies c JOIN ddis d ON d.company_id = c.id WHERE c.id = $4 AND d.e164 = $5 AND ",
        in_scope!("c.brand_id", "c.id"), "
        AND (SELECT COUNT(*) FROM faxes f WHERE f.company_id = c.id AND f.state IN ('queued', 'sending')) < $10
        RETURNING ", columns!());
    WAITING = concat!("SELECT CAST(COUNT(*) AS BIGINT) FROM faxes WHERE company_id = $3 AND state IN ('queued', 'sending')
        AND ", in_scope!());
    CLAIM = concat!("UPDATE faxes SET state = 'sending', lease = $1, lease_until = $3, tries = tries + 1
        WHERE id = (SELECT f.id FROM faxes f WHERE ((f.state = 'queued' AND f.due_at <= $2)
            OR (f.state = 'sending' AND f.lease_until < $2))
            AND (SELECT COUNT(*) FROM faxes o WHERE o.state = 'sending' AND o.lease_until >= $2
                AND o.company_id = f.company_id) < $4
            ORDER BY f.due_at, f.id LIMIT 1)
        AND ((state = 'queued' AND due_at <= $2) OR (state = 'sending' AND lease_until < $2)) RETURNING ", columns!());
    RENEW = "UPDATE faxes SET lease_until = $3 WHERE id = $1 AND lease = $2 AND state = 'sending' RETURNING id";
    CALLED = "UPDATE faxes SET call_id = $3 WHERE id = $1 AND lease = $2 AND state = 'sending' RETURNING id";
    ENDED = "UPDATE faxes SET state = $3, ended_at = $4, station = $5, pages_done = $6, t38 = CAST($7 AS BOOLEAN),
        reason = $8, lease = NULL, lease_until = NULL WHERE id = $1 AND lease = $2 AND state = 'sending' RETURNING id";
    LATER = "UPDATE faxes SET state = 'queued', due_at = $3, station = $4, pages_done = $5, t38 = CAST($6 AS BOOLEAN),
        reason = $7, tries = tries - $8, lease = NULL, lease_until = NULL
        WHERE id = $1 AND lease = $2 AND state = 'sending' RETURNING id";
    GET = concat!("SELECT ", columns!(), " FROM faxes WHERE id = $3 AND ", in_scope!());
    DELETE = concat!("DELETE FROM faxes WHERE id = $3 AND state <> 'sending' AND ", in_scope!());
    OLDER = concat!("SELECT ", columns!(), " FROM faxes WHERE company_id = $1 AND ended_at < $2
        ORDER BY ended_at LIMIT $3");
    SURPLUS = concat!("SELECT ", columns!(), " FROM (SELECT ", columns!(), ",
        SUM(bytes) OVER (ORDER BY made_at DESC, id DESC) AS so_far FROM faxes
        WHERE company_id = $1 AND ended_at IS NOT NULL) AS kept WHERE so_far > $2 ORDER BY made_at LIMIT $3");
    ORPHANS = concat!("SELECT ", columns!(), " FROM faxes WHERE state <> 'sending'
        AND NOT EXISTS (SELECT 1 FROM companies WHERE companies.id = faxes.company_id) ORDER BY id LIMIT $1");
}

/// The words of the states.
fn states() -> Vec<&'static str> {
    FaxState::ALL.into_iter().map(FaxState::word).collect()
}

pub(crate) static LISTING: Listing = Listing {
    what: "fax",
    columns: columns!(),
    from: "faxes",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "-id",
    by: &[
        Column::number("id", "id"),
        Column::number("made_at", "made_at"),
        Column::text("state", "state"),
        Column::text("from", "caller"),
        Column::text("to", "callee"),
        Column::number("pages", "pages"),
        Column::number("bytes", "bytes"),
        Column::number("company", "company_id"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("state", "state", Test::Word(states), "In this state."),
        Filter::new("from", "caller", Test::Text, "From this number."),
        Filter::new("to", "callee", Test::Text, "To this number."),
        Filter::new("call", "call_id", Test::Call, "Of this call."),
    ],
};

/// How it is with a fax.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FaxState {
    /// It came, whole.
    Received,
    /// It waits for its time, or its turn.
    Queued,
    /// A call is made for it.
    Sending,
    /// The other machine has confirmed each page.
    Sent,
    /// It was sent in vain, or did not come whole.
    Failed,
}

impl FaxState {
    /// Every state.
    pub const ALL: [FaxState; 5] =
        [FaxState::Received, FaxState::Queued, FaxState::Sending, FaxState::Sent, FaxState::Failed];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            FaxState::Received => "received",
            FaxState::Queued => "queued",
            FaxState::Sending => "sending",
            FaxState::Sent => "sent",
            FaxState::Failed => "failed",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<FaxState> {
        FaxState::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A fax that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedFax {
    /// Names its files; unique for ever.
    pub name: String,
    /// The brand.
    pub brand: BrandId,
    /// The company.
    pub company: CompanyId,
    /// The calling number.
    pub caller: String,
    /// The number that was called.
    pub callee: String,
    /// Its call.
    pub call: CallId,
    /// When the call came.
    pub made_at: Instant,
    /// When it was over.
    pub ended_at: Instant,
    /// Of its TIFF.
    pub bytes: u64,
    /// How it went.
    pub end: FaxEnd,
}

/// How a fax, or one try to send it, has ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FaxEnd {
    /// Each page was confirmed.
    pub whole: bool,
    /// Pages that were confirmed.
    pub pages: u32,
    /// What the other machine calls itself.
    pub station: String,
    /// It went by T.38 at the end.
    pub t38: bool,
    /// In words.
    pub reason: String,
}

/// A fax to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewFax {
    /// Names its files; unique for ever.
    pub name: String,
    /// The company.
    pub company: CompanyId,
    /// One of the company's public numbers.
    pub from: String,
    /// The number, as it is dialled.
    pub to: String,
    /// How many pages it has.
    pub pages: u32,
    /// Of its TIFF.
    pub bytes: u64,
    /// When it was asked for.
    pub made_at: Instant,
}

/// A fax as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fax {
    /// The row.
    pub id: i64,
    /// Names its files.
    pub name: String,
    /// Whose.
    pub brand: BrandId,
    /// Whose.
    pub company: CompanyId,
    /// How it is with it.
    pub state: FaxState,
    /// It came; else it is to be sent, or was.
    pub inbound: bool,
    /// The calling number.
    pub caller: String,
    /// The number called.
    pub callee: String,
    /// Its call; of one that is sent, the last.
    pub call: Option<CallId>,
    /// What the other machine calls itself.
    pub station: String,
    /// How many pages it has; of one that came, how many came.
    pub pages: u32,
    /// How many of them the other machine confirmed, or we did.
    pub pages_done: u32,
    /// It went by T.38 at the end.
    pub t38: bool,
    /// How it ended, or the last try did.
    pub reason: String,
    /// Of its TIFF.
    pub bytes: u64,
    /// When it was asked for, or the call came.
    pub made_at: Instant,
    /// When it is tried, or was to be.
    pub due_at: Instant,
    /// When it was over.
    pub ended_at: Option<Instant>,
    /// How often it was tried.
    pub tries: u32,
}

#[derive(sqlx::FromRow)]
struct FaxRow {
    id: i64,
    name: String,
    brand_id: i64,
    company_id: i64,
    state: String,
    inbound: bool,
    caller: String,
    callee: String,
    call_id: Option<String>,
    station: String,
    pages: i64,
    pages_done: i64,
    t38: bool,
    reason: String,
    bytes: i64,
    made_at: i64,
    due_at: i64,
    ended_at: Option<i64>,
    tries: i64,
}

impl TryFrom<FaxRow> for Fax {
    type Error = StoreError;
    fn try_from(row: FaxRow) -> Result<Fax, StoreError> {
        let call = row.call_id.map(|call| stored("fax's call", call.parse().ok())).transpose()?;
        Ok(Fax {
            id: row.id,
            name: row.name,
            brand: BrandId(row.brand_id),
            company: CompanyId(row.company_id),
            state: stored("fax's state", FaxState::from_word(&row.state))?,
            inbound: row.inbound,
            caller: row.caller,
            callee: row.callee,
            call,
            station: row.station,
            pages: stored("fax's pages", u32::try_from(row.pages).ok())?,
            pages_done: stored("fax's pages", u32::try_from(row.pages_done).ok())?,
            t38: row.t38,
            reason: row.reason,
            bytes: stored("fax's size", u64::try_from(row.bytes).ok())?,
            made_at: instant(row.made_at),
            due_at: instant(row.due_at),
            ended_at: row.ended_at.map(instant),
            tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
        })
    }
}

/// Which run of a fax it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaxTry<'a> {
    /// The fax.
    pub fax: i64,
    /// Names the try; nobody else has it.
    pub holder: &'a str,
}

/// What strangers' machines say has no zero in it: PostgreSQL takes none.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The operations on faxes.
#[derive(Clone, Copy, Debug)]
pub struct Faxes<'a>(pub(crate) &'a Db);

impl Faxes<'_> {
    /// Notes a fax that came; one that is noted already stays as it is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn received(&self, fax: &ReceivedFax) -> Result<(), StoreError> {
        let state = if fax.end.whole { FaxState::Received } else { FaxState::Failed };
        let (call, caller, callee) = (fax.call.to_string(), clean(&fax.caller), clean(&fax.callee));
        let (station, reason) = (clean(&fax.end.station), clean(&fax.end.reason));
        let args = [
            (&fax.name).into(),
            fax.brand.0.into(),
            fax.company.0.into(),
            state.word().into(),
            (&caller).into(),
            (&callee).into(),
            (&call).into(),
            (&station).into(),
            i64::from(fax.end.pages).into(),
            fax.end.t38.into(),
            (&reason).into(),
            i64::try_from(fax.bytes).unwrap_or(i64::MAX).into(),
            micros(fax.made_at).into(),
            micros(fax.ended_at).into(),
        ];
        let mut tx = self.0.begin().await?;
        tx.run(RECEIVED, &args).await?;
        self.0.commit(tx).await
    }

    /// Takes a fax to be sent into the queue; of one company at most so many wait.
    ///
    /// # Errors
    /// The number is none of the company's, as many wait as may, or the database failed.
    pub async fn queue(&self, ctx: &OpContext, new: &NewFax, waiting_max: u32) -> Result<Fax, StoreError> {
        let foreign = || StoreError::Invalid { what: "from", why: "it is no public number of the company".to_owned() };
        check::e164(&new.from).map_err(|_| foreign())?;
        let args = args![
            ctx,
            &new.name,
            new.company.0,
            &new.from,
            &new.to,
            i64::from(new.pages),
            i64::try_from(new.bytes).unwrap_or(i64::MAX),
            micros(new.made_at),
            i64::from(waiting_max),
        ];
        match self.0.write_one::<FaxRow>(QUEUE, args).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => {
                let waiting = self.0.one::<(i64,)>(WAITING, args![ctx, new.company.0]).await?;
                let full = waiting.is_some_and(|(waiting,)| waiting >= i64::from(waiting_max));
                let why = format!("{waiting_max} faxes of it wait already");
                Err(if full { StoreError::Invalid { what: "company", why } } else { foreign() })
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the fax whose turn it is; of one company at most so many are under way.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim(
        &self,
        holder: &str,
        (now, lease): (Instant, Duration),
        of_company: u32,
    ) -> Result<Option<Fax>, StoreError> {
        let args = [holder.into(), micros(now).into(), micros(now + lease).into(), i64::from(of_company).into()];
        let mut tx = self.0.begin().await?;
        let row = tx.one::<FaxRow>(CLAIM, &args).await?;
        tx.commit().await?;
        row.map(Fax::try_from).transpose()
    }

    /// The try goes on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the fax is another try's.
    pub async fn renew(&self, of: FaxTry<'_>, until: Instant) -> Result<(), StoreError> {
        self.of_try(RENEW, &[of.fax.into(), of.holder.into(), micros(until).into()]).await
    }

    /// The try has a call.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the fax is another try's.
    pub async fn called(&self, of: FaxTry<'_>, call: CallId) -> Result<(), StoreError> {
        let call = call.to_string();
        self.of_try(CALLED, &[of.fax.into(), of.holder.into(), (&call).into()]).await
    }

    /// It was sent, or never will be.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the fax is another try's.
    pub async fn ended(&self, of: FaxTry<'_>, now: Instant, end: &FaxEnd) -> Result<(), StoreError> {
        let state = if end.whole { FaxState::Sent } else { FaxState::Failed };
        let (station, reason) = (clean(&end.station), clean(&end.reason));
        let args = [
            of.fax.into(),
            of.holder.into(),
            state.word().into(),
            micros(now).into(),
            (&station).into(),
            i64::from(end.pages).into(),
            end.t38.into(),
            (&reason).into(),
        ];
        self.of_try(ENDED, &args).await
    }

    /// It was not sent: again at `due`. A try that was none does not count.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the fax is another try's.
    pub async fn later(&self, of: FaxTry<'_>, due: Instant, end: &FaxEnd, counts: bool) -> Result<(), StoreError> {
        let (station, reason) = (clean(&end.station), clean(&end.reason));
        let args = [
            of.fax.into(),
            of.holder.into(),
            micros(due).into(),
            (&station).into(),
            i64::from(end.pages).into(),
            end.t38.into(),
            (&reason).into(),
            i64::from(!counts).into(),
        ];
        self.of_try(LATER, &args).await
    }

    async fn of_try(&self, s: crate::Statement, args: &[crate::sql::Arg<'_>]) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.one::<(i64,)>(s, args).await?.ok_or(StoreError::NotFound { what: "fax" })?;
        tx.commit().await
    }

    /// One fax.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: i64) -> Result<Fax, StoreError> {
        let row = self.0.one::<FaxRow>(GET, args![ctx, id]).await?;
        row.ok_or(StoreError::NotFound { what: "fax" })?.try_into()
    }

    /// A page of the faxes in scope, the newest first if no order is asked for, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Fax>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: FaxRow| row.try_into()).await
    }

    /// Forgets a fax; one that waits is not sent. Its files may go when it is forgotten.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; it is being sent.
    pub async fn delete(&self, ctx: &OpContext, id: i64) -> Result<(), StoreError> {
        let there = self.get(ctx, id).await?;
        match self.0.write(DELETE, args![ctx, id]).await {
            Err(StoreError::NotFound { .. }) => {
                Err(StoreError::Invalid { what: "state", why: format!("the fax is {}", there.state.word()) })
            }
            other => other,
        }
    }

    /// Some of a company's that were over before this.
    ///
    /// # Errors
    /// The database failed.
    pub async fn older(&self, company: CompanyId, than: Instant, most: u32) -> Result<Vec<Fax>, StoreError> {
        let args = [company.0.into(), micros(than).into(), i64::from(most).into()];
        translated(self.0.all::<FaxRow>(OLDER, &args).await?)
    }

    /// Some of a company's that are over, and more than the newest ones of so many bytes together.
    ///
    /// # Errors
    /// The database failed.
    pub async fn surplus(&self, company: CompanyId, bytes: u64, most: u32) -> Result<Vec<Fax>, StoreError> {
        let args = [company.0.into(), i64::try_from(bytes).unwrap_or(i64::MAX).into(), i64::from(most).into()];
        translated(self.0.all::<FaxRow>(SURPLUS, &args).await?)
    }

    /// Some whose company is gone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn orphans(&self, most: u32) -> Result<Vec<Fax>, StoreError> {
        translated(self.0.all::<FaxRow>(ORPHANS, &[i64::from(most).into()]).await?)
    }
}
