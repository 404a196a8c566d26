//! What kind of client a company is, and what a brand says about all of its companies.

use super::{BadRule, ServiceCodes};
use serde::{Deserialize, Serialize};

/// What kind of client a company is. It is chosen when the company is made, and says what its accounts may be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompanyKind {
    /// A telephone system: extensions, groups, calls among its accounts.
    #[default]
    Vpbx,
    /// Homes: each account is a line with public numbers. No extensions, no calls by short number.
    Residential,
    /// Telephone systems of others: accounts are trunks to them, public numbers lead to accounts and nowhere else.
    Retail,
    /// Carriers: accounts are known by their addresses, call out, and are called by nobody.
    Wholesale,
}

impl CompanyKind {
    /// Every kind.
    pub const ALL: [CompanyKind; 4] =
        [CompanyKind::Vpbx, CompanyKind::Residential, CompanyKind::Retail, CompanyKind::Wholesale];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            CompanyKind::Vpbx => "vpbx",
            CompanyKind::Residential => "residential",
            CompanyKind::Retail => "retail",
            CompanyKind::Wholesale => "wholesale",
        }
    }

    /// The kind that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<CompanyKind> {
        CompanyKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether its accounts are called by short numbers and user names.
    #[must_use]
    pub const fn has_extensions(self) -> bool {
        matches!(self, CompanyKind::Vpbx)
    }

    /// Whether its public numbers are its accounts' to show, whichever of them a number leads to.
    #[must_use]
    pub const fn shares_numbers(self) -> bool {
        matches!(self, CompanyKind::Residential | CompanyKind::Retail)
    }
}

/// What a brand says about all of its companies.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrandRules {
    /// Most calls of all its companies at once; absent = the switch's limit. For the platform's operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_max: Option<u32>,
    /// The kinds of companies that it may have; absent = all. For the platform's operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<CompanyKind>>,
    /// Service codes that differ from the platform's.
    #[serde(skip_serializing_if = "ServiceCodes::is_empty")]
    pub services: ServiceCodes,
}

impl BrandRules {
    /// Of a brand that says nothing.
    pub const NOTHING: BrandRules = BrandRules { calls_max: None, kinds: None, services: ServiceCodes::NONE };

    /// Whether what is said can be meant.
    ///
    /// # Errors
    /// [`BadRule`], which names the field.
    pub fn check(&self) -> Result<(), BadRule> {
        self.services.check()
    }

    /// Whether it may have companies of this kind.
    #[must_use]
    pub fn may_have(&self, kind: CompanyKind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }
}
