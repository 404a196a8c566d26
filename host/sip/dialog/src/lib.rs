//! Crate `sip-dialog`: see host/ARCHITECTURE.md.
