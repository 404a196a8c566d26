//! Next hops (RFC 3263): questions go down to the shell, answers climb to the machine that holds the ticket.
//!
//! Any machine asks by [`model::Lookups::ask`] (through `call::Floors::lookups` or `Core::lookups`) and is offered every
//! answer by [`Core::climb_resolved`]; it takes the one whose ticket it keeps.

use crate::core::Core;
use crate::io::Output;
use model::{Instant, Resolved};

impl Core {
    /// The shell has looked a next hop up.
    pub(crate) fn handle_resolved(&mut self, resolved: Resolved) {
        if !self.lookups.handle_resolved(resolved) {
            self.counters.lookups_stale += 1;
        }
    }

    /// Offers an answer to whoever may have asked. An asker that is gone meanwhile has left its ticket behind.
    pub(crate) fn climb_resolved(&mut self, resolved: Resolved, now: Instant) {
        if self.resolved_for_trunk(&resolved, now) {
            return;
        }
        let mut taken = false;
        self.with_calls(now, |calls, f| taken = calls.handle_resolved(f, &resolved));
        self.counters.lookups_stale += u64::from(!taken);
    }

    /// What was asked in this step leaves for the shell.
    pub(crate) fn ask_for_hops(&mut self) {
        while let Some(question) = self.lookups.poll_question() {
            self.out.push_back(Output::Resolve(question));
        }
    }
}
