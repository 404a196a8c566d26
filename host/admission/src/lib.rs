//! Who is this? A flow and a request, held against the directory, give an [`Admitted`], a challenge or a refusal.
//!
//! Floor 2. Runs before any dialog exists: nothing opens without an [`Admitted`], and only this crate can make one.
//! Digest is RFC 3261 section 22 with RFC 8760's algorithms; an account with direct connectivity is known by its
//! address instead. The identity is always the account's own, never what the From header claims. The [`Guard`] says who
//! is listened to at all, the [`Shedder`] how much new work is taken when the shard is late.
#![forbid(unsafe_code)]

mod digest_uri;
mod domain;
mod guard;
mod identity;
mod overload;
mod trunk;

use core::net::{IpAddr, SocketAddr};
use model::{Account, Ban, Company, Directory, Flow, Instant};
use sip_auth::{AuthFailure, Authenticator, Realm};
use sip_message::{Message, Method, Name};
use std::collections::BTreeSet;
use std::sync::Arc;

pub use domain::Domains;
pub use guard::{Guard, GuardConfig, GuardCounters, Rate, SCANNERS, UnknownDomain, Verdict, Word};
pub use identity::{Presented, dialled, presented};
pub use overload::{Load, Shedder, ShedderConfig, ShedderCounters};
pub use trunk::{AdmittedTrunk, called, caller_of};

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
    /// Not now: 503, try again after so many seconds.
    TooMany(u32),
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
    /// Right answers to a challenge that were given for somebody else's number.
    pub uris_changed: u64,
    /// Calls from carriers for numbers that are nobody's.
    pub unknown_numbers: u64,
    /// Nonces that were somebody else's.
    pub foreign_nonces: u64,
    /// Requests from where the company may not be used.
    pub sources_refused: u64,
}

/// The doorkeeper of a shard.
#[derive(Debug)]
pub struct Doorkeeper {
    authenticator: Authenticator,
    domains: Domains,
    guard: Guard,
    peers: BTreeSet<IpAddr>,
    counters: Counters,
}

impl Doorkeeper {
    /// A doorkeeper that knows our own addresses and the domain that stands in for them.
    #[must_use]
    pub fn new(authenticator: Authenticator, domains: Domains, guard: Guard) -> Doorkeeper {
        Doorkeeper { authenticator, domains, guard, peers: BTreeSet::new(), counters: Counters::default() }
    }

    /// What nonces are made with, to be kept over a restart.
    #[must_use]
    pub fn nonce_secret(&self) -> [u8; 32] {
        self.authenticator.secret()
    }

    /// Goes on with the nonce secret of an earlier run: see [`Authenticator::resume`].
    pub fn resume(&mut self, secret: [u8; 32], now: Instant) {
        self.authenticator.resume(secret, now);
    }

    /// The addresses of carriers' servers that we send to: they are trusted as those are that call us.
    pub fn set_peers(&mut self, peers: impl Iterator<Item = IpAddr>) {
        self.peers = peers.map(|peer| peer.to_canonical()).collect();
    }

    /// Whether a source is never banned: the operator says so, or a direct account or a carrier is there.
    fn trusts(&self, directory: &Directory, source: IpAddr) -> bool {
        self.guard.trusts(source) || is_peer(&self.peers, directory, source)
    }

    /// Whether nothing of this source is listened to.
    pub fn is_banned(&mut self, directory: &Directory, source: IpAddr, now: Instant) -> bool {
        let peers = &self.peers;
        self.guard.is_banned(source, |guard| guard.trusts(source) || is_peer(peers, directory, source), now)
    }

    /// Whether a request outside a dialog gets no answer at all: a scanner's, a flood's, or one for nobody's domain
    /// where those are dropped.
    pub fn drops(&mut self, directory: &Directory, source: IpAddr, request: &Message, now: Instant) -> bool {
        if self.trusts(directory, source) {
            return false;
        }
        if self.guard.request(source, request, now) == Verdict::Drop {
            return true;
        }
        let drops = self.guard.unknown_domain() == UnknownDomain::Drop && self.company_of(directory, request).is_none();
        if drops {
            self.counters.unknown_domains += 1;
            self.guard.stranger(source, now);
        }
        drops
    }

    /// The bans that hold.
    #[must_use]
    pub fn bans(&self, directory: &Directory, now: Instant) -> Vec<Ban> {
        self.guard.bans(|company| directory.company(company).map(|c| c.domain.clone()), now)
    }

    /// What the other shards of the node are to be told of sources.
    pub fn take_words(&mut self) -> Vec<Word> {
        self.guard.take_words()
    }

    /// Another shard of the node says so of a source.
    pub fn hear(&mut self, word: Word, now: Instant) {
        self.guard.hear(word, now);
    }

    /// By what tenants are found.
    #[must_use]
    pub fn domains(&self) -> &Domains {
        &self.domains
    }

    /// Lets a source off; whether it was banned.
    pub fn unban(&mut self, source: IpAddr, now: Instant) -> bool {
        self.guard.lift(source, now)
    }

    /// The guard's totals.
    #[must_use]
    pub fn guard_counters(&self) -> GuardCounters {
        self.guard.counters()
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
        let source = flow.remote.ip();
        let trusted = self.trusts(directory, source);
        let Some(company) = self.company_of(directory, request) else {
            self.counters.unknown_domains += 1;
            if !trusted {
                self.guard.stranger(source, now);
            }
            return Admission::Refused(403);
        };
        let sources = &directory.policy(company.id).sources;
        if !sources.permits(source, |address| directory.countries().of(address)) {
            self.counters.sources_refused += 1;
            return Admission::Refused(403);
        }
        let Some(method) = request.method() else { return Admission::Refused(400) };
        let credentials = request.headers(Name::Authorization).map(|v| v.text()).collect::<Vec<_>>();
        let realm = Realm { name: &company.domain, source };
        let claimed = || sip_auth::claimed_user(credentials.iter().map(AsRef::as_ref), realm.name);
        if !trusted && self.guard.is_account_banned(source, company.id, claimed, now) {
            return Admission::Refused(403);
        }
        let lookup = |user: &str| directory.account(company.id, user).map(|a| &a.ha1);
        let values = credentials.iter().map(AsRef::as_ref);
        match self.authenticator.verify(values, method.as_str(), realm, lookup, now) {
            Ok(verified)
                if !digest_uri::means(&verified.uri, request) && !digest_uri::is_urgent(&company.rules, request) =>
            {
                self.counters.uris_changed += 1;
                Admission::Refused(400)
            }
            Ok(verified) => {
                let admission = self.known(directory, &company, &verified.username, request);
                if trusted { admission } else { self.within_rate(admission, source, request, now) }
            }
            Err(failure) => {
                let wrong = matches!(failure, AuthFailure::UnknownUser | AuthFailure::WrongPassword);
                if wrong
                    && !trusted
                    && let Some(user) = claimed()
                {
                    self.guard.failed(source, company.id, &user, now);
                }
                self.unknown(realm, failure, now)
            }
        }
    }

    /// An account that was admitted by its password vouches for its source, and has a rate of its own.
    fn within_rate(&mut self, admission: Admission, source: IpAddr, request: &Message, now: Instant) -> Admission {
        let Admission::Admitted(admitted) = &admission else { return admission };
        self.guard.succeeded(source, now);
        if self.guard.spend(admitted.account.id, request, now) {
            return admission;
        }
        Admission::TooMany(RATE_RETRY_S)
    }

    fn by_address(&self, directory: &Directory, remote: SocketAddr) -> Option<Admitted> {
        let account = directory.account_by_address(remote)?;
        admitted(directory, directory.company(account.company)?, account, "address")
    }

    fn company_of(&self, directory: &Directory, request: &Message) -> Option<Arc<Company>> {
        self.domains.named(directory, request).cloned()
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

    fn unknown(&mut self, realm: Realm<'_>, failure: AuthFailure, now: Instant) -> Admission {
        match failure {
            AuthFailure::Missing => {
                self.counters.challenged += 1;
                Admission::Challenge(self.authenticator.challenge(realm, false, now))
            }
            AuthFailure::ForeignNonce => {
                self.counters.challenged += 1;
                self.counters.foreign_nonces += 1;
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

/// When an account that is past its rate may try again, in seconds.
const RATE_RETRY_S: u32 = 5;

/// Whether a direct account or a carrier is there.
fn is_peer(peers: &BTreeSet<IpAddr>, directory: &Directory, source: IpAddr) -> bool {
    peers.contains(&source.to_canonical()) || directory.is_direct(source) || directory.is_trunk_source(source)
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
