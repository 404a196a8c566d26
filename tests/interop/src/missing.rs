//! Which peers this machine has.

use crate::{jssip, pjsip};
use std::io::Write;

/// Whether a test that needs these peers can be made: the names of programs, `jssip`, or `pjsua`.
///
/// `STROWGER_WITHOUT`, a list with commas, names what may be missing; then the test says on standard error that it was
/// left out, whatever is captured. `cargo xtask test` sets it where it may not install, never in CI.
///
/// # Panics
/// When one is missing that nobody has decided to go without.
#[must_use]
pub fn present(test: &str, peers: &[&str]) -> bool {
    let without = std::env::var("STROWGER_WITHOUT").unwrap_or_default();
    let mut missing = peers.iter().filter(|peer| !is_here(peer));
    let Some(peer) = missing.next() else { return true };
    assert!(
        without.split(',').any(|w| w == *peer),
        "{test} needs {peer}: cargo xtask install, or STROWGER_WITHOUT={peer}"
    );
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {peer} is not on this machine");
    false
}

fn is_here(peer: &str) -> bool {
    if peer == "jssip" {
        return jssip().join("package.json").is_file();
    }
    if peer == "pjsua" {
        return pjsip::environment().join("pinned").is_file();
    }
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(peer).is_file()))
}
