//! Registrations outlive a restart: what changes is written to a file in the data folder, beside the shard's thread.
//!
//! The shard never copies more than the accounts that changed: a full table costs it nothing. What a crash can lose is
//! what changed within [`GATHER`] and the one write under way; those phones register again by themselves.

mod log;

use crate::{Registration, ShellError};
use core::time::Duration;
use log::{Changes, Log};
use model::{AccountId, Directory, Instant};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use switch::{Core, RegistrarSnapshot};

/// Changes are gathered for so long.
const GATHER: Duration = Duration::from_secs(1);
/// Accounts handed over in one turn of the shard, and the pause before the next.
const ACCOUNTS_MAX: usize = 500;
const PAUSE: Duration = Duration::from_millis(10);
/// Batches that wait for the writer.
const BATCHES_MAX: usize = 4;
const FILE: &str = "registrations.log";

/// What the writer is to do.
enum Batch {
    /// Begin a file with all of this.
    All(RegistrarSnapshot),
    /// Note these accounts.
    Some(Changes),
}

/// Hands over the bindings of accounts that have changed.
///
/// # Invariants
/// `due` is set while `changed` holds anything. At most [`BATCHES_MAX`] batches wait; what finds no room stays here, as
/// names of accounts only.
pub(crate) struct Keeper {
    changed: BTreeSet<AccountId>,
    due: Option<Instant>,
    /// The writer lost its file and needs everything again.
    lost: Arc<AtomicBool>,
    writer: Option<(SyncSender<Batch>, JoinHandle<()>)>,
}

impl Keeper {
    /// Begins the file with what is bound now.
    pub(crate) fn start(dir: &Path, now: RegistrarSnapshot) -> Result<Keeper, ShellError> {
        let (send, receive) = sync_channel(BATCHES_MAX);
        let lost = Arc::new(AtomicBool::new(false));
        let mut writer = Writer { path: dir.join(FILE), log: None, lost: Arc::clone(&lost) };
        let thread = std::thread::Builder::new()
            .name("registrations".to_owned())
            .spawn(move || writer.run(&receive))
            .map_err(|e| ShellError::System { what: "a thread", why: e.to_string() })?;
        let _taken = send.send(Batch::All(now));
        Ok(Keeper { changed: BTreeSet::new(), due: None, lost, writer: Some((send, thread)) })
    }

    /// A binding of this account was added, refreshed or removed.
    pub(crate) fn changed(&mut self, account: AccountId, now: Instant) {
        self.changed.insert(account);
        self.due.get_or_insert(now + GATHER);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Hands over what is due.
    pub(crate) fn keep(&mut self, core: &Core, now: Instant) {
        let Some((writer, _)) = &self.writer else { return };
        let batch = if self.lost.swap(false, Ordering::Relaxed) {
            self.changed.clear();
            Batch::All(core.registrations())
        } else {
            let some = core::iter::from_fn(|| self.changed.pop_first()).take(ACCOUNTS_MAX);
            Batch::Some(some.map(|account| (account, core.registrations_of(account))).collect())
        };
        match writer.try_send(batch) {
            Ok(()) => self.due = (!self.changed.is_empty()).then_some(now + PAUSE),
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                match batch {
                    Batch::All(_) => self.lost.store(true, Ordering::Relaxed),
                    Batch::Some(changes) => self.changed.extend(changes.iter().map(|(account, _)| *account)),
                }
                self.due = Some(now + GATHER);
            }
        }
    }

    /// Hands over the last changes; returns when they are on the disk.
    pub(crate) fn keep_at_end(&mut self, core: &Core) {
        if let Some((writer, thread)) = self.writer.take() {
            let changed = core::mem::take(&mut self.changed).into_iter();
            let last = if self.lost.load(Ordering::Relaxed) {
                Batch::All(core.registrations())
            } else {
                Batch::Some(changed.map(|account| (account, core.registrations_of(account))).collect())
            };
            let _gone = writer.send(last);
            drop(writer);
            if thread.join().is_err() {
                tracing::error!("the thread that saves registrations had failed");
            }
        }
    }
}

struct Writer {
    path: PathBuf,
    log: Option<Log>,
    lost: Arc<AtomicBool>,
}

impl Writer {
    fn run(&mut self, batches: &Receiver<Batch>) {
        while let Ok(batch) = batches.recv() {
            let done = match batch {
                Batch::All(all) => Log::create(&self.path, all).map(|log| self.log = Some(log)),
                Batch::Some(changes) => self.log.as_mut().map_or(Ok(()), |log| log.append(&changes)),
            };
            if let Err(error) = done {
                tracing::warn!(%error, "registrations cannot be saved: after a restart phones are away until they register");
                self.log = None;
            }
            self.lost.fetch_or(self.log.is_none(), Ordering::Relaxed);
        }
    }
}

/// What an earlier process left. A file that cannot be read is put aside: it must not keep the switch from starting.
pub(crate) fn load(dir: &Path) -> Option<RegistrarSnapshot> {
    let path = dir.join(FILE);
    match log::read(&path) {
        Ok(found) => found.map(|(snapshot, broken)| {
            if broken > 0 {
                tracing::warn!(broken, "lines of the saved registrations make no sense");
            }
            snapshot
        }),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "saved registrations cannot be read and are put aside");
            let _kept = std::fs::rename(&path, path.with_extension("broken"));
            None
        }
    }
}

/// Bindings with the names of their accounts; those of accounts that are gone are left out.
pub(crate) fn list(snapshot: &RegistrarSnapshot, directory: &Directory) -> Vec<Registration> {
    let named = snapshot.bindings.iter().filter_map(|(account, binding)| {
        let account = directory.account_by_id(*account)?;
        let company = directory.company(account.company)?;
        let flow = &binding.flow;
        Some(Registration {
            account: account.id,
            username: account.username.clone(),
            brand: company.brand,
            company: company.id,
            contact: binding.contact.clone(),
            source: format!("{}/{}", flow.transport.name(), flow.remote),
            user_agent: Some(binding.user_agent.to_string()).filter(|agent| !agent.is_empty()),
            expires_at: binding.expires_at,
        })
    });
    named.collect()
}

#[cfg(test)]
#[path = "registrations/tests.rs"]
mod tests;
