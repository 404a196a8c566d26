//! The switch's own fax machine: the call app `fax` receives by T.38 or as sound, and sends what is queued.
//!
//! A number whose target is the app `fax` leads here, and not to a plugin; so does a call that the switch makes itself for a
//! fax of its queue ([`sending`]), once it is answered. Each fax has a helper process ([`facsimile::helper`], this same
//! program); the leg's line carries 20 ms of sound or the datagrams of T.38 between the two (decision 0330). Nothing of it
//! waits for a shard, and no shard for it.

mod helper;
mod kept;
mod sending;

pub(crate) use kept::{FOLDER, Keeping, file_of};
pub use kept::{FaxKind, FaxPaper, FaxRoom, NoPaper, drop_paper, fax_file, keep_paper, remove_fax};
pub(crate) use sending::Sending;

use crate::Clock;
use core::time::Duration;
use facsimile::wire::{Done, FromHelper, Job, News, ToHelper};
use helper::Worker;
use kept::Note;
use model::{
    AppError, AppId, AppOutcome, AppReply, AppStart, AppVerb, CallId, Cause, Channels, CompanyId, FAX_APP, FaxCall,
    ForkId, ForkIn, ForkOut, ForkSpec, Instant, LegHandle, Limits, RequestId,
};
use plugin::AppMessage;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use switch::Core;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant as Moment, sleep_until};

/// What waits for a helper: 10 s. What finds no room is lost, as on a bad line.
const WAITING_MAX: usize = 500;
/// How long a helper may take to begin, to say something, to take something in, or to end.
const HELPER_WITHIN: Duration = Duration::from_secs(10);
/// So long the last signals of a fax may take to the other machine: by T.38 it goes on for 1.3 s after ours has ended.
const TAIL: Duration = Duration::from_secs(3);
/// Longest words of the other machine, and of how a fax ended, in characters.
const WORDS_MAX: usize = 200;
/// Longest name of a machine (T.30 section 5.3.6.1.3), in characters.
const IDENT_MAX: usize = 20;
/// Lines of faxes are numbered apart from those of plugins.
const LINES: u64 = 1 << 63;
/// The caller's leg.
const CALLER: LegHandle = LegHandle(0);

type Reply = Result<AppReply, AppError>;

/// Every fax of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct FaxDesk(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    room: FaxRoom,
    /// The program whose `fax-helper` is the helper.
    program: PathBuf,
    clock: Clock,
    lasts_max: Duration,
    last: AtomicU64,
    places: Arc<Semaphore>,
    running: Mutex<BTreeMap<AppId, Line>>,
    lines: Mutex<BTreeMap<ForkId, mpsc::Sender<Told>>>,
    /// Faxes that are called for, by their tickets.
    outgoing: Mutex<BTreeMap<String, Outgoing>>,
    /// Their calls.
    calls: Mutex<BTreeMap<CallId, String>>,
    /// Notes of faxes that came.
    came: mpsc::UnboundedSender<PathBuf>,
    /// There is something to send.
    queued: Notify,
}

/// The shard's end of one fax.
#[derive(Clone, Debug)]
struct Line(mpsc::Sender<Told>);

/// What a fax is told.
#[derive(Debug)]
enum Told {
    Replied(RequestId, Reply),
    Said(ForkOut),
    /// The call is over, and nobody listens any more.
    Stopped,
}

/// A fax that is called for.
#[derive(Debug)]
struct Outgoing {
    company: CompanyId,
    file: PathBuf,
    ident: String,
    place: OwnedSemaphorePermit,
    ended: oneshot::Sender<Sent>,
}

/// What became of a call for a fax.
#[derive(Debug)]
enum Sent {
    /// Somebody answered, and this is how it went.
    Spoken(Done),
    /// The call ended before.
    Unreached(Cause),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a fax machine may call itself: digits, `+` and spaces as T.30 has them, and what others use beside.
fn ident(number: &str) -> String {
    number.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(IDENT_MAX).collect()
}

/// 32 hex digits that nobody can guess.
fn draw() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Words of strangers, to be shown and logged.
fn plain(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

impl FaxDesk {
    /// For a node whose data is here; gives also where the notes of faxes that came are told.
    pub(crate) fn new(
        data_dir: &Path,
        program: PathBuf,
        limits: &Limits,
        clock: Clock,
    ) -> (FaxDesk, mpsc::UnboundedReceiver<PathBuf>) {
        let (came, told) = mpsc::unbounded_channel();
        let desk = Desk {
            room: FaxRoom {
                root: data_dir.join(FOLDER),
                pages_max: limits.fax_pages_max,
                waiting_max: limits.faxes_waiting_max,
            },
            program,
            clock,
            lasts_max: Duration::from_secs(u64::from(limits.fax_max_s)),
            last: AtomicU64::new(LINES),
            places: Arc::new(Semaphore::new(limits.faxes_at_once_max.min(Semaphore::MAX_PERMITS))),
            running: Mutex::default(),
            lines: Mutex::default(),
            outgoing: Mutex::default(),
            calls: Mutex::default(),
            came,
            queued: Notify::new(),
        };
        (FaxDesk(Arc::new(desk)), told)
    }

    /// Where faxes are kept, and how many may wait.
    pub(crate) fn room(&self) -> &FaxRoom {
        &self.0.room
    }

    /// There is something to send.
    pub(crate) fn wake(&self) {
        self.0.queued.notify_one();
    }

    /// Starts the app for a call; `Some` where it is a plugin's.
    pub(crate) fn start(
        &self,
        app: AppId,
        start: AppStart,
        shard: &mpsc::UnboundedSender<AppMessage>,
    ) -> Option<AppStart> {
        if start.name != FAX_APP {
            return Some(start);
        }
        let shard = shard.clone();
        let (to, told) = mpsc::channel(WAITING_MAX);
        let fork = ForkId(self.0.last.fetch_add(1, Ordering::Relaxed));
        lock(&self.0.running).insert(app, Line(to.clone()));
        lock(&self.0.lines).insert(fork, to);
        let outgoing = self.outgoing_of(&start);
        let desk = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut fax = Fax { app, fork, shard, told, request: 0, line_over: false, stopped: false, t38: false };
            match outgoing {
                Some((leg, outgoing)) => fax.send_out(&desk, leg, outgoing).await,
                None => fax.receive(&desk, &start).await,
            }
        });
        None
    }

    /// The fax that a call was made for, and the leg that answered.
    fn outgoing_of(&self, start: &AppStart) -> Option<(LegHandle, Outgoing)> {
        let arg = |name: &str| start.args.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let (ticket, leg) = (arg(FaxCall::TICKET)?, arg(FaxCall::LEG)?.parse().ok()?);
        let mut outgoing = lock(&self.0.outgoing);
        let ours = outgoing.get(ticket).is_some_and(|fax| fax.company == start.call.company);
        let fax = ours.then(|| outgoing.remove(ticket)).flatten()?;
        Some((LegHandle(leg), fax))
    }

    /// Has a shard begin the call of a fax; the desk knows of it before anything of that call happens.
    pub(crate) fn call(&self, core: &mut Core, wanted: &FaxCall, now: Instant) -> Option<Result<CallId, Cause>> {
        let begun = core.send_fax(wanted, now);
        if let Some(Ok(call)) = &begun {
            lock(&self.0.calls).insert(*call, wanted.ticket.clone());
        }
        begun
    }

    /// A call is over: the fax that it was made for, if there is one that nobody answered, hears so.
    pub(crate) fn call_ended(&self, call: CallId, cause: Cause) {
        let Some(ticket) = lock(&self.0.calls).remove(&call) else { return };
        if let Some(fax) = lock(&self.0.outgoing).remove(&ticket) {
            let _gone = fax.ended.send(Sent::Unreached(cause));
        }
    }

    /// Gives a reply to the app; `Some` where the app is none of ours.
    pub(crate) fn reply(&self, app: AppId, request: RequestId, result: Reply) -> Option<Reply> {
        let Some(Line(to)) = lock(&self.0.running).get(&app).cloned() else { return Some(result) };
        let _lost = to.try_send(Told::Replied(request, result));
        None
    }

    /// The call is over; `Some` where the app is none of ours.
    pub(crate) fn stop(&self, app: AppId) -> Option<AppId> {
        let Some(Line(to)) = lock(&self.0.running).remove(&app) else { return Some(app) };
        // Where there is no room for the word, the end of the line says it.
        let _lost = to.try_send(Told::Stopped);
        None
    }

    /// Something for a line; `Some` where it is none of ours.
    pub(crate) fn tell(&self, fork: ForkId, told: ForkOut) -> Option<ForkOut> {
        if fork.0 < LINES {
            return Some(told);
        }
        let over = told == ForkOut::Over;
        let to = if over { lock(&self.0.lines).remove(&fork) } else { lock(&self.0.lines).get(&fork).cloned() };
        if let Some(to) = to {
            let _lost = to.try_send(Told::Said(told));
        }
        None
    }
}

/// One fax.
#[derive(Debug)]
struct Fax {
    app: AppId,
    fork: ForkId,
    shard: mpsc::UnboundedSender<AppMessage>,
    told: mpsc::Receiver<Told>,
    request: u64,
    line_over: bool,
    stopped: bool,
    t38: bool,
}

/// What came of a word from the line.
enum Heard {
    /// The helper has it.
    On,
    /// The line is over.
    Over,
    /// The helper takes nothing in.
    Stuck,
}

impl Fax {
    /// From the call to the files.
    async fn receive(&mut self, desk: &Desk, start: &AppStart) {
        let (company, call) = (start.call.company, start.call.call);
        let file = file_of(&desk.room.root, company, &call.to_string(), FaxKind::Tiff);
        let mut note = Note::begun(&start.call);
        let carried = self.received(desk, start, (&file, &note)).await;
        self.end(desk, carried.as_ref().err().copied().flatten());
        let Ok(done) = carried else {
            return kept::forget(&file).await;
        };
        note.end(&done, desk.clock.now());
        match kept::keep(file.clone(), note).await {
            Ok(true) => {
                tracing::info!(%call, pages = done.pages, whole = done.ok, file = %file.display(), "a fax has come");
                let _ending = desk.came.send(file);
            }
            Ok(false) => tracing::info!(%call, why = %done.text, "a fax call without a page"),
            Err(error) => tracing::error!(%call, pages = done.pages, %error, "a fax that came cannot be kept whole"),
        }
    }

    /// Receives into a file; the error is the status for a caller that was not answered.
    async fn received(
        &mut self,
        desk: &Desk,
        start: &AppStart,
        (file, note): (&Path, &Note),
    ) -> Result<Done, Option<u16>> {
        let call = start.call.call;
        let Ok(_place) = Arc::clone(&desk.places).try_acquire_owned() else {
            tracing::warn!(%call, "a fax finds no place: faxes_at_once_max");
            return Err(Some(486));
        };
        if let Err(error) = kept::begin(file.to_owned(), note.clone()).await {
            tracing::error!(%error, file = %file.display(), "no faxes can be kept");
            return Err(Some(503));
        }
        let job = Job {
            send: false,
            file: file.to_owned(),
            ident: ident(&start.call.callee.user),
            header: String::new(),
            ecm: true,
            pages_max: desk.room.pages_max,
        };
        let helper = Worker::begin(&desk.program, job).await.map_err(|why| {
            tracing::error!(%call, %why, "a fax cannot be received");
            Some(503)
        })?;
        self.ask(AppVerb::Answer(CALLER, Vec::new())).await.map_err(|_| None)?;
        self.open(CALLER).await.map_err(|_| None)?;
        Ok(self.carry(desk, CALLER, helper).await)
    }

    /// Sends a file to whoever has answered.
    async fn send_out(&mut self, desk: &Desk, leg: LegHandle, fax: Outgoing) {
        let Outgoing { file, ident, place, ended, .. } = fax;
        let job = Job { send: true, file, ident, header: String::new(), ecm: true, pages_max: desk.room.pages_max };
        let failed = |text: String| Done { text, ..Done::default() };
        let done = match Worker::begin(&desk.program, job).await {
            Ok(helper) => match self.open(leg).await {
                Ok(_) => self.carry(desk, leg, helper).await,
                Err(error) => failed(format!("the call has no line: {error:?}")),
            },
            Err(why) => {
                tracing::error!(%why, "a fax cannot be sent");
                failed(why)
            }
        };
        drop(place);
        self.end(desk, None);
        let _nobody_waits = ended.send(Sent::Spoken(done));
    }

    /// Opens the leg's line.
    async fn open(&mut self, leg: LegHandle) -> Reply {
        let spec = ForkSpec { fork: self.fork, channels: Channels::Party, rate: 8_000, fax: true };
        self.ask(AppVerb::Fork(leg, spec)).await
    }

    /// The app has ended; a caller that was not answered hears this status.
    fn end(&self, desk: &Desk, status: Option<u16>) {
        lock(&desk.running).remove(&self.app);
        lock(&desk.lines).remove(&self.fork);
        if !self.stopped {
            let outcome = Ok(AppOutcome::Returned(status));
            let _gone = self.shard.send(AppMessage::Ended { app: self.app, outcome, recourse: None });
        }
    }

    fn send(&mut self, verb: AppVerb) -> RequestId {
        self.request += 1;
        let request = RequestId(self.request);
        let _gone = self.shard.send(AppMessage::Request { app: self.app, request, verb });
        request
    }

    /// A verb, and what became of it.
    async fn ask(&mut self, verb: AppVerb) -> Reply {
        let asked = self.send(verb);
        loop {
            match self.told.recv().await {
                Some(Told::Replied(request, result)) if request == asked => return result,
                Some(Told::Replied(..) | Told::Said(_)) => {}
                Some(Told::Stopped) | None => {
                    self.stopped = true;
                    return Err(AppError::NotFound);
                }
            }
        }
    }

    /// Carries between the line and the helper until one of them has ended.
    async fn carry(&mut self, desk: &Desk, leg: LegHandle, mut helper: Worker) -> Done {
        let until = Moment::now() + desk.lasts_max;
        let (mut pages, mut quiet) = (0, Moment::now() + HELPER_WITHIN);
        // When it ends whatever happens: the helper's last word after the line's end, the line's after the helper's.
        let (mut ends, mut done) = (None, None::<Done>);
        let failed = |pages, text: &str| Done { pages, text: text.to_owned(), ..Done::default() };
        let done = loop {
            tokio::select! {
                told = self.told.recv(), if !self.line_over => match self.heard(told, &mut helper).await {
                    Heard::On => {}
                    Heard::Stuck => break done.unwrap_or_else(|| failed(pages, "the helper takes nothing in")),
                    Heard::Over => {
                        if let Some(done) = done {
                            break done;
                        }
                        // The helper says how far the fax came; it is waited for, but not long.
                        let _ended = helper.tell(&ToHelper::End).await;
                        ends = Some(Moment::now() + HELPER_WITHIN);
                    }
                },
                said = helper.said() => {
                    quiet = Moment::now() + HELPER_WITHIN;
                    match said {
                        Some(FromHelper::News(News::Done(over))) if self.line_over => break over,
                        Some(FromHelper::News(News::Done(over))) => {
                            done = Some(over);
                            ends = Some(Moment::now() + TAIL);
                        }
                        Some(FromHelper::News(News::Page { pages: passed })) => pages = passed,
                        Some(said) => self.take(leg, said),
                        None => break done.unwrap_or_else(|| failed(pages, "the helper has ended")),
                    }
                }
                () = sleep_until(ends.unwrap_or(until).min(quiet)) => {
                    let why = if ends.is_none() && Moment::now() < until { "the helper hangs" } else { "it took too long" };
                    break done.unwrap_or_else(|| failed(pages, why));
                }
            }
        };
        helper.end().await;
        Done { remote: plain(&done.remote), text: plain(&done.text), ..done }
    }

    /// What the helper says, but for how far it is.
    fn take(&mut self, leg: LegHandle, said: FromHelper) {
        match said {
            FromHelper::News(News::OfferT38) if !self.t38 && !self.line_over => {
                // What becomes of it the line is told.
                let _request = self.send(AppVerb::FaxOffer(leg));
            }
            FromHelper::Sound(sound) => self.say(ForkIn::Sound(sound)),
            FromHelper::Datagram(datagram) => self.say(ForkIn::Datagram(datagram)),
            FromHelper::News(_) | FromHelper::Tick => {}
        }
    }

    fn say(&self, said: ForkIn) {
        let _gone = self.shard.send(AppMessage::Fork { fork: self.fork, said });
    }

    /// Hands on what the line says.
    async fn heard(&mut self, told: Option<Told>, helper: &mut Worker) -> Heard {
        let told = match told {
            Some(Told::Said(ForkOut::Sound(_))) if self.t38 => ToHelper::Tick,
            Some(Told::Said(ForkOut::Sound(sound))) => ToHelper::Sound(sound),
            Some(Told::Said(ForkOut::Datagram(datagram))) => ToHelper::Datagram(datagram),
            Some(Told::Said(ForkOut::Medium { t38 })) => {
                self.t38 = t38;
                ToHelper::Medium { t38 }
            }
            Some(Told::Said(ForkOut::Digit(_) | ForkOut::Mark(_) | ForkOut::Overflow(_)) | Told::Replied(..)) => {
                return Heard::On;
            }
            Some(Told::Said(ForkOut::Over)) => {
                self.line_over = true;
                return Heard::Over;
            }
            Some(Told::Stopped) | None => {
                (self.line_over, self.stopped) = (true, true);
                return Heard::Over;
            }
        };
        match helper.tell(&told).await {
            Ok(()) => Heard::On,
            Err(_) => Heard::Stuck,
        }
    }
}
