//! The `strowger` binary.
fn main() {}
