//! Why a shell did not start: one sentence each, for a person.

use net::NetError;
use std::path::PathBuf;
use store::StoreError;

/// The shell could not start.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// A socket.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The CDR outbox.
    #[error(transparent)]
    Outbox(#[from] store::outbox::OutboxError),
    /// A file or folder of this node.
    #[error("{} cannot be used: {why}", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A prompt.
    #[error("the prompt {name} cannot be played: {why}; it must be WAV (16-bit PCM, A-law or mu-law) or Ogg Opus")]
    Prompt {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// The kernel gave no randomness or no thread.
    #[error("the operating system refused {what}: {why}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Its answer.
        why: String,
    },
}
