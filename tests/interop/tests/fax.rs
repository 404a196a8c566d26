//! Faxes between a machine of our own and the real switch, both ways: the switch answers or calls, starts its helper, and
//! keeps or sends the pages; and what becomes of a fax whose helper dies, whose call ends, and that nobody takes.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "test code")]

#[path = "../../../host/fax/tests/paper/mod.rs"]
mod paper;

use facsimile::helper::Machine;
use facsimile::wire::{Done, FRAME, FromHelper, Job, News, ToHelper};
use interop::{Message, Run, Switch, Ua, sdp, until};
use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// 20 ms.
const TURN: Duration = Duration::from_millis(20);
/// No fax of this test takes longer.
const TURNS_MAX: u32 = 6_000;
/// The company's number.
const DDI: &str = "+4930123456";
/// So often a fax is tried.
const TRIES_MAX: u32 = 3;

/// A fax machine with a telephone line.
struct Line {
    ua: Ua,
    media: UdpSocket,
    machine: Machine,
    takes_t38: bool,
    t38: bool,
    to: SocketAddr,
    sequence: u16,
    heard: Vec<i16>,
    done: Option<Done>,
    hung_up: bool,
    /// The INVITE that it has answered, where it was called.
    called: Option<Message>,
}

impl Line {
    fn take(&mut self, told: ToHelper) {
        for said in self.machine.take(told).expect("the machine goes on") {
            match said {
                FromHelper::Sound(sound) => {
                    self.sequence = self.sequence.wrapping_add(1);
                    let header = rtp::Header {
                        payload_type: 0,
                        marker: false,
                        sequence: self.sequence,
                        timestamp: u32::from(self.sequence) * 160,
                        ssrc: 7,
                        payload: 0..0,
                    };
                    let mut packet = rtp::write_header(&header).to_vec();
                    packet.extend(sound.iter().map(|sample| rtp::g711::ulaw_encode(*sample)));
                    self.media.send_to(&packet, self.to).expect("sent");
                }
                FromHelper::Datagram(datagram) => {
                    self.media.send_to(&datagram, self.to).expect("sent");
                }
                FromHelper::News(News::Done(done)) => self.done = Some(done),
                FromHelper::News(News::OfferT38) if self.takes_t38 && self.called.is_some() => self.offer(),
                FromHelper::News(_) | FromHelper::Tick => {}
            }
        }
    }

    /// T.38 at its address.
    fn fax_line(&self) -> String {
        let at = self.media.local_addr().expect("bound");
        format!(
            "v=0\r\no=- 1 2 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=image {} udptl t38\r\n\
             a=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n",
            at.port(),
            ip = at.ip()
        )
    }

    /// A request of its own within the dialog in which it was called.
    fn within(&self, method: &str, cseq: u32, body: &str) {
        let Some(called) = &self.called else { return };
        let (own, uri) = (self.ua.address(), called.header("Contact").trim_start_matches('<').to_owned());
        let uri = uri.split('>').next().expect("a contact").to_owned();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let branch = if method == "ACK" { "k" } else { "" };
        self.ua.send(&format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKfax{cseq}{branch}\r\nMax-Forwards: 70\r\n\
             From: {};tag=ua\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:ua@{own}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            called.header("To"),
            called.header("From"),
            called.header("Call-ID"),
            body.len()
        ));
    }

    /// It offers T.38, as a machine that was called does.
    fn offer(&self) {
        self.within("INVITE", 1, &self.fax_line());
    }

    fn goes_over(&mut self) {
        if !self.t38 {
            self.t38 = true;
            self.take(ToHelper::Medium { t38: true });
        }
    }

    /// What comes by the telephone network.
    fn signalled(&mut self, message: &Message) {
        match (message.method(), message.status()) {
            ("INVITE", 200) if self.called.is_some() => {
                self.within("ACK", 1, "");
                self.goes_over();
            }
            ("INVITE", 0) if self.takes_t38 => {
                assert!(message.body().contains("udptl t38"), "{}", message.text);
                self.ua.respond_with(message, 200, &self.fax_line());
                self.goes_over();
            }
            ("INVITE", 0) => self.ua.respond_with(message, 488, ""),
            ("BYE", 0) => {
                self.ua.respond_with(message, 200, "");
                self.hung_up = true;
            }
            _ => {}
        }
    }

    /// What has come of media until then.
    fn listen(&mut self, until: Instant) {
        let mut buffer = [0; 2_048];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.media.set_read_timeout(Some(left)).expect("a timeout");
            let Ok(len) = self.media.recv(&mut buffer) else { continue };
            let datagram = buffer.get(..len).unwrap_or_default();
            if self.t38 {
                self.take(ToHelper::Datagram(datagram.to_vec()));
            } else {
                self.heard.extend(datagram.iter().skip(12).map(|code| rtp::g711::ulaw_decode(*code)));
            }
        }
    }

    /// Until the switch has hung up.
    fn run(&mut self) {
        assert!(!self.turns(TURNS_MAX), "the fax does not end");
    }

    /// So many turns; false where the switch has hung up before.
    fn turns(&mut self, count: u32) -> bool {
        let begun = Instant::now();
        for turn in 1..count {
            self.listen(begun + TURN * turn);
            if let Some(message) = self.ua.poll(Duration::from_millis(1)) {
                self.signalled(&message);
            }
            if self.hung_up {
                return false;
            }
            if self.t38 {
                self.take(ToHelper::Tick);
            } else {
                // A gap, as a line makes it, moves what comes after it; what is there goes on without one.
                let count = self.heard.len().min(FRAME);
                let mut frame: Vec<i16> = self.heard.drain(..count).collect();
                frame.resize(FRAME, 0);
                self.take(ToHelper::Sound(frame));
            }
        }
        true
    }
}

/// A switch whose company has a number that leads to its fax machine, and our machine at 650.
struct Desk {
    switch: Switch,
    ua: Option<Ua>,
    data: tempfile::TempDir,
    company: i64,
}

impl Desk {
    fn open() -> Desk {
        let data = tempfile::tempdir().unwrap();
        let config = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\ndefault_domain = \"fax.example\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
            [media]\nstreams_max = 8\nports = \"0\"\n[limits]\nroute_deadline_ms = 1000\nfax_ring_s = 2\nfax_retry_s = 1\n\
            fax_tries_max = {TRIES_MAX}\n"
        );
        let switch = Switch::start(&Run::Serve(config), &data.path().join("data"));
        let rest = switch.rest();
        let brand = rest.write("POST", "/brands", &json!({ "name": "brand", "default_verdict": "extensions" }));
        let wanted = json!({ "brand": brand["id"], "name": "acme", "domain": "fax.example" });
        let company = rest.write("POST", "/companies", &wanted)["id"].as_i64().expect("an id");
        let ua = Ua::new(switch.sip());
        switch.direct_account("machine", ua.address());
        let app = json!({ "kind": "app", "name": "fax" });
        rest.write("POST", "/extensions", &json!({ "company": company, "number": "640", "target": app }));
        let machine = json!({ "kind": "account", "name": "machine" });
        rest.write("POST", "/extensions", &json!({ "company": company, "number": "650", "target": machine }));
        rest.write("POST", "/ddis", &json!({ "company": company, "e164": DDI, "target": app }));
        let told = json!({ "rules": { "fax": { "mail": "fax@example.com" } } });
        rest.write("PATCH", &format!("/companies/{company}"), &told);
        Desk { switch, ua: Some(ua), data, company }
    }

    /// Our machine at a line; `from` is what it sends, or it receives.
    fn line(&mut self, send: bool, file: &Path, takes_t38: bool) -> Line {
        let (file, ident) = (file.to_owned(), "+49 30 1".to_owned());
        let job = Job { send, file, ident, header: String::new(), ecm: true, pages_max: 9 };
        let machine = Machine::new(job).expect("Debian package libspandsp2");
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = media.local_addr().unwrap();
        let (heard, done, called) = (Vec::new(), None, None);
        let ua = self.ua.take().expect("one line");
        Line { ua, media, machine, takes_t38, t38: false, to, sequence: 0, heard, done, hung_up: false, called }
    }

    /// Our machine calls the switch's.
    fn calls(&mut self, file: &Path, takes_t38: bool) -> Line {
        let mut line = self.line(true, file, takes_t38);
        let mut dialog = line.ua.invite("640", line.media.local_addr().unwrap());
        assert_eq!(line.ua.answered(&mut dialog), 200);
        line.to = dialog.response.as_ref().and_then(Message::media).expect("where it hears");
        line
    }

    /// Queues a fax for our machine; gives its path.
    fn queues(&self, file: &Path) -> String {
        let pages = std::fs::read(file).unwrap();
        let path = format!("/api/v1/faxes?company={}&from=%2B4930123456&to=650", self.company);
        let answer = self.switch.rest().request("POST", &path, "image/tiff", &pages).unwrap();
        assert_eq!(answer.status, 202, "{answer:?}");
        let fax: Value = serde_json::from_str(&answer.text).expect("JSON");
        format!("/faxes/{}", fax["id"])
    }

    /// The fax when it is in this state.
    fn fax(&self, path: &str, state: &str) -> Value {
        let at = |fax: Value| (fax["state"] == state).then_some(fax);
        let now = || self.switch.rest().get(path);
        interop::until_or(state, || at(now()), || now().to_string())
    }

    /// The one fax that came.
    fn came(&self, state: &str) -> Value {
        until("a fax that came", || {
            let all = self.switch.rest().all(&format!("/faxes?state={state}"));
            all.first().cloned()
        })
    }

    /// Its files.
    fn files(&self) -> PathBuf {
        self.data.path().join("data/faxes").join(self.company.to_string())
    }

    fn tiff(&self) -> PathBuf {
        let mut files = std::fs::read_dir(self.files()).expect("files").flatten().map(|entry| entry.path());
        files.find(|path| path.extension().is_some_and(|kind| kind == "tif")).expect("a TIFF")
    }

    /// The helper of the fax that is on.
    fn helper(&mut self) -> u32 {
        let switch = self.switch.child().id().to_string();
        let parent = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            Some(status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().to_owned())
        };
        until("a helper", || {
            let all = std::fs::read_dir("/proc").expect("processes").flatten();
            let mut all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
            all.find(|pid| parent(*pid).as_deref() == Some(&switch))
        })
    }
}

fn received(takes_t38: bool) {
    let mut desk = Desk::open();
    let from = desk.data.path().join("sent.tif");
    let pages = paper::sent(&from, 9);
    let mut line = desk.calls(&from, takes_t38);
    line.run();
    let sent = line.done.expect("the machine has ended before the call");
    let fax = desk.came("received");
    assert_eq!(
        [&fax["pages"], &fax["t38"], &fax["to"], &fax["station"], &fax["direction"]],
        [&json!(2), &json!(takes_t38), &json!("640"), &json!("+49 30 1"), &json!("in")],
        "{fax}"
    );
    let whole = Done { ok: true, pages: 2, t38: takes_t38, ..Done::default() };
    paper::check(&pages, &desk.tiff(), (Some(&sent), Some(&whole)), takes_t38);
    let mails = until("its mail", || Some(desk.switch.rest().all("/mails")).filter(|all| !all.is_empty()));
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["to"], "fax@example.com");
    assert!(mails[0]["subject"].as_str().is_some_and(|words| words.contains("2 pages")), "{mails:?}");
    // Its call's CDR, and its pages by the API.
    let cdrs = until("the CDR", || {
        let all = desk.switch.rest().all(&format!("/cdrs?call={}", fax["call"].as_str()?));
        (!all.is_empty()).then_some(all)
    });
    assert_eq!(cdrs[0]["callee"], "640");
    let pdf = desk.switch.rest().request("GET", &format!("/api/v1/faxes/{}/pdf", fax["id"]), "", b"").unwrap();
    assert!(pdf.status == 200 && pdf.text.starts_with("%PDF-"));
    desk.switch.rest().write("DELETE", &format!("/faxes/{}", fax["id"]), &Value::Null);
    assert_eq!(std::fs::read_dir(desk.files()).unwrap().count(), 0, "nothing of it stays");
}

#[test]
fn a_fax_by_t38_is_kept_as_it_was_sent() {
    received(true);
}

#[test]
fn a_fax_as_sound_is_kept_as_it_was_sent() {
    received(false);
}

fn sent(takes_t38: bool) {
    let mut desk = Desk::open();
    let (from, to) = (desk.data.path().join("sent.tif"), desk.data.path().join("received.tif"));
    let pages = paper::sent(&from, 11);
    let path = desk.queues(&from);
    let (mut tries, mut received) = (0, Done::default());
    // A machine that is too busy to keep the pace of a modem costs a try, as a bad line does.
    while !received.ok && tries < TRIES_MAX {
        let mut line = desk.line(false, &to, takes_t38);
        let invite = line.ua.expect("a call", |message| message.method() == "INVITE" && message.status() == 0);
        assert!(invite.header("From").contains(DDI), "{}", invite.text);
        line.to = invite.media().expect("where it hears");
        line.ua.respond_with(&invite, 200, &sdp(line.media.local_addr().unwrap()));
        line.called = Some(invite);
        line.run();
        tries += 1;
        received = line.done.expect("the machine has ended before the call");
        desk.ua = Some(line.ua);
    }
    let fax = desk.fax(&path, "sent");
    assert_eq!(
        [&fax["pages_done"], &fax["t38"], &fax["tries"], &fax["station"]],
        [&json!(2), &json!(takes_t38), &json!(tries), &json!("+49 30 1")],
        "{fax}"
    );
    let whole = Done { ok: true, pages: 2, t38: takes_t38, ..Done::default() };
    paper::check(&pages, &to, (Some(&whole), Some(&received)), takes_t38);
    let cdrs = until("its CDRs", || {
        let all = desk.switch.rest().all(&format!("/cdrs?call={}", fax["call"].as_str()?));
        (all.len() == 2).then_some(all)
    });
    assert!(cdrs.iter().all(|cdr| cdr["caller"] == DDI), "{cdrs:?}");
}

#[test]
fn a_fax_is_sent_as_sound() {
    sent(false);
}

#[test]
fn a_fax_is_sent_by_t38_where_the_other_machine_offers_it() {
    sent(true);
}

#[test]
fn a_helper_that_is_killed_ends_its_call_and_nothing_else() {
    let mut desk = Desk::open();
    let from = desk.data.path().join("sent.tif");
    paper::sent(&from, 3);
    let mut line = desk.calls(&from, false);
    assert!(line.turns(300), "it goes on for six seconds");
    let helper = desk.helper();
    assert!(std::process::Command::new("kill").args(["-9", &helper.to_string()]).status().unwrap().success());
    let killed = Instant::now();
    line.run();
    assert!(killed.elapsed() < Duration::from_secs(10), "the call ends at once");
    // The next one finds a machine, and nothing of the first is left but what came of it.
    desk.ua = Some(line.ua);
    let mut line = desk.calls(&from, true);
    line.run();
    assert!(line.done.expect("an end").ok);
    assert_eq!(desk.came("received")["pages"], 2);
}

#[test]
fn a_call_that_ends_amid_a_fax_ends_its_helper() {
    let mut desk = Desk::open();
    let from = desk.data.path().join("sent.tif");
    paper::sent(&from, 3);
    let mut line = desk.line(true, &from, true);
    let mut dialog = line.ua.invite("640", line.media.local_addr().unwrap());
    assert_eq!(line.ua.answered(&mut dialog), 200);
    line.to = dialog.response.as_ref().and_then(Message::media).expect("where it hears");
    assert!(line.turns(250), "it goes on for five seconds");
    let helper = desk.helper();
    assert_eq!(line.ua.bye(&mut dialog), 200);
    until("the helper's end", || (!Path::new(&format!("/proc/{helper}")).exists()).then_some(()));
    // No page had passed: nothing is kept of it.
    until("its files' end", || (std::fs::read_dir(desk.files()).ok()?.count() == 0).then_some(()));
    assert_eq!(desk.switch.rest().all("/faxes").len(), 0);
}

#[test]
fn a_fax_that_nobody_takes_is_tried_again_and_fails() {
    let mut desk = Desk::open();
    let from = desk.data.path().join("sent.tif");
    paper::sent(&from, 3);
    let path = desk.queues(&from);
    let ua = desk.ua.take().expect("one line");
    // The first call rings for ever, and is given up; the others are refused.
    let rings = ua.expect("a call", |message| message.method() == "INVITE" && message.status() == 0);
    ua.respond_with(&rings, 180, "");
    let cancel = ua.expect("its end", |message| message.method() == "CANCEL");
    ua.respond_with(&cancel, 200, "");
    ua.respond_with(&rings, 487, "");
    let mut known = vec![rings.header("Call-ID").to_owned()];
    for _ in 1..TRIES_MAX {
        let busy = ua.expect("another call", |message| {
            let of = message.header("Call-ID");
            message.method() == "INVITE" && message.status() == 0 && known.iter().all(|call| call != of)
        });
        ua.respond_with(&busy, 486, "");
        known.push(busy.header("Call-ID").to_owned());
    }
    let fax = desk.fax(&path, "failed");
    assert_eq!([&fax["tries"], &fax["pages_done"]], [&json!(TRIES_MAX), &json!(0)], "{fax}");
    assert!(fax["reason"].as_str().is_some_and(|why| why.starts_with("busy")), "{fax}");
}
