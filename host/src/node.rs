//! A node: store, plugin host, shell and API put together from a [`Config`], and taken apart again.

use crate::config::{Config, PortRange};
use crate::exit::Failure;
use api::Api;
use core::time::Duration;
use model::Instant;
use shell::{Clock, Handle, ListenerConfig, MediaConfig, Shell, ShellConfig, TlsConfig};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use store::{Db, NewToken, OpContext, Role, Scope, SecretKey};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

/// What is there before any SIP socket: the data folder, the HTTP port, the database.
#[derive(Debug)]
pub(crate) struct Opened {
    http: TcpListener,
    db: Db,
    clock: Clock,
}

impl Opened {
    /// Opens them.
    pub(crate) async fn open(config: &Config) -> Result<Opened, Failure> {
        let dir = &config.data.dir;
        make_private_dir(dir)
            .map_err(|e| Failure::start(format!("the data folder {} cannot be made: {e}", dir.display())))?;
        let http = TcpListener::bind(config.http.listen).await.map_err(|e| http_failure(config.http.listen, &e))?;
        let url = config.store_url();
        let key = secrets_key(config)?;
        let db = Db::open_keyed(&url, Some(key)).await.map_err(Failure::start)?;
        Ok(Opened { http, db, clock: Clock::anchored() })
    }

    /// The store.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Whether this token is good for the whole platform.
    pub(crate) async fn knows(&self, token: &str) -> Result<bool, Failure> {
        let found = self.db.tokens().authenticate(token).await.map_err(Failure::start)?;
        Ok(found.is_some_and(|t| t.scope == Scope::Platform && t.role == Role::Admin))
    }

    /// A new token for the whole platform. Its name is its own: another node's client file stays good.
    pub(crate) async fn new_token(&self) -> Result<String, Failure> {
        let created_at = self.now();
        let name = format!("client-file-{}", created_at.unix_millis());
        let new =
            NewToken { scope: Scope::Platform, name, role: Role::Admin, created_at, rights: None, expires_at: None };
        let (_, secret) = self.db.tokens().create(&OpContext::platform(), new).await.map_err(Failure::start)?;
        Ok(secret)
    }

    /// Opens the SIP and media ports and starts to serve.
    pub(crate) async fn start(self, config: &Config, prompts: Vec<(String, Vec<u8>)>) -> Result<Node, Failure> {
        let key = |text: &String| bundle::PublicKey::parse(text).map_err(|e| Failure::start(format!("{text:?}: {e}")));
        let trusted = config.plugins.trusted_keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let plugins = plugin::Host::new(plugin::HostConfig {
            ledger: Some(Arc::new(shell::Books::new(self.db.clone(), self.clock))),
            code_cache: Some(Arc::new(code_cache(config)?)),
            ..plugin_config(config)
        })
        .map_err(Failure::start)?;
        let settings =
            ShellConfig { bucket: bucket(config)?, speech: speech(config)?, ..shell_config(config, prompts) };
        let switch = Shell::start(settings, self.db.clone(), plugins).await.map_err(Failure::start)?;
        let http = self.http.local_addr().map_err(Failure::start)?;
        let (stop_http, stopped) = oneshot::channel::<()>();
        let rate = api::RateLimit { per_minute: config.http.requests_per_minute, burst: config.http.requests_burst };
        let api = Api::new(self.db.clone(), Arc::new(switch.clone())).trusting(trusted).limited(rate);
        let api = if config.plugins.unsigned { api } else { api.demanding_signatures() };
        let api = api.behind(config.http.trusted_proxies.clone());
        let api = api.showing_metrics_locally(config.http.metrics_without_token);
        let days = Some(config.store.archive_days).filter(|days| *days > 0);
        let api = api.archiving(config.data.dir.join("archive"), days);
        let (stop_jobs, stopped_jobs) = watch::channel(false);
        let working = tokio::spawn(api.workers().map_err(Failure::start)?.run(stopped_jobs));
        let service = api.router().into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(self.http, service).with_graceful_shutdown(stop).await {
                tracing::error!(%error, "the HTTP listener failed");
            }
        });
        Ok(Node {
            switch,
            db: self.db,
            http,
            serving,
            stop_http,
            working,
            stop_jobs,
            drain: Duration::from_secs(u64::from(config.sip.drain_s)),
            tls: config.tls.files(),
        })
    }
}

/// The environment variable that holds the key of secrets.
const KEY_VARIABLE: &str = "STROWGER_SECRETS_KEY";

/// The key that secrets in the database are sealed with: from the environment, the file named, or the data folder's own.
fn secrets_key(config: &Config) -> Result<SecretKey, Failure> {
    #[allow(clippy::disallowed_methods, reason = "the operator's key may stand in no file")]
    if let Ok(text) = std::env::var(KEY_VARIABLE) {
        return SecretKey::from_hex(&text).map_err(|e| Failure::start(format!("{KEY_VARIABLE} holds no key: {e}")));
    }
    let own = config.data.dir.join("secrets.key");
    let path = config.store.key_file.as_ref().unwrap_or(&own);
    let unusable = |why: String| Failure::start(format!("the key file {} cannot be used: {why}", path.display()));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        // Only our own: a file that was named and is not there is a mistake, and a new key would not open old secrets.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && config.store.key_file.is_none() => {
            let text = SecretKey::generate().map_err(|e| unusable(e.to_string()))?;
            crate::client::write_private(path, &format!("{text}\n"))?;
            text
        }
        Err(e) => return Err(unusable(e.to_string())),
    };
    SecretKey::from_hex(&text).map_err(|e| unusable(e.to_string()))
}

/// The code that this node has compiled before.
fn code_cache(config: &Config) -> Result<plugin::CodeCache, Failure> {
    let dir = &config.data.dir;
    plugin::CodeCache::open(dir, config.plugins.compiled_bytes_max)
        .map_err(|e| Failure::start(format!("the folder of compiled plugins in {} cannot be used: {e}", dir.display())))
}

/// A data folder holds tokens and digest secrets: only its owner may look in.
fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn http_failure(address: SocketAddr, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        return Failure::start(format!(
            "http {address} is taken by another process: stop it, or choose another HTTP address"
        ));
    }
    Failure::start(format!("http {address} cannot be opened ({error}): choose another HTTP address"))
}

fn plugin_config(config: &Config) -> plugin::HostConfig {
    plugin::HostConfig {
        limits: config.limits.clone(),
        hooks_max: config.plugins.hooks_max,
        apps_max: config.plugins.apps_max,
        waits_max: config.plugins.waits_max,
        raters_max: config.plugins.raters_max,
        brand_share_percent: config.plugins.brand_share_percent,
        binding_share_percent: config.plugins.binding_share_percent,
        hook_cpu: Duration::from_millis(u64::from(config.plugins.hook_cpu_ms)),
        memory_bytes_max: config.plugins.memory_bytes_max,
        compiler: Arc::new(plugin::WorkerProcess::own(plugin::WorkerLimits {
            cpu: Duration::from_secs(config.plugins.compile_cpu_s.into()),
            memory_bytes: config.plugins.compile_memory_bytes,
            wall: Duration::from_secs(config.plugins.compile_wall_s.into()),
            at_once: config.plugins.compile_at_once,
            waiting_max: config.plugins.compile_waiting_max,
            nice: config.plugins.compile_nice,
            code_bytes_max: config.plugins.code_bytes_max,
        })),
        ..plugin::HostConfig::default()
    }
}

/// A secret of the operator's: from the environment, or the file named.
fn secret_of(variable: &str, file: Option<&Path>) -> Result<Option<String>, Failure> {
    #[allow(clippy::disallowed_methods, reason = "the operator's secret may stand in no file")]
    if let Ok(secret) = std::env::var(variable) {
        return Ok(Some(secret));
    }
    let Some(path) = file else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::start(format!("the file {} cannot be used: {e}", path.display())))?;
    Ok(Some(text.trim().to_owned()))
}

/// Who speaks.
fn speech(config: &Config) -> Result<shell::SpeechSettings, Failure> {
    let own = &config.speech;
    Ok(shell::SpeechSettings {
        provider: own.url.clone(),
        secret: secret_of("STROWGER_SPEECH_SECRET", own.secret_file.as_deref())?,
        program: (!own.program.is_empty()).then(|| own.program.clone().into()),
        cache_bytes_max: u64::from(own.cache_megabytes) * 1_000_000,
    })
}

/// The environment variable that holds the secret of the bucket's access key.
const BUCKET_VARIABLE: &str = "STROWGER_RECORDINGS_SECRET";

/// The bucket of recordings, if there is one; its secret is from the environment, or the file named.
fn bucket(config: &Config) -> Result<Option<shell::BucketSettings>, Failure> {
    let own = &config.recordings;
    let Some(endpoint) = own.endpoint.clone() else { return Ok(None) };
    let secret = secret_of(BUCKET_VARIABLE, own.secret_file.as_deref())?.ok_or_else(|| {
        let how = format!("name recordings.secret_file, or set {BUCKET_VARIABLE}");
        Failure::start(format!("recordings.endpoint needs a secret: {how}"))
    })?;
    Ok(Some(shell::BucketSettings {
        endpoint,
        region: own.region.clone(),
        bucket: own.bucket.clone(),
        prefix: own.prefix.clone(),
        key_id: own.key_id.clone(),
        secret,
        ca: own.ca.clone(),
    }))
}

fn shell_config(config: &Config, prompts: Vec<(String, Vec<u8>)>) -> ShellConfig {
    let advertised = |ip: IpAddr| config.sip.advertised.iter().copied().find(|a| a.is_ipv4() == ip.is_ipv4());
    let listener = |l: &crate::config::Listen| ListenerConfig {
        transport: l.transport,
        bind: l.address,
        advertised: l.advertise.or_else(|| advertised(l.address.ip()).map(|ip| SocketAddr::new(ip, 0))),
    };
    let media = |ip: IpAddr| MediaConfig {
        bind: ip,
        advertised: advertised(ip),
        ports: match config.media.ports {
            PortRange::ANY => shell::PortRange::Ephemeral,
            PortRange { first, last } => shell::PortRange::Range { first, last },
        },
        pairs: pairs(config),
        dscp: config.media.dscp,
    };
    let (t1, t2, t4) = config.sip.timers.durations();
    ShellConfig {
        shards: config.node.shards,
        limits: config.limits.clone(),
        listeners: config.sip.listen.iter().map(listener).collect(),
        dscp: config.sip.dscp,
        media: media_ips(config).into_iter().map(media).collect(),
        tls: config.tls.files(),
        local_nets: config.sip.local_nets.clone(),
        ws_origins: config.sip.ws_origins.clone(),
        dns_servers: config.dns.servers.clone(),
        identity: shell::IdentitySettings {
            anchors: config.identity.anchors.clone(),
            fetch_networks: config.identity.fetch_networks.clone(),
            fetch_ca: config.identity.fetch_ca.clone(),
        },
        mail: shell::MailSettings { brand_private_addresses: config.mail.brand_private_addresses },
        default_domain: config.sip.default_domain.clone(),
        digest: config.sip.digest.clone(),
        guard: config.protection.clone(),
        countries: config.data.countries.clone(),
        overload: config.overload,
        server_name: config.sip.server_name.clone(),
        unsolicited_mwi: config.sip.unsolicited_mwi,
        t1,
        t2,
        t4,
        prompts,
        prompts_dir: config.media.prompts.clone(),
        ..ShellConfig::new(config.data.dir.clone())
    }
}

/// As many as asked for, or as fit into the range.
fn pairs(config: &Config) -> usize {
    let PortRange { first, last } = config.media.ports;
    let fit = if config.media.ports == PortRange::ANY { usize::MAX } else { usize::from(last - first).div_ceil(2) };
    usize::from(config.media.streams_max).min(fit)
}

/// The addresses named, or one per family of those that SIP listens on; a wildcard stands for all of its family.
fn media_ips(config: &Config) -> Vec<IpAddr> {
    if !config.media.address.is_empty() {
        return config.media.address.clone();
    }
    let ips: BTreeSet<IpAddr> = config.sip.listen.iter().map(|l| l.address.ip()).collect();
    let family = |v4: bool, any: IpAddr| {
        let mut own = ips.iter().filter(|ip| ip.is_ipv4() == v4).copied();
        if ips.contains(&any) { Some(any) } else { own.next() }
    };
    [family(true, Ipv4Addr::UNSPECIFIED.into()), family(false, Ipv6Addr::UNSPECIFIED.into())]
        .into_iter()
        .flatten()
        .collect()
}

/// A node that serves.
#[derive(Debug)]
pub(crate) struct Node {
    switch: Handle,
    db: Db,
    http: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
    stop_http: oneshot::Sender<()>,
    working: tokio::task::JoinHandle<()>,
    stop_jobs: watch::Sender<bool>,
    drain: Duration,
    tls: TlsConfig,
}

impl Node {
    /// The switch itself.
    pub(crate) fn switch(&self) -> &Handle {
        &self.switch
    }

    /// Where a client on this machine finds the API.
    pub(crate) fn url(&self) -> String {
        let ip = match self.http.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.http.port()))
    }

    /// Where phones find SIP, as `udp:192.0.2.1:5060`.
    pub(crate) fn sip(&self) -> Vec<String> {
        self.switch.listeners().iter().map(|l| format!("{}:{}", l.transport.name(), l.advertised)).collect()
    }

    /// Serves until a signal, drains, and leaves everything on the disk. SIGHUP is the end of a node that somebody sits
    /// before, and reads the certificates of a service anew.
    ///
    /// # Errors
    /// When the switch ended by itself.
    pub(crate) async fn run(self, is_service: bool) -> Result<(), Failure> {
        let mut signals = Signals::listen().map_err(|e| Failure::start(format!("no signals: {e}")))?;
        let by_itself = loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Hangup if is_service => self.reload().await,
                    Signal::Hangup | Signal::End => break false,
                },
                () = self.switch.stopped() => break true,
            }
        };
        if !by_itself {
            tracing::info!(wait_s = self.drain.as_secs(), "draining: no new calls; a second signal ends the calls now");
        }
        let drained = tokio::select! {
            drained = self.switch.drain(self.drain) => Some(drained),
            () = signals.end() => None,
        };
        let drained = match drained {
            Some(drained) => drained,
            None => self.switch.drain(Duration::ZERO).await,
        };
        let _ = self.stop_http.send(());
        let _ = self.stop_jobs.send(true);
        // A client that holds its connection open does not hold the process.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.serving).await;
        // A job that cannot be given back in time is taken up again when its lease ends.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.working).await;
        let _ = tokio::time::timeout(Duration::from_secs(5), self.db.close()).await;
        tracing::info!(calls_ended = drained.calls_ended, "stopped");
        if by_itself { Err(Failure::refused("the switch stopped by itself: the log says why")) } else { Ok(()) }
    }
}

impl Node {
    /// SIGHUP: certificates anew. A file that cannot be used changes nothing, and the log says which.
    async fn reload(&self) {
        match self.switch.reload_tls(self.tls.clone()).await {
            Ok(()) => tracing::info!("certificates and authorities were read anew"),
            Err(error) => tracing::error!(%error, "certificates and authorities stay as they were"),
        }
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signal {
    End,
    Hangup,
}

/// SIGTERM and SIGINT end the node; for SIGHUP see [`Node::run`].
struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.hangup.recv() => Signal::Hangup,
        }
    }

    /// The next one that ends the node.
    async fn end(&mut self) {
        while self.next().await != Signal::End {}
    }
}
