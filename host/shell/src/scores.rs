//! How well the parties of calls heard, over all calls that ended: mean opinion scores (ITU-T G.107) of each leg's two
//! directions, as its record tells them.

use core::fmt;
use model::Cdr;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

/// Upper bounds, in hundredths; one bucket more has no bound. Around 3.6 and 4 people begin to complain, and stop.
const BOUNDS: [u16; 9] = [200, 250, 300, 330, 360, 380, 400, 420, 440];

/// Scores of one direction by bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Direction {
    counts: [u64; BOUNDS.len() + 1],
    sum: u64,
}

impl Direction {
    fn observe(&mut self, score: u16) {
        let bucket = BOUNDS.iter().position(|bound| score <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(u64::from(score));
    }

    fn add(&mut self, other: &Direction) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, others)| *mine += others);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// Scores of legs that ended: what came from the party, and what it told us of what came to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Scores {
    heard: Direction,
    told: Direction,
}

impl Scores {
    /// A leg ended.
    pub(crate) fn observe(&mut self, cdr: &Cdr) {
        let Some(media) = &cdr.media else { return };
        media.mos_in.into_iter().for_each(|score| self.heard.observe(score));
        media.mos_out.into_iter().for_each(|score| self.told.observe(score));
    }

    /// The other's are counted too.
    pub(crate) fn add(&mut self, other: &Scores) {
        self.heard.add(&other.heard);
        self.told.add(&other.told);
    }

    /// `strowger_leg_mos{direction}`.
    pub(crate) fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Mean opinion scores of legs that ended: of what came from the party, of what it says came to it";
        let mut metric = to.encode_descriptor("strowger_leg_mos", help, None, MetricType::Histogram)?;
        for (name, direction) in [("in", &self.heard), ("out", &self.told)] {
            let bounds = BOUNDS.iter().map(|score| f64::from(*score) / 100.0).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(direction.counts).collect();
            let labels = vec![("direction".to_owned(), name.to_owned())];
            let (sum, count) = (direction.sum as f64 / 100.0, direction.counts.iter().sum());
            metric.encode_family(&labels)?.encode_histogram::<Vec<(String, String)>>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_counted_once_under_the_first_bound_that_holds_it() {
        let mut direction = Direction::default();
        [100, 200, 201, 439, 440, 441, 450].into_iter().for_each(|score| direction.observe(score));
        assert_eq!((direction.counts[0], direction.counts[1], direction.sum), (2, 1, 2_271));
        assert_eq!((direction.counts[8], direction.counts[9]), (2, 2));
    }
}
