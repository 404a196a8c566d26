//! Message ladders: a text that is both input and expectation.
//!
//! A line that begins in the first column is something that happens; the indented lines after it are what the switch
//! did about it. `UPDATE_EXPECT=1 cargo test -p flows` rewrites the indented lines. The parties write SIP by their own
//! few lines here, so that a mistake in the switch's writer cannot hide itself.
//!
//! ```text
//! alice > INVITE 1002 sdp
//!     alice < 100 Trying
//!     chain < route 1002
//! chain > connect 1002
//!     bob < INVITE 1002 sdp
//! ```

mod bed;
mod carriers;
mod events;
mod faxing;
mod filtering;
mod outward;
mod party;
mod rating;
mod registering;
mod ruled;
mod show;
mod verbs;
mod vouching;

pub use bed::Bed;
pub use faxing::FaxCall;

/// Plays a ladder and gives it back as it really went.
///
/// # Panics
/// On a line that is no command, naming it.
#[must_use]
pub fn play(ladder: &str) -> String {
    let mut bed = Bed::new();
    let mut out = String::new();
    for line in ladder.lines() {
        if line.starts_with(' ') {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        for seen in bed.act(line) {
            out.push_str("    ");
            out.push_str(&seen);
            out.push('\n');
        }
    }
    out
}
