//! Durable keys and values of plugins: the truth is here in memory, the disk follows.

use crate::changes::Changes;
use crate::space::{BrandBytes, Space};
use model::{AccountId, BrandId, CompanyId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whose keys these are. Nobody can name another's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpaceName {
    /// The brand.
    pub brand: BrandId,
    /// The company of a company's binding.
    pub company: Option<CompanyId>,
    /// The account of an account's binding.
    pub account: Option<AccountId>,
    /// The plugin's id, without its version: a new version finds what the old one kept.
    pub plugin: String,
    /// The bucket.
    pub bucket: String,
}

/// A value, and until when it is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KvEntry {
    /// The bytes.
    pub value: Vec<u8>,
    /// Milliseconds since the Unix epoch; `None` stays.
    pub expires_ms: Option<u64>,
}

impl KvEntry {
    pub(crate) fn lives(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|at| at > now_ms)
    }
}

/// What is to be written to the disk: the newest state of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KvChange {
    /// Whose.
    pub space: SpaceName,
    /// The key.
    pub key: String,
    /// Its state; `None` is gone.
    pub entry: Option<KvEntry>,
}

/// Why something was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KvError {
    /// A limit, by name.
    #[error("limit {0}")]
    Limit(&'static str),
    /// The value is not a number that [`KvSpace::add`] can add to, or the sum would overflow.
    #[error("the value is no counter, or the sum would overflow")]
    NoCounter,
}

/// Limits of one space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KvLimits {
    /// Longest key, in bytes.
    pub key_bytes_max: usize,
    /// Longest value, in bytes.
    pub value_bytes_max: usize,
    /// Keys and values of one space with 64 bytes for each key, in bytes.
    pub space_bytes_max: usize,
    /// Keys of one space.
    pub space_keys_max: usize,
    /// The same as `space_bytes_max` over all spaces of a brand, in bytes.
    pub brand_bytes_max: usize,
    /// Changes of one space that wait for the disk; more than its keys, because what was removed waits too.
    pub unwritten_max: usize,
}

impl Default for KvLimits {
    fn default() -> Self {
        KvLimits {
            key_bytes_max: 256,
            value_bytes_max: 64 << 10,
            space_bytes_max: 32 << 20,
            space_keys_max: 200_000,
            brand_bytes_max: 128 << 20,
            unwritten_max: 300_000,
        }
    }
}

/// Every space of a node. Cheap to clone.
///
/// # Invariants
/// Whatever differs from what was last taken or restored is in `changes`, with its newest state, at most
/// [`KvLimits::unwritten_max`] of a space by its writers; writing it in any order gives some state that was true.
#[derive(Clone, Debug, Default)]
pub struct Kv {
    spaces: Arc<Mutex<BTreeMap<SpaceName, Arc<Mutex<Space>>>>>,
    changes: Arc<Mutex<Changes>>,
    brands: Arc<Mutex<BTreeMap<BrandId, BrandBytes>>>,
    limits: KvLimits,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kv {
    /// An empty one with these limits.
    #[must_use]
    pub fn new(limits: KvLimits) -> Kv {
        Kv { limits, ..Kv::default() }
    }

    /// A space, made where it is new.
    #[must_use]
    pub fn space(&self, name: &SpaceName) -> KvSpace {
        let brand = lock(&self.brands).entry(name.brand).or_default().clone();
        let made = || Arc::new(Mutex::new(Space::of(brand)));
        let keys = Arc::clone(lock(&self.spaces).entry(name.clone()).or_insert_with(made));
        KvSpace { name: name.clone(), keys, changes: Arc::clone(&self.changes), limits: self.limits }
    }

    /// Puts back what the disk has kept; what is over a limit of today is left out. Gives how many came back.
    pub fn restore(&self, kept: impl IntoIterator<Item = (SpaceName, String, KvEntry)>) -> usize {
        let put = |(name, key, entry): (SpaceName, String, KvEntry)| {
            let space = self.space(&name);
            lock(&space.keys).put(&key, entry, &self.limits).is_ok()
        };
        kept.into_iter().map(put).filter(|put| *put).count()
    }

    /// Takes up to `max` changes that are to be written.
    #[must_use]
    pub fn take_changes(&self, max: usize) -> Vec<KvChange> {
        lock(&self.changes).take(max)
    }

    /// Gives back changes that could not be written; what has changed since stays as it is.
    pub fn give_back(&self, changes: Vec<KvChange>) {
        let mut waiting = lock(&self.changes);
        changes.into_iter().for_each(|change| waiting.note_older(change));
    }

    /// How many keys wait to be written.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        lock(&self.changes).len()
    }

    /// Removes keys whose time has passed, at most `max` of each space.
    pub fn expire(&self, now_ms: u64, max: usize) {
        let spaces: Vec<_> = lock(&self.spaces).iter().map(|(name, keys)| (name.clone(), Arc::clone(keys))).collect();
        for (name, keys) in spaces {
            let mut keys = lock(&keys);
            let gone = keys.expire(now_ms, max);
            if !gone.is_empty() {
                let mut changes = lock(&self.changes);
                gone.iter().for_each(|key| changes.note(&name, key, None));
            }
        }
    }

    /// What each space uses: its keys, and bytes as the limits count them.
    #[must_use]
    pub fn usage(&self) -> Vec<(SpaceName, usize, usize)> {
        let spaces: Vec<_> = lock(&self.spaces).iter().map(|(name, keys)| (name.clone(), Arc::clone(keys))).collect();
        let used = |(name, keys): (SpaceName, Arc<Mutex<Space>>)| {
            let keys = lock(&keys);
            (name, keys.len(), keys.bytes())
        };
        spaces.into_iter().map(used).collect()
    }

    /// Bytes kept in all spaces.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let spaces: Vec<_> = lock(&self.spaces).values().map(Arc::clone).collect();
        spaces.iter().map(|keys| lock(keys).bytes()).sum()
    }
}

/// One space.
///
/// # Invariants
/// The space's lock is held while its change is noted, so that the newest change noted is the newest state.
#[derive(Clone, Debug)]
pub struct KvSpace {
    name: SpaceName,
    keys: Arc<Mutex<Space>>,
    changes: Arc<Mutex<Changes>>,
    limits: KvLimits,
}

impl KvSpace {
    /// The changes, if one of this key may wait with them.
    fn changes(&self, key: &str) -> Result<MutexGuard<'_, Changes>, KvError> {
        let changes = lock(&self.changes);
        match changes.has_room(&self.name, key, self.limits.unwritten_max) {
            true => Ok(changes),
            false => Err(KvError::Limit("kv-unwritten")),
        }
    }

    fn write(&self, keys: &mut Space, key: &str, entry: KvEntry) -> Result<(), KvError> {
        let mut changes = self.changes(key)?;
        keys.put(key, entry.clone(), &self.limits)?;
        changes.note(&self.name, key, Some(entry));
        Ok(())
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str, now_ms: u64) -> Option<Vec<u8>> {
        lock(&self.keys).get(key, now_ms).map(|e| e.value.clone())
    }

    /// Writes a value.
    ///
    /// # Errors
    /// A limit.
    pub fn put(&self, key: &str, entry: KvEntry) -> Result<(), KvError> {
        self.write(&mut lock(&self.keys), key, entry)
    }

    /// Removes a key.
    ///
    /// # Errors
    /// A limit.
    pub fn delete(&self, key: &str) -> Result<(), KvError> {
        let mut keys = lock(&self.keys);
        let mut changes = self.changes(key)?;
        if keys.remove(key) {
            changes.note(&self.name, key, None);
        }
        Ok(())
    }

    /// Adds to a counter; a new one ends at `expires_ms`, one that is there keeps its end.
    ///
    /// # Errors
    /// [`KvError::NoCounter`]; a limit.
    pub fn add(&self, key: &str, delta: i64, expires_ms: Option<u64>, now_ms: u64) -> Result<i64, KvError> {
        let mut keys = lock(&self.keys);
        let (old, expires_ms) = match keys.get(key, now_ms) {
            None => (0, expires_ms),
            Some(entry) => {
                let text = core::str::from_utf8(&entry.value).map_err(|_| KvError::NoCounter)?;
                (text.parse::<i64>().map_err(|_| KvError::NoCounter)?, entry.expires_ms)
            }
        };
        let sum = old.checked_add(delta).ok_or(KvError::NoCounter)?;
        self.write(&mut keys, key, KvEntry { value: sum.to_string().into_bytes(), expires_ms })?;
        Ok(sum)
    }

    /// Writes only where the value is `expect`; whether it did.
    ///
    /// # Errors
    /// A limit.
    pub fn swap(&self, key: &str, expect: Option<&[u8]>, entry: KvEntry, now_ms: u64) -> Result<bool, KvError> {
        let mut keys = lock(&self.keys);
        if keys.get(key, now_ms).map(|e| e.value.as_slice()) != expect {
            return Ok(false);
        }
        self.write(&mut keys, key, entry)?;
        Ok(true)
    }

    /// Keys that begin with `prefix`, in order, after `after`.
    #[must_use]
    pub fn keys(&self, prefix: &str, after: Option<&str>, limit: usize, now_ms: u64) -> Vec<String> {
        lock(&self.keys).keys(prefix, after, limit, now_ms)
    }
}

#[cfg(test)]
#[path = "kv_tests.rs"]
mod tests;
