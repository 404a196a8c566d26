//! A PJSIP (pjsua2) that is told what to do by lines of JSON; `../pjsip/pjsua.py` is the phone.

use crate::{Child, DOMAIN, Office, PASSWORD, audio, until, until_or};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};

/// Where `cargo xtask install` puts PJSIP and PESQ.
#[must_use]
pub(crate) fn environment() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/pjsip")
}

/// A Python of that environment that is to run one of our scripts.
pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(environment().join("bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("pjsip").join(script));
    command
}

/// A phone that registers, calls, is called, plays a file and records what it hears.
#[derive(Debug)]
pub struct Pjsua {
    user: String,
    input: ChildStdin,
    last: u64,
    /// All that it said, and how many bytes of its output that was.
    said: Vec<Value>,
    read: usize,
    /// How far each kind of event was looked at.
    looked: BTreeMap<String, usize>,
    /// Bytes of a second of its recordings.
    pace: u64,
    child: Child,
    dir: tempfile::TempDir,
}

impl Pjsua {
    /// Starts one that registers as this user over `udp`, `tcp` or `tls`, will play this sound over and over in its calls,
    /// and waits until the switch knows where it is. `more` are settings of pjsua.py, as `{ "srtp": "mandatory" }`.
    ///
    /// # Panics
    /// When PJSIP is not there or does not register.
    #[must_use]
    pub fn registered(office: &Office, transport: &str, user: &str, plays: &[i16], more: &Value) -> Pjsua {
        let mut phone = Pjsua::start(office, transport, user, plays, more);
        let answer = phone.event("registration");
        assert_eq!(answer["status"], 200, "{user}: {answer}\n{}", phone.log());
        office.registered(user, transport, 1);
        phone
    }

    /// Starts one and does not wait.
    ///
    /// # Panics
    /// When PJSIP is not there.
    #[must_use]
    pub fn start(office: &Office, transport: &str, user: &str, plays: &[i16], more: &Value) -> Pjsua {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("plays.wav");
        audio::write(&file, plays);
        let at = office.at(transport);
        // A certificate is for a name.
        let host = if transport == "tls" { "localhost".to_owned() } else { at.ip().to_string() };
        let mut settings = json!({
            "dir": dir.path(), "plays": file, "user": user, "password": PASSWORD, "domain": DOMAIN,
            "server": format!("{host}:{}", at.port()), "transport": transport, "ca": office.certificate().cert(),
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            settings[name] = value.clone();
        }
        let pace = settings["rate"].as_u64().unwrap_or(8_000) * 2;
        let (child, input) = Child::told(python("pjsua.py").arg(settings.to_string()));
        let (said, looked) = (Vec::new(), BTreeMap::new());
        let mut phone = Pjsua { user: user.to_owned(), input, last: 0, said, read: 0, looked, pace, child, dir };
        let _ = phone.event("ready");
        phone
    }

    /// Gives a command and its value.
    ///
    /// # Panics
    /// When the phone fails at it.
    pub fn command(&mut self, verb: &str, more: &Value) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "verb": verb });
        for (name, value) in more.as_object().into_iter().flatten() {
            command[name] = value.clone();
        }
        writeln!(self.input, "{command}").unwrap_or_else(|e| panic!("{}: {e}\n{}", self.user, self.log()));
        let id = self.last;
        let answer = self.find(&format!("the answer to {verb}"), 0, |said| said["id"] == id).1;
        assert!(answer["error"].is_null(), "{} {verb} {more}: {answer}\n{}", self.user, self.log());
        answer["value"].clone()
    }

    /// Waits for the next event of this kind; those of the kind before it are not looked at again.
    pub fn event(&mut self, kind: &str) -> Value {
        self.event_that(kind, |_| true)
    }

    /// The same, for an event that is so.
    pub fn event_that(&mut self, kind: &str, so: impl Fn(&Value) -> bool) -> Value {
        let from = self.looked.get(kind).copied().unwrap_or_default();
        let (at, event) = self.find(kind, from, |said| said["kind"] == kind && so(said));
        self.looked.insert(kind.to_owned(), at + 1);
        event
    }

    fn find(&mut self, what: &str, from: usize, so: impl Fn(&Value) -> bool) -> (usize, Value) {
        let what = format!("{what} at pjsua {}", self.user);
        let (child, said, read) = (&mut self.child, &mut self.said, &mut self.read);
        let (user, dir) = (&self.user, self.dir.path());
        // Whatever was said is looked at once.
        let mut next = from;
        let look = || {
            gather(child, said, read);
            let found = said.iter().enumerate().skip(next).find(|(_, s)| so(s)).map(|(at, s)| (at, s.clone()));
            let broken = said.iter().find(|s| s["kind"] == "broken");
            assert!(broken.is_none(), "pjsua {user}: {broken:?}");
            if let (None, Some(status)) = (&found, child.ended()) {
                panic!("pjsua {user} ended ({status}):\n{}{}", child.err(), log(dir));
            }
            next = said.len().max(from);
            found
        };
        let begun = std::time::Instant::now();
        until_or(&what, look, || format!("in {:?}\n{}", begun.elapsed(), log(dir)))
    }

    /// Every event of this kind so far.
    pub fn all(&mut self, kind: &str) -> Vec<Value> {
        gather(&self.child, &mut self.said, &mut self.read);
        self.said.iter().filter(|s| s["kind"] == kind).cloned().collect()
    }

    /// Waits for a request or response of a call that went `in` or `out` and has this start, as `UPDATE ` or `SIP/2.0 422`.
    pub fn passed(&mut self, way: &str, start: &str) -> Value {
        self.event_that("passed", |e| e["way"] == way && e["message"].as_str().is_some_and(|m| m.starts_with(start)))
    }

    /// Calls an account or number; gives the call's number.
    pub fn dial(&mut self, to: &str) -> u64 {
        self.command("call", &json!({ "to": to })).as_u64().expect("a number")
    }

    /// Waits until it rings; gives the call's number.
    pub fn rings(&mut self) -> u64 {
        self.event("rings")["call"].as_u64().expect("a number")
    }

    /// Rings and answers.
    pub fn answers(&mut self) -> u64 {
        let call = self.rings();
        self.act("answer", call);
        self.state(call, "confirmed");
        call
    }

    /// Does this with a call: `answer`, `hangup`, `hold`, `resume`.
    pub fn act(&mut self, verb: &str, call: u64) {
        let _ = self.command(verb, &json!({ "call": call }));
    }

    /// Waits until a call has come to a state: `early`, `confirmed`, `disconnected`.
    pub fn state(&mut self, call: u64, state: &str) -> Value {
        self.event_that(state, |e| e["call"] == call)
    }

    /// Waits until a call's sound has come to a state: `active`, `held`, `held-by-remote`.
    pub fn media(&mut self, call: u64, state: &str) -> Value {
        self.event_that("media", |e| e["call"] == call && e["state"] == state)
    }

    /// The file of what it heard in a call.
    #[must_use]
    pub fn recording(&self, call: u64) -> PathBuf {
        self.dir.path().join(format!("heard-{call}.wav"))
    }

    /// Bytes recorded of a call so far.
    #[must_use]
    pub fn recorded(&self, call: u64) -> u64 {
        self.recording(call).metadata().map(|m| m.len()).unwrap_or_default()
    }

    /// Waits until it has recorded so many more seconds of a call.
    pub fn listen(&self, call: u64, seconds: u64) {
        self.recorded_all(call, self.recorded(call) + seconds * self.pace);
    }

    /// Waits until it has recorded so many seconds of a call, from its beginning.
    pub fn listen_to(&self, call: u64, seconds: u64) {
        self.recorded_all(call, seconds * self.pace);
    }

    fn recorded_all(&self, call: u64, enough: u64) {
        let look = || (self.recorded(call) >= enough).then_some(());
        until_or(&format!("sound of call {call} at pjsua {}", self.user), look, || self.log());
    }

    /// Everything it heard in a call, once that has ended.
    #[must_use]
    pub fn heard(&self, call: u64) -> Vec<i16> {
        until("the whole recording", || {
            let file = hound::WavReader::open(self.recording(call)).ok()?;
            (file.len() > 0).then_some(())
        });
        audio::read(&self.recording(call))
    }

    /// What it heard in a call after it had recorded so many bytes.
    #[must_use]
    pub fn heard_after(&self, call: u64, recorded: u64) -> Vec<i16> {
        self.heard(call).into_iter().skip(usize::try_from(recorded * 8_000 / self.pace).unwrap_or_default()).collect()
    }

    /// The last of its own log, for a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}\n{}", self.child.err(), log(self.dir.path()))
    }
}

fn gather(child: &Child, said: &mut Vec<Value>, read: &mut usize) {
    let more = child.out_after(*read);
    *read += more.len();
    said.extend(more.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))));
}

fn log(dir: &Path) -> String {
    let text = std::fs::read(dir.join("log")).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(250)).map(|l| format!("{l}\n")).collect()
}

/// The scores (PESQ, MOS-LQO) of each repetition of a sound that a recording holds.
///
/// # Panics
/// When they cannot be had.
#[must_use]
pub fn score(played: &[i16], recording: &Path) -> Vec<f64> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("played.wav");
    audio::write(&file, played);
    let output = python("score.py").arg(file).arg(recording).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a list")
}
