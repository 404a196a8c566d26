//! Brands: resellers, the unit of isolation. Only the platform's operator makes or removes one.

use crate::known::cut;
use crate::listing::{Column, Filter, Found, Listing, Owner, Wanted};
use crate::sql::{statements, stored};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{Brand, BrandId, BrandRules, CompanyKind, DefaultVerdict};

macro_rules! columns {
    () => {
        "id, name, default_verdict"
    };
}

statements! { "brand";
    CREATE = concat!("INSERT INTO brands (name, default_verdict) VALUES ($1, $2) RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM brands WHERE (CAST($1 AS BIGINT) IS NULL OR id = $1) AND id = $2");
    UPDATE = concat!("UPDATE brands SET name = $2, default_verdict = $3 WHERE id = $4
        AND (CAST($1 AS BIGINT) IS NULL OR id = $1) RETURNING ", columns!());
    DELETE = "DELETE FROM brands WHERE id = $1";
    RULES = "SELECT id, rules FROM brands WHERE (CAST($1 AS BIGINT) IS NULL OR id = $1) AND id = $2";
    SET_RULES = "UPDATE brands SET rules = $3 WHERE (CAST($1 AS BIGINT) IS NULL OR id = $1) AND id = $2
        RETURNING id, rules";
}

pub(crate) static LISTING: Listing = Listing {
    what: "brand",
    columns: columns!(),
    from: "brands",
    owner: Owner::Itself("id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[Column::number("id", "id"), Column::text("name", "name")],
    filters: &[Filter::name_begins("name")],
};

#[derive(sqlx::FromRow)]
pub(crate) struct BrandRow {
    id: i64,
    name: String,
    default_verdict: String,
}

impl TryFrom<BrandRow> for Brand {
    type Error = StoreError;
    fn try_from(row: BrandRow) -> Result<Brand, StoreError> {
        let default_verdict = match row.default_verdict.as_str() {
            "refuse" => Some(DefaultVerdict::Refuse),
            "extensions" => Some(DefaultVerdict::Extensions),
            _ => None,
        };
        Ok(Brand { id: BrandId(row.id), name: row.name, default_verdict: stored("default verdict", default_verdict)? })
    }
}

/// What a brand says about its companies.
#[derive(sqlx::FromRow)]
pub(crate) struct BrandRulesRow {
    id: i64,
    rules: String,
}

impl TryFrom<BrandRulesRow> for (BrandId, BrandRules) {
    type Error = StoreError;
    fn try_from(row: BrandRulesRow) -> Result<Self, StoreError> {
        Ok((BrandId(row.id), stored("rules of a brand", serde_json::from_str(&row.rules).ok())?))
    }
}

impl BrandRow {
    /// Leaves what this program knows of what it says; why something had to go.
    pub(crate) fn cut(&mut self, rules: &mut BrandRulesRow) -> Option<StoreError> {
        let gone = cut::<BrandRules>("rules of a brand", &mut rules.rules, |_| ());
        if ["refuse", "extensions"].contains(&self.default_verdict.as_str()) {
            return gone;
        }
        verdict_text(&DefaultVerdict::Refuse).clone_into(&mut self.default_verdict);
        Some(StoreError::Refused { why: "a stored default verdict has no meaning to this program".to_owned() })
    }
}

pub(crate) const fn verdict_text(verdict: &DefaultVerdict) -> &'static str {
    match verdict {
        DefaultVerdict::Refuse => "refuse",
        DefaultVerdict::Extensions => "extensions",
    }
}

/// A brand to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewBrand {
    /// The name, unique.
    pub name: String,
    /// What happens to a call when no plugin decided.
    pub default_verdict: DefaultVerdict,
}

/// The operations on brands.
#[derive(Clone, Copy, Debug)]
pub struct Brands<'a>(pub(crate) &'a Db);

impl Brands<'_> {
    /// Makes a brand.
    ///
    /// # Errors
    /// Not the platform's operator; the name is taken or breaks a rule.
    pub async fn create(&self, ctx: &OpContext, new: NewBrand) -> Result<Brand, StoreError> {
        ctx.needs_platform("make a brand")?;
        check::name("brand name", &new.name)?;
        let args = [(&new.name).into(), verdict_text(&new.default_verdict).into()];
        self.0.write_one::<BrandRow>(CREATE, &args).await?.try_into()
    }

    /// One brand.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: BrandId) -> Result<Brand, StoreError> {
        let row = self.0.one::<BrandRow>(GET, &[ctx.brand_id().into(), id.0.into()]).await?;
        row.ok_or(StoreError::NotFound { what: "brand" })?.try_into()
    }

    /// A page of the brands in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Brand>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: BrandRow| row.try_into()).await
    }

    /// The brands in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<Brand>, StoreError> {
        let wanted = Wanted::page(&LISTING, page);
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes the name and the default verdict.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a company's operator; the name is taken or breaks a rule.
    pub async fn update(&self, ctx: &OpContext, brand: &Brand) -> Result<Brand, StoreError> {
        ctx.needs_brand("change a brand")?;
        check::name("brand name", &brand.name)?;
        let verdict = verdict_text(&brand.default_verdict);
        let args = [ctx.brand_id().into(), (&brand.name).into(), verdict.into(), brand.id.0.into()];
        self.0.write_one::<BrandRow>(UPDATE, &args).await?.try_into()
    }

    /// What a brand says about all of its companies.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn rules(&self, ctx: &OpContext, id: BrandId) -> Result<BrandRules, StoreError> {
        let row = self.0.one::<BrandRulesRow>(RULES, &[ctx.brand_id().into(), id.0.into()]).await?;
        let (_, rules): (BrandId, BrandRules) = row.ok_or(StoreError::NotFound { what: "brand" })?.try_into()?;
        Ok(rules)
    }

    /// Changes what a brand says about all of its companies. Its limits are for the platform's operator.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Forbidden`]; a value breaks a rule; the brand has companies of a kind that
    /// it may have no longer ([`StoreError::InUse`]).
    pub async fn set_rules(&self, ctx: &OpContext, id: BrandId, new: &BrandRules) -> Result<BrandRules, StoreError> {
        ctx.needs_brand("change a brand")?;
        let old = self.rules(ctx, id).await?;
        if (old.calls_max, &old.kinds) != (new.calls_max, &new.kinds) {
            ctx.needs_platform("change a brand's limits")?;
        }
        super::rules::checked(new.check())?;
        for kind in CompanyKind::ALL.into_iter().filter(|kind| !new.may_have(*kind)) {
            if self.0.companies().has_kind(ctx, id, kind).await? {
                return Err(StoreError::InUse { what: "kind" });
            }
        }
        let said = super::rules::text(new)?;
        let args = [ctx.brand_id().into(), id.0.into(), (&said).into()];
        let (_, rules): (BrandId, BrandRules) =
            self.0.write_one::<BrandRulesRow>(SET_RULES, &args).await?.try_into()?;
        Ok(rules)
    }

    /// Removes a brand that nothing belongs to.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while it has companies, plugins, bindings or tokens.
    pub async fn delete(&self, ctx: &OpContext, id: BrandId) -> Result<(), StoreError> {
        ctx.needs_platform("remove a brand")?;
        self.0.write(DELETE, &[id.0.into()]).await
    }
}
