//! Changing a copy of the directory row by row: what the store's feed does, so that an image costs what has changed.
//!
//! A row is put in under its id, and with that the names and numbers by which it is found; what it had before goes. A name
//! or number that another row has taken by then stays with that row, so the order of the changes of one image does not
//! matter, and a number may go from one tenant to another in it.

use crate::{
    Account, AccountId, Brand, BrandId, BrandRules, Company, CompanyId, CompanyPolicy, Ddi, DdiId, Directory,
    Extension, ExtensionId, LookupError, Routing, Rule, RuleId, TranslationSet, TranslationSetId, Trunk, TrunkId, Used,
};
use core::fmt;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whose a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Holder {
    /// A brand's own: itself, its translation sets and its trunks.
    Brand(BrandId),
    /// A company's: itself and what it has.
    Company(CompanyId),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Brand(id) => write!(f, "brand {id}"),
            Holder::Company(id) => write!(f, "company {id}"),
        }
    }
}

/// Which row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RowId {
    /// A brand, with what it says about its companies.
    Brand(BrandId),
    /// A translation set.
    TranslationSet(TranslationSetId),
    /// A trunk, with its sources.
    Trunk(TrunkId),
    /// How a brand's calls leave, all of it.
    Routing(BrandId),
    /// A company.
    Company(CompanyId),
    /// The settings of a company.
    Policy(CompanyId),
    /// An account.
    Account(AccountId),
    /// An extension.
    Extension(ExtensionId),
    /// A public number.
    Ddi(DdiId),
    /// A rule.
    Rule(RuleId),
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowId::Brand(id) => write!(f, "brand {id}"),
            RowId::TranslationSet(id) => write!(f, "translation set {id}"),
            RowId::Trunk(id) => write!(f, "trunk {id}"),
            RowId::Routing(id) => write!(f, "routing of brand {id}"),
            RowId::Company(id) => write!(f, "company {id}"),
            RowId::Policy(id) => write!(f, "settings of company {id}"),
            RowId::Account(id) => write!(f, "account {id}"),
            RowId::Extension(id) => write!(f, "extension {id}"),
            RowId::Ddi(id) => write!(f, "public number {id}"),
            RowId::Rule(id) => write!(f, "rule {id}"),
        }
    }
}

/// A row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// A brand, with what it says about its companies.
    Brand(Brand, BrandRules),
    /// A translation set.
    TranslationSet(TranslationSet),
    /// A trunk.
    Trunk(Trunk),
    /// How a brand's calls leave.
    Routing(BrandId, Routing),
    /// A company.
    Company(Company),
    /// The settings of a company.
    Policy(CompanyId, CompanyPolicy),
    /// An account.
    Account(Account),
    /// An extension.
    Extension(Extension),
    /// A public number.
    Ddi(Ddi),
    /// A rule.
    Rule(Rule),
}

const fn dangling(what: &'static str, id: i64, missing: &'static str) -> LookupError {
    LookupError::Dangling { what, id, missing }
}

impl Directory {
    /// The same facts at this change number of the store.
    #[must_use]
    pub fn at_version(mut self, version: u64) -> Directory {
        self.version = version;
        self
    }

    /// Puts a row in, in place of what its id had. What rules name is for [`Directory::check_rules`] to look at, once all
    /// are in.
    ///
    /// # Errors
    /// [`LookupError::Dangling`] when it names a row that is missing; the directory is as it was.
    pub fn put(&mut self, row: Row) -> Result<(), LookupError> {
        match row {
            Row::Brand(brand, rules) => {
                self.brand_rules.insert(brand.id, Arc::new(rules));
                self.put_brand(brand);
                Ok(())
            }
            Row::TranslationSet(set) => self.put_translation_set(set),
            Row::Trunk(trunk) => self.put_trunk(trunk),
            Row::Routing(brand, routing) => self.put_routing(brand, routing),
            Row::Company(company) => self.put_company(company),
            Row::Policy(company, policy) => {
                self.has_company("settings", company.0, company)?;
                self.policies.insert(company, Arc::new(policy));
                Ok(())
            }
            Row::Account(account) => self.put_account(account),
            Row::Extension(extension) => self.put_extension(extension),
            Row::Ddi(ddi) => self.put_ddi(ddi),
            Row::Rule(rule) => self.put_rule(rule),
        }
    }

    fn has_company(&self, what: &'static str, id: i64, company: CompanyId) -> Result<(), LookupError> {
        if self.companies.get(&company).is_some() { Ok(()) } else { Err(dangling(what, id, "company")) }
    }

    pub(crate) fn put_brand(&mut self, brand: Brand) {
        self.brands.insert(brand.id, Arc::new(brand));
    }

    pub(crate) fn put_translation_set(&mut self, set: TranslationSet) -> Result<(), LookupError> {
        if self.brand(set.brand).is_none() {
            return Err(dangling("translation set", set.id.0, "brand"));
        }
        Arc::make_mut(&mut self.trunks).sets.insert(set.id, Arc::new(set));
        Ok(())
    }

    pub(crate) fn put_trunk(&mut self, trunk: Trunk) -> Result<(), LookupError> {
        if self.brand(trunk.brand).is_none() {
            return Err(dangling("trunk", trunk.id.0, "brand"));
        }
        if trunk.translation.is_some_and(|id| self.trunks.sets.get(&id).is_none_or(|s| s.brand != trunk.brand)) {
            return Err(dangling("trunk", trunk.id.0, "translation set"));
        }
        Arc::make_mut(&mut self.trunks).insert(trunk);
        Ok(())
    }

    fn put_routing(&mut self, brand: BrandId, routing: Routing) -> Result<(), LookupError> {
        if self.brand(brand).is_none() {
            return Err(dangling("routing", brand.0, "brand"));
        }
        if routing.is_empty() {
            self.routing.remove(&brand);
        } else {
            self.routing.insert(brand, Arc::new(routing));
        }
        Ok(())
    }

    pub(crate) fn put_company(&mut self, company: Company) -> Result<(), LookupError> {
        if self.brand(company.brand).is_none() {
            return Err(dangling("company", company.id.0, "brand"));
        }
        self.take_company(company.id);
        self.domains.insert(company.domain.to_ascii_lowercase().into(), company.id);
        self.companies.insert(company.id, Arc::new(company));
        Ok(())
    }

    fn take_company(&mut self, id: CompanyId) {
        let Some(old) = self.companies.remove(&id) else { return };
        let domain = old.domain.to_ascii_lowercase();
        self.domains.remove_if(|known| (**known).cmp(&*domain), |of| *of == id);
    }

    pub(crate) fn put_account(&mut self, account: Account) -> Result<(), LookupError> {
        self.has_company("account", account.id.0, account.company)?;
        self.take_account(account.id);
        let account = Arc::new(account);
        if let Some(direct) = account.direct {
            self.direct.insert(direct, Arc::clone(&account));
        }
        self.accounts_by_id.insert(account.id, Arc::clone(&account));
        self.accounts.insert((account.company, account.username.as_str().into()), account);
        Ok(())
    }

    fn take_account(&mut self, id: AccountId) {
        let Some(old) = self.accounts_by_id.remove(&id) else { return };
        let own = |account: &Arc<Account>| account.id == id;
        let key = (old.company, old.username.as_str());
        self.accounts.remove_if(|(company, name)| (*company, &**name).cmp(&key), own);
        if let Some(direct) = old.direct {
            self.direct.remove_if(|known| known.cmp(&direct), own);
        }
    }

    pub(crate) fn put_extension(&mut self, extension: Extension) -> Result<(), LookupError> {
        self.has_company("extension", extension.id.0, extension.company)?;
        self.take_extension(extension.id);
        let extension = Arc::new(extension);
        self.extensions_by_id.insert(extension.id, Arc::clone(&extension));
        self.extensions.insert((extension.company, extension.number.as_str().into()), extension);
        Ok(())
    }

    fn take_extension(&mut self, id: ExtensionId) {
        let Some(old) = self.extensions_by_id.remove(&id) else { return };
        let key = (old.company, old.number.as_str());
        self.extensions.remove_if(|(company, number)| (*company, &**number).cmp(&key), |of| of.id == id);
    }

    pub(crate) fn put_ddi(&mut self, ddi: Ddi) -> Result<(), LookupError> {
        self.has_company("ddi", ddi.id.0, ddi.company)?;
        self.take_ddi(ddi.id);
        let ddi = Arc::new(ddi);
        self.ddis_by_id.insert(ddi.id, Arc::clone(&ddi));
        self.ddis.insert(ddi.e164.as_str().into(), ddi);
        Ok(())
    }

    fn take_ddi(&mut self, id: DdiId) {
        let Some(old) = self.ddis_by_id.remove(&id) else { return };
        self.ddis.remove_if(|known| (**known).cmp(old.e164.as_str()), |of| of.id == id);
    }

    pub(crate) fn put_rule(&mut self, rule: Rule) -> Result<(), LookupError> {
        self.has_company("rule", rule.id.0, rule.company)?;
        self.take_rule(rule.id);
        let rule = Arc::new(rule);
        self.rules_by_id.insert(rule.id, Arc::clone(&rule));
        self.rules.insert((rule.company, rule.body.kind(), rule.name.as_str().into()), rule);
        Ok(())
    }

    fn take_rule(&mut self, id: RuleId) {
        let Some(old) = self.rules_by_id.remove(&id) else { return };
        let key = (old.company, old.body.kind(), old.name.as_str());
        self.rules.remove_if(|(company, kind, name)| (*company, *kind, &**name).cmp(&key), |of| of.id == id);
    }

    /// Whether these rules name only rules that are there.
    ///
    /// # Errors
    /// [`LookupError::Dangling`] of the first that does not.
    pub fn check_rules(&self, ids: &[RuleId]) -> Result<(), LookupError> {
        self.check_uses(ids.iter().filter_map(|id| self.rules_by_id.get(id)))
    }

    /// Whether the rules of a company name only rules that are there.
    ///
    /// # Errors
    /// [`LookupError::Dangling`] of the first that does not.
    pub fn check_rules_of(&self, company: CompanyId) -> Result<(), LookupError> {
        let of = self.rules.starting(move |(c, _, _)| c.cmp(&company));
        self.check_uses(of.take_while(move |((c, _, _), _)| *c == company).map(|(_, rule)| rule))
    }

    fn check_uses<'a>(&self, rules: impl Iterator<Item = &'a Arc<Rule>>) -> Result<(), LookupError> {
        for rule in rules {
            for used in rule.body.uses() {
                match used {
                    Used::Rule(kind, name) if self.rule(rule.company, kind, name).is_none() => {
                        return Err(dangling("rule", rule.id.0, kind.word()));
                    }
                    // An account that is disabled is no defect, and the database keeps the others.
                    Used::Rule(..) | Used::Account(_) | Used::Extension(_) | Used::Ddi(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Takes a row out, if it is this holder's: one that has gone to another since stays with it.
    pub fn take(&mut self, id: RowId, holder: Holder) {
        if self.holder(id) != Some(holder) {
            return;
        }
        match id {
            RowId::Brand(id) => {
                self.brands.remove(&id);
                self.brand_rules.remove(&id);
                self.routing.remove(&id);
            }
            RowId::TranslationSet(id) => {
                Arc::make_mut(&mut self.trunks).sets.remove(&id);
            }
            RowId::Trunk(id) => Arc::make_mut(&mut self.trunks).remove(id),
            RowId::Routing(id) => {
                self.routing.remove(&id);
            }
            RowId::Company(id) => self.take_company(id),
            RowId::Policy(id) => {
                self.policies.remove(&id);
            }
            RowId::Account(id) => self.take_account(id),
            RowId::Extension(id) => self.take_extension(id),
            RowId::Ddi(id) => self.take_ddi(id),
            RowId::Rule(id) => self.take_rule(id),
        }
    }

    /// A row as it is here; `None` where it is not there.
    #[must_use]
    pub fn row(&self, id: RowId) -> Option<Row> {
        Some(match id {
            RowId::Brand(id) => Row::Brand((**self.brands.get(&id)?).clone(), self.brand_rules(id).clone()),
            RowId::TranslationSet(id) => Row::TranslationSet((**self.trunks.sets.get(&id)?).clone()),
            RowId::Trunk(id) => Row::Trunk((**self.trunks.trunks.get(&id)?).clone()),
            RowId::Routing(id) => Row::Routing(id, (**self.routing.get(&id)?).clone()),
            RowId::Company(id) => Row::Company((**self.companies.get(&id)?).clone()),
            RowId::Policy(id) => Row::Policy(id, (**self.policies.get(&id)?).clone()),
            RowId::Account(id) => Row::Account((**self.accounts_by_id.get(&id)?).clone()),
            RowId::Extension(id) => Row::Extension((**self.extensions_by_id.get(&id)?).clone()),
            RowId::Ddi(id) => Row::Ddi((**self.ddis_by_id.get(&id)?).clone()),
            RowId::Rule(id) => Row::Rule((**self.rules_by_id.get(&id)?).clone()),
        })
    }

    /// Puts the tenants of `before` among these holders in place of what they have here, as they were. What another tenant
    /// has taken since, a row or a number or a domain, stays with that one. Holders that `before` does not know are left.
    pub fn keep(&mut self, before: &Directory, holders: &BTreeSet<Holder>) {
        let known = |holder: &Holder| match *holder {
            Holder::Brand(id) => before.brand(id).is_some(),
            Holder::Company(id) => before.company(id).is_some(),
        };
        let holders: BTreeSet<Holder> = holders.iter().copied().filter(known).collect();
        if holders.is_empty() {
            return;
        }
        for holder in &holders {
            self.unbar(*holder);
        }
        for (id, holder) in self.rows_of(&holders) {
            self.take(id, holder);
        }
        let mut rows = before.rows_of(&holders);
        rows.sort_unstable();
        for (id, _) in rows {
            let Some(row) = before.row(id).filter(|row| self.holder(id).is_none() && self.is_free(row)) else {
                continue;
            };
            // What hangs in the air goes with what it hung on.
            let _dangling = self.put(row);
        }
        let barred = before.barred.iter().filter(|id| before.holder(**id).is_some_and(|of| holders.contains(&of)));
        barred.for_each(|id| self.bar(*id));
    }

    /// Refuses the calls to the outside of a company or an account that is there, all but those to emergency numbers: what
    /// is known of it is not all that was said, and what is not known may have forbidden them.
    pub fn bar(&mut self, id: RowId) {
        if self.holder(id).is_some() {
            Arc::make_mut(&mut self.barred).insert(id);
        }
    }

    /// Bars nothing of this holder's any more, and nothing that is gone.
    pub fn unbar(&mut self, holder: Holder) {
        let stays = |id: &&RowId| self.holder(**id).is_some_and(|of| of != holder);
        if !self.barred.iter().all(|id| stays(&id)) {
            self.barred = Arc::new(self.barred.iter().filter(stays).copied().collect());
        }
    }

    /// Whether the calls to the outside of a company or an account are refused, because not all that it says is known.
    /// Emergency numbers may be called.
    #[must_use]
    pub fn is_barred(&self, id: RowId) -> bool {
        self.barred.contains(&id)
    }

    /// Whether no other tenant has what this row is found by.
    fn is_free(&self, row: &Row) -> bool {
        match row {
            Row::Company(company) => self.company_by_domain(&company.domain).is_none(),
            Row::Account(account) => account.direct.is_none_or(|direct| self.direct.get(&direct).is_none()),
            Row::Ddi(ddi) => self.ddis.get(ddi.e164.as_str()).is_none(),
            Row::Brand(..)
            | Row::TranslationSet(_)
            | Row::Trunk(_)
            | Row::Routing(..)
            | Row::Policy(..)
            | Row::Extension(_)
            | Row::Rule(_) => true,
        }
    }

    /// Whose a row is; `None` where it is not there.
    #[must_use]
    pub fn holder(&self, id: RowId) -> Option<Holder> {
        match id {
            RowId::Brand(id) => self.brands.get(&id).map(|brand| Holder::Brand(brand.id)),
            RowId::TranslationSet(id) => self.trunks.sets.get(&id).map(|set| Holder::Brand(set.brand)),
            RowId::Trunk(id) => self.trunks.trunks.get(&id).map(|trunk| Holder::Brand(trunk.brand)),
            RowId::Routing(id) => self.routing.get(&id).map(|_| Holder::Brand(id)),
            RowId::Company(id) => self.companies.get(&id).map(|company| Holder::Company(company.id)),
            RowId::Policy(id) => self.policies.get(&id).map(|_| Holder::Company(id)),
            RowId::Account(id) => self.accounts_by_id.get(&id).map(|account| Holder::Company(account.company)),
            RowId::Extension(id) => self.extensions_by_id.get(&id).map(|ext| Holder::Company(ext.company)),
            RowId::Ddi(id) => self.ddis_by_id.get(&id).map(|ddi| Holder::Company(ddi.company)),
            RowId::Rule(id) => self.rules_by_id.get(&id).map(|rule| Holder::Company(rule.company)),
        }
    }

    /// Every row of these holders. It looks at all public numbers, and at all extensions and rules.
    #[must_use]
    pub fn rows_of(&self, holders: &BTreeSet<Holder>) -> Vec<(RowId, Holder)> {
        let mut rows = Vec::new();
        for holder in holders {
            match *holder {
                Holder::Brand(brand) => {
                    let own = self.trunks.trunks.values().filter(|t| t.brand == brand).map(|t| RowId::Trunk(t.id));
                    let sets = self.trunks.sets.values().filter(|s| s.brand == brand);
                    let own = own.chain(sets.map(|s| RowId::TranslationSet(s.id)));
                    let own = own.chain(self.routing.get(&brand).map(|_| RowId::Routing(brand)));
                    rows.extend(own.chain(self.brand(brand).map(|b| RowId::Brand(b.id))).map(|id| (id, *holder)));
                }
                Holder::Company(company) => {
                    let accounts = self.every_account_of(company).map(|a| RowId::Account(a.id));
                    let policy = self.policies.get(&company).map(|_| RowId::Policy(company));
                    let own = accounts.chain(policy).chain(self.company(company).map(|c| RowId::Company(c.id)));
                    rows.extend(own.map(|id| (id, *holder)));
                }
            }
        }
        if !holders.iter().any(|holder| matches!(holder, Holder::Company(_))) {
            return rows;
        }
        let ddis = self.ddis_by_id.values().map(|d| (RowId::Ddi(d.id), Holder::Company(d.company)));
        let extensions = self.extensions_by_id.values().map(|e| (RowId::Extension(e.id), Holder::Company(e.company)));
        let rules = self.rules_by_id.values().map(|r| (RowId::Rule(r.id), Holder::Company(r.company)));
        rows.extend(ddis.chain(extensions).chain(rules).filter(|(_, holder)| holders.contains(holder)));
        rows
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows_len(&self) -> usize {
        let own = self.brands.len() + self.companies.len() + self.policies.len() + self.trunks.trunks.len();
        let of_companies = self.accounts_by_id.len() + self.extensions_by_id.len() + self.ddis_by_id.len();
        own + self.trunks.sets.len() + self.routing.len() + of_companies + self.rules_by_id.len()
    }

    /// Where the stored facts of two images differ, or the ways by which they are found: the first such table, by name.
    /// The change number, the countries, the hooks, the prices and the signers are not looked at.
    #[must_use]
    pub fn difference(&self, other: &Directory) -> Option<&'static str> {
        macro_rules! first_of {
            ($($field:ident)*) => {
                $(if self.$field != other.$field { return Some(stringify!($field)); })*
            };
        }
        first_of!(brands brand_rules companies domains policies accounts accounts_by_id direct extensions);
        first_of!(extensions_by_id ddis ddis_by_id rules rules_by_id trunks routing lists barred);
        None
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
