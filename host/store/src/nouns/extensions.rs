//! Extensions: the short numbers of a company.

use super::targets::{TargetColumns, TargetRow, target_columns};
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{args, in_scope, statements};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{CompanyId, Extension, ExtensionId, RouteTarget};

macro_rules! columns {
    () => {
        concat!("id, company_id, number, ", target_columns!())
    };
}

macro_rules! columns_of {
    ($to:expr; $($first:expr),*) => {
        args![
            $($first,)*
            $to.account,
            $to.app,
            $to.voicemail,
            $to.rule_kind,
            $to.rule_name,
            $to.queue,
            $to.conference,
            $to.public_number
        ]
    };
}

statements! { "extension";
    CREATE = concat!("INSERT INTO extensions (brand_id, company_id, number, ", target_columns!(), ")
        SELECT brand_id, id, $4, CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT),
        CAST($9 AS TEXT), CAST($10 AS TEXT), CAST($11 AS TEXT), CAST($12 AS TEXT) FROM companies WHERE id = $3 AND ", in_scope!("brand_id", "id"),
        " RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM extensions WHERE id = $3 AND ", in_scope!());
    FIND = concat!("SELECT ", columns!(), " FROM extensions WHERE company_id = $3 AND number = $4 AND ", in_scope!());
    UPDATE = concat!("UPDATE extensions SET number = $4, account = $5, app = $6, voicemail = $7, rule_kind = $8,
        rule_name = $9, queue = $10, conference = $11, public_number = $12 WHERE id = $3 AND ", in_scope!(),
        " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM extensions WHERE id = $3 AND ", in_scope!());
}

pub(crate) static LISTING: Listing = Listing {
    what: "extension",
    columns: columns!(),
    from: "extensions",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[Column::number("id", "id"), Column::text("number", "number"), Column::number("company", "company_id")],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("number", "number", Test::Begins, "That begin with this."),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct ExtensionRow {
    id: i64,
    company_id: i64,
    number: String,
    #[sqlx(flatten)]
    target: TargetRow,
}

impl TryFrom<ExtensionRow> for Extension {
    type Error = StoreError;
    fn try_from(row: ExtensionRow) -> Result<Extension, StoreError> {
        Ok(Extension {
            id: ExtensionId(row.id),
            company: CompanyId(row.company_id),
            number: row.number,
            target: row.target.try_into()?,
        })
    }
}

fn rules<'a>(number: &str, to: &'a RouteTarget) -> Result<TargetColumns<'a>, StoreError> {
    check::extension_number(number)?;
    if let RouteTarget::Extension(_) = to {
        let why = "an extension does not lead to another extension".to_owned();
        return Err(StoreError::Invalid { what: "extension", why });
    }
    TargetColumns::of(to)
}

/// An extension to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewExtension {
    /// Its company.
    pub company: CompanyId,
    /// The digits dialled, unique within the company.
    pub number: String,
    /// Anything but another extension.
    pub target: RouteTarget,
}

/// The operations on extensions.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a>(pub(crate) &'a Db);

impl Extensions<'_> {
    /// Makes an extension.
    ///
    /// # Errors
    /// The company is not in scope; the number is taken or breaks a rule; what it leads to does not exist.
    pub async fn create(&self, ctx: &OpContext, new: NewExtension) -> Result<Extension, StoreError> {
        let to = rules(&new.number, &new.target)?;
        super::rules::is_pbx(self.0, ctx, new.company, "extension").await?;
        let args = columns_of!(&to; ctx, new.company.0, &new.number);
        match self.0.write_one::<ExtensionRow>(CREATE, args).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "company" }),
            Err(other) => Err(other),
        }
    }

    /// One extension.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: ExtensionId) -> Result<Extension, StoreError> {
        let row = self.0.one::<ExtensionRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "extension" })?.try_into()
    }

    /// One extension of a company by number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn find(&self, ctx: &OpContext, company: CompanyId, number: &str) -> Result<Extension, StoreError> {
        let row = self.0.one::<ExtensionRow>(FIND, args![ctx, company.0, number]).await?;
        row.ok_or(StoreError::NotFound { what: "extension" })?.try_into()
    }

    /// A page of the extensions in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Extension>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: ExtensionRow| row.try_into()).await
    }

    /// The extensions in scope, of one company if named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(
        &self,
        ctx: &OpContext,
        company: Option<CompanyId>,
        page: Page,
    ) -> Result<Vec<Extension>, StoreError> {
        let wanted = Wanted::page(&LISTING, page).only_some("company", company.map(|c| c.0));
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes the number and where it leads.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the number is taken or breaks a rule; what it leads to does not exist.
    pub async fn update(&self, ctx: &OpContext, extension: &Extension) -> Result<Extension, StoreError> {
        let to = rules(&extension.number, &extension.target)?;
        let args = columns_of!(&to; ctx, extension.id.0, &extension.number);
        self.0.write_one::<ExtensionRow>(UPDATE, args).await?.try_into()
    }

    /// Removes an extension that no DDI leads to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`].
    pub async fn delete(&self, ctx: &OpContext, id: ExtensionId) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}
