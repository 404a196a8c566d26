//! How the process ends: 0 done, 1 refused by the switch, 2 it could not even begin.

use std::fmt::Display;
use std::process::ExitCode;

/// Why it failed: one sentence, and the exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    sentence: String,
    code: u8,
}

impl Failure {
    /// The switch was asked and said no: 1.
    pub(crate) fn refused(sentence: impl Display) -> Failure {
        Failure { sentence: one_line(&sentence.to_string()), code: 1 }
    }

    /// Wrong usage, configuration, port, database, or no switch there: 2.
    pub(crate) fn start(sentence: impl Display) -> Failure {
        Failure { sentence: one_line(&sentence.to_string()), code: 2 }
    }

    /// The sentence, without a line break.
    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
