//! The 20 ms tick: everything that plays, in one pass.

use crate::engine::Engine;
use crate::output::FRAME;
use crate::player::Player;
use crate::relay::report;
use crate::stream::Stream;
use crate::{Event, JobId, MediaTransmit, OwnPacket, PacketKind, PlayError, StreamId};
use core::time::Duration;
use model::{IdSource, Instant, Prompt};
use rtp::g711;
use sdp::Codec;

/// Time between two frames.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// A late wake-up is caught up with at most so many ticks; what is beyond is skipped, since a burst helps nobody.
const CATCH_UP: usize = 5;

/// The streams that play.
///
/// # Invariants
/// `next` is set exactly while `streams` is not empty.
#[derive(Default, Debug)]
pub(crate) struct Playout {
    pub(crate) streams: Vec<StreamId>,
    pub(crate) next: Option<Instant>,
    pub(crate) jobs: u32,
}

impl Engine {
    /// Plays these in order, over and over if `repeat`; replaces what plays, which tells nothing. While something
    /// plays, the party hears it and not its bridge. A party that takes no media now (hold) or has not described
    /// itself yet is played to in silence: time passes, nothing is sent.
    ///
    /// # Errors
    /// A prompt is unknown, or the stream cannot be played to; then what played before goes on.
    pub fn play(&mut self, id: StreamId, prompts: &[Prompt], repeat: bool, now: Instant) -> Result<JobId, PlayError> {
        let stream = self.ports.get_mut(id).ok_or(PlayError::NoStream)?;
        if stream.remote.is_some() && stream.audio().is_none() {
            return Err(PlayError::NoCodec);
        }
        self.playout.jobs = self.playout.jobs.wrapping_add(1);
        let job = JobId { stream: id, number: self.playout.jobs };
        stream.player = Some(Player::new(job, prompts, &self.config.prompts, repeat)?);
        if !self.playout.streams.contains(&id) {
            self.playout.streams.push(id);
        }
        self.playout.next.get_or_insert(now);
        Ok(job)
    }

    /// Ends a play without an event; one that is over already is no fault.
    pub fn stop(&mut self, job: JobId) {
        let Some(stream) = self.ports.get_mut(job.stream) else { return };
        if stream.player.take_if(|p| p.job == job).is_some() {
            self.forget_player(job.stream);
        }
    }

    pub(crate) fn forget_player(&mut self, id: StreamId) {
        self.playout.streams.retain(|s| *s != id);
        if self.playout.streams.is_empty() {
            self.playout.next = None;
        }
    }

    /// Every tick that is due.
    pub(crate) fn run_ticks(&mut self, now: Instant) {
        for _ in 0..CATCH_UP {
            match self.playout.next {
                Some(at) if at <= now => self.tick(at),
                Some(_) | None => return,
            }
        }
        if let Some(next) = self.playout.next.as_mut().filter(|next| **next <= now) {
            *next = now + TICK;
        }
    }

    fn tick(&mut self, now: Instant) {
        let mut streams = core::mem::take(&mut self.playout.streams);
        streams.retain(|id| {
            let Some(stream) = self.ports.get_mut(*id) else { return false };
            let Some(player) = stream.player.as_mut() else { return false };
            if !player.is_over() {
                let frame = player.frame();
                self.transmits.extend(send(stream, &frame, &mut self.ids, now));
                self.transmits.extend(report(stream, &self.cname, now));
            }
            let Some(ended) = stream.player.take_if(|p| p.is_over()) else { return true };
            self.events.push_back(Event::PlayEnded { stream: *id, job: ended.job });
            false
        });
        self.playout.next = (!streams.is_empty()).then_some(now + TICK);
        self.playout.streams = streams;
    }
}

/// One frame as a packet, if the party takes it.
fn send(stream: &mut Stream, frame: &[i16; FRAME], ids: &mut IdSource, now: Instant) -> Option<MediaTransmit> {
    let to = stream.destination()?;
    let (codec, pt) = stream.audio()?;
    let encode = match codec {
        Codec::Pcmu => g711::ulaw_encode,
        Codec::Pcma => g711::alaw_encode,
        Codec::TelephoneEvent => return None,
    };
    let payload = frame.map(encode);
    let header = rtp::write_header(&stream.output_mut(ids).own_frame(pt, now));
    let bytes = OwnPacket::new(&header, &payload);
    stream.stats.packets_out += 1;
    stream.stats.bytes_out += bytes.len() as u64;
    Some(MediaTransmit { port: stream.port, kind: PacketKind::Rtp, to, bytes })
}
