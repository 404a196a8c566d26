//! Extensions: the short numbers of a company.

use super::targets::{TargetColumns, target};
use crate::sql::{args, in_scope, statements, translated};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{CompanyId, Extension, ExtensionId, RouteTarget};

macro_rules! columns {
    () => {
        "id, company_id, number, account, app"
    };
}

statements! { "extension";
    CREATE = concat!("INSERT INTO extensions (brand_id, company_id, number, account, app)
        SELECT brand_id, id, $4, $5, $6 FROM companies WHERE id = $3 AND ", in_scope!("brand_id", "id"),
        " RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM extensions WHERE id = $3 AND ", in_scope!());
    LIST = concat!("SELECT ", columns!(), " FROM extensions WHERE id > $3 AND ", in_scope!(),
        " AND (CAST($5 AS BIGINT) IS NULL OR company_id = $5) ORDER BY id LIMIT $4");
    UPDATE = concat!("UPDATE extensions SET number = $4, account = $5, app = $6 WHERE id = $3 AND ", in_scope!(),
        " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM extensions WHERE id = $3 AND ", in_scope!());
}

#[derive(sqlx::FromRow)]
pub(crate) struct ExtensionRow {
    id: i64,
    company_id: i64,
    number: String,
    account: Option<String>,
    app: Option<String>,
}

impl TryFrom<ExtensionRow> for Extension {
    type Error = StoreError;
    fn try_from(row: ExtensionRow) -> Result<Extension, StoreError> {
        Ok(Extension {
            id: ExtensionId(row.id),
            company: CompanyId(row.company_id),
            number: row.number,
            target: target(row.account, row.app, None)?,
        })
    }
}

fn rules<'a>(number: &str, to: &'a RouteTarget) -> Result<TargetColumns<'a>, StoreError> {
    check::extension_number(number)?;
    if let RouteTarget::Extension(_) = to {
        let why = "an extension leads to an account or an app, not to another extension".to_owned();
        return Err(StoreError::Invalid { what: "extension", why });
    }
    Ok(TargetColumns::from(to))
}

/// An extension to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewExtension {
    /// Its company.
    pub company: CompanyId,
    /// The digits dialled, unique within the company.
    pub number: String,
    /// An account of the company, or an app.
    pub target: RouteTarget,
}

/// The operations on extensions.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a>(pub(crate) &'a Db);

impl Extensions<'_> {
    /// Makes an extension.
    ///
    /// # Errors
    /// The company is not in scope; the number is taken or breaks a rule; the account does not exist.
    pub async fn create(&self, ctx: &OpContext, new: NewExtension) -> Result<Extension, StoreError> {
        let to = rules(&new.number, &new.target)?;
        match self.0.write_one::<ExtensionRow>(CREATE, args![ctx, new.company.0, &new.number, to.account, to.app]).await
        {
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
        let args = args![ctx, page.after, page.limit(), company.map(|c| c.0)];
        translated(self.0.all::<ExtensionRow>(LIST, args).await?)
    }

    /// Changes the number and where it leads.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the number is taken or breaks a rule; the account does not exist.
    pub async fn update(&self, ctx: &OpContext, extension: &Extension) -> Result<Extension, StoreError> {
        let to = rules(&extension.number, &extension.target)?;
        let args = args![ctx, extension.id.0, &extension.number, to.account, to.app];
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
