//! Runs the binary.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code outside the switch")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything here may take; a busy machine compiles the demo's plugins for some seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until a process ends; one that does not is killed.
#[track_caller]
fn ended(child: &mut Child, what: &str) -> ExitStatus {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    panic!("{what} did not end within {PATIENCE:?}");
}

fn gather(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strowger"));
    for name in ["STROWGER_URL", "STROWGER_TOKEN", "STROWGER_CLIENT", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(args: &[&str]) -> Output {
    let mut command = binary();
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (out, err) = (gather(child.stdout.take().unwrap()), gather(child.stderr.take().unwrap()));
    let status = ended(&mut child, &format!("strowger {}", args.join(" ")));
    Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() }
}

/// Runs a command that must fail with `code`; gives the one line it says.
#[track_caller]
pub(crate) fn refused(args: &[&str], code: i32) -> String {
    let done = run(args);
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(code), "{args:?}: {said}");
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    assert!(done.stdout.is_empty());
    said
}

/// A switch that runs.
pub(crate) struct Demo {
    child: Child,
    stderr: Option<JoinHandle<Vec<u8>>>,
    client_file: String,
    /// What it printed when it was ready.
    pub(crate) block: String,
}

impl Demo {
    /// Starts a demo on free ports and waits for its ready block.
    pub(crate) fn start(data: &Path) -> Demo {
        let mut command = binary();
        command.args(["demo", "--sip", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"]).arg(data);
        let mut demo = Demo::spawn(command, data);
        let lines = BufReader::new(demo.child.stdout.take().unwrap()).lines();
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
        let begun = Instant::now();
        while !demo.block.contains("Ctrl-C") {
            match heard.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(line) => demo.block += &(line + "\n"),
                Err(why) => {
                    let log = demo.stop();
                    panic!("no ready block ({why}): {}\n{log}", demo.block);
                }
            }
        }
        demo
    }

    /// Starts `serve` and waits for its client file.
    pub(crate) fn serve(config: &Path, data: &Path) -> Demo {
        let mut command = binary();
        command.args(["serve", "--config"]).arg(config);
        let mut demo = Demo::spawn(command, data);
        let file = data.join("client.toml");
        let begun = Instant::now();
        while !file.exists() {
            assert!(begun.elapsed() < PATIENCE, "no client file: {}", demo.stop());
            assert!(demo.child.try_wait().unwrap().is_none(), "it ended before it was ready: {}", demo.stop());
            std::thread::sleep(Duration::from_millis(10));
        }
        demo
    }

    fn spawn(mut command: Command, data: &Path) -> Demo {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let reader = gather(child.stderr.take().unwrap());
        let client_file = data.join("client.toml").to_str().unwrap().to_owned();
        Demo { child, stderr: Some(reader), client_file, block: String::new() }
    }

    /// User names and passwords, as printed.
    pub(crate) fn accounts(&self) -> Vec<(String, String)> {
        let pair = |line: &str| {
            let (user, password) = line.trim().split_once("  ")?;
            (user.len() == 4 && user.starts_with("10")).then(|| (user.to_owned(), password.trim().to_owned()))
        };
        self.block.lines().filter_map(pair).collect()
    }

    fn after(&self, label: &str) -> String {
        let line = self.block.lines().find(|l| l.trim_start().starts_with(label)).unwrap();
        line.trim_start().trim_start_matches(label).trim().to_owned()
    }

    /// The token, as printed.
    pub(crate) fn token(&self) -> String {
        self.after("Token")
    }

    /// Where it is asked, as printed: address and port.
    pub(crate) fn http(&self) -> String {
        let at = self.block.find("http://").unwrap() + "http://".len();
        self.block[at..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect()
    }

    /// The UDP address, as printed.
    pub(crate) fn sip_udp(&self) -> String {
        self.after("SIP       udp:")
    }

    /// Runs a client command that must succeed.
    #[track_caller]
    pub(crate) fn client(&self, args: &[&str]) -> String {
        let done = run(&[&["--client", &self.client_file], args].concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{args:?}: {said}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Runs a client command that must fail.
    #[track_caller]
    pub(crate) fn refused(&self, args: &[&str]) -> (i32, String) {
        let done = run(&[&["--client", &self.client_file], args].concat());
        (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
    }

    /// SIGTERM; gives the log. It must leave with 0.
    pub(crate) fn stop(&mut self) -> String {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let status = ended(&mut self.child, "the switch, after SIGTERM,");
        let log = self.stderr.take().map(|r| r.join().unwrap()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        assert!(status.success() || self.block.is_empty(), "{status}: {log}");
        log
    }
}

/// A `plugin run`.
pub(crate) struct Developed {
    child: Child,
    heard: mpsc::Receiver<String>,
    data: PathBuf,
}

impl Developed {
    /// Starts it on free ports.
    pub(crate) fn start(dir: &Path) -> Developed {
        let mut command = binary();
        command.args(["plugin", "run"]).arg(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (said, heard) = mpsc::channel();
        for stream in
            [Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>, Box::new(child.stderr.take().unwrap())]
        {
            let said = said.clone();
            let lines = BufReader::new(stream).lines();
            std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
        }
        Developed { child, heard, data: PathBuf::new() }
    }

    /// What it says up to a line that has this in it.
    #[track_caller]
    pub(crate) fn until(&mut self, words: &str) -> String {
        let begun = Instant::now();
        let mut said = String::new();
        while !said.contains(words) {
            match self.heard.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(line) => said += &(line + "\n"),
                Err(why) => panic!("no {words:?} ({why}): {said}"),
            }
        }
        if let Some(file) = said.split("--client ").nth(1).and_then(|rest| rest.split(' ').next()) {
            self.data = Path::new(file).parent().unwrap().to_owned();
        }
        said
    }

    /// The folder of its switch.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Runs a client command that must succeed.
    #[track_caller]
    pub(crate) fn client(&self, args: &[&str]) -> String {
        let done = run(&[&["--client", self.data.join("client.toml").to_str().unwrap()], args].concat());
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Ctrl-C; it must leave with 0.
    pub(crate) fn interrupt(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let status = ended(&mut self.child, "plugin run, after SIGINT,");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Developed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
