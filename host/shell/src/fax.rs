//! The switch's own call app `fax`: it answers, receives by T.38 or as sound, and keeps what came below `faxes/COMPANY/`.
//!
//! A number whose target is the app `fax` leads here, and not to a plugin. Each fax has a helper process
//! ([`facsimile::helper`], this same program); the leg's line (decision 0162's fork) carries 20 ms of sound or the datagrams
//! of T.38 between the two. Nothing of it waits for a shard, and no shard for it.
//!
//! A fax is three files named by its call: `.tif` as it came, `.pdf` made of it, and `.json` last, with what is known of it:
//! where that is missing, the process ended before the fax was whole.

use crate::Clock;
use core::time::Duration;
use facsimile::wire::{Done, FRAME_MAX, FromHelper, Job, News, ToHelper, length};
use model::{
    AppError, AppId, AppOutcome, AppReply, AppStart, AppVerb, Channels, ForkId, ForkIn, ForkOut, ForkSpec, LegHandle,
    RequestId,
};
use plugin::AppMessage;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

/// The name that leads here.
pub(crate) const APP: &str = "fax";
/// Folder of the faxes within the data folder.
const FOLDER: &str = "faxes";
/// Faxes at once; whoever calls then hears that it is busy.
const FAXES_MAX: usize = 64;
/// Longest fax.
const LASTS_MAX: Duration = Duration::from_secs(3_600);
/// Most pages of one.
const PAGES_MAX: u32 = 1_000;
/// What waits for a helper: 10 s. What finds no room is lost, as on a bad line.
const WAITING_MAX: usize = 500;
/// How long a helper may take to begin, or to end.
const HELPER_WITHIN: Duration = Duration::from_secs(10);
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
    folder: PathBuf,
    /// The program whose `fax-helper` is the helper.
    program: PathBuf,
    clock: Clock,
    last: AtomicU64,
    places: Arc<Semaphore>,
    running: Mutex<BTreeMap<AppId, Line>>,
    lines: Mutex<BTreeMap<ForkId, mpsc::Sender<Told>>>,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaxDesk {
    /// For a node whose data is here.
    pub(crate) fn new(data_dir: &Path, program: PathBuf, clock: Clock) -> FaxDesk {
        FaxDesk(Arc::new(Desk {
            folder: data_dir.join(FOLDER),
            program,
            clock,
            last: AtomicU64::new(LINES),
            places: Arc::new(Semaphore::new(FAXES_MAX)),
            running: Mutex::default(),
            lines: Mutex::default(),
        }))
    }

    /// Starts the app for a call.
    pub(crate) fn start(&self, app: AppId, start: AppStart, shard: mpsc::UnboundedSender<AppMessage>) {
        let (to, told) = mpsc::channel(WAITING_MAX);
        let fork = ForkId(self.0.last.fetch_add(1, Ordering::Relaxed));
        lock(&self.0.running).insert(app, Line(to.clone()));
        lock(&self.0.lines).insert(fork, to);
        let desk = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut fax = Fax { app, fork, shard, told, request: 0, stopped: false, t38: false };
            let status = fax.receive(&desk, &start).await;
            lock(&desk.running).remove(&app);
            lock(&desk.lines).remove(&fork);
            if !fax.stopped {
                let outcome = Ok(AppOutcome::Returned(status));
                let _gone = fax.shard.send(AppMessage::Ended { app, outcome });
            }
        });
    }

    /// Gives a reply to the app; `Some` where the app is none of ours.
    pub(crate) fn reply(&self, app: AppId, request: RequestId, result: Reply) -> Option<Reply> {
        let Some(Line(to)) = lock(&self.0.running).get(&app).cloned() else { return Some(result) };
        let _lost = to.try_send(Told::Replied(request, result));
        None
    }

    /// The call is over; false where the app is none of ours.
    pub(crate) fn stop(&self, app: AppId) -> bool {
        let Some(Line(to)) = lock(&self.0.running).remove(&app) else { return false };
        // Where there is no room for the word, the end of the line says it.
        let _lost = to.try_send(Told::Stopped);
        true
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
    stopped: bool,
    t38: bool,
}

/// The helper and what it is spoken to by.
struct Helper {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts it; gives it where it has begun.
    async fn begin(program: &Path, job: Job) -> Result<Helper, String> {
        let broke = |error: io::Error| format!("no helper: {error}");
        let mut child = Command::new(program)
            .arg("fax-helper")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(broke)?;
        let pipes = child.stdin.take().zip(child.stdout.take()).ok_or("no helper: no pipes")?;
        let mut helper = Helper { child, to: pipes.0, from: BufReader::new(pipes.1) };
        helper.tell(&ToHelper::Job(job)).await.map_err(broke)?;
        match timeout(HELPER_WITHIN, next(&mut helper.from)).await {
            Ok(Ok(FromHelper::News(News::Begun))) => Ok(helper),
            Ok(Ok(FromHelper::News(News::Done(done)))) => Err(done.text),
            Ok(Ok(_)) => Err("the helper begins with something else".to_owned()),
            Ok(Err(error)) => Err(broke(error)),
            Err(_) => Err("the helper does not begin".to_owned()),
        }
    }

    async fn tell(&mut self, told: &ToHelper) -> io::Result<()> {
        self.to.write_all(&told.to_bytes()).await
    }
}

async fn next(from: &mut BufReader<ChildStdout>) -> io::Result<FromHelper> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let mut frame = vec![0; length(head)?.min(FRAME_MAX)];
    from.read_exact(&mut frame).await?;
    FromHelper::from_bytes(&frame)
}

impl Fax {
    /// From the call to the file; gives the status for a caller that was not answered.
    async fn receive(&mut self, desk: &Desk, start: &AppStart) -> Option<u16> {
        let (company, call) = (start.call.company, start.call.call);
        let Ok(_place) = Arc::clone(&desk.places).try_acquire_owned() else {
            tracing::warn!(%call, most = FAXES_MAX, "a fax finds no place");
            return Some(486);
        };
        let folder = desk.folder.join(company.0.to_string());
        if let Err(error) = tokio::fs::create_dir_all(&folder).await {
            tracing::error!(%error, folder = %folder.display(), "no faxes can be kept");
            return Some(503);
        }
        let file = folder.join(format!("{call}.tif"));
        let ident: String = start.call.callee.user.chars().filter(|c| c.is_ascii_graphic()).take(20).collect();
        let job =
            Job { send: false, file: file.clone(), ident, header: String::new(), ecm: true, pages_max: PAGES_MAX };
        let helper = match Helper::begin(&desk.program, job).await {
            Ok(helper) => helper,
            Err(why) => {
                tracing::error!(%call, %why, "a fax cannot be received");
                return Some(503);
            }
        };
        let spec = ForkSpec { fork: self.fork, channels: Channels::Party, rate: 8_000, fax: true };
        for verb in [AppVerb::Answer(CALLER, Vec::new()), AppVerb::Fork(CALLER, spec)] {
            if self.ask(verb).await.is_err() {
                return None;
            }
        }
        let done = self.carry(helper).await;
        keep(&file, start, &done, desk.clock).await;
        None
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
    async fn carry(&mut self, mut helper: Helper) -> Done {
        let until = Instant::now() + LASTS_MAX;
        let failed = |text: &str| Done { text: text.to_owned(), ..Done::default() };
        let mut pages = 0;
        // A read that is cut off would lose its place in the stream, so it has a task of its own.
        let (to, mut news) = mpsc::channel(WAITING_MAX);
        let mut from = helper.from;
        let reading = tokio::spawn(async move {
            while let Ok(said) = next(&mut from).await {
                if to.send(said).await.is_err() {
                    break;
                }
            }
        });
        let mut ends = None;
        let done = loop {
            let till = ends.unwrap_or(until);
            tokio::select! {
                told = self.told.recv(), if ends.is_none() => {
                    let over = self.heard(told, &mut helper.to).await;
                    if over {
                        // The helper says how far the fax came; it is waited for, but not long.
                        let _ended = helper.to.write_all(&ToHelper::End.to_bytes()).await;
                        ends = Some(Instant::now() + HELPER_WITHIN);
                    }
                }
                said = news.recv() => match said {
                    Some(FromHelper::News(News::Done(done))) => break done,
                    Some(FromHelper::News(News::Page { pages: passed })) => pages = passed,
                    Some(FromHelper::News(News::OfferT38)) if !self.t38 && !self.stopped => {
                        // What becomes of it the line is told.
                        let _request = self.send(AppVerb::FaxOffer(CALLER));
                    }
                    Some(FromHelper::News(_)) => {}
                    Some(FromHelper::Sound(sound)) => self.say(ForkIn::Sound(sound)),
                    Some(FromHelper::Datagram(datagram)) => self.say(ForkIn::Datagram(datagram)),
                    None => break Done { pages, ..failed("the helper has ended") },
                },
                () = sleep_until(till) => break Done { pages, ..failed("it took too long") },
            }
        };
        reading.abort();
        let _ended = helper.child.start_kill();
        done
    }

    fn say(&self, said: ForkIn) {
        let _gone = self.shard.send(AppMessage::Fork { fork: self.fork, said });
    }

    /// Hands on what the line says; true where the line has ended.
    async fn heard(&mut self, told: Option<Told>, to: &mut ChildStdin) -> bool {
        let told = match told {
            Some(Told::Said(ForkOut::Sound(_))) if self.t38 => ToHelper::Tick,
            Some(Told::Said(ForkOut::Sound(sound))) => ToHelper::Sound(sound),
            Some(Told::Said(ForkOut::Datagram(datagram))) => ToHelper::Datagram(datagram),
            Some(Told::Said(ForkOut::Medium { t38 })) => {
                self.t38 = t38;
                ToHelper::Medium { t38 }
            }
            Some(Told::Said(ForkOut::Over)) => return true,
            Some(Told::Said(ForkOut::Digit(_) | ForkOut::Mark(_) | ForkOut::Overflow(_)) | Told::Replied(..)) => {
                return false;
            }
            Some(Told::Stopped) | None => {
                self.stopped = true;
                return true;
            }
        };
        to.write_all(&told.to_bytes()).await.is_err()
    }
}

/// Writes what is known of a fax beside it; one without a page leaves nothing.
async fn keep(tiff: &Path, start: &AppStart, done: &Done, clock: Clock) {
    let call = start.call.call;
    let pages = done.pages;
    if pages == 0 {
        tracing::info!(%call, why = %done.text, "a fax call without a page");
        let _none = tokio::fs::remove_file(tiff).await;
        return;
    }
    let (file, known) = (tiff.to_owned(), known(start, done, clock));
    let kept = tokio::task::spawn_blocking(move || -> Result<(), String> {
        let bytes = std::fs::read(&file).map_err(|error| error.to_string())?;
        let write = |kind: &str, bytes: &[u8]| {
            let part = file.with_extension("part");
            let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, file.with_extension(kind)));
            written.map_err(|error| error.to_string())
        };
        let pdf = facsimile::pdf::from_tiff(&bytes).map_err(|error| error.to_string());
        let pdf = pdf.and_then(|pdf| write("pdf", &pdf));
        write("json", known.as_bytes()).and(pdf)
    })
    .await;
    match kept.map_err(|error| error.to_string()).and_then(|kept| kept) {
        Ok(()) => tracing::info!(%call, pages, whole = done.ok, file = %tiff.display(), "a fax has come"),
        Err(error) => tracing::error!(%call, pages, %error, "a fax that came cannot be kept whole"),
    }
}

fn known(start: &AppStart, done: &Done, clock: Clock) -> String {
    let call = &start.call;
    serde_json::json!({
        "call": call.call.to_string(), "company": call.company.0, "caller": call.caller.user,
        "callee": call.callee.user, "received_at": call.received_at.unix_secs(), "ended_at": clock.now().unix_secs(),
        "pages": done.pages, "whole": done.ok, "result": done.text, "remote": done.remote, "t38": done.t38,
    })
    .to_string()
}
