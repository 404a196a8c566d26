//! Who drives a call now, with the timers that run only then.

use crate::announcing::Announcing;
use crate::hunt::Hunt;
use crate::leg::{Ending, LegNo};
use crate::proving::Proving;
use crate::proxying::Proxying;
use crate::summon::Summoning;
use core::time::Duration;
use media::JobId;
use model::{AccountId, AppArgs, AppId, CollectSpec, Instant, LegRole, PlaybackSpec, RequestId, Ticket};

/// What drives a call.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The plugin chain was asked.
    Deciding(Deciding),
    /// A ring plan is being carried out.
    Hunting(Hunt),
    /// Two parties talk.
    Bridged(Bridge),
    /// The parties have a dialog of their own, which passes here.
    Proxied(Proxying),
    /// A call app drives it.
    App(AppRun),
    /// One party waits in a slot to be taken back.
    Parked(Parked),
    /// The switch calls for an account: its phones ring, or it hears that the call failed.
    Summoning(Summoning),
    /// The caller hears an announcement before the call goes on.
    Announcing(Announcing),
    /// Every leg has ended; the engine forgets the call at the end of the step.
    Over,
}

impl Stage {
    /// The next moment at which this stage wants to act by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Stage::Deciding(d) => Some(d.until),
            Stage::Hunting(h) => h.ring_until,
            Stage::Bridged(b) => b.until,
            Stage::Proxied(p) => p.deadline(),
            Stage::App(run) => run.deadline(),
            Stage::Parked(p) => Some(p.until),
            Stage::Summoning(s) => Some(s.until()),
            Stage::Announcing(a) => Some(a.until),
            Stage::Over => None,
        }
    }
}

/// A party waits in a slot.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) leg: LegNo,
    pub(crate) slot: String,
    /// Then the parker is called back, and after that the call ends.
    pub(crate) until: Instant,
    /// Who parked it, and goes on paying for it.
    pub(crate) parker: AccountId,
    /// Which side the parker was.
    pub(crate) role: LegRole,
    pub(crate) since: Instant,
}

/// A question is out.
#[derive(Debug)]
pub(crate) struct Deciding {
    pub(crate) ticket: Ticket,
    /// Then the default verdict stands.
    pub(crate) until: Instant,
    /// What is asked is not the chain, but whether somebody vouches for the caller.
    pub(crate) proving: Option<Proving>,
}

/// Two legs hear each other.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) a: LegNo,
    pub(crate) b: LegNo,
    pub(crate) since: Instant,
    /// Then the call ends for its length.
    pub(crate) until: Option<Instant>,
}

impl Bridge {
    /// The other leg.
    pub(crate) fn other(&self, leg: LegNo) -> LegNo {
        if leg == self.a { self.b } else { self.a }
    }

    pub(crate) fn joins(&self, leg: LegNo) -> bool {
        leg == self.a || leg == self.b
    }

    /// Another leg takes one's place.
    pub(crate) fn replace(&mut self, old: LegNo, new: LegNo) {
        if self.a == old {
            self.a = new;
        } else {
            self.b = new;
        }
    }
}

/// A call app runs.
#[derive(Debug)]
pub(crate) struct AppRun {
    pub(crate) app: AppId,
    pub(crate) name: String,
    /// The verb that waits; the script is single-threaded, so there is one at most.
    pub(crate) pending: Option<(RequestId, Waiting)>,
    /// Set when no leg is left: then the instance is dropped.
    pub(crate) stop_at: Option<Instant>,
    /// When it was started.
    pub(crate) since: Instant,
    /// What it was started with.
    pub(crate) args: AppArgs,
    /// It failed and was started again: the next failure counts.
    pub(crate) restarted: bool,
    /// Its script has failed and is gone, and the caller hears so.
    pub(crate) apology: Option<Apology>,
}

/// The caller hears that an app has failed.
#[derive(Debug)]
pub(crate) struct Apology {
    pub(crate) job: JobId,
    /// The prompt has ended by then.
    pub(crate) until: Instant,
    /// How the call ends without a fallback.
    pub(crate) ending: Ending,
    /// Whom it goes on to.
    pub(crate) fallback: Option<String>,
}

impl AppRun {
    fn deadline(&self) -> Option<Instant> {
        let verb = self.pending.as_ref().and_then(|(_, w)| w.deadline());
        let apology = self.apology.as_ref().map(|apology| apology.until);
        [verb, self.stop_at, apology].into_iter().flatten().min()
    }
}

/// What a parked verb waits for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The caller's ACK.
    Answer {
        /// The leg.
        leg: LegNo,
    },
    /// The end of the prompts, or a digit of `stop_on`.
    Play {
        /// The leg.
        leg: LegNo,
        /// The media job.
        job: JobId,
        /// The digits that stop it.
        stop_on: String,
    },
    /// Digits.
    Collect(Collecting),
    /// The end of an echo.
    Echo {
        /// The leg.
        leg: LegNo,
        /// Its longest time.
        until: Instant,
    },
    /// A leg that answers.
    Dial(Dialling),
    /// The end of a bridge.
    Bridge(Bridge),
    /// Time.
    Sleep {
        /// The end.
        until: Instant,
    },
    /// The end of a list, which its party may steer.
    Playback(Playing),
    /// The last key.
    Press {
        /// The leg.
        leg: LegNo,
    },
    /// The end of a recording.
    Record {
        /// The leg.
        leg: LegNo,
        /// The digits that end it.
        stop_on: String,
    },
    /// A sound.
    Listen {
        /// The leg.
        leg: LegNo,
        /// Its longest time.
        until: Instant,
    },
    /// The end of a leg's line to a WebSocket.
    Fork {
        /// The leg.
        leg: LegNo,
        /// The digits that give the script the floor.
        stop_on: String,
        /// Its longest time.
        until: Instant,
    },
    /// The end of a leg's time in a room.
    Confer {
        /// The leg.
        leg: LegNo,
        /// The digits that give the script the floor.
        stop_on: String,
        /// Its longest time.
        until: Instant,
    },
}

impl Waiting {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Waiting::Answer { .. } | Waiting::Play { .. } | Waiting::Press { .. } | Waiting::Record { .. } => None,
            Waiting::Collect(c) => c.until,
            Waiting::Playback(p) => Some(p.until),
            Waiting::Echo { until, .. }
            | Waiting::Sleep { until }
            | Waiting::Listen { until, .. }
            | Waiting::Fork { until, .. }
            | Waiting::Confer { until, .. } => Some(*until),
            Waiting::Dial(d) => d.hunt.ring_until,
            Waiting::Bridge(b) => b.until,
        }
    }

    /// The one leg that it is about; a dial, a bridge and time are about none or more.
    pub(crate) fn about(&self) -> Option<LegNo> {
        match self {
            Waiting::Answer { leg }
            | Waiting::Play { leg, .. }
            | Waiting::Echo { leg, .. }
            | Waiting::Press { leg }
            | Waiting::Record { leg, .. }
            | Waiting::Listen { leg, .. }
            | Waiting::Fork { leg, .. }
            | Waiting::Confer { leg, .. } => Some(*leg),
            Waiting::Collect(c) => Some(c.leg),
            Waiting::Playback(p) => Some(p.leg),
            Waiting::Dial(_) | Waiting::Bridge(_) | Waiting::Sleep { .. } => None,
        }
    }
}

/// A list plays, and its party may steer it.
#[derive(Debug)]
pub(crate) struct Playing {
    pub(crate) leg: LegNo,
    pub(crate) job: JobId,
    pub(crate) spec: PlaybackSpec,
    pub(crate) length: Duration,
    pub(crate) paused: bool,
    pub(crate) until: Instant,
}

/// Digits are being collected.
#[derive(Debug)]
pub(crate) struct Collecting {
    pub(crate) leg: LegNo,
    pub(crate) spec: CollectSpec,
    pub(crate) digits: String,
    /// The prompt that still plays.
    pub(crate) job: Option<JobId>,
    /// First-digit or inter-digit timer; off while the prompt plays.
    pub(crate) until: Option<Instant>,
}

impl Collecting {
    pub(crate) fn wait(&mut self, how_long: Duration, now: Instant) {
        self.until = Some(now + how_long);
    }
}

/// A dial verb rings somebody.
#[derive(Debug)]
pub(crate) struct Dialling {
    pub(crate) parent: LegNo,
    pub(crate) hunt: Hunt,
    /// The ringback the parent hears.
    pub(crate) ringback: Option<JobId>,
}
