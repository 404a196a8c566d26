//! An INVITE that admission let in.

use model::{
    Account, AccountId, Attr, CallId, CallInfo, Cause, Company, Edge, EndedBy, Flow, Header, Instant, MediaSecurity,
    Party, Trunk,
};
use sip_message::{Message, Name};
use sip_transaction::ServerKey;
use std::sync::Arc;

/// Whether a plugin never sees the header field: routing that is ours, credentials, and identities that nobody vouches
/// for.
fn is_hidden(name: Name<'_>) -> bool {
    matches!(
        name,
        Name::Via
            | Name::Route
            | Name::RecordRoute
            | Name::Contact
            | Name::CSeq
            | Name::CallId
            | Name::From
            | Name::To
            | Name::MaxForwards
            | Name::ContentLength
            | Name::ContentType
            | Name::Authorization
            | Name::ProxyAuthorization
            | Name::Allow
            | Name::Supported
            | Name::Accept
            | Name::PAssertedIdentity
            | Name::PPreferredIdentity
            | Name::RemotePartyId
            | Name::Diversion
            | Name::HistoryInfo
            | Name::Identity
    )
}

/// An admitted out-of-dialog INVITE: whose it is, and what it asks for.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The server transaction to answer.
    pub key: ServerKey,
    /// The flow it came on.
    pub flow: Flow,
    /// The INVITE.
    pub request: Message,
    /// The tenant.
    pub company: Arc<Company>,
    /// The brand's name.
    pub brand_name: String,
    /// The calling account; `None` for a call from a carrier.
    pub account: Option<Arc<Account>>,
    /// The carrier it came from.
    pub trunk: Option<FromTrunk>,
    /// The number that the caller presents: one that its account owns. A carrier's call has it in `trunk`.
    pub caller_user: String,
    /// Whether the account owns every identity that the request shows.
    pub presents_own: bool,
    /// What vouches for the caller: `digest`, `address` or `trunk`.
    pub verified: &'static str,
    /// The user part that was called; for a GRUU its account's.
    pub callee_user: String,
    /// The one device that was called, by its GRUU (RFC 5627).
    pub gruu: Option<registrar::GruuTarget>,
    /// The call's name, where something was asked about it already.
    pub id: Option<CallId>,
    /// Where its messages enter and leave, if filters are bound there.
    pub edge: Option<Edge>,
    /// It goes no further than the door, and why.
    pub refused: Option<TurnedAway>,
}

/// Why an INVITE that admission let in goes no further.
#[derive(Clone, Debug)]
pub struct TurnedAway {
    /// The status, 400 to 699.
    pub sip: u16,
    /// The reason phrase.
    pub reason: String,
    /// The cause of its record.
    pub cause: Cause,
    /// Who ended it.
    pub by: EndedBy,
}

/// What is known of a call from a carrier.
#[derive(Clone, Debug)]
pub struct FromTrunk {
    /// The trunk it came by.
    pub trunk: Arc<Trunk>,
    /// Who calls, as far as the carrier is believed.
    pub caller: Party,
    /// The caller's number, even where it is withheld.
    pub number: Option<String>,
}

impl Arrival {
    /// Whether the request may be shown to somebody else as it is: it says nothing of the caller that is not so.
    pub(crate) fn speaks_for_itself(&self) -> bool {
        self.presents_own && self.request.from().is_ok_and(|from| from.uri().is_sip())
    }

    /// The call as a plugin sees it.
    pub(crate) fn call_info(&self, call: CallId, now: Instant) -> CallInfo {
        let company = &self.company;
        CallInfo {
            call,
            brand: company.brand,
            brand_name: self.brand_name.clone(),
            company: company.id,
            company_name: company.name.clone(),
            account: self.account.as_ref().map(|account| account.username.clone()),
            source_ip: sip_message::ip_text(self.flow.remote.ip()),
            caller: self.caller(),
            callee: callee_party(&self.callee_user, &company.domain),
            headers: visible_headers(&self.request),
            received_at: now,
            attrs: self.trunk.iter().map(|from| ("trunk".to_owned(), from.trunk.name.clone())).collect::<Vec<Attr>>(),
        }
    }

    /// Whether the caller's leg has SRTP: the account's own word, else its company's.
    pub(crate) fn media_security(&self) -> MediaSecurity {
        self.account.as_ref().and_then(|account| account.media_security).unwrap_or(self.company.media_security)
    }

    /// Whether an account calls an emergency number.
    #[must_use]
    pub fn is_for_help(&self) -> bool {
        self.account.is_some() && policy::emergency(&self.company.rules, &self.callee_user).is_some()
    }

    /// The calling account and what it dials; `None` for a call from a carrier.
    pub(crate) fn outward(&self) -> Option<(&Account, &str)> {
        self.account.as_deref().map(|account| (account, self.callee_user.as_str()))
    }

    /// The calling account's row.
    pub(crate) fn account_id(&self) -> Option<AccountId> {
        self.account.as_ref().map(|account| account.id)
    }

    /// The calling account's user name; a carrier's caller by its number.
    pub(crate) fn username(&self) -> &str {
        match (&self.account, &self.trunk) {
            (Some(account), _) => &account.username,
            (None, Some(from)) => &from.caller.user,
            (None, None) => "",
        }
    }

    fn caller(&self) -> Party {
        if let Some(from) = &self.trunk {
            return from.caller.clone();
        }
        let Some(account) = &self.account else { return Party::default() };
        Party {
            uri: sip_uri(&self.caller_user, &self.company.domain),
            user: self.caller_user.clone(),
            display: Some(account.display_name.clone()).filter(|d| !d.is_empty()),
            verified: Some(self.verified.to_owned()),
        }
    }
}

/// The party of a dialled user part.
pub(crate) fn callee_party(user: &str, domain: &str) -> Party {
    Party { uri: sip_uri(user, domain), user: user.to_owned(), display: None, verified: None }
}

/// `sip:user@domain`, of parts that need no escapes.
pub(crate) fn sip_uri(user: &str, domain: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-_.*".contains(&b);
    if user.bytes().all(plain) {
        return ["sip:", user, "@", domain].concat();
    }
    format!("sip:{}@{domain}", crate::identity::escaped(user))
}

/// The header fields of a request that a plugin may see: no credentials, and nothing that is the switch's own.
#[must_use]
pub fn visible_headers(request: &Message) -> Vec<Header> {
    request
        .places()
        .filter(|place| !is_hidden(place.name))
        .map(|place| Header { name: place.written().to_owned(), value: place.value().text().into_owned() })
        .collect()
}
