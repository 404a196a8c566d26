//! Crate `media`: see host/ARCHITECTURE.md.
