//! Puts a node's parts together and starts the threads of its shards.

use crate::archive::Archive;
use crate::books::Settling;
use crate::boxes::Boxes;
use crate::bridge::Bridge;
use crate::clock::Clock;
use crate::command::Command;
use crate::countries::CountryFile;
use crate::fax::{FaxDesk, Keeping, Sending};
use crate::feed::{Applied, Feed};
use crate::handle::{Ending, Handle, Inner};
use crate::hands::Hands;
use crate::inboxes::{Inboxes, WeakInboxes};
use crate::loader::Loader;
use crate::post::Postbox;
use crate::press::Press;
use crate::proofs::{Proofs, Trust};
use crate::published::Published;
use crate::recorder::{Recorder, Unfinished};
use crate::registrations::{self, Keeper};
use crate::shard::{Parts, Shard};
use crate::sounds::Bringer;
use crate::told::Why;
use crate::{ShellConfig, ShellError, encoding, keep, notices, prompts, recorder, recordings, uploads};
use core::net::{IpAddr, SocketAddr};
use model::{Cidr, Directory, LockThrow, Shards};
use net::{BoundListener, MediaConfig, Net, PortPool, Surroundings, TlsMaterial};
use resolver::{ResolverSettings, Ways};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use store::outbox::{Outbox, OutboxConfig};
use store::{Db, Image};
use switch::{Core, CoreConfig, Inside, Listener, MediaPort};
use tokio::sync::{Notify, mpsc, watch};

/// Folder of the CDR outbox within the data folder.
const JOURNAL: &str = "journal";
/// Most route locks thrown by phone that wait to be written.
const LOCKS_MAX: usize = 256;

/// Starts switches.
#[derive(Clone, Copy, Debug)]
pub struct Shell;

impl Shell {
    /// Opens sockets and journal, reads the directory and the bindings once, restores registrations, and starts the
    /// shards. Needs a tokio runtime, which then carries the feed and the CDR drain; calls are served by threads of
    /// their own.
    ///
    /// # Errors
    /// [`ShellError`], one sentence; nothing is left running.
    pub async fn start(config: ShellConfig, db: Db, plugins: plugin::Host) -> Result<Handle, ShellError> {
        let prompts = prompts::load(&config.prompts, config.prompts_dir.as_deref())?;
        let nets = open_sockets(&config)?;
        let (outbox, drain) = open_outbox(&config).await?;
        let (inboxes, receivers) = Inboxes::new(nets.len(), config.limits.inbox_max);
        let clock = Clock::anchored();
        let archive = Archive::new(config.data_dir.join(recorder::FOLDER), config.bucket.as_ref(), clock)?;
        let trust = Arc::new(Trust::new(&config.identity, config.limits.proof_deadline(), clock)?);
        let (feed, directory, asked) = first_facts(&config, (&db, &plugins), inboxes.clone(), &trust).await?;
        let (cores, certificate) = new_cores(&config, &nets, &directory, (&prompts, clock))?;
        let keepers = Keeper::start(&config.data_dir, cores.iter().map(Core::registrations).collect())?;
        let published = Published::of_node(nets.len());
        let bridges = Bridge::between(nets.iter().map(Net::waker), config.limits.hand_overs_max, clock);
        let listeners = nets.first().map(|net| net.listeners().to_vec()).unwrap_or_default();
        let ((locks, thrown), (whys, told)) = (mpsc::channel(LOCKS_MAX), mpsc::channel(config.limits.inbox_max.max(1)));
        let (finished, recorded) = mpsc::channel(recordings::FINISHED_MAX);
        let unfinished = Unfinished::default();
        let boxes = new_boxes((&config, clock), (&db, &plugins), (unfinished.clone(), inboxes.downgrade()))?;
        let (faxes, faxing) = new_faxes((&config, clock), &db, (boxes.post(), inboxes.downgrade()))?;
        let shared = Shared {
            config: &config,
            trust,
            certificate,
            clock,
            directory,
            plugins: plugins.clone(),
            resolver: resolver::Resolver::new(resolver_settings(&config, &listeners)),
            outbox: outbox.clone(),
            finished,
            unfinished: unfinished.clone(),
            faxes: faxes.clone(),
            whys,
            locks,
        };
        let own = nets.into_iter().zip(cores).zip(keepers.into_iter().zip(receivers)).zip(bridges).zip(&published);
        let threads = shared.start(own.map(Own::new))?;
        let (applied, live) = (feed.applied.subscribe(), feed.live.subscribe());
        tokio::spawn(feed.follow());
        let (stop, stopping) = watch::channel(false);
        let work = Background {
            plugins: plugins.clone(),
            explained: told,
            settling: Settling::new(&db, &plugins, clock, live.clone()),
            thrown,
            archive: archive.clone(),
            recorded: (recorded, unfinished),
            boxes: boxes.clone(),
            faxes: faxing,
            drain,
        };
        let drain_task = tokio::spawn(work.run((db.clone(), clock), stopping));
        let inner = Inner {
            inboxes,
            published,
            asked,
            applied,
            live,
            plugins,
            outbox,
            db,
            clock,
            listeners,
            archive,
            boxes,
            faxes,
            draining: AtomicBool::new(false),
            ending: Mutex::new(Ending { threads, drain_stop: Some(stop), drain_task: Some(drain_task) }),
        };
        Ok(Handle { inner: Arc::new(inner) })
    }
}

/// The node's fax machines, with this program for a helper, and what keeps and sends their faxes.
fn new_faxes(
    (config, clock): (&ShellConfig, Clock),
    db: &Db,
    (post, shards): (&Postbox, WeakInboxes),
) -> Result<(FaxDesk, (Keeping, Sending)), ShellError> {
    let no_name = |error: std::io::Error| ShellError::System { what: "its own program", why: error.to_string() };
    let program = std::env::current_exe().map_err(no_name)?;
    let (desk, came) = FaxDesk::new(&config.data_dir, program, &config.limits, clock);
    let root = desk.room().root.clone();
    let keeping = Keeping { root, db: db.clone(), clock, post: post.clone(), came };
    let sending = Sending { desk: desk.clone(), db: db.clone(), limits: config.limits.clone(), shards };
    Ok((desk, (keeping, sending)))
}

/// What keeps voice mailboxes and sends mail; plugins find both.
fn new_boxes(
    (config, clock): (&ShellConfig, Clock),
    (db, plugins): (&Db, &plugin::Host),
    (unfinished, shards): (Unfinished, WeakInboxes),
) -> Result<Boxes, ShellError> {
    let messages = config.data_dir.join(crate::boxes::MESSAGES);
    let no_randomness = |_| ShellError::System { what: "random numbers", why: "the kernel gives none".to_owned() };
    let post =
        Postbox::new((db.clone(), messages), (config.limits.clone(), config.mail), clock).map_err(no_randomness)?;
    plugins.keep_mail(Arc::new(post.clone()));
    let boxes = Boxes::new((db.clone(), &config.data_dir), unfinished, shards, (clock, post));
    plugins.keep_mailboxes(Arc::new(boxes.clone()));
    plugins.keep_sounds(Arc::new(Bringer::new(&config.data_dir, &config.speech, clock)?));
    Ok(boxes)
}

/// The feed, with everything that the database holds now, the directory of it, and what asks whether all is live.
async fn first_facts(
    config: &ShellConfig,
    (db, plugins): (&Db, &plugin::Host),
    inboxes: Inboxes,
    trust: &Arc<Trust>,
) -> Result<(Feed, Arc<Directory>, watch::Sender<u64>), ShellError> {
    let asked = watch::Sender::new(0);
    let applied = watch::Sender::new(Applied::default());
    let mut feed = Feed {
        db: db.clone(),
        plugins: plugins.clone(),
        inboxes,
        tables: Loader::new(db, plugins, applied.clone()),
        press: Press::new(db, plugins, applied.clone()),
        applied,
        asked: asked.subscribe(),
        image: Image::default(),
        signers: BTreeMap::new(),
        live: watch::Sender::new(Arc::default()),
        replaced: Vec::new(),
        bound: Vec::new(),
        rebind: false,
        countries: CountryFile::read(config.countries.clone())?,
        trust: Arc::clone(trust),
    };
    keep::restore(plugins.kv(), db).await?;
    let directory = feed.begin().await?;
    Ok((feed, directory, asked))
}

/// What a shard has for itself.
struct Own {
    net: Net,
    core: Core,
    keeper: Keeper,
    inbox: mpsc::Receiver<Command>,
    bridge: Bridge,
    published: Arc<Published>,
}

/// Sockets and core of a shard, and what is kept and asked of it.
type OwnNet = ((Net, Core), (Keeper, mpsc::Receiver<Command>));

impl Own {
    fn new(((((net, core), (keeper, inbox)), bridge), published): ((OwnNet, Bridge), &Arc<Published>)) -> Own {
        Own { net, core, keeper, inbox, bridge, published: Arc::clone(published) }
    }
}

/// What all shards of a node have.
struct Shared<'a> {
    config: &'a ShellConfig,
    trust: Arc<Trust>,
    certificate: dtls::Certificate,
    clock: Clock,
    directory: Arc<Directory>,
    plugins: plugin::Host,
    resolver: resolver::Resolver,
    outbox: Outbox,
    finished: mpsc::Sender<PathBuf>,
    unfinished: Unfinished,
    faxes: FaxDesk,
    whys: mpsc::Sender<Why>,
    locks: mpsc::Sender<LockThrow>,
}

impl Shared<'_> {
    /// The threads of all shards. What the runtime does ends when the last of them has, so nothing of this stays.
    fn start(self, each: impl Iterator<Item = Own>) -> Result<Vec<JoinHandle<()>>, ShellError> {
        let parts = each.map(|own| self.with(own)).collect::<Result<Vec<_>, _>>()?;
        parts.into_iter().enumerate().map(spawn).collect()
    }

    fn with(&self, own: Own) -> Result<Parts, ShellError> {
        let (finished, unfinished) = (self.finished.clone(), self.unfinished.clone());
        Ok(Parts {
            proofs: Proofs::new(Arc::clone(&self.trust), own.net.waker()),
            hands: Hands::start(self.certificate.clone(), own.net.waker(), &self.config.limits).map_err(no_thread)?,
            recorder: Recorder::start(&self.config.data_dir, finished, unfinished).map_err(no_thread)?,
            faxes: self.faxes.clone(),
            core: own.core,
            net: own.net,
            keeper: own.keeper,
            inbox: own.inbox,
            bridge: own.bridge,
            published: own.published,
            clock: self.clock,
            directory: Arc::clone(&self.directory),
            plugins: self.plugins.clone(),
            resolver: self.resolver.clone(),
            journal: self.outbox.journal(),
            whys: self.whys.clone(),
            locks: self.locks.clone(),
        })
    }
}

fn no_thread(error: std::io::Error) -> ShellError {
    ShellError::System { what: "a thread", why: error.to_string() }
}

/// What the runtime does beside the shard, until it is told to stop.
struct Background {
    plugins: plugin::Host,
    explained: mpsc::Receiver<Why>,
    settling: Settling,
    thrown: mpsc::Receiver<LockThrow>,
    archive: Archive,
    recorded: (mpsc::Receiver<PathBuf>, Unfinished),
    boxes: Boxes,
    faxes: (Keeping, Sending),
    drain: store::outbox::Drain,
}

impl Background {
    async fn run(self, (db, clock): (Db, Clock), stopping: watch::Receiver<bool>) {
        let (boxes, kv) = (self.boxes.clone(), self.plugins.kv().clone());
        let changed = |owner: model::BoxOwner| {
            let boxes = boxes.clone();
            async move { boxes.light(&owner).await }
        };
        let (recorded, unfinished) = self.recorded;
        let (to_encode, to_upload): (Arc<Notify>, Arc<Notify>) = (Arc::default(), Arc::default());
        let (noted, done) = (Arc::clone(&to_encode), Arc::clone(&to_upload));
        tokio::join!(
            self.boxes.post().clone().run(changed, stopping.clone()),
            keep::keys(kv, db.clone(), clock, stopping.clone()),
            keep::explanations(self.explained, db.clone(), stopping.clone()),
            self.settling.run(stopping.clone()),
            notices::heed(self.plugins, db.clone(), clock, stopping.clone()),
            keep::locks(self.thrown, db.clone()),
            recordings::keep(
                self.archive.clone(),
                (db.clone(), clock),
                (recorded, unfinished, noted),
                stopping.clone()
            ),
            encoding::encode_all(self.archive.clone(), db.clone(), (to_encode, done), stopping.clone()),
            uploads::upload_all(self.archive, db.clone(), to_upload, stopping.clone()),
            self.boxes.sweep(stopping.clone()),
            self.faxes.0.run(stopping.clone()),
            self.faxes.1.run(stopping.clone()),
            self.drain.run(db, stopping),
        );
    }
}

/// The sockets of each shard: the first takes the listeners' ports, and the others share them.
fn open_sockets(config: &ShellConfig) -> Result<Vec<Net>, ShellError> {
    let count = usize::from(config.shards);
    let media: usize = config.media.iter().map(|m| m.pairs.saturating_mul(2)).sum();
    let listeners = config.listeners.len().saturating_mul(count);
    net::raise_file_limit(media.saturating_add(listeners), config.limits.connections_max.saturating_mul(count))?;
    let tls = TlsMaterial::load(&config.tls)?;
    let all: Vec<Shards> = Shards::all(config.shards).collect();
    let ports = PortPool::bind(&config.media)?.dealt(all.first().copied().unwrap_or_default());
    let mut nets: Vec<Net> = Vec::new();
    for (shards, ports) in all.into_iter().zip(ports) {
        let around = Surroundings {
            tls: Some(tls.clone()),
            local_nets: config.local_nets.clone(),
            ws_origins: config.ws_origins.clone(),
            shards,
            signalling: config.dscp,
        };
        let mut listeners = config.listeners.clone();
        if let Some(first) = nets.first() {
            listeners.iter_mut().zip(first.listeners()).for_each(|(listener, open)| listener.bind = open.bound);
        }
        nets.push(Net::open(&listeners, ports, &config.limits, around)?);
    }
    Ok(nets)
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
    make_dir(&config.data_dir)?;
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

/// The cores of all shards, with the registrations of an earlier process dealt out to them, and the certificate that
/// browsers know them by.
fn new_cores(
    config: &ShellConfig,
    nets: &[Net],
    directory: &Arc<Directory>,
    (prompts, clock): (&media::Prompts, Clock),
) -> Result<(Vec<Core>, dtls::Certificate), ShellError> {
    let certificate = dtls::Certificate::draw()
        .map_err(|e| ShellError::System { what: "a certificate for browsers", why: e.to_string() })?;
    let kept = registrations::load(&config.data_dir);
    let mut cores: Vec<Core> = Vec::new();
    for (shards, net) in Shards::all(config.shards).zip(nets) {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| ShellError::System { what: "random numbers", why: e.to_string() })?;
        let ports = net.media_pairs().map(|p| MediaPort { id: p.id, rtp: p.rtp, rtcp: p.rtcp }).collect();
        let core = core_config(config, net, shards, &certificate);
        let mut core = Core::new(core, Arc::clone(directory), ports, prompts.clone(), seed);
        // The first run of a node: its first shard has drawn the secrets, which go to all.
        let snapshot = kept.clone().or_else(|| cores.first().map(Core::registrations));
        if let Some(snapshot) = snapshot {
            core.restore_registrations(snapshot, clock.now());
        }
        cores.push(core);
    }
    Ok((cores, certificate))
}

fn core_config(config: &ShellConfig, net: &Net, shards: Shards, certificate: &dtls::Certificate) -> CoreConfig {
    CoreConfig {
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
        shards,
        ..CoreConfig::default()
    }
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
fn spawn((shard, parts): (usize, Parts)) -> Result<JoinHandle<()>, ShellError> {
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name(format!("shard-{shard}"))
        .spawn(move || {
            let _entered = runtime.enter();
            Shard::new(parts).run();
        })
        .map_err(|e| ShellError::System { what: "a thread", why: e.to_string() })
}
