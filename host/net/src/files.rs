//! The limit of open files: every media pair takes two, every connection one.

use crate::NetError;

/// Files a process needs beside its sockets: store, journal, logs, HTTP, wasm artifacts.
const OTHER_FILES: u64 = 512;

/// Raises the soft limit of open files as far as the hard limit lets it, and refuses a configuration that needs more.
///
/// # Errors
/// [`NetError::FileLimit`] when `sockets` and what else a switch opens do not fit.
pub fn raise_file_limit(sockets: usize) -> Result<u64, NetError> {
    let needed = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let (soft, hard) = rlimit::Resource::NOFILE.get().map_err(NetError::Poller)?;
    // Only as far as useful: a soft limit of a billion makes some libraries close a billion descriptors.
    let goal = needed.max(soft).min(hard);
    if goal > soft {
        rlimit::Resource::NOFILE.set(goal, hard).map_err(NetError::Poller)?;
    }
    if goal < needed { Err(NetError::FileLimit { needed, allowed: hard }) } else { Ok(goal) }
}
