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
use crate::capability::{Allowed, Denied};
use crate::guest::Guest;
use crate::{ArtifactError, HostConfig, shape};
use core::fmt;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
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
    pub(crate) live: AtomicU64,
}

impl Artifact {
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
pub(crate) struct Press {
    hooks: Engine,
    apps: Engine,
    bytes_max: usize,
}

impl fmt::Debug for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Press").finish_non_exhaustive()
    }
}

impl Press {
    pub(crate) fn new(hooks: &Engine, apps: &Engine, config: &HostConfig) -> Press {
        Press { hooks: hooks.clone(), apps: apps.clone(), bytes_max: config.artifact_bytes_max }
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
        let first = if hook { &self.hooks } else { &self.apps };
        let parsed = parse(first, bytes)?;
        let imports = imports(&parsed)?;
        let points = points(&parsed, imports.iter().any(|i| i.starts_with(HTTP) || i.starts_with(MAIL)))?;
        let on = |engine: &Engine, needed: bool| match (needed, Engine::same(engine, first)) {
            (false, _) => Ok(None),
            (true, true) => Ok(Some(parsed.clone())),
            (true, false) => parse(engine, bytes).map(Some),
        };
        let hooks = on(&self.hooks, points.iter().any(|p| p.is_hook()))?;
        let apps = on(&self.apps, points.iter().any(|p| !p.is_hook()))?;
        let artifact = Artifact { digest, points, imports, bytes: bytes.len(), hooks, apps, live: AtomicU64::new(0) };
        let nothing = Allowed::default();
        for point in &artifact.points {
            artifact.link(*point, nothing)?;
        }
        Ok(artifact)
    }
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

fn parse(engine: &Engine, bytes: &[u8]) -> Result<Component, ArtifactError> {
    if bytes.starts_with(b"\0asm\x01\0\0\0") {
        let hint = "this is a core module: link it with wasm-component-ld, or run `wasm-tools component new`";
        return Err(ArtifactError::NotAComponent(hint.to_owned()));
    }
    // `from_binary`, never `new`: text and precompiled code are not for operators to upload.
    Component::from_binary(engine, bytes).map_err(|e| {
        let text = words(&e);
        // What the pool cannot hold is found while compiling.
        if text.contains("exceeds the limit") || text.contains("exceeds the maximum") {
            ArtifactError::OverLimit(text)
        } else {
            ArtifactError::NotAComponent(text)
        }
    })
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

fn known() -> String {
    let interfaces = Point::ALL.into_iter().filter(|p| *p != Point::RouterIo);
    interfaces.map(|p| format!("strowger:{p}@{VERSION}")).collect::<Vec<_>>().join(", ")
}

fn misfit(point: Point, error: &wasmtime::Error) -> ArtifactError {
    ArtifactError::Mismatch { point, reason: words(error) }
}

/// An engine error in one line.
fn words(error: &wasmtime::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}
