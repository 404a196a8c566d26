//! Whether what a component exports has this switch's types, before anybody calls it.
//!
//! The linker compares what is imported. Of exports the engine compares types only when a fresh instance is looked at, which
//! is amid the first call; so it is asked here, once, with the types that the calls use ([`crate::hook`],
//! [`crate::script`]).

use crate::Point;
use crate::bindings::event_sink::exports::strowger::hooks::event_sink;
use crate::bindings::feature::exports::strowger::hooks::feature;
use crate::bindings::lifecycle::exports::strowger::host::lifecycle;
use crate::bindings::rater::exports::strowger::billing::rater;
use crate::bindings::registration::exports::strowger::hooks::registration;
use crate::bindings::router::exports::strowger::routing::router;
use crate::bindings::router::strowger::types::types as wit;
use crate::bindings::sip_filter::exports::strowger::hooks::sip_filter;
use crate::control::Leg;
use crate::guest::Guest;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Lower, Resource};
use wasmtime::error::Context as _;

/// What every function gives: its own answer, or the error of `strowger:types`.
type Said<T> = (Result<T, wit::Error>,);

/// One exported interface of a component.
struct Interface<'a, T: 'static> {
    pre: &'a InstancePre<T>,
    name: String,
}

impl<T: 'static> Interface<'_, T> {
    /// Whether it has this function, with these types.
    fn has<Params, Return>(&self, function: &str) -> wasmtime::Result<()>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let missing = || wasmtime::Error::msg(format!("`{}` has no function `{function}`", self.name));
        let component = self.pre.component();
        let interface = component.get_export_index(None, &self.name).ok_or_else(missing)?;
        let found = component.get_export(Some(&interface), function);
        let Some((ComponentItem::ComponentFunc(found), _)) = found else { return Err(missing()) };
        // As the generated bindings do it; the engine has no other word for it.
        let fits = found.typecheck::<Params, Return>(&self.pre.instance_type());
        fits.with_context(|| format!("`{function}` of `{}` has other types than here", self.name))
    }
}

/// Whether a component's `host/lifecycle` fits; the error names the WIT item.
pub(crate) fn check_lifecycle<T: 'static>(pre: &InstancePre<T>) -> wasmtime::Result<()> {
    let lifecycle = Interface { pre, name: format!("strowger:host/lifecycle@{}", bundle::WIT_VERSION) };
    lifecycle.has::<(String,), (Result<(), Vec<lifecycle::Fault>>,)>("validate-config")?;
    lifecycle.has::<(String, String), (Result<String, Vec<lifecycle::Fault>>,)>("migrate-config")
}

/// Whether a component's exports fit this point; the error names the WIT item.
pub(crate) fn check(pre: &InstancePre<Guest>, point: Point) -> wasmtime::Result<()> {
    let name = match point {
        Point::RouterIo => Point::Router.name(),
        Point::Router
        | Point::App
        | Point::Registration
        | Point::Feature
        | Point::EventSink
        | Point::SipFilter
        | Point::Rater => point.name(),
    };
    let point_of = Interface { pre, name: format!("strowger:{name}@{}", bundle::WIT_VERSION) };
    match point {
        Point::Router | Point::RouterIo => {
            point_of.has::<(wit::CallInfo,), Said<router::Decision>>("route")?;
            point_of.has::<(wit::CallInfo, Vec<(String, wit::Cause)>), Said<router::Decision>>("exhausted")
        }
        Point::App => point_of.has::<(Resource<Leg>, Vec<wit::Attr>), Said<Option<u16>>>("run"),
        Point::Registration => point_of.has::<(registration::Attempt,), Said<registration::Verdict>>("register"),
        Point::Feature => point_of.has::<(wit::CallInfo, String, String), Said<feature::Action>>("invoke"),
        Point::SipFilter => point_of.has::<(sip_filter::Message,), Said<sip_filter::Verdict>>("filter"),
        Point::EventSink => point_of.has::<(Vec<event_sink::Item>,), Said<u32>>("deliver"),
        Point::Rater => {
            point_of.has::<(wit::CallInfo, rater::Target), Said<rater::Verdict>>("authorize")?;
            point_of.has::<(wit::CallInfo, rater::Target, u64, u32), Said<rater::Verdict>>("extend")?;
            point_of.has::<(rater::Target,), Said<()>>("release")?;
            point_of.has::<(rater::Usage,), Said<rater::Charge>>("settle")?;
            point_of.has::<(String, Option<String>, u64, u64), Said<rater::Charge>>("quote")
        }
    }
}
