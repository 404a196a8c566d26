//! The media timeout, without a timer per packet: each described stream is looked at once per timeout.
//!
//! A look that finds a sign of life since the last one moves itself; looks fall on whole seconds, so that thousands
//! of parked streams wake the shard once a second at most.

use crate::engine::Engine;
use crate::{Event, StreamId};
use core::time::Duration;
use model::Instant;
use std::collections::BTreeSet;

/// The looks to come, in order.
pub(crate) type Looks = BTreeSet<(Instant, StreamId)>;

impl Engine {
    /// Sees to it that a stream is looked at, from now on.
    pub(crate) fn watch(&mut self, id: StreamId, now: Instant) {
        let timeout = self.config.media_timeout;
        if let Some(stream) = self.ports.get_mut(id).filter(|s| s.silence.look_at.is_none()) {
            stream.silence.heard_at = now;
            let at = whole_second(now + timeout);
            stream.silence.look_at = Some(at);
            self.looks.insert((at, id));
        }
    }

    /// Every look that is due.
    pub(crate) fn run_looks(&mut self, now: Instant) {
        while let Some((_, id)) = self.looks.first().copied().filter(|(at, _)| *at <= now) {
            self.looks.pop_first();
            self.look(id, now);
        }
    }

    fn look(&mut self, id: StreamId, now: Instant) {
        let timeout = self.config.media_timeout;
        let Some(stream) = self.ports.get_mut(id) else { return };
        let mut from = stream.silence.heard_at;
        // A browser that is held goes on with its checks; one that has stopped is gone.
        let gone = stream.ice.as_ref().is_some_and(|ice| stream.secured.is_some() && ice.address(now).is_none());
        if stream.may_be_silent() && !gone {
            from = now;
        } else if from + timeout <= now || gone {
            self.events.push_back(Event::Silent { stream: id });
            from = now;
        }
        stream.silence.heard_at = from;
        let at = whole_second(from + timeout).max(now + Duration::from_secs(1));
        stream.silence.look_at = Some(at);
        self.looks.insert((at, id));
    }
}

/// The next whole second.
fn whole_second(at: Instant) -> Instant {
    const SECOND: u64 = 1_000_000_000;
    Instant::from_unix_nanos(at.unix_nanos().div_ceil(SECOND).saturating_mul(SECOND))
}
