//! Routers: a question, a decision.

use crate::generated::router::exports::strowger::routing::router as wit;
use crate::{CallInfo, Cause, Header, HeaderOp, Result};

pub use wit::{Decision, Handling, MediaPath};

/// A routing plugin. A fresh instance answers each question and nothing is remembered, unless `plugin.toml` says
/// `reuse = "warm"`: then statics live on, as long as the instance does.
pub trait Router {
    /// Where shall this call go?
    ///
    /// # Errors
    /// A business outcome: it counts as `next` and stands in the call's explanation.
    fn route(call: CallInfo) -> Result<Decision>;

    /// The plan ran out; by default no opinion.
    ///
    /// # Errors
    /// As for [`Router::route`].
    fn exhausted(call: CallInfo, tried: Vec<(String, Cause)>) -> Result<Decision> {
        let _ = (call, tried);
        Ok(next())
    }
}

/// What [`export_router!`](crate::export_router) exports.
#[doc(hidden)]
pub use wit::Guest as RouterGuest;

/// Exports a [`Router`].
#[macro_export]
macro_rules! export_router {
    ($router:ty) => {
        #[doc(hidden)]
        struct StrowgerRouterExport;
        impl $crate::RouterGuest for StrowgerRouterExport {
            fn route(call: $crate::CallInfo) -> $crate::Result<$crate::Decision> {
                $crate::log_panics();
                <$router as $crate::Router>::route(call)
            }
            fn exhausted(
                call: $crate::CallInfo,
                tried: Vec<(String, $crate::Cause)>,
            ) -> $crate::Result<$crate::Decision> {
                $crate::log_panics();
                <$router as $crate::Router>::exhausted(call, tried)
            }
        }
        $crate::generated::router::export_router_bindings!(StrowgerRouterExport with_types_in $crate::generated::router);
    };
}

/// No opinion: ask the next router.
#[must_use]
pub fn next() -> Decision {
    Decision::Next(Vec::new())
}

/// Refuse with a status, 400 to 699.
#[must_use]
pub fn refuse(sip: u16, reason: &str) -> Decision {
    Decision::Refuse(wit::Refusal { sip, reason: reason.to_owned(), header_ops: Vec::new() })
}

/// Answer 302 with these SIP URIs.
#[must_use]
pub fn redirect<S: Into<String>>(contacts: impl IntoIterator<Item = S>) -> Decision {
    Decision::Redirect(contacts.into_iter().map(Into::into).collect())
}

/// Hand the call to a call app, by the name of its binding.
#[must_use]
pub fn app(name: &str) -> Decision {
    Decision::App((name.to_owned(), Vec::new()))
}

/// Ask again with another callee.
#[must_use]
pub fn reroute(callee: &str) -> Decision {
    Decision::Reroute((callee.to_owned(), Vec::new()))
}

/// Sets a header field of the INVITE that goes out.
#[must_use]
pub fn header(name: &str, value: &str) -> HeaderOp {
    HeaderOp::Set(Header { name: name.to_owned(), value: value.to_owned() })
}

/// One hunting step under construction; its targets ring together.
#[derive(Clone, Debug)]
pub struct Step(wit::Step);

impl Step {
    /// A step without targets that rings for 30 seconds.
    #[must_use]
    pub fn new() -> Step {
        Step(wit::Step { targets: Vec::new(), ring_timeout_ms: 30_000, advance_on: Vec::new() })
    }

    fn target(mut self, to: wit::Endpoint) -> Step {
        self.0.targets.push(wit::Target { to, caller_id: None, header_ops: Vec::new(), attrs: Vec::new() });
        self
    }

    /// Rings an account of the calling company.
    #[must_use]
    pub fn account(self, username: &str) -> Step {
        self.target(wit::Endpoint::Account(username.to_owned()))
    }

    /// Rings a SIP URI with a literal address.
    #[must_use]
    pub fn uri(self, uri: &str) -> Step {
        self.target(wit::Endpoint::Uri(uri.to_owned()))
    }

    /// Calls a number by a trunk of the brand.
    #[must_use]
    pub fn trunk(self, name: &str, number: &str) -> Step {
        self.target(wit::Endpoint::Trunk((name.to_owned(), number.to_owned())))
    }

    /// Presents this number to the target added last.
    #[must_use]
    pub fn caller_id(mut self, number: &str) -> Step {
        if let Some(target) = self.0.targets.last_mut() {
            target.caller_id = Some(number.to_owned());
        }
        self
    }

    /// How long it rings, in milliseconds.
    #[must_use]
    pub fn ring(mut self, ms: u32) -> Step {
        self.0.ring_timeout_ms = ms;
        self
    }

    /// Only these final statuses lead to the next step.
    #[must_use]
    pub fn advance_on(mut self, statuses: &[u16]) -> Step {
        self.0.advance_on = statuses.to_vec();
        self
    }
}

impl Default for Step {
    fn default() -> Self {
        Step::new()
    }
}

/// A ring plan under construction.
#[derive(Clone, Debug)]
pub struct Plan(wit::Plan);

impl Plan {
    /// A plan of one step.
    #[must_use]
    pub fn new(step: Step) -> Plan {
        Plan(wit::Plan {
            steps: vec![step.0],
            handling: Handling::TenantDefault,
            media: MediaPath::TenantDefault,
            header_ops: Vec::new(),
            max_duration_s: None,
            attrs: Vec::new(),
        })
    }

    /// One more step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Plan {
        self.0.steps.push(step.0);
        self
    }

    /// How the switch takes part.
    #[must_use]
    pub fn handling(mut self, handling: Handling) -> Plan {
        self.0.handling = handling;
        self
    }

    /// Where media flows.
    #[must_use]
    pub fn media(mut self, media: MediaPath) -> Plan {
        self.0.media = media;
        self
    }

    /// Longest answered time.
    #[must_use]
    pub fn max_duration(mut self, s: u32) -> Plan {
        self.0.max_duration_s = Some(s);
        self
    }

    /// A change to every INVITE.
    #[must_use]
    pub fn header(mut self, op: HeaderOp) -> Plan {
        self.0.header_ops.push(op);
        self
    }

    /// An attribute kept with the call.
    #[must_use]
    pub fn attr(mut self, name: &str, value: &str) -> Plan {
        self.0.attrs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The decision to ring it.
    #[must_use]
    pub fn connect(self) -> Decision {
        Decision::Connect(self.0)
    }
}
