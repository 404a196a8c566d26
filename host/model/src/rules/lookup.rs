//! The rules of a company in the directory, by kind and name.

use super::{BrandRules, StarService, dialled_service};
use super::{
    Calendar, CallAcl, CallFilter, ConditionalRoute, HuntGroup, MatchList, OutgoingDdiRules, RouteLock, Rule, RuleBody,
    RuleKind, Schedule, Used,
};
use crate::{BrandId, Company, CompanyId, Directory, LookupError};

macro_rules! finds {
    ($($(#[$doc:meta])* $find:ident: $kind:ident;)*) => {
        impl Directory {
            $($(#[$doc])*
            #[must_use]
            pub fn $find(&self, company: CompanyId, name: &str) -> Option<&$kind> {
                let found = self.rules.get(&(company, RuleKind::$kind, name.to_owned()))?;
                if let RuleBody::$kind(body) = found { Some(body) } else { None }
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
        let ids: Vec<_> =
            rules.iter().map(|rule| (rule.id, rule.company, rule.body.kind(), rule.name.clone())).collect();
        for rule in rules {
            if self.company(rule.company).is_none() {
                return Err(LookupError::Dangling { what: "rule", id: rule.id.0, missing: "company" });
            }
            self.rules.insert((rule.company, rule.body.kind(), rule.name), rule.body);
        }
        for (id, company, kind, name) in ids {
            let uses = self.rules.get(&(company, kind, name)).map(RuleBody::uses).unwrap_or_default();
            let missing = uses.into_iter().find_map(|used| match used {
                Used::Rule(kind, name) if !self.rules.contains_key(&(company, kind, name.to_owned())) => Some(kind),
                // An account that is disabled is no defect, and the database keeps the others.
                Used::Rule(..) | Used::Account(_) | Used::Extension(_) | Used::Ddi(_) => None,
            });
            if let Some(kind) = missing {
                return Err(LookupError::Dangling { what: "rule", id: id.0, missing: kind.word() });
            }
        }
        Ok(self)
    }

    /// With what these brands say about their companies; the others say nothing.
    #[must_use]
    pub fn with_brand_rules(mut self, rules: impl IntoIterator<Item = (BrandId, BrandRules)>) -> Directory {
        self.brand_rules = rules.into_iter().collect();
        self
    }

    /// What a brand says about its companies.
    #[must_use]
    pub fn brand_rules(&self, brand: BrandId) -> &BrandRules {
        static NOTHING: BrandRules = BrandRules::NOTHING;
        self.brand_rules.get(&brand).unwrap_or(&NOTHING)
    }

    /// The service that an account of this company has dialled, with what follows its code.
    #[must_use]
    pub fn dialled_service<'d>(&self, company: &Company, dialled: &'d str) -> Option<(StarService, &'d str)> {
        dialled_service(&[&company.rules.services, &self.brand_rules(company.brand).services], dialled)
    }

    /// The lock of a company that a service code throws when this follows it.
    #[must_use]
    pub fn lock_by_code(&self, company: CompanyId, code: &str) -> Option<(&str, &RouteLock)> {
        let from = (company, RuleKind::RouteLock, String::new());
        let of = self.rules.range(from..).take_while(|((c, kind, _), _)| (*c, *kind) == (company, RuleKind::RouteLock));
        of.filter_map(|((_, _, name), body)| match body {
            RuleBody::RouteLock(lock) => Some((name.as_str(), lock)),
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
