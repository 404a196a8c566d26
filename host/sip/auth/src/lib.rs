//! Crate `sip-auth`: see host/ARCHITECTURE.md.
