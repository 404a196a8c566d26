//! A fax from a machine over the switch to another, as sound and by T.38: each pixel arrives where it was.

#![allow(clippy::expect_used, reason = "test code")]

#[path = "../../../host/fax/tests/paper/mod.rs"]
mod paper;

use facsimile::helper::Machine;
use facsimile::wire::Job;
use flows::{Bed, FaxCall};
use paper::{check, sent};
use std::path::Path;

/// Two minutes.
const TURNS: u32 = 6_000;

fn machine(send: bool, file: &Path) -> Machine {
    let ident = if send { "+49 30 1" } else { "+49 30 2" }.to_owned();
    let job = Job { send, file: file.to_owned(), ident, header: String::new(), ecm: true, pages_max: 50 };
    Machine::new(job).expect("Debian package libspandsp2")
}

/// Alice calls the app `fax`, which answers; then the fax runs. Gives what was seen meanwhile.
fn fax(t38: bool, set: impl FnOnce(&mut FaxCall)) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (dir.path().join("sent.tif"), dir.path().join("received.tif"));
    let pages = sent(&from, 5);
    let mut bed = Bed::new();
    for line in ["alice > INVITE 100 sdp", "chain > app fax", "app > answer", "alice > ACK", "app > fax"] {
        bed.act(line);
    }
    let mut call = FaxCall::new(machine(true, &from), machine(false, &to));
    set(&mut call);
    bed.fax(&mut call, TURNS);
    check(&pages, &to, (call.sent.as_ref(), call.received.as_ref()), t38);
    for line in ["alice > BYE", "app > return", "wait 40s"] {
        bed.act(line);
    }
    assert_eq!(bed.act("idle?"), ["idle"]);
    call.seen
}

#[test]
fn as_sound_where_the_caller_takes_no_t38() {
    let seen = fax(false, |call| call.answers = &["alice > 488"]);
    assert!(seen.iter().any(|line| line.starts_with("alice < INVITE") && line.contains("image=20000")), "{seen:?}");
}

#[test]
fn by_t38_where_the_switch_offers_it() {
    let seen = fax(true, |call| call.answers = &["alice > 200 fax"]);
    assert!(seen.iter().any(|line| line.starts_with("alice < INVITE") && line.contains("image=20000")), "{seen:?}");
}

#[test]
fn by_t38_where_the_caller_offers_it() {
    let seen = fax(true, |call| call.offers = (10, &["alice > INVITE fax", "alice > ACK"]));
    assert!(seen.iter().any(|line| line.starts_with("alice < 200") && line.contains("image=20000")), "{seen:?}");
}

/// The switch sends a fax to alice. Her machine answers; then the fax runs.
fn sent_by_us(t38: bool, set: impl FnOnce(&mut FaxCall)) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (dir.path().join("sent.tif"), dir.path().join("received.tif"));
    let pages = sent(&from, 7);
    let mut bed = Bed::new();
    for line in [
        "trunk one servers=10.0.0.21",
        "operator > fax +4930123456 1001",
        "chain > connect 1001",
        "alice > 200 sdp",
        "app > fax 1",
    ] {
        bed.act(line);
    }
    let mut call = FaxCall::new(machine(false, &to), machine(true, &from));
    set(&mut call);
    bed.fax(&mut call, TURNS);
    check(&pages, &to, (call.received.as_ref(), call.sent.as_ref()), t38);
    for line in ["alice > BYE", "app > return", "wait 40s"] {
        bed.act(line);
    }
    assert_eq!(bed.act("idle?"), ["idle"]);
    call.seen
}

#[test]
fn sent_as_sound_where_nobody_speaks_of_t38() {
    let seen = sent_by_us(false, |_| {});
    assert!(!seen.iter().any(|line| line.starts_with("alice < INVITE")), "who sends offers none: {seen:?}");
}

#[test]
fn sent_by_t38_where_the_machine_that_answers_offers_it() {
    let seen = sent_by_us(true, |call| call.offers = (10, &["alice > INVITE fax", "alice > ACK"]));
    assert!(seen.iter().any(|line| line.starts_with("alice < 200") && line.contains("image=20000")), "{seen:?}");
}
