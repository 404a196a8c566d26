//! Crate `interop`: see host/ARCHITECTURE.md.
