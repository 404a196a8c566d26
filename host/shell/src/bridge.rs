//! The ways between the shards of a node: bounded queues, one for each pair and direction.
//!
//! What crosses is a message that was read by another shard than its brand's, what is to leave by another shard's
//! connection, and what all are to know. No call is shared, so nothing waits for an answer from the other side.

use crate::clock::Clock;
use core::time::Duration;
use model::{ConnectionId, Flow, Instant, Transmit};
use sip_message::Message;
use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use switch::Input;

/// Most that is kept back for a queue without room, of what may not be lost.
const KEPT_MAX: usize = 65_536;
/// Most bytes of messages among it.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What goes from one shard to another.
#[derive(Debug)]
pub(crate) enum Crossing {
    /// A message, or what all are to know; and since when it waits.
    Input(Input, Instant),
    /// To be sent by a connection of the other shard.
    Transmit(Transmit),
}

impl Crossing {
    /// The bytes of its message.
    fn len(&self) -> usize {
        match self {
            Crossing::Input(Input::Handed { message, .. }, _) => message.bytes().len(),
            Crossing::Input(..) => 0,
            Crossing::Transmit(transmit) => transmit.bytes.len(),
        }
    }
}

/// What became of something that was to cross.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// It is on its way, or follows when there is room.
    Yes,
    /// It is lost: far too much waits there. Where it was to go is as well as before.
    NoRoom,
    /// There is no such shard any more, nor what it had.
    Gone,
}

/// The way to one other shard.
struct Way {
    send: SyncSender<Crossing>,
    waker: net::Waker,
    /// Something was sent that it was not woken for.
    wakes: bool,
    /// What may not be lost and had no room.
    kept: VecDeque<Crossing>,
    /// The bytes of the messages in it.
    kept_bytes: usize,
    /// The connections of ours that it has had messages of: of those alone it is to know that they have ended.
    met: BTreeSet<ConnectionId>,
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
                let way = Way {
                    send,
                    waker: waker.clone(),
                    wakes: false,
                    kept: VecDeque::new(),
                    kept_bytes: 0,
                    met: BTreeSet::new(),
                };
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

    /// Hands a message over. A datagram without room is lost, as it would be in a full socket buffer, and whoever sent it
    /// repeats it. Nobody repeats what came by a stream (RFC 3261 section 17.1): it waits for room. What is lost of that
    /// all the same comes back.
    pub(crate) fn hand_over(&mut self, shard: u8, flow: Flow, message: Message) -> Option<(Flow, Message)> {
        let (now, reliable) = (self.clock.now(), flow.transport.is_reliable());
        let back = reliable.then(|| (flow, message.clone()));
        let sent = self.way(u64::from(shard)).map_or(Sent::Gone, |way| {
            way.met.extend(flow.connection);
            let crossing = Crossing::Input(Input::Handed { flow, message }, now);
            if reliable { way.insist(crossing) } else { way.offer(crossing) }
        });
        self.count(sent).and(back)
    }

    /// Sends by a connection of another shard; what has no room at once follows.
    pub(crate) fn transmit(&mut self, transmit: Transmit) -> Sent {
        let shard = transmit.flow.connection.map(ConnectionId::shard);
        let way = shard.and_then(|shard| self.way(shard));
        let sent = way.map_or(Sent::Gone, |way| way.insist(Crossing::Transmit(transmit)));
        self.count(sent);
        sent
    }

    /// Tells every other shard; what finds no room follows when there is some.
    pub(crate) fn tell_all(&mut self, input: &Input) {
        let now = self.clock.now();
        let each = self.to.iter_mut().flatten();
        let sent = each.map(|way| way.insist(Crossing::Input(input.clone(), now)));
        self.dropped += sent.filter(|sent| *sent != Sent::Yes).count() as u64;
    }

    /// Tells the others that one of our connections has ended, as far as they know it.
    pub(crate) fn tell_ended(&mut self, connection: ConnectionId, flow: Flow) {
        let now = self.clock.now();
        let met = self.to.iter_mut().flatten().filter_map(|way| way.met.remove(&connection).then_some(way));
        let sent = met.map(|way| way.insist(Crossing::Input(Input::FlowFailed { flow }, now)));
        self.dropped += sent.filter(|sent| *sent != Sent::Yes).count() as u64;
    }

    /// Wakes whoever was sent something, and tries again what had no room.
    pub(crate) fn wake(&mut self) {
        for way in self.to.iter_mut().flatten() {
            way.send_kept();
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

    /// What found no room, or nobody.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Counts what is lost.
    fn count(&mut self, sent: Sent) -> Option<()> {
        let lost = sent != Sent::Yes;
        self.dropped += u64::from(lost);
        lost.then_some(())
    }

    fn way(&mut self, shard: u64) -> Option<&mut Way> {
        self.to.get_mut(usize::try_from(shard).ok()?)?.as_mut()
    }
}

/// The other shard has.
struct Ended;

impl Way {
    /// Gives it back where there is no room; an error where nobody takes it any more.
    fn push(&mut self, crossing: Crossing) -> Result<Option<Crossing>, Ended> {
        match self.send.try_send(crossing) {
            Ok(()) => {
                self.wakes = true;
                Ok(None)
            }
            Err(TrySendError::Full(crossing)) => Ok(Some(crossing)),
            Err(TrySendError::Disconnected(_)) => Err(Ended),
        }
    }

    /// Sends it if there is room. What was kept back goes first.
    fn offer(&mut self, crossing: Crossing) -> Sent {
        if !self.kept.is_empty() {
            return Sent::NoRoom;
        }
        match self.push(crossing) {
            Ok(None) => Sent::Yes,
            Ok(Some(_)) => Sent::NoRoom,
            Err(Ended) => Sent::Gone,
        }
    }

    /// Sends it, or keeps it until there is room.
    fn insist(&mut self, crossing: Crossing) -> Sent {
        let waits = if self.kept.is_empty() { self.push(crossing) } else { Ok(Some(crossing)) };
        let crossing = match waits {
            Ok(None) => return Sent::Yes,
            Ok(Some(crossing)) => crossing,
            Err(Ended) => return Sent::Gone,
        };
        let bytes = self.kept_bytes + crossing.len();
        // What all must know has no bytes, and so goes in where messages do not any more.
        if self.kept.len() >= KEPT_MAX || (crossing.len() > 0 && bytes > KEPT_BYTES_MAX) {
            return Sent::NoRoom;
        }
        self.kept_bytes = bytes;
        self.kept.push_back(crossing);
        Sent::Yes
    }

    fn send_kept(&mut self) {
        while let Some(crossing) = self.kept.pop_front() {
            self.kept_bytes -= crossing.len();
            match self.push(crossing) {
                Ok(None) => {}
                Ok(Some(crossing)) => {
                    self.kept_bytes += crossing.len();
                    return self.kept.push_front(crossing);
                }
                // It has ended, and so does the node.
                Err(Ended) => {}
            }
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
