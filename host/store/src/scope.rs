//! Who is asking. The first argument of every query.

use crate::StoreError;
use model::{BrandId, CompanyId};

/// What part of the platform an operation may see and change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Everything.
    Platform,
    /// One brand and its companies.
    Brand(BrandId),
    /// One company of a brand.
    Company(BrandId, CompanyId),
}

/// The scope of a row that belongs to a company, a brand, or with neither to the platform.
pub(crate) const fn of(brand: Option<i64>, company: Option<i64>) -> Scope {
    match (brand, company) {
        (None, _) => Scope::Platform,
        (Some(brand), None) => Scope::Brand(BrandId(brand)),
        (Some(brand), Some(company)) => Scope::Company(BrandId(brand), CompanyId(company)),
    }
}

/// Who is asking, and so which rows exist for it. A row out of scope is [`StoreError::NotFound`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpContext {
    /// The part of the platform it may touch.
    pub scope: Scope,
}

impl OpContext {
    /// The platform's operator, or the switch itself.
    #[must_use]
    pub const fn platform() -> Self {
        OpContext { scope: Scope::Platform }
    }

    /// A brand's operator.
    #[must_use]
    pub const fn brand(brand: BrandId) -> Self {
        OpContext { scope: Scope::Brand(brand) }
    }

    /// A company's operator.
    #[must_use]
    pub const fn company(brand: BrandId, company: CompanyId) -> Self {
        OpContext { scope: Scope::Company(brand, company) }
    }

    /// The context of a scope that may not be wider than this one.
    pub(crate) fn narrowed(&self, scope: Scope) -> Result<OpContext, StoreError> {
        let of = OpContext { scope };
        let wider = (self.brand_id().is_some() && self.brand_id() != of.brand_id())
            || (self.company_id().is_some() && self.company_id() != of.company_id());
        if wider { Err(StoreError::NotFound { what: "scope" }) } else { Ok(of) }
    }

    /// The brand every row must belong to: `$1` of every scoped statement.
    pub(crate) const fn brand_id(&self) -> Option<i64> {
        match self.scope {
            Scope::Platform => None,
            Scope::Brand(brand) | Scope::Company(brand, _) => Some(brand.0),
        }
    }

    /// The company every row must belong to: `$2` of every scoped statement.
    pub(crate) const fn company_id(&self) -> Option<i64> {
        match self.scope {
            Scope::Platform | Scope::Brand(_) => None,
            Scope::Company(_, company) => Some(company.0),
        }
    }

    /// Refuses an act that only the platform's operator may do.
    pub(crate) const fn needs_platform(&self, act: &'static str) -> Result<(), StoreError> {
        match self.scope {
            Scope::Platform => Ok(()),
            Scope::Brand(_) | Scope::Company(..) => Err(StoreError::Forbidden { act, who: "the platform's operator" }),
        }
    }

    /// Refuses an act that a company's operator may not do.
    pub(crate) const fn needs_brand(&self, act: &'static str) -> Result<(), StoreError> {
        match self.scope {
            Scope::Platform | Scope::Brand(_) => Ok(()),
            Scope::Company(..) => Err(StoreError::Forbidden { act, who: "a brand's operator" }),
        }
    }
}

/// One page of a list in the order of row ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// The last id of the page before; 0 for the first page.
    pub after: i64,
    /// Most rows, at most [`Page::LIMIT_MAX`].
    pub limit: u32,
}

impl Page {
    /// Most rows that one page may hold.
    pub const LIMIT_MAX: u32 = 1_000;

    /// The first page of the largest size.
    #[must_use]
    pub const fn first() -> Self {
        Page { after: 0, limit: Self::LIMIT_MAX }
    }

    pub(crate) fn limit(self) -> i64 {
        i64::from(self.limit.clamp(1, Self::LIMIT_MAX))
    }
}

impl Default for Page {
    fn default() -> Self {
        Page::first()
    }
}
