//! A callee says where else it is (3xx, RFC 3261 section 8.1.3.4): its contacts become targets of the running step.
//!
//! Followed is what stays inside the plan's rights: from an account only to accounts of its own company, and from a peer
//! that the plan named by address also to literal addresses. Anything else is a failure like any other, and so is a
//! status that the step's `advance_on` names: the plan wants it for itself.

use crate::identity::Forwarded;
use crate::leg::{Ending, LegNo};
use crate::step::Step;
use model::{Cause, EndedBy, Endpoint, Target};
use sip_message::{Contacts, Message};

impl Step<'_, '_> {
    /// Follows the contacts of a 3xx; `false` where none can be followed.
    pub(crate) fn follow(&mut self, no: LegNo, response: &Message) -> bool {
        let status = response.status().unwrap_or_default();
        let most = self.floors.setup.limits.redirects_max;
        let Some(hunt) = self.hunt_mut().filter(|h| h.ringing.contains(&no)) else { return false };
        if hunt.followed >= most || hunt.advance_on.contains(&status) {
            return false;
        }
        let targets = self.contacts_of(no, response);
        if targets.is_empty() {
            return false;
        }
        let ending = Ending { cause: Cause::Redirected, sip: status, by: EndedBy::Callee };
        self.dialog_gone(no);
        self.end_leg(no, ending);
        if let Some(hunt) = self.hunt_mut() {
            hunt.ringing.retain(|leg| *leg != no);
            hunt.followed += 1;
            if hunt.early == Some(no) {
                hunt.early = None;
            }
        }
        let mut forwarded = self.call.leg(no).map(|l| l.forwarded.clone()).unwrap_or_default();
        let by = self.call.leg(no).map(|l| l.party.clone()).unwrap_or_default();
        forwarded.push(Forwarded { by, reason: "deflection", status });
        self.ring_targets(&targets, &forwarded);
        if self.hunt_mut().is_some_and(|hunt| hunt.ringing.is_empty()) {
            self.next_step();
        }
        true
    }

    /// The contacts that may be followed, best first; of equals in the order given.
    pub(crate) fn contacts_of(&self, no: LegNo, response: &Message) -> Vec<Target> {
        let Ok(Contacts::List(contacts)) = response.contacts() else { return Vec::new() };
        let company = self.call.info.company;
        let domain = self.floors.directory.company(company).map_or("", |c| c.domain.as_str());
        let own = |host: &str| {
            let ours = self.floors.setup.listeners.iter().any(|l| l.local.ip().to_string() == host);
            ours || host.eq_ignore_ascii_case(domain)
        };
        let Some(leg) = self.call.leg(no) else { return Vec::new() };
        let rung = |name: &str| self.call.legs.iter().any(|l| l.account.is_some() && l.party == name);
        let mut found: Vec<(u16, Endpoint)> = Vec::new();
        for contact in contacts {
            let (uri, q) = (contact.uri(), contact.q().unwrap_or(1_000));
            let user = uri.user_unescaped().unwrap_or_default().into_owned();
            let account = self.floors.directory.account(company, &user).filter(|_| uri.is_sip());
            if own(uri.host()) && account.is_some() && !rung(&user) {
                found.push((q, Endpoint::Account(user)));
            } else if leg.account.is_none() && uri.host_ip().is_some() && !own(uri.host()) {
                found.push((q, Endpoint::Uri(uri.as_str().split('?').next().unwrap_or_default().to_owned())));
            }
        }
        found.sort_by_key(|(q, _)| core::cmp::Reverse(*q));
        let room = self.floors.setup.limits.plan_targets_max;
        let target = |to| Target { to, caller_id: None, header_ops: Vec::new() };
        found.into_iter().take(room).map(|(_, to)| target(to)).collect()
    }
}
