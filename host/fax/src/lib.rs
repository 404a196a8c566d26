//! Faxes that the switch sends and receives itself: SpanDSP in a process of its own, one for each fax.
//!
//! [`helper`] is that process (`strowger fax-helper`): it opens `libspandsp.so.2` when it starts, so that the product
//! builds and runs on a machine without it, and speaks frames ([`wire`]) on its standard input and output. A crash, a
//! loop or a leak of it ends one fax and nothing else: it has limits of memory and of CPU time, and its parent one of time.
//!
//! It never waits: 20 ms in, 20 ms out. In sound a frame is 160 samples both ways; of T.38 datagrams of UDPTL go both ways
//! and a bare tick tells the time, so a test runs as fast as the machine can.
//!
//! Pages are TIFF files (TIFF-F, written with T.6 by SpanDSP); [`pdf`] makes a PDF of such a file.
//!
//! Floor 5. `spandsp` is the one module with unsafe code.
#![deny(unsafe_code)]

pub mod helper;
pub mod pdf;
mod spandsp;
pub mod tiff;
pub mod udptl;
pub mod wire;
