//! A rater of a ladder: `rater closed`, `rater open 30s` or `rater gone` binds one; `rate > grant 60 20`, `rate > deny 402`
//! and `rate > fails` answer the newest question that has no answer yet; those before it are late then.

use model::{
    BrandId, Directory, Grant, Hooks, RateAnswer, RateKind, RateQuestion, RateVerdict, RaterPolicy, Ticket, Usage,
};
use std::collections::BTreeMap;

/// What it was asked, and what holds where it fails.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    policy: Option<RaterPolicy>,
    asked: Vec<Ticket>,
}

impl Rates {
    pub(crate) fn bind(&mut self, words: &[&str]) {
        self.policy = match words {
            ["gone"] => None,
            ["closed"] => Some(RaterPolicy { open_s: None }),
            ["open", time] => {
                let open_s = u32::try_from(crate::bed::duration(time).as_secs()).ok();
                Some(RaterPolicy { open_s })
            }
            _ => panic!("no such rater: {words:?}"),
        };
    }

    pub(crate) fn join(&self, directory: Directory) -> Directory {
        let Some(policy) = self.policy else { return directory };
        let rater = BTreeMap::from([((BrandId(1), None), policy)]);
        directory.with_hooks(Hooks { rater, ..Hooks::default() })
    }

    pub(crate) fn asked(&mut self, question: &RateQuestion) {
        if question.kind != RateKind::Release {
            self.asked.push(question.ticket);
        }
    }

    pub(crate) fn answer(&mut self, words: &[&str]) -> (Ticket, RateAnswer) {
        // Where nobody has asked the answer is stale.
        let ticket = self.asked.pop().unwrap_or(Ticket(u64::MAX));
        let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("no number: {word}"));
        let verdict = match words {
            ["grant", seconds, recheck] => {
                RateVerdict::Grant(Grant { seconds: number(seconds), recheck_before_s: number(recheck) })
            }
            ["deny", sip] => {
                let sip = sip.parse().unwrap_or_else(|_| panic!("no status: {sip}"));
                RateVerdict::Deny(sip, "No Credit".to_owned())
            }
            ["fails"] => RateVerdict::Failed,
            _ => panic!("no verdict: {words:?}"),
        };
        (ticket, RateAnswer { verdict, hook: None })
    }
}

/// One line for a question.
pub(crate) fn show(question: &RateQuestion) -> String {
    let rated = &question.rated;
    let nth = rated.id.rsplit('.').next().unwrap_or_default();
    let payer = rated.payer.as_deref().unwrap_or("the company");
    match question.kind {
        RateKind::Authorize => {
            let trunk = rated.trunk.as_deref().unwrap_or("no trunk");
            format!("rate < authorize {nth} {} by {trunk} for {payer}", rated.number)
        }
        RateKind::Extend { used, granted_s } => {
            format!("rate < extend {nth} {} used {} of {granted_s} s", rated.number, used.as_secs())
        }
        RateKind::Release => format!("rate < release {nth} {}", rated.number),
    }
}

/// What an ended leg is to be charged for.
pub(crate) fn used(used: &Usage) -> String {
    let unasked = if used.rated.unasked { " unasked" } else { "" };
    format!(" paid as {} for {} ms{unasked}", used.rated.number, used.billed_ms)
}
