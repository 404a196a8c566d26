//! The guard: who is listened to at all. Rates, bans, scanners.
//!
//! Runs before a transaction exists, so that who is not listened to costs a look into one table. What a source did is
//! proved or not: credentials made with a nonce of ours prove that their sender hears us; the rest anybody can send in
//! anybody's name, so it never bans a source that an account was admitted from of late (decision 0073).

mod bans;
mod config;
mod rate;
mod recent;
mod scanner;

pub use config::{GuardConfig, UnknownDomain};
pub use rate::Rate;
pub use scanner::SCANNERS;

use bans::Bans;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use model::{AccountId, Ban, Cidr, CompanyId, Instant, Offence};
use rate::Meter;
use recent::Recent;
use sip_message::{Message, Method};

/// How long a source is known as one that accounts are admitted from.
const GOOD_FOR: Duration = Duration::from_secs(7_200);
/// Longest user name kept of a failure, in bytes.
const USER_MAX: usize = 64;

/// Whom a ban is about: an IPv4 address, or the 64 bits of IPv6 that one owner has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Source(IpAddr);

impl Source {
    pub(crate) fn of(address: IpAddr) -> Source {
        match address.to_canonical() {
            IpAddr::V4(v4) => Source(IpAddr::V4(v4)),
            IpAddr::V6(v6) => Source(IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)))),
        }
    }

    pub(crate) fn cidr(self) -> Cidr {
        let prefix = if self.0.is_ipv4() { 32 } else { 64 };
        Cidr::new(self.0, prefix).unwrap_or(Cidr::single(self.0))
    }
}

/// What is known of a source.
#[derive(Debug)]
struct Known {
    requests: Meter,
    invites: Meter,
    overflows: Meter,
    failures: Meter,
    strangers: Meter,
    good_until: Instant,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            requests: Meter::default(),
            invites: Meter::default(),
            overflows: Meter::default(),
            failures: Meter::default(),
            strangers: Meter::default(),
            good_until: Instant::from_unix_nanos(0),
        }
    }
}

#[derive(Debug, Default)]
struct Spending {
    requests: Meter,
    invites: Meter,
}

/// Failures of one account from one source.
#[derive(Debug, Default)]
struct Pair {
    failures: Meter,
    banned: Option<(Instant, Instant)>,
    length: Duration,
    hits: u64,
}

type PairKey = (Source, CompanyId, String);

/// What the guard says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// No answer at all.
    Drop,
}

/// Totals since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GuardCounters {
    /// Messages of banned sources.
    pub banned: u64,
    /// Requests past a source's rate.
    pub source_rate: u64,
    /// Requests past an account's rate.
    pub account_rate: u64,
    /// Requests of scanners.
    pub scanners: u64,
    /// Requests for domains that are nobody's and got no answer.
    pub unknown_domains: u64,
    /// Credentials of an account that were not looked at, because they failed too often from that source.
    pub banned_accounts: u64,
    /// Bans begun.
    pub bans: u64,
    /// Bans that hold now, of sources.
    pub bans_now: usize,
    /// Sources known now.
    pub sources: usize,
}

/// What the other shards of a node are told of a source, whatever of it they read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// It is banned.
    Banned {
        /// An address of it.
        source: IpAddr,
        /// What it did.
        why: Offence,
    },
    /// An account was admitted from there by its password.
    Good {
        /// An address of it.
        source: IpAddr,
    },
}

/// The guard of a shard.
///
/// # Invariants
/// `words` stays empty unless there is somebody to tell. Every table has its limit in [`GuardConfig`]. A trusted source is in none of them but by chance of having become
/// trusted later, and then nothing in them counts.
#[derive(Debug)]
pub struct Guard {
    config: GuardConfig,
    known: Recent<Source, Known>,
    spending: Recent<AccountId, Spending>,
    pairs: Recent<PairKey, Pair>,
    pairs_banned: usize,
    bans: Bans,
    /// When it was asked last.
    seen: Instant,
    /// What the other shards are to be told, where there are some.
    words: Option<Vec<Word>>,
    counters: GuardCounters,
}

impl Guard {
    /// A guard that knows nobody.
    #[must_use]
    pub fn new(mut config: GuardConfig) -> Guard {
        config.scanners.iter_mut().for_each(|signature| signature.make_ascii_lowercase());
        Guard {
            known: Recent::new(config.sources_max),
            spending: Recent::new(config.accounts_max),
            pairs: Recent::new(config.sources_max),
            pairs_banned: 0,
            bans: Bans::new(config.ban_first(), config.ban_max(), config.bans_max),
            seen: Instant::from_unix_nanos(0),
            words: None,
            counters: GuardCounters::default(),
            config,
        }
    }

    /// One of several shards, each of which counts what it reads: bans and whom to spare are told to the others.
    #[must_use]
    pub fn among_others(self) -> Guard {
        Guard { words: Some(Vec::new()), ..self }
    }

    /// What the others are to be told since it was asked last.
    pub fn take_words(&mut self) -> Vec<Word> {
        self.words.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Another shard says so of a source.
    pub fn hear(&mut self, word: Word, now: Instant) {
        match word {
            Word::Banned { source, why } => {
                self.bans.ban(Source::of(source), why, now);
            }
            Word::Good { source } => self.known.touch(Source::of(source)).good_until = now + GOOD_FOR,
        }
    }

    /// Whether the configuration says that this source is never banned.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !self.config.enabled
            || (self.config.trust_loopback && address.is_loopback())
            || self.config.trusted.iter().any(|block| block.contains(address))
    }

    /// What is done with requests for domains that are nobody's.
    #[must_use]
    pub fn unknown_domain(&self) -> UnknownDomain {
        self.config.unknown_domain
    }

    /// Whether nothing of this source is listened to; counts it. `trusted` is asked only about a source that is banned.
    pub fn is_banned(&mut self, address: IpAddr, trusted: impl FnOnce(&Guard) -> bool, now: Instant) -> bool {
        self.seen = now;
        if !self.bans.hit(Source::of(address), now) || trusted(self) {
            return false;
        }
        self.counters.banned += 1;
        true
    }

    /// A request outside a dialog, of a source that is not trusted.
    pub fn request(&mut self, address: IpAddr, request: &Message, now: Instant) -> Verdict {
        let source = Source::of(address);
        let config = &self.config;
        let known = self.known.touch(source);
        let good = known.good_until > now;
        let offence = if !good && scanner::is_scanner(request, &config.scanners) {
            self.counters.scanners += 1;
            Some(Offence::Scanner)
        } else {
            let invite = matches!(request.method(), Some(Method::Invite));
            let within = known.requests.take(config.source_requests, now)
                && (!invite || known.invites.take(config.source_invites, now));
            if within {
                return Verdict::Pass;
            }
            self.counters.source_rate += 1;
            let flood = !known.overflows.take(config.overflows, now) && !good;
            flood.then_some(Offence::Flood)
        };
        if let Some(why) = offence {
            self.ban(source, why, now);
        }
        Verdict::Drop
    }

    /// A request for a domain that is nobody's.
    pub fn stranger(&mut self, address: IpAddr, now: Instant) {
        let source = Source::of(address);
        if self.config.unknown_domain == UnknownDomain::Drop {
            self.counters.unknown_domains += 1;
        }
        let known = self.known.touch(source);
        let too_many = !known.strangers.take(self.config.strangers, now) && known.good_until <= now;
        if too_many {
            self.ban(source, Offence::UnknownDomain, now);
        }
    }

    /// A request of an account that was admitted: whether it is within its rate.
    pub fn spend(&mut self, account: AccountId, request: &Message, now: Instant) -> bool {
        let spending = self.spending.touch(account);
        let invite = matches!(request.method(), Some(Method::Invite));
        let within = spending.requests.take(self.config.account_requests, now)
            && (!invite || spending.invites.take(self.config.account_invites, now));
        self.counters.account_rate += u64::from(!within);
        within
    }

    /// An account was admitted from here by its password.
    pub fn succeeded(&mut self, address: IpAddr, now: Instant) {
        let known = self.known.touch(Source::of(address));
        if let Some(words) = &mut self.words
            && known.good_until < now + GOOD_FOR / 2
        {
            words.push(Word::Good { source: address });
        }
        known.good_until = now + GOOD_FOR;
    }

    /// Whether credentials of this account are not looked at from this source; counts it. `user` is asked for only if
    /// there is any such ban.
    pub fn is_account_banned(
        &mut self,
        address: IpAddr,
        company: CompanyId,
        user: impl FnOnce() -> Option<String>,
        now: Instant,
    ) -> bool {
        if self.pairs_banned == 0 {
            return false;
        }
        let Some(user) = user() else { return false };
        let key = (Source::of(address), company, shortened(&user));
        let closed = self.pairs.peek(&key).and_then(|pair| pair.banned).is_some_and(|(_, until)| until > now);
        if !closed {
            return false;
        }
        self.pairs.touch(key).hits += 1;
        self.counters.banned_accounts += 1;
        true
    }

    /// Credentials made with our nonce for this source were wrong. First the account is closed to the source, so that
    /// one phone with a wrong password does not lock out its neighbours; a source that fails with many is banned whole.
    pub fn failed(&mut self, address: IpAddr, company: CompanyId, user: &str, now: Instant) {
        let source = Source::of(address);
        let (first, longest) = (self.config.ban_first(), self.config.ban_max());
        let pair = self.pairs.touch((source, company, shortened(user)));
        let closed = pair.banned.is_some_and(|(_, until)| until > now);
        if !closed && !pair.failures.take(self.config.account_failures, now) {
            let before = pair.banned.is_some_and(|(_, until)| now.since(until) < longest);
            pair.length = if before { pair.length.saturating_mul(4).min(longest) } else { first };
            pair.banned = Some((now, now + pair.length));
            pair.hits = 0;
            self.counters.bans += 1;
            // Counts up only: a hint that the look into the table is needed, set right when the list is asked for.
            self.pairs_banned += 1;
        }
        if !self.known.touch(source).failures.take(self.config.source_failures, now) {
            self.ban(source, Offence::Authentication, now);
        }
    }

    fn ban(&mut self, source: Source, why: Offence, now: Instant) {
        let begun = self.bans.ban(source, why, now);
        self.counters.bans += u64::from(begun);
        if let Some(words) = self.words.as_mut().filter(|_| begun) {
            words.push(Word::Banned { source: source.0, why });
        }
    }

    /// The bans that hold. `domain` names a company's.
    pub fn bans(&self, domain: impl Fn(CompanyId) -> Option<String>, now: Instant) -> Vec<Ban> {
        let mut bans: Vec<Ban> = self.bans.list(now).collect();
        for ((source, company, user), pair) in self.pairs.iter() {
            let Some((since, until)) = pair.banned.filter(|(_, until)| *until > now) else { continue };
            let account = domain(*company).map_or_else(|| user.clone(), |domain| format!("{user}@{domain}"));
            let why = Offence::Authentication;
            bans.push(Ban { source: source.cidr(), account: Some(account), why, since, until, hits: pair.hits });
        }
        bans
    }

    /// Lets a source off, with all its accounts, and forgets what it did; whether anything was lifted.
    pub fn lift(&mut self, address: IpAddr, now: Instant) -> bool {
        let source = Source::of(address);
        let mut lifted = self.bans.lift(source, now);
        let closed: Vec<PairKey> = self
            .pairs
            .iter()
            .filter(|(key, p)| key.0 == source && p.banned.is_some())
            .map(|(k, _)| k.clone())
            .collect();
        for key in closed {
            let pair = core::mem::take(self.pairs.touch(key));
            lifted |= pair.banned.is_some_and(|(_, until)| until > now);
        }
        self.pairs_banned = self.pairs.iter().filter(|(_, p)| p.banned.is_some()).count();
        if self.known.peek(&source).is_some() {
            *self.known.touch(source) = Known::default();
        }
        lifted
    }

    /// The totals.
    #[must_use]
    pub fn counters(&self) -> GuardCounters {
        GuardCounters { bans_now: self.bans.alive(self.seen), sources: self.known.len(), ..self.counters }
    }
}

fn shortened(user: &str) -> String {
    user.chars().take(USER_MAX).collect()
}

#[cfg(test)]
mod tests;
