//! Route locks that are thrown by phone: an account dials the code of the service, followed by the lock's own.

use crate::engine::Output;
use crate::leg::Ending;
use crate::step::Step;
use model::{Cause, Decision, LockThrow, StarService};

impl Step<'_, '_> {
    /// Throws a lock, where an account has dialled that: `true`, and the call is on its way to its end. The change is on
    /// its way to the database; calls go by it when the directory has it.
    pub(crate) fn throws_lock(&mut self) -> bool {
        let directory = self.floors.directory;
        let (Some(company), true) = (self.own_company().cloned(), self.call.info.account.is_some()) else {
            return false;
        };
        let found = directory.dialled_service(&company, &self.call.info.callee.user);
        let Some((service, code)) = found else { return false };
        let Some((name, lock)) = directory.lock_by_code(company.id, code) else { return false };
        let open = match service {
            StarService::LockOpen => true,
            StarService::LockClose => false,
            StarService::LockToggle => !lock.open,
            StarService::Pickup | StarService::GroupPickup | StarService::Park | StarService::Retrieve => return false,
        };
        if open != lock.open {
            let throw = LockThrow { company: company.id, lock: name.to_owned(), open };
            self.desk.out.push_back(Output::Throw(throw));
        }
        let (name, state) = (name.to_owned(), if open { "open" } else { "closed" });
        match &company.rules.service_app {
            Some(app) => {
                let args = [("service", "route-lock"), ("lock", name.as_str()), ("state", state)];
                let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                self.obey(Decision::App { name: app.clone(), args });
            }
            None => {
                let cause = Cause::ServiceDone;
                // A reason phrase is one line of plain text.
                let plain: String = name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
                self.answer_caller(cause.sip_status(), &format!("Lock {plain} is {state}"), &[]);
                self.end_call(Ending::switch(cause));
            }
        }
        true
    }
}
