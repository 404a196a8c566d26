//! A linphone that is told what to do over its daemon's socket. It has no sound card: its calls are signalling.

use crate::{Child, Office, PATIENCE, office, until};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

/// A phone that registers over TCP or TLS and checks the switch's certificate.
#[derive(Debug)]
pub struct Linphone {
    user: String,
    socket: UnixStream,
    /// Every call's number and what became of it, in order: `3 StreamsRunning`.
    seen: Vec<String>,
    looked: usize,
    child: Child,
    dir: tempfile::TempDir,
}

impl Linphone {
    /// Starts one for this account over `tls` or `tcp`, and waits until the switch knows where it is; `others` are
    /// phones of the same account that are there already.
    ///
    /// # Panics
    /// When linphone-daemon (Debian: linphone-cli) is not there or does not register.
    #[must_use]
    pub fn registered(office: &Office, transport: &str, user: &str, others: usize) -> Linphone {
        // The daemon makes its socket below /tmp whatever it is told.
        let dir = tempfile::tempdir_in("/tmp").expect("a folder");
        std::fs::create_dir_all(dir.path().join(".local/share/linphone")).expect("its folder");
        let config = dir.path().join("linphonerc");
        std::fs::write(&config, configuration(office, transport, user)).expect("its configuration");
        let socket = dir.path().join("socket");
        let mut command = Command::new("linphone-daemon");
        command.env("HOME", dir.path()).arg("--disable-stats-events").arg("--config").arg(&config);
        command.arg("--log").arg(dir.path().join("log"));
        command.arg("--pipe").arg(socket.strip_prefix("/tmp").expect("below /tmp"));
        let mut child = Child::start(&mut command);
        let socket = until("linphone's socket", || {
            assert_eq!(child.ended(), None, "linphone ended:\n{}\n{}", child.out(), child.err());
            UnixStream::connect(&socket).ok()
        });
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        office.registered(user, transport, others + 1);
        Linphone { user: user.to_owned(), socket, seen: Vec::new(), looked: 0, child, dir }
    }

    /// Gives a command and its answer, without the `Status: Ok`.
    ///
    /// # Panics
    /// When it is refused or not answered.
    pub fn command(&mut self, line: &str) -> String {
        self.socket.write_all(format!("{line}\n").as_bytes()).expect("linphone listens");
        let mut buffer = [0; 65_536];
        // Each answer is one write.
        let count = self.socket.read(&mut buffer).unwrap_or_else(|e| panic!("{} to {line}: {e}", self.user));
        let answer = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
        let words = answer.strip_prefix("Status: Ok").unwrap_or_else(|| panic!("{}: {line}: {answer}", self.user));
        words.trim().to_owned()
    }

    /// Calls an account; gives the call's number.
    ///
    /// # Panics
    /// When it does not.
    pub fn call(&mut self, user: &str) -> u32 {
        let answer = self.command(&format!("call sip:{user}@{}", office::DOMAIN));
        field(&answer, "Id").and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no number: {answer}"))
    }

    /// Waits until it rings; gives the call's number.
    pub fn rings(&mut self) -> u32 {
        self.next("a call", |_, state| state == "IncomingReceived")
    }

    /// Waits until a call has come to a state, as `StreamsRunning`, `Paused`, `PausedByRemote`, `Released`.
    pub fn state(&mut self, call: u32, wanted: &str) {
        let _ = self.next(&format!("{wanted} of call {call}"), |of, state| of == call && state == wanted);
    }

    /// Rings and answers.
    pub fn answers(&mut self) -> u32 {
        let call = self.rings();
        let _ = self.command(&format!("answer {call}"));
        self.state(call, "StreamsRunning");
        call
    }

    fn next(&mut self, what: &str, wanted: impl Fn(u32, &str) -> bool) -> u32 {
        let what = format!("{what} at linphone {}", self.user);
        let begun = std::time::Instant::now();
        loop {
            while let Some(seen) = self.seen.get(self.looked) {
                self.looked += 1;
                let (call, state) = seen.split_once(' ').unwrap_or_default();
                let call = call.parse().unwrap_or_default();
                if wanted(call, state) {
                    return call;
                }
            }
            assert!(begun.elapsed() < PATIENCE, "it never came: {what}; seen: {:?}\n{}", self.seen, self.log());
            self.gather();
        }
    }

    /// Takes its events.
    fn gather(&mut self) {
        let event = self.command("pop-event");
        match (field(&event, "Event"), field(&event, "Id")) {
            (Some(state), Some(id)) if event.contains("Event-type: call-state-changed") => {
                self.seen.push(format!("{id} {}", state.trim_start_matches("LinphoneCall")));
            }
            (Some(_) | None, _) if event.contains("Event-type") => {}
            (Some(_) | None, _) => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }

    /// The last of its own log, for a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|l| !l.contains("mediastreamer")).collect();
        lines.iter().skip(lines.len().saturating_sub(60)).map(|l| format!("{l}\n")).collect::<String>()
            + &self.child.err()
    }
}

/// What follows `name: `, of the last such line.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().rev().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
}

fn configuration(office: &Office, transport: &str, user: &str) -> String {
    let at = office.at(transport);
    // A certificate is for a name.
    let host = if transport == "tls" { "localhost".to_owned() } else { at.ip().to_string() };
    let switch = format!("sip:{host}:{};transport={transport}", at.port());
    let authorities: &Path = &office.certificate().cert();
    format!(
        "[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port=-1\nbind_address=127.0.0.1\nuse_ipv6=0\n\
         ipv6_migration_done=1\nverify_server_certs=1\nverify_server_cn=1\nroot_ca={}\ndefault_proxy=0\n\
         [net]\ndns_srv_enabled=0\n[rtp]\naudio_rtp_port=-1\n[misc]\nlog_collection_enabled=0\n\
         [auth_info_0]\nusername={user}\npasswd={password}\n\
         [proxy_0]\nreg_proxy=<{switch}>\nreg_route=<{switch};lr>\nreg_identity=sip:{user}@{domain}\n\
         reg_expires=600\nreg_sendregister=1\npublish=0\n",
        authorities.display(),
        password = office::PASSWORD,
        domain = office::DOMAIN,
    )
}
