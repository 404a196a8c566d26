//! Conference rooms: by name within a company, shared by all calls of the shard.
//!
//! The first leg that enters opens the room, the last that leaves closes it. A leg stays in its room while its script has the
//! floor after a key, until the script takes it out, bridges it, or the leg ends.

use crate::app::{Begin, Begun, wrong};
use crate::leg::LegNo;
use crate::stage::Waiting;
use crate::step::Step;
use crate::transfer::Job;
use core::time::Duration;
use media::{ConferenceId, GAIN_MAX, JoinError, StreamId};
use model::{
    AppError, AppReply, CallId, CompanyId, ConferSpec, Conferred, Instant, LegHandle, LegRole, MemberChange, RoomMember,
};
use std::collections::BTreeMap;

/// Longest name of a room, in bytes.
const NAME_MAX: usize = 128;

/// The rooms of a shard.
pub(crate) type Rooms = BTreeMap<(CompanyId, String), Room>;

/// One room.
///
/// # Invariants
/// Each seat's stream is in the conference `id`, and its leg names the room; a room without seats is closed.
#[derive(Debug)]
pub(crate) struct Room {
    id: ConferenceId,
    seats: BTreeMap<(CallId, LegNo), Seat>,
}

#[derive(Debug)]
struct Seat {
    stream: StreamId,
    party: String,
    since: Instant,
    muted: bool,
    deaf: bool,
    gain: u16,
}

impl Step<'_, '_> {
    pub(crate) fn verb_confer(&mut self, leg: LegHandle, spec: ConferSpec) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        if spec.room.is_empty() || spec.room.len() > NAME_MAX || spec.gain > GAIN_MAX {
            return Err(AppError::InvalidArgument(format!("a room has a name, and gain is at most {GAIN_MAX}")));
        }
        if self.call.leg(no).and_then(|l| l.room.as_ref()).is_some_and(|room| *room != spec.room) {
            self.leave_room(no);
        }
        self.enter_room(no, stream, &spec)?;
        if let Some(digit) = self.typed_ahead(no, &spec.stop_on) {
            return Ok(Begin::Done(AppReply::Conferred(by_digit(digit))));
        }
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.call_duration_max_s));
        let until = self.now() + spec.max.map_or(longest, |max| max.min(longest));
        Ok(Begin::Waits(Waiting::Confer { leg: no, stop_on: spec.stop_on, until }))
    }

    /// Sits a leg down in a room; one that sits there already is heard and hears as it says now.
    fn enter_room(&mut self, no: LegNo, stream: StreamId, spec: &ConferSpec) -> Result<(), AppError> {
        let key = (self.call.info.company, spec.room.clone());
        let (id, since) = (self.id(), self.now());
        let sits = self.call.leg(no).is_some_and(|l| l.room.is_some());
        if !sits {
            self.part(no);
            let known = self.desk.rooms.get(&key).map(|room| room.id);
            if known.is_none() && self.desk.rooms.len() >= self.floors.setup.limits.rooms_max {
                return Err(AppError::LimitExceeded("rooms_max".to_owned()));
            }
            let conference = known.unwrap_or_else(|| self.floors.media.open_conference());
            if let Err(error) = self.floors.media.join(conference, stream) {
                if known.is_none() {
                    self.floors.media.close_conference(conference);
                }
                return Err(match error {
                    JoinError::Full => AppError::LimitExceeded("room_members_max".to_owned()),
                    JoinError::NoCodec | JoinError::Unknown => AppError::InvalidState(error.to_string()),
                });
            }
            self.desk.rooms.entry(key.clone()).or_insert_with(|| Room { id: conference, seats: BTreeMap::new() });
        }
        let party = self.party_of(no);
        if let Some(room) = self.desk.rooms.get_mut(&key) {
            let (muted, deaf, gain) = (spec.muted, spec.deaf, spec.gain);
            let seat = room.seats.entry((id, no)).or_insert(Seat { stream, party, since, muted, deaf, gain });
            (seat.muted, seat.deaf, seat.gain) = (muted, deaf, gain);
            self.floors.media.set_member(stream, gain, muted, deaf);
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.room = Some(spec.room.clone());
        }
        Ok(())
    }

    /// Who sits behind a leg: a number or user part.
    fn party_of(&self, no: LegNo) -> String {
        let of = |leg: &crate::leg::Leg| match leg.role {
            LegRole::Caller => leg.caller_shown.clone(),
            LegRole::Callee => leg.party.clone(),
        };
        self.call.leg(no).map(of).unwrap_or_default()
    }

    /// Takes a leg out of the room it is in, if it is in one.
    pub(crate) fn leave_room(&mut self, no: LegNo) {
        let Some(name) = self.call.leg_mut(no).and_then(|l| l.room.take()) else { return };
        let (key, id) = ((self.call.info.company, name), self.id());
        let Some(room) = self.desk.rooms.get_mut(&key) else { return };
        if let Some(seat) = room.seats.remove(&(id, no)) {
            self.floors.media.leave(seat.stream);
        }
        if room.seats.is_empty() {
            self.floors.media.close_conference(room.id);
            self.desk.rooms.remove(&key);
        }
    }

    pub(crate) fn verb_leave(&mut self, leg: LegHandle) -> Result<AppReply, AppError> {
        let no = self.live(leg)?;
        if self.call.leg(no).is_none_or(|l| l.room.is_none()) {
            return Err(wrong("the leg is in no room"));
        }
        self.leave_room(no);
        Ok(AppReply::Done)
    }

    pub(crate) fn verb_members(&mut self, room: String) -> Result<AppReply, AppError> {
        let room = self.desk.rooms.get(&(self.call.info.company, room)).ok_or(AppError::NotFound)?;
        let speaker = self.floors.media.speaker(room.id);
        let member = |((call, leg), seat): (&(CallId, LegNo), &Seat)| RoomMember {
            call: *call,
            leg: LegHandle(*leg),
            party: seat.party.clone(),
            since: seat.since,
            muted: seat.muted,
            deaf: seat.deaf,
            gain: seat.gain,
            speaking: speaker == Some(seat.stream),
        };
        Ok(AppReply::Members(room.seats.iter().map(member).collect()))
    }

    pub(crate) fn verb_member(
        &mut self,
        room: String,
        (call, leg): (CallId, LegHandle),
        change: MemberChange,
    ) -> Result<AppReply, AppError> {
        let room = self.desk.rooms.get_mut(&(self.call.info.company, room)).ok_or(AppError::NotFound)?;
        let seat = room.seats.get_mut(&(call, leg.0)).ok_or(AppError::NotFound)?;
        match change {
            MemberChange::Set { gain, .. } if gain > GAIN_MAX => {
                return Err(AppError::InvalidArgument(format!("gain is at most {GAIN_MAX}")));
            }
            MemberChange::Set { muted, deaf, gain } => {
                (seat.muted, seat.deaf, seat.gain) = (muted, deaf, gain);
                self.floors.media.set_member(seat.stream, gain, muted, deaf);
            }
            // It may be a leg of another call: that one has a step of its own.
            MemberChange::Remove => self.desk.jobs.push_back(Job::Unseat { call, leg: leg.0 }),
        }
        Ok(AppReply::Done)
    }

    /// Somebody takes this leg out of its room.
    pub(crate) fn unseat(&mut self, no: LegNo) {
        self.leave_room(no);
        self.confer_over(no, "removed");
    }

    /// The leg's time in its room is over.
    pub(crate) fn confer_over(&mut self, no: LegNo, ended_by: &str) {
        if matches!(self.waiting(), Some(Waiting::Confer { leg, .. }) if *leg == no) {
            self.finish(Ok(AppReply::Conferred(Conferred { ended_by: ended_by.to_owned(), digit: None })));
        }
    }

    /// A key that gives the script the floor.
    pub(crate) fn confer_key(&mut self, digit: char) {
        self.finish(Ok(AppReply::Conferred(by_digit(digit))));
    }
}

fn by_digit(digit: char) -> Conferred {
    Conferred { ended_by: "digit".to_owned(), digit: Some(digit.to_string()) }
}
