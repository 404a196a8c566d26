//! Crate `store`: see host/ARCHITECTURE.md.
