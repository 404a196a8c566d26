//! The registration chain: binding after binding, until one objects or time is over.

use crate::Point;
use crate::binding::{Generation, Whom};
use crate::bindings::registration::exports::strowger::hooks::registration as wit;
use crate::chain::{Failure, settle};
use crate::hook::{Asked, Heard, Invocation, Said};
use crate::host::Shared;
use crate::rules::{self, Broken};
use crate::tiers::Heavy;
use model::{Attr, Directory, HookReport, RegisterAnswer, RegisterAttempt, RegisterVerdict};
use std::sync::Arc;
use std::time::Instant;

/// One run through the chain.
pub(crate) struct AskRegister {
    pub(crate) shared: Arc<Shared>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) whom: Whom,
    pub(crate) deadline: Instant,
}

/// What one hook said, checked.
enum Opinion {
    Next(Vec<Attr>),
    AtMost(u32),
    Refuse(u16, String),
}

impl AskRegister {
    /// Asks every binding in turn. The shortest of the times they allow holds; the first refusal ends it.
    pub(crate) async fn run(self, attempt: RegisterAttempt, heavy: Heavy) -> RegisterAnswer {
        let mut answer = RegisterAnswer { verdict: RegisterVerdict::Pass, hooks: Vec::new() };
        let mut attrs = Vec::new();
        for bound in self.generation.chain_at(Point::Registration, self.whom) {
            let began = Instant::now();
            let invocation = Invocation {
                shared: &self.shared,
                bound,
                directory: &self.directory,
                brand: attempt.brand,
                company: attempt.company,
                call: None,
                deadline: self.deadline,
                cpu: self.shared.config.hook_cpu,
                heavy: &heavy,
            };
            let asked = Asked::Register { attempt: &attempt, attrs: &attrs };
            let Heard { said, warm } = invocation.ask(asked, |said| checked(said, &bound.spec.name)).await;
            let took = began.elapsed();
            settle(bound, said.as_ref().err());
            bound.counters.took(took);
            let (outcome, opinion) = match said {
                Ok(Ok(opinion)) => (words(&opinion), opinion),
                // A check that says it cannot judge has not been passed.
                Ok(Err(words)) if bound.spec.mandatory => {
                    (format!("err: {words}"), Opinion::Refuse(503, "A mandatory check failed".to_owned()))
                }
                Ok(Err(words)) => (format!("err: {words}"), Opinion::Next(Vec::new())),
                Err(failure) if bound.spec.mandatory => {
                    (failure.words(), Opinion::Refuse(503, "A mandatory check failed".to_owned()))
                }
                Err(failure) => (failure.words(), Opinion::Next(Vec::new())),
            };
            let (binding, plugin) = (bound.spec.name.clone(), bound.spec.plugin.clone());
            answer.hooks.push(HookReport { binding, plugin, outcome, took, warm });
            match opinion {
                Opinion::Next(left) => attrs.extend(left),
                Opinion::AtMost(s) => {
                    let before = match answer.verdict {
                        RegisterVerdict::AtMost(before) => before,
                        RegisterVerdict::Pass | RegisterVerdict::Refuse(..) => u32::MAX,
                    };
                    answer.verdict = RegisterVerdict::AtMost(s.min(before));
                }
                Opinion::Refuse(sip, reason) => {
                    answer.verdict = RegisterVerdict::Refuse(sip, reason);
                    break;
                }
            }
        }
        answer
    }
}

/// Checks an answer: the host never trusts one.
fn checked(said: Result<Said, String>, binding: &str) -> Result<Result<Opinion, String>, Failure> {
    let said = match said {
        Ok(said) => said,
        Err(words) => return Ok(Err(words)),
    };
    let Said::Verdict(said) = said else { return Err(Failure::another_point()) };
    let invalid = |Broken(rule)| Failure::Invalid(rule);
    Ok(Ok(match said {
        wit::Verdict::Next(attrs) => Opinion::Next(rules::attrs(attrs, Some(binding)).map_err(invalid)?),
        wit::Verdict::AtMost(0) => return Err(Failure::Invalid("at-most: 1 or more".to_owned())),
        wit::Verdict::AtMost(s) => Opinion::AtMost(s),
        wit::Verdict::Refuse((sip, reason)) => {
            rules::final_failure(sip, &reason).map_err(invalid)?;
            Opinion::Refuse(sip, reason)
        }
        wit::Verdict::Other((name, _)) => return Err(invalid(rules::unknown("verdict", &name))),
    }))
}

fn words(opinion: &Opinion) -> String {
    match opinion {
        Opinion::Next(_) => "next".to_owned(),
        Opinion::AtMost(s) => format!("at-most {s}"),
        Opinion::Refuse(sip, _) => format!("refuse {sip}"),
    }
}
