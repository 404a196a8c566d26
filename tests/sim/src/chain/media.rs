//! What the phones say to each other, and by which way it goes: straight where both shards proxy, by the ports of every
//! shard that relays.

use super::{CALLERS, SHARDS, World, address, broken};
use crate::chance::Chance;
use crate::network::{Load, Packet};
use crate::rules::Broken;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use model::{Handling, MediaPortId};
use switch::{MediaPort, PacketKind};

/// How long calls stand in calm weather before everybody hangs up.
pub(super) const CALM: Duration = Duration::from_secs(25);
/// A dialog that stands for so long has settled.
const SETTLED: Duration = Duration::from_secs(15);
/// Whoever stands has said something more than once meanwhile.
const DEAF: Duration = Duration::from_secs(6);
/// The ports of a shard.
const PORTS: u64 = 400;
const FIRST: u16 = 20_000;
/// What a receive buffer has beyond a packet.
const ROOM: usize = 32;

/// How each shard handles its calls.
pub(super) fn handlings(seed: u64) -> [Handling; 2] {
    let mut chance = Chance::new(seed ^ 0x0052_454c_4159);
    [0, 1].map(|_| if chance.percent(50) { Handling::Relay } else { Handling::Proxy })
}

pub(super) fn ports(ip: IpAddr) -> Vec<MediaPort> {
    let at = |n: u64, rtcp: u16| SocketAddr::new(ip, FIRST + 2 * n as u16 + rtcp);
    (0..PORTS).map(|n| MediaPort { id: MediaPortId(n), rtp: at(n, 0), rtcp: at(n, 1) }).collect()
}

impl World {
    /// What the phones have said leaves.
    pub(super) fn speak(&mut self) -> bool {
        let mut acted = false;
        for phone in &mut self.phones {
            for (port, to, bytes) in phone.said.drain(..) {
                acted = true;
                let from = SocketAddr::new(phone.address.ip(), port);
                self.network.send(Packet { from, to, connection: None, load: Load::Rtp(bytes) }, false, self.now);
            }
        }
        acted
    }

    /// RTP arrives, at a shard or at a phone.
    pub(super) fn hear(&mut self, from: SocketAddr, to: SocketAddr, mut bytes: Vec<u8>) {
        self.tally.rtp += 1;
        if let Some(shard) = SHARDS.iter().position(|at| address(at).ip() == to.ip()) {
            let port = MediaPortId(u64::from(to.port().saturating_sub(FIRST) / 2));
            let len = bytes.len();
            bytes.resize(len + ROOM, 0);
            let core = &mut self.cores[shard];
            let Some(sent) = core.handle_media(port, PacketKind::Rtp, from, &mut bytes, len, self.now) else { return };
            bytes.truncate(sent.len);
            self.trace.output(self.now, &bytes);
            let from = SocketAddr::new(to.ip(), FIRST + 2 * sent.port.0 as u16);
            self.network.send(Packet { from, to: sent.to, connection: None, load: Load::Rtp(bytes) }, false, self.now);
        } else if let Some(phone) = self.phones.iter_mut().find(|phone| phone.address.ip() == to.ip()) {
            phone.listen(to.port(), &bytes, self.now);
        }
    }

    /// Both ends of every dialog that has stood for a while hear each other, by the way that the shards stand for.
    pub(super) fn check_media(&mut self) -> Result<(), Broken> {
        let (now, old) = (self.now, |since| self.now.since(since) > SETTLED);
        let talks: Vec<_> = self.phones.iter().enumerate().flat_map(|(at, phone)| phone.talks(at)).collect();
        let (callers, callees): (Vec<_>, Vec<_>) = talks.into_iter().partition(|talk| talk.phone < CALLERS);
        let mut relayed = 0;
        for one in callers.iter().filter(|talk| old(talk.since)) {
            let pair = |other: &&super::phone::Talk<'_>| {
                other.call_id == one.call_id && other.tags == (one.tags.1, one.tags.0) && old(other.since)
            };
            let Some(other) = callees.iter().find(pair) else { continue };
            for (talk, shard) in [(one, 0), (other, 1)] {
                let by_shard = talk.media.is_some_and(|to| to.ip() == address(SHARDS[shard]).ip());
                if by_shard != (self.handlings[shard] == Handling::Relay) {
                    let words = format!("{} speaks to {:?}: {:?}", talk.call_id, talk.media, self.handlings);
                    return broken("anchored", words);
                }
            }
            for (hearer, speaker) in [(one, other), (other, one)] {
                let heard = self.phones[hearer.phone].heard_at(hearer.port, speaker.label);
                if heard.is_none_or(|at| now.since(at) > DEAF) {
                    let words = format!(
                        "phone {} hears nothing of {} in {}: {heard:?}",
                        hearer.phone, speaker.phone, one.call_id
                    );
                    return broken("deaf", words);
                }
            }
            relayed += usize::from(self.handlings.contains(&Handling::Relay));
        }
        if relayed > 0 {
            self.coverage.note("relayed");
        }
        Ok(())
    }
}
