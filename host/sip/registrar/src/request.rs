//! What a REGISTER asks for.

use crate::binding::{Binding, Instance};
use crate::nat::{behind_nat, reach};
use model::{Flow, Instant, NatPing};
use sip_message::{Contacts, Message, Name, NameAddrRef, UriRef};
use std::sync::Arc;

/// Granted where neither the contact nor the request says how long (RFC 3261 section 10.2.1.1), or where what it says
/// cannot be read (section 10.3 step 7).
const DEFAULT_EXPIRES_S: u32 = 3_600;
/// The preference of a contact without q (section 20.10).
const DEFAULT_Q: u16 = 1_000;
/// Longest User-Agent kept, in bytes.
const USER_AGENT_MAX: usize = 128;
/// Longest instance URN taken for one, in bytes.
const URN_MAX: usize = 128;
/// Most Path values: a request has to pass as many proxies.
const PATH_MAX: usize = 8;

/// What a REGISTER says besides its contacts.
#[derive(Debug)]
pub(crate) struct Terms {
    /// The Path values as they came.
    pub(crate) path: Vec<String>,
    /// The phone understands Path (RFC 3327 section 5.3): it is told.
    pub(crate) knows_path: bool,
    /// The phone wants GRUUs (RFC 5627 section 5.1).
    pub(crate) wants_gruu: bool,
    /// A contact has a reg-id that counts (RFC 5626 section 6).
    pub(crate) outbound: bool,
}

/// The wish of a REGISTER.
#[derive(Debug)]
pub(crate) enum Wish {
    /// No Contact: what stands?
    Query,
    /// `*`.
    RemoveAll {
        /// The Call-ID.
        call_id: String,
        /// The CSeq number.
        cseq: u32,
    },
    /// Add, refresh or remove these.
    Update(Vec<Asked>),
}

/// One contact that was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) binding: Binding,
    /// 0 removes.
    pub(crate) expires_s: u32,
}

impl Terms {
    /// Reads them.
    ///
    /// # Errors
    /// 400 for a Path that is none or is too long.
    pub(crate) fn read(request: &Message) -> Result<Terms, u16> {
        let mut path = Vec::new();
        for value in request.values(Name::Path) {
            let route = value.name_addr().map_err(|_| 400_u16)?;
            if path.len() >= PATH_MAX || !route.uri().is_sip() {
                return Err(400);
            }
            path.push(value.text().into_owned());
        }
        let says = |tag| request.has_token(Name::Supported, tag) || request.has_token(Name::Require, tag);
        Ok(Terms { path, knows_path: says("path"), wants_gruu: says("gruu"), outbound: says("outbound") })
    }

    /// Whether the proxy next to the phone keeps flows, or there is none (RFC 5626 section 6): its Path value is the
    /// last, as each proxy puts its own on top.
    fn first_hop_keeps_flows(&self, request: &Message) -> bool {
        let edge = self.path.last().map(|value| crate::nat::uri_of(value));
        match edge {
            Some(edge) => UriRef::parse(edge).is_ok_and(|uri| uri.params().has("ob")),
            None => request.vias().count() <= 1,
        }
    }
}

impl Wish {
    /// Reads it.
    ///
    /// # Errors
    /// The status that refuses it: 400, or 439 where the phone wants flows and a proxy on the way cannot keep them.
    pub(crate) fn read(request: &Message, flow: &Flow, terms: &mut Terms) -> Result<Wish, u16> {
        if request.header(Name::Contact).is_none() {
            terms.outbound = false;
            return Ok(Wish::Query);
        }
        let call_id = request.call_id().map_err(|_| 400_u16)?;
        let cseq = request.cseq().map_err(|_| 400_u16)?.number;
        let contacts = match request.contacts().map_err(|_| 400_u16)? {
            Contacts::Star if request.expires() == Some(0) => {
                terms.outbound = false;
                return Ok(Wish::RemoveAll { call_id: call_id.to_owned(), cseq });
            }
            Contacts::Star => return Err(400),
            Contacts::List(list) => list,
        };
        // Nothing but sip can be called from here, and sips only where it came by TLS.
        let secure = flow.transport.is_secure();
        if contacts.iter().any(|contact| !contact.uri().is_sip() || (contact.uri().is_secure() && !secure)) {
            return Err(400);
        }
        let flows = contacts.iter().filter(|c| terms.outbound && c.param("reg-id").is_some()).count();
        terms.outbound = flows > 0;
        if flows > 1 {
            // RFC 5626 section 6: one flow, one registration.
            return Err(400);
        }
        if terms.outbound && !terms.first_hop_keeps_flows(request) {
            return Err(439);
        }
        let user_agent = user_agent(request);
        let mut asked = Vec::with_capacity(contacts.len());
        for contact in &contacts {
            let uri = without_headers(contact.uri());
            let natted = terms.path.is_empty() && behind_nat(request, contact.uri(), flow);
            asked.push(Asked {
                expires_s: asked_s(request, contact),
                binding: Binding {
                    contact: uri.to_owned(),
                    flow: reach(uri, &terms.path, flow, natted),
                    path: terms.path.clone(),
                    instance: instance(contact, terms.outbound)?,
                    call_id: call_id.to_owned(),
                    cseq,
                    expires_at: Instant::from_unix_nanos(0),
                    q: contact.q().unwrap_or(DEFAULT_Q),
                    user_agent: Arc::clone(&user_agent),
                    received: flow.remote,
                    behind_nat: natted,
                    ping: NatPing::Off,
                },
            });
        }
        Ok(Wish::Update(asked))
    }
}

/// The device of a contact. What is no URN names none; a reg-id counts only where outbound is done.
fn instance(contact: &NameAddrRef<'_>, outbound: bool) -> Result<Option<Box<Instance>>, u16> {
    let reg_id = match contact.param("reg-id").filter(|_| outbound) {
        // RFC 5626 section 4.2: 1 to 2^31 - 1.
        Some(text) => match text.parse::<u32>() {
            Ok(id @ 1..=0x7fff_ffff) => id,
            Ok(_) | Err(_) => return Err(400),
        },
        None => 0,
    };
    let urn = contact.param("+sip.instance").unwrap_or_default();
    let urn = urn.strip_prefix('<').and_then(|u| u.strip_suffix('>')).unwrap_or(urn);
    let known = urn.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"))
        && urn.len() <= URN_MAX
        && urn.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'.' | b'_' | b'+'));
    match (known, reg_id) {
        (true, _) => Ok(Some(Box::new(Instance { urn: urn.to_owned(), reg_id, epoch: 0 }))),
        (false, 0) => Ok(None),
        (false, _) => Err(400),
    }
}

fn user_agent(request: &Message) -> Arc<str> {
    let Some(value) = request.header(Name::UserAgent) else { return Arc::from("") };
    let text = value.text();
    let mut end = text.len().min(USER_AGENT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Arc::from(text.get(..end).unwrap_or_default())
}

/// The contact's own `expires`, else the Expires header field, else the default.
fn asked_s(request: &Message, contact: &NameAddrRef<'_>) -> u32 {
    let asked = if contact.param("expires").is_some() { contact.expires() } else { request.expires() };
    asked.unwrap_or(DEFAULT_EXPIRES_S)
}

/// The URI up to its header fields, which may not stand in a Request-URI (RFC 3261 section 19.1.1).
fn without_headers(uri: UriRef<'_>) -> &str {
    let text = uri.as_str();
    let headers = uri.headers().map_or(0, |headers| headers.len() + 1);
    text.get(..text.len().saturating_sub(headers)).unwrap_or(text)
}
