//! Carriers: a trunk whose servers are phones of the run (known by address), with a dead one among them at times, caps,
//! and digest. A phone that is a carrier's server challenges what came by the trunk, and knows right from wrong.

use crate::chance::Chance;
use crate::node::Node;
use crate::plan::{NOWHERE, PhonePlan};
use crate::rules::Broken;
use crate::text;
use core::net::SocketAddr;
use core::time::Duration;
use model::{
    BrandId, DigestAlgorithm, Instant, Trunk, TrunkCredentials, TrunkHeaders, TrunkId, TrunkSecret, TrunkServer,
};
use sip_auth::{AuthFailure, Authenticator, Realm};

/// The trunk's name in plans.
pub(crate) const NAME: &str = "carrier";
const USER: &str = "acme";
const REALM: &str = "carrier.test";
const SECRET: &str = "a secret of acme";

/// The carrier of a run.
#[derive(Clone, Debug)]
pub(crate) struct CarrierPlan {
    servers: Vec<SocketAddr>,
    pub(crate) calls_max: Option<u32>,
    pub(crate) cps_max: Option<u32>,
    /// Percent of a step's targets that are the trunk.
    pub(crate) liked: u64,
    /// Its servers want digest.
    pub(crate) asks: bool,
}

impl CarrierPlan {
    /// A carrier for a third of the runs in which some phone is known by its address.
    pub(crate) fn of(seed: u64, phones: &[PhonePlan]) -> Option<CarrierPlan> {
        let mut c = Chance::new(seed.wrapping_mul(0x9e37_79b9) ^ 0x74_7275_6e6b);
        let mut servers: Vec<SocketAddr> = phones.iter().filter(|p| p.direct && !p.tcp).map(|p| p.local).collect();
        if servers.is_empty() || !c.percent(33) {
            return None;
        }
        if c.percent(30) {
            servers.insert(0, NOWHERE.parse().ok()?);
        }
        Some(CarrierPlan {
            servers,
            calls_max: c.percent(30).then(|| 1 + c.below(3) as u32),
            cps_max: c.percent(30).then_some(1),
            liked: 10 + c.below(30),
            asks: c.percent(50),
        })
    }

    /// The longest that its servers' silence can keep a call from the next one.
    pub(crate) fn longest_silence(&self) -> Duration {
        Duration::from_millis(u64::from(Trunk::ANSWER_MS)) * u32::try_from(self.servers.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn trunk(&self) -> Trunk {
        let server = |(address, priority): (&SocketAddr, u16)| TrunkServer {
            host: address.ip().to_string(),
            port: Some(address.port()),
            transport: None,
            // The dead one first, then the others by weight.
            priority: priority.min(1),
            weight: 1 + priority,
        };
        Trunk {
            id: TrunkId(1),
            brand: BrandId(1),
            name: NAME.to_owned(),
            enabled: true,
            servers: self.servers.iter().zip(0..).map(server).collect(),
            credentials: self.asks.then(|| TrunkCredentials {
                username: USER.to_owned(),
                secret: TrunkSecret::Password(SECRET.to_owned()),
            }),
            registration: None,
            from_user: None,
            from_domain: None,
            headers: TrunkHeaders::default(),
            calls_max: self.calls_max,
            cps_max: self.cps_max,
            answer_ms: Trunk::ANSWER_MS,
            ping_s: None,
            translation: None,
            anchor: false,
            sources: Vec::new(),
            stir: model::TrunkStir::default(),
        }
    }
}

/// The carrier's side of digest.
#[derive(Debug)]
pub(crate) struct Desk(Authenticator);

impl Desk {
    pub(crate) fn new() -> Desk {
        let offers = [DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
        Desk(Authenticator::new([5; 32], 10_000, Duration::from_secs(60)).offering(&offers))
    }

    /// Whether this INVITE came by the trunk: only those assert an identity.
    pub(crate) fn concerns(invite: &str) -> bool {
        text::field(invite, "p-asserted-identity").is_some()
    }

    /// The challenges to send, if the INVITE may not pass yet.
    pub(crate) fn challenge(&mut self, invite: &str, now: Instant) -> Result<Option<Vec<String>>, Broken> {
        let ha1 = sip_auth::ha1(USER, REALM, SECRET);
        let lookup = |user: &str| (user == USER).then_some(&ha1);
        // The carrier has one customer: the switch.
        let realm = Realm { name: REALM, source: core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST) };
        let given = text::field(invite, "proxy-authorization");
        match self.0.verify(given, "INVITE", realm, lookup, now) {
            Ok(_) => Ok(None),
            Err(AuthFailure::Missing) => Ok(Some(self.0.challenge(realm, false, now))),
            Err(AuthFailure::Stale | AuthFailure::Replayed) => Ok(Some(self.0.challenge(realm, true, now))),
            Err(
                why @ (AuthFailure::ForeignNonce
                | AuthFailure::UnknownUser
                | AuthFailure::WrongPassword
                | AuthFailure::Malformed(_)),
            ) => Err(Broken { rule: "carrier-digest", words: format!("{why:?}: {given:?}") }),
        }
    }
}

/// The trunk never has more calls than it may, and none when nobody calls.
pub(crate) fn check(core: &Node, plan: Option<&CarrierPlan>, at_rest: bool) -> Result<(), Broken> {
    for trunk in core.trunks() {
        let most = plan.and_then(|plan| plan.calls_max).unwrap_or(u32::MAX);
        let most = if at_rest { 0 } else { most };
        if trunk.calls > most {
            return Err(Broken { rule: "trunk-places", words: format!("at most {most}: {trunk:?}") });
        }
    }
    Ok(())
}
