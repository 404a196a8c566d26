//! What the API asks of the running switch: a small trait, so that tests need no socket.

use bundle::Fault;
use core::future::Future;
use core::net::IpAddr;
use core::pin::Pin;
use model::{
    AppError, Ban, BindingId, BoxOwner, BoxReply, BoxVerb, BrandId, CallId, CallSnapshot, Cause, Charge, CompanyId,
    Instant, Mailbox, Summons, TapeAct, TapeRefusal, TrunkStatus,
};
use shell::{LifecycleError, Registration};
use std::sync::Arc;
use store::UsedMailHost;

/// A boxed future, so that the trait can stand behind a pointer.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a component makes of another version's configuration, or why it has not said.
pub type Migrated = Result<Option<Result<String, Vec<Fault>>>, LifecycleError>;

/// The switch does not answer: it is stopping, or has stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the switch is stopping")]
pub struct Gone;

/// A component that the plugin host has checked and compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Component {
    /// SHA-256 of its bytes, in hex.
    pub digest: String,
    /// The points it serves: `routing/router`, `call/app`.
    pub points: Vec<String>,
    /// Whether it says something about its own configuration.
    pub lifecycle: bool,
}

/// Why a mail host was not tried, or what it said.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MailTrialError {
    /// This host was tried too often.
    #[error("this mail host was tried too often")]
    TooOften,
    /// The host did not take the mail, in its words.
    #[error("{0}")]
    Refused(String),
}

/// How a version on trial does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trial {
    /// Whether it did worse and is asked no more.
    pub rolled_back: bool,
    /// Calls it was asked about.
    pub calls: u64,
    /// Of those, how many ended in a trap, a timeout or a broken rule.
    pub failures: u64,
    /// Of a shadow: answers that were the same.
    pub same: u64,
    /// Answers that were not.
    pub different: u64,
    /// The last of them, as `CALL: SERVED | SHADOW`.
    pub differences: Vec<String>,
}

/// What a leg is asked the price of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Priced {
    /// The tenant's brand.
    pub brand: BrandId,
    /// The tenant.
    pub company: CompanyId,
    /// The number as it is inside.
    pub number: String,
    /// The trunk, where the price depends on it.
    pub trunk: Option<String>,
    /// When it is answered.
    pub at: Instant,
    /// How long it lasts, in milliseconds.
    pub billed_ms: u64,
}

/// The running switch.
pub trait Switch: Send + Sync + 'static {
    /// The calls that are up.
    fn calls(&self) -> Asked<'_, Result<Vec<CallSnapshot>, Gone>>;
    /// Ends a call; whether there was one.
    fn hangup(&self, call: CallId) -> Asked<'_, Result<bool, Gone>>;
    /// Makes a call for an account; within, why nothing rings.
    fn summon(&self, wanted: Summons) -> Asked<'_, Result<Result<CallId, Cause>, Gone>>;
    /// Does something about a call's recordings; within, why it was not done.
    fn tape(&self, call: CallId, leg: u16, act: TapeAct) -> Asked<'_, Result<Result<(), TapeRefusal>, Gone>>;
    /// Where the recordings are.
    fn recordings(&self) -> shell::Archive;
    /// Where faxes are kept, and how many may wait.
    fn fax_room(&self) -> shell::FaxRoom;
    /// A fax was queued.
    fn fax_queued(&self);
    /// What waits in a mailbox, whole.
    fn mailbox(&self, mailbox: Mailbox) -> Asked<'_, Result<(), Gone>>;
    /// Asks something of a voice mailbox.
    fn voice_box(&self, whose: BoxOwner, verb: BoxVerb) -> Asked<'_, Result<BoxReply, AppError>>;
    /// Sends a mail to an address at once by this mail host.
    fn try_mail(&self, host: UsedMailHost, to: String) -> Asked<'_, Result<(), MailTrialError>>;
    /// Every contact registered now.
    fn registrations(&self) -> Asked<'_, Result<Vec<Registration>, Gone>>;
    /// How every trunk is.
    fn trunks(&self) -> Asked<'_, Result<Vec<TrunkStatus>, Gone>>;
    /// The sources that are not listened to.
    fn bans(&self) -> Asked<'_, Result<Vec<Ban>, Gone>>;
    /// Listens to a source again; whether it was banned.
    fn unban(&self, source: IpAddr) -> Asked<'_, Result<bool, Gone>>;
    /// Checks and compiles a component; a refusal is in words for the plugin's author.
    fn check(&self, component: Vec<u8>) -> Asked<'_, Result<Component, String>>;
    /// Asks a component whether a configuration can be worked with: what is wrong, or nothing.
    fn validate_config(&self, component: Vec<u8>, json: String) -> Asked<'_, Result<Vec<Fault>, LifecycleError>>;
    /// Asks a component for the configuration of its other `version` as it wants it; within, what is wrong. `None` of one
    /// that says nothing about configurations.
    fn migrate_config(&self, component: Vec<u8>, version: String, json: String) -> Asked<'_, Migrated>;
    /// Returns when everything the store holds now (directory and bindings) is live in every shard, or says why not.
    fn live(&self) -> Asked<'_, Result<(), String>>;
    /// What a leg would cost, by the rater that would be asked about it; or why nobody knows, in words.
    fn quote(&self, priced: Priced) -> Asked<'_, Result<Charge, String>>;
    /// How a binding's version on trial does; `None` where there is none.
    fn trial(&self, binding: BindingId) -> Option<Trial>;
    /// How a binding does now; `None` where the switch does not run it.
    fn binding(&self, binding: BindingId) -> Option<shell::BindingState>;
    /// The last log lines of a binding; `None` where the switch does not run it.
    fn binding_log(&self, binding: BindingId) -> Option<Arc<shell::GuestLog>>;
    /// Begins to record what a binding's plugin is asked and told.
    ///
    /// # Errors
    /// Why nothing is recorded.
    fn record_plugin(&self, binding: BindingId, sample: shell::Sample) -> Result<(), shell::RecordRefusal>;
    /// How far such a recording has come.
    fn plugin_recording(&self, binding: BindingId) -> Option<shell::RecordingState>;
    /// Such a recording as a file.
    fn plugin_recording_file(&self, binding: BindingId) -> Option<String>;
    /// Ends such a recording, and forgets it; whether there was one.
    fn forget_plugin_recording(&self, binding: BindingId) -> bool;
    /// Why the switch takes no calls; empty = ready.
    fn unready(&self) -> Vec<String>;
    /// What is wrong although calls are taken.
    fn warnings(&self) -> Vec<String>;
    /// The counters, in the Prometheus text format.
    fn metrics(&self) -> String;
    /// What happens now.
    fn events(&self) -> &shell::LiveEvents;
    /// The switch's clock.
    fn now(&self) -> Instant;
}
