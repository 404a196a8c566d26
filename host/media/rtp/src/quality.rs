//! How well a stream arrives (RFC 3550 sections 6.4 and A.3 to A.8), and what that sounds like (ITU-T G.107).

/// What is counted of one source.
///
/// # Invariants
/// `received` never exceeds what came; `lost` may be less than zero on the wire where packets were doubled, and is
/// zero here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reception {
    ssrc: u32,
    /// Highest sequence number, with the times it went round above.
    newest: u32,
    first: u32,
    received: u64,
    /// Of the last report: expected and received so far.
    prior: (u64, u64),
    /// 16 times the jitter in timestamp units (A.8).
    jitter16: u32,
    transit: Option<u32>,
}

/// One block of a report: how a source arrives at whom the report is from (section 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Lost since the report before, of 256.
    pub fraction_lost: u8,
    /// Lost since the beginning.
    pub lost: u32,
    /// Highest sequence number, with the times it went round above.
    pub newest: u32,
    /// Jitter in timestamp units.
    pub jitter: u32,
    /// The middle half of the NTP time in the last sender report that was had; zero for none.
    pub last_report: u32,
    /// Time since then, in 1/65,536 of a second.
    pub delay: u32,
}

impl Reception {
    /// The first packet of a source.
    #[must_use]
    pub const fn new(ssrc: u32, sequence: u16) -> Self {
        let newest = sequence as u32;
        Reception { ssrc, newest, first: newest, received: 1, prior: (0, 0), jitter16: 0, transit: None }
    }

    /// The source.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Another packet of it.
    #[inline]
    pub const fn heard(&mut self, sequence: u16) {
        let ahead = sequence.wrapping_sub(self.newest as u16);
        self.received += 1;
        if ahead < 1 << 15 {
            self.newest = self.newest.wrapping_add(ahead as u32);
        }
    }

    /// When a packet came, on a clock of timestamp units, and its timestamp: moves the jitter. Only packets of one
    /// clock may be given, and no telephone events.
    #[inline]
    pub fn timed(&mut self, arrival: u32, timestamp: u32) {
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit {
            let change = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A jump of ten seconds is a new clock, not jitter.
            if change < 480_000 {
                self.jitter16 = self.jitter16.wrapping_add(change).wrapping_sub((self.jitter16 + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// Jitter in timestamp units.
    #[must_use]
    pub const fn jitter(&self) -> u32 {
        self.jitter16 >> 4
    }

    /// Packets that should have come.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.newest.wrapping_sub(self.first) as u64 + 1
    }

    /// Packets that should have come and did not.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// The block of a report that is sent now; `last_report` and `delay` are the caller's to fill in.
    pub fn report(&mut self) -> ReportBlock {
        let (expected, received) = (self.expected(), self.received);
        let (expected_before, received_before) = core::mem::replace(&mut self.prior, (expected, received));
        let due = expected.saturating_sub(expected_before);
        let missing = due.saturating_sub(received.saturating_sub(received_before));
        let fraction_lost = (missing * 256).checked_div(due).unwrap_or(0).min(255) as u8;
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            lost: self.lost().min(0x7f_ffff) as u32,
            newest: self.newest,
            jitter: self.jitter(),
            last_report: 0,
            delay: 0,
        }
    }
}

/// What a codec costs in quality: ITU-T G.113 appendix I.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Impairment {
    /// Equipment impairment.
    pub ie: f64,
    /// Robustness against loss.
    pub bpl: f64,
}

impl Impairment {
    /// The codec of this encoding name. What has no figure in G.113 counts as G.711 with concealment.
    #[must_use]
    pub fn of(encoding: &str) -> Impairment {
        let known: &[(&str, f64, f64)] = &[
            ("G729", 11.0, 19.0),
            ("G723", 15.0, 16.1),
            ("GSM", 20.0, 10.0),
            ("iLBC", 11.0, 32.0),
            ("AMR", 5.0, 10.0),
        ];
        let found = known.iter().find(|(name, ..)| name.eq_ignore_ascii_case(encoding));
        found.map_or(Impairment { ie: 0.0, bpl: 25.1 }, |(_, ie, bpl)| Impairment { ie: *ie, bpl: *bpl })
    }
}

/// The mean opinion score, 1.0 to 4.41, of a one-way path (G.107, G.107 annex B): `loss` is 0.0 to 1.0, `delay_ms`
/// mouth to ear.
#[must_use]
pub fn mos(codec: Impairment, loss: f64, delay_ms: f64) -> f64 {
    let percent = (loss * 100.0).clamp(0.0, 100.0);
    let over = (delay_ms - 177.3).max(0.0);
    let delay = 0.024 * delay_ms.max(0.0) + 0.11 * over;
    let equipment = codec.ie + (95.0 - codec.ie) * percent / (percent + codec.bpl);
    let r = 93.2 - delay - equipment;
    if r <= 0.0 {
        return 1.0;
    }
    let r = r.min(100.0);
    (1.0 + 0.035 * r + 0.000_007 * r * (r - 60.0) * (100.0 - r)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_told_over_all_and_since_the_last_report() {
        let mut reception = Reception::new(7, 65_530);
        for n in 1..100_u16 {
            if n % 10 != 0 {
                reception.heard(65_530_u16.wrapping_add(n));
            }
        }
        assert_eq!((reception.expected(), reception.lost()), (100, 9));
        let block = reception.report();
        assert_eq!((block.ssrc, block.lost, block.fraction_lost), (7, 9, (9 * 256 / 100) as u8));
        assert_eq!(block.newest, 65_530 + 99, "once round");
        for n in 100..200_u16 {
            reception.heard(65_530_u16.wrapping_add(n));
        }
        assert_eq!((reception.report().fraction_lost, reception.lost()), (0, 9));
        reception.heard(65_530_u16.wrapping_add(50));
        assert_eq!(reception.lost(), 8, "a late one");
        assert_eq!(Reception::new(1, 1).report().fraction_lost, 0);
    }

    #[test]
    fn jitter_is_the_mean_of_what_arrivals_stray() {
        let mut steady = Reception::new(1, 0);
        let mut uneven = Reception::new(1, 0);
        for n in 0..500_u32 {
            steady.timed(n * 160 + 77, n.wrapping_mul(160).wrapping_sub(9));
            uneven.timed(n * 160 + if n % 2 == 0 { 80 } else { 0 }, n * 160);
        }
        assert_eq!(steady.jitter(), 0);
        assert!((75..=80).contains(&uneven.jitter()), "{}", uneven.jitter());
        steady.timed(0, 4_000_000_000);
        assert_eq!(steady.jitter(), 0, "a new clock");
    }

    #[test]
    fn scores_of_known_paths() {
        for (name, encoding, loss, delay, least, most) in [
            ("nothing lost", "PCMA", 0.0, 20.0, 4.39, 4.42),
            ("1 % lost", "PCMU", 0.01, 20.0, 4.25, 4.35),
            ("5 % lost", "PCMU", 0.05, 50.0, 3.6, 3.9),
            ("far away", "PCMU", 0.0, 400.0, 3.0, 3.5),
            ("a coarser codec", "g729", 0.0, 20.0, 4.0, 4.2),
            ("nothing arrives", "PCMU", 1.0, 20.0, 1.0, 1.3),
        ] {
            let score = mos(Impairment::of(encoding), loss, delay);
            assert!((least..=most).contains(&score), "{name}: {score}");
        }
    }
}
