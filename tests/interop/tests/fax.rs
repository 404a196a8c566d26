//! A fax from a machine of our own to the real switch: it answers, starts its helper, and keeps the pages.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "test code")]

#[path = "../../../host/fax/tests/paper/mod.rs"]
mod paper;

use facsimile::helper::Machine;
use facsimile::wire::{Done, FRAME, FromHelper, Job, News, ToHelper};
use interop::{Dialog, Message, Switch, Ua, until};
use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// 20 ms.
const TURN: Duration = Duration::from_millis(20);
/// No fax of this test takes longer.
const TURNS_MAX: u32 = 6_000;

/// A fax machine with a telephone line.
struct Caller {
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
}

impl Caller {
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
                FromHelper::News(_) => {}
            }
        }
    }

    /// What comes by the telephone network.
    fn signalled(&mut self, message: &Message) {
        match message.method() {
            "INVITE" if message.status() == 0 && self.takes_t38 => {
                assert!(message.body().contains("udptl t38"), "{}", message.text);
                let at = self.media.local_addr().expect("bound");
                let body = format!(
                    "v=0\r\no=- 1 2 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=image {} udptl t38\r\n\
                     a=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n",
                    at.port(),
                    ip = at.ip()
                );
                self.ua.respond_with(message, 200, &body);
                if !self.t38 {
                    self.t38 = true;
                    self.take(ToHelper::Medium { t38: true });
                }
            }
            "INVITE" if message.status() == 0 => self.ua.respond_with(message, 488, ""),
            "BYE" if message.status() == 0 => {
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

    /// Until the machine and the switch have ended.
    fn run(&mut self) {
        let begun = Instant::now();
        for turn in 1..TURNS_MAX {
            self.listen(begun + TURN * turn);
            if let Some(message) = self.ua.poll(Duration::from_millis(1)) {
                self.signalled(&message);
            }
            if self.hung_up {
                return;
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
        panic!("the fax does not end");
    }
}

/// The one fax that the switch keeps, when it is whole.
fn kept(switch: &Switch, data: &Path) -> (PathBuf, Value) {
    let folder = data.join("faxes").join(switch.company().to_string());
    let file = until("what is known of the fax", || {
        let mut files = std::fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.path());
        files.find(|path| path.extension().is_some_and(|kind| kind == "json"))
    });
    let known = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
    (file.with_extension("tif"), known)
}

fn fax(takes_t38: bool) {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let ua = Ua::new(switch.sip());
    switch.direct_account("machine", ua.address());
    let target = json!({ "kind": "app", "name": "fax" });
    let extension = json!({ "company": switch.company(), "number": "640", "target": target });
    switch.rest().write("POST", "/extensions", &extension);

    let from = data.path().join("sent.tif");
    let pages = paper::sent(&from, 9);
    let job =
        Job { send: true, file: from, ident: "+49 30 1".to_owned(), header: String::new(), ecm: true, pages_max: 9 };
    let machine = Machine::new(job).expect("Debian package libspandsp2");
    let media = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut dialog: Dialog = ua.invite("640", media.local_addr().unwrap());
    assert_eq!(ua.answered(&mut dialog), 200);
    let to = dialog.response.as_ref().and_then(Message::media).expect("where it hears");
    let (heard, done, t38, hung_up) = (Vec::new(), None, false, false);
    let mut caller = Caller { ua, media, machine, takes_t38, t38, to, sequence: 0, heard, done, hung_up };
    caller.run();
    let sent = caller.done.expect("the machine has ended before the call");
    let (tiff, known) = kept(&switch, data.path());
    assert_eq!(
        (&known["pages"], &known["whole"], &known["t38"]),
        (&json!(2), &json!(true), &json!(takes_t38)),
        "{known}"
    );
    assert_eq!((&known["callee"], &known["remote"]), (&json!("640"), &json!("+49 30 1")));
    let received = Done { ok: true, pages: 2, t38: takes_t38, ..Done::default() };
    paper::check(&pages, &tiff, (Some(&sent), Some(&received)), takes_t38);
    let pdf = std::fs::read(tiff.with_extension("pdf")).expect("a PDF beside it");
    assert!(pdf.starts_with(b"%PDF-"));
}

#[test]
fn a_fax_by_t38_is_kept_as_it_was_sent() {
    fax(true);
}

#[test]
fn a_fax_as_sound_is_kept_as_it_was_sent() {
    fax(false);
}
