//! Crate `admission`: see host/ARCHITECTURE.md.
