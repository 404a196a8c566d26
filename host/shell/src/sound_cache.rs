//! Sound that was fetched or spoken, on the disk: a bounded number of bytes, the least used go first.
//!
//! A file begins with one line of JSON that says what it is of; its name is the sum of that. A file that says something else,
//! or nothing, is removed.

use crate::sigv4::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// What is known of a sound.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct About {
    /// What it is of: a URL, or a text with its language.
    pub(crate) of: String,
    /// The validators of its answer (RFC 9110 section 8.8).
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
    /// When it was last known to be what it is, in seconds of Unix time, and how long that is believed.
    pub(crate) checked_at: u64,
    pub(crate) fresh_s: u64,
}

/// Most files; each is looked at when room is to be made.
const FILES_MAX: usize = 10_000;

/// The name that a sound goes by.
pub(crate) fn key_of(of: &str) -> String {
    hex(&Sha256::digest(of))
}

#[derive(Debug, Default)]
struct Index {
    /// Bytes, and the turn in which it was last used.
    files: BTreeMap<String, (u64, u64)>,
    turn: u64,
    bytes: u64,
}

/// The folder.
///
/// # Invariants
/// `bytes` is the sum of the files' sizes, and at most `bytes_max` after each `put`.
#[derive(Debug)]
pub(crate) struct SoundCache {
    folder: PathBuf,
    bytes_max: u64,
    index: Mutex<Index>,
}

impl SoundCache {
    /// What an earlier process left is kept, the oldest first to go.
    pub(crate) fn open(folder: PathBuf, bytes_max: u64) -> io::Result<SoundCache> {
        std::fs::create_dir_all(&folder)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let (name, about) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata()?);
            if name.len() == 64 && about.is_file() {
                found.push((about.modified()?, name, about.len()));
            } else if name.ends_with(PART) {
                let _stays = std::fs::remove_file(entry.path());
            }
        }
        found.sort();
        let mut index = Index::default();
        for (_, name, bytes) in found {
            index.turn += 1;
            index.bytes += bytes;
            index.files.insert(name, (bytes, index.turn));
        }
        let cache = SoundCache { folder, bytes_max, index: Mutex::new(index) };
        cache.make_room(0);
        Ok(cache)
    }

    /// The sound of this, if it is here.
    pub(crate) fn get(&self, of: &str) -> Option<(About, Vec<u8>)> {
        let key = key_of(of);
        {
            let mut index = self.index();
            index.turn += 1;
            let turn = index.turn;
            index.files.get_mut(&key)?.1 = turn;
        }
        let read = std::fs::read(self.folder.join(&key)).ok().and_then(|bytes| parse(of, bytes));
        if read.is_none() {
            self.forget(&key);
        }
        read
    }

    /// Keeps a sound; one that is larger than all may be together is not kept.
    pub(crate) fn put(&self, about: &About, sound: &[u8]) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(about)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(sound);
        let (key, size) = (key_of(&about.of), bytes.len() as u64);
        self.forget(&key);
        if size > self.bytes_max {
            return Ok(());
        }
        self.make_room(size);
        let (part, path) = (self.folder.join(format!("{key}{PART}")), self.folder.join(&key));
        std::fs::write(&part, bytes)?;
        std::fs::rename(part, path)?;
        let mut index = self.index();
        index.turn += 1;
        let turn = index.turn;
        index.bytes += size;
        if let Some((before, _)) = index.files.insert(key, (size, turn)) {
            index.bytes -= before;
        }
        Ok(())
    }

    fn forget(&self, key: &str) {
        let mut index = self.index();
        if let Some((bytes, _)) = index.files.remove(key) {
            index.bytes -= bytes;
            let _gone = std::fs::remove_file(self.folder.join(key));
        }
    }

    fn make_room(&self, more: u64) {
        loop {
            let oldest = {
                let index = self.index();
                if index.bytes + more <= self.bytes_max && index.files.len() < FILES_MAX {
                    return;
                }
                index.files.iter().min_by_key(|(_, (_, turn))| *turn).map(|(key, _)| key.clone())
            };
            let Some(oldest) = oldest else { return };
            self.forget(&oldest);
        }
    }

    fn index(&self) -> std::sync::MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }
}

const PART: &str = ".part";

fn parse(of: &str, mut bytes: Vec<u8>) -> Option<(About, Vec<u8>)> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let about: About = serde_json::from_slice(bytes.get(..end)?).ok()?;
    bytes.drain(..=end);
    (about.of == of).then_some((about, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(of: &str) -> About {
        About { of: of.to_owned(), ..About::default() }
    }

    #[test]
    fn the_least_used_goes_first_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let room = 3 * 1_200;
        let cache = SoundCache::open(dir.path().join("s"), room).unwrap();
        for of in ["a", "b", "c"] {
            cache.put(&about(of), &[7; 1_000]).unwrap();
        }
        assert_eq!(cache.get("a").unwrap(), (about("a"), vec![7; 1_000]));
        cache.put(&about("d"), &[8; 1_000]).unwrap();
        let there = |cache: &SoundCache| ["a", "b", "c", "d"].map(|of| cache.get(of).is_some());
        assert_eq!(there(&cache), [true, false, true, true]);
        cache.put(&about("huge"), &[9; 4_000]).unwrap();
        assert!(cache.get("huge").is_none());
        drop(cache);
        std::fs::write(dir.path().join("s").join(format!("x{PART}")), b"half").unwrap();
        let cache = SoundCache::open(dir.path().join("s"), room).unwrap();
        assert_eq!(there(&cache), [true, false, true, true]);
        assert_eq!(std::fs::read_dir(cache.folder()).unwrap().count(), 3);
        // What says to be of something else, or is hurt, is nothing.
        std::fs::copy(cache.folder().join(key_of("a")), cache.folder().join(key_of("c"))).unwrap();
        std::fs::write(cache.folder().join(key_of("d")), b"\xff\xfe").unwrap();
        assert_eq!(there(&cache), [true, false, false, false]);
        assert_eq!(std::fs::read_dir(cache.folder()).unwrap().count(), 1);
    }
}
