//! Recordings: one row for each that is kept, named as its file is. The files are the node's; see `shell::recordings`.

use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Arg, Statement, args, in_scope, instant, micros, statements, stored, translated};
use crate::{Db, OpContext, Page, StoreError};
use model::{
    BrandId, CallId, Channels, CompanyId, Instant, RecordedBy, RecordingFormat, RecordingPlace, RecordingStart,
};

macro_rules! columns {
    () => {
        "id, name, brand_id, company_id, call_id, leg, wanted_by, channels, started_at, length_ms, bytes, sha256,
         format, becomes, place"
    };
}

statements! { "recording";
    ADD = "INSERT INTO recordings (name, brand_id, company_id, call_id, leg, wanted_by, channels, started_at, length_ms,
        bytes, sha256, becomes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (name) DO NOTHING";
    GET = concat!("SELECT ", columns!(), " FROM recordings WHERE id = $3 AND ", in_scope!());
    BY_NAME = concat!("SELECT ", columns!(), " FROM recordings WHERE name = $1");
    // Only as it was seen: where it has moved meanwhile, its sound is somewhere else too.
    DELETE = concat!("DELETE FROM recordings WHERE id = $3 AND format = $4 AND place = $5 AND ", in_scope!());
    TO_ENCODE = concat!("SELECT ", columns!(), " FROM recordings WHERE becomes <> format AND id > $1
        ORDER BY id LIMIT $2");
    ENCODED = "UPDATE recordings SET format = becomes, bytes = $2, sha256 = $3 WHERE id = $1 AND becomes <> format";
    LEFT_AS_IT_IS = "UPDATE recordings SET becomes = format WHERE id = $1";
    TO_UPLOAD = concat!("SELECT ", columns!(), " FROM recordings WHERE place = 'node' AND becomes = format AND id > $1
        ORDER BY id LIMIT $2");
    UPLOADED = "UPDATE recordings SET place = 'bucket' WHERE id = $1 AND place = 'node' AND sha256 = $2";
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
    format: String,
    becomes: String,
    place: String,
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
    /// What its file is.
    pub format: RecordingFormat,
    /// What it is to be: another format while it waits to be encoded.
    pub becomes: RecordingFormat,
    /// Where its file is.
    pub place: RecordingPlace,
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
            format: stored("recording's format", RecordingFormat::from_word(&row.format))?,
            becomes: stored("recording's format", RecordingFormat::from_word(&row.becomes))?,
            place: stored("recording's place", RecordingPlace::from_word(&row.place))?,
        })
    }
}

/// What is known of a file that is to be kept: WAV, as it was taken up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedFile {
    /// How long it is, in milliseconds.
    pub length_ms: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// What its company wants it to be.
    pub becomes: RecordingFormat,
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
            file.becomes.word().into(),
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

    /// The recording of this name, whosever.
    ///
    /// # Errors
    /// The database failed.
    pub async fn named(&self, name: &str) -> Result<Option<Recording>, StoreError> {
        self.0.one::<RecordingRow>(BY_NAME, &[name.into()]).await?.map(Recording::try_from).transpose()
    }

    /// Forgets a recording, whose file is to be gone already, as long as it is as it was seen.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: it is gone, or was encoded or uploaded meanwhile.
    pub async fn delete(&self, ctx: &OpContext, seen: &Recording) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, seen.id, seen.format.word(), seen.place.word()]).await
    }

    /// Some that are to be encoded, behind this row.
    ///
    /// # Errors
    /// The database failed.
    pub async fn to_encode(&self, after: i64, most: u32) -> Result<Vec<Recording>, StoreError> {
        translated(self.0.all::<RecordingRow>(TO_ENCODE, &[after.into(), i64::from(most).into()]).await?)
    }

    /// Notes that a recording is what it is to be, in a file of this size and sum; whether it was still waiting for that.
    ///
    /// # Errors
    /// The database failed.
    pub async fn encoded(&self, id: i64, (bytes, sha256): (u64, &str)) -> Result<bool, StoreError> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.changed(ENCODED, &[id.into(), bytes.into(), sha256.into()]).await
    }

    /// Notes that a recording cannot be encoded and stays what it is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn left_as_it_is(&self, id: i64) -> Result<bool, StoreError> {
        self.changed(LEFT_AS_IT_IS, &[id.into()]).await
    }

    /// Some that are at their node and wait for nothing but the bucket, behind this row.
    ///
    /// # Errors
    /// The database failed.
    pub async fn to_upload(&self, after: i64, most: u32) -> Result<Vec<Recording>, StoreError> {
        translated(self.0.all::<RecordingRow>(TO_UPLOAD, &[after.into(), i64::from(most).into()]).await?)
    }

    /// Notes that the file of this sum is in the bucket; whether the recording was still waiting for that.
    ///
    /// # Errors
    /// The database failed.
    pub async fn uploaded(&self, id: i64, sha256: &str) -> Result<bool, StoreError> {
        self.changed(UPLOADED, &[id.into(), sha256.into()]).await
    }

    async fn changed(&self, what: Statement, args: &[Arg<'_>]) -> Result<bool, StoreError> {
        let mut tx = self.0.begin().await?;
        let rows = tx.run(what, args).await?;
        self.0.commit(tx).await?;
        Ok(rows > 0)
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
