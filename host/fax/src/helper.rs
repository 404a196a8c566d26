//! The helper process: one fax, from its job to its end.

use crate::spandsp::{Spandsp, Terminal};
use crate::udptl::{Receiver, Sender};
use crate::wire::{self, Done, FRAME, FromHelper, Job, News, ToHelper};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Memory that it may have, in bytes.
pub const MEMORY_MAX: u64 = 256 << 20;
/// CPU time that it may use, in seconds: an hour of fax takes some 30.
pub const CPU_MAX_S: u64 = 300;
/// Bytes of a file that it may write.
pub const FILE_MAX: u64 = 64 << 20;
/// Who answers offers T.38 after so many frames at the latest: its name was said by then (CED, T.30 section 4.3.3.3).
const OFFER_AFTER: u32 = 150;

/// A fax machine: told what happens, it says what it does. In the product only the helper process has one.
#[derive(Debug)]
pub struct Machine {
    of: Arc<Spandsp>,
    job: Job,
    session: Terminal,
    sender: Sender,
    receiver: Receiver,
    frames: u32,
    offered: bool,
    pages: u32,
    done: bool,
}

impl Machine {
    /// A machine that begins with sound.
    ///
    /// # Errors
    /// In words: no SpanDSP, no memory.
    pub fn new(job: Job) -> Result<Machine, String> {
        let of = Arc::new(Spandsp::open()?);
        let session = Terminal::new(&of, &job, false)?;
        let (sender, receiver) = (Sender::default(), Receiver::default());
        Ok(Machine { of, job, session, sender, receiver, frames: 0, offered: false, pages: 0, done: false })
    }

    /// Something happens. Each frame of sound is answered with one, while the fax is sound, and each tick of T.38 too.
    ///
    /// # Errors
    /// In words: the fax cannot go on.
    pub fn take(&mut self, told: ToHelper) -> Result<Vec<FromHelper>, String> {
        let mut out = Vec::new();
        match told {
            ToHelper::Job(_) => return Err("a second job".to_owned()),
            ToHelper::Sound(heard) if !self.session.is_t38() => {
                out.push(FromHelper::Sound(self.session.sound(&heard).to_vec()));
                out.extend(self.offers());
            }
            // The clock goes on, whatever it brings.
            ToHelper::Sound(_) | ToHelper::Tick if self.session.is_t38() => {
                self.session.tick();
                out.push(FromHelper::Tick);
            }
            ToHelper::Sound(_) | ToHelper::Tick => {
                out.push(FromHelper::Sound(self.session.sound(&[0; FRAME]).to_vec()));
            }
            ToHelper::Datagram(datagram) => {
                for (sequence, packet) in self.receiver.packets(&datagram) {
                    self.session.packet(sequence, &packet);
                }
            }
            ToHelper::Medium { t38 } => self.go_over(t38)?,
            ToHelper::End => self.session.terminate(),
        }
        while let Some((packet, times)) = self.session.next_packet() {
            let datagram = self.sender.datagram(&packet);
            out.extend(core::iter::repeat_n(FromHelper::Datagram(datagram), times));
        }
        out.extend(self.news());
        Ok(out)
    }

    /// Who answers says when T.38 may be offered: a machine calls, or has had time to hear ours.
    fn offers(&mut self) -> Option<FromHelper> {
        self.frames += 1;
        let due = !self.job.send && !self.offered && (self.session.heard_cng() || self.frames >= OFFER_AFTER);
        self.offered |= due;
        due.then_some(FromHelper::News(News::OfferT38))
    }

    /// The fax begins anew in the other medium.
    fn go_over(&mut self, t38: bool) -> Result<(), String> {
        if t38 == self.session.is_t38() || self.done {
            return Ok(());
        }
        if self.pages > 0 {
            return Err("the line changed between sound and T.38 amid the pages".to_owned());
        }
        self.session = Terminal::new(&self.of, &self.job, t38)?;
        (self.sender, self.receiver) = (Sender::default(), Receiver::default());
        Ok(())
    }

    fn news(&mut self) -> Vec<FromHelper> {
        let mut out = Vec::new();
        let pages = self.session.pages();
        if pages > self.pages {
            self.pages = pages;
            out.push(FromHelper::News(News::Page { pages }));
        }
        if let Some(code) = self.session.over().filter(|_| !self.done) {
            self.done = true;
            let ok = code == 0 && pages > 0;
            let text = if code == 0 && !ok { "no page has passed".to_owned() } else { self.session.text(code) };
            let (remote, t38) = (self.session.remote(), self.session.is_t38());
            out.push(FromHelper::News(News::Done(Done { ok, text, pages, remote, t38 })));
        }
        out
    }
}

/// Runs one fax between these two, until the input ends.
///
/// # Errors
/// In words: no SpanDSP, no job, a line that broke.
pub fn run(from: &mut impl Read, to: &mut impl Write) -> Result<(), String> {
    let broke = |error: io::Error| error.to_string();
    let first = wire::read(from).map_err(broke)?.ok_or("no job")?;
    let ToHelper::Job(job) = ToHelper::from_bytes(&first).map_err(broke)? else { return Err("no job".to_owned()) };
    let failed = |text: String| FromHelper::News(News::Done(Done { text, ..Done::default() }));
    let mut helper = match Machine::new(job) {
        Ok(helper) => helper,
        Err(text) => return wire::write(to, [failed(text)]).map_err(broke),
    };
    wire::write(to, [FromHelper::News(News::Begun)]).map_err(broke)?;
    while let Some(frame) = wire::read(from).map_err(broke)? {
        let told = ToHelper::from_bytes(&frame).map_err(broke)?;
        match helper.take(told) {
            Ok(out) => wire::write(to, out).map_err(broke)?,
            Err(text) => return wire::write(to, [failed(text)]).map_err(broke),
        }
    }
    Ok(())
}

/// The process: sets its limits, and runs the fax of its standard input and output.
///
/// # Errors
/// In words.
pub fn main() -> Result<(), String> {
    for (what, most) in [
        (rlimit::Resource::AS, MEMORY_MAX + ADDRESSES),
        (rlimit::Resource::CPU, CPU_MAX_S),
        (rlimit::Resource::FSIZE, FILE_MAX),
        (rlimit::Resource::CORE, 0),
    ] {
        // What was less before stays so.
        let most = what.get().map_or(most, |(_, hard)| hard.min(most));
        what.set(most, most).map_err(|error| format!("no limit of {}: {error}", what.as_name()))?;
    }
    let (input, output) = (io::stdin().lock(), io::stdout().lock());
    run(&mut io::BufReader::new(input), &mut io::BufWriter::new(output))
}

/// Addresses that the program and its allocator have taken before, used or not.
const ADDRESSES: u64 = 2 << 30;
