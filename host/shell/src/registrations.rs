//! Registrations outlive a restart: what changes is written to a file in the data folder, beside the shard's thread.
//!
//! The shard never copies more than the accounts that changed: a full table costs it nothing. What a crash can lose is
//! what changed within [`GATHER`] and the one write under way; those phones register again by themselves.
//!
//! The shards of a node share the file, its writer and the secrets in it, and each hands over the accounts of its own
//! brands: a restart with another number of shards deals the same bindings out anew.

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
    /// Begin a file with this.
    Begin(RegistrarSnapshot),
    /// Begin a file with all that this shard has, once the others have said theirs.
    All(usize, RegistrarSnapshot),
    /// Note these accounts of this shard.
    Some(usize, Changes),
    /// Say when everything before is on the disk.
    Done(SyncSender<()>),
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
    writer: Option<SyncSender<Batch>>,
    /// Which shard's it is.
    own: usize,
    /// There are others, and the writer waits for all of them.
    among_others: bool,
}

impl Keeper {
    /// Begins the file with what is bound now on each shard; a keeper for each.
    pub(crate) fn start(dir: &Path, now: Vec<RegistrarSnapshot>) -> Result<Vec<Keeper>, ShellError> {
        let (send, receive) = sync_channel(BATCHES_MAX * now.len().max(1));
        let parts: Vec<Part> = now.iter().map(|_| Part::default()).collect();
        let lost: Vec<Arc<AtomicBool>> = parts.iter().map(|part| Arc::clone(&part.lost)).collect();
        let mut writer = Writer { path: dir.join(FILE), log: None, parts };
        std::thread::Builder::new()
            .name("registrations".to_owned())
            .spawn(move || writer.run(&receive))
            .map_err(|e| ShellError::System { what: "a thread", why: e.to_string() })?;
        let among_others = now.len() > 1;
        let _taken = send.send(Batch::Begin(merged(now)));
        let keeper = |(own, lost)| Keeper {
            changed: BTreeSet::new(),
            due: None,
            lost,
            writer: Some(send.clone()),
            own,
            among_others,
        };
        Ok(lost.into_iter().enumerate().map(keeper).collect())
    }

    /// The writer may wait for this shard because of what befell another.
    pub(crate) fn look(&mut self, now: Instant) {
        if self.among_others && self.due.is_none() && self.lost.load(Ordering::Relaxed) {
            self.due = Some(now + GATHER);
        }
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
        let Some(writer) = &self.writer else { return };
        let batch = if self.lost.swap(false, Ordering::Relaxed) {
            self.changed.clear();
            Batch::All(self.own, core.registrations())
        } else {
            let some = core::iter::from_fn(|| self.changed.pop_first()).take(ACCOUNTS_MAX);
            Batch::Some(self.own, some.map(|account| (account, core.registrations_of(account))).collect())
        };
        match writer.try_send(batch) {
            Ok(()) => self.due = (!self.changed.is_empty()).then_some(now + PAUSE),
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                match batch {
                    Batch::All(..) => self.lost.store(true, Ordering::Relaxed),
                    Batch::Some(_, changes) => self.changed.extend(changes.iter().map(|(account, _)| *account)),
                    Batch::Begin(_) | Batch::Done(_) => {}
                }
                self.due = Some(now + GATHER);
            }
        }
    }

    /// Hands over the last changes; returns when they are on the disk.
    pub(crate) fn keep_at_end(&mut self, core: &Core) {
        if let Some(writer) = self.writer.take() {
            let changed = core::mem::take(&mut self.changed).into_iter();
            let last = if self.lost.load(Ordering::Relaxed) {
                Batch::All(self.own, core.registrations())
            } else {
                Batch::Some(self.own, changed.map(|account| (account, core.registrations_of(account))).collect())
            };
            let (done, written) = sync_channel(1);
            if writer.send(last).is_err() || writer.send(Batch::Done(done)).is_err() || written.recv().is_err() {
                tracing::error!("the thread that saves registrations had failed");
            }
        }
    }
}

/// What a shard has said since the file was lost.
#[derive(Default)]
struct Part {
    all: Option<RegistrarSnapshot>,
    /// It is asked for everything.
    lost: Arc<AtomicBool>,
}

/// # Invariants
/// While there is a log no part holds anything; without one, each part holds all of its shard, or asks for it, or it is on its way.
struct Writer {
    path: PathBuf,
    log: Option<Log>,
    parts: Vec<Part>,
}

impl Writer {
    fn run(&mut self, batches: &Receiver<Batch>) {
        while let Ok(batch) = batches.recv() {
            let done = match batch {
                Batch::Begin(all) => Log::create(&self.path, all).map(|log| self.log = Some(log)),
                Batch::All(own, all) => self.begin(own, all),
                Batch::Some(own, changes) => match &mut self.log {
                    Some(log) => log.append(&changes),
                    None => {
                        self.amend(own, changes);
                        Ok(())
                    }
                },
                Batch::Done(done) => {
                    let _gone = done.send(());
                    continue;
                }
            };
            if let Err(error) = done {
                tracing::warn!(%error, "registrations cannot be saved: after a restart phones are away until they register");
                self.log = None;
                self.parts.iter_mut().for_each(|part| part.all = None);
                self.ask_missing();
            }
        }
    }

    /// Asks the shards that have not said all they have.
    fn ask_missing(&self) {
        let missing = self.parts.iter().filter(|part| part.all.is_none());
        missing.for_each(|part| part.lost.store(true, Ordering::Relaxed));
    }

    /// Takes all of one shard; begins the file when it is the last that was missing.
    fn begin(&mut self, own: usize, all: RegistrarSnapshot) -> std::io::Result<()> {
        if let Some(part) = self.parts.get_mut(own) {
            part.all = Some(all);
        }
        // What is in the file stays good until the new one takes its place.
        if self.log.take().is_some() {
            self.ask_missing();
        }
        if self.parts.iter().any(|part| part.all.is_none()) {
            return Ok(());
        }
        let parts = self.parts.iter_mut().filter_map(|part| part.all.take()).collect();
        self.log = Some(Log::create(&self.path, merged(parts))?);
        Ok(())
    }

    /// Notes changes of a shard that has said all while others have not.
    fn amend(&mut self, own: usize, changes: Changes) {
        let Some(all) = self.parts.get_mut(own).and_then(|part| part.all.as_mut()) else { return };
        all.bindings.retain(|(account, _)| !changes.iter().any(|(changed, _)| changed == account));
        all.bindings.extend(changes.into_iter().flat_map(|(account, now)| now.into_iter().map(move |b| (account, b))));
    }
}

/// What the shards have, as one; their secrets are the same.
fn merged(parts: Vec<RegistrarSnapshot>) -> RegistrarSnapshot {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().unwrap_or_default();
    whole.bindings.extend(parts.flat_map(|part| part.bindings));
    whole
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
