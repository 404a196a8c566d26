//! The one type the shell talks to.

use crate::{Artifact, ArtifactError, BindError, BindingSpec, Digest, HostConfig, HostError, HostMetrics};
use model::{
    Answer, AppError, AppFailure, AppId, AppOutcome, AppReply, AppStart, AppVerb, Directory, Question, RequestId,
};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// What a running call app tells the shell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AppMessage {
    /// It asks for a verb and waits for [`Host::app_reply`].
    Request {
        /// The app.
        app: AppId,
        /// Names the verb; the reply carries it back.
        request: RequestId,
        /// The verb.
        verb: AppVerb,
    },
    /// It ended by itself or failed; the last message of an app. Never sent after [`Host::app_stop`].
    Ended {
        /// The app.
        app: AppId,
        /// How.
        outcome: Result<AppOutcome, AppFailure>,
    },
}

/// The plugin host of a process. Cheap to clone; every method may be called from any thread.
#[derive(Clone, Debug)]
pub struct Host;

impl Host {
    /// Starts the engines, their threads and the clock that interrupts guests.
    ///
    /// # Errors
    /// [`HostError`] when the machine cannot carry them.
    pub fn new(_config: HostConfig) -> Result<Host, HostError> {
        Ok(Host)
    }

    /// Checks and compiles a component. CPU work (30 ms for Rust, seconds for Python): call it from a blocking thread.
    /// The same bytes give the same artifact for as long as it is kept.
    ///
    /// # Errors
    /// [`ArtifactError`] in words for the plugin's author.
    pub fn compile(&self, _bytes: &[u8]) -> Result<Arc<Artifact>, ArtifactError> {
        Err(ArtifactError::NotAComponent(String::new()))
    }

    /// The compiled artifact of this digest, if it is still kept: bound, in use, or among the last three of a binding.
    #[must_use]
    pub fn artifact(&self, _digest: Digest) -> Option<Arc<Artifact>> {
        None
    }

    /// Replaces the whole set of bindings in one step. Running asks and apps end with what they began with.
    ///
    /// # Errors
    /// [`BindError`]: nothing was changed.
    pub fn set_bindings(&self, _bindings: Vec<BindingSpec>) -> Result<(), BindError> {
        Ok(())
    }

    /// Asks the routing chain. Always answers, within nine tenths of `Limits::route_deadline_ms`.
    pub async fn ask(&self, _question: Question, _directory: Arc<Directory>) -> Answer {
        core::future::ready(()).await;
        Answer { decision: None, failed: false, attrs: Vec::new(), hooks: Vec::new() }
    }

    /// Starts a call app; everything it says comes by `requests`, last [`AppMessage::Ended`].
    pub fn start_app(
        &self,
        app: AppId,
        _start: AppStart,
        _directory: Arc<Directory>,
        requests: UnboundedSender<AppMessage>,
    ) {
        let _ = requests.send(AppMessage::Ended { app, outcome: Err(AppFailure::NotBound) });
    }

    /// Gives a waiting app the result of its verb; a stale one is dropped and counted.
    pub fn app_reply(&self, _app: AppId, _request: RequestId, _result: Result<AppReply, AppError>) {}

    /// Drops the instance now, wherever it is. It says nothing more.
    pub fn app_stop(&self, _app: AppId) {}

    /// Instances alive now, by component.
    #[must_use]
    pub fn live_instances(&self) -> Vec<(Digest, u64)> {
        Vec::new()
    }

    /// Every counter.
    #[must_use]
    pub fn metrics(&self) -> HostMetrics {
        HostMetrics::default()
    }
}
