//! `demo`: a switch that is set up and ready: ten phones, an attendant at 100, an echo test at 101, a
//! conference room at 102, voicemail at 103 and for whoever does not answer, a queue at 104.
//!
//! Beside it stand clients of the other three kinds (`demo_clients`).
//!
//! It listens for SIP on every address of the machine, so that phones beside it and on the LAN work, and for HTTP on
//! loopback only. What it makes at the first start (passwords, token) stays in its data folder.

use crate::client::{ClientFile, write_private};
use crate::config::{Config, Listen, PortRange};
use crate::demo_clients;
use crate::exit::Failure;
use crate::logs::Gate;
use crate::node::Opened;
use crate::ready::{self, Ready};
use crate::serve::operator_token;
use model::{BrandId, DigestAlgorithm, Instant, Transport};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, btree_map::Entry};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use store::{Db, DemoAccount, DemoSeed, NewBinding, NewPlugin, OpContext, StoreError};

/// The demo company's SIP domain and digest realm. Phones need not know it: they register with the address.
pub(crate) const DOMAIN: &str = "demo.strowger";
/// The company whose phones a newcomer registers.
const COMPANY: &str = "demo";
const ACCOUNTS: core::ops::RangeInclusive<u32> = 1001..=1010;
/// A demo is ended by Ctrl-C, and the person is waiting.
const DRAIN_S: u32 = 3;
/// Media streams at once, per address family.
const STREAMS_MAX: u16 = 100;

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The data folder.
    pub(crate) data: Option<PathBuf>,
    /// The SIP address.
    pub(crate) sip: SocketAddr,
    /// The HTTP address.
    pub(crate) http: SocketAddr,
}

/// The demo's own file: the passwords, readable by its owner only.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Secrets {
    passwords: BTreeMap<String, String>,
}

/// Where the demo's files live unless `--data` says otherwise.
pub(crate) fn default_dir() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    base.map_or_else(|| PathBuf::from("strowger-demo"), |base| base.join("strowger/demo"))
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Port, database or folder, in one sentence.
pub(crate) async fn run(plan: Plan, gate: &Gate) -> Result<(), Failure> {
    let is_default = plan.data.is_none();
    let dir = plan.data.unwrap_or_else(default_dir);
    let config = config(&dir, plan.sip, plan.http)?;
    let opened = Opened::open(&config).await?;
    let accounts = passwords(&dir)?;
    let phones: Vec<_> = accounts.iter().filter(|(user, _)| !is_other(user)).cloned().collect();
    let others: Vec<_> = accounts.iter().filter(|(user, _)| is_other(user)).cloned().collect();
    furnish(opened.db(), &phones, &others, opened.now()).await.map_err(Failure::start)?;
    let token = operator_token(&opened, &config).await?;
    let node = opened.start(&config, crate::prompts::prompts()).await?;
    // There are several companies; whoever names none means the one with the ten phones.
    let company = Some(COMPANY.to_owned());
    let client_file = ClientFile { url: node.url(), token: token.clone(), company }.write(&dir)?;
    gate.open();
    let client = client_command((!is_default).then_some(&client_file));
    let block = ready::block(&Ready {
        sip: &node.sip(),
        url: &node.url(),
        token: &token,
        data: &dir,
        accounts: &phones,
        others: &others,
        client: &client,
    });
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(block.as_bytes()).and_then(|()| out.flush());
    drop(out);
    node.run(false).await
}

/// Whether it is no phone of the telephone system's.
fn is_other(user: &str) -> bool {
    demo_clients::USERS.iter().any(|(other, _)| *other == user)
}

/// How a person who started this would call a client command.
fn client_command(client_file: Option<&PathBuf>) -> String {
    let program =
        std::env::args_os().next().map_or_else(|| "strowger".to_owned(), |p| p.to_string_lossy().into_owned());
    client_file.map_or_else(|| program.clone(), |file| format!("{program} --client {}", file.display()))
}

/// A configuration for one person. Port 0 takes a free port, and media ports wherever there are some.
pub(crate) fn config(dir: &Path, sip: SocketAddr, http: SocketAddr) -> Result<Config, Failure> {
    let mut config = Config::default();
    let any_ip = sip.ip().is_unspecified();
    let mut ips = vec![sip.ip()];
    if any_ip && sip.is_ipv4() && has_ipv6() {
        ips.push(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    }
    let port = if sip.port() == 0 { free_port(&ips)? } else { sip.port() };
    let both = [Transport::Udp, Transport::Tcp];
    config.sip.listen =
        ips.iter().flat_map(|ip| both.map(|transport| Listen::new(transport, SocketAddr::new(*ip, port)))).collect();
    config.sip.default_domain = Some(DOMAIN.to_owned());
    // Whatever phone a newcomer has shall register: decision 0005.
    config.sip.digest = vec![DigestAlgorithm::Md5];
    config.media.streams_max = STREAMS_MAX;
    config.plugins.apps_max = u32::from(STREAMS_MAX);
    // There is nobody to be kept from what another binding, or a brand that is added, does.
    (config.plugins.brand_share_percent, config.plugins.binding_share_percent) = (100, 100);
    if sip.port() == 0 {
        config.media.ports = PortRange::ANY;
    }
    config.plugins.unsigned = true;
    config.sip.drain_s = DRAIN_S;
    config.limits.route_deadline_ms = PATIENCE_MS;
    config.limits.register_deadline_ms = PATIENCE_MS;
    config.http.listen = http;
    config.data.dir = dir.to_owned();
    Ok(config)
}

fn has_ipv6() -> bool {
    std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// How long a question to plugins may take: a newcomer's machine builds and calls at once, and a call that comes late
/// teaches more than a 503.
const PATIENCE_MS: u32 = 1_000;
/// Where free SIP ports are looked for: below the ports that systems give to whoever asks for any (from 32,768 up), so
/// that nobody is given it between the look and the listening, and above those of media.
const SIP_PORTS: std::ops::Range<u16> = 30_000..32_700;
/// Ports that are tried.
const PORT_TRIES: u16 = 200;

/// A port that is free for UDP and TCP on each of these addresses, so that a phone needs to know only one.
fn free_port(ips: &[IpAddr]) -> Result<u16, Failure> {
    let span = SIP_PORTS.end - SIP_PORTS.start;
    let begin = (RandomState::new().hash_one(()) % u64::from(span)) as u16;
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for n in 0..PORT_TRIES {
        let port = SIP_PORTS.start + (begin + n) % span;
        let free = ips.iter().try_for_each(|ip| {
            let _tcp = std::net::TcpListener::bind((*ip, port))?;
            // The wildcard of IPv6 would find that of IPv4 in its way; we open it for IPv6 alone.
            if !(ip.is_ipv6() && ip.is_unspecified()) {
                let _udp = std::net::UdpSocket::bind((*ip, port))?;
            }
            Ok(())
        });
        match free {
            Ok(()) => return Ok(port),
            Err(e) => last = e,
        }
    }
    Err(Failure::start(format!("no free SIP port: {last}")))
}

/// User names and passwords: made at the first start, the same ever after.
fn passwords(dir: &Path) -> Result<Vec<(String, String)>, Failure> {
    let path = dir.join("demo.toml");
    let unusable = |why: String| Failure::start(format!("cannot use {}: {why}", path.display()));
    let mut secrets = match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str::<Secrets>(&text).map_err(|e| unusable(e.message().to_owned()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Secrets::default(),
        Err(e) => return Err(unusable(e.to_string())),
    };
    let known = secrets.passwords.len();
    let others = demo_clients::USERS.map(|(user, _)| user.to_owned());
    for user in ACCOUNTS.map(|n| n.to_string()).chain(others) {
        if let Entry::Vacant(missing) = secrets.passwords.entry(user) {
            missing.insert(api::new_password().map_err(|e| Failure::start(format!("no randomness: {e}")))?);
        }
    }
    if secrets.passwords.len() > known {
        let text = toml::to_string(&secrets).map_err(|e| unusable(e.to_string()))?;
        write_private(
            &path,
            &format!("# The demo's accounts. Without this file the next start makes new passwords.\n{text}"),
        )?;
    }
    Ok(secrets.passwords.into_iter().collect())
}

/// Makes what is missing of the demo tenant; what the user changed stays.
async fn furnish(
    db: &Db,
    accounts: &[(String, String)],
    others: &[(String, String)],
    now: Instant,
) -> Result<(), StoreError> {
    let account = |(user, password): &(String, String)| DemoAccount {
        username: user.clone(),
        display_name: format!("Phone {user}"),
        ha1: api::ha1(user, DOMAIN, password),
    };
    let seed = DemoSeed::new(DOMAIN.to_owned(), accounts.iter().map(account).collect());
    let brand = db.seed_demo(seed).await?.brand.id;
    let digits: BTreeMap<String, String> = (1..=10).map(|n| ((n % 10).to_string(), (1000 + n).to_string())).collect();
    let attendant = serde_json::json!({ "digits": digits });
    let empty = serde_json::json!({});
    // 1001 and 1002 are its agents once they have dialled *41.
    let queue = serde_json::json!({ "agents": ["1001", "1002"], "name": "demo", "announce_s": 20, "overflow": "1003" });
    for shipped in [
        Shipped::new("extensions", shipped::EXTENSIONS, &[("extensions", "routing/router", &empty)]),
        Shipped {
            about: Some((shipped::ATTENDANT_MANIFEST, shipped::ATTENDANT_SCHEMA)),
            ..Shipped::new("attendant", shipped::ATTENDANT, &[("attendant", "call/app", &attendant)])
        },
        Shipped::new("echo", shipped::ECHO, &[("echo", "call/app", &empty)]),
        Shipped {
            about: Some((shipped::CONFERENCE_MANIFEST, shipped::CONFERENCE_SCHEMA)),
            ..Shipped::new("conference", shipped::CONFERENCE, &[("conference", "call/app", &empty)])
        },
        Shipped {
            about: Some((shipped::VOICEMAIL_MANIFEST, shipped::VOICEMAIL_SCHEMA)),
            ..Shipped::new(
                "voicemail",
                shipped::VOICEMAIL,
                &[
                    ("voicemail", "call/app", &empty),
                    ("voicemail-codes", "hooks/feature", &empty),
                    ("voicemail-unanswered", "routing/router", &empty),
                ],
            )
        },
        Shipped {
            about: Some((shipped::QUEUE_MANIFEST, shipped::QUEUE_SCHEMA)),
            ..Shipped::new(
                "queue",
                shipped::QUEUE,
                &[("queue", "call/app", &queue), ("queue-codes", "hooks/feature", &queue)],
            )
        },
    ] {
        let plugin = shipped.furnish(db, brand, now).await?;
        if plugin.name == "extensions" {
            demo_clients::furnish(db, brand, plugin.id, others).await?;
        }
    }
    Ok(())
}

/// A shipped plugin of the demo, and what it is bound to: names, points, configurations.
struct Shipped<'a> {
    name: &'static str,
    component: &'static [u8],
    about: Option<(&'static str, &'static str)>,
    bindings: &'a [(&'static str, &'static str, &'a serde_json::Value)],
}

impl<'a> Shipped<'a> {
    const fn new(
        name: &'static str,
        component: &'static [u8],
        bindings: &'a [(&'static str, &'static str, &'a serde_json::Value)],
    ) -> Self {
        Shipped { name, component, about: None, bindings }
    }

    async fn furnish(&self, db: &Db, brand: BrandId, now: Instant) -> Result<store::Plugin, StoreError> {
        let about = match self.about {
            Some((manifest, schema)) => {
                let broken = |why: String| StoreError::Invalid { what: "manifest", why };
                let manifest = bundle::Manifest::parse(manifest).map_err(|e| broken(e.to_string()))?;
                let manifest = serde_json::to_string(&manifest).map_err(|e| broken(e.to_string()))?;
                let (manifest, config_schema) = (Some(manifest), Some(schema.to_owned()));
                store::PluginAbout { manifest, config_schema, ..store::PluginAbout::default() }
            }
            None => store::PluginAbout::default(),
        };
        let new = NewPlugin {
            brand: None,
            name: self.name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bytes: self.component.to_vec(),
            installed_at: now,
            about,
        };
        let plugin = db.plugins().install(&OpContext::platform(), new).await?;
        for (name, point, config) in self.bindings {
            bind(db, brand, &plugin, (name, point), config.to_string()).await?;
        }
        Ok(plugin)
    }
}

/// Binds a shipped plugin unless the user bound something else; an older build of the same version is replaced.
async fn bind(
    db: &Db,
    brand: BrandId,
    plugin: &store::Plugin,
    (name, point): (&str, &str),
    config: String,
) -> Result<(), StoreError> {
    let ctx = OpContext::platform();
    let config = match db.plugin_bindings().find(&ctx, (brand, None, None), name).await {
        Err(StoreError::NotFound { .. }) => config,
        Err(error) => return Err(error),
        Ok(bound) => {
            let runs = db.plugins().get(&ctx, bound.plugin).await?;
            if runs.id == plugin.id || (&runs.name, &runs.version) != (&plugin.name, &plugin.version) {
                return Ok(());
            }
            bound.config
        }
    };
    let new = NewBinding {
        brand,
        company: None,
        account: None,
        name: name.to_owned(),
        point: point.to_owned(),
        priority: 100,
        plugin: plugin.id,
        config,
    };
    db.plugin_bindings().bind(&ctx, new).await.map(|_| ())
}
