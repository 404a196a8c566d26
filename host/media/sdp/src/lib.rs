//! Crate `sdp`: see host/ARCHITECTURE.md.
