//! The purity gate: floors 0-4 built for wasm32-unknown-unknown must import nothing.

use crate::run::{cargo, go, root};

/// The section that lists imports (WebAssembly core specification 5.5.5).
const IMPORT_SECTION: u8 = 2;

/// Builds the gate and reads its import section.
pub(crate) fn check() -> Result<(), String> {
    crate::install::wasm_target()?;
    go(cargo().args(["build", "--quiet", "--package", "purity", "--target", "wasm32-unknown-unknown"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let path = target.join("wasm32-unknown-unknown/debug/purity.wasm");
    let module = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match imports(&module) {
        Some(0) => {
            eprintln!("xtask: the purity gate holds: {} bytes, no import", module.len());
            Ok(())
        }
        Some(n) => Err(format!(
            "floors 0-4 import {n} things from the world (a clock, randomness or a socket); see them in {}",
            path.display()
        )),
        None => Err(format!("{} is not a WebAssembly module", path.display())),
    }
}

/// How many imports a module has; `None` when it is not one.
fn imports(module: &[u8]) -> Option<u64> {
    let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0")?;
    while let Some((&id, after)) = rest.split_first() {
        let (size, body) = leb(after)?;
        let size = usize::try_from(size).ok()?;
        if id == IMPORT_SECTION {
            return leb(body.get(..size)?).map(|(count, _)| count);
        }
        rest = body.get(size..)?;
    }
    Some(0)
}

/// An unsigned LEB128 number and what follows.
fn leb(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::imports;

    #[test]
    fn imports_are_counted() {
        assert_eq!(imports(b"\0asm\x01\0\0\0"), Some(0));
        assert_eq!(imports(b"\0asm\x01\0\0\0\x01\x01\x00\x02\x01\x03"), Some(3));
        assert_eq!(imports(b"elf"), None);
    }
}
