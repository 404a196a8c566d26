//! Recordings that become Opus, whenever the process is killed, and those that stay.

use super::*;
use crate::recorder::{FOLDER, Recorder, Unfinished};
use crate::recordings::tests::{start, store};
use crate::recordings::{FINISHED_MAX, keep};
use core::time::Duration;
use model::{CompanyId, RecordingEvent, RecordingId, RecordingPlace, RecordingRules};
use store::{OpContext, Page};
use tokio::sync::mpsc;

/// Two seconds: the party on the left, what it hears on the right, each a tone of its own.
pub(crate) fn sound() -> Vec<i16> {
    let at = |n: usize, hz: f64| ((n as f64 * core::f64::consts::TAU * hz / 8_000.0).sin() * 9_000.0) as i16;
    (0..16_000).flat_map(|n| [at(n, 420.0), at(n, 1_270.0)]).collect()
}

/// A channel of what is heard beside that of what was said, at no delay.
pub(crate) fn likeness(heard: &[i16], said: &[i16], channel: usize) -> f64 {
    let of = |all: &[i16]| all.iter().skip(channel).step_by(2).map(|s| f64::from(*s)).collect::<Vec<_>>();
    let (a, b) = (of(heard), of(said));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt().max(1.0)
}

/// A node's recordings: taken up and given their rows as in life.
pub(crate) struct Bed {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) db: Db,
    pub(crate) company: CompanyId,
    pub(crate) archive: Archive,
}

impl Bed {
    pub(crate) async fn new() -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let (db, company) = store(dir.path()).await;
        let archive = Archive::at(dir.path().join(FOLDER));
        Bed { dir, db, company, archive }
    }

    pub(crate) async fn wants(&self, format: RecordingFormat) {
        let ctx = OpContext::platform();
        let mut company = self.db.companies().get(&ctx, self.company).await.unwrap();
        company.rules.recording = RecordingRules { format, ..RecordingRules::default() };
        self.db.companies().update(&ctx, &company).await.unwrap();
    }

    /// Records the sound under this number.
    pub(crate) async fn record(&self, n: u64) -> Recording {
        let (told, finished) = mpsc::channel(FINISHED_MAX);
        let mut recorder = Recorder::start(self.dir.path(), told.clone(), Unfinished::default()).unwrap();
        recorder.take(RecordingEvent::Started(start(n, self.company, 10)));
        recorder.take(RecordingEvent::Sound(RecordingId(n), sound()));
        recorder.take(RecordingEvent::Ended(RecordingId(n), Duration::from_secs(2)));
        drop((recorder, told));
        let (_running, stop) = watch::channel(false);
        let with = (finished, Unfinished::default(), Arc::default());
        keep(self.archive.clone(), (self.db.clone(), crate::Clock::anchored()), with, stop).await;
        self.db.recordings().named(&format!("call-0-{n}")).await.unwrap().unwrap()
    }

    /// What a process does from its start until nothing waits.
    pub(crate) async fn encode(&self) {
        let (running, stop) = watch::channel(false);
        let (due, done) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let idle = Arc::clone(&done);
        let task = tokio::spawn(encode_all(self.archive.clone(), self.db.clone(), (due, done), stop));
        idle.notified().await;
        running.send(true).unwrap();
        task.await.unwrap();
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let folder = self.archive.root().join(self.company.0.to_string());
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn is_opus(&self, n: u64) {
        let row = self.db.recordings().named(&format!("call-0-{n}")).await.unwrap().unwrap();
        assert_eq!(
            (row.format, row.becomes, row.place),
            (RecordingFormat::Opus, RecordingFormat::Opus, RecordingPlace::Node)
        );
        let file = self.archive.file(&row, row.format);
        assert_eq!(crate::recordings::summed(&file).unwrap(), (row.bytes, row.sha256), "the row tells what is there");
        let (heard, said) = (opus::read_ogg_stereo(&std::fs::read(file).unwrap()).unwrap(), sound());
        assert_eq!((heard.len(), row.length_ms), (said.len(), 2_000));
        for channel in [0, 1] {
            let like = likeness(&heard, &said, channel);
            assert!(like > 0.97, "channel {channel} is like what was said: {like}");
        }
        assert!(likeness(&heard, &said.iter().skip(1).copied().collect::<Vec<_>>(), 0).abs() < 0.1, "not the other");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_becomes_opus_unless_its_company_wants_wav() {
    let bed = Bed::new().await;
    let first = bed.record(1).await;
    assert_eq!((first.format, first.becomes), (RecordingFormat::Wav, RecordingFormat::Opus));
    bed.wants(RecordingFormat::Wav).await;
    let second = bed.record(2).await;
    assert_eq!(second.becomes, RecordingFormat::Wav);
    bed.encode().await;
    bed.is_opus(1).await;
    assert_eq!(bed.files(), ["call-0-1.opus", "call-0-2.wav"]);
    let small = bed.db.recordings().named("call-0-1").await.unwrap().unwrap();
    assert!(small.bytes * 5 < first.bytes, "{} of {} bytes", small.bytes, first.bytes);
    // What the quota counts is what is on the disk now.
    let surplus = bed.db.recordings().surplus(bed.company, small.bytes + second.bytes, 10).await.unwrap();
    assert_eq!(surplus, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_moment_loses_nothing() {
    let bed = Bed::new().await;
    let mut rows = Vec::new();
    for n in 1..=4 {
        rows.push(bed.record(n).await);
    }
    let (wav, opus) = (
        |n: usize| bed.archive.file(&rows[n - 1], RecordingFormat::Wav),
        |n: usize| bed.archive.file(&rows[n - 1], RecordingFormat::Opus),
    );
    // The first was being written.
    std::fs::write(opus(1).with_extension(PART), b"OggS half").unwrap();
    // The second was renamed, and its row did not know yet.
    std::fs::write(opus(2), b"OggS whole, but nobody knows").unwrap();
    // The third has its row, and its WAV file had to go; and the note of the fourth.
    let (_running, stop) = watch::channel(false);
    let encoded = encode(&wav(3), &opus(3), (3, &stop)).unwrap().unwrap();
    assert!(bed.db.recordings().encoded(rows[2].id, (encoded.0, &encoded.1)).await.unwrap());
    crate::recordings::note(&wav(4), &start(4, bed.company, 10)).unwrap();
    bed.encode().await;
    // The next look finds the note of a file that is Opus already.
    let (told, finished) = mpsc::channel(1);
    drop(told);
    let with = (finished, Unfinished::default(), Arc::default());
    let (running, stop) = watch::channel(false);
    let kept = keep(bed.archive.clone(), (bed.db.clone(), crate::Clock::anchored()), with, stop);
    kept.await;
    drop(running);
    for n in 1..=4 {
        bed.is_opus(n).await;
    }
    let files = bed.files();
    let left: Vec<_> = files.iter().filter(|name| !name.ends_with(".opus") && !name.ends_with(".json")).collect();
    assert!(left.is_empty(), "{files:?}");
    assert_eq!(bed.db.recordings().to_encode(0, 10).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_encoded_stays_and_what_was_removed_meanwhile_goes() {
    let bed = Bed::new().await;
    let (broken, removed, lost) = (bed.record(1).await, bed.record(2).await, bed.record(3).await);
    std::fs::write(bed.archive.file(&broken, RecordingFormat::Wav), b"no sound at all").unwrap();
    std::fs::remove_file(bed.archive.file(&lost, RecordingFormat::Wav)).unwrap();
    // It is removed while it is encoded: its row has gone when the file is there.
    let file = std::fs::read(bed.archive.file(&removed, RecordingFormat::Wav)).unwrap();
    bed.archive.remove(&bed.db, &OpContext::platform(), removed.id).await.unwrap();
    std::fs::write(bed.archive.file(&removed, RecordingFormat::Wav), file).unwrap();
    let (_running, stop) = watch::channel(false);
    encode_one(&bed.archive, &bed.db, (&removed, stop)).await.unwrap();
    bed.encode().await;
    let rows = bed.db.recordings().list(&OpContext::platform(), (None, None), Page::first()).await.unwrap();
    let seen: Vec<_> = rows.iter().map(|r| (r.name.as_str(), r.format, r.becomes)).collect();
    let (wav, opus) = (RecordingFormat::Wav, RecordingFormat::Opus);
    assert_eq!(seen, [("call-0-1", wav, wav), ("call-0-3", wav, opus)]);
    assert_eq!(bed.files(), ["call-0-1.wav"]);
}
