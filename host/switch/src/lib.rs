//! Crate `switch`: see host/ARCHITECTURE.md.
