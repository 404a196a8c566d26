//! When packets or messages are many, a shard leaves its sockets alone for a moment after each turn and takes what gathered
//! meanwhile at once: falling asleep and being woken, and coming back to code that the caches have forgotten, costs more
//! than a packet, so it is paid for several (decisions 0211, 0311).
//!
//! It begins at rates at which a pause brings several and ends below them, so that where there is little traffic nothing
//! waits. The pause is counted from the beginning of the last turn: a shard that is busy for longer does not pause at all.
//! Of messages the time that their turn takes counts too, since the last of a turn is answered at its end: the longer turns
//! are, the shorter are the pauses between them.

use core::time::Duration;
use std::time::Instant;

/// Longest pause for media packets: what a relay may add to a packet's way.
const MEDIA_PAUSE: Duration = Duration::from_millis(1);
/// How long a SIP message may wait for its turn and in it: of the 5 ms by which 99 of 100 may be late, the rest is for the
/// scheduler.
const SIGNALLING_WAIT: Duration = Duration::from_micros(3_500);
/// Over what time the rate is counted.
const WINDOW: Duration = Duration::from_millis(50);
/// How many a second begin the pauses, and how many keep them: of packets, and of messages.
const PACKETS: (u32, u32) = (1_500, 700);
const MESSAGES: (u32, u32) = (750, 350);
/// The last turn's weight in the usual length of a turn: one part in so many.
const USUAL_OF: u32 = 8;

/// # Invariants
/// A kind pauses if its last whole window asks for it.
#[derive(Debug)]
pub(crate) struct Gather {
    /// When the window began.
    since: Instant,
    media: Kind,
    signalling: Kind,
    /// When the last turn began.
    turn: Instant,
    /// How long turns take.
    usual: Duration,
}

/// What comes, and waits for more of its kind.
#[derive(Debug)]
struct Kind {
    longest: Duration,
    /// How many a second begin the pauses, and how many keep them.
    rates: (u32, u32),
    /// How many came in this window.
    came: u32,
    /// Whether the last whole window had any.
    there: bool,
    pauses: bool,
}

impl Kind {
    fn new(longest: Duration, rates: (u32, u32)) -> Kind {
        Kind { longest, rates, came: 0, there: false, pauses: false }
    }

    /// A window of this length is over.
    fn judge(&mut self, window: Duration) {
        let least = if self.pauses { self.rates.1 } else { self.rates.0 };
        let came = core::mem::take(&mut self.came);
        self.there = came > 0;
        self.pauses = u128::from(came) * 1_000_000_000 >= u128::from(least) * window.as_nanos();
    }
}

impl Gather {
    pub(crate) fn new(now: Instant) -> Gather {
        let (media, signalling) = (Kind::new(MEDIA_PAUSE, PACKETS), Kind::new(SIGNALLING_WAIT, MESSAGES));
        Gather { since: now, media, signalling, turn: now, usual: Duration::ZERO }
    }

    /// A media packet came.
    pub(crate) fn packet(&mut self) {
        self.media.came = self.media.came.saturating_add(1);
    }

    /// A SIP message came.
    pub(crate) fn message(&mut self) {
        self.signalling.came = self.signalling.came.saturating_add(1);
    }

    /// A turn begins.
    pub(crate) fn turn(&mut self, now: Instant) {
        self.turn = now;
    }

    /// The turn is over: how long the sockets may be left alone from `now` on; zero is not at all.
    pub(crate) fn pause(&mut self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.since);
        let kinds = [&mut self.media, &mut self.signalling];
        if elapsed >= WINDOW {
            self.since = now;
            kinds.into_iter().for_each(|kind| kind.judge(elapsed));
        }
        let pauses = self.media.pauses || self.signalling.pauses;
        // A packet that is there never waits longer than media packets may, whoever asks for the pause.
        let took = now.saturating_duration_since(self.turn);
        self.usual = (self.usual * (USUAL_OF - 1) + took) / USUAL_OF;
        let own = self.signalling.longest.saturating_sub(self.usual);
        let longest = if self.media.there { self.media.longest } else { own };
        if pauses { longest.saturating_sub(took) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause after 200 ms of packets at a rate, asked for right at the beginning of a turn.
    fn after(gather: &mut Gather, from: Instant, rate: u64) -> Duration {
        let mut pause = Duration::ZERO;
        for ms in 0..=200_u64 {
            let now = from + Duration::from_millis(ms);
            (0..(ms + 1) * rate / 1_000 - ms * rate / 1_000).for_each(|_| gather.packet());
            gather.turn(now);
            pause = gather.pause(now);
        }
        pause
    }

    #[test]
    fn there_are_pauses_only_while_they_bring_several_packets() {
        let start = Instant::now();
        for (rate, pause) in [(0, 0), (100, 0), (1_000, 0), (1_400, 0), (2_000, 1), (100_000, 1)] {
            let heard = after(&mut Gather::new(start), start, rate);
            assert_eq!(heard, Duration::from_millis(pause), "{rate} a second");
        }
    }

    #[test]
    fn they_end_later_than_they_begin_and_silence_ends_them() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut gather = Gather::new(start);
        assert_eq!(after(&mut gather, at(0), 2_000), MEDIA_PAUSE);
        let next = start + Duration::from_millis(201);
        assert_eq!(after(&mut gather, next, 1_000), MEDIA_PAUSE, "more than it takes to go on, less than to begin");
        assert_eq!(after(&mut gather, at(2), 400), Duration::ZERO);
        assert_eq!(after(&mut gather, at(3), 5_000), MEDIA_PAUSE);
        gather.turn(at(60));
        assert_eq!(gather.pause(at(60)), Duration::ZERO, "nothing for a minute");
    }

    #[test]
    fn messages_wait_longer_and_media_packets_among_them_make_the_pause_theirs() {
        let start = Instant::now();
        let mut gather = Gather::new(start);
        let mut pause = |messages: u32, packets: u32, ms: u64| {
            (0..messages).for_each(|_| gather.message());
            (0..packets).for_each(|_| gather.packet());
            gather.turn(start + Duration::from_millis(ms));
            gather.pause(start + Duration::from_millis(ms))
        };
        assert_eq!(pause(36, 0, 50), Duration::ZERO, "720 a second");
        assert_eq!(pause(40, 0, 100), SIGNALLING_WAIT, "800 a second");
        assert_eq!(pause(40, 80, 150), MEDIA_PAUSE);
        assert_eq!(pause(20, 1, 200), MEDIA_PAUSE, "too few packets for a pause of their own");
        assert_eq!(pause(20, 0, 250), SIGNALLING_WAIT, "less than it takes to begin");
        assert_eq!(pause(10, 0, 300), Duration::ZERO);
    }

    #[test]
    fn messages_wait_for_their_turn_and_in_it_for_no_longer_than_they_may() {
        let start = Instant::now();
        for took in [0_u64, 500, 1_500, 3_000, 5_000].map(Duration::from_micros) {
            let (mut gather, mut turn) = (Gather::new(start), start);
            let mut pause = Duration::ZERO;
            for _ in 0..400 {
                (0..4).for_each(|_| gather.message());
                gather.turn(turn);
                pause = gather.pause(turn + took);
                turn += (took + pause).max(Duration::from_millis(1));
            }
            let whole = SIGNALLING_WAIT.saturating_sub(took).saturating_sub(took);
            assert!(pause >= whole && pause <= whole + Duration::from_micros(1), "{took:?}: {pause:?}");
        }
    }

    #[test]
    fn a_long_turn_is_followed_by_no_pause() {
        let start = Instant::now();
        let mut gather = Gather::new(start);
        after(&mut gather, start, 5_000);
        let turn = start + Duration::from_millis(210);
        gather.turn(turn);
        let later = |us| turn + Duration::from_micros(us);
        assert_eq!(gather.pause(later(0)), MEDIA_PAUSE);
        assert_eq!(gather.pause(later(400)), Duration::from_micros(600));
        assert_eq!(gather.pause(later(1_000)), Duration::ZERO);
        assert_eq!(gather.pause(later(9_000)), Duration::ZERO);
    }
}
