//! A compiled component: what it is, what it may serve. Compiled once per digest, linked once per point.

use crate::bindings::app::CallAppPluginPre;
use crate::bindings::app::strowger::call::control;
use crate::bindings::router::{RouterPlugin, RouterPluginPre};
use crate::guest::Guest;
use crate::{ArtifactError, HostConfig};
use core::fmt;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

/// The WIT version this switch speaks.
const VERSION: &str = "0.1.0";
/// Every interface a guest may import.
const IMPORTS: [&str; 7] = [
    "strowger:types/types",
    "strowger:host/log",
    "strowger:host/config",
    "strowger:host/clock",
    "strowger:host/metrics",
    "strowger:host/directory",
    "strowger:call/control",
];

/// An extension point, discovered from a component's exports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Point {
    /// `strowger:routing/router`.
    Router,
    /// `strowger:call/app`.
    App,
}

impl Point {
    /// Every point.
    pub const ALL: [Point; 2] = [Point::Router, Point::App];

    /// The name operators use: `routing/router`, `call/app`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Point::Router => "routing/router",
            Point::App => "call/app",
        }
    }

    /// The point of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Point> {
        Point::ALL.into_iter().find(|p| p.name() == name)
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

/// A component, checked, compiled and linked for this process.
///
/// # Invariants
/// `router` or `app` is there exactly if `points` names that point.
pub struct Artifact {
    digest: Digest,
    points: BTreeSet<Point>,
    imports: Vec<String>,
    bytes: usize,
    pub(crate) router: Option<RouterPluginPre<Guest>>,
    pub(crate) app: Option<CallAppPluginPre<Guest>>,
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

/// Turns bytes into artifacts: the two engines, each with its linker.
pub(crate) struct Press {
    hooks: Linker<Guest>,
    apps: Linker<Guest>,
    bytes_max: usize,
}

impl fmt::Debug for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Press").finish_non_exhaustive()
    }
}

impl Press {
    pub(crate) fn new(hooks: &Engine, apps: &Engine, config: &HostConfig) -> wasmtime::Result<Press> {
        Ok(Press { hooks: linker(hooks)?, apps: linker(apps)?, bytes_max: config.artifact_bytes_max })
    }

    pub(crate) fn compile(&self, bytes: &[u8], digest: Digest) -> Result<Artifact, ArtifactError> {
        if bytes.len() > self.bytes_max {
            return Err(ArtifactError::TooLarge { bytes: bytes.len(), max: self.bytes_max });
        }
        // Only a compiled component tells its exports for sure. Its bytes tell which engine it is for, nearly always,
        // and compiling for one of them is the cost.
        let first = if contains(bytes, b"strowger:routing/router@") { &self.hooks } else { &self.apps };
        let parsed = parse(first.engine(), bytes)?;
        let imports = imports(&parsed)?;
        let points = points(&parsed)?;
        let mut artifact =
            Artifact { digest, points, imports, bytes: bytes.len(), router: None, app: None, live: AtomicU64::new(0) };
        let on = |linker: &Linker<Guest>| match Engine::same(linker.engine(), first.engine()) {
            true => Ok(parsed.clone()),
            false => parse(linker.engine(), bytes),
        };
        if artifact.points.contains(&Point::Router) {
            let pre = self.hooks.instantiate_pre(&on(&self.hooks)?).and_then(RouterPluginPre::new);
            artifact.router = Some(pre.map_err(|e| misfit(Point::Router, &e))?);
        }
        if artifact.points.contains(&Point::App) {
            let pre = self.apps.instantiate_pre(&on(&self.apps)?).and_then(CallAppPluginPre::new);
            artifact.app = Some(pre.map_err(|e| misfit(Point::App, &e))?);
        }
        Ok(artifact)
    }
}

/// Links every interface there is. Call control is denied at run time to whoever is not a call app, so that one
/// component may serve both points.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    RouterPlugin::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    control::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
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

fn points(component: &Component) -> Result<BTreeSet<Point>, ArtifactError> {
    let mut points = BTreeSet::new();
    for (name, _) in component.component_type().exports(component.engine()) {
        // Toolchains export helpers of their own (`init`); only our namespace means something.
        let Some(rest) = name.strip_prefix("strowger:") else { continue };
        let (bare, version) = rest.split_once('@').unwrap_or((rest, ""));
        let unknown = |hint| ArtifactError::UnknownExport { name: name.to_owned(), hint };
        let point = Point::from_name(bare).ok_or_else(|| unknown(format!("it knows {}", known())))?;
        if version != VERSION {
            return Err(unknown(format!("it speaks version {VERSION}; rebuild the plugin with this version's SDK")));
        }
        points.insert(point);
    }
    if points.is_empty() { Err(ArtifactError::NoPoint { known: known() }) } else { Ok(points) }
}

fn known() -> String {
    Point::ALL.map(|p| format!("strowger:{p}@{VERSION}")).join(", ")
}

fn misfit(point: Point, error: &wasmtime::Error) -> ArtifactError {
    ArtifactError::Mismatch { point, reason: words(error) }
}

/// An engine error in one line.
fn words(error: &wasmtime::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}
