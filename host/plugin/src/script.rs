//! A call app from start to end: one instance, one script, parked in its verbs.

use crate::artifact::Linked;
use crate::binding::Bound;
use crate::bindings::app::CallAppPluginPre;
use crate::bindings::router::strowger::types::types as wit;
use crate::capability::for_log;
use crate::chain::{self, Failure};
use crate::control::{Line, Script};
use crate::convert;
use crate::guest::{self, Guest, Seat};
use crate::hook::{self, Put};
use crate::host::Shared;
use crate::recorder::Outcome;
use crate::shares::Slot;
use crate::tape::Tape;
use crate::tiers::Heavy;
use model::{AppArgs, AppFailure, AppOutcome, AppStart, CallInfo, Directory, LegHandle};
use std::sync::Arc;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use wasmtime::Store;

/// The caller's leg of every call.
const CALLER: LegHandle = LegHandle(0);

/// Everything one app needs.
pub(crate) struct Start {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bound: Arc<Bound>,
    pub(crate) line: Arc<Line>,
    pub(crate) start: AppStart,
    pub(crate) directory: Arc<Directory>,
    pub(crate) slot: Slot,
    pub(crate) heavy: Heavy,
}

impl Start {
    /// Runs the script to its end. Dropping the future drops the instance, wherever it is.
    pub(crate) async fn run(self) -> Result<AppOutcome, AppFailure> {
        let config = &self.shared.config;
        let limits = Arc::clone(&self.shared.limits);
        let seat = Seat {
            bound: &self.bound,
            directory: &self.directory,
            brand: self.start.call.brand,
            company: self.start.call.company,
            call: Some(self.start.call.call),
            script: Some(Script::new(
                Arc::clone(&self.line),
                limits,
                config.app_verbs_max,
                (self.shared.mailboxes.get().cloned(), self.shared.sounds.get().cloned()),
                self.shared.forks.clone(),
            )),
            purse: crate::capability::Purse::None,
            cpu: config.app_cpu,
            heavy: &self.heavy,
            tape: self.shared.recorder.begin(&self.bound, Some(self.start.call.call)),
        };
        let mut store = guest::store(&self.shared.apps, seat, config, &self.shared.ticker);
        let ended = timeout(config.app_life, self.script(&mut store)).await;
        self.keep(&mut store, &ended);
        let outcome = match ended {
            Ok(Ok(Ok(status))) => match status {
                Some(sip) if !(300..=699).contains(&sip) => Err(Failure::Invalid("run: status 300 to 699".to_owned())),
                status => Ok(AppOutcome::Returned(status)),
            },
            Ok(Ok(Err(error))) => {
                self.tell(&error);
                Ok(AppOutcome::Err(convert::guest_error(error)))
            }
            Ok(Err(error)) => Err(chain::failure(&error, store.data())),
            Err(_) => Err(Failure::Timeout { own: true }),
        };
        guest::count_fuel(&store, config);
        drop(store);
        drop(self.slot);
        chain::settle(&self.bound, outcome.as_ref().err());
        outcome.map_err(app_failure)
    }

    /// Tells the operator with which error the script ended. That somebody hung up, or a verb was ended by another, is none.
    fn tell(&self, error: &wit::Error) {
        if matches!(error, wit::Error::HungUp(_) | wit::Error::Cancelled) {
            return;
        }
        let spec = &self.bound.spec;
        let error = for_log(&self.bound.powers, &convert::error_word(error));
        tracing::warn!(
            binding = %spec.name, plugin = %spec.plugin, brand = %spec.scope.brand, call = %self.start.call.call,
            "a call app ended with an error: {error}"
        );
    }

    async fn script(&self, store: &mut Store<Guest>) -> wasmtime::Result<Ended> {
        let Linked::App(pre) = &self.bound.linked else { return Err(wasmtime::Error::msg("no call app")) };
        enter(pre, store, &self.start.call, &self.start.args).await
    }

    /// Keeps what was recorded.
    fn keep(&self, store: &mut Store<Guest>, ended: &Result<wasmtime::Result<Ended>, Elapsed>) {
        let Tape::Recording(take) = core::mem::take(&mut store.data_mut().tape) else { return };
        let outcome = match ended {
            Ok(Ok(ended)) => Some(outcome(ended)),
            Ok(Err(error)) => hook::trapped(chain::failure(error, store.data())),
            Err(_) => None,
        };
        let put = Put::App { call: self.start.call.clone(), args: self.start.args.clone() };
        self.shared.recorder.finish(&self.bound, take, (Some(self.start.call.call), put), outcome);
    }
}

/// What a script returns.
pub(crate) type Ended = Result<Option<u16>, wit::Error>;

/// As a recording keeps it.
pub(crate) fn outcome(ended: &Ended) -> Outcome {
    match ended {
        Ok(status) => Outcome::Said(serde_json::to_value(status).unwrap_or_default()),
        Err(error) => Outcome::Err(serde_json::to_value(error).unwrap_or_default()),
    }
}

/// Instantiates, and runs the script.
pub(crate) async fn enter(
    pre: &CallAppPluginPre<Guest>,
    store: &mut Store<Guest>,
    call: &CallInfo,
    args: &AppArgs,
) -> wasmtime::Result<Ended> {
    let plugin = pre.instantiate_async(&mut *store).await?;
    let script = store.data_mut().script.as_mut();
    let script = script.ok_or_else(|| wasmtime::Error::msg("no script"))?;
    let caller = script.adopt(CALLER, call.clone(), "early")?;
    plugin.strowger_call_app().call_run(store, caller, args).await
}

/// As the call engine hears it.
pub(crate) fn app_failure(failure: Failure) -> AppFailure {
    match failure {
        Failure::Timeout { .. } => AppFailure::Timeout,
        Failure::Saturated => AppFailure::Saturated,
        Failure::Trapped(why) => AppFailure::Trapped(why),
        Failure::Invalid(_) | Failure::Tripped => AppFailure::Trapped(failure.words()),
    }
}
