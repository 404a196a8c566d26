//! Crate `sip-transaction`: see host/ARCHITECTURE.md.
