//! The rules of a company in the directory, by kind and name.

use super::{BrandRules, StarService, dialled_service};
use super::{
    Calendar, CallAcl, CallFilter, ConditionalRoute, HuntGroup, MatchList, OutgoingDdiRules, RouteLock, Rule, RuleBody,
    RuleKind, Schedule,
};
use crate::{BrandId, Company, CompanyId, Directory, LookupError};
use std::sync::Arc;

macro_rules! finds {
    ($($(#[$doc:meta])* $find:ident: $kind:ident;)*) => {
        impl Directory {
            $($(#[$doc])*
            #[must_use]
            pub fn $find(&self, company: CompanyId, name: &str) -> Option<&$kind> {
                let found = self.rule(company, RuleKind::$kind, name)?;
                if let RuleBody::$kind(body) = &found.body { Some(body) } else { None }
            })*
        }
    };
}

finds! {
    /// A match list of a company.
    match_list: MatchList;
    /// A schedule of a company.
    schedule: Schedule;
    /// A calendar of a company.
    calendar: Calendar;
    /// A call filter of a company.
    call_filter: CallFilter;
    /// A call ACL of a company.
    call_acl: CallAcl;
    /// A hunt group of a company.
    hunt_group: HuntGroup;
    /// A conditional route of a company.
    conditional_route: ConditionalRoute;
    /// A route lock of a company.
    route_lock: RouteLock;
    /// Rules about the number shown of a company.
    outgoing_ddi_rules: OutgoingDdiRules;
}

impl Directory {
    /// The same snapshot with these rules.
    ///
    /// # Errors
    /// [`LookupError::Dangling`] when a rule's company or a rule that it names is missing.
    pub fn with_rules(mut self, rules: Vec<Rule>) -> Result<Directory, LookupError> {
        let ids: Vec<_> = rules.iter().map(|rule| rule.id).collect();
        for rule in rules {
            self.put_rule(rule)?;
        }
        self.check_rules(&ids)?;
        Ok(self)
    }

    /// A rule of a company.
    pub(crate) fn rule(&self, company: CompanyId, kind: RuleKind, name: &str) -> Option<&Arc<Rule>> {
        self.rules.find(|(c, k, n)| (*c, *k, &**n).cmp(&(company, kind, name)))
    }

    /// With what these brands say about their companies; the others say nothing.
    #[must_use]
    pub fn with_brand_rules(mut self, rules: impl IntoIterator<Item = (BrandId, BrandRules)>) -> Directory {
        self.brand_rules = rules.into_iter().map(|(brand, rules)| (brand, Arc::new(rules))).collect();
        self
    }

    /// What a brand says about its companies.
    #[must_use]
    pub fn brand_rules(&self, brand: BrandId) -> &BrandRules {
        static NOTHING: BrandRules = BrandRules::NOTHING;
        self.brand_rules.get(&brand).map_or(&NOTHING, |rules| rules)
    }

    /// The service that an account of this company has dialled, with what follows its code.
    #[must_use]
    pub fn dialled_service<'d>(&self, company: &Company, dialled: &'d str) -> Option<(StarService, &'d str)> {
        dialled_service(&[&company.rules.services, &self.brand_rules(company.brand).services], dialled)
    }

    /// The lock of a company that a service code throws when this follows it.
    #[must_use]
    pub fn lock_by_code(&self, company: CompanyId, code: &str) -> Option<(&str, &RouteLock)> {
        let locks = (company, RuleKind::RouteLock);
        let of = self.rules.starting(move |(c, kind, _)| (*c, *kind).cmp(&locks));
        let of = of.take_while(move |((c, kind, _), _)| (*c, *kind) == locks);
        of.filter_map(|(_, rule)| match &rule.body {
            RuleBody::RouteLock(lock) => Some((rule.name.as_str(), lock)),
            RuleBody::MatchList(_)
            | RuleBody::Schedule(_)
            | RuleBody::Calendar(_)
            | RuleBody::CallFilter(_)
            | RuleBody::CallAcl(_)
            | RuleBody::HuntGroup(_)
            | RuleBody::ConditionalRoute(_)
            | RuleBody::OutgoingDdiRules(_) => None,
        })
        .find(|(_, lock)| lock.code.as_deref() == Some(code))
    }
}
