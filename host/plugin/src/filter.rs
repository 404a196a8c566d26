//! The filters of a message: binding after binding, each seeing what those before it have changed.

use crate::Point;
use crate::binding::{Bound, Generation, Whom};
use crate::bindings::sip_filter::exports::strowger::hooks::sip_filter as wit;
use crate::chain::{Failure, settle};
use crate::hook::{Asked, Heard, Invocation, Said};
use crate::host::Shared;
use crate::rules::{self, Broken, Checked};
use crate::tiers::Heavy;
use model::{
    Directory, EdgeAt, FilterAnswer, FilterMessage, FilterReach, FilterVerdict, HeaderOp, HookReport, Limits, Names,
    apply_ops, is_filterable,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// One run through the filters.
pub(crate) struct AskFilter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) deadline: Instant,
}

/// What one filter said, checked.
enum Opinion {
    Pass(Vec<HeaderOp>),
    Refuse(u16, String),
}

/// Whose filters a message passes.
pub(crate) fn whom(message: &FilterMessage) -> Whom {
    let account = match message.edge.at {
        EdgeAt::Account(id) => Some(id),
        EdgeAt::Trunk(_) => None,
    };
    Whom { brand: message.edge.brand, company: message.edge.company, account }
}

/// The filters that a message passes, in order.
pub(crate) fn chain<'g>(
    generation: &'g Generation,
    message: &'g FilterMessage,
) -> impl Iterator<Item = &'g Arc<Bound>> {
    let covers = |bound: &&Arc<Bound>| {
        bound.filter.as_ref().is_some_and(|reach| reach.covers(message.edge.at, &message.edge_name))
    };
    generation.chain_at(Point::SipFilter, whom(message)).filter(covers)
}

impl AskFilter {
    /// Asks every filter in turn; the first refusal ends it, and so does a mandatory one that cannot judge.
    pub(crate) async fn run(self, mut message: FilterMessage, heavy: Heavy) -> FilterAnswer {
        let mut answer = FilterAnswer { verdict: FilterVerdict::Pass(Vec::new()), hooks: Vec::new() };
        let mut changes: Vec<HeaderOp> = Vec::new();
        let generation = Arc::clone(&self.generation);
        let bound: Vec<Arc<Bound>> = chain(&generation, &message).map(Arc::clone).collect();
        for bound in &bound {
            let began = Instant::now();
            let invocation = Invocation {
                shared: &self.shared,
                bound,
                directory: &self.directory,
                brand: message.edge.brand,
                company: message.edge.company,
                call: Some(message.edge.call),
                deadline: self.deadline,
                cpu: self.shared.config.hook_cpu,
                heavy: &heavy,
            };
            let room = self.shared.limits.filter_ops_max.saturating_sub(changes.len());
            let check = |said| checked(said, &message, (room, &self.shared.limits));
            let Heard { said, warm } = invocation.ask(Asked::Filter(&message), check).await;
            let took = began.elapsed();
            settle(bound, said.as_ref().err());
            bound.counters.took(took);
            let (outcome, opinion) = match said {
                Ok(Ok(opinion)) => (words(&opinion), Some(opinion)),
                Ok(Err(words)) => (format!("err: {words}"), None),
                Err(failure) => (failure.words(), None),
            };
            let (binding, plugin) = (bound.spec.name.clone(), bound.spec.plugin.clone());
            answer.hooks.push(HookReport { binding, plugin, outcome, took, warm });
            match opinion {
                Some(Opinion::Pass(ops)) => {
                    apply_ops(&mut message.headers, &ops);
                    changes.extend(ops);
                }
                Some(Opinion::Refuse(sip, reason)) => {
                    answer.verdict = FilterVerdict::Refuse(sip, reason);
                    return answer;
                }
                // What has not been judged goes no further.
                None if bound.spec.mandatory => {
                    answer.verdict = FilterVerdict::Closed;
                    return answer;
                }
                None => {}
            }
        }
        answer.verdict = FilterVerdict::Pass(changes);
        answer
    }
}

/// Checks an answer: the host never trusts one.
fn checked(
    said: Result<Said, String>,
    message: &FilterMessage,
    (room, limits): (usize, &Limits),
) -> Result<Result<Opinion, String>, Failure> {
    let said = match said {
        Ok(said) => said,
        Err(words) => return Ok(Err(words)),
    };
    let Said::Filtered(said) = said else { return Err(Failure::another_point()) };
    let opinion = match said {
        wit::Verdict::Pass(ops) => rules::header_ops(ops)
            .and_then(|ops| within_reach(ops, room, limits.filter_header_bytes_max))
            .map(Opinion::Pass),
        wit::Verdict::Refuse(_) if !message.is_refusable() => {
            Err(Broken("refuse: only an INVITE that begins a call, on its way in".to_owned()))
        }
        wit::Verdict::Refuse((sip, reason)) => {
            rules::final_failure(sip, &reason).map(|()| Opinion::Refuse(sip, reason))
        }
        wit::Verdict::Other((name, _)) => Err(rules::unknown("verdict", &name)),
    };
    opinion.map(Ok).map_err(|Broken(rule)| Failure::Invalid(rule))
}

/// What filters may do beyond what every change of header fields has to keep.
fn within_reach(ops: Vec<HeaderOp>, room: usize, bytes_max: usize) -> Checked<Vec<HeaderOp>> {
    if ops.len() > room {
        return Err(Broken("filter-ops-max: more changes than one message may have".to_owned()));
    }
    for op in &ops {
        let (name, value) = match op {
            HeaderOp::Add(header) | HeaderOp::Set(header) => (&header.name, header.value.as_str()),
            HeaderOp::Remove(name) => (name, ""),
        };
        if !is_filterable(name) {
            return Err(Broken(format!("header `{name}` is out of a filter's reach")));
        }
        // In its compact form a field would be another one for whoever is asked next.
        if name.len() == 1 {
            return Err(Broken(format!("header `{name}`: write its whole name")));
        }
        if name.len() + value.len() > bytes_max {
            return Err(Broken(format!("header `{name}`: filter-header-bytes-max")));
        }
    }
    Ok(ops)
}

fn words(opinion: &Opinion) -> String {
    match opinion {
        Opinion::Pass(ops) if ops.is_empty() => "pass".to_owned(),
        Opinion::Pass(ops) => format!("pass, changes: {}", ops.len()),
        Opinion::Refuse(sip, _) => format!("refuse {sip}"),
    }
}

/// Which trunks and terminals a binding is for, by its configuration; the error is for whoever binds it.
pub(crate) fn reach(config: &Value, scope: crate::Scope, mandatory: bool) -> Result<FilterReach, String> {
    let names = |key: &str| match config.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(all)) if all == "*" => Ok(Some(Names::All)),
        Some(Value::Array(list)) => {
            let names: Option<_> = list.iter().map(|name| name.as_str().map(str::to_owned)).collect();
            names.map(|names| Some(Names::Only(names))).ok_or_else(|| format!("`{key}`: a list of names, or \"*\""))
        }
        Some(_) => Err(format!("`{key}`: a list of names, or \"*\"")),
    };
    let (trunks, accounts) = (names("trunks")?, names("accounts")?);
    if scope.account.is_some() && (trunks.is_some() || accounts.is_some()) {
        return Err("`trunks` and `accounts`: an account's own binding is for its terminals".to_owned());
    }
    let (trunks, accounts) = match (trunks, accounts) {
        (None, None) => (Names::All, Names::All),
        (trunks, accounts) => (trunks.unwrap_or_default(), accounts.unwrap_or_default()),
    };
    Ok(FilterReach { trunks, accounts, account: scope.account, mandatory })
}
