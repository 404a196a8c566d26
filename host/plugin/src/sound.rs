//! `call/sound` and `call/rooms`: verbs about the sound of a leg, and conference rooms. They park like those of
//! `call/control`.

use crate::bindings::app::strowger::call::{rooms, sound};
use crate::bindings::router::strowger::types::types::Error;
use crate::control::{Leg, Verb, argument, expect_reply};
use crate::guest::Guest;
use crate::rules::{self, Checked};
use core::time::Duration;
use model::{
    AppReply, AppVerb, CallId, Channels, ConferSpec, Conferred, LegHandle, Limits, ListenSpec, MemberChange,
    PlaybackSpec, RecordSpec, RecordingDone, Sounded,
};
use wasmtime::Result;
use wasmtime::component::Resource;

fn time(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn record(spec: sound::RecordSpec) -> Checked<RecordSpec> {
    let channels = match spec.channels {
        sound::Channels::Party => Channels::Party,
        sound::Channels::Mixed => Channels::Mixed,
        sound::Channels::Stereo => Channels::Stereo,
    };
    let (silence_end, max) = (spec.silence_end_ms.map(time), spec.max_ms.map(time));
    Ok(RecordSpec { channels, silence_end, max, stop_on: rules::digits(spec.stop_on)? })
}

fn taped(done: RecordingDone) -> sound::Taped {
    let (name, length_ms) = (done.name, ms(done.length));
    sound::Taped { name, length_ms, ended_by: done.ended_by, digit: done.digit, attrs: Vec::new() }
}

fn floor(given: Conferred) -> rooms::Floor {
    rooms::Floor { ended_by: given.ended_by, digit: given.digit, attrs: Vec::new() }
}

fn member(member: model::RoomMember) -> rooms::Member {
    rooms::Member {
        call_id: member.call.to_string(),
        leg: member.leg.0,
        party: member.party,
        since_ms: member.since.unix_millis(),
        muted: member.muted,
        deaf: member.deaf,
        gain: member.gain,
        speaking: member.speaking,
        attrs: Vec::new(),
    }
}

impl Guest {
    /// A verb of one leg, once its arguments are found right.
    async fn of_leg(
        &mut self,
        leg: &Resource<Leg>,
        verb: impl FnOnce(LegHandle, &Limits) -> Checked<AppVerb>,
    ) -> Result<Verb<AppReply>> {
        let handle = self.leg(leg)?.handle();
        let verb = match self.limits().and_then(|limits| verb(handle, &limits).map_err(argument)) {
            Ok(verb) => verb,
            Err(error) => return Ok(Err(error)),
        };
        let reply = self.verb(verb).await;
        self.note(leg, &reply, None)?;
        Ok(reply)
    }

    /// A change to somebody in a room.
    async fn change(&mut self, room: String, call: &str, leg: u16, change: MemberChange) -> Verb<()> {
        let call: CallId = call.parse().map_err(|_| Error::NotFound)?;
        let reply = self.verb(AppVerb::Member(room, call, LegHandle(leg), change)).await;
        expect_reply!(reply, AppReply::Done => ())
    }
}

impl sound::Host for Guest {
    async fn play_list(&mut self, leg: Resource<Leg>, spec: sound::ListSpec) -> Result<Verb<sound::Listened>> {
        let make = |handle, limits: &Limits| {
            Ok(AppVerb::Playback(
                handle,
                PlaybackSpec {
                    prompts: rules::prompts(spec.prompts, limits)?,
                    from: time(spec.from_ms),
                    stop_on: rules::digits(spec.stop_on)?,
                    pause: rules::key(spec.pause)?,
                    back: rules::key(spec.back)?,
                    forward: rules::key(spec.forward)?,
                    again: rules::key(spec.again)?,
                    step: time(spec.step_ms),
                },
            ))
        };
        let reply = self.of_leg(&leg, make).await?;
        Ok(expect_reply!(reply, AppReply::PlayedTo(to) => sound::Listened {
            digit: to.digit,
            position_ms: ms(to.position),
            attrs: Vec::new(),
        }))
    }

    async fn music(&mut self, leg: Resource<Leg>, prompts: Vec<sound::Prompt>) -> Result<Verb<()>> {
        let make = |handle, limits: &Limits| Ok(AppVerb::Music(handle, rules::prompts(prompts, limits)?));
        let reply = self.of_leg(&leg, make).await?;
        Ok(expect_reply!(reply, AppReply::Done => ()))
    }

    async fn press(&mut self, leg: Resource<Leg>, keys: String) -> Result<Verb<()>> {
        let reply = self.of_leg(&leg, |handle, _| Ok(AppVerb::Press(handle, rules::digits(keys)?))).await?;
        Ok(expect_reply!(reply, AppReply::Done => ()))
    }

    async fn tape(&mut self, leg: Resource<Leg>, spec: sound::RecordSpec) -> Result<Verb<sound::Taped>> {
        let reply = self.of_leg(&leg, |handle, _| Ok(AppVerb::Record(handle, record(spec)?))).await?;
        Ok(expect_reply!(reply, AppReply::Recorded(done) => taped(done)))
    }

    async fn start_tape(&mut self, leg: Resource<Leg>, spec: sound::RecordSpec) -> Result<Verb<String>> {
        let reply = self.of_leg(&leg, |handle, _| Ok(AppVerb::RecordStart(handle, record(spec)?))).await?;
        Ok(expect_reply!(reply, AppReply::Recording(name) => name))
    }

    async fn pause_tape(&mut self, leg: Resource<Leg>, on: bool) -> Result<Verb<()>> {
        let reply = self.of_leg(&leg, |handle, _| Ok(AppVerb::RecordPause(handle, on))).await?;
        Ok(expect_reply!(reply, AppReply::Done => ()))
    }

    async fn stop_tape(&mut self, leg: Resource<Leg>) -> Result<Verb<sound::Taped>> {
        let reply = self.of_leg(&leg, |handle, _| Ok(AppVerb::RecordStop(handle))).await?;
        Ok(expect_reply!(reply, AppReply::Recorded(done) => taped(done)))
    }

    async fn listen(
        &mut self,
        leg: Resource<Leg>,
        beep: bool,
        silence_ms: Option<u32>,
        max_ms: u32,
    ) -> Result<Verb<sound::Heard>> {
        let spec = ListenSpec { beep, silence: silence_ms.map(time), max: time(max_ms) };
        let reply = self.of_leg(&leg, |handle, _| Ok(AppVerb::Listen(handle, spec))).await?;
        Ok(expect_reply!(reply, AppReply::Sounded(what) => match what {
            Sounded::Beep(hertz) => sound::Heard::Beep(hertz),
            Sounded::Silence => sound::Heard::Silence,
            Sounded::Nothing => sound::Heard::Nothing,
        }))
    }
}

impl rooms::Host for Guest {
    async fn sit(&mut self, leg: Resource<Leg>, seat: rooms::Seat) -> Result<Verb<rooms::Floor>> {
        let make = |handle, _: &Limits| {
            Ok(AppVerb::Confer(
                handle,
                ConferSpec {
                    room: seat.room,
                    muted: seat.muted,
                    deaf: seat.deaf,
                    gain: seat.gain,
                    stop_on: rules::digits(seat.stop_on)?,
                    max: seat.max_s.map(|s| Duration::from_secs(u64::from(s))),
                },
            ))
        };
        let reply = self.of_leg(&leg, make).await?;
        Ok(expect_reply!(reply, AppReply::Conferred(given) => floor(given)))
    }

    async fn leave(&mut self, leg: Resource<Leg>) -> Result<Verb<()>> {
        let reply = self.of_leg(&leg, |handle, _| Ok(AppVerb::Leave(handle))).await?;
        Ok(expect_reply!(reply, AppReply::Done => ()))
    }

    async fn members(&mut self, room: String) -> Result<Verb<Vec<rooms::Member>>> {
        let reply = self.verb(AppVerb::Members(room)).await;
        Ok(expect_reply!(reply, AppReply::Members(list) => list.into_iter().map(member).collect()))
    }

    async fn set_member(
        &mut self,
        room: String,
        call_id: String,
        leg: u16,
        muted: bool,
        deaf: bool,
        gain: u16,
    ) -> Result<Verb<()>> {
        Ok(self.change(room, &call_id, leg, MemberChange::Set { muted, deaf, gain }).await)
    }

    async fn remove_member(&mut self, room: String, call_id: String, leg: u16) -> Result<Verb<()>> {
        Ok(self.change(room, &call_id, leg, MemberChange::Remove).await)
    }
}
