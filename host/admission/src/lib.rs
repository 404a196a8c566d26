//! Who is this? A flow and a request, held against the directory, give an [`Admitted`], a challenge or a refusal.
//!
//! Floor 2. Runs before any dialog exists: nothing opens without an [`Admitted`], and only this crate can make one.
//! Digest is RFC 3261 section 22 with RFC 8760's algorithms; an account with direct connectivity is known by its
//! address instead. The identity is always the account's own, never what the From header claims.
#![forbid(unsafe_code)]

mod domain;
mod trunk;

use core::net::SocketAddr;
use model::{Account, Company, Directory, Flow, Instant};
use sip_auth::{AuthFailure, Authenticator};
use sip_message::{Message, Method, Name};
use std::sync::Arc;

pub use domain::Domains;
pub use trunk::AdmittedTrunk;

/// Permission to open something for a tenant.
///
/// # Invariants
/// The account is enabled and belongs to the company, and the company to a brand of the directory.
#[derive(Clone, Debug)]
pub struct Admitted {
    company: Arc<Company>,
    brand_name: String,
    account: Arc<Account>,
    verified: &'static str,
}

impl Admitted {
    /// The tenant.
    #[must_use]
    pub fn company(&self) -> &Arc<Company> {
        &self.company
    }

    /// The brand's name.
    #[must_use]
    pub fn brand_name(&self) -> &str {
        &self.brand_name
    }

    /// Who it is.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// What vouches for it: `digest` or `address`.
    #[must_use]
    pub fn verified(&self) -> &'static str {
        self.verified
    }
}

/// What admission says to a request.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Come in.
    Admitted(Admitted),
    /// Say who you are: 401 with these WWW-Authenticate values (RFC 3261 section 22.2).
    Challenge(Vec<String>),
    /// No: this status.
    Refused(u16),
}

/// Totals since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Requests admitted.
    pub admitted: u64,
    /// Challenges sent.
    pub challenged: u64,
    /// Credentials that were wrong, whoever they named.
    pub wrong_credentials: u64,
    /// Nonces used twice.
    pub replayed: u64,
    /// Domains that are nobody's.
    pub unknown_domains: u64,
    /// Calls from carriers for numbers that are nobody's.
    pub unknown_numbers: u64,
}

/// The doorkeeper of a shard.
#[derive(Debug)]
pub struct Doorkeeper {
    authenticator: Authenticator,
    domains: Domains,
    counters: Counters,
}

impl Doorkeeper {
    /// A doorkeeper that knows our own addresses and the domain that stands in for them.
    #[must_use]
    pub fn new(authenticator: Authenticator, domains: Domains) -> Doorkeeper {
        Doorkeeper { authenticator, domains, counters: Counters::default() }
    }

    /// The totals.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Decides about an out-of-dialog INVITE or a REGISTER.
    pub fn admit(&mut self, directory: &Directory, flow: &Flow, request: &Message, now: Instant) -> Admission {
        if let Some(admitted) = self.by_address(directory, flow.remote) {
            self.counters.admitted += 1;
            return Admission::Admitted(admitted);
        }
        let Some(company) = self.company_of(directory, request) else {
            self.counters.unknown_domains += 1;
            return Admission::Refused(403);
        };
        let Some(method) = request.method() else { return Admission::Refused(400) };
        let credentials = request.headers(Name::Authorization).map(|v| v.text()).collect::<Vec<_>>();
        let lookup = |user: &str| directory.account(company.id, user).map(|a| a.ha1.clone());
        let verdict = self.authenticator.verify(
            credentials.iter().map(AsRef::as_ref),
            method.as_str(),
            &company.domain,
            lookup,
            now,
        );
        match verdict {
            Ok(verified) => self.known(directory, &company, &verified.username, request),
            Err(failure) => self.unknown(&company.domain, failure, now),
        }
    }

    fn by_address(&self, directory: &Directory, remote: SocketAddr) -> Option<Admitted> {
        let account = directory.account_by_address(remote)?;
        admitted(directory, directory.company(account.company)?, account, "address")
    }

    /// The tenant named by the From domain (for REGISTER: by the To domain, RFC 3261 section 10.3 step 1).
    fn company_of(&self, directory: &Directory, request: &Message) -> Option<Arc<Company>> {
        let party = match request.method() {
            Some(Method::Register) => request.to(),
            Some(_) | None => request.from(),
        };
        let host = party.ok()?.uri().host().to_owned();
        self.domains.company(directory, &host).cloned()
    }

    fn known(&mut self, directory: &Directory, company: &Arc<Company>, user: &str, request: &Message) -> Admission {
        // RFC 3261 section 10.3 step 4: nobody registers for somebody else.
        let registers = matches!(request.method(), Some(Method::Register));
        let own = request.to().is_ok_and(|to| to.uri().user().is_some_and(|u| u == user));
        if registers && !own {
            return Admission::Refused(403);
        }
        let account = directory.account(company.id, user);
        match account.and_then(|a| admitted(directory, company, a, "digest")) {
            Some(admitted) => {
                self.counters.admitted += 1;
                Admission::Admitted(admitted)
            }
            None => Admission::Refused(403),
        }
    }

    fn unknown(&mut self, realm: &str, failure: AuthFailure, now: Instant) -> Admission {
        match failure {
            AuthFailure::Missing => {
                self.counters.challenged += 1;
                Admission::Challenge(self.authenticator.challenge(realm, false, now))
            }
            AuthFailure::Stale => {
                self.counters.challenged += 1;
                Admission::Challenge(self.authenticator.challenge(realm, true, now))
            }
            AuthFailure::Replayed => {
                self.counters.replayed += 1;
                Admission::Challenge(self.authenticator.challenge(realm, true, now))
            }
            // One answer for both, so that nobody learns which user names exist.
            AuthFailure::UnknownUser | AuthFailure::WrongPassword => {
                self.counters.wrong_credentials += 1;
                Admission::Refused(403)
            }
            AuthFailure::Malformed(_) => Admission::Refused(400),
        }
    }

    /// Whether `host` of a Request-URI is ours to serve for `company`: its own domain, or one of our addresses.
    #[must_use]
    pub fn serves(&self, directory: &Directory, company: &Company, host: &str) -> bool {
        self.domains.is_own_address(host) || self.domains.company(directory, host).is_some_and(|c| c.id == company.id)
    }
}

fn admitted(
    directory: &Directory,
    company: &Arc<Company>,
    account: &Arc<Account>,
    verified: &'static str,
) -> Option<Admitted> {
    let brand = directory.brand(company.brand)?;
    Some(Admitted {
        company: Arc::clone(company),
        brand_name: brand.name.clone(),
        account: Arc::clone(account),
        verified,
    })
}
