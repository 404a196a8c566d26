//! Conferences: each member hears all the others, never itself.
//!
//! One pass per tick: all that sounds is added up once, and each member that speaks gets the sum less its own part. All
//! members that are silent hear the same, so for formats without a memory (G.711) it is written once for all of them.
//! While nobody speaks nothing is sent and nothing ticks.

use rtp::resample::Resampler;
use std::collections::BTreeMap;

use crate::StreamId;

/// One conference; never reused by an engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConferenceId(pub(crate) u32);

/// How loud a member is heard by the others, in 256ths: 256 is as it came.
pub const GAIN_ONE: u16 = 256;
/// Loudest gain: four times, 12 dB.
pub const GAIN_MAX: u16 = 4 * GAIN_ONE;

/// Mean size of a sample above which somebody speaks: about -45 dBm0.
const SPEAKS: u32 = 120;
/// Ticks after which another speaker, who is louder, is named: half a second.
const TAKE_OVER: u32 = 25;

/// Why a stream did not join.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JoinError {
    /// No such stream or conference.
    #[error("no such stream or conference")]
    Unknown,
    /// The conference has as many members as it may.
    #[error("the conference is full")]
    Full,
    /// The party takes or gives no format that the switch speaks.
    #[error("the party takes no codec that the switch speaks")]
    NoCodec,
}

/// One member's part.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) gain: u16,
    pub(crate) muted: bool,
    /// Hears nothing.
    pub(crate) deaf: bool,
    resampler: Option<(u32, Resampler)>,
    /// This tick's part, at the conference's rate; empty for silence.
    part: Vec<i16>,
    loudness: u32,
}

impl Default for Member {
    fn default() -> Self {
        Member { gain: GAIN_ONE, muted: false, deaf: false, resampler: None, part: Vec::new(), loudness: 0 }
    }
}

/// The state of one conference.
///
/// # Invariants
/// `sum` is the sum of all parts of this tick; a part is either empty or as long as the sum.
#[derive(Debug)]
pub(crate) struct Conference {
    pub(crate) members: BTreeMap<StreamId, Member>,
    pub(crate) rate: u32,
    sum: Vec<i32>,
    /// How many parts there are in this tick.
    parts: usize,
    pub(crate) speaker: Option<StreamId>,
    louder: u32,
}

impl Conference {
    pub(crate) const fn new() -> Self {
        Conference { members: BTreeMap::new(), rate: 8_000, sum: Vec::new(), parts: 0, speaker: None, louder: 0 }
    }

    /// Begins a tick: silence.
    pub(crate) fn begin(&mut self) {
        self.sum.clear();
        self.sum.resize(self.rate as usize / 50, 0);
        self.parts = 0;
    }

    /// What a member says in this tick, at its own rate; empty for silence.
    pub(crate) fn add(&mut self, id: StreamId, frame: &[i16], rate: u32) {
        let (to, len) = (self.rate, self.sum.len());
        let Some(member) = self.members.get_mut(&id) else { return };
        member.part.clear();
        if frame.is_empty() || member.muted {
            member.loudness = 0;
            return;
        }
        if rate == to {
            member.part.extend_from_slice(frame);
        } else {
            if member.resampler.as_ref().is_none_or(|(from, _)| *from != rate) {
                member.resampler = Resampler::new(rate, to).map(|r| (rate, r));
            }
            if let Some((_, resampler)) = &mut member.resampler {
                resampler.run(frame, &mut member.part);
            }
        }
        member.part.resize(len, 0);
        if member.gain != GAIN_ONE {
            let gain = i32::from(member.gain);
            member.part.iter_mut().for_each(|s| *s = clamp(i32::from(*s) * gain / i32::from(GAIN_ONE)));
        }
        let size: u32 = member.part.iter().map(|s| u32::from(s.unsigned_abs())).sum();
        member.loudness = (member.loudness * 7 + size / len.max(1) as u32) / 8;
        self.sum.iter_mut().zip(&member.part).for_each(|(sum, s)| *sum += i32::from(*s));
        self.parts += 1;
    }

    /// Whether anything is heard in this tick.
    pub(crate) const fn sounds(&self) -> bool {
        self.parts > 0
    }

    /// Whether a member hears just the sum: it says nothing itself.
    pub(crate) fn is_listener(&self, id: StreamId) -> bool {
        self.members.get(&id).is_some_and(|m| m.part.is_empty())
    }

    /// What a member hears in this tick. Gives `false` where that is nothing.
    pub(crate) fn heard_by(&self, id: StreamId, out: &mut Vec<i16>) -> bool {
        let Some(member) = self.members.get(&id).filter(|m| !m.deaf) else { return false };
        let others = self.parts - usize::from(!member.part.is_empty());
        if others == 0 {
            return false;
        }
        out.clear();
        if member.part.is_empty() {
            out.extend(self.sum.iter().map(|s| clamp(*s)));
        } else {
            out.extend(self.sum.iter().zip(&member.part).map(|(sum, own)| clamp(sum - i32::from(*own))));
        }
        true
    }

    /// Who speaks now, if that is somebody else than before: the loudest, once it has been for a while.
    pub(crate) fn changed_speaker(&mut self) -> Option<StreamId> {
        let speaking = self.members.iter().filter(|(_, m)| m.loudness > SPEAKS);
        let loudest = speaking.max_by_key(|(_, m)| m.loudness).map(|(id, _)| *id)?;
        let present = self.speaker.filter(|id| self.members.get(id).is_some_and(|m| m.loudness > SPEAKS));
        if self.speaker == Some(loudest) {
            self.louder = 0;
            return None;
        }
        self.louder += 1;
        if present.is_some() && self.louder < TAKE_OVER {
            return None;
        }
        self.louder = 0;
        self.speaker = Some(loudest);
        Some(loudest)
    }
}

fn clamp(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> StreamId {
        StreamId::new(1, n)
    }

    fn of(members: u32) -> Conference {
        let mut conference = Conference::new();
        conference.members.extend((0..members).map(|n| (id(n), Member::default())));
        conference
    }

    fn tick(conference: &mut Conference, levels: &[i16]) -> Vec<Option<i16>> {
        conference.begin();
        for (n, level) in levels.iter().enumerate() {
            let frame = vec![*level; if *level == 0 { 0 } else { 160 }];
            conference.add(id(n as u32), &frame, 8_000);
        }
        let mut out = Vec::new();
        (0..levels.len() as u32).map(|n| conference.heard_by(id(n), &mut out).then(|| out[80])).collect()
    }

    #[test]
    fn each_hears_the_others_and_not_itself() {
        let mut conference = of(4);
        assert_eq!(tick(&mut conference, &[1, 20, 300, 0]), [Some(320), Some(301), Some(21), Some(321)]);
        assert!(conference.is_listener(id(3)) && !conference.is_listener(id(0)));
        assert_eq!(tick(&mut conference, &[0, 0, 0, 0]), [None; 4], "silence is not sent");
        assert_eq!(tick(&mut conference, &[30_000, 30_000, 30_000, 0])[3], Some(i16::MAX), "no wrap");
    }

    #[test]
    fn gain_mute_and_deafness_are_each_members_own() {
        let mut conference = of(3);
        conference.members.get_mut(&id(0)).unwrap().gain = 2 * GAIN_ONE;
        conference.members.get_mut(&id(1)).unwrap().muted = true;
        conference.members.get_mut(&id(2)).unwrap().deaf = true;
        assert_eq!(tick(&mut conference, &[100, 50, 7]), [Some(7), Some(207), None]);
    }

    #[test]
    fn a_wideband_member_is_heard_at_the_conferences_rate() {
        let mut conference = of(2);
        conference.rate = 16_000;
        let mut out = Vec::new();
        for _ in 0..5 {
            conference.begin();
            conference.add(id(0), &[1_000; 160], 8_000);
            conference.add(id(1), &[50; 320], 16_000);
            assert!(conference.heard_by(id(1), &mut out));
        }
        assert!(out.len() == 320 && out.iter().all(|s| s.abs_diff(1_000) < 20));
    }

    #[test]
    fn the_speaker_changes_when_another_is_louder_for_a_while() {
        let mut conference = of(3);
        let mut named = Vec::new();
        for (ticks, levels) in
            [(10, [900, 0, 0]), (10, [900, 2_000, 0]), (30, [900, 2_000, 0]), (60, [0, 0, 0]), (5, [0, 0, 700])]
        {
            for _ in 0..ticks {
                tick(&mut conference, &levels);
                named.extend(conference.changed_speaker());
            }
        }
        assert_eq!(named, [id(0), id(1), id(2)]);
    }
}
