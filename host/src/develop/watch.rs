//! Which files of a plugin's folder its author changes, by looking at their times.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Files that are looked at; a folder with more is not a plugin's alone.
const FILES_MAX: usize = 10_000;
/// Folders within folders.
const DEPTH_MAX: usize = 12;
/// What tools make, and nobody writes.
const MADE: [&str; 6] = ["target", "node_modules", "bindings", "__pycache__", "component.wasm", "Cargo.lock"];

/// The files that count, with their times and sizes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Sources(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Sources {
    /// What is there now.
    pub(super) fn look(dir: &Path) -> Sources {
        let mut found = Sources::default();
        found.walk(dir, 0);
        found
    }

    fn walk(&mut self, dir: &Path, depth: usize) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || name.ends_with(".splug") || MADE.contains(&&*name) || self.0.len() >= FILES_MAX
            {
                continue;
            }
            // Of the entry itself: a link that leads in a circle is a file.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() && depth < DEPTH_MAX {
                self.walk(&entry.path(), depth + 1);
            } else if !about.is_dir() {
                self.0.insert(entry.path(), (about.modified().ok(), about.len()));
            }
        }
    }

    /// Waits until something is otherwise than these, and then until it stays so for a look: an editor writes file after
    /// file.
    pub(super) async fn change(&self, dir: &Path) -> Sources {
        let mut before = self.clone();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = Sources::look(dir);
            if now != *self && now == before {
                return now;
            }
            before = now;
        }
    }

    /// The first file that is otherwise than in these, from the folder on.
    pub(super) fn first_difference(&self, before: &Sources, dir: &Path) -> String {
        let changed = self.0.iter().find(|(path, about)| before.0.get(*path) != Some(about));
        let gone = || before.0.keys().find(|path| !self.0.contains_key(*path));
        let path = changed.map(|(path, _)| path).or_else(gone);
        path.map_or_else(String::new, |path| path.strip_prefix(dir).unwrap_or(path).display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_of_what_people_write() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "one");
        write("plugin.toml", "x");
        let first = Sources::look(dir);
        assert_eq!(first.0.len(), 2);
        write("target/x", "made");
        write(".git/index", "made");
        write("lucky-0.1.0.splug", "made");
        assert_eq!(Sources::look(dir), first);
        write("src/lib.rs", "other");
        let second = first.change(dir).await;
        assert_eq!(second.first_difference(&first, dir), "src/lib.rs");
        std::fs::remove_file(dir.join("plugin.toml")).unwrap();
        assert_eq!(Sources::look(dir).first_difference(&second, dir), "plugin.toml");
    }
}
