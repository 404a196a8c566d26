//! A mail host for tests: as little SMTP as a host must speak (RFC 5321, 3207, 4954), and answers as a test wants them.
//! One thread for each connection; nothing of the crate under test. Other tests take this file in by its path.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test takes a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "test code")]

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A test that waits longer fails.
const PATIENCE: Duration = Duration::from_secs(90);

/// How the connection is kept secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrecy {
    None,
    Starttls,
    Tls,
}

/// What a connection meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The mail is taken.
    Take,
    /// The recipient is refused with this code.
    Recipient(u16),
    /// The mail is refused with this code, once all of it was said.
    Mail(u16),
    /// The password is wrong.
    Stranger,
    /// All of the mail is read, and nothing is said any more.
    Cut,
    /// Nothing is ever said.
    Silent,
}

/// A mail that was taken, or would have been.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    pub hello: String,
    pub from: String,
    pub to: Vec<String>,
    /// What stood behind `AUTH PLAIN`.
    pub user: Option<String>,
    pub secret: bool,
    /// The mail with its headers, lines ended by CR LF, without the dots that SMTP adds.
    pub text: String,
}

impl Taken {
    /// The value of a header field, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next()?.replace("\r\n ", " ");
        let prefix = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    }
}

#[derive(Debug, Default)]
struct Seen {
    answers: VecDeque<Answer>,
    /// Every mail that was said whole, with what was answered.
    said: Vec<(Answer, Taken)>,
    connections: usize,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// A mail host at a port of 127.0.0.1, with a certificate for `localhost`.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Its certificate: who trusts this trusts the peer.
    pub pem: String,
    shared: Arc<Shared>,
}

impl Peer {
    /// Listens.
    pub fn start(secrecy: Secrecy) -> Peer {
        Peer::named(secrecy, "localhost")
    }

    /// The same with a certificate for another name.
    pub fn named(secrecy: Secrecy, name: &str) -> Peer {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let tls = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, tls) = (Arc::clone(&theirs), Arc::clone(&tls));
                std::thread::spawn(move || Line::open(stream, (secrecy, tls), &shared).serve(&shared));
            }
        });
        Peer { address, pem, shared }
    }

    /// What connections from now on meet, one each; those after them are served.
    pub fn then(&self, answers: &[Answer]) {
        let mut seen = self.shared.seen.lock().unwrap();
        seen.answers = answers.iter().copied().collect();
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.seen.lock().unwrap().connections
    }

    /// Waits for so many connections.
    pub fn wait_connections(&self, n: usize) {
        self.wait("connections", |seen| (seen.connections >= n).then_some(()));
    }

    /// Waits for the nth mail that was taken, from 0.
    pub fn taken(&self, n: usize) -> Taken {
        self.wait("a mail", |seen| {
            seen.said.iter().filter(|(answer, _)| *answer == Answer::Take).nth(n).map(|(_, mail)| mail.clone())
        })
    }

    /// The mails that were said whole so far, with what was answered.
    pub fn said(&self) -> Vec<(Answer, Taken)> {
        self.shared.seen.lock().unwrap().said.clone()
    }

    fn wait<T>(&self, what: &str, found: impl Fn(&Seen) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut seen = self.shared.seen.lock().unwrap();
        loop {
            if let Some(found) = found(&seen) {
                return found;
            }
            let left = PATIENCE.checked_sub(begun.elapsed()).unwrap_or_else(|| panic!("waited in vain for {what}"));
            seen = self.shared.changed.wait_timeout(seen, left).unwrap().0;
        }
    }
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
    /// Between the two.
    Nothing,
}

impl Read for Wire {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(to),
            Wire::Tls(stream) => stream.read(to),
            Wire::Nothing => Ok(0),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(bytes),
            Wire::Tls(stream) => stream.write(bytes),
            Wire::Nothing => Ok(0),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Wire::Plain(stream) => stream.flush(),
            Wire::Tls(stream) => stream.flush(),
            Wire::Nothing => Ok(()),
        }
    }
}

struct Line {
    wire: BufReader<Wire>,
    secrecy: Secrecy,
    tls: Arc<ServerConfig>,
    secret: bool,
    answer: Answer,
    mail: Taken,
}

impl Line {
    fn open(stream: TcpStream, (secrecy, tls): (Secrecy, Arc<ServerConfig>), shared: &Shared) -> Line {
        let mut seen = shared.seen.lock().unwrap();
        seen.connections += 1;
        let answer = seen.answers.pop_front().unwrap_or(Answer::Take);
        shared.changed.notify_all();
        let wire = BufReader::new(Wire::Plain(stream));
        let mut line = Line { wire, secrecy, tls, secret: false, answer, mail: Taken::default() };
        if secrecy == Secrecy::Tls {
            line.wrap();
        }
        line
    }

    fn wrap(&mut self) {
        let Wire::Plain(stream) = std::mem::replace(self.wire.get_mut(), Wire::Nothing) else { return };
        let server = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        *self.wire.get_mut() = Wire::Tls(Box::new(StreamOwned::new(server, stream)));
        self.secret = true;
    }

    fn say(&mut self, text: &str) {
        // Who has gone hears nothing.
        let _gone = self.wire.get_mut().write_all(format!("{text}\r\n").as_bytes());
        let _gone = self.wire.get_mut().flush();
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.wire.read_line(&mut line) {
            Ok(n) if n > 0 => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
            _ => None,
        }
    }

    fn serve(mut self, shared: &Shared) {
        if self.answer == Answer::Silent {
            let _until_they_go = self.line();
            return;
        }
        self.say("220 peer.test ESMTP");
        while let Some(line) = self.line() {
            let upper = line.to_ascii_uppercase();
            match upper.split(' ').next().unwrap_or_default() {
                "EHLO" => self.hello(&line),
                "STARTTLS" if self.secrecy == Secrecy::Starttls && !self.secret => {
                    self.say("220 go");
                    self.wrap();
                }
                "AUTH" if self.answer == Answer::Stranger => self.say("535 5.7.8 who are you"),
                "AUTH" => {
                    self.mail.user = line.split(' ').nth(2).map(str::to_owned);
                    self.say("235 welcome");
                }
                "MAIL" => {
                    self.mail.from = between(&line);
                    self.say("250 ok");
                }
                "RCPT" => match self.answer {
                    Answer::Recipient(code) => self.say(&format!("{code} not here")),
                    Answer::Take | Answer::Mail(_) | Answer::Stranger | Answer::Cut | Answer::Silent => {
                        self.mail.to.push(between(&line));
                        self.say("250 ok");
                    }
                },
                "DATA" => {
                    self.say("354 go on");
                    if !self.data(shared) {
                        return;
                    }
                }
                "QUIT" => {
                    self.say("221 bye");
                    return;
                }
                _ => self.say("500 what"),
            }
        }
    }

    fn hello(&mut self, line: &str) {
        self.mail.hello = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let more = if self.secrecy == Secrecy::Starttls && !self.secret { "250-STARTTLS\r\n" } else { "" };
        self.say(&format!("250-peer.test\r\n{more}250-AUTH PLAIN\r\n250 8BITMIME"));
    }

    /// Reads the mail; whether there is more to say.
    fn data(&mut self, shared: &Shared) -> bool {
        let mut text = String::new();
        loop {
            let Some(line) = self.line() else { return false };
            if line == "." {
                break;
            }
            text += line.strip_prefix('.').unwrap_or(&line);
            text += "\r\n";
        }
        (self.mail.text, self.mail.secret) = (text, self.secret);
        let mail = std::mem::take(&mut self.mail);
        let mut seen = shared.seen.lock().unwrap();
        seen.said.push((self.answer, mail));
        shared.changed.notify_all();
        drop(seen);
        match self.answer {
            Answer::Cut => return false,
            Answer::Mail(code) => self.say(&format!("{code} no")),
            Answer::Take | Answer::Recipient(_) | Answer::Stranger | Answer::Silent => self.say("250 taken"),
        }
        true
    }
}

fn between(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(String::new(), |(inner, _)| inner.to_owned())
}
