//! The default verdict: what a switch without plugins would do, where the brand wants that.

use core::time::Duration;
use model::{
    CallInfo, Decision, DefaultVerdict, Directory, Endpoint, Handling, MediaPath, RingPlan, RingStep, RouteTarget,
    Target,
};

/// How long a default verdict rings.
const DEFAULT_RING: Duration = Duration::from_secs(60);

/// The brand's default for this call; `None` refuses it.
pub(crate) fn decision(directory: &Directory, call: &CallInfo) -> Option<Decision> {
    match directory.brand(call.brand)?.default_verdict {
        DefaultVerdict::Refuse => None,
        DefaultVerdict::Extensions => by_extension(directory, call),
    }
}

fn by_extension(directory: &Directory, call: &CallInfo) -> Option<Decision> {
    let dialled = call.callee.user.as_str();
    let public = directory.ddi(dialled).filter(|ddi| ddi.company == call.company);
    let number = match public.map(|ddi| &ddi.target) {
        Some(RouteTarget::Extension(number)) => number.as_str(),
        Some(target) => return to(target.clone()),
        None => dialled,
    };
    let target = match directory.extension(call.company, number) {
        Some(extension) => extension.target.clone(),
        None => RouteTarget::Account(directory.account(call.company, number)?.username.clone()),
    };
    to(target)
}

fn to(target: RouteTarget) -> Option<Decision> {
    match target {
        RouteTarget::Account(name) => Some(Decision::Connect(ring(name))),
        RouteTarget::App(name) => Some(Decision::App { name, args: Vec::new() }),
        // What leads on by rule was followed before: `routes`.
        RouteTarget::Extension(_)
        | RouteTarget::HuntGroup(_)
        | RouteTarget::ConditionalRoute(_)
        | RouteTarget::Voicemail(_)
        | RouteTarget::Queue(_)
        | RouteTarget::Conference(_)
        | RouteTarget::Number(_) => None,
    }
}

fn ring(account: String) -> RingPlan {
    let target = Target { to: Endpoint::Account(account), caller_id: None, header_ops: Vec::new() };
    RingPlan {
        steps: vec![RingStep { targets: vec![target], ring_timeout: DEFAULT_RING, advance_on: Vec::new() }],
        handling: Handling::TenantDefault,
        media: MediaPath::TenantDefault,
        header_ops: Vec::new(),
        max_duration: None,
        attrs: Vec::new(),
    }
}
