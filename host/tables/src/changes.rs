//! What differs from the disk, on its way there: the newest state of each key, space by space in turn.

use crate::kv::{KvChange, KvEntry, SpaceName};
use core::ops::Bound;
use std::collections::BTreeMap;

/// How many changes of one space are taken before it is another's turn.
const TURN: usize = 100;

/// # Invariants
/// No space is empty; `len` is the sum of all.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    by_space: BTreeMap<SpaceName, BTreeMap<String, Option<KvEntry>>>,
    /// Whose turn it was last.
    last: Option<SpaceName>,
    len: usize,
}

impl Changes {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether a change of this key fits within `max` waiting ones of its space.
    pub(crate) fn has_room(&self, space: &SpaceName, key: &str, max: usize) -> bool {
        self.by_space.get(space).is_none_or(|keys| keys.len() < max || keys.contains_key(key))
    }

    /// Notes the newest state of a key.
    pub(crate) fn note(&mut self, space: &SpaceName, key: &str, entry: Option<KvEntry>) {
        let keys = self.by_space.entry(space.clone()).or_default();
        self.len += usize::from(keys.insert(key.to_owned(), entry).is_none());
    }

    /// Notes a state unless there is a newer one.
    pub(crate) fn note_older(&mut self, change: KvChange) {
        let keys = self.by_space.entry(change.space).or_default();
        let before = keys.len();
        keys.entry(change.key).or_insert(change.entry);
        self.len += keys.len() - before;
    }

    /// The space whose turn it is.
    fn next(&self) -> Option<SpaceName> {
        let after = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.by_space.range::<SpaceName, _>((after, Bound::Unbounded));
        rest.next().or_else(|| self.by_space.first_key_value()).map(|(name, _)| name.clone())
    }

    /// Takes up to `max`: one space that writes much does not keep the others waiting.
    pub(crate) fn take(&mut self, max: usize) -> Vec<KvChange> {
        let mut taken = Vec::new();
        while taken.len() < max {
            let Some(space) = self.next() else { break };
            let Some(keys) = self.by_space.get_mut(&space) else { break };
            for _ in 0..TURN.min(max - taken.len()) {
                let Some((key, entry)) = keys.pop_first() else { break };
                self.len -= 1;
                taken.push(KvChange { space: space.clone(), key, entry });
            }
            if keys.is_empty() {
                self.by_space.remove(&space);
            }
            self.last = Some(space);
        }
        taken
    }
}
