//! Crate `shell`: see host/ARCHITECTURE.md.
