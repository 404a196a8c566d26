//! Where a party's media really comes from: symmetric RTP (RFC 4961) learnt in a short window, then locked.
//!
//! A party behind NAT describes an address that nobody can send to; its packets show the one that works. Whoever
//! believes every packet, though, hands the call to the first stranger who sprays the port range. So:
//!
//! 1. Before a description nothing is believed.
//! 2. A packet from the very address described locks at once; so does one whose SRTP tag fits.
//! 3. A packet from elsewhere opens the window. Inside it a better source takes over, and each move must climb:
//!    the same source as before a re-offer < a stranger < the signalling's address < the described IP with another
//!    port < the described address itself, which locks. A source whose SSRC wobbles inside the window falls to the
//!    bottom: a party keeps its SSRC, a sprayer often does not.
//! 4. A stranger has neither the signalling's IP nor the described one. It is only thought of where the description
//!    must be wrong: its IP is private, and not the one that the signalling came from. And it is no stranger who spoke
//!    to the port before the port was this stream's. Even so it is neither heard nor sent to before the window has
//!    passed without a better source.
//! 5. When the window has passed, the source is locked. Everything else is a stranger: dropped and counted,
//!    whatever its SSRC. From the locked address a second SSRC is heard only when the first has fallen silent: who
//!    talks in between, under a forged address, is not heard.
//! 6. Only an offer or answer that moves the described address opens the window again, once.
//!
//! RTCP must come from the described RTCP address or from the IP that RTP came from; its first packet locks it.

use crate::ports::LATE_MAX;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use model::Instant;

/// A source that was silent for so long may be followed by another from the same address.
const SOURCE_GAP: Duration = Duration::from_millis(100);

/// How likely a source is to be the party; a source may only be replaced by a better one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rank {
    /// Where the party was before a re-offer moved it, or a source whose SSRC wobbles.
    Doubtful,
    Stranger,
    SignallingIp,
    DescribedIp,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// No usable description yet.
    Closed,
    /// Described, and nothing heard.
    Waiting,
    /// Heard from elsewhere; a better source may take over until the window ends.
    Leaning { source: Source, rank: Rank, until: Instant },
    /// Settled, and when it was heard last.
    Locked { source: Source, heard_at: Instant },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Source {
    addr: SocketAddr,
    /// `None` where it has none (UDPTL), or where the next one heard is its.
    ssrc: Option<u32>,
}

impl Source {
    /// Whether a packet under this number may be this source's, which has it from now on.
    fn takes(&mut self, ssrc: Option<u32>) -> bool {
        let same = self.ssrc == ssrc || self.ssrc.is_none();
        if same {
            self.ssrc = ssrc;
        }
        same
    }
}

/// The addresses of one party.
///
/// # Invariants
/// `Locked` is left only by [`Latch::describe`] with another address. Inside one window the rank only climbs,
/// except when the present source discredits itself.
#[derive(Clone, Debug)]
pub(crate) struct Latch {
    described: Option<(SocketAddr, SocketAddr)>,
    signalling: Option<IpAddr>,
    previous: Option<Source>,
    state: State,
    rtcp: Option<SocketAddr>,
    /// Who spoke to the port before.
    shunned: [Option<SocketAddr>; LATE_MAX],
}

impl Latch {
    pub(crate) const fn new() -> Self {
        Latch {
            described: None,
            signalling: None,
            previous: None,
            state: State::Closed,
            rtcp: None,
            shunned: [None; LATE_MAX],
        }
    }

    pub(crate) const fn expect_from(&mut self, signalling: IpAddr) {
        self.signalling = Some(signalling);
    }

    /// Names those who spoke to the port before it was the party's.
    pub(crate) const fn shun(&mut self, late: [Option<SocketAddr>; LATE_MAX]) {
        self.shunned = late;
    }

    /// Takes the addresses of an offer or answer. The unspecified address (RFC 2543 hold) moves nothing.
    pub(crate) fn describe(&mut self, rtp: SocketAddr, rtcp: SocketAddr) {
        if rtp.ip().is_unspecified() {
            return;
        }
        let moved = self.described.is_none_or(|(old, _)| old != rtp);
        self.described = Some((rtp, rtcp));
        if moved {
            self.previous = self.source();
            self.state = State::Waiting;
            self.rtcp = None;
        }
    }

    /// Whether an RTP packet is the party's.
    #[inline]
    pub(crate) fn admit(&mut self, addr: SocketAddr, ssrc: u32, now: Instant, window: Duration) -> bool {
        match &mut self.state {
            State::Locked { source, heard_at } if source.addr == addr => {
                let known = source.takes(Some(ssrc)) || now.since(*heard_at) >= SOURCE_GAP;
                if known {
                    source.ssrc = Some(ssrc);
                    *heard_at = now;
                }
                known
            }
            State::Locked { .. } | State::Closed => false,
            State::Waiting | State::Leaning { .. } => self.learn(Source { addr, ssrc: Some(ssrc) }, now, window),
        }
    }

    /// Whether a datagram that has no number of its own (UDPTL) is the party's.
    pub(crate) fn admit_datagram(&mut self, addr: SocketAddr, now: Instant, window: Duration) -> bool {
        match &mut self.state {
            State::Locked { source, heard_at } => {
                let known = source.addr == addr;
                if known {
                    *heard_at = now;
                }
                known
            }
            State::Closed => false,
            State::Waiting | State::Leaning { .. } => self.learn(Source { addr, ssrc: None }, now, window),
        }
    }

    /// The party speaks anew from where it is, under another number or none; gives the number that it had.
    pub(crate) fn renumber(&mut self) -> Option<u32> {
        match &mut self.state {
            State::Leaning { source, .. } | State::Locked { source, .. } => source.ssrc.take(),
            State::Closed | State::Waiting => self.previous.and_then(|previous| previous.ssrc),
        }
    }

    /// Whether a packet from here may be the party's at all, before its tag is looked at.
    pub(crate) fn may_speak(&self, addr: SocketAddr) -> bool {
        match self.state {
            State::Closed => false,
            State::Waiting | State::Leaning { .. } => true,
            State::Locked { source, .. } => source.addr == addr,
        }
    }

    /// A packet from here is the party's: its tag fits.
    pub(crate) fn trust(&mut self, addr: SocketAddr, ssrc: u32, now: Instant) {
        self.settle(addr);
        self.state = State::Locked { source: Source { addr, ssrc: Some(ssrc) }, heard_at: now };
    }

    fn learn(&mut self, heard: Source, now: Instant, window: Duration) -> bool {
        let Some(rank) = self.rank(heard) else { return self.refuse(heard, now, window) };
        match self.state {
            State::Leaning { source, until, .. } if now >= until => {
                self.state = State::Locked { source, heard_at: until };
                match heard.ssrc {
                    Some(ssrc) => self.admit(heard.addr, ssrc, now, window),
                    None => self.admit_datagram(heard.addr, now, window),
                }
            }
            State::Waiting | State::Leaning { .. } if self.is_described(heard.addr) => {
                self.settle(heard.addr);
                self.state = State::Locked { source: heard, heard_at: now };
                true
            }
            State::Waiting => {
                self.state = State::Leaning { source: heard, rank, until: now + window };
                self.believes(heard, rank)
            }
            State::Leaning { mut source, rank: present, until } if source.addr == heard.addr => {
                let rank = if source.takes(heard.ssrc) { present } else { Rank::Doubtful };
                self.state = State::Leaning { source: heard, rank, until };
                self.believes(heard, rank)
            }
            State::Leaning { rank: present, until, .. } if rank > present => {
                self.settle(heard.addr);
                self.state = State::Leaning { source: heard, rank, until };
                self.believes(heard, rank)
            }
            State::Leaning { .. } | State::Closed | State::Locked { .. } => false,
        }
    }

    /// A source that is never believed; but time may have settled another meanwhile.
    fn refuse(&mut self, heard: Source, now: Instant, window: Duration) -> bool {
        match self.state {
            State::Leaning { source, until, .. } if now >= until => {
                self.state = State::Locked { source, heard_at: until };
                match heard.ssrc {
                    Some(ssrc) => self.admit(heard.addr, ssrc, now, window),
                    None => self.admit_datagram(heard.addr, now, window),
                }
            }
            State::Leaning { .. } | State::Waiting | State::Closed | State::Locked { .. } => false,
        }
    }

    /// Whether a source of this rank is heard and sent to before the window has passed. Where signalling is known a
    /// stranger is only noted: it may be the party of an older call on this port that was never told of the end.
    fn believes(&self, heard: Source, rank: Rank) -> bool {
        let was_here = self.previous.is_some_and(|p| p.addr == heard.addr);
        rank > Rank::Stranger || was_here || self.signalling.is_none()
    }

    /// RTCP learnt from another IP than the new source's is forgotten.
    fn settle(&mut self, addr: SocketAddr) {
        self.rtcp = self.rtcp.filter(|rtcp| rtcp.ip() == addr.ip());
    }

    fn is_described(&self, addr: SocketAddr) -> bool {
        self.described.is_some_and(|(rtp, _)| rtp == addr)
    }

    /// How likely this source is; `None` for one that is never believed.
    fn rank(&self, heard: Source) -> Option<Rank> {
        if self.previous == Some(heard) {
            Some(Rank::Doubtful)
        } else if self.described.is_some_and(|(rtp, _)| rtp.ip() == heard.addr.ip()) {
            Some(Rank::DescribedIp)
        } else if self.signalling == Some(heard.addr.ip()) {
            Some(Rank::SignallingIp)
        } else if self.previous.is_some_and(|p| p.addr == heard.addr) || self.signalling.is_none() {
            Some(Rank::Stranger)
        } else {
            (self.is_behind_nat() && !self.shunned.contains(&Some(heard.addr))).then_some(Rank::Stranger)
        }
    }

    /// Whether nobody can send to the described address from here: it is private, and not the signalling's.
    fn is_behind_nat(&self) -> bool {
        let described = self.described.map(|(rtp, _)| rtp.ip());
        described.is_some_and(|ip| is_private(ip) && self.signalling != Some(ip))
    }

    fn source(&self) -> Option<Source> {
        match self.state {
            State::Closed | State::Waiting => None,
            State::Leaning { source, .. } | State::Locked { source, .. } => Some(source),
        }
    }

    /// Where the party's RTP comes from, once heard.
    pub(crate) fn heard_from(&self) -> Option<SocketAddr> {
        self.source().map(|s| s.addr)
    }

    /// Where to send RTP: where it comes from, else as described.
    #[inline]
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        match self.state {
            State::Closed => None,
            State::Leaning { source, rank, .. } if rank > Rank::Doubtful && self.believes(source, rank) => {
                Some(source.addr)
            }
            State::Waiting | State::Leaning { .. } => self.described.map(|(rtp, _)| rtp),
            State::Locked { source, .. } => Some(source.addr),
        }
    }

    /// Whether an RTCP packet is the party's.
    pub(crate) fn admit_rtcp(&mut self, addr: SocketAddr) -> bool {
        if let Some(locked) = self.rtcp {
            return locked == addr;
        }
        let heard = self.heard_from();
        let as_described = self.described.is_some_and(|(_, rtcp)| rtcp == addr);
        let beside_rtp = heard.is_some_and(|rtp| rtp.ip() == addr.ip());
        if !(as_described || beside_rtp) {
            return false;
        }
        // Before RTP was heard the description alone is not enough to lock: NAT may still move the party.
        if heard.is_some() {
            self.rtcp = Some(addr);
        }
        true
    }

    /// Where to send RTCP: where it comes from; as described only while RTP goes as described too.
    pub(crate) fn rtcp_destination(&self) -> Option<SocketAddr> {
        let (rtp, rtcp) = self.described?;
        self.rtcp.or_else(|| (self.destination() == Some(rtp)).then_some(rtcp))
    }
}

/// RFC 1918, 6598, 3927, 4193 and 4291: addresses that mean nothing to others.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(3);

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn at(ms: u64) -> Instant {
        Instant::from_unix_nanos(ms * 1_000_000)
    }

    fn described() -> Latch {
        let mut latch = Latch::new();
        latch.expect_from("203.0.113.7".parse().unwrap());
        latch.shun([Some(addr("198.51.100.66:9")), None, None, None]);
        latch.describe(addr("10.0.0.5:4000"), addr("10.0.0.5:4001"));
        latch
    }

    #[test]
    fn strangers_are_thought_of_only_where_the_description_must_be_wrong() {
        for (signalling, described, believed) in [
            ("203.0.113.7", "10.0.0.5:4000", true),
            ("203.0.113.7", "192.168.1.5:4000", true),
            ("203.0.113.7", "100.64.0.5:4000", true),
            ("203.0.113.7", "[fd00::5]:4000", true),
            ("203.0.113.7", "203.0.113.9:4000", false),
            ("203.0.113.7", "203.0.113.7:4000", false),
            ("10.0.0.5", "10.0.0.5:4000", false),
        ] {
            let mut latch = Latch::new();
            latch.expect_from(signalling.parse().unwrap());
            latch.describe(addr(described), addr(described));
            let stranger = addr("198.51.100.1:9");
            assert!(!latch.admit(stranger, 1, at(0), WINDOW));
            assert_eq!(latch.admit(stranger, 1, at(3_000), WINDOW), believed, "{signalling} {described}");
        }
    }

    #[test]
    fn a_fitting_tag_locks_wherever_it_comes_from() {
        let mut latch = described();
        assert!(latch.may_speak(addr("198.51.100.66:9")));
        latch.trust(addr("198.51.100.1:9"), 1, at(0));
        assert!(!latch.may_speak(addr("10.0.0.5:4000")) && latch.may_speak(addr("198.51.100.1:9")));
        assert_eq!(latch.destination(), Some(addr("198.51.100.1:9")));
    }

    /// One step: who sends, which SSRC, when in ms, and whether it is believed.
    type Step = (&'static str, u32, u64, bool);

    #[test]
    fn who_is_believed() {
        let cases: &[(&str, &[Step], &str)] = &[
            (
                "as described locks at once",
                &[("10.0.0.5:4000", 1, 0, true), ("10.0.0.5:4002", 1, 1, false)],
                "10.0.0.5:4000",
            ),
            (
                "a stranger is noted and not heard, the second not even noted",
                &[("198.51.100.1:9", 1, 0, false), ("198.51.100.2:9", 2, 10, false), ("198.51.100.2:9", 1, 20, false)],
                "10.0.0.5:4000",
            ),
            (
                "the described address takes the stream from a stranger",
                &[("198.51.100.1:9", 1, 0, false), ("10.0.0.5:4000", 2, 10, true), ("198.51.100.1:9", 1, 20, false)],
                "10.0.0.5:4000",
            ),
            (
                "the signalling's address beats a stranger, then the described IP beats it",
                &[
                    ("198.51.100.1:9", 1, 0, false),
                    ("203.0.113.7:6000", 2, 10, true),
                    ("198.51.100.1:9", 1, 20, false),
                    ("10.0.0.5:4444", 3, 30, true),
                    ("203.0.113.7:6000", 2, 40, false),
                ],
                "10.0.0.5:4444",
            ),
            (
                "after the window nobody takes over, not even the described address",
                &[
                    ("198.51.100.1:9", 1, 0, false),
                    ("198.51.100.1:9", 1, 3_000, true),
                    ("10.0.0.5:4000", 2, 3_001, false),
                    ("203.0.113.7:6000", 1, 3_002, false),
                ],
                "198.51.100.1:9",
            ),
            (
                "the window ends by time, also if nobody spoke meanwhile",
                &[("198.51.100.1:9", 1, 0, false), ("203.0.113.7:6000", 2, 3_000, false)],
                "198.51.100.1:9",
            ),
            (
                "a wobbling SSRC loses its rank to a steady stranger",
                &[
                    ("198.51.100.1:9", 1, 0, false),
                    ("198.51.100.1:9", 2, 10, false),
                    ("198.51.100.2:9", 5, 20, false),
                    ("198.51.100.1:9", 3, 30, false),
                    ("198.51.100.2:9", 5, 3_000, true),
                ],
                "198.51.100.2:9",
            ),
            (
                "a new SSRC from the locked address is the party's when the former has fallen silent",
                &[
                    ("10.0.0.5:4000", 1, 0, true),
                    ("10.0.0.5:4000", 2, 20, false),
                    ("10.0.0.5:4000", 1, 40, true),
                    ("10.0.0.5:4000", 2, 139, false),
                    ("10.0.0.5:4000", 2, 140, true),
                    ("10.0.0.5:4000", 1, 160, false),
                ],
                "10.0.0.5:4000",
            ),
            (
                "who spoke to the port before it was the party's is no stranger but nobody",
                &[
                    ("198.51.100.66:9", 1, 0, false),
                    ("198.51.100.66:9", 1, 3_000, false),
                    ("198.51.100.66:9", 1, 9_000, false),
                ],
                "10.0.0.5:4000",
            ),
        ];
        for (name, steps, end) in cases {
            let mut latch = described();
            for (from, ssrc, ms, believed) in *steps {
                assert_eq!(latch.admit(addr(from), *ssrc, at(*ms), WINDOW), *believed, "{name}: {from} at {ms}");
            }
            assert_eq!(latch.destination(), Some(addr(end)), "{name}");
        }
    }

    #[test]
    fn nothing_is_believed_before_a_description() {
        let mut latch = Latch::new();
        assert!(!latch.admit(addr("10.0.0.5:4000"), 1, at(0), WINDOW));
        assert!(!latch.admit_rtcp(addr("10.0.0.5:4001")));
        assert_eq!((latch.destination(), latch.rtcp_destination()), (None, None));
        latch.describe(addr("0.0.0.0:4000"), addr("0.0.0.0:4001"));
        assert!(!latch.admit(addr("10.0.0.5:4000"), 1, at(0), WINDOW));
    }

    #[test]
    fn a_re_offer_reopens_only_if_it_moves_the_address() {
        let mut latch = described();
        let nat = addr("203.0.113.7:6000");
        assert!(latch.admit(nat, 1, at(0), WINDOW) && latch.admit(nat, 1, at(4_000), WINDOW));
        latch.describe(addr("10.0.0.5:4000"), addr("10.0.0.5:4001"));
        latch.describe(addr("0.0.0.0:4000"), addr("0.0.0.0:4001"));
        assert_eq!(latch.destination(), Some(nat));
        assert!(!latch.admit(addr("198.51.100.1:9"), 9, at(4_010), WINDOW));
        latch.describe(addr("10.0.0.6:5000"), addr("10.0.0.6:5001"));
        assert_eq!(latch.destination(), Some(addr("10.0.0.6:5000")));
        // What is still on its way from the old place is heard, but does not draw our media there.
        assert!(latch.admit(nat, 1, at(4_020), WINDOW));
        assert_eq!(latch.destination(), Some(addr("10.0.0.6:5000")));
        assert!(latch.admit(addr("203.0.113.7:6002"), 2, at(4_040), WINDOW));
        assert_eq!(latch.destination(), Some(addr("203.0.113.7:6002")));
        assert!(!latch.admit(nat, 1, at(4_060), WINDOW));
        assert!(!latch.admit(addr("198.51.100.1:9"), 9, at(8_000), WINDOW));
    }

    #[test]
    fn a_party_that_only_re_described_itself_is_found_again_where_it_was() {
        let mut latch = described();
        let nat = addr("203.0.113.7:6000");
        assert!(latch.admit(nat, 1, at(0), WINDOW));
        latch.describe(addr("203.0.113.9:4000"), addr("203.0.113.9:4001"));
        assert!(latch.admit(nat, 1, at(100), WINDOW));
        assert!(latch.admit(nat, 1, at(3_100), WINDOW));
        assert_eq!(latch.destination(), Some(nat));
        assert!(!latch.admit(addr("198.51.100.1:9"), 9, at(3_200), WINDOW));
    }

    #[test]
    fn rtcp_follows_the_ip_of_rtp_and_locks() {
        let mut latch = described();
        assert_eq!(latch.rtcp_destination(), Some(addr("10.0.0.5:4001")));
        assert!(!latch.admit_rtcp(addr("198.51.100.1:10")));
        assert!(latch.admit(addr("203.0.113.7:6000"), 1, at(0), WINDOW));
        assert_eq!(latch.rtcp_destination(), None, "behind NAT the described RTCP address leads nowhere");
        assert!(latch.admit_rtcp(addr("203.0.113.7:6055")));
        assert!(!latch.admit_rtcp(addr("203.0.113.7:6056")));
        assert_eq!(latch.rtcp_destination(), Some(addr("203.0.113.7:6055")));
        // A better source from another IP takes RTCP along.
        assert!(latch.admit(addr("10.0.0.5:4000"), 2, at(10), WINDOW));
        assert_eq!(latch.rtcp_destination(), Some(addr("10.0.0.5:4001")));
        assert!(!latch.admit_rtcp(addr("203.0.113.7:6055")));
        assert!(latch.admit_rtcp(addr("10.0.0.5:4001")));
    }
}
