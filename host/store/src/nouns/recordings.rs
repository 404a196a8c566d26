//! Recordings: one row for each that is kept, named as its file is. The files are the node's; see `shell::recordings`.

use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{args, in_scope, instant, micros, statements, stored, translated};
use crate::{Db, OpContext, Page, StoreError};
use model::{BrandId, CallId, Channels, CompanyId, Instant, RecordedBy, RecordingStart};

macro_rules! columns {
    () => {
        "id, name, brand_id, company_id, call_id, leg, wanted_by, channels, started_at, length_ms, bytes, sha256"
    };
}

statements! { "recording";
    ADD = "INSERT INTO recordings (name, brand_id, company_id, call_id, leg, wanted_by, channels, started_at, length_ms,
        bytes, sha256) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (name) DO NOTHING";
    GET = concat!("SELECT ", columns!(), " FROM recordings WHERE id = $3 AND ", in_scope!());
    DELETE = concat!("DELETE FROM recordings WHERE id = $3 AND ", in_scope!());
    OLDER = concat!("SELECT ", columns!(), " FROM recordings WHERE company_id = $1 AND started_at < $2
        ORDER BY started_at LIMIT $3");
    SURPLUS = concat!("SELECT ", columns!(), " FROM (SELECT ", columns!(), ",
        SUM(bytes) OVER (ORDER BY started_at DESC, id DESC) AS so_far FROM recordings WHERE company_id = $1) AS kept
        WHERE so_far > $2 ORDER BY started_at LIMIT $3");
    ORPHANS = concat!("SELECT ", columns!(), " FROM recordings
        WHERE NOT EXISTS (SELECT 1 FROM companies WHERE companies.id = recordings.company_id) ORDER BY id LIMIT $1");
}

pub(crate) static LISTING: Listing = Listing {
    what: "recording",
    columns: columns!(),
    from: "recordings",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::number("started_at", "started_at"),
        Column::number("length_ms", "length_ms"),
        Column::number("bytes", "bytes"),
        Column::number("company", "company_id"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("call", "call_id", Test::Call, "Of this call."),
        Filter::new("from", "started_at", Test::From, "Begun at or after, RFC 3339 or a date."),
        Filter::new("until", "started_at", Test::Until, "Begun before, RFC 3339 or a date."),
    ],
};

#[derive(sqlx::FromRow)]
struct RecordingRow {
    id: i64,
    name: String,
    brand_id: i64,
    company_id: i64,
    call_id: String,
    leg: i64,
    wanted_by: String,
    channels: String,
    started_at: i64,
    length_ms: i64,
    bytes: i64,
    sha256: String,
}

/// A recording that is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The row.
    pub id: i64,
    /// Its name, and its file's.
    pub name: String,
    /// Whose.
    pub brand: BrandId,
    /// Whose.
    pub company: CompanyId,
    /// Of which call.
    pub call: CallId,
    /// Of which leg of it.
    pub leg: u16,
    /// Who wanted it.
    pub by: RecordedBy,
    /// What of the leg.
    pub channels: Channels,
    /// When it began.
    pub started_at: Instant,
    /// How long it is, in milliseconds.
    pub length_ms: u64,
    /// How large its file is.
    pub bytes: u64,
    /// SHA-256 of its file, in hex.
    pub sha256: String,
}

impl TryFrom<RecordingRow> for Recording {
    type Error = StoreError;
    fn try_from(row: RecordingRow) -> Result<Recording, StoreError> {
        let by =
            [RecordedBy::App, RecordedBy::Number, RecordedBy::Hand].into_iter().find(|b| b.word() == row.wanted_by);
        Ok(Recording {
            id: row.id,
            name: row.name,
            brand: BrandId(row.brand_id),
            company: CompanyId(row.company_id),
            call: stored("recording's call", row.call_id.parse().ok())?,
            leg: stored("recording's leg", u16::try_from(row.leg).ok())?,
            by: stored("recording's origin", by)?,
            channels: stored("recording's channels", Channels::from_word(&row.channels))?,
            started_at: instant(row.started_at),
            length_ms: stored("recording's length", u64::try_from(row.length_ms).ok())?,
            bytes: stored("recording's size", u64::try_from(row.bytes).ok())?,
            sha256: row.sha256,
        })
    }
}

/// What is known of a file that is to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedFile {
    /// How long it is, in milliseconds.
    pub length_ms: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
}

/// The operations on recordings.
#[derive(Clone, Copy, Debug)]
pub struct Recordings<'a>(pub(crate) &'a Db);

impl Recordings<'_> {
    /// Notes a recording; one that is noted already stays as it is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add(&self, start: &RecordingStart, file: &RecordedFile) -> Result<(), StoreError> {
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let call = start.call.to_string();
        let args = [
            (&start.name).into(),
            start.brand.0.into(),
            start.company.0.into(),
            (&call).into(),
            i64::from(start.leg).into(),
            start.by.word().into(),
            start.channels.word().into(),
            micros(start.at).into(),
            whole(file.length_ms).into(),
            whole(file.bytes).into(),
            (&file.sha256).into(),
        ];
        let mut tx = self.0.begin().await?;
        tx.run(ADD, &args).await?;
        self.0.commit(tx).await
    }

    /// One recording.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: i64) -> Result<Recording, StoreError> {
        let row = self.0.one::<RecordingRow>(GET, args![ctx, id]).await?;
        row.ok_or(StoreError::NotFound { what: "recording" })?.try_into()
    }

    /// A page of the recordings in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Recording>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: RecordingRow| row.try_into()).await
    }

    /// The recordings in scope, of one company and of one call if named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(
        &self,
        ctx: &OpContext,
        (company, call): (Option<CompanyId>, Option<CallId>),
        page: Page,
    ) -> Result<Vec<Recording>, StoreError> {
        let of = Wanted::page(&LISTING, page).only_some("company", company.map(|c| c.0));
        Ok(self.found(ctx, &of.only_some("call", call.map(|call| call.to_string()))).await?.rows)
    }

    /// Forgets a recording; its file is to be gone already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete(&self, ctx: &OpContext, id: i64) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id]).await
    }

    /// Some of a company's that began before this.
    ///
    /// # Errors
    /// The database failed.
    pub async fn older(&self, company: CompanyId, than: Instant, most: u32) -> Result<Vec<Recording>, StoreError> {
        let args = [company.0.into(), micros(than).into(), i64::from(most).into()];
        translated(self.0.all::<RecordingRow>(OLDER, &args).await?)
    }

    /// Some of a company's that are more than the newest ones of so many bytes together.
    ///
    /// # Errors
    /// The database failed.
    pub async fn surplus(&self, company: CompanyId, bytes: u64, most: u32) -> Result<Vec<Recording>, StoreError> {
        let args = [company.0.into(), i64::try_from(bytes).unwrap_or(i64::MAX).into(), i64::from(most).into()];
        translated(self.0.all::<RecordingRow>(SURPLUS, &args).await?)
    }

    /// Some whose company is gone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn orphans(&self, most: u32) -> Result<Vec<Recording>, StoreError> {
        translated(self.0.all::<RecordingRow>(ORPHANS, &[i64::from(most).into()]).await?)
    }
}
