//! Who vouches for the caller's number (RFC 8224, 8588): a carrier's call is held against its Identity before anything is
//! decided about it, and a call to a carrier that wants it so gets ours.
//!
//! A token that fits the call waits for the shell, which has the certificates, in the stage that waits for a plugin too.

use crate::arrival::Arrival;
use crate::engine::Output;
use crate::leg::Ending;
use crate::stage::{Deciding, Stage};
use crate::step::Step;
use model::{Attestation, Attr, Cause, EndedBy, IdentityFailure, ProofQuestion, Ticket, Trunk, Verify, Vouched};
use sip_message::Name;
use sip_stir::{CallFacts, Evidence, Identity, Number, Passport, Signed};

/// A token whose proof is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proving {
    verify: Verify,
    attestation: Attestation,
}

/// Our word for a caller, on its way to a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OurWord {
    /// The value of the Identity field.
    pub(crate) value: String,
    pub(crate) attestation: Attestation,
}

impl Step<'_, '_> {
    /// A call begins: a carrier's first shows who vouches for its caller, where the trunk asks.
    pub(crate) fn begin_call(&mut self, arrival: &Arrival) {
        let Some(from) = arrival.trunk.as_ref().filter(|from| from.trunk.stir.verify != Verify::Off) else {
            return self.begin_routing();
        };
        let verify = from.trunk.stir.verify;
        let orig = from.number.as_deref().and_then(Number::canonical);
        let evidence = match (orig, Number::canonical(&arrival.callee_user)) {
            (Some(orig), Some(dest)) => {
                let values = arrival.request.headers(Name::Identity).map(|value| value.text());
                sip_stir::judge(values, &CallFacts { orig, dest, now: self.now() })
            }
            // There is no number that anybody could vouch for.
            (None, _) | (_, None) => Evidence::Nobody,
        };
        match evidence {
            Evidence::Nobody => self.concluded(verify, Ok(None)),
            Evidence::Failed(why) => self.concluded(verify, Err(why)),
            Evidence::Proof(signed) => self.ask_for_proof(verify, *signed),
        }
    }

    fn ask_for_proof(&mut self, verify: Verify, signed: Signed) {
        let ticket = Ticket(self.desk.next_ticket);
        self.desk.next_ticket += 1;
        let deadline = self.now() + self.floors.setup.limits.proof_deadline();
        self.desk.by_ticket.insert(ticket, self.call.id);
        let proving = Proving { verify, attestation: signed.passport.attestation };
        self.call.stage = Stage::Deciding(Deciding { ticket, until: deadline, proving: Some(proving) });
        let question = ProofQuestion {
            ticket,
            deadline,
            brand: self.call.info.brand,
            x5u: signed.x5u,
            number: signed.passport.orig.as_str().to_owned(),
            input: signed.input,
            signature: signed.signature,
        };
        self.desk.out.push_back(Output::Prove(Box::new(question)));
    }

    /// The shell knows, or its time is over.
    pub(crate) fn proved(&mut self, ticket: Ticket, proof: Result<(), IdentityFailure>) {
        let proving = match &self.call.stage {
            Stage::Deciding(deciding) if deciding.ticket == ticket => deciding.proving,
            Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::App(_)
            | Stage::Parked(_)
            | Stage::Announcing(_)
            | Stage::Summoning(_)
            | Stage::Over => None,
        };
        match proving {
            Some(proving) => self.concluded(proving.verify, proof.map(|()| Some(proving.attestation))),
            None => self.desk.counters.answers_stale += 1,
        }
    }

    /// Goes on with the call, or refuses it.
    fn concluded(&mut self, verify: Verify, evidence: Result<Option<Attestation>, IdentityFailure>) {
        let concluded = sip_stir::conclude(verify, evidence);
        if let Some(caller) = self.call.leg_mut(0) {
            caller.vouched = Some(concluded.vouched);
        }
        if let Some((status, phrase)) = concluded.refused {
            self.answer_caller(status, phrase, &[]);
            return self.end_call(Ending { cause: Cause::CallerUnproven, sip: status, by: EndedBy::Switch });
        }
        self.merge_attrs(as_plugins_see(concluded.vouched));
        self.begin_routing();
    }

    /// What a party is told of the caller's number, beside it (3GPP TS 24.229 section 7.2A.20). Nothing where the call
    /// shows another number than it came with.
    pub(crate) fn verstat_of(&self, shown: &str) -> Option<&'static str> {
        let caller = self.call.leg(0).filter(|_| self.call.serves.is_none() && shown == self.call.info.caller.user)?;
        caller.vouched?.verstat()
    }

    /// Our word for a call by this trunk, where it wants that and there is a number to vouch for. Both numbers as they
    /// are inside, in E.164.
    pub(crate) fn our_word(&self, trunk: &Trunk, caller: &str, called: &str) -> Option<OurWord> {
        // Whoever may not know the number may not read it in a token.
        let told = trunk.stir.sign && (!self.call.private || trunk.headers.trust_identity);
        let signer = self.floors.directory.signer(trunk.brand).filter(|_| told)?;
        let orig = Number::canonical(caller.strip_prefix('+')?)?;
        let dest = Number::canonical(called)?;
        let attestation = self.attestation(caller);
        let passport = Passport::new(attestation, orig, dest, self.call.id.as_uuid(), self.now());
        let token = passport.sign(&**signer).ok()?;
        Some(OurWord { value: Identity::value(&token, signer.x5u()), attestation })
    }

    /// What we know of a number that a call shows: that it is its company's, that the caller is ours, or only where it
    /// came in (RFC 8588 section 4).
    fn attestation(&self, number: &str) -> Attestation {
        let own = self.floors.directory.ddi(number).is_some_and(|ddi| ddi.company == self.call.info.company);
        match (own, &self.call.info.account) {
            (true, _) => Attestation::A,
            (false, Some(_)) => Attestation::B,
            (false, None) => Attestation::C,
        }
    }
}

fn as_plugins_see(vouched: Vouched) -> Vec<Attr> {
    let verstat = vouched.verstat().map(|verstat| ("verstat".to_owned(), verstat.to_owned()));
    let attestation = vouched.attestation().map(|a| ("attestation".to_owned(), a.letter().to_owned()));
    verstat.into_iter().chain(attestation).collect()
}
