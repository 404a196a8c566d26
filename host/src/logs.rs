//! Logs: to standard error, `info` unless `RUST_LOG` says otherwise, and held back until the start has succeeded.
//!
//! A start that fails says one sentence on standard error and nothing else, so what was logged before is kept in
//! memory: shown once the switch runs, dropped when it does not.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes held back; past it the rest of the start is not logged.
const HELD_BYTES_MAX: usize = 256 * 1024;

/// The gate in front of standard error.
///
/// # Invariants
/// `Some` while closed; `open` empties it once and for all.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Mutex<Option<Vec<u8>>>>);

impl Gate {
    /// Installs the process's subscriber behind a closed gate.
    pub(crate) fn install() -> Gate {
        let gate = Gate(Arc::new(Mutex::new(Some(Vec::new()))));
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .with_writer(gate.clone())
            .finish();
        // A second subscriber in one process happens in tests only; the first one stays.
        let _ = tracing::subscriber::set_global_default(subscriber);
        gate
    }

    /// Writes what was held, and lets everything through from now on.
    pub(crate) fn open(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(held) = held {
            let _ = io::stderr().write_all(&held);
        }
    }
}

impl<'a> MakeWriter<'a> for Gate {
    type Writer = Gate;
    fn make_writer(&'a self) -> Gate {
        self.clone()
    }
}

impl Write for Gate {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(held) if held.len() + line.len() <= HELD_BYTES_MAX => held.extend_from_slice(line),
            Some(_) => {}
            None => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
