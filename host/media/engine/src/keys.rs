//! Keys that the switch presses: as events where the party knows them (RFC 4733), else as tones in its sound.

use crate::engine::Engine;
use crate::{Event, MediaTransmit, OwnPacket, PlayError, StreamId};
use model::Instant;
use rtp::event::{TelephoneEvent, code_of};
use std::collections::VecDeque;

/// Most keys waiting to be sent to one party.
pub const KEYS_MAX: usize = 64;
/// How long a key is down: 100 ms.
const DOWN: u32 = 5;
/// And up before the next: 60 ms.
const UP: u32 = 3;
/// Ticks of 8 kHz in 20 ms.
const STEP: u32 = 160;
/// The last packet of a press is sent so often (section 2.5.1.4).
const ENDS: usize = 3;

/// Keys on their way to one party.
///
/// # Invariants
/// `keys` is not empty; the first is the one that is down, or next.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    keys: VecDeque<char>,
    /// Ticks that the first key has been down.
    down: u32,
    /// Ticks to wait before it.
    wait: u32,
    /// Whether [`Event::KeysSent`] is owed at the end.
    told: bool,
}

/// What one tick of it sends.
enum Act {
    Nothing,
    /// An event packet; the first of its press; the last of it.
    Event {
        payload: [u8; 4],
        first: bool,
        last: bool,
    },
    /// A frame of tones.
    Sound(char, usize),
}

impl Sending {
    /// The next tick. Gives whether that was the last.
    /// `clock`: of the party's events, in Hz; `None` where it knows none.
    fn next(&mut self, clock: Option<u32>) -> (Act, bool) {
        if self.wait > 0 {
            self.wait -= 1;
            return (Act::Nothing, self.keys.is_empty());
        }
        let Some(key) = self.keys.front().copied() else { return (Act::Nothing, true) };
        let from = self.down * STEP;
        self.down += 1;
        let last = self.down == DOWN;
        let first = self.down == 1;
        if last {
            self.keys.pop_front();
            self.down = 0;
            self.wait = UP;
        }
        let act = match (code_of(key), clock) {
            (Some(code), Some(clock)) => {
                let duration = u16::try_from(ticks(from + STEP, clock)).unwrap_or(u16::MAX);
                let event = TelephoneEvent { code, end: false, volume: 10, duration };
                Act::Event { payload: event.to_bytes(), first, last }
            }
            (Some(_), None) => Act::Sound(key, from as usize),
            (None, _) => Act::Nothing,
        };
        (act, false)
    }
}

/// So many ticks of 8 kHz in another clock's.
fn ticks(of_8k: u32, clock: u32) -> u32 {
    (u64::from(of_8k) * u64::from(clock) / 8_000).min(u64::from(u32::MAX)) as u32
}

impl Engine {
    /// Presses keys (`0`-`9`, `*`, `#`, `A`-`D`), 100 ms each: as events if the party knows them, else as tones. What
    /// waits already is pressed before. [`Event::KeysSent`] tells the end. Meanwhile the party hears nothing else.
    ///
    /// # Errors
    /// The stream is closed or cannot be spoken to; something is no key, or more than [`KEYS_MAX`] would wait.
    pub fn send_keys(&mut self, id: StreamId, keys: &str, now: Instant) -> Result<(), PlayError> {
        self.check_voice(id)?;
        let waiting = self.ports.get(id).and_then(|s| s.sending.as_ref()).map_or(0, |s| s.keys.len());
        if keys.chars().any(|key| code_of(key).is_none()) || waiting + keys.chars().count() > KEYS_MAX {
            return Err(PlayError::NoKeys(keys.to_owned()));
        }
        self.press(id, keys, true, now);
        Ok(())
    }

    /// A key of the other side of a bridge.
    pub(crate) fn queue_key(&mut self, id: StreamId, key: char, now: Instant) {
        let waiting = self.ports.get(id).and_then(|s| s.sending.as_ref()).map_or(0, |s| s.keys.len());
        if waiting < KEYS_MAX {
            self.press(id, key.encode_utf8(&mut [0; 4]), false, now);
        }
    }

    fn press(&mut self, id: StreamId, keys: &str, told: bool, now: Instant) {
        let Some(stream) = self.ports.get_mut(id).filter(|_| !keys.is_empty()) else { return };
        let none = || Box::new(Sending { keys: VecDeque::new(), down: 0, wait: 0, told: false });
        let sending = stream.sending.get_or_insert_with(none);
        sending.keys.extend(keys.chars());
        sending.told |= told;
        self.wake(id, now);
    }

    /// One tick of the keys of a stream.
    pub(crate) fn press_keys(&mut self, id: StreamId, now: Instant) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        let clock = stream.remote.as_ref().and_then(sdp::RemoteMedia::events_clock);
        let Some(sending) = stream.sending.as_mut() else { return };
        let (act, over) = sending.next(clock);
        if over {
            let told = sending.told;
            stream.sending = None;
            self.events.extend(told.then_some(Event::KeysSent { stream: id }));
        }
        match act {
            Act::Nothing => {}
            Act::Sound(key, from) => {
                let mut frame = [0; STEP as usize];
                rtp::tones::key_sound(key, 8_000, from, &mut frame);
                self.speak(id, &frame, 8_000, now);
            }
            Act::Event { payload, first, last } => {
                let one = self.event_packet(id, payload, first, now);
                self.transmits.extend(one);
                if last {
                    let mut end = payload;
                    end[1] |= 0x80;
                    for _ in 0..ENDS {
                        let one = self.event_packet(id, end, false, now);
                        self.transmits.extend(one);
                    }
                    if let Some(output) = self.ports.get_mut(id).and_then(|s| s.output.as_mut()) {
                        output.event_over(ticks(DOWN * STEP, clock.unwrap_or(8_000)));
                    }
                }
            }
        }
    }

    fn event_packet(&mut self, id: StreamId, payload: [u8; 4], first: bool, now: Instant) -> Option<MediaTransmit> {
        let stream = self.ports.get_mut(id)?;
        let to = stream.destination(now).filter(|_| stream.udptl.is_none())?;
        let payload_type = stream.remote.as_ref()?.dtmf_pt?;
        let header = stream.output_mut(&mut self.ids).own_event(payload_type, first, now);
        stream.own_packet(to, OwnPacket::new(&rtp::write_header(&header), &payload))
    }
}
