//! What a seed stands for: who is there, how bad the network is, what the operator does, what the scripts like to do.

use crate::carriers::CarrierPlan;
use crate::chance::Chance;
use crate::network::Weather;
use crate::srtp::Liking;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use model::{
    Account, AccountId, Brand, BrandId, Company, CompanyId, DefaultVerdict, Directory, Extension, ExtensionId,
    Handling, Limits, MediaPath, RouteTarget,
};

/// The two companies' domains.
pub(crate) const DOMAINS: [&str; 2] = ["one.test", "two.test"];
/// The times at which phones that like to act together do so.
pub(crate) const GRID: Duration = Duration::from_secs(5);
/// An address where nobody is.
pub(crate) const NOWHERE: &str = "198.51.100.1:5060";

/// How a phone behaves; numbers are percent unless named otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Temper {
    pub(crate) busy: u64,
    pub(crate) decline: u64,
    pub(crate) fail: u64,
    /// Rings until somebody ends it.
    pub(crate) forever: u64,
    /// Does not answer at all.
    pub(crate) silent: u64,
    /// Rings longer than 64*T1 before it answers.
    pub(crate) slow: u64,
    /// Sends 183 with a session description.
    pub(crate) early: u64,
    pub(crate) hold: u64,
    /// Acts at [`GRID`] times: answers, cancels and re-INVITEs meet.
    pub(crate) grid: u64,
    pub(crate) digits: u64,
    /// Never sends RTP in this call.
    pub(crate) mute: u64,
    /// Sends its INVITE without an offer.
    pub(crate) late_offer: u64,
    /// Knows reliable provisional responses (RFC 3262): as caller supports or requires them, as callee sends them.
    pub(crate) reliable: u64,
    /// Transfers a call that stands to somebody else of its company (RFC 3515).
    pub(crate) transfer: u64,
    pub(crate) gap_ms: (u64, u64),
    pub(crate) talk_ms: (u64, u64),
    pub(crate) patience_ms: (u64, u64),
}

/// One phone.
#[derive(Clone, Debug)]
pub(crate) struct PhonePlan {
    pub(crate) company: usize,
    pub(crate) user: String,
    pub(crate) password: String,
    /// The address it believes it has.
    pub(crate) local: SocketAddr,
    /// The address its NAT gives it.
    pub(crate) nat: Option<IpAddr>,
    /// How long that NAT remembers who has sent nothing.
    pub(crate) nat_timeout: Duration,
    pub(crate) tcp: bool,
    /// Known by its address instead of registering.
    pub(crate) direct: bool,
    pub(crate) expires_s: u64,
    /// Whether it has SRTP.
    pub(crate) liking: Liking,
    pub(crate) temper: Temper,
    /// What it may dial.
    pub(crate) numbers: Vec<String>,
    /// Whose calls it watches.
    pub(crate) watches: Vec<String>,
}

/// What the world does by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deed {
    Directory,
    Operator,
    Restart,
    /// The connection of this phone breaks.
    Cut(usize),
    /// The same, and the switch learns of it only when it writes.
    Reset(usize),
    Drain,
}

impl Deed {
    /// What it is called where features are counted.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Deed::Directory => "directories",
            Deed::Operator => "operators",
            Deed::Restart => "restarts",
            Deed::Cut(_) => "cuts",
            Deed::Reset(_) => "resets",
            Deed::Drain => "drains",
        }
    }
}

/// How much the router likes each decision.
#[derive(Clone, Debug)]
pub(crate) struct Taste {
    pub(crate) weights: [u64; 10],
    pub(crate) direct_media: u64,
    pub(crate) max_duration: u64,
    pub(crate) ring_s: (u64, u64),
    /// Percent of apps that trap, return an error, or never return.
    pub(crate) bad_apps: u64,
}

/// The whole run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) phones: Vec<PhonePlan>,
    pub(crate) weather: Weather,
    pub(crate) storm: Duration,
    pub(crate) deeds: Vec<(Duration, Deed)>,
    pub(crate) limits: Limits,
    pub(crate) verdict: DefaultVerdict,
    pub(crate) taste: Taste,
    pub(crate) ports: u64,
    /// The operator ends every call instead of the phones.
    pub(crate) end_all: bool,
    /// Whether some account may be disabled for a while.
    pub(crate) disables: bool,
    /// A carrier, in some runs.
    pub(crate) carrier: Option<CarrierPlan>,
    /// Shards of the switch. Where there are several, each company is a brand of its own, on another shard.
    pub(crate) shards: u8,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Plan {
        let mut chance = Chance::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(77));
        let c = &mut chance;
        let mut phones = phones(c);
        // Drawn apart, so that the seeds' other decisions stay as they were.
        let mut apart = Chance::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(78));
        for phone in &mut phones {
            phone.liking = [Liking::Plain, Liking::Plain, Liking::Either, Liking::Strict][apart.below(4) as usize];
        }
        for phone in &mut phones {
            phone.nat_timeout = apart.millis(45_000, 150_000);
        }
        watches(&mut phones, &mut Chance::new(seed ^ 0x4c41_4d50));
        let storm = c.millis(60_000, 150_000);
        let tame = c.percent(15);
        let delay_ms = if tame { (1, 5) } else { (1, 5 + c.below(76)) };
        let weather = Weather {
            loss: if tame { 0 } else { c.below(11) },
            duplication: if tame { 0 } else { c.below(6) },
            delay_ms,
        };
        let disables = c.percent(15);
        let limits = Limits {
            calls_max: if c.percent(10) { 3 } else { 1_000 },
            calls_per_company_max: if c.percent(10) { 2 } else { 1_000 },
            legs_per_call_max: if c.percent(10) { 4 } else { 64 },
            media_timeout_s: 20 + u32::try_from(c.below(41)).unwrap_or(0),
            bindings_per_aor_max: 10,
            ring_timeout_max_s: 70,
            call_duration_max_s: if c.percent(10) { 30 } else { 10_800 },
            ..Limits::default()
        };
        let carrier = CarrierPlan::of(seed, &phones);
        let mut plan = Plan {
            carrier,
            deeds: deeds(c, storm, &phones, disables),
            phones,
            weather,
            storm,
            limits,
            verdict: if c.percent(50) { DefaultVerdict::Extensions } else { DefaultVerdict::Refuse },
            taste: taste(c),
            ports: if c.percent(10) { 6 } else { 400 },
            end_all: c.percent(15),
            disables,
            shards: 1,
        };
        crate::swarm::thin(&mut plan, seed);
        plan
    }

    /// A node of several shards comes back with another number of them.
    pub(crate) fn restart_shards(&mut self) {
        if self.shards > 1 {
            self.shards = 2 + (self.shards - 1) % 3;
        }
    }

    /// The directory; `version` varies what may vary while calls run.
    pub(crate) fn directory(&self, version: u64, chance: &mut Chance) -> Directory {
        let of_company = |company: i64| BrandId(if self.shards > 1 { company } else { 1 });
        let brand = |id| Brand { id, name: format!("b{id}"), default_verdict: self.verdict.clone() };
        let companies = DOMAINS.iter().zip(1_i64..).map(|(domain, id)| Company {
            id: CompanyId(id),
            brand: of_company(id),
            name: format!("c{id}"),
            domain: (*domain).to_owned(),
            media: if chance.percent(70) { MediaPath::Anchor } else { MediaPath::Direct },
            handling: Handling::B2bua,
            decline_ends_all: false,
            calls_max: None,
            media_security: model::MediaSecurity::Allow,
            codecs: Vec::new(),
            hold_music: None,
            kind: Default::default(),
            rules: Default::default(),
        });
        let companies = companies.collect();
        let disabled =
            (version > 1 && self.disables && chance.percent(60)).then(|| chance.below(self.phones.len() as u64));
        let mut accounts: Vec<Account> = Vec::new();
        for (index, phone) in self.phones.iter().enumerate() {
            if accounts.iter().any(|a| a.username == phone.user) {
                continue;
            }
            accounts.push(Account {
                id: account_id(index),
                company: CompanyId(phone.company as i64 + 1),
                username: phone.user.clone(),
                display_name: format!("Phone \"{index}\""),
                ha1: sip_auth::ha1(&phone.user, DOMAINS[phone.company], &phone.password),
                direct: phone.direct.then_some(phone.local),
                media_security: None,
                enabled: disabled != Some(index as u64),
                rules: Default::default(),
            });
        }
        let extensions = (1..=2).map(|company| Extension {
            id: ExtensionId(company),
            company: CompanyId(company),
            number: "900".to_owned(),
            target: RouteTarget::App("menu".to_owned()),
        });
        let brands = if self.shards > 1 { vec![brand(BrandId(1)), brand(BrandId(2))] } else { vec![brand(BrandId(1))] };
        let built = Directory::build(version, brands, companies, accounts, extensions.collect(), Vec::new());
        let trunks = self.carrier.iter().map(CarrierPlan::trunk).collect();
        match built.and_then(|directory| directory.with_trunks(Vec::new(), trunks)) {
            Ok(directory) => directory,
            Err(error) => unreachable!("the simulator's own rows: {error}"),
        }
    }
}

/// The account of the phone that brings it first.
pub(crate) fn account_id(phone: usize) -> AccountId {
    AccountId(phone as i64 + 1)
}

fn phones(c: &mut Chance) -> Vec<PhonePlan> {
    let count = 4 + c.below(5) as usize;
    let mut phones: Vec<PhonePlan> = Vec::new();
    for index in 0..count {
        let company = if count > 4 && index >= count / 2 { 1 } else { 0 };
        let direct = c.percent(25);
        let twin = phones.iter().position(|p: &PhonePlan| p.company == company && !p.direct);
        let user = match twin {
            Some(twin) if !direct && c.percent(20) => phones[twin].user.clone(),
            Some(_) | None => format!("{}", 1000 + 100 * company + index),
        };
        let nat = (!direct && c.percent(40)).then(|| IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10 + index as u8)));
        let local = if nat.is_some() {
            Ipv4Addr::new(192, 168, index as u8, 5)
        } else {
            Ipv4Addr::new(10, 1, 0, 10 + index as u8)
        };
        phones.push(PhonePlan {
            company,
            password: format!("secret {user}"),
            user,
            local: SocketAddr::new(IpAddr::V4(local), 5060),
            nat,
            nat_timeout: Duration::ZERO,
            tcp: !direct && c.percent(30),
            direct,
            expires_s: 60 + c.below(60),
            liking: Liking::Plain,
            temper: temper(c),
            numbers: Vec::new(),
            watches: Vec::new(),
        });
    }
    let known: Vec<(usize, String)> = phones.iter().map(|p| (p.company, p.user.clone())).collect();
    for phone in &mut phones {
        let company = phone.company;
        let of = |own: bool| {
            known.iter().filter(|(c, _)| (*c == company) == own).map(|(_, user)| user.clone()).collect::<Vec<_>>()
        };
        let own: Vec<String> = of(true).into_iter().filter(|u| *u != phone.user).collect();
        let mut numbers: Vec<String> = own.iter().chain(&own).chain(&own).cloned().collect();
        numbers.extend(of(false).into_iter().take(1));
        numbers.extend(["900", "900", "4711", "*8", "*691", "*681"].map(str::to_owned));
        phone.numbers = numbers;
    }
    phones
}

/// Most phones have a lamp or two for others of their company; some watch themselves.
fn watches(phones: &mut [PhonePlan], c: &mut Chance) {
    let known: Vec<(usize, String)> = phones.iter().map(|p| (p.company, p.user.clone())).collect();
    for phone in phones {
        let mut users: Vec<&String> = known.iter().filter(|(of, _)| *of == phone.company).map(|(_, u)| u).collect();
        users.dedup();
        for _ in 0..c.below(3) {
            let user = users[c.below(users.len() as u64) as usize];
            if !phone.watches.contains(user) {
                phone.watches.push(user.clone());
            }
        }
    }
}

fn temper(c: &mut Chance) -> Temper {
    let mut sometimes = |chance: u64, most: u64| if c.percent(chance) { c.below(most + 1) } else { 0 };
    Temper {
        busy: sometimes(40, 30),
        decline: sometimes(20, 20),
        fail: sometimes(20, 20),
        forever: sometimes(50, 40),
        silent: sometimes(20, 20),
        slow: sometimes(50, 40),
        early: sometimes(40, 60),
        hold: sometimes(60, 60),
        grid: sometimes(50, 100),
        digits: sometimes(80, 100),
        mute: sometimes(10, 30),
        late_offer: sometimes(20, 30),
        reliable: sometimes(50, 100),
        transfer: sometimes(40, 60),
        gap_ms: (500, 2_000 + c.below(15_000)),
        talk_ms: (0, 2_000 + c.below(58_000)),
        patience_ms: (1_000, if c.percent(60) { 100_000 } else { 15_000 }),
    }
}

fn taste(c: &mut Chance) -> Taste {
    let mut weights = [0; 10];
    for weight in &mut weights {
        *weight = [0, 0, 1, 2, 5][c.below(5) as usize];
    }
    weights[0] += 8;
    weights[1] += 2;
    weights[2] += 2;
    weights[9] += 3;
    let ring_s = if c.percent(50) { (5, 30) } else { (25, 60) };
    Taste { weights, direct_media: c.below(50), max_duration: c.below(40), ring_s, bad_apps: c.below(40) }
}

fn deeds(c: &mut Chance, storm: Duration, phones: &[PhonePlan], disables: bool) -> Vec<(Duration, Deed)> {
    let mut deeds = Vec::new();
    let storm_ms = storm.as_millis() as u64;
    let mut some = |c: &mut Chance, most: u64, deed: Deed| {
        for _ in 0..c.below(most + 1) {
            deeds.push((c.millis(5_000, storm_ms), deed));
        }
    };
    let swaps = if disables { 6 } else { 2 };
    some(c, swaps, Deed::Directory);
    let operator = if c.percent(40) { 4 } else { 0 };
    some(c, operator, Deed::Operator);
    let restarts = u64::from(c.percent(30));
    some(c, restarts, Deed::Restart);
    for (index, _) in phones.iter().enumerate().filter(|(_, p)| p.tcp) {
        let cuts = u64::from(c.percent(20));
        some(c, cuts, Deed::Cut(index));
        let resets = u64::from(c.percent(20));
        some(c, resets, Deed::Reset(index));
    }
    if c.percent(20) {
        deeds.push((storm.saturating_sub(c.millis(1_000, 15_000)), Deed::Drain));
    }
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}
