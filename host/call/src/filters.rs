//! Which messages of a call pass filters (`hooks/sip-filter`): those of its parties at trunks and terminals that somebody
//! has bound one to. A call for help passes none, however it came about, and neither does what it is transferred to.
//!
//! The dialog of a party carries the edge where its messages enter and leave, and takes it along when the party moves to
//! another call. A call that passes filters is ours from end to end: nothing of it is proxied (decision 0317).

use crate::leg::{Ending, LegNo};
use crate::step::Step;
use model::{AccountId, Cause, Edge, EdgeAt, Endpoint, LegRole, RingPlan, TrunkId};
use sip_dialog::DialogKey;

impl Step<'_, '_> {
    /// Where the messages of a party enter and leave, if filters are bound there.
    pub(crate) fn edge_at(&self, account: Option<AccountId>, trunk: Option<TrunkId>) -> Option<Edge> {
        if self.call.bypasses_filters || self.floors.directory.hooks().sip_filter.is_empty() {
            return None;
        }
        let at = trunk.map(EdgeAt::Trunk).or_else(|| account.map(EdgeAt::Account))?;
        let (brand, company) = (self.call.info.brand, self.call.info.company);
        self.floors.directory.filter_at((brand, company), at)?;
        Some(Edge { call: self.call.id, brand, company, at, withheld: false })
    }

    /// The same for a leg.
    pub(crate) fn edge_of(&self, no: LegNo) -> Option<Edge> {
        let leg = self.call.leg(no)?;
        let edge = self.edge_at(leg.account, leg.trunk.as_ref().map(|on| on.id))?;
        Some(Edge { withheld: self.call.private && leg.role == LegRole::Caller, ..edge })
    }

    /// A party has come to this call with its dialog: what it passes is asked about under this call's name.
    pub(crate) fn brings_edge(&mut self, dialog: DialogKey) {
        let id = self.id();
        let edge = self.floors.dialogs.edge(dialog).filter(|_| !self.call.bypasses_filters);
        self.floors.dialogs.set_edge(dialog, edge.map(|edge| Edge { call: id, ..edge }));
    }

    /// The call is for help: from here on no filter hears of it.
    pub(crate) fn bypass_filters(&mut self) {
        self.call.bypasses_filters = true;
        for dialog in self.call.legs.iter().filter_map(|leg| leg.dialog) {
            self.floors.dialogs.set_edge(dialog, None);
        }
    }

    /// Whether the caller or somebody whom the plan rings passes filters.
    pub(crate) fn is_filtered(&self, plan: &RingPlan) -> bool {
        if self.call.bypasses_filters || self.floors.directory.hooks().sip_filter.is_empty() {
            return false;
        }
        let company = self.call.info.company;
        let target = |to: &Endpoint| match to {
            Endpoint::Account(name) => {
                self.floors.directory.account(company, name).is_some_and(|a| self.edge_at(Some(a.id), None).is_some())
            }
            // Nothing to a trunk is proxied, and an address is nobody's edge.
            Endpoint::Uri(_) | Endpoint::Trunk { .. } => false,
        };
        self.edge_of(0).is_some() || plan.steps.iter().flat_map(|step| &step.targets).any(|t| target(&t.to))
    }

    /// A filter did not let a leg's INVITE go: the leg is over, and no other server or flow is tried with it.
    pub(crate) fn filtered_out(&mut self, no: LegNo) {
        self.dialog_gone(no);
        self.branch_over(no, Ending::switch(Cause::PluginFailed), false);
    }
}
