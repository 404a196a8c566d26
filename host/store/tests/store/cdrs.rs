//! cdrs
