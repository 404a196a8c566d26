//! The sound of a leg beyond plays and digits, and conference rooms.

use crate::app::Leg;
use crate::generated::app::strowger::call::{rooms, sound};
use crate::{Prompt, Result};
pub use rooms::{Floor, Member};
pub use sound::{Channels, Heard, Listened, Taped};

/// A list that its party may steer.
#[derive(Clone, Debug)]
pub struct PlayList(sound::ListSpec);

impl PlayList {
    /// From the beginning; no key does anything yet, and a step is five seconds.
    #[must_use]
    pub fn of(prompts: &[Prompt]) -> PlayList {
        PlayList(sound::ListSpec {
            prompts: prompts.to_vec(),
            from_ms: 0,
            stop_on: String::new(),
            pause: String::new(),
            back: String::new(),
            forward: String::new(),
            again: String::new(),
            step_ms: 5_000,
            attrs: Vec::new(),
        })
    }

    /// Begins here, in milliseconds of the whole list.
    #[must_use]
    pub fn from(mut self, ms: u32) -> PlayList {
        self.0.from_ms = ms;
        self
    }

    /// Each of these keys ends it.
    #[must_use]
    pub fn stop_on(mut self, keys: &str) -> PlayList {
        keys.clone_into(&mut self.0.stop_on);
        self
    }

    /// The keys that go back and forward by so many milliseconds.
    #[must_use]
    pub fn steps(mut self, back: char, forward: char, ms: u32) -> PlayList {
        self.0.back = back.into();
        self.0.forward = forward.into();
        self.0.step_ms = ms;
        self
    }

    /// The key that halts it and lets it go on.
    #[must_use]
    pub fn pause(mut self, key: char) -> PlayList {
        self.0.pause = key.into();
        self
    }

    /// The key that begins again.
    #[must_use]
    pub fn again(mut self, key: char) -> PlayList {
        self.0.again = key.into();
        self
    }
}

/// What to record.
#[derive(Clone, Debug)]
pub struct Tape(sound::RecordSpec);

impl Tape {
    /// These sides, as long as the switch allows.
    #[must_use]
    pub fn of(channels: Channels) -> Tape {
        let (silence_end_ms, max_ms, stop_on, attrs) = (None, None, String::new(), Vec::new());
        Tape(sound::RecordSpec { channels, silence_end_ms, max_ms, stop_on, attrs })
    }

    /// A message: what the party says, ended by `#`, by this long a silence, or by this length, in milliseconds.
    #[must_use]
    pub fn message(silence_ms: u32, max_ms: u32) -> Tape {
        let mut tape = Tape::of(Channels::Party);
        tape.0.silence_end_ms = Some(silence_ms);
        tape.0.max_ms = Some(max_ms);
        tape.stop_on("#")
    }

    /// Each of these keys ends it.
    #[must_use]
    pub fn stop_on(mut self, keys: &str) -> Tape {
        keys.clone_into(&mut self.0.stop_on);
        self
    }
}

/// How a leg sits in a room.
#[derive(Clone, Debug)]
pub struct Seat(rooms::Seat);

impl Seat {
    /// Heard and hearing, until it ends.
    #[must_use]
    pub fn in_room(room: &str) -> Seat {
        let (room, stop_on, attrs) = (room.to_owned(), String::new(), Vec::new());
        Seat(rooms::Seat { room, muted: false, deaf: false, gain: 256, stop_on, max_s: None, attrs })
    }

    /// Whether the others do not hear it.
    #[must_use]
    pub fn muted(mut self, on: bool) -> Seat {
        self.0.muted = on;
        self
    }

    /// Whether it does not hear the others.
    #[must_use]
    pub fn deaf(mut self, on: bool) -> Seat {
        self.0.deaf = on;
        self
    }

    /// How loud the others hear it, in 256ths.
    #[must_use]
    pub fn gain(mut self, gain: u16) -> Seat {
        self.0.gain = gain;
        self
    }

    /// Each of these keys gives the script the floor.
    #[must_use]
    pub fn keys(mut self, keys: &str) -> Seat {
        keys.clone_into(&mut self.0.stop_on);
        self
    }

    /// The longest time, in seconds.
    #[must_use]
    pub fn max(mut self, s: u32) -> Seat {
        self.0.max_s = Some(s);
        self
    }
}

impl Leg {
    /// Plays a list that the party may steer.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn play_list(&self, list: &PlayList) -> Result<Listened> {
        sound::play_list(&self.0, &list.0)
    }

    /// Lets the leg hear this over and over, whatever the script does next; nothing ends it.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn music(&self, prompts: &[Prompt]) -> Result<()> {
        sound::music(&self.0, prompts)
    }

    /// Presses keys towards the party.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn press(&self, keys: &str) -> Result<()> {
        sound::press(&self.0, keys)
    }

    /// Records until it ends.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn tape(&self, what: &Tape) -> Result<Taped> {
        sound::tape(&self.0, &what.0)
    }

    /// Records from now on; gives the recording's name.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn start_tape(&self, what: &Tape) -> Result<String> {
        sound::start_tape(&self.0, &what.0)
    }

    /// Halts the recording, while a card number is told.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn pause_tape(&self, on: bool) -> Result<()> {
        sound::pause_tape(&self.0, on)
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn stop_tape(&self) -> Result<Taped> {
        sound::stop_tape(&self.0)
    }

    /// Waits for the end of a beep, or for a silence of this length.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn listen(&self, beep: bool, silence_ms: Option<u32>, max_ms: u32) -> Result<Heard> {
        sound::listen(&self.0, beep, silence_ms, max_ms)
    }

    /// Sits down in a room of the company, and waits.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn sit(&self, seat: &Seat) -> Result<Floor> {
        rooms::sit(&self.0, &seat.0)
    }

    /// Leaves the room.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn leave(&self) -> Result<()> {
        rooms::leave(&self.0)
    }
}

/// Who is in a room of the company.
///
/// # Errors
/// `not-found` where nobody is.
pub fn members(room: &str) -> Result<Vec<Member>> {
    rooms::members(room)
}

/// How a member is heard, and hears, from now on.
///
/// # Errors
/// `not-found` where it is not there.
pub fn set_member(room: &str, member: &Member) -> Result<()> {
    rooms::set_member(room, &member.call_id, member.leg, member.muted, member.deaf, member.gain)
}

/// Takes a member out of a room.
///
/// # Errors
/// `not-found` where it is not there.
pub fn remove_member(room: &str, member: &Member) -> Result<()> {
    rooms::remove_member(room, &member.call_id, member.leg)
}

/// Digits, one by one, from a prompt pack.
#[must_use]
pub fn digits(pack: &str, digits: &str) -> Prompt {
    Prompt::Other(("digits".to_owned(), format!("{pack}:{digits}")))
}

/// A number, as it is said, from a prompt pack.
#[must_use]
pub fn number(pack: &str, value: u64) -> Prompt {
    Prompt::Other(("number".to_owned(), format!("{pack}:{value}")))
}
