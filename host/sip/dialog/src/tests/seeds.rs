//! Seeds over a network that loses, repeats and reorders: both sides agree at the end and remember nothing.

use super::pair::{A, B, Pair, Weather};
use crate::{DialogKey, Event};
use bytes::Bytes;
use model::Transport;

/// What one transaction user believes about its leg.
#[derive(Default, Debug)]
struct Belief {
    key: Option<DialogKey>,
    ringing: bool,
    up: bool,
    over: bool,
    asked: Option<String>,
    offered: Option<String>,
    /// Our description and theirs, as of the newest finished exchange.
    media: (String, String),
    count: u32,
}

fn text(sdp: Option<&Bytes>) -> String {
    sdp.map(|sdp| String::from_utf8_lossy(sdp).into_owned()).unwrap_or_default()
}

impl Belief {
    fn learn(&mut self, event: &Event) {
        assert!(!self.over, "an event after the end: {event:?}");
        match event {
            Event::Progress { .. }
            | Event::Accepted { .. }
            | Event::Confirmed { .. }
            | Event::Request { .. }
            | Event::Response { .. } => {}
            Event::Answered { sdp, .. } => {
                self.up = true;
                self.media = ("offer".to_owned(), text(sdp.as_ref()));
            }
            Event::Failed { .. } | Event::Cancelled { .. } | Event::Ended { .. } => self.over = true,
            Event::Reinvited { offer, .. } => self.asked = Some(text(offer.as_ref())),
            Event::ReinviteCancelled { .. } => self.asked = None,
            Event::ReinviteAnswered { sdp, .. } => {
                let own = self.offered.take().expect("an answer to an offer of ours");
                self.media = (own, text(Some(sdp)));
            }
            Event::ReinviteFailed { .. } => {
                self.offered.take().expect("a refusal of an offer of ours");
            }
        }
    }
}

struct Run {
    pair: Pair,
    beliefs: [Belief; 2],
    /// Calm: nobody hangs up, so that what both believe can be compared.
    calm: bool,
    seed: u64,
}

impl Run {
    fn new(seed: u64) -> Run {
        let transport = if seed % 8 == 7 { Transport::Tcp } else { Transport::Udp };
        let mut pair = Pair::with(seed, transport);
        pair.weather = Weather {
            loss_percent: [0, 5, 20, 35][(seed % 4) as usize],
            repeat_percent: [0, 20][(seed / 4 % 2) as usize],
            delay_ms: if transport.is_reliable() {
                (20, 20)
            } else {
                [(1, 1), (5, 80), (10, 700)][(seed / 8 % 3) as usize]
            },
        };
        let spec = pair.spec(A, Some("offer"));
        let key = pair.act(A, |end, now| end.dialogs.invite(&mut end.tx, spec, now));
        let caller = Belief { key: Some(key), ..Belief::default() };
        Run { pair, beliefs: [caller, Belief::default()], calm: (seed / 2).is_multiple_of(2), seed }
    }

    fn learn(&mut self) {
        for side in [A, B] {
            for event in core::mem::take(&mut self.pair.ends[side].events) {
                self.beliefs[side].learn(&event);
            }
        }
        if let (None, Some(key)) = (self.beliefs[B].key, self.pair.ends[B].arrived.first()) {
            self.beliefs[B].key = Some(*key);
            self.beliefs[B].ringing = true;
        }
    }

    /// One act by chance on one side.
    fn act(&mut self, side: usize) {
        let draw = self.pair.rng.u32() % 100;
        let belief = &mut self.beliefs[side];
        let Some(key) = belief.key.filter(|_| !belief.over) else { return };
        belief.count += 1;
        let sdp = format!("{side}-{}", belief.count);
        if belief.ringing {
            match draw {
                0..30 => {
                    let early = (draw < 15).then(|| Bytes::from_static(b"early"));
                    let sent =
                        self.pair.act(side, |end, now| end.dialogs.progress(&mut end.tx, key, 183, early, &[], now));
                    assert_eq!(sent, Ok(()));
                }
                30..70 => {
                    belief.ringing = false;
                    belief.up = true;
                    belief.media = (sdp.clone(), "offer".to_owned());
                    let answer = Some(Bytes::from(sdp.into_bytes()));
                    let sent = self.pair.act(side, |end, now| end.dialogs.accept(&mut end.tx, key, answer, &[], now));
                    assert_eq!(sent, Ok(()));
                }
                70..75 if !self.calm => {
                    belief.over = true;
                    let _ = self.pair.act(side, |end, now| end.dialogs.reject(&mut end.tx, key, 486, "", &[], now));
                }
                _ => {}
            }
        } else if let Some(offer) = belief.asked.clone().filter(|_| draw < 70) {
            belief.asked = None;
            if draw < 10 {
                let _ = self.pair.act(side, |end, now| end.dialogs.reject_reinvite(&mut end.tx, key, 488, now));
            } else if self.pair.answer(side, key, &sdp).is_ok() {
                self.beliefs[side].media = (sdp, offer);
            }
        } else if belief.up && draw < 30 && belief.offered.is_none() {
            if self.pair.reinvite(side, key, &sdp).is_ok() {
                self.beliefs[side].offered = Some(sdp);
            }
        } else if draw >= 92 && !self.calm {
            self.hangup(side);
        }
        self.learn();
    }

    fn hangup(&mut self, side: usize) {
        let belief = &mut self.beliefs[side];
        let Some(key) = belief.key.filter(|_| !belief.over) else { return };
        // A caller without an answer still hears of the end; all others do not.
        let caller_waits = side == A && !belief.up;
        belief.over = !caller_waits;
        self.pair.hangup(side, key);
    }

    fn settle(&mut self) {
        self.pair.weather = Weather { loss_percent: 0, repeat_percent: 0, delay_ms: (10, 10) };
        for _ in 0..600 {
            for side in [A, B] {
                let belief = &mut self.beliefs[side];
                if let (Some(offer), Some(key)) = (belief.asked.take(), belief.key) {
                    belief.count += 1;
                    let sdp = format!("{side}-{}", belief.count);
                    if self.pair.answer(side, key, &sdp).is_ok() {
                        self.beliefs[side].media = (sdp, offer);
                    }
                }
            }
            self.pair.run(100);
            self.learn();
        }
    }

    fn agree(&self) {
        let [a, b] = &self.beliefs;
        let ladder = self.pair.ladder();
        let open = |belief: &Belief| belief.offered.is_some() && !belief.over;
        assert!(!open(a) && !open(b), "seed {}: an offer is open\n{ladder}", self.seed);
        if !a.over && !b.over && a.up && b.up {
            assert_eq!(
                (&a.media.0, &a.media.1),
                (&b.media.1, &b.media.0),
                "seed {}: they see different media\n{ladder}",
                self.seed
            );
        }
        assert!(!(a.up && b.up) || a.over == b.over, "seed {}: one hears the other's silence\n{ladder}", self.seed);
    }
}

fn run(seed: u64) -> String {
    let mut run = Run::new(seed);
    for _ in 0..60 {
        let pause = run.pair.rng.u32() % 900;
        run.pair.run(u64::from(pause));
        run.learn();
        let side = if run.pair.rng.u32().is_multiple_of(2) { A } else { B };
        run.act(side);
    }
    run.settle();
    run.agree();
    for side in [A, B] {
        run.hangup(side);
    }
    assert!(run.pair.run_out().is_some(), "seed {seed}: it never rests\n{}", run.pair.ladder());
    run.learn();
    // A usage that nobody answered belongs to its transaction user.
    for side in [B, A] {
        run.hangup(side);
    }
    assert!(run.pair.run_out().is_some(), "seed {seed}: it never rests\n{}", run.pair.ladder());
    run.learn();
    for (side, belief) in run.beliefs.iter().enumerate() {
        assert!(belief.over || belief.key.is_none(), "seed {seed}: side {side} still waits\n{}", run.pair.ladder());
    }
    run.pair.assert_empty();
    run.pair.ladder()
}

#[test]
fn both_sides_agree_at_the_end_whatever_the_network_does() {
    for seed in 0..400 {
        run(seed);
    }
}

#[test]
fn a_seed_gives_the_same_ladder_twice() {
    for seed in [3, 17, 42] {
        assert_eq!(run(seed), run(seed));
    }
}
