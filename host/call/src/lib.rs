//! Crate `call`: see host/ARCHITECTURE.md.
