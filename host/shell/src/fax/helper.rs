//! The process of one fax, seen from the switch. Whatever it does, nobody waits longer than [`HELPER_WITHIN`] for it.

use super::{HELPER_WITHIN, WAITING_MAX};
use facsimile::wire::{FRAME_MAX, FromHelper, Job, News, ToHelper, length};
use std::io;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// It is killed when this goes.
pub(super) struct Worker {
    child: Child,
    to: ChildStdin,
    said: mpsc::Receiver<FromHelper>,
    reading: JoinHandle<()>,
}

impl Worker {
    /// Starts it; gives it where it has begun.
    ///
    /// # Errors
    /// In words: it cannot be started, or says why it does not begin.
    pub(super) async fn begin(program: &Path, job: Job) -> Result<Worker, String> {
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
        let (to, from) = child.stdin.take().zip(child.stdout.take()).ok_or("no helper: no pipes")?;
        // A read that is cut off would lose its place in the stream, so it has a task of its own.
        let (heard, said) = mpsc::channel(WAITING_MAX);
        let reading = tokio::spawn(read(BufReader::new(from), heard));
        let mut helper = Worker { child, to, said, reading };
        helper.tell(&ToHelper::Job(job)).await.map_err(broke)?;
        match timeout(HELPER_WITHIN, helper.said()).await {
            Ok(Some(FromHelper::News(News::Begun))) => Ok(helper),
            Ok(Some(FromHelper::News(News::Done(done)))) => Err(done.text),
            Ok(Some(_)) => Err("the helper begins with something else".to_owned()),
            Ok(None) => Err("the helper ends before it begins".to_owned()),
            Err(_) => Err("the helper does not begin".to_owned()),
        }
    }

    /// Tells it something.
    ///
    /// # Errors
    /// It takes nothing in, or is gone.
    pub(super) async fn tell(&mut self, told: &ToHelper) -> io::Result<()> {
        let bytes = told.to_bytes();
        let written = timeout(HELPER_WITHIN, self.to.write_all(&bytes)).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What it says next; nothing where it has ended, or says what makes no sense.
    pub(super) async fn said(&mut self) -> Option<FromHelper> {
        self.said.recv().await
    }

    /// Ends it.
    pub(super) async fn end(mut self) {
        self.reading.abort();
        // A process that was killed is gone at once, unless the kernel itself has trouble.
        let _late = timeout(HELPER_WITHIN, self.child.kill()).await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut from: BufReader<ChildStdout>, to: mpsc::Sender<FromHelper>) {
    while let Ok(said) = next(&mut from).await {
        if to.send(said).await.is_err() {
            return;
        }
    }
}

async fn next(from: &mut BufReader<ChildStdout>) -> io::Result<FromHelper> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let mut frame = vec![0; length(head)?.min(FRAME_MAX)];
    from.read_exact(&mut frame).await?;
    FromHelper::from_bytes(&frame)
}
