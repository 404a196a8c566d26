//! The rater: one binding, asked about one number or one leg. Nothing it says is believed before it is checked, and what
//! it fails at is the policy's business: here it is only told apart from an answer.

use crate::binding::{Bound, Generation, Whom};
use crate::bindings::rater::exports::strowger::billing::rater as wit;
use crate::bindings::rater::strowger::billing::ledger::Money;
use crate::chain::{Failure, settle};
use crate::hook::{Asked, Heard, Invocation, Said};
use crate::host::Shared;
use crate::rules::{self, Broken};
use crate::tiers::Heavy;
use crate::{Point, Scope};
use core::time::Duration;
use model::{
    BrandId, Charge, CompanyId, Directory, GRANT_MAX_S, Grant, HookReport, RateAnswer, RateKind, RateQuestion,
    RateVerdict, Rated, Usage, is_currency,
};
use std::sync::Arc;
use std::time::Instant;

/// Wall time of a settlement, and of a price.
const SETTLE: Duration = Duration::from_secs(10);

/// One question to one rater.
pub(crate) struct AskRater {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bound: Arc<Bound>,
    pub(crate) directory: Arc<Directory>,
}

/// What a call would cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quote {
    /// Whose price: the tenant.
    pub brand: BrandId,
    /// The company.
    pub company: CompanyId,
    /// The number as it is inside.
    pub number: String,
    /// The trunk, where the price depends on it.
    pub trunk: Option<String>,
    /// When it is answered, milliseconds since 1970.
    pub at_ms: u64,
    /// How long it lasts.
    pub billed_ms: u64,
}

impl Generation {
    /// The one rater of a company: its own, else its brand's.
    pub(crate) fn rater(&self, brand: BrandId, company: CompanyId) -> Option<&Arc<Bound>> {
        let own = Whom { brand, company, account: None };
        let narrow = self.chain_at(Point::Rater, own).find(|bound| bound.spec.scope.company.is_some());
        narrow.or_else(|| self.chain_at(Point::Rater, own).next())
    }

    /// The first rater of exactly this scope.
    pub(crate) fn first_rater(&self, scope: Scope) -> Option<&Arc<Bound>> {
        let own = Whom { brand: scope.brand, company: scope.company.unwrap_or(CompanyId(0)), account: None };
        self.chain_at(Point::Rater, own).find(|bound| bound.spec.scope == scope)
    }
}

pub(crate) fn target(rated: &Rated) -> wit::Target {
    wit::Target {
        id: rated.id.clone(),
        number: rated.number.clone(),
        trunk: rated.trunk.clone(),
        payer: rated.payer.clone(),
    }
}

pub(crate) fn usage(used: &Usage, company: &str) -> wit::Usage {
    wit::Usage {
        company: company.to_owned(),
        call_id: used.call.to_string(),
        leg: u32::from(used.leg),
        target: target(&used.rated),
        caller: used.caller.clone(),
        answered_at_ms: used.answered_at.unix_millis(),
        billed_ms: used.billed_ms,
        cause: used.cause.clone(),
    }
}

impl AskRater {
    /// Asks for a grant, or for more of one.
    pub(crate) async fn rate(self, question: RateQuestion, within: Duration, heavy: Heavy) -> RateAnswer {
        let (call, rated) = (&question.call, &question.rated);
        let asked = match question.kind {
            RateKind::Authorize => Asked::Authorize { call, rated },
            RateKind::Extend { used, granted_s } => {
                let used_ms = u64::try_from(used.as_millis()).unwrap_or(u64::MAX);
                Asked::Extend { call, rated, used_ms, granted_s }
            }
            RateKind::Release => Asked::Release(rated),
        };
        let invocation = self.invocation(call.brand, call.company, Some(call.call), within, &heavy);
        let began = Instant::now();
        let Heard { said, warm } = invocation.ask(asked, verdict).await;
        self.count(said.as_ref().err(), began);
        let (outcome, verdict) = match said {
            Ok(Ok(verdict)) => (words(&verdict), verdict),
            Ok(Err(words)) => (format!("err: {words}"), RateVerdict::Failed),
            Err(failure) => (failure.words(), RateVerdict::Failed),
        };
        RateAnswer { verdict, hook: Some(self.report(outcome, began, warm)) }
    }

    /// Asks what a leg costs, and has it charged; the error is in words for a person.
    pub(crate) async fn settle(self, used: Usage, heavy: Heavy) -> Result<Charge, String> {
        let name = self.directory.company(used.company).map(|company| company.name.clone()).unwrap_or_default();
        let invocation = self.invocation(used.brand, used.company, Some(used.call), SETTLE, &heavy);
        let began = Instant::now();
        let said = invocation.ask(Asked::Settle(&used, &name), charge).await.said;
        self.count(said.as_ref().err(), began);
        said.map_err(|failure| failure.words())?
    }

    /// Asks what a leg would cost.
    pub(crate) async fn quote(self, quote: Quote, heavy: Heavy) -> Result<Charge, String> {
        let invocation = self.invocation(quote.brand, quote.company, None, SETTLE, &heavy);
        let began = Instant::now();
        let said = invocation.ask(Asked::Quote(&quote), charge).await.said;
        self.count(said.as_ref().err(), began);
        said.map_err(|failure| failure.words())?
    }

    fn invocation<'a>(
        &'a self,
        brand: BrandId,
        company: CompanyId,
        call: Option<model::CallId>,
        within: Duration,
        heavy: &'a Heavy,
    ) -> Invocation<'a> {
        Invocation {
            shared: &self.shared,
            bound: &self.bound,
            directory: &self.directory,
            brand,
            company,
            call,
            deadline: Instant::now() + within,
            cpu: self.shared.config.app_cpu,
            heavy,
        }
    }

    fn count(&self, failure: Option<&Failure>, began: Instant) {
        settle(&self.bound, failure);
        self.bound.counters.took(began.elapsed());
    }

    fn report(&self, outcome: String, began: Instant, warm: bool) -> HookReport {
        let spec = &self.bound.spec;
        HookReport { binding: spec.name.clone(), plugin: spec.plugin.clone(), outcome, took: began.elapsed(), warm }
    }
}

fn words(verdict: &RateVerdict) -> String {
    match verdict {
        RateVerdict::Grant(grant) => format!("grant {} s", grant.seconds),
        RateVerdict::Deny(sip, _) => format!("deny {sip}"),
        RateVerdict::Failed => "released".to_owned(),
    }
}

/// Checks a verdict; the inner error is a business outcome.
fn verdict(said: Result<Said, String>) -> Result<Result<RateVerdict, String>, Failure> {
    let said = match said {
        Ok(said) => said,
        Err(words) => return Ok(Err(words)),
    };
    let invalid = |Broken(rule)| Failure::Invalid(rule);
    if matches!(said, Said::Released) {
        return Ok(Ok(RateVerdict::Failed));
    }
    let Said::Rate(said) = said else { return Err(Failure::another_point()) };
    match said {
        wit::Verdict::Grant(grant) if (1..=GRANT_MAX_S).contains(&grant.seconds) => {
            let wit::Grant { seconds, recheck_before_s } = grant;
            Ok(Ok(RateVerdict::Grant(Grant { seconds, recheck_before_s })))
        }
        wit::Verdict::Grant(_) => Err(Failure::Invalid(format!("grant: 1 to {GRANT_MAX_S} seconds"))),
        wit::Verdict::Deny(denial) => {
            rules::final_failure(denial.sip, &denial.reason).map_err(invalid)?;
            Ok(Ok(RateVerdict::Deny(denial.sip, denial.reason)))
        }
        wit::Verdict::Other((name, _)) => Err(invalid(rules::unknown("verdict", &name))),
    }
}

/// Checks a charge.
fn charge(said: Result<Said, String>) -> Result<Result<Charge, String>, Failure> {
    let said = match said {
        Ok(said) => said,
        Err(words) => return Ok(Err(words)),
    };
    let Said::Charge(wit::Charge { total, carrier, lines }) = said else { return Err(Failure::another_point()) };
    let whole = |money: &Money| money.micros >= 0 && is_currency(&money.currency);
    if !whole(&total) {
        return Err(Failure::Invalid("charge: zero or more of a currency".to_owned()));
    }
    if carrier.as_ref().is_some_and(|c| !whole(c) || c.currency != total.currency) {
        return Err(Failure::Invalid("charge: the carrier's in the same currency".to_owned()));
    }
    let lines = rules::attrs(lines, None).map_err(|Broken(rule)| Failure::Invalid(rule))?;
    let carrier_micros = carrier.map(|c| c.micros);
    Ok(Ok(Charge { micros: total.micros, carrier_micros, currency: total.currency, lines }))
}
