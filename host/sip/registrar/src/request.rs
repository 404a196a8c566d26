//! What a REGISTER asks for.

use crate::binding::Binding;
use model::{Flow, Instant};
use sip_message::{Contacts, Message, Name};

/// Granted where neither the contact nor the request says how long (RFC 3261 section 10.2.1.1).
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
        let user_agent = request.header(Name::UserAgent).map(|v| v.text().into_owned()).unwrap_or_default();
        let asked = contacts.iter().map(|contact| Asked {
            expires_s: contact.expires().or(request.expires()).unwrap_or(DEFAULT_EXPIRES_S),
            binding: Binding {
                contact: contact.uri().as_str().to_owned(),
                flow: *flow,
                call_id: call_id.clone(),
                cseq,
                expires_at: Instant::from_unix_nanos(0),
                q: contact.q().unwrap_or(DEFAULT_Q),
                user_agent: user_agent.clone(),
            },
        });
        Ok(Wish::Update(asked.collect()))
    }
}
