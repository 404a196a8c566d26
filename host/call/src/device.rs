//! One device of an account: a GRUU rings it alone (RFC 5627), and if its flow fails its next flow is tried (RFC 5626).

use crate::arrival::sip_uri;
use crate::leg::{Ending, LegNo};
use crate::step::Step;
use crate::target::{Branch, PLAIN};
use model::{AccountId, Cause, Target};
use registrar::{Binding, GruuTarget};

/// A device with several flows, of which one is being tried.
#[derive(Debug)]
pub(crate) struct Flows {
    urn: String,
    /// The contacts tried so far.
    tried: Vec<String>,
    /// What the plan said of it.
    target: Target,
}

/// The branches that a call to this GRUU may use: all, where it is not for their account.
///
/// # Errors
/// [`Cause::NotRegistered`] when the device is away.
pub(crate) fn only(gruu: Option<&GruuTarget>, mut branches: Vec<Branch>) -> Result<Vec<Branch>, Cause> {
    let Some(gruu) = gruu else { return Ok(branches) };
    branches.retain(|b| b.account != Some(gruu.account) || b.is_of(&gruu.urn));
    if branches.is_empty() { Err(Cause::NotRegistered) } else { Ok(branches) }
}

impl Branch {
    /// The INVITE's way to a binding.
    pub(crate) fn of_binding(binding: &Binding, account: AccountId, to: (&str, &str)) -> Branch {
        let (to_uri, party) = to;
        Branch {
            flow: binding.flow,
            request_uri: binding.contact.clone(),
            route_set: binding.path.clone(),
            to_uri: to_uri.to_owned(),
            account: Some(account),
            q: binding.q,
            party: party.to_owned(),
            policy: PLAIN,
            carrier: None,
            device: binding.instance.as_ref().map(|i| (i.urn.clone(), i.reg_id)),
        }
    }
}

impl Branch {
    fn is_of(&self, urn: &str) -> bool {
        self.device.as_ref().is_some_and(|(own, _)| own.eq_ignore_ascii_case(urn))
    }

    /// The device's flows, where it has several: its reg-id says so.
    pub(crate) fn flows(&self, target: &Target) -> Option<Box<Flows>> {
        let (urn, _) = self.device.as_ref().filter(|(_, reg_id)| *reg_id != 0)?;
        Some(Box::new(Flows { urn: urn.clone(), tried: vec![self.request_uri.clone()], target: target.clone() }))
    }
}

/// Whether this failure says that the flow is dead, not that the phone refuses: a proxy on the path says so (430), it
/// did not answer (408), or it could not be sent (503).
const fn is_flow_dead(status: u16, by_remote: bool) -> bool {
    status == 430 || (!by_remote && matches!(status, 408 | 503))
}

impl Step<'_, '_> {
    /// The branch failed: where that was its flow's fault and the device has another flow, that one rings now
    /// (RFC 5626 section 7). Whether one does.
    pub(crate) fn next_flow(&mut self, no: LegNo, ending: &Ending, by_remote: bool) -> bool {
        if !is_flow_dead(ending.sip, by_remote) {
            return false;
        }
        let Some(leg) = self.call.leg_mut(no) else { return false };
        let (Some(account), Some(mut flows)) = (leg.account, leg.flows.take()) else { return false };
        let (party, forwarded) = (leg.party.clone(), leg.forwarded.clone());
        if ending.sip == 430
            && let Some(contact) = flows.tried.last()
        {
            self.floors.registrar.flow_failed(account, contact);
        }
        let Some(next) = self.floors.registrar.next_flow(account, &flows.urn, &flows.tried, self.floors.now) else {
            return false;
        };
        let domain = self.floors.directory.company(self.call.info.company).map_or("", |c| c.domain.as_str());
        let branch = Branch::of_binding(next, account, (&sip_uri(&party, domain), &party));
        flows.tried.push(branch.request_uri.clone());
        self.end_leg(no, *ending);
        let Some(hunt) = self.hunt_mut() else { return true };
        hunt.left(no);
        let target = flows.target.clone();
        if let Some(leg) = self.ring_branch(&target, branch, &forwarded).and_then(|new| self.call.leg_mut(new)) {
            leg.flows = Some(flows);
        }
        if self.hunt_mut().is_some_and(|h| h.ringing.is_empty()) {
            self.next_step();
        }
        true
    }
}
