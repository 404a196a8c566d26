//! Processes that are ended when nobody needs them any more.

use crate::{PATIENCE, until};
use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A process of ours and what it says.
///
/// # Invariants
/// Ended, and waited for, when dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    name: String,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

/// CPU time of a process and its threads.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct CpuTime(pub Duration);

/// What a process has used.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Usage {
    /// User and system time since its start.
    pub cpu: CpuTime,
    /// Resident memory, in KiB.
    pub rss_kib: u64,
}

impl Child {
    /// Starts it, with nothing on standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Child {
        Child::spawn(command.stdin(Stdio::null()))
    }

    /// Starts it, to be told things on standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn told(command: &mut Command) -> (Child, ChildStdin) {
        let mut child = Child::spawn(command.stdin(Stdio::piped()));
        let input = child.process.stdin.take().expect("its standard input");
        (child, input)
    }

    fn spawn(command: &mut Command) -> Child {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        let out = gather(process.stdout.take());
        let err = gather(process.stderr.take());
        Child { process, name, out, err }
    }

    /// Everything on standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.out.lock().map(|s| s.clone()).unwrap_or_default()
    }

    /// What is on standard output after so many bytes, as far as lines are whole.
    #[must_use]
    pub fn out_after(&self, bytes: usize) -> String {
        let out = self.out.lock().map(|s| s.get(bytes..).unwrap_or_default().to_owned()).unwrap_or_default();
        out.rfind('\n').and_then(|end| out.get(..=end)).unwrap_or_default().to_owned()
    }

    /// Everything on standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        self.err.lock().map(|s| s.clone()).unwrap_or_default()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Asks it to read its files anew.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// kill -9.
    ///
    /// # Panics
    /// When it was not there.
    pub fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it is ours");
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_for(PATIENCE)
    }

    /// The same, with more or less patience.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait_for(&mut self, patience: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begun.elapsed() < patience, "{} does not end:\n{}\n{}", self.name, self.out(), self.err());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for what `find` finds in its standard output and standard error.
    ///
    /// # Panics
    /// When it ends or nothing comes.
    pub fn says<T>(&mut self, what: &str, find: impl Fn(&str, &str) -> Option<T>) -> T {
        until(what, || {
            let found = find(&self.out(), &self.err());
            if found.is_none()
                && let Some(status) = self.ended()
            {
                panic!("{} ended ({status}) before {what}:\n{}\n{}", self.name, self.out(), self.err());
            }
            found
        })
    }

    /// What it has used, from `/proc`.
    #[must_use]
    pub fn usage(&self) -> Usage {
        usage_of(self.process.id())
    }

    /// The same of it and of every process that it started, and of theirs.
    #[must_use]
    pub fn usage_of_all(&self) -> Usage {
        let parent = |process: u32| stat(process).get(1).and_then(|ppid| ppid.parse::<u32>().ok());
        let all = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        let all: Vec<(u32, u32)> = all
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|process| Some((process, parent(process)?)))
            .collect();
        let mut family = vec![self.process.id()];
        let mut next = 0;
        while let Some(one) = family.get(next).copied() {
            family.extend(all.iter().filter(|(_, parent)| *parent == one).map(|(process, _)| *process));
            next += 1;
        }
        family.into_iter().map(usage_of).fold(Usage::default(), |sum, one| Usage {
            cpu: CpuTime(sum.cpu.0 + one.cpu.0),
            rss_kib: sum.rss_kib + one.rss_kib,
        })
    }
}

/// The fields of a process's `stat` from its state on.
fn stat(process: u32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    text.rsplit(')').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn usage_of(process: u32) -> Usage {
    let ticks: u64 = stat(process).iter().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let rss = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    Usage {
        // Linux gives these in hundredths of a second, whatever the kernel's tick is.
        cpu: CpuTime(Duration::from_millis(ticks * 10)),
        rss_kib: rss.trim_end_matches("kB").trim().parse().unwrap_or_default(),
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn gather(stream: Option<impl Read + Send + 'static>) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let Some(stream) = stream else { return text };
    let to = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if let Ok(mut text) = to.lock() {
                text.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    });
    text
}
