//! Parties that are found by ICE and keyed by DTLS: the engine's part (`ice` has the rules). Who shakes hands lives above
//! floor 4, since that needs certificates, randomness and ECDSA; it is asked by [`Engine::poll_dtls`] and answers by
//! [`Engine::handle_dtls`].

use crate::engine::Engine;
use crate::ice::{Ice, raw};
use crate::secure::Secured;
use crate::{DtlsPeer, Event, FromDtls, Handshake, StreamId, ToDtls};
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
                let number = ice.take().and_then(|ice| ice.number());
                self.dtls.extend(number.map(|number| ToDtls::Close { handshake: Handshake { stream: id, number } }));
            }
        }
    }

    /// Names the party's certificate and who begins the handshake; after [`Engine::set_ice`]. Where the association goes on
    /// ([`DtlsPeer::goes_on`]) nothing changes; else it is another handshake, and until it is done there are the former keys.
    pub fn set_dtls(&mut self, id: StreamId, peer: &DtlsPeer, now: Instant) {
        let Some(ice) = self.ports.get_mut(id).and_then(|s| s.ice.as_mut()) else { return };
        let former = ice.meet(peer).map(|number| ToDtls::Close { handshake: Handshake { stream: id, number } });
        self.dtls.extend(former);
        self.dtls.extend(ice.begin(id, &mut self.handshakes, now));
    }

    /// What whoever shakes hands is to do next.
    pub fn poll_dtls(&mut self) -> Option<ToDtls> {
        self.dtls.pop_front()
    }

    /// What came of it. For a stream that is closed, or in another handshake by now, it is nothing.
    pub fn handle_dtls(&mut self, handshake: Handshake, done: FromDtls, now: Instant) {
        let id = handshake.stream;
        let Some(stream) = self.ports.get_mut(id) else { return };
        let Some(ice) = stream.ice.as_mut().filter(|ice| ice.number() == Some(handshake.number)) else { return };
        match done {
            FromDtls::Record(bytes) => {
                let transmit = ice.tell_record(bytes.len(), now).map(|to| raw(stream.port, to, &bytes));
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
            FromDtls::Lost => self.events.push_back(Event::HandshakeLost { stream: id }),
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
                self.dtls.extend(ice.begin(stream.id, &mut self.handshakes, now));
            }
            stun::Kind::Dtls => match ice.takes_record(from, datagram.len(), now) {
                Some(number) => {
                    let handshake = Handshake { stream: stream.id, number };
                    self.dtls.push_back(ToDtls::Record { handshake, bytes: datagram.into() });
                }
                None => stream.stats.strangers += 1,
            },
            stun::Kind::Other => stream.stats.malformed += 1,
        }
        Seen::Done
    }
}
