//! A call by a trunk: a place in the trunk, one server after the other, the number and the caller as the carrier wants
//! them (RFC 3261 section 16.7 for what counts as the server's failure, RFC 3325 and 5806 for identities).
//!
//! The trunk's layer says which servers there are and in what order; the servers of one target are tried one after the
//! other, each as a leg of its own, and the plan goes on when none is left.

use crate::arrival::sip_uri;
use crate::leg::{Ending, LegNo, Progress};
use crate::proving::OurWord;
use crate::step::{Step, cause_info};
use crate::target::Branch;
use core::time::Duration;
use model::{
    Cause, CauseInfo, DdiRecording, EndedBy, Endpoint, Flow, HeaderPolicy, Target, TranslationLists, Trunk, TrunkId,
};
use sip_dialog::{Carrier, Failed, IdentityKey};
use sip_message::Name;
use sip_trunk::{Full, Outcome, Route};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a leg has to do with a trunk.
///
/// # Invariants
/// While a live leg has one, it holds one place in the trunk.
#[derive(Debug)]
pub(crate) struct OnTrunk {
    pub(crate) id: TrunkId,
    /// Its media passes through the switch.
    pub(crate) anchor: bool,
    /// How it went out; `None` for a call that came in.
    pub(crate) out: Option<Outbound>,
}

impl OnTrunk {
    /// The number that it went out to; `None` for a call that came in.
    pub(crate) fn number(&self) -> Option<&str> {
        self.out.as_ref().map(|out| out.number.as_str())
    }
}

/// An INVITE to a carrier's server, and what is left to try.
#[derive(Debug)]
pub(crate) struct Outbound {
    flow: Flow,
    rest: VecDeque<Route>,
    target: Target,
    trunk: Arc<Trunk>,
    number: String,
}

/// A leg to a carrier that is about to be sent.
#[derive(Debug)]
pub(crate) struct ToCarrier {
    pub(crate) on: OnTrunk,
    /// The caller's number as the carrier sees it.
    pub(crate) shown: String,
    /// The host part of From and of the identity headers.
    pub(crate) host: String,
    /// The user part of From instead of the number.
    pub(crate) from_user: Option<String>,
    /// The number shown wants its calls recorded.
    pub(crate) taped: bool,
    /// That the caller may show its number.
    pub(crate) word: Option<OurWord>,
    pub(crate) carrier: Carrier,
}

impl Step<'_, '_> {
    /// Rings a number by a trunk of the call's brand.
    ///
    /// # Errors
    /// The cause that the target fails with: whoever pays may not call it, no such trunk, full, or no server that lives.
    pub(crate) fn ring_trunk(&mut self, target: &Target, name: &str, number: &str) -> Result<(), Cause> {
        self.may_call(number)?;
        self.has_number_to_show(target, number)?;
        let trunk = self.floors.directory.trunk(self.call.info.brand, name).ok_or(Cause::TrunkUnknown)?;
        let trunk = Arc::clone(trunk);
        let now = self.now();
        self.floors.trunks.call_begins(trunk.id, now).map_err(|full| match full {
            Full::Calls => Cause::TrunkFull,
            Full::Rate => Cause::TrunkRate,
        })?;
        let rest = self.floors.trunks.routes(trunk.id, now).into();
        let number = number.to_owned();
        self.ring_next_route(trunk, rest, target.clone(), number)
    }

    /// Sends the INVITE to the next server that lives. The place in the trunk is taken; it is given back where none does.
    fn ring_next_route(
        &mut self,
        trunk: Arc<Trunk>,
        mut rest: VecDeque<Route>,
        target: Target,
        number: String,
    ) -> Result<(), Cause> {
        let now = self.now();
        while let Some(route) = rest.pop_front() {
            if !self.floors.trunks.tries(trunk.id, &route.flow, now) {
                continue;
            }
            let branch = self.to_server(&trunk, &route, &target, &number);
            let out = Outbound { flow: route.flow, rest, target: target.clone(), trunk: Arc::clone(&trunk), number };
            let on = OnTrunk { id: trunk.id, anchor: trunk.anchor, out: Some(out) };
            let branch = Branch { carrier: branch.carrier.map(|to| Box::new(ToCarrier { on, ..*to })), ..branch };
            let forwarded = self.call.course.forwarded.clone();
            self.ring_branch(&target, branch, &forwarded);
            return Ok(());
        }
        self.floors.trunks.call_ended(trunk.id);
        Err(Cause::TrunkDown)
    }

    /// The INVITE for one server, in the carrier's words.
    fn to_server(&self, trunk: &Arc<Trunk>, route: &Route, target: &Target, number: &str) -> Branch {
        let unchanged = TranslationLists::default();
        let lists = self.floors.directory.translation_of(trunk).map_or(&unchanged, |set| &set.lists);
        let called = number;
        let mut number = lists.callee_out.apply(number);
        if let Endpoint::Trunk { prefix, .. } = &target.to
            && !prefix.is_empty()
        {
            number = format!("{prefix}{}", number.trim_start_matches('+'));
        }
        let shown = target.caller_id.clone().or_else(|| self.outgoing_ddi(called));
        let caller = shown.as_deref().unwrap_or(&self.call.info.caller.user);
        let word = self.our_word(trunk, caller, called);
        let shown = lists.caller_out.apply(caller);
        let host = trunk.from_domain.clone().unwrap_or_else(|| route.flow.local.ip().to_string());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let transport = if route.flow.transport.is_reliable() {
            format!(";transport={}", route.flow.transport.uri_token())
        } else {
            String::new()
        };
        let headers = trunk.headers;
        let policy = HeaderPolicy {
            pai: headers.send_pai,
            ppi: headers.send_ppi,
            rpid: headers.send_rpid,
            diversion: headers.send_diversion,
            history_info: headers.send_history_info,
            trusted: headers.trust_identity,
            hide: false,
        };
        let patience = Duration::from_millis(u64::from(trunk.answer_ms));
        Branch {
            flow: route.flow,
            request_uri: sip_uri(&number, &route.host) + &transport,
            to_uri: sip_uri(&number, &route.host),
            account: None,
            q: 1000,
            party: number,
            policy,
            route_set: Vec::new(),
            device: None,
            carrier: Some(Box::new(ToCarrier {
                on: OnTrunk { id: trunk.id, anchor: trunk.anchor, out: None },
                taped: !self.is_special(called) && self.records(caller, DdiRecording::outward),
                shown,
                host,
                from_user: trunk.from_user.clone(),
                word,
                carrier: Carrier { identity: IdentityKey(trunk.id.0), patience },
            })),
        }
    }

    /// Whether this leg went out by a trunk: a carrier does not say where else a call may go.
    pub(crate) fn goes_by_trunk(&self, no: LegNo) -> bool {
        self.call.leg(no).is_some_and(|leg| leg.trunk.is_some())
    }

    /// A server said something of its own: it lives.
    pub(crate) fn carrier_lives(&mut self, no: LegNo) {
        let first = self.call.leg(no).is_some_and(|leg| leg.progress == Progress::Trying);
        if first {
            self.report_carrier(no, Outcome::Alive);
        }
    }

    /// Notes how the server did, and goes on to the next one where the failure was the server's and not the call's.
    /// `true` if the target goes on.
    pub(crate) fn carrier_failed(&mut self, no: LegNo, status: u16, why: &Failed) -> bool {
        let outcome = match why {
            Failed::Response(response) if status == 503 => {
                let after = response.header(Name::RetryAfter).and_then(|v| {
                    v.text().trim().split(|c: char| !c.is_ascii_digit()).next().and_then(|s| s.parse().ok())
                });
                Outcome::Unavailable(after)
            }
            Failed::Response(_) => Outcome::Alive,
            Failed::Timeout | Failed::Transport => Outcome::Dead,
            Failed::Cancelled | Failed::Withheld => return false,
        };
        self.report_carrier(no, outcome);
        if outcome == Outcome::Alive {
            return false;
        }
        let ringing = self.hunt_mut().is_some_and(|hunt| hunt.ringing.contains(&no));
        let on = self.call.leg_mut(no).and_then(|leg| leg.trunk.as_mut()).and_then(|on| on.out.as_mut());
        let Some(rest) = on.filter(|_| ringing).map(|out| out.rest.len()) else { return false };
        let (cause, by_remote) = match why {
            Failed::Timeout => (Cause::TrunkSilent, false),
            Failed::Transport => (Cause::TransportFailed, false),
            Failed::Response(_) | Failed::Cancelled | Failed::Withheld => (Cause::from_sip(status), true),
        };
        let ending = Ending { cause, sip: status, by: if by_remote { EndedBy::Callee } else { EndedBy::Switch } };
        self.dialog_gone(no);
        if rest == 0 {
            self.branch_over(no, ending, by_remote);
            return true;
        }
        // The place in the trunk goes over to the next leg.
        let Some(out) = self.call.leg_mut(no).and_then(|leg| leg.trunk.take()).and_then(|on| on.out) else {
            return false;
        };
        self.end_leg(no, ending);
        if let Some(hunt) = self.hunt_mut() {
            hunt.ringing.retain(|leg| *leg != no);
        }
        let party = out.number.clone();
        if self.ring_next_route(out.trunk, out.rest, out.target, out.number).is_err() {
            return self.trunk_over(party, cause_info(&ending, by_remote));
        }
        if self.hunt_mut().is_some_and(|hunt| hunt.ringing.is_empty()) {
            self.next_step();
        }
        true
    }

    /// Every other server is down: the target has failed with what the last one did.
    fn trunk_over(&mut self, party: String, cause: CauseInfo) -> bool {
        if let Some(hunt) = self.hunt_mut() {
            hunt.failed(None, party, cause);
        }
        if self.hunt_mut().is_some_and(|hunt| hunt.ringing.is_empty()) {
            self.next_step();
        }
        true
    }

    fn report_carrier(&mut self, no: LegNo, outcome: Outcome) {
        let now = self.now();
        let Some(on) = self.call.leg(no).and_then(|leg| leg.trunk.as_ref()) else { return };
        let Some(out) = &on.out else { return };
        self.floors.trunks.report(self.floors.transactions, on.id, (&out.flow, outcome), now);
    }
}
