//! `cargo xtask load [SCENARIO]`: loads against the real binary, and their figures.

fn main() {}
