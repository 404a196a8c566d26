//! Archives: files of CDRs and explanations that were old enough to leave the database. The files are the node's; a row
//! says what is in one. Rows leave their table in the transaction in which their archive gets its row, and only if what is
//! there is still what was written: none is lost between the two, and none is in both.

use super::cdrs::{CdrRow, cdr_columns, charged};
use super::explanations::ExplainedRow;
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Arg, args, instant, micros, statements, stored, translated};
use crate::{Db, OpContext, StoreError};
use model::{BrandId, Cdr, Explained, Instant};

macro_rules! columns {
    () => {
        "id, name, kind, brand_id, row_count, first_at, last_at, made_at, bytes, sha256"
    };
}
// A leg that waits for its price stays.
macro_rules! settled {
    () => {
        "NOT EXISTS (SELECT 1 FROM settlements s WHERE s.call_id = c.call_id AND s.leg = c.leg AND s.done = FALSE)"
    };
}

statements! { "archive";
    OLDEST_CDR = concat!("SELECT brand_id, started_at FROM cdrs c WHERE started_at < $1 AND ", settled!(),
        " ORDER BY started_at, call_id, leg LIMIT 1");
    OLD_CDRS = concat!("SELECT ", charged!(), " FROM cdrs c WHERE brand_id = $1 AND started_at >= $2 AND started_at < $3
        AND ", settled!(), " ORDER BY started_at, call_id, leg LIMIT $4");
    REMOVE_CDRS = concat!("DELETE FROM cdrs AS c WHERE brand_id = $1 AND (started_at, call_id, leg) >= ($2, $3, $4)
        AND (started_at, call_id, leg) <= ($5, $6, $7) AND ", settled!());
    OLDEST_EXPLANATION = "SELECT brand_id, at FROM call_explanations WHERE at < $1 ORDER BY at, call_id, step LIMIT 1";
    OLD_EXPLANATIONS = "SELECT call_id, company_id, at, asked, callee, decision, hooks, step FROM call_explanations
        WHERE at >= $2 AND at < $3 AND brand_id = $1 ORDER BY at, call_id, step LIMIT $4";
    REMOVE_EXPLANATIONS = "DELETE FROM call_explanations WHERE brand_id = $1 AND (at, call_id, step) >= ($2, $3, $4)
        AND (at, call_id, step) <= ($5, $6, $7)";
    ADD = concat!("INSERT INTO archives (name, kind, brand_id, row_count, first_at, last_at, made_at, bytes, sha256)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM archives WHERE id = $3
        AND (CAST($1 AS BIGINT) IS NULL OR brand_id = $1) AND CAST($2 AS BIGINT) IS NULL");
    NAMES = "SELECT name FROM archives WHERE brand_id = $1";
    DELETE = "DELETE FROM archives WHERE id = $3 AND (CAST($1 AS BIGINT) IS NULL OR brand_id = $1)
        AND CAST($2 AS BIGINT) IS NULL";
}

/// The words of the kinds.
fn kinds() -> Vec<&'static str> {
    ArchiveKind::ALL.into_iter().map(ArchiveKind::word).collect()
}

pub(crate) static LISTING: Listing = Listing {
    what: "archive",
    columns: columns!(),
    from: "archives",
    owner: Owner::Brand("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "-first_at",
    by: &[
        Column::number("id", "id"),
        Column::number("first_at", "first_at"),
        Column::number("made_at", "made_at"),
        Column::number("bytes", "bytes"),
        Column::number("brand", "brand_id"),
    ],
    filters: &[
        Filter::brand("brand_id"),
        Filter::new("kind", "kind", Test::Word(kinds), "Of these records."),
        Filter::new("from", "last_at", Test::From, "With records of then or later, RFC 3339 or a date."),
        Filter::new("until", "first_at", Test::Until, "With records of before then, RFC 3339 or a date."),
    ],
};

/// What is archived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveKind {
    /// CDRs, by when their leg began.
    Cdrs,
    /// Explanations, by when the question was asked.
    Explanations,
}

impl ArchiveKind {
    /// Both.
    pub const ALL: [ArchiveKind; 2] = [ArchiveKind::Cdrs, ArchiveKind::Explanations];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            ArchiveKind::Cdrs => "cdrs",
            ArchiveKind::Explanations => "explanations",
        }
    }

    fn from_word(word: &str) -> Option<ArchiveKind> {
        ArchiveKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A file of records that left the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Archive {
    /// The row.
    pub id: i64,
    /// Its name, and its file's.
    pub name: String,
    /// Of what.
    pub kind: ArchiveKind,
    /// Whose records.
    pub brand: BrandId,
    /// How many.
    pub rows: u64,
    /// When the first of them began.
    pub first_at: Instant,
    /// When the last of them began.
    pub last_at: Instant,
    /// When they left the database.
    pub made_at: Instant,
    /// How large the file is.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

#[derive(sqlx::FromRow)]
struct ArchiveRow {
    id: i64,
    name: String,
    kind: String,
    brand_id: i64,
    row_count: i64,
    first_at: i64,
    last_at: i64,
    made_at: i64,
    bytes: i64,
    sha256: String,
}

impl TryFrom<ArchiveRow> for Archive {
    type Error = StoreError;
    fn try_from(row: ArchiveRow) -> Result<Archive, StoreError> {
        Ok(Archive {
            id: row.id,
            name: row.name,
            kind: stored("archive's kind", ArchiveKind::from_word(&row.kind))?,
            brand: BrandId(row.brand_id),
            rows: stored("archive's rows", u64::try_from(row.row_count).ok())?,
            first_at: instant(row.first_at),
            last_at: instant(row.last_at),
            made_at: instant(row.made_at),
            bytes: stored("archive's size", u64::try_from(row.bytes).ok())?,
            sha256: row.sha256,
        })
    }
}

/// What is known of a file that is to be an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchiveFile {
    /// Its name, without folder and ending.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
}

/// Records of one brand that may leave, in the order of their keys.
#[derive(Clone, PartialEq, Debug)]
pub enum Leaving {
    /// CDRs.
    Cdrs(Vec<Cdr>),
    /// Explanations, each with its number within its call.
    Explanations(Vec<(i64, Explained)>),
}

/// What orders a record: its time, its call and its number within that.
type Key = (i64, String, i64);

impl Leaving {
    /// Of what.
    #[must_use]
    pub const fn kind(&self) -> ArchiveKind {
        match self {
            Leaving::Cdrs(_) => ArchiveKind::Cdrs,
            Leaving::Explanations(_) => ArchiveKind::Explanations,
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Leaving::Cdrs(all) => all.len(),
            Leaving::Explanations(all) => all.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the first began, and its call.
    #[must_use]
    pub fn first(&self) -> Option<(Instant, String)> {
        self.keys().map(|((at, call, _), _)| (instant(at), call))
    }

    /// The first key and the last.
    fn keys(&self) -> Option<(Key, Key)> {
        let of_cdr = |cdr: &Cdr| (micros(cdr.started_at), cdr.call.to_string(), i64::from(cdr.leg));
        let of_why = |(step, why): &(i64, Explained)| (micros(why.at), why.call.to_string(), *step);
        match self {
            Leaving::Cdrs(all) => Some((all.first().map(of_cdr)?, all.last().map(of_cdr)?)),
            Leaving::Explanations(all) => Some((all.first().map(of_why)?, all.last().map(of_why)?)),
        }
    }
}

#[derive(sqlx::FromRow)]
struct NumberedRow {
    step: i64,
    #[sqlx(flatten)]
    why: ExplainedRow,
}

/// The operations on archives.
#[derive(Clone, Copy, Debug)]
pub struct Archives<'a>(pub(crate) &'a Db);

impl Archives<'_> {
    /// Of which brand the oldest record is that may leave, and when it began; none where none began before that.
    ///
    /// # Errors
    /// The database failed.
    pub async fn oldest(&self, kind: ArchiveKind, before: Instant) -> Result<Option<(BrandId, Instant)>, StoreError> {
        let text = match kind {
            ArchiveKind::Cdrs => OLDEST_CDR,
            ArchiveKind::Explanations => OLDEST_EXPLANATION,
        };
        let row = self.0.one::<(i64, i64)>(text, &[micros(before).into()]).await?;
        Ok(row.map(|(brand, at)| (BrandId(brand), instant(at))))
    }

    /// The first so many records of a brand that began in this time and may leave.
    ///
    /// # Errors
    /// The database failed, or a row cannot be read.
    pub async fn leaving(
        &self,
        kind: ArchiveKind,
        brand: BrandId,
        (from, until): (Instant, Instant),
        most: u32,
    ) -> Result<Leaving, StoreError> {
        let args = [brand.0.into(), micros(from).into(), micros(until).into(), i64::from(most).into()];
        Ok(match kind {
            ArchiveKind::Cdrs => Leaving::Cdrs(translated(self.0.all::<CdrRow>(OLD_CDRS, &args).await?)?),
            ArchiveKind::Explanations => {
                let rows = self.0.all::<NumberedRow>(OLD_EXPLANATIONS, &args).await?;
                let numbered = rows.into_iter().map(|row| Ok((row.step, row.why.try_into()?)));
                Leaving::Explanations(numbered.collect::<Result<_, StoreError>>()?)
            }
        })
    }

    /// They are written and leave the database; none where others have come between them or some are gone: then nothing was
    /// done, and they are to be read anew.
    ///
    /// # Errors
    /// The database failed; nothing was done.
    pub async fn keep(
        &self,
        brand: BrandId,
        leaving: &Leaving,
        file: &ArchiveFile,
        now: Instant,
    ) -> Result<Option<Archive>, StoreError> {
        let Some((first, last)) = leaving.keys() else { return Ok(None) };
        let text = match leaving.kind() {
            ArchiveKind::Cdrs => REMOVE_CDRS,
            ArchiveKind::Explanations => REMOVE_EXPLANATIONS,
        };
        let range: [Arg<'_>; 7] = [
            brand.0.into(),
            first.0.into(),
            (&first.1).into(),
            first.2.into(),
            last.0.into(),
            (&last.1).into(),
            last.2.into(),
        ];
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut tx = self.0.begin().await?;
        let gone = tx.run(text, &range).await?;
        if usize::try_from(gone).ok() != Some(leaving.len()) {
            return Ok(None);
        }
        let args = [
            (&file.name).into(),
            leaving.kind().word().into(),
            brand.0.into(),
            whole(gone).into(),
            first.0.into(),
            last.0.into(),
            micros(now).into(),
            whole(file.bytes).into(),
            (&file.sha256).into(),
        ];
        let row = tx.one::<ArchiveRow>(ADD, &args).await?.ok_or(StoreError::NotFound { what: "archive" })?;
        tx.commit().await?;
        Ok(Some(row.try_into()?))
    }

    /// The names of a brand's archives: every other file of its folder is nobody's.
    ///
    /// # Errors
    /// The database failed.
    pub async fn names(&self, brand: BrandId) -> Result<Vec<String>, StoreError> {
        Ok(self.0.all::<(String,)>(NAMES, &[brand.0.into()]).await?.into_iter().map(|(name,)| name).collect())
    }

    /// A page of the archives in scope, as it is wanted; a company sees none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Archive>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: ArchiveRow| row.try_into()).await
    }

    /// One archive.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: i64) -> Result<Archive, StoreError> {
        let row = self.0.one::<ArchiveRow>(GET, args![ctx, id]).await?;
        row.ok_or(StoreError::NotFound { what: "archive" })?.try_into()
    }

    /// Forgets an archive; its file is to be gone already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete(&self, ctx: &OpContext, id: i64) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id]).await
    }
}
