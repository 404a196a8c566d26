//! Trunks: a brand's links to carriers, and how the directory finds them.
//!
//! One noun for both ways: calls leave by the servers, and come in by the sources or by a registration. A trunk belongs
//! to a brand, never to a company; which company an inbound call is for, its DDI says.

use crate::{BrandId, Directory, Ha1, LookupError, TranslationSet, TranslationSetId, Transport, TrunkId, TrunkStir};
use core::net::{IpAddr, SocketAddr};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One server of a carrier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkServer {
    /// A name or an address literal, without brackets.
    pub host: String,
    /// Without one a name is looked up by SRV (RFC 3263 section 4.2), and a literal has its transport's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Without one a name is looked up by NAPTR (RFC 3263 section 4.1), and a literal is spoken to over UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// Lower is tried first.
    #[serde(default)]
    pub priority: u16,
    /// Its share among servers of the same priority, in proportion.
    #[serde(default = "one")]
    pub weight: u16,
}

const fn one() -> u16 {
    1
}

/// What answers a carrier's challenge.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkSecret {
    /// The password: needed while the carrier's realm is not known.
    Password(String),
    /// The digest secrets for one realm.
    Ha1 {
        /// The realm they are for.
        realm: String,
        /// `H(user:realm:password)`.
        ha1: Ha1,
    },
}

impl core::fmt::Debug for TrunkSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            TrunkSecret::Password(_) => f.write_str("Password(..)"),
            TrunkSecret::Ha1 { realm, .. } => write!(f, "Ha1({realm:?}, ..)"),
        }
    }
}

/// Who we are to a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkCredentials {
    /// The digest user name.
    pub username: String,
    /// The secret; never shown.
    pub secret: TrunkSecret,
}

/// A registration with a carrier.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkRegistration {
    /// The user part of the address of record.
    pub user: String,
    /// Its domain; without one the trunk's From domain, else the first server's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What is asked for, in seconds; the carrier's answer decides.
    #[serde(default = "an_hour")]
    pub expires_s: u32,
}

const fn an_hour() -> u32 {
    3_600
}

/// Which identity headers cross this trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrunkHeaders {
    /// The carrier vouches for who calls: P-Asserted-Identity, P-Preferred-Identity and Remote-Party-ID are believed, in
    /// this order, before From; and Diversion is kept (RFC 3325 section 5).
    pub trust_identity: bool,
    /// Send P-Asserted-Identity (RFC 3325).
    pub send_pai: bool,
    /// Send P-Preferred-Identity (RFC 3325).
    pub send_ppi: bool,
    /// Send Remote-Party-ID, which old gateways read.
    pub send_rpid: bool,
    /// Send Diversion of forwarded calls (RFC 5806).
    pub send_diversion: bool,
    /// Send History-Info of forwarded calls (RFC 7044).
    pub send_history_info: bool,
}

impl Default for TrunkHeaders {
    fn default() -> Self {
        TrunkHeaders {
            trust_identity: true,
            send_pai: true,
            send_ppi: false,
            send_rpid: false,
            send_diversion: true,
            send_history_info: false,
        }
    }
}

/// Where a trunk's calls may come from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkSource {
    /// The carrier's network; host bits are zero.
    pub network: IpNet,
    /// Only requests that came to this address of ours; `None` = any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<SocketAddr>,
}

/// A brand's link to a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    /// The row.
    pub id: TrunkId,
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand; what plans and plugins call it.
    pub name: String,
    /// A disabled trunk neither registers nor takes nor makes calls.
    pub enabled: bool,
    /// Where calls go; may be empty for a trunk that only brings calls.
    pub servers: Vec<TrunkServer>,
    /// What answers challenges.
    pub credentials: Option<TrunkCredentials>,
    /// What is registered with the carrier.
    pub registration: Option<TrunkRegistration>,
    /// The user part of From instead of the caller's number.
    pub from_user: Option<String>,
    /// The host part of From instead of the address of ours.
    pub from_domain: Option<String>,
    /// Which identity headers cross it.
    pub headers: TrunkHeaders,
    /// Most calls at once, both ways; `None` = no limit of its own.
    pub calls_max: Option<u32>,
    /// Most new calls out in a second; `None` = no limit of its own.
    pub cps_max: Option<u32>,
    /// A server that does not answer an INVITE at all for this long has failed, in milliseconds (a short Timer B).
    pub answer_ms: u32,
    /// How often each server is asked by OPTIONS, in seconds; `None` = not at all.
    pub ping_s: Option<u32>,
    /// How numbers are written on the carrier's side; `None` = as inside.
    pub translation: Option<TranslationSetId>,
    /// Media of its calls passes through the switch, whatever company and plan say.
    pub anchor: bool,
    /// Where its calls come from without a registration.
    pub sources: Vec<TrunkSource>,
    /// What is signed for it, and what it must bring signed.
    pub stir: TrunkStir,
}

impl Trunk {
    /// The default of [`Trunk::answer_ms`]: no carrier takes five seconds for a 100.
    pub const ANSWER_MS: u32 = 5_000;
}

/// The trunks and translation sets of a directory.
///
/// # Invariants
/// Every trunk's brand is in the directory and its set, if any, is of the same brand. `lengths` holds each prefix
/// length of `sources`, longest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct TrunkTable {
    pub(crate) trunks: BTreeMap<TrunkId, Arc<Trunk>>,
    by_name: BTreeMap<(BrandId, String), TrunkId>,
    pub(crate) sets: BTreeMap<TranslationSetId, Arc<TranslationSet>>,
    sources: BTreeMap<IpNet, Vec<(Option<SocketAddr>, TrunkId)>>,
    lengths_v4: Vec<u8>,
    lengths_v6: Vec<u8>,
}

impl Directory {
    /// Whether both have the very same trunks and translation sets, because none was changed from the one to the other.
    #[must_use]
    pub fn shares_trunks(&self, other: &Directory) -> bool {
        Arc::ptr_eq(&self.trunks, &other.trunks)
    }

    /// Adds the trunks and translation sets of every brand.
    ///
    /// # Errors
    /// [`LookupError::Dangling`] when a row names a brand or a set that is missing or another brand's.
    pub fn with_trunks(mut self, sets: Vec<TranslationSet>, trunks: Vec<Trunk>) -> Result<Directory, LookupError> {
        self.trunks = Arc::default();
        for set in sets {
            self.put_translation_set(set)?;
        }
        for trunk in trunks {
            self.put_trunk(trunk)?;
        }
        Ok(self)
    }

    /// An enabled trunk of a brand by name.
    #[must_use]
    pub fn trunk(&self, brand: BrandId, name: &str) -> Option<&Arc<Trunk>> {
        let id = self.trunks.by_name.get(&(brand, name.to_owned()))?;
        self.trunk_by_id(*id).filter(|t| t.enabled)
    }

    /// A trunk by row, enabled or not.
    #[must_use]
    pub fn trunk_by_id(&self, id: TrunkId) -> Option<&Arc<Trunk>> {
        self.trunks.trunks.get(&id)
    }

    /// Every trunk, by row.
    pub fn trunks(&self) -> impl Iterator<Item = &Arc<Trunk>> {
        self.trunks.trunks.values()
    }

    /// The translation set of a trunk.
    #[must_use]
    pub fn translation_of(&self, trunk: &Trunk) -> Option<&Arc<TranslationSet>> {
        self.trunks.sets.get(&trunk.translation?)
    }

    /// A translation set of a brand by name.
    #[must_use]
    pub fn translation_set(&self, brand: BrandId, name: &str) -> Option<&Arc<TranslationSet>> {
        self.trunks.sets.values().find(|set| set.brand == brand && set.name == name)
    }

    /// The enabled trunks, of whatever brands, that have this source: those with the longest network first, among equals
    /// those that name the listener before those that take any, then by row. Nobody takes another brand's calls away by
    /// naming a carrier's address, or by naming it more closely: the number called says whose the call is.
    #[must_use]
    pub fn trunks_at(&self, remote: IpAddr, listener: SocketAddr) -> Vec<Arc<Trunk>> {
        self.trunks.at(remote.to_canonical(), listener)
    }

    /// Whether this address is of a network that an enabled trunk names as its carrier's. A network that is wider than
    /// any carrier's, so that everybody is in it, names nobody.
    #[must_use]
    pub fn is_trunk_source(&self, remote: IpAddr) -> bool {
        self.trunks.names(remote.to_canonical())
    }
}

impl Directory {
    /// Whether calls of another brand than this come from the address, or go there: it is of a network or a server that
    /// an enabled trunk of that brand names, or a direct account of it is there.
    #[must_use]
    pub fn is_other_brands(&self, brand: BrandId, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trunks.is_other_brands(brand, address)
            || self.directs_at(address).any(|company| self.company(company).is_none_or(|c| c.brand != brand))
    }
}

/// The shortest prefix that a carrier's network has: IPv4, IPv6.
const CARRIER_PREFIX_MIN: (u8, u8) = (8, 16);

impl TrunkTable {
    /// Puts a trunk in, in place of the one of its row.
    pub(crate) fn insert(&mut self, trunk: Trunk) {
        let id = trunk.id;
        self.remove(id);
        for source in &trunk.sources {
            let network = source.network.trunc();
            let lengths = if network.addr().is_ipv4() { &mut self.lengths_v4 } else { &mut self.lengths_v6 };
            if !lengths.contains(&network.prefix_len()) {
                lengths.push(network.prefix_len());
                lengths.sort_unstable_by(|a, b| b.cmp(a));
            }
            let here = self.sources.entry(network).or_default();
            here.push((source.listener, id));
            // In the order of rows, whichever came first.
            here.sort_unstable_by_key(|(listener, id)| (*id, *listener));
        }
        self.by_name.insert((trunk.brand, trunk.name.clone()), id);
        self.trunks.insert(id, Arc::new(trunk));
    }

    /// Takes a trunk out.
    pub(crate) fn remove(&mut self, id: TrunkId) {
        let Some(trunk) = self.trunks.remove(&id) else { return };
        let name = (trunk.brand, trunk.name.clone());
        // Another row may have its name by now.
        if self.by_name.get(&name) == Some(&id) {
            self.by_name.remove(&name);
        }
        for source in &trunk.sources {
            let network = source.network.trunc();
            let Some(here) = self.sources.get_mut(&network) else { continue };
            here.retain(|(_, of)| *of != id);
            if !here.is_empty() {
                continue;
            }
            self.sources.remove(&network);
            let same = |other: &IpNet| {
                other.addr().is_ipv4() == network.addr().is_ipv4() && other.prefix_len() == network.prefix_len()
            };
            if !self.sources.keys().any(same) {
                let lengths = if network.addr().is_ipv4() { &mut self.lengths_v4 } else { &mut self.lengths_v6 };
                lengths.retain(|length| *length != network.prefix_len());
            }
        }
    }

    fn at(&self, remote: IpAddr, listener: SocketAddr) -> Vec<Arc<Trunk>> {
        let lengths = if remote.is_ipv4() { &self.lengths_v4 } else { &self.lengths_v6 };
        let mut found: Vec<Arc<Trunk>> = Vec::new();
        for length in lengths {
            let Ok(network) = IpNet::new(remote, *length) else { continue };
            let Some(here) = self.sources.get(&network.trunc()) else { continue };
            // They are kept in the order of rows.
            for wanted in [Some(listener), None] {
                let ids = here.iter().filter(|(of, _)| *of == wanted).map(|(_, id)| id);
                for trunk in ids.filter_map(|id| self.trunks.get(id)).filter(|trunk| trunk.enabled) {
                    if !found.iter().any(|known| known.id == trunk.id) {
                        found.push(Arc::clone(trunk));
                    }
                }
            }
        }
        found
    }

    fn names(&self, remote: IpAddr) -> bool {
        let (lengths, shortest) = match remote {
            IpAddr::V4(_) => (&self.lengths_v4, CARRIER_PREFIX_MIN.0),
            IpAddr::V6(_) => (&self.lengths_v6, CARRIER_PREFIX_MIN.1),
        };
        let enabled = |id: &TrunkId| self.trunks.get(id).is_some_and(|trunk| trunk.enabled);
        lengths.iter().filter(|length| **length >= shortest).any(|length| {
            let here = IpNet::new(remote, *length).ok().and_then(|network| self.sources.get(&network.trunc()));
            here.is_some_and(|here| here.iter().any(|(_, id)| enabled(id)))
        })
    }

    fn is_other_brands(&self, brand: BrandId, address: IpAddr) -> bool {
        let foreign = |trunk: &Trunk| trunk.enabled && trunk.brand != brand;
        let at = |trunk: &Trunk| {
            trunk.sources.iter().any(|source| source.network.contains(&address))
                || trunk.servers.iter().any(|server| server.host.parse() == Ok(address))
        };
        self.trunks.values().any(|trunk| foreign(trunk) && at(trunk))
    }
}

#[cfg(test)]
#[path = "trunk_tests.rs"]
mod tests;
