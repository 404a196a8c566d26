//! The journal alone: torn tails at every byte, full disks, rotation, interrupted legs. No database.

use super::line::{self, Entry};
use super::segment::seq_of;
use super::{Outbox, OutboxConfig, OutboxError};
use model::{BrandId, CallId, CallRecord, Cause, Cdr, CompanyId, EndedBy, Instant, LegRole};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("strowger-outbox-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at(second: u64) -> Instant {
    Instant::from_unix_nanos(second * 1_000_000_000)
}

fn cdr(call: u128, second: u64) -> Cdr {
    Cdr {
        call: CallId(call),
        leg: 1,
        role: LegRole::Callee,
        brand: BrandId(1),
        company: CompanyId(1),
        account: None,
        sip_call_id: "x@y".to_owned(),
        caller: "1001".to_owned(),
        callee: "1002".to_owned(),
        decided_by: None,
        started_at: at(second),
        ringing_at: None,
        answered_at: Some(at(second)),
        ended_at: at(second),
        cause: Cause::NormalClearing,
        sip_status: 200,
        ended_by: EndedBy::Caller,
        media: None,
        identity: None,
        rated: None,
        charge: None,
    }
}

fn answered(call: u128, second: u64) -> CallRecord {
    CallRecord::Answered(cdr(call, second))
}

fn ended(call: u128, second: u64) -> CallRecord {
    CallRecord::Ended(cdr(call, second))
}

fn small() -> OutboxConfig {
    OutboxConfig { segment_bytes_max: 2_000, unwritten_max: 8, ..OutboxConfig::default() }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| seq_of(p).is_some()).collect();
    found.sort();
    found
}

/// Every entry on the disk, in the order of the segments.
fn entries(dir: &Path) -> Vec<Entry> {
    let mut all = Vec::new();
    for path in segments(dir) {
        let bytes = std::fs::read(path).unwrap();
        all.extend(line::lines(&bytes).map(|(_, line)| line::decode(line).expect("an intact line")));
    }
    all
}

/// The ends of every leg on the disk.
fn ends(dir: &Path) -> BTreeMap<u128, Vec<Cdr>> {
    let mut ends: BTreeMap<u128, Vec<Cdr>> = BTreeMap::new();
    for entry in entries(dir) {
        if let Entry::Ended(cdr) = entry {
            ends.entry(cdr.call.0).or_default().push(cdr);
        }
    }
    ends
}

#[test]
fn a_record_is_one_line_and_comes_back() {
    let mut bytes = Vec::new();
    line::encode(&mut bytes, &answered(1, 2)).unwrap();
    line::encode_alive(&mut bytes, at(3)).unwrap();
    let odd = Cdr { caller: "a\nb\u{0}\u{1F4DE}\"".to_owned(), ..cdr(4, 5) };
    line::encode(&mut bytes, &CallRecord::Ended(odd.clone())).unwrap();
    let read: Vec<_> = line::lines(&bytes).map(|(_, l)| line::decode(l).unwrap()).collect();
    assert_eq!(read, [Entry::Answered(cdr(1, 2)), Entry::Alive(at(3)), Entry::Ended(odd)]);
    assert_eq!(line::lines(&bytes).last().unwrap().0, bytes.len());
}

#[test]
fn an_interrupted_leg_ends_when_the_process_was_last_alive_and_only_once() {
    let dir = Folder::new();
    let (outbox, drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
    let mut journal = outbox.journal();
    journal.append(&[answered(1, 10), answered(2, 11), answered(3, 12)]).unwrap();
    journal.append(&[ended(2, 20)]).unwrap();
    journal.heartbeat(at(31)).unwrap();
    drop((journal, drain, outbox));

    let (outbox, drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
    assert_eq!(outbox.recovered().legs_interrupted, 2);
    let ends_now = ends(&dir.0);
    for call in [1, 3] {
        let cut = &ends_now[&call];
        assert_eq!(cut.len(), 1);
        assert_eq!((cut[0].cause, cut[0].ended_by, cut[0].ended_at), (Cause::SwitchRestarted, EndedBy::Switch, at(31)));
    }
    assert_eq!(ends_now[&2], [cdr(2, 20)]);
    drop((drain, outbox));
    let (outbox, _drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
    assert_eq!(outbox.recovered(), super::Recovered::default());
    assert_eq!(ends(&dir.0), ends_now);
}

#[test]
fn a_folder_has_one_owner() {
    let dir = Folder::new();
    let (outbox, drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
    let second = Outbox::open(&dir.0, OutboxConfig::default());
    assert!(matches!(second, Err(OutboxError::Locked(_))));
    drop((outbox, drain));
    assert!(Outbox::open(&dir.0, OutboxConfig::default()).is_ok());
}

#[test]
fn a_folder_that_cannot_be_is_one_sentence() {
    let error = Outbox::open(Path::new("/proc/nowhere"), OutboxConfig::default()).unwrap_err().to_string();
    assert!(error.starts_with("the CDR journal in /proc/nowhere cannot be opened: "), "{error}");
}

/// Whatever byte the journal ends at: whole lines are kept, the rest is cut, and it can be written on.
#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let mut bytes = Vec::new();
    let mut whole = vec![0];
    for call in 1..=3 {
        for record in [answered(call, 10), ended(call, 20)] {
            line::encode(&mut bytes, &record).unwrap();
            whole.push(bytes.len());
        }
    }
    for cut in 0..=bytes.len() {
        let dir = Folder::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        let path = super::segment::path_of(&dir.0, 1);
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let (outbox, drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
        let lines = whole.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(outbox.recovered().bytes_torn, (cut - whole[lines]) as u64, "cut at {cut}");
        assert_eq!(outbox.recovered().legs_interrupted, lines % 2, "cut at {cut}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole[lines] as u64);
        let ends_now = ends(&dir.0);
        assert_eq!(ends_now.len(), lines.div_ceil(2), "cut at {cut}");
        assert!(ends_now.values().all(|ends| ends.len() == 1));
        drop((outbox, drain));
    }
}

#[test]
fn a_damaged_line_costs_itself_only() {
    let dir = Folder::new();
    let (outbox, drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
    outbox.journal().append(&[ended(1, 1), ended(2, 2), ended(3, 3)]).unwrap();
    drop((drain, outbox));
    let path = &segments(&dir.0)[0];
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, &bytes).unwrap();
    let (outbox, _drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
    assert_eq!((outbox.recovered().lines_damaged, outbox.recovered().bytes_torn), (1, 0));
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}

#[test]
fn a_line_of_a_newer_program_is_not_cut_and_ends_its_leg() {
    let dir = Folder::new();
    let (outbox, drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
    let mut journal = outbox.journal();
    journal.append(&[answered(1, 1), ended(1, 2)]).unwrap();
    drop((journal, drain, outbox));
    let path = &segments(&dir.0)[0];
    let old = std::fs::read(path).unwrap();
    let lines: Vec<&[u8]> = line::lines(&old).map(|(_, line)| line).collect();
    let json = String::from_utf8(lines[1].to_vec()).unwrap().split_off(9).replace("normal-clearing", "not-known-yet");
    let mut bytes = [lines[0], b"\n"].concat();
    bytes.extend(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes());
    std::fs::write(path, &bytes).unwrap();
    let (outbox, _drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
    let recovered = super::Recovered { lines_damaged: 1, ..super::Recovered::default() };
    assert_eq!((outbox.recovered(), std::fs::read(path).unwrap()), (recovered, bytes));
}

#[test]
fn a_full_disk_is_reported_and_what_waited_is_written_later() {
    let dir = Folder::new();
    let (outbox, drain) = Outbox::open(&dir.0, small()).unwrap();
    let mut journal = outbox.journal();
    journal.append(&[answered(1, 1)]).unwrap();
    // Room for half a line: the write comes back short.
    outbox.shared.room.store(100, Ordering::Relaxed);
    assert!(journal.append(&[answered(2, 2), ended(1, 3)]).is_err());
    assert!(journal.append(&[ended(2, 4)]).is_err());
    assert!(journal.heartbeat(at(5)).is_err());
    assert_eq!(journal.unwritten(), 3);
    assert_eq!((outbox.counters().records_unwritten, outbox.counters().records_lost), (3, 0));
    assert_eq!(entries(&dir.0), [Entry::Answered(cdr(1, 1))]);

    outbox.shared.room.store(u64::MAX, Ordering::Relaxed);
    journal.heartbeat(at(6)).unwrap();
    assert_eq!((journal.unwritten(), outbox.counters().records_unwritten), (0, 0));
    let expected = [
        Entry::Answered(cdr(1, 1)),
        Entry::Answered(cdr(2, 2)),
        Entry::Ended(cdr(1, 3)),
        Entry::Ended(cdr(2, 4)),
        Entry::Alive(at(6)),
    ];
    assert_eq!(entries(&dir.0), expected);
    assert_eq!(outbox.counters().records_written, 4);
    drop((journal, drain));
}

#[test]
fn what_waits_in_memory_has_a_limit_and_the_loss_is_counted() {
    let dir = Folder::new();
    let (outbox, _drain) = Outbox::open(&dir.0, small()).unwrap();
    outbox.shared.room.store(0, Ordering::Relaxed);
    let mut journal = outbox.journal();
    for call in 0..10 {
        assert!(journal.append(&[ended(call, 1)]).is_err());
    }
    assert_eq!((journal.unwritten(), outbox.counters().records_lost), (8, 2));
    outbox.shared.room.store(u64::MAX, Ordering::Relaxed);
    // The end of the journal is a last chance, too.
    drop(journal);
    assert_eq!(ends(&dir.0).len(), 8);
}

#[test]
fn a_folder_that_vanished_is_reported_and_not_fatal() {
    let dir = Folder::new();
    let (outbox, _drain) = Outbox::open(&dir.0, small()).unwrap();
    let mut journal = outbox.journal();
    std::fs::remove_dir_all(&dir.0).unwrap();
    assert!(journal.append(&[ended(1, 1)]).is_err());
    std::fs::create_dir_all(&dir.0).unwrap();
    journal.append(&[ended(2, 1)]).unwrap();
    assert_eq!(entries(&dir.0), [Entry::Ended(cdr(1, 1)), Entry::Ended(cdr(2, 1))]);
}

/// The last segments alone tell of every leg still open, so that the older ones may go.
#[test]
fn open_legs_are_carried_into_newer_segments() {
    let dir = Folder::new();
    let (outbox, drain) = Outbox::open(&dir.0, small()).unwrap();
    let mut journal = outbox.journal();
    journal.append(&[answered(1, 1), answered(2, 2)]).unwrap();
    for call in 10..40 {
        journal.append(&[answered(call, 5), ended(call, 6)]).unwrap();
    }
    journal.append(&[ended(2, 7)]).unwrap();
    drop((journal, drain, outbox));
    let found = segments(&dir.0);
    assert!(found.len() > 5, "{found:?}");
    for old in &found[..found.len() - 2] {
        std::fs::remove_file(old).unwrap();
    }
    let (outbox, _drain) = Outbox::open(&dir.0, small()).unwrap();
    assert_eq!(outbox.recovered().legs_interrupted, 1);
    assert_eq!(ends(&dir.0)[&1][0].cause, Cause::SwitchRestarted);
}

/// One step of a shard's life.
#[derive(Clone, Debug)]
enum Step {
    Answer,
    End(usize),
    Beat,
    DiskFull(u64),
    DiskFree,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Answer),
        4 => (0..100_usize).prop_map(Step::End),
        1 => Just(Step::Beat),
        1 => (0..900_u64).prop_map(Step::DiskFull),
        2 => Just(Step::DiskFree),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to the disk and wherever the last segment is torn: what was written and acknowledged has
    /// exactly one end after recovery, its own if that was acknowledged.
    #[test]
    fn nothing_acknowledged_is_lost_or_doubled(steps in steps(), tear in 0..400_u64) {
        let dir = Folder::new();
        let config = OutboxConfig { segment_bytes_max: 1_500, ..OutboxConfig::default() };
        let (outbox, drain) = Outbox::open(&dir.0, config.clone()).unwrap();
        let mut journal = outbox.journal();
        let (mut next, mut open, mut known) = (0_u128, Vec::new(), BTreeMap::new());
        // Calls whose records are all on the disk, and whether the end is among them.
        let (mut safe, mut second) = (BTreeMap::new(), 0);
        for step in steps {
            second += 1;
            let record = match step {
                Step::Answer => { next += 1; open.push(next); known.insert(next, false); Some(answered(next, second)) }
                Step::End(n) if !open.is_empty() => {
                    let call = open.remove(n % open.len());
                    known.insert(call, true);
                    Some(ended(call, second))
                }
                Step::End(_) => None,
                Step::Beat => { let _ = journal.heartbeat(at(second)); None }
                Step::DiskFull(room) => { outbox.shared.room.store(room, Ordering::Relaxed); None }
                Step::DiskFree => { outbox.shared.room.store(u64::MAX, Ordering::Relaxed); None }
            };
            if let Some(record) = record {
                let _ = journal.append(&[record]);
            }
            if journal.unwritten() == 0 {
                safe.clone_from(&known);
            }
        }
        // kill -9: what waited in memory is gone.
        outbox.shared.room.store(0, Ordering::Relaxed);
        drop((journal, drain, outbox));
        // And a write that was under way: half a line.
        let mut half = Vec::new();
        line::encode(&mut half, &answered(9_999, 1)).unwrap();
        half.truncate(usize::try_from(tear).unwrap().min(half.len() - 1));
        if let Some(last) = segments(&dir.0).last() {
            let bytes = [std::fs::read(last).unwrap(), half].concat();
            std::fs::write(last, bytes).unwrap();
        }
        let (_outbox, _drain) = Outbox::open(&dir.0, config).unwrap();
        let ends_now = ends(&dir.0);
        for (call, own_end) in &safe {
            let of = ends_now.get(call).map_or(&[][..], Vec::as_slice);
            prop_assert_eq!(of.len(), 1, "call {}", call);
            if *own_end {
                prop_assert_eq!(of[0].cause, Cause::NormalClearing);
            }
        }
        prop_assert!(ends_now.keys().all(|call| known.contains_key(call)));
        prop_assert!(ends_now.values().all(|ends| ends.len() == 1));
    }

    /// Any bytes at all in a segment: recovery never panics and never invents a leg.
    #[test]
    fn garbage_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let dir = Folder::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        std::fs::write(super::segment::path_of(&dir.0, 7), &bytes).unwrap();
        let (outbox, _drain) = Outbox::open(&dir.0, OutboxConfig::default()).unwrap();
        prop_assert_eq!(outbox.recovered().bytes_torn, bytes.len() as u64);
        let mut journal = outbox.journal();
        journal.append(&[ended(1, 1)]).unwrap();
        prop_assert_eq!(ends(&dir.0).len(), 1);
    }
}
