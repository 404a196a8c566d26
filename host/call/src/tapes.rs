//! Recordings that nobody's script asked for: those of a public number, and those that a party or an operator begins.
//!
//! A leg that is `taped` is recorded from its answer on and follows its party into whatever call it moves to. A script
//! that records the leg itself comes first: the number's recording ends and goes on, as another, when the script's is
//! over. What is halted (a card number is being told) is halted for all that record in the call, also
//! for what begins meanwhile, and for a party that is transferred meanwhile.

use crate::call::Call;
use crate::engine::{Engine, Output};
use crate::floors::Floors;
use crate::leg::{Leg, LegNo};
use crate::step::Step;
use core::time::Duration;
use media::{PlayError, RecordEnd, Recordable, StreamId};
use model::{
    CallId, Channels, DdiRecording, RecordedBy, RecordingDone, RecordingEvent, RecordingId, RecordingRules,
    RecordingStart, TapeAct, TapeRefusal,
};
use sip_message::Message;

/// A leg's recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taping {
    pub(crate) id: RecordingId,
    pub(crate) name: String,
    pub(crate) by: RecordedBy,
}

/// Why none began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoTape {
    /// `recordings_max`.
    Limit,
    /// The stream says so.
    Stream(PlayErrorKind),
}

/// What a stream says to being recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PlayErrorKind {
    /// It is already.
    Recorded,
    /// Its sound is not to be had.
    Unheard,
}

impl Engine {
    /// An operator wants something of a call's recordings.
    ///
    /// # Errors
    /// [`TapeRefusal`].
    pub fn tape(&mut self, floors: &mut Floors<'_>, call: CallId, leg: LegNo, act: TapeAct) -> Result<(), TapeRefusal> {
        let mut done = Err(TapeRefusal::Nothing);
        self.step(call, floors, |step| done = step.tape(leg, act));
        done
    }
}

impl Step<'_, '_> {
    /// Whether calls of this public number of the call's company are recorded.
    pub(crate) fn records(&self, e164: &str, way: fn(DdiRecording) -> bool) -> bool {
        let ddi = self.floors.directory.ddi(e164).filter(|ddi| ddi.company == self.call.info.company);
        !self.call.is_emergency() && ddi.is_some_and(|ddi| way(ddi.record))
    }

    /// A leg that is to be recorded is, from now on, unless it is already. Where it cannot be, the call goes on without.
    pub(crate) fn tape_if_due(&mut self, no: LegNo) {
        let due = |l: &Leg| l.taped && l.is_alive() && l.is_answered() && l.taping.is_none();
        let stream = self.call.leg(no).filter(|l| due(l)).and_then(|l| l.stream);
        if let Some(stream) = stream {
            let of = Recordable { channels: Channels::Stereo, silence_end: None, max: None };
            let _ = self.begin_tape((no, stream), of, RecordedBy::Number);
        }
    }

    /// Begins to record a leg; gives the recording's name.
    pub(crate) fn begin_tape(
        &mut self,
        (no, stream): (LegNo, StreamId),
        of: Recordable,
        by: RecordedBy,
    ) -> Result<String, NoTape> {
        let limits = &self.floors.setup.limits;
        if self.desk.recordings >= limits.recordings_max {
            return Err(NoTape::Limit);
        }
        let longest = Duration::from_secs(u64::from(limits.recording_max_s));
        let of = Recordable { max: Some(of.max.map_or(longest, |max| max.min(longest))), ..of };
        let now = self.now();
        let id = self.floors.media.record(stream, of, now).map_err(|error| NoTape::Stream(kind(&error)))?;
        self.desk.recordings += 1;
        if self.call.tapes_halted {
            self.floors.media.pause_recording(stream, true);
        }
        let recording = RecordingId(id.number());
        let name = format!("{}-{no}-{}", self.id(), recording.0);
        let start = RecordingStart {
            recording,
            name: name.clone(),
            brand: self.call.info.brand,
            company: self.call.info.company,
            call: self.id(),
            leg: no,
            channels: of.channels,
            rate: media::RECORD_RATE,
            by,
            at: now,
        };
        self.desk.out.push_back(Output::Recording(RecordingEvent::Started(start)));
        if let Some(leg) = self.call.leg_mut(no) {
            leg.taping = Some(Taping { id: recording, name: name.clone(), by });
        }
        Ok(name)
    }

    /// Ends a leg's recording, if somebody of these has one.
    pub(crate) fn stop_taping(
        &mut self,
        no: LegNo,
        of: &[RecordedBy],
        (ended_by, digit): (&str, Option<char>),
    ) -> Option<RecordingDone> {
        let leg = self.call.leg(no)?;
        leg.taping.as_ref().filter(|taping| of.contains(&taping.by))?;
        let end = self.floors.media.stop_recording(leg.stream?)?;
        self.taping_over(no, &end, ended_by, digit)
    }

    /// The media has ended a leg's recording.
    pub(crate) fn taping_over(
        &mut self,
        no: LegNo,
        end: &RecordEnd,
        ended_by: &str,
        digit: Option<char>,
    ) -> Option<RecordingDone> {
        let taping = self.call.leg_mut(no)?.taping.take()?;
        self.desk.recordings = self.desk.recordings.saturating_sub(1);
        self.desk.out.push_back(Output::Recording(RecordingEvent::Ended(taping.id, end.length)));
        let (ended_by, digit) = (ended_by.to_owned(), digit.map(String::from));
        Some(RecordingDone { name: taping.name, length: end.length, ended_by, digit })
    }

    /// What an operator or a party wants of the recordings of this call.
    pub(crate) fn tape(&mut self, no: LegNo, act: TapeAct) -> Result<(), TapeRefusal> {
        let no = self.call.now_at(no);
        let leg = self.call.leg(no).filter(|l| l.is_alive() && l.is_answered()).ok_or(TapeRefusal::Nothing)?;
        let stream = leg.stream.ok_or(TapeRefusal::Unheard)?;
        match act {
            TapeAct::Start => {
                self.stop_taping(no, &[RecordedBy::Number], ("stopped", None));
                let of = Recordable { channels: Channels::Stereo, silence_end: None, max: None };
                let begun = self.begin_tape((no, stream), of, RecordedBy::Hand);
                // Where none began, what was there before goes on.
                self.tape_if_due(no);
                begun.map(drop).map_err(|why| match why {
                    NoTape::Limit => TapeRefusal::Limit,
                    NoTape::Stream(PlayErrorKind::Recorded) => TapeRefusal::State,
                    NoTape::Stream(PlayErrorKind::Unheard) => TapeRefusal::Unheard,
                })
            }
            TapeAct::Stop => {
                let done = self.stop_taping(no, &[RecordedBy::Hand], ("stopped", None));
                self.tape_if_due(no);
                done.map(drop).ok_or(TapeRefusal::State)
            }
            TapeAct::Pause | TapeAct::Resume => {
                let on = act == TapeAct::Pause;
                if !self.is_taped() && !self.is_forked() && self.call.tapes_halted == on {
                    return Err(TapeRefusal::State);
                }
                self.halt_tapes(on);
                Ok(())
            }
        }
    }

    /// Halts what records in this call, whoever wanted it, and what will; or lets it go on.
    pub(crate) fn halt_tapes(&mut self, on: bool) {
        self.call.tapes_halted = on;
        self.halt_forks(on);
        for stream in self.taped_streams() {
            self.floors.media.pause_recording(stream, on);
        }
    }

    /// Whether anybody records in this call.
    pub(crate) fn is_taped(&self) -> bool {
        !self.taped_streams().is_empty()
    }

    fn taped_streams(&self) -> Vec<StreamId> {
        self.call.legs.iter().filter_map(|l: &Leg| l.stream.filter(|_| l.taping.is_some())).collect()
    }

    /// What its company lets the account of this leg do about recordings.
    fn tape_rules(&self, no: LegNo) -> Option<&RecordingRules> {
        self.call.leg(no)?.account?;
        let company = self.floors.directory.company(self.call.info.company)?;
        Some(&company.rules.recording).filter(|rules| rules.on_demand)
    }

    /// A phone's INFO with `Record: on` or `off`; gives the status for it, `None` where it is no such INFO.
    pub(crate) fn tape_asked(&mut self, no: LegNo, request: &Message) -> Option<u16> {
        let word = request.header("Record")?.text().trim().to_ascii_lowercase();
        let act = match word.as_str() {
            "on" => TapeAct::Start,
            "off" => TapeAct::Stop,
            _ => return Some(400),
        };
        if self.tape_rules(no).is_none() {
            return Some(403);
        }
        Some(if self.tape(no, act).is_ok() { 200 } else { 488 })
    }

    /// The keys of an account in mid-call are listened to where they may begin a recording.
    pub(crate) fn listen_for_code(&mut self, no: LegNo) {
        let code = self.tape_rules(no).is_some_and(|rules| rules.code.is_some());
        if let Some(stream) = self.call.leg(no).and_then(|l| l.stream).filter(|_| code) {
            self.floors.media.detect_digits(stream, true);
        }
    }

    /// A key in mid-call: the last of a code begins a recording, and of the next one ends it.
    pub(crate) fn tape_key(&mut self, no: LegNo, digit: char) {
        if !self.bridge_mut().is_some_and(|b| b.joins(no)) {
            return;
        }
        let Some(code) = self.tape_rules(no).and_then(|rules| rules.code.clone()) else { return };
        let Some(leg) = self.call.leg_mut(no) else { return };
        leg.pressed.push(digit);
        if !leg.pressed.ends_with(code.as_str()) {
            let surplus = leg.pressed.len().saturating_sub(RecordingRules::CODE_MAX);
            leg.pressed.drain(..surplus);
            return;
        }
        leg.pressed.clear();
        let runs = leg.taping.as_ref().is_some_and(|taping| taping.by == RecordedBy::Hand);
        // Who presses keys cannot be told: what is not to be recorded goes on as it was.
        let _ = self.tape(no, if runs { TapeAct::Stop } else { TapeAct::Start });
    }
}

impl Call {
    fn is_emergency(&self) -> bool {
        self.course.is_emergency()
    }
}

fn kind(error: &PlayError) -> PlayErrorKind {
    match error {
        PlayError::Recorded => PlayErrorKind::Recorded,
        PlayError::NoCodec
        | PlayError::NoStream
        | PlayError::UnknownPrompt(_)
        | PlayError::NoKeys(_)
        | PlayError::Forked
        | PlayError::Empty => PlayErrorKind::Unheard,
    }
}
