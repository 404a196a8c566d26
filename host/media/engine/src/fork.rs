//! A stream's line to another end that is no phone: what is heard of the leg goes there frame by frame, what comes back is
//! spoken to the party. The other end is somewhere on the network, so what comes has a jitter buffer of its own: nothing is
//! said until [`LEAD`] of it is there or it has waited that long, and at most [`AHEAD_MAX`] is kept.

use crate::engine::Engine;
use crate::playout::TICK;
use crate::record::Narrow;
use crate::{Event, PlayError, StreamId};
use core::time::Duration;
use model::{Channels, ForkEnd, ForkId, ForkIn, ForkOut, ForkSpec, Instant};
use std::collections::VecDeque;

/// What is gathered before it is said, in ticks: 60 ms.
const LEAD: usize = 3;
/// The same for a fax machine, which no gap may part from the other one: 200 ms.
const LEAD_OF_FAX: usize = 10;
/// How far ahead the other end may speak; what is beyond is not taken.
pub const AHEAD_MAX: Duration = Duration::from_secs(60);
/// Most words for the other ends of lines that wait; no datagram is added to so many.
const DATAGRAMS_MAX: usize = 10_000;
/// Most marks that wait; one more is told back at once.
const MARKS_MAX: usize = 1_000;

/// What the other end said and the party has not heard yet.
///
/// # Invariants
/// `marks` are in order of their places, and none is behind `heard`. `samples` holds at most [`AHEAD_MAX`].
#[derive(Debug, Default)]
struct Speech {
    samples: VecDeque<i16>,
    /// The place in all that ever came, and the name.
    marks: VecDeque<(u64, String)>,
    /// Samples taken from `samples` so far: heard, or cleared.
    heard: u64,
    /// It is being said.
    runs: bool,
    /// Ticks that its beginning has waited.
    waited: usize,
    frame: Vec<i16>,
}

impl Speech {
    /// Takes what there is room for; gives how many samples there was none for.
    fn push(&mut self, samples: &[i16], rate: u32) -> usize {
        let room = (AHEAD_MAX.as_secs() as usize * rate as usize).saturating_sub(self.samples.len());
        self.samples.extend(samples.iter().take(room));
        samples.len().saturating_sub(room)
    }

    /// The next frame, if one is due; what is missing in it is silence.
    fn next(&mut self, rate: u32, lead: usize) -> Option<&[i16]> {
        let frame = rate as usize / 50;
        if !self.runs && !self.samples.is_empty() {
            self.waited += 1;
            self.runs = self.samples.len() >= lead * frame || self.waited > lead;
        }
        if !self.runs {
            return None;
        }
        let count = frame.min(self.samples.len());
        self.frame.clear();
        self.frame.extend(self.samples.drain(..count));
        self.frame.resize(frame, 0);
        self.heard += count as u64;
        if self.samples.is_empty() {
            (self.runs, self.waited) = (false, 0);
        }
        Some(&self.frame)
    }

    fn clear(&mut self) {
        self.heard += self.samples.len() as u64;
        self.samples.clear();
        (self.runs, self.waited) = (false, 0);
    }

    /// The next mark that is reached.
    fn reached(&mut self) -> Option<String> {
        self.marks.pop_front_if(|(at, _)| *at <= self.heard).map(|(_, name)| name)
    }
}

/// The state of one line.
#[derive(Debug)]
pub(crate) struct Fork {
    of: ForkSpec,
    heard: Narrow,
    said: Narrow,
    speech: Speech,
    /// Nothing of the leg is sent but silence.
    halted: bool,
    /// The other end's last word: it counts once all is heard.
    last: Option<(&'static str, String)>,
    over: bool,
    ticks: u32,
    spoken: u32,
    dropped: Duration,
}

impl Fork {
    /// Both sides of the leg go into it.
    pub(crate) const fn wants_both(&self) -> bool {
        self.is_open() && !matches!(self.of.channels, Channels::Party)
    }

    /// The other end is there.
    pub(crate) const fn is_open(&self) -> bool {
        !self.over
    }

    /// The other end is a fax machine.
    pub(crate) const fn is_fax(&self) -> bool {
        self.of.fax
    }

    /// It has the floor: it says something.
    pub(crate) const fn speaks(&self) -> bool {
        self.speech.runs
    }

    /// What the party is told in this tick by the switch.
    pub(crate) fn say(&mut self, frame: &[i16], rate: u32) {
        if self.wants_both() {
            self.said.of(frame, rate);
        }
    }

    fn end(&self, ended_by: &str, note: String, digit: Option<char>) -> ForkEnd {
        ForkEnd {
            ended_by: ended_by.to_owned(),
            note,
            digit: digit.map(String::from),
            sent: TICK * self.ticks,
            heard: TICK * self.spoken,
            dropped: self.dropped,
        }
    }

    /// One frame of each side.
    fn frame(&mut self) -> Vec<i16> {
        let count = self.of.rate as usize / 50;
        let mut out = Vec::with_capacity(count * usize::from(self.of.channels.count()));
        for at in 0..count {
            let (heard, said) = if self.halted { (0, 0) } else { (self.heard.sample(at), self.said.sample(at)) };
            match self.of.channels {
                Channels::Party => out.push(heard),
                Channels::Mixed => out.push(heard.saturating_add(said)),
                Channels::Stereo => out.extend([heard, said]),
            }
        }
        self.said.clear();
        self.ticks += 1;
        out
    }
}

impl Engine {
    /// Opens a line for a stream: 20 ms of it leave by [`Engine::poll_forked`] with each tick, and what the other end says
    /// comes by [`Engine::handle_fork`].
    ///
    /// # Errors
    /// It has one already, is closed, or its party speaks nothing that can be decoded.
    pub fn fork(&mut self, id: StreamId, of: ForkSpec, now: Instant) -> Result<(), PlayError> {
        self.check_voice(id)?;
        let stream = self.ports.get_mut(id).ok_or(PlayError::NoStream)?;
        if stream.fork.as_ref().is_some_and(|fork| fork.is_open()) {
            return Err(PlayError::Forked);
        }
        let (heard, said) = (Narrow::to(of.rate), Narrow::to(of.rate));
        let (speech, dropped) = (Speech::default(), Duration::ZERO);
        let (halted, last, over, ticks, spoken) = (false, None, false, 0, 0);
        stream.fork = Some(Box::new(Fork { of, heard, said, speech, halted, last, over, ticks, spoken, dropped }));
        let peer = stream.peer;
        self.plan_ear(id);
        if self.ports.get(id).is_some_and(|s| s.remote.is_some() && s.ear.is_none()) {
            if let Some(stream) = self.ports.get_mut(id) {
                stream.fork = None;
            }
            return Err(PlayError::NoCodec);
        }
        peer.into_iter().for_each(|peer| self.plan_ear(peer));
        self.forks.insert(of.fork, id);
        self.wake(id, now);
        Ok(())
    }

    /// Whether a stream's line is a fax machine's, which can take T.38.
    #[must_use]
    pub fn takes_fax(&self, id: StreamId) -> bool {
        self.ports.get(id).and_then(|s| s.fork.as_ref()).is_some_and(|line| line.is_open() && line.of.fax)
    }

    /// Tells a fax machine at the other end of a stream's line what the stream carries now.
    pub(crate) fn fork_medium(&mut self, id: StreamId, t38: bool) {
        let line = self.ports.get_mut(id).and_then(|s| s.fork.as_mut()).filter(|line| line.is_open() && line.of.fax);
        if let Some(line) = line {
            line.speech.clear();
            self.forked.push_back((line.of.fork, ForkOut::Medium { t38 }));
        }
    }

    /// Hands a datagram to a fax machine at the other end of a stream's line.
    pub(crate) fn fork_datagram(&mut self, id: StreamId, datagram: &[u8]) {
        let line = self.ports.get(id).and_then(|s| s.fork.as_ref());
        if let Some(line) = line.filter(|line| line.is_open() && line.of.fax && self.forked.len() < DATAGRAMS_MAX) {
            self.forked.push_back((line.of.fork, ForkOut::Datagram(datagram.to_vec())));
        }
    }

    /// How many lines are open.
    #[must_use]
    pub fn forks(&self) -> usize {
        self.forks.len()
    }

    /// Something for the other end of a line.
    pub fn poll_forked(&mut self) -> Option<(ForkId, ForkOut)> {
        self.forked.pop_front()
    }

    /// The other end of a line speaks. Of a line that has ended it means nothing.
    pub fn handle_fork(&mut self, fork: ForkId, said: ForkIn, now: Instant) {
        let Some(&id) = self.forks.get(&fork) else { return };
        let Some(line) = self.ports.get_mut(id).and_then(|s| s.fork.as_mut()) else { return };
        match said {
            ForkIn::Sound(samples) => {
                let lost = line.speech.push(&samples, line.of.rate);
                if lost > 0 {
                    let lost = Duration::from_micros(lost as u64 * 1_000_000 / u64::from(line.of.rate));
                    line.dropped += lost;
                    self.forked.push_back((fork, ForkOut::Overflow(lost)));
                }
            }
            ForkIn::Datagram(datagram) => {
                let sent = line.of.fax.then(|| self.send_udptl(id, &datagram, now)).flatten();
                self.transmits.extend(sent);
                return;
            }
            ForkIn::Clear => line.speech.clear(),
            ForkIn::Mark(name) if line.speech.marks.len() >= MARKS_MAX => {
                self.forked.push_back((fork, ForkOut::Mark(name)));
            }
            ForkIn::Mark(name) => {
                let at = line.speech.heard + line.speech.samples.len() as u64;
                line.speech.marks.push_back((at, name));
            }
            ForkIn::Dropped(lost) => line.dropped += lost,
            ForkIn::Over(why, note) => {
                if why == "failed" {
                    line.speech.clear();
                }
                line.last.get_or_insert((why, note));
            }
        }
        self.fork_marks(id);
        self.wake(id, now);
    }

    /// Tells the other end what was reached, and ends the line where all is said.
    fn fork_marks(&mut self, id: StreamId) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        let Some(line) = stream.fork.as_mut().filter(|line| line.is_open()) else { return };
        while let Some(name) = line.speech.reached() {
            self.forked.push_back((line.of.fork, ForkOut::Mark(name)));
        }
        if line.last.is_some() && line.speech.samples.is_empty() {
            line.over = true;
            let (fork, peer) = (line.of.fork, stream.peer);
            self.forks.remove(&fork);
            self.forked.push_back((fork, ForkOut::Over));
            self.events.push_back(Event::ForkOver { stream: id });
            self.plan_ear(id);
            peer.into_iter().for_each(|peer| self.plan_ear(peer));
        }
    }

    /// A key of the party, for the other end.
    pub fn fork_digit(&mut self, id: StreamId, digit: char) {
        let line = self.ports.get(id).and_then(|s| s.fork.as_ref());
        if let Some(line) = line.filter(|line| line.is_open() && !line.halted) {
            self.forked.push_back((line.of.fork, ForkOut::Digit(digit)));
        }
    }

    /// While `on` the other end hears silence and no keys of the leg, as its recordings take nothing in.
    pub fn halt_fork(&mut self, id: StreamId, on: bool) {
        if let Some(line) = self.ports.get_mut(id).and_then(|s| s.fork.as_mut()) {
            line.halted = on;
        }
    }

    /// Whether a stream has a line; `Some(true)` while the other end is there.
    #[must_use]
    pub fn has_fork(&self, id: StreamId) -> Option<bool> {
        self.ports.get(id)?.fork.as_ref().map(|line| line.is_open())
    }

    /// How a line stands that goes on.
    #[must_use]
    pub fn fork_stands(&self, id: StreamId, why: &str, digit: Option<char>) -> Option<ForkEnd> {
        Some(self.ports.get(id)?.fork.as_ref()?.end(why, String::new(), digit))
    }

    /// Ends a stream's line; of one that the other end has ended it gives how.
    pub fn stop_fork(&mut self, id: StreamId) -> Option<ForkEnd> {
        let stream = self.ports.get_mut(id)?;
        let mut line = stream.fork.take()?;
        let peer = stream.peer;
        let end = match line.last.take().filter(|_| line.over) {
            Some((why, note)) => line.end(why, note, None),
            None => line.end("stopped", String::new(), None),
        };
        if line.is_open() {
            self.forks.remove(&line.of.fork);
            self.forked.push_back((line.of.fork, ForkOut::Over));
        }
        self.plan_ear(id);
        peer.into_iter().for_each(|peer| self.plan_ear(peer));
        self.settle_ticks(id);
        Some(end)
    }

    /// What the other end says in this tick, unless the switch itself plays or presses keys.
    pub(crate) fn fork_speak(&mut self, id: StreamId, now: Instant) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        if stream.is_played_to() || stream.is_opening() {
            return;
        }
        let Some(mut line) = stream.fork.take() else { return };
        let rate = line.of.rate;
        let frame = line.speech.next(rate, if line.of.fax { LEAD_OF_FAX } else { LEAD });
        if let Some(frame) = frame {
            line.spoken += 1;
            line.said.of(frame, rate);
            self.speak(id, frame, rate, now);
        }
        if let Some(stream) = self.ports.get_mut(id) {
            stream.fork = Some(line);
        }
        self.fork_marks(id);
    }

    /// One tick of a stream's line, after all that the party heard and was told in it.
    pub(crate) fn fork_tick(&mut self, id: StreamId) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        let Some(mut line) = stream.fork.take() else { return };
        if line.is_open() {
            let (heard, rate) = stream.ear.as_ref().map_or((&[][..], line.of.rate), |e| (e.frame(), e.rate()));
            line.heard.of(heard, rate);
            if stream.echo {
                line.say(heard, rate);
            }
            // What is relayed as it is was told by nobody here.
            let from_peer = stream.peer.filter(|_| !stream.is_spoken_to() && !stream.echo && line.said.is_empty());
            if let Some(ear) = from_peer.and_then(|peer| self.ports.get(peer)).and_then(|s| s.ear.as_ref()) {
                line.say(ear.frame(), ear.rate());
            }
            let frame = line.frame();
            self.forked.push_back((line.of.fork, ForkOut::Sound(frame)));
        }
        if let Some(stream) = self.ports.get_mut(id) {
            stream.fork = Some(line);
        }
    }
}
