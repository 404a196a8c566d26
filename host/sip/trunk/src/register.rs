//! REGISTER: how it is written, and what its answer grants (RFC 3261 section 10.2).

use core::net::IpAddr;
use model::{Flow, Trunk};
use sip_message::{Message, Method, Name, RequestWriter};

/// Who a line is to its carrier, from one REGISTER to the next (section 10.2: one Call-ID, a rising CSeq).
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The address of record.
    pub(crate) aor: String,
    /// The Request-URI: the domain.
    pub(crate) registrar: String,
    pub(crate) call_id: String,
    pub(crate) tag: String,
    pub(crate) cseq: u32,
}

impl Identity {
    /// Of this trunk's registration; `None` where it has none.
    pub(crate) fn of(trunk: &Trunk, call_id: String, tag: String) -> Option<Identity> {
        let registration = trunk.registration.as_ref()?;
        let first = || trunk.servers.first().map(|s| s.host.clone());
        let domain = registration.domain.clone().or_else(|| trunk.from_domain.clone()).or_else(first)?;
        let domain = host_text(&domain);
        Some(Identity {
            aor: format!("sip:{}@{domain}", registration.user),
            registrar: format!("sip:{domain}"),
            call_id,
            tag,
            cseq: 0,
        })
    }

    /// The next REGISTER: `expires_s` 0 takes the registration back (section 10.2.2).
    pub(crate) fn request(&mut self, token: &str, flow: &Flow, expires_s: u32, user_agent: &str) -> RequestWriter {
        self.cseq = self.cseq.wrapping_add(1);
        let request = RequestWriter::new(Method::Register.as_str(), &self.registrar)
            .header("Max-Forwards", "70")
            .header("From", format!("<{}>;tag={}", self.aor, self.tag))
            .header("To", format!("<{}>", self.aor))
            .header("Call-ID", &self.call_id)
            .header("CSeq", format!("{} REGISTER", self.cseq))
            .header("Contact", format!("<{}>;expires={expires_s}", contact(token, flow)))
            .header("Expires", expires_s.to_string());
        if user_agent.is_empty() { request } else { request.header("User-Agent", user_agent) }
    }
}

/// Our Contact: the token in its user part says which line a call came in by.
pub(crate) fn contact(token: &str, flow: &Flow) -> String {
    let transport =
        if flow.transport.is_reliable() { format!(";transport={}", flow.transport.uri_token()) } else { String::new() };
    format!("sip:{token}@{}{transport}", flow.local)
}

/// A host for a URI: an IPv6 literal in brackets.
pub(crate) fn host_text(host: &str) -> String {
    if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { format!("[{host}]") } else { host.to_owned() }
}

/// What a 2xx grants our Contact, in seconds: its own `expires`, else the Expires header, else what was asked for
/// (section 10.2.4). A registrar that lists contacts without ours has not granted it: `None`.
pub(crate) fn granted(response: &Message, token: &str, asked: u32) -> Option<u32> {
    let general = response.expires().unwrap_or(asked);
    let Ok(sip_message::Contacts::List(contacts)) = response.contacts() else { return Some(general) };
    if contacts.is_empty() {
        return Some(general);
    }
    let ours = contacts.iter().find(|c| c.uri().user().is_some_and(|u| u == token))?;
    Some(ours.expires().unwrap_or(general))
}

/// A header whose value is a number of seconds, what follows it left out (Retry-After, Min-Expires).
pub(crate) fn seconds(response: &Message, name: Name<'_>) -> Option<u32> {
    let value = response.header(name)?.text().into_owned();
    let digits: String = value.trim().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
