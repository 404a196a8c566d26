//! The configuration file: one TOML file, parsed whole into types before anything binds.
//!
//! Tenant settings live in the store, never here. A value that cannot be used is refused with file, line and column.
//! `host/docs/config.md` is written from the doc comments of this file; a test compares them.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;
use core::time::Duration;
use model::{Cidr, DigestAlgorithm, Limits, Shards, Transport};
use serde::Deserialize;
use shell::{ClientCertificates, Dscp, GuardConfig, ShedderConfig, TlsCertificate, TlsConfig};
use std::path::{Path, PathBuf};

/// The whole file. Every section and every field may be left out.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// How the node uses its machine.
    pub(crate) node: Machine,
    /// SIP: where to listen, and what to call ourselves.
    pub(crate) sip: Sip,
    /// Certificates for `tls` and `wss` listeners, authorities for what we connect to. SIGHUP reads the files anew.
    pub(crate) tls: Tls,
    /// RTP and RTCP.
    pub(crate) media: Media,
    /// Finding next hops by name.
    pub(crate) dns: Dns,
    /// Who vouches for callers' numbers (STIR/SHAKEN); keys and further authorities are set for each brand.
    pub(crate) identity: Identity,
    /// Mail; the hosts that take it are set for the platform and each brand.
    pub(crate) mail: Mail,
    /// The REST API.
    pub(crate) http: Http,
    /// The database.
    pub(crate) store: Store,
    /// Files of this node.
    pub(crate) data: Folder,
    /// An S3-compatible store for recordings; without `endpoint` they stay in the data folder.
    pub(crate) recordings: Recordings,
    /// Who reads texts aloud that scripts play.
    pub(crate) speech: Speech,
    /// Every limit of the switch, by name.
    pub(crate) limits: Limits,
    /// Who is listened to. A rate is `{ per_minute = N, burst = N }`.
    pub(crate) protection: GuardConfig,
    /// When new work is answered 503, so that calls that are up are not hurt.
    pub(crate) overload: ShedderConfig,
    /// The plugin engines.
    pub(crate) plugins: Plugins,
}

impl Config {
    /// The database: the one named, or SQLite in the data folder.
    pub(crate) fn store_url(&self) -> String {
        let own = || format!("sqlite:{}", self.data.dir.join("strowger.db").display());
        self.store.url.clone().unwrap_or_else(own)
    }
}

/// How the node uses its machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Machine {
    /// Threads that serve calls, from 1 to 32. Each brand lives whole on one of them, so more than one helps only a node
    /// with several brands, and takes cores from plugins. Limits and source rates are of each. It changes with a restart.
    pub(crate) shards: u8,
}

impl Default for Machine {
    fn default() -> Self {
        Machine { shards: Shards::ALONE.count() }
    }
}

/// SIP.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sip {
    /// Where to listen: `udp:ADDR:PORT`, or `tcp`, `tls`, `ws`, `wss`, as many as wanted; an IPv6 address stands in
    /// brackets. `{ at = "tls:0.0.0.0:5061", advertise = "203.0.113.5:5061" }` where peers reach this listener by
    /// another address than `advertised` says; without a port the bound one.
    pub(crate) listen: Vec<Listen>,
    /// The origins (as `https://phone.example.com`) whose pages may connect by WebSocket; none = every page.
    pub(crate) ws_origins: Vec<String>,
    /// The addresses that peers reach this node by, at most one per family. Needed behind NAT; else the address of
    /// the listener, or for `0.0.0.0` and `[::]` the address this machine uses towards the outside.
    pub(crate) advertised: Vec<IpAddr>,
    /// The networks on our side of the NAT, as `10.0.0.0/8`: their peers are told this machine's own addresses, for SIP
    /// and for media, not the advertised ones.
    pub(crate) local_nets: Vec<Cidr>,
    /// The mark (DSCP, RFC 4594) of SIP packets for the network's queues: a name as `cs3`, `af31` or `ef`, or a number from
    /// `"0"` to `"63"`.
    pub(crate) dscp: Dscp,
    /// The company domain that a request means when it is addressed to one of our own addresses.
    pub(crate) default_domain: Option<String>,
    /// What digest challenges offer, in this order: `sha-256`, `md5`. Some phones of before 2021 (baresip 1.0) give up
    /// when anything beside MD5 is offered: for those, `["md5"]` alone.
    pub(crate) digest: Vec<DigestAlgorithm>,
    /// Sent in `Server` and `User-Agent`.
    pub(crate) server_name: String,
    /// Whether phones are told of waiting messages without a subscription: a message-summary NOTIFY to each binding.
    pub(crate) unsolicited_mwi: bool,
    /// The timers of RFC 3261 section 17.
    pub(crate) timers: Timers,
    /// How long SIGTERM lets calls go on before it ends them, in seconds; new calls are refused meanwhile.
    pub(crate) drain_s: u32,
}

impl Default for Sip {
    fn default() -> Self {
        let any = SocketAddr::from(([0, 0, 0, 0], 5060));
        Sip {
            listen: vec![Listen::new(Transport::Udp, any), Listen::new(Transport::Tcp, any)],
            ws_origins: Vec::new(),
            advertised: Vec::new(),
            local_nets: Vec::new(),
            dscp: Dscp::CS3,
            default_domain: None,
            digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            server_name: concat!("strowger/", env!("CARGO_PKG_VERSION")).to_owned(),
            unsolicited_mwi: false,
            timers: Timers::default(),
            drain_s: 30,
        }
    }
}

/// The timers of RFC 3261 section 17.1.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timers {
    /// T1, the round-trip estimate, in milliseconds.
    pub(crate) t1_ms: u32,
    /// T2, the longest retransmit interval, in milliseconds.
    pub(crate) t2_ms: u32,
    /// T4, how long a message may stay in the network, in milliseconds.
    pub(crate) t4_ms: u32,
}

impl Default for Timers {
    fn default() -> Self {
        Timers { t1_ms: 500, t2_ms: 4_000, t4_ms: 5_000 }
    }
}

impl Timers {
    /// T1, T2 and T4.
    pub(crate) fn durations(self) -> (Duration, Duration, Duration) {
        let ms = |n: u32| Duration::from_millis(u64::from(n));
        (ms(self.t1_ms), ms(self.t2_ms), ms(self.t4_ms))
    }
}

/// Certificates and authorities, all PEM files.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// `{ domain = "sip.example.com", cert = "PATH", key = "PATH" }` for each domain, picked by the name that a peer
    /// asks for (SNI); `*.example.com` is for every name below. The first is also for who names none of them.
    pub(crate) certificates: Vec<TlsCertificate>,
    /// Whether peers that connect show a certificate: `none` are asked, `request` = one that is shown must be good,
    /// `require` = no connection without.
    pub(crate) client_certificates: ClientCertificates,
    /// The authorities of those client certificates.
    pub(crate) client_ca: Option<PathBuf>,
    /// The authorities of the peers that we connect to; none = the system's.
    pub(crate) ca: Option<PathBuf>,
}

impl Tls {
    /// As the sockets want it.
    pub(crate) fn files(&self) -> TlsConfig {
        TlsConfig {
            certificates: self.certificates.clone(),
            client_certificates: self.client_certificates,
            client_ca: self.client_ca.clone(),
            ca: self.ca.clone(),
        }
    }
}

/// RTP and RTCP.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Media {
    /// The addresses that media ports are bound on, at most one per family; none = the addresses of `sip.listen`.
    pub(crate) address: Vec<IpAddr>,
    /// The UDP ports for media, bound at start: an even number and the next for each stream; `"0"` = any free ones.
    pub(crate) ports: PortRange,
    /// How many streams' port pairs are bound per address family; fewer where `ports` has no room.
    pub(crate) streams_max: u16,
    /// The mark (DSCP) of RTP and RTCP packets, as `sip.dscp`.
    pub(crate) dscp: Dscp,
    /// A folder of `NAME.wav` and `NAME.opus` files, and of such folders (`en/7`), that are added to the built-in prompts.
    pub(crate) prompts: Option<PathBuf>,
}

impl Default for Media {
    fn default() -> Self {
        let ports = PortRange { first: 20_000, last: 29_999 };
        Media { address: Vec::new(), ports, streams_max: 500, dscp: Dscp::EF, prompts: None }
    }
}

/// Finding next hops by name (RFC 3263).
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Dns {
    /// The name servers, as `192.0.2.53:53`; none = those of `/etc/resolv.conf`.
    pub(crate) servers: Vec<SocketAddr>,
}

/// Who vouches for callers' numbers (STIR/SHAKEN); keys and further authorities are set for each brand.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Identity {
    /// Certificates, PEM, of the authorities that every brand believes about callers' numbers.
    pub(crate) anchors: Option<PathBuf>,
    /// Networks that are not public and from which certificates may be fetched all the same, as `10.0.0.0/8`.
    pub(crate) fetch_networks: Vec<Cidr>,
    /// Certificates, PEM, of the authorities of the web servers that certificates are fetched from; none = the system's.
    pub(crate) fetch_ca: Option<PathBuf>,
}

/// The REST API.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// Where the API listens, without TLS: keep it on loopback, or put a TLS proxy before it.
    pub(crate) listen: SocketAddr,
    /// Requests a minute of each token and person, in the long run; past it 429.
    pub(crate) requests_per_minute: u32,
    /// Requests of each at once after a pause.
    pub(crate) requests_burst: u32,
    /// The TLS proxies before the API, as `127.0.0.1` or `10.0.0.0/8`: what they say in `X-Forwarded-For` is believed.
    /// Without them all who come through a proxy count as one when attempts to log in are counted.
    pub(crate) trusted_proxies: Vec<Cidr>,
    /// Whether `/metrics` needs no token from this machine itself. Leave it false behind a proxy on this machine.
    pub(crate) metrics_without_token: bool,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            requests_per_minute: 6_000,
            requests_burst: 2_000,
            trusted_proxies: Vec::new(),
            metrics_without_token: false,
        }
    }
}

/// The database.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`; none = SQLite in the data folder.
    pub(crate) url: Option<String>,
    /// The file with the key (64 hex digits) that carriers' passwords in the database are sealed with; none =
    /// `secrets.key` in the data folder, made at the first start. The environment's `STROWGER_SECRETS_KEY` wins.
    /// Every node on one database needs the same key, and a backup is worth nothing without it.
    pub(crate) key_file: Option<PathBuf>,
    /// CDRs and explanations of calls older than so many days leave the database for files of a brand and a month each, in
    /// `archive` in the data folder; 0 = never. Lists show only what is in the database; `strowger archive` has the files.
    pub(crate) archive_days: u32,
}

/// Files of this node.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Folder {
    /// The folder for the CDR outbox, compiled plugins, the client file and the SQLite database; made if missing.
    pub(crate) dir: PathBuf,
    /// The file that says which country an address belongs to, for companies whose settings name countries: lines such
    /// as `192.0.2.0/24,DE`. None comes with the switch.
    pub(crate) countries: Option<PathBuf>,
}

impl Default for Folder {
    fn default() -> Self {
        Folder { dir: PathBuf::from("strowger-data"), countries: None }
    }
}

/// An S3-compatible store for recordings; without `endpoint` they stay in the data folder.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Recordings {
    /// The store, as `https://s3.eu-central-1.amazonaws.com`; its buckets are asked for by path.
    pub(crate) endpoint: Option<String>,
    /// Its region; stores of other makers take any.
    pub(crate) region: String,
    /// The bucket; it must be there.
    pub(crate) bucket: String,
    /// What the names of objects begin with, as `strowger/`.
    pub(crate) prefix: String,
    /// The id of the access key.
    pub(crate) key_id: String,
    /// The file with the secret of the access key. The environment's `STROWGER_RECORDINGS_SECRET` wins.
    pub(crate) secret_file: Option<PathBuf>,
    /// Certificates, PEM, of the store's authorities; none = the system's.
    pub(crate) ca: Option<PathBuf>,
}

impl Default for Recordings {
    fn default() -> Self {
        Recordings {
            endpoint: None,
            region: "us-east-1".to_owned(),
            bucket: String::new(),
            prefix: String::new(),
            key_id: String::new(),
            secret_file: None,
            ca: None,
        }
    }
}

/// Who reads texts aloud that scripts play.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Speech {
    /// A provider: it gets `{"text": .., "language": .., "voice": ..}` by POST and answers with WAV or Ogg Opus; none = the
    /// program.
    pub(crate) url: Option<String>,
    /// The file with the secret that goes to the provider as `Authorization: Bearer`. The environment's
    /// `STROWGER_SPEECH_SECRET` wins.
    pub(crate) secret_file: Option<PathBuf>,
    /// The program `espeak-ng`, by name or path, where there is no provider; `""` = nobody speaks. Where it is not installed,
    /// scripts are told so.
    pub(crate) program: String,
    /// Megabytes of prompts that were fetched or spoken and are kept in the data folder.
    pub(crate) cache_megabytes: u32,
}

impl Default for Speech {
    fn default() -> Self {
        Speech { url: None, secret_file: None, program: "espeak-ng".to_owned(), cache_megabytes: 256 }
    }
}

/// Mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mail {
    /// Whether brands' own mail hosts may be at private and loopback addresses. The platform's may be anywhere.
    pub(crate) brand_private_addresses: bool,
}

/// The plugin engines.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Plugins {
    /// Most memory of one plugin instance, in bytes.
    pub(crate) memory_bytes_max: usize,
    /// Longest CPU time of one routing hook, in milliseconds.
    pub(crate) hook_cpu_ms: u32,
    /// Most routing hooks that run at once.
    pub(crate) hooks_max: u32,
    /// Most call apps alive at once; each is one parked plugin instance.
    pub(crate) apps_max: u32,
    /// Most hooks that may wait (`routing/router-io`, event sinks) alive at once.
    pub(crate) waits_max: u32,
    /// Most raters alive at once; their places are their own, so that parked call apps keep none from one.
    pub(crate) raters_max: u32,
    /// How much of each of these one brand may have while plugins of another are bound, in percent, 1 to 100; one that has
    /// its share is answered by its failure policy at once. A brand that is alone may have all.
    pub(crate) brand_share_percent: u8,
    /// How much of each of these one binding may have while there is another, of whatever brand, in percent, 1 to 100.
    pub(crate) binding_share_percent: u8,
    /// Most CPU that compiling one component may take, over all threads, in seconds. Each is compiled in a process of its
    /// own; one that takes more is rejected.
    pub(crate) compile_cpu_s: u32,
    /// Most address space of that process, in bytes.
    pub(crate) compile_memory_bytes: u64,
    /// Longest time of compiling one component, in seconds.
    pub(crate) compile_wall_s: u32,
    /// Most components compiled at once; the others wait for their turn.
    pub(crate) compile_at_once: usize,
    /// Most components that wait for their turn; one more is told to come another time.
    pub(crate) compile_waiting_max: usize,
    /// How far compiling steps back behind calls, 0 to 19, as of `nice`.
    pub(crate) compile_nice: u8,
    /// Most bytes of the code of one component.
    pub(crate) code_bytes_max: u64,
    /// Most bytes of compiled components kept in the data folder, so that a restart compiles nothing; the least used go.
    pub(crate) compiled_bytes_max: u64,
    /// Publishers whose signed bundles may be installed, each as 64 hex digits (`strowger plugin keygen` prints them). What
    /// none of them has signed is let in by the platform's operator alone, and only by name (`plugin install --unsigned`).
    pub(crate) trusted_keys: Vec<String>,
    /// Whoever may install at all is trusted, as long as `trusted_keys` names nobody: for a switch that is nobody else's.
    pub(crate) unsigned: bool,
}

impl Default for Plugins {
    fn default() -> Self {
        let host = plugin::HostConfig::default();
        let worker = plugin::WorkerLimits::default();
        Plugins {
            memory_bytes_max: host.memory_bytes_max,
            hook_cpu_ms: u32::try_from(host.hook_cpu.as_millis()).unwrap_or(u32::MAX),
            hooks_max: host.hooks_max,
            apps_max: host.apps_max,
            waits_max: host.waits_max,
            raters_max: host.raters_max,
            brand_share_percent: host.brand_share_percent,
            binding_share_percent: host.binding_share_percent,
            compile_cpu_s: u32::try_from(worker.cpu.as_secs()).unwrap_or(u32::MAX),
            compile_memory_bytes: worker.memory_bytes,
            compile_wall_s: u32::try_from(worker.wall.as_secs()).unwrap_or(u32::MAX),
            compile_at_once: worker.at_once,
            compile_waiting_max: worker.waiting_max,
            compile_nice: worker.nice,
            code_bytes_max: worker.code_bytes_max,
            compiled_bytes_max: 4 << 30,
            trusted_keys: Vec::new(),
            unsigned: false,
        }
    }
}

/// One listener, written `udp:0.0.0.0:5060`, or as a table with the address that peers reach it by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "ListenText")]
pub(crate) struct Listen {
    /// The transport.
    pub(crate) transport: Transport,
    /// The address to bind.
    pub(crate) address: SocketAddr,
    /// What peers reach it by; port 0 = the bound one.
    pub(crate) advertise: Option<SocketAddr>,
}

impl Listen {
    /// A listener that peers reach where it is.
    pub(crate) const fn new(transport: Transport, address: SocketAddr) -> Listen {
        Listen { transport, address, advertise: None }
    }
}

/// The two forms of a listener in the file.
#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a listener is a text as \"udp:0.0.0.0:5060\", or a table of at and advertise"
)]
enum ListenText {
    Short(String),
    Long { at: String, advertise: String },
}

impl FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || {
            format!(
                "{text:?} is no listener: expected udp:ADDR:PORT, tcp, tls, ws or wss likewise, as udp:0.0.0.0:5060"
            )
        };
        let (transport, address) = text.split_once(':').ok_or_else(expected)?;
        let transport = Transport::ALL.into_iter().find(|t| t.name() == transport).ok_or_else(expected)?;
        Ok(Listen::new(transport, address.parse().map_err(|_| expected())?))
    }
}

impl TryFrom<ListenText> for Listen {
    type Error = String;
    fn try_from(text: ListenText) -> Result<Self, Self::Error> {
        match text {
            ListenText::Short(at) => at.parse(),
            ListenText::Long { at, advertise } => {
                let ip = advertise.parse().map(|ip: IpAddr| SocketAddr::new(ip, 0));
                let address = advertise.parse().or(ip).map_err(|_| {
                    format!("{advertise:?} is no address to advertise: expected ADDR or ADDR:PORT, as 203.0.113.5:5061")
                })?;
                Ok(Listen { advertise: Some(address), ..at.parse()? })
            }
        }
    }
}

/// Ports from `first` to `last`, written `20000-29999`; `0` = any free ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PortRange {
    /// The first; 0 = any free ports.
    pub(crate) first: u16,
    /// The last.
    pub(crate) last: u16,
}

impl PortRange {
    /// Whatever the kernel gives.
    pub(crate) const ANY: PortRange = PortRange { first: 0, last: 0 };
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl TryFrom<String> for PortRange {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "0" {
            return Ok(PortRange::ANY);
        }
        let ports = text.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
        match ports {
            Some((first, last)) if first >= 1024 && first < last => Ok(PortRange { first, last }),
            Some(_) | None => {
                Err(format!("{text:?} is no port range: expected FIRST-LAST from 1024 up, as 20000-29999"))
            }
        }
    }
}

/// Why a configuration cannot be used: one sentence that begins with the place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration: {}", path.display(), error)]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is wrong.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong and what is expected.
        message: String,
    },
    /// Two fields do not fit together.
    #[error("{}: {message}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Reads and checks the file.
///
/// # Errors
/// [`ConfigError`], in one sentence.
pub(crate) fn read(path: &Path) -> Result<Config, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    parse(path, &text)
}

/// Parses `text`, which `path` holds.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let config: Config = toml::from_str(text).map_err(|error| {
        let before = text.get(..error.span().map_or(0, |s| s.start)).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ConfigError::Line {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |l| l.chars().count()) + 1,
            message: error.message().split_whitespace().collect::<Vec<_>>().join(" "),
        }
    })?;
    check(&config).map_err(|message| ConfigError::Unfit { path: path.to_owned(), message })?;
    Ok(config)
}

/// What the types cannot say.
fn check(config: &Config) -> Result<(), String> {
    if !(1..=Shards::MAX).contains(&config.node.shards) {
        return Err(format!("node.shards is {}: expected a number from 1 to {}", config.node.shards, Shards::MAX));
    }
    if config.sip.listen.is_empty() {
        return Err("sip.listen names no listener: expected at least one, as [\"udp:0.0.0.0:5060\"]".to_owned());
    }
    let secure = config.sip.listen.iter().find(|l| l.transport.is_secure());
    if let Some(listen) = secure.filter(|_| config.tls.certificates.is_empty()) {
        let name = listen.transport.name();
        return Err(format!("sip.listen has {name}:{} and tls.certificates is empty: name one", listen.address));
    }
    if config.tls.client_certificates != ClientCertificates::None && config.tls.client_ca.is_none() {
        return Err("tls.client_certificates asks for certificates: name their authorities in tls.client_ca".to_owned());
    }
    if let Some(listen) =
        config.sip.listen.iter().find(|l| l.advertise.is_some_and(|a| a.is_ipv4() != l.address.is_ipv4()))
    {
        return Err(format!("sip.listen: {} is advertised as an address of the other family", listen.address));
    }
    for (field, addresses) in [("sip.advertised", &config.sip.advertised), ("media.address", &config.media.address)] {
        if addresses.iter().filter(|a| a.is_ipv4()).count() > 1 || addresses.iter().filter(|a| a.is_ipv6()).count() > 1
        {
            return Err(format!("{field} names two addresses of one family: expected at most one IPv4 and one IPv6"));
        }
    }
    if let Some(url) = &config.store.url
        && !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme))
    {
        return Err(
            "store.url has an unknown scheme: expected sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME".to_owned()
        );
    }
    check_sound(config)?;
    let timers = config.sip.timers;
    if timers.t1_ms == 0 || timers.t2_ms < timers.t1_ms || timers.t4_ms < timers.t1_ms {
        return Err("sip.timers do not fit together: expected 0 < t1_ms <= t2_ms and t1_ms <= t4_ms".to_owned());
    }
    let limits = &config.limits;
    if limits.registration_min_s > limits.registration_max_s {
        return Err("limits.registration_min_s is above limits.registration_max_s".to_owned());
    }
    let Plugins { brand_share_percent, binding_share_percent, .. } = config.plugins;
    for (name, percent) in [("brand", brand_share_percent), ("binding", binding_share_percent)] {
        if !(1..=100).contains(&percent) {
            return Err(format!("plugins.{name}_share_percent is {percent}: expected a number from 1 to 100"));
        }
    }
    if config.plugins.compile_nice > 19 {
        return Err(format!("plugins.compile_nice is {}: expected a number from 0 to 19", config.plugins.compile_nice));
    }
    Ok(())
}

fn check_sound(config: &Config) -> Result<(), String> {
    let Recordings { endpoint, bucket, key_id, .. } = &config.recordings;
    for (field, url) in [("recordings.endpoint", endpoint), ("speech.url", &config.speech.url)] {
        if url.as_ref().is_some_and(|url| !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme))) {
            return Err(format!("{field} has an unknown scheme: expected https://HOST or http://HOST"));
        }
    }
    if endpoint.is_some() && (bucket.is_empty() || key_id.is_empty()) {
        return Err("recordings.endpoint needs recordings.bucket and recordings.key_id".to_owned());
    }
    Ok(())
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
