//! Mail: what it says, how it is written (RFC 5322, MIME), and how a host is given it (RFC 5321).
//!
//! Floor 5. Whoever keeps the queue stands outside: one call gives one mail to one host, and says whether another try may
//! help. A mail is written the same way at every try: who gets it twice knows it by its Message-ID.
#![forbid(unsafe_code)]

mod letter;
mod smtp;
mod words;

pub use letter::{Attachment, Letter, Unwritable};
pub use smtp::{Post, Reach, Unsent};
pub use words::{clock_text, length_text, line, own_template, render};
