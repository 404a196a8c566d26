//! The ways between the shards of a node: bounded queues, one for each pair and direction.
//!
//! What crosses is a message that was read by another shard than its brand's, what is to leave by another shard's
//! connection, and what all are to know. No call is shared, so nothing waits for an answer from the other side.

use crate::clock::Clock;
use core::time::Duration;
use model::{Flow, Instant, Transmit};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use switch::Input;

/// Most that is kept back for a queue without room, of what may not be lost.
const KEPT_MAX: usize = 65_536;

/// What goes from one shard to another.
#[derive(Debug)]
pub(crate) enum Crossing {
    /// A message, or what all are to know; and since when it waits.
    Input(Input, Instant),
    /// To be sent by a connection of the other shard.
    Transmit(Transmit),
}

/// The way to one other shard.
struct Way {
    send: SyncSender<Crossing>,
    waker: net::Waker,
    /// Something was sent that it was not woken for.
    wakes: bool,
    /// What may not be lost and had no room.
    kept: VecDeque<Crossing>,
}

/// One shard's ends of all its ways; none where it is alone.
///
/// # Invariants
/// `to` stands by the number of the shard, with `None` for the own; nothing stays in `kept` while there is room.
pub(crate) struct Bridge {
    own: u64,
    to: Vec<Option<Way>>,
    from: Vec<Receiver<Crossing>>,
    clock: Clock,
    dropped: u64,
}

impl Bridge {
    /// The bridges between the shards that these wake, in their order.
    pub(crate) fn between(wakers: impl Iterator<Item = net::Waker>, waiting_max: usize, clock: Clock) -> Vec<Bridge> {
        let wakers: Vec<net::Waker> = wakers.collect();
        let bridge = |own| Bridge { own, to: Vec::new(), from: Vec::new(), clock, dropped: 0 };
        let mut bridges: Vec<Bridge> = (0..wakers.len() as u64).map(bridge).collect();
        for (reader, waker) in wakers.iter().enumerate() {
            for writer in 0..wakers.len() {
                if reader == writer {
                    bridges[writer].to.push(None);
                    continue;
                }
                let (send, receive) = sync_channel(waiting_max.max(1));
                let way = Way { send, waker: waker.clone(), wakes: false, kept: VecDeque::new() };
                bridges[writer].to.push(Some(way));
                bridges[reader].from.push(receive);
            }
        }
        bridges
    }

    /// Whether there is no other shard.
    pub(crate) fn is_alone(&self) -> bool {
        self.from.is_empty()
    }

    /// Whether this leaves by a connection of another shard.
    pub(crate) fn is_foreign(&self, flow: &Flow) -> bool {
        flow.connection.is_some_and(|connection| connection.shard() != self.own)
    }

    /// Hands a message over. Without room it is lost, as it would be in a full socket buffer.
    pub(crate) fn hand_over(&mut self, shard: u8, input: Input) {
        let crossing = Crossing::Input(input, self.clock.now());
        self.dropped += u64::from(!self.way(u64::from(shard)).is_some_and(|way| way.offer(crossing)));
    }

    /// Sends by a connection of another shard; `false` where it cannot, and the flow has failed.
    pub(crate) fn transmit(&mut self, transmit: Transmit) -> bool {
        let Some(shard) = transmit.flow.connection.map(model::ConnectionId::shard) else { return false };
        let sent = self.way(shard).is_some_and(|way| way.offer(Crossing::Transmit(transmit)));
        self.dropped += u64::from(!sent);
        sent
    }

    /// Tells every other shard; what finds no room follows when there is some.
    pub(crate) fn tell_all(&mut self, input: &Input) {
        let now = self.clock.now();
        for way in self.to.iter_mut().flatten() {
            way.insist(Crossing::Input(input.clone(), now));
        }
    }

    /// Wakes whoever was sent something, and tries again what had no room.
    pub(crate) fn wake(&mut self) {
        for way in self.to.iter_mut().flatten() {
            while let Some(crossing) = way.kept.pop_front() {
                if let Some(crossing) = way.push(crossing) {
                    way.kept.push_front(crossing);
                    break;
                }
            }
            if core::mem::take(&mut way.wakes) {
                way.waker.wake();
            }
        }
    }

    /// Whether something had no room and is to be tried again soon.
    pub(crate) fn has_kept(&self) -> bool {
        self.to.iter().flatten().any(|way| !way.kept.is_empty())
    }

    /// At most `max` from each other shard; and whether there may be more.
    pub(crate) fn take(&mut self, max: usize, mut taken: impl FnMut(Crossing)) -> bool {
        let mut more = false;
        for receiver in &self.from {
            let mut left = max;
            while left > 0
                && let Ok(crossing) = receiver.try_recv()
            {
                left -= 1;
                taken(crossing);
            }
            more |= left == 0;
        }
        more
    }

    /// Messages and bytes that found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn way(&mut self, shard: u64) -> Option<&mut Way> {
        self.to.get_mut(usize::try_from(shard).ok()?)?.as_mut()
    }
}

impl Way {
    /// Gives it back where there is no room.
    fn push(&mut self, crossing: Crossing) -> Option<Crossing> {
        match self.send.try_send(crossing) {
            Ok(()) => {
                self.wakes = true;
                None
            }
            Err(TrySendError::Full(crossing)) => Some(crossing),
            // It has ended, and so does the node.
            Err(TrySendError::Disconnected(_)) => None,
        }
    }

    /// Whether there was room. What was kept back goes first.
    fn offer(&mut self, crossing: Crossing) -> bool {
        self.kept.is_empty() && self.push(crossing).is_none()
    }

    fn insist(&mut self, crossing: Crossing) {
        let crossing = if self.kept.is_empty() { self.push(crossing) } else { Some(crossing) };
        if let Some(crossing) = crossing
            && self.kept.len() < KEPT_MAX
        {
            self.kept.push_back(crossing);
        }
    }
}

/// How long the first that was taken has waited.
pub(crate) fn age(crossing: &Crossing, now: Instant) -> Duration {
    match crossing {
        Crossing::Input(_, since) => now.since(*since),
        Crossing::Transmit(_) => Duration::ZERO,
    }
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
