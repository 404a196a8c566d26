//! The `o=` line of one dialog.

use crate::Description;

/// Our `o=` line towards one party: one per dialog, kept as long as the dialog.
///
/// # Invariants
/// The id never changes; the version grows by one when and only when the text changed (RFC 3264 section 8).
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    id: u64,
    version: u64,
}

impl Origin {
    /// Starts with a random id; the upper half of `id` is cut, so that peers with signed 63-bit numbers can read it.
    #[must_use]
    pub fn new(id: u64) -> Origin {
        Origin { id: id >> 1, version: 0 }
    }

    /// Writes our id and version into `description`, just before it is sent; `last` is what was sent before it.
    pub fn stamp(&mut self, description: &mut Description, last: Option<&Description>) {
        let session = &mut description.0;
        session.origin.username = None;
        session.origin.sess_id = self.id.to_string();
        session.origin.sess_version = self.version;
        if last.is_none_or(|last| last.0 != *session) {
            self.version += 1;
            session.origin.sess_version = self.version;
        }
    }
}
