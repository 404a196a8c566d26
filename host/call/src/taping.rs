//! Verbs about the sound of a leg beside plays and digits: recordings, steered lists, keys, music, waiting for a beep.

use crate::app::{Begin, Begun, wrong};
use crate::leg::LegNo;
use crate::stage::{Playing, Waiting};
use crate::step::Step;
use crate::tapes::{NoTape, PlayErrorKind};
use core::time::Duration;
use media::{PlayError, RecordEnd, Recordable, StreamId};
use model::{
    AppError, AppReply, CauseInfo, LegHandle, ListenSpec, PlaybackSpec, PlayedTo, Prompt, RecordSpec, RecordedBy,
    RecordingDone, Sounded,
};

pub(crate) fn refused(error: &PlayError) -> AppError {
    match error {
        PlayError::Recorded | PlayError::Forked | PlayError::NoCodec | PlayError::NoStream => {
            AppError::InvalidState(error.to_string())
        }
        PlayError::UnknownPrompt(_) | PlayError::NoKeys(_) | PlayError::Empty => {
            AppError::InvalidArgument(error.to_string())
        }
    }
}

impl Step<'_, '_> {
    fn stream_of(&self, no: LegNo) -> Option<StreamId> {
        self.call.leg(no)?.stream
    }

    /// Begins a recording; `waits` until it ends. A script comes before what is recorded anyway.
    pub(crate) fn verb_record(&mut self, leg: LegHandle, spec: RecordSpec, waits: bool) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        self.stop_taping(no, &[RecordedBy::Number, RecordedBy::Hand], ("stopped", None));
        let of = Recordable { channels: spec.channels, silence_end: spec.silence_end, max: spec.max };
        let begun = self.begin_tape((no, stream), of, RecordedBy::App);
        let name = match begun {
            Ok(name) => name,
            Err(why) => {
                self.tape_if_due(no);
                return Err(match why {
                    NoTape::Limit => AppError::LimitExceeded("recordings_max".to_owned()),
                    NoTape::Stream(PlayErrorKind::Recorded) => refused(&PlayError::Recorded),
                    NoTape::Stream(PlayErrorKind::Unheard) => refused(&PlayError::NoCodec),
                });
            }
        };
        Ok(if waits {
            Begin::Waits(Waiting::Record { leg: no, stop_on: spec.stop_on })
        } else {
            Begin::Done(AppReply::Recording(name))
        })
    }

    pub(crate) fn verb_record_pause(&mut self, leg: LegHandle, on: bool) -> Result<AppReply, AppError> {
        self.live(leg)?;
        // Whoever records in the call may hear the party; what was halted may go on also when nobody does any more.
        if !self.is_taped() && !self.is_forked() && (on || !self.call.tapes_halted) {
            return Err(wrong("the leg is not being recorded"));
        }
        self.halt_tapes(on);
        Ok(AppReply::Done)
    }

    pub(crate) fn verb_record_stop(&mut self, leg: LegHandle) -> Result<AppReply, AppError> {
        let no = self.live(leg)?;
        let done = self.stop_taping(no, &[RecordedBy::App], ("stopped", None));
        self.tape_if_due(no);
        done.map(AppReply::Recorded).ok_or_else(|| wrong("the leg is not being recorded"))
    }

    /// A recording came to an end of its own.
    pub(crate) fn recording_ended(&mut self, no: LegNo, end: &RecordEnd, by_silence: bool) {
        let done = self.taping_over(no, end, if by_silence { "silence" } else { "max" }, None);
        self.tape_if_due(no);
        self.record_done(no, done);
    }

    fn record_done(&mut self, no: LegNo, done: Option<RecordingDone>) {
        let waits = matches!(self.waiting(), Some(Waiting::Record { leg, .. }) if *leg == no);
        if let Some(done) = done.filter(|_| waits) {
            self.finish(Ok(AppReply::Recorded(done)));
        }
    }

    /// The party that is recorded hung up: the script gets what it said.
    pub(crate) fn record_hung_up(&mut self, no: LegNo, info: CauseInfo) {
        let done = self.stop_taping(no, &[RecordedBy::App], ("hung-up", None));
        self.finish(done.map(AppReply::Recorded).ok_or(AppError::HungUp(info)));
    }

    /// A key that ends the recording that is waited for.
    pub(crate) fn record_key(&mut self, no: LegNo, digit: char) {
        let done = self.stop_taping(no, &[RecordedBy::App], ("digit", Some(digit)));
        self.tape_if_due(no);
        self.record_done(no, done);
    }

    pub(crate) fn verb_playback(&mut self, leg: LegHandle, spec: PlaybackSpec) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        let nothing = |digit: Option<char>, position| {
            let digit = digit.map(String::from);
            Ok(Begin::Done(AppReply::PlayedTo(PlayedTo { digit, position })))
        };
        if let Some(digit) = self.typed_ahead(no, &spec.stop_on) {
            return nothing(Some(digit), spec.from);
        }
        if spec.prompts.is_empty() {
            return nothing(None, Duration::ZERO);
        }
        let job = self.start_prompts(stream, &spec.prompts, false)?;
        let length = self.floors.media.length(job).unwrap_or_default();
        self.floors.media.seek(job, spec.from);
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.call_duration_max_s));
        let until = self.now() + longest;
        Ok(Begin::Waits(Waiting::Playback(Playing { leg: no, job, spec, length, paused: false, until })))
    }

    /// A key that steers what plays.
    pub(crate) fn playback_key(&mut self, digit: char) {
        let now = self.now();
        let Some(Waiting::Playback(playing)) = self.waiting() else { return };
        let (job, step, key) = (playing.job, playing.spec.step, Some(digit));
        if playing.spec.stop_on.contains(digit) {
            return self.playback_over(key);
        }
        let (pause, again) = (playing.spec.pause == key, playing.spec.again == key);
        let (back, forward) = (playing.spec.back == key, playing.spec.forward == key);
        if pause {
            playing.paused = !playing.paused;
            let paused = playing.paused;
            return self.floors.media.pause(job, paused, now);
        }
        let at = self.floors.media.position(job).unwrap_or_default();
        let to = match (again, back, forward) {
            (true, ..) => Duration::ZERO,
            (_, true, _) => at.saturating_sub(step),
            (.., true) => at + step,
            (false, false, false) => return,
        };
        self.floors.media.seek(job, to);
    }

    /// What was steered is over: by a key, or by time.
    pub(crate) fn playback_over(&mut self, digit: Option<char>) {
        let Some(Waiting::Playback(playing)) = self.waiting() else { return };
        let (job, length) = (playing.job, playing.length);
        let position = self.floors.media.position(job).unwrap_or(length);
        self.floors.media.stop(job);
        self.finish(Ok(AppReply::PlayedTo(PlayedTo { digit: digit.map(String::from), position })));
    }

    pub(crate) fn verb_music(&mut self, leg: LegHandle, prompts: &[Prompt]) -> Result<AppReply, AppError> {
        let (_, stream) = self.speaking(leg)?;
        if prompts.len() > self.floors.setup.limits.prompts_max {
            return Err(AppError::LimitExceeded("prompts_max".to_owned()));
        }
        let now = self.now();
        if prompts.is_empty() {
            self.floors.media.stop_music(stream);
        } else {
            self.floors.media.start_music(stream, prompts, now).map_err(|e| refused(&e))?;
        }
        Ok(AppReply::Done)
    }

    pub(crate) fn verb_press(&mut self, leg: LegHandle, keys: &str) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        if keys.is_empty() {
            return Ok(Begin::Done(AppReply::Done));
        }
        let now = self.now();
        self.floors.media.send_keys(stream, keys, now).map_err(|e| refused(&e))?;
        Ok(Begin::Waits(Waiting::Press { leg: no }))
    }

    /// All keys are pressed.
    pub(crate) fn keys_sent(&mut self, no: LegNo) {
        if matches!(self.waiting(), Some(Waiting::Press { leg }) if *leg == no) {
            self.finish(Ok(AppReply::Done));
        }
    }

    pub(crate) fn verb_listen(&mut self, leg: LegHandle, spec: &ListenSpec) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        let now = self.now();
        self.floors.media.listen(stream, spec.beep, spec.silence, now).map_err(|e| refused(&e))?;
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.call_duration_max_s));
        Ok(Begin::Waits(Waiting::Listen { leg: no, until: now + spec.max.min(longest) }))
    }

    /// Something was heard of a party, or it was waited for long enough.
    pub(crate) fn sounded(&mut self, no: LegNo, what: Sounded) {
        if let Some(stream) = self.stream_of(no) {
            self.floors.media.stop_listening(stream);
        }
        if matches!(self.waiting(), Some(Waiting::Listen { leg, .. }) if *leg == no) {
            self.finish(Ok(AppReply::Sounded(what)));
        }
    }

    /// What an app had going on with a leg's sound ends: its party goes, or goes elsewhere.
    pub(crate) fn hush(&mut self, no: LegNo) {
        self.stop_taping(no, &[RecordedBy::App, RecordedBy::Number, RecordedBy::Hand], ("stopped", None));
        self.leave_room(no);
        if let Some(stream) = self.stream_of(no) {
            self.floors.media.stop_listening(stream);
            self.floors.media.stop_music(stream);
            self.floors.media.stop_fork(stream);
        }
    }
}
