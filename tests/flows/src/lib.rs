//! Crate `flows`: see host/ARCHITECTURE.md.
