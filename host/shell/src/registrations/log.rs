//! The file of the registrations: what each account's bindings became, line after line, the newest last.
//!
//! The first line holds the secrets; every other is an account with all its bindings, none if it has left. What a later
//! line overtook is waste; when there is more waste than truth the file is written anew, from itself. A line that was
//! torn by a crash ends the file: what stands before it is good.

use model::AccountId;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Error, ErrorKind, Result, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use switch::{Binding, RegistrarSnapshot};

/// Waste below this is never swept, in bytes.
pub(super) const WASTE_MIN: u64 = 1 << 20;

/// Accounts with all their bindings.
pub(crate) type Changes = Vec<(AccountId, Vec<Binding>)>;

/// The file, open for more.
///
/// # Invariants
/// `places` names the newest line of every account that has bindings; `live` is the sum of their lengths, and `size` the
/// length of the file.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    header: Vec<u8>,
    places: BTreeMap<AccountId, (u64, u32)>,
    size: u64,
    live: u64,
}

impl Log {
    /// A new file with all of this; it takes the old one's place when it is whole.
    pub(crate) fn create(path: &Path, all: RegistrarSnapshot) -> Result<Log> {
        let mut accounts: BTreeMap<AccountId, Vec<Binding>> = BTreeMap::new();
        for (account, binding) in all.bindings {
            accounts.entry(account).or_default().push(binding);
        }
        let header = line(&RegistrarSnapshot { bindings: Vec::new(), ..all })?;
        let lines = accounts.into_iter().map(|entry| Ok((entry.0, line(&entry)?)));
        Log::write_whole(path, header, lines)
    }

    fn write_whole(
        path: &Path,
        header: Vec<u8>,
        lines: impl Iterator<Item = Result<(AccountId, Vec<u8>)>>,
    ) -> Result<Log> {
        let next = path.with_extension("next");
        let file = File::options().create(true).truncate(true).read(true).write(true).mode(0o600).open(&next)?;
        let mut out = BufWriter::new(&file);
        out.write_all(&header)?;
        let mut size = header.len() as u64;
        let mut places = BTreeMap::new();
        for line in lines {
            let (account, line) = line?;
            out.write_all(&line)?;
            places.insert(account, (size, length(&line)?));
            size += line.len() as u64;
        }
        out.flush()?;
        drop(out);
        file.sync_data()?;
        std::fs::rename(&next, path)?;
        let live = size - header.len() as u64;
        Ok(Log { path: path.to_owned(), file, header, places, size, live })
    }

    /// Notes what became of these accounts; on the disk when it returns.
    pub(crate) fn append(&mut self, changes: &Changes) -> Result<()> {
        let mut block = Vec::new();
        for entry in changes {
            let (account, bindings) = entry;
            if bindings.is_empty() && !self.places.contains_key(account) {
                continue;
            }
            let line = line(entry)?;
            let len = length(&line)?;
            let place = (self.size + block.len() as u64, len);
            let old =
                if bindings.is_empty() { self.places.remove(account) } else { self.places.insert(*account, place) };
            self.live -= old.map_or(0, |(_, len)| u64::from(len));
            self.live += if bindings.is_empty() { 0 } else { u64::from(len) };
            block.extend_from_slice(&line);
        }
        self.file.write_all_at(&block, self.size)?;
        self.file.sync_data()?;
        self.size += block.len() as u64;
        let waste = self.size - self.live;
        if waste > self.live.max(WASTE_MIN) { self.sweep() } else { Ok(()) }
    }

    /// Writes the file anew without its waste.
    fn sweep(&mut self) -> Result<()> {
        let lines = self.places.iter().map(|(account, &(at, len))| {
            let mut line = vec![0; len as usize];
            self.file.read_exact_at(&mut line, at)?;
            Ok((*account, line))
        });
        *self = Log::write_whole(&self.path, self.header.clone(), lines)?;
        Ok(())
    }
}

/// What a file holds, and how many of its lines made no sense; `None` if there is no file.
///
/// # Errors
/// It cannot be read, or is none of ours.
pub(crate) fn read(path: &Path) -> Result<Option<(RegistrarSnapshot, usize)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    let mut snapshot: RegistrarSnapshot = serde_json::from_slice(&line)?;
    let mut accounts: BTreeMap<AccountId, Vec<Binding>> = BTreeMap::new();
    let mut broken = 0;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match serde_json::from_slice::<(AccountId, Vec<Binding>)>(&line) {
            Ok((account, bindings)) if bindings.is_empty() => drop(accounts.remove(&account)),
            Ok((account, bindings)) => drop(accounts.insert(account, bindings)),
            Err(_) => broken += 1,
        }
    }
    let all = accounts.into_iter().flat_map(|(account, bindings)| bindings.into_iter().map(move |b| (account, b)));
    snapshot.bindings.extend(all);
    Ok(Some((snapshot, broken)))
}

fn line<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

fn length(line: &[u8]) -> Result<u32> {
    u32::try_from(line.len()).map_err(|_| Error::from(ErrorKind::FileTooLarge))
}
