//! Keys and values that outlive a call. Name the bucket under `[needs] kv` in `plugin.toml`.

use crate::Result;
use crate::generated::router::strowger::host::kv as host;

/// A bucket of this plugin in the binding's scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket(pub &'static str);

impl Bucket {
    /// The value of a key.
    ///
    /// # Errors
    /// `denied` where the bucket is not granted.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        host::get(self.0, key)
    }

    /// The value of a key as text; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        Ok(self.get(key)?.map(|v| String::from_utf8_lossy(&v).into_owned()))
    }

    /// Writes a value that stays.
    ///
    /// # Errors
    /// As [`Bucket::get`]; `limit-exceeded`.
    pub fn put(&self, key: &str, value: impl AsRef<[u8]>) -> Result<()> {
        host::put(self.0, key, value.as_ref(), None)
    }

    /// Writes a value that is gone after `ttl_s` seconds.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub fn put_for(&self, key: &str, value: impl AsRef<[u8]>, ttl_s: u32) -> Result<()> {
        host::put(self.0, key, value.as_ref(), Some(ttl_s))
    }

    /// Removes a key.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn delete(&self, key: &str) -> Result<()> {
        host::delete(self.0, key)
    }

    /// Adds to a counter and gives the sum; a new one is gone after `ttl_s`.
    ///
    /// # Errors
    /// As [`Bucket::put`]; `invalid-argument` where the value is no counter.
    pub fn add(&self, key: &str, delta: i64, ttl_s: Option<u32>) -> Result<i64> {
        host::add(self.0, key, delta, ttl_s)
    }

    /// Writes only where the value is `expect`; false when somebody was faster.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub fn swap(&self, key: &str, expect: Option<&[u8]>, value: impl AsRef<[u8]>) -> Result<bool> {
        host::swap(self.0, key, expect, value.as_ref(), None)
    }

    /// As [`Bucket::swap`]; what was written is gone after `ttl_s` seconds.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub fn swap_for(&self, key: &str, expect: Option<&[u8]>, value: impl AsRef<[u8]>, ttl_s: u32) -> Result<bool> {
        host::swap(self.0, key, expect, value.as_ref(), Some(ttl_s))
    }

    /// Up to `limit` keys that begin with `prefix`, after `after`.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        host::keys(self.0, prefix, after, limit)
    }
}
