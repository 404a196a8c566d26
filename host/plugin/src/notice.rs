//! What the host does to a binding by itself, so that whoever is responsible hears of it.

use crate::Scope;
use model::BindingId;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Notices that wait to be taken; one more is lost, and the log says so.
const WAITING_MAX: usize = 1_024;

/// What happened to a binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoticeKind {
    /// Its plugin kept failing: it rests.
    Tripped,
    /// Its canary did worse and is asked no more.
    TrialOver {
        /// [`crate::TrialSpec::begun`].
        begun: i64,
        /// In words.
        why: String,
    },
}

/// Something that the host did by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The binding.
    pub binding: BindingId,
    /// Its name.
    pub name: String,
    /// Whom it serves.
    pub scope: Scope,
    /// The plugin that is to blame: its id and version.
    pub plugin: String,
    /// What.
    pub kind: NoticeKind,
}

/// Where notices go; nowhere until somebody takes them.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<OnceLock<Sender<Notice>>>);

impl Notices {
    /// Takes them from now on; `None` where somebody does already.
    #[must_use]
    pub fn take(&self) -> Option<Receiver<Notice>> {
        let (sender, receiver) = channel(WAITING_MAX);
        self.0.set(sender).ok().map(|()| receiver)
    }

    pub(crate) fn tell(&self, notice: Notice) {
        let Some(sender) = self.0.get() else { return };
        if let Err(error) = sender.try_send(notice) {
            tracing::warn!(%error, "what the plugin host did by itself is not kept");
        }
    }
}
