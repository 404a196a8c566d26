//! A sorted map whose copies share what they have in common: a copy costs one count, and a change of a copy copies a few
//! hundred entries, however many there are.
//!
//! The entries lie in chunks behind `Arc`s, and the chunks in a list behind one. What is changed is copied first where
//! somebody else has it too (`Arc::make_mut`), so a run of changes to one copy pays once for the list and once for each
//! chunk that it touches. The directory keeps its facts so: a new image shares with the one before all that stayed, and
//! to drop the old one frees only what differs.

use core::borrow::Borrow;
use core::cmp::Ordering;
use std::sync::Arc;

/// Most entries of a chunk.
const CHUNK_MAX: usize = 256;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// # Invariants
/// Keys ascend strictly, over all chunks. A chunk has 1 to `CHUNK_MAX` entries, and two neighbours together have more than
/// `CHUNK_MAX / 2` after a removal that touched one of them, so the list does not keep the length of what was removed.
#[derive(Clone, Debug)]
pub struct SharedMap<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        SharedMap { chunks: Arc::default(), len: 0 }
    }
}

impl<K, V> SharedMap<K, V> {
    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }

    /// The values by key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The value of the key of which `order` says that it is equal. `order` says how a key compares with the one that is
    /// sought, so that a lookup makes no key.
    pub fn find(&self, order: impl Fn(&K) -> Ordering) -> Option<&V> {
        let (chunk, at) = self.place(&order);
        let (key, value) = self.chunks.get(chunk)?.get(at)?;
        order(key).is_eq().then_some(value)
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(|known| known.borrow().cmp(key))
    }

    /// The entries from the first on of which `order` does not say that it is less.
    pub fn starting(&self, order: impl Fn(&K) -> Ordering) -> impl Iterator<Item = (&K, &V)> {
        let (chunk, at) = self.place(&order);
        let chunks = self.chunks.get(chunk..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.iter()).skip(at).map(|(key, value)| (key, value))
    }

    /// The chunk and the place within it of the first entry that is not less; behind the last entry where all are.
    fn place(&self, order: &impl Fn(&K) -> Ordering) -> (usize, usize) {
        let before = |chunk: &Chunk<K, V>| chunk.last().is_some_and(|(key, _)| order(key).is_lt());
        let chunk = self.chunks.partition_point(before);
        let at = self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(|(key, _)| order(key).is_lt()));
        (chunk, at)
    }

    /// How many chunks of this map are not chunks of `other`: what this one costs beside it.
    #[must_use]
    pub fn own_chunks(&self, other: &SharedMap<K, V>) -> usize {
        if Arc::ptr_eq(&self.chunks, &other.chunks) {
            return 0;
        }
        let theirs: std::collections::BTreeSet<_> = other.chunks.iter().map(Arc::as_ptr).collect();
        self.chunks.iter().filter(|chunk| !theirs.contains(&Arc::as_ptr(chunk))).count()
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Puts a value in, and gives the one that the key had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (mut chunk, mut at) = self.place(&|known: &K| known.cmp(&key));
        let chunks = Arc::make_mut(&mut self.chunks);
        if let Some(there) = chunks.get_mut(chunk) {
            let entries = Arc::make_mut(there);
            if let Some((_, known)) = entries.get_mut(at).filter(|(known, _)| *known == key) {
                return Some(core::mem::replace(known, value));
            }
            self.len += 1;
            if entries.len() < CHUNK_MAX {
                entries.insert(at, (key, value));
                return None;
            }
            let half = entries.split_off(CHUNK_MAX / 2);
            chunks.insert(chunk + 1, Arc::new(half));
            if at > CHUNK_MAX / 2 {
                (chunk, at) = (chunk + 1, at - CHUNK_MAX / 2);
            }
            if let Some(there) = chunks.get_mut(chunk) {
                Arc::make_mut(there).insert(at, (key, value));
            }
            return None;
        }
        self.len += 1;
        // Behind the last: what comes in order fills its chunks.
        match chunks.last_mut().filter(|last| last.len() < CHUNK_MAX) {
            Some(last) => Arc::make_mut(last).push((key, value)),
            None => chunks.push(Arc::new(vec![(key, value)])),
        }
        None
    }

    /// Takes a key out, and gives the value that it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.remove_if(|known| known.borrow().cmp(key), |_| true)
    }

    /// Takes the entry out of which `order` says that it is equal, where `wanted` agrees about its value.
    pub fn remove_if(&mut self, order: impl Fn(&K) -> Ordering, wanted: impl Fn(&V) -> bool) -> Option<V> {
        let (chunk, at) = self.place(&order);
        let (key, value) = self.chunks.get(chunk)?.get(at)?;
        if !order(key).is_eq() || !wanted(value) {
            return None;
        }
        let chunks = Arc::make_mut(&mut self.chunks);
        let (_, value) = Arc::make_mut(chunks.get_mut(chunk)?).remove(at);
        self.len -= 1;
        thin(chunks, chunk);
        Some(value)
    }
}

/// Joins a chunk of which something was removed with a neighbour where both are small.
fn thin<K: Clone, V: Clone>(chunks: &mut Vec<Chunk<K, V>>, at: usize) {
    let len = |at: usize| chunks.get(at).map_or(usize::MAX, |chunk| chunk.len());
    if len(at) == 0 {
        chunks.remove(at);
        return;
    }
    let fits = |left: usize| len(left).saturating_add(len(left + 1)) <= CHUNK_MAX / 2;
    let left = if fits(at) {
        at
    } else if at > 0 && fits(at - 1) {
        at - 1
    } else {
        return;
    };
    let right = chunks.remove(left + 1);
    if let Some(chunk) = chunks.get_mut(left) {
        Arc::make_mut(chunk).extend(right.iter().cloned());
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks) || (self.len == other.len && self.iter().eq(other.iter()))
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SharedMap<K, V> {
    /// Of several entries of one key the last counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        // Stable: what was given later comes later. `dedup_by` keeps the first, so the later value goes into it.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                core::mem::swap(later, kept);
            }
            same
        });
        let len = entries.len();
        let mut chunks = Vec::with_capacity(len.div_ceil(CHUNK_MAX));
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            chunks.push(Arc::new(entries.by_ref().take(CHUNK_MAX).collect()));
        }
        SharedMap { chunks: Arc::new(chunks), len }
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
