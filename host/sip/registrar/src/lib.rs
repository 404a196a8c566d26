//! Crate `registrar`: see host/ARCHITECTURE.md.
