//! What a shard shows of itself to other threads, without being asked.

use crate::hands::HandsCounters;
use crate::scores::Scores;
use core::time::Duration;
use net::NetCounters;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Upper bounds of the time between a question and its answer, in microseconds; one bucket more has no bound.
pub(crate) const HOOK_BUCKETS_US: [u64; 14] =
    [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000];

/// Times by bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Latencies {
    pub(crate) counts: [u64; HOOK_BUCKETS_US.len() + 1],
    pub(crate) sum_us: u64,
}

impl Latencies {
    fn add(&mut self, other: &Latencies) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, others)| *mine += others);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    pub(crate) fn observe(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = HOOK_BUCKETS_US.iter().position(|bound| us <= *bound).unwrap_or(HOOK_BUCKETS_US.len());
        self.counts[bucket] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }
}

/// The figures of a shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// The switch's.
    pub core: switch::Counters,
    /// The sockets'.
    pub net: NetCounters,
    /// Questions asked of the plugin chain.
    pub asked: u64,
    /// Of the answers, how many say that a plugin failed.
    pub ask_failed: u64,
    /// Questions whose answer is awaited.
    pub asks_pending: usize,
    /// Call apps started and not ended.
    pub apps_alive: usize,
    /// Call records that wait in memory because the disk takes none.
    pub records_unwritten: usize,
    /// Messages and sendings between shards that found no room.
    pub hand_overs_dropped: u64,
    pub(crate) hands: HandsCounters,
    pub(crate) ask_latency: Latencies,
    pub(crate) scores: Scores,
}

impl Figures {
    /// The figures of all shards together.
    pub(crate) fn of_all(shards: &[Figures]) -> Figures {
        let mut all = Figures::default();
        for shard in shards {
            // Does not compile when a field is forgotten.
            let Figures {
                core: _,
                net: _,
                asked,
                ask_failed,
                asks_pending,
                apps_alive,
                records_unwritten,
                hand_overs_dropped,
                hands,
                ask_latency,
                scores,
            } = shard;
            all.asked += asked;
            all.ask_failed += ask_failed;
            all.asks_pending += asks_pending;
            all.apps_alive += apps_alive;
            all.records_unwritten += records_unwritten;
            all.hand_overs_dropped += hand_overs_dropped;
            all.hands.add(hands);
            all.ask_latency.add(ask_latency);
            all.scores.add(scores);
        }
        all.core = switch::Counters::of_all(shards.iter().map(|s| s.core));
        all.net = NetCounters::of_all(shards.iter().map(|s| s.net));
        all
    }
}

/// Where a shard leaves its figures.
#[derive(Debug)]
pub(crate) struct Published {
    figures: Mutex<Figures>,
    /// Calls alive, and whether every machine is at rest.
    pub(crate) alive: watch::Sender<Alive>,
    /// Whether a shard of the node has ended; they share it.
    any_gone: watch::Sender<bool>,
}

/// What a drain waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alive {
    /// Calls are up.
    Calls(usize),
    /// No call, but transactions or dialogs are not over.
    Ending,
    /// Nothing is going on.
    Idle,
    /// The thread has ended.
    Gone,
}

impl Published {
    /// One for each shard of a node.
    pub(crate) fn of_node(shards: usize) -> Vec<Arc<Published>> {
        let any_gone = watch::Sender::new(false);
        let one = |_| Published {
            figures: Mutex::default(),
            alive: watch::Sender::new(Alive::Idle),
            any_gone: any_gone.clone(),
        };
        (0..shards).map(one).map(Arc::new).collect()
    }

    /// Returns when a shard of the node has ended.
    pub(crate) async fn any_gone(&self) {
        let mut gone = self.any_gone.subscribe();
        let _gone = gone.wait_for(|gone| *gone).await;
    }

    pub(crate) fn figures(&self) -> Figures {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn show(&self, figures: Figures, alive: Alive) {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
        self.alive.send_if_modified(|known| std::mem::replace(known, alive) != alive);
    }

    pub(crate) fn gone(&self) {
        self.alive.send_replace(Alive::Gone);
        self.any_gone.send_replace(true);
    }
}
