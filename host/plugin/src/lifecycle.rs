//! What a component says about its own configuration (`strowger:host/lifecycle`): asked in an instance of its own, to which
//! nothing is linked but the log. Sync, for there is nothing to wait for; call it from a thread that may block.

use crate::artifact::Artifact;
use crate::bindings::lifecycle::exports::strowger::host::lifecycle as wit;
use crate::bindings::lifecycle::{LifecyclePlugin, LifecyclePluginPre};
use crate::bindings::router::strowger::host::log::{self, Host as LogHost, Level};
use crate::bindings::router::strowger::types::types;
use crate::compiler::words;
use crate::engine::{LIFECYCLES_MAX, fuel, instance_limits};
use crate::host::Host;
use crate::ticker::TICK;
use crate::{ArtifactError, HostConfig};
use bundle::Fault;
use std::sync::atomic::{AtomicU32, Ordering};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Store, StoreLimits, Trap};

/// The interface, without its version.
pub(crate) const LIFECYCLE: &str = "host/lifecycle";
/// Faults of one answer that are told.
const FAULTS_MAX: usize = 20;
/// Longest text of a fault, in characters.
const WHY_MAX: usize = 200;
/// Longest place of a fault, in bytes.
const AT_MAX: usize = 256;

/// Why a plugin has not said what it thinks of a configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The document is larger than [`HostConfig::config_bytes_max`].
    #[error("the configuration has {bytes} bytes; at most {max} are given to a plugin")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Others are being asked; the same question may be asked again.
    #[error("too many plugins are asked about their configurations at once; try again")]
    Busy,
    /// It took more than [`HostConfig::lifecycle_cpu`].
    #[error("its `{0}` took too long")]
    TooLong(&'static str),
    /// It trapped, asked for what it may not have, or gave more than it may.
    #[error("its `{question}` failed: {why}")]
    Failed {
        /// What was asked.
        question: &'static str,
        /// The engine's words, or its own.
        why: String,
    },
}

/// What an instance holds that knows nothing.
struct Pure {
    limits: StoreLimits,
    /// The last that it wrote: a panic's words.
    wrote: String,
}

impl LogHost for Pure {
    fn write(&mut self, _: Level, message: String, _: Vec<types::Attr>) {
        self.wrote = message.chars().take(WHY_MAX).collect();
    }
}

/// A place among those that are asked at once.
struct Turn<'a>(&'a AtomicU32);

impl<'a> Turn<'a> {
    fn take(asked: &'a AtomicU32) -> Option<Turn<'a>> {
        let place = |n: u32| (n < LIFECYCLES_MAX).then_some(n + 1);
        asked.fetch_update(Ordering::AcqRel, Ordering::Acquire, place).ok().map(|_| Turn(asked))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Links a component for these questions alone.
fn linked(component: &Component) -> wasmtime::Result<InstancePre<Pure>> {
    let mut linker: Linker<Pure> = Linker::new(component.engine());
    log::add_to_linker::<Pure, HasSelf<Pure>>(&mut linker, |pure| pure)?;
    linker.define_unknown_imports_as_traps(component)?;
    linker.instantiate_pre(component)
}

/// Whether a component's interface has this switch's types.
pub(crate) fn check(component: &Component) -> Result<(), ArtifactError> {
    let checked = linked(component).and_then(|pre| crate::shape::check_lifecycle(&pre));
    checked.map_err(|error| ArtifactError::Lifecycle { reason: words(&error) })
}

impl Host {
    /// Asks a component whether a configuration can be worked with; what is wrong, or nothing. One that does not export the
    /// interface finds nothing. Blocks for as long as [`HostConfig::lifecycle_cpu`].
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub fn validate_config(&self, artifact: &Artifact, json: &str) -> Result<Vec<Fault>, LifecycleError> {
        let asked = self.about_config(artifact, "validate-config", json, |plugin, store| {
            plugin.strowger_host_lifecycle().call_validate_config(store, json)
        });
        Ok(asked?.and_then(Result::err).map(shown).unwrap_or_default())
    }

    /// Asks a component for the configuration of another version of it as it wants it; within, what is wrong. `None` of one
    /// that does not export the interface. Blocks for as long as [`HostConfig::lifecycle_cpu`].
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub fn migrate_config(
        &self,
        artifact: &Artifact,
        version: &str,
        json: &str,
    ) -> Result<Option<Result<String, Vec<Fault>>>, LifecycleError> {
        let asked = self.about_config(artifact, "migrate-config", json, |plugin, store| {
            plugin.strowger_host_lifecycle().call_migrate_config(store, version, json)
        });
        Ok(asked?.map(|said| said.map_err(shown)))
    }

    fn about_config<T>(
        &self,
        artifact: &Artifact,
        question: &'static str,
        json: &str,
        ask: impl FnOnce(&LifecyclePlugin, &mut Store<Pure>) -> wasmtime::Result<T>,
    ) -> Result<Option<T>, LifecycleError> {
        let Some(component) = artifact.lifecycle() else { return Ok(None) };
        let shared = self.shared();
        let HostConfig { config_bytes_max: max, .. } = shared.config;
        if json.len() > max {
            return Err(LifecycleError::TooLarge { bytes: json.len(), max });
        }
        let Some(_turn) = Turn::take(&shared.lifecycles) else { return Err(LifecycleError::Busy) };
        let mut store = store(component, &shared.config);
        let _running = shared.ticker.run();
        let pre = linked(component).and_then(LifecyclePluginPre::new);
        let said = pre.and_then(|pre| pre.instantiate(&mut store)).and_then(|plugin| ask(&plugin, &mut store));
        said.map(Some).map_err(|error| {
            if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) {
                return LifecycleError::TooLong(question);
            }
            let (why, wrote) = (error.root_cause().to_string(), core::mem::take(&mut store.data_mut().wrote));
            let why = if wrote.is_empty() { why } else { format!("{why}: {wrote}") };
            LifecycleError::Failed { question, why: why.chars().take(2 * WHY_MAX).collect() }
        })
    }
}

fn store(component: &Component, config: &HostConfig) -> Store<Pure> {
    let limits = instance_limits(config);
    let mut store = Store::new(component.engine(), Pure { limits, wrote: String::new() });
    store.limiter(|pure| &mut pure.limits);
    store.set_hostcall_fuel(config.config_bytes_max);
    let epochs = config.lifecycle_cpu.as_nanos() / TICK.as_nanos();
    store.epoch_deadline_trap();
    store.set_epoch_deadline(u64::try_from(epochs).unwrap_or(u64::MAX).max(1));
    fuel(&mut store, config);
    store
}

/// Faults as they are told: so many, so long, at places that can be places.
fn shown(faults: Vec<wit::Fault>) -> Vec<Fault> {
    let place = |at: &String| at.is_empty() || (at.starts_with('/') && at.len() <= AT_MAX);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let fault = |fault: wit::Fault| Fault {
        at: Some(fault.at).filter(place).unwrap_or_default().chars().map(plain).collect(),
        why: fault.why.chars().take(WHY_MAX).map(plain).collect(),
    };
    let shown: Vec<Fault> = faults.into_iter().take(FAULTS_MAX).map(fault).collect();
    // A refusal without a reason is one.
    let nothing = || vec![Fault { at: String::new(), why: "the plugin refuses it without a word".to_owned() }];
    if shown.is_empty() { nothing() } else { shown }
}
