//! The files of faxes, and their rows.
//!
//! A fax lies below `faxes/COMPANY/` as `NAME.tif` and `NAME.pdf`. One that comes has a note besides: `NAME.begun` from its
//! beginning on, `NAME.json` when it is over, until its row is written and its mail is queued. What a killed process left is
//! found by its note.

use super::plain;
use crate::Clock;
use crate::post::Postbox;
use core::time::Duration;
use facsimile::wire::Done;
use facsimile::{pdf, tiff};
use model::{BrandId, CallId, CallInfo, CompanyId, Instant};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use store::{Db, Fax, FaxEnd, OpContext, Page, ReceivedFax, StoreError};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

/// Folder of the faxes within the data folder.
pub(crate) const FOLDER: &str = "faxes";
/// The ending of a note of a fax that is over.
const NOTE: &str = "json";
/// The ending of a note of one that goes on.
const BEGUN: &str = "begun";
/// How often it is looked whether a note still waits for its row.
const AGAIN_EVERY: Duration = Duration::from_secs(30);
/// How many of these looks lie between two sweeps: an hour.
const SWEEP_EACH: u32 = 120;
/// Faxes of one kind that a sweep removes at most.
const SWEEP_MAX: u32 = 1_000;
/// Most bytes of a TIFF to be sent: what the helper may read of one, and write.
const TIFF_MAX: usize = 64 << 20;
/// Pixels of a line that fax machines have: A4, B4 and A3 at 8 dots per millimetre, and at 16.
const WIDTHS: [u32; 6] = [1_728, 2_048, 2_432, 3_456, 4_096, 4_864];
/// What draws a PDF, and the Debian package that it is in.
const DRAWS: (&str, &str) = ("pdftoppm", "poppler-utils");
/// What holds it within bounds.
const BOUNDS: &str = "prlimit";
/// Memory, CPU time and size of files of whatever draws a PDF.
const BOUNDS_OF_IT: [&str; 4] = ["--as=1073741824", "--cpu=60", "--fsize=0", "--core=0"];
/// How long it may take.
const DRAWN_WITHIN: Duration = Duration::from_secs(90);
/// Pixels of a page that is drawn: A4 at 204 by 196 dots per inch.
const DRAWN: (u32, u32) = (1_728, 2_292);

/// In which form a fax is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaxKind {
    /// As it came, or is sent.
    Tiff,
    /// Made of it.
    Pdf,
}

impl FaxKind {
    const fn ending(self) -> &'static str {
        match self {
            FaxKind::Tiff => "tif",
            FaxKind::Pdf => "pdf",
        }
    }
}

/// The file of a fax.
pub(crate) fn file_of(root: &Path, company: CompanyId, name: &str, kind: FaxKind) -> PathBuf {
    root.join(company.0.to_string()).join(format!("{name}.{}", kind.ending()))
}

/// The file of a fax that has a row.
#[must_use]
pub fn fax_file(root: &Path, fax: &Fax, kind: FaxKind) -> PathBuf {
    file_of(root, fax.company, &fax.name, kind)
}

/// Removes the files of a fax; those that are gone are as they should be.
///
/// # Errors
/// One cannot be removed.
pub async fn remove_fax(root: &Path, fax: &Fax) -> io::Result<()> {
    for kind in [FaxKind::Pdf, FaxKind::Tiff] {
        gone(tokio::fs::remove_file(fax_file(root, fax, kind)).await)?;
    }
    Ok(())
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// What is known of a fax that comes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    brand: BrandId,
    company: CompanyId,
    call: CallId,
    caller: String,
    callee: String,
    made_at: Instant,
    ended_at: Instant,
    whole: bool,
    pages: u32,
    station: String,
    t38: bool,
    reason: String,
}

impl Note {
    /// Of a call that begins: as it stands if nothing follows.
    pub(super) fn begun(call: &CallInfo) -> Note {
        Note {
            brand: call.brand,
            company: call.company,
            call: call.call,
            caller: plain(&call.caller.user),
            callee: plain(&call.callee.user),
            made_at: call.received_at,
            ended_at: call.received_at,
            whole: false,
            pages: 0,
            station: String::new(),
            t38: false,
            reason: "the switch has ended meanwhile".to_owned(),
        }
    }

    pub(super) fn end(&mut self, done: &Done, now: Instant) {
        (self.whole, self.pages, self.t38, self.ended_at) = (done.ok, done.pages, done.t38, now);
        self.station.clone_from(&done.remote);
        self.reason.clone_from(&done.text);
    }

    fn row(&self, name: &str, bytes: u64) -> ReceivedFax {
        ReceivedFax {
            name: name.to_owned(),
            brand: self.brand,
            company: self.company,
            caller: self.caller.clone(),
            callee: self.callee.clone(),
            call: self.call,
            made_at: self.made_at,
            ended_at: self.ended_at,
            bytes,
            end: FaxEnd {
                whole: self.whole,
                pages: self.pages,
                station: self.station.clone(),
                t38: self.t38,
                reason: self.reason.clone(),
            },
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Writes a file so that it is there whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = std::fs::File::create(&part)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

/// Notes that a fax begins.
pub(super) async fn begin(tiff: PathBuf, note: Note) -> io::Result<()> {
    blocking(move || {
        if let Some(folder) = tiff.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write(&tiff.with_extension(BEGUN), &serde_json::to_vec(&note)?)
    })
    .await
}

/// Forgets a fax that did not begin.
pub(super) async fn forget(tiff: &Path) {
    for path in [tiff.to_owned(), tiff.with_extension(BEGUN)] {
        if let Err(error) = gone(tokio::fs::remove_file(&path).await) {
            tracing::warn!(%error, path = %path.display(), "a file of a fax stays");
        }
    }
}

/// Keeps a fax that is over, if there is a page of it.
pub(super) async fn keep(tiff: PathBuf, note: Note) -> io::Result<bool> {
    if note.pages == 0 {
        forget(&tiff).await;
        return Ok(false);
    }
    blocking(move || {
        // Where no PDF can be made of it there is the TIFF.
        let made = std::fs::read(&tiff).map(|bytes| pdf::from_tiff(&bytes))?;
        match made {
            Ok(pdf) => write(&tiff.with_extension(FaxKind::Pdf.ending()), &pdf)?,
            Err(error) => tracing::warn!(%error, path = %tiff.display(), "a fax has no PDF"),
        }
        write(&tiff.with_extension(NOTE), &serde_json::to_vec(&note)?)?;
        gone(std::fs::remove_file(tiff.with_extension(BEGUN)))
    })
    .await?;
    Ok(true)
}

/// What gives faxes their rows, and sweeps.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub(crate) root: PathBuf,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) post: Postbox,
    /// Faxes that came.
    pub(crate) came: mpsc::UnboundedReceiver<PathBuf>,
}

impl Keeping {
    /// Runs until `stop` holds true; then what is there already gets its row.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut again = tokio::time::interval(AGAIN_EVERY);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Nothing has come in this process when it begins: whatever goes on is of an earlier one.
        let root = self.root.clone();
        if let Err(error) = blocking(move || take_up(&root)).await {
            tracing::warn!(%error, "faxes of an earlier process could not be looked for");
        }
        let (mut waits, mut looks) = (true, 0_u32);
        loop {
            let came = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                _ = again.tick() => None,
                Some(file) = self.came.recv() => Some(file),
            };
            if let Some(file) = came {
                waits |= !self.enter(&file).await;
                continue;
            }
            if waits {
                waits = !self.left_behind().await;
            }
            if looks.is_multiple_of(SWEEP_EACH)
                && let Err(error) = self.sweep().await
            {
                tracing::warn!(%error, "old faxes could not be looked for");
            }
            looks = looks.wrapping_add(1);
        }
        while let Ok(file) = self.came.try_recv() {
            self.enter(&file).await;
        }
    }

    /// Gives every fax that has a note its row; false where one has to wait.
    async fn left_behind(&self) -> bool {
        let root = self.root.clone();
        let notes = blocking(move || Ok(with_ending(&root, NOTE))).await.unwrap_or_default();
        for note in notes {
            if !self.enter(&note.with_extension(FaxKind::Tiff.ending())).await {
                return false;
            }
        }
        true
    }

    /// Gives a fax its row and its mail, and removes its note; false where it has to wait.
    async fn enter(&self, tiff: &Path) -> bool {
        let (path, shown) = (tiff.to_owned(), tiff.display());
        let read = blocking(move || {
            let note: Note = serde_json::from_slice(&std::fs::read(path.with_extension(NOTE))?)?;
            Ok((note, std::fs::metadata(&path)?.len()))
        });
        let (note, bytes) = match read.await {
            Ok(known) => known,
            // It was found by its note already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return true,
            Err(error) => {
                tracing::error!(%error, path = %shown, "the note of a fax makes no sense: it stays without a row");
                return true;
            }
        };
        let name = tiff.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let row = note.row(&name, bytes);
        let written = match self.db.faxes().received(&row).await {
            Ok(()) => self.tell(&row).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(%error, path = %shown, "a fax waits for the database");
            return false;
        }
        if let Err(error) = gone(tokio::fs::remove_file(tiff.with_extension(NOTE)).await) {
            tracing::warn!(%error, path = %shown, "the note of a fax stays");
        }
        true
    }

    /// Queues the mail of a fax, where its company wants one.
    async fn tell(&self, fax: &ReceivedFax) -> Result<(), StoreError> {
        let company = match self.db.companies().get(&OpContext::platform(), fax.company).await {
            Ok(company) => company,
            Err(StoreError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(to) = &company.rules.fax.mail else { return Ok(()) };
        self.post.fax_came(fax, to, company.rules.time_zone.as_deref()).await
    }

    /// Removes what companies keep no longer: by age, by size, and of companies that are gone.
    async fn sweep(&self) -> Result<(), StoreError> {
        self.remove(self.db.faxes().orphans(SWEEP_MAX).await?).await?;
        let mut page = Page::first();
        loop {
            let companies = self.db.companies().list(&OpContext::platform(), None, page).await?;
            for company in &companies {
                let rules = &company.rules.fax;
                if let Some(days) = rules.days {
                    let now = self.clock.now().since(Instant::from_unix_nanos(0));
                    let before = now.saturating_sub(Duration::from_secs(86_400) * days);
                    let before = Instant::from_unix_nanos(u64::try_from(before.as_nanos()).unwrap_or(u64::MAX));
                    self.remove(self.db.faxes().older(company.id, before, SWEEP_MAX).await?).await?;
                }
                if let Some(megabytes) = rules.megabytes {
                    let bytes = u64::from(megabytes) * 1_000_000;
                    self.remove(self.db.faxes().surplus(company.id, bytes, SWEEP_MAX).await?).await?;
                }
            }
            match companies.last() {
                Some(last) if companies.len() >= usize::try_from(page.limit).unwrap_or(usize::MAX) => {
                    page.after = last.id.0;
                }
                Some(_) | None => return Ok(()),
            }
        }
    }

    async fn remove(&self, faxes: Vec<Fax>) -> Result<(), StoreError> {
        for old in faxes {
            match remove_fax(&self.root, &old).await {
                Ok(()) => tracing::info!(fax = old.id, company = old.company.0, "a fax is kept no longer"),
                Err(error) => {
                    tracing::warn!(%error, fax = old.id, "a fax cannot be removed");
                    continue;
                }
            }
            match self.db.faxes().delete(&OpContext::platform(), old.id).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The files of this ending, of all companies.
fn with_ending(root: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let all = entries(root).flat_map(|company| entries(&company).collect::<Vec<_>>());
    let mut files: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    files.sort();
    files
}

/// Faxes that were coming when an earlier process ended: as many pages as can be read of them are kept.
fn take_up(root: &Path) -> io::Result<()> {
    for begun in with_ending(root, BEGUN) {
        let tiff = begun.with_extension(FaxKind::Tiff.ending());
        let bytes = std::fs::read(&tiff).unwrap_or_default();
        let pages = tiff::pages(&bytes).map_or(0, |pages| u32::try_from(pages.len()).unwrap_or(u32::MAX));
        let note = serde_json::from_slice::<Note>(&std::fs::read(&begun)?);
        if let (Ok(note), 1..) = (note, pages) {
            if let Ok(pdf) = pdf::from_tiff(&bytes) {
                write(&tiff.with_extension(FaxKind::Pdf.ending()), &pdf)?;
            }
            write(&tiff.with_extension(NOTE), &serde_json::to_vec(&Note { pages, ..note })?)?;
        } else {
            gone(std::fs::remove_file(&tiff))?;
        }
        gone(std::fs::remove_file(&begun))?;
    }
    Ok(())
}

/// Pages to be sent that lie where they are sent from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaxPaper {
    /// Names their files.
    pub name: String,
    /// How many.
    pub pages: u32,
    /// Of the TIFF.
    pub bytes: u64,
}

/// Why pages cannot be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoPaper {
    /// They are none that a fax machine takes; in words.
    #[error("{0}")]
    Unfit(String),
    /// This machine lacks what draws a PDF.
    #[error("a PDF is drawn by {program}, which is not there: install the package {package}, or send a TIFF")]
    NotDrawn {
        /// The program.
        program: &'static str,
        /// The Debian package.
        package: &'static str,
    },
    /// The disk.
    #[error("they cannot be kept: {0}")]
    Disk(String),
}

/// Where faxes are kept, and how many may wait.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FaxRoom {
    /// The folder.
    pub root: PathBuf,
    /// Most pages of one.
    pub pages_max: u32,
    /// Most that wait to be sent, of one company.
    pub waiting_max: u32,
}

/// Keeps a TIFF or a PDF to be sent.
///
/// # Errors
/// [`NoPaper`].
pub async fn keep_paper(room: &FaxRoom, company: CompanyId, bytes: Vec<u8>) -> Result<FaxPaper, NoPaper> {
    let most = room.pages_max;
    let name = super::draw().ok_or_else(|| NoPaper::Disk("the kernel gives no randomness".to_owned()))?;
    let tiff = if bytes.starts_with(b"%PDF-") { drawn(bytes, most).await? } else { bytes };
    let path = file_of(&room.root, company, &name, FaxKind::Tiff);
    spawn_blocking(move || keep_tiff(&path, &tiff, most)).await.map_err(|error| NoPaper::Disk(error.to_string()))?
}

/// Removes pages that are not to be sent after all.
pub async fn drop_paper(room: &FaxRoom, company: CompanyId, paper: &FaxPaper) {
    for kind in [FaxKind::Pdf, FaxKind::Tiff] {
        let path = file_of(&room.root, company, &paper.name, kind);
        if let Err(error) = gone(tokio::fs::remove_file(&path).await) {
            tracing::warn!(%error, path = %path.display(), "a file of a fax stays");
        }
    }
}

fn keep_tiff(path: &Path, tiff: &[u8], most: u32) -> Result<FaxPaper, NoPaper> {
    let unfit = |why: String| NoPaper::Unfit(why);
    if tiff.len() > TIFF_MAX {
        return Err(unfit(format!("the pages are more than {TIFF_MAX} bytes")));
    }
    let all = tiff::pages(tiff).map_err(|error| unfit(error.to_string()))?;
    let pages = u32::try_from(all.len()).unwrap_or(u32::MAX);
    if pages > most {
        return Err(unfit(format!("a fax has at most {most} pages")));
    }
    if let Some(page) = all.iter().find(|page| !WIDTHS.contains(&page.width)) {
        return Err(unfit(format!("a page is {} pixels wide; fax machines have 1728, 2048 or 2432", page.width)));
    }
    let pdf = pdf::from_tiff(tiff).map_err(|error| unfit(error.to_string()))?;
    let kept = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write(path, tiff)?;
        write(&path.with_extension(FaxKind::Pdf.ending()), &pdf)
    };
    kept().map_err(|error: io::Error| NoPaper::Disk(error.to_string()))?;
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(FaxPaper { name, pages, bytes: u64::try_from(tiff.len()).unwrap_or(u64::MAX) })
}

/// The pages of a PDF as a TIFF. The file is a stranger's, so another program draws it, within bounds of its own.
async fn drawn(pdf: Vec<u8>, most: u32) -> Result<Vec<u8>, NoPaper> {
    let missing = NoPaper::NotDrawn { program: DRAWS.0, package: DRAWS.1 };
    if !is_there(DRAWS.0) {
        return Err(missing);
    }
    let (wide, high) = (DRAWN.0.to_string(), DRAWN.1.to_string());
    let last = most.saturating_add(1).to_string();
    let mut child = tokio::process::Command::new(BOUNDS)
        .args(BOUNDS_OF_IT)
        .args([DRAWS.0, "-q", "-mono", "-rx", "204", "-ry", "196", "-l", &last])
        .args(["-scale-to-x", &wide, "-scale-to-y", &high, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| NoPaper::Unfit(format!("{BOUNDS} cannot be started: {error}")))?;
    let Some((mut to, from)) = child.stdin.take().zip(child.stdout.take()) else { return Err(missing) };
    // Whoever reads no further than it likes closes its end: what it made counts.
    let writing = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut to, &pdf).await });
    let mut made = Vec::new();
    let room = u64::try_from(TIFF_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let read = tokio::time::timeout(DRAWN_WITHIN, from.take(room).read_to_end(&mut made)).await;
    writing.abort();
    if !matches!(read, Ok(Ok(_))) || made.len() > TIFF_MAX {
        return Err(NoPaper::Unfit("the PDF takes too long, or too much room, to draw".to_owned()));
    }
    let made = spawn_blocking(move || of_bitmaps(&made)).await.ok().flatten();
    made.ok_or_else(|| NoPaper::Unfit("the PDF cannot be drawn".to_owned()))
}

fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// A TIFF of the bitmaps (`P4`) of a stream; none where there is none, or one is broken off.
fn of_bitmaps(mut stream: &[u8]) -> Option<Vec<u8>> {
    let mut pages = Vec::new();
    while !stream.is_empty() {
        stream = stream.strip_prefix(b"P4\n")?;
        let end = stream.iter().position(|byte| *byte == b'\n')?;
        let (size, rest) = stream.split_at_checked(end)?;
        let (wide, high) = core::str::from_utf8(size).ok()?.split_once(' ')?;
        let (wide, high): (u32, usize) = (wide.parse().ok()?, high.parse().ok()?);
        let stride = usize::try_from(wide.div_ceil(8)).ok()?;
        let (bits, rest) = rest.get(1..)?.split_at_checked(stride.checked_mul(high)?)?;
        pages.push((wide, bits.to_vec()));
        stream = rest;
    }
    (!pages.is_empty()).then(|| tiff::write(&pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_become_pages() {
        let mut stream = b"P4\n16 2\n".to_vec();
        stream.extend([1, 2, 3, 4]);
        stream.extend(b"P4\n8 1\n\xff");
        let pages = tiff::pages(&of_bitmaps(&stream).unwrap()).unwrap();
        assert_eq!(pages.iter().map(|page| (page.width, page.height)).collect::<Vec<_>>(), [(16, 2), (8, 1)]);
        for broken in [&b""[..], b"P5\n1 1\n1", b"P4\n16 2\n123", b"P4\n99999999999 1\n"] {
            assert_eq!(of_bitmaps(broken), None);
        }
    }

    #[test]
    fn pages_that_no_machine_takes_are_refused_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_of(dir.path(), CompanyId(7), "a", FaxKind::Tiff);
        let narrow = tiff::write(&[(640, vec![0; 80])]);
        let many = tiff::write(&[(1_728, vec![0; 216]), (1_728, vec![0; 216])]);
        for unfit in [&b"GIF89a"[..], &narrow, &many] {
            assert!(matches!(keep_tiff(&file, unfit, 1), Err(NoPaper::Unfit(_))));
        }
        assert!(!file.exists());
        let kept = keep_tiff(&file, &many, 2).unwrap();
        assert_eq!((kept.pages, kept.bytes), (2, many.len() as u64));
        assert!(file.with_extension("pdf").exists());
    }

    #[test]
    fn what_a_killed_process_left_is_kept_as_far_as_it_came() {
        let dir = tempfile::tempdir().unwrap();
        let file =
            |name: &str, ending: &str| file_of(dir.path(), CompanyId(7), name, FaxKind::Tiff).with_extension(ending);
        std::fs::create_dir_all(file("a", "tif").parent().unwrap()).unwrap();
        let at = Instant::from_unix_nanos(5);
        let note = Note {
            brand: BrandId(1),
            company: CompanyId(7),
            call: CallId(9),
            caller: "1".to_owned(),
            callee: "2".to_owned(),
            made_at: at,
            ended_at: at,
            whole: false,
            pages: 0,
            station: String::new(),
            t38: false,
            reason: "cut".to_owned(),
        };
        for name in ["page", "none"] {
            write(&file(name, BEGUN), &serde_json::to_vec(&note).unwrap()).unwrap();
        }
        std::fs::write(file("page", "tif"), tiff::write(&[(1_728, vec![0; 216])])).unwrap();
        std::fs::write(file("none", "tif"), b"II").unwrap();
        take_up(dir.path()).unwrap();
        let kept: Note = serde_json::from_slice(&std::fs::read(file("page", NOTE)).unwrap()).unwrap();
        assert_eq!(kept, Note { pages: 1, ..note });
        assert!(file("page", "pdf").exists() && !file("page", BEGUN).exists());
        assert!(!file("none", "tif").exists() && !file("none", NOTE).exists() && !file("none", BEGUN).exists());
    }
}
