//! A tenant's routing facts held in memory: an immutable snapshot, fed ahead by the store, swapped whole.

use crate::{
    AccountId, AccountRules, BrandId, BrandRules, CompanyId, CompanyKind, CompanyPolicy, CompanyRules, Countries, Ddi,
    DdiId, EdgeAt, ExtensionId, FilterPolicy, Handling, Hooks, MediaPath, MediaSecurity, Rates, Routing, RowId, Rule,
    RuleId, RuleKind, SharedMap, Signer, Way, outgoing::NoRates,
};
use core::net::{IpAddr, SocketAddr};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Digest secrets of one account: `H(user:realm:password)` in hex (RFC 8760 section 2.3). No password is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// 32 hex digits.
    pub md5: String,
    /// 64 hex digits.
    pub sha256: String,
}

impl core::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Ha1(..)")
    }
}

/// A hash that digest challenges offer (RFC 8760).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// The stronger.
    #[serde(rename = "sha-256")]
    Sha256,
    /// What every phone can do; some give up when they are offered anything else beside it.
    #[serde(rename = "md5")]
    Md5,
}

/// Who a call belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Tenant {
    /// The brand.
    pub brand: BrandId,
    /// The company.
    pub company: CompanyId,
}

/// What happens to a call when no plugin decided.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultVerdict {
    /// Refuse: 404 when nobody had an opinion, 503 when a plugin failed.
    Refuse,
    /// Ring the account or extension that the dialled user part names, as a switch without plugins would.
    Extensions,
}

/// A brand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Brand {
    /// The row.
    pub id: BrandId,
    /// The name, unique.
    pub name: String,
    /// The default verdict.
    pub default_verdict: DefaultVerdict,
}

/// A company: the tenant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Company {
    /// The row.
    pub id: CompanyId,
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// The SIP domain and digest realm, unique, lower case.
    pub domain: String,
    /// Where media flows by default; never [`MediaPath::TenantDefault`].
    pub media: MediaPath,
    /// How its calls are handled by default; never [`Handling::TenantDefault`].
    pub handling: Handling,
    /// Whether a 6xx of one phone ends the call for all that ring with it (RFC 3261 section 16.7 step 5), or is the
    /// word of that phone only.
    pub decline_ends_all: bool,
    /// Most calls at once; `None` = the switch's limit.
    pub calls_max: Option<u32>,
    /// Whether its legs have SRTP.
    #[serde(default)]
    pub media_security: MediaSecurity,
    /// The formats its calls may have, best first, by encoding name; empty = whatever the parties like.
    #[serde(default)]
    pub codecs: Vec<String>,
    /// The stored prompt that its held and parked parties hear over and over; `None` = whatever the holder plays.
    #[serde(default)]
    pub hold_music: Option<String>,
    /// What kind of client it is.
    #[serde(default)]
    pub kind: CompanyKind,
    /// What it says about its calls.
    #[serde(default)]
    pub rules: CompanyRules,
}

/// One set of SIP credentials.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The row.
    pub id: AccountId,
    /// Its company.
    pub company: CompanyId,
    /// The SIP user name, unique within the company.
    pub username: String,
    /// Shown to the callee.
    pub display_name: String,
    /// The digest secrets.
    pub ha1: Ha1,
    /// Direct connectivity: calls to the account go here without a registration, and requests from this address are
    /// admitted without digest.
    pub direct: Option<SocketAddr>,
    /// Whether its legs have SRTP, where that differs from the company's.
    #[serde(default)]
    pub media_security: Option<MediaSecurity>,
    /// Disabled accounts neither register nor call nor ring.
    pub enabled: bool,
    /// What it says about its calls.
    #[serde(default)]
    pub rules: AccountRules,
}

/// Where a number leads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum RouteTarget {
    /// An account, by user name.
    Account(String),
    /// A call app, by the name of its binding.
    App(String),
    /// An extension, by number (for DDIs).
    Extension(String),
    /// A hunt group, by name.
    HuntGroup(String),
    /// Where a conditional route says, by its name.
    ConditionalRoute(String),
    /// The voicemail of an account, by user name.
    Voicemail(String),
    /// A queue, by name.
    Queue(String),
    /// A conference room, by name.
    Conference(String),
    /// A public number, in E.164.
    Number(String),
}

impl RouteTarget {
    /// The way of a rule that leads to the same.
    #[must_use]
    pub fn way(&self) -> Way {
        match self.clone() {
            RouteTarget::Account(name) => Way::Account(name),
            RouteTarget::App(name) => Way::App(name),
            RouteTarget::Extension(number) => Way::Extension(number),
            RouteTarget::HuntGroup(name) => Way::HuntGroup(name),
            RouteTarget::ConditionalRoute(name) => Way::ConditionalRoute(name),
            RouteTarget::Voicemail(name) => Way::Voicemail(name),
            RouteTarget::Queue(name) => Way::Queue(name),
            RouteTarget::Conference(name) => Way::Conference(name),
            RouteTarget::Number(number) => Way::Number(number),
        }
    }

    /// The account that it is, and nobody else.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        if let RouteTarget::Account(name) = self { Some(name) } else { None }
    }
}

/// A short number of a company.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Extension {
    /// The row.
    pub id: ExtensionId,
    /// Its company.
    pub company: CompanyId,
    /// The digits dialled, unique within the company.
    pub number: String,
    /// Where it leads.
    pub target: RouteTarget,
}

/// Accounts and extensions that are watched as one: `sip:blf-NAME@domain` (RFC 4662).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResourceList {
    /// Its company.
    pub company: CompanyId,
    /// The name, unique within the company, without `blf-`.
    pub name: String,
    /// User names, extensions and parking places of the company, in the order they are shown.
    pub members: Vec<String>,
}

/// Why a snapshot could not be built.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LookupError {
    /// A row names a row that is not there.
    #[error("{what} {id} names a {missing} that does not exist")]
    Dangling {
        /// The row's noun.
        what: &'static str,
        /// The row's id.
        id: i64,
        /// The noun it names.
        missing: &'static str,
    },
}

/// A key within a company.
pub(crate) type Named = (CompanyId, Box<str>);

/// The snapshot of every tenant of this node.
///
/// # Invariants
/// Immutable once shared: whoever changes one changes a copy, which has in common with the first all that stayed. Every
/// account, extension and DDI belongs to a company that is present, and every company to a brand that is present. Every
/// lookup below the domain takes the company first. What is found by a name or number is also found by its row.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub(crate) version: u64,
    pub(crate) brands: SharedMap<BrandId, Arc<Brand>>,
    pub(crate) companies: SharedMap<CompanyId, Arc<Company>>,
    pub(crate) domains: SharedMap<Box<str>, CompanyId>,
    pub(crate) accounts: SharedMap<Named, Arc<Account>>,
    pub(crate) accounts_by_id: SharedMap<AccountId, Arc<Account>>,
    pub(crate) direct: SharedMap<SocketAddr, Arc<Account>>,
    pub(crate) extensions: SharedMap<Named, Arc<Extension>>,
    pub(crate) extensions_by_id: SharedMap<ExtensionId, Arc<Extension>>,
    pub(crate) ddis: SharedMap<Box<str>, Arc<Ddi>>,
    pub(crate) ddis_by_id: SharedMap<DdiId, Arc<Ddi>>,
    pub(crate) trunks: Arc<crate::trunk::TrunkTable>,
    pub(crate) lists: Arc<BTreeMap<(CompanyId, String), Arc<ResourceList>>>,
    hooks: Arc<Hooks>,
    pub(crate) policies: SharedMap<CompanyId, Arc<CompanyPolicy>>,
    countries: Arc<Countries>,
    signers: Arc<BTreeMap<BrandId, Arc<dyn Signer>>>,
    pub(crate) routing: SharedMap<BrandId, Arc<Routing>>,
    rates: Option<Arc<dyn Rates>>,
    pub(crate) rules: SharedMap<(CompanyId, RuleKind, Box<str>), Arc<Rule>>,
    pub(crate) rules_by_id: SharedMap<RuleId, Arc<Rule>>,
    pub(crate) brand_rules: SharedMap<BrandId, Arc<BrandRules>>,
    pub(crate) barred: Arc<BTreeSet<RowId>>,
}

impl Directory {
    /// Builds a snapshot from rows.
    ///
    /// # Errors
    /// [`LookupError::Dangling`] when a row names one that is missing.
    pub fn build(
        version: u64,
        brands: Vec<Brand>,
        companies: Vec<Company>,
        accounts: Vec<Account>,
        extensions: Vec<Extension>,
        ddis: Vec<Ddi>,
    ) -> Result<Directory, LookupError> {
        let mut d = Directory { version, ..Directory::default() };
        for brand in brands {
            d.put_brand(brand);
        }
        for company in companies {
            d.put_company(company)?;
        }
        for account in accounts {
            d.put_account(account)?;
        }
        for extension in extensions {
            d.put_extension(extension)?;
        }
        for ddi in ddis {
            d.put_ddi(ddi)?;
        }
        Ok(d)
    }

    /// The same snapshot with these lists.
    ///
    /// # Errors
    /// [`LookupError::Dangling`] when a list's company is missing; the list has no row of its own, so its id is 0.
    pub fn with_lists(mut self, lists: Vec<ResourceList>) -> Result<Directory, LookupError> {
        let known = Arc::make_mut(&mut self.lists);
        for list in lists {
            if self.companies.get(&list.company).is_none() {
                return Err(LookupError::Dangling { what: "list", id: 0, missing: "company" });
            }
            known.insert((list.company, list.name.clone()), Arc::new(list));
        }
        Ok(self)
    }

    /// A list of a company.
    #[must_use]
    pub fn list(&self, company: CompanyId, name: &str) -> Option<&Arc<ResourceList>> {
        self.lists.get(&(company, name.to_owned()))
    }

    /// The same snapshot with what is bound at points that the switch asks only where somebody listens.
    #[must_use]
    pub fn with_hooks(self, hooks: Hooks) -> Directory {
        Directory { hooks: Arc::new(hooks), ..self }
    }

    /// Which tenants have such bindings.
    #[must_use]
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// What is known of the filters that a message passes at an edge; `None` where nobody has bound one to it.
    #[must_use]
    pub fn filter_at(&self, tenant: (BrandId, CompanyId), at: EdgeAt) -> Option<FilterPolicy> {
        let filters = &self.hooks.sip_filter;
        if filters.is_empty() {
            return None;
        }
        filters.at(tenant, at, self.edge_name(at)?)
    }

    /// The trunk's name, or the account's user name.
    #[must_use]
    pub fn edge_name(&self, at: EdgeAt) -> Option<&str> {
        match at {
            EdgeAt::Trunk(id) => self.trunk_by_id(id).map(|trunk| trunk.name.as_str()),
            EdgeAt::Account(id) => self.account_by_id(id).map(|account| account.username.as_str()),
        }
    }

    /// With these companies' settings; the others have the defaults.
    #[must_use]
    pub fn with_policies(mut self, policies: impl IntoIterator<Item = (CompanyId, CompanyPolicy)>) -> Directory {
        self.policies = policies.into_iter().map(|(company, policy)| (company, Arc::new(policy))).collect();
        self
    }

    /// With this table of countries.
    #[must_use]
    pub fn with_countries(mut self, countries: Arc<Countries>) -> Directory {
        self.countries = countries;
        self
    }

    /// With the keys of these brands; the others sign nothing.
    #[must_use]
    pub fn with_signers(mut self, signers: BTreeMap<BrandId, Arc<dyn Signer>>) -> Directory {
        self.signers = Arc::new(signers);
        self
    }

    /// With these prices; without, nobody has any.
    #[must_use]
    pub fn with_rates(mut self, rates: Arc<dyn Rates>) -> Directory {
        self.rates = Some(rates);
        self
    }

    /// What carriers take.
    #[must_use]
    pub fn rates(&self) -> &dyn Rates {
        self.rates.as_deref().unwrap_or(&NoRates)
    }

    /// How a brand's calls leave; `None` where it says nothing about that.
    #[must_use]
    pub fn routing(&self, brand: BrandId) -> Option<&Arc<Routing>> {
        self.routing.get(&brand)
    }

    /// What signs a brand's calls.
    #[must_use]
    pub fn signer(&self, brand: BrandId) -> Option<&Arc<dyn Signer>> {
        self.signers.get(&brand)
    }

    /// The settings of a company.
    #[must_use]
    pub fn policy(&self, company: CompanyId) -> &CompanyPolicy {
        static DEFAULT: CompanyPolicy = CompanyPolicy::DEFAULT;
        self.policies.get(&company).map_or(&DEFAULT, |policy| policy)
    }

    /// Which country an address belongs to, as far as the operator's table knows.
    #[must_use]
    pub fn countries(&self) -> &Countries {
        &self.countries
    }

    /// The store's change number this snapshot stands at.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A brand.
    #[must_use]
    pub fn brand(&self, id: BrandId) -> Option<&Arc<Brand>> {
        self.brands.get(&id)
    }

    /// A company.
    #[must_use]
    pub fn company(&self, id: CompanyId) -> Option<&Arc<Company>> {
        self.companies.get(&id)
    }

    /// The company that owns a SIP domain; case does not matter.
    #[must_use]
    pub fn company_by_domain(&self, domain: &str) -> Option<&Arc<Company>> {
        let id = match self.domains.get(domain) {
            Some(id) => id,
            None => self.domains.get(domain.to_ascii_lowercase().as_str())?,
        };
        self.companies.get(id)
    }

    /// An enabled account of a company by user name.
    #[must_use]
    pub fn account(&self, company: CompanyId, username: &str) -> Option<&Arc<Account>> {
        self.accounts.find(|(c, name)| (*c, &**name).cmp(&(company, username))).filter(|a| a.enabled)
    }

    /// The enabled accounts of a company, by user name.
    pub fn accounts_of(&self, company: CompanyId) -> impl Iterator<Item = &Arc<Account>> {
        self.every_account_of(company).filter(|a| a.enabled)
    }

    /// The accounts of a company, enabled or not, by user name.
    pub(crate) fn every_account_of(&self, company: CompanyId) -> impl Iterator<Item = &Arc<Account>> {
        let of = self.accounts.starting(move |(c, _)| c.cmp(&company)).take_while(move |((c, _), _)| *c == company);
        of.map(|(_, account)| account)
    }

    /// An account by row, enabled or not.
    #[must_use]
    pub fn account_by_id(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts_by_id.get(&id)
    }

    /// The enabled account with direct connectivity at exactly this address.
    #[must_use]
    pub fn account_by_address(&self, address: SocketAddr) -> Option<&Arc<Account>> {
        self.direct.get(&address).filter(|a| a.enabled)
    }

    /// Whether an enabled account with direct connectivity is at this address, at whatever port.
    #[must_use]
    pub fn is_direct(&self, address: IpAddr) -> bool {
        self.at(address).any(|account| account.enabled)
    }

    /// The companies whose enabled accounts with direct connectivity are at this address.
    pub(crate) fn directs_at(&self, address: IpAddr) -> impl Iterator<Item = CompanyId> {
        self.at(address).filter(|account| account.enabled).map(|account| account.company)
    }

    fn at(&self, address: IpAddr) -> impl Iterator<Item = &Arc<Account>> {
        let (first, last) = (SocketAddr::new(address, 0), SocketAddr::new(address, u16::MAX));
        let here = self.direct.starting(move |known| known.cmp(&first)).take_while(move |(known, _)| **known <= last);
        here.map(|(_, account)| account)
    }

    /// An extension of a company.
    #[must_use]
    pub fn extension(&self, company: CompanyId, number: &str) -> Option<&Arc<Extension>> {
        self.extensions.find(|(c, name)| (*c, &**name).cmp(&(company, number)))
    }

    /// A DDI of the platform; the caller must check its company before showing it to a tenant.
    #[must_use]
    pub fn ddi(&self, e164: &str) -> Option<&Arc<Ddi>> {
        self.ddis.get(e164)
    }

    /// How many accounts the snapshot holds.
    #[must_use]
    pub fn accounts_len(&self) -> usize {
        self.accounts_by_id.len()
    }

    /// The brands, by id.
    pub fn brands(&self) -> impl Iterator<Item = &Arc<Brand>> {
        self.brands.values()
    }

    /// The companies, by id.
    pub fn companies(&self) -> impl Iterator<Item = &Arc<Company>> {
        self.companies.values()
    }
}
