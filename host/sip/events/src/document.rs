//! A rendered document: made once for a state, sent to every watcher.

use bytes::Bytes;

/// A body and its media type.
///
/// The packages that count versions (RFC 4235 section 4.1.1, RFC 3680 section 5.1) count them for each subscription,
/// so the text is held in two pieces and the number goes between; all else is shared by every watcher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    media_type: &'static str,
    before: Bytes,
    after: Option<Bytes>,
}

impl Document {
    /// A document that is the same for every watcher.
    #[must_use]
    pub(crate) fn plain(media_type: &'static str, text: String) -> Document {
        Document { media_type, before: Bytes::from(text), after: None }
    }

    /// A document with the watcher's version between the two pieces.
    #[must_use]
    pub(crate) fn versioned(media_type: &'static str, before: String, after: String) -> Document {
        Document { media_type, before: Bytes::from(before), after: Some(Bytes::from(after)) }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// The body for a watcher who has had `version` documents before.
    #[must_use]
    pub fn body(&self, version: u32) -> Bytes {
        match &self.after {
            None => self.before.clone(),
            Some(after) => {
                let number = version.to_string();
                let mut whole = Vec::with_capacity(self.before.len() + number.len() + after.len());
                whole.extend_from_slice(&self.before);
                whole.extend_from_slice(number.as_bytes());
                whole.extend_from_slice(after);
                Bytes::from(whole)
            }
        }
    }

    /// About how many bytes the body has.
    pub(crate) fn len(&self) -> usize {
        self.before.len() + self.after.as_ref().map_or(0, |a| a.len() + 10)
    }
}
