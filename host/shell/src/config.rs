//! What a shell is started with.

use crate::{BucketSettings, IdentitySettings, MailSettings, SpeechSettings};
use core::net::SocketAddr;
use core::time::Duration;
use model::{Cidr, DigestAlgorithm, Limits, Shards};
use net::{Dscp, ListenerConfig, MediaConfig, TlsConfig};
use std::path::PathBuf;
use switch::{GuardConfig, ShedderConfig};

/// How a node's shards run.
#[derive(Clone, Debug)]
pub struct ShellConfig {
    /// How many shards: threads that serve calls, each with whole brands. From 1 to [`Shards::MAX`].
    pub shards: u8,
    /// Every limit.
    pub limits: Limits,
    /// Where to listen for SIP.
    pub listeners: Vec<ListenerConfig>,
    /// Certificates for TLS listeners, authorities for what we connect to.
    pub tls: TlsConfig,
    /// The networks on our side of the NAT: their peers are told our own addresses, not the advertised ones.
    pub local_nets: Vec<Cidr>,
    /// The origins whose pages may open a WebSocket; none = every origin.
    pub ws_origins: Vec<String>,
    /// The mark of signalling for the network's queues; media ports have their own.
    pub dscp: Dscp,
    /// Which media ports to bind; none = signalling only.
    pub media: Vec<MediaConfig>,
    /// The name servers for next hops; none = those of `/etc/resolv.conf`.
    pub dns_servers: Vec<SocketAddr>,
    /// The company domain that a request means when it is addressed to one of our own addresses.
    pub default_domain: Option<String>,
    /// What digest challenges offer, in this order.
    pub digest: Vec<DigestAlgorithm>,
    /// Who is listened to.
    pub guard: GuardConfig,
    /// When new work is refused.
    pub overload: ShedderConfig,
    /// Sent in `Server` and `User-Agent`.
    pub server_name: String,
    /// Whether phones are told of waiting messages without a subscription.
    pub unsolicited_mwi: bool,
    /// RFC 3261 T1.
    pub t1: Duration,
    /// RFC 3261 T2.
    pub t2: Duration,
    /// RFC 3261 T4.
    pub t4: Duration,
    /// The file that says which country an address belongs to, for companies that name countries.
    pub countries: Option<PathBuf>,
    /// From where certificates of callers' identities are fetched, and who is believed.
    pub identity: IdentitySettings,
    /// How mail is sent.
    pub mail: MailSettings,
    /// Where recordings go once they are encoded; none = they stay in `data_dir`.
    pub bucket: Option<BucketSettings>,
    /// Who reads texts aloud.
    pub speech: SpeechSettings,
    /// The folder for the CDR outbox and the saved registrations; made if missing.
    pub data_dir: PathBuf,
    /// Prompts that come with the program: name and WAV file.
    pub prompts: Vec<(String, Vec<u8>)>,
    /// A folder of `NAME.wav` and `NAME.opus` files, and of such folders, that are added to them or take their place.
    pub prompts_dir: Option<PathBuf>,
}

impl ShellConfig {
    /// The defaults, with files in `data_dir`; no listener and no media port.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> ShellConfig {
        ShellConfig {
            shards: Shards::ALONE.count(),
            limits: Limits::default(),
            listeners: Vec::new(),
            tls: TlsConfig::default(),
            local_nets: Vec::new(),
            ws_origins: Vec::new(),
            dscp: Dscp::CS3,
            media: Vec::new(),
            dns_servers: Vec::new(),
            default_domain: None,
            digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            guard: GuardConfig::default(),
            overload: ShedderConfig::default(),
            server_name: concat!("strowger/", env!("CARGO_PKG_VERSION")).to_owned(),
            unsolicited_mwi: false,
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            countries: None,
            identity: IdentitySettings::default(),
            mail: MailSettings::default(),
            bucket: None,
            speech: SpeechSettings::default(),
            data_dir,
            prompts: Vec::new(),
            prompts_dir: None,
        }
    }
}
