//! Peers of other makers at one switch: linphone, PJSIP, a browser, carriers that fail, a scanner; and two switches.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod browser;
mod carriers;
mod linphone;
mod pjsip;
mod quality;
mod scanner;
mod vouching;
mod webrtc;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Phones at work share few cores with what else runs: one test of real phones at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
