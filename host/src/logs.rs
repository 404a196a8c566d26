//! Logs: to standard error, `info` unless `RUST_LOG` says otherwise, and held back until the start has succeeded.
//!
//! A start that fails says one sentence on standard error and nothing else, so what was logged before is kept in
//! memory: shown once the switch runs, dropped when it does not. Afterwards lines are gathered for a moment: a system
//! call for each line would be paid by the thread that carries calls. A warning or an error leaves at once, and takes
//! with it what waits.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes held back; past it the rest of the start is not logged.
const HELD_BYTES_MAX: usize = 256 * 1024;
/// So many waiting bytes are written at once.
const GATHER_BYTES: usize = 32 * 1024;
/// How long a line may wait.
const GATHER: Duration = Duration::from_millis(100);

/// The gate in front of standard error.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lines: Mutex<Lines>,
    some: Condvar,
}

/// # Invariants
/// Once `open`, always open. While open, whatever waits is written by the flusher thread within [`GATHER`].
#[derive(Debug, Default)]
struct Lines {
    open: bool,
    waiting: Vec<u8>,
}

impl Lines {
    fn write_out(&mut self) {
        // Nobody can be told that standard error is gone.
        let _ = io::stderr().write_all(&self.waiting);
        self.waiting.clear();
    }
}

impl Gate {
    /// Installs the process's subscriber behind a closed gate, for these lines unless `RUST_LOG` says otherwise.
    pub(crate) fn install(lines: &str) -> Gate {
        let gate = Gate(Arc::new(Inner { lines: Mutex::default(), some: Condvar::new() }));
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(lines));
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
        let flusher = self.clone();
        let started = std::thread::Builder::new().name("logs".to_owned()).spawn(move || flusher.flush_for_ever());
        let mut lines = self.lines();
        // Without the thread a line waits for the next warning or for [`GATHER_BYTES`].
        lines.open = true;
        lines.write_out();
        drop(lines);
        if let Err(error) = started {
            tracing::warn!(%error, "no thread for the logs: lines come late");
        }
    }

    /// Writes what waits; the last thing before the process ends.
    pub(crate) fn flush(&self) {
        let mut lines = self.lines();
        if lines.open {
            lines.write_out();
        }
    }

    fn flush_for_ever(&self) {
        loop {
            let lines = self.lines();
            let lines = self.0.some.wait_while(lines, |lines| !lines.open || lines.waiting.is_empty());
            drop(lines);
            std::thread::sleep(GATHER);
            self.flush();
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line's way through the gate.
pub(crate) struct Line<'a> {
    gate: &'a Gate,
    urgent: bool,
}

impl<'a> MakeWriter<'a> for Gate {
    type Writer = Line<'a>;
    fn make_writer(&'a self) -> Line<'a> {
        Line { gate: self, urgent: true }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        Line { gate: self, urgent: *meta.level() <= Level::WARN }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.gate.lines();
        if !lines.open {
            if lines.waiting.len() + line.len() <= HELD_BYTES_MAX {
                lines.waiting.extend_from_slice(line);
            }
            return Ok(line.len());
        }
        let first = lines.waiting.is_empty();
        lines.waiting.extend_from_slice(line);
        if self.urgent || lines.waiting.len() >= GATHER_BYTES {
            lines.write_out();
        } else if first {
            self.gate.0.some.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
