//! Crate `net`: see host/ARCHITECTURE.md.
