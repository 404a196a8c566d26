//! Crate `rtp`: see host/ARCHITECTURE.md.
