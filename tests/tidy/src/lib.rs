//! Crate `tidy`: see host/ARCHITECTURE.md.
