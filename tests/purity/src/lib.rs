//! Crate `purity`: see host/ARCHITECTURE.md.
