//! A carrier's server that asks for less (RFC 7339 section 5.10.1, the algorithm `loss`): of the calls that would go to
//! it, every so manieth does not. Which ones is counted out evenly, not drawn.

use core::net::SocketAddr;
use core::time::Duration;
use model::Instant;
use sip_message::OverloadReport;
use std::collections::BTreeMap;

const WHOLE: u32 = 100;
/// The longest that a server is believed without saying it again.
const VALIDITY_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Throttle {
    report: OverloadReport,
    until: Instant,
    turn: u32,
}

/// The servers that ask for less.
///
/// # Invariants
/// Holds addresses of trunks' servers only, and none for longer than [`VALIDITY_MAX`] after what it said last.
#[derive(Debug, Default)]
pub(crate) struct Throttles {
    by_server: BTreeMap<SocketAddr, Throttle>,
    /// Calls that were kept from a server.
    pub(crate) shed: u64,
}

impl Throttles {
    /// A server said how much it wants. What is older than the last is late and does not count (section 5.3).
    pub(crate) fn note(&mut self, server: SocketAddr, report: OverloadReport, now: Instant) {
        self.by_server.retain(|_, t| t.until > now);
        let turn = match self.by_server.get(&server) {
            Some(old) if old.report.sequence > report.sequence => return,
            Some(old) => old.turn,
            None => 0,
        };
        let validity = Duration::from_millis(u64::from(report.validity_ms)).min(VALIDITY_MAX);
        // A report that is over at once still says which sequence was the last.
        let until = now + if report.percent == 0 { VALIDITY_MAX } else { validity };
        self.by_server.insert(server, Throttle { report, until, turn });
    }

    /// Whether a call that would go to this server does not.
    pub(crate) fn sheds(&mut self, server: SocketAddr, now: Instant) -> bool {
        let Some(throttle) = self.by_server.get_mut(&server).filter(|t| t.until > now) else { return false };
        throttle.turn += u32::from(throttle.report.percent);
        if throttle.turn < WHOLE {
            return false;
        }
        throttle.turn -= WHOLE;
        self.shed += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_kept_away_as_the_server_asks_for_as_long_as_it_asks() {
        let server: SocketAddr = "192.0.2.9:5060".parse().unwrap();
        let at = |ms: u64| Instant::from_unix_nanos(1_000_000_000_000 + ms * 1_000_000);
        let report = |sequence, percent| OverloadReport { sequence, percent, validity_ms: 500 };
        let mut throttles = Throttles::default();
        let shed = |t: &mut Throttles, ms| (0..100).filter(|_| t.sheds(server, at(ms))).count();
        assert_eq!(shed(&mut throttles, 0), 0);
        throttles.note(server, report(5, 20), at(0));
        assert_eq!(shed(&mut throttles, 1), 20);
        throttles.note(server, report(4, 90), at(2));
        assert_eq!(shed(&mut throttles, 3), 20, "what is late does not count");
        throttles.note(server, report(5, 20), at(400));
        assert_eq!((shed(&mut throttles, 899), shed(&mut throttles, 901)), (20, 0), "said again holds longer");
        throttles.note(server, report(6, 100), at(1_000));
        assert_eq!(shed(&mut throttles, 1_001), 100);
        throttles.note(server, OverloadReport { sequence: 7, percent: 0, validity_ms: 0 }, at(1_002));
        throttles.note(server, report(6, 100), at(1_003));
        assert_eq!((shed(&mut throttles, 1_004), throttles.shed), (0, 160));
        assert!(!throttles.sheds("192.0.2.8:5060".parse().unwrap(), at(1)));
    }
}
