//! A call that sends a fax: the switch is its caller, and the company pays.
//!
//! The caller's leg is there from the beginning and stays without a dialog or media: nobody is at its end. The call goes the
//! way of every other, the chain, the tenant's rules, the brand's routes, the rater; when somebody answers, the app `fax` is
//! told which leg, and speaks to that one. It ends with the app. Decision 0330.

use crate::arrival::{callee_party, sip_uri};
use crate::call::Call;
use crate::engine::Engine;
use crate::floors::Floors;
use crate::leg::{Leg, LegNo, Progress};
use crate::sound::spoken_of;
use crate::step::Step;
use core::net::{IpAddr, Ipv4Addr};
use model::{CallId, CallInfo, Cause, Company, FAX_APP, FaxCall, LegRole, Party};
use sdp::Codec;
use std::sync::Arc;

/// What fax machines are heard in.
const HEARD_IN: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

/// What is special about such a call.
#[derive(Debug)]
pub(crate) struct Faxing {
    ticket: String,
}

impl Engine {
    /// Calls a number to send a fax there.
    ///
    /// # Errors
    /// Why nobody is called: no such company, the number is none of its, its tenant has no room for a call.
    pub fn send_fax(&mut self, floors: &mut Floors<'_>, wanted: &FaxCall) -> Result<CallId, Cause> {
        let company = Arc::clone(floors.directory.company(wanted.company).ok_or(Cause::NotFound)?);
        floors.directory.ddi(&wanted.from).filter(|ddi| ddi.company == company.id).ok_or(Cause::NoNumberToShow)?;
        let full = self.cannot_open(floors, &company).or_else(|| self.tenant_full(floors, &company, None));
        if let Some(cause) = full {
            self.desk.counters.refused_by_limit += 1;
            return Err(cause);
        }
        let id = CallId::begun(floors.now, self.desk.ids.u128());
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let caller = Leg {
            party: wanted.to.clone(),
            caller_shown: wanted.from.clone(),
            sip_call_id: format!("{}@{}", self.desk.ids.token(26), company.domain),
            ..Leg::new(LegRole::Caller, nowhere, floors.now, sdp::Origin::new(self.desk.ids.u64()))
        };
        let info = info(floors, id, &company, wanted);
        let mut call = Call::new(info, caller, company.media, self.desk.ids.u128(), floors.now);
        call.faxing = Some(Faxing { ticket: wanted.ticket.clone() });
        call.course.company_pays();
        self.enter(call);
        self.step(id, floors, |step| step.begin_routing());
        Ok(id)
    }
}

/// The call as a plugin sees it: from the company's number, and without an account.
fn info(floors: &Floors<'_>, call: CallId, company: &Company, wanted: &FaxCall) -> CallInfo {
    let brand = floors.directory.brand(company.brand);
    CallInfo {
        call,
        brand: company.brand,
        brand_name: brand.map(|brand| brand.name.clone()).unwrap_or_default(),
        company: company.id,
        company_name: company.name.clone(),
        account: None,
        source_ip: Ipv4Addr::LOCALHOST.to_string(),
        caller: Party {
            uri: sip_uri(&wanted.from, &company.domain),
            user: wanted.from.clone(),
            display: None,
            verified: Some("address".to_owned()),
        },
        callee: callee_party(&wanted.to, &company.domain),
        headers: Vec::new(),
        received_at: floors.now,
        attrs: vec![(FaxCall::ATTRIBUTE.to_owned(), "sent".to_owned())],
    }
}

impl Step<'_, '_> {
    /// Whether the switch's own fax machine is, or will be, at the other end of this call's line.
    pub(crate) fn is_fax_machine(&self) -> bool {
        use crate::stage::Stage;
        let answers = match &self.call.stage {
            Stage::App(run) => run.name == FAX_APP,
            Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::Parked(_)
            | Stage::Summoning(_)
            | Stage::Announcing(_)
            | Stage::Over => false,
        };
        answers || self.call.faxing.is_some()
    }

    /// Leaves of these codecs those that a modem gets through, if there is one of them.
    pub(crate) fn for_fax(&self, codecs: &mut Vec<Codec>) {
        if self.is_fax_machine() && codecs.iter().any(|codec| HEARD_IN.contains(codec)) {
            codecs.retain(|codec| HEARD_IN.contains(codec));
        }
    }

    /// The app begins with a leg that is described already.
    pub(crate) fn fax_begins(&mut self, no: LegNo) {
        let Some(faxing) = &self.call.faxing else { return };
        let ticket = (FaxCall::TICKET.to_owned(), faxing.ticket.clone());
        if let Some(leg) = self.call.leg_mut(no) {
            leg.spoken = spoken_of(leg);
        }
        self.note_answered(0, Progress::Answered);
        self.start_app(FAX_APP.to_owned(), vec![ticket, (FaxCall::LEG.to_owned(), no.to_string())]);
    }
}
