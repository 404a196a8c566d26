//! Twins: `model` types to what a guest sees. The other way is `rules`, because nothing a guest says is trusted.

use crate::bindings::registration::exports::strowger::hooks::registration::Attempt;
use crate::bindings::router::strowger::types::types as wit;
use crate::bindings::sip_filter::exports::strowger::hooks::sip_filter::Message;
use model::{AppError, Attr, CallInfo, Cause, CauseInfo, EdgeAt, FilterMessage, Header, Party, RegisterAttempt};

pub(crate) fn call(info: &CallInfo) -> wit::CallInfo {
    wit::CallInfo {
        call_id: info.call.to_string(),
        brand: info.brand_name.clone(),
        company: info.company_name.clone(),
        account: info.account.clone(),
        source_ip: info.source_ip.clone(),
        caller: party(&info.caller),
        callee: party(&info.callee),
        headers: info.headers.iter().map(header).collect(),
        received_at_ms: info.received_at.unix_millis(),
        attrs: info.attrs.clone(),
    }
}

pub(crate) fn attempt(a: &RegisterAttempt, attrs: &[Attr]) -> Attempt {
    Attempt {
        brand: a.brand_name.clone(),
        company: a.company_name.clone(),
        account: a.account.clone(),
        aor: a.aor.clone(),
        contacts: a.contacts.clone(),
        source_ip: a.source_ip.clone(),
        user_agent: a.user_agent.clone(),
        expires_s: a.expires_s,
        headers: a.headers.iter().map(header).collect(),
        attrs: attrs.to_vec(),
    }
}

pub(crate) fn message(m: &FilterMessage) -> Message {
    let (trunk, account) = match m.edge.at {
        EdgeAt::Trunk(_) => (Some(m.edge_name.clone()), None),
        EdgeAt::Account(_) => (None, Some(m.edge_name.clone())),
    };
    Message {
        call_id: m.edge.call.to_string(),
        brand: m.brand_name.clone(),
        company: m.company_name.clone(),
        trunk,
        account,
        method: m.method.clone(),
        status: m.status,
        inbound: m.inbound,
        within: m.within,
        request_uri: m.request_uri.clone(),
        from_uri: m.from_uri.clone(),
        to_uri: m.to_uri.clone(),
        headers: m.headers.iter().map(header).collect(),
        attrs: Vec::new(),
    }
}

fn party(p: &Party) -> wit::Party {
    wit::Party { uri: p.uri.clone(), user: p.user.clone(), display: p.display.clone(), verified: p.verified.clone() }
}

fn header(h: &Header) -> wit::Header {
    wit::Header { name: h.name.clone(), value: h.value.clone() }
}

pub(crate) fn cause(info: &CauseInfo) -> wit::Cause {
    wit::Cause {
        code: info.cause.code().to_owned(),
        sip: info.sip,
        q850: info.cause.q850(),
        reason: info.reason.clone(),
        by_remote: info.by_remote,
    }
}

pub(crate) fn error(e: AppError) -> wit::Error {
    match e {
        AppError::Denied(text) => wit::Error::Denied(text),
        AppError::InvalidState(text) => wit::Error::InvalidState(text),
        AppError::InvalidArgument(text) => wit::Error::InvalidArgument(text),
        AppError::NotFound => wit::Error::NotFound,
        AppError::Timeout => wit::Error::Timeout,
        AppError::LimitExceeded(text) => wit::Error::LimitExceeded(text),
        AppError::HungUp(info) => wit::Error::HungUp(cause(&info)),
        AppError::Cancelled => wit::Error::Cancelled,
        AppError::Unavailable(text) => wit::Error::Unavailable(text),
    }
}

/// A guest's own error, as it leaves a hook or an app. Its texts are for logs only.
pub(crate) fn guest_error(e: wit::Error) -> AppError {
    match e {
        wit::Error::Denied(text) => AppError::Denied(text),
        wit::Error::InvalidState(text) => AppError::InvalidState(text),
        wit::Error::InvalidArgument(text) => AppError::InvalidArgument(text),
        wit::Error::NotFound => AppError::NotFound,
        wit::Error::Timeout => AppError::Timeout,
        wit::Error::LimitExceeded(text) => AppError::LimitExceeded(text),
        wit::Error::HungUp(c) => AppError::HungUp(CauseInfo {
            cause: Cause::from_code(&c.code).unwrap_or(Cause::from_sip(c.sip)),
            sip: c.sip,
            reason: c.reason,
            by_remote: c.by_remote,
        }),
        wit::Error::Cancelled => AppError::Cancelled,
        wit::Error::Unavailable(text) => AppError::Unavailable(text),
        wit::Error::Other(info) => AppError::Unavailable(format!("{}: {}", info.code, info.message)),
    }
}

/// One word for a report.
pub(crate) fn error_word(e: &wit::Error) -> String {
    match e {
        wit::Error::Denied(text) => format!("denied: {text}"),
        wit::Error::InvalidState(text) => format!("invalid-state: {text}"),
        wit::Error::InvalidArgument(text) => format!("invalid-argument: {text}"),
        wit::Error::NotFound => "not-found".to_owned(),
        wit::Error::Timeout => "timeout".to_owned(),
        wit::Error::LimitExceeded(text) => format!("limit-exceeded: {text}"),
        wit::Error::HungUp(c) => format!("hung-up: {}", c.code),
        wit::Error::Cancelled => "cancelled".to_owned(),
        wit::Error::Unavailable(text) => format!("unavailable: {text}"),
        wit::Error::Other(info) => format!("{}: {}", info.code, info.message),
    }
}
