//! One binding.

use core::net::SocketAddr;
use model::{AccountId, Flow, Instant, NatPing, Transport};
use serde::{Deserialize, Serialize};
use sip_message::{Uri, UriRef};
use std::sync::Arc;

/// Which device a binding belongs to, where the phone says (RFC 5626 section 4.1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// The URN, without angle brackets.
    pub urn: String,
    /// The flow's number of RFC 5626; 0 where the phone does not do outbound.
    pub reg_id: u32,
    /// What its temporary GRUUs are of: drawn anew for a new binding and for a new Call-ID (RFC 5627 section 5.4).
    pub epoch: u64,
}

/// An address an account can be reached at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The Contact URI without its header fields: the Request-URI of requests to it.
    pub contact: String,
    /// How requests to it travel: the way the REGISTER came, through any NAT; see the crate's `nat` module.
    pub flow: Flow,
    /// The Path values (RFC 3327): the Route of requests to it, in order.
    #[serde(default)]
    pub path: Vec<String>,
    /// The device.
    #[serde(default)]
    pub instance: Option<Box<Instance>>,
    /// The REGISTER's Call-ID and CSeq, against disorder (RFC 3261 section 10.3 step 7).
    pub call_id: String,
    /// See `call_id`.
    pub cseq: u32,
    /// When it runs out.
    pub expires_at: Instant,
    /// Preference, in thousandths.
    pub q: u16,
    /// The phone's User-Agent, as it said; equal ones share their memory.
    pub user_agent: Arc<str>,
    /// The source address of the REGISTER.
    pub received: SocketAddr,
    /// Whether the phone is seen under another address than it knows of itself.
    #[serde(default)]
    pub behind_nat: bool,
    /// How it is kept reachable; [`NatPing::Off`] where it needs nothing.
    #[serde(default = "no_ping")]
    pub ping: NatPing,
}

const fn no_ping() -> NatPing {
    NatPing::Off
}

impl Binding {
    /// The binding after a restart; `None` if nobody can reach it any more.
    ///
    /// A connection does not outlive the process, and its id may be another's by now. A phone that told its true
    /// address can be connected to; one behind a NAT registers anew as it sees its connection end. A proxy that gave a
    /// Path is connected to anew as well.
    pub(crate) fn revived(self) -> Option<Binding> {
        if self.flow.connection.is_none() {
            return Some(self);
        }
        // A browser listens nowhere, and hardly a phone has a certificate for its address.
        if self.flow.transport != Transport::Tcp {
            return None;
        }
        let named = self.path.first().map_or(self.contact.as_str(), |path| crate::nat::uri_of(path));
        let remote = crate::nat::address_of(named).filter(|address| address.ip() == self.received.ip())?;
        Some(Binding { flow: Flow { remote, connection: None, ..self.flow }, ..self })
    }

    /// The flow's number of RFC 5626; `None` where the phone does not do outbound.
    pub(crate) fn outbound(&self) -> Option<(&str, u32)> {
        self.instance.as_deref().filter(|i| i.reg_id != 0).map(|i| (i.urn.as_str(), i.reg_id))
    }

    /// The public GRUU of its device (RFC 5627 section 5.1): the address of record, and the URN.
    #[must_use]
    pub fn public_gruu(&self, username: &str, domain: &str) -> Option<String> {
        let instance = self.instance.as_deref()?;
        let uri = Uri::sip(Some(username), domain, None).ok()?.with_param("gr", Some(&instance.urn)).ok()?;
        Some(uri.to_string())
    }

    /// Whether it belongs to the device called `urn` (RFC 5627 compares as URNs: without regard to case here).
    pub(crate) fn is_of(&self, urn: &str) -> bool {
        self.instance.as_deref().is_some_and(|i| i.urn.eq_ignore_ascii_case(urn))
    }

    /// Whether `newer` takes this binding's place: the same flow of the same device (RFC 5626 section 6), else the same
    /// contact (RFC 3261 section 10.3 step 7).
    pub(crate) fn gives_way_to(&self, newer: &Binding) -> bool {
        match (self.outbound(), newer.outbound()) {
            (Some((urn, id)), Some((other, other_id))) => id == other_id && urn.eq_ignore_ascii_case(other),
            (Some(_), None) | (None, _) => same_contact(&self.contact, &newer.contact),
        }
    }

    /// Bytes that the phone chose.
    pub(crate) fn weight(&self) -> usize {
        let instance = self.instance.as_ref().map_or(0, |i| i.urn.len());
        self.contact.len() + self.call_id.len() + instance + self.path.iter().map(String::len).sum::<usize>()
    }
}

/// A binding and its number: a higher one is newer.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) number: u64,
    /// When it is pinged next.
    pub(crate) ping_at: Option<Instant>,
    pub(crate) binding: Binding,
}

/// Whether two contacts are one, by the URI rules of RFC 3261 section 19.1.4.
pub(crate) fn same_contact(one: &str, two: &str) -> bool {
    if one == two {
        return true;
    }
    match (UriRef::parse(one), UriRef::parse(two)) {
        (Ok(one), Ok(two)) => one.equivalent(&two),
        (Ok(_) | Err(_), _) => false,
    }
}

/// Bindings to be kept over a restart.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Each with its account.
    pub bindings: Vec<(AccountId, Binding)>,
    /// What temporary GRUUs are made with, so that those given out stay good.
    #[serde(default)]
    pub gruu_secret: Option<[u8; 32]>,
    /// What digest nonces are made with, so that those of before are stale and not foreign.
    #[serde(default)]
    pub nonce_secret: Option<[u8; 32]>,
}
