//! Replay: a recording's questions are asked again, of the same component or another, and each import answers what it
//! answered then. Nothing real is reached: where a component asks what the recording has not, it is stopped there.

use crate::artifact::Linked;
use crate::binding::{Bound, Lasting};
use crate::capability::{Powers, Purse};
use crate::chain::failure;
use crate::control::{Line, Script};
use crate::guest::{self, Guest, Seat};
use crate::hook::{self, Put};
use crate::host::Host;
use crate::recorder::{Outcome, RecordingError, Taken};
use crate::script;
use crate::tape::{Replay, Tape, difference, hush};
use crate::tiers::Heavy;
use crate::{Artifact, BindingSpec, Point, Recording, Reuse, Scope, Secret};
use model::{AppId, BindingId, BrandId, CompanyId, Directory};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How one question of a recording came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// Its call.
    pub call: Option<String>,
    /// What was asked: `route`, `app`.
    pub asked: &'static str,
    /// The first difference; none where everything was the same.
    pub difference: Option<String>,
}

impl Host {
    /// Asks a recording's questions again, in order. Of a secret that is not in `secrets` the component is told
    /// `[secret]`; one of its configuration is there by its place, as `/pin`.
    ///
    /// # Errors
    /// [`RecordingError::Component`]: the component cannot take the recorded one's place.
    pub async fn replay(
        &self,
        recording: &Recording,
        artifact: &Arc<Artifact>,
        secrets: BTreeMap<String, Secret>,
    ) -> Result<Vec<Replayed>, RecordingError> {
        let bound = self.bound_again(recording, artifact, secrets)?;
        let mut out = Vec::new();
        for taken in &recording.takes {
            let difference = self.again(&bound, taken).await;
            out.push(Replayed { call: taken.call.clone(), asked: taken.asked.word(), difference });
        }
        Ok(out)
    }

    /// The component, bound as the recorded one was.
    fn bound_again(
        &self,
        recording: &Recording,
        artifact: &Arc<Artifact>,
        secrets: BTreeMap<String, Secret>,
    ) -> Result<Arc<Bound>, RecordingError> {
        let head = &recording.head;
        let point = match recording.point {
            // A candidate may begin to wait, or cease to.
            Point::Router | Point::RouterIo => {
                [Point::Router, Point::RouterIo].into_iter().find(|p| artifact.points().contains(p))
            }
            Point::App | Point::Registration | Point::Feature | Point::EventSink | Point::SipFilter | Point::Rater => {
                Some(recording.point).filter(|p| artifact.points().contains(p))
            }
        };
        let point = point.ok_or_else(|| {
            RecordingError::Component(format!(
                "the recording is of {}, which this component does not serve",
                head.point
            ))
        })?;
        let mut config = head.config.clone();
        for place in &head.config_secrets {
            if let (Some(value), Some(own)) = (config.pointer_mut(place), secrets.get(place)) {
                *value = Value::from(own.reveal());
            }
        }
        let spec = BindingSpec {
            id: BindingId(0),
            name: head.binding.clone(),
            scope: Scope { brand: BrandId(0), company: None, account: None },
            point,
            priority: 0,
            plugin: head.plugin.clone(),
            artifact: Arc::clone(artifact),
            config_json: config.to_string(),
            config_secrets: head.config_secrets.clone(),
            grants: head.grants.clone(),
            secrets,
            codes: BTreeSet::new(),
            mandatory: false,
            recourse: model::Recourse::default(),
            reuse: Reuse::Fresh,
            trial: None,
        };
        let bound = Bound::new(spec, &self.shared().config, Lasting::default());
        bound.map(Arc::new).map_err(|e| RecordingError::Component(e.to_string()))
    }

    /// Asks one question again; gives the first difference.
    async fn again(&self, bound: &Arc<Bound>, taken: &Taken) -> Option<String> {
        let shared = self.shared();
        let heavy = Heavy::default();
        let directory = Arc::new(Directory::default());
        let is_hook = bound.spec.point.is_hook();
        let is_app = matches!(taken.asked, Put::App { .. });
        let script = || {
            // Nobody listens: a verb that the recording has not is answered by nobody.
            let (nobody, _) = tokio::sync::mpsc::unbounded_channel();
            let line = Arc::new(Line::new(AppId(0), nobody));
            Script::new(
                line,
                Arc::clone(&shared.limits),
                shared.config.app_verbs_max,
                (None, None),
                shared.forks.clone(),
            )
        };
        let seat = Seat {
            bound,
            directory: &directory,
            brand: BrandId(0),
            company: CompanyId(0),
            call: taken.call.as_ref().and_then(|call| call.parse().ok()),
            script: is_app.then(script),
            purse: Purse::None,
            cpu: if is_hook { shared.config.hook_cpu } else { shared.config.app_cpu },
            heavy: &heavy,
            tape: Tape::Replaying(Replay::new(taken.exchanges.clone())),
        };
        let engine = if is_hook { &shared.hooks } else { &shared.apps };
        let mut store = guest::store(engine, seat, &shared.config, &shared.ticker);
        let entered = enter(&bound.linked, &mut store, &taken.asked).await;
        let outcome = match entered {
            Ok(outcome) => outcome,
            Err(error) => {
                let failure = failure(&error, store.data());
                let words = failure.words();
                hook::trapped(failure).unwrap_or(Outcome::Trapped(words))
            }
        };
        match core::mem::take(&mut store.data_mut().tape) {
            Tape::Strayed(how) => Some(how),
            Tape::Replaying(replay) => compare(&taken.outcome, outcome, &bound.powers).or_else(|| replay.missing()),
            Tape::Off | Tape::Recording(_) => Some("it was not replayed".to_owned()),
        }
    }
}

async fn enter(linked: &Linked, store: &mut wasmtime::Store<Guest>, put: &Put) -> wasmtime::Result<Outcome> {
    if let (Linked::App(pre), Put::App { call, args }) = (linked, put) {
        let ended = script::enter(pre, store, call, args).await?;
        return Ok(script::outcome(&ended));
    }
    Ok(hook::outcome(&hook::enter(linked, store, put).await?))
}

fn compare(was: &Outcome, is: Outcome, powers: &Powers) -> Option<String> {
    let of = |outcome: &Outcome| serde_json::to_value(outcome).unwrap_or(Value::Null);
    let mut is = of(&is);
    hush(&mut is, powers);
    difference(&of(was), &is).map(|how| format!("answer {how}"))
}
