//! Calls that leave by a brand's outgoing routes, where the chain has no opinion. Which trunks those are, `policy` says; here
//! is when it is asked, and what becomes of a call when none of them carries it. See decision 0334.

use crate::arrival::callee_party;
use crate::hunt::Hunt;
use crate::leg::Ending;
use crate::step::Step;
use core::time::Duration;
use model::{
    Cause, CauseInfo, Endpoint, Handling, MediaPath, RingPlan, RingStep, RouteTagId, Routing, Target, TranslationLists,
};
use policy::{Leaving, WayOut, WaysOut};

/// How long one trunk is given to ring.
const RING: Duration = Duration::from_secs(120);

/// Statuses that are the callee's word and not the carrier's: another carrier would ring the same phone again. All others
/// lead to the next trunk.
const CALLEES_WORD: [u16; 5] = [422, 480, 486, 600, 603];

/// A plan made of routes that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByRoutes {
    /// A block comes after its last trunk.
    blocked: bool,
}

impl<'f> Step<'_, 'f> {
    fn routing(&self) -> Option<&Routing> {
        self.floors.directory.routing(self.call.info.brand).map(|routing| &**routing)
    }

    /// An account has dialled a routing tag before a number: it is taken off and noted.
    ///
    /// # Errors
    /// [`Cause::NotFound`]: it is no tag that the account's company may use.
    pub(crate) fn tag_dialled(&mut self) -> Result<(), Cause> {
        let Some(routing) = self.routing().filter(|_| self.call.info.account.is_some()) else { return Ok(()) };
        let found = policy::dialled_tag(routing, self.call.info.company, &self.call.info.callee.user);
        let Some((tag, number)) = found.map_err(|_| Cause::NotFound)? else { return Ok(()) };
        let (id, attr, number) = (tag.id, ("routing-tag".to_owned(), tag.name.clone()), number.to_owned());
        let domain = self.own_company().map_or("", |company| company.domain.as_str());
        self.call.info.callee = callee_party(&number, domain);
        self.call.course.tag = Some(id);
        self.merge_attrs(vec![attr]);
        Ok(())
    }

    /// The routing tag of the public number that the caller is shown by.
    fn tag_shown(&self, number: &str) -> Option<RouteTagId> {
        let shown = self.outgoing_ddi(number)?;
        self.floors.directory.ddi(&shown).filter(|ddi| ddi.company == self.call.info.company)?.tag
    }

    /// Whether calls to this number are neither rated nor recorded.
    pub(crate) fn is_special(&self, number: &str) -> bool {
        self.routing().is_some_and(|routing| routing.is_special(number))
    }

    /// Nobody has decided about a public number: the brand's routes do. `false` where it has none, or the number is none
    /// that somebody of the company pays for.
    pub(crate) fn leaves_by_routes(&mut self) -> bool {
        let number = self.call.info.callee.user.clone();
        let Some(ways) = self.ways_out(&number) else { return false };
        let Some(WaysOut { ways, blocked }) = ways else {
            self.end_call(Ending::switch(Cause::NoRoute));
            return true;
        };
        let route = ways.first().map(|way| way.route.name.clone());
        let steps = self.steps_of(&ways, &number);
        if steps.is_empty() {
            let cause = if blocked { Cause::RouteBlocked } else { Cause::NoRoute };
            self.end_call(Ending::switch(cause));
            return true;
        }
        let plan = RingPlan {
            steps,
            handling: Handling::TenantDefault,
            media: MediaPath::TenantDefault,
            header_ops: Vec::new(),
            max_duration: None,
            attrs: route.map(|name| ("outgoing-route".to_owned(), name)).into_iter().collect(),
        };
        self.connect(plan, Some(ByRoutes { blocked }));
        true
    }

    /// How a member of a hunt group outside is reached where the chain does not say: by the first of the trunks.
    pub(crate) fn target_by_routes(&mut self, number: &str) -> Option<Target> {
        let WaysOut { ways, .. } = self.ways_out(number)??;
        self.steps_of(&ways, number).into_iter().next()?.targets.into_iter().next()
    }

    /// What the routes say; `None` where they are not asked, `Some(None)` where they know no way.
    fn ways_out(&mut self, number: &str) -> Option<Option<WaysOut<'f>>> {
        let directory = self.floors.directory;
        let info = &self.call.info;
        let routing = directory.routing(info.brand).filter(|routing| routing.has_routes())?;
        let company = directory.company(info.company)?;
        // A call from outside leaves again only where somebody of the company sends it out, and so pays for it.
        let paid = info.account.is_some() || self.call.course.has_payer();
        let public = policy::external(&TranslationLists::default(), number).is_some();
        let own = directory.ddi(number).is_some_and(|ddi| ddi.company == info.company);
        if !paid || !public || own {
            return None;
        }
        let tag = self.call.course.tag.or_else(|| self.tag_shown(number));
        if let Some(name) =
            tag.and_then(|id| routing.tags().iter().find(|tag| tag.id == id)).map(|tag| tag.name.clone())
        {
            self.merge_attrs(vec![("routing-tag".to_owned(), name)]);
        }
        let call = Leaving { company, number, tag };
        Some(policy::outgoing_route(routing, call, directory.rates(), &mut self.desk.ids))
    }

    /// One step for each trunk that is there, as many as a plan may have.
    fn steps_of(&self, ways: &[WayOut<'_>], number: &str) -> Vec<RingStep> {
        let directory = self.floors.directory;
        let target = |way: &WayOut<'_>| {
            let trunk = directory.trunk_by_id(way.trunk).filter(|trunk| trunk.enabled)?;
            let to = Endpoint::Trunk {
                name: trunk.name.clone(),
                number: number.to_owned(),
                prefix: way.route.prefix.clone(),
            };
            Some(Target { to, caller_id: way.route.caller.clone(), header_ops: Vec::new() })
        };
        let step = |target| RingStep {
            targets: vec![target],
            ring_timeout: RING,
            advance_on: (300..700).filter(|status| !CALLEES_WORD.contains(status)).collect(),
        };
        ways.iter().filter_map(target).take(self.floors.setup.limits.plan_steps_max).map(step).collect()
    }

    /// What a call ends with whose plan has run out, unless somebody takes it on.
    pub(crate) fn ends_with(&mut self, hunt: &Hunt) -> Option<CauseInfo> {
        let best = hunt.best().cloned();
        let Some(ByRoutes { blocked }) = self.call.course.by_routes.take() else { return best };
        if hunt.stopped || !hunt.tried.iter().all(|(_, cause)| is_the_carriers(cause)) {
            return best;
        }
        Some(CauseInfo::local(if blocked { Cause::RouteBlocked } else { Cause::RoutesExhausted }))
    }
}

/// Whether it is a carrier or the way to it that has failed, and not that the caller may not call.
fn is_the_carriers(cause: &CauseInfo) -> bool {
    let ours = [
        Cause::TrunkFull,
        Cause::TrunkRate,
        Cause::TrunkDown,
        Cause::TrunkSilent,
        Cause::TrunkUnknown,
        Cause::TransportFailed,
        Cause::SignallingTimeout,
        Cause::NextHopUnknown,
        Cause::LookupFailed,
    ];
    cause.by_remote || ours.contains(&cause.cause)
}
