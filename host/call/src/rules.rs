//! What the tenant's own rules make of a call, before a plugin is asked and after it has answered. What they say is in
//! `policy`; here is when it is asked and what is done about it.
//!
//! Before: an emergency number goes straight to its trunks; a call from outside passes its number's filter. After: who
//! pays must be allowed to call a trunk's number, an account that is full is busy, and an account that a plan rings all
//! alone has its forwards. Where a plan rings several, in whatever order, it is a group: forwards of its members would
//! take the call away from the others.

use crate::announcing::Then;
use crate::arrival::callee_party;
use crate::engine::Engine;
use crate::floors::Floors;
use crate::hunt::Hunt;
use crate::identity::Forwarded;
use crate::leg::Ending;
use crate::outward::ByRoutes;
use crate::routes::{Gathering, Grouped};
use crate::step::Step;
use crate::target::{self, Branch};
use model::{
    Account, AccountId, Cause, CauseInfo, Company, CompanyKind, Ddi, DdiChoice, Decision, Endpoint, ForwardWhen, Local,
    RingPlan, RouteTagId, RowId, Target, Way,
};
use policy::{Coming, Dialled, Direction, Filtered, Origin};
use std::sync::Arc;

/// Who pays for what goes outside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payer {
    /// The account that forwarded last.
    Account(AccountId),
    /// The company: its number, its filter or its group leads outside.
    Company,
}

/// What rules have made of a call so far.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// It is for an emergency number: nothing of the tenant's stands before it.
    emergency: bool,
    /// Who pays, where that is not the caller.
    payer: Option<Payer>,
    /// The company's number that was called from outside.
    ddi: Option<String>,
    /// The number to show outside that the caller has chosen by what it dialled before the number.
    choice: Option<DdiChoice>,
    /// The routing tag that the caller has dialled before the number.
    pub(crate) tag: Option<RouteTagId>,
    /// The running plan is one of outgoing routes.
    pub(crate) by_routes: Option<ByRoutes>,
    /// The hunt group whose plan runs.
    group: Option<Grouped>,
    /// What a group that shall ring waits for.
    pub(crate) gathering: Option<Gathering>,
    /// Which accounts have forwarded it, in order.
    pub(crate) forwarded: Vec<Forwarded>,
    /// The account that the running plan rings alone.
    rung: Option<AccountId>,
}

impl Course {
    /// The call goes on by itself from here.
    pub(crate) fn leaves_group(&mut self) {
        self.group = None;
    }

    /// A group's plan is about to run.
    pub(crate) fn enters_group(&mut self, group: Grouped) {
        self.rung = None;
        self.by_routes = None;
        self.group = Some(group);
    }

    /// The group whose plan has run out.
    pub(crate) fn group_over(&mut self) -> Option<Grouped> {
        self.group.take()
    }

    /// Whether a phone that rang in vain shall show no missed call.
    pub(crate) fn hides_missed_calls(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.hides_missed_calls)
    }

    /// The company pays from here, unless an account does already.
    pub(crate) fn company_pays(&mut self) {
        self.payer.get_or_insert(Payer::Company);
    }

    /// Somebody of the company pays who does not call.
    pub(crate) const fn has_payer(&self) -> bool {
        self.payer.is_some()
    }

    pub(crate) const fn is_emergency(&self) -> bool {
        self.emergency
    }
}

impl Engine {
    /// Why the tenant has no room for this call; there is always some for an emergency.
    /// `outward` is the account that calls, and what it dials.
    pub(crate) fn tenant_full(
        &self,
        floors: &Floors<'_>,
        company: &Company,
        outward: Option<(&Account, &str)>,
    ) -> Option<Cause> {
        let [brand, of_company] = self.calls_of(floors, company);
        let Some((account, dialled)) = outward else {
            return policy::full(Direction::In, &[brand, of_company]);
        };
        if policy::emergency(&company.rules, dialled).is_some() {
            return None;
        }
        let of_account = (self.desk.lamps.calls_of(account.id, None), account.rules.calls_max);
        policy::full(Direction::Out, &[brand, of_company, of_account])
    }

    /// Whether the company has no room for a call to this number that a transfer asks for. The account that transfers is
    /// in a call already, which does not count against it.
    pub(crate) fn transfer_full(&self, floors: &Floors<'_>, company: &Company, number: Option<&str>) -> bool {
        let emergency = number.is_some_and(|number| policy::emergency(&company.rules, number).is_some());
        !emergency && policy::full(Direction::Out, &self.calls_of(floors, company)).is_some()
    }

    /// How many calls its brand and the company have, and how many they may have.
    fn calls_of(&self, floors: &Floors<'_>, company: &Company) -> [(usize, Option<u32>); 2] {
        let of_brand = self.per_brand.get(&company.brand).copied().unwrap_or(0);
        let of_company = self.per_company.get(&company.id).copied().unwrap_or(0);
        [(of_brand, floors.directory.brand_rules(company.brand).calls_max), (of_company, company.calls_max)]
    }
}

impl Step<'_, '_> {
    /// A call begins.
    pub(crate) fn begin_routing(&mut self) {
        if self.calls_for_help() {
            return;
        }
        match self.tag_dialled() {
            // A tag changes nothing about who is called for help.
            Ok(()) if self.call.course.tag.is_some() && self.calls_for_help() => return,
            Ok(()) => {}
            Err(cause) => return self.end_call(Ending::switch(cause)),
        }
        self.call.course.ddi = self.number_called().map(|ddi| ddi.e164.clone());
        if let Some(name) = self.number_called().map(|ddi| ddi.display_name.clone()).filter(|name| !name.is_empty()) {
            self.call.info.caller.display = Some(name);
        }
        match self.filtered() {
            Some((word, Some(way), prompt)) => {
                self.merge_attrs(vec![("filter".to_owned(), word.to_owned())]);
                self.announce(prompt, Then::Away(way));
            }
            Some((_, None, prompt)) => self.announce(prompt, Then::Route),
            None => self.routes_on(),
        }
    }

    /// The number's filter has let the call through, or there is none.
    pub(crate) fn routes_on(&mut self) {
        self.number_chosen();
        match self.number_dialled() {
            Ok(()) if self.throws_lock() || self.parks_itself() => {}
            Ok(()) => self.ask_route(),
            Err(cause) => self.end_call(Ending::switch(cause)),
        }
    }

    /// Rings the emergency number that an account has dialled, if it is one.
    fn calls_for_help(&mut self) -> bool {
        let Some(plan) = self.emergency() else { return false };
        self.call.course.emergency = true;
        self.bypass_filters();
        self.obey(Decision::Connect(plan));
        true
    }

    /// Whom to ring, where an account calls an emergency number.
    fn emergency(&self) -> Option<RingPlan> {
        self.call.info.account.as_ref()?;
        let rules = &self.own_company()?.rules;
        policy::emergency(rules, &self.call.info.callee.user).map(policy::emergency_plan)
    }

    /// The company's number that a call from outside is for.
    fn number_called(&self) -> Option<&Arc<Ddi>> {
        let from_outside = self.call.info.account.is_none();
        let info = &self.call.info;
        self.floors.directory.ddi(&info.callee.user).filter(|ddi| ddi.company == info.company && from_outside)
    }

    /// What the number's filter says of a call from outside: why, where it goes instead of where the number leads, and
    /// what is heard first.
    fn filtered(&self) -> Option<(&'static str, Option<Way>, Option<String>)> {
        let (directory, company) = (self.floors.directory, self.own_company()?);
        let filter = directory.call_filter(company.id, self.number_called()?.call_filter.as_ref()?)?;
        let now = self.local();
        let answer = policy::filter(directory, company.id, filter, &self.call.info.caller.user, &now);
        let prompt = answer.prompt.map(str::to_owned);
        Some(match answer.goes {
            Filtered::Through(why) => (why.word(), None, prompt),
            Filtered::Away(why, way) => (why.word(), Some(way), prompt),
        })
    }

    pub(crate) fn own_company(&self) -> Option<&Arc<Company>> {
        self.floors.directory.company(self.call.info.company)
    }

    /// The company's local time.
    fn local(&self) -> Local {
        policy::local(self.own_company().and_then(|company| company.rules.time_zone.as_deref()), self.now())
    }

    fn origin(&self) -> Origin {
        if self.call.info.account.is_some() { Origin::Internal } else { Origin::External }
    }

    /// The account that a plan rings all alone. A call back to whoever transferred or parked is for that one.
    fn rung_alone(&self, plan: &RingPlan) -> Option<Arc<Account>> {
        let ([step], false) = (plan.steps.as_slice(), self.call.serves.as_ref().is_some_and(|s| s.recall)) else {
            return None;
        };
        match step.targets.as_slice() {
            [target] => match &target.to {
                Endpoint::Account(name) => self.floors.directory.account(self.call.info.company, name).cloned(),
                Endpoint::Uri(_) | Endpoint::Trunk { .. } => None,
            },
            _ => None,
        }
    }

    /// A plan is about to be carried out: `true` where a forward has taken the call elsewhere. An account with a forward
    /// for no answer rings no longer than that says.
    pub(crate) fn forwards_first(&mut self, plan: &mut RingPlan) -> bool {
        let account = self.rung_alone(plan);
        self.call.course.rung = account.as_ref().map(|account| account.id);
        let Some(account) = account else { return false };
        if self.sent_to_assistant(&account) || self.forward(&account, ForwardWhen::Unconditional) {
            return true;
        }
        let now = self.local();
        for step in &mut plan.steps {
            let coming = self.coming(&now);
            step.ring_timeout = policy::ring_at_most(self.floors.directory, &account, coming, step.ring_timeout);
        }
        false
    }

    /// A plan has run out: `true` where a forward of the account that it rang has taken the call elsewhere.
    pub(crate) fn forwards_after(&mut self, hunt: &Hunt) -> bool {
        let Some(id) = self.call.course.rung.take() else { return false };
        let Some(account) = self.floors.directory.account_by_id(id).cloned() else { return false };
        let tried: Vec<CauseInfo> = hunt.tried.iter().map(|(_, cause)| cause.clone()).collect();
        policy::what_happened(&tried).is_some_and(|when| self.forward(&account, when))
    }

    /// A call to a boss goes to the assistant, whose own forwards then count.
    fn sent_to_assistant(&mut self, boss: &Account) -> bool {
        let info = &self.call.info;
        let found = policy::goes_to_assistant(self.floors.directory, boss, info.account.as_deref(), &info.caller.user);
        let Some(assistant) = found.map(str::to_owned) else { return false };
        self.reroute(&assistant, vec![("boss".to_owned(), boss.username.clone())]);
        true
    }

    fn coming<'a>(&'a self, now: &'a Local) -> Coming<'a> {
        Coming { origin: self.origin(), ddi: self.call.course.ddi.as_deref(), now }
    }

    /// Follows an account's forward, if it has one for this: from now on the account pays.
    fn forward(&mut self, account: &Account, when: ForwardWhen) -> bool {
        let now = self.local();
        let found = policy::forward(self.floors.directory, account, when, self.coming(&now));
        let Some(forward) = found.cloned() else { return false };
        if self.call.course.forwarded.len() >= self.floors.setup.limits.redirects_max {
            self.end_call(Ending::switch(Cause::LoopDetected));
            return true;
        }
        let shown = self.own_company().and_then(|c| policy::outgoing_ddi(self.floors.directory, c, account));
        let by = shown.unwrap_or(&account.username).to_owned();
        let course = &mut self.call.course;
        course.forwarded.push(Forwarded { by, reason: when.reason(), status: when.status() });
        course.payer = Some(Payer::Account(account.id));
        course.rung = None;
        let attrs = [("forwarded-by", account.username.as_str()), ("forward", when.reason())];
        self.merge_attrs(attrs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        self.send(forward.to);
        true
    }

    /// Whether whoever pays may call a public number by a trunk: the account that forwarded, else the one that calls or
    /// transfers. A call from outside that nobody forwarded is the plugin's own affair.
    ///
    /// # Errors
    /// [`Cause::NotPermitted`].
    pub(crate) fn may_call(&self, number: &str) -> Result<(), Cause> {
        if self.call.course.emergency {
            return Ok(());
        }
        let directory = self.floors.directory;
        let by_account = |payer: Option<&Arc<Account>>| {
            payer.zip(self.own_company()).is_some_and(|(payer, c)| policy::may_call(directory, c, payer, number))
        };
        let may = match (self.call.course.payer, self.call.info.account.as_ref()) {
            (None, None) => !directory.is_barred(RowId::Company(self.call.info.company)),
            (Some(Payer::Company), _) => {
                self.own_company().is_some_and(|company| policy::company_may_call(directory, company, number))
            }
            (Some(Payer::Account(id)), _) => by_account(directory.account_by_id(id).filter(|account| account.enabled)),
            (None, Some(name)) => by_account(directory.account(self.call.info.company, name)),
        };
        if may { Ok(()) } else { Err(Cause::NotPermitted) }
    }

    /// Whether it is for an emergency number.
    pub(crate) fn is_emergency(&self) -> bool {
        self.call.course.emergency
    }

    /// The account at whose cost it is: who forwarded last, else who calls or transfers.
    pub(crate) fn payer_name(&self) -> Option<String> {
        match self.call.course.payer {
            Some(Payer::Account(id)) => self.floors.directory.account_by_id(id).map(|account| account.username.clone()),
            Some(Payer::Company) => None,
            None => self.call.info.account.clone(),
        }
    }

    /// The public number that the calling account is shown by where it calls `number`.
    pub(crate) fn outgoing_ddi(&self, number: &str) -> Option<String> {
        let name = self.call.info.account.as_ref()?;
        let (directory, company) = (self.floors.directory, self.own_company()?);
        let account = directory.account(company.id, name)?;
        let choice = self.call.course.choice.as_ref();
        // What others' telephone systems and homes present is theirs by now; a carrier's word is its own.
        let presented = &self.call.info.caller.user;
        let own = || directory.ddi(presented).is_some_and(|ddi| ddi.company == company.id);
        match company.kind {
            CompanyKind::Wholesale => None,
            CompanyKind::Residential | CompanyKind::Retail if own() => Some(presented.clone()),
            CompanyKind::Vpbx | CompanyKind::Residential | CompanyKind::Retail => {
                policy::shown_to(directory, company, account, choice, number)
            }
        }
    }

    /// What an account has dialled becomes a public number where it is one.
    ///
    /// # Errors
    /// [`Cause::NotFound`]: a client that is no telephone system has dialled no public number.
    fn number_dialled(&mut self) -> Result<(), Cause> {
        let Some(company) = self.own_company().filter(|_| self.call.info.account.is_some()) else { return Ok(()) };
        match policy::classify(self.floors.directory, company, &self.call.info.callee.user) {
            Dialled::Starred | Dialled::Internal => Ok(()),
            Dialled::External(number) => {
                self.call.info.callee = callee_party(&number, &company.domain.clone());
                Ok(())
            }
            Dialled::Unknown if company.kind.has_extensions() => Ok(()),
            Dialled::Unknown => Err(Cause::NotFound),
        }
    }

    /// Whether a client that shows nothing but public numbers has one to show where it calls `number`.
    ///
    /// # Errors
    /// [`Cause::NoNumberToShow`].
    pub(crate) fn has_number_to_show(&self, target: &Target, number: &str) -> Result<(), Cause> {
        let retail = self.own_company().is_some_and(|company| company.kind == CompanyKind::Retail);
        let by_account = self.call.info.account.is_some() && !self.call.course.emergency;
        if retail && by_account && target.caller_id.is_none() && self.outgoing_ddi(number).is_none() {
            return Err(Cause::NoNumberToShow);
        }
        Ok(())
    }

    /// A caller may choose the number it is shown by with what it dials before the number: that is taken off.
    fn number_chosen(&mut self) {
        let Some(name) = self.call.info.account.as_ref() else { return };
        let (directory, dialled) = (self.floors.directory, self.call.info.callee.user.as_str());
        let account = directory.account(self.call.info.company, name).zip(self.own_company());
        let found = account.and_then(|(account, company)| policy::chosen(directory, company, account, dialled));
        let Some((number, choice)) = found.map(|(number, choice)| (number.to_owned(), choice.clone())) else { return };
        let domain = self.own_company().map_or("", |company| company.domain.as_str());
        self.call.info.callee = callee_party(&number, domain);
        self.call.course.choice = Some(choice);
    }

    /// Every place `endpoint` stands for, best first.
    ///
    /// # Errors
    /// The cause that its branch fails with: the account has as many calls as it may, or is not to be disturbed, or see
    /// [`target::branches`].
    pub(crate) fn branches(&self, endpoint: &Endpoint) -> Result<Vec<Branch>, Cause> {
        let company = self.call.info.company;
        if let Endpoint::Account(name) = endpoint
            && let Some(account) = self.floors.directory.account(company, name)
        {
            let own = self.call.serves.as_ref().is_some_and(|serves| serves.recall);
            if account.rules.do_not_disturb && !own {
                return Err(Cause::DoNotDisturb);
            }
            let calls = self.desk.lamps.calls_of(account.id, Some(self.call.id));
            if let Some(cause) = policy::full(Direction::In, &[(calls, account.rules.calls_max)]) {
                return Err(cause);
            }
        }
        target::branches(self.floors, company, endpoint)
    }
}
