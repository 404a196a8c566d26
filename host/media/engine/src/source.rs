//! Sound that many parties hear at once: music on hold. It is read, and encoded for each law, once per tick for all.
//!
//! A source is the list that it plays, over and over: whoever asks for the same list hears the same moment of it. It goes on
//! while anybody listens, and is forgotten with the last.

use crate::engine::Engine;
use crate::output::FRAME;
use crate::player::Player;
use crate::playout::PROMPT_RATE;
use crate::voice::Shared;
use crate::{JobId, PlayError, StreamId};
use model::{Instant, Prompt};
use std::collections::BTreeSet;

/// One source, by number; never reused by an engine.
pub(crate) type SourceNo = u32;

/// What plays to many.
///
/// # Invariants
/// It has at least one listener, and each listener's stream names it.
#[derive(Debug)]
pub(crate) struct Source {
    list: Vec<Prompt>,
    player: Player,
    pub(crate) listeners: BTreeSet<StreamId>,
    shared: Shared,
}

impl Engine {
    /// Lets a party hear this list over and over, at the moment where all hear it who asked for the same; nothing else but
    /// a play or keys is heard above it, and its bridge is not heard.
    ///
    /// # Errors
    /// A prompt is unknown, the list has no sound, or the stream cannot be played to; then what it heard before goes on.
    pub fn start_music(&mut self, id: StreamId, list: &[Prompt], now: Instant) -> Result<(), PlayError> {
        self.check_voice(id)?;
        let known = self.playout.sources.iter().find(|(_, source)| source.list == list).map(|(no, _)| *no);
        let no = match known {
            Some(no) => no,
            None => {
                let job = JobId { stream: id, number: 0 };
                let player = Player::new(job, list, &self.config.prompts, true)?;
                if player.is_over() {
                    return Err(PlayError::Empty);
                }
                self.playout.last_source = self.playout.last_source.wrapping_add(1);
                let no = self.playout.last_source;
                let (list, listeners) = (list.to_vec(), BTreeSet::new());
                self.playout.sources.insert(no, Source { list, player, listeners, shared: Shared::default() });
                no
            }
        };
        if self.ports.get(id).and_then(|s| s.music) != Some(no) {
            self.stop_music(id);
        }
        if let (Some(stream), Some(source)) = (self.ports.get_mut(id), self.playout.sources.get_mut(&no)) {
            stream.music = Some(no);
            source.listeners.insert(id);
            self.playout.next.get_or_insert(now);
        }
        Ok(())
    }

    /// Ends the music of a party; one that hears none is no fault.
    pub fn stop_music(&mut self, id: StreamId) {
        let Some(no) = self.ports.get_mut(id).and_then(|s| s.music.take()) else { return };
        self.leave_source(no, id);
    }

    /// Whether a party hears music.
    #[must_use]
    pub fn has_music(&self, id: StreamId) -> bool {
        self.ports.get(id).is_some_and(|s| s.music.is_some())
    }

    pub(crate) fn leave_source(&mut self, no: SourceNo, id: StreamId) {
        if let Some(source) = self.playout.sources.get_mut(&no) {
            source.listeners.remove(&id);
            if source.listeners.is_empty() {
                self.playout.sources.remove(&no);
            }
        }
        self.playout.rest();
    }

    /// One tick of every source.
    pub(crate) fn play_sources(&mut self, now: Instant) {
        let mut sources = core::mem::take(&mut self.playout.sources);
        for source in sources.values_mut() {
            let frame: [i16; FRAME] = source.player.frame();
            source.shared.clear();
            for id in &source.listeners {
                let Some(stream) = self.ports.get(*id).filter(|s| !s.has_floor()) else { continue };
                match stream.voice.as_ref().and_then(|v| v.law()) {
                    Some(law) => self.speak_encoded(*id, source.shared.of(law, &frame), &frame, now),
                    None => self.speak(*id, &frame, PROMPT_RATE, now),
                }
            }
        }
        self.playout.sources = sources;
    }
}
