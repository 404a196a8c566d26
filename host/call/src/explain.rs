//! Why a call went where it went: what the chain was asked, who answered what, and what came of it.

use crate::engine::Output;
use crate::step::Step;
use model::{CallEvent, Decision, Endpoint, Explained, HookReport};

impl Step<'_, '_> {
    /// Tells whoever listens how the question at hand was answered. Where no plugin was asked there is nothing to tell.
    pub(crate) fn explain(&mut self, hooks: Vec<HookReport>, decision: Option<&Decision>, failed: bool) {
        if hooks.is_empty() {
            return;
        }
        let decision = match decision {
            Some(decision) => words(decision),
            None if failed => "default verdict: a plugin failed".to_owned(),
            None => "default verdict: no plugin decided".to_owned(),
        };
        let asked = if self.call.exhausted.is_some() { "exhausted" } else { "route" };
        let explained = Explained {
            call: self.call.id,
            company: self.call.info.company,
            at: self.now(),
            asked: asked.to_owned(),
            callee: self.call.info.callee.user.clone(),
            decision,
            hooks,
        };
        self.desk.out.push_back(Output::Event(CallEvent::Explained(Box::new(explained))));
    }
}

/// A decision in one line.
fn words(decision: &Decision) -> String {
    match decision {
        Decision::Connect(plan) => {
            let step = |s: &model::RingStep| s.targets.iter().map(|t| endpoint(&t.to)).collect::<Vec<_>>().join(" + ");
            format!("connect {}", plan.steps.iter().map(step).collect::<Vec<_>>().join(", then "))
        }
        Decision::Redirect(contacts) => format!("redirect to {}", contacts.join(", ")),
        Decision::Refuse(refusal) => format!("refuse {} {}", refusal.sip, refusal.reason),
        Decision::App { name, .. } => format!("app {name}"),
        Decision::Reroute { callee, .. } => format!("reroute to {callee}"),
    }
}

fn endpoint(to: &Endpoint) -> String {
    match to {
        Endpoint::Account(name) => format!("account {name}"),
        Endpoint::Uri(uri) => uri.clone(),
        Endpoint::Trunk { name, number, .. } => format!("{number} by trunk {name}"),
    }
}
