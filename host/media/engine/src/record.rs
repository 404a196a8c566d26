//! Recording a stream: what its party says, both directions mixed, or each on a channel of its own.
//!
//! A recording has one frame per tick, silence included, so that its time is the call's; while it is halted (a card number
//! is being told) it has none. Frames are given out in pieces of half a second: [`Engine::poll_recorded`].

use crate::engine::Engine;
use crate::playout::TICK;
use crate::{Event, PlayError, StreamId};
use core::time::Duration;
use model::{Channels, Instant};
use rtp::listen::is_quiet;
use rtp::resample::Resampler;
use std::collections::VecDeque;

/// Samples per second and channel.
pub const RECORD_RATE: u32 = 8_000;
/// Samples of a frame.
const FRAME: usize = 160;
/// Frames given out at once.
const PIECE: u32 = 25;

/// One recording; never reused by an engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordingId(pub(crate) u64);

impl RecordingId {
    /// Its number in this engine.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// How to record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recordable {
    /// What of it.
    pub channels: Channels,
    /// So long a silence of the party ends it.
    pub silence_end: Option<Duration>,
    /// Its greatest length.
    pub max: Option<Duration>,
}

/// A piece of a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Of which.
    pub recording: RecordingId,
    /// Samples at [`RECORD_RATE`]; of two channels in turns, what the party says first.
    pub samples: Vec<i16>,
}

/// A recording is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordEnd {
    /// Which.
    pub recording: RecordingId,
    /// How long it became.
    pub length: Duration,
}

/// Sound of any rate at one.
#[derive(Debug)]
pub(crate) struct Narrow {
    to: u32,
    resampler: Option<(u32, Resampler)>,
    frame: Vec<i16>,
}

/// At the recording's rate.
impl Default for Narrow {
    fn default() -> Self {
        Narrow::to(RECORD_RATE)
    }
}

impl Narrow {
    /// At this rate.
    pub(crate) const fn to(rate: u32) -> Narrow {
        Narrow { to: rate, resampler: None, frame: Vec::new() }
    }

    /// A frame at its rate, of 20 ms; empty for silence.
    pub(crate) fn of(&mut self, frame: &[i16], rate: u32) -> &[i16] {
        self.frame.clear();
        if rate == self.to || frame.is_empty() {
            self.frame.extend_from_slice(frame);
            return &self.frame;
        }
        if self.resampler.as_ref().is_none_or(|(from, _)| *from != rate) {
            self.resampler = Resampler::new(rate, self.to).map(|r| (rate, r));
        }
        if let Some((_, resampler)) = &mut self.resampler {
            resampler.run(frame, &mut self.frame);
        }
        self.frame.resize(self.to as usize / 50, 0);
        &self.frame
    }

    /// Silence from now on.
    pub(crate) fn clear(&mut self) {
        self.frame.clear();
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.frame.is_empty()
    }

    pub(crate) fn sample(&self, at: usize) -> i16 {
        self.frame.get(at).copied().unwrap_or(0)
    }
}

/// The state of one recording.
#[derive(Debug)]
pub(crate) struct Recording {
    id: RecordingId,
    of: Recordable,
    paused: bool,
    heard: Narrow,
    said: Narrow,
    piece: Vec<i16>,
    ticks: u32,
    quiet: u32,
}

impl Recording {
    /// Both sides of it are recorded.
    pub(crate) const fn wants_both(&self) -> bool {
        !matches!(self.of.channels, Channels::Party)
    }

    /// What the party is told in this tick by the switch.
    pub(crate) fn say(&mut self, frame: &[i16], rate: u32) {
        if self.wants_both() {
            self.said.of(frame, rate);
        }
    }

    /// Adds one frame of each side. Gives why it ends, if it does.
    fn tick(&mut self) -> Option<Ends> {
        if !self.paused {
            for at in 0..FRAME {
                let (heard, said) = (self.heard.sample(at), self.said.sample(at));
                match self.of.channels {
                    Channels::Party => self.piece.push(heard),
                    Channels::Mixed => self.piece.push(heard.saturating_add(said)),
                    Channels::Stereo => self.piece.extend([heard, said]),
                }
            }
            self.ticks += 1;
        }
        self.quiet = if is_quiet(&self.heard.frame) && !self.paused { self.quiet + 1 } else { 0 };
        self.said.frame.clear();
        let over = |limit: Option<Duration>, ticks: u32| limit.is_some_and(|limit| TICK * ticks >= limit);
        if over(self.of.max, self.ticks) {
            Some(Ends::Max)
        } else {
            over(self.of.silence_end, self.quiet).then_some(Ends::Silence)
        }
    }

    fn take(&mut self, out: &mut VecDeque<Recorded>) {
        if !self.piece.is_empty() {
            out.push_back(Recorded { recording: self.id, samples: core::mem::take(&mut self.piece) });
        }
    }

    fn end(mut self: Box<Self>, out: &mut VecDeque<Recorded>) -> RecordEnd {
        self.take(out);
        RecordEnd { recording: self.id, length: TICK * self.ticks }
    }
}

enum Ends {
    Max,
    Silence,
}

impl Engine {
    /// Records a stream from now on, until [`Engine::stop_recording`], one of the ends that `of` names
    /// ([`Event::RecordEnded`]), or until the stream is closed.
    ///
    /// # Errors
    /// It is being recorded already, is closed, or its party speaks nothing that can be decoded.
    pub fn record(&mut self, id: StreamId, of: Recordable, now: Instant) -> Result<RecordingId, PlayError> {
        self.check_voice(id)?;
        let stream = self.ports.get_mut(id).ok_or(PlayError::NoStream)?;
        if stream.recording.is_some() {
            return Err(PlayError::Recorded);
        }
        self.recordings += 1;
        let recording = RecordingId(self.recordings);
        let (heard, said, piece) = (Narrow::default(), Narrow::default(), Vec::new());
        stream.recording =
            Some(Box::new(Recording { id: recording, of, paused: false, heard, said, piece, ticks: 0, quiet: 0 }));
        let peer = stream.peer;
        self.plan_ear(id);
        if self.ports.get(id).is_some_and(|s| s.remote.is_some() && s.ear.is_none()) {
            if let Some(stream) = self.ports.get_mut(id) {
                stream.recording = None;
            }
            return Err(PlayError::NoCodec);
        }
        peer.into_iter().for_each(|peer| self.plan_ear(peer));
        self.wake(id, now);
        Ok(recording)
    }

    /// Halts the recording of a stream, or lets it go on; `false` where there is none.
    pub fn pause_recording(&mut self, id: StreamId, on: bool) -> bool {
        let recording = self.ports.get_mut(id).and_then(|s| s.recording.as_mut());
        recording.map(|r| r.paused = on).is_some()
    }

    /// Ends the recording of a stream; what it has not given out yet is given out by [`Engine::poll_recorded`].
    pub fn stop_recording(&mut self, id: StreamId) -> Option<RecordEnd> {
        let stream = self.ports.get_mut(id)?;
        let recording = stream.recording.take()?;
        let peer = stream.peer;
        let ended = recording.end(&mut self.recorded);
        self.plan_ear(id);
        peer.into_iter().for_each(|peer| self.plan_ear(peer));
        self.settle_ticks(id);
        Some(ended)
    }

    /// A piece of a recording, for whoever writes it.
    pub fn poll_recorded(&mut self) -> Option<Recorded> {
        self.recorded.pop_front()
    }

    /// One tick of a stream's recording, after all that it heard and was told in the tick.
    pub(crate) fn record_tick(&mut self, id: StreamId) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        let Some(mut recording) = stream.recording.take() else { return };
        let (heard, rate) = stream.ear.as_ref().map_or((&[][..], RECORD_RATE), |e| (e.frame(), e.rate()));
        recording.heard.of(heard, rate);
        if stream.echo {
            recording.say(heard, rate);
        }
        // What is relayed as it is was told by nobody here.
        let from_peer =
            stream.peer.filter(|_| !stream.is_spoken_to() && !stream.echo && recording.said.frame.is_empty());
        if let Some(ear) = from_peer.and_then(|peer| self.ports.get(peer)).and_then(|s| s.ear.as_ref()) {
            recording.say(ear.frame(), ear.rate());
        }
        let ends = recording.tick();
        if recording.ticks.is_multiple_of(PIECE) {
            recording.take(&mut self.recorded);
        }
        if let Some(stream) = self.ports.get_mut(id) {
            stream.recording = Some(recording);
        }
        let Some(ends) = ends else { return };
        if let Some(end) = self.stop_recording(id) {
            let by_silence = matches!(ends, Ends::Silence);
            self.events.push_back(Event::RecordEnded { stream: id, end, by_silence });
        }
    }
}
