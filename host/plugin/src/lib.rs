//! Crate `plugin`: see host/ARCHITECTURE.md.
