//! Registrations outlive a restart: a snapshot file in the data folder, written beside the shard's thread.

use crate::{Registration, ShellError};
use core::time::Duration;
use model::{Directory, Instant};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use switch::RegistrarSnapshot;

/// Changes are gathered for so long; a crash forgets at most these, and the phones register again by themselves.
const GATHER: Duration = Duration::from_secs(3);
const FILE: &str = "registrations.json";

/// Writes snapshots when bindings have changed.
///
/// # Invariants
/// At most one snapshot waits for the writer; the file is replaced whole or not at all.
pub(crate) struct Keeper {
    due: Option<Instant>,
    writer: Option<(SyncSender<RegistrarSnapshot>, JoinHandle<()>)>,
}

impl Keeper {
    pub(crate) fn start(dir: &Path) -> Result<Keeper, ShellError> {
        let (send, receive) = sync_channel(1);
        let path = dir.join(FILE);
        let thread = std::thread::Builder::new()
            .name("registrations".to_owned())
            .spawn(move || write_all(&receive, &path))
            .map_err(|e| ShellError::System { what: "a thread", why: e.to_string() })?;
        Ok(Keeper { due: None, writer: Some((send, thread)) })
    }

    /// A binding was added, refreshed or removed.
    pub(crate) fn changed(&mut self, now: Instant) {
        self.due.get_or_insert(now + GATHER);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Hands a snapshot to the writer; if it is still busy, the next one will do.
    pub(crate) fn keep(&mut self, snapshot: RegistrarSnapshot, now: Instant) {
        self.due = None;
        if let Some((writer, _)) = &self.writer
            && let Err(TrySendError::Full(_)) = writer.try_send(snapshot)
        {
            self.changed(now);
        }
    }

    /// The last snapshot; returns when it is on the disk.
    pub(crate) fn keep_at_end(&mut self, snapshot: RegistrarSnapshot) {
        if let Some((writer, thread)) = self.writer.take() {
            let _gone = writer.send(snapshot);
            drop(writer);
            if thread.join().is_err() {
                tracing::error!("the thread that saves registrations had failed");
            }
        }
    }
}

fn write_all(snapshots: &Receiver<RegistrarSnapshot>, path: &Path) {
    while let Ok(snapshot) = snapshots.recv() {
        if let Err(error) = write(&snapshot, path) {
            tracing::warn!(%error, "registrations cannot be saved: after a restart phones are away until they register");
        }
    }
}

fn write(snapshot: &RegistrarSnapshot, path: &Path) -> std::io::Result<()> {
    let next = path.with_extension("json.next");
    let mut file = BufWriter::new(File::create(&next)?);
    serde_json::to_writer(&mut file, snapshot)?;
    file.flush()?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_data()?;
    std::fs::rename(&next, path)
}

/// What an earlier process left. A file that cannot be read is put aside: it must not keep the switch from starting.
pub(crate) fn load(dir: &Path) -> Option<RegistrarSnapshot> {
    let path: PathBuf = dir.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "saved registrations cannot be read");
            return None;
        }
    };
    match serde_json::from_slice::<RegistrarSnapshot>(&bytes) {
        Ok(snapshot) => Some(snapshot),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "saved registrations make no sense and are put aside");
            let _kept = std::fs::rename(&path, path.with_extension("json.broken"));
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
mod tests {
    use super::{FILE, Keeper, load};
    use core::time::Duration;
    use model::Instant;
    use switch::RegistrarSnapshot;

    #[test]
    fn a_snapshot_comes_back_and_nonsense_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).is_none());
        let mut keeper = Keeper::start(dir.path()).unwrap();
        let now = Instant::from_unix_nanos(0);
        keeper.changed(now);
        keeper.changed(now + Duration::from_secs(2));
        assert_eq!(keeper.poll_timeout(), Some(now + Duration::from_secs(3)), "changes are gathered");
        keeper.keep(RegistrarSnapshot::default(), now);
        assert_eq!(keeper.poll_timeout(), None);
        keeper.keep_at_end(RegistrarSnapshot::default());
        assert_eq!(load(dir.path()), Some(RegistrarSnapshot::default()));
        std::fs::write(dir.path().join(FILE), b"{").unwrap();
        assert!(load(dir.path()).is_none());
        assert!(dir.path().join("registrations.json.broken").exists());
    }
}
