//! The limit of open files: every media pair takes two, every connection one.

use crate::NetError;

/// Files a process needs beside its sockets: store, journal, logs, HTTP, wasm artifacts.
const OTHER_FILES: u64 = 512;

/// Raises the soft limit of open files for `sockets` and as many `more` as the hard limit lets us have, and refuses a
/// configuration whose `sockets` do not fit. Gives the new limit.
///
/// # Errors
/// [`NetError::FileLimit`] when `sockets` and what else a switch opens do not fit.
pub fn raise_file_limit(sockets: usize, more: usize) -> Result<u64, NetError> {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let needed = count(sockets).saturating_add(OTHER_FILES);
    let (soft, hard) = rlimit::Resource::NOFILE.get().map_err(NetError::Files)?;
    // Only as far as useful: a soft limit of a billion makes some libraries close a billion descriptors.
    let goal = needed.saturating_add(count(more)).max(soft).min(hard);
    if goal < needed {
        return Err(NetError::FileLimit { needed, allowed: hard });
    }
    if goal > soft {
        rlimit::Resource::NOFILE.set(goal, hard).map_err(NetError::Files)?;
    }
    Ok(goal)
}
