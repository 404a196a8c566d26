//! The 20 ms tick: everything that plays, is heard, is mixed or presses keys, in one pass.

use crate::conference::ConferenceId;
use crate::engine::Engine;
use crate::output::FRAME;
use crate::player::Player;
use crate::relay::report;
use crate::source::{Source, SourceNo};
use crate::stream::Stream;
use crate::{Event, JobId, MediaTransmit, OwnPacket, PlayError, StreamId};
use core::time::Duration;
use model::{Instant, Prompt};
use std::collections::{BTreeMap, BTreeSet};

/// Time between two frames.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// A late wake-up is caught up with at most so many ticks; what is beyond is skipped, since a burst helps nobody.
const CATCH_UP: usize = 5;
/// Prompts are stored and tones are made at this rate.
pub(crate) const PROMPT_RATE: u32 = 8_000;

/// The streams that tick.
///
/// # Invariants
/// `next` is set exactly while `streams` or `sources` is not empty. A stream is in the list exactly while its `ticks` is
/// set.
#[derive(Default, Debug)]
pub(crate) struct Playout {
    pub(crate) streams: Vec<StreamId>,
    pub(crate) next: Option<Instant>,
    pub(crate) jobs: u32,
    pub(crate) sources: BTreeMap<SourceNo, Source>,
    pub(crate) last_source: SourceNo,
    /// A frame on its way from an ear to a voice.
    frame: Vec<i16>,
}

impl Playout {
    /// Nothing ticks any more, if nothing has work.
    pub(crate) fn rest(&mut self) {
        if self.streams.is_empty() && self.sources.is_empty() {
            self.next = None;
        }
    }
}

impl Engine {
    /// Plays these in order, over and over if `repeat`; replaces what plays, which tells nothing. While something
    /// plays, the party hears it and not its bridge. A party that takes no media now (hold) or has not described
    /// itself yet is played to in silence: time passes, nothing is sent.
    ///
    /// # Errors
    /// A prompt is unknown, or the stream cannot be played to; then what played before goes on.
    pub fn play(&mut self, id: StreamId, prompts: &[Prompt], repeat: bool, now: Instant) -> Result<JobId, PlayError> {
        self.check_voice(id)?;
        let stream = self.ports.get_mut(id).ok_or(PlayError::NoStream)?;
        self.playout.jobs = self.playout.jobs.wrapping_add(1);
        let job = JobId { stream: id, number: self.playout.jobs };
        stream.player = Some(Player::new(job, prompts, &self.config.prompts, repeat)?);
        self.wake(id, now);
        Ok(job)
    }

    /// Whether a stream can be spoken to. One that has not described itself yet may come to be.
    pub(crate) fn check_voice(&mut self, id: StreamId) -> Result<(), PlayError> {
        let codecs = &self.config.codecs;
        let stream = self.ports.get_mut(id).ok_or(PlayError::NoStream)?;
        let can = stream.remote.is_none() || (!stream.is_opaque() && stream.has_voice(codecs.as_ref()));
        if can { Ok(()) } else { Err(PlayError::NoCodec) }
    }

    /// Ends a play without an event; one that is over already is no fault.
    pub fn stop(&mut self, job: JobId) {
        if let Some(stream) = self.ports.get_mut(job.stream) {
            let _ = stream.player.take_if(|p| p.job == job);
        }
        self.settle_ticks(job.stream);
    }

    /// Halts a play, or lets it go on; meanwhile the party hears nothing, and no time is spent on it. One that is over is
    /// no fault.
    pub fn pause(&mut self, job: JobId, on: bool, now: Instant) {
        let Some(player) = self.player_of(job) else { return };
        player.paused = on;
        if on {
            self.settle_ticks(job.stream);
        } else {
            self.wake(job.stream, now);
        }
    }

    /// Lets a play go on from this place of its whole list; behind the end it is over. One that is over already is no
    /// fault.
    pub fn seek(&mut self, job: JobId, to: Duration) {
        if let Some(player) = self.player_of(job) {
            player.seek(to);
        }
    }

    /// How far a play has come; `None` when it is over.
    #[must_use]
    pub fn position(&self, job: JobId) -> Option<Duration> {
        let player = self.ports.get(job.stream)?.player.as_ref().filter(|p| p.job == job)?;
        Some(player.position())
    }

    /// How long the whole list of a play is; `None` when it is over.
    #[must_use]
    pub fn length(&self, job: JobId) -> Option<Duration> {
        let player = self.ports.get(job.stream)?.player.as_ref().filter(|p| p.job == job)?;
        Some(player.length())
    }

    fn player_of(&mut self, job: JobId) -> Option<&mut Player> {
        self.ports.get_mut(job.stream)?.player.as_mut().filter(|p| p.job == job)
    }

    /// Sees to it that a stream ticks.
    pub(crate) fn wake(&mut self, id: StreamId, now: Instant) {
        if let Some(stream) = self.ports.get_mut(id).filter(|s| !s.ticks) {
            stream.ticks = true;
            self.playout.streams.push(id);
            self.playout.next.get_or_insert(now);
        }
    }

    /// Takes a stream without work out of the list.
    pub(crate) fn settle_ticks(&mut self, id: StreamId) {
        match self.ports.get_mut(id) {
            Some(stream) if stream.has_work() => return,
            Some(stream) => stream.ticks = false,
            None => {}
        }
        self.playout.streams.retain(|s| *s != id);
        self.playout.rest();
    }

    /// Every tick that is due.
    pub(crate) fn run_ticks(&mut self, now: Instant) {
        for _ in 0..CATCH_UP {
            match self.playout.next {
                Some(at) if at <= now => self.tick(at),
                Some(_) | None => return,
            }
        }
        if let Some(next) = self.playout.next.as_mut().filter(|next| **next <= now) {
            *next = now + TICK;
        }
    }

    fn tick(&mut self, now: Instant) {
        let mut streams = core::mem::take(&mut self.playout.streams);
        let mut mixed = BTreeSet::new();
        for id in &streams {
            mixed.extend(self.hear(*id, now));
        }
        for conference in mixed {
            self.mix(conference, now);
        }
        self.play_sources(now);
        for id in &streams {
            self.play_frame(*id, now);
            self.fork_speak(*id, now);
            self.press_keys(*id, now);
            self.pass_on(*id, now);
        }
        for id in &streams {
            self.record_tick(*id);
            self.fork_tick(*id);
            self.listen_tick(*id);
        }
        streams.retain(|id| match self.ports.get_mut(*id) {
            Some(stream) => {
                stream.ticks = stream.has_work();
                stream.ticks
            }
            None => false,
        });
        // Whoever was woken meanwhile (a key for the other side) waits for the next tick.
        streams.append(&mut self.playout.streams);
        self.playout.streams = streams;
        self.playout.next = Some(now + TICK);
        self.playout.rest();
    }

    /// Moves an ear on, looks for keys in what it hears, and names the conference that hears it.
    fn hear(&mut self, id: StreamId, now: Instant) -> Option<ConferenceId> {
        let stream = self.ports.get_mut(id)?;
        let ear = stream.ear.as_mut()?;
        ear.tick();
        let key = stream.key_ear.as_mut().and_then(|keys| keys.take_frame(ear.frame(), ear.rate()));
        let conference = stream.conference;
        if let Some(digit) = key {
            stream.stats.digits += u64::from(stream.digits);
            let told = Event::Digit { stream: id, digit, duration: Duration::from_millis(25) };
            self.events.extend(Some(told).filter(|_| stream.digits));
            if let Some(peer) = stream.peer {
                self.queue_key(peer, digit, now);
            }
        }
        conference
    }

    /// The next frame of what plays.
    fn play_frame(&mut self, id: StreamId, now: Instant) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        let opening = stream.is_opening();
        let Some(player) = stream.player.as_mut() else { return };
        // Who cannot hear yet is waited for: the media timeout ends that.
        if player.paused || opening {
            return;
        }
        if !player.is_over() {
            let frame: [i16; FRAME] = player.frame();
            self.speak(id, &frame, PROMPT_RATE, now);
        }
        let Some(stream) = self.ports.get_mut(id) else { return };
        if let Some(ended) = stream.player.take_if(|p| p.is_over()) {
            self.events.push_back(Event::PlayEnded { stream: id, job: ended.job });
        }
    }

    /// What an ear heard, for a peer that takes none of its formats.
    fn pass_on(&mut self, id: StreamId, now: Instant) {
        let mut frame = core::mem::take(&mut self.playout.frame);
        frame.clear();
        let mut to = None;
        let transcoded = |s: &&Stream| s.carried && s.route.decodes() && s.conference.is_none() && !s.echo;
        let stream = self.ports.get(id).filter(transcoded);
        if let Some((ear, peer)) = stream.and_then(|s| s.ear.as_ref().zip(s.peer)) {
            frame.extend_from_slice(ear.frame());
            to = Some((peer, ear.rate()));
        }
        if let Some((peer, rate)) = to.filter(|_| !frame.is_empty()) {
            let free = self.ports.get(peer).is_some_and(|p| !p.is_spoken_to());
            if free {
                self.speak(peer, &frame, rate, now);
            }
        }
        self.playout.frame = frame;
    }

    /// Sends one frame, if the party takes it.
    pub(crate) fn speak(&mut self, id: StreamId, frame: &[i16], rate: u32, now: Instant) {
        self.say(id, frame, rate);
        let transmit = self.encode(id, frame, rate, now);
        self.transmits.extend(transmit);
        if let Some(stream) = self.ports.get_mut(id) {
            self.transmits.extend(report(stream, &self.cname, now));
        }
    }

    /// Lets a recording and a line know what the party is told.
    fn say(&mut self, id: StreamId, frame: &[i16], rate: u32) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        if let Some(recording) = stream.recording.as_mut() {
            recording.say(frame, rate);
        }
        if let Some(line) = stream.fork.as_mut() {
            line.say(frame, rate);
        }
    }

    fn encode(&mut self, id: StreamId, frame: &[i16], rate: u32, now: Instant) -> Option<MediaTransmit> {
        let stream = self.ports.get_mut(id)?;
        let to = stream.destination(now).filter(|_| !stream.is_opaque())?;
        if !stream.has_voice(self.config.codecs.as_ref()) {
            return None;
        }
        stream.output_mut(&mut self.ids);
        let (voice, output) = (stream.voice.as_mut()?, stream.output.as_mut()?);
        let (payload_type, clock) = (voice.payload_type(), voice.clock());
        let payload = voice.encode(frame, rate);
        let header = rtp::write_header(&output.own_frame(payload_type, clock, payload.len(), now));
        let bytes = OwnPacket::new(&header, payload);
        stream.own_packet(to, bytes)
    }

    /// Sends a frame at 8 kHz whose payload was encoded for all who hear the same.
    pub(crate) fn speak_encoded(&mut self, id: StreamId, payload: &[u8], frame: &[i16], now: Instant) {
        self.say(id, frame, PROMPT_RATE);
        let Some(stream) = self.ports.get_mut(id).filter(|s| !s.is_opaque()) else { return };
        let Some(to) = stream.destination(now) else { return };
        stream.output_mut(&mut self.ids);
        let (Some(voice), Some(output)) = (stream.voice.as_ref(), stream.output.as_mut()) else { return };
        let header = output.own_frame(voice.payload_type(), voice.clock(), payload.len(), now);
        let transmit = stream.own_packet(to, OwnPacket::new(&rtp::write_header(&header), payload));
        self.transmits.extend(transmit);
        self.transmits.extend(report(stream, &self.cname, now));
    }
}
