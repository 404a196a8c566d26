//! A compiled component: what it is, what it may serve. Compiled once per digest and engine; linked anew for each
//! binding, because what a binding is granted decides what its imports are.

use crate::bindings::app::CallAppPluginPre;
use crate::bindings::app::strowger::call::{control, mailbox, rooms, sound, voice};
use crate::bindings::event_sink::EventSinkPluginPre;
use crate::bindings::feature::FeaturePluginPre;
use crate::bindings::rater::RaterPluginPre;
use crate::bindings::rater::strowger::billing::ledger;
use crate::bindings::registration::RegistrationPluginPre;
use crate::bindings::router::RouterIoPluginPre;
use crate::bindings::router::strowger::host::{clock, config, directory, http, kv, log, mail, metrics, secrets};
use crate::bindings::router::strowger::types::types;
use crate::bindings::sip_filter::SipFilterPluginPre;
use crate::cache::Entry;
use crate::capability::{Allowed, Denied};
use crate::code::Trusted;
use crate::compiler::{fingerprint, words};
use crate::guest::Guest;
use crate::lifecycle::{self, LIFECYCLE};
use crate::{ArtifactError, CodeCache, CodeFigures, CodeShape, CompileError, Compiler, EngineKind, HostConfig, shape};
use core::fmt;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

/// The WIT version this switch speaks.
const VERSION: &str = bundle::WIT_VERSION;
const HTTP: &str = "strowger:host/http";
const MAIL: &str = "strowger:host/mail";
/// Every interface a guest may import.
const IMPORTS: [&str; 16] = [
    "strowger:types/types",
    "strowger:host/log",
    "strowger:host/config",
    "strowger:host/clock",
    "strowger:host/metrics",
    "strowger:host/directory",
    "strowger:host/kv",
    "strowger:host/secrets",
    HTTP,
    MAIL,
    "strowger:call/control",
    "strowger:call/sound",
    "strowger:call/rooms",
    "strowger:billing/ledger",
    "strowger:call/mailbox",
    "strowger:call/voice",
];

/// An extension point, discovered from a component's exports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Point {
    /// `strowger:routing/router`, of a component that imports nothing that waits.
    Router,
    /// `strowger:routing/router`, of one that does: it imports `host/http`.
    RouterIo,
    /// `strowger:call/app`.
    App,
    /// `strowger:hooks/registration`.
    Registration,
    /// `strowger:hooks/feature`.
    Feature,
    /// `strowger:hooks/event-sink`.
    EventSink,
    /// `strowger:hooks/sip-filter`.
    SipFilter,
    /// `strowger:billing/rater`.
    Rater,
}

impl Point {
    /// Every point.
    pub const ALL: [Point; 8] = [
        Point::Router,
        Point::RouterIo,
        Point::App,
        Point::Registration,
        Point::Feature,
        Point::EventSink,
        Point::SipFilter,
        Point::Rater,
    ];

    /// The name operators use: `routing/router`, `call/app`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Point::Router => "routing/router",
            Point::RouterIo => "routing/router-io",
            Point::App => "call/app",
            Point::Registration => "hooks/registration",
            Point::Feature => "hooks/feature",
            Point::EventSink => "hooks/event-sink",
            Point::SipFilter => "hooks/sip-filter",
            Point::Rater => "billing/rater",
        }
    }

    /// The point of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Point> {
        Point::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Whether its guests run on the hooks engine: fresh for a question, and never waiting.
    pub(crate) const fn is_hook(self) -> bool {
        matches!(self, Point::Router | Point::Registration | Point::Feature | Point::SipFilter)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// SHA-256 of a component's bytes, printed as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a component's bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A component, checked and compiled for this process.
///
/// # Invariants
/// `hooks` is there exactly if a point of `points` is a hook, `apps` exactly if one is not. Every point links.
pub struct Artifact {
    digest: Digest,
    points: BTreeSet<Point>,
    imports: Vec<String>,
    bytes: usize,
    hooks: Option<Component>,
    apps: Option<Component>,
    /// Whether it exports `host/lifecycle`.
    lifecycle: bool,
    pub(crate) live: AtomicU64,
}

impl Artifact {
    /// Whether it says something about its own configuration ([`crate::Host::validate_config`]).
    #[must_use]
    pub fn has_lifecycle(&self) -> bool {
        self.lifecycle
    }

    /// Its component, where it says something about its own configuration.
    pub(crate) fn lifecycle(&self) -> Option<&Component> {
        self.hooks.as_ref().or(self.apps.as_ref()).filter(|_| self.lifecycle)
    }

    /// The digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The points it can serve.
    #[must_use]
    pub fn points(&self) -> &BTreeSet<Point> {
        &self.points
    }

    /// The interfaces it imports, by full name.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The size of the component's file.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Instances alive now.
    #[must_use]
    pub fn live_instances(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Links it for a binding at this point.
    pub(crate) fn link(&self, point: Point, allowed: Allowed) -> Result<Linked, ArtifactError> {
        let component = if point.is_hook() { self.hooks.as_ref() } else { self.apps.as_ref() };
        let component = component.ok_or_else(|| ArtifactError::NoPoint { known: known() })?;
        Linked::new(component, point, allowed).map_err(|e| misfit(point, &e))
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact")
            .field("digest", &self.digest)
            .field("points", &self.points)
            .field("imports", &self.imports)
            .field("bytes", &self.bytes)
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

/// A component linked for one point, with what its binding is granted.
pub(crate) enum Linked {
    /// Both kinds of router: they export the same.
    Router(RouterIoPluginPre<Guest>),
    App(CallAppPluginPre<Guest>),
    Registration(RegistrationPluginPre<Guest>),
    Feature(FeaturePluginPre<Guest>),
    EventSink(EventSinkPluginPre<Guest>),
    SipFilter(SipFilterPluginPre<Guest>),
    Rater(RaterPluginPre<Guest>),
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Linked(..)")
    }
}

impl Linked {
    fn new(component: &Component, point: Point, allowed: Allowed) -> wasmtime::Result<Linked> {
        let pre: InstancePre<Guest> = linker(component.engine(), allowed)?.instantiate_pre(component)?;
        shape::check(&pre, point)?;
        Ok(match point {
            Point::Router | Point::RouterIo => Linked::Router(RouterIoPluginPre::new(pre)?),
            Point::App => Linked::App(CallAppPluginPre::new(pre)?),
            Point::Registration => Linked::Registration(RegistrationPluginPre::new(pre)?),
            Point::Feature => Linked::Feature(FeaturePluginPre::new(pre)?),
            Point::EventSink => Linked::EventSink(EventSinkPluginPre::new(pre)?),
            Point::SipFilter => Linked::SipFilter(SipFilterPluginPre::new(pre)?),
            Point::Rater => Linked::Rater(RaterPluginPre::new(pre)?),
        })
    }
}

/// Turns bytes into artifacts.
#[derive(Debug)]
pub(crate) struct Press {
    hooks: Die,
    apps: Die,
    bytes_max: usize,
    compiler: Arc<dyn Compiler>,
    cache: Option<Arc<CodeCache>>,
    compiled: AtomicU64,
    failed: AtomicU64,
}

/// An engine that components are compiled for.
struct Die {
    engine: Engine,
    shape: CodeShape,
    fingerprint: [u8; 32],
}

impl fmt::Debug for Die {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Die").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Die {
    fn new(engine: &Engine, kind: EngineKind, config: &HostConfig) -> Die {
        let shape = CodeShape { kind, memory_bytes_max: config.memory_bytes_max as u64, fuel: config.fuel.is_some() };
        Die { engine: engine.clone(), shape, fingerprint: fingerprint(engine) }
    }
}

impl Press {
    pub(crate) fn new(hooks: &Engine, apps: &Engine, config: &HostConfig) -> Press {
        Press {
            hooks: Die::new(hooks, EngineKind::Hooks, config),
            apps: Die::new(apps, EngineKind::Apps, config),
            bytes_max: config.artifact_bytes_max,
            compiler: Arc::clone(&config.compiler),
            cache: config.code_cache.clone(),
            compiled: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    pub(crate) fn figures(&self) -> CodeFigures {
        let kept = self.cache.as_ref().map(|cache| cache.figures()).unwrap_or_default();
        let (compiled, failed) = (self.compiled.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        CodeFigures { compiled, failed, ..kept }
    }

    pub(crate) fn compile(&self, bytes: &[u8], digest: Digest) -> Result<Artifact, ArtifactError> {
        if bytes.len() > self.bytes_max {
            return Err(ArtifactError::TooLarge { bytes: bytes.len(), max: self.bytes_max });
        }
        // Only a compiled component tells its exports for sure. Its bytes tell which engine it is for, nearly always,
        // and compiling for one of them is the cost.
        let named = |name: &str| contains(bytes, name.as_bytes());
        let router = named("strowger:routing/router@") && !named(HTTP) && !named(MAIL);
        let short = ["strowger:hooks/registration@", "strowger:hooks/feature@", "strowger:hooks/sip-filter@"];
        let hook = router || short.into_iter().any(named);
        let (first, other) = if hook { (&self.hooks, &self.apps) } else { (&self.apps, &self.hooks) };
        let parsed = self.component(first, bytes, digest)?;
        let imports = imports(&parsed)?;
        let points = points(&parsed, imports.iter().any(|i| i.starts_with(HTTP) || i.starts_with(MAIL)))?;
        let lifecycle = says_lifecycle(&parsed);
        let needs = |kind| points.iter().any(|p| p.is_hook() == (kind == EngineKind::Hooks));
        let second = needs(other.shape.kind).then(|| self.component(other, bytes, digest)).transpose()?;
        let first = needs(first.shape.kind).then_some(parsed);
        let (hooks, apps) = if hook { (first, second) } else { (second, first) };
        let (bytes, live) = (bytes.len(), AtomicU64::new(0));
        let artifact = Artifact { digest, points, imports, bytes, hooks, apps, lifecycle, live };
        let nothing = Allowed::default();
        for point in &artifact.points {
            artifact.link(*point, nothing)?;
        }
        artifact.lifecycle().map(lifecycle::check).transpose()?;
        Ok(artifact)
    }

    /// A component for one engine: from the disk where this node has compiled it before, else from the compiler.
    fn component(&self, die: &Die, bytes: &[u8], digest: Digest) -> Result<Component, ArtifactError> {
        let entry = Entry { digest, kind: die.shape.kind, fingerprint: die.fingerprint };
        if let Some((cache, code)) = self.cache.as_ref().and_then(|cache| Some((cache, cache.load(&entry)?))) {
            match code.load(&die.engine) {
                Ok(component) => return Ok(component),
                Err(why) if is_over(&why) => return Err(ArtifactError::OverLimit(why)),
                Err(why) => cache.disbelieve(&entry, &why),
            }
        }
        let code = match self.pressed(die, bytes) {
            Ok(code) => code,
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                return Err(error);
            }
        };
        self.compiled.fetch_add(1, Ordering::Relaxed);
        let component = code.load(&die.engine).map_err(refusal)?;
        if let Some(cache) = &self.cache {
            cache.keep(&entry, &code);
        }
        Ok(component)
    }

    fn pressed(&self, die: &Die, bytes: &[u8]) -> Result<Trusted, ArtifactError> {
        if bytes.starts_with(b"\0asm\x01\0\0\0") {
            let hint = "this is a core module: link it with wasm-component-ld, or run `wasm-tools component new`";
            return Err(ArtifactError::NotAComponent(hint.to_owned()));
        }
        // Text and precompiled code are not for operators to upload.
        if !bytes.starts_with(b"\0asm") {
            return Err(ArtifactError::NotAComponent("its first bytes are not those of WebAssembly".to_owned()));
        }
        let code = self.compiler.precompile(die.shape, bytes).map_err(|error| match error {
            CompileError::NotAComponent(why) => refusal(why),
            CompileError::Rejected(why) => ArtifactError::Rejected(why),
            CompileError::Unavailable(why) => ArtifactError::Unavailable(why),
        })?;
        Ok(Trusted::compiled(code))
    }
}

/// Why a component is none, in the engine's words.
fn refusal(why: String) -> ArtifactError {
    if is_over(&why) { ArtifactError::OverLimit(why) } else { ArtifactError::NotAComponent(why) }
}

/// What the pool cannot hold is found when the code is loaded.
fn is_over(why: &str) -> bool {
    why.contains("exceeds the limit") || why.contains("exceeds the maximum") || why.contains("exceeds the configured")
}

/// Links what is granted, and a stub that says `denied` in place of what is not. Call control is denied at run time to
/// whoever is not a call app, and the ledger to whoever is no rater, so that one component may serve several points.
fn linker(engine: &Engine, allowed: Allowed) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    log::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    config::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    clock::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    metrics::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    directory::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    control::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    sound::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    rooms::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    // Whoever was granted no host is denied each.
    voice::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    ledger::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    match allowed.kv {
        true => kv::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?,
        false => kv::add_to_linker::<Guest, Denied>(&mut linker, |_| Denied)?,
    }
    match allowed.http {
        true => http::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?,
        false => http::add_to_linker::<Guest, Denied>(&mut linker, |_| Denied)?,
    }
    // Denied at run time where nobody may wait.
    match allowed.mail {
        true => mail::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?,
        false => mail::add_to_linker::<Guest, Denied>(&mut linker, |_| Denied)?,
    }
    match allowed.secrets {
        true => secrets::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?,
        false => secrets::add_to_linker::<Guest, Denied>(&mut linker, |_| Denied)?,
    }
    match allowed.mailboxes {
        true => mailbox::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?,
        false => mailbox::add_to_linker::<Guest, Denied>(&mut linker, |_| Denied)?,
    }
    Ok(linker)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|w| w == needle)
}

fn imports(component: &Component) -> Result<Vec<String>, ArtifactError> {
    let mut names = Vec::new();
    for (name, _) in component.component_type().imports(component.engine()) {
        let (bare, version) = name.split_once('@').unwrap_or((name, ""));
        if !IMPORTS.contains(&bare) || version != VERSION {
            return Err(ArtifactError::UnknownImport { name: name.to_owned(), hint: import_hint(bare, version) });
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn import_hint(bare: &str, version: &str) -> String {
    if IMPORTS.contains(&bare) {
        format!("it was built for version {version}, this switch speaks {VERSION}; rebuild it with this version's SDK")
    } else if bare.starts_with("wasi:") {
        "plugins get no WASI: build for wasm32-unknown-unknown, or stub WASI out (see sdk/)".to_owned()
    } else if bare.starts_with("strowger:") {
        "see wit/PENDING.md for what is planned".to_owned()
    } else {
        format!("it offers {}", IMPORTS.join(", "))
    }
}

fn points(component: &Component, waits: bool) -> Result<BTreeSet<Point>, ArtifactError> {
    let mut points = BTreeSet::new();
    for (name, _) in component.component_type().exports(component.engine()) {
        // Toolchains export helpers of their own (`init`); only our namespace means something.
        let Some(rest) = name.strip_prefix("strowger:") else { continue };
        let (bare, version) = rest.split_once('@').unwrap_or((rest, ""));
        let unknown = |hint| ArtifactError::UnknownExport { name: name.to_owned(), hint };
        if bare == LIFECYCLE && version == VERSION {
            continue;
        }
        let point = match Point::from_name(bare) {
            Some(Point::Router) if waits => Point::RouterIo,
            // A kind of the first, not an interface of its own.
            Some(Point::RouterIo) | None => return Err(unknown(format!("it knows {}", known()))),
            Some(point) => point,
        };
        if version != VERSION {
            return Err(unknown(format!("it speaks version {VERSION}; rebuild the plugin with this version's SDK")));
        }
        points.insert(point);
    }
    if points.is_empty() { Err(ArtifactError::NoPoint { known: known() }) } else { Ok(points) }
}

fn says_lifecycle(component: &Component) -> bool {
    let shape = component.component_type();
    let ours = |name: &str| name.strip_prefix("strowger:").is_some_and(|name| name.starts_with(LIFECYCLE));
    shape.exports(component.engine()).any(|(name, _)| ours(name))
}

fn known() -> String {
    let interfaces = Point::ALL.into_iter().filter(|p| *p != Point::RouterIo).map(Point::name);
    interfaces.chain([LIFECYCLE]).map(|p| format!("strowger:{p}@{VERSION}")).collect::<Vec<_>>().join(", ")
}

fn misfit(point: Point, error: &wasmtime::Error) -> ArtifactError {
    ArtifactError::Mismatch { point, reason: words(error) }
}
