//! What a REGISTER asks for.

use crate::binding::{Binding, reach};
use model::{Flow, Instant};
use sip_message::{Contacts, Message, Name, NameAddrRef, UriRef};

/// Granted where neither the contact nor the request says how long (RFC 3261 section 10.2.1.1), or where what it says
/// cannot be read (section 10.3 step 7).
const DEFAULT_EXPIRES_S: u32 = 3_600;
/// The preference of a contact without q (section 20.10).
const DEFAULT_Q: u16 = 1_000;

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

impl Wish {
    /// Reads it.
    ///
    /// # Errors
    /// The status that refuses it: 400.
    pub(crate) fn read(request: &Message, flow: &Flow) -> Result<Wish, u16> {
        let call_id = request.call_id().map_err(|_| 400_u16)?.to_owned();
        let cseq = request.cseq().map_err(|_| 400_u16)?.number;
        if request.header(Name::Contact).is_none() {
            return Ok(Wish::Query);
        }
        let contacts = match request.contacts().map_err(|_| 400_u16)? {
            Contacts::Star if request.expires() == Some(0) => return Ok(Wish::RemoveAll { call_id, cseq }),
            Contacts::Star => return Err(400),
            Contacts::List(list) => list,
        };
        // Nothing but sip can be called from here.
        if contacts.iter().any(|contact| !contact.uri().is_sip() || contact.uri().is_secure()) {
            return Err(400);
        }
        let user_agent = request.header(Name::UserAgent).map(|v| v.text().into_owned()).unwrap_or_default();
        let asked = contacts.iter().map(|contact| {
            let uri = without_headers(contact.uri());
            Asked {
                expires_s: asked_s(request, contact),
                binding: Binding {
                    contact: uri.to_owned(),
                    flow: reach(uri, flow),
                    call_id: call_id.clone(),
                    cseq,
                    expires_at: Instant::from_unix_nanos(0),
                    q: contact.q().unwrap_or(DEFAULT_Q),
                    user_agent: user_agent.clone(),
                    received: flow.remote,
                },
            }
        });
        Ok(Wish::Update(asked.collect()))
    }
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
