//! Crate `api`: see host/ARCHITECTURE.md.
