//! Crate `shipped`: see host/ARCHITECTURE.md.
