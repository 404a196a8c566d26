//! Recordings of bindings: begun by an operator, so many questions each, kept in memory and gone after a day or with the
//! process. The file that leaves is text, one JSON document on a line: a head, a take on each line, and a foot with the
//! SHA-256 of all before it.

use crate::binding::Bound;
use crate::hook::Put;
use crate::tape::{Exchange, SECRET, Take, Tape, hush, without_pins};
use crate::{Digest, Point, Reuse};
use bundle::Grants;
use core::fmt::Write as _;
use core::time::Duration;
use model::{BindingId, CallId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

/// Bindings that may be recorded at once.
pub const RECORDINGS_MAX: usize = 16;
/// Questions or calls that one recording may have.
pub const TAKES_MAX: usize = 1_000;
/// What one of them may take, in bytes; one that takes more is left out, and counted.
const TAKE_BYTES_MAX: usize = 1 << 20;
/// How many of them one recording follows at once: what they hold is in memory too.
const TAKES_AT_ONCE: usize = 16;
/// What one recording may take, in bytes; then it is full.
const RECORDING_BYTES_MAX: usize = 16 << 20;
/// How long it is kept after it was begun.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// The form of the file.
const FORM: u32 = 1;

/// What was recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) strowger_recording: u32,
    pub(crate) wit: String,
    pub(crate) binding: String,
    pub(crate) plugin: String,
    pub(crate) point: String,
    pub(crate) digest: String,
    pub(crate) config: Value,
    /// Where secrets stood in it, as JSON Pointers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) config_secrets: BTreeSet<String>,
    pub(crate) grants: Grants,
    /// What the binding does with its instances. What is recorded is asked of fresh ones in any case.
    #[serde(default, skip_serializing_if = "Reuse::is_fresh")]
    pub(crate) reuse: Reuse,
}

/// How it came out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It answered.
    Said(Value),
    /// A business error.
    Err(Value),
    /// It trapped.
    Trapped(String),
}

/// One question and all that came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Taken {
    pub(crate) call: Option<String>,
    pub(crate) asked: Put,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Foot {
    takes: usize,
    sha256: String,
}

/// How much is to be recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// So many questions or calls, 1 to [`TAKES_MAX`].
    pub wanted: usize,
    /// Of so many of a hundred calls, 1 to 100; everything that one call asks is recorded or nothing of it.
    pub percent: u8,
}

/// Why nothing is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordRefusal {
    /// No such binding is live.
    #[error("the binding is not live")]
    NotLive,
    /// There is no place for another.
    #[error("{RECORDINGS_MAX} bindings are recorded already: end one")]
    TooMany,
    /// It could not be kept out of the recording.
    #[error(
        "the binding has a secret of less than six bytes or that is a number, which cannot be told from other text: \
         give it a longer one"
    )]
    ShortSecret,
}

#[derive(Debug)]
struct Reel {
    head: Arc<Head>,
    /// As it was bound when it was begun; nothing else belongs to it. It may go: its code is much memory.
    bound: Weak<Bound>,
    sample: Sample,
    /// Questions so far.
    asked: u32,
    lines: Vec<Arc<str>>,
    bytes: usize,
    left_out: u64,
    begun: Instant,
    /// One more of it for each take that is under way.
    place: Arc<()>,
}

impl Reel {
    fn is_full(&self) -> bool {
        self.lines.len() >= self.sample.wanted || self.bytes >= RECORDING_BYTES_MAX
    }

    /// Whether it is this binding's, in this version with this configuration.
    fn is_of(&self, bound: &Arc<Bound>) -> bool {
        core::ptr::eq(self.bound.as_ptr(), Arc::as_ptr(bound))
    }

    fn head_of(bound: &Bound) -> Head {
        let spec = &bound.spec;
        let mut config = bound.config.clone();
        for place in &spec.config_secrets {
            if let Some(value) = config.pointer_mut(place) {
                *value = Value::from(SECRET);
            }
        }
        hush(&mut config, &bound.powers);
        Head {
            strowger_recording: FORM,
            wit: bundle::WIT_VERSION.to_owned(),
            binding: spec.name.clone(),
            plugin: spec.plugin.clone(),
            point: spec.point.name().to_owned(),
            digest: spec.artifact.digest().to_string(),
            config,
            config_secrets: spec.config_secrets.clone(),
            grants: spec.grants.clone(),
            reuse: spec.reuse,
        }
    }
}

/// How far a recording has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingState {
    /// The version that is recorded, `extensions@0.1.0`.
    pub plugin: String,
    /// Questions or calls kept.
    pub takes: usize,
    /// How many are wanted.
    pub wanted: usize,
    /// What they take, in bytes.
    pub bytes: usize,
    /// Those that were too large, or that ran out of time.
    pub left_out: u64,
    /// Whether nothing more is recorded: it has what was wanted, or the binding has changed since it was begun.
    pub full: bool,
}

/// Every recording of a host.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// Recordings that are not full, as of the last change: nothing else is looked at while there are none.
    open: AtomicUsize,
    reels: Mutex<BTreeMap<BindingId, Reel>>,
}

impl Recorder {
    fn reels(&self) -> MutexGuard<'_, BTreeMap<BindingId, Reel>> {
        let mut reels = self.reels.lock().unwrap_or_else(PoisonError::into_inner);
        reels.retain(|_, reel| reel.begun.elapsed() < KEPT);
        self.open.store(reels.values().filter(|r| !r.is_full()).count(), Ordering::Relaxed);
        reels
    }

    /// Begins anew.
    pub(crate) fn start(&self, bound: &Arc<Bound>, sample: Sample) -> Result<(), RecordRefusal> {
        if bound.powers.knows_a_short_secret() {
            return Err(RecordRefusal::ShortSecret);
        }
        let mut reels = self.reels();
        if reels.len() >= RECORDINGS_MAX && !reels.contains_key(&bound.spec.id) {
            return Err(RecordRefusal::TooMany);
        }
        let reel = Reel {
            head: Arc::new(Reel::head_of(bound)),
            bound: Arc::downgrade(bound),
            sample: Sample { wanted: sample.wanted.clamp(1, TAKES_MAX), percent: sample.percent.clamp(1, 100) },
            asked: 0,
            lines: Vec::new(),
            bytes: 0,
            left_out: 0,
            begun: Instant::now(),
            place: Arc::default(),
        };
        reels.insert(bound.spec.id, reel);
        drop(reels);
        // Counts those that are open anew.
        drop(self.reels());
        Ok(())
    }

    /// Ends a recording, and forgets it.
    pub(crate) fn forget(&self, binding: BindingId) -> bool {
        let had = self.reels().remove(&binding).is_some();
        drop(self.reels());
        had
    }

    /// How far it is; `live` is what is bound now.
    pub(crate) fn state(&self, binding: BindingId, live: Option<&Arc<Bound>>) -> Option<RecordingState> {
        self.reels().get(&binding).map(|reel| RecordingState {
            plugin: reel.head.plugin.clone(),
            takes: reel.lines.len(),
            wanted: reel.sample.wanted,
            bytes: reel.bytes,
            left_out: reel.left_out,
            full: reel.is_full() || !live.is_some_and(|bound| reel.is_of(bound)),
        })
    }

    /// The file.
    pub(crate) fn file(&self, binding: BindingId) -> Option<String> {
        // What is asked meanwhile must not wait for so much text.
        let (head, lines) = self.reels().get(&binding).map(|reel| (Arc::clone(&reel.head), reel.lines.clone()))?;
        let mut out = serde_json::to_string(&*head).ok()? + "\n";
        for line in &lines {
            out.push_str(line);
            out.push('\n');
        }
        let foot = Foot { takes: lines.len(), sha256: Digest::of(out.as_bytes()).to_string() };
        let _ = writeln!(out, "{}", serde_json::to_string(&foot).ok()?);
        Some(out)
    }

    /// What an instance that begins now shall do: it is recorded if its binding is, as it is bound now.
    pub(crate) fn begin(&self, bound: &Arc<Bound>, call: Option<CallId>) -> Tape {
        if self.open.load(Ordering::Relaxed) == 0 {
            return Tape::Off;
        }
        let mut reels = self.reels();
        let reel = reels.get_mut(&bound.spec.id).filter(|reel| !reel.is_full() && reel.is_of(bound));
        let Some(reel) = reel.filter(|reel| Arc::strong_count(&reel.place) <= TAKES_AT_ONCE) else { return Tape::Off };
        reel.asked = reel.asked.wrapping_add(1);
        if !is_of_share(call, reel.asked, reel.sample.percent) {
            return Tape::Off;
        }
        Tape::Recording(Take::new(TAKE_BYTES_MAX, Arc::clone(&reel.place)))
    }

    /// Keeps a take that has ended; without an outcome it ran out of time, and nothing of it could be replayed.
    pub(crate) fn finish(
        &self,
        bound: &Arc<Bound>,
        take: Take,
        asked: (Option<CallId>, Put),
        outcome: Option<Outcome>,
    ) {
        let whole = take.is_whole() && outcome.is_some();
        let (call, asked) = (asked.0.map(|call| call.to_string()), asked.1);
        let outcome = outcome.unwrap_or(Outcome::Said(Value::Null));
        let taken = Taken { call, asked, exchanges: take.exchanges, outcome };
        let Ok(mut value) = serde_json::to_value(taken) else { return };
        hush(&mut value, &bound.powers);
        without_pins(&mut value, &take.pins);
        let line = value.to_string();
        let mut reels = self.reels();
        let reel = reels.get_mut(&bound.spec.id).filter(|reel| !reel.is_full() && reel.is_of(bound));
        let Some(reel) = reel else { return };
        if !whole || line.len() > TAKE_BYTES_MAX {
            reel.left_out += 1;
            return;
        }
        reel.bytes += line.len();
        reel.lines.push(line.into());
    }
}

/// Whether a question is of the share: all that a call asks is, or nothing. Call ids are random; a canary takes its share
/// by other digits of them. Outside calls every so-manieth question is.
fn is_of_share(call: Option<CallId>, asked: u32, percent: u8) -> bool {
    match call {
        Some(call) => (call.0 / 100) % 100 < u128::from(percent),
        None => (asked % 100) * u32::from(percent) % 100 < u32::from(percent),
    }
}

/// Why a file is no recording.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// Something is missing at its end.
    #[error("the recording is cut off: its last line is no foot of a recording")]
    Truncated,
    /// It was changed after the switch wrote it.
    #[error("the recording was changed after the switch wrote it: its SHA-256 is another")]
    Changed,
    /// A line is not what it should be.
    #[error("line {line} of the recording: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// Another version wrote it.
    #[error("the recording was written in form {0}, this version reads form {form}", form = FORM)]
    Form(u32),
    /// It speaks of another contract.
    #[error("the recording is of WIT version {0}, this version speaks {current}", current = bundle::WIT_VERSION)]
    Wit(String),
    /// The component cannot take its place.
    #[error("{0}")]
    Component(String),
}

/// What every form of a head has.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Form {
    strowger_recording: u32,
}

/// A recording that was read from its file.
#[derive(Debug)]
pub struct Recording {
    pub(crate) head: Head,
    pub(crate) point: Point,
    pub(crate) takes: Vec<Taken>,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// [`RecordingError`]: it is cut off, changed, or none.
    pub fn read(text: &str) -> Result<Recording, RecordingError> {
        let body = text.strip_suffix('\n').ok_or(RecordingError::Truncated)?;
        let (body, foot) = body.rsplit_once('\n').ok_or(RecordingError::Truncated)?;
        let foot: Foot = serde_json::from_str(foot).map_err(|_| RecordingError::Truncated)?;
        let whole = text.get(..=body.len()).unwrap_or_default();
        if Digest::of(whole.as_bytes()).to_string() != foot.sha256 {
            return Err(RecordingError::Changed);
        }
        let wrong = |line, reason: String| RecordingError::Line { line, reason };
        let mut lines = body.split('\n');
        let first = lines.next().unwrap_or_default();
        let form: Form = serde_json::from_str(first).map_err(|e| wrong(1, e.to_string()))?;
        if form.strowger_recording != FORM {
            return Err(RecordingError::Form(form.strowger_recording));
        }
        let head: Head = serde_json::from_str(first).map_err(|e| wrong(1, e.to_string()))?;
        if head.wit != bundle::WIT_VERSION {
            return Err(RecordingError::Wit(head.wit));
        }
        let point = Point::from_name(&head.point).ok_or_else(|| wrong(1, format!("no point {:?}", head.point)))?;
        let takes: Vec<Taken> = lines
            .enumerate()
            .map(|(i, line)| serde_json::from_str(line).map_err(|e| wrong(i + 2, e.to_string())))
            .collect::<Result<_, _>>()?;
        if takes.len() != foot.takes {
            return Err(RecordingError::Changed);
        }
        Ok(Recording { head, point, takes })
    }

    /// The version that was recorded, `extensions@0.1.0`.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.head.plugin
    }

    /// What the binding did with its instances. What was recorded was asked of fresh ones in any case, and so it is
    /// replayed: what a warm one remembered is not in it.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        self.head.reuse
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_share;
    use model::CallId;

    #[test]
    fn a_share_is_a_share_and_another_than_a_canarys() {
        for percent in [1, 30, 50, 99, 100] {
            let calls = (0..10_000).filter(|n| is_of_share(Some(CallId(*n)), 0, percent)).count();
            assert_eq!(calls, usize::from(percent) * 100);
            let others = (0..10_000).filter(|n| is_of_share(None, *n, percent)).count();
            assert_eq!(others, usize::from(percent) * 100);
            let of_canary = (0..10_000).filter(|n| n % 100 < 10 && is_of_share(Some(CallId(*n)), 0, percent)).count();
            assert_eq!(of_canary, usize::from(percent) * 10, "as many of a canary's calls as of all");
        }
    }
}
