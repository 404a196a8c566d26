//! One bucket's keys, in order, with their times.

use crate::kv::{KvEntry, KvError, KvLimits};
use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a key costs beside its own bytes, so that many empty values are not free.
const KEY_COST: usize = 64;

/// What all spaces of a brand cost together.
#[derive(Clone, Debug, Default)]
pub(crate) struct BrandBytes(Arc<AtomicUsize>);

impl BrandBytes {
    fn take(&self, bytes: usize, max: usize) -> Result<(), KvError> {
        let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= max);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(drop).map_err(|_| KvError::Limit("kv-brand-bytes"))
    }

    fn give(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// # Invariants
/// `bytes` is the cost of every entry, and counted in `brand`; `due` holds exactly the keys that have an end.
#[derive(Debug, Default)]
pub(crate) struct Space {
    brand: BrandBytes,
    entries: BTreeMap<String, KvEntry>,
    due: BTreeSet<(u64, String)>,
    bytes: usize,
}

impl Space {
    pub(crate) fn of(brand: BrandBytes) -> Space {
        Space { brand, ..Space::default() }
    }

    /// The living entry of a key.
    pub(crate) fn get(&self, key: &str, now_ms: u64) -> Option<&KvEntry> {
        self.entries.get(key).filter(|e| e.lives(now_ms))
    }

    /// Writes, if the limits allow it.
    pub(crate) fn put(&mut self, key: &str, entry: KvEntry, limits: &KvLimits) -> Result<(), KvError> {
        if key.is_empty() || key.len() > limits.key_bytes_max {
            return Err(KvError::Limit("kv-key-bytes"));
        }
        if entry.value.len() > limits.value_bytes_max {
            return Err(KvError::Limit("kv-value-bytes"));
        }
        let cost = |e: &KvEntry| KEY_COST + key.len() + e.value.len();
        let (old, new) = (self.entries.get(key).map_or(0, cost), cost(&entry));
        if old == 0 && self.entries.len() >= limits.space_keys_max {
            return Err(KvError::Limit("kv-keys"));
        }
        if self.bytes - old + new > limits.space_bytes_max {
            return Err(KvError::Limit("kv-bytes"));
        }
        // What an overwritten value frees is given back only after the new one is in: no other can slip in between.
        self.brand.take(new, limits.brand_bytes_max.saturating_add(old))?;
        self.remove(key);
        if let Some(at) = entry.expires_ms {
            self.due.insert((at, key.to_owned()));
        }
        self.bytes += new;
        self.entries.insert(key.to_owned(), entry);
        Ok(())
    }

    /// Removes a key; whether it was there.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let Some(old) = self.entries.remove(key) else { return false };
        if let Some(at) = old.expires_ms {
            self.due.remove(&(at, key.to_owned()));
        }
        let cost = KEY_COST + key.len() + old.value.len();
        self.bytes -= cost;
        self.brand.give(cost);
        true
    }

    /// Living keys that begin with `prefix`, after `after`.
    pub(crate) fn keys(&self, prefix: &str, after: Option<&str>, limit: usize, now_ms: u64) -> Vec<String> {
        let from = after.map_or(prefix, |a| a.max(prefix));
        self.entries
            .range::<str, _>((Bound::Included(from), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, entry)| after.is_none_or(|a| key.as_str() > a) && entry.lives(now_ms))
            .take(limit)
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Removes up to `max` keys whose time has passed, and gives them.
    pub(crate) fn expire(&mut self, now_ms: u64, max: usize) -> Vec<String> {
        let gone: Vec<String> =
            self.due.iter().take_while(|(at, _)| *at <= now_ms).take(max).map(|d| d.1.clone()).collect();
        for key in &gone {
            self.remove(key);
        }
        gone
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
