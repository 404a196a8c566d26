//! REGISTERs that wait for a plugin's opinion: between authentication and registrar, only for tenants that have bound one.
//!
//! The transaction absorbs what the phone repeats meanwhile. The registrar decides alone when the deadline comes first.

use crate::core::Core;
use crate::io::Output;
use admission::Admitted;
use model::{Flow, Instant, RegisterAnswer, RegisterAttempt, RegisterQuestion, RegisterVerdict, Ticket};
use sip_message::{Contacts, Message, Name};
use sip_transaction::ServerKey;
use std::collections::BTreeMap;

/// A REGISTER that was admitted.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) key: ServerKey,
    pub(crate) flow: Flow,
    pub(crate) request: Message,
    pub(crate) admitted: Admitted,
}

/// # Invariants
/// Tickets grow and every wait is as long as any other, so the first is the first due.
#[derive(Debug, Default)]
pub(crate) struct Registering {
    next: u64,
    waiting: BTreeMap<Ticket, (Instant, Attempt)>,
}

impl Registering {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, (until, _))| *until)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Core {
    /// An admitted REGISTER goes to the registrar, or first to the plugins of its tenant.
    pub(crate) fn begin_register(&mut self, attempt: Attempt, now: Instant) {
        let company = attempt.admitted.company();
        let asks = self.directory.hooks().asks_registration(company.brand, company.id);
        let limits = &self.setup.limits;
        if !asks || self.registering.waiting.len() >= limits.registers_waiting_max {
            return self.finish_register(&attempt, None, now);
        }
        let ticket = Ticket(self.registering.next);
        self.registering.next += 1;
        let deadline = now + limits.register_deadline();
        let question = RegisterQuestion { ticket, deadline, attempt: as_plugins_see(&attempt) };
        self.out.push_back(Output::AskRegister(question));
        self.registering.waiting.insert(ticket, (deadline, attempt));
    }

    /// The plugins have answered.
    pub(crate) fn register_answered(&mut self, ticket: Ticket, answer: &RegisterAnswer, now: Instant) {
        let Some((_, attempt)) = self.registering.waiting.remove(&ticket) else {
            self.counters.register_answers_stale += 1;
            return;
        };
        match &answer.verdict {
            RegisterVerdict::Pass => self.finish_register(&attempt, None, now),
            RegisterVerdict::AtMost(s) => self.finish_register(&attempt, Some(*s), now),
            RegisterVerdict::Refuse(status, reason) => {
                let response = self.refusal(&attempt.flow, &attempt.request, *status, reason);
                // A transaction whose transport failed meanwhile needs no answer.
                let _ = self.transactions.respond(attempt.key, response, now);
            }
        }
    }

    /// Nobody answered in time: the registrar decides alone.
    pub(crate) fn registers_due(&mut self, now: Instant) {
        while let Some(entry) = self.registering.waiting.first_entry() {
            if entry.get().0 > now {
                return;
            }
            let (_, attempt) = entry.remove();
            self.finish_register(&attempt, None, now);
        }
    }
}

fn as_plugins_see(attempt: &Attempt) -> RegisterAttempt {
    let (request, admitted) = (&attempt.request, &attempt.admitted);
    let (company, account) = (admitted.company(), admitted.account());
    RegisterAttempt {
        brand: company.brand,
        brand_name: admitted.brand_name().to_owned(),
        company: company.id,
        company_name: company.name.clone(),
        account: account.username.clone(),
        aor: format!("sip:{}@{}", account.username, company.domain),
        contacts: request.values(Name::Contact).map(|v| v.text().into_owned()).collect(),
        source_ip: attempt.flow.remote.ip().to_string(),
        user_agent: request.header(Name::UserAgent).map(|v| v.text().into_owned()).unwrap_or_default(),
        expires_s: asked_time(request),
        headers: call::visible_headers(request),
    }
}

/// What the first contact asks for, or else the request (RFC 3261 section 10.2.1.1).
fn asked_time(request: &Message) -> Option<u32> {
    let of_contact = match request.contacts() {
        Ok(Contacts::List(list)) => list.first().and_then(|contact| contact.expires()),
        Ok(Contacts::Star) | Err(_) => None,
    };
    of_contact.or_else(|| request.expires())
}
