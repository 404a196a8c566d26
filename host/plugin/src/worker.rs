//! Compiling in a process of its own: component in by a pipe, machine code out. What a component does to the compiler
//! (crash it, loop in it, fill its memory) ends that process and no call.

use crate::compiler::{CodeShape, CompileError, Compiler, EngineKind, InProcess};
use core::time::Duration;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{self, Pid, PidfdFlags, Resource, Rlimit, Signal};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// The word by which the program is a worker.
pub const WORKER: &str = "compile-worker";

const MAGIC: [u8; 8] = *b"swcompil";
/// What a job says before the component: magic, kind, whether it is counted, nice, and four numbers.
const JOB: usize = 8 + 3 + 4 * 8;
/// What an answer says before the code or the reason: magic, which of them, its length.
const ANSWER: usize = 8 + 1 + 8;
/// What the kernel says to whoever is at its cap.
const STARVED: &str = "annot allocate memory";
/// So much of what a worker says before its end is kept for the reason.
const LAST_WORDS_MAX: usize = 4 << 10;

/// What compiling may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerLimits {
    /// CPU of one component, over all threads; whole seconds.
    pub cpu: Duration,
    /// Address space of one worker, in bytes.
    pub memory_bytes: u64,
    /// Time of one component.
    pub wall: Duration,
    /// Workers at once; the others wait for their turn.
    pub at_once: usize,
    /// So many wait for their turn; one more is told to come another time.
    pub waiting_max: usize,
    /// How far a worker steps back behind the switch: 0 to 19, as of `nice`.
    pub nice: u8,
    /// Size of the code of one component, in bytes.
    pub code_bytes_max: u64,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        WorkerLimits {
            cpu: Duration::from_secs(240),
            memory_bytes: 6 << 30,
            wall: Duration::from_secs(300),
            at_once: 1,
            waiting_max: 64,
            nice: 10,
            code_bytes_max: 512 << 20,
        }
    }
}

/// Compiles in processes.
///
/// # Invariants
/// A turn is held for as long as there is a worker, and a worker has ended when `precompile` returns.
#[derive(Debug)]
pub struct WorkerProcess {
    program: PathBuf,
    args: Vec<String>,
    limits: WorkerLimits,
    turns: Mutex<Turns>,
    freed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    taken: usize,
    waiting: usize,
}

impl WorkerProcess {
    /// Workers are this very program, with the word [`WORKER`]: it must answer to it by [`compile_worker`].
    #[must_use]
    pub fn own(limits: WorkerLimits) -> WorkerProcess {
        // By this name the kernel finds the program that runs, also after its file was replaced by another version.
        WorkerProcess::new(PathBuf::from("/proc/self/exe"), vec![WORKER.to_owned()], limits)
    }

    /// Workers are another program.
    #[must_use]
    pub fn new(program: PathBuf, args: Vec<String>, limits: WorkerLimits) -> WorkerProcess {
        WorkerProcess { program, args, limits, turns: Mutex::default(), freed: Condvar::new() }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn. Each before it ends within its time, so this does.
    fn turn(&self) -> Result<Turn<'_>, CompileError> {
        let mut turns = self.turns();
        let is_full = |turns: &Turns| turns.taken >= self.limits.at_once.max(1);
        if is_full(&turns) {
            if turns.waiting >= self.limits.waiting_max {
                let waiting = turns.waiting;
                let why = format!("{waiting} components wait for the compiler already (plugins.compile_waiting_max)");
                return Err(CompileError::Unavailable(why));
            }
            turns.waiting += 1;
            while is_full(&turns) {
                turns = self.freed.wait(turns).unwrap_or_else(PoisonError::into_inner);
            }
            turns.waiting -= 1;
        }
        turns.taken += 1;
        Ok(Turn(self))
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        // The switch's surroundings hold keys; a compiler needs none of them.
        command.args(&self.args).arg0("strowger").env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    fn job(&self, shape: CodeShape, component: &[u8]) -> Vec<u8> {
        let limits = &self.limits;
        let mut job = Vec::with_capacity(JOB + component.len());
        job.extend_from_slice(&MAGIC);
        job.extend_from_slice(&[shape.kind.byte(), u8::from(shape.fuel), limits.nice]);
        let numbers =
            [shape.memory_bytes_max, limits.cpu.as_secs().max(1), limits.memory_bytes, component.len() as u64];
        numbers.iter().for_each(|number| job.extend_from_slice(&number.to_le_bytes()));
        job.extend_from_slice(component);
        job
    }
}

struct Turn<'a>(&'a WorkerProcess);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.turns().taken -= 1;
        self.0.freed.notify_one();
    }
}

impl Compiler for WorkerProcess {
    fn precompile(&self, shape: CodeShape, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let _turn = self.turn()?;
        let none = |error: io::Error| CompileError::Unavailable(format!("no worker process can be had: {error}"));
        let mut worker = Running(self.start().map_err(none)?);
        let job = self.job(shape, component);
        let (stdin, stdout, stderr) = (worker.0.stdin.take(), worker.0.stdout.take(), worker.0.stderr.take());
        let room = self.limits.code_bytes_max.saturating_add(ANSWER as u64 + 1);
        // Each pipe has a thread: a worker that neither reads nor writes holds up nothing beyond its time.
        let given = thread(move || stdin.map(|mut to| to.write_all(&job)));
        let said = thread(move || stdout.map(|from| read(from, room)).unwrap_or_default());
        let cried = thread(move || stderr.map(|from| read(from, LAST_WORDS_MAX as u64)).unwrap_or_default());
        let (given, said, cried) = (given.map_err(none)?, said.map_err(none)?, cried.map_err(none)?);
        let in_time = worker.ends_within(self.limits.wall);
        if !in_time {
            worker.kill();
        }
        let status = worker.0.wait().map_err(none)?;
        drop(given.join());
        let (said, cried) = (said.join().unwrap_or_default(), cried.join().unwrap_or_default());
        if !in_time {
            let wall = self.limits.wall.as_secs_f32();
            let why = format!("compiling it takes longer than {wall} s (plugins.compile_wall_s)");
            return Err(CompileError::Rejected(why));
        }
        match answer(&said) {
            Some(answer) if status.success() => answer,
            Some(_) | None if said.len() as u64 == room => {
                let max = self.limits.code_bytes_max;
                Err(CompileError::Rejected(format!("its code has more than {max} bytes (plugins.code_bytes_max)")))
            }
            Some(_) | None => Err(CompileError::Rejected(self.epitaph(status, &cried))),
        }
    }
}

impl WorkerProcess {
    /// Why a worker ended without an answer.
    fn epitaph(&self, status: ExitStatus, cried: &[u8]) -> String {
        let cried = String::from_utf8_lossy(cried);
        let signal = status.signal();
        let is = |is: Signal| signal == Some(is.as_raw());
        let starved = ["memory allocation", STARVED, "Resource temporarily unavailable"];
        if is(Signal::XCPU) {
            let cpu = self.limits.cpu.as_secs();
            return format!("compiling it takes more than {cpu} s of CPU (plugins.compile_cpu_s)");
        }
        if starved.iter().any(|words| cried.contains(words)) {
            let bytes = self.limits.memory_bytes;
            return format!("compiling it takes more than {bytes} bytes of memory (plugins.compile_memory_bytes)");
        }
        let last = cried.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
        let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
        match (signal, status.code()) {
            (Some(_), _) if is(Signal::KILL) => "the compiler was killed while it worked on it".to_owned(),
            (Some(signal), _) => format!("the compiler crashed on it with signal {signal}: {last}"),
            (None, code) => format!("the compiler failed on it with status {}: {last}", code.unwrap_or(-1)),
        }
    }
}

/// A worker that does not outlive whoever waits for it.
struct Running(Child);

impl Running {
    /// Whether it ends by itself in time. It is not reaped by this.
    fn ends_within(&self, wall: Duration) -> bool {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // Not reaped, so the number is still this process.
        let Some(fd) = pid.and_then(|pid| process::pidfd_open(pid, PidfdFlags::empty()).ok()) else { return true };
        let until = Instant::now() + wall;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 });
            match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
                Ok(0) => return false,
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => return true,
            }
        }
    }

    fn kill(&mut self) {
        // It has ended if this fails.
        let _ended = self.0.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            self.kill();
            let _reaped = self.0.wait();
        }
    }
}

fn thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name("compile-pipe".to_owned()).stack_size(256 << 10).spawn(work)
}

/// What is said up to a limit; the rest is let through and forgotten, so that nobody is stuck in saying it.
fn read(mut from: impl Read, max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _broken = (&mut from).take(max).read_to_end(&mut bytes);
    let _broken = io::copy(&mut from, &mut io::sink());
    bytes
}

/// An answer that came whole.
fn answer(said: &[u8]) -> Option<Result<Vec<u8>, CompileError>> {
    let (head, body) = said.split_at_checked(ANSWER)?;
    let rest = head.strip_prefix(&MAGIC)?;
    let (kind, length) = rest.split_first()?;
    if u64::from_le_bytes(length.try_into().ok()?) != body.len() as u64 {
        return None;
    }
    match kind {
        0 => Some(Ok(body.to_vec())),
        1 => Some(Err(CompileError::NotAComponent(String::from_utf8_lossy(body).into_owned()))),
        _ => None,
    }
}

/// The worker's side: caps itself, reads one component, answers, and is done.
///
/// # Errors
/// The pipes are not those of a switch, or the kernel refuses the caps.
pub fn compile_worker(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    // A worker of a switch that is gone serves nobody.
    process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut job = [0; JOB];
    from.read_exact(&mut job)?;
    let strange = || io::Error::other("this is not how a switch asks");
    let rest = job.strip_prefix(&MAGIC).ok_or_else(strange)?;
    let ([kind, fuel, nice], numbers) = rest.split_first_chunk().ok_or_else(strange)?;
    let mut numbers = numbers.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let mut number = || numbers.next().ok_or_else(strange);
    let (memory_bytes_max, cpu_s, memory, length) = (number()?, number()?, number()?, number()?);
    let kind = EngineKind::of_byte(*kind).ok_or_else(strange)?;
    cap(cpu_s, memory, *nice)?;
    let mut component = Vec::new();
    from.take(length).read_to_end(&mut component)?;
    if component.len() as u64 != length {
        return Err(strange());
    }
    let shape = CodeShape { kind, memory_bytes_max, fuel: *fuel != 0 };
    let (says, body) = match InProcess.precompile(shape, &component) {
        Ok(code) => (0, code),
        // Not the component's fault, but the cap's: no answer.
        Err(CompileError::NotAComponent(why)) if why.contains(STARVED) => return Err(io::Error::other(why)),
        Err(CompileError::NotAComponent(why)) => (1, why.into_bytes()),
        Err(CompileError::Rejected(why) | CompileError::Unavailable(why)) => return Err(io::Error::other(why)),
    };
    to.write_all(&MAGIC)?;
    to.write_all(&[says])?;
    to.write_all(&(body.len() as u64).to_le_bytes())?;
    to.write_all(&body)?;
    to.flush()
}

fn cap(cpu_s: u64, memory: u64, nice: u8) -> io::Result<()> {
    let at = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    process::nice(i32::from(nice.min(19)))?;
    // A signal of its own at the first number, so that the reason can be told.
    process::setrlimit(Resource::Cpu, Rlimit { current: Some(cpu_s), maximum: Some(cpu_s.saturating_add(1)) })?;
    process::setrlimit(Resource::As, at(memory))?;
    // It writes to its pipes and to no file.
    process::setrlimit(Resource::Fsize, at(0))?;
    process::setrlimit(Resource::Core, at(0))?;
    Ok(())
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
