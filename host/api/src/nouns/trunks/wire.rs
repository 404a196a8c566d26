//! A trunk as it looks on the wire. A password goes in and never comes out.

use crate::credentials;
use crate::problem::Problem;
use core::net::SocketAddr;
use model::{TrunkCredentials, TrunkSecret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A server of the carrier.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// A name or an address.
    host: String,
    /// Without one a name is looked up by SRV.
    #[serde(default)]
    port: Option<u16>,
    /// `udp`, `tcp`, `tls`; without one a name is looked up by NAPTR, and an address is spoken to over UDP.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    transport: Option<model::Transport>,
    /// Lower is tried first.
    #[serde(default)]
    priority: u16,
    /// Its share among servers of the same priority, 1 or more.
    #[serde(default = "one")]
    weight: u16,
}

const fn one() -> u16 {
    1
}

/// Who vouches for callers' numbers on a trunk (STIR/SHAKEN).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stir {
    /// Whether calls to it are signed with the brand's key.
    sign: bool,
    verify: Verify,
}

/// What is done about the Identity of calls from a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verify {
    /// Nobody looks.
    #[default]
    Off,
    /// The called phone, the router and the CDR are told.
    Tag,
    /// Only what is proved comes in: 428, 436, 437, 438, or 403 for a stale date.
    Refuse,
}

impl From<model::TrunkStir> for Stir {
    fn from(s: model::TrunkStir) -> Self {
        let verify = match s.verify {
            model::Verify::Off => Verify::Off,
            model::Verify::Tag => Verify::Tag,
            model::Verify::Refuse => Verify::Refuse,
        };
        Stir { sign: s.sign, verify }
    }
}

impl From<Stir> for model::TrunkStir {
    fn from(s: Stir) -> Self {
        let verify = match s.verify {
            Verify::Off => model::Verify::Off,
            Verify::Tag => model::Verify::Tag,
            Verify::Refuse => model::Verify::Refuse,
        };
        model::TrunkStir { sign: s.sign, verify }
    }
}

impl From<model::TrunkServer> for Server {
    fn from(s: model::TrunkServer) -> Self {
        Server { host: s.host, port: s.port, transport: s.transport, priority: s.priority, weight: s.weight }
    }
}

impl From<Server> for model::TrunkServer {
    fn from(s: Server) -> Self {
        model::TrunkServer {
            host: s.host,
            port: s.port,
            transport: s.transport,
            priority: s.priority,
            weight: s.weight,
        }
    }
}

/// A registration with the carrier.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrunkRegistration)]
pub(crate) struct Registration {
    /// The user part of the address of record.
    user: String,
    /// Its domain; else the From domain, else the first server's host.
    #[serde(default)]
    domain: Option<String>,
    /// What is asked for, 60 to 86400 seconds.
    #[serde(default = "an_hour")]
    expires_s: u32,
}

const fn an_hour() -> u32 {
    3_600
}

impl From<model::TrunkRegistration> for Registration {
    fn from(r: model::TrunkRegistration) -> Self {
        Registration { user: r.user, domain: r.domain, expires_s: r.expires_s }
    }
}

impl From<Registration> for model::TrunkRegistration {
    fn from(r: Registration) -> Self {
        model::TrunkRegistration { user: r.user, domain: r.domain, expires_s: r.expires_s }
    }
}

/// Which identity headers cross the trunk.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Headers {
    /// Believe P-Asserted-Identity, P-Preferred-Identity and Remote-Party-ID before From, and keep Diversion.
    trust_identity: bool,
    /// Send P-Asserted-Identity.
    send_pai: bool,
    /// Send P-Preferred-Identity.
    send_ppi: bool,
    /// Send Remote-Party-ID.
    send_rpid: bool,
    /// Send Diversion of forwarded calls.
    send_diversion: bool,
    /// Send History-Info of forwarded calls.
    send_history_info: bool,
}

impl Default for Headers {
    fn default() -> Self {
        model::TrunkHeaders::default().into()
    }
}

impl From<model::TrunkHeaders> for Headers {
    fn from(h: model::TrunkHeaders) -> Self {
        Headers {
            trust_identity: h.trust_identity,
            send_pai: h.send_pai,
            send_ppi: h.send_ppi,
            send_rpid: h.send_rpid,
            send_diversion: h.send_diversion,
            send_history_info: h.send_history_info,
        }
    }
}

impl From<Headers> for model::TrunkHeaders {
    fn from(h: Headers) -> Self {
        model::TrunkHeaders {
            trust_identity: h.trust_identity,
            send_pai: h.send_pai,
            send_ppi: h.send_ppi,
            send_rpid: h.send_rpid,
            send_diversion: h.send_diversion,
            send_history_info: h.send_history_info,
        }
    }
}

/// Where calls may come from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    /// A network, `198.51.100.0/24`, or one address.
    network: String,
    /// Only calls that came to this address and port of ours; else any.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    listener: Option<SocketAddr>,
}

impl From<model::TrunkSource> for Source {
    fn from(s: model::TrunkSource) -> Self {
        Source { network: s.network.to_string(), listener: s.listener }
    }
}

/// The sources, with the refusal of the one that is none.
pub(crate) fn sources(list: Vec<Source>) -> Result<Vec<model::TrunkSource>, Problem> {
    let read = |(at, s): (usize, Source)| {
        let address = || s.network.parse::<core::net::IpAddr>().map(ipnet::IpNet::from);
        let network = s.network.parse().or_else(|_| address());
        let network = network.map_err(|_| Problem::field(format!("sources[{at}].network"), "expected ADDRESS/LENGTH"));
        Ok(model::TrunkSource { network: network?.trunc(), listener: s.listener })
    };
    list.into_iter().enumerate().map(read).collect()
}

/// Who we are to the carrier, without the secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownCredentials {
    /// The digest user name.
    username: String,
    /// The realm that the kept digest is for; absent where the password itself is kept, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
}

impl From<TrunkCredentials> for ShownCredentials {
    fn from(c: TrunkCredentials) -> Self {
        let realm = match c.secret {
            TrunkSecret::Password(_) => None,
            TrunkSecret::Ha1 { realm, .. } => Some(realm),
        };
        ShownCredentials { username: c.username, realm }
    }
}

/// Who we are to the carrier.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The digest user name.
    username: String,
    /// 1 to 128 characters; never shown again.
    password: String,
    /// The carrier's realm, if it is known and never changes: then only a digest of the password is kept.
    #[serde(default)]
    realm: Option<String>,
}

impl Credentials {
    pub(crate) fn kept(self) -> Result<TrunkCredentials, Problem> {
        if !(1..=128).contains(&self.password.chars().count()) || self.password.chars().any(char::is_control) {
            return Err(Problem::field("credentials.password", "expected 1 to 128 printable characters"));
        }
        let secret = match self.realm {
            Some(realm) => TrunkSecret::Ha1 { ha1: credentials::ha1(&self.username, &realm, &self.password), realm },
            None => TrunkSecret::Password(self.password),
        };
        Ok(TrunkCredentials { username: self.username, secret })
    }
}
