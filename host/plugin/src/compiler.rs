//! Who turns a component's bytes into machine code: a process of its own with caps ([`crate::WorkerProcess`]), or this one.

use crate::engine::compile_config;
use core::fmt;
use std::hash::{Hash, Hasher};
use wasmtime::Engine;

/// The engine that code is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EngineKind {
    /// Hooks, which never wait.
    Hooks,
    /// Call apps, and hooks that wait.
    Apps,
}

impl EngineKind {
    /// As it stands in a file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Hooks => "hooks",
            EngineKind::Apps => "apps",
        }
    }

    pub(crate) const fn byte(self) -> u8 {
        match self {
            EngineKind::Hooks => 0,
            EngineKind::Apps => 1,
        }
    }

    pub(crate) const fn of_byte(byte: u8) -> Option<EngineKind> {
        match byte {
            0 => Some(EngineKind::Hooks),
            1 => Some(EngineKind::Apps),
            _ => None,
        }
    }
}

/// Everything about an engine that shows in the code made for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodeShape {
    /// Which engine.
    pub kind: EngineKind,
    /// [`crate::HostConfig::memory_bytes_max`].
    pub memory_bytes_max: u64,
    /// Whether instructions are counted.
    pub fuel: bool,
}

/// Why there is no code.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompileError {
    /// It is no component; in the compiler's words.
    #[error("{0}")]
    NotAComponent(String),
    /// The compiler crashed on it, or it took more than it may; in words for the operator. The same bytes do so again.
    #[error("{0}")]
    Rejected(String),
    /// No compiler could be had now; another time it may.
    #[error("{0}")]
    Unavailable(String),
}

/// Makes code of components. Called from threads that may block.
pub trait Compiler: fmt::Debug + Send + Sync {
    /// What `wasmtime` makes of a component's bytes, for an engine of this shape.
    ///
    /// # Errors
    /// [`CompileError`].
    fn precompile(&self, shape: CodeShape, component: &[u8]) -> Result<Vec<u8>, CompileError>;
}

/// Compiles on the thread that asks, without caps: for an author's own machine, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

impl Compiler for InProcess {
    fn precompile(&self, shape: CodeShape, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let engine = Engine::new(&compile_config(shape)).map_err(|e| CompileError::Unavailable(words(&e)))?;
        engine.precompile_component(component).map_err(|e| CompileError::NotAComponent(words(&e)))
    }
}

/// An engine error in one line.
pub(crate) fn words(error: &wasmtime::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What code must have been made for to run in this engine: version and settings of the compiler, and the machine.
pub(crate) fn fingerprint(engine: &Engine) -> [u8; 32] {
    let mut hasher = Sha256Hasher::default();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.sum()
}

/// Std's hashers say 64 bits, and not the same ones in every version.
#[derive(Default)]
struct Sha256Hasher(sha2::Sha256);

impl Sha256Hasher {
    fn sum(self) -> [u8; 32] {
        use sha2::Digest as _;
        self.0.finalize().into()
    }
}

impl Hasher for Sha256Hasher {
    fn finish(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = Sha256Hasher(self.0.clone()).sum();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    fn write(&mut self, bytes: &[u8]) {
        use sha2::Digest as _;
        self.0.update(bytes);
    }
}
