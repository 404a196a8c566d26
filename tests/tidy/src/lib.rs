//! The house rules as code: floors from `cargo metadata`, the size of files and functions, banned names, module docs.
//!
//! Each check gives the list of what breaks it, in words that say where and what to do. `tests/house.rs` runs them.

mod floors;
mod source;

pub use floors::floor_breaks;
pub use source::{FILE_LINES_MAX, FUNCTION_ARGS_MAX, FUNCTION_LINES_MAX, source_breaks};

use std::path::{Path, PathBuf};

/// The top of the tree.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every `.rs` file below `dir` but build output, sorted.
#[must_use]
pub fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for path in entries.flatten().map(|e| e.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                todo.push(path);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
