//! DDIs: the public numbers of a company, in E.164 form.

use super::rules::{self, User};
use super::targets::{TargetColumns, TargetRow, target_columns};
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{args, in_scope, statements, stored};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{CompanyId, Ddi, DdiId, DdiRecording, RouteTarget, RuleKind, Used};

macro_rules! columns {
    () => {
        concat!("id, company_id, e164, extension, call_filter, record, ", target_columns!())
    };
}

statements! { "ddi";
    CREATE = concat!("INSERT INTO ddis (brand_id, company_id, e164, extension, ", target_columns!(), ")
        SELECT brand_id, id, $4, CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT),
        CAST($9 AS TEXT), CAST($10 AS TEXT), CAST($11 AS TEXT), CAST($12 AS TEXT), CAST($13 AS TEXT) FROM companies
        WHERE id = $3 AND ", in_scope!("brand_id", "id"),
        " RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM ddis WHERE id = $3 AND ", in_scope!());
    FIND = concat!("SELECT ", columns!(), " FROM ddis WHERE company_id = $3 AND e164 = $4 AND ", in_scope!());
    UPDATE = concat!("UPDATE ddis SET e164 = $4, extension = $5, account = $6, app = $7, voicemail = $8, rule_kind = $9,
        rule_name = $10, queue = $11, conference = $12, public_number = $13, call_filter = $14, record = $15 WHERE id = $3 AND ", in_scope!(),
        " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM ddis WHERE id = $3 AND ", in_scope!());
}

pub(crate) static LISTING: Listing = Listing {
    what: "ddi",
    columns: columns!(),
    from: "ddis",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[Column::number("id", "id"), Column::text("e164", "e164"), Column::number("company", "company_id")],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("e164", "e164", Test::BeginsNumber, "That begin with these digits, with the `+` or without."),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct DdiRow {
    id: i64,
    company_id: i64,
    e164: String,
    #[sqlx(flatten)]
    target: TargetRow,
    call_filter: Option<String>,
    record: String,
}

impl TryFrom<DdiRow> for Ddi {
    type Error = StoreError;
    fn try_from(row: DdiRow) -> Result<Ddi, StoreError> {
        Ok(Ddi {
            id: DdiId(row.id),
            company: CompanyId(row.company_id),
            e164: row.e164,
            target: row.target.try_into()?,
            call_filter: row.call_filter,
            record: stored("choice of calls to record", DdiRecording::from_word(&row.record))?,
        })
    }
}

/// A DDI to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDdi {
    /// Its company.
    pub company: CompanyId,
    /// `+` and digits, unique on the platform.
    pub e164: String,
    /// Where it leads.
    pub target: RouteTarget,
}

/// The operations on DDIs.
#[derive(Clone, Copy, Debug)]
pub struct Ddis<'a>(pub(crate) &'a Db);

impl Ddis<'_> {
    /// Makes a DDI.
    ///
    /// # Errors
    /// The company is not in scope; the number is taken or breaks a rule; what it leads to does not exist.
    pub async fn create(&self, ctx: &OpContext, new: NewDdi) -> Result<Ddi, StoreError> {
        check::e164(&new.e164)?;
        rules::fits_kind(self.0, ctx, new.company, &new.target).await?;
        let to = TargetColumns::of(&new.target)?;
        let args = args![
            ctx,
            new.company.0,
            &new.e164,
            to.extension,
            to.account,
            to.app,
            to.voicemail,
            to.rule_kind,
            to.rule_name,
            to.queue,
            to.conference,
            to.public_number
        ];
        match self.0.write_one::<DdiRow>(CREATE, args).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "company" }),
            Err(other) => Err(other),
        }
    }

    /// One DDI.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: DdiId) -> Result<Ddi, StoreError> {
        let row = self.0.one::<DdiRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "ddi" })?.try_into()
    }

    /// One DDI of a company by number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn find(&self, ctx: &OpContext, company: CompanyId, e164: &str) -> Result<Ddi, StoreError> {
        let row = self.0.one::<DdiRow>(FIND, args![ctx, company.0, e164]).await?;
        row.ok_or(StoreError::NotFound { what: "ddi" })?.try_into()
    }

    /// A page of the DDIs in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Ddi>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: DdiRow| row.try_into()).await
    }

    /// The DDIs in scope, of one company if named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, company: Option<CompanyId>, page: Page) -> Result<Vec<Ddi>, StoreError> {
        let wanted = Wanted::page(&LISTING, page).only_some("company", company.map(|c| c.0));
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes the number, where it leads, its call filter and which of its calls are recorded.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the number is taken or breaks a rule; what it leads to or its call filter does not exist.
    pub async fn update(&self, ctx: &OpContext, ddi: &Ddi) -> Result<Ddi, StoreError> {
        check::e164(&ddi.e164)?;
        rules::fits_kind(self.0, ctx, ddi.company, &ddi.target).await?;
        let to = TargetColumns::of(&ddi.target)?;
        let filter = ddi.call_filter.as_deref();
        let args = args![
            ctx,
            ddi.id.0,
            &ddi.e164,
            to.extension,
            to.account,
            to.app,
            to.voicemail,
            to.rule_kind,
            to.rule_name,
            to.queue,
            to.conference,
            to.public_number,
            filter,
            ddi.record.word()
        ];
        let mut tx = self.0.begin().await?;
        let row = tx.one::<DdiRow>(UPDATE, args).await?.ok_or(StoreError::NotFound { what: "ddi" })?;
        let uses = filter.map(|name| Used::Rule(RuleKind::CallFilter, name)).into_iter().collect();
        rules::note_uses(&mut tx, ctx, (CompanyId(row.company_id), User::Ddi(row.id)), uses).await?;
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// Removes a DDI.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete(&self, ctx: &OpContext, id: DdiId) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}
