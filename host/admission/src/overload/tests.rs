//! A shard with a queue, offered more than it can do.

use super::*;
use std::collections::VecDeque;

/// What one piece of work costs, in microseconds: a call that is taken, one that is shed, a message of a call that is up.
const CALL_US: u64 = 1_000;
const SHED_US: u64 = 100;
const IN_DIALOG_US: u64 = 200;
/// A caller gives up and its call is worth nothing when it was not answered for so long.
const PATIENCE: Duration = Duration::from_millis(500);

struct Model {
    shedder: Option<Shedder>,
    queue: VecDeque<(Instant, bool)>,
    now: Instant,
    /// When calls that were taken come back with the rest of their messages.
    returns: VecDeque<Instant>,
    /// What the rest costs, in microseconds; it comes a second after the call.
    rest_us: u64,
    good: u64,
    shed: u64,
    in_dialog_late: u64,
    longest: usize,
}

fn at(us: u64) -> Instant {
    Instant::from_unix_nanos(1_000_000_000_000 + us * 1_000)
}

impl Model {
    fn new(sheds: bool) -> Model {
        let shedder = sheds.then(|| Shedder::new(ShedderConfig::default()));
        Model {
            shedder,
            queue: VecDeque::new(),
            now: at(0),
            returns: VecDeque::new(),
            rest_us: 0,
            good: 0,
            shed: 0,
            in_dialog_late: 0,
            longest: 0,
        }
    }

    /// Runs until `end_us`, with `per_s` new calls a second and a tenth as many messages of calls that are up.
    fn offer(&mut self, per_s: u64, from_us: u64, end_us: u64) {
        let gap = 1_000_000 / per_s;
        let mut arrivals = (from_us..end_us).step_by(gap as usize).zip(0_u64..).peekable();
        loop {
            while let Some(came) = self.returns.pop_front_if(|due| *due <= self.now) {
                self.now = self.now + Duration::from_micros(self.rest_us);
                self.good += u64::from(self.now.since(came) <= PATIENCE);
            }
            while let Some((us, n)) = arrivals.next_if(|(us, _)| at(*us) <= self.now || self.queue.is_empty()) {
                self.now = self.now.max(at(us));
                self.queue.push_back((at(us), n % 10 == 0));
                self.longest = self.longest.max(self.queue.len());
            }
            let Some((came, in_dialog)) = self.queue.pop_front() else { return };
            self.serve(came, in_dialog);
        }
    }

    fn serve(&mut self, came: Instant, in_dialog: bool) {
        let lag = self.now.since(came);
        if let Some(shedder) = &mut self.shedder {
            shedder.observe(Load { lag, queued: self.queue.len() }, self.now);
        }
        let cost = if in_dialog {
            self.in_dialog_late += u64::from(lag > PATIENCE);
            IN_DIALOG_US
        } else if self.shedder.as_mut().is_none_or(|s| s.take().is_ok()) {
            if self.rest_us == 0 {
                self.good += u64::from(lag <= PATIENCE);
            } else {
                self.returns.push_back(self.now + Duration::from_secs(1));
            }
            CALL_US
        } else {
            self.shed += 1;
            SHED_US
        };
        self.now = self.now + Duration::from_micros(cost);
    }
}

#[test]
fn at_twice_the_capacity_goodput_stays_above_four_fifths() {
    // 900 of 1,000 offered are new calls of 1 ms; the capacity is about 1,000 a second less what is in dialog.
    let capacity = 60 * 900_u64;
    let mut with = Model::new(true);
    with.offer(2_000, 0, 60_000_000);
    assert!(with.good * 10 > capacity * 8, "goodput {} of {capacity}", with.good);
    assert!(with.shed > 30_000, "{} were shed", with.shed);
    assert_eq!(with.in_dialog_late, 0, "calls that are up are not hurt");
    assert!(with.longest < 1_500, "{} waited", with.longest);
    // Without it, the queue grows until everything is late.
    let mut without = Model::new(false);
    without.offer(2_000, 0, 60_000_000);
    assert!(without.good * 10 < capacity, "goodput {}", without.good);
}

#[test]
fn calls_that_come_back_do_not_make_it_swing() {
    // A millisecond now and another a second later: 500 calls a second at most, less what is in dialog.
    let mut model = Model::new(true);
    model.rest_us = CALL_US;
    model.offer(1_000, 0, 60_000_000);
    let capacity = 60 * 450_u64;
    assert!(model.good * 100 > capacity * 85, "goodput {} of {capacity}", model.good);
    assert_eq!(model.in_dialog_late, 0);
    assert!(model.shedder.is_some_and(|s| s.counters().began < 5));
}

#[test]
fn shedding_begins_late_and_ends_when_the_rush_is_over() {
    let mut model = Model::new(true);
    model.offer(800, 0, 10_000_000);
    assert_eq!(model.shed, 0, "below the capacity nothing is shed");
    model.offer(3_000, 10_000_000, 20_000_000);
    let shed = model.shed;
    assert!(shed > 5_000);
    model.offer(500, 20_000_000, 40_000_000);
    let after = model.shed;
    model.offer(500, 40_000_000, 50_000_000);
    assert_eq!(model.shed, after, "the share is whole again");
    let counters = model.shedder.as_ref().map(Shedder::counters).unwrap();
    assert_eq!((counters.share, counters.shed), (1_000, model.shed));
    assert!(counters.began >= 1 && counters.began < 20, "it does not flap: {}", counters.began);
}

#[test]
fn the_share_is_counted_out_evenly_and_never_nothing() {
    let mut shedder = Shedder::new(ShedderConfig::default());
    for n in 0..100 {
        shedder.observe(Load { lag: Duration::from_secs(60), queued: 0 }, at(n * 200_000));
    }
    assert_eq!(shedder.counters().share, 20);
    let taken = (0..1_000).filter(|_| shedder.take().is_ok()).count();
    assert_eq!(taken, 20);
    let retries: std::collections::BTreeSet<u32> = (0..40).filter_map(|_| shedder.take().err()).collect();
    assert!(retries.len() == 10 && retries.iter().all(|s| (1..=10).contains(s)), "{retries:?}");
}

#[test]
fn a_long_queue_counts_as_lateness() {
    let mut shedder = Shedder::new(ShedderConfig::default());
    let long = Load { lag: Duration::ZERO, queued: 4_400 };
    shedder.observe(long, at(0));
    shedder.observe(long, at(150_000));
    assert_eq!(shedder.counters().share, 1_000, "once is a pause");
    shedder.observe(long, at(300_000));
    assert_eq!(shedder.counters().share, 400, "a tenth more than it may be");
}

#[test]
fn a_pause_of_the_machine_sheds_nothing() {
    let mut shedder = Shedder::new(ShedderConfig::default());
    for n in 0..100 {
        // Every second turn is late by a second: what stood has been worked off in between.
        let lag = if n % 2 == 0 { Duration::from_secs(1) } else { Duration::from_millis(1) };
        shedder.observe(Load { lag, queued: 0 }, at(n * 60_000));
    }
    assert_eq!(shedder.counters().began, 0);
}
