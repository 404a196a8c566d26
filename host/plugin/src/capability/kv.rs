//! `host/kv`: durable keys of the binding's scope and plugin.

use crate::bindings::router::strowger::host::kv::Host;
use crate::bindings::router::strowger::types::types::Error;
use crate::guest::Guest;
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
        Ok(self.bucket(&bucket)?.get(&key, self.clock.now_ms()))
    }

    fn put(&mut self, bucket: String, key: String, value: Vec<u8>, ttl_s: Option<u32>) -> Result<(), Error> {
        self.bucket(&bucket)?.put(&key, KvEntry { value, expires_ms: self.until(ttl_s) }).map_err(error)
    }

    fn delete(&mut self, bucket: String, key: String) -> Result<(), Error> {
        self.bucket(&bucket)?.delete(&key).map_err(error)
    }

    fn add(&mut self, bucket: String, key: String, delta: i64, ttl_s: Option<u32>) -> Result<i64, Error> {
        self.bucket(&bucket)?.add(&key, delta, self.until(ttl_s), self.clock.now_ms()).map_err(error)
    }

    fn swap(
        &mut self,
        bucket: String,
        key: String,
        expect: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_s: Option<u32>,
    ) -> Result<bool, Error> {
        let entry = KvEntry { value, expires_ms: self.until(ttl_s) };
        self.bucket(&bucket)?.swap(&key, expect.as_deref(), entry, self.clock.now_ms()).map_err(error)
    }

    fn keys(
        &mut self,
        bucket: String,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let limit = usize::try_from(limit.min(KEYS_MAX)).unwrap_or_default();
        Ok(self.bucket(&bucket)?.keys(&prefix, after.as_deref(), limit, self.clock.now_ms()))
    }
}
