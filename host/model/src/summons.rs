//! A call that is asked for from outside: click to call.

use crate::AccountId;
use core::time::Duration;

/// A call that the switch makes for an account: its own phones ring first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summons {
    /// Who calls, and pays.
    pub account: AccountId,
    /// What it would have dialled.
    pub number: String,
    /// What its phones show while they ring, beside the number; else the number alone.
    pub display: Option<String>,
    /// Its phones are asked to answer by themselves.
    pub auto_answer: bool,
    /// How long its phones ring; else, and at most, what the limits say.
    pub ring: Option<Duration>,
}
