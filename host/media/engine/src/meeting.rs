//! Parties that are found by ICE and keyed by DTLS: the engine's part (`ice` has the rules). Who shakes hands lives above
//! floor 4, since that needs certificates, randomness and ECDSA; it is asked by [`Engine::poll_dtls`] and answers by
//! [`Engine::handle_dtls`].

use crate::engine::Engine;
use crate::ice::{Ice, raw};
use crate::secure::Secured;
use crate::{Event, FromDtls, StreamId, ToDtls};
use core::net::SocketAddr;
use model::{Instant, MediaPortId};
use rtp::stun::{self, ANSWER_MAX};

/// What a datagram on the port of such a party was.
pub(crate) enum Seen {
    /// RTP or RTCP: go on.
    Rtp,
    /// Anything else, done with.
    Done,
}

impl Engine {
    /// From here on the party of a stream is found by checks that know these credentials, and by nothing else; what it
    /// sends in clear is dropped. `None` makes it a party like any other. Before our description leaves: checks may come
    /// sooner than its answer.
    pub fn set_ice(&mut self, id: StreamId, ours: Option<&sdp::Ice>) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        match (ours, &mut stream.ice) {
            (Some(ours), Some(ice)) => ice.restart(ours),
            (Some(ours), none) => {
                *none = Some(Box::new(Ice::new(ours)));
                stream.secured = None;
            }
            (None, ice) => {
                let was_open = ice.take().is_some_and(|ice| ice.is_open());
                self.dtls.extend(was_open.then_some(ToDtls::Close { stream: id }));
            }
        }
    }

    /// Names the party's certificate and who begins the handshake; after [`Engine::set_ice`]. Naming the same again changes
    /// nothing; another one is another handshake, and until it is done there are the former keys.
    pub fn set_dtls(&mut self, id: StreamId, active: bool, fingerprints: &[sdp::Fingerprint], now: Instant) {
        let Some(ice) = self.ports.get_mut(id).and_then(|s| s.ice.as_mut()) else { return };
        if ice.meet(active, fingerprints) {
            self.dtls.push_back(ToDtls::Close { stream: id });
        }
        self.dtls.extend(ice.begin(id, now));
    }

    /// What whoever shakes hands is to do next.
    pub fn poll_dtls(&mut self) -> Option<ToDtls> {
        self.dtls.pop_front()
    }

    /// What came of it. For a stream that is closed it is nothing.
    pub fn handle_dtls(&mut self, id: StreamId, done: FromDtls, now: Instant) {
        let Some(stream) = self.ports.get_mut(id) else { return };
        let Some(ice) = &stream.ice else { return };
        match done {
            FromDtls::Record(bytes) => {
                let transmit = ice.address(now).map(|to| raw(stream.port, to, &bytes));
                self.transmits.extend(transmit);
            }
            FromDtls::Keys(keys) => {
                match &mut stream.secured {
                    Some(secured) => secured.rekey(&keys, now),
                    none => *none = Some(Box::new(Secured::new(&keys))),
                }
                // The media timeout counts from when there could be media.
                stream.silence.heard_at = now;
            }
            FromDtls::Failed => self.events.push_back(Event::Unsecured { stream: id }),
        }
    }

    /// A datagram on the port of a party that is found by ICE.
    pub(crate) fn meet(&mut self, port: MediaPortId, from: SocketAddr, datagram: &[u8], now: Instant) -> Seen {
        let Some(stream) = self.ports.at(port) else { return Seen::Done };
        let Some(ice) = &mut stream.ice else { return Seen::Rtp };
        match stun::kind(datagram) {
            stun::Kind::Rtp => return Seen::Rtp,
            stun::Kind::Stun => {
                let mut out = [0; ANSWER_MAX];
                let answer = ice.check(datagram, from, now, &mut out).and_then(|len| out.get(..len));
                self.transmits.extend(answer.map(|bytes| raw(port, from, bytes)));
                self.dtls.extend(ice.begin(stream.id, now));
            }
            stun::Kind::Dtls if ice.takes_record(from, now) => {
                self.dtls.push_back(ToDtls::Record { stream: stream.id, bytes: datagram.into() });
            }
            stun::Kind::Dtls => stream.stats.strangers += 1,
            stun::Kind::Other => stream.stats.malformed += 1,
        }
        Seen::Done
    }
}
