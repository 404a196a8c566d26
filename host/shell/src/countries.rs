//! The operator's table of countries: a file, read at the start and again when it has changed.

use crate::ShellError;
use model::Countries;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// What a file looks like from outside: when both stay, nobody has written it.
type Stamp = (Option<SystemTime>, u64);

/// # Invariants
/// `table` is what the file said when it was last read whole and without a fault.
pub(crate) struct CountryFile {
    path: Option<PathBuf>,
    stamp: Option<Stamp>,
    table: Arc<Countries>,
}

impl CountryFile {
    /// Reads the file for the first time; without a path the table is empty for ever.
    pub(crate) fn read(path: Option<PathBuf>) -> Result<CountryFile, ShellError> {
        let Some(path) = path else { return Ok(CountryFile { path: None, stamp: None, table: Arc::default() }) };
        // Taken before the text: what is written in between is seen by the next look.
        let stamp = stamp(&path);
        match parse(&path) {
            Ok(table) => Ok(CountryFile { path: Some(path), stamp, table: Arc::new(table) }),
            Err(why) => Err(ShellError::Path { path, why }),
        }
    }

    /// The table as the file has it now. One that cannot be read, or is no table, leaves the last one standing.
    pub(crate) async fn current(&mut self) -> Arc<Countries> {
        if let Some(path) = self.path.clone() {
            let was = self.stamp;
            let look = move || {
                let stamp = stamp(&path);
                (stamp != was).then(|| (stamp, parse(&path), path))
            };
            if let Ok(Some((stamp, parsed, path))) = tokio::task::spawn_blocking(look).await {
                self.stamp = stamp;
                match parsed {
                    Ok(table) => {
                        tracing::info!(path = %path.display(), "the table of countries was read again");
                        self.table = Arc::new(table);
                    }
                    Err(why) => {
                        tracing::warn!(path = %path.display(), why, "the table of countries stays as it was");
                    }
                }
            }
        }
        Arc::clone(&self.table)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok(), found.len()))
}

fn parse(path: &Path) -> Result<Countries, String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    Countries::parse(&text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &Countries) -> Option<String> {
        table.of("192.0.2.1".parse().unwrap()).map(str::to_owned)
    }

    #[tokio::test]
    async fn a_file_is_read_again_when_it_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("countries.csv");
        std::fs::write(&path, "192.0.2.0/24,DE\n").unwrap();
        let mut file = CountryFile::read(Some(path.clone())).unwrap();
        let first = file.current().await;
        assert_eq!(of(&first).as_deref(), Some("DE"));
        assert!(Arc::ptr_eq(&first, &file.current().await), "nothing was written");
        std::fs::write(&path, "192.0.2.0/24,FR\n192.0.3.0/24,FR\n").unwrap();
        assert_eq!(of(file.current().await.as_ref()).as_deref(), Some("FR"));
        std::fs::write(&path, "no table").unwrap();
        assert_eq!(of(file.current().await.as_ref()).as_deref(), Some("FR"), "a broken file changes nothing");
        std::fs::remove_file(&path).unwrap();
        assert!(CountryFile::read(Some(path)).is_err(), "at the start it is a mistake");
    }
}
