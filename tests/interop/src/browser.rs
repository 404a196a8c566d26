//! Phones in a headless Chromium: JsSIP over WebSocket, told what to do by a page that asks this process.
//!
//! The page and JsSIP are served from here on 127.0.0.1; the page takes commands by GET and says what happens by POST.
//! Its microphone is Chromium's fake one, and certificates are checked against the pin that the browser was given.

use crate::{Child, Office, PATIENCE, office};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long the page waits for a command before it asks again.
const POLL: Duration = Duration::from_secs(5);

/// Where `cargo xtask install` puts JsSIP.
#[must_use]
pub fn jssip() -> PathBuf {
    modules().join("jssip")
}

fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/npm/node_modules")
}

/// What goes between the page and the test.
#[derive(Debug, Default)]
struct Talk {
    commands: Mutex<VecDeque<Value>>,
    given: Condvar,
    said: Mutex<Vec<Value>>,
}

/// A browser with one page of phones.
#[derive(Debug)]
pub struct Browser {
    talk: Arc<Talk>,
    last: u64,
    /// How far each phone's events were looked at.
    looked: BTreeMap<String, usize>,
    child: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one that trusts this switch.
    ///
    /// # Panics
    /// When chromium or JsSIP is not there.
    #[must_use]
    pub fn open(office: &Office) -> Browser {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let page = format!("http://{}/phone.html", listener.local_addr().expect("bound"));
        let talk = Arc::new(Talk::default());
        let with = Arc::clone(&talk);
        std::thread::spawn(move || {
            // Ends with the process: nobody else connects.
            for stream in listener.incoming().map_while(Result::ok) {
                let talk = Arc::clone(&with);
                std::thread::spawn(move || serve(stream, &talk));
            }
        });
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--disable-extensions", "--disable-background-timer-throttling"]);
        command.args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]);
        command.arg("--autoplay-policy=no-user-gesture-required");
        command.args(["--enable-logging=stderr", "--disable-renderer-backgrounding"]);
        command.arg(format!("--ignore-certificate-errors-spki-list={}", office.certificate().pin()));
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg(page);
        let child = Child::start(&mut command);
        let mut browser = Browser { talk, last: 0, looked: BTreeMap::new(), child, _profile: profile };
        let _ = browser.event("", "ready");
        browser
    }

    /// Gives a command and its value.
    ///
    /// # Panics
    /// When the page fails at it.
    pub fn command(&mut self, verb: &str, phone: &str, more: &Value) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "verb": verb, "phone": phone });
        for (name, value) in more.as_object().into_iter().flatten() {
            command[name] = value.clone();
        }
        self.talk.commands.lock().expect("whole").push_back(command);
        self.talk.given.notify_all();
        let answer = self.said(&format!("{verb} of {phone}"), 0, |said| said["id"] == self.last).1;
        assert!(answer["error"].is_null(), "{verb} {phone} {more}: {answer}");
        answer["value"].clone()
    }

    /// Waits for the next event of this kind at this phone; those before it are not looked at again.
    pub fn event(&mut self, phone: &str, kind: &str) -> Value {
        self.event_that(phone, kind, |_| true)
    }

    /// The same, for an event that is so.
    pub fn event_that(&mut self, phone: &str, kind: &str, so: impl Fn(&Value) -> bool) -> Value {
        let is = |said: &Value| said["kind"] == kind && said["phone"].as_str().unwrap_or_default() == phone && so(said);
        let from = self.looked.get(phone).copied().unwrap_or_default();
        let (at, event) = self.said(&format!("{kind} at {phone}"), from, is);
        self.looked.insert(phone.to_owned(), at + 1);
        event
    }

    fn said(&self, what: &str, from: usize, is: impl Fn(&Value) -> bool) -> (usize, Value) {
        crate::until_or(
            what,
            || {
                let said = self.talk.said.lock().expect("whole");
                let found = said.iter().enumerate().skip(from).find(|(_, s)| is(s));
                found.map(|(at, s)| (at, s.clone()))
            },
            || self.log(),
        )
    }

    /// Starts a phone of this account and waits until it is registered over WSS.
    pub fn register(&mut self, office: &Office, user: &str, options: &Value) {
        let url = format!("wss://localhost:{}", office.at("wss").port());
        let uri = format!("sip:{user}@{}", office::DOMAIN);
        let mut all = json!({ "register_expires": 600, "session_timers": false });
        for (name, value) in options.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        self.command("start", user, &json!({ "url": url, "uri": uri, "password": office::PASSWORD, "options": all }));
        let _ = self.event(user, "registered");
        office.registered(user, "wss", 1);
    }

    /// `from` calls `to`, which answers; gives the numbers that the two phones have for it.
    pub fn talk(&mut self, from: &str, to: &str, options: &Value) -> (Value, Value) {
        let target = format!("sip:{to}@{}", office::DOMAIN);
        let call = self.command("call", from, &json!({ "target": target, "options": options }));
        let rings = self.event(to, "incoming")["call"].clone();
        let _ = self.command("answer", to, &json!({ "call": rings }));
        let _ = self.event_that(to, "confirmed", |e| e["call"] == rings);
        let _ = self.event_that(from, "confirmed", |e| e["call"] == call);
        (call, rings)
    }

    /// What the page said and the last of the browser's log, for a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        let said: String = self.talk.said.lock().expect("whole").iter().map(|s| format!("{s}\n")).collect();
        let err = self.child.err();
        let tail: Vec<&str> = err.lines().rev().take(400).collect();
        said + &tail.into_iter().rev().map(|l| format!("{l}\n")).collect::<String>()
    }
}

/// One request of the page.
fn serve(stream: TcpStream, talk: &Talk) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let Ok(writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let post = line.starts_with("POST ");
    let mut length = 0;
    loop {
        let mut field = String::new();
        if !reader.read_line(&mut field).is_ok_and(|n| n > 2) {
            break;
        }
        let value = field.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        length = value.and_then(|(_, v)| v.trim().parse().ok()).unwrap_or(length);
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    if post {
        if let Ok(said) = serde_json::from_slice(&body) {
            talk.said.lock().expect("whole").push(said);
        }
        return answer(writer, 204, "text/plain", b"");
    }
    match path.as_str() {
        "/next" => match next(talk) {
            Some(command) => answer(writer, 200, "application/json", command.to_string().as_bytes()),
            None => answer(writer, 204, "text/plain", b""),
        },
        path => match file(path) {
            Some((kind, bytes)) => answer(writer, 200, kind, &bytes),
            None => answer(writer, 404, "text/plain", b""),
        },
    }
}

/// The next command, as soon as there is one.
fn next(talk: &Talk) -> Option<Value> {
    let commands = talk.commands.lock().expect("whole");
    let (mut commands, _) = talk.given.wait_timeout_while(commands, POLL, |c| c.is_empty()).expect("whole");
    commands.pop_front()
}

/// The page, its script, and what is below node_modules.
fn file(path: &str) -> Option<(&'static str, Vec<u8>)> {
    let page: &[u8] = include_bytes!("../browser/phone.html");
    let script: &[u8] = include_bytes!("../browser/phone.js");
    match path {
        "/phone.html" => Some(("text/html", page.to_vec())),
        "/phone.js" => Some(("text/javascript", script.to_vec())),
        path => {
            let below = path.strip_prefix("/npm/").filter(|p| !p.contains(".."))?;
            std::fs::read(modules().join(below)).ok().map(|bytes| ("text/plain", bytes))
        }
    }
}

fn answer(mut stream: TcpStream, status: u16, kind: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
