//! The network between the phones and the switch.

use crate::chance::Chance;
use core::net::SocketAddr;
use core::time::Duration;
use model::Instant;
use std::collections::BTreeMap;

/// What travels.
#[derive(Clone, Debug)]
pub(crate) enum Load {
    /// A SIP message.
    Sip(Vec<u8>),
    /// An RTP packet.
    Rtp(Vec<u8>),
}

/// One packet on its way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    /// The stream it travels on; it is lost with it.
    pub(crate) connection: Option<u64>,
    pub(crate) load: Load,
}

/// How bad it is, in percent and milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    pub(crate) delay_ms: (u64, u64),
}

/// Packets in flight, by arrival.
#[derive(Debug)]
pub(crate) struct Network {
    chance: Chance,
    weather: Weather,
    flight: BTreeMap<(Instant, u64), Packet>,
    number: u64,
    /// The last arrival of each reliable direction: streams do not reorder.
    in_order: BTreeMap<(SocketAddr, SocketAddr), Instant>,
}

impl Network {
    pub(crate) fn new(chance: Chance, weather: Weather) -> Network {
        Network { chance, weather, flight: BTreeMap::new(), number: 0, in_order: BTreeMap::new() }
    }

    /// The storm is over: no loss and no duplication from now on.
    pub(crate) fn calm(&mut self) {
        self.weather = Weather { loss: 0, duplication: 0, ..self.weather };
    }

    pub(crate) fn send(&mut self, packet: Packet, reliable: bool, now: Instant) {
        let (least, most) = self.weather.delay_ms;
        if reliable {
            let key = (packet.from, packet.to);
            let wanted = now + self.chance.millis(least, most);
            let after = self.in_order.get(&key).map_or(wanted, |last| (*last + Duration::from_nanos(1)).max(wanted));
            self.in_order.insert(key, after);
            return self.fly(after, packet);
        }
        if self.chance.percent(self.weather.loss) {
            return;
        }
        if self.chance.percent(self.weather.duplication) {
            let again = now + self.chance.millis(least, most * 2);
            self.fly(again, packet.clone());
        }
        let arrival = now + self.chance.millis(least, most);
        self.fly(arrival, packet);
    }

    fn fly(&mut self, at: Instant, packet: Packet) {
        self.number += 1;
        self.flight.insert((at, self.number), packet);
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.flight.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.flight.is_empty()
    }

    pub(crate) fn arrive(&mut self, now: Instant) -> Option<Packet> {
        let (&(at, number), _) = self.flight.first_key_value()?;
        if at > now { None } else { self.flight.remove(&(at, number)) }
    }
}
