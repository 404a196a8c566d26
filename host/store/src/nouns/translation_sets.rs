//! Translation sets: how a brand's carriers write numbers.

use crate::listing::{Column, Filter, Found, Listing, Owner, Wanted};
use crate::sql::{args, statements, stored};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{BrandId, RuleList, TranslationLists, TranslationSet, TranslationSetId};

macro_rules! columns {
    () => {
        "id, brand_id, name, caller_in, caller_out, callee_in, callee_out"
    };
}

/// A brand's own: rows of a brand in scope; a company sees none.
macro_rules! brands_own {
    ($brand:literal) => {
        concat!("(CAST($1 AS BIGINT) IS NULL OR ", $brand, " = $1) AND CAST($2 AS BIGINT) IS NULL")
    };
}
pub(crate) use brands_own;

statements! { "translation set";
    CREATE = concat!("INSERT INTO translation_sets (brand_id, name, caller_in, caller_out, callee_in, callee_out)
        SELECT id, $4, $5, $6, $7, $8 FROM brands WHERE id = $3 AND ", brands_own!("id"), " RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM translation_sets WHERE id = $3 AND ", brands_own!("brand_id"));
    UPDATE = concat!("UPDATE translation_sets SET name = $4, caller_in = $5, caller_out = $6, callee_in = $7,
        callee_out = $8 WHERE id = $3 AND ", brands_own!("brand_id"), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM translation_sets WHERE id = $3 AND ", brands_own!("brand_id"));
}

pub(crate) static LISTING: Listing = Listing {
    what: "translation set",
    columns: columns!(),
    from: "translation_sets",
    owner: Owner::Brand("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[Column::number("id", "id"), Column::text("name", "name"), Column::number("brand", "brand_id")],
    filters: &[Filter::brand("brand_id"), Filter::name_begins("name")],
};

#[derive(sqlx::FromRow)]
pub(crate) struct SetRow {
    id: i64,
    brand_id: i64,
    name: String,
    caller_in: String,
    caller_out: String,
    callee_in: String,
    callee_out: String,
}

impl TryFrom<SetRow> for TranslationSet {
    type Error = StoreError;
    fn try_from(row: SetRow) -> Result<TranslationSet, StoreError> {
        let list = |text: &str| stored("translation rule", serde_json::from_str::<RuleList>(text).ok());
        Ok(TranslationSet {
            id: TranslationSetId(row.id),
            brand: BrandId(row.brand_id),
            name: row.name,
            lists: TranslationLists {
                caller_in: list(&row.caller_in)?,
                caller_out: list(&row.caller_out)?,
                callee_in: list(&row.callee_in)?,
                callee_out: list(&row.callee_out)?,
            },
        })
    }
}

/// The lists as columns.
fn texts(lists: &TranslationLists) -> Result<[String; 4], StoreError> {
    let text = |list: &RuleList| {
        serde_json::to_string(list).map_err(|e| StoreError::Invalid { what: "translation rule", why: e.to_string() })
    };
    Ok([text(&lists.caller_in)?, text(&lists.caller_out)?, text(&lists.callee_in)?, text(&lists.callee_out)?])
}

/// A translation set to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTranslationSet {
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// The lists.
    pub lists: TranslationLists,
}

/// The operations on translation sets.
#[derive(Clone, Copy, Debug)]
pub struct TranslationSets<'a>(pub(crate) &'a Db);

impl TranslationSets<'_> {
    /// Makes a set.
    ///
    /// # Errors
    /// A company's operator; the brand is not in scope; the name is taken or breaks a rule.
    pub async fn create(&self, ctx: &OpContext, new: NewTranslationSet) -> Result<TranslationSet, StoreError> {
        ctx.needs_brand("make a translation set")?;
        check::name("translation set name", &new.name)?;
        let [caller_in, caller_out, callee_in, callee_out] = texts(&new.lists)?;
        let args = args![ctx, new.brand.0, &new.name, &caller_in, &caller_out, &callee_in, &callee_out];
        match self.0.write_one::<SetRow>(CREATE, args).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "brand" }),
            Err(other) => Err(other),
        }
    }

    /// One set.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: TranslationSetId) -> Result<TranslationSet, StoreError> {
        let row = self.0.one::<SetRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "translation set" })?.try_into()
    }

    /// A page of the sets in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<TranslationSet>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: SetRow| row.try_into()).await
    }

    /// The sets in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<TranslationSet>, StoreError> {
        let wanted = Wanted::page(&LISTING, page);
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes the name and the lists.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a company's operator; the name is taken or breaks a rule.
    pub async fn update(&self, ctx: &OpContext, set: &TranslationSet) -> Result<TranslationSet, StoreError> {
        ctx.needs_brand("change a translation set")?;
        check::name("translation set name", &set.name)?;
        let [caller_in, caller_out, callee_in, callee_out] = texts(&set.lists)?;
        let args = args![ctx, set.id.0, &set.name, &caller_in, &caller_out, &callee_in, &callee_out];
        self.0.write_one::<SetRow>(UPDATE, args).await?.try_into()
    }

    /// Removes a set that no trunk uses.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`]; a company's operator.
    pub async fn delete(&self, ctx: &OpContext, id: TranslationSetId) -> Result<(), StoreError> {
        ctx.needs_brand("remove a translation set")?;
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}
