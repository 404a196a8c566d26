//! What a caller from outside hears before its call goes on: the announcements of its number's filter. A caller who was
//! not answered hears them as early media, and pays nothing for them. See decision 0338.

use crate::leg::Leg;
use crate::stage::Stage;
use crate::step::Step;
use core::time::Duration;
use media::JobId;
use model::{Instant, Prompt, Way};

/// Where the call goes on.
#[derive(Debug)]
pub(crate) enum Then {
    /// Where the number leads.
    Route,
    /// Where the filter says.
    Away(Way),
}

/// The caller hears an announcement.
#[derive(Debug)]
pub(crate) struct Announcing {
    job: JobId,
    /// It has ended by then.
    pub(crate) until: Instant,
    then: Then,
}

impl Step<'_, '_> {
    /// Plays a stored prompt to the caller and goes on behind it; at once, where there is none or nobody hears it.
    pub(crate) fn announce(&mut self, prompt: Option<String>, then: Then) {
        let alone = self.call.serves.is_none() && self.call.summoned.is_none();
        let Some(name) = prompt.filter(|_| alone && self.call.leg(0).is_some_and(Leg::is_alive)) else {
            return self.goes_on(then);
        };
        if !self.hears() {
            return self.goes_on(then);
        }
        let stream = self.call.leg(0).and_then(|leg| leg.stream);
        let job = stream.and_then(|stream| self.start_prompts(stream, &[Prompt::File(name)], false).ok());
        let longest = Duration::from_millis(u64::from(self.floors.setup.limits.announcement_max_ms));
        match job {
            Some(job) => self.call.stage = Stage::Announcing(Announcing { job, until: self.now() + longest, then }),
            None => self.goes_on(then),
        }
    }

    /// Prompts have ended: `true` where they were the announcement.
    pub(crate) fn announcement_ended(&mut self, ended: JobId) -> bool {
        let ours = matches!(&self.call.stage, Stage::Announcing(announcing) if announcing.job == ended);
        if ours {
            self.announced();
        }
        ours
    }

    /// The announcement was heard, or took too long.
    pub(crate) fn announced(&mut self) {
        match core::mem::replace(&mut self.call.stage, Stage::Over) {
            Stage::Announcing(Announcing { job, then, .. }) => {
                self.floors.media.stop(job);
                self.speaks_no_more();
                self.goes_on(then);
            }
            stage @ (Stage::Deciding(_)
            | Stage::Hunting(_)
            | Stage::Bridged(_)
            | Stage::Proxied(_)
            | Stage::App(_)
            | Stage::Parked(_)
            | Stage::Summoning(_)
            | Stage::Over) => self.call.stage = stage,
        }
    }

    /// From here on the caller's description is for whoever rings.
    fn speaks_no_more(&mut self) {
        let Some(leg) = self.call.leg_mut(0) else { return };
        leg.spoken = None;
        if let Some(stream) = leg.stream {
            self.floors.media.detect_digits(stream, false);
        }
    }

    fn goes_on(&mut self, then: Then) {
        match then {
            Then::Route => self.routes_on(),
            Then::Away(way) => self.send_by_company(way),
        }
    }
}
