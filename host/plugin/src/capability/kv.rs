//! `host/kv`: durable keys of the binding's scope and plugin.

use crate::bindings::router::strowger::host::kv::Host;
use crate::bindings::router::strowger::types::types::Error;
use crate::guest::Guest;
use crate::tape::taped;
use tables::{KvEntry, KvError, KvSpace};

/// Most keys one listing gives.
const KEYS_MAX: u32 = 1_000;

fn error(e: KvError) -> Error {
    match e {
        KvError::Limit(name) => Error::LimitExceeded(name.to_owned()),
        KvError::NoCounter => Error::InvalidArgument(e.to_string()),
    }
}

impl Guest {
    fn until(&self, ttl_s: Option<u32>) -> Option<u64> {
        ttl_s.map(|s| self.clock.now_ms().saturating_add(u64::from(s) * 1_000))
    }

    fn bucket(&self, name: &str) -> Result<&KvSpace, Error> {
        let denied = || Error::Denied(format!("kv bucket {:?} is not granted", super::cut(name, 64)));
        self.bound.powers.buckets.get(name).ok_or_else(denied)
    }
}

impl Host for Guest {
    fn get(&mut self, bucket: String, key: String) -> Result<Option<Vec<u8>>, Error> {
        taped!(self, "kv.get", (&bucket, &key), {
            self.bucket(&bucket).map(|space| space.get(&key, self.clock.now_ms()))
        })
    }

    fn put(&mut self, bucket: String, key: String, value: Vec<u8>, ttl_s: Option<u32>) -> Result<(), Error> {
        taped!(self, "kv.put", (&bucket, &key, &value, ttl_s), {
            let entry = KvEntry { value, expires_ms: self.until(ttl_s) };
            self.bucket(&bucket).and_then(|space| space.put(&key, entry).map_err(error))
        })
    }

    fn delete(&mut self, bucket: String, key: String) -> Result<(), Error> {
        taped!(self, "kv.delete", (&bucket, &key), {
            self.bucket(&bucket).and_then(|space| space.delete(&key).map_err(error))
        })
    }

    fn add(&mut self, bucket: String, key: String, delta: i64, ttl_s: Option<u32>) -> Result<i64, Error> {
        taped!(self, "kv.add", (&bucket, &key, delta, ttl_s), {
            let (until, now) = (self.until(ttl_s), self.clock.now_ms());
            self.bucket(&bucket).and_then(|space| space.add(&key, delta, until, now).map_err(error))
        })
    }

    fn swap(
        &mut self,
        bucket: String,
        key: String,
        expect: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_s: Option<u32>,
    ) -> Result<bool, Error> {
        taped!(self, "kv.swap", (&bucket, &key, &expect, &value, ttl_s), {
            let entry = KvEntry { value, expires_ms: self.until(ttl_s) };
            let now = self.clock.now_ms();
            self.bucket(&bucket).and_then(|space| space.swap(&key, expect.as_deref(), entry, now).map_err(error))
        })
    }

    fn keys(
        &mut self,
        bucket: String,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        taped!(self, "kv.keys", (&bucket, &prefix, &after, limit), {
            let limit = usize::try_from(limit.min(KEYS_MAX)).unwrap_or_default();
            let now = self.clock.now_ms();
            self.bucket(&bucket).map(|space| space.keys(&prefix, after.as_deref(), limit, now))
        })
    }
}
