//! How a REGISTER is answered (RFC 3261 section 10.3 step 8), with what RFCs 3327, 3608, 5626 and 5627 add.

use crate::request::Terms;
use crate::update::seconds;
use crate::{Binding, Registrant, Registrar};
use core::fmt::Write;
use model::Instant;
use sip_message::{Uri, push_number};

/// One binding in a 200.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The contact URI.
    pub contact: String,
    /// Seconds left.
    pub expires_s: u32,
    /// The parameters after `expires`: instance, reg-id and GRUUs.
    pub more: String,
}

impl Listed {
    /// The value of its Contact field.
    #[must_use]
    pub fn value(&self) -> String {
        let mut out = Vec::with_capacity(self.contact.len() + self.more.len() + 24);
        out.push(b'<');
        out.extend_from_slice(self.contact.as_bytes());
        out.extend_from_slice(b">;expires=");
        push_number(&mut out, self.expires_s);
        out.extend_from_slice(self.more.as_bytes());
        // Texts and digits are UTF-8.
        String::from_utf8(out).unwrap_or_default()
    }
}

/// How a REGISTER is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// 200, 400, 403, 423, 439, 500 or 503.
    pub status: u16,
    /// Every binding of the AOR, for the Contact fields of a 200.
    pub contacts: Vec<Listed>,
    /// More header fields.
    pub headers: Vec<(&'static str, String)>,
}

impl Registration {
    pub(crate) fn refused(status: u16) -> Registration {
        Registration { status, contacts: Vec::new(), headers: Vec::new() }
    }

    pub(crate) fn too_brief(min_s: u32) -> Registration {
        Registration { headers: vec![("Min-Expires", min_s.to_string())], ..Registration::refused(423) }
    }

    pub(crate) fn full() -> Registration {
        Registration { headers: vec![("Retry-After", "60".to_owned())], ..Registration::refused(503) }
    }
}

impl Registrar {
    /// The 200 that lists what stands.
    pub(crate) fn standing(&mut self, who: &Registrant<'_>, terms: &Terms, now: Instant) -> Registration {
        let mut nonces: Vec<u64> = Vec::new();
        if terms.wants_gruu {
            nonces = (0..self.held(who.account.id).len()).map(|_| self.ids.u64()).collect();
        }
        let mut nonces = nonces.into_iter();
        let contacts = self
            .bindings(who.account.id, now)
            .into_iter()
            .map(|binding| Listed {
                contact: binding.contact.clone(),
                expires_s: seconds(binding.expires_at.since(now)),
                more: self.more(who, binding, nonces.next()),
            })
            .collect();
        let mut headers = Vec::new();
        if terms.outbound {
            headers.push(("Require", "outbound".to_owned()));
        }
        if terms.knows_path && !terms.path.is_empty() {
            headers.push(("Path", terms.path.join(", ")));
        }
        if !who.policy.service_route.is_empty() {
            headers.push(("Service-Route", who.policy.service_route.join(", ")));
        }
        Registration { status: 200, contacts, headers }
    }

    /// Instance and reg-id as they were given, and the GRUUs where they are wanted.
    fn more(&self, who: &Registrant<'_>, binding: &Binding, nonce: Option<u64>) -> String {
        let mut out = String::new();
        let Some(instance) = binding.instance.as_deref() else { return out };
        let _ = write!(out, ";+sip.instance=\"<{}>\"", instance.urn);
        if instance.reg_id != 0 {
            let _ = write!(out, ";reg-id={}", instance.reg_id);
        }
        let Some(nonce) = nonce else { return out };
        let public = binding.public_gruu(&who.account.username, who.domain);
        let token = self.gruus.seal(who.account.id, instance.epoch, nonce);
        let temporary = Uri::sip(Some(&token), who.domain, None).and_then(|uri| uri.with_param("gr", None));
        if let (Some(public), Ok(temporary)) = (public, temporary) {
            let _ = write!(out, ";pub-gruu=\"{public}\";temp-gruu=\"{temporary}\"");
        }
        out
    }
}
