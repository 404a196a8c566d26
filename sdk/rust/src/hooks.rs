//! Hooks beside routing: registrations, star codes, events.

use crate::generated::event_sink::exports::strowger::hooks::event_sink as sink;
use crate::generated::feature::exports::strowger::hooks::feature;
use crate::generated::registration::exports::strowger::hooks::registration;
use crate::{Attr, CallInfo, Result};

pub use feature::Action;
pub use registration::{Attempt, Verdict};
pub use sink::Item;

#[doc(hidden)]
pub use feature::Guest as FeatureGuest;
#[doc(hidden)]
pub use registration::Guest as RegistrationGuest;
#[doc(hidden)]
pub use sink::Guest as EventSinkGuest;

/// Asked for every REGISTER after authentication.
pub trait Registration {
    /// May it?
    ///
    /// # Errors
    /// A business outcome: it counts as no objection.
    fn register(attempt: Attempt) -> Result<Verdict>;
}

/// Asked when one of the manifest's codes is dialled.
pub trait Feature {
    /// What shall happen? `digits` is what follows the code.
    ///
    /// # Errors
    /// A business outcome: it counts as [`Action::Ignore`].
    fn invoke(call: CallInfo, code: String, digits: String) -> Result<Action>;
}

/// Told what happened.
pub trait EventSink {
    /// How many events, from the front, were taken.
    ///
    /// # Errors
    /// The whole batch is told again later.
    fn deliver(batch: Vec<Item>) -> Result<u32>;
}

/// No objection to a registration.
#[must_use]
pub fn no_objection() -> Verdict {
    Verdict::Next(Vec::<Attr>::new())
}

/// Exports a [`Registration`].
#[macro_export]
macro_rules! export_registration {
    ($hook:ty) => {
        #[doc(hidden)]
        struct StrowgerRegistrationExport;
        impl $crate::RegistrationGuest for StrowgerRegistrationExport {
            fn register(attempt: $crate::Attempt) -> $crate::Result<$crate::Verdict> {
                $crate::log_panics();
                <$hook as $crate::Registration>::register(attempt)
            }
        }
        $crate::generated::registration::export_registration_bindings!(
            StrowgerRegistrationExport with_types_in $crate::generated::registration
        );
    };
}

/// Exports a [`Feature`].
#[macro_export]
macro_rules! export_feature {
    ($hook:ty) => {
        #[doc(hidden)]
        struct StrowgerFeatureExport;
        impl $crate::FeatureGuest for StrowgerFeatureExport {
            fn invoke(call: $crate::CallInfo, code: String, digits: String) -> $crate::Result<$crate::Action> {
                $crate::log_panics();
                <$hook as $crate::Feature>::invoke(call, code, digits)
            }
        }
        $crate::generated::feature::export_feature_bindings!(
            StrowgerFeatureExport with_types_in $crate::generated::feature
        );
    };
}

/// Exports an [`EventSink`].
#[macro_export]
macro_rules! export_event_sink {
    ($hook:ty) => {
        #[doc(hidden)]
        struct StrowgerEventSinkExport;
        impl $crate::EventSinkGuest for StrowgerEventSinkExport {
            fn deliver(batch: Vec<$crate::Item>) -> $crate::Result<u32> {
                $crate::log_panics();
                <$hook as $crate::EventSink>::deliver(batch)
            }
        }
        $crate::generated::event_sink::export_event_sink_bindings!(
            StrowgerEventSinkExport with_types_in $crate::generated::event_sink
        );
    };
}
