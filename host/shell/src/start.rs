//! Puts a node's parts together and starts its shard's thread.

use crate::books::Settling;
use crate::boxes::Boxes;
use crate::clock::Clock;
use crate::command::Command;
use crate::countries::CountryFile;
use crate::feed::{Applied, Feed};
use crate::handle::{Ending, Handle, Inner};
use crate::hands::Hands;
use crate::proofs::{Proofs, Trust};
use crate::published::Published;
use crate::recorder::{Recorder, Unfinished};
use crate::registrations::{self, Keeper};
use crate::shard::{Parts, Shard};
use crate::told::Why;
use crate::{ShellConfig, ShellError, keep, prompts, recorder, recordings};
use core::net::{IpAddr, SocketAddr};
use model::{Cidr, Directory, LockThrow};
use net::{BoundListener, MediaConfig, Net, PortPool, Surroundings, TlsMaterial};
use resolver::{ResolverSettings, Ways};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use store::Db;
use store::outbox::{Outbox, OutboxConfig};
use switch::{Core, CoreConfig, Inside, Listener, MediaPort};
use tokio::sync::{mpsc, watch};

/// Folder of the CDR outbox within the data folder.
const JOURNAL: &str = "journal";
/// Most route locks thrown by phone that wait to be written.
const LOCKS_MAX: usize = 256;

/// Starts switches.
#[derive(Clone, Copy, Debug)]
pub struct Shell;

impl Shell {
    /// Opens sockets and journal, reads the directory and the bindings once, restores registrations, and starts the
    /// shard. Needs a tokio runtime, which then carries the feed and the CDR drain; calls are served by a thread of
    /// their own.
    ///
    /// # Errors
    /// [`ShellError`], one sentence; nothing is left running.
    pub async fn start(config: ShellConfig, db: Db, plugins: plugin::Host) -> Result<Handle, ShellError> {
        let prompts = prompts::load(&config.prompts, config.prompts_dir.as_deref())?;
        let net = open_sockets(&config)?;
        make_dir(&config.data_dir)?;
        let (outbox, drain) = open_outbox(&config).await?;
        let (inbox, receiver) = mpsc::channel(config.limits.inbox_max.max(1));
        let clock = Clock::anchored();
        let trust = Arc::new(Trust::new(&config.identity, config.limits.proof_deadline(), clock)?);
        let (feed, directory) = first_facts(&config, (&db, &plugins), inbox.clone(), &trust).await?;

        let (core, certificate) = first_core(&config, &net, &directory, (prompts, clock))?;
        let keeper = Keeper::start(&config.data_dir, core.registrations())?;
        let published = Published::new();
        let (locks, thrown) = mpsc::channel(LOCKS_MAX);
        let (whys, explained) = mpsc::channel(config.limits.inbox_max.max(1));
        let listeners = net.listeners().to_vec();
        let (finished, recorded) = mpsc::channel(recordings::FINISHED_MAX);
        let unfinished = Unfinished::default();
        let boxes = Boxes::new((db.clone(), &config.data_dir), unfinished.clone(), inbox.downgrade(), clock);
        plugins.keep_mailboxes(Arc::new(boxes.clone()));
        let thread = spawn(Parts {
            core,
            proofs: Proofs::new(trust, net.waker()),
            hands: Hands::start(certificate, net.waker()).map_err(no_thread)?,
            net,
            clock,
            directory,
            plugins: plugins.clone(),
            resolver: resolver::Resolver::new(resolver_settings(&config, &listeners)),
            journal: outbox.journal(),
            keeper,
            recorder: Recorder::start(&config.data_dir, finished, unfinished.clone()).map_err(no_thread)?,
            inbox: receiver,
            whys,
            locks,
            published: Arc::clone(&published),
        })?;
        let (applied, live) = (feed.applied.subscribe(), feed.live.subscribe());
        tokio::spawn(feed.follow());
        let (stop, stopping) = watch::channel(false);
        let recordings = config.data_dir.join(recorder::FOLDER);
        let work = Background {
            kv: plugins.kv().clone(),
            explained,
            settling: Settling::new(&db, &plugins, clock, live.clone()),
            thrown,
            recordings: recordings.clone(),
            recorded: (recorded, unfinished),
            boxes: boxes.clone(),
            drain,
        };
        let drain_task = tokio::spawn(work.run((db.clone(), clock), stopping));
        let ending = Mutex::new(Ending { thread: Some(thread), drain_stop: Some(stop), drain_task: Some(drain_task) });
        let inner = Inner {
            inbox,
            published,
            applied,
            live,
            plugins,
            outbox,
            db,
            clock,
            listeners,
            recordings,
            boxes,
            draining: AtomicBool::new(false),
            ending,
        };
        Ok(Handle { inner: Arc::new(inner) })
    }
}

/// The feed, with everything that the database holds now, and the directory of it.
async fn first_facts(
    config: &ShellConfig,
    (db, plugins): (&Db, &plugin::Host),
    inbox: mpsc::Sender<Command>,
    trust: &Arc<Trust>,
) -> Result<(Feed, Arc<Directory>), ShellError> {
    let mut feed = Feed {
        db: db.clone(),
        plugins: plugins.clone(),
        inbox,
        applied: watch::Sender::new(Applied::default()),
        live: watch::Sender::new(Arc::default()),
        refused: BTreeMap::new(),
        tables: BTreeMap::new(),
        countries: CountryFile::read(config.countries.clone())?,
        trust: Arc::clone(trust),
    };
    keep::restore(plugins.kv(), db).await?;
    let directory = feed.directory().await?;
    feed.load_tables().await?;
    let broken = feed.bind().await?;
    let directory = Arc::new(directory.with_hooks(plugins.hooks()));
    feed.live.send_replace(Arc::clone(&directory));
    feed.applied.send_replace(Applied { version: directory.version(), stale: None, broken });
    Ok((feed, directory))
}

/// The core, with the registrations of the process before, and the certificate that browsers know it by.
fn first_core(
    config: &ShellConfig,
    net: &Net,
    directory: &Arc<Directory>,
    (prompts, clock): (media::Prompts, Clock),
) -> Result<(Core, dtls::Certificate), ShellError> {
    let certificate = dtls::Certificate::draw()
        .map_err(|e| ShellError::System { what: "a certificate for browsers", why: e.to_string() })?;
    let mut core = new_core(config, net, directory, prompts, &certificate)?;
    if let Some(snapshot) = registrations::load(&config.data_dir) {
        core.restore_registrations(snapshot, clock.now());
    }
    Ok((core, certificate))
}

fn no_thread(error: std::io::Error) -> ShellError {
    ShellError::System { what: "a thread", why: error.to_string() }
}

/// What the runtime does beside the shard, until it is told to stop.
struct Background {
    kv: tables::Kv,
    explained: mpsc::Receiver<Why>,
    settling: Settling,
    thrown: mpsc::Receiver<LockThrow>,
    recordings: PathBuf,
    recorded: (mpsc::Receiver<PathBuf>, Unfinished),
    boxes: Boxes,
    drain: store::outbox::Drain,
}

impl Background {
    async fn run(self, (db, clock): (Db, Clock), stopping: watch::Receiver<bool>) {
        tokio::join!(
            keep::keys(self.kv, db.clone(), clock, stopping.clone()),
            keep::explanations(self.explained, db.clone(), stopping.clone()),
            self.settling.run(stopping.clone()),
            keep::locks(self.thrown, db.clone()),
            recordings::keep(self.recordings, (db.clone(), clock), self.recorded, stopping.clone()),
            self.boxes.sweep(stopping.clone()),
            self.drain.run(db, stopping),
        );
    }
}

fn open_sockets(config: &ShellConfig) -> Result<Net, ShellError> {
    let media: usize = config.media.iter().map(|m| m.pairs.saturating_mul(2)).sum();
    net::raise_file_limit(media.saturating_add(config.listeners.len()), config.limits.connections_max)?;
    let ports = PortPool::bind(&config.media)?;
    let around = Surroundings {
        tls: Some(TlsMaterial::load(&config.tls)?),
        local_nets: config.local_nets.clone(),
        ws_origins: config.ws_origins.clone(),
    };
    Ok(Net::open(&config.listeners, ports, &config.limits, around)?)
}

fn resolver_settings(config: &ShellConfig, listeners: &[BoundListener]) -> ResolverSettings {
    ResolverSettings {
        servers: config.dns_servers.clone(),
        deadline: config.limits.resolve_deadline(),
        ways: Ways::of(listeners.iter().map(|l| (l.transport, l.bound))),
    }
}

fn make_dir(path: &Path) -> Result<(), ShellError> {
    std::fs::create_dir_all(path).map_err(|e| ShellError::Path { path: path.to_owned(), why: e.to_string() })
}

async fn open_outbox(config: &ShellConfig) -> Result<(Outbox, store::outbox::Drain), ShellError> {
    let dir = config.data_dir.join(JOURNAL);
    let outbox = OutboxConfig { unwritten_max: config.limits.records_unwritten_max, ..OutboxConfig::default() };
    // It reads the whole journal that an earlier process left.
    let opened = tokio::task::spawn_blocking(move || Outbox::open(&dir, outbox)).await;
    let (outbox, drain) = opened.map_err(|e| ShellError::System { what: "a thread", why: e.to_string() })??;
    let recovered = outbox.recovered();
    if recovered.legs_interrupted > 0 {
        let legs = recovered.legs_interrupted;
        tracing::warn!(legs, "the last process ended with calls up: their CDRs say switch-restarted");
    }
    Ok((outbox, drain))
}

fn new_core(
    config: &ShellConfig,
    net: &Net,
    directory: &Arc<Directory>,
    prompts: media::Prompts,
    certificate: &dtls::Certificate,
) -> Result<Core, ShellError> {
    let core = CoreConfig {
        limits: config.limits.clone(),
        listeners: net.listeners().iter().map(|l| Listener { transport: l.transport, local: l.advertised }).collect(),
        inside: net.listeners().iter().flat_map(inside).collect(),
        inside_media: config.media.iter().flat_map(|m| inside_media(m, &config.local_nets)).collect(),
        certificate: Some(certificate.fingerprint()),
        default_domain: config.default_domain.clone(),
        digest: config.digest.clone(),
        guard: config.guard.clone(),
        overload: config.overload,
        server_name: config.server_name.clone(),
        unsolicited_mwi: config.unsolicited_mwi,
        t1: config.t1,
        t2: config.t2,
        t4: config.t4,
        codecs: Arc::new(opus::WithOpus::new(config.limits.opus_complexity)),
        ..CoreConfig::default()
    };
    let ports = net.media_pairs().map(|p| MediaPort { id: p.id, rtp: p.rtp, rtcp: p.rtcp }).collect();
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| ShellError::System { what: "random numbers", why: e.to_string() })?;
    Ok(Core::new(core, Arc::clone(directory), ports, prompts, seed))
}

/// What the peers on our side of the NAT know a listener by.
fn inside(listener: &BoundListener) -> impl Iterator<Item = Inside> + '_ {
    listener.inside.iter().map(|(net, own)| Inside { net: *net, outside: listener.advertised, inside: *own })
}

/// What they know the media ports by.
fn inside_media<'a>(media: &'a MediaConfig, nets: &'a [Cidr]) -> impl Iterator<Item = Inside> + 'a {
    let of = move |outside: IpAddr| {
        let family = nets.iter().filter(move |net| net.is_ipv4() == outside.is_ipv4());
        family.map(move |net| Inside {
            net: *net,
            outside: SocketAddr::new(outside, 0),
            inside: SocketAddr::new(net::address_towards(media.bind, net), 0),
        })
    };
    media.advertised.into_iter().flat_map(of)
}

/// One thread per shard: it sleeps in its own epoll, and enters the runtime so that what it polls may use timers.
fn spawn(parts: Parts) -> Result<JoinHandle<()>, ShellError> {
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("shard-0".to_owned())
        .spawn(move || {
            let _entered = runtime.enter();
            Shard::new(parts).run();
        })
        .map_err(|e| ShellError::System { what: "a thread", why: e.to_string() })
}
