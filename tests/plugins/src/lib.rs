//! Crate `plugin-tests`: see host/ARCHITECTURE.md.
