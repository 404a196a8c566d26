//! Compiled code on the disk, so that a restart compiles nothing. What is read is machine code, so a file counts only if
//! this node wrote it: each is sealed with a key of the node, and the seal is verified over the bytes that are then loaded.

use crate::Digest;
use crate::code::Trusted;
use crate::compiler::EngineKind;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Folder of the compiled code within the data folder.
pub const CODE_FOLDER: &str = "compiled";
/// File of the node's key within the data folder.
pub const CODE_KEY: &str = "compiled.key";
/// The first bytes of a file.
const MAGIC: [u8; 8] = *b"swcwasm\0";
/// The layout of a file; another one is compiled anew.
const FORMAT: u32 = 1;
const HEADER: usize = 8 + 4 + 1 + 3 + 32 + 32 + 8;
const SEAL: usize = 32;
const KEY: usize = 32;
/// Starts the name of a file that is being written.
const UNFINISHED: &str = "unfinished-";

/// What became of code since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CodeFigures {
    /// Times that a component was compiled.
    pub compiled: u64,
    /// Times that the compiler gave no code.
    pub failed: u64,
    /// Times that compiled code was read from the disk instead.
    pub loaded: u64,
    /// Files that were not believed: forged, damaged, another node's or another version's. They were compiled anew.
    pub refused: u64,
    /// Files that could not be written.
    pub unwritten: u64,
    /// Files removed because there were too many bytes, least used first.
    pub removed: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// What a file is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) digest: Digest,
    pub(crate) kind: EngineKind,
    /// What the code must have been made for.
    pub(crate) fingerprint: [u8; 32],
}

impl Entry {
    fn file(&self) -> String {
        format!("{}.{}", self.digest, self.kind.name())
    }

    fn header(&self, code: usize) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&[self.kind.byte(), 0, 0, 0]);
        header.extend_from_slice(&self.fingerprint);
        header.extend_from_slice(&self.digest.0);
        header.extend_from_slice(&(code as u64).to_le_bytes());
        header
    }
}

/// The compiled code of a node.
///
/// # Invariants
/// Nothing leaves it as [`Trusted`] but bytes whose seal was verified with the node's key.
#[derive(Debug)]
pub struct CodeCache {
    folder: PathBuf,
    key: Key,
    bytes_max: u64,
    /// Held while files come and go.
    writing: Mutex<u64>,
    loaded: AtomicU64,
    refused: AtomicU64,
    unwritten: AtomicU64,
    removed: AtomicU64,
    bytes: AtomicU64,
}

struct Key([u8; KEY]);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl CodeCache {
    /// The code of a node whose data folder this is; the key is drawn at the first start. `bytes_max`: the bytes kept, of
    /// all files together.
    ///
    /// # Errors
    /// The folder or the key can be neither read nor made.
    pub fn open(data: &Path, bytes_max: u64) -> io::Result<CodeCache> {
        let folder = data.join(CODE_FOLDER);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let key = node_key(&data.join(CODE_KEY))?;
        for file in fs::read_dir(&folder)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(file.path())?;
            }
        }
        let cache = CodeCache {
            folder,
            key,
            bytes_max,
            writing: Mutex::new(0),
            loaded: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            removed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        cache.make_room(None)?;
        Ok(cache)
    }

    /// The code of a component, if this node has compiled it for this engine.
    pub(crate) fn load(&self, entry: &Entry) -> Option<Trusted> {
        let path = self.folder.join(entry.file());
        let bytes = match self.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.disbelieve(entry, &error.to_string());
                return None;
            }
        };
        match self.unseal(entry, bytes) {
            Ok(code) => {
                // Its age tells how long it was not used.
                let now = SystemTime::now();
                let _unused = File::open(&path).and_then(|file| file.set_modified(now));
                self.loaded.fetch_add(1, Ordering::Relaxed);
                Some(code)
            }
            Err(why) => {
                self.disbelieve(entry, why);
                None
            }
        }
    }

    /// Keeps code; what cannot be written is compiled again another time.
    pub(crate) fn keep(&self, entry: &Entry, code: &Trusted) {
        if let Err(error) = self.write(entry, code.code()) {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(component = %entry.digest, %error, "compiled code is not kept: the next start compiles it again");
        }
    }

    /// Says that code was not believed after all.
    pub(crate) fn disbelieve(&self, entry: &Entry, why: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let (component, engine) = (entry.digest, entry.kind.name());
        tracing::warn!(%component, engine, why, "compiled code on the disk is not used: the component is compiled anew");
    }

    /// The figures, but for those of the compiler.
    pub(crate) fn figures(&self) -> CodeFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CodeFigures {
            loaded: read(&self.loaded),
            refused: read(&self.refused),
            unwritten: read(&self.unwritten),
            removed: read(&self.removed),
            bytes: read(&self.bytes),
            ..CodeFigures::default()
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > self.bytes_max {
            return Err(io::Error::other("it is no file, or larger than all may be"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        // It may grow meanwhile.
        (&mut file).take(self.bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Verifies the seal over all that is read, and gives the code within.
    fn unseal(&self, entry: &Entry, bytes: Vec<u8>) -> Result<Trusted, &'static str> {
        let Some(code) = bytes.len().checked_sub(HEADER + SEAL) else { return Err("it is too short") };
        let (sealed, seal) = bytes.split_at(HEADER + code);
        let mut mac = self.mac();
        mac.update(sealed);
        if mac.verify_slice(seal).is_err() {
            return Err("this node has not sealed it: it is damaged, forged or another node's");
        }
        if sealed.get(..HEADER) != Some(entry.header(code).as_slice()) {
            return Err("it is of another component or was made by another version or for other settings");
        }
        Ok(Trusted::unsealed(bytes, HEADER, HEADER + code))
    }

    fn write(&self, entry: &Entry, code: &[u8]) -> io::Result<()> {
        let header = entry.header(code.len());
        let mut mac = self.mac();
        mac.update(&header);
        mac.update(code);
        let seal = mac.finalize().into_bytes();
        if (HEADER + code.len() + SEAL) as u64 > self.bytes_max {
            return Err(io::Error::other("it is larger than all compiled code may be"));
        }
        let mut number = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        // Another process may use the same folder for a moment, while one takes over from the other.
        let unfinished = self.folder.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
        let written = write_private(&unfinished, &[&header, code, &seal])
            .and_then(|()| fs::rename(&unfinished, self.folder.join(entry.file())));
        if written.is_err() {
            let _gone = fs::remove_file(&unfinished);
        }
        written?;
        self.make_room(Some(&entry.file()))
    }

    /// Removes the least used until the rest is not too much; never the one that was just written.
    fn make_room(&self, newest: Option<&str>) -> io::Result<()> {
        let mut files = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            let metadata = file.metadata()?;
            let is_newest = newest.is_some_and(|newest| file.file_name().to_string_lossy() == newest);
            files.push((is_newest, metadata.modified()?, metadata.len(), file.path()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, _, len, _)| len).sum();
        for (is_newest, _, len, path) in files {
            if bytes <= self.bytes_max || is_newest {
                break;
            }
            fs::remove_file(path)?;
            bytes -= len;
            self.removed.fetch_add(1, Ordering::Relaxed);
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    #[allow(clippy::expect_used, reason = "HMAC takes a key of any length")]
    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.key.0).expect("a key of any length")
    }
}

/// The node's key. One that others could read or change is not believed: whoever knows it can forge code.
fn node_key(path: &Path) -> io::Result<Key> {
    let kept = match File::open(path) {
        Ok(file) => {
            let metadata = file.metadata()?;
            let mut bytes = Vec::new();
            file.take(KEY as u64 + 1).read_to_end(&mut bytes)?;
            let own = metadata.mode() & 0o077 == 0;
            let key = <[u8; KEY]>::try_from(bytes).ok().filter(|_| own && metadata.is_file());
            if key.is_none() {
                tracing::warn!(file = %path.display(), "the key of compiled code is not ours alone, or no key: a new one is drawn");
            }
            key
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(key) = kept {
        return Ok(Key(key));
    }
    let mut key = [0; KEY];
    getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
    let unfinished = path.with_extension(format!("key-{}", std::process::id()));
    write_private(&unfinished, &[&key])?;
    fs::rename(&unfinished, path)?;
    Ok(Key(key))
}

/// A new file that only its owner may read.
fn write_private(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let _left_over = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
