//! What event sinks are told of an event, and where explanations go.

use model::{CallEvent, CompanyId, Directory, Explained, Instant, Told};

/// An event as event sinks hear it; `None` for what is not theirs, or of a tenant that is gone.
pub(crate) fn told(event: &CallEvent, directory: &Directory, now: Instant) -> Option<Told> {
    let account = |id| directory.account_by_id(id).map(|a| (a.company, a.username.clone()));
    let (kind, call, company, attrs) = match event {
        CallEvent::CallStarted { call, company, caller, callee } => {
            ("call-started", Some(*call), *company, vec![("caller", caller.clone()), ("callee", callee.clone())])
        }
        CallEvent::CallAnswered { call, company } => ("call-answered", Some(*call), *company, Vec::new()),
        CallEvent::CallEnded { call, company, cause } => {
            ("call-ended", Some(*call), *company, vec![("cause", cause.code().to_owned())])
        }
        CallEvent::Registered { account: id, contact, expires_s, .. } => {
            let (company, username) = account(*id)?;
            let attrs = vec![("account", username), ("contact", contact.clone()), ("expires-s", expires_s.to_string())];
            ("registered", None, company, attrs)
        }
        CallEvent::Unregistered { account: id, contact, why } => {
            let (company, username) = account(*id)?;
            let attrs = vec![("account", username), ("contact", contact.clone()), ("why", why.token().to_owned())];
            ("unregistered", None, company, attrs)
        }
        CallEvent::Explained(_) | CallEvent::Trunk { .. } => return None,
    };
    let brand = directory.company(company)?.brand;
    Some(Told { kind, at: now, call, brand, company, attrs })
}

/// The tenant of an event that event sinks may hear.
pub(crate) fn tenant(event: &CallEvent, directory: &Directory) -> Option<CompanyId> {
    match event {
        CallEvent::CallStarted { company, .. }
        | CallEvent::CallAnswered { company, .. }
        | CallEvent::CallEnded { company, .. } => Some(*company),
        CallEvent::Registered { account, .. } | CallEvent::Unregistered { account, .. } => {
            directory.account_by_id(*account).map(|a| a.company)
        }
        CallEvent::Explained(_) | CallEvent::Trunk { .. } => None,
    }
}

/// An explanation on its way to the database.
pub(crate) type Why = (model::BrandId, Explained);
