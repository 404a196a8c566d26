//! Crate `sip-message`: see host/ARCHITECTURE.md.
