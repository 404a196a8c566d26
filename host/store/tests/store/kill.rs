//! kill -9: a child process (this binary again) writes or drains, and is killed at a random point; what it had
//! acknowledged is there exactly once, whatever it was doing.

use crate::fixture::{CTX, at, cdr};
use crate::on_both;
use model::{CallRecord, Cause, Cdr};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use store::outbox::{Outbox, OutboxConfig};
use store::{CdrCursor, CdrFilter, Db};

const JOURNAL: &str = "STROWGER_TEST_JOURNAL";
const DATABASE: &str = "STROWGER_TEST_DATABASE";
const FIRST: &str = "STROWGER_TEST_FIRST";
/// How long a child may say nothing, and how long it may take to be gone: a hundred times what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many calls the child has up at once.
const UP: u128 = 20;

fn config() -> OutboxConfig {
    OutboxConfig { segment_bytes_max: 40_000, gather: Duration::from_millis(1), ..OutboxConfig::default() }
}

/// The child: calls come and go, each step acknowledged on stdout, while the drain moves what ended. Ends by kill -9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(dir), Ok(url), Ok(first)) = (std::env::var(JOURNAL), std::env::var(DATABASE), std::env::var(FIRST)) else {
        return;
    };
    let db = Db::open(&url).await.unwrap();
    let (outbox, drain) = Outbox::open(Path::new(&dir), config()).unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(drain.run(db, stopped));
    let mut journal = outbox.journal();
    let first: u128 = first.parse().unwrap();
    let write = move || {
        let mut out = std::io::stdout().lock();
        for call in first.. {
            journal.append(&[0, 1].map(|leg| CallRecord::Answered(cdr(call, leg)))).unwrap();
            writeln!(out, "\nup {call}").unwrap();
            if call >= first + UP {
                let call = call - UP;
                journal.append(&[0, 1].map(|leg| CallRecord::Ended(cdr(call, leg)))).unwrap();
                writeln!(out, "\ndown {call}").unwrap();
            }
            out.flush().unwrap();
            // About what a busy switch does, so that the drain keeps up and all parts are under way.
            std::thread::sleep(Duration::from_micros(300));
        }
    };
    tokio::task::spawn_blocking(write).await.unwrap();
}

/// A child that does not outlive its test, however that ends.
struct Mortal(Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn spawn(journal: &Path, url: &str, first: u128) -> Mortal {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(JOURNAL, journal)
        .env(DATABASE, url)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Mortal(command.spawn().unwrap())
}

/// What a child says, line by line; closed when its end is closed.
fn lines_of(out: ChildStdout) -> Receiver<String> {
    let (say, said) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if say.send(line).is_err() {
                return;
            }
        }
    });
    said
}

/// Lets a child live for so many acknowledged steps, kills it, and gives its calls: whether each was ended.
fn live_and_die(journal: &Path, url: &str, first: u128, steps: usize) -> BTreeMap<u128, bool> {
    let mut child = spawn(journal, url, first);
    let lines = lines_of(child.0.stdout.take().unwrap());
    let mut calls = BTreeMap::new();
    let mut note = |line: &str| {
        if let Some((step, call)) = line.split_once(' ')
            && let (true, Ok(call)) = (step == "up" || step == "down", call.parse())
        {
            calls.insert(call, step == "down");
            return true;
        }
        false
    };
    let mut noted = 0;
    while noted < steps {
        let line = lines.recv_timeout(PATIENCE).expect("the child lives and speaks");
        noted += usize::from(note(&line));
    }
    child.0.kill().unwrap();
    // What it said before the signal reached it counts too; a torn last line does not.
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.len() > 3 => {
                note(&line);
            }
            Ok(_) => {}
            Err(end) => {
                assert_eq!(end, RecvTimeoutError::Disconnected, "a killed child closes its end");
                return calls;
            }
        }
    }
}

async fn everything(db: &Db) -> Vec<Cdr> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = db.cdrs().list(&CTX, &CdrFilter::default(), after, 1_000).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(CdrCursor::from(last));
        all.extend(page);
    }
}

on_both! {
    async fn an_answered_call_has_one_cdr_per_leg_after_any_kill(place: Place) {
        let dir = place.dir.path().join("journal");
        let mut calls = BTreeMap::new();
        for round in 0..4_u128 {
            let (dir, url, first) = (dir.clone(), place.url.clone(), 1 + round * 1_000_000);
            let steps = 40 + usize::try_from(round).unwrap() * 397;
            let lived = tokio::task::spawn_blocking(move || live_and_die(&dir, &url, first, steps)).await.unwrap();
            calls.extend(lived);
        }
        let (outbox, mut drain) = Outbox::open(&dir, config()).unwrap();
        drain.drain(&place.db).await.unwrap();
        assert_eq!((outbox.counters().bytes_pending, outbox.counters().cdrs_rejected), (0, 0));

        let mut stored: BTreeMap<(u128, u16), Cdr> = BTreeMap::new();
        for cdr in everything(&place.db).await {
            let again = stored.insert((cdr.call.0, cdr.leg), cdr);
            assert_eq!(again, None);
        }
        for (call, ended) in &calls {
            for leg in 0..2 {
                let kept = stored.remove(&(*call, leg)).unwrap_or_else(|| panic!("call {call} leg {leg} is lost"));
                let expected = if *ended { Cause::NormalClearing } else { kept.cause };
                assert_eq!(kept.cause, expected, "call {call} leg {leg}");
                assert!(matches!(kept.cause, Cause::NormalClearing | Cause::SwitchRestarted));
                assert!(kept.ended_at >= at(12));
            }
        }
        // Beyond what was acknowledged, at most the one batch per life that was written and not yet said.
        assert!(stored.len() <= 2 * 4, "{} CDRs out of nowhere", stored.len());
        let cut = calls.values().filter(|ended| !**ended).count();
        assert!(cut >= usize::try_from(UP).unwrap(), "{cut}");
    }
}
