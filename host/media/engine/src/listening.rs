//! Waiting for a sound of a party: the beep of an answering machine, or silence.

use crate::engine::Engine;
use crate::playout::TICK;
use crate::record::{Narrow, RECORD_RATE};
use crate::{Event, PlayError, StreamId};
use core::time::Duration;
use model::Instant;
use rtp::listen::{BeepDetector, is_quiet};

/// What a stream is listened to for.
#[derive(Debug)]
pub(crate) struct Listening {
    narrow: Narrow,
    beep: Option<BeepDetector>,
    silence: Option<Duration>,
    quiet: u32,
}

impl Engine {
    /// Listens to a party until [`Engine::stop_listening`]: the end of a beep is told each time ([`Event::Beep`]), and a
    /// silence of this length ([`Event::Quiet`]).
    ///
    /// # Errors
    /// The stream is closed, or its party speaks nothing that can be decoded.
    pub fn listen(
        &mut self,
        id: StreamId,
        beep: bool,
        silence: Option<Duration>,
        now: Instant,
    ) -> Result<(), PlayError> {
        self.check_voice(id)?;
        let stream = self.ports.get_mut(id).ok_or(PlayError::NoStream)?;
        let (narrow, beep) = (Narrow::default(), beep.then(BeepDetector::default));
        stream.listening = Some(Box::new(Listening { narrow, beep, silence, quiet: 0 }));
        self.plan_ear(id);
        if self.ports.get(id).is_some_and(|s| s.remote.is_some() && s.ear.is_none()) {
            self.stop_listening(id);
            return Err(PlayError::NoCodec);
        }
        self.wake(id, now);
        Ok(())
    }

    /// Ends it; a stream that nobody listens to is no fault.
    pub fn stop_listening(&mut self, id: StreamId) {
        if let Some(stream) = self.ports.get_mut(id) {
            stream.listening = None;
        }
        self.plan_ear(id);
        self.settle_ticks(id);
    }

    pub(crate) fn listen_tick(&mut self, id: StreamId) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        let Some(listening) = stream.listening.as_mut() else { return };
        let (heard, rate) = stream.ear.as_ref().map_or((&[][..], RECORD_RATE), |e| (e.frame(), e.rate()));
        let frame = listening.narrow.of(heard, rate);
        let beep = listening.beep.as_mut().and_then(|b| b.take(frame));
        listening.quiet = if is_quiet(frame) { listening.quiet + 1 } else { 0 };
        let quiet = listening.silence.is_some_and(|after| TICK * listening.quiet >= after);
        if quiet {
            listening.quiet = 0;
        }
        self.events.extend(beep.map(|hertz| Event::Beep { stream: id, hertz }));
        self.events.extend(quiet.then_some(Event::Quiet { stream: id }));
    }
}
