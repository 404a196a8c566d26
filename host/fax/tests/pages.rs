//! SpanDSP against SpanDSP, in their own time: what arrives is what was sent, pixel by pixel.

#![allow(clippy::expect_used, reason = "test code")]

mod paper;

use facsimile::helper::{self, Machine};
use facsimile::wire::{self, Done, FRAME, FromHelper, Job, News, ToHelper};
use paper::{check, sent};
use std::path::Path;

/// At most five minutes of a fax's own time.
const FRAMES_MAX: usize = 15_000;

fn job(send: bool, file: &Path) -> Job {
    let ident = if send { "+49 30 1" } else { "+49 30 2" }.to_owned();
    Job { send, file: file.to_owned(), ident, header: String::new(), ecm: true, pages_max: 50 }
}

/// A machine, and what it said so far that is no medium.
struct Party {
    machine: Machine,
    news: Vec<News>,
}

impl Party {
    fn new(send: bool, file: &Path) -> Party {
        let machine = Machine::new(job(send, file)).expect("Debian package libspandsp2");
        Party { machine, news: Vec::new() }
    }

    /// Tells it something; gives its sound and its datagrams.
    fn tell(&mut self, told: ToHelper) -> (Option<Vec<i16>>, Vec<Vec<u8>>) {
        let (mut sound, mut datagrams) = (None, Vec::new());
        for said in self.machine.take(told).expect("the fax goes on") {
            match said {
                FromHelper::Sound(samples) => sound = Some(samples),
                FromHelper::Datagram(datagram) => datagrams.push(datagram),
                FromHelper::News(news) => self.news.push(news),
                FromHelper::Tick => {}
            }
        }
        (sound, datagrams)
    }

    fn sound(&mut self, heard: &[i16]) -> Vec<i16> {
        self.tell(ToHelper::Sound(heard.to_vec())).0.expect("as much as it hears")
    }

    fn done(&self) -> Option<&Done> {
        self.news.iter().find_map(|news| if let News::Done(done) = news { Some(done) } else { None })
    }
}

#[test]
fn pages_sent_as_sound_arrive_as_they_were() {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (dir.path().join("sent.tif"), dir.path().join("received.tif"));
    let pages = sent(&from, 1);
    let (mut sender, mut receiver) = (Party::new(true, &from), Party::new(false, &to));
    let mut back = vec![0; FRAME];
    for _ in 0..FRAMES_MAX {
        let there = sender.sound(&back);
        back = receiver.sound(&there);
        if sender.done().is_some() && receiver.done().is_some() {
            break;
        }
    }
    assert!(receiver.news.contains(&News::OfferT38), "the calling machine was heard: {:?}", receiver.news);
    check(&pages, &to, (sender.done(), receiver.done()), false);
    let received = receiver.done().expect("it is over");
    assert_eq!(received.remote, "+49 30 1");
}

#[test]
fn pages_sent_by_t38_arrive_as_they_were_where_datagrams_are_lost() {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (dir.path().join("sent.tif"), dir.path().join("received.tif"));
    let pages = sent(&from, 3);
    let (mut sender, mut receiver) = (Party::new(true, &from), Party::new(false, &to));
    // It begins as sound, as every call does.
    let mut back = vec![0; FRAME];
    for _ in 0..100 {
        let there = sender.sound(&back);
        back = receiver.sound(&there);
    }
    let mut wire: [Vec<Vec<u8>>; 2] = Default::default();
    for (party, out) in [&mut sender, &mut receiver].into_iter().zip(&mut wire) {
        out.extend(party.tell(ToHelper::Medium { t38: true }).1);
    }
    let mut count = 0_u32;
    for _ in 0..FRAMES_MAX {
        for at in [0, 1] {
            let party = if at == 0 { &mut sender } else { &mut receiver };
            let mut said = Vec::new();
            for datagram in core::mem::take(&mut wire[1 - at]) {
                count += 1;
                if !count.is_multiple_of(11) {
                    said.extend(party.tell(ToHelper::Datagram(datagram)).1);
                }
            }
            said.extend(party.tell(ToHelper::Tick).1);
            wire[at].extend(said);
        }
        if sender.done().is_some() && receiver.done().is_some() {
            break;
        }
    }
    assert!(count > 300, "{count} datagrams");
    check(&pages, &to, (sender.done(), receiver.done()), true);
}

#[test]
fn a_call_that_ends_ends_the_fax_with_a_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("received.tif");
    // The loop of the process itself, with all that it is told at once.
    let mut told = ToHelper::Job(job(false, &file)).to_bytes();
    (0..50).for_each(|_| told.extend(ToHelper::Sound(vec![0; FRAME]).to_bytes()));
    told.extend(ToHelper::End.to_bytes());
    let mut said = Vec::new();
    helper::run(&mut told.as_slice(), &mut said).expect("it runs to its end");
    let (mut said, mut all) = (said.as_slice(), Vec::new());
    while let Some(frame) = wire::read(&mut said).expect("frames") {
        all.push(FromHelper::from_bytes(&frame).expect("a frame"));
    }
    assert_eq!(all.first(), Some(&FromHelper::News(News::Begun)));
    assert_eq!(all.iter().filter(|said| matches!(said, FromHelper::Sound(_))).count(), 50);
    let Some(FromHelper::News(News::Done(done))) = all.last() else { panic!("{:?}", all.last()) };
    assert!(!done.ok && done.pages == 0 && !done.text.is_empty(), "{done:?}");
    assert!(helper::run(&mut &b"\0\0\0\x01X"[..], &mut Vec::new()).is_err(), "no job");
}

#[test]
fn nobody_there_and_no_file_are_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut alone = Party::new(true, &dir.path().join("nothing.tif"));
    for _ in 0..FRAMES_MAX {
        alone.sound(&[0; FRAME]);
        if alone.done().is_some() {
            break;
        }
    }
    let done = alone.done().expect("it gives up");
    assert!(!done.ok && !done.text.is_empty(), "{done:?}");
}
