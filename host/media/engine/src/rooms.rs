//! The engine's conferences: who is in which, and what each hears.

use crate::conference::{Conference, ConferenceId, GAIN_MAX, JoinError, Member};
use crate::engine::Engine;
use crate::voice::Shared;
use crate::{Event, StreamId};
use model::Instant;

impl Engine {
    /// Opens a conference without members.
    pub fn open_conference(&mut self) -> ConferenceId {
        self.next_conference = self.next_conference.wrapping_add(1);
        let id = ConferenceId(self.next_conference);
        self.conferences.insert(id, Conference::new());
        id
    }

    /// Ends a conference; its members stay open, and hear nothing.
    pub fn close_conference(&mut self, id: ConferenceId) {
        let Some(conference) = self.conferences.remove(&id) else { return };
        for member in conference.members.into_keys() {
            if let Some(stream) = self.ports.get_mut(member) {
                stream.conference = None;
            }
            self.plan_ear(member);
        }
    }

    /// Brings a stream in; it leaves the bridge or conference it was in. Mixing is at 16 kHz as soon as a member has
    /// such sound.
    ///
    /// # Errors
    /// Either is unknown, the conference is full, or the party has no format that can be heard and spoken.
    pub fn join(&mut self, id: ConferenceId, stream: StreamId) -> Result<(), JoinError> {
        let members_max = self.config.members_max;
        let known = self.conferences.get(&id).ok_or(JoinError::Unknown)?;
        if known.members.len() >= members_max && !known.members.contains_key(&stream) {
            return Err(JoinError::Full);
        }
        if self.ports.get(stream).is_none() {
            return Err(JoinError::Unknown);
        }
        self.check_voice(stream).map_err(|_| JoinError::NoCodec)?;
        self.disconnect(stream);
        self.leave(stream);
        let (Some(conference), Some(member)) = (self.conferences.get_mut(&id), self.ports.get_mut(stream)) else {
            return Err(JoinError::Unknown);
        };
        conference.members.insert(stream, Member::default());
        member.conference = Some(id);
        self.plan_ear(stream);
        let wide = self.ports.get(stream).and_then(|s| s.ear.as_ref()).is_some_and(|ear| ear.rate() > 8_000);
        if let Some(conference) = self.conferences.get_mut(&id).filter(|_| wide) {
            conference.rate = 16_000;
        }
        Ok(())
    }

    /// Takes a stream out of the conference it is in, if it is in one.
    pub fn leave(&mut self, stream: StreamId) {
        let Some(id) = self.ports.get_mut(stream).and_then(|s| s.conference.take()) else { return };
        if let Some(conference) = self.conferences.get_mut(&id) {
            conference.members.remove(&stream);
            conference.speaker = conference.speaker.filter(|s| *s != stream);
        }
        self.plan_ear(stream);
    }

    /// How loud the others hear a member, in 256ths, up to [`GAIN_MAX`]; `muted`: not at all; `deaf`: it hears nothing.
    /// Nothing happens to a stream that is in no conference.
    pub fn set_member(&mut self, stream: StreamId, gain: u16, muted: bool, deaf: bool) {
        let conference = self.ports.get(stream).and_then(|s| s.conference);
        let conference = conference.and_then(|id| self.conferences.get_mut(&id));
        if let Some(member) = conference.and_then(|c| c.members.get_mut(&stream)) {
            member.gain = gain.min(GAIN_MAX);
            member.muted = muted;
            member.deaf = deaf;
        }
    }

    /// Who spoke last; `None` before anybody did.
    #[must_use]
    pub fn speaker(&self, id: ConferenceId) -> Option<StreamId> {
        self.conferences.get(&id)?.speaker
    }

    /// How many members a conference has; `None` once it is closed.
    #[must_use]
    pub fn members(&self, id: ConferenceId) -> Option<usize> {
        self.conferences.get(&id).map(|c| c.members.len())
    }

    /// One tick of a conference of which some member may have been heard.
    pub(crate) fn mix(&mut self, id: ConferenceId, now: Instant) {
        let Some(mut conference) = self.conferences.remove(&id) else { return };
        conference.begin();
        let members: Vec<StreamId> = conference.members.keys().copied().collect();
        for member in &members {
            let ear = self.ports.get(*member).filter(|s| s.ticks).and_then(|s| s.ear.as_ref());
            let (frame, rate) = ear.map_or((&[][..], 8_000), |ear| (ear.frame(), ear.rate()));
            conference.add(*member, frame, rate);
        }
        if let Some(stream) = conference.changed_speaker() {
            self.events.push_back(Event::Speaker { conference: id, stream });
        }
        if conference.sounds() {
            let mut heard = Vec::new();
            // What all hear who say nothing, once per law.
            let mut shared = Shared::default();
            for member in members {
                let Some(stream) = self.ports.get_mut(member).filter(|s| !s.is_spoken_to()) else { continue };
                if !conference.heard_by(member, &mut heard) {
                    continue;
                }
                let law = stream.voice.as_ref().and_then(|v| v.law());
                let law = law.filter(|_| conference.is_listener(member) && conference.rate == 8_000);
                match law {
                    Some(law) => self.speak_encoded(member, shared.of(law, &heard), &heard, now),
                    None => self.speak(member, &heard, conference.rate, now),
                }
            }
        }
        self.conferences.insert(id, conference);
    }
}
