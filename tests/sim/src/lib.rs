//! Crate `sim`: see host/ARCHITECTURE.md.
