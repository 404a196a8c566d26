//! A baresip that is told what to do over its control port.

use crate::{Child, PATIENCE, Switch, audio, free_port, until, until_or};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// How a phone reaches the switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sip {
    /// The switch.
    pub server: SocketAddr,
    /// TCP instead of UDP.
    pub tcp: bool,
}

impl Sip {
    /// A URI of the switch.
    #[must_use]
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}{}", self.server, if self.tcp { ";transport=tcp" } else { "" })
    }
}

/// A phone that registers, calls, is called, plays a file and records what it hears.
#[derive(Debug)]
pub struct Phone {
    user: String,
    sip: Sip,
    dir: tempfile::TempDir,
    control: TcpStream,
    messages: Arc<Mutex<Vec<Value>>>,
    seen: usize,
    commands: u32,
    /// Bytes of a second of its recordings.
    pace: u64,
    child: Child,
}

impl Phone {
    /// Starts one that registers as this user and will play this sound over and over.
    ///
    /// # Panics
    /// When baresip (Debian: baresip-core) is not there.
    #[must_use]
    pub fn start(sip: Sip, user: &str, password: &str, plays: &[i16]) -> Phone {
        Phone::start_with(sip, (user, password), plays, "")
    }

    /// Starts one that knows no format but Opus (RFC 7587).
    ///
    /// # Panics
    /// When baresip (Debian: baresip-core) is not there.
    #[must_use]
    pub fn with_opus_only(switch: &Switch, sip: Sip, user: &str, plays: &[i16]) -> Phone {
        let mut phone = Phone::start_with(sip, (user, &switch.password(user)), plays, "only opus.so\n");
        // It records what the codec gives: two channels at 48 kHz.
        phone.pace = 192_000;
        until(&format!("the registration of {user}"), || {
            let all = switch.rest().all("/registrations");
            all.iter().any(|r| r["username"] == user).then_some(())
        });
        phone
    }

    /// The same with more lines in its configuration; `only MODULE` stands for another module in the place of G.711.
    ///
    /// # Panics
    /// When baresip (Debian: baresip-core) is not there.
    #[must_use]
    pub fn start_with(sip: Sip, (user, password): (&str, &str), plays: &[i16], more: &str) -> Phone {
        let account = format!("<{}>;auth_pass={password}", sip.uri(user));
        Phone::with_account(sip, (user, &account), plays, more)
    }

    /// The same for an account of this domain, which the switch serves but has no address of.
    ///
    /// # Panics
    /// When baresip (Debian: baresip-core) is not there.
    #[must_use]
    pub fn of_domain(sip: Sip, domain: &str, (user, password): (&str, &str), plays: &[i16]) -> Phone {
        let by = if sip.tcp { ";transport=tcp" } else { "" };
        let outbound = format!("outbound=\"sip:{}{by}\"", sip.server);
        let account = format!("<sip:{user}@{domain}{by}>;auth_pass={password};{outbound}");
        Phone::with_account(sip, (user, &account), plays, "")
    }

    fn with_account(sip: Sip, (user, account): (&str, &str), plays: &[i16], more: &str) -> Phone {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port(IpAddr::from([127, 0, 0, 1]));
        // It stops at the end of its file, so the file is longer than any test.
        let file = dir.path().join("plays.wav");
        let repeated: Vec<i16> = plays.iter().copied().cycle().take(90 * audio::RATE).collect();
        audio::write(&file, &repeated);
        let config = match more.strip_prefix("only ") {
            Some(codec) => config(&sip, &file, dir.path(), port).replace("g711.so", codec.trim()),
            None => config(&sip, &file, dir.path(), port) + more,
        };
        std::fs::write(dir.path().join("config"), config).expect("its configuration");
        // Its account comes when somebody listens: nothing that it is told may be missed.
        let account = format!("{account};answermode=manual;regint=600");
        std::fs::write(dir.path().join("accounts"), "").expect("no account yet");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(dir.path());
        if sip.server.is_ipv6() {
            command.arg("-6");
        }
        let mut child = Child::start(&mut command);
        let control = until("baresip's control port", || {
            assert_eq!(child.ended(), None, "baresip ended:\n{}\n{}", child.out(), child.err());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let messages = listen(control.try_clone().expect("one more handle"));
        let mut phone =
            Phone { user: user.to_owned(), sip, dir, control, messages, seen: 0, commands: 0, pace: 16_000, child };
        // A millisecond after it was loaded, mwi.so goes through its subscriptions, adds one for each, and so never ends
        // if it has one: on a busy machine that would come after the account. Timers are looked at after commands.
        phone.command("reginfo", "");
        std::thread::sleep(std::time::Duration::from_millis(5));
        phone.command("reginfo", "");
        phone.command("uanew", &account);
        phone
    }

    /// Starts a demo account's phone and waits until the switch knows where it is.
    #[must_use]
    pub fn registered(switch: &Switch, sip: Sip, user: &str, plays: &[i16]) -> Phone {
        let phone = Phone::start(sip, user, &switch.password(user), plays);
        let transport = if sip.tcp { "tcp/" } else { "udp/" };
        until(&format!("the registration of {user}"), || {
            let all = switch.rest().all("/registrations");
            let here =
                |r: &Value| r["username"] == user && r["source"].as_str().is_some_and(|s| s.starts_with(transport));
            all.iter().any(here).then_some(())
        });
        phone
    }

    /// A demo account's phone with a lamp for waiting messages (RFC 3842): `MWI_NOTIFY`.
    #[must_use]
    pub fn with_lamp(switch: &Switch, sip: Sip, user: &str, plays: &[i16]) -> Phone {
        Phone::start_with(sip, (user, &switch.password(user)), plays, "module_app mwi.so\n")
    }

    /// Presses keys, one after the other.
    pub fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.command("sndcode", &key.to_string());
            // It sends one event at a time; the next would take this one's place.
            std::thread::sleep(std::time::Duration::from_millis(350));
        }
    }

    /// All that it said and was told.
    ///
    /// # Panics
    /// Never where the phone lives.
    pub fn tell(&mut self) -> String {
        format!("{}: {}", self.user, story(&mut self.child, &self.messages))
    }

    /// Gives a command and its answer.
    ///
    /// # Panics
    /// When baresip refuses it.
    pub fn command(&mut self, name: &str, params: &str) -> String {
        self.commands += 1;
        let token = self.commands.to_string();
        let text = json!({ "command": name, "params": params, "token": token }).to_string();
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).expect("baresip listens");
        let messages = Arc::clone(&self.messages);
        let look = || {
            let messages = messages.lock().ok()?;
            messages.iter().find(|m| m["response"] == true && m["token"] == token.as_str()).cloned()
        };
        let (child, heard) = (&mut self.child, Arc::clone(&self.messages));
        let answer = until_or(&format!("baresip's answer to {name}"), look, || story(child, &heard));
        assert_eq!(answer["ok"], true, "{name} {params}: {answer}");
        answer["data"].as_str().unwrap_or_default().to_owned()
    }

    /// Calls a number.
    pub fn dial(&mut self, number: &str) {
        let uri = self.sip.uri(number);
        self.dial_uri(&uri);
    }

    /// Calls a URI.
    pub fn dial_uri(&mut self, uri: &str) {
        self.command("dial", uri);
    }

    /// Waits for the next event of a kind, as `CALL_ESTABLISHED`; those before it are not looked at again.
    ///
    /// # Panics
    /// When it does not come.
    pub fn event(&mut self, kind: &str) -> Value {
        let (messages, from) = (Arc::clone(&self.messages), self.seen);
        let what = format!("{kind} at {}", self.user);
        let look = || {
            let messages = messages.lock().ok()?;
            let mut later = messages.iter().enumerate().skip(from);
            later.find(|(_, m)| m["event"] == true && m["type"] == kind).map(|(i, m)| (i, m.clone()))
        };
        let (child, heard) = (&mut self.child, Arc::clone(&self.messages));
        let (at, event) = until_or(&what, look, || story(child, &heard));
        self.seen = at + 1;
        event
    }

    /// Bytes recorded so far.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.dumps().iter().filter_map(|p| p.metadata().ok()).map(|m| m.len()).sum()
    }

    /// Waits until it has recorded so many more seconds.
    pub fn listen(&self, seconds: u64) {
        let enough = self.recorded() + seconds * self.pace;
        until(&format!("sound at {}", self.user), || (self.recorded() >= enough).then_some(()));
    }

    /// Everything it heard, once its calls have ended.
    #[must_use]
    pub fn heard(&self) -> Vec<i16> {
        self.dumps().iter().flat_map(|p| audio::read(p)).collect()
    }

    /// What it heard after it had recorded so many bytes.
    #[must_use]
    pub fn heard_after(&self, recorded: u64) -> Vec<i16> {
        self.heard().into_iter().skip(usize::try_from(recorded * 8_000 / self.pace).unwrap_or_default()).collect()
    }

    fn dumps(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> =
            entries.map(|e| e.path()).filter(|p| p.to_string_lossy().ends_with("-dec.wav")).collect();
        found.sort();
        found
    }

    /// What baresip printed, for a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.out() + &self.child.err()
    }
}

/// What a phone said and was told, for a failed test.
fn story(child: &mut Child, messages: &Mutex<Vec<Value>>) -> String {
    let told = messages.lock().map(|m| m.iter().map(Value::to_string).collect::<Vec<_>>()).unwrap_or_default();
    format!("it ended: {:?}\n{}{}\ntold:\n{}", child.ended(), child.out(), child.err(), told.join("\n"))
}

fn config(sip: &Sip, plays: &std::path::Path, dir: &std::path::Path, port: u16) -> String {
    format!(
        "poll_method epoll\nrtp_ports 10000-20000\ncall_local_timeout 60\ncall_max_calls 4\nnet_interface {}\n\
         audio_source aufile,{}\naudio_player aubridge,player\naudio_alert aubridge,alert\n\
         ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\n\
         audio_buffer 20-160\njitter_buffer_delay 1-10\n\
         module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule sndfile.so\nmodule aufile.so\nmodule aubridge.so\n\
         module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{port}\n\
         ringback_disabled yes\nsnd_path {}\n",
        sip.server.ip(),
        plays.display(),
        dir.display()
    )
}

/// Reads netstrings of JSON.
fn listen(mut stream: TcpStream) -> Arc<Mutex<Vec<Value>>> {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&messages);
    let _ = stream.set_read_timeout(Some(PATIENCE * 10));
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            bytes.extend_from_slice(buffer.get(..n).unwrap_or_default());
            while let Some((message, used)) = netstring(&bytes) {
                if let (Ok(value), Ok(mut to)) = (serde_json::from_slice(message), to.lock()) {
                    to.push(value);
                }
                bytes.drain(..used);
            }
        }
    });
    messages
}

fn netstring(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let colon = bytes.iter().position(|b| *b == b':')?;
    let length: usize = std::str::from_utf8(bytes.get(..colon)?).ok()?.trim().parse().ok()?;
    let end = colon + 1 + length;
    // The comma belongs to it.
    (bytes.len() > end).then(|| bytes.get(colon + 1..end).map(|m| (m, end + 1))).flatten()
}
