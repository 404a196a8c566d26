//! A fax through the switch: a machine at alice's, one at the line of the app that has answered her, and 20 ms at a time.

use crate::Bed;
use core::net::SocketAddr;
use core::time::Duration;
use facsimile::helper::Machine;
use facsimile::wire::{Done, FRAME, FromHelper, News, ToHelper};
use model::{CompanyId, FaxCall as Wanted, ForkId, ForkIn, ForkOut, MediaPortId};
use switch::{Input, PacketKind};

/// The line of the ladder's `app > fax`.
pub(crate) const LINE: ForkId = ForkId(1);
/// Where alice describes her sound and her fax.
const SOUND: u16 = 4_000;
const FAX: u16 = 4_002;

/// What the switch has sent to a party or a line, kept while a fax is on.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) on: bool,
    pub(crate) told: Vec<ForkOut>,
    pub(crate) packets: Vec<(SocketAddr, Vec<u8>)>,
}

/// A fax from alice to the app's line.
#[derive(Debug)]
pub struct FaxCall {
    /// Alice's machine, which sends.
    pub hers: Machine,
    /// The one at the line, which receives.
    pub ours: Machine,
    /// What alice says to an offer of T.38: lines of a ladder.
    pub answers: &'static [&'static str],
    /// What alice offers when so many turns have passed: lines of a ladder.
    pub offers: (u32, &'static [&'static str]),
    /// What happened, as a ladder shows it.
    pub seen: Vec<String>,
    /// How her machine ended.
    pub sent: Option<Done>,
    /// How ours did.
    pub received: Option<Done>,
    t38: [bool; 2],
    sequence: u16,
    heard: Vec<i16>,
}

impl FaxCall {
    /// Of these machines; alice refuses T.38 and offers nothing.
    #[must_use]
    pub fn new(hers: Machine, ours: Machine) -> FaxCall {
        FaxCall {
            hers,
            ours,
            answers: &["alice > 488"],
            offers: (u32::MAX, &[]),
            seen: Vec::new(),
            sent: None,
            received: None,
            t38: [false; 2],
            sequence: 0,
            heard: Vec::new(),
        }
    }
}

impl Bed {
    /// Somebody has a fax sent.
    pub(crate) fn sends_fax(&mut self, from: &str, to: &str) -> Vec<String> {
        let (from, to, ticket) = (from.to_owned(), to.to_owned(), "secret".to_owned());
        let wanted = Wanted { company: CompanyId(1), from, to, ticket };
        let done = self.core.send_fax(&wanted, self.now);
        let refused = done.map_or(Some("nobody's".to_owned()), |done| Some(format!("refused: {}", done.err()?.code())));
        refused.into_iter().chain(self.seen()).collect()
    }

    /// Lets a fax run until both machines have ended, for so many turns of 20 ms at most.
    ///
    /// # Panics
    /// Where a machine cannot go on.
    pub fn fax(&mut self, call: &mut FaxCall, turns: u32) {
        self.kept.on = true;
        for turn in 0..turns {
            if call.sent.is_some() && call.received.is_some() {
                break;
            }
            let (when, lines) = call.offers;
            if turn == when {
                self.lines(call, lines);
            }
            let seen = self.wait(Duration::from_millis(20));
            call.seen.extend(seen);
            self.hear(call);
            self.speak(call);
        }
        self.kept = Kept::default();
    }

    /// Lines of a ladder, amid the fax.
    fn lines(&mut self, call: &mut FaxCall, lines: &[&str]) {
        for line in lines {
            call.seen.push((*line).to_owned());
            let seen = self.act(line);
            call.seen.extend(seen);
            if line.ends_with(" fax") {
                call.t38[0] = true;
                let said =
                    call.hers.take(ToHelper::Medium { t38: true }).unwrap_or_else(|why| panic!("her machine: {why}"));
                self.carry_hers(call, said);
            }
        }
    }

    /// What the switch has for the two machines.
    fn hear(&mut self, call: &mut FaxCall) {
        for told in core::mem::take(&mut self.kept.told) {
            let told = match told {
                ForkOut::Sound(_) if call.t38[1] => ToHelper::Tick,
                ForkOut::Sound(sound) => ToHelper::Sound(sound),
                ForkOut::Datagram(datagram) => ToHelper::Datagram(datagram),
                ForkOut::Medium { t38 } => {
                    call.t38[1] = t38;
                    ToHelper::Medium { t38 }
                }
                ForkOut::Digit(_) | ForkOut::Mark(_) | ForkOut::Overflow(_) | ForkOut::Over => continue,
            };
            let said = call.ours.take(told).unwrap_or_else(|why| panic!("our machine: {why}"));
            self.carry_ours(call, said);
        }
        for (to, bytes) in core::mem::take(&mut self.kept.packets) {
            if to.port() == FAX && call.t38[0] {
                let said = call.hers.take(ToHelper::Datagram(bytes)).unwrap_or_else(|why| panic!("her machine: {why}"));
                self.carry_hers(call, said);
            } else if to.port() == SOUND {
                call.heard.extend(bytes.iter().skip(12).map(|code| rtp::g711::ulaw_decode(*code)));
            }
        }
    }

    /// 20 ms of alice's machine.
    fn speak(&mut self, call: &mut FaxCall) {
        let told = if call.t38[0] {
            ToHelper::Tick
        } else {
            // Nothing has come: silence, as her telephone makes it.
            let count = call.heard.len().min(FRAME);
            let mut frame: Vec<i16> = call.heard.drain(..count).collect();
            frame.resize(FRAME, 0);
            ToHelper::Sound(frame)
        };
        let said = call.hers.take(told).unwrap_or_else(|why| panic!("her machine: {why}"));
        self.carry_hers(call, said);
    }

    fn carry_hers(&mut self, call: &mut FaxCall, said: Vec<FromHelper>) {
        for said in said {
            match said {
                FromHelper::Sound(sound) => {
                    call.sequence = call.sequence.wrapping_add(1);
                    let header = rtp::Header {
                        payload_type: 0,
                        marker: false,
                        sequence: call.sequence,
                        timestamp: u32::from(call.sequence) * 160,
                        ssrc: 7,
                        payload: 0..0,
                    };
                    let mut packet = rtp::write_header(&header).to_vec();
                    packet.extend(sound.iter().map(|sample| rtp::g711::ulaw_encode(*sample)));
                    self.alice_sends(SOUND, packet);
                }
                FromHelper::Datagram(datagram) => self.alice_sends(FAX, datagram),
                FromHelper::Tick => {}
                FromHelper::News(News::Done(done)) => call.sent = Some(done),
                FromHelper::News(_) => {}
            }
        }
    }

    fn alice_sends(&mut self, port: u16, mut packet: Vec<u8>) {
        let from = SocketAddr::from(([10, 0, 0, 1], port));
        let (len, now) = (packet.len(), self.now);
        packet.resize(len + 64, 0);
        let sent = self.core.handle_media(MediaPortId(0), PacketKind::Rtp, from, &mut packet, len, now);
        assert!(sent.is_none(), "nobody else is in the call");
    }

    fn carry_ours(&mut self, call: &mut FaxCall, said: Vec<FromHelper>) {
        for said in said {
            let said = match said {
                FromHelper::Sound(sound) => ForkIn::Sound(sound),
                FromHelper::Datagram(datagram) => ForkIn::Datagram(datagram),
                FromHelper::News(News::OfferT38) => {
                    if !call.t38[1] {
                        let seen = self.act("app > offer fax");
                        call.seen.extend(seen);
                        let answers = call.answers;
                        self.lines(call, answers);
                    }
                    continue;
                }
                FromHelper::News(News::Done(done)) => {
                    call.received = Some(done);
                    continue;
                }
                FromHelper::News(_) | FromHelper::Tick => continue,
            };
            self.core.handle(Input::Fork { fork: LINE, said }, self.now);
        }
    }
}
