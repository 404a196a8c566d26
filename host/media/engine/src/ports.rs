//! The port table: which stream holds which port, and which ports rest.

use crate::stream::Stream;
use crate::{MediaPort, NoPort, StreamId};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use model::{Instant, MediaPortId};
use std::collections::VecDeque;

#[derive(Debug)]
struct Slot {
    port: MediaPort,
    /// How many streams have held the port.
    generation: u32,
    stream: Option<Box<Stream>>,
    /// Who spoke while nobody held the port, the newest first: whoever did is not the next party.
    late: [Option<SocketAddr>; LATE_MAX],
}

/// How many late speakers a port remembers.
pub(crate) const LATE_MAX: usize = 4;

/// Ports that nobody holds, the one that has rested longest first.
type Free = VecDeque<(Instant, u32)>;

/// All ports of a shard, by place.
///
/// # Invariants
/// Each usable port is held by one stream or stands once in one queue of free ports. A queue is in the order of
/// closing, so its head is the first to have rested enough.
#[derive(Debug)]
pub(crate) struct Ports {
    slots: Vec<Slot>,
    free_v4: Free,
    free_v6: Free,
    open: usize,
}

impl Ports {
    pub(crate) fn new(ports: Vec<MediaPort>) -> Self {
        let (mut free_v4, mut free_v6) = (Free::new(), Free::new());
        for (place, port) in (0_u32..).zip(&ports) {
            if port.id == MediaPortId(u64::from(place)) {
                let free = if port.rtp.is_ipv4() { &mut free_v4 } else { &mut free_v6 };
                free.push_back((Instant::from_unix_nanos(0), place));
            }
        }
        let slots =
            ports.into_iter().map(|port| Slot { port, generation: 0, stream: None, late: [None; LATE_MAX] }).collect();
        Ports { slots, free_v4, free_v6, open: 0 }
    }

    pub(crate) fn open(&mut self, family_of: IpAddr, now: Instant) -> Result<(StreamId, MediaPort), NoPort> {
        let free = if family_of.is_ipv4() { &mut self.free_v4 } else { &mut self.free_v6 };
        let (_, place) = free.pop_front_if(|(rested_at, _)| *rested_at <= now).ok_or(NoPort)?;
        let slot = self.slots.get_mut(place as usize).ok_or(NoPort)?;
        slot.generation = slot.generation.wrapping_add(1);
        let id = StreamId::new(slot.generation, place);
        let mut stream = Stream::new(id, slot.port.id, now);
        stream.latch.shun(core::mem::take(&mut slot.late));
        slot.stream = Some(Box::new(stream));
        self.open += 1;
        Ok((id, slot.port))
    }

    pub(crate) fn close(&mut self, id: StreamId, now: Instant, quarantine: Duration) -> Option<Box<Stream>> {
        self.get(id)?;
        let slot = self.slots.get_mut(id.index())?;
        let stream = slot.stream.take()?;
        let free = if slot.port.rtp.is_ipv4() { &mut self.free_v4 } else { &mut self.free_v6 };
        free.push_back((now + quarantine, id.place()));
        self.open -= 1;
        Some(stream)
    }

    /// Somebody spoke to a port that nobody holds.
    pub(crate) fn note_late(&mut self, port: MediaPortId, from: SocketAddr) {
        let slot = usize::try_from(port.0).ok().and_then(|place| self.slots.get_mut(place));
        if let Some(slot) = slot.filter(|s| !s.late.contains(&Some(from))) {
            slot.late.rotate_right(1);
            slot.late[0] = Some(from);
        }
    }

    /// The stream that holds a port: the lookup of every packet.
    #[inline]
    pub(crate) fn at(&mut self, port: MediaPortId) -> Option<&mut Stream> {
        self.slots.get_mut(usize::try_from(port.0).ok()?)?.stream.as_deref_mut()
    }

    pub(crate) fn get(&self, id: StreamId) -> Option<&Stream> {
        self.slots.get(id.index())?.stream.as_deref().filter(|s| s.id == id)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.slots.get_mut(id.index())?.stream.as_deref_mut().filter(|s| s.id == id)
    }

    pub(crate) const fn streams(&self) -> usize {
        self.open
    }

    pub(crate) fn free(&self) -> usize {
        self.free_v4.len() + self.free_v6.len()
    }

    pub(crate) fn resting(&self, now: Instant) -> usize {
        self.free_v4.iter().chain(&self.free_v6).filter(|(rested_at, _)| *rested_at > now).count()
    }

    pub(crate) const fn total(&self) -> usize {
        self.slots.len()
    }
}
