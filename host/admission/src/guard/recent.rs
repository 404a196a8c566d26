//! A bounded table that forgets what was not used for longest.

use std::collections::BTreeMap;

const NONE: usize = usize::MAX;

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    newer: usize,
    older: usize,
}

/// # Invariants
/// `index` names the place in `entries` of every key and nothing else. The entries form one list from `newest` to
/// `oldest`. There are never more than `max`.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    index: BTreeMap<K, usize>,
    entries: Vec<Entry<K, V>>,
    newest: usize,
    oldest: usize,
    max: usize,
}

impl<K: Ord + Clone, V: Default> Recent<K, V> {
    pub(crate) fn new(max: usize) -> Recent<K, V> {
        Recent { index: BTreeMap::new(), entries: Vec::new(), newest: NONE, oldest: NONE, max: max.max(1) }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What is known of `key`, without using it.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(*self.index.get(key)?).map(|e| &e.value)
    }

    /// What is known of `key`, which is used now; the entry not used for longest makes room.
    pub(crate) fn touch(&mut self, key: K) -> &mut V {
        let at = match self.index.get(&key) {
            Some(&at) => {
                self.unlink(at);
                at
            }
            None => self.place(key),
        };
        self.link(at);
        &mut self.entries[at].value
    }

    /// A place for a new key, outside the list.
    fn place(&mut self, key: K) -> usize {
        if self.entries.len() < self.max {
            let at = self.entries.len();
            self.index.insert(key.clone(), at);
            self.entries.push(Entry { key, value: V::default(), newer: NONE, older: NONE });
            return at;
        }
        let at = self.oldest;
        self.unlink(at);
        self.index.insert(key.clone(), at);
        let entry = &mut self.entries[at];
        let gone = core::mem::replace(&mut entry.key, key);
        entry.value = V::default();
        self.index.remove(&gone);
        at
    }

    fn unlink(&mut self, at: usize) {
        let (newer, older) = (self.entries[at].newer, self.entries[at].older);
        match self.entries.get_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link(&mut self, at: usize) {
        let before = core::mem::replace(&mut self.newest, at);
        self.entries[at].newer = NONE;
        self.entries[at].older = before;
        match self.entries.get_mut(before) {
            Some(entry) => entry.newer = at,
            None => self.oldest = at,
        }
    }

    /// Every entry, in the order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.index.iter().filter_map(|(key, at)| Some((key, &self.entries.get(*at)?.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_not_used_for_longest_makes_room() {
        let mut table: Recent<u32, u32> = Recent::new(3);
        for key in [1, 2, 3] {
            *table.touch(key) = key * 10;
        }
        table.touch(1);
        table.touch(4);
        assert_eq!(table.len(), 3);
        assert_eq!((table.peek(&1), table.peek(&2), table.peek(&4)), (Some(&10), None, Some(&0)));
        table.touch(3);
        table.touch(5);
        assert_eq!(table.iter().map(|(k, _)| *k).collect::<Vec<_>>(), [3, 4, 5]);
        for key in 100..1_000 {
            table.touch(key);
        }
        assert_eq!(table.iter().map(|(k, _)| *k).collect::<Vec<_>>(), [997, 998, 999]);
    }
}
