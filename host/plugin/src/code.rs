//! The one place where machine code is loaded.
#![allow(unsafe_code, reason = "loading machine code is unsafe; only code that this node made reaches it")]

use crate::compiler::words;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Machine code that this node made.
///
/// # Invariants
/// The bytes come from this node's own compiler, just now, or from a file whose seal was verified over these very bytes:
/// nobody else may make one.
pub(crate) struct Trusted {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Trusted {
    /// What our own compiler has just given.
    pub(crate) fn compiled(bytes: Vec<u8>) -> Trusted {
        Trusted { from: 0, to: bytes.len(), bytes }
    }

    /// The part `from..to` of a file of which the seal was verified.
    pub(crate) fn unsealed(bytes: Vec<u8>, from: usize, to: usize) -> Trusted {
        Trusted { bytes, from, to }
    }

    /// The code.
    pub(crate) fn code(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }

    /// Loads it.
    ///
    /// # Errors
    /// In wasmtime's words: it is for another engine, or the pool cannot hold what it makes.
    pub(crate) fn load(&self, engine: &Engine) -> Result<Component, String> {
        // SAFETY: by the invariant of `Trusted` these bytes are what `precompile_component` gave on this node, unchanged.
        // They are in memory, where no file can change them between the check and here, and wasmtime copies them.
        unsafe { Component::deserialize(engine, self.code()) }.map_err(|e| words(&e))
    }
}
