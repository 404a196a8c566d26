//! Crate `torture`: see host/ARCHITECTURE.md.
